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
#include "itkNNDeviceMemory.h"

#include "itkNNTensor.h"

namespace itk
{
namespace nn
{
DeviceStream::~DeviceStream() = default;

void
DeviceStream::Convert(void * to, DataType toType, const void * from, DataType fromType, std::int64_t count)
{
  Tensor values({ count }, fromType);
  this->CopyToHost(values.GetRawData(), from, values.GetNumberOfBytes());
  this->Wait();
  const Tensor converted = values.To(toType);
  this->CopyFromHost(to, converted.GetRawData(), converted.GetNumberOfBytes());
  this->Wait();
}

bool
DeviceStream::BeginRecording()
{
  return false;
}

std::shared_ptr<const void>
DeviceStream::EndRecording()
{
  return nullptr;
}

void
DeviceStream::Replay(const std::shared_ptr<const void> &)
{
  itkNNThrowMacro("The device's streams have no recordings");
}

DeviceGroup::~DeviceGroup() = default;

DeviceMemory::~DeviceMemory() = default;

namespace
{
constexpr const char * noGroups = "its devices have no groups";
}

std::string
DeviceMemory::GetGroupReason() const
{
  return noGroups;
}

std::string
DeviceMemory::MakeGroupId()
{
  itkNNThrowMacro(noGroups);
}

std::shared_ptr<DeviceGroup>
DeviceMemory::JoinGroup(const std::string &, int, int)
{
  itkNNThrowMacro(noGroups);
}

std::shared_ptr<void>
DeviceMemory::Upload(const void * from, std::size_t bytes)
{
  auto memory = this->Allocate(bytes);
  const auto stream = this->MakeStream();
  stream->CopyFromHost(memory.get(), from, bytes);
  stream->Wait();
  return memory;
}

void
DeviceMemory::Download(void * to, const void * from, std::size_t bytes)
{
  const auto stream = this->MakeStream();
  stream->CopyToHost(to, from, bytes);
  stream->Wait();
}
} // namespace nn
} // namespace itk
