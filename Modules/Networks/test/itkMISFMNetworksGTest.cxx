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
#include "itkFMUNetNetwork.h"
#include "itkNNNetworkRunner.h"
#include "itkNNNetworkTestHelpers.h"
#include "itkNNRegisterBackends.h"
#include "itkNNSafeTensors.h"
#include "itkNNTestTargets.h"
#include "itkNNTestGoldens.h"
#include "itkNNTorchFile.h"
#include "itkPCTNetNetwork.h"
#include "itkUNet3DNetwork.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace
{
using namespace itk::nn;
using namespace itk::nn::test;
using Json = nlohmann::json;

struct ForwardCase
{
  const char * network;
  const char * name;    ///< of the golden
  const char * weights; ///< of the golden whose weights it takes
  const char * prefix;  ///< of its input and outputs
  const char * output;  ///< of an output's name, before its number
  int resolutionMode;   ///< -1: as configured
  double tolerance;
};

std::ostream &
operator<<(std::ostream & out, const ForwardCase & golden)
{
  return out << golden.name << ' ' << golden.prefix;
}

class MISFMForward : public ::testing::TestWithParam<ForwardCase>
{};

TEST_P(MISFMForward, OutputsAgree)
{
  const ForwardCase golden = GetParam();
  const std::string file = std::string("misfm/") + golden.name;
  const std::string weightsFile = std::string("misfm/") + golden.weights + ".weights.safetensors";
  ITK_NN_REQUIRE_GOLDEN(file + ".json");
  ITK_NN_REQUIRE_GOLDEN(file + ".safetensors");
  ITK_NN_REQUIRE_GOLDEN(weightsFile);
  Json configuration = Json::parse(test::ReadText(test::FindGolden(file + ".json")));
  if (golden.resolutionMode >= 0)
  {
    configuration["config"]["resolution_mode"] = golden.resolutionMode;
  }
  const StateDict io = ReadSafeTensors(test::FindGolden(file + ".safetensors")).tensors;
  const auto weights = std::make_shared<StateDict>(ReadSafeTensors(test::FindGolden(weightsFile)).tensors);
  const auto network = Network::Create(golden.network, configuration.dump());
  EXPECT_EQ(Network::Infer(*weights)->GetName(), golden.network);

  const std::string prefix = golden.prefix;
  const TensorMap inputs{ { "input", io.Get(prefix + "input") } };
  for (const auto & target : test::GetTargets(DataType::Float32))
  {
    NetworkRunner runner(network, weights, test::OptionsOf(target));
    const TensorMap outputs = runner.Run(inputs);
    const bool isMultiscale = configuration["config"]["multiscale_pred"];
    EXPECT_EQ(outputs.size(), isMultiscale ? 4U : 1U);
    for (const auto & output : outputs)
    {
      const std::string number = output.first.substr(std::string("output").size());
      const Tensor & expected = io.Get(prefix + golden.output + number);
      EXPECT_LE(MaximumDifference(output.second, expected), golden.tolerance) << target.backend << ' ' << output.first;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
  Cases,
  MISFMForward,
  ::testing::Values(
    ForwardCase{ "fmunet", "fmunet_a_res0_ms", "fmunet_a_res0_ms", "", "output", -1, 2e-4 },
    ForwardCase{ "fmunet", "fmunet_b_res0_single_batch2", "fmunet_b_res0_single_batch2", "", "output", -1, 1e-4 },
    ForwardCase{ "fmunet", "fmunet_d_res2_ms", "fmunet_d_res2_ms", "", "output", -1, 1e-4 },
    ForwardCase{ "pctnet", "pctnet_abc", "pctnet_abc", "mode0/", "output", 0, 5e-4 },
    ForwardCase{ "pctnet", "pctnet_abc", "pctnet_abc", "mode1/", "output", 1, 5e-4 },
    ForwardCase{ "pctnet", "pctnet_abc", "pctnet_abc", "mode2/", "output", 2, 5e-4 },
    ForwardCase{ "unet3d", "unet3d_a_trilinear_ms", "unet3d_a_trilinear_ms", "", "eval_output", -1, 2e-4 },
    ForwardCase{ "unet3d", "unet3d_b_transconv", "unet3d_b_transconv", "", "eval_output", -1, 2e-4 },
    ForwardCase{ "unet3d", "unet3d_d_instancenorm", "unet3d_d_instancenorm", "", "eval_output", -1, 2e-4 }));

struct KeysCase
{
  const char * network;
  const char * configuration;
  std::int64_t parameters;
};

std::ostream &
operator<<(std::ostream & out, const KeysCase & keys)
{
  return out << keys.network;
}

class MISFMKeys : public ::testing::TestWithParam<KeysCase>
{};

/** Names, order and shapes of the state dicts of the demonstrations. */
TEST_P(MISFMKeys, AreTheReferences)
{
  const KeysCase keys = GetParam();
  const std::string file = std::string("misfm/keys_") + keys.network + "_demo.json";
  ITK_NN_REQUIRE_GOLDEN(file);
  const auto expected = nlohmann::ordered_json::parse(test::ReadText(test::FindGolden(file)));
  const auto network = Network::Create(keys.network, keys.configuration);
  EXPECT_EQ(network->GetNumberOfParameters(), keys.parameters);
  std::vector<std::pair<std::string, Shape>> parameters;
  for (const auto & [name, entry] : expected.items())
  {
    parameters.emplace_back(name, entry[1].get<Shape>());
  }
  ExpectParameters(*network, parameters);
}

INSTANTIATE_TEST_SUITE_P(Cases,
                         MISFMKeys,
                         ::testing::Values(KeysCase{ "fmunet", R"({"in_chns": 1, "class_num": 2})", 47332680 },
                                           KeysCase{
                                             "pctnet",
                                             R"({"in_chns": 1, "class_num": 2, "feature_chns": [24, 48, 128, 256, 512],
                                  "resolution_mode": 1, "input_size": [64, 128, 128]})",
                                             45287730 },
                                           KeysCase{ "unet3d", R"({"in_chns": 1, "class_num": 2})", 21362690 }));

TEST(MISFMNetworks, ConfigurationsComeBackFromJsonAndWeights)
{
  const struct
  {
    const char * name;
    const char * configuration;
  } cases[] = {
    { "fmunet",
      R"({"class_num": 3, "depth": 3, "dropout": 0.2, "feature_chns": [2, 3, 4, 5, 6], "in_chns": 2,
          "initialization": "he", "multiscale_pred": false, "res_mode": 1})" },
    { "unet3d",
      R"({"class_num": 3, "dropout": [0.0, 0.0, 0.2, 0.3, 0.4], "feature_chns": [2, 3, 4, 5], "in_chns": 2,
          "initialization": "he", "multiscale_pred": true, "norm_type": "instance_norm", "up_mode": 0})" },
    { "pctnet",
      R"({"class_num": 3, "depths": [1, 2, 3], "dropout": [0.0, 0.0, 0.2, 0.2, 0.2], "feature_chns": [2, 3, 4, 6, 8],
          "in_chns": 2, "multiscale_pred": false, "num_heads": [2, 3, 4], "resolution_mode": 0,
          "window_sizes": [3, 2, 1]})" },
  };
  for (const auto & entry : cases)
  {
    const auto network = Network::Create(entry.name, entry.configuration);
    EXPECT_EQ(Json::parse(network->GetConfiguration()), Json::parse(entry.configuration)) << entry.name;
    const auto inferred = Network::Infer(MakeWeights(*network));
    EXPECT_EQ(inferred->GetConfiguration(), network->GetConfiguration());
    EXPECT_EQ(network->GetInputNames(), std::vector<std::string>{ "input" });
  }
}

