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
#include "itkHermesMedFormerNetwork.h"
#include "itkHermesTestHelpers.h"
#include "itkNNMedFormerModules.h"
#include "itkNNNetworkRunner.h"
#include "itkNNSafeTensors.h"
#include "itkNNTestTargets.h"
#include "itkNNTorchFile.h"

#include <gtest/gtest.h>
#include <algorithm>
#include <functional>

namespace
{
using namespace itk::nn;
using namespace itk::nn::test;

/** Two levels of priors with 32 channels a head, and two domains. */
const char * const small =
  R"({"in_chan": 2, "base_chan": 4, "map_size": [1, 1, 2], "conv_num": [1, 1, 0, 0, 0, 1, 1, 2],
    "trans_num": [0, 1, 1, 2, 1, 2, 0, 0], "chan_num": [4, 32, 32, 64, 32, 32, 4, 6],
    "num_heads": [1, 1, 1, 2, 1, 1, 1, 1], "fusion_depth": 1, "fusion_dim": 32, "fusion_heads": 1, "expansion": 1,
    "conv_block": "BasicBlock", "attn_drop": 0.0, "proj_drop": 0.0, "proj_type": "depthwise", "norm": "in",
    "act": "relu", "kernel_size": [[1, 3, 3], [3, 3, 3], [1, 1, 1], [3, 1, 3], [1, 1, 1]],
    "scale": [[2, 2, 2], [2, 2, 2], [2, 2, 2], [2, 2, 2]], "aux_loss": true, "tn": 5, "mn": 3,
    "domains": [{"tgt_idx": [2, 0, 3], "mod_idx": 1}, {"tgt_idx": [4], "mod_idx": -1}], "task": 0})";

TEST(HermesMedFormerForward, OutputsAgree)
{
  const std::string folder = "hermes/hermes_m_narrow/";
  for (const char * file : { "config.json", "io.safetensors", "weights.safetensors" })
  {
    ITK_NN_REQUIRE_GOLDEN(folder + file);
  }
  const auto network = Network::Create("hermes_medformer", ReadText(FindGolden(folder + "config.json")));
  EXPECT_EQ(network->GetNumberOfParameters(), 269308);
  const StateDict io = ReadSafeTensors(FindGolden(folder + "io.safetensors")).tensors;
  const auto weights = std::make_shared<StateDict>(ReadSafeTensors(FindGolden(folder + "weights.safetensors")).tensors);
  for (const auto & target : GetTargets(DataType::Float32))
  {
    NetworkRunner runner(network, weights, OptionsOf(target));
    const TensorMap outputs = runner.Run(GetInputs(io));
    EXPECT_EQ(outputs.size(), 3U);
    EXPECT_LE(MaximumDifference(outputs.at("out"), io.Get("out")), 1e-3) << target.backend;
    EXPECT_LE(MaximumDifference(outputs.at("aux_out"), io.Get("aux_out")), 5e-4) << target.backend;
    EXPECT_LE(MaximumDifference(outputs.at("mod_out"), io.Get("mod_out")), 1e-5) << target.backend;
  }
  for (const auto & target : GetTargets(DataType::Float64, true))
  {
    NetworkRunner runner(network, weights, OptionsOf(target));
    const TensorMap outputs = runner.Run(GetInputs(io));
    Tensor block = outputs.at("out");
    for (int axis = 2; axis < 5; ++axis)
    {
      block = block.Slice(axis, 4, 12);
    }
    EXPECT_LE(MaximumDifference(block.Contiguous(), io.Get("out64_block")), 1e-9) << target.backend;
    EXPECT_LE(MaximumDifference(outputs.at("mod_out"), io.Get("mod_out64")), 1e-9) << target.backend;
  }
}

/** A block of the reference alone, with what its values are given to. */
struct BlockCase
{
  const char * name;
  std::function<std::vector<ValueId>(MedFormerBuilder &, HermesBuilder &, const std::vector<ValueId> &)> add;
};

