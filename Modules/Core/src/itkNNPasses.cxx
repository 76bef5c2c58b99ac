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
#include "itkNNPasses.h"

#include "itkNNGraphRewriter.h"

#include <algorithm>
#include <map>
#include <sstream>

namespace itk
{
namespace nn
{
Graph
RemoveDeadNodes(const Graph & graph)
{
  std::vector<bool> needed(graph.GetValues().size(), false);
  for (const auto & output : graph.GetOutputs())
  {
    needed[static_cast<std::size_t>(output.value)] = true;
  }
  const auto & nodes = graph.GetNodes();
  for (std::size_t i = nodes.size(); i-- > 0;)
  {
    if (needed[static_cast<std::size_t>(nodes[i].output)])
    {
      for (const auto input : nodes[i].inputs)
      {
        needed[static_cast<std::size_t>(input)] = true;
      }
    }
  }
  GraphRewriter rewriter(graph);
  for (const auto & node : nodes)
  {
    if (needed[static_cast<std::size_t>(node.output)])
    {
      rewriter.Copy(node);
    }
  }
  Graph & result = rewriter.GetResult();
  for (const auto & output : graph.GetOutputs())
  {
    result.AddOutput(output.name, rewriter.Map(output.value));
  }
  return std::move(result);
}

namespace
{
bool
IsIdentity(const Graph & graph, const Graph::Node & node)
{
  const Shape & src = graph.GetShape(node.inputs[0]);
  if (graph.GetShape(node.output) != src)
  {
    return false;
  }
  if (const auto * reduction = std::get_if<Reduction>(&node.op))
  {
    return reduction->function != ReductionFunction::Variance &&
           std::all_of(reduction->axes.begin(), reduction->axes.end(), [&](int axis) { return src[axis] == 1; });
  }
  if (const auto * permutation = std::get_if<Permutation>(&node.op))
  {
    return std::is_sorted(permutation->order.begin(), permutation->order.end());
  }
  if (std::holds_alternative<Concatenation>(node.op))
  {
    return node.inputs.size() == 1;
  }
  // Of equal extents these change nothing.
  return std::holds_alternative<Slice>(node.op) || std::holds_alternative<Reshape>(node.op) ||
         std::holds_alternative<Broadcast>(node.op) || std::holds_alternative<Interpolation>(node.op);
}
} // namespace

Graph
RemoveIdentities(const Graph & graph)
{
  GraphRewriter rewriter(graph);
  for (const auto & node : graph.GetNodes())
  {
    if (IsIdentity(graph, node))
    {
      rewriter.Replace(node.output, rewriter.Map(node.inputs[0]));
    }
    else
    {
      rewriter.Copy(node);
    }
  }
  return rewriter.Finish();
}

Graph
MergeEqualNodes(const Graph & graph)
{
  GraphRewriter rewriter(graph);
  std::map<std::string, ValueId> seen;
  for (const auto & node : graph.GetNodes())
  {
    if (std::holds_alternative<Barrier>(node.op))
    {
      rewriter.Copy(node);
      continue;
    }
    std::ostringstream key;
    key << GetName(node.op) << '|' << Describe(node.op) << '|' << ToString(graph.GetShape(node.output));
    for (const auto input : rewriter.Map(node.inputs))
    {
      key << '|' << input;
    }
    const auto found = seen.find(key.str());
    if (found != seen.end())
    {
      rewriter.Replace(node.output, found->second);
      continue;
    }
    rewriter.Copy(node);
    seen.emplace(key.str(), rewriter.Map(node.output));
  }
  return rewriter.Finish();
}

Graph
FlattenConcatenations(const Graph & graph)
{
  // parts[v]: what a concatenation's result v consists of, when it is one.
  std::vector<std::vector<ValueId>> parts(graph.GetValues().size());
  GraphRewriter rewriter(graph);
  for (const auto & node : graph.GetNodes())
  {
    const auto * concatenation = std::get_if<Concatenation>(&node.op);
    if (concatenation == nullptr)
    {
      rewriter.Copy(node);
      continue;
    }
    auto & flat = parts[static_cast<std::size_t>(node.output)];
    for (const auto input : node.inputs)
    {
      const auto & inner = parts[static_cast<std::size_t>(input)];
      if (!inner.empty() && FindProducer<Concatenation>(graph, input)->axis == concatenation->axis)
      {
        flat.insert(flat.end(), inner.begin(), inner.end());
      }
      else
      {
        flat.push_back(input);
      }
    }
    rewriter.Emit(node.op, flat, node.name, node.output);
  }
  return rewriter.Finish();
}

namespace
{
/** The number of last axes that an operator of one operand mixes; -1 when the
 * operator cannot be moved before a repetition. */
int
CountMixedAxes(const Operator & op)
{
  if (std::holds_alternative<Unary>(op))
  {
    return 0;
  }
  if (const auto * convolution = std::get_if<Convolution>(&op))
  {
    return convolution->postOperations.empty() ? static_cast<int>(convolution->stride.size()) + 1 : -1;
  }
  if (const auto * transposed = std::get_if<TransposedConvolution>(&op))
  {
    return transposed->postOperations.empty() ? static_cast<int>(transposed->stride.size()) + 1 : -1;
  }
  if (const auto * interpolation = std::get_if<TransposedInterpolation>(&op))
  {
    return static_cast<int>(interpolation->size.size());
  }
  if (const auto * pooling = std::get_if<Pooling>(&op))
  {
    return static_cast<int>(pooling->kernel.size());
  }
  if (const auto * interpolation = std::get_if<Interpolation>(&op))
  {
    return static_cast<int>(interpolation->size.size());
  }
  return -1;
}

bool
HaveEqualEnds(const Shape & a, const Shape & b, int count)
{
  const auto n = static_cast<std::ptrdiff_t>(count);
  return static_cast<std::ptrdiff_t>(a.size()) >= n && static_cast<std::ptrdiff_t>(b.size()) >= n &&
         std::equal(a.end() - n, a.end(), b.end() - n);
}
} // namespace

Graph
HoistOutOfBroadcasts(const Graph & graph)
{
  GraphRewriter rewriter(graph);
  Graph & result = rewriter.GetResult();
  for (const auto & node : graph.GetNodes())
  {
    const int mixed = CountMixedAxes(node.op);
    const Shape & shape = graph.GetShape(node.output);
    if (mixed >= 0 && FindProducer<Broadcast>(graph, node.inputs[0]) != nullptr)
    {
      const ValueId narrow = GetProducerNode(graph, node.inputs[0]).inputs[0];
      const Shape & src = graph.GetShape(narrow);
      const bool hasChannels = !std::holds_alternative<Pooling>(node.op) || static_cast<int>(src.size()) > mixed;
      if (hasChannels && HaveEqualEnds(src, graph.GetShape(node.inputs[0]), mixed))
      {
        std::vector<ValueId> inputs = node.inputs;
        inputs[0] = narrow;
        const ValueId early = result.Add(node.op, rewriter.Map(inputs), node.name);
        rewriter.Replace(node.output, result.Add(Broadcast{ shape }, { early }, node.name + ".broadcast"));
        continue;
      }
    }
    const auto * concatenation = mixed >= 0 ? FindProducer<Concatenation>(graph, node.inputs[0]) : nullptr;
    if (concatenation != nullptr && !std::holds_alternative<Convolution>(node.op) &&
        !std::holds_alternative<TransposedConvolution>(node.op))
    {
      const Shape & whole = graph.GetShape(node.inputs[0]);
      const auto & parts = GetProducerNode(graph, node.inputs[0]).inputs;
      bool repeats = false;
      bool movable = concatenation->axis < static_cast<int>(whole.size()) - mixed;
      for (const auto part : parts)
      {
        Shape others = graph.GetShape(part);
        movable = movable && HaveEqualEnds(others, whole, mixed);
        others[concatenation->axis] = whole[concatenation->axis];
        repeats = repeats || others != whole;
      }
      if (movable && repeats)
      {
        std::vector<ValueId> early;
        for (const auto part : parts)
        {
          early.push_back(result.Add(node.op, { rewriter.Map(part) }, node.name));
        }
        rewriter.Replace(node.output, result.Add(*concatenation, early, node.name + ".concatenation"));
        continue;
      }
    }
    if (std::holds_alternative<Binary>(node.op))
    {
      // The function repeats its operands itself.
      std::vector<ValueId> inputs = node.inputs;
      for (auto & input : inputs)
      {
        if (FindProducer<Broadcast>(graph, input) != nullptr)
        {
          input = GetProducerNode(graph, input).inputs[0];
        }
      }
      const Shape together = BroadcastShapes(graph.GetShape(inputs[0]), graph.GetShape(inputs[1]));
      if (inputs != node.inputs)
      {
        const ValueId early = result.Add(node.op, rewriter.Map(inputs), node.name);
        rewriter.Replace(
          node.output, together == shape ? early : result.Add(Broadcast{ shape }, { early }, node.name + ".broadcast"));
        continue;
      }
    }
    if (const auto * reduction = std::get_if<Reduction>(&node.op))
    {
      // A mean, maximum or minimum of repetitions is the repeated element.
      const auto * broadcast = FindProducer<Broadcast>(graph, node.inputs[0]);
      if (broadcast != nullptr && reduction->keepAxes && reduction->function != ReductionFunction::Sum &&
          reduction->function != ReductionFunction::Variance)
      {
        const ValueId narrow = GetProducerNode(graph, node.inputs[0]).inputs[0];
        const Shape & src = graph.GetShape(narrow);
        const auto added = broadcast->shape.size() - src.size();
        const bool repeated = std::all_of(reduction->axes.begin(),
                                          reduction->axes.end(),
                                          [&](int axis)
                                          {
                                            const auto a = static_cast<std::size_t>(axis);
                                            return broadcast->shape[a] > 0 && (a < added || src[a - added] == 1);
                                          });
        if (repeated)
        {
          rewriter.Replace(node.output, result.Add(Broadcast{ shape }, { rewriter.Map(narrow) }, node.name));
          continue;
        }
      }
    }
    rewriter.Copy(node);
  }
  return rewriter.Finish();
}

namespace
{
bool
HasInput(const Graph & graph, const std::string & name)
{
  const auto inputs = graph.GetValuesOfKind(Graph::ValueKind::Input);
  return std::any_of(inputs.begin(), inputs.end(), [&](ValueId id) { return graph.GetValue(id).name == name; });
}
} // namespace

std::vector<bool>
FindStaticValues(const Graph & graph, const std::vector<std::string> & staticInputs)
{
  for (const auto & name : staticInputs)
  {
    itkNNRequireMacro(HasInput(graph, name), "The graph has no input '" << name << "', which is declared static");
  }
  std::vector<bool> isStatic(graph.GetValues().size(), false);
  for (std::size_t i = 0; i < isStatic.size(); ++i)
  {
    const Graph::Value & value = graph.GetValue(static_cast<ValueId>(i));
    switch (value.kind)
    {
      case Graph::ValueKind::Input:
        isStatic[i] = std::find(staticInputs.begin(), staticInputs.end(), value.name) != staticInputs.end();
        break;
      case Graph::ValueKind::Parameter:
      case Graph::ValueKind::Constant:
        isStatic[i] = true;
        break;
      case Graph::ValueKind::Result:
        break;
    }
  }
  for (const auto & node : graph.GetNodes())
  {
    isStatic[static_cast<std::size_t>(node.output)] =
      std::all_of(node.inputs.begin(),
                  node.inputs.end(),
                  [&](ValueId input) { return static_cast<bool>(isStatic[static_cast<std::size_t>(input)]); });
  }
  return isStatic;
}

StaticSplit
SplitAtStaticInputs(const Graph & graph, const std::vector<std::string> & staticInputs)
{
  const std::vector<bool> isStatic = FindStaticValues(graph, staticInputs);
  const std::vector<bool> isConstant = FindStaticValues(graph, {});
  std::vector<bool> crosses(isStatic.size(), false);
  const auto use = [&](ValueId id)
  {
    const auto i = static_cast<std::size_t>(id);
    crosses[i] = crosses[i] || (isStatic[i] && !isConstant[i]);
  };
  for (const auto & node : graph.GetNodes())
  {
    if (!isStatic[static_cast<std::size_t>(node.output)])
    {
      std::for_each(node.inputs.begin(), node.inputs.end(), use);
    }
  }
  for (const auto & output : graph.GetOutputs())
  {
    use(output.value);
  }

  StaticSplit split;
  GraphPartCopier prologue(graph);
  GraphPartCopier remainder(graph);
  for (const auto id : graph.GetValuesOfKind(Graph::ValueKind::Input))
  {
    GraphPartCopier & part = isStatic[static_cast<std::size_t>(id)] ? prologue : remainder;
    part.AddInput(id, graph.GetValue(id).name);
  }
  int number = 0;
  for (std::size_t i = 0; i < crosses.size(); ++i)
  {
    if (crosses[i])
    {
      const auto id = static_cast<ValueId>(i);
      std::string name;
      do
      {
        name = "static." + std::to_string(number++);
      }
      while (HasInput(graph, name));
      split.names.push_back(name);
      prologue.GetResult().AddOutput(name, prologue.Get(id));
      remainder.AddInput(id, name);
    }
  }
  for (const auto & node : graph.GetNodes())
  {
    if (!isStatic[static_cast<std::size_t>(node.output)])
    {
      remainder.Get(node.output);
    }
  }
  for (const auto & output : graph.GetOutputs())
  {
    remainder.GetResult().AddOutput(output.name, remainder.Get(output.value));
  }
  split.prologue = std::move(prologue.GetResult());
  split.remainder = std::move(remainder.GetResult());
  return split;
}

namespace
{
/** Whether two graphs have the same operators on the same values. Passes change
 * more than parameters, so these need not be compared. */
bool
HaveSameStructure(const Graph & a, const Graph & b)
{
  return std::equal(a.GetNodes().begin(),
                    a.GetNodes().end(),
                    b.GetNodes().begin(),
                    b.GetNodes().end(),
                    [](const Graph::Node & x, const Graph::Node & y)
                    { return x.op.index() == y.op.index() && x.inputs == y.inputs && x.output == y.output; }) &&
         std::equal(a.GetOutputs().begin(),
                    a.GetOutputs().end(),
                    b.GetOutputs().begin(),
                    b.GetOutputs().end(),
                    [](const Graph::Output & x, const Graph::Output & y) { return x.value == y.value; });
}
} // namespace

Graph
SimplifyGraph(const Graph & graph, const PassOptions & options, std::vector<PassReport> * reports)
{
  struct NamedPass
  {
    const char * name;
    Graph (*run)(const Graph &, const PassOptions &);
  };
  static constexpr NamedPass passes[] = {
    { "remove dead nodes", [](const Graph & g, const PassOptions &) { return RemoveDeadNodes(g); } },
    { "remove identities", [](const Graph & g, const PassOptions &) { return RemoveIdentities(g); } },
    { "merge equal nodes", [](const Graph & g, const PassOptions &) { return MergeEqualNodes(g); } },
    { "flatten concatenations", [](const Graph & g, const PassOptions &) { return FlattenConcatenations(g); } },
    { "hoist out of broadcasts", [](const Graph & g, const PassOptions &) { return HoistOutOfBroadcasts(g); } },
    { "fold scale and offset", [](const Graph & g, const PassOptions &) { return FoldAffineIntoConvolutions(g); } },
    { "split convolutions over concatenations",
      [](const Graph & g, const PassOptions & o) { return SplitConvolutionsOverConcatenations(g, o); } },
    { "distribute convolutions over sums",
      [](const Graph & g, const PassOptions & o) { return DistributeConvolutionsOverSums(g, o); } },
    { "move means through linear operators",
      [](const Graph & g, const PassOptions &) { return MoveReductionsThroughLinearOperators(g); } },
  };
  // Behind the others, which see the operators that these replace.
  static constexpr NamedPass lastPasses[] = {
    { "convolve before interpolation",
      [](const Graph & g, const PassOptions &) { return ConvolveBeforeInterpolation(g); } },
    { "compose convolutions", [](const Graph & g, const PassOptions &) { return ComposeConvolutions(g); } },
  };
  Graph current = graph;
  const auto apply = [&](const NamedPass & pass)
  {
    Graph next = pass.run(current, options);
    const bool isSame = HaveSameStructure(next, current);
    current = std::move(next);
    if (isSame)
    {
      return false;
    }
    if (reports != nullptr)
    {
      reports->push_back({ pass.name, current.GetNodes().size(), current.CountFlops(true) });
    }
    return true;
  };
  // A bound, should two passes ever undo each other's work.
  constexpr int rounds = 64;
  bool changed = true;
  for (int round = 0; changed && round < rounds; ++round)
  {
    changed = false;
    for (const auto & pass : passes)
    {
      changed = apply(pass) || changed;
    }
    if (!changed)
    {
      for (const auto & pass : lastPasses)
      {
        changed = apply(pass) || changed;
      }
    }
  }
  return current;
}
} // namespace nn
} // namespace itk
