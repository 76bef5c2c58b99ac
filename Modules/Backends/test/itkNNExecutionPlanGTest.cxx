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

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <map>
#include <thread>

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
/** Two convolutions, a pooling, a skip connection. */
struct SmallNetwork
{
  SmallNetwork()
  {
    Convolution same;
    same.padding = { 1 };
    const ValueId x = graph.AddInput("x", { 2, 3, 8, 8 });
    const ValueId a = graph.Apply(
      UnaryFunction::LeakyRelu,
      graph.Convolve(
        x, this->Parameter("first.weight", { 8, 3, 3, 3 }), this->Parameter("first.bias", { 8 }), same, "first"),
      0.01);
    const ValueId b = graph.Convolve(a, this->Parameter("second.weight", { 8, 8, 3, 3 }), std::nullopt, same, "second");
    graph.AddOutput("sum", graph.Combine(BinaryFunction::Add, a, b, "sum"));
    graph.AddOutput("mean", graph.Reduce(ReductionFunction::Mean, b, { -1, -2 }, false, "mean"));
    inputs["x"] = RandomValues({ 2, 3, 8, 8 }, 11).To(DataType::Float32);
  }

  ValueId Parameter(const std::string & name, const Shape & shape)
  {
    weights.Add(
      name, RandomValues(shape, static_cast<std::uint32_t>(weights.GetSize() + 1), -0.4, 0.4).To(DataType::Float32));
    return graph.AddParameter(name, shape);
  }

  std::shared_ptr<const ExecutionPlan> Compile(const Target & target, unsigned int threads = 2) const
  {
    return ExecutionPlan::Compile(graph, weights, OptionsOf(target, threads));
  }

  Graph graph;
  StateDict weights;
  TensorMap inputs;
};

void
ExpectSameOutputs(const TensorMap & outputs, const TensorMap & expected, double tolerance, const std::string & context)
{
  ASSERT_EQ(outputs.size(), expected.size()) << context;
  for (const auto & output : expected)
  {
    EXPECT_TRUE(IsClose(outputs.at(output.first), output.second, tolerance)) << output.first << ' ' << context;
  }
}

/** A graph of x = [1, 4, 6, 6] made by a function, on all targets against the oracle. */
template <typename TBuild>
void
CheckGraph(TBuild && build, const char * what)
{
  Graph graph;
  const ValueId x = graph.AddInput("x", { 1, 4, 6, 6 });
  build(graph, x);
  const TensorMap inputs{ { "x", RandomValues({ 1, 4, 6, 6 }, 5) } };
  RegisterBackends();
  const TensorMap expected = ExecutionPlan::Compile(graph, {}, OracleOptions())->Run(inputs);
  for (const auto & target : GetTargets())
  {
    const auto plan = ExecutionPlan::Compile(graph, {}, OptionsOf(target));
    const Tensor x32 = inputs.at("x").To(target.precision).Clone();
    for (int repeat = 0; repeat < 2; ++repeat)
    {
      const TensorMap outputs = plan->Run({ { "x", x32 } });
      ExpectSameOutputs(outputs, expected, target.precision == DataType::Float64 ? 1e-12 : 1e-5, what + StepsOf(*plan));
      for (const auto & output : outputs)
      {
        EXPECT_NE(output.second.GetRawData(), x32.GetRawData()) << "outputs are new tensors: " << what;
      }
    }
    EXPECT_TRUE(IsClose(x32, inputs.at("x"), 0)) << "the input should not be written to: " << what << StepsOf(*plan);
  }
}

/** Redirects std::clog while it lives. */
class CapturedLog
{
public:
  CapturedLog()
    : m_Old(std::clog.rdbuf(m_Stream.rdbuf()))
  {}
  ~CapturedLog()
  {
    std::clog.rdbuf(m_Old);
  }
  CapturedLog(const CapturedLog &) = delete;
  CapturedLog & operator=(const CapturedLog &) = delete;

  std::string GetText() const
  {
    return m_Stream.str();
  }

private:
  std::ostringstream m_Stream;
  std::streambuf * m_Old;
};

int
CountOf(const std::string & text, const std::string & word)
{
  int count = 0;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + word.size()))
  {
    ++count;
  }
  return count;
}
} // namespace

