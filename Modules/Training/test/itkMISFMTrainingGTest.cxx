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
#include "itkNNDifferentiation.h"
#include "itkNNExecutionPlan.h"
#include "itkNNGradientRunner.h"
#include "itkNNLearningRateSchedule.h"
#include "itkNNOptimizer.h"
#include "itkNNRegisterBackends.h"
#include "itkNNSafeTensors.h"
#include "itkNNTestGoldens.h"
#include "itkNNTestDifference.h"
#include "itkNNTestHelpers.h"
#include "itkNNTestTargets.h"
#include "itkNNTrainer.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
using Json = nlohmann::json;

/** Classes [B, spatial...] as planes of 0 and 1 [B, classes, spatial...]. */
Tensor
ToPlanes(const Tensor & label, std::int64_t classes)
{
  Shape shape = label.GetShape();
  const std::int64_t images = shape[0];
  const std::int64_t elements = NumberOfElements(shape) / images;
  shape.insert(shape.begin() + 1, classes);
  Tensor planes = Tensor::Zeros(shape);
  const auto values = label.ToVector<double>();
  for (std::int64_t i = 0; i < images * elements; ++i)
  {
    const auto plane = i / elements * classes + static_cast<std::int64_t>(values[static_cast<std::size_t>(i)]);
    planes.GetData<float>()[plane * elements + i % elements] = 1;
  }
  return planes;
}

LossOptions
MakeDice()
{
  LossOptions loss;
  loss.function = LossFunction::Dice;
  loss.activation = LossActivation::Softmax;
  loss.squared = false;
  loss.pooled = true;
  loss.smooth = 1e-5;
  return loss;
}

LossOptions
MakeCrossEntropy()
{
  LossOptions loss;
  loss.function = LossFunction::CrossEntropy;
  loss.blend = 1e-3;
  return loss;
}

/** 0.5 Dice + 0.5 cross-entropy, the reference's demonstration. */
std::vector<LossOptions>
MakeCombination()
{
  std::vector<LossOptions> losses{ MakeDice(), MakeCrossEntropy() };
  for (auto & loss : losses)
  {
    loss.weight = 0.5;
  }
  return losses;
}

double
LargestDifference(const Tensor & a, const Tensor & b)
{
  return itk::nn::test::MaximumDifference(a.ToVector<double>(), b.ToVector<double>());
}

double
LargestMagnitude(const Tensor & a)
{
  return LargestDifference(a, Tensor::Zeros(a.GetShape()));
}

/** One sample of a batch. */
Tensor
GetSample(const Tensor & batch, std::int64_t number)
{
  Shape shape = batch.GetShape();
  shape.erase(shape.begin());
  Tensor sample(shape);
  const auto values = batch.ToVector<float>();
  const auto count = static_cast<std::ptrdiff_t>(NumberOfElements(shape));
  std::copy_n(values.begin() + number * count, count, sample.GetData<float>());
  return sample;
}
} // namespace

namespace
{
/** A case of the reference's losses. */
struct LossCase
{
  const char * name;
  LossFunction function;
  bool hasPixelWeight = false;
  bool hasClassWeight = false;
  LossActivation activation = LossActivation::Softmax;
};

LossOptions
MakeLoss(const LossCase & values, const Json & parameters, const StateDict & io)
{
  LossOptions loss = MakeDice();
  loss.function = values.function;
  loss.activation = values.activation;
  const std::string name = values.name;
  const bool isEntropy =
    values.function == LossFunction::CrossEntropy || values.function == LossFunction::SmoothedLabels;
  loss.blend = isEntropy && name.find("head") == std::string::npos ? 1e-3 : 0;
  loss.beta = parameters.at("focaldiceloss_beta");
  loss.gamma =
    parameters.at(values.function == LossFunction::ExpLog ? "explogloss_gamma" : "noiserobustdiceloss_gamma");
  loss.diceWeight = parameters.at("explogloss_w_dice");
  loss.q = parameters.at("loss_gce_q");
  loss.epsilon = parameters.at("slsrloss_epsilon");
  if (values.hasClassWeight)
  {
    loss.classWeights = io.Get("class_weight").ToVector<double>();
  }
  return loss;
}
} // namespace

