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
#include "itkNNNumPyRandom.h"

#include "itkNNError.h"
#include "itkNNTestGoldens.h"

#include <nlohmann/json.hpp>

using namespace itk::nn;
using Integers = std::vector<std::int64_t>;

// The expected numbers are those of numpy 1.26 and 2.x.
TEST(NumPyRandom, BoundedIntegersOfEveryWidth)
{
  EXPECT_EQ(NumPyRandom(0).Integers(0, 12, 4), (Integers{ 10, 7, 6, 3 }));
  EXPECT_EQ(NumPyRandom(3).Integers(5, 6, 3), (Integers{ 5, 5, 5 }));
  EXPECT_EQ(NumPyRandom(3).Integers(0, std::int64_t{ 1 } << 32, 3), (Integers{ 3485385464, 367860371, 770692085 }));
  EXPECT_EQ(NumPyRandom(7).Integers(0, 1000000000000, 3), (Integers{ 625095466604, 897213800969, 775685690245 }));
  EXPECT_EQ(NumPyRandom((std::uint64_t{ 1 } << 40) + 3).Integers(-10, 10, 6), (Integers{ 4, 5, -2, 9, -3, -1 }));
  EXPECT_TRUE(NumPyRandom(0).Integers(0, 3, 0).empty());
}

TEST(NumPyRandom, SplitsAndEnsemblesOfTheReferenceLoaders)
{
  ITK_NN_REQUIRE_GOLDEN("universeg/i_loaders/splits.json");
  const auto json = nlohmann::json::parse(test::ReadText(test::FindGolden("universeg/i_loaders/splits.json")));
  for (const auto & split : json.at("splits"))
  {
    Integers expected = split.at("support").get<Integers>();
    const auto rest = split.at("test").get<Integers>();
    expected.insert(expected.end(), rest.begin(), rest.end());
    EXPECT_EQ(NumPyRandom(42).Permutation(split.at("N").get<std::size_t>()), expected);
  }
  for (const auto & ofSeed : json.at("ensemble_indices_into_JTSC_support_split_by_seed_and_size").items())
  {
    for (const auto & ofSize : ofSeed.value().items())
    {
      const auto expected = ofSize.value().get<Integers>();
      EXPECT_EQ(NumPyRandom(static_cast<std::uint64_t>(ofSeed.key().front() - '0')).Integers(0, 210, expected.size()),
                expected)
        << "seed " << ofSeed.key();
    }
  }
}

TEST(NumPyRandom, EmptyRangeIsAnError)
{
  EXPECT_THROW(NumPyRandom(0).Integers(3, 3, 1), Error);
}
