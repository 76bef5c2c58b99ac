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
#include "itkNNWindowWeights.h"

#include "itkNNSafeTensors.h"
#include "itkNNTestGoldens.h"
#include "itkNNTestHelpers.h"

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace itk::nn;

namespace
{
/** An exponential at a distance from a middle, of a standard deviation of size / 8. */
double
Bell(double distance, std::int64_t size)
{
  const double sigma = static_cast<double>(size) / 8;
  return std::exp(-distance * distance / (2 * sigma * sigma));
}
} // namespace

TEST(WindowWeights, PyMICGoldens)
{
  const std::string golden = "misfm/sliding_window.safetensors";
  ITK_NN_REQUIRE_GOLDEN(golden);
  const StateDict tensors = ReadSafeTensors(test::FindGolden(golden)).tensors;
  for (const std::string name : { "16x16x16", "16x20x9", "5x7x3", "1x6x4", "12x10" })
  {
    const Tensor & expected = tensors.Get("gauss/" + name);
    const auto weights = WindowWeights::Make(WindowPlacement::PyMIC, WindowBlending::Gaussian, expected.GetShape());
    EXPECT_TRUE(weights.IsSeparable());
    const auto values = weights.ToTensor().ToVector<double>();
    const auto expectedValues = expected.ToVector<double>();
    ASSERT_EQ(values.size(), expectedValues.size());
    for (std::size_t i = 0; i < values.size(); ++i)
    {
      // The corners, down to 1e-15, are right relatively too.
      ASSERT_NEAR(values[i], expectedValues[i], 1e-13 * expectedValues[i] + 1e-300) << name << " pixel " << i;
    }
  }
}

TEST(WindowWeights, PyMICIsHighestAtHalfTheWindow)
{
  const auto weights = WindowWeights::Make(WindowPlacement::PyMIC, WindowBlending::Gaussian, { 8, 33 });
  ASSERT_EQ(weights.axes.size(), 2U);
  const auto & even = weights.axes[0];
  ASSERT_EQ(even.size(), 8U);
  EXPECT_EQ(std::max_element(even.begin(), even.end()) - even.begin(), 4);
  EXPECT_EQ(even[3], even[5]);
  for (std::size_t i = 0; i < 8; ++i)
  {
    EXPECT_NEAR(even[i] / even[4], Bell(static_cast<double>(i) - 4, 8), 1e-14);
  }
  const auto & odd = weights.axes[1];
  EXPECT_EQ(std::max_element(odd.begin(), odd.end()) - odd.begin(), 16);
}

TEST(WindowWeights, MirrorTurnsTheFactorsOfAnAxis)
{
  const auto weights = WindowWeights::Make(WindowPlacement::PyMIC, WindowBlending::Gaussian, { 4, 6 });
  const auto mirrored = weights.Mirror({ 1 });
  EXPECT_EQ(mirrored.axes[0], weights.axes[0]);
  EXPECT_EQ(mirrored.axes[1], std::vector<double>(weights.axes[1].rbegin(), weights.axes[1].rend()));
  EXPECT_NE(mirrored.axes[1], weights.axes[1]);
  EXPECT_NN_ERROR(weights.Mirror({ 2 }), "the axis to mirror is 2; should be within [0, 2)");
  EXPECT_NN_ERROR(weights.Mirror({ 0, 0 }), "the axis 0 is to be mirrored twice");
}

