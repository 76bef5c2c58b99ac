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
#include "itkNNSimdGradients.h"

#include "itkNNSimdTestHelpers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace itk::nn::simd;

namespace
{
/** By its definition: the first element of a window that has its maximum, a NaN
 * being the greatest. */
std::vector<float>
Expect(const PoolingGradientShape & shape, const std::vector<float> & gradient, const std::vector<float> & src)
{
  std::vector<float> result(src.size(), 0.0F);
  const auto at = [&](std::int64_t plane, std::int64_t z, std::int64_t y, std::int64_t x, std::int64_t lane)
  {
    return static_cast<std::size_t>((((plane * shape.src[0] + z) * shape.src[1] + y) * shape.src[2] + x) * shape.block +
                                    lane);
  };
  std::size_t next = 0;
  for (std::int64_t plane = 0; plane < shape.planes; ++plane)
  {
    for (std::int64_t i = 0; i < shape.dst[0] * shape.dst[1] * shape.dst[2]; ++i)
    {
      const std::int64_t z0 = i / shape.dst[2] / shape.dst[1] * shape.kernel[0];
      const std::int64_t y0 = i / shape.dst[2] % shape.dst[1] * shape.kernel[1];
      const std::int64_t x0 = i % shape.dst[2] * shape.kernel[2];
      for (std::int64_t lane = 0; lane < shape.block; ++lane)
      {
        std::size_t best = at(plane, z0, y0, x0, lane);
        for (std::int64_t k = 0; k < shape.kernel[0] * shape.kernel[1] * shape.kernel[2]; ++k)
        {
          const std::size_t other = at(plane,
                                       z0 + k / shape.kernel[2] / shape.kernel[1],
                                       y0 + k / shape.kernel[2] % shape.kernel[1],
                                       x0 + k % shape.kernel[2],
                                       lane);
          if (src[other] > src[best] || (std::isnan(src[other]) && !std::isnan(src[best])))
          {
            best = other;
          }
        }
        result[best] += gradient[next++];
      }
    }
  }
  return result;
}

void
Check(PoolingGradientShape shape)
{
  ForEachTarget(
    [shape]() mutable
    {
      for (const int block : { 8, 16 })
      {
        shape.block = block;
        const auto count = [&](const std::array<std::int64_t, 3> & extents)
        { return shape.planes * extents[0] * extents[1] * extents[2] * block; };
        std::vector<float> src = RandomFloats(count(shape.src), 1);
        for (float & value : src)
        {
          // Ties.
          value = std::round(value * 4) / 4;
        }
        src[3] = std::numeric_limits<float>::quiet_NaN();
        const std::vector<float> gradient = RandomFloats(count(shape.dst), 2);
        std::vector<float> result(src.size(), std::numeric_limits<float>::quiet_NaN());
        const std::int64_t rows = shape.planes * shape.dst[0] * shape.dst[1];
        MaximumPoolingGradient(shape, gradient.data(), src.data(), result.data(), rows / 2, rows);
        MaximumPoolingGradient(shape, gradient.data(), src.data(), result.data(), 0, rows / 2);
        EXPECT_EQ(result, Expect(shape, gradient, src)) << block;
      }
    });
}
} // namespace

TEST(SimdGradients, MaximumPooling)
{
  Check({ 3, { 1, 2, 2 }, { 1, 8, 6 }, { 1, 4, 3 } });
  Check({ 2, { 2, 2, 2 }, { 4, 6, 4 }, { 2, 3, 2 } });
  Check({ 2, { 1, 1, 3 }, { 1, 1, 9 }, { 1, 1, 3 } });
}

TEST(SimdGradients, ClearsWhatNoWindowCovers)
{
  Check({ 2, { 1, 2, 2 }, { 1, 7, 5 }, { 1, 3, 2 } });
  Check({ 2, { 2, 2, 2 }, { 5, 5, 3 }, { 2, 2, 1 } });
}
