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
#include "itkNNAxisMaps.h"

#include <cstring>
#include <numeric>

namespace itk
{
namespace nn
{
namespace
{
template <std::size_t VBytes>
void
Take(const char * input, const Shape & inputShape, const std::vector<AxisMap> & maps, char * output)
{
  const std::size_t width = maps[2].size();
  const bool isRun =
    maps[2].back() - maps[2].front() == static_cast<std::int64_t>(width) - 1 &&
    std::adjacent_find(maps[2].begin(), maps[2].end(), [](std::int64_t a, std::int64_t b) { return b != a + 1; }) ==
      maps[2].end();
  for (std::int64_t channel = 0; channel < inputShape[0]; ++channel)
  {
    for (const std::int64_t z : maps[0])
    {
      for (const std::int64_t y : maps[1])
      {
        const std::int64_t first = ((channel * inputShape[1] + z) * inputShape[2] + y) * inputShape[3];
        const char * row = input + static_cast<std::size_t>(first) * VBytes;
        if (isRun)
        {
          std::memcpy(output, row + static_cast<std::size_t>(maps[2].front()) * VBytes, width * VBytes);
        }
        else
        {
          for (std::size_t i = 0; i < width; ++i)
          {
            std::memcpy(output + i * VBytes, row + static_cast<std::size_t>(maps[2][i]) * VBytes, VBytes);
          }
        }
        output += width * VBytes;
      }
    }
  }
}
} // namespace

Tensor
TakeElements(const Tensor & input, const std::vector<AxisMap> & maps)
{
  const Tensor source = input.Contiguous();
  Shape inputShape = source.GetShape();
  Shape outputShape{ inputShape[0] };
  for (const AxisMap & map : maps)
  {
    outputShape.push_back(static_cast<std::int64_t>(map.size()));
  }
  Tensor output(outputShape, source.GetDataType());
  std::vector<AxisMap> three = maps;
  if (three.size() == 2)
  {
    three.insert(three.begin(), AxisMap{ 0 });
    inputShape.insert(inputShape.begin() + 1, 1);
  }
  const auto * from = static_cast<const char *>(source.GetRawData());
  auto * to = static_cast<char *>(output.GetRawData());
  switch (SizeOf(source.GetDataType()))
  {
    case 1:
      Take<1>(from, inputShape, three, to);
      break;
    case 2:
      Take<2>(from, inputShape, three, to);
      break;
    case 4:
      Take<4>(from, inputShape, three, to);
      break;
    default:
      Take<8>(from, inputShape, three, to);
  }
  return output;
}

std::vector<AxisMap>
BoxMaps(const Shape & start, const Shape & size)
{
  std::vector<AxisMap> maps;
  for (std::size_t axis = 0; axis < start.size(); ++axis)
  {
    maps.emplace_back(static_cast<std::size_t>(size[axis]));
    std::iota(maps.back().begin(), maps.back().end(), start[axis]);
  }
  return maps;
}

std::vector<AxisMap>
ReflectMaps(const Shape & inputSize, const Shape & outputSize, const Shape & start)
{
  std::vector<AxisMap> maps;
  for (std::size_t axis = 0; axis < start.size(); ++axis)
  {
    const std::int64_t last = inputSize[axis] - 1;
    const std::int64_t period = 2 * last;
    AxisMap map(static_cast<std::size_t>(outputSize[axis]), 0);
    for (std::size_t i = 0; i < map.size() && period > 0; ++i)
    {
      const std::int64_t place = ((static_cast<std::int64_t>(i) - start[axis]) % period + period) % period;
      map[i] = place > last ? period - place : place;
    }
    maps.push_back(std::move(map));
  }
  return maps;
}

Tensor
PasteIntoZeros(const Tensor & part, const Shape & size, const Shape & start)
{
  Shape shape{ part.GetShape()[0] };
  shape.insert(shape.end(), size.begin(), size.end());
  const Tensor whole = Tensor::Zeros(shape, part.GetDataType());
  Tensor box = whole;
  for (std::size_t axis = 0; axis < start.size(); ++axis)
  {
    const int number = static_cast<int>(axis) + 1;
    box = box.Slice(number, start[axis], start[axis] + part.GetShape()[axis + 1]);
  }
  box.CopyFrom(part);
  return whole;
}
} // namespace nn
} // namespace itk