std::ostream &
operator<<(std::ostream & out, const BlockCase & block)
{
  return out << block.name;
}

class HermesBlock : public ::testing::TestWithParam<BlockCase>
{};

TEST_P(HermesBlock, OutputsAgree)
{
  ITK_NN_REQUIRE_GOLDEN("hermes/blocks/io.safetensors");
  ITK_NN_REQUIRE_GOLDEN("hermes/blocks/weights.safetensors");
  const StateDict io = ReadSafeTensors(FindGolden("hermes/blocks/io.safetensors")).tensors;
  const StateDict weights = ReadSafeTensors(FindGolden("hermes/blocks/weights.safetensors")).tensors;
  std::vector<Network::Parameter> parameters;
  for (const auto & [name, tensor] : weights)
  {
    parameters.push_back({ name, tensor.GetShape() });
  }
  const std::string name = GetParam().name;
  const auto nameOf = [&name](const char * side, std::size_t i) { return name + side + std::to_string(i); };
  HermesPriors priors;
  priors.domains = { { { 0 }, 0 } };
  Graph graph;
  // The blocks do not look at it.
  TensorMap inputs{ { "input", Tensor::Zeros({ 1, 1, 2, 2, 2 }) } };
  HermesBuilder builder(graph, "hermes", priors, { { "input", { 1, 1, 2, 2, 2 } } }, 1, { { 1, 1, 1 } }, parameters);
  MedFormerBuilder modules(builder);
  std::vector<ValueId> values;
  for (std::size_t i = 0; io.Has(nameOf(".in", i)); ++i)
  {
    const Tensor & value = io.Get(nameOf(".in", i));
    inputs[nameOf(".in", i)] = value;
    values.push_back(graph.AddInput(nameOf(".in", i), value.GetShape()));
  }
  const std::vector<ValueId> results = GetParam().add(modules, builder, values);
  for (std::size_t i = 0; i < results.size(); ++i)
  {
    graph.AddOutput(nameOf(".out", i), results[i]);
  }
  ASSERT_FALSE(io.Has(nameOf(".out", results.size())));
  for (const auto & target : GetTargets(DataType::Float32))
  {
    const TensorMap outputs = ExecutionPlan::Compile(graph, weights, OptionsOf(target))->Run(inputs);
    for (const auto & [output, value] : outputs)
    {
      EXPECT_LE(MaximumDifference(value, io.Get(output)), 1e-5) << target.backend << ' ' << output;
    }
  }
}

using Values = std::vector<ValueId>;

INSTANTIATE_TEST_SUITE_P(
  Cases,
  HermesBlock,
  ::testing::Values(BlockCase{ "basic_in",
                               [](MedFormerBuilder &, HermesBuilder & builder, const Values & in) -> Values
                               { return { builder.AddBlock(in[0], "basic_in") }; } },
                    BlockCase{ "dwsep",
                               [](MedFormerBuilder & modules, HermesBuilder &, const Values & in) -> Values
                               { return { modules.ConvolveSeparably(in[0], "dwsep") }; } },
                    BlockCase{ "patchmerge_dw",
                               [](MedFormerBuilder & modules, HermesBuilder &, const Values & in) -> Values
                               { return { modules.MergePatches(in[0], { { 2, 2, 2 } }, "patchmerge_dw") }; } },
                    BlockCase{ "se",
                               [](MedFormerBuilder & modules, HermesBuilder &, const Values & in) -> Values
                               { return { modules.Excite(in[0], "se") }; } },
                    BlockCase{ "mapgen",
                               [](MedFormerBuilder & modules, HermesBuilder &, const Values & in) -> Values
                               { return { modules.GenerateMap(in[0], "mapgen") }; } },
                    BlockCase{ "mapfusion",
                               [](MedFormerBuilder & modules, HermesBuilder &, const Values & in) -> Values
                               { return modules.FuseMaps(in, 3, 2, "mapfusion"); } },
                    BlockCase{ "biattn",
                               [](MedFormerBuilder & modules, HermesBuilder &, const Values & in) -> Values
                               {
                                 const auto attended = modules.AttendBothWays({ in[0], in[1] }, 2, "biattn");
                                 return { attended.features, attended.tokens };
                               } }));

