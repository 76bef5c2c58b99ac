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
#include "itkNNOptimizer.h"

#include "itkNNSafeTensors.h"
#include "itkNNTestDifference.h"
#include "itkNNTestGoldens.h"
#include "itkNNTestHelpers.h"

#include <cmath>
#include <nlohmann/json.hpp>

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
StateDict
MakeWeights()
{
  StateDict weights;
  weights.Add("a", Tensor::FromVector<float>({ 2 }, { 1, -2 }));
  weights.Add("b", Tensor::FromVector<float>({ 1 }, { 3 }));
  return weights;
}

TensorMap
MakeGradients(float scale = 1)
{
  return { { "a", Tensor::FromVector<float>({ 2 }, { 0.5F * scale, 0.25F * scale }) } };
}

double
At(const StateDict & weights, const std::string & name, std::size_t element = 0)
{
  return weights.Get(name).ToVector<double>()[element];
}

OptimizerOptions
Options(OptimizerMethod method, double weightDecay = 0)
{
  OptimizerOptions options;
  options.method = method;
  options.weightDecay = weightDecay;
  return options;
}
} // namespace

TEST(Optimizer, SgdByHand)
{
  for (const bool nesterov : { false, true })
  {
    OptimizerOptions options = Options(OptimizerMethod::Sgd, 0.1);
    options.nesterov = nesterov;
    Optimizer optimizer(options);
    StateDict weights = MakeWeights();
    double w = 1;
    double v = 0;
    for (int step = 0; step < 3; ++step)
    {
      optimizer.Step(weights, MakeGradients(), 0.01);
      const double g = 0.5 + 0.1 * w;
      v = 0.9 * v + g;
      w -= 0.01 * (nesterov ? g + 0.9 * v : v);
      EXPECT_NEAR(At(weights, "a"), w, 1e-6);
    }
  }
}

TEST(Optimizer, AdamKindsByHand)
{
  for (const auto method : { OptimizerMethod::Adam, OptimizerMethod::AdamW, OptimizerMethod::Lamb })
  {
    Optimizer optimizer(Options(method, 0.1));
    StateDict weights = MakeWeights();
    double w[2] = { 1, -2 };
    double m[2] = {};
    double v[2] = {};
    const double gradients[2] = { 0.5, 0.25 };
    for (int step = 1; step <= 4; ++step)
    {
      optimizer.Step(weights, MakeGradients(), 0.01);
      double update[2];
      for (int i = 0; i < 2; ++i)
      {
        const double g = gradients[i] + (method == OptimizerMethod::Adam ? 0.1 * w[i] : 0);
        m[i] = 0.9 * m[i] + 0.1 * g;
        v[i] = 0.999 * v[i] + 0.001 * g * g;
        update[i] = m[i] / (1 - std::pow(0.9, step)) / (std::sqrt(v[i] / (1 - std::pow(0.999, step))) + 1e-8);
        if (method == OptimizerMethod::AdamW)
        {
          w[i] *= 1 - 0.01 * 0.1;
        }
        update[i] += method == OptimizerMethod::Lamb ? 0.1 * w[i] : 0;
      }
      const double ratio =
        method == OptimizerMethod::Lamb ? std::hypot(w[0], w[1]) / std::hypot(update[0], update[1]) : 1;
      for (int i = 0; i < 2; ++i)
      {
        w[i] -= 0.01 * ratio * update[i];
        EXPECT_NEAR(At(weights, "a", static_cast<std::size_t>(i)), w[i], 2e-6) << ToString(method) << ' ' << step;
      }
    }
  }
}

TEST(Optimizer, LeavesAloneWhatHasNoGradient)
{
  Optimizer optimizer(Options(OptimizerMethod::AdamW, 0.1));
  StateDict weights = MakeWeights();
  const StateDict before = weights;
  optimizer.Step(weights, MakeGradients(), 0.1);
  EXPECT_EQ(At(weights, "b"), 3);
  EXPECT_NE(At(weights, "a"), 1);
  EXPECT_EQ(At(before, "a"), 1) << "weights shared with others stay as they are";
  EXPECT_FALSE(optimizer.GetState().Has("first.b"));
}

/** The golden's steps, of which one has no gradient and one a gradient of 0. */
TEST(Optimizer, GoldenOfU2Net)
{
  const std::string folder = "u2net/loss/adam_unit";
  ITK_NN_REQUIRE_GOLDEN(folder + ".safetensors");
  const StateDict golden = ReadSafeTensors(FindGolden(folder + ".safetensors")).tensors;
  Optimizer optimizer(Options(OptimizerMethod::Adam, 5e-4));
  StateDict weights;
  weights.Add("p", golden.Get("p0"));
  for (int step = 0; step < 6; ++step)
  {
    const std::string gradient = "grad" + std::to_string(step);
    const bool isSkipped = step == 2;
    ASSERT_EQ(golden.Has(gradient), !isSkipped);
    optimizer.Step(weights, isSkipped ? TensorMap{} : TensorMap{ { "p", golden.Get(gradient) } }, 3e-4);
    EXPECT_LT(MaximumDifference(weights.Get("p"), golden.Get("p" + std::to_string(step + 1))), 1e-7) << step;
  }
}

