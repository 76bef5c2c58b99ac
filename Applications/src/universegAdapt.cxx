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
#include "universegVolumeTraining.h"

#include "itkNNModel.h"
#include "itkNNTaskAddition.h"
#include "itkNNU2NetAdaptation.h"

namespace universeg
{
namespace
{
itk::nn::U2NetAdaptationPolicy
GetPolicy(const CommandLine & commandLine)
{
  try
  {
    return itk::nn::ParseU2NetAdaptationPolicy(commandLine.GetText("policy", "adapters"));
  }
  catch (const itk::nn::Error & error)
  {
    throw UsageError(std::string("--policy: ") + error.GetDescription());
  }
}

std::string
NameTask(std::int64_t task)
{
  return "task" + std::to_string(task);
}

/** Names of those that a model has, with the card's preprocessing. */
std::vector<itk::nn::ModelCard::Task>
ListTasks(const itk::nn::ModelCard & card, std::int64_t count)
{
  std::vector<itk::nn::ModelCard::Task> tasks;
  for (std::int64_t task = 0; task < count; ++task)
  {
    const bool isNamed = task < static_cast<std::int64_t>(card.tasks.size());
    tasks.push_back(
      { isNamed ? card.tasks[static_cast<std::size_t>(task)].name : NameTask(task), card.GetPreprocessing(task) });
  }
  return tasks;
}
} // namespace

int
RunAdapt(const Arguments & arguments)
{
  CommandLine commandLine(
    "adapt",
    "--model FILE --settings FILE --classes K --output DIR [OPTION]...",
    "Adds a task (domain) to a 3D U2-Net or a Hermes and trains what is new for it: adapters,\n"
    "normalisations, input and output, or the priors of its classes. The settings are those of\n"
    "'train' for volumes, TOML or a .cfg of PyMIC, whose [network] is not used. DIR gets the files\n"
    "that 'train' writes; best.safetensors has all tasks, those that were there unchanged, and runs\n"
    "the new one unless --task chooses another.");
  commandLine.AddGroup("Task").add_options()("settings", Text(), "file of settings: data, transforms, losses")(
    "classes", Text(), "of the new task's labels, background included")("channels", Text(), "of its images, default 1")(
    "modality", Text(), "of its images, a number of the Hermes's modalities; default -1, unknown")(
    "name", Text(), "of the task in the model's card; default: taskN, its number")(
    "policy",
    Text(),
    "adapters (default): the task joins the others; reference (u2net): a model of the task alone, with the "
    "convolutions of the blocks, as the reference implementation has it");
  AddVolumeTrainingOptions(commandLine);
  AddPlanOptions(commandLine);
  if (!commandLine.Parse(arguments))
  {
    return exitSuccess;
  }
  constexpr std::int64_t most = 65536;
  const std::string file = commandLine.GetRequired("settings");
  const std::string start = commandLine.GetRequired("model");
  commandLine.GetRequired("classes");
  const itk::nn::Network::NewTask task{ commandLine.GetInteger("channels", 1, 1, most),
                                        commandLine.GetInteger("classes", 2, 1, most),
                                        commandLine.GetInteger("modality", -1, -1, most) };
  const auto policy = GetPolicy(commandLine);
  const auto model = itk::SegmentationModel::Read(start);
  const itk::nn::Network::ConstPointer network = model->GetNetwork();
  const itk::nn::StateDict & weights = model->GetModel()->GetWeights();
  itk::nn::VolumeTrainingSettings settings;
  settings.SetNetworkDefaults(network->GetName());
  ReadVolumeConfiguration(file, settings);
  const auto seed =
    static_cast<std::uint64_t>(commandLine.GetInteger("seed", settings.seed, 0, std::int64_t{ 1 } << 40));
  settings.network = {};
  settings.network.name = network->GetName();
  settings.network.start = start;
  NewTask newTask;
  if (policy == itk::nn::U2NetAdaptationPolicy::Reference)
  {
    const auto u2net = std::dynamic_pointer_cast<const itk::nn::U2NetNetwork>(network);
    if (u2net == nullptr)
    {
      throw Failure(start + ": the network is " + network->GetName() + "; --policy reference is for u2net only");
    }
    itk::nn::U2NetAdaptation alone = itk::nn::AddU2NetTask(*u2net, weights, task.channels, task.classes, policy, seed);
    settings.network.configuration = alone.network->GetConfiguration();
    settings.network.trainedParts = alone.trained;
    newTask.weights = std::move(alone.weights);
  }
  else
  {
    itk::nn::TaskAddition addition = itk::nn::AddTask(*network, weights, task, seed);
    settings.network.configuration = addition.network->GetConfiguration();
    settings.network.trainedParts = addition.trained;
    settings.network.trainedRows = addition.trainedRows;
    newTask.weights = std::move(addition.weights);
    const itk::nn::ModelCard & card = model->GetModel()->GetCard();
    const std::int64_t count = addition.network->GetNumberOfTasks() - 1;
    newTask.others = ListTasks(card, count);
    newTask.name = commandLine.GetText("name", NameTask(count));
    if (card.FindTask(newTask.name) >= 0)
    {
      throw UsageError("--name: the model has a task '" + newTask.name + "' already");
    }
  }
  return RunVolumeTraining(commandLine, settings, file, newTask);
}
} // namespace universeg
