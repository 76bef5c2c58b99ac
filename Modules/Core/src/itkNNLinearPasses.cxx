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
#include <map>
#include <tuple>

namespace itk
{
namespace nn
{
namespace
{
using Axes = std::vector<std::int64_t>;

/** [batch..., channels, spatial...] of an operator with `rank` spatial axes. */
struct SpatialView
{
  SpatialView(const Shape & shape, std::size_t rank)
    : channelAxis(static_cast<int>(shape.size() - rank) - 1)
    , batch(shape.begin(), shape.begin() + channelAxis)
    , channels(shape[static_cast<std::size_t>(channelAxis)])
    , spatial(shape.begin() + channelAxis + 1, shape.end())
  {}

  int channelAxis;
  Shape batch;
  std::int64_t channels;
  Shape spatial;
};

std::size_t
GetRank(const Convolution & op)
{
  return op.stride.size();
}

bool
IsAll(const Axes & values, std::int64_t value)
{
  return std::all_of(values.begin(), values.end(), [value](std::int64_t v) { return v == value; });
}

/** A convolution that is linear in its src: no function behind it. */
const Convolution *
FindLinearConvolution(const Operator & op)
{
  const auto * convolution = std::get_if<Convolution>(&op);
  return convolution != nullptr && convolution->postOperations.empty() ? convolution : nullptr;
}

/** A convolution's own work on another src. */
double
CountWork(const Graph & graph, const Convolution & op, ValueId src, ValueId weights)
{
  Operator copy = op;
  std::get<Convolution>(copy).hasBias = false;
  const std::vector<ValueType> types{ graph.GetValue(src).type, graph.GetValue(weights).type };
  const ValueType output = InferOutput(copy, types);
  return CountFlops(copy, types, output);
}

/** Slice of one axis. */
Slice
MakeSlice(const Shape & shape, int axis, std::int64_t begin, std::int64_t end)
{
  Slice slice;
  slice.begin.assign(shape.size(), 0);
  slice.end = shape;
  slice.begin[static_cast<std::size_t>(axis)] = begin;
  slice.end[static_cast<std::size_t>(axis)] = end;
  return slice;
}

/** Operations of a ShiftedInterpolation for each of its elements: two axes of
 * three taps, each a blend of two. */
constexpr double blendingWork = 30;

/** Part of a convolution's counted work that a fast algorithm for 3 x 3 kernels
 * may still need: what is put in its place should need less. */
constexpr double fastConvolutionPart = 0.5;

/** Whether a convolution of the interpolation is more work than pointwise
 * products at the coarse size. */
bool
IsBetterBeforeInterpolation(const Graph & graph, const Convolution & op, ValueId interpolated, const Shape & weights)
{
  const auto * interpolation = FindProducer<Interpolation>(graph, interpolated);
  const std::size_t rank = GetRank(op);
  if (interpolation == nullptr || interpolation->size.size() != rank || op.groups != 1 || !IsAll(op.stride, 1))
  {
    return false;
  }
  const Shape & coarse = graph.GetShape(GetProducerNode(graph, interpolated).inputs[0]);
  const Shape & fine = graph.GetShape(interpolated);
  const auto coarseElements = static_cast<double>(NumberOfElements(SpatialView(coarse, rank).spatial));
  const SpatialView view(fine, rank);
  const auto fineElements = static_cast<double>(NumberOfElements(view.spatial));
  const auto taps = static_cast<double>(NumberOfElements(Shape(weights.begin() + 2, weights.end())));
  const double products = 2 * taps * static_cast<double>(view.channels);
  // For each output channel.
  return products * coarseElements + blendingWork * fineElements < fastConvolutionPart * products * fineElements;
}
} // namespace

Graph
SplitConvolutionsOverConcatenations(const Graph & graph, const PassOptions & options)
{
  const std::vector<bool> isStatic = FindStaticValues(graph, options.staticInputs);
  const std::vector<bool> isConstant = FindStaticValues(graph, {});
  GraphRewriter rewriter(graph);
  Graph & result = rewriter.GetResult();

  struct Part
  {
    std::vector<std::pair<ValueId, std::int64_t>> sources; ///< with the first channel of each
    double elements = 0;
    bool isInterpolated = false;
  };

  for (const auto & node : graph.GetNodes())
  {
    const Convolution * convolution = FindLinearConvolution(node.op);
    const auto * concatenation = convolution != nullptr ? FindProducer<Concatenation>(graph, node.inputs[0]) : nullptr;
    if (concatenation == nullptr || convolution->groups != 1)
    {
      rewriter.Copy(node);
      continue;
    }
    const std::size_t rank = GetRank(*convolution);
    const SpatialView whole(graph.GetShape(node.inputs[0]), rank);
    const Shape & weightShape = graph.GetShape(node.inputs[1]);
    std::map<std::tuple<Shape, bool, std::int64_t>, Part> groups;
    std::int64_t channel = 0;
    bool splits = concatenation->axis == whole.channelAxis;
    for (const auto source : GetProducerNode(graph, node.inputs[0]).inputs)
    {
      const SpatialView view(graph.GetShape(source), rank);
      // A part that is repeated along a spatial axis would be padded otherwise than its repetition.
      splits = splits && view.spatial == whole.spatial;
      const bool interpolated = isConstant[static_cast<std::size_t>(node.inputs[1])] &&
                                IsBetterBeforeInterpolation(graph, *convolution, source, weightShape);
      Part & part = groups[{
        view.batch, static_cast<bool>(isStatic[static_cast<std::size_t>(source)]), interpolated ? channel + 1 : 0 }];
      part.sources.emplace_back(source, channel);
      part.elements = static_cast<double>(NumberOfElements(view.batch));
      part.isInterpolated = interpolated;
      channel += view.channels;
    }
    if (!splits || groups.size() < 2)
    {
      rewriter.Copy(node);
      continue;
    }
    // Small terms are added first, so that a large one is added to once.
    std::vector<Part> parts;
    for (auto & group : groups)
    {
      parts.push_back(std::move(group.second));
    }
    std::stable_sort(
      parts.begin(), parts.end(), [](const Part & a, const Part & b) { return a.elements < b.elements; });
    const auto biased =
      std::find_if(parts.begin(), parts.end(), [](const Part & part) { return !part.isInterpolated; });
    const std::size_t biasedPart =
      biased == parts.end() ? 0 : static_cast<std::size_t>(std::distance(parts.begin(), biased));
    const ValueId weights = rewriter.Map(node.inputs[1]);
    ValueId sum = -1;
    for (std::size_t p = 0; p < parts.size(); ++p)
    {
      std::vector<ValueId> sources;
      std::vector<ValueId> slices;
      for (const auto & [source, first] : parts[p].sources)
      {
        sources.push_back(rewriter.Map(source));
        const std::int64_t channels = SpatialView(graph.GetShape(source), rank).channels;
        slices.push_back(
          result.Add(MakeSlice(weightShape, 1, first, first + channels), { weights }, node.name + ".weights"));
      }
      const std::string name = node.name + ".part" + std::to_string(p);
      const ValueId src =
        sources.size() == 1 ? sources[0] : result.Concatenate(sources, whole.channelAxis, name + ".concatenation");
      const ValueId partWeights = slices.size() == 1 ? slices[0] : result.Concatenate(slices, 1, name + ".weights");
      const bool hasBias = convolution->hasBias && p == biasedPart;
      const ValueId term =
        result.Convolve(src,
                        partWeights,
                        hasBias ? std::optional<ValueId>(rewriter.Map(node.inputs[2])) : std::nullopt,
                        *convolution,
                        name);
      sum = p == 0 ? term : result.Combine(BinaryFunction::Add, sum, term, name + ".sum");
    }
    rewriter.Replace(node.output, sum);
  }
  return rewriter.Finish();
}

Graph
DistributeConvolutionsOverSums(const Graph & graph, const PassOptions & options)
{
  const std::vector<bool> isStatic = FindStaticValues(graph, options.staticInputs);
  GraphRewriter rewriter(graph);
  Graph & result = rewriter.GetResult();
  for (const auto & node : graph.GetNodes())
  {
    const Convolution * convolution = FindLinearConvolution(node.op);
    const auto * sum = convolution != nullptr ? FindProducer<Binary>(graph, node.inputs[0]) : nullptr;
    if (sum == nullptr || sum->function != BinaryFunction::Add)
    {
      rewriter.Copy(node);
      continue;
    }
    const std::size_t rank = GetRank(*convolution);
    const bool areWeightsStatic = isStatic[static_cast<std::size_t>(node.inputs[1])];
    const Shape & whole = graph.GetShape(node.inputs[0]);
    const auto & operands = GetProducerNode(graph, node.inputs[0]).inputs;
    bool distributes = true;
    double work = 0;
    double smallest = 0;
    std::size_t biased = 0;
    for (std::size_t i = 0; i < 2; ++i)
    {
      const Shape & shape = graph.GetShape(operands[i]);
      const bool fits = shape.size() == whole.size() && std::equal(shape.end() - static_cast<std::ptrdiff_t>(rank) - 1,
                                                                   shape.end(),
                                                                   whole.end() - static_cast<std::ptrdiff_t>(rank) - 1);
      distributes = distributes && fits;
      if (fits)
      {
        const double own = CountWork(graph, *convolution, operands[i], node.inputs[1]);
        work += areWeightsStatic && isStatic[static_cast<std::size_t>(operands[i])] ? 0 : own;
        biased = i == 0 || own < smallest ? i : biased;
        smallest = i == 0 ? own : std::min(smallest, own);
      }
    }
    const bool isWholeStatic = isStatic[static_cast<std::size_t>(node.inputs[0])];
    if (!distributes || isWholeStatic || work >= CountWork(graph, *convolution, node.inputs[0], node.inputs[1]))
    {
      rewriter.Copy(node);
      continue;
    }
    ValueId terms[2];
    for (std::size_t i = 0; i < 2; ++i)
    {
      const bool hasBias = convolution->hasBias && i == biased;
      terms[i] = result.Convolve(rewriter.Map(operands[i]),
                                 rewriter.Map(node.inputs[1]),
                                 hasBias ? std::optional<ValueId>(rewriter.Map(node.inputs[2])) : std::nullopt,
                                 *convolution,
                                 node.name + ".term" + std::to_string(i));
    }
    rewriter.Replace(node.output, result.Combine(BinaryFunction::Add, terms[0], terms[1], node.name));
  }
  return rewriter.Finish();
}

namespace
{
/** Adds to a graph the reduction of a linear operator's result, taken before
 * the operator. */
class ReductionMover
{
public:
  ReductionMover(GraphRewriter & rewriter, const Graph::Node & reductionNode)
    : m_Rewriter(rewriter)
    , m_Source(rewriter.GetSource())
    , m_Result(rewriter.GetResult())
    , m_ReductionNode(reductionNode)
    , m_Reduction(std::get<Reduction>(reductionNode.op))
    , m_Node(GetProducerNode(m_Source, reductionNode.inputs[0]))
  {}

