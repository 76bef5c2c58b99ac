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

#include "itkNNRegisterBackends.h"
#include "itkNNTrainer.h"
#include "itkNNTrainingSettings.h"

#include <iostream>

namespace universeg
{
namespace
{
/** Half the Dice loss and half the cross-entropy, as PyMIC's demonstrations train. */
std::vector<itk::nn::LossOptions>
MakeVolumeLosses()
{
  itk::nn::LossOptions dice;
  dice.function = itk::nn::LossFunction::Dice;
  dice.activation = itk::nn::LossActivation::Softmax;
  dice.squared = false;
  dice.pooled = true;
  dice.smooth = 1e-5;
  dice.weight = 0.5;
  itk::nn::LossOptions crossEntropy;
  crossEntropy.function = itk::nn::LossFunction::CrossEntropy;
  crossEntropy.blend = 1e-3;
  crossEntropy.weight = 0.5;
  return { dice, crossEntropy };
}

/** The same in every step. */
class OneBatch : public itk::nn::BatchSource
{
public:
  explicit OneBatch(itk::nn::TensorMap batch)
    : m_Batch(std::move(batch))
  {}
  itk::nn::TensorMap MakeBatch(std::uint64_t) const override
  {
    return m_Batch;
  }

private:
  itk::nn::TensorMap m_Batch;
};

/** One random class for each element of [B, C, ...]. */
itk::nn::Tensor
MakeClasses(const itk::nn::Shape & shape, std::mt19937_64 & generator)
{
  itk::nn::Tensor labels = itk::nn::Tensor::Zeros(shape);
  const std::int64_t elements = labels.GetNumberOfElements() / shape[0] / shape[1];
  float * values = labels.GetData<float>();
  for (std::int64_t image = 0; image < shape[0]; ++image)
  {
    for (std::int64_t i = 0; i < elements; ++i)
    {
      const auto number = static_cast<std::int64_t>(generator() % static_cast<std::uint64_t>(shape[1]));
      values[(image * shape[1] + number) * elements + i] = 1;
    }
  }
  return labels;
}
} // namespace

int
RunBenchTraining(const CommandLine & commandLine)
{
  const std::int64_t repeat = commandLine.GetInteger("repeat", 5, 1, 1 << 20);
  const itk::nn::PlanOptions plan = GetPlanOptions(commandLine);
  const NetworkProblem problem = GetNetworkProblem(commandLine);
  itk::nn::RegisterBackends();
  std::mt19937_64 generator(networkProblemSeed);
  itk::nn::TensorMap inputs;
  itk::nn::ShapeMap shapes = problem.shapes;
  itk::nn::GradientOptions options;
  options.plan = plan;
  for (const auto & [name, shape] : shapes)
  {
    inputs[name] = MakeUniform(shape, 0, 1, generator);
  }
  itk::nn::Shape & label = shapes[itk::nn::GradientRunner::targetName];
  if (problem.IsOfVolumes())
  {
    options.losses = MakeVolumeLosses();
    options.output = problem.network->GetLogitsName();
    label = shapes.at("input");
    label[1] = problem.classes;
    inputs[itk::nn::GradientRunner::targetName] = MakeClasses(label, generator);
  }
  else
  {
    label = shapes.at("target");
    inputs[itk::nn::GradientRunner::targetName] = MakeUniform(label, 0, 1, generator);
  }
  if (commandLine.Has("recompute"))
  {
    itk::nn::TrainingSettings settings;
    settings.recompute = true;
    options.recompute = settings.GetTrainerOptions().gradients.recompute;
  }
  // The first makes the plan; devices record it later.
  const std::int64_t unmeasured = plan.device.type == itk::nn::Device::Type::Cpu ? 1 : 4;
  itk::nn::TrainerOptions training;
  training.gradients = options;
  training.schedule.rate = 1e-4;
  training.steps = repeat + unmeasured;
  training.loaderThreads = 0;
  Timing timing;
  itk::nn::TrainerHooks hooks;
  hooks.step = [&](const itk::nn::StepReport & report)
  {
    if (report.step > unmeasured)
    {
      timing.seconds.push_back(report.seconds);
    }
  };
  itk::nn::Trainer(
    problem.network, *problem.MakeWeights(generator), std::make_shared<OneBatch>(std::move(inputs)), training)
    .Run(hooks);
  nlohmann::ordered_json json;
  json["training_step"] = timing.ToJson();
  json["peak_resident_bytes"] = GetPeakResidentBytes();
  const auto compiled = itk::nn::GradientRunner(problem.network, options).GetPlan(shapes);
  json["peak_bytes"] = compiled->GetArenaBytes();
  json["flops"] = compiled->GetFlops(true);
  json["network"] = problem.network->GetName();
  if (problem.IsOfVolumes())
  {
    json["classes"] = problem.classes;
    json["size"] = problem.size;
  }
  else
  {
    json["support_size"] = problem.supports;
    json["size"] = problem.size.front();
  }
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
            << "peak resident memory  " << FormatFixed(json["peak_resident_bytes"].get<double>() / 1e6, 1) << " MB\n"
            << "work                  " << FormatFixed(compiled->GetFlops(true) / 1e9, 1) << " GFLOP" << std::endl;
  return exitSuccess;
}
} // namespace universeg
