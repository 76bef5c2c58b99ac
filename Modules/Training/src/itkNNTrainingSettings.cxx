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
#include "itkNNTrainingSettings.h"

#include "itkNNError.h"
#include "itkNNColorProjection.h"
#include "itkNNManifestTaskSource.h"
#include "itkUniverSegNetwork.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <type_traits>

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
  batchSeed = 1
};

void
RequireAtLeast(const char * key, std::int64_t value, std::int64_t minimum)
{
  itkNNRequireMacro(value >= minimum, "'" << key << "' is " << value << "; it should be at least " << minimum);
}
} // namespace

void
NetworkSettings::Describe(ConfigurationTable & table)
{
  table.Add("name", "universeg", name);
  table.Add(
    "encoder-blocks", "features of each encoder block; one level more halves the images once more", encoderBlocks);
  table.Add("decoder-blocks", "features of each decoder block; empty: the encoder's in reverse order", decoderBlocks);
}

Network::ConstPointer
NetworkSettings::Get() const
{
  const nlohmann::json configuration{ { "encoder_blocks", encoderBlocks }, { "decoder_blocks", decoderBlocks } };
  return Network::Create(name, configuration.dump());
}

void
TaskSettings::Describe(ConfigurationTable & table)
{
  table.Add("synthetic-weight", "share of tasks made of random shapes, relative to the others", syntheticWeight);
  table.Add("perlin-weight", "of random shapes: regions of smooth noises", synthetic.perlinWeight);
  table.Add("object-weight", "of random shapes: one or many objects, such as cells", synthetic.objectWeight);
  table.Add("tube-weight", "of random shapes: curves and branching tubes", synthetic.tubeWeight);
  table.Add("anatomy-weight", "of random shapes: sections of a body, layers", synthetic.anatomyWeight);
  table.Add("label-maps",
            "label maps that images are made of: files or folders; $NAME in front is a variable of the environment",
            labelMaps);
  table.Add("label-map-weight", "share of tasks made of label maps", labelMapWeight);
  table.Add("manifests", "files that describe images with their labels, see training-data.md", manifests);
  table.Add("manifest-weight", "share of tasks of each manifest", manifestWeight);
}

void
BatchSettings::Describe(ConfigurationTable & table)
{
  table.Add("height", "of the images, in pixels", height);
  table.Add("width", "of the images, in pixels", width);
  table.Add("tasks", "tasks in a batch, each with a target and a support set", tasks);
  table.Add("support-sizes", "sizes of support sets; one is drawn for each batch", supportSizes);
}

AugmentationSettings::AugmentationSettings(const AugmentationOptions & defaults)
  : options(defaults)
{
  using Options = AugmentationOptions;
  m_Ranges = { { "rotation", "degrees", &Options::rotation, {} },
               { "scale", "of both axes", &Options::scale, {} },
               { "brightness", "added, the image being of [0, 1]", &Options::brightness, {} },
               { "contrast", "factor", &Options::contrast, {} },
               { "elastic-alpha", "strength of the displacements", &Options::elasticAlpha, {} },
               { "elastic-sigma", "smoothness of the displacements, in pixels", &Options::elasticSigma, {} },
               { "blur-sigma", "in pixels", &Options::blurSigma, {} },
               { "noise-mean", "", &Options::noiseMean, {} },
               { "noise-deviation", "", &Options::noiseStandardDeviation, {} },
               { "sharpness", "0 smooths, 1 changes nothing", &Options::sharpness, {} } };
  for (auto & range : m_Ranges)
  {
    const RandomRange & value = options.*range.member;
    range.values = { value.low, value.high };
  }
}

void
AugmentationSettings::Describe(ConfigurationTable & table)
{
  table.Add("enabled", "", enabled);
  table.Add("affine-probability", "of rotation, scale and translation together", options.affineProbability);
  table.Add("translation-x", "largest, part of the width", options.maximumTranslationX);
  table.Add("translation-y", "largest, part of the height", options.maximumTranslationY);
  table.Add("brightness-contrast-probability", "", options.brightnessContrastProbability);
  table.Add("elastic-probability", "", options.elasticProbability);
  table.Add("blur-probability", "", options.blurProbability);
  table.Add("noise-probability", "", options.noiseProbability);
  table.Add("sharpness-probability", "", options.sharpnessProbability);
  table.Add("horizontal-flip-probability", "", options.horizontalFlipProbability);
  table.Add("vertical-flip-probability", "", options.verticalFlipProbability);
  table.Add("intensity-flip-probability", "1 - image", options.intensityFlipProbability);
  table.Add("label-flip-probability", "1 - label", options.labelFlipProbability);
  table.Add("label-edges-probability", "the label's edges in its place", options.labelEdgesProbability);
  for (auto & range : m_Ranges)
  {
    table.Add(range.key, range.comment, range.values);
  }
}

