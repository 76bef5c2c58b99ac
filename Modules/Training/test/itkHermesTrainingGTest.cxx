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
#include "itkHermesNetwork.h"
#include "itkNNDifferentiation.h"
#include "itkNNGradientRunner.h"
#include "itkNNInitialWeights.h"
#include "itkNNLearningRateSchedule.h"
#include "itkNNNetworkRunner.h"
#include "itkNNOptimizer.h"
#include "itkNNRegisterBackends.h"
#include "itkNNSafeTensors.h"
#include "itkNNTaskAddition.h"
#include "itkNNTestDifference.h"
#include "itkNNTestGoldens.h"
#include "itkNNTestHelpers.h"
#include "itkNNTestTargets.h"
#include "itkNNTrainer.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
/** tn 6, mn 3, two domains that share a class. */
const char * const twoDomains = R"({"base_ch": 8, "num_block": [1, 1, 1, 1], "tn": 6, "mn": 3,
    "kernel_size": [[1, 3, 3], [3, 3, 3], [1, 1, 1], [1, 1, 1], [1, 1, 1]],
    "domains": [{"tgt_idx": [2, 0, 3], "mod_idx": 1}, {"tgt_idx": [4], "mod_idx": -1}]})";

StateDict
ReadTensors(const std::string & name)
{
  return ReadSafeTensors(FindGolden("hermes/" + name)).tensors;
}

double
Number(const StateDict & tensors, const std::string & name)
{
  return tensors.Get(name).ToVector<double>()[0];
}

/** 1 for a task whose images are compared, 0 for null tasks. */
Tensor
MakeChannelWeights(const Tensor & tasks, std::int64_t tn)
{
  const auto numbers = tasks.ToVector<std::int64_t>();
  Tensor weights(tasks.GetShape());
  std::transform(numbers.begin(),
                 numbers.end(),
                 weights.GetData<float>(),
                 [tn](std::int64_t number) { return number == -1 || number == tn - 1 ? 0.0F : 1.0F; });
  return weights;
}

/** Of the reference: binary cross-entropy and adaptive Dice. */
std::vector<LossOptions>
MakeLosses()
{
  std::vector<LossOptions> losses(2);
  losses[0].function = LossFunction::BinaryCrossEntropy;
  losses[1].function = LossFunction::AdaptiveDice;
  return losses;
}

/** A loss, and its gradient with respect to the first input, in float64. */
TensorMap
Compute(const TensorMap & inputs,
        const std::string & withRespectTo,
        const std::function<ValueId(Graph &, const std::map<std::string, ValueId> &)> & add)
{
  Graph graph;
  std::map<std::string, ValueId> ids;
  for (const auto & [name, tensor] : inputs)
  {
    ids[name] = graph.AddInput(name, tensor.GetShape());
  }
  graph.AddOutput("loss", add(graph, ids));
  DifferentiationOptions differentiation;
  differentiation.withRespectTo = { withRespectTo };
  PlanOptions plan;
  plan.precision = DataType::Float64;
  return ExecutionPlan::Compile(Differentiate(graph, "loss", differentiation).graph, {}, plan)->Run(inputs);
}

class HermesTraining : public ::testing::Test
{
protected:
  void SetUp() override
  {
    RegisterBackends();
  }
};

