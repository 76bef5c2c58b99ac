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
#include "itkNNU2NetAdaptation.h"

#include "itkNNInitialWeights.h"
#include "itkNNRegisterBackends.h"
#include "itkNNSafeTensors.h"
#include "itkNNTestGoldens.h"
#include "itkNNNetworkRunner.h"
#include "itkNNTestHelpers.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <set>

namespace
{
using namespace itk::nn;
using Json = nlohmann::json;

std::shared_ptr<const U2NetNetwork>
MakeNetwork(const std::string & configuration)
{
  return std::dynamic_pointer_cast<const U2NetNetwork>(Network::Create("u2net", configuration));
}

constexpr const char * twoTasks = R"({"num_pool_per_axis": [2, 2, 2], "base_channels": 4, "in_channels": [1, 2],
                                      "num_classes": [2, 3]})";

bool
AreEqual(const Tensor & a, const Tensor & b)
{
  return a.GetShape() == b.GetShape() && a.ToVector<float>() == b.ToVector<float>();
}
} // namespace

TEST(U2NetAdaptation, ATaskJoinsTheOthers)
{
  const auto network = MakeNetwork(twoTasks);
  const StateDict weights = MakeInitialWeights(*network, 1);
  const U2NetAdaptation result = AddU2NetTask(*network, weights, 3, 4, U2NetAdaptationPolicy::AdaptersOnly, 2);
  EXPECT_EQ(result.network->GetValues().inputChannels, (std::vector<std::int64_t>{ 1, 2, 3 }));
  EXPECT_EQ(result.network->GetValues().classes, (std::vector<std::int64_t>{ 2, 3, 4 }));
  EXPECT_EQ(result.network->GetValues().task, 2);
  EXPECT_NO_THROW(result.network->CheckWeights(result.weights));
  const std::set<std::string> trained(result.trained.begin(), result.trained.end());
  EXPECT_EQ(result.weights.GetSize(), weights.GetSize() + trained.size());
  for (const auto & [name, tensor] : weights)
  {
    EXPECT_EQ(result.weights.Get(name).GetRawData(), tensor.GetRawData()) << name << " is shared, not copied";
    EXPECT_EQ(trained.count(name), 0U) << name;
  }
  // The others run as before; the new task's graph has no weight of theirs but the shared ones.
  RegisterBackends();
  const Tensor image = itk::nn::test::RandomTensor({ 1, 2, 8, 8, 8 }, 3).To(DataType::Float32);
  const auto run = [&](const Network::ConstPointer & which, const StateDict & with)
  { return NetworkRunner(which, std::make_shared<const StateDict>(with)).Run({ { "input", image } }).at("logits"); };
  EXPECT_TRUE(AreEqual(run(network->ForTask(1), weights), run(result.network->ForTask(1), result.weights)));
}

/** The paper's configuration: what a further domain adds. */
TEST(U2NetAdaptation, NumbersOfThePaper)
{
  const auto network = MakeNetwork(R"({"in_channels": [1, 1, 1, 2, 1], "num_classes": [2, 2, 3, 3, 2]})");
  const StateDict weights = MakeInitialWeights(*network, 1);
  const auto count = [](const U2NetAdaptation & result)
  {
    std::int64_t sum = 0;
    for (const auto & name : result.trained)
    {
      sum += result.weights.Get(name).GetNumberOfElements();
    }
    return sum;
  };
  const auto joined = AddU2NetTask(*network, weights, 1, 2, U2NetAdaptationPolicy::AdaptersOnly, 1);
  EXPECT_EQ(count(joined), 144590);
  EXPECT_EQ(joined.network->GetNumberOfParameters(), 6577460 + 144590);
  const auto alone = AddU2NetTask(*network, weights, 1, 2, U2NetAdaptationPolicy::Reference, 1);
  EXPECT_EQ(alone.network->GetNumberOfParameters(), 5998430);
  EXPECT_EQ(count(alone), 5037662);
}

