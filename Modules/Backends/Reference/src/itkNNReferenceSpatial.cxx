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
#include "itkNNParallel.h"
#include "itkNNReferenceKernels.h"

#include <Eigen/Core>
#include <algorithm>
#include <array>

namespace itk
{
namespace nn
{
namespace reference
{
namespace
{
/** Three spatial axes, leading ones of extent 1 added. */
using Triple = std::array<std::int64_t, 3>;

Triple
ToTriple(const std::vector<std::int64_t> & values, std::int64_t filling)
{
  Triple triple{ filling, filling, filling };
  for (std::size_t i = 0; i < values.size() && i < 3; ++i)
  {
    triple[2 - i] = values[values.size() - 1 - i];
  }
  return triple;
}

std::int64_t
Product(const Triple & triple)
{
  return triple[0] * triple[1] * triple[2];
}

Triple
Unravel(std::int64_t element, const Triple & extents)
{
  return { element / extents[2] / extents[1], element / extents[2] % extents[1], element % extents[2] };
}

/** Split of [batch..., channels, spatial...]. */
struct SpatialShape
{
  SpatialShape(const Shape & shape, std::size_t rank)
    : batch(NumberOfElements(Shape(shape.begin(), shape.end() - static_cast<std::ptrdiff_t>(rank) - 1)))
    , channels(shape[shape.size() - rank - 1])
    , extents(ToTriple(Shape(shape.end() - static_cast<std::ptrdiff_t>(rank), shape.end()), 1))
  {}

  std::int64_t batch;
  std::int64_t channels;
  Triple extents;
};

template <typename T>
using RowMajorMatrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

template <typename T>
class ConvolutionKernel : public Kernel
{
public:
  ConvolutionKernel(const Convolution & op, const OperatorCase & operatorCase)
    : m_Op(op)
    , m_Src(operatorCase.inputs[0].type.shape, op.stride.size())
    , m_Dst(operatorCase.output.shape, op.stride.size())
    , m_Kernel(
        ToTriple(Shape(operatorCase.inputs[1].type.shape.begin() + 2, operatorCase.inputs[1].type.shape.end()), 1))
    , m_Stride(ToTriple(op.stride, 1))
    , m_Padding(ToTriple(op.padding, 0))
    , m_Dilation(ToTriple(op.dilation, 1))
    , m_Threads(operatorCase.threads)
    , m_PostOperations(op.postOperations, operatorCase, op.hasBias ? 3 : 2)
  {}

  void Execute(const KernelArguments & arguments) const override
  {
    const std::int64_t tiles = (Product(m_Dst.extents) + tileSize - 1) / tileSize;
    ParallelFor(m_Src.batch * m_Op.groups * tiles,
                m_Threads,
                [&](std::int64_t begin, std::int64_t end)
                {
                  RowMajorMatrix<T> columns;
                  for (std::int64_t item = begin; item < end; ++item)
                  {
                    this->ComputeTile(
                      arguments, item / tiles / m_Op.groups, item / tiles % m_Op.groups, item % tiles, columns);
                  }
                });
  }

private:
  static constexpr std::int64_t tileSize = 1024;

  /** Output positions of one tile, all channels of one group: weights times
   * the matrix whose columns are the receptive fields. */
  void ComputeTile(const KernelArguments & arguments,
                   std::int64_t batch,
                   std::int64_t group,
                   std::int64_t tile,
                   RowMajorMatrix<T> & columns) const
  {
    const std::int64_t positions = Product(m_Dst.extents);
    const std::int64_t first = tile * tileSize;
    const std::int64_t count = std::min(tileSize, positions - first);
    const std::int64_t inChannels = m_Src.channels / m_Op.groups;
    const std::int64_t outChannels = m_Dst.channels / m_Op.groups;
    const std::int64_t taps = Product(m_Kernel);

    columns.resize(inChannels * taps, count);
    for (std::int64_t channel = 0; channel < inChannels; ++channel)
    {
      const T * src = static_cast<const T *>(arguments.inputs[0]) +
                      (batch * m_Src.channels + group * inChannels + channel) * Product(m_Src.extents);
      for (std::int64_t tap = 0; tap < taps; ++tap)
      {
        this->GatherTap(src, Unravel(tap, m_Kernel), first, count, columns.row(channel * taps + tap).data());
      }
    }

    const T * weights = static_cast<const T *>(arguments.inputs[1]) + group * outChannels * inChannels * taps;
    T * dst = static_cast<T *>(arguments.output) + (batch * m_Dst.channels + group * outChannels) * positions;
    const Eigen::Map<const RowMajorMatrix<T>> weightMatrix(weights, outChannels, inChannels * taps);
    Eigen::Map<RowMajorMatrix<T>, Eigen::Unaligned, Eigen::OuterStride<>> result(
      dst + first, outChannels, count, Eigen::OuterStride<>(positions));
    result.noalias() = weightMatrix * columns;
    if (m_Op.hasBias)
    {
      const auto * bias = static_cast<const T *>(arguments.inputs[2]) + group * outChannels;
      result.colwise() += Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, 1>>(bias, outChannels);
    }
    if (!m_PostOperations.IsEmpty())
    {
      for (std::int64_t channel = 0; channel < outChannels; ++channel)
      {
        for (std::int64_t i = 0; i < count; ++i)
        {
          T & value = result(channel, i);
          const std::int64_t element = &value - static_cast<T *>(arguments.output);
          value = m_PostOperations.Apply(arguments, value, element);
        }
      }
    }
  }

