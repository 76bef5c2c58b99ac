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
#include "itkNNVolumeFusionKernels.h"

#ifdef UNIVERSEG_HIGHWAY
// Plain C++ where there is no AVX2.
#  define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4)
#  undef HWY_TARGET_INCLUDE
#  define HWY_TARGET_INCLUDE "itkNNVolumeFusionKernels.cxx"
#  include <hwy/foreach_target.h>
// After foreach_target.h.
#  include <hwy/highway.h>
#else
#  define HWY_NAMESPACE Plain
#  define HWY_BEFORE_NAMESPACE() static_assert(true, "")
#  define HWY_AFTER_NAMESPACE() static_assert(true, "")
#  define HWY_INLINE inline
#  define HWY_ONCE 1
#  define HWY_EXPORT(function) static_assert(true, "")
#  define HWY_DYNAMIC_DISPATCH(function) Plain::function
#endif

#include <algorithm>
#include <cfloat>
#include <cstring>

// Compiled once for each instruction set: compilers make vector instructions of the loops.
HWY_BEFORE_NAMESPACE();
namespace itk
{
namespace nn
{
namespace HWY_NAMESPACE
{
namespace
{
HWY_INLINE std::int32_t
ToBits(float value)
{
  std::int32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

HWY_INLINE float
FromBits(std::int32_t bits)
{
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

/** x^exponent for x in [0, 1] and an exponent above 0, to 2e-7. */
HWY_INLINE float
Power(float x, float exponent)
{
  // x = m 2^e with m from sqrt(1/2) to sqrt(2), log(m) = 2 artanh(s).
  constexpr std::int32_t rootBits = 0x3f3504f3;
  const std::int32_t e = (ToBits(x) - rootBits) >> 23;
  const float m = FromBits(ToBits(x) - e * (1 << 23));
  const float s = (m - 1) / (m + 1);
  const float t = s * s;
  constexpr auto twoByLog2 = static_cast<float>(2.8853900817779268);
  const float series = 1 + t * (1.F / 3 + t * (1.F / 5 + t * (1.F / 7 + t * (1.F / 9))));
  const float logarithm = static_cast<float>(e) + twoByLog2 * s * series;

  // 2^(n + f) with f from -1/2 to 1/2. Below 2^-126 there is nothing but 0.
  float power = exponent * logarithm;
  power = power < -126 ? -126.F : power;
  const auto n = static_cast<std::int32_t>(power - 0.5F);
  constexpr auto log2 = static_cast<float>(0.69314718055994531);
  const float f = log2 * (power - static_cast<float>(n));
  const float exponential =
    1 + f * (1 + f * (1.F / 2 + f * (1.F / 6 + f * (1.F / 24 + f * (1.F / 120 + f * (1.F / 720 + f * (1.F / 5040)))))));
  const float result = exponential * FromBits((n + 127) * (1 << 23));
  return FromBits(ToBits(result) & -static_cast<std::int32_t>(x >= FLT_MIN));
}

void
BlendRowsImplementation(const float * const * rows, const double * weights, std::size_t count, double * blend)
{
  const float * const row0 = rows[0];
  const float * const row1 = rows[1];
  const float * const row2 = rows[2];
  const float * const row3 = rows[3];
  const double weight0 = weights[0];
  const double weight1 = weights[1];
  const double weight2 = weights[2];
  const double weight3 = weights[3];
  for (std::size_t k = 0; k < count; ++k)
  {
    blend[k] = weight0 * static_cast<double>(row0[k]) + weight1 * static_cast<double>(row1[k]) +
               weight2 * static_cast<double>(row2[k]) + weight3 * static_cast<double>(row3[k]);
  }
}

void
InterpolateRowImplementation(
  const double * row, const std::int32_t * low, const double * part, std::size_t count, float * output)
{
  for (std::size_t k = 0; k < count; ++k)
  {
    const double value = row[low[k]];
    output[k] = static_cast<float>(value + part[k] * (row[low[k] + 1] - value));
  }
}

/** Bits in the order of the values, those that are not finite outermost. */
HWY_INLINE std::int32_t
ToOrdered(std::int32_t bits)
{
  return bits ^ ((bits >> 31) & INT32_MAX);
}

void
FindRangeImplementation(const float * values, std::size_t count, float & minimum, float & maximum)
{
  // Of integers, whose comparisons compilers may put in another order.
  std::int32_t least = INT32_MAX;
  std::int32_t greatest = INT32_MIN;
  for (std::size_t k = 0; k < count; ++k)
  {
    const std::int32_t value = ToOrdered(ToBits(values[k]));
    least = value < least ? value : least;
    greatest = greatest < value ? value : greatest;
  }
  minimum = FromBits(ToOrdered(least));
  maximum = FromBits(ToOrdered(greatest));
}

void
FindBinsImplementation(
  const float * values, std::size_t count, float start, float scale, std::int32_t last, std::int32_t * bins)
{
  for (std::size_t k = 0; k < count; ++k)
  {
    const auto bin = static_cast<std::int32_t>((values[k] / 2 - start) * scale);
    bins[k] = bin < last ? bin : last;
  }
}

void
FuseRowImplementation(
  const float * foreground, const float * background, double share, std::size_t count, float * fused)
{
  for (std::size_t k = 0; k < count; ++k)
  {
    fused[k] =
      static_cast<float>(share * static_cast<double>(foreground[k]) + (1 - share) * static_cast<double>(background[k]));
  }
}

void
ApplyToneImplementation(const VolumeFusionTone & tone, float * pixels, std::size_t count)
{
  const double start = tone.minimum;
  const double low = tone.lower;
  const double high = tone.upper;
  const double below = low > start ? 0.1 / (low - start) : 0;
  const double middle = high > low ? 0.8 / (high - low) : 0;
  const double above = tone.maximum > high ? 0.1 / (tone.maximum - high) : 0;
  const double least = low > start ? 0 : 0.1;
  const double greatest = tone.maximum > high ? 1 : high > low ? 0.9 : 0.1;
  const double range = greatest - least;
  const double scale = 1 / range;
  const auto exponent = static_cast<float>(tone.gamma);
  const auto factor = static_cast<float>(tone.inverted ? -range : range);
  const auto offset = static_cast<float>(tone.inverted ? 1 - least : least);
  // In the first-level cache.
  constexpr std::size_t length = 512;
  float parts[length];
  for (std::size_t i = 0; i < count; i += length)
  {
    const std::size_t n = std::min(length, count - i);
    float * const block = pixels + i;
    for (std::size_t k = 0; k < n; ++k)
    {
      const auto x = static_cast<double>(block[k]);
      const double first = (x - start) * below;
      const double second = 0.1 + (x - low) * middle;
      const double third = 0.9 + (x - high) * above;
      const double stretched = x < low ? first : x > high ? third : second;
      const double part = (stretched - least) * scale;
      parts[k] = static_cast<float>(part > 0 ? (part < 1 ? part : 1) : 0);
    }
    for (std::size_t k = 0; k < n; ++k)
    {
      block[k] = Power(parts[k], exponent) * factor + offset;
    }
  }
}
} // namespace
} // namespace HWY_NAMESPACE
} // namespace nn
} // namespace itk
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace itk
{
namespace nn
{
HWY_EXPORT(BlendRowsImplementation);
HWY_EXPORT(InterpolateRowImplementation);
HWY_EXPORT(FindRangeImplementation);
HWY_EXPORT(FindBinsImplementation);
HWY_EXPORT(ApplyToneImplementation);
HWY_EXPORT(FuseRowImplementation);

void
BlendRows(const float * const * rows, const double * weights, std::size_t count, double * blend)
{
  HWY_DYNAMIC_DISPATCH(BlendRowsImplementation)(rows, weights, count, blend);
}

void
InterpolateRow(const double * row, const std::int32_t * low, const double * part, std::size_t count, float * output)
{
  HWY_DYNAMIC_DISPATCH(InterpolateRowImplementation)(row, low, part, count, output);
}

void
FindRange(const float * values, std::size_t count, float & minimum, float & maximum)
{
  HWY_DYNAMIC_DISPATCH(FindRangeImplementation)(values, count, minimum, maximum);
}

void
FindBins(const float * values, std::size_t count, float start, float scale, std::int32_t last, std::int32_t * bins)
{
  HWY_DYNAMIC_DISPATCH(FindBinsImplementation)(values, count, start, scale, last, bins);
}

void
ApplyTone(const VolumeFusionTone & tone, float * pixels, std::size_t count)
{
  HWY_DYNAMIC_DISPATCH(ApplyToneImplementation)(tone, pixels, count);
}

void
FuseRow(const float * foreground, const float * background, double share, std::size_t count, float * fused)
{
  HWY_DYNAMIC_DISPATCH(FuseRowImplementation)(foreground, background, share, count, fused);
}
} // namespace nn
} // namespace itk
#endif
