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
#include "itkNNWindowMerger.h"

#include "itkNNTestHelpers.h"
#include "itkNNTestDifference.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

using namespace itk::nn;
using test::MaximumDifference;

namespace
{
WindowOptions
MakeOptions(WindowPlacement placement, const Shape & window, const Shape & stride = {})
{
  WindowOptions options;
  options.placement = placement;
  options.window = window;
  options.stride = stride;
  return options;
}

/** Logits of a window: of no regularity, the same for the same window. */
Tensor
MakeLogits(const WindowLayout & layout, std::int64_t number, std::int64_t channels)
{
  Shape shape{ channels };
  shape.insert(shape.end(), layout.window.begin(), layout.window.end());
  return test::RandomTensor(shape, static_cast<std::uint32_t>(number + 1), -5, 5).To(DataType::Float32);
}

/** Goes to the next index; false after the last. */
bool
Next(Shape & index, const Shape & extents)
{
  for (std::size_t axis = extents.size(); axis-- > 0;)
  {
    if (++index[axis] < extents[axis])
    {
      return true;
    }
    index[axis] = 0;
  }
  return false;
}

/** [channels, image...]: the definition, in double precision. */
Tensor
MergeNaively(const WindowLayout & layout, const WindowWeights & weights, std::int64_t channels)
{
  Shape shape{ channels };
  shape.insert(shape.end(), layout.image.begin(), layout.image.end());
  Tensor sums = Tensor::Zeros(shape, DataType::Float64);
  Tensor total = Tensor::Zeros(shape, DataType::Float64);
  const Tensor map = weights.ToTensor();
  for (std::int64_t number = 0; number < layout.GetNumberOfWindows(); ++number)
  {
    const auto window = layout.GetWindow(number);
    const Tensor logits = MakeLogits(layout, number, channels);
    Shape index(layout.window.size(), 0);
    do
    {
      Shape target{ 0 };
      Shape source{ 0 };
      bool isInside = true;
      for (std::size_t axis = 0; axis < index.size(); ++axis)
      {
        target.push_back(window.start[axis] + index[axis]);
        source.push_back(index[axis]);
        isInside = isInside && target.back() >= 0 && target.back() < layout.image[axis];
      }
      const double weight = static_cast<double>(window.multiplicity) * map.GetElement(index);
      for (std::int64_t channel = 0; channel < channels && isInside; ++channel)
      {
        target[0] = channel;
        source[0] = channel;
        sums.SetElement(target, sums.GetElement(target) + weight * logits.GetElement(source));
        total.SetElement(target, total.GetElement(target) + weight);
      }
    }
    while (Next(index, layout.window));
  }
  for (std::int64_t i = 0; i < sums.GetNumberOfElements(); ++i)
  {
    sums.GetData<double>()[i] /= total.GetData<double>()[i];
  }
  return sums;
}

/** Merges a region and checks that rows come in order, each once. */
Tensor
Merge(const WindowLayout & layout, const WindowWeights & weights, std::int64_t channels, const WindowRegion & region)
{
  Shape shape{ channels };
  shape.insert(shape.end(), region.size.begin(), region.size.end());
  Tensor result(shape);
  std::int64_t next = region.start[0];
  WindowMerger merger(
    layout,
    weights,
    channels,
    [&](std::int64_t firstRow, const Tensor & logits)
    {
      EXPECT_EQ(firstRow, next);
      const std::int64_t first = firstRow - region.start[0];
      result.Slice(1, first, first + logits.GetShape()[1]).CopyFrom(logits);
      next += logits.GetShape()[1];
    },
    region);
  for (const std::int64_t number : merger.GetWindows())
  {
    EXPECT_FALSE(merger.IsComplete());
    merger.Add(MakeLogits(layout, number, channels));
    // All rows that no window to come touches were passed on.
    std::int64_t finished = region.start[0] + region.size[0];
    if (!merger.IsComplete())
    {
      const std::int64_t following = merger.GetWindows()[merger.GetNumberOfAddedWindows()];
      finished = std::max(region.start[0], layout.GetWindow(following).start[0]);
    }
    EXPECT_EQ(next, finished);
  }
  EXPECT_TRUE(merger.IsComplete());
  return result;
}

struct MergerCase
{
  Shape image;
  WindowOptions options;
};

std::vector<MergerCase>
MakeCases()
{
  using P = WindowPlacement;
  return { { { 13 }, MakeOptions(P::PyMIC, { 5 }, { 3 }) },
           { { 4 }, MakeOptions(P::MONAI, { 7 }) },
           { { 13, 9 }, MakeOptions(P::PyMIC, { 6, 4 }, { 2, 4 }) },
           { { 13, 9 }, MakeOptions(P::MONAI, { 6, 12 }) },
           { { 13, 9 }, MakeOptions(P::NnUNet, { 6, 5 }) },
           { { 11, 9, 10 }, MakeOptions(P::PyMIC, { 5, 9, 4 }, { 3, 9, 2 }) },
           { { 3, 9, 10 }, MakeOptions(P::MONAI, { 6, 4, 5 }) },
           { { 11, 9, 4 }, MakeOptions(P::NnUNet, { 5, 4, 7 }) },
           { { 4, 5, 6 }, MakeOptions(P::PyMIC, { 8, 8, 8 }, { 4, 4, 4 }) },
           { { 13, 9 }, MakeOptions(P::U2Net, { 6, 4 }) },
           { { 11, 3, 10 }, MakeOptions(P::U2Net, { 4, 6, 5 }) } };
}
} // namespace

