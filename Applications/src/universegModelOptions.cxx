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

#include "itkNNNetwork.h"
#include "itkNNRegisterBackends.h"
#include "itkNNText.h"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <iterator>

namespace universeg
{
namespace
{
std::string
GetModelName(const CommandLine & commandLine)
{
  return commandLine.GetText("model", commandLine.GetText("weights"));
}
} // namespace

void
AddModelOptions(CommandLine & commandLine, bool hasDefault)
{
  const std::string model =
    std::string("model file, or weights as .pt or .safetensors") + (hasDefault ? "; default: the embedded model" : "");
  commandLine.AddGroup("Model").add_options()("model", Text(), model.c_str())("weights", Text(), "the same as --model")(
    "network", Text(), "name of the network, for weights without a card")(
    "config", Text(), "JSON file with its configuration; default: inferred from the weights");
}

void
AddTaskOption(CommandLine & commandLine)
{
  commandLine.AddGroup("Task").add_options()(
    "task",
    Text(),
    "number, from 0, or name in the model's card of the task, of a model of several (u2net, hermes), or a data "
    "set of Hermes' paper; default: the configured one");
}

int
GetTask(const CommandLine & commandLine, const itk::nn::ModelCard & card)
{
  if (!commandLine.Has("task"))
  {
    return -1;
  }
  const std::int64_t named = card.FindTask(commandLine.GetText("task"));
  return static_cast<int>(named >= 0 ? named : commandLine.GetInteger("task", 0, 0, 1 << 20));
}

void
AddPlanOptions(CommandLine & commandLine)
{
  commandLine.AddGroup("Computation")
    .add_options()("backend", Text(), "auto (default), reference, onednn or cuda")(
      "device", Text(), "cpu (default), cuda, cuda:N, or auto: cuda where there is one")(
      "precision", Text(), "float32 (default) or float64; on CUDA also tf32, bfloat16 and float16")(
      "deterministic",
      "the same bits in every run, on CUDA too")("threads", Text(), "number of threads; default: all cores");
}

std::string
GetNetworkName(const CommandLine & commandLine)
{
  if (!commandLine.Has("network"))
  {
    return "";
  }
  const std::vector<std::string> known = itk::nn::Network::GetKnownNames();
  const std::string name = itk::nn::ToLower(commandLine.GetText("network"));
  if (std::find(known.begin(), known.end(), name) == known.end())
  {
    std::string list;
    for (const std::string & one : known)
    {
      list += (list.empty() ? "" : ", ") + one;
    }
    throw UsageError("--network: there is no network '" + commandLine.GetText("network") + "'; known are: " + list);
  }
  return name;
}

void
CheckModelOptions(const CommandLine & commandLine, bool hasDefault)
{
  GetNetworkName(commandLine);
  if (commandLine.Has("model") && commandLine.Has("weights"))
  {
    throw UsageError("--model and --weights exclude each other");
  }
  if (!GetModelName(commandLine).empty())
  {
    return;
  }
  if (!hasDefault)
  {
    throw UsageError("--model is missing (or --weights)");
  }
  if (commandLine.Has("network") || commandLine.Has("config"))
  {
    throw UsageError("--network and --config are of use only with --model or --weights");
  }
}

itk::SegmentationModel::Pointer
LoadModel(const CommandLine & commandLine, bool hasDefault)
{
  CheckModelOptions(commandLine, hasDefault);
  const std::string fileName = GetModelName(commandLine);
  if (fileName.empty())
  {
    return itk::SegmentationModel::GetDefault();
  }
  const std::string configuration = commandLine.Has("config") ? ReadTextFile(commandLine.GetText("config")) : "";
  return itk::SegmentationModel::Read(fileName, GetNetworkName(commandLine), configuration);
}

std::string
FindGridProblem(const itk::nn::Network & network, std::int64_t height, std::int64_t width)
{
  const itk::nn::Shape supports{ 1, 1, 1, height, width };
  try
  {
    network.BuildGraph(
      { { "target", { 1, 1, height, width } }, { "support_images", supports }, { "support_labels", supports } });
  }
  catch (const itk::nn::Error & error)
  {
    return std::string("does not suit the network ") + error.GetDescription();
  }
  return "";
}

itk::nn::PlanOptions
GetPlanOptions(const CommandLine & commandLine)
{
  constexpr std::int64_t mostThreads = 1024;
  itk::nn::RegisterBackends();
  itk::nn::PlanOptions options;
  options.backend = commandLine.GetText("backend", "auto");
  options.threads = static_cast<unsigned int>(commandLine.GetInteger("threads", 0, 0, mostThreads));
  try
  {
    const std::string reason = itk::nn::SetComputation(
      options, commandLine.GetText("device", "cpu"), commandLine.GetText("precision", "float32"));
    if (!reason.empty())
    {
      std::cerr << "universeg: --device auto is cpu, " << reason << '\n';
    }
  }
  catch (const itk::nn::Error & error)
  {
    throw UsageError(error.GetDescription());
  }
  options.deterministic = commandLine.Has("deterministic");
  // "cuda" is a name also where this build or machine has no such backend.
  const auto registered = itk::nn::Backend::GetRegistered();
  const bool isKnown = options.backend == "auto" || options.backend == "cuda" ||
                       std::any_of(registered.begin(),
                                   registered.end(),
                                   [&](const itk::nn::Backend::Pointer & backend)
                                   { return backend->GetBackendName() == options.backend; });
  if (!isKnown)
  {
    throw UsageError("--backend: there is no '" + options.backend + "'; should be auto, reference, onednn or cuda");
  }
  return options;
}

std::string
ReadTextFile(const std::string & fileName)
{
  std::ifstream file(fileName, std::ios::binary);
  if (!file || file.peek() == std::ifstream::traits_type::eof())
  {
    throw Failure(fileName + ": the file cannot be read, or is empty");
  }
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

void
WriteTextFile(const std::string & fileName, const std::string & text)
{
  std::ofstream file(fileName, std::ios::binary);
  file << text;
  file.close();
  if (!file)
  {
    throw Failure(fileName + ": the file cannot be written");
  }
}
} // namespace universeg
