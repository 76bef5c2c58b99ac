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
#include "universegDemoImages.h"
#include "universegModelOptions.h"
#include "universegPicture.h"
#include "universegProgress.h"
#include "universegSegmenter.h"
#include "universegSubcommands.h"

#include "itkLabelOverlapMetrics.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>

namespace universeg
{
namespace
{
namespace fs = std::filesystem;

constexpr std::size_t imageExtent = 128;
constexpr std::size_t numberOfSupports = 16;
constexpr std::size_t numberOfTargets = 6;
constexpr std::uint64_t targetSeedOffset = 1000;
constexpr std::int32_t nucleusLabel = 255;

std::string
GetName(std::size_t i)
{
  return std::string(i < 9 ? "cell_0" : "cell_") + std::to_string(i + 1) + ".png";
}

std::vector<DemoCase>
MakeCases(std::size_t count, std::uint64_t firstSeed, const fs::path & folder)
{
  fs::create_directories(folder / "images");
  fs::create_directories(folder / "labels");
  std::vector<DemoCase> cases;
  for (std::size_t i = 0; i < count; ++i)
  {
    cases.push_back(MakeDemoCase(firstSeed + i, imageExtent));
    std::vector<unsigned char> gray(imageExtent * imageExtent);
    std::transform(cases[i].image->GetBufferPointer(),
                   cases[i].image->GetBufferPointer() + gray.size(),
                   gray.begin(),
                   [](float value) { return static_cast<unsigned char>(value); });
    WriteGrayImage((folder / "images" / GetName(i)).string(), imageExtent, imageExtent, gray);
    std::transform(cases[i].labels->GetBufferPointer(),
                   cases[i].labels->GetBufferPointer() + gray.size(),
                   gray.begin(),
                   [](std::int32_t label) { return static_cast<unsigned char>(label); });
    WriteGrayImage((folder / "labels" / GetName(i)).string(), imageExtent, imageExtent, gray);
  }
  return cases;
}

double
GetDice(const LabelVolume & prediction, const LabelVolume & truth)
{
  auto metrics = itk::LabelOverlapMetrics<LabelVolume>::New();
  metrics->SetPredictionImage(&prediction);
  metrics->SetReferenceImage(&truth);
  metrics->SetLabels({ nucleusLabel });
  metrics->Compute();
  return metrics->GetOverlap(nucleusLabel).dice;
}

void
WriteMontage(const std::string & fileName,
             const std::vector<DemoCase> & supports,
             const std::vector<DemoCase> & targets,
             const std::vector<Segmentation> & results,
             const std::vector<double> & dice)
{
  constexpr std::size_t tile = 192;
  constexpr std::size_t gap = 6;
  constexpr std::size_t margin = 24;
  constexpr std::size_t heading = 30;
  constexpr std::size_t thumb = 68;
  constexpr std::size_t textDot = 2;
  constexpr Picture::Rgb ink{ 235, 235, 235 };
  constexpr Picture::Rgb truthColor{ 0, 220, 255 };
  constexpr Picture::Rgb resultColor{ 255, 213, 0 };
  const std::size_t width = 2 * margin + targets.size() * (tile + gap) - gap;
  const std::size_t rowHeight = heading + tile;
  const std::size_t top = margin + heading + thumb + gap;
  Picture montage(width, top + 4 * rowHeight + heading + margin);

  montage.DrawText(std::to_string(supports.size()) + " examples: image and nucleus", margin, margin, textDot, ink);
  const std::size_t step = (width - 2 * margin - thumb) / (supports.size() - 1);
  for (std::size_t i = 0; i < supports.size(); ++i)
  {
    Picture picture = Picture::FromSlice(*supports[i].image, 2, 0, thumb, thumb);
    picture.DrawContours(*supports[i].labels, 2, 0, &truthColor);
    montage.Paste(picture, margin + i * step, margin + heading);
  }

  const char * const titles[] = { "new images", "truth", "segmentation", "probability" };
  for (std::size_t row = 0; row < 4; ++row)
  {
    const std::size_t rowTop = top + row * rowHeight;
    montage.DrawText(titles[row], margin, rowTop + heading / 3, textDot, ink);
    for (std::size_t i = 0; i < targets.size(); ++i)
    {
      Picture picture = row == 3 ? Picture::FromProbabilities(*results[i].probabilities.front().image, 2, 0, tile, tile)
                                 : Picture::FromSlice(*targets[i].image, 2, 0, tile, tile);
      if (row == 1)
      {
        picture.DrawContours(*targets[i].labels, 2, 0, &truthColor);
      }
      if (row == 2)
      {
        picture.DrawContours(*results[i].labels, 2, 0, &resultColor);
      }
      montage.Paste(picture, margin + i * (tile + gap), rowTop + heading);
    }
  }
  for (std::size_t i = 0; i < targets.size(); ++i)
  {
    const std::string text = "Dice " + FormatFixed(dice[i], 3);
    montage.DrawText(text,
                     margin + i * (tile + gap) + (tile - Picture::GetTextWidth(text, textDot)) / 2,
                     top + 4 * rowHeight + heading / 3,
                     textDot,
                     ink);
  }
  montage.Write(fileName);
}
} // namespace

int
RunDemo(const Arguments & arguments)
{
  CommandLine commandLine("demo",
                          "[--output DIR] [OPTION]...",
                          "Makes pictures of blood smears, 16 examples with their nuclei marked and 6 new ones,\n"
                          "segments the new ones and writes everything and montage.png into a folder. Nothing is\n"
                          "downloaded.");
  commandLine.AddGroup("Options").add_options()("output", Text(), "folder to write (default: demo-output)")(
    "seed", Text(), "of the pictures (default 1)");
  AddModelOptions(commandLine, true);
  AddPlanOptions(commandLine);
  if (!commandLine.Parse(arguments))
  {
    return exitSuccess;
  }
  const fs::path output = commandLine.GetText("output", "demo-output");
  const auto seed = static_cast<std::uint64_t>(commandLine.GetInteger("seed", 1, 0, 1 << 30));
  SegmentationSettings settings;
  settings.plan = GetPlanOptions(commandLine);
  settings.probabilities = true;
  const auto model = LoadModel(commandLine, true);

  const auto supportCases = MakeCases(numberOfSupports, seed, output / "supports");
  const auto targetCases = MakeCases(numberOfTargets, seed + targetSeedOffset, output / "targets");
  auto supports = itk::UniverSegSupportSet::New();
  for (const DemoCase & support : supportCases)
  {
    AddSupport(*supports, *support.image, *support.labels, 2);
  }

  const bool isEmbedded = !commandLine.Has("model") && !commandLine.Has("weights");
  std::cout << "model: " << (isEmbedded ? "the one that comes with the command (" : "the one given (")
            << model->GetNetwork()->GetNumberOfParameters() << " parameters)\n"
            << "supports: " << numberOfSupports << ", targets: " << numberOfTargets << ", " << imageExtent << " x "
            << imageExtent << " pixels\n";
  fs::create_directories(output / "results");
  std::vector<Segmentation> results;
  std::vector<double> dice;
  double sum = 0;
  const auto begin = std::chrono::steady_clock::now();
  {
    Segmenter segmenter(model, supports, settings);
    ProgressBar progress("demo");
    for (std::size_t i = 0; i < targetCases.size(); ++i)
    {
      results.push_back(segmenter.Segment(*targetCases[i].image));
      progress.Show(static_cast<double>(i + 1) / static_cast<double>(targetCases.size()));
    }
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  for (std::size_t i = 0; i < targetCases.size(); ++i)
  {
    dice.push_back(GetDice(*results[i].labels, *targetCases[i].labels));
    sum += dice.back();
    WriteLabels(*results[i].labels, 2, (output / "results" / GetName(i)).string());
    std::cout << GetName(i) << "  Dice " << FormatFixed(dice.back(), 4) << '\n';
  }
  std::cout << "mean         Dice " << FormatFixed(sum / static_cast<double>(dice.size()), 4) << '\n'
            << "segmented in " << FormatFixed(elapsed.count(), 2) << " s\n";
  const std::string montage = (output / "montage.png").string();
  WriteMontage(montage, supportCases, targetCases, results, dice);
  std::cout << "picture: " << montage << '\n';
  if (isEmbedded)
  {
    std::cout << "\nThe embedded model is small; Documentation/accuracy.md says how well it does on real images.\n"
                 "'universeg finetune' makes it better for one structure. The official UniverSeg weights (licence\n"
                 "OpenRAIL++-M, research use) can be downloaded from the authors' repository JJGO/UniverSeg and\n"
                 "given to any subcommand:\n"
                 "  universeg segment --model universeg_v1_nf64_ss64_STA.pt ...\n";
  }
  std::cout << std::flush;
  return exitSuccess;
}
} // namespace universeg
