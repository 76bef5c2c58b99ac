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
Graph
Split(const Graph & graph)
{
  return SplitConvolutionsOverConcatenations(graph);
}

Graph
Distribute(const Graph & graph)
{
  return DistributeConvolutionsOverSums(graph);
}

Convolution
Padded(Shape padding, Shape paddingEnd = {})
{
  Convolution op;
  op.padding = std::move(padding);
  op.paddingEnd = std::move(paddingEnd);
  return op;
}

int
CountBiases(const Graph & graph)
{
  return static_cast<int>(std::count_if(graph.GetNodes().begin(),
                                        graph.GetNodes().end(),
                                        [](const Graph::Node & node)
                                        {
                                          const auto * op = std::get_if<Convolution>(&node.op);
                                          return op != nullptr && op->hasBias;
                                        }));
}

int
CountUnary(const Graph & graph, UnaryFunction function)
{
  return static_cast<int>(std::count_if(graph.GetNodes().begin(),
                                        graph.GetNodes().end(),
                                        [&](const Graph::Node & node)
                                        {
                                          const auto * op = std::get_if<Unary>(&node.op);
                                          return op != nullptr && op->function == function;
                                        }));
}
} // namespace

TEST(RemoveIdentities, AllKindsOfThem)
{
  SmallGraph small;
  ValueId x = small.Input("x", { 1, 2, 4, 1 });
  Graph & g = small.graph;
  x = g.Reduce(ReductionFunction::Maximum, x, { 0, 3 });
  x = g.Add(Slice{ { 0, 0, 0, 0 }, { 1, 2, 4, 1 }, { 1, 1, 1, 3 } }, { x });
  x = g.Add(Reshape{ { 1, 2, -1, 1 } }, { x });
  x = g.Add(Permutation{ { 0, 1, 2, 3 } }, { x });
  x = g.Add(Broadcast{ { 1, 2, 4, 1 } }, { x });
  x = g.Concatenate({ x }, 1);
  for (const bool alignCorners : { false, true })
  {
    for (const auto mode : { InterpolationMode::Linear, InterpolationMode::Nearest })
    {
      x = g.Add(Interpolation{ mode, { 4, 1 }, alignCorners }, { x });
    }
  }
  g.AddOutput("y", x);
  EXPECT_TRUE(small.Check(RemoveIdentities).GetNodes().empty());
}

TEST(RemoveIdentities, NotWhatMovesElements)
{
  SmallGraph small;
  const ValueId x = small.Input("x", { 2, 2, 1 });
  Graph & g = small.graph;
  g.AddOutput("permutation", g.Add(Permutation{ { 1, 0, 2 } }, { x }));
  g.AddOutput("slice", g.Add(Slice{ { 1, 0, 0 }, { 2, 2, 1 }, {} }, { x }));
  g.AddOutput("reduction", g.Reduce(ReductionFunction::Sum, x, { 2 }, false));
  g.AddOutput("broadcast", g.Add(Broadcast{ { 1, 2, 2, 1 } }, { x }));
  g.AddOutput("concatenation", g.Concatenate({ x, x }, 2));
  small.ExpectRefused(RemoveIdentities);
}

TEST(MergeEqualNodes, OfEqualInputsAndParameters)
{
  SmallGraph small;
  const ValueId x = small.Input("x", { 2, 3 });
  Graph & g = small.graph;
  const auto chain = [&](double alpha)
  { return g.Apply(UnaryFunction::Tanh, g.Apply(UnaryFunction::Linear, x, alpha, 1), 0, 0, "t"); };
  const ValueId a = chain(0.1);
  const ValueId b = chain(0.1);
  const ValueId c = chain(0.1 + 1e-16);
  const ValueId d = chain(std::nextafter(0.1, 1));
  g.AddOutput("y", g.Concatenate({ a, b, c, d }, 0));
  const Graph result = small.Check(MergeEqualNodes);
  EXPECT_EQ(CountOperators(result, "Unary"), 0.1 + 1e-16 == 0.1 ? 4 : 6);
}

TEST(MergeEqualNodes, NotOfOtherConstants)
{
  SmallGraph small;
  const ValueId x = small.Input("x", { 2, 3 });
  Graph & g = small.graph;
  const ValueId one = g.AddConstant(Tensor::Full({ 1 }, 1));
  const ValueId two = g.AddConstant(Tensor::Full({ 1 }, 2));
  g.AddOutput("a", g.Combine(BinaryFunction::Add, x, one, "sum"));
  g.AddOutput("b", g.Combine(BinaryFunction::Add, x, two, "sum"));
  g.AddOutput("c", g.Combine(BinaryFunction::Subtract, x, two, "sum"));
  g.AddOutput("d", g.Combine(BinaryFunction::Subtract, two, x, "sum"));
  small.ExpectRefused(MergeEqualNodes);
  small.Check(MergeEqualNodes);
}

