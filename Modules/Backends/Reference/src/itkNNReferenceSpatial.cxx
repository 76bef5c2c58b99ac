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
#include "itkNNReferenceSpatial.h"

#include "itkNNParallel.h"
#include "itkNNReferenceKernels.h"

#include <algorithm>

namespace itk
{
namespace nn
{
namespace reference
{
namespace
{
template <typename T>
class ConvolutionKernel : public Kernel
{
public:
  ConvolutionKernel(const Convolution & op, const OperatorCase & operatorCase)
    : m_Op(op)
    , m_Src(operatorCase.inputs[0].type.shape, op.stride.size())
    , m_Dst(operatorCase.output.shape, op.stride.size())
    , m_Window(
        op, Shape(operatorCase.inputs[1].type.shape.begin() + 2, operatorCase.inputs[1].type.shape.end()), m_Src, m_Dst)
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
    const std::int64_t taps = m_Window.GetNumberOfTaps();

    columns.resize(inChannels * taps, count);
    for (std::int64_t channel = 0; channel < inChannels; ++channel)
    {
      const T * src = static_cast<const T *>(arguments.inputs[0]) +
                      (batch * m_Src.channels + group * inChannels + channel) * Product(m_Src.extents);
      for (std::int64_t tap = 0; tap < taps; ++tap)
      {
        m_Window.GatherTap(src, tap, first, count, columns.row(channel * taps + tap).data());
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

  Convolution m_Op;
  SpatialShape m_Src;
  SpatialShape m_Dst;
  ConvolutionWindow m_Window;
  unsigned int m_Threads;
  PostOperationChain m_PostOperations;
};

template <typename T>
T
PoolWindow(const Pooling & op, const T * src, const Triple & extents, const Triple & position)
{
  const PoolingWindow window(op, extents, position);
  bool isFirst = true;
  T maximum = 0;
  double sum = 0;
  window.ForEach(
    [&](std::int64_t offset)
    {
      const T value = src[offset];
      // A NaN stays the maximum, as in the frameworks.
      maximum = isFirst || value > maximum || value != value ? value : maximum;
      sum += static_cast<double>(value);
      isFirst = false;
    });
  if (op.function == PoolingFunction::Maximum)
  {
    return maximum;
  }
  return static_cast<T>(sum /
                        static_cast<double>(op.includePadding ? NumberOfElements(op.kernel) : window.CountElements()));
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
