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

#include "itkNNSafeTensors.h"
#include "itkNNTestGoldens.h"
#include "itkNNTestHelpers.h"

#include <algorithm>
#include <set>

using namespace itk::nn;

namespace
{
std::vector<Sample>
MakeBatch(const Tensor & images)
{
  std::vector<Sample> batch;
  for (std::int64_t n = 0; n < images.GetShape()[0]; ++n)
  {
    batch.emplace_back();
    batch.back().image = images.Select(0, n);
  }
  return batch;
}

void
ExpectGolden(const std::vector<Sample> & batch,
             const StateDict & tensors,
             const std::string & name,
             float tolerance = 1e-6F)
{
  for (std::size_t n = 0; n < batch.size(); ++n)
  {
    const auto number = static_cast<std::int64_t>(n);
    EXPECT_EQ(batch[n].label.ToVector<int>(), tensors.Get(name + "/label").Select(0, number).ToVector<int>()) << n;
    const auto expected = tensors.Get(name + "/fused").Select(0, number).ToVector<float>();
    const auto fused = batch[n].image.ToVector<float>();
    ASSERT_EQ(fused.size(), expected.size());
    for (std::size_t i = 0; i < fused.size(); ++i)
    {
      ASSERT_NEAR(fused[i], expected[i], tolerance) << name << " sample " << n << " voxel " << i;
    }
  }
}
} // namespace

TEST(VolumeFusionBatch, GoldensFromTheSeedsOfTheReference)
{
  const std::string golden = "misfm/volf_e_batch_ops.safetensors";
  ITK_NN_REQUIRE_GOLDEN(golden);
  const auto tensors = ReadSafeTensors(test::FindGolden(golden)).tensors;
  auto batch = MakeBatch(tensors.Get("batch"));
  VolumeFusionBatchOptions options;
  options.minimumCount = 3;
  options.maximumCount = 6;
  options.minimumBlock = { 3, 4, 4 };
  options.maximumBlock = { 8, 10, 12 };
  PythonRandom random(51);
  FuseBatch(batch, options, random);
  ExpectGolden(batch, tensors, "volume_fusion");

  auto own = MakeBatch(tensors.Get("batch"));
  VolumeFusionOptions grid;
  grid.foregroundRatio = 0.6;
  grid.minimumBlock = { 3, 4, 4 };
  grid.maximumBlock = { 8, 10, 12 };
  PythonRandom other(52);
  SelfFuseBatch(own, grid, other);
  ExpectGolden(own, tensors, "self_volume_fusion");

  // The reference computes these in single precision.
  auto nonlinear = MakeBatch(tensors.Get("batch"));
  PythonRandom third(53);
  NonlinearFuseBatch(nonlinear, options, third);
  ExpectGolden(nonlinear, tensors, "nonlinear_volume_fusion", 4e-6F);
  auto augmented = MakeBatch(tensors.Get("batch"));
  PythonRandom fourth(54);
  AugmentedFuseBatch(augmented, options, fourth);
  ExpectGolden(augmented, tensors, "augmented_volume_fusion", 4e-6F);
}

TEST(VolumeFusionBatch, EachIsMixedWithTheOneBefore)
{
  Tensor images({ 3, 1, 6, 6, 6 });
  for (std::int64_t n = 0; n < 3; ++n)
  {
    images.Slice(0, n, n + 1).CopyFrom(Tensor::Full({ 1, 1, 6, 6, 6 }, static_cast<double>(10 * n)));
  }
  auto batch = MakeBatch(images);
  VolumeFusionBatchOptions options;
  options.classes = 3;
  options.minimumCount = options.maximumCount = 4;
  options.minimumBlock = { 2, 2, 2 };
  options.maximumBlock = { 5, 5, 5 };
  PythonRandom random(1);
  FuseBatch(batch, options, random);
  std::set<int> found;
  for (std::size_t n = 0; n < 3; ++n)
  {
    const auto fused = batch[n].image.ToVector<float>();
    const auto labels = batch[n].label.ToVector<int>();
    const float own = 10 * static_cast<float>(n);
    const float other = n == 0 ? 20 : own - 10;
    for (std::size_t i = 0; i < fused.size(); ++i)
    {
      found.insert(labels[i]);
      const float part = static_cast<float>(labels[i]) / 2;
      ASSERT_FLOAT_EQ(fused[i], part * other + (1 - part) * own);
    }
  }
  EXPECT_EQ(found, (std::set<int>{ 0, 1, 2 }));
  EXPECT_EQ(images.Select(0, 1).ToVector<float>(), std::vector<float>(216, 10.0F)) << "the input stays";
}

