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
#include "itkNNNaiveOperators.h"

#include <cctype>
#include <cstdlib>
#include <limits>

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
/** A table row as a graph of one node. */
struct RowGraph
{
  explicit RowGraph(const TableRow & row, const std::vector<Tensor> & tensors)
  {
    std::vector<ValueId> ids;
    for (std::size_t i = 0; i < tensors.size(); ++i)
    {
      const std::string name = "input" + std::to_string(i);
      const bool isWeight = std::holds_alternative<Convolution>(row.op) && !row.weightsAreInputs &&
                            (i == 1 || (i == 2 && std::get<Convolution>(row.op).hasBias));
      if (isWeight)
      {
        ids.push_back(graph.AddParameter(name, tensors[i].GetShape()));
        weights.Add(name, tensors[i]);
      }
      else
      {
        const bool isFloat = IsFloatingPoint(tensors[i].GetDataType());
        ids.push_back(
          graph.AddInput(name, tensors[i].GetShape(), isFloat ? DataType::Float32 : tensors[i].GetDataType()));
        inputs[name] = tensors[i];
      }
    }
    graph.AddOutput("y", graph.Add(row.op, ids, "tested"));
  }

  Graph graph;
  StateDict weights;
  TensorMap inputs;
};

Tensor
RunRow(const TableRow & row, const std::vector<Tensor> & tensors, const PlanOptions & options)
{
  const RowGraph rowGraph(row, tensors);
  return ExecutionPlan::Compile(rowGraph.graph, rowGraph.weights, options)->Run(rowGraph.inputs).at("y");
}

Tensor
Absolute(const Tensor & tensor)
{
  Tensor copy = tensor.Clone();
  double * data = copy.GetData<double>();
  for (std::int64_t e = 0; e < copy.GetNumberOfElements(); ++e)
  {
    data[e] = std::abs(data[e]);
  }
  return copy;
}

/** In a floating-point type, or as it is when of integers. */
Tensor
InPrecision(const Tensor & tensor, DataType precision)
{
  return IsFloatingPoint(tensor.GetDataType()) ? tensor.To(precision) : tensor;
}

/** Sums of the products' magnitudes, for the operators whose error grows with
 * them; undefined for others. */
Tensor
GetMagnitude(const TableRow & row, const std::vector<Tensor> & tensors)
{
  TableRow magnitude = row;
  if (auto * convolution = std::get_if<Convolution>(&magnitude.op))
  {
    for (const auto & post : convolution->postOperations)
    {
      const auto * binary = std::get_if<Binary>(&post.operation);
      const auto * unary = std::get_if<Unary>(&post.operation);
      if ((binary != nullptr && binary->function != BinaryFunction::Add) ||
          (unary != nullptr && unary->function != UnaryFunction::Exp && unary->function != UnaryFunction::Square))
      {
        convolution->postOperations.clear();
        break;
      }
    }
  }
  else if (auto * transposed = std::get_if<TransposedConvolution>(&magnitude.op))
  {
    if (!transposed->postOperations.empty())
    {
      transposed->postOperations.clear();
      return RunRow(magnitude, { Absolute(tensors[0]), Absolute(tensors[1]) }, OracleOptions());
    }
  }
  else if (!std::holds_alternative<ConvolutionWeightsGradient>(row.op) &&
           !std::holds_alternative<TransposedInterpolation>(row.op) &&
           !std::holds_alternative<PoolingGradient>(row.op) && !std::holds_alternative<MatrixProduct>(row.op) &&
           !std::holds_alternative<TransposedSampling>(row.op) && !std::holds_alternative<Interpolation>(row.op) &&
           !std::holds_alternative<Reduction>(row.op) && !std::holds_alternative<Pooling>(row.op))
  {
    return Tensor();
  }
  std::vector<Tensor> absolute;
  for (std::size_t i = 0; i < tensors.size(); ++i)
  {
    if (const auto * convolution = std::get_if<Convolution>(&magnitude.op))
    {
      if (convolution->postOperations.empty() && i >= (convolution->hasBias ? 3U : 2U))
      {
        break;
      }
    }
    // Gradients of a maximum and of a sampling go where they do with the signs.
    const bool keepsSigns =
      (std::holds_alternative<PoolingGradient>(row.op) || std::holds_alternative<TransposedSampling>(row.op)) && i == 1;
    absolute.push_back(keepsSigns ? tensors[i] : Absolute(tensors[i]));
  }
  return RunRow(magnitude, absolute, OracleOptions());
}

double
GetTolerance(const TableRow & row, DataType precision)
{
  if (MovesElements(row.op))
  {
    return 0;
  }
  return precision == DataType::Float64 ? 1e-12 : 1e-5;
}

/** One test an operator, over its rows of the table. */
class OperatorTable : public ::testing::TestWithParam<std::string>
{
protected:
  std::vector<TableRow> GetRows() const
  {
    std::vector<TableRow> rows;
    for (const auto & row : GetOperatorTable())
    {
      if (GetName(row.op) == this->GetParam())
      {
        rows.push_back(row);
      }
    }
    EXPECT_FALSE(rows.empty());
    return rows;
  }
};

