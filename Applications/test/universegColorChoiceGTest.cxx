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
#include "universegColorChoice.h"

#include "itkNNRandomStream.h"

#include <gtest/gtest.h>

#include <filesystem>

using universeg::ColorCandidate;
using universeg::ColorChoice;
using universeg::ColorProjection;
using universeg::FilePair;
using universeg::IsClearlyBetter;
using universeg::ParseColorChoice;

namespace
{
std::string
OutputName(const std::string & name)
{
  const auto folder = std::filesystem::path(UNIVERSEG_TEST_OUTPUT) / "Color";
  std::filesystem::create_directories(folder);
  return (folder / name).string();
}

void
ExpectUsageError(const std::string & text, const std::string & message)
{
  try
  {
    ParseColorChoice(text);
    FAIL() << text;
  }
  catch (const universeg::UsageError & error)
  {
    EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what();
  }
}

constexpr std::size_t extent = 48;

/** Discs whose green differs from their surroundings by no more than noise, so that
 * only red minus blue shows them: luminance does not.
 * \param isGray the luminance in all channels. */
std::vector<FilePair>
WriteDiscs(std::size_t count, bool isGray)
{
  std::vector<FilePair> pairs;
  itk::nn::RandomStream random(1);
  for (std::size_t i = 0; i < count; ++i)
  {
    const double centreX = random.Uniform(16, 32);
    const double centreY = random.Uniform(16, 32);
    const double radius = random.Uniform(7, 12);
    std::vector<unsigned char> rgb;
    std::vector<unsigned char> mask;
    for (std::size_t k = 0; k < extent * extent; ++k)
    {
      const double x = static_cast<double>(k % extent) - centreX;
      const std::size_t row = k / extent;
      const double y = static_cast<double>(row) - centreY;
      const bool inside = x * x + y * y < radius * radius;
      // 0.299 * 20 = 0.114 * 52.5: of equal luminance.
      const double common = random.Uniform(60, 180);
      const double red = common + (inside ? 20 : 0);
      const double blue = common + (inside ? 0 : 52.5);
      const double luminance = 0.299 * red + 0.587 * common + 0.114 * blue;
      for (const double value : { red, common, blue })
      {
        rgb.push_back(static_cast<unsigned char>(isGray ? luminance : value));
      }
      mask.push_back(inside ? 255 : 0);
    }
    const std::string stem = OutputName((isGray ? "gray" : "color") + std::to_string(i));
    pairs.push_back({ stem + ".png", stem + "_mask.png" });
    universeg::WriteColorImage(pairs.back().image, extent, extent, rgb);
    universeg::WriteGrayImage(pairs.back().mask, extent, extent, mask);
  }
  return pairs;
}

universeg::CommandLine
MakeCommandLine()
{
  universeg::CommandLine commandLine("test", "", "");
  universeg::AddSupportOptions(commandLine.AddGroup("Supports"));
  commandLine.Parse({});
  return commandLine;
}
} // namespace

TEST(ColorChoice, Texts)
{
  EXPECT_EQ(ParseColorChoice("auto").method, ColorChoice::Method::Auto);
  EXPECT_EQ(ParseColorChoice("discriminant").method, ColorChoice::Method::Discriminant);
  EXPECT_EQ(ParseColorChoice("luminance").projection.ToText(), "0.30 R + 0.59 G + 0.11 B");
  EXPECT_EQ(ParseColorChoice("green").method, ColorChoice::Method::Fixed);
  EXPECT_EQ(ParseColorChoice("green").projection.ToText(), "1.00 G");
  EXPECT_EQ(ParseColorChoice("-1,0,0.5").projection.ToText(), "-1.00 R + 0.50 B");
  EXPECT_EQ(ParseColorChoice("1,-2,0").projection.Negated().ToText(), "-1.00 R + 2.00 G");
  EXPECT_EQ((ColorProjection{ 0, 0, 0 }).ToText(), "0");
  ExpectUsageError("purple", "'purple' should be auto, discriminant, luminance");
  ExpectUsageError("1,2", "'1,2' should be");
  ExpectUsageError("0,0,0", "should not all be 0");
  ExpectUsageError("1,x,0", "--color");
  ExpectUsageError("1,nan,0", "--color");
}

