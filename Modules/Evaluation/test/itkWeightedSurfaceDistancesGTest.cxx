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
#include "itkWeightedSurfaceDistances.h"

#include "itkNNSafeTensors.h"
#include "itkNNTestGoldens.h"
#include "itkNNTestHelpers.h"

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

using itk::ComputeWeightedSurfaceDistances;
using itk::WeightedSurfaceDistances;

namespace
{
using Mask = itk::Image<unsigned char, 3>;

/** \param size x, y, z, as the spacing. */
Mask::Pointer
MakeMask(const Mask::SizeType & size, const std::vector<double> & spacing = { 1, 1, 1 })
{
  const auto mask = Mask::New();
  mask->SetRegions(size);
  mask->SetSpacing(spacing.data());
  mask->Allocate(true);
  return mask;
}

Mask::Pointer
ToMask(const itk::nn::Tensor & tensor, std::vector<double> spacing)
{
  const auto & shape = tensor.GetShape();
  std::reverse(spacing.begin(), spacing.end());
  const auto mask = MakeMask({ { static_cast<itk::SizeValueType>(shape[2]),
                                 static_cast<itk::SizeValueType>(shape[1]),
                                 static_cast<itk::SizeValueType>(shape[0]) } },
                             spacing);
  const auto values = tensor.ToVector<int>();
  std::copy(values.begin(), values.end(), mask->GetBufferPointer());
  return mask;
}

double
GetArea(const std::vector<WeightedSurfaceDistances::Piece> & pieces)
{
  return std::accumulate(
    pieces.begin(), pieces.end(), 0.0, [](double sum, const auto & piece) { return sum + piece.area; });
}

/** Of a mask of one cube of eight voxels: its corner cubes have its parts.
 * \param voxels x in the lowest bit. */
double
GetAreaOf(unsigned int voxels)
{
  const auto mask = MakeMask({ { 2, 2, 2 } });
  for (unsigned int i = 0; i < 8; ++i)
  {
    mask->GetBufferPointer()[i] = voxels >> i & 1;
  }
  return GetArea(ComputeWeightedSurfaceDistances(*mask, *mask).fromPrediction);
}
} // namespace

TEST(WeightedSurfaceDistances, GoldensOfHermes)
{
  const std::string folder = "hermes/metrics/";
  ITK_NN_REQUIRE_GOLDEN(folder + "io.safetensors");
  const auto tensors = itk::nn::ReadSafeTensors(itk::nn::test::FindGolden(folder + "io.safetensors")).tensors;
  const auto golden = nlohmann::json::parse(itk::nn::test::ReadText(itk::nn::test::FindGolden(folder + "config.json")));
  for (const char * name : { "surface", "surface_iso" })
  {
    const auto & expected = golden.at(name);
    const auto spacing = expected.at("spacing_zyx").get<std::vector<double>>();
    for (std::int64_t k = 0; k < 2; ++k)
    {
      const auto distances = ComputeWeightedSurfaceDistances(*ToMask(tensors.Get("pred").Select(0, k), spacing),
                                                             *ToMask(tensors.Get("gt").Select(0, k), spacing));
      const auto row = static_cast<std::size_t>(k);
      EXPECT_NEAR(distances.GetAverage(), expected.at("asd")[row].get<double>(), 1e-5) << name << k;
      EXPECT_NEAR(distances.GetHausdorff(0.95), expected.at("hd95")[row].get<double>(), 1e-5) << name << k;
      if (k == 1 && spacing[0] == 2.5)
      {
        const auto & detail = golden.at("detail_class1");
        EXPECT_EQ(distances.fromReference.size(), detail.at("n_gt").get<std::size_t>());
        EXPECT_EQ(distances.fromPrediction.size(), detail.at("n_pred").get<std::size_t>());
        EXPECT_NEAR(GetArea(distances.fromReference), detail.at("area_gt").get<double>(), 1e-4);
        EXPECT_NEAR(GetArea(distances.fromPrediction), detail.at("area_pred").get<double>(), 1e-4);
        EXPECT_NEAR(distances.GetHausdorff(1), detail.at("hd100").get<double>(), 1e-5);
      }
    }
  }
}

