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

#include <algorithm>
#include <array>
#include <vector>

namespace itk
{
namespace nn
{
namespace reference
{
namespace
{
/** Where the value at a position comes from, along each spatial axis. */
struct SamplingPlace
{
  std::array<SamplingTap, 3> taps;
  bool isOutside = false;
};

/** \class SamplingGeometry
 * \brief The extents of a Sampling's tensors, and where its coordinates lie. */
class SamplingGeometry
{
public:
  SamplingGeometry(const Sampling & op, const Shape & src, const Shape & coordinates)
    : batch(src[0])
    , channels(src[1])
    , elements(NumberOfElements(Shape(src.begin() + 2, src.end())))
    , coordinateBatch(coordinates[0])
    , positions(NumberOfElements(Shape(coordinates.begin() + 2, coordinates.end())))
    , m_Op(op)
    , m_Extents(src.begin() + 2, src.end())
  {}

  std::size_t GetRank() const
  {
    return m_Extents.size();
  }

  template <typename T>
  SamplingPlace Locate(const T * coordinates, std::int64_t image, std::int64_t position) const
  {
    const auto rank = static_cast<std::int64_t>(this->GetRank());
    const T * from = coordinates + (coordinateBatch == 1 ? 0 : image) * rank * positions + position;
    SamplingPlace place;
    for (std::int64_t d = 0; d < rank; ++d)
    {
      const auto axis = static_cast<std::size_t>(d);
      place.taps[axis] = GetSamplingTap(m_Op, from[d * positions], m_Extents[axis]);
      place.isOutside = place.isOutside || place.taps[axis].isOutside;
    }
    return place;
  }

  /** f(factors, offset) of the elements around a place that is inside; the product of
   * the factors of all axes is the weight. */
  template <typename TFunction>
  void ForEachCorner(const SamplingPlace & place, TFunction && f) const
  {
    const std::size_t rank = this->GetRank();
    for (unsigned int corner = 0; corner < 1U << rank; ++corner)
    {
      std::array<double, 3> factors{ 1, 1, 1 };
      std::int64_t offset = 0;
      for (std::size_t d = 0; d < rank; ++d)
      {
        const bool isHigh = IsHigh(corner, d);
        const SamplingTap & tap = place.taps[d];
        factors[d] = isHigh ? tap.weight : 1 - tap.weight;
        offset = offset * m_Extents[d] + (isHigh ? tap.high : tap.low);
      }
      f(corner, factors, offset);
    }
  }

  /** Weight and offset of the elements that make the value at a place. */
  template <typename TFunction>
  void ForEachTerm(const SamplingPlace & place, TFunction && f) const
  {
    if (place.isOutside)
    {
      return;
    }
    this->ForEachCorner(place,
                        [&](unsigned int, const std::array<double, 3> & factors, std::int64_t offset)
                        {
                          const double weight = factors[0] * factors[1] * factors[2];
                          // A weight of zero must not turn an infinity into a NaN.
                          if (weight != 0)
                          {
                            f(weight, offset);
                          }
                        });
  }

  static bool IsHigh(unsigned int corner, std::size_t axis)
  {
    return (corner >> axis & 1U) != 0;
  }

