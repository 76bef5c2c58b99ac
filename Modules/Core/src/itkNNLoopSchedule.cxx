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
#include "itkNNLoopSchedule.h"

#include "itkNNGraphRewriter.h"

#include <algorithm>
#include <limits>

namespace itk
{
namespace nn
{
namespace
{
/** Whether a value has the looped axis. */
bool
HasAxis(const Shape & shape, const LoopSchedule & schedule)
{
  return shape.size() == schedule.rank && shape[static_cast<std::size_t>(schedule.axis)] == schedule.extent &&
         std::all_of(shape.begin(), shape.begin() + schedule.axis, [](std::int64_t extent) { return extent == 1; });
}

/** The axis of the largest sum or mean that can be looped over. */
void
ChooseAxis(const Graph & graph, LoopSchedule & schedule)
{
  std::int64_t largest = 0;
  for (const auto & node : graph.GetNodes())
  {
    const auto * reduction = std::get_if<Reduction>(&node.op);
    if (reduction == nullptr || reduction->axes.size() != 1 || !reduction->keepAxes)
    {
      continue;
    }
    const Shape & src = graph.GetShape(node.inputs[0]);
    LoopSchedule candidate;
    candidate.axis = reduction->axes.front();
    candidate.rank = src.size();
    candidate.extent = src[static_cast<std::size_t>(candidate.axis)];
    const std::int64_t elements = NumberOfElements(src);
    if (candidate.extent > 1 && HasAxis(src, candidate) && elements > largest)
    {
      schedule = candidate;
      largest = elements;
    }
  }
}

/** Whether an operator treats the elements of an axis independently, given that
 * its result has the axis. */
class IndependenceCheck
{
public:
  IndependenceCheck(const Graph & graph, const Graph::Node & node, const LoopSchedule & schedule)
    : m_Graph(graph)
    , m_Node(node)
    , m_Schedule(schedule)
  {}

  bool Check() const
  {
    return std::visit([this](const auto & op) { return this->IsIndependent(op); }, m_Node.op);
  }

private:
  /** Whether an input has the axis at the same place, or repeats along it. */
  bool Fits(ValueId input) const
  {
    const Shape & shape = m_Graph.GetShape(input);
    const auto axis = static_cast<std::size_t>(m_Schedule.axis);
    return shape.size() == m_Schedule.rank ? HasAxis(shape, m_Schedule) || shape[axis] == 1
                                           : shape.size() + axis < m_Schedule.rank;
  }

  /** For the inputs from one on. */
  bool InputsFit(std::size_t first = 0) const
  {
    return std::all_of(m_Node.inputs.begin() + static_cast<std::ptrdiff_t>(first),
                       m_Node.inputs.end(),
                       [this](ValueId input) { return this->Fits(input); });
  }

  bool IsBefore(std::size_t mixedAxes) const
  {
    return static_cast<std::size_t>(m_Schedule.axis) + mixedAxes < m_Schedule.rank &&
           HasAxis(m_Graph.GetShape(m_Node.inputs[0]), m_Schedule);
  }

  bool IsIndependent(const Unary &) const
  {
    return this->InputsFit();
  }
  bool IsIndependent(const Barrier &) const
  {
    return this->InputsFit();
  }
  bool IsIndependent(const Binary &) const
  {
    return this->InputsFit();
  }
  bool IsIndependent(const Pointwise &) const
  {
    return this->InputsFit();
  }
  bool IsIndependent(const Convolution & op) const
  {
    // Weights are shared by all elements, whatever their shape.
    return this->IsBefore(op.stride.size() + 1) && this->InputsFit(op.hasBias ? 3 : 2);
  }
  bool IsIndependent(const Pooling & op) const
  {
    return this->IsBefore(op.kernel.size());
  }
  bool IsIndependent(const Interpolation & op) const
  {
    return this->IsBefore(op.size.size());
  }
  bool IsIndependent(const ShiftedInterpolation & op) const
  {
    return this->IsBefore(op.kernel.size() + 1) && this->InputsFit(1);
  }
  bool IsIndependent(const Concatenation & op) const
  {
    return op.axis != m_Schedule.axis && this->InputsFit();
  }
  bool IsIndependent(const Slice & op) const
  {
    const auto axis = static_cast<std::size_t>(m_Schedule.axis);
    return HasAxis(m_Graph.GetShape(m_Node.inputs[0]), m_Schedule) && op.begin[axis] == 0 && op.step[axis] == 1;
  }
  bool IsIndependent(const Insertion & op) const
  {
    return op.step[static_cast<std::size_t>(m_Schedule.axis)] == 1 &&
           std::all_of(m_Node.inputs.begin(),
                       m_Node.inputs.end(),
                       [this](ValueId input) { return HasAxis(m_Graph.GetShape(input), m_Schedule); });
  }
  bool IsIndependent(const Softmax & op) const
  {
    return op.axis != m_Schedule.axis && this->InputsFit();
  }
  template <typename TOther>
  bool IsIndependent(const TOther &) const
  {
    return false;
  }