TEST(MISFMLosses, ValuesAndGradientsAreTheReferences)
{
  ITK_NN_REQUIRE_GOLDEN("misfm/losses.json");
  ITK_NN_REQUIRE_GOLDEN("misfm/losses.safetensors");
  const Json figures = Json::parse(ReadText(FindGolden("misfm/losses.json")));
  const StateDict io = ReadSafeTensors(FindGolden("misfm/losses.safetensors")).tensors;
  const Tensor & logits = io.Get("logits");
  const Tensor target = ToPlanes(io.Get("label"), logits.GetShape()[1]);
  Shape weightShape = logits.GetShape();
  weightShape[1] = 1;
  const Tensor pixelWeight = io.Get("pixel_weight").Reshape(weightShape);
  RegisterBackends();
  const auto check = [&](const std::string & name, const std::vector<LossOptions> & losses, bool hasPixelWeight)
  {
    SCOPED_TRACE(name);
    Graph graph;
    const ValueId z = graph.AddInput("logits", logits.GetShape());
    const ValueId t = graph.AddInput("target", target.GetShape());
    TensorMap inputs{ { "logits", logits }, { "target", target } };
    ValueId w = -1;
    if (hasPixelWeight)
    {
      w = graph.AddInput("pixel_weight", weightShape);
      inputs.emplace("pixel_weight", pixelWeight);
    }
    graph.AddOutput("loss", AddLosses(graph, z, t, losses, w));
    DifferentiationOptions differentiation;
    differentiation.withRespectTo = { "logits" };
    PlanOptions plan;
    plan.precision = DataType::Float64;
    const TensorMap result =
      ExecutionPlan::Compile(Differentiate(graph, "loss", differentiation).graph, {}, plan)->Run(inputs);
    // Exponents and weights of classes are kept in single precision.
    EXPECT_NEAR(
      result.at("loss").ToVector<double>()[0], figures.at("cases").at(name).at("value_f64").get<double>(), 1e-7);
    const Tensor & expected = io.Get(name + "/dlogits");
    EXPECT_LE(LargestDifference(result.at("gradient.logits"), expected), 2e-6 * LargestMagnitude(expected));
  };
  using LF = LossFunction;
  for (const LossCase & values :
       { LossCase{ "DiceLoss", LF::Dice },
         LossCase{ "DiceLoss_pixw", LF::Dice, true },
         LossCase{ "DiceLoss_clsw", LF::Dice, false, true },
         LossCase{ "CrossEntropyLoss", LF::CrossEntropy },
         LossCase{ "CrossEntropyLoss_pixw", LF::CrossEntropy, true },
         LossCase{ "CrossEntropyLoss_clsw", LF::CrossEntropy, false, true },
         LossCase{ "CrossEntropyLoss_head_8bcebd6", LF::CrossEntropy },
         LossCase{ "GeneralizedCELoss", LF::GeneralizedCrossEntropy },
         LossCase{ "GeneralizedCELoss_pixw", LF::GeneralizedCrossEntropy, true },
         LossCase{ "GeneralizedCELoss_clsw", LF::GeneralizedCrossEntropy, false, true },
         LossCase{ "FocalDiceLoss", LF::FocalDice },
         LossCase{ "NoiseRobustDiceLoss", LF::NoiseRobustDice },
         LossCase{ "BinaryDiceLoss", LF::BinaryDice },
         LossCase{ "GroupDiceLoss", LF::GroupDice },
         LossCase{ "ExpLogLoss", LF::ExpLog },
         LossCase{ "MAELoss", LF::MeanAbsoluteError },
         LossCase{ "MAELoss_tanh", LF::MeanAbsoluteError, false, false, LossActivation::Tanh },
         LossCase{ "MSELoss", LF::MeanSquaredError },
         LossCase{ "SLSRLoss", LF::SmoothedLabels },
         LossCase{ "SLSRLoss_pixw", LF::SmoothedLabels, true },
         LossCase{ "EntropyLoss", LF::Entropy },
         LossCase{ "TotalVariationLoss_3d", LF::TotalVariation } })
  {
    check(values.name, { MakeLoss(values, figures.at("params"), io) }, values.hasPixelWeight);
  }
  check("Combined_demo", MakeCombination(), false);
}

