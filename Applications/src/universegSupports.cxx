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
#include "universegSupports.h"

#include "universegLabelOptions.h"
#include "universegSegmenter.h"

#include "itkImageGeometryDifference.h"

#include <algorithm>

namespace universeg
{
namespace
{
itk::IntensityNormalization
ParseNormalization(const std::string & text)
{
  using Method = itk::IntensityNormalization::NormalizationEnum;
  itk::IntensityNormalization normalization;
  const std::size_t colon = text.find(':');
  const std::string name = text.substr(0, colon);
  std::vector<double> range;
  if (colon != std::string::npos)
  {
    for (const std::string & part : Split(text.substr(colon + 1), ','))
    {
      range.push_back(ParseNumber(part, "--normalize"));
    }
  }
  const auto requireRange = [&](bool optional)
  {
    if (range.size() != 2 && !(optional && colon == std::string::npos))
    {
      throw UsageError("--normalize: '" + text + "' should have the form " + name + ":LOW,HIGH");
    }
  };
  if (name == "percentile")
  {
    requireRange(true);
    normalization.method = Method::Percentile;
    if (!range.empty())
    {
      normalization.lowerPercentile = range[0];
      normalization.upperPercentile = range[1];
    }
  }
  else if (name == "window")
  {
    requireRange(false);
    normalization.method = Method::Window;
    normalization.windowMinimum = range[0];
    normalization.windowMaximum = range[1];
  }
  else if (text == "minmax")
  {
    normalization.method = Method::MinMaxOfSlice;
  }
  else if (text == "minmax-volume")
  {
    normalization.method = Method::MinMaxOfVolume;
  }
  else if (text == "none")
  {
    normalization.method = Method::None;
  }
  else
  {
    throw UsageError("--normalize: '" + text +
                     "' should be minmax, minmax-volume, percentile[:LOW,HIGH], window:LOW,HIGH or none");
  }
  try
  {
    normalization.Check();
  }
  catch (const itk::ExceptionObject & error)
  {
    throw UsageError(std::string("--normalize: ") + ToOneLine(error.GetDescription()));
  }
  return normalization;
}

} // namespace

void
AddSupportOptions(boost::program_options::options_description & group)
{
  group.add_options()("support", Texts(), "folders with pairs of an image and a mask")(
    "support-images", Texts(), "image files")("support-labels", Texts(), "their masks, in the same order")(
    "mask-suffix", Text(), "suffix of the masks' names in a folder, for example _1stHO")(
    "max-supports", Text(), "use the first pairs only");
  AddLabelOptions(group);
  group.add_options()("ignore-geometry", "take masks of volumes pixel by pixel, wherever they lie")(
    "labels", Texts(), "use these values of the masks only: 1,2,...")(
    "slice-axis", Text(), "axis across which volumes are cut: 0, 1 or 2 (default)")(
    "normalize", Text(), "minmax (of a slice, default), minmax-volume, percentile[:LOW,HIGH], window:LOW,HIGH, none");
}

itk::IntensityNormalization
GetNormalization(const CommandLine & commandLine)
{
  return ParseNormalization(commandLine.GetText("normalize", "minmax"));
}

unsigned int
GetSliceAxis(const CommandLine & commandLine)
{
  return static_cast<unsigned int>(commandLine.GetInteger("slice-axis", 2, 0, 2));
}

std::vector<FilePair>
FindSupports(const CommandLine & commandLine)
{
  const auto images = commandLine.GetTexts("support-images");
  const auto labels = commandLine.GetTexts("support-labels");
  if (images.size() != labels.size())
  {
    throw UsageError("there are " + std::to_string(images.size()) + " --support-images and " +
                     std::to_string(labels.size()) + " --support-labels; should be as many");
  }
  std::vector<FilePair> pairs;
  for (std::size_t i = 0; i < images.size(); ++i)
  {
    pairs.push_back({ images[i], labels[i] });
  }
  for (const std::string & folder : commandLine.GetTexts("support"))
  {
    const auto found = FindPairs(folder, commandLine.GetText("mask-suffix"));
    pairs.insert(pairs.end(), found.begin(), found.end());
  }
  if (pairs.empty())
  {
    throw UsageError("--support is missing (or --support-images with --support-labels)");
  }
  const auto most = static_cast<std::size_t>(commandLine.GetInteger("max-supports", 0, 0, 1 << 30));
  if (most > 0 && pairs.size() > most)
  {
    pairs.resize(most);
  }
  return pairs;
}

SupportReader::SupportReader(const CommandLine & commandLine)
  : m_Choice(GetLabelChoice(commandLine))
  , m_SliceAxis(GetSliceAxis(commandLine))
  , m_IgnoreGeometry(commandLine.Has("ignore-geometry"))
{
  // Beyond it, 32-bit floats, as some formats store labels, are no longer exact.
  constexpr std::int64_t largestLabel = std::int64_t{ 1 } << 24;
  for (const std::string & text : commandLine.GetTexts("labels"))
  {
    for (const std::string & part : Split(text, ','))
    {
      const std::int64_t value = ParseInteger(part, "--labels");
      if (value == 0 || value < -largestLabel || value > largestLabel)
      {
        throw UsageError("--labels: " + part + " should be a value of a structure, not 0, from " +
                         std::to_string(-largestLabel) + " to " + std::to_string(largestLabel));
      }
      m_Wanted.insert(static_cast<std::int32_t>(value));
    }
  }
  if (!m_Wanted.empty() && (m_Choice.label.has_value() || m_Choice.binary || !m_Choice.colors.empty()))
  {
    throw UsageError("--labels excludes --label, --label-color and --binary");
  }
}

LabelVolume::Pointer
SupportReader::ReadLabels(const FilePair & pair, const Volume & image) const
{
  auto labels = ToLabels(ReadImage(pair.mask), m_Choice, true);
  if (m_IgnoreGeometry || image.GetLargestPossibleRegion().GetSize()[2] == 1)
  {
    labels->SetOrigin(image.GetOrigin());
    labels->SetSpacing(image.GetSpacing());
    labels->SetDirection(image.GetDirection());
  }
  const std::string difference = itk::FindGeometryDifference<3>(image, *labels);
  if (!difference.empty())
  {
    throw Failure(pair.mask + ": the geometry of the mask is not that of its image '" + pair.image +
                  "': " + ToOneLine(difference) + "; resample the mask, or use --ignore-geometry for another origin, " +
                  "spacing or direction");
  }
  if (!m_Wanted.empty())
  {
    std::int32_t * pixel = labels->GetBufferPointer();
    const std::size_t count = labels->GetLargestPossibleRegion().GetNumberOfPixels();
    std::transform(
      pixel, pixel + count, pixel, [this](std::int32_t label) { return m_Wanted.count(label) != 0 ? label : 0; });
  }
  return labels;
}

itk::UniverSegSupportSet::Pointer
SupportReader::Read(const std::vector<FilePair> & pairs,
                    const ColorProjection & colors,
                    std::vector<SupportExample> * examples) const
{
  constexpr std::size_t shown = 8;
  auto supports = itk::UniverSegSupportSet::New();
  bool marked = false;
  std::string lastName;
  for (const FilePair & pair : pairs)
  {
    const auto image = ToIntensities(ReadImage(pair.image), colors);
    const auto labels = this->ReadLabels(pair, *image);
    const bool labelled = !FindLabels(*labels).empty();
    marked = marked || labelled;
    if (!labelled && labels->GetLargestPossibleRegion().GetSize()[2] > 1)
    {
      throw Failure(pair.mask + ": no pixel of the mask has a label that is asked for");
    }
    try
    {
      AddSupport(*supports, *image, *labels, m_SliceAxis);
    }
    catch (const itk::ExceptionObject & error)
    {
      throw Failure(pair.image + ": " + ToOneLine(error.GetDescription()));
    }
    if (examples != nullptr && examples->size() < shown)
    {
      examples->push_back({ image, labels });
    }
    lastName = pair.mask;
  }
  if (!marked)
  {
    throw Failure(lastName + ": no pixel of this or any other mask has a label that is asked for");
  }
  constexpr std::size_t mostLabels = 64;
  const std::size_t labels = supports->GetLabels().size();
  if (labels > mostLabels)
  {
    throw Failure("the masks have " + std::to_string(labels) +
                  " different values, each a structure of its own; use --binary or --label");
  }
  return supports;
}
} // namespace universeg
