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

#include "itkImageFileWriter.h"
#include "itkNNSafeTensors.h"

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace
{
namespace fs = std::filesystem;
using universegtest::MakeFolder;
using universegtest::ReadFile;
using universegtest::RunCommand;

/** A ball of 100 and 101 in zeros, `channels` times along a fourth axis when there are several, and
 * its label: 1, its upper part 2, one voxel 254. */
void
WriteCase(const std::string & folder, const std::string & name, unsigned int channels = 1)
{
  using Channels = itk::Image<std::int16_t, 4>;
  const auto image = Channels::New();
  image->SetRegions(Channels::SizeType{ { 24, 20, 16, channels } });
  image->Allocate(true);
  const auto labels = universeg::LabelVolume::New();
  labels->SetRegions(universeg::LabelVolume::SizeType{ { 24, 20, 16 } });
  labels->Allocate(true);
  for (itk::IndexValueType z = 0; z < 16; ++z)
  {
    for (itk::IndexValueType y = 0; y < 20; ++y)
    {
      for (itk::IndexValueType x = 0; x < 24; ++x)
      {
        if ((x - 14) * (x - 14) + (y - 10) * (y - 10) + (z - 8) * (z - 8) <= 9)
        {
          for (itk::IndexValueType c = 0; c < channels; ++c)
          {
            image->SetPixel({ { x, y, z, c } }, static_cast<std::int16_t>(100 * (c + 1) + 20 * (x % 2)));
          }
          labels->SetPixel({ { x, y, z } }, z > 8 ? 2 : 1);
        }
      }
    }
  }
  labels->SetPixel({ { 14, 10, 8 } }, 254);
  const double spacing[] = { 0.5, 1, 2, 1 };
  const double origin[] = { 10, -20, 30, 0 };
  image->SetSpacing(spacing);
  image->SetOrigin(origin);
  labels->SetSpacing(spacing);
  labels->SetOrigin(origin);
  for (const char * part : { "/imagesTr", "/labelsTr" })
  {
    fs::create_directories(folder + part);
  }
  const auto writer = itk::ImageFileWriter<Channels>::New();
  writer->SetInput(image);
  writer->SetFileName(folder + "/imagesTr/" + name + ".nii.gz");
  writer->Update();
  universeg::WriteLabels(*labels, 3, folder + "/labelsTr/" + name + ".nii.gz");
}

void
ExpectFailure(const std::vector<std::string> & arguments, int code, const std::string & message)
{
  const auto result = RunCommand(arguments);
  EXPECT_EQ(result.exitCode, code) << result.error;
  EXPECT_NE(result.error.find(message), std::string::npos) << result.error;
}

std::vector<std::string>
ReadLines(const std::string & text)
{
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);)
  {
    lines.push_back(line);
  }
  return lines;
}
} // namespace

