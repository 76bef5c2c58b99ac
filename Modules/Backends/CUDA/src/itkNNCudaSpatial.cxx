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
#include <array>

namespace itk
{
namespace nn
{
namespace cuda
{
Layout
GetImageLayout(const Operand & src, const Shape & dst, std::size_t rank)
{
  const Layout layout = AcceptedLayout(src);
  const int axis = static_cast<int>(src.type.shape.size() - rank) - 1;
  if (layout.IsPlain() || layout.axis != axis)
  {
    return {};
  }
  return { layout.kind, static_cast<int>(dst.size() - rank) - 1 };
}

Layout
AcceptedImageLayout(const Operand & src, std::size_t rank)
{
  const Layout layout = AcceptedLayout(src);
  return layout.axis == static_cast<int>(src.type.shape.size() - rank) - 1 ? layout : Layout{};
}

namespace
{
/** Convolution and TransposedConvolution. */
template <typename TOperator>
Proposal
ProposeConvolution(const TOperator & op, const OperatorCase & operatorCase, bool hasBias, KernelId kernel)
{
  const std::size_t rank = op.stride.size();
  const Operand & src = operatorCase.inputs[0];
  const Shape & weights = operatorCase.inputs[1].type.shape;
  const Layout srcLayout = AcceptedImageLayout(src, rank);
  const Layout dstLayout = GetImageLayout(src, operatorCase.output.shape, rank);
  ConvolutionParameters parameters{};
  parameters.src = MakeImage(src.type.shape, srcLayout, rank);
  parameters.dst = MakeImage(operatorCase.output.shape, dstLayout, rank);
  parameters.items = MakeItems(parameters.dst, dstLayout);
  parameters.window = MakeWindow({ weights.begin() + 2, weights.end() }, op.stride, op.padding, op.dilation);
  parameters.groups = op.groups;
  const std::size_t firstOperand = hasBias ? 3 : 2;
  const PostOperations posts(op.postOperations, operatorCase, firstOperand, dstLayout);
  if (!posts.GetReason().empty())
  {
    return Proposal::Unsupported(posts.GetReason());
  }
  std::vector<Layout> layouts = GetAcceptedLayouts(operatorCase);
  layouts[0] = srcLayout;
  std::fill(layouts.begin() + 1, layouts.begin() + static_cast<std::ptrdiff_t>(firstOperand), Layout{});
  const ElementType type = ToElementType(operatorCase.output.type);
  return MakeProposal(
    [parameters, posts, hasBias, kernel, type](Stream & stream, const KernelArguments & arguments)
    {
      ConvolutionParameters p = parameters;
      p.srcData = arguments.inputs[0];
      p.weights = arguments.inputs[1];
      p.bias = hasBias ? arguments.inputs[2] : nullptr;
      p.dstData = arguments.output;
      posts.GetFirst(p.chain, p.chainSpace, arguments);
      stream.Launch(kernel, type, p);
      posts.LaunchRest(stream, arguments);
    },
    std::move(layouts),
    dstLayout);
}

/** Tables of an interpolation's axes in memory of a device. */
struct DeviceTables
{
  std::array<std::shared_ptr<void>, 3> first{};
  std::array<std::shared_ptr<void>, 3> second{};
};

template <typename T>
std::shared_ptr<void>
UploadVector(const std::vector<T> & values, DeviceMemory & memory)
{
  return memory.Upload(values.data(), values.size() * sizeof(T));
}

/** Taps of the last three axes, the leading ones of one element. */
std::array<std::vector<InterpolationTap>, 3>
GetTaps(const Interpolation & op, const Shape & src, DataType precision, std::int64_t * size)
{
  std::array<std::vector<InterpolationTap>, 3> taps;
  const std::size_t rank = op.size.size();
  for (std::size_t d = 0; d < 3; ++d)
  {
    const bool isThere = d + rank >= 3;
    const std::int64_t in = isThere ? src[src.size() + d - 3] : 1;
    size[d] = isThere ? op.size[d + rank - 3] : 1;
    taps[d] = isThere ? InterpolationTaps(op, in, size[d], precision)
                      : std::vector<InterpolationTap>{ InterpolationTap{ 0, 0, 0 } };
  }
  return taps;
}

template <typename C>
std::shared_ptr<void>
UploadTaps(const std::vector<InterpolationTap> & taps, DeviceMemory & memory)
{
  std::vector<Tap<C>> values;
  for (const auto & tap : taps)
  {
    values.push_back(
      { static_cast<std::int32_t>(tap.low), static_cast<std::int32_t>(tap.high), static_cast<C>(tap.weight) });
  }
  return UploadVector(values, memory);
}

/** For each element of src where it goes to. */
template <typename C>
void
UploadTargets(const std::vector<InterpolationTap> & taps,
              std::int64_t extent,
              DeviceMemory & memory,
              std::shared_ptr<void> & begins,
              std::shared_ptr<void> & targets)
{
  std::vector<std::vector<Target<C>>> lists(static_cast<std::size_t>(extent));
  for (std::size_t i = 0; i < taps.size(); ++i)
  {
    const auto add = [&](std::int64_t to, double weight)
    {
      if (weight != 0)
      {
        lists[static_cast<std::size_t>(to)].push_back({ static_cast<std::int32_t>(i), 0, static_cast<C>(weight) });
      }
    };
    add(taps[i].low, 1 - taps[i].weight);
    add(taps[i].high, taps[i].weight);
  }
  std::vector<std::int32_t> first{ 0 };
  std::vector<Target<C>> all;
  for (const auto & list : lists)
  {
    all.insert(all.end(), list.begin(), list.end());
    first.push_back(static_cast<std::int32_t>(all.size()));
  }
  begins = UploadVector(first, memory);
  targets = UploadVector(all, memory);
}

/** Interpolations of a batch of planes have no channels of their own: all axes in
 * front of the spatial ones count as one. */
Image
MakePlanes(const Shape & shape, const Layout & layout, std::size_t rank)
{
  if (!layout.IsPlain())
  {
    return MakeImage(shape, layout, rank);
  }
  Shape planes{ NumberOfElements(Shape(shape.begin(), shape.end() - static_cast<std::ptrdiff_t>(rank))) };
  planes.insert(planes.end(), shape.end() - static_cast<std::ptrdiff_t>(rank), shape.end());
  return MakeImage(planes, {}, rank);
}

/** The same for ShiftedInterpolation, which has channels. */
Proposal
ProposeInterpolation(const Interpolation & op,
                     InterpolationParameters parameters,
                     const std::vector<PostOperation> & postOperations,
                     const Layout & srcLayout,
                     const Layout & dstLayout,
                     const OperatorCase & operatorCase)
{
  const DataType precision = operatorCase.output.type;
  const auto taps = GetTaps(op, operatorCase.inputs[0].type.shape, precision, parameters.size);
  DeviceTables tables;
  for (std::size_t d = 0; d < 3; ++d)
  {
    tables.first[d] = precision == DataType::Float64 ? UploadTaps<double>(taps[d], *operatorCase.device)
                                                     : UploadTaps<float>(taps[d], *operatorCase.device);
    parameters.taps[d] = tables.first[d].get();
  }
  parameters.items = MakeItems(parameters.dst, dstLayout);
  const PostOperations posts(postOperations, operatorCase, 1, dstLayout);
  if (!posts.GetReason().empty())
  {
    return Proposal::Unsupported(posts.GetReason());
  }
  std::vector<Layout> layouts = GetAcceptedLayouts(operatorCase);
  layouts[0] = srcLayout;
  const ElementType type = ToElementType(precision);
  return MakeProposal(
    [parameters, tables, posts, type](Stream & stream, const KernelArguments & arguments)
    {
      InterpolationParameters p = parameters;
      p.srcData = arguments.inputs[0];
      p.dstData = arguments.output;
      posts.GetFirst(p.chain, p.chainSpace, arguments);
      stream.Launch(KernelId::Interpolation, type, p);
      posts.LaunchRest(stream, arguments);
    },
    std::move(layouts),
    dstLayout);
}

Proposal
ProposePooling(const Pooling & op, const OperatorCase & operatorCase, bool isGradient)
{
  const std::size_t rank = op.kernel.size();
  const Operand & first = operatorCase.inputs[0];
  const Layout firstLayout = AcceptedImageLayout(first, rank);
  const Layout dstLayout = GetImageLayout(first, operatorCase.output.shape, rank);
  std::vector<Layout> layouts{ firstLayout };
  PoolingParameters parameters{};
  parameters.window = MakeWindow(op.kernel, op.stride, op.padding, {});
  parameters.function = static_cast<std::int32_t>(op.function);
  parameters.includePadding = op.includePadding ? 1 : 0;
  if (isGradient)
  {
    parameters.pooled = MakeImage(first.type.shape, firstLayout, rank);
    parameters.dst = MakeImage(operatorCase.output.shape, dstLayout, rank);
    parameters.items = MakeItems(parameters.dst, dstLayout);
    // Of a mean only the extents count.
    parameters.src = parameters.dst;
    if (operatorCase.inputs.size() > 1)
    {
      layouts.push_back(AcceptedImageLayout(operatorCase.inputs[1], rank));
      parameters.src = MakeImage(operatorCase.inputs[1].type.shape, layouts[1], rank);
    }
  }
  else
  {
    parameters.src = MakeImage(first.type.shape, firstLayout, rank);
    parameters.pooled = MakeImage(operatorCase.output.shape, dstLayout, rank);
    parameters.items = MakeItems(parameters.pooled, dstLayout);
  }
  const ElementType type = ToElementType(operatorCase.output.type);
  return MakeProposal(
    [parameters, isGradient, type](Stream & stream, const KernelArguments & arguments)
    {
      PoolingParameters p = parameters;
      p.dstData = arguments.output;
      (isGradient ? p.pooledData : p.srcData) = arguments.inputs[0];
      if (arguments.inputs.size() > 1)
      {
        p.srcData = arguments.inputs[1];
      }
      stream.Launch(isGradient ? KernelId::PoolingGradient : KernelId::Pooling, type, p);
    },
    std::move(layouts),
    dstLayout);
}
} // namespace

Proposal
Propose(const Convolution & op, const OperatorCase & operatorCase)
{
  return ProposeConvolution(op, operatorCase, op.hasBias, KernelId::Convolution);
}

Proposal
Propose(const TransposedConvolution & op, const OperatorCase & operatorCase)
{
  return ProposeConvolution(op, operatorCase, false, KernelId::TransposedConvolution);
}

Proposal
Propose(const ConvolutionWeightsGradient & op, const OperatorCase & operatorCase)
{
  const std::size_t rank = op.kernel.size();
  WeightsGradientParameters parameters{};
  std::vector<Layout> layouts;
  Image * images[] = { &parameters.src, &parameters.gradient };
  for (std::size_t i = 0; i < 2; ++i)
  {
    layouts.push_back(AcceptedImageLayout(operatorCase.inputs[i], rank));
    *images[i] = MakeImage(operatorCase.inputs[i].type.shape, layouts[i], rank);
  }
  const Shape & shape = operatorCase.output.shape;
  parameters.window = MakeWindow(op.kernel, op.stride, op.padding, op.dilation);
  const auto & kernel = parameters.window.kernel;
  parameters.space = MakeSpace({ shape[0], shape[1], kernel[0], kernel[1], kernel[2] });
  parameters.groups = op.groups;
  const auto & extents = parameters.gradient.extents;
  const std::int64_t lines = extents[0] * extents[2] * extents[3];
  parameters.teamSize = lines >= 1024 ? 256 : lines >= 8 ? 32 : 1;
  const ElementType type = ToElementType(operatorCase.output.type);
  return MakeProposal(
    [parameters, type](Stream & stream, const KernelArguments & arguments)
    {
      WeightsGradientParameters p = parameters;
      p.srcData = arguments.inputs[0];
      p.gradientData = arguments.inputs[1];
      p.dst = arguments.output;
      stream.Launch(KernelId::ConvolutionWeightsGradient, type, p);
    },
    std::move(layouts));
}

Proposal
Propose(const Pooling & op, const OperatorCase & operatorCase)
{
  return ProposePooling(op, operatorCase, false);
}

Proposal
Propose(const PoolingGradient & op, const OperatorCase & operatorCase)
{
  return ProposePooling(op.pooling, operatorCase, true);
}

Proposal
Propose(const Interpolation & op, const OperatorCase & operatorCase)
{
  const std::size_t rank = op.size.size();
  const Operand & src = operatorCase.inputs[0];
  const bool hasChannels = src.type.shape.size() > rank;
  const Layout srcLayout = hasChannels ? AcceptedImageLayout(src, rank) : Layout{};
  InterpolationParameters parameters{};
  parameters.src = MakePlanes(src.type.shape, srcLayout, rank);
  parameters.dst = MakePlanes(operatorCase.output.shape, srcLayout, rank);
  parameters.window = MakeWindow({}, {}, {}, {});
  return ProposeInterpolation(op, parameters, {}, srcLayout, srcLayout, operatorCase);
}

Proposal
Propose(const ShiftedInterpolation & op, const OperatorCase & operatorCase)
{
  const std::size_t rank = op.kernel.size();
  const Operand & src = operatorCase.inputs[0];
  const Layout srcLayout = AcceptedImageLayout(src, rank);
  const Layout dstLayout = GetImageLayout(src, operatorCase.output.shape, rank);
  InterpolationParameters parameters{};
  parameters.src = MakeImage(src.type.shape, srcLayout, rank);
  parameters.dst = MakeImage(operatorCase.output.shape, dstLayout, rank);
  parameters.window = MakeWindow(op.kernel, {}, op.padding, op.dilation);
  return ProposeInterpolation(op.interpolation, parameters, op.postOperations, srcLayout, dstLayout, operatorCase);
}

Proposal
Propose(const TransposedInterpolation & op, const OperatorCase & operatorCase)
{
  const std::size_t rank = op.size.size();
  const Operand & src = operatorCase.inputs[0];
  const Layout layout = src.type.shape.size() > rank ? AcceptedImageLayout(src, rank) : Layout{};
  TransposedInterpolationParameters parameters{};
  parameters.src = MakePlanes(src.type.shape, layout, rank);
  parameters.dst = MakePlanes(operatorCase.output.shape, layout, rank);
  parameters.items = MakeItems(parameters.dst, layout);
  const Shape & size = src.type.shape;
  const Interpolation interpolation{ op.mode,
                                     { size.end() - static_cast<std::ptrdiff_t>(rank), size.end() },
                                     op.alignCorners };
  std::int64_t unused[3];
  const DataType precision = operatorCase.output.type;
  const auto taps = GetTaps(interpolation, operatorCase.output.shape, precision, unused);
  DeviceTables tables;
  for (std::size_t d = 0; d < 3; ++d)
  {
    const auto upload = precision == DataType::Float64 ? &UploadTargets<double> : &UploadTargets<float>;
    upload(taps[d], parameters.dst.extents[d + 2], *operatorCase.device, tables.first[d], tables.second[d]);
    parameters.begins[d] = static_cast<const std::int32_t *>(tables.first[d].get());
    parameters.targets[d] = tables.second[d].get();
  }
  const ElementType type = ToElementType(precision);
  return MakeProposal(
    [parameters, tables, type](Stream & stream, const KernelArguments & arguments)
    {
      TransposedInterpolationParameters p = parameters;
      p.srcData = arguments.inputs[0];
      p.dstData = arguments.output;
      stream.Launch(KernelId::TransposedInterpolation, type, p);
    },
    { layout },
    layout);
}
} // namespace cuda
} // namespace nn
} // namespace itk