  bool Move()
  {
    return std::visit([this](const auto & op) { return this->MoveThrough(op); }, m_Node.op);
  }

private:
  bool IsMean() const
  {
    return m_Reduction.function == ReductionFunction::Mean;
  }

  bool ReducesOnlyBefore(std::size_t mixedAxes) const
  {
    const auto rank = m_Source.GetShape(m_Node.output).size();
    return static_cast<std::size_t>(m_Reduction.axes.back()) + mixedAxes < rank;
  }

  /** The reduction of an operand that may be repeated along the reduced axes. */
  ValueId Reduce(ValueId operand)
  {
    const Shape & whole = m_Source.GetShape(m_Node.output);
    const Shape & shape = m_Source.GetShape(operand);
    Reduction own = m_Reduction;
    own.axes.clear();
    double repetitions = 1;
    for (const auto axis : m_Reduction.axes)
    {
      const int shifted = axis - static_cast<int>(whole.size() - shape.size());
      if (shifted >= 0 && shape[static_cast<std::size_t>(shifted)] == whole[static_cast<std::size_t>(axis)])
      {
        own.axes.push_back(shifted);
      }
      else
      {
        repetitions *= static_cast<double>(whole[static_cast<std::size_t>(axis)]);
      }
    }
    ValueId value = m_Rewriter.Map(operand);
    if (!own.axes.empty())
    {
      value = m_Result.Add(own, { value }, m_ReductionNode.name);
    }
    if (!this->IsMean() && repetitions != 1)
    {
      value = m_Result.Apply(UnaryFunction::Linear, value, repetitions, 0, m_ReductionNode.name + ".repetitions");
    }
    return value;
  }