TEST(Preprocess, FilesOfTheReferenceAsGolden)
{
  const std::string golden = std::string(UNIVERSEG_TEST_GOLDENS) + "/u2net/proc/preprocess_ct_int16/";
  const auto expected = itk::nn::ReadSafeTensors(golden + "out.safetensors").tensors;
  const auto configuration = nlohmann::json::parse(ReadFile(golden + "config.json"));
  const std::string folder = MakeFolder("preprocess-golden");
  const auto result = RunCommand({ "preprocess",
                                   "--image",
                                   golden + "image.nii.gz",
                                   "--label",
                                   golden + "label.nii.gz",
                                   "--spacing",
                                   "2.5,0.77,0.8",
                                   "--classes",
                                   "3",
                                   "--format",
                                   "numpy",
                                   "--ignore-geometry",
                                   "--output",
                                   folder });
  ASSERT_EQ(result.exitCode, 0) << result.error;
  const auto expectElements = [&](const std::string & name, const itk::nn::Tensor & tensor, double tolerance)
  {
    const std::string bytes = ReadFile(folder + "/image_" + name + ".npy");
    ASSERT_GT(bytes.size(), tensor.GetNumberOfBytes()) << name;
    itk::nn::Tensor elements(tensor.GetShape(), tensor.GetDataType());
    std::memcpy(
      elements.GetRawData(), bytes.data() + bytes.size() - tensor.GetNumberOfBytes(), tensor.GetNumberOfBytes());
    const auto values = elements.ToVector<double>();
    const auto wanted = tensor.ToVector<double>();
    for (std::size_t i = 0; i < values.size(); ++i)
    {
      ASSERT_NEAR(values[i], wanted[i], tolerance) << name << ' ' << i;
    }
  };
  expectElements("volumes", expected.Get("volumes"), 1e-5);
  expectElements("weight", expected.Get("weight"), 0);
  expectElements("label", expected.Get("label").To(itk::nn::DataType::UInt8), 0);
  const auto json = nlohmann::json::parse(ReadFile(folder + "/image.json"));
  EXPECT_EQ(json.at("original_shape"), "(14, 26, 22)");
  EXPECT_EQ(json.at("bbox"), "[[0, 0, 0], [13, 25, 19]]");
  EXPECT_EQ(json.at("shape"), configuration.at("out_shape"));
}

TEST(Preprocess, DataSetsBecomeNiftiOnTheirGrid)
{
  const std::string folder = MakeFolder("preprocess-msd");
  const std::string data = folder + "/Task05_Prostate";
  WriteCase(data, "prostate_2", 2);
  WriteCase(data, "prostate_10", 2);
  fs::create_directories(data + "/imagesTs");
  fs::copy_file(data + "/imagesTr/prostate_10.nii.gz", data + "/imagesTs/prostate_11.nii.gz");
  const std::string output = folder + "/out";
  const auto result = RunCommand({ "preprocess", "--data", data + '/', "--output", output, "--margin", "2" });
  ASSERT_EQ(result.exitCode, 0) << result.error;
  EXPECT_EQ(result.output, "3 cases in " + output + '\n');
  EXPECT_EQ(result.error, "");
  EXPECT_FALSE(fs::exists(output + "/Ts/prostate_11_label.nii.gz"));
  EXPECT_TRUE(fs::exists(output + "/Ts/prostate_11_0001.nii.gz"));
  EXPECT_TRUE(fs::exists(output + "/Tr/prostate_10.json"));

  // x, y, z from 11 to 17, 7 to 13, 5 to 11 and the margin; at 0.625, 0.625 and 3.6 mm.
  const auto json = nlohmann::json::parse(ReadFile(output + "/Tr/prostate_2.json"));
  EXPECT_EQ(json.at("original_shape"), (std::vector<int>{ 16, 20, 24 }));
  EXPECT_EQ(json.at("bbox"), (std::vector<std::vector<int>>{ { 3, 5, 9 }, { 13, 15, 19 } }));
  EXPECT_EQ(json.at("shape"), (std::vector<int>{ 2, 6, 17, 8 }));
  EXPECT_EQ(json.at("original_spacing"), (std::vector<double>{ 2, 1, 0.5 }));
  EXPECT_EQ(json.at("spacing"), (std::vector<double>{ 3.6, 0.625, 0.625 }));
  for (const std::string end : { "_0000", "_0001", "_label", "_weight" })
  {
    const auto image = universeg::ReadImage(output + "/Tr/prostate_2" + end + ".nii.gz");
    EXPECT_EQ(image.geometry->GetLargestPossibleRegion().GetSize(), (itk::Size<3>{ { 8, 17, 6 } })) << end;
    EXPECT_NEAR(image.geometry->GetSpacing()[2], 3.6, 1e-6);
    EXPECT_NEAR(image.geometry->GetOrigin()[0], 10 + 9 * 0.5, 1e-5);
    EXPECT_NEAR(image.geometry->GetOrigin()[2], 30 + 3 * 2, 1e-5);
  }
  const auto labels = universeg::ToLabels(universeg::ReadImage(output + "/Tr/prostate_2_label.nii.gz"), {});
  EXPECT_EQ(universeg::FindLabels(*labels), (std::vector<std::int32_t>{ 1, 2 }));
}

