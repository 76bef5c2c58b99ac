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
#include "universegVolumeSegment.h"

#include "universegCommandLine.h"
#include "universegFiles.h"
#include "universegModelOptions.h"
#include "universegProgress.h"
#include "universegVolumeTraining.h"
#include "universegVolumes.h"

#include "itkHermesSegmenter.h"
#include "itkNNFileReplacement.h"
#include "itkNNModel.h"
#include "itkNNRegisterBackends.h"
#include "itkU2NetSegmenter.h"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>

namespace universeg
{
namespace
{
namespace fs = std::filesystem;
using itk::nn::Tensor;

/** An image and the files of its results. */
struct SegmentationCase
{
  itk::nn::VolumeCase files;
  std::string labels;
  std::string probabilityStem; ///< empty: none; else a file for each class
  std::string probabilityExtension;
};

struct VolumeSegmentation
{
  std::vector<std::shared_ptr<const itk::nn::VolumeSegmenter>> segmenters; ///< whose logits are averaged
  std::shared_ptr<const itk::nn::U2NetSegmenter> u2net;                    ///< in their place
  std::shared_ptr<const itk::nn::HermesSegmenter> hermes;                  ///< in their place
  std::vector<SegmentationCase> cases;
  int largestComponent = 0;
  std::map<std::int32_t, std::int32_t> newLabels;
};

std::string
GetProbabilityName(const SegmentationCase & entry, std::int64_t classNumber)
{
  return entry.probabilityStem + std::to_string(classNumber) + entry.probabilityExtension;
}

Tensor
ComputeLogits(const VolumeSegmentation & job, const Tensor & image, const itk::nn::RunHooks & hooks)
{
  Tensor sum;
  for (const auto & segmenter : job.segmenters)
  {
    const Tensor logits = segmenter->Predict(image, hooks).Contiguous();
    if (!sum.IsDefined())
    {
      sum = logits;
      continue;
    }
    if (logits.GetShape() != sum.GetShape())
    {
      throw Failure("the models have " + std::to_string(sum.GetShape()[0]) + " and " +
                    std::to_string(logits.GetShape()[0]) + " classes; should have as many");
    }
    float * to = sum.GetData<float>();
    const float * from = logits.GetData<float>();
    for (std::int64_t i = 0; i < sum.GetNumberOfElements(); ++i)
    {
      to[i] += from[i];
    }
  }
  const auto part = 1 / static_cast<float>(job.segmenters.size());
  for (std::int64_t i = 0; job.segmenters.size() > 1 && i < sum.GetNumberOfElements(); ++i)
  {
    sum.GetData<float>()[i] *= part;
  }
  return sum;
}

/** Clean and write. */
void
FinishLabels(const VolumeSegmentation & job, LabelVolume & labels, unsigned int dimension, const std::string & file)
{
  if (job.largestComponent > 0)
  {
    KeepLargestComponent(labels, job.largestComponent == 2);
  }
  if (!job.newLabels.empty())
  {
    std::int32_t * pixels = labels.GetBufferPointer();
    const auto count = labels.GetLargestPossibleRegion().GetNumberOfPixels();
    std::transform(pixels,
                   pixels + count,
                   pixels,
                   [&](std::int32_t label)
                   {
                     const auto found = job.newLabels.find(label);
                     return found == job.newLabels.end() ? label : found->second;
                   });
  }
  WriteLabels(labels, dimension, file);
}

void
SegmentWithHermes(const VolumeSegmentation & job, const SegmentationCase & entry, const itk::nn::RunHooks & hooks)
{
  const LoadedImage image = ReadMultichannelImage(entry.files.GetName());
  const itk::nn::RawCase images = ToRawCase(image);
  if (images.modalities.size() != 1)
  {
    throw Failure(entry.files.GetName() + ": the image has " + std::to_string(images.modalities.size()) +
                  " components; should have one");
  }
  const auto result = job.hermes->Segment(images.modalities.front(), !entry.probabilityStem.empty(), hooks);
  if (!entry.labels.empty())
  {
    FinishLabels(job, *result.labels, image.dimension, entry.labels);
  }
  for (std::size_t k = 0; k < result.probabilities.size(); ++k)
  {
    WriteProbabilities(
      *result.probabilities[k], image.dimension, GetProbabilityName(entry, static_cast<std::int64_t>(k) + 1));
  }
}

void
SegmentCase(const VolumeSegmentation & job, const SegmentationCase & entry, const itk::nn::RunHooks & hooks)
{
  if (job.u2net)
  {
    const LoadedImage image = ReadMultichannelImage(entry.files.GetName());
    const auto labels = job.u2net->Segment(ToRawCase(image), hooks);
    FinishLabels(job, *labels, image.dimension, entry.labels);
    return;
  }
  if (job.hermes)
  {
    SegmentWithHermes(job, entry, hooks);
    return;
  }
  const itk::nn::LoadedVolume volume = itk::nn::ReadVolumeCase(entry.files);
  // Logits take memory as classes times pixels.
  const bool needsLogits = job.segmenters.size() > 1 || !entry.probabilityStem.empty();
  const Tensor logits = needsLogits ? ComputeLogits(job, volume.sample.image, hooks) : Tensor();
  if (!entry.labels.empty())
  {
    const Tensor classes =
      needsLogits ? itk::nn::SelectClasses(logits) : job.segmenters.front()->PredictLabels(volume.sample.image, hooks);
    FinishLabels(job, *ToLabelVolume(classes, *volume.geometry), volume.dimension, entry.labels);
  }
  for (std::int64_t c = 0; !entry.probabilityStem.empty() && c < logits.GetShape()[0]; ++c)
  {
    const auto map = ToVolume(itk::nn::ComputeProbability(logits, c), *volume.geometry);
    WriteProbabilities(*map, volume.dimension, GetProbabilityName(entry, c));
  }
}

int
Run(const VolumeSegmentation & job)
{
  ProgressBar progress("segment");
  const std::size_t passes = std::max<std::size_t>(job.segmenters.size(), 1);
  const auto count = static_cast<double>(job.cases.size() * passes);
  for (std::size_t i = 0; i < job.cases.size(); ++i)
  {
    const SegmentationCase & entry = job.cases[i];
    double done = static_cast<double>(i * passes);
    double last = 0;
    itk::nn::RunHooks hooks;
    hooks.progress = [&](double part)
    {
      // Another model begins anew.
      done += part < last ? 1 : 0;
      last = part;
      progress.Show(std::min((done + part) / count, 1.0));
    };
    try
    {
      SegmentCase(job, entry, hooks);
    }
    catch (const itk::nn::Error & error)
    {
      const std::string & name = entry.files.GetName();
      const std::string what = ToOneLine(error.GetDescription());
      throw Failure(what.find(name) == std::string::npos ? name + ": " + what : what);
    }
    progress.Show(static_cast<double>(i + 1) / static_cast<double>(job.cases.size()));
  }
  return exitSuccess;
}

std::shared_ptr<itk::nn::NetworkRunner>
MakeRunner(const itk::nn::Network::ConstPointer & network,
           const itk::nn::StateDict & weights,
           itk::nn::PlanOptions plan)
{
  plan.outputs = { network->GetLogitsName() };
  return std::make_shared<itk::nn::NetworkRunner>(network, std::make_shared<const itk::nn::StateDict>(weights), plan);
}

/** What [testing] of a file of PyMIC says. */
VolumeSegmentation
ReadJob(const CommandLine & commandLine, const std::string & file)
{
  const auto configuration = itk::nn::PyMICConfiguration::ReadFile(file);
  const itk::nn::VolumeInferenceSettings settings = itk::nn::MakeVolumeInferenceSettings(configuration);
  for (const auto & key : configuration.GetUnused({ "network", "testing" }))
  {
    std::cerr << "universeg: " << file << ": '" << key << "' is not used" << std::endl;
  }
  const std::string folder = fs::path(file).parent_path().string();
  VolumeSegmentation job;
  job.largestComponent = settings.largestComponent;
  for (std::size_t i = 0; i < settings.labelSource.size(); ++i)
  {
    job.newLabels[static_cast<std::int32_t>(settings.labelSource[i])] =
      static_cast<std::int32_t>(settings.labelTarget[i]);
  }
  std::vector<std::string> models;
  for (const auto & name : settings.models)
  {
    const std::string located = itk::nn::LocateVolumeFile(name, folder);
    if (fs::exists(located) || settings.isEnsemble)
    {
      models.push_back(located);
    }
  }
  if (commandLine.Has("model"))
  {
    models = { commandLine.GetText("model") };
  }
  if (models.empty())
  {
    throw Failure(file + ": there is no model '" + settings.models.front() + "'" +
                  (settings.models.size() > 1 ? " and no '" + settings.models[1] + "'" : std::string()));
  }
  models.resize(settings.isEnsemble ? models.size() : 1);
  const auto network = itk::nn::Network::Create(settings.network, settings.networkConfiguration);
  for (const auto & model : models)
  {
    job.segmenters.push_back(std::make_shared<const itk::nn::VolumeSegmenter>(
      MakeRunner(network, itk::nn::Model::Read(model)->GetWeights(), GetPlanOptions(commandLine)), settings.pipeline));
  }
  const std::string list = itk::nn::LocateVolumeFile(settings.data, folder);
  const std::string images = itk::nn::LocateVolumeFile(settings.folder, folder);
  const fs::path output = commandLine.GetText("output", settings.output);
  for (const auto & files : itk::nn::ReadVolumeList(list, images, settings.modalities))
  {
    SegmentationCase entry;
    entry.files = files;
    entry.files.label.clear();
    entry.files.pixelWeight.clear();
    entry.labels = (output / fs::path(files.GetName()).filename()).string();
    if (settings.savesProbabilities)
    {
      entry.probabilityStem = (output / GetStem(files.GetName())).string() + "_prob_";
      entry.probabilityExtension = GetImageExtension(files.GetName());
    }
    job.cases.push_back(std::move(entry));
  }
  fs::create_directories(output);
  return job;
}

/** With the preprocessing of the model's card. */
void
AddSegmenters(const CommandLine & commandLine, const itk::SegmentationModel & model, VolumeSegmentation & job)
{
  const itk::nn::ModelCard & card = model.GetModel()->GetCard();
  const auto network = model.GetNetwork(GetTask(commandLine, card));
  const std::string & preprocessing = card.GetPreprocessing(network->GetTask());
  const auto runner = MakeRunner(network, model.GetModel()->GetWeights(), GetPlanOptions(commandLine));
  itk::nn::VolumePipeline pipeline;
  if (itk::nn::U2NetPipeline::IsIn(preprocessing))
  {
    if (commandLine.Has("probability") || commandLine.Has("mirror"))
    {
      throw UsageError(
        "--probability and --mirror do not go with the preprocessing of this model, that of u2net_torch");
    }
    job.u2net =
      std::make_shared<const itk::nn::U2NetSegmenter>(runner, itk::nn::U2NetPipeline::FromJson(preprocessing));
  }
  else if (!preprocessing.empty())
  {
    pipeline = itk::nn::VolumePipeline::FromJson(preprocessing);
  }
  if (pipeline.windows && commandLine.Has("mirror"))
  {
    for (int axis = 0; axis < static_cast<int>(pipeline.windows->windows.window.size()); ++axis)
    {
      pipeline.windows->mirrorAxes.push_back(axis);
    }
  }
  if (!job.u2net)
  {
    job.segmenters.push_back(std::make_shared<const itk::nn::VolumeSegmenter>(runner, pipeline));
  }
}

std::shared_ptr<const itk::nn::HermesSegmenter>
MakeHermesSegmenter(const CommandLine & commandLine, const itk::SegmentationModel & model)
{
  itk::nn::HermesSelection selection;
  selection.name = commandLine.GetText("task");
  const bool isNumber = !selection.name.empty() && selection.name.find_first_not_of("0123456789") == std::string::npos;
  if (isNumber && model.GetModel()->GetCard().FindTask(selection.name) < 0)
  {
    selection.task = static_cast<int>(commandLine.GetInteger("task", 0, 0, 1 << 20));
  }
  if (commandLine.Has("modality") && !commandLine.Has("task-numbers"))
  {
    throw UsageError("--modality goes with --task-numbers alone");
  }
  if (commandLine.Has("task-numbers"))
  {
    for (const auto & number : Split(commandLine.GetText("task-numbers"), ','))
    {
      selection.taskNumbers.push_back(ParseInteger(number, "--task-numbers"));
    }
    selection.modality = commandLine.GetInteger("modality", -1, -1, 1 << 20);
  }
  const auto task = itk::nn::FindHermesTask(model, selection);
  return std::make_shared<const itk::nn::HermesSegmenter>(
    MakeRunner(task.network, model.GetModel()->GetWeights(), GetPlanOptions(commandLine)), task.pipeline);
}

/** As the options say, with the preprocessing of the model's card. */
VolumeSegmentation
MakeJob(const CommandLine & commandLine)
{
  const std::vector<std::string> images = commandLine.GetTexts("image");
  if (images.empty())
  {
    throw UsageError("--image is missing");
  }
  const std::string output = commandLine.GetText("output");
  const std::string probability = commandLine.GetText("probability");
  if (output.empty() && probability.empty())
  {
    throw UsageError("--output is missing (or --probability)");
  }
  VolumeSegmentation job;
  const auto model = LoadModel(commandLine, false);
  const bool isHermes = itk::nn::IsHermesNetwork(model->GetNetworkName());
  if (!isHermes && !IsVolumeNetwork(model->GetNetworkName()))
  {
    throw UsageError("--support is missing, which a model of the network " + model->GetNetworkName() + " needs");
  }
  for (const char * option : { "task-numbers", "modality" })
  {
    if (!isHermes && commandLine.Has(option))
    {
      throw UsageError(std::string("--") + option + " goes with a model of hermes or hermes_medformer alone");
    }
  }
  if (isHermes)
  {
    if (commandLine.Has("mirror"))
    {
      throw UsageError("--mirror does not go with the network " + model->GetNetworkName());
    }
    job.hermes = MakeHermesSegmenter(commandLine, *model);
  }
  else
  {
    AddSegmenters(commandLine, *model, job);
  }
  job.largestComponent = commandLine.Has("largest-component") ? 2 : 0;
  const std::string extension = commandLine.GetText("extension", ".nii.gz");
  const auto isFolder = [&](const std::string & name)
  { return images.size() > 1 || fs::is_directory(name) || GetImageExtension(name).empty(); };
  std::map<std::string, std::string> taken;
  for (const auto & image : images)
  {
    if (!fs::exists(image))
    {
      throw Failure(image + ": there is no such file");
    }
    SegmentationCase entry;
    entry.files.images = { image };
    if (!output.empty())
    {
      entry.labels = isFolder(output) ? (fs::path(output) / (GetStem(image) + "_seg" + extension)).string() : output;
      CheckNotInput(entry.labels, images);
      if (!taken.emplace(itk::nn::FollowSymbolicLinks(entry.labels), image).second)
      {
        throw UsageError(entry.labels + ": two results would have this name");
      }
      CheckOutputFile(entry.labels, ReadImageHeader(image));
    }
    if (!probability.empty())
    {
      entry.probabilityExtension = isFolder(probability) ? extension : GetImageExtension(probability);
      const std::string file = isFolder(probability)
                               ? (fs::path(probability) / (GetStem(image) + "_probability")).string()
                               : probability.substr(0, probability.size() - entry.probabilityExtension.size());
      entry.probabilityStem = file + '_';
    }
    job.cases.push_back(std::move(entry));
  }
  for (const std::string & name : { output, probability })
  {
    if (!name.empty() && isFolder(name))
    {
      fs::create_directories(name);
    }
  }
  return job;
}
} // namespace

bool
IsVolumeSegment(const Arguments & arguments)
{
  bool hasModel = false;
  for (std::size_t i = 0; i < arguments.size(); ++i)
  {
    const std::string & argument = arguments[i];
    if (argument.compare(0, 9, "--support") == 0 || argument == "--help" || argument == "-h")
    {
      return false;
    }
    hasModel = hasModel || argument.compare(0, 7, "--model") == 0 || argument.compare(0, 9, "--weights") == 0 ||
               argument.compare(0, 8, "--config") == 0;
  }
  return hasModel;
}

int
RunVolumeSegment(const Arguments & arguments)
{
  CommandLine commandLine(
    "segment",
    "(--model FILE --image FILE... --output FILE|DIR | --config FILE.cfg) [OPTION]...",
    "Segments volumes with a trained network: fmunet, hermes, hermes_medformer, pctnet, u2net or unet3d. The\n"
    "model's card says how\n"
    "images are prepared and in which windows the network runs. With a file of PyMIC its [testing]\n"
    "says all.");
  commandLine.AddGroup("Images").add_options()("image", Texts(), "images to segment")(
    "output", Text(), "label file to write, or a folder for NAME_seg.EXT")(
    "extension", Text(), "format of results in a folder; default .nii.gz")(
    "probability", Text(), "write probabilities, a file for each class: NAME_CLASS.EXT, or a folder")(
    "mirror", "average over the mirrored windows")("largest-component", "keep the largest component of each class");
  AddModelOptions(commandLine, false);
  AddTaskOption(commandLine);
  commandLine.AddGroup("Hermes").add_options()(
    "task-numbers",
    Text(),
    "A,B,...: numbers in the pools of tasks of the classes 1, 2 and so on, in the place of --task")(
    "modality", Text(), "of --task-numbers: 0 CT, 1 PET, 2 T1, 3 T2, 4 cine MRI; default -1, unknown");
  AddPlanOptions(commandLine);
  commandLine.AddPositional("image", -1);
  if (!commandLine.Parse(arguments))
  {
    return exitSuccess;
  }
  itk::nn::RegisterBackends();
  const std::string file = commandLine.GetText("config");
  if (fs::path(file).extension() == ".cfg")
  {
    if (commandLine.Has("image") || commandLine.Has("probability"))
    {
      throw UsageError("--image and --probability do not go with " + file + ", which names the images");
    }
    if (commandLine.Has("task"))
    {
      throw UsageError("--task does not go with " + file + ": the networks of PyMIC are of one task");
    }
    return Run(ReadJob(commandLine, file));
  }
  return Run(MakeJob(commandLine));
}
} // namespace universeg
