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
#include "itkNNRandomStream.h"

#include "itkNNError.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <set>

using itk::nn::RandomStream;

TEST(RandomStream, IsTheSameEverywhere)
{
  // SplitMix64 of seed 0 and xoshiro256** behind it, computed from the published algorithms.
  RandomStream random(0);
  EXPECT_EQ(random.GetSeed(), 0U);
  EXPECT_EQ(random.Next(), 11091344671253066420U);
  EXPECT_EQ(random.Next(), 13793997310169335082U);
}

TEST(RandomStream, ChildrenDependOnSeedAndKeyAlone)
{
  RandomStream parent(7);
  RandomStream early = parent.Derive(3);
  parent.Next();
  RandomStream late = parent.Derive(3);
  EXPECT_EQ(early.Next(), late.Next());
  std::set<std::uint64_t> seeds;
  for (std::uint64_t seed = 0; seed < 30; ++seed)
  {
    for (std::uint64_t key = 0; key < 30; ++key)
    {
      seeds.insert(RandomStream(seed).Derive(key).GetSeed());
    }
  }
  EXPECT_EQ(seeds.size(), 900U);
}

TEST(RandomStream, Distributions)
{
  RandomStream random(1);
  constexpr int count = 20000;
  double sum = 0;
  double squares = 0;
  double uniform = 0;
  int hits = 0;
  int histogram[5] = {};
  for (int i = 0; i < count; ++i)
  {
    const double normal = random.Normal();
    sum += normal;
    squares += normal * normal;
    const double u = random.Uniform(2, 4);
    EXPECT_GE(u, 2);
    EXPECT_LT(u, 4);
    uniform += u;
    hits += random.Chance(0.25) ? 1 : 0;
    ++histogram[random.Integer(-2, 3) + 2];
  }
  EXPECT_NEAR(sum / count, 0, 0.03);
  EXPECT_NEAR(squares / count, 1, 0.05);
  EXPECT_NEAR(uniform / count, 3, 0.02);
  EXPECT_NEAR(static_cast<double>(hits) / count, 0.25, 0.02);
  for (const int bin : histogram)
  {
    EXPECT_NEAR(static_cast<double>(bin) / count, 0.2, 0.02);
  }
  EXPECT_EQ(random.Uniform(3, 3), 3);
}

TEST(RandomStream, ChoosesByWeight)
{
  RandomStream random(7);
  constexpr int count = 20000;
  int indices[4] = {};
  int weighted[4] = {};
  for (int i = 0; i < count; ++i)
  {
    ++indices[random.Index(4)];
    ++weighted[random.Weighted({ 0, 1, 3, 0 })];
  }
  for (const int bin : indices)
  {
    EXPECT_NEAR(static_cast<double>(bin) / count, 0.25, 0.02);
  }
  EXPECT_EQ(weighted[0], 0);
  EXPECT_EQ(weighted[3], 0);
  EXPECT_NEAR(static_cast<double>(weighted[1]) / count, 0.25, 0.02);
  EXPECT_THROW(random.Index(0), itk::nn::Error);
  EXPECT_THROW(random.Weighted({}), itk::nn::Error);
  EXPECT_THROW(random.Weighted({ 0, 0 }), itk::nn::Error);
}

TEST(RandomStream, ChoosesDifferentOnes)
{
  RandomStream random(5);
  std::vector<std::int64_t> chosen = random.Choose(10, 10);
  EXPECT_FALSE(std::is_sorted(chosen.begin(), chosen.end()));
  std::sort(chosen.begin(), chosen.end());
  for (std::int64_t i = 0; i < 10; ++i)
  {
    EXPECT_EQ(chosen[static_cast<std::size_t>(i)], i);
  }
  EXPECT_TRUE(random.Choose(3, 0).empty());
  EXPECT_THROW(random.Choose(3, 4), itk::nn::Error);
  EXPECT_THROW(random.Integer(2, 2), itk::nn::Error);
}