TEST(Optimizer, IdleStepsAreStepsOfAZeroGradient)
{
  const TensorMap nothing{ { "a", Tensor::Zeros({ 2 }) } };
  for (const auto method : { OptimizerMethod::Sgd, OptimizerMethod::Adam, OptimizerMethod::Lamb })
  {
    OptimizerOptions options = Options(method, 0.1);
    Optimizer plain(options);
    options.idleSteps = true;
    Optimizer idle(options);
    StateDict expected = MakeWeights();
    StateDict weights = MakeWeights();
    idle.Step(weights, {}, 0.1);
    EXPECT_EQ(weights.Get("a").ToVector<float>(), expected.Get("a").ToVector<float>()) << "none had a gradient before";
    for (int step = 0; step < 3; ++step)
    {
      plain.Step(expected, step == 0 ? MakeGradients() : nothing, 0.1);
      idle.Step(weights, step == 0 ? MakeGradients() : TensorMap{}, 0.1);
      EXPECT_EQ(weights.Get("a").ToVector<float>(), expected.Get("a").ToVector<float>()) << ToString(method) << step;
    }
    EXPECT_EQ(At(weights, "b"), 3);
  }
}

TEST(Optimizer, GoesOnFromItsState)
{
  for (const auto method :
       { OptimizerMethod::Sgd, OptimizerMethod::Adam, OptimizerMethod::AdamW, OptimizerMethod::Lamb })
  {
    Optimizer one(Options(method, 0.05));
    StateDict weights = MakeWeights();
    one.Step(weights, MakeGradients(), 0.1);
    one.Step(weights, MakeGradients(-2), 0.1);
    Optimizer other(Options(method, 0.05));
    other.SetState(ReadSafeTensorsFromMemory(SerializeSafeTensors(one.GetState()).data(),
                                             SerializeSafeTensors(one.GetState()).size())
                     .tensors);
    StateDict copy = weights;
    one.Step(weights, MakeGradients(3), 0.1);
    other.Step(copy, MakeGradients(3), 0.1);
    EXPECT_EQ(weights.Get("a").ToVector<float>(), copy.Get("a").ToVector<float>()) << ToString(method);
  }
}

TEST(Optimizer, ClipsAndAccumulates)
{
  TensorMap gradients = MakeGradients(4);
  const double norm = std::hypot(2, 1);
  EXPECT_NEAR(ComputeGlobalNorm(gradients), norm, 1e-6);
  EXPECT_NEAR(ClipGlobalNorm(gradients, 10), norm, 1e-6);
  EXPECT_NEAR(ComputeGlobalNorm(gradients), norm, 1e-6);
  EXPECT_NEAR(ClipGlobalNorm(gradients, 0.5), norm, 1e-6);
  EXPECT_NEAR(ComputeGlobalNorm(gradients), 0.5, 1e-6);
  TensorMap sum;
  Accumulate(sum, MakeGradients(), 0.5);
  Accumulate(sum, MakeGradients(2), 0.5);
  EXPECT_EQ(sum.at("a").ToVector<float>(), (std::vector<float>{ 0.75F, 0.375F }));
  EXPECT_NN_ERROR(Accumulate(sum, { { "b", Tensor::Zeros({ 1 }) } }, 1), "Cannot add 'b' [1]");
  EXPECT_NN_ERROR(ClipGlobalNorm(sum, 0), "should be above 0");
}

TEST(Optimizer, AveragesWeights)
{
  StateDict average;
  UpdateAverage(average, MakeWeights(), 0.9);
  EXPECT_EQ(At(average, "a"), 1);
  StateDict moved = MakeWeights();
  moved.Set("a", Tensor::FromVector<float>({ 2 }, { 2, 2 }));
  UpdateAverage(average, moved, 0.75);
  EXPECT_NEAR(At(average, "a"), 1.25, 1e-6);
  EXPECT_EQ(At(average, "b"), 3);
  EXPECT_NN_ERROR(UpdateAverage(average, moved, 1.5), "should be in [0, 1]");
  moved.Set("a", Tensor::Zeros({ 3 }));
  EXPECT_NN_ERROR(UpdateAverage(average, moved, 0.5), "The average of 'a' has shape [2], the weight [3]");
}

TEST(Optimizer, NamesAndErrors)
{
  for (const char * name : { "sgd", "adam", "adamw", "lamb" })
  {
    EXPECT_STREQ(ToString(ParseOptimizerMethod(name)), name);
  }
  EXPECT_NN_ERROR(ParseOptimizerMethod("adma"), "There is no optimizer 'adma'; there are sgd, adam");
  OptimizerOptions options;
  options.beta2 = 1;
  EXPECT_NN_ERROR(Optimizer{ options }, "should be in [0, 1)");
  options = OptimizerOptions();
  options.weightDecay = -1;
  EXPECT_NN_ERROR(Optimizer{ options }, "should be at least 0");
  Optimizer optimizer{ OptimizerOptions{} };
  EXPECT_EQ(optimizer.GetOptions().method, OptimizerMethod::Adam);
  StateDict weights = MakeWeights();
  EXPECT_NN_ERROR(optimizer.Step(weights, { { "c", Tensor::Zeros({ 1 }) } }, 1), "'c'");
  EXPECT_NN_ERROR(optimizer.Step(weights, { { "b", Tensor::Zeros({ 2 }) } }, 1), "has shape [2], its weight [1]");
  StateDict state;
  state.Add("third.a", Tensor::Zeros({ 1 }));
  EXPECT_NN_ERROR(optimizer.SetState(state), "has 'third.a', which is none of adam");
  StateDict part;
  part.Add("first.a", Tensor::Zeros({ 2 }));
  EXPECT_NN_ERROR(optimizer.SetState(part), "The optimizer's state of 'a' is not complete");
}