/** The oracle against loops that share nothing with it. */
void
CheckOracle(const TableRow & row)
{
  const std::vector<Tensor> inputs = row.MakeInputs();
  EXPECT_TRUE(IsClose(RunRow(row, inputs, OracleOptions()), RunNaive(row, inputs), 1e-12, GetMagnitude(row, inputs)))
    << row;
}

/** Plans of a row with these options, from contiguous and from strided inputs. */
void
CheckPlans(const TableRow & row, const std::vector<PlanOptions> & variants)
{
  const std::vector<Tensor> inputs = row.MakeInputs();
  const Tensor expected = RunRow(row, inputs, OracleOptions());
  const Tensor magnitude = GetMagnitude(row, inputs);
  for (const auto & options : variants)
  {
    const RowGraph rowGraph(row, inputs);
    const auto plan = ExecutionPlan::Compile(rowGraph.graph, rowGraph.weights, options);
    const Tensor result = plan->Run(rowGraph.inputs).at("y");
    EXPECT_EQ(result.GetDataType(), options.precision);
    EXPECT_TRUE(IsClose(result, expected, GetTolerance(row, options.precision), magnitude))
      << row << "\non " << options.backend << " in " << ToString(options.precision) << StepsOf(*plan);

    TensorMap strided;
    for (const auto & input : rowGraph.inputs)
    {
      strided[input.first] = Strided(InPrecision(input.second, options.precision));
    }
    // Threads of a device add to the same sums in any order.
    const bool isRepeatable = options.deterministic || options.device.type == Device::Type::Cpu ||
                              !std::holds_alternative<TransposedSampling>(row.op);
    const double tolerance = isRepeatable ? 0 : GetTolerance(row, options.precision);
    EXPECT_TRUE(IsClose(plan->Run(strided).at("y"), result, tolerance, magnitude))
      << row << "\nfrom strided inputs on " << options.backend << StepsOf(*plan);
  }
}

/** Every backend in every precision it serves. */
void
CheckBackends(const TableRow & row)
{
  std::vector<PlanOptions> variants;
  for (const auto & target : GetTargets())
  {
    variants.push_back(OptionsOf(target));
  }
  ASSERT_GE(variants.size(), 2U) << "the reference backend serves float32 and float64";
  CheckPlans(row, variants);
}

/** Every implementation with its inputs in every layout, and memory full of
 * NaN where it writes: values as the oracle's, zeros in the lanes that fill a
 * block. */
void
CheckLayouts(const TableRow & row)
{
  const std::vector<Tensor> inputs = row.MakeInputs();
  const Tensor expected = RunRow(row, inputs, OracleOptions());
  const Tensor magnitude = GetMagnitude(row, inputs);
  if (expected.GetNumberOfElements() == 0)
  {
    return;
  }
  const RowGraph rowGraph(row, inputs);
  const Graph::Node & node = rowGraph.graph.GetNodes()[0];
  const Backend::Pointer reference = Backend::Select("reference", Device{}, DataType::Float32).front();

  for (const auto & target : GetTargets())
  {
    if (target.precision != DataType::Float32)
    {
      continue;
    }
    const auto backend = Backend::Select(target.backend, target.device, target.precision).front();
    const auto device = backend->GetDeviceMemory(target.device);
    for (const Implementation * implementation : backend->GetImplementations(node.op))
    {
      for (const auto kind :
           { Layout::Kind::Plain, Layout::Kind::Blocked8, Layout::Kind::Blocked16, Layout::Kind::ChannelsLast })
      {
        WeightCache cache;
        OperatorCase operatorCase{ node.op, {}, { expected.GetShape(), DataType::Float32 }, 2, &cache, device.get() };
        std::vector<Tensor> plain;
        for (std::size_t i = 0; i < inputs.size(); ++i)
        {
          plain.push_back(InPrecision(inputs[i], DataType::Float32));
          Operand operand;
          operand.type = { inputs[i].GetShape(), plain.back().GetDataType() };
          const bool isWeight = std::holds_alternative<Convolution>(row.op) &&
                                (i == 1 || (i == 2 && std::get<Convolution>(node.op).hasBias));
          if (isWeight)
          {
            operand.constant = plain.back();
            operand.name = "input" + std::to_string(i);
          }
          else if (operand.type.shape.size() >= 3 && IsFloatingPoint(operand.type.type))
          {
            operand.layout = { kind, static_cast<int>(operand.type.shape.size()) - 3 };
          }
          operatorCase.inputs.push_back(std::move(operand));
        }
        const Proposal proposal = implementation->Propose(operatorCase);
        if (!proposal.IsSupported() || proposal.kernel == nullptr)
        {
          continue;
        }
        std::vector<Tensor> memory;
        for (std::size_t i = 0; i < inputs.size(); ++i)
        {
          const Layout wanted = operatorCase.inputs[i].IsConstant() || i >= proposal.inputLayouts.size()
                                ? Layout{}
                                : proposal.inputLayouts[i];
          if (wanted.IsPlain())
          {
            memory.push_back(plain[i]);
          }
          else
          {
            memory.emplace_back(wanted.GetPhysicalShape(inputs[i].GetShape()));
            ExecuteKernel(
              *reference->MakeReorder(operatorCase.inputs[i].type, Layout{}, wanted, 1), { plain[i] }, memory.back());
          }
        }
        const double nan = std::numeric_limits<double>::quiet_NaN();
        Tensor output = Tensor::Full(proposal.outputLayout.GetPhysicalShape(expected.GetShape()), nan);
        ExecuteKernel(*proposal.kernel, memory, output, device.get());

        const std::string context =
          implementation->GetName() + " from " + Layout{ kind, 0 }.ToText() + " to " + proposal.outputLayout.ToText();
        Tensor result = output;
        if (!proposal.outputLayout.IsPlain())
        {
          result = Tensor(expected.GetShape());
          ExecuteKernel(
            *reference->MakeReorder(operatorCase.output, proposal.outputLayout, Layout{}, 1), { output }, result);
        }
        EXPECT_TRUE(IsClose(result, expected, GetTolerance(row, DataType::Float32), magnitude)) << row << '\n'
                                                                                                << context;

        const int block = proposal.outputLayout.GetBlock();
        if (block > 0)
        {
          const auto axis = static_cast<std::size_t>(proposal.outputLayout.axis);
          const std::int64_t channels = expected.GetShape()[axis];
          const Shape physical = proposal.outputLayout.GetPhysicalShape(expected.GetShape());
          int wrong = 0;
          ForEach(physical,
                  [&](const Shape & index)
                  {
                    const bool filling = index[axis] * block + index.back() >= channels;
                    wrong += filling && output.GetElement(index) != 0 ? 1 : 0;
                  });
          EXPECT_EQ(wrong, 0) << "elements that fill the last block should be zero: " << row << '\n' << context;
        }
      }
    }
  }
}
} // namespace

