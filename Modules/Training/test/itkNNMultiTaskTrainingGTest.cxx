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
#include "itkNNInitialWeights.h"
#include "itkNNLabelChannels.h"
#include "itkNNRegisterBackends.h"
#include "itkNNSafeTensors.h"
#include "itkNNTestDifference.h"
#include "itkNNTestGoldens.h"
#include "itkNNTestHelpers.h"
#include "itkNNThreadCommunicator.h"
#include "itkNNTrainer.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <thread>

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
const std::string golden = "u2net/net/train_uni_sep/";

StateDict
ReadGolden(const std::string & name)
{
  return ReadSafeTensors(FindGolden(golden + name + ".safetensors")).tensors;
}

/** The batches of a task of the golden: iterations task, task + 2, ... */
class GoldenSource : public BatchSource
{
public:
  GoldenSource(StateDict batches, std::int64_t task)
    : m_Golden(std::move(batches))
    , m_Task(task)
  {}

  TensorMap MakeBatch(std::uint64_t position) const override
  {
    const std::string name = "iter" + std::to_string(m_Task + 2 * static_cast<std::int64_t>(position));
    return { { "input", m_Golden.Get(name + ".input") },
             { "label", ToChannels(m_Golden.Get(name + ".labels"), m_Task + 2).To(DataType::Float32) } };
  }

private:
  StateDict m_Golden;
  std::int64_t m_Task;
};

/** Of the reference: Lovasz and detached focal loss, Adam. */
TrainerOptions
MakeOptions(std::int64_t steps)
{
  TrainerOptions options;
  options.steps = steps;
  options.schedule.rate = 3e-4;
  options.optimizer.weightDecay = 5e-4;
  options.gradients.losses.resize(2);
  options.gradients.losses[0].function = LossFunction::Lovasz;
  options.gradients.losses[1].function = LossFunction::Focal;
  options.gradients.losses[1].detached = true;
  for (auto & loss : options.gradients.losses)
  {
    loss.activation = LossActivation::Softmax;
  }
  return options;
}

BatchSource::ConstPointer
MakeSource(const StateDict & batches)
{
  return std::make_shared<RoundRobinBatchSource>(std::vector<BatchSource::ConstPointer>{
    std::make_shared<GoldenSource>(batches, 0), std::make_shared<GoldenSource>(batches, 1) });
}

/** How two ways of the same weights differ. */
struct Comparison
{
  double rms = 0;
  double cosine = 0; ///< of the moves
};

Comparison
CompareMoves(const StateDict & start, const StateDict & a, const StateDict & b)
{
  double squares = 0;
  double products = 0;
  double ofA = 0;
  double ofB = 0;
  double count = 0;
  for (const auto & [name, tensor] : start)
  {
    const auto from = tensor.ToVector<double>();
    const auto toA = a.Get(name).ToVector<double>();
    const auto toB = b.Get(name).ToVector<double>();
    for (std::size_t i = 0; i < from.size(); ++i)
    {
      squares += (toA[i] - toB[i]) * (toA[i] - toB[i]);
      products += (toA[i] - from[i]) * (toB[i] - from[i]);
      ofA += (toA[i] - from[i]) * (toA[i] - from[i]);
      ofB += (toB[i] - from[i]) * (toB[i] - from[i]);
      ++count;
    }
  }
  return { std::sqrt(squares / count), products / std::sqrt(ofA * ofB) };
}

class MultiTaskTraining : public ::testing::Test
{
protected:
  void SetUp() override
  {
    for (const char * file : { "io.safetensors",
                               "config.json",
                               "weights.safetensors",
                               "weights_after_zero_grad_none.safetensors",
                               "weights_after_zero_grad_zeros.safetensors" })
    {
      ITK_NN_REQUIRE_GOLDEN(golden + file);
    }
    RegisterBackends();
    m_Batches = ReadGolden("io");
    m_Weights = ReadGolden("weights");
    m_Network = Network::Infer(m_Weights, "u2net");
    m_Configuration = nlohmann::json::parse(ReadText(FindGolden(golden + "config.json")));
  }