TEST(ExecutionPlan, InputErrors)
{
  const SmallNetwork network;
  for (const auto & target : GetTargets())
  {
    const auto plan = network.Compile(target);
    EXPECT_NN_ERROR(plan->Run({}), "Input 'x' is missing");
    EXPECT_NN_ERROR(plan->Run({ { "x", Tensor() } }), "Input 'x' is missing");
    EXPECT_NN_ERROR(plan->Run({ { "x", Tensor::Zeros({ 1, 3, 8, 8 }) } }),
                    "Input 'x' has shape [1, 3, 8, 8]; the plan was made for [2, 3, 8, 8]");
    TensorMap more = network.inputs;
    more["y"] = Tensor::Zeros({ 1 });
    EXPECT_NN_ERROR(plan->Run(more), "Input 'y' is unknown to the network");
    EXPECT_NO_THROW(plan->Run(network.inputs));
  }
}

TEST(ExecutionPlan, ParameterAndOptionErrors)
{
  RegisterBackends();
  const SmallNetwork network;
  EXPECT_NN_ERROR(ExecutionPlan::Compile(network.graph, {}), "No tensor 'first.weight'");
  StateDict wrong;
  for (const auto & entry : network.weights)
  {
    wrong.Add(entry.first, entry.first == "first.bias" ? Tensor::Zeros({ 9 }) : entry.second);
  }
  EXPECT_NN_ERROR(ExecutionPlan::Compile(network.graph, wrong),
                  "Parameter 'first.bias' has shape [9]; the network needs [8]");
  PlanOptions options;
  options.precision = DataType::Int32;
  EXPECT_NN_ERROR(ExecutionPlan::Compile(network.graph, network.weights, options),
                  "Precision int32 should be a floating-point type");
  options.precision = DataType::Float16;
  EXPECT_NN_ERROR(ExecutionPlan::Compile(network.graph, network.weights, options), "in float16");
  options = {};
  options.backend = "nothing";
  EXPECT_NN_ERROR(ExecutionPlan::Compile(network.graph, network.weights, options), "Unknown backend 'nothing'");
  EXPECT_NN_ERROR(ExecutionPlan::Compile(Graph(), {}), "The graph has no outputs");
}

TEST(ExecutionPlan, ParametersOfAnyTypeAndStride)
{
  const SmallNetwork network;
  StateDict other;
  for (const auto & entry : network.weights)
  {
    other.Add(entry.first, Strided(entry.second.To(DataType::Float64)));
  }
  for (const auto & target : GetTargets())
  {
    const TensorMap expected = network.Compile(target)->Run(network.inputs);
    const auto plan = ExecutionPlan::Compile(network.graph, other, OptionsOf(target));
    ExpectSameOutputs(plan->Run(network.inputs), expected, 0, "float64 parameters" + StepsOf(*plan));
  }
}

TEST(ExecutionPlan, InputsOfAnyTypeAndStride)
{
  const SmallNetwork network;
  Tensor bytes = RandomTensor({ 2, 3, 8, 8 }, 4, 0, 255).To(DataType::UInt8);
  for (const auto & target : GetTargets())
  {
    const auto plan = network.Compile(target);
    const TensorMap expected = plan->Run({ { "x", bytes.To(target.precision) } });
    ExpectSameOutputs(plan->Run({ { "x", bytes } }), expected, 0, "uint8 input");
    ExpectSameOutputs(plan->Run({ { "x", Strided(bytes.To(DataType::Float64)) } }), expected, 0, "strided input");
  }
}

TEST(ExecutionPlan, ProgressGrowsToOne)
{
  const SmallNetwork network;
  for (const auto & target : GetTargets())
  {
    const auto plan = network.Compile(target);
    std::vector<double> progress;
    const std::thread::id caller = std::this_thread::get_id();
    RunHooks hooks;
    hooks.progress = [&](double done)
    {
      EXPECT_EQ(std::this_thread::get_id(), caller);
      progress.push_back(done);
    };
    plan->Run(network.inputs, hooks);
    ASSERT_EQ(progress.size(), plan->GetSteps().size());
    EXPECT_GT(progress.front(), 0);
    EXPECT_TRUE(std::is_sorted(progress.begin(), progress.end()));
    EXPECT_EQ(progress.back(), 1);
  }
}

