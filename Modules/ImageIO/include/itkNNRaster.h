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
#ifndef itkNNRaster_h
#define itkNNRaster_h

#include "UniverSegImageIOExport.h"

#include <array>
#include <cstddef>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** \class Raster
 * \brief Red, green and blue pixels to draw on; rows from the top.
 * \ingroup UniverSegImageIO
 */
class UniverSegImageIO_EXPORT Raster
{
public:
  using Rgb = std::array<unsigned char, 3>;

  Raster(std::size_t width, std::size_t height, Rgb background = { 24, 24, 28 });

  /** Outside of the raster nothing happens. */
  void SetPixel(std::size_t x, std::size_t y, Rgb color);

  /** Copy another raster; what does not fit is left out. */
  void Paste(const Raster & other, std::size_t left, std::size_t top);

  /** Upper-case letters, digits and some signs, 5 x 7 dots of a given size. */
  void DrawText(const std::string & text, std::size_t left, std::size_t top, std::size_t dot, Rgb color);
  static std::size_t GetTextWidth(const std::string & text, std::size_t dot);

  /** A line of one pixel's width between two places. */
  void DrawLine(double fromX, double fromY, double toX, double toY, Rgb color);

  /** Write a PNG file by ReplaceFile(). Throws Error that names the file. */
  void WritePNG(const std::string & fileName) const;

  std::size_t GetWidth() const
  {
    return m_Width;
  }
  std::size_t GetHeight() const
  {
    return m_Height;
  }

  /** 3 * width * height bytes. */
  const std::vector<unsigned char> & GetPixels() const
  {
    return m_Pixels;
  }

private:
  std::size_t m_Width;
  std::size_t m_Height;
  std::vector<unsigned char> m_Pixels;
};
} // namespace nn
} // namespace itk

#endif
