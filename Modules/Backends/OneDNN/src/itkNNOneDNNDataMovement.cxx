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
#include "itkNNOneDNNWindows.h"

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
/** The layout to concatenate in: a blocked one that an input has and that all
 * inputs fill without a rest, else plain. */
Layout
ChooseConcatenationLayout(const Concatenation & op, const OperatorCase & operatorCase)
{
  for (const auto & candidate : operatorCase.inputs)
  {
    const Layout layout = candidate.layout;
    const int block = layout.GetBlock();
    if (block == 0)
    {
      continue;
    }
    const bool fits = std::all_of(operatorCase.inputs.begin(),
                                  operatorCase.inputs.end(),
                                  [&](const Operand & input)
                                  {
                                    // An extent of 1 that is repeated along the blocks would fill one lane only.
                                    const std::int64_t extent = input.type.shape[layout.axis];
                                    return !input.IsConstant() &&
                                           (op.axis == layout.axis ? extent % block == 0
                                                                   : extent == operatorCase.output.shape[layout.axis]);
                                  });
    if (fits)
    {
      return layout;
    }
  }
  return {};
}

/** Copies runs of contiguous elements: [outer, run] of each input, where the
 * outer position broadcasts. */
struct ConcatenationPart
{
  std::vector<std::int64_t> sources; ///< offset of the run for each outer position
  std::int64_t run = 0;
  std::int64_t offset = 0; ///< in the output's run
};
} // namespace

Proposal
Propose(const Concatenation & op, const OperatorCase & operatorCase)
{
  const Layout layout = ChooseConcatenationLayout(op, operatorCase);
  const Shape dst = layout.GetPhysicalShape(operatorCase.output.shape);
  const Shape outerShape(dst.begin(), dst.begin() + op.axis);
  const std::int64_t outer = NumberOfElements(outerShape);
  std::vector<ConcatenationPart> parts;
  std::int64_t total = 0;
  for (const auto & input : operatorCase.inputs)
  {
    const Shape src = layout.GetPhysicalShape(input.type.shape);
    if (!std::equal(src.begin() + op.axis + 1, src.end(), dst.begin() + op.axis + 1))
    {
      return Proposal::Unsupported("input " + ToString(input.type.shape) + " is repeated behind the concatenated axis");
    }
    ConcatenationPart part;
    part.run = NumberOfElements(Shape(src.begin() + op.axis, src.end()));
    part.offset = total;
    total += part.run;
    const Shape strides = ContiguousStrides(Shape(src.begin(), src.begin() + op.axis));
    for (std::int64_t position = 0; position < outer; ++position)
    {
      std::int64_t rest = position;
      std::int64_t source = 0;
      for (int d = op.axis; d-- > 0;)
      {
        source += src[d] == 1 ? 0 : rest % dst[d] * strides[d];
        rest /= dst[d];
      }
      part.sources.push_back(source * part.run);
    }
    parts.push_back(std::move(part));
  }
  const unsigned int threads = operatorCase.threads;
  auto kernel = std::make_unique<FunctionKernel>(
    [=](const KernelArguments & arguments)
    {
      auto * to = static_cast<float *>(arguments.output);
      // Runs of one position are shared among threads too: the outer extent may be 1.
      constexpr std::int64_t pieces = 8;
      Parallel(outer * pieces,
               threads,
               [&](std::int64_t begin, std::int64_t end)
               {
                 for (std::int64_t item = begin; item < end; ++item)
                 {
                   const std::int64_t position = item / pieces;
                   const std::int64_t piece = item % pieces;
                   for (std::size_t i = 0; i < parts.size(); ++i)
                   {
                     const ConcatenationPart & part = parts[i];
                     const std::int64_t first = part.run * piece / pieces;
                     const std::int64_t count = part.run * (piece + 1) / pieces - first;
                     const auto * from = static_cast<const float *>(arguments.inputs[i]) +
                                         part.sources[static_cast<std::size_t>(position)] + first;
                     std::memcpy(to + position * total + part.offset + first,
                                 from,
                                 static_cast<std::size_t>(count) * sizeof(float));
                   }
                 }
               });
    });
  return Proposal::FromKernel(std::move(kernel), std::vector<Layout>(operatorCase.inputs.size(), layout), layout);
}