TEST(ExecutionPlan, CancelledBetweenOperatorsAndUsableAfter)
{
  const SmallNetwork network;
  for (const auto & target : GetTargets())
  {
    auto plan = network.Compile(target);
    const TensorMap expected = plan->Run(network.inputs);
    for (int last = 0; last < static_cast<int>(plan->GetSteps().size()); ++last)
    {
      if (target.device.type != Device::Type::Cpu)
      {
        // Later runs of a device are replayed as a whole.
        plan = network.Compile(target);
      }
      int asked = 0;
      RunHooks hooks;
      hooks.isCancelled = [&] { return asked++ == last; };
      EXPECT_THROW(plan->Run(network.inputs, hooks), Cancelled);
      EXPECT_EQ(asked, last + 1);
      ExpectSameOutputs(plan->Run(network.inputs), expected, 0, "after a cancelled run");
    }
    RunHooks never;
    never.isCancelled = [] { return false; };
    ExpectSameOutputs(plan->Run(network.inputs, never), expected, 0, "with a hook that lets it run");
  }
}

TEST(ExecutionPlan, SeveralThreadsRunOnePlan)
{
  const SmallNetwork network;
  for (const auto & target : GetTargets())
  {
    const auto plan = network.Compile(target, 1);
    std::vector<TensorMap> inputs;
    std::vector<TensorMap> expected;
    for (std::uint32_t i = 0; i < 4; ++i)
    {
      inputs.push_back({ { "x", RandomValues({ 2, 3, 8, 8 }, 20 + i) } });
      expected.push_back(plan->Run(inputs.back()));
    }
    std::atomic<int> wrong{ 0 };
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < 4; ++i)
    {
      threads.emplace_back(
        [&, i]
        {
          for (int repeat = 0; repeat < 10; ++repeat)
          {
            const TensorMap outputs = plan->Run(inputs[i]);
            for (const auto & output : expected[i])
            {
              wrong += IsClose(outputs.at(output.first), output.second, 0) ? 0 : 1;
            }
          }
        });
    }
    for (auto & thread : threads)
    {
      thread.join();
    }
    EXPECT_EQ(wrong, 0) << target.backend;
  }
}

TEST(ExecutionPlan, NumberOfThreadsDoesNotChangeTheResult)
{
  const SmallNetwork network;
  for (const auto & target : GetTargets())
  {
    const TensorMap expected = network.Compile(target, 1)->Run(network.inputs);
    for (unsigned int threads = 2; threads <= 4; ++threads)
    {
      const auto plan = network.Compile(target, threads);
      EXPECT_EQ(plan->GetNumberOfThreads(), threads);
      ExpectSameOutputs(plan->Run(network.inputs),
                        expected,
                        target.precision == DataType::Float64 ? 1e-14 : 1e-6,
                        std::to_string(threads) + " threads" + StepsOf(*plan));
    }
  }
  PlanOptions options;
  options.threads = 0;
  EXPECT_GE(ExecutionPlan::Compile(network.graph, network.weights, options)->GetNumberOfThreads(), 1U);
}

TEST(ExecutionPlan, RunsAreRepeatable)
{
  const SmallNetwork network;
  for (const auto & target : GetTargets())
  {
    const auto plan = network.Compile(target);
    const TensorMap expected = plan->Run(network.inputs);
    plan->ReleaseMemory();
    ExpectSameOutputs(plan->Run(network.inputs), expected, 0, "after ReleaseMemory");
    ExpectSameOutputs(plan->Run(network.inputs), expected, 0, "again");
    plan->ReleaseMemory();
    plan->ReleaseMemory();
  }
}

TEST(ExecutionPlan, ArenaIsSharedByValuesThatDoNotMeet)
{
  RegisterBackends();
  Graph graph;
  ValueId y = graph.AddInput("x", { 1, 2, 32, 32 });
  for (int i = 0; i < 10; ++i)
  {
    y = graph.Add(Permutation{ { 0, 1, 3, 2 } }, { y });
  }
  graph.AddOutput("y", y);
  const std::size_t one = 2 * 32 * 32 * sizeof(float);
  const auto plan = ExecutionPlan::Compile(graph, {}, OptionsOf({ "reference", DataType::Float32 }));
  EXPECT_EQ(plan->GetArenaBytes(), 2 * one) << "a chain needs two: the last value is the output itself";
  std::size_t sum = 0;
  for (const auto & step : plan->GetSteps())
  {
    sum += step.outputBytes;
  }
  EXPECT_EQ(sum, 10 * one);
  const auto wide = ExecutionPlan::Compile(graph, {}, OptionsOf({ "reference", DataType::Float64 }));
  EXPECT_EQ(wide->GetArenaBytes(), 4 * one);
}

