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
#ifndef itkHermesAugmentation_h
#define itkHermesAugmentation_h

#include "UniverSegPreprocessingExport.h"
#include "itkNNSample.h"

#include <array>

namespace itk
{
namespace nn
{
/** \class HermesAffine
 * \brief The affine deformation of Hermes' training, with what is drawn there given.
 *
 * Coordinates go from -1 at the first voxel to 1 at the last of each axis, in the order x, y, z.
 * A voxel of the result is at M (x, y, z, 1) of the sample, M = Rx Ry Rz S of three rows and four
 * columns, S with the scales on its diagonal, the shears beside it and the translation behind.
 * \ingroup UniverSegPreprocessing */
struct UniverSegPreprocessing_EXPORT HermesAffine
{
  std::array<double, 3> scale{ { 1, 1, 1 } };
  std::array<double, 6> shear{}; ///< xy, xz, yx, yz, zx, zy
  std::array<double, 3> translation{};
  std::array<double, 3> angle{}; ///< about x, y and z, in degrees

  /** M, row after row. */
  std::array<double, 12> GetMatrix() const;

  /** A box of the deformed sample: the image interpolated linearly, label and pixel weight by the
   * nearest voxel, 0 outside. Throws Error when the sample is none of a volume, has label
   * probabilities, or a box is not within it.
   * \param start, size of the box, [z, y, x]. */
  Sample Apply(const Sample & sample, const Shape & start, const Shape & size) const;
};

/** Intensities between their extremes to a power, then of the mean and the (unbiased) deviation
 * that they had. A channel of one value stays as it is, as do those of HermesContrast().
 * These throw Error when the image is not Float32 of [C, ...], and for numbers that are not above 0.
 * \ingroup UniverSegPreprocessing */
UniverSegPreprocessing_EXPORT Tensor HermesGamma(const Tensor & image, double gamma);

/** Differences from the mean times a factor, within the extremes that they had.
 * \ingroup UniverSegPreprocessing */
UniverSegPreprocessing_EXPORT Tensor HermesContrast(const Tensor & image, double factor);

/** A Gaussian that ends at ceil(3 sigma) voxels, its sum 1; zeros around the image.
 * \ingroup UniverSegPreprocessing */
UniverSegPreprocessing_EXPORT Tensor HermesBlur(const Tensor & image, double sigma);
} // namespace nn
} // namespace itk

#endif
