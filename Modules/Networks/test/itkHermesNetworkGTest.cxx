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
#include "itkHermesTestHelpers.h"
#include "itkNNHermesModules.h"
#include "itkNNNetworkRunner.h"
#include "itkNNSafeTensors.h"
#include "itkNNTestTargets.h"
#include "itkNNTorchFile.h"

#include <gtest/gtest.h>
#include <algorithm>
#include <cmath>
#include <functional>

namespace
{
using namespace itk::nn;
using namespace itk::nn::test;

/** base_ch 8, a block a level, and two domains. */
const char * const small = R"({"in_ch": 2, "base_ch": 8, "num_block": [1, 1, 1, 1], "tn": 5, "mn": 3,
    "kernel_size": [[1, 3, 3], [3, 3, 3], [1, 1, 1], [1, 1, 1], [1, 1, 1]],
    "domains": [{"tgt_idx": [2, 0, 3], "mod_idx": 1}, {"tgt_idx": [4], "mod_idx": -1}], "task": 0})";

TEST(HermesForward, OutputsAgree)
{
  const std::string folder = "hermes/hermes_r_narrow/";
  for (const char * file : { "config.json", "io.safetensors", "weights_f16.safetensors" })
  {
    ITK_NN_REQUIRE_GOLDEN(folder + file);
  }
  const auto network = Network::Create("hermes", ReadText(FindGolden(folder + "config.json")));
  EXPECT_EQ(network->GetNumberOfParameters(), 1487860);
  const StateDict io = ReadSafeTensors(FindGolden(folder + "io.safetensors")).tensors;
  const auto weights =
    std::make_shared<StateDict>(ReadSafeTensors(FindGolden(folder + "weights_f16.safetensors")).tensors);
  const auto inferred = Network::Infer(*weights);
  EXPECT_EQ(inferred->GetConfiguration(), network->GetConfiguration());
  for (const auto & target : GetTargets(DataType::Float32))
  {
    NetworkRunner runner(inferred, weights, OptionsOf(target));
    const TensorMap outputs = runner.Run(GetInputs(io));
    EXPECT_EQ(outputs.size(), 2U);
    EXPECT_LE(MaximumDifference(outputs.at("out"), io.Get("out")), 2e-3) << target.backend;
    EXPECT_LE(MaximumDifference(outputs.at("mod_out"), io.Get("mod_out")), 2e-5) << target.backend;
  }
  for (const auto & target : GetTargets(DataType::Float64, true))
  {
    NetworkRunner runner(inferred, weights, OptionsOf(target));
    const TensorMap outputs = runner.Run(GetInputs(io));
    Tensor block = outputs.at("out");
    for (int axis = 2; axis < 5; ++axis)
    {
      block = block.Slice(axis, 12, 20);
    }
    EXPECT_LE(MaximumDifference(block.Contiguous(), io.Get("out64_block")), 1e-9) << target.backend;
    EXPECT_LE(MaximumDifference(outputs.at("mod_out"), io.Get("mod_out64")), 1e-9) << target.backend;
  }
}

/** The layer of priors and both heads alone: channels that no heads divide, and no fusion of a whole network. */
TEST(HermesForward, PriorsAndHeadsAgree)
{
  const std::string folder = "hermes/prior_fusion/";
  ITK_NN_REQUIRE_GOLDEN(folder + "io.safetensors");
  ITK_NN_REQUIRE_GOLDEN(folder + "weights.safetensors");
  const StateDict io = ReadSafeTensors(FindGolden(folder + "io.safetensors")).tensors;
  const StateDict weights = ReadSafeTensors(FindGolden(folder + "weights.safetensors")).tensors;
  std::vector<Network::Parameter> parameters;
  for (const auto & [name, tensor] : weights)
  {
    parameters.push_back({ name, tensor.GetShape() });
  }
  HermesPriors priors;
  priors.tasks = 5;
  priors.modalities = 3;
  TensorMap inputs = GetInputs(io);
  ShapeMap shapes;
  for (const auto & [name, tensor] : inputs)
  {
    shapes[name] = tensor.GetShape();
  }
  Graph graph;
  HermesBuilder builder(graph, "hermes", priors, shapes, shapes["input"][1], { { 1, 1, 1 } }, parameters);
  graph.AddOutput("feat_out", builder.Fuse(builder.GetInput(), "fuse", 2));
  graph.AddOutput("tokens_out", builder.GetPosteriors().back());
  inputs["feat_for_seg"] = io.Get("feat_for_seg");
  const ValueId features = graph.AddInput("feat_for_seg", inputs["feat_for_seg"].GetShape());
  graph.AddOutput("seg_logits", builder.Classify(features, "seg"));
  graph.AddOutput("mod_logits", builder.ClassifyModality("mod"));
  for (const auto & target : GetTargets(DataType::Float32))
  {
    const TensorMap outputs = ExecutionPlan::Compile(graph, weights, OptionsOf(target))->Run(inputs);
    for (const char * name : { "feat_out", "tokens_out", "seg_logits", "mod_logits" })
    {
      EXPECT_LE(MaximumDifference(outputs.at(name), io.Get(name)), 2e-5) << target.backend << ' ' << name;
    }
  }
}

