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
#ifndef itkNNCubicSpline_h
#define itkNNCubicSpline_h

#include "itkNNShape.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace itk
{
namespace nn
{
/** The coefficients of a spline depend on values so far away by less than 1e-13. */
constexpr std::int64_t splineReach = 24;

/** So many columns at once, so that what is computed on stays in a core's cache. */
constexpr std::int64_t columnsAtOnce = 64;

/** Index within [0, count) of one in the signal that goes on mirrored at its first and last value. */
std::int64_t MirrorIndex(std::int64_t index, std::int64_t count);

/** Change the rows of [count, width] to the coefficients of the cubic B-splines through them,
 * mirrored at the first and the last row. */
void FindSplineCoefficients(double * rows, std::int64_t count, std::int64_t width);

/** Of the coefficients floor(place) - 1 to floor(place) + 2.
 * \param fraction place - floor(place) */
inline std::array<double, 4>
GetSplineWeights(double fraction)
{
  const double t = fraction;
  const double u = 1 - t;
  return { u * u * u / 6, (4 + t * t * (3 * t - 6)) / 6, (4 + u * u * (3 * u - 6)) / 6, t * t * t / 6 };
}

/** Change all lines of a volume along an axis.
 * \param change is called with rows of [extent, columnsAtOnce], a line each column; those that no line
 * is in hold finite numbers that do not matter. */
template <typename TChange>
void
ChangeLines(double * values, const Shape & size, std::size_t axis, const TChange & change)
{
  const auto place = size.begin() + static_cast<std::ptrdiff_t>(axis);
  const std::int64_t count = *place;
  const std::int64_t inner = NumberOfElements(Shape(place + 1, size.end()));
  const std::int64_t outer = NumberOfElements(Shape(size.begin(), place));
  // Along the last axis the columns are lines one behind the other.
  const bool isLast = inner == 1;
  const std::int64_t groups = isLast ? 1 : outer;
  const std::int64_t lines = isLast ? outer : inner;
  const std::int64_t rowStride = inner;
  const std::int64_t lineStride = isLast ? count : 1;
  std::vector<double> rows(static_cast<std::size_t>(count * columnsAtOnce), 0);
  for (std::int64_t group = 0; group < groups; ++group)
  {
    for (std::int64_t line = 0; line < lines; line += columnsAtOnce)
    {
      const std::int64_t width = std::min(columnsAtOnce, lines - line);
      double * const first = values + group * count * inner + line * lineStride;
      for (std::int64_t i = 0; i < count; ++i)
      {
        for (std::int64_t k = 0; k < width; ++k)
        {
          rows[static_cast<std::size_t>(i * columnsAtOnce + k)] = first[i * rowStride + k * lineStride];
        }
      }
      change(rows.data());
      for (std::int64_t i = 0; i < count; ++i)
      {
        for (std::int64_t k = 0; k < width; ++k)
        {
          first[i * rowStride + k * lineStride] = rows[static_cast<std::size_t>(i * columnsAtOnce + k)];
        }
      }
    }
  }
}
} // namespace nn
} // namespace itk

#endif
