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

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <functional>

namespace
{
namespace fs = std::filesystem;
using universegtest::MakeFolder;
using universegtest::ReadFile;
using universegtest::RunCommand;
using Index = std::array<int, 3>;
constexpr Index extents{ 10, 8, 6 };
constexpr int count = extents[0] * extents[1] * extents[2];

float
ValueAt(int i)
{
  return static_cast<float>(std::sin(0.37 * i) + 0.002 * i);
}

/** Another spacing, origin and direction than those of a plain array. */
template <typename TImage>
typename TImage::Pointer
MakeVolume()
{
  const auto volume = TImage::New();
  volume->SetRegions(typename TImage::SizeType{ { extents[0], extents[1], extents[2] } });
  volume->Allocate();
  const double spacing[] = { 0.5, 2, 3 };
  const double origin[] = { -7, 8, 9 };
  typename TImage::DirectionType direction;
  direction.SetIdentity();
  direction(0, 0) = direction(1, 1) = -1;
  volume->SetSpacing(spacing);
  volume->SetOrigin(origin);
  volume->SetDirection(direction);
  return volume;
}

/** \param scale of the values. */
std::string
WriteVolume(const std::string & name, float scale = 1)
{
  const auto volume = MakeVolume<universeg::Volume>();
  for (int i = 0; i < count; ++i)
  {
    volume->GetBufferPointer()[i] = scale * ValueAt(i);
  }
  universeg::WriteProbabilities(*volume, 3, name);
  return name;
}

/** Labels of 0 to 299. */
std::string
WriteLabelVolume(const std::string & name, int factor = 1)
{
  const auto volume = MakeVolume<universeg::LabelVolume>();
  for (int i = 0; i < count; ++i)
  {
    volume->GetBufferPointer()[i] = factor * i % 300;
  }
  universeg::WriteLabels(*volume, 3, name);
  return name;
}

universegtest::ProcessResult
Deform(std::vector<std::string> arguments)
{
  arguments.insert(arguments.begin(), "deform");
  return RunCommand(arguments);
}

/** Pixels come from these indices (x, y, z), clamped to the volume. */
void
ExpectMoved(const std::string & image, const std::string & label, const std::function<Index(const Index &)> & from)
{
  const auto loaded = universeg::ReadImage(image);
  const auto labels = universeg::ToLabels(universeg::ReadImage(label), {});
  EXPECT_EQ(loaded.dimension, 3U);
  const auto geometry = MakeVolume<universeg::Volume>();
  for (const itk::ImageBase<3> * result : { static_cast<const itk::ImageBase<3> *>(loaded.geometry.GetPointer()),
                                            static_cast<const itk::ImageBase<3> *>(labels.GetPointer()) })
  {
    ASSERT_EQ(result->GetLargestPossibleRegion(), geometry->GetLargestPossibleRegion());
    for (unsigned int axis = 0; axis < 3; ++axis)
    {
      EXPECT_NEAR(result->GetSpacing()[axis], geometry->GetSpacing()[axis], 1e-6);
      EXPECT_NEAR(result->GetOrigin()[axis], geometry->GetOrigin()[axis], 1e-5);
      EXPECT_NEAR(result->GetDirection()(axis, axis), geometry->GetDirection()(axis, axis), 1e-6);
    }
  }
  for (int i = 0; i < count; ++i)
  {
    auto place = from({ i % extents[0], i / extents[0] % extents[1], i / extents[0] / extents[1] });
    for (std::size_t axis = 0; axis < 3; ++axis)
    {
      place[axis] = std::clamp(place[axis], 0, extents[axis] - 1);
    }
    const int source = place[0] + extents[0] * (place[1] + extents[1] * place[2]);
    ASSERT_NEAR(loaded.pixels[static_cast<std::size_t>(i)], ValueAt(source), 1e-5) << "pixel " << i;
    ASSERT_EQ(labels->GetBufferPointer()[i], source % 300) << "pixel " << i;
  }
}
} // namespace