TEST(HoistOutOfBroadcasts, WorkIsDoneOnce)
{
  SmallGraph small;
  const ValueId x = small.Input("x", { 1, 1, 2, 6, 6 });
  Graph & g = small.graph;
  ValueId y = g.Add(Broadcast{ { 2, 3, 2, 6, 6 } }, { x });
  y = g.Apply(UnaryFunction::Tanh, y);
  y = small.Convolve(y, 4, { 3, 3 }, true, Padded({ 1 }));
  Pooling pooling;
  pooling.kernel = { 2, 2 };
  y = g.Add(pooling, { y });
  y = g.Add(Interpolation{ InterpolationMode::Linear, { 5, 5 }, false }, { y });
  g.AddOutput("y", y);
  g.AddOutput("mean", g.Reduce(ReductionFunction::Mean, y, { 0, 1 }));
  const Graph result = small.Check([](const Graph & graph) { return SimplifyGraph(graph); });
  EXPECT_EQ(result.CountFlops(true), g.CountFlops(true) / 6);
  EXPECT_EQ(CountOperators(result, "Broadcast"), 1);
  EXPECT_EQ(CountOperators(result, "Reduction"), 0) << "a mean of repetitions is what is repeated";
}

TEST(HoistOutOfBroadcasts, RefusedWhereMixedAxesAreRepeated)
{
  SmallGraph small;
  Graph & g = small.graph;
  const ValueId narrow = g.Add(Broadcast{ { 2, 3, 6, 6 } }, { small.Input("narrow", { 2, 1, 6, 6 }) });
  const ValueId flat = g.Add(Broadcast{ { 2, 3, 6, 6 } }, { small.Input("flat", { 2, 3, 1, 6 }) });
  g.AddOutput("channels", small.Convolve(narrow, 2, { 3, 3 }, false));
  g.AddOutput("spatial", small.Convolve(flat, 2, { 3, 3 }, false));
  g.AddOutput("interpolation", g.Add(Interpolation{ InterpolationMode::Linear, { 9, 9 }, true }, { flat }));
  g.AddOutput("sum", g.Reduce(ReductionFunction::Sum, narrow, { 1 }));
  g.AddOutput("mean", g.Reduce(ReductionFunction::Mean, narrow, { 0, 1 }));
  small.ExpectRefused(HoistOutOfBroadcasts);
}

TEST(HoistOutOfBroadcasts, PoolingOfWhatHasNoChannelAxis)
{
  SmallGraph small;
  const ValueId wide = small.graph.Add(Broadcast{ { 2, 3, 4, 4 } }, { small.Input("x", { 4, 4 }) });
  Pooling pooling;
  pooling.kernel = { 2, 2 };
  small.graph.AddOutput("pooling", small.graph.Add(pooling, { wide }));
  small.graph.AddOutput("interpolation",
                        small.graph.Add(Interpolation{ InterpolationMode::Linear, { 7, 7 }, false }, { wide }));
  const Graph result = small.Check(HoistOutOfBroadcasts);
  for (const auto & node : result.GetNodes())
  {
    if (std::holds_alternative<Interpolation>(node.op))
    {
      EXPECT_EQ(result.GetShape(node.output), (Shape{ 7, 7 })) << "it needs no channels";
    }
  }
}

TEST(HoistOutOfBroadcasts, ConcatenationsThatRepeat)
{
  SmallGraph small;
  Graph & g = small.graph;
  const ValueId a = small.Input("a", { 1, 2, 4, 4 });
  const ValueId b = small.Input("b", { 3, 2, 4, 4 });
  const ValueId whole = g.Concatenate({ a, b }, 1);
  g.AddOutput("y", g.Apply(UnaryFunction::Sigmoid, whole));
  g.AddOutput("same", g.Apply(UnaryFunction::Sigmoid, g.Concatenate({ b, b }, 1)));
  const Graph result = small.Check(HoistOutOfBroadcasts);
  EXPECT_EQ(CountOperators(result, "Unary"), 3) << "two for the parts that differ, one behind those that do not";
}

TEST(SplitConvolutions, PartsOfOtherBatchExtents)
{
  for (const bool hasBias : { false, true })
  {
    SmallGraph small;
    const ValueId u = small.Input("u", { 2, 1, 3, 8, 8 });
    const ValueId v = small.Input("v", { 2, 4, 2, 8, 8 });
    const ValueId w = small.Input("w", { 2, 1, 1, 8, 8 });
    Convolution op = Padded({ 1, 2 }, { 0, 1 });
    op.stride = { 2, 1 };
    op.dilation = { 1, 2 };
    small.graph.AddOutput("y", small.Convolve(small.graph.Concatenate({ u, v, w }, 2), 5, { 3, 3 }, hasBias, op));
    const Graph result = small.Check(Split);
    EXPECT_EQ(CountOperators(result, "Convolution"), 2) << "u and w are convolved together";
    EXPECT_EQ(CountBiases(result), hasBias ? 1 : 0);
    EXPECT_EQ(result.CountFlops(true), small.graph.CountFlops(true) * (2 * 4 + 4 * 1) / (6 * 4));
    for (const auto & node : result.GetNodes())
    {
      const auto * convolution = std::get_if<Convolution>(&node.op);
      if (convolution != nullptr && convolution->hasBias)
      {
        EXPECT_EQ(result.GetShape(node.output)[1], 1) << "the smaller term has the bias";
      }
    }
  }
}

