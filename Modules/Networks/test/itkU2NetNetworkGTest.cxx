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
#include "itkNNNetworkRunner.h"
#include "itkNNNetworkTestHelpers.h"
#include "itkNNSafeTensors.h"
#include "itkNNTestGoldens.h"
#include "itkNNTestTargets.h"
#include "itkNNTorchFile.h"
#include "itkU2NetNetwork.h"

#include <gtest/gtest.h>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

namespace
{
using namespace itk::nn;
using namespace itk::nn::test;
using Json = nlohmann::json;

struct ForwardCase
{
  const char * name;
  double tolerance;
};

std::ostream &
operator<<(std::ostream & out, const ForwardCase & golden)
{
  return out << golden.name;
}

class U2NetForward : public ::testing::TestWithParam<ForwardCase>
{};

TEST_P(U2NetForward, OutputsOfAllTasksAgree)
{
  const ForwardCase golden = GetParam();
  const std::string folder = std::string("u2net/net/") + golden.name + '/';
  for (const char * file : { "config.json", "io.safetensors", "weights.safetensors" })
  {
    ITK_NN_REQUIRE_GOLDEN(folder + file);
  }
  Json configuration = Json::parse(ReadText(FindGolden(folder + "config.json")));
  const StateDict io = ReadSafeTensors(FindGolden(folder + "io.safetensors")).tensors;
  const auto weights = std::make_shared<StateDict>(ReadSafeTensors(FindGolden(folder + "weights.safetensors")).tensors);
  const std::size_t tasks = configuration["in_channels"].size();
  std::size_t compared = 0;
  for (std::size_t task = 0; task < tasks; ++task)
  {
    configuration["task"] = task;
    const auto network = Network::Create("u2net", configuration.dump());
    EXPECT_EQ(network->GetNumberOfParameters(), configuration["n_params"].get<std::int64_t>());
    const std::string prefix = "task" + std::to_string(task) + '.';
    for (const auto & target : GetTargets(DataType::Float32))
    {
      NetworkRunner runner(network, weights, OptionsOf(target));
      const TensorMap outputs = runner.Run({ { "input", io.Get(prefix + "input") } });
      EXPECT_EQ(outputs.size(), io.Has(prefix + "share_map") ? 3U : 1U);
      for (const auto & output : outputs)
      {
        EXPECT_LE(MaximumDifference(output.second, io.Get(prefix + output.first)), golden.tolerance)
          << target.backend << ' ' << prefix << output.first;
        ++compared;
      }
    }
  }
  EXPECT_GE(compared, tasks);
}

INSTANTIATE_TEST_SUITE_P(Cases,
                         U2NetForward,
                         ::testing::Values(ForwardCase{ "uni_sep", 2e-4 },
                                           ForwardCase{ "uni_sep_depth2", 2e-5 },
                                           ForwardCase{ "uni_sep_depth3", 5e-5 },
                                           ForwardCase{ "uni_sep_nods_nores", 5e-5 },
                                           ForwardCase{ "indep", 1e-4 },
                                           ForwardCase{ "shared", 1e-4 },
                                           ForwardCase{ "uni_par", 1e-4 },
                                           ForwardCase{ "uni_ser", 1e-4 }));

struct KeysCase
{
  const char * name;
  const char * configuration;
  std::int64_t parameters;
};

std::ostream &
operator<<(std::ostream & out, const KeysCase & keys)
{
  return out << keys.name;
}

class U2NetKeys : public ::testing::TestWithParam<KeysCase>
{};

/** Names, order and shapes of the state dicts of the paper's sizes. */
TEST_P(U2NetKeys, AreTheReferences)
{
  const KeysCase keys = GetParam();
  const std::string file = std::string("u2net/net/statedict_") + keys.name + "_base16.json";
  ITK_NN_REQUIRE_GOLDEN(file);
  const auto golden = nlohmann::ordered_json::parse(ReadText(FindGolden(file)));
  const auto network = Network::Create("u2net", keys.configuration);
  EXPECT_EQ(network->GetNumberOfParameters(), keys.parameters);
  std::vector<std::pair<std::string, Shape>> parameters;
  for (const auto & [name, shape] : golden.at("keys").items())
  {
    parameters.emplace_back(name, shape.get<Shape>());
  }
  ExpectParameters(*network, parameters);
}

INSTANTIATE_TEST_SUITE_P(
  Cases,
  U2NetKeys,
  ::testing::Values(
    KeysCase{ "universal_5tasks",
              R"({"mode": "universal", "in_channels": [1, 1, 1, 2, 1], "num_classes": [2, 2, 3, 3, 2]})",
              6577460 },
    KeysCase{ "shared_5tasks",
              R"({"mode": "shared", "in_channels": [1, 1, 1, 2, 1], "num_classes": [2, 2, 3, 3, 2]})",
              33152724 },
    KeysCase{ "independent_hippocampus",
              R"({"mode": "independent", "num_pool_per_axis": [3, 3, 3], "in_channels": [1], "num_classes": [3]})",
              2055285 }));

TEST(U2NetNetwork, ConfigurationsComeBackFromJsonAndWeights)
{
  const char * const configurations[] = {
    R"({"mode": "universal", "module": "separable_adapter", "num_pool_per_axis": [3, 3, 3], "base_channels": 2,
        "in_channels": [1, 2], "num_classes": [2, 4], "deep_supervision": true, "residual": true, "task": 0})",
    R"({"mode": "universal", "module": "parallel_adapter", "num_pool_per_axis": [2, 2, 2], "base_channels": 3,
        "in_channels": [1], "num_classes": [2], "deep_supervision": false, "residual": true, "task": 0})",
    R"({"mode": "universal", "module": "series_adapter", "num_pool_per_axis": [1, 1, 1], "base_channels": 2,
        "in_channels": [1, 1], "num_classes": [2, 2], "deep_supervision": true, "residual": true, "task": 0})",
    R"({"mode": "shared", "num_pool_per_axis": [4, 4, 4], "base_channels": 2, "in_channels": [1, 3],
        "num_classes": [2, 2], "deep_supervision": true, "residual": true, "task": 0})",
    R"({"mode": "independent", "num_pool_per_axis": [2, 2, 2], "base_channels": 2, "in_channels": [3],
        "num_classes": [2], "deep_supervision": true, "residual": true, "task": 0})",
  };
  for (const char * text : configurations)
  {
    const auto network = Network::Create("u2net", text);
    EXPECT_EQ(Json::parse(network->GetConfiguration()), Json::parse(text));
    const auto inferred = Network::Infer(MakeWeights(*network));
    EXPECT_EQ(inferred->GetName(), "u2net");
    EXPECT_EQ(inferred->GetConfiguration(), network->GetConfiguration());
    EXPECT_EQ(network->GetInputNames(), std::vector<std::string>{ "input" });
  }
  // What weights do not tell.
  const auto uneven = Network::Create("u2net",
                                      R"({"num_pool_per_axis": [1, 3, 2], "base_channels": 2, "in_channels": [1],
                                          "num_classes": [2], "residual": false})");
  const auto inferred = std::dynamic_pointer_cast<const U2NetNetwork>(Network::Infer(MakeWeights(*uneven)));
  ASSERT_NE(inferred, nullptr);
  EXPECT_EQ(inferred->GetValues().pools, (std::vector<std::int64_t>{ 3, 3, 3 }));
  EXPECT_TRUE(inferred->GetValues().isResidual);
}

