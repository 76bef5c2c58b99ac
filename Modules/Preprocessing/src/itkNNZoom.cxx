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
#include "itkNNZoom.h"

#include "itkNNAxisMaps.h"
#include "itkNNVolumeFusion.h"

#include <algorithm>
#include <cmath>

namespace itk
{
namespace nn
{
namespace
{
/** The spatial extents. */
Shape
CheckZoom(const Tensor & input, const Shape & size)
{
  itkNNRequireMacro(input.IsDefined() && size.size() >= 2 && size.size() <= 3 &&
                      static_cast<std::size_t>(input.GetRank()) == size.size() + 1,
                    "Zoom: an input of shape " << ToString(input.GetShape()) << " to the size " << ToString(size)
                                               << "; should be [C, D, H, W] to [D, H, W] or [C, H, W] to [H, W]");
  itkNNRequireMacro(NumberOfElements(size) > 0 && input.GetNumberOfElements() > 0,
                    "Zoom: an input of shape " << ToString(input.GetShape()) << " to the size " << ToString(size)
                                               << "; no extent should be 0");
  return Shape(input.GetShape().begin() + 1, input.GetShape().end());
}
} // namespace

Tensor
ZoomLinear(const Tensor & input, const Shape & size)
{
  VolumeFusionCrop box;
  box.size = CheckZoom(input, size);
  const Tensor source = input.Contiguous();
  const std::int64_t channels = source.GetShape()[0];
  Shape shape = size;
  shape.insert(shape.begin(), channels);
  Tensor output(shape);
  Shape outputSize = size;
  if (size.size() == 2)
  {
    box.size.insert(box.size.begin(), 1);
    outputSize.insert(outputSize.begin(), 1);
  }
  box.flip.assign(3, false);
  const float * from = source.GetData<float>();
  float * to = output.GetData<float>();
  for (std::int64_t channel = 0; channel < channels; ++channel)
  {
    box.Resize(from, box.size, outputSize, 0, outputSize[0], to);
    from += NumberOfElements(box.size);
    to += NumberOfElements(outputSize);
  }
  return output;
}

Tensor
ZoomNearest(const Tensor & input, const Shape & size)
{
  const Shape inputSize = CheckZoom(input, size);
  std::vector<AxisMap> maps;
  for (std::size_t axis = 0; axis < size.size(); ++axis)
  {
    const double step =
      size[axis] > 1 ? static_cast<double>(inputSize[axis] - 1) / static_cast<double>(size[axis] - 1) : 0;
    AxisMap map(static_cast<std::size_t>(size[axis]));
    for (std::size_t i = 0; i < map.size(); ++i)
    {
      const auto nearest = static_cast<std::int64_t>(std::floor(static_cast<double>(i) * step + 0.5));
      map[i] = std::min(nearest, inputSize[axis] - 1);
    }
    maps.push_back(std::move(map));
  }
  return TakeElements(input, maps);
}
} // namespace nn
} // namespace itk