TEST(Deform, OperationsAreDoneInTheOrderOfTheCommandLine)
{
  const std::string folder = MakeFolder("deform");
  const std::string image = WriteVolume(folder + "/scan.nii.gz");
  const std::string label = WriteLabelVolume(folder + "/structures.nii.gz");
  const auto run = [&](std::vector<std::string> operations)
  {
    operations.insert(
      operations.end(),
      { "--image", image, "--label", label, "--output", folder + "/out", "--boundary", "nearest", "--threads", "2" });
    const auto result = Deform(operations);
    EXPECT_EQ(result.exitCode, 0) << result.error;
    return result.output;
  };
  const std::string first = folder + "/out/scan_1.nii.gz";
  const std::string second = folder + "/out/structures_1_lab.nii.gz";
  EXPECT_EQ(run({}), first + ": no operation\n");
  ExpectMoved(first, second, [](const Index & to) { return to; });
  EXPECT_EQ(run({ "--translate", "-1,2,3" }), first + ": translate\n");
  ExpectMoved(first, second, [](const Index & to) { return Index{ to[0] + 3, to[1] + 2, to[2] - 1 }; });
  EXPECT_EQ(run({ "--translate", "0,0,1", "--scale", "2" }), first + ": translate, scale\n");
  ExpectMoved(first, second, [](const Index & to) { return Index{ 2 * to[0] - 3, 2 * to[1] - 4, 2 * to[2] - 3 }; });
  EXPECT_EQ(run({ "--scale", "4", "--translate", "0,0,1", "--scale", "0.5" }), first + ": scale, translate, scale\n");
  const auto odd = universeg::ReadImage(first);
  EXPECT_NEAR(odd.pixels[0], ValueAt(0), 1e-5);
  EXPECT_NEAR(
    odd.pixels[5 + 10 * (4 + 8 * 3)], (ValueAt(5 + 10 * (4 + 8 * 3)) + ValueAt(6 + 10 * (4 + 8 * 3))) / 2, 1e-5)
    << "half of a pixel further";
  EXPECT_EQ(run({ "--flip=depth,width" }), first + ": flip\n");
  ExpectMoved(first, second, [](const Index & to) { return Index{ 9 - to[0], to[1], 5 - to[2] }; });
  // A quarter of a turn about the height.
  EXPECT_EQ(run({ "--rotate", "0,1.5707963267948966,0@1" }), first + ": rotate\n");
  ExpectMoved(first, second, [](const Index & to) { return Index{ 5 + (to[2] - 3), to[1], 3 - (to[0] - 5) }; });
  EXPECT_EQ(run({ "--rotate", "0,1,0@0", "--elastic", "2,3,mirror@0", "--elastic", "2,0" }), first + ": elastic\n");
  ExpectMoved(first, second, [](const Index & to) { return to; });
}

TEST(Deform, ModalitiesAndLabelsMoveTogetherBySeed)
{
  const std::string folder = MakeFolder("deform-together");
  const std::string images[] = { WriteVolume(folder + "/a_0000.nii.gz"), WriteVolume(folder + "/a_0001.nii.gz", -3) };
  const std::string labels[] = { WriteLabelVolume(folder + "/a.nii.gz"), WriteLabelVolume(folder + "/b.nii.gz", 7) };
  const auto run = [&](const std::string & output, const std::string & seed, const std::string & samples)
  {
    const auto result =
      Deform({ "--image", images[0], images[1],  "--label",          labels[0],   labels[1],    "--output",
               output,    "--seed",  seed,       "--count",          samples,     "--boundary", "reflect",
               "--order", "nearest", "--rotate", "0.2,-0.1,0.3@0.5", "--elastic", "2,6" });
    ASSERT_EQ(result.exitCode, 0) << result.error;
    EXPECT_EQ(std::count(result.output.begin(), result.output.end(), '\n'), std::stoi(samples));
  };
  run(folder + "/out", "7", "3");
  for (const std::string number : { "1", "2", "3" })
  {
    const auto first = universeg::ReadImage(folder + "/out/a_0000_" + number + ".nii.gz").pixels;
    const auto second = universeg::ReadImage(folder + "/out/a_0001_" + number + ".nii.gz").pixels;
    const auto classes = universeg::ReadImage(folder + "/out/a_" + number + "_lab.nii.gz").pixels;
    const auto others = universeg::ReadImage(folder + "/out/b_" + number + "_lab.nii.gz").pixels;
    std::size_t moved = 0;
    for (std::size_t i = 0; i < first.size(); ++i)
    {
      EXPECT_NEAR(second[i], -3 * first[i], 1e-5);
      // Each comes from one pixel i: two have the label i % 300, and one of them the value.
      const int label = static_cast<int>(classes[i]);
      const bool isFirst = std::abs(first[i] - ValueAt(label)) < 1e-5;
      EXPECT_TRUE(isFirst || std::abs(first[i] - ValueAt(label + 300)) < 1e-5);
      EXPECT_EQ(others[i], static_cast<float>((isFirst ? label : label + 300) * 7 % 300));
      moved += std::abs(first[i] - ValueAt(static_cast<int>(i))) > 1e-5 ? 1 : 0;
    }
    EXPECT_GT(moved, first.size() / 4);
  }
  EXPECT_NE(ReadFile(folder + "/out/a_0000_1.nii.gz"), ReadFile(folder + "/out/a_0000_2.nii.gz"));
  run(folder + "/again", "8", "1");
  EXPECT_EQ(ReadFile(folder + "/again/a_0000_1.nii.gz"), ReadFile(folder + "/out/a_0000_2.nii.gz"));
  EXPECT_EQ(ReadFile(folder + "/again/b_1_lab.nii.gz"), ReadFile(folder + "/out/b_2_lab.nii.gz"));
}