TEST(ExecutionPlan, ArenaIsSmallerThanTheSum)
{
  const SmallNetwork network;
  for (const auto & target : GetTargets())
  {
    const auto plan = network.Compile(target);
    std::size_t sum = 0;
    for (const auto & step : plan->GetSteps())
    {
      sum += step.outputBytes;
    }
    EXPECT_GT(plan->GetArenaBytes(), 0U);
    if (target.backend == "reference")
    {
      EXPECT_LT(plan->GetArenaBytes(), sum) << StepsOf(*plan);
    }
  }
}

TEST(ExecutionPlan, FlopsAndSteps)
{
  const SmallNetwork network;
  const auto plan = network.Compile({ "reference", DataType::Float32 });
  const double products = 2.0 * 2 * 64 * 8 * (27 + 72);
  EXPECT_EQ(plan->GetFlops(true), products);
  EXPECT_GT(plan->GetFlops(), products);
  double sum = 0;
  for (const auto & step : plan->GetSteps())
  {
    EXPECT_FALSE(step.name.empty());
    EXPECT_EQ(step.implementation.rfind("reference:", 0), 0U) << step.implementation;
    EXPECT_EQ(step.outputBytes, static_cast<std::size_t>(NumberOfElements(step.outputShape)) * 4);
    sum += step.flops;
  }
  EXPECT_EQ(sum, plan->GetFlops());
  EXPECT_EQ(plan->GetSteps().front().name, "first");
  EXPECT_EQ(plan->GetGraph().GetOutputs().size(), 2U);
}

TEST(ExecutionPlan, Float64IsNotFloat32)
{
  RegisterBackends();
  Graph graph;
  graph.AddOutput("y", graph.Apply(UnaryFunction::Linear, graph.AddInput("x", { 1 }), 1, 1e-12));
  const TensorMap inputs{ { "x", Tensor::Full({ 1 }, 1, DataType::Float64) } };
  const Tensor y = ExecutionPlan::Compile(graph, {}, OracleOptions())->Run(inputs).at("y");
  EXPECT_EQ(y.GetDataType(), DataType::Float64);
  EXPECT_EQ(y.GetElement({ 0 }), 1 + 1e-12);
}

TEST(ExecutionPlan, EmptyBatch)
{
  for (const auto & target : GetTargets())
  {
    Graph graph;
    const ValueId x = graph.AddInput("x", { 0, 4, 6, 6 });
    const ValueId y =
      graph.Convolve(x, graph.AddConstant(Tensor::Zeros({ 8, 4, 3, 3 }), "w"), std::nullopt, {}, "conv");
    graph.AddOutput("y", graph.Apply(UnaryFunction::Relu, y));
    graph.AddOutput("sum", graph.Reduce(ReductionFunction::Sum, y, { 0 }, false));
    const auto plan = ExecutionPlan::Compile(graph, {}, OptionsOf(target));
    double progress = 0;
    RunHooks hooks;
    hooks.progress = [&](double done) { progress = done; };
    const TensorMap outputs = plan->Run({ { "x", Tensor({ 0, 4, 6, 6 }) } }, hooks);
    EXPECT_EQ(outputs.at("y").GetShape(), (Shape{ 0, 8, 4, 4 }));
    EXPECT_TRUE(IsClose(outputs.at("sum"), Tensor::Zeros({ 8, 4, 4 }), 0)) << StepsOf(*plan);
    EXPECT_EQ(progress, 1);
  }
}

TEST(ExecutionPlan, ValuesUsedTwiceAreKept)
{
  CheckGraph(
    [](Graph & graph, ValueId x)
    {
      const ValueId a = graph.Apply(UnaryFunction::Sigmoid, x);
      const ValueId b = graph.Apply(UnaryFunction::Square, a);
      const ValueId c = graph.Apply(UnaryFunction::Negate, b);
      graph.AddOutput("y", graph.Combine(BinaryFunction::Add, graph.Combine(BinaryFunction::Multiply, a, c), b));
    },
    "used later");
  CheckGraph(
    [](Graph & graph, ValueId x)
    {
      const ValueId a = graph.Apply(UnaryFunction::Tanh, x);
      graph.AddOutput("y", graph.Combine(BinaryFunction::Multiply, a, a));
      graph.AddOutput("z", graph.Combine(BinaryFunction::Subtract, x, x));
    },
    "used twice by one operator");
  CheckGraph(
    [](Graph & graph, ValueId x)
    {
      const ValueId a = graph.Apply(UnaryFunction::Tanh, x);
      graph.AddOutput("a", a);
      graph.AddOutput("y", graph.Apply(UnaryFunction::Square, a));
    },
    "an output that is used");
}

