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
#include "itkNNSimdReduction.h"
#include "itkNNSimdTestHelpers.h"

#include <gtest/gtest.h>

using namespace itk::nn::simd;

namespace
{
void
Check(std::int64_t rows, std::int64_t stride, std::int64_t count, bool isCentred)
{
  const auto src = RandomFloats(std::max<std::int64_t>(rows * stride, 1), 1);
  const auto centre = RandomFloats(count, 2);
  std::vector<float> sums(static_cast<std::size_t>(count + 1), -7.0F);
  SumRows(src.data(), rows, stride, count, isCentred ? centre.data() : nullptr, sums.data());
  for (std::int64_t i = 0; i < count; ++i)
  {
    double expected = 0;
    for (std::int64_t r = 0; r < rows; ++r)
    {
      const auto x = static_cast<double>(src[static_cast<std::size_t>(r * stride + i)]);
      const double deviation = x - static_cast<double>(centre[static_cast<std::size_t>(i)]);
      expected += isCentred ? deviation * deviation : x;
    }
    ASSERT_NEAR(static_cast<double>(sums[static_cast<std::size_t>(i)]), expected, 1e-6 * static_cast<double>(rows + 1))
      << i << " of " << count << ", " << rows << " rows";
  }
  EXPECT_EQ(sums.back(), -7.0F);
}
} // namespace

TEST(SimdReduction, SumsAndSquares)
{
  ForEachTarget(
    []
    {
      for (const std::int64_t count : { 1, 3, 8, 16, 17, 64, 100, 512 })
      {
        for (const std::int64_t rows : { 0, 1, 7, 8, 9, 33, 512 })
        {
          for (const bool isCentred : { false, true })
          {
            Check(rows, count, count, isCentred);
            Check(rows, count + 5, count, isCentred);
          }
        }
      }
    });
}
