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

#include "itkNNSimdTargets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "itkNNSimdReduction.cxx"
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

/** Of VVectors vectors side by side; VParts rows at a time have sums of their own. */
template <bool VIsCentred, int VVectors, int VParts, class D>
HWY_INLINE void
SumColumns(D d, const float * src, std::int64_t rows, std::int64_t stride, const float * centre, float * sums)
{
  using V = hn::Vec<D>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  V centres[VVectors];
  V parts[VParts][VVectors];
  for (int v = 0; v < VVectors; ++v)
  {
    centres[v] = VIsCentred ? hn::LoadU(d, centre + v * lanes) : hn::Zero(d);
    for (auto & part : parts)
    {
      part[v] = hn::Zero(d);
    }
  }
  const auto add = [&](V & sum, const float * from, int v) HWY_ATTR
  {
    const V x = hn::LoadU(d, from + v * lanes);
    if constexpr (VIsCentred)
    {
      const V deviation = hn::Sub(x, centres[v]);
      sum = hn::MulAdd(deviation, deviation, sum);
    }
    else
    {
      sum = hn::Add(sum, x);
    }
  };
  std::int64_t r = 0;
  for (; r + VParts <= rows; r += VParts)
  {
    for (int part = 0; part < VParts; ++part)
    {
      for (int v = 0; v < VVectors; ++v)
      {
        add(parts[part][v], src + (r + part) * stride, v);
      }
    }
  }
  for (int part = 0; r < rows; ++r, ++part)
  {
    for (int v = 0; v < VVectors; ++v)
    {
      add(parts[part][v], src + r * stride, v);
    }
  }
  for (int v = 0; v < VVectors; ++v)
  {
    for (int width = VParts / 2; width > 0; width /= 2)
    {
      for (int part = 0; part < width; ++part)
      {
        parts[part][v] = hn::Add(parts[part][v], parts[part + width][v]);
      }
    }
    hn::StoreU(parts[0][v], d, sums + v * lanes);
  }
}

template <bool VIsCentred>
HWY_NOINLINE void
SumAllColumns(
  const float * src, std::int64_t rows, std::int64_t stride, std::int64_t count, const float * centre, float * sums)
{
  const hn::CappedTag<float, 16> d;
  const hn::CappedTag<float, 1> one;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto centreOf = [=](std::int64_t i) { return VIsCentred ? centre + i : nullptr; };
  std::int64_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes)
  {
    SumColumns<VIsCentred, 4, 2>(d, src + i, rows, stride, centreOf(i), sums + i);
  }
  for (; i + lanes <= count; i += lanes)
  {
    SumColumns<VIsCentred, 1, 8>(d, src + i, rows, stride, centreOf(i), sums + i);
  }
  for (; i < count; ++i)
  {
    SumColumns<VIsCentred, 1, 8>(one, src + i, rows, stride, centreOf(i), sums + i);
  }
}

HWY_NOINLINE void
SumRowsImplementation(
  const float * src, std::int64_t rows, std::int64_t stride, std::int64_t count, const float * centre, float * sums)
{
  return centre != nullptr ? SumAllColumns<true>(src, rows, stride, count, centre, sums)
                           : SumAllColumns<false>(src, rows, stride, count, centre, sums);
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
HWY_EXPORT(SumRowsImplementation);

void
SumRows(
  const float * src, std::int64_t rows, std::int64_t stride, std::int64_t count, const float * centre, float * sums)
{
  HWY_DYNAMIC_DISPATCH(SumRowsImplementation)(src, rows, stride, count, centre, sums);
}
} // namespace simd
} // namespace nn
} // namespace itk
#endif
