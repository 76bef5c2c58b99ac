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

#include <algorithm>
#include <sstream>

namespace itk
{
namespace nn
{
ValueId
Graph::AddValue(Value value)
{
  try
  {
    NumberOfElements(value.type.shape);
  }
  catch (const Error & error)
  {
    itkNNThrowMacro("Value '" << value.name << "': " << error.GetDescription());
  }
  m_Values.push_back(std::move(value));
  return static_cast<ValueId>(m_Values.size() - 1);
}

ValueId
Graph::AddInput(const std::string & name, Shape shape, DataType type)
{
  for (const auto & value : m_Values)
  {
    itkNNRequireMacro(value.kind != ValueKind::Input || value.name != name,
                      "The graph has an input '" << name << "' already");
  }
  Value value;
  value.kind = ValueKind::Input;
  value.type = { std::move(shape), type };
  value.name = name;
  return this->AddValue(std::move(value));
}

ValueId
Graph::AddParameter(const std::string & name, Shape shape)
{
  for (std::size_t i = 0; i < m_Values.size(); ++i)
  {
    if (m_Values[i].kind == ValueKind::Parameter && m_Values[i].name == name)
    {
      itkNNRequireMacro(m_Values[i].type.shape == shape,
                        "Parameter '" << name << "' was added with shape " << ToString(m_Values[i].type.shape)
                                      << " and again with " << ToString(shape));
      return static_cast<ValueId>(i);
    }
  }
  Value value;
  value.kind = ValueKind::Parameter;
  value.type = { std::move(shape), DataType::Float32 };
  value.name = name;
  return this->AddValue(std::move(value));
}

ValueId
Graph::AddConstant(Tensor tensor, const std::string & name)
{
  itkNNRequireMacro(tensor.IsDefined(), "Constant '" << name << "' is an undefined tensor");
  Value value;
  value.kind = ValueKind::Constant;
  value.type = { tensor.GetShape(), tensor.GetDataType() };
  value.name = name;
  value.constant = std::move(tensor);
  return this->AddValue(std::move(value));
}

ValueId
Graph::Add(Operator op, std::vector<ValueId> inputs, const std::string & name)
{
  Node node;
  node.op = std::move(op);
  node.inputs = std::move(inputs);
  node.name = m_Scope + (m_Scope.empty() || name.empty() ? "" : ".") + name;
  if (node.name.empty())
  {
    node.name = GetName(node.op);
  }
  if (auto * convolution = std::get_if<Convolution>(&node.op))
  {
    std::size_t operands = 0;
    for (const auto & post : convolution->postOperations)
    {
      operands += std::holds_alternative<Binary>(post.operation) ? 1 : 0;
    }
    convolution->hasBias = node.inputs.size() == 3 + operands;
  }
  Value value;
  try
  {
    value.type = InferOutput(node.op, this->GetInputTypes(node));
  }
  catch (const Error & error)
  {
    itkNNThrowMacro("In '" << node.name << "': " << error.GetDescription());
  }
  value.kind = ValueKind::Result;
  value.name = node.name;
  value.node = static_cast<int>(m_Nodes.size());
  node.output = this->AddValue(std::move(value));
  m_Nodes.push_back(std::move(node));
  return m_Nodes.back().output;
}

void
Graph::AddOutput(const std::string & name, ValueId value)
{
  this->GetValue(value);
  itkNNRequireMacro(!this->HasOutput(name), "The graph has an output '" << name << "' already");
  m_Outputs.push_back({ name, value });
}

void
Graph::RemoveOutput(const std::string & name)
{
  const auto found = this->FindOutput(name);
  itkNNRequireMacro(found != m_Outputs.end(), "The graph has no output '" << name << "' to remove");
  m_Outputs.erase(found);
}

ValueId
Graph::GetOutput(const std::string & name) const
{
  const auto found = this->FindOutput(name);
  itkNNRequireMacro(found != m_Outputs.end(), "The graph has no output '" << name << '\'');
  return found->value;
}

bool
Graph::HasOutput(const std::string & name) const
{
  return this->FindOutput(name) != m_Outputs.end();
}

std::vector<Graph::Output>::const_iterator
Graph::FindOutput(const std::string & name) const
{
  return std::find_if(
    m_Outputs.begin(), m_Outputs.end(), [&name](const Output & output) { return output.name == name; });
}

ValueId
Graph::Convolve(ValueId src, ValueId weights, std::optional<ValueId> bias, Convolution op, const std::string & name)
{
  std::vector<ValueId> inputs{ src, weights };
  if (bias)
  {
    inputs.push_back(*bias);
  }
  return this->Add(std::move(op), std::move(inputs), name);
}

ValueId
Graph::Concatenate(std::vector<ValueId> inputs, int axis, const std::string & name)
{
  Concatenation op;
  op.axis = axis;
  return this->Add(op, std::move(inputs), name);
}

ValueId
Graph::Apply(UnaryFunction function, ValueId src, double alpha, double beta, const std::string & name)
{
  Unary op;
  op.function = function;
  op.alpha = alpha;
  op.beta = beta;
  return this->Add(op, { src }, name);
}

ValueId
Graph::Combine(BinaryFunction function, ValueId a, ValueId b, const std::string & name)
{
  Binary op;
  op.function = function;
  return this->Add(op, { a, b }, name);
}

ValueId
Graph::Reduce(ReductionFunction function, ValueId src, std::vector<int> axes, bool keepAxes, const std::string & name)
{
  Reduction op;
  op.function = function;
  op.axes = std::move(axes);
  op.keepAxes = keepAxes;
  return this->Add(std::move(op), { src }, name);
}

const Graph::Value &
Graph::GetValue(ValueId id) const
{
  itkNNRequireMacro(id >= 0 && static_cast<std::size_t>(id) < m_Values.size(),
                    "The graph has no value " << id << "; it has " << m_Values.size());
  return m_Values[static_cast<std::size_t>(id)];
}

std::vector<ValueId>
Graph::GetValuesOfKind(ValueKind kind) const
{
  std::vector<ValueId> ids;
  for (std::size_t i = 0; i < m_Values.size(); ++i)
  {
    if (m_Values[i].kind == kind)
    {
      ids.push_back(static_cast<ValueId>(i));
    }
  }
  return ids;
}

std::vector<ValueType>
Graph::GetInputTypes(const Node & node) const
{
  std::vector<ValueType> types;
  types.reserve(node.inputs.size());
  for (const auto input : node.inputs)
  {
    types.push_back(this->GetValue(input).type);
  }
  return types;
}

double
Graph::CountFlops(bool productsOnly) const
{
  double sum = 0;
  for (const auto & node : m_Nodes)
  {
    if (!productsOnly || IsProduct(node.op))
    {
      sum += this->CountFlops(node);
    }
  }
  return sum;
}

double
Graph::CountFlops(const Node & node) const
{
  return nn::CountFlops(node.op, this->GetInputTypes(node), this->GetValue(node.output).type);
}

std::string
Graph::ToText() const
{
  std::ostringstream out;
  const auto put = [&](ValueId id) -> std::ostream &
  {
    const Value & value = this->GetValue(id);
    if (value.kind == ValueKind::Result)
    {
      return out << '%' << id;
    }
    return out << '\'' << value.name << '\'';
  };
  for (const auto & node : m_Nodes)
  {
    out << '%' << node.output << ' ' << ToString(this->GetShape(node.output)) << " = " << nn::GetName(node.op) << '(';
    for (std::size_t i = 0; i < node.inputs.size(); ++i)
    {
      out << (i ? ", " : "");
      put(node.inputs[i]);
    }
    out << ") " << Describe(node.op) << "  # " << node.name << '\n';
  }
  for (const auto & output : m_Outputs)
  {
    out << "output '" << output.name << "' = ";
    put(output.value) << '\n';
  }
  return out.str();
}

Graph::Scope::Scope(Graph & graph, const std::string & name)
  : m_Graph(graph)
  , m_OldLength(graph.m_Scope.size())
{
  m_Graph.m_Scope += (m_Graph.m_Scope.empty() ? "" : ".") + name;
}

Graph::Scope::~Scope()
{
  m_Graph.m_Scope.resize(m_OldLength);
}
} // namespace nn
} // namespace itk
