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
#include "universegFiles.h"
#include "universegModelOptions.h"
#include "universegPicture.h"
#include "universegProgress.h"
#include "universegSegmenter.h"
#include "universegSubcommands.h"
#include "universegVolumeSegment.h"

#include "itkImageGeometryDifference.h"
#include "itkNNFileReplacement.h"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>
#include <set>

namespace universeg
{
namespace
{
namespace fs = std::filesystem;

constexpr std::size_t pictureLength = 512;

void
CheckGrid(const itk::SegmentationModel & model, std::size_t extent)
{
  const auto grid = model.GetGridSize();
  const bool isGiven = extent > 0;
  const auto height = static_cast<std::int64_t>(isGiven ? extent : grid[1]);
  const auto width = static_cast<std::int64_t>(isGiven ? extent : grid[0]);
  const std::string problem = FindGridProblem(*model.GetNetwork(), height, width);
  if (problem.empty())
  {
    return;
  }
  if (isGiven)
  {
    throw UsageError("--grid " + std::to_string(extent) + ' ' + problem);
  }
  throw Failure("the model's grid " + problem + "; choose another with --grid");
}

Picture
DrawOverlay(const Volume & image, const LabelVolume & labels, unsigned int axis, std::size_t length)
{
  const std::size_t slice = FindFullestSlice(labels, axis);
  const auto size = GetDisplaySize(image, axis, length);
  Picture picture = Picture::FromSlice(image, axis, slice, size[0], size[1]);
  picture.DrawContours(labels, axis, slice);
  return picture;
}

unsigned int
GetAxis(const Volume & image, unsigned int sliceAxis)
{
  return image.GetLargestPossibleRegion().GetSize()[2] == 1 ? 2 : sliceAxis;
}

void
WriteMontage(const std::string & fileName,
             const std::vector<SupportExample> & supports,
             const std::vector<SupportExample> & targets,
             unsigned int sliceAxis)
{
  constexpr std::size_t mostColumns = 4;
  constexpr std::size_t mostSupportColumns = 8;
  constexpr std::size_t gap = 8;
  constexpr std::size_t heading = 30;
  constexpr std::size_t supportLength = 128;
  constexpr std::size_t targetLength = 264;
  const std::size_t columns = std::min(targets.size(), mostColumns);
  const std::size_t supportColumns = std::min(supports.size(), mostSupportColumns);
  const std::size_t width = gap + std::max(columns * (targetLength + gap), supportColumns * (supportLength + gap));
  const std::size_t supportRows = (supports.size() + supportColumns - 1) / supportColumns;
  const std::size_t targetRows = (targets.size() + columns - 1) / columns;
  const std::size_t supportsHeight = supportRows * (supportLength + gap);
  Picture montage(width, 2 * heading + supportsHeight + targetRows * (targetLength + gap) + gap);
  constexpr Picture::Rgb ink{ 230, 230, 230 };
  const auto place =
    [&](const SupportExample & example, std::size_t i, std::size_t across, std::size_t length, std::size_t top)
  {
    const Picture picture = DrawOverlay(*example.image, *example.labels, GetAxis(*example.image, sliceAxis), length);
    const std::size_t left = gap + (i % across) * (length + gap) + (length - std::min(length, picture.GetWidth())) / 2;
    montage.Paste(
      picture, left, top + (i / across) * (length + gap) + (length - std::min(length, picture.GetHeight())) / 2);
  };
  montage.DrawText("Supports", gap, gap, 2, ink);
  for (std::size_t i = 0; i < supports.size(); ++i)
  {
    place(supports[i], i, supportColumns, supportLength, heading);
  }
  montage.DrawText("Results", gap, heading + supportsHeight + gap, 2, ink);
  for (std::size_t i = 0; i < targets.size(); ++i)
  {
    place(targets[i], i, columns, targetLength, 2 * heading + supportsHeight);
  }
  montage.Write(fileName);
}

/** The file for an image: the name itself, or one in the folder it names. */
std::string
GetOutputName(const std::string & output,
              bool isFolder,
              const std::string & image,
              const std::string & ending,
              const std::string & extension)
{
  if (!isFolder)
  {
    return output;
  }
  const fs::path path = fs::path(image).lexically_normal();
  const std::string stem = path.has_filename() ? GetStem(path.string()) : path.parent_path().filename().string();
  return (fs::path(output) / (stem + ending + extension)).string();
}

/** Files to write for one image; empty when not asked for. */
struct OutputNames
{
  ImageHeader header;
  std::string labels;
  std::vector<std::string> probabilities;
  std::string overlay;
};

/** Collects the names of results, before any is computed. */
class OutputCheck
{
public:
  explicit OutputCheck(std::vector<std::string> inputs)
    : m_Inputs(std::move(inputs))
  {}