TEST(ExecutionPlan, InsertionsKeepWhatIsReadLater)
{
  Graph graph;
  StateDict weights;
  const ValueId x = graph.AddInput("x", { 2, 3, 9, 8 });
  Convolution op;
  op.padding = { 1 };
  const auto convolve = [&](const std::string & name, ValueId src)
  {
    weights.Add(name, RandomTensor({ 16, graph.GetShape(src)[1], 3, 3 }, 7));
    return graph.Add(op, { src, graph.AddParameter(name, weights.Get(name).GetShape()) });
  };
  const ValueId a = convolve("a", x);
  const ValueId b = convolve("b", x);
  const ValueId row = graph.Add(Slice{ { 0, 0, 4, 0 }, { 2, 16, 5, 8 }, {} }, { b });
  const ValueId column = graph.Add(Slice{ { 0, 0, 0, 7 }, { 2, 16, 9, 8 }, {} }, { b });
  // The first leaves a as it is, which the second may overwrite.
  const ValueId first = graph.Add(Insertion{ { 0, 0, 8, 0 } }, { a, row });
  const ValueId second = graph.Add(Insertion{ { 0, 0, 0, 2 } }, { a, column });
  graph.AddOutput("first", convolve("c", first));
  graph.AddOutput("second", convolve("d", second));
  const TensorMap inputs{ { "x", RandomTensor({ 2, 3, 9, 8 }, 1) } };
  const TensorMap expected = ExecutionPlan::Compile(graph, weights, OracleOptions())->Run(inputs);
  for (const auto & target : GetTargets())
  {
    const auto plan = ExecutionPlan::Compile(graph, weights, OptionsOf(target));
    const TensorMap outputs = plan->Run(inputs);
    for (const char * name : { "first", "second" })
    {
      EXPECT_TRUE(IsClose(outputs.at(name), expected.at(name), 1e-4)) << name << StepsOf(*plan);
    }
  }
}

TEST(ExecutionPlan, AliasesKeepTheirValues)
{
  CheckGraph(
    [](Graph & graph, ValueId x)
    {
      const ValueId a = graph.Apply(UnaryFunction::Tanh, x);
      const ValueId flat = graph.Add(Reshape{ { 4, 36 } }, { a });
      const ValueId squared = graph.Apply(UnaryFunction::Square, flat);
      graph.AddOutput("y", graph.Combine(BinaryFunction::Add, a, graph.Add(Reshape{ { 1, 4, 6, 6 } }, { squared })));
    },
    "an alias must not be overwritten while its source is used");
  CheckGraph(
    [](Graph & graph, ValueId x)
    {
      const ValueId flat = graph.Add(Reshape{ { 144 } }, { x });
      graph.AddOutput("flat", flat);
      graph.AddOutput("y", graph.Apply(UnaryFunction::Square, flat));
    },
    "alias of an input as output");
  CheckGraph(
    [](Graph & graph, ValueId x)
    {
      const ValueId a = graph.Apply(UnaryFunction::Tanh, x);
      graph.AddOutput("flat", graph.Add(Reshape{ { 144 } }, { a }));
      graph.AddOutput("a", a);
    },
    "a value and its alias as outputs");
  CheckGraph(
    [](Graph & graph, ValueId x)
    {
      ValueId a = graph.Apply(UnaryFunction::Tanh, x);
      a = graph.Add(Reshape{ { 144 } }, { a });
      a = graph.Add(Reshape{ { 12, 12 } }, { a });
      graph.AddOutput("y", graph.Add(Permutation{ { 1, 0 } }, { graph.Apply(UnaryFunction::Square, a) }));
    },
    "alias of an alias");
  CheckGraph(
    [](Graph & graph, ValueId x)
    {
      Convolution same;
      same.padding = { 1 };
      const ValueId w = graph.AddConstant(RandomValues({ 16, 4, 3, 3 }, 8, -0.3, 0.3), "w");
      const ValueId y = graph.Convolve(x, w, std::nullopt, same);
      const ValueId rows = graph.Add(Reshape{ { 1, 16, 36 } }, { y });
      graph.AddOutput("y", graph.Combine(BinaryFunction::Multiply, graph.Add(Softmax{ 2 }, { rows }), rows));
      graph.AddOutput("z", graph.Apply(UnaryFunction::Abs, y));
    },
    "alias of a value that may lie in blocks");
}

