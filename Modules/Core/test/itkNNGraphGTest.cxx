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
#include "itkNNGraph.h"
#include "itkNNPasses.h"
#include "itkNNTestHelpers.h"

using namespace itk::nn;

namespace
{
std::vector<std::string>
OperatorsOf(const Graph & graph)
{
  std::vector<std::string> names;
  for (const auto & node : graph.GetNodes())
  {
    names.emplace_back(GetName(node.op));
  }
  return names;
}

using Names = std::vector<std::string>;
} // namespace

TEST(Graph, ValuesOfAllKinds)
{
  Graph graph;
  const ValueId x = graph.AddInput("x", { 1, 3, 8, 8 });
  const ValueId w = graph.AddParameter("w", { 4, 3, 3, 3 });
  const ValueId c = graph.AddConstant(Tensor::Full({ 4, 1, 1 }, 2));
  const ValueId y = graph.Convolve(x, w, std::nullopt, {}, "conv");
  const ValueId z = graph.Combine(BinaryFunction::Multiply, y, c);
  graph.AddOutput("z", z);

  EXPECT_EQ(graph.GetShape(y), (Shape{ 1, 4, 6, 6 }));
  EXPECT_EQ(graph.GetValue(x).kind, Graph::ValueKind::Input);
  EXPECT_EQ(graph.GetValue(w).kind, Graph::ValueKind::Parameter);
  EXPECT_EQ(graph.GetValue(c).kind, Graph::ValueKind::Constant);
  EXPECT_EQ(graph.GetValue(c).constant.GetElement({ 0, 0, 0 }), 2);
  EXPECT_EQ(graph.GetValue(y).kind, Graph::ValueKind::Result);
  EXPECT_EQ(graph.GetValue(y).node, 0);
  EXPECT_EQ(graph.GetValue(y).name, "conv");
  EXPECT_EQ(graph.GetValue(z).name, "Binary");
  EXPECT_EQ(graph.GetValuesOfKind(Graph::ValueKind::Input), std::vector<ValueId>{ x });
  EXPECT_EQ(graph.GetValuesOfKind(Graph::ValueKind::Result), (std::vector<ValueId>{ y, z }));
  EXPECT_EQ(graph.GetInputTypes(graph.GetNodes()[0]).size(), 2U);
  EXPECT_EQ(graph.GetOutputs().size(), 1U);
  EXPECT_EQ(graph.GetOutputs()[0].value, z);
  EXPECT_TRUE(graph.HasOutput(graph.GetOutputs()[0].name));
  EXPECT_FALSE(graph.HasOutput("x"));
  EXPECT_EQ(graph.GetOutput(graph.GetOutputs()[0].name), z);
  EXPECT_EQ(graph.CountFlops(true), 2.0 * 27 * 4 * 36);
  EXPECT_EQ(graph.CountFlops(), 2.0 * 27 * 4 * 36 + 4 * 36 + 4);
}

TEST(Graph, BiasIsSeenFromTheInputs)
{
  Graph graph;
  const ValueId x = graph.AddInput("x", { 1, 3, 8, 8 });
  const ValueId w = graph.AddParameter("w", { 4, 3, 1, 1 });
  const ValueId b = graph.AddParameter("b", { 4 });
  graph.Convolve(x, w, b, {});
  graph.Convolve(x, w, std::nullopt, {});
  Convolution fused;
  fused.postOperations = { { Binary{} } };
  graph.Add(fused, { x, w, graph.AddConstant(Tensor::Zeros({ 1 })) });
  graph.Add(fused, { x, w, b, graph.AddConstant(Tensor::Zeros({ 1 })) });
  const auto hasBias = [&](std::size_t n) { return std::get<Convolution>(graph.GetNodes()[n].op).hasBias; };
  EXPECT_TRUE(hasBias(0));
  EXPECT_FALSE(hasBias(1));
  EXPECT_FALSE(hasBias(2));
  EXPECT_TRUE(hasBias(3));
}

TEST(Graph, ScopesPrefixNames)
{
  Graph graph;
  const ValueId x = graph.AddInput("x", { 2 });
  {
    const Graph::Scope encoder(graph, "encoder");
    graph.Apply(UnaryFunction::Relu, x, 0, 0, "act");
    {
      const Graph::Scope block(graph, "0");
      graph.Apply(UnaryFunction::Relu, x, 0, 0, "act");
      graph.Apply(UnaryFunction::Relu, x);
    }
    graph.Apply(UnaryFunction::Relu, x, 0, 0, "out");
  }
  graph.Apply(UnaryFunction::Relu, x, 0, 0, "last");
  Names names;
  for (const auto & node : graph.GetNodes())
  {
    names.push_back(node.name);
  }
  EXPECT_EQ(names, (Names{ "encoder.act", "encoder.0.act", "encoder.0", "encoder.out", "last" }));
}

