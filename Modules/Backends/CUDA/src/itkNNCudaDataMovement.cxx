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
#include "itkNNCudaKernel.h"

#include <algorithm>

namespace itk
{
namespace nn
{
namespace cuda
{
namespace
{
/** A copy of elements between strided places, begun at offsets. */
struct StridedCopy
{
  CopyParameters parameters{};
  /** The same of 16 bytes at a time, `packed` elements; 0: they do not lie so. */
  CopyParameters packedParameters{};
  std::int64_t packed = 0;
  std::size_t input = 0;
  std::int64_t srcOffset = 0;
  std::int64_t dstOffset = 0;
};

/** False when there are more axes than kernels know. */
bool
MakeCopy(const Shape & extents, const Shape & srcStrides, const Shape & dstStrides, DataType type, StridedCopy & copy)
{
  SpaceBuilder builder(extents);
  builder.Add(dstStrides);
  builder.Add(srcStrides);
  if (!builder.Build())
  {
    return false;
  }
  copy.parameters.space = builder.GetSpace();
  copy.parameters.dstStrides = builder.GetStrides(0);
  copy.parameters.srcStrides = builder.GetStrides(1);
  const auto width = static_cast<std::int64_t>(BytesOf(ElementType::Bits128) / SizeOf(type));
  if (builder.Pack(width, true))
  {
    copy.packed = width;
    copy.packedParameters.space = builder.GetSpace();
    // Counted in packs.
    for (int d = 0; d < copy.packedParameters.space.rank; ++d)
    {
      copy.packedParameters.dstStrides.of[d] = builder.GetStrides(0).of[d] / width;
      copy.packedParameters.srcStrides.of[d] = builder.GetStrides(1).of[d] / width;
    }
  }
  return true;
}

void
Launch(const StridedCopy & copy, DataType type, Stream & stream, const KernelArguments & arguments)
{
  const auto size = static_cast<std::int64_t>(SizeOf(type));
  const void * src = static_cast<const char *>(arguments.inputs[copy.input]) + copy.srcOffset * size;
  void * dst = static_cast<char *>(arguments.output) + copy.dstOffset * size;
  const std::size_t bytes = BytesOf(ElementType::Bits128);
  const bool isPacked = copy.packed > 1 && IsAligned(src, bytes) && IsAligned(dst, bytes);
  CopyParameters p = isPacked ? copy.packedParameters : copy.parameters;
  p.src = src;
  p.dst = dst;
  stream.Launch(KernelId::Copy, isPacked ? ElementType::Bits128 : ToBits(type), p);
}

Proposal
ProposeCopies(std::vector<StridedCopy> copies,
              const OperatorCase & operatorCase,
              const std::vector<Layout> & inputLayouts,
              const Layout & outputLayout)
{
  const DataType type = operatorCase.output.type;
  return MakeProposal(
    [copies = std::move(copies), type](Stream & stream, const KernelArguments & arguments)
    {
      for (const auto & copy : copies)
      {
        // In place the source of an insertion is there already.
        if (copy.input != 0 || arguments.inputs[0] != arguments.output)
        {
          Launch(copy, type, stream, arguments);
        }
      }
    },
    inputLayouts,
    outputLayout);
}

Proposal
ProposeCopy(const OperatorCase & operatorCase,
            const Shape & srcStrides,
            std::int64_t srcOffset,
            const Layout & outputLayout)
{
  const Shape & shape = operatorCase.output.shape;
  StridedCopy copy;
  copy.srcOffset = srcOffset;
  if (!MakeCopy(shape, srcStrides, GetStrides(shape, outputLayout), operatorCase.output.type, copy))
  {
    return Proposal::Unsupported("the axes are too many that do not lie one in the other");
  }
  return ProposeCopies({ copy }, operatorCase, GetAcceptedLayouts(operatorCase), outputLayout);
}

std::int64_t
Dot(const std::vector<std::int64_t> & a, const Shape & b)
{
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
  {
    sum += a[i] * b[i];
  }
  return sum;
}

Shape
Times(Shape strides, const std::vector<std::int64_t> & steps)
{
  for (std::size_t i = 0; i < strides.size(); ++i)
  {
    strides[i] *= steps[i];
  }
  return strides;
}
} // namespace

Proposal
Propose(const Concatenation & op, const OperatorCase & operatorCase)
{
  const Shape & shape = operatorCase.output.shape;
  const auto axis = static_cast<std::size_t>(op.axis);
  // What most of the result comes from decides.
  const auto largest = std::max_element(operatorCase.inputs.begin(),
                                        operatorCase.inputs.end(),
                                        [](const Operand & a, const Operand & b)
                                        { return NumberOfElements(a.type.shape) < NumberOfElements(b.type.shape); });
  const Layout layout = largest->type.shape.size() == shape.size() ? AcceptedLayout(*largest) : Layout{};
  const Shape strides = GetStrides(shape, layout);
  std::vector<StridedCopy> copies;
  std::int64_t begin = 0;
  for (std::size_t i = 0; i < operatorCase.inputs.size(); ++i)
  {
    const Operand & input = operatorCase.inputs[i];
    Shape part = shape;
    part[axis] = input.type.shape[axis];
    StridedCopy copy;
    copy.input = i;
    copy.dstOffset = begin * strides[axis];
    begin += part[axis];
    if (NumberOfElements(part) == 0)
    {
      continue;
    }
    const Shape from = GetBroadcastStrides(input.type.shape, AcceptedLayout(input), part);
    if (!MakeCopy(part, from, strides, operatorCase.output.type, copy))
    {
      return Proposal::Unsupported("the axes are too many that do not lie one in the other");
    }
    copies.push_back(copy);
  }
  return ProposeCopies(std::move(copies), operatorCase, GetAcceptedLayouts(operatorCase), layout);
}

Proposal
Propose(const Slice & op, const OperatorCase & operatorCase)
{
  const Layout layout = AcceptedLayout(operatorCase.inputs[0]);
  const Shape strides = GetStrides(operatorCase.inputs[0].type.shape, layout);
  return ProposeCopy(operatorCase, Times(strides, op.step), Dot(op.begin, strides), layout);
}

Proposal
Propose(const Insertion & op, const OperatorCase & operatorCase)
{
  const Shape & shape = operatorCase.output.shape;
  const Operand & patch = operatorCase.inputs[1];
  const Layout layout = AcceptedLayout(operatorCase.inputs[0]);
  const Shape strides = GetStrides(shape, layout);
  const Slice place = GetPatchSlice(op, patch.type.shape);
  StridedCopy whole;
  StridedCopy part;
  part.input = 1;
  part.dstOffset = Dot(place.begin, strides);
  const DataType type = operatorCase.output.type;
  if (!MakeCopy(shape, strides, strides, type, whole) ||
      !MakeCopy(
        patch.type.shape, GetStrides(patch.type.shape, AcceptedLayout(patch)), Times(strides, place.step), type, part))
  {
    return Proposal::Unsupported("the axes are too many that do not lie one in the other");
  }
  std::vector<StridedCopy> copies{ whole };
  if (NumberOfElements(patch.type.shape) > 0)
  {
    copies.push_back(part);
  }
  Proposal proposal = ProposeCopies(std::move(copies), operatorCase, GetAcceptedLayouts(operatorCase), layout);
  proposal.inPlaceInput = 0;
  return proposal;
}

Proposal
Propose(const Permutation & op, const OperatorCase & operatorCase)
{
  const Operand & src = operatorCase.inputs[0];
  const Shape strides = GetStrides(src.type.shape, AcceptedLayout(src));
  Shape permuted;
  for (const auto axis : op.order)
  {
    permuted.push_back(strides[static_cast<std::size_t>(axis)]);
  }
  return ProposeCopy(operatorCase, permuted, 0, {});
}

Proposal
Propose(const Broadcast &, const OperatorCase & operatorCase)
{
  const Operand & src = operatorCase.inputs[0];
  const Shape & shape = operatorCase.output.shape;
  return ProposeCopy(
    operatorCase, GetBroadcastStrides(src.type.shape, AcceptedLayout(src), shape), 0, GetCommonLayout(operatorCase));
}

Proposal
Propose(const Reshape &, const OperatorCase & operatorCase)
{
  // Axes in front of the channels may be split and joined in channels-last memory.
  const Shape & src = operatorCase.inputs[0].type.shape;
  const Shape & dst = operatorCase.output.shape;
  const Layout layout = AcceptedLayout(operatorCase.inputs[0]);
  const auto kept = static_cast<std::ptrdiff_t>(src.size()) - layout.axis;
  if (!layout.IsPlain() && static_cast<std::ptrdiff_t>(dst.size()) >= kept &&
      std::equal(src.begin() + layout.axis, src.end(), dst.end() - kept))
  {
    return Proposal::Alias(
      0, { layout }, Layout{ layout.kind, static_cast<int>(static_cast<std::ptrdiff_t>(dst.size()) - kept) });
  }
  return Proposal::Alias(0, { Layout{} });
}

Proposal
Propose(const Barrier &, const OperatorCase & operatorCase)
{
  const Layout layout = AcceptedLayout(operatorCase.inputs[0]);
  return Proposal::Alias(0, { layout }, layout);
}

std::unique_ptr<Kernel>
MakeReorderKernel(const ValueType & type, const Layout & from, const Layout & to)
{
  StridedCopy copy;
  if (from.GetBlock() > 0 || to.GetBlock() > 0 ||
      !MakeCopy(type.shape, GetStrides(type.shape, from), GetStrides(type.shape, to), type.type, copy))
  {
    return nullptr;
  }
  return std::make_unique<StreamKernel>([copy, element = type.type](Stream & stream, const KernelArguments & arguments)
                                        { Launch(copy, element, stream, arguments); });
}

namespace
{
/** Gather and ScatterAdd, told apart by what the items are. */
template <typename TOperator>
Proposal
ProposeGather(const TOperator & op, const OperatorCase & operatorCase, KernelId kernel)
{
  const bool isGather = kernel == KernelId::Gather;
  const Shape & table = isGather ? operatorCase.inputs[0].type.shape : operatorCase.output.shape;
  const auto axis = static_cast<std::size_t>(op.axis);
  GatherParameters parameters{};
  parameters.rows = table[axis];
  parameters.indices = NumberOfElements(operatorCase.inputs[1].type.shape);
  parameters.inner = NumberOfElements(Shape(table.begin() + op.axis + 1, table.end()));
  parameters.space = MakeSpace({ NumberOfElements(Shape(table.begin(), table.begin() + op.axis)),
                                 isGather ? parameters.indices : parameters.rows,
                                 parameters.inner });
  const DataType dataType = operatorCase.output.type;
  const ElementType type = isGather ? ToBits(dataType) : ToElementType(dataType);
  return MakeProposal(
    [parameters, type, kernel](Stream & stream, const KernelArguments & arguments)
    {
      GatherParameters p = parameters;
      p.src = arguments.inputs[0];
      p.numbers = static_cast<const std::int64_t *>(arguments.inputs[1]);
      p.dst = arguments.output;
      stream.Launch(kernel, type, p);
    },
    std::vector<Layout>(2));
}
} // namespace

Proposal
Propose(const Gather & op, const OperatorCase & operatorCase)
{
  return ProposeGather(op, operatorCase, KernelId::Gather);
}

Proposal
Propose(const ScatterAdd & op, const OperatorCase & operatorCase)
{
  return ProposeGather(op, operatorCase, KernelId::ScatterAdd);
}
} // namespace cuda
} // namespace nn
} // namespace itk
