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
#include "itkNNVolumeResize.h"

#include "itkNNAxisMaps.h"
#include "itkNNCubicSpline.h"
#include "itkNNParallel.h"
#include "itkNNResampling.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace itk
{
namespace nn
{
namespace
{
/** The rows that an output row is a sum of, and their weights. */
struct Taps
{
  std::array<std::int64_t, 4> rows;
  std::array<double, 4> weights;
};

/** \param before rows of padding before the input's first. \param count of rows with padding. */
std::vector<Taps>
MakeTaps(std::int64_t input, std::int64_t output, std::int64_t before, std::int64_t count)
{
  const double scale = static_cast<double>(input) / static_cast<double>(output);
  std::vector<Taps> taps(static_cast<std::size_t>(output));
  for (std::size_t i = 0; i < taps.size(); ++i)
  {
    const double place = scale * (static_cast<double>(i) + 0.5) - 0.5;
    taps[i].weights = GetSplineWeights(place - std::floor(place));
    for (std::size_t k = 0; k < 4; ++k)
    {
      const std::int64_t row = static_cast<std::int64_t>(std::floor(place)) + static_cast<std::int64_t>(k) - 1;
      taps[i].rows[k] = MirrorIndex(row + before, count);
    }
  }
  return taps;
}

/** [outer, input, inner] to [outer, output, inner]. */
void
ResizeAxis(const double * from,
           std::int64_t outer,
           std::int64_t input,
           std::int64_t inner,
           double * to,
           std::int64_t output,
           ResizeBoundary boundary,
           unsigned int threads)
{
  const std::int64_t before = boundary == ResizeBoundary::ZeroOutside ? 0 : splineReach;
  const std::int64_t count = input + 2 * before;
  const std::vector<Taps> taps = MakeTaps(input, output, before, count);
  const std::int64_t blocks = (inner + columnsAtOnce - 1) / columnsAtOnce;
  const auto run = [&](std::int64_t first, std::int64_t last)
  {
    std::vector<double> rows;
    for (std::int64_t block = first; block < last; ++block)
    {
      const std::int64_t column = block % blocks * columnsAtOnce;
      const std::int64_t width = std::min(columnsAtOnce, inner - column);
      const double * const source = from + block / blocks * input * inner + column;
      double * target = to + block / blocks * output * inner + column;
      rows.assign(static_cast<std::size_t>(count * width), 0);
      for (std::int64_t i = 0; i < count; ++i)
      {
        const std::int64_t row = std::clamp<std::int64_t>(i - before, 0, input - 1);
        if (row == i - before || boundary == ResizeBoundary::Edge)
        {
          std::copy_n(source + row * inner, width, rows.data() + i * width);
        }
      }
      FindSplineCoefficients(rows.data(), count, width);
      for (const Taps & tap : taps)
      {
        std::array<const double *, 4> row;
        std::transform(tap.rows.begin(),
                       tap.rows.end(),
                       row.begin(),
                       [&](std::int64_t number) { return rows.data() + number * width; });
        for (std::int64_t k = 0; k < width; ++k)
        {
          target[k] = tap.weights[0] * row[0][k] + tap.weights[1] * row[1][k] + tap.weights[2] * row[2][k] +
                      tap.weights[3] * row[3][k];
        }
        target += inner;
      }
    }
  };
  ParallelFor(outer * blocks, threads, run);
}

/** Zeros where the places are beyond the centres of the input's outermost voxels. */
Tensor
KeepInside(const Tensor & resized, const Shape & inputSize)
{
  const Shape size(resized.GetShape().begin() + 1, resized.GetShape().end());
  Shape start;
  Tensor inside = resized;
  for (std::size_t axis = 0; axis < size.size(); ++axis)
  {
    // Place i is at (2 i + 1) input / (2 output) - 0.5, within [0, input - 1].
    const std::int64_t input = inputSize[axis];
    std::int64_t first = 0;
    while (first < size[axis] && (2 * first + 1) * input < size[axis])
    {
      ++first;
    }
    std::int64_t end = size[axis];
    while (end > first && (2 * end - 1) * input > (2 * input - 1) * size[axis])
    {
      --end;
    }
    if (end == first)
    {
      return Tensor::Zeros(resized.GetShape(), resized.GetDataType());
    }
    start.push_back(first);
    inside = inside.Slice(static_cast<int>(axis) + 1, first, end);
  }
  return PasteIntoZeros(inside, size, start);
}

/** Size of the input. Throws Error. */
Shape
CheckResize(const Tensor & input, const Shape & size)
{
  itkNNRequireMacro(input.IsDefined() && (input.GetRank() == 3 || input.GetRank() == 4) &&
                      static_cast<std::size_t>(input.GetRank()) == size.size() + 1,
                    "Resize: an input of shape " << ToString(input.GetShape()) << " to the size " << ToString(size)
                                                 << "; should be [C, D, H, W] to [D, H, W] or [C, H, W] to [H, W]");
  itkNNRequireMacro(NumberOfElements(size) > 0 && input.GetNumberOfElements() > 0,
                    "Resize: an input of shape " << ToString(input.GetShape()) << " to the size " << ToString(size)
                                                 << "; no extent should be 0");
  return Shape(input.GetShape().begin() + 1, input.GetShape().end());
}
} // namespace

const std::vector<std::string> &
GetResizeBoundaryNames()
{
  static const std::vector<std::string> names{ "edge", "zeros", "zero_outside" };
  return names;
}

Tensor
ResizeCubic(const Tensor & input, const Shape & size, ResizeBoundary boundary, unsigned int threads)
{
  const Shape inputSize = CheckResize(input, size);
  itkNNRequireMacro(input.GetDataType() == DataType::Float32 || input.GetDataType() == DataType::Float64,
                    "Resize: the input is " << ToString(input.GetDataType()) << "; should be float32 or float64");
  Tensor current = input.To(DataType::Float64).Contiguous();
  const std::int64_t channels = current.GetShape()[0];
  std::vector<std::array<double, 2>> ranges;
  for (std::int64_t channel = 0; channel < channels; ++channel)
  {
    const double * const first = current.GetData<double>() + channel * NumberOfElements(inputSize);
    const auto range = std::minmax_element(first, first + NumberOfElements(inputSize));
    const bool hasZero = boundary == ResizeBoundary::Zeros;
    ranges.push_back(
      { hasZero ? std::min(*range.first, 0.0) : *range.first, hasZero ? std::max(*range.second, 0.0) : *range.second });
  }
  for (std::size_t axis = 0; axis < size.size(); ++axis)
  {
    // At an extent that stays splines go through the values.
    if (size[axis] == inputSize[axis])
    {
      continue;
    }
    Shape shape = current.GetShape();
    const auto place = shape.begin() + static_cast<std::ptrdiff_t>(axis) + 1;
    const std::int64_t outer = NumberOfElements(Shape(shape.begin(), place));
    const std::int64_t inner = NumberOfElements(Shape(place + 1, shape.end()));
    *place = size[axis];
    Tensor next(shape, DataType::Float64);
    ResizeAxis(
      current.GetData<double>(), outer, inputSize[axis], inner, next.GetData<double>(), size[axis], boundary, threads);
    current = next;
  }
  const Tensor source = current;
  current = Tensor(source.GetShape(), DataType::Float64);
  const std::int64_t count = NumberOfElements(size);
  for (std::int64_t channel = 0; channel < channels; ++channel)
  {
    const double * const first = source.GetData<double>() + channel * count;
    std::transform(first,
                   first + count,
                   current.GetData<double>() + channel * count,
                   [range = ranges[static_cast<std::size_t>(channel)]](double value)
                   { return std::clamp(value, range[0], range[1]); });
  }
  const Tensor result = current.To(input.GetDataType());
  return boundary == ResizeBoundary::ZeroOutside ? KeepInside(result, inputSize) : result;
}

Tensor
ResizeNearest(const Tensor & input, const Shape & size, ResizeBoundary boundary)
{
  const Shape inputSize = CheckResize(input, size);
  std::vector<AxisMap> maps;
  for (std::size_t axis = 0; axis < size.size(); ++axis)
  {
    const auto indices =
      NearestIndices(static_cast<std::size_t>(inputSize[axis]), static_cast<std::size_t>(size[axis]));
    maps.emplace_back(indices.begin(), indices.end());
  }
  const Tensor result = TakeElements(input, maps);
  return boundary == ResizeBoundary::ZeroOutside ? KeepInside(result, inputSize) : result;
}
} // namespace nn
} // namespace itk
