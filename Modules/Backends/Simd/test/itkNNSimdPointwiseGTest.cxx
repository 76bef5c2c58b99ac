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
#include "itkNNSimdPointwise.h"
#include "itkNNSimdTestHelpers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace itk::nn::simd;

namespace
{
double
Apply(const PointwiseStep & step, double x, double operand)
{
  switch (step.function)
  {
    case PointwiseFunction::Relu:
      return x < 0 ? 0 : x;
    case PointwiseFunction::LeakyRelu:
      return x < 0 ? static_cast<double>(step.alpha) * x : x;
    case PointwiseFunction::Linear:
      return static_cast<double>(step.alpha) * x + static_cast<double>(step.beta);
    case PointwiseFunction::Gelu:
      return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case PointwiseFunction::Add:
      return x + operand;
    case PointwiseFunction::Subtract:
      return x - operand;
    case PointwiseFunction::PRelu:
      return x > 0 ? x : operand * x;
    case PointwiseFunction::Gate:
      return operand > 0 ? x : static_cast<double>(step.alpha) * x;
    case PointwiseFunction::Multiply:
      break;
  }
  return x * operand;
}

std::int64_t
Locate(PointwiseAccess access, std::int64_t period, std::int64_t i)
{
  return access == PointwiseAccess::Whole ? i : access == PointwiseAccess::Periodic ? i % period : 0;
}

/** A chain against plain loops, in place too when the source is whole. */
void
Check(PointwiseAccess access, std::vector<PointwiseStep> steps, std::int64_t period, std::int64_t count)
{
  const auto src = RandomFloats(count, 1);
  std::vector<std::vector<float>> operands;
  for (std::size_t s = 0; s < steps.size(); ++s)
  {
    operands.push_back(RandomFloats(std::max<std::int64_t>(count, 16), static_cast<unsigned int>(2 + s)));
    steps[s].operand = operands.back().data();
  }
  const auto check = [&](const std::vector<float> & dst)
  {
    for (std::int64_t i = 0; i < count; ++i)
    {
      double expected = static_cast<double>(src[static_cast<std::size_t>(Locate(access, period, i))]);
      for (const auto & step : steps)
      {
        expected = Apply(step, expected, static_cast<double>(step.operand[Locate(step.access, period, i)]));
      }
      ASSERT_NEAR(static_cast<double>(dst[static_cast<std::size_t>(i)]), expected, 1e-6) << i << " of " << count;
    }
    EXPECT_EQ(dst.back(), -7.0F);
  };
  std::vector<float> dst(static_cast<std::size_t>(count + 1), -7.0F);
  ApplyPointwise(src.data(), access, steps.data(), static_cast<std::int64_t>(steps.size()), period, dst.data(), count);
  check(dst);
  if (access == PointwiseAccess::Whole)
  {
    dst = src;
    dst.push_back(-7.0F);
    ApplyPointwise(
      dst.data(), access, steps.data(), static_cast<std::int64_t>(steps.size()), period, dst.data(), count);
    check(dst);
  }
}
} // namespace

TEST(SimdPointwise, EveryFunctionAndAccess)
{
  using Function = PointwiseFunction;
  ForEachTarget(
    []
    {
      for (const std::int64_t period : { 8, 16 })
      {
        for (const std::int64_t count : { 16, 48, 128, 144, 1040 })
        {
          for (const auto access : { PointwiseAccess::Whole, PointwiseAccess::Periodic, PointwiseAccess::Scalar })
          {
            Check(access, {}, period, count);
            for (const auto function : { Function::Relu,
                                         Function::LeakyRelu,
                                         Function::Linear,
                                         Function::Gelu,
                                         Function::Add,
                                         Function::Subtract,
                                         Function::Multiply,
                                         Function::PRelu,
                                         Function::Gate })
            {
              Check(PointwiseAccess::Whole, { { function, access, 0.25F, 0.5F } }, period, count);
            }
            Check(access,
                  { { Function::Add, PointwiseAccess::Whole },
                    { Function::Multiply, access },
                    { Function::LeakyRelu, access, 0.01F },
                    { Function::Subtract, PointwiseAccess::Scalar } },
                  period,
                  count);
          }
        }
      }
    });
}

TEST(SimdPointwise, AnyCountWithoutPeriods)
{
  ForEachTarget(
    []
    {
      for (const std::int64_t count : { 1, 3, 8, 15, 17, 127, 131, 1001 })
      {
        for (const auto access : { PointwiseAccess::Whole, PointwiseAccess::Scalar })
        {
          Check(access, { { PointwiseFunction::Add, access }, { PointwiseFunction::Relu } }, 0, count);
        }
      }
    });
}

TEST(SimdPointwise, GeluIsExactInItsWholeRange)
{
  ForEachTarget(
    []
    {
      std::vector<float> src;
      for (int i = -64000; i <= 64000; ++i)
      {
        src.push_back(static_cast<float>(i) / 8000);
      }
      src.insert(src.end(), { -1e30F, 1e30F, std::numeric_limits<float>::infinity(), 1e-30F, 0.0F });
      std::vector<float> dst(src.size());
      const PointwiseStep step{ PointwiseFunction::Gelu, PointwiseAccess::Whole, 0, 0, nullptr };
      ApplyPointwise(
        src.data(), PointwiseAccess::Whole, &step, 1, 0, dst.data(), static_cast<std::int64_t>(src.size()));
      for (std::size_t i = 0; i < src.size(); ++i)
      {
        const auto x = static_cast<double>(src[i]);
        const double expected = x < -100 ? 0 : 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
        if (std::isinf(expected))
        {
          EXPECT_EQ(dst[i], src[i]);
          continue;
        }
        ASSERT_NEAR(static_cast<double>(dst[i]), expected, 5e-7 * std::max(1.0, std::abs(x))) << x;
      }
    });
}

TEST(SimdPointwise, NanStays)
{
  ForEachTarget(
    []
    {
      const float src = std::numeric_limits<float>::quiet_NaN();
      for (const auto function : { PointwiseFunction::Relu, PointwiseFunction::LeakyRelu, PointwiseFunction::Gelu })
      {
        const PointwiseStep step{ function, PointwiseAccess::Whole, 0.1F, 0, nullptr };
        std::vector<float> dst(40, 0.0F);
        ApplyPointwise(&src, PointwiseAccess::Scalar, &step, 1, 0, dst.data(), 40);
        for (const float value : dst)
        {
          EXPECT_TRUE(std::isnan(value));
        }
      }
    });
}
