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
#ifndef itkNNCudaKernels_h
#define itkNNCudaKernels_h

#include "itkNNCudaElements.h"
#include "itkNNCudaSamplingKernels.h"
#include "itkNNCudaTable.h"

/** \file
 * The kernels: what one thread, or a team of threads, does for one item. They know
 * nothing of how threads are started, so that they run on the host as well.
 */

namespace itk
{
namespace nn
{
namespace cuda
{
/** What threads of a team bring together: a sum with the rounding errors of its
 * additions, an extremum, or a number of elements with their mean and the sum of their
 * squared distances from it. */
template <typename C>
struct Accumulator
{
  C value;
  C rest;
  C count;
};

/** A sum's next term, the rounding error kept in `rest`. */
template <typename C>
UNIVERSEG_DEVICE void
AddTerm(Accumulator<C> & sum, C term)
{
  const C total = sum.value + term;
  // What does not fit the total, exactly.
  const C error = std::abs(sum.value) >= std::abs(term) ? (sum.value - total) + term : (term - total) + sum.value;
  sum.value = total;
  // An infinity has no error.
  sum.rest += std::isnan(error) ? C(0) : error;
}

template <typename C>
UNIVERSEG_DEVICE C
SumOf(const Accumulator<C> & sum)
{
  return sum.value + sum.rest;
}

/** Brings two sums together. */
struct MergeSums
{
  template <typename C>
  UNIVERSEG_DEVICE static void Merge(Accumulator<C> & into, const Accumulator<C> & other)
  {
    AddTerm(into, other.value);
    into.rest += other.rest;
  }
};

/** Of a Reduction. */
struct MergeReduced
{
  ReductionFunction function;

  template <typename C>
  UNIVERSEG_DEVICE Accumulator<C> Start() const
  {
    return { C(0), C(0), C(0) };
  }

  template <typename C>
  UNIVERSEG_DEVICE void Add(Accumulator<C> & into, C x) const
  {
    switch (function)
    {
      case ReductionFunction::Sum:
      case ReductionFunction::Mean:
        AddTerm(into, x);
        break;
      case ReductionFunction::Maximum:
        into.value = into.count == C(0) ? x : EvaluateBinary<C>(BinaryFunction::Maximum, C(0), x, into.value);
        into.count = C(1);
        break;
      case ReductionFunction::Minimum:
        into.value = into.count == C(0) ? x : EvaluateBinary<C>(BinaryFunction::Minimum, C(0), x, into.value);
        into.count = C(1);
        break;
      case ReductionFunction::Variance:
      {
        into.count += C(1);
        const C distance = x - into.value;
        into.value += distance / into.count;
        into.rest += distance * (x - into.value);
        break;
      }
    }
  }

  template <typename C>
  UNIVERSEG_DEVICE void Merge(Accumulator<C> & into, const Accumulator<C> & other) const
  {
    switch (function)
    {
      case ReductionFunction::Sum:
      case ReductionFunction::Mean:
        MergeSums::Merge(into, other);
        break;
      case ReductionFunction::Maximum:
      case ReductionFunction::Minimum:
        if (other.count != C(0))
        {
          this->Add(into, other.value);
        }
        break;
      case ReductionFunction::Variance:
      {
        const C count = into.count + other.count;
        if (other.count != C(0))
        {
          const C distance = other.value - into.value;
          into.value += distance * (other.count / count);
          into.rest += other.rest + distance * distance * (into.count * (other.count / count));
          into.count = count;
        }
        break;
      }
    }
  }

  template <typename C>
  UNIVERSEG_DEVICE C Finish(const Accumulator<C> & result, std::int64_t elements) const
  {
    switch (function)
    {
      case ReductionFunction::Sum:
        return SumOf(result);
      case ReductionFunction::Mean:
        return SumOf(result) / C(elements);
      case ReductionFunction::Variance:
        return result.rest / C(elements);
      case ReductionFunction::Maximum:
      case ReductionFunction::Minimum:
        break;
    }
    return result.value;
  }
};

/** A thread on its own. Teams have the same members. */
struct SingleTeam
{
  UNIVERSEG_DEVICE std::int64_t GetRank() const
  {
    return 0;
  }
  UNIVERSEG_DEVICE std::int64_t GetSize() const
  {
    return 1;
  }
  /** The accumulators of all threads, brought together in all of them. */
  template <typename C, typename TMerge>
  UNIVERSEG_DEVICE void Gather(Accumulator<C> &, const TMerge &) const
  {}
};

template <typename T>
struct PointwiseKernel
{
  using Parameters = PointwiseParameters;

  UNIVERSEG_DEVICE static std::int64_t CountItems(const Parameters & p)
  {
    return p.space.count;
  }

  template <typename TTeam>
  UNIVERSEG_DEVICE static void Run(const Parameters & p, std::int64_t item, const TTeam &, KernelError *)
  {
    if (p.isPacked != 0)
    {
      RunPack<packWidth>(p, Locate(p.space, item));
    }
    else
    {
      RunPack<1>(p, Locate(p.space, item));
    }
  }

private:
  template <int VWidth>
  UNIVERSEG_DEVICE static void RunPack(const Parameters & p, const Coordinates & place)
  {
    const T * src = static_cast<const T *>(p.src) + OffsetOf(p.space, place, p.srcStrides);
    T * dst = static_cast<T *>(p.dst) + OffsetOf(p.space, place, p.dstStrides);
    const Pack<T, VWidth> loaded = LoadPack<T, VWidth>(src, IsOne(p.space, p.srcStrides));
    ComputeType<T> values[VWidth];
    for (int i = 0; i < VWidth; ++i)
    {
      values[i] = Load(loaded.elements[i]);
    }
    Apply<T, VWidth>(p.chain, p.space, place, values);
    Pack<T, VWidth> result;
    for (int i = 0; i < VWidth; ++i)
    {
      result.elements[i] = Store<T>(values[i]);
    }
    *reinterpret_cast<Pack<T, VWidth> *>(dst) = result;
  }
};

template <typename T>
struct CopyKernel
{
  using Parameters = CopyParameters;

