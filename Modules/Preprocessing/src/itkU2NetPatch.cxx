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
#include "itkU2NetPatch.h"

#include "itkNNAxisMaps.h"
#include "itkNNCubicSpline.h"
#include "itkNNVolumeSampling.h"

#include <cmath>

namespace itk
{
namespace nn
{
namespace
{
/** Half of a Gaussian, from its middle on; the sum of the whole is 1. */
std::vector<double>
MakeGaussian(double sigma)
{
  const auto radius = static_cast<std::size_t>(4 * sigma + 0.5);
  std::vector<double> weights(radius + 1);
  double sum = 0;
  for (std::size_t i = 0; i <= radius; ++i)
  {
    const double distance = static_cast<double>(i) / sigma;
    weights[i] = std::exp(-0.5 * distance * distance);
    sum += (i == 0 ? 1 : 2) * weights[i];
  }
  std::transform(weights.begin(), weights.end(), weights.begin(), [sum](double weight) { return weight / sum; });
  return weights;
}

/** Smooth rows of [count, columnsAtOnce] with zeros before and behind them. */
void
SmoothRows(double * rows, std::int64_t count, const std::vector<double> & weights, std::vector<double> & smooth)
{
  // So many sums stay in registers.
  constexpr std::int64_t width = 8;
  const auto reach = static_cast<std::int64_t>(weights.size()) - 1;
  smooth.resize(static_cast<std::size_t>(count * columnsAtOnce));
  for (std::int64_t column = 0; column < columnsAtOnce; column += width)
  {
    const auto row = [&](std::int64_t i) { return rows + i * columnsAtOnce + column; };
    for (std::int64_t i = 0; i < count; ++i)
    {
      std::array<double, width> sum{};
      const auto add = [&](std::int64_t distance, const double * values)
      {
        for (std::size_t k = 0; k < sum.size(); ++k)
        {
          sum[k] += weights[static_cast<std::size_t>(distance)] * values[k];
        }
      };
      add(0, row(i));
      const std::int64_t before = std::min(reach, i);
      const std::int64_t behind = std::min(reach, count - 1 - i);
      std::int64_t distance = 1;
      for (; distance <= std::min(before, behind); ++distance)
      {
        const double * const low = row(i - distance);
        const double * const high = row(i + distance);
        for (std::size_t k = 0; k < sum.size(); ++k)
        {
          sum[k] += weights[static_cast<std::size_t>(distance)] * (low[k] + high[k]);
        }
      }
      for (; distance <= before; ++distance)
      {
        add(distance, row(i - distance));
      }
      for (; distance <= behind; ++distance)
      {
        add(distance, row(i + distance));
      }
      std::copy(sum.begin(), sum.end(), smooth.data() + i * columnsAtOnce + column);
    }
  }
  std::copy(smooth.begin(), smooth.end(), rows);
}

/** Its part within the volume, and zeros around it. */
Tensor
TakeBox(const Tensor & input, const Shape & start, const Shape & size)
{
  Shape first(3);
  Shape inside(3);
  Shape before(3);
  for (std::size_t axis = 0; axis < 3; ++axis)
  {
    const std::int64_t extent = input.GetShape()[axis + 1];
    first[axis] = std::clamp<std::int64_t>(start[axis], 0, extent);
    inside[axis] = std::clamp<std::int64_t>(start[axis] + size[axis], first[axis], extent) - first[axis];
    before[axis] = first[axis] - start[axis];
  }
  if (NumberOfElements(inside) == 0)
  {
    Shape shape = size;
    shape.insert(shape.begin(), input.GetShape()[0]);
    return Tensor::Zeros(shape, input.GetDataType());
  }
  const Tensor part = TakeElements(input, BoxMaps(first, inside));
  return inside == size ? part : PasteIntoZeros(part, size, before);
}
} // namespace

void
U2NetPatch::Check() const
{
  itkNNRequireMacro(size.size() == 3 && *std::min_element(size.begin(), size.end()) >= 1,
                    "Patch: the size is " << ToString(size) << "; should be three extents from 1 on");
  itkNNRequireMacro(centre.size() == 3, "Patch: the centre is " << ToString(centre) << "; should be [z, y, x]");
  if (elastic)
  {
    itkNNRequireMacro(elastic->sigma > 0 && elastic->sigma <= 1000,
                      "Patch: sigma is " << elastic->sigma << "; should be above 0 and up to 1000");
    itkNNRequireMacro(std::isfinite(elastic->alpha), "Patch: alpha is " << elastic->alpha << "; should be finite");
    const Tensor & noise = elastic->noise;
    itkNNRequireMacro(noise.IsDefined() && noise.GetDataType() == DataType::Float64 &&
                        noise.GetShape() == (Shape{ 3, size[0], size[1], size[2] }),
                      "Patch: the noise is " << (noise.IsDefined() ? ToString(noise.GetDataType()) : "not there")
                                             << " of shape " << ToString(noise.GetShape())
                                             << "; should be float64 of [3, D, H, W], and the size " << ToString(size));
  }
  itkNNRequireMacro(!angle || std::isfinite(*angle), "Patch: the angle is " << *angle << "; should be finite");
  itkNNRequireMacro(!scale || (std::isfinite(*scale) && *scale > 0),
                    "Patch: the scale is " << *scale << "; should be above 0");
}

bool
U2NetPatch::IsDeformed() const
{
  return elastic || angle || scale;
}

Tensor
U2NetPatch::GetCoordinates() const
{
  this->Check();
  const std::int64_t count = NumberOfElements(size);
  Tensor coordinates = Tensor::Zeros({ 3, size[0], size[1], size[2] }, DataType::Float64);
  auto * const first = coordinates.GetData<double>();
  if (elastic)
  {
    coordinates.CopyFrom(elastic->noise);
    const std::vector<double> weights = MakeGaussian(elastic->sigma);
    std::vector<double> smooth;
    for (std::size_t axis = 0; axis < 3; ++axis)
    {
      for (std::int64_t d = 0; d < 3; ++d)
      {
        ChangeLines(
          first + d * count, size, axis, [&](double * rows) { SmoothRows(rows, size[axis], weights, smooth); });
      }
    }
  }
  const double alpha = elastic ? elastic->alpha : 0;
  const double cosine = std::cos(angle.value_or(0));
  const double sine = std::sin(angle.value_or(0));
  const double factor = scale.value_or(1);
  const auto middle = [&](std::size_t axis) { return (static_cast<double>(size[axis]) - 1) / 2; };
  double * z = first;
  double * y = first + count;
  double * x = first + 2 * count;
  for (std::int64_t i = 0; i < size[0]; ++i)
  {
    for (std::int64_t j = 0; j < size[1]; ++j)
    {
      for (std::int64_t k = 0; k < size[2]; ++k, ++z, ++y, ++x)
      {
        *z = static_cast<double>(i) - middle(0) + alpha * *z;
        *y = static_cast<double>(j) - middle(1) + alpha * *y;
        *x = static_cast<double>(k) - middle(2) + alpha * *x;
        const double turned = cosine * *y + sine * *x;
        *x = factor * (cosine * *x - sine * *y) + static_cast<double>(centre[2]);
        *y = factor * turned + static_cast<double>(centre[1]);
        *z = factor * *z + static_cast<double>(centre[0]);
      }
    }
  }
  return coordinates;
}

Sample
U2NetPatch::Take(const Sample & volume) const
{
  this->Check();
  volume.Check();
  itkNNRequireMacro(volume.GetSize().size() == 3,
                    "Patch: the sample has the extents " << ToString(volume.GetSize()) << "; should be a volume's");
  Tensor coordinates;
  Shape start = centre;
  if (this->IsDeformed())
  {
    coordinates = this->GetCoordinates();
  }
  for (std::size_t axis = 0; axis < 3; ++axis)
  {
    start[axis] -= size[axis] / 2;
  }
  auto mirror = BoxMaps({ 0, 0, 0 }, size);
  std::reverse(mirror[2].begin(), mirror[2].end());
  const auto take = [&](const Tensor & tensor, Tensor (*sample)(const Tensor &, const Tensor &))
  {
    if (!tensor.IsDefined())
    {
      return tensor;
    }
    const Tensor patch = coordinates.IsDefined() ? sample(tensor, coordinates) : TakeBox(tensor, start, size);
    return isMirrored ? TakeElements(patch, mirror) : patch;
  };
  return { take(volume.image, SampleCubic),
           take(volume.label, SampleNearest),
           take(volume.labelProbability, SampleNearest),
           take(volume.pixelWeight, SampleNearest) };
}
} // namespace nn
} // namespace itk