std::optional<AugmentationOptions>
AugmentationSettings::Get() const
{
  if (!enabled)
  {
    return std::nullopt;
  }
  AugmentationOptions result = options;
  for (const auto & range : m_Ranges)
  {
    itkNNRequireMacro(range.values.size() == 2,
                      "'" << range.key << "' has " << range.values.size()
                          << " values; it should have two, the lower one first");
    result.*range.member = { range.values[0], range.values[1] };
  }
  return result;
}

void
AugmentationPairSettings::Describe(ConfigurationTable & table)
{
  table.Add("task", "the same for all examples of a task", task);
  table.Add("in-task", "for each example by itself", inTask);
}

void
LossSettings::Describe(ConfigurationTable & table)
{
  table.Add(
    "function", "dice, tversky, cross_entropy, bce, focal, or another that Documentation/training.md lists", function);
  table.Add("weight", "in the sum of all losses", options.weight);
  table.Add("activation", "sigmoid, softmax, tanh or none", activation);
  table.Add("squared", "of dice: squares in the denominator", options.squared);
  table.Add("pooled", "of dice and tversky: over all images of a batch together", options.pooled);
  table.Add("smooth", "of dice and tversky", options.smooth);
  table.Add("alpha", "of tversky: weight of false positives", options.alpha);
  table.Add("beta", "of tversky: weight of false negatives; of focal_dice: the inverse exponent", options.beta);
  table.Add("gamma", "of focal, noise_robust_dice and exp_log: the exponent", options.gamma);
  table.Add("blend", "of cross_entropy and smoothed_labels: share of an even probability mixed in", options.blend);
  table.Add("detached", "of focal: the factor is a constant to gradients", options.detached);
  table.Add("q", "of generalized_cross_entropy", options.q);
  table.Add("dice-weight", "of exp_log", options.diceWeight);
  table.Add("epsilon", "of smoothed_labels", options.epsilon);
  table.Add("class-weights", "of dice, cross_entropy and generalized_cross_entropy; [] for none", options.classWeights);
}

LossOptions
LossSettings::Get() const
{
  LossOptions result = options;
  result.function = ParseLossFunction(function);
  result.activation = ParseLossActivation(activation);
  return result;
}

void
OptimizerSettings::Describe(ConfigurationTable & table)
{
  table.Add("method", "sgd, adam, adamw or lamb", method);
  table.Add("beta1", "of adam, adamw and lamb", options.beta1);
  table.Add("beta2", "of adam, adamw and lamb", options.beta2);
  table.Add("epsilon", "of adam, adamw and lamb", options.epsilon);
  table.Add("momentum", "of sgd", options.momentum);
  table.Add("nesterov", "of sgd", options.nesterov);
  table.Add("weight-decay", "", options.weightDecay);
  table.Add("idle-steps", "weights without a gradient that had one before move on", options.idleSteps);
}

OptimizerOptions
OptimizerSettings::Get() const
{
  OptimizerOptions result = options;
  result.method = ParseOptimizerMethod(method);
  return result;
}

void
ScheduleSettings::Describe(ConfigurationTable & table)
{
  table.Add("shape", "constant, polynomial, cosine, steps, milestones, plateau or loss_plateau", shape);
  table.Add("rate", "learning rate behind the warm-up", options.rate);
  table.Add("warmup", "steps in which the rate rises", options.warmup);
  table.Add("exponential-warmup",
            "rises exponentially, and the schedule counts from the first step",
            options.exponentialWarmup);
  table.Add("minimum", "least rate", options.minimum);
  table.Add("power", "of polynomial", options.power);
  table.Add("factor", "of steps, milestones and plateaus", options.factor);
  table.Add("interval", "of steps; of loss_plateau: steps whose mean loss is looked at", options.interval);
  table.Add("milestones", "of milestones: steps behind the warm-up", options.milestones);
  table.Add("hold", "steps for which the rate stays the same", options.hold);
  table.Add("patience", "of plateau: validations without a better score that are put up with", options.patience);
  table.Add("threshold",
            "of plateau: part of the best score by which a better one is above it; of loss_plateau: by how much the "
            "loss falls at least",
            options.threshold);
  table.Add("window", "of loss_plateau: intervals over which the loss is averaged", options.window);
  table.Add("stop-below",
            "of loss_plateau: training ends with the first interval that began with a smaller rate; 0: it does not",
            options.stopBelow);
}