TEST(Preprocess, FusesLabels)
{
  const std::string folder = MakeFolder("preprocess-fuse");
  WriteCase(folder, "a");
  const auto run = [&](const std::vector<std::string> & more)
  {
    std::vector<std::string> arguments{ "preprocess", folder + "/imagesTr/a.nii.gz",
                                        "--label",    folder + "/labelsTr/a.nii.gz",
                                        "--output",   folder + "/out" };
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto result = RunCommand(arguments);
    EXPECT_EQ(result.exitCode, 0) << result.error;
    const auto labels = universeg::ReadImage(folder + "/out/a_label.nii.gz");
    return std::count(labels.pixels.begin(), labels.pixels.end(), 1.0F);
  };
  const auto fused = run({ "--task", "liver" });
  const auto dropped = run({ "--task", "Task03_Liver", "--compatibility", "reference" });
  EXPECT_LT(dropped, fused);
  EXPECT_GT(dropped, 0);
  const std::vector<std::string> own{ "--spacing", "1,0.77,0.77", "--classes", "2" };
  EXPECT_EQ(run(own), dropped);
  EXPECT_EQ(run({ own[0], own[1], own[2], own[3], "--fuse", "2=1" }), fused);
  EXPECT_GT(run({ own[0], own[1], own[2], own[3], "--fuse", "2=1,254=1" }), fused);
}

TEST(Preprocess, CasesOfHermes)
{
  const std::string folder = MakeFolder("preprocess-hermes");
  WriteCase(folder, "a");
  const auto run = [&](const std::vector<std::string> & more)
  {
    std::vector<std::string> arguments{ "preprocess", folder + "/imagesTr/a.nii.gz", "--output", folder + "/out" };
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto result = RunCommand(arguments);
    EXPECT_EQ(result.exitCode, 0) << result.error;
    return nlohmann::json::parse(ReadFile(folder + "/out/a.json"));
  };
  const std::string label = folder + "/labelsTr/a.nii.gz";
  const auto json = run({ "--label", label, "--task", "bcv", "--context", "1,2,3" });
  EXPECT_EQ(json.at("original_shape"), (std::vector<int>{ 16, 20, 24 }));
  EXPECT_EQ(json.at("original_spacing"), (std::vector<double>{ 2, 1, 0.5 }));
  EXPECT_EQ(json.at("spacing"), (std::vector<double>{ 1.5, 1.5, 1.5 }));
  EXPECT_TRUE(json.at("cropped").get<bool>());
  const auto image = universeg::ReadImage(folder + "/out/a_0000.nii.gz");
  const auto labels = universeg::ReadImage(folder + "/out/a_label.nii.gz");
  EXPECT_EQ(image.geometry->GetLargestPossibleRegion(), labels.geometry->GetLargestPossibleRegion());
  EXPECT_NEAR(image.geometry->GetSpacing()[0], 1.5, 1e-6);
  EXPECT_NEAR(image.geometry->GetOrigin()[2], json.at("origin")[2].get<double>(), 1e-4);
  EXPECT_FALSE(fs::exists(folder + "/out/a_weight.nii.gz"));
  double sum = 0;
  for (const float value : image.pixels)
  {
    sum += value;
  }
  EXPECT_NEAR(sum / static_cast<double>(image.pixels.size()), 0, 1e-5);

  // Without labels, or without a context, the image stays whole.
  const std::vector<int> whole{ 21, 13, 8 };
  EXPECT_EQ(run({ "--task", "bcv" }).at("shape"), whole);
  EXPECT_EQ(run({ "--label", label, "--task", "bcv", "--context", "none" }).at("shape"), whole);
  const auto own = run({ "--network", "hermes", "--spacing", "2,1,1", "--limits", "0,90", "--resampling", "one_step" });
  EXPECT_EQ(own.at("shape"), (std::vector<int>{ 16, 20, 12 }));
  EXPECT_FALSE(own.at("cropped").get<bool>());

  // As the reference has it.
  run({ "--label", label, "--task", "lits", "--format", "numpy", "--compatibility", "reference" });
  const std::string volume = ReadFile(folder + "/out/a.npy");
  const std::string truth = ReadFile(folder + "/out/a_gt.npy");
  EXPECT_NE(volume.find("'<f4'"), std::string::npos);
  EXPECT_NE(truth.find("'|i1'"), std::string::npos);
  EXPECT_NE(volume.find("(129, 129, 128)"), std::string::npos) << volume.substr(0, 128);
  EXPECT_NE(truth.find("(129, 129, 128)"), std::string::npos);
}

