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
#include "itkNNPythonRandom.h"

#include "itkNNTestGoldens.h"
#include "itkNNTestHelpers.h"
#include "nlohmann/json.hpp"

#include <numeric>

using itk::nn::PythonRandom;

TEST(PythonRandom, KnownStream)
{
  // random.seed(0); random.random() ...
  PythonRandom random(0);
  EXPECT_DOUBLE_EQ(random.Random(), 0.8444218515250481);
  EXPECT_DOUBLE_EQ(random.Random(), 0.7579544029403025);
  EXPECT_DOUBLE_EQ(PythonRandom(-31).Random(), 0.01227824739797545) << "the sign does not count";
  EXPECT_DOUBLE_EQ(PythonRandom(31).Random(), 0.01227824739797545);
  EXPECT_DOUBLE_EQ(PythonRandom(std::int64_t{ 1 } << 40).Random(), 0.1036394562812375) << "a seed of two words";
}

TEST(PythonRandom, StreamsOfTheGoldens)
{
  const std::string golden = "misfm/python_random.json";
  ITK_NN_REQUIRE_GOLDEN(golden);
  const auto streams = nlohmann::json::parse(itk::nn::test::ReadText(itk::nn::test::FindGolden(golden))).at("streams");
  ASSERT_GE(streams.size(), 6U);
  for (const auto & [seed, expected] : streams.items())
  {
    PythonRandom random(std::stoll(seed));
    for (const auto & value : expected.at("random"))
    {
      EXPECT_EQ(random.Random(), value.get<double>()) << seed;
    }
    for (const auto & value : expected.at("getrandbits32"))
    {
      EXPECT_EQ(random.Bits(32), value.get<std::uint64_t>()) << seed;
    }
    for (const auto & value : expected.at("randint_5_20"))
    {
      EXPECT_EQ(random.Integer(5, 20), value.get<std::int64_t>()) << seed;
    }
    EXPECT_EQ(random.Integer(0, 0), expected.at("randint_0_0").get<std::int64_t>());
    for (const auto & value : expected.at("uniform_98_99.9"))
    {
      EXPECT_EQ(random.Uniform(98, 99.9), value.get<double>()) << seed;
    }
    std::vector<int> list(17);
    std::iota(list.begin(), list.end(), 0);
    random.Shuffle(list);
    EXPECT_EQ(list, expected.at("shuffle17").get<std::vector<int>>()) << seed;
    for (const auto & value : expected.at("choice_of_7"))
    {
      EXPECT_EQ(random.Integer(0, 6), value.get<std::int64_t>()) << seed;
    }
    for (const auto & value : expected.at("randint_0_1e10"))
    {
      EXPECT_EQ(random.Integer(0, 10000000000), value.get<std::int64_t>()) << seed;
    }
  }
}

TEST(PythonRandom, Errors)
{
  PythonRandom random(1);
  EXPECT_NN_ERROR(random.Bits(0), "0 are asked for");
  EXPECT_NN_ERROR(random.Bits(65), "65 are asked for");
  EXPECT_NN_ERROR(random.Integer(3, 2), "[3, 2]");
  std::vector<int> none;
  random.Shuffle(none);
  EXPECT_TRUE(none.empty());
}