/** Names, order and shapes of the state dict of the paper's size. */
TEST(HermesMedFormerNetwork, KeysAreTheReferences)
{
  const std::string file = "hermes/statedict_hermes_medformer.txt";
  ITK_NN_REQUIRE_GOLDEN(file);
  const auto network = Network::Create("hermes_medformer", "{}");
  EXPECT_EQ(network->GetNumberOfParameters(), 47129990);
  ExpectParameters(*network, ReadKeys(FindGolden(file)));
}

TEST(HermesMedFormerNetwork, ConfigurationsComeBackFromJsonAndWeights)
{
  Json plain = Json::parse(small);
  plain.erase("domains");
  plain.erase("task");
  Json other = plain;
  other["aux_loss"] = false;
  other["map_size"] = { 2, 2, 2 };
  other["fusion_depth"] = 3;
  other["expansion"] = 4;
  for (const Json & json : { plain, other })
  {
    const auto network = Network::Create("hermes_medformer", json.dump());
    EXPECT_EQ(Json::parse(network->GetConfiguration()), json);
    const auto inferred = Network::Infer(MakeWeights(*network));
    EXPECT_EQ(inferred->GetName(), "hermes_medformer");
    EXPECT_EQ(Json::parse(inferred->GetConfiguration()), json);
  }
  for (const char * activation : { "gelu", "swish" })
  {
    const auto network = Network::Create("hermes_medformer", Change(small, "act", activation).dump());
    EXPECT_EQ(Json::parse(network->GetConfiguration()), Change(small, "act", activation));
  }
  // What weights do not tell.
  const auto network = Network::Create("hermes_medformer", Change(plain.dump().c_str(), "act", "gelu").dump());
  EXPECT_EQ(Json::parse(Network::Infer(MakeWeights(*network))->GetConfiguration()), plain);
  Json narrow = plain;
  narrow["chan_num"][2] = 24;
  const auto unknown = Network::Create("hermes_medformer", narrow.dump());
  EXPECT_NE(ErrorOf([&] { Network::Infer(MakeWeights(*unknown)); })
              .find("do not tell num_heads, and 32 does not divide the 24 channels of down3; give the configuration"),
            std::string::npos);
}

TEST(HermesMedFormerNetwork, RunsForEachOfItsDomains)
{
  const auto network = Network::Create("hermes_medformer", small);
  EXPECT_EQ(network->GetNumberOfTasks(), 2);
  EXPECT_EQ(network->GetTask(), 0);
  EXPECT_EQ(network->GetLogitsName(), "out");
  EXPECT_EQ(network->GetInputNames(), std::vector<std::string>{ "input" });
  Json json = Json::parse(small);
  json.erase("domains");
  const auto chosen = Network::Create("hermes_medformer", json.dump());
  EXPECT_EQ(chosen->GetInputNames(), (std::vector<std::string>{ "input", "tgt_idx", "mod_idx" }));
  const auto weights = MakeSmallWeights(*network);
  const Tensor image = MakeImage({ 2, 2, 16, 16, 32 });
  const TensorMap inputs{ { "input", image },
                          { "tgt_idx", Tensor::FromVector<std::int64_t>({ 2, 2 }, { 4, -1, 4, -1 }) },
                          { "mod_idx", Tensor::FromVector<std::int64_t>({ 2 }, { 2, -1 }) } };
  const auto second = network->ForTask(1);
  EXPECT_EQ(second->GetTask(), 1);
  for (const auto & target : GetTargets(DataType::Float32, true))
  {
    NetworkRunner runner(second, weights, OptionsOf(target));
    const TensorMap outputs = runner.Run({ { "input", image } });
    NetworkRunner reference(chosen, weights, OptionsOf(target));
    const TensorMap expected = reference.Run(inputs);
    for (const char * name : { "out", "aux_out" })
    {
      EXPECT_EQ(outputs.at(name).GetShape(), (Shape{ 2, 1, 16, 16, 32 }));
      // Without the null task's.
      EXPECT_LE(MaximumDifference(outputs.at(name), expected.at(name).Slice(1, 0, 1).Contiguous()), 1e-3)
        << target.backend << ' ' << name;
    }
    EXPECT_LE(MaximumDifference(outputs.at("mod_out"), expected.at("mod_out")), 1e-4) << target.backend;
  }
  EXPECT_NE(ErrorOf([&] { network->ForTask(2); }).find("task is 2, should be 0 to 1"), std::string::npos);
  EXPECT_NE(ErrorOf([&] { chosen->ForTask(0); }).find("hermes_medformer, which has no configured domains"),
            std::string::npos);
}