TEST(WindowWeights, MONAIIsCentredAndRaised)
{
  const Shape window{ 8, 12, 5 };
  const auto weights = WindowWeights::Make(WindowPlacement::MONAI, WindowBlending::Gaussian, window);
  EXPECT_FALSE(weights.IsSeparable());
  const Tensor tensor = weights.ToTensor();
  ASSERT_EQ(tensor.GetShape(), window);
  for (std::int64_t i = 0; i < 8; ++i)
  {
    for (std::int64_t j = 0; j < 12; ++j)
    {
      for (std::int64_t k = 0; k < 5; ++k)
      {
        const double product = Bell(static_cast<double>(i) - 3.5, 8) * Bell(static_cast<double>(j) - 5.5, 12) *
                               Bell(static_cast<double>(k) - 2, 5);
        ASSERT_NEAR(tensor.GetElement({ i, j, k }), std::max(product, 1e-3), 1e-12);
      }
    }
  }
  // Wide Gaussians, of one axis, stay above 0.001 everywhere only for few pixels: then the least is the map's own.
  const auto narrow = WindowWeights::Make(WindowPlacement::MONAI, WindowBlending::Gaussian, { 2 });
  EXPECT_DOUBLE_EQ(narrow.least, Bell(0.5, 2));
}

TEST(WindowWeights, NnUNetIsAHalfWithAMaximumOfTenAndNoZero)
{
  const Shape window{ 16, 12, 20 };
  const auto weights = WindowWeights::Make(WindowPlacement::NnUNet, WindowBlending::Gaussian, window);
  const Tensor tensor = weights.ToTensor();
  const auto values = tensor.ToVector<double>();
  EXPECT_EQ(*std::max_element(values.begin(), values.end()), 10);
  EXPECT_EQ(tensor.GetElement({ 8, 6, 10 }), 10);
  const double least = *std::min_element(values.begin(), values.end());
  EXPECT_GT(least, 0);
  EXPECT_EQ(least, weights.least);
  EXPECT_LT(least, 1e-4);
  for (const Shape & index : { Shape{ 8, 6, 12 }, Shape{ 4, 6, 10 }, Shape{ 5, 3, 8 } })
  {
    const double product = 10 * Bell(static_cast<double>(index[0] - 8), 16) *
                           Bell(static_cast<double>(index[1] - 6), 12) * Bell(static_cast<double>(index[2] - 10), 20);
    EXPECT_EQ(tensor.GetElement(index), static_cast<double>(HalfToFloat(FloatToHalf(static_cast<float>(product)))));
  }
}

TEST(WindowWeights, MapsOfMONAIAndNnUNetThemselves)
{
  // compute_gaussian() of nnU-Net 2.6.2, with scipy 1.17.
  const auto small = WindowWeights::Make(WindowPlacement::NnUNet, WindowBlending::Gaussian, { 6, 5 });
  const std::vector<double> column{ 2.002716064453125e-05, 0.0017070770263671875, 0.024566650390625,
                                    0.05975341796875,      0.024566650390625,     0.0017070770263671875 };
  const std::vector<double> middle{ 0.0033550262451171875, 0.28564453125, 4.109375, 10, 4.109375, 0.28564453125 };
  EXPECT_EQ(small.ToTensor().Select(1, 0).ToVector<double>(), column);
  EXPECT_EQ(small.ToTensor().Select(1, 4).ToVector<double>(), column);
  EXPECT_EQ(small.ToTensor().Select(1, 2).ToVector<double>(), middle);
  const Tensor tensor =
    WindowWeights::Make(WindowPlacement::NnUNet, WindowBlending::Gaussian, { 32, 28, 24 }).ToTensor();
  const auto values = tensor.ToVector<double>();
  EXPECT_NEAR(std::accumulate(values.begin(), values.end(), 0.0), 6613.529336333275, 1e-9);
  // The least half above 0, and what was rounded to 0.
  EXPECT_EQ(std::count(values.begin(), values.end(), 5.960464477539063e-08), 211);
  EXPECT_EQ(tensor.GetElement({ 3, 20, 11 }), 0.01107025146484375);
  EXPECT_EQ(tensor.GetElement({ 10, 9, 20 }), 0.033416748046875);
  // compute_importance_map() of MONAI 1.5.1, in double precision.
  const auto raised =
    WindowWeights::Make(WindowPlacement::MONAI, WindowBlending::Gaussian, { 32, 28, 24 }).ToTensor().ToVector<double>();
  EXPECT_NEAR(std::accumulate(raised.begin(), raised.end(), 0.0), 671.8583263731036, 1e-8);
  EXPECT_EQ(std::count(raised.begin(), raised.end(), 1e-3), 12440);
}