  void Replace(ValueId value)
  {
    m_Rewriter.Replace(m_ReductionNode.output, value);
  }

  bool MoveSpatial(std::size_t mixedAxes)
  {
    if (!this->ReducesOnlyBefore(mixedAxes))
    {
      return false;
    }
    std::vector<ValueId> inputs = m_Rewriter.Map(m_Node.inputs);
    inputs[0] = this->Reduce(m_Node.inputs[0]);
    this->Replace(m_Result.Add(m_Node.op, inputs, m_Node.name));
    return true;
  }

  bool MoveThrough(const Convolution & op)
  {
    // A bias would have to be multiplied by the number of summands.
    return op.postOperations.empty() && (this->IsMean() || !op.hasBias) && this->MoveSpatial(GetRank(op) + 1);
  }
  bool MoveThrough(const TransposedConvolution & op)
  {
    return op.postOperations.empty() && this->MoveSpatial(op.stride.size() + 1);
  }
  bool MoveThrough(const TransposedInterpolation & op)
  {
    return this->MoveSpatial(op.size.size());
  }
  bool MoveThrough(const Interpolation & op)
  {
    return this->MoveSpatial(op.size.size());
  }
  bool MoveThrough(const Pooling & op)
  {
    return op.function == PoolingFunction::Average && this->MoveSpatial(op.kernel.size());
  }
  bool MoveThrough(const Concatenation & op)
  {
    if (std::count(m_Reduction.axes.begin(), m_Reduction.axes.end(), op.axis) > 0)
    {
      return false;
    }
    std::vector<ValueId> parts;
    for (const auto input : m_Node.inputs)
    {
      parts.push_back(this->Reduce(input));
    }
    this->Replace(m_Result.Concatenate(parts, op.axis, m_Node.name));
    return true;
  }
  bool MoveThrough(const Binary & op)
  {
    if (op.function != BinaryFunction::Add && op.function != BinaryFunction::Subtract)
    {
      return false;
    }
    const ValueId a = this->Reduce(m_Node.inputs[0]);
    const ValueId b = this->Reduce(m_Node.inputs[1]);
    ValueId sum = m_Result.Combine(op.function, a, b, m_Node.name);
    const Shape & shape = m_Source.GetShape(m_ReductionNode.output);
    // An operand of fewer axes may have had the reduced one from the other.
    if (m_Result.GetShape(sum) != shape)
    {
      sum = m_Result.Add(Broadcast{ shape }, { sum }, m_Node.name + ".broadcast");
    }
    this->Replace(sum);
    return true;
  }
  bool MoveThrough(const Unary & op)
  {
    const bool isLinear = op.function == UnaryFunction::Negate ||
                          (op.function == UnaryFunction::Linear && (this->IsMean() || op.beta == 0));
    if (!isLinear)
    {
      return false;
    }
    this->Replace(m_Result.Add(op, { this->Reduce(m_Node.inputs[0]) }, m_Node.name));
    return true;
  }
  template <typename TOther>
  bool MoveThrough(const TOther &)
  {
    return false;
  }

