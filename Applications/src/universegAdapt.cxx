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
} // namespace

int
RunAdapt(const Arguments & arguments)
{
  CommandLine commandLine(
    "adapt",
    "--model FILE --settings FILE --classes K --output DIR [OPTION]...",
    "Adds a task (domain) to a 3D U2-Net and trains what is new for it: adapters, normalisations,\n"
    "input and output. The settings are those of 'train' for volumes, TOML or a .cfg of PyMIC,\n"
    "whose [network] is not used. DIR gets the files that 'train' writes; best.safetensors has all\n"
    "tasks, those that were there unchanged, and runs the new one unless --task chooses another.");
  commandLine.AddGroup("Task").add_options()("settings", Text(), "file of settings: data, transforms, losses")(
    "classes", Text(), "of the new task's labels, background included")("channels", Text(), "of its images, default 1")(
    "name", Text(), "of the task in the model's card; default: taskN, its number")(
    "policy",
    Text(),
    "adapters (default): the task joins the others; reference: a model of the task alone, with the "
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
  const std::int64_t classes = commandLine.GetInteger("classes", 2, 1, most);
  const std::int64_t channels = commandLine.GetInteger("channels", 1, 1, most);
  const auto policy = GetPolicy(commandLine);
  itk::nn::VolumeTrainingSettings settings;
  ReadVolumeConfiguration(file, settings);

  const auto model = itk::SegmentationModel::Read(start);
  const auto network = std::dynamic_pointer_cast<const itk::nn::U2NetNetwork>(model->GetNetwork());
  if (network == nullptr)
  {
    throw Failure(start + ": the network is " + model->GetNetworkName() + "; tasks are added to u2net only");
  }
  const auto adaptation =
    itk::nn::AddU2NetTask(*network, model->GetModel()->GetWeights(), channels, classes, policy, 0);
  settings.network.name = network->GetName();
  settings.network.configuration = adaptation.network->GetConfiguration();
  settings.network.start = start;
  settings.network.trainedParts = adaptation.trained;
  settings.network.startParts = adaptation.kept;
  NewTask newTask;
  if (policy == itk::nn::U2NetAdaptationPolicy::AdaptersOnly)
  {
    const itk::nn::ModelCard & card = model->GetModel()->GetCard();
    const std::int64_t count = network->GetNumberOfTasks();
    for (std::int64_t task = 0; task < count; ++task)
    {
      const bool isNamed = task < static_cast<std::int64_t>(card.tasks.size());
      newTask.others.push_back(
        { isNamed ? card.tasks[static_cast<std::size_t>(task)].name : NameTask(task), card.GetPreprocessing(task) });
    }
    newTask.name = commandLine.GetText("name", NameTask(count));
    if (card.FindTask(newTask.name) >= 0)
    {
      throw UsageError("--name: the model has a task '" + newTask.name + "' already");
    }
  }
  return RunVolumeTraining(commandLine, settings, file, newTask);
}
} // namespace universeg
