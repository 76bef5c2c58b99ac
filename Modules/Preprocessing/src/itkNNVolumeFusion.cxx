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
#include <cmath>
#include <iterator>
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
  struct Tap
  {
    std::size_t low;
    std::size_t high;
    double part; ///< of the high one
  };

  AxisTaps(std::int64_t from, std::int64_t to, bool flip)
    : taps(static_cast<std::size_t>(to))
  {
    for (std::int64_t i = 0; i < to; ++i)
    {
      const double place =
        to > 1 ? static_cast<double>(i) * static_cast<double>(from - 1) / static_cast<double>(to - 1) : 0;
      const auto low = std::min(static_cast<std::int64_t>(place), from - 1);
      taps[static_cast<std::size_t>(flip ? to - 1 - i : i)] = { static_cast<std::size_t>(low),
                                                                static_cast<std::size_t>(std::min(low + 1, from - 1)),
                                                                place - static_cast<double>(low) };
    }
  }

  std::vector<Tap> taps;
};
} // namespace

void
VolumeFusionCrop::Resize(
  const float * box, const Shape & patchSize, std::int64_t first, std::int64_t last, float * patch) const
{
  itkNNRequireMacro(size.size() == 3 && patchSize.size() == 3,
                    "Volume fusion: a box of size " << ToString(size) << " and a patch of size " << ToString(patchSize)
                                                    << " should have three axes");
  const AxisTaps z(size[0], patchSize[0], flip[0]);
  const AxisTaps y(size[1], patchSize[1], flip[1]);
  const AxisTaps x(size[2], patchSize[2], flip[2]);
  const auto width = static_cast<std::size_t>(size[2]);
  const std::size_t plane = static_cast<std::size_t>(size[1]) * width;
  std::vector<double> row(width);
  float * output = patch + first * patchSize[1] * patchSize[2];
  for (std::int64_t i = first; i < last; ++i)
  {
    const auto & depth = z.taps[static_cast<std::size_t>(i)];
    for (const auto & height : y.taps)
    {
      const float * corners[] = { box + depth.low * plane + height.low * width,
                                  box + depth.low * plane + height.high * width,
                                  box + depth.high * plane + height.low * width,
                                  box + depth.high * plane + height.high * width };
      const double weights[] = { (1 - depth.part) * (1 - height.part),
                                 (1 - depth.part) * height.part,
                                 depth.part * (1 - height.part),
                                 depth.part * height.part };
      for (std::size_t k = 0; k < width; ++k)
      {
        row[k] = weights[0] * static_cast<double>(corners[0][k]) + weights[1] * static_cast<double>(corners[1][k]) +
                 weights[2] * static_cast<double>(corners[2][k]) + weights[3] * static_cast<double>(corners[3][k]);
      }
      for (const auto & tap : x.taps)
      {
        *output++ = static_cast<float>((1 - tap.part) * row[tap.low] + tap.part * row[tap.high]);
      }
    }
  }
}

std::vector<double>
Percentiles(const float * values, std::size_t count, const std::vector<double> & percent)
{
  itkNNRequireMacro(count > 0, "Percentiles of no values");
  const float * const end = values + count;
  const float * const bad = std::find_if(values, end, [](float value) { return !std::isfinite(value); });
  itkNNRequireMacro(bad == end, "Percentiles: value " << (bad - values) << " is no finite number");
  const auto range = std::minmax_element(values, values + count);
  const float minimum = *range.first;
  const double width = static_cast<double>(*range.second) - static_cast<double>(minimum);
  // The sorted order is needed within one or two of many bins only.
  constexpr std::size_t bins = 4096;
  const double scale = width > 0 ? static_cast<double>(bins) / width : 0;
  const auto binOf = [&](float value)
  {
    return std::min(static_cast<std::size_t>((static_cast<double>(value) - static_cast<double>(minimum)) * scale),
                    bins - 1);
  };
  std::vector<std::size_t> counts(bins, 0);
  for (std::size_t i = 0; i < count; ++i)
  {
    ++counts[binOf(values[i])];
  }
  const auto find = [&](std::size_t rank)
  {
    std::size_t bin = 0;
    while (rank >= counts[bin])
    {
      rank -= counts[bin];
      ++bin;
    }
    std::vector<float> inside;
    inside.reserve(counts[bin]);
    std::copy_if(values, values + count, std::back_inserter(inside), [&](float value) { return binOf(value) == bin; });
    const auto place = inside.begin() + static_cast<std::ptrdiff_t>(rank);
    std::nth_element(inside.begin(), place, inside.end());
    return static_cast<double>(*place);
  };
  std::vector<double> result;
  for (const double p : percent)
  {
    itkNNRequireMacro(p >= 0 && p <= 100, "Percentile " << p << "; should be between 0 and 100");
    const double place = p / 100 * static_cast<double>(count - 1);
    const auto low = static_cast<std::size_t>(place);
    const double part = place - static_cast<double>(low);
    const double value = find(low);
    result.push_back(part > 0 ? value + part * (find(low + 1) - value) : value);
  }
  return result;
}

VolumeFusionTone::Pair
VolumeFusionTone::Draw(PythonRandom & random, const float * first, const float * second, std::size_t count)
{
  Pair tones;
  for (std::size_t i = 0; i < 2; ++i)
  {
    const float * patch = i == 0 ? first : second;
    VolumeFusionTone & tone = tones[i];
    const double lower = random.Uniform(0.1, 2.0);
    const double upper = random.Uniform(98, 99.9);
    const auto intensities = Percentiles(patch, count, { 0, lower, upper, 100 });
    tone.minimum = intensities[0];
    tone.lower = intensities[1];
    tone.upper = intensities[2];
    tone.maximum = intensities[3];
    if (tone.minimum < tone.maximum)
    {
      tone.gamma = 0.7 + 0.8 * random.Random();
    }
  }
  tones[0].inverted = tones[1].inverted = random.Random() < 0.25;
  return tones;
}

void
VolumeFusionTone::Apply(float * pixels, std::size_t count) const
{
  const auto stretch = [this](double x)
  {
    if (x < lower)
    {
      return 0.1 * (x - minimum) / (lower - minimum);
    }
    if (x > upper)
    {
      return 0.9 + 0.1 * (x - upper) / (maximum - upper);
    }
    return upper > lower ? 0.1 + 0.8 * (x - lower) / (upper - lower) : 0.1;
  };
  const bool isFlat = !(minimum < maximum);
  const double least = isFlat ? 0 : stretch(minimum);
  const double range = isFlat ? 1 : stretch(maximum) - least;
  for (std::size_t i = 0; i < count; ++i)
  {
    double value = 0;
    if (!isFlat)
    {
      value = stretch(static_cast<double>(pixels[i]));
      value = std::pow((value - least) / range, gamma) * range + least;
    }
    pixels[i] = static_cast<float>(inverted ? 1 - value : value);
  }
}
} // namespace nn
} // namespace itk