TEST(MISFMLosses, Errors)
{
  Graph graph;
  const ValueId x = graph.AddInput("x", { 1, 2, 3, 3 });
  const ValueId weight = graph.AddInput("weight", { 1, 1, 3, 3 });
  const auto with = [](auto change)
  {
    LossOptions loss = MakeDice();
    change(loss);
    return loss;
  };
  EXPECT_NN_ERROR(AddLoss(graph, x, x, with([](auto & loss) { loss.classWeights = { 1, 2, 3 }; })),
                  "should be one for each of the 2 channels");
  EXPECT_NN_ERROR(AddLoss(graph, x, x, with([](auto & loss) { loss.classWeights = { 0, 0 }; })), "a sum above 0");
  EXPECT_NN_ERROR(AddLoss(graph, x, x, with([](auto & loss) { loss.classWeights = { 1, -1 }; })), "at least 0");
  EXPECT_NN_ERROR(AddLoss(graph,
                          x,
                          x,
                          with(
                            [](auto & loss)
                            {
                              loss.function = LossFunction::ExpLog;
                              loss.classWeights = { 1, 1 };
                            })),
                  "has no weights of classes");
  EXPECT_NN_ERROR(AddLoss(graph, x, x, with([](auto & loss) { loss.q = 0; })), "q 0 should be in (0, 1]");
  EXPECT_NN_ERROR(AddLoss(graph, x, x, with([](auto & loss) { loss.function = LossFunction::GroupDice; })),
                  "there are 2 channels, should be at least 3");
  EXPECT_NN_ERROR(AddLoss(graph, x, x, with([](auto & loss) { loss.function = LossFunction::Focal; }), weight),
                  "has no weights of pixels");
  EXPECT_NN_ERROR(AddLoss(graph, x, x, MakeDice(), x), "should be [1, 1, 3, 3]");
  for (const LossFunction function : { LossFunction::Dice, LossFunction::TotalVariation, LossFunction::ExpLog })
  {
    EXPECT_EQ(ParseLossFunction(ToString(function)), function);
  }
}

TEST(MISFMLosses, BlendOutOfRangeIsRefused)
{
  Graph graph;
  const ValueId x = graph.AddInput("x", { 1, 2, 3 });
  LossOptions loss = MakeCrossEntropy();
  loss.blend = 1;
  EXPECT_THROW(AddLoss(graph, x, x, loss), Error);
  loss.blend = -0.1;
  EXPECT_THROW(AddLoss(graph, x, x, loss), Error);
  loss.blend = 0.5;
  EXPECT_NO_THROW(AddLoss(graph, x, x, loss));
}

