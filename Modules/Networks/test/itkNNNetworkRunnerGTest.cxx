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
#include "itkNNRegisterBackends.h"
#include "itkNNSinglePrecision.h"
#include "itkNNTestHelpers.h"
#include "itkNNTestTargets.h"
#include "itkUniverSegNetwork.h"

#include <algorithm>
#include <atomic>
#include <gtest/gtest.h>
#include <random>
#include <thread>

namespace
{
using namespace itk::nn;

Tensor
Random(const Shape & shape, unsigned int seed)
{
  Tensor tensor(shape);
  std::mt19937 engine(seed);
  for (std::int64_t i = 0; i < tensor.GetNumberOfElements(); ++i)
  {
    tensor.GetData<float>()[i] = static_cast<float>(engine()) * 0x1p-32F - 0.5F;
  }
  return tensor;
}

class NetworkRunnerTest : public ::testing::Test
{
protected:
  void SetUp() override
  {
    RegisterBackends();
    m_Network = Network::Create("universeg", R"({"encoder_blocks": [4, 8]})");
    auto weights = std::make_shared<StateDict>();
    unsigned int seed = 1;
    for (const auto & parameter : m_Network->GetParameters())
    {
      weights->Add(parameter.name, Random(parameter.shape, seed++));
    }
    m_Weights = weights;
  }

  static TensorMap Inputs(std::int64_t supports, std::int64_t size)
  {
    return { { "target", Random({ 1, 1, size, size }, 100) },
             { "support_images", Random({ 1, supports, 1, size, size }, 101) },
             { "support_labels", Random({ 1, supports, 1, size, size }, 102) } };
  }

