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
#include "universegImages.h"
#include "universegProcess.h"

#include "gtest/gtest.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <filesystem>

namespace
{
namespace fs = std::filesystem;
using universegtest::MakeFolder;
using universegtest::ReadFile;
using universegtest::RunCommand;

std::string
WriteVolume(const std::string & folder)
{
  auto volume = universeg::Volume::New();
  volume->SetRegions(universeg::Volume::SizeType{ { 28, 24, 20 } });
  volume->Allocate();
  float * pixel = volume->GetBufferPointer();
  for (int i = 0; i < 28 * 24 * 20; ++i)
  {
    pixel[i] = static_cast<float>(std::sin(0.37 * i) + 0.002 * i);
  }
  const std::string name = folder + "/scan.nii.gz";
  universeg::WriteProbabilities(*volume, 3, name);
  return name;
}
} // namespace

TEST(VolumeFusion, WritesSamplesWithTheirClasses)
{
  const std::string folder = MakeFolder("volume-fusion");
  const std::string volume = WriteVolume(folder);
  const auto run = [&volume](const std::string & output, const std::string & seed)
  {
    return RunCommand({ "volume-fusion",
                        "--image",
                        volume,
                        "--output",
                        output,
                        "--count",
                        "2",
                        "--seed",
                        seed,
                        "--size",
                        "12,14,16",
                        "--classes",
                        "4",
                        "--minimum-block",
                        "3,3,3",
                        "--maximum-block",
                        "5,5,5" });
  };
  const auto result = run(folder + "/a", "7");
  ASSERT_EQ(result.exitCode, 0) << result.error;
  EXPECT_NE(result.output.find("scan_1.png"), std::string::npos) << result.output;
  for (const std::string number : { "1", "2" })
  {
    const std::string stem = folder + "/a/scan_" + number;
    const auto fused = universeg::ReadImage(stem + ".nii.gz");
    const universeg::Volume::SizeType size{ { 16, 14, 12 } };
    EXPECT_EQ(fused.geometry->GetLargestPossibleRegion().GetSize(), size);
    const auto classes = universeg::ToLabels(universeg::ReadImage(stem + "_lab.nii.gz"), {});
    EXPECT_EQ(classes->GetLargestPossibleRegion().GetSize(), size);
    EXPECT_EQ(universeg::FindLabels(*classes), (std::vector<std::int32_t>{ 1, 2, 3 }));
    EXPECT_EQ(ReadFile(stem + ".png").substr(1, 3), "PNG");
  }
  EXPECT_NE(ReadFile(folder + "/a/scan_1.nii.gz"), ReadFile(folder + "/a/scan_2.nii.gz"));

  ASSERT_EQ(run(folder + "/b", "7").exitCode, 0);
  EXPECT_EQ(ReadFile(folder + "/a/scan_2.png"), ReadFile(folder + "/b/scan_2.png"));
  ASSERT_EQ(run(folder + "/c", "8").exitCode, 0);
  EXPECT_NE(ReadFile(folder + "/a/scan_1.png"), ReadFile(folder + "/c/scan_1.png"));
}

TEST(VolumeFusion, Errors)
{
  const std::string folder = MakeFolder("volume-fusion-errors");
  const std::string volume = WriteVolume(folder);
  const auto fail = [&](std::vector<std::string> more, int code, const std::string & message)
  {
    more.insert(more.begin(), "volume-fusion");
    const auto result = RunCommand(more);
    EXPECT_EQ(result.exitCode, code) << result.error;
    EXPECT_NE(result.error.find(message), std::string::npos) << result.error;
  };
  const std::string output = folder + "/out";
  fail({}, 2, "--image is missing");
  fail({ "--image", volume }, 2, "--output is missing");
  fail({ "--image", folder + "/none.nii", "--output", output }, 1, "none.nii");
  fail({ "--image", volume, "--output", output, "--size", "12,14" }, 2, "'12,14' should have the form");
  fail({ "--image", volume, "--output", output, "--size", "0,1,1" }, 2, "0 should be from 1 to 4096");
  fail({ "--image", volume, "--output", output, "--classes", "1" }, 2, "--classes is 1");
  fail({ "--image", volume, "--output", output, "--minimum-block", "9,9,9", "--maximum-block", "8,9,9" },
       1,
       "from [9, 9, 9] to [8, 9, 9]");
  EXPECT_FALSE(fs::exists(output + "/scan_1.nii.gz"));
}

TEST(VolumeFusion, MeasuresSamples)
{
  const std::string volume = WriteVolume(MakeFolder("volume-fusion-benchmark"));
  const auto result = RunCommand({ "volume-fusion",
                                   volume,
                                   "--benchmark",
                                   "3",
                                   "--threads",
                                   "2",
                                   "--size",
                                   "12,14,16",
                                   "--minimum-block",
                                   "3,3,3",
                                   "--maximum-block",
                                   "5,5,5",
                                   "--json" });
  ASSERT_EQ(result.exitCode, 0) << result.error;
  const auto json = nlohmann::json::parse(result.output);
  EXPECT_EQ(json.at("repeat"), 3);
  EXPECT_EQ(json.at("threads"), 2);
  EXPECT_GT(json.at("sample").at("min_seconds").get<double>(), 0);
  EXPECT_GE(json.at("sample").at("median_seconds").get<double>(), json.at("sample").at("min_seconds").get<double>());
  EXPECT_GT(json.at("samples_per_second").get<double>(), 0);
  const auto wrong = RunCommand({ "volume-fusion", volume, "--output", "a", "--json" });
  EXPECT_EQ(wrong.exitCode, 2);
  EXPECT_NE(wrong.error.find("--json is of use only with --benchmark"), std::string::npos) << wrong.error;
}
