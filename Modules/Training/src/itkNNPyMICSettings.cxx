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
#include "itkNNError.h"
#include "itkNNVolumeTrainingSettings.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iomanip>

namespace itk
{
namespace nn
{
namespace
{
using Configuration = PyMICConfiguration;

constexpr const char * dataset = "dataset";
constexpr const char * network = "network";
constexpr const char * training = "training";
constexpr const char * testing = "testing";

struct NamePair
{
  const char * reference;
  const char * own;
};

constexpr NamePair networkNames[] = {
  { "FMUNet", "fmunet" }, { "FMUNetV3", "fmunet" }, { "PCTNet", "pctnet" }, { "UNet3D", "unet3d" }
};
constexpr NamePair lossNames[] = { { "DiceLoss", "dice" },
                                   { "CrossEntropyLoss", "cross_entropy" },
                                   { "GeneralizedCELoss", "generalized_cross_entropy" },
                                   { "FocalDiceLoss", "focal_dice" },
                                   { "NoiseRobustDiceLoss", "noise_robust_dice" },
                                   { "BinaryDiceLoss", "binary_dice" },
                                   { "GroupDiceLoss", "group_dice" },
                                   { "ExpLogLoss", "exp_log" },
                                   { "MAELoss", "mae" },
                                   { "MSELoss", "mse" },
                                   { "SLSRLoss", "smoothed_labels" },
                                   { "EntropyLoss", "entropy" },
                                   { "TotalVariationLoss", "total_variation" } };
constexpr NamePair optimizerNames[] = { { "Adam", "adam" }, { "AdamW", "adamw" }, { "SGD", "sgd" } };

template <std::size_t VCount>
std::string
Translate(const Configuration & file,
          const char * section,
          const char * key,
          const std::string & name,
          const NamePair (&names)[VCount])
{
  std::string known;
  for (const NamePair & pair : names)
  {
    if (name == pair.reference)
    {
      return pair.own;
    }
    known += (known.empty() ? "" : ", ") + std::string(pair.reference);
  }
  itkNNThrowMacro(file.GetName() << ": '" << key << "' in [" << section << "] is " << name
                                 << ", which is not to be had here; should be one of " << known);
}

/** Throws Error unless a key is missing or has this value. */
void
RequireText(const Configuration & file, const char * section, const char * key, const char * expected)
{
  const std::string value = file.GetText(section, key, expected);
  itkNNRequireMacro(value == expected,
                    file.GetName() << ": '" << key << "' in [" << section << "] is " << value
                                   << ", which is not to be had here; should be " << expected);
}

void
RequireNumber(const Configuration & file, const char * section, const char * key, double expected)
{
  const double value = file.GetNumber(section, key, expected);
  itkNNRequireMacro(value == expected,
                    file.GetName() << ": '" << key << "' in [" << section << "] is " << value
                                   << ", which is not to be had here; should be " << expected);
}

void
UseAll(const Configuration & file, const char * section, const std::vector<const char *> & keys)
{
  for (const char * key : keys)
  {
    file.Use(section, key);
  }
}

std::string
MakeNetworkConfiguration(const Configuration & file)
{
  static const char * const keys[] = { "in_chns",   "class_num",    "feature_chns",    "dropout",        "depth",
                                       "res_mode",  "depths",       "multiscale_pred", "initialization", "input_size",
                                       "num_heads", "window_sizes", "resolution_mode", "up_mode",        "norm_type" };
  std::string json;
  for (const char * key : keys)
  {
    if (file.Has(network, key))
    {
      json +=
        (json.empty() ? "" : ", ") + ('"' + std::string(key) + "\": ") + file.GetSection(network).at(key).ToJson();
    }
  }
  // The reference's FMUNet has all outputs in training unless told otherwise.
  const bool isFMUNet = file.GetText(network, "net_type", "").compare(0, 6, "FMUNet") == 0;
  if (isFMUNet && !file.Has(network, "multiscale_pred") && file.GetFlag(training, "deep_supervise", false))
  {
    json += (json.empty() ? "" : ", ") + std::string("\"multiscale_pred\": true");
  }
  // Either runs on what is there.
  UseAll(file, network, { "net_type", "finetune_mode", "weights_load_mode", "update_mode" });
  return '{' + json + '}';
}

/** As a configuration has it; JSON writes none and truth in other words. */
std::string
ToConfigurationText(const TransformOption & value)
{
  if (const auto * flag = std::get_if<bool>(&value.Get()))
  {
    return *flag ? "True" : "False";
  }
  if (const auto * text = std::get_if<std::string>(&value.Get()))
  {
    return *text;
  }
  if (const auto * list = std::get_if<TransformOption::List>(&value.Get()))
  {
    std::string items;
    for (const TransformOption & item : *list)
    {
      items += (items.empty() ? "" : ", ") + ToConfigurationText(item);
    }
    return '[' + items + ']';
  }
  return value.IsNone() ? "None" : value.ToJson();
}

/** The options of the transforms in one of PyMIC's lists. */
void
UseTransformOptions(const Configuration & file, const char * key)
{
  for (const auto & name : file.GetTexts(dataset, key))
  {
    std::string prefix = name + '_';
    std::transform(prefix.begin(),
                   prefix.end(),
                   prefix.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    for (const auto & entry : file.GetSection(dataset))
    {
      if (entry.first.compare(0, prefix.size(), prefix) == 0)
      {
        file.Use(dataset, entry.first);
      }
    }
  }
}

/** One of PyMIC's lists of transforms. */
std::vector<TransformSettings>
MakeTransforms(const Configuration & file, const char * key)
{
  std::vector<TransformSettings> result;
  const TransformOptions & all = file.GetSection(dataset);
  for (const auto & name : file.GetTexts(dataset, key))
  {
    TransformOptions options = SelectTransformOptions(name, all);
    const bool isSized = name == "Pad" || name == "CenterCrop" || name == "RandomCrop" || name == "RandomResizedCrop";
    if (isSized && options.count("output_size") == 0 && all.count("patch_size") > 0)
    {
      options["output_size"] = all.at("patch_size");
    }
    const TransformOptions & ofNetwork = file.GetSection(network);
    if (name == "LabelToProbability" && ofNetwork.count("class_num") > 0)
    {
      options["class_num"] = ofNetwork.at("class_num");
    }
    TransformSettings settings;
    settings.name = name;
    for (const auto & [option, value] : options)
    {
      settings.options.push_back(option + " = " + ToConfigurationText(value));
    }
    result.push_back(std::move(settings));
  }
  return result;
}

std::vector<LossSettings>
MakeLosses(const Configuration & file)
{
  const auto names = file.GetTexts(training, "loss_type");
  itkNNRequireMacro(!names.empty(), file.GetName() << ": 'loss_type' in [training] is missing");
  auto weights = file.GetNumbers(training, "loss_weight");
  weights = weights.empty() ? std::vector<double>(names.size(), 1) : weights;
  itkNNRequireMacro(weights.size() == names.size(),
                    file.GetName() << ": 'loss_weight' in [training] has " << weights.size() << " entries, should have "
                                   << names.size() << " as loss_type");
  const std::string activation = file.GetText(training, "loss_acti_func", "softmax");
  const bool isSoftmax = file.GetFlag(training, "loss_softmax", true);
  std::vector<LossSettings> result;
  for (std::size_t i = 0; i < names.size(); ++i)
  {
    LossSettings loss;
    loss.function = Translate(file, training, "loss_type", names[i], lossNames);
    loss.activation = isSoftmax ? activation : "none";
    loss.options.weight = weights[i];
    loss.options.squared = false;
    loss.options.pooled = true;
    loss.options.smooth = 1e-5;
    const bool isEntropy = loss.function == "cross_entropy" || loss.function == "smoothed_labels";
    loss.options.blend = isEntropy ? 1e-3 : 0;
    loss.options.q = file.GetNumber(training, "loss_gce_q", 0.5);
    loss.options.beta = file.GetNumber(training, "focaldiceloss_beta", 1.5);
    loss.options.diceWeight = file.GetNumber(training, "explogloss_w_dice", 0.8);
    loss.options.epsilon = file.GetNumber(training, "slsrloss_epsilon", 0.25);
    loss.options.gamma = loss.function == "exp_log" ? file.GetNumber(training, "explogloss_gamma", 0.3)
                                                    : file.GetNumber(training, "noiserobustdiceloss_gamma", 1.5);
    const bool hasClasses =
      loss.function == "dice" || loss.function == "cross_entropy" || loss.function == "generalized_cross_entropy";
    loss.options.classWeights = hasClasses ? file.GetNumbers(training, "loss_class_weight") : std::vector<double>();
    result.push_back(std::move(loss));
  }
  return result;
}

OptimizerSettings
MakeOptimizer(const Configuration & file)
{
  OptimizerSettings settings;
  settings.method = Translate(file, training, "optimizer", file.GetText(training, "optimizer"), optimizerNames);
  settings.options.weightDecay = file.GetNumber(training, "weight_decay", 0);
  settings.options.momentum = file.GetNumber(training, "momentum", 0.9);
  settings.options.nesterov = file.GetFlag(training, "nesterov", true) && settings.method == "sgd";
  return settings;
}

/** All in rounds of `hold` steps, as PyMIC counts. */
ScheduleSettings
MakeSchedule(const Configuration & file, std::int64_t steps, std::int64_t hold)
{
  ScheduleSettings settings;
  ScheduleOptions & options = settings.options;
  options.rate = file.GetNumber(training, "learning_rate");
  options.hold = hold;
  UseAll(
    file, training, { "lr_gamma", "lr_step", "lr_power", "lr_min", "lr_milestones", "reducelronplateau_patience" });
  const std::string name = file.GetText(training, "lr_scheduler", "none");
  if (name == "PolynomialLR")
  {
    settings.shape = "polynomial";
    options.power = file.GetNumber(training, "lr_power", 0.9);
  }
  else if (name == "CosineAnnealingLR")
  {
    settings.shape = "cosine";
    options.minimum = file.GetNumber(training, "lr_min", 0);
  }
  else if (name == "StepLR" || name == "MultiStepLR")
  {
    settings.shape = "milestones";
    options.factor = file.GetNumber(training, "lr_gamma", 0.5);
    if (name == "MultiStepLR")
    {
      for (const auto milestone : file.GetIntegers(training, "lr_milestones"))
      {
        options.milestones.push_back(milestone / hold * hold);
      }
      return settings;
    }
    // The remainder of a quotient that need not be whole.
    const double step = file.GetNumber(training, "lr_step") / static_cast<double>(hold);
    itkNNRequireMacro(step > 0, file.GetName() << ": 'lr_step' in [training] should be above 0");
    for (std::int64_t round = 1; round <= steps / hold; ++round)
    {
      if (std::fmod(static_cast<double>(round), step) == 0)
      {
        options.milestones.push_back(round * hold);
      }
    }
  }
  else if (name == "ReduceLROnPlateau")
  {
    settings.shape = "plateau";
    options.factor = file.GetNumber(training, "lr_gamma", 0.5);
    options.patience = file.GetNumber(training, "reducelronplateau_patience") / static_cast<double>(hold);
  }
  else
  {
    itkNNRequireMacro(name == "none",
                      file.GetName() << ": 'lr_scheduler' in [training] is " << name
                                     << ", which is not to be had here; should be PolynomialLR, StepLR, MultiStepLR, "
                                        "CosineAnnealingLR, ReduceLROnPlateau or None");
    settings.shape = "constant";
  }
  return settings;
}

/** [testing]'s windows; of training, PyMIC makes them of the patches. */
WindowSettings
MakeWindow(const Configuration & file, bool isValidation)
{
  WindowSettings settings;
  settings.batch = file.GetInteger(testing, "sliding_window_batch", 1);
  const auto size = file.GetIntegers(testing, "sliding_window_size");
  const auto stride = file.GetIntegers(testing, "sliding_window_stride");
  const std::int64_t mode = file.GetInteger(testing, "tta_mode", 0);
  itkNNRequireMacro(mode == 0 || mode == 1,
                    file.GetName() << ": 'tta_mode' in [testing] is " << mode
                                   << ", which is not to be had here; should be 0 or 1");
  if (!file.GetFlag(testing, "sliding_window_enable", false))
  {
    itkNNRequireMacro(mode == 0, file.GetName() << ": 'tta_mode' in [testing] needs sliding windows here");
    return settings;
  }
  settings.size = size;
  settings.stride = stride;
  if (isValidation)
  {
    settings.size = file.GetIntegers(dataset, "patch_size");
    itkNNRequireMacro(!settings.size.empty(),
                      file.GetName() << ": 'patch_size' in [dataset] is missing, which sliding windows need");
    settings.stride = settings.size;
    for (auto & extent : settings.stride)
    {
      extent /= 2;
    }
    settings.batch = 1;
  }
  itkNNRequireMacro(!settings.size.empty(), file.GetName() << ": 'sliding_window_size' in [testing] is missing");
  if (mode == 1)
  {
    settings.mirrorAxes = { 1, 2 };
  }
  return settings;
}

/** The key of the folder of training; before version 0.5 one key named that of all. */
std::string
GetTrainingFolderKey(const Configuration & file)
{
  return !file.Has(dataset, "train_dir") && file.Has(dataset, "root_dir") ? "root_dir" : "train_dir";
}

/** Keys that choose devices, files of PyMIC's own or what it prints, or that the other of
 * training and inference reads. */
void
UseIdleKeys(const Configuration & file)
{
  for (const char * key : { "train_transform", "valid_transform", "test_transform" })
  {
    UseTransformOptions(file, key);
  }
  UseAll(
    file, dataset, { "tensor_type",      "task_type",       "num_worker", "num_workers",     "train_batch_size",
                     "valid_batch_size", "test_batch_size", "patch_size", "supervise_type",  "load_pixelwise_weight",
                     "valid_dir",        "valid_csv",       "train_dir",  "train_csv",       "test_dir",
                     "root_dir",         "test_csv",        "modal_num",  "train_transform", "valid_transform",
                     "test_transform" });
  UseAll(file,
         training,
         { "gpus",
           "device_ids",
           "deterministic",
           "ckpt_dir",
           "ckpt_prefix",
           "iter_start",
           "print_interval",
           "ckpt_init_mode" });
  UseAll(file,
         testing,
         { "gpus",
           "device_ids",
           "ckpt_mode",
           "ckpt_name",
           "ckpt_dir",
           "output_dir",
           "post_process",
           "keeplargestcomponent_mode",
           "save_probability",
           "sliding_window_enable",
           "sliding_window_batch",
           "sliding_window_size",
           "sliding_window_stride",
           "tta_mode",
           "label_source",
           "label_target",
           "evaluation_mode",
           "filename_ignore_dir" });
}

std::string
Join(const std::string & folder, const std::string & name)
{
  return (std::filesystem::path(folder) / name).string();
}

/** The iteration that PyMIC notes in a text beside its models; empty when there is none. */
std::string
ReadIteration(const Configuration & file, const std::string & name)
{
  std::ifstream text(LocateVolumeFile(name, std::filesystem::path(file.GetName()).parent_path().string()));
  std::string iteration;
  text >> std::setw(20) >> iteration;
  const bool isNumber = std::all_of(iteration.begin(), iteration.end(), [](char c) { return c >= '0' && c <= '9'; });
  return isNumber ? iteration : std::string();
}
} // namespace

VolumeTrainingSettings
MakeVolumeTrainingSettings(const PyMICConfiguration & file)
{
  VolumeTrainingSettings settings;
  RequireText(file, dataset, "task_type", "seg");
  RequireText(file, dataset, "tensor_type", "float");
  RequireText(file, dataset, "supervise_type", "fully_sup");
  RequireNumber(file, training, "mixup_probability", 0);
  settings.seed = file.GetInteger(training, "random_seed", 1);
  settings.steps = file.GetInteger(training, "iter_max");
  const std::int64_t hold = file.GetInteger(training, "iter_valid");
  itkNNRequireMacro(hold >= 1 && settings.steps >= 1,
                    file.GetName() << ": 'iter_max' and 'iter_valid' in [training] are " << settings.steps << " and "
                                   << hold << ", should be at least 1");
  settings.batchSize = file.GetInteger(dataset, "train_batch_size");
  settings.saveEvery = file.GetInteger(training, "iter_save", settings.steps);
  settings.validateEvery = hold;
  settings.patience = file.GetInteger(training, "early_stop_patience", 0);
  settings.network.name = Translate(file, network, "net_type", file.GetText(network, "net_type"), networkNames);
  settings.network.configuration = MakeNetworkConfiguration(file);
  if (file.Has(training, "ckpt_init_name"))
  {
    settings.network.start = Join(file.GetText(training, "ckpt_dir"), file.GetText(training, "ckpt_init_name"));
    RequireNumber(file, training, "ckpt_init_mode", 0);
  }
  if (file.GetText(network, "weights_load_mode", "all") == "encoder")
  {
    settings.network.startParts = { "project", "encoder" };
  }
  if (file.GetText(network, "finetune_mode", "all") == "decoder")
  {
    settings.network.trainedParts = { "decoder", "out_layers" };
  }
  else
  {
    RequireText(file, network, "finetune_mode", "all");
  }
  settings.data.modalities = file.GetInteger(dataset, "modal_num", 1);
  settings.data.train = file.GetText(dataset, "train_csv");
  settings.data.trainFolder = file.GetText(dataset, GetTrainingFolderKey(file));
  settings.data.validation = file.GetText(dataset, "valid_csv", "");
  settings.data.validationFolder = file.GetText(dataset, "valid_dir", settings.data.trainFolder);
  settings.transforms.train = MakeTransforms(file, "train_transform");
  settings.transforms.validation = MakeTransforms(file, "valid_transform");
  settings.transforms.inference = MakeTransforms(file, "test_transform");
  settings.window = MakeWindow(file, true);
  settings.losses = MakeLosses(file);
  settings.optimizer = MakeOptimizer(file);
  settings.schedule = MakeSchedule(file, settings.steps, hold);
  if (file.GetFlag(training, "deep_supervise", false))
  {
    static const char * const modes[] = { "logits", "labels", "pooled" };
    const std::int64_t mode = file.GetInteger(training, "deep_supervise_mode", 2);
    itkNNRequireMacro(mode >= 0 && mode <= 2,
                      file.GetName() << ": 'deep_supervise_mode' in [training] is " << mode << ", should be 0, 1 or 2");
    settings.deepSupervision = modes[mode];
    settings.deepSupervisionWeights = file.GetNumbers(training, "deep_supervise_weight");
  }
  UseIdleKeys(file);
  return settings;
}

VolumeInferenceSettings
MakeVolumeInferenceSettings(const PyMICConfiguration & file)
{
  VolumeInferenceSettings settings;
  settings.network = Translate(file, network, "net_type", file.GetText(network, "net_type"), networkNames);
  settings.networkConfiguration = MakeNetworkConfiguration(file);
  settings.pipeline.transforms = MakeSampleTransforms(MakeTransforms(file, "test_transform"));
  settings.pipeline.windows = MakeWindow(file, false).Get();
  settings.modalities = file.GetInteger(dataset, "modal_num", 1);
  settings.data = file.GetText(dataset, "test_csv");
  settings.folder = file.GetText(dataset, "test_dir", file.GetText(dataset, GetTrainingFolderKey(file), ""));
  settings.output = file.GetText(testing, "output_dir");
  settings.savesProbabilities = file.GetFlag(testing, "save_probability", false);
  itkNNRequireMacro(file.GetFlag(testing, "evaluation_mode", true) &&
                      !file.GetFlag(testing, "test_time_dropout", false),
                    file.GetName() << ": 'evaluation_mode' and 'test_time_dropout' in [testing] should be True and "
                                      "False; others are not to be had here");
  const std::string post = file.GetText(testing, "post_process", "none");
  if (post != "none")
  {
    RequireText(file, testing, "post_process", "KeepLargestComponent");
    settings.largestComponent = static_cast<int>(file.GetInteger(testing, "keeplargestcomponent_mode", 1));
    itkNNRequireMacro(settings.largestComponent == 1 || settings.largestComponent == 2,
                      file.GetName() << ": 'KeepLargestComponent_mode' in [testing] is " << settings.largestComponent
                                     << ", should be 1 or 2");
  }
  settings.labelSource = file.GetIntegers(testing, "label_source");
  settings.labelTarget = file.GetIntegers(testing, "label_target");
  itkNNRequireMacro(settings.labelSource.size() == settings.labelTarget.size(),
                    file.GetName() << ": 'label_source' and 'label_target' in [testing] have "
                                   << settings.labelSource.size() << " and " << settings.labelTarget.size()
                                   << " entries, should have as many");

  const std::string folder = file.GetText(testing, "ckpt_dir", file.GetText(training, "ckpt_dir", ""));
  const std::string prefix = file.GetText(training, "ckpt_prefix", std::filesystem::path(folder).filename().string());
  const std::int64_t mode = file.GetInteger(testing, "ckpt_mode", 0);
  itkNNRequireMacro(mode >= 0 && mode <= 3,
                    file.GetName() << ": 'ckpt_mode' in [testing] is " << mode << ", should be 0 to 3");
  if (mode == 0)
  {
    settings.models = { Join(folder, "model.safetensors") };
    const std::string iteration = ReadIteration(file, Join(folder, prefix + "_latest.txt"));
    if (!iteration.empty())
    {
      settings.models.push_back(Join(folder, prefix + '_' + iteration + ".pt"));
    }
  }
  else if (mode == 1)
  {
    settings.models = { Join(folder, "best.safetensors"), Join(folder, prefix + "_best.pt") };
  }
  else
  {
    settings.models = file.GetTexts(testing, "ckpt_name");
    settings.isEnsemble = mode == 3;
    itkNNRequireMacro(!settings.models.empty(),
                      file.GetName() << ": 'ckpt_name' in [testing] is missing, which 'ckpt_mode' " << mode
                                     << " needs");
  }
  UseIdleKeys(file);
  return settings;
}
} // namespace nn
} // namespace itk
