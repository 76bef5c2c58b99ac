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

#include "itkNNSafeTensors.h"
#include "itkNNTestGoldens.h"
#include "itkNNTestHelpers.h"

#include <algorithm>
#include <cmath>

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
struct Variant
{
  const char * name;
  ResizeBoundary boundary;
};

constexpr Variant variants[] = { { "edge", ResizeBoundary::Edge },
                                 { "skimage026", ResizeBoundary::Zeros },
                                 { "nd014", ResizeBoundary::ZeroOutside } };

double
LargestDifference(const Tensor & a, const Tensor & b)
{
  const auto x = a.ToVector<double>();
  const auto y = b.ToVector<double>();
  double largest = x.size() == y.size() ? 0 : INFINITY;
  for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i)
  {
    const double difference = std::abs(x[i] - y[i]);
    // What is no number is the largest difference.
    largest = difference <= largest ? largest : difference;
  }
  return largest;
}

Tensor
Row(const std::vector<double> & values)
{
  return Tensor::FromVector<double>({ 1, 1, static_cast<std::int64_t>(values.size()) }, values);
}
} // namespace

TEST(VolumeResize, Goldens)
{
  ITK_NN_REQUIRE_GOLDEN("u2net/proc/small_ops.safetensors");
  const StateDict tensors = ReadSafeTensors(FindGolden("u2net/proc/small_ops.safetensors")).tensors;
  const auto withChannel = [](const Tensor & volume)
  {
    Shape shape = volume.GetShape();
    shape.insert(shape.begin(), 1);
    return volume.Reshape(shape);
  };
  const Tensor input = withChannel(tensors.Get("resize_in"));
  const Tensor labels = withChannel(tensors.Get("resize_label_in"));
  for (const std::string kind : { "up", "down", "mixed" })
  {
    for (const Variant & variant : variants)
    {
      const Tensor & expected = tensors.Get("resize_" + kind + '_' + variant.name);
      const Tensor resized = ResizeCubic(input, expected.GetShape(), variant.boundary);
      EXPECT_EQ(resized.GetDataType(), DataType::Float64);
      EXPECT_LT(LargestDifference(resized, expected), 1e-9) << kind << ' ' << variant.name;
      EXPECT_EQ(ResizeCubic(input, expected.GetShape(), variant.boundary, 3).ToVector<double>(),
                resized.ToVector<double>());
      const Tensor single = ResizeCubic(input.To(DataType::Float32), expected.GetShape(), variant.boundary);
      EXPECT_EQ(single.GetDataType(), DataType::Float32);
      EXPECT_LT(LargestDifference(single, expected), 1e-6) << kind << ' ' << variant.name;
      const std::string labelName = "resize_" + kind + "_label_" + variant.name;
      if (variant.boundary == ResizeBoundary::Edge)
      {
        EXPECT_EQ(ResizeNearest(labels, expected.GetShape()).ToVector<float>(),
                  ResizeNearest(labels, expected.GetShape(), ResizeBoundary::Zeros).ToVector<float>());
        continue;
      }
      EXPECT_EQ(ResizeNearest(labels, expected.GetShape(), variant.boundary).ToVector<float>(),
                tensors.Get(labelName).ToVector<float>())
        << labelName;
    }
  }
}