/** Compare with the golden of one step. */
void
ExpectGradients(const std::string & name,
                const std::string & folder,
                const std::string & weightFile,
                GradientOptions options,
                double tolerance)
{
  const auto network = Network::Create(name, ReadText(FindGolden("hermes/" + folder + "config.json")));
  const StateDict weights = ReadTensors(folder + weightFile);
  const StateDict io = ReadTensors(folder + "io.safetensors");
  const StateDict expected = ReadTensors(folder + "train.safetensors");
  const auto tn = nlohmann::json::parse(network->GetConfiguration()).at("tn").get<std::int64_t>();
  options.losses = MakeLosses();
  options.output = network->GetLogitsName();
  const Network::ImageClasses classes = network->GetImageClasses();
  options.imageLosses = { { classes.output, classes.input, 0.01 } };
  const bool isDouble = options.plan.precision == DataType::Float64;
  GradientRunner runner(network, options);
  const GradientResult result = runner.Run({ { "input", io.Get("x") },
                                             { "tgt_idx", io.Get("tgt_idx") },
                                             { "mod_idx", io.Get("mod_idx") },
                                             { "label", io.Get("label").To(DataType::Float32) },
                                             { "channel_weight", MakeChannelWeights(io.Get("tgt_idx"), tn) } },
                                           weights);
  EXPECT_NEAR(result.loss, Number(expected, "loss.total"), isDouble ? 1e-6 : 1e-4);
  EXPECT_NEAR(ComputeGlobalNorm(result.gradients),
              Number(expected, "grad_global_norm"),
              (isDouble ? 1e-5 : 1e-2) * Number(expected, "grad_global_norm"));
  std::size_t compared = 0;
  for (const auto & [key, tensor] : expected)
  {
    if (key.compare(0, 5, "grad.") != 0)
    {
      continue;
    }
    const std::string weight = key.substr(5);
    ASSERT_EQ(result.gradients.count(weight), 1U) << weight;
    auto own = result.gradients.at(weight).ToVector<double>();
    const double largest =
      std::abs(*std::max_element(own.begin(), own.end(), [](double a, double b) { return std::abs(a) < std::abs(b); }));
    const auto other = tensor.ToVector<double>();
    ASSERT_GE(own.size(), other.size()) << weight;
    double difference = 0;
    for (std::size_t i = 0; i < other.size(); ++i)
    {
      difference = std::max(difference, std::abs(own[i] - other[i]));
    }
    // Some are 0 but for rounding, since a normalisation follows.
    EXPECT_LE(difference, std::max(tolerance * largest, isDouble ? 1e-9 : 2e-4)) << weight;
    ++compared;
  }
  EXPECT_EQ(compared, result.gradients.size());
}
} // namespace

TEST_F(HermesTraining, LossesAgree)
{
  const std::string file = "losses/io.safetensors";
  ITK_NN_REQUIRE_GOLDEN("hermes/" + file);
  const StateDict io = ReadTensors(file);
  const auto tn = io.Get("tn").ToVector<std::int64_t>()[0];
  const TensorMap inputs{ { "logits", io.Get("logits") },
                          { "target", io.Get("target").To(DataType::Float32) },
                          { "weight", MakeChannelWeights(io.Get("tgt_idx"), tn) } };
  const auto losses = MakeLosses();
  for (std::size_t i = 0; i < losses.size(); ++i)
  {
    const TensorMap outputs =
      Compute(inputs,
              "logits",
              [&](Graph & graph, const auto & ids)
              { return AddLoss(graph, ids.at("logits"), ids.at("target"), losses[i], -1, ids.at("weight")); });
    const std::string name = i == 0 ? "bce" : "dice";
    EXPECT_NEAR(Number(io, name), outputs.at("loss").ToVector<double>()[0], 1e-12) << name;
    EXPECT_LE(MaximumDifference(outputs.at(GetGradientName("logits")), io.Get("grad_" + name)), 1e-10) << name;
  }
  const TensorMap ofImages{ { "logits", io.Get("mod_logits") }, { "classes", io.Get("mod_idx") } };
  const auto addEntropy = [](Graph & graph, const auto & ids)
  { return AddImageCrossEntropy(graph, ids.at("logits"), ids.at("classes")); };
  const TensorMap outputs = Compute(ofImages, "logits", addEntropy);
  EXPECT_NEAR(Number(io, "mod_ce"), outputs.at("loss").ToVector<double>()[0], 1e-6);
  const TensorMap unknown{ { "logits", io.Get("mod_logits") },
                           { "classes", Tensor::Full({ 5 }, -1, DataType::Int64) } };
  EXPECT_EQ(Compute(unknown, "logits", addEntropy).at("loss").ToVector<double>()[0], 0);
}

