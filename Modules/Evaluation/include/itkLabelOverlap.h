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
#ifndef itkLabelOverlap_h
#define itkLabelOverlap_h

#include "UniverSegEvaluationExport.h"

#include <cstdint>
#include <limits>
#include <vector>

namespace itk
{
/** \class LabelOverlap
 * \brief Overlap of one label in two label images.
 * \ingroup UniverSegEvaluation
 */
struct UniverSegEvaluation_EXPORT LabelOverlap
{
  std::int64_t label = 0;
  std::uint64_t predictionCount = 0; ///< pixels
  std::uint64_t referenceCount = 0;
  std::uint64_t intersectionCount = 0;
  double predictionVolume = 0; ///< unit of the spacing to the power of the dimension
  double referenceVolume = 0;
  double dice = std::numeric_limits<double>::quiet_NaN();
  double jaccard = std::numeric_limits<double>::quiet_NaN();
};

/** Mean over the overlaps whose score is not NaN; NaN when there is none.
 * \ingroup UniverSegEvaluation */
UniverSegEvaluation_EXPORT double MeanDice(const std::vector<LabelOverlap> & overlaps);
UniverSegEvaluation_EXPORT double MeanJaccard(const std::vector<LabelOverlap> & overlaps);
} // namespace itk

#endif