namespace
{
/** A training mode of a reference network. */
struct GradientCase
{
  const char * network;
  const char * file;
  const char * weights;
  const char * gradients; ///< their prefix, and their entry of the figures
  bool isDeep;
  /** Of float32, of a gradient's greatest element. An activation at a kink of its function
   * may round to the other side, which moves the sums over few elements visibly. */
  double tolerance;
};

std::ostream &
operator<<(std::ostream & stream, const GradientCase & values)
{
  return stream << values.file;
}

/** DropPath keeps images by the rows of the recorded draws, in the order of its calls. */
TensorMap
MakeMasks(const std::vector<RandomMask> & masks, const StateDict & io, double keepProbability)
{
  TensorMap tensors;
  const std::string recorded = "droppath_keep_masks";
  if (!io.Has(recorded))
  {
    return tensors;
  }
  const auto draws = io.Get(recorded).ToVector<float>();
  EXPECT_EQ(io.Get(recorded).GetShape()[0], static_cast<std::int64_t>(masks.size()));
  auto next = draws.begin();
  for (const auto & mask : masks)
  {
    EXPECT_EQ(mask.probability, 0.2) << mask.name;
    const std::int64_t images = NumberOfElements(mask.shape);
    Tensor bits = Tensor::Zeros({ (images + 7) / 8 }, DataType::UInt8);
    for (std::int64_t i = 0; i < images; ++i)
    {
      const unsigned int isKept = *next++ != 0 ? 1 : 0;
      bits.GetData<std::uint8_t>()[i / 8] |= static_cast<std::uint8_t>(isKept << (i % 8));
    }
    tensors.emplace(mask.name, bits);
    tensors.emplace(GetMaskValueName(mask.name), Tensor::Full({}, 1 / keepProbability));
  }
  return tensors;
}

double
DistanceOf(const TensorMap & ones, const TensorMap & others)
{
  double squares = 0;
  for (const auto & [name, tensor] : ones)
  {
    const auto a = tensor.ToVector<double>();
    const auto b = others.at(name).ToVector<double>();
    for (std::size_t i = 0; i < a.size(); ++i)
    {
      squares += (a[i] - b[i]) * (a[i] - b[i]);
    }
  }
  return std::sqrt(squares);
}

/** How far the gradient moves when the input does by at most 1e-6: rectifiers have
 * kinks, and one that is passed at a coarse level counts in hundredths of the gradient. */
double
FindJump(GradientRunner & runner, const TensorMap & inputs, const StateDict & weights, const TensorMap & gradients)
{
  double largest = 0;
  for (std::uint32_t seed = 0; seed < 8; ++seed)
  {
    TensorMap moved = inputs;
    Tensor input = inputs.at("input").To(DataType::Float64).Clone();
    const auto noise = RandomTensor(input.GetShape(), seed, -1e-6, 1e-6).ToVector<double>();
    for (std::size_t i = 0; i < noise.size(); ++i)
    {
      input.GetData<double>()[i] += noise[i];
    }
    moved["input"] = input;
    largest = std::max(largest, DistanceOf(runner.Run(moved, weights).gradients, gradients));
  }
  return largest;
}
} // namespace

class MISFMGradients : public ::testing::TestWithParam<GradientCase>
{};