TEST_F(HermesTraining, WeightsOfChannelsLeaveNullTasksOut)
{
  const Tensor logits = RandomTensor({ 2, 3, 2, 3, 4 }, 1);
  Tensor target = Tensor::Zeros(logits.GetShape());
  for (std::int64_t i = 0; i < target.GetNumberOfElements(); ++i)
  {
    target.GetData<float>()[i] = i % 3 == 0 ? 1 : 0;
  }
  const Tensor weight = Tensor::FromVector<float>({ 2, 3 }, { 1, 1, 0, 0, 1, 0 });
  const auto lossOf = [&](const LossOptions & options, const Tensor & z, const Tensor & t, const Tensor & w)
  {
    return Compute({ { "logits", z }, { "target", t }, { "weight", w } },
                   "logits",
                   [&](Graph & graph, const auto & ids)
                   { return AddLoss(graph, ids.at("logits"), ids.at("target"), options, -1, ids.at("weight")); })
      .at("loss")
      .ToVector<double>()[0];
  };
  for (const auto function :
       { LossFunction::BinaryCrossEntropy, LossFunction::AdaptiveDice, LossFunction::Dice, LossFunction::Tversky })
  {
    LossOptions options;
    options.function = function;
    // The mean of what the channels give alone.
    double mean = 0;
    for (const auto & [image, channel] : { std::pair<int, int>{ 0, 0 }, { 0, 1 }, { 1, 1 } })
    {
      const auto cut = [&, b = image, c = channel](const Tensor & x)
      { return x.Slice(0, b, b + 1).Slice(1, c, c + 1).Contiguous(); };
      mean += lossOf(options, cut(logits), cut(target), Tensor::Full({ 1, 1 }, 1)) / 3;
    }
    EXPECT_NEAR(lossOf(options, logits, target, weight), mean, 1e-12) << ToString(function);
  }
  const auto expect = [&](const LossOptions & options, const Tensor & w, const std::string & text)
  { EXPECT_NN_ERROR(lossOf(options, logits, target, w), text); };
  LossOptions options;
  options.function = LossFunction::CrossEntropy;
  expect(options, weight, "Loss cross_entropy has no weights of channels");
  options.function = LossFunction::Dice;
  options.pooled = true;
  expect(options, weight, "Loss dice, pooled, has no weights of channels");
  options.pooled = false;
  options.classWeights = { 1, 2, 3 };
  expect(options, weight, "Loss dice with weights of classes has no weights of channels");
  options.classWeights.clear();
  expect(options, Tensor::Full({ 3, 2 }, 1), "the weights of channels are [3, 2], should be [2, 3]");
  EXPECT_EQ(ParseLossFunction("adaptive_dice"), LossFunction::AdaptiveDice);
  Graph graph;
  const ValueId z = graph.AddInput("z", { 2, 3 });
  const ValueId classes = graph.AddInput("classes", { 3 });
  EXPECT_NN_ERROR(AddImageCrossEntropy(graph, z, classes), "classes [3] [B] or [B, 1]");
}

TEST_F(HermesTraining, GradientsAgree)
{
  for (const char * file : { "config.json", "io.safetensors", "train.safetensors", "weights_f16.safetensors" })
  {
    ITK_NN_REQUIRE_GOLDEN("hermes/hermes_r_narrow/" + std::string(file));
  }
  GradientOptions options;
  options.plan.precision = DataType::Float64;
  ExpectGradients("hermes", "hermes_r_narrow/", "weights_f16.safetensors", options, 1e-6);
}

TEST_F(HermesTraining, GradientsOfBothOutputsAgree)
{
  for (const char * file : { "config.json", "io.safetensors", "train.safetensors", "weights.safetensors" })
  {
    ITK_NN_REQUIRE_GOLDEN("hermes/hermes_m_narrow/" + std::string(file));
  }
  GradientOptions options;
  options.deepOutputs = Network::Create("hermes_medformer", "{}")->GetDeepLogitsNames();
  EXPECT_EQ(options.deepOutputs, std::vector<std::string>{ "aux_out" });
  EXPECT_TRUE(Network::Create("hermes_medformer", R"({"aux_loss": false})")->GetDeepLogitsNames().empty());
  options.deepWeights = { 0.5, 0.5 };
  options.plan.precision = DataType::Float64;
  ExpectGradients("hermes_medformer", "hermes_m_narrow/", "weights.safetensors", options, 1e-6);
  for (const auto & target : GetTargets(DataType::Float32))
  {
    SCOPED_TRACE(target.backend);
    options.plan = OptionsOf(target);
    ExpectGradients("hermes_medformer", "hermes_m_narrow/", "weights.safetensors", options, 4e-2);
  }
}