namespace
{
/** What a convolution of the concatenation of two activations of x gets: the plan's steps
 * tell whether the parts are copied. */
struct ConcatenationCase
{
  const char * name;
  Shape input;
  int axis;
  bool isFirstUsedLater;
  bool isOutput;
  bool isCopied;
};
} // namespace

TEST(ExecutionPlan, PartsOfConcatenationsAreWrittenInTheirPlace)
{
  const ConcatenationCase cases[] = { { "channels", { 1, 16, 6, 5 }, 1, false, false, false },
                                      { "rows of one channel", { 1, 1, 16, 16 }, 2, false, false, false },
                                      { "odd channels", { 1, 3, 6, 5 }, 1, false, false, true },
                                      { "two images", { 2, 16, 6, 5 }, 1, false, false, true },
                                      { "a part that is used later", { 1, 16, 6, 5 }, 1, true, false, true },
                                      { "an output", { 1, 16, 6, 5 }, 1, false, true, false } };
  for (const auto & values : cases)
  {
    SCOPED_TRACE(values.name);
    Graph graph;
    const ValueId x = graph.AddInput("x", values.input);
    const ValueId a = graph.Apply(UnaryFunction::Sigmoid, x);
    const ValueId b = graph.Apply(UnaryFunction::Tanh, graph.Apply(UnaryFunction::Square, a));
    const ValueId both = graph.Concatenate({ a, b, graph.Apply(UnaryFunction::Tanh, x) }, values.axis);
    // In the concatenation's own memory.
    ValueId y = graph.Apply(UnaryFunction::Negate, both);
    if (values.isFirstUsedLater)
    {
      y = graph.Combine(BinaryFunction::Add, y, graph.Reduce(ReductionFunction::Mean, a, { 1, 2, 3 }));
    }
    graph.AddOutput("y", y);
    if (values.isOutput)
    {
      graph.AddOutput("both", both);
    }
    const TensorMap inputs{ { "x", RandomValues(values.input, 3) } };
    const TensorMap expected = ExecutionPlan::Compile(graph, {}, OracleOptions())->Run(inputs);
    PlanOptions options;
    const auto plan = ExecutionPlan::Compile(graph, {}, options);
    const TensorMap results = plan->Run(inputs);
    for (const auto & [name, tensor] : expected)
    {
      EXPECT_TRUE(IsClose(results.at(name), tensor, 1e-6)) << name;
    }
    const auto & steps = plan->GetSteps();
    EXPECT_EQ(
      std::any_of(steps.begin(), steps.end(), [](const auto & step) { return step.operatorName == "Concatenation"; }),
      values.isCopied);
  }
}

TEST(ExecutionPlan, UnusualOutputs)
{
  CheckGraph([](Graph & graph, ValueId x) { graph.AddOutput("y", x); }, "the input");
  CheckGraph(
    [](Graph & graph, ValueId x)
    {
      const ValueId a = graph.Apply(UnaryFunction::Tanh, x);
      graph.AddOutput("first", a);
      graph.AddOutput("second", a);
      graph.AddOutput("x", x);
      graph.AddOutput("xAgain", x);
    },
    "one value under two names");
  CheckGraph(
    [](Graph & graph, ValueId x)
    {
      const ValueId c = graph.AddConstant(RandomValues({ 2, 3 }, 1), "c");
      graph.AddOutput("constant", c);
      graph.AddOutput("flat", graph.Add(Reshape{ { 6 } }, { c }));
      graph.AddOutput("squared", graph.Apply(UnaryFunction::Square, c));
      graph.AddOutput("y", graph.Apply(UnaryFunction::Tanh, x));
    },
    "constants");
  CheckGraph(
    [](Graph & graph, ValueId x)
    {
      graph.AddOutput("y", graph.Apply(UnaryFunction::Tanh, x));
      graph.AddOutput("labels", graph.AddConstant(Tensor::FromVector<std::int64_t>({ 3 }, { 1, 2, 3 }), "labels"));
    },
    "an integer constant");
}

