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
#ifndef itkOverlapReport_h
#define itkOverlapReport_h

#include "UniverSegEvaluationExport.h"

#include <cstdint>
#include <iosfwd>
#include <limits>
#include <string>
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

/** \class OverlapReport
 * \brief Overlaps of several pairs of images, written as a table for people,
 * as CSV or as JSON.
 *
 * Numbers have the form of the C locale whatever the stream's locale is. NaN is
 * "nan" in the table, an empty field in CSV and null in JSON.
 * \ingroup UniverSegEvaluation
 */
class UniverSegEvaluation_EXPORT OverlapReport
{
public:
  /** \brief The overlaps of one pair of images, with the names of both. */
  struct Case
  {
    std::string prediction;
    std::string reference;
    std::vector<LabelOverlap> overlaps;
  };

  void Add(Case oneCase);

  const std::vector<Case> & GetCases() const
  {
    return m_Cases;
  }

  /** Overlaps of all cases, in order. */
  std::vector<LabelOverlap> GetOverlaps() const;

  /** Aligned columns and, for more than one row, a line of means. */
  void WriteTable(std::ostream & os) const;

  /** Header "prediction,reference,label,dice,jaccard,prediction_voxels,
   * reference_voxels,intersection_voxels,prediction_volume,reference_volume";
   * fields quoted as in RFC 4180 where they need it. */
  void WriteCsv(std::ostream & os) const;

  /** {"cases": [{"prediction", "reference", "labels": [{"label", "dice", ...}]}],
   * "mean_dice", "mean_jaccard"}. */
  void WriteJson(std::ostream & os) const;

private:
  std::vector<Case> m_Cases;
};
} // namespace itk

#endif