TEST(MISFMNetworks, BadConfigurationsAreNamed)
{
  const struct
  {
    const char * name;
    const char * configuration;
    const char * message;
  } cases[] = {
    { "fmunet", "[]", "not a JSON object" },
    { "fmunet", R"({"class_num": 2})", "no key 'in_chns'" },
    { "fmunet", R"({"in_chns": 1, "class_num": 0})", "'class_num' is 0, should be an integer of 1" },
    { "fmunet", R"({"in_chns": 18446744073709551615, "class_num": 2})", "'in_chns' is 18446744073709551615" },
    { "fmunet", R"({"in_chns": 1, "class_num": 2, "res_mode": 3})", "'res_mode' is 3, should be an integer of 0 to 2" },
    { "fmunet", R"({"in_chns": 1, "class_num": 2, "dropout": 1})", "'dropout' is 1, should be a number" },
    { "fmunet", R"({"in_chns": 1, "class_num": 2, "dropout": [0.2]})", "'dropout' is [0.2], should be a number" },
    { "fmunet", R"({"in_chns": 1, "class_num": 2, "feature_chns": [4, 4]})", "should be a list of 5 integers" },
    { "fmunet", R"({"in_chns": 1, "class_num": 2, "multiscale_pred": 1})", "should be true or false" },
    { "unet3d", R"({"in_chns": 1, "class_num": 2, "up_mode": 3})", "'up_mode' is 3" },
    { "unet3d", R"({"in_chns": 1, "class_num": 2, "norm_type": "group"})", "should be batch_norm or instance_norm" },
    { "unet3d", R"({"in_chns": 1, "class_num": 2, "dropout": [0, 0, 0, 0]})", "dropout has 4 entries" },
    { "unet3d", R"({"in_chns": 1, "class_num": 2, "dropout": [0, 0, 0, 0, -1]})", "should be a list of 4 or 5" },
    { "pctnet", R"({"in_chns": 1, "class_num": 2, "num_heads": [3, 8, 16]})", "num_heads has 3, which should divide" },
    { "pctnet", R"({"in_chns": 1, "class_num": 2, "input_size": [64, 128]})", "should be a list of 3 integers" },
    { "pctnet", R"({"in_chns": 1, "class_num": 2, "input_size": [8, 128, 128]})", "D = 8, should be a multiple of 16" },
  };
  for (const auto & entry : cases)
  {
    const std::string message = ErrorOf([&entry] { Network::Create(entry.name, entry.configuration); });
    EXPECT_NE(message.find(entry.message), std::string::npos) << entry.configuration << ": " << message;
  }
}

