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
#include "itkNNVolumeSampling.h"

#include "itkNNTestHelpers.h"
#include "itkNNVolumeResize.h"

#include <algorithm>
#include <cmath>

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
using Place = std::vector<double>;

/** [3, 1, 1, places] */
Tensor
MakeCoordinates(const std::vector<Place> & places)
{
  const auto count = static_cast<std::int64_t>(places.size());
  Tensor coordinates({ 3, 1, 1, count }, DataType::Float64);
  for (std::int64_t axis = 0; axis < 3; ++axis)
  {
    for (std::int64_t i = 0; i < count; ++i)
    {
      coordinates.GetData<double>()[axis * count + i] =
        places[static_cast<std::size_t>(i)][static_cast<std::size_t>(axis)];
    }
  }
  return coordinates;
}
} // namespace

TEST(VolumeSampling, SplinesGoThroughTheVoxels)
{
  const Tensor volume = RandomTensor({ 2, 4, 3, 5 }, 1);
  const auto values = SampleCubic(volume, MakeCoordinates({ { 0, 0, 0 }, { 3, 2, 4 }, { 2, 1, 3 } }));
  EXPECT_EQ(values.GetShape(), (Shape{ 2, 1, 1, 3 }));
  const auto sampled = values.ToVector<double>();
  const auto voxels = volume.ToVector<double>();
  const std::vector<std::size_t> places{ 0, 59, 38 };
  for (std::size_t i = 0; i < 3; ++i)
  {
    EXPECT_NEAR(sampled[i], voxels[places[i]], 1e-12);
    EXPECT_NEAR(sampled[i + 3], voxels[60 + places[i]], 1e-12);
  }
}

TEST(VolumeSampling, AsResizingWithTheSameSplines)
{
  const Tensor volume = RandomTensor({ 1, 7, 40, 2 }, 2);
  const Shape size{ 10, 90, 5 };
  const auto resized = ResizeCubic(volume, size, ResizeBoundary::ZeroOutside).ToVector<double>();
  Tensor coordinates({ 3, size[0], size[1], size[2] }, DataType::Float64);
  double * place = coordinates.GetData<double>();
  for (std::size_t axis = 0; axis < 3; ++axis)
  {
    for (std::int64_t i = 0; i < NumberOfElements(size); ++i, ++place)
    {
      const std::int64_t index[] = { i / (size[1] * size[2]), i / size[2] % size[1], i % size[2] };
      *place = (static_cast<double>(index[axis]) + 0.5) * static_cast<double>(volume.GetShape()[axis + 1]) /
                 static_cast<double>(size[axis]) -
               0.5;
    }
  }
  const auto sampled = SampleCubic(volume, coordinates).ToVector<double>();
  const auto voxels = volume.ToVector<double>();
  const auto range = std::minmax_element(voxels.begin(), voxels.end());
  for (std::size_t i = 0; i < resized.size(); ++i)
  {
    ASSERT_NEAR(std::clamp(sampled[i], *range.first, *range.second), resized[i], 1e-12) << i;
  }
  const Tensor single = SampleCubic(volume.To(DataType::Float32), coordinates);
  EXPECT_EQ(single.GetDataType(), DataType::Float32);
  for (std::size_t i = 0; i < resized.size(); ++i)
  {
    ASSERT_NEAR(single.ToVector<double>()[i], sampled[i], 1e-6) << i;
  }
}

TEST(VolumeSampling, OfAPartAsOfTheWhole)
{
  const Tensor volume = RandomTensor({ 1, 70, 80, 90 }, 3, -1000, 1000);
  std::vector<Place> places;
  for (const double offset : { 0.25, 1.5, 2.75 })
  {
    places.push_back({ 34 + offset, 40 - offset, 45 + offset });
  }
  const auto part = SampleCubic(volume, MakeCoordinates(places)).ToVector<double>();
  places.push_back({ 0, 0, 0 });
  places.push_back({ 69, 79, 89 });
  const auto whole = SampleCubic(volume, MakeCoordinates(places)).ToVector<double>();
  for (std::size_t i = 0; i < part.size(); ++i)
  {
    EXPECT_NEAR(part[i], whole[i], 1e-9);
  }
}

TEST(VolumeSampling, ZeroOutside)
{
  const Tensor volume = RandomTensor({ 1, 3, 1, 4 }, 4, 1, 2);
  const std::vector<Place> outside{ { -1e-9, 0, 1 },     { 2 + 1e-9, 0, 1 }, { 1, 1e-9, 1 }, { 1, 0, 3.001 },
                                    { 1, 0, -INFINITY }, { INFINITY, 0, 1 }, { NAN, 0, 1 },  { 1, 0, 1e300 } };
  const Tensor coordinates = MakeCoordinates(outside);
  const std::vector<double> zeros(outside.size(), 0);
  EXPECT_EQ(SampleCubic(volume, coordinates).ToVector<double>(), zeros);
  EXPECT_EQ(SampleNearest(volume, coordinates).ToVector<double>(), zeros);
  auto places = outside;
  places.push_back({ 2, 0, 3 });
  EXPECT_NEAR(
    SampleCubic(volume, MakeCoordinates(places)).ToVector<double>().back(), volume.ToVector<double>().back(), 1e-12);
  EXPECT_EQ(SampleNearest(volume, MakeCoordinates(places)).ToVector<double>().back(), volume.ToVector<double>().back());
}

TEST(VolumeSampling, NearestOfAnyType)
{
  const Tensor coordinates = MakeCoordinates({ { 0.5, 0, 0 }, { 0.4999, 0, 1.5 }, { 1, 0, 0.5 } });
  const Tensor bytes = Tensor::FromVector<std::uint8_t>({ 2, 2, 1, 3 }, { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 });
  for (const DataType type :
       { DataType::UInt8, DataType::Int16, DataType::Int32, DataType::Float32, DataType::Float64 })
  {
    const Tensor sampled = SampleNearest(bytes.To(type), coordinates);
    EXPECT_EQ(sampled.GetDataType(), type);
    EXPECT_EQ(sampled.ToVector<int>(), (std::vector<int>{ 4, 3, 5, 10, 9, 11 })) << ToString(type);
  }
}

TEST(VolumeSampling, Errors)
{
  const Tensor volume = Tensor::Zeros({ 1, 2, 2, 2 });
  const Tensor coordinates = MakeCoordinates({ { 0, 0, 0 } });
  EXPECT_NN_ERROR(SampleCubic(Tensor(), coordinates), "should be [C, D, H, W]");
  EXPECT_NN_ERROR(SampleCubic(Tensor::Zeros({ 2, 2, 2 }), coordinates), "an input of shape [2, 2, 2]; should be");
  EXPECT_NN_ERROR(SampleNearest(Tensor::Zeros({ 1, 2, 0, 2 }), coordinates), "not empty");
  EXPECT_NN_ERROR(SampleCubic(volume.To(DataType::Int32), coordinates), "int32; should be float32 or float64");
  EXPECT_NN_ERROR(SampleCubic(volume, coordinates.To(DataType::Float32)), "float32 of shape [3, 1, 1, 1]; should be");
  EXPECT_NN_ERROR(SampleNearest(volume, Tensor()), "not there");
  EXPECT_NN_ERROR(SampleNearest(volume, Tensor::Zeros({ 2, 1, 1, 1 }, DataType::Float64)), "float64 of [3, D, H, W]");
}
