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
#ifndef itkNNVolumeFusion_h
#define itkNNVolumeFusion_h

#include "UniverSegFilteringExport.h"
#include "itkNNPythonRandom.h"
#include "itkNNShape.h"

#include <cstdint>
#include <vector>

namespace itk
{
namespace nn
{
/** \class VolumeFusionOptions
 * \brief How Volume Fusion mixes two images (Wang et al., "MIS-FM", arXiv 2306.16925;
 * the defaults are PyMIC's).
 *
 * Axes from the slowest: depth, height, width, or height, width.
 * \ingroup UniverSegFiltering */
struct UniverSegFiltering_EXPORT VolumeFusionOptions
{
  std::int64_t classes = 5;      ///< K + 1 fusion classes; class k has k / K of the foreground
  double foregroundRatio = 0.7;  ///< share of the blocks that get a class other than 0
  Shape minimumBlock{ 8, 8, 8 }; ///< smallest extents of the blocks
  Shape maximumBlock{ 32, 32, 32 };

  /** Throws Error when a value is out of range or the blocks have not as many axes
   * as the image. */
  void Check(const Shape & image) const;
};

/** \class VolumeFusionGrid
 * \brief Equal blocks side by side, each with its fusion class.
 * \ingroup UniverSegFiltering */
struct UniverSegFiltering_EXPORT VolumeFusionGrid
{
  Shape block;                       ///< extents of each
  Shape offset;                      ///< where the first begins
  Shape count;                       ///< of the blocks along each axis
  std::vector<std::uint8_t> classes; ///< of the blocks, the last axis fastest

  /** Draw a grid for an image: the extents of the blocks, the offsets, which blocks are
   * foreground, and the class of each, in the order of PyMIC's VolumeFusion. Blocks that
   * are greater than the image leave it without any.
   * Throws Error as VolumeFusionOptions::Check(). */
  static VolumeFusionGrid Draw(PythonRandom & random, const VolumeFusionOptions & options, const Shape & image);

  /** Write the classes of a row of pixels along the last axis.
   * \param position of the first pixel of the row. */
  void LabelRow(const Shape & position, std::int64_t length, std::uint8_t * labels) const;
};
} // namespace nn
} // namespace itk

#endif
