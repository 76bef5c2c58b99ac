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
#include "universegBenchTraining.h"

#include "universegModelOptions.h"
#include "universegRandomNetwork.h"
#include "universegTiming.h"

#include "itkNNGradientRunner.h"
#include "itkNNOptimizer.h"
#include "itkNNRegisterBackends.h"
#include "itkNNTrainingSettings.h"

#include <chrono>
#include <iostream>

namespace universeg
{
int
RunBenchTraining(const CommandLine & commandLine)
{
  const std::int64_t repeat = commandLine.GetInteger("repeat", 5, 1, 1 << 20);
  const itk::nn::PlanOptions plan = GetPlanOptions(commandLine);
  const NetworkProblem problem = GetNetworkProblem(commandLine);
  itk::nn::RegisterBackends();
  std::mt19937_64 generator(networkProblemSeed);
  itk::nn::StateDict weights = *MakeRandomWeights(*problem.network, generator);
  itk::nn::TensorMap inputs;
  itk::nn::ShapeMap shapes = problem.shapes;
  shapes[itk::nn::GradientRunner::targetName] = shapes.at("target");
  for (const auto & [name, shape] : shapes)
  {
    inputs[name] = MakeUniform(shape, 0, 1, generator);
  }
  itk::nn::GradientOptions options;
  options.plan = plan;
  if (commandLine.Has("recompute"))
  {
    itk::nn::TrainingSettings settings;
    settings.recompute = true;
    options.recompute = settings.GetTrainerOptions().gradients.recompute;
  }
  itk::nn::GradientRunner runner(problem.network, options);
  itk::nn::Optimizer optimizer{ itk::nn::OptimizerOptions{} };
  const auto step = [&]
  {
    const auto begin = std::chrono::steady_clock::now();
    const itk::nn::GradientResult result = runner.Run(inputs, weights);
    optimizer.Step(weights, result.gradients, 1e-4);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  step();
  Timing timing;
  for (std::int64_t i = 0; i < repeat; ++i)
  {
    timing.seconds.push_back(step());
  }
  const auto compiled = runner.GetPlan(shapes);
  nlohmann::ordered_json json;
  json["training_step"] = timing.ToJson();
  json["peak_bytes"] = compiled->GetArenaBytes();
  json["peak_resident_bytes"] = GetPeakResidentBytes();
  json["flops"] = compiled->GetFlops(true);
  json["network"] = problem.network->GetName();
  json["support_size"] = problem.supports;
  json["size"] = problem.size;
  json["batch"] = problem.batch;
  json["repeat"] = repeat;
  json["threads"] = compiled->GetNumberOfThreads();
  if (commandLine.Has("json"))
  {
    std::cout << json.dump() << std::endl;
    return exitSuccess;
  }
  std::cout << "training step         " << FormatFixed(json["training_step"]["median_seconds"], 4) << " s median, "
            << FormatFixed(json["training_step"]["min_seconds"], 4) << " s least\n"
            << "arena                 " << FormatFixed(static_cast<double>(compiled->GetArenaBytes()) / 1e6, 1)
            << " MB\n"
            << "work                  " << FormatFixed(compiled->GetFlops(true) / 1e9, 1) << " GFLOP" << std::endl;
  return exitSuccess;
}
} // namespace universeg