ScheduleOptions
ScheduleSettings::Get() const
{
  ScheduleOptions result = options;
  result.shape = ParseScheduleShape(shape);
  return result;
}

void
ValidationSettings::Describe(ConfigurationTable & table)
{
  table.Add("every", "steps between validations; 0: at the end only", every);
  table.Add("tasks", "tasks that are segmented each time; 0: no validation", tasks);
  table.Add("support-size", "of these tasks", supportSize);
  table.Add("seed", "of these tasks", seed);
  table.Add("patience", "steps without a better score after which training ends; 0: never", patience);
}

void
ModelSettings::Describe(ConfigurationTable & table)
{
  table.Add("description", "for the model's card", description);
  table.Add("licence", "for the model's card", licence);
  table.Add("data", "what it was trained on, for the model's card", data);
}

void
TrainingSettings::Describe(ConfigurationTable & table)
{
  table.Add("seed", "of weights, tasks and augmentation", seed);
  table.Add("steps", "steps of the optimiser", steps);
  table.Add("batches-per-step", "batches whose gradients are averaged", batchesPerStep);
  table.Add("clip-norm", "largest norm of the gradients; 0: any", clipNorm);
  table.Add("average-decay", "of a moving average of the weights, which becomes the model; 0: none", averageDecay);
  table.Add("save-every", "steps between checkpoints", saveEvery);
  table.Add("log-every", "steps between lines of the log", logEvery);
  table.Add("recompute", "less memory for more time", recompute);
  table.Add("loader-threads", "that make batches while the network learns", loaderThreads);
  table.Add("network", "", network);
  table.Add("tasks", "where tasks come from", tasks);
  table.Add("batch", "", batch);
  table.Add("augmentation", "", augmentation);
  table.AddList("loss", "losses, which are summed", losses);
  table.Add("optimizer", "", optimizer);
  table.Add("schedule", "of the learning rate", schedule);
  table.Add("validation", "", validation);
  table.Add("model", "", model);
}

TrainerOptions
TrainingSettings::GetTrainerOptions() const
{
  RequireAtLeast("loader-threads", loaderThreads, 0);
  RequireAtLeast("log-every", logEvery, 1);
  RequireAtLeast("validation.tasks", validation.tasks, 0);
  TrainerOptions options;
  options.gradients.losses.clear();
  for (const auto & loss : losses)
  {
    options.gradients.losses.push_back(loss.Get());
  }
  options.optimizer = optimizer.Get();
  options.schedule = schedule.Get();
  options.steps = steps;
  options.batchesPerStep = batchesPerStep;
  options.clipNorm = clipNorm;
  options.averageDecay = averageDecay;
  options.validateEvery = validation.every;
  options.saveEvery = saveEvery;
  options.patience = validation.patience;
  options.loaderThreads = static_cast<unsigned int>(std::min<std::int64_t>(loaderThreads, 256));
  if (recompute)
  {
    for (std::size_t level = 0; level < network.encoderBlocks.size(); ++level)
    {
      options.gradients.recompute.push_back("enc_blocks." + std::to_string(level));
      options.gradients.recompute.push_back("dec_blocks." + std::to_string(level));
    }
  }
  return options;
}

UniverSegBatchOptions
TrainingSettings::GetBatchOptions() const
{
  UniverSegBatchOptions options;
  options.height = batch.height;
  options.width = batch.width;
  options.tasks = batch.tasks;
  options.supportSizes = batch.supportSizes;
  options.seed = RandomStream(static_cast<std::uint64_t>(seed)).Derive(batchSeed).GetSeed();
  options.taskAugmentation = augmentation.task.Get();
  options.inTaskAugmentation = augmentation.inTask.Get();
  return options;
}