TEST(VolumeResize, OfEachExtent)
{
  // One voxel goes on for ever; of zeros around it splines are lower on both sides alike.
  EXPECT_EQ(ResizeCubic(Row({ 3 }), { 1, 3 }).ToVector<double>(), (std::vector<double>{ 3, 3, 3 }));
  const auto lump = ResizeCubic(Row({ 3 }), { 1, 3 }, ResizeBoundary::Zeros).ToVector<double>();
  EXPECT_NEAR(lump[1], 3, 1e-12);
  EXPECT_NEAR(lump[0], lump[2], 1e-12);
  EXPECT_LT(lump[0], 3);
  EXPECT_GT(lump[0], 1);
  EXPECT_EQ(ResizeCubic(Row({ 3 }), { 1, 3 }, ResizeBoundary::ZeroOutside).ToVector<double>(),
            (std::vector<double>{ 0, 3, 0 }));
  EXPECT_EQ(ResizeCubic(Row({ 3 }), { 1, 2 }, ResizeBoundary::ZeroOutside).ToVector<double>(),
            (std::vector<double>{ 0, 0 }));
  // A middle, by hand: the spline of 0 0 1 1 with edges that go on is 1/2 half way.
  const auto step = ResizeCubic(Row({ 0, 0, 1, 1 }), { 1, 1 }).ToVector<double>();
  EXPECT_NEAR(step[0], 0.5, 1e-12);
  // Nothing changes at the same size.
  const Tensor random = RandomTensor({ 2, 3, 4, 5 }, 7);
  for (const Variant & variant : variants)
  {
    EXPECT_EQ(ResizeCubic(random, { 3, 4, 5 }, variant.boundary).ToVector<double>(), random.ToVector<double>());
    EXPECT_EQ(ResizeNearest(random, { 3, 4, 5 }, variant.boundary).ToVector<double>(), random.ToVector<double>());
  }
  // Wider than a block of columns.
  const Tensor wide = RandomTensor({ 1, 5, 131 }, 8);
  const Tensor resized = ResizeCubic(wide, { 9, 131 });
  const Tensor turned = ResizeCubic(wide.Permute({ 0, 2, 1 }), { 131, 9 });
  EXPECT_LT(LargestDifference(resized, turned.Permute({ 0, 2, 1 })), 1e-12);
}

TEST(VolumeResize, ChannelsKeepTheirRanges)
{
  const Tensor input = Tensor::FromVector<double>({ 2, 1, 6 }, { 1, 1, 1, 9, 9, 9, -2, -2, -2, -1, -1, -1 });
  for (const ResizeBoundary boundary : { ResizeBoundary::Edge, ResizeBoundary::ZeroOutside })
  {
    const auto values = ResizeCubic(input, { 1, 17 }, boundary).ToVector<double>();
    const auto isWithin = [&](std::size_t first, double low, double high)
    {
      return std::all_of(values.begin() + static_cast<std::ptrdiff_t>(first),
                         values.begin() + static_cast<std::ptrdiff_t>(first) + 17,
                         [&](double value) { return (value >= low && value <= high) || value == 0; });
    };
    EXPECT_TRUE(isWithin(0, 1, 9));
    EXPECT_TRUE(isWithin(17, -2, -1));
    EXPECT_EQ(*std::max_element(values.begin(), values.end()), 9);
  }
  const auto zeros = ResizeCubic(input, { 1, 17 }, ResizeBoundary::Zeros).ToVector<double>();
  EXPECT_GT(*std::min_element(zeros.begin(), zeros.begin() + 17), 0);
  EXPECT_LT(*std::min_element(zeros.begin(), zeros.begin() + 17), 1);
}

TEST(VolumeResize, NearestOfAnyType)
{
  const Tensor bytes = Tensor::FromVector<std::uint8_t>({ 1, 2, 2 }, { 1, 2, 3, 4 });
  EXPECT_EQ(ResizeNearest(bytes, { 2, 4 }).ToVector<int>(), (std::vector<int>{ 1, 1, 2, 2, 3, 3, 4, 4 }));
  EXPECT_EQ(ResizeNearest(bytes, { 1, 1 }).ToVector<int>(), (std::vector<int>{ 4 }));
  EXPECT_EQ(ResizeNearest(bytes, { 2, 4 }, ResizeBoundary::ZeroOutside).ToVector<int>(),
            (std::vector<int>{ 0, 1, 2, 0, 0, 3, 4, 0 }));
  EXPECT_EQ(ResizeNearest(bytes, { 2, 4 }).GetDataType(), DataType::UInt8);
}

TEST(VolumeResize, Errors)
{
  const Tensor row = Tensor::Zeros({ 1, 1, 3 });
  EXPECT_NN_ERROR(ResizeCubic(row, { 3 }), "[1, 1, 3] to the size [3]; should be");
  EXPECT_NN_ERROR(ResizeCubic(row, { 1, 1, 1 }), "should be");
  EXPECT_NN_ERROR(ResizeCubic(row, { 0, 2 }), "no extent should be 0");
  EXPECT_NN_ERROR(ResizeCubic(row.To(DataType::Int32), { 2, 2 }), "the input is int32; should be float32 or float64");
  EXPECT_NN_ERROR(ResizeCubic(Tensor(), { 2, 2 }), "Resize");
  EXPECT_NN_ERROR(ResizeNearest(row, { 0, 2 }), "no extent should be 0");
  EXPECT_NN_ERROR(ResizeNearest(Tensor(), { 2, 2 }), "should be");
}
