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
#include "itkNNDifferentiation.h"

#include "itkNNOperatorCases.h"
#include "itkNNTestDifference.h"
#include "itkNNPasses.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
/** A graph of one row of the operator table, and the weighted sum of its result. */
struct Problem
{
  Graph graph;
  TensorMap inputs;
  std::vector<std::string> differentiated;
};

/** loss = sum(weights * y), with an input for the weights. */
void
AddLoss(Problem & problem, ValueId y)
{
  const Shape shape = problem.graph.GetShape(y);
  const ValueId weights = problem.graph.AddInput("loss weights", shape);
  problem.inputs["loss weights"] = RandomValues(shape, 99);
  const ValueId weighted = problem.graph.Combine(BinaryFunction::Multiply, y, weights);
  problem.graph.AddOutput("loss", problem.graph.Reduce(ReductionFunction::Sum, weighted, {}, false));
}

Problem
MakeProblem(const TableRow & row)
{
  Problem problem;
  const std::vector<Tensor> tensors = row.MakeInputs();
  std::vector<ValueId> ids;
  for (std::size_t i = 0; i < tensors.size(); ++i)
  {
    const std::string name = "input" + std::to_string(i);
    const bool isFloat = IsFloatingPoint(tensors[i].GetDataType());
    ids.push_back(
      problem.graph.AddInput(name, tensors[i].GetShape(), isFloat ? DataType::Float32 : tensors[i].GetDataType()));
    problem.inputs[name] = tensors[i];
    if (isFloat)
    {
      problem.differentiated.push_back(name);
    }
  }
  AddLoss(problem, problem.graph.Add(row.op, ids, "tested"));
  return problem;
}

double
ToNumber(const Tensor & tensor)
{
  return tensor.ToVector<double>().at(0);
}

/** Gradients against central differences in float64, on a sample of the
 * elements. */
void
CheckGradients(const Problem & problem, const DifferentiationOptions & given = {}, double tolerance = 1e-6)
{
  DifferentiationOptions options = given;
  options.withRespectTo = problem.differentiated;
  const DifferentiatedGraph gradients = Differentiate(problem.graph, "loss", options);
  const auto forward = ExecutionPlan::Compile(problem.graph, {}, OracleOptions());
  const auto backward = ExecutionPlan::Compile(gradients.graph, {}, OracleOptions());
  const TensorMap results = backward->Run(problem.inputs);
  const double loss = ToNumber(forward->Run(problem.inputs).at("loss"));
  if (!std::isnan(loss))
  {
    EXPECT_DOUBLE_EQ(ToNumber(results.at("loss")), loss);
  }
  for (const auto & name : problem.differentiated)
  {
    TensorMap inputs = problem.inputs;
    const Tensor original = inputs.at(name);
    const auto found = results.find(GetGradientName(name));
    if (found != results.end())
    {
      EXPECT_EQ(found->second.GetShape(), original.GetShape());
    }
    const std::int64_t count = original.GetNumberOfElements();
    const std::int64_t stride = std::max<std::int64_t>(1, count / 12);
    for (std::int64_t e = 0; e < count; e += stride)
    {
      constexpr double step = 1e-5;
      double values[2];
      for (int side = 0; side < 2; ++side)
      {
        Tensor moved = original.Clone();
        moved.GetData<double>()[e] += side == 0 ? -step : step;
        inputs[name] = moved;
        values[side] = ToNumber(forward->Run(inputs).at("loss"));
      }
      const double expected = (values[1] - values[0]) / (2 * step);
      const double gradient =
        found == results.end() ? 0 : found->second.ToVector<double>()[static_cast<std::size_t>(e)];
      if (std::isfinite(expected))
      {
        EXPECT_NEAR(gradient, expected, tolerance * std::max(1.0, std::abs(expected))) << name << ' ' << e;
      }
    }
  }
}