/** Names, order and shapes of the state dict of the paper's size. */
TEST(HermesNetwork, KeysAreTheReferences)
{
  const std::string file = "hermes/statedict_hermes_resunet.txt";
  ITK_NN_REQUIRE_GOLDEN(file);
  const auto network = Network::Create("hermes", "{}");
  EXPECT_EQ(network->GetNumberOfParameters(), 60884998);
  ExpectParameters(*network, ReadKeys(FindGolden(file)));
  EXPECT_EQ(Network::Create("hermes", R"({"base_ch": 16})")->GetNumberOfParameters(), 15277830);
  EXPECT_EQ(Network::Create("hermes", R"({"base_ch": 64})")->GetNumberOfParameters(), 243087366);
}

TEST(HermesNetwork, ConfigurationsComeBackFromJsonAndWeights)
{
  Json strided = Json::parse(small);
  strided.erase("domains");
  strided.erase("task");
  strided["block"] = "BasicBlock";
  strided["norm"] = "in";
  strided["scale"] = Json::parse("[[2, 2, 2], [2, 2, 2], [2, 2, 2], [2, 2, 2]]");
  strided["num_block"] = { 2, 1, 3, 1 };
  strided["pool"] = false;
  Json pooled = strided;
  pooled["pool"] = true;
  for (const Json & json : { strided, pooled })
  {
    const auto network = Network::Create("hermes", json.dump());
    EXPECT_EQ(Json::parse(network->GetConfiguration()), json);
    const auto inferred = Network::Infer(MakeWeights(*network));
    EXPECT_EQ(inferred->GetName(), "hermes");
    EXPECT_EQ(Json::parse(inferred->GetConfiguration()), json);
  }
  // What weights do not tell.
  const auto network =
    Network::Create("hermes", Change(small, "scale", Json::parse("[[1,2,2],[2,2,2],[2,2,2],[2,2,2]]")).dump());
  const Json configuration = Json::parse(network->GetConfiguration());
  EXPECT_EQ(configuration["domains"], Json::parse(small)["domains"]);
  EXPECT_EQ(configuration["scale"][0], Json::parse("[1, 2, 2]"));
  const auto inferred = std::dynamic_pointer_cast<const HermesNetwork>(Network::Infer(MakeWeights(*network)));
  ASSERT_NE(inferred, nullptr);
  EXPECT_TRUE(inferred->GetValues().priors.domains.empty());
  EXPECT_EQ(inferred->GetValues().scales[0], (HermesConfiguration::Extent{ { 2, 2, 2 } }));
}

