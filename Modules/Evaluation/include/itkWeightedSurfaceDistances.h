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
#ifndef itkWeightedSurfaceDistances_h
#define itkWeightedSurfaceDistances_h

#include "UniverSegEvaluationExport.h"
#include "itkImage.h"

#include <vector>

namespace itk
{
/** \class WeightedSurfaceDistances
 * \brief Distances between the surfaces of two masks, each with the area that it stands for.
 *
 * The surface lies between voxels: a piece of it is in each cube of eight voxels' centres that are
 * not all inside or all outside of the mask, outside being also what is beyond the image. Its area is
 * that of the triangles of marching cubes, through the middles of the edges that it cuts; distances
 * are those between the centres of such cubes.
 *
 * This is what S. Nikolov et al., arXiv 1809.04430, measure, and after them the reference
 * implementation of Hermes; SurfaceDistances are distances between voxels. A cube with more corners inside than
 * outside has the triangles of its opposite. Where both meet across the diagonals of a face, the
 * corners inside are divided. Five corners of a polygon are a fan from the one beside that end of the L of
 * three corners inside from which the other end and the way out are right-handed; six are a triangle of each
 * second one and three beside it.
 * \ingroup UniverSegEvaluation
 */
struct UniverSegEvaluation_EXPORT WeightedSurfaceDistances
{
  /** \brief What of a surface is in one cube. */
  struct Piece
  {
    double distance = 0; ///< mm
    double area = 0;     ///< mm^2
  };
  /** In the order of the distances; the distance is infinity where the other mask is empty. */
  std::vector<Piece> fromPrediction;
  std::vector<Piece> fromReference;

  /** Mean of both means of distances, weighted by the areas; NaN when one of the masks is empty. */
  double GetAverage() const;

  /** The greater of both distances below which there is a share of the area; NaN when one of the
   * masks is empty. Throws Error when the share is not within [0, 1].
   * \param share 0.95 for the 95th percentile. */
  double GetHausdorff(double share) const;
};

/** Voxels other than 0 are in the mask. The spacing is that of the prediction. Throws Error when
 * the sizes differ.
 * \ingroup UniverSegEvaluation */
UniverSegEvaluation_EXPORT WeightedSurfaceDistances
ComputeWeightedSurfaceDistances(const Image<unsigned char, 3> & prediction, const Image<unsigned char, 3> & reference);
} // namespace itk

#endif
