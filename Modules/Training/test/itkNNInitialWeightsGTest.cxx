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
#include "itkNNInitialWeights.h"
#include "itkNNTestGoldens.h"
#include "itkNNTestHelpers.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
const char * const fmunet = R"({"in_chns": 1, "class_num": 2, "feature_chns": [8, 16, 16, 16, 16]})";

double
Deviation(const Tensor & tensor)
{
  double squares = 0;
  for (const double value : tensor.ToVector<double>())
  {
    squares += value * value;
  }
  return std::sqrt(squares / static_cast<double>(tensor.GetNumberOfElements()));
}

bool
AreEqual(const Tensor & a, const Tensor & b)
{
  return a.ToVector<float>() == b.ToVector<float>();
}

double
Largest(const Tensor & tensor)
{
  double largest = 0;
  for (const double value : tensor.ToVector<double>())
  {
    largest = std::max(largest, std::abs(value));
  }
  return largest;
}
} // namespace

TEST(InitialWeights, FMUNetAfterHe)
{
  const auto network = Network::Create("fmunet", fmunet);
  const StateDict weights = MakeInitialWeights(*network, 3);
  network->CheckWeights(weights);
  EXPECT_NEAR(Deviation(weights.Get("encoder.en_conv1.conv_list.0.3.weight")), std::sqrt(2 / 1.0001 / (16 * 27)), 2e-3);
  EXPECT_EQ(Deviation(weights.Get("encoder.en_conv1.conv_list.0.3.bias")), 0);
  EXPECT_EQ(weights.Get("encoder.en_conv1.conv_list.0.0.weight").ToVector<float>(), std::vector<float>(16, 1.0F));
  EXPECT_EQ(Deviation(weights.Get("encoder.en_conv1.conv_list.0.0.bias")), 0);
  EXPECT_TRUE(AreEqual(weights.Get("project.weight"), MakeInitialWeights(*network, 3).Get("project.weight")));
  EXPECT_FALSE(AreEqual(weights.Get("project.weight"), MakeInitialWeights(*network, 4).Get("project.weight")));
}

TEST(InitialWeights, UNet3DAfterXavier)
{
  const auto network =
    Network::Create("unet3d",
                    R"({"in_chns": 1, "class_num": 2, "feature_chns": [8, 8, 8, 8], "dropout": [0, 0, 0, 0],
                        "up_mode": 0, "initialization": "xavier"})");
  const StateDict weights = MakeInitialWeights(*network, 1);
  network->CheckWeights(weights);
  const double bound = std::sqrt(6.0 / (2 * 8 * 27));
  const Tensor & convolution = weights.Get("encoder.down1.maxpool_conv.1.conv_conv.0.weight");
  EXPECT_LE(Largest(convolution), bound);
  EXPECT_NEAR(Deviation(convolution), bound / std::sqrt(3.0), 0.003);
  EXPECT_EQ(weights.Get("encoder.in_conv.conv_conv.1.running_var").ToVector<float>(), std::vector<float>(8, 1.0F));
  EXPECT_EQ(weights.Get("encoder.in_conv.conv_conv.1.running_mean").ToVector<float>(), std::vector<float>(8, 0.0F));
  EXPECT_NE(network->GetConfiguration().find("xavier"), std::string::npos);
}

TEST(InitialWeights, PCTNetAsPyTorch)
{
  const auto network =
    Network::Create("pctnet",
                    R"({"in_chns": 1, "class_num": 2, "feature_chns": [4, 8, 16, 16, 16], "num_heads": [2, 2, 2],
                        "window_sizes": [3, 3, 3]})");
  const StateDict weights = MakeInitialWeights(*network, 1);
  network->CheckWeights(weights);
  const std::string block = "pyramid_ct.convtrans_e2.trans.blocks.0.";
  for (const char * name : { "attn.qkv.weight", "attn.qkv.bias" })
  {
    EXPECT_LE(Largest(weights.Get(block + name)), 0.25) << name;
    EXPECT_NEAR(Deviation(weights.Get(block + name)), 0.25 / std::sqrt(3.0), 0.03) << name;
  }
  EXPECT_NEAR(Deviation(weights.Get(block + "attn.relative_position_bias_table")), 0.02, 0.003);
  // PyTorch takes a transposed convolution's outputs for its inputs.
  EXPECT_NEAR(Largest(weights.Get("pyramid_ct.up3.up.2.weight")), 1 / std::sqrt(16.0 * 8), 1e-3);
  EXPECT_EQ(weights.Get("pyramid_ct.up3.up.1.weight").ToVector<float>(), std::vector<float>{ 0.25F });
  EXPECT_FALSE(weights.Has(block + "attn.relative_position_index"));
}