TEST(Deform, PicturesBoundariesAndCompatibility)
{
  const std::string folder = MakeFolder("deform-pictures");
  const std::string picture = folder + "/p.png";
  std::vector<unsigned char> gray(12 * 9);
  for (std::size_t i = 0; i < gray.size(); ++i)
  {
    gray[i] = static_cast<unsigned char>(2 * i + 1);
  }
  universeg::WriteGrayImage(picture, 12, 9, gray);
  const auto run = [&](std::vector<std::string> options)
  {
    options.insert(options.begin(), picture);
    options.insert(options.end(), { "--label", picture, "--output", folder + "/out" });
    const auto result = Deform(options);
    EXPECT_EQ(result.exitCode, 0) << result.error;
    const auto image = universeg::ReadImage(folder + "/out/p_1.nii.gz");
    EXPECT_EQ(image.dimension, 2U);
    EXPECT_EQ(image.pixels.size(), gray.size());
    return image.pixels;
  };
  const auto labels = [&] { return universeg::ReadImage(folder + "/out/p_1_lab.nii.gz").pixels; };
  auto pixels = run({ "--translate", "-2,1", "--value", "-5" });
  EXPECT_EQ(pixels[0], -5);
  EXPECT_EQ(pixels[3 * 12 + 4], gray[1 * 12 + 5]);
  EXPECT_EQ(pixels[3 * 12 + 11], -5);
  EXPECT_EQ(labels()[3 * 12 + 4], gray[1 * 12 + 5]);
  EXPECT_EQ(labels()[0], 0);
  pixels = run({ "--translate", "-2,1", "--boundary", "mirror" });
  EXPECT_EQ(pixels[0], gray[2 * 12 + 1]);
  // A quarter of a turn from x towards y takes (7, 5) from (5.5, 5.5).
  pixels = run({ "--rotate", "1.5707963267948966", "--precision", "float64" });
  EXPECT_NEAR(pixels[5 * 12 + 7], 2 * (5.5 + 12 * 5.5) + 1, 1e-4);
  EXPECT_EQ(run({})[8 * 12 + 11], gray[8 * 12 + 11]);
  pixels = run({ "--compatibility", "cuda_spatial_deform", "--value", "-1" });
  EXPECT_EQ(pixels[8 * 12 + 11], -1);
  EXPECT_EQ(pixels[7 * 12 + 10], gray[7 * 12 + 10]);
}

