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
#include "itkNNLoopSchedule.h"
#include "itkNNPasses.h"

#include <atomic>

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
/** A random graph over a support axis: maps of each support, means and sums over
 * them, and single maps that come back into the supports' path. */
struct RandomSupportGraph
{
  RandomSupportGraph(std::uint32_t seed, std::int64_t supports)
    : m_Engine(seed)
  {
    const std::int64_t channels = 4 + 4 * this->Below(4);
    m_Many = { this->AddInput("many", supports, channels) };
    m_One = { this->AddInput("one", 1, channels) };
    const int count = 8 + static_cast<int>(this->Below(8));
    for (int i = 0; i < count; ++i)
    {
      this->AddOne();
    }
    graph.AddOutput("many", m_Many.back());
    graph.AddOutput("early", m_Many[m_Many.size() / 2]);
    graph.AddOutput("mean", graph.Reduce(ReductionFunction::Mean, m_Many.back(), { 1 }));
    graph.AddOutput("one", m_One.back());
  }

  Graph graph;
  StateDict weights;
  TensorMap inputs;

private:
  static constexpr std::int64_t size = 8;

  std::int64_t Below(int n)
  {
    return static_cast<std::int64_t>(m_Engine() % static_cast<std::uint32_t>(n));
  }

  ValueId AddInput(const std::string & name, std::int64_t supports, std::int64_t channels)
  {
    const Shape shape{ 1, supports, channels, size, size };
    inputs[name] = RandomValues(shape, m_Engine());
    return graph.AddInput(name, shape);
  }

  ValueId AddParameter(const Shape & shape)
  {
    const std::string name = "p" + std::to_string(weights.GetSize());
    const double scale = 1.5 / std::sqrt(static_cast<double>(NumberOfElements(shape)) / static_cast<double>(shape[0]));
    weights.Add(name, RandomValues(shape, m_Engine(), -scale, scale).To(DataType::Float32));
    return graph.AddParameter(name, shape);
  }

  ValueId Convolve(ValueId src)
  {
    Convolution op;
    op.padding = { 1, 1 };
    const std::int64_t out = 4 + 4 * this->Below(5);
    return graph.Convolve(
      src, this->AddParameter({ out, graph.GetShape(src)[2], 3, 3 }), this->AddParameter({ out }), op);
  }

  /** A map of the same size and as many channels from a list, or the last one convolved to fit. */
  ValueId Match(const std::vector<ValueId> & values, ValueId like)
  {
    for (auto value = values.rbegin(); value != values.rend(); ++value)
    {
      if (Shape(graph.GetShape(*value).begin() + 2, graph.GetShape(*value).end()) ==
          Shape(graph.GetShape(like).begin() + 2, graph.GetShape(like).end()))
      {
        return *value;
      }
    }
    return -1;
  }

  void AddOne()
  {
    std::vector<ValueId> & path = this->Below(3) == 0 ? m_One : m_Many;
    const ValueId src = path.back();
    switch (this->Below(8))
    {
      case 0:
      case 1:
        path.push_back(this->Convolve(src));
        break;
      case 2:
        path.push_back(graph.Apply(UnaryFunction::LeakyRelu, src, 0.01));
        break;
      case 3:
      case 4:
      {
        const ReductionFunction function = this->Below(3) == 0 ? ReductionFunction::Sum : ReductionFunction::Mean;
        m_One.push_back(graph.Reduce(function, m_Many.back(), { 1 }));
        break;
      }
      case 5:
      {
        const ValueId one = this->Match(m_One, m_Many.back());
        if (one >= 0)
        {
          m_Many.push_back(graph.Combine(BinaryFunction::Add, m_Many.back(), one));
        }
        break;
      }
      case 6:
      {
        const ValueId other = this->Match(path, src);
        path.push_back(graph.Concatenate({ src, other }, 2));
        break;
      }
      default:
      {
        const Shape & shape = graph.GetShape(src);
        if (shape[3] == size)
        {
          Pooling pooling;
          pooling.kernel = { 2, 2 };
          path.push_back(graph.Add(pooling, { src }));
        }
        else
        {
          Interpolation interpolation;
          interpolation.size = { size, size };
          interpolation.alignCorners = true;
          path.push_back(graph.Add(interpolation, { src }));
        }
        break;
      }
    }
  }

