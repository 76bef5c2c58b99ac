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
#include "itkNNTestHelpers.h"
#include "itkSegmentationMetrics.h"

#include "gtest/gtest.h"

#include <cmath>
#include <vector>

namespace
{
using itk::LabelComparison;
using itk::MetricConvention;
using itk::SegmentationMetric;
using itk::SegmentationMetricOptions;

constexpr SegmentationMetric allMetrics[] = { SegmentationMetric::Dice,
                                              SegmentationMetric::Jaccard,
                                              SegmentationMetric::AverageSymmetricSurfaceDistance,
                                              SegmentationMetric::HausdorffDistance95,
                                              SegmentationMetric::HausdorffDistance,
                                              SegmentationMetric::NormalizedSurfaceDice,
                                              SegmentationMetric::RelativeVolumeError,
                                              SegmentationMetric::Volume,
                                              SegmentationMetric::VolumeSimilarity };

LabelComparison
MakeComparison(std::uint64_t prediction, std::uint64_t reference, std::uint64_t intersection)
{
  LabelComparison comparison;
  comparison.labels = { 1 };
  comparison.predictionCount = prediction;
  comparison.referenceCount = reference;
  comparison.intersectionCount = intersection;
  comparison.pixelVolume = 0.25;
  comparison.hasDistances = true;
  return comparison;
}

/** With as many boundary pixels as pixels. */
LabelComparison
MakeEmpty(std::uint64_t prediction, std::uint64_t reference)
{
  LabelComparison comparison = MakeComparison(prediction, reference, 0);
  comparison.distances.fromPrediction.assign(prediction, std::numeric_limits<double>::infinity());
  comparison.distances.fromReference.assign(reference, std::numeric_limits<double>::infinity());
  return comparison;
}

double
Compute(SegmentationMetric metric, const LabelComparison & comparison, MetricConvention convention = {})
{
  SegmentationMetricOptions options;
  options.convention = convention;
  return itk::ComputeSegmentationMetric(metric, comparison, options);
}

TEST(SegmentationMetrics, ValuesByHand)
{
  LabelComparison comparison = MakeComparison(6, 10, 4);
  comparison.distances.fromPrediction = { 0, 0, 1, 2 };
  comparison.distances.fromReference = { 0, 1, 1, 1, 3, 9 };
  EXPECT_DOUBLE_EQ(Compute(SegmentationMetric::Dice, comparison), 0.5);
  EXPECT_DOUBLE_EQ(Compute(SegmentationMetric::Jaccard, comparison), 4.0 / 12);
  EXPECT_DOUBLE_EQ(Compute(SegmentationMetric::AverageSymmetricSurfaceDistance, comparison), 1.8);
  EXPECT_EQ(Compute(SegmentationMetric::HausdorffDistance95, comparison), 9);
  EXPECT_EQ(Compute(SegmentationMetric::HausdorffDistance, comparison), 9);
  EXPECT_DOUBLE_EQ(Compute(SegmentationMetric::NormalizedSurfaceDice, comparison), 0.7);
  EXPECT_DOUBLE_EQ(Compute(SegmentationMetric::RelativeVolumeError, comparison), 0.4);
  EXPECT_DOUBLE_EQ(Compute(SegmentationMetric::Volume, comparison), 2.5);
  EXPECT_DOUBLE_EQ(Compute(SegmentationMetric::VolumeSimilarity, comparison), 0.75);
}

TEST(SegmentationMetrics, NinetyFivePercentIsAnEntryOfEachDirection)
{
  LabelComparison comparison = MakeComparison(40, 2, 1);
  for (int i = 0; i < 40; ++i)
  {
    comparison.distances.fromPrediction.push_back(i);
  }
  comparison.distances.fromReference = { 1, 2 };
  EXPECT_EQ(Compute(SegmentationMetric::HausdorffDistance95, comparison), 38);
  EXPECT_EQ(Compute(SegmentationMetric::HausdorffDistance, comparison), 39);
  std::swap(comparison.distances.fromPrediction, comparison.distances.fromReference);
  EXPECT_EQ(Compute(SegmentationMetric::HausdorffDistance95, comparison), 38);
  EXPECT_EQ(Compute(SegmentationMetric::HausdorffDistance, comparison), 39);
}

TEST(SegmentationMetrics, ToleranceOfTheSurfaceDice)
{
  LabelComparison comparison = MakeComparison(2, 2, 1);
  // A spacing of 1.2 as a file keeps it.
  comparison.distances.fromPrediction = { 0, 1.2000000476837158 };
  comparison.distances.fromReference = { 0.5, 1.2001 };
  SegmentationMetricOptions options;
  const auto dice = [&](double tolerance)
  {
    options.tolerance = tolerance;
    return itk::ComputeSegmentationMetric(SegmentationMetric::NormalizedSurfaceDice, comparison, options);
  };
  EXPECT_EQ(dice(0), 0.25);
  EXPECT_EQ(dice(0.5), 0.5);
  EXPECT_EQ(dice(1.1999), 0.5);
  EXPECT_EQ(dice(1.2), 0.75);
  EXPECT_EQ(dice(2), 1);
}

TEST(SegmentationMetrics, BothMasksEmpty)
{
  const LabelComparison none = MakeEmpty(0, 0);
  SegmentationMetricOptions options;
  for (const SegmentationMetric score : { SegmentationMetric::Dice,
                                          SegmentationMetric::Jaccard,
                                          SegmentationMetric::NormalizedSurfaceDice,
                                          SegmentationMetric::VolumeSimilarity })
  {
    options.emptyValue = 0.5;
    EXPECT_EQ(itk::ComputeSegmentationMetric(score, none, options), 0.5);
    EXPECT_TRUE(std::isnan(Compute(score, none)));
  }
  for (const MetricConvention convention :
       { MetricConvention::Plain, MetricConvention::PyMIC, MetricConvention::PyMICHead })
  {
    EXPECT_EQ(Compute(SegmentationMetric::AverageSymmetricSurfaceDistance, none, convention), 0);
    EXPECT_EQ(Compute(SegmentationMetric::HausdorffDistance95, none, convention), 0);
    EXPECT_EQ(Compute(SegmentationMetric::HausdorffDistance, none, convention), 0);
    EXPECT_EQ(Compute(SegmentationMetric::Volume, none, convention), 0);
  }
  EXPECT_TRUE(std::isnan(Compute(SegmentationMetric::RelativeVolumeError, none)));
  EXPECT_EQ(Compute(SegmentationMetric::Dice, none, MetricConvention::PyMIC), 1);
  EXPECT_DOUBLE_EQ(Compute(SegmentationMetric::Jaccard, none, MetricConvention::PyMIC), 1.0000000252621255);
}

TEST(SegmentationMetrics, OneMaskEmpty)
{
  for (const LabelComparison & one : { MakeEmpty(5, 0), MakeEmpty(0, 5) })
  {
    EXPECT_EQ(Compute(SegmentationMetric::Dice, one), 0);
    EXPECT_EQ(Compute(SegmentationMetric::Jaccard, one), 0);
    EXPECT_EQ(Compute(SegmentationMetric::NormalizedSurfaceDice, one), 0);
    EXPECT_EQ(Compute(SegmentationMetric::VolumeSimilarity, one), 0);
    EXPECT_TRUE(std::isnan(Compute(SegmentationMetric::AverageSymmetricSurfaceDistance, one)));
    EXPECT_TRUE(std::isnan(Compute(SegmentationMetric::HausdorffDistance95, one)));
    EXPECT_TRUE(std::isnan(Compute(SegmentationMetric::HausdorffDistance, one)));
    EXPECT_DOUBLE_EQ(Compute(SegmentationMetric::Dice, one, MetricConvention::PyMIC), 1e-5 / 5.00001);
    EXPECT_EQ(Compute(SegmentationMetric::AverageSymmetricSurfaceDistance, one, MetricConvention::PyMIC), 20);
    EXPECT_EQ(Compute(SegmentationMetric::HausdorffDistance95, one, MetricConvention::PyMIC), 100);
    EXPECT_EQ(Compute(SegmentationMetric::AverageSymmetricSurfaceDistance, one, MetricConvention::PyMICHead), 20);
    EXPECT_EQ(Compute(SegmentationMetric::HausdorffDistance95, one, MetricConvention::PyMICHead), 50);
    EXPECT_TRUE(std::isnan(Compute(SegmentationMetric::HausdorffDistance, one, MetricConvention::PyMICHead)));
  }
  EXPECT_EQ(Compute(SegmentationMetric::RelativeVolumeError, MakeEmpty(0, 5)), 1);
  EXPECT_TRUE(std::isnan(Compute(SegmentationMetric::RelativeVolumeError, MakeEmpty(5, 0))));
  for (const MetricConvention convention : { MetricConvention::PyMIC, MetricConvention::PyMICHead })
  {
    EXPECT_NN_ERROR(Compute(SegmentationMetric::RelativeVolumeError, MakeEmpty(5, 0), convention),
                    "volume error of label 1, which the reference does not have");
  }
}

TEST(SegmentationMetrics, TheDevelopmentVersionCapsDistances)
{
  LabelComparison far = MakeComparison(1, 1, 0);
  far.distances.fromPrediction = { 60 };
  far.distances.fromReference = { 60 };
  EXPECT_EQ(Compute(SegmentationMetric::AverageSymmetricSurfaceDistance, far, MetricConvention::PyMIC), 60);
  EXPECT_EQ(Compute(SegmentationMetric::HausdorffDistance95, far, MetricConvention::PyMIC), 60);
  EXPECT_EQ(Compute(SegmentationMetric::AverageSymmetricSurfaceDistance, far, MetricConvention::PyMICHead), 20);
  EXPECT_EQ(Compute(SegmentationMetric::HausdorffDistance95, far, MetricConvention::PyMICHead), 50);
  EXPECT_EQ(Compute(SegmentationMetric::HausdorffDistance, far, MetricConvention::PyMICHead), 60);
}

TEST(SegmentationMetrics, Names)
{
  for (const SegmentationMetric metric : allMetrics)
  {
    EXPECT_EQ(itk::ParseSegmentationMetric(itk::GetSegmentationMetricName(metric)), metric);
  }
  EXPECT_EQ(itk::ParseSegmentationMetric("jaccard"), SegmentationMetric::Jaccard);
  EXPECT_EQ(itk::ParseSegmentationMetric("volume-similarity"), SegmentationMetric::VolumeSimilarity);
  EXPECT_NN_ERROR(itk::ParseSegmentationMetric("dices"), "'dices' is not known; should be one of dice, iou, assd");
  EXPECT_NN_ERROR(itk::ParseSegmentationMetric(""), "'' is not known");
}

TEST(SegmentationMetrics, Errors)
{
  LabelComparison comparison = MakeComparison(1, 1, 1);
  comparison.hasDistances = false;
  int needing = 0;
  for (const SegmentationMetric metric : allMetrics)
  {
    if (itk::NeedsDistances(metric))
    {
      EXPECT_NN_ERROR(Compute(metric, comparison), "needs distances");
      ++needing;
    }
    else
    {
      EXPECT_FALSE(std::isnan(Compute(metric, comparison)));
    }
  }
  EXPECT_EQ(needing, 4);
  SegmentationMetricOptions options;
  for (const double tolerance : { -0.5, std::nan(""), HUGE_VAL })
  {
    options.tolerance = tolerance;
    EXPECT_NN_ERROR(options.Check(), "tolerance of the surface Dice");
    EXPECT_NN_ERROR(itk::ComputeSegmentationMetric(SegmentationMetric::Dice, comparison, options), "0 or more");
  }
}
} // namespace
