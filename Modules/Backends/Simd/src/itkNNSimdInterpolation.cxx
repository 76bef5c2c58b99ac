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

#include "itkNNSimdTargets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "itkNNSimdInterpolation.cxx"
#include <hwy/foreach_target.h>
// After foreach_target.h.
#include <hwy/highway.h>

#include <algorithm>

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

/** Rows whose sums are computed together, so that a term is read once for all. */
constexpr std::int64_t rowsTogether = 3;

template <int VBlock, int VRows>
HWY_INLINE void
SumColumnsOfRows(const WeightedSums & sums, const float * const * from, float * const * to)
{
  const hn::CappedTag<float, VBlock> d;
  using V = hn::Vec<decltype(d)>;
  constexpr auto lanes = static_cast<std::int64_t>(hn::MaxLanes(hn::CappedTag<float, VBlock>()));
  const float * source[VRows];
  std::copy(from, from + VRows, source);
  const std::int64_t * HWY_RESTRICT begin = sums.begin.data();
  const std::int64_t * HWY_RESTRICT offsets = sums.offsets.data();
  const float * HWY_RESTRICT weights = sums.weights.data();
  const std::int64_t count = sums.GetNumberOfSums();
  for (std::int64_t i = 0; i < count; ++i)
  {
    for (std::int64_t lane = 0; lane < VBlock; lane += lanes)
    {
      V sum[VRows];
      for (V & value : sum)
      {
        value = hn::Zero(d);
      }
      for (std::int64_t t = begin[i]; t < begin[i + 1]; ++t)
      {
        const V weight = hn::Set(d, weights[t]);
        for (int r = 0; r < VRows; ++r)
        {
          sum[r] = hn::MulAdd(weight, hn::LoadU(d, source[r] + offsets[t] + lane), sum[r]);
        }
      }
      for (int r = 0; r < VRows; ++r)
      {
        hn::StoreU(sum[r], d, to[r] + i * VBlock + lane);
      }
    }
  }
}

template <int VBlock>
HWY_NOINLINE void
SumColumnsOfBlocks(const WeightedSums & sums, const float * const * from, float * const * to, std::int64_t rows)
{
  std::int64_t row = 0;
  for (; row + rowsTogether <= rows; row += rowsTogether)
  {
    SumColumnsOfRows<VBlock, rowsTogether>(sums, from + row, to + row);
  }
  for (; row < rows; ++row)
  {
    SumColumnsOfRows<VBlock, 1>(sums, from + row, to + row);
  }
}

HWY_NOINLINE void
SumColumnsImplementation(
  const WeightedSums & sums, const float * const * from, float * const * to, std::int64_t rows, int block)
{
  switch (block)
  {
    case 8:
      return SumColumnsOfBlocks<8>(sums, from, to, rows);
    case 16:
      return SumColumnsOfBlocks<16>(sums, from, to, rows);
    default:
      return SumColumnsOfBlocks<1>(sums, from, to, rows);
  }
}

/** VVectors vectors of the sum from the element i on. */
template <int VVectors, class D>
HWY_INLINE void
SumVectors(D d, const float * const * from, const float * weights, std::int64_t rows, float * to, std::int64_t i)
{
  using V = hn::Vec<D>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  V sum[VVectors];
  for (V & value : sum)
  {
    value = hn::Zero(d);
  }
  for (std::int64_t r = 0; r < rows; ++r)
  {
    const V weight = hn::Set(d, weights[r]);
    const float * row = from[r] + i;
    for (int k = 0; k < VVectors; ++k)
    {
      sum[k] = hn::MulAdd(weight, hn::LoadU(d, row + k * lanes), sum[k]);
    }
  }
  for (int k = 0; k < VVectors; ++k)
  {
    hn::StoreU(sum[k], d, to + i + k * lanes);
  }
}

HWY_NOINLINE void
SumRowsImplementation(
  const float * const * from, const float * weights, std::int64_t rows, float * to, std::int64_t count)
{
  constexpr int vectors = 8;
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + vectors * lanes <= count; i += vectors * lanes)
  {
    SumVectors<vectors>(d, from, weights, rows, to, i);
  }
  for (; i + lanes <= count; i += lanes)
  {
    SumVectors<1>(d, from, weights, rows, to, i);
  }
  for (; i < count; ++i)
  {
    SumVectors<1>(hn::CappedTag<float, 1>(), from, weights, rows, to, i);
  }
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
HWY_EXPORT(SumColumnsImplementation);
HWY_EXPORT(SumRowsImplementation);

void
SumColumns(const WeightedSums & sums, const float * const * from, float * const * to, std::int64_t rows, int block)
{
  HWY_DYNAMIC_DISPATCH(SumColumnsImplementation)(sums, from, to, rows, block);
}

void
SumRows(const float * const * from, const float * weights, std::int64_t rows, float * to, std::int64_t count)
{
  HWY_DYNAMIC_DISPATCH(SumRowsImplementation)(from, weights, rows, to, count);
}
} // namespace simd
} // namespace nn
} // namespace itk
#endif
