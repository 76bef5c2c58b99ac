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
#include "itkUniverSegNetwork.h"

#include "itkNNTestHelpers.h"

#include <gtest/gtest.h>

namespace
{
using namespace itk::nn;

ShapeMap
Shapes(std::int64_t batch, std::int64_t supports, std::int64_t height, std::int64_t width)
{
  return { { "target", { batch, 1, height, width } },
           { "support_images", { batch, supports, 1, height, width } },
           { "support_labels", { batch, supports, 1, height, width } } };
}

StateDict
ZeroWeights(const Network & network)
{
  StateDict weights;
  for (const auto & parameter : network.GetParameters())
  {
    weights.Add(parameter.name, Tensor::Zeros(parameter.shape));
  }
  return weights;
}

TEST(UniverSegNetwork, ReleaseConfigurationHasTheOfficialSize)
{
  const UniverSegNetwork network(UniverSegConfiguration::Release());
  EXPECT_EQ(network.GetNumberOfParameters(), 1182785);
  const auto parameters = network.GetParameters();
  ASSERT_EQ(parameters.size(), 44U);
  EXPECT_EQ(parameters[0].name, "enc_blocks.0.cross.cross_conv.weight");
  EXPECT_EQ(parameters[0].shape, (Shape{ 64, 3, 3, 3 }));
  EXPECT_EQ(parameters[1].name, "enc_blocks.0.cross.cross_conv.bias");
  EXPECT_EQ(parameters[2].name, "enc_blocks.0.target.vmapped.conv.weight");
  EXPECT_EQ(parameters[4].name, "enc_blocks.0.support.vmapped.conv.weight");
  EXPECT_EQ(parameters[24].name, "dec_blocks.0.cross.cross_conv.weight");
  EXPECT_EQ(parameters[24].shape, (Shape{ 64, 256, 3, 3 }));
  EXPECT_EQ(parameters[42].name, "out_conv.conv.weight");
  EXPECT_EQ(parameters[42].shape, (Shape{ 1, 64, 1, 1 }));
  EXPECT_EQ(network.GetDivisor(), 8);
  EXPECT_EQ(network.GetName(), "universeg");
  EXPECT_EQ(network.GetInputNames().size(), 3U);
}

TEST(UniverSegNetwork, FiveLevelsHaveTheOfficialSize)
{
  UniverSegConfiguration configuration;
  configuration.encoderBlocks.assign(5, { 64, 64 });
  EXPECT_EQ(UniverSegNetwork(configuration).GetNumberOfParameters(), 1551809);
}

TEST(UniverSegNetwork, GraphCountsTheOfficialWork)
{
  // Spec section 2, column A.
  const UniverSegNetwork network(UniverSegConfiguration::Release());
  const auto flops = [&](std::int64_t supports)
  { return network.BuildGraph(Shapes(1, supports, 128, 128)).CountFlops(true); };
  EXPECT_DOUBLE_EQ(flops(1), 13572767744.0);
  EXPECT_DOUBLE_EQ(flops(16), 169286303744.0);
  EXPECT_DOUBLE_EQ(flops(64), 667569618944.0);
}

TEST(UniverSegNetwork, ConfigurationFromJson)
{
  const auto pairs = Network::Create("universeg", R"({"encoder_blocks": [[4, 8], 16], "B": 1})");
  EXPECT_EQ(pairs->GetConfiguration(), R"({"decoder_blocks":[[4,8]],"encoder_blocks":[[4,8],16]})");
  const auto given = Network::Create("universeg", R"({"encoder_blocks": [8, 16, 8], "decoder_blocks": [6, 7, 9, 10]})");
  EXPECT_EQ(given->GetConfiguration(), R"({"decoder_blocks":[6,7],"encoder_blocks":[8,16,8]})");
  const auto none = Network::Create("universeg", R"({"encoder_blocks": [8, 16, 8], "decoder_blocks": null})");
  EXPECT_EQ(none->GetConfiguration(), R"({"decoder_blocks":[16,8],"encoder_blocks":[8,16,8]})");
}

TEST(UniverSegNetwork, BadConfigurationsAreRefused)
{
  const auto error = [](const std::string & json)
  { return test::ErrorOf([&] { Network::Create("universeg", json); }); };
  EXPECT_NE(error("nonsense").find("not a JSON object"), std::string::npos);
  EXPECT_NE(error("[]").find("not a JSON object"), std::string::npos);
  EXPECT_NE(error("{}").find("no key 'encoder_blocks'"), std::string::npos);
  EXPECT_NE(error(R"({"encoder_blocks": 3})").find("should be a list"), std::string::npos);
  EXPECT_NE(error(R"({"encoder_blocks": [1.5]})").find("is 1.5"), std::string::npos);
  EXPECT_NE(error(R"({"encoder_blocks": [[1, 2, 3]]})").find("pair of integers"), std::string::npos);
  EXPECT_NE(error(R"({"encoder_blocks": []})").find("should have 1 to 16"), std::string::npos);
  EXPECT_NE(error(R"({"encoder_blocks": [0]})").find("should have 1 to 65536"), std::string::npos);
  EXPECT_NE(test::ErrorOf([] { Network::Create("nonet", "{}"); }).find("known are: universeg"), std::string::npos);
}

TEST(UniverSegNetwork, InferredFromTheShapesOfTheWeights)
{
  for (const auto * json : { R"({"encoder_blocks": [4]})",
                             R"({"encoder_blocks": [[4, 8], [3, 5], 16]})",
                             R"({"encoder_blocks": [4, 4, 4], "decoder_blocks": [6]})" })
  {
    const auto network = Network::Create("universeg", json);
    EXPECT_EQ(Network::Infer(ZeroWeights(*network))->GetConfiguration(), network->GetConfiguration()) << json;
    EXPECT_EQ(Network::Infer(ZeroWeights(*network), "universeg")->GetConfiguration(), network->GetConfiguration());
  }
  StateDict other;
  other.Add("layer.weight", Tensor::Zeros({ 2, 2 }));
  EXPECT_NE(test::ErrorOf([&] { Network::Infer(other); }).find("'layer.weight'"), std::string::npos);
}

TEST(UniverSegNetwork, WeightsThatDoNotFitAreNamed)
{
  const auto network = Network::Create("universeg", R"({"encoder_blocks": [4, 4]})");
  StateDict missing;
  StateDict wrong;
  StateDict extra;
  StateDict integers;
  for (const auto & parameter : network->GetParameters())
  {
    if (parameter.name != "out_conv.conv.bias")
    {
      missing.Add(parameter.name, Tensor::Zeros(parameter.shape));
    }
    const bool isBias = parameter.name == "enc_blocks.1.cross.cross_conv.bias";
    wrong.Add(parameter.name, Tensor::Zeros(isBias ? Shape{ 5 } : parameter.shape));
    extra.Add(parameter.name, Tensor::Zeros(parameter.shape));
    integers.Add(parameter.name, Tensor::Zeros(parameter.shape, isBias ? DataType::Int32 : DataType::Float32));
  }
  extra.Add("norm.weight", Tensor::Zeros({ 1 }));
  const auto message = [&](const StateDict & weights)
  { return test::ErrorOf([&] { network->CheckWeights(weights); }); };
  EXPECT_EQ(message(ZeroWeights(*network)), "");
  EXPECT_NE(message(missing).find("missing 'out_conv.conv.bias' [1]"), std::string::npos);
  EXPECT_NE(message(wrong).find("'enc_blocks.1.cross.cross_conv.bias' is [5], should be [4]"), std::string::npos);
  EXPECT_NE(message(extra).find("unexpected 'norm.weight'"), std::string::npos);
  EXPECT_NE(message(integers).find("should be a floating-point type"), std::string::npos);
  EXPECT_NE(message(StateDict()).find("and 12 more"), std::string::npos) << message(StateDict());
}

TEST(UniverSegNetwork, BadInputsAreNamed)
{
  const UniverSegNetwork network(UniverSegConfiguration::Release());
  const auto error = [&](const ShapeMap & shapes) { return test::ErrorOf([&] { network.BuildGraph(shapes); }); };
  EXPECT_EQ(error(Shapes(2, 3, 40, 24)), "");
  EXPECT_NE(error(Shapes(1, 1, 36, 36)).find("multiples of 8"), std::string::npos);
  EXPECT_NE(error(Shapes(1, 0, 8, 8)).find("support set is empty"), std::string::npos);
  EXPECT_NE(error(Shapes(1, 1, 0, 8)).find("multiples of 8"), std::string::npos);
  ShapeMap shapes = Shapes(1, 1, 8, 8);
  shapes.erase("support_labels");
  EXPECT_NE(error(shapes).find("'support_labels'"), std::string::npos);
  shapes = Shapes(1, 1, 8, 8);
  shapes["target"] = { 1, 3, 8, 8 };
  EXPECT_NE(error(shapes).find("should have 1 channel"), std::string::npos);
  shapes = Shapes(1, 1, 8, 8);
  shapes["support_images"] = { 1, 1, 1, 8, 16 };
  EXPECT_NE(error(shapes).find("do not fit 'target' [1, 1, 8, 8]; expected [1, S, 1, 8, 8]"), std::string::npos)
    << error(shapes);
  shapes["target"] = { 3, 1, 8, 8 };
  EXPECT_NE(error(shapes).find("expected [3 or 1, S, 1, 8, 8]"), std::string::npos) << error(shapes);
  shapes["support_images"] = { 1, 1, 8, 8 };
  EXPECT_NE(error(shapes).find("[B, S, 1, H, W]"), std::string::npos);
}

TEST(UniverSegNetwork, ShortDecoderGivesASmallerOutput)
{
  const auto network = Network::Create("universeg", R"({"encoder_blocks": [4, 4, 4], "decoder_blocks": [6]})");
  const auto graph = network->BuildGraph(Shapes(2, 1, 16, 24));
  EXPECT_EQ(graph.GetShape(graph.GetOutputs().front().value), (Shape{ 2, 1, 8, 12 }));
}
} // namespace
