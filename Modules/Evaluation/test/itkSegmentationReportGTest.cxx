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
#include "itkSegmentationReport.h"

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

itk::SegmentationScores
MakeScores(std::vector<std::int64_t> labels, std::vector<double> values)
{
  itk::SegmentationScores scores;
  scores.labels = std::move(labels);
  scores.values = std::move(values);
  scores.predictionCount = 12345;
  scores.referenceCount = 7;
  scores.intersectionCount = 3;
  scores.predictionVolume = 1234.5;
  scores.referenceVolume = 0.125;
  return scores;
}

itk::SegmentationReport
MakeReport()
{
  itk::SegmentationReport report;
  report.Add({ "a.png", "b, \"c\".png", { MakeScores({ 1 }, { 0.5, 0.25 }) } });
  report.Add(
    { "d\n.png", "e.png", { MakeScores({ 2 }, { std::nan(""), std::nan("") }), MakeScores({ 3 }, { 1, 1 }) } });
  return report;
}

/** Three cases with the structures 1 and 2+3, one score of which is not defined. */
itk::SegmentationReport
MakeClasses()
{
  itk::SegmentationReport report({ "assd", "volume_similarity" });
  report.Add({ "p/a.nii", "r/a.nii", { MakeScores({ 1 }, { 1, 0.5 }), MakeScores({ 2, 3 }, { 3, 0.25 }) }, "a.nii" });
  report.Add({ "p/b.nii",
               "r/b.nii",
               { MakeScores({ 1 }, { 2, 0.5 }), MakeScores({ 2, 3 }, { std::nan(""), 0.75 }) },
               "b,2.nii" });
  report.Add({ "p/c.nii", "r/c.nii", { MakeScores({ 1 }, { 6, 0.5 }), MakeScores({ 2, 3 }, { 5, 0.5 }) } });
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

TEST(ScoreStatistics, PopulationDeviationOfWhatIsDefined)
{
  const auto statistics = itk::ScoreStatistics::Of({ 2, std::nan(""), 4, 4, 4, 5, 5, 7, 9 });
  EXPECT_DOUBLE_EQ(statistics.mean, 5);
  EXPECT_DOUBLE_EQ(statistics.deviation, 2);
  EXPECT_EQ(statistics.count, 8U);
  EXPECT_EQ(itk::ScoreStatistics::Of({ 3 }).deviation, 0);
  for (const auto & none : { itk::ScoreStatistics::Of({}), itk::ScoreStatistics::Of({ std::nan("") }) })
  {
    EXPECT_TRUE(std::isnan(none.mean) && std::isnan(none.deviation));
    EXPECT_EQ(none.count, 0U);
  }
}

TEST(SegmentationReport, MeansLeaveOutNotANumber)
{
  const auto report = MakeReport();
  EXPECT_DOUBLE_EQ(report.GetMean(0), 0.75);
  EXPECT_DOUBLE_EQ(report.GetMean(1), 0.625);
  EXPECT_TRUE(std::isnan(itk::SegmentationReport().GetMean(0)));
}

TEST(SegmentationReport, SummaryOfEachStructureAndOfTheCasesMeans)
{
  const auto summary = MakeClasses().GetSummary();
  ASSERT_EQ(summary.size(), 3U);
  EXPECT_EQ(summary[0].label, "1");
  EXPECT_DOUBLE_EQ(summary[0].statistics[0].mean, 3);
  EXPECT_DOUBLE_EQ(summary[0].statistics[0].deviation, std::sqrt(14.0 / 3));
  EXPECT_EQ(summary[1].label, "2+3");
  EXPECT_DOUBLE_EQ(summary[1].statistics[0].mean, 4);
  EXPECT_DOUBLE_EQ(summary[1].statistics[0].deviation, 1);
  EXPECT_EQ(summary[1].statistics[0].count, 2U);
  EXPECT_EQ(summary[1].statistics[1].count, 3U);
  // The means of the cases are 2, 2 (of one structure) and 5.5.
  EXPECT_EQ(summary[2].label, "average");
  EXPECT_DOUBLE_EQ(summary[2].statistics[0].mean, 9.5 / 3);
  EXPECT_EQ(summary[2].statistics[0].count, 3U);

  itk::SegmentationReport one({ "dice" });
  one.Add({ "a", "b", { MakeScores({ 4 }, { 1 }) } });
  EXPECT_EQ(one.GetSummary().size(), 1U) << "one structure needs no average";
  EXPECT_TRUE(itk::SegmentationReport().GetSummary().empty());
}

TEST(SegmentationReport, MetricCsv)
{
  const auto report = MakeClasses();
  EXPECT_EQ(TextInCommaLocale([&](std::ostream & os) { report.WriteMetricCsv(os, 0); }),
            "image,class_1,class_2+3,average\n"
            "a.nii,1,3,2\n"
            "\"b,2.nii\",2,,2\n"
            "p/c.nii,6,5,5.5\n"
            "mean,3,4,3.1666666666666665\n"
            "std,2.160246899469287,1,1.649915822768611\n");
  itk::SegmentationReport one({ "dice" });
  one.Add({ "a", "b", { MakeScores({ 4 }, { std::nan("") }) } });
  EXPECT_EQ(TextInCommaLocale([&](std::ostream & os) { one.WriteMetricCsv(os, 0); }),
            "image,class_4\na,\nmean,\nstd,\n");
}

TEST(SegmentationReport, SummaryTable)
{
  const auto report = MakeClasses();
  EXPECT_EQ(TextInCommaLocale([&](std::ostream & os) { report.WriteSummaryTable(os); }),
            "label             assd  volume_similarity\n"
            "1        mean   3.0000             0.5000\n"
            "         std    2.1602             0.0000\n"
            "         count       3                  3\n"
            "2+3      mean   4.0000             0.5000\n"
            "         std    1.0000             0.2041\n"
            "         count       2                  3\n"
            "average  mean   3.1667             0.5000\n"
            "         std    1.6499             0.1021\n"
            "         count       3                  3\n");
}

TEST(SegmentationReport, Errors)
{
  itk::SegmentationReport report({ "dice" });
  EXPECT_NN_ERROR(report.Add({ "a", "b", { MakeScores({ 1, 2 }, { 1, 2 }) } }),
                  "Structure 1+2 has 2 values; should have 1");
  EXPECT_NN_ERROR(report.GetMean(1), "Metric 1 is asked for; should be less than 1");
  std::ostringstream os;
  EXPECT_NN_ERROR(report.WriteMetricCsv(os, 7), "Metric 7");
}

TEST(SegmentationReport, ScoresOfAComparison)
{
  itk::LabelComparison comparison;
  comparison.labels = { 7, 8 };
  comparison.predictionCount = 4;
  comparison.referenceCount = 6;
  comparison.intersectionCount = 3;
  comparison.pixelVolume = 0.5;
  const auto scores = itk::SegmentationScores::Of(
    comparison, { itk::SegmentationMetric::VolumeSimilarity, itk::SegmentationMetric::Dice });
  EXPECT_EQ(scores.GetLabelText(), "7+8");
  EXPECT_EQ(scores.values, (std::vector<double>{ 0.8, 0.6 }));
  EXPECT_EQ(scores.predictionVolume, 2);
  EXPECT_EQ(scores.referenceVolume, 3);
  EXPECT_EQ(scores.intersectionCount, 3U);
}

TEST(SegmentationReport, Csv)
{
  const auto report = MakeReport();
  EXPECT_EQ(TextInCommaLocale([&](std::ostream & os) { report.WriteCsv(os); }),
            "prediction,reference,label,dice,jaccard,prediction_voxels,reference_voxels,intersection_voxels,"
            "prediction_volume,reference_volume\n"
            "a.png,\"b, \"\"c\"\".png\",1,0.5,0.25,12345,7,3,1234.5,0.125\n"
            "\"d\n.png\",e.png,2,,,12345,7,3,1234.5,0.125\n"
            "\"d\n.png\",e.png,3,1,1,12345,7,3,1234.5,0.125\n");
}

TEST(SegmentationReport, JsonParsesBack)
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
  EXPECT_EQ(parsed["mean_jaccard"], 0.625);

  const auto classes = MakeClasses();
  const auto other = nlohmann::json::parse(TextInCommaLocale([&](std::ostream & os) { classes.WriteJson(os); }));
  EXPECT_EQ(other["cases"][1]["labels"][0]["label"], 1);
  EXPECT_EQ(other["cases"][1]["labels"][1]["label"], "2+3");
  EXPECT_TRUE(other["cases"][1]["labels"][1]["assd"].is_null());
  EXPECT_EQ(other["mean_assd"], 3.4);
  const auto & summary = other["summary"];
  ASSERT_EQ(summary.size(), 3U);
  EXPECT_EQ(summary[0]["label"], 1);
  EXPECT_EQ(summary[1]["label"], "2+3");
  EXPECT_EQ(summary[1]["assd"], (nlohmann::json{ { "mean", 4.0 }, { "std", 1.0 }, { "count", 2 } }));
  EXPECT_EQ(summary[2]["label"], "average");
}

