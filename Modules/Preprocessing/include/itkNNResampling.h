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
#ifndef itkNNResampling_h
#define itkNNResampling_h

#include "UniverSegPreprocessingExport.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace itk
{
namespace nn
{
/** Separable linear interpolation of a row-major plane, as Pillow's BILINEAR:
 * half-pixel centres, a triangle filter that widens by the ratio of the extents
 * when shrinking, weights renormalised at the borders. First along the rows,
 * then along the columns; an axis whose extent stays is left alone. Computed in
 * float without rounding between the passes.
 *
 * Throws Error when an extent is zero.
 * \param output outputHeight * outputWidth values; must not overlap the input.
 * \ingroup UniverSegPreprocessing */
UniverSegPreprocessing_EXPORT void ResizeLinear(const float * input,
                                                std::size_t inputHeight,
                                                std::size_t inputWidth,
                                                float * output,
                                                std::size_t outputHeight,
                                                std::size_t outputWidth);

/** The same for 8-bit planes, bit by bit as Pillow does it: 22-bit fixed-point
 * weights and a result rounded to 8 bits after each pass.
 * \ingroup UniverSegPreprocessing */
UniverSegPreprocessing_EXPORT void ResizeLinear(const std::uint8_t * input,
                                                std::size_t inputHeight,
                                                std::size_t inputWidth,
                                                std::uint8_t * output,
                                                std::size_t outputHeight,
                                                std::size_t outputWidth);

/** Source index of each output index of an axis under Pillow's NEAREST:
 * floor((i + 0.5) * input / output). Throws Error when an extent is zero.
 * \ingroup UniverSegPreprocessing */
UniverSegPreprocessing_EXPORT std::vector<std::size_t> NearestIndices(std::size_t input, std::size_t output);

/** Nearest-neighbour interpolation of a row-major plane with NearestIndices().
 * \ingroup UniverSegPreprocessing */
template <typename T>
void
ResizeNearest(const T * input,
              std::size_t inputHeight,
              std::size_t inputWidth,
              T * output,
              std::size_t outputHeight,
              std::size_t outputWidth)
{
  const std::vector<std::size_t> rows = NearestIndices(inputHeight, outputHeight);
  const std::vector<std::size_t> columns = NearestIndices(inputWidth, outputWidth);
  for (const std::size_t row : rows)
  {
    for (const std::size_t column : columns)
    {
      *output++ = input[row * inputWidth + column];
    }
  }
}

/** Luminance of 8-bit red, green and blue, rounded as Pillow does:
 * (19595 R + 38470 G + 7471 B + 32768) / 65536.
 * \ingroup UniverSegPreprocessing */
inline std::uint8_t
Luminance(std::uint8_t red, std::uint8_t green, std::uint8_t blue)
{
  return static_cast<std::uint8_t>((19595U * red + 38470U * green + 7471U * blue + 32768U) >> 16);
}

/** Luminance with the same weights, without rounding.
 * \ingroup UniverSegPreprocessing */
inline float
Luminance(double red, double green, double blue)
{
  return static_cast<float>((19595.0 * red + 38470.0 * green + 7471.0 * blue) / 65536.0);
}
} // namespace nn
} // namespace itk

#endif
