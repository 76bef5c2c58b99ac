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
#include "itkNNVolumeFusion.h"

#include "itkNNError.h"

#include <algorithm>

namespace itk
{
namespace nn
{
void
VolumeFusionOptions::Check(const Shape & image) const
{
  // A label of 8 bits.
  itkNNRequireMacro(classes >= 2 && classes <= 256,
                    "Volume fusion: the number of classes is " << classes << "; should be from 2 to 256");
  itkNNRequireMacro(foregroundRatio >= 0 && foregroundRatio <= 1,
                    "Volume fusion: the foreground ratio is " << foregroundRatio << "; should be within [0, 1]");
  itkNNRequireMacro(minimumBlock.size() == image.size() && maximumBlock.size() == image.size(),
                    "Volume fusion: blocks from " << ToString(minimumBlock) << " to " << ToString(maximumBlock)
                                                  << " should have the " << image.size() << " axes of the image");
  for (std::size_t i = 0; i < image.size(); ++i)
  {
    itkNNRequireMacro(minimumBlock[i] >= 1 && minimumBlock[i] <= maximumBlock[i],
                      "Volume fusion: blocks from " << ToString(minimumBlock) << " to " << ToString(maximumBlock)
                                                    << " should have extents of at least 1, the least first");
  }
}

VolumeFusionGrid
VolumeFusionGrid::Draw(PythonRandom & random, const VolumeFusionOptions & options, const Shape & image)
{
  options.Check(image);
  VolumeFusionGrid grid;
  for (std::size_t i = 0; i < image.size(); ++i)
  {
    grid.block.push_back(random.Integer(options.minimumBlock[i], options.maximumBlock[i]));
  }
  std::size_t blocks = 1;
  for (std::size_t i = 0; i < image.size(); ++i)
  {
    grid.offset.push_back(random.Integer(0, image[i] % grid.block[i]));
    grid.count.push_back(image[i] / grid.block[i]);
    blocks *= static_cast<std::size_t>(grid.count.back());
  }
  grid.classes.assign(blocks, 0);
  std::fill_n(grid.classes.begin(), static_cast<std::size_t>(static_cast<double>(blocks) * options.foregroundRatio), 1);
  random.Shuffle(grid.classes);
  for (std::uint8_t & number : grid.classes)
  {
    if (number != 0)
    {
      number = static_cast<std::uint8_t>(random.Integer(1, options.classes - 1));
    }
  }
  return grid;
}

void
VolumeFusionGrid::LabelRow(const Shape & position, std::int64_t length, std::uint8_t * labels) const
{
  std::fill_n(labels, length, std::uint8_t{ 0 });
  const std::size_t last = position.size() - 1;
  std::int64_t row = 0;
  for (std::size_t i = 0; i < last; ++i)
  {
    const std::int64_t inside = position[i] - offset[i];
    if (inside < 0 || inside >= count[i] * block[i])
    {
      return;
    }
    row = row * count[i] + inside / block[i];
  }
  for (std::int64_t i = 0; i < count[last]; ++i)
  {
    const std::int64_t begin = offset[last] + i * block[last] - position[last];
    const std::int64_t from = std::clamp<std::int64_t>(begin, 0, length);
    const std::int64_t to = std::clamp<std::int64_t>(begin + block[last], 0, length);
    std::fill(labels + from, labels + to, classes[static_cast<std::size_t>(row * count[last] + i)]);
  }
}
} // namespace nn
} // namespace itk