  UNIVERSEG_DEVICE static std::int64_t CountItems(const Parameters & p)
  {
    return p.space.count;
  }

  template <typename TTeam>
  UNIVERSEG_DEVICE static void Run(const Parameters & p, std::int64_t item, const TTeam &, KernelError *)
  {
    const Coordinates place = Locate(p.space, item);
    static_cast<T *>(p.dst)[OffsetOf(p.space, place, p.dstStrides)] =
      static_cast<const T *>(p.src)[OffsetOf(p.space, place, p.srcStrides)];
  }
};

template <typename T>
struct ReductionKernel
{
  using Parameters = ReductionParameters;
  using C = ComputeType<T>;

  UNIVERSEG_DEVICE static std::int64_t CountParts(const Parameters & p)
  {
    return p.partElements == 0 ? 1 : (p.reduced.count + p.partElements - 1) / p.partElements;
  }
  UNIVERSEG_DEVICE static std::int64_t CountItems(const Parameters & p)
  {
    return p.space.count * (p.isSecond != 0 ? 1 : CountParts(p));
  }

  template <typename TTeam>
  UNIVERSEG_DEVICE static void Run(const Parameters & p, std::int64_t item, const TTeam & team, KernelError *)
  {
    const MergeReduced merge{ static_cast<ReductionFunction>(p.function) };
    const std::int64_t parts = CountParts(p);
    auto * stored = static_cast<Accumulator<C> *>(p.parts);
    Accumulator<C> result = merge.template Start<C>();
    if (p.isSecond != 0)
    {
      for (std::int64_t i = team.GetRank(); i < parts; i += team.GetSize())
      {
        merge.Merge(result, stored[item * parts + i]);
      }
      team.Gather(result, merge);
      Finish(p, item, team, merge, result);
      return;
    }
    const std::int64_t part = item % parts;
    const std::int64_t begin = part * p.partElements;
    const bool isLast = p.partElements == 0 || begin + p.partElements > p.reduced.count;
    const std::int64_t end = isLast ? p.reduced.count : begin + p.partElements;
    const T * src = static_cast<const T *>(p.src) + OffsetOf(p.space, Locate(p.space, item / parts), p.srcStrides);
    for (std::int64_t i = begin + team.GetRank(); i < end; i += team.GetSize())
    {
      merge.Add(result, C(Load(src[OffsetOf(p.reduced, Locate(p.reduced, i), p.reducedStrides)])));
    }
    team.Gather(result, merge);
    if (p.partElements == 0)
    {
      Finish(p, item, team, merge, result);
    }
    else if (team.GetRank() == 0)
    {
      stored[item] = result;
    }
  }

private:
  template <typename TTeam>
  UNIVERSEG_DEVICE static void Finish(const Parameters & p,
                                      std::int64_t item,
                                      const TTeam & team,
                                      const MergeReduced & merge,
                                      const Accumulator<C> & result)
  {
    if (team.GetRank() == 0)
    {
      static_cast<T *>(p.dst)[OffsetOf(p.space, Locate(p.space, item), p.dstStrides)] =
        Store<T>(merge.Finish(result, p.reduced.count));
    }
  }
};

template <typename T>
struct SoftmaxKernel
{
  using Parameters = SoftmaxParameters;
  using C = ComputeType<T>;

  UNIVERSEG_DEVICE static std::int64_t CountItems(const Parameters & p)
  {
    return p.space.count;
  }

  template <typename TTeam>
  UNIVERSEG_DEVICE static void Run(const Parameters & p, std::int64_t item, const TTeam & team, KernelError *)
  {
    const Coordinates place = Locate(p.space, item);
    const T * src = static_cast<const T *>(p.src) + OffsetOf(p.space, place, p.srcStrides);
    T * dst = static_cast<T *>(p.dst) + OffsetOf(p.space, place, p.dstStrides);
    const MergeReduced largest{ ReductionFunction::Maximum };
    Accumulator<C> maximum = largest.template Start<C>();
    for (std::int64_t i = team.GetRank(); i < p.extent; i += team.GetSize())
    {
      largest.Add(maximum, C(Load(src[i * p.srcStride])));
    }
    team.Gather(maximum, largest);
    Accumulator<C> sum{ C(0), C(0), C(0) };
    for (std::int64_t i = team.GetRank(); i < p.extent; i += team.GetSize())
    {
      AddTerm(sum, std::exp(C(Load(src[i * p.srcStride])) - maximum.value));
    }
    team.Gather(sum, MergeSums{});
    const C total = SumOf(sum);
    const C logarithm = std::log(total);
    for (std::int64_t i = team.GetRank(); i < p.extent; i += team.GetSize())
    {
      const C shifted = C(Load(src[i * p.srcStride])) - maximum.value;
      dst[i * p.dstStride] = Store<T>(p.logarithm != 0 ? shifted - logarithm : std::exp(shifted) / total);
    }
  }
};

template <typename T>
struct MatrixProductKernel
{
  using Parameters = MatrixProductParameters;
  using C = ComputeType<T>;

  UNIVERSEG_DEVICE static std::int64_t CountItems(const Parameters & p)
  {
    return p.space.count;
  }

