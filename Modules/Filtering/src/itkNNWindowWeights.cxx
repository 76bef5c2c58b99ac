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
#include "itkNNWindowWeights.h"

#include "itkNNDataType.h"
#include "itkNNError.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>

namespace itk
{
namespace nn
{
namespace
{
/** A one at half the size, filtered with a Gaussian. */
std::vector<double>
FilteredOne(std::int64_t size)
{
  const double sigma = static_cast<double>(size) / 8;
  const auto radius = static_cast<std::int64_t>(4 * sigma + 0.5);
  std::vector<double> kernel;
  for (std::int64_t x = -radius; x <= radius; ++x)
  {
    kernel.push_back(std::exp(-0.5 / (sigma * sigma) * static_cast<double>(x * x)));
  }
  const double sum = std::accumulate(kernel.begin(), kernel.end(), 0.0);
  std::vector<double> values;
  for (std::int64_t i = 0; i < size; ++i)
  {
    const std::int64_t x = i - size / 2;
    values.push_back(std::abs(x) <= radius ? kernel[static_cast<std::size_t>(x + radius)] / sum : 0);
  }
  return values;
}

std::vector<double>
CentredGaussian(std::int64_t size)
{
  const double sigma = static_cast<double>(size) / 8;
  std::vector<double> values;
  for (std::int64_t i = 0; i < size; ++i)
  {
    const double x = static_cast<double>(i) - static_cast<double>(size - 1) / 2;
    values.push_back(std::exp(-x * x / (2 * sigma * sigma)));
  }
  return values;
}
std::vector<double>
SquaredDistances(std::int64_t size)
{
  std::vector<double> values;
  for (std::int64_t i = 0; i < size; ++i)
  {
    const double x = static_cast<double>(i) - static_cast<double>(size) / 2;
    values.push_back(x * x);
  }
  return values;
}

/** From distances on, which become weights. */
void
WeighDistances(std::vector<double> & values)
{
  // Keeps corners above 0.
  constexpr double tiny = 1e-20;
  const auto ends = std::minmax_element(values.begin(), values.end());
  const double least = *ends.first;
  const double range = *ends.second - least;
  for (double & value : values)
  {
    value = 1 - (range > 0 ? (value - least) / range : 0) + tiny;
  }
}
} // namespace

WindowWeights
WindowWeights::Make(WindowPlacement placement, WindowBlending blending, const Shape & window)
{
  itkNNRequireMacro(!window.empty() && window.size() <= 3 &&
                      std::all_of(window.begin(), window.end(), [](std::int64_t extent) { return extent >= 1; }),
                    "Sliding window: the window is " << ToString(window)
                                                     << "; should have 1, 2 or 3 axes and extents of at least 1");
  WindowWeights weights;
  const bool isCentred = placement == WindowPlacement::MONAI || placement == WindowPlacement::Hermes;
  for (const std::int64_t size : window)
  {
    if (blending == WindowBlending::Constant)
    {
      weights.axes.emplace_back(static_cast<std::size_t>(size), 1.0);
    }
    else if (placement == WindowPlacement::U2Net)
    {
      weights.axes.push_back(SquaredDistances(size));
    }
    else
    {
      weights.axes.push_back(isCentred ? CentredGaussian(size) : FilteredOne(size));
    }
  }
  if (blending == WindowBlending::Constant || placement == WindowPlacement::PyMIC)
  {
    return weights;
  }
  if (placement == WindowPlacement::U2Net)
  {
    weights.isDistance = true;
    return weights;
  }
  if (isCentred)
  {
    double minimum = 1;
    for (const auto & factors : weights.axes)
    {
      minimum *= *std::min_element(factors.begin(), factors.end());
    }
    weights.least = std::max(minimum, 1e-3);
    return weights;
  }
  double maximum = 10;
  for (auto & factors : weights.axes)
  {
    const double middle = *std::max_element(factors.begin(), factors.end());
    for (double & factor : factors)
    {
      factor = factor / middle * maximum;
    }
    maximum = 1;
  }
  weights.isHalf = true;
  const auto values = weights.ToTensor().ToVector<double>();
  weights.least =
    std::accumulate(values.begin(),
                    values.end(),
                    10.0,
                    [](double lowest, double value) { return value > 0 ? std::min(lowest, value) : lowest; });
  return weights;
}

WindowWeights
WindowWeights::Mirror(const std::vector<int> & axesToMirror) const
{
  CheckMirrorAxes(axesToMirror, axes.size());
  WindowWeights mirrored = *this;
  for (const int axis : axesToMirror)
  {
    auto & factors = mirrored.axes[static_cast<std::size_t>(axis)];
    std::reverse(factors.begin(), factors.end());
  }
  return mirrored;
}

double
WindowWeights::FromProduct(double product) const
{
  if (isHalf)
  {
    product = static_cast<double>(HalfToFloat(FloatToHalf(static_cast<float>(product))));
  }
  return std::max(product, least);
}

Tensor
WindowWeights::ToTensor() const
{
  Shape shape;
  for (const auto & factors : axes)
  {
    shape.push_back(static_cast<std::int64_t>(factors.size()));
  }
  std::vector<double> values{ isDistance ? 0.0 : 1.0 };
  for (const auto & factors : axes)
  {
    std::vector<double> combined;
    combined.reserve(values.size() * factors.size());
    for (const double value : values)
    {
      for (const double factor : factors)
      {
        combined.push_back(isDistance ? value + factor : value * factor);
      }
    }
    values = std::move(combined);
  }
  std::transform(values.begin(),
                 values.end(),
                 values.begin(),
                 [this](double value) { return isDistance ? std::sqrt(value) : this->FromProduct(value); });
  if (isDistance)
  {
    WeighDistances(values);
  }
  return Tensor::FromVector(shape, values);
}
} // namespace nn
} // namespace itk