  std::mt19937 m_Engine;
  std::vector<ValueId> m_Many;
  std::vector<ValueId> m_One;
};

int
CountLoops(const ExecutionPlan & plan)
{
  return static_cast<int>(std::count_if(plan.GetSteps().begin(),
                                        plan.GetSteps().end(),
                                        [](const ExecutionPlan::StepInfo & step) { return step.repetitions > 1; }));
}

/** One block of a network with supports. */
Graph
MakeBlock(std::int64_t supports)
{
  Graph graph;
  const ValueId target = graph.AddInput("target", { 1, 1, 4, 6, 6 });
  const ValueId support = graph.AddInput("support", { 1, supports, 4, 6, 6 });
  const ValueId weights = graph.AddConstant(RandomValues({ 4, 8, 3, 3 }, 1).To(DataType::Float32), "weights");
  Convolution op;
  op.padding = { 1, 1 };
  const ValueId both = graph.Concatenate({ target, support }, 2);
  const ValueId z = graph.Convolve(both, weights, {}, op, "cross");
  graph.AddOutput("u", graph.Reduce(ReductionFunction::Mean, z, { 1 }, true, "mean"));
  graph.AddOutput("v", graph.Apply(UnaryFunction::LeakyRelu, z, 0.01, 0, "activation"));
  return graph;
}
} // namespace

TEST(LoopSchedule, EveryNodeHasItsPlaceBehindItsInputs)
{
  int loops = 0;
  for (std::uint32_t seed = 0; seed < 60; ++seed)
  {
    SCOPED_TRACE(seed);
    const RandomSupportGraph random(seed, 6);
    const Graph graph = FusePostOperations(random.graph);
    const LoopSchedule schedule = ScheduleLoops(graph, 2);
    std::vector<int> position(graph.GetNodes().size(), -1);
    for (std::size_t i = 0; i < schedule.items.size(); ++i)
    {
      const auto place = [&](int node)
      {
        EXPECT_EQ(position[static_cast<std::size_t>(node)], -1) << "placed twice";
        position[static_cast<std::size_t>(node)] = static_cast<int>(i);
      };
      if (schedule.items[i].node >= 0)
      {
        place(schedule.items[i].node);
        continue;
      }
      const LoopRegion & region = schedule.regions[static_cast<std::size_t>(schedule.items[i].region)];
      std::for_each(region.nodes.begin(), region.nodes.end(), place);
      std::for_each(region.reductions.begin(), region.reductions.end(), place);
      ++loops;
    }
    for (const auto & node : graph.GetNodes())
    {
      const int own = position[static_cast<std::size_t>(graph.GetValue(node.output).node)];
      EXPECT_GE(own, 0) << node.name;
      for (const auto input : node.inputs)
      {
        const int producer = graph.GetValue(input).node;
        if (producer >= 0)
        {
          EXPECT_LE(position[static_cast<std::size_t>(producer)], own) << node.name;
        }
      }
    }
  }
  EXPECT_GT(loops, 60);
}

TEST(LoopSchedule, LoopsKeepTheValues)
{
  int looped = 0;
  for (std::uint32_t seed = 0; seed < 60; ++seed)
  {
    SCOPED_TRACE(seed);
    const RandomSupportGraph random(seed, 6);
    const TensorMap expected =
      ExecutionPlan::Compile(random.graph, random.weights, OracleOptions())->Run(random.inputs);
    for (const Target & target : GetTargets())
    {
      for (const unsigned int threads : { 1U, 2U, 3U })
      {
        PlanOptions options = OptionsOf(target, threads);
        const auto plan = ExecutionPlan::Compile(random.graph, random.weights, options);
        looped += CountLoops(*plan);
        const TensorMap outputs = plan->Run(random.inputs);
        const double tolerance = target.precision == DataType::Float64 ? 1e-11 : 2e-3;
        for (const auto & output : expected)
        {
          EXPECT_TRUE(IsClose(outputs.at(output.first), output.second, tolerance)) << output.first << StepsOf(*plan);
        }
      }
    }
  }
  EXPECT_GT(looped, 200);
}