TEST(HermesNetwork, RunsForEachOfItsDomains)
{
  const auto network = Network::Create("hermes", small);
  EXPECT_EQ(network->GetNumberOfTasks(), 2);
  EXPECT_EQ(network->GetTask(), 0);
  EXPECT_EQ(network->GetLogitsName(), "out");
  EXPECT_EQ(network->GetInputNames(), std::vector<std::string>{ "input" });
  Json json = Json::parse(small);
  json.erase("domains");
  const auto chosen = Network::Create("hermes", json.dump());
  EXPECT_EQ(chosen->GetNumberOfTasks(), 1);
  EXPECT_EQ(chosen->GetInputNames(), (std::vector<std::string>{ "input", "tgt_idx", "mod_idx" }));
  const auto weights = MakeSmallWeights(*network);
  const Tensor image = MakeImage({ 2, 2, 16, 16, 32 });
  const auto numbers = [](const Shape & shape, const std::vector<std::int64_t> & values)
  { return Tensor::FromVector(shape, values); };
  const std::vector<TensorMap> inputs{
    { { "input", image },
      { "tgt_idx", numbers({ 2, 4 }, { 2, 0, 3, -1, 2, 0, 3, -1 }) },
      { "mod_idx", numbers({ 2 }, { 1, 1 }) } },
    { { "input", image },
      { "tgt_idx", numbers({ 2, 2 }, { 4, -1, 4, -1 }) },
      { "mod_idx", numbers({ 2, 1 }, { 2, -1 }) } },
  };
  for (const auto & target : GetTargets(DataType::Float32, true))
  {
    NetworkRunner reference(chosen, weights, OptionsOf(target));
    for (std::int64_t task = 0; task < 2; ++task)
    {
      const auto ofTask = network->ForTask(task);
      EXPECT_EQ(ofTask->GetTask(), task);
      NetworkRunner runner(ofTask, weights, OptionsOf(target));
      const TensorMap outputs = runner.Run({ { "input", image } });
      const TensorMap expected = reference.Run(inputs[static_cast<std::size_t>(task)]);
      const std::int64_t classes = task == 0 ? 3 : 1;
      EXPECT_EQ(outputs.at("out").GetShape(), (Shape{ 2, classes, 16, 16, 32 }));
      EXPECT_EQ(outputs.at("mod_out").GetShape(), (Shape{ 2, 3 }));
      // Without the null task's.
      EXPECT_LE(MaximumDifference(outputs.at("out"), expected.at("out").Slice(1, 0, classes).Contiguous()), 1e-3)
        << target.backend;
      EXPECT_LE(MaximumDifference(outputs.at("mod_out"), expected.at("mod_out")), 1e-4) << target.backend;
    }
  }
  for (const std::int64_t task : { -1, 2 })
  {
    EXPECT_NE(ErrorOf([&] { network->ForTask(task); }).find("task is " + std::to_string(task) + ", should be 0 to 1"),
              std::string::npos);
  }
  EXPECT_NE(ErrorOf([&] { chosen->ForTask(0); }).find("hermes, which has no configured domains"), std::string::npos);
}

/** A number that is of no prior is not taken for another. */
TEST(HermesNetwork, NumbersOfNoPriorGiveNoNumbers)
{
  Json json = Json::parse(small);
  json.erase("domains");
  const auto network = Network::Create("hermes", json.dump());
  const auto weights = MakeSmallWeights(*network);
  const auto run = [&](NetworkRunner & runner, std::int64_t task, std::int64_t modality)
  {
    const TensorMap outputs = runner.Run({ { "input", MakeImage({ 1, 2, 16, 16, 32 }) },
                                           { "tgt_idx", Tensor::FromVector<std::int64_t>({ 1, 1 }, { task }) },
                                           { "mod_idx", Tensor::FromVector<std::int64_t>({ 1 }, { modality }) } });
    return std::isnan(outputs.at("out").ToVector<float>()[0]);
  };
  for (const auto & target : GetTargets(DataType::Float32))
  {
    NetworkRunner runner(network, weights, OptionsOf(target));
    EXPECT_FALSE(run(runner, 4, 2)) << target.backend;
    EXPECT_FALSE(run(runner, -1, -1)) << target.backend;
    EXPECT_TRUE(run(runner, 6, 0)) << target.backend;
    EXPECT_TRUE(run(runner, -2, 0)) << target.backend;
    EXPECT_TRUE(run(runner, 0, 3)) << target.backend;
  }
}

/** Pools round down, and up-samplings go to the extents of what they are joined with. */
TEST(HermesNetwork, TakesAnyExtents)
{
  for (const bool pool : { true, false })
  {
    const auto network = Network::Create("hermes", Change(small, "pool", pool).dump());
    const auto weights = MakeSmallWeights(*network);
    const Tensor image = MakeImage({ 1, 2, 21, 17, 35 });
    Tensor expected;
    for (const auto & target : GetTargets(DataType::Float32, true))
    {
      NetworkRunner runner(network, weights, OptionsOf(target));
      const Tensor logits = runner.Run({ { "input", image } }).at("out");
      EXPECT_EQ(logits.GetShape(), (Shape{ 1, 3, 21, 17, 35 }));
      expected = expected.IsDefined() ? expected : logits;
      EXPECT_LE(MaximumDifference(logits, expected), 1e-3) << target.backend;
    }
    const Graph graph = network->BuildGraph({ { "input", image.GetShape() } });
    const auto deepest = std::find_if(graph.GetNodes().rbegin(),
                                      graph.GetNodes().rend(),
                                      [](const Graph::Node & node) { return node.name.find("down4.conv") == 0; });
    ASSERT_NE(deepest, graph.GetNodes().rend());
    EXPECT_EQ(graph.GetShape(deepest->output), (pool ? Shape{ 1, 80, 1, 1, 2 } : Shape{ 1, 80, 2, 2, 3 }));
  }
}

