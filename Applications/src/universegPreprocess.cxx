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
#include "universegModelOptions.h"
#include "universegProgress.h"
#include "universegSubcommands.h"
#include "universegVolumes.h"

#include "itkHermesTask.h"
#include "itkImageGeometryDifference.h"
#include "itkNNNumPyFile.h"
#include "itkU2NetTask.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <limits>
#include <set>

namespace universeg
{
namespace
{
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using itk::nn::HermesPreprocessing;
using itk::nn::Tensor;
using itk::nn::U2NetPreparedCase;
using itk::nn::U2NetPreprocessing;

struct PreprocessedFiles
{
  std::string image;
  std::string label; ///< empty: none
  std::string stem;  ///< of the results, with the folder
};

/** The numbers of an option, as many as its form has. */
std::vector<double>
ParseNumbers(const CommandLine & commandLine, const std::string & option, const std::string & form)
{
  const std::string text = commandLine.GetText(option);
  const auto parts = Split(text, ',');
  if (parts.size() != Split(form, ',').size())
  {
    throw UsageError("--" + option + ": '" + text + "' should have the form " + form);
  }
  std::vector<double> numbers;
  for (const auto & part : parts)
  {
    numbers.push_back(ParseNumber(part, "--" + option));
  }
  return numbers;
}

/** Those of an option that is given. */
template <typename T>
void
ReadName(const CommandLine & commandLine,
         const std::string & option,
         const std::vector<std::string> & names,
         T & target)
{
  if (!commandLine.Has(option))
  {
    return;
  }
  const std::string name = commandLine.GetText(option);
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end())
  {
    std::string known;
    for (const auto & entry : names)
    {
      known += (known.empty() ? "" : ", ") + entry;
    }
    throw UsageError("--" + option + " is '" + name + "'; should be one of " + known);
  }
  target = static_cast<T>(found - names.begin());
}

void
ReadPercentiles(const CommandLine & commandLine, double & lower, double & upper)
{
  if (commandLine.Has("percentiles"))
  {
    const auto limits = ParseNumbers(commandLine, "percentiles", "LOW,HIGH");
    lower = limits[0];
    upper = limits[1];
  }
}

/** Whether the reference's errors are wanted too. */
bool
IsCompatible(const CommandLine & commandLine)
{
  const std::string compatibility = commandLine.GetText("compatibility");
  if (!compatibility.empty() && compatibility != "reference")
  {
    throw UsageError("--compatibility is '" + compatibility + "'; should be reference");
  }
  return !compatibility.empty();
}

/** Throws UsageError for a value that is out of its range. */
template <typename TPreprocessing>
TPreprocessing
Checked(const TPreprocessing & preprocessing)
{
  try
  {
    preprocessing.Check();
  }
  catch (const itk::nn::Error & error)
  {
    throw UsageError(error.GetDescription());
  }
  return preprocessing;
}

/** Throws UsageError when an option of the other network is given. */
void
CheckOptions(const CommandLine & commandLine, bool isHermes)
{
  const std::vector<std::string> options =
    isHermes ? std::vector<std::string>{ "classes", "fuse", "margin", "lowest" }
             : std::vector<std::string>{ "limits", "context", "orientation", "resampling" };
  for (const auto & option : options)
  {
    if (commandLine.Has(option))
    {
      throw UsageError("--" + option + " goes with the network " + (isHermes ? "u2net" : "hermes") + " alone");
    }
  }
}

/** The network that is named, or that has the task's data set. */
bool
IsHermes(const CommandLine & commandLine)
{
  const std::string network = commandLine.GetText("network");
  if (!network.empty() && network != "u2net" && network != "hermes")
  {
    throw UsageError("--network is '" + network + "'; should be u2net or hermes");
  }
  const auto & all = itk::nn::HermesTask::GetAll();
  return network.empty()
         ? std::any_of(all.begin(),
                       all.end(),
                       [task = commandLine.GetText("task")](const auto & known) { return known.name == task; })
         : network == "hermes";
}

HermesPreprocessing
MakeHermesPreprocessing(const CommandLine & commandLine)
{
  HermesPreprocessing preprocessing;
  if (commandLine.Has("task"))
  {
    try
    {
      preprocessing = itk::nn::HermesTask::Get(commandLine.GetText("task")).preprocessing;
    }
    catch (const itk::nn::Error & error)
    {
      throw UsageError(std::string("--task: ") + error.GetDescription());
    }
  }
  if (commandLine.Has("spacing"))
  {
    preprocessing.spacing = ParseNumbers(commandLine, "spacing", "Z,Y,X");
  }
  ReadPercentiles(commandLine, preprocessing.lowerPercentile, preprocessing.upperPercentile);
  if (commandLine.Has("percentiles"))
  {
    preprocessing.limits.reset();
  }
  if (commandLine.Has("limits"))
  {
    const auto limits = ParseNumbers(commandLine, "limits", "LOW,HIGH");
    preprocessing.limits = { limits[0], limits[1] };
  }
  if (commandLine.Has("context"))
  {
    preprocessing.context.clear();
    const std::string context = commandLine.GetText("context");
    for (const auto & extent : context == "none" ? std::vector<std::string>() : Split(context, ','))
    {
      preprocessing.context.push_back(ParseInteger(extent, "--context"));
    }
  }
  if (IsCompatible(commandLine))
  {
    preprocessing.zerosOutside = true;
    if (preprocessing.resampling == itk::nn::HermesResampling::TwoStep)
    {
      preprocessing.orientation = itk::nn::HermesOrientation::Reference;
    }
  }
  ReadName(commandLine, "orientation", itk::nn::GetHermesOrientationNames(), preprocessing.orientation);
  ReadName(commandLine, "resampling", itk::nn::GetHermesResamplingNames(), preprocessing.resampling);
  return Checked(preprocessing);
}

/** The task that is named, or that a data set's folder is named after; null when there is none. */
const itk::nn::U2NetTask *
FindTask(const CommandLine & commandLine)
{
  if (commandLine.Has("task"))
  {
    try
    {
      return &itk::nn::U2NetTask::Get(commandLine.GetText("task"));
    }
    catch (const itk::nn::Error & error)
    {
      throw UsageError(std::string("--task: ") + error.GetDescription());
    }
  }
  const fs::path folder = fs::absolute(commandLine.GetText("data", ".")).lexically_normal();
  const std::string name = (folder.has_filename() ? folder : folder.parent_path()).filename().string();
  for (const auto & task : itk::nn::U2NetTask::GetAll())
  {
    if (commandLine.Has("data") && task.name == name)
    {
      return &task;
    }
  }
  return nullptr;
}

U2NetPreprocessing
MakePreprocessing(const CommandLine & commandLine)
{
  U2NetPreprocessing preprocessing;
  const auto * const task = FindTask(commandLine);
  if (task != nullptr)
  {
    preprocessing = task->GetPreprocessing();
  }
  else if (!commandLine.Has("spacing") || !commandLine.Has("classes"))
  {
    throw UsageError("--task is missing, or --spacing and --classes");
  }
  if (commandLine.Has("spacing"))
  {
    preprocessing.spacing = ParseNumbers(commandLine, "spacing", "Z,Y,X");
  }
  preprocessing.classes = commandLine.GetInteger("classes", preprocessing.classes, 1, 256);
  preprocessing.margin = commandLine.GetInteger("margin", preprocessing.margin, 0, 1 << 20);
  preprocessing.lowestValue = commandLine.GetNumber("lowest", preprocessing.lowestValue, -1e9, 1e9);
  ReadPercentiles(commandLine, preprocessing.lowerPercentile, preprocessing.upperPercentile);
  if (commandLine.Has("fuse"))
  {
    preprocessing.fusedLabels.clear();
    for (const auto & pair : Split(commandLine.GetText("fuse"), ','))
    {
      const auto labels = Split(pair, '=');
      if (labels.size() != 2)
      {
        throw UsageError("--fuse: '" + pair + "' should have the form LABEL=LABEL");
      }
      const auto parse = [](const std::string & text)
      {
        const std::int64_t label = ParseInteger(text, "--fuse");
        if (label < 0 || label > std::numeric_limits<std::int32_t>::max())
        {
          throw UsageError("--fuse: the label " + text + " should be from 0 to 2147483647");
        }
        return static_cast<std::int32_t>(label);
      };
      preprocessing.fusedLabels[parse(labels[0])] = parse(labels[1]);
    }
  }
  preprocessing.dropsLabelsBeforeFusing = IsCompatible(commandLine);
  return Checked(preprocessing);
}

/** Of --data or --image and --label. */
std::vector<PreprocessedFiles>
FindFiles(const CommandLine & commandLine)
{
  const fs::path output = commandLine.GetRequired("output");
  const auto images = commandLine.GetTexts("image");
  const auto labels = commandLine.GetTexts("label");
  const std::string data = commandLine.GetText("data");
  std::vector<PreprocessedFiles> files;
  if (data.empty() == images.empty())
  {
    throw UsageError(data.empty() ? "--image is missing, or --data" : "--data excludes --image");
  }
  if (!data.empty())
  {
    if (!labels.empty())
    {
      throw UsageError("--data excludes --label");
    }
    for (const auto & pair : FindPairs(data))
    {
      files.push_back({ pair.image, pair.mask, (output / "Tr" / GetStem(pair.image)).string() });
    }
    const std::string test = (fs::path(data) / "imagesTs").string();
    for (const auto & image : fs::is_directory(test) ? ListImages(test) : std::vector<std::string>())
    {
      files.push_back({ image, "", (output / "Ts" / GetStem(image)).string() });
    }
    return files;
  }
  if (!labels.empty() && labels.size() != images.size())
  {
    throw UsageError("there are " + std::to_string(images.size()) + " images and " + std::to_string(labels.size()) +
                     " labels; should be as many");
  }
  std::set<std::string> stems;
  for (std::size_t i = 0; i < images.size(); ++i)
  {
    files.push_back({ images[i], labels.empty() ? "" : labels[i], (output / GetStem(images[i])).string() });
    if (!stems.insert(files.back().stem).second)
    {
      throw UsageError(files.back().stem + ": two results would have this name");
    }
  }
  return files;
}

/** Throws UsageError when a result might take the place of an input. */
void
CheckFolders(const std::vector<PreprocessedFiles> & files)
{
  std::set<std::string> inputs;
  std::set<std::string> outputs;
  const auto folderOf = [](const std::string & file) { return fs::absolute(file).parent_path().string(); };
  for (const auto & entry : files)
  {
    inputs.insert(folderOf(entry.image));
    inputs.insert(entry.label.empty() ? folderOf(entry.image) : folderOf(entry.label));
    outputs.insert(folderOf(entry.stem));
  }
  for (const auto & output : outputs)
  {
    for (const auto & input : inputs)
    {
      if (IsSameFile(input, output))
      {
        throw UsageError("--output: " + output + " holds images that are read; should be another folder");
      }
    }
  }
}

itk::nn::RawCase
ReadCase(const PreprocessedFiles & files, bool ignoresGeometry)
{
  const LoadedImage image = ReadMultichannelImage(files.image);
  itk::nn::RawCase result = ToRawCase(image);
  if (!files.label.empty())
  {
    const auto labels = ToLabels(ReadImage(files.label), {});
    if (ignoresGeometry)
    {
      labels->CopyInformation(image.geometry);
      labels->SetRegions(labels->GetBufferedRegion());
    }
    const std::string difference = itk::FindGeometryDifference<3>(*image.geometry, *labels);
    if (!difference.empty())
    {
      throw Failure(files.label + ": the geometry of the labels is not that of their image '" + files.image +
                    "': " + ToOneLine(difference) + "; --ignore-geometry takes them for the image's voxels");
    }
    result.labels = labels;
  }
  return result;
}

/** [D, H, W], as Python writes a tuple or a list. */
std::string
ToPython(const itk::nn::Shape & shape, char open, char close)
{
  std::string text(1, open);
  for (const std::int64_t extent : shape)
  {
    text += (text.size() > 1 ? ", " : "") + std::to_string(extent);
  }
  return text + close;
}

/** \param isReferences its keys `original_shape` and `bbox` are texts then. */
std::string
Describe(const U2NetPreparedCase & prepared, bool isReferences)
{
  const auto & grid = prepared.grid;
  const itk::nn::Shape shape = grid.GetOriginalSize();
  const auto & lower = grid.box.GetIndex();
  const auto upper = grid.box.GetUpperIndex();
  const itk::nn::Shape first{ lower[2], lower[1], lower[0] };
  const itk::nn::Shape last{ upper[2], upper[1], upper[0] };
  const auto & spacing = grid.image->GetSpacing();
  Json json;
  if (isReferences)
  {
    json["original_shape"] = ToPython(shape, '(', ')');
    json["bbox"] = '[' + ToPython(first, '[', ']') + ", " + ToPython(last, '[', ']') + ']';
  }
  else
  {
    json["original_shape"] = shape;
    json["bbox"] = { first, last };
  }
  json["original_spacing"] = { spacing[2], spacing[1], spacing[0] };
  json["shape"] = prepared.volumes.GetShape();
  json["spacing"] = grid.spacing;
  return json.dump(2) + '\n';
}

void
WriteCase(const U2NetPreparedCase & prepared, const std::string & stem, bool isNumPy)
{
  if (isNumPy)
  {
    itk::nn::WriteNumPyFile(stem + "_volumes.npy", prepared.volumes);
    itk::nn::WriteNumPyFile(stem + "_weight.npy", prepared.weight);
    if (prepared.labels.IsDefined())
    {
      itk::nn::WriteNumPyFile(stem + "_label.npy", prepared.labels.To(itk::nn::DataType::UInt8));
    }
  }
  else
  {
    const auto geometry = prepared.grid.MakeGeometry();
    for (std::int64_t c = 0; c < prepared.volumes.GetShape()[0]; ++c)
    {
      const std::string number = std::to_string(c);
      const Tensor volume = prepared.volumes.Select(0, c).To(itk::nn::DataType::Float32);
      WriteProbabilities(*ToVolume(volume, *geometry),
                         3,
                         stem + '_' + std::string(4 - std::min<std::size_t>(number.size(), 4), '0') + number +
                           ".nii.gz");
    }
    WriteLabels(*ToLabelVolume(prepared.weight.To(itk::nn::DataType::Int32), *geometry), 3, stem + "_weight.nii.gz");
    if (prepared.labels.IsDefined())
    {
      WriteLabels(*ToLabelVolume(prepared.labels, *geometry), 3, stem + "_label.nii.gz");
    }
  }
  // Last: it is there when the others are.
  WriteTextFile(stem + ".json", Describe(prepared, isNumPy));
}

/** NumPy's files have the names and the padding of the reference. */
void
WriteCase(const itk::nn::HermesPreparedCase & prepared, const std::string & stem, bool isNumPy)
{
  const auto & grid = *prepared.grid.prepared;
  const auto & old = *prepared.grid.image;
  if (isNumPy)
  {
    const itk::nn::Shape patch{ 128, 128, 128 };
    itk::nn::WriteNumPyFile(stem + ".npy", itk::nn::PadToPatch(prepared.volume, patch).Select(0, 0));
    if (prepared.labels.IsDefined())
    {
      itk::nn::Shape shape = prepared.labels.GetShape();
      shape.insert(shape.begin(), 1);
      const Tensor labels = itk::nn::PadToPatch(prepared.labels.Reshape(shape), patch).Select(0, 0);
      itk::nn::WriteNumPyFile(stem + "_gt.npy", labels.To(itk::nn::DataType::Int8));
    }
  }
  else
  {
    const auto geometry = Volume::New();
    geometry->CopyInformation(&grid);
    WriteProbabilities(*ToVolume(prepared.volume.Select(0, 0), *geometry), 3, stem + "_0000.nii.gz");
    if (prepared.labels.IsDefined())
    {
      WriteLabels(*ToLabelVolume(prepared.labels, *geometry), 3, stem + "_label.nii.gz");
    }
  }
  const auto & size = old.GetLargestPossibleRegion().GetSize();
  Json json;
  json["original_shape"] = { size[2], size[1], size[0] };
  json["original_spacing"] = { old.GetSpacing()[2], old.GetSpacing()[1], old.GetSpacing()[0] };
  json["shape"] = itk::nn::Shape(prepared.volume.GetShape().begin() + 1, prepared.volume.GetShape().end());
  json["spacing"] = { grid.GetSpacing()[2], grid.GetSpacing()[1], grid.GetSpacing()[0] };
  json["origin"] = { grid.GetOrigin()[0], grid.GetOrigin()[1], grid.GetOrigin()[2] };
  json["cropped"] = prepared.grid.isCropped;
  // Last: it is there when the others are.
  WriteTextFile(stem + ".json", json.dump(2) + '\n');
}

/** Of Hermes: images without labels stay whole. */
void
PrepareCase(const HermesPreprocessing & preprocessing,
            const itk::nn::RawCase & images,
            const std::string & stem,
            bool isNumPy)
{
  HermesPreprocessing own = preprocessing;
  if (images.labels.IsNull())
  {
    own.context.clear();
  }
  WriteCase(own.Apply(images), stem, isNumPy);
}
} // namespace