TEST(WeightedSurfaceDistances, AreasOfSmallMasks)
{
  // Eight triangles around a voxel, each half of an equilateral one of sides sqrt(1/2).
  const double one = 8 * std::sqrt(3.0) / 8;
  EXPECT_NEAR(GetAreaOf(0b1), one, 1e-12);
  // Two that touch at a corner or across a face are two.
  EXPECT_NEAR(GetAreaOf(0b10000001), 2 * one, 1e-12);
  EXPECT_NEAR(GetAreaOf(0b1001), 2 * one, 1e-12);
  // A rod: triangles at both ends and four slopes between.
  EXPECT_NEAR(GetAreaOf(0b11), one + 4 * std::sqrt(0.5), 1e-12);
  EXPECT_EQ(GetAreaOf(0), 0);
  // An L is a fan, whose area is that of the mask turned.
  const auto turn = [](unsigned int voxels)
  {
    unsigned int turned = 0;
    for (unsigned int i = 0; i < 8; ++i)
    {
      // x, y, z become y, z, x.
      const unsigned int j = (i & 1) << 2 | (i >> 1 & 1) | (i >> 2 & 1) << 1;
      turned |= (voxels >> i & 1) << j;
    }
    return turned;
  };
  for (const unsigned int voxels : { 0b111U, 0b10110U, 0b11111U, 0b11111000U })
  {
    EXPECT_NEAR(GetAreaOf(turn(voxels)), GetAreaOf(voxels), 1e-12);
    EXPECT_NEAR(GetAreaOf(turn(turn(voxels))), GetAreaOf(voxels), 1e-12);
  }
  for (unsigned int voxels = 1; voxels < 256; ++voxels)
  {
    EXPECT_GT(GetAreaOf(voxels), one - 1e-12) << voxels;
  }
}

TEST(WeightedSurfaceDistances, DistancesInSpace)
{
  const auto a = MakeMask({ { 9, 6, 5 } }, { 2, 3, 4 });
  const auto b = MakeMask({ { 9, 6, 5 } }, { 2, 3, 4 });
  a->SetPixel({ { 1, 2, 2 } }, 1);
  b->SetPixel({ { 6, 2, 2 } }, 7);
  const auto distances = ComputeWeightedSurfaceDistances(*a, *b);
  ASSERT_EQ(distances.fromPrediction.size(), 8U);
  // Four cubes are 10 - 2 mm from the other voxel's, four 10.
  EXPECT_NEAR(distances.fromPrediction[0].distance, 8, 1e-12);
  EXPECT_NEAR(distances.fromPrediction[7].distance, 10, 1e-12);
  EXPECT_NEAR(distances.GetAverage(), 9, 1e-12);
  EXPECT_NEAR(distances.GetHausdorff(0.5), 8, 1e-12);
  EXPECT_NEAR(distances.GetHausdorff(0.51), 10, 1e-12);
  EXPECT_NEAR(distances.GetHausdorff(0), 8, 1e-12);
  EXPECT_NEAR(distances.GetHausdorff(1), 10, 1e-12);
  const auto same = ComputeWeightedSurfaceDistances(*a, *a);
  EXPECT_EQ(same.GetAverage(), 0);
  EXPECT_EQ(same.GetHausdorff(0.95), 0);
}

TEST(WeightedSurfaceDistances, EmptyMasksAndErrors)
{
  const auto a = MakeMask({ { 3, 3, 3 } });
  const auto none = MakeMask({ { 3, 3, 3 } });
  a->SetPixel({ { 1, 1, 1 } }, 1);
  const auto distances = ComputeWeightedSurfaceDistances(*a, *none);
  EXPECT_EQ(distances.fromPrediction.size(), 8U);
  EXPECT_TRUE(distances.fromReference.empty());
  EXPECT_TRUE(std::isinf(distances.fromPrediction[0].distance));
  EXPECT_TRUE(std::isnan(distances.GetAverage()));
  EXPECT_TRUE(std::isnan(distances.GetHausdorff(0.95)));
  EXPECT_TRUE(std::isnan(ComputeWeightedSurfaceDistances(*none, *none).GetAverage()));
  EXPECT_NN_ERROR(distances.GetHausdorff(1.5), "The share of the surface is 1.5");
  EXPECT_NN_ERROR(ComputeWeightedSurfaceDistances(*a, *MakeMask({ { 3, 3, 2 } })), "both should have the same");
}