TEST(Preprocess, Errors)
{
  const std::string folder = MakeFolder("preprocess-errors");
  WriteCase(folder, "a");
  const std::string image = folder + "/imagesTr/a.nii.gz";
  const std::string label = folder + "/labelsTr/a.nii.gz";
  const std::string output = folder + "/out";
  const auto fail = [&](std::vector<std::string> more, int code, const std::string & message)
  {
    more.insert(more.begin(), { "preprocess", "--output", output });
    ExpectFailure(more, code, message);
  };
  ExpectFailure({ "preprocess", "--image", image, "--task", "heart" }, 2, "--output is missing");
  ExpectFailure({ "preprocess", "--image", image, "--task", "heart", "--output", folder + "/labelsTr/../imagesTr" },
                2,
                "holds images that are read");
  fail({}, 2, "--image is missing, or --data");
  fail({ "--image", image }, 2, "--task is missing, or --spacing and --classes");
  fail({ "--image", image, "--spacing", "1,1,1" }, 2, "--task is missing, or --spacing and --classes");
  fail({ "--data", folder, "--image", image }, 2, "--data excludes --image");
  fail({ "--data", folder, "--label", label }, 2, "--data excludes --label");
  fail({ "--data", folder + "/none", "--task", "heart" }, 1, "none: there is no such folder");
  fail({ "--image", image, image, "--task", "heart" }, 2, "two results would have this name");
  fail({ "--image", image, "--label", label, label, "--task", "heart" }, 2, "there are 1 images and 2 labels");
  fail({ "--image", image, "--task", "lung" }, 2, "The task is 'lung'; should be one of Task02_Heart");
  fail({ "--image", image, "--task", "heart", "--format", "npy" }, 2, "--format is 'npy'; should be nifti or numpy");
  fail({ "--image", image, "--task", "heart", "--compatibility", "x" }, 2, "--compatibility is 'x'");
  fail({ "--image", image, "--task", "heart", "--spacing", "1,1" }, 2, "'1,1' should have the form Z,Y,X");
  fail({ "--image", image, "--task", "heart", "--spacing", "1,1,0" }, 2, "three lengths");
  fail({ "--image", image, "--task", "heart", "--percentiles", "98,2" }, 2, "are 98 and 2");
  fail(
    { "--image", image, "--task", "heart", "--context", "1,1,1" }, 2, "--context goes with the network hermes alone");
  fail({ "--image", image, "--task", "bcv", "--classes", "3" }, 2, "--classes goes with the network u2net alone");
  fail({ "--image", image, "--network", "unet" }, 2, "--network is 'unet'; should be u2net or hermes");
  fail({ "--image", image, "--network", "hermes", "--task", "heart" }, 2, "The data set is 'heart'; should be one of");
  fail({ "--image", image, "--task", "bcv", "--orientation", "up" }, 2, "should be one of aligned, stored, reference");
  fail({ "--image", image, "--task", "bcv", "--context", "1,1" }, 2, "the context is [1, 1]");
  fail({ "--image", image, "--task", "bcv", "--limits", "2,1" }, 2, "the limits are 2 and 1");
  fail({ "--image", image, "--task", "heart", "--fuse", "2" }, 2, "'2' should have the form LABEL=LABEL");
  fail({ "--image", image, "--task", "heart", "--fuse", "2=-1" }, 2, "the label -1 should be from 0");
  fail({ "--image", image, "--task", "heart", "--fuse", "2=5" }, 2, "label 2 becomes 5");
  fail({ "--image", folder + "/none.nii.gz", "--task", "heart" }, 1, "none.nii.gz");
  fail(
    { "--image", label, "--label", image, "--task", "heart", "--spacing", "1000,1,1" }, 1, "along z are 0 of 1000 mm");
  std::ofstream(folder + "/bad.nii.gz") << "no image";
  fail({ "--image", folder + "/bad.nii.gz", "--task", "heart" }, 1, "bad.nii.gz");
  std::ofstream(folder + "/cut.nii.gz", std::ios::binary) << ReadFile(image).substr(0, 200);
  fail({ "--image", folder + "/cut.nii.gz", "--task", "heart" }, 1, "cut.nii.gz");
  EXPECT_FALSE(fs::exists(output + "/a.json"));

  // Labels elsewhere.
  auto moved = universeg::ToLabels(universeg::ReadImage(label), {});
  moved->SetSpacing(itk::Vector<double, 3>(1.0));
  universeg::WriteLabels(*moved, 3, folder + "/moved.nii.gz");
  const std::vector<std::string> arguments{ "--image", image, "--label", folder + "/moved.nii.gz", "--task", "heart" };
  fail(arguments, 1, "moved.nii.gz: the geometry of the labels is not that of their image");
  std::vector<std::string> ignoring{ "preprocess", "--output", output, "--ignore-geometry" };
  ignoring.insert(ignoring.end(), arguments.begin(), arguments.end());
  EXPECT_EQ(RunCommand(ignoring).exitCode, 0);
}

