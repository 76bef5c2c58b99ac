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
#include "universegModelOptions.h"
#include "universegSubcommands.h"
#include "universegSupports.h"
#include "universegTaskTraining.h"
#include "universegVolumeTraining.h"

#include "itkNNModel.h"
#include "itkNNRegisterBackends.h"
#include "itkUniverSegSupportTaskSource.h"

#include <algorithm>
#include <iostream>

namespace universeg
{
namespace
{
/** Settings for some minutes with few images: gentle steps, much augmentation of
 * each example, none that turns a task into another. */
itk::nn::TrainingSettings
MakeSettings()
{
  itk::nn::TrainingSettings settings;
  settings.steps = 300;
  settings.clipNorm = 1;
  settings.averageDecay = 0.98;
  settings.saveEvery = 50;
  settings.logEvery = 10;
  settings.optimizer.method = "adamw";
  settings.optimizer.options.weightDecay = 1e-4;
  settings.schedule.shape = "cosine";
  settings.schedule.options.rate = 2e-4;
  settings.schedule.options.warmup = 10;
  settings.validation.every = 50;
  settings.validation.tasks = 24;
  settings.augmentation.task.enabled = false;
  itk::nn::AugmentationOptions & own = settings.augmentation.inTask.options;
  own.elasticProbability = 0.5;
  own.horizontalFlipProbability = 0;
  own.verticalFlipProbability = 0;
  itk::nn::LossSettings dice;
  itk::nn::LossSettings entropy;
  entropy.function = "bce";
  entropy.options.weight = 0.5;
  settings.losses = { dice, entropy };
  return settings;
}
} // namespace

int
RunFinetune(const Arguments & arguments)
{
  CommandLine commandLine(
    "finetune",
    "(--support DIR... | --support-images FILE... --support-labels FILE...) --output DIR [OPTION]...",
    "Makes a model better for the structures of a support set: each pair in turn is the target,\n"
    "the others its support set, both with random changes. Of eight pairs and more every fourth\n"
    "is kept as a target for validation. Takes some minutes; DIR gets the files that 'train'\n"
    "writes, of which best.safetensors is the model to use.\n"
    "With the settings of a network of volumes (fmunet, hermes, pctnet, u2net, unet3d; TOML or a .cfg of PyMIC)\n"
    "there are no supports: --settings FILE --model FILE --output DIR trains on the labelled cases\n"
    "that it lists, from the tensors of the model that fit.");
  auto & support = commandLine.AddGroup("Supports");
  AddSupportOptions(support);
  commandLine.AddGroup("Training")
    .add_options()("output", Text(), "folder for what is written")(
      "settings", Text(), "TOML file as that of 'train'; network and grid are the model's")(
      "print-config", "print all settings as TOML and end")("resume", "go on with the training in DIR")(
      "steps", Text(), "of the optimiser, default 300")("rate", Text(), "largest learning rate, default 0.0002")(
      "support-size", Text(), "supports of a target, default as many as there are, 16 at most")(
      "seed", Text(), "of what is random, default 1");
  AddModelOptions(commandLine, true);
  AddPlanOptions(commandLine);
  if (!commandLine.Parse(arguments))
  {
    return exitSuccess;
  }
  const std::string volumes = commandLine.GetText("settings");
  if (IsVolumeConfiguration(volumes))
  {
    if (!commandLine.Has("model"))
    {
      throw UsageError("--model is missing, the model that is to be made better");
    }
    itk::nn::VolumeTrainingSettings settings;
    ReadVolumeConfiguration(volumes, settings);
    return RunVolumeTraining(commandLine, settings, volumes);
  }
  TaskTraining training;
  training.settings = MakeSettings();
  const std::string file = commandLine.GetText("settings");
  if (!file.empty())
  {
    itk::nn::ConfigurationTable(training.settings).ReadFile(file);
  }
  itk::nn::TrainingSettings & settings = training.settings;
  constexpr std::int64_t most = std::int64_t{ 1 } << 40;
  settings.steps = commandLine.GetInteger("steps", settings.steps, 0, most);
  settings.seed = commandLine.GetInteger("seed", settings.seed, 0, most);
  settings.schedule.options.rate = commandLine.GetNumber("rate", settings.schedule.options.rate, 1e-12, 1e3);
  if (commandLine.Has("print-config"))
  {
    std::cout << itk::nn::ConfigurationTable(settings).Write();
    return exitSuccess;
  }
  training.place.folder = commandLine.GetRequired("output");
  training.place.resumes = commandLine.Has("resume");
  training.place.plan = GetPlanOptions(commandLine);
  const auto pairs = FindSupports(commandLine);
  CheckModelOptions(commandLine, true);
  itk::nn::RegisterBackends();
  const auto model = LoadModel(commandLine, true);
  training.network = model->GetNetwork();
  training.weights = model->GetModel()->GetWeights();
  const auto grid = model->GetGridSize();
  settings.batch.height = static_cast<std::int64_t>(grid[1]);
  settings.batch.width = static_cast<std::int64_t>(grid[0]);
  const auto supports = SupportReader(commandLine).Read(pairs);
  const auto count = static_cast<std::int64_t>(supports->GetNumberOfSupports());
  const std::int64_t size =
    commandLine.GetInteger("support-size", std::clamp<std::int64_t>(count - 1, 1, 16), 1, 1 << 16);
  settings.batch.supportSizes = { size };
  settings.validation.supportSize = size;

  using Targets = itk::nn::UniverSegSupportTaskSource::Targets;
  const auto makeTasks = [&](Targets targets)
  {
    return std::make_shared<itk::nn::UniverSegSupportTaskSource>(
      *supports, GetNormalization(commandLine), settings.batch.height, settings.batch.width, targets);
  };
  training.tasks = makeTasks(Targets::Training);
  training.validationTasks = makeTasks(Targets::Validation);
  const itk::nn::ModelCard & card = model->GetModel()->GetCard();
  settings.model.licence = settings.model.licence.empty() ? card.license : settings.model.licence;
  settings.model.description = settings.model.description.empty() ? card.description : settings.model.description;
  training.provenance = "fine-tuned with universeg finetune on " + std::to_string(count) + " supports" +
                        (card.provenance.empty() ? std::string() : ", from a model " + card.provenance);
  return RunTaskTraining(training);
}
} // namespace universeg
