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
#include "itkNNLosses.h"

#include "itkNNDifferentiation.h"
#include "itkNNExecutionPlan.h"
#include "itkNNLabelChannels.h"
#include "itkNNRegisterBackends.h"
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
const Shape shape{ 2, 3, 4, 5 };

/** Loss and gradient with respect to the logits, in float64. */
TensorMap
Compute(const LossOptions & options, const Tensor & logits, const Tensor & target)
{
  RegisterBackends();
  Graph graph;
  const ValueId z = graph.AddInput("logits", logits.GetShape());
  const ValueId t = graph.AddInput("target", target.GetShape());
  graph.AddOutput("loss", AddLosses(graph, z, t, { options }));
  DifferentiationOptions differentiation;
  differentiation.withRespectTo = { "logits" };
  PlanOptions plan;
  plan.precision = DataType::Float64;
  return ExecutionPlan::Compile(Differentiate(graph, "loss", differentiation).graph, {}, plan)
    ->Run({ { "logits", logits }, { "target", target } });
}

double
LossOf(const LossOptions & options, const Tensor & logits, const Tensor & target)
{
  return Compute(options, logits, target).at("loss").ToVector<double>()[0];
}

/** Images, channels and elements of a tensor. */
struct Values
{
  explicit Values(const Tensor & tensor)
    : all(tensor.ToVector<double>())
  {}
  double At(std::size_t image, std::size_t channel, std::size_t element) const
  {
    return all[(image * 3 + channel) * 20 + element];
  }
  std::vector<double> all;
};

double
Probability(const LossOptions & options, const Values & logits, std::size_t b, std::size_t c, std::size_t i)
{
  switch (options.activation)
  {
    case LossActivation::Sigmoid:
      return 1 / (1 + std::exp(-logits.At(b, c, i)));
    case LossActivation::Softmax:
    {
      double sum = 0;
      for (std::size_t k = 0; k < 3; ++k)
      {
        sum += std::exp(logits.At(b, k, i));
      }
      return std::exp(logits.At(b, c, i)) / sum;
    }
    case LossActivation::Tanh:
      return std::tanh(logits.At(b, c, i));
    case LossActivation::None:
      break;
  }
  return logits.At(b, c, i);
}

/** Dice and Tversky by their definitions. */
double
NaiveOverlap(const LossOptions & options, const Values & logits, const Values & target)
{
  double total = 0;
  double terms = 0;
  const std::size_t groups = options.pooled ? 1 : 2;
  for (std::size_t g = 0; g < groups; ++g)
  {
    for (std::size_t c = 0; c < 3; ++c)
    {
      double both = 0;
      double sizes = 0;
      double falsePositive = 0;
      double falseNegative = 0;
      for (std::size_t b = options.pooled ? 0 : g; b < (options.pooled ? 2 : g + 1); ++b)
      {
        for (std::size_t i = 0; i < 20; ++i)
        {
          const double p = Probability(options, logits, b, c, i);
          const double t = target.At(b, c, i);
          both += p * t;
          sizes += options.squared ? p * p + t * t : p + t;
          falsePositive += p * (1 - t);
          falseNegative += (1 - p) * t;
        }
      }
      const double s = options.smooth;
      total += options.function == LossFunction::Dice
               ? (2 * both + s) / (sizes + s)
               : (both + s) / (both + options.alpha * falsePositive + options.beta * falseNegative + s);
      terms += 1;
    }
  }
  return 1 - total / terms;
}

double
NaiveEntropy(const LossOptions & options, const Values & logits, const Values & target)
{
  LossOptions own = options;
  const bool isFocal = options.function == LossFunction::Focal;
  if (!isFocal)
  {
    own.activation = options.function == LossFunction::CrossEntropy ? LossActivation::Softmax : LossActivation::Sigmoid;
  }
  const bool isSoftmax = own.activation == LossActivation::Softmax;
  const auto term = [&](double q) { return -std::log(q) * (isFocal ? std::pow(1 - q, options.gamma) : 1); };
  double sum = 0;
  for (std::size_t b = 0; b < 2; ++b)
  {
    for (std::size_t c = 0; c < 3; ++c)
    {
      for (std::size_t i = 0; i < 20; ++i)
      {
        const double p = Probability(own, logits, b, c, i);
        const double t = target.At(b, c, i);
        sum += t * term(p) + (isSoftmax ? 0 : (1 - t) * term(1 - p));
      }
    }
  }
  return sum / (isSoftmax ? 40 : 120);
}