TEST(ColorChoice, Projections)
{
  universeg::WriteColorImage(OutputName("two.png"), 2, 1, { 255, 0, 10, 5, 5, 5 });
  const auto image = universeg::ReadImage(OutputName("two.png"));
  const auto red = universeg::ToIntensities(image, { 1, 0, -1 });
  EXPECT_EQ(red->GetBufferPointer()[0], 245.0F);
  EXPECT_EQ(red->GetBufferPointer()[1], 0.0F);
  EXPECT_TRUE(itk::nn::IsColored(image));
  universeg::WriteColorImage(OutputName("equal.png"), 2, 1, { 9, 9, 9, 5, 5, 5 });
  EXPECT_FALSE(itk::nn::IsColored(universeg::ReadImage(OutputName("equal.png"))));
  universeg::WriteGrayImage(OutputName("one.png"), 2, 1, { 9, 5 });
  const auto gray = universeg::ReadImage(OutputName("one.png"));
  EXPECT_FALSE(itk::nn::IsColored(gray));
  EXPECT_EQ(universeg::ToIntensities(gray, { 0, 0, -1 })->GetBufferPointer()[0], 9.0F) << "scalars stay";
}

TEST(ColorChoice, DiscriminantOfKnownColours)
{
  // Within a label red and green vary by the same, independently; the means differ in red.
  universeg::WriteColorImage(OutputName("known.png"), 4, 2, { 90, 40, 7, 110, 40, 7, 100, 30, 7, 100, 50, 7,
                                                              10, 40, 7, 30,  40, 7, 20,  30, 7, 20,  50, 7 });
  const auto image = universeg::ReadImage(OutputName("known.png"));
  itk::nn::ColorDiscriminant discriminant;
  EXPECT_FALSE(discriminant.Get().has_value());
  const std::vector<std::int32_t> background(8, 0);
  discriminant.Add(image, background.data(), 8);
  EXPECT_FALSE(discriminant.Get().has_value()) << "no structure";

  const std::vector<std::int32_t> labels{ 0, 0, 0, 0, 5, 5, 5, 5 };
  itk::nn::ColorDiscriminant dark;
  dark.Add(image, labels.data(), 8);
  const auto projection = dark.Get();
  ASSERT_TRUE(projection.has_value());
  EXPECT_NEAR(projection->red, -1, 1e-9) << "structures become bright";
  EXPECT_NEAR(projection->green, 0, 1e-9);
  EXPECT_NEAR(projection->blue, 0, 1e-9);

  EXPECT_THROW(dark.Add(image, labels.data(), 7), itk::ExceptionObject);
  universeg::WriteGrayImage(OutputName("scalar.png"), 2, 1, { 9, 5 });
  EXPECT_THROW(dark.Add(universeg::ReadImage(OutputName("scalar.png")), labels.data(), 2), itk::ExceptionObject);
}

