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
#ifndef itkNNRawImageConversion_h
#define itkNNRawImageConversion_h

#include "itkImageRegionConstIteratorWithIndex.h"
#include "itkImageRegionIterator.h"
#include "itkMacro.h"
#include "itkNNRawImages.h"

#include <cmath>
#include <limits>
#include <type_traits>

namespace itk
{
namespace nn
{
/** The type of pixels as a RawImage names it. \ingroup UniverSegFiltering */
template <typename TPixel>
constexpr DataType
GetRawPixelType()
{
  static_assert(std::is_arithmetic<TPixel>::value, "Raw images are scalar images");
  constexpr std::size_t bytes = sizeof(TPixel);
  if (std::is_floating_point<TPixel>::value)
  {
    return bytes > sizeof(float) ? DataType::Float64 : DataType::Float32;
  }
  constexpr bool isSigned = std::is_signed<TPixel>::value;
  switch (bytes)
  {
    case 1:
      return isSigned ? DataType::Int8 : DataType::UInt8;
    case 2:
      return isSigned ? DataType::Int16 : DataType::UInt16;
    case 4:
      return isSigned ? DataType::Int32 : DataType::Int64;
    default:
      return DataType::Int64;
  }
}

/** An input of a filter, its first voxel at index 0. Throws ExceptionObject when an intensity is
 * no finite number. \ingroup UniverSegFiltering */
template <typename TImage>
RawImage
ToRawImage(const TImage & input)
{
  const auto region = input.GetLargestPossibleRegion();
  const auto copy = Image<float, 3>::New();
  typename TImage::PointType origin;
  input.TransformIndexToPhysicalPoint(region.GetIndex(), origin);
  copy->SetOrigin(origin);
  copy->SetSpacing(input.GetSpacing());
  copy->SetDirection(input.GetDirection());
  copy->SetRegions(region.GetSize());
  copy->Allocate();
  float * to = copy->GetBufferPointer();
  for (ImageRegionConstIteratorWithIndex<TImage> it(&input, region); !it.IsAtEnd(); ++it, ++to)
  {
    *to = static_cast<float>(it.Get());
    if (!std::isfinite(*to))
    {
      itkGenericExceptionMacro("The input image is NaN or infinite at index "
                               << it.GetIndex()
                               << "; all intensities should be finite. Replace them before segmenting");
    }
  }
  return { copy.GetPointer(), GetRawPixelType<typename TImage::PixelType>() };
}

/** Labels of a whole image, whatever its first index. Throws ExceptionObject when
 * its pixels cannot hold one. \ingroup UniverSegFiltering */
template <typename TSource, typename TImage>
void
CopyLabels(const TSource & source, TImage & output)
{
  using PixelType = typename TImage::PixelType;
  constexpr auto high = static_cast<double>(std::numeric_limits<PixelType>::max());
  const auto * label = source.GetBufferPointer();
  for (ImageRegionIterator<TImage> it(&output, output.GetLargestPossibleRegion()); !it.IsAtEnd(); ++it, ++label)
  {
    if (static_cast<double>(*label) > high)
    {
      itkGenericExceptionMacro("A voxel is of class " << *label << ", but the output pixel type holds no more than "
                                                      << high << "; use another output image type");
    }
    it.Set(static_cast<PixelType>(*label));
  }
}
} // namespace nn
} // namespace itk

#endif
