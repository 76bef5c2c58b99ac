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
#include "itkNNRaster.h"

#include "itkNNError.h"
#include "itkNNFileReplacement.h"
#include "itk_zlib.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <iterator>

namespace itk
{
namespace nn
{
namespace
{
struct Glyph
{
  char character;
  unsigned char rows[7]; ///< five bits each, the highest is the left dot
};

constexpr Glyph glyphs[] = {
  { 'A', { 14, 17, 17, 31, 17, 17, 17 } }, { 'B', { 30, 17, 17, 30, 17, 17, 30 } },
  { 'C', { 14, 17, 16, 16, 16, 17, 14 } }, { 'D', { 30, 17, 17, 17, 17, 17, 30 } },
  { 'E', { 31, 16, 16, 30, 16, 16, 31 } }, { 'F', { 31, 16, 16, 30, 16, 16, 16 } },
  { 'G', { 14, 17, 16, 23, 17, 17, 14 } }, { 'H', { 17, 17, 17, 31, 17, 17, 17 } },
  { 'I', { 14, 4, 4, 4, 4, 4, 14 } },      { 'J', { 7, 2, 2, 2, 2, 18, 12 } },
  { 'K', { 17, 18, 20, 24, 20, 18, 17 } }, { 'L', { 16, 16, 16, 16, 16, 16, 31 } },
  { 'M', { 17, 27, 21, 21, 17, 17, 17 } }, { 'N', { 17, 25, 21, 19, 17, 17, 17 } },
  { 'O', { 14, 17, 17, 17, 17, 17, 14 } }, { 'P', { 30, 17, 17, 30, 16, 16, 16 } },
  { 'Q', { 14, 17, 17, 17, 21, 18, 13 } }, { 'R', { 30, 17, 17, 30, 20, 18, 17 } },
  { 'S', { 15, 16, 16, 14, 1, 1, 30 } },   { 'T', { 31, 4, 4, 4, 4, 4, 4 } },
  { 'U', { 17, 17, 17, 17, 17, 17, 14 } }, { 'V', { 17, 17, 17, 17, 17, 10, 4 } },
  { 'W', { 17, 17, 17, 21, 21, 27, 17 } }, { 'X', { 17, 17, 10, 4, 10, 17, 17 } },
  { 'Y', { 17, 17, 10, 4, 4, 4, 4 } },     { 'Z', { 31, 1, 2, 4, 8, 16, 31 } },
  { '0', { 14, 17, 19, 21, 25, 17, 14 } }, { '1', { 4, 12, 4, 4, 4, 4, 14 } },
  { '2', { 14, 17, 1, 2, 4, 8, 31 } },     { '3', { 31, 2, 4, 2, 1, 17, 14 } },
  { '4', { 2, 6, 10, 18, 31, 2, 2 } },     { '5', { 31, 16, 30, 1, 1, 17, 14 } },
  { '6', { 6, 8, 16, 30, 17, 17, 14 } },   { '7', { 31, 1, 2, 4, 8, 8, 8 } },
  { '8', { 14, 17, 17, 14, 17, 17, 14 } }, { '9', { 14, 17, 17, 15, 1, 2, 12 } },
  { '.', { 0, 0, 0, 0, 0, 12, 12 } },      { '-', { 0, 0, 0, 31, 0, 0, 0 } },
  { ':', { 0, 12, 12, 0, 12, 12, 0 } },    { '_', { 0, 0, 0, 0, 0, 0, 31 } },
  { '/', { 0, 1, 2, 4, 8, 16, 0 } },       { '+', { 0, 4, 4, 31, 4, 4, 0 } },
};

void
AppendBigEndian(std::string & bytes, std::uint32_t value)
{
  for (unsigned int shift = 32; shift > 0; shift -= 8)
  {
    bytes += static_cast<char>(value >> (shift - 8) & 255U);
  }
}

/** A chunk of a PNG file: length, type, data, check sum of the last two. */
void
AppendChunk(std::string & file, const std::string & type, const std::string & data)
{
  const std::string content = type + data;
  AppendBigEndian(file, static_cast<std::uint32_t>(data.size()));
  file += content;
  AppendBigEndian(file,
                  static_cast<std::uint32_t>(crc32(
                    0, reinterpret_cast<const Bytef *>(content.data()), static_cast<unsigned int>(content.size()))));
}

std::string
Pack(const std::string & bytes)
{
  uLongf size = compressBound(static_cast<uLong>(bytes.size()));
  std::string packed(size, '\0');
  const int code = compress(reinterpret_cast<Bytef *>(&packed[0]),
                            &size,
                            reinterpret_cast<const Bytef *>(bytes.data()),
                            static_cast<uLong>(bytes.size()));
  itkNNRequireMacro(code == Z_OK, "zlib cannot pack " << bytes.size() << " bytes: its code is " << code);
  packed.resize(size);
  return packed;
}

std::string
EncodePNG(const Raster & raster)
{
  std::string header;
  AppendBigEndian(header, static_cast<std::uint32_t>(raster.GetWidth()));
  AppendBigEndian(header, static_cast<std::uint32_t>(raster.GetHeight()));
  header += { 8, 2, 0, 0, 0 }; // bits, red-green-blue, and the only methods there are
  const std::size_t rowBytes = 3 * raster.GetWidth();
  std::string rows;
  for (std::size_t y = 0; y < raster.GetHeight(); ++y)
  {
    const auto row = raster.GetPixels().begin() + static_cast<std::ptrdiff_t>(y * rowBytes);
    rows += '\0'; // no filter
    rows.append(row, row + static_cast<std::ptrdiff_t>(rowBytes));
  }
  std::string file = "\x89PNG\r\n\x1a\n";
  AppendChunk(file, "IHDR", header);
  AppendChunk(file, "IDAT", Pack(rows));
  AppendChunk(file, "IEND", "");
  return file;
}
} // namespace

Raster::Raster(std::size_t width, std::size_t height, Rgb background)
  : m_Width(width)
  , m_Height(height)
  , m_Pixels(3 * width * height)
{
  for (std::size_t i = 0; i < m_Pixels.size(); ++i)
  {
    m_Pixels[i] = background[i % 3];
  }
}

void
Raster::SetPixel(std::size_t x, std::size_t y, Rgb color)
{
  if (x < m_Width && y < m_Height)
  {
    std::copy(color.begin(), color.end(), m_Pixels.begin() + static_cast<std::ptrdiff_t>(3 * (y * m_Width + x)));
  }
}

void
Raster::Paste(const Raster & other, std::size_t left, std::size_t top)
{
  for (std::size_t y = 0; y < other.m_Height; ++y)
  {
    for (std::size_t x = 0; x < other.m_Width; ++x)
    {
      const unsigned char * pixel = &other.m_Pixels[3 * (y * other.m_Width + x)];
      this->SetPixel(left + x, top + y, { pixel[0], pixel[1], pixel[2] });
    }
  }
}

void
Raster::DrawText(const std::string & text, std::size_t left, std::size_t top, std::size_t dot, Rgb color)
{
  for (const char character : text)
  {
    const auto upper = static_cast<char>(std::toupper(static_cast<unsigned char>(character)));
    const auto glyph =
      std::find_if(std::begin(glyphs), std::end(glyphs), [upper](const Glyph & g) { return g.character == upper; });
    for (std::size_t y = 0; glyph != std::end(glyphs) && y < 7 * dot; ++y)
    {
      for (std::size_t x = 0; x < 5 * dot; ++x)
      {
        if ((glyph->rows[y / dot] >> (4 - x / dot)) & 1)
        {
          this->SetPixel(left + x, top + y, color);
        }
      }
    }
    left += 6 * dot;
  }
}

std::size_t
Raster::GetTextWidth(const std::string & text, std::size_t dot)
{
  return text.empty() ? 0 : (6 * text.size() - 1) * dot;
}

void
Raster::DrawLine(double fromX, double fromY, double toX, double toY, Rgb color)
{
  const double length = std::max(std::abs(toX - fromX), std::abs(toY - fromY));
  const auto steps = static_cast<std::int64_t>(std::ceil(std::min(length, 1e6)));
  for (std::int64_t i = 0; i <= steps; ++i)
  {
    const double part = steps == 0 ? 0 : static_cast<double>(i) / static_cast<double>(steps);
    const double x = std::round(fromX + part * (toX - fromX));
    const double y = std::round(fromY + part * (toY - fromY));
    if (x >= 0 && y >= 0 && x < static_cast<double>(m_Width) && y < static_cast<double>(m_Height))
    {
      this->SetPixel(static_cast<std::size_t>(x), static_cast<std::size_t>(y), color);
    }
  }
}

void
Raster::WritePNG(const std::string & fileName) const
{
  itkNNRequireMacro(m_Width > 0 && m_Height > 0, fileName << ": a picture without pixels cannot be written");
  const std::string bytes = EncodePNG(*this);
  ReplaceFile(fileName,
              [&](const std::string & temporary)
              {
                std::ofstream file(temporary, std::ios::binary);
                file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
                file.close();
                itkNNRequireMacro(file.good(), fileName << ": the picture cannot be written; is the disk full?");
              });
}
} // namespace nn
} // namespace itk
