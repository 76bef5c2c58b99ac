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
#include "itkNNTrainer.h"

#include "itkNNError.h"
#include "itkNNSafeTensors.h"

#include <chrono>
#include <cmath>
#include <exception>
#include <limits>
#include <nlohmann/json.hpp>

namespace itk
{
namespace nn
{
namespace
{
constexpr const char * metadataKey = "universeg.checkpoint";
constexpr int formatVersion = 1;
constexpr const char * weightsPrefix = "weights.";
constexpr const char * averagePrefix = "average.";
constexpr const char * optimizerPrefix = "optimizer.";

void
AddAll(StateDict & to, const std::string & prefix, const StateDict & from)
{
  for (const auto & [name, tensor] : from)
  {
    to.Add(prefix + name, tensor);
  }
}

void
CheckOptions(const TrainerOptions & options)
{
  itkNNRequireMacro(options.steps >= 0 && options.batchesPerStep >= 1 && options.validateEvery >= 0 &&
                      options.saveEvery >= 0 && options.patience >= 0,
                    "Training: steps " << options.steps << ", validation every " << options.validateEvery
                                       << ", checkpoint every " << options.saveEvery << " and patience "
                                       << options.patience << " should be at least 0, batches per step "
                                       << options.batchesPerStep << " at least 1");
  itkNNRequireMacro(
    options.clipNorm >= 0 && std::isfinite(options.clipNorm) && options.averageDecay >= 0 && options.averageDecay < 1,
    "Training: the gradients' norm " << options.clipNorm << " should be at least 0 and the average's decay "
                                     << options.averageDecay << " in [0, 1)");
  itkNNRequireMacro(options.gradients.trainedRows.empty() || options.optimizer.weightDecay == 0,
                    "Training: some rows of weights are to stay as they are, which a weight decay of "
                      << options.optimizer.weightDecay << " would change; should be 0");
  // Its own checks.
  ComputeLearningRate(options.schedule, 0, options.steps);
}

nlohmann::json
ToJson(const PlateauState & state)
{
  nlohmann::json json{ { "factor", state.factor },
                       { "validations_since", state.validationsSince },
                       { "loss_sum", state.lossSum },
                       { "mean_losses", state.meanLosses } };
  if (state.bestScore.has_value())
  {
    json["best_score"] = *state.bestScore;
  }
  if (state.lastMean.has_value())
  {
    json["last_mean"] = *state.lastMean;
  }
  return json;
}

/** Throws an exception of JSON. */
PlateauState
PlateauFromJson(const nlohmann::json & json)
{
  PlateauState state;
  state.factor = json.at("factor").get<double>();
  state.validationsSince = json.at("validations_since").get<std::int64_t>();
  state.lossSum = json.at("loss_sum").get<double>();
  state.meanLosses = json.at("mean_losses").get<std::vector<double>>();
  if (json.contains("best_score"))
  {
    state.bestScore = json.at("best_score").get<double>();
  }
  if (json.contains("last_mean"))
  {
    state.lastMean = json.at("last_mean").get<double>();
  }
  return state;
}

} // namespace

TrainerState
ReadCheckpoint(const std::string & fileName)
{
  const SafeTensorsFile file = ReadSafeTensors(fileName);
  const auto found = file.metadata.find(metadataKey);
  itkNNRequireMacro(found != file.metadata.end(), "'" << fileName << "' is no checkpoint of a training");
  const auto json = nlohmann::json::parse(found->second, nullptr, false);
  const auto isInteger = [&](const char * key) { return json.contains(key) && json[key].is_number_integer(); };
  itkNNRequireMacro(json.is_object() && isInteger("version") && isInteger("step") && isInteger("best_step") &&
                      json.contains("best_score") && json["best_score"].is_number(),
                    "'" << fileName << "': the checkpoint's description is damaged");
  itkNNRequireMacro(json["version"].get<int>() == formatVersion,
                    "'" << fileName << "' is a checkpoint of version " << json["version"].get<int>()
                        << "; this program reads version " << formatVersion);
  TrainerState state;
  state.step = json["step"].get<std::int64_t>();
  state.bestStep = json["best_step"].get<std::int64_t>();
  state.bestScore = json["best_score"].get<double>();
  if (json.contains("plateau"))
  {
    try
    {
      state.plateau = PlateauFromJson(json["plateau"]);
    }
    catch (const nlohmann::json::exception & error)
    {
      itkNNThrowMacro("'" << fileName << "': the checkpoint's plateau is damaged: " << error.what());
    }
  }
  itkNNRequireMacro(state.step >= 0, "'" << fileName << "': the checkpoint's step is " << state.step);
  for (const auto & [name, tensor] : file.tensors)
  {
    bool isKnown = false;
    for (const auto & [prefix, part] : { std::pair<std::string, StateDict *>{ weightsPrefix, &state.weights },
                                         { averagePrefix, &state.average },
                                         { optimizerPrefix, &state.optimizer } })
    {
      if (name.compare(0, prefix.size(), prefix) == 0)
      {
        part->Add(name.substr(prefix.size()), tensor);
        isKnown = true;
      }
    }
    itkNNRequireMacro(isKnown, "'" << fileName << "' has a tensor '" << name << "', which no checkpoint has");
  }
  return state;
}

Trainer::Trainer(Network::ConstPointer network,
                 StateDict weights,
                 BatchSource::ConstPointer batches,
                 TrainerOptions options,
                 std::shared_ptr<const Communicator> communicator)
  : m_Network(std::move(network))
  , m_Batches(std::move(batches))
  , m_Options(std::move(options))
  , m_Communicator(communicator ? std::move(communicator) : std::make_shared<const Communicator>())
  , m_Resources(std::make_shared<PlanResources>())
  , m_Optimizer(m_Options.optimizer)
{
  CheckOptions(m_Options);
  this->GetRunner(-1);
  itkNNRequireMacro(m_Batches != nullptr, "Training needs a source of batches");
  const int processes = m_Communicator->GetSize();
  itkNNRequireMacro(m_Options.batchesPerStep % processes == 0,
                    "Training: " << m_Options.batchesPerStep << " batches per step cannot be shared evenly by "
                                 << processes << " processes");
  m_Network->CheckWeights(weights);
  m_State.weights = std::move(weights);
}

Trainer::~Trainer() = default;

void
Trainer::Resume(const std::string & fileName)
{
  TrainerState state = ReadCheckpoint(fileName);
  try
  {
    m_Network->CheckWeights(state.weights);
    if (m_Options.averageDecay > 0)
    {
      m_Network->CheckWeights(state.average);
    }
    m_Optimizer.SetState(state.optimizer);
  }
  catch (const Error & error)
  {
    itkNNThrowMacro("'" << fileName << "' does not fit: " << error.GetDescription());
  }
  m_State = std::move(state);
  m_DeviceOptimizer.reset();
}

GradientRunner &
Trainer::GetRunner(std::int64_t task)
{
  std::unique_ptr<GradientRunner> & runner = m_Runners[task];
  if (!runner)
  {
    GradientOptions options = m_Options.gradients;
    // Tasks have gradients of different weights, which do not make one tensor.
    options.joinGradients = task < 0 && (options.joinGradients || options.plan.device.type != Device::Type::Cpu);
    runner = std::make_unique<GradientRunner>(
      task < 0 ? m_Network : m_Network->ForTask(task), std::move(options), m_Resources);
  }
  return *runner;
}

const StateDict &
Trainer::GetResult() const
{
  return m_State.average.IsEmpty() ? m_State.weights : m_State.average;
}

void
Trainer::Save(const std::string & fileName)
{
  this->Fetch();
  m_State.optimizer = m_Optimizer.GetState();
  StateDict tensors;
  AddAll(tensors, weightsPrefix, m_State.weights);
  AddAll(tensors, averagePrefix, m_State.average);
  AddAll(tensors, optimizerPrefix, m_State.optimizer);
  nlohmann::json json{ { "version", formatVersion },
                       { "step", m_State.step },
                       { "best_step", m_State.bestStep },
                       { "best_score", m_State.bestScore } };
  const ScheduleShape shape = m_Options.schedule.shape;
  if (shape == ScheduleShape::Plateau || shape == ScheduleShape::LossPlateau)
  {
    json["plateau"] = ToJson(m_State.plateau);
  }
  WriteSafeTensors(fileName, tensors, { { metadataKey, json.dump() } });
}

void
Trainer::SaveCheckpoint()
{
  if (!m_Options.checkpoint.empty() && m_Communicator->GetRank() == 0)
  {
    this->Save(m_Options.checkpoint);
  }
}

void
Trainer::SumOverProcesses(StepSums & sums)
{
  if (m_Communicator->GetSize() == 1)
  {
    return;
  }
  // A process that was told to stop has no gradients; then the others' do not matter.
  std::vector<float> flags{ sums.isStopped ? 1.0F : 0.0F, static_cast<float>(sums.loss) };
  m_Communicator->Sum(flags);
  sums.isStopped = flags[0] > 0;
  if (sums.isStopped)
  {
    return;
  }
  sums.loss = static_cast<double>(flags[1]);
  if (m_DeviceOptimizer)
  {
    m_Communicator->SumTensor(m_DeviceOptimizer->GetGradients());
    return;
  }
  if (sums.isOfTasks)
  {
    this->AddGradientsOfOthers(sums);
  }
  std::vector<float> values;
  for (const auto & entry : sums.gradients)
  {
    const float * data = entry.second.GetData<float>();
    values.insert(values.end(), data, data + entry.second.GetNumberOfElements());
  }
  m_Communicator->Sum(values);
  std::size_t next = 0;
  for (auto & entry : sums.gradients)
  {
    const auto count = static_cast<std::size_t>(entry.second.GetNumberOfElements());
    std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(next), count, entry.second.GetData<float>());
    next += count;
  }
}

void
Trainer::AddGradientsOfOthers(StepSums & sums)
{
  std::vector<float> counts;
  for (const auto & entry : m_State.weights)
  {
    counts.push_back(static_cast<float>(sums.gradients.count(entry.first)));
  }
  m_Communicator->Sum(counts);
  auto count = counts.begin();
  for (const auto & [name, weight] : m_State.weights)
  {
    if (*count++ > 0 && sums.gradients.count(name) == 0)
    {
      sums.gradients.emplace(name, Tensor::Zeros(weight.GetShape()));
    }
  }
}

void
Trainer::SetStatistics(const TensorMap & statistics)
{
  if (statistics.empty())
  {
    return;
  }
  std::vector<float> values;
  for (const auto & entry : statistics)
  {
    const auto own = entry.second.ToVector<float>();
    values.insert(values.end(), own.begin(), own.end());
  }
  m_Communicator->Sum(values);
  auto next = values.begin();
  for (const auto & [name, tensor] : statistics)
  {
    Tensor average(tensor.GetShape());
    for (std::int64_t i = 0; i < average.GetNumberOfElements(); ++i)
    {
      average.GetData<float>()[i] = *next++ / static_cast<float>(m_Communicator->GetSize());
    }
    m_State.weights.Set(name, average);
  }
}

void
Trainer::AddGradients(const GradientResult & result, double part, StepSums & sums)
{
  if (!result.parts)
  {
    for (const auto & [name, gradient] : result.gradients)
    {
      // Of another task than the batches before.
      if (sums.gradients.count(name) == 0)
      {
        sums.gradients.emplace(name, Tensor::Zeros(gradient.GetShape()));
      }
    }
    Accumulate(sums.gradients, result.gradients, part);
    return;
  }
  if (!m_DeviceOptimizer)
  {
    DeviceOptimizerOptions options;
    options.optimizer = m_Options.optimizer;
    options.clipNorm = m_Options.clipNorm;
    options.keepsAverage = m_Options.averageDecay > 0;
    options.plan = m_Options.gradients.plan;
    m_DeviceOptimizer = std::make_unique<DeviceOptimizer>(
      options, result.parts, m_State.weights, m_State.average, m_Optimizer.GetState());
  }
  m_DeviceOptimizer->Add(result.joinedGradients, part);
}

Trainer::StepSums
Trainer::RunBatches(BatchPrefetcher & batches, const TrainerHooks & hooks)
{
  RunHooks runHooks;
  runHooks.isCancelled = hooks.isStopped;
  StepSums sums;
  sums.isStopped = hooks.isStopped && hooks.isStopped();
  // Statistics of a step that does not end are forgotten.
  StateDict weights = m_State.weights;
  if (m_DeviceOptimizer)
  {
    m_DeviceOptimizer->ClearGradients();
    for (const auto & [name, view] : m_DeviceOptimizer->GetWeights())
    {
      weights.Set(name, view);
    }
  }
  const double part = 1 / static_cast<double>(m_Options.batchesPerStep);
  const std::int64_t own = m_Options.batchesPerStep / m_Communicator->GetSize();
  for (std::int64_t i = 0; i < own && !sums.isStopped; ++i)
  {
    try
    {
      const std::int64_t batch =
        m_State.step * m_Options.batchesPerStep + i * m_Communicator->GetSize() + m_Communicator->GetRank();
      RandomStream random = RandomStream(m_Options.seed).Derive(static_cast<std::uint64_t>(batch));
      const std::int64_t task = m_Batches->GetTask(static_cast<std::uint64_t>(batch));
      sums.isOfTasks = sums.isOfTasks || task >= 0;
      GradientResult result = this->GetRunner(task).Run(batches.Next(), weights, runHooks, &random);
      for (const auto & [name, value] : result.statistics)
      {
        weights.Set(name, value);
      }
      sums.loss += part * result.loss;
      this->AddGradients(result, part, sums);
      sums.statistics = std::move(result.statistics);
    }
    catch (const Cancelled &)
    {
      sums.isStopped = true;
    }
  }
  return sums;
}

StateDict
Trainer::GetHostWeights()
{
  if (!m_DeviceOptimizer)
  {
    return m_State.weights;
  }
  if (m_State.average.IsEmpty())
  {
    // In the weights' order; the device's come with Fetch().
    m_State.average = m_State.weights;
  }
  StateDict others;
  for (const auto & [name, tensor] : m_State.weights)
  {
    if (m_DeviceOptimizer->GetWeights().count(name) == 0)
    {
      others.Add(name, tensor);
    }
  }
  return others;
}

double
Trainer::Move(StepSums & sums, double learningRate)
{
  const double averageDecay = ComputeAverageDecay(m_Options.averageDecay, m_State.step, m_Options.averageStart);
  double norm = 0;
  if (m_DeviceOptimizer)
  {
    const double decay = m_State.average.IsEmpty() ? 0 : averageDecay;
    norm = std::isfinite(sums.loss) ? m_DeviceOptimizer->Step(learningRate, decay)
                                    : std::numeric_limits<double>::quiet_NaN();
  }
  else
  {
    norm =
      m_Options.clipNorm > 0 ? ClipGlobalNorm(sums.gradients, m_Options.clipNorm) : ComputeGlobalNorm(sums.gradients);
  }
  itkNNRequireMacro(std::isfinite(sums.loss) && std::isfinite(norm),
                    "Training: in step " << m_State.step + 1 << " the loss is " << sums.loss
                                         << " and the gradients' norm " << norm
                                         << "; a smaller learning rate may help");
  if (!m_DeviceOptimizer)
  {
    m_Optimizer.Step(m_State.weights, sums.gradients, learningRate);
  }
  this->SetStatistics(sums.statistics);
  ++m_State.step;
  if (m_Options.averageDecay > 0)
  {
    UpdateAverage(m_State.average, this->GetHostWeights(), averageDecay);
  }
  return norm;
}

bool
Trainer::DoStep(BatchPrefetcher & batches, const TrainerHooks & hooks)
{
  const auto start = std::chrono::steady_clock::now();
  const double waitedBefore = batches.GetWaitedSeconds();
  StepSums sums = this->RunBatches(batches, hooks);
  this->SumOverProcesses(sums);
  if (sums.isStopped)
  {
    return false;
  }
  m_LearningRate = ComputeLearningRate(m_Options.schedule, m_State.step, m_Options.steps, m_State.plateau);
  StepReport report;
  report.learningRate = m_LearningRate;
  report.gradientNorm = this->Move(sums, m_LearningRate);
  AddStepLoss(m_Options.schedule, m_State.step - 1, sums.loss, m_State.plateau);
  if (hooks.step && m_Communicator->GetRank() == 0)
  {
    report.step = m_State.step;
    report.loss = sums.loss;
    report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    report.waitedSeconds = batches.GetWaitedSeconds() - waitedBefore;
    hooks.step(report);
  }
  return true;
}

void
Trainer::Fetch()
{
  if (m_DeviceOptimizer)
  {
    StateDict state;
    m_DeviceOptimizer->Get(m_State.weights, m_State.average, state);
    m_Optimizer.SetState(state);
  }
}

void
Trainer::Validate(const TrainerHooks & hooks)
{
  this->Fetch();
  // Of the others' rates and patience: whether it is the best, and the score in two parts.
  std::vector<float> shared(3);
  if (hooks.validate && m_Communicator->GetRank() == 0)
  {
    const ValidationResult result = hooks.validate(this->GetResult());
    if (hooks.validated)
    {
      hooks.validated(m_State.step, result);
    }
    if (m_State.bestStep < 0 || result.score > m_State.bestScore)
    {
      m_State.bestScore = result.score;
      m_State.bestStep = m_State.step;
      if (hooks.best)
      {
        hooks.best(m_State.step, this->GetResult());
      }
      shared[0] = 1;
    }
    shared[1] = static_cast<float>(result.score);
    shared[2] = static_cast<float>(result.score - static_cast<double>(shared[1]));
  }
  m_Communicator->Sum(shared);
  m_State.bestStep = shared[0] > 0 ? m_State.step : m_State.bestStep;
  AddValidationScore(
    m_Options.schedule, static_cast<double>(shared[1]) + static_cast<double>(shared[2]), m_State.plateau);
}

TrainerEnd
Trainer::Loop(const TrainerHooks & hooks)
{
  const auto processes = static_cast<std::uint64_t>(m_Communicator->GetSize());
  BatchPrefetcher batches(m_Batches,
                          static_cast<std::uint64_t>(m_State.step * m_Options.batchesPerStep) +
                            static_cast<std::uint64_t>(m_Communicator->GetRank()),
                          processes,
                          m_Options.loaderThreads,
                          m_Options.loaderDepth);
  const auto isDue = [this](std::int64_t interval) { return interval > 0 && m_State.step % interval == 0; };
  while (m_State.step < m_Options.steps)
  {
    if (!this->DoStep(batches, hooks))
    {
      return TrainerEnd::Stopped;
    }
    const ScheduleOptions & schedule = m_Options.schedule;
    const bool isTooSlow =
      schedule.shape == ScheduleShape::LossPlateau && isDue(schedule.interval) && m_LearningRate < schedule.stopBelow;
    if (isDue(m_Options.validateEvery) || m_State.step == m_Options.steps || isTooSlow)
    {
      this->Validate(hooks);
    }
    if (isDue(m_Options.saveEvery))
    {
      this->SaveCheckpoint();
    }
    if (m_Options.patience > 0 && m_State.bestStep >= 0 && m_State.step - m_State.bestStep >= m_Options.patience)
    {
      return TrainerEnd::Patience;
    }
    if (isTooSlow)
    {
      return TrainerEnd::SmallRate;
    }
  }
  return TrainerEnd::Finished;
}

TrainerEnd
Trainer::Run(const TrainerHooks & hooks)
{
  TrainerEnd end = TrainerEnd::Finished;
  try
  {
    end = this->Loop(hooks);
  }
  catch (...)
  {
    const std::exception_ptr failure = std::current_exception();
    try
    {
      this->SaveCheckpoint();
    }
    catch (const std::exception &)
    {
      // What went wrong first is what the caller should hear of.
    }
    std::rethrow_exception(failure);
  }
  this->Fetch();
  this->SaveCheckpoint();
  return end;
}
} // namespace nn
} // namespace itk
