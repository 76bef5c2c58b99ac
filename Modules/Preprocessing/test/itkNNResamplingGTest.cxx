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
#include "itkNNResampling.h"

#include "itkNNError.h"
#include "itkNNSafeTensors.h"
#include "itkNNTestGoldens.h"

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace itk::nn;

namespace
{
std::vector<float>
Linear(const std::vector<float> & input, std::size_t h, std::size_t w, std::size_t outputH, std::size_t outputW)
{
  std::vector<float> output(outputH * outputW);
  ResizeLinear(input.data(), h, w, output.data(), outputH, outputW);
  return output;
}
} // namespace

TEST(Resampling, ShrinkingAveragesWithATriangle)
{
  const auto output = Linear({ 1, 2, 4, 8 }, 1, 4, 1, 2);
  EXPECT_NEAR(output[0], (0.75 * 1 + 0.75 * 2 + 0.25 * 4) / 1.75, 1e-6);
  EXPECT_NEAR(output[1], (0.25 * 2 + 0.75 * 4 + 0.75 * 8) / 1.75, 1e-6);
  EXPECT_EQ(Linear({ 1, 2, 4, 8 }, 4, 1, 2, 1), output);
}

TEST(Resampling, EnlargingInterpolatesBetweenPixelCentres)
{
  const std::vector<float> expected{ 0, 2, 6, 8 };
  EXPECT_EQ(Linear({ 0, 8 }, 1, 2, 1, 4), expected);
  EXPECT_EQ(Linear({ 0, 8 }, 2, 1, 4, 1), expected);
  EXPECT_EQ(Linear({ 5 }, 1, 1, 2, 3), std::vector<float>(6, 5.0F));
}

TEST(Resampling, SameExtentCopiesAndConstantsStay)
{
  std::vector<float> ramp(35);
  std::iota(ramp.begin(), ramp.end(), -3.0F);
  EXPECT_EQ(Linear(ramp, 5, 7, 5, 7), ramp);
  for (const std::size_t extent : { 1, 3, 64, 101 })
  {
    for (const float value : Linear(std::vector<float>(35, 0.1F), 5, 7, extent, extent + 2))
    {
      ASSERT_EQ(value, 0.1F);
    }
  }
}

TEST(Resampling, NearestTakesTheSourceOfThePixelCentre)
{
  EXPECT_EQ(NearestIndices(5, 3), (std::vector<std::size_t>{ 0, 2, 4 }));
  EXPECT_EQ(NearestIndices(2, 4), (std::vector<std::size_t>{ 0, 0, 1, 1 }));
  const int input[] = { 1, 2, 3, 4 };
  int output[4];
  ResizeNearest(input, 2, 2, output, 1, 4);
  EXPECT_EQ(std::vector<int>(output, output + 4), (std::vector<int>{ 3, 3, 4, 4 }));
}

TEST(Resampling, ZeroExtentsAreErrors)
{
  float value = 0;
  EXPECT_THROW(ResizeLinear(&value, 0, 1, &value, 1, 1), Error);
  EXPECT_THROW(ResizeLinear(&value, 1, 1, &value, 1, 0), Error);
  EXPECT_THROW(NearestIndices(0, 1), Error);
  EXPECT_THROW(NearestIndices(1, 0), Error);
}

TEST(Resampling, LuminanceWeights)
{
  EXPECT_EQ(Luminance(std::uint8_t{ 255 }, std::uint8_t{ 255 }, std::uint8_t{ 255 }), 255);
  EXPECT_EQ(Luminance(std::uint8_t{ 200 }, std::uint8_t{ 100 }, std::uint8_t{ 50 }), 124);
  EXPECT_NEAR(Luminance(200.0, 100.0, 50.0), 124.19968, 1e-4);
}

TEST(Resampling, PillowGoldensAreExact)
{
  const std::string path = "universeg/h_pil_resize/io.safetensors";
  ITK_NN_REQUIRE_GOLDEN(path);
  const auto tensors = ReadSafeTensors(test::FindGolden(path)).tensors;
  using Bytes = std::vector<std::uint8_t>;
  const auto resized = [](const Bytes & plane, const Shape & shape)
  {
    Bytes output(std::size_t{ 128 } * 128);
    ResizeLinear(plane.data(), shape[0], shape[1], output.data(), 128, 128);
    return output;
  };
  for (const std::string name : { "down_300x300", "mixed_96x200", "same_w_60x128", "up_120x104" })
  {
    const Tensor & gray = tensors.Get(name + ".gray");
    const Shape & shape = gray.GetShape();
    const auto expected = tensors.Get(name + ".gray_resized").ToVector<std::uint8_t>();
    const auto pixels = gray.ToVector<std::uint8_t>();
    EXPECT_EQ(resized(pixels, shape), expected) << name;

    const auto inFloat = Linear(std::vector<float>(pixels.begin(), pixels.end()), shape[0], shape[1], 128, 128);
    for (std::size_t i = 0; i < expected.size(); ++i)
    {
      ASSERT_NEAR(inFloat[i], expected[i], 1.01) << name;
    }

    std::vector<Bytes> planes;
    Bytes interleaved(std::size_t{ 128 } * 128 * 3);
    for (int channel = 0; channel < 3; ++channel)
    {
      planes.push_back(resized(tensors.Get(name + ".rgb").Select(2, channel).ToVector<std::uint8_t>(), shape));
      for (std::size_t i = 0; i < planes.back().size(); ++i)
      {
        interleaved[3 * i + static_cast<std::size_t>(channel)] = planes.back()[i];
      }
    }
    EXPECT_EQ(interleaved, tensors.Get(name + ".rgb_resized").ToVector<std::uint8_t>()) << name;
    Bytes luminance(planes[0].size());
    for (std::size_t i = 0; i < luminance.size(); ++i)
    {
      luminance[i] = Luminance(planes[0][i], planes[1][i], planes[2][i]);
    }
    EXPECT_EQ(luminance, tensors.Get(name + ".L").ToVector<std::uint8_t>()) << name;

    const auto labels = tensors.Get(name + ".seg").ToVector<std::uint8_t>();
    Bytes nearest(std::size_t{ 128 } * 128);
    ResizeNearest(labels.data(), shape[0], shape[1], nearest.data(), 128, 128);
    EXPECT_EQ(nearest, tensors.Get(name + ".seg_resized").ToVector<std::uint8_t>()) << name;
  }
}
