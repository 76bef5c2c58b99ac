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
#include "universegVolumeTraining.h"

#include "universegModelOptions.h"

#include "itkNNInitialWeights.h"
#include "itkNNModel.h"
#include "itkNNRegisterBackends.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>

namespace universeg
{
namespace
{
namespace fs = std::filesystem;

std::string
FindQuoted(const std::string & line)
{
  const std::size_t first = line.find_first_of("\"'");
  const std::size_t last = first == std::string::npos ? first : line.find(line[first], first + 1);
  return last == std::string::npos ? std::string() : line.substr(first + 1, last - first - 1);
}

/** What `name` in [network] says; empty when the file has none. The file's own reader checks it. */
std::string
FindNetworkName(const std::string & fileName)
{
  std::ifstream file(fileName);
  bool isNetwork = false;
  for (std::string line; std::getline(file, line);)
  {
    const std::size_t first = line.find_first_not_of(" \t");
    if (first == std::string::npos || line[first] == '#')
    {
      continue;
    }
    if (line[first] == '[')
    {
      isNetwork = line.compare(first, 9, "[network]") == 0;
    }
    else if (isNetwork && line.compare(first, 4, "name") == 0 && line.find('=') != std::string::npos)
    {
      return FindQuoted(line);
    }
  }
  return "";
}

/** Take weights over and tell how many. */
void
SetStart(const itk::nn::VolumeNetworkSettings & settings,
         const std::string & folder,
         const itk::nn::Network & network,
         itk::nn::StateDict & weights)
{
  const std::string file = itk::nn::LocateVolumeFile(settings.start, folder);
  const auto result =
    itk::nn::SetMatchingWeights(network, weights, itk::nn::Model::Read(file)->GetWeights(), settings.startParts);
  std::cout << file << ": " << result.copied << " of " << network.GetParameters().size() << " tensors are taken over"
            << (result.different.empty() ? "" : "; of another shape: ");
  for (std::size_t i = 0; i < result.different.size(); ++i)
  {
    std::cout << (i == 0 ? "" : ", ") << result.different[i];
  }
  std::cout << std::endl;
}

/** A task with its settings, and the folder that names in them start from. */
struct VolumeTask
{
  std::string name;
  itk::nn::VolumeTrainingSettings settings;
  std::string folder;
  itk::nn::Network::ConstPointer network;
  double weight = 1;
};

/** The tasks of a training: those of the settings, or the settings themselves. */
std::vector<VolumeTask>
ReadTasks(const itk::nn::VolumeTrainingSettings & settings,
          const std::string & folder,
          const itk::nn::Network::ConstPointer & network)
{
  if (settings.tasks.empty())
  {
    return { { "", settings, folder, network } };
  }
  const auto count = static_cast<std::int64_t>(settings.tasks.size());
  if (count != network->GetNumberOfTasks())
  {
    throw Failure("'task' has " + std::to_string(count) + " entries, the network " + network->GetName() + " has " +
                  std::to_string(network->GetNumberOfTasks()) + " tasks");
  }
  std::vector<VolumeTask> tasks;
  for (const auto & task : settings.tasks)
  {
    const std::string file = itk::nn::LocateVolumeFile(task.settings, folder);
    VolumeTask read{ task.name, {}, fs::path(file).parent_path().string(), nullptr, task.weight };
    read.settings.SetNetworkDefaults(network->GetName());
    ReadVolumeConfiguration(file, read.settings);
    if (!read.settings.tasks.empty())
    {
      throw Failure(file + ": the settings of a task should have no 'task' of their own");
    }
    read.settings.seed = settings.seed;
    read.network = count == 1 ? network : network->ForTask(static_cast<std::int64_t>(tasks.size()));
    if (task.weight != 1 && network->ForTaskInputs() == nullptr)
    {
      throw Failure("'task.weight' of " + task.name + " is not 1, but the tasks of the network " + network->GetName() +
                    " take turns");
    }
    if (task.name.empty() ||
        std::any_of(tasks.begin(), tasks.end(), [&task](const VolumeTask & other) { return other.name == task.name; }))
    {
      throw Failure("'task': the name '" + task.name + "' should not be empty and be that of one task");
    }
    tasks.push_back(std::move(read));
  }
  return tasks;
}

itk::nn::BatchSource::ConstPointer
MakeBatches(const std::vector<VolumeTask> & tasks,
            const itk::nn::VolumeTrainingSettings & settings,
            const itk::nn::Network::ConstPointer & network)
{
  if (network->ForTaskInputs() != nullptr)
  {
    std::vector<itk::nn::VolumeTaskCases> mixed;
    for (const auto & task : tasks)
    {
      mixed.push_back({ task.network->GetTask(),
                        task.settings.GetTrainingCases(task.folder),
                        itk::nn::MakeSampleTransforms(task.settings.transforms.train),
                        task.weight });
    }
    return std::make_shared<itk::nn::MixedVolumeBatchSource>(
      network, std::move(mixed), settings.batchSize, settings.GetBatchSeed());
  }
  std::vector<itk::nn::BatchSource::ConstPointer> sources;
  for (const auto & task : tasks)
  {
    sources.push_back(task.settings.MakeBatchSource(task.folder));
  }
  return sources.size() == 1 ? sources.front() : std::make_shared<itk::nn::RoundRobinBatchSource>(std::move(sources));
}

/** Validates the tasks that have cases for it; empty when none has. */
std::function<TrainingJob::Validation()>
MakeValidation(const std::vector<VolumeTask> & tasks, const TrainingPlace & place)
{
  struct Validated
  {
    const VolumeTask * task;
    std::shared_ptr<const itk::nn::VolumeCache> cases;
    itk::nn::VolumePipeline pipeline;
  };
  std::vector<Validated> validated;
  for (const auto & task : tasks)
  {
    const itk::nn::VolumePipeline pipeline = task.settings.GetValidationPipeline();
    if (auto cases = task.settings.GetValidationCases(task.folder))
    {
      validated.push_back({ &task, std::move(cases), pipeline });
    }
  }
  if (validated.empty())
  {
    return {};
  }
  return [validated, &place]() -> TrainingJob::Validation
  {
    std::vector<std::pair<std::string, std::shared_ptr<const itk::nn::VolumeValidation>>> validations;
    for (const auto & part : validated)
    {
      validations.emplace_back(
        part.task->name,
        std::make_shared<const itk::nn::VolumeValidation>(part.task->network, part.cases, part.pipeline, place.plan));
    }
    return [validations](const itk::nn::StateDict & weights)
    {
      std::vector<std::pair<std::string, itk::nn::ValidationResult>> results;
      for (const auto & [name, validation] : validations)
      {
        results.emplace_back(name, validation->Run(weights));
      }
      return results.size() == 1 && results.front().first.empty() ? results.front().second
                                                                  : itk::nn::JoinValidations(results);
    };
  };
}
} // namespace

bool
IsVolumeNetwork(const std::string & name)
{
  return name == "fmunet" || name == "hermes" || name == "hermes_medformer" || name == "pctnet" || name == "u2net" ||
         name == "unet3d";
}

bool
IsVolumeConfiguration(const std::string & fileName)
{
  return fs::path(fileName).extension() == ".cfg" || IsVolumeNetwork(FindNetworkName(fileName));
}

void
ReadVolumeConfiguration(const std::string & fileName, itk::nn::VolumeTrainingSettings & settings)
{
  if (fs::path(fileName).extension() != ".cfg")
  {
    settings.SetNetworkDefaults(FindNetworkName(fileName));
    itk::nn::ConfigurationTable(settings).ReadFile(fileName);
    return;
  }
  const auto configuration = itk::nn::PyMICConfiguration::ReadFile(fileName);
  settings = itk::nn::MakeVolumeTrainingSettings(configuration);
  for (const auto & key : configuration.GetUnused({ "dataset", "network", "training" }))
  {
    std::cerr << "universeg: " << fileName << ": '" << key << "' is not used" << std::endl;
  }
}

void
AddVolumeTrainingOptions(CommandLine & commandLine)
{
  commandLine.AddGroup("Training")
    .add_options()("output", Text(), "folder for what is written")("resume", "go on with the training in DIR")(
      "model", Text(), "model or weights to start with")("steps", Text(), "in the place of the file's")(
      "seed", Text(), "in the place of the file's")("print-config", "print all settings as TOML and end");
}

int
RunVolumeTraining(const CommandLine & commandLine,
                  itk::nn::VolumeTrainingSettings settings,
                  const std::string & file,
                  const NewTask & newTask)
{
  constexpr std::int64_t most = std::int64_t{ 1 } << 40;
  settings.steps = commandLine.GetInteger("steps", settings.steps, 0, most);
  settings.seed = commandLine.GetInteger("seed", settings.seed, 0, most);
  settings.network.start = commandLine.GetText("model", settings.network.start);
  if (commandLine.Has("print-config"))
  {
    std::cout << itk::nn::ConfigurationTable(settings).Write();
    return exitSuccess;
  }
  const std::string folder = fs::path(file).parent_path().string();
  TrainingJob job;
  job.place.folder = commandLine.GetRequired("output");
  job.place.resumes = commandLine.Has("resume");
  SetPlace(commandLine, job.place);
  job.network = settings.network.Get();
  job.options = settings.GetTrainerOptions(*job.network);
  job.weights = newTask.weights.IsEmpty()
                ? itk::nn::MakeInitialWeights(*job.network, static_cast<std::uint64_t>(settings.seed))
                : newTask.weights;
  if (newTask.weights.IsEmpty() && !settings.network.start.empty() && !job.place.resumes)
  {
    SetStart(settings.network, folder, *job.network, job.weights);
  }
  const std::vector<VolumeTask> tasks = ReadTasks(settings, folder, job.network);
  job.trained = job.network->ForTaskInputs();
  job.batches = MakeBatches(tasks, settings, job.network);
  job.makeValidation = MakeValidation(tasks, job.place);
  job.logEvery = settings.logEvery;
  job.configuration = itk::nn::ConfigurationTable(settings).Write();
  job.card.tasks = newTask.others;
  for (const auto & task : tasks)
  {
    const std::string preprocessing = task.settings.GetPreprocessing();
    if (settings.tasks.empty() && newTask.others.empty())
    {
      job.card.preprocessing = preprocessing;
    }
    else
    {
      job.card.tasks.push_back({ task.name.empty() ? newTask.name : task.name, preprocessing });
    }
  }
  job.card.license = settings.model.licence;
  job.card.description = settings.model.description;
  job.card.provenance =
    "trained with universeg" +
    (settings.network.start.empty() ? std::string() : ", from " + fs::path(settings.network.start).filename().string());
  job.card.extra["training_data"] = settings.model.data;
  job.card.extra["training_seed"] = std::to_string(settings.seed);
  return RunTraining(job);
}
} // namespace universeg
