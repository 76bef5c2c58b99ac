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
#include "itkOverlapReport.h"

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include <cmath>
#include <locale>
#include <sstream>

namespace
{
struct CommaPunctuation : std::numpunct<char>
{
  char do_decimal_point() const override
  {
    return ',';
  }
  char do_thousands_sep() const override
  {
    return '.';
  }
  std::string do_grouping() const override
  {
    return "\3";
  }
};

itk::LabelOverlap
MakeOverlap(std::int64_t label, double dice, double jaccard)
{
  itk::LabelOverlap overlap;
  overlap.label = label;
  overlap.dice = dice;
  overlap.jaccard = jaccard;
  overlap.predictionCount = 12345;
  overlap.referenceCount = 7;
  overlap.intersectionCount = 3;
  overlap.predictionVolume = 1234.5;
  overlap.referenceVolume = 0.125;
  return overlap;
}

itk::OverlapReport
MakeReport()
{
  itk::OverlapReport report;
  report.Add({ "a.png", "b, \"c\".png", { MakeOverlap(1, 0.5, 0.25) } });
  report.Add({ "d\n.png", "e.png", { MakeOverlap(2, std::nan(""), std::nan("")), MakeOverlap(3, 1, 1) } });
  return report;
}

template <typename TWrite>
std::string
TextInCommaLocale(TWrite write)
{
  std::ostringstream os;
  os.imbue(std::locale(std::locale::classic(), new CommaPunctuation));
  write(os);
  return os.str();
}

TEST(OverlapReport, MeansLeaveOutNotANumber)
{
  const auto overlaps = MakeReport().GetOverlaps();
  ASSERT_EQ(overlaps.size(), 3U);
  EXPECT_DOUBLE_EQ(itk::MeanDice(overlaps), 0.75);
  EXPECT_DOUBLE_EQ(itk::MeanJaccard(overlaps), 0.625);
  EXPECT_TRUE(std::isnan(itk::MeanDice({})));
}

TEST(OverlapReport, Csv)
{
  const auto report = MakeReport();
  EXPECT_EQ(TextInCommaLocale([&](std::ostream & os) { report.WriteCsv(os); }),
            "prediction,reference,label,dice,jaccard,prediction_voxels,reference_voxels,intersection_voxels,"
            "prediction_volume,reference_volume\n"
            "a.png,\"b, \"\"c\"\".png\",1,0.5,0.25,12345,7,3,1234.5,0.125\n"
            "\"d\n.png\",e.png,2,,,12345,7,3,1234.5,0.125\n"
            "\"d\n.png\",e.png,3,1,1,12345,7,3,1234.5,0.125\n");
}

TEST(OverlapReport, JsonParsesBack)
{
  const auto report = MakeReport();
  const auto parsed = nlohmann::json::parse(TextInCommaLocale([&](std::ostream & os) { report.WriteJson(os); }));
  ASSERT_EQ(parsed.at("cases").size(), 2U);
  EXPECT_EQ(parsed["cases"][0]["reference"], "b, \"c\".png");
  EXPECT_EQ(parsed["cases"][1]["prediction"], "d\n.png");
  EXPECT_TRUE(parsed["cases"][1]["labels"][0]["dice"].is_null());
  EXPECT_EQ(parsed["cases"][0]["labels"][0]["prediction_volume"], 1234.5);
  EXPECT_EQ(parsed["cases"][0]["labels"][0]["intersection_voxels"], 3);
  EXPECT_EQ(parsed["mean_dice"], 0.75);
}

TEST(OverlapReport, EmptyReports)
{
  const itk::OverlapReport empty;
  std::ostringstream os;
  empty.WriteJson(os);
  const auto parsed = nlohmann::json::parse(os.str());
  EXPECT_TRUE(parsed["cases"].empty());
  EXPECT_TRUE(parsed["mean_dice"].is_null());

  itk::OverlapReport noLabels;
  noLabels.Add({ "a", "b", {} });
  std::ostringstream other;
  noLabels.WriteJson(other);
  EXPECT_TRUE(nlohmann::json::parse(other.str())["cases"][0]["labels"].empty());
}

TEST(OverlapReport, TableAlignsAndEndsWithMeans)
{
  const auto report = MakeReport();
  std::istringstream lines(TextInCommaLocale([&](std::ostream & os) { report.WriteTable(os); }));
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));
  EXPECT_EQ(line.rfind("prediction", 0), 0U);
  ASSERT_TRUE(std::getline(lines, line));
  EXPECT_NE(line.find("0.5000"), std::string::npos);
  EXPECT_NE(line.find("1234.50"), std::string::npos);
  std::string last;
  while (std::getline(lines, line))
  {
    last = line;
  }
  EXPECT_EQ(last.rfind("mean", 0), 0U);
  EXPECT_NE(last.find("0.7500"), std::string::npos);
  EXPECT_NE(last.find("0.6250"), std::string::npos);
}
} // namespace
