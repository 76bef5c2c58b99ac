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
#include "itkNNError.h"
#include "itkNNParallel.h"
#include "itkNNReferenceKernels.h"
#include "itkNNReferenceSpatial.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

namespace itk
{
namespace nn
{
namespace reference
{
namespace
{
/** What the two gradients of a convolution share: extents, groups and tiles of
 * output positions, whose receptive fields are columns of a matrix. */
template <typename TOperator>
struct ConvolutionGeometry
{
  static constexpr std::int64_t tileSize = 1024;

  ConvolutionGeometry(const TOperator & op, const Shape & kernel, const Shape & srcShape, const Shape & dstShape)
    : groups(op.groups)
    , src(srcShape, kernel.size())
    , dst(dstShape, kernel.size())
    , window(op, kernel, src, dst)
    , inChannels(src.channels / op.groups)
    , outChannels(dst.channels / op.groups)
    , taps(window.GetNumberOfTaps())
    , positions(Product(dst.extents))
  {}

  std::int64_t SrcOffset(std::int64_t batch, std::int64_t group) const
  {
    return (batch * src.channels + group * inChannels) * Product(src.extents);
  }
  std::int64_t DstOffset(std::int64_t batch, std::int64_t group) const
  {
    return (batch * dst.channels + group * outChannels) * positions;
  }

