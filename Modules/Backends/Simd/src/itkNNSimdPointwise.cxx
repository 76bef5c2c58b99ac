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
      case PointwiseFunction::Add:
        combine([](V a, V b) HWY_ATTR { return hn::Add(a, b); });
        break;
      case PointwiseFunction::Subtract:
        combine([](V a, V b) HWY_ATTR { return hn::Sub(a, b); });
        break;
      case PointwiseFunction::Multiply:
        combine([](V a, V b) HWY_ATTR { return hn::Mul(a, b); });
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
