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

#include <algorithm>

namespace itk
{
namespace nn
{
namespace
{
/** A function scale * x + offset of each channel, as far as a pass can read it. */
struct Affine
{
  ValueId convolution = -1; ///< the value that it changes
  BinaryFunction function = BinaryFunction::Add;
  ValueId operand = -1;
};

/** Weights and bias are of the operand's type, so that they can be combined. */
bool
HaveTypeOf(const Graph & graph, ValueId operand, const Graph::Node & convolution)
{
  return std::all_of(convolution.inputs.begin() + 1,
                     convolution.inputs.end(),
                     [&](ValueId input)
                     { return graph.GetValue(input).type.type == graph.GetValue(operand).type.type; });
}

/** What a node does to a convolution's result with weights or constants of one
 * value a channel; convolution is -1 when it does something else. */
Affine
FindAffine(const Graph & graph,
           const Graph::Node & node,
           const std::vector<int> & uses,
           const std::vector<bool> & isConstant)
{
  const auto * binary = std::get_if<Binary>(&node.op);
  if (binary == nullptr)
  {
    return {};
  }
  const bool isSum = binary->function == BinaryFunction::Add;
  const bool isProduct = binary->function == BinaryFunction::Multiply;
  if (!isSum && !isProduct && binary->function != BinaryFunction::Subtract &&
      binary->function != BinaryFunction::Divide)
  {
    return {};
  }
  for (std::size_t i = 0; i < (isSum || isProduct ? 2U : 1U); ++i)
  {
    const ValueId value = node.inputs[i];
    const ValueId operand = node.inputs[1 - i];
    const auto * convolution = FindProducer<Convolution>(graph, value);
    if (convolution != nullptr && convolution->postOperations.empty() && uses[static_cast<std::size_t>(value)] == 1 &&
        graph.GetShape(value) == graph.GetShape(node.output) && isConstant[static_cast<std::size_t>(operand)] &&
        isConstant[static_cast<std::size_t>(GetProducerNode(graph, value).inputs[1])] &&
        HaveTypeOf(graph, operand, GetProducerNode(graph, value)) &&
        IsPerChannel(graph.GetShape(operand),
                     graph.GetShape(value),
                     static_cast<int>(graph.GetShape(value).size() - convolution->stride.size()) - 1))
    {
      return { value, binary->function, operand };
    }
  }
  return {};
}
} // namespace

Graph
FoldAffineIntoConvolutions(const Graph & graph)
{
  const std::vector<int> uses = CountUses(graph);
  const std::vector<bool> isConstant = FindStaticValues(graph, {});
  GraphRewriter rewriter(graph);
  Graph & result = rewriter.GetResult();
  for (const auto & node : graph.GetNodes())
  {
    const Affine affine = FindAffine(graph, node, uses, isConstant);
    if (affine.convolution < 0)
    {
      rewriter.Copy(node);
      continue;
    }
    const Graph::Node & source = GetProducerNode(graph, affine.convolution);
    const auto & convolution = std::get<Convolution>(source.op);
    const Shape & weightShape = graph.GetShape(source.inputs[1]);
    const ValueId flat = result.Add(Reshape{ { weightShape[0] } }, { rewriter.Map(affine.operand) }, node.name);
    ValueId weights = rewriter.Map(source.inputs[1]);
    std::optional<ValueId> bias;
    if (convolution.hasBias)
    {
      bias = rewriter.Map(source.inputs[2]);
    }
    if (affine.function == BinaryFunction::Multiply || affine.function == BinaryFunction::Divide)
    {
      Shape row(weightShape.size(), 1);
      row[0] = weightShape[0];
      weights = result.Combine(
        affine.function, weights, result.Add(Reshape{ row }, { flat }, node.name), node.name + ".weights");
      bias = bias ? std::optional<ValueId>(result.Combine(affine.function, *bias, flat, node.name + ".bias")) : bias;
    }
    else if (bias)
    {
      bias = result.Combine(affine.function, *bias, flat, node.name + ".bias");
    }
    else
    {
      bias = affine.function == BinaryFunction::Add
             ? flat
             : result.Apply(UnaryFunction::Negate, flat, 0, 0, node.name + ".bias");
    }
    rewriter.Replace(node.output,
                     result.Convolve(rewriter.Map(source.inputs[0]), weights, bias, convolution, source.name));
  }
  return rewriter.Finish();
}

namespace
{
bool
IsCommutative(BinaryFunction function)
{
  return function == BinaryFunction::Add || function == BinaryFunction::Multiply;
}

/** A node and the functions that it does to its result. */
struct Chain
{
  std::size_t root = 0;
  std::vector<std::size_t> nodes; ///< the functions, in order
  std::vector<ValueId> operands;  ///< of the binary ones
};

/** Prefers what has most to gain: convolutions, then the others. */
int
GetFusionRank(const Operator & op)
{
  return IsProduct(op) && GetPostOperations(op) != nullptr ? 3
       : std::holds_alternative<ShiftedInterpolation>(op)  ? 2
       : GetPostOperations(op) != nullptr                  ? 1
                                                           : 0;
}
} // namespace

Graph
FusePostOperations(const Graph & graph)
{
  const std::vector<int> uses = CountUses(graph);
  const auto & nodes = graph.GetNodes();
  std::vector<Chain> chains;
  // chainOf[n]: the chain that ends with node n, -1 for none.
  std::vector<int> chainOf(nodes.size(), -1);
  for (std::size_t i = 0; i < nodes.size(); ++i)
  {
    const auto * unary = std::get_if<Unary>(&nodes[i].op);
    const auto * binary = std::get_if<Binary>(&nodes[i].op);
    std::size_t best = 0;
    int bestRank = -1;
    const std::size_t candidates = unary != nullptr                ? 1
                                 : binary == nullptr               ? 0
                                 : IsCommutative(binary->function) ? 2
                                                                   : 1;
    for (std::size_t c = 0; c < candidates; ++c)
    {
      const ValueId value = nodes[i].inputs[c];
      const int producer = graph.GetValue(value).node;
      const bool fits = producer >= 0 && chainOf[static_cast<std::size_t>(producer)] >= 0 &&
                        uses[static_cast<std::size_t>(value)] == 1 &&
                        graph.GetShape(value) == graph.GetShape(nodes[i].output);
      if (fits)
      {
        const Chain & chain = chains[static_cast<std::size_t>(chainOf[static_cast<std::size_t>(producer)])];
        const int rank = GetFusionRank(nodes[chain.root].op);
        if (rank > bestRank)
        {
          best = c;
          bestRank = rank;
        }
      }
    }
    if (bestRank >= 0)
    {
      const auto producer = static_cast<std::size_t>(graph.GetValue(nodes[i].inputs[best]).node);
      chainOf[i] = chainOf[producer];
      chainOf[producer] = -1;
      Chain & chain = chains[static_cast<std::size_t>(chainOf[i])];
      chain.nodes.push_back(i);
      if (binary != nullptr)
      {
        chain.operands.push_back(nodes[i].inputs[1 - best]);
      }
    }
    else if (unary != nullptr || binary != nullptr || GetPostOperations(nodes[i].op) != nullptr)
    {
      chainOf[i] = static_cast<int>(chains.size());
      chains.push_back({ i, {}, {} });
    }
  }
  std::vector<bool> isInside(nodes.size(), false);
  for (const auto & chain : chains)
  {
    if (!chain.nodes.empty())
    {
      isInside[chain.root] = true;
      std::for_each(chain.nodes.begin(), chain.nodes.end() - 1, [&](std::size_t n) { isInside[n] = true; });
    }
  }

  GraphRewriter rewriter(graph);
  for (std::size_t i = 0; i < nodes.size(); ++i)
  {
    if (isInside[i])
    {
      continue;
    }
    if (chainOf[i] < 0 || chains[static_cast<std::size_t>(chainOf[i])].nodes.empty())
    {
      rewriter.Copy(nodes[i]);
      continue;
    }
    const Chain & chain = chains[static_cast<std::size_t>(chainOf[i])];
    const Graph::Node & root = nodes[chain.root];
    Operator fused = root.op;
    std::vector<ValueId> inputs = root.inputs;
    if (GetPostOperations(fused) == nullptr)
    {
      Pointwise pointwise;
      if (const auto * unary = std::get_if<Unary>(&fused))
      {
        pointwise.postOperations.push_back({ *unary });
      }
      else
      {
        pointwise.postOperations.push_back({ std::get<Binary>(fused) });
      }
      fused = pointwise;
    }
    auto & operations = *GetPostOperations(fused);
    for (const auto n : chain.nodes)
    {
      if (const auto * unary = std::get_if<Unary>(&nodes[n].op))
      {
        operations.push_back({ *unary });
      }
      else
      {
        operations.push_back({ std::get<Binary>(nodes[n].op) });
      }
    }
    inputs.insert(inputs.end(), chain.operands.begin(), chain.operands.end());
    rewriter.Emit(std::move(fused), inputs, root.name, nodes[i].output);
  }
  return rewriter.Finish();
}
} // namespace nn
} // namespace itk