  template <typename TTeam>
  UNIVERSEG_DEVICE static void Run(const Parameters & p, std::int64_t item, const TTeam &, KernelError *)
  {
    const Coordinates place = Locate(p.space, item);
    const T * a = static_cast<const T *>(p.a) + OffsetOf(p.space, place, p.aStrides);
    const T * b = static_cast<const T *>(p.b) + OffsetOf(p.space, place, p.bStrides);
    C sum = 0;
    for (std::int64_t i = 0; i < p.inner; ++i)
    {
      sum += C(Load(a[i * p.aInner])) * C(Load(b[i * p.bInner]));
    }
    static_cast<T *>(p.dst)[item] = Store<T>(sum);
  }
};

/** Coordinates of an item of an image: [batch, channel, depth, height, width]. */
struct ImagePlace
{
  std::int64_t at[5];
};

UNIVERSEG_DEVICE ImagePlace
LocateInImage(const ImageItems & items, std::int64_t item)
{
  const Coordinates place = Locate(items.space, item);
  ImagePlace result;
#ifdef __CUDACC__
#  pragma unroll
#endif
  for (int d = 0; d < 5; ++d)
  {
    for (int axis = 0; axis < 5; ++axis)
    {
      if (items.order[d] == axis)
      {
        result.at[axis] = place.at[d];
      }
    }
  }
  return result;
}

UNIVERSEG_DEVICE std::int64_t
OffsetIn(const Image & image, const ImagePlace & place)
{
  std::int64_t offset = 0;
#ifdef __CUDACC__
#  pragma unroll
#endif
  for (int d = 0; d < 5; ++d)
  {
    offset += place.at[d] * image.strides[d];
  }
  return offset;
}

/** The taps [begin, end) of a kernel along one axis that are inside of an extent when
 * the first is at `first`. */
struct TapRange
{
  std::int32_t begin;
  std::int32_t end;
};

UNIVERSEG_DEVICE TapRange
FindTaps(std::int64_t first, std::int32_t dilation, std::int32_t kernel, std::int64_t extent)
{
  TapRange range{ 0, kernel };
  while (range.begin < kernel && first + std::int64_t{ range.begin } * dilation < 0)
  {
    ++range.begin;
  }
  while (range.end > range.begin && first + std::int64_t{ range.end - 1 } * dilation >= extent)
  {
    --range.end;
  }
  return range;
}

template <typename T>
struct ConvolutionKernel
{
  using Parameters = ConvolutionParameters;
  using C = ComputeType<T>;

  UNIVERSEG_DEVICE static std::int64_t CountItems(const Parameters & p)
  {
    return p.items.space.count;
  }

  template <typename TTeam>
  UNIVERSEG_DEVICE static void Run(const Parameters & p, std::int64_t item, const TTeam &, KernelError *)
  {
    const ImagePlace place = LocateInImage(p.items, item);
    const Window & w = p.window;
    std::int64_t first[3];
    TapRange taps[3];
    for (int d = 0; d < 3; ++d)
    {
      first[d] = place.at[d + 2] * w.stride[d] - w.padding[d];
      taps[d] = FindTaps(first[d], w.dilation[d], w.kernel[d], p.src.extents[d + 2]);
    }
    const std::int64_t inChannels = p.src.extents[1] / p.groups;
    const std::int64_t group = place.at[1] / (p.dst.extents[1] / p.groups);
    const T * src =
      static_cast<const T *>(p.srcData) + place.at[0] * p.src.strides[0] + group * inChannels * p.src.strides[1];
    const T * weights =
      static_cast<const T *>(p.weights) + place.at[1] * inChannels * w.kernel[0] * w.kernel[1] * w.kernel[2];
    C sum = 0;
    for (std::int64_t channel = 0; channel < inChannels; ++channel)
    {
      for (std::int32_t z = taps[0].begin; z < taps[0].end; ++z)
      {
        for (std::int32_t y = taps[1].begin; y < taps[1].end; ++y)
        {
          const T * row = src + channel * p.src.strides[1] + (first[0] + z * w.dilation[0]) * p.src.strides[2] +
                          (first[1] + y * w.dilation[1]) * p.src.strides[3];
          const T * factors = weights + ((channel * w.kernel[0] + z) * w.kernel[1] + y) * w.kernel[2];
          for (std::int32_t x = taps[2].begin; x < taps[2].end; ++x)
          {
            sum += C(Load(row[(first[2] + x * w.dilation[2]) * p.src.strides[4]])) * C(Load(factors[x]));
          }
        }
      }
    }
    if (p.bias != nullptr)
    {
      sum += C(Load(static_cast<const T *>(p.bias)[place.at[1]]));
    }
    const C value = p.chain.steps > 0 ? Apply<T>(p.chain, p.chainSpace, Locate(p.chainSpace, item), sum) : sum;
    static_cast<T *>(p.dstData)[OffsetIn(p.dst, place)] = Store<T>(value);
  }
};

template <typename T>
struct TransposedConvolutionKernel
{
  using Parameters = ConvolutionParameters;
  using C = ComputeType<T>;

  UNIVERSEG_DEVICE static std::int64_t CountItems(const Parameters & p)
  {
    return p.items.space.count;
  }