TEST_F(HermesTraining, OptimizerAgrees)
{
  const std::string file = "optim/io.safetensors";
  ITK_NN_REQUIRE_GOLDEN("hermes/" + file);
  const StateDict io = ReadTensors(file);
  const auto rates = io.Get("lr").ToVector<double>();
  for (const auto & [prefix, decay] :
       { std::pair<std::string, double>{ "wd1e-5.", 1e-5 }, { "wd0.05.", 0.05 }, { "wd0.", 0 } })
  {
    OptimizerOptions options;
    options.method = OptimizerMethod::Lamb;
    options.epsilon = 1e-5;
    options.weightDecay = decay;
    Optimizer optimizer(options);
    StateDict weights;
    for (int i = 0; i < 4; ++i)
    {
      weights.Add("p" + std::to_string(i), io.Get("p" + std::to_string(i) + ".init"));
    }
    for (std::size_t step = 0; step < rates.size(); ++step)
    {
      TensorMap gradients;
      for (const auto & entry : weights)
      {
        gradients[entry.first] = io.Get(entry.first + ".grad" + std::to_string(step));
      }
      ClipGlobalNorm(gradients, 1);
      optimizer.Step(weights, gradients, rates[step]);
      for (const auto & [name, tensor] : weights)
      {
        EXPECT_LE(MaximumDifference(tensor, io.Get(prefix + name + ".step" + std::to_string(step + 1))), 1e-6)
          << prefix << name << ' ' << step;
      }
    }
    const StateDict state = optimizer.GetState();
    for (int i = 0; i < 4; ++i)
    {
      const std::string number = std::to_string(i);
      EXPECT_LE(MaximumDifference(state.Get("first.p" + number), io.Get(prefix + "exp_avg" + number)), 1e-6);
      EXPECT_LE(MaximumDifference(state.Get("second.p" + number), io.Get(prefix + "exp_avg_sq" + number)), 1e-6);
    }
  }
}

TEST_F(HermesTraining, AveragesAgree)
{
  const std::string file = "optim/io.safetensors";
  ITK_NN_REQUIRE_GOLDEN("hermes/" + file);
  const StateDict io = ReadTensors(file);
  StateDict average;
  average.Add("weight", io.Get("ema.init_ema.weight"));
  for (std::int64_t step = 0; step < 3; ++step)
  {
    StateDict weights;
    weights.Add("weight", io.Get("ema.model.weight.step" + std::to_string(step)));
    UpdateAverage(average, weights, ComputeAverageDecay(0.99, step, AverageStart::Mean));
    EXPECT_LE(MaximumDifference(average.Get("weight"), io.Get("ema.ema.weight.step" + std::to_string(step))), 1e-6);
  }
  EXPECT_EQ(ComputeAverageDecay(0.99, 0, AverageStart::Mean), 0);
  EXPECT_EQ(ComputeAverageDecay(0.99, 1, AverageStart::Mean), 0.5);
  EXPECT_EQ(ComputeAverageDecay(0.99, 1000, AverageStart::Mean), 0.99);
  EXPECT_EQ(ComputeAverageDecay(0.99, 9, AverageStart::Ramp), 0.5);
  EXPECT_EQ(ParseAverageStart("mean"), AverageStart::Mean);
  EXPECT_EQ(ParseAverageStart("ramp"), AverageStart::Ramp);
  EXPECT_NN_ERROR(ParseAverageStart("first"), "first");
}

TEST_F(HermesTraining, SchedulesAgree)
{
  ITK_NN_REQUIRE_GOLDEN("hermes/optim/schedule.json");
  const auto json = nlohmann::json::parse(ReadText(FindGolden("hermes/optim/schedule.json")));
  for (const char * name : { "resunet", "medformer" })
  {
    const auto & table = json.at(name);
    constexpr std::int64_t epoch = 401;
    ScheduleOptions options;
    options.shape = ScheduleShape::Polynomial;
    options.rate = table.at("base_lr").get<double>();
    options.warmup = table.at("warmup_epoch").get<std::int64_t>() * epoch;
    options.exponentialWarmup = true;
    options.hold = epoch;
    const auto total = table.at("max_epoch").get<std::int64_t>() * epoch;
    const auto rates = table.at("lr").get<std::vector<double>>();
    ASSERT_EQ(static_cast<std::int64_t>(rates.size()) * epoch, total);
    for (std::size_t e = 0; e < rates.size(); ++e)
    {
      for (const std::int64_t within : { std::int64_t{ 0 }, epoch - 1 })
      {
        const auto step = static_cast<std::int64_t>(e) * epoch + within;
        EXPECT_NEAR(ComputeLearningRate(options, step, total), rates[e], 1e-12) << name << ' ' << e;
      }
    }
  }
}

