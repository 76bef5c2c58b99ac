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

#include <algorithm>
#include <array>
#include <cmath>

namespace itk
{
namespace nn
{
namespace onednn
{
namespace
{
using Dims = dnnl::memory::dims;
constexpr auto f32 = dnnl::memory::data_type::f32;

dnnl::memory::desc
PlainDescription(const Dims & dims)
{
  const Shape strides = ContiguousStrides(Shape(dims.begin(), dims.end()));
  return dnnl::memory::desc(dims, f32, Dims(strides.begin(), strides.end()));
}

/** The proposal of a primitive with a description of its own. */
template <typename TPrimitive>
Proposal
ProposePrimitive(const typename TPrimitive::primitive_desc & description,
                 std::vector<Binding> bindings,
                 const OperatorCase & operatorCase,
                 const Layout & layout = {})
{
  Proposal proposal = Proposal::FromKernel(
    MakePrimitiveKernel(
      TPrimitive(description), std::move(bindings), description.scratchpad_desc(), operatorCase.threads),
    std::vector<Layout>(operatorCase.inputs.size(), layout),
    layout);
  proposal.detail = description.impl_info_str();
  return proposal;
}
} // namespace

Proposal
Propose(const Unary & op, const OperatorCase & operatorCase)
{
  const Eltwise eltwise = ToEltwise(op);
  if (eltwise.algorithm == dnnl::algorithm::undef)
  {
    return Proposal::Unsupported(std::string("oneDNN has no ") + ToString(op.function));
  }
  const Layout layout = operatorCase.inputs[0].layout;
  const dnnl::memory::desc memory = FlatDescription(operatorCase.output, layout);
  const dnnl::eltwise_forward::primitive_desc description(GetEngine(),
                                                          dnnl::prop_kind::forward_inference,
                                                          eltwise.algorithm,
                                                          memory,
                                                          memory,
                                                          eltwise.alpha,
                                                          eltwise.beta,
                                                          UserScratchpad());
  Proposal proposal = ProposePrimitive<dnnl::eltwise_forward>(
    description, { { DNNL_ARG_SRC, memory, 0 }, { DNNL_ARG_DST, memory, Binding::output } }, operatorCase, layout);
  proposal.inPlaceInput = 0;
  return proposal;
}

namespace
{
/** Whether our own pass over memory serves a function better than oneDNN's: it
 * has none, or an operand repeats along batch axes of blocked memory. */
bool
IsBetterPointwise(const Binary & op, const OperatorCase & operatorCase)
{
  const auto & inputs = operatorCase.inputs;
  const bool isOurs = op.function == BinaryFunction::Add || op.function == BinaryFunction::Subtract ||
                      op.function == BinaryFunction::Multiply;
  const bool isBlocked = !inputs[0].layout.IsPlain() && inputs[0].type.shape == operatorCase.output.shape;
  return op.function == BinaryFunction::Gate || op.function == BinaryFunction::PRelu ||
         (isOurs && isBlocked && inputs[1].type.shape != operatorCase.output.shape);
}
} // namespace

Proposal
Propose(const Binary & op, const OperatorCase & operatorCase)
{
  if (IsBetterPointwise(op, operatorCase))
  {
    return Propose(Pointwise{ { { op } } }, operatorCase);
  }
  const dnnl::algorithm algorithm = ToBinaryAlgorithm(op.function);
  if (algorithm == dnnl::algorithm::undef)
  {
    return Proposal::Unsupported(std::string("oneDNN has no ") + ToString(op.function));
  }
  // oneDNN repeats the second operand only.
  const Shape & result = operatorCase.output.shape;
  const bool isCommutative = op.function != BinaryFunction::Subtract && op.function != BinaryFunction::Divide &&
                             op.function != BinaryFunction::Greater;
  const int first = operatorCase.inputs[0].type.shape == result || !isCommutative ? 0 : 1;
  const int second = 1 - first;
  const Shape & a = operatorCase.inputs[static_cast<std::size_t>(first)].type.shape;
  const Shape & b = operatorCase.inputs[static_cast<std::size_t>(second)].type.shape;
  if (a != result)
  {
    return Proposal::Unsupported("the operand " + ToString(a) + " is repeated to " + ToString(result));
  }
  Layout layout;
  dnnl::memory::desc memoryA;
  dnnl::memory::desc memoryB;
  if (a == b)
  {
    const bool constant = operatorCase.inputs[0].IsConstant() || operatorCase.inputs[1].IsConstant();
    layout = constant ? Layout{} : operatorCase.inputs[0].layout;
    memoryA = FlatDescription(operatorCase.output, layout);
    memoryB = memoryA;
  }
  else
  {
    if (result.size() > DNNL_MAX_NDIMS)
    {
      return Proposal::Unsupported("more than " + std::to_string(DNNL_MAX_NDIMS) + " axes");
    }
    memoryA = PlainDescription(WithLeadingOnes(a, result.size()));
    memoryB = PlainDescription(WithLeadingOnes(b, result.size()));
  }
  const dnnl::binary::primitive_desc description(GetEngine(), algorithm, memoryA, memoryB, memoryA, UserScratchpad());
  Proposal proposal = ProposePrimitive<dnnl::binary>(description,
                                                     { { DNNL_ARG_SRC_0, memoryA, first },
                                                       { DNNL_ARG_SRC_1, memoryB, second },
                                                       { DNNL_ARG_DST, memoryA, Binding::output } },
                                                     operatorCase,
                                                     layout);
  proposal.inPlaceInput = first;
  return proposal;
}

namespace
{
/** Of [length, inner] elements, those from `first` on, at most a block: what one thread does at a time. */
struct SoftmaxBlock
{
  static constexpr std::int64_t size = 512;

