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
#ifndef itkU2NetPreprocessing_h
#define itkU2NetPreprocessing_h

#include "UniverSegPreprocessingExport.h"
#include "itkNNRawImages.h"

#include <cstdint>
#include <map>
#include <vector>

namespace itk
{
namespace nn
{
/** Where a preprocessed case lies in its images. \ingroup UniverSegPreprocessing */
struct UniverSegPreprocessing_EXPORT U2NetGrid
{
  ImageBase<3>::ConstPointer image; ///< size, spacing, origin and direction of the first modality
  ImageRegion<3> box;               ///< the part of it that was kept; indices from 0 on
  std::vector<double> spacing;      ///< of the preprocessed case: z, y, x in mm

  /** [D, H, W] of the whole image. */
  Shape GetOriginalSize() const;

  /** [D, H, W] of the preprocessed case: the integer part of the box's extent times the old
   * spacing by the new, both rounded to 3 decimals. Throws Error when one is 0. */
  Shape GetSize() const;

  /** The grid of the preprocessed case in space, where its voxels lie on the images. Its spacing
   * differs from `spacing` by what was rounded off that of the images. */
  Image<float, 3>::Pointer MakeGeometry() const;
};

/** \class U2NetPreparedCase
 * \brief A case as networks take it.
 * \ingroup UniverSegPreprocessing */
struct U2NetPreparedCase
{
  Tensor volumes; ///< [C, D, H, W], Float64
  Tensor labels;  ///< [D, H, W], Int32; undefined when there are none
  Tensor weight;  ///< [D, H, W], Float32: 1 where the first modality is above 0, else 0
  U2NetGrid grid;
};

/** \class U2NetPreprocessing
 * \brief Preprocessing of the 3D U2-Net (C. Huang et al., MICCAI 2019; huangmozhilv/u2net_torch).
 *
 * 1. The box of what is not 0 in the first modality, and a margin, is cut out of all images.
 * 2. It is resampled to a spacing by cubic B-splines, labels by the nearest neighbour, 0 outside.
 *    The first voxels of both grids lie on each other.
 * 3. Of each modality: values are raised to the lowest one and clipped to percentiles over all
 *    voxels; those above 0 get the mean 0 and the standard deviation 1, those that are 0 stay 0.
 * 4. Labels are fused, then those that are none of the classes become 0.
 * \ingroup UniverSegPreprocessing */
struct UniverSegPreprocessing_EXPORT U2NetPreprocessing
{
  std::vector<double> spacing{ 1, 1, 1 }; ///< z, y, x in mm; rounded to 3 decimals
  std::int64_t margin = 5;                ///< voxels of the image on each side of the box
  double lowestValue = -1024;             ///< what is below becomes this
  double lowerPercentile = 2;
  double upperPercentile = 98;
  std::int64_t classes = 2;                         ///< with the background
  std::map<std::int32_t, std::int32_t> fusedLabels; ///< label and the one that it becomes

  /** Labels that are none of the classes become 0 before any are fused, as in the reference
   * implementation: tumours of liver and pancreas, label 2 of 2 classes, are background then
   * instead of a part of the organ. */
  bool dropsLabelsBeforeFusing = false;

  /** Throws Error when a value is out of its range: three spacings from 0.001 on, margin from 0
   * on, 0 <= lower < upper percentile <= 100, 1 class or more, fused labels that become labels
   * of classes. */
  void Check() const;

  /** Throws Error as Check(); when there is no modality, images have other sizes, pixel types are
   * others than said, a voxel is no finite number, the first modality is 0 everywhere, a modality
   * has no voxel above 0 after clipping, or the box has no voxel of the spacing. */
  U2NetPreparedCase Apply(const RawCase & images) const;

  /** Labels on the grid of the images that they belong to, by the nearest neighbour, 0 outside of
   * the box. Throws Error when they are not Int32 of the grid's size.
   * \param labels [D, H, W]. */
  static Image<std::int32_t, 3>::Pointer Restore(const Tensor & labels, const U2NetGrid & grid);
};

/** Zeros around a volume that is smaller than a patch: ceil((patch - extent) / 2) on both sides of
 * an axis, so that an odd difference makes it larger than the patch by 1. Cut the result from
 * (its extent - the old one) / 2 on to have the volume again.
 *
 * Throws Error when the patch has not as many axes as a channel of the input or an extent below 1.
 * \param input [C, D, H, W] or [C, H, W]; of any element type.
 * \ingroup UniverSegPreprocessing */
UniverSegPreprocessing_EXPORT Tensor PadToPatch(const Tensor & input, const Shape & patch);
} // namespace nn
} // namespace itk

#endif