TEST(SplitConvolutions, StaticParts)
{
  SmallGraph small;
  const ValueId a = small.Input("a", { 2, 3, 6, 6 });
  const ValueId b = small.Input("b", { 2, 3, 6, 6 });
  small.graph.AddOutput("y", small.Convolve(small.graph.Concatenate({ a, b }, 1), 2, { 3, 3 }, true));
  small.ExpectRefused(Split);
  const Graph result =
    small.Check([](const Graph & graph) { return SplitConvolutionsOverConcatenations(graph, { { "b" } }); });
  EXPECT_EQ(CountOperators(result, "Convolution"), 2);
  small.ExpectRefused([](const Graph & graph) { return SplitConvolutionsOverConcatenations(graph, { { "a", "b" } }); });
}

TEST(SplitConvolutions, Refused)
{
  SmallGraph small;
  Graph & g = small.graph;
  const ValueId u = small.Input("u", { 1, 2, 8, 8 });
  const ValueId v = small.Input("v", { 3, 2, 8, 8 });
  const ValueId row = small.Input("row", { 1, 2, 1, 8 });
  const ValueId whole = g.Concatenate({ u, v }, 1);
  Convolution grouped;
  grouped.groups = 2;
  g.AddOutput("groups", small.Convolve(whole, 4, { 3, 3 }, true, grouped));
  g.AddOutput("activation", small.Convolve(g.Apply(UnaryFunction::Relu, whole), 4, { 3, 3 }, true));
  g.AddOutput("otherAxis", small.Convolve(g.Concatenate({ u, v, u }, 2), 4, { 3, 3 }, true));
  g.AddOutput("spatial", small.Convolve(g.Concatenate({ row, v }, 1), 4, { 3, 3 }, true));
  g.AddOutput("equal", small.Convolve(g.Concatenate({ v, v }, 1), 4, { 3, 3 }, true));
  Convolution fused;
  fused.postOperations = { { Unary{ UnaryFunction::Relu } } };
  g.AddOutput("fused", small.Convolve(whole, 4, { 3, 3 }, true, fused));
  small.ExpectRefused(Split);
  small.Check(Split);
}

TEST(SplitConvolutions, OneDimensionalConvolutionOfImages)
{
  // Along the last axis; the axis before it is the channels, the others batch.
  SmallGraph small;
  const ValueId u = small.Input("u", { 1, 2, 3, 8 });
  const ValueId v = small.Input("v", { 5, 2, 4, 8 });
  small.graph.AddOutput("y", small.Convolve(small.graph.Concatenate({ u, v }, 2), 6, { 5 }, true, Padded({ 2 })));
  EXPECT_EQ(CountOperators(small.Check(Split), "Convolution"), 2);
}

TEST(SplitConvolutions, TheInterpolatedPart)
{
  SmallGraph small;
  Graph & g = small.graph;
  const ValueId coarse = small.Input("coarse", { 2, 16, 4, 4 });
  const ValueId fine = small.Input("fine", { 2, 4, 8, 8 });
  const ValueId up = g.Add(Interpolation{ InterpolationMode::Linear, { 8, 8 }, false }, { coarse });
  g.AddOutput("y", small.Convolve(g.Concatenate({ up, fine }, 1), 4, { 3, 3 }, true, Padded({ 1 })));
  const Graph result = small.Check(Split);
  ASSERT_EQ(CountOperators(result, "Convolution"), 2);
  EXPECT_EQ(CountBiases(result), 1);
  const Graph late = small.Check([](const Graph & graph) { return ConvolveBeforeInterpolation(Split(graph)); });
  EXPECT_EQ(CountOperators(late, "ShiftedInterpolation"), 1);
  EXPECT_EQ(CountOperators(late, "Interpolation"), 0);
  EXPECT_EQ(CountOperators(late, "Reshape"), 1) << "the bias stays with the other part";
}

TEST(DistributeConvolutions, OperandsThatAreRepeated)
{
  SmallGraph small;
  const ValueId a = small.Input("a", { 4, 1, 2, 6, 6 });
  const ValueId b = small.Input("b", { 1, 5, 2, 6, 6 });
  small.graph.AddOutput(
    "y", small.Convolve(small.graph.Combine(BinaryFunction::Add, a, b), 3, { 3, 3 }, true, Padded({ 1 })));
  const Graph result = small.Check(Distribute);
  EXPECT_EQ(CountOperators(result, "Convolution"), 2);
  EXPECT_EQ(CountBiases(result), 1);
  EXPECT_EQ(result.CountFlops(true), small.graph.CountFlops(true) * 9 / 20);
}

TEST(DistributeConvolutions, StaticOperands)
{
  SmallGraph small;
  const ValueId a = small.Input("a", { 1, 2, 6, 6 });
  const ValueId b = small.Input("b", { 5, 2, 6, 6 });
  const ValueId sum = small.graph.Combine(BinaryFunction::Add, a, b);
  small.graph.AddOutput("y", small.Convolve(sum, 3, { 3, 3 }, true));
  small.ExpectRefused(Distribute);
  const auto with = [](const std::string & name)
  { return [=](const Graph & graph) { return DistributeConvolutionsOverSums(graph, { { name } }); }; };
  EXPECT_EQ(CountOperators(small.Check(with("b")), "Convolution"), 2);
  small.ExpectRefused(with("a"));
}