  std::int64_t batch;
  std::int64_t channels;
  std::int64_t elements; ///< of one channel of src
  std::int64_t coordinateBatch;
  std::int64_t positions;

private:
  Sampling m_Op;
  Shape m_Extents;
};
/** compute(arguments, image, item) for the items of each image, shared by threads. */
template <typename TCompute>
std::unique_ptr<Kernel>
MakeItemKernel(std::int64_t images, std::int64_t items, unsigned int threads, const TCompute & compute)
{
  return std::make_unique<FunctionKernel>(
    [=](const KernelArguments & arguments)
    {
      ParallelFor(images * items,
                  threads,
                  [&](std::int64_t begin, std::int64_t end)
                  {
                    for (std::int64_t i = begin; i < end; ++i)
                    {
                      compute(arguments, i / items, i % items);
                    }
                  });
    });
}
} // namespace

std::unique_ptr<Kernel>
MakeKernel(const Sampling & op, const OperatorCase & operatorCase)
{
  const SamplingGeometry geometry(op, operatorCase.inputs[0].type.shape, operatorCase.inputs[1].type.shape);
  const unsigned int threads = operatorCase.threads;
  return DispatchPrecision(
    operatorCase.output.type,
    [&](auto zero)
    {
      using T = decltype(zero);
      const auto compute = [=](const KernelArguments & arguments, std::int64_t image, std::int64_t position)
      {
        const auto & g = geometry;
        const SamplingPlace place = g.Locate(static_cast<const T *>(arguments.inputs[1]), image, position);
        for (std::int64_t channel = image * g.channels; channel < (image + 1) * g.channels; ++channel)
        {
          const T * from = static_cast<const T *>(arguments.inputs[0]) + channel * g.elements;
          double sum = place.isOutside ? op.value : 0;
          g.ForEachTerm(place,
                        [&](double weight, std::int64_t offset) { sum += weight * static_cast<double>(from[offset]); });
          static_cast<T *>(arguments.output)[channel * g.positions + position] = static_cast<T>(sum);
        }
      };
      return MakeItemKernel(geometry.batch, geometry.positions, threads, compute);
    });
}

std::unique_ptr<Kernel>
MakeKernel(const TransposedSampling & op, const OperatorCase & operatorCase)
{
  const SamplingGeometry geometry(op.sampling, operatorCase.output.shape, operatorCase.inputs[1].type.shape);
  const unsigned int threads = operatorCase.threads;
  return DispatchPrecision(operatorCase.output.type,
                           [&](auto zero)
                           {
                             using T = decltype(zero);
                             // Threads share planes, so that the sums do not depend on their number.
                             const auto compute =
                               [=](const KernelArguments & arguments, std::int64_t image, std::int64_t channel)
                             {
                               const auto & g = geometry;
                               const std::int64_t plane = image * g.channels + channel;
                               const T * from = static_cast<const T *>(arguments.inputs[0]) + plane * g.positions;
                               std::vector<double> sums(static_cast<std::size_t>(g.elements));
                               for (std::int64_t i = 0; i < g.positions; ++i)
                               {
                                 const auto value = static_cast<double>(from[i]);
                                 g.ForEachTerm(g.Locate(static_cast<const T *>(arguments.inputs[1]), image, i),
                                               [&](double weight, std::int64_t offset)
                                               { sums[static_cast<std::size_t>(offset)] += weight * value; });
                               }
                               std::transform(sums.begin(),
                                              sums.end(),
                                              static_cast<T *>(arguments.output) + plane * g.elements,
                                              [](double sum) { return static_cast<T>(sum); });
                             };
                             return MakeItemKernel(geometry.batch, geometry.channels, threads, compute);
                           });
}

std::unique_ptr<Kernel>
MakeKernel(const SamplingCoordinatesGradient & op, const OperatorCase & operatorCase)
{
  const SamplingGeometry geometry(op.sampling, operatorCase.inputs[1].type.shape, operatorCase.inputs[2].type.shape);
  const unsigned int threads = operatorCase.threads;
  return DispatchPrecision(
    operatorCase.output.type,
    [&](auto zero)
    {
      using T = decltype(zero);
      const auto compute = [=](const KernelArguments & arguments, std::int64_t image, std::int64_t position)
      {
        const auto & g = geometry;
        const SamplingPlace place = g.Locate(static_cast<const T *>(arguments.inputs[2]), image, position);
        // Coordinates of one batch element are those of all.
        const std::int64_t first = image * g.channels;
        const std::int64_t end = g.coordinateBatch == 1 ? g.batch * g.channels : first + g.channels;
        std::array<double, 3> sums{};
        for (std::int64_t channel = first; channel < end && !place.isOutside; ++channel)
        {
          const auto gradient =
            static_cast<double>(static_cast<const T *>(arguments.inputs[0])[channel * g.positions + position]);
          const T * from = static_cast<const T *>(arguments.inputs[1]) + channel * g.elements;
          g.ForEachCorner(place,
                          [&](unsigned int corner, const std::array<double, 3> & factors, std::int64_t offset)
                          {
                            for (std::size_t d = 0; d < g.GetRank(); ++d)
                            {
                              double weight = place.taps[d].slope;
                              weight *= SamplingGeometry::IsHigh(corner, d) ? 1 : -1;
                              weight *= factors[(d + 1) % 3] * factors[(d + 2) % 3];
                              if (weight != 0)
                              {
                                sums[d] += gradient * weight * static_cast<double>(from[offset]);
                              }
                            }
                          });
        }
        const auto rank = static_cast<std::int64_t>(g.GetRank());
        T * to = static_cast<T *>(arguments.output) + image * rank * g.positions + position;
        for (std::int64_t d = 0; d < rank; ++d)
        {
          to[d * g.positions] = static_cast<T>(sums[static_cast<std::size_t>(d)]);
        }
      };
      return MakeItemKernel(geometry.coordinateBatch, geometry.positions, threads, compute);
    });
}
} // namespace reference
} // namespace nn
} // namespace itk
