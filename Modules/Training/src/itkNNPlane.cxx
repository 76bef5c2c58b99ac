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
#include "itkNNPlane.h"

#include <algorithm>
#include <array>
#include <numeric>

namespace itk
{
namespace nn
{
namespace
{
/** The pixel that stands at a place along an axis, -1 for none. */
std::int64_t
BorderIndex(std::int64_t index, std::int64_t extent, PlaneBorder border)
{
  if (border == PlaneBorder::Zero)
  {
    return index < 0 || index >= extent ? -1 : index;
  }
  if (extent == 1)
  {
    return 0;
  }
  const std::int64_t period = 2 * (extent - 1);
  const std::int64_t folded = ((index % period) + period) % period;
  return folded < extent ? folded : period - folded;
}

void
AddScaled(float * sum, const float * values, float weight, std::int64_t count)
{
  for (std::int64_t i = 0; i < count; ++i)
  {
    sum[i] += weight * values[i];
  }
}

Plane
CorrelateColumns(const Plane & input, const std::vector<float> & weights, PlaneBorder border)
{
  Plane output(input.height, input.width);
  const auto taps = static_cast<std::int64_t>(weights.size());
  for (std::int64_t y = 0; y < input.height; ++y)
  {
    for (std::int64_t k = 0; k < taps; ++k)
    {
      const std::int64_t row = BorderIndex(y + k - taps / 2, input.height, border);
      if (row >= 0)
      {
        AddScaled(output.Row(y), input.Row(row), weights[static_cast<std::size_t>(k)], input.width);
      }
    }
  }
  return output;
}

Plane
CorrelateRows(const Plane & input, const std::vector<float> & weights, PlaneBorder border)
{
  Plane output(input.height, input.width);
  const auto taps = static_cast<std::int64_t>(weights.size());
  std::vector<float> padded(static_cast<std::size_t>(input.width + taps - 1));
  for (std::int64_t y = 0; y < input.height; ++y)
  {
    const float * row = input.Row(y);
    for (std::int64_t i = 0; i < input.width + taps - 1; ++i)
    {
      const std::int64_t x = BorderIndex(i - taps / 2, input.width, border);
      padded[static_cast<std::size_t>(i)] = x < 0 ? 0.0F : row[x];
    }
    for (std::int64_t k = 0; k < taps; ++k)
    {
      AddScaled(output.Row(y), padded.data() + k, weights[static_cast<std::size_t>(k)], input.width);
    }
  }
  return output;
}

/** The first of four knots, and their weights, of each pixel along an axis. */
struct SplineAxis
{
  std::vector<std::int64_t> first;
  std::vector<std::array<float, 4>> weights;
  std::int64_t knots = 0;
};

SplineAxis
MakeSplineAxis(std::int64_t extent, double spacing, double phase)
{
  SplineAxis axis;
  for (std::int64_t i = 0; i < extent; ++i)
  {
    const double position = phase + static_cast<double>(i) / spacing;
    const double knot = std::floor(position);
    const double t = position - knot;
    const double s = 1 - t;
    axis.first.push_back(static_cast<std::int64_t>(knot));
    axis.weights.push_back({ { static_cast<float>(s * s * s / 6),
                               static_cast<float>((4 - 6 * t * t + 3 * t * t * t) / 6),
                               static_cast<float>((4 - 6 * s * s + 3 * s * s * s) / 6),
                               static_cast<float>(t * t * t / 6) } });
  }
  axis.knots = axis.first.back() + 4;
  return axis;
}
} // namespace

void
RequirePlane(const char * name, const Tensor & tensor)
{
  itkNNRequireMacro(tensor.IsDefined() && tensor.GetRank() == 2 && tensor.GetDataType() == DataType::Float32 &&
                      tensor.GetNumberOfElements() > 0,
                    "The " << name << " is "
                           << (tensor.IsDefined() ? std::string(ToString(tensor.GetDataType())) + " of shape " +
                                                      ToString(tensor.GetShape())
                                                  : std::string("undefined"))
                           << "; it should be float32 of shape [height, width]");
}

Plane
ToPlane(const Tensor & tensor)
{
  Plane plane;
  plane.height = tensor.GetShape()[0];
  plane.width = tensor.GetShape()[1];
  plane.pixels = tensor.ToVector<float>();
  return plane;
}

Tensor
ToTensor(const Plane & plane)
{
  return Tensor::FromVector({ plane.height, plane.width }, plane.pixels);
}

std::vector<float>
GaussianWeights(std::int64_t radius, double sigma)
{
  std::vector<double> weights;
  for (std::int64_t i = -radius; i <= radius; ++i)
  {
    const double distance = static_cast<double>(i) / sigma;
    weights.push_back(std::exp(-0.5 * distance * distance));
  }
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::vector<float> normalized(weights.size());
  std::transform(weights.begin(),
                 weights.end(),
                 normalized.begin(),
                 [sum](double weight) { return static_cast<float>(weight / sum); });
  return normalized;
}

Plane
Correlate(const Plane & input,
          const std::vector<float> & columnWeights,
          const std::vector<float> & rowWeights,
          PlaneBorder border)
{
  return CorrelateRows(CorrelateColumns(input, columnWeights, border), rowWeights, border);
}

Plane
Smooth(const Plane & input, double sigma)
{
  const std::vector<float> weights = GaussianWeights(static_cast<std::int64_t>(std::ceil(3 * sigma)), sigma);
  return Correlate(input, weights, weights, PlaneBorder::Reflect);
}

Plane
SmoothNoise(RandomStream & random, std::int64_t height, std::int64_t width, double spacingY, double spacingX)
{
  // Random phases, so that the knots of several noises do not meet.
  const SplineAxis rows = MakeSplineAxis(height, spacingY, random.Uniform());
  const SplineAxis columns = MakeSplineAxis(width, spacingX, random.Uniform());
  // The weights' squares sum to 0.48 an axis on average.
  constexpr double scale = 1 / 0.48;
  Plane along(rows.knots, width);
  std::vector<float> knots(static_cast<std::size_t>(columns.knots));
  for (std::int64_t y = 0; y < rows.knots; ++y)
  {
    std::generate(knots.begin(), knots.end(), [&] { return static_cast<float>(scale * random.Normal()); });
    float * row = along.Row(y);
    for (std::int64_t x = 0; x < width; ++x)
    {
      const auto i = static_cast<std::size_t>(x);
      const float * first = knots.data() + columns.first[i];
      const auto & weights = columns.weights[i];
      row[x] = weights[0] * first[0] + weights[1] * first[1] + weights[2] * first[2] + weights[3] * first[3];
    }
  }
  Plane output(height, width);
  for (std::int64_t y = 0; y < height; ++y)
  {
    const auto i = static_cast<std::size_t>(y);
    for (std::int64_t k = 0; k < 4; ++k)
    {
      AddScaled(output.Row(y), along.Row(rows.first[i] + k), rows.weights[i][static_cast<std::size_t>(k)], width);
    }
  }
  return output;
}
} // namespace nn
} // namespace itk