TEST(DistributeConvolutions, WeightsOfARunAreWorkOfARun)
{
  SmallGraph small;
  const ValueId a = small.Input("a", { 1, 2, 6, 6 });
  const ValueId b = small.Input("b", { 5, 2, 6, 6 });
  const ValueId w = small.Input("w", { 3, 2, 3, 3 });
  const ValueId sum = small.graph.Combine(BinaryFunction::Add, a, b);
  small.graph.AddOutput("y", small.graph.Convolve(sum, w, std::nullopt, {}));
  small.ExpectRefused([](const Graph & graph) { return DistributeConvolutionsOverSums(graph, { { "b" } }); });
}

TEST(DistributeConvolutions, Refused)
{
  SmallGraph small;
  Graph & g = small.graph;
  const ValueId a = small.Input("a", { 4, 1, 2, 6, 6 });
  const ValueId b = small.Input("b", { 1, 5, 2, 6, 6 });
  const ValueId row = small.Input("row", { 1, 5, 2, 1, 6 });
  const ValueId channel = small.Input("channel", { 1, 5, 1, 6, 6 });
  const ValueId shorter = small.Input("shorter", { 5, 2, 6, 6 });
  const auto convolve = [&](ValueId src) { return small.Convolve(src, 3, { 3, 3 }, true, Padded({ 1 })); };
  g.AddOutput("difference", convolve(g.Combine(BinaryFunction::Maximum, a, b)));
  g.AddOutput("spatial", convolve(g.Combine(BinaryFunction::Add, a, row)));
  g.AddOutput("channels", convolve(g.Combine(BinaryFunction::Add, a, channel)));
  g.AddOutput("axes", convolve(g.Combine(BinaryFunction::Add, a, shorter)));
  g.AddOutput("activation", convolve(g.Apply(UnaryFunction::Tanh, g.Combine(BinaryFunction::Add, a, b))));
  small.ExpectRefused(Distribute);
}

TEST(MoveReductions, ThroughAChain)
{
  for (const auto function : { ReductionFunction::Mean, ReductionFunction::Sum })
  {
    SmallGraph small;
    Graph & g = small.graph;
    const ValueId u = small.Input("u", { 2, 1, 3, 8, 8 });
    const ValueId v = small.Input("v", { 2, 4, 2, 8, 8 });
    Convolution op = Padded({ 1 });
    op.groups = 5;
    op.stride = { 1, 2 };
    op.dilation = { 2, 1 };
    ValueId y = small.Convolve(g.Concatenate({ u, v }, 2), 10, { 3, 3 }, function == ReductionFunction::Mean, op);
    y = g.Apply(UnaryFunction::Negate, y);
    y = g.Apply(UnaryFunction::Linear, y, 0.5, function == ReductionFunction::Mean ? 2 : 0);
    y = g.Combine(BinaryFunction::Subtract, y, small.Input("offset", { 4, 1, 1, 1 }));
    y = g.Add(Interpolation{ InterpolationMode::Linear, { 7, 9 }, true }, { y });
    Pooling pooling;
    pooling.function = PoolingFunction::Average;
    pooling.kernel = { 2, 2 };
    y = g.Add(pooling, { y });
    g.AddOutput("y", g.Reduce(function, y, { 1 }));
    const Graph result = small.Check([](const Graph & graph) { return SimplifyGraph(graph); });
    EXPECT_EQ(CountOperators(result, "Convolution"), 1);
    EXPECT_EQ(result.CountFlops(true), g.CountFlops(true) / 4);
    // What is not repeated is multiplied instead of added to itself.
    EXPECT_EQ(CountUnary(result, UnaryFunction::Linear), function == ReductionFunction::Mean ? 1 : 2);
    for (const auto & node : result.GetNodes())
    {
      if (std::holds_alternative<Reduction>(node.op))
      {
        EXPECT_EQ(result.GetValue(node.inputs[0]).kind, Graph::ValueKind::Input);
      }
    }
  }
}

TEST(MoveReductions, Refused)
{
  SmallGraph small;
  Graph & g = small.graph;
  const ValueId x = small.Input("x", { 2, 4, 2, 8, 8 });
  const auto convolve = [&](bool hasBias) { return small.Convolve(x, 3, { 3, 3 }, hasBias); };
  g.AddOutput("sumWithBias", g.Reduce(ReductionFunction::Sum, convolve(true), { 1 }));
  g.AddOutput("maximum", g.Reduce(ReductionFunction::Maximum, convolve(false), { 1 }));
  g.AddOutput("fewerAxes", g.Reduce(ReductionFunction::Mean, convolve(false), { 1 }, false));
  g.AddOutput("channels", g.Reduce(ReductionFunction::Mean, convolve(false), { 1, 2 }));
  g.AddOutput("spatial", g.Reduce(ReductionFunction::Mean, convolve(false), { 4 }));
  g.AddOutput("activation", g.Reduce(ReductionFunction::Mean, g.Apply(UnaryFunction::Relu, convolve(false)), { 1 }));
  g.AddOutput("sumOfOffsets", g.Reduce(ReductionFunction::Sum, g.Apply(UnaryFunction::Linear, x, 2, 1), { 1 }));
  const ValueId needed = convolve(false);
  g.AddOutput("needed", needed);
  g.AddOutput("meanOfNeeded", g.Reduce(ReductionFunction::Mean, needed, { 1 }));
  Pooling pooling;
  pooling.kernel = { 2, 2 };
  g.AddOutput("pooling", g.Reduce(ReductionFunction::Mean, g.Add(pooling, { x }), { 1 }));
  g.AddOutput("concatenation", g.Reduce(ReductionFunction::Mean, g.Concatenate({ x, x }, 1), { 1 }));
  g.AddOutput("product", g.Reduce(ReductionFunction::Mean, g.Combine(BinaryFunction::Multiply, x, x), { 1 }));
  small.ExpectRefused(MoveReductionsThroughLinearOperators);
}