  template <typename TTeam>
  UNIVERSEG_DEVICE static void Run(const Parameters & p, std::int64_t item, const TTeam &, KernelError *)
  {
    const ImagePlace place = LocateInImage(p.items, item);
    const Window & w = p.window;
    const std::int64_t outChannels = p.src.extents[1] / p.groups;
    const std::int64_t inChannels = p.dst.extents[1] / p.groups;
    const std::int64_t group = place.at[1] / inChannels;
    const std::int64_t taps = std::int64_t{ w.kernel[0] } * w.kernel[1] * w.kernel[2];
    const T * src = static_cast<const T *>(p.srcData) + place.at[0] * p.src.strides[0];
    C sum = 0;
    for (std::int32_t z = 0; z < w.kernel[0]; ++z)
    {
      const std::int64_t sz = Source(p, 0, place.at[2], z);
      for (std::int32_t y = 0; y < w.kernel[1] && sz >= 0; ++y)
      {
        const std::int64_t sy = Source(p, 1, place.at[3], y);
        for (std::int32_t x = 0; x < w.kernel[2] && sy >= 0; ++x)
        {
          const std::int64_t sx = Source(p, 2, place.at[4], x);
          if (sx < 0)
          {
            continue;
          }
          const T * from = src + sz * p.src.strides[2] + sy * p.src.strides[3] + sx * p.src.strides[4];
          const std::int64_t tap = (std::int64_t{ z } * w.kernel[1] + y) * w.kernel[2] + x;
          for (std::int64_t channel = group * outChannels; channel < (group + 1) * outChannels; ++channel)
          {
            const std::int64_t weight = (channel * inChannels + place.at[1] % inChannels) * taps + tap;
            sum += C(Load(from[channel * p.src.strides[1]])) * C(Load(static_cast<const T *>(p.weights)[weight]));
          }
        }
      }
    }
    const C value = p.chain.steps > 0 ? Apply<T>(p.chain, p.chainSpace, Locate(p.chainSpace, item), sum) : sum;
    static_cast<T *>(p.dstData)[OffsetIn(p.dst, place)] = Store<T>(value);
  }

private:
  /** The element of src whose window has a tap at a position; -1 when there is none. */
  UNIVERSEG_DEVICE static std::int64_t Source(const Parameters & p, int d, std::int64_t position, std::int32_t tap)
  {
    const std::int64_t moved = position + p.window.padding[d] - std::int64_t{ tap } * p.window.dilation[d];
    const std::int64_t source = moved / p.window.stride[d];
    const bool isInside = moved >= 0 && source * p.window.stride[d] == moved && source < p.src.extents[d + 2];
    return isInside ? source : -1;
  }
};

template <typename T>
struct ConvolutionWeightsGradientKernel
{
  using Parameters = WeightsGradientParameters;
  using C = ComputeType<T>;

  UNIVERSEG_DEVICE static std::int64_t CountItems(const Parameters & p)
  {
    return p.space.count;
  }

  template <typename TTeam>
  UNIVERSEG_DEVICE static void Run(const Parameters & p, std::int64_t item, const TTeam & team, KernelError *)
  {
    const Coordinates place = Locate(p.space, item);
    const Window & w = p.window;
    const std::int64_t inChannels = p.src.extents[1] / p.groups;
    const std::int64_t group = place.at[0] / (p.gradient.extents[1] / p.groups);
    const T * src = static_cast<const T *>(p.srcData) + (group * inChannels + place.at[1]) * p.src.strides[1];
    const T * gradient = static_cast<const T *>(p.gradientData) + place.at[0] * p.gradient.strides[1];
    std::int64_t shift[3];
    for (int d = 0; d < 3; ++d)
    {
      shift[d] = place.at[d + 2] * w.dilation[d] - w.padding[d];
    }
    const std::int64_t lines = p.gradient.extents[0] * p.gradient.extents[2] * p.gradient.extents[3];
    Accumulator<C> total{ C(0), C(0), C(0) };
    // A line in x is summed plainly, the lines with their rounding errors.
    for (std::int64_t line = team.GetRank(); line < lines; line += team.GetSize())
    {
      const std::int64_t y = line % p.gradient.extents[3];
      const std::int64_t z = line / p.gradient.extents[3] % p.gradient.extents[2];
      const std::int64_t batch = line / p.gradient.extents[3] / p.gradient.extents[2];
      const std::int64_t sz = z * w.stride[0] + shift[0];
      const std::int64_t sy = y * w.stride[1] + shift[1];
      if (sz < 0 || sz >= p.src.extents[2] || sy < 0 || sy >= p.src.extents[3])
      {
        continue;
      }
      const T * from = src + batch * p.src.strides[0] + sz * p.src.strides[2] + sy * p.src.strides[3];
      const T * with = gradient + batch * p.gradient.strides[0] + z * p.gradient.strides[2] + y * p.gradient.strides[3];
      C sum = 0;
      for (std::int64_t x = 0; x < p.gradient.extents[4]; ++x)
      {
        const std::int64_t sx = x * w.stride[2] + shift[2];
        if (sx >= 0 && sx < p.src.extents[4])
        {
          sum += C(Load(from[sx * p.src.strides[4]])) * C(Load(with[x * p.gradient.strides[4]]));
        }
      }
      AddTerm(total, sum);
    }
    team.Gather(total, MergeSums{});
    if (team.GetRank() == 0)
    {
      static_cast<T *>(p.dst)[item] = Store<T>(SumOf(total));
    }
  }
};

/** The part of an image that a window sees. */
struct WindowPart
{
  std::int64_t begin[3];
  std::int64_t end[3];
};

UNIVERSEG_DEVICE WindowPart
FindWindow(const Window & w, const std::int64_t * position, const std::int64_t * extents)
{
  WindowPart part;
  for (int d = 0; d < 3; ++d)
  {
    const std::int64_t start = position[d] * w.stride[d] - w.padding[d];
    part.begin[d] = start < 0 ? 0 : start;
    part.end[d] = start + w.kernel[d] < extents[d] ? start + w.kernel[d] : extents[d];
  }
  return part;
}

UNIVERSEG_DEVICE std::int64_t
CountInWindow(const PoolingParameters & p, const WindowPart & part)
{
  return p.includePadding != 0
         ? std::int64_t{ p.window.kernel[0] } * p.window.kernel[1] * p.window.kernel[2]
         : (part.end[0] - part.begin[0]) * (part.end[1] - part.begin[1]) * (part.end[2] - part.begin[2]);
}

/** f(value, z, y, x) of the elements that a window sees, in row-major order. */
template <typename T, typename TFunction>
UNIVERSEG_DEVICE void
ForEachInWindow(const PoolingParameters & p, const WindowPart & part, const ImagePlace & place, TFunction && f)
{
  const T * src = static_cast<const T *>(p.srcData) + place.at[0] * p.src.strides[0] + place.at[1] * p.src.strides[1];
  for (std::int64_t z = part.begin[0]; z < part.end[0]; ++z)
  {
    for (std::int64_t y = part.begin[1]; y < part.end[1]; ++y)
    {
      for (std::int64_t x = part.begin[2]; x < part.end[2]; ++x)
      {
        f(Load(src[z * p.src.strides[2] + y * p.src.strides[3] + x * p.src.strides[4]]), z, y, x);
      }
    }
  }
}

template <typename T>
struct PoolingKernel
{
  using Parameters = PoolingParameters;
  using C = ComputeType<T>;