  StateDict m_Batches;
  StateDict m_Weights;
  Network::ConstPointer m_Network;
  nlohmann::json m_Configuration;
};
} // namespace

TEST_F(MultiTaskTraining, GradientsOfEachTask)
{
  for (const std::int64_t task : { 0, 1 })
  {
    GradientRunner runner(m_Network->ForTask(task), MakeOptions(1).gradients);
    const GradientResult result = runner.Run(GoldenSource(m_Batches, task).MakeBatch(0), m_Weights);
    const std::string prefix = "grad.task" + std::to_string(task) + '.';
    const auto & parts = m_Configuration.at("first_loss_task" + std::to_string(task) + "_f64");
    EXPECT_NEAR(result.loss, parts.at("lovasz").get<double>() + parts.at("focal").get<double>(), 1e-5);
    std::size_t compared = 0;
    for (const auto & [name, tensor] : m_Batches)
    {
      if (name.compare(0, prefix.size(), prefix) == 0)
      {
        ASSERT_EQ(result.gradients.count(name.substr(prefix.size())), 1U) << name;
        EXPECT_LT(MaximumDifference(result.gradients.at(name.substr(prefix.size())), tensor), 1e-5) << name;
        ++compared;
      }
    }
    EXPECT_EQ(compared, result.gradients.size());
    EXPECT_GT(compared, 50U);
    for (const auto & name : m_Configuration.at("no_grad_task" + std::to_string(task)))
    {
      EXPECT_EQ(result.gradients.count(name.get<std::string>()), 0U) << name;
    }
  }
}

TEST_F(MultiTaskTraining, StepsOfTheReference)
{
  for (const bool idleSteps : { false, true })
  {
    TrainerOptions options = MakeOptions(6);
    options.optimizer.idleSteps = idleSteps;
    Trainer trainer(m_Network, m_Weights, MakeSource(m_Batches), options);
    std::vector<double> losses;
    TrainerHooks hooks;
    hooks.step = [&](const StepReport & report) { losses.push_back(report.loss); };
    EXPECT_EQ(trainer.Run(hooks), TrainerEnd::Finished);
    const std::string variant = idleSteps ? "zeros" : "none";
    const auto & expected = m_Configuration.at("losses_zero_grad_" + variant + "_f64");
    ASSERT_EQ(losses.size(), expected.size());
    for (std::size_t i = 0; i < losses.size(); ++i)
    {
      EXPECT_NEAR(losses[i], expected[i].get<double>(), i < 2 ? 1e-4 : 2e-3) << variant << i;
    }
    const Comparison comparison =
      CompareMoves(m_Weights, trainer.GetState().weights, ReadGolden("weights_after_zero_grad_" + variant));
    EXPECT_LT(comparison.rms, 1e-4) << variant;
    EXPECT_GT(comparison.cosine, 0.995) << variant;
  }
}

TEST_F(MultiTaskTraining, GoesOnBitByBit)
{
  const std::string file = std::string(UNIVERSEG_TEST_OUTPUT) + "/multi-task-trainer.safetensors";
  TrainerOptions options = MakeOptions(6);
  options.optimizer.idleSteps = true;
  options.schedule.shape = ScheduleShape::LossPlateau;
  options.schedule.interval = 1;
  options.schedule.window = 1;
  options.schedule.threshold = 1;
  Trainer whole(m_Network, m_Weights, MakeSource(m_Batches), options);
  EXPECT_EQ(whole.Run(), TrainerEnd::Finished);
  EXPECT_LT(whole.GetState().plateau.factor, 0.5) << "the loss goes up and down between the tasks";
  options.checkpoint = file;
  TrainerHooks hooks;
  std::int64_t asked = 0;
  hooks.isStopped = [&asked] { return asked >= 3; };
  hooks.step = [&asked](const StepReport &) { ++asked; };
  Trainer first(m_Network, m_Weights, MakeSource(m_Batches), options);
  EXPECT_EQ(first.Run(hooks), TrainerEnd::Stopped);
  Trainer second(m_Network, m_Weights, MakeSource(m_Batches), options);
  second.Resume(file);
  EXPECT_EQ(second.GetState().step, 3);
  EXPECT_EQ(second.GetState().plateau.meanLosses, first.GetState().plateau.meanLosses);
  EXPECT_EQ(second.Run(), TrainerEnd::Finished);
  EXPECT_EQ(second.GetState().plateau.factor, whole.GetState().plateau.factor);
  EXPECT_EQ(second.GetState().plateau.lastMean, whole.GetState().plateau.lastMean);
  for (const auto & [name, tensor] : whole.GetState().weights)
  {
    EXPECT_EQ(tensor.ToVector<float>(), second.GetState().weights.Get(name).ToVector<float>()) << name;
  }
}