TEST(MoveReductions, OperandsOfFewerAxes)
{
  for (const auto function : { ReductionFunction::Mean, ReductionFunction::Sum })
  {
    SmallGraph small;
    Graph & g = small.graph;
    const ValueId a = small.Input("a", { 3, 4 });
    const ValueId b = small.Input("b", { 2, 1, 4 });
    g.AddOutput("some", g.Reduce(function, g.Combine(BinaryFunction::Add, a, b), { 0 }));
    g.AddOutput("other", g.Reduce(function, g.Combine(BinaryFunction::Subtract, a, b), { 1, 2 }));
    g.AddOutput("all", g.Reduce(function, g.Combine(BinaryFunction::Subtract, b, a), {}));
    const ValueId alone = g.Combine(BinaryFunction::Add, a, small.Input("c", { 1, 1, 1 }));
    g.AddOutput("alone", g.Reduce(function, alone, { 0, 2 }));
    const Graph result = RemoveIdentities(small.Check(MoveReductionsThroughLinearOperators));
    EXPECT_EQ(CountOperators(result, "Reduction"), 6) << "one for each operand that has a reduced axis";
  }
}

namespace
{
/** Few channels, many, few. */
SmallGraph
MakeChain(const Shape & spatial,
          const Shape & firstKernel,
          const Convolution & firstOp,
          bool firstBias,
          const Shape & secondKernel,
          const Convolution & secondOp,
          bool secondBias)
{
  SmallGraph small;
  Shape shape{ 2, 1 };
  shape.insert(shape.end(), spatial.begin(), spatial.end());
  const ValueId middle = small.Convolve(small.Input("x", shape), 40, firstKernel, firstBias, firstOp);
  small.graph.AddOutput("y", small.Convolve(middle, 3, secondKernel, secondBias, secondOp));
  return small;
}
} // namespace

TEST(ComposeConvolutions, BordersOfAllPaddings)
{
  int composed = 0;
  int count = 0;
  for (std::int64_t firstKernel : { 1, 3, 5 })
  {
    for (std::int64_t secondKernel : { 1, 2, 3, 5 })
    {
      for (std::int64_t padding = 0; padding < 4; ++padding)
      {
        for (std::int64_t paddingEnd = 0; paddingEnd < 4; ++paddingEnd)
        {
          for (const bool exchanged : { false, true })
          {
            const Convolution one = Padded({ padding }, { paddingEnd });
            const Convolution other = Padded({ (padding + 1) % 3 }, { (paddingEnd + 2) % 3 });
            const SmallGraph small = MakeChain({ 31 },
                                               { firstKernel },
                                               exchanged ? one : other,
                                               (padding + paddingEnd) % 2 == 0,
                                               { secondKernel },
                                               exchanged ? other : one,
                                               padding % 2 == 0);
            SCOPED_TRACE(small.graph.ToText());
            const Graph result = small.Check(ComposeConvolutions);
            composed += result.ToText() != small.graph.ToText() ? 1 : 0;
            ++count;
          }
        }
      }
    }
  }
  EXPECT_GT(composed, count / 4);
}

TEST(ComposeConvolutions, TwoAndThreeAxes)
{
  const SmallGraph flat = MakeChain({ 26, 30 }, { 3, 5 }, Padded({ 1, 2 }), true, { 3, 1 }, Padded({ 1, 0 }), true);
  Graph result = flat.Check(ComposeConvolutions);
  EXPECT_EQ(CountOperators(result, "Insertion"), 2);
  EXPECT_LT(CountProductsOfRuns(result), 0.5 * flat.graph.CountFlops(true));
  const SmallGraph corners =
    MakeChain({ 40, 44 }, { 3, 3 }, Padded({ 1 }), true, { 3, 3 }, Padded({ 1, 1 }, { 1, 0 }), false);
  result = corners.Check(ComposeConvolutions);
  EXPECT_EQ(CountOperators(result, "Insertion"), 3);
  const SmallGraph solid = MakeChain(
    { 8, 9, 16 }, { 3, 3, 3 }, Padded({ 1, 0, 1 }), false, { 3, 1, 3 }, Padded({ 0, 0, 1 }, { 0, 0, 0 }), true);
  result = solid.Check(ComposeConvolutions);
  EXPECT_EQ(CountOperators(result, "Insertion"), 1);
}

