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
#include "itkNNVolumeFusionKernels.h"

#include <algorithm>
#include <numeric>

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

namespace
{
/** Blocks without classes: their extents and offsets. */
VolumeFusionGrid
DrawBlocks(PythonRandom & random, const VolumeFusionOptions & options, const Shape & image)
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
  return grid;
}

/** How many of the blocks are foreground. */
std::size_t
CountForeground(const VolumeFusionGrid & grid, const VolumeFusionOptions & options)
{
  return static_cast<std::size_t>(static_cast<double>(grid.classes.size()) * options.foregroundRatio);
}
} // namespace

VolumeFusionGrid
VolumeFusionGrid::Draw(PythonRandom & random, const VolumeFusionOptions & options, const Shape & image)
{
  VolumeFusionGrid grid = DrawBlocks(random, options, image);
  std::fill_n(grid.classes.begin(), CountForeground(grid, options), 1);
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
VolumeFusionGrid::GetRuns(const Shape & position, std::int64_t length, std::vector<Run> & runs) const
{
  runs.clear();
  const std::size_t last = position.size() - 1;
  std::int64_t row = 0;
  bool isInside = true;
  for (std::size_t i = 0; i < last; ++i)
  {
    const std::int64_t inside = position[i] - offset[i];
    isInside = isInside && inside >= 0 && inside < count[i] * block[i];
    row = row * count[i] + inside / block[i];
  }
  std::int64_t end = 0;
  const auto add = [&](std::int64_t until, std::uint8_t number)
  {
    const std::int64_t stop = std::min(until, length);
    if (stop > end)
    {
      runs.push_back({ end, stop, number });
      end = stop;
    }
  };
  if (isInside)
  {
    const std::int64_t start = offset[last] - position[last];
    add(start, 0);
    for (std::int64_t i = 0; i < count[last]; ++i)
    {
      add(start + (i + 1) * block[last], classes[static_cast<std::size_t>(row * count[last] + i)]);
    }
  }
  add(length, 0);
}

ShuffledVolumeFusionGrid
ShuffledVolumeFusionGrid::Draw(PythonRandom & random, const VolumeFusionOptions & options, const Shape & image)
{
  itkNNRequireMacro(image.size() == 3,
                    "Volume fusion: an image of size " << ToString(image) << "; should have three axes");
  ShuffledVolumeFusionGrid result;
  result.grid = DrawBlocks(random, options, image);
  std::vector<std::int64_t> sources(result.grid.classes.size());
  std::iota(sources.begin(), sources.end(), 0);
  std::vector<std::int64_t> targets = sources;
  result.sources = sources;
  random.Shuffle(sources);
  random.Shuffle(targets);
  for (std::size_t i = 0; i < CountForeground(result.grid, options); ++i)
  {
    const auto target = static_cast<std::size_t>(targets[i]);
    result.sources[target] = sources[i];
    result.grid.classes[target] = static_cast<std::uint8_t>(random.Integer(1, options.classes - 1));
  }
  return result;
}

void
ShuffledVolumeFusionGrid::Apply(const float * foreground,
                                const float * background,
                                const Shape & image,
                                std::int64_t classes,
                                float * fused,
                                std::int32_t * labels) const
{
  const std::int64_t pixels = NumberOfElements(image);
  std::copy_n(background, pixels, fused);
  std::fill_n(labels, pixels, 0);
  const auto firstPixel = [&](std::int64_t number)
  {
    const std::int64_t x = grid.offset[2] + number % grid.count[2] * grid.block[2];
    const std::int64_t y = grid.offset[1] + number / grid.count[2] % grid.count[1] * grid.block[1];
    const std::int64_t z = grid.offset[0] + number / grid.count[2] / grid.count[1] * grid.block[0];
    return (z * image[1] + y) * image[2] + x;
  };
  for (std::size_t i = 0; i < grid.classes.size(); ++i)
  {
    if (grid.classes[i] == 0)
    {
      continue;
    }
    const double alpha = static_cast<double>(grid.classes[i]) / static_cast<double>(classes - 1);
    const std::int64_t target = firstPixel(static_cast<std::int64_t>(i));
    const std::int64_t source = firstPixel(sources[i]);
    for (std::int64_t z = 0; z < grid.block[0]; ++z)
    {
      for (std::int64_t y = 0; y < grid.block[1]; ++y)
      {
        const std::int64_t row = (z * image[1] + y) * image[2];
        for (std::int64_t x = row; x < row + grid.block[2]; ++x)
        {
          fused[target + x] = static_cast<float>(alpha * static_cast<double>(foreground[source + x]) +
                                                 (1 - alpha) * static_cast<double>(background[target + x]));
          labels[target + x] = grid.classes[i];
        }
      }
    }
  }
}

void
VolumeFusionCropOptions::Check(const Shape & image) const
{
  itkNNRequireMacro(size.size() == image.size() && lowerScale.size() == image.size() &&
                      upperScale.size() == image.size(),
                    "Volume fusion: the size " << ToString(size) << " of the patches, the lower and the upper scales "
                                               << "should have the " << image.size() << " axes of the image");
  for (std::size_t i = 0; i < image.size(); ++i)
  {
    itkNNRequireMacro(size[i] >= 1,
                      "Volume fusion: the patches have the size " << ToString(size) << "; should be at least 1");
    itkNNRequireMacro(image[i] >= 1, "Volume fusion: the image has the size " << ToString(image) << " and no pixels");
    itkNNRequireMacro(lowerScale[i] > 0 && lowerScale[i] <= upperScale[i] && upperScale[i] <= 1000,
                      "Volume fusion: a crop is scaled by " << lowerScale[i] << " to " << upperScale[i]
                                                            << "; should be above 0, the least first");
  }
}

VolumeFusionCrop::Pair
VolumeFusionCrop::Draw(PythonRandom & random, const VolumeFusionCropOptions & options, const Shape & image)
{
  options.Check(image);
  Pair crops;
  const std::size_t axes = image.size();
  for (VolumeFusionCrop & crop : crops)
  {
    for (std::size_t i = 0; i < axes; ++i)
    {
      const double part = random.Random();
      const double lower = options.spatial ? options.lowerScale[i] : 1;
      const double upper = options.spatial ? options.upperScale[i] : 1;
      const auto wanted =
        static_cast<std::int64_t>(static_cast<double>(options.size[i]) * (lower + (upper - lower) * part));
      crop.size.push_back(std::clamp<std::int64_t>(wanted, 1, image[i]));
    }
    for (std::size_t i = 0; i < axes; ++i)
    {
      crop.start.push_back(random.Integer(0, image[i] - crop.size[i]));
    }
  }
  for (VolumeFusionCrop & crop : crops)
  {
    crop.flip.assign(axes, false);
    // The last axis first.
    for (std::size_t i = axes; options.spatial && i-- > 0;)
    {
      crop.flip[i] = random.Random() > 0.5;
    }
  }
  return crops;
}

namespace
{
/** Where the pixels of an axis of a patch lie in its box. */
struct AxisTaps
{
  AxisTaps(std::int64_t from, std::int64_t to, bool flip)
    : low(static_cast<std::size_t>(to))
    , part(static_cast<std::size_t>(to))
  {
    for (std::int64_t i = 0; i < to; ++i)
    {
      const double place =
        to > 1 ? static_cast<double>(i) * static_cast<double>(from - 1) / static_cast<double>(to - 1) : 0;
      const auto pixel = std::min(static_cast<std::int64_t>(place), from - 1);
      const auto k = static_cast<std::size_t>(flip ? to - 1 - i : i);
      low[k] = static_cast<std::int32_t>(pixel);
      part[k] = place - static_cast<double>(pixel);
    }
  }

  std::vector<std::int32_t> low;
  std::vector<double> part; ///< of the pixel after the low one
};
} // namespace

void
VolumeFusionCrop::Resize(const float * box,
                         const Shape & volume,
                         const Shape & patchSize,
                         std::int64_t first,
                         std::int64_t last,
                         float * patch) const
{
  itkNNRequireMacro(size.size() == 3 && volume.size() == 3 && patchSize.size() == 3,
                    "Volume fusion: a box of size " << ToString(size) << " in a volume of size " << ToString(volume)
                                                    << " and a patch of size " << ToString(patchSize)
                                                    << " should have three axes");
  const AxisTaps z(size[0], patchSize[0], flip[0]);
  const AxisTaps y(size[1], patchSize[1], flip[1]);
  const AxisTaps x(size[2], patchSize[2], flip[2]);
  const std::int64_t plane = volume[1] * volume[2];
  const auto width = static_cast<std::size_t>(size[2]);
  // One more, so that there is a pixel after the last.
  std::vector<double> row(width + 1);
  float * output = patch + first * patchSize[1] * patchSize[2];
  for (std::int64_t i = first; i < last; ++i)
  {
    const auto depth = static_cast<std::size_t>(i);
    const float * const top = box + z.low[depth] * plane;
    const std::int64_t below = z.low[depth] + 1 < size[0] ? plane : 0;
    for (std::size_t j = 0; j < y.low.size(); ++j)
    {
      const float * const corner = top + y.low[j] * volume[2];
      const std::int64_t next = y.low[j] + 1 < size[1] ? volume[2] : 0;
      const float * const corners[] = { corner, corner + next, corner + below, corner + below + next };
      const double weights[] = { (1 - z.part[depth]) * (1 - y.part[j]),
                                 (1 - z.part[depth]) * y.part[j],
                                 z.part[depth] * (1 - y.part[j]),
                                 z.part[depth] * y.part[j] };
      BlendRows(corners, weights, width, row.data());
      row[width] = row[width - 1];
      InterpolateRow(row.data(), x.low.data(), x.part.data(), x.low.size(), output);
      output += x.low.size();
    }
  }
}
} // namespace nn
} // namespace itk
