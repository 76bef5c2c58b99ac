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
#include "universegFiles.h"
#include "universegImages.h"
#include "universegModelOptions.h"
#include "universegProgress.h"
#include "universegSubcommands.h"
#include "universegVolumes.h"

#include "itkImageGeometryDifference.h"
#include "itkNNFileReplacement.h"
#include "itkSpatialDeformationImageFilter.h"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>

namespace universeg
{
namespace
{
namespace fs = std::filesystem;

/** As ITK has them: the fastest last here. */
constexpr const char * axisNames[] = { "width", "height", "depth" };

/** A value of an option of an operation: A,B@P. */
struct OperationText
{
  std::string option; ///< with its dashes, for errors
  std::string text;
  std::vector<std::string> parts;
  double probability = 1;

  OperationText(const std::string & name, std::string value)
    : option("--" + name)
    , text(std::move(value))
  {
    const std::size_t end = text.find('@');
    parts = Split(text.substr(0, end), ',');
    if (end != std::string::npos)
    {
      const std::string share = text.substr(end + 1);
      probability = ParseNumber(share, option);
      if (probability < 0 || probability > 1)
      {
        throw UsageError(option + ": the probability " + share + " should be from 0 to 1");
      }
    }
  }

  /** \param form of the value, for the error when there are not as many numbers. */
  std::vector<double> GetNumbers(std::size_t count, const std::string & form) const
  {
    if (parts.size() != count)
    {
      throw UsageError(option + ": '" + text + "' should have the form " + form + ", and @PROBABILITY where wanted");
    }
    std::vector<double> numbers;
    std::transform(parts.begin(),
                   parts.end(),
                   std::back_inserter(numbers),
                   [this](const std::string & part) { return ParseNumber(part, option); });
    return numbers;
  }
};

template <typename TFilter>
void
AppendOperation(TFilter & filter, const OperationText & given)
{
  constexpr unsigned int dimension = TFilter::ImageDimension;
  const bool isVolume = dimension == 3;
  // Slowest first on the command line, last in ITK.
  const auto copy = [](const std::vector<double> & numbers, auto & to)
  { std::copy(numbers.rbegin(), numbers.rend(), to.Begin()); };
  if (given.option == "--scale")
  {
    filter.AppendScale(given.GetNumbers(1, "FACTOR")[0], given.probability);
  }
  else if (given.option == "--translate")
  {
    typename TFilter::OffsetType offset;
    copy(given.GetNumbers(dimension, isVolume ? "DEPTH,HEIGHT,WIDTH" : "HEIGHT,WIDTH"), offset);
    filter.AppendTranslate(offset, given.probability);
  }
  else if (given.option == "--rotate")
  {
    typename TFilter::AnglesType angles;
    copy(given.GetNumbers(angles.Size(), isVolume ? "DEPTH,HEIGHT,WIDTH" : "ANGLE"), angles);
    filter.AppendRotate(angles, given.probability);
  }
  else if (given.option == "--flip")
  {
    typename TFilter::FlipAxesType axes;
    axes.Fill(false);
    for (const auto & part : given.parts)
    {
      const auto * const axis = std::find(axisNames, axisNames + dimension, part);
      if (axis == axisNames + dimension)
      {
        throw UsageError("--flip: '" + part + "' should be " + (isVolume ? "depth, " : "") + "height or width");
      }
      axes[static_cast<unsigned int>(axis - axisNames)] = true;
    }
    filter.AppendFlip(axes, given.probability);
  }
  else
  {
    OperationText rest = given;
    const bool isMirrored = rest.parts.back() == "mirror";
    rest.parts.resize(rest.parts.size() - (isMirrored ? 1 : 0));
    const auto numbers = rest.GetNumbers(2, "SIGMA,ALPHA or SIGMA,ALPHA,mirror");
    filter.AppendElastic(numbers[0], numbers[1], given.probability, isMirrored ? "mirror" : "constant");
  }
}

/** An image or label image, and what becomes of it. */
struct Entry
{
  std::string name;
  bool isLabel = false;
  ImageHeader header;
  std::vector<std::string> results; ///< a file each sample
};

std::vector<Entry>
MakeEntries(const CommandLine & commandLine, std::int64_t count)
{
  std::vector<Entry> entries;
  std::vector<std::string> inputs;
  for (const bool isLabel : { false, true })
  {
    for (const auto & name : commandLine.GetTexts(isLabel ? "label" : "image"))
    {
      entries.push_back({ name, isLabel, ReadImageHeader(name, commandLine.GetText("series")), {} });
      inputs.push_back(name);
    }
  }
  const fs::path output = commandLine.GetRequired("output");
  if (!GetImageExtension(output.string()).empty() && !fs::is_directory(output))
  {
    throw UsageError("--output: '" + output.string() + "' should be a folder");
  }
  std::map<std::string, std::string> taken;
  for (auto & entry : entries)
  {
    for (std::int64_t i = 1; i <= count; ++i)
    {
      const std::string file =
        (output / (GetStem(entry.name) + '_' + std::to_string(i) + (entry.isLabel ? "_lab" : "") + ".nii.gz")).string();
      CheckNotInput(file, inputs);
      if (!taken.emplace(itk::nn::FollowSymbolicLinks(file), entry.name).second)
      {
        throw UsageError(file + ": two results would have this name");
      }
      entry.results.push_back(file);
    }
  }
  return entries;
}

/** A volume as the filter takes it: without geometry, of one slice as a picture. */
template <typename TImage, typename TVolume>
typename TImage::Pointer
WithoutGeometry(const TVolume & volume)
{
  typename TImage::SizeType size;
  for (unsigned int axis = 0; axis < TImage::ImageDimension; ++axis)
  {
    size[axis] = volume.GetLargestPossibleRegion().GetSize(axis);
  }
  const auto image = TImage::New();
  image->SetRegions(size);
  image->Allocate();
  std::copy_n(
    volume.GetBufferPointer(), volume.GetLargestPossibleRegion().GetNumberOfPixels(), image->GetBufferPointer());
  return image;
}

/** Its pixels, [D, H, W]. */
template <typename TImage>
itk::nn::Tensor
WrapPixels(TImage & image, itk::nn::DataType type)
{
  itk::nn::Shape shape(3, 1);
  for (unsigned int axis = 0; axis < TImage::ImageDimension; ++axis)
  {
    shape[2 - axis] = static_cast<std::int64_t>(image.GetLargestPossibleRegion().GetSize(axis));
  }
  return itk::nn::Tensor::Wrap(image.GetBufferPointer(), shape, type);
}

/** All moves with the first image; of one slice what else the geometry says is of no matter. */
void
CheckGeometry(const std::string & name, const Volume & volume, const std::string & firstName, const Volume & first)
{
  const bool isPicture = first.GetLargestPossibleRegion().GetSize(2) == 1;
  const bool hasSize = volume.GetLargestPossibleRegion().GetSize() == first.GetLargestPossibleRegion().GetSize();
  const std::string difference = isPicture && hasSize ? std::string() : itk::FindGeometryDifference<3>(first, volume);
  if (!difference.empty())
  {
    throw Failure(name + ": the geometry is not that of '" + firstName + "': " + ToOneLine(difference));
  }
}

/** As the options say. */
template <typename TFilter>
typename TFilter::Pointer
MakeFilter(const CommandLine & commandLine)
{
  const auto filter = TFilter::New();
  for (const auto & [name, value] : commandLine.GetInOrder({ "scale", "flip", "translate", "rotate", "elastic" }))
  {
    AppendOperation(*filter, OperationText(name, value));
  }
  filter->SetInterpolation(commandLine.GetText("order", "linear"));
  filter->SetBoundary(commandLine.GetText("boundary", "constant"));
  constexpr double most = 1e30;
  filter->SetDefaultPixelValue(static_cast<float>(commandLine.GetNumber("value", 0, -most, most)));
  const std::string compatibility = commandLine.GetText("compatibility", "none");
  if (compatibility != "none" && compatibility != "cuda_spatial_deform")
  {
    throw UsageError("--compatibility: '" + compatibility + "' should be none or cuda_spatial_deform");
  }
  filter->SetCudaSpatialDeformRules(compatibility == "cuda_spatial_deform");
  try
  {
    itk::nn::GetInterpolationMode(filter->GetInterpolation());
    itk::nn::GetBoundaryMode(filter->GetBoundary());
  }
  catch (const itk::nn::Error & error)
  {
    throw UsageError(error.GetDescription());
  }
  const itk::nn::PlanOptions plan = GetPlanOptions(commandLine);
  const std::string precision = itk::nn::GetPrecisionText(plan);
  if (precision != "float32" && precision != "float64")
  {
    throw UsageError("--precision is " + precision + "; should be float32 or float64");
  }
  filter->SetBackend(plan.backend);
  filter->SetDevice(plan.device.ToText());
  filter->SetPrecision(precision);
  if (plan.threads > 0)
  {
    filter->GetMultiThreader()->SetMaximumNumberOfThreads(plan.threads);
    filter->SetNumberOfWorkUnits(plan.threads);
  }
  return filter;
}

/** \tparam VDimension 2 for images of one slice. */
template <unsigned int VDimension>
int
Deform(const CommandLine & commandLine, const std::vector<Entry> & entries, std::int64_t seed)
{
  using ImageType = itk::Image<float, VDimension>;
  using LabelType = itk::Image<std::int32_t, VDimension>;
  const auto filter = MakeFilter<itk::SpatialDeformationImageFilter<ImageType, LabelType>>(commandLine);
  std::vector<Volume::Pointer> volumes; // for the geometry
  std::vector<typename LabelType::Pointer> labels;
  for (std::size_t i = 0; i < entries.size(); ++i)
  {
    const LoadedImage image = ReadImage(entries[i].name, commandLine.GetText("series"));
    volumes.push_back(image.geometry);
    CheckGeometry(entries[i].name, *volumes[i], entries[0].name, *volumes[0]);
    if (entries[i].isLabel)
    {
      labels.push_back(WithoutGeometry<LabelType>(*ToLabels(image, {})));
    }
    else
    {
      filter->SetInput(static_cast<unsigned int>(i), WithoutGeometry<ImageType>(*ToIntensities(image)));
    }
  }
  const std::size_t images = entries.size() - labels.size();

  fs::create_directories(commandLine.GetText("output"));
  const std::size_t samples = entries[0].results.size();
  std::string report;
  auto progress = std::make_unique<ProgressBar>("deform");
  for (std::size_t sample = 0; sample < samples; ++sample)
  {
    filter->SetSeed(seed + static_cast<std::int64_t>(sample));
    // Labels behind the first go the same way in turn, as the seed is the same.
    for (std::size_t pass = 0; pass < std::max<std::size_t>(labels.size(), 1); ++pass)
    {
      if (!labels.empty())
      {
        filter->SetLabelImage(labels[pass]);
      }
      filter->Update();
      for (std::size_t i = 0; pass == 0 && i < images; ++i)
      {
        const auto pixels = WrapPixels(*filter->GetOutput(static_cast<unsigned int>(i)), itk::nn::DataType::Float32);
        WriteProbabilities(*ToVolume(pixels, *volumes[i]), entries[i].header.dimension, entries[i].results[sample]);
      }
      if (!labels.empty())
      {
        const std::size_t i = images + pass;
        const auto pixels = WrapPixels(*filter->GetLabelOutput(), itk::nn::DataType::Int32);
        WriteLabels(*ToLabelVolume(pixels, *volumes[i]), entries[i].header.dimension, entries[i].results[sample]);
      }
    }
    progress->Show(static_cast<double>(sample + 1) / static_cast<double>(samples));
    std::string done;
    for (const auto & name : filter->GetDoneOperations())
    {
      done += (done.empty() ? "" : ", ") + name;
    }
    report += entries[0].results[sample] + ": " + (done.empty() ? "no operation" : done) + '\n';
  }
  progress.reset();
  std::cout << report;
  return exitSuccess;
}
} // namespace

int
RunDeform(const Arguments & arguments)
{
  CommandLine commandLine("deform",
                          "--image FILE... [--label FILE...] --output DIR [OPERATION]... [OPTION]...",
                          "Deforms images and label images, all of them the same way, as for augmentation.\n"
                          "Operations are done in the order in which they are given, and may be given several times.\n"
                          "They change the place that a result's pixel is taken from, counted from the middle of\n"
                          "the image, as of the library cuda_spatial_deform; lengths are in pixels, angles in\n"
                          "radians. With @P behind an operation it is done with the probability P. DIR gets\n"
                          "NAME_1.nii.gz of each image, and NAME_1_lab.nii.gz of each label image. Images of one\n"
                          "slice are deformed in their plane.");
  commandLine.AddGroup("Images").add_options()("image", Texts(), "images of one geometry, as the modalities of a scan")(
    "label", Texts(), "label images, of which the nearest pixel is taken")(
    "series", Text(), "UID of the DICOM series, where a folder has several")("output", Text(), "folder to write to")(
    "count", Text(), "number of samples (default 1)")(
    "seed", Text(), "of the first sample, the next has the next (default 0)");
  commandLine.AddGroup("Operations")
    .add_options()("scale", RepeatedText(), "FACTOR; 2 shows the image at half its size")(
      "flip", RepeatedText(), "axes out of depth, height and width, with commas")(
      "translate", RepeatedText(), "DEPTH,HEIGHT,WIDTH; of one slice HEIGHT,WIDTH")(
      "rotate", RepeatedText(), "DEPTH,HEIGHT,WIDTH: angles about these axes; of one slice ANGLE")(
      "elastic", RepeatedText(), "SIGMA,ALPHA[,mirror]: ALPHA times noise that is smoothed by SIGMA");
  commandLine.AddGroup("Sampling")
    .add_options()("order", Text(), "linear (default) or nearest, of images")(
      "boundary", Text(), "constant (default), reflect, mirror, nearest or wrap")(
      "value", Text(), "of images beyond a constant boundary (default 0); labels are 0 there")(
      "compatibility", Text(), "none (default), or cuda_spatial_deform for its boundaries");
  AddPlanOptions(commandLine);
  commandLine.AddPositional("image", -1);
  if (!commandLine.Parse(arguments))
  {
    return exitSuccess;
  }
  constexpr std::int64_t mostSeed = std::int64_t{ 1 } << 62;
  const std::int64_t seed = commandLine.GetInteger("seed", 0, -mostSeed, mostSeed);
  const std::int64_t count = commandLine.GetInteger("count", 1, 1, 1 << 20);
  if (!commandLine.Has("image"))
  {
    throw UsageError("--image is missing");
  }
  commandLine.GetRequired("output");
  const std::vector<Entry> entries = MakeEntries(commandLine, count);
  return entries[0].header.slices == 1 ? Deform<2>(commandLine, entries, seed) : Deform<3>(commandLine, entries, seed);
}
} // namespace universeg
