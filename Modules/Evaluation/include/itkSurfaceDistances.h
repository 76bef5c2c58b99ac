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
#ifndef itkSurfaceDistances_h
#define itkSurfaceDistances_h

#include "UniverSegEvaluationExport.h"
#include "itkImage.h"

#include <vector>

namespace itk
{
/** \class SurfaceDistances
 * \brief Distances between the boundaries of two masks, in the unit of the spacing
 * (mm), ascending.
 *
 * A pixel of a mask is on its boundary when one of its face neighbours (4 in 2-D, 6 in
 * 3-D) is not in the mask. Whatever is outside the image is not in the mask: pixels of
 * the mask on the image's border are on its boundary.
 * \ingroup UniverSegEvaluation
 */
struct UniverSegEvaluation_EXPORT SurfaceDistances
{
  /** Of each boundary pixel of the prediction to the nearest boundary pixel of the
   * reference; infinity where the reference is empty. */
  std::vector<double> fromPrediction;
  /** The same from the reference to the prediction. */
  std::vector<double> fromReference;
};

/** Exact Euclidean distances between pixel centres, from itk::SignedMaurerDistanceMapImageFilter
 * in double precision on the bounding box of both masks.
 *
 * Pixels other than 0 are in the mask. The spacing is that of the prediction. An axis along
 * which the images have one pixel only is not an axis: a volume of one slice is a 2-D image.
 * Throws Error when the sizes differ.
 * \ingroup UniverSegEvaluation */
UniverSegEvaluation_EXPORT SurfaceDistances ComputeSurfaceDistances(const Image<unsigned char, 2> & prediction,
                                                                    const Image<unsigned char, 2> & reference);
UniverSegEvaluation_EXPORT SurfaceDistances ComputeSurfaceDistances(const Image<unsigned char, 3> & prediction,
                                                                    const Image<unsigned char, 3> & reference);
} // namespace itk

#endif