TEST_F(HermesTraining, InputsOfTasks)
{
  const auto network = Network::Create("hermes", twoDomains);
  EXPECT_TRUE(network->IsMultiLabel());
  const TensorMap inputs = network->MakeTaskInputs({ 1, 0 });
  ASSERT_EQ(inputs.size(), 3U);
  EXPECT_EQ(inputs.at("tgt_idx").GetShape(), (Shape{ 2, 4 }));
  EXPECT_EQ(inputs.at("tgt_idx").ToVector<std::int64_t>(), (std::vector<std::int64_t>{ 4, -1, -1, -1, 2, 0, 3, -1 }));
  EXPECT_EQ(inputs.at("mod_idx").ToVector<std::int64_t>(), (std::vector<std::int64_t>{ -1, 1 }));
  EXPECT_EQ(inputs.at("channel_weight").ToVector<float>(), (std::vector<float>{ 1, 0, 0, 0, 1, 1, 1, 0 }));
  EXPECT_EQ(network->MakeTaskInputs({ 1 }).at("tgt_idx").GetShape(), (Shape{ 1, 2 }));
  EXPECT_NN_ERROR(network->MakeTaskInputs({ 2 }), "an image is of task 2, but domains of the configuration has 2");
  EXPECT_NN_ERROR(network->MakeTaskInputs({}), "a batch has no images");
  auto json = nlohmann::json::parse(twoDomains);
  json["tn"] = 5;
  EXPECT_NN_ERROR(Network::Create("hermes", json.dump())->MakeTaskInputs({ 1 }),
                  "domains[1]: an entry of tgt_idx is 4, which is never trained; should be at most tn - 2 = 3");

  // A domain by itself is what it is among the inputs.
  const auto mixed = network->ForTaskInputs();
  EXPECT_EQ(mixed->GetInputNames(), (std::vector<std::string>{ "input", "tgt_idx", "mod_idx" }));
  const auto weights = std::make_shared<const StateDict>(MakeInitialWeights(*network, 3));
  mixed->CheckWeights(*weights);
  TensorMap all = network->MakeTaskInputs({ 0 });
  all.erase("channel_weight");
  all["input"] = RandomTensor({ 1, 1, 16, 16, 32 }, 4).To(DataType::Float32);
  const Tensor logits = NetworkRunner(mixed, weights).Run(all).at("out");
  const Tensor own = NetworkRunner(network->ForTask(0), weights).Run({ { "input", all.at("input") } }).at("out");
  EXPECT_EQ(own.GetShape()[1], 3);
  EXPECT_LE(MaximumDifference(logits.Slice(1, 0, 3).Contiguous(), own), 1e-4);

  const auto other = Network::Create("unet3d", R"({"in_chns": 1, "class_num": 2})");
  EXPECT_FALSE(other->IsMultiLabel());
  EXPECT_EQ(other->ForTaskInputs(), nullptr);
  EXPECT_EQ(other->GetImageClasses().output, "");
  EXPECT_TRUE(other->GetDeepLogitsNames().empty());
  EXPECT_NN_ERROR(other->MakeTaskInputs({ 0 }), "The network unet3d has no inputs for the tasks of a batch's images");
  EXPECT_NN_ERROR(other->WithTask({}), "The network unet3d gets no further tasks");
}