  /** One row of the column matrix: a tap's source value for each position. */
  void GatherTap(const T * src, const Triple & tap, std::int64_t first, std::int64_t count, T * row) const
  {
    for (std::int64_t i = 0; i < count; ++i)
    {
      const Triple position = Unravel(first + i, m_Dst.extents);
      std::int64_t offset = 0;
      bool inside = true;
      for (int d = 0; d < 3; ++d)
      {
        const std::int64_t at = position[d] * m_Stride[d] - m_Padding[d] + tap[d] * m_Dilation[d];
        inside = inside && at >= 0 && at < m_Src.extents[d];
        offset = offset * m_Src.extents[d] + at;
      }
      row[i] = inside ? src[offset] : T(0);
    }
  }

  Convolution m_Op;
  SpatialShape m_Src;
  SpatialShape m_Dst;
  Triple m_Kernel;
  Triple m_Stride;
  Triple m_Padding;
  Triple m_Dilation;
  unsigned int m_Threads;
  PostOperationChain m_PostOperations;
};

template <typename T>
T
PoolWindow(const Pooling & op, const T * src, const Triple & extents, const Triple & position)
{
  const Triple kernel = ToTriple(op.kernel, 1);
  const Triple stride = ToTriple(op.stride, 1);
  const Triple padding = ToTriple(op.padding, 0);
  Triple begin;
  Triple end;
  for (int d = 0; d < 3; ++d)
  {
    const std::int64_t start = position[d] * stride[d] - padding[d];
    begin[d] = std::max<std::int64_t>(start, 0);
    end[d] = std::min(start + kernel[d], extents[d]);
  }
  T maximum = src[(begin[0] * extents[1] + begin[1]) * extents[2] + begin[2]];
  double sum = 0;
  std::int64_t count = 0;
  for (std::int64_t z = begin[0]; z < end[0]; ++z)
  {
    for (std::int64_t y = begin[1]; y < end[1]; ++y)
    {
      for (std::int64_t x = begin[2]; x < end[2]; ++x)
      {
        const T value = src[(z * extents[1] + y) * extents[2] + x];
        // A NaN stays the maximum, as in the frameworks.
        maximum = value > maximum || value != value ? value : maximum;
        sum += static_cast<double>(value);
        ++count;
      }
    }
  }
  if (op.function == PoolingFunction::Maximum)
  {
    return maximum;
  }
  return static_cast<T>(sum / static_cast<double>(op.includePadding ? Product(kernel) : count));
}
} // namespace

std::unique_ptr<Kernel>
MakeKernel(const Convolution & op, const OperatorCase & operatorCase)
{
  return DispatchPrecision(operatorCase.output.type,
                           [&](auto zero) -> std::unique_ptr<Kernel>
                           { return std::make_unique<ConvolutionKernel<decltype(zero)>>(op, operatorCase); });
}

std::unique_ptr<Kernel>
MakeKernel(const Pooling & op, const OperatorCase & operatorCase)
{
  const SpatialShape src(operatorCase.inputs[0].type.shape, op.kernel.size());
  const SpatialShape dst(operatorCase.output.shape, op.kernel.size());
  const unsigned int threads = operatorCase.threads;
  return DispatchPrecision(
    operatorCase.output.type,
    [&](auto zero)
    {
      using T = decltype(zero);
      return std::make_unique<FunctionKernel>(
        [=](const KernelArguments & arguments)
        {
          ParallelFor(dst.batch * dst.channels,
                      threads,
                      [&](std::int64_t begin, std::int64_t end)
                      {
                        for (std::int64_t plane = begin; plane < end; ++plane)
                        {
                          const T * from = static_cast<const T *>(arguments.inputs[0]) + plane * Product(src.extents);
                          T * to = static_cast<T *>(arguments.output) + plane * Product(dst.extents);
                          for (std::int64_t i = 0; i < Product(dst.extents); ++i)
                          {
                            to[i] = PoolWindow(op, from, src.extents, Unravel(i, dst.extents));
                          }
                        }
                      });
        });
    });
}

namespace
{
/** The values of an interpolated plane. */
class PlaneInterpolation
{
public:
  PlaneInterpolation(const Interpolation & op, const Shape & srcShape, DataType precision)
    : m_Src(ToTriple(Shape(srcShape.end() - static_cast<std::ptrdiff_t>(op.size.size()), srcShape.end()), 1))
    , m_Size(ToTriple(op.size, 1))
  {
    for (int d = 0; d < 3; ++d)
    {
      m_Taps[d] = InterpolationTaps(op, m_Src[d], m_Size[d], precision);
    }
  }

