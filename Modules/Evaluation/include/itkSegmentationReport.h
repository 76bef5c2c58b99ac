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
#ifndef itkSegmentationReport_h
#define itkSegmentationReport_h

#include "UniverSegEvaluationExport.h"
#include "itkSegmentationMetrics.h"

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <limits>
#include <string>
#include <vector>

namespace itk
{
/** \class ScoreStatistics
 * \brief Mean and population standard deviation of the values that are defined.
 * \ingroup UniverSegEvaluation
 */
struct UniverSegEvaluation_EXPORT ScoreStatistics
{
  double mean = std::numeric_limits<double>::quiet_NaN();
  double deviation = std::numeric_limits<double>::quiet_NaN();
  std::size_t count = 0; ///< values that are not NaN

  /** Of values, without those that are NaN; both are NaN when none is left. */
  static ScoreStatistics Of(const std::vector<double> & values);
};

/** \class SegmentationScores
 * \brief The scores of one structure in one pair of images.
 * \ingroup UniverSegEvaluation
 */
struct UniverSegEvaluation_EXPORT SegmentationScores
{
  std::vector<std::int64_t> labels; ///< the structure is their union
  std::uint64_t predictionCount = 0;
  std::uint64_t referenceCount = 0;
  std::uint64_t intersectionCount = 0;
  double predictionVolume = 0; ///< unit of the spacing to the power of the dimension
  double referenceVolume = 0;
  std::vector<double> values; ///< one for each metric of the report

  /** Compute the metrics of a comparison. Throws Error as ComputeSegmentationMetric() does. */
  static SegmentationScores Of(const LabelComparison & comparison,
                               const std::vector<SegmentationMetric> & metrics,
                               const SegmentationMetricOptions & options = {});

  /** "1", of a union "1+2". */
  std::string GetLabelText() const;
};

/** \class SegmentationReport
 * \brief Scores of the structures in several pairs of images, written as a table for people,
 * as CSV or as JSON.
 *
 * Numbers have the form of the C locale whatever the stream's locale is. NaN, a value that is
 * not defined, is "nan" in the table, an empty field in CSV and null in JSON. Means and
 * standard deviations leave it out.
 * \ingroup UniverSegEvaluation
 */
class UniverSegEvaluation_EXPORT SegmentationReport
{
public:
  /** \brief The scores of one pair of images, with the names of both. */
  struct Case
  {
    std::string prediction;
    std::string reference;
    std::vector<SegmentationScores> scores;
    std::string name{}; ///< in the tables of one metric; empty: that of the prediction
  };

  /** \brief The statistics of one structure over the cases that have it. */
  struct Summary
  {
    std::string label;                       ///< as GetLabelText(), or "average"
    std::vector<ScoreStatistics> statistics; ///< one for each metric
  };

  /** \param metrics names of the columns */
  explicit SegmentationReport(std::vector<std::string> metrics = { "dice", "jaccard" });

  /** Throws Error when the number of values is not that of the metrics. */
  void Add(Case oneCase);

  const std::vector<std::string> & GetMetrics() const
  {
    return m_Metrics;
  }
  const std::vector<Case> & GetCases() const
  {
    return m_Cases;
  }

  /** Mean over the structures of all cases. Throws Error when there is no such metric. */
  double GetMean(std::size_t metric) const;

  /** Structures in the order in which they first occur and, when there are several, the
   * "average", which is each case's mean over its structures. */
  std::vector<Summary> GetSummary() const;

  /** Aligned columns and, for more than one row, a line of means.
   * \param withCounts also pixels and volumes of both. */
  void WriteTable(std::ostream & os, bool withCounts = true) const;

  /** Aligned columns: mean, standard deviation and number of the defined values of each
   * structure. */
  void WriteSummaryTable(std::ostream & os) const;

  /** Header "prediction,reference,label,<metric>...,prediction_voxels,reference_voxels,
   * intersection_voxels,prediction_volume,reference_volume"; fields quoted as in RFC 4180
   * where they need it. */
  void WriteCsv(std::ostream & os) const;

  /** One metric as a table of PyMIC: header "image,class_<label>...", one row a case, then the
   * rows "mean" and "std"; with several structures the last column is "average". Throws Error
   * when there is no such metric. */
  void WriteMetricCsv(std::ostream & os, std::size_t metric) const;

  /** {"cases": [{"prediction", "reference", "labels": [{"label", "<metric>"...}]}],
   * "mean_<metric>"..., "summary": [{"label", "<metric>": {"mean", "std", "count"}...}]}. A label
   * is a number, a union of labels a text. */
  void WriteJson(std::ostream & os) const;

private:
  void CheckMetric(std::size_t metric) const;

  /** Labels of the structures, in the order in which they first occur. */
  std::vector<std::string> FindStructures() const;

  std::vector<std::string> m_Metrics;
  std::vector<Case> m_Cases;
};
} // namespace itk

#endif
