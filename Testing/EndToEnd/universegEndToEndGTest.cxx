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
#include "universegCommandLine.h"
#include "universegDemoImages.h"
#include "universegFiles.h"
#include "universegImages.h"
#include "universegProcess.h"

#include "itkNNModel.h"
#include "itkNNNetwork.h"

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace
{
namespace fs = std::filesystem;
using universeg::LabelVolume;
using universeg::Volume;
using universegtest::MakeFolder;
using universegtest::ProcessResult;
using universegtest::RunCommand;

/** Files for the tests, made by `universeg demo`. */
class Command : public testing::Test
{
protected:
  static void SetUpTestSuite()
  {
    s_Demo = MakeFolder("demo");
    s_Result = RunCommand({ "demo", "--output", s_Demo });
    s_Work = MakeFolder("work");
  }

  static std::string Supports()
  {
    return s_Demo + "/supports";
  }
  static std::string Target(int i)
  {
    return s_Demo + "/targets/images/cell_0" + std::to_string(i) + ".png";
  }
  static std::string Truth(int i)
  {
    return s_Demo + "/targets/labels/cell_0" + std::to_string(i) + ".png";
  }

  static void ExpectFailure(const std::vector<std::string> & arguments, int exitCode, const std::string & part)
  {
    const ProcessResult result = RunCommand(arguments);
    EXPECT_EQ(result.exitCode, exitCode) << part << '\n' << result.error;
    EXPECT_EQ(result.error.find("universeg"), 0U) << result.error;
    EXPECT_NE(result.error.find(part), std::string::npos) << result.error;
    EXPECT_EQ(result.error.find('\n'), result.error.size() - 1) << "one line is expected: " << result.error;
  }

  static double MeanDice(const std::string & prediction, const std::string & reference)
  {
    const ProcessResult result =
      RunCommand({ "evaluate", "--prediction", prediction, "--reference", reference, "--json", "-" });
    EXPECT_EQ(result.exitCode, 0) << result.error;
    return result.exitCode == 0 ? nlohmann::json::parse(result.output).at("mean_dice").get<double>() : -1;
  }

  /** Demonstration pictures as the slices of a volume on an oblique grid. */
  static void WriteVolume(const std::string & image, const std::string & labels, std::uint64_t seed, std::size_t slices)
  {
    constexpr std::size_t extent = 64;
    const Volume::SizeType size{ { extent, extent, slices } };
    auto volume = Volume::New();
    volume->SetRegions(size);
    volume->Allocate();
    auto labelVolume = LabelVolume::New();
    labelVolume->SetRegions(size);
    labelVolume->Allocate();
    for (std::size_t k = 0; k < slices; ++k)
    {
      const auto one = universeg::MakeDemoCase(seed + k, extent);
      const std::size_t pixels = extent * extent;
      std::copy_n(one.image->GetBufferPointer(), pixels, volume->GetBufferPointer() + k * pixels);
      std::copy_n(one.labels->GetBufferPointer(), pixels, labelVolume->GetBufferPointer() + k * pixels);
    }
    const double spacing[] = { 0.5, 0.75, 3.0 };
    const double origin[] = { -10.0, 20.0, 30.5 };
    Volume::DirectionType direction;
    direction.SetIdentity();
    direction(0, 0) = std::cos(0.3);
    direction(1, 1) = std::cos(0.3);
    direction(0, 1) = -std::sin(0.3);
    direction(1, 0) = std::sin(0.3);
    volume->SetSpacing(spacing);
    volume->SetOrigin(origin);
    volume->SetDirection(direction);
    labelVolume->CopyInformation(volume);
    universeg::WriteProbabilities(*volume, 3, image);
    universeg::WriteLabels(*labelVolume, 3, labels);
  }

  static std::string s_Demo;
  static std::string s_Work;
  static ProcessResult s_Result;
};

std::string Command::s_Demo;
std::string Command::s_Work;
ProcessResult Command::s_Result;

TEST_F(Command, HelpAndVersion)
{
  for (const char * option : { "--help", "-h", "help" })
  {
    const ProcessResult result = RunCommand({ option });
    EXPECT_EQ(result.exitCode, 0);
    EXPECT_EQ(result.error, "");
    for (const char * name : { "segment", "evaluate", "forward", "convert", "info", "bench", "explain", "demo" })
    {
      EXPECT_NE(result.output.find(name), std::string::npos);
    }
  }
  for (const char * name : { "segment", "evaluate", "forward", "convert", "info", "bench", "explain", "demo" })
  {
    const ProcessResult result = RunCommand({ name, "--help" });
    EXPECT_EQ(result.exitCode, 0);
    EXPECT_EQ(result.error, "");
    EXPECT_EQ(result.output.find(std::string("Usage: universeg ") + name), 0U);
  }
  EXPECT_EQ(RunCommand({ "--version" }).output.find("universeg "), 0U);
}

TEST_F(Command, WrongUsageIsStatusTwoInOneLine)
{
  ExpectFailure({}, 2, "a subcommand is missing");
  ExpectFailure({ "divine" }, 2, "no subcommand 'divine'");
  for (const char * name : { "segment", "evaluate", "forward", "convert", "info", "bench", "explain", "demo" })
  {
    ExpectFailure({ name, "--nonsense" }, 2, "nonsense");
  }
  ExpectFailure({ "info" }, 2, "--file is missing");
  ExpectFailure({ "forward" }, 2, "--inputs is missing");
  ExpectFailure({ "forward", "--inputs", "a", "--outputs", "b" }, 2, "--model is missing");
  ExpectFailure({ "evaluate", "--prediction", "a" }, 2, "--reference is missing");
  ExpectFailure({ "bench", "--repeat", "0" }, 2, "--repeat is 0");
  ExpectFailure({ "bench", "--repeat", "1.5" }, 2, "not an integer");
  ExpectFailure({ "bench", "--network", "other" }, 2, "there is no network 'other'");
  ExpectFailure({ "segment" }, 2, "--image is missing");
  ExpectFailure({ "segment", "--image", Target(1) }, 2, "--output is missing");
  const std::vector<std::string> start{ "segment", "--image", Target(1), "--output", s_Work + "/x.png" };
  const auto with = [&start](std::vector<std::string> more)
  {
    more.insert(more.begin(), start.begin(), start.end());
    return more;
  };
  ExpectFailure(start, 2, "--support is missing");
  ExpectFailure(with({ "--support-images", "a" }), 2, "1 --support-images and 0 --support-labels");
  ExpectFailure(with({ "--threshold", "1.5" }), 2, "--threshold is 1.5");
  ExpectFailure(with({ "--threshold", "0,5" }), 2, "not a number");
  ExpectFailure(with({ "--normalize", "window" }), 2, "window:LOW,HIGH");
  ExpectFailure(with({ "--normalize", "wrong" }), 2, "should be minmax");
  ExpectFailure(with({ "--normalize", "percentile:90,10" }), 2, "--normalize");
  ExpectFailure(with({ "--slice-axis", "3" }), 2, "--slice-axis is 3");
  ExpectFailure(with({ "--precision", "float7" }), 2, "float7");
  ExpectFailure(with({ "--support", Supports(), "--label", "0" }), 2, "--label is 0");
  ExpectFailure(with({ "--support", Supports(), "--label-color", "1,2" }), 2, "R,G,B");
  ExpectFailure(
    with({ "--support", Supports(), "--label", "1", "--binary" }), 2, "--label excludes --label-color and --binary");
  ExpectFailure(with({ "--support", Supports(), "--network", "universeg" }), 2, "--network and --config");
}

TEST_F(Command, UnknownNetworksAreWrongUsage)
{
  // None of the files is there: the name is checked before they are looked for.
  const std::string known = "--network: there is no network 'other'; known are: universeg";
  const std::string missing = s_Work + "/missing";
  for (const std::vector<std::string> & arguments :
       { std::vector<std::string>{ "segment", "--image", missing, "--support", missing, "--output", missing },
         { "forward", "--inputs", missing, "--outputs", missing, "--weights", missing },
         { "convert", missing, missing },
         { "demo", "--output", missing, "--model", missing } })
  {
    auto with = arguments;
    with.insert(with.end(), { "--network", "other" });
    ExpectFailure(with, 2, known);
    with.back() = "";
    ExpectFailure(with, 2, "there is no network ''");
  }
  ExpectFailure({ "bench", "--network", "other" }, 2, known);
  ExpectFailure({ "explain", "--network", "other" }, 2, known);
  ExpectFailure({ "explain", "--size", "12" }, 1, "should be multiples of 8");
  EXPECT_FALSE(fs::exists(missing));
  const std::string weights = UNIVERSEG_TEST_GOLDENS "/universeg/a_tiny/weights.pt";
  const ProcessResult result =
    RunCommand({ "convert", weights, s_Work + "/network.safetensors", "--network", "UniverSeg" });
  EXPECT_EQ(result.exitCode, 0) << result.error;
}

TEST_F(Command, FailuresAreStatusOneInOneLine)
{
  const std::string output = s_Work + "/never.png";
  ExpectFailure({ "segment", "--image", "missing.png", "--support", Supports(), "--output", output },
                1,
                "missing.png: there is no such file");
  ExpectFailure(
    { "segment", "--image", Target(1), "--support", "missing", "--output", output }, 1, "there is no such folder");
  ExpectFailure({ "segment", "--image", Target(1), "--support", Supports(), "--label", "7", "--output", output },
                1,
                "has a label that is asked for");
  ExpectFailure({ "segment", "--image", Target(1), "--support", Supports(), "--backend", "abacus", "--output", output },
                2,
                "abacus");
  ExpectFailure(
    { "segment", "--image", Target(1), "--support", Supports(), "--precision", "int32", "--output", output },
    2,
    "floating-point");
  ExpectFailure(
    { "segment", "--image", Target(1), "--support", Supports(), "--labels", "4294967551", "--output", output },
    2,
    "4294967551");
  ExpectFailure({ "segment", "--image", Target(1), "--support", Supports(), "--output", s_Work + "/x.xyz" },
                2,
                "unknown extension");
  ExpectFailure({ "segment", "--image", s_Work + "/missing.png", "--support", Supports(), "--output", output },
                1,
                "there is no such file");
  ExpectFailure({ "segment", "--image", Target(1), "--support", Supports(), "--output", s_Work + "/none/x.png" },
                1,
                "there is no folder");
  ExpectFailure(
    { "segment", "--image", Target(1), "--support", Supports(), "--output", Target(1) }, 1, "would replace an input");
  EXPECT_FALSE(fs::exists(output));

  const std::string text = s_Work + "/text.png";
  std::ofstream(text) << "no image";
  ExpectFailure({ "segment", "--image", text, "--support", Supports(), "--output", output }, 1, "text.png");
  ExpectFailure(
    { "evaluate", "--prediction", Target(1), Target(2), "--reference", Truth(1) }, 2, "there are 2 predictions and 1");
  ExpectFailure({ "evaluate", "--prediction", Truth(1), "--reference", s_Demo + "/montage.png" }, 1, "is in colour");

  const std::string unpaired = MakeFolder("work/unpaired");
  fs::copy_file(Target(1), unpaired + "/a.png");
  fs::copy_file(Truth(1), unpaired + "/a_mask.png");
  fs::copy_file(Target(2), unpaired + "/b.png");
  ExpectFailure({ "segment", "--image", Target(1), "--support", unpaired, "--output", output }, 1, "'b.png'");
  fs::copy_file(s_Demo + "/montage.png", unpaired + "/b_mask.png");
  ExpectFailure({ "segment", "--image", Target(1), "--support", unpaired, "--output", output }, 1, "b_mask.png");
}

TEST_F(Command, DemoWritesPicturesAndSegmentsWell)
{
  ASSERT_EQ(s_Result.exitCode, 0) << s_Result.error;
  EXPECT_EQ(s_Result.error, "");
  EXPECT_NE(s_Result.output.find("embedded model is small"), std::string::npos);
  EXPECT_EQ(universegtest::ReadFile(s_Demo + "/montage.png").substr(1, 3), "PNG");
  EXPECT_EQ(universeg::ListImages(s_Demo + "/results").size(), 6U);
  EXPECT_GT(MeanDice(s_Demo + "/results", s_Demo + "/targets"), 0.85);
}

TEST_F(Command, SegmentsOneImageAndAFolderAlike)
{
  const std::string one = s_Work + "/one.png";
  ProcessResult result =
    RunCommand({ "segment", "--image", Target(1), "--support", Supports(), "--output", one, "--threads", "1" });
  ASSERT_EQ(result.exitCode, 0) << result.error;
  EXPECT_EQ(result.output + result.error, "");
  EXPECT_GT(MeanDice(one, Truth(1)), 0.8);

  const std::string folder = s_Work + "/many";
  result = RunCommand({ "segment", Target(1), Target(2), "--support", Supports(), "--output", folder });
  ASSERT_EQ(result.exitCode, 0) << result.error;
  EXPECT_EQ(MeanDice(folder + "/cell_01_seg.png", one), 1.0);
  EXPECT_GT(MeanDice(folder, s_Demo + "/targets"), 0.8);
}

TEST_F(Command, WritesProbabilitiesOverlayAndMontage)
{
  const std::string folder = MakeFolder("work/pictures");
  const ProcessResult result = RunCommand({ "segment",
                                            "--image",
                                            Target(2),
                                            "--support",
                                            Supports(),
                                            "--max-supports",
                                            "4",
                                            "--ensemble",
                                            "2",
                                            "--ensemble-size",
                                            "3",
                                            "--seed",
                                            "7",
                                            "--output",
                                            folder + "/labels.nrrd",
                                            "--probability",
                                            folder + "/p.nii.gz",
                                            "--overlay",
                                            folder + "/overlay.png",
                                            "--montage",
                                            folder + "/montage.png" });
  ASSERT_EQ(result.exitCode, 0) << result.error;
  const auto probability = universeg::ReadImage(folder + "/p.nii.gz");
  const auto labels = universeg::ToLabels(universeg::ReadImage(folder + "/labels.nrrd"), {});
  ASSERT_EQ(probability.pixels.size(), labels->GetLargestPossibleRegion().GetNumberOfPixels());
  for (std::size_t i = 0; i < probability.pixels.size(); ++i)
  {
    ASSERT_GE(probability.pixels[i], 0.0F);
    ASSERT_LE(probability.pixels[i], 1.0F);
    ASSERT_EQ(labels->GetBufferPointer()[i], probability.pixels[i] > 0.5F ? 255 : 0);
  }
  EXPECT_EQ(universeg::ReadImage(folder + "/overlay.png").components, 3U);
  EXPECT_EQ(universeg::ReadImage(folder + "/montage.png").components, 3U);
}

TEST_F(Command, KeepsTheGeometryOfAVolume)
{
  const std::string folder = MakeFolder("work/volume");
  WriteVolume(folder + "/support.nii.gz", folder + "/support-label.nii.gz", 300, 6);
  WriteVolume(folder + "/target.nii.gz", folder + "/truth.nii.gz", 320, 3);
  for (const char * extension : { ".nii.gz", ".mha", ".nrrd" })
  {
    const std::string output = folder + "/result" + extension;
    const ProcessResult result = RunCommand({ "segment",
                                              "--image",
                                              folder + "/target.nii.gz",
                                              "--support-images",
                                              folder + "/support.nii.gz",
                                              "--support-labels",
                                              folder + "/support-label.nii.gz",
                                              "--output",
                                              output,
                                              "--normalize",
                                              "percentile:1,99" });
    ASSERT_EQ(result.exitCode, 0) << result.error;
    // evaluate compares size, spacing, origin and direction first.
    EXPECT_GT(MeanDice(output, folder + "/truth.nii.gz"), 0.75);
  }
  const ProcessResult axis = RunCommand({ "segment",
                                          "--image",
                                          folder + "/target.nii.gz",
                                          "--support-images",
                                          folder + "/support.nii.gz",
                                          "--support-labels",
                                          folder + "/support-label.nii.gz",
                                          "--slice-axis",
                                          "1",
                                          "--max-supports",
                                          "1",
                                          "--output",
                                          folder + "/axis.nii.gz" });
  EXPECT_EQ(axis.exitCode, 0) << axis.error;
  ExpectFailure(
    { "segment", "--image", folder + "/target.nii.gz", "--support", Supports(), "--output", folder + "/volume.png" },
    1,
    "use for example .nii.gz");
  ExpectFailure({ "evaluate", "--prediction", folder + "/truth.nii.gz", "--reference", Truth(1) }, 1, "size");
}

TEST_F(Command, PicksColoursAndLabels)
{
  const std::string folder = MakeFolder("work/colours");
  fs::create_directories(folder + "/images");
  fs::create_directories(folder + "/masks");
  for (int i = 0; i < 4; ++i)
  {
    const auto one = universeg::MakeDemoCase(500 + static_cast<std::uint64_t>(i), 64);
    std::vector<unsigned char> image;
    std::vector<unsigned char> mask;
    for (std::size_t k = 0; k < 64 * 64; ++k)
    {
      const auto gray = static_cast<unsigned char>(one.image->GetBufferPointer()[k]);
      const bool inside = one.labels->GetBufferPointer()[k] != 0;
      image.insert(image.end(), { gray, gray, gray });
      mask.insert(mask.end(),
                  { static_cast<unsigned char>(inside ? 0 : 255), 0, static_cast<unsigned char>(inside ? 255 : 0) });
    }
    const std::string name = "/case_" + std::to_string(i) + ".png";
    universeg::WriteColorImage(folder + "/images" + name, 64, 64, image);
    universeg::WriteColorImage(folder + "/masks" + name, 64, 64, mask);
  }
  const std::string image = folder + "/images/case_0.png";
  const std::vector<std::string> start{ "segment", "--image", image, "--support", folder, "--output" };
  const auto with = [&start](std::vector<std::string> more)
  {
    more.insert(more.begin(), start.begin(), start.end());
    return more;
  };
  ExpectFailure(with({ folder + "/x.png" }), 1, "--label-color R,G,B (it has 0,0,255 255,0,0)");
  ProcessResult result = RunCommand(with({ folder + "/blue.png", "--label-color", "0,0,255" }));
  ASSERT_EQ(result.exitCode, 0) << result.error;
  result = RunCommand({ "evaluate",
                        "--prediction",
                        folder + "/blue.png",
                        "--reference",
                        folder + "/masks/case_0.png",
                        "--label-color",
                        "0,0,255",
                        "--csv",
                        folder + "/scores.csv" });
  ASSERT_EQ(result.exitCode, 0) << result.error;
  EXPECT_NE(result.output.find("dice"), std::string::npos);
  std::istringstream csv(universegtest::ReadFile(folder + "/scores.csv"));
  std::string header;
  std::string row;
  ASSERT_TRUE(std::getline(csv, header) && std::getline(csv, row));
  EXPECT_EQ(header.find("prediction,reference,label,dice"), 0U);

  result = RunCommand(with({ folder + "/both.png", "--label-color", "0,0,255", "255,0,0", "--binary" }));
  ASSERT_EQ(result.exitCode, 0) << result.error;
  EXPECT_EQ(universeg::FindLabels(*universeg::ToLabels(universeg::ReadImage(folder + "/both.png"), {})),
            std::vector<std::int32_t>{ 1 });
  result = RunCommand({ "evaluate",
                        "--prediction",
                        folder + "/both.png",
                        "--reference",
                        folder + "/masks/case_0.png",
                        "--label-color",
                        "0,0,255",
                        "255,0,0",
                        "--binary" });
  EXPECT_EQ(result.exitCode, 0) << result.error;
  result = RunCommand(with({ folder + "/both.png", "--label-color", "0,0,255", "255,0,0" }));
  ASSERT_EQ(result.exitCode, 0) << result.error;
  const auto labels = universeg::FindLabels(*universeg::ToLabels(universeg::ReadImage(folder + "/both.png"), {}));
  EXPECT_EQ(labels, (std::vector<std::int32_t>{ 1, 2 }));
  const std::vector<std::string> maps{ "--label-color", "0,0,255", "255,0,0", "--probability", folder + "/p.nii.gz" };
  auto clash = maps;
  clash.insert(clash.begin(), folder + "/p_2.nii.gz");
  ExpectFailure(with(clash), 2, "p_2.nii.gz: two results would have this name");
  clash.front() = folder + "/p.nii.gz";
  result = RunCommand(with(clash));
  EXPECT_EQ(result.exitCode, 0) << result.error;
  EXPECT_TRUE(fs::exists(folder + "/p_1.nii.gz"));
  EXPECT_TRUE(fs::exists(folder + "/p_2.nii.gz"));

  ExpectFailure(with({ folder + "/x.png", "--label-color", "1,2,3" }), 1, "has a label that is asked for");
}

TEST_F(Command, EvaluateChecksItsOutputsFirst)
{
  const std::string folder = MakeFolder("work/scores");
  const std::string text = folder + "/text.png";
  std::ofstream(text) << "no image";
  const std::vector<std::string> start{ "evaluate", "--prediction", text, Target(1), "--reference", text, Truth(1) };
  const auto with = [&start](std::vector<std::string> more)
  {
    more.insert(more.begin(), start.begin(), start.end());
    return more;
  };
  const std::string scores = folder + "/scores";
  fs::create_symlink("scores", folder + "/link");
  const std::string same = "name the same file; should be two";
  ExpectFailure(with({ "--csv", scores, "--json", scores }), 2, same);
  ExpectFailure(with({ "--csv", scores, "--json", folder + "/../scores/scores" }), 2, same);
  ExpectFailure(with({ "--csv", folder + "/link", "--json", scores }), 2, same);
  const std::string truth = folder + "/truth.png";
  fs::copy_file(Truth(1), truth);
  ExpectFailure(
    { "evaluate", "--prediction", text, Truth(1), "--reference", text, truth, "--csv", truth }, 1, "replace an input");
  EXPECT_FALSE(fs::exists(scores));

  const ProcessResult result = RunCommand(
    { "evaluate", "--prediction", truth, "--reference", Truth(1), "--csv", scores, "--json", folder + "/json" });
  EXPECT_EQ(result.exitCode, 0) << result.error;
  EXPECT_EQ(universegtest::ReadFile(scores).find("prediction,reference"), 0U);
  EXPECT_TRUE(nlohmann::json::parse(universegtest::ReadFile(folder + "/json")).contains("mean_dice"));
}

/** Two pairs of volumes of 6 x 5 x 4 pixels with a spacing of 1 x 2 x 3 mm, `a` and `b`. Label 1
 * is a plate, in the predictions one slice higher; label 2 is a pixel, which the prediction of b
 * does not have. */
void
WriteEvaluationPairs(const std::string & folder)
{
  for (const char * part : { "/predictions", "/references" })
  {
    fs::create_directories(folder + part);
    const bool isPrediction = std::string(part) == "/predictions";
    for (const char * name : { "/a.nii.gz", "/b.nii.gz" })
    {
      auto labels = LabelVolume::New();
      labels->SetRegions(LabelVolume::SizeType{ { 6, 5, 4 } });
      labels->Allocate(true);
      const double spacing[] = { 1, 2, 3 };
      labels->SetSpacing(spacing);
      for (itk::IndexValueType i = 0; i < 12; ++i)
      {
        labels->SetPixel({ { 1 + i % 4, 1 + i / 4, isPrediction ? 1 : 0 } }, 1);
      }
      if (!isPrediction || std::string(name) == "/a.nii.gz")
      {
        labels->SetPixel({ { 0, isPrediction ? 2 : 0, 3 } }, 2);
      }
      universeg::WriteLabels(*labels, 3, folder + part + name);
    }
  }
}

TEST_F(Command, EvaluatesNamedMetrics)
{
  const std::string folder = MakeFolder("work/metrics");
  WriteEvaluationPairs(folder);
  const auto evaluate = [&folder](std::vector<std::string> more)
  {
    more.insert(more.begin(),
                { "evaluate", "--prediction", folder + "/predictions", "--reference", folder + "/references" });
    return RunCommand(more);
  };
  const auto table = [&folder](const std::string & metric)
  { return universegtest::ReadFile(folder + "/tables/eval_" + metric + ".csv"); };

  const std::vector<std::string> metrics{ "--metric", "dice,assd",         "hd95",         "hausdorff",       "nsd,rve",
                                          "volume",   "volume-similarity", "--metric-csv", folder + "/tables" };
  auto arguments = metrics;
  arguments.insert(arguments.end(), { "--nsd-tolerance", "3", "--csv", folder + "/all.csv" });
  ProcessResult result = evaluate(arguments);
  ASSERT_EQ(result.exitCode, 0) << result.error;
  EXPECT_NE(result.output.find("hausdorff     nsd"), std::string::npos) << result.output;
  EXPECT_NE(result.output.find("average  mean"), std::string::npos) << result.output;
  EXPECT_EQ(table("assd"),
            "image,class_1,class_2,average\na.nii.gz,3,4,3.5\nb.nii.gz,3,,3\nmean,3,4,3.25\nstd,0,0,0.25\n");
  EXPECT_EQ(table("nsd"),
            "image,class_1,class_2,average\na.nii.gz,1,0,0.5\nb.nii.gz,1,0,0.5\nmean,1,0,0.5\nstd,0,0,0\n");
  EXPECT_EQ(table("volume").find("image,class_1,class_2,average\na.nii.gz,72,6,39\n"), 0U);
  EXPECT_EQ(table("rve").find("image,class_1,class_2,average\na.nii.gz,0,0,0\nb.nii.gz,0,1,0.5\n"), 0U);
  EXPECT_NE(table("volume_similarity").find("b.nii.gz,1,0,0.5\n"), std::string::npos);
  EXPECT_NE(universegtest::ReadFile(folder + "/all.csv")
              .find("label,dice,assd,hd95,hausdorff,nsd,rve,volume,volume_similarity,prediction_voxels"),
            std::string::npos);

  arguments = metrics;
  arguments.insert(arguments.end(), { "--compatibility", "pymic", "--labels", "2,1", "--json", "-" });
  result = evaluate(arguments);
  ASSERT_EQ(result.exitCode, 0) << result.error;
  EXPECT_EQ(table("hd95"),
            "image,class_2,class_1,average\na.nii.gz,4,3,3.5\nb.nii.gz,100,3,51.5\nmean,52,3,27.5\nstd,48,0,24\n");
  const auto report = nlohmann::json::parse(result.output);
  EXPECT_EQ(report["summary"][0]["assd"], (nlohmann::json{ { "mean", 12.0 }, { "std", 8.0 }, { "count", 2 } }));
  EXPECT_TRUE(report["cases"][1]["labels"][0]["hausdorff"].is_null());
  EXPECT_NEAR(report["cases"][1]["labels"][0]["dice"].get<double>(), 1e-5, 1e-9);
  EXPECT_EQ(report["mean_volume"], 39.0);

  result = evaluate({ "--metric", "hd95", "--compatibility", "pymic-head", "--labels", "2", "--json", "-" });
  ASSERT_EQ(result.exitCode, 0) << result.error;
  EXPECT_EQ(nlohmann::json::parse(result.output)["summary"][0]["hd95"]["mean"], 27.0);

  for (const std::vector<std::string> & unions :
       { std::vector<std::string>{ "--fuse" }, { "--labels", "1+2" }, { "--labels", "1", "2", "--fuse" } })
  {
    arguments = unions;
    arguments.insert(arguments.end(), { "--metric", "volume", "--json", "-" });
    result = evaluate(arguments);
    ASSERT_EQ(result.exitCode, 0) << result.error;
    const auto fused = nlohmann::json::parse(result.output);
    ASSERT_EQ(fused["summary"].size(), 1U);
    EXPECT_EQ(fused["summary"][0]["label"], "1+2");
    EXPECT_EQ(fused["summary"][0]["volume"]["mean"], 78.0);
  }
  // A label that no image has is empty in all of them.
  result = evaluate({ "--labels", "7", "--metric", "assd", "dice", "--metric-csv", folder + "/tables" });
  ASSERT_EQ(result.exitCode, 0) << result.error;
  EXPECT_EQ(table("assd"), "image,class_7\na.nii.gz,0\nb.nii.gz,0\nmean,0\nstd,0\n");
  EXPECT_EQ(table("dice"), "image,class_7\na.nii.gz,\nb.nii.gz,\nmean,\nstd,\n");
}

TEST_F(Command, EvaluatesThePairsOfATable)
{
  const std::string folder = MakeFolder("work/pairs");
  WriteEvaluationPairs(folder);
  fs::copy_file(folder + "/predictions/a.nii.gz", folder + "/predictions/a, again.nii.gz");
  const std::string pairs = folder + "/pairs.csv";
  std::ofstream(pairs, std::ios::binary) << "ground_truth,segmentation,remark\r\n"
                                            "a.nii.gz,\"a, again.nii.gz\",\"of \"\"a\"\"\"\r\n"
                                            "\r\n"
                                            "b.nii.gz,b.nii.gz";
  ProcessResult result = RunCommand({ "evaluate",
                                      "--pairs",
                                      pairs,
                                      "--prediction",
                                      folder + "/predictions",
                                      "--reference",
                                      folder + "/references",
                                      "--labels",
                                      "1",
                                      "--metric",
                                      "hausdorff",
                                      "--metric-csv",
                                      folder });
  ASSERT_EQ(result.exitCode, 0) << result.error;
  EXPECT_EQ(universegtest::ReadFile(folder + "/eval_hausdorff.csv"),
            "image,class_1\n\"a, again.nii.gz\",3\nb.nii.gz,3\nmean,3\nstd,0\n");

  // Without folders the names are relative to the table.
  std::ofstream(pairs) << "truth,result\nreferences/a.nii.gz,predictions/a.nii.gz\n";
  result = RunCommand({ "evaluate", "--pairs", pairs, "--metric", "dice", "--json", "-" });
  ASSERT_EQ(result.exitCode, 0) << result.error;
  EXPECT_EQ(nlohmann::json::parse(result.output)["cases"].size(), 1U);

  ExpectFailure({ "evaluate", "--pairs", folder + "/none.csv" }, 1, "none.csv: the file cannot be read");
  ExpectFailure({ "evaluate", "--pairs", pairs, "--prediction", pairs }, 2, "--prediction should be the folder");
  ExpectFailure({ "evaluate", "--pairs", pairs, "--mask-suffix", "_x" }, 2, "--pairs excludes --mask-suffix");
  ExpectFailure({ "evaluate", "--pairs", pairs, "--csv", pairs }, 1, "replace an input");
  std::ofstream(pairs) << "truth,result\n";
  ExpectFailure({ "evaluate", "--pairs", pairs }, 1, "no pairs below its header");
  std::ofstream(pairs) << "truth,result\na.nii.gz,\n";
  ExpectFailure({ "evaluate", "--pairs", pairs }, 1, "pair 1 should have the name of the reference and");
  std::ofstream(pairs) << "truth,result\na,\"b\n";
  ExpectFailure({ "evaluate", "--pairs", pairs }, 1, "a quotation mark is not closed");
}

TEST_F(Command, EvaluateRefusesWhatItCannotMeasure)
{
  const std::string folder = MakeFolder("work/unmeasured");
  WriteEvaluationPairs(folder);
  const std::string a = folder + "/predictions/a.nii.gz";
  const std::string b = folder + "/predictions/b.nii.gz";
  const auto fail = [&a, &b](std::vector<std::string> more, int exitCode, const std::string & part)
  {
    more.insert(more.begin(), { "evaluate", "--prediction", a, "--reference", b });
    ExpectFailure(more, exitCode, part);
  };
  fail({ "--metric", "dice", "hd99" }, 2, "'hd99' is not known; should be one of dice, iou, assd");
  fail({ "--metric", "dice,dice" }, 2, "dice is given twice");
  fail({ "--metric", "nsd", "--nsd-tolerance=-1" }, 2, "--nsd-tolerance is -1; should be from 0.00");
  fail({ "--metric", "nsd", "--nsd-tolerance", "x" }, 2, "'x' is not a number");
  fail({ "--nsd-tolerance", "1" }, 2, "which --metric does not name");
  fail({ "--compatibility", "monai" }, 2, "should be none, pymic or pymic-head");
  fail({ "--compatibility", "pymic", "--empty-value", "1" }, 2, "--empty-value excludes --compatibility");
  fail({ "--labels", "1,x" }, 2, "--labels: 'x' is not an integer");
  fail({ "--labels", "1+1" }, 2, "1+1 has a label twice");
  fail({ "--labels", "1,1" }, 2, "1 is given twice");
  fail({ "--labels", "1", "--label", "1" }, 2, "--labels excludes");
  fail({ "--metric-csv", a }, 1, "the folder cannot be made");
  fail({ "--metric", "dice", "--metric-csv", folder, "--csv", folder + "/eval_dice.csv" }, 2, "name the same file");
  fail({ "--metric", "rve", "--compatibility", "pymic" }, 1, "volume error of label 2, which the reference does not");

  auto slice = LabelVolume::New();
  slice->SetRegions(LabelVolume::SizeType{ { 4, 3, 1 } });
  slice->Allocate(true);
  slice->SetPixel({ { 1, 1, 0 } }, 1);
  const std::string volume = folder + "/slice.nrrd";
  universeg::WriteLabels(*slice, 3, volume);
  ExpectFailure(
    { "evaluate", "--prediction", volume, "--reference", volume, "--metric", "assd", "--compatibility", "pymic" },
    1,
    "a volume of one slice");
  const std::string picture = folder + "/slice.png";
  universeg::WriteLabels(*slice, 2, picture);
  for (const std::vector<std::string> & works : { std::vector<std::string>{ volume, "dice,nsd", "pymic" },
                                                  { volume, "assd", "none" },
                                                  { picture, "assd", "pymic" } })
  {
    const ProcessResult result = RunCommand({ "evaluate",
                                              "--prediction",
                                              works[0],
                                              "--reference",
                                              works[0],
                                              "--metric",
                                              works[1],
                                              "--compatibility",
                                              works[2] });
    EXPECT_EQ(result.exitCode, 0) << works[0] << ' ' << works[1] << ' ' << result.error;
  }
}

TEST_F(Command, EvaluateMakesTheTablesOfPyMIC)
{
  const char * goldens = std::getenv("UNIVERSEG_GOLDENS_DIR");
  if (goldens == nullptr)
  {
    GTEST_SKIP() << "UNIVERSEG_GOLDENS_DIR, the folder of all golden vectors, is not set";
  }
  const std::string official = std::string(goldens) + "/misfm/e2e";
  const std::string folder = MakeFolder("work/pymic");
  const std::vector<std::string> metrics{ "dice", "iou", "assd", "hd95", "rve", "volume" };
  std::vector<std::string> arguments{ "evaluate",
                                      "--pairs",
                                      official + "/gt_seg.csv",
                                      "--reference",
                                      official + "/data",
                                      "--prediction",
                                      official + "/result",
                                      "--labels",
                                      "1,2",
                                      "--compatibility",
                                      "pymic",
                                      "--metric-csv",
                                      folder,
                                      "--metric" };
  arguments.insert(arguments.end(), metrics.begin(), metrics.end());
  const ProcessResult process = RunCommand(arguments);
  ASSERT_EQ(process.exitCode, 0) << process.error;
  const auto readRows = [](const std::string & name)
  {
    std::vector<std::vector<std::string>> rows;
    std::istringstream lines(universegtest::ReadFile(name));
    for (std::string line; std::getline(lines, line);)
    {
      rows.push_back(universeg::Split(line.substr(0, line.find('\r')), ','));
    }
    return rows;
  };
  for (const std::string & metric : metrics)
  {
    const auto expected = readRows(official + "/result/eval_" + metric + ".csv");
    const auto rows = readRows(folder + "/eval_" + metric + ".csv");
    ASSERT_EQ(expected.size(), 5U) << metric;
    ASSERT_EQ(rows.size(), expected.size()) << metric;
    EXPECT_EQ(rows[0], expected[0]) << metric;
    for (std::size_t i = 1; i < rows.size(); ++i)
    {
      ASSERT_EQ(rows[i].size(), expected[i].size()) << metric;
      EXPECT_EQ(rows[i][0], expected[i][0]) << metric;
      for (std::size_t j = 1; j < rows[i].size(); ++j)
      {
        const double value = universeg::ParseNumber(expected[i][j], metric);
        const double result = universeg::ParseNumber(rows[i][j], metric);
        EXPECT_NEAR(result, value, 1e-12 * std::max(1.0, value)) << metric << ' ' << rows[i][0];
      }
    }
  }
}

TEST_F(Command, SegmentChecksItsOutputsFirst)
{
  const std::string folder = MakeFolder("work/outputs");
  for (const char * name : { "/a", "/b" })
  {
    fs::create_directories(folder + name);
    fs::copy_file(Target(1), folder + name + "/x.png");
  }
  const std::string out = folder + "/out";
  const auto fail = [](std::vector<std::string> arguments, int exitCode, const std::string & part)
  {
    arguments.insert(arguments.begin(), { "segment", "--support", Supports() });
    ExpectFailure(arguments, exitCode, part);
  };
  fail({ "--image", folder + "/a/x.png", folder + "/b/x.png", "--output", out },
       2,
       "two results would have this name, the labels of '" + folder + "/a/x.png' and the labels of '");
  EXPECT_FALSE(fs::exists(out));

  const std::string file = folder + "/result.png";
  fs::create_symlink("result.png", folder + "/link.png");
  fail({ "--image", Target(1), "--output", file, "--probability", file }, 2, "the labels of");
  fail({ "--image", Target(1), "--output", file, "--overlay", folder + "/a/../result.png" }, 2, "the overlay of");
  fail({ "--image", Target(1), "--output", file, "--montage", folder + "/link.png" }, 2, "and the montage");
  fail(
    { "--image", Target(1), "--output", file, "--montage", folder + "/none/montage.png" }, 1, "there is no folder '");
  fail({ "--image", Target(1), "--output", file, "--probability", folder + "/p.jpg" }, 1, "JPEG changes the values");
  EXPECT_FALSE(fs::exists(file));

  const std::string volume = folder + "/volume.nii.gz";
  WriteVolume(volume, folder + "/labels.nii.gz", 320, 3);
  fail({ "--image", Target(1), volume, "--extension", ".tif", "--output", out }, 1, "this one has 3 slices");
  fail({ "--image", Target(1), volume, "--extension", ".png", "--probability", out }, 1, "this one has 3 slices");
  std::ofstream(folder + "/text.png") << "no image";
  fail({ "--image", Target(1), folder + "/text.png", "--output", out }, 1, "text.png");
  EXPECT_TRUE(fs::is_empty(out));
}

TEST_F(Command, SegmentChecksTheGridFirst)
{
  const std::string folder = MakeFolder("work/grid");
  const std::string text = folder + "/text.png";
  std::ofstream(text) << "no image";
  std::vector<std::string> arguments{ "segment",  "--image",         text,     "--support", Supports(),
                                      "--output", folder + "/x.png", "--grid", "33" };
  ExpectFailure(arguments, 2, "universeg segment: --grid 33 does not suit the network");
  ExpectFailure(arguments, 2, "height 33 and width 33 should be multiples of ");

  // The grid of a card, written by other means.
  const std::string model = folder + "/model.safetensors";
  const auto tiny = itk::nn::Model::Read(UNIVERSEG_TEST_GOLDENS "/universeg/a_tiny/weights.pt");
  itk::nn::ModelCard card = tiny->GetCard();
  card.network = "universeg";
  card.configuration = itk::nn::Network::Infer(tiny->GetWeights())->GetConfiguration();
  card.preprocessing = R"({"grid_size": [32, 33]})";
  tiny->SetCard(card);
  tiny->Write(model);
  arguments.insert(arguments.end(), { "--model", model });
  arguments[8] = "0";
  ExpectFailure(arguments, 1, "universeg segment: the model's grid does not suit the network");
  ExpectFailure(arguments, 1, "height 32 and width 33 should be multiples of ");
  arguments[8] = "32";
  arguments[2] = Target(1);
  const ProcessResult result = RunCommand(arguments);
  EXPECT_EQ(result.exitCode, 0) << result.error;
}

TEST_F(Command, ReadsADicomSeries)
{
  const char * data = std::getenv("UNIVERSEG_DATA_DIR");
  if (data == nullptr)
  {
    GTEST_SKIP() << "UNIVERSEG_DATA_DIR is not set";
  }
  const std::string folder = std::string(data) + "/totalseg/ct_dicom/example_ct_dicom";
  const auto image = universeg::ReadImage(folder);
  EXPECT_EQ(image.dimension, 3U);
  EXPECT_EQ(image.geometry->GetLargestPossibleRegion().GetSize()[2], 20U);
  const std::string output = s_Work + "/dicom.nii.gz";
  const ProcessResult result =
    RunCommand({ "segment", "--image", folder, "--support", Supports(), "--max-supports", "1", "--output", output });
  ASSERT_EQ(result.exitCode, 0) << result.error;
  const auto labels = universeg::ReadImage(output);
  EXPECT_EQ(labels.geometry->GetLargestPossibleRegion(), image.geometry->GetLargestPossibleRegion());
  EXPECT_LT((labels.geometry->GetOrigin() - image.geometry->GetOrigin()).GetNorm(), 1e-3);
}
} // namespace
