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
#include "itkNNSafeTensors.h"
#include "itkNNTestGoldens.h"
#include "itkNNTestHelpers.h"
#include "itkOverlapScores.h"

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace
{
TEST(OverlapScores, CoefficientsOfCounts)
{
  EXPECT_DOUBLE_EQ(itk::DiceCoefficient(2, 3, 5), 0.5);
  EXPECT_DOUBLE_EQ(itk::JaccardCoefficient(2, 3, 5), 2.0 / 6.0);
  EXPECT_DOUBLE_EQ(itk::DiceCoefficient(0, 3, 0), 0.0);
  EXPECT_DOUBLE_EQ(itk::JaccardCoefficient(4, 4, 4), 1.0);
}

TEST(OverlapScores, EmptySetsAreTheEmptyValue)
{
  EXPECT_TRUE(std::isnan(itk::DiceCoefficient(0, 0, 0)));
  EXPECT_TRUE(std::isnan(itk::JaccardCoefficient(0, 0, 0)));
  EXPECT_EQ(itk::DiceCoefficient(0, 0, 0, 1.0), 1.0);
  EXPECT_EQ(itk::JaccardCoefficient(0, 0, 0, 0.0), 0.0);
}

TEST(OverlapScores, CountsBeyond32Bits)
{
  const std::uint64_t big = std::uint64_t{ 1 } << 40;
  EXPECT_DOUBLE_EQ(itk::DiceCoefficient(big, 2 * big, 2 * big), 0.5);
}

TEST(OverlapScores, SoftScoresByHand)
{
  const std::vector<float> p{ 0.5F, 1.0F, 0.0F };
  const std::vector<float> t{ 1.0F, 1.0F, 0.0F };
  EXPECT_DOUBLE_EQ(itk::SoftDice(p.data(), t.data(), 3), 3.0 / 3.5);
  EXPECT_DOUBLE_EQ(itk::SoftJaccard(p.data(), t.data(), 3), 1.5 / 2.0);
  itk::SoftOverlapOptions squared;
  squared.squaredDenominator = true;
  EXPECT_DOUBLE_EQ(itk::SoftDice(p.data(), t.data(), 3, squared), 3.0 / 3.25);
  EXPECT_TRUE(std::isnan(itk::SoftDice(p.data(), t.data(), 0)));
  EXPECT_EQ(itk::SoftDice(p.data(), t.data(), 0, itk::SoftOverlapOptions::Pylot()), 1.0);
}

void
ExpectScore(const nlohmann::json & expected, double value, const std::string & what)
{
  if (expected.is_null())
  {
    EXPECT_TRUE(std::isnan(value)) << what;
  }
  else
  {
    EXPECT_NEAR(value, expected.get<double>(), 1e-6) << what;
  }
}

TEST(OverlapScores, GoldenMetrics)
{
  const std::string name = "universeg/j_metrics/metrics.json";
  ITK_NN_REQUIRE_GOLDEN(name);
  const auto golden = nlohmann::json::parse(itk::nn::test::ReadText(itk::nn::test::FindGolden(name)));
  ASSERT_FALSE(golden.at("cases").empty());
  for (const nlohmann::json & oneCase : golden.at("cases"))
  {
    const std::string what = oneCase.at("name");
    const auto p = oneCase.at("prob").get<std::vector<float>>();
    const auto t = oneCase.at("truth").get<std::vector<float>>();
    const std::size_t n = p.size();
    std::vector<float> hard(n);
    std::uint64_t intersection = 0;
    std::uint64_t predicted = 0;
    std::uint64_t positive = 0;
    for (std::size_t i = 0; i < n; ++i)
    {
      hard[i] = p[i] > 0.5F ? 1.0F : 0.0F;
      predicted += hard[i] > 0;
      positive += t[i] > 0;
      intersection += hard[i] > 0 && t[i] > 0;
    }
    const auto squared = itk::SoftOverlapOptions::Pylot(true);
    const auto plain = itk::SoftOverlapOptions::Pylot(false);
    ExpectScore(oneCase.at("notebook_hard_dice"), itk::DiceCoefficient(intersection, predicted, positive), what);
    ExpectScore(oneCase.at("notebook_hard_dice"), itk::SoftDice(hard.data(), t.data(), n), what);
    ExpectScore(oneCase.at("notebook_soft_dice"), itk::SoftDice(p.data(), t.data(), n), what);
    ExpectScore(oneCase.at("pylot_hard_dice"), itk::SoftDice(hard.data(), t.data(), n, plain), what);
    ExpectScore(oneCase.at("pylot_hard_jaccard"), itk::SoftJaccard(hard.data(), t.data(), n, plain), what);
    ExpectScore(oneCase.at("pylot_soft_dice_sq"), itk::SoftDice(p.data(), t.data(), n, squared), what);
    ExpectScore(oneCase.at("pylot_soft_dice_nosq"), itk::SoftDice(p.data(), t.data(), n, plain), what);
    ExpectScore(oneCase.at("pylot_soft_jaccard_sq"), itk::SoftJaccard(p.data(), t.data(), n, squared), what);
  }
}

/** The reference implementation of the 3D U2-Net adds 1e-10 to numerator and denominator. */
TEST(OverlapScores, GoldenDiceOfHermes)
{
  const std::string folder = "hermes/metrics/";
  ITK_NN_REQUIRE_GOLDEN(folder + "io.safetensors");
  const auto tensors = itk::nn::ReadSafeTensors(itk::nn::test::FindGolden(folder + "io.safetensors")).tensors;
  const auto golden = nlohmann::json::parse(itk::nn::test::ReadText(itk::nn::test::FindGolden(folder + "config.json")));
  const nlohmann::json & expected = golden.at("dice");
  ASSERT_EQ(expected.at("dice").size(), 3U);
  for (std::size_t k = 0; k < 3; ++k)
  {
    const auto prediction = tensors.Get("pred").Select(0, static_cast<std::int64_t>(k)).ToVector<int>();
    const auto truth = tensors.Get("gt").Select(0, static_cast<std::int64_t>(k)).ToVector<int>();
    std::uint64_t intersection = 0;
    std::uint64_t predicted = 0;
    std::uint64_t positive = 0;
    for (std::size_t i = 0; i < truth.size(); ++i)
    {
      intersection += prediction[i] * truth[i] != 0 ? 1 : 0;
      predicted += prediction[i] != 0 ? 1 : 0;
      positive += truth[i] != 0 ? 1 : 0;
    }
    EXPECT_EQ(static_cast<double>(intersection), expected.at("intersection")[k].get<double>());
    EXPECT_EQ(static_cast<double>(predicted + positive), expected.at("summ")[k].get<double>());
    const double dice = itk::BlockwiseDice(
      intersection, predicted, positive, truth.size(), expected.at("block_size").get<std::uint64_t>());
    EXPECT_NEAR(dice, expected.at("dice")[k].get<double>(), 1e-6);
  }
}

TEST(OverlapScores, DiceInBlocks)
{
  EXPECT_EQ(itk::BlockwiseDice(0, 0, 0, 100), 0);
  EXPECT_NEAR(itk::BlockwiseDice(1, 1, 1, 100, 10), 2 / (2 + 11e-5), 1e-15);
  EXPECT_NEAR(itk::BlockwiseDice(1, 1, 1, 101, 10), 2 / (2 + 12e-5), 1e-15);
  EXPECT_NEAR(itk::BlockwiseDice(1, 1, 1, 64 * 64 * 64), 2 / (2 + 2e-5), 1e-15);
  EXPECT_NN_ERROR(itk::BlockwiseDice(1, 1, 1, 0), "there are 0 elements");
  EXPECT_NN_ERROR(itk::BlockwiseDice(1, 1, 1, 1, 0), "in blocks of 0");
}

TEST(OverlapScores, GoldenDiceOfU2Net)
{
  const std::string name = "u2net/proc/small_ops";
  ITK_NN_REQUIRE_GOLDEN(name + ".safetensors");
  const auto tensors = itk::nn::ReadSafeTensors(itk::nn::test::FindGolden(name + ".safetensors")).tensors;
  const auto golden = nlohmann::json::parse(itk::nn::test::ReadText(itk::nn::test::FindGolden(name + ".json")));
  const auto prediction = tensors.Get("dice_pred").ToVector<int>();
  const auto truth = tensors.Get("dice_gt").ToVector<int>();
  const auto expected = golden.at("multiclass_dice_num_class4").get<std::vector<double>>();
  ASSERT_EQ(expected.size(), 4U);
  for (int label = 0; label < 4; ++label)
  {
    std::uint64_t intersection = 0;
    for (std::size_t i = 0; i < truth.size(); ++i)
    {
      intersection += prediction[i] == label && truth[i] == label;
    }
    const auto count = [label](const std::vector<int> & labels)
    { return static_cast<std::uint64_t>(std::count(labels.begin(), labels.end(), label)); };
    EXPECT_NEAR(itk::DiceCoefficient(intersection, count(prediction), count(truth)),
                expected[static_cast<std::size_t>(label)],
                1e-10);
  }
}
} // namespace