TEST(Deform, RunsOnADevice)
{
  const std::string folder = MakeFolder("deform-device");
  const std::string volume = WriteVolume(folder + "/scan.nii.gz");
  const bool isEmulated = std::getenv("UNIVERSEG_CUDA_LIBRARY") == nullptr;
  const auto run = [&](const std::string & device)
  {
    const auto result = Deform({ "--image",
                                 volume,
                                 "--output",
                                 folder + "/out",
                                 "--elastic",
                                 "2,4",
                                 "--rotate",
                                 "0.1,0,0.2",
                                 "--boundary",
                                 "mirror",
                                 "--seed",
                                 "3",
                                 "--device",
                                 device });
    EXPECT_EQ(result.exitCode, 0) << result.error;
    return universeg::ReadImage(folder + "/out/scan_1.nii.gz").pixels;
  };
  const auto expected = run("cpu");
  if (isEmulated)
  {
    setenv("UNIVERSEG_CUDA_LIBRARY", UNIVERSEG_TEST_CUDA_LIBRARY, 1);
  }
  const auto pixels = run("cuda");
  if (isEmulated)
  {
    unsetenv("UNIVERSEG_CUDA_LIBRARY");
  }
  ASSERT_EQ(pixels.size(), expected.size());
  for (std::size_t i = 0; i < pixels.size(); ++i)
  {
    ASSERT_NEAR(pixels[i], expected[i], 1e-4) << "pixel " << i;
  }
}

TEST(Deform, Errors)
{
  const std::string folder = MakeFolder("deform-errors");
  const std::string volume = WriteVolume(folder + "/scan.nii.gz");
  const std::string output = folder + "/out";
  const auto fail = [&](std::vector<std::string> more, int code, const std::string & message)
  {
    if (std::find(more.begin(), more.end(), "--image") == more.end())
    {
      more.insert(more.end(), { "--image", volume, "--output", output });
    }
    const auto result = Deform(more);
    EXPECT_EQ(result.exitCode, code) << result.error;
    EXPECT_NE(result.error.find(message), std::string::npos) << result.error;
  };
  EXPECT_NE(Deform({}).error.find("--image is missing"), std::string::npos);
  EXPECT_EQ(Deform({}).exitCode, 2);
  fail({ "--image", volume }, 2, "--output is missing");
  fail({ "--image", volume, "--output", output + ".nii.gz" }, 2, "out.nii.gz' should be a folder");
  fail({ "--image", folder + "/none.nii", "--output", output }, 1, "none.nii");
  fail({ "--image", volume, volume, "--output", output }, 2, "two results would have this name");
  fail({ "--rotate", "0.1" }, 2, "--rotate: '0.1' should have the form DEPTH,HEIGHT,WIDTH");
  fail({ "--translate", "1,2" }, 2, "--translate: '1,2' should have the form");
  fail({ "--translate", "1,2,b" }, 2, "--translate: 'b' is not a number");
  fail({ "--scale", "1,2" }, 2, "--scale: '1,2' should have the form FACTOR");
  fail({ "--scale", "1@1.5" }, 2, "--scale: the probability 1.5 should be from 0 to 1");
  fail({ "--flip", "left" }, 2, "--flip: 'left' should be depth, height or width");
  fail({ "--elastic", "3" }, 2, "--elastic: '3' should have the form SIGMA,ALPHA");
  fail({ "--elastic", "mirror" }, 2, "--elastic: 'mirror' should have the form");
  fail({ "--boundary", "edge" }, 2, "the boundary is 'edge'; should be constant, reflect, mirror, nearest or wrap");
  fail({ "--order", "cubic" }, 2, "the interpolation is 'cubic'; should be nearest or linear");
  fail({ "--compatibility", "scipy" }, 2, "'scipy' should be none or cuda_spatial_deform");
  fail({ "--precision", "tf32" }, 2, "--precision is tf32; should be float32 or float64");
  fail({ "--count", "0" }, 2, "--count is 0");
  fail({ "--scale", "0" }, 1, "Scale: the factor is 0; should be above 0");
  fail({ "--label", volume }, 1, "not a label map");

  const auto moved = MakeVolume<universeg::LabelVolume>();
  moved->FillBuffer(1);
  const double spacing[] = { 0.5, 2, 2.5 };
  moved->SetSpacing(spacing);
  universeg::WriteLabels(*moved, 3, folder + "/moved.nii.gz");
  fail(
    { "--label", folder + "/moved.nii.gz" }, 1, "moved.nii.gz: the geometry is not that of '" + volume + "': spacing");
  EXPECT_FALSE(fs::exists(output + "/scan_1.nii.gz"));
}
