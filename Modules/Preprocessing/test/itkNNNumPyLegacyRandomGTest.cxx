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
#include "itkNNNumPyLegacyRandom.h"

#include <gtest/gtest.h>

#include <vector>

using itk::nn::NumPyLegacyRandom;

// The expected numbers are those of numpy 2.4: uniform() twice, normal(0, 1) five times, random(),
// normal(2, 3), uniform(-1, 3).
TEST(NumPyLegacyRandom, KnownStreams)
{
  struct Stream
  {
    std::uint32_t seed;
    std::vector<double> uniform;
    std::vector<double> normal;
    double random;
    double scaledNormal;
    double scaledUniform;
  };
  const Stream streams[] = {
    { 0,
      { 0.5488135039273248, 0.7151893663724195 },
      { 0.9787379841057392, 2.240893199201458, 1.8675579901499675, -0.977277879876411, 0.9500884175255894 },
      0.9636627605010293,
      1.5459283751069064,
      0.5337660753031108 },
    { 12345,
      { 0.9296160928171479, 0.3163755545817859 },
      { -0.5194387150567381, -0.55573030434749, 1.9657805725027142, 1.3934058329729904, 0.09290787674371767 },
      0.7489066375339118,
      2.8452384584906074,
      1.6142794834069414 },
    { 4294967295,
      { 0.0976320289940138, 0.9123828453026218 },
      { 0.6484086742306527, 0.6693235306338161, -1.0805437227474493, 0.2845010447986309, 0.11388773652167104 },
      0.9845555560357949,
      4.602865681378814,
      0.6569857829016383 },
  };
  for (const Stream & stream : streams)
  {
    NumPyLegacyRandom random(stream.seed);
    for (const double value : stream.uniform)
    {
      EXPECT_EQ(random.Uniform(0, 1), value) << stream.seed;
    }
    for (const double value : stream.normal)
    {
      EXPECT_DOUBLE_EQ(random.Normal(), value) << stream.seed;
    }
    EXPECT_EQ(random.Random(), stream.random) << "half a pair of normal numbers is left over";
    EXPECT_DOUBLE_EQ(random.Normal(2, 3), stream.scaledNormal);
    EXPECT_EQ(random.Uniform(-1, 3), stream.scaledUniform);
  }
}

TEST(NumPyLegacyRandom, ManyNumbers)
{
  NumPyLegacyRandom random(7);
  double sum = 0;
  for (int i = 0; i < 100000; ++i)
  {
    sum += random.Normal();
  }
  EXPECT_NEAR(sum, -288.77495208153135, 1e-8);
  EXPECT_EQ(random.Random(), 0.9050152019790842);
}