TEST(ComposeConvolutions, TheFirstStaysWhereOthersNeedIt)
{
  SmallGraph needed;
  const ValueId twice = needed.Convolve(needed.Input("x", { 1, 1, 40 }), 40, { 3 }, true);
  needed.graph.AddOutput("y", needed.Convolve(twice, 3, { 3 }, true));
  needed.graph.AddOutput("middle", twice);
  const Graph composed = ComposeConvolutions(needed.graph);
  EXPECT_NE(composed.ToText(), RemoveDeadNodes(needed.graph).ToText());
  needed.Check(ComposeConvolutions);
}

TEST(ComposeConvolutions, Refused)
{
  const auto expectRefused = [](const SmallGraph & small) { small.ExpectRefused(ComposeConvolutions); };
  const Shape kernel{ 3 };
  const Shape spatial{ 40 };
  const auto with = [](std::int64_t stride, std::int64_t dilation, std::int64_t groups)
  {
    Convolution op;
    op.stride = { stride };
    op.dilation = { dilation };
    op.groups = groups;
    return op;
  };
  const auto chain = [&](const Convolution & first, const Convolution & second)
  { return MakeChain(spatial, kernel, first, true, kernel, second, true); };
  EXPECT_NE(ComposeConvolutions(chain({}, {}).graph).ToText(), chain({}, {}).graph.ToText());
  for (const auto & op : { with(2, 1, 1), with(1, 2, 1) })
  {
    expectRefused(chain(op, {}));
    expectRefused(chain({}, op));
  }
  // Padding further than the kernel reaches.
  expectRefused(MakeChain(spatial, { 1 }, Padded({ 1 }), true, { 3 }, Padded({ 1 }), true));
  expectRefused(MakeChain(spatial, { 3 }, Padded({ 1 }), true, { 1 }, Padded({ 1 }), true));
  expectRefused(MakeChain(spatial, { 3 }, Padded({ 1 }), true, { 3 }, Padded({ 0 }, { 4 }), true));

  SmallGraph groups;
  const ValueId middle = groups.Convolve(groups.Input("x", { 1, 1, 40 }), 40, kernel, true);
  groups.graph.AddOutput("y", groups.Convolve(middle, 10, kernel, true, with(1, 1, 10)));
  expectRefused(groups);

  SmallGraph activation;
  const ValueId relu = activation.graph.Apply(
    UnaryFunction::Relu, activation.Convolve(activation.Input("x", { 1, 1, 40 }), 40, kernel, true));
  activation.graph.AddOutput("y", activation.Convolve(relu, 3, kernel, true));
  expectRefused(activation);

  // Without the first convolution's work to save, composing these is more.
  SmallGraph needed;
  const ValueId twice = needed.Convolve(needed.Input("x", { 1, 3, 40 }), 4, kernel, true);
  needed.graph.AddOutput("y", needed.Convolve(twice, 3, kernel, true));
  needed.graph.AddOutput("middle", twice);
  expectRefused(needed);

  for (const bool isFirst : { false, true })
  {
    SmallGraph dynamic;
    Graph & g = dynamic.graph;
    const ValueId x = dynamic.Input("x", { 1, 1, 40 });
    const ValueId inner =
      isFirst ? g.Convolve(x, dynamic.Input("w", { 40, 1, 3 }), {}, {}) : dynamic.Convolve(x, 40, kernel, true);
    g.AddOutput("y",
                isFirst ? dynamic.Convolve(inner, 3, kernel, true)
                        : g.Convolve(inner, dynamic.Input("w", { 3, 40, 3 }), {}, {}));
    expectRefused(dynamic);
  }
  SmallGraph bias;
  const ValueId w = bias.Parameter("w", { 40, 1, 3 });
  const ValueId biased = bias.graph.Convolve(bias.Input("x", { 1, 1, 40 }), w, bias.Input("b", { 40 }), {});
  bias.graph.AddOutput("y", bias.Convolve(biased, 3, kernel, true));
  expectRefused(bias);
}

TEST(ComposeConvolutions, OfOtherAxes)
{
  // An image is a batch of rows, and the other way round.
  SmallGraph small;
  const ValueId image = small.Convolve(small.Input("x", { 2, 1, 12, 30 }), 40, { 3, 3 }, true);
  small.graph.AddOutput("rows", small.Convolve(image, 3, { 3 }, true));
  const ValueId rows = small.Convolve(small.Input("z", { 40, 12, 30 }), 12, { 3 }, true);
  small.graph.AddOutput("image", small.Convolve(rows, 3, { 3, 3 }, true));
  small.ExpectRefused(ComposeConvolutions);
}

TEST(ComposeConvolutions, ThreeInARow)
{
  SmallGraph small;
  ValueId y = small.Input("x", { 2, 1, 60 });
  y = small.Convolve(y, 40, { 3 }, true, Padded({ 1 }));
  y = small.Convolve(y, 30, { 3 }, true);
  y = small.Convolve(y, 2, { 3 }, true, Padded({ 1 }));
  small.graph.AddOutput("y", y);
  const Graph result = small.Check([](const Graph & graph) { return SimplifyGraph(graph); });
  EXPECT_LT(CountProductsOfRuns(result), 0.5 * small.graph.CountFlops(true));
}

