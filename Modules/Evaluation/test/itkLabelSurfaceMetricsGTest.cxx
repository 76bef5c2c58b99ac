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
#include "itkLabelSurfaceMetrics.h"

#include "itkImage.h"
#include "itkImageRegionIteratorWithIndex.h"
#include "itkNNSafeTensors.h"
#include "itkNNTestGoldens.h"
#include "itkNNTestHelpers.h"

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <sstream>
#include <vector>

namespace
{
using itk::LabelComparison;
using itk::MetricConvention;
using itk::SegmentationMetricOptions;
using Groups = std::vector<std::vector<std::int64_t>>;

template <unsigned int VDimension>
using Labels = itk::Image<short, VDimension>;

template <unsigned int VDimension>
typename Labels<VDimension>::Pointer
MakeLabels(const itk::Size<VDimension> & size,
           const itk::Vector<double, VDimension> & spacing,
           const itk::Index<VDimension> & start = {})
{
  auto image = Labels<VDimension>::New();
  image->SetRegions({ start, size });
  image->SetSpacing(spacing);
  image->Allocate(true);
  return image;
}

/** Points, in mm, of the pixels of a label that have a face neighbour of another value or
 * outside the image. */
template <unsigned int VDimension>
std::vector<itk::Vector<double, VDimension>>
FindBoundary(const Labels<VDimension> & image, short label)
{
  std::vector<itk::Vector<double, VDimension>> points;
  const auto region = image.GetLargestPossibleRegion();
  itk::ImageRegionConstIteratorWithIndex<Labels<VDimension>> i(&image, region);
  for (; !i.IsAtEnd(); ++i)
  {
    bool isBoundary = false;
    for (unsigned int axis = 0; axis < VDimension; ++axis)
    {
      for (const int step : { -1, 1 })
      {
        auto neighbour = i.GetIndex();
        neighbour[axis] += step;
        isBoundary = isBoundary || !region.IsInside(neighbour) || image.GetPixel(neighbour) != label;
      }
    }
    if (i.Get() == label && isBoundary)
    {
      itk::Vector<double, VDimension> point;
      for (unsigned int axis = 0; axis < VDimension; ++axis)
      {
        point[axis] = static_cast<double>(i.GetIndex()[axis] - region.GetIndex()[axis]) * image.GetSpacing()[axis];
      }
      points.push_back(point);
    }
  }
  return points;
}

template <typename TPoints>
std::vector<double>
NearestDistances(const TPoints & from, const TPoints & to)
{
  std::vector<double> distances;
  for (const auto & a : from)
  {
    double nearest = std::numeric_limits<double>::infinity();
    for (const auto & b : to)
    {
      nearest = std::min(nearest, (a - b).GetNorm());
    }
    distances.push_back(nearest);
  }
  std::sort(distances.begin(), distances.end());
  return distances;
}

void
ExpectNear(const std::vector<double> & values, const std::vector<double> & expected, const std::string & what)
{
  ASSERT_EQ(values.size(), expected.size()) << what;
  for (std::size_t i = 0; i < values.size(); ++i)
  {
    if (std::isinf(expected[i]))
    {
      ASSERT_EQ(values[i], expected[i]) << what;
    }
    else
    {
      ASSERT_NEAR(values[i], expected[i], 1e-12 * (1 + expected[i])) << what;
    }
  }
}

template <typename TImage>
LabelComparison
Compare(const TImage & prediction, const TImage & reference, const std::vector<std::int64_t> & labels)
{
  auto metrics = itk::LabelSurfaceMetrics<typename TImage::ObjectType>::New();
  metrics->SetPredictionImage(prediction);
  metrics->SetReferenceImage(reference);
  metrics->SetLabelGroups({ labels });
  metrics->Compute();
  return metrics->GetComparisons().at(0);
}

template <unsigned int VDimension>
void
ExpectBruteForce(const typename Labels<VDimension>::Pointer & prediction,
                 const typename Labels<VDimension>::Pointer & reference,
                 short label,
                 const std::string & what)
{
  const auto comparison = Compare(prediction, reference, { label });
  const auto a = FindBoundary<VDimension>(*prediction, label);
  const auto b = FindBoundary<VDimension>(*reference, label);
  ExpectNear(comparison.distances.fromPrediction, NearestDistances(a, b), what);
  ExpectNear(comparison.distances.fromReference, NearestDistances(b, a), what);

  std::uint64_t predictionCount = 0;
  std::uint64_t referenceCount = 0;
  std::uint64_t intersectionCount = 0;
  for (itk::SizeValueType i = 0; i < prediction->GetLargestPossibleRegion().GetNumberOfPixels(); ++i)
  {
    const bool inPrediction = prediction->GetBufferPointer()[i] == label;
    const bool inReference = reference->GetBufferPointer()[i] == label;
    predictionCount += inPrediction;
    referenceCount += inReference;
    intersectionCount += inPrediction && inReference;
  }
  EXPECT_EQ(comparison.predictionCount, predictionCount) << what;
  EXPECT_EQ(comparison.referenceCount, referenceCount) << what;
  EXPECT_EQ(comparison.intersectionCount, intersectionCount) << what;
}

/** Random noise of a density, or a ball at a random place which may leave the image. */
template <unsigned int VDimension>
void
Fill(Labels<VDimension> & image, std::mt19937 & engine, int kind)
{
  const auto size = image.GetLargestPossibleRegion().GetSize();
  const auto start = image.GetLargestPossibleRegion().GetIndex();
  itk::Vector<double, VDimension> centre;
  for (unsigned int axis = 0; axis < VDimension; ++axis)
  {
    centre[axis] = static_cast<double>(engine() % size[axis]);
  }
  const double radius = 1 + static_cast<double>(engine() % 5);
  itk::ImageRegionIteratorWithIndex<Labels<VDimension>> i(&image, image.GetLargestPossibleRegion());
  for (; !i.IsAtEnd(); ++i)
  {
    double squares = 0;
    for (unsigned int axis = 0; axis < VDimension; ++axis)
    {
      const double distance = static_cast<double>(i.GetIndex()[axis] - start[axis]) - centre[axis];
      squares += distance * distance;
    }
    const unsigned int percent = engine() % 100;
    const bool inside = kind == 0 ? squares <= radius * radius : kind == 1 ? percent < 4 : percent < 85;
    i.Set(inside ? 3 : static_cast<short>(engine() % 2));
  }
}

template <unsigned int VDimension>
void
TestBruteForce(const std::vector<itk::Size<VDimension>> & sizes, const itk::Vector<double, VDimension> & spacing)
{
  std::mt19937 engine(11);
  for (const auto & size : sizes)
  {
    for (int kind = 0; kind < 3; ++kind)
    {
      for (int repeat = 0; repeat < 4; ++repeat)
      {
        itk::Index<VDimension> start;
        start.Fill(repeat * 5 - 7);
        const auto prediction = MakeLabels<VDimension>(size, spacing, start);
        const auto reference = MakeLabels<VDimension>(size, spacing, start);
        Fill<VDimension>(*prediction, engine, kind);
        Fill<VDimension>(*reference, engine, repeat % 3);
        std::ostringstream what;
        what << "size " << size << " kind " << kind << " repeat " << repeat;
        ExpectBruteForce<VDimension>(prediction, reference, 3, what.str());
      }
    }
  }
}

TEST(LabelSurfaceMetrics, DistancesOfBruteForceInTwoDimensions)
{
  const double spacing[] = { 0.7, 2.3 };
  TestBruteForce<2>({ { { 24, 17 } }, { { 5, 31 } }, { { 2, 2 } } }, itk::Vector<double, 2>(spacing));
}

TEST(LabelSurfaceMetrics, DistancesOfBruteForceInThreeDimensions)
{
  const double spacing[] = { 0.7, 1.1, 3.5 };
  TestBruteForce<3>({ { { 12, 9, 7 } }, { { 3, 4, 19 } }, { { 2, 2, 2 } } }, itk::Vector<double, 3>(spacing));
}

TEST(LabelSurfaceMetrics, WholeImageHasItsBorderAsBoundary)
{
  const itk::Size<3> size{ { 5, 6, 7 } };
  const auto prediction = MakeLabels<3>(size, itk::Vector<double, 3>(1.0));
  const auto reference = MakeLabels<3>(size, itk::Vector<double, 3>(1.0));
  prediction->FillBuffer(3);
  reference->SetPixel({ { 2, 2, 3 } }, 3);
  ExpectBruteForce<3>(prediction, reference, 3, "whole image");
  EXPECT_EQ(Compare(prediction, reference, { 3 }).distances.fromPrediction.size(), 5U * 6 * 7 - 3U * 4 * 5);
}

TEST(LabelSurfaceMetrics, ResultsDoNotDependOnTheMarginsOfTheImage)
{
  std::mt19937 engine(3);
  const double spacing[] = { 0.5, 1.5, 2.5 };
  const auto small = MakeLabels<3>({ { 8, 9, 10 } }, itk::Vector<double, 3>(spacing));
  const auto other = MakeLabels<3>({ { 8, 9, 10 } }, itk::Vector<double, 3>(spacing));
  Fill<3>(*small, engine, 0);
  Fill<3>(*other, engine, 2);
  const auto large = MakeLabels<3>({ { 40, 37, 30 } }, itk::Vector<double, 3>(spacing));
  const auto largeOther = MakeLabels<3>({ { 40, 37, 30 } }, itk::Vector<double, 3>(spacing));
  itk::ImageRegionConstIteratorWithIndex<Labels<3>> i(small, small->GetLargestPossibleRegion());
  for (; !i.IsAtEnd(); ++i)
  {
    const itk::Offset<3> shift{ { 20, 11, 7 } };
    large->SetPixel(i.GetIndex() + shift, i.Get());
    largeOther->SetPixel(i.GetIndex() + shift, other->GetPixel(i.GetIndex()));
  }
  const auto expected = Compare(small, other, { 3 });
  const auto result = Compare(large, largeOther, { 3 });
  EXPECT_EQ(result.intersectionCount, expected.intersectionCount);
  EXPECT_EQ(result.distances.fromPrediction, expected.distances.fromPrediction);
  EXPECT_EQ(result.distances.fromReference, expected.distances.fromReference);
}

TEST(LabelSurfaceMetrics, OneSliceIsATwoDimensionalImage)
{
  std::mt19937 engine(5);
  const double spacing2[] = { 0.7, 2.3 };
  const auto flat = MakeLabels<2>({ { 14, 11 } }, itk::Vector<double, 2>(spacing2));
  const auto flatOther = MakeLabels<2>({ { 14, 11 } }, itk::Vector<double, 2>(spacing2));
  Fill<2>(*flat, engine, 2);
  Fill<2>(*flatOther, engine, 0);
  const auto expected = Compare(flat, flatOther, { 3 });
  for (unsigned int axis = 0; axis < 3; ++axis)
  {
    itk::Size<3> size;
    itk::Vector<double, 3> spacing;
    for (unsigned int i = 0, j = 0; i < 3; ++i)
    {
      size[i] = i == axis ? 1 : flat->GetLargestPossibleRegion().GetSize(j);
      spacing[i] = i == axis ? 5 : spacing2[j];
      j += i == axis ? 0 : 1;
    }
    const auto volume = MakeLabels<3>(size, spacing);
    const auto volumeOther = MakeLabels<3>(size, spacing);
    std::copy_n(flat->GetBufferPointer(), 14 * 11, volume->GetBufferPointer());
    std::copy_n(flatOther->GetBufferPointer(), 14 * 11, volumeOther->GetBufferPointer());
    const auto result = Compare(volume, volumeOther, { 3 });
    EXPECT_EQ(result.distances.fromPrediction, expected.distances.fromPrediction) << axis;
    EXPECT_EQ(result.distances.fromReference, expected.distances.fromReference) << axis;

    auto metrics = itk::LabelSurfaceMetrics<Labels<3>>::New();
    metrics->SetPredictionImage(volume);
    metrics->SetReferenceImage(volumeOther);
    metrics->SetLabelGroups({ { 3 } });
    metrics->IgnoreSingletonAxesOff();
    metrics->Compute();
    const auto & all = metrics->GetComparisons().at(0);
    EXPECT_EQ(all.distances.fromPrediction.size(), all.predictionCount) << "every pixel of a slice is boundary";
    EXPECT_GT(all.predictionCount, result.distances.fromPrediction.size());
  }
  // A slice-thin structure of a thick volume is not a 2-D image.
  const auto thick = MakeLabels<3>({ { 9, 9, 4 } }, itk::Vector<double, 3>(1.0));
  for (itk::IndexValueType i = 0; i < 49; ++i)
  {
    thick->SetPixel({ { 1 + i % 7, 1 + i / 7, 2 } }, 3);
  }
  EXPECT_EQ(Compare(thick, thick, { 3 }).distances.fromPrediction.size(), 49U);
}

TEST(LabelSurfaceMetrics, StructuresAreUnionsOfLabels)
{
  using Unsigned = itk::Image<unsigned char, 2>;
  const itk::Size<2> size{ { 6, 1 } };
  const auto prediction = MakeLabels<2>(size, itk::Vector<double, 2>(2.0));
  auto reference = Unsigned::New();
  reference->SetRegions(size);
  reference->SetSpacing(itk::Vector<double, 2>(2.0));
  reference->Allocate(true);
  const short values[] = { 0, 1, 2, 2, 0, -4 };
  const short truths[] = { 0, 2, 1, 0, 9, 0 };
  std::copy_n(values, 6, prediction->GetBufferPointer());
  std::copy_n(truths, 6, reference->GetBufferPointer());
  auto metrics = itk::LabelSurfaceMetrics<Labels<2>, Unsigned>::New();
  metrics->SetPredictionImage(prediction);
  metrics->SetReferenceImage(reference);
  EXPECT_TRUE(metrics->GetComparisons().empty());
  metrics->Compute();
  ASSERT_EQ(metrics->GetComparisons().size(), 4U);
  EXPECT_EQ(metrics->GetComparisons()[0].labels, (std::vector<std::int64_t>{ -4 }));
  EXPECT_EQ(metrics->GetComparisons()[3].labels, (std::vector<std::int64_t>{ 9 }));

  const Groups groups{ { 1, 2 }, { 2 }, { 77 } };
  metrics->SetLabelGroups(groups);
  EXPECT_EQ(metrics->GetLabelGroups(), groups);
  metrics->Compute();
  ASSERT_EQ(metrics->GetComparisons().size(), 3U);
  const auto & both = metrics->GetComparisons()[0];
  EXPECT_EQ(both.predictionCount, 3U);
  EXPECT_EQ(both.referenceCount, 2U);
  EXPECT_EQ(both.intersectionCount, 2U);
  EXPECT_EQ(both.pixelVolume, 4.0);
  // Of the line of one pixel's height both ends are boundary.
  EXPECT_EQ(both.distances.fromPrediction, (std::vector<double>{ 0, 2 }));
  EXPECT_EQ(both.distances.fromReference, (std::vector<double>{ 0, 2 }));
  EXPECT_EQ(metrics->GetComparisons()[1].intersectionCount, 0U);
  EXPECT_EQ(metrics->GetComparisons()[1].distances.fromReference, (std::vector<double>{ 2 }));
  const auto & none = metrics->GetComparisons()[2];
  EXPECT_TRUE(none.hasDistances);
  EXPECT_EQ(none.predictionCount + none.referenceCount, 0U);
  EXPECT_TRUE(none.distances.fromPrediction.empty() && none.distances.fromReference.empty());

  metrics->ComputeDistancesOff();
  metrics->Compute();
  EXPECT_FALSE(metrics->GetComparisons()[0].hasDistances);
  EXPECT_TRUE(metrics->GetComparisons()[0].distances.fromPrediction.empty());
  EXPECT_EQ(metrics->GetComparisons()[0].intersectionCount, 2U);
}

TEST(LabelSurfaceMetrics, OneEmptyMaskIsInfinitelyFar)
{
  const auto prediction = MakeLabels<2>({ { 3, 3 } }, itk::Vector<double, 2>(1.0));
  const auto reference = MakeLabels<2>({ { 3, 3 } }, itk::Vector<double, 2>(1.0));
  prediction->FillBuffer(3);
  ExpectBruteForce<2>(prediction, reference, 3, "empty reference");
  ExpectBruteForce<2>(reference, prediction, 3, "empty prediction");
}

TEST(LabelSurfaceMetrics, Errors)
{
  auto metrics = itk::LabelSurfaceMetrics<Labels<2>>::New();
  const auto error = [&metrics]
  { return itk::nn::test::ErrorOf<itk::ExceptionObject>([&metrics] { metrics->Compute(); }); };
  EXPECT_NE(error().find("prediction image is not set"), std::string::npos);
  metrics->SetPredictionImage(MakeLabels<2>({ { 3, 2 } }, itk::Vector<double, 2>(1.0)));
  EXPECT_NE(error().find("reference image is not set"), std::string::npos);
  metrics->SetReferenceImage(MakeLabels<2>({ { 2, 3 } }, itk::Vector<double, 2>(1.0)));
  EXPECT_NE(error().find("size [3, 2] and [2, 3]"), std::string::npos);
  metrics->SetReferenceImage(MakeLabels<2>({ { 3, 2 } }, itk::Vector<double, 2>(1.01)));
  EXPECT_NE(error().find("spacing [1, 1] and [1.01, 1.01]"), std::string::npos);
  metrics->SetTolerance(0.1);
  EXPECT_EQ(error(), "");
  EXPECT_TRUE(metrics->GetComparisons().empty());
  EXPECT_THROW(metrics->SetLabelGroups({ { 1 }, {} }), itk::ExceptionObject);
  EXPECT_THROW(metrics->SetLabelGroups({ { 1, 2, 1 } }), itk::ExceptionObject);

  auto a = itk::Image<unsigned char, 3>::New();
  a->SetRegions(itk::Size<3>{ { 2, 2, 2 } });
  a->Allocate(true);
  auto b = itk::Image<unsigned char, 3>::New();
  b->SetRegions(itk::Size<3>{ { 2, 2, 1 } });
  b->Allocate(true);
  EXPECT_NN_ERROR(itk::ComputeSurfaceDistances(*a, *b), "size [2, 2, 2] and the reference [2, 2, 1]");
}

TEST(LabelSurfaceMetrics, PrintsItsSettings)
{
  auto metrics = itk::LabelSurfaceMetrics<Labels<3>>::New();
  std::ostringstream text;
  metrics->Print(text);
  EXPECT_NE(text.str().find("IgnoreSingletonAxes: On"), std::string::npos);
  EXPECT_STREQ(metrics->GetNameOfClass(), "LabelSurfaceMetrics");
}

/** The golden pair of a case as a 2-D or 3-D label image. */
template <unsigned int VDimension>
typename Labels<VDimension>::Pointer
ToImage(const itk::nn::Tensor & tensor, const std::vector<double> & spacing)
{
  itk::Size<VDimension> size;
  itk::Vector<double, VDimension> pixel;
  for (unsigned int axis = 0; axis < VDimension; ++axis)
  {
    size[axis] = static_cast<itk::SizeValueType>(tensor.GetShape()[VDimension - 1 - axis]);
    pixel[axis] = spacing.at(VDimension - 1 - axis);
  }
  const auto image = MakeLabels<VDimension>(size, pixel);
  const auto values = tensor.ToVector<unsigned char>();
  std::copy(values.begin(), values.end(), image->GetBufferPointer());
  return image;
}

class GoldenMetrics : public testing::Test
{
protected:
  static constexpr const char * s_Name = "misfm/metrics.json";