  UNIVERSEG_DEVICE static std::int64_t CountItems(const Parameters & p)
  {
    return p.items.space.count;
  }

  template <typename TTeam>
  UNIVERSEG_DEVICE static void Run(const Parameters & p, std::int64_t item, const TTeam &, KernelError *)
  {
    const ImagePlace place = LocateInImage(p.items, item);
    const WindowPart part = FindWindow(p.window, place.at + 2, p.src.extents + 2);
    bool isFirst = true;
    C maximum = 0;
    C sum = 0;
    ForEachInWindow<T>(p,
                       part,
                       place,
                       [&](C value, std::int64_t, std::int64_t, std::int64_t)
                       {
                         // A NaN stays the maximum, as in the frameworks.
                         maximum = isFirst || value > maximum || std::isnan(value) ? value : maximum;
                         sum += value;
                         isFirst = false;
                       });
    const bool isMaximum = static_cast<PoolingFunction>(p.function) == PoolingFunction::Maximum;
    static_cast<T *>(p.dstData)[OffsetIn(p.pooled, place)] =
      Store<T>(isMaximum ? maximum : sum / C(CountInWindow(p, part)));
  }
};

template <typename T>
struct PoolingGradientKernel
{
  using Parameters = PoolingParameters;
  using C = ComputeType<T>;

  UNIVERSEG_DEVICE static std::int64_t CountItems(const Parameters & p)
  {
    return p.items.space.count;
  }

  template <typename TTeam>
  UNIVERSEG_DEVICE static void Run(const Parameters & p, std::int64_t item, const TTeam &, KernelError *)
  {
    const ImagePlace place = LocateInImage(p.items, item);
    // The windows that have the element: of positions [first, last].
    std::int64_t first[3];
    std::int64_t last[3];
    for (int d = 0; d < 3; ++d)
    {
      const std::int64_t moved = place.at[d + 2] + p.window.padding[d];
      const std::int64_t behind = moved - p.window.kernel[d] + p.window.stride[d];
      first[d] = behind < 0 ? 0 : behind / p.window.stride[d];
      const std::int64_t end = p.pooled.extents[d + 2] - 1;
      last[d] = moved / p.window.stride[d] < end ? moved / p.window.stride[d] : end;
    }
    const T * gradient =
      static_cast<const T *>(p.pooledData) + place.at[0] * p.pooled.strides[0] + place.at[1] * p.pooled.strides[1];
    C sum = 0;
    std::int64_t position[3];
    for (position[0] = first[0]; position[0] <= last[0]; ++position[0])
    {
      for (position[1] = first[1]; position[1] <= last[1]; ++position[1])
      {
        for (position[2] = first[2]; position[2] <= last[2]; ++position[2])
        {
          const C given = Load(gradient[position[0] * p.pooled.strides[2] + position[1] * p.pooled.strides[3] +
                                        position[2] * p.pooled.strides[4]]);
          const WindowPart part = FindWindow(p.window, position, p.src.extents + 2);
          if (static_cast<PoolingFunction>(p.function) == PoolingFunction::Average)
          {
            sum += given / C(CountInWindow(p, part));
          }
          else if (HasMaximum(p, part, place))
          {
            sum += given;
          }
        }
      }
    }
    static_cast<T *>(p.dstData)[OffsetIn(p.dst, place)] = Store<T>(sum);
  }

private:
  /** Whether the first maximum of a window is at a place. */
  UNIVERSEG_DEVICE static bool HasMaximum(const Parameters & p, const WindowPart & part, const ImagePlace & place)
  {
    bool isFirst = true;
    bool isHere = false;
    C best = 0;
    ForEachInWindow<T>(p,
                       part,
                       place,
                       [&](C value, std::int64_t z, std::int64_t y, std::int64_t x)
                       {
                         if (isFirst || value > best || (std::isnan(value) && !std::isnan(best)))
                         {
                           best = value;
                           isHere = z == place.at[2] && y == place.at[3] && x == place.at[4];
                         }
                         isFirst = false;
                       });
    return isHere;
  }
};

template <typename T>
struct InterpolationKernel
{
  using Parameters = InterpolationParameters;
  using C = ComputeType<T>;

