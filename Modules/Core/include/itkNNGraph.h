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
#ifndef itkNNGraph_h
#define itkNNGraph_h

#include "UniverSegCoreExport.h"
#include "itkNNOperator.h"
#include "itkNNTensor.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace itk
{
namespace nn
{
/** Number of a value in its graph. \ingroup UniverSegCore */
using ValueId = std::int32_t;

/** \class Graph
 * \brief A network as a static single-assignment list of operators.
 *
 * Values are graph inputs, named parameters (weights, bound when a plan is
 * made), constants, or results of nodes. A node has one result; nodes stand in
 * an order in which they can run. Shapes are inferred and checked when a node
 * is added; an Error names the node, the operator, the parameter and the
 * shapes.
 *
 * A graph is a value: it can be copied, and passes return new ones.
 * \ingroup UniverSegCore
 */
class UniverSegCore_EXPORT Graph
{
public:
  enum class ValueKind : std::uint8_t
  {
    Input,
    Parameter,
    Constant,
    Result
  };

  /** \brief A tensor of the graph: what it is and where it comes from. */
  struct Value
  {
    ValueKind kind = ValueKind::Input;
    ValueType type;
    std::string name; ///< of an input or parameter: unique; of a result: its node's
    Tensor constant;  ///< of a constant
    int node = -1;
  };

  /** \brief An operator with its inputs and its result. */
  struct Node
  {
    Operator op;
    std::vector<ValueId> inputs;
    ValueId output = -1;
    std::string name;
  };

  /** \brief A named result of the whole graph. */
  struct Output
  {
    std::string name;
    ValueId value = -1;
  };

  ValueId AddInput(const std::string & name, Shape shape, DataType type = DataType::Float32);
  /** The same name twice gives the same value; the shapes must agree. */
  ValueId AddParameter(const std::string & name, Shape shape);
  ValueId AddConstant(Tensor tensor, const std::string & name = "constant");

  /** Append a node; the name is prefixed with the current scope. */
  ValueId Add(Operator op, std::vector<ValueId> inputs, const std::string & name = "");

  void AddOutput(const std::string & name, ValueId value);
  /** The value stays. Throws Error when there is no such output. */
  void RemoveOutput(const std::string & name);
  /** Throws Error when there is no such output. */
  ValueId GetOutput(const std::string & name) const;
  bool HasOutput(const std::string & name) const;

  /** Shorthands for Add(). */
  ValueId Convolve(
    ValueId src, ValueId weights, std::optional<ValueId> bias, Convolution op, const std::string & name = "");
  ValueId Concatenate(std::vector<ValueId> inputs, int axis, const std::string & name = "");
  ValueId Apply(UnaryFunction function, ValueId src, double alpha = 0, double beta = 0, const std::string & name = "");
  ValueId Combine(BinaryFunction function, ValueId a, ValueId b, const std::string & name = "");
  ValueId Reduce(ReductionFunction function,
                 ValueId src,
                 std::vector<int> axes,
                 bool keepAxes = true,
                 const std::string & name = "");

  const Value & GetValue(ValueId id) const;
  const Shape & GetShape(ValueId id) const
  {
    return this->GetValue(id).type.shape;
  }
  const std::vector<Value> & GetValues() const
  {
    return m_Values;
  }
  const std::vector<Node> & GetNodes() const
  {
    return m_Nodes;
  }
  const std::vector<Output> & GetOutputs() const
  {
    return m_Outputs;
  }
  /** Inputs (or parameters) in the order in which they were added. */
  std::vector<ValueId> GetValuesOfKind(ValueKind kind) const;

  /** Types of a node's inputs. */
  std::vector<ValueType> GetInputTypes(const Node & node) const;

  /** Work of all nodes as written, whether an output needs them or not. */
  double CountFlops(bool productsOnly = false) const;

  /** Work of one node. */
  double CountFlops(const Node & node) const;

  /** One line a node, for people. */
  std::string ToText() const;

  /** \class Scope
   * \brief Prefixes the names of the nodes added in its lifetime. */
  class UniverSegCore_EXPORT Scope
  {
  public:
    Scope(Graph & graph, const std::string & name);
    ~Scope();
    Scope(const Scope &) = delete;
    Scope & operator=(const Scope &) = delete;

  private:
    Graph & m_Graph;
    std::size_t m_OldLength;
  };

private:
  ValueId AddValue(Value value);
  /** The end when there is none. */
  std::vector<Output>::const_iterator FindOutput(const std::string & name) const;

  std::vector<Value> m_Values;
  std::vector<Node> m_Nodes;
  std::vector<Output> m_Outputs;
  std::string m_Scope;
};
} // namespace nn
} // namespace itk

#endif
