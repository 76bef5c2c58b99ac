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
constexpr std::int32_t warp = 32;
constexpr std::int32_t block = 256;

/** Items that keep a device busy when each has one thread. */
constexpr std::int64_t manyItems = 4096;

/** Reductions of more elements for fewer results are made in parts. */
constexpr std::int64_t partedElements = 2048;
constexpr std::int64_t partedResults = 512;
constexpr std::int64_t mostParts = 512;

/** Threads for items of so many elements each. */
std::int32_t
ChooseTeam(std::int64_t elements)
{
  return elements >= 4 * block ? block : elements >= warp ? warp : 1;
}

/** A result's layout when axes are reduced: the channels stay where they are in
 * relation to what is behind them. */
Layout
GetReducedLayout(const Reduction & op, const Layout & layout)
{
  const bool isReduced = std::count(op.axes.begin(), op.axes.end(), layout.axis) > 0;
  if (layout.IsPlain() || op.keepAxes)
  {
    return layout;
  }
  if (isReduced)
  {
    return {};
  }
  const auto before = std::count_if(op.axes.begin(), op.axes.end(), [&](int axis) { return axis < layout.axis; });
  return { layout.kind, layout.axis - static_cast<int>(before) };
}
} // namespace

Proposal
Propose(const Reduction & op, const OperatorCase & operatorCase)
{
  const Operand & src = operatorCase.inputs[0];
  const Shape & shape = src.type.shape;
  const Layout srcLayout = AcceptedLayout(src);
  const Layout dstLayout = GetReducedLayout(op, srcLayout);
  const Shape srcStrides = GetStrides(shape, srcLayout);
  const Shape dstAll = GetStrides(operatorCase.output.shape, dstLayout);

  Shape keptExtents;
  Shape keptSrc;
  Shape keptDst;
  Shape reducedExtents;
  Shape reducedSrc;
  std::size_t dstAxis = 0;
  for (std::size_t i = 0; i < shape.size(); ++i)
  {
    const bool isReduced = std::count(op.axes.begin(), op.axes.end(), static_cast<int>(i)) > 0;
    (isReduced ? reducedExtents : keptExtents).push_back(shape[i]);
    (isReduced ? reducedSrc : keptSrc).push_back(srcStrides[i]);
    if (!isReduced)
    {
      keptDst.push_back(dstAll[dstAxis]);
    }
    dstAxis += !isReduced || op.keepAxes ? 1 : 0;
  }
  SpaceBuilder kept(keptExtents);
  kept.Add(keptDst);
  kept.Add(keptSrc);
  SpaceBuilder reduced(reducedExtents);
  reduced.Add(reducedSrc);
  if (!kept.Build() || !reduced.Build())
  {
    return Proposal::Unsupported("src has too many axes that do not lie one in the other");
  }

  ReductionParameters parameters{};
  parameters.space = kept.GetSpace();
  parameters.dstStrides = kept.GetStrides(0);
  parameters.srcStrides = kept.GetStrides(1);
  parameters.reduced = reduced.GetSpace();
  parameters.reducedStrides = reduced.GetStrides(0);
  parameters.function = static_cast<std::int32_t>(op.function);
  const std::int64_t results = parameters.space.count;
  const std::int64_t elements = parameters.reduced.count;
  // Neighbouring threads should read neighbouring elements.
  const int last = parameters.space.rank - 1;
  const bool areNeighbours = last >= 0 && parameters.srcStrides.of[last] == 1;
  parameters.teamSize = areNeighbours && results >= manyItems ? 1 : ChooseTeam(elements);
  std::size_t scratchBytes = 0;
  if (elements >= partedElements && results < partedResults)
  {
    parameters.partElements = std::max(partedElements / 2, (elements + mostParts - 1) / mostParts);
    const std::int64_t parts = (elements + parameters.partElements - 1) / parameters.partElements;
    const std::size_t number = operatorCase.output.type == DataType::Float64 ? sizeof(double) : sizeof(float);
    scratchBytes = static_cast<std::size_t>(results * parts) * 3 * number;
  }
  const ElementType type = ToElementType(operatorCase.output.type);
  return MakeProposal(
    [parameters, type](Stream & stream, const KernelArguments & arguments)
    {
      ReductionParameters p = parameters;
      p.src = arguments.inputs[0];
      p.dst = arguments.output;
      p.parts = arguments.scratch;
      stream.Launch(KernelId::Reduction, type, p);
      if (p.partElements > 0)
      {
        p.isSecond = 1;
        p.teamSize = warp;
        stream.Launch(KernelId::Reduction, type, p);
      }
    },
    { srcLayout },
    dstLayout,
    scratchBytes);
}