  UNIVERSEG_DEVICE static std::int64_t CountItems(const Parameters & p)
  {
    return p.items.space.count;
  }

  template <typename TTeam>
  UNIVERSEG_DEVICE static void Run(const Parameters & p, std::int64_t item, const TTeam &, KernelError *)
  {
    const ImagePlace place = LocateInImage(p.items, item);
    const Window & w = p.window;
    const T * src = static_cast<const T *>(p.srcData) + place.at[0] * p.src.strides[0];
    C sum = 0;
    std::int64_t channel = place.at[1];
    for (std::int32_t z = 0; z < w.kernel[0]; ++z)
    {
      for (std::int32_t y = 0; y < w.kernel[1]; ++y)
      {
        for (std::int32_t x = 0; x < w.kernel[2]; ++x)
        {
          const std::int64_t at[3] = { place.at[2] + std::int64_t{ z } * w.dilation[0] - w.padding[0],
                                       place.at[3] + std::int64_t{ y } * w.dilation[1] - w.padding[1],
                                       place.at[4] + std::int64_t{ x } * w.dilation[2] - w.padding[2] };
          if (at[0] >= 0 && at[0] < p.size[0] && at[1] >= 0 && at[1] < p.size[1] && at[2] >= 0 && at[2] < p.size[2])
          {
            sum += Sample(p, src + channel * p.src.strides[1], at);
          }
          channel += p.dst.extents[1];
        }
      }
    }
    const C value = p.chain.steps > 0 ? Apply<T>(p.chain, p.chainSpace, Locate(p.chainSpace, item), sum) : sum;
    static_cast<T *>(p.dstData)[OffsetIn(p.dst, place)] = Store<T>(value);
  }

private:
  UNIVERSEG_DEVICE static C Sample(const Parameters & p, const T * plane, const std::int64_t * at)
  {
    Tap<C> taps[3];
    for (int d = 0; d < 3; ++d)
    {
      taps[d] = static_cast<const Tap<C> *>(p.taps[d])[at[d]];
    }
    C sum = 0;
    for (int corner = 0; corner < 8; ++corner)
    {
      C weight = 1;
      std::int64_t offset = 0;
      for (int d = 0; d < 3; ++d)
      {
        const bool isHigh = (corner >> d & 1) != 0;
        weight *= isHigh ? taps[d].weight : C(1) - taps[d].weight;
        offset += (isHigh ? taps[d].high : taps[d].low) * p.src.strides[d + 2];
      }
      // A weight of zero must not turn an infinity into a NaN.
      if (weight != C(0))
      {
        sum += weight * C(Load(plane[offset]));
      }
    }
    return sum;
  }
};

template <typename T>
struct TransposedInterpolationKernel
{
  using Parameters = TransposedInterpolationParameters;
  using C = ComputeType<T>;

  UNIVERSEG_DEVICE static std::int64_t CountItems(const Parameters & p)
  {
    return p.items.space.count;
  }

  template <typename TTeam>
  UNIVERSEG_DEVICE static void Run(const Parameters & p, std::int64_t item, const TTeam &, KernelError *)
  {
    const ImagePlace place = LocateInImage(p.items, item);
    const T * src = static_cast<const T *>(p.srcData) + place.at[0] * p.src.strides[0] + place.at[1] * p.src.strides[1];
    const Target<C> * targets[3];
    std::int32_t counts[3];
    for (int d = 0; d < 3; ++d)
    {
      const std::int32_t begin = p.begins[d][place.at[d + 2]];
      targets[d] = static_cast<const Target<C> *>(p.targets[d]) + begin;
      counts[d] = p.begins[d][place.at[d + 2] + 1] - begin;
    }
    C sum = 0;
    for (std::int32_t z = 0; z < counts[0]; ++z)
    {
      for (std::int32_t y = 0; y < counts[1]; ++y)
      {
        const T * row = src + targets[0][z].index * p.src.strides[2] + targets[1][y].index * p.src.strides[3];
        C line = 0;
        for (std::int32_t x = 0; x < counts[2]; ++x)
        {
          line += targets[2][x].weight * C(Load(row[targets[2][x].index * p.src.strides[4]]));
        }
        sum += targets[0][z].weight * targets[1][y].weight * line;
      }
    }
    static_cast<T *>(p.dstData)[OffsetIn(p.dst, place)] = Store<T>(sum);
  }
};

/** The row of a number; the first row, and an error, when there is none. */
UNIVERSEG_DEVICE std::int64_t
GetRow(const GatherParameters & p, std::int64_t number, KernelError * error)
{
  const std::int64_t row = p.numbers[number];
  if (row >= 0 && row < p.rows)
  {
    return row;
  }
  // Whichever thread is last is told of.
  *error = { 1, row, p.rows };
  return 0;
}

template <typename T>
struct GatherKernel
{
  using Parameters = GatherParameters;

  UNIVERSEG_DEVICE static std::int64_t CountItems(const Parameters & p)
  {
    return p.space.count;
  }

  template <typename TTeam>
  UNIVERSEG_DEVICE static void Run(const Parameters & p, std::int64_t item, const TTeam &, KernelError * error)
  {
    const Coordinates place = Locate(p.space, item);
    const std::int64_t from = place.at[0] * p.rows + GetRow(p, place.at[1], error);
    static_cast<T *>(p.dst)[item] = static_cast<const T *>(p.src)[from * p.inner + place.at[2]];
  }
};

template <typename T>
struct ScatterAddKernel
{
  using Parameters = GatherParameters;
  using C = ComputeType<T>;

  UNIVERSEG_DEVICE static std::int64_t CountItems(const Parameters & p)
  {
    return p.space.count;
  }