/** Xavier's bounds of pools and heads, and biases of 0 of the dynamic classifier. */
TEST_F(HermesTraining, InitialWeights)
{
  const auto network = Network::Create("hermes", R"({"base_ch": 8})");
  const StateDict weights = MakeInitialWeights(*network, 1);
  const auto expectBound = [&](const std::string & name, double bound)
  {
    const auto values = weights.Get(name).ToVector<double>();
    const double largest = std::abs(
      *std::max_element(values.begin(), values.end(), [](double a, double b) { return std::abs(a) < std::abs(b); }));
    EXPECT_LE(largest, bound) << name;
    EXPECT_GE(largest, 0.95 * bound) << name;
  };
  expectBound("prior_init_fuse_2.task_prior", std::sqrt(6.0 / (32 + 73)));
  expectBound("prior_init_fuse_4.modality_prior", std::sqrt(6.0 / ((10 + 6) * 80)));
  expectBound("out.classifier_pred.0.fc1.weight", std::sqrt(6.0 / (272 + 272)));
  expectBound("out.classifier_pred.1.fc2.weight", std::sqrt(6.0 / (8 + 8)));
  expectBound("mod_out.classifier.fc1.weight", std::sqrt(1.0 / 272));
  EXPECT_EQ(weights.Get("out.classifier_pred.0.fc1.bias").ToVector<float>(), std::vector<float>(272, 0));
}

TEST_F(HermesTraining, ATaskJoinsTheOthers)
{
  for (const std::string name : { "hermes", "hermes_medformer" })
  {
    const std::string text = name == "hermes" ? twoDomains : R"({"base_chan": 8, "map_size": [2, 2, 2],
      "conv_num": [1, 0, 0, 0, 0, 0, 1, 1], "trans_num": [0, 1, 1, 1, 1, 1, 0, 0],
      "chan_num": [8, 16, 24, 32, 24, 16, 8, 8], "num_heads": [1, 2, 3, 4, 3, 2, 1, 1], "fusion_depth": 1,
      "fusion_dim": 32, "fusion_heads": 4, "expansion": 2, "tn": 6, "mn": 3,
      "domains": [{"tgt_idx": [2, 0, 3], "mod_idx": 1}, {"tgt_idx": [4], "mod_idx": -1}]})";
    const auto network = Network::Create(name, text);
    const StateDict weights = MakeInitialWeights(*network, 1);
    const TaskAddition result = AddTask(*network, weights, { 1, 3, 2 }, 2);
    result.network->CheckWeights(result.weights);
    const auto json = nlohmann::json::parse(result.network->GetConfiguration());
    EXPECT_EQ(json.at("tn"), 8);
    EXPECT_EQ(json.at("task"), 2);
    EXPECT_EQ(json.at("domains")[2], nlohmann::json::parse(R"({"tgt_idx": [5, 6], "mod_idx": 2})"));
    // Of the five pools: tasks 0 to 4, two new ones, the spare one and the null task.
    EXPECT_EQ(result.trained.size(), 5U);
    EXPECT_EQ(result.trainedRows, (std::vector<std::int64_t>{ 5, 6 }));
    EXPECT_EQ(result.kept.size() + result.trained.size(), network->GetParameters().size());
    for (const auto & pool : result.trained)
    {
      EXPECT_NE(pool.find("task_prior"), std::string::npos) << pool;
      const Tensor & old = weights.Get(pool);
      const Tensor & extended = result.weights.Get(pool);
      ASSERT_EQ(extended.GetShape()[0], 9);
      const auto rowOf = [](const Tensor & tensor, std::int64_t row)
      { return tensor.Slice(0, row, row + 1).ToVector<float>(); };
      for (std::int64_t row = 0; row < 5; ++row)
      {
        EXPECT_EQ(rowOf(extended, row), rowOf(old, row)) << pool << row;
      }
      EXPECT_EQ(rowOf(extended, 7), rowOf(old, 5)) << pool;
      EXPECT_EQ(rowOf(extended, 8), rowOf(old, 6)) << pool;
      EXPECT_NE(rowOf(extended, 5), rowOf(extended, 6)) << pool;
      EXPECT_GT(ComputeGlobalNorm({ { "new", extended.Slice(0, 5, 7).Contiguous() } }), 0) << pool;
    }
    const Tensor image = RandomTensor({ 1, 1, 16, 16, 32 }, 3).To(DataType::Float32);
    const auto run = [&](const Network::ConstPointer & which, const StateDict & with)
    { return NetworkRunner(which, std::make_shared<const StateDict>(with)).Run({ { "input", image } }).at("out"); };
    for (const std::int64_t task : { 0, 1 })
    {
      EXPECT_LE(
        MaximumDifference(run(network->ForTask(task), weights), run(result.network->ForTask(task), result.weights)),
        1e-6)
        << name << task;
    }
    EXPECT_EQ(run(result.network, result.weights).GetShape()[1], 2);
    EXPECT_NN_ERROR(AddTask(*network, weights, { 2, 2, -1 }, 1), "a new task has images of 2 channels");
    EXPECT_NN_ERROR(AddTask(*network, weights, { 1, 1, -1 }, 1), "classes of a new task is 1, should be 2 to");
    EXPECT_NN_ERROR(AddTask(*network, weights, { 1, 2, 3 }, 1), "the modality of a new task is 3, should be -1 to 2");
  }
}

