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
#include "itkNNCudaBackend.h"

#include "itkNNCudaKernel.h"
#include "itkNNCudaLibraries.h"

namespace itk
{
namespace nn
{
namespace
{
template <typename TOperator>
class CudaImplementation : public Implementation
{
public:
  std::string GetName() const override
  {
    return std::string("cuda:") + nn::GetName(Operator{ TOperator{} });
  }

  Proposal Propose(const OperatorCase & operatorCase) const override
  {
    if (operatorCase.device == nullptr)
    {
      return Proposal::Unsupported("runs on a CUDA device, not on the cpu");
    }
    const DataType type = operatorCase.output.type;
    if (!MovesElements(operatorCase.op) && !IsFloatingPoint(type))
    {
      return Proposal::Unsupported(std::string("computes in floating-point types, not in ") + ToString(type));
    }
    return cuda::Propose(std::get<TOperator>(operatorCase.op), operatorCase);
  }
};

template <typename TOperator>
const Implementation *
GetImplementation(const TOperator &)
{
  static const CudaImplementation<TOperator> implementation;
  return &implementation;
}
} // namespace

CudaBackend::CudaBackend() = default;

CudaBackend::~CudaBackend() = default;

std::string
CudaBackend::GetBackendName() const
{
  return "cuda";
}

Device::Type
CudaBackend::GetDeviceType() const
{
  return Device::Type::Cuda;
}

std::string
CudaBackend::GetUnavailableReason(const Device & device, DataType precision) const
{
  if (device.type != Device::Type::Cuda)
  {
    return "runs on cuda devices, not on " + device.ToText();
  }
  const cuda::Library & library = cuda::Library::Get();
  if (!library.GetReason().empty())
  {
    return library.GetReason();
  }
  if (device.index >= library.GetNumberOfDevices())
  {
    return "there is no " + device.ToText() + "; devices: " + std::to_string(library.GetNumberOfDevices());
  }
  return IsFloatingPoint(precision) ? ""
                                    : std::string("computes in floating-point types, not in ") + ToString(precision);
}

int
CudaBackend::GetPriority() const
{
  return 200;
}

std::vector<const Implementation *>
CudaBackend::GetImplementations(const Operator & op) const
{
  std::vector<const Implementation *> implementations;
  if (const Implementation * library = cuda::GetLibraryImplementation(op))
  {
    implementations.push_back(library);
  }
  implementations.push_back(std::visit([](const auto & kind) { return GetImplementation(kind); }, op));
  return implementations;
}

std::unique_ptr<Kernel>
CudaBackend::MakeReorder(const ValueType & type, const Layout & from, const Layout & to, unsigned int) const
{
  return cuda::MakeReorderKernel(type, from, to);
}

std::shared_ptr<DeviceMemory>
CudaBackend::GetDeviceMemory(const Device & device) const
{
  return cuda::GetMemory(*cuda::Library::Get().GetTable(), device.index);
}
} // namespace nn
} // namespace itk