  std::int64_t groups;
  SpatialShape src;
  SpatialShape dst;
  ConvolutionWindow window;
  std::int64_t inChannels; ///< of a group
  std::int64_t outChannels;
  std::int64_t taps;
  std::int64_t positions;
};

template <typename T>
using Matrix = Eigen::Map<const RowMajorMatrix<T>, Eigen::Unaligned, Eigen::OuterStride<>>;
} // namespace

std::unique_ptr<Kernel>
MakeKernel(const TransposedConvolution & op, const OperatorCase & operatorCase)
{
  const Shape & weights = operatorCase.inputs[1].type.shape;
  const ConvolutionGeometry<TransposedConvolution> geometry(
    op, Shape(weights.begin() + 2, weights.end()), operatorCase.output.shape, operatorCase.inputs[0].type.shape);
  const PostOperationChain chain(op.postOperations, operatorCase, 2);
  const unsigned int threads = operatorCase.threads;
  return DispatchPrecision(
    operatorCase.output.type,
    [&](auto zero)
    {
      using T = decltype(zero);
      const auto compute = [=](const KernelArguments & arguments, std::int64_t batch, std::int64_t group)
      {
        const auto & g = geometry;
        const std::int64_t rows = g.inChannels * g.taps;
        const T * from = static_cast<const T *>(arguments.inputs[0]) + g.DstOffset(batch, group);
        const Eigen::Map<const RowMajorMatrix<T>> weightMatrix(
          static_cast<const T *>(arguments.inputs[1]) + group * g.outChannels * rows, g.outChannels, rows);
        const std::int64_t begin = g.SrcOffset(batch, group);
        const std::int64_t plane = Product(g.src.extents);
        T * to = static_cast<T *>(arguments.output) + begin;
        std::fill_n(to, g.inChannels * plane, T(0));
        RowMajorMatrix<T> columns;
        for (std::int64_t first = 0; first < g.positions; first += g.tileSize)
        {
          const std::int64_t count = std::min(g.tileSize, g.positions - first);
          columns.noalias() =
            weightMatrix.transpose() * Matrix<T>(from + first, g.outChannels, count, Eigen::OuterStride<>(g.positions));
          for (std::int64_t row = 0; row < rows; ++row)
          {
            g.window.ScatterTap(columns.row(row).data(), row % g.taps, first, count, to + row / g.taps * plane);
          }
        }
        if (!chain.IsEmpty())
        {
          for (std::int64_t i = 0; i < g.inChannels * plane; ++i)
          {
            to[i] = chain.Apply(arguments, to[i], begin + i);
          }
        }
      };
      return std::make_unique<FunctionKernel>(
        [=](const KernelArguments & arguments)
        {
          ParallelFor(geometry.src.batch * geometry.groups,
                      threads,
                      [&](std::int64_t begin, std::int64_t end)
                      {
                        for (std::int64_t item = begin; item < end; ++item)
                        {
                          compute(arguments, item / geometry.groups, item % geometry.groups);
                        }
                      });
        });
    });
}

std::unique_ptr<Kernel>
MakeKernel(const ConvolutionWeightsGradient & op, const OperatorCase & operatorCase)
{
  const ConvolutionGeometry<ConvolutionWeightsGradient> geometry(
    op, op.kernel, operatorCase.inputs[0].type.shape, operatorCase.inputs[1].type.shape);
  const unsigned int threads = operatorCase.threads;
  return DispatchPrecision(
    operatorCase.output.type,
    [&](auto zero)
    {
      using T = decltype(zero);
      // The taps of one input channel: threads share these, so that the sums do not depend on their number.
      const auto compute = [=](const KernelArguments & arguments, std::int64_t group, std::int64_t channel)
      {
        const auto & g = geometry;
        RowMajorMatrix<double> sum = RowMajorMatrix<double>::Zero(g.outChannels, g.taps);
        RowMajorMatrix<T> columns;
        for (std::int64_t batch = 0; batch < g.src.batch; ++batch)
        {
          const T * src =
            static_cast<const T *>(arguments.inputs[0]) + g.SrcOffset(batch, group) + channel * Product(g.src.extents);
          const T * gradient = static_cast<const T *>(arguments.inputs[1]) + g.DstOffset(batch, group);
          for (std::int64_t first = 0; first < g.positions; first += g.tileSize)
          {
            const std::int64_t count = std::min(g.tileSize, g.positions - first);
            columns.resize(g.taps, count);
            for (std::int64_t tap = 0; tap < g.taps; ++tap)
            {
              g.window.GatherTap(src, tap, first, count, columns.row(tap).data());
            }
            const Matrix<T> tile(gradient + first, g.outChannels, count, Eigen::OuterStride<>(g.positions));
            sum += (tile * columns.transpose()).template cast<double>();
          }
        }
        T * to = static_cast<T *>(arguments.output) + (group * g.outChannels * g.inChannels + channel) * g.taps;
        Eigen::Map<RowMajorMatrix<T>, Eigen::Unaligned, Eigen::OuterStride<>>(
          to, g.outChannels, g.taps, Eigen::OuterStride<>(g.inChannels * g.taps)) = sum.template cast<T>();
      };
      return std::make_unique<FunctionKernel>(
        [=](const KernelArguments & arguments)
        {
          ParallelFor(geometry.src.channels,
                      threads,
                      [&](std::int64_t begin, std::int64_t end)
                      {
                        for (std::int64_t channel = begin; channel < end; ++channel)
                        {
                          compute(arguments, channel / geometry.inChannels, channel % geometry.inChannels);
                        }
                      });
        });
    });
}

namespace
{
/** Adds an output element's gradient of a pooling to a plane of its src. */
template <typename T>
void
SpreadPooled(const Pooling & op, const T * src, const Triple & extents, const Triple & position, T gradient, T * to)
{
  const Triple kernel = ToTriple(op.kernel, 1);
  const PoolingWindow window(op, extents, position);
  if (op.function == PoolingFunction::Maximum)
  {
    std::int64_t best = -1;
    window.ForEach(
      [&](std::int64_t offset)
      {
        const bool isFirst = best < 0;
        // A NaN stays the maximum, as in the pooling.
        if (isFirst || src[offset] > src[best] || (src[offset] != src[offset] && src[best] == src[best]))
        {
          best = offset;
        }
      });
    to[best] += gradient;
    return;
  }
  const auto count = static_cast<T>(op.includePadding ? Product(kernel) : window.CountElements());
  window.ForEach([&](std::int64_t offset) { to[offset] += gradient / count; });
}

/** A kernel that makes each plane of the output, zero at first, from the same
 * plane of the inputs: f(arguments, plane, to). */
template <typename T, typename TFunction>
std::unique_ptr<Kernel>
MakePlaneKernel(std::int64_t planes, std::int64_t elements, unsigned int threads, TFunction f)
{
  return std::make_unique<FunctionKernel>(
    [=](const KernelArguments & arguments)
    {
      ParallelFor(planes,
                  threads,
                  [&](std::int64_t begin, std::int64_t end)
                  {
                    for (std::int64_t plane = begin; plane < end; ++plane)
                    {
                      T * to = static_cast<T *>(arguments.output) + plane * elements;
                      std::fill_n(to, elements, T(0));
                      f(arguments, plane, to);
                    }
                  });
    });
}
} // namespace

std::unique_ptr<Kernel>
MakeKernel(const PoolingGradient & op, const OperatorCase & operatorCase)
{
  const SpatialShape src(operatorCase.output.shape, op.size.size());
  const SpatialShape dst(operatorCase.inputs[0].type.shape, op.size.size());
  const std::int64_t elements = Product(src.extents);
  const std::int64_t pooled = Product(dst.extents);
  return DispatchPrecision(
    operatorCase.output.type,
    [&](auto zero)
    {
      using T = decltype(zero);
      return MakePlaneKernel<T>(
        src.batch * src.channels,
        elements,
        operatorCase.threads,
        [=](const KernelArguments & arguments, std::int64_t plane, T * to)
        {
          const T * gradient = static_cast<const T *>(arguments.inputs[0]) + plane * pooled;
          const T * from =
            arguments.inputs.size() > 1 ? static_cast<const T *>(arguments.inputs[1]) + plane * elements : nullptr;
          for (std::int64_t i = 0; i < pooled; ++i)
          {
            SpreadPooled(op.pooling, from, src.extents, Unravel(i, dst.extents), gradient[i], to);
          }
        });
    });
}

std::unique_ptr<Kernel>
MakeKernel(const TransposedInterpolation & op, const OperatorCase & operatorCase)
{
  const Shape & src = operatorCase.inputs[0].type.shape;
  const auto rank = static_cast<std::ptrdiff_t>(op.size.size());
  const Interpolation interpolation{ op.mode, { src.end() - rank, src.end() }, op.alignCorners };
  const PlaneInterpolation planes(interpolation, operatorCase.output.shape, operatorCase.output.type);
  return DispatchPrecision(operatorCase.output.type,
                           [&](auto zero)
                           {
                             using T = decltype(zero);
                             return MakePlaneKernel<T>(
                               NumberOfElements(Shape(src.begin(), src.end() - rank)),
                               Product(planes.GetSrc()),
                               operatorCase.threads,
                               [=](const KernelArguments & arguments, std::int64_t plane, T * to)
                               {
                                 const Triple & size = planes.GetSize();
                                 const T * from = static_cast<const T *>(arguments.inputs[0]) + plane * Product(size);
                                 for (std::int64_t i = 0; i < Product(size); ++i)
                                 {
                                   planes.Spread(static_cast<double>(from[i]), Unravel(i, size), to);
                                 }
                               });
                           });
}

namespace
{
/** A Gather's tensors as [outer, axis, inner] and [outer, indices, inner]. */
struct GatherExtents
{
  GatherExtents(const Shape & table, int axis, const Shape & numbers)
    : outer(NumberOfElements(Shape(table.begin(), table.begin() + axis)))
    , rows(table[static_cast<std::size_t>(axis)])
    , indices(NumberOfElements(numbers))
    , inner(NumberOfElements(Shape(table.begin() + axis + 1, table.end())))
  {}