  GraphRewriter & m_Rewriter;
  const Graph & m_Source;
  Graph & m_Result;
  const Graph::Node & m_ReductionNode;
  const Reduction & m_Reduction;
  const Graph::Node & m_Node;
};
} // namespace

Graph
MoveReductionsThroughLinearOperators(const Graph & graph)
{
  const std::vector<int> uses = CountUses(graph);
  GraphRewriter rewriter(graph);
  for (const auto & node : graph.GetNodes())
  {
    const auto * reduction = std::get_if<Reduction>(&node.op);
    const bool isCandidate =
      reduction != nullptr && reduction->keepAxes && !reduction->axes.empty() &&
      (reduction->function == ReductionFunction::Mean || reduction->function == ReductionFunction::Sum) &&
      graph.GetValue(node.inputs[0]).node >= 0 && uses[static_cast<std::size_t>(node.inputs[0])] == 1 &&
      NumberOfElements(graph.GetShape(node.inputs[0])) > 0;
    if (!isCandidate || !ReductionMover(rewriter, node).Move())
    {
      rewriter.Copy(node);
    }
  }
  return rewriter.Finish();
}

namespace
{
/** Two convolutions in a row, the second of the first one's result, and the one
 * that they are together. */
class ConvolutionPair
{
public:
  ConvolutionPair(const Graph & graph, const Graph::Node & first, const Graph::Node & second)
    : m_Graph(graph)
    , m_First(first)
    , m_Second(second)
    , m_FirstOp(std::get<Convolution>(first.op))
    , m_SecondOp(std::get<Convolution>(second.op))
    , m_Rank(GetRank(m_FirstOp))
    , m_Src(graph.GetShape(first.inputs[0]))
    , m_Middle(graph.GetShape(first.output))
    , m_Dst(graph.GetShape(second.output))
    , m_FirstWeights(graph.GetShape(first.inputs[1]))
    , m_SecondWeights(graph.GetShape(second.inputs[1]))
  {
    m_Composed.stride.assign(m_Rank, 1);
    m_Composed.dilation.assign(m_Rank, 1);
    for (std::size_t d = 0; d < m_Rank; ++d)
    {
      m_Composed.padding.push_back(m_FirstOp.padding[d] + m_SecondOp.padding[d]);
      m_Composed.paddingEnd.push_back(m_FirstOp.paddingEnd[d] + m_SecondOp.paddingEnd[d]);
    }
  }