namespace
{
/** Separable linear interpolation of one output row: up to four source rows
 * are blended, then neighbours within the blend. VBlock is the number of
 * channels that lie together. */
struct InterpolationPlan : RowPlanes
{
  std::array<std::vector<InterpolationTap>, 3> taps;
};

template <int VBlock>
void
BlendRow(const float * plane, const InterpolationPlan & plan, std::int64_t z, std::int64_t y, float * blend)
{
  const std::int64_t width = plan.src[2] * VBlock;
  const InterpolationTap & tapZ = plan.taps[0][static_cast<std::size_t>(z)];
  const InterpolationTap & tapY = plan.taps[1][static_cast<std::size_t>(y)];
  bool isFirst = true;
  for (int corner = 0; corner < 4; ++corner)
  {
    const bool highZ = (corner & 2) != 0;
    const bool highY = (corner & 1) != 0;
    const auto weight =
      static_cast<float>((highZ ? tapZ.weight : 1 - tapZ.weight) * (highY ? tapY.weight : 1 - tapY.weight));
    if (weight == 0)
    {
      continue;
    }
    const float * row = plane + ((highZ ? tapZ.high : tapZ.low) * plan.src[1] + (highY ? tapY.high : tapY.low)) * width;
    if (isFirst)
    {
      for (std::int64_t i = 0; i < width; ++i)
      {
        blend[i] = weight * row[i];
      }
      isFirst = false;
    }
    else
    {
      for (std::int64_t i = 0; i < width; ++i)
      {
        blend[i] += weight * row[i];
      }
    }
  }
}

template <int VBlock>
void
InterpolateRows(const KernelArguments & arguments, const InterpolationPlan & plan, std::int64_t begin, std::int64_t end)
{
  const std::int64_t srcPlane = plan.src[0] * plan.src[1] * plan.src[2] * VBlock;
  const std::int64_t dstRow = plan.dst[2] * VBlock;
  std::vector<float> blend(static_cast<std::size_t>(plan.src[2] * VBlock));
  for (std::int64_t item = begin; item < end; ++item)
  {
    const std::int64_t y = item % plan.dst[1];
    const std::int64_t z = item / plan.dst[1] % plan.dst[0];
    const std::int64_t plane = item / plan.dst[1] / plan.dst[0];
    BlendRow<VBlock>(static_cast<const float *>(arguments.inputs[0]) + plane * srcPlane, plan, z, y, blend.data());
    float * to = static_cast<float *>(arguments.output) + item * dstRow;
    for (std::int64_t x = 0; x < plan.dst[2]; ++x)
    {
      const InterpolationTap & tap = plan.taps[2][static_cast<std::size_t>(x)];
      const auto high = static_cast<float>(tap.weight);
      const float low = 1 - high;
      const float * a = blend.data() + tap.low * VBlock;
      const float * b = blend.data() + tap.high * VBlock;
      if (high == 0)
      {
        std::copy(a, a + VBlock, to + x * VBlock);
        continue;
      }
      for (int k = 0; k < VBlock; ++k)
      {
        to[x * VBlock + k] = low * a[k] + high * b[k];
      }
    }
  }
}
} // namespace

Proposal
Propose(const Interpolation & op, const OperatorCase & operatorCase)
{
  InterpolationPlan plan{ GetRowPlanes(operatorCase, op.size.size()), {} };
  for (std::size_t d = 0; d < 3; ++d)
  {
    plan.taps[d] = InterpolationTaps(op, plan.src[d], plan.dst[d], DataType::Float32);
  }
  return ProposeRows(plan,
                     operatorCase.threads,
                     [plan](const KernelArguments & arguments, auto block, std::int64_t begin, std::int64_t end)
                     { InterpolateRows<decltype(block)::value>(arguments, plan, begin, end); });
}

Proposal
Propose(const Permutation & op, const OperatorCase & operatorCase)
{
  const Shape & src = operatorCase.inputs[0].type.shape;
  const Shape strides = ContiguousStrides(src);
  // Axes that stay behind each other are one.
  dnnl::memory::dims extents;
  dnnl::memory::dims from;
  for (const auto axis : op.order)
  {
    const std::int64_t extent = src[static_cast<std::size_t>(axis)];
    const std::int64_t stride = strides[static_cast<std::size_t>(axis)];
    if (extent == 1)
    {
      continue;
    }
    if (!extents.empty() && from.back() == extent * stride)
    {
      extents.back() *= extent;
      from.back() = stride;
      continue;
    }
    extents.push_back(extent);
    from.push_back(stride);
  }
  if (extents.size() <= 1)
  {
    return Proposal::Alias(0, { Layout{} });
  }
  if (extents.size() > DNNL_MAX_NDIMS)
  {
    return Proposal::Unsupported("more than " + std::to_string(DNNL_MAX_NDIMS) + " axes");
  }
  const auto type = dnnl::memory::data_type::f32;
  const dnnl::memory::desc srcDescription(extents, type, from);
  const dnnl::memory::desc dstDescription(extents, type, ContiguousStrides(Shape(extents.begin(), extents.end())));
  const dnnl::reorder::primitive_desc description(
    GetEngine(), srcDescription, GetEngine(), dstDescription, UserScratchpad());
  return Proposal::FromKernel(
    MakePrimitiveKernel(dnnl::reorder(description),
                        { { DNNL_ARG_FROM, srcDescription, 0 }, { DNNL_ARG_TO, dstDescription, Binding::output } },
                        description.scratchpad_desc(),
                        operatorCase.threads),
    { Layout{} });
}
} // namespace onednn
} // namespace nn
} // namespace itk
