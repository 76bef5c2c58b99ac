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

#include "itkNNFileReplacement.h"
#include "itkNNRandomStream.h"
#include "itkNNRegisterBackends.h"
#include "itkNNSafeTensors.h"
#include "itkNNTestHelpers.h"
#include "itkNNTestTargets.h"
#include "itkNNThreadCommunicator.h"
#include "itkUniverSegNetwork.h"

#include <cmath>
#include <cstdio>
#include <fstream>
#include <limits>
#include <thread>

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
/** Bright squares on a noisy ground. */
class SquareSource : public BatchSource
{
public:
  TensorMap MakeBatch(std::uint64_t position) const override
  {
    itkNNRequireMacro(position != brokenPosition, "The batch " << position << " is broken");
    constexpr std::int64_t n = 16;
    RandomStream random = RandomStream(3).Derive(position);
    const auto makeImages = [&](std::int64_t count, Tensor & images, Tensor & labels)
    {
      for (std::int64_t i = 0; i < count; ++i)
      {
        const std::int64_t size = random.Integer(4, 9);
        const std::int64_t y0 = random.Integer(0, n - size);
        const std::int64_t x0 = random.Integer(0, n - size);
        for (std::int64_t y = 0; y < n; ++y)
        {
          for (std::int64_t x = 0; x < n; ++x)
          {
            const bool inside = y >= y0 && y < y0 + size && x >= x0 && x < x0 + size;
            images.GetData<float>()[(i * n + y) * n + x] =
              static_cast<float>((inside ? 0.7 : 0.3) + 0.1 * random.Normal());
            labels.GetData<float>()[(i * n + y) * n + x] = inside ? 1.0F : 0.0F;
          }
        }
      }
    };
    TensorMap batch{ { "target", Tensor({ 1, 1, n, n }) },
                     { "label", Tensor({ 1, 1, n, n }) },
                     { "support_images", Tensor({ 1, 3, 1, n, n }) },
                     { "support_labels", Tensor({ 1, 3, 1, n, n }) } };
    makeImages(1, batch["target"], batch["label"]);
    makeImages(3, batch["support_images"], batch["support_labels"]);
    if (position == infinitePosition)
    {
      batch["target"].GetData<float>()[0] = std::numeric_limits<float>::infinity();
    }
    return batch;
  }

  std::uint64_t brokenPosition = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t infinitePosition = std::numeric_limits<std::uint64_t>::max();
};

Network::ConstPointer
MakeNetwork()
{
  RegisterBackends();
  UniverSegConfiguration configuration;
  configuration.encoderBlocks.assign(2, { 8, 8 });
  return std::make_shared<UniverSegNetwork>(configuration);
}

StateDict
MakeWeights(const Network & network)
{
  StateDict weights;
  std::uint32_t seed = 1;
  for (const auto & parameter : network.GetParameters())
  {
    const double inputs = static_cast<double>(NumberOfElements(parameter.shape) / parameter.shape[0]);
    const double scale = parameter.shape.size() == 1 ? 0 : std::sqrt(3 / inputs);
    weights.Add(parameter.name, RandomTensor(parameter.shape, seed++, -scale, scale).To(DataType::Float32));
  }
  return weights;
}

TrainerOptions
MakeOptions(std::int64_t steps)
{
  TrainerOptions options;
  options.steps = steps;
  options.schedule.rate = 3e-3;
  options.gradients.plan.threads = 2;
  options.averageDecay = 0.9;
  return options;
}

std::unique_ptr<Trainer>
MakeTrainer(const TrainerOptions & options, std::shared_ptr<const Communicator> communicator = nullptr)
{
  const auto network = MakeNetwork();
  return std::make_unique<Trainer>(
    network, MakeWeights(*network), std::make_shared<SquareSource>(), options, std::move(communicator));
}

std::string
FileName(const std::string & name)
{
  return std::string(UNIVERSEG_TEST_OUTPUT) + "/trainer-" + name + ".safetensors";
}

void
ExpectSame(const StateDict & a, const StateDict & b)
{
  ASSERT_EQ(a.GetSize(), b.GetSize());
  for (const auto & [name, tensor] : a)
  {
    EXPECT_EQ(tensor.ToVector<double>(), b.Get(name).ToVector<double>()) << name;
  }
}

void
ExpectSame(const TrainerState & a, const TrainerState & b)
{
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.bestStep, b.bestStep);
  EXPECT_EQ(a.bestScore, b.bestScore);
  ExpectSame(a.weights, b.weights);
  ExpectSame(a.average, b.average);
}
} // namespace