/** 138 of 146 tensors of an FMUNet for other classes, as in the reference. */
TEST(InitialWeights, MatchingWeights)
{
  const auto network = Network::Create("fmunet", fmunet);
  const auto other =
    Network::Create("fmunet", R"({"in_chns": 1, "class_num": 5, "feature_chns": [8, 16, 16, 16, 16]})");
  const StateDict source = MakeInitialWeights(*other, 7);
  StateDict weights = MakeInitialWeights(*network, 1);
  const StateDict before = MakeInitialWeights(*network, 1);
  const MatchingWeights all = SetMatchingWeights(*network, weights, source);
  EXPECT_EQ(all.copied, 138U);
  EXPECT_EQ(all.different.size(), 8U);
  EXPECT_TRUE(all.missing.empty());
  EXPECT_TRUE(AreEqual(weights.Get("project.weight"), source.Get("project.weight")));
  EXPECT_TRUE(AreEqual(weights.Get("out_layers.0.2.weight"), before.Get("out_layers.0.2.weight")));

  weights = MakeInitialWeights(*network, 1);
  const MatchingWeights encoder = SetMatchingWeights(*network, weights, source, { "project", "encoder" });
  EXPECT_EQ(encoder.copied, 58U);
  EXPECT_TRUE(encoder.different.empty());
  const std::string decoder = "decoder.upcat0.up.2.weight";
  EXPECT_TRUE(AreEqual(weights.Get(decoder), before.Get(decoder)));

  StateDict strange;
  strange.Add("w", Tensor({ 1 }));
  EXPECT_NN_ERROR(SetMatchingWeights(*network, weights, strange), "No tensor of the 1 given has the name");
}

/** The numbers of tensors that the reference loads at fine-tuning, of all in its state dicts. */
TEST(InitialWeights, MatchingWeightsAreTheReferences)
{
  ITK_NN_REQUIRE_GOLDEN("misfm/finetune_loader.json");
  const auto expectations = nlohmann::json::parse(ReadText(FindGolden("misfm/finetune_loader.json")));
  const std::string sizes = R"("in_chns": 1, "feature_chns": [4, 4, 4, 4, 4], "class_num": )";
  for (const auto & [key, name, more] :
       { std::tuple{ "FMUNet", "fmunet", "" },
         std::tuple{
           "PCTNet", "pctnet", R"(, "num_heads": [2, 2, 2], "window_sizes": [2, 2, 2], "multiscale_pred": true)" },
         std::tuple{ "UNet3D", "unet3d", "" } })
  {
    SCOPED_TRACE(key);
    const auto network = Network::Create(name, '{' + sizes + '2' + more + '}');
    const auto trained = Network::Create(name, '{' + sizes + '5' + more + '}');
    StateDict source = MakeInitialWeights(*trained, 1);
    for (const auto & parameter : trained->GetParameters())
    {
      if (parameter.role == Network::Role::Buffer)
      {
        source.Add(parameter.name, Tensor::Zeros(parameter.shape));
      }
    }
    StateDict weights = MakeInitialWeights(*network, 2);
    const MatchingWeights all = SetMatchingWeights(*network, weights, source);
    const auto & expected = expectations.at(key);
    EXPECT_EQ(network->GetParameters().size(), expected.at("keys_total").get<std::size_t>());
    EXPECT_EQ(all.copied, expected.at("loaded").get<std::size_t>());
    EXPECT_EQ(std::set<std::string>(all.different.begin(), all.different.end()),
              expected.at("not_loaded").get<std::set<std::string>>());
    const std::string encoderOnly = std::string(key) + "_encoder_only";
    if (expectations.contains(encoderOnly))
    {
      EXPECT_EQ(SetMatchingWeights(*network, weights, source, { "project", "encoder" }).copied,
                expectations.at(encoderOnly).at("loaded").get<std::size_t>());
    }
  }
}
