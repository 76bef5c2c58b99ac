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
#ifndef itkUniverSegSupportSet_hxx
#define itkUniverSegSupportSet_hxx

#include "itkImageRegionConstIterator.h"
#include "itkUniverSegPixelConversion.h"

#include <type_traits>

namespace itk
{
template <typename TImage>
auto
UniverSegSupportSet::MakeIntensitySource(const TImage * image) -> PixelSource<TImage::ImageDimension>
{
  PixelSource<TImage::ImageDimension> source;
  source.image = image;
  source.copyIntensities =
    [image](const typename TImage::RegionType & region, float * output, typename TImage::IndexType & firstBad)
  { return CopyIntensities(image, region, output, firstBad); };
  return source;
}

template <typename TLabelImage>
auto
UniverSegSupportSet::MakeLabelSource(const TLabelImage * labelImage) -> PixelSource<TLabelImage::ImageDimension>
{
  static_assert(std::is_arithmetic<typename TLabelImage::PixelType>::value, "Label images must have scalar pixels");
  PixelSource<TLabelImage::ImageDimension> source;
  source.image = labelImage;
  source.copyLabels = [labelImage](const typename TLabelImage::RegionType & region, double * output)
  {
    for (ImageRegionConstIterator<TLabelImage> it(labelImage, region); !it.IsAtEnd(); ++it)
    {
      *output++ = static_cast<double>(it.Get());
    }
  };
  return source;
}

template <typename TImage, typename TLabelImage, typename, typename>
void
UniverSegSupportSet::PushBackSupport(const TImage * image, const TLabelImage * labelImage)
{
  static_assert(TImage::ImageDimension == 2 && TLabelImage::ImageDimension == 2,
                "PushBackSupport() takes 2-D images; see PushBackSupportVolume()");
  this->PushBackPair(MakeIntensitySource(image), MakeLabelSource(labelImage));
}

template <typename TImage, typename TLabelImage, typename, typename>
void
UniverSegSupportSet::PushBackSupportVolume(const TImage * image,
                                           const TLabelImage * labelImage,
                                           unsigned int axis,
                                           const std::vector<IndexValueType> & slices)
{
  static_assert(TImage::ImageDimension == 3 && TLabelImage::ImageDimension == 3,
                "PushBackSupportVolume() takes 3-D images; see PushBackSupport()");
  this->PushBackSlices(MakeIntensitySource(image), MakeLabelSource(labelImage), axis, slices);
}
} // namespace itk

#endif