TEST_F(MultiTaskTraining, EndsWhenTheRateIsSmall)
{
  TrainerOptions options = MakeOptions(6);
  options.schedule.shape = ScheduleShape::LossPlateau;
  options.schedule.interval = 1;
  options.schedule.window = 1;
  options.schedule.threshold = 100;
  options.schedule.stopBelow = 1e-4;
  std::int64_t validations = 0;
  TrainerHooks hooks;
  hooks.validate = [&validations](const StateDict &)
  {
    ++validations;
    return ValidationResult{ 0.5, {} };
  };
  Trainer trainer(m_Network, m_Weights, MakeSource(m_Batches), options);
  EXPECT_EQ(trainer.Run(hooks), TrainerEnd::SmallRate);
  // 3e-4, 3e-4, then halves: 0.75e-4 is that of the fourth.
  EXPECT_EQ(trainer.GetState().step, 4);
  EXPECT_EQ(validations, 1);
}

/** Two batches a step: of one task and of the other, on one process or two. */
TEST_F(MultiTaskTraining, SeveralProcessesDoTheStepsOfOne)
{
  TrainerOptions options = MakeOptions(3);
  options.batchesPerStep = 2;
  options.optimizer.method = OptimizerMethod::Sgd;
  Trainer one(m_Network, m_Weights, MakeSource(m_Batches), options);
  EXPECT_EQ(one.Run(), TrainerEnd::Finished);
  const auto group = std::make_shared<ThreadGroup>(2);
  std::vector<std::unique_ptr<Trainer>> trainers;
  std::vector<std::thread> threads;
  for (const int rank : { 0, 1 })
  {
    trainers.push_back(std::make_unique<Trainer>(
      m_Network, m_Weights, MakeSource(m_Batches), options, std::make_shared<ThreadCommunicator>(group, rank)));
  }
  for (const auto & trainer : trainers)
  {
    threads.emplace_back([&trainer] { EXPECT_EQ(trainer->Run(), TrainerEnd::Finished); });
  }
  for (auto & thread : threads)
  {
    thread.join();
  }
  for (const auto & [name, tensor] : one.GetState().weights)
  {
    EXPECT_LT(MaximumDifference(tensor, trainers[0]->GetState().weights.Get(name)), 1e-6) << name;
    EXPECT_EQ(trainers[0]->GetState().weights.Get(name).ToVector<float>(),
              trainers[1]->GetState().weights.Get(name).ToVector<float>())
      << name;
  }
  EXPECT_GT(CompareMoves(m_Weights, one.GetState().weights, trainers[1]->GetState().weights).cosine, 0.9999);
}

TEST_F(MultiTaskTraining, TasksTakeTurns)
{
  const auto source = MakeSource(m_Batches);
  for (const std::uint64_t position : { 0U, 1U, 2U, 5U })
  {
    EXPECT_EQ(source->GetTask(position), static_cast<std::int64_t>(position % 2));
    EXPECT_EQ(source->MakeBatch(position).at("input").ToVector<float>(),
              m_Batches.Get("iter" + std::to_string(position) + ".input").ToVector<float>());
  }
  EXPECT_EQ(GoldenSource(m_Batches, 1).GetTask(3), -1);
  EXPECT_NN_ERROR(RoundRobinBatchSource({}), "need a source of each, and at least one");
  EXPECT_NN_ERROR(RoundRobinBatchSource({ source, nullptr }), "need a source of each");
}