TEST(WindowMerger, GivesTheWeightedMean)
{
  for (const MergerCase & entry : MakeCases())
  {
    const WindowLayout layout = PlaceWindows(entry.image, entry.options);
    for (const auto blending : { WindowBlending::Constant, WindowBlending::Gaussian })
    {
      const auto weights = WindowWeights::Make(entry.options.placement, blending, layout.window);
      const Tensor merged = Merge(layout, weights, 3, { Shape(entry.image.size(), 0), entry.image });
      EXPECT_LE(MaximumDifference(merged, MergeNaively(layout, weights, 3)), 4e-6)
        << ToString(entry.image) << ' ' << static_cast<int>(entry.options.placement);
    }
  }
}

TEST(WindowMerger, RegionsAreTheWholeBitByBit)
{
  for (const MergerCase & entry : MakeCases())
  {
    const WindowLayout layout = PlaceWindows(entry.image, entry.options);
    for (const auto blending : { WindowBlending::Constant, WindowBlending::Gaussian })
    {
      const auto weights = WindowWeights::Make(entry.options.placement, blending, layout.window);
      const Tensor whole = Merge(layout, weights, 2, { Shape(entry.image.size(), 0), entry.image });
      for (const std::int64_t part : { 1, 2, 3 })
      {
        WindowRegion region;
        Tensor expected = whole;
        for (std::size_t axis = 0; axis < entry.image.size(); ++axis)
        {
          const std::int64_t size = std::max<std::int64_t>(1, entry.image[axis] / (part + 1));
          region.size.push_back(size);
          region.start.push_back((entry.image[axis] - size) / part);
          expected =
            expected.Slice(static_cast<int>(axis) + 1, region.start.back(), region.start.back() + region.size.back());
        }
        EXPECT_EQ(Merge(layout, weights, 2, region).ToVector<float>(), expected.ToVector<float>())
          << ToString(entry.image) << ToString(region.start) << ToString(region.size);
      }
    }
  }
}

TEST(WindowMerger, OneWindowIsPassedOnAsItIs)
{
  const WindowLayout layout = PlaceWindows({ 4, 5, 6 }, MakeOptions(WindowPlacement::NnUNet, { 8, 5, 6 }));
  const auto weights = WindowWeights::Make(WindowPlacement::NnUNet, WindowBlending::Gaussian, layout.window);
  const Tensor merged = Merge(layout, weights, 2, { { 0, 0, 0 }, { 4, 5, 6 } });
  EXPECT_EQ(merged.ToVector<float>(), MakeLogits(layout, 0, 2).Slice(1, 2, 6).ToVector<float>());
}

TEST(WindowMerger, HoldsNoMoreRowsThanAWindow)
{
  std::int64_t most = 0;
  const WindowLayout layout = PlaceWindows({ 200, 6 }, MakeOptions(WindowPlacement::MONAI, { 16, 6 }));
  const auto weights = WindowWeights::Make(WindowPlacement::MONAI, WindowBlending::Gaussian, layout.window);
  WindowMerger merger(
    layout, weights, 1, [&](std::int64_t, const Tensor & logits) { most = std::max(most, logits.GetShape()[1]); });
  for (const std::int64_t number : merger.GetWindows())
  {
    merger.Add(MakeLogits(layout, number, 1));
  }
  EXPECT_EQ(merger.GetMaximumNumberOfRows(), 16);
  EXPECT_LE(most, 16);

  const WindowMerger ofRegion(layout, weights, 1, [](std::int64_t, const Tensor &) {}, { { 20, 1 }, { 3, 2 } });
  EXPECT_EQ(ofRegion.GetMaximumNumberOfRows(), 3);
}