TEST(Trainer, LearnsAndReports)
{
  TrainerOptions options = MakeOptions(60);
  options.schedule.warmup = 5;
  options.clipNorm = 1;
  const auto trainer = MakeTrainer(options);
  std::vector<StepReport> reports;
  TrainerHooks hooks;
  hooks.step = [&](const StepReport & report) { reports.push_back(report); };
  EXPECT_EQ(trainer->Run(hooks), TrainerEnd::Finished);
  ASSERT_EQ(reports.size(), 60U);
  EXPECT_EQ(reports.back().step, 60);
  EXPECT_NEAR(reports[0].learningRate, 3e-3 / 5, 1e-12);
  EXPECT_GT(reports[0].gradientNorm, 0);
  EXPECT_GT(reports[0].seconds, 0);
  double early = 0;
  double late = 0;
  for (std::size_t i = 0; i < 10; ++i)
  {
    early += reports[i].loss / 10;
    late += reports[50 + i].loss / 10;
  }
  EXPECT_LT(late, early - 0.1);
  EXPECT_EQ(&trainer->GetResult(), &trainer->GetState().average);
}

TEST(Trainer, GoesOnBitByBit)
{
  const std::string checkpoint = FileName("resume");
  for (const auto method : { OptimizerMethod::Adam, OptimizerMethod::Sgd })
  {
    TrainerOptions options = MakeOptions(7);
    options.optimizer.method = method;
    options.schedule.shape = ScheduleShape::Cosine;
    const auto whole = MakeTrainer(options);
    whole->Run();

    options.checkpoint = checkpoint;
    const auto first = MakeTrainer(options);
    int steps = 0;
    TrainerHooks hooks;
    hooks.step = [&](const StepReport &) { ++steps; };
    hooks.isStopped = [&] { return steps >= 3; };
    EXPECT_EQ(first->Run(hooks), TrainerEnd::Stopped);
    EXPECT_EQ(first->GetState().step, 3);

    const auto second = MakeTrainer(options);
    second->Resume(checkpoint);
    EXPECT_EQ(second->GetState().step, 3);
    EXPECT_EQ(second->Run(), TrainerEnd::Finished);
    ExpectSame(second->GetState(), whole->GetState());
    ExpectSame(ReadCheckpoint(checkpoint), whole->GetState());
  }
}

TEST(Trainer, AveragesTheBatchesOfAStep)
{
  TrainerOptions options = MakeOptions(2);
  options.batchesPerStep = 3;
  options.optimizer.method = OptimizerMethod::Sgd;
  options.optimizer.momentum = 0;
  options.averageDecay = 0;
  const auto trainer = MakeTrainer(options);
  trainer->Run();

  const auto network = MakeNetwork();
  StateDict weights = MakeWeights(*network);
  GradientRunner runner(network, options.gradients);
  Optimizer optimizer(options.optimizer);
  const SquareSource source;
  for (std::uint64_t step = 0; step < 2; ++step)
  {
    TensorMap sum;
    for (std::uint64_t i = 0; i < 3; ++i)
    {
      Accumulate(sum, runner.Run(source.MakeBatch(3 * step + i), weights).gradients, 1.0 / 3);
    }
    optimizer.Step(weights, sum, options.schedule.rate);
  }
  ExpectSame(trainer->GetState().weights, weights);
  EXPECT_TRUE(trainer->GetState().average.IsEmpty());
  EXPECT_EQ(&trainer->GetResult(), &trainer->GetState().weights);
}

TEST(Trainer, ValidatesAndLosesPatience)
{
  TrainerOptions options = MakeOptions(30);
  options.validateEvery = 2;
  options.patience = 6;
  const auto trainer = MakeTrainer(options);
  std::vector<std::int64_t> validated;
  std::vector<std::int64_t> best;
  TrainerHooks hooks;
  hooks.validate = [&](const StateDict & weights)
  {
    EXPECT_EQ(&weights, &trainer->GetResult());
    const std::size_t count = validated.size();
    return ValidationResult{ count < 2 ? 0.1 * static_cast<double>(count + 1) : 0.15, { { "dice", 0.5 } } };
  };
  hooks.validated = [&](std::int64_t step, const ValidationResult & result)
  {
    validated.push_back(step);
    EXPECT_EQ(result.metrics.at("dice"), 0.5);
  };
  hooks.best = [&](std::int64_t step, const StateDict &) { best.push_back(step); };
  EXPECT_EQ(trainer->Run(hooks), TrainerEnd::Patience);
  EXPECT_EQ(best, (std::vector<std::int64_t>{ 2, 4 }));
  EXPECT_EQ(validated, (std::vector<std::int64_t>{ 2, 4, 6, 8, 10 }));
  EXPECT_EQ(trainer->GetState().bestStep, 4);
  EXPECT_NEAR(trainer->GetState().bestScore, 0.2, 1e-12);
}