  /** Throws when the file is an input or another result's.
   * \param result in words. */
  void Add(const std::string & name, const std::string & result)
  {
    CheckNotInput(name, m_Inputs);
    const auto added = m_Results.emplace(itk::nn::FollowSymbolicLinks(name), result);
    if (!added.second)
    {
      throw UsageError(name + ": two results would have this name, " + added.first->second + " and " + result);
    }
  }

private:
  std::vector<std::string> m_Inputs;
  std::map<std::string, std::string> m_Results;
};

} // namespace

int
RunSegment(const Arguments & arguments)
{
  if (IsVolumeSegment(arguments))
  {
    return RunVolumeSegment(arguments);
  }
  CommandLine commandLine(
    "segment",
    "--image FILE|DIR... (--support DIR... | --support-images FILE... --support-labels FILE...) [OPTION]...",
    "Segments images as the pairs of a support set show; nothing is trained. Reads DICOM series\n"
    "(a folder), NIfTI, NRRD, MetaImage, PNG, BMP, TIFF and JPEG; a result has the geometry of its\n"
    "image and the label values of the masks. Volumes are segmented slice by slice; a mask of a\n"
    "volume gives the slices in which it has labels. With several labels in the masks, each is a\n"
    "structure and the result is a label map.\n"
    "A support folder has subfolders images and labels (or masks), with equal names; or files\n"
    "NAME.EXT and NAME_mask.EXT (or _label, _seg, _gt); or NAME.EXT and the mask NAME.png.\n"
    "A model of a network that needs no supports (fmunet, pctnet, u2net, unet3d) or a file of PyMIC goes\n"
    "without: --model FILE --image FILE... --output DIR, or --config FILE.cfg.");
  commandLine.AddGroup("Images").add_options()("image", Texts(), "images to segment, files or folders of DICOM slices")(
    "series", Text(), "UID of the DICOM series, where a folder has several")(
    "output", Text(), "label file to write, or a folder for NAME_seg.EXT")(
    "extension", Text(), "format of results in a folder; default .png for 2-D images, else .nii.gz")(
    "probability", Text(), "write probabilities: file or folder; with several labels NAME_LABEL.EXT")(
    "overlay", Text(), "PNG file (or folder) with the fullest slice and outlines")(
    "montage", Text(), "PNG file with supports and results");
  auto & support = commandLine.AddGroup("Supports");
  AddSupportOptions(support);
  support.add_options()("no-background",
                        "with several labels: the background is no competing label, the threshold decides")(
    "color",
    Text(),
    "intensities of colour images: auto (default: what segments the supports best), discriminant, luminance, red, "
    "green, blue or weights R,G,B");
  commandLine.AddGroup("Method").add_options()(
    "nearest-supports", Text(), "segment each slice with so many supports, those most like it; default: all")(
    "ensemble", Text(), "number of support subsets to average (default 1)")(
    "ensemble-size", Text(), "supports in a subset, drawn with replacement (default: as many as there are)")(
    "seed", Text(), "of the first subset (default 0)")(
    "threshold", Text(), "probability above which a pixel is foreground (default 0.5)")(
    "grid", Text(), "extent of the grid that the network works on; default: the model's");
  AddModelOptions(commandLine, true);
  AddPlanOptions(commandLine);
  commandLine.AddPositional("image", -1);
  if (!commandLine.Parse(arguments))
  {
    return exitSuccess;
  }

  const std::vector<std::string> images = commandLine.GetTexts("image");
  if (images.empty())
  {
    throw UsageError("--image is missing");
  }
  const std::string output = commandLine.GetText("output");
  const std::string probability = commandLine.GetText("probability");
  const std::string overlay = commandLine.GetText("overlay");
  const std::string montage = commandLine.GetText("montage");
  if (output.empty() && probability.empty() && overlay.empty() && montage.empty())
  {
    throw UsageError("--output is missing (or --probability, --overlay or --montage)");
  }
  if (!montage.empty() && GetImageExtension(montage) != ".png")
  {
    throw UsageError("--montage: '" + montage + "' should end in .png");
  }
  const std::string extension = commandLine.GetText("extension");
  if (!extension.empty() && GetImageExtension("x" + extension) != extension)
  {
    throw UsageError("--extension: '" + extension + "' is not that of an image format; for example .nii.gz");
  }
  CheckModelOptions(commandLine, true);
  const ColorChoice choice = ParseColorChoice(commandLine.GetText("color", "auto"));
  SegmentationSettings settings;
  settings.plan = GetPlanOptions(commandLine);
  settings.normalization = GetNormalization(commandLine);
  settings.threshold = commandLine.GetNumber("threshold", 0.5, 0, 1);
  settings.sliceAxis = GetSliceAxis(commandLine);
  settings.nearestSupports = static_cast<std::size_t>(commandLine.GetInteger("nearest-supports", 0, 0, 1 << 30));
  settings.ensembleSize = static_cast<std::size_t>(commandLine.GetInteger("ensemble", 1, 1, 1 << 16));
  settings.ensembleSupportSize = static_cast<std::size_t>(commandLine.GetInteger("ensemble-size", 0, 0, 1 << 16));
  settings.seed = static_cast<std::uint64_t>(commandLine.GetInteger("seed", 0, 0, std::int64_t{ 1 } << 62));
  settings.gridSize = static_cast<std::size_t>(commandLine.GetInteger("grid", 0, 0, 1 << 14));
  settings.includeBackground = !commandLine.Has("no-background");
  settings.probabilities = !probability.empty();

  for (const std::string & image : images)
  {
    if (!fs::exists(image))
    {
      throw Failure((image.empty() ? "--image ''" : image) + ": there is no such file");
    }
  }
  const auto isFolder = [&images](const std::string & name)
  { return images.size() > 1 || fs::is_directory(name) || (!name.empty() && GetImageExtension(name).empty()); };
  for (const std::string & name : { output, probability, overlay })
  {
    if (name.empty() || !isFolder(name))
    {
      continue;
    }
    if (!GetImageExtension(name).empty() && !fs::is_directory(name))
    {
      throw UsageError("'" + name + "' names one file, but there are " + std::to_string(images.size()) +
                       " images; should be a folder");
    }
    const fs::path path(name);
    if (path.has_extension() && !fs::is_directory(path))
    {
      throw UsageError("'" + name +
                       "' has an unknown extension; known are .nii.gz, .nii, .nrrd, .mha, .png, .tif and " +
                       ".bmp; the name of a new folder should have none or end in /");
    }
  }

  const auto pairs = FindSupports(commandLine);
  const auto model = LoadModel(commandLine, true);
  CheckGrid(*model, settings.gridSize);
  std::vector<SupportExample> examples;
  const SupportReader reader(commandLine);
  std::vector<ColorCandidate> candidates;
  const ColorProjection colors = ChooseColors(choice, pairs, reader, model, settings, &candidates);
  if (!candidates.empty())
  {
    const ColorCandidate & chosen = candidates.front();
    std::cout << "universeg segment: colours become " << chosen.name << " (" << colors.ToText() << "), mean Dice among "
              << "supports " << FormatFixed(chosen.dice, 4) << std::endl;
  }
  const auto supports = reader.Read(pairs, colors, montage.empty() ? nullptr : &examples);

  std::vector<std::string> inputs = images;
  for (const FilePair & pair : pairs)
  {
    inputs.push_back(pair.image);
    inputs.push_back(pair.mask);
  }
  for (const char * option : { "model", "weights", "config" })
  {
    inputs.push_back(commandLine.GetText(option));
  }
  OutputCheck check(std::move(inputs));
  const auto labels = FindProbabilityLabels(*supports, settings.includeBackground);
  std::vector<OutputNames> names;
  for (const std::string & image : images)
  {
    OutputNames own;
    own.header = ReadImageHeader(image, commandLine.GetText("series"));
    const std::string ofImage = " of '" + image + "'";
    if (!output.empty())
    {
      const std::string format = !extension.empty() ? extension : own.header.dimension == 2 ? ".png" : ".nii.gz";
      own.labels = GetOutputName(output, isFolder(output), image, "_seg", format);
      check.Add(own.labels, "the labels" + ofImage);
    }
    for (std::size_t i = 0; i < (probability.empty() ? 0 : labels.size()); ++i)
    {
      const std::string ending = labels.size() > 1 ? "_" + std::to_string(labels[i]) : std::string();
      std::string name = GetOutputName(
        probability, isFolder(probability), image, "_probability" + ending, extension.empty() ? ".nii.gz" : extension);
      if (!isFolder(probability))
      {
        name.insert(name.size() - GetImageExtension(name).size(), ending);
      }
      check.Add(name, "the probabilities" + ofImage);
      own.probabilities.push_back(name);
    }
    if (!overlay.empty())
    {
      own.overlay = GetOutputName(overlay, isFolder(overlay), image, "_overlay", ".png");
      check.Add(own.overlay, "the overlay" + ofImage);
    }
    names.push_back(own);
  }
  if (!montage.empty())
  {
    check.Add(montage, "the montage");
  }
  for (const std::string & name : { output, probability, overlay })
  {
    if (!name.empty() && isFolder(name))
    {
      fs::create_directories(name);
    }
  }
  for (const OutputNames & own : names)
  {
    if (!own.labels.empty())
    {
      CheckOutputFile(own.labels, own.header);
    }
    for (const std::string & name : own.probabilities)
    {
      CheckOutputFile(name, own.header);
    }
    if (!own.overlay.empty())
    {
      CheckPictureFile(own.overlay);
    }
  }
  if (!montage.empty())
  {
    CheckPictureFile(montage);
  }

  std::vector<SupportExample> results;
  ProgressBar progress("segment");
  for (std::size_t i = 0; i < images.size(); ++i)
  {
    const LoadedImage target = ReadImage(images[i], commandLine.GetText("series"));
    const auto intensities = ToIntensities(target, colors);
    SegmentationSettings own = settings;
    own.sliceAxis = GetAxis(*intensities, settings.sliceAxis);
    Segmentation result;
    try
    {
      result = Segmenter(model, supports, own)
                 .Segment(*intensities,
                          [&](double fraction)
                          { progress.Show((static_cast<double>(i) + fraction) / static_cast<double>(images.size())); });
    }
    catch (const itk::ExceptionObject & error)
    {
      throw Failure(images[i] + ": " + ToOneLine(error.GetDescription()));
    }
    if (!output.empty())
    {
      WriteLabels(*result.labels, target.dimension, names[i].labels);
    }
    for (std::size_t map = 0; map < result.probabilities.size(); ++map)
    {
      WriteProbabilities(*result.probabilities[map].image, target.dimension, names[i].probabilities.at(map));
    }
    if (!overlay.empty())
    {
      DrawOverlay(*intensities, *result.labels, own.sliceAxis, pictureLength).Write(names[i].overlay);
    }
    if (!montage.empty())
    {
      results.push_back({ intensities, result.labels });
    }
    progress.Show(static_cast<double>(i + 1) / static_cast<double>(images.size()));
  }
  if (!montage.empty())
  {
    WriteMontage(montage, examples, results, settings.sliceAxis);
  }
  return exitSuccess;
}
} // namespace universeg
