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

#include "itkNNSimdTargets.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "itkNNSimdGradients.cxx"
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

/** One window, a vector of channels: src and result are at its first element. */
template <class D>
HWY_INLINE void
SpreadWindow(D d, const PoolingGradientShape & shape, const float * src, hn::Vec<D> gradient, float * result)
{
  const std::int64_t row = shape.src[2] * shape.block;
  const std::int64_t slice = shape.src[1] * row;
  const auto forEach = [&](auto f) HWY_ATTR
  {
    for (std::int64_t z = 0; z < shape.kernel[0]; ++z)
    {
      for (std::int64_t y = 0; y < shape.kernel[1]; ++y)
      {
        for (std::int64_t x = 0; x < shape.kernel[2]; ++x)
        {
          f(z * slice + y * row + x * shape.block);
        }
      }
    }
  };
  auto maximum = hn::LoadU(d, src);
  forEach(
    [&](std::int64_t offset) HWY_ATTR
    {
      const auto x = hn::LoadU(d, src + offset);
      // A NaN stays the maximum, as in the pooling.
      maximum = hn::IfThenElse(hn::Or(hn::Gt(x, maximum), hn::IsNaN(x)), x, maximum);
    });
  auto open = hn::Eq(gradient, gradient);
  open = hn::Or(open, hn::Not(open));
  forEach(
    [&](std::int64_t offset) HWY_ATTR
    {
      const auto x = hn::LoadU(d, src + offset);
      const auto is = hn::And(open, hn::Or(hn::Eq(x, maximum), hn::IsNaN(x)));
      hn::StoreU(hn::IfThenElseZero(is, gradient), d, result + offset);
      open = hn::AndNot(is, open);
    });
}

HWY_NOINLINE void
MaximumPoolingGradientImplementation(const PoolingGradientShape & shape,
                                     const float * gradient,
                                     const float * src,
                                     float * result,
                                     std::int64_t begin,
                                     std::int64_t end)
{
  const hn::CappedTag<float, 16> d;
  const hn::CappedTag<float, 8> half;
  const std::int64_t block = shape.block;
  const std::int64_t row = shape.src[2] * block;
  for (std::int64_t item = begin; item < end; ++item)
  {
    const std::int64_t y = item % shape.dst[1];
    const std::int64_t z = item / shape.dst[1] % shape.dst[0];
    const std::int64_t plane = item / shape.dst[1] / shape.dst[0];
    const std::int64_t first =
      ((plane * shape.src[0] + z * shape.kernel[0]) * shape.src[1] + y * shape.kernel[1]) * row;
    const float * from = gradient + item * shape.dst[2] * block;
    const auto spread = [&](auto tag) HWY_ATTR
    {
      const auto lanes = static_cast<std::int64_t>(hn::Lanes(tag));
      for (std::int64_t x = 0; x < shape.dst[2]; ++x)
      {
        for (std::int64_t lane = 0; lane < block; lane += lanes)
        {
          const std::int64_t at = first + x * shape.kernel[2] * block + lane;
          SpreadWindow(tag, shape, src + at, hn::LoadU(tag, from + x * block + lane), result + at);
        }
      }
    };
    if (block % static_cast<std::int64_t>(hn::Lanes(d)) == 0)
    {
      spread(d);
    }
    else
    {
      spread(half);
    }
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
HWY_EXPORT(MaximumPoolingGradientImplementation);

namespace
{
/** Zeros in the elements that the windows of a row do not cover. */
void
ClearRest(const PoolingGradientShape & shape, float * result, std::int64_t item)
{
  const std::int64_t y = item % shape.dst[1];
  const std::int64_t z = item / shape.dst[1] % shape.dst[0];
  const std::int64_t plane = item / shape.dst[1] / shape.dst[0];
  const auto endOf = [&](std::size_t d, std::int64_t position)
  { return position + 1 == shape.dst[d] ? shape.src[d] : (position + 1) * shape.kernel[d]; };
  const std::int64_t covered = shape.dst[2] * shape.kernel[2];
  for (std::int64_t sz = z * shape.kernel[0]; sz < endOf(0, z); ++sz)
  {
    for (std::int64_t sy = y * shape.kernel[1]; sy < endOf(1, y); ++sy)
    {
      const bool isCovered = sz < (z + 1) * shape.kernel[0] && sy < (y + 1) * shape.kernel[1];
      float * row = result + ((plane * shape.src[0] + sz) * shape.src[1] + sy) * shape.src[2] * shape.block;
      std::fill(row + (isCovered ? covered : 0) * shape.block, row + shape.src[2] * shape.block, 0.0F);
    }
  }
}
} // namespace

void
MaximumPoolingGradient(const PoolingGradientShape & shape,
                       const float * gradient,
                       const float * src,
                       float * result,
                       std::int64_t begin,
                       std::int64_t end)
{
  bool hasRest = false;
  for (std::size_t d = 0; d < 3; ++d)
  {
    hasRest = hasRest || shape.dst[d] * shape.kernel[d] != shape.src[d];
  }
  for (std::int64_t item = begin; hasRest && item < end; ++item)
  {
    ClearRest(shape, result, item);
  }
  HWY_DYNAMIC_DISPATCH(MaximumPoolingGradientImplementation)(shape, gradient, src, result, begin, end);
}
} // namespace simd
} // namespace nn
} // namespace itk
#endif
