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
#include "universegProcess.h"

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace
{
namespace fs = std::filesystem;
using universegtest::RunCommand;

struct Expected
{
  const char * label;
  std::size_t supports;
  double dice;
  std::vector<std::string> options; ///< of segment
};

class RealCells : public testing::TestWithParam<Expected>
{};

TEST_P(RealCells, DiceIsAsExpected)
{
  const char * data = std::getenv("UNIVERSEG_DATA_DIR");
  if (data == nullptr)
  {
    GTEST_SKIP() << "UNIVERSEG_DATA_DIR is not set";
  }
  const fs::path folder = fs::path(data) / "wbc" / "Dataset 1";
  std::vector<std::string> stems;
  for (const auto & entry : fs::directory_iterator(folder))
  {
    if (entry.path().extension() == ".bmp")
    {
      stems.push_back(entry.path().stem().string());
    }
  }
  std::sort(stems.begin(), stems.end());
  const auto splits = nlohmann::json::parse(
    universegtest::ReadFile(UNIVERSEG_TEST_GOLDENS "/universeg/i_loaders/splits.json"))["splits"]["WBC_JTSC"];
  ASSERT_EQ(stems.size(), splits.at("N").get<std::size_t>());

  constexpr std::size_t targets = 20;
  const Expected expected = GetParam();
  const std::string results = universegtest::MakeFolder("wbc");
  std::vector<std::string> segment{ "segment", "--label", expected.label, "--output", results };
  segment.insert(segment.end(), expected.options.begin(), expected.options.end());
  segment.emplace_back("--image");
  std::vector<std::string> evaluate{ "evaluate", "--label", expected.label, "--json", "-", "--prediction" };
  const auto name = [&](const char * part, std::size_t i)
  { return stems.at(splits.at(part).at(i).get<std::size_t>()); };
  const auto path = [&](const std::string & file) { return (folder / file).string(); };
  for (std::size_t i = 0; i < targets; ++i)
  {
    segment.push_back(path(name("test", i) + ".bmp"));
    evaluate.push_back(results + "/" + name("test", i) + "_seg.png");
  }
  evaluate.push_back("--reference");
  for (std::size_t i = 0; i < targets; ++i)
  {
    evaluate.push_back(path(name("test", i) + ".png"));
  }
  for (const char * kind : { "images", "labels" })
  {
    segment.push_back(std::string("--support-") + kind);
    for (std::size_t i = 0; i < expected.supports; ++i)
    {
      segment.push_back(path(name("support", i) + (kind == std::string("images") ? ".bmp" : ".png")));
    }
  }
  const auto segmented = RunCommand(segment);
  ASSERT_EQ(segmented.exitCode, 0) << segmented.error;
  const auto evaluated = RunCommand(evaluate);
  ASSERT_EQ(evaluated.exitCode, 0) << evaluated.error;
  const double dice = nlohmann::json::parse(evaluated.output).at("mean_dice");
  EXPECT_GT(dice, expected.dice - 0.002);
  // Another grid moves the mean by less than this; more means another set of images.
  EXPECT_LT(dice, expected.dice + 0.02);
}

// Mean Dice of the reference implementation with the same weights and data, on the
// model's grid: meta.json of the golden m_trained_tiny, whose model this is.
const std::vector<std::string> trainedTiny{
  "--model", UNIVERSEG_TEST_GOLDENS "/universeg/m_trained_tiny/weights.safetensors", "--color", "luminance"
};
INSTANTIATE_TEST_SUITE_P(Reference,
                         RealCells,
                         testing::Values(Expected{ "255", 1, 0.7141, trainedTiny },
                                         Expected{ "255", 16, 0.8434, trainedTiny },
                                         Expected{ "128", 4, 0.8048, trainedTiny }));

// Documentation/accuracy.md.
INSTANTIATE_TEST_SUITE_P(EmbeddedModel,
                         RealCells,
                         testing::Values(Expected{ "255", 16, 0.9023, {} }, Expected{ "128", 64, 0.8341, {} }));
} // namespace