/** Values at which all functions are smooth and defined, far from ties. */
TableRow
Smooth(const TableRow & row)
{
  TableRow smooth = row;
  smooth.quantized = false;
  smooth.values.clear();
  const auto * unary = std::get_if<Unary>(&row.op);
  const auto * binary = std::get_if<Binary>(&row.op);
  const bool isPositive =
    (unary != nullptr && (unary->function == UnaryFunction::Log || unary->function == UnaryFunction::Sqrt ||
                          unary->function == UnaryFunction::ReciprocalSqrt)) ||
    (binary != nullptr && (binary->function == BinaryFunction::Power || binary->function == BinaryFunction::Divide));
  smooth.low = isPositive ? 0.5 : -1;
  smooth.high = isPositive ? 2 : 1;
  if (unary != nullptr && unary->function == UnaryFunction::Reciprocal)
  {
    smooth.low = 1;
    smooth.high = 2;
  }
  return smooth;
}

/** Fewer of the rows that differ in their extents alone. */
bool
IsChosen(const TableRow & row, std::size_t number)
{
  double elements = 0;
  for (const auto & shape : row.shapes)
  {
    elements += static_cast<double>(NumberOfElements(shape));
  }
  return elements < 3000 || number % 5 == 0;
}
} // namespace

class OperatorGradients : public ::testing::TestWithParam<std::string>
{};

TEST_P(OperatorGradients, AgreeWithFiniteDifferences)
{
  RegisterBackends();
  std::size_t number = 0;
  int checked = 0;
  for (const auto & row : GetOperatorTable())
  {
    ++number;
    const bool isChosen = GetName(row.op) == GetParam() && IsChosen(row, number);
    const auto * pooling = std::get_if<PoolingGradient>(&row.op);
    if (!isChosen || (pooling != nullptr && pooling->pooling.function == PoolingFunction::Maximum))
    {
      continue;
    }
    const Problem problem = MakeProblem(Smooth(row));
    SCOPED_TRACE(row.name);
    CheckGradients(problem);
    ++checked;
  }
  EXPECT_GT(checked, 0);
}

namespace
{
/** Without the one that cannot be differentiated and the one that is a constant. */
std::vector<std::string>
GetDifferentiableNames()
{
  std::vector<std::string> names = GetOperatorNames();
  for (const char * name : { "SamplingCoordinatesGradient", "LovaszWeights" })
  {
    names.erase(std::remove(names.begin(), names.end(), name), names.end());
  }
  return names;
}
} // namespace

INSTANTIATE_TEST_SUITE_P(All, OperatorGradients, ::testing::ValuesIn(GetDifferentiableNames()), NameOfParameter);

namespace
{
/** The gradient of one element of sum(f(x)). */
double
SlopeOf(const Operator & op, const std::vector<double> & operands, std::size_t which = 0)
{
  RegisterBackends();
  Graph graph;
  std::vector<ValueId> ids;
  TensorMap inputs;
  for (std::size_t i = 0; i < operands.size(); ++i)
  {
    const std::string name = "x" + std::to_string(i);
    ids.push_back(graph.AddInput(name, { 1 }));
    inputs[name] = Tensor::Full({ 1 }, operands[i]);
  }
  graph.AddOutput("loss", graph.Add(op, ids));
  DifferentiationOptions options;
  options.withRespectTo = { "x" + std::to_string(which) };
  const DifferentiatedGraph gradients = Differentiate(graph, "loss", options);
  if (gradients.names.empty())
  {
    return 0;
  }
  return ToNumber(ExecutionPlan::Compile(gradients.graph, {}, OracleOptions())
                    ->Run(inputs)
                    .at(GetGradientName(options.withRespectTo[0])));
}
} // namespace

