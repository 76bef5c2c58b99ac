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

#include "itkNNSimdTargets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "itkNNSimdPointwise.cxx"
#include <hwy/foreach_target.h>
// After foreach_target.h.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace itk
{
namespace nn
{
namespace simd
{
namespace HWY_NAMESPACE
{
namespace
{
namespace hn = hwy::HWY_NAMESPACE;

struct Chain
{
  const float * from;
  PointwiseAccess access;
  const PointwiseStep * steps;
  std::int64_t numberOfSteps;
  float * to;
};

/** f(k, operand) with the operand's vector that belongs to the elements from
 * i + k * lanes on, for all k. */
template <int VPeriod, int VVectors, class D, typename TFunction>
HWY_INLINE void
ForEachOperand(D d, const float * operand, PointwiseAccess access, std::int64_t i, TFunction f)
{
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  if (access == PointwiseAccess::Whole)
  {
    for (int k = 0; k < VVectors; ++k)
    {
      f(k, hn::LoadU(d, operand + i + k * lanes));
    }
  }
  else if (access == PointwiseAccess::Periodic)
  {
    for (int k = 0; k < VVectors; ++k)
    {
      f(k, hn::LoadU(d, operand + (i + k * lanes) % VPeriod));
    }
  }
  else
  {
    const auto value = hn::Set(d, *operand);
    for (int k = 0; k < VVectors; ++k)
    {
      f(k, value);
    }
  }
}

/** erf(x) to 4e-7: x times a quotient of polynomials of x^2, fitted on [-4, 4] to a
 * relative error of 2e-9; beyond, float32 has nothing but 1. */
template <class D, class V = hn::Vec<D>>
HWY_INLINE V
Erf(D d, V x)
{
  constexpr float numerator[] = { 1.128379225730896F,     0.1852031797170639F,     0.05431689694523811F,
                                  0.0038496090564876795F, 0.00037960847839713097F, 4.684768555307528e-06F,
                                  -1.32021833465501e-08F };
  constexpr float denominator[] = { 1.0F,
                                    0.49746546149253845F,
                                    0.11395839601755142F,
                                    0.01546208281069994F,
                                    0.0013075688621029258F,
                                    6.311049219220877e-05F };
  const auto evaluate = [&](const float * coefficients, int degree, V square) HWY_ATTR
  {
    V sum = hn::Set(d, coefficients[degree]);
    for (int i = degree; i-- > 0;)
    {
      sum = hn::MulAdd(sum, square, hn::Set(d, coefficients[i]));
    }
    return sum;
  };
  const V near = hn::Clamp(x, hn::Set(d, -4.0F), hn::Set(d, 4.0F));
  const V square = hn::Mul(near, near);
  const V value = hn::Div(hn::Mul(near, evaluate(numerator, 6, square)), evaluate(denominator, 5, square));
  return hn::Clamp(value, hn::Set(d, -1.0F), hn::Set(d, 1.0F));
}

/** VVectors vectors from the element i on. */
template <int VPeriod, int VVectors, class D>
HWY_INLINE void
ApplyVectors(D d, const Chain & chain, std::int64_t i)
{
  using V = hn::Vec<D>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  V values[VVectors];
  ForEachOperand<VPeriod, VVectors>(d, chain.from, chain.access, i, [&](int k, V x) HWY_ATTR { values[k] = x; });
  for (std::int64_t s = 0; s < chain.numberOfSteps; ++s)
  {
    const PointwiseStep & step = chain.steps[s];
    const auto combine = [&](auto f) HWY_ATTR
    {
      ForEachOperand<VPeriod, VVectors>(
        d, step.operand, step.access, i, [&](int k, V x) HWY_ATTR { values[k] = f(values[k], x); });
    };
    const V alpha = hn::Set(d, step.alpha);
    const V beta = hn::Set(d, step.beta);
    switch (step.function)
    {
      case PointwiseFunction::Relu:
        for (V & x : values)
        {
          x = hn::IfThenZeroElse(hn::Lt(x, hn::Zero(d)), x);
        }
        break;
      case PointwiseFunction::LeakyRelu:
        for (V & x : values)
        {
          x = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Mul(alpha, x), x);
        }
        break;
      case PointwiseFunction::Linear:
        for (V & x : values)
        {
          x = hn::MulAdd(alpha, x, beta);
        }
        break;
      case PointwiseFunction::Gelu:
        for (V & x : values)
        {
          const V half = hn::Mul(x, hn::Set(d, 0.5F));
          x = hn::MulAdd(half, Erf(d, hn::Mul(x, hn::Set(d, 0.70710678F))), half);
        }
        break;
      case PointwiseFunction::Add:
        combine([](V a, V b) HWY_ATTR { return hn::Add(a, b); });
        break;
      case PointwiseFunction::Subtract:
        combine([](V a, V b) HWY_ATTR { return hn::Sub(a, b); });
        break;
      case PointwiseFunction::Multiply:
        combine([](V a, V b) HWY_ATTR { return hn::Mul(a, b); });
        break;
      case PointwiseFunction::PRelu:
        combine([&](V a, V b) HWY_ATTR { return hn::IfThenElse(hn::Gt(a, hn::Zero(d)), a, hn::Mul(b, a)); });
        break;
      case PointwiseFunction::Gate:
        combine([&](V a, V b) HWY_ATTR { return hn::IfThenElse(hn::Gt(b, hn::Zero(d)), a, hn::Mul(alpha, a)); });
        break;
    }
  }
  for (int k = 0; k < VVectors; ++k)
  {
    hn::StoreU(values[k], d, chain.to + i + k * lanes);
  }
}

/** No vector is longer than the period. */
template <int VPeriod>
HWY_NOINLINE void
ApplyChain(const Chain & chain, std::int64_t count)
{
  constexpr int vectors = 8;
  const hn::CappedTag<float, VPeriod> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + vectors * lanes <= count; i += vectors * lanes)
  {
    ApplyVectors<VPeriod, vectors>(d, chain, i);
  }
  for (; i + lanes <= count; i += lanes)
  {
    ApplyVectors<VPeriod, 1>(d, chain, i);
  }
  for (; i < count; ++i)
  {
    ApplyVectors<VPeriod, 1>(hn::CappedTag<float, 1>(), chain, i);
  }
}

HWY_NOINLINE void
ApplyPointwiseImplementation(const float * from,
                             PointwiseAccess access,
                             const PointwiseStep * steps,
                             std::int64_t numberOfSteps,
                             std::int64_t period,
                             float * to,
                             std::int64_t count)
{
  const Chain chain{ from, access, steps, numberOfSteps, to };
  return period == 8 ? ApplyChain<8>(chain, count) : ApplyChain<16>(chain, count);
}
} // namespace
} // namespace HWY_NAMESPACE
} // namespace simd
} // namespace nn
} // namespace itk
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace itk
{
namespace nn
{
namespace simd
{
HWY_EXPORT(ApplyPointwiseImplementation);

void
ApplyPointwise(const float * from,
               PointwiseAccess access,
               const PointwiseStep * steps,
               std::int64_t numberOfSteps,
               std::int64_t period,
               float * to,
               std::int64_t count)
{
  HWY_DYNAMIC_DISPATCH(ApplyPointwiseImplementation)(from, access, steps, numberOfSteps, period, to, count);
}
} // namespace simd
} // namespace nn
} // namespace itk
#endif