int
RunPreprocess(const Arguments & arguments)
{
  CommandLine commandLine(
    "preprocess",
    "(--data DIR | --image FILE... [--label FILE...]) --output DIR [OPTION]...",
    "Prepares cases as the 3D U2-Net takes them: the box of what is not 0 is cut out and resampled,\n"
    "intensities are clipped to percentiles and get the mean 0 and the standard deviation 1.\n"
    "--output gets for each case NAME_0000.nii.gz (_0001 and so on for further modalities),\n"
    "NAME_label.nii.gz, NAME_weight.nii.gz (1 where the first modality is above 0) and NAME.json, which\n"
    "says where it lies in its image. For Hermes (--network hermes, or a data set of its paper as --task)\n"
    "the image is resampled and cut to the labels and a context; there is no weight.");
  commandLine.AddGroup("Images").add_options()(
    "data",
    Text(),
    "folder of a data set of the Medical Segmentation Decathlon: imagesTr and labelsTr go to OUTPUT/Tr, imagesTs to "
    "OUTPUT/Ts")("image", Texts(), "an image a case; its modalities along the fourth axis, or as components")(
    "label", Texts(), "their labels, in the same order")("output", Text(), "folder to write to")(
    "format",
    Text(),
    "nifti (default) or numpy: NAME_volumes.npy, NAME_label.npy and NAME_weight.npy; of Hermes NAME.npy and "
    "NAME_gt.npy, padded to 128 voxels")("ignore-geometry",
                                         "take labels of another origin, spacing or direction for the image's voxels");
  commandLine.AddGroup("Preprocessing")
    .add_options()("task",
                   Text(),
                   "what the paper chose for heart, liver, hippocampus, prostate, pancreas or spleen; default: as "
                   "the folder of --data is named. Of Hermes a data set, as bcv")(
      "network", Text(), "u2net (default) or hermes")("spacing", Text(), "Z,Y,X in mm")(
      "classes", Text(), "number of classes with the background; other labels become 0")(
      "fuse", Text(), "LABEL=LABEL,...: labels that become others before")(
      "margin", Text(), "voxels around the box (default 5)")(
      "lowest", Text(), "what is below becomes this (default -1024)")(
      "percentiles", Text(), "LOW,HIGH that values are clipped to (default 2,98)")(
      "compatibility",
      Text(),
      "reference: labels beyond the classes become 0 before others are fused; of Hermes the orientation reference, and "
      "zeros beyond the last voxels");
  commandLine.AddGroup("Hermes").add_options()(
    "limits", Text(), "LOW,HIGH that values are clipped to, in the place of percentiles")(
    "context", Text(), "Z,Y,X: voxels around the labels that are kept; none: all")(
    "orientation", Text(), "aligned with the axes of space (default), stored (default of data sets) or reference")(
    "resampling", Text(), "two_step (default), one_step or in_plane");
  commandLine.AddPositional("image", -1);
  if (!commandLine.Parse(arguments))
  {
    return exitSuccess;
  }
  const std::string format = commandLine.GetText("format", "nifti");
  if (format != "nifti" && format != "numpy")
  {
    throw UsageError("--format is '" + format + "'; should be nifti or numpy");
  }
  const auto files = FindFiles(commandLine);
  CheckFolders(files);
  const bool isHermes = IsHermes(commandLine);
  CheckOptions(commandLine, isHermes);
  const U2NetPreprocessing preprocessing = isHermes ? U2NetPreprocessing() : MakePreprocessing(commandLine);
  const HermesPreprocessing ofHermes = isHermes ? MakeHermesPreprocessing(commandLine) : HermesPreprocessing();
  for (const auto & entry : files)
  {
    fs::create_directories(fs::path(entry.stem).parent_path());
  }
  ProgressBar progress("preprocess");
  for (std::size_t i = 0; i < files.size(); ++i)
  {
    const auto images = ReadCase(files[i], commandLine.Has("ignore-geometry"));
    try
    {
      if (isHermes)
      {
        PrepareCase(ofHermes, images, files[i].stem, format == "numpy");
      }
      else
      {
        WriteCase(preprocessing.Apply(images), files[i].stem, format == "numpy");
      }
    }
    catch (const itk::nn::Error & error)
    {
      throw Failure(files[i].image + ": " + ToOneLine(error.GetDescription()));
    }
    progress.Show(static_cast<double>(i + 1) / static_cast<double>(files.size()));
  }
  std::cout << files.size() << (files.size() == 1 ? " case" : " cases") << " in " << commandLine.GetText("output")
            << '\n';
  return exitSuccess;
}
} // namespace universeg
