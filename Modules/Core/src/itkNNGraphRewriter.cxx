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
#include "itkNNGraphRewriter.h"

#include "itkNNPasses.h"

namespace itk
{
namespace nn
{
GraphRewriter::GraphRewriter(const Graph & source)
  : m_Source(source)
  , m_Mapping(source.GetValues().size(), -1)
{
  for (const auto id : source.GetValuesOfKind(Graph::ValueKind::Input))
  {
    const Graph::Value & value = source.GetValue(id);
    m_Mapping[static_cast<std::size_t>(id)] = m_Result.AddInput(value.name, value.type.shape, value.type.type);
  }
}

ValueId
GraphRewriter::Map(ValueId id)
{
  ValueId & mapped = m_Mapping[static_cast<std::size_t>(id)];
  if (mapped < 0)
  {
    const Graph::Value & value = m_Source.GetValue(id);
    itkNNRequireMacro(value.kind != Graph::ValueKind::Result,
                      "The value '" << value.name << "' is used before it was rewritten");
    mapped = value.kind == Graph::ValueKind::Parameter ? m_Result.AddParameter(value.name, value.type.shape)
                                                       : m_Result.AddConstant(value.constant, value.name);
  }
  return mapped;
}

std::vector<ValueId>
GraphRewriter::Map(const std::vector<ValueId> & ids)
{
  std::vector<ValueId> mapped;
  mapped.reserve(ids.size());
  for (const auto id : ids)
  {
    mapped.push_back(this->Map(id));
  }
  return mapped;
}

void
GraphRewriter::Emit(Operator op, const std::vector<ValueId> & inputs, const std::string & name, ValueId output)
{
  this->Replace(output, m_Result.Add(std::move(op), this->Map(inputs), name));
}

void
GraphRewriter::Copy(const Graph::Node & node)
{
  this->Emit(node.op, node.inputs, node.name, node.output);
}

void
GraphRewriter::Replace(ValueId source, ValueId result)
{
  m_Mapping[static_cast<std::size_t>(source)] = result;
}

Graph
GraphRewriter::Finish()
{
  for (const auto & output : m_Source.GetOutputs())
  {
    m_Result.AddOutput(output.name, this->Map(output.value));
  }
  return RemoveDeadNodes(m_Result);
}

GraphPartCopier::GraphPartCopier(const Graph & source)
  : m_Source(source)
  , m_Mapping(source.GetValues().size(), -1)
{}

void
GraphPartCopier::AddInput(ValueId id, const std::string & name)
{
  const ValueType & type = m_Source.GetValue(id).type;
  m_Mapping[static_cast<std::size_t>(id)] = m_Result.AddInput(name, type.shape, type.type);
}

ValueId
GraphPartCopier::Get(ValueId id)
{
  const auto index = static_cast<std::size_t>(id);
  if (m_Mapping[index] >= 0)
  {
    return m_Mapping[index];
  }
  const Graph::Value & value = m_Source.GetValue(id);
  ValueId mapped = -1;
  switch (value.kind)
  {
    case Graph::ValueKind::Parameter:
      mapped = m_Result.AddParameter(value.name, value.type.shape);
      break;
    case Graph::ValueKind::Constant:
      mapped = m_Result.AddConstant(value.constant, value.name);
      break;
    case Graph::ValueKind::Input:
      mapped = m_Result.AddInput(value.name, value.type.shape, value.type.type);
      break;
    case Graph::ValueKind::Result:
    {
      const Graph::Node & node = GetProducerNode(m_Source, id);
      std::vector<ValueId> inputs;
      inputs.reserve(node.inputs.size());
      for (const auto input : node.inputs)
      {
        inputs.push_back(this->Get(input));
      }
      mapped = m_Result.Add(node.op, std::move(inputs), node.name);
      break;
    }
  }
  m_Mapping[index] = mapped;
  return mapped;
}

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
} // namespace nn
} // namespace itk
