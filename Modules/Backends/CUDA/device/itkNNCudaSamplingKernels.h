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
#ifndef itkNNCudaSamplingKernels_h
#define itkNNCudaSamplingKernels_h

#include "itkNNCudaElements.h"
#include "itkNNCudaTable.h"

/** \file
 * The kernels of Sampling and its gradients.
 */

namespace itk
{
namespace nn
{
namespace cuda
{
/** As nn::SamplingTap. */
template <typename C>
struct AxisPlace
{
  std::int64_t low;
  std::int64_t high;
  C weight;
  C slope;
};

/** A position along an axis, and how it moves with the coordinate. */
template <typename C>
struct MovedPosition
{
  C at;
  C slope;
};

/** Back and forth between 0 and `last`. */
template <typename C>
UNIVERSEG_DEVICE MovedPosition<C>
Mirror(MovedPosition<C> position, C last)
{
  const C slope = position.at < C(0) ? -position.slope : position.slope;
  const C at = std::fmod(std::abs(position.at), C(2) * last);
  return at > last ? MovedPosition<C>{ C(2) * last - at, -slope } : MovedPosition<C>{ at, slope };
}

/** Of a coordinate outside of an axis. */
template <typename C>
UNIVERSEG_DEVICE MovedPosition<C>
MoveInside(const SamplingParameters & p, C coordinate, C last)
{
  const C extent = last + C(1);
  MovedPosition<C> position{ coordinate, C(1) };
  switch (static_cast<BoundaryMode>(p.boundary))
  {
    case BoundaryMode::Constant:
      break;
    case BoundaryMode::Reflect:
      if (p.cudaSpatialDeformRules != 0)
      {
        C at = std::fmod(coordinate, C(2) * extent);
        at += at < C(0) ? C(2) * extent : C(0);
        return Mirror<C>(
          at >= extent ? MovedPosition<C>{ C(2) * extent - C(1) - at, C(-1) } : MovedPosition<C>{ at, C(1) }, last);
      }
      position = Mirror<C>({ coordinate + C(0.5), C(1) }, extent);
      position.at -= C(0.5);
      break;
    case BoundaryMode::Mirror:
      return Mirror<C>(position, last);
    case BoundaryMode::Nearest:
      if (p.cudaSpatialDeformRules != 0 && coordinate > C(0))
      {
        return { last - C(1e-5), C(0) };
      }
      break;
    case BoundaryMode::Wrap:
      position.at = std::fmod(coordinate, last) + (coordinate < C(0) ? last : C(0));
      break;
  }
  return position;
}

/** As nn::GetSamplingTap(); false where it is outside. The place is one of the axis
 * whatever the coordinate. */
template <typename C>
UNIVERSEG_DEVICE bool
LocateAlongAxis(const SamplingParameters & p, C coordinate, std::int64_t extent, AxisPlace<C> & place)
{
  const C last = C(extent - 1);
  const bool isInside = coordinate >= C(0) && (p.cudaSpatialDeformRules != 0 ? coordinate < last : coordinate <= last);
  MovedPosition<C> position = isInside ? MovedPosition<C>{ coordinate, C(1) } : MoveInside<C>(p, coordinate, last);
  // Of what is not a number, too.
  if (!(position.at >= C(0)))
  {
    position = { C(0), C(0) };
  }
  else if (position.at > last)
  {
    position = { last, C(0) };
  }
  place.low = static_cast<std::int64_t>(position.at);
  place.high = place.low + 1 < extent ? place.low + 1 : extent - 1;
  const C fraction = position.at - C(place.low);
  place.weight = fraction;
  place.slope = position.slope;
  if (static_cast<InterpolationMode>(p.mode) == InterpolationMode::Nearest)
  {
    place.low = fraction < C(0.5) ? place.low : place.high;
    place.high = place.low;
    place.weight = C(0);
    place.slope = C(0);
  }
  return isInside || static_cast<BoundaryMode>(p.boundary) != BoundaryMode::Constant;
}

/** Where the value at a position comes from, along depth, height and width. */
template <typename C>
struct SamplingPlace
{
  AxisPlace<C> axes[3];
  bool isOutside;
};

template <typename T>
UNIVERSEG_DEVICE SamplingPlace<ComputeType<T>>
LocateSample(const SamplingParameters & p, std::int64_t batch, std::int64_t position)
{
  using C = ComputeType<T>;
  const T * from = static_cast<const T *>(p.coordinates) + batch * p.coordinateStride + position;
  SamplingPlace<C> place;
  place.isOutside = false;
  for (int d = 0; d < 3; ++d)
  {
    const int component = d - 3 + p.rank;
    place.axes[d] = { 0, 0, C(0), C(0) };
    if (component >= 0 &&
        !LocateAlongAxis<C>(p, C(Load(from[component * p.positions])), p.image.extents[d + 2], place.axes[d]))
    {
      place.isOutside = true;
    }
  }
  return place;
}

UNIVERSEG_DEVICE bool
IsHighCorner(int corner, int axis)
{
  return (corner >> axis & 1) != 0;
}

template <typename C>
UNIVERSEG_DEVICE std::int64_t
IndexOfCorner(const SamplingPlace<C> & place, int corner, int axis)
{
  return IsHighCorner(corner, axis) ? place.axes[axis].high : place.axes[axis].low;
}

template <typename C>
UNIVERSEG_DEVICE C
FactorOfCorner(const SamplingPlace<C> & place, int corner, int axis)
{
  return IsHighCorner(corner, axis) ? place.axes[axis].weight : C(1) - place.axes[axis].weight;
}

template <typename C>
UNIVERSEG_DEVICE std::int64_t
OffsetOfCorner(const Image & image, const SamplingPlace<C> & place, int corner)
{
  return IndexOfCorner(place, corner, 0) * image.strides[2] + IndexOfCorner(place, corner, 1) * image.strides[3] +
         IndexOfCorner(place, corner, 2) * image.strides[4];
}

template <typename C>
UNIVERSEG_DEVICE C
WeightOfCorner(const SamplingPlace<C> & place, int corner)
{
  return FactorOfCorner(place, corner, 0) * FactorOfCorner(place, corner, 1) * FactorOfCorner(place, corner, 2);
}

/** The first channel's element of an item [batch, depth, height, width]. */
UNIVERSEG_DEVICE std::int64_t
OffsetOfPosition(const Image & image, std::int64_t batch, const Coordinates & place)
{
  return batch * image.strides[0] + place.at[1] * image.strides[2] + place.at[2] * image.strides[3] +
         place.at[3] * image.strides[4];
}

template <typename T>
struct SamplingKernel
{
  using Parameters = SamplingParameters;
  using C = ComputeType<T>;