TEST(Differentiation, WhereThereIsNoDerivative)
{
  using UF = UnaryFunction;
  using BF = BinaryFunction;
  EXPECT_EQ(SlopeOf(Unary{ UF::Relu }, { 0 }), 0);
  EXPECT_EQ(SlopeOf(Unary{ UF::LeakyRelu, 0.25 }, { 0 }), 0.25);
  EXPECT_EQ(SlopeOf(Unary{ UF::LeakyRelu, -0.25 }, { -1 }), -0.25);
  EXPECT_EQ(SlopeOf(Unary{ UF::LeakyRelu, -0.25 }, { 1 }), 1);
  EXPECT_EQ(SlopeOf(Unary{ UF::Elu, 2 }, { 0 }), 2);
  EXPECT_EQ(SlopeOf(Unary{ UF::Abs }, { 0 }), 0);
  EXPECT_EQ(SlopeOf(Unary{ UF::Clip, -1, 1 }, { 1 }), 1);
  EXPECT_EQ(SlopeOf(Unary{ UF::Clip, -1, 1 }, { -1 }), 1);
  EXPECT_EQ(SlopeOf(Unary{ UF::Clip, -1, 1 }, { 1.5 }), 0);
  EXPECT_EQ(SlopeOf(Unary{ UF::RoundHalfEven }, { 0.3 }), 0);
  EXPECT_EQ(SlopeOf(Binary{ BF::Maximum }, { 2, 2 }), 0.5);
  EXPECT_EQ(SlopeOf(Binary{ BF::Minimum }, { 2, 2 }, 1), 0.5);
  EXPECT_EQ(SlopeOf(Binary{ BF::Greater }, { 2, 1 }), 0);
  EXPECT_EQ(SlopeOf(Binary{ BF::Equal }, { 2, 2 }), 0);
  EXPECT_EQ(SlopeOf(Binary{ BF::Power }, { 0, 2 }, 1), 0);
  EXPECT_EQ(SlopeOf(Binary{ BF::Gate, 0.5 }, { 3, 0 }), 0.5);
  EXPECT_EQ(SlopeOf(Binary{ BF::Gate, 0.5 }, { 3, 1 }), 1);
  EXPECT_EQ(SlopeOf(Binary{ BF::Gate, 0.5 }, { 3, 1 }, 1), 0);
  EXPECT_EQ(SlopeOf(Binary{ BF::PRelu }, { 0, 0.25 }), 0.25);
  EXPECT_EQ(SlopeOf(Binary{ BF::PRelu }, { -2, 0.25 }, 1), -2);
  EXPECT_EQ(SlopeOf(Binary{ BF::PRelu }, { 2, 0.25 }, 1), 0);
  EXPECT_EQ(SlopeOf(Reduction{ ReductionFunction::Maximum, {}, true }, { 2 }), 1);
}

TEST(Differentiation, EqualElementsShareAReductionsGradient)
{
  RegisterBackends();
  Graph graph;
  graph.AddOutput("loss", graph.Reduce(ReductionFunction::Maximum, graph.AddInput("x", { 4 }), { 0 }, false));
  const auto plan = ExecutionPlan::Compile(Differentiate(graph, "loss").graph, {}, OracleOptions());
  Tensor x({ 4 }, DataType::Float64);
  const double values[] = { 1, 3, 3, 2 };
  std::copy(values, values + 4, x.GetData<double>());
  EXPECT_EQ(plan->Run({ { "x", x } }).at("gradient.x").ToVector<double>(), (std::vector<double>{ 0, 0.5, 0.5, 0 }));
}

