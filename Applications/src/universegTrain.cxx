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
#include "universegTaskTraining.h"
#include "universegVolumeTraining.h"

#include "itkNNInitialWeights.h"
#include "itkNNModel.h"
#include "itkNNRegisterBackends.h"

#include <filesystem>
#include <iostream>

namespace universeg
{
int
RunTrain(const Arguments & arguments)
{
  CommandLine commandLine("train",
                          "--output DIR [OPTION]...",
                          "Trains a network on tasks that are made on the spot or drawn from images with labels.\n"
                          "A file says all: --print-config prints one with every setting and its default. Without\n"
                          "a file the network of the UniverSeg paper learns from synthetic shapes.\n"
                          "DIR gets training.toml, log.jsonl, curves.png, checkpoint.safetensors, and the models\n"
                          "best.safetensors (best validation) and model.safetensors (the end).\n"
                          "Ctrl-C saves a checkpoint and ends; --resume goes on with the same results.\n"
                          "'mpirun -n N universeg train ...' shares the batches of a step among N processes.");
  commandLine.AddGroup("Options").add_options()("config", Text(), "TOML file with the settings")(
    "print-config", "print all settings as TOML and end")("output", Text(), "folder for what is written")(
    "resume", "go on with the training in DIR")("network", Text(), "name of the network, default universeg")(
    "model", Text(), "model or weights to start with; default: random weights")(
    "preview", Text(), "PNG file: draw some of the tasks and end")("steps", Text(), "in the place of the file's")(
    "seed", Text(), "in the place of the file's");
  AddPlanOptions(commandLine);
  if (!commandLine.Parse(arguments))
  {
    return exitSuccess;
  }
  const std::string configuration = commandLine.GetText("config");
  const bool isVolume =
    commandLine.Has("network") ? IsVolumeNetwork(GetNetworkName(commandLine)) : IsVolumeConfiguration(configuration);
  if (isVolume)
  {
    if (commandLine.Has("preview"))
    {
      throw UsageError("--preview is for the tasks of the network universeg; see 'volume-fusion'");
    }
    itk::nn::VolumeTrainingSettings settings;
    if (commandLine.Has("network"))
    {
      settings.SetNetworkDefaults(GetNetworkName(commandLine));
    }
    if (!configuration.empty())
    {
      ReadVolumeConfiguration(configuration, settings);
    }
    if (commandLine.Has("network"))
    {
      settings.network.name = GetNetworkName(commandLine);
    }
    return RunVolumeTraining(commandLine, settings, configuration);
  }
  TaskTraining training;
  const std::string file = commandLine.GetText("config");
  if (!file.empty())
  {
    itk::nn::ConfigurationTable(training.settings).ReadFile(file);
  }
  if (commandLine.Has("network"))
  {
    training.settings.network.name = GetNetworkName(commandLine);
  }
  constexpr std::int64_t most = std::int64_t{ 1 } << 40;
  training.settings.steps = commandLine.GetInteger("steps", training.settings.steps, 0, most);
  training.settings.seed = commandLine.GetInteger("seed", training.settings.seed, 0, most);
  if (commandLine.Has("print-config"))
  {
    std::cout << itk::nn::ConfigurationTable(training.settings).Write();
    return exitSuccess;
  }
  const std::string preview = commandLine.GetText("preview");
  training.place.folder = preview.empty() ? commandLine.GetRequired("output") : "";
  training.place.resumes = commandLine.Has("resume");
  if (preview.empty())
  {
    SetPlace(commandLine, training.place);
  }
  training.network = training.settings.network.Get();
  const std::string start = commandLine.GetText("model");
  training.weights =
    start.empty() ? itk::nn::MakeInitialWeights(*training.network, static_cast<std::uint64_t>(training.settings.seed))
                  : itk::nn::Model::Read(start)->GetWeights();
  const std::string folder = std::filesystem::path(file).parent_path().string();
  const auto common = training.settings.MakeCommonTasks(folder);
  training.tasks = training.settings.MakeTaskSource(folder, false, common);
  if (!preview.empty())
  {
    DrawTasks(training, preview);
    return exitSuccess;
  }
  if (training.settings.validation.tasks > 0)
  {
    training.validationTasks = training.settings.MakeTaskSource(folder, true, common);
  }
  training.provenance = "trained with universeg train" +
                        (start.empty() ? std::string() : ", from " + std::filesystem::path(start).filename().string());
  return RunTaskTraining(training);
}
} // namespace universeg
