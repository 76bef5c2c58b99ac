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
#include "universegImages.h"
#include "universegPicture.h"

#include "gtest/gtest.h"

#include <filesystem>
#include <numeric>

namespace
{
using universeg::LabelChoice;
using universeg::LabelVolume;
using universeg::Volume;

std::string
OutputName(const std::string & name)
{
  const std::filesystem::path folder = std::filesystem::path(UNIVERSEG_TEST_OUTPUT) / "images";
  std::filesystem::create_directories(folder);
  return (folder / name).string();
}

LabelVolume::Pointer
MakeLabels(const std::vector<std::int32_t> & values, std::size_t width, std::size_t height, std::size_t depth = 1)
{
  auto labels = LabelVolume::New();
  labels->SetRegions(LabelVolume::SizeType{ { width, height, depth } });
  labels->Allocate();
  std::copy(values.begin(), values.end(), labels->GetBufferPointer());
  return labels;
}

std::vector<std::int32_t>
Values(const LabelVolume & labels)
{
  const std::size_t count = labels.GetLargestPossibleRegion().GetNumberOfPixels();
  return std::vector<std::int32_t>(labels.GetBufferPointer(), labels.GetBufferPointer() + count);
}

TEST(Images, LabelsComeBackFromEachFormat)
{
  const std::vector<std::int32_t> small{ 0, 1, 128, 255, 3, 0 };
  for (const char * name : { "small.png", "small.bmp", "small.tif", "small.nii.gz", "small.mha", "small.nrrd" })
  {
    universeg::WriteLabels(*MakeLabels(small, 3, 2), 2, OutputName(name));
    const auto image = universeg::ReadImage(OutputName(name));
    EXPECT_EQ(image.dimension, 2U) << name;
    EXPECT_EQ(Values(*universeg::ToLabels(image, {})), small) << name;
  }
  const std::vector<std::int32_t> wide{ 0, 1, 300, 65535, 3, 0 };
  universeg::WriteLabels(*MakeLabels(wide, 3, 2), 2, OutputName("wide.nii.gz"));
  EXPECT_EQ(Values(*universeg::ToLabels(universeg::ReadImage(OutputName("wide.nii.gz")), {})), wide);
  const std::vector<std::int32_t> negative{ -7, 1, 70000, 5, 3, 0 };
  universeg::WriteLabels(*MakeLabels(negative, 3, 1, 2), 3, OutputName("negative.mha"));
  const auto volume = universeg::ReadImage(OutputName("negative.mha"));
  EXPECT_EQ(volume.dimension, 3U);
  EXPECT_EQ(Values(*universeg::ToLabels(volume, {})), negative);
  EXPECT_THROW(universeg::WriteLabels(*MakeLabels(wide, 3, 2), 2, OutputName("wide.png")), universeg::Failure);
  EXPECT_THROW(universeg::WriteLabels(*MakeLabels(small, 3, 1, 2), 3, OutputName("deep.png")), universeg::Failure);
  EXPECT_THROW(universeg::WriteLabels(*MakeLabels(small, 3, 2), 2, OutputName("x.unknown")), universeg::Failure);
}

TEST(Images, ChoicesOfLabels)
{
  universeg::WriteLabels(*MakeLabels({ 0, 1, 2, 2 }, 2, 2), 2, OutputName("choice.png"));
  const auto image = universeg::ReadImage(OutputName("choice.png"));
  LabelChoice choice;
  choice.label = 2;
  EXPECT_EQ(Values(*universeg::ToLabels(image, choice)), (std::vector<std::int32_t>{ 0, 0, 2, 2 }));
  choice = {};
  choice.binary = true;
  EXPECT_EQ(Values(*universeg::ToLabels(image, choice)), (std::vector<std::int32_t>{ 0, 1, 1, 1 }));
  EXPECT_EQ(universeg::FindLabels(*universeg::ToLabels(image, {})), (std::vector<std::int32_t>{ 1, 2 }));
}

TEST(Images, ColourMasksAndLuminance)
{
  universeg::WriteColorImage(OutputName("colour.png"), 2, 1, { 255, 0, 0, 0, 0, 255 });
  const auto image = universeg::ReadImage(OutputName("colour.png"));
  EXPECT_EQ(image.components, 3U);
  EXPECT_THROW(universeg::ToLabels(image, {}), universeg::Failure);
  LabelChoice choice;
  choice.colors = { { 0, 0, 255 }, { 255, 0, 0 } };
  EXPECT_EQ(Values(*universeg::ToLabels(image, choice)), (std::vector<std::int32_t>{ 2, 1 }));
  const auto intensities = universeg::ToIntensities(image);
  EXPECT_NEAR(intensities->GetBufferPointer()[0], 255 * 0.299, 0.05);
  EXPECT_NEAR(intensities->GetBufferPointer()[1], 255 * 0.114, 0.05);

  universeg::WriteColorImage(OutputName("gray.png"), 2, 1, { 7, 7, 7, 0, 0, 0 });
  EXPECT_EQ(Values(*universeg::ToLabels(universeg::ReadImage(OutputName("gray.png")), {})),
            (std::vector<std::int32_t>{ 7, 0 }));
}

TEST(Images, FractionsAreNoLabels)
{
  auto volume = Volume::New();
  volume->SetRegions(Volume::SizeType{ { 2, 1, 1 } });
  volume->Allocate();
  volume->GetBufferPointer()[0] = 0.0F;
  volume->GetBufferPointer()[1] = 0.4F;
  universeg::WriteProbabilities(*volume, 2, OutputName("fraction.mha"));
  const auto image = universeg::ReadImage(OutputName("fraction.mha"));
  EXPECT_EQ(image.pixels[1], 0.4F);
  EXPECT_THROW(universeg::ToLabels(image, {}), universeg::Failure);
  universeg::WriteProbabilities(*volume, 2, OutputName("fraction.png"));
  EXPECT_EQ(universeg::ReadImage(OutputName("fraction.png")).pixels[1], 102.0F);
}

TEST(Picture, OutlinesAndText)
{
  auto volume = Volume::New();
  volume->SetRegions(Volume::SizeType{ { 4, 4, 1 } });
  volume->Allocate();
  std::iota(volume->GetBufferPointer(), volume->GetBufferPointer() + 16, 0.0F);
  const auto labels = MakeLabels({ 0, 0, 0, 0, 0, 9, 9, 0, 0, 9, 9, 0, 0, 0, 0, 0 }, 4, 4);
  EXPECT_EQ(universeg::GetDisplaySize(*volume, 2, 20), (std::array<std::size_t, 2>{ 20, 20 }));
  auto picture = universeg::Picture::FromSlice(*volume, 2, 0, 4, 4);
  const universeg::Picture::Rgb red{ 255, 0, 0 };
  picture.DrawContours(*labels, 2, 0, &red);
  picture.Write(OutputName("picture.png"));
  const auto written = universeg::ReadImage(OutputName("picture.png"));
  EXPECT_EQ(written.pixels[0], 0.0F);
  EXPECT_EQ(written.pixels[3 * 15], 255.0F);
  EXPECT_EQ(written.pixels[3 * 5], 255.0F);
  EXPECT_EQ(written.pixels[3 * 5 + 1], 0.0F);
  EXPECT_EQ(universeg::Picture::GetTextWidth("AB", 2), 22U);
  universeg::Picture text(12, 8, { 0, 0, 0 });
  text.DrawText("I", 0, 0, 1, { 255, 255, 255 });
  text.Write(OutputName("text.png"));
  const auto letter = universeg::ReadImage(OutputName("text.png"));
  EXPECT_EQ(letter.pixels[0], 0.0F);
  EXPECT_EQ(letter.pixels[3 * 2], 255.0F);
}
} // namespace