TEST(Trainer, SavesBeforeAnErrorLeaves)
{
  const auto network = MakeNetwork();
  TrainerOptions options = MakeOptions(10);
  options.checkpoint = FileName("error");
  const auto source = std::make_shared<SquareSource>();
  source->brokenPosition = 4;
  Trainer broken(network, MakeWeights(*network), source, options);
  EXPECT_NN_ERROR(broken.Run(), "The batch 4 is broken");
  EXPECT_EQ(ReadCheckpoint(options.checkpoint).step, 4);

  const auto infinite = std::make_shared<SquareSource>();
  infinite->infinitePosition = 2;
  Trainer diverging(network, MakeWeights(*network), infinite, options);
  EXPECT_NN_ERROR(diverging.Run(), "Training: in step 3 the loss is");
  const TrainerState state = ReadCheckpoint(options.checkpoint);
  EXPECT_EQ(state.step, 2);
  for (const auto & entry : state.weights)
  {
    for (const double value : entry.second.ToVector<double>())
    {
      EXPECT_TRUE(std::isfinite(value));
    }
  }
}

namespace
{
double
LargestDifference(const StateDict & a, const StateDict & b)
{
  double largest = 0;
  for (const auto & [name, tensor] : a)
  {
    const auto x = tensor.ToVector<double>();
    const auto y = b.Get(name).ToVector<double>();
    for (std::size_t i = 0; i < x.size(); ++i)
    {
      largest = std::max(largest, std::abs(x[i] - y[i]));
    }
  }
  return largest;
}

/** Trainers that do the steps together; the first has the hooks. */
std::vector<std::unique_ptr<Trainer>>
RunAsProcesses(const TrainerOptions & options, int size, const TrainerHooks & hooks, std::vector<TrainerEnd> & ends)
{
  const auto group = std::make_shared<ThreadGroup>(size);
  std::vector<std::unique_ptr<Trainer>> trainers;
  for (int rank = 0; rank < size; ++rank)
  {
    trainers.push_back(MakeTrainer(options, std::make_shared<ThreadCommunicator>(group, rank)));
  }
  ends.assign(trainers.size(), TrainerEnd::Stopped);
  std::vector<std::thread> threads;
  for (std::size_t rank = 0; rank < trainers.size(); ++rank)
  {
    threads.emplace_back([&, rank] { ends[rank] = trainers[rank]->Run(rank == 0 ? hooks : TrainerHooks()); });
  }
  for (auto & thread : threads)
  {
    thread.join();
  }
  return trainers;
}
} // namespace

TEST(Trainer, SeveralProcessesDoTheStepsOfOne)
{
  TrainerOptions options = MakeOptions(4);
  options.batchesPerStep = 4;
  options.validateEvery = 1;
  options.patience = 3;
  options.optimizer.method = OptimizerMethod::Sgd;
  TrainerHooks hooks;
  hooks.validate = [](const StateDict &) { return ValidationResult{ 1, {} }; };
  const auto one = MakeTrainer(options);
  EXPECT_EQ(one->Run(hooks), TrainerEnd::Patience);
  for (const int size : { 2, 4 })
  {
    std::vector<TrainerEnd> ends;
    const auto trainers = RunAsProcesses(options, size, hooks, ends);
    for (std::size_t rank = 0; rank < trainers.size(); ++rank)
    {
      EXPECT_EQ(ends[rank], TrainerEnd::Patience);
      EXPECT_EQ(trainers[rank]->GetState().step, one->GetState().step);
      EXPECT_LE(LargestDifference(trainers[rank]->GetState().weights, one->GetState().weights), 1e-6) << size;
      ExpectSame(trainers[rank]->GetState().weights, trainers[0]->GetState().weights);
    }
  }
}