std::vector<LossOptions>
GetAll()
{
  std::vector<LossOptions> all;
  for (const auto function : { LossFunction::Dice,
                               LossFunction::Tversky,
                               LossFunction::CrossEntropy,
                               LossFunction::BinaryCrossEntropy,
                               LossFunction::Focal })
  {
    for (const auto activation : { LossActivation::Sigmoid, LossActivation::Softmax, LossActivation::None })
    {
      for (const bool flag : { false, true })
      {
        LossOptions options;
        options.function = function;
        options.activation = activation;
        options.squared = flag;
        options.pooled = !flag;
        options.smooth = flag ? 1e-7 : 1e-5;
        options.alpha = 0.3;
        options.beta = 0.7;
        options.gamma = flag ? 2 : 1.5;
        if (function != LossFunction::Focal || activation != LossActivation::None)
        {
          all.push_back(options);
        }
      }
    }
  }
  return all;
}
} // namespace

TEST(Losses, AgreeWithTheirDefinitions)
{
  const Tensor target = RandomTensor(shape, 2, 0, 1);
  for (const auto & options : GetAll())
  {
    const bool isProbability = options.activation == LossActivation::None;
    const Tensor logits = RandomTensor(shape, 1, isProbability ? 0.1 : -2, isProbability ? 0.9 : 2);
    const bool isOverlap = options.function == LossFunction::Dice || options.function == LossFunction::Tversky;
    const double expected = isOverlap ? NaiveOverlap(options, Values(logits), Values(target))
                                      : NaiveEntropy(options, Values(logits), Values(target));
    EXPECT_NEAR(LossOf(options, logits, target), expected, 1e-10)
      << ToString(options.function) << ' ' << ToString(options.activation);
  }
}

TEST(Losses, GradientsAgreeWithFiniteDifferences)
{
  const Tensor target = RandomTensor(shape, 2, 0, 1);
  auto all = GetAll();
  for (auto function = static_cast<int>(LossFunction::GeneralizedCrossEntropy);
       function <= static_cast<int>(LossFunction::Lovasz);
       ++function)
  {
    LossOptions options;
    options.function = static_cast<LossFunction>(function);
    options.activation = LossActivation::Softmax;
    options.gamma = 1.5;
    options.blend = 0.1;
    all.push_back(options);
  }
  for (const auto & options : all)
  {
    const bool isProbability = options.activation == LossActivation::None;
    const Tensor logits = RandomTensor(shape, 1, isProbability ? 0.1 : -2, isProbability ? 0.9 : 2);
    const auto gradient = Compute(options, logits, target).at("gradient.logits").ToVector<double>();
    for (const std::int64_t element : { 0, 37, 119 })
    {
      double values[2];
      for (int side = 0; side < 2; ++side)
      {
        Tensor moved = logits.Clone();
        moved.GetData<double>()[element] += side == 0 ? -1e-5 : 1e-5;
        values[side] = LossOf(options, moved, target);
      }
      EXPECT_NEAR(gradient[static_cast<std::size_t>(element)], (values[1] - values[0]) / 2e-5, 1e-8)
        << ToString(options.function) << ' ' << ToString(options.activation);
    }
  }
}

namespace
{
LossOptions
OfU2Net(LossFunction function)
{
  LossOptions options;
  options.function = function;
  options.activation = LossActivation::Softmax;
  options.detached = true;
  return options;
}
} // namespace

/** Of 3D U2-Net. */
TEST(Losses, GoldensOfLovaszAndDetachedFocal)
{
  ITK_NN_REQUIRE_GOLDEN("u2net/loss/losses.safetensors");
  ITK_NN_REQUIRE_GOLDEN("u2net/loss/losses.json");
  const StateDict golden = ReadSafeTensors(FindGolden("u2net/loss/losses.safetensors")).tensors;
  const auto values = nlohmann::json::parse(ReadText(FindGolden("u2net/loss/losses.json")));
  for (const std::string name : { "c2", "c3", "c3_missing" })
  {
    const Tensor logits = golden.Get(name + ".logits").To(DataType::Float64);
    const Tensor target = ToChannels(golden.Get(name + ".labels"), logits.GetShape()[1]);
    for (const auto function : { LossFunction::Lovasz, LossFunction::Focal })
    {
      const std::string loss = ToString(function);
      const TensorMap results = Compute(OfU2Net(function), logits, target);
      EXPECT_NEAR(results.at("loss").ToVector<double>()[0], values.at(name + ".f64").at(loss).get<double>(), 1e-12);
      EXPECT_LT(MaximumDifference(results.at("gradient.logits"),
                                  golden.Get(std::string(name).append(".grad_").append(loss).append(".f64"))),
                1e-12)
        << name << ' ' << loss;
    }
  }
}

