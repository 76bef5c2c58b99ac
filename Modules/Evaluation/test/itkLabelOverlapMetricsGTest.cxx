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
#include "itkImage.h"
#include "itkLabelOverlapMetrics.h"
#include "itkNNTestHelpers.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <vector>

namespace
{
template <typename TImage>
typename TImage::Pointer
MakeImage(const typename TImage::SizeType & size, const std::vector<int> & values)
{
  auto image = TImage::New();
  image->SetRegions(typename TImage::RegionType(size));
  image->Allocate();
  std::transform(values.begin(),
                 values.end(),
                 image->GetBufferPointer(),
                 [](int value) { return static_cast<typename TImage::PixelType>(value); });
  return image;
}

using Image2 = itk::Image<unsigned char, 2>;
using Image3 = itk::Image<short, 3>;
using Metrics2 = itk::LabelOverlapMetrics<Image2>;

TEST(LabelOverlapMetrics, ValuesInTwoDimensions)
{
  const Image2::SizeType size{ { 3, 2 } };
  auto prediction = MakeImage<Image2>(size, { 0, 1, 1, 2, 2, 0 });
  auto reference = MakeImage<Image2>(size, { 0, 1, 2, 2, 0, 0 });
  const double spacing[] = { 0.5, 4.0 };
  prediction->SetSpacing(spacing);
  reference->SetSpacing(spacing);

  auto metrics = Metrics2::New();
  metrics->SetPredictionImage(prediction);
  metrics->SetReferenceImage(reference);
  EXPECT_TRUE(metrics->GetOverlaps().empty());
  metrics->Compute();

  ASSERT_EQ(metrics->GetOverlaps().size(), 2U);
  const itk::LabelOverlap & one = metrics->GetOverlap(1);
  EXPECT_EQ(one.predictionCount, 2U);
  EXPECT_EQ(one.referenceCount, 1U);
  EXPECT_EQ(one.intersectionCount, 1U);
  EXPECT_DOUBLE_EQ(one.dice, 2.0 / 3.0);
  EXPECT_DOUBLE_EQ(one.jaccard, 0.5);
  EXPECT_DOUBLE_EQ(one.predictionVolume, 4.0);
  EXPECT_DOUBLE_EQ(one.referenceVolume, 2.0);
  EXPECT_DOUBLE_EQ(metrics->GetOverlap(2).dice, 0.5);
  EXPECT_DOUBLE_EQ(metrics->GetMeanDice(), (2.0 / 3.0 + 0.5) / 2);
  EXPECT_THROW(metrics->GetOverlap(7), itk::ExceptionObject);
}

TEST(LabelOverlapMetrics, PixelTypesMayDifferAndLabelsBeNegative)
{
  using ImageInt = itk::Image<int, 3>;
  const Image3::SizeType size{ { 2, 1, 2 } };
  auto prediction = MakeImage<Image3>(size, { -5, 300, 0, 0 });
  auto reference = MakeImage<ImageInt>(size, { -5, 300, 300, 0 });
  auto metrics = itk::LabelOverlapMetrics<Image3, ImageInt>::New();
  metrics->SetPredictionImage(prediction);
  metrics->SetReferenceImage(reference);
  metrics->Compute();
  ASSERT_EQ(metrics->GetOverlaps().size(), 2U);
  EXPECT_EQ(metrics->GetOverlaps()[0].label, -5);
  EXPECT_EQ(metrics->GetOverlap(-5).dice, 1.0);
  EXPECT_DOUBLE_EQ(metrics->GetOverlap(300).dice, 2.0 / 3.0);
}

TEST(LabelOverlapMetrics, ChosenLabelsAndAbsentOnes)
{
  const Image2::SizeType size{ { 2, 1 } };
  auto image = MakeImage<Image2>(size, { 0, 1 });
  auto metrics = Metrics2::New();
  metrics->SetPredictionImage(image);
  metrics->SetReferenceImage(image);
  metrics->SetLabels({ 9, 0 });
  EXPECT_EQ(metrics->GetLabels().size(), 2U);
  metrics->Compute();
  ASSERT_EQ(metrics->GetOverlaps().size(), 2U);
  EXPECT_EQ(metrics->GetOverlaps()[0].label, 9);
  EXPECT_TRUE(std::isnan(metrics->GetOverlap(9).dice));
  EXPECT_TRUE(std::isnan(metrics->GetOverlap(9).jaccard));
  EXPECT_EQ(metrics->GetOverlap(0).dice, 1.0);
  EXPECT_EQ(metrics->GetMeanDice(), 1.0);

  metrics->SetEmptyValue(0.25);
  EXPECT_EQ(metrics->GetEmptyValue(), 0.25);
  metrics->Compute();
  EXPECT_EQ(metrics->GetOverlap(9).dice, 0.25);
  EXPECT_THROW(metrics->SetLabels({ 1, 1 }), itk::ExceptionObject);
}

TEST(LabelOverlapMetrics, BothEmptyHasNoLabelAndNoMean)
{
  auto image = MakeImage<Image2>(Image2::SizeType{ { 2, 2 } }, { 0, 0, 0, 0 });
  auto metrics = Metrics2::New();
  metrics->SetPredictionImage(image);
  metrics->SetReferenceImage(image);
  metrics->Compute();
  EXPECT_TRUE(metrics->GetOverlaps().empty());
  EXPECT_TRUE(std::isnan(metrics->GetMeanDice()));
}

TEST(LabelOverlapMetrics, ErrorsNameWhatDiffers)
{
  const Image2::SizeType size{ { 2, 2 } };
  auto metrics = Metrics2::New();
  const auto error = [&metrics]
  { return itk::nn::test::ErrorOf<itk::ExceptionObject>([&metrics] { metrics->Compute(); }); };
  EXPECT_NE(error().find("prediction image is not set"), std::string::npos);
  metrics->SetPredictionImage(MakeImage<Image2>(size, { 0, 1, 0, 1 }));
  EXPECT_NE(error().find("reference image is not set"), std::string::npos);

  metrics->SetReferenceImage(MakeImage<Image2>(Image2::SizeType{ { 1, 2 } }, { 0, 1 }));
  EXPECT_NE(error().find("size [2, 2]"), std::string::npos);

  auto reference = MakeImage<Image2>(size, { 0, 1, 0, 1 });
  const double spacing[] = { 1.0, 1.1 };
  reference->SetSpacing(spacing);
  metrics->SetReferenceImage(reference);
  EXPECT_NE(error().find("spacing"), std::string::npos);

  reference = MakeImage<Image2>(size, { 0, 1, 0, 1 });
  const double origin[] = { 0.01, 0.0 };
  reference->SetOrigin(origin);
  metrics->SetReferenceImage(reference);
  EXPECT_NE(error().find("origin"), std::string::npos);
  metrics->SetTolerance(0.1);
  EXPECT_EQ(metrics->GetTolerance(), 0.1);
  EXPECT_EQ(error(), "");

  reference = MakeImage<Image2>(size, { 0, 1, 0, 1 });
  Image2::DirectionType direction;
  direction(0, 1) = 1;
  direction(1, 0) = 1;
  reference->SetDirection(direction);
  metrics->SetReferenceImage(reference);
  EXPECT_NE(error().find("direction"), std::string::npos);
}

TEST(LabelOverlapMetrics, MeansLeaveOutNotANumber)
{
  std::vector<itk::LabelOverlap> overlaps(3);
  overlaps[0].dice = 0.5;
  overlaps[0].jaccard = 0.25;
  overlaps[2].dice = 1;
  overlaps[2].jaccard = 1;
  EXPECT_DOUBLE_EQ(itk::MeanDice(overlaps), 0.75);
  EXPECT_DOUBLE_EQ(itk::MeanJaccard(overlaps), 0.625);
  EXPECT_TRUE(std::isnan(itk::MeanDice({})));
}

TEST(LabelOverlapMetrics, PrintsItsSettings)
{
  auto metrics = Metrics2::New();
  std::ostringstream text;
  metrics->Print(text);
  EXPECT_NE(text.str().find("EmptyValue"), std::string::npos);
  EXPECT_STREQ(metrics->GetNameOfClass(), "LabelOverlapMetrics");
}
} // namespace
