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
#include "itkNNConstantFolding.h"
#include "itkNNPassesTestHelpers.h"

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
FoldedGraph
FoldAndCheck(const SmallGraph & small, FoldedWeights & shared)
{
  FoldedGraph folded = FoldConstants(small.graph, small.weights, DataType::Float64, shared);
  CheckResult(folded.graph,
              small.graph,
              folded.weights,
              small.inputs,
              RunOracle(small.graph, small.weights, small.inputs),
              1e-13);
  return folded;
}

std::vector<std::string>
ParametersOf(const Graph & graph)
{
  std::vector<std::string> names;
  for (const auto id : graph.GetValuesOfKind(Graph::ValueKind::Parameter))
  {
    names.push_back(graph.GetValue(id).name);
  }
  return names;
}
} // namespace

TEST(FoldConstants, WhatDependsOnWeightsAlone)
{
  SmallGraph small;
  Graph & g = small.graph;
  const ValueId x = small.Input("x", { 2, 3 });
  const ValueId w = small.Parameter("w", { 3 });
  const ValueId v = small.Parameter("v", { 3 });
  const ValueId exp = g.Apply(UnaryFunction::Exp, w);
  const ValueId product = g.Combine(BinaryFunction::Multiply, exp, v);
  g.AddOutput("y", g.Combine(BinaryFunction::Add, x, product));
  g.AddOutput("z", g.Combine(BinaryFunction::Multiply, x, v));
  g.AddOutput("exp", exp);
  g.AddOutput("w", w);
  FoldedWeights shared;
  const FoldedGraph folded = FoldAndCheck(small, shared);
  EXPECT_EQ(folded.graph.GetNodes().size(), 2U);
  const auto names = ParametersOf(folded.graph);
  EXPECT_EQ(names.size(), 4U) << "exp, the product, v and w";
  EXPECT_EQ(folded.weights.GetSize(), names.size());
  EXPECT_EQ(folded.weights.Get("v").GetRawData(), small.weights.Get("v").GetRawData()) << "v is not copied";
  EXPECT_EQ(shared.GetNumberOfBytes(), 2 * 3 * sizeof(double));
}

TEST(FoldConstants, KnownSlopesAreParametersOfTheFunction)
{
  SmallGraph small;
  Graph & g = small.graph;
  const ValueId x = small.Input("x", { 2, 3 });
  const ValueId learned = small.Parameter("learned", { 1 });
  const ValueId computed = g.Apply(UnaryFunction::Exp, small.Parameter("w", { 1, 1 }));
  const ValueId constant = g.AddConstant(Tensor::FromVector<float>({}, { -0.5F }));
  const ValueId channels = small.Parameter("channels", { 3 });
  for (const ValueId slope : { learned, computed, constant, channels })
  {
    g.AddOutput("y" + std::to_string(slope), g.Combine(BinaryFunction::PRelu, x, slope));
  }
  g.AddOutput("wide", g.Combine(BinaryFunction::PRelu, x, small.Parameter("long", { 1, 1, 1 })));
  FoldedWeights shared;
  const FoldedGraph folded = FoldAndCheck(small, shared);
  const auto & nodes = folded.graph.GetNodes();
  EXPECT_EQ(std::count_if(nodes.begin(),
                          nodes.end(),
                          [](const Graph::Node & node) { return std::holds_alternative<Unary>(node.op); }),
            3);
  EXPECT_EQ(nodes.size(), 5U);
}