TEST(Graph, ParametersAreSharedByName)
{
  Graph graph;
  const ValueId a = graph.AddParameter("w", { 2, 3 });
  EXPECT_EQ(graph.AddParameter("w", { 2, 3 }), a);
  EXPECT_NE(graph.AddParameter("v", { 2, 3 }), a);
  EXPECT_NN_ERROR(graph.AddParameter("w", { 3, 2 }), "Parameter 'w' was added with shape [2, 3] and again with [3, 2]");
}

TEST(Graph, ErrorsNameTheThing)
{
  Graph graph;
  const ValueId x = graph.AddInput("x", { 1, 3, 8, 8 });
  EXPECT_NN_ERROR(graph.AddInput("x", { 1 }), "The graph has an input 'x' already");
  EXPECT_NN_ERROR(graph.AddInput("y", { -1 }), "Value 'y': Shape [-1] has a negative extent");
  EXPECT_NN_ERROR(graph.AddConstant(Tensor(), "c"), "Constant 'c' is an undefined tensor");
  EXPECT_NN_ERROR(graph.GetValue(7), "The graph has no value 7; it has 1");
  EXPECT_NN_ERROR(graph.GetValue(-1), "no value -1");
  EXPECT_NN_ERROR(graph.AddOutput("o", 3), "no value 3");
  graph.AddOutput("o", x);
  EXPECT_NN_ERROR(graph.AddOutput("o", x), "The graph has an output 'o' already");
  EXPECT_NN_ERROR(graph.RemoveOutput("p"), "The graph has no output 'p' to remove");
  EXPECT_NN_ERROR(graph.GetOutput("p"), "The graph has no output 'p'");
  graph.RemoveOutput("o");
  EXPECT_TRUE(graph.GetOutputs().empty());
  graph.AddOutput("o", x);
  const Graph::Scope scope(graph, "decoder");
  const ValueId w = graph.AddParameter("w", { 4, 2, 3, 3 });
  EXPECT_NN_ERROR(graph.Convolve(x, w, std::nullopt, {}, "conv"),
                  "In 'decoder.conv': Convolution: src [1, 3, 8, 8] has 3 channels");
  EXPECT_NN_ERROR(graph.Add(Unary{}, { 99 }, "act"), "In 'decoder.act': The graph has no value 99");
  EXPECT_TRUE(graph.GetNodes().empty());
}

TEST(Graph, CopiesAreIndependent)
{
  Graph graph;
  const ValueId x = graph.AddInput("x", { 2 });
  Graph copy = graph;
  copy.Apply(UnaryFunction::Relu, x);
  EXPECT_EQ(graph.GetNodes().size(), 0U);
  EXPECT_EQ(copy.GetNodes().size(), 1U);
}

TEST(Graph, Text)
{
  Graph graph;
  const ValueId x = graph.AddInput("image", { 1, 2, 4, 4 });
  const ValueId w = graph.AddParameter("w", { 3, 2, 3, 3 });
  Convolution op;
  op.padding = { 1 };
  const ValueId y = graph.Convolve(x, w, std::nullopt, op, "conv");
  graph.AddOutput("logits", graph.Reduce(ReductionFunction::Mean, y, { 1 }, false, "mean"));
  EXPECT_EQ(graph.ToText(),
            "%2 [1, 3, 4, 4] = Convolution('image', 'w') padding=[1, 1]  # conv\n"
            "%3 [1, 4, 4] = Reduction(%2) function=mean axes=[1] keepAxes=no  # mean\n"
            "output 'logits' = %3\n");
}

TEST(Passes, RemoveDeadNodesKeepsInputsAndOutputs)
{
  Graph graph;
  const ValueId x = graph.AddInput("x", { 2 });
  graph.AddInput("unused", { 3 });
  const ValueId a = graph.Apply(UnaryFunction::Relu, x, 0, 0, "a");
  graph.Apply(UnaryFunction::Exp, a, 0, 0, "dead");
  graph.Combine(BinaryFunction::Add, a, graph.AddParameter("deadParameter", { 2 }), "deadToo");
  graph.AddOutput("a", a);
  graph.AddOutput("x", x);
  const Graph result = RemoveDeadNodes(graph);
  ASSERT_EQ(result.GetNodes().size(), 1U);
  EXPECT_EQ(result.GetNodes()[0].name, "a");
  EXPECT_EQ(result.GetValuesOfKind(Graph::ValueKind::Input).size(), 2U);
  EXPECT_TRUE(result.GetValuesOfKind(Graph::ValueKind::Parameter).empty());
  ASSERT_EQ(result.GetOutputs().size(), 2U);
  EXPECT_EQ(result.GetValue(result.GetOutputs()[1].value).name, "x");
}

