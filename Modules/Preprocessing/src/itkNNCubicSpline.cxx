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
#include "itkNNCubicSpline.h"

#include <cmath>

namespace itk
{
namespace nn
{
namespace
{
const double pole = std::sqrt(3.0) - 2;
} // namespace

std::int64_t
MirrorIndex(std::int64_t index, std::int64_t count)
{
  const std::int64_t period = 2 * (count - 1);
  if (period == 0)
  {
    return 0;
  }
  const std::int64_t place = (index % period + period) % period;
  return std::min(place, period - place);
}

void
FindSplineCoefficients(double * rows, std::int64_t count, std::int64_t width)
{
  if (count == 1)
  {
    return;
  }
  const auto row = [&](std::int64_t i) { return rows + i * width; };
  const double gain = (1 - pole) * (1 - 1 / pole);
  std::transform(rows, rows + count * width, rows, [gain](double value) { return value * gain; });
  // The sum over one period of the mirrored signal, which repeats for ever.
  double power = pole;
  const double end = std::pow(pole, static_cast<double>(count - 1));
  for (std::int64_t k = 0; k < width; ++k)
  {
    row(0)[k] += end * row(count - 1)[k];
  }
  for (std::int64_t i = 1; i < count - 1 && std::abs(power) > 1e-300; ++i)
  {
    for (std::int64_t k = 0; k < width; ++k)
    {
      row(0)[k] += power * (row(i)[k] + end * row(count - 1 - i)[k]);
    }
    power *= pole;
  }
  for (std::int64_t k = 0; k < width; ++k)
  {
    row(0)[k] /= 1 - end * end;
  }
  for (std::int64_t i = 1; i < count; ++i)
  {
    for (std::int64_t k = 0; k < width; ++k)
    {
      row(i)[k] += pole * row(i - 1)[k];
    }
  }
  for (std::int64_t k = 0; k < width; ++k)
  {
    row(count - 1)[k] = (pole * row(count - 2)[k] + row(count - 1)[k]) * pole / (pole * pole - 1);
  }
  for (std::int64_t i = count - 2; i >= 0; --i)
  {
    for (std::int64_t k = 0; k < width; ++k)
    {
      row(i)[k] = pole * (row(i + 1)[k] - row(i)[k]);
    }
  }
}
} // namespace nn
} // namespace itk
