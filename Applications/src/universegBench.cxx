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
#include "universegBenchProblems.h"
#include "universegModelOptions.h"
#include "universegBenchTraining.h"
#include "universegProgress.h"
#include "universegRandomNetwork.h"
#include "universegSubcommands.h"
#include "universegTiming.h"

#include "itkNNBackend.h"
#include "itkNNModel.h"
#include "itkNNNetworkRunner.h"
#include "itkUniverSegSupportCache.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <random>

namespace universeg
{
namespace
{
using itk::nn::Network;
using itk::nn::PlanOptions;

void
PrintLine(const std::string & label, const std::string & value)
{
  std::cout << label << std::string(label.size() < 22 ? 22 - label.size() : 1, ' ') << value << '\n';
}

std::string
DescribeSeconds(const nlohmann::ordered_json & timing)
{
  return FormatFixed(timing["median_seconds"], 4) + " s median, " + FormatFixed(timing["min_seconds"], 4) + " s least";
}

std::string
GetBackendName(const PlanOptions & options)
{
  return itk::nn::Backend::Select(options.backend, options.device, options.precision).front()->GetBackendName();
}

std::shared_ptr<const itk::nn::StateDict>
GetWeights(const CommandLine & commandLine, const NetworkProblem & problem, std::mt19937_64 & generator)
{
  return commandLine.Has("model") ? itk::nn::Model::Read(commandLine.GetText("model"))->GetSharedWeights()
                                  : problem.MakeWeights(generator);
}

/** Runs that are not counted: the first makes the plan; a device records the second, and
 * the third is the first that it replays. */
std::int64_t
GetWarmUps(const PlanOptions & options)
{
  return options.device.type == itk::nn::Device::Type::Cpu ? 1 : 3;
}

/** Put inputs where the plan computes, in its precision, and let outputs stay there. */
void
MakeResident(const CommandLine & commandLine, PlanOptions & options, itk::nn::TensorMap & inputs)
{
  if (!commandLine.Has("resident"))
  {
    return;
  }
  const auto backend = itk::nn::Backend::Select(options.backend, options.device, options.precision).front();
  const auto device = backend->GetDeviceMemory(options.device);
  if (!device)
  {
    throw UsageError("--resident is of no use with --device " + options.device.ToText());
  }
  for (auto & [name, tensor] : inputs)
  {
    const itk::nn::Tensor converted = tensor.To(options.precision);
    tensor = itk::nn::Tensor::WrapDevice(device->Upload(converted.GetRawData(), converted.GetNumberOfBytes()),
                                         converted.GetShape(),
                                         options.precision,
                                         device);
    options.residentInputs.push_back(name);
  }
  options.keepOutputsOnDevice = true;
}

/** Whole runs of a network for volumes. */
int
RunBenchOfVolumes(const CommandLine & commandLine, const NetworkProblem & problem, PlanOptions options)
{
  for (const char * option : { "targets", "cache-limit" })
  {
    if (commandLine.Has(option))
    {
      throw UsageError(std::string("--") + option + " is of no use with --network " + problem.network->GetName());
    }
  }
  const std::int64_t repeat = commandLine.GetInteger("repeat", 5, 1, 1 << 20);
  std::mt19937_64 generator(networkProblemSeed);
  const auto weights = GetWeights(commandLine, problem, generator);
  itk::nn::TensorMap inputs;
  inputs["input"] = MakeUniform(problem.shapes.at("input"), 0, 1, generator);
  MakeResident(commandLine, options, inputs);
  itk::nn::NetworkRunner runner(problem.network, weights, options);
  const std::int64_t warmUps = GetWarmUps(options);
  ProgressBar progress("bench");
  Timing timing;
  for (std::int64_t i = 0; i < warmUps + repeat; ++i)
  {
    const auto begin = std::chrono::steady_clock::now();
    runner.Run(inputs);
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
    if (i >= warmUps)
    {
      timing.seconds.push_back(elapsed.count());
    }
    progress.Show(static_cast<double>(i + 1) / static_cast<double>(warmUps + repeat));
  }
  const auto plan = runner.GetPlan(problem.shapes);
  nlohmann::ordered_json json;
  json["run"] = timing.ToJson();
  json["peak_bytes"] = plan->GetArenaBytes();
  json["peak_resident_bytes"] = GetPeakResidentBytes();
  json["flops"] = plan->GetFlops(true);
  json["network"] = problem.network->GetName();
  json["classes"] = problem.classes;
  json["size"] = problem.size;
  json["batch"] = problem.batch;
  json["repeat"] = repeat;
  json["threads"] = plan->GetNumberOfThreads();
  json["backend"] = GetBackendName(options);
  json["device"] = options.device.ToText();
  json["precision"] = itk::nn::GetPrecisionText(options);
  if (commandLine.Has("json"))
  {
    std::cout << json.dump() << std::endl;
    return exitSuccess;
  }
  PrintLine("network", problem.network->GetName() + ", input " + itk::nn::ToString(problem.shapes.at("input")));
  PrintLine("computed by",
            json["backend"].get<std::string>() + ", " + json["precision"].get<std::string>() +
              ", threads: " + std::to_string(plan->GetNumberOfThreads()));
  PrintLine("run", DescribeSeconds(json["run"]));
  PrintLine("arena", FormatFixed(static_cast<double>(plan->GetArenaBytes()) / 1e6, 1) + " MB");
  PrintLine("peak resident memory", FormatFixed(json["peak_resident_bytes"].get<double>() / 1e6, 1) + " MB");
  PrintLine("work", FormatFixed(plan->GetFlops(true) / 1e9, 3) + " GFLOP");
  std::cout << std::flush;
  return exitSuccess;
}
} // namespace

int
RunBench(const Arguments & arguments)
{
  CommandLine commandLine(
    "bench",
    "[--network NAME] [--support-size S] [--repeat N] [--threads T] [--json] [OPTION]...",
    "Measures the network with random weights and inputs from a fixed seed, by default in the\n"
    "release configuration at 128 x 128, after one run that is not counted.\n"
    "new_support is a run with support tensors that were not seen before; cached_support one with\n"
    "a support set whose own part was computed before. peak_bytes is that part, static_bytes, and\n"
    "the arena of intermediate values, peak_resident_bytes the most memory of the whole process,\n"
    "flops and cached_flops count convolutions and matrix products, 2 a multiply-add. targets is\n"
    "the time for all targets, the support set's own part included. Where that part exceeds the\n"
    "limit nothing is kept, and all runs do all the work. Of fmunet, pctnet and unet3d whole runs\n"
    "are measured.");
  AddNetworkProblemOptions(commandLine);
  commandLine.AddGroup("Measurement")
    .add_options()("repeat", Text(), "counted runs of each kind (default 5)")(
      "targets", Text(), "also segment so many targets with one support set, one after the other")(
      "cache-limit", Text(), "MiB that a support set's own part may have (default 600, as for filters)")(
      "model", Text(), "file with the weights; default: random ones")(
      "resident", "with --device cuda: inputs are there before, results stay there")(
      "training", "measure steps of training instead: gradients and Adam")(
      "recompute", "with --training: less memory for more work, see 'train'")("json", "print a JSON object");
  AddPlanOptions(commandLine);
  AddBenchProblemOptions(commandLine);
  if (!commandLine.Parse(arguments))
  {
    return exitSuccess;
  }
  if (HasBenchProblems(commandLine))
  {
    return RunBenchProblems(commandLine);
  }
  if (commandLine.Has("training"))
  {
    if (commandLine.Has("model"))
    {
      throw UsageError("--model is of no use with --training");
    }
    return RunBenchTraining(commandLine);
  }
  PlanOptions options = GetPlanOptions(commandLine);
  const NetworkProblem problem = GetNetworkProblem(commandLine);
  if (problem.IsOfVolumes())
  {
    return RunBenchOfVolumes(commandLine, problem, options);
  }
  const std::int64_t repeat = commandLine.GetInteger("repeat", 5, 1, 1 << 20);
  const std::int64_t targets = commandLine.GetInteger("targets", 0, 0, 1 << 20);
  const std::int64_t cacheLimit = commandLine.GetInteger(
    "cache-limit", static_cast<std::int64_t>(itk::UniverSegSupportCache::defaultMaximumBytes >> 20), 0, 1 << 30);
  const Network::ConstPointer network = problem.network;
  const itk::nn::ShapeMap & shapes = problem.shapes;
  std::mt19937_64 generator(networkProblemSeed);
  const auto weights = GetWeights(commandLine, problem, generator);
  itk::nn::TensorMap inputs;
  inputs["target"] = MakeUniform(shapes.at("target"), 0, 1, generator);
  inputs["support_images"] = MakeUniform(shapes.at("support_images"), 0, 1, generator);
  inputs["support_labels"] = MakeUniform(shapes.at("support_labels"), 0, 1, generator);
  float * labels = inputs["support_labels"].GetData<float>();
  const auto count = inputs["support_labels"].GetNumberOfElements();
  std::transform(labels, labels + count, labels, [](float value) { return value < 0.5F ? 0.0F : 1.0F; });

  MakeResident(commandLine, options, inputs);
  itk::nn::NetworkRunner runner(network, weights, options);

  const itk::nn::TensorMap target{ { "target", inputs["target"] } };
  const itk::nn::TensorMap supportSet{ { "support_images", inputs["support_images"] },
                                       { "support_labels", inputs["support_labels"] } };
  itk::nn::NetworkRunner::SplitPlans plans = runner.GetSplitPlans(shapes);
  const bool keepsState = plans.saves && plans.bytes <= static_cast<std::size_t>(cacheLimit) << 20;
  if (!keepsState)
  {
    plans.bytes = 0;
    plans.prologue = nullptr;
    plans.remainder = runner.GetPlan(shapes);
  }
  ProgressBar progress("bench");
  const std::int64_t warmUps = GetWarmUps(options);
  const double total = static_cast<double>((2 + targets) * repeat + warmUps);
  double done = 0;
  std::shared_ptr<const itk::nn::StaticState> state;
  const auto measure = [&](bool isNew)
  {
    // The memory of the old state is the new one's.
    state = isNew ? nullptr : state;
    const auto begin = std::chrono::steady_clock::now();
    if (keepsState)
    {
      state = isNew ? runner.ComputeStatic(supportSet, shapes) : state;
      runner.Run(target, shapes, *state);
    }
    else
    {
      runner.Run(inputs);
    }
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
    progress.Show(++done / total);
    return elapsed.count();
  };
  for (std::int64_t i = 0; i < warmUps; ++i)
  {
    measure(true);
  }
  Timing newSupport;
  Timing cachedSupport;
  for (std::int64_t i = 0; i < repeat; ++i)
  {
    newSupport.seconds.push_back(measure(true));
    cachedSupport.seconds.push_back(measure(false));
  }

  Timing manyTargets;
  for (std::int64_t i = 0; i < repeat && targets > 0; ++i)
  {
    double seconds = 0;
    for (std::int64_t k = 0; k < targets; ++k)
    {
      seconds += measure(k == 0);
    }
    manyTargets.seconds.push_back(seconds);
  }
  const std::size_t prologueBytes = plans.prologue ? plans.prologue->GetArenaBytes() : 0;
  const double prologueFlops = plans.prologue ? plans.prologue->GetFlops(true) : 0;
  const std::size_t peakBytes = plans.bytes + std::max(prologueBytes, plans.remainder->GetArenaBytes());
  nlohmann::ordered_json json;
  json["new_support"] = newSupport.ToJson();
  json["cached_support"] = cachedSupport.ToJson();
  if (targets > 0)
  {
    json["targets"] = manyTargets.ToJson();
    json["targets"]["count"] = targets;
  }
  json["peak_bytes"] = peakBytes;
  json["static_bytes"] = plans.bytes;
  json["peak_resident_bytes"] = GetPeakResidentBytes();
  json["flops"] = prologueFlops + plans.remainder->GetFlops(true);
  json["cached_flops"] = plans.remainder->GetFlops(true);
  json["network"] = network->GetName();
  json["support_size"] = problem.supports;
  json["size"] = problem.size.front();
  json["batch"] = problem.batch;
  json["repeat"] = repeat;
  json["threads"] = plans.remainder->GetNumberOfThreads();
  json["backend"] = GetBackendName(options);
  json["device"] = options.device.ToText();
  json["precision"] = itk::nn::GetPrecisionText(options);
  if (commandLine.Has("json"))
  {
    std::cout << json.dump() << std::endl;
    return exitSuccess;
  }
  PrintLine("network",
            network->GetName() + ", support size " + std::to_string(problem.supports) + ", " +
              std::to_string(problem.size[0]) + " x " + std::to_string(problem.size[1]));
  PrintLine("computed by",
            json["backend"].get<std::string>() + ", " + json["precision"].get<std::string>() +
              ", threads: " + std::to_string(plans.remainder->GetNumberOfThreads()));
  PrintLine("new support set", DescribeSeconds(json["new_support"]));
  PrintLine("cached support set", DescribeSeconds(json["cached_support"]));
  if (targets > 0)
  {
    PrintLine(std::to_string(targets) + " targets", DescribeSeconds(json["targets"]));
  }
  PrintLine("support set's state", FormatFixed(static_cast<double>(plans.bytes) / 1e6, 1) + " MB");
  PrintLine("arena and state", FormatFixed(static_cast<double>(peakBytes) / 1e6, 1) + " MB");
  PrintLine("peak resident memory", FormatFixed(json["peak_resident_bytes"].get<double>() / 1e6, 1) + " MB");
  PrintLine("work, new support set", FormatFixed(json["flops"].get<double>() / 1e9, 3) + " GFLOP");
  PrintLine("work, cached", FormatFixed(json["cached_flops"].get<double>() / 1e9, 3) + " GFLOP");
  std::cout << std::flush;
  return exitSuccess;
}
} // namespace universeg
