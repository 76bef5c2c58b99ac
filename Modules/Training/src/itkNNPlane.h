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
#ifndef itkNNPlane_h
#define itkNNPlane_h

#include "itkNNRandomStream.h"
#include "itkNNTensor.h"

#include <cmath>
#include <cstdint>
#include <vector>

namespace itk
{
namespace nn
{
/** \class Plane
 * \brief Pixels of an image, row-major. Private to the module.
 */
struct Plane
{
  Plane() = default;
  Plane(std::int64_t rows, std::int64_t columns, float value = 0)
    : height(rows)
    , width(columns)
    , pixels(static_cast<std::size_t>(rows * columns), value)
  {}

  float * Row(std::int64_t y)
  {
    return pixels.data() + y * width;
  }
  const float * Row(std::int64_t y) const
  {
    return pixels.data() + y * width;
  }

  std::int64_t height = 0;
  std::int64_t width = 0;
  std::vector<float> pixels;
};

/** Throws Error, which names the thing, unless the tensor is [height, width] and float32. */
void RequirePlane(const char * name, const Tensor & tensor);

Plane ToPlane(const Tensor & tensor);

Tensor ToTensor(const Plane & plane);

/** What lies outside of a plane: zero, or the plane mirrored at its outermost pixels. */
enum class PlaneBorder
{
  Zero,
  Reflect
};

/** 2 * radius + 1 weights whose sum is 1. */
std::vector<float> GaussianWeights(std::int64_t radius, double sigma);

/** Separable correlation with an odd number of weights for each axis. */
Plane Correlate(const Plane & input,
                const std::vector<float> & columnWeights,
                const std::vector<float> & rowWeights,
                PlaneBorder border);

/** Isotropic Gaussian of a radius of three sigma, mirrored border. */
Plane Smooth(const Plane & input, double sigma);

/** Normal numbers at knots, between them a uniform cubic B-spline; mean 0 and
 * standard deviation about 1. Spacings are in pixels. */
Plane SmoothNoise(RandomStream & random, std::int64_t height, std::int64_t width, double spacingY, double spacingX);

/** Linear interpolation between pixel centres at whole numbers; zero outside. */
inline float
SampleLinear(const Plane & plane, double y, double x)
{
  const double top = std::floor(y);
  const double left = std::floor(x);
  if (!(top >= -1 && left >= -1 && top < static_cast<double>(plane.height) && left < static_cast<double>(plane.width)))
  {
    return 0;
  }
  const auto row = static_cast<std::int64_t>(top);
  const auto column = static_cast<std::int64_t>(left);
  const auto down = static_cast<float>(y - top);
  const auto right = static_cast<float>(x - left);
  const bool hasTop = row >= 0;
  const bool hasBottom = row + 1 < plane.height;
  const bool hasLeft = column >= 0;
  const bool hasRight = column + 1 < plane.width;
  const float * first = plane.pixels.data() + row * plane.width + column;
  const float topLeft = hasTop && hasLeft ? first[0] : 0.0F;
  const float topRight = hasTop && hasRight ? first[1] : 0.0F;
  const float bottomLeft = hasBottom && hasLeft ? first[plane.width] : 0.0F;
  const float bottomRight = hasBottom && hasRight ? first[plane.width + 1] : 0.0F;
  return (1 - down) * ((1 - right) * topLeft + right * topRight) +
         down * ((1 - right) * bottomLeft + right * bottomRight);
}
} // namespace nn
} // namespace itk

#endif