TEST(Losses, LovaszLeavesOutWhatHasNoTarget)
{
  const Tensor logits = RandomTensor({ 1, 3, 6 }, 1, -2, 2);
  const Tensor labels = Tensor::FromVector<std::int32_t>({ 1, 6 }, { 0, 1, 10, 2, 1, 10 });
  const TensorMap results = Compute(OfU2Net(LossFunction::Lovasz), logits, ToChannels(labels, 3));
  // The same without the two.
  std::vector<double> kept;
  const auto all = logits.ToVector<double>();
  for (std::size_t i = 0; i < all.size(); ++i)
  {
    if (i % 6 != 2 && i % 6 != 5)
    {
      kept.push_back(all[i]);
    }
  }
  const TensorMap expected = Compute(OfU2Net(LossFunction::Lovasz),
                                     Tensor::FromVector<double>({ 1, 3, 4 }, kept),
                                     ToChannels(Tensor::FromVector<std::int32_t>({ 1, 4 }, { 0, 1, 2, 1 }), 3));
  EXPECT_NEAR(results.at("loss").ToVector<double>()[0], expected.at("loss").ToVector<double>()[0], 1e-14);
  const auto gradient = results.at("gradient.logits").ToVector<double>();
  const auto keptGradient = expected.at("gradient.logits").ToVector<double>();
  std::size_t next = 0;
  for (std::size_t i = 0; i < gradient.size(); ++i)
  {
    const bool isKept = i % 6 != 2 && i % 6 != 5;
    EXPECT_NEAR(gradient[i], isKept ? keptGradient[next++] : 0, 1e-14) << i;
  }
}

TEST(Losses, EmptyMasksAndLargeLogits)
{
  LossOptions dice;
  const Tensor nothing = Tensor::Zeros(shape, DataType::Float64);
  EXPECT_NEAR(LossOf(dice, Tensor::Full(shape, -40, DataType::Float64), nothing), 0, 1e-6);
  LossOptions bce;
  bce.function = LossFunction::BinaryCrossEntropy;
  EXPECT_NEAR(LossOf(bce, Tensor::Full(shape, 300, DataType::Float64), nothing), 300, 1e-9);
  EXPECT_NEAR(LossOf(bce, Tensor::Full(shape, -300, DataType::Float64), nothing), 0, 1e-9);
  for (const auto & options : GetAll())
  {
    if (options.activation != LossActivation::None)
    {
      const TensorMap results = Compute(options, Tensor::Full(shape, 80, DataType::Float64), nothing);
      EXPECT_TRUE(std::isfinite(results.at("loss").ToVector<double>()[0])) << ToString(options.function);
      for (const double slope : results.at("gradient.logits").ToVector<double>())
      {
        EXPECT_TRUE(std::isfinite(slope)) << ToString(options.function);
      }
    }
  }
}

TEST(Losses, WeightedSum)
{
  RegisterBackends();
  const Tensor logits = RandomTensor(shape, 1);
  const Tensor target = RandomTensor(shape, 2, 0, 1);
  LossOptions dice;
  LossOptions bce;
  bce.function = LossFunction::BinaryCrossEntropy;
  const double expected = 0.25 * LossOf(dice, logits, target) + LossOf(bce, logits, target);
  dice.weight = 0.25;
  Graph graph;
  const ValueId z = graph.AddInput("logits", shape);
  const ValueId t = graph.AddInput("target", shape);
  graph.AddOutput("loss", AddLosses(graph, z, t, { dice, bce }));
  PlanOptions plan;
  plan.precision = DataType::Float64;
  const auto result = ExecutionPlan::Compile(graph, {}, plan)->Run({ { "logits", logits }, { "target", target } });
  EXPECT_NEAR(result.at("loss").ToVector<double>()[0], expected, 1e-12);
}

TEST(Losses, NamesAndErrors)
{
  for (const char * name : { "dice", "tversky", "cross_entropy", "bce", "focal", "lovasz" })
  {
    EXPECT_STREQ(ToString(ParseLossFunction(name)), name);
  }
  for (const char * name : { "sigmoid", "softmax", "none" })
  {
    EXPECT_STREQ(ToString(ParseLossActivation(name)), name);
  }
  EXPECT_NN_ERROR(ParseLossFunction("dicee"), "There is no loss 'dicee'; there are dice, tversky");
  EXPECT_NN_ERROR(ParseLossActivation("relu"), "There is no activation 'relu'; there are sigmoid");
  Graph graph;
  const ValueId z = graph.AddInput("logits", shape);
  const ValueId t = graph.AddInput("target", { 2, 3, 4, 4 });
  const ValueId flat = graph.AddInput("flat", { 2, 3 });
  EXPECT_NN_ERROR(AddLoss(graph, z, t, {}), "logits [2, 3, 4, 5] and target [2, 3, 4, 4] should have the same shape");
  EXPECT_NN_ERROR(AddLoss(graph, flat, flat, {}), "should have the same shape [batch, channels, spatial...]");
  EXPECT_NN_ERROR(AddLosses(graph, z, z, {}), "there is none");
  LossOptions options;
  options.smooth = -1;
  EXPECT_NN_ERROR(AddLoss(graph, z, z, options), "should be finite and at least 0");
  options = LossOptions();
  options.function = LossFunction::Focal;
  options.activation = LossActivation::None;
  EXPECT_NN_ERROR(AddLoss(graph, z, z, options), "focal needs an activation");
}
