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
#include "itkNNSimdInterpolation.h"
#include "itkNNSimdTestHelpers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace itk::nn::simd;

TEST(SimdInterpolation, SumColumns)
{
  constexpr std::int64_t width = 11;
  constexpr std::int64_t count = 9;
  constexpr std::int64_t rows = 5;
  const auto check = [&](int block)
  {
    std::mt19937 generator(3);
    WeightedSums sums;
    for (std::int64_t i = 0; i < count; ++i)
    {
      // A sum without terms too.
      for (std::int64_t t = 0; t < i % 7; ++t)
      {
        sums.AddTerm(static_cast<std::int64_t>(generator() % width) * block, 0.1F * static_cast<float>(t + 1));
      }
      sums.FinishSum();
    }
    ASSERT_EQ(sums.GetNumberOfSums(), count);
    const auto src = RandomFloats(rows * width * block, 5);
    for (std::int64_t used = 0; used <= rows; ++used)
    {
      std::vector<float> dst(static_cast<std::size_t>(rows * count * block), -7.0F);
      std::vector<const float *> from;
      std::vector<float *> to;
      for (std::int64_t r = 0; r < used; ++r)
      {
        from.push_back(src.data() + r * width * block);
        to.push_back(dst.data() + r * count * block);
      }
      SumColumns(sums, from.data(), to.data(), used, block);
      for (std::int64_t e = 0; e < rows * count * block; ++e)
      {
        const std::int64_t r = e / (count * block);
        const auto i = static_cast<std::size_t>(e / block % count);
        double expected = r < used ? 0 : -7;
        for (auto t = static_cast<std::size_t>(sums.begin[i]);
             r < used && t < static_cast<std::size_t>(sums.begin[i + 1]);
             ++t)
        {
          expected +=
            static_cast<double>(sums.weights[t]) *
            static_cast<double>(src[static_cast<std::size_t>(r * width * block + sums.offsets[t] + e % block)]);
        }
        ASSERT_NEAR(static_cast<double>(dst[static_cast<std::size_t>(e)]), expected, 1e-6) << block << ' ' << e;
      }
    }
  };
  ForEachTarget(
    [&]
    {
      check(1);
      check(8);
      check(16);
    });
}

TEST(SimdInterpolation, SumRows)
{
  ForEachTarget(
    []
    {
      for (const std::int64_t rows : { 0, 1, 2, 6 })
      {
        for (const std::int64_t count : { 1, 7, 8, 16, 19, 64, 128, 300 })
        {
          const auto src = RandomFloats(rows * count, 1);
          const auto weights = RandomFloats(rows, 2);
          std::vector<const float *> from;
          for (std::int64_t r = 0; r < rows; ++r)
          {
            from.push_back(src.data() + r * count);
          }
          std::vector<float> dst(static_cast<std::size_t>(count + 1), -7.0F);
          SumRows(from.data(), weights.data(), rows, dst.data(), count);
          for (std::int64_t i = 0; i < count; ++i)
          {
            double expected = 0;
            for (std::int64_t r = 0; r < rows; ++r)
            {
              expected += static_cast<double>(weights[static_cast<std::size_t>(r)]) *
                          static_cast<double>(src[static_cast<std::size_t>(r * count + i)]);
            }
            ASSERT_NEAR(static_cast<double>(dst[static_cast<std::size_t>(i)]), expected, 1e-6);
          }
          EXPECT_EQ(dst.back(), -7.0F);
        }
      }
    });
}

TEST(SimdInterpolation, WeightOfZeroIsNoTerm)
{
  ForEachTarget(
    []
    {
      WeightedSums sums;
      sums.AddTerm(0, 0.0F);
      sums.AddTerm(1, 1.0F);
      sums.FinishSum();
      const float src[] = { std::numeric_limits<float>::infinity(), 2.0F };
      float dst = 0;
      const float * from = src;
      float * to = &dst;
      SumColumns(sums, &from, &to, 1, 1);
      EXPECT_EQ(dst, 2.0F);
    });
}