  const Graph & m_Graph;
  const Graph::Node & m_Node;
  const LoopSchedule & m_Schedule;
};

/** Gives each node of a graph its place before, in or between the loops. */
class Scheduler
{
public:
  Scheduler(const Graph & graph, LoopSchedule & schedule)
    : m_Graph(graph)
    , m_Schedule(schedule)
    , m_Kinds(graph.GetNodes().size(), Kind::Single)
    , m_Stages(graph.GetNodes().size(), 0)
  {}

  void Run()
  {
    this->FindKinds();
    this->FindEarliest();
    this->MoveLate();
    this->MakeItems();
  }

private:
  enum class Kind : std::uint8_t
  {
    Single,   ///< outside loops: in stage k it runs before loop k
    Looped,   ///< in loop k
    Reduction ///< in loop k, with its result behind it
  };

  int NodeOf(ValueId id) const
  {
    return m_Graph.GetValue(id).node;
  }

  void FindKinds()
  {
    const auto & nodes = m_Graph.GetNodes();
    for (std::size_t i = 0; i < nodes.size(); ++i)
    {
      const auto * reduction = std::get_if<Reduction>(&nodes[i].op);
      if (reduction != nullptr)
      {
        const int source = this->NodeOf(nodes[i].inputs[0]);
        const bool sums =
          reduction->function == ReductionFunction::Mean || reduction->function == ReductionFunction::Sum;
        if (sums && reduction->keepAxes && reduction->axes == std::vector<int>{ m_Schedule.axis } && source >= 0 &&
            m_Kinds[static_cast<std::size_t>(source)] == Kind::Looped)
        {
          m_Kinds[i] = Kind::Reduction;
        }
      }
      else if (HasAxis(m_Graph.GetShape(nodes[i].output), m_Schedule) &&
               IndependenceCheck(m_Graph, nodes[i], m_Schedule).Check())
      {
        m_Kinds[i] = Kind::Looped;
      }
    }
  }

  /** The stage from which a consumer of a kind can use a node's result. */
  int AvailableAt(std::size_t node, Kind consumer) const
  {
    const bool sameLoop = m_Kinds[node] == Kind::Looped && consumer != Kind::Single;
    return m_Stages[node] + (m_Kinds[node] == Kind::Single || sameLoop ? 0 : 1);
  }

  void FindEarliest()
  {
    const auto & nodes = m_Graph.GetNodes();
    for (std::size_t i = 0; i < nodes.size(); ++i)
    {
      for (const auto input : nodes[i].inputs)
      {
        const int producer = this->NodeOf(input);
        if (producer >= 0)
        {
          m_Stages[i] = std::max(m_Stages[i], this->AvailableAt(static_cast<std::size_t>(producer), m_Kinds[i]));
        }
      }
      m_LastStage = std::max(m_LastStage, m_Stages[i]);
    }
  }

  void MoveLate()
  {
    const auto & nodes = m_Graph.GetNodes();
    std::vector<int> latest(nodes.size(), m_LastStage);
    for (std::size_t i = nodes.size(); i-- > 0;)
    {
      if (m_Kinds[i] == Kind::Looped && !this->Shrinks(nodes[i]))
      {
        m_Stages[i] = std::max(m_Stages[i], latest[i]);
      }
      for (const auto input : nodes[i].inputs)
      {
        const int producer = this->NodeOf(input);
        if (producer >= 0)
        {
          const auto p = static_cast<std::size_t>(producer);
          const int needed = m_Stages[i] - (m_Kinds[i] == Kind::Single ? 1 : 0);
          latest[p] = std::min(latest[p], needed);
        }
      }
    }
  }

  /** Whether a node's result is smaller than what it reads in its loop. */
  bool Shrinks(const Graph::Node & node) const
  {
    std::int64_t read = 0;
    for (const auto input : node.inputs)
    {
      const int producer = this->NodeOf(input);
      if (producer >= 0 && m_Kinds[static_cast<std::size_t>(producer)] == Kind::Looped)
      {
        read += NumberOfElements(m_Graph.GetShape(input));
      }
    }
    return NumberOfElements(m_Graph.GetShape(node.output)) < read;
  }

  void MakeItems()
  {
    const auto & nodes = m_Graph.GetNodes();
    for (int stage = 0; stage <= m_LastStage; ++stage)
    {
      LoopRegion region;
      for (std::size_t i = 0; i < nodes.size(); ++i)
      {
        if (m_Stages[i] != stage)
        {
          continue;
        }
        switch (m_Kinds[i])
        {
          case Kind::Single:
            m_Schedule.items.push_back({ static_cast<int>(i), -1 });
            break;
          case Kind::Looped:
            region.nodes.push_back(static_cast<int>(i));
            break;
          case Kind::Reduction:
            region.reductions.push_back(static_cast<int>(i));
            break;
        }
      }
      if (!region.nodes.empty() || !region.reductions.empty())
      {
        this->FindStacked(region, stage);
        m_Schedule.items.push_back({ -1, static_cast<int>(m_Schedule.regions.size()) });
        m_Schedule.regions.push_back(std::move(region));
      }
    }
  }