namespace
{
/** A small network with a broadcast over supports, a skip, pooling and up-sampling. */
Problem
MakeNetwork()
{
  Problem problem;
  Graph & graph = problem.graph;
  const auto input = [&](const std::string & name, const Shape & shape)
  {
    problem.inputs[name] = RandomValues(shape, static_cast<std::uint32_t>(problem.inputs.size() + 1));
    problem.differentiated.push_back(name);
    return graph.AddInput(name, shape);
  };
  const ValueId u = input("u", { 1, 1, 2, 8, 6 });
  const ValueId v = input("v", { 1, 3, 3, 8, 6 });
  Convolution same;
  same.padding = { 1 };
  ValueId x = graph.Concatenate({ u, v }, -3, "a.concatenation");
  x = graph.Convolve(x, input("w0", { 4, 5, 3, 3 }), input("b0", { 4 }), same, "a.conv");
  const ValueId mean = graph.Reduce(ReductionFunction::Mean, x, { 1 }, true, "a.mean");
  x = graph.Apply(UnaryFunction::LeakyRelu, x, 0.1, 0, "a.nonlin");
  const ValueId skip = x;
  Pooling pooling;
  pooling.kernel = { 2, 2 };
  x = graph.Add(pooling, { x }, "b.pool");
  x = graph.Convolve(x, input("w1", { 4, 4, 3, 3 }), input("b1", { 4 }), same, "b.conv");
  x = graph.Apply(UnaryFunction::Gelu, x, 0, 0, "b.gelu");
  Interpolation up;
  up.size = { 8, 6 };
  up.alignCorners = true;
  x = graph.Add(up, { x }, "c.up");
  x = graph.Concatenate({ x, skip }, -3, "c.concatenation");
  x = graph.Convolve(x, input("w2", { 2, 8, 1, 1 }), {}, {}, "c.conv");
  x =
    graph.Combine(BinaryFunction::Multiply, x, graph.Add(Slice{ { 0, 0, 0, 0, 0 }, { 1, 1, 2, 8, 6 }, {} }, { mean }));
  AddLoss(problem, graph.Add(Softmax{ -3, false }, { x }, "c.softmax"));
  return problem;
}
} // namespace

TEST(Differentiation, OfANetwork)
{
  RegisterBackends();
  CheckGradients(MakeNetwork());
}

TEST(Differentiation, RecomputationChangesMemoryAndNothingElse)
{
  RegisterBackends();
  const Problem problem = MakeNetwork();
  DifferentiationOptions options;
  options.recompute = { "a", "b", "c" };
  CheckGradients(problem, options);
  options.withRespectTo = problem.differentiated;
  const Graph again = Differentiate(problem.graph, "loss", options).graph;
  options.recompute.clear();
  const Graph kept = Differentiate(problem.graph, "loss", options).graph;
  EXPECT_GT(again.CountFlops(true), kept.CountFlops(true));
  // The passes must not undo it.
  EXPECT_GT(SimplifyGraph(again).CountFlops(true), SimplifyGraph(kept).CountFlops(true));
}

TEST(Differentiation, RecomputationSavesMemory)
{
  RegisterBackends();
  Graph graph;
  ValueId x = graph.AddInput("x", { 1, 8, 32, 32 });
  for (int block = 0; block < 6; ++block)
  {
    const Graph::Scope scope(graph, "block" + std::to_string(block));
    for (int layer = 0; layer < 4; ++layer)
    {
      x = graph.Apply(UnaryFunction::Gelu, x, 0, 0, "gelu" + std::to_string(layer));
    }
  }
  graph.AddOutput("loss", graph.Reduce(ReductionFunction::Sum, x, {}, false));
  DifferentiationOptions options;
  const auto bytes = [&]
  { return ExecutionPlan::Compile(Differentiate(graph, "loss", options).graph, {}, OracleOptions())->GetArenaBytes(); };
  const std::size_t kept = bytes();
  options.recompute = { "block0", "block1", "block2", "block3", "block4", "block5" };
  EXPECT_LT(bytes(), kept * 3 / 4);
}

