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
#include "itkNNVolumeFusionBatch.h"

#include "itkNNError.h"

#include <algorithm>

namespace itk
{
namespace nn
{
namespace
{
/** The images, contiguous; throws Error unless all are of one shape [1, D, H, W]. */
std::vector<Tensor>
GetImages(const std::vector<Sample> & batch)
{
  itkNNRequireMacro(!batch.empty(), "Volume fusion of a batch without samples");
  std::vector<Tensor> images;
  for (const Sample & sample : batch)
  {
    sample.Check();
    const Shape & shape = sample.image.GetShape();
    itkNNRequireMacro(shape.size() == 4 && shape[0] == 1 && shape == batch.front().image.GetShape(),
                      "Volume fusion: image " << images.size() << " of a batch has the shape " << ToString(shape)
                                              << " and the first " << ToString(batch.front().image.GetShape())
                                              << "; should be the same [1, D, H, W]");
    images.push_back(sample.image.Contiguous());
  }
  return images;
}

/** A box of a volume: [start, end). */
struct Block
{
  Shape start;
  Shape end;
};

Shape
DrawExtents(const VolumeFusionBatchOptions & options, PythonRandom & random)
{
  Shape extents;
  for (std::size_t axis = 0; axis < 3; ++axis)
  {
    extents.push_back(random.Integer(options.minimumBlock[axis], options.maximumBlock[axis]));
  }
  return extents;
}

/** Around a random centre. */
Block
DrawBlock(const VolumeFusionBatchOptions & options, const Shape & size, PythonRandom & random)
{
  const Shape extents = DrawExtents(options, random);
  Block block;
  for (std::size_t axis = 0; axis < 3; ++axis)
  {
    const std::int64_t first = random.Integer(0, size[axis] - 1) - extents[axis] / 2;
    block.start.push_back(std::max<std::int64_t>(first, 0));
    block.end.push_back(std::min(first + extents[axis], size[axis]));
  }
  return block;
}

/** Call with the index of each pixel of a block and that of its mirror image along an axis, or
 * along none for -1. */
template <typename TFunction>
void
ForEachPixel(const Block & block, const Shape & size, int mirrored, const TFunction & function)
{
  const auto mirror = [&](int axis, std::int64_t place)
  {
    const auto i = static_cast<std::size_t>(axis);
    return axis == mirrored ? block.start[i] + block.end[i] - 1 - place : place;
  };
  for (std::int64_t z = block.start[0]; z < block.end[0]; ++z)
  {
    for (std::int64_t y = block.start[1]; y < block.end[1]; ++y)
    {
      for (std::int64_t x = block.start[2]; x < block.end[2]; ++x)
      {
        const std::int64_t other = (mirror(0, z) * size[1] + mirror(1, y)) * size[2] + mirror(2, x);
        function((z * size[1] + y) * size[2] + x, other);
      }
    }
  }
}

/** Map intensities between their extremes by two lines that meet at a random point, and invert
 * half of the maps. */
Tensor
MapIntensities(const Tensor & image, PythonRandom & random)
{
  const double x = 0.15 + 0.7 * random.Random();
  const double y = 0.15 + 0.7 * random.Random();
  const bool isInverted = random.Random() < 0.5;
  Tensor mapped = image.Clone();
  float * const begin = mapped.GetData<float>();
  float * const end = begin + mapped.GetNumberOfElements();
  const auto range = std::minmax_element(begin, end);
  const auto low = static_cast<double>(*range.first);
  const double width = static_cast<double>(*range.second) - low;
  for (float * pixel = begin; pixel != end && width > 0; ++pixel)
  {
    const double part = (static_cast<double>(*pixel) - low) / width;
    const double value = part < x ? part * y / x : y + (part - x) * (1 - y) / (1 - x);
    *pixel = static_cast<float>((isInverted ? 1 - value : value) * width + low);
  }
  return mapped;
}

struct MappedImages
{
  std::vector<Tensor> first;
  std::vector<Tensor> second;
};

MappedImages
MapTwice(const std::vector<Tensor> & images, PythonRandom & random)
{
  MappedImages mapped;
  for (const Tensor & image : images)
  {
    mapped.first.push_back(MapIntensities(image, random));
    mapped.second.push_back(MapIntensities(image, random));
  }
  return mapped;
}
} // namespace

void
VolumeFusionBatchOptions::Check() const
{
  VolumeFusionOptions grid;
  grid.classes = classes;
  grid.minimumBlock = minimumBlock;
  grid.maximumBlock = maximumBlock;
  grid.Check(Shape(3));
  itkNNRequireMacro(minimumCount >= 0 && minimumCount <= maximumCount,
                    "Volume fusion: " << minimumCount << " to " << maximumCount
                                      << " blocks; should not be negative, the least first");
}

void
FuseBatch(std::vector<Sample> & batch, const VolumeFusionBatchOptions & options, PythonRandom & random)
{
  options.Check();
  const std::vector<Tensor> images = GetImages(batch);
  const Shape shape = images.front().GetShape();
  const Shape size = batch.front().GetSize();
  for (std::size_t n = 0; n < batch.size(); ++n)
  {
    Tensor label = Tensor::Zeros(shape, DataType::Int32);
    auto * labels = label.GetData<std::int32_t>();
    const std::int64_t count = random.Integer(options.minimumCount, options.maximumCount);
    for (std::int64_t i = 0; i < count; ++i)
    {
      const Block block = DrawBlock(options, size, random);
      const auto number = static_cast<std::int32_t>(random.Integer(1, options.classes - 1));
      ForEachPixel(block, size, -1, [&](std::int64_t pixel, std::int64_t) { labels[pixel] = number; });
    }
    Tensor fused(shape);
    float * output = fused.GetData<float>();
    const float * own = images[n].GetData<float>();
    const float * other = images[(n + batch.size() - 1) % batch.size()].GetData<float>();
    const auto last = static_cast<double>(options.classes - 1);
    for (std::int64_t i = 0; i < fused.GetNumberOfElements(); ++i)
    {
      const double alpha = static_cast<double>(labels[i]) / last;
      output[i] = static_cast<float>(alpha * static_cast<double>(other[i]) + (1 - alpha) * static_cast<double>(own[i]));
    }
    batch[n] = Sample{ fused, label, {}, {} };
  }
}

void
SelfFuseBatch(std::vector<Sample> & batch, const VolumeFusionOptions & options, PythonRandom & random)
{
  const std::vector<Tensor> images = GetImages(batch);
  for (std::size_t n = 0; n < batch.size(); ++n)
  {
    const Shape size = batch[n].GetSize();
    const auto grid = ShuffledVolumeFusionGrid::Draw(random, options, size);
    Tensor fused(images[n].GetShape());
    Tensor label(images[n].GetShape(), DataType::Int32);
    const float * pixels = images[n].GetData<float>();
    grid.Apply(pixels, pixels, size, options.classes, fused.GetData<float>(), label.GetData<std::int32_t>());
    batch[n] = Sample{ fused, label, {}, {} };
  }
}

void
NonlinearFuseBatch(std::vector<Sample> & batch, const VolumeFusionBatchOptions & options, PythonRandom & random)
{
  options.Check();
  const std::vector<Tensor> images = GetImages(batch);
  const Shape size = batch.front().GetSize();
  const MappedImages mapped = MapTwice(images, random);
  const std::int64_t count = random.Integer(options.minimumCount, options.maximumCount);
  for (std::size_t n = 0; n < batch.size(); ++n)
  {
    Tensor fused = mapped.first[n];
    Tensor label = Tensor::Zeros(images[n].GetShape(), DataType::Int32);
    float * output = fused.GetData<float>();
    auto * labels = label.GetData<std::int32_t>();
    const float * own = mapped.second[n].GetData<float>();
    const float * other = mapped.second[(n + batch.size() - 1) % batch.size()].GetData<float>();
    for (std::int64_t i = 0; i < count; ++i)
    {
      const Block block = DrawBlock(options, size, random);
      const bool isOther = random.Random() < 0.5;
      ForEachPixel(block,
                   size,
                   -1,
                   [&](std::int64_t pixel, std::int64_t)
                   {
                     output[pixel] = isOther ? other[pixel] : own[pixel];
                     labels[pixel] = isOther ? 2 : 1;
                   });
    }
    batch[n] = Sample{ fused, label, {}, {} };
  }
}

void
AugmentedFuseBatch(std::vector<Sample> & batch, const VolumeFusionBatchOptions & options, PythonRandom & random)
{
  options.Check();
  const std::vector<Tensor> images = GetImages(batch);
  const Shape size = batch.front().GetSize();
  const MappedImages mapped = MapTwice(images, random);
  for (std::size_t n = 0; n < batch.size(); ++n)
  {
    const float * own = mapped.second[n].GetData<float>();
    const float * changed = mapped.first[n].GetData<float>();
    const float * other = mapped.first[(n + batch.size() - 1) % batch.size()].GetData<float>();
    Tensor fused = mapped.second[n].Clone();
    Tensor label = Tensor::Zeros(images[n].GetShape(), DataType::Int32);
    float * output = fused.GetData<float>();
    auto * labels = label.GetData<std::int32_t>();
    const auto fill = [&](const Block & block)
    {
      const double part = random.Random();
      // 5 and more mean that the block stays.
      const auto number = static_cast<std::int32_t>(part / 0.15) + 1;
      if (number > 4)
      {
        return;
      }
      const bool isMirrored = number == 2 || number == 3;
      const int axis = isMirrored ? static_cast<int>(random.Integer(-3, -1)) + 3 : -1;
      const float * source = number == 2 ? own : number == 4 ? other : changed;
      ForEachPixel(block,
                   size,
                   axis,
                   [&](std::int64_t pixel, std::int64_t from)
                   {
                     output[pixel] = source[from];
                     labels[pixel] = number;
                   });
    };
    const Shape extents = DrawExtents(options, random);
    Shape offset;
    Shape count;
    for (std::size_t axis = 0; axis < 3; ++axis)
    {
      offset.push_back(random.Integer(0, extents[axis] / 2));
      count.push_back(std::max<std::int64_t>(2 * (size[axis] - offset[axis]) + extents[axis], 0) / (2 * extents[axis]));
    }
    for (std::int64_t i = 0; i < NumberOfElements(count); ++i)
    {
      const Shape place{ i / count[2] / count[1], i / count[2] % count[1], i % count[2] };
      Block block;
      for (std::size_t axis = 0; axis < 3; ++axis)
      {
        block.start.push_back(offset[axis] + place[axis] * extents[axis]);
        block.end.push_back(std::min(block.start[axis] + extents[axis], size[axis]));
      }
      fill(block);
    }
    batch[n] = Sample{ fused, label, {}, {} };
  }
}
} // namespace nn
} // namespace itk