  /** Whether a pair can be made of the two. */
  static bool CanCompose(const Graph & graph, const Graph::Node & first, const Graph::Node & second)
  {
    return IsSimple(graph, first) && IsSimple(graph, second) &&
           graph.GetShape(first.inputs[1]).size() == graph.GetShape(second.inputs[1]).size();
  }

  /** \param firstIsNeeded the first one's result is used by others too. */
  bool IsWorthComposing(bool firstIsNeeded) const
  {
    double taps = 2 * static_cast<double>(m_FirstWeights[1]);
    double strips = 0;
    for (std::size_t d = 0; d < m_Rank; ++d)
    {
      const std::int64_t extent = m_Dst[Axis(d)];
      const std::int64_t wrong = m_SecondOp.padding[d] + m_SecondOp.paddingEnd[d];
      // The strips should be the smaller part, and each should see some of the source.
      if (extent <= 4 * wrong || m_Middle[Axis(d)] < m_SecondWeights[2 + d] || m_Src[Axis(d)] < m_FirstWeights[2 + d])
      {
        return false;
      }
      taps *= static_cast<double>(m_FirstWeights[2 + d] + m_SecondWeights[2 + d] - 1);
      const auto seen = static_cast<double>(wrong > 0 ? wrong + m_SecondWeights[2 + d] : 0);
      strips += seen / static_cast<double>(extent);
    }
    const double composed = taps * static_cast<double>(NumberOfElements(m_Dst));
    const double first = m_Graph.CountFlops(m_First);
    const double second = m_Graph.CountFlops(m_Second);
    return composed + strips * (first + second) < fastConvolutionPart * (second + (firstIsNeeded ? 0 : first));
  }