  const Triple & GetSrc() const
  {
    return m_Src;
  }
  const Triple & GetSize() const
  {
    return m_Size;
  }

  template <typename T>
  double Evaluate(const T * from, const Triple & position) const
  {
    double sum = 0;
    for (int corner = 0; corner < 8; ++corner)
    {
      double weight = 1;
      std::int64_t offset = 0;
      for (int d = 0; d < 3; ++d)
      {
        const InterpolationTap & tap = m_Taps[d][static_cast<std::size_t>(position[d])];
        const bool high = (corner >> d & 1) != 0;
        weight *= high ? tap.weight : 1 - tap.weight;
        offset = offset * m_Src[d] + (high ? tap.high : tap.low);
      }
      // A weight of zero must not turn an infinity into a NaN.
      if (weight != 0)
      {
        sum += weight * static_cast<double>(from[offset]);
      }
    }
    return sum;
  }

private:
  Triple m_Src;
  Triple m_Size;
  std::array<std::vector<InterpolationTap>, 3> m_Taps;
};
} // namespace

std::unique_ptr<Kernel>
MakeKernel(const Interpolation & op, const OperatorCase & operatorCase)
{
  const Shape & shape = operatorCase.output.shape;
  const PlaneInterpolation interpolation(op, operatorCase.inputs[0].type.shape, operatorCase.output.type);
  const std::int64_t planes =
    NumberOfElements(Shape(shape.begin(), shape.end() - static_cast<std::ptrdiff_t>(op.size.size())));
  const unsigned int threads = operatorCase.threads;
  return DispatchPrecision(operatorCase.output.type,
                           [&](auto zero)
                           {
                             using T = decltype(zero);
                             return std::make_unique<FunctionKernel>(
                               [=](const KernelArguments & arguments)
                               {
                                 const Triple & size = interpolation.GetSize();
                                 ParallelFor(planes,
                                             threads,
                                             [&](std::int64_t begin, std::int64_t end)
                                             {
                                               for (std::int64_t plane = begin; plane < end; ++plane)
                                               {
                                                 const T * from = static_cast<const T *>(arguments.inputs[0]) +
                                                                  plane * Product(interpolation.GetSrc());
                                                 T * to = static_cast<T *>(arguments.output) + plane * Product(size);
                                                 for (std::int64_t i = 0; i < Product(size); ++i)
                                                 {
                                                   to[i] =
                                                     static_cast<T>(interpolation.Evaluate(from, Unravel(i, size)));
                                                 }
                                               }
                                             });
                               });
                           });
}

std::unique_ptr<Kernel>
MakeKernel(const ShiftedInterpolation & op, const OperatorCase & operatorCase)
{
  const PlaneInterpolation interpolation(op.interpolation, operatorCase.inputs[0].type.shape, operatorCase.output.type);
  const SpatialShape src(operatorCase.inputs[0].type.shape, op.kernel.size());
  const SpatialShape dst(operatorCase.output.shape, op.kernel.size());
  const Triple kernel = ToTriple(op.kernel, 1);
  const Triple padding = ToTriple(op.padding, 0);
  const Triple dilation = ToTriple(op.dilation, 1);
  const PostOperationChain chain(op.postOperations, operatorCase, 1);
  const unsigned int threads = operatorCase.threads;
  return DispatchPrecision(
    operatorCase.output.type,
    [&](auto zero)
    {
      using T = decltype(zero);
      return std::make_unique<FunctionKernel>(
        [=](const KernelArguments & arguments)
        {
          const auto evaluate = [&](const T * image, std::int64_t channel, const Triple & position)
          {
            double sum = 0;
            for (std::int64_t k = 0; k < Product(kernel); ++k)
            {
              const Triple tap = Unravel(k, kernel);
              Triple at;
              bool inside = true;
              for (int d = 0; d < 3; ++d)
              {
                at[d] = position[d] + tap[d] * dilation[d] - padding[d];
                inside = inside && at[d] >= 0 && at[d] < interpolation.GetSize()[d];
              }
              if (inside)
              {
                sum += interpolation.Evaluate(image + (k * dst.channels + channel) * Product(src.extents), at);
              }
            }
            return static_cast<T>(sum);
          };
          ParallelFor(dst.batch * dst.channels,
                      threads,
                      [&](std::int64_t begin, std::int64_t end)
                      {
                        for (std::int64_t plane = begin; plane < end; ++plane)
                        {
                          const T * image = static_cast<const T *>(arguments.inputs[0]) +
                                            plane / dst.channels * src.channels * Product(src.extents);
                          for (std::int64_t i = 0; i < Product(dst.extents); ++i)
                          {
                            const std::int64_t element = plane * Product(dst.extents) + i;
                            static_cast<T *>(arguments.output)[element] = chain.Apply(
                              arguments, evaluate(image, plane % dst.channels, Unravel(i, dst.extents)), element);
                          }
                        }
                      });
        });
    });
}
} // namespace reference
} // namespace nn
} // namespace itk