/** An axis that is halved less often keeps its extent at the coarser levels. */
TEST(U2NetNetwork, AxesAreHalvedAsOftenAsConfigured)
{
  const auto network = Network::Create(
    "u2net", R"({"num_pool_per_axis": [1, 3, 2], "base_channels": 2, "in_channels": [2], "num_classes": [3]})");
  const Graph graph = network->BuildGraph({ { "input", { 2, 2, 2, 16, 8 } } });
  std::vector<Shape> shapes;
  for (const auto & node : graph.GetNodes())
  {
    if (node.name.find("down_samps") == 0 && node.name.find(".conv") != std::string::npos)
    {
      shapes.push_back(graph.GetShape(node.output));
    }
  }
  ASSERT_EQ(shapes.size(), 3U);
  EXPECT_EQ(shapes[0], (Shape{ 2, 4, 1, 8, 4 }));
  EXPECT_EQ(shapes[1], (Shape{ 2, 8, 1, 4, 2 }));
  EXPECT_EQ(shapes[2], (Shape{ 2, 16, 1, 2, 2 }));
  EXPECT_EQ(graph.GetShape(graph.GetOutputs().back().value), (Shape{ 2, 3, 2, 16, 8 }));
}

TEST(U2NetNetwork, TasksShareConvolutionsAlone)
{
  const auto parametersOf = [](int task)
  {
    const auto network = Network::Create("u2net",
                                         R"({"num_pool_per_axis": [2, 2, 2], "base_channels": 2, "in_channels": [1, 1],
                          "num_classes": [2, 2], "task": )" +
                                           std::to_string(task) + '}');
    const Graph graph = network->BuildGraph({ { "input", { 1, 1, 8, 8, 8 } } });
    std::set<std::string> names;
    for (const ValueId parameter : graph.GetValuesOfKind(Graph::ValueKind::Parameter))
    {
      names.insert(graph.GetValue(parameter).name);
    }
    return names;
  };
  const auto first = parametersOf(0);
  const auto second = parametersOf(1);
  std::vector<std::string> both;
  std::set_intersection(first.begin(), first.end(), second.begin(), second.end(), std::back_inserter(both));
  // 3 blocks of the encoder and 2 of the decoder have 2, the up-samplings and the strided convolutions 1 each.
  EXPECT_EQ(both.size(), 2U * (3 * 2 + 2 * 2 + 2 + 2));
  for (const auto & name : both)
  {
    EXPECT_TRUE(name.find(".pwise.") != std::string::npos || name.find("down_samps") == 0) << name;
  }
}