TEST(LoopSchedule, NoLoopsWithoutAReductionOrWithFewElements)
{
  EXPECT_EQ(ScheduleLoops(MakeBlock(8), 2).regions.size(), 1U);
  EXPECT_EQ(ScheduleLoops(MakeBlock(8), 9).regions.size(), 0U);
  EXPECT_EQ(ScheduleLoops(MakeBlock(1), 1).regions.size(), 0U);
  Graph graph;
  graph.AddOutput("y", graph.Apply(UnaryFunction::Relu, graph.AddInput("x", { 1, 8, 4 })));
  const LoopSchedule schedule = ScheduleLoops(graph, 2);
  EXPECT_EQ(schedule.axis, -1);
  EXPECT_EQ(schedule.items.size(), 1U);

  Graph batched;
  const ValueId x = batched.AddInput("x", { 2, 8, 4 });
  batched.AddOutput("y", batched.Reduce(ReductionFunction::Sum, batched.Apply(UnaryFunction::Relu, x), { 1 }));
  EXPECT_EQ(ScheduleLoops(batched, 2).axis, -1) << "an element of axis 1 is not contiguous for two of axis 0";
}

TEST(LoopSchedule, MaximumOverTheAxisStaysOutside)
{
  RegisterBackends();
  Graph graph;
  const ValueId x = graph.AddInput("x", { 1, 4, 3, 5, 5 });
  const ValueId y = graph.Apply(UnaryFunction::Tanh, x);
  graph.AddOutput("mean", graph.Reduce(ReductionFunction::Mean, y, { 1 }));
  graph.AddOutput("maximum", graph.Reduce(ReductionFunction::Maximum, y, { 1 }));
  const LoopSchedule schedule = ScheduleLoops(graph, 2);
  ASSERT_EQ(schedule.regions.size(), 1U);
  EXPECT_EQ(schedule.regions[0].reductions.size(), 1U);
  EXPECT_EQ(schedule.regions[0].stacked.size(), 1U);
  const TensorMap inputs{ { "x", RandomValues({ 1, 4, 3, 5, 5 }, 3) } };
  const TensorMap expected = ExecutionPlan::Compile(graph, {}, OracleOptions())->Run(inputs);
  const TensorMap outputs =
    ExecutionPlan::Compile(graph, {}, OptionsOf({ "reference", DataType::Float64 }))->Run(inputs);
  EXPECT_TRUE(IsClose(outputs.at("mean"), expected.at("mean"), 1e-13));
  EXPECT_TRUE(IsClose(outputs.at("maximum"), expected.at("maximum"), 0));
}

TEST(LoopSchedule, GroupsShareTheWorkEvenlyAndFitTheCache)
{
  EXPECT_EQ(ChooseLoopGroup(64, 2, 1 << 20, 1 << 20), 1);
  EXPECT_EQ(ChooseLoopGroup(64, 2, 1 << 18, 1 << 20), 4);
  EXPECT_EQ(ChooseLoopGroup(64, 2, 1 << 10, 1 << 20), 32) << "not more than a thread's share";
  EXPECT_EQ(ChooseLoopGroup(17, 2, 1, 1 << 20), 1) << "17 has no other divisor that leaves both threads work";
  EXPECT_EQ(ChooseLoopGroup(6, 4, 1, 1 << 20), 2);
  EXPECT_EQ(ChooseLoopGroup(5, 1, 1, 1 << 20), 5);
  EXPECT_EQ(ChooseLoopGroup(8, 2, std::size_t{ 1 } << 40, 1), 1);
}

TEST(LoopSchedule, ReportsProgressAndStopsInside)
{
  RegisterBackends();
  Graph graph;
  const ValueId x = graph.AddInput("x", { 1, 64, 4, 64, 64 });
  const ValueId y = graph.Apply(UnaryFunction::Tanh, graph.Apply(UnaryFunction::Exp, x));
  graph.AddOutput("mean", graph.Reduce(ReductionFunction::Mean, y, { 1 }));
  PlanOptions options = OptionsOf({ "reference", DataType::Float32 }, 1);
  const auto plan = ExecutionPlan::Compile(graph, {}, options);
  ASSERT_GT(CountLoops(*plan), 0);
  const TensorMap inputs{ { "x", RandomValues({ 1, 64, 4, 64, 64 }, 3) } };
  std::vector<double> parts;
  RunHooks hooks;
  hooks.progress = [&](double part) { parts.push_back(part); };
  plan->Run(inputs, hooks);
  EXPECT_TRUE(std::is_sorted(parts.begin(), parts.end()));
  EXPECT_EQ(parts.back(), 1.0);

  int asked = 0;
  hooks.isCancelled = [&] { return ++asked > 2; };
  EXPECT_THROW(plan->Run(inputs, hooks), Cancelled);
  hooks.isCancelled = nullptr;
  EXPECT_NO_THROW(plan->Run(inputs, hooks)) << "the arena is given back";
}

