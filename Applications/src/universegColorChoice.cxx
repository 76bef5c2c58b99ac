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

#include "itkLabelOverlapMetrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <set>

namespace universeg
{
namespace
{
constexpr std::size_t mostPairs = 16;
constexpr std::size_t fewestPairs = 4;
/** More labels have no discriminant of their own: each would cost a cross-validation. */
constexpr std::size_t mostLabels = 4;

const std::vector<ColorCandidate> &
GetFixedProjections()
{
  static const std::vector<ColorCandidate> projections{
    { "luminance", {} }, { "red", { 1, 0, 0 } }, { "green", { 0, 1, 0 } }, { "blue", { 0, 0, 1 } }
  };
  return projections;
}

/** A pair in colour. */
struct ColorExample
{
  LoadedImage image;
  LabelVolume::Pointer labels;
};

/** Pairs spread evenly over all. */
std::vector<ColorExample>
ReadSome(const std::vector<FilePair> & pairs, const SupportReader & reader)
{
  std::vector<ColorExample> examples;
  const std::size_t count = std::min(pairs.size(), mostPairs);
  for (std::size_t i = 0; i < count; ++i)
  {
    const FilePair & pair = pairs[i * pairs.size() / count];
    ColorExample example;
    example.image = ReadImage(pair.image);
    example.labels = reader.ReadLabels(pair, *example.image.geometry);
    if (!FindLabels(*example.labels).empty())
    {
      examples.push_back(std::move(example));
    }
  }
  return examples;
}

/** \param structure the label that all others are told from; empty: all from each other. */
std::optional<ColorProjection>
FindDiscriminant(const std::vector<ColorExample> & examples, std::optional<std::int32_t> structure = std::nullopt)
{
  itk::nn::ColorDiscriminant discriminant;
  for (const ColorExample & example : examples)
  {
    if (example.image.components >= 3)
    {
      const std::int32_t * first = example.labels->GetBufferPointer();
      std::vector<std::int32_t> labels(first, first + example.labels->GetLargestPossibleRegion().GetNumberOfPixels());
      if (structure.has_value())
      {
        std::transform(labels.begin(),
                       labels.end(),
                       labels.begin(),
                       [structure](std::int32_t label) { return label == *structure ? 1 : 0; });
      }
      discriminant.Add(example.image, labels.data(), labels.size());
    }
  }
  return discriminant.Get();
}

/** The labels other than 0, ascending. */
std::set<std::int32_t>
CollectLabels(const std::vector<ColorExample> & examples)
{
  std::set<std::int32_t> labels;
  for (const ColorExample & example : examples)
  {
    const auto found = FindLabels(*example.labels);
    labels.insert(found.begin(), found.end());
  }
  return labels;
}

/** Dice of each example: every other one is segmented with the rest, and the other way round. */
std::vector<double>
CrossValidate(const std::vector<ColorExample> & examples,
              const ColorProjection & projection,
              itk::SegmentationModel * model,
              const SegmentationSettings & settings)
{
  std::vector<Volume::Pointer> images;
  for (const ColorExample & example : examples)
  {
    images.push_back(ToIntensities(example.image, projection));
  }
  SegmentationSettings own = settings;
  own.probabilities = false;
  own.ensembleSize = 1;
  own.ensembleSupportSize = 0;
  std::vector<double> dice(examples.size());
  for (const std::size_t fold : { 0, 1 })
  {
    auto supports = itk::UniverSegSupportSet::New();
    for (std::size_t i = 1 - fold; i < examples.size(); i += 2)
    {
      AddSupport(*supports, *images[i], *examples[i].labels, settings.sliceAxis);
    }
    Segmenter segmenter(model, supports, own);
    for (std::size_t i = fold; i < examples.size(); i += 2)
    {
      const Segmentation result = segmenter.Segment(*images[i]);
      auto metrics = itk::LabelOverlapMetrics<LabelVolume>::New();
      metrics->SetPredictionImage(result.labels);
      metrics->SetReferenceImage(examples[i].labels);
      metrics->Compute();
      dice[i] = metrics->GetMeanDice();
    }
  }
  return dice;
}

double
Mean(const std::vector<double> & values)
{
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

} // namespace

ColorChoice
ParseColorChoice(const std::string & text)
{
  ColorChoice choice;
  if (text == "auto")
  {
    return choice;
  }
  if (text == "discriminant")
  {
    choice.method = ColorChoice::Method::Discriminant;
    return choice;
  }
  choice.method = ColorChoice::Method::Fixed;
  for (const ColorCandidate & named : GetFixedProjections())
  {
    if (text == named.name)
    {
      choice.projection = named.projection;
      return choice;
    }
  }
  const auto parts = Split(text, ',');
  if (parts.size() != 3)
  {
    throw UsageError("--color: '" + text +
                     "' should be auto, discriminant, luminance, red, green, blue or weights R,G,B");
  }
  choice.projection = { ParseNumber(parts[0], "--color"),
                        ParseNumber(parts[1], "--color"),
                        ParseNumber(parts[2], "--color") };
  const double sum =
    std::abs(choice.projection.red) + std::abs(choice.projection.green) + std::abs(choice.projection.blue);
  if (!(sum > 0) || !(sum < 1e6))
  {
    throw UsageError("--color: the weights '" + text + "' should not all be 0, nor very large");
  }
  return choice;
}

bool
IsClearlyBetter(const std::vector<double> & dice, const std::vector<double> & than)
{
  const auto count = static_cast<double>(dice.size());
  const double gain = Mean(dice) - Mean(than);
  double squares = 0;
  for (std::size_t i = 0; i < dice.size(); ++i)
  {
    const double deviation = dice[i] - than[i] - gain;
    squares += deviation * deviation;
  }
  return gain > std::sqrt(squares / (count * (count - 1)));
}

ColorProjection
ChooseColors(const ColorChoice & choice,
             const std::vector<FilePair> & pairs,
             const SupportReader & reader,
             itk::SegmentationModel * model,
             const SegmentationSettings & settings,
             std::vector<ColorCandidate> * candidates)
{
  if (choice.method == ColorChoice::Method::Fixed)
  {
    return choice.projection;
  }
  const std::size_t fewest = choice.method == ColorChoice::Method::Auto ? fewestPairs : 1;
  if (pairs.size() < fewest || !itk::nn::IsColored(ReadImage(pairs.front().image)))
  {
    return {};
  }
  const std::vector<ColorExample> examples = ReadSome(pairs, reader);
  const auto discriminant = FindDiscriminant(examples);
  if (choice.method == ColorChoice::Method::Discriminant)
  {
    if (!discriminant.has_value())
    {
      throw Failure(pairs.front().mask +
                    ": --color discriminant needs masks that have a structure and background, but this and the other "
                    "masks have not both");
    }
    return *discriminant;
  }
  if (examples.size() < fewestPairs)
  {
    return {};
  }
  std::vector<ColorCandidate> compared;
  for (const ColorCandidate & named : GetFixedProjections())
  {
    compared.push_back(named);
    compared.push_back({ "negated " + named.name, named.projection.Negated() });
  }
  if (discriminant.has_value())
  {
    compared.push_back({ "discriminant", *discriminant });
  }
  const auto labels = CollectLabels(examples);
  if (labels.size() > 1 && labels.size() <= mostLabels)
  {
    for (const std::int32_t label : labels)
    {
      if (const auto own = FindDiscriminant(examples, label))
      {
        compared.push_back({ "discriminant of label " + std::to_string(label), *own });
      }
    }
  }
  std::vector<std::vector<double>> dice;
  for (ColorCandidate & candidate : compared)
  {
    dice.push_back(CrossValidate(examples, candidate.projection, model, settings));
    candidate.dice = Mean(dice.back());
  }
  auto best = std::max_element(compared.begin(),
                               compared.end(),
                               [](const ColorCandidate & a, const ColorCandidate & b) { return a.dice < b.dice; });
  if (!IsClearlyBetter(dice[static_cast<std::size_t>(best - compared.begin())], dice.front()))
  {
    best = compared.begin();
  }
  const ColorProjection chosen = best->projection;
  if (candidates != nullptr)
  {
    std::rotate(compared.begin(), best, best + 1);
    *candidates = std::move(compared);
  }
  return chosen;
}
} // namespace universeg