TEST(SegmentationReport, EmptyReports)
{
  const itk::SegmentationReport empty;
  std::ostringstream os;
  empty.WriteJson(os);
  const auto parsed = nlohmann::json::parse(os.str());
  EXPECT_TRUE(parsed["cases"].empty());
  EXPECT_TRUE(parsed["mean_dice"].is_null());
  EXPECT_TRUE(parsed["summary"].empty());

  itk::SegmentationReport noLabels;
  noLabels.Add({ "a", "b", {} });
  std::ostringstream other;
  noLabels.WriteJson(other);
  EXPECT_TRUE(nlohmann::json::parse(other.str())["cases"][0]["labels"].empty());
}

TEST(SegmentationReport, TableAlignsAndEndsWithMeans)
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

  const auto classes = MakeClasses();
  EXPECT_EQ(TextInCommaLocale([&](std::ostream & os) { classes.WriteTable(os, false); }),
            "prediction  label    assd  volume_similarity\n"
            "p/a.nii         1  1.0000             0.5000\n"
            "p/a.nii       2+3  3.0000             0.2500\n"
            "p/b.nii         1  2.0000             0.5000\n"
            "p/b.nii       2+3     nan             0.7500\n"
            "p/c.nii         1  6.0000             0.5000\n"
            "p/c.nii       2+3  5.0000             0.5000\n"
            "mean               3.4000             0.5000\n");
}
} // namespace