/** The configured function is that of the convolutions, not of gates and MLPs. */
TEST(HermesMedFormerNetwork, ActivatesAsConfigured)
{
  const auto count = [](const char * activation, UnaryFunction function)
  {
    const auto network = Network::Create("hermes_medformer", Change(small, "act", activation).dump());
    const Graph graph = network->BuildGraph({ { "input", { 1, 2, 32, 16, 16 } } });
    return std::count_if(graph.GetNodes().begin(),
                         graph.GetNodes().end(),
                         [function](const Graph::Node & node)
                         {
                           const auto * unary = std::get_if<Unary>(&node.op);
                           return unary != nullptr && unary->function == function;
                         });
  };
  // 7 transformers squeeze; 1 MLP of the maps, 4 of the two classifiers, 1 of the modality.
  EXPECT_EQ(count("gelu", UnaryFunction::Relu), 7);
  EXPECT_EQ(count("relu", UnaryFunction::Gelu), 6);
  EXPECT_EQ(count("relu", UnaryFunction::Silu), 0);
  EXPECT_EQ(count("gelu", UnaryFunction::Gelu) - 6, count("relu", UnaryFunction::Relu) - 7);
  EXPECT_EQ(count("swish", UnaryFunction::Silu), count("relu", UnaryFunction::Relu) - 7);
}

TEST(HermesMedFormerNetwork, BadConfigurationsAreNamed)
{
  const std::pair<const char *, const char *> cases[] = {
    { "[]", "not a JSON object" },
    { R"({"in_chan": 0})", "'in_chan' is 0, should be an integer of 1" },
    { R"({"map_size": [4, 4]})", "'map_size' is [4,4], should be a list of 3 integers" },
    { R"({"chan_num": [64]})", "'chan_num' is [64], should be a list of 8 integers" },
    { R"({"conv_num": [2, 0, 0, 0, 0, 0, 0, 2]})", "conv_num[6] is 0, should be 1 to" },
    { R"({"trans_num": [1, 2, 4, 8, 4, 2, 0, 0]})", "trans_num[0] is 1, should be 0 to 0" },
    { R"({"trans_num": [0, 2, 4, 8, 4, 0, 0, 0]})", "trans_num[5] is 0, should be 1 to" },
    { R"({"num_heads": [1, 3, 8, 10, 8, 4, 1, 1]})", "num_heads[1] is 3, should divide chan_num[1], 128" },
    { R"({"fusion_heads": 3})", "fusion_heads is 3, should divide fusion_dim, 320" },
    { R"({"expansion": 1, "chan_num": [64, 2, 256, 320, 256, 128, 64, 32], "num_heads": [1, 1, 8, 10, 8, 4, 1, 1]})",
      "expansion is 1, should make at least 4 of 2 channels" },
    { R"({"act": "elu"})", "'act' is \"elu\", should be relu or gelu or swish" },
    { R"({"conv_block": "Bottleneck"})", "should be BasicBlock" },
    { R"({"proj_type": "linear"})", "'proj_type' is \"linear\", should be depthwise" },
    { R"({"norm": "bn"})", "should be in" },
    { R"({"attn_drop": 0.1})", "attn_drop is 0.1, should be 0" },
    { R"({"kernel_size": [[3, 3, 3], [3, 3, 3], [3, 2, 3], [3, 3, 3], [3, 3, 3]]})", "is 2, should be odd" },
    { R"({"scale": [[2, 2, 2]]})", "should be a list of 4 lists of 3 integers" },
    { R"({"aux_loss": 1})", "should be true or false" },
    { R"({"domains": [{"tgt_idx": [72]}]})", "domains[0]: an entry of tgt_idx is 72, should be 0 to 71" },
  };
  for (const auto & entry : cases)
  {
    const std::string message = ErrorOf([&entry] { Network::Create("hermes_medformer", entry.first); });
    EXPECT_NE(message.find(entry.second), std::string::npos) << entry.first << ": " << message;
  }
  const auto expect = [](const char * text, const std::function<void(HermesMedFormerConfiguration &)> & change)
  {
    HermesMedFormerConfiguration configuration;
    change(configuration);
    const std::string message = ErrorOf([&] { HermesMedFormerNetwork network(configuration); });
    EXPECT_NE(message.find(text), std::string::npos) << message;
  };
  expect("num_heads has 7 entries, should have 8", [](auto & c) { c.heads.resize(7); });
  expect("kernel_size has 4 entries, should have 5", [](auto & c) { c.kernels.resize(4); });
  expect("should be Relu, Gelu or Silu", [](auto & c) { c.activation = UnaryFunction::Tanh; });
}