  /** Each element looks for its terms: slower than to add to memory that threads
   * share, but the same every time. */
  template <typename TTeam>
  UNIVERSEG_DEVICE static void Run(const Parameters & p, std::int64_t item, const TTeam &, KernelError * error)
  {
    const Coordinates place = Locate(p.space, item);
    const T * src = static_cast<const T *>(p.src) + place.at[0] * p.indices * p.inner + place.at[2];
    Accumulator<C> sum{ C(0), C(0), C(0) };
    for (std::int64_t i = 0; i < p.indices; ++i)
    {
      if (GetRow(p, i, error) == place.at[1])
      {
        AddTerm(sum, C(Load(src[i * p.inner])));
      }
    }
    static_cast<T *>(p.dst)[item] = Store<T>(SumOf(sum));
  }
};

template <typename T>
struct BitMaskKernel
{
  using Parameters = BitMaskParameters;

  UNIVERSEG_DEVICE static std::int64_t CountItems(const Parameters & p)
  {
    return p.count;
  }

  template <typename TTeam>
  UNIVERSEG_DEVICE static void Run(const Parameters & p, std::int64_t item, const TTeam &, KernelError *)
  {
    const bool isKept = (p.bits[item / 8] >> static_cast<unsigned int>(item % 8) & 1U) != 0;
    static_cast<T *>(p.dst)[item] = isKept ? *static_cast<const T *>(p.value) : Store<T>(0);
  }
};

template <typename T>
struct LovaszWeightsKernel
{
  using Parameters = LovaszParameters;
  using C = ComputeType<T>;

  UNIVERSEG_DEVICE static std::int64_t CountItems(const Parameters & p)
  {
    switch (static_cast<LovaszPhase>(p.phase))
    {
      case LovaszPhase::Sort:
        return p.rows * (p.places / 2);
      case LovaszPhase::Gather:
      case LovaszPhase::Spread:
        return p.rows * (p.places / (2 * p.stride));
      case LovaszPhase::Weigh:
        return p.rows * p.length;
      case LovaszPhase::Fill:
      case LovaszPhase::Mark:
        break;
    }
    return p.rows * p.places;
  }

  template <typename TTeam>
  UNIVERSEG_DEVICE static void Run(const Parameters & p, std::int64_t item, const TTeam &, KernelError *)
  {
    switch (static_cast<LovaszPhase>(p.phase))
    {
      case LovaszPhase::Fill:
      {
        const std::int64_t element = item % p.places;
        const bool isElement = element < p.length;
        p.numbers[item] = static_cast<std::uint32_t>(element);
        p.keys[item] = isElement
                       ? KeyOf(C(Load(static_cast<const T *>(p.errors)[item / p.places * p.length + element])))
                       : ~std::uint64_t(0);
        break;
      }
      case LovaszPhase::Sort:
        Sort(p, item);
        break;
      case LovaszPhase::Mark:
      {
        const std::int64_t element = p.numbers[item];
        const bool isBackground = element < p.length && !IsForeground(p, item / p.places, element);
        p.sums[item] = isBackground ? 1U : 0U;
        break;
      }
      case LovaszPhase::Gather:
      {
        const std::int64_t last = LastOfPair(p, item);
        p.sums[last] += p.sums[last - p.stride];
        break;
      }
      case LovaszPhase::Spread:
      {
        const std::int64_t last = LastOfPair(p, item);
        const bool isWhole = 2 * p.stride == p.places;
        if (isWhole)
        {
          p.totals[item] = p.sums[last];
        }
        const std::uint32_t before = isWhole ? 0U : p.sums[last];
        p.sums[last] = before + p.sums[last - p.stride];
        p.sums[last - p.stride] = before;
        break;
      }
      case LovaszPhase::Weigh:
        Weigh(p, item / p.length, item % p.length);
        break;
    }
  }

private:
  /** Ascending where the errors are descending; one that is not a number is last. */
  UNIVERSEG_DEVICE static std::uint64_t KeyOf(C error)
  {
    if (std::isnan(error))
    {
      return ~std::uint64_t(1);
    }
    // A zero's sign does not count.
    const auto value = static_cast<double>(error == C(0) ? C(0) : error);
    std::uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    constexpr std::uint64_t sign = std::uint64_t(1) << 63U;
    return (bits & sign) != 0 ? bits : ~(bits | sign);
  }

  UNIVERSEG_DEVICE static bool IsForeground(const Parameters & p, std::int64_t row, std::int64_t element)
  {
    return C(Load(static_cast<const T *>(p.foreground)[row * p.length + element])) > C(0.5);
  }

  UNIVERSEG_DEVICE static void Sort(const Parameters & p, std::int64_t item)
  {
    const std::int64_t pair = item % (p.places / 2);
    const std::int64_t inRow = 2 * pair - pair % p.stride;
    const std::int64_t first = item / (p.places / 2) * p.places + inRow;
    const std::int64_t second = first + p.stride;
    const bool isAscending = (inRow & p.run) == 0;
    const bool isAfter =
      p.keys[first] != p.keys[second] ? p.keys[first] > p.keys[second] : p.numbers[first] > p.numbers[second];
    if (isAfter == isAscending)
    {
      const std::uint64_t key = p.keys[first];
      p.keys[first] = p.keys[second];
      p.keys[second] = key;
      const std::uint32_t number = p.numbers[first];
      p.numbers[first] = p.numbers[second];
      p.numbers[second] = number;
    }
  }

  UNIVERSEG_DEVICE static std::int64_t LastOfPair(const Parameters & p, std::int64_t item)
  {
    return (item + 1) * 2 * p.stride - 1;
  }