  std::int64_t GetRow(const KernelArguments & arguments, std::int64_t number) const
  {
    const std::int64_t row = static_cast<const std::int64_t *>(arguments.inputs[1])[number];
    itkNNRequireMacro(row >= 0 && row < rows, "Index " << row << " should be in [0, " << rows << ')');
    return row;
  }

  std::int64_t outer;
  std::int64_t rows;
  std::int64_t indices;
  std::int64_t inner;
};
} // namespace

std::unique_ptr<Kernel>
MakeKernel(const Gather & op, const OperatorCase & operatorCase)
{
  const GatherExtents extents(operatorCase.inputs[0].type.shape, op.axis, operatorCase.inputs[1].type.shape);
  const std::size_t bytes = static_cast<std::size_t>(extents.inner) * SizeOf(operatorCase.output.type);
  const unsigned int threads = operatorCase.threads;
  return std::make_unique<FunctionKernel>(
    [=](const KernelArguments & arguments)
    {
      ParallelFor(extents.outer * extents.indices,
                  threads,
                  [&](std::int64_t begin, std::int64_t end)
                  {
                    for (std::int64_t item = begin; item < end; ++item)
                    {
                      const std::int64_t from =
                        item / extents.indices * extents.rows + extents.GetRow(arguments, item % extents.indices);
                      std::memcpy(static_cast<char *>(arguments.output) + static_cast<std::size_t>(item) * bytes,
                                  static_cast<const char *>(arguments.inputs[0]) +
                                    static_cast<std::size_t>(from) * bytes,
                                  bytes);
                    }
                  });
    });
}

std::unique_ptr<Kernel>
MakeKernel(const ScatterAdd & op, const OperatorCase & operatorCase)
{
  const GatherExtents extents(operatorCase.output.shape, op.axis, operatorCase.inputs[1].type.shape);
  return DispatchPrecision(operatorCase.output.type,
                           [&](auto zero)
                           {
                             using T = decltype(zero);
                             return std::make_unique<FunctionKernel>(
                               [=](const KernelArguments & arguments)
                               {
                                 const auto * src = static_cast<const T *>(arguments.inputs[0]);
                                 auto * dst = static_cast<T *>(arguments.output);
                                 std::fill_n(dst, extents.outer * extents.rows * extents.inner, T(0));
                                 for (std::int64_t item = 0; item < extents.outer * extents.indices; ++item)
                                 {
                                   T * to = dst + (item / extents.indices * extents.rows +
                                                   extents.GetRow(arguments, item % extents.indices)) *
                                                    extents.inner;
                                   for (std::int64_t i = 0; i < extents.inner; ++i)
                                   {
                                     to[i] += src[item * extents.inner + i];
                                   }
                                 }
                               });
                           });
}

std::unique_ptr<Kernel>
MakeKernel(const BitMask & op, const OperatorCase & operatorCase)
{
  const std::int64_t elements = NumberOfElements(op.shape);
  const unsigned int threads = operatorCase.threads;
  return DispatchPrecision(
    operatorCase.output.type,
    [&](auto zero)
    {
      using T = decltype(zero);
      return std::make_unique<FunctionKernel>(
        [=](const KernelArguments & arguments)
        {
          const auto * bits = static_cast<const std::uint8_t *>(arguments.inputs[0]);
          auto * dst = static_cast<T *>(arguments.output);
          const T kept = *static_cast<const T *>(arguments.inputs[1]);
          ParallelFor((elements + 7) / 8,
                      threads,
                      [&](std::int64_t begin, std::int64_t end)
                      {
                        for (std::int64_t byte = begin; byte < end; ++byte)
                        {
                          const std::int64_t count = std::min<std::int64_t>(8, elements - byte * 8);
                          for (std::int64_t i = 0; i < count; ++i)
                          {
                            dst[byte * 8 + i] = (bits[byte] >> static_cast<unsigned int>(i) & 1U) != 0 ? kept : T(0);
                          }
                        }
                      });
        });
    });
}

namespace
{
/** \param order numbers of the elements; what it holds is overwritten. */
template <typename T>
void
WeighRow(const T * errors, const T * foreground, T * weights, std::vector<std::uint32_t> & order)
{
  std::iota(order.begin(), order.end(), 0U);
  // What is not a number comes last.
  std::stable_sort(order.begin(),
                   order.end(),
                   [errors](std::uint32_t a, std::uint32_t b)
                   { return errors[a] > errors[b] || (std::isnan(errors[b]) && !std::isnan(errors[a])); });
  const auto count = static_cast<std::int64_t>(order.size());
  const auto structure =
    static_cast<std::int64_t>(std::count_if(foreground, foreground + count, [](T value) { return value > T(0.5); }));
  std::int64_t found = 0;
  for (std::int64_t k = 0; k < count; ++k)
  {
    const std::uint32_t element = order[static_cast<std::size_t>(k)];
    const auto both = static_cast<double>(structure - found);
    const auto either = static_cast<double>(structure + k - found);
    if (foreground[element] > T(0.5))
    {
      weights[element] = static_cast<T>(1 / either);
      ++found;
    }
    else
    {
      weights[element] = static_cast<T>(either == 0 ? 1 : both / (either * (either + 1)));
    }
  }
}
} // namespace

std::unique_ptr<Kernel>
MakeKernel(const LovaszWeights &, const OperatorCase & operatorCase)
{
  const Shape & shape = operatorCase.output.shape;
  const std::int64_t length = shape.back();
  const std::int64_t rows = length == 0 ? 0 : NumberOfElements(shape) / length;
  itkNNRequireMacro(length <= std::numeric_limits<std::uint32_t>::max(),
                    "LovaszWeights: rows have " << length << " elements, should be at most 2^32 - 1");
  const unsigned int threads = operatorCase.threads;
  return DispatchPrecision(operatorCase.output.type,
                           [&](auto zero)
                           {
                             using T = decltype(zero);
                             return std::make_unique<FunctionKernel>(
                               [=](const KernelArguments & arguments)
                               {
                                 const auto * errors = static_cast<const T *>(arguments.inputs[0]);
                                 const auto * foreground = static_cast<const T *>(arguments.inputs[1]);
                                 auto * dst = static_cast<T *>(arguments.output);
                                 ParallelFor(rows,
                                             threads,
                                             [&](std::int64_t begin, std::int64_t end)
                                             {
                                               std::vector<std::uint32_t> order(static_cast<std::size_t>(length));
                                               for (std::int64_t row = begin; row < end; ++row)
                                               {
                                                 const std::int64_t first = row * length;
                                                 WeighRow(errors + first, foreground + first, dst + first, order);
                                               }
                                             });
                               });
                           });
}
} // namespace reference
} // namespace nn
} // namespace itk
