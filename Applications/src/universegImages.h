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
#ifndef universegImages_h
#define universegImages_h

#include "itkImage.h"
#include "itkNNColorProjection.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace universeg
{
/** Every image of the command is a volume; one of a 2-D file has one slice. */
using Volume = itk::Image<float, 3>;
using LabelVolume = itk::Image<std::int32_t, 3>;
using Color = std::array<int, 3>;

using itk::nn::ColorProjection;
using itk::nn::ImageHeader;
using itk::nn::LoadedImage;
using itk::nn::ToIntensities;

/** How the pixels of a mask become labels. */
struct LabelChoice
{
  std::optional<std::int32_t> label; ///< keep only this value
  bool binary = false;               ///< every value but 0 becomes 1
  std::vector<Color> colors;         ///< of colour masks: the i-th becomes i + 1, with binary 1, others 0
};

/** Keep the libraries that read and write images from printing, and a write
 * beyond the limit of file sizes from ending the program. For main(). */
void QuietLibraries();

/** As itk::nn::ReadImageFile(). Throws Failure. */
LoadedImage ReadImage(const std::string & name, const std::string & series = "");

/** As itk::nn::ReadMultichannelImageFile(). Throws Failure. */
LoadedImage ReadMultichannelImage(const std::string & name);

/** As itk::nn::ReadImageFileHeader(). Throws Failure. */
ImageHeader ReadImageHeader(const std::string & name, const std::string & series = "");

/** Throws Failure unless the pixels are integers (or, with colours given, red,
 * green and blue).
 * \param needsColors with colours given, throw for a gray mask instead of taking
 * its values as labels: for masks that people drew, not for predictions. */
LabelVolume::Pointer ToLabels(const LoadedImage & image, const LabelChoice & choice, bool needsColors = false);

/** Values other than 0 that occur, ascending. */
std::vector<std::int32_t> FindLabels(const LabelVolume & labels);

/** Throws Failure when no labels or probabilities of such an image can be
 * written, whatever they are: the place, the format or the slices do not suit. */
void CheckOutputFile(const std::string & fileName, const ImageHeader & header);

/** The same for pictures. */
void CheckPictureFile(const std::string & fileName);

/** Write with the narrowest integer type that holds the labels. Throws Failure
 * when the format cannot hold the image, and when the file cannot be written and
 * read back; a file of that name then stays as it was. \param dimension 2 writes the only
 * slice as a 2-D image. */
void WriteLabels(const LabelVolume & labels, unsigned int dimension, const std::string & fileName);

/** Write as 32-bit floats; formats for 8 bits get 255 times the values. */
void WriteProbabilities(const Volume & probabilities, unsigned int dimension, const std::string & fileName);

/** Red, green and blue bytes, rows from the top. */
void WriteColorImage(const std::string & fileName,
                     std::size_t width,
                     std::size_t height,
                     const std::vector<unsigned char> & rgb);

/** Grey bytes, rows from the top. */
void WriteGrayImage(const std::string & fileName,
                    std::size_t width,
                    std::size_t height,
                    const std::vector<unsigned char> & gray);
} // namespace universeg

#endif
