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
#include "itkNNReferenceBackend.h"

#include "itkNNReferenceKernels.h"

#include <type_traits>

namespace itk
{
namespace nn
{
namespace
{
template <typename TOperator>
class ReferenceImplementation : public Implementation
{
public:
  std::string GetName() const override
  {
    return std::string("reference:") + nn::GetName(Operator{ TOperator{} });
  }

  Proposal Propose(const OperatorCase & operatorCase) const override
  {
    const DataType type = operatorCase.output.type;
    if (!MovesElements(operatorCase.op) && type != DataType::Float32 && type != DataType::Float64)
    {
      return Proposal::Unsupported(std::string("computes in float32 and float64, not in ") + ToString(type));
    }
    const std::vector<Layout> plain(operatorCase.inputs.size());
    if constexpr (std::is_same<TOperator, Barrier>::value)
    {
      const Layout layout = operatorCase.inputs[0].IsConstant() ? Layout{} : operatorCase.inputs[0].layout;
      return Proposal::Alias(0, { layout }, layout);
    }
    else if constexpr (std::is_same<TOperator, Reshape>::value)
    {
      return Proposal::Alias(0, plain);
    }
    else
    {
      Proposal proposal =
        Proposal::FromKernel(reference::MakeKernel(std::get<TOperator>(operatorCase.op), operatorCase), plain);
      if (std::is_same<TOperator, Insertion>::value)
      {
        proposal.inPlaceInput = 0;
      }
      return proposal;
    }
  }
};

template <typename TOperator>
const Implementation *
GetImplementation(const TOperator &)
{
  static const ReferenceImplementation<TOperator> implementation;
  return &implementation;
}
} // namespace

ReferenceBackend::ReferenceBackend() = default;

ReferenceBackend::~ReferenceBackend() = default;

std::string
ReferenceBackend::GetBackendName() const
{
  return "reference";
}

std::string
ReferenceBackend::GetUnavailableReason(const Device & device, DataType precision) const
{
  if (device.type != Device::Type::Cpu)
  {
    return "runs on the cpu, not on " + device.ToText();
  }
  if (precision != DataType::Float32 && precision != DataType::Float64)
  {
    return std::string("computes in float32 and float64, not in ") + ToString(precision);
  }
  return "";
}

int
ReferenceBackend::GetPriority() const
{
  return 0;
}

std::vector<const Implementation *>
ReferenceBackend::GetImplementations(const Operator & op) const
{
  return { std::visit([](const auto & kind) { return GetImplementation(kind); }, op) };
}

std::unique_ptr<Kernel>
ReferenceBackend::MakeReorder(const ValueType & type,
                              const Layout & from,
                              const Layout & to,
                              unsigned int threads) const
{
  return reference::MakeReorderKernel(type, from, to, threads);
}
} // namespace nn
} // namespace itk