  void Read()
  {
    m_Golden = nlohmann::json::parse(itk::nn::test::ReadText(itk::nn::test::FindGolden(s_Name)));
    m_Tensors = itk::nn::ReadSafeTensors(itk::nn::test::FindGolden("misfm/metrics.safetensors")).tensors;
  }

  LabelComparison CompareCase(const std::string & name,
                              const std::vector<double> & spacing,
                              const std::vector<std::int64_t> & labels)
  {
    const auto & prediction = m_Tensors.Get(name + "/seg");
    const auto & reference = m_Tensors.Get(name + "/gt");
    if (prediction.GetShape().size() == 2)
    {
      return Compare(ToImage<2>(prediction, spacing), ToImage<2>(reference, spacing), labels);
    }
    return Compare(ToImage<3>(prediction, spacing), ToImage<3>(reference, spacing), labels);
  }

  /** The value of a metric; one that the reference fails to give is an error. */
  static void ExpectMetric(const std::string & metric,
                           const LabelComparison & comparison,
                           MetricConvention convention,
                           const nlohmann::json & expected,
                           const std::string & what)
  {
    SegmentationMetricOptions options;
    options.convention = convention;
    const auto compute = [&]
    { return itk::ComputeSegmentationMetric(itk::ParseSegmentationMetric(metric), comparison, options); };
    if (expected.is_string())
    {
      EXPECT_NN_ERROR(compute(), "an error in PyMIC");
      return;
    }
    const double value = expected.get<double>();
    // The reference sums the union in single precision.
    EXPECT_NEAR(compute(), value, (metric == "iou" ? 1e-7 : 1e-9) * std::max(1.0, std::abs(value))) << what;
  }