  ValueId Compose(GraphRewriter & rewriter) const
  {
    Graph & result = rewriter.GetResult();
    const ValueId src = rewriter.Map(m_First.inputs[0]);
    ValueId value = result.Convolve(
      src, this->ComposeWeights(rewriter), this->ComposeBias(rewriter), m_Composed, m_Second.name + ".composed");
    for (std::size_t d = 0; d < m_Rank; ++d)
    {
      const std::int64_t extent = m_Dst[Axis(d)];
      for (const auto & [begin, end] :
           { std::pair<std::int64_t, std::int64_t>{ 0, m_SecondOp.padding[d] },
             std::pair<std::int64_t, std::int64_t>{ extent - m_SecondOp.paddingEnd[d], extent } })
      {
        if (begin < end)
        {
          Insertion insertion;
          insertion.begin.assign(m_Dst.size(), 0);
          insertion.begin[Axis(d)] = begin;
          value = result.Add(
            insertion, { value, this->ComputeStrip(rewriter, src, d, begin, end) }, m_Second.name + ".border");
        }
      }
    }
    return value;
  }

private:
  /** Each window sees some of the src, and weights and bias are of one type. */
  static bool IsSimple(const Graph & graph, const Graph::Node & node)
  {
    const auto & op = std::get<Convolution>(node.op);
    const Shape & weights = graph.GetShape(node.inputs[1]);
    bool isSimple = op.groups == 1 && op.postOperations.empty() && IsAll(op.stride, 1) && IsAll(op.dilation, 1);
    for (std::size_t d = 0; d < GetRank(op); ++d)
    {
      isSimple = isSimple && op.padding[d] < weights[2 + d] && op.paddingEnd[d] < weights[2 + d];
    }
    for (std::size_t i = 1; i < node.inputs.size(); ++i)
    {
      isSimple = isSimple && graph.GetValue(node.inputs[i]).type.type == DataType::Float32;
    }
    return isSimple;
  }

  std::size_t Axis(std::size_t d) const
  {
    return m_Dst.size() - m_Rank + d;
  }

  /** Of a window on a padded axis the part that is there. */
  struct Range
  {
    std::int64_t begin;
    std::int64_t end;
    std::int64_t padding;
    std::int64_t paddingEnd;
  };
  static Range Clip(std::int64_t begin, std::int64_t end, std::int64_t extent)
  {
    const std::int64_t first = std::max<std::int64_t>(begin, 0);
    const std::int64_t last = std::min(end, extent);
    return { first, last, first - begin, end - last };
  }

  /** Output elements [begin, end) along an axis by the two convolutions. */
  ValueId ComputeStrip(GraphRewriter & rewriter, ValueId src, std::size_t d, std::int64_t begin, std::int64_t end) const
  {
    Graph & result = rewriter.GetResult();
    Convolution first = m_FirstOp;
    Convolution second = m_SecondOp;
    const std::int64_t middleBegin = begin - second.padding[d];
    const Range middle = Clip(middleBegin, end - 1 - second.padding[d] + m_SecondWeights[2 + d], m_Middle[Axis(d)]);
    second.padding[d] = middle.padding;
    second.paddingEnd[d] = middle.paddingEnd;
    const Range range =
      Clip(middle.begin - first.padding[d], middle.end - 1 - first.padding[d] + m_FirstWeights[2 + d], m_Src[Axis(d)]);
    first.padding[d] = range.padding;
    first.paddingEnd[d] = range.paddingEnd;
    const ValueId part = result.Add(
      MakeSlice(m_Src, static_cast<int>(Axis(d)), range.begin, range.end), { src }, m_First.name + ".border");
    const auto add = [&](ValueId input, const Convolution & op, const Graph::Node & node)
    {
      std::vector<ValueId> inputs = rewriter.Map(node.inputs);
      inputs[0] = input;
      return result.Add(op, inputs, node.name + ".border");
    };
    return add(add(part, first, m_First), second, m_Second);
  }