  UNIVERSEG_DEVICE static std::int64_t CountItems(const Parameters & p)
  {
    return p.space.count;
  }

  template <typename TTeam>
  UNIVERSEG_DEVICE static void Run(const Parameters & p, std::int64_t item, const TTeam &, KernelError *)
  {
    const Coordinates at = Locate(p.space, item);
    const SamplingPlace<C> place = LocateSample<T>(p, at.at[0], item - at.at[0] * p.positions);
    const T * from = static_cast<const T *>(p.imageData) + at.at[0] * p.image.strides[0];
    T * to = static_cast<T *>(p.dst) + OffsetOfPosition(p.sampled, at.at[0], at);
    for (std::int64_t channel = 0; channel < p.image.extents[1]; ++channel)
    {
      C sum = place.isOutside ? C(p.value) : C(0);
      for (int corner = 0; corner < 8 && !place.isOutside; ++corner)
      {
        const C weight = WeightOfCorner(place, corner);
        // A weight of zero must not turn an infinity into a NaN.
        if (weight != C(0))
        {
          sum += weight * C(Load(from[channel * p.image.strides[1] + OffsetOfCorner(p.image, place, corner)]));
        }
      }
      to[channel * p.sampled.strides[1]] = Store<T>(sum);
    }
  }
};

template <typename T>
struct TransposedSamplingKernel
{
  using Parameters = SamplingParameters;
  using C = ComputeType<T>;

  UNIVERSEG_DEVICE static std::int64_t CountItems(const Parameters & p)
  {
    switch (static_cast<SamplingPhase>(p.phase))
    {
      case SamplingPhase::Add:
        return p.space.count;
      case SamplingPhase::Own:
        return p.rows.count;
      case SamplingPhase::Clear:
      case SamplingPhase::Store:
        break;
    }
    return p.elements.count;
  }

  template <typename TTeam>
  UNIVERSEG_DEVICE static void Run(const Parameters & p, std::int64_t item, const TTeam &, KernelError *)
  {
    switch (static_cast<SamplingPhase>(p.phase))
    {
      case SamplingPhase::Add:
      {
        const Coordinates at = Locate(p.space, item);
        Spread(p, at.at[0], item - at.at[0] * p.positions, at, nullptr);
        break;
      }
      case SamplingPhase::Own:
        Own(p, item);
        break;
      case SamplingPhase::Clear:
        static_cast<C *>(p.sumData)[OffsetOfElement(p.sums, Locate(p.elements, item))] = C(0);
        break;
      case SamplingPhase::Store:
      {
        const Coordinates at = Locate(p.elements, item);
        static_cast<T *>(p.dst)[OffsetOfElement(p.image, at)] =
          Store<T>(static_cast<const C *>(p.sumData)[OffsetOfElement(p.sums, at)]);
        break;
      }
    }
  }

private:
  UNIVERSEG_DEVICE static std::int64_t OffsetOfElement(const Image & image, const Coordinates & place)
  {
    std::int64_t offset = 0;
    for (int d = 0; d < 5; ++d)
    {
      offset += place.at[d] * image.strides[d];
    }
    return offset;
  }