TEST(LoopSchedule, AnExceptionInsideLeavesThePlanUsable)
{
  Graph graph;
  const ValueId x = graph.AddInput("x", { 1, 64, 4, 64, 64 });
  graph.AddOutput("mean", graph.Reduce(ReductionFunction::Mean, graph.Apply(UnaryFunction::Tanh, x), { 1 }));
  const TensorMap inputs{ { "x", RandomValues({ 1, 64, 4, 64, 64 }, 3) } };
  for (const Target & target : GetTargets())
  {
    if (target.device.type != Device::Type::Cpu)
    {
      continue; // without loops
    }
    const auto plan = ExecutionPlan::Compile(graph, {}, OptionsOf(target, 2));
    ASSERT_GT(CountLoops(*plan), 0);
    RunHooks hooks;
    int asked = 0;
    hooks.progress = [&](double)
    {
      if (++asked == 3)
      {
        throw std::runtime_error("the observer's");
      }
    };
    EXPECT_THROW(plan->Run(inputs, hooks), std::runtime_error);
    EXPECT_NO_THROW(plan->Run(inputs));
  }
}

TEST(LoopSchedule, MemoryGrowsWithWhatIsKeptOnly)
{
  RegisterBackends();
  const auto arena = [](std::int64_t supports, bool loops)
  {
    PlanOptions options = OptionsOf({ "reference", DataType::Float32 }, 1);
    options.loops = loops;
    Graph graph;
    const ValueId x = graph.AddInput("x", { 1, supports, 16, 64, 64 });
    ValueId y = graph.Apply(UnaryFunction::Exp, x);
    Pooling pooling;
    pooling.kernel = { 2, 2 };
    y = graph.Add(pooling, { y });
    y = graph.Apply(UnaryFunction::Tanh, y);
    graph.AddOutput("mean", graph.Reduce(ReductionFunction::Mean, y, { 1 }));
    return ExecutionPlan::Compile(graph, {}, options)->GetArenaBytes();
  };
  EXPECT_EQ(arena(8, true), arena(64, true));
  EXPECT_GT(arena(64, false), 4 * arena(64, true));
}

TEST(ExecutionPlan, LayoutsOfInputsAndOutputsAreKept)
{
  for (const Target & target : GetTargets())
  {
    Graph first;
    const ValueId weights = first.AddConstant(RandomValues({ 32, 16, 3, 3 }, 1).To(DataType::Float32), "weights");
    first.AddOutput("y", first.Convolve(first.AddInput("x", { 2, 16, 7, 7 }), weights, {}, {}));
    PlanOptions options = OptionsOf(target);
    options.keepOutputLayouts = true;
    const auto producer = ExecutionPlan::Compile(first, {}, options);
    const Layout layout = producer->GetOutputLayouts().at("y");

    Graph second;
    second.AddOutput("z", second.Apply(UnaryFunction::Relu, second.AddInput("y", { 2, 32, 5, 5 })));
    options.keepOutputLayouts = false;
    options.inputLayouts = producer->GetOutputLayouts();
    const auto consumer = ExecutionPlan::Compile(second, {}, options);

    const TensorMap inputs{ { "x", RandomValues({ 2, 16, 7, 7 }, 2) } };
    const TensorMap between = producer->Run(inputs);
    EXPECT_EQ(between.at("y").GetShape(), layout.GetPhysicalShape({ 2, 32, 5, 5 }));
    const TensorMap outputs = consumer->Run(between);
    const TensorMap plain = ExecutionPlan::Compile(first, {}, OracleOptions())->Run(inputs);
    const TensorMap expected = ExecutionPlan::Compile(second, {}, OracleOptions())->Run({ { "y", plain.at("y") } });
    EXPECT_TRUE(IsClose(outputs.at("z"), expected.at("z"), 1e-4)) << target.backend;
    if (!layout.IsPlain())
    {
      EXPECT_THROW(consumer->Run({ { "y", plain.at("y") } }), Error) << "plain memory for a blocked input";
    }
  }
}