TEST(MISFMNetworks, BadInputsAreNamed)
{
  const auto fmunet = Network::Create("fmunet", R"({"in_chns": 2, "class_num": 2, "res_mode": 1})");
  EXPECT_NE(ErrorOf([&] { fmunet->BuildGraph({}); }).find("input 'input' [B, 2, D, H, W] is missing"),
            std::string::npos);
  EXPECT_NE(
    ErrorOf([&] { fmunet->BuildGraph({ { "input", { 1, 1, 8, 16, 16 } } }); }).find("should be [B, 2, D, H, W]"),
    std::string::npos);
  EXPECT_NE(ErrorOf([&] { fmunet->BuildGraph({ { "input", { 1, 2, 12, 16, 16 } } }); })
              .find("has D = 12, should be a multiple of 8"),
            std::string::npos);
  EXPECT_NO_THROW(fmunet->BuildGraph({ { "input", { 1, 2, 8, 16, 16 } } }));

  const auto fixed = Network::Create(
    "pctnet", R"({"in_chns": 1, "class_num": 2, "input_size": [96, 96, 96], "window_sizes": [6, 6, 4]})");
  EXPECT_NE(ErrorOf([&] { fixed->BuildGraph({ { "input", { 1, 1, 96, 96, 112 } } }); }).find("configured input_size"),
            std::string::npos);
  const auto any = Network::Create("pctnet", R"({"in_chns": 1, "class_num": 2, "window_sizes": [6, 6, 4]})");
  EXPECT_NE(ErrorOf([&] { any->BuildGraph({ { "input", { 1, 1, 32, 32, 32 } } }); }).find("the input is so small"),
            std::string::npos);
}

TEST(MISFMNetworks, BadWeightsAreNamed)
{
  const auto network = Network::Create("unet3d", R"({"in_chns": 1, "class_num": 2, "feature_chns": [2, 2, 2, 2]})");
  StateDict weights = MakeWeights(*network);
  EXPECT_NO_THROW(network->CheckWeights(weights));
  weights.Add("encoder.in_conv.conv_conv.1.num_batches_tracked", Tensor({}, DataType::Int64));
  EXPECT_NO_THROW(network->CheckWeights(weights));
  weights.Add("decoder.more.weight", Tensor::Zeros({ 2 }));
  EXPECT_NE(ErrorOf([&] { network->CheckWeights(weights); }).find("unexpected 'decoder.more.weight'"),
            std::string::npos);
}

/** The weights alone, and as the reference trains them: beside the state of an
 * optimiser and numbers of NumPy, as its versions 1 and 2 pickle them. */
TEST(MISFMNetworks, CheckpointsOfTheReferenceLoad)
{
  const std::string tiny = "misfm/e2e/model/tiny/tiny_best";
  const std::string fmunet = "misfm/fmunet_b_res0_single_batch2.weights";
  const std::string unet = "misfm/unet3d_b_transconv.weights";
  const std::pair<std::string, std::string> cases[] = { { fmunet + ".pt", fmunet + ".safetensors" },
                                                        { unet + ".pt", unet + ".safetensors" },
                                                        { tiny + ".pt", tiny + ".model.safetensors" },
                                                        { tiny + "_numpy1.pt", tiny + ".model.safetensors" } };
  for (const auto & entry : cases)
  {
    ITK_NN_REQUIRE_GOLDEN(entry.first);
    ITK_NN_REQUIRE_GOLDEN(entry.second);
    const StateDict expected = ReadSafeTensors(test::FindGolden(entry.second)).tensors;
    const StateDict weights = ExtractStateDict(ReadTorchFile(test::FindGolden(entry.first)).root);
    EXPECT_EQ(weights.GetSize(), expected.GetSize());
    EXPECT_NO_THROW(Network::Infer(weights)) << entry.first;
    for (const auto & tensor : expected)
    {
      ASSERT_TRUE(weights.Has(tensor.first)) << tensor.first;
      EXPECT_EQ(MaximumDifference(weights.Get(tensor.first), tensor.second), 0) << tensor.first;
    }
  }
}
} // namespace
