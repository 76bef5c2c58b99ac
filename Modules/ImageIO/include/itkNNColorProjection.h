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
#ifndef itkNNColorProjection_h
#define itkNNColorProjection_h

#include "itkNNImageFile.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** \class ColorProjection
 * \brief Weights of red, green and blue whose sum is an intensity.
 * \ingroup UniverSegImageIO */
struct UniverSegImageIO_EXPORT ColorProjection
{
  // Luminance, with Pillow's weights.
  double red = 19595.0 / 65536;
  double green = 38470.0 / 65536;
  double blue = 7471.0 / 65536;

  /** Dark becomes bright. */
  ColorProjection Negated() const
  {
    return { -red, -green, -blue };
  }

  /** For example "0.3 R + 0.59 G + 0.11 B". */
  std::string ToText() const;
};

/** Scalar images as they are, colour ones projected; by default their luminance.
 * \ingroup UniverSegImageIO */
UniverSegImageIO_EXPORT Image<float, 3>::Pointer ToIntensities(const LoadedImage & image,
                                                               const ColorProjection & projection = ColorProjection());

/** Whether a pixel has another red than green or blue.
 * \ingroup UniverSegImageIO */
UniverSegImageIO_EXPORT bool IsColored(const LoadedImage & image);

/** \class ColorDiscriminant
 * \brief The projection that parts the colours of structures best: Fisher's linear
 * discriminant of all labels, each with the same weight.
 *
 * R. A. Fisher, "The use of multiple measurements in taxonomic problems", Annals of
 * Eugenics 7 (1936). \ingroup UniverSegImageIO */
class UniverSegImageIO_EXPORT ColorDiscriminant
{
public:
  /** Take the colours of an image in.
   * \param labels of its pixels, the first axis fastest; 0 is the background.
   * Throws Error when there are not as many labels as pixels or the image has no
   * colours. */
  void Add(const LoadedImage & image, const std::int32_t * labels, std::size_t count);

  /** The absolute weights add up to 1; structures are brighter than the background.
   * Empty while no label other than 0, or no background, was seen. */
  std::optional<ColorProjection> Get() const;

private:
  struct Moments
  {
    std::int32_t label = 0;
    double count = 0;
    std::array<double, 3> sum{};
    std::array<double, 9> products{};
  };

  Moments & Find(std::int32_t label);

  std::vector<Moments> m_Moments;
};
} // namespace nn
} // namespace itk

#endif