TEST(ColorChoice, AutoTakesWhatSegmentsTheSupports)
{
  const auto pairs = WriteDiscs(6, false);
  const auto commandLine = MakeCommandLine();
  const universeg::SupportReader reader(commandLine);
  const auto model = itk::SegmentationModel::GetDefault();
  const universeg::SegmentationSettings settings;
  std::vector<ColorCandidate> candidates;
  const auto choose = [&](const std::string & text, const std::vector<FilePair> & from)
  { return ChooseColors(ParseColorChoice(text), from, reader, model, settings, &candidates); };

  const ColorProjection discriminant = choose("discriminant", pairs);
  EXPECT_TRUE(candidates.empty());
  EXPECT_GT(discriminant.red, 0.1);
  EXPECT_LT(discriminant.blue, -0.1);
  EXPECT_NEAR(discriminant.red + discriminant.green + discriminant.blue, 0, 0.1) << "what is common cancels";

  const ColorProjection chosen = choose("auto", pairs);
  ASSERT_EQ(candidates.size(), 9U);
  EXPECT_EQ(candidates.front().name, "discriminant");
  EXPECT_EQ(chosen.ToText(), discriminant.ToText());
  EXPECT_GT(candidates.front().dice, 0.7);
  for (const ColorCandidate & candidate : candidates)
  {
    EXPECT_LE(candidate.dice, candidates.front().dice);
    if (candidate.name == "luminance")
    {
      EXPECT_LT(candidate.dice, candidates.front().dice - 0.1);
    }
  }

  candidates.clear();
  const std::string luminance = ColorProjection().ToText();
  EXPECT_EQ(choose("auto", { pairs[0], pairs[1], pairs[2] }).ToText(), luminance) << "too few to compare";
  EXPECT_EQ(choose("auto", WriteDiscs(4, true)).ToText(), luminance) << "no colours";
  EXPECT_EQ(choose("blue", pairs).ToText(), "1.00 B");
  EXPECT_TRUE(candidates.empty());
}

TEST(ColorChoice, BetterByMoreThanItsStandardError)
{
  const std::vector<double> dice{ 0.5, 0.9, 0.7, 0.8 };
  EXPECT_FALSE(IsClearlyBetter(dice, dice));
  EXPECT_TRUE(IsClearlyBetter({ 0.51, 0.91, 0.71, 0.81 }, dice)) << "a little, but always";
  EXPECT_FALSE(IsClearlyBetter(dice, { 0.51, 0.91, 0.71, 0.81 }));
  // Differences -0.1, 0.1, 0.1, 0.1: mean 0.05, standard error 0.05; one of them larger.
  EXPECT_FALSE(IsClearlyBetter({ 0.4, 1.0, 0.8, 0.899 }, dice));
  EXPECT_TRUE(IsClearlyBetter({ 0.42, 1.0, 0.8, 0.9 }, dice));
}

TEST(ColorChoice, EachOfSeveralLabelsHasADiscriminant)
{
  auto pairs = WriteDiscs(4, false);
  for (std::size_t i = 0; i < pairs.size(); ++i)
  {
    // Beside the disc a band, of no colour of its own.
    const auto disc = universeg::ReadImage(pairs[i].mask);
    std::vector<unsigned char> mask;
    for (std::size_t k = 0; k < extent * extent; ++k)
    {
      const bool inDisc = disc.geometry->GetBufferPointer()[k] > 0;
      mask.push_back(inDisc ? 2 : (k % extent < 3 ? 1 : 0));
    }
    pairs[i].mask = OutputName("two_labels" + std::to_string(i) + ".png");
    universeg::WriteGrayImage(pairs[i].mask, extent, extent, mask);
  }
  const auto commandLine = MakeCommandLine();
  const universeg::SupportReader reader(commandLine);
  std::vector<ColorCandidate> candidates;
  ChooseColors(ParseColorChoice("auto"), pairs, reader, itk::SegmentationModel::GetDefault(), {}, &candidates);
  ASSERT_EQ(candidates.size(), 11U);
  const auto ofDisc =
    std::find_if(candidates.begin(),
                 candidates.end(),
                 [](const ColorCandidate & candidate) { return candidate.name == "discriminant of label 2"; });
  ASSERT_NE(ofDisc, candidates.end());
  EXPECT_GT(ofDisc->projection.red, 0.1);
  EXPECT_LT(ofDisc->projection.blue, -0.1);
}

TEST(ColorChoice, DiscriminantNeedsAStructure)
{
  const auto pairs = WriteDiscs(1, false);
  universeg::WriteGrayImage(OutputName("empty_mask.png"), extent, extent, std::vector<unsigned char>(extent * extent));
  const auto commandLine = MakeCommandLine();
  const universeg::SupportReader reader(commandLine);
  EXPECT_THROW(ChooseColors(ParseColorChoice("discriminant"),
                            { { pairs[0].image, OutputName("empty_mask.png") } },
                            reader,
                            itk::SegmentationModel::GetDefault(),
                            {}),
               universeg::Failure);
}
