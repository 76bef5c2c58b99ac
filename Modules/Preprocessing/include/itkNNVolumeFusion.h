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

#include "UniverSegPreprocessingExport.h"
#include "itkNNPythonRandom.h"
#include "itkNNShape.h"

#include <array>
#include <cstddef>
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
 * \ingroup UniverSegPreprocessing */
struct UniverSegPreprocessing_EXPORT VolumeFusionOptions
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
 * \ingroup UniverSegPreprocessing */
struct UniverSegPreprocessing_EXPORT VolumeFusionGrid
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

  /** Pixels [begin, end) of a row, all of one class. */
  struct Run
  {
    std::int64_t begin;
    std::int64_t end;
    std::uint8_t number;
  };

  /** Replace runs by those of a row of pixels along the last axis, from its begin to its end.
   * \param position of the first pixel of the row. */
  void GetRuns(const Shape & position, std::int64_t length, std::vector<Run> & runs) const;
};

/** \class ShuffledVolumeFusionGrid
 * \brief A grid whose blocks take the foreground from blocks at other positions, as PyMIC's
 * VolumeFusionShuffle.
 * \ingroup UniverSegPreprocessing */
struct UniverSegPreprocessing_EXPORT ShuffledVolumeFusionGrid
{
  VolumeFusionGrid grid;             ///< of three axes
  std::vector<std::int64_t> sources; ///< numbers of the blocks that those of the grid take

  /** Draw a grid of three axes: the extents and the offsets as VolumeFusionGrid::Draw(), the
   * order of the sources, that of the targets, and the classes of the first pairs of them.
   * Throws Error as VolumeFusionOptions::Check(). */
  static ShuffledVolumeFusionGrid Draw(PythonRandom & random, const VolumeFusionOptions & options, const Shape & image);

  /** Mix two images, which may be the same: class k has k / (classes - 1) of the foreground.
   * \param fused, labels as many pixels as the images; do not overlap them. */
  void Apply(const float * foreground,
             const float * background,
             const Shape & image,
             std::int64_t classes,
             float * fused,
             std::int32_t * labels) const;
};

/** \class VolumeFusionCropOptions
 * \brief How two patches are cut from a volume for Volume Fusion; the defaults are those of
 * PyMIC's Crop4VolumeFusion.
 * \ingroup UniverSegPreprocessing */
struct UniverSegPreprocessing_EXPORT VolumeFusionCropOptions
{
  Shape size;                                   ///< of the patches
  std::vector<double> lowerScale{ .7, .7, .7 }; ///< least extent of a crop, in that of a patch
  std::vector<double> upperScale{ 1.5, 1.5, 1.5 };
  bool spatial = true; ///< scale and flip

  /** Throws Error when a value is out of range or is not given for each axis. */
  void Check(const Shape & image) const;
};

/** \class VolumeFusionCrop
 * \brief A box of a volume and the axes along which its patch is flipped.
 * \ingroup UniverSegPreprocessing */
struct UniverSegPreprocessing_EXPORT VolumeFusionCrop
{
  Shape start;
  Shape size;
  std::vector<bool> flip;

  using Pair = std::array<VolumeFusionCrop, 2>;

  /** Draw the boxes of both patches and their flips, in the order of Crop4VolumeFusion.
   * Throws Error as VolumeFusionCropOptions::Check(). */
  static Pair Draw(PythonRandom & random, const VolumeFusionCropOptions & options, const Shape & image);

  /** Interpolate planes of the patch linearly, the corners of the box on those of the
   * patch. Of three axes.
   * \param box its first pixel.
   * \param volume extents of what the box is a part of, the last axis fastest.
   * \param patch the pixels of the whole patch, of which planes [first, last) of the first
   * axis are written. */
  void Resize(const float * box,
              const Shape & volume,
              const Shape & patchSize,
              std::int64_t first,
              std::int64_t last,
              float * patch) const;
};

/** \class VolumeFusionTone
 * \brief Contrast stretching with gamma correction of one patch, and inversion.
 *
 * Intensities below the percentile `lower` go to [0, 0.1], those above `upper` to
 * [0.9, 1], the others between. Then y becomes y^gamma. A patch of one intensity becomes 0,
 * where PyMIC makes it not a number.
 * \ingroup UniverSegPreprocessing */
struct UniverSegPreprocessing_EXPORT VolumeFusionTone
{
  double minimum = 0;
  double lower = 0; ///< intensities
  double upper = 1;
  double maximum = 1;
  double gamma = 1;
  bool inverted = false;

  using Pair = std::array<VolumeFusionTone, 2>;

  /** Draw percentiles, gammas and the inversion of two patches of so many pixels, in the
   * order of Crop4VolumeFusion.
   * Throws Error as Percentiles().
   * \param threads 0: ITK's global default. */
  static Pair Draw(
    PythonRandom & random, const float * first, const float * second, std::size_t count, unsigned int threads = 1);

  /** Change pixels in place, in single precision, to 5e-7. What is beyond `minimum` or `maximum`
   * counts as these. Throws Error unless gamma is above 0. */
  void Apply(float * pixels, std::size_t count) const;
};

/** Percentiles with linear interpolation between the sorted values, as numpy.percentile.
 * Throws Error when there are no values, one is not finite, or a percentage is outside
 * [0, 100].
 * \param threads 0: ITK's global default.
 * \ingroup UniverSegPreprocessing */
UniverSegPreprocessing_EXPORT std::vector<double> Percentiles(const float * values,
                                                              std::size_t count,
                                                              const std::vector<double> & percent,
                                                              unsigned int threads = 1);
} // namespace nn
} // namespace itk

#endif
