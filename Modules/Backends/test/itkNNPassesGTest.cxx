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
#include "itkNNPassesTestHelpers.h"

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
Graph
AllPasses(const Graph & graph)
{
  return FusePostOperations(SimplifyGraph(graph));
}
} // namespace

TEST(Passes, RandomGraphsKeepTheirValues)
{
  int smaller = 0;
  int flattened = 0;
  int fused = 0;
  for (std::uint32_t seed = 1000; seed < 1100; ++seed)
  {
    SCOPED_TRACE(seed);
    const RandomGraph random(seed);
    for (const Pass & pass : { Pass(RemoveDeadNodes), Pass(FlattenConcatenations), Pass(FusePostOperations) })
    {
      CheckPass(pass, random.graph, random.weights, random.inputs);
    }
    CheckPass(AllPasses, random.graph, random.weights, random.inputs, 1e-12);
    const auto nodes = random.graph.GetNodes().size();
    smaller += RemoveDeadNodes(random.graph).GetNodes().size() < nodes ? 1 : 0;
    flattened += CountOperators(FlattenConcatenations(random.graph), "Concatenation") <
                     CountOperators(RemoveDeadNodes(random.graph), "Concatenation")
                 ? 1
                 : 0;
    fused += FusePostOperations(random.graph).GetNodes().size() < nodes ? 1 : 0;
  }
  EXPECT_GT(smaller, 5) << "the random graphs should give each pass something to do";
  EXPECT_GT(flattened, 2);
  EXPECT_GT(fused, 5);
}

TEST(Passes, NestedConcatenationsThatBroadcast)
{
  Graph graph;
  const ValueId a = graph.AddInput("a", { 1, 1, 2, 3 });
  const ValueId b = graph.AddInput("b", { 1, 4, 1, 3 });
  const ValueId c = graph.AddInput("c", { 5, 1, 2, 3 });
  const ValueId inner = graph.Concatenate({ a, b }, 1);
  const ValueId other = graph.Concatenate({ inner, inner }, 2);
  graph.AddOutput("y", graph.Concatenate({ c, inner, a }, 1));
  graph.AddOutput("z", graph.Concatenate({ other, other }, 1));
  const TensorMap inputs{ { "a", RandomValues({ 1, 1, 2, 3 }, 1) },
                          { "b", RandomValues({ 1, 4, 1, 3 }, 2) },
                          { "c", RandomValues({ 5, 1, 2, 3 }, 3) } };
  CheckPass(FlattenConcatenations, graph, {}, inputs);
  EXPECT_EQ(CountOperators(FlattenConcatenations(graph), "Concatenation"), 4) << "inner is needed by other";
}

TEST(Passes, FuseIntoAConvolutionThatHasPostOperations)
{
  Graph graph;
  const ValueId x = graph.AddInput("x", { 1, 3, 5, 5 });
  const ValueId w = graph.AddConstant(RandomValues({ 4, 3, 3, 3 }, 1), "w");
  const ValueId operand = graph.AddConstant(RandomValues({ 4, 1, 1 }, 2), "operand");
  Convolution op;
  op.postOperations = { { Unary{ UnaryFunction::Relu } }, { Binary{ BinaryFunction::Multiply } } };
  ValueId y = graph.Add(op, { x, w, operand }, "conv");
  y = graph.Apply(UnaryFunction::Tanh, y);
  y = graph.Apply(UnaryFunction::Linear, y, 2, -1);
  graph.AddOutput("y", y);
  const Graph fused = FusePostOperations(graph);
  ASSERT_EQ(fused.GetNodes().size(), 1U);
  EXPECT_EQ(std::get<Convolution>(fused.GetNodes()[0].op).postOperations.size(), 4U);
  CheckPass(FusePostOperations, graph, {}, { { "x", RandomValues({ 1, 3, 5, 5 }, 3) } });
}

TEST(Passes, FuseIsRefusedWhereTheValueIsNeeded)
{
  Graph graph;
  const ValueId x = graph.AddInput("x", { 1, 3, 5, 5 });
  const ValueId w = graph.AddConstant(RandomValues({ 3, 3, 1, 1 }, 1), "w");
  const ValueId asOutput = graph.Convolve(x, w, std::nullopt, {}, "asOutput");
  const ValueId usedTwice = graph.Convolve(asOutput, w, std::nullopt, {}, "usedTwice");
  const ValueId a = graph.Apply(UnaryFunction::Relu, usedTwice);
  const ValueId b = graph.Apply(UnaryFunction::Tanh, usedTwice);
  graph.AddOutput("early", asOutput);
  graph.AddOutput("activated", graph.Apply(UnaryFunction::Sigmoid, asOutput));
  graph.AddOutput("y", graph.Combine(BinaryFunction::Add, a, b));
  const Graph result = FusePostOperations(graph);
  EXPECT_EQ(CountOperators(result, "Convolution"), 2);
  EXPECT_EQ(CountOperators(result, "Unary"), 2) << "sigmoid, and one of relu and tanh; the other is fused with the sum";
  EXPECT_EQ(CountOperators(result, "Pointwise"), 1);
  CheckPass(FusePostOperations, graph, {}, { { "x", RandomValues({ 1, 3, 5, 5 }, 3) } });
}

TEST(Passes, PlansRunTheOptimizedGraphUnlessToldNot)
{
  RegisterBackends();
  Graph graph;
  const ValueId x = graph.AddInput("x", { 1, 3, 5, 5 });
  const ValueId w = graph.AddConstant(RandomValues({ 3, 3, 1, 1 }, 1), "w");
  graph.AddOutput("y", graph.Apply(UnaryFunction::Relu, graph.Convolve(x, w, std::nullopt, {})));
  graph.Apply(UnaryFunction::Exp, x, 0, 0, "dead");
  PlanOptions options = OptionsOf({ "reference", DataType::Float32 });
  EXPECT_EQ(ExecutionPlan::Compile(graph, {}, options)->GetSteps().size(), 1U);
  options.optimize = false;
  EXPECT_EQ(ExecutionPlan::Compile(graph, {}, options)->GetSteps().size(), 2U) << "dead nodes never run";
}