TEST(Trainer, Checkpoints)
{
  TrainerOptions options = MakeOptions(4);
  options.saveEvery = 2;
  options.checkpoint = FileName("every");
  const auto trainer = MakeTrainer(options);
  std::remove(options.checkpoint.c_str());
  std::vector<bool> there;
  TrainerHooks hooks;
  hooks.step = [&](const StepReport &) { there.push_back(std::ifstream(options.checkpoint).good()); };
  trainer->Run(hooks);
  EXPECT_EQ(there, (std::vector<bool>{ false, false, true, true }));

  // Files that are none of the kind, or damaged.
  const auto write = [](const std::string & name, const std::string & description)
  {
    StateDict tensors;
    tensors.Add("weights.a", Tensor::Zeros({ 1 }));
    WriteSafeTensors(FileName(name), tensors, { { "universeg.checkpoint", description } });
    return FileName(name);
  };
  EXPECT_NN_ERROR(ReadCheckpoint(write("text", "no json")), "the checkpoint's description is damaged");
  EXPECT_NN_ERROR(ReadCheckpoint(write("part", R"({"version": 1})")), "the checkpoint's description is damaged");
  EXPECT_NN_ERROR(ReadCheckpoint(write("future", R"({"version": 9, "step": 1, "best_step": 1, "best_score": 0.5})")),
                  "is a checkpoint of version 9; this program reads version 1");
  EXPECT_NN_ERROR(ReadCheckpoint(write("negative", R"({"version": 1, "step": -1, "best_step": 1, "best_score": 0.5})")),
                  "the checkpoint's step is -1");
  const std::string other = write("other", R"({"version": 1, "step": 1, "best_step": 1, "best_score": 0.5})");
  EXPECT_NN_ERROR(trainer->Resume(other), "' does not fit: ");
  StateDict model;
  model.Add("a", Tensor::Zeros({ 1 }));
  WriteSafeTensors(FileName("model"), model);
  EXPECT_NN_ERROR(trainer->Resume(FileName("model")), "is no checkpoint of a training");
  EXPECT_NN_ERROR(trainer->Resume(FileName("absent")), FileName("absent"));
  EXPECT_EQ(trainer->GetState().step, 4) << "what does not fit changes nothing";

  // An optimiser of another kind.
  TrainerOptions sgd = options;
  sgd.optimizer.method = OptimizerMethod::Sgd;
  EXPECT_NN_ERROR(MakeTrainer(sgd)->Resume(options.checkpoint), "which is none of sgd");
}

namespace
{
/** Options for each device that has memory of its own. */
std::vector<PlanOptions>
GetDevicePlans()
{
  std::vector<PlanOptions> plans;
  for (const auto & target : GetTargets(DataType::Float32))
  {
    if (target.device.type != Device::Type::Cpu)
    {
      plans.push_back(OptionsOf(target));
    }
  }
  return plans;
}
} // namespace

TEST(Trainer, DevicesTrainAsTheHostDoes)
{
  TrainerOptions options = MakeOptions(6);
  options.batchesPerStep = 2;
  options.clipNorm = 0.5;
  options.validateEvery = 4;
  options.optimizer.method = OptimizerMethod::Sgd;
  const auto plans = GetDevicePlans();
  if (plans.empty())
  {
    GTEST_SKIP() << "no device of CUDA, nor its emulation";
  }
  std::vector<StepReport> expected;
  TrainerHooks hooks;
  hooks.step = [&expected](const StepReport & report) { expected.push_back(report); };
  const auto host = MakeTrainer(options);
  host->Run(hooks);
  for (const auto & plan : plans)
  {
    options.gradients.plan = plan;
    const auto device = MakeTrainer(options);
    std::vector<StepReport> reports;
    hooks.step = [&reports](const StepReport & report) { reports.push_back(report); };
    // What is validated is what was trained.
    std::vector<StateDict> validated;
    hooks.validate = [&validated](const StateDict & weights)
    {
      validated.push_back(weights);
      return ValidationResult{ 1, {} };
    };
    device->Run(hooks);
    ASSERT_EQ(reports.size(), expected.size());
    for (std::size_t i = 0; i < reports.size(); ++i)
    {
      EXPECT_NEAR(reports[i].loss, expected[i].loss, 1e-5);
      EXPECT_NEAR(reports[i].gradientNorm, expected[i].gradientNorm, 1e-4 * expected[i].gradientNorm);
      EXPECT_EQ(reports[i].learningRate, expected[i].learningRate);
    }
    EXPECT_LE(LargestDifference(host->GetState().weights, device->GetState().weights), 1e-5);
    EXPECT_LE(LargestDifference(host->GetState().average, device->GetState().average), 1e-5);
    ASSERT_EQ(validated.size(), 2U);
    ExpectSame(validated.back(), device->GetResult());
    EXPECT_GT(LargestDifference(validated.front(), validated.back()), 0) << "the state at the validation";
    for (const auto & entry : device->GetState().weights)
    {
      EXPECT_FALSE(entry.second.IsOnDevice()) << entry.first;
    }
  }
}