TEST(U2NetNetwork, RunsForEachOfItsTasks)
{
  const auto network = Network::Create("u2net",
                                       R"({"num_pool_per_axis": [1, 1, 1], "base_channels": 2, "in_channels": [1, 2],
                        "num_classes": [2, 4]})");
  EXPECT_EQ(network->GetNumberOfTasks(), 2);
  EXPECT_EQ(network->GetTask(), 0);
  const auto second = network->ForTask(1);
  EXPECT_EQ(second->GetTask(), 1);
  EXPECT_EQ(Json::parse(second->GetConfiguration()).at("task"), 1);
  EXPECT_EQ(second->GetParameters().size(), network->GetParameters().size());
  EXPECT_NO_THROW(second->BuildGraph({ { "input", { 1, 2, 4, 4, 4 } } }));
  for (const std::int64_t task : { -1, 2 })
  {
    EXPECT_NE(ErrorOf([&] { network->ForTask(task); }).find("task is " + std::to_string(task) + ", should be 0 to 1"),
              std::string::npos);
  }
  const auto single = Network::Create("fmunet", R"({"in_chns": 1, "class_num": 2})");
  EXPECT_EQ(single->GetNumberOfTasks(), 1);
  EXPECT_EQ(single->GetTask(), 0);
  EXPECT_NE(ErrorOf([&] { single->ForTask(0); }).find("network fmunet, which is of one task"), std::string::npos);
}