TEST(U2NetAdaptation, TransfersAsTheReference)
{
  const std::string folder = "u2net/net/adapt_uni_sep/";
  for (const char * file : { "adaptation.json",
                             "old_2task.safetensors",
                             "new_before_transfer.safetensors",
                             "new_after_transfer.safetensors" })
  {
    ITK_NN_REQUIRE_GOLDEN(folder + file);
  }
  const auto read = [&](const std::string & name)
  { return ReadSafeTensors(test::FindGolden(folder + name + ".safetensors")).tensors; };
  const StateDict old = read("old_2task");
  const StateDict before = read("new_before_transfer");
  const StateDict after = read("new_after_transfer");
  const auto network = std::dynamic_pointer_cast<const U2NetNetwork>(Network::Infer(old));
  ASSERT_NE(network, nullptr);
  const auto channels = Network::Infer(after);
  const auto values = std::dynamic_pointer_cast<const U2NetNetwork>(channels)->GetValues();
  const auto result =
    AddU2NetTask(*network, old, values.inputChannels[0], values.classes[0], U2NetAdaptationPolicy::Reference, 1);
  EXPECT_NO_THROW(result.network->CheckWeights(after));
  const std::set<std::string> trained(result.trained.begin(), result.trained.end());
  EXPECT_GT(after.GetSize(), trained.size());
  for (const auto & [name, tensor] : after)
  {
    // What is not transferred begins anew, as in the golden.
    EXPECT_TRUE(AreEqual(tensor, (trained.count(name) > 0 ? before : result.weights).Get(name))) << name;
  }
  const Json golden = Json::parse(test::ReadText(test::FindGolden(folder + "adaptation.json")));
  const std::pair<const char *, const char *> cases[] = {
    { "universal/separable_adapter", R"("mode": "universal", "module": "separable_adapter")" },
    { "universal/parallel_adapter", R"("mode": "universal", "module": "parallel_adapter")" },
    { "universal/series_adapter", R"("mode": "universal", "module": "series_adapter")" },
    { "shared/adapter", R"("mode": "shared")" }
  };
  for (const auto & [key, mode] : cases)
  {
    const auto of = MakeNetwork(std::string("{") + mode + R"(, "num_pool_per_axis": [2, 2, 2], "base_channels": 4,
                                                             "in_channels": [1, 2], "num_classes": [2, 3]})");
    const auto adapted = AddU2NetTask(*of, MakeInitialWeights(*of, 1), 1, 2, U2NetAdaptationPolicy::Reference, 1);
    EXPECT_EQ(adapted.kept.size() + adapted.trained.size(), adapted.weights.GetSize());
    EXPECT_EQ(std::set<std::string>(adapted.kept.begin(), adapted.kept.end()),
              golden.at(key).at("frozen").get<std::set<std::string>>())
      << key;
  }
}

TEST(U2NetAdaptation, BadCallsAreNamed)
{
  const auto network = MakeNetwork(twoTasks);
  const StateDict weights = MakeInitialWeights(*network, 1);
  const auto policy = U2NetAdaptationPolicy::AdaptersOnly;
  EXPECT_NN_ERROR(AddU2NetTask(*network, StateDict(), 1, 2, policy, 1), "missing 'in_tr_list.0");
  EXPECT_NN_ERROR(AddU2NetTask(*network, weights, 0, 2, policy, 1), "an entry of in_channels is 0, should be 1");
  EXPECT_NN_ERROR(AddU2NetTask(*network, weights, 1, 0, policy, 1), "an entry of num_classes is 0, should be 1");
  EXPECT_EQ(ParseU2NetAdaptationPolicy("reference"), U2NetAdaptationPolicy::Reference);
  EXPECT_STREQ(ToString(policy), "adapters");
  EXPECT_NN_ERROR(ParseU2NetAdaptationPolicy("all"), "adapters");
}