TEST_P(OperatorTable, OracleAgreesWithPlainLoops)
{
  RegisterBackends();
  for (const auto & row : GetRows())
  {
    SCOPED_TRACE(row.name);
    CheckOracle(row);
  }
}

TEST_P(OperatorTable, BackendsAgreeWithTheOracle)
{
  for (const auto & row : GetRows())
  {
    SCOPED_TRACE(row.name);
    CheckBackends(row);
  }
}

TEST_P(OperatorTable, CudaWithAndWithoutLibrariesAgreesWithTheOracle)
{
  if (!IsRegistered("cuda"))
  {
    GTEST_SKIP() << "there is no CUDA device";
  }
  PlanOptions single = OptionsOf({ "cuda", DataType::Float32, Device::FromString("cuda") });
  PlanOptions twofold = OptionsOf({ "cuda", DataType::Float64, Device::FromString("cuda") });
  for (const auto & row : GetRows())
  {
    SCOPED_TRACE(row.name);
    setenv("UNIVERSEG_CUDA_LIBRARIES", "never", 1);
    CheckPlans(row, { single, twofold });
    unsetenv("UNIVERSEG_CUDA_LIBRARIES");
    PlanOptions always = single;
    always.deterministic = true;
    CheckPlans(row, { always });
    if (IsCudaEmulated())
    {
      // The layouts of tensor cores; the emulation multiplies with all bits.
      always.allowTensorFloat32 = true;
      CheckPlans(row, { always });
    }
  }
}

