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
#include "itkNNGradientRunner.h"

#include "itkNNInitialWeights.h"
#include "itkNNOptimizer.h"
#include "itkNNRegisterBackends.h"
#include "itkNNSafeTensors.h"
#include "itkNNTestTargets.h"
#include "itkNNTestGoldens.h"
#include "itkNNTestHelpers.h"
#include "itkUniverSegNetwork.h"

#include <cmath>
#include <nlohmann/json.hpp>

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
constexpr const char * deadPrefix = "dec_blocks.0.support";

struct Golden
{
  StateDict weights = ReadSafeTensors(FindGolden("universeg/a_tiny/weights.safetensors")).tensors;
  StateDict io = ReadSafeTensors(FindGolden("universeg/a_tiny/io.safetensors")).tensors;
  StateDict training = ReadSafeTensors(FindGolden("universeg/a_tiny/training.safetensors")).tensors;
  nlohmann::json figures = nlohmann::json::parse(ReadText(FindGolden("universeg/a_tiny/training.json")));
  Network::ConstPointer network = Network::Infer(weights);

  TensorMap GetInputs() const
  {
    return { { "target", io.Get("target") },
             { "support_images", io.Get("support_images") },
             { "support_labels", io.Get("support_labels") },
             { "label", io.Get("target_label") } };
  }
};

LossOptions
MakeLoss(LossFunction function)
{
  LossOptions loss;
  loss.function = function;
  return loss;
}

double
LargestDifference(const Tensor & a, const Tensor & b)
{
  const auto x = a.ToVector<double>();
  const auto y = b.ToVector<double>();
  EXPECT_EQ(x.size(), y.size());
  double largest = 0;
  for (std::size_t i = 0; i < x.size(); ++i)
  {
    largest = std::max(largest, std::abs(x[i] - y[i]));
  }
  return largest;
}

class GradientGolden : public ::testing::TestWithParam<std::string>
{
protected:
  void SetUp() override
  {
    const auto targets = test::GetTargets(DataType::Float32);
    const bool isThere =
      std::any_of(targets.begin(), targets.end(), [](const test::Target & t) { return t.backend == GetParam(); });
    if (!isThere)
    {
      GTEST_SKIP() << "there is no backend " << GetParam();
    }
  }

  GradientOptions GetOptions(LossFunction function) const
  {
    GradientOptions options;
    options.losses = { MakeLoss(function) };
    options.plan.backend = GetParam();
    options.plan.device = Device::FromString(GetParam() == "cuda" ? "cuda" : "cpu");
    options.plan.threads = 2;
    return options;
  }
};
} // namespace

TEST_P(GradientGolden, LossesAndGradients)
{
  const Golden golden;
  for (const auto & [function, name] : { std::pair<LossFunction, std::string>{ LossFunction::Dice, "soft_dice" },
                                         { LossFunction::BinaryCrossEntropy, "bce" } })
  {
    GradientRunner runner(golden.network, this->GetOptions(function));
    const GradientResult result = runner.Run(golden.GetInputs(), golden.weights);
    EXPECT_NEAR(result.loss, golden.figures.at(name).get<double>(), 1e-6);
    EXPECT_LE(LargestDifference(result.logits, golden.io.Get("logits")), 1e-5);
    for (const auto & [weight, tensor] : golden.weights)
    {
      const auto found = result.gradients.find(weight);
      const bool isDead = weight.rfind(deadPrefix, 0) == 0;
      EXPECT_EQ(found == result.gradients.end(), isDead) << weight;
      if (found != result.gradients.end())
      {
        EXPECT_EQ(found->second.GetShape(), tensor.GetShape());
        EXPECT_LE(LargestDifference(found->second, golden.training.Get("grad." + name + '.' + weight)), 5e-6) << weight;
      }
    }
  }
}