TEST(HermesMedFormerNetwork, BadInputsAndWeightsAreNamed)
{
  const auto network = Network::Create("hermes_medformer", small);
  const auto expect = [&](const ShapeMap & inputs, const std::string & text)
  {
    const std::string message = ErrorOf([&] { network->BuildGraph(inputs); });
    EXPECT_NE(message.find(text), std::string::npos) << message;
  };
  expect({}, "hermes_medformer: input 'input' [B, 2, D, H, W] is missing");
  expect({ { "input", { 1, 2, 16, 16, 24 } } }, "has W = 24, should be a multiple of 16");
  expect({ { "input", { 1, 2, 16, 16, 16 } } }, "leaves 1 x 1 x 1 voxels at the coarsest level");

  StateDict weights = MakeWeights(*network);
  EXPECT_NO_THROW(network->CheckWeights(weights));
  weights.Add("up2.trans_blocks.blocks.1.attn.map_out.weight", Tensor::Zeros({ 32, 32 }));
  EXPECT_NE(ErrorOf([&] { HermesMedFormerNetwork::FromWeights(weights); })
              .find("unexpected 'up2.trans_blocks.blocks.1.attn.map_out.weight'"),
            std::string::npos);
  EXPECT_EQ(HermesMedFormerNetwork::FromWeights(StateDict()), nullptr);
}

/** Both state dicts of a checkpoint of the reference. */
TEST(HermesMedFormerNetwork, CheckpointsOfTheReferenceLoad)
{
  const std::string folder = "hermes/hermes_m_narrow/";
  for (const char * file : { "config.json", "checkpoint.pth", "weights.safetensors" })
  {
    ITK_NN_REQUIRE_GOLDEN(folder + file);
  }
  const auto network = Network::Create("hermes_medformer", ReadText(FindGolden(folder + "config.json")));
  const StateDict expected = ReadSafeTensors(FindGolden(folder + "weights.safetensors")).tensors;
  const TorchObject root = ReadTorchFile(FindGolden(folder + "checkpoint.pth")).root;
  const StateDict weights = ExtractStateDict(root, "model_state_dict");
  network->CheckWeights(weights);
  network->CheckWeights(ExtractStateDict(root, "ema_model_state_dict"));
  for (const auto & tensor : expected)
  {
    EXPECT_EQ(MaximumDifference(weights.Get(tensor.first), tensor.second), 0) << tensor.first;
  }
}
} // namespace