Proposal
Propose(const Softmax & op, const OperatorCase & operatorCase)
{
  const Shape & shape = operatorCase.output.shape;
  const Layout layout = AcceptedLayout(operatorCase.inputs[0]);
  const auto axis = static_cast<std::size_t>(op.axis);
  const Shape strides = GetStrides(shape, layout);
  Shape extents = shape;
  extents[axis] = 1;
  SpaceBuilder lines(extents);
  lines.Add(strides);
  lines.Add(strides);
  if (!lines.Build())
  {
    return Proposal::Unsupported("src has too many axes that do not lie one in the other");
  }
  SoftmaxParameters parameters{};
  parameters.space = lines.GetSpace();
  parameters.dstStrides = lines.GetStrides(0);
  parameters.srcStrides = lines.GetStrides(1);
  parameters.extent = shape[axis];
  parameters.srcStride = strides[axis];
  parameters.dstStride = strides[axis];
  parameters.logarithm = op.logarithm ? 1 : 0;
  parameters.teamSize = strides[axis] == 1 || parameters.space.count < manyItems ? ChooseTeam(parameters.extent) : 1;
  const ElementType type = ToElementType(operatorCase.output.type);
  return MakeProposal(
    [parameters, type](Stream & stream, const KernelArguments & arguments)
    {
      SoftmaxParameters p = parameters;
      p.src = arguments.inputs[0];
      p.dst = arguments.output;
      stream.Launch(KernelId::Softmax, type, p);
    },
    { layout },
    layout);
}

Proposal
Propose(const MatrixProduct & op, const OperatorCase & operatorCase)
{
  const Shape & shape = operatorCase.output.shape;
  if (shape.size() > maximumRank)
  {
    return Proposal::Unsupported("the result has more than " + std::to_string(maximumRank) + " axes");
  }
  MatrixProductParameters parameters{};
  parameters.space = MakeSpace(shape);
  const std::size_t batchAxes = shape.size() - 2;
  /** Strides of an operand [batch..., rows, columns] along the result's axes and along
   * the summed one. */
  const auto fill =
    [&](const Shape & operand, bool sumsRows, std::size_t resultAxis, Strides & to, std::int64_t & inner)
  {
    Shape batch(operand.begin(), operand.end() - 2);
    const Shape own = ContiguousStrides(operand);
    const std::size_t added = batchAxes - batch.size();
    for (std::size_t i = 0; i < batch.size(); ++i)
    {
      to.of[added + i] = batch[i] == 1 ? 0 : own[i];
    }
    inner = own[own.size() - (sumsRows ? 2 : 1)];
    to.of[batchAxes + resultAxis] = own[own.size() - (sumsRows ? 1 : 2)];
    return operand[operand.size() - (sumsRows ? 2 : 1)];
  };
  parameters.inner = fill(operatorCase.inputs[0].type.shape, op.transposeA, 0, parameters.aStrides, parameters.aInner);
  fill(operatorCase.inputs[1].type.shape, !op.transposeB, 1, parameters.bStrides, parameters.bInner);
  const ElementType type = ToElementType(operatorCase.output.type);
  return MakeProposal(
    [parameters, type](Stream & stream, const KernelArguments & arguments)
    {
      MatrixProductParameters p = parameters;
      p.a = arguments.inputs[0];
      p.b = arguments.inputs[1];
      p.dst = arguments.output;
      stream.Launch(KernelId::MatrixProduct, type, p);
    },
    std::vector<Layout>(2));
}

Proposal
Propose(const LovaszWeights &, const OperatorCase & operatorCase)
{
  const Shape & shape = operatorCase.output.shape;
  LovaszParameters parameters{};
  parameters.length = shape.back();
  parameters.rows = parameters.length == 0 ? 0 : NumberOfElements(shape) / parameters.length;
  // A pair is the least that is sorted.
  parameters.places = 2;
  while (parameters.places < parameters.length)
  {
    parameters.places *= 2;
  }
  if (parameters.places > std::int64_t(1) << 31U)
  {
    return Proposal::Unsupported("rows have " + std::to_string(parameters.length) +
                                 " elements, which is more than 2^31");
  }
  const ElementType type = ToElementType(operatorCase.output.type);
  const auto elements = static_cast<std::size_t>(parameters.rows * parameters.places);
  const std::size_t scratchBytes = elements * (sizeof(std::uint64_t) + 2 * sizeof(std::uint32_t)) +
                                   static_cast<std::size_t>(parameters.rows) * sizeof(std::uint32_t);
  return MakeProposal(
    [parameters, elements, type](Stream & stream, const KernelArguments & arguments)
    {
      LovaszParameters p = parameters;
      p.errors = arguments.inputs[0];
      p.foreground = arguments.inputs[1];
      p.dst = arguments.output;
      p.keys = static_cast<std::uint64_t *>(arguments.scratch);
      p.numbers = reinterpret_cast<std::uint32_t *>(p.keys + elements);
      p.sums = p.numbers + elements;
      p.totals = p.sums + elements;
      const auto launch = [&](LovaszPhase phase, std::int64_t stride = 1)
      {
        p.phase = static_cast<std::int32_t>(phase);
        p.stride = stride;
        stream.Launch(KernelId::LovaszWeights, type, p);
      };
      launch(LovaszPhase::Fill);
      for (p.run = 2; p.run <= p.places; p.run *= 2)
      {
        for (std::int64_t stride = p.run / 2; stride > 0; stride /= 2)
        {
          launch(LovaszPhase::Sort, stride);
        }
      }
      launch(LovaszPhase::Mark);
      for (std::int64_t stride = 1; stride < p.places; stride *= 2)
      {
        launch(LovaszPhase::Gather, stride);
      }
      for (std::int64_t stride = p.places / 2; stride > 0; stride /= 2)
      {
        launch(LovaszPhase::Spread, stride);
      }
      launch(LovaszPhase::Weigh);
    },
    std::vector<Layout>(2),
    Layout{},
    scratchBytes);
}
} // namespace cuda
} // namespace nn
} // namespace itk
