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
#include "itkNNResampling.h"

#include "itkNNError.h"

#include <algorithm>
#include <cmath>

namespace itk
{
namespace nn
{
namespace
{
/** Weights of the inputs first[i], first[i] + 1, ... for output i. */
struct Taps
{
  std::vector<std::size_t> first;
  std::vector<std::size_t> begin; ///< of the weights of output i; one entry more than outputs
  std::vector<double> weights;
};

void
CheckExtents(std::size_t input, std::size_t output)
{
  itkNNRequireMacro(input > 0 && output > 0,
                    "Cannot resize an axis from " << input << " to " << output << " pixels; both should be at least 1");
}

Taps
MakeTaps(std::size_t input, std::size_t output)
{
  CheckExtents(input, output);
  Taps taps;
  taps.first.reserve(output);
  taps.begin.reserve(output + 1);
  taps.begin.push_back(0);
  const double scale = static_cast<double>(input) / static_cast<double>(output);
  const double support = std::max(scale, 1.0);
  const auto extent = static_cast<double>(input);
  for (std::size_t i = 0; i < output; ++i)
  {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    const auto low = static_cast<std::size_t>(std::max(std::trunc(centre - support + 0.5), 0.0));
    const auto high = static_cast<std::size_t>(std::min(std::trunc(centre + support + 0.5), extent));
    double sum = 0;
    for (std::size_t x = low; x < high; ++x)
    {
      const double distance = std::abs((static_cast<double>(x) - centre + 0.5) * (1.0 / support));
      const double weight = distance < 1.0 ? 1.0 - distance : 0.0;
      taps.weights.push_back(weight);
      sum += weight;
    }
    for (std::size_t k = taps.begin.back(); k < taps.weights.size(); ++k)
    {
      taps.weights[k] /= sum;
    }
    taps.first.push_back(low);
    taps.begin.push_back(taps.weights.size());
  }
  return taps;
}

constexpr int fixedPointBits = 22;

std::vector<int>
ToFixedPoint(const std::vector<double> & weights)
{
  std::vector<int> result(weights.size());
  std::transform(weights.begin(),
                 weights.end(),
                 result.begin(),
                 [](double weight) { return static_cast<int>(weight * (1 << fixedPointBits) + 0.5); });
  return result;
}

std::uint8_t
FromFixedPoint(int sum)
{
  return static_cast<std::uint8_t>(std::min(std::max(sum >> fixedPointBits, 0), 255));
}

void
ResizeRows(const float * input, std::size_t height, std::size_t inputWidth, float * output, std::size_t outputWidth)
{
  const Taps taps = MakeTaps(inputWidth, outputWidth);
  for (std::size_t row = 0; row < height; ++row, input += inputWidth)
  {
    for (std::size_t i = 0; i < outputWidth; ++i)
    {
      const float * source = input + taps.first[i];
      double sum = 0;
      for (std::size_t k = taps.begin[i]; k < taps.begin[i + 1]; ++k)
      {
        sum += taps.weights[k] * *source++;
      }
      *output++ = static_cast<float>(sum);
    }
  }
}

void
ResizeColumns(const float * input, std::size_t inputHeight, std::size_t width, float * output, std::size_t outputHeight)
{
  const Taps taps = MakeTaps(inputHeight, outputHeight);
  std::vector<double> sums(width);
  for (std::size_t i = 0; i < outputHeight; ++i)
  {
    std::fill(sums.begin(), sums.end(), 0.0);
    const float * source = input + taps.first[i] * width;
    for (std::size_t k = taps.begin[i]; k < taps.begin[i + 1]; ++k, source += width)
    {
      for (std::size_t x = 0; x < width; ++x)
      {
        sums[x] += taps.weights[k] * source[x];
      }
    }
    output = std::transform(sums.begin(), sums.end(), output, [](double sum) { return static_cast<float>(sum); });
  }
}

void
ResizeRows(const std::uint8_t * input,
           std::size_t height,
           std::size_t inputWidth,
           std::uint8_t * output,
           std::size_t outputWidth)
{
  const Taps taps = MakeTaps(inputWidth, outputWidth);
  const std::vector<int> weights = ToFixedPoint(taps.weights);
  for (std::size_t row = 0; row < height; ++row, input += inputWidth)
  {
    for (std::size_t i = 0; i < outputWidth; ++i)
    {
      const std::uint8_t * source = input + taps.first[i];
      int sum = 1 << (fixedPointBits - 1);
      for (std::size_t k = taps.begin[i]; k < taps.begin[i + 1]; ++k)
      {
        sum += weights[k] * *source++;
      }
      *output++ = FromFixedPoint(sum);
    }
  }
}

void
ResizeColumns(const std::uint8_t * input,
              std::size_t inputHeight,
              std::size_t width,
              std::uint8_t * output,
              std::size_t outputHeight)
{
  const Taps taps = MakeTaps(inputHeight, outputHeight);
  const std::vector<int> weights = ToFixedPoint(taps.weights);
  std::vector<int> sums(width);
  for (std::size_t i = 0; i < outputHeight; ++i)
  {
    std::fill(sums.begin(), sums.end(), 1 << (fixedPointBits - 1));
    const std::uint8_t * source = input + taps.first[i] * width;
    for (std::size_t k = taps.begin[i]; k < taps.begin[i + 1]; ++k, source += width)
    {
      for (std::size_t x = 0; x < width; ++x)
      {
        sums[x] += weights[k] * source[x];
      }
    }
    output = std::transform(sums.begin(), sums.end(), output, FromFixedPoint);
  }
}

template <typename T>
void
Resize(const T * input,
       std::size_t inputHeight,
       std::size_t inputWidth,
       T * output,
       std::size_t outputHeight,
       std::size_t outputWidth)
{
  CheckExtents(inputHeight, outputHeight);
  CheckExtents(inputWidth, outputWidth);
  if (inputWidth == outputWidth && inputHeight == outputHeight)
  {
    std::copy_n(input, inputHeight * inputWidth, output);
  }
  else if (inputWidth == outputWidth)
  {
    ResizeColumns(input, inputHeight, inputWidth, output, outputHeight);
  }
  else if (inputHeight == outputHeight)
  {
    ResizeRows(input, inputHeight, inputWidth, output, outputWidth);
  }
  else
  {
    std::vector<T> rows(inputHeight * outputWidth);
    ResizeRows(input, inputHeight, inputWidth, rows.data(), outputWidth);
    ResizeColumns(rows.data(), inputHeight, outputWidth, output, outputHeight);
  }
}
} // namespace

void
ResizeLinear(const float * input,
             std::size_t inputHeight,
             std::size_t inputWidth,
             float * output,
             std::size_t outputHeight,
             std::size_t outputWidth)
{
  Resize(input, inputHeight, inputWidth, output, outputHeight, outputWidth);
}

void
ResizeLinear(const std::uint8_t * input,
             std::size_t inputHeight,
             std::size_t inputWidth,
             std::uint8_t * output,
             std::size_t outputHeight,
             std::size_t outputWidth)
{
  Resize(input, inputHeight, inputWidth, output, outputHeight, outputWidth);
}

std::vector<std::size_t>
NearestIndices(std::size_t input, std::size_t output)
{
  CheckExtents(input, output);
  std::vector<std::size_t> indices(output);
  const double scale = static_cast<double>(input) / static_cast<double>(output);
  for (std::size_t i = 0; i < output; ++i)
  {
    indices[i] = std::min(static_cast<std::size_t>((static_cast<double>(i) + 0.5) * scale), input - 1);
  }
  return indices;
}
} // namespace nn
} // namespace itk