TEST(WindowWeights, HermesHasTheGaussianOfMONAI)
{
  const Shape window{ 6, 5 };
  const auto weights = WindowWeights::Make(WindowPlacement::Hermes, WindowBlending::Gaussian, window);
  const auto expected = WindowWeights::Make(WindowPlacement::MONAI, WindowBlending::Gaussian, window);
  EXPECT_EQ(weights.ToTensor().ToVector<double>(), expected.ToTensor().ToVector<double>());
}

TEST(WindowWeights, U2NetFallsWithTheDistance)
{
  const auto weights = WindowWeights::Make(WindowPlacement::U2Net, WindowBlending::Gaussian, { 4, 2 });
  EXPECT_FALSE(weights.IsSeparable());
  const Tensor tensor = weights.ToTensor();
  // The middle is the element [2, 1], the farthest [0, 0].
  EXPECT_EQ(tensor.GetElement({ 2, 1 }), 1);
  EXPECT_EQ(tensor.GetElement({ 0, 0 }), 1e-20);
  EXPECT_NEAR(tensor.GetElement({ 2, 0 }), 1 - 1 / std::sqrt(5.0), 1e-15);
  EXPECT_NEAR(tensor.GetElement({ 3, 0 }), 1 - std::sqrt(2.0 / 5), 1e-15);
  EXPECT_EQ(weights.Mirror({ 1 }).ToTensor().GetElement({ 2, 0 }), 1);
  // One pixel has no range.
  EXPECT_EQ(WindowWeights::Make(WindowPlacement::U2Net, WindowBlending::Gaussian, { 1 }).ToTensor().GetElement({ 0 }),
            1);
}

TEST(WindowWeights, U2NetGoldens)
{
  const std::string golden = "u2net/proc/small_ops.safetensors";
  ITK_NN_REQUIRE_GOLDEN(golden);
  const StateDict expected = ReadSafeTensors(test::FindGolden(golden)).tensors;
  for (const auto & [name, window] : { std::pair<const char *, Shape>{ "patch_weights_5x8x7", { 5, 8, 7 } },
                                       std::pair<const char *, Shape>{ "patch_weights_8x6x4", { 8, 6, 4 } } })
  {
    const auto values =
      WindowWeights::Make(WindowPlacement::U2Net, WindowBlending::Gaussian, window).ToTensor().ToVector<double>();
    const auto own = expected.Get(name).ToVector<double>();
    ASSERT_EQ(values.size(), own.size());
    for (std::size_t i = 0; i < values.size(); ++i)
    {
      EXPECT_NEAR(values[i], own[i], 1e-15) << name;
    }
  }
}

TEST(WindowWeights, Constant)
{
  for (const auto placement : { WindowPlacement::PyMIC,
                                WindowPlacement::MONAI,
                                WindowPlacement::NnUNet,
                                WindowPlacement::U2Net,
                                WindowPlacement::Hermes })
  {
    const auto weights = WindowWeights::Make(placement, WindowBlending::Constant, { 2, 3 });
    EXPECT_TRUE(weights.IsSeparable());
    EXPECT_EQ(weights.ToTensor().ToVector<double>(), (std::vector<double>(6, 1.0)));
  }
}

TEST(WindowWeights, Errors)
{
  const auto make = [](const Shape & window)
  { return WindowWeights::Make(WindowPlacement::PyMIC, WindowBlending::Gaussian, window); };
  EXPECT_NN_ERROR(make({}), "the window is []; should have 1, 2 or 3 axes");
  EXPECT_NN_ERROR(make({ 1, 2, 3, 4 }), "the window is [1, 2, 3, 4]");
  EXPECT_NN_ERROR(make({ 4, 0 }), "the window is [4, 0]");
}