  /** weights[o, i] = full convolution over m of second[o, m] and first[m, i]. */
  ValueId ComposeWeights(GraphRewriter & rewriter) const
  {
    Graph & result = rewriter.GetResult();
    Permutation exchange;
    Convolution full;
    std::int64_t taps = 1;
    for (std::size_t i = 0; i < m_FirstWeights.size(); ++i)
    {
      exchange.order.push_back(static_cast<int>(i < 2 ? 1 - i : i));
      if (i >= 2)
      {
        full.padding.push_back(m_SecondWeights[i] - 1);
        taps *= m_SecondWeights[i];
      }
    }
    // A cross-correlation with the kernel in reverse order is a convolution.
    Tensor reversal = Tensor::Zeros({ taps, taps });
    for (std::int64_t i = 0; i < taps; ++i)
    {
      reversal.GetData<float>()[i * taps + taps - 1 - i] = 1;
    }
    const std::string name = m_Second.name + ".weights";
    const ValueId flat = result.Add(
      Reshape{ { m_SecondWeights[0], m_SecondWeights[1], taps } }, { rewriter.Map(m_Second.inputs[1]) }, name);
    const ValueId reversed =
      result.Add(Reshape{ m_SecondWeights },
                 { result.Add(MatrixProduct{}, { flat, result.AddConstant(reversal, "reversal") }, name) },
                 name);
    const ValueId first = result.Add(exchange, { rewriter.Map(m_First.inputs[1]) }, name);
    return result.Add(exchange, { result.Convolve(first, reversed, std::nullopt, full, name) }, name);
  }

  /** The second's bias and the first's through the second's weights. */
  std::optional<ValueId> ComposeBias(GraphRewriter & rewriter) const
  {
    if (!m_FirstOp.hasBias)
    {
      return m_SecondOp.hasBias ? std::optional<ValueId>(rewriter.Map(m_Second.inputs[2])) : std::nullopt;
    }
    Graph & result = rewriter.GetResult();
    const std::string name = m_Second.name + ".bias";
    std::vector<int> axes;
    for (std::size_t d = 0; d < m_Rank; ++d)
    {
      axes.push_back(static_cast<int>(2 + d));
    }
    const ValueId sums = result.Reduce(ReductionFunction::Sum, rewriter.Map(m_Second.inputs[1]), axes, false, name);
    const ValueId column = result.Add(Reshape{ { m_SecondWeights[1], 1 } }, { rewriter.Map(m_First.inputs[2]) }, name);
    const ValueId bias =
      result.Add(Reshape{ { m_SecondWeights[0] } }, { result.Add(MatrixProduct{}, { sums, column }, name) }, name);
    return m_SecondOp.hasBias ? result.Combine(BinaryFunction::Add, bias, rewriter.Map(m_Second.inputs[2]), name)
                              : bias;
  }