/** In float64 tightly, in float32 as near as the reference's own precisions are. */
TEST_P(MISFMGradients, AreTheReferences)
{
  const GradientCase & values = GetParam();
  const std::string file = std::string("misfm/") + values.file;
  const std::string weightsFile = std::string("misfm/") + values.weights + ".weights.safetensors";
  ITK_NN_REQUIRE_GOLDEN(file + ".safetensors");
  ITK_NN_REQUIRE_GOLDEN(weightsFile);
  const Json figures = Json::parse(ReadText(FindGolden(file + ".json")));
  const Json & expectations = figures.at(values.gradients);
  const StateDict io = ReadSafeTensors(FindGolden(file + ".safetensors")).tensors;
  const StateDict weights = ReadSafeTensors(FindGolden(weightsFile)).tensors;
  const Json & configuration = figures.contains("config") ? figures.at("config") : figures;
  const auto network = Network::Create(values.network, configuration.dump());
  std::set<std::string> isUnused;
  for (const auto & name : expectations.at("unused_params"))
  {
    isUnused.insert(name);
  }
  RegisterBackends();
  double jump = 0;
  for (const auto precision : { DataType::Float64, DataType::Float32 })
  {
    SCOPED_TRACE(ToString(precision));
    const bool isDouble = precision == DataType::Float64;
    GradientOptions options;
    options.losses = MakeCombination();
    options.output = "output0";
    if (values.isDeep)
    {
      options.deepOutputs = { "output1", "output2", "output3" };
    }
    options.plan.precision = precision;
    GradientRunner runner(network, options);
    const Tensor label = ToPlanes(io.Get("label"), configuration.at("class_num").get<std::int64_t>());
    TensorMap inputs =
      MakeMasks(runner.GetMasks({ { "input", io.Get("input").GetShape() }, { "label", label.GetShape() } }),
                io,
                figures.value("keep_prob", 1.0));
    inputs.emplace("input", io.Get("input"));
    inputs.emplace("label", label);
    const GradientResult result = runner.Run(inputs, weights);
    EXPECT_NEAR(result.loss, expectations.at("loss_f64").get<double>(), isDouble ? 1e-8 : 2e-5);
    const std::string output = io.Has("train_output0") ? "train_output0" : "output0";
    EXPECT_LE(LargestDifference(result.logits, io.Get(output)), 5e-4);
    const double global = expectations.at("global_absmax");
    double squares = 0;
    double squaredErrors = 0;
    for (const auto & parameter : network->GetParameters())
    {
      const std::string & name = parameter.name;
      if (parameter.role == Network::Role::Statistic)
      {
        const std::string after = "bn_after/" + name;
        ASSERT_EQ(result.statistics.count(name) > 0, io.Has(after) && isUnused.count(name) == 0) << name;
        if (io.Has(after) && result.statistics.count(name) > 0)
        {
          const Tensor & expected = io.Get(after);
          EXPECT_LE(LargestDifference(result.statistics.at(name), expected), 1e-5 * (1 + LargestMagnitude(expected)))
            << name;
        }
      }
      if (parameter.role != Network::Role::Weight)
      {
        EXPECT_EQ(result.gradients.count(name), 0U) << name;
        continue;
      }
      const auto found = result.gradients.find(name);
      ASSERT_EQ(found == result.gradients.end(), isUnused.count(name) > 0) << name;
      if (found != result.gradients.end())
      {
        const Tensor & expected = io.Get(std::string(values.gradients) + '/' + name);
        const auto computed = found->second.ToVector<double>();
        const auto wanted = expected.ToVector<double>();
        for (std::size_t i = 0; i < wanted.size(); ++i)
        {
          squares += wanted[i] * wanted[i];
          squaredErrors += (computed[i] - wanted[i]) * (computed[i] - wanted[i]);
        }
        // The slope of a PReLU sums over all pixels what nearly cancels.
        const double least = wanted.size() == 1 ? 1e-3 : 1e-5;
        const double bound = isDouble ? 2e-5 * LargestMagnitude(expected) + 1e-11
                                      : std::max(values.tolerance * LargestMagnitude(expected), least * global);
        EXPECT_LE(LargestDifference(found->second, expected), bound)
          << name << " of magnitude " << LargestMagnitude(expected) << ", of all " << global;
      }
    }
    jump = isDouble ? FindJump(runner, inputs, weights, result.gradients) : jump;
    EXPECT_LE(std::sqrt(squaredErrors), isDouble ? 1e-5 * std::sqrt(squares) : 5e-4 * std::sqrt(squares) + 1.5 * jump);
  }
}

INSTANTIATE_TEST_SUITE_P(
  Networks,
  MISFMGradients,
  ::testing::Values(
    GradientCase{ "fmunet", "fmunet_b_res0_single_batch2", "fmunet_b_res0_single_batch2", "grad_single", false, 6e-3 },
    GradientCase{ "fmunet", "fmunet_a_res0_ms", "fmunet_a_res0_ms", "grad_deep2", true, 6e-3 },
    GradientCase{ "pctnet", "pctnet_d_train_nodroppath", "pctnet_abc", "grad", true, 0.03 },
    GradientCase{ "pctnet", "pctnet_e_train_droppath", "pctnet_abc", "grad", true, 0.1 },
    GradientCase{ "unet3d", "unet3d_a_trilinear_ms", "unet3d_a_trilinear_ms", "grad", true, 2e-3 },
    GradientCase{ "unet3d", "unet3d_b_transconv", "unet3d_b_transconv", "grad", false, 2e-3 },
    GradientCase{ "unet3d", "unet3d_d_instancenorm", "unet3d_d_instancenorm", "grad", false, 2e-3 }),
  [](const auto & values) { return std::string(values.param.file); });