  void FindStacked(LoopRegion & region, int stage) const
  {
    const auto & nodes = m_Graph.GetNodes();
    for (const auto n : region.nodes)
    {
      const ValueId value = nodes[static_cast<std::size_t>(n)].output;
      bool stacked = std::any_of(m_Graph.GetOutputs().begin(),
                                 m_Graph.GetOutputs().end(),
                                 [value](const Graph::Output & output) { return output.value == value; });
      for (std::size_t i = 0; i < nodes.size() && !stacked; ++i)
      {
        const bool inside = m_Kinds[i] != Kind::Single && m_Stages[i] == stage;
        stacked = !inside && std::count(nodes[i].inputs.begin(), nodes[i].inputs.end(), value) > 0;
      }
      if (stacked)
      {
        region.stacked.push_back(value);
      }
    }
  }

  const Graph & m_Graph;
  LoopSchedule & m_Schedule;
  std::vector<Kind> m_Kinds;
  std::vector<int> m_Stages;
  int m_LastStage = 0;
};
} // namespace

LoopSchedule
ScheduleLoops(const Graph & graph, std::int64_t minimumExtent)
{
  LoopSchedule schedule;
  ChooseAxis(graph, schedule);
  if (schedule.axis >= 0 && schedule.extent >= minimumExtent)
  {
    Scheduler(graph, schedule).Run();
    return schedule;
  }
  schedule.axis = -1;
  for (std::size_t i = 0; i < graph.GetNodes().size(); ++i)
  {
    schedule.items.push_back({ static_cast<int>(i), -1 });
  }
  return schedule;
}

LoopBody
ExtractLoopBody(const Graph & graph, const LoopSchedule & schedule, const LoopRegion & region, std::int64_t group)
{
  LoopBody body;
  const auto axis = static_cast<std::size_t>(schedule.axis);
  std::vector<ValueId> mapping(graph.GetValues().size(), -1);
  const auto map = [&](ValueId id, bool mayBeSliced)
  {
    ValueId & mapped = mapping[static_cast<std::size_t>(id)];
    if (mapped < 0)
    {
      const Graph::Value & value = graph.GetValue(id);
      const bool sliced = mayBeSliced && HasAxis(value.type.shape, schedule);
      if (!sliced && value.kind == Graph::ValueKind::Parameter)
      {
        mapped = body.graph.AddParameter(value.name, value.type.shape);
      }
      else if (!sliced && value.kind == Graph::ValueKind::Constant)
      {
        mapped = body.graph.AddConstant(value.constant, value.name);
      }
      else
      {
        Shape shape = value.type.shape;
        if (sliced)
        {
          shape[axis] = group;
        }
        mapped = body.graph.AddInput("in." + std::to_string(body.inputs.size()), shape, value.type.type);
        body.inputs.push_back({ id, sliced });
      }
    }
    return mapped;
  };
  for (const auto n : region.nodes)
  {
    const Graph::Node & node = graph.GetNodes()[static_cast<std::size_t>(n)];
    Operator op = node.op;
    if (auto * slice = std::get_if<Slice>(&op))
    {
      slice->end[axis] = group;
    }
    std::vector<ValueId> inputs;
    for (std::size_t i = 0; i < node.inputs.size(); ++i)
    {
      // Weights may happen to have the axis' extent.
      const bool isWeight = i == 1 && std::holds_alternative<Convolution>(op);
      inputs.push_back(map(node.inputs[i], !isWeight));
    }
    mapping[static_cast<std::size_t>(node.output)] = body.graph.Add(std::move(op), std::move(inputs), node.name);
  }
  for (std::size_t i = 0; i < region.stacked.size(); ++i)
  {
    body.graph.AddOutput("stack." + std::to_string(i), mapping[static_cast<std::size_t>(region.stacked[i])]);
  }
  for (std::size_t i = 0; i < region.reductions.size(); ++i)
  {
    const Graph::Node & node = graph.GetNodes()[static_cast<std::size_t>(region.reductions[i])];
    ValueId value = map(node.inputs[0], true);
    if (group > 1)
    {
      value = body.graph.Reduce(ReductionFunction::Sum, value, { schedule.axis }, true, node.name);
    }
    body.graph.AddOutput("sum." + std::to_string(i), value);
  }
  return body;
}

std::int64_t
ChooseLoopGroup(std::int64_t extent, unsigned int threads, std::size_t bytesPerElement, std::size_t cacheBytes)
{
  std::int64_t best = 1;
  std::int64_t bestShare = std::numeric_limits<std::int64_t>::max();
  for (std::int64_t group = 1; group <= extent; ++group)
  {
    const bool fits = group == 1 || static_cast<std::size_t>(group) * bytesPerElement <= cacheBytes;
    if (extent % group != 0 || !fits)
    {
      continue;
    }
    const std::int64_t groups = extent / group;
    const std::int64_t share = (groups + threads - 1) / threads * group;
    if (share <= bestShare)
    {
      best = group;
      bestShare = share;
    }
  }
  return best;
}
} // namespace nn
} // namespace itk
