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

#include "itkNNGraphRewriter.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace itk
{
namespace nn
{
std::string
GetGradientName(const std::string & name)
{
  return "gradient." + name;
}

Graph
ExpandPostOperations(const Graph & graph)
{
  GraphRewriter rewriter(graph);
  Graph & result = rewriter.GetResult();
  for (const auto & node : graph.GetNodes())
  {
    const std::vector<PostOperation> * operations = GetPostOperations(node.op);
    const bool isPointwise = std::holds_alternative<Pointwise>(node.op);
    if (operations == nullptr || (operations->empty() && !isPointwise))
    {
      rewriter.Copy(node);
      continue;
    }
    const auto operands =
      std::count_if(operations->begin(),
                    operations->end(),
                    [](const PostOperation & post) { return std::holds_alternative<Binary>(post.operation); });
    const std::vector<ValueId> inputs = rewriter.Map(node.inputs);
    const auto own = inputs.size() - static_cast<std::size_t>(operands);
    ValueId value = inputs[0];
    if (!isPointwise)
    {
      Operator bare = node.op;
      GetPostOperations(bare)->clear();
      value =
        result.Add(bare, { inputs.begin(), inputs.begin() + static_cast<std::ptrdiff_t>(own) }, node.name + ".bare");
    }
    std::size_t next = own;
    for (const auto & post : *operations)
    {
      const auto * unary = std::get_if<Unary>(&post.operation);
      value = unary != nullptr ? result.Add(*unary, { value }, node.name)
                               : result.Add(std::get<Binary>(post.operation), { value, inputs[next++] }, node.name);
    }
    rewriter.Replace(node.output, value);
  }
  return rewriter.Finish();
}

Graph
MakeParametersInputs(const Graph & graph)
{
  GraphRewriter rewriter(graph);
  for (const auto id : graph.GetValuesOfKind(Graph::ValueKind::Parameter))
  {
    const Graph::Value & value = graph.GetValue(id);
    rewriter.Replace(id, rewriter.GetResult().AddInput(value.name, value.type.shape, value.type.type));
  }
  for (const auto & node : graph.GetNodes())
  {
    rewriter.Copy(node);
  }
  return rewriter.Finish();
}

namespace
{
using UF = UnaryFunction;
using BF = BinaryFunction;

/** Adds the gradients of a graph behind its nodes. */
class Differentiator
{
public:
  /** \param graph copied; has no post-operations. */
  Differentiator(const Graph & graph, const DifferentiationOptions & options)
    : m_Graph(graph)
    , m_NumberOfNodes(graph.GetNodes().size())
    , m_Segments(m_NumberOfNodes, -1)
    , m_Terms(graph.GetValues().size())
    , m_Needed(graph.GetValues().size(), false)
    , m_Kept(graph.GetValues().size(), true)
  {
    for (std::size_t n = 0; n < m_NumberOfNodes; ++n)
    {
      const std::string & name = m_Graph.GetNodes()[n].name;
      for (std::size_t s = 0; s < options.recompute.size(); ++s)
      {
        const std::string prefix = options.recompute[s] + '.';
        m_Segments[n] = name.compare(0, prefix.size(), prefix) == 0 ? static_cast<int>(s) : m_Segments[n];
      }
    }
    this->FindKept();
    m_RecomputesPasses = options.recomputePassesFrom > 0;
    if (m_RecomputesPasses)
    {
      this->FindPasses(options.recomputePassesFrom);
    }
  }

  DifferentiatedGraph Run(const std::string & output, const std::vector<std::string> & names)
  {
    const std::vector<ValueId> wanted = this->FindWanted(names);
    for (const auto id : wanted)
    {
      m_Needed[static_cast<std::size_t>(id)] = true;
    }
    for (std::size_t n = 0; n < m_NumberOfNodes; ++n)
    {
      const Graph::Node & node = m_Graph.GetNodes()[n];
      m_Needed[static_cast<std::size_t>(node.output)] =
        !StopsGradient(node.op) &&
        std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) { return this->IsNeeded(id); });
    }
    const ValueId seed = this->FindOutput(output);
    if (this->IsNeeded(seed))
    {
      this->AddTerm(seed, this->Fill(1, m_Graph.GetShape(seed)));
    }
    for (std::size_t n = m_NumberOfNodes; n-- > 0;)
    {
      // Adding nodes moves those that are there.
      const Graph::Node node = m_Graph.GetNodes()[n];
      const std::optional<ValueId> gradient = this->Sum(node.output);
      if (gradient)
      {
        const Graph::Scope scope(m_Graph, "gradient");
        m_Node = &node;
        m_Gradient = *gradient;
        std::visit([this](const auto & op) { this->Propagate(op); }, node.op);
      }
    }
    DifferentiatedGraph result;
    for (const auto id : wanted)
    {
      const std::optional<ValueId> gradient = this->Sum(id);
      if (gradient)
      {
        result.names.push_back(m_Graph.GetValue(id).name);
        result.outputs.push_back(this->MakeOutputName(result.names.back()));
        m_Graph.AddOutput(result.outputs.back(), *gradient);
      }
    }
    result.graph = std::move(m_Graph);
    return result;
  }

private:
  static bool StopsGradient(const Operator & op)
  {
    const auto * barrier = std::get_if<Barrier>(&op);
    return (barrier != nullptr && barrier->stopsGradient) || std::holds_alternative<LovaszWeights>(op);
  }

  bool IsNeeded(ValueId id) const
  {
    return m_Needed[static_cast<std::size_t>(id)];
  }

  /** A value stays when it is made outside the segments or used outside its own. */
  void FindKept()
  {
    const auto & nodes = m_Graph.GetNodes();
    for (std::size_t n = 0; n < m_NumberOfNodes; ++n)
    {
      m_Kept[static_cast<std::size_t>(nodes[n].output)] = m_Segments[n] < 0;
    }
    for (std::size_t n = 0; n < m_NumberOfNodes; ++n)
    {
      for (const auto input : nodes[n].inputs)
      {
        const int producer = m_Graph.GetValue(input).node;
        if (producer >= 0 && m_Segments[static_cast<std::size_t>(producer)] != m_Segments[n])
        {
          m_Kept[static_cast<std::size_t>(input)] = true;
        }
      }
    }
    for (const auto & output : m_Graph.GetOutputs())
    {
      m_Kept[static_cast<std::size_t>(output.value)] = true;
    }
  }

  /** Whether the gradient of a node asks for its result, not for what it was made from. */
  static bool IsKnownByResult(const Operator & op)
  {
    if (const auto * unary = std::get_if<Unary>(&op))
    {
      switch (unary->function)
      {
        case UF::Relu:
        case UF::Linear:
        case UF::Negate:
        case UF::Sigmoid:
        case UF::Tanh:
        case UF::Exp:
          return true;
        case UF::LeakyRelu:
          return unary->alpha > 0;
        default:
          return false;
      }
    }
    const auto * binary = std::get_if<Binary>(&op);
    return binary != nullptr && (binary->function == BF::Add || binary->function == BF::Subtract);
  }

  /** Results that are computed again in one pass over memory. */
  void FindPasses(std::int64_t elements)
  {
    const auto & nodes = m_Graph.GetNodes();
    std::vector<int> uses(m_Graph.GetValues().size(), 0);
    for (const auto & node : nodes)
    {
      for (const auto input : node.inputs)
      {
        ++uses[static_cast<std::size_t>(input)];
      }
    }
    // Results to which a post-operation can be added.
    std::vector<bool> isOpen(m_Graph.GetValues().size(), false);
    for (std::size_t n = 0; n < m_NumberOfNodes; ++n)
    {
      const Graph::Node & node = nodes[n];
      const auto output = static_cast<std::size_t>(node.output);
      const auto isMade = [&](ValueId id) { return m_Graph.GetValue(id).kind == Graph::ValueKind::Result; };
      const bool isPost =
        IsKnownByResult(node.op) && std::any_of(node.inputs.begin(),
                                                node.inputs.end(),
                                                [&](ValueId id) { return isOpen[static_cast<std::size_t>(id)]; });
      bool isPass = std::holds_alternative<Unary>(node.op) || std::holds_alternative<Concatenation>(node.op) ||
                    std::holds_alternative<Interpolation>(node.op) || std::holds_alternative<Broadcast>(node.op) ||
                    std::holds_alternative<Reshape>(node.op) || std::holds_alternative<Permutation>(node.op) ||
                    std::holds_alternative<Slice>(node.op) || std::holds_alternative<Insertion>(node.op) ||
                    std::holds_alternative<Gather>(node.op) || std::holds_alternative<BitMask>(node.op) ||
                    std::holds_alternative<Sampling>(node.op);
      if (std::holds_alternative<Binary>(node.op))
      {
        // Of two whole results that are kept the one that they make is less.
        isPass = std::any_of(
          node.inputs.begin(),
          node.inputs.end(),
          [&](ValueId id)
          { return !isMade(id) || !this->IsKept(id) || m_Graph.GetShape(id) != m_Graph.GetShape(node.output); });
      }
      const bool isHeavy = std::holds_alternative<Convolution>(node.op) ||
                           std::holds_alternative<TransposedConvolution>(node.op) ||
                           std::holds_alternative<MatrixProduct>(node.op);
      isOpen[output] = (isHeavy || isPost) && uses[output] == 1;
      if (isPass && !isPost && m_Segments[n] < 0 && NumberOfElements(m_Graph.GetShape(node.output)) >= elements &&
          !this->IsOutput(node.output))
      {
        m_Kept[output] = false;
      }
    }
  }

  bool IsOutput(ValueId id) const
  {
    const auto & outputs = m_Graph.GetOutputs();
    return std::any_of(outputs.begin(), outputs.end(), [id](const Graph::Output & o) { return o.value == id; });
  }

  /** A graph that is differentiated again has the first gradients' names already. */
  std::string MakeOutputName(const std::string & name) const
  {
    std::string output = GetGradientName(name);
    while (m_Graph.HasOutput(output))
    {
      output = GetGradientName(output);
    }
    return output;
  }

  ValueId FindOutput(const std::string & name) const
  {
    const ValueId value = m_Graph.GetOutput(name);
    const DataType type = m_Graph.GetValue(value).type.type;
    itkNNRequireMacro(IsFloatingPoint(type),
                      "Output '" << name << "' is " << nn::ToString(type)
                                 << "; only floating-point values have gradients");
    return value;
  }

  std::vector<ValueId> FindWanted(const std::vector<std::string> & names) const
  {
    std::vector<ValueId> wanted = m_Graph.GetValuesOfKind(Graph::ValueKind::Parameter);
    std::vector<ValueId> inputs = m_Graph.GetValuesOfKind(Graph::ValueKind::Input);
    inputs.erase(std::remove_if(inputs.begin(),
                                inputs.end(),
                                [&](ValueId id) { return !IsFloatingPoint(m_Graph.GetValue(id).type.type); }),
                 inputs.end());
    if (names.empty())
    {
      return wanted.empty() ? inputs : wanted;
    }
    wanted.insert(wanted.end(), inputs.begin(), inputs.end());
    std::vector<ValueId> chosen;
    for (const auto & name : names)
    {
      const auto found =
        std::find_if(wanted.begin(), wanted.end(), [&](ValueId id) { return m_Graph.GetValue(id).name == name; });
      itkNNRequireMacro(found != wanted.end(),
                        "The graph has no floating-point input or parameter '" << name << "' to differentiate by");
      chosen.push_back(*found);
    }
    return chosen;
  }

  // --- Gradients on the way. ---

  void AddTerm(ValueId of, ValueId term)
  {
    m_Terms[static_cast<std::size_t>(of)].push_back(term);
  }

  /** The sum of what came for a value. */
  std::optional<ValueId> Sum(ValueId of)
  {
    auto & terms = m_Terms[static_cast<std::size_t>(of)];
    if (terms.empty())
    {
      return std::nullopt;
    }
    ValueId sum = terms[0];
    for (std::size_t i = 1; i < terms.size(); ++i)
    {
      const Graph::Scope scope(m_Graph, "gradient");
      sum = m_Graph.Combine(BF::Add, sum, terms[i], m_Graph.GetValue(of).name + ".sum");
    }
    terms.assign(1, sum);
    return sum;
  }

  // --- Values of the node whose gradient is propagated. ---

  /** A value of the original for use in a gradient: kept, or computed again. */
  ValueId Get(ValueId id)
  {
    const int node = m_Graph.GetValue(id).node;
    return node < 0 || m_Kept[static_cast<std::size_t>(id)] ? id : this->ComputeAgain(id);
  }

  ValueId ComputeAgain(ValueId id)
  {
    const auto found = m_Again.find(id);
    if (found != m_Again.end())
    {
      return found->second;
    }
    const Graph::Value value = m_Graph.GetValue(id);
    ValueId again = id;
    if (value.kind == Graph::ValueKind::Input || (value.kind == Graph::ValueKind::Result && this->IsKept(id)))
    {
      again = m_Graph.Add(Barrier{}, { id }, value.name + ".barrier");
    }
    else if (value.kind == Graph::ValueKind::Result)
    {
      const Graph::Node node = m_Graph.GetNodes()[static_cast<std::size_t>(value.node)];
      std::vector<ValueId> inputs;
      for (const auto input : node.inputs)
      {
        inputs.push_back(this->ComputeAgain(input));
      }
      again = m_Graph.Add(node.op, inputs, node.name + ".again");
    }
    m_Again[id] = again;
    return again;
  }

  /** A value whose use in a gradient should not keep what the original makes of it. */
  ValueId Again(ValueId id)
  {
    return m_RecomputesPasses ? this->ComputeAgain(id) : this->Get(id);
  }

  /** The mean beside a variance: the original's where it has one. */
  ValueId FindMean(const Reduction & variance)
  {
    const ValueId x = m_Node->inputs[0];
    for (std::size_t n = 0; n < m_NumberOfNodes; ++n)
    {
      const Graph::Node & node = m_Graph.GetNodes()[n];
      const auto * mean = std::get_if<Reduction>(&node.op);
      if (mean != nullptr && mean->function == ReductionFunction::Mean && node.inputs[0] == x &&
          mean->axes == variance.axes && mean->keepAxes)
      {
        return this->Again(node.output);
      }
    }
    return m_Graph.Reduce(ReductionFunction::Mean, this->Again(x), variance.axes, true, m_Node->name);
  }

  bool IsKept(ValueId id) const
  {
    return m_Kept[static_cast<std::size_t>(id)];
  }

  ValueId In(std::size_t i)
  {
    return this->Get(m_Node->inputs[i]);
  }
  ValueId Out()
  {
    return this->Get(m_Node->output);
  }
  /** A copy: adding nodes moves the values that are there. */
  Shape InShape(std::size_t i) const
  {
    return m_Graph.GetShape(m_Node->inputs[i]);
  }
  bool Wants(std::size_t i) const
  {
    return this->IsNeeded(m_Node->inputs[i]);
  }

  // --- Shorthands. ---

  ValueId Add(Operator op, std::vector<ValueId> inputs)
  {
    return m_Graph.Add(std::move(op), std::move(inputs), m_Node->name);
  }
  ValueId Apply(UF function, ValueId x, double alpha = 0, double beta = 0)
  {
    return m_Graph.Apply(function, x, alpha, beta, m_Node->name);
  }
  ValueId Combine(BF function, ValueId a, ValueId b)
  {
    return m_Graph.Combine(function, a, b, m_Node->name);
  }
  ValueId Multiply(ValueId a, ValueId b)
  {
    return this->Combine(BF::Multiply, a, b);
  }
  ValueId Scale(ValueId x, double factor)
  {
    return factor == 1 ? x : this->Apply(UF::Linear, x, factor, 0);
  }
  /** 1 - x. */
  ValueId Complement(ValueId x)
  {
    return this->Apply(UF::Linear, x, -1, 1);
  }
  ValueId Number(double value)
  {
    return m_Graph.AddConstant(Tensor::Full({}, value), "number");
  }
  ValueId Fill(double value, Shape shape)
  {
    const ValueId number = this->Number(value);
    return shape.empty() ? number : m_Graph.Add(Broadcast{ std::move(shape) }, { number }, "fill");
  }
  ValueId WithShape(ValueId x, const Shape & shape)
  {
    return m_Graph.GetShape(x) == shape ? x : this->Add(Reshape{ shape }, { x });
  }

  /** Sum over axes, a run of neighbours after the other, which backends like
   * better than all at once. */
  ValueId Reduce(ValueId x, const std::vector<int> & axes)
  {
    for (std::size_t begin = 0; begin < axes.size();)
    {
      std::size_t end = begin + 1;
      while (end < axes.size() && axes[end] == axes[end - 1] + 1)
      {
        ++end;
      }
      const auto first = axes.begin();
      x = m_Graph.Reduce(ReductionFunction::Sum,
                         x,
                         { first + static_cast<std::ptrdiff_t>(begin), first + static_cast<std::ptrdiff_t>(end) },
                         true,
                         m_Node->name);
      begin = end;
    }
    return x;
  }

  /** What an operand that was repeated to a shape gets of its gradient. */
  ValueId SumTo(ValueId x, const Shape & shape)
  {
    const Shape whole = m_Graph.GetShape(x);
    const Shape wanted = WithLeadingOnes(shape, whole.size());
    std::vector<int> axes;
    for (std::size_t i = 0; i < whole.size(); ++i)
    {
      if (wanted[i] != whole[i])
      {
        axes.push_back(static_cast<int>(i));
      }
    }
    return this->WithShape(this->Reduce(x, axes), shape);
  }

  /** Give input i its part, summed where it was repeated. */
  void Give(std::size_t i, ValueId gradient)
  {
    this->AddTerm(m_Node->inputs[i], this->SumTo(gradient, this->InShape(i)));
  }

  // --- One overload an operator. ---

  void Propagate(const Unary & op)
  {
    const ValueId dy = m_Gradient;
    switch (op.function)
    {
      case UF::Relu:
        return this->Give(0, this->Gate(dy, this->Out(), 0));
      case UF::LeakyRelu:
        // With a positive slope the result has the sign of x, so that x need not be kept.
        return this->Give(0, this->Gate(dy, op.alpha > 0 ? this->Out() : this->In(0), op.alpha));
      case UF::RoundHalfEven:
        return;
      case UF::Negate:
        return this->Give(0, this->Apply(UF::Negate, dy));
      case UF::Linear:
        return this->Give(0, this->Scale(dy, op.alpha));
      case UF::Log:
        return this->Give(0, this->Combine(BF::Divide, dy, this->In(0)));
      default:
        return this->Give(0, this->Multiply(dy, this->Derivative(op)));
    }
  }

  ValueId Gate(ValueId a, ValueId b, double alpha)
  {
    Binary op;
    op.function = BF::Gate;
    op.alpha = alpha;
    return this->Add(op, { a, b });
  }

  /** Of the functions that multiply the gradient by a value. */
  ValueId Derivative(const Unary & op)
  {
    constexpr double pi = 3.14159265358979323846;
    switch (op.function)
    {
      case UF::Elu:
      {
        const ValueId x = this->In(0);
        const ValueId isPositive = this->Combine(BF::Greater, x, this->Number(0));
        const ValueId negative = this->Apply(UF::Clip, x, -std::numeric_limits<double>::infinity(), 0);
        const ValueId slope = this->Scale(this->Apply(UF::Exp, negative), op.alpha);
        return this->Combine(BF::Add, isPositive, this->Multiply(this->Complement(isPositive), slope));
      }
      case UF::Sigmoid:
      {
        const ValueId y = this->Out();
        return this->Multiply(this->Complement(y), y);
      }
      case UF::Tanh:
        return this->Complement(this->Apply(UF::Square, this->Out()));
      case UF::Gelu:
      {
        const ValueId x = this->In(0);
        const ValueId density =
          this->Scale(this->Apply(UF::Exp, this->Scale(this->Apply(UF::Square, x), -0.5)), 1 / std::sqrt(2 * pi));
        const ValueId distribution = this->Apply(UF::Erf, this->Scale(x, std::sqrt(0.5)));
        return this->Combine(BF::Add, this->Multiply(density, x), this->Apply(UF::Linear, distribution, 0.5, 0.5));
      }
      case UF::Silu:
      {
        const ValueId s = this->Apply(UF::Sigmoid, this->In(0));
        return this->Combine(BF::Add, this->Multiply(this->Complement(s), this->Out()), s);
      }
      case UF::Softplus:
        return this->Apply(UF::Sigmoid, this->In(0));
      case UF::Exp:
        return this->Out();
      case UF::Sqrt:
        return this->Scale(this->Apply(UF::Reciprocal, this->Out()), 0.5);
      case UF::ReciprocalSqrt:
      {
        const ValueId y = this->Out();
        return this->Scale(this->Multiply(this->Apply(UF::Square, y), y), -0.5);
      }
      case UF::Reciprocal:
        return this->Apply(UF::Negate, this->Apply(UF::Square, this->Out()));
      case UF::Square:
        return this->Scale(this->In(0), 2);
      case UF::Abs:
      {
        const ValueId zero = this->Number(0);
        return this->Combine(
          BF::Subtract, this->Combine(BF::Greater, this->In(0), zero), this->Combine(BF::Greater, zero, this->In(0)));
      }
      case UF::Erf:
        return this->Scale(this->Apply(UF::Exp, this->Apply(UF::Negate, this->Apply(UF::Square, this->In(0)))),
                           2 / std::sqrt(pi));
      case UF::Clip:
      {
        const ValueId x = this->In(0);
        return this->Multiply(this->Complement(this->Combine(BF::Greater, x, this->Number(op.beta))),
                              this->Complement(this->Combine(BF::Greater, this->Number(op.alpha), x)));
      }
      default:
        itkNNThrowMacro("In '" << m_Node->name << "': " << nn::ToString(op.function) << " has no derivative here");
    }
  }

  void Propagate(const Binary & op)
  {
    const ValueId dy = m_Gradient;
    switch (op.function)
    {
      case BF::Add:
      case BF::Subtract:
        if (this->Wants(0))
        {
          this->Give(0, dy);
        }
        if (this->Wants(1))
        {
          const ValueId part = this->SumTo(dy, this->InShape(1));
          this->Give(1, op.function == BF::Add ? part : this->Apply(UF::Negate, part));
        }
        return;
      case BF::Multiply:
        for (std::size_t i = 0; i < 2; ++i)
        {
          if (this->Wants(i))
          {
            this->Give(i, this->Multiply(dy, this->In(1 - i)));
          }
        }
        return;
      case BF::Divide:
        if (this->Wants(0))
        {
          this->Give(0, this->Combine(BF::Divide, dy, this->In(1)));
        }
        if (this->Wants(1))
        {
          const ValueId slope = this->Combine(BF::Divide, this->Out(), this->In(1));
          this->Give(1, this->Apply(UF::Negate, this->Multiply(dy, slope)));
        }
        return;
      case BF::Minimum:
      case BF::Maximum:
        return this->PropagateExtremum(op.function == BF::Maximum);
      case BF::Power:
        return this->PropagatePower();
      case BF::PRelu:
        return this->PropagatePRelu();
      case BF::Gate:
        if (this->Wants(0))
        {
          this->Give(0, this->Gate(dy, this->In(1), op.alpha));
        }
        return;
      case BF::Greater:
      case BF::Equal:
        return;
    }
  }

  void PropagatePRelu()
  {
    const ValueId dy = m_Gradient;
    if (this->Wants(0))
    {
      const ValueId scaled = this->Multiply(dy, this->In(1));
      const ValueId rest = this->Combine(BF::Subtract, dy, scaled);
      this->Give(0, this->Combine(BF::Add, this->Gate(rest, this->In(0), 0), scaled));
    }
    if (this->Wants(1))
    {
      // The parts below zero with their sign turned.
      const ValueId below = this->Apply(UF::Relu, this->Apply(UF::Linear, this->In(0), -1));
      this->Give(1, this->Apply(UF::Negate, this->SumTo(this->Multiply(below, dy), this->InShape(1))));
    }
  }

  void PropagateExtremum(bool isMaximum)
  {
    // Both get half of where they are equal.
    const ValueId half = this->Scale(this->Combine(BF::Equal, this->In(0), this->In(1)), 0.5);
    for (std::size_t i = 0; i < 2; ++i)
    {
      if (this->Wants(i))
      {
        const ValueId own = this->In(i);
        const ValueId other = this->In(1 - i);
        const ValueId wins =
          isMaximum ? this->Combine(BF::Greater, own, other) : this->Combine(BF::Greater, other, own);
        this->Give(i, this->Multiply(this->Combine(BF::Add, wins, half), m_Gradient));
      }
    }
  }

  void PropagatePower()
  {
    if (this->Wants(0))
    {
      const ValueId lower = this->Apply(UF::Linear, this->In(1), 1, -1);
      const ValueId slope = this->Multiply(this->In(1), this->Combine(BF::Power, this->In(0), lower));
      this->Give(0, this->Multiply(m_Gradient, slope));
    }
    if (this->Wants(1))
    {
      // The logarithm of 0 belongs to a power that is 0.
      const ValueId positive = this->Combine(BF::Maximum, this->In(0), this->Number(1e-37));
      const ValueId slope = this->Multiply(this->Out(), this->Apply(UF::Log, positive));
      this->Give(1, this->Multiply(m_Gradient, slope));
    }
  }

  template <typename TFrom, typename TTo>
  static void CopyWindow(const TFrom & from, TTo & to)
  {
    to.stride = from.stride;
    to.padding = from.padding;
    to.paddingEnd = from.paddingEnd;
    to.dilation = from.dilation;
    to.groups = from.groups;
  }

  /** The last extents of a shape. */
  static Shape Spatial(const Shape & shape, std::size_t rank)
  {
    return { shape.end() - static_cast<std::ptrdiff_t>(rank), shape.end() };
  }

  /** The adjoint of a convolution of the same window, of a tensor. */
  template <typename TOperator>
  ValueId Transpose(const TOperator & op, ValueId x, ValueId weights, const Shape & shape)
  {
    TransposedConvolution transposed;
    CopyWindow(op, transposed);
    transposed.size = Spatial(shape, op.stride.size());
    return this->Add(transposed, { x, weights });
  }

  template <typename TOperator>
  ValueId Convolve(const TOperator & op, ValueId x, ValueId weights)
  {
    Convolution convolution;
    CopyWindow(op, convolution);
    return this->Add(convolution, { x, weights });
  }

  template <typename TOperator>
  ValueId WeightsGradient(const TOperator & op, ValueId src, ValueId gradient, const Shape & weights)
  {
    ConvolutionWeightsGradient byWeights;
    CopyWindow(op, byWeights);
    byWeights.kernel = Spatial(weights, op.stride.size());
    return this->Add(byWeights, { src, gradient });
  }

  void Propagate(const Convolution & op)
  {
    const std::size_t rank = op.stride.size();
    if (this->Wants(0))
    {
      this->Give(0, this->Transpose(op, m_Gradient, this->In(1), this->InShape(0)));
    }
    if (this->Wants(1))
    {
      this->Give(1, this->WeightsGradient(op, this->In(0), m_Gradient, this->InShape(1)));
    }
    if (op.hasBias && this->Wants(2))
    {
      Shape channels{ this->InShape(2)[0] };
      channels.resize(rank + 1, 1);
      this->AddTerm(m_Node->inputs[2], this->WithShape(this->SumTo(m_Gradient, channels), this->InShape(2)));
    }
  }

  void Propagate(const TransposedConvolution & op)
  {
    if (this->Wants(0))
    {
      this->Give(0, this->Convolve(op, m_Gradient, this->In(1)));
    }
    if (this->Wants(1))
    {
      this->Give(1, this->WeightsGradient(op, m_Gradient, this->In(0), this->InShape(1)));
    }
  }

  void Propagate(const ConvolutionWeightsGradient & op)
  {
    if (this->Wants(0))
    {
      this->Give(0, this->Transpose(op, this->In(1), m_Gradient, this->InShape(0)));
    }
    if (this->Wants(1))
    {
      this->Give(1, this->Convolve(op, this->In(0), m_Gradient));
    }
  }

  void Propagate(const Pooling & op)
  {
    PoolingGradient gradient{ op, Spatial(this->InShape(0), op.kernel.size()) };
    std::vector<ValueId> inputs{ m_Gradient };
    if (op.function == PoolingFunction::Maximum)
    {
      inputs.push_back(this->In(0));
    }
    this->Give(0, this->Add(gradient, inputs));
  }

  void Propagate(const PoolingGradient & op)
  {
    itkNNRequireMacro(op.pooling.function == PoolingFunction::Average,
                      "In '" << m_Node->name << "': the gradient of a maximum pooling cannot be differentiated again");
    this->Give(0, this->Add(op.pooling, { m_Gradient }));
  }

  void Propagate(const Interpolation & op)
  {
    this->Give(0,
               this->Add(TransposedInterpolation{ op.mode, Spatial(this->InShape(0), op.size.size()), op.alignCorners },
                         { m_Gradient }));
  }

  void Propagate(const TransposedInterpolation & op)
  {
    this->Give(
      0,
      this->Add(Interpolation{ op.mode, Spatial(this->InShape(0), op.size.size()), op.alignCorners }, { m_Gradient }));
  }

  void Propagate(const Sampling & op)
  {
    if (this->Wants(0))
    {
      const TransposedSampling transposed{ op, Spatial(this->InShape(0), this->InShape(0).size() - 2) };
      this->Give(0, this->Add(transposed, { m_Gradient, this->In(1) }));
    }
    // A nearest neighbour does not change with small moves.
    if (this->Wants(1) && op.mode == InterpolationMode::Linear)
    {
      this->Give(1, this->Add(SamplingCoordinatesGradient{ op }, { m_Gradient, this->In(0), this->In(1) }));
    }
  }

  void Propagate(const TransposedSampling & op)
  {
    Sampling sampling = op.sampling;
    sampling.value = 0;
    if (this->Wants(0))
    {
      this->Give(0, this->Add(sampling, { m_Gradient, this->In(1) }));
    }
    // What the result weighs is sampled with the same weights.
    if (this->Wants(1) && sampling.mode == InterpolationMode::Linear)
    {
      this->Give(1, this->Add(SamplingCoordinatesGradient{ sampling }, { this->In(0), m_Gradient, this->In(1) }));
    }
  }

  void Propagate(const SamplingCoordinatesGradient &)
  {
    itkNNThrowMacro("In '" << m_Node->name
                           << "': the gradient of a sampling by its coordinates cannot be differentiated again");
  }

  void Propagate(const ShiftedInterpolation & op)
  {
    // Each tap's channels get the gradient displaced back; what lay outside gets none.
    const std::size_t rank = op.kernel.size();
    const Shape dst = m_Graph.GetShape(m_Gradient);
    const std::size_t first = dst.size() - rank;
    Shape fine = dst;
    std::copy(
      op.interpolation.size.begin(), op.interpolation.size.end(), fine.begin() + static_cast<std::ptrdiff_t>(first));
    const ValueId zeros = this->Fill(0, fine);
    std::vector<ValueId> taps;
    for (std::int64_t k = 0; k < NumberOfElements(op.kernel); ++k)
    {
      Slice slice{ Shape(dst.size(), 0), dst, {} };
      Insertion insertion{ Shape(dst.size(), 0), {} };
      bool isEmpty = false;
      std::int64_t rest = k;
      for (std::size_t d = rank; d-- > 0;)
      {
        const std::int64_t shift = op.dilation[d] * (rest % op.kernel[d]) - op.padding[d];
        rest /= op.kernel[d];
        const std::size_t axis = first + d;
        insertion.begin[axis] = std::max<std::int64_t>(shift, 0);
        slice.begin[axis] = std::max<std::int64_t>(-shift, 0);
        const std::int64_t count = std::min(fine[axis] - insertion.begin[axis], dst[axis] - slice.begin[axis]);
        slice.end[axis] = slice.begin[axis] + count;
        isEmpty = isEmpty || count <= 0;
      }
      taps.push_back(isEmpty ? zeros : this->Add(insertion, { zeros, this->Add(slice, { m_Gradient }) }));
    }
    const ValueId all = m_Graph.Concatenate(taps, static_cast<int>(first) - 1, m_Node->name);
    this->Give(0,
               this->Add(TransposedInterpolation{ op.interpolation.mode,
                                                  Spatial(this->InShape(0), rank),
                                                  op.interpolation.alignCorners },
                         { all }));
  }

  void Propagate(const Concatenation & op)
  {
    const Shape whole = m_Graph.GetShape(m_Gradient);
    const auto axis = static_cast<std::size_t>(op.axis);
    std::int64_t begin = 0;
    for (std::size_t i = 0; i < m_Node->inputs.size(); ++i)
    {
      const std::int64_t extent = this->InShape(i)[axis];
      if (this->Wants(i))
      {
        Slice slice{ Shape(whole.size(), 0), whole, {} };
        slice.begin[axis] = begin;
        slice.end[axis] = begin + extent;
        this->Give(i, this->Add(slice, { m_Gradient }));
      }
      begin += extent;
    }
  }

  void Propagate(const Slice & op)
  {
    this->Give(0, this->Add(Insertion{ op.begin, op.step }, { this->Fill(0, this->InShape(0)), m_Gradient }));
  }

  void Propagate(const Insertion & op)
  {
    const Shape patch = this->InShape(1);
    if (this->Wants(0))
    {
      this->Give(0, this->Add(op, { m_Gradient, this->Fill(0, patch) }));
    }
    if (this->Wants(1))
    {
      this->Give(1, this->Add(GetPatchSlice(op, patch), { m_Gradient }));
    }
  }

  void Propagate(const Reshape &)
  {
    this->AddTerm(m_Node->inputs[0], this->WithShape(m_Gradient, this->InShape(0)));
  }

  void Propagate(const Permutation & op)
  {
    Permutation inverse;
    inverse.order.resize(op.order.size());
    for (std::size_t i = 0; i < op.order.size(); ++i)
    {
      inverse.order[static_cast<std::size_t>(op.order[i])] = static_cast<int>(i);
    }
    this->Give(0, this->Add(inverse, { m_Gradient }));
  }

  void Propagate(const Broadcast &)
  {
    this->Give(0, m_Gradient);
  }

  void Propagate(const Barrier & op)
  {
    if (!op.stopsGradient)
    {
      this->Give(0, m_Gradient);
    }
  }

  void Propagate(const LovaszWeights &)
  {}

  void Propagate(const Reduction & op)
  {
    const Shape src = this->InShape(0);
    Shape kept = src;
    double count = 1;
    for (const auto axis : op.axes)
    {
      count *= static_cast<double>(src[static_cast<std::size_t>(axis)]);
      kept[static_cast<std::size_t>(axis)] = 1;
    }
    const ValueId gradient = this->WithShape(m_Gradient, kept);
    if (op.function == ReductionFunction::Sum || op.function == ReductionFunction::Mean)
    {
      const ValueId scaled = op.function == ReductionFunction::Mean ? this->Scale(gradient, 1 / count) : gradient;
      return this->Give(0, kept == src ? scaled : this->Add(Broadcast{ src }, { scaled }));
    }
    if (op.function == ReductionFunction::Variance)
    {
      const ValueId centred = this->Combine(BF::Subtract, this->Again(m_Node->inputs[0]), this->FindMean(op));
      return this->Give(0, this->Multiply(centred, this->Scale(gradient, 2 / count)));
    }
    const ValueId isBest = this->Combine(BF::Equal, this->In(0), this->WithShape(this->Out(), kept));
    const ValueId share = this->Combine(BF::Divide, gradient, this->Reduce(isBest, op.axes));
    this->Give(0, this->Multiply(isBest, share));
  }

  void Propagate(const Softmax & op)
  {
    const ValueId y = this->Out();
    if (op.logarithm)
    {
      const ValueId sum = this->Reduce(m_Gradient, { op.axis });
      return this->Give(0, this->Combine(BF::Subtract, m_Gradient, this->Multiply(this->Apply(UF::Exp, y), sum)));
    }
    const ValueId sum = this->Reduce(this->Multiply(m_Gradient, y), { op.axis });
    this->Give(0, this->Multiply(this->Combine(BF::Subtract, m_Gradient, sum), y));
  }

  void Propagate(const MatrixProduct & op)
  {
    const auto product = [this](bool transposeA, bool transposeB, ValueId a, ValueId b)
    { return this->Add(MatrixProduct{ transposeA, transposeB }, { a, b }); };
    if (this->Wants(0))
    {
      this->Give(0,
                 op.transposeA ? product(op.transposeB, true, this->In(1), m_Gradient)
                               : product(false, !op.transposeB, m_Gradient, this->In(1)));
    }
    if (this->Wants(1))
    {
      this->Give(1,
                 op.transposeB ? product(true, op.transposeA, m_Gradient, this->In(0))
                               : product(!op.transposeA, false, this->In(0), m_Gradient));
    }
  }

  void Propagate(const Gather & op)
  {
    const std::int64_t size = this->InShape(0)[static_cast<std::size_t>(op.axis)];
    this->Give(0, this->Add(ScatterAdd{ op.axis, size }, { m_Gradient, this->In(1) }));
  }

  void Propagate(const ScatterAdd & op)
  {
    this->Give(0, this->Add(Gather{ op.axis }, { m_Gradient, this->In(1) }));
  }

  void Propagate(const BitMask & op)
  {
    if (this->Wants(1))
    {
      const ValueId isSet = this->Add(op, { m_Node->inputs[0], this->Number(1) });
      this->Give(1, this->Multiply(m_Gradient, isSet));
    }
  }

  void Propagate(const Pointwise &)
  {
    itkNNThrowMacro("In '" << m_Node->name << "': post-operations were not expanded");
  }

  Graph m_Graph;
  std::size_t m_NumberOfNodes; ///< of the original
  std::vector<int> m_Segments; ///< of nodes: the prefix that is computed again, or -1
  std::vector<std::vector<ValueId>> m_Terms;
  std::vector<bool> m_Needed; ///< whether a value's gradient is on the way to a wanted one
  std::vector<bool> m_Kept;
  std::map<ValueId, ValueId> m_Again;
  bool m_RecomputesPasses = false;
  const Graph::Node * m_Node = nullptr;
  ValueId m_Gradient = -1;
};
} // namespace

DifferentiatedGraph
Differentiate(const Graph & graph, const std::string & output, const DifferentiationOptions & options)
{
  return Differentiator(ExpandPostOperations(graph), options).Run(output, options.withRespectTo);
}
} // namespace nn
} // namespace itk