  const Graph & m_Graph;
  const Graph::Node & m_First;
  const Graph::Node & m_Second;
  const Convolution & m_FirstOp;
  const Convolution & m_SecondOp;
  std::size_t m_Rank;
  Shape m_Src;
  Shape m_Middle;
  Shape m_Dst;
  Shape m_FirstWeights;
  Shape m_SecondWeights;
  Convolution m_Composed;
};
} // namespace

Graph
ComposeConvolutions(const Graph & graph)
{
  const std::vector<int> uses = CountUses(graph);
  const std::vector<bool> isConstant = FindStaticValues(graph, {});
  GraphRewriter rewriter(graph);
  for (const auto & node : graph.GetNodes())
  {
    const auto areConstant = [&](const Graph::Node & convolution)
    {
      return std::all_of(convolution.inputs.begin() + 1,
                         convolution.inputs.end(),
                         [&](ValueId input) { return static_cast<bool>(isConstant[static_cast<std::size_t>(input)]); });
    };
    if (std::holds_alternative<Convolution>(node.op) && FindProducer<Convolution>(graph, node.inputs[0]) != nullptr)
    {
      const Graph::Node & first = GetProducerNode(graph, node.inputs[0]);
      // Composing weights of a run would cost more than it saves.
      if (areConstant(first) && areConstant(node) && ConvolutionPair::CanCompose(graph, first, node))
      {
        const ConvolutionPair pair(graph, first, node);
        if (pair.IsWorthComposing(uses[static_cast<std::size_t>(node.inputs[0])] > 1))
        {
          rewriter.Replace(node.output, pair.Compose(rewriter));
          continue;
        }
      }
    }
    rewriter.Copy(node);
  }
  return rewriter.Finish();
}

Graph
ConvolveBeforeInterpolation(const Graph & graph)
{
  // Weights that are not constant are trained: the taps' gradients cost more than the products save.
  const std::vector<bool> isConstant = FindStaticValues(graph, {});
  GraphRewriter rewriter(graph);
  Graph & result = rewriter.GetResult();
  for (const auto & node : graph.GetNodes())
  {
    const Convolution * convolution = FindLinearConvolution(node.op);
    const auto typeOf = [&](ValueId id) { return graph.GetValue(id).type.type; };
    if (convolution == nullptr || !isConstant[static_cast<std::size_t>(node.inputs[1])] ||
        (convolution->hasBias && typeOf(node.inputs[2]) != typeOf(node.output)) ||
        !IsBetterBeforeInterpolation(graph, *convolution, node.inputs[0], graph.GetShape(node.inputs[1])))
    {
      rewriter.Copy(node);
      continue;
    }
    const std::size_t rank = GetRank(*convolution);
    const Shape & weights = graph.GetShape(node.inputs[1]);
    ShiftedInterpolation shifted;
    shifted.interpolation = *FindProducer<Interpolation>(graph, node.inputs[0]);
    shifted.kernel.assign(weights.begin() + 2, weights.end());
    shifted.padding = convolution->padding;
    shifted.paddingEnd = convolution->paddingEnd;
    shifted.dilation = convolution->dilation;

    // [out, in, kernel...] as pointwise weights [taps * out, in, 1...], taps outermost.
    Permutation tapsFirst;
    for (std::size_t d = 0; d < rank; ++d)
    {
      tapsFirst.order.push_back(static_cast<int>(2 + d));
    }
    tapsFirst.order.push_back(0);
    tapsFirst.order.push_back(1);
    Shape pointwise{ NumberOfElements(shifted.kernel) * weights[0], weights[1] };
    pointwise.resize(2 + rank, 1);
    const ValueId permuted = result.Add(tapsFirst, { rewriter.Map(node.inputs[1]) }, node.name + ".weights");
    const ValueId tapWeights = result.Add(Reshape{ pointwise }, { permuted }, node.name + ".weights");
    const ValueId coarse = rewriter.Map(GetProducerNode(graph, node.inputs[0]).inputs[0]);
    const ValueId products = result.Convolve(coarse, tapWeights, std::nullopt, {}, node.name + ".taps");
    ValueId value = result.Add(shifted, { products }, node.name + ".shifted");
    if (convolution->hasBias)
    {
      Shape channelwise{ weights[0] };
      channelwise.resize(1 + rank, 1);
      const ValueId bias = result.Add(Reshape{ channelwise }, { rewriter.Map(node.inputs[2]) }, node.name + ".bias");
      value = result.Combine(BinaryFunction::Add, value, bias, node.name);
    }
    rewriter.Replace(node.output, value);
  }
  return rewriter.Finish();
}
} // namespace nn
} // namespace itk