TEST(HermesNetwork, BeginsAsTheReference)
{
  const auto parameters = Network::Create("hermes", small)->GetParameters();
  const auto expect = [&](const std::string & name, Initialization::Distribution distribution, double scale)
  {
    const auto found = std::find_if(parameters.begin(),
                                    parameters.end(),
                                    [&name](const Network::Parameter & parameter) { return parameter.name == name; });
    ASSERT_NE(found, parameters.end()) << name;
    EXPECT_EQ(found->initial.distribution, distribution) << name;
    EXPECT_NEAR(found->initial.scale, scale, 1e-12) << name;
  };
  using D = Initialization::Distribution;
  const std::string fusion = "prior_init_fuse_2.";
  // Of 32 channels, 5 tasks and 3 modalities.
  expect(fusion + "task_prior", D::Uniform, std::sqrt(6.0 / (32 + 6)));
  expect(fusion + "modality_prior", D::Uniform, std::sqrt(6.0 / ((10 + 3) * 32)));
  expect(fusion + "attn_layers.0.prior_ffn.fn.fc2.weight", D::Uniform, 1 / std::sqrt(128.0));
  expect(fusion + "attn_layers.0.prior_ffn.fn.fc2.bias", D::Uniform, 1 / std::sqrt(128.0));
  expect(fusion + "attn_layers.0.prior_ffn.norm.weight", D::Constant, 1);
  expect("down1.conv.1.conv1.conv.weight", D::Uniform, 1 / std::sqrt(8.0 * 27));
  // All scales have 272 channels.
  expect("out.classifier_pred.0.fc2.weight", D::Uniform, std::sqrt(6.0 / (272 + 8)));
  expect("out.classifier_pred.0.fc2.bias", D::Constant, 0);
  expect("mod_out.classifier.fc2.weight", D::Uniform, 1 / std::sqrt(272.0));
}

TEST(HermesNetwork, BadConfigurationsAreNamed)
{
  const std::pair<const char *, const char *> cases[] = {
    { "[]", "not a JSON object" },
    { R"({"in_ch": 0})", "'in_ch' is 0, should be an integer of 1" },
    { R"({"base_ch": 7})", "base_ch is 7, should be 8 to" },
    { R"({"scale": [[2, 2, 2]]})", "'scale' is [[2,2,2]], should be a list of 4 lists of 3 integers of 1 to 15" },
    { R"({"scale": [[2, 2], [2, 2], [2, 2], [2, 2]]})", "should be a list of 4 lists of 3 integers" },
    { R"({"kernel_size": [3, 3, 3, 3, 3]})", "should be a list of 5 lists of 3 integers" },
    { R"({"kernel_size": [[3, 3, 3], [3, 3, 3], [3, 2, 3], [3, 3, 3], [3, 3, 3]]})", "is 2, should be odd" },
    { R"({"num_block": [2, 2, 2]})", "'num_block' is [2,2,2], should be a list of 4 integers" },
    { R"({"block": "Bottleneck"})", "'block' is \"Bottleneck\", should be BasicBlock" },
    { R"({"norm": "bn"})", "'norm' is \"bn\", should be in" },
    { R"({"pool": 1})", "should be true or false" },
    { R"({"tn": 0})", "'tn' is 0, should be an integer of 1 to 256" },
    { R"({"mn": 257})", "'mn' is 257, should be an integer of 1 to 256" },
    { R"({"domains": [1]})", "'domains' is [1], should be a list of objects" },
    { R"({"domains": [{"mod_idx": 0}]})", "domains[0]: the configuration has no key 'tgt_idx'" },
    { R"({"domains": [{"tgt_idx": [0]}, {"tgt_idx": [-1]}]})", "domains[1]: configuration key 'tgt_idx' is [-1]" },
    { R"({"domains": [{"tgt_idx": [72]}]})", "domains[0]: an entry of tgt_idx is 72, should be 0 to 71" },
    { R"({"domains": [{"tgt_idx": [0], "mod_idx": 6}]})", "domains[0]: mod_idx is 6, should be -1 to 5" },
    { R"({"domains": [{"tgt_idx": [0]}], "task": 1})", "task is 1, should be 0 to 0" },
    { R"({"task": 1})", "task is 1, should be 0 to 0" },
  };
  for (const auto & entry : cases)
  {
    const std::string message = ErrorOf([&entry] { Network::Create("hermes", entry.first); });
    EXPECT_NE(message.find(entry.second), std::string::npos) << entry.first << ": " << message;
  }
  const auto expect = [](const char * text, const std::function<void(HermesConfiguration &)> & change)
  {
    HermesConfiguration configuration;
    change(configuration);
    const std::string message = ErrorOf([&] { HermesNetwork network(configuration); });
    EXPECT_NE(message.find(text), std::string::npos) << message;
  };
  expect("scale has 1 entries, should have 4", [](auto & c) { c.scales.resize(1); });
  expect("kernel_size has 0 entries, should have 5", [](auto & c) { c.kernels.clear(); });
  expect("num_block has 5 entries, should have 4", [](auto & c) { c.blocks.resize(5); });
  expect("an entry of num_block is 0", [](auto & c) { c.blocks[3] = 0; });
  expect("tgt_idx is empty", [](auto & c) { c.priors.domains.resize(1); });
}