TEST(ExecutionPlan, ConstantsAreNeverOverwritten)
{
  for (const auto & target : GetTargets())
  {
    Graph graph;
    const Tensor value = RandomValues({ 1, 16, 4, 4 }, 3).To(DataType::Float32);
    const Tensor copy = value.Clone();
    const ValueId squared = graph.Apply(UnaryFunction::Square, graph.AddConstant(value, "c"));
    graph.AddOutput("y", graph.Combine(BinaryFunction::Add, squared, graph.AddInput("x", { 1 })));
    const auto plan = ExecutionPlan::Compile(graph, {}, OptionsOf(target));
    const TensorMap inputs{ { "x", Tensor::Full({ 1 }, 1) } };
    const Tensor first = plan->Run(inputs).at("y");
    EXPECT_TRUE(IsClose(plan->Run(inputs).at("y"), first, 0)) << StepsOf(*plan);
    EXPECT_TRUE(IsClose(value, copy, 0)) << StepsOf(*plan);
  }
}

TEST(ExecutionPlan, ResourcesAreSharedByPlansOfOneModel)
{
  const SmallNetwork network;
  for (const auto & target : GetTargets())
  {
    const auto resources = std::make_shared<PlanResources>();
    const auto first = ExecutionPlan::Compile(network.graph, network.weights, OptionsOf(target), resources);
    const std::size_t bytes = resources->weights.GetNumberOfBytes();
    const auto second = ExecutionPlan::Compile(network.graph, network.weights, OptionsOf(target), resources);
    EXPECT_EQ(resources->weights.GetNumberOfBytes(), bytes) << "the second plan should find all packed weights";
    EXPECT_EQ(resources->arenas.GetKeptBytes(), 0U);
    ExpectSameOutputs(second->Run(network.inputs), first->Run(network.inputs), 0, target.backend);
    EXPECT_EQ(resources->arenas.GetKeptBytes(), first->GetArenaBytes());
    first->ReleaseMemory();
    EXPECT_EQ(resources->arenas.GetKeptBytes(), 0U);
  }
}

TEST(ArenaPool, KeepsTheLargest)
{
  ArenaPool pool;
  auto small = pool.Acquire(100);
  auto large = pool.Acquire(1000);
  const void * largeMemory = large.memory.get();
  pool.Release(std::move(large));
  pool.Release(std::move(small));
  EXPECT_EQ(pool.GetKeptBytes(), 1000U);
  const auto reused = pool.Acquire(500);
  EXPECT_EQ(reused.memory.get(), largeMemory);
  EXPECT_EQ(reused.bytes, 1000U);
  EXPECT_EQ(pool.GetKeptBytes(), 0U);
  pool.Release(reused);
  EXPECT_EQ(pool.Acquire(2000).bytes, 2000U);
  pool.Release(pool.Acquire(10));
  pool.Clear();
  EXPECT_EQ(pool.GetKeptBytes(), 0U);
}

TEST(ExecutionPlan, PlanOutlivesGraphWeightsAndCache)
{
  std::shared_ptr<const ExecutionPlan> plan;
  TensorMap inputs;
  TensorMap expected;
  RegisterBackends();
  {
    const SmallNetwork network;
    plan = network.Compile({ "reference", DataType::Float64 });
    inputs = network.inputs;
    expected = plan->Run(inputs);
  }
  ExpectSameOutputs(plan->Run(inputs), expected, 0, "after everything else is gone");
}

namespace
{
/** Weights that lie in memory which stands for a file. */
class MemorySource : public WeightSource
{
public:
  explicit MemorySource(const StateDict & weights)
  {
    for (const auto & [name, tensor] : weights)
    {
      m_Values.push_back(tensor.Clone());
      m_Weights.Add(name, m_Values.back());
    }
  }

  const StateDict & GetWeights() const
  {
    return m_Weights;
  }