TEST(WindowMerger, PassesOnBlocksOfABoundedSize)
{
  // Rows of 4 MiB.
  const WindowLayout layout = PlaceWindows({ 7, 512, 512 }, MakeOptions(WindowPlacement::MONAI, { 7, 512, 512 }));
  const auto weights = WindowWeights::Make(WindowPlacement::MONAI, WindowBlending::Constant, layout.window);
  std::vector<std::int64_t> rows;
  WindowMerger merger(
    layout, weights, 4, [&](std::int64_t, const Tensor & logits) { rows.push_back(logits.GetShape()[1]); });
  merger.Add(Tensor::Zeros({ 4, 7, 512, 512 }));
  EXPECT_EQ(rows, (std::vector<std::int64_t>{ 2, 2, 2, 1 }));
}

TEST(WindowMerger, ThreadsChangeNothing)
{
  const WindowLayout layout = PlaceWindows({ 11, 9, 10 }, MakeOptions(WindowPlacement::NnUNet, { 5, 4, 6 }));
  const auto weights = WindowWeights::Make(WindowPlacement::NnUNet, WindowBlending::Gaussian, layout.window);
  const auto merge = [&](unsigned int threads)
  {
    std::vector<float> values;
    WindowMerger merger(
      layout,
      weights,
      3,
      [&](std::int64_t, const Tensor & logits)
      {
        const auto block = logits.ToVector<float>();
        values.insert(values.end(), block.begin(), block.end());
      },
      {},
      threads);
    for (const std::int64_t number : merger.GetWindows())
    {
      merger.Add(MakeLogits(layout, number, 3));
    }
    return values;
  };
  EXPECT_EQ(merge(1), merge(3));
}

TEST(WindowMerger, ConvertsOtherTypes)
{
  const WindowLayout layout = PlaceWindows({ 3 }, MakeOptions(WindowPlacement::PyMIC, { 3 }, { 3 }));
  const auto weights = WindowWeights::Make(WindowPlacement::PyMIC, WindowBlending::Constant, layout.window);
  std::vector<float> merged;
  WindowMerger merger(
    layout, weights, 1, [&](std::int64_t, const Tensor & logits) { merged = logits.ToVector<float>(); });
  merger.Add(Tensor::FromVector({ 1, 3 }, std::vector<double>{ 1, 2.5, -3 }));
  EXPECT_EQ(merged, (std::vector<float>{ 1, 2.5, -3 }));
}

TEST(WindowMerger, BadArgumentsAreErrors)
{
  const WindowLayout layout = PlaceWindows({ 8, 9 }, MakeOptions(WindowPlacement::MONAI, { 4, 4 }));
  const auto weights = WindowWeights::Make(WindowPlacement::MONAI, WindowBlending::Constant, layout.window);
  const auto ignore = [](std::int64_t, const Tensor &) {};
  EXPECT_NN_ERROR(WindowMerger(WindowLayout{}, weights, 1, ignore), "0 axes; should have 1, 2 or 3");
  EXPECT_NN_ERROR(WindowMerger(layout, weights, 0, ignore), "the number of channels is 0");
  EXPECT_NN_ERROR(WindowMerger(layout, weights, 1, nullptr), "the output is empty");
  EXPECT_NN_ERROR(WindowMerger(layout, weights, 1, ignore, { { 0, 0 }, { 9, 9 } }), "should have pixels");
  const auto others = WindowWeights::Make(WindowPlacement::MONAI, WindowBlending::Constant, { 4, 5 });
  EXPECT_NN_ERROR(WindowMerger(layout, others, 1, ignore), "those of a window [4, 5]; should be of [4, 4]");

  WindowMerger merger(layout, weights, 2, ignore);
  EXPECT_NN_ERROR(merger.Add(Tensor()), "the logits are undefined; should be [2, 4, 4]");
  EXPECT_NN_ERROR(merger.Add(Tensor({ 2, 4, 5 })), "the logits are [2, 4, 5]; should be [2, 4, 4]");
  EXPECT_EQ(merger.GetNumberOfAddedWindows(), 0U);
  for (std::size_t i = 0; i < merger.GetWindows().size(); ++i)
  {
    merger.Add(Tensor::Zeros({ 2, 4, 4 }));
  }
  EXPECT_NN_ERROR(merger.Add(Tensor::Zeros({ 2, 4, 4 })), "windows have been added; should be no more");
}