namespace
{
/** Blocks of a convolution, a normalisation and an activation. */
Graph
MakeNormalizedBlocks(int blocks)
{
  Graph graph;
  ValueId x = graph.AddInput("x", { 1, 8, 32, 32 });
  Convolution same;
  same.padding = { 1 };
  for (int block = 0; block < blocks; ++block)
  {
    x = graph.Convolve(x, graph.AddInput("w" + std::to_string(block), { 8, 8, 3, 3 }), {}, same, "conv");
    const ValueId mean = graph.Reduce(ReductionFunction::Mean, x, { 2, 3 });
    const ValueId variance = graph.Reduce(ReductionFunction::Variance, x, { 2, 3 });
    const ValueId factor =
      graph.Apply(UnaryFunction::ReciprocalSqrt, graph.Apply(UnaryFunction::Linear, variance, 1, 1e-5));
    x = graph.Combine(BinaryFunction::Multiply, graph.Combine(BinaryFunction::Subtract, x, mean), factor);
    x = graph.Apply(UnaryFunction::LeakyRelu, x, 0.01);
  }
  graph.AddOutput("loss", graph.Reduce(ReductionFunction::Sum, graph.Apply(UnaryFunction::Square, x), {}, false));
  return graph;
}

bool
ComputesAgain(const Graph & graph)
{
  const auto & nodes = graph.GetNodes();
  return std::any_of(
    nodes.begin(), nodes.end(), [](const Graph::Node & node) { return node.name.find(".again") != std::string::npos; });
}
} // namespace

TEST(Differentiation, RecomputedPassesSaveMemoryAndChangeNothingElse)
{
  RegisterBackends();
  DifferentiationOptions options;
  options.recomputePassesFrom = 1;
  CheckGradients(MakeNetwork(), options);

  const Graph graph = MakeNormalizedBlocks(8);
  const auto run = [&](std::size_t & bytes)
  {
    const DifferentiatedGraph gradients = Differentiate(SimplifyGraph(graph), "loss", options);
    const auto plan = ExecutionPlan::Compile(gradients.graph, {}, OracleOptions());
    bytes = plan->GetArenaBytes();
    TensorMap inputs;
    for (const auto id : graph.GetValuesOfKind(Graph::ValueKind::Input))
    {
      const Graph::Value & value = graph.GetValue(id);
      inputs[value.name] = RandomValues(value.type.shape, static_cast<std::uint32_t>(inputs.size() + 1));
    }
    return plan->Run(inputs);
  };
  std::size_t again = 0;
  std::size_t kept = 0;
  const TensorMap gradients = run(again);
  options.recomputePassesFrom = 0;
  const TensorMap expected = run(kept);
  EXPECT_LT(again, kept / 2);
  for (const auto & [name, tensor] : expected)
  {
    EXPECT_TRUE(IsClose(gradients.at(name), tensor, 1e-9)) << name;
  }
}

TEST(Differentiation, PostOperationsAndSmallResultsAreNotRecomputed)
{
  DifferentiationOptions options;
  options.recomputePassesFrom = 8 * 32 * 32;
  EXPECT_TRUE(ComputesAgain(Differentiate(MakeNormalizedBlocks(2), "loss", options).graph));
  ++options.recomputePassesFrom;
  EXPECT_FALSE(ComputesAgain(Differentiate(MakeNormalizedBlocks(2), "loss", options).graph));

  Graph graph;
  const ValueId x = graph.AddInput("x", { 1, 8, 32, 32 });
  const ValueId w = graph.AddInput("w", { 8, 8, 1, 1 });
  ValueId y = graph.Apply(UnaryFunction::LeakyRelu, graph.Convolve(x, w, {}, {}), 0.01);
  y = graph.Combine(BinaryFunction::Add, graph.Convolve(y, w, {}, {}), y);
  y = graph.Apply(UnaryFunction::Sigmoid, y);
  graph.AddOutput("loss", graph.Reduce(ReductionFunction::Sum, y, {}, false));
  options.recomputePassesFrom = 1;
  EXPECT_FALSE(ComputesAgain(Differentiate(graph, "loss", options).graph));
}