/** The modes of deep supervision, from the logits of the reference. */
TEST(MISFMLosses, DeepSupervision)
{
  const std::string file = "misfm/fmunet_a_res0_ms";
  ITK_NN_REQUIRE_GOLDEN(file + ".safetensors");
  ITK_NN_REQUIRE_GOLDEN(file + ".weights.safetensors");
  const Json figures = Json::parse(ReadText(FindGolden(file + ".json")));
  const StateDict io = ReadSafeTensors(FindGolden(file + ".safetensors")).tensors;
  const StateDict weights = ReadSafeTensors(FindGolden(file + ".weights.safetensors")).tensors;
  RegisterBackends();
  for (const auto & [mode, name] : { std::pair{ DeepSupervision::Logits, "mode0" },
                                     std::pair{ DeepSupervision::Labels, "mode1" },
                                     std::pair{ DeepSupervision::Pooled, "mode2" } })
  {
    GradientOptions options;
    options.losses = MakeCombination();
    options.output = "output0";
    options.deepOutputs = { "output1", "output2", "output3" };
    options.deepSupervision = mode;
    options.plan.precision = DataType::Float64;
    GradientRunner runner(Network::Create("fmunet", figures.at("config").dump()), options);
    const GradientResult result =
      runner.Run({ { "input", io.Get("input") }, { "label", ToPlanes(io.Get("label"), 5) } }, weights);
    EXPECT_NEAR(result.loss, figures.at("loss_deep").at(name).at("value_f64").get<double>(), 1e-8) << name;
    EXPECT_EQ(ParseDeepSupervision(ToString(mode)), mode);
  }
  EXPECT_NN_ERROR(ParseDeepSupervision("mode2"), "should be logits, labels or pooled");
}

namespace
{
Network::ConstPointer
MakeSmallUNet()
{
  return Network::Create("unet3d",
                         R"({"in_chns": 1, "class_num": 2, "feature_chns": [2, 4, 4, 4],
                             "dropout": [0, 0, 0.25, 0.5]})");
}

StateDict
MakeWeights(const Network & network)
{
  StateDict weights;
  RandomStream random(1);
  for (const auto & parameter : network.GetParameters())
  {
    if (parameter.role != Network::Role::Buffer)
    {
      Tensor tensor(parameter.shape);
      for (std::int64_t i = 0; i < tensor.GetNumberOfElements(); ++i)
      {
        tensor.GetData<float>()[i] = static_cast<float>(random.Uniform(0.1, 0.5));
      }
      weights.Add(parameter.name, tensor);
    }
  }
  return weights;
}
} // namespace

/** Draws depend on the stream alone, keep the mean, and change the result. */
TEST(MISFMTraining, DropoutDrawsMasks)
{
  const auto network = MakeSmallUNet();
  const StateDict weights = MakeWeights(*network);
  RegisterBackends();
  GradientOptions options;
  options.output = "output0";
  GradientRunner runner(network, options);
  const Shape inputShape{ 1, 1, 16, 16, 16 };
  const Shape labelShape{ 1, 2, 16, 16, 16 };
  Tensor input(inputShape);
  for (std::int64_t i = 0; i < input.GetNumberOfElements(); ++i)
  {
    input.GetData<float>()[i] = static_cast<float>(i % 7) - 3;
  }
  const TensorMap inputs{ { "input", input }, { "label", Tensor::Zeros(labelShape) } };
  const auto masks = runner.GetMasks({ { "input", inputShape }, { "label", labelShape } });
  // Of the encoder's levels 2 and 3, and of the decoder's level 2.
  ASSERT_EQ(masks.size(), 3U);
  EXPECT_EQ(masks[0].name, "encoder.down2.maxpool_conv.1.conv_conv.3");
  EXPECT_EQ(masks[0].probability, 0.25);
  EXPECT_EQ(masks[0].shape, (Shape{ 1, 4, 4, 4, 4 }));
  const auto run = [&](std::uint64_t seed)
  {
    RandomStream random(seed);
    return runner.Run(inputs, weights, {}, &random).logits;
  };
  EXPECT_EQ(LargestDifference(run(7), run(7)), 0);
  EXPECT_GT(LargestDifference(run(7), run(8)), 0);
  EXPECT_GT(LargestDifference(run(7), runner.Run(inputs, weights).logits), 0);
  EXPECT_EQ(LargestDifference(runner.Run(inputs, weights).logits, runner.Run(inputs, weights).logits), 0);
}