TEST(U2NetNetwork, BadConfigurationsAreNamed)
{
  const std::pair<const char *, const char *> cases[] = {
    { "[]", "not a JSON object" },
    { R"({"num_classes": [2]})", "no key 'in_channels', a list of integers of 1" },
    { R"({"in_channels": [1]})", "no key 'num_classes'" },
    { R"({"in_channels": [], "num_classes": [2]})", "'in_channels' is [], should be a list of integers" },
    { R"({"in_channels": 1, "num_classes": [2]})", "'in_channels' is 1, should be a list" },
    { R"({"in_channels": [1, 0], "num_classes": [2, 2]})", "'in_channels' is [1,0]" },
    { R"({"in_channels": [1, 1], "num_classes": [2]})", "num_classes has 1 entries and in_channels 2" },
    { R"({"in_channels": [1], "num_classes": [2], "mode": "all"})", "'mode' is \"all\", should be universal" },
    { R"({"in_channels": [1], "num_classes": [2], "module": "adapter"})", "should be separable_adapter" },
    { R"({"in_channels": [1, 1], "num_classes": [2, 2], "mode": "independent"})", "has 2 tasks, should have one" },
    { R"({"in_channels": [1], "num_classes": [2], "num_pool_per_axis": [5, 5]})", "should be a list of 3 integers" },
    { R"({"in_channels": [1], "num_classes": [2], "num_pool_per_axis": [0, 0, 0]})", "is 0 along all axes" },
    { R"({"in_channels": [1], "num_classes": [2], "num_pool_per_axis": [9, 9, 9], "base_channels": 1024})",
      "base_channels is 1024, should be 1 to 128" },
    { R"({"in_channels": [1], "num_classes": [2], "task": 1})", "task is 1, should be 0 to 0" },
    { R"({"in_channels": [1], "num_classes": [2], "residual": 1})", "should be true or false" },
  };
  for (const auto & entry : cases)
  {
    const std::string message = ErrorOf([&entry] { Network::Create("u2net", entry.first); });
    EXPECT_NE(message.find(entry.second), std::string::npos) << entry.first << ": " << message;
  }
}

TEST(U2NetNetwork, BadInputsAndWeightsAreNamed)
{
  const auto network = Network::Create(
    "u2net",
    R"({"num_pool_per_axis": [1, 2, 2], "base_channels": 2, "in_channels": [1, 2], "num_classes": [2, 2], "task": 1})");
  const auto expect = [&](const ShapeMap & inputs, const std::string & text)
  {
    const std::string message = ErrorOf([&] { network->BuildGraph(inputs); });
    EXPECT_NE(message.find(text), std::string::npos) << message;
  };
  expect({}, "input 'input' [B, 2, D, H, W] is missing");
  expect({ { "input", { 1, 1, 2, 4, 4 } } }, "should be [B, 2, D, H, W]");
  expect({ { "input", { 1, 2, 3, 4, 4 } } }, "has D = 3, should be a multiple of 2");
  expect({ { "input", { 1, 2, 2, 4, 6 } } }, "has W = 6, should be a multiple of 4");

  StateDict weights = MakeWeights(*network);
  EXPECT_NO_THROW(network->CheckWeights(weights));
  weights.Add("up_blocks.0.op3.weight", Tensor::Zeros({ 2 }));
  EXPECT_NE(ErrorOf([&] { U2NetNetwork::FromWeights(weights); }).find("unexpected 'up_blocks.0.op3.weight'"),
            std::string::npos);
  StateDict flat;
  flat.Add("in_tr_list.0.op1.0.weight", Tensor::Zeros({ 2 }));
  flat.Add("out_tr_list.0.conv1.weight", Tensor::Zeros({ 2 }));
  EXPECT_NE(ErrorOf([&] { U2NetNetwork::FromWeights(flat); }).find("is [2], should have 5 axes"), std::string::npos);
  EXPECT_EQ(U2NetNetwork::FromWeights(StateDict()), nullptr);
}

/** Pickled as the reference trains it, the module and the optimiser beside the state dict, in both
 * serialisations of PyTorch. */
TEST(U2NetNetwork, CheckpointsOfTheReferenceLoad)
{
  const std::string folder = "u2net/net/checkpoint_official_style/";
  const std::string original = "u2net/net/uni_sep_depth2/weights.safetensors";
  ITK_NN_REQUIRE_GOLDEN(original);
  const StateDict expected = ReadSafeTensors(FindGolden(original)).tensors;
  for (const char * name : { "universal_zip.pth.tar", "universal_legacy.pth.tar" })
  {
    ITK_NN_REQUIRE_GOLDEN(folder + name);
    const StateDict weights = ExtractStateDict(ReadTorchFile(FindGolden(folder + name)).root);
    EXPECT_EQ(Network::Infer(weights)->GetName(), "u2net") << name;
    EXPECT_EQ(weights.GetSize(), expected.GetSize());
    for (const auto & tensor : expected)
    {
      ASSERT_TRUE(weights.Has(tensor.first)) << tensor.first;
      EXPECT_EQ(MaximumDifference(weights.Get(tensor.first), tensor.second), 0) << tensor.first;
    }
  }
}
} // namespace