TEST(ConvolveBeforeInterpolation, AllModesAndPaddings)
{
  for (const bool alignCorners : { false, true })
  {
    for (const auto mode : { InterpolationMode::Linear, InterpolationMode::Nearest })
    {
      for (const Convolution & op : { Padded({}), Padded({ 1 }), Padded({ 0, 2 }, { 3, 1 }) })
      {
        for (const bool hasBias : { false, true })
        {
          SmallGraph small;
          const ValueId up =
            small.graph.Add(Interpolation{ mode, { 9, 11 }, alignCorners }, { small.Input("x", { 2, 2, 20, 4, 5 }) });
          Convolution dilated = op;
          dilated.dilation = { 1, 2 };
          small.graph.AddOutput("y", small.Convolve(up, 3, { 3, 3 }, hasBias, dilated));
          const Graph result = small.Check(ConvolveBeforeInterpolation);
          EXPECT_EQ(CountOperators(result, "ShiftedInterpolation"), 1);
          EXPECT_EQ(CountOperators(result, "Interpolation"), 0);
          EXPECT_EQ(CountOperators(result, "Binary"), hasBias ? 1 : 0);
          EXPECT_EQ(CountProductsOfRuns(result), 2.0 * 20 * 9 * 3 * 4 * 4 * 5);
        }
      }
    }
  }
}

TEST(ConvolveBeforeInterpolation, Refused)
{
  SmallGraph small;
  Graph & g = small.graph;
  const ValueId up =
    g.Add(Interpolation{ InterpolationMode::Linear, { 8, 8 }, true }, { small.Input("x", { 1, 20, 4, 4 }) });
  const ValueId few =
    g.Add(Interpolation{ InterpolationMode::Linear, { 8, 8 }, true }, { small.Input("f", { 1, 2, 4, 4 }) });
  const ValueId down =
    g.Add(Interpolation{ InterpolationMode::Linear, { 4, 4 }, true }, { small.Input("d", { 1, 20, 8, 8 }) });
  const ValueId rows =
    g.Add(Interpolation{ InterpolationMode::Linear, { 16 }, true }, { small.Input("r", { 1, 20, 4, 4 }) });
  Convolution strided;
  strided.stride = { 2 };
  Convolution grouped;
  grouped.groups = 2;
  g.AddOutput("stride", small.Convolve(up, 3, { 3, 3 }, true, strided));
  g.AddOutput("groups", small.Convolve(up, 4, { 3, 3 }, true, grouped));
  g.AddOutput("activation", small.Convolve(g.Apply(UnaryFunction::Relu, up), 3, { 3, 3 }, true));
  g.AddOutput("fewChannels", small.Convolve(few, 3, { 3, 3 }, true));
  g.AddOutput("smaller", small.Convolve(down, 3, { 3, 3 }, true));
  g.AddOutput("otherAxes", small.Convolve(rows, 3, { 3, 3 }, true));
  g.AddOutput("pointwise", small.Convolve(up, 3, { 1, 1 }, true));
  small.ExpectRefused(ConvolveBeforeInterpolation);
}

TEST(FoldAffine, AllFunctionsAndOrders)
{
  using BF = BinaryFunction;
  for (const bool hasBias : { false, true })
  {
    for (const std::int64_t groups : { 1, 2 })
    {
      for (const auto function : { BF::Add, BF::Subtract, BF::Multiply, BF::Divide })
      {
        for (const bool exchanged : { false, true })
        {
          for (const Shape & shape : { Shape{ 4, 1, 1 }, Shape{ 1, 4, 1, 1 } })
          {
            SmallGraph small;
            Convolution op;
            op.groups = groups;
            const ValueId y = small.Convolve(small.Input("x", { 2, 4, 5, 5 }), 4, { 3, 3 }, hasBias, op);
            const ValueId operand = small.Parameter("operand", shape, 0.5, 1.5);
            small.graph.AddOutput(
              "y", exchanged ? small.graph.Combine(function, operand, y) : small.graph.Combine(function, y, operand));
            const Graph result = FoldAffineIntoConvolutions(small.graph);
            const bool isCommutative = function == BF::Add || function == BF::Multiply;
            if (exchanged && !isCommutative)
            {
              small.ExpectRefused(FoldAffineIntoConvolutions);
              continue;
            }
            small.Check(FoldAffineIntoConvolutions);
            EXPECT_EQ(result.GetOutputs()[0].value, result.GetNodes().back().output);
            EXPECT_STREQ(GetName(result.GetNodes().back().op), "Convolution");
          }
        }
      }
    }
  }
}

TEST(FoldAffine, ABatchNormalisation)
{
  SmallGraph small;
  Graph & g = small.graph;
  ValueId y = small.Convolve(small.Input("x", { 2, 3, 5, 5 }), 4, { 3, 3 }, true);
  y = g.Combine(BinaryFunction::Subtract, y, small.Parameter("mean", { 4, 1, 1 }));
  const ValueId deviation = g.Apply(
    UnaryFunction::Sqrt, g.Apply(UnaryFunction::Linear, small.Parameter("variance", { 4, 1, 1 }, 0.1, 2), 1, 1e-5));
  y = g.Combine(BinaryFunction::Divide, y, deviation);
  y = g.Combine(BinaryFunction::Multiply, y, small.Parameter("gamma", { 4, 1, 1 }));
  y = g.Combine(BinaryFunction::Add, small.Parameter("beta", { 4, 1, 1 }), y);
  g.AddOutput("y", y);
  const Graph result = small.Check([](const Graph & graph) { return SimplifyGraph(graph); });
  EXPECT_STREQ(GetName(result.GetNodes().back().op), "Convolution");
  EXPECT_EQ(CountOperators(result, "Convolution"), 1);
}