namespace
{
/** Volumes with a bright corner. */
class CornerSource : public BatchSource
{
public:
  TensorMap MakeBatch(std::uint64_t position) const override
  {
    RandomStream random = RandomStream(5).Derive(position);
    TensorMap batch{ { "input", Tensor({ 2, 1, 16, 16, 16 }) }, { "label", Tensor::Zeros({ 2, 2, 16, 16, 16 }) } };
    for (std::int64_t i = 0; i < 2 * 4096; ++i)
    {
      const bool isInside = i / 256 % 16 < 8 && i / 16 % 16 < 8 && i % 16 < 8;
      batch["input"].GetData<float>()[i] = static_cast<float>((isInside ? 1 : 0) + 0.3 * random.Normal());
      batch["label"].GetData<float>()[(i / 4096 * 2 + (isInside ? 1 : 0)) * 4096 + i % 4096] = 1;
    }
    return batch;
  }
};
} // namespace

/** The gradients of one tensor are those of many, where the plan's device has them. */
TEST(MISFMTraining, JoinedGradients)
{
  const auto network = MakeSmallUNet();
  const StateDict weights = MakeWeights(*network);
  const TensorMap inputs = CornerSource().MakeBatch(1);
  for (const auto & target : test::GetTargets(DataType::Float32))
  {
    GradientOptions options;
    options.output = "output0";
    options.plan = test::OptionsOf(target);
    const GradientResult many = GradientRunner(network, options).Run(inputs, weights);
    EXPECT_EQ(many.parts, nullptr);
    options.joinGradients = true;
    const GradientResult joined = GradientRunner(network, options).Run(inputs, weights);
    EXPECT_NEAR(joined.loss, many.loss, 1e-6);
    ASSERT_NE(joined.parts, nullptr);
    EXPECT_TRUE(joined.gradients.empty());
    EXPECT_EQ(joined.joinedGradients.IsOnDevice(), target.device.type != Device::Type::Cpu);
    const TensorMap gradients = joined.parts->Split(joined.joinedGradients.ToHost());
    ASSERT_EQ(gradients.size(), many.gradients.size());
    for (const auto & [name, gradient] : many.gradients)
    {
      EXPECT_LE(LargestDifference(gradients.at(name), gradient), 1e-6 * (1 + LargestMagnitude(gradient)))
        << target.backend << ' ' << name;
    }
    ASSERT_FALSE(many.statistics.empty());
    ASSERT_EQ(joined.statistics.size(), many.statistics.size());
    for (const auto & [name, statistic] : many.statistics)
    {
      EXPECT_LE(LargestDifference(joined.statistics.at(name), statistic), 1e-6) << target.backend << ' ' << name;
    }
  }
}

/** Of float32 also when the batch is computed in 16 bits, whose steps from 100 are 0.5. */
TEST(MISFMTraining, RunningStatisticsMoveInSixteenBits)
{
  const auto network = MakeSmallUNet();
  StateDict weights = MakeWeights(*network);
  const std::string name = "encoder.in_conv.conv_conv.1.running_mean";
  weights.Set(name, Tensor::Full(weights.Get(name).GetShape(), 100.1));
  bool isThere = false;
  for (const auto & target : test::GetTargets(true))
  {
    if (target.precision != DataType::BFloat16)
    {
      continue;
    }
    isThere = true;
    GradientOptions options;
    options.output = "output0";
    options.plan = test::OptionsOf(target);
    const auto moved = GradientRunner(network, options).Run(CornerSource().MakeBatch(1), weights).statistics.at(name);
    EXPECT_EQ(moved.GetDataType(), DataType::Float32);
    for (const double value : moved.ToVector<double>())
    {
      // The batch's mean is of some units.
      const double ofBatch = (value - 0.9 * 100.1) / 0.1;
      EXPECT_LT(std::abs(ofBatch), 10);
      EXPECT_NE(value, Tensor::Full({ 1 }, value).To(DataType::BFloat16).GetElement({ 0 }));
    }
  }
  if (!isThere)
  {
    GTEST_SKIP() << "no backend computes in bfloat16";
  }
}

