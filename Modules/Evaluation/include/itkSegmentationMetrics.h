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
#ifndef itkSegmentationMetrics_h
#define itkSegmentationMetrics_h

#include "UniverSegEvaluationExport.h"
#include "itkSurfaceDistances.h"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace itk
{
/** \class LabelComparison
 * \brief What the metrics of one label, or of the union of some, are computed from.
 * \ingroup UniverSegEvaluation
 */
struct UniverSegEvaluation_EXPORT LabelComparison
{
  std::vector<std::int64_t> labels;
  std::uint64_t predictionCount = 0; ///< pixels
  std::uint64_t referenceCount = 0;
  std::uint64_t intersectionCount = 0;
  double pixelVolume = 1; ///< product of the prediction's spacings
  bool hasDistances = false;
  SurfaceDistances distances; ///< empty unless hasDistances
};

/** "1", of several labels "1+2". \ingroup UniverSegEvaluation */
UniverSegEvaluation_EXPORT std::string JoinLabels(const std::vector<std::int64_t> & labels);

/** Measures of a segmentation s against a reference g. |s| counts pixels, E are the boundary
 * pixels as in SurfaceDistances, d(s) the distances from E(s) to E(g) and d(g) those back.
 *
 * | metric | definition | both empty | one empty |
 * |---|---|---|---|
 * | Dice | 2 \|s n g\| / (\|s\| + \|g\|) | empty value | 0 |
 * | Jaccard | \|s n g\| / \|s u g\| | empty value | 0 |
 * | AverageSymmetricSurfaceDistance | (sum d(s) + sum d(g)) / (\|E(s)\| + \|E(g)\|), in mm | 0 | NaN |
 * | HausdorffDistance95 | greater of q(d(s)) and q(d(g)), in mm | 0 | NaN |
 * | HausdorffDistance | greatest of d(s) and d(g), in mm | 0 | NaN |
 * | NormalizedSurfaceDice | part of the pixels of E(s) and E(g) whose distance is at most the tolerance | empty value | 0 |
 * | RelativeVolumeError | abs(\|s\| - \|g\|) / \|g\| | NaN | 1, or NaN when g is empty |
 * | Volume | \|g\| times the pixel's volume, in mm^3 (mm^2 in 2-D) | 0 | |
 * | VolumeSimilarity | 1 - abs(\|s\| - \|g\|) / (\|s\| + \|g\|) | empty value | 0 |
 *
 * q is the entry int(0.95 n) of the n distances in ascending order, counted from 0, as in PyMIC;
 * no interpolation. NormalizedSurfaceDice counts boundary pixels, as MONAI's SurfaceDiceMetric
 * does, and not pieces of surface between pixels; a distance above the tolerance by less than a
 * millionth of it is within, for files keep the spacing in single precision.
 *
 * Sources: A. A. Taha and A. Hanbury, "Metrics for evaluating 3D medical image segmentation",
 * BMC Medical Imaging 15:29, 2015; S. Nikolov et al., arXiv 1809.04430 (NormalizedSurfaceDice).
 * \ingroup UniverSegEvaluation */
enum class SegmentationMetric
{
  Dice,
  Jaccard,
  AverageSymmetricSurfaceDistance,
  HausdorffDistance95,
  HausdorffDistance,
  NormalizedSurfaceDice,
  RelativeVolumeError,
  Volume,
  VolumeSimilarity
};

/** Whose values the metrics take where definitions differ.
 *
 * PyMIC is `pymic_eval_seg` of PyMIC 0.5.0 (github.com/HiLab-git/PyMIC):
 * - Dice (2 |s n g| + 1e-5) / (|s| + |g| + 1e-5);
 * - Jaccard (|s n g| + 1e-5) / (|s u g| + 1e-5), the denominator in single precision;
 * - with one empty mask AverageSymmetricSurfaceDistance is 20 and HausdorffDistance95 is 100;
 * - RelativeVolumeError with an empty reference is an error.
 *
 * PyMICHead is its development version, commit 8bcebd6: as PyMIC, but
 * AverageSymmetricSurfaceDistance is at most 20 and HausdorffDistance95 at most 50, which is
 * also the value with one empty mask. The metrics that PyMIC has not are as in Plain.
 * \ingroup UniverSegEvaluation */
enum class MetricConvention
{
  Plain,
  PyMIC,
  PyMICHead
};

/** \class SegmentationMetricOptions
 * \brief How metrics are computed.
 * \ingroup UniverSegEvaluation
 */
struct UniverSegEvaluation_EXPORT SegmentationMetricOptions
{
  MetricConvention convention = MetricConvention::Plain;
  double tolerance = 1; ///< of NormalizedSurfaceDice, in mm
  /** Of Dice, Jaccard, NormalizedSurfaceDice and VolumeSimilarity when both masks are empty. */
  double emptyValue = std::numeric_limits<double>::quiet_NaN();

  /** Throws Error when the tolerance is negative or not finite. */
  void Check() const;
};

/** "dice", "iou", "assd", "hd95", "hausdorff", "nsd", "rve", "volume" or "volume_similarity".
 * \ingroup UniverSegEvaluation */
UniverSegEvaluation_EXPORT std::string GetSegmentationMetricName(SegmentationMetric metric);

/** The metric of a name as above, or "jaccard" or "volume-similarity". Throws Error that lists
 * the names when there is none.
 * \ingroup UniverSegEvaluation */
UniverSegEvaluation_EXPORT SegmentationMetric ParseSegmentationMetric(const std::string & name);

/** Whether a metric is computed from distances. \ingroup UniverSegEvaluation */
UniverSegEvaluation_EXPORT bool NeedsDistances(SegmentationMetric metric);

/** Throws Error when the options are out of range, when a metric needs distances and there are
 * none, and where the convention is PyMIC's and PyMIC fails.
 * \ingroup UniverSegEvaluation */
UniverSegEvaluation_EXPORT double ComputeSegmentationMetric(SegmentationMetric metric,
                                                            const LabelComparison & comparison,
                                                            const SegmentationMetricOptions & options = {});
} // namespace itk

#endif