TEST(FoldConstants, OthersFindWhatWasComputed)
{
  SmallGraph small;
  Graph & g = small.graph;
  const ValueId scaled =
    g.Apply(UnaryFunction::Linear, small.Parameter("w", { 4, 3, 1, 1 }), 0.5, 0.25, "a name that plays no part");
  g.AddOutput("y", g.Convolve(small.Input("x", { 1, 3, 4, 4 }), scaled, std::nullopt, {}));
  SmallGraph other;
  other.weights = small.weights;
  const ValueId again =
    other.graph.Apply(UnaryFunction::Linear, other.graph.AddParameter("w", { 4, 3, 1, 1 }), 0.5, 0.25);
  const ValueId different =
    other.graph.Apply(UnaryFunction::Linear, other.graph.AddParameter("w", { 4, 3, 1, 1 }), 0.5, 0.125);
  const ValueId x = other.Input("x", { 1, 3, 8, 8 });
  other.graph.AddOutput("y", other.graph.Convolve(x, again, std::nullopt, {}));
  other.graph.AddOutput("z", other.graph.Convolve(x, different, std::nullopt, {}));

  FoldedWeights shared;
  const FoldedGraph first = FoldAndCheck(small, shared);
  ASSERT_EQ(ParametersOf(first.graph).size(), 1U);
  const std::string key = ParametersOf(first.graph)[0];
  const FoldedGraph second = FoldAndCheck(other, shared);
  EXPECT_EQ(ParametersOf(second.graph).size(), 2U);
  EXPECT_EQ(second.weights.Get(key).GetRawData(), first.weights.Get(key).GetRawData());
  EXPECT_EQ(shared.GetNumberOfBytes(), 2 * 12 * sizeof(double));

  const FoldedGraph single = FoldConstants(small.graph, small.weights, DataType::Float32, shared);
  EXPECT_EQ(single.weights.Get(key).GetDataType(), DataType::Float32) << "each precision has its own";
  EXPECT_EQ(FoldAndCheck(small, shared).weights.Get(key).GetRawData(), first.weights.Get(key).GetRawData());

  FoldedWeights own;
  EXPECT_NE(FoldAndCheck(small, own).weights.Get(key).GetRawData(), first.weights.Get(key).GetRawData());
}

TEST(FoldConstants, WhatWasRemovedIsComputedAgain)
{
  SmallGraph small;
  const ValueId w = small.Parameter("w", { 4 });
  small.graph.AddOutput("y", small.graph.Apply(UnaryFunction::Exp, w));
  FoldedWeights shared;
  const FoldedGraph first = FoldConstants(small.graph, small.weights, DataType::Float32, shared);
  const std::string key = ParametersOf(first.graph).at(0);
  EXPECT_EQ(shared.GetNumberOfBytes(), 16U);
  shared.Remove(key, DataType::Float64);
  EXPECT_EQ(shared.GetNumberOfBytes(), 16U) << "each precision has its own";
  shared.Remove(key, DataType::Float32);
  EXPECT_EQ(shared.GetNumberOfBytes(), 0U);
  EXPECT_FALSE(shared.Find(key, DataType::Float32).IsDefined());
  const FoldedGraph second = FoldConstants(small.graph, small.weights, DataType::Float32, shared);
  EXPECT_EQ(second.weights.Get(key).ToVector<float>(), first.weights.Get(key).ToVector<float>());
  EXPECT_EQ(shared.Find(key, DataType::Float32).GetRawData(), second.weights.Get(key).GetRawData());
}

TEST(FoldConstants, RoundsOnce)
{
  SmallGraph small;
  ValueId w = small.Parameter("w", { 100 });
  for (int i = 0; i < 10; ++i)
  {
    w = small.graph.Apply(UnaryFunction::Linear, w, 1.1, 0.3);
  }
  small.graph.AddOutput("w", w);
  FoldedWeights shared;
  const FoldedGraph folded = FoldConstants(small.graph, small.weights, DataType::Float32, shared);
  const auto expected = RunOracle(small.graph, small.weights, {}).at("w").ToVector<float>();
  EXPECT_EQ(folded.weights.Get(ParametersOf(folded.graph).at(0)).ToVector<float>(), expected);
}

TEST(FoldConstants, ConstantsAreToldApart)
{
  SmallGraph small;
  Graph & g = small.graph;
  const ValueId x = small.Input("x", { 4 });
  int outputs = 0;
  const auto use = [&](const Tensor & constant)
  {
    const ValueId exp = g.Apply(UnaryFunction::Exp, g.AddConstant(constant, "same name"));
    g.AddOutput("y" + std::to_string(outputs++), g.Combine(BinaryFunction::Add, x, exp));
  };
  use(Tensor::FromVector<float>({ 4 }, { 1, 2, 3, 4 }));
  use(Tensor::FromVector<float>({ 4 }, { 1, 2, 4, 3 }));
  use(Tensor::FromVector<float>({ 1, 4 }, { 1, 2, 3, 4 }));
  use(Tensor::FromVector<float>({ 4, 1 }, { 1, 2, 3, 4 }));
  use(Tensor::FromVector<float>({ 4, 1 }, { 1, 2, 3, 4 }));
  use(Strided(Tensor::FromVector<float>({ 2, 2, 1 }, { 1, 3, 2, 4 })).Reshape({ 4 }));
  FoldedWeights shared;
  EXPECT_EQ(ParametersOf(FoldAndCheck(small, shared).graph).size(), 5U) << "equal constants are shared";
}