TEST_P(OperatorTable, LayoutsAgreeWithTheOracle)
{
  RegisterBackends();
  for (const auto & row : GetRows())
  {
    // A layout concerns values with channels and pixels.
    if (row.shapes[0].size() >= 3)
    {
      SCOPED_TRACE(row.name);
      CheckLayouts(row);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, OperatorTable, ::testing::ValuesIn(GetOperatorNames()), NameOfParameter);

namespace
{
/** Sets UNIVERSEG_WINOGRAD while it lives. */
class WinogradScope
{
public:
  explicit WinogradScope(const char * value)
  {
    setenv("UNIVERSEG_WINOGRAD", value, 1);
  }
  ~WinogradScope()
  {
    unsetenv("UNIVERSEG_WINOGRAD");
  }
  WinogradScope(const WinogradScope &) = delete;
  WinogradScope & operator=(const WinogradScope &) = delete;
};

/** The convolution's step of a row's plan. */
ExecutionPlan::StepInfo
GetConvolutionStep(const TableRow & row)
{
  const RowGraph rowGraph(row, row.MakeInputs());
  const auto plan =
    ExecutionPlan::Compile(rowGraph.graph, rowGraph.weights, OptionsOf({ "onednn", DataType::Float32 }));
  for (const auto & step : plan->GetSteps())
  {
    if (step.operatorName == GetName(row.op))
    {
      return step;
    }
  }
  return {};
}

bool
IsWinograd(const ExecutionPlan::StepInfo & step)
{
  return step.implementation.rfind("simd:winograd", 0) == 0;
}

/** The table's row with a name. */
TableRow
FindRow(const std::string & name)
{
  const auto & table = GetOperatorTable();
  const auto found = std::find_if(table.begin(), table.end(), [&](const TableRow & row) { return row.name == name; });
  EXPECT_NE(found, table.end()) << name;
  return found == table.end() ? table.front() : *found;
}
} // namespace

TEST(OperatorHarness, WinogradAgreesWithTheOracle)
{
  if (!IsRegistered("onednn"))
  {
    GTEST_SKIP() << "this build has no oneDNN backend";
  }
  const WinogradScope scope("always");
  int checked = 0;
  int checkedTransposed = 0;
  for (const auto & row : GetOperatorTable())
  {
    const bool isTransposed = std::holds_alternative<TransposedConvolution>(row.op);
    if ((isTransposed || std::holds_alternative<Convolution>(row.op)) && IsWinograd(GetConvolutionStep(row)))
    {
      SCOPED_TRACE(row.name);
      CheckLayouts(row);
      ++checked;
      checkedTransposed += isTransposed ? 1 : 0;
    }
  }
  EXPECT_GT(checked - checkedTransposed, 80);
  EXPECT_GT(checkedTransposed, 20);
}

TEST(OperatorHarness, WinogradTakesWholeOperands)
{
  if (!IsRegistered("onednn"))
  {
    GTEST_SKIP() << "this build has no oneDNN backend";
  }
  const WinogradScope scope("always");
  for (const char * name : { "ConvolutionThenSame16_add",
                             "ConvolutionThenChannel5_multiply",
                             "ConvolutionThenSupportAxis",
                             "ConvolutionThenWholeSupport",
                             "ConvolutionThenWholeTarget",
                             "ConvolutionThenWholeImage",
                             "ConvolutionThenWholeChain",
                             "ConvolutionAxes3ThenSame",
                             "ConvolutionAxes3ThenChannel",
                             "ConvolutionAxes3ThenWholeSupport",
                             "ConvolutionAxes3ThenChain",
                             "ConvolutionWeightsAreInputs",
                             "TransposedConvolutionFusedStride1",
                             "TransposedConvolutionUnevenPadding",
                             "TransposedConvolutionVolume" })
  {
    const auto step = GetConvolutionStep(FindRow(name));
    EXPECT_TRUE(IsWinograd(step)) << name;
  }
}

TEST(OperatorHarness, WinogradSaysWhyNot)
{
  if (!IsRegistered("onednn"))
  {
    GTEST_SKIP() << "this build has no oneDNN backend";
  }
  const auto reasonOf = [](const std::string & name)
  {
    const auto step = GetConvolutionStep(FindRow(name));
    return step.skipped.empty() ? std::string() : step.skipped.front();
  };
  EXPECT_NE(reasonOf("ConvolutionChannels16To16").find("the cost model expects"), std::string::npos);
  {
    const WinogradScope scope("never");
    EXPECT_NE(reasonOf("ConvolutionChannels16To16").find("UNIVERSEG_WINOGRAD is never"), std::string::npos);
  }
  const WinogradScope scope("always");
  EXPECT_NE(reasonOf("ConvolutionKernel5").find("kernels of 3 by 3 or 3 by 3 by 3, not [5, 5]"), std::string::npos);
  EXPECT_NE(reasonOf("ConvolutionAxes3Rectangular").find("3 by 3 by 3, not [1, 5, 3]"), std::string::npos);
  EXPECT_NE(reasonOf("ConvolutionAxes1Blocks").find("3 by 3 by 3, not [3]"), std::string::npos);
  EXPECT_NE(reasonOf("ConvolutionAxes3ThenPlane").find("nor whole images of the result"), std::string::npos);
  EXPECT_NE(reasonOf("ConvolutionDilation2").find("neither stride nor dilation nor groups"), std::string::npos);
  EXPECT_NE(reasonOf("TransposedConvolutionMorePadding").find("padding of at most 2, not [3, 3]"), std::string::npos);
  EXPECT_NE(reasonOf("TransposedConvolutionStride2").find("neither stride nor dilation nor groups"), std::string::npos);
  EXPECT_NE(reasonOf("ConvolutionThenRow").find("nor whole images of the result"), std::string::npos);
  EXPECT_NE(reasonOf("ConvolutionThen16_tanh").find("has no post-operation tanh"), std::string::npos);
  EXPECT_NE(reasonOf("ConvolutionThenSame16_maximum").find("has no post-operation max"), std::string::npos);
}

TEST(OperatorHarness, TheEstimateTakesWinogradForLargeLayers)
{
  if (!IsRegistered("onednn"))
  {
    GTEST_SKIP() << "this build has no oneDNN backend";
  }
  Graph graph;
  StateDict weights;
  Convolution same;
  same.padding = { 1 };
  ValueId y = graph.AddInput("x", { 1, 4, 64, 32, 32 });
  for (int i = 0; i < 2; ++i)
  {
    const std::string name = "w" + std::to_string(i);
    weights.Add(name, RandomValues({ 64, 64, 3, 3 }, 5, -0.1, 0.1).To(DataType::Float32));
    y = graph.Convolve(y, graph.AddParameter(name, { 64, 64, 3, 3 }), std::nullopt, same, "conv" + std::to_string(i));
    y = graph.Apply(UnaryFunction::LeakyRelu, y, 0.01);
  }
  graph.AddOutput("y", y);
  const auto plan = ExecutionPlan::Compile(graph, weights, OptionsOf({ "onednn", DataType::Float32 }));
  int winograd = 0;
  int reorders = 0;
  for (const auto & step : plan->GetSteps())
  {
    winograd += IsWinograd(step) ? 1 : 0;
    reorders += step.operatorName == "Reorder" ? 1 : 0;
  }
  EXPECT_EQ(winograd, 2) << StepsOf(*plan);
  EXPECT_LE(reorders, 2) << "one into the blocks and one out of them" << StepsOf(*plan);
  const TensorMap inputs{ { "x", RandomValues({ 1, 4, 64, 32, 32 }, 6) } };
  EXPECT_TRUE(IsClose(
    plan->Run(inputs).at("y"), ExecutionPlan::Compile(graph, weights, OracleOptions())->Run(inputs).at("y"), 2e-5));
}

TEST(OperatorHarness, TheEstimateTakesWinogradForLargeVolumes)
{
  if (!IsRegistered("onednn"))
  {
    GTEST_SKIP() << "this build has no oneDNN backend";
  }
  for (const std::int64_t extent : { 24, 2 })
  {
    Graph graph;
    StateDict weights;
    weights.Add("w", RandomValues({ 64, 64, 3, 3, 3 }, 5, -0.1, 0.1).To(DataType::Float32));
    Convolution same;
    same.padding = { 1 };
    const ValueId x = graph.AddInput("x", { 1, 64, extent, extent, extent });
    graph.AddOutput("y", graph.Convolve(x, graph.AddParameter("w", { 64, 64, 3, 3, 3 }), std::nullopt, same, "conv"));
    const auto plan = ExecutionPlan::Compile(graph, weights, OptionsOf({ "onednn", DataType::Float32 }));
    const auto & steps = plan->GetSteps();
    EXPECT_EQ(std::any_of(steps.begin(), steps.end(), IsWinograd), extent == 24) << StepsOf(*plan);
  }
}

TEST(OperatorHarness, TableNamesAreUnique)
{
  std::vector<std::string> names;
  for (const auto & row : GetOperatorTable())
  {
    names.push_back(row.name);
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
}

TEST(OperatorHarness, TableHasEveryOperator)
{
  std::vector<bool> seen(std::variant_size_v<Operator>, false);
  for (const auto & row : GetOperatorTable())
  {
    seen[row.op.index()] = true;
  }
  EXPECT_EQ(std::count(seen.begin(), seen.end(), false), 0);
}

TEST(OperatorHarness, DataMovementKeepsIntegers)
{
  RegisterBackends();
  for (const auto & target : GetTargets())
  {
    for (const auto type : { DataType::Int64, DataType::Int32, DataType::Int16, DataType::UInt8, DataType::Bool })
    {
      Graph graph;
      const ValueId a = graph.AddInput("a", { 2, 3, 4 }, type);
      const ValueId b = graph.AddInput("b", { 2, 1, 4 }, type);
      const ValueId joined = graph.Concatenate({ a, b }, 1);
      graph.AddOutput("joined", joined);
      graph.AddOutput("sliced", graph.Add(Slice{ { 0, 1, 0 }, { 2, 4, 4 }, { 1, 2, 3 } }, { joined }));
      graph.AddOutput("permuted", graph.Add(Permutation{ { 2, 0, 1 } }, { a }));
      graph.AddOutput("repeated", graph.Add(Broadcast{ { 2, 5, 4 } }, { b }));
      graph.AddOutput("reshaped", graph.Add(Reshape{ { 6, 4 } }, { a }));
      const Tensor valueA = RandomTensor({ 2, 3, 4 }, 1, 0, 100).To(type);
      const Tensor valueB = RandomTensor({ 2, 1, 4 }, 2, 0, 100).To(type);
      const auto plan = ExecutionPlan::Compile(graph, {}, OptionsOf(target));
      const TensorMap outputs = plan->Run({ { "a", valueA }, { "b", valueB } });
      Tensor expected({ 2, 4, 4 }, type);
      expected.Slice(1, 0, 3).CopyFrom(valueA);
      expected.Slice(1, 3, 4).CopyFrom(valueB);
      const std::string context = target.backend + ' ' + ToString(type) + StepsOf(*plan);
      for (const auto & output : outputs)
      {
        EXPECT_EQ(output.second.GetDataType(), type) << context;
      }
      EXPECT_TRUE(IsClose(outputs.at("joined"), expected, 0)) << context;
      EXPECT_TRUE(IsClose(outputs.at("sliced"), expected.Slice(1, 1, 4, 2).Slice(2, 0, 4, 3), 0)) << context;
      EXPECT_TRUE(IsClose(outputs.at("permuted"), valueA.Permute({ 2, 0, 1 }), 0)) << context;
      EXPECT_TRUE(IsClose(outputs.at("repeated"), valueB.Broadcast({ 2, 5, 4 }), 0)) << context;
      EXPECT_TRUE(IsClose(outputs.at("reshaped"), valueA.Reshape({ 6, 4 }), 0)) << context;
    }
  }
}

TEST(OperatorHarness, ArithmeticOfIntegersIsRefusedWithItsReason)
{
  for (const auto & target : GetTargets())
  {
    Graph graph;
    const ValueId a = graph.AddInput("a", { 4 }, DataType::Int32);
    graph.AddOutput("y", graph.Combine(BinaryFunction::Add, a, a, "sum"));
    EXPECT_NN_ERROR(ExecutionPlan::Compile(graph, {}, OptionsOf(target)), "No implementation supports Binary 'sum'");
    EXPECT_NN_ERROR(ExecutionPlan::Compile(graph, {}, OptionsOf(target)), "not in int32");
  }
}

TEST(OperatorHarness, OneDNNTakesTheUsualConvolutions)
{
  if (!IsRegistered("onednn"))
  {
    GTEST_SKIP() << "this build has no oneDNN backend";
  }
  int checked = 0;
  for (const auto & row : GetOperatorTable())
  {
    if (!std::holds_alternative<Convolution>(row.op))
    {
      continue;
    }
    const auto & op = std::get<Convolution>(row.op);
    bool usual = true;
    for (const auto & shape : row.shapes)
    {
      usual = usual && NumberOfElements(shape) > 0;
    }
    const std::size_t firstOperand = op.hasBias ? 3 : 2;
    for (std::size_t i = firstOperand; i < row.shapes.size(); ++i)
    {
      const std::size_t rank = row.shapes[1].size() - 2;
      Shape channel(rank + 1, 1);
      channel[0] = row.shapes[1][0];
      usual = usual && (row.shapes[i].size() == row.shapes[0].size() || row.shapes[i] == channel);
    }
    for (const auto & post : op.postOperations)
    {
      const auto * unary = std::get_if<Unary>(&post.operation);
      usual = usual && (unary == nullptr || unary->function != UnaryFunction::Erf);
    }
    const bool repeats = row.name == "ConvolutionThenSupportAxis" || row.name.rfind("ConvolutionThenWhole", 0) == 0;
    if (!usual || repeats)
    {
      continue;
    }
    const RowGraph rowGraph(row, row.MakeInputs());
    const auto plan =
      ExecutionPlan::Compile(rowGraph.graph, rowGraph.weights, OptionsOf({ "onednn", DataType::Float32 }));
    const auto & steps = plan->GetSteps();
    const bool taken =
      std::any_of(steps.begin(),
                  steps.end(),
                  [](const ExecutionPlan::StepInfo & step)
                  {
                    return step.operatorName == "Convolution" &&
                           (step.implementation.rfind("onednn:", 0) == 0 || step.implementation.rfind("simd:", 0) == 0);
                  });
    EXPECT_TRUE(taken) << row.name << ": " << row << StepsOf(*plan);
    ++checked;
  }
  EXPECT_GT(checked, 80);
}

TEST(OperatorHarness, ReordersAreExactBothWays)
{
  RegisterBackends();
  const Layout layouts[] = {
    {}, { Layout::Kind::Blocked8, 1 }, { Layout::Kind::Blocked16, 1 }, { Layout::Kind::ChannelsLast, 1 }
  };
  for (const auto & target : GetTargets())
  {
    const auto backend = Backend::Select(target.backend, target.device, target.precision).front();
    const auto device = backend->GetDeviceMemory(target.device);
    for (const Shape & shape : { Shape{ 2, 9, 3, 4 }, Shape{ 1, 16, 2, 2 }, Shape{ 3, 1, 5 }, Shape{ 2, 20 } })
    {
      const Tensor start = RandomTensor(shape, 3).To(DataType::Float32);
      for (const auto & from : layouts)
      {
        for (const auto & to : layouts)
        {
          const Layout path[] = { {}, from, to, {} };
          Tensor memory = start;
          bool offered = true;
          for (int i = 0; i < 3 && offered; ++i)
          {
            // A plan asks for changes only.
            if (path[i] == path[i + 1])
            {
              continue;
            }
            const auto kernel = backend->MakeReorder({ shape, DataType::Float32 }, path[i], path[i + 1], 2);
            offered = kernel != nullptr;
            if (offered)
            {
              Tensor next = Tensor::Full(path[i + 1].GetPhysicalShape(shape), 99);
              ExecuteKernel(*kernel, { memory }, next, device.get());
              double sum = 0;
              for (const double value : next.ToVector<double>())
              {
                sum += value;
              }
              double startSum = 0;
              for (const double value : start.ToVector<double>())
              {
                startSum += value;
              }
              EXPECT_NEAR(sum, startSum, 1e-9) << "the filling should be zero";
              memory = next;
            }
          }
          EXPECT_TRUE(offered || backend->GetBackendName() != "reference");
          if (offered)
          {
            EXPECT_TRUE(IsClose(memory.Reshape(shape), start, 0))
              << backend->GetBackendName() << ' ' << ToString(shape) << ' ' << from.ToText() << " to " << to.ToText();
          }
        }
      }
    }
  }
}

// --- Chains: layouts between operators. ---

namespace
{
/** conv -> conv -> pool -> interp -> concat -> conv -> mean over a support axis. */
void
CheckChain(std::int64_t first, std::int64_t second, std::int64_t third)
{
  Graph graph;
  StateDict weights;
  std::uint32_t seed = 1;
  const auto parameter = [&](const std::string & name, const Shape & shape)
  {
    weights.Add(name, RandomValues(shape, seed++, -0.3, 0.3));
    return graph.AddParameter(name, shape);
  };
  Convolution same;
  same.padding = { 1 };
  const ValueId x = graph.AddInput("x", { 2, 3, first, 8, 6 });
  ValueId y = graph.Convolve(x, parameter("w1", { second, first, 3, 3 }), parameter("b1", { second }), same, "conv1");
  y = graph.Apply(UnaryFunction::LeakyRelu, y, 0.01, 0, "act1");
  const ValueId skip = y;
  y = graph.Convolve(y, parameter("w2", { third, second, 3, 3 }), parameter("b2", { third }), same, "conv2");
  y = graph.Apply(UnaryFunction::Sigmoid, y, 0, 0, "act2");
  Pooling pool;
  pool.kernel = { 2, 2 };
  y = graph.Add(pool, { y }, "pool");
  y = graph.Add(Interpolation{ InterpolationMode::Linear, { 8, 6 }, true }, { y }, "up");
  y = graph.Concatenate({ y, skip }, 2, "concat");
  y = graph.Convolve(y, parameter("w3", { first, second + third, 1, 1 }), std::nullopt, {}, "conv3");
  graph.AddOutput("mean", graph.Reduce(ReductionFunction::Mean, y, { 1 }, false, "mean"));
  graph.AddOutput("sum", graph.Combine(BinaryFunction::Add, y, x, "sum"));
  const TensorMap inputs{ { "x", RandomValues({ 2, 3, first, 8, 6 }, 99) } };
  const TensorMap expected = ExecutionPlan::Compile(graph, weights, OracleOptions())->Run(inputs);
  for (const auto & target : GetTargets())
  {
    const auto plan = ExecutionPlan::Compile(graph, weights, OptionsOf(target));
    const TensorMap outputs = plan->Run(inputs);
    for (const auto & output : expected)
    {
      EXPECT_TRUE(
        IsClose(outputs.at(output.first), output.second, target.precision == DataType::Float64 ? 1e-12 : 2e-5))
        << output.first << " with channels " << first << ", " << second << ", " << third << " on " << target.backend
        << StepsOf(*plan);
    }
  }
}
} // namespace

TEST(OperatorChains, ChannelsThatFillBlocks)
{
  CheckChain(16, 16, 32);
  CheckChain(8, 8, 8);
  CheckChain(8, 24, 16);
}

TEST(OperatorChains, ChannelsThatDoNotFillBlocks)
{
  CheckChain(1, 9, 17);
  CheckChain(3, 7, 5);
  CheckChain(2, 16, 9);
  CheckChain(16, 9, 16);
  CheckChain(1, 64, 1);
}

TEST(OperatorChains, BlockedLayoutsStayBetweenConvolutions)
{
  if (!IsRegistered("onednn"))
  {
    GTEST_SKIP() << "this build has no oneDNN backend";
  }
  Graph graph;
  StateDict weights;
  ValueId y = graph.AddInput("x", { 1, 32, 16, 16 });
  for (int i = 0; i < 4; ++i)
  {
    const std::string name = "w" + std::to_string(i);
    weights.Add(name, RandomValues({ 32, 32, 3, 3 }, 5).To(DataType::Float32));
    Convolution same;
    same.padding = { 1 };
    y = graph.Convolve(y, graph.AddParameter(name, { 32, 32, 3, 3 }), std::nullopt, same, "conv" + std::to_string(i));
    y = graph.Apply(UnaryFunction::Relu, y);
  }
  graph.AddOutput("y", y);
  const auto plan = ExecutionPlan::Compile(graph, weights, OptionsOf({ "onednn", DataType::Float32 }));
  int reorders = 0;
  for (const auto & step : plan->GetSteps())
  {
    reorders += step.operatorName == "Reorder" ? 1 : 0;
  }
  EXPECT_LE(reorders, 2) << "one into the blocks and one out of them" << StepsOf(*plan);
}

namespace
{
void
CheckRandomGraph(std::uint32_t seed)
{
  const RandomGraph random(seed);
  const TensorMap expected = ExecutionPlan::Compile(random.graph, random.weights, OracleOptions())->Run(random.inputs);
  for (const auto & target : GetTargets())
  {
    for (const bool optimize : { false, true })
    {
      const auto plan = ExecutionPlan::Compile(random.graph, random.weights, OptionsOf(target, 1 + seed % 2, optimize));
      // The second run uses the arena that the first has filled.
      for (int repeat = 0; repeat < 2; ++repeat)
      {
        const TensorMap outputs = plan->Run(random.inputs);
        for (const auto & output : expected)
        {
          double largest = 1;
          for (const double value : output.second.ToVector<double>())
          {
            largest = std::max(largest, std::abs(value));
          }
          EXPECT_TRUE(IsClose(outputs.at(output.first),
                              output.second,
                              target.precision == DataType::Float64 ? 1e-11 : 1e-4,
                              Tensor::Full({}, largest).Broadcast(output.second.GetShape())))
            << output.first << " on " << target.backend << " in " << ToString(target.precision)
            << (optimize ? ", optimized" : "") << StepsOf(*plan);
        }
      }
    }
  }
}
} // namespace

TEST(OperatorChains, RandomGraphsAgreeOnAllBackendsAndOptions)
{
  RegisterBackends();
  for (std::uint32_t seed = 0; seed < 60; ++seed)
  {
    SCOPED_TRACE(seed);
    CheckRandomGraph(seed);
  }
}

TEST(OperatorHarness, NanPassesThrough)
{
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const auto & target : GetTargets())
  {
    for (const auto function :
         { UnaryFunction::Relu, UnaryFunction::LeakyRelu, UnaryFunction::Elu, UnaryFunction::Clip })
    {
      // The limits of oneDNN: documented in the operator table.
      const bool unspecified =
        target.backend == "onednn" && (function == UnaryFunction::Relu || function == UnaryFunction::Clip);
      if (unspecified)
      {
        continue;
      }
      Graph graph;
      graph.AddOutput("y", graph.Apply(function, graph.AddInput("x", { 9 }), 0.01, 2));
      const auto plan = ExecutionPlan::Compile(graph, {}, OptionsOf(target));
      const Tensor y = plan->Run({ { "x", Tensor::Full({ 9 }, nan) } }).at("y");
      EXPECT_TRUE(std::isnan(y.GetElement({ 0 })) && std::isnan(y.GetElement({ 8 })))
        << ToString(function) << StepsOf(*plan);
    }
  }
}

TEST(OperatorHarness, CoordinatesThatAreNoNumbersAreOutside)
{
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  // Far from any integer of 64 bits, too.
  const std::vector<double> coordinates{ nan, infinity, -infinity, 1e30, -1e30, 1.5 };
  const auto count = static_cast<std::int64_t>(coordinates.size());
  const TensorMap inputs{ { "x", Tensor::FromVector<double>({ 1, 1, 4 }, { 1, 2, 4, 8 }) },
                          { "g", Tensor::Full({ 1, 1, count }, 1) },
                          { "c", Tensor::FromVector<double>({ 1, 1, count }, coordinates) } };
  for (const auto & target : GetTargets())
  {
    for (const auto boundary : { BoundaryMode::Constant,
                                 BoundaryMode::Reflect,
                                 BoundaryMode::Mirror,
                                 BoundaryMode::Nearest,
                                 BoundaryMode::Wrap })
    {
      for (const bool rules : { false, true })
      {
        for (const auto mode : { InterpolationMode::Linear, InterpolationMode::Nearest })
        {
          const Sampling op{ mode, boundary, -1, rules };
          Graph graph;
          const ValueId x = graph.AddInput("x", { 1, 1, 4 });
          const ValueId g = graph.AddInput("g", { 1, 1, count });
          const ValueId c = graph.AddInput("c", { 1, 1, count });
          graph.AddOutput("y", graph.Add(op, { x, c }));
          graph.AddOutput("dx", graph.Add(TransposedSampling{ op, { 4 } }, { g, c }));
          graph.AddOutput("dc", graph.Add(SamplingCoordinatesGradient{ op }, { g, x, c }));
          for (const bool deterministic : { false, true })
          {
            PlanOptions options = OptionsOf(target);
            options.deterministic = deterministic;
            const auto plan = ExecutionPlan::Compile(graph, {}, options);
            const TensorMap outputs = plan->Run(inputs);
            const auto y = outputs.at("y").ToVector<double>();
            const std::string context = Describe(op) + StepsOf(*plan);
            const bool isConstant = boundary == BoundaryMode::Constant;
            const bool isNearest = boundary == BoundaryMode::Nearest;
            EXPECT_EQ(y[0], isConstant ? -1 : 1) << context;
            EXPECT_NEAR(y[1], isConstant ? -1 : isNearest ? 8 : 1, 1e-4) << context;
            EXPECT_EQ(y[2], isConstant ? -1 : 1) << context;
            for (const double value : { y[3], y[4] })
            {
              EXPECT_TRUE(isConstant ? value == -1 : value >= 1 && value <= 8) << value << context;
            }
            EXPECT_EQ(y[5], mode == InterpolationMode::Linear ? 3 : 4) << context;
            // Each coordinate that is inside gives its gradient to one element or two.
            double sum = 0;
            for (const double value : outputs.at("dx").ToVector<double>())
            {
              sum += value;
            }
            EXPECT_NEAR(sum, isConstant ? 1 : 6, 1e-5) << context;
            for (const double slope : outputs.at("dc").ToVector<double>())
            {
              EXPECT_TRUE(std::isfinite(slope)) << context;
            }
            EXPECT_EQ(outputs.at("dc").ToVector<double>()[0], 0) << context;
          }
        }
      }
    }
  }
}

TEST(OperatorHarness, NanIsTheMaximumOfItsWindowOnTheReference)
{
  RegisterBackends();
  Graph graph;
  Pooling op;
  op.kernel = { 2, 2 };
  graph.AddOutput("y", graph.Add(op, { graph.AddInput("x", { 1, 2, 4 }) }));
  Tensor x = Tensor::Full({ 1, 2, 4 }, 1);
  x.SetElement({ 0, 1, 0 }, std::numeric_limits<double>::quiet_NaN());
  const Tensor y = ExecutionPlan::Compile(graph, {}, OracleOptions())->Run({ { "x", x } }).at("y");
  EXPECT_TRUE(std::isnan(y.GetElement({ 0, 0, 0 })));
  EXPECT_EQ(y.GetElement({ 0, 0, 1 }), 1);
}