  /** To a sum that other threads add to as well. */
  UNIVERSEG_DEVICE static void AddShared(C * sum, C term)
  {
#ifdef __CUDA_ARCH__
    atomicAdd(sum, term);
#else
    *sum += term;
#endif
  }

  /** What a position gives to the elements around it; with `row` to those of the row
   * [batch, depth, height] alone, which are this thread's. */
  UNIVERSEG_DEVICE static void Spread(
    const Parameters & p, std::int64_t batch, std::int64_t position, const Coordinates & at, const Coordinates * row)
  {
    const SamplingPlace<C> place = LocateSample<T>(p, batch, position);
    if (place.isOutside)
    {
      return;
    }
    const T * from = static_cast<const T *>(p.sampledData) + OffsetOfPosition(p.sampled, batch, at);
    C * to = static_cast<C *>(p.sumData) + batch * p.sums.strides[0];
    for (int corner = 0; corner < 8; ++corner)
    {
      const C weight = WeightOfCorner(place, corner);
      if (weight == C(0) || (row != nullptr && (IndexOfCorner(place, corner, 0) != row->at[1] ||
                                                IndexOfCorner(place, corner, 1) != row->at[2])))
      {
        continue;
      }
      C * sum = to + OffsetOfCorner(p.sums, place, corner);
      for (std::int64_t channel = 0; channel < p.image.extents[1]; ++channel)
      {
        const C term = weight * C(Load(from[channel * p.sampled.strides[1]]));
        if (row != nullptr)
        {
          sum[channel * p.sums.strides[1]] += term;
        }
        else
        {
          AddShared(sum + channel * p.sums.strides[1], term);
        }
      }
    }
  }

  UNIVERSEG_DEVICE static void Own(const Parameters & p, std::int64_t item)
  {
    const Coordinates row = Locate(p.rows, item);
    const std::int64_t batch = row.at[0];
    C * sums = static_cast<C *>(p.sumData) + batch * p.sums.strides[0] + row.at[1] * p.sums.strides[2] +
               row.at[2] * p.sums.strides[3];
    for (std::int64_t channel = 0; channel < p.image.extents[1]; ++channel)
    {
      for (std::int64_t x = 0; x < p.image.extents[4]; ++x)
      {
        sums[channel * p.sums.strides[1] + x * p.sums.strides[4]] = C(0);
      }
    }
    for (std::int64_t position = 0; position < p.positions; ++position)
    {
      Spread(p, batch, position, Locate(p.space, batch * p.positions + position), &row);
    }
  }
};

template <typename T>
struct SamplingCoordinatesGradientKernel
{
  using Parameters = SamplingParameters;
  using C = ComputeType<T>;

  UNIVERSEG_DEVICE static std::int64_t CountItems(const Parameters & p)
  {
    return p.space.count;
  }

  template <typename TTeam>
  UNIVERSEG_DEVICE static void Run(const Parameters & p, std::int64_t item, const TTeam &, KernelError *)
  {
    const Coordinates at = Locate(p.space, item);
    const std::int64_t position = item - at.at[0] * p.positions;
    const SamplingPlace<C> place = LocateSample<T>(p, at.at[0], position);
    // Coordinates of one batch element are those of all.
    const std::int64_t end = p.coordinateStride == 0 ? p.image.extents[0] : at.at[0] + 1;
    C sums[3] = { C(0), C(0), C(0) };
    for (std::int64_t batch = at.at[0]; batch < end && !place.isOutside; ++batch)
    {
      const T * image = static_cast<const T *>(p.imageData) + batch * p.image.strides[0];
      const T * gradient = static_cast<const T *>(p.sampledData) + OffsetOfPosition(p.sampled, batch, at);
      for (std::int64_t channel = 0; channel < p.image.extents[1]; ++channel)
      {
        AddSlopes(place,
                  p.image,
                  image + channel * p.image.strides[1],
                  C(Load(gradient[channel * p.sampled.strides[1]])),
                  sums);
      }
    }
    T * to = static_cast<T *>(p.dst) + at.at[0] * p.coordinateStride + position;
    for (int component = 0; component < p.rank; ++component)
    {
      to[component * p.positions] = Store<T>(sums[component + 3 - p.rank]);
    }
  }

private:
  UNIVERSEG_DEVICE static void AddSlopes(
    const SamplingPlace<C> & place, const Image & image, const T * plane, C gradient, C (&sums)[3])
  {
    for (int corner = 0; corner < 8; ++corner)
    {
      const C value = C(Load(plane[OffsetOfCorner(image, place, corner)]));
      for (int d = 0; d < 3; ++d)
      {
        const C slope = IsHighCorner(corner, d) ? place.axes[d].slope : -place.axes[d].slope;
        const C weight =
          slope * FactorOfCorner(place, corner, (d + 1) % 3) * FactorOfCorner(place, corner, (d + 2) % 3);
        if (weight != C(0))
        {
          sums[d] += gradient * weight * value;
        }
      }
    }
  }
};
} // namespace cuda
} // namespace nn
} // namespace itk

#endif
