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
#ifndef itkU2NetPatch_h
#define itkU2NetPatch_h

#include "UniverSegPreprocessingExport.h"
#include "itkNNSample.h"

#include <optional>

namespace itk
{
namespace nn
{
/** \class U2NetPatch
 * \brief A patch of a volume as the 3D U2-Net is trained with: where it lies and how it is deformed.
 *
 * A voxel i of a deformed patch begins with the coordinate v_d = i_d - (n_d - 1) / 2 along each axis d
 * of n_d voxels; v is displaced, rotated and scaled, in this order as far as they are there, and the
 * patch is the volume at v + centre. A patch that is neither displaced nor rotated nor scaled begins
 * at the voxel centre_d - n_d / 2, rounded down, so that even patches lie half a voxel from there.
 *
 * The transform of the same name draws its parts, see Documentation/preprocessing.md.
 * \ingroup UniverSegPreprocessing */
struct UniverSegPreprocessing_EXPORT U2NetPatch
{
  /** v += alpha * noise, smoothed by a Gaussian along each axis. It is cut off at int(4 sigma + 0.5)
   * voxels, and there are zeros around the patch. */
  struct Elastic
  {
    double sigma = 12; ///< in voxels, the same for all axes
    double alpha = 375;
    Tensor noise; ///< [3, D, H, W] of the patch's size, Float64; from -1 to 1
  };

  Shape size;                     ///< [D, H, W]
  Shape centre;                   ///< voxel of the volume
  std::optional<Elastic> elastic; ///< none, as the next ones: is not done
  std::optional<double> angle;    ///< (y, x) becomes (cos a y + sin a x, -sin a y + cos a x); radians
  std::optional<double> scale;    ///< v *= scale, above 0; below 1 shows the volume larger
  bool isMirrored = false;        ///< along W, behind all others

  /** Throws Error when size or centre have not three entries or an extent is below 1, sigma is not
   * within (0, 1000], another number is not finite, scale is not above 0, or the noise is another one. */
  void Check() const;

  /** Whether the coordinates differ from those of the voxels. */
  bool IsDeformed() const;

  /** Coordinates of a deformed patch in the volume, mirrored or not: [3, D, H, W], Float64.
   * Throws Error as Check(). */
  Tensor GetCoordinates() const;

  /** Take it of a volume: images by SampleCubic(), all else by SampleNearest(), or as it is where the
   * patch is not deformed; 0 outside of the volume. Throws Error as Check(), and when the sample is no
   * proper one of a volume. */
  Sample Take(const Sample & volume) const;
};
} // namespace nn
} // namespace itk

#endif
