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
#ifndef universegPicture_h
#define universegPicture_h

#include "universegImages.h"

#include "itkNNRaster.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace universeg
{
/** A raster to draw results on. */
class Picture : public itk::nn::Raster
{
public:
  using Raster::Raster;

  /** One slice of a volume in grey, its minimum black and its maximum white,
   * stretched to a size. */
  static Picture FromSlice(
    const Volume & volume, unsigned int axis, std::size_t slice, std::size_t width, std::size_t height);

  /** Values from 0 to 1 from black over blue and orange to white. */
  static Picture FromProbabilities(
    const Volume & volume, unsigned int axis, std::size_t slice, std::size_t width, std::size_t height);

  /** Outline the labels of a slice, stretched to this picture; one colour a
   * label, or the given one for all. */
  void DrawContours(const LabelVolume & labels, unsigned int axis, std::size_t slice, const Rgb * color = nullptr);

  void Write(const std::string & fileName) const;
};

/** Columns and rows of the slices across an axis. */
std::array<std::size_t, 2> GetSliceSize(const itk::ImageBase<3> & image, unsigned int axis);

/** Size on the screen of a slice: enlarged by a whole number or shrunk so that
 * the longer side comes near a length. */
std::array<std::size_t, 2> GetDisplaySize(const itk::ImageBase<3> & image, unsigned int axis, std::size_t length);

/** The slice across an axis with the most labelled pixels. */
std::size_t FindFullestSlice(const LabelVolume & labels, unsigned int axis);
} // namespace universeg

#endif
