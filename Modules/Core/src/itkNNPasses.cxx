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

#include <algorithm>

namespace itk
{
namespace nn
{
namespace
{
/** Copies values and nodes of one graph to another and keeps the mapping. */
class Copier
{
public:
  explicit Copier(const Graph & source)
    : m_Source(source)
    , m_Mapping(source.GetValues().size(), -1)
  {
    for (std::size_t i = 0; i < m_Mapping.size(); ++i)
    {
      const Graph::Value & value = source.GetValue(static_cast<ValueId>(i));
      if (value.kind == Graph::ValueKind::Input)
      {
        m_Mapping[i] = m_Result.AddInput(value.name, value.type.shape, value.type.type);
      }
    }
  }

  ValueId Map(ValueId id)
  {
    ValueId & mapped = m_Mapping[static_cast<std::size_t>(id)];
    if (mapped < 0)
    {
      const Graph::Value & value = m_Source.GetValue(id);
      mapped = value.kind == Graph::ValueKind::Parameter ? m_Result.AddParameter(value.name, value.type.shape)
                                                         : m_Result.AddConstant(value.constant, value.name);
    }
    return mapped;
  }

  void Emit(Operator op, const std::vector<ValueId> & inputs, const std::string & name, ValueId output)
  {
    std::vector<ValueId> mapped;
    mapped.reserve(inputs.size());
    for (const auto input : inputs)
    {
      mapped.push_back(this->Map(input));
    }
    m_Mapping[static_cast<std::size_t>(output)] = m_Result.Add(std::move(op), std::move(mapped), name);
  }

  Graph Finish()
  {
    for (const auto & output : m_Source.GetOutputs())
    {
      m_Result.AddOutput(output.name, this->Map(output.value));
    }
    return std::move(m_Result);
  }

private:
  const Graph & m_Source;
  Graph m_Result;
  std::vector<ValueId> m_Mapping;
};

/** How often nodes and outputs use each value. */
std::vector<int>
CountUses(const Graph & graph)
{
  std::vector<int> uses(graph.GetValues().size(), 0);
  for (const auto & node : graph.GetNodes())
  {
    for (const auto input : node.inputs)
    {
      ++uses[static_cast<std::size_t>(input)];
    }
  }
  for (const auto & output : graph.GetOutputs())
  {
    ++uses[static_cast<std::size_t>(output.value)];
  }
  return uses;
}
} // namespace

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
  Copier copier(graph);
  for (const auto & node : nodes)
  {
    if (needed[static_cast<std::size_t>(node.output)])
    {
      copier.Emit(node.op, node.inputs, node.name, node.output);
    }
  }
  return copier.Finish();
}

Graph
FlattenConcatenations(const Graph & graph)
{
  // inputs[v]: what a concatenation's result v consists of, when it is one.
  std::vector<std::vector<ValueId>> parts(graph.GetValues().size());
  Copier copier(graph);
  for (const auto & node : graph.GetNodes())
  {
    const auto * concatenation = std::get_if<Concatenation>(&node.op);
    if (concatenation == nullptr)
    {
      copier.Emit(node.op, node.inputs, node.name, node.output);
      continue;
    }
    auto & flat = parts[static_cast<std::size_t>(node.output)];
    for (const auto input : node.inputs)
    {
      const auto & inner = parts[static_cast<std::size_t>(input)];
      const int producer = graph.GetValue(input).node;
      const bool sameAxis =
        !inner.empty() && std::get<Concatenation>(graph.GetNodes()[producer].op).axis == concatenation->axis;
      if (sameAxis)
      {
        flat.insert(flat.end(), inner.begin(), inner.end());
      }
      else
      {
        flat.push_back(input);
      }
    }
    copier.Emit(node.op, flat, node.name, node.output);
  }
  return RemoveDeadNodes(copier.Finish());
}

Graph
FusePostOperations(const Graph & graph)
{
  const std::vector<int> uses = CountUses(graph);
  const auto & nodes = graph.GetNodes();

  // into[n]: the convolution that does node n's work.
  std::vector<int> into(nodes.size(), -1);
  std::vector<int> last(nodes.size(), -1);
  for (std::size_t i = 0; i < nodes.size(); ++i)
  {
    last[i] = static_cast<int>(i);
    if (std::holds_alternative<Convolution>(nodes[i].op))
    {
      into[i] = static_cast<int>(i);
    }
    else if (std::holds_alternative<Unary>(nodes[i].op))
    {
      const ValueId src = nodes[i].inputs[0];
      const int producer = graph.GetValue(src).node;
      if (producer >= 0 && into[producer] >= 0 && uses[static_cast<std::size_t>(src)] == 1)
      {
        into[i] = into[producer];
        last[into[i]] = static_cast<int>(i);
      }
    }
  }

  Copier copier(graph);
  for (std::size_t i = 0; i < nodes.size(); ++i)
  {
    const int first = into[i];
    if (first < 0)
    {
      copier.Emit(nodes[i].op, nodes[i].inputs, nodes[i].name, nodes[i].output);
    }
    else if (last[first] == static_cast<int>(i))
    {
      Convolution fused = std::get<Convolution>(nodes[first].op);
      for (std::size_t k = static_cast<std::size_t>(first) + 1; k <= i; ++k)
      {
        if (into[k] == first)
        {
          fused.postOperations.push_back({ std::get<Unary>(nodes[k].op) });
        }
      }
      copier.Emit(std::move(fused), nodes[first].inputs, nodes[first].name, nodes[i].output);
    }
  }
  return copier.Finish();
}
} // namespace nn
} // namespace itk