TEST(Explore, WritesHeadersAndStatistics)
{
  const std::string folder = MakeFolder("explore");
  const std::string heart = folder + "/data/Task02_Heart";
  const std::string prostate = folder + "/data/Task05_Prostate";
  WriteCase(heart, "la_10");
  WriteCase(heart, "la_9");
  WriteCase(prostate, "p", 2);
  std::ofstream(heart + "/dataset.json") << R"({"labels": {"0": "background", "1": "a", "2": "b"}})";
  std::ofstream(prostate + "/dataset.json") << R"({"labels": {"0": "background", "1": "PZ", "2": "TZ"}})";
  const auto result =
    RunCommand({ "explore", folder + "/data", "--meta", folder + "/msd_meta.csv", "--stat", folder + "/msd_stat.csv" });
  ASSERT_EQ(result.exitCode, 0) << result.error;
  EXPECT_EQ(result.output, "");
  const auto meta = ReadLines(ReadFile(folder + "/msd_meta.csv"));
  ASSERT_EQ(meta.size(), 4U);
  EXPECT_EQ(meta[0],
            "task,patID,s_lab_voxs,s_lab_percent,bitpix,datatype,dim[0],dim[1],dim[2],dim[3],dim[4],dim[5],dim[6],"
            "dim[7],dim_info,pixdim[0],pixdim[1],pixdim[2],pixdim[3],pixdim[4],pixdim[5],pixdim[6],pixdim[7],"
            "scl_inter,scl_slope,srow_x,srow_y,srow_z");
  // 16 bits with a sign have the number 4.
  EXPECT_EQ(meta[1].rfind("Task02_Heart,la_9,", 0), 0U) << meta[1];
  EXPECT_EQ(meta[2].rfind("Task02_Heart,la_10,", 0), 0U) << meta[2];
  EXPECT_NE(meta[1].find(",16,4,"), std::string::npos) << meta[1];
  EXPECT_NE(meta[1].find(",24,20,16,1,"), std::string::npos) << meta[1];
  EXPECT_NE(meta[3].find(",24,20,16,2,"), std::string::npos) << meta[3];
  EXPECT_NE(meta[1].find(",0.5,1,2,"), std::string::npos) << meta[1];
  EXPECT_NE(meta[1].find(",0 0 2 30"), std::string::npos) << meta[1];
  std::size_t small = 0;
  std::size_t first = 0;
  for (int z = -3; z <= 3; ++z)
  {
    for (int y = -3; y <= 3; ++y)
    {
      for (int x = -3; x <= 3; ++x)
      {
        const bool isInside = x * x + y * y + z * z <= 9;
        small += isInside && z > 0 ? 1 : 0;
        first += isInside && z <= 0 ? 1 : 0;
      }
    }
  }
  const auto expectCount = [](const std::string & line, const std::string & beginning, std::size_t count)
  {
    const std::string text = beginning + std::to_string(count) + ',';
    EXPECT_EQ(line.substr(0, text.size()), text);
  };
  expectCount(meta[1], "Task02_Heart,la_9,", small);
  // But for the voxel 254.
  expectCount(meta[3], "Task05_Prostate,p,", first - 1);

  const auto stat = ReadLines(ReadFile(folder + "/msd_stat.csv"));
  ASSERT_EQ(stat.size(), 3U);
  EXPECT_EQ(stat[0].rfind("task,dim[1]_min,dim[1]_max,dim[1]_mean,dim[1]_median,dim[2]_min", 0), 0U) << stat[0];
  EXPECT_NE(
    stat[0].find("s_lab_voxs_median,s_lab_percent_min,s_lab_percent_max,s_lab_percent_mean,s_lab_percent_median"),
    std::string::npos);
  EXPECT_EQ(stat[1].rfind("Task02_Heart,24,24,24,24,20,20,20,20,16,16,16,16,0.5,0.5,0.5,0.5,1,1,1,1,2,2,2,2,", 0), 0U)
    << stat[1];
  EXPECT_EQ(stat[2].rfind("Task05_Prostate,24,", 0), 0U) << stat[2];

  // One data set, printed.
  const auto one = RunCommand({ "explore", "--data", heart + '/' });
  ASSERT_EQ(one.exitCode, 0) << one.error;
  EXPECT_EQ(one.output, stat[0] + '\n' + stat[1] + '\n');
}

