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
#include "itkIntensityNormalization.h"

#include "itkNNError.h"
#include "itkNNResampling.h"

#include <algorithm>
#include <cmath>

namespace itk
{
namespace
{
constexpr std::size_t maximumNumberOfSamples = std::size_t{ 1 } << 20;
constexpr std::size_t numberOfQuantiles = 10001;

/** Linear interpolation in sorted values at a position of [0, 1]. */
double
Interpolate(const std::vector<float> & sorted, double position)
{
  const double at = position * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<std::size_t>(at);
  const auto high = std::min(low + 1, sorted.size() - 1);
  const double fraction = at - static_cast<double>(low);
  return sorted[low] + fraction * (static_cast<double>(sorted[high]) - sorted[low]);
}

void
Rescale(float * values, std::size_t count, double low, double high, bool clip)
{
  if (!(high > low))
  {
    std::fill_n(values, count, 0.0F);
    return;
  }
  std::transform(values,
                 values + count,
                 values,
                 [=](float value)
                 {
                   const double scaled = (value - low) / (high - low);
                   return static_cast<float>(clip ? std::min(std::max(scaled, 0.0), 1.0) : scaled);
                 });
}
} // namespace

std::ostream &
operator<<(std::ostream & out, IntensityNormalizationEnums::Normalization value)
{
  using NormalizationEnum = IntensityNormalizationEnums::Normalization;
  const char * name = "INVALID VALUE";
  switch (value)
  {
    case NormalizationEnum::MinMaxOfSlice:
      name = "MinMaxOfSlice";
      break;
    case NormalizationEnum::MinMaxOfVolume:
      name = "MinMaxOfVolume";
      break;
    case NormalizationEnum::Percentile:
      name = "Percentile";
      break;
    case NormalizationEnum::Window:
      name = "Window";
      break;
    case NormalizationEnum::None:
      name = "None";
      break;
  }
  return out << "itk::IntensityNormalizationEnums::Normalization::" << name;
}

IntensityStatistics::IntensityStatistics(const float * values, std::size_t count, bool percentiles)
{
  itkNNRequireMacro(count > 0, "Intensity statistics of no values");
  const auto range = std::minmax_element(values, values + count);
  m_Minimum = *range.first;
  m_Maximum = *range.second;
  if (!percentiles)
  {
    return;
  }
  // An odd step does not fall in with the usual even row lengths.
  const std::size_t step = count <= maximumNumberOfSamples ? 1 : (count / maximumNumberOfSamples) | 1;
  std::vector<float> samples;
  samples.reserve(count / step + 1);
  for (std::size_t i = 0; i < count; i += step)
  {
    samples.push_back(values[i]);
  }
  std::sort(samples.begin(), samples.end());
  if (samples.size() <= numberOfQuantiles)
  {
    m_Quantiles = std::move(samples);
    return;
  }
  m_Quantiles.resize(numberOfQuantiles);
  for (std::size_t i = 0; i < numberOfQuantiles; ++i)
  {
    m_Quantiles[i] =
      static_cast<float>(Interpolate(samples, static_cast<double>(i) / static_cast<double>(numberOfQuantiles - 1)));
  }
}

double
IntensityStatistics::GetPercentile(double percent) const
{
  itkNNRequireMacro(percent >= 0 && percent <= 100, "Percentile " << percent << "; should be between 0 and 100");
  itkNNRequireMacro(!m_Quantiles.empty(), "These intensity statistics were made without percentiles");
  return Interpolate(m_Quantiles, percent / 100);
}

void
IntensityNormalization::Check() const
{
  if (method == NormalizationEnum::Percentile)
  {
    itkNNRequireMacro(lowerPercentile >= 0 && lowerPercentile < upperPercentile && upperPercentile <= 100,
                      "The percentiles are " << lowerPercentile << " and " << upperPercentile
                                             << "; should be 0 <= lower < upper <= 100");
  }
  if (method == NormalizationEnum::Window)
  {
    itkNNRequireMacro(std::isfinite(windowMinimum) && std::isfinite(windowMaximum) && windowMinimum < windowMaximum,
                      "The intensity window is [" << windowMinimum << ", " << windowMaximum
                                                  << "]; should be finite with its minimum below its maximum");
  }
}

void
IntensityNormalization::Apply(const float * slice,
                              std::size_t height,
                              std::size_t width,
                              const IntensityStatistics * statistics,
                              float * output,
                              std::size_t gridHeight,
                              std::size_t gridWidth) const
{
  this->Check();
  itkNNRequireMacro(statistics != nullptr || !this->NeedsStatistics(),
                    "This normalisation needs the statistics of the whole image");
  if (method == NormalizationEnum::MinMaxOfSlice)
  {
    nn::ResizeLinear(slice, height, width, output, gridHeight, gridWidth);
    const std::size_t count = gridHeight * gridWidth;
    const auto range = std::minmax_element(output, output + count);
    Rescale(output, count, *range.first, *range.second, false);
    return;
  }
  if (method == NormalizationEnum::None)
  {
    nn::ResizeLinear(slice, height, width, output, gridHeight, gridWidth);
    return;
  }
  double low = windowMinimum;
  double high = windowMaximum;
  if (method == NormalizationEnum::MinMaxOfVolume)
  {
    low = statistics->GetMinimum();
    high = statistics->GetMaximum();
  }
  else if (method == NormalizationEnum::Percentile)
  {
    low = statistics->GetPercentile(lowerPercentile);
    high = statistics->GetPercentile(upperPercentile);
  }
  std::vector<float> normalized(slice, slice + height * width);
  Rescale(normalized.data(), normalized.size(), low, high, method != NormalizationEnum::MinMaxOfVolume);
  nn::ResizeLinear(normalized.data(), height, width, output, gridHeight, gridWidth);
}

bool
IntensityNormalization::operator==(const IntensityNormalization & other) const
{
  return method == other.method && lowerPercentile == other.lowerPercentile &&
         upperPercentile == other.upperPercentile && windowMinimum == other.windowMinimum &&
         windowMaximum == other.windowMaximum;
}
} // namespace itk