TEST(Trainer, DevicesGoOnBitByBit)
{
  for (const auto & plan : GetDevicePlans())
  {
    TrainerOptions options = MakeOptions(5);
    options.gradients.plan = plan;
    options.gradients.plan.deterministic = true;
    options.checkpoint = FileName("device");
    std::remove(options.checkpoint.c_str());
    const auto whole = MakeTrainer(options);
    whole->Run();
    const auto first = MakeTrainer(options);
    std::int64_t steps = 0;
    TrainerHooks hooks;
    hooks.step = [&steps](const StepReport & report) { steps = report.step; };
    hooks.isStopped = [&steps] { return steps == 3; };
    EXPECT_EQ(first->Run(hooks), TrainerEnd::Stopped);
    const auto second = MakeTrainer(options);
    second->Resume(options.checkpoint);
    EXPECT_EQ(second->GetState().step, 3);
    second->Run();
    ExpectSame(whole->GetState(), second->GetState());
    // The host goes on from a device's checkpoint.
    options.gradients.plan = PlanOptions();
    const auto host = MakeTrainer(options);
    host->Resume(options.checkpoint);
    EXPECT_EQ(host->GetState().step, 5);
  }
}

TEST(Trainer, DevicesOfSeveralProcesses)
{
  for (const auto & plan : GetDevicePlans())
  {
    TrainerOptions options = MakeOptions(3);
    options.batchesPerStep = 2;
    options.optimizer.method = OptimizerMethod::Sgd;
    options.gradients.plan = plan;
    const auto one = MakeTrainer(options);
    one->Run();
    std::vector<TrainerEnd> ends;
    const auto trainers = RunAsProcesses(options, 2, {}, ends);
    for (const auto & trainer : trainers)
    {
      EXPECT_LE(LargestDifference(trainer->GetState().weights, one->GetState().weights), 1e-5);
      ExpectSame(trainer->GetState().weights, trainers[0]->GetState().weights);
    }
  }
}

TEST(Trainer, DevicesKeepTheStateBeforeAnInfiniteLoss)
{
  for (const auto & plan : GetDevicePlans())
  {
    const auto network = MakeNetwork();
    TrainerOptions options = MakeOptions(10);
    options.gradients.plan = plan;
    options.checkpoint = FileName("device-infinite");
    std::remove(options.checkpoint.c_str());
    auto infinite = std::make_shared<SquareSource>();
    infinite->infinitePosition = 3;
    Trainer trainer(network, MakeWeights(*network), infinite, options);
    EXPECT_NN_ERROR(trainer.Run(), "in step 4 the loss is ");
    const TrainerState state = ReadCheckpoint(options.checkpoint);
    EXPECT_EQ(state.step, 3);
    for (const auto & entry : state.weights)
    {
      for (const double value : entry.second.ToVector<double>())
      {
        EXPECT_TRUE(std::isfinite(value)) << entry.first;
      }
    }
  }
}

TEST(Trainer, SettingsAndErrors)
{
  TrainerOptions options = MakeOptions(4);
  EXPECT_EQ(MakeTrainer(options)->GetOptions().steps, 4);
  options.batchesPerStep = 0;
  EXPECT_NN_ERROR(MakeTrainer(options), "batches per step 0 at least 1");
  options.batchesPerStep = 3;
  EXPECT_NN_ERROR(MakeTrainer(options, std::make_shared<ThreadCommunicator>(std::make_shared<ThreadGroup>(2), 0)),
                  "3 batches per step cannot be shared evenly by 2 processes");
  options = MakeOptions(4);
  options.averageDecay = 1;
  EXPECT_NN_ERROR(MakeTrainer(options), "the average's decay 1 in [0, 1)");
  options = MakeOptions(4);
  options.schedule.rate = -1;
  EXPECT_NN_ERROR(MakeTrainer(options), "Learning rate -1");
  const auto network = MakeNetwork();
  EXPECT_NN_ERROR(Trainer(network, MakeWeights(*network), nullptr, TrainerOptions()), "needs a source of batches");
  EXPECT_NN_ERROR(Trainer(network, StateDict(), std::make_shared<SquareSource>(), TrainerOptions()), "missing");
}
