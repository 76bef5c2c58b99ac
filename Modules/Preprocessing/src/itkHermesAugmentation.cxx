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
#include "itkHermesAugmentation.h"

#include "itkNNError.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace itk
{
namespace nn
{
namespace
{
constexpr double pi = 3.14159265358979323846;

using Matrix3 = std::array<std::array<double, 3>, 3>;

Matrix3
Multiply(const Matrix3 & a, const Matrix3 & b)
{
  Matrix3 product{};
  for (std::size_t i = 0; i < 3; ++i)
  {
    for (std::size_t j = 0; j < 3; ++j)
    {
      for (std::size_t k = 0; k < 3; ++k)
      {
        product[i][j] += a[i][k] * b[k][j];
      }
    }
  }
  return product;
}

/** Where a voxel of the result is in the sample, in voxels: x, y, z. */
class Places
{
public:
  Places(const HermesAffine & affine, const Shape & size)
    : m_Matrix(affine.GetMatrix())
  {
    for (std::size_t axis = 0; axis < 3; ++axis)
    {
      m_Last[axis] = static_cast<double>(size[2 - axis] - 1);
    }
  }

  std::array<double, 3> operator()(std::int64_t z, std::int64_t y, std::int64_t x) const
  {
    const std::array<double, 3> voxel{ { static_cast<double>(x), static_cast<double>(y), static_cast<double>(z) } };
    std::array<double, 3> base{};
    for (std::size_t axis = 0; axis < 3; ++axis)
    {
      // An axis of one voxel has its middle at 0.
      base[axis] = m_Last[axis] > 0 ? 2 * voxel[axis] / m_Last[axis] - 1 : 0;
    }
    std::array<double, 3> place{};
    for (std::size_t row = 0; row < 3; ++row)
    {
      const double * const m = m_Matrix.data() + 4 * row;
      place[row] = (m[0] * base[0] + m[1] * base[1] + m[2] * base[2] + m[3] + 1) / 2 * m_Last[row];
    }
    return place;
  }

private:
  std::array<double, 12> m_Matrix;
  std::array<double, 3> m_Last{};
};

/** Call f(place, i) for each voxel of a box, i its number in there. */
template <typename TFunction>
void
ForEachPlace(const Places & places, const Shape & start, const Shape & size, const TFunction & f)
{
  std::int64_t i = 0;
  for (std::int64_t z = 0; z < size[0]; ++z)
  {
    for (std::int64_t y = 0; y < size[1]; ++y)
    {
      for (std::int64_t x = 0; x < size[2]; ++x)
      {
        f(places(start[0] + z, start[1] + y, start[2] + x), i++);
      }
    }
  }
}

Shape
WithChannels(const Tensor & input, const Shape & size)
{
  return { input.GetShape()[0], size[0], size[1], size[2] };
}

Tensor
SampleLinearly(const Tensor & input, const Places & places, const Shape & start, const Shape & size)
{
  const Tensor source = input.Contiguous();
  const Shape & shape = source.GetShape();
  Tensor result = Tensor::Zeros(WithChannels(input, size));
  const std::int64_t volume = shape[1] * shape[2] * shape[3];
  const std::int64_t count = NumberOfElements(size);
  const float * const from = source.GetData<float>();
  float * const to = result.GetData<float>();
  ForEachPlace(places,
               start,
               size,
               [&](const std::array<double, 3> & place, std::int64_t i)
               {
                 std::array<std::int64_t, 3> low{};
                 std::array<double, 3> part{};
                 for (std::size_t axis = 0; axis < 3; ++axis)
                 {
                   // So far outside that no voxel is near; a place may be beyond all integers.
                   const double clamped = std::clamp(place[axis], -2.0, static_cast<double>(shape[3 - axis]) + 1);
                   const double floor = std::floor(clamped);
                   low[axis] = static_cast<std::int64_t>(floor);
                   part[axis] = clamped - floor;
                 }
                 for (int corner = 0; corner < 8; ++corner)
                 {
                   double weight = 1;
                   std::int64_t offset = 0;
                   bool isInside = true;
                   for (std::size_t axis = 3; axis-- > 0;)
                   {
                     const int step = corner >> axis & 1;
                     const std::int64_t index = low[axis] + step;
                     isInside = isInside && index >= 0 && index < shape[3 - axis];
                     weight *= step == 1 ? part[axis] : 1 - part[axis];
                     offset = offset * shape[3 - axis] + index;
                   }
                   for (std::int64_t c = 0; isInside && c < shape[0]; ++c)
                   {
                     to[c * count + i] += static_cast<float>(weight * static_cast<double>(from[c * volume + offset]));
                   }
                 }
               });
  return result;
}

template <typename T>
Tensor
SampleNearestVoxels(const Tensor & input, const Places & places, const Shape & start, const Shape & size)
{
  if (!input.IsDefined())
  {
    return input;
  }
  const Tensor source = input.Contiguous();
  const Shape & shape = source.GetShape();
  Tensor result = Tensor::Zeros(WithChannels(input, size), input.GetDataType());
  const T * const from = source.GetData<T>();
  T * const to = result.GetData<T>();
  ForEachPlace(places,
               start,
               size,
               [&](const std::array<double, 3> & place, std::int64_t i)
               {
                 std::int64_t offset = 0;
                 for (std::size_t axis = 3; axis-- > 0;)
                 {
                   // To even, in the default rounding mode.
                   const double nearest = std::nearbyint(place[axis]);
                   if (!(nearest >= 0 && nearest < static_cast<double>(shape[3 - axis])))
                   {
                     return;
                   }
                   offset = offset * shape[3 - axis] + static_cast<std::int64_t>(nearest);
                 }
                 to[i] = from[offset];
               });
  return result;
}

struct Statistics
{
  double mean = 0;
  double deviation = 0; ///< unbiased
  float low = 0;
  float high = 0;
};

Statistics
GetStatistics(const float * values, std::int64_t count)
{
  Statistics statistics;
  for (std::int64_t i = 0; i < count; ++i)
  {
    statistics.mean += static_cast<double>(values[i]);
  }
  statistics.mean /= static_cast<double>(count);
  for (std::int64_t i = 0; i < count; ++i)
  {
    const double difference = static_cast<double>(values[i]) - statistics.mean;
    statistics.deviation += difference * difference;
  }
  statistics.deviation = std::sqrt(statistics.deviation / static_cast<double>(std::max<std::int64_t>(count - 1, 1)));
  const auto range = std::minmax_element(values, values + count);
  statistics.low = *range.first;
  statistics.high = *range.second;
  return statistics;
}

/** Call f(values, count, statistics) for each channel of a copy that has more than one value. */
template <typename TFunction>
Tensor
ChangeChannels(const Tensor & image, const TFunction & f)
{
  itkNNRequireMacro(image.IsDefined() && image.GetDataType() == DataType::Float32 && image.GetRank() >= 2 &&
                      image.GetNumberOfElements() > 0,
                    "Augmentation: the image is of shape " << ToString(image.GetShape())
                                                           << "; should be float32 of [C, ...]");
  Tensor result = image.Clone().Contiguous();
  const std::int64_t count = result.GetNumberOfElements() / result.GetShape()[0];
  for (std::int64_t c = 0; c < result.GetShape()[0]; ++c)
  {
    float * const values = result.GetData<float>() + c * count;
    const Statistics statistics = GetStatistics(values, count);
    if (statistics.low < statistics.high)
    {
      f(values, count, statistics);
    }
  }
  return result;
}

void
CheckAboveZero(const char * name, double value)
{
  itkNNRequireMacro(value > 0 && std::isfinite(value),
                    "Augmentation: the " << name << " is " << value << "; should be a number above 0");
}
} // namespace

std::array<double, 12>
HermesAffine::GetMatrix() const
{
  std::array<double, 3> c{};
  std::array<double, 3> s{};
  for (std::size_t axis = 0; axis < 3; ++axis)
  {
    c[axis] = std::cos(angle[axis] * pi / 180);
    s[axis] = std::sin(angle[axis] * pi / 180);
  }
  const Matrix3 aboutX{ { { { 1, 0, 0 } }, { { 0, c[0], -s[0] } }, { { 0, s[0], c[0] } } } };
  const Matrix3 aboutY{ { { { c[1], 0, -s[1] } }, { { 0, 1, 0 } }, { { s[1], 0, c[1] } } } };
  const Matrix3 aboutZ{ { { { c[2], -s[2], 0 } }, { { s[2], c[2], 0 } }, { { 0, 0, 1 } } } };
  const Matrix3 rotation = Multiply(Multiply(aboutX, aboutY), aboutZ);
  const Matrix3 form{
    { { { scale[0], shear[0], shear[1] } }, { { shear[2], scale[1], shear[3] } }, { { shear[4], shear[5], scale[2] } } }
  };
  const Matrix3 linear = Multiply(rotation, form);
  std::array<double, 12> matrix{};
  for (std::size_t i = 0; i < 3; ++i)
  {
    for (std::size_t j = 0; j < 3; ++j)
    {
      matrix[4 * i + j] = linear[i][j];
      matrix[4 * i + 3] += rotation[i][j] * translation[j];
    }
  }
  return matrix;
}

Sample
HermesAffine::Apply(const Sample & sample, const Shape & start, const Shape & size) const
{
  sample.Check();
  const Shape extents = sample.GetSize();
  itkNNRequireMacro(extents.size() == 3 && !sample.labelProbability.IsDefined(),
                    "Affine deformation: the sample has the extents "
                      << ToString(extents) << (sample.labelProbability.IsDefined() ? " and label probabilities" : "")
                      << "; should be a volume's, before label probabilities are made");
  bool isWithin = start.size() == 3 && size.size() == 3;
  for (std::size_t axis = 0; isWithin && axis < 3; ++axis)
  {
    isWithin =
      start[axis] >= 0 && size[axis] >= 1 && size[axis] <= extents[axis] && start[axis] <= extents[axis] - size[axis];
  }
  itkNNRequireMacro(isWithin,
                    "Affine deformation: the box starts at " << ToString(start) << " and has the size "
                                                             << ToString(size) << "; should be within "
                                                             << ToString(extents));
  const std::array<double, 12> matrix = this->GetMatrix();
  itkNNRequireMacro(std::all_of(matrix.begin(), matrix.end(), [](double value) { return std::isfinite(value); }),
                    "Affine deformation: a number is not finite");
  const Places places(*this, extents);
  Sample result;
  result.image = SampleLinearly(sample.image, places, start, size);
  result.label = SampleNearestVoxels<std::int32_t>(sample.label, places, start, size);
  result.pixelWeight = SampleNearestVoxels<float>(sample.pixelWeight, places, start, size);
  return result;
}

Tensor
HermesGamma(const Tensor & image, double gamma)
{
  CheckAboveZero("gamma", gamma);
  return ChangeChannels(
    image,
    [gamma](float * values, std::int64_t count, const Statistics & old)
    {
      const double low = static_cast<double>(old.low);
      const double range = static_cast<double>(old.high) - low;
      std::transform(
        values,
        values + count,
        values,
        [&](float value)
        { return static_cast<float>(std::pow((static_cast<double>(value) - low) / range, gamma) * range + low); });
      const Statistics now = GetStatistics(values, count);
      // A power may make one value of all.
      const double factor = now.deviation > 0 ? old.deviation / now.deviation : 0;
      std::transform(values,
                     values + count,
                     values,
                     [&](float value)
                     { return static_cast<float>((static_cast<double>(value) - now.mean) * factor + old.mean); });
    });
}

Tensor
HermesContrast(const Tensor & image, double factor)
{
  CheckAboveZero("factor of the contrast", factor);
  return ChangeChannels(image,
                        [factor](float * values, std::int64_t count, const Statistics & old)
                        {
                          std::transform(values,
                                         values + count,
                                         values,
                                         [&](float value)
                                         {
                                           const double changed =
                                             (static_cast<double>(value) - old.mean) * factor + old.mean;
                                           return std::clamp(static_cast<float>(changed), old.low, old.high);
                                         });
                        });
}

Tensor
HermesBlur(const Tensor & image, double sigma)
{
  CheckAboveZero("sigma", sigma);
  itkNNRequireMacro(sigma <= 1000, "Augmentation: the sigma is " << sigma << "; should be at most 1000");
  const auto reach = static_cast<std::int64_t>(std::ceil(3 * sigma));
  std::vector<double> weights;
  double sum = 0;
  for (std::int64_t i = -reach; i <= reach; ++i)
  {
    const double distance = static_cast<double>(i) / sigma;
    weights.push_back(std::exp(-0.5 * distance * distance));
    sum += weights.back();
  }
  std::transform(weights.begin(), weights.end(), weights.begin(), [sum](double weight) { return weight / sum; });

  Tensor result = ChangeChannels(image, [](float *, std::int64_t, const Statistics &) {});
  const Shape & shape = result.GetShape();
  std::int64_t inner = 1;
  std::vector<double> line;
  for (std::size_t axis = shape.size(); axis-- > 1; inner *= shape[axis])
  {
    const std::int64_t extent = shape[axis];
    const std::int64_t outer = result.GetNumberOfElements() / (extent * inner);
    for (std::int64_t i = 0; i < outer * inner; ++i)
    {
      float * const first = result.GetData<float>() + i / inner * extent * inner + i % inner;
      line.assign(static_cast<std::size_t>(extent), 0);
      for (std::int64_t k = 0; k < extent; ++k)
      {
        for (std::int64_t j = std::max<std::int64_t>(k - reach, 0); j <= std::min(k + reach, extent - 1); ++j)
        {
          line[static_cast<std::size_t>(k)] +=
            weights[static_cast<std::size_t>(j - k + reach)] * static_cast<double>(first[j * inner]);
        }
      }
      for (std::int64_t k = 0; k < extent; ++k)
      {
        first[k * inner] = static_cast<float>(line[static_cast<std::size_t>(k)]);
      }
    }
  }
  return result;
}
} // namespace nn
} // namespace itk