TEST(Differentiation, PassesKeepTheGradients)
{
  const Problem problem = MakeNetwork();
  DifferentiationOptions options;
  options.withRespectTo = problem.differentiated;
  const TensorMap expected =
    ExecutionPlan::Compile(Differentiate(problem.graph, "loss", options).graph, {}, OracleOptions())
      ->Run(problem.inputs);
  const Graph simplified = SimplifyGraph(problem.graph);
  EXPECT_LT(simplified.CountFlops(true), problem.graph.CountFlops(true));
  const DifferentiatedGraph gradients = Differentiate(simplified, "loss", options);
  EXPECT_EQ(gradients.names, problem.differentiated);
  for (const auto & target : GetTargets())
  {
    for (const bool optimize : { false, true })
    {
      const auto plan = ExecutionPlan::Compile(gradients.graph, {}, OptionsOf(target, 2, optimize));
      const TensorMap results = plan->Run(problem.inputs);
      for (const auto & result : expected)
      {
        EXPECT_TRUE(
          IsClose(results.at(result.first), result.second, target.precision == DataType::Float64 ? 1e-11 : 2e-5))
          << result.first << " on " << target.backend << StepsOf(*plan);
      }
    }
  }
}

TEST(Differentiation, OfFusedPostOperations)
{
  RegisterBackends();
  Problem problem = MakeNetwork();
  problem.graph = FusePostOperations(problem.graph);
  CheckGradients(problem);
}

TEST(Differentiation, TwiceGivesSecondDerivatives)
{
  RegisterBackends();
  Graph graph;
  const ValueId x = graph.AddInput("x", { 3 });
  const ValueId cube = graph.Combine(BinaryFunction::Multiply, graph.Apply(UnaryFunction::Square, x), x);
  graph.AddOutput("loss", graph.Reduce(ReductionFunction::Sum, cube, {}, false));
  const DifferentiatedGraph first = Differentiate(graph, "loss");
  ASSERT_EQ(first.outputs, std::vector<std::string>{ "gradient.x" });
  // Of the sum of the first derivatives.
  const DifferentiatedGraph second = Differentiate(first.graph, "gradient.x");
  ASSERT_EQ(second.outputs, std::vector<std::string>{ "gradient.gradient.x" });
  const TensorMap results =
    ExecutionPlan::Compile(second.graph, {}, OracleOptions())->Run({ { "x", Tensor::Full({ 3 }, 2) } });
  EXPECT_EQ(results.at("gradient.x").ToVector<double>(), std::vector<double>(3, 12));
  EXPECT_EQ(results.at("gradient.gradient.x").ToVector<double>(), std::vector<double>(3, 12));
}

TEST(Differentiation, WhatIsAConstantToIt)
{
  RegisterBackends();
  Graph graph;
  const ValueId x = graph.AddInput("x", { 3 });
  const ValueId square = graph.Add(Barrier{ true }, { graph.Apply(UnaryFunction::Square, x) });
  graph.AddOutput("of_stopped", graph.Reduce(ReductionFunction::Sum, square, {}, false));
  const ValueId isForeground = graph.AddInput("foreground", { 3 });
  const ValueId weights = graph.Add(LovaszWeights{}, { x, isForeground });
  const ValueId both = graph.Combine(BinaryFunction::Add, square, weights);
  graph.AddOutput("loss",
                  graph.Reduce(ReductionFunction::Sum, graph.Combine(BinaryFunction::Multiply, x, both), {}, false));
  const DifferentiatedGraph gradients = Differentiate(graph, "loss");
  ASSERT_EQ(gradients.names, std::vector<std::string>{ "x" });
  EXPECT_TRUE(Differentiate(graph, "of_stopped").names.empty());
  for (const auto & options : { OracleOptions(), PlanOptions() })
  {
    const TensorMap results = ExecutionPlan::Compile(gradients.graph, {}, options)
                                ->Run({ { "x", Tensor::FromVector<float>({ 3 }, { 0.5F, 2, 1 }) },
                                        { "foreground", Tensor::FromVector<float>({ 3 }, { 1, 0, 1 }) } });
    // In the order 2, 1, 0.5 the losses are 1 - 2/3, 1 - 1/3, 1.
    EXPECT_LT(
      MaximumDifference(results.at("gradient.x").ToVector<double>(), { 0.25 + 1.0 / 3, 4 + 1.0 / 3, 1 + 1.0 / 3 }),
      1e-6);
  }
}