TEST(Passes, FlattenConcatenationsOfOneAxisOnly)
{
  Graph graph;
  const ValueId a = graph.AddInput("a", { 1, 2, 4 });
  const ValueId b = graph.AddInput("b", { 3, 1, 4 });
  const ValueId same = graph.Concatenate({ a, b }, 1);
  const ValueId other = graph.Concatenate({ b, b }, 2);
  const ValueId nested = graph.Concatenate({ b, same, a }, 1);
  graph.AddOutput("nested", graph.Concatenate({ nested, nested }, 1));
  graph.AddOutput("mixed", graph.Concatenate({ other, other }, 1));
  const Graph result = FlattenConcatenations(graph);
  EXPECT_EQ(OperatorsOf(result), (Names(3, "Concatenation")));
  std::size_t longest = 0;
  for (const auto & node : result.GetNodes())
  {
    longest = std::max(longest, node.inputs.size());
  }
  EXPECT_EQ(longest, 8U);
  EXPECT_EQ(result.GetShape(result.GetOutputs()[0].value), (Shape{ 3, 12, 4 }));
  EXPECT_EQ(result.GetShape(result.GetOutputs()[1].value), (Shape{ 3, 2, 8 }));
}

TEST(Passes, FlattenKeepsAnInnerConcatenationThatIsUsed)
{
  Graph graph;
  const ValueId a = graph.AddInput("a", { 1, 2 });
  const ValueId inner = graph.Concatenate({ a, a }, 0);
  graph.AddOutput("inner", inner);
  graph.AddOutput("outer", graph.Concatenate({ inner, a }, 0));
  const Graph result = FlattenConcatenations(graph);
  ASSERT_EQ(result.GetNodes().size(), 2U);
  EXPECT_EQ(result.GetNodes()[1].inputs.size(), 3U);
}

TEST(Passes, FuseChainsOfUnaryFunctions)
{
  Graph graph;
  const ValueId x = graph.AddInput("x", { 1, 2, 4, 4 });
  const ValueId w = graph.AddParameter("w", { 3, 2, 1, 1 });
  ValueId y = graph.Convolve(x, w, std::nullopt, {}, "conv");
  y = graph.Apply(UnaryFunction::LeakyRelu, y, 0.01);
  y = graph.Apply(UnaryFunction::Square, y);
  graph.AddOutput("y", y);
  const Graph result = FusePostOperations(graph);
  ASSERT_EQ(OperatorsOf(result), Names{ "Convolution" });
  EXPECT_EQ(result.GetNodes()[0].name, "conv");
  const auto & posts = std::get<Convolution>(result.GetNodes()[0].op).postOperations;
  ASSERT_EQ(posts.size(), 2U);
  EXPECT_EQ(std::get<Unary>(posts[0].operation).function, UnaryFunction::LeakyRelu);
  EXPECT_EQ(std::get<Unary>(posts[0].operation).alpha, 0.01);
  EXPECT_EQ(std::get<Unary>(posts[1].operation).function, UnaryFunction::Square);
}

TEST(Passes, FuseIsRefusedWhereTheResultIsNeeded)
{
  Graph twice;
  {
    const ValueId x = twice.AddInput("x", { 1, 2, 4, 4 });
    const ValueId y = twice.Convolve(x, twice.AddParameter("w", { 3, 2, 1, 1 }), std::nullopt, {});
    twice.AddOutput("z", twice.Combine(BinaryFunction::Add, y, twice.Apply(UnaryFunction::Relu, y)));
  }
  EXPECT_EQ(OperatorsOf(FusePostOperations(twice)), (Names{ "Convolution", "Pointwise" }));

  Graph output;
  {
    const ValueId x = output.AddInput("x", { 1, 2, 4, 4 });
    const ValueId y = output.Convolve(x, output.AddParameter("w", { 3, 2, 1, 1 }), std::nullopt, {});
    output.AddOutput("y", y);
    output.AddOutput("z", output.Apply(UnaryFunction::Relu, y));
  }
  EXPECT_EQ(OperatorsOf(FusePostOperations(output)), (Names{ "Convolution", "Unary" }));

  Graph branch;
  {
    const ValueId x = branch.AddInput("x", { 1, 2, 4, 4 });
    const ValueId y = branch.Convolve(x, branch.AddParameter("w", { 3, 2, 1, 1 }), std::nullopt, {});
    const ValueId r = branch.Apply(UnaryFunction::Relu, y);
    branch.AddOutput("a", branch.Apply(UnaryFunction::Exp, r));
    branch.AddOutput("b", branch.Apply(UnaryFunction::Abs, r));
  }
  EXPECT_EQ(OperatorsOf(FusePostOperations(branch)), (Names{ "Convolution", "Unary", "Unary" }));
}

TEST(Passes, PassesAreStable)
{
  Graph graph;
  const ValueId x = graph.AddInput("x", { 1, 2, 4, 4 });
  Convolution padded;
  padded.padding = { 1 };
  const ValueId y = graph.Convolve(x, graph.AddParameter("w", { 2, 2, 3, 3 }), std::nullopt, padded, "conv");
  graph.AddOutput("y", graph.Concatenate({ graph.Apply(UnaryFunction::Relu, y), x }, 1, "cat"));
  const Graph once = FusePostOperations(FlattenConcatenations(RemoveDeadNodes(graph)));
  const Graph again = FusePostOperations(FlattenConcatenations(RemoveDeadNodes(once)));
  EXPECT_EQ(once.ToText(), again.ToText());
}