TEST(FoldAffine, Refused)
{
  SmallGraph small;
  Graph & g = small.graph;
  const ValueId x = small.Input("x", { 2, 3, 5, 5 });
  const ValueId perChannel = small.Parameter("perChannel", { 4, 1, 1 }, 0.5, 1.5);
  const auto convolve = [&] { return small.Convolve(x, 4, { 3, 3 }, true); };
  const auto multiply = [&](const std::string & name, ValueId a, ValueId b)
  { g.AddOutput(name, g.Combine(BinaryFunction::Multiply, a, b)); };
  multiply("activation", g.Apply(UnaryFunction::Relu, convolve()), perChannel);
  const ValueId needed = convolve();
  g.AddOutput("needed", needed);
  multiply("ofNeeded", needed, perChannel);
  multiply("dynamic", convolve(), small.Input("dynamic", { 4, 1, 1 }));
  multiply("scalar", convolve(), small.Parameter("one", { 1 }));
  multiply("spatial", convolve(), small.Parameter("elements", { 4, 3, 3 }));
  multiply("alongBatch", convolve(), small.Parameter("batch", { 2, 1, 1, 1 }));
  multiply("repeated", convolve(), small.Parameter("more", { 5, 1, 4, 1, 1 }));
  multiply("ofWeightsOfARun", g.Convolve(x, small.Input("w", { 4, 3, 3, 3 }), {}, {}), perChannel);
  g.AddOutput("maximum", g.Combine(BinaryFunction::Maximum, convolve(), perChannel));
  small.ExpectRefused(FoldAffineIntoConvolutions);
  small.Check(FoldAffineIntoConvolutions);
}

TEST(Passes, ConstantsOfAnotherType)
{
  // A convolution takes weights of another floating-point type than its src has.
  SmallGraph small;
  Graph & g = small.graph;
  const auto constant = [&](const Shape & shape) { return g.AddConstant(RandomValues(shape, 7, 0.5, 1.5)); };
  ValueId y = small.Input("x", { 1, 1, 40 });
  y = g.Convolve(y, constant({ 40, 1, 3 }), constant({ 40 }), {});
  y = g.Convolve(y, constant({ 20, 40, 3 }), constant({ 20 }), {});
  y = g.Apply(UnaryFunction::Tanh, y);
  y = g.Add(Interpolation{ InterpolationMode::Linear, { 120 }, false }, { y });
  y = g.Convolve(y, constant({ 4, 20, 5 }), constant({ 4 }), {});
  y = g.Combine(BinaryFunction::Multiply, y, small.Parameter("scale", { 4, 1 }));
  y = g.Combine(BinaryFunction::Add, y, small.Parameter("offset", { 4, 1 }));
  g.AddOutput("y", y);
  const Graph result = small.Check([](const Graph & graph) { return SimplifyGraph(graph); });
  FoldedWeights shared;
  const FoldedGraph folded = FoldConstants(result, small.weights, DataType::Float64, shared);
  CheckResult(folded.graph, g, folded.weights, small.inputs, RunOracle(g, small.weights, small.inputs), 1e-12);
}

TEST(Passes, EmptyBatches)
{
  for (const Shape & batch : { Shape{ 0, 1 }, Shape{ 1, 0 }, Shape{ 0, 0 } })
  {
    SmallGraph small;
    Graph & g = small.graph;
    const ValueId x = small.Input("x", { batch[0], batch[1], 2, 6, 6 });
    const ValueId one = small.Input("one", { 1, 1, 2, 6, 6 });
    const ValueId many = g.Add(Broadcast{ { batch[0], batch[1], 2, 6, 6 } }, { one });
    ValueId y = small.Convolve(g.Concatenate({ x, one, many }, 2), 20, { 3, 3 }, true, Padded({ 1 }));
    y = small.Convolve(g.Combine(BinaryFunction::Add, y, small.Convolve(one, 20, { 1, 1 }, false)), 20, { 1, 1 }, true);
    y = g.Add(Interpolation{ InterpolationMode::Linear, { 12, 12 }, false }, { y });
    y = small.Convolve(y, 3, { 3, 3 }, true, Padded({ 1 }));
    g.AddOutput("y", y);
    g.AddOutput("sum", g.Reduce(ReductionFunction::Sum, small.Convolve(y, 2, { 3, 3 }, false), { 0, 1 }));
    g.AddOutput("mean", g.Reduce(ReductionFunction::Mean, g.Combine(BinaryFunction::Add, many, one), { 1 }));
    small.Check([](const Graph & graph) { return FusePostOperations(SimplifyGraph(graph)); });
  }
}
