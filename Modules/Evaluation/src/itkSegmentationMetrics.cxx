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
#include "itkSegmentationMetrics.h"

#include "itkNNError.h"
#include "itkOverlapScores.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

namespace itk
{
namespace
{
struct NamedMetric
{
  SegmentationMetric metric;
  const char * name;
};

constexpr NamedMetric metricNames[] = { { SegmentationMetric::Dice, "dice" },
                                        { SegmentationMetric::Jaccard, "iou" },
                                        { SegmentationMetric::AverageSymmetricSurfaceDistance, "assd" },
                                        { SegmentationMetric::HausdorffDistance95, "hd95" },
                                        { SegmentationMetric::HausdorffDistance, "hausdorff" },
                                        { SegmentationMetric::NormalizedSurfaceDice, "nsd" },
                                        { SegmentationMetric::RelativeVolumeError, "rve" },
                                        { SegmentationMetric::Volume, "volume" },
                                        { SegmentationMetric::VolumeSimilarity, "volume_similarity" } };

constexpr double pymicSmooth = 1e-5;
constexpr double notDefined = std::numeric_limits<double>::quiet_NaN();

double
SumOf(const std::vector<double> & values)
{
  return std::accumulate(values.begin(), values.end(), 0.0);
}

double
AverageDistance(const SurfaceDistances & distances)
{
  return (SumOf(distances.fromPrediction) + SumOf(distances.fromReference)) /
         static_cast<double>(distances.fromPrediction.size() + distances.fromReference.size());
}

double
Entry95(const std::vector<double> & ascending)
{
  return ascending[static_cast<std::size_t>(0.95 * static_cast<double>(ascending.size()))];
}

double
SurfaceDice(const SurfaceDistances & distances, double tolerance)
{
  const double limit = tolerance * (1 + 1e-6);
  const auto within = [limit](const std::vector<double> & ascending)
  { return std::upper_bound(ascending.begin(), ascending.end(), limit) - ascending.begin(); };
  return static_cast<double>(within(distances.fromPrediction) + within(distances.fromReference)) /
         static_cast<double>(distances.fromPrediction.size() + distances.fromReference.size());
}

/** A distance, the value for one empty mask, and PyMICHead's greatest value. */
template <typename TDistance>
double
DistanceOr(
  const LabelComparison & comparison, MetricConvention convention, double pymic, double head, TDistance distance)
{
  const SurfaceDistances & distances = comparison.distances;
  if (distances.fromPrediction.empty() && distances.fromReference.empty())
  {
    return 0;
  }
  if (distances.fromPrediction.empty() || distances.fromReference.empty())
  {
    return convention == MetricConvention::Plain ? notDefined : convention == MetricConvention::PyMIC ? pymic : head;
  }
  const double value = distance(distances);
  return convention == MetricConvention::PyMICHead ? std::min(value, head) : value;
}
} // namespace

std::string
JoinLabels(const std::vector<std::int64_t> & labels)
{
  std::string text;
  for (const std::int64_t label : labels)
  {
    text += (text.empty() ? "" : "+") + std::to_string(label);
  }
  return text;
}

void
SegmentationMetricOptions::Check() const
{
  itkNNRequireMacro(tolerance >= 0 && std::isfinite(tolerance),
                    "The tolerance of the surface Dice is " << tolerance << "; should be a distance in mm, 0 or more");
}

std::string
GetSegmentationMetricName(SegmentationMetric metric)
{
  const auto * const found = std::find_if(std::begin(metricNames),
                                          std::end(metricNames),
                                          [metric](const NamedMetric & named) { return named.metric == metric; });
  itkNNRequireMacro(found != std::end(metricNames), "Metric " << static_cast<int>(metric) << " is not known");
  return found->name;
}

SegmentationMetric
ParseSegmentationMetric(const std::string & name)
{
  if (name == "jaccard")
  {
    return SegmentationMetric::Jaccard;
  }
  std::string wanted = name;
  std::replace(wanted.begin(), wanted.end(), '-', '_');
  std::string known;
  for (const NamedMetric & named : metricNames)
  {
    if (wanted == named.name)
    {
      return named.metric;
    }
    known += (known.empty() ? "" : ", ") + std::string(named.name);
  }
  itkNNThrowMacro("The metric '" << name << "' is not known; should be one of " << known);
}

bool
NeedsDistances(SegmentationMetric metric)
{
  switch (metric)
  {
    case SegmentationMetric::AverageSymmetricSurfaceDistance:
    case SegmentationMetric::HausdorffDistance95:
    case SegmentationMetric::HausdorffDistance:
    case SegmentationMetric::NormalizedSurfaceDice:
      return true;
    default:
      return false;
  }
}

double
ComputeSegmentationMetric(SegmentationMetric metric,
                          const LabelComparison & comparison,
                          const SegmentationMetricOptions & options)
{
  options.Check();
  itkNNRequireMacro(comparison.hasDistances || !NeedsDistances(metric),
                    "The metric " << GetSegmentationMetricName(metric) << " needs distances, which were not computed");
  const bool isPlain = options.convention == MetricConvention::Plain;
  const auto s = static_cast<double>(comparison.predictionCount);
  const auto g = static_cast<double>(comparison.referenceCount);
  const auto both = static_cast<double>(comparison.intersectionCount);
  const bool isEmpty = s + g == 0;
  switch (metric)
  {
    case SegmentationMetric::Dice:
      return isPlain ? DiceCoefficient(comparison.intersectionCount,
                                       comparison.predictionCount,
                                       comparison.referenceCount,
                                       options.emptyValue)
                     : (2 * both + pymicSmooth) / (s + g + pymicSmooth);
    case SegmentationMetric::Jaccard:
      return isPlain ? JaccardCoefficient(comparison.intersectionCount,
                                          comparison.predictionCount,
                                          comparison.referenceCount,
                                          options.emptyValue)
                     : (both + pymicSmooth) /
                         static_cast<double>(static_cast<float>(s + g - both) + static_cast<float>(pymicSmooth));
    case SegmentationMetric::AverageSymmetricSurfaceDistance:
      return DistanceOr(comparison, options.convention, 20, 20, AverageDistance);
    case SegmentationMetric::HausdorffDistance95:
      return DistanceOr(comparison,
                        options.convention,
                        100,
                        50,
                        [](const SurfaceDistances & distances)
                        { return std::max(Entry95(distances.fromPrediction), Entry95(distances.fromReference)); });
    case SegmentationMetric::HausdorffDistance:
      return DistanceOr(comparison,
                        MetricConvention::Plain,
                        notDefined,
                        notDefined,
                        [](const SurfaceDistances & distances)
                        { return std::max(distances.fromPrediction.back(), distances.fromReference.back()); });
    case SegmentationMetric::NormalizedSurfaceDice:
      return isEmpty ? options.emptyValue : SurfaceDice(comparison.distances, options.tolerance);
    case SegmentationMetric::RelativeVolumeError:
      itkNNRequireMacro(isPlain || g > 0,
                        "The relative volume error of label " << JoinLabels(comparison.labels)
                                                              << ", which the reference does not have, is not defined "
                                                                 "and an error in PyMIC");
      return g > 0 ? std::abs(s - g) / g : notDefined;
    case SegmentationMetric::Volume:
      return g * comparison.pixelVolume;
    case SegmentationMetric::VolumeSimilarity:
      return isEmpty ? options.emptyValue : 1 - std::abs(s - g) / (s + g);
  }
  itkNNThrowMacro("Metric " << static_cast<int>(metric) << " is not known");
}
} // namespace itk
