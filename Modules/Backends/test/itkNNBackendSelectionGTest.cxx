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
#include "itkNNBackendsTestHelpers.h"
#include "itkNNDifferentiation.h"

#include <thread>

using namespace itk::nn;
using namespace itk::nn::test;

TEST(BackendSelection, RegisteringAgainChangesNothing)
{
  RegisterBackends();
  const std::size_t count = Backend::GetRegistered().size();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
  {
    threads.emplace_back([] { RegisterBackends(); });
  }
  for (auto & thread : threads)
  {
    thread.join();
  }
  EXPECT_EQ(Backend::GetRegistered().size(), count);
  EXPECT_GE(count, 1U);
}

TEST(BackendSelection, ReferenceIsLast)
{
  RegisterBackends();
  const auto registered = Backend::GetRegistered();
  EXPECT_EQ(registered.back()->GetBackendName(), "reference");
  for (std::size_t i = 1; i < registered.size(); ++i)
  {
    EXPECT_GE(registered[i - 1]->GetPriority(), registered[i]->GetPriority());
  }
  const auto selected = Backend::Select("auto", Device{}, DataType::Float32);
  EXPECT_EQ(selected.back()->GetBackendName(), "reference");
}

TEST(BackendSelection, ReferenceServesTheCpuInBothPrecisions)
{
  RegisterBackends();
  const auto reference = Backend::Select("reference", Device{}, DataType::Float32).front();
  EXPECT_EQ(reference->GetUnavailableReason(Device{}, DataType::Float32), "");
  EXPECT_EQ(reference->GetUnavailableReason(Device{}, DataType::Float64), "");
  EXPECT_NE(reference->GetUnavailableReason(Device{}, DataType::Float16).find("float16"), std::string::npos);
  EXPECT_NE(reference->GetUnavailableReason(Device::FromString("cuda:1"), DataType::Float32).find("cuda:1"),
            std::string::npos);
  EXPECT_NN_ERROR(Backend::Select("reference", Device::FromString("cuda"), DataType::Float32),
                  "Backend 'reference' is not available");
}

TEST(BackendSelection, ReferenceHasEveryOperator)
{
  RegisterBackends();
  const auto reference = Backend::Select("reference", Device{}, DataType::Float32).front();
  const Operator operators[] = { Unary{},
                                 Binary{},
                                 Convolution{},
                                 Pooling{},
                                 Interpolation{},
                                 Concatenation{},
                                 Slice{},
                                 Reshape{},
                                 Permutation{},
                                 Broadcast{},
                                 Reduction{},
                                 Softmax{},
                                 MatrixProduct{},
                                 ShiftedInterpolation{},
                                 Pointwise{},
                                 Insertion{},
                                 TransposedConvolution{},
                                 ConvolutionWeightsGradient{},
                                 PoolingGradient{},
                                 TransposedInterpolation{},
                                 Gather{},
                                 ScatterAdd{},
                                 BitMask{},
                                 Barrier{},
                                 Sampling{},
                                 TransposedSampling{},
                                 SamplingCoordinatesGradient{},
                                 LovaszWeights{} };
  static_assert(std::variant_size_v<Operator> == 28, "a new operator belongs in this list");
  for (const auto & op : operators)
  {
    const auto implementations = reference->GetImplementations(op);
    ASSERT_FALSE(implementations.empty()) << GetName(op);
    EXPECT_EQ(implementations.back()->GetName(), std::string("reference:") + GetName(op));
  }
}

TEST(BackendSelection, OneDNN)
{
  RegisterBackends();
  if (!IsRegistered("onednn"))
  {
    GTEST_SKIP() << "this build has no oneDNN backend";
  }
  std::vector<std::string> notes;
  EXPECT_EQ(Backend::Select("auto", Device{}, DataType::Float32, &notes).front()->GetBackendName(), "onednn");
  EXPECT_TRUE(notes.empty());
  EXPECT_EQ(Backend::Select("auto", Device{}, DataType::Float64, &notes).front()->GetBackendName(), "reference");
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_NE(notes[0].find("onednn"), std::string::npos);
  EXPECT_NN_ERROR(Backend::Select("onednn", Device{}, DataType::Float64), "Backend 'onednn' is not available");
}

TEST(BackendSelection, UnknownNameListsTheRegistered)
{
  RegisterBackends();
  EXPECT_NN_ERROR(Backend::Select("tensor", Device{}, DataType::Float32),
                  "Unknown backend 'tensor'; registered are: auto, ");
  EXPECT_NN_ERROR(Backend::Select("auto", Device::FromString("cuda:3"), DataType::Float32),
                  "No backend serves device cuda:3");
}

TEST(BackendSelection, WhatWasPassedOverIsReported)
{
  RegisterBackends();
  Graph graph;
  graph.AddOutput("y", graph.Apply(UnaryFunction::Erf, graph.AddInput("x", { 4 }), 0, 0, "erf"));
  const auto plan = ExecutionPlan::Compile(graph, {}, PlanOptions{});
  ASSERT_EQ(plan->GetSteps().size(), 1U);
  const auto & step = plan->GetSteps()[0];
  EXPECT_EQ(step.implementation.rfind("reference:Unary", 0), 0U);
  if (!IsRegistered("onednn"))
  {
    GTEST_SKIP() << "this build has no oneDNN backend, so that nothing was passed over";
  }
  ASSERT_EQ(step.skipped.size(), 1U);
  EXPECT_NE(step.skipped[0].find("erf"), std::string::npos);
}

/** Few channels must not fall to oneDNN's loops, which are a hundred times slower. */
TEST(BackendSelection, ConvolutionsOfFewChannelsAreFast)
{
  RegisterBackends();
  if (!IsRegistered("onednn"))
  {
    GTEST_SKIP() << "the oneDNN backend was not built";
  }
  for (const std::int64_t channels : { 4, 8, 12 })
  {
    Graph graph;
    const ValueId x = graph.AddInput("x", { 2, channels, 16, 24, 16 });
    const ValueId w = graph.AddInput("w", { channels, channels, 3, 3, 3 });
    const ValueId other = graph.AddInput("other", { 2, channels, 16, 24, 16 });
    Convolution op;
    op.stride = { 1, 1, 1 };
    op.padding = { 1, 1, 1 };
    const ValueId y = graph.Add(op, { x, w }, "convolution");
    const ValueId sum = graph.Combine(BinaryFunction::Add, y, other, "sum");
    graph.AddOutput("loss", graph.Reduce(ReductionFunction::Sum, graph.Apply(UnaryFunction::Square, sum), {}, false));
    DifferentiationOptions differentiation;
    differentiation.withRespectTo = { "w", "x" };
    PlanOptions options;
    const auto plan = ExecutionPlan::Compile(Differentiate(graph, "loss", differentiation).graph, {}, options);
    for (const auto & step : plan->GetSteps())
    {
      const bool isConvolution = step.implementation.find("Convolution") != std::string::npos;
      EXPECT_FALSE(isConvolution && step.implementation.find(":ref:") != std::string::npos)
        << channels << " channels: " << step.implementation;
    }
  }
}
