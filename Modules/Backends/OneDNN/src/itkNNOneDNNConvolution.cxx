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
#include "itkNNOneDNNCommon.h"
#include "itkNNOneDNNPointwise.h"
#include "itkNNOneDNNWindows.h"

#include <algorithm>

namespace itk
{
namespace nn
{
namespace onednn
{
namespace
{
class ConvolutionKernel : public Kernel
{
public:
  ConvolutionKernel(const Convolution & op,
                    const OperatorCase & operatorCase,
                    const dnnl::convolution_forward::primitive_desc & description,
                    const dnnl::memory::desc & plainWeights,
                    std::vector<dnnl::memory::desc> operands)
    : m_Primitive(description)
    , m_Src(description.src_desc())
    , m_Weights(description.weights_desc())
    , m_Dst(description.dst_desc())
    , m_PlainWeights(plainWeights)
    , m_Scratch(description.scratchpad_desc())
    , m_Operands(std::move(operands))
    , m_Threads(operatorCase.threads)
  {
    if (op.hasBias)
    {
      m_Bias = description.bias_desc();
    }
    for (std::size_t i = 0; i < op.postOperations.size(); ++i)
    {
      if (std::holds_alternative<Binary>(op.postOperations[i].operation))
      {
        m_OperandArguments.push_back(DNNL_ARG_ATTR_MULTIPLE_POST_OP(static_cast<int>(i)) | DNNL_ARG_SRC_1);
      }
    }
    m_NeedsPacking = m_Weights != m_PlainWeights;
    if (m_NeedsPacking)
    {
      const Operand & weights = operatorCase.inputs[1];
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
    return m_Scratch.get_size() + (this->PacksAtRun() ? AlignedBytes(m_Weights.get_size()) : 0);
  }

  bool ReadsInput(std::size_t input) const override
  {
    return input != 1 || !m_Packed;
  }

  void Execute(const KernelArguments & arguments) const override
  {
    auto * scratch = static_cast<char *>(arguments.scratch);
    const void * weights = m_Packed ? m_Packed.get() : arguments.inputs[1];
    if (this->PacksAtRun())
    {
      Reorder(m_PlainWeights, arguments.inputs[1], m_Weights, scratch, m_Threads);
      weights = scratch;
      scratch += AlignedBytes(m_Weights.get_size());
    }
    std::unordered_map<int, dnnl::memory> memory{ { DNNL_ARG_SRC, Wrap(m_Src, arguments.inputs[0]) },
                                                  { DNNL_ARG_WEIGHTS, Wrap(m_Weights, weights) },
                                                  { DNNL_ARG_DST, Wrap(m_Dst, arguments.output) },
                                                  { DNNL_ARG_SCRATCHPAD, Wrap(m_Scratch, scratch) } };
    std::size_t next = 2;
    if (!m_Bias.is_zero())
    {
      memory.emplace(DNNL_ARG_BIAS, Wrap(m_Bias, arguments.inputs[next++]));
    }
    for (std::size_t i = 0; i < m_OperandArguments.size(); ++i)
    {
      memory.emplace(m_OperandArguments[i], Wrap(m_Operands[i], arguments.inputs[next++]));
    }
    onednn::Execute(m_Primitive, memory, m_Threads);
  }

private:
  bool PacksAtRun() const
  {
    return m_NeedsPacking && !m_Packed;
  }

  dnnl::convolution_forward m_Primitive;
  dnnl::memory::desc m_Src;
  dnnl::memory::desc m_Weights;
  dnnl::memory::desc m_Dst;
  dnnl::memory::desc m_PlainWeights;
  dnnl::memory::desc m_Scratch;
  dnnl::memory::desc m_Bias;
  std::vector<dnnl::memory::desc> m_Operands;
  std::vector<int> m_OperandArguments;
  std::shared_ptr<const void> m_Packed;
  unsigned int m_Threads;
  bool m_NeedsPacking = false;
};

/** A convolution in given layouts whose post-operations, all of them, are the primitive's. */
Proposal
ProposeFused(const Convolution & op, const OperatorCase & operatorCase, const LayoutChoice & choice)
{
  const std::size_t rank = op.stride.size();
  const Shape & srcShape = operatorCase.inputs[0].type.shape;
  const Shape & weightShape = operatorCase.inputs[1].type.shape;
  const Dims src = MergeBatch(srcShape, rank);
  const Dims dst = MergeBatch(operatorCase.output.shape, rank);
  const int srcAxis = static_cast<int>(srcShape.size() - rank) - 1;

  const dnnl::memory::desc plainWeights = PlainWeights(weightShape, op.groups);
  const Dims dilation = ToDilation(op.dilation);

  dnnl::post_ops postOperations;
  std::vector<dnnl::memory::desc> operands;
  std::size_t next = op.hasBias ? 3 : 2;
  // Operands of the result's full shape lie as the result does, which is known only for a given layout.
  bool wholeOperand = false;
  for (const auto & post : op.postOperations)
  {
    if (const auto * unary = std::get_if<Unary>(&post.operation))
    {
      const Eltwise eltwise = ToEltwise(*unary);
      if (eltwise.algorithm == dnnl::algorithm::undef)
      {
        return Proposal::Unsupported(std::string("has no post-operation ") + ToString(unary->function));
      }
      postOperations.append_eltwise(eltwise.algorithm, eltwise.alpha, eltwise.beta);
      continue;
    }
    const auto function = std::get<Binary>(post.operation).function;
    const Shape & shape = operatorCase.inputs[next++].type.shape;
    dnnl::algorithm algorithm = ToBinaryAlgorithm(function);
    if (algorithm == dnnl::algorithm::undef)
    {
      return Proposal::Unsupported(std::string("has no post-operation ") + ToString(function));
    }
    if (shape == operatorCase.output.shape)
    {
      wholeOperand = true;
      operands.emplace_back(dst, f32, choice.dst == Tag::any ? TagOf(Layout::Kind::Plain, dst.size()) : choice.dst);
    }
    else if (IsPerChannel(shape, operatorCase.output.shape, srcAxis))
    {
      Dims channel(dst.size(), 1);
      channel[1] = dst[1];
      operands.emplace_back(channel, f32, TagOf(Layout::Kind::Plain, dst.size()));
    }
    else
    {
      return Proposal::Unsupported("a post-operation's operand " + ToString(shape) +
                                   " is neither of the result's shape nor one value a channel");
    }
    postOperations.append_binary(algorithm, operands.back());
  }
  if (wholeOperand && choice.dst == Tag::any)
  {
    return Proposal::Unsupported("a post-operation's operand must lie as the result does");
  }
  dnnl::primitive_attr attributes = UserScratchpad();
  attributes.set_post_ops(postOperations);

  const dnnl::memory::desc srcAny(src, f32, choice.src);
  const dnnl::memory::desc weightsAny(plainWeights.get_dims(), f32, Tag::any);
  const dnnl::memory::desc dstAny(dst, f32, choice.dst);
  const dnnl::memory::desc bias(op.hasBias ? dnnl::memory::desc({ weightShape[0] }, f32, Tag::a)
                                           : dnnl::memory::desc());
  const dnnl::convolution_forward::primitive_desc description(GetEngine(),
                                                              dnnl::prop_kind::forward_inference,
                                                              dnnl::algorithm::convolution_direct,
                                                              srcAny,
                                                              weightsAny,
                                                              bias,
                                                              dstAny,
                                                              op.stride,
                                                              dilation,
                                                              op.padding,
                                                              op.paddingEnd,
                                                              attributes);
  Layout srcLayout;
  Layout dstLayout;
  if (!ToLayout(description.src_desc(), srcAxis, srcLayout) || !ToLayout(description.dst_desc(), srcAxis, dstLayout))
  {
    return Proposal::Unsupported(unknownLayout);
  }
  std::vector<Layout> inputLayouts(operatorCase.inputs.size());
  inputLayouts[0] = srcLayout;
  for (std::size_t i = op.hasBias ? 3 : 2; i < inputLayouts.size(); ++i)
  {
    if (operatorCase.inputs[i].type.shape == operatorCase.output.shape)
    {
      inputLayouts[i] = dstLayout;
    }
  }
  const bool constantOperand = std::any_of(
    operatorCase.inputs.begin(),
    operatorCase.inputs.end(),
    [&](const Operand & input)
    { return input.IsConstant() && input.type.shape == operatorCase.output.shape && !dstLayout.IsPlain(); });
  if (constantOperand)
  {
    return Proposal::Unsupported("a constant operand is plain");
  }
  Proposal proposal = Proposal::FromKernel(
    std::make_unique<ConvolutionKernel>(op, operatorCase, description, plainWeights, std::move(operands)),
    std::move(inputLayouts),
    dstLayout);
  proposal.detail = description.impl_info_str();
  return proposal;
}

Proposal
ProposeFused(const Convolution & op, const OperatorCase & operatorCase)
{
  const std::size_t rank = op.stride.size();
  return ProposeInLayouts(MergeBatch(operatorCase.inputs[0].type.shape, rank),
                          MergeBatch(operatorCase.output.shape, rank),
                          [&](const LayoutChoice & choice) { return ProposeFused(op, operatorCase, choice); });
}
} // namespace

Proposal
Propose(const Convolution & op, const OperatorCase & operatorCase)
{
  Proposal proposal = ProposeFused(op, operatorCase);
  const bool isPoor = !proposal.IsSupported() || GetSlowness(proposal.detail) > 0;
  if (isPoor && !op.postOperations.empty())
  {
    Proposal twoSteps =
      ProposeTwoSteps(operatorCase,
                      op.hasBias ? 3 : 2,
                      [](const OperatorCase & bare) { return ProposeFused(std::get<Convolution>(bare.op), bare); });
    if (twoSteps.IsSupported() &&
        (!proposal.IsSupported() || GetSlowness(twoSteps.detail) < GetSlowness(proposal.detail)))
    {
      return twoSteps;
    }
  }
  return proposal;
}

Proposal
Propose(const Pooling & op, const OperatorCase & operatorCase)
{
  const std::size_t rank = op.kernel.size();
  const Shape & shape = operatorCase.inputs[0].type.shape;
  const int channelAxis = static_cast<int>(shape.size() - rank) - 1;
  const Dims src = MergeBatch(shape, rank);
  const Dims dst = MergeBatch(operatorCase.output.shape, rank);
  Layout layout = operatorCase.inputs[0].layout;
  if (!layout.IsPlain() && layout.axis != channelAxis)
  {
    layout = {};
  }
  const auto algorithm = op.function == PoolingFunction::Maximum ? dnnl::algorithm::pooling_max
                       : op.includePadding                       ? dnnl::algorithm::pooling_avg_include_padding
                                                                 : dnnl::algorithm::pooling_avg_exclude_padding;
  // The window may end before the last element; oneDNN wants the padding that says so.
  Dims paddingEnd;
  for (std::size_t d = 0; d < rank; ++d)
  {
    paddingEnd.push_back((dst[2 + d] - 1) * op.stride[d] + op.kernel[d] - src[2 + d] - op.padding[d]);
  }
  const Tag tag = TagOf(layout.kind, src.size());
  const dnnl::pooling_forward::primitive_desc description(GetEngine(),
                                                          dnnl::prop_kind::forward_inference,
                                                          algorithm,
                                                          dnnl::memory::desc(src, f32, tag),
                                                          dnnl::memory::desc(dst, f32, tag),
                                                          op.stride,
                                                          op.kernel,
                                                          Dims(rank, 0),
                                                          op.padding,
                                                          paddingEnd,
                                                          UserScratchpad());
  Proposal proposal =
    Proposal::FromKernel(MakePrimitiveKernel(dnnl::pooling_forward(description),
                                             { { DNNL_ARG_SRC, description.src_desc(), 0 },
                                               { DNNL_ARG_DST, description.dst_desc(), Binding::output } },
                                             description.scratchpad_desc(),
                                             operatorCase.threads),
                         { layout },
                         layout);
  proposal.detail = description.impl_info_str();
  return proposal;
}
} // namespace onednn
} // namespace nn
} // namespace itk