  nlohmann::json m_Golden;
  itk::nn::StateDict m_Tensors;
};

TEST_F(GoldenMetrics, BinaryPairs)
{
  ITK_NN_REQUIRE_GOLDEN(s_Name);
  this->Read();
  std::size_t values = 0;
  for (const auto & [name, oneCase] : m_Golden.at("cases").items())
  {
    const auto comparison = this->CompareCase(name, oneCase.at("spacing").get<std::vector<double>>(), { 1 });
    for (const auto & [metric, expected] : oneCase.at("binary").items())
    {
      if (name == "3d_one_slice_D1" && expected.is_string())
      {
        continue; // the reference cannot measure a volume of one slice
      }
      const bool differ = expected.is_object();
      const std::string what = name + ' ' + metric;
      ExpectMetric(metric, comparison, MetricConvention::PyMIC, differ ? expected.at("value") : expected, what);
      ExpectMetric(
        metric, comparison, MetricConvention::PyMICHead, differ ? expected.at("value_head") : expected, what);
      ++values;
    }
  }
  EXPECT_EQ(values, 100U);
}

TEST_F(GoldenMetrics, LabelsAndTheirUnions)
{
  ITK_NN_REQUIRE_GOLDEN(s_Name);
  this->Read();
  ASSERT_EQ(m_Golden.at("multi").size(), 24U);
  for (const auto & [key, expected] : m_Golden.at("multi").items())
  {
    const std::size_t bar = key.find('|');
    const std::size_t end = key.find("]|");
    const std::string metric = key.substr(0, bar);
    const auto labels = nlohmann::json::parse(key.substr(bar + 8, end + 1 - bar - 8)).get<std::vector<std::int64_t>>();
    Groups groups;
    if (key.find("fuse=True") != std::string::npos)
    {
      groups.push_back(labels);
    }
    else
    {
      std::transform(labels.begin(),
                     labels.end(),
                     std::back_inserter(groups),
                     [](std::int64_t label) { return std::vector<std::int64_t>{ label }; });
    }
    const auto at = [&](std::size_t i) { return this->CompareCase("multi", { 2, 1, 1 }, groups.at(i)); };
    if (expected.is_string())
    {
      ExpectMetric(metric, at(groups.size() - 1), MetricConvention::PyMIC, expected, key);
      continue;
    }
    ASSERT_EQ(expected.size(), groups.size()) << key;
    for (std::size_t i = 0; i < groups.size(); ++i)
    {
      ExpectMetric(metric, at(i), MetricConvention::PyMIC, expected[i], key);
    }
  }
}
} // namespace
