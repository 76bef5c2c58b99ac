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
#include "itkSurfaceDistances.h"

#include "itkNNError.h"

#include "itkBinaryContourImageFilter.h"
#include "itkImageRegionConstIterator.h"
#include "itkImageRegionConstIteratorWithIndex.h"
#include "itkImageRegionIterator.h"
#include "itkSignedMaurerDistanceMapImageFilter.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace itk
{
namespace
{
template <unsigned int VDimension>
using Mask = Image<unsigned char, VDimension>;

/** Bounding box of both masks relative to the start of each; of no pixels when both are
 * empty. */
template <unsigned int VDimension>
ImageRegion<VDimension>
FindBoundingBox(const Mask<VDimension> & a, const Mask<VDimension> & b)
{
  const auto region = a.GetLargestPossibleRegion();
  ImageRegionConstIteratorWithIndex<Mask<VDimension>> i(&a, region);
  ImageRegionConstIterator<Mask<VDimension>> j(&b, b.GetLargestPossibleRegion());
  Index<VDimension> low;
  Index<VDimension> high;
  low.Fill(std::numeric_limits<IndexValueType>::max());
  high.Fill(std::numeric_limits<IndexValueType>::lowest());
  for (; !i.IsAtEnd(); ++i, ++j)
  {
    if (i.Get() != 0 || j.Get() != 0)
    {
      for (unsigned int axis = 0; axis < VDimension; ++axis)
      {
        const IndexValueType at = i.GetIndex()[axis] - region.GetIndex()[axis];
        low[axis] = std::min(low[axis], at);
        high[axis] = std::max(high[axis], at);
      }
    }
  }
  ImageRegion<VDimension> box;
  if (low[0] <= high[0])
  {
    box.SetIndex(low);
    box.SetUpperIndex(high);
  }
  return box;
}

/** The pixels of a box as 1 and 0, with a margin of 0 along the axes of more than one
 * pixel: there, outside the image is outside the mask. */
template <unsigned int VDimension>
typename Mask<VDimension>::Pointer
Crop(const Mask<VDimension> & mask, const ImageRegion<VDimension> & box, const Vector<double, VDimension> & spacing)
{
  const auto whole = mask.GetLargestPossibleRegion();
  auto source = box;
  auto size = box.GetSize();
  ImageRegion<VDimension> target(size);
  for (unsigned int axis = 0; axis < VDimension; ++axis)
  {
    source.SetIndex(axis, whole.GetIndex(axis) + box.GetIndex(axis));
    const IndexValueType margin = whole.GetSize(axis) > 1 ? 1 : 0;
    target.SetIndex(axis, margin);
    size[axis] += 2 * static_cast<SizeValueType>(margin);
  }
  auto crop = Mask<VDimension>::New();
  crop->SetRegions(size);
  crop->SetSpacing(spacing);
  crop->Allocate(true);
  ImageRegionConstIterator<Mask<VDimension>> from(&mask, source);
  ImageRegionIterator<Mask<VDimension>> to(crop, target);
  for (; !from.IsAtEnd(); ++from, ++to)
  {
    to.Set(from.Get() != 0 ? 1 : 0);
  }
  return crop;
}

template <unsigned int VDimension>
typename Mask<VDimension>::Pointer
FindBoundary(const Mask<VDimension> & mask)
{
  auto contour = BinaryContourImageFilter<Mask<VDimension>, Mask<VDimension>>::New();
  contour->SetInput(&mask);
  contour->SetFullyConnected(false);
  contour->SetForegroundValue(1);
  contour->SetBackgroundValue(0);
  contour->Update();
  return contour->GetOutput();
}

/** From each boundary pixel to the nearest of another boundary, ascending. */
template <unsigned int VDimension>
std::vector<double>
Measure(const Mask<VDimension> & boundary, const Mask<VDimension> & other)
{
  const auto isSet = [](unsigned char value) { return value != 0; };
  const unsigned char * begin = boundary.GetBufferPointer();
  const SizeValueType pixels = boundary.GetLargestPossibleRegion().GetNumberOfPixels();
  const auto count = static_cast<std::size_t>(std::count_if(begin, begin + pixels, isSet));
  if (count == 0 || std::none_of(other.GetBufferPointer(), other.GetBufferPointer() + pixels, isSet))
  {
    return std::vector<double>(count, std::numeric_limits<double>::infinity());
  }
  // The filter measures to the pixels of its object that have a neighbour outside: of a
  // boundary these are all.
  auto map = SignedMaurerDistanceMapImageFilter<Mask<VDimension>, Image<double, VDimension>>::New();
  map->SetInput(&other);
  map->SetBackgroundValue(0);
  map->UseImageSpacingOn();
  map->SquaredDistanceOff();
  map->Update();
  const double * const distance = map->GetOutput()->GetBufferPointer();
  std::vector<double> distances;
  distances.reserve(count);
  for (SizeValueType i = 0; i < pixels; ++i)
  {
    if (isSet(begin[i]))
    {
      distances.push_back(std::abs(distance[i])); // -0 on the object itself
    }
  }
  std::sort(distances.begin(), distances.end());
  return distances;
}

template <unsigned int VDimension>
SurfaceDistances
Compute(const Mask<VDimension> & prediction, const Mask<VDimension> & reference)
{
  const auto size = prediction.GetLargestPossibleRegion().GetSize();
  itkNNRequireMacro(size == reference.GetLargestPossibleRegion().GetSize(),
                    "The prediction has the size " << size << " and the reference "
                                                   << reference.GetLargestPossibleRegion().GetSize()
                                                   << "; both should have the same");
  const auto box = FindBoundingBox<VDimension>(prediction, reference);
  if (box.GetNumberOfPixels() == 0)
  {
    return {};
  }
  const auto a = FindBoundary<VDimension>(*Crop<VDimension>(prediction, box, prediction.GetSpacing()));
  const auto b = FindBoundary<VDimension>(*Crop<VDimension>(reference, box, prediction.GetSpacing()));
  return { Measure<VDimension>(*a, *b), Measure<VDimension>(*b, *a) };
}
} // namespace

SurfaceDistances
ComputeSurfaceDistances(const Image<unsigned char, 2> & prediction, const Image<unsigned char, 2> & reference)
{
  return Compute<2>(prediction, reference);
}

SurfaceDistances
ComputeSurfaceDistances(const Image<unsigned char, 3> & prediction, const Image<unsigned char, 3> & reference)
{
  return Compute<3>(prediction, reference);
}
} // namespace itk
