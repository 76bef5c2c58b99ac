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
#include "itkNNOperator.h"

#include "itkNNError.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <locale>
#include <sstream>
#include <type_traits>

namespace itk
{
namespace nn
{
namespace
{
template <typename... T>
struct Overloaded : T...
{
  using T::operator()...;
};
template <typename... T>
Overloaded(T...) -> Overloaded<T...>;

using Axes = std::vector<std::int64_t>;
using Types = std::vector<ValueType>;

void
RequireInputs(const Types & inputs, std::size_t count, const char * names)
{
  itkNNRequireMacro(inputs.size() == count, "needs " << count << " inputs (" << names << "), got " << inputs.size());
}

/** Give a parameter one entry a spatial axis. */
void
Expand(Axes & values, std::size_t rank, std::int64_t defaultValue, std::int64_t minimum, const char * name)
{
  if (values.empty())
  {
    values.assign(rank, defaultValue);
  }
  else if (values.size() == 1)
  {
    values.assign(rank, values.front());
  }
  itkNNRequireMacro(values.size() == rank,
                    name << ' ' << ToString(values) << " has " << values.size() << " entries for " << rank
                         << " spatial axes");
  for (const auto value : values)
  {
    itkNNRequireMacro(value >= minimum, name << ' ' << ToString(values) << " has an entry below " << minimum);
  }
}

/** Fill the parameters that a convolution and its gradients have. */
template <typename TOperator>
void
ExpandWindow(TOperator & op, std::size_t rank)
{
  Expand(op.stride, rank, 1, 1, "stride");
  Expand(op.padding, rank, 0, 0, "padding");
  if (op.paddingEnd.empty())
  {
    op.paddingEnd = op.padding;
  }
  Expand(op.paddingEnd, rank, 0, 0, "paddingEnd");
  Expand(op.dilation, rank, 1, 1, "dilation");
}

ValueType
InferPostOperations(const std::vector<PostOperation> & operations,
                    const Types & inputs,
                    std::size_t firstOperand,
                    ValueType result)
{
  std::size_t operand = firstOperand;
  for (const auto & post : operations)
  {
    if (std::holds_alternative<Binary>(post.operation))
    {
      itkNNRequireMacro(operand < inputs.size(), "has no input for its binary post-operation");
      itkNNRequireMacro(BroadcastShapes(result.shape, inputs[operand].shape) == result.shape,
                        "post-operation's operand " << ToString(inputs[operand].shape)
                                                    << " does not broadcast to the result " << ToString(result.shape));
      ++operand;
    }
  }
  itkNNRequireMacro(operand == inputs.size(), "uses " << operand << " inputs, got " << inputs.size());
  return result;
}

ValueType
Infer(Unary &, const Types & inputs)
{
  RequireInputs(inputs, 1, "src");
  return inputs[0];
}

ValueType
Infer(Binary &, const Types & inputs)
{
  RequireInputs(inputs, 2, "a, b");
  itkNNRequireMacro(inputs[0].type == inputs[1].type,
                    "operands are " << ToString(inputs[0].type) << " and " << ToString(inputs[1].type)
                                    << "; they must be of one type");
  return { BroadcastShapes(inputs[0].shape, inputs[1].shape), inputs[0].type };
}

/** Check what a convolution and its transpose want of src, weights of the form
 * given and groups, and complete the window; the axis of src's channels. */
template <typename TOperator>
std::size_t
InferWindow(TOperator & op, const Types & inputs, const char * form, const char * channels)
{
  itkNNRequireMacro(inputs.size() >= 2, "needs at least 2 inputs (src, weights), got " << inputs.size());
  const Shape & src = inputs[0].shape;
  const Shape & weights = inputs[1].shape;
  itkNNRequireMacro(weights.size() >= 3 && weights.size() <= 5,
                    "weights " << ToString(weights) << " should be [" << form
                               << ", kernel...] with 1 to 3 kernel axes");
  const std::size_t rank = weights.size() - 2;
  itkNNRequireMacro(src.size() >= rank + 1,
                    "src " << ToString(src) << " should be [batch..., channels, spatial...] with " << rank
                           << " spatial axes, as the weights " << ToString(weights) << " have");
  ExpandWindow(op, rank);
  itkNNRequireMacro(op.groups >= 1 && weights[0] % op.groups == 0,
                    "groups " << op.groups << " should divide the " << weights[0] << ' ' << channels);
  return src.size() - rank - 1;
}

ValueType
Infer(Convolution & op, const Types & inputs)
{
  const std::size_t channelAxis = InferWindow(op, inputs, "out channels, in channels / groups", "output channels");
  const Shape & src = inputs[0].shape;
  const Shape & weights = inputs[1].shape;
  const std::size_t rank = weights.size() - 2;
  itkNNRequireMacro(src[channelAxis] == weights[1] * op.groups,
                    "src " << ToString(src) << " has " << src[channelAxis] << " channels, but the weights "
                           << ToString(weights) << " with " << op.groups << " groups take " << weights[1] * op.groups);
  ValueType result{ Shape(src.begin(), src.begin() + channelAxis), inputs[0].type };
  result.shape.push_back(weights[0]);
  for (std::size_t d = 0; d < rank; ++d)
  {
    const std::int64_t padded = src[channelAxis + 1 + d] + op.padding[d] + op.paddingEnd[d];
    const std::int64_t reach = op.dilation[d] * (weights[2 + d] - 1) + 1;
    itkNNRequireMacro(weights[2 + d] >= 1 && padded >= reach,
                      "kernel of weights " << ToString(weights) << " with dilation " << ToString(op.dilation)
                                           << " does not fit in src " << ToString(src) << " with padding "
                                           << ToString(op.padding));
    result.shape.push_back((padded - reach) / op.stride[d] + 1);
  }
  if (op.hasBias)
  {
    itkNNRequireMacro(inputs.size() >= 3 && inputs[2].shape == Shape{ weights[0] },
                      "bias " << (inputs.size() >= 3 ? ToString(inputs[2].shape) : "(missing)") << " should be ["
                              << weights[0] << ']');
  }
  return InferPostOperations(op.postOperations, inputs, op.hasBias ? 3 : 2, result);
}

ValueType
Infer(Pooling & op, const Types & inputs)
{
  RequireInputs(inputs, 1, "src");
  const Shape & src = inputs[0].shape;
  const std::size_t rank = op.kernel.size();
  itkNNRequireMacro(rank >= 1 && rank <= 3 && src.size() >= rank + 1,
                    "kernel " << ToString(op.kernel) << " should have one entry for each of 1 to 3 spatial axes of src "
                              << ToString(src) << " [batch..., channels, spatial...]");
  Expand(op.kernel, rank, 1, 1, "kernel");
  if (op.stride.empty())
  {
    op.stride = op.kernel;
  }
  Expand(op.stride, rank, 1, 1, "stride");
  Expand(op.padding, rank, 0, 0, "padding");
  ValueType result = inputs[0];
  for (std::size_t d = 0; d < rank; ++d)
  {
    std::int64_t & extent = result.shape[src.size() - rank + d];
    itkNNRequireMacro(op.padding[d] <= op.kernel[d] / 2,
                      "padding " << ToString(op.padding) << " should be at most half of the kernel "
                                 << ToString(op.kernel));
    itkNNRequireMacro(extent + 2 * op.padding[d] >= op.kernel[d],
                      "kernel " << ToString(op.kernel) << " does not fit in src " << ToString(src));
    extent = (extent + 2 * op.padding[d] - op.kernel[d]) / op.stride[d] + 1;
  }
  return result;
}

ValueType
Infer(Interpolation & op, const Types & inputs)
{
  RequireInputs(inputs, 1, "src");
  const Shape & src = inputs[0].shape;
  itkNNRequireMacro(!op.size.empty() && op.size.size() <= 3 && op.size.size() <= src.size(),
                    "size " << ToString(op.size) << " should have one entry for each of 1 to 3 last axes of src "
                            << ToString(src));
  ValueType result = inputs[0];
  for (std::size_t d = 0; d < op.size.size(); ++d)
  {
    std::int64_t & extent = result.shape[src.size() - op.size.size() + d];
    itkNNRequireMacro(op.size[d] >= 1 && extent >= 1,
                      "cannot interpolate src " << ToString(src) << " to size " << ToString(op.size));
    extent = op.size[d];
  }
  return result;
}

ValueType
Infer(Concatenation & op, const Types & inputs)
{
  itkNNRequireMacro(!inputs.empty(), "needs at least one input");
  const int rank = static_cast<int>(inputs[0].shape.size());
  op.axis = NormalizeAxis(op.axis, rank);
  ValueType result = inputs[0];
  std::int64_t extent = 0;
  result.shape[op.axis] = 1;
  for (const auto & input : inputs)
  {
    itkNNRequireMacro(static_cast<int>(input.shape.size()) == rank && input.type == result.type,
                      "inputs " << ToString(inputs[0].shape) << " and " << ToString(input.shape)
                                << " should have the same number of axes and the same type");
    Shape others = input.shape;
    extent += others[op.axis];
    others[op.axis] = 1;
    try
    {
      result.shape = BroadcastShapes(result.shape, others);
    }
    catch (const Error &)
    {
      itkNNThrowMacro("inputs " << ToString(inputs[0].shape) << " and " << ToString(input.shape)
                                << " should agree or broadcast on all axes but axis " << op.axis);
    }
  }
  result.shape[op.axis] = extent;
  return result;
}

ValueType
Infer(Slice & op, const Types & inputs)
{
  RequireInputs(inputs, 1, "src");
  const Shape & src = inputs[0].shape;
  if (op.step.empty())
  {
    op.step.assign(src.size(), 1);
  }
  itkNNRequireMacro(op.begin.size() == src.size() && op.end.size() == src.size() && op.step.size() == src.size(),
                    "begin, end and step should have one entry for each axis of src " << ToString(src));
  ValueType result = inputs[0];
  for (std::size_t i = 0; i < src.size(); ++i)
  {
    itkNNRequireMacro(op.begin[i] >= 0 && op.begin[i] <= op.end[i] && op.end[i] <= src[i] && op.step[i] >= 1,
                      "begin " << ToString(op.begin) << ", end " << ToString(op.end) << ", step " << ToString(op.step)
                               << " do not fit src " << ToString(src));
    result.shape[i] = (op.end[i] - op.begin[i] + op.step[i] - 1) / op.step[i];
  }
  return result;
}

ValueType
Infer(Reshape & op, const Types & inputs)
{
  RequireInputs(inputs, 1, "src");
  const std::int64_t total = NumberOfElements(inputs[0].shape);
  const auto unknown = std::find(op.shape.begin(), op.shape.end(), -1);
  if (unknown != op.shape.end())
  {
    Shape others(op.shape.begin(), unknown);
    others.insert(others.end(), unknown + 1, op.shape.end());
    const std::int64_t known = NumberOfElements(others);
    itkNNRequireMacro(known > 0 && total % known == 0,
                      "src " << ToString(inputs[0].shape) << " cannot become " << ToString(op.shape));
    *unknown = total / known;
  }
  const std::int64_t elements = NumberOfElements(op.shape);
  itkNNRequireMacro(elements == total,
                    "src " << ToString(inputs[0].shape) << " has " << total << " elements, shape " << ToString(op.shape)
                           << " has " << elements);
  return { op.shape, inputs[0].type };
}

ValueType
Infer(Permutation & op, const Types & inputs)
{
  RequireInputs(inputs, 1, "src");
  const Shape & src = inputs[0].shape;
  itkNNRequireMacro(op.order.size() == src.size(),
                    "order has " << op.order.size() << " entries for src " << ToString(src));
  ValueType result = inputs[0];
  std::vector<bool> seen(src.size(), false);
  for (std::size_t i = 0; i < src.size(); ++i)
  {
    op.order[i] = NormalizeAxis(op.order[i], static_cast<int>(src.size()));
    itkNNRequireMacro(!seen[op.order[i]], "order has axis " << op.order[i] << " twice");
    seen[op.order[i]] = true;
    result.shape[i] = src[op.order[i]];
  }
  return result;
}

ValueType
Infer(Broadcast & op, const Types & inputs)
{
  RequireInputs(inputs, 1, "src");
  itkNNRequireMacro(inputs[0].shape.size() <= op.shape.size() && BroadcastShapes(inputs[0].shape, op.shape) == op.shape,
                    "src " << ToString(inputs[0].shape) << " does not broadcast to " << ToString(op.shape));
  return { op.shape, inputs[0].type };
}

ValueType
Infer(Reduction & op, const Types & inputs)
{
  RequireInputs(inputs, 1, "src");
  const Shape & src = inputs[0].shape;
  const int rank = static_cast<int>(src.size());
  std::vector<bool> reduced(src.size(), op.axes.empty());
  for (auto & axis : op.axes)
  {
    axis = NormalizeAxis(axis, rank);
    itkNNRequireMacro(!reduced[axis], "axes have axis " << axis << " twice");
    reduced[axis] = true;
  }
  op.axes.clear();
  ValueType result{ {}, inputs[0].type };
  for (int i = 0; i < rank; ++i)
  {
    if (reduced[i])
    {
      op.axes.push_back(i);
      itkNNRequireMacro(src[i] > 0 || op.function == ReductionFunction::Sum || op.function == ReductionFunction::Mean,
                        ToString(op.function)
                          << " over the empty axis " << i << " of src " << ToString(src) << " has no value");
    }
    if (!reduced[i] || op.keepAxes)
    {
      result.shape.push_back(reduced[i] ? 1 : src[i]);
    }
  }
  return result;
}

ValueType
Infer(Softmax & op, const Types & inputs)
{
  RequireInputs(inputs, 1, "src");
  op.axis = NormalizeAxis(op.axis, static_cast<int>(inputs[0].shape.size()));
  return inputs[0];
}

ValueType
Infer(MatrixProduct & op, const Types & inputs)
{
  RequireInputs(inputs, 2, "a, b");
  Shape a = inputs[0].shape;
  Shape b = inputs[1].shape;
  itkNNRequireMacro(a.size() >= 2 && b.size() >= 2 && inputs[0].type == inputs[1].type,
                    "a " << ToString(a) << " and b " << ToString(b)
                         << " should be of one type and have at least 2 axes");
  const std::int64_t rows = a[a.size() - (op.transposeA ? 1 : 2)];
  const std::int64_t innerA = a[a.size() - (op.transposeA ? 2 : 1)];
  const std::int64_t innerB = b[b.size() - (op.transposeB ? 1 : 2)];
  const std::int64_t columns = b[b.size() - (op.transposeB ? 2 : 1)];
  itkNNRequireMacro(innerA == innerB,
                    "a " << ToString(a) << (op.transposeA ? " (transposed)" : "") << " and b " << ToString(b)
                         << (op.transposeB ? " (transposed)" : "") << " have inner extents " << innerA << " and "
                         << innerB);
  a.resize(a.size() - 2);
  b.resize(b.size() - 2);
  ValueType result{ BroadcastShapes(a, b), inputs[0].type };
  result.shape.push_back(rows);
  result.shape.push_back(columns);
  return result;
}

ValueType
Infer(ShiftedInterpolation & op, const Types & inputs)
{
  itkNNRequireMacro(!inputs.empty(), "needs at least 1 input (src), got 0");
  const Shape & src = inputs[0].shape;
  const std::size_t rank = op.kernel.size();
  itkNNRequireMacro(rank >= 1 && rank <= 3 && src.size() >= rank + 1,
                    "kernel " << ToString(op.kernel) << " should have one entry for each of 1 to 3 spatial axes of src "
                              << ToString(src) << " [batch..., channels, spatial...]");
  Expand(op.kernel, rank, 1, 1, "kernel");
  Expand(op.padding, rank, 0, 0, "padding");
  if (op.paddingEnd.empty())
  {
    op.paddingEnd = op.padding;
  }
  Expand(op.paddingEnd, rank, 0, 0, "paddingEnd");
  Expand(op.dilation, rank, 1, 1, "dilation");
  itkNNRequireMacro(op.interpolation.size.size() == rank,
                    "size " << ToString(op.interpolation.size) << " should have one entry for each axis of the kernel "
                            << ToString(op.kernel));
  ValueType result = Infer(op.interpolation, { inputs[0] });
  const std::int64_t taps = NumberOfElements(op.kernel);
  std::int64_t & channels = result.shape[src.size() - rank - 1];
  itkNNRequireMacro(channels % taps == 0,
                    "src " << ToString(src) << " has " << channels << " channels, which the " << taps
                           << " taps of the kernel " << ToString(op.kernel) << " should divide");
  channels /= taps;
  for (std::size_t d = 0; d < rank; ++d)
  {
    std::int64_t & extent = result.shape[src.size() - rank + d];
    extent += op.padding[d] + op.paddingEnd[d] - op.dilation[d] * (op.kernel[d] - 1);
    itkNNRequireMacro(extent >= 1,
                      "kernel " << ToString(op.kernel) << " with dilation " << ToString(op.dilation)
                                << " does not fit in size " << ToString(op.interpolation.size) << " with padding "
                                << ToString(op.padding));
  }
  return InferPostOperations(op.postOperations, inputs, 1, result);
}

ValueType
Infer(Pointwise & op, const Types & inputs)
{
  itkNNRequireMacro(!inputs.empty(), "needs at least 1 input (src), got 0");
  ValueType result = inputs[0];
  for (const auto & input : inputs)
  {
    itkNNRequireMacro(input.type == result.type,
                      "operands are " << ToString(result.type) << " and " << ToString(input.type)
                                      << "; they must be of one type");
    result.shape = BroadcastShapes(result.shape, input.shape);
  }
  return InferPostOperations(op.postOperations, inputs, 1, result);
}

ValueType
Infer(Insertion & op, const Types & inputs)
{
  RequireInputs(inputs, 2, "src, patch");
  const Shape & src = inputs[0].shape;
  const Shape & patch = inputs[1].shape;
  itkNNRequireMacro(op.begin.size() == src.size() && patch.size() == src.size() && inputs[0].type == inputs[1].type,
                    "begin " << ToString(op.begin) << " and patch " << ToString(patch)
                             << " should have one entry for each axis of src " << ToString(src)
                             << ", and src and patch one type");
  if (op.step.empty())
  {
    op.step.assign(src.size(), 1);
  }
  itkNNRequireMacro(op.step.size() == src.size(),
                    "step " << ToString(op.step) << " should have one entry for each axis of src " << ToString(src));
  const Shape end = GetPatchSlice(op, patch).end;
  for (std::size_t i = 0; i < src.size(); ++i)
  {
    itkNNRequireMacro(op.step[i] >= 1 && op.begin[i] >= 0 && end[i] <= src[i],
                      "patch " << ToString(patch) << " at " << ToString(op.begin) << " with step " << ToString(op.step)
                               << " does not lie in src " << ToString(src));
  }
  return inputs[0];
}

/** Check that a convolution with the parameters makes dst's extents of src's. */
template <typename TOperator>
void
RequireConvolved(const TOperator & op, const Axes & kernel, const Shape & src, const Shape & dst)
{
  for (std::size_t d = 0; d < kernel.size(); ++d)
  {
    const std::int64_t from = src[src.size() - kernel.size() + d];
    const std::int64_t to = dst[dst.size() - kernel.size() + d];
    const std::int64_t padded = from + op.padding[d] + op.paddingEnd[d];
    const std::int64_t reach = op.dilation[d] * (kernel[d] - 1) + 1;
    itkNNRequireMacro(kernel[d] >= 1 && from >= 0 && padded >= reach && (padded - reach) / op.stride[d] + 1 == to,
                      "a convolution of " << ToString(src) << " with kernel " << ToString(kernel) << ", stride "
                                          << ToString(op.stride) << " and padding " << ToString(op.padding)
                                          << " does not have the extents of " << ToString(dst));
  }
}

ValueType
Infer(TransposedConvolution & op, const Types & inputs)
{
  const std::size_t channelAxis = InferWindow(op, inputs, "src's channels, out channels / groups", "channels of src");
  const Shape & src = inputs[0].shape;
  const Shape & weights = inputs[1].shape;
  const std::size_t rank = weights.size() - 2;
  itkNNRequireMacro(src[channelAxis] == weights[0],
                    "src " << ToString(src) << " has " << src[channelAxis] << " channels, but the weights "
                           << ToString(weights) << " take " << weights[0]);
  const Axes kernel(weights.begin() + 2, weights.end());
  if (op.size.empty())
  {
    for (std::size_t d = 0; d < rank; ++d)
    {
      op.size.push_back((src[channelAxis + 1 + d] - 1) * op.stride[d] + op.dilation[d] * (kernel[d] - 1) + 1 -
                        op.padding[d] - op.paddingEnd[d]);
    }
  }
  itkNNRequireMacro(op.size.size() == rank,
                    "size " << ToString(op.size) << " should have one entry for each of the " << rank
                            << " spatial axes of src " << ToString(src));
  ValueType result{ Shape(src.begin(), src.begin() + static_cast<std::ptrdiff_t>(channelAxis)), inputs[0].type };
  result.shape.push_back(weights[1] * op.groups);
  result.shape.insert(result.shape.end(), op.size.begin(), op.size.end());
  RequireConvolved(op, kernel, result.shape, src);
  return InferPostOperations(op.postOperations, inputs, 2, result);
}

ValueType
Infer(ConvolutionWeightsGradient & op, const Types & inputs)
{
  RequireInputs(inputs, 2, "src, gradient");
  const Shape & src = inputs[0].shape;
  const Shape & gradient = inputs[1].shape;
  const std::size_t rank = op.kernel.size();
  itkNNRequireMacro(rank >= 1 && rank <= 3 && src.size() >= rank + 1 && gradient.size() == src.size(),
                    "kernel " << ToString(op.kernel) << " should have one entry for each of 1 to 3 spatial axes of src "
                              << ToString(src) << " and gradient " << ToString(gradient)
                              << " [batch..., channels, spatial...]");
  ExpandWindow(op, rank);
  const std::size_t channelAxis = src.size() - rank - 1;
  itkNNRequireMacro(std::equal(src.begin(), src.begin() + static_cast<std::ptrdiff_t>(channelAxis), gradient.begin()) &&
                      inputs[0].type == inputs[1].type,
                    "src " << ToString(src) << " and gradient " << ToString(gradient)
                           << " should have the same batch axes and the same type");
  itkNNRequireMacro(op.groups >= 1 && src[channelAxis] % op.groups == 0 && gradient[channelAxis] % op.groups == 0,
                    "groups " << op.groups << " should divide the channels of src " << ToString(src) << " and gradient "
                              << ToString(gradient));
  RequireConvolved(op, op.kernel, src, gradient);
  ValueType result{ { gradient[channelAxis], src[channelAxis] / op.groups }, inputs[0].type };
  result.shape.insert(result.shape.end(), op.kernel.begin(), op.kernel.end());
  return result;
}

ValueType
Infer(PoolingGradient & op, const Types & inputs)
{
  const bool isMaximum = op.pooling.function == PoolingFunction::Maximum;
  RequireInputs(inputs, isMaximum ? 2 : 1, isMaximum ? "gradient, src" : "gradient");
  ValueType result = inputs[0];
  const std::size_t rank = op.size.size();
  itkNNRequireMacro(rank >= 1 && rank <= 3 && result.shape.size() >= rank + 1,
                    "size " << ToString(op.size)
                            << " should have one entry for each of 1 to 3 spatial axes of gradient "
                            << ToString(result.shape) << " [batch..., channels, spatial...]");
  std::copy(op.size.begin(), op.size.end(), result.shape.end() - static_cast<std::ptrdiff_t>(rank));
  const Shape pooled = Infer(op.pooling, { result }).shape;
  itkNNRequireMacro(pooled == inputs[0].shape,
                    "gradient " << ToString(inputs[0].shape) << " should have the pooling's shape "
                                << ToString(pooled));
  itkNNRequireMacro(!isMaximum || (inputs[1].shape == result.shape && inputs[1].type == result.type),
                    "src " << ToString(inputs.back().shape) << " should be " << ToString(result.shape));
  return result;
}

ValueType
Infer(TransposedInterpolation & op, const Types & inputs)
{
  Interpolation interpolation;
  interpolation.size = op.size;
  return Infer(interpolation, inputs);
}

ValueType
Infer(Sampling &, const Types & inputs)
{
  RequireInputs(inputs, 2, "src, coordinates");
  const Shape & src = inputs[0].shape;
  const Shape & coordinates = inputs[1].shape;
  itkNNRequireMacro(
    src.size() >= 3 && src.size() <= 5 &&
      std::all_of(src.begin() + 2, src.end(), [](std::int64_t extent) { return extent >= 1; }),
    "src " << ToString(src)
           << " should be [batch, channels, spatial...] with 1 to 3 spatial axes of at least 1 element");
  const auto rank = static_cast<std::int64_t>(src.size()) - 2;
  itkNNRequireMacro(coordinates.size() == src.size() && (coordinates[0] == src[0] || coordinates[0] == 1) &&
                      coordinates[1] == rank,
                    "coordinates " << ToString(coordinates) << " should be [" << src[0] << " or 1, " << rank
                                   << ", size...] with " << rank << " axes of size, for src " << ToString(src));
  itkNNRequireMacro(inputs[0].type == inputs[1].type,
                    "src and coordinates are " << ToString(inputs[0].type) << " and " << ToString(inputs[1].type)
                                               << "; they must be of one type");
  ValueType result{ { src[0], src[1] }, inputs[0].type };
  result.shape.insert(result.shape.end(), coordinates.begin() + 2, coordinates.end());
  return result;
}

ValueType
Infer(TransposedSampling & op, const Types & inputs)
{
  RequireInputs(inputs, 2, "src, coordinates");
  const Shape & src = inputs[0].shape;
  itkNNRequireMacro(!op.size.empty() && op.size.size() + 2 == src.size() &&
                      std::all_of(op.size.begin(), op.size.end(), [](std::int64_t extent) { return extent >= 1; }),
                    "size " << ToString(op.size) << " should have one entry of at least 1 for each spatial axis of src "
                            << ToString(src) << " [batch, channels, spatial...]");
  ValueType result{ { src[0], src[1] }, inputs[0].type };
  result.shape.insert(result.shape.end(), op.size.begin(), op.size.end());
  const Shape sampled = Infer(op.sampling, { result, inputs[1] }).shape;
  itkNNRequireMacro(sampled == src,
                    "src " << ToString(src) << " should have the sampling's shape " << ToString(sampled));
  return result;
}

ValueType
Infer(SamplingCoordinatesGradient & op, const Types & inputs)
{
  RequireInputs(inputs, 3, "gradient, src, coordinates");
  const Shape sampled = Infer(op.sampling, { inputs[1], inputs[2] }).shape;
  itkNNRequireMacro(inputs[0].shape == sampled && inputs[0].type == inputs[1].type,
                    "gradient " << ToString(inputs[0].shape) << " should have the sampling's shape "
                                << ToString(sampled) << " and type");
  return inputs[2];
}

ValueType
Infer(Barrier &, const Types & inputs)
{
  RequireInputs(inputs, 1, "src");
  return inputs[0];
}

ValueType
Infer(LovaszWeights &, const Types & inputs)
{
  RequireInputs(inputs, 2, "errors, foreground");
  const Shape & errors = inputs[0].shape;
  itkNNRequireMacro(!errors.empty() && inputs[1].shape == errors && inputs[1].type == inputs[0].type,
                    "errors " << ToString(errors) << " of type " << ToString(inputs[0].type) << " and foreground "
                              << ToString(inputs[1].shape) << " of type " << ToString(inputs[1].type)
                              << " should have one shape of at least one axis, and one type");
  return inputs[0];
}

ValueType
Infer(Gather & op, const Types & inputs)
{
  RequireInputs(inputs, 2, "src, indices");
  const Shape & src = inputs[0].shape;
  itkNNRequireMacro(inputs[1].type == DataType::Int64, "indices should be int64, are " << ToString(inputs[1].type));
  op.axis = NormalizeAxis(op.axis, static_cast<int>(src.size()));
  ValueType result{ Shape(src.begin(), src.begin() + op.axis), inputs[0].type };
  result.shape.insert(result.shape.end(), inputs[1].shape.begin(), inputs[1].shape.end());
  result.shape.insert(result.shape.end(), src.begin() + op.axis + 1, src.end());
  return result;
}

ValueType
Infer(ScatterAdd & op, const Types & inputs)
{
  RequireInputs(inputs, 2, "src, indices");
  const Shape & src = inputs[0].shape;
  const Shape & indices = inputs[1].shape;
  itkNNRequireMacro(inputs[1].type == DataType::Int64, "indices should be int64, are " << ToString(inputs[1].type));
  itkNNRequireMacro(src.size() >= indices.size(),
                    "src " << ToString(src) << " should have the axes of the indices " << ToString(indices));
  const auto taken = static_cast<std::ptrdiff_t>(indices.size());
  op.axis = NormalizeAxis(op.axis, static_cast<int>(src.size() - indices.size()) + 1);
  itkNNRequireMacro(op.size >= 0 && std::equal(indices.begin(), indices.end(), src.begin() + op.axis),
                    "src " << ToString(src) << " should have the axes of the indices " << ToString(indices)
                           << " from axis " << op.axis << " on, and size, which is " << op.size
                           << ", should be at least 0");
  ValueType result{ Shape(src.begin(), src.begin() + op.axis), inputs[0].type };
  result.shape.push_back(op.size);
  result.shape.insert(result.shape.end(), src.begin() + op.axis + taken, src.end());
  return result;
}

ValueType
Infer(BitMask & op, const Types & inputs)
{
  RequireInputs(inputs, 2, "bits, value");
  const Shape bytes{ (NumberOfElements(op.shape) + 7) / 8 };
  itkNNRequireMacro(inputs[0].type == DataType::UInt8, "bits should be uint8, are " << ToString(inputs[0].type));
  itkNNRequireMacro(inputs[0].shape == bytes,
                    "bits " << ToString(inputs[0].shape) << " should be " << ToString(bytes)
                            << ", one of an element of " << ToString(op.shape));
  itkNNRequireMacro(inputs[1].shape.empty() && IsFloatingPoint(inputs[1].type),
                    "value " << ToString(inputs[1].shape) << " of type " << ToString(inputs[1].type)
                             << " should be a floating-point scalar");
  return { op.shape, inputs[1].type };
}

std::ostringstream
TextStream()
{
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out.precision(17);
  return out;
}

void
DescribeUnary(std::ostream & out, const Unary & op)
{
  out << ToString(op.function);
  switch (op.function)
  {
    case UnaryFunction::LeakyRelu:
    case UnaryFunction::Elu:
      out << "(alpha=" << op.alpha << ')';
      break;
    case UnaryFunction::Clip:
    case UnaryFunction::Linear:
      out << "(alpha=" << op.alpha << ", beta=" << op.beta << ')';
      break;
    default:
      break;
  }
}

void
DescribeBinary(std::ostream & out, const Binary & op)
{
  out << ToString(op.function);
  if (op.function == BinaryFunction::Gate)
  {
    out << "(alpha=" << op.alpha << ')';
  }
}

bool
AllEqual(const Axes & values, std::int64_t value)
{
  return std::all_of(values.begin(), values.end(), [value](std::int64_t v) { return v == value; });
}

double
Elements(const ValueType & type)
{
  return static_cast<double>(NumberOfElements(type.shape));
}
} // namespace

const char *
ToString(UnaryFunction function)
{
  static constexpr const char * names[] = { "relu",     "leaky_relu", "elu", "sigmoid", "tanh",  "gelu",       "silu",
                                            "softplus", "exp",        "log", "sqrt",    "rsqrt", "reciprocal", "square",
                                            "abs",      "negate",     "erf", "round",   "clip",  "linear" };
  return names[static_cast<int>(function)];
}

const char *
ToString(BinaryFunction function)
{
  static constexpr const char * names[] = { "add",   "subtract", "multiply", "divide", "minimum", "maximum",
                                            "power", "greater",  "equal",    "prelu",  "gate" };
  return names[static_cast<int>(function)];
}

const char *
ToString(PoolingFunction function)
{
  return function == PoolingFunction::Maximum ? "maximum" : "average";
}

const char *
ToString(ReductionFunction function)
{
  static constexpr const char * names[] = { "sum", "mean", "maximum", "minimum", "variance" };
  return names[static_cast<int>(function)];
}

const char *
ToString(InterpolationMode mode)
{
  return mode == InterpolationMode::Nearest ? "nearest" : "linear";
}

const char *
ToString(BoundaryMode mode)
{
  static constexpr const char * names[] = { "constant", "reflect", "mirror", "nearest", "wrap" };
  return names[static_cast<int>(mode)];
}

const char *
GetName(const Operator & op)
{
  return std::visit(Overloaded{ [](const Unary &) { return "Unary"; },
                                [](const Binary &) { return "Binary"; },
                                [](const Convolution &) { return "Convolution"; },
                                [](const Pooling &) { return "Pooling"; },
                                [](const Interpolation &) { return "Interpolation"; },
                                [](const Concatenation &) { return "Concatenation"; },
                                [](const Slice &) { return "Slice"; },
                                [](const Reshape &) { return "Reshape"; },
                                [](const Permutation &) { return "Permutation"; },
                                [](const Broadcast &) { return "Broadcast"; },
                                [](const Reduction &) { return "Reduction"; },
                                [](const Softmax &) { return "Softmax"; },
                                [](const MatrixProduct &) { return "MatrixProduct"; },
                                [](const ShiftedInterpolation &) { return "ShiftedInterpolation"; },
                                [](const Pointwise &) { return "Pointwise"; },
                                [](const Insertion &) { return "Insertion"; },
                                [](const TransposedConvolution &) { return "TransposedConvolution"; },
                                [](const ConvolutionWeightsGradient &) { return "ConvolutionWeightsGradient"; },
                                [](const PoolingGradient &) { return "PoolingGradient"; },
                                [](const TransposedInterpolation &) { return "TransposedInterpolation"; },
                                [](const Gather &) { return "Gather"; },
                                [](const ScatterAdd &) { return "ScatterAdd"; },
                                [](const BitMask &) { return "BitMask"; },
                                [](const Barrier &) { return "Barrier"; },
                                [](const Sampling &) { return "Sampling"; },
                                [](const TransposedSampling &) { return "TransposedSampling"; },
                                [](const SamplingCoordinatesGradient &) { return "SamplingCoordinatesGradient"; },
                                [](const LovaszWeights &) { return "LovaszWeights"; } },
                    op);
}

std::string
Describe(const Operator & op)
{
  auto out = TextStream();
  const char * gap = "";
  const auto put = [&](const char * name, const auto & value)
  {
    out << gap << name << '=' << value;
    gap = " ";
  };
  const auto putPostOperations = [&](const std::vector<PostOperation> & operations)
  {
    for (const auto & post : operations)
    {
      out << gap << "then ";
      gap = " ";
      if (const auto * unary = std::get_if<Unary>(&post.operation))
      {
        DescribeUnary(out, *unary);
      }
      else
      {
        DescribeBinary(out, std::get<Binary>(post.operation));
      }
    }
  };
  const auto putWindow = [&](const auto & window)
  {
    if (!AllEqual(window.padding, 0))
    {
      put("padding", ToString(window.padding));
    }
    if (window.paddingEnd != window.padding && !window.paddingEnd.empty())
    {
      put("paddingEnd", ToString(window.paddingEnd));
    }
    if (!AllEqual(window.dilation, 1))
    {
      put("dilation", ToString(window.dilation));
    }
  };
  const auto putStride = [&](const auto & convolution)
  {
    if (!AllEqual(convolution.stride, 1))
    {
      put("stride", ToString(convolution.stride));
    }
  };
  const auto putGroups = [&](const auto & convolution)
  {
    if (convolution.groups != 1)
    {
      put("groups", convolution.groups);
    }
  };
  const auto putPooling = [&](const Pooling & pooling)
  {
    put("function", ToString(pooling.function));
    put("kernel", ToString(pooling.kernel));
    put("stride", ToString(pooling.stride));
    if (!AllEqual(pooling.padding, 0))
    {
      put("padding", ToString(pooling.padding));
      if (pooling.function == PoolingFunction::Average && !pooling.includePadding)
      {
        put("includePadding", "no");
      }
    }
  };
  const auto putInterpolation = [&](const auto & interpolation)
  {
    put("mode", ToString(interpolation.mode));
    put("size", ToString(interpolation.size));
    put("alignCorners", interpolation.alignCorners ? "yes" : "no");
  };
  const auto putSampling = [&](const Sampling & sampling)
  {
    put("mode", ToString(sampling.mode));
    put("boundary", ToString(sampling.boundary));
    if (sampling.boundary == BoundaryMode::Constant && sampling.value != 0)
    {
      put("value", sampling.value);
    }
    if (sampling.cudaSpatialDeformRules)
    {
      put("cudaSpatialDeformRules", "yes");
    }
  };
  std::visit(Overloaded{ [&](const Unary & unary) { DescribeUnary(out, unary); },
                         [&](const Binary & binary) { DescribeBinary(out, binary); },
                         [&](const Convolution & conv)
                         {
                           putStride(conv);
                           putWindow(conv);
                           putGroups(conv);
                           if (conv.hasBias)
                           {
                             put("bias", "yes");
                           }
                           putPostOperations(conv.postOperations);
                         },
                         putPooling,
                         [&](const Interpolation & interpolation) { putInterpolation(interpolation); },
                         [&](const Concatenation & concatenation) { put("axis", concatenation.axis); },
                         [&](const Slice & slice)
                         {
                           put("begin", ToString(slice.begin));
                           put("end", ToString(slice.end));
                           if (!AllEqual(slice.step, 1))
                           {
                             put("step", ToString(slice.step));
                           }
                         },
                         [&](const Reshape & reshape) { put("shape", ToString(reshape.shape)); },
                         [&](const Permutation & permutation)
                         { put("order", ToString(Shape(permutation.order.begin(), permutation.order.end()))); },
                         [&](const Broadcast & broadcast) { put("shape", ToString(broadcast.shape)); },
                         [&](const Reduction & reduction)
                         {
                           put("function", ToString(reduction.function));
                           put("axes", ToString(Shape(reduction.axes.begin(), reduction.axes.end())));
                           if (!reduction.keepAxes)
                           {
                             put("keepAxes", "no");
                           }
                         },
                         [&](const Softmax & softmax)
                         {
                           put("axis", softmax.axis);
                           if (softmax.logarithm)
                           {
                             put("logarithm", "yes");
                           }
                         },
                         [&](const MatrixProduct & product)
                         {
                           if (product.transposeA)
                           {
                             put("transposeA", "yes");
                           }
                           if (product.transposeB)
                           {
                             put("transposeB", "yes");
                           }
                         },
                         [&](const ShiftedInterpolation & shifted)
                         {
                           putInterpolation(shifted.interpolation);
                           put("kernel", ToString(shifted.kernel));
                           putWindow(shifted);
                           putPostOperations(shifted.postOperations);
                         },
                         [&](const Pointwise & pointwise) { putPostOperations(pointwise.postOperations); },
                         [&](const Insertion & insertion)
                         {
                           put("begin", ToString(insertion.begin));
                           if (!AllEqual(insertion.step, 1))
                           {
                             put("step", ToString(insertion.step));
                           }
                         },
                         [&](const TransposedConvolution & conv)
                         {
                           putStride(conv);
                           putWindow(conv);
                           putGroups(conv);
                           put("size", ToString(conv.size));
                           putPostOperations(conv.postOperations);
                         },
                         [&](const ConvolutionWeightsGradient & conv)
                         {
                           put("kernel", ToString(conv.kernel));
                           putStride(conv);
                           putWindow(conv);
                           putGroups(conv);
                         },
                         [&](const PoolingGradient & gradient)
                         {
                           putPooling(gradient.pooling);
                           put("size", ToString(gradient.size));
                         },
                         [&](const TransposedInterpolation & interpolation) { putInterpolation(interpolation); },
                         [&](const Gather & gather) { put("axis", gather.axis); },
                         [&](const ScatterAdd & scatter)
                         {
                           put("axis", scatter.axis);
                           put("size", scatter.size);
                         },
                         [&](const BitMask & mask) { put("shape", ToString(mask.shape)); },
                         [&](const Barrier & barrier)
                         {
                           if (barrier.stopsGradient)
                           {
                             put("stopsGradient", "yes");
                           }
                         },
                         [](const LovaszWeights &) {},
                         putSampling,
                         [&](const TransposedSampling & transposed)
                         {
                           putSampling(transposed.sampling);
                           put("size", ToString(transposed.size));
                         },
                         [&](const SamplingCoordinatesGradient & gradient) { putSampling(gradient.sampling); } },
             op);
  return out.str();
}

ValueType
InferOutput(Operator & op, const std::vector<ValueType> & inputs)
{
  try
  {
    return std::visit([&](auto & parameters) { return Infer(parameters, inputs); }, op);
  }
  catch (const Error & error)
  {
    itkNNThrowMacro(GetName(op) << ": " << error.GetDescription());
  }
}

double
CountFlops(const Operator & op, const std::vector<ValueType> & inputs, const ValueType & output)
{
  const auto tapsOf = [](const Shape & weights)
  { return static_cast<double>(NumberOfElements(Shape(weights.begin() + 1, weights.end()))); };
  return std::visit(
    Overloaded{ [&](const Convolution &) { return 2 * tapsOf(inputs[1].shape) * Elements(output); },
                [&](const TransposedConvolution &) { return 2 * tapsOf(inputs[1].shape) * Elements(inputs[0]); },
                [&](const ConvolutionWeightsGradient &) { return 2 * tapsOf(output.shape) * Elements(inputs[1]); },
                [&](const MatrixProduct & product)
                {
                  const Shape & a = inputs[0].shape;
                  return 2 * static_cast<double>(a[a.size() - (product.transposeA ? 2 : 1)]) * Elements(output);
                },
                [&](const Reshape &) { return 0.0; },
                [&](const Barrier &) { return 0.0; },
                [&](const auto &)
                {
                  double read = 0;
                  for (const auto & input : inputs)
                  {
                    read += Elements(input);
                  }
                  return std::max(read, Elements(output));
                } },
    op);
}

const std::vector<PostOperation> *
GetPostOperations(const Operator & op)
{
  return GetPostOperations(const_cast<Operator &>(op));
}

std::vector<PostOperation> *
GetPostOperations(Operator & op)
{
  using Result = std::vector<PostOperation> *;
  return std::visit(
    Overloaded{ [](Convolution & convolution) -> Result { return &convolution.postOperations; },
                [](ShiftedInterpolation & interpolation) -> Result { return &interpolation.postOperations; },
                [](Pointwise & pointwise) -> Result { return &pointwise.postOperations; },
                [](TransposedConvolution & convolution) -> Result { return &convolution.postOperations; },
                [](auto &) -> Result { return nullptr; } },
    op);
}

Slice
GetPatchSlice(const Insertion & op, const Shape & patch)
{
  Slice slice{ op.begin, op.begin, op.step };
  for (std::size_t i = 0; i < patch.size(); ++i)
  {
    slice.end[i] += patch[i] > 0 ? (patch[i] - 1) * op.step[i] + 1 : 0;
  }
  return slice;
}

bool
IsProduct(const Operator & op)
{
  return std::holds_alternative<Convolution>(op) || std::holds_alternative<TransposedConvolution>(op) ||
         std::holds_alternative<ConvolutionWeightsGradient>(op) || std::holds_alternative<MatrixProduct>(op);
}

bool
MovesElements(const Operator & op)
{
  return std::holds_alternative<Concatenation>(op) || std::holds_alternative<Slice>(op) ||
         std::holds_alternative<Permutation>(op) || std::holds_alternative<Broadcast>(op) ||
         std::holds_alternative<Reshape>(op) || std::holds_alternative<Insertion>(op) ||
         std::holds_alternative<Gather>(op) || std::holds_alternative<Barrier>(op);
}

template <typename T>
T
Evaluate(const Unary & unary, T x)
{
  const auto alpha = static_cast<T>(unary.alpha);
  const auto beta = static_cast<T>(unary.beta);
  const auto sigmoid = [](T v) { return T(1) / (T(1) + std::exp(-v)); };
  switch (unary.function)
  {
    case UnaryFunction::Relu:
      return x < T(0) ? T(0) : x;
    case UnaryFunction::LeakyRelu:
      return x < T(0) ? alpha * x : x;
    case UnaryFunction::Elu:
      return x < T(0) ? alpha * std::expm1(x) : x;
    case UnaryFunction::Sigmoid:
      return sigmoid(x);
    case UnaryFunction::Tanh:
      return std::tanh(x);
    case UnaryFunction::Gelu:
      return T(0.5) * x * (T(1) + std::erf(x * T(0.70710678118654752440)));
    case UnaryFunction::Silu:
      return x * sigmoid(x);
    case UnaryFunction::Softplus:
      return std::max(x, T(0)) + std::log1p(std::exp(-std::abs(x)));
    case UnaryFunction::Exp:
      return std::exp(x);
    case UnaryFunction::Log:
      return std::log(x);
    case UnaryFunction::Sqrt:
      return std::sqrt(x);
    case UnaryFunction::ReciprocalSqrt:
      return T(1) / std::sqrt(x);
    case UnaryFunction::Reciprocal:
      return T(1) / x;
    case UnaryFunction::Square:
      return x * x;
    case UnaryFunction::Abs:
      return std::abs(x);
    case UnaryFunction::Negate:
      return -x;
    case UnaryFunction::Erf:
      return std::erf(x);
    case UnaryFunction::RoundHalfEven:
      // The default rounding mode is to nearest, ties to even.
      return std::nearbyint(x);
    case UnaryFunction::Clip:
      return x < alpha ? alpha : (x > beta ? beta : x);
    case UnaryFunction::Linear:
      return alpha * x + beta;
  }
  return x;
}

template <typename T>
T
Evaluate(const Binary & binary, T a, T b)
{
  switch (binary.function)
  {
    case BinaryFunction::Add:
      return a + b;
    case BinaryFunction::Subtract:
      return a - b;
    case BinaryFunction::Multiply:
      return a * b;
    case BinaryFunction::Divide:
      return a / b;
    case BinaryFunction::Minimum:
      return std::isnan(a) || a < b ? a : b;
    case BinaryFunction::Maximum:
      return std::isnan(a) || a > b ? a : b;
    case BinaryFunction::Power:
      return std::pow(a, b);
    case BinaryFunction::Greater:
      return a > b ? T(1) : T(0);
    case BinaryFunction::Equal:
      return a == b ? T(1) : T(0);
    case BinaryFunction::PRelu:
      return a > T(0) ? a : b * a;
    case BinaryFunction::Gate:
      return b > T(0) ? a : static_cast<T>(binary.alpha) * a;
  }
  return a;
}

template float Evaluate(const Unary &, float);
template double Evaluate(const Unary &, double);
template float Evaluate(const Binary &, float, float);
template double Evaluate(const Binary &, double, double);

namespace
{
template <typename T>
std::vector<InterpolationTap>
TapsInPrecision(const Interpolation & op, std::int64_t in, std::int64_t out)
{
  std::vector<InterpolationTap> taps(static_cast<std::size_t>(out));
  const T scale = op.alignCorners ? (out > 1 ? static_cast<T>(in - 1) / static_cast<T>(out - 1) : T(0))
                                  : static_cast<T>(in) / static_cast<T>(out);
  for (std::int64_t i = 0; i < out; ++i)
  {
    InterpolationTap & tap = taps[static_cast<std::size_t>(i)];
    if (op.mode == InterpolationMode::Nearest)
    {
      if (std::is_same<T, double>::value && !op.alignCorners)
      {
        // Rounding of the scale would miss whole positions, as 49 * (1.0 / 49) < 1 shows.
        tap.low = i * in / out;
      }
      else
      {
        const T position = op.alignCorners ? static_cast<T>(i) * scale + T(0.5) : static_cast<T>(i) * scale;
        tap.low = std::min(static_cast<std::int64_t>(position), in - 1);
      }
      tap.high = tap.low;
      tap.weight = 0;
    }
    else
    {
      const T position =
        op.alignCorners ? static_cast<T>(i) * scale : std::max(T(0), (static_cast<T>(i) + T(0.5)) * scale - T(0.5));
      tap.low = std::min(static_cast<std::int64_t>(position), in - 1);
      tap.high = std::min(tap.low + 1, in - 1);
      tap.weight = static_cast<double>(std::min(std::max(position - static_cast<T>(tap.low), T(0)), T(1)));
    }
  }
  return taps;
}
} // namespace

std::vector<InterpolationTap>
InterpolationTaps(const Interpolation & op, std::int64_t in, std::int64_t out, DataType precision)
{
  return precision == DataType::Float64 ? TapsInPrecision<double>(op, in, out) : TapsInPrecision<float>(op, in, out);
}

namespace
{
/** A position and how it moves with the coordinate. */
template <typename T>
struct MovedPosition
{
  T at;
  T slope;
};

/** Back and forth between 0 and `last`. */
template <typename T>
MovedPosition<T>
Mirror(MovedPosition<T> position, T last)
{
  position.slope = position.at < 0 ? -position.slope : position.slope;
  position.at = std::fmod(std::abs(position.at), 2 * last);
  return position.at > last ? MovedPosition<T>{ 2 * last - position.at, -position.slope } : position;
}

/** Of a coordinate outside of an axis. */
template <typename T>
MovedPosition<T>
MoveInside(const Sampling & op, T coordinate, T last)
{
  const T extent = last + 1;
  MovedPosition<T> position{ coordinate, 1 };
  switch (op.boundary)
  {
    case BoundaryMode::Constant:
      break;
    case BoundaryMode::Reflect:
      if (op.cudaSpatialDeformRules)
      {
        position.at = std::fmod(coordinate, 2 * extent);
        position.at += position.at < 0 ? 2 * extent : 0;
        return Mirror(position.at >= extent ? MovedPosition<T>{ 2 * extent - 1 - position.at, -1 } : position, last);
      }
      // From the outer edge of the first voxel to that of the last one.
      position = Mirror<T>({ coordinate + T(0.5), 1 }, extent);
      position.at -= T(0.5);
      break;
    case BoundaryMode::Mirror:
      return Mirror(position, last);
    case BoundaryMode::Nearest:
      if (op.cudaSpatialDeformRules && coordinate > 0)
      {
        return { last - T(1e-5), 0 };
      }
      break;
    case BoundaryMode::Wrap:
      position.at = std::fmod(coordinate, last);
      position.at += coordinate < 0 ? last : 0;
      break;
  }
  return position;
}
} // namespace

template <typename T>
SamplingTap
GetSamplingTap(const Sampling & op, T coordinate, std::int64_t extent)
{
  const auto last = static_cast<T>(extent - 1);
  const bool isInside = coordinate >= 0 && (op.cudaSpatialDeformRules ? coordinate < last : coordinate <= last);
  SamplingTap tap;
  tap.isOutside = op.boundary == BoundaryMode::Constant && !isInside;
  MovedPosition<T> position = isInside ? MovedPosition<T>{ coordinate, 1 } : MoveInside(op, coordinate, last);
  // Of what is not a number, too.
  if (!(position.at >= 0))
  {
    position = { 0, 0 };
  }
  else if (position.at > last)
  {
    position = { last, 0 };
  }
  tap.low = static_cast<std::int64_t>(position.at);
  tap.high = std::min(tap.low + 1, extent - 1);
  const T fraction = position.at - static_cast<T>(tap.low);
  if (op.mode == InterpolationMode::Nearest)
  {
    tap.low = fraction < T(0.5) ? tap.low : tap.high;
    tap.high = tap.low;
    return tap;
  }
  tap.weight = static_cast<double>(fraction);
  tap.slope = static_cast<double>(position.slope);
  return tap;
}

template SamplingTap GetSamplingTap(const Sampling &, float, std::int64_t);
template SamplingTap GetSamplingTap(const Sampling &, double, std::int64_t);
} // namespace nn
} // namespace itk