  Network::ConstPointer m_Network;
  std::shared_ptr<const StateDict> m_Weights;
};

TEST_F(NetworkRunnerTest, OnADeviceTheStateStays)
{
  for (const auto & target : test::GetTargets(DataType::Float32))
  {
    NetworkRunner runner(m_Network, m_Weights, test::OptionsOf(target));
    const TensorMap inputs = Inputs(3, 16);
    const Tensor expected = runner.Run(inputs).at("logits");
    ShapeMap shapes;
    TensorMap statics;
    for (const auto & input : inputs)
    {
      shapes[input.first] = input.second.GetShape();
      if (input.first != "target")
      {
        statics.insert(input);
      }
    }
    const auto state = runner.ComputeStatic(statics, shapes);
    EXPECT_GT(state->GetNumberOfBytes(), 0U);
    for (const auto & value : state->GetValues())
    {
      EXPECT_EQ(value.second.IsOnDevice(), target.device.type == Device::Type::Cuda) << value.first;
    }
    for (int run = 0; run < 3; ++run)
    {
      const Tensor logits = runner.Run({ { "target", inputs.at("target") } }, shapes, *state).at("logits");
      for (std::int64_t y = 0; y < 16; ++y)
      {
        EXPECT_NEAR(logits.GetElement({ 0, 0, y, 5 }), expected.GetElement({ 0, 0, y, 5 }), 1e-5);
      }
    }
  }
}

TEST(NetworkRunner, OutputsThatAreNotWantedAreNotComputed)
{
  RegisterBackends();
  const auto network = Network::Create(
    "unet3d", R"({"in_chns": 1, "class_num": 2, "feature_chns": [2, 2, 2, 2], "multiscale_pred": true})");
  const auto weights = std::make_shared<const StateDict>(test::MakeWeights(*network));
  const TensorMap inputs{ { "input", Random({ 1, 1, 8, 8, 8 }, 3) } };
  const TensorMap all = NetworkRunner(network, weights).Run(inputs);
  EXPECT_EQ(all.size(), 4U);
  PlanOptions options;
  options.outputs = { network->GetLogitsName() };
  NetworkRunner runner(network, weights, options);
  const TensorMap logits = runner.Run(inputs);
  ASSERT_EQ(logits.size(), 1U);
  EXPECT_EQ(logits.at("output0").ToVector<float>(), all.at("output0").ToVector<float>());
  options.outputs = { "output0", "output9" };
  NetworkRunner wrong(network, weights, options);
  EXPECT_NE(test::ErrorOf([&] { wrong.Run(inputs); }).find("no output 'output9'"), std::string::npos);
}

TEST(SinglePrecision, SixteenBitsBecomeFloat32)
{
  const Tensor values = Tensor::FromVector<float>({ 2 }, { 0.5F, -3 });
  for (const DataType type : { DataType::Float16, DataType::BFloat16, DataType::Float32, DataType::Float64 })
  {
    const Tensor result = InSinglePrecision({ { "x", values.To(type) } }).at("x");
    EXPECT_EQ(result.GetDataType(), type == DataType::Float64 ? type : DataType::Float32);
    EXPECT_EQ(result.ToVector<float>(), values.ToVector<float>()) << ToString(type);
  }
}

TEST_F(NetworkRunnerTest, OnADeviceInputsAndOutputsMayStay)
{
  const TensorMap inputs = Inputs(3, 16);
  for (const auto & target : test::GetTargets(true))
  {
    PlanOptions options = test::OptionsOf(target);
    if (target.device.type != Device::Type::Cuda)
    {
      continue;
    }
    const Tensor expected = NetworkRunner(m_Network, m_Weights, options).Run(inputs).at("logits");
    const auto device =
      Backend::Select("auto", target.device, target.precision).front()->GetDeviceMemory(target.device);
    TensorMap onDevice;
    options.keepOutputsOnDevice = true;
    for (const auto & [name, tensor] : inputs)
    {
      onDevice[name] = tensor.ToDevice(device);
      options.residentInputs.push_back(name);
    }
    NetworkRunner runner(m_Network, m_Weights, options);
    for (int run = 0; run < 3; ++run)
    {
      const Tensor logits = runner.Run(onDevice).at("logits");
      EXPECT_TRUE(logits.IsOnDevice());
      EXPECT_EQ(logits.GetDataType(), expected.GetDataType());
      EXPECT_EQ(logits.ToHost().ToVector<double>(), expected.ToVector<double>()) << ToString(target.precision);
    }
  }
}

TEST_F(NetworkRunnerTest, ABatchThatDoesNotFitIsRunInParts)
{
  const auto targets = test::GetTargets(DataType::Float32);
  const auto cuda = std::find_if(targets.begin(),
                                 targets.end(),
                                 [](const test::Target & target) { return target.device.type == Device::Type::Cuda; });
  if (cuda == targets.end() || !test::IsCudaEmulated())
  {
    GTEST_SKIP() << "the memory of an emulated device can be limited, that of another not";
  }
  NetworkRunner runner(m_Network, m_Weights, test::OptionsOf(*cuda));
  TensorMap inputs = Inputs(2, 32);
  inputs["target"] = Random({ 6, 1, 32, 32 }, 7);
  for (const auto name : { "support_images", "support_labels" })
  {
    inputs[name] = inputs[name].Broadcast({ 6, 2, 1, 32, 32 }).Clone();
  }
  const Tensor expected = runner.Run(inputs).at("logits");
  ShapeMap shapes;
  for (const auto & input : inputs)
  {
    shapes[input.first] = input.second.GetShape();
  }
  const std::size_t bytes = runner.GetPlan(shapes)->GetArenaBytes();
  // Another one, without the memory that was kept.
  NetworkRunner limited(m_Network, m_Weights, test::OptionsOf(*cuda));
  runner.ReleaseMemory();
  setenv("UNIVERSEG_CUDA_EMULATED_BYTES", std::to_string(bytes * 8 / 10).c_str(), 1);
  double done = 0;
  RunHooks hooks;
  hooks.progress = [&](double part)
  {
    EXPECT_GE(part, done);
    done = part;
  };
  const Tensor logits = limited.Run(inputs, hooks).at("logits");
  EXPECT_EQ(done, 1);
  EXPECT_EQ(logits.GetShape(), expected.GetShape());
  for (std::int64_t b = 0; b < 6; ++b)
  {
    EXPECT_NEAR(logits.GetElement({ b, 0, 3, 4 }), expected.GetElement({ b, 0, 3, 4 }), 1e-5);
  }
  limited.ReleaseMemory();
  setenv("UNIVERSEG_CUDA_EMULATED_BYTES", "1000", 1);
  EXPECT_EQ(test::ErrorOf([&] { limited.Run(Inputs(2, 32)); }).find("cuda:0 has no room for ") == std::string::npos,
            false);
  unsetenv("UNIVERSEG_CUDA_EMULATED_BYTES");
}

TEST_F(NetworkRunnerTest, KeepsThePlanOfAShape)
{
  NetworkRunner runner(m_Network, m_Weights);
  const ShapeMap shapes{ { "target", { 1, 1, 8, 8 } },
                         { "support_images", { 1, 2, 1, 8, 8 } },
                         { "support_labels", { 1, 2, 1, 8, 8 } } };
  const auto plan = runner.GetPlan(shapes);
  EXPECT_EQ(plan, runner.GetPlan(shapes));
  EXPECT_EQ(runner.Run(Inputs(2, 8)).at("logits").GetShape(), (Shape{ 1, 1, 8, 8 }));
  EXPECT_EQ(runner.Run(Inputs(3, 16)).at("logits").GetShape(), (Shape{ 1, 1, 16, 16 }));
  EXPECT_EQ(plan, runner.GetPlan(shapes));
  runner.ReleaseMemory();
  EXPECT_NE(plan, runner.GetPlan(shapes));
}

TEST_F(NetworkRunnerTest, DoesNotDependOnTheOrderOfTheSupports)
{
  NetworkRunner runner(m_Network, m_Weights);
  TensorMap inputs = Inputs(2, 8);
  const auto first = runner.Run(inputs).at("logits").ToVector<float>();
  for (const auto * name : { "support_images", "support_labels" })
  {
    Tensor swapped(inputs[name].GetShape());
    swapped.Slice(1, 0, 1).CopyFrom(inputs[name].Slice(1, 1, 2));
    swapped.Slice(1, 1, 2).CopyFrom(inputs[name].Slice(1, 0, 1));
    inputs[name] = swapped;
  }
  const auto second = runner.Run(inputs).at("logits").ToVector<float>();
  for (std::size_t i = 0; i < first.size(); ++i)
  {
    EXPECT_NEAR(first[i], second[i], 1e-5F);
  }
}

TEST_F(NetworkRunnerTest, ThreadsShareARunner)
{
  NetworkRunner runner(m_Network, m_Weights);
  const TensorMap inputs = Inputs(3, 16);
  const auto expected = runner.Run(inputs).at("logits").ToVector<float>();
  std::atomic<int> equal{ 0 };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
  {
    threads.emplace_back([&] { equal += runner.Run(inputs).at("logits").ToVector<float>() == expected ? 1 : 0; });
  }
  for (auto & thread : threads)
  {
    thread.join();
  }
  EXPECT_EQ(equal, 4);
}

ShapeMap
ShapesOf(const TensorMap & inputs)
{
  ShapeMap shapes;
  for (const auto & input : inputs)
  {
    shapes.emplace(input.first, input.second.GetShape());
  }
  return shapes;
}

TensorMap
StaticPart(const TensorMap & inputs)
{
  return { { "support_images", inputs.at("support_images") }, { "support_labels", inputs.at("support_labels") } };
}

TEST_F(NetworkRunnerTest, StaticStateGivesTheSameForEveryTarget)
{
  for (const auto precision : { DataType::Float32, DataType::Float64 })
  {
    for (const std::int64_t supports : { 1, 3, 8 })
    {
      PlanOptions options;
      options.precision = precision;
      options.threads = 2;
      NetworkRunner runner(m_Network, m_Weights, options);
      TensorMap inputs = Inputs(supports, 16);
      const ShapeMap shapes = ShapesOf(inputs);
      const auto state = runner.ComputeStatic(StaticPart(inputs), shapes);
      EXPECT_EQ(state->GetNumberOfBytes(), runner.GetSplitPlans(shapes).bytes);
      for (unsigned int seed = 0; seed < 3; ++seed)
      {
        inputs["target"] = Random({ 1, 1, 16, 16 }, seed);
        const auto expected = runner.Run(inputs).at("logits").ToVector<double>();
        const auto logits =
          runner.Run({ { "target", inputs["target"] } }, shapes, *state).at("logits").ToVector<double>();
        ASSERT_EQ(logits.size(), expected.size());
        for (std::size_t i = 0; i < logits.size(); ++i)
        {
          EXPECT_NEAR(logits[i], expected[i], precision == DataType::Float64 ? 1e-11 : 1e-4);
        }
      }
    }
  }
}

TEST_F(NetworkRunnerTest, OneSupportIsNotWorthAState)
{
  const auto network =
    std::make_shared<const UniverSegNetwork>(UniverSegConfiguration{ { { 64, 64 }, { 64, 64 } }, {} });
  auto weights = std::make_shared<StateDict>();
  unsigned int seed = 1;
  for (const auto & parameter : network->GetParameters())
  {
    weights->Add(parameter.name, Random(parameter.shape, seed++));
  }
  NetworkRunner runner(network, weights);
  const ShapeMap one = ShapesOf(Inputs(1, 64));
  EXPECT_FALSE(runner.SavesWork(one));
  EXPECT_FALSE(runner.GetSplitPlans(one).saves);
  EXPECT_LT(runner.GetPlan(one)->GetFlops(true), runner.GetSplitPlans(one).remainder->GetFlops(true));
  const ShapeMap many = ShapesOf(Inputs(8, 64));
  EXPECT_TRUE(runner.SavesWork(many));
  EXPECT_TRUE(runner.GetSplitPlans(many).saves);
  EXPECT_LT(runner.GetSplitPlans(many).remainder->GetFlops(true), runner.GetPlan(many)->GetFlops(true));
}

TEST_F(NetworkRunnerTest, StaticStateServesBatchesOfTargets)
{
  NetworkRunner runner(m_Network, m_Weights);
  TensorMap inputs = Inputs(4, 8);
  const auto state = runner.ComputeStatic(StaticPart(inputs), ShapesOf(inputs));
  inputs["target"] = Random({ 3, 1, 8, 8 }, 5);
  const ShapeMap shapes = ShapesOf(inputs);
  EXPECT_EQ(runner.GetSplitPlans(shapes).key, state->GetKey());
  const auto expected = runner.Run(inputs).at("logits").ToVector<double>();
  const auto logits = runner.Run({ { "target", inputs["target"] } }, shapes, *state).at("logits").ToVector<double>();
  ASSERT_EQ(logits.size(), expected.size());
  for (std::size_t i = 0; i < logits.size(); ++i)
  {
    EXPECT_NEAR(logits[i], expected[i], 1e-4);
  }
}

TEST_F(NetworkRunnerTest, StaticStateOfOtherShapesIsRefused)
{
  NetworkRunner runner(m_Network, m_Weights);
  const TensorMap small = Inputs(2, 8);
  const TensorMap large = Inputs(3, 8);
  const auto state = runner.ComputeStatic(StaticPart(small), ShapesOf(small));
  EXPECT_THROW(runner.Run({ { "target", large.at("target") } }, ShapesOf(large), *state), Error);
  EXPECT_THROW(runner.ComputeStatic({ { "support_images", small.at("support_images") } }, ShapesOf(small)), Error);
  RunHooks hooks;
  hooks.isCancelled = [] { return true; };
  EXPECT_THROW(runner.ComputeStatic(StaticPart(small), ShapesOf(small), hooks), Cancelled);
}

TEST_F(NetworkRunnerTest, BadArgumentsAreRefused)
{
  EXPECT_THROW(NetworkRunner(nullptr, m_Weights), Error);
  EXPECT_THROW(NetworkRunner(m_Network, nullptr), Error);
  EXPECT_THROW(NetworkRunner(m_Network, std::make_shared<StateDict>()), Error);
  NetworkRunner runner(m_Network, m_Weights);
  TensorMap inputs = Inputs(1, 8);
  inputs["target"] = Tensor();
  EXPECT_THROW(runner.Run(inputs), Error);
  inputs = Inputs(1, 7);
  EXPECT_THROW(runner.Run(inputs), Error);
  inputs = Inputs(1, 8);
  inputs["context"] = inputs["target"];
  EXPECT_THROW(runner.Run(inputs), Error);
}
} // namespace
