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
#ifndef itkUniverSegPixelConversion_h
#define itkUniverSegPixelConversion_h

#include "itkImageRegionConstIteratorWithIndex.h"
#include "itkNNResampling.h"
#include "itkRGBAPixel.h"
#include "itkRGBPixel.h"

#include <cmath>
#include <type_traits>

namespace itk
{
/** A scalar as it is; red, green and blue as luminance with the weights of
 * nn::Luminance(). Alpha is ignored.
 * \ingroup UniverSegFiltering */
template <typename TScalar>
std::enable_if_t<std::is_arithmetic<TScalar>::value, float>
ConvertPixelToIntensity(TScalar pixel)
{
  return static_cast<float>(pixel);
}
template <typename TComponent>
float
ConvertPixelToIntensity(const RGBPixel<TComponent> & pixel)
{
  return nn::Luminance(static_cast<double>(pixel[0]), static_cast<double>(pixel[1]), static_cast<double>(pixel[2]));
}
template <typename TComponent>
float
ConvertPixelToIntensity(const RGBAPixel<TComponent> & pixel)
{
  return nn::Luminance(static_cast<double>(pixel[0]), static_cast<double>(pixel[1]), static_cast<double>(pixel[2]));
}

/** Copy the intensities of a region, the first axis fastest.
 * \param firstBad the index of the first intensity that is no finite float.
 * \return whether all are finite.
 * \ingroup UniverSegFiltering */
template <typename TImage>
bool
CopyIntensities(const TImage * image,
                const typename TImage::RegionType & region,
                float * output,
                typename TImage::IndexType & firstBad)
{
  bool finite = true;
  for (ImageRegionConstIteratorWithIndex<TImage> it(image, region); !it.IsAtEnd(); ++it, ++output)
  {
    *output = ConvertPixelToIntensity(it.Get());
    if (finite && !std::isfinite(*output))
    {
      finite = false;
      firstBad = it.GetIndex();
    }
  }
  return finite;
}
} // namespace itk

#endif