/** Running statistics and dropout go on from a checkpoint bit by bit. */
TEST(MISFMTraining, GoesOnWithStatisticsAndDropout)
{
  const auto network = MakeSmallUNet();
  RegisterBackends();
  const auto train = [&](std::int64_t steps, std::uint64_t seed, const std::string & resumed)
  {
    TrainerOptions options;
    options.steps = steps;
    options.seed = seed;
    options.batchesPerStep = 2;
    options.schedule.rate = 1e-3;
    options.gradients.output = "output0";
    options.gradients.plan.threads = 2;
    options.checkpoint = std::string(UNIVERSEG_TEST_OUTPUT) + "/misfm-trainer.safetensors";
    Trainer trainer(network, MakeWeights(*network), std::make_shared<CornerSource>(), options);
    if (!resumed.empty())
    {
      trainer.Resume(resumed);
    }
    trainer.Run();
    return trainer.GetState().weights;
  };
  const std::string statistic = "encoder.in_conv.conv_conv.1.running_var";
  const StateDict whole = train(4, 1, "");
  train(2, 1, "");
  const StateDict parts = train(4, 1, std::string(UNIVERSEG_TEST_OUTPUT) + "/misfm-trainer.safetensors");
  const StateDict other = train(4, 2, "");
  const StateDict start = MakeWeights(*network);
  EXPECT_GT(LargestDifference(whole.Get(statistic), start.Get(statistic)), 1e-3);
  double differences = 0;
  for (const auto & [name, tensor] : whole)
  {
    EXPECT_EQ(LargestDifference(tensor, parts.Get(name)), 0) << name;
    differences += LargestDifference(tensor, other.Get(name));
  }
  EXPECT_GT(differences, 0);
}

class FMUNetTrajectory : public ::testing::TestWithParam<std::string>
{};

/** Six steps, the rate falling after every second. */
TEST_P(FMUNetTrajectory, IsTheReferences)
{
  const std::string file = "misfm/fmunet_e_train6_" + GetParam();
  ITK_NN_REQUIRE_GOLDEN(file + ".safetensors");
  ITK_NN_REQUIRE_GOLDEN(file + ".weights.safetensors");
  const Json figures = Json::parse(ReadText(FindGolden(file + ".json")));
  const StateDict io = ReadSafeTensors(FindGolden(file + ".safetensors")).tensors;
  StateDict weights = ReadSafeTensors(FindGolden(file + ".weights.safetensors")).tensors;
  std::set<std::string> isFree;
  for (const auto & name : figures.at("zero_gradient_params"))
  {
    isFree.insert(name);
  }
  RegisterBackends();
  GradientOptions options;
  options.losses = MakeCombination();
  options.output = "output0";
  GradientRunner runner(Network::Create("fmunet", figures.dump()), options);
  OptimizerOptions optimizerOptions;
  const bool isAdam = GetParam() == "adam";
  optimizerOptions.method = isAdam ? OptimizerMethod::Adam : OptimizerMethod::Sgd;
  optimizerOptions.nesterov = !isAdam;
  optimizerOptions.weightDecay = figures.at("optimizer").at("weight_decay");
  Optimizer optimizer(optimizerOptions);
  const auto & losses = figures.at("losses");
  for (std::size_t step = 0; step < losses.size(); ++step)
  {
    const auto number = static_cast<std::int64_t>(step);
    const GradientResult result =
      runner.Run({ { "input", GetSample(io.Get("inputs"), number) },
                   { "label", ToPlanes(GetSample(io.Get("labels"), number).Reshape({ 1, 16, 16, 32 }), 2) } },
                 weights);
    EXPECT_NEAR(result.loss, losses[step].get<double>(), 2e-5) << "step " << step;
    optimizer.Step(weights, result.gradients, figures.at("lr_used")[step].get<double>());
    const std::string key = "after" + std::to_string(step + 1) + '/';
    for (const auto & [name, tensor] : weights)
    {
      // Adam makes steps of rounding noise where the true gradient is 0.
      if (io.Has(key + name) && !(isAdam && isFree.count(name) > 0))
      {
        EXPECT_LE(LargestDifference(tensor, io.Get(key + name)), isAdam ? 3e-4 : 2e-6) << key << name;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Methods, FMUNetTrajectory, ::testing::Values("adam", "sgd"));
