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
#include "itkNNTrainingLog.h"

#include "itkImage.h"
#include "itkImageFileReader.h"
#include "itkNNTestHelpers.h"
#include "itkPNGImageIO.h"
#include "itkRGBPixel.h"

#include <cmath>
#include <filesystem>
#include <iterator>
#include <limits>
#include <set>

namespace
{
namespace fs = std::filesystem;
using itk::nn::TrainingLog;
using itk::nn::TrainingLogEntry;

std::string
MakeFileName(const std::string & name)
{
  const fs::path folder =
    fs::path(UNIVERSEG_TEST_OUTPUT) / "TrainingLog" / testing::UnitTest::GetInstance()->current_test_info()->name();
  fs::create_directories(folder);
  fs::remove(folder / name);
  return (folder / name).string();
}

std::string
ReadText(const std::string & fileName)
{
  std::ifstream file(fileName, std::ios::binary);
  return { std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>() };
}

std::vector<std::int64_t>
StepsOf(const std::string & fileName)
{
  std::vector<std::int64_t> steps;
  for (const auto & entry : TrainingLog::Read(fileName))
  {
    steps.push_back(entry.step);
  }
  return steps;
}
} // namespace

TEST(TrainingLog, WritesALineAtOnce)
{
  const std::string fileName = MakeFileName("log.jsonl");
  TrainingLog log(fileName);
  log.Append({ 1, { { "loss", 0.5 }, { "learning-rate", 1e-4 } } });
  EXPECT_EQ(ReadText(fileName), "{\"step\":1,\"learning-rate\":0.0001,\"loss\":0.5}\n");
  log.Append({ 2, { { "loss", std::nan("") }, { "\xff", 0.1 } } });
  const auto entries = TrainingLog::Read(fileName);
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].values.at("learning-rate"), 1e-4);
  EXPECT_TRUE(std::isnan(entries[1].values.at("loss")));
  EXPECT_NN_ERROR(log.Append({ 1, {} }), "the step to be logged is 1; should be at least that before, 2");
}

TEST(TrainingLog, IsContinuedFromACheckpoint)
{
  const std::string fileName = MakeFileName("log.jsonl");
  {
    TrainingLog log(fileName, 7); // no file yet
    for (std::int64_t step = 10; step <= 50; step += 10)
    {
      log.Append({ step, { { "loss", 1.0 } } });
    }
  }
  std::ofstream(fileName, std::ios::app) << "{\"step\":60,\"lo";
  EXPECT_EQ(StepsOf(fileName), (std::vector<std::int64_t>{ 10, 20, 30, 40, 50 }));
  {
    TrainingLog log(fileName, 30);
    EXPECT_EQ(StepsOf(fileName), (std::vector<std::int64_t>{ 10, 20, 30 }));
    log.Append({ 40, {} });
  }
  EXPECT_EQ(StepsOf(fileName), (std::vector<std::int64_t>{ 10, 20, 30, 40 }));
  const TrainingLog anew(fileName);
  EXPECT_TRUE(StepsOf(fileName).empty());
}

TEST(TrainingLog, RefusesWhatIsNoLog)
{
  const std::string fileName = MakeFileName("log.jsonl");
  const auto errorOf = [&](const std::string & text)
  {
    std::ofstream(fileName, std::ios::binary) << text;
    return itk::nn::test::ErrorOf([&] { TrainingLog::Read(fileName); });
  };
  const auto expect = [&](const std::string & text, const std::string & error)
  { EXPECT_NE(errorOf(text).find(error), std::string::npos) << errorOf(text); };
  expect("{\"step\":1}\nx\n", "log.jsonl:2: the line of the log is no JSON object");
  expect(std::string(200000, '[') + "\n", "log.jsonl:1: the line of the log is no JSON object");
  expect("{\"loss\":1}\n", "has no 'step'");
  expect("{\"step\":-1}\n", "'step' is no number of steps");
  expect("{\"step\":1.5}\n", "'step' is no number of steps");
  expect("{\"step\":18446744073709551615}\n", "'step' is no number of steps");
  expect("{\"step\":1,\"loss\":\"a\"}\n", "the value of 'loss' should be a number or null");
  EXPECT_NN_ERROR(TrainingLog::Read(fileName + ".none"), "the log cannot be read: ");
  EXPECT_NN_ERROR(TrainingLog("/no/such/folder/log.jsonl"), "/no/such/folder/log.jsonl");
}

TEST(TrainingLog, DrawsCurves)
{
  using Picture = itk::Image<itk::RGBPixel<unsigned char>, 2>;
  std::vector<TrainingLogEntry> entries;
  for (std::int64_t step = 0; step <= 5000; step += 10)
  {
    const double x = static_cast<double>(step) / 5000;
    TrainingLogEntry entry{ step, { { "loss", std::exp(-3 * x) + 0.1 * std::sin(37.0 * static_cast<double>(step)) } } };
    if (step % 500 == 0)
    {
      entry.values["validation-dice"] = 0.9 * (1 - std::exp(-3 * x));
    }
    entries.push_back(entry);
  }
  entries[3].values["loss"] = std::nan("");
  entries[4].values["loss"] = std::numeric_limits<double>::infinity();
  const auto colorsOf = [](const std::string & fileName)
  {
    auto reader = itk::ImageFileReader<Picture>::New();
    reader->SetImageIO(itk::PNGImageIO::New());
    reader->SetFileName(fileName);
    reader->Update();
    const Picture & picture = *reader->GetOutput();
    EXPECT_EQ(picture.GetLargestPossibleRegion().GetSize(), (itk::Size<2>{ { 960, 640 } }));
    std::set<std::vector<int>> colors;
    for (std::size_t i = 0; i < 960 * 640; ++i)
    {
      const auto & pixel = picture.GetBufferPointer()[i];
      colors.insert({ pixel[0], pixel[1], pixel[2] });
    }
    return colors;
  };
  const std::string fileName = MakeFileName("curves.png");
  itk::nn::WriteTrainingCurves(entries, fileName);
  EXPECT_EQ(colorsOf(fileName).size(), 6U); // background, grid, axes and three curves
  const std::string empty = MakeFileName("empty.png");
  itk::nn::WriteTrainingCurves({}, empty);
  EXPECT_EQ(colorsOf(empty).size(), 3U);
  itk::nn::WriteTrainingCurves({ { 0, { { "loss", 1e-300 } } }, { 1, { { "loss", 1e99 } } } }, empty);
  EXPECT_NN_ERROR(itk::nn::WriteTrainingCurves({}, "/no/such/folder/a.png"), "/no/such/folder/a.png");
}