  UNIVERSEG_DEVICE static void Weigh(const Parameters & p, std::int64_t row, std::int64_t rank)
  {
    const std::int64_t place = row * p.places + rank;
    const std::int64_t element = p.numbers[place];
    const std::int64_t background = p.sums[place];
    const std::int64_t structure = p.length - p.totals[row];
    const C both = C(structure - (rank - background));
    const C either = C(structure + background);
    const C weight = IsForeground(p, row, element) ? C(1) / either
                   : either == C(0)                ? C(1)
                                                   : both / (either * (either + C(1)));
    static_cast<T *>(p.dst)[row * p.length + element] = Store<T>(weight);
  }
};

template <typename T>
struct ConversionKernel
{
  using Parameters = ConversionParameters;

  UNIVERSEG_DEVICE static std::int64_t CountItems(const Parameters & p)
  {
    return p.count;
  }

  template <typename TTeam>
  UNIVERSEG_DEVICE static void Run(const Parameters & p, std::int64_t item, const TTeam &, KernelError *)
  {
    T & to = static_cast<T *>(p.dst)[item];
    switch (static_cast<ElementType>(p.srcType))
    {
      case ElementType::Double:
        to = Store<T>(ComputeType<T>(static_cast<const double *>(p.src)[item]));
        break;
      case ElementType::Half:
        to = Store<T>(ComputeType<T>(Load(static_cast<const Half *>(p.src)[item])));
        break;
      case ElementType::BFloat16:
        to = Store<T>(ComputeType<T>(Load(static_cast<const BFloat16 *>(p.src)[item])));
        break;
      default:
        to = Store<T>(ComputeType<T>(static_cast<const float *>(p.src)[item]));
        break;
    }
  }
};

/** f.template Run<Kernel<T>>() of the kernel for elements of a type; -1 when it has
 * none. */
template <template <typename> class TKernel, typename TFunction>
int
DispatchComputed(ElementType type, TFunction && f)
{
  switch (type)
  {
    case ElementType::Float:
      return f.template Run<TKernel<float>>();
    case ElementType::Double:
      return f.template Run<TKernel<double>>();
    case ElementType::Half:
      return f.template Run<TKernel<Half>>();
    case ElementType::BFloat16:
      return f.template Run<TKernel<BFloat16>>();
    default:
      return -1;
  }
}

template <template <typename> class TKernel, typename TFunction>
int
DispatchMoved(ElementType type, TFunction && f)
{
  switch (type)
  {
    case ElementType::Bits8:
      return f.template Run<TKernel<std::uint8_t>>();
    case ElementType::Bits16:
      return f.template Run<TKernel<std::uint16_t>>();
    case ElementType::Bits32:
      return f.template Run<TKernel<std::uint32_t>>();
    case ElementType::Bits64:
      return f.template Run<TKernel<std::uint64_t>>();
    case ElementType::Bits128:
      return f.template Run<TKernel<Pack<std::uint64_t, 2>>>();
    default:
      return -1;
  }
}

template <typename TFunction>
int
Dispatch(KernelId kernel, ElementType type, TFunction && f)
{
  switch (kernel)
  {
    case KernelId::Pointwise:
      return DispatchComputed<PointwiseKernel>(type, f);
    case KernelId::Copy:
      return DispatchMoved<CopyKernel>(type, f);
    case KernelId::Reduction:
      return DispatchComputed<ReductionKernel>(type, f);
    case KernelId::Softmax:
      return DispatchComputed<SoftmaxKernel>(type, f);
    case KernelId::MatrixProduct:
      return DispatchComputed<MatrixProductKernel>(type, f);
    case KernelId::Convolution:
      return DispatchComputed<ConvolutionKernel>(type, f);
    case KernelId::TransposedConvolution:
      return DispatchComputed<TransposedConvolutionKernel>(type, f);
    case KernelId::ConvolutionWeightsGradient:
      return DispatchComputed<ConvolutionWeightsGradientKernel>(type, f);
    case KernelId::Pooling:
      return DispatchComputed<PoolingKernel>(type, f);
    case KernelId::PoolingGradient:
      return DispatchComputed<PoolingGradientKernel>(type, f);
    case KernelId::Interpolation:
      return DispatchComputed<InterpolationKernel>(type, f);
    case KernelId::TransposedInterpolation:
      return DispatchComputed<TransposedInterpolationKernel>(type, f);
    case KernelId::Gather:
      return DispatchMoved<GatherKernel>(type, f);
    case KernelId::ScatterAdd:
      return DispatchComputed<ScatterAddKernel>(type, f);
    case KernelId::BitMask:
      return DispatchComputed<BitMaskKernel>(type, f);
    case KernelId::Conversion:
      return DispatchComputed<ConversionKernel>(type, f);
    case KernelId::Sampling:
      return DispatchComputed<SamplingKernel>(type, f);
    case KernelId::TransposedSampling:
      return DispatchComputed<TransposedSamplingKernel>(type, f);
    case KernelId::SamplingCoordinatesGradient:
      return DispatchComputed<SamplingCoordinatesGradientKernel>(type, f);
    case KernelId::LovaszWeights:
      return DispatchComputed<LovaszWeightsKernel>(type, f);
  }
  return -1;
}

/** Threads for one item of a kernel that has teams, else 1. */
template <typename TParameters>
auto
GetTeamSize(const TParameters & p, int) -> decltype(p.teamSize)
{
  return p.teamSize;
}
template <typename TParameters>
std::int32_t
GetTeamSize(const TParameters &, long)
{
  return 1;
}
} // namespace cuda
} // namespace nn
} // namespace itk

#endif
