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
#include "itkNNOneDNNBackend.h"

#include "itkNNOneDNNCommon.h"

#include <type_traits>

namespace itk
{
namespace nn
{
namespace
{
template <typename TOperator>
class OneDNNImplementation : public Implementation
{
public:
  std::string GetName() const override
  {
    return std::string("onednn:") + nn::GetName(Operator{ TOperator{} });
  }

  Proposal Propose(const OperatorCase & operatorCase) const override
  {
    std::string reason = onednn::GetUnsupportedReason(operatorCase);
    if (!reason.empty())
    {
      return Proposal::Unsupported(std::move(reason));
    }
    try
    {
      const onednn::ThreadScope scope(operatorCase.threads);
      return onednn::Propose(std::get<TOperator>(operatorCase.op), operatorCase);
    }
    catch (const dnnl::error & error)
    {
      return Proposal::Unsupported(std::string("oneDNN: ") + error.what());
    }
  }
};

template <typename TOperator>
std::vector<const Implementation *>
GetImplementation(const TOperator &)
{
  // What oneDNN has no primitive for, or does no better than the reference backend.
  if constexpr (std::is_same<TOperator, Reshape>::value || std::is_same<TOperator, Broadcast>::value ||
                std::is_same<TOperator, Gather>::value || std::is_same<TOperator, ScatterAdd>::value ||
                std::is_same<TOperator, BitMask>::value || std::is_same<TOperator, Barrier>::value ||
                std::is_same<TOperator, Sampling>::value || std::is_same<TOperator, TransposedSampling>::value ||
                std::is_same<TOperator, SamplingCoordinatesGradient>::value ||
                std::is_same<TOperator, LovaszWeights>::value)
  {
    return {};
  }
  else
  {
    static const OneDNNImplementation<TOperator> implementation;
    if constexpr (std::is_same<TOperator, Convolution>::value)
    {
      return { &onednn::GetWinogradImplementation(), &implementation };
    }
    if constexpr (std::is_same<TOperator, TransposedConvolution>::value)
    {
      return { &onednn::GetTransposedWinogradImplementation(), &implementation };
    }
    return { &implementation };
  }
}
} // namespace

OneDNNBackend::OneDNNBackend() = default;

OneDNNBackend::~OneDNNBackend() = default;

std::string
OneDNNBackend::GetBackendName() const
{
  return "onednn";
}

std::string
OneDNNBackend::GetUnavailableReason(const Device & device, DataType precision) const
{
  if (device.type != Device::Type::Cpu)
  {
    return "runs on the cpu, not on " + device.ToText();
  }
  if (precision != DataType::Float32)
  {
    return std::string("computes in float32, not in ") + ToString(precision);
  }
  return "";
}

int
OneDNNBackend::GetPriority() const
{
  return 10;
}

std::vector<const Implementation *>
OneDNNBackend::GetImplementations(const Operator & op) const
{
  return std::visit([](const auto & kind) { return GetImplementation(kind); }, op);
}

void
OneDNNBackend::RunParallel(std::int64_t count,
                           unsigned int threads,
                           const std::function<void(std::int64_t, std::int64_t)> & f) const
{
  onednn::Parallel(count, threads, f);
}

std::unique_ptr<Kernel>
OneDNNBackend::MakeReorder(const ValueType & type, const Layout & from, const Layout & to, unsigned int threads) const
{
  const bool sameAxis = from.IsPlain() || to.IsPlain() || from.axis == to.axis;
  if (type.type != DataType::Float32 || NumberOfElements(type.shape) == 0 || !sameAxis || from == to)
  {
    return nullptr;
  }
  // Plain memory in the other layout's axes.
  const auto describe = [&](const Layout & layout, const Layout & other)
  {
    if (!layout.IsPlain())
    {
      return onednn::FlatDescription(type, layout);
    }
    return dnnl::memory::desc(
      onednn::FlatDescription(type, other).get_dims(), dnnl::memory::data_type::f32, dnnl::memory::format_tag::abc);
  };
  const auto src = describe(from, to);
  const auto dst = describe(to, from);
  const onednn::ThreadScope scope(threads);
  const dnnl::reorder::primitive_desc description(
    onednn::GetEngine(), src, onednn::GetEngine(), dst, onednn::UserScratchpad());
  return onednn::MakePrimitiveKernel(dnnl::reorder(description),
                                     { { DNNL_ARG_SRC, src, 0 }, { DNNL_ARG_DST, dst, onednn::Binding::output } },
                                     description.scratchpad_desc(),
                                     threads);
}
} // namespace nn
} // namespace itk
