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
#include "itkNNOneDNNPointwise.h"
#include "itkNNOneDNNWindows.h"
#include "itkNNSimdGradients.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace itk
{
namespace nn
{
namespace onednn
{
namespace
{
/** A convolution's parameters as oneDNN wants them, for both gradients. */
struct Window
{
  template <typename TOperator>
  Window(const TOperator & op, const Shape & srcShape, const Shape & weightShape, const Shape & dstShape)
    : rank(op.stride.size())
    , src(MergeBatch(srcShape, rank))
    , dst(MergeBatch(dstShape, rank))
    , plainWeights(PlainWeights(weightShape, op.groups))
    , stride(op.stride)
    , dilation(ToDilation(op.dilation))
    , padding(op.padding)
    , paddingEnd(op.paddingEnd)
  {
    for (std::size_t d = 0; d < rank; ++d)
    {
      // oneDNN wants the padding that makes the extents agree exactly.
      const std::int64_t reach = op.dilation[d] * (weightShape[2 + d] - 1) + 1;
      paddingEnd[d] = (dst[2 + d] - 1) * stride[d] + reach - src[2 + d] - padding[d];
    }
  }

  /** The forward primitive that the gradients' descriptions are made with. */
  dnnl::convolution_forward::primitive_desc MakeHint(const LayoutChoice & choice) const
  {
    return dnnl::convolution_forward::primitive_desc(GetEngine(),
                                                     dnnl::prop_kind::forward_training,
                                                     dnnl::algorithm::convolution_direct,
                                                     this->Describe(src, choice.src),
                                                     this->DescribeWeights(),
                                                     this->Describe(dst, choice.dst),
                                                     stride,
                                                     dilation,
                                                     padding,
                                                     paddingEnd,
                                                     UserScratchpad());
  }

  /** The gradient's primitive; both kinds take the same parameters. */
  template <typename TPrimitive>
  typename TPrimitive::primitive_desc Make(const LayoutChoice & choice) const
  {
    return typename TPrimitive::primitive_desc(GetEngine(),
                                               dnnl::algorithm::convolution_direct,
                                               this->Describe(src, choice.src),
                                               this->DescribeWeights(),
                                               this->Describe(dst, choice.dst),
                                               stride,
                                               dilation,
                                               padding,
                                               paddingEnd,
                                               this->MakeHint(choice),
                                               UserScratchpad());
  }

  dnnl::memory::desc Describe(const Dims & dims, Tag tag) const
  {
    return dnnl::memory::desc(dims, f32, tag);
  }
  dnnl::memory::desc DescribeWeights() const
  {
    return dnnl::memory::desc(plainWeights.get_dims(), f32, Tag::any);
  }

  std::size_t rank;
  Dims src;
  Dims dst;
  dnnl::memory::desc plainWeights;
  Dims stride;
  Dims dilation;
  Dims padding;
  Dims paddingEnd;
};

class TransposedConvolutionKernel : public Kernel
{
public:
  TransposedConvolutionKernel(const OperatorCase & operatorCase,
                              const dnnl::convolution_backward_data::primitive_desc & description,
                              const dnnl::memory::desc & plainWeights)
    : m_Primitive(description)
    , m_Src(description.diff_dst_desc())
    , m_Weights(description.weights_desc())
    , m_Dst(description.diff_src_desc())
    , m_PlainWeights(plainWeights)
    , m_Scratch(description.scratchpad_desc())
    , m_Threads(operatorCase.threads)
  {
    const Operand & weights = operatorCase.inputs[1];
    m_NeedsPacking = m_Weights != m_PlainWeights;
    if (m_NeedsPacking)
    {
      m_Packed = PackConstant(weights,
                              operatorCase,
                              "|onednn" + ToKey(m_Weights),
                              m_Weights.get_size(),
                              [&](void * to)
                              { Reorder(m_PlainWeights, weights.constant.GetRawData(), m_Weights, to, m_Threads); });
    }
  }

  std::size_t GetScratchBytes() const override
  {
    return AlignedBytes(m_Scratch.get_size()) + (m_NeedsPacking && !m_Packed ? m_Weights.get_size() : 0);
  }

  bool ReadsInput(std::size_t input) const override
  {
    return input != 1 || !m_Packed;
  }

  void Execute(const KernelArguments & arguments) const override
  {
    auto * scratch = static_cast<char *>(arguments.scratch);
    const void * weights = m_Packed ? m_Packed.get() : arguments.inputs[1];
    if (m_NeedsPacking && !m_Packed)
    {
      char * packed = scratch + AlignedBytes(m_Scratch.get_size());
      Reorder(m_PlainWeights, arguments.inputs[1], m_Weights, packed, m_Threads);
      weights = packed;
    }
    onednn::Execute(m_Primitive,
                    { { DNNL_ARG_DIFF_DST, Wrap(m_Src, arguments.inputs[0]) },
                      { DNNL_ARG_WEIGHTS, Wrap(m_Weights, weights) },
                      { DNNL_ARG_DIFF_SRC, Wrap(m_Dst, arguments.output) },
                      { DNNL_ARG_SCRATCHPAD, Wrap(m_Scratch, scratch) } },
                    m_Threads);
  }

private:
  dnnl::convolution_backward_data m_Primitive;
  dnnl::memory::desc m_Src;
  dnnl::memory::desc m_Weights;
  dnnl::memory::desc m_Dst;
  dnnl::memory::desc m_PlainWeights;
  dnnl::memory::desc m_Scratch;
  std::shared_ptr<const void> m_Packed;
  unsigned int m_Threads;
  bool m_NeedsPacking = false;
};

Proposal
ProposeBare(const TransposedConvolution & op, const OperatorCase & operatorCase)
{
  const Shape & srcShape = operatorCase.inputs[0].type.shape;
  const Window window(op, operatorCase.output.shape, operatorCase.inputs[1].type.shape, srcShape);
  const int channelAxis = static_cast<int>(srcShape.size() - window.rank) - 1;
  return ProposeInLayouts(window.src,
                          window.dst,
                          [&](const LayoutChoice & choice)
                          {
                            const auto description = window.Make<dnnl::convolution_backward_data>(choice);
                            Layout srcLayout;
                            Layout dstLayout;
                            if (!ToLayout(description.diff_dst_desc(), channelAxis, srcLayout) ||
                                !ToLayout(description.diff_src_desc(), channelAxis, dstLayout))
                            {
                              return Proposal::Unsupported(unknownLayout);
                            }
                            Proposal proposal = Proposal::FromKernel(std::make_unique<TransposedConvolutionKernel>(
                                                                       operatorCase, description, window.plainWeights),
                                                                     { srcLayout, Layout{} },
                                                                     dstLayout);
                            proposal.detail = description.impl_info_str();
                            return proposal;
                          });
}

class WeightsGradientKernel : public Kernel
{
public:
  WeightsGradientKernel(const dnnl::convolution_backward_weights::primitive_desc & description,
                        const dnnl::memory::desc & plainWeights,
                        unsigned int threads)
    : m_Primitive(description)
    , m_Src(description.src_desc())
    , m_Gradient(description.diff_dst_desc())
    , m_Weights(description.diff_weights_desc())
    , m_PlainWeights(plainWeights)
    , m_Scratch(description.scratchpad_desc())
    , m_Threads(threads)
  {}

  std::size_t GetScratchBytes() const override
  {
    return AlignedBytes(m_Scratch.get_size()) + (m_Weights == m_PlainWeights ? 0 : m_Weights.get_size());
  }

  void Execute(const KernelArguments & arguments) const override
  {
    auto * scratch = static_cast<char *>(arguments.scratch);
    const bool isPlain = m_Weights == m_PlainWeights;
    void * weights = isPlain ? arguments.output : scratch + AlignedBytes(m_Scratch.get_size());
    onednn::Execute(m_Primitive,
                    { { DNNL_ARG_SRC, Wrap(m_Src, arguments.inputs[0]) },
                      { DNNL_ARG_DIFF_DST, Wrap(m_Gradient, arguments.inputs[1]) },
                      { DNNL_ARG_DIFF_WEIGHTS, Wrap(m_Weights, weights) },
                      { DNNL_ARG_SCRATCHPAD, Wrap(m_Scratch, scratch) } },
                    m_Threads);
    if (!isPlain)
    {
      Reorder(m_Weights, weights, m_PlainWeights, arguments.output, m_Threads);
    }
  }

private:
  dnnl::convolution_backward_weights m_Primitive;
  dnnl::memory::desc m_Src;
  dnnl::memory::desc m_Gradient;
  dnnl::memory::desc m_Weights;
  dnnl::memory::desc m_PlainWeights;
  dnnl::memory::desc m_Scratch;
  unsigned int m_Threads;
};
} // namespace

Proposal
Propose(const TransposedConvolution & op, const OperatorCase & operatorCase)
{
  if (op.postOperations.empty())
  {
    return ProposeBare(op, operatorCase);
  }
  return ProposeTwoSteps(operatorCase,
                         2,
                         [](const OperatorCase & bare)
                         { return ProposeBare(std::get<TransposedConvolution>(bare.op), bare); });
}

Proposal
Propose(const ConvolutionWeightsGradient & op, const OperatorCase & operatorCase)
{
  const Shape & srcShape = operatorCase.inputs[0].type.shape;
  const Window window(op, srcShape, operatorCase.output.shape, operatorCase.inputs[1].type.shape);
  const int channelAxis = static_cast<int>(srcShape.size() - window.rank) - 1;
  return ProposeInLayouts(window.src,
                          window.dst,
                          [&](const LayoutChoice & choice)
                          {
                            const auto description = window.Make<dnnl::convolution_backward_weights>(choice);
                            Layout srcLayout;
                            Layout gradientLayout;
                            if (!ToLayout(description.src_desc(), channelAxis, srcLayout) ||
                                !ToLayout(description.diff_dst_desc(), channelAxis, gradientLayout))
                            {
                              return Proposal::Unsupported(unknownLayout);
                            }
                            Proposal proposal =
                              Proposal::FromKernel(std::make_unique<WeightsGradientKernel>(
                                                     description, window.plainWeights, operatorCase.threads),
                                                   { srcLayout, gradientLayout });
                            proposal.detail = description.impl_info_str();
                            return proposal;
                          });
}

Proposal
Propose(const PoolingGradient & op, const OperatorCase & operatorCase)
{
  const Pooling & pooling = op.pooling;
  const std::size_t rank = op.size.size();
  const auto isAll = [](const std::vector<std::int64_t> & values, std::int64_t value)
  { return std::all_of(values.begin(), values.end(), [=](std::int64_t v) { return v == value; }); };
  if (pooling.function != PoolingFunction::Maximum || pooling.stride != pooling.kernel || !isAll(pooling.padding, 0))
  {
    return Proposal::Unsupported("maxima of windows that neither overlap nor are padded");
  }
  const Shape & shape = operatorCase.output.shape;
  const Layout layout = operatorCase.inputs[1].layout;
  const int channelAxis = static_cast<int>(shape.size() - rank) - 1;
  if (layout.GetBlock() == 0 || layout.axis != channelAxis || operatorCase.inputs[1].IsConstant() ||
      operatorCase.inputs[0].IsConstant())
  {
    return Proposal::Unsupported("blocked channels, not " + layout.ToText() + " memory");
  }
  const Shape physical = layout.GetPhysicalShape(shape);
  simd::PoolingGradientShape extents;
  extents.block = layout.GetBlock();
  extents.planes = NumberOfElements(Shape(physical.begin(), physical.begin() + channelAxis + 1));
  for (std::size_t d = 0; d < rank; ++d)
  {
    const std::size_t to = 3 - rank + d;
    extents.kernel[to] = pooling.kernel[d];
    extents.src[to] = op.size[d];
    extents.dst[to] = operatorCase.inputs[0].type.shape[shape.size() - rank + d];
  }
  const unsigned int threads = operatorCase.threads;
  return Proposal::FromKernel(std::make_unique<FunctionKernel>(
                                [extents, threads](const KernelArguments & arguments)
                                {
                                  Parallel(extents.planes * extents.dst[0] * extents.dst[1],
                                           threads,
                                           [&](std::int64_t begin, std::int64_t end)
                                           {
                                             simd::MaximumPoolingGradient(
                                               extents,
                                               static_cast<const float *>(arguments.inputs[0]),
                                               static_cast<const float *>(arguments.inputs[1]),
                                               static_cast<float *>(arguments.output),
                                               begin,
                                               end);
                                           });
                                }),
                              { layout, layout },
                              layout);
}

namespace
{
/** What the elements of an interpolation's outputs along an axis give to one of its src. */
struct AxisTaps
{
  struct Tap
  {
    std::int64_t position;
    float weight;
  };
  std::vector<std::vector<Tap>> taps; ///< for each element of src

  AxisTaps(const Interpolation & op, std::int64_t in, std::int64_t out)
    : taps(static_cast<std::size_t>(in))
  {
    const auto forward = InterpolationTaps(op, in, out, DataType::Float32);
    for (std::size_t i = 0; i < forward.size(); ++i)
    {
      this->Add(forward[i].low, static_cast<std::int64_t>(i), 1 - forward[i].weight);
      this->Add(forward[i].high, static_cast<std::int64_t>(i), forward[i].weight);
    }
  }

private:
  void Add(std::int64_t element, std::int64_t position, double weight)
  {
    if (weight != 0)
    {
      taps[static_cast<std::size_t>(element)].push_back({ position, static_cast<float>(weight) });
    }
  }
};

/** The adjoint of an interpolation: for each row of the result the rows that it
 * went to are blended, then neighbours within the blend. */
struct TransposedPlan : RowPlanes
{
  std::vector<AxisTaps> axes;
};

template <int VBlock>
void
TransposeRows(const KernelArguments & arguments, const TransposedPlan & plan, std::int64_t begin, std::int64_t end)
{
  const std::int64_t width = plan.src[2] * VBlock;
  std::vector<float> blend(static_cast<std::size_t>(width));
  for (std::int64_t item = begin; item < end; ++item)
  {
    const auto y = static_cast<std::size_t>(item % plan.dst[1]);
    const auto z = static_cast<std::size_t>(item / plan.dst[1] % plan.dst[0]);
    const std::int64_t plane = item / plan.dst[1] / plan.dst[0];
    const float * from = static_cast<const float *>(arguments.inputs[0]) + plane * plan.src[0] * plan.src[1] * width;
    std::fill(blend.begin(), blend.end(), 0.0F);
    for (const auto & tapZ : plan.axes[0].taps[z])
    {
      for (const auto & tapY : plan.axes[1].taps[y])
      {
        const float weight = tapZ.weight * tapY.weight;
        const float * row = from + (tapZ.position * plan.src[1] + tapY.position) * width;
        for (std::int64_t i = 0; i < width; ++i)
        {
          blend[static_cast<std::size_t>(i)] += weight * row[i];
        }
      }
    }
    float * to = static_cast<float *>(arguments.output) + item * plan.dst[2] * VBlock;
    for (std::int64_t x = 0; x < plan.dst[2]; ++x)
    {
      std::array<float, VBlock> sum{};
      for (const auto & tap : plan.axes[2].taps[static_cast<std::size_t>(x)])
      {
        const float * element = blend.data() + tap.position * VBlock;
        for (std::size_t k = 0; k < VBlock; ++k)
        {
          sum[k] += tap.weight * element[k];
        }
      }
      std::copy(sum.begin(), sum.end(), to + x * VBlock);
    }
  }
}
} // namespace

Proposal
Propose(const TransposedInterpolation & op, const OperatorCase & operatorCase)
{
  TransposedPlan plan{ GetRowPlanes(operatorCase, op.size.size()), {} };
  const Interpolation interpolation{ op.mode, {}, op.alignCorners };
  for (std::size_t d = 0; d < 3; ++d)
  {
    plan.axes.emplace_back(interpolation, plan.dst[d], plan.src[d]);
  }
  return ProposeRows(plan,
                     operatorCase.threads,
                     [plan](const KernelArguments & arguments, auto block, std::int64_t begin, std::int64_t end)
                     { TransposeRows<decltype(block)::value>(arguments, plan, begin, end); });
}
} // namespace onednn
} // namespace nn
} // namespace itk