namespace
{
/** A batch of one image. */
class OneImage : public BatchSource
{
public:
  explicit OneImage(TensorMap batch)
    : m_Batch(std::move(batch))
  {}
  TensorMap MakeBatch(std::uint64_t) const override
  {
    return m_Batch;
  }

private:
  TensorMap m_Batch;
};
} // namespace

/** New rows learn, everything else stays bit by bit. */
TEST_F(HermesTraining, NewRowsAreTrainedAlone)
{
  const auto network = Network::Create("hermes", twoDomains);
  const TaskAddition addition = AddTask(*network, MakeInitialWeights(*network, 1), { 1, 2, -1 }, 2);
  const auto mixed = addition.network->ForTaskInputs();
  TensorMap batch = addition.network->MakeTaskInputs({ 2 });
  batch["input"] = RandomTensor({ 1, 1, 16, 16, 32 }, 4).To(DataType::Float32);
  Tensor label = Tensor::Zeros({ 1, 2, 16, 16, 32 });
  std::fill_n(label.GetData<float>(), 4000, 1.0F);
  batch["label"] = label;
  TrainerOptions options;
  options.steps = 4;
  options.schedule.rate = 0.01;
  options.gradients.losses = MakeLosses();
  options.gradients.output = "out";
  options.gradients.imageLosses = { { "mod_out", "mod_idx", 0.01 } };
  options.gradients.trainedParts = addition.trained;
  options.gradients.trainedRows = addition.trainedRows;
  for (const auto method : { OptimizerMethod::Adam, OptimizerMethod::Lamb })
  {
    options.optimizer.method = method;
    Trainer trainer(mixed, addition.weights, std::make_shared<OneImage>(batch), options);
    std::vector<double> losses;
    TrainerHooks hooks;
    hooks.step = [&](const StepReport & report) { losses.push_back(report.loss); };
    trainer.Run(hooks);
    EXPECT_LT(losses.back(), losses.front());
    const std::set<std::string> trained(addition.trained.begin(), addition.trained.end());
    for (const auto & [name, tensor] : trainer.GetState().weights)
    {
      const auto before = addition.weights.Get(name).ToVector<float>();
      const auto after = tensor.ToVector<float>();
      const std::size_t columns = before.size() / static_cast<std::size_t>(tensor.GetShape()[0]);
      std::set<std::size_t> changed;
      for (std::size_t i = 0; i < before.size(); ++i)
      {
        if (before[i] != after[i])
        {
          changed.insert(i / columns);
        }
      }
      EXPECT_EQ(changed, trained.count(name) > 0 ? std::set<std::size_t>{ 5 } : std::set<std::size_t>{}) << name;
    }
  }
  options.optimizer.weightDecay = 0.1;
  EXPECT_NN_ERROR(Trainer(mixed, addition.weights, std::make_shared<OneImage>(batch), options),
                  "which a weight decay of 0.1 would change; should be 0");
  options.gradients.trainedRows = { 9 };
  options.optimizer.weightDecay = 0;
  Trainer far(mixed, addition.weights, std::make_shared<OneImage>(batch), options);
  EXPECT_NN_ERROR(far.Run(), "task_prior' is to be trained, should be 0 to 7");
  batch.erase("mod_idx");
  GradientRunner runner(network->ForTask(0), options.gradients);
  EXPECT_NN_ERROR(runner.Run({ { "input", batch["input"] }, { "label", Tensor::Zeros({ 1, 3, 16, 16, 32 }) } },
                             MakeInitialWeights(*network, 1)),
                  "Input 'mod_idx', the classes of the images that the output 'mod_out' is compared with, is missing");
}
