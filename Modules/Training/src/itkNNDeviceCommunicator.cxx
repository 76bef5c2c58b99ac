/*=========================================================================
 *
 *  Copyright itk-universeg developers
 *
 *  Licensed under the Apache License, Version 2.0 (the "License");
 *  you may not use this file except in compliance with the License.
 *  You may obtain a copy of the License at
 *
 *         https://www.apache.org/licenses/LICENSE-2.0.txt
 *
 *  Unless required by applicable law or agreed to in writing, software
 *  distributed under the License is distributed on an "AS IS" BASIS,
 *  WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 *  See the License for the specific language governing permissions and
 *  limitations under the License.
 *
 *=========================================================================*/
#include "itkNNDeviceCommunicator.h"

#include "itkNNError.h"

#include <algorithm>

namespace itk
{
namespace nn
{
namespace
{
/** The reason why f() failed; empty when it did not. */
template <typename TFunction>
std::string
Try(const TFunction & f)
{
  try
  {
    f();
  }
  catch (const Error & error)
  {
    return error.GetDescription();
  }
  return "";
}

/** Process 0's text, in all processes. */
void
ShareText(const Communicator & communicator, std::string & text)
{
  std::vector<float> length{ communicator.GetRank() == 0 ? static_cast<float>(text.size()) : 0.0F };
  communicator.Sum(length);
  std::vector<float> bytes(static_cast<std::size_t>(length[0]), 0);
  if (communicator.GetRank() == 0)
  {
    std::transform(text.begin(),
                   text.end(),
                   bytes.begin(),
                   [](char c) { return static_cast<float>(static_cast<unsigned char>(c)); });
  }
  communicator.Sum(bytes);
  text.resize(bytes.size());
  std::transform(bytes.begin(),
                 bytes.end(),
                 text.begin(),
                 [](float value) { return static_cast<char>(static_cast<unsigned char>(value)); });
}
} // namespace

DeviceCommunicator::DeviceCommunicator(std::shared_ptr<const Communicator> host, std::shared_ptr<DeviceMemory> device)
  : m_Host(std::move(host))
  , m_Device(std::move(device))
{
  itkNNRequireMacro(m_Host != nullptr, "A communicator of devices needs one of the host");
  this->Agree(m_Device ? m_Device->GetGroupReason() : "there is no device that is not the host");
  std::string id;
  this->Agree(m_Host->GetRank() == 0 ? Try([&] { id = m_Device->MakeGroupId(); }) : "");
  ShareText(*m_Host, id);
  this->Agree(Try([&] { m_Group = m_Device->JoinGroup(id, m_Host->GetSize(), m_Host->GetRank()); }));
}

DeviceCommunicator::~DeviceCommunicator() = default;

void
DeviceCommunicator::Agree(const std::string & reason) const
{
  std::vector<float> failures{ reason.empty() ? 0.0F : 1.0F };
  m_Host->Sum(failures);
  itkNNRequireMacro(failures[0] == 0, (reason.empty() ? std::string("the device of another process cannot") : reason));
}

int
DeviceCommunicator::GetRank() const
{
  return m_Host->GetRank();
}

int
DeviceCommunicator::GetSize() const
{
  return m_Host->GetSize();
}

int
DeviceCommunicator::GetLocalRank() const
{
  return m_Host->GetLocalRank();
}

void
DeviceCommunicator::Sum(std::vector<float> & values) const
{
  m_Host->Sum(values);
}

void
DeviceCommunicator::SumTensor(Tensor & values) const
{
  if (values.GetDevice() != m_Device)
  {
    m_Host->SumTensor(values);
    return;
  }
  itkNNRequireMacro(values.GetDataType() == DataType::Float32 && values.IsContiguous(),
                    "Sums over processes are of contiguous float32, not of " << ToString(values.GetDataType()));
  m_Group->Sum(values.GetRawData(), static_cast<std::size_t>(values.GetNumberOfElements()));
}
} // namespace nn
} // namespace itk