TEST(FoldConstants, NamesWithCommasAreToldApart)
{
  SmallGraph small;
  Graph & g = small.graph;
  const ValueId x = small.Input("x", { 2 });
  const ValueId a = small.Parameter("a", { 1 });
  const ValueId c = small.Parameter("c", { 1 });
  const ValueId ab = small.Parameter("a, b", { 1 });
  const ValueId bc = small.Parameter("b, c", { 1 });
  const auto use = [&](const std::string & name, const std::vector<ValueId> & parts)
  { g.AddOutput(name, g.Combine(BinaryFunction::Add, x, g.Concatenate(parts, 0))); };
  use("y", { ab, c });
  use("z", { a, bc });
  FoldedWeights shared;
  FoldAndCheck(small, shared);
}

TEST(FoldConstants, KeysOfSharedValuesStayShort)
{
  SmallGraph small;
  ValueId w = small.Parameter("w", { 2 }, 0.5, 1);
  for (int i = 0; i < 200; ++i)
  {
    w = small.graph.Combine(BinaryFunction::Multiply, w, w);
    w = small.graph.Apply(UnaryFunction::Sqrt, w);
  }
  small.graph.AddOutput("w", w);
  FoldedWeights shared;
  const FoldedGraph folded = FoldAndCheck(small, shared);
  EXPECT_LT(ParametersOf(folded.graph).at(0).size(), 10000U);
}

TEST(FoldConstants, WhatGrowsMuchStays)
{
  SmallGraph small;
  Graph & g = small.graph;
  const ValueId x = small.Input("x", { 1 });
  const ValueId w = g.Apply(UnaryFunction::Square, small.Parameter("w", { 1024 }));
  const auto use = [&](const std::string & name, std::int64_t rows)
  {
    const ValueId wide = g.Add(Broadcast{ { rows, 1024 } }, { w }, name);
    g.AddOutput(name, g.Reduce(ReductionFunction::Sum, g.Combine(BinaryFunction::Multiply, x, wide), {}));
  };
  use("fits", 1024);
  use("large", 1025);
  FoldedWeights shared;
  const FoldedGraph folded = FoldAndCheck(small, shared);
  EXPECT_EQ(CountOperators(folded.graph, "Broadcast"), 1);
  EXPECT_EQ(CountOperators(folded.graph, "Unary"), 0);

  SmallGraph weights;
  const ValueId big = weights.Parameter("big", { 1030, 1030 });
  const ValueId twice = weights.graph.Concatenate({ big, big }, 0);
  weights.graph.AddOutput("y", weights.graph.Reduce(ReductionFunction::Sum, twice, {}));
  EXPECT_TRUE(FoldAndCheck(weights, shared).graph.GetNodes().empty()) << "a little larger than what it is made of";
}

TEST(FoldConstants, MissingParametersAreNamed)
{
  SmallGraph small;
  Graph & g = small.graph;
  const ValueId x = small.Input("x", { 2 });
  const ValueId missing = g.AddParameter("encoder.missing", { 2 });
  g.AddOutput("y", g.Combine(BinaryFunction::Add, x, missing));
  FoldedWeights shared;
  EXPECT_NN_ERROR(FoldConstants(g, small.weights, DataType::Float32, shared), "'encoder.missing'");
  Graph folded = g;
  folded.AddOutput("z", folded.Apply(UnaryFunction::Exp, missing));
  EXPECT_NN_ERROR(FoldConstants(folded, small.weights, DataType::Float32, shared), "'encoder.missing'");
  StateDict wrong;
  wrong.Add("encoder.missing", Tensor::Zeros({ 3 }));
  EXPECT_NN_ERROR(FoldConstants(folded, wrong, DataType::Float32, shared), "'encoder.missing'");
}

TEST(FoldConstants, ValuesOfOtherTypesStay)
{
  // Parameters are float32 in a graph; sums need operands of one type.
  for (const auto type : { DataType::Float64, DataType::Int32 })
  {
    SmallGraph small;
    Graph & g = small.graph;
    const ValueId x = g.AddInput("x", { 2 }, type);
    small.inputs["x"] = Tensor::FromVector<double>({ 2 }, { 3, 4 }).To(type);
    const ValueId c = g.AddConstant(Tensor::FromVector<double>({ 2 }, { 1, 2 }).To(type));
    g.AddOutput("y", g.Combine(BinaryFunction::Add, x, g.Combine(BinaryFunction::Add, c, c)));
    FoldedWeights shared;
    EXPECT_EQ(ErrorOf([&] { FoldConstants(g, small.weights, DataType::Float64, shared); }), "") << ToString(type);
  }
}
