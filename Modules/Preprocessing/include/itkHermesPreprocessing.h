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
#ifndef itkHermesPreprocessing_h
#define itkHermesPreprocessing_h

#include "UniverSegPreprocessingExport.h"
#include "itkNNRawImages.h"

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** Along which axes of space the axes of a prepared volume run.
 * \ingroup UniverSegPreprocessing */
enum class HermesOrientation
{
  Aligned, ///< axes are permuted and flipped to x, y, z of space (LPS), as nearly as the image's allow
  Stored,  ///< as in the file
  /** As the reference's "redirection": the image and the labels are turned about their middle by
   * the square of the inverse direction, through cubic B-splines and, for integers, a cut to the
   * lower grey value and label. Directions of flips alone leave voxels in place, yet change their
   * values, and six of ten labels. For comparisons. */
  Reference
};

/** How voxels get their new spacing. \ingroup UniverSegPreprocessing */
enum class HermesResampling
{
  TwoStep, ///< slices by cubic B-splines, then across slices by the nearest one
  OneStep, ///< by cubic B-splines in space
  InPlane  ///< slices by cubic B-splines; their distance stays
};

/** "aligned", "stored", "reference" and "two_step", "one_step", "in_plane", in the order of the values.
 * \ingroup UniverSegPreprocessing */
UniverSegPreprocessing_EXPORT const std::vector<std::string> & GetHermesOrientationNames();
UniverSegPreprocessing_EXPORT const std::vector<std::string> & GetHermesResamplingNames();

/** Where a prepared case lies in space. \ingroup UniverSegPreprocessing */
struct HermesGrid
{
  ImageBase<3>::ConstPointer image;    ///< the grid of the image; the first index is 0
  ImageBase<3>::ConstPointer prepared; ///< that of the prepared case
  bool isCropped = false;              ///< there may be more of the image than was kept
};

/** \class HermesPreparedCase
 * \brief A case as Hermes takes it.
 * \ingroup UniverSegPreprocessing */
struct HermesPreparedCase
{
  Tensor volume; ///< [1, D, H, W], Float32
  Tensor labels; ///< [D, H, W], Int32; undefined when there are none
  HermesGrid grid;
};

/** \class HermesPreprocessing
 * \brief Preprocessing of Hermes (Y. Gao et al., CVPR 2024;
 * yhygao/universal-medical-image-segmentation).
 *
 * 1. The axes are put in order.
 * 2. The image is resampled, labels by the nearest neighbour. An axis of n voxels of s mm gets n s / spacing
 *    voxels, rounded half to even, one at least; the first voxels of both grids lie on each other.
 * 3. With a context, the box of the labels and so many voxels around it are cut out.
 * 4. Intensities are clipped to limits, or to percentiles over all voxels, and get the mean 0 and
 *    the standard deviation 1.
 *
 * The new grid may reach beyond the last voxels of the image. There the reference has zeros, in a
 * CT the value of water, in one to three slices of a thick-sliced image. Here it is the value of the nearest
 * voxel, unless `zerosOutside` asks for the reference's.
 * \ingroup UniverSegPreprocessing */
struct UniverSegPreprocessing_EXPORT HermesPreprocessing
{
  HermesOrientation orientation = HermesOrientation::Aligned;
  HermesResampling resampling = HermesResampling::TwoStep;
  std::vector<double> spacing{ 1.5, 1.5, 1.5 }; ///< z, y, x in mm; z is not used with InPlane
  bool zerosOutside = false;

  /** z, y, x: voxels of the new spacing around the box of the labels; empty: nothing is cut off. */
  std::vector<std::int64_t> context;
  /** A box with its context that has fewer voxels along an axis gets half of what is missing, rounded down, on
   * either side, as far as the image goes. */
  std::int64_t leastExtent = 0;
  bool requiresLabels = true; ///< to crop without a label is an error, else the volume stays whole

  std::optional<std::array<double, 2>> limits; ///< that intensities are clipped to
  double lowerPercentile = 2;                  ///< without limits
  double upperPercentile = 98;

  std::map<std::int32_t, std::int32_t> newLabels; ///< label and the one that it becomes

  /** Throws Error when a value is out of its range: three spacings from 0.001 on, no context or
   * three of 0 or more, leastExtent from 0 on, finite limits, the lower one below the upper,
   * 0 <= lower < upper percentile <= 100. */
  void Check() const;

  /** Throws Error as Check(); when there is not one modality, the labels have another size, pixel
   * types are others than said, a voxel is no finite number, all voxels are the same after
   * clipping, or labels are needed for the box and there are none.
   * \param tissues in the place of labels: images of the same grid, which are interpolated
   * linearly; a voxel gets the number, from 1, of the one that is greatest there, 0 where all are 0. */
  HermesPreparedCase Apply(const RawCase & images, const std::vector<RawImage> & tissues = {}) const;

  /** Labels on the grid of the image that they belong to, by the nearest neighbour; 0 outside of
   * a box that was cut out. Throws Error when they are not Int32 of the grid's size.
   * \param labels [D, H, W]. */
  static Image<std::int32_t, 3>::Pointer Restore(const Tensor & labels, const HermesGrid & grid);

  /** Probabilities alike, interpolated linearly.
   * \param probabilities [D, H, W], Float32. */
  static Image<float, 3>::Pointer RestoreProbabilities(const Tensor & probabilities, const HermesGrid & grid);
};
} // namespace nn
} // namespace itk

#endif