  void Compute(const float * src, float * dst, bool isLogarithm) const
  {
    std::array<float, size> largest;
    std::array<float, size> sum;
    std::copy_n(src + first, count, largest.begin());
    for (std::int64_t c = 1; c < length; ++c)
    {
      const float * row = src + c * inner + first;
      for (std::int64_t i = 0; i < count; ++i)
      {
        largest[static_cast<std::size_t>(i)] = std::max(largest[static_cast<std::size_t>(i)], row[i]);
      }
    }
    sum.fill(0);
    for (std::int64_t c = 0; c < length; ++c)
    {
      const float * row = src + c * inner + first;
      float * to = dst + c * inner + first;
      for (std::int64_t i = 0; i < count; ++i)
      {
        const float shifted = row[i] - largest[static_cast<std::size_t>(i)];
        const float power = std::exp(shifted);
        sum[static_cast<std::size_t>(i)] += power;
        to[i] = isLogarithm ? shifted : power;
      }
    }
    for (std::int64_t i = 0; i < count; ++i)
    {
      float & value = sum[static_cast<std::size_t>(i)];
      value = isLogarithm ? std::log(value) : 1 / value;
    }
    for (std::int64_t c = 0; c < length; ++c)
    {
      float * to = dst + c * inner + first;
      for (std::int64_t i = 0; i < count; ++i)
      {
        const float value = sum[static_cast<std::size_t>(i)];
        to[i] = isLogarithm ? to[i] - value : to[i] * value;
      }
    }
  }

  std::int64_t length;
  std::int64_t inner;
  std::int64_t first;
  std::int64_t count;
};

/** Along an axis that is not the last, for which oneDNN has slow loops only. */
Proposal
ProposeStridedSoftmax(
  std::int64_t outer, std::int64_t length, std::int64_t inner, bool isLogarithm, unsigned int threads)
{
  const std::int64_t blocks = (inner + SoftmaxBlock::size - 1) / SoftmaxBlock::size;
  Proposal proposal = Proposal::FromKernel(std::make_unique<FunctionKernel>(
    [=](const KernelArguments & arguments)
    {
      Parallel(outer * blocks,
               threads,
               [&](std::int64_t begin, std::int64_t end)
               {
                 for (std::int64_t item = begin; item < end; ++item)
                 {
                   const std::int64_t first = item % blocks * SoftmaxBlock::size;
                   const std::int64_t offset = item / blocks * length * inner;
                   const SoftmaxBlock block{ length, inner, first, std::min(SoftmaxBlock::size, inner - first) };
                   block.Compute(static_cast<const float *>(arguments.inputs[0]) + offset,
                                 static_cast<float *>(arguments.output) + offset,
                                 isLogarithm);
                 }
               });
    }));
  proposal.detail = "strided";
  return proposal;
}
} // namespace

Proposal
Propose(const Softmax & op, const OperatorCase & operatorCase)
{
  const Shape & shape = operatorCase.output.shape;
  // [outer, axis, inner]: oneDNN has fewer axes than a value may have.
  const auto axis = shape.begin() + op.axis;
  const std::int64_t outer = NumberOfElements(Shape(shape.begin(), axis));
  const std::int64_t inner = NumberOfElements(Shape(axis + 1, shape.end()));
  if (inner > 1)
  {
    return ProposeStridedSoftmax(outer, *axis, inner, op.logarithm, operatorCase.threads);
  }
  const dnnl::memory::desc memory = PlainDescription({ outer, *axis, inner });
  const dnnl::softmax_forward::primitive_desc description(GetEngine(),
                                                          dnnl::prop_kind::forward_inference,
                                                          op.logarithm ? dnnl::algorithm::softmax_log
                                                                       : dnnl::algorithm::softmax_accurate,
                                                          memory,
                                                          memory,
                                                          1,
                                                          UserScratchpad());
  Proposal proposal = ProposePrimitive<dnnl::softmax_forward>(
    description, { { DNNL_ARG_SRC, memory, 0 }, { DNNL_ARG_DST, memory, Binding::output } }, operatorCase);
  proposal.inPlaceInput = 0;
  return proposal;
}

Proposal
Propose(const MatrixProduct & op, const OperatorCase & operatorCase)
{
  const std::size_t rank = operatorCase.output.shape.size();
  if (rank > DNNL_MAX_NDIMS)
  {
    return Proposal::Unsupported("more than " + std::to_string(DNNL_MAX_NDIMS) + " axes");
  }
  // A transposed operand is the same memory with its last two axes exchanged.
  const auto describe = [rank](const Shape & shape, bool transposed)
  {
    Dims dims = WithLeadingOnes(shape, rank);
    Shape strides = ContiguousStrides(Shape(dims.begin(), dims.end()));
    if (transposed)
    {
      std::swap(dims[rank - 1], dims[rank - 2]);
      std::swap(strides[rank - 1], strides[rank - 2]);
    }
    return dnnl::memory::desc(dims, f32, Dims(strides.begin(), strides.end()));
  };
  const dnnl::memory::desc a = describe(operatorCase.inputs[0].type.shape, op.transposeA);
  const dnnl::memory::desc b = describe(operatorCase.inputs[1].type.shape, op.transposeB);
  const dnnl::memory::desc dst = describe(operatorCase.output.shape, false);
  const dnnl::matmul::primitive_desc description(GetEngine(), a, b, dst, UserScratchpad());
  return ProposePrimitive<dnnl::matmul>(
    description,
    { { DNNL_ARG_SRC, a, 0 }, { DNNL_ARG_WEIGHTS, b, 1 }, { DNNL_ARG_DST, dst, Binding::output } },
    operatorCase);
}
} // namespace onednn
} // namespace nn
} // namespace itk