TEST(VolumeFusionBatch, OwnBlocksComeFromElsewhere)
{
  Tensor images({ 1, 1, 4, 4, 4 });
  for (int i = 0; i < 64; ++i)
  {
    images.GetData<float>()[i] = static_cast<float>(i);
  }
  auto batch = MakeBatch(images);
  VolumeFusionOptions options;
  options.classes = 2;
  options.foregroundRatio = 1;
  options.minimumBlock = options.maximumBlock = { 2, 2, 2 };
  PythonRandom random(4);
  SelfFuseBatch(batch, options, random);
  EXPECT_EQ(batch[0].label.ToVector<int>(), std::vector<int>(64, 1));
  // Every block is somewhere, whole.
  const auto fused = batch[0].image.ToVector<float>();
  EXPECT_EQ(std::set<float>(fused.begin(), fused.end()).size(), 64U);
  EXPECT_EQ(fused[1], fused[0] + 1);
  EXPECT_EQ(fused[21], fused[0] + 21);
  EXPECT_NE(fused, images.ToVector<float>());
}

TEST(VolumeFusionBatch, MapsAreMonotoneAndKeepTheExtremes)
{
  // Alone in its batch a volume has no other before it, and without blocks one map only.
  Tensor ramp({ 1, 1, 1, 1, 101 });
  for (int i = 0; i <= 100; ++i)
  {
    ramp.GetData<float>()[i] = static_cast<float>(i) - 20;
  }
  VolumeFusionBatchOptions options;
  options.minimumCount = options.maximumCount = 0;
  int inverted = 0;
  for (std::int64_t seed = 0; seed < 20; ++seed)
  {
    auto batch = MakeBatch(ramp);
    PythonRandom random(seed);
    NonlinearFuseBatch(batch, options, random);
    auto pixels = batch[0].image.ToVector<float>();
    EXPECT_EQ(batch[0].label.ToVector<int>(), std::vector<int>(101, 0));
    PythonRandom expected(seed);
    const double x = 0.15 + 0.7 * expected.Random();
    const double y = 0.15 + 0.7 * expected.Random();
    if (expected.Random() < 0.5)
    {
      for (float & pixel : pixels)
      {
        pixel = 60 - pixel;
      }
      ++inverted;
    }
    EXPECT_NEAR(pixels.front(), -20, 1e-4F);
    EXPECT_NEAR(pixels.back(), 80, 1e-4F);
    EXPECT_TRUE(std::is_sorted(pixels.begin(), pixels.end()));
    EXPECT_NEAR(pixels[10], 10 * y / x - 20, 1e-4);
    EXPECT_NEAR(pixels[90], 80 - 10 * (1 - y) / (1 - x), 1e-4);
  }
  EXPECT_GT(inverted, 3);
  auto flat = MakeBatch(Tensor::Full({ 1, 1, 2, 2, 2 }, 7));
  PythonRandom random(0);
  AugmentedFuseBatch(flat, options, random);
  EXPECT_EQ(flat[0].image.ToVector<float>(), std::vector<float>(8, 7.0F));
}

TEST(VolumeFusionBatch, Errors)
{
  PythonRandom random(0);
  std::vector<Sample> none;
  EXPECT_NN_ERROR(FuseBatch(none, {}, random), "a batch without samples");
  EXPECT_NN_ERROR(SelfFuseBatch(none, {}, random), "a batch without samples");
  EXPECT_NN_ERROR(NonlinearFuseBatch(none, {}, random), "a batch without samples");
  EXPECT_NN_ERROR(AugmentedFuseBatch(none, {}, random), "a batch without samples");
  auto batch = MakeBatch(Tensor::Zeros({ 2, 1, 4, 4, 4 }));
  batch[1].image = Tensor::Zeros({ 1, 4, 4, 5 });
  EXPECT_NN_ERROR(FuseBatch(batch, {}, random),
                  "image 1 of a batch has the shape [1, 4, 4, 5] and the first [1, 4, 4, 4]");
  auto pictures = MakeBatch(Tensor::Zeros({ 1, 1, 4, 4 }));
  EXPECT_NN_ERROR(SelfFuseBatch(pictures, {}, random), "should be the same [1, D, H, W]");
  VolumeFusionBatchOptions options;
  options.maximumCount = 0;
  EXPECT_NN_ERROR(FuseBatch(batch, options, random), "1 to 0 blocks; should not be negative, the least first");
  options = {};
  options.minimumBlock = { 1, 1 };
  EXPECT_NN_ERROR(FuseBatch(batch, options, random), "should have the 3 axes");
  EXPECT_NN_ERROR(ShuffledVolumeFusionGrid::Draw(random, {}, { 4, 4 }), "[4, 4]; should have three axes");
}