TEST(Differentiation, ParametersAndWhatDoesNotDependOnThem)
{
  RegisterBackends();
  Graph graph;
  const ValueId x = graph.AddInput("x", { 2 });
  const ValueId used = graph.AddParameter("used", { 2 });
  const ValueId unused = graph.AddParameter("unused", { 2 });
  graph.AddOutput("other", graph.Combine(BinaryFunction::Add, x, unused));
  graph.AddOutput("y", graph.Combine(BinaryFunction::Multiply, x, used));
  const DifferentiatedGraph all = Differentiate(graph, "y");
  EXPECT_EQ(all.names, std::vector<std::string>{ "used" });
  EXPECT_EQ(all.graph.GetOutputs().back().name, "gradient.used");
  DifferentiationOptions options;
  options.withRespectTo = { "x" };
  EXPECT_EQ(Differentiate(graph, "y", options).names, std::vector<std::string>{ "x" });

  const Graph inputs = MakeParametersInputs(all.graph);
  EXPECT_TRUE(inputs.GetValuesOfKind(Graph::ValueKind::Parameter).empty());
  EXPECT_EQ(inputs.GetValuesOfKind(Graph::ValueKind::Input).size(), 3U);
  const TensorMap results =
    ExecutionPlan::Compile(inputs, {}, OracleOptions())
      ->Run(
        { { "x", Tensor::Full({ 2 }, 3) }, { "used", Tensor::Full({ 2 }, 5) }, { "unused", Tensor::Full({ 2 }, 7) } });
  EXPECT_EQ(results.at("gradient.used").ToVector<double>(), (std::vector<double>{ 3, 3 }));
}

TEST(Differentiation, Errors)
{
  Graph graph;
  const ValueId x = graph.AddInput("x", { 1, 1, 4, 4 });
  const ValueId indices = graph.AddInput("indices", { 2 }, DataType::Int64);
  graph.AddOutput("indices", indices);
  Pooling pooling;
  pooling.kernel = { 2, 2 };
  graph.AddOutput("y", graph.Add(pooling, { x }, "pool"));
  EXPECT_NN_ERROR(Differentiate(graph, "z"), "The graph has no output 'z'");
  EXPECT_NN_ERROR(Differentiate(graph, "indices"), "Output 'indices' is int64; only floating-point values");
  DifferentiationOptions options;
  options.withRespectTo = { "indices" };
  EXPECT_NN_ERROR(Differentiate(graph, "y", options), "no floating-point input or parameter 'indices'");
  Graph sampled;
  sampled.AddOutput(
    "y",
    sampled.Add(
      SamplingCoordinatesGradient{},
      { sampled.AddInput("g", { 1, 1, 4 }), sampled.AddInput("x", { 1, 1, 4 }), sampled.AddInput("c", { 1, 1, 4 }) },
      "slopes"));
  EXPECT_NN_ERROR(Differentiate(sampled, "y"), "In 'slopes': the gradient of a sampling by its coordinates cannot be");
  Graph weighted;
  const ValueId w = weighted.AddInput("w", { 1, 1, 2, 2 });
  const ValueId src = weighted.AddInput("x", { 1, 1, 4, 4 });
  weighted.AddOutput("y", weighted.Add(PoolingGradient{ pooling, { 4, 4 } }, { w, src }, "pool"));
  EXPECT_NN_ERROR(Differentiate(weighted, "y"), "In 'pool': the gradient of a maximum pooling cannot be");
}