TEST(HermesNetwork, BadInputsAndWeightsAreNamed)
{
  Json json = Json::parse(small);
  json.erase("domains");
  const auto network = Network::Create("hermes", json.dump());
  const Shape image{ 2, 2, 16, 16, 32 };
  const auto expect = [&](const ShapeMap & inputs, const std::string & text)
  {
    const std::string message = ErrorOf([&] { network->BuildGraph(inputs); });
    EXPECT_NE(message.find(text), std::string::npos) << message;
  };
  expect({}, "input 'input' [B, 2, D, H, W] is missing");
  expect({ { "input", { 2, 1, 16, 16, 32 } } }, "should be [B, 2, D, H, W]");
  expect({ { "input", image } }, "input 'tgt_idx' [B, T] is missing; it is not needed with configured domains");
  expect({ { "input", image }, { "tgt_idx", { 1, 3 } } }, "'tgt_idx' has shape [1, 3], should be [2, T]");
  expect({ { "input", image }, { "tgt_idx", { 2, 0 } } }, "'tgt_idx' has shape [2, 0], should be [2, T]");
  expect({ { "input", image }, { "tgt_idx", { 2, 3 } } }, "input 'mod_idx' [B] is missing");
  expect({ { "input", image }, { "tgt_idx", { 2, 3 } }, { "mod_idx", { 2, 2 } } },
         "'mod_idx' has shape [2, 2], should be [2]");
  expect({ { "input", { 2, 2, 16, 16, 16 } }, { "tgt_idx", { 2, 3 } }, { "mod_idx", { 2 } } },
         "leaves 1 x 1 x 1 voxels at the coarsest level, should leave more than one");
  expect({ { "input", { 2, 2, 15, 64, 64 } }, { "tgt_idx", { 2, 3 } }, { "mod_idx", { 2 } } },
         "leaves 0 x 4 x 4 voxels");

  StateDict weights = MakeWeights(*network);
  EXPECT_NO_THROW(network->CheckWeights(weights));
  weights.Add("up1.conv.0.conv3.conv.weight", Tensor::Zeros({ 2 }));
  EXPECT_NE(ErrorOf([&] { HermesNetwork::FromWeights(weights); }).find("unexpected 'up1.conv.0.conv3.conv.weight'"),
            std::string::npos);
  StateDict flat;
  flat.Add("inc.conv1.weight", Tensor::Zeros({ 2 }));
  flat.Add("prior_init_fuse_2.task_prior", Tensor::Zeros({ 2 }));
  EXPECT_NE(ErrorOf([&] { HermesNetwork::FromWeights(flat); }).find("is [2], should have 5 axes"), std::string::npos);
  EXPECT_EQ(HermesNetwork::FromWeights(StateDict()), nullptr);
}

/** A state dict as PyTorch saves it. */
TEST(HermesNetwork, CheckpointsOfTheReferenceLoad)
{
  const std::string folder = "hermes/hermes_r_narrow/";
  ITK_NN_REQUIRE_GOLDEN(folder + "weights.pt");
  ITK_NN_REQUIRE_GOLDEN(folder + "weights_f16.safetensors");
  const StateDict expected = ReadSafeTensors(FindGolden(folder + "weights_f16.safetensors")).tensors;
  const StateDict weights = ExtractStateDict(ReadTorchFile(FindGolden(folder + "weights.pt")).root);
  EXPECT_EQ(Network::Infer(weights)->GetName(), "hermes");
  EXPECT_EQ(weights.GetSize(), expected.GetSize());
  for (const auto & tensor : expected)
  {
    ASSERT_TRUE(weights.Has(tensor.first)) << tensor.first;
    EXPECT_EQ(MaximumDifference(weights.Get(tensor.first), tensor.second), 0) << tensor.first;
  }
}
} // namespace