namespace
{
std::string
Locate(const std::string & name, const std::string & folder, const char * key)
{
  const fs::path path = ExpandPathVariable(name, key);
  return path.is_absolute() || folder.empty() ? path.string() : (fs::path(folder) / path).string();
}

/** A label map [depth, height, width], as int16 where that holds all labels. */
Tensor
ReadLabelMap(const std::string & fileName)
{
  const auto image = ToIntensities(ReadImageFile(fileName));
  const auto size = image->GetLargestPossibleRegion().GetSize();
  const Shape shape{ static_cast<std::int64_t>(size[2]),
                     static_cast<std::int64_t>(size[1]),
                     static_cast<std::int64_t>(size[0]) };
  const float * from = image->GetBufferPointer();
  const float * end = from + NumberOfElements(shape);
  constexpr float most = 16777215.0F; // whole numbers of float
  const auto wrong = std::find_if(from, end, [](float value) { return !(value >= 0 && value <= most); });
  itkNNRequireMacro(wrong == end,
                    "'" << fileName << "' has a label " << *wrong << "; labels should be whole numbers from 0 to "
                        << static_cast<std::int64_t>(most));
  const bool isSmall =
    from == end || *std::max_element(from, end) <= static_cast<float>(std::numeric_limits<std::int16_t>::max()) - 1;
  Tensor labels(shape, isSmall ? DataType::Int16 : DataType::Int32);
  const auto convert = [&](auto * to)
  {
    std::transform(
      from, end, to, [](float value) { return static_cast<std::remove_reference_t<decltype(*to)>>(value + 0.5F); });
  };
  isSmall ? convert(labels.GetData<std::int16_t>()) : convert(labels.GetData<std::int32_t>());
  return labels;
}

std::vector<Tensor>
ReadLabelMaps(const std::vector<std::string> & names, const std::string & folder)
{
  std::vector<std::string> files;
  for (const auto & name : names)
  {
    const std::string path = Locate(name, folder, "label-maps");
    if (!fs::is_directory(path))
    {
      files.push_back(path);
      continue;
    }
    std::vector<std::string> found;
    for (const auto & entry : fs::directory_iterator(path))
    {
      if (entry.is_regular_file() && entry.path().filename().string().front() != '.')
      {
        found.push_back(entry.path().string());
      }
    }
    itkNNRequireMacro(!found.empty(), "'label-maps': the folder '" << path << "' is empty");
    std::sort(found.begin(), found.end());
    files.insert(files.end(), found.begin(), found.end());
  }
  std::vector<Tensor> volumes;
  for (const auto & file : files)
  {
    volumes.push_back(ReadLabelMap(file));
  }
  return volumes;
}
} // namespace

std::vector<TaskMixture::Component>
TrainingSettings::MakeCommonTasks(const std::string & folder) const
{
  std::vector<TaskMixture::Component> components;
  if (tasks.syntheticWeight > 0)
  {
    components.push_back({ std::make_shared<SyntheticTaskSource>(tasks.synthetic), tasks.syntheticWeight });
  }
  if (tasks.labelMapWeight > 0 && !tasks.labelMaps.empty())
  {
    components.push_back(
      { std::make_shared<LabelMapTaskSource>(ReadLabelMaps(tasks.labelMaps, folder)), tasks.labelMapWeight });
  }
  return components;
}

TaskSource::ConstPointer
TrainingSettings::MakeTaskSource(const std::string & folder, bool isValidation) const
{
  return this->MakeTaskSource(folder, isValidation, this->MakeCommonTasks(folder));
}

TaskSource::ConstPointer
TrainingSettings::MakeTaskSource(const std::string & folder,
                                 bool isValidation,
                                 std::vector<TaskMixture::Component> components) const
{
  if (tasks.manifestWeight > 0)
  {
    for (const auto & name : tasks.manifests)
    {
      const TaskManifest manifest = TaskManifest::ReadFile(Locate(name, folder, "manifests"));
      components.push_back({ std::make_shared<ManifestTaskSource>(
                               manifest, isValidation ? ManifestSplit::Validation : ManifestSplit::Train),
                             tasks.manifestWeight });
    }
  }
  itkNNRequireMacro(!components.empty(),
                    "[tasks] names nothing to train on: give synthetic-weight, label-maps or manifests");
  return std::make_shared<TaskMixture>(std::move(components));
}
} // namespace nn
} // namespace itk
