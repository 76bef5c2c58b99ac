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
#include "itkIntensityNormalization.h"

#include "itkFilteringTestHelpers.h"

#include <sstream>

using itk::IntensityNormalization;
using itk::IntensityStatistics;
using NormalizationEnum = IntensityNormalization::NormalizationEnum;

namespace
{
std::vector<float>
Apply(const IntensityNormalization & normalization,
      const std::vector<float> & slice,
      const IntensityStatistics * statistics = nullptr)
{
  std::vector<float> output(slice.size());
  normalization.Apply(slice.data(), 1, slice.size(), statistics, output.data(), 1, slice.size());
  return output;
}

IntensityNormalization
Make(NormalizationEnum method)
{
  IntensityNormalization normalization;
  normalization.method = method;
  return normalization;
}
} // namespace

TEST(IntensityStatistics, PercentilesAreNumPys)
{
  std::vector<float> values;
  for (const int i : { 3, 0, 6, 5, 1, 4, 2 })
  {
    values.push_back(std::pow(static_cast<float>(i), 1.5F));
  }
  const IntensityStatistics statistics(values.data(), values.size());
  EXPECT_EQ(statistics.GetMinimum(), 0);
  EXPECT_NEAR(statistics.GetMaximum(), 14.6969385, 1e-5);
  EXPECT_NEAR(statistics.GetPercentile(0.5), 0.029999999, 1e-6);
  EXPECT_NEAR(statistics.GetPercentile(33), 2.791858434, 1e-5);
  EXPECT_NEAR(statistics.GetPercentile(99.5), 14.59144020, 1e-5);
  EXPECT_EQ(statistics.GetPercentile(0), statistics.GetMinimum());
  EXPECT_EQ(statistics.GetPercentile(100), statistics.GetMaximum());
}

TEST(IntensityStatistics, ManyValuesAreSummarised)
{
  std::vector<float> values(3000000);
  for (std::size_t i = 0; i < values.size(); ++i)
  {
    values[i] = static_cast<float>((i * 7919) % values.size());
  }
  const IntensityStatistics statistics(values.data(), values.size());
  EXPECT_EQ(statistics.GetMaximum(), 2999999);
  EXPECT_NEAR(statistics.GetPercentile(0.5), 15000, 300);
  EXPECT_NEAR(statistics.GetPercentile(50), 1500000, 5000);
}

TEST(IntensityStatistics, Errors)
{
  const float value = 1;
  EXPECT_ERROR(IntensityStatistics(&value, 0), "no values");
  EXPECT_ERROR(IntensityStatistics(&value, 1).GetPercentile(101), "between 0 and 100");
  EXPECT_ERROR(IntensityStatistics(&value, 1, false).GetPercentile(1), "without percentiles");
}

TEST(IntensityNormalization, EveryMethod)
{
  const std::vector<float> slice{ -10, 0, 10, 30 };
  const std::vector<float> volume{ -50, 50, 0, 10 };
  const IntensityStatistics statistics(volume.data(), volume.size());

  EXPECT_EQ(Apply(Make(NormalizationEnum::MinMaxOfSlice), slice), (std::vector<float>{ 0, 0.25F, 0.5F, 1 }));
  EXPECT_EQ(Apply(Make(NormalizationEnum::MinMaxOfVolume), slice, &statistics),
            (std::vector<float>{ 0.4F, 0.5F, 0.6F, 0.8F }));
  EXPECT_EQ(Apply(Make(NormalizationEnum::None), slice), slice);

  IntensityNormalization window = Make(NormalizationEnum::Window);
  window.windowMinimum = 0;
  window.windowMaximum = 20;
  EXPECT_EQ(Apply(window, slice), (std::vector<float>{ 0, 0, 0.5F, 1 }));

  IntensityNormalization percentile = Make(NormalizationEnum::Percentile);
  percentile.lowerPercentile = 0;
  percentile.upperPercentile = 200.0 / 3; // the value 10
  const auto scaled = Apply(percentile, slice, &statistics);
  EXPECT_NEAR(scaled[0], 40.0 / 60, 1e-5);
  EXPECT_NEAR(scaled[1], 50.0 / 60, 1e-5);
  EXPECT_NEAR(scaled[2], 1, 1e-5);
  EXPECT_EQ(scaled[3], 1);
}

TEST(IntensityNormalization, RangeOfASliceIsTakenAfterResampling)
{
  const std::vector<float> slice{ 0, 1, 0, 0, 0, 0, 1, 1 };
  std::vector<float> output(4);
  Make(NormalizationEnum::MinMaxOfSlice).Apply(slice.data(), 1, 8, nullptr, output.data(), 1, 4);
  EXPECT_EQ(*std::min_element(output.begin(), output.end()), 0);
  EXPECT_EQ(*std::max_element(output.begin(), output.end()), 1);
}

TEST(IntensityNormalization, ConstantBecomesZero)
{
  const std::vector<float> slice(4, 7.3F);
  const IntensityStatistics statistics(slice.data(), slice.size());
  for (const auto method :
       { NormalizationEnum::MinMaxOfSlice, NormalizationEnum::MinMaxOfVolume, NormalizationEnum::Percentile })
  {
    EXPECT_EQ(Apply(Make(method), slice, &statistics), std::vector<float>(4, 0.0F)) << method;
  }
}

TEST(IntensityNormalization, Errors)
{
  IntensityNormalization normalization = Make(NormalizationEnum::Window);
  normalization.windowMinimum = 255;
  EXPECT_ERROR(normalization.Check(), "minimum below its maximum");
  normalization = Make(NormalizationEnum::Percentile);
  normalization.upperPercentile = 101;
  EXPECT_ERROR(normalization.Check(), "0 <= lower < upper <= 100");
  EXPECT_ERROR(Apply(Make(NormalizationEnum::MinMaxOfVolume), { 1 }), "statistics of the whole image");
}

TEST(IntensityNormalization, NamesAndEquality)
{
  const std::string names[] = { "MinMaxOfSlice", "MinMaxOfVolume", "Percentile", "Window", "None" };
  for (int i = 0; i < 5; ++i)
  {
    std::ostringstream text;
    text << static_cast<NormalizationEnum>(i);
    EXPECT_NE(text.str().find(names[i]), std::string::npos) << text.str();
  }
  EXPECT_TRUE(Make(NormalizationEnum::Window) == Make(NormalizationEnum::Window));
  EXPECT_FALSE(Make(NormalizationEnum::Window) == Make(NormalizationEnum::None));
}
