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
#include "itkNNVolumeTrainingSettings.h"

#include "itkNNError.h"
#include "itkNNRandomStream.h"
#include "itkNNTaskManifest.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

namespace itk
{
namespace nn
{
namespace
{
namespace fs = std::filesystem;

/** Streams of a training's seed. */
enum SeedKey : std::uint64_t
{
  batchSeed = 1,
  dropoutSeed = 2
};

/** A value of an enumeration by its name. */
template <typename T>
T
ParseName(const std::string & name, const char * key, const std::vector<std::string> & names)
{
  const auto found = std::find(names.begin(), names.end(), name);
  itkNNRequireMacro(found != names.end(),
                    "'" << key << "' is '" << name << "', should be one of " << nlohmann::json(names).dump());
  return static_cast<T>(found - names.begin());
}

std::shared_ptr<const VolumeCache>
ReadCases(const std::string & list, const std::string & images, std::int64_t modalities, const std::string & folder)
{
  const std::string located = LocateVolumeFile(list, folder);
  if (fs::is_directory(located))
  {
    itkNNRequireMacro(modalities == 1,
                      "'" << located << "' is a folder, which cannot say which images belong together");
    return std::make_shared<const VolumeCache>(FindVolumes(located));
  }
  const std::string from = images.empty() ? fs::path(located).parent_path().string() : LocateVolumeFile(images, folder);
  return std::make_shared<const VolumeCache>(ReadVolumeList(located, from, modalities));
}
} // namespace

std::string
LocateVolumeFile(const std::string & name, const std::string & folder)
{
  const std::string expanded = ExpandPathVariable(name, "data");
  std::error_code code;
  const bool isFound = fs::path(expanded).is_absolute() || fs::exists(expanded, code);
  return isFound || folder.empty() ? expanded : (fs::path(folder) / expanded).string();
}

void
VolumeNetworkSettings::Describe(ConfigurationTable & table)
{
  table.Add("name", "fmunet, hermes, hermes_medformer, pctnet, u2net or unet3d", name);
  table.Add("configuration", "JSON object with the keys of Documentation/networks.md", configuration);
  table.Add(
    "start",
    "model or weights to start with: tensors are taken over where names and shapes agree; empty: random weights",
    start);
  table.Add("start-parts", "names of tensors that are taken over contain one of these; [] for all", startParts);
  table.Add("trained-parts",
            "names of weights that are trained contain one of these, the others stay as they began; [] for all",
            trainedParts);
  table.Add(
    "trained-rows",
    "rows of these weights that are trained alone, without weight decay, as those of new tasks (hermes); [] for all",
    trainedRows);
}

Network::ConstPointer
VolumeNetworkSettings::Get() const
{
  auto network = Network::Create(name, configuration);
  itkNNRequireMacro(network->ForTaskInputs() == nullptr || network->GetInputNames().size() == 1,
                    "'network.configuration' of " << name
                                                  << " has no domains; should list those of the tasks, each with the "
                                                     "numbers of its classes and its modality");
  itkNNRequireMacro(network->GetInputNames() == std::vector<std::string>{ "input" },
                    "The network " << name
                                   << " is none of volumes; should be fmunet, hermes, hermes_medformer, pctnet, "
                                      "u2net or unet3d");
  return network;
}

void
U2NetSettings::Describe(ConfigurationTable & table)
{
  table.Add("task", "one of the paper, as spleen: all of what follows but window; empty: none", task);
  table.Add("spacing", "z, y, x in mm; [] without a task: images are not prepared so", spacing);
  table.Add("patch", "voxels to which a smaller volume is padded", patch);
  table.Add("window",
            "of the network; where it is not the patch, volumes are resized by their quotient; [] for the patch",
            window);
  table.Add("classes", "of the network, for the cleaning of its labels", classes);
  table.Add("components", "largest ones of each class that are kept: 1 or 2; 0: no cleaning", components);
}

std::optional<U2NetPipeline>
U2NetSettings::Get() const
{
  if (task.empty() && spacing.empty())
  {
    return std::nullopt;
  }
  U2NetPipeline pipeline;
  if (!task.empty())
  {
    pipeline = U2NetPipeline::Make(U2NetTask::Get(task), window);
  }
  else
  {
    pipeline.preprocessing.spacing = spacing;
    pipeline.patch = patch;
    pipeline.window = window.empty() ? patch : window;
    if (components != 0)
    {
      pipeline.postProcessing.emplace();
      pipeline.postProcessing->classes = classes;
      pipeline.postProcessing->components = static_cast<int>(std::clamp<std::int64_t>(components, -1, 1000));
    }
  }
  pipeline.Check();
  return pipeline;
}

void
HermesSettings::Describe(ConfigurationTable & table)
{
  table.Add("data-set", "one of the paper, as bcv: all of what follows but window; empty: none", dataSet);
  table.Add("spacing", "z, y, x in mm; [] without a data set: images are not prepared so", spacing);
  table.Add("orientation", "aligned (with the axes of space), stored or reference", orientation);
  table.Add("resampling", "two_step, one_step or in_plane", resampling);
  table.Add("limits", "that intensities are clipped to; [] for the percentiles 2 and 98", limits);
  table.Add("window", "of the network; []: the whole image", window);
}

std::optional<HermesPipeline>
HermesSettings::Get() const
{
  if (dataSet.empty() && spacing.empty())
  {
    return std::nullopt;
  }
  HermesPipeline pipeline;
  if (!dataSet.empty())
  {
    pipeline = HermesPipeline::Make(HermesTask::Get(dataSet));
  }
  else
  {
    pipeline.preprocessing.spacing = spacing;
    pipeline.preprocessing.orientation =
      ParseName<HermesOrientation>(orientation, "hermes.orientation", GetHermesOrientationNames());
    pipeline.preprocessing.resampling =
      ParseName<HermesResampling>(resampling, "hermes.resampling", GetHermesResamplingNames());
    if (!limits.empty())
    {
      itkNNRequireMacro(limits.size() == 2, "'hermes.limits' has " << limits.size() << " entries, should have 2");
      pipeline.preprocessing.limits = { limits[0], limits[1] };
    }
  }
  pipeline.window = window;
  pipeline.Check();
  return pipeline;
}

void
VolumeTaskSettings::Describe(ConfigurationTable & table)
{
  table.Add("name", "by which the model's card and `segment --task` know it", name);
  table.Add(
    "settings", "file as this one, whose data, transforms, window and batch-size are those of the task", settings);
  table.Add("weight", "of each of its images in the draws of a batch (hermes)", weight);
}

void
VolumeDataSettings::Describe(ConfigurationTable & table)
{
  table.Add("train", "CSV list of images and labels, or a folder of images without labels", train);
  table.Add("train-folder", "from which the names in the list start; empty: the list's own", trainFolder);
  table.Add("validation", "another list; empty: no validation", validation);
  table.Add("validation-folder", "as train-folder", validationFolder);
  table.Add("modalities", "first columns of the lists, which are the channels of an image", modalities);
}

void
TransformSettings::Describe(ConfigurationTable & table)
{
  table.Add("name", "one of Documentation/preprocessing.md", name);
  table.Add("options", "texts as \"output_size = [64, 128, 128]\"", options);
}

void
TransformListSettings::Describe(ConfigurationTable & table)
{
  table.AddList("train", "of a case for training", train);
  table.AddList("validation", "of a case for validation", validation);
  table.AddList("inference", "of an image for segmentation, for the model's card", inference);
}

SampleTransforms
MakeSampleTransforms(const std::vector<TransformSettings> & settings)
{
  std::vector<SampleTransform::ConstPointer> transforms;
  for (const auto & entry : settings)
  {
    TransformOptions options;
    for (const auto & text : entry.options)
    {
      const std::size_t sign = text.find('=');
      itkNNRequireMacro(sign != std::string::npos,
                        "The option '" << text << "' of " << entry.name << " should be name = value");
      std::string key = text.substr(0, sign);
      key.erase(key.find_last_not_of(" \t") + 1);
      key.erase(0, key.find_first_not_of(" \t"));
      itkNNRequireMacro(options.emplace(key, PyMICConfiguration::ParseValue(text.substr(sign + 1))).second,
                        "The option '" << key << "' of " << entry.name << " is there twice");
    }
    transforms.push_back(SampleTransform::Make(entry.name, options));
  }
  return SampleTransforms(std::move(transforms));
}

void
WindowSettings::Describe(ConfigurationTable & table)
{
  table.Add("size", "of sliding windows in validation and segmentation, 0 for the image's; []: the whole image", size);
  table.Add("stride", "of pymic; 0 for the window's size", stride);
  table.Add("placement", "pymic, monai, nnunet or u2net", placement);
  table.Add("blending", "gaussian or constant", blending);
  table.Add("overlap", "of monai: share of a window", overlap);
  table.Add("step", "of nnunet: share of a window", step);
  table.Add("batch", "windows in one run of the network", batch);
  table.Add("mirror-axes", "axes of test-time mirroring, 0 for D; [] for none", mirrorAxes);
}

std::optional<SlidingWindowOptions>
WindowSettings::Get() const
{
  if (size.empty())
  {
    return std::nullopt;
  }
  SlidingWindowOptions options;
  options.windows.placement = ParseName<WindowPlacement>(placement, "window.placement", GetWindowPlacementNames());
  options.windows.window = size;
  options.windows.stride = stride.empty() ? size : stride;
  options.windows.overlap = overlap;
  options.windows.step = step;
  options.blending = ParseName<WindowBlending>(blending, "window.blending", GetWindowBlendingNames());
  options.batchSize = batch;
  for (const auto axis : mirrorAxes)
  {
    itkNNRequireMacro(axis >= 0 && axis < static_cast<std::int64_t>(size.size()),
                      "'window.mirror-axes' has " << axis << ", should be 0 to " << size.size() - 1);
    options.mirrorAxes.push_back(static_cast<int>(axis));
  }
  // Now, not at the first validation; extents of 0 become those of images.
  constexpr std::size_t axes = 3;
  WindowOptions known = options.windows;
  std::replace(known.window.begin(), known.window.end(), std::int64_t{ 0 }, std::int64_t{ 1 });
  std::replace(known.stride.begin(), known.stride.end(), std::int64_t{ 0 }, std::int64_t{ 1 });
  known.Check(axes);
  itkNNRequireMacro(batch >= 1, "'window.batch' is " << batch << ", should be at least 1");
  return options;
}

VolumeTrainingSettings::VolumeTrainingSettings()
{
  transforms.train = { { "Pad", { "output_size = [64, 128, 128]" } },
                       { "RandomCrop", { "output_size = [64, 128, 128]" } },
                       { "NormalizeWithMeanStd", {} },
                       { "RandomFlip", { "flip_depth = False", "flip_height = True", "flip_width = True" } },
                       { "LabelToProbability", { "class_num = 2" } } };
  transforms.validation = { { "Pad", { "output_size = [64, 128, 128]" } },
                            { "NormalizeWithMeanStd", {} },
                            { "LabelToProbability", { "class_num = 2" } } };
  transforms.inference = { { "Pad", { "output_size = [64, 128, 128]" } }, { "NormalizeWithMeanStd", {} } };
  window.size = { 64, 128, 128 };
  window.stride = { 32, 64, 64 };
  LossSettings dice;
  dice.activation = "softmax";
  dice.options.weight = 0.5;
  dice.options.squared = false;
  dice.options.pooled = true;
  dice.options.smooth = 1e-5;
  LossSettings entropy = dice;
  entropy.function = "cross_entropy";
  entropy.options.blend = 1e-3;
  losses = { dice, entropy };
  optimizer.options.weightDecay = 1e-5;
  schedule.shape = "polynomial";
  schedule.options.rate = 1e-3;
  schedule.options.power = 0.8;
}

void
VolumeTrainingSettings::SetNetworkDefaults(const std::string & name)
{
  const bool isMedFormer = name == "hermes_medformer";
  if (name != "hermes" && !isMedFormer)
  {
    return;
  }
  constexpr std::int64_t epoch = 401;
  network.name = name;
  network.configuration = R"({"tn": 72, "mn": 6, "domains": [{"tgt_idx": [0, 1], "mod_idx": 0}]})";
  steps = 200 * epoch;
  batchesPerStep = 8;
  clipNorm = 1;
  averageDecay = 0.99;
  averageStart = "mean";
  saveEvery = epoch;
  validateEvery = 25 * epoch;
  deepSupervision = isMedFormer ? "logits" : "none";
  deepSupervisionWeights = isMedFormer ? std::vector<double>{ 0.5, 0.5 } : std::vector<double>{};
  const TransformSettings patch{ "HermesPatch", { "output_size = [128, 128, 128]" } };
  const TransformSettings intensity{ "HermesIntensity", {} };
  const TransformSettings labels{ "LabelToProbability", { "class_num = 3" } };
  transforms.train = { patch, intensity, labels };
  transforms.validation = { labels };
  transforms.inference.clear();
  window.size = { 128, 128, 128 };
  window.stride.clear();
  window.placement = "hermes";
  window.blending = "constant";
  LossSettings entropy;
  entropy.function = "bce";
  LossSettings dice;
  dice.function = "adaptive_dice";
  losses = { entropy, dice };
  optimizer.method = "lamb";
  optimizer.options.epsilon = 1e-5;
  optimizer.options.weightDecay = isMedFormer ? 0.05 : 1e-5;
  schedule.shape = "polynomial";
  schedule.options.rate = 2e-3;
  schedule.options.power = 0.9;
  schedule.options.hold = epoch;
  schedule.options.warmup = isMedFormer ? 0 : 5 * epoch;
  schedule.options.exponentialWarmup = true;
}

void
VolumeTrainingSettings::Describe(ConfigurationTable & table)
{
  table.Add("seed", "of weights, order, transforms and dropout", seed);
  table.Add("steps", "steps of the optimiser", steps);
  table.Add("batch-size", "samples in a batch", batchSize);
  table.Add("batches-per-step", "batches whose gradients are averaged", batchesPerStep);
  table.Add("clip-norm", "largest norm of the gradients; 0: any", clipNorm);
  table.Add("average-decay", "of a moving average of the weights, which becomes the model; 0: none", averageDecay);
  table.Add(
    "average-start",
    "of this average: ramp: its decay rises slowly; mean: it is the mean of all weights so far, until the decay "
    "is reached (hermes)",
    averageStart);
  table.Add("save-every", "steps between checkpoints", saveEvery);
  table.Add("log-every", "steps between lines of the log", logEvery);
  table.Add("loader-threads", "that make batches while the network learns", loaderThreads);
  table.Add("deep-supervision",
            "how the outputs of coarser scales are compared with the labels: logits, labels, pooled; none: not at all",
            deepSupervision);
  table.Add(
    "deep-supervision-weights", "of the outputs, the finest first; none: 1, 1/2, 1/4, ...", deepSupervisionWeights);
  table.Add("modality-weight", "of the cross-entropy of the images' modality in the loss (hermes)", modalityWeight);
  table.Add("validate-every", "steps between validations; 0: at the end only", validateEvery);
  table.Add("patience", "steps without a better score after which training ends; 0: never", patience);
  table.Add("network", "", network);
  table.AddList(
    "task",
    "tasks of the network: those of u2net take turns, batches of hermes have images of all; none: the data below",
    tasks);
  table.Add("data", "", data);
  table.Add("transforms", "", transforms);
  table.Add("window", "", window);
  table.Add("u2net", "instead of transforms.inference and window, of raw images for segmentation", u2net);
  table.Add("hermes", "as u2net", hermes);
  table.AddList("loss", "losses, which are summed", losses);
  table.Add("optimizer", "", optimizer);
  table.Add("schedule", "of the learning rate", schedule);
  table.Add("model", "", model);
}

TrainerOptions
VolumeTrainingSettings::GetTrainerOptions(const Network & built) const
{
  itkNNRequireMacro(logEvery >= 1 && loaderThreads >= 0,
                    "'log-every' is " << logEvery << ", should be at least 1; 'loader-threads' is " << loaderThreads
                                      << ", should be at least 0");
  TrainerOptions options;
  options.gradients.losses.clear();
  for (const auto & loss : losses)
  {
    options.gradients.losses.push_back(loss.Get());
  }
  options.gradients.output = built.GetLogitsName();
  options.gradients.trainedParts = network.trainedParts;
  options.gradients.trainedRows = network.trainedRows;
  itkNNRequireMacro(modalityWeight >= 0 && std::isfinite(modalityWeight),
                    "'modality-weight' is " << modalityWeight << ", should be at least 0");
  const Network::ImageClasses classes = built.GetImageClasses();
  if (!classes.output.empty() && modalityWeight > 0)
  {
    options.gradients.imageLosses = { { classes.output, classes.input, modalityWeight } };
  }
  if (deepSupervision != "none")
  {
    options.gradients.deepSupervision = ParseDeepSupervision(deepSupervision);
    this->SetDeepOutputs(built, options.gradients);
  }
  options.optimizer = optimizer.Get();
  options.schedule = schedule.Get();
  options.seed = RandomStream(static_cast<std::uint64_t>(seed)).Derive(dropoutSeed).GetSeed();
  options.steps = steps;
  options.batchesPerStep = batchesPerStep;
  options.clipNorm = clipNorm;
  options.averageDecay = averageDecay;
  options.averageStart = ParseAverageStart(averageStart);
  options.validateEvery = validateEvery;
  options.saveEvery = saveEvery;
  options.patience = patience;
  options.loaderThreads = static_cast<unsigned int>(std::min<std::int64_t>(loaderThreads, 256));
  options.loaderDepth = 2;
  return options;
}

void
VolumeTrainingSettings::SetDeepOutputs(const Network & built, GradientOptions & options) const
{
  options.deepOutputs = built.GetDeepLogitsNames();
  if (options.deepOutputs.empty())
  {
    const auto json = nlohmann::json::parse(built.GetConfiguration());
    itkNNRequireMacro(json.value("multiscale_pred", false),
                      "'deep-supervision' needs outputs of several scales: multiscale_pred should be true");
    options.deepOutputs = { "output1", "output2", "output3" };
    if (built.GetName() == "unet3d" && json.at("feature_chns").size() == 4)
    {
      options.deepOutputs.pop_back();
    }
  }
  const std::size_t outputs = options.deepOutputs.size() + 1;
  itkNNRequireMacro(deepSupervisionWeights.empty() || deepSupervisionWeights.size() == outputs,
                    "'deep-supervision-weights' has " << deepSupervisionWeights.size() << " entries, should have "
                                                      << outputs << ", one for each output");
  options.deepWeights = deepSupervisionWeights;
}

std::shared_ptr<const VolumeCache>
VolumeTrainingSettings::GetTrainingCases(const std::string & folder) const
{
  itkNNRequireMacro(!data.train.empty(), "'data.train' is empty, should be a list of images or their folder");
  return ReadCases(data.train, data.trainFolder, data.modalities, folder);
}

BatchSource::ConstPointer
VolumeTrainingSettings::MakeBatchSource(const std::string & folder) const
{
  return std::make_shared<VolumeBatchSource>(
    this->GetTrainingCases(folder), MakeSampleTransforms(transforms.train), batchSize, this->GetBatchSeed());
}

std::uint64_t
VolumeTrainingSettings::GetBatchSeed() const
{
  return RandomStream(static_cast<std::uint64_t>(seed)).Derive(batchSeed).GetSeed();
}

std::shared_ptr<const VolumeCache>
VolumeTrainingSettings::GetValidationCases(const std::string & folder) const
{
  return data.validation.empty() ? nullptr : ReadCases(data.validation, data.validationFolder, data.modalities, folder);
}

VolumePipeline
VolumeTrainingSettings::GetValidationPipeline() const
{
  return { MakeSampleTransforms(transforms.validation), window.Get() };
}

std::string
VolumeTrainingSettings::GetPreprocessing() const
{
  if (const auto pipeline = u2net.Get())
  {
    return pipeline->ToJson();
  }
  if (const auto pipeline = hermes.Get())
  {
    return pipeline->ToJson();
  }
  return VolumePipeline{ MakeSampleTransforms(transforms.inference), window.Get() }.ToJson();
}
} // namespace nn
} // namespace itk