  bool Has(const Tensor & tensor) const override
  {
    return std::any_of(m_Values.begin(),
                       m_Values.end(),
                       [&](const Tensor & value) { return value.GetRawData() == tensor.GetRawData(); });
  }
  void Check() const override
  {
    ++checks;
    itkNNRequireMacro(!isChanged, "The file was changed");
  }
  /** What is in memory then is of no use. */
  void Unload() const override
  {
    ++unloads;
    for (Tensor value : m_Values)
    {
      std::fill_n(value.GetData<float>(), value.GetNumberOfElements(), std::numeric_limits<float>::quiet_NaN());
    }
  }

  bool isChanged = false;
  mutable int checks = 0;
  mutable int unloads = 0;

private:
  std::vector<Tensor> m_Values;
  StateDict m_Weights;
};
} // namespace

TEST(ExecutionPlan, AFileOfWeightsIsReadWhilePlansAreMade)
{
  const SmallNetwork network;
  for (const auto & target : GetTargets())
  {
    const TensorMap expected = network.Compile(target)->Run(network.inputs);
    for (const bool optimize : { true, false })
    {
      const auto source = std::make_shared<MemorySource>(network.weights);
      StateDict weights = source->GetWeights();
      weights.SetSource(source);
      PlanOptions options = OptionsOf(target);
      options.optimize = optimize;
      const auto plan = ExecutionPlan::Compile(network.graph, weights, options);
      EXPECT_GE(source->checks, 2) << "before and after";
      EXPECT_GE(source->unloads, 1);
      ExpectSameOutputs(plan->Run(network.inputs), expected, 1e-5, StepsOf(*plan));
      source->isChanged = true;
      EXPECT_THROW(ExecutionPlan::Compile(network.graph, weights, options), Error);
    }
  }
}

TEST(ExecutionPlan, PackedWeightsAreNotKeptInPlainMemoryToo)
{
  SmallNetwork network;
  for (const auto & target : GetTargets())
  {
    std::map<std::string, std::weak_ptr<int>> owners;
    StateDict weights;
    for (const auto & [name, tensor] : network.weights)
    {
      const auto owner = std::make_shared<int>(0);
      owners[name] = owner;
      weights.Add(
        name,
        Tensor::Wrap(const_cast<void *>(tensor.GetRawData()), tensor.GetShape(), tensor.GetDataType(), {}, owner));
    }
    auto resources = std::make_shared<PlanResources>();
    const auto plan = ExecutionPlan::Compile(network.graph, weights, OptionsOf(target), resources);
    weights = StateDict();
    if (target.backend == "onednn" && target.precision == DataType::Float32)
    {
      EXPECT_GT(resources->weights.GetNumberOfBytes(), 0U);
      EXPECT_TRUE(owners.at("second.weight").expired()) << StepsOf(*plan);
      EXPECT_FALSE(owners.at("first.bias").expired()) << "the kernel reads it";
    }
    ExpectSameOutputs(plan->Run(network.inputs), network.Compile(target)->Run(network.inputs), 1e-5, StepsOf(*plan));
  }
}

TEST(ExecutionPlan, VerboseTraceHasALineForEachOperator)
{
  const SmallNetwork network;
  for (const auto & target : GetTargets())
  {
    const CapturedLog log;
    setenv("UNIVERSEG_VERBOSE", "1", 1);
    const auto plan = network.Compile(target);
    unsetenv("UNIVERSEG_VERBOSE");
    const int steps = static_cast<int>(plan->GetSteps().size());
    const std::string planned = log.GetText();
    EXPECT_GE(CountOf(planned, "universeg,plan,"), steps);
    EXPECT_EQ(CountOf(planned, "universeg,exec,"), 0);
    plan->Run(network.inputs);
    const std::string executed = log.GetText().substr(planned.size());
    EXPECT_EQ(CountOf(executed, "universeg,exec,"), steps) << executed;
    for (const auto & step : plan->GetSteps())
    {
      EXPECT_NE(executed.find("universeg,exec," + step.implementation + ',' + step.operatorName + ',' + step.name +
                              ',' + ToString(step.outputShape)),
                std::string::npos)
        << executed;
    }
  }
}

TEST(ExecutionPlan, QuietByDefault)
{
  const SmallNetwork network;
  for (const char * value : { "", "0" })
  {
    const CapturedLog log;
    setenv("UNIVERSEG_VERBOSE", value, 1);
    network.Compile({ "reference", DataType::Float32 })->Run(network.inputs);
    unsetenv("UNIVERSEG_VERBOSE");
    EXPECT_EQ(log.GetText(), "");
  }
}