TEST_P(GradientGolden, ThreeStepsOfAdam)
{
  const Golden golden;
  GradientRunner runner(golden.network, this->GetOptions(LossFunction::Dice));
  Optimizer optimizer{ OptimizerOptions{} };
  StateDict weights = golden.weights;
  for (const auto & loss : golden.figures.at("adam_lr1e-3_losses"))
  {
    const GradientResult result = runner.Run(golden.GetInputs(), weights);
    EXPECT_NEAR(result.loss, loss.get<double>(), 1e-6);
    optimizer.Step(weights, result.gradients, 1e-3);
  }
  for (const auto & [name, tensor] : weights)
  {
    EXPECT_LE(LargestDifference(tensor, golden.training.Get("adam3." + name)), 1e-5) << name;
    if (name.rfind(deadPrefix, 0) == 0)
    {
      EXPECT_EQ(LargestDifference(tensor, golden.weights.Get(name)), 0) << name;
    }
  }
  EXPECT_LE(LargestDifference(runner.Run(golden.GetInputs(), weights).logits, golden.training.Get("adam3.logits")),
            1e-5);
}

TEST_P(GradientGolden, InBFloat16OnADevice)
{
  if (GetParam() != "cuda")
  {
    return; // computes in float32 and float64
  }
  const Golden golden;
  GradientOptions options = this->GetOptions(LossFunction::Dice);
  options.plan.precision = DataType::BFloat16;
  GradientRunner runner(golden.network, options);
  const GradientResult result = runner.Run(golden.GetInputs(), golden.weights);
  EXPECT_NEAR(result.loss, golden.figures.at("soft_dice").get<double>(), 0.02);
  for (const auto & [weight, tensor] : result.gradients)
  {
    EXPECT_EQ(tensor.GetDataType(), DataType::Float32) << "for weights in float32";
    const Tensor & expected = golden.training.Get("grad.soft_dice." + weight);
    double norm = 0;
    double difference = 0;
    const auto values = tensor.ToVector<double>();
    const auto wanted = expected.ToVector<double>();
    for (std::size_t i = 0; i < values.size(); ++i)
    {
      norm += wanted[i] * wanted[i];
      difference += (values[i] - wanted[i]) * (values[i] - wanted[i]);
    }
    EXPECT_LE(std::sqrt(difference), 0.25 * std::sqrt(norm) + 1e-4) << weight;
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, GradientGolden, ::testing::Values("reference", "onednn", "cuda"));

namespace
{
struct Small
{
  Network::ConstPointer network;
  StateDict weights;
  TensorMap inputs;
};

Small
MakeSmall()
{
  RegisterBackends();
  Small small;
  UniverSegConfiguration configuration;
  configuration.encoderBlocks.assign(3, { 6, 6 });
  small.network = std::make_shared<UniverSegNetwork>(configuration);
  std::uint32_t seed = 1;
  for (const auto & parameter : small.network->GetParameters())
  {
    small.weights.Add(parameter.name, RandomTensor(parameter.shape, seed++, -0.3, 0.3));
  }
  small.inputs = { { "target", RandomTensor({ 2, 1, 16, 12 }, 100, 0, 1) },
                   { "support_images", RandomTensor({ 2, 5, 1, 16, 12 }, 101, 0, 1) },
                   { "support_labels", RandomTensor({ 2, 5, 1, 16, 12 }, 102, 0, 1) },
                   { "label", RandomTensor({ 2, 1, 16, 12 }, 103, 0, 1) } };
  return small;
}
} // namespace

TEST(GradientRunner, AgreesWithFiniteDifferencesInDouble)
{
  const Small small = MakeSmall();
  GradientOptions options;
  options.plan.precision = DataType::Float64;
  options.losses = { MakeLoss(LossFunction::Dice), MakeLoss(LossFunction::BinaryCrossEntropy) };
  options.losses[1].weight = 0.5;
  GradientRunner runner(small.network, options);
  const GradientResult result = runner.Run(small.inputs, small.weights);
  for (const auto & [name, gradient] : result.gradients)
  {
    const auto values = gradient.ToVector<double>();
    const std::size_t element = values.size() / 2;
    double losses[2];
    constexpr double step = 1e-6;
    for (int side = 0; side < 2; ++side)
    {
      StateDict moved = small.weights;
      Tensor tensor = moved.Get(name).Clone();
      tensor.GetData<double>()[element] += side == 0 ? -step : step;
      moved.Set(name, tensor);
      losses[side] = runner.Run(small.inputs, moved).loss;
    }
    EXPECT_NEAR(values[element], (losses[1] - losses[0]) / (2 * step), 1e-7) << name;
  }
}

TEST(GradientRunner, RecomputationGivesTheSameWithLessMemory)
{
  const Small small = MakeSmall();
  GradientOptions options;
  options.plan.threads = 2;
  GradientRunner keeping(small.network, options);
  options.recompute = { "enc_blocks.0", "enc_blocks.1", "enc_blocks.2", "dec_blocks.0", "dec_blocks.1" };
  GradientRunner recomputing(small.network, options);
  const GradientResult expected = keeping.Run(small.inputs, small.weights);
  const GradientResult result = recomputing.Run(small.inputs, small.weights);
  EXPECT_NEAR(result.loss, expected.loss, 1e-6);
  ASSERT_EQ(result.gradients.size(), expected.gradients.size());
  for (const auto & [name, gradient] : expected.gradients)
  {
    EXPECT_LE(LargestDifference(result.gradients.at(name), gradient), 1e-5) << name;
  }
  const ShapeMap shapes{ { "target", { 1, 1, 64, 64 } },
                         { "support_images", { 1, 16, 1, 64, 64 } },
                         { "support_labels", { 1, 16, 1, 64, 64 } },
                         { "label", { 1, 1, 64, 64 } } };
  EXPECT_LT(recomputing.GetPlan(shapes)->GetArenaBytes(), keeping.GetPlan(shapes)->GetArenaBytes());
  EXPECT_GT(recomputing.GetPlan(shapes)->GetFlops(true), keeping.GetPlan(shapes)->GetFlops(true));
}

TEST(GradientRunner, SettingsAndErrors)
{
  const Small small = MakeSmall();
  GradientRunner runner(small.network);
  EXPECT_EQ(&runner.GetNetwork(), small.network.get());
  EXPECT_EQ(runner.GetOptions().output, "logits");
  TensorMap inputs = small.inputs;
  inputs.erase("label");
  EXPECT_NN_ERROR(runner.Run(inputs, small.weights), "Input 'label', which the loss compares with, is missing");
  inputs["label"] = RandomTensor({ 2, 1, 8, 8 }, 1);
  EXPECT_NN_ERROR(runner.Run(inputs, small.weights), "should have the same shape");
  StateDict fewer;
  EXPECT_NN_ERROR(runner.Run(small.inputs, fewer), "missing");
  GradientOptions options;
  options.output = "scores";
  GradientRunner other(small.network, options);
  EXPECT_NN_ERROR(other.Run(small.inputs, small.weights), "The graph has no output 'scores'");
  options.losses.clear();
  EXPECT_NN_ERROR(GradientRunner(small.network, options), "need a loss");
  EXPECT_NN_ERROR(GradientRunner(nullptr), "need a network");
  RunHooks hooks;
  hooks.isCancelled = [] { return true; };
  EXPECT_THROW(runner.Run(small.inputs, small.weights, hooks), Cancelled);
}

TEST(GradientRunner, WeightsOfPixels)
{
  const Small small = MakeSmall();
  GradientOptions options;
  options.losses = { MakeLoss(LossFunction::Dice), MakeLoss(LossFunction::MeanAbsoluteError) };
  GradientRunner runner(small.network, options);
  const GradientResult plain = runner.Run(small.inputs, small.weights);
  const auto expectClose = [](const GradientResult & found, const GradientResult & expected)
  {
    EXPECT_NEAR(found.loss, expected.loss, 1e-5);
    ASSERT_EQ(found.gradients.size(), expected.gradients.size());
    for (const auto & [name, gradient] : expected.gradients)
    {
      EXPECT_LE(LargestDifference(found.gradients.at(name), gradient), 1e-5) << name;
    }
  };
  TensorMap inputs = small.inputs;
  inputs[GradientRunner::pixelWeightName] = Tensor::Full({ 2, 1, 16, 12 }, 1);
  expectClose(runner.Run(inputs, small.weights), plain);

  // Where the weight is 0 the label does not matter.
  Tensor weight = Tensor::Full({ 2, 1, 16, 12 }, 1);
  Tensor label = inputs.at("label").To(DataType::Float32);
  Tensor changed = label.Clone();
  for (std::int64_t i = 0; i < weight.GetNumberOfElements(); i += 3)
  {
    weight.GetData<float>()[i] = 0;
    changed.GetData<float>()[i] = 1 - changed.GetData<float>()[i];
  }
  inputs[GradientRunner::pixelWeightName] = weight;
  inputs["label"] = label;
  const GradientResult weighted = runner.Run(inputs, small.weights);
  EXPECT_GT(std::abs(weighted.loss - plain.loss), 1e-4);
  inputs["label"] = changed;
  expectClose(runner.Run(inputs, small.weights), weighted);
  inputs.erase(GradientRunner::pixelWeightName);
  EXPECT_GT(std::abs(runner.Run(inputs, small.weights).loss - plain.loss), 1e-4);

  inputs[GradientRunner::pixelWeightName] = Tensor::Full({ 2, 1, 16, 16 }, 1);
  EXPECT_NE(ErrorOf([&] { runner.Run(inputs, small.weights); }), "");
  inputs[GradientRunner::pixelWeightName] = Tensor::Full({ 2, 1, 16, 12 }, 1);
  options.losses = { MakeLoss(LossFunction::Focal) };
  GradientRunner focal(small.network, options);
  EXPECT_NN_ERROR(focal.Run(inputs, small.weights), "has no weights of pixels");
}

namespace
{
Network::ConstPointer
MakeFMUNetOfAllScales()
{
  return Network::Create(
    "fmunet",
    R"({"in_chns": 1, "class_num": 2, "feature_chns": [2, 2, 2, 2, 2], "dropout": 0, "multiscale_pred": true})");
}

TensorMap
MakeInputsOfFMUNet()
{
  return { { "input", RandomTensor({ 1, 1, 16, 32, 16 }, 3).To(DataType::Float32) },
           { "label", RandomTensor({ 1, 2, 16, 32, 16 }, 2, 0, 1).To(DataType::Float32) } };
}
} // namespace

TEST(GradientRunner, WeightsOfOutputsInDeepSupervision)
{
  RegisterBackends();
  const auto network = MakeFMUNetOfAllScales();
  const StateDict weights = MakeInitialWeights(*network, 1);
  const TensorMap inputs = MakeInputsOfFMUNet();
  GradientOptions options;
  options.output = "output0";
  options.deepOutputs = { "output1", "output2", "output3" };
  options.losses = { MakeLoss(LossFunction::CrossEntropy) };
  options.losses.front().activation = LossActivation::Softmax;
  const auto lossOf = [&](std::vector<double> deepWeights)
  {
    options.deepWeights = std::move(deepWeights);
    return GradientRunner(network, options).Run(inputs, weights).loss;
  };
  const double each[] = {
    lossOf({ 2, 0, 0, 0 }), lossOf({ 0, 1, 0, 0 }), lossOf({ 0, 0, 1, 0 }), lossOf({ 0, 0, 0, 1 })
  };
  EXPECT_GT(std::abs(each[0] - each[3]), 1e-3);
  EXPECT_NEAR(lossOf({}), (each[0] + each[1] / 2 + each[2] / 4 + each[3] / 8) / 1.875, 1e-5);
  EXPECT_NEAR(lossOf({ 1, 3, 0, 0 }), (each[0] + 3 * each[1]) / 4, 1e-5);
  EXPECT_NN_ERROR(lossOf({ 1, 1 }), "there are 2 weights with the sum 2; should be 4");
  EXPECT_NN_ERROR(lossOf({ 1, -1, 1, 1 }), "at least 0");
  EXPECT_NN_ERROR(lossOf({ 0, 0, 0, 0 }), "not all of them 0");
}

TEST(GradientRunner, PartsOfTheWeightsAreTrained)
{
  RegisterBackends();
  const auto network = MakeFMUNetOfAllScales();
  const StateDict weights = MakeInitialWeights(*network, 1);
  const TensorMap inputs = MakeInputsOfFMUNet();
  GradientOptions options;
  options.output = "output0";
  options.losses = { MakeLoss(LossFunction::CrossEntropy) };
  options.losses.front().activation = LossActivation::Softmax;
  const GradientResult all = GradientRunner(network, options).Run(inputs, weights);
  options.trainedParts = { "decoder", "out_layers" };
  GradientRunner runner(network, options);
  const GradientResult some = runner.Run(inputs, weights);
  EXPECT_NEAR(some.loss, all.loss, 1e-6);
  std::size_t expected = 0;
  for (const auto & [name, gradient] : all.gradients)
  {
    const bool isTrained = name.find("decoder") != std::string::npos || name.find("out_layers") != std::string::npos;
    EXPECT_EQ(some.gradients.count(name), isTrained ? 1U : 0U) << name;
    expected += isTrained ? 1 : 0;
    if (isTrained)
    {
      const auto a = gradient.ToVector<double>();
      const auto b = some.gradients.at(name).ToVector<double>();
      for (std::size_t i = 0; i < a.size(); ++i)
      {
        ASSERT_NEAR(a[i], b[i], 1e-5) << name;
      }
    }
  }
  EXPECT_EQ(some.gradients.size(), expected);
  EXPECT_LT(some.gradients.size(), all.gradients.size());
  ShapeMap shapes;
  for (const auto & [name, tensor] : inputs)
  {
    shapes[name] = tensor.GetShape();
  }
  options.trainedParts.clear();
  EXPECT_LT(runner.GetPlan(shapes)->GetGraph().CountFlops(),
            0.8 * GradientRunner(network, options).GetPlan(shapes)->GetGraph().CountFlops())
    << "what only the other weights' gradients need is not computed";

  options.trainedParts = { "adapters" };
  GradientRunner none(network, options);
  EXPECT_NN_ERROR(none.Run(inputs, weights), "has 'adapters' in its name: nothing would be trained");
}

TEST(GradientRunner, WeightsOfPixelsInDeepSupervision)
{
  RegisterBackends();
  const auto network = MakeFMUNetOfAllScales();
  const StateDict weights = MakeInitialWeights(*network, 1);
  GradientOptions options;
  options.output = "output0";
  options.deepOutputs = { "output1", "output2", "output3" };
  options.losses = { MakeLoss(LossFunction::Dice), MakeLoss(LossFunction::CrossEntropy) };
  for (LossOptions & loss : options.losses)
  {
    loss.activation = LossActivation::Softmax;
    loss.pooled = true;
  }
  const Shape shape{ 1, 2, 32, 16, 16 };
  const Tensor label = RandomTensor(shape, 2, 0, 1).To(DataType::Float32);
  Tensor weight = Tensor::Full({ 1, 1, 32, 16, 16 }, 1);
  Tensor changed = label.Clone();
  // The coarsest output has an element for 8 slices; interpolation looks at the next one too.
  Tensor(weight.Slice(2, 16, 32)).CopyFrom(Tensor::Zeros({ 1, 1, 16, 16, 16 }));
  Tensor(changed.Slice(2, 24, 32)).CopyFrom(Tensor::Zeros({ 1, 2, 8, 16, 16 }));
  for (const DeepSupervision mode : { DeepSupervision::Logits, DeepSupervision::Labels, DeepSupervision::Pooled })
  {
    options.deepSupervision = mode;
    GradientRunner runner(network, options);
    TensorMap inputs{ { "input", RandomTensor({ 1, 1, 32, 16, 16 }, 3).To(DataType::Float32) }, { "label", label } };
    const double plain = runner.Run(inputs, weights).loss;
    inputs[GradientRunner::pixelWeightName] = Tensor::Full({ 1, 1, 32, 16, 16 }, 1);
    EXPECT_NEAR(runner.Run(inputs, weights).loss, plain, 1e-5) << ToString(mode);
    inputs[GradientRunner::pixelWeightName] = weight;
    const double weighted = runner.Run(inputs, weights).loss;
    inputs["label"] = changed;
    EXPECT_NEAR(runner.Run(inputs, weights).loss, weighted, 1e-6) << ToString(mode);
    inputs.erase(GradientRunner::pixelWeightName);
    EXPECT_GT(std::abs(runner.Run(inputs, weights).loss - plain), 1e-3) << ToString(mode);
  }
}
