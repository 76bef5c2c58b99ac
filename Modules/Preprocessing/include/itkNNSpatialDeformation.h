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
#ifndef itkNNSpatialDeformation_h
#define itkNNSpatialDeformation_h

#include "UniverSegPreprocessingExport.h"
#include "itkNNExecutionPlan.h"

#include <string>
#include <variant>
#include <vector>

namespace itk
{
namespace nn
{
/** \class SpatialDeformation
 * \brief Operations on the coordinates at which an image is sampled, one after the other,
 * as of the library cuda_spatial_deform.
 *
 * A voxel i of the result begins with the coordinate v_d = i_d - n_d / 2.0 along each axis d
 * of n_d elements, the operations change v, and the result is the image's value at
 * v_d + n_d / 2.0. So operations go from the result to the image: a scale of 2 shows it at
 * half its size. Vectors have one entry an axis, the slowest axis first. Lengths are in
 * voxels, angles in radians.
 *
 * The operations are those that the library means. Of what it does differently: its
 * flips of volumes other than cubes, its smoothing in place, and the mirrored borders of its
 * smoothing, there is no option.
 * \ingroup UniverSegPreprocessing */
struct UniverSegPreprocessing_EXPORT SpatialDeformation
{
  /** v *= factor, which is above 0. */
  struct Scale
  {
    double factor = 1;
  };

  /** Component d of the coordinates is reversed along axis d, for each axis named. This
   * mirrors the image when nothing but scales came before. */
  struct Flip
  {
    std::vector<int> axes;
  };

  /** v += offset */
  struct Translate
  {
    std::vector<double> offset;
  };

  /** Two axes, one angle a: (y, x) becomes (cos a y + sin a x, -sin a y + cos a x). Three
   * axes: the row (z, y, x) times the product of the rotations about z, y and x by angles
   * [0], [1] and [2], see RotationMatrix(). */
  struct Rotate
  {
    std::vector<double> angles;
  };

  /** v += alpha * field. The field is noise, 2 u - 1 with u uniform in [0, 1) of each
   * component and voxel, smoothed along each axis by a Gaussian that is cut off at
   * int(truncate * sigma + 0.5) voxels. u is an input of the graph. */
  struct Elastic
  {
    double sigma = 12;
    double alpha = 1;
    BoundaryMode boundary = BoundaryMode::Constant; ///< of the noise: Constant or Mirror
    double value = 0;                               ///< of Constant
    double truncate = 4;
  };

  using Operation = std::variant<Scale, Flip, Translate, Rotate, Elastic>;

  std::vector<Operation> operations;

  /** Throws Error when a parameter is out of range, or is not one for images of this size,
   * which has 1 to 3 axes. */
  void Check(const Shape & size) const;

  /** [D, D], the slowest axis first: a rotated coordinate is this times the coordinate as a
   * column. Throws Error unless there is one angle, for two axes, or three. */
  static std::vector<std::vector<double>> RotationMatrix(const std::vector<double> & angles);
};

/** What BuildSpatialDeformationGraph() samples at the coordinates. */
struct DeformedImage
{
  std::string name = "image"; ///< of the graph's input and output, [batch, channels, size...]
  std::int64_t channels = 1;
  std::int64_t batch = 1; ///< images that move together
  Sampling sampling = {}; ///< a label wants InterpolationMode::Nearest
};

/** Add the coordinates of a deformation to a graph: [1, D, size...], as a Sampling takes them.
 *
 * Inputs are added to the graph: "noise0", "noise1" and so on, [D, size...], for the elastic
 * operations, uniform in [0, 1); and those of MakeSpatialDeformationInputs(). The graph
 * depends on the kinds and the order of the operations, and on the axes of flips and the
 * smoothing of elastic operations; other numbers are inputs, so that one plan serves all of
 * them. Throws Error as SpatialDeformation::Check(), and when size has an extent below 1.
 * \ingroup UniverSegPreprocessing */
UniverSegPreprocessing_EXPORT ValueId AddSpatialDeformation(Graph & graph,
                                                            const SpatialDeformation & deformation,
                                                            const Shape & size);

/** A graph that deforms images of one size, all of them at the same coordinates. Of no image
 * its output is "coordinates", [1, D, size...]. Coordinates are computed in the precision of
 * the plan: float32 or float64, not 16 bits, and without tf32 where the field should have all
 * its bits. Throws Error as AddSpatialDeformation().
 * \ingroup UniverSegPreprocessing */
UniverSegPreprocessing_EXPORT Graph BuildSpatialDeformationGraph(const SpatialDeformation & deformation,
                                                                 const Shape & size,
                                                                 const std::vector<DeformedImage> & images);

/** The inputs of a deformation's graph that are not noise and not images: "transforms",
 * matrix and offset of each run of scales, translations and rotations, [runs, D, D + 1], and
 * "amplitudes", alpha of each elastic operation; those that the graph has. Throws Error as
 * AddSpatialDeformation().
 * \ingroup UniverSegPreprocessing */
UniverSegPreprocessing_EXPORT TensorMap MakeSpatialDeformationInputs(const SpatialDeformation & deformation,
                                                                     const Shape & size);
} // namespace nn
} // namespace itk

#endif
