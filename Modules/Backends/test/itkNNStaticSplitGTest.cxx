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
bool
IsInput(const Graph & graph, const std::string & name)
{
  const auto inputs = graph.GetValuesOfKind(Graph::ValueKind::Input);
  return std::any_of(inputs.begin(), inputs.end(), [&](ValueId id) { return graph.GetValue(id).name == name; });
}

void
CheckSplit(const SmallGraph & small, const std::vector<std::string> & staticInputs)
{
  const StaticSplit split = SplitAtStaticInputs(small.graph, staticInputs);
  TensorMap given;
  TensorMap remaining;
  for (const auto & [name, tensor] : small.inputs)
  {
    const bool isStatic = std::find(staticInputs.begin(), staticInputs.end(), name) != staticInputs.end();
    EXPECT_EQ(IsInput(split.prologue, name), isStatic);
    EXPECT_EQ(IsInput(split.remainder, name), !isStatic);
    (isStatic ? given : remaining)[name] = tensor;
  }
  if (!split.names.empty())
  {
    for (const auto & [name, tensor] : RunOracle(split.prologue, small.weights, given))
    {
      remaining[name] = tensor;
    }
  }
  const TensorMap expected = RunOracle(small.graph, small.weights, small.inputs);
  const TensorMap outputs = RunOracle(split.remainder, small.weights, remaining);
  ASSERT_EQ(outputs.size(), expected.size());
  for (const auto & [name, tensor] : expected)
  {
    EXPECT_TRUE(IsClose(outputs.at(name), tensor, 0)) << name;
  }
}
} // namespace

TEST(FindStaticValues, FollowsTheNodes)
{
  SmallGraph small;
  Graph & g = small.graph;
  const ValueId x = small.Input("x", { 2 });
  const ValueId s = small.Input("s", { 2 });
  const ValueId w = small.Parameter("w", { 2 });
  const ValueId c = g.AddConstant(Tensor::Zeros({ 2 }));
  const ValueId weights = g.Combine(BinaryFunction::Add, w, c);
  const ValueId prepared = g.Combine(BinaryFunction::Add, s, weights);
  const ValueId y = g.Combine(BinaryFunction::Add, x, prepared);
  using Flags = std::vector<bool>;
  EXPECT_EQ(FindStaticValues(g, { "s" }), (Flags{ false, true, true, true, true, true, false }));
  EXPECT_EQ(FindStaticValues(g, {}), (Flags{ false, false, true, true, true, false, false }));
  EXPECT_TRUE(FindStaticValues(g, { "s", "x" })[static_cast<std::size_t>(y)]);
}

TEST(FindStaticValues, UnknownNamesAreErrors)
{
  SmallGraph small;
  small.Input("x", { 2 });
  small.Parameter("w", { 2 });
  small.graph.AddOutput("y", 0);
  EXPECT_NN_ERROR(FindStaticValues(small.graph, { "z" }), "no input 'z'");
  EXPECT_NN_ERROR(FindStaticValues(small.graph, { "x", "z" }), "no input 'z'");
  EXPECT_NN_ERROR(FindStaticValues(small.graph, { "w" }), "no input 'w'");
  EXPECT_NN_ERROR(SplitAtStaticInputs(small.graph, { "z" }), "no input 'z'");
  EXPECT_NN_ERROR(SimplifyGraph(small.graph, { { "z" } }), "no input 'z'");
}

TEST(SplitAtStaticInputs, PrologueAndRemainderInTurnAreTheWhole)
{
  SmallGraph small;
  Graph & g = small.graph;
  const ValueId x = small.Input("x", { 2, 3 });
  const ValueId s = small.Input("s", { 2, 3 });
  const ValueId t = small.Input("t", { 1, 3 });
  const ValueId weights = g.Apply(UnaryFunction::Exp, small.Parameter("w", { 3 }), 0, 0, "weights");
  const ValueId inner = g.Combine(BinaryFunction::Multiply, s, weights, "inner");
  const ValueId prepared = g.Combine(BinaryFunction::Add, inner, t, "prepared");
  const ValueId sum = g.Combine(BinaryFunction::Add, x, prepared, "sum");
  g.AddOutput("y", g.Combine(BinaryFunction::Multiply, sum, weights, "y"));
  g.AddOutput("direct", g.Combine(BinaryFunction::Multiply, x, t, "direct"));
  CheckSplit(small, { "s", "t" });
  CheckSplit(small, { "t" });
  CheckSplit(small, { "s" });
  CheckSplit(small, { "x", "s", "t" });
  CheckSplit(small, {});

  const StaticSplit split = SplitAtStaticInputs(g, { "s", "t" });
  EXPECT_EQ(split.names, (std::vector<std::string>{ "static.0", "static.1" }))
    << "t, which passes through, and prepared";
  EXPECT_EQ(split.prologue.GetNodes().size(), 3U);
  EXPECT_EQ(split.remainder.GetNodes().size(), 4U) << "the weights' node is needed by both";
  EXPECT_TRUE(split.remainder.GetValuesOfKind(Graph::ValueKind::Input).size() == 3U);
}

TEST(SplitAtStaticInputs, StaticOutputsAndInputsThatAreOutputs)
{
  SmallGraph small;
  Graph & g = small.graph;
  const ValueId x = small.Input("x", { 2 });
  const ValueId s = small.Input("s", { 2 });
  small.Input("unused", { 5 });
  const ValueId w = small.Parameter("w", { 2 });
  const ValueId prepared = g.Apply(UnaryFunction::Exp, s);
  g.AddOutput("prepared", prepared);
  g.AddOutput("s", s);
  g.AddOutput("x", x);
  g.AddOutput("w", w);
  g.AddOutput("weights", g.Apply(UnaryFunction::Square, w));
  g.AddOutput("y", g.Combine(BinaryFunction::Add, x, prepared));
  g.AddOutput("prepared again", prepared);
  CheckSplit(small, { "s", "unused" });
  CheckSplit(small, { "s" });
  CheckSplit(small, { "unused" });
  EXPECT_TRUE(SplitAtStaticInputs(g, { "unused" }).names.empty());
  EXPECT_EQ(SplitAtStaticInputs(g, { "s" }).names.size(), 2U);
}

TEST(SplitAtStaticInputs, AnInputWithTheNameOfAStaticValue)
{
  SmallGraph small;
  Graph & g = small.graph;
  const ValueId x = small.Input("static.0", { 2 });
  const ValueId s = small.Input("s", { 2 });
  g.AddOutput("y", g.Combine(BinaryFunction::Add, x, g.Apply(UnaryFunction::Exp, s)));
  CheckSplit(small, { "s" });
}