TEST(Explore, Errors)
{
  const std::string folder = MakeFolder("explore-errors");
  WriteCase(folder, "a");
  ExpectFailure({ "explore" }, 2, "--data is missing");
  ExpectFailure({ "explore", folder + "/none" }, 1, "none: there is no such folder");
  ExpectFailure({ "explore", folder + "/imagesTr" }, 1, "neither has a subfolder imagesTr");
  ExpectFailure({ "explore", folder, "--meta", folder + "/x.csv", "--stat", folder + "/./x.csv" }, 2, "are one file");
  ExpectFailure({ "explore", folder }, 1, "dataset.json");
  for (const std::string text : { "{", "[]", R"({"labels": []})", R"({"labels": {}})" })
  {
    std::ofstream(folder + "/dataset.json") << text;
    ExpectFailure({ "explore", folder }, 1, "dataset.json: there are no 'labels'");
  }
  std::ofstream(folder + "/dataset.json") << R"({"labels": {"0": "background", "1": "a"}})";
  EXPECT_EQ(RunCommand({ "explore", folder }).exitCode, 0);
  const std::string image = folder + "/imagesTr/a.nii.gz";
  std::ofstream(image, std::ios::binary) << std::string(400, 'x');
  ExpectFailure({ "explore", folder }, 1, "a.nii.gz: not a NIfTI-1 file");
  std::ofstream(image, std::ios::binary) << "x";
  ExpectFailure({ "explore", folder }, 1, "a.nii.gz: the file is truncated");
  fs::remove(folder + "/labelsTr/a.nii.gz");
  ExpectFailure({ "explore", folder }, 1, folder);
}
