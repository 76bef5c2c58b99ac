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
#include "itkNNNaiveOperators.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace itk
{
namespace nn
{
namespace test
{
namespace
{
using Tensors = std::vector<Tensor>;

/** Element of an operand that broadcasts, at an index of the result. */
double
Broadcasted(const Tensor & tensor, const Shape & index)
{
  const std::size_t added = index.size() - static_cast<std::size_t>(tensor.GetRank());
  Shape own(tensor.GetShape().size());
  for (std::size_t i = 0; i < own.size(); ++i)
  {
    own[i] = tensor.GetShape()[i] == 1 ? 0 : index[added + i];
  }
  return tensor.GetElement(own);
}

/** The value of an operator at one index of its result. */
double
NaivePostOperations(const std::vector<PostOperation> & operations,
                    const Tensors & in,
                    std::size_t operand,
                    const Shape & index,
                    double value)
{
  for (const auto & post : operations)
  {
    if (const auto * unary = std::get_if<Unary>(&post.operation))
    {
      value = Evaluate(*unary, value);
    }
    else
    {
      value = Evaluate(std::get<Binary>(post.operation), value, Broadcasted(in[operand++], index));
    }
  }
  return value;
}

double
Naive(const Convolution & op, const Tensors & in, const Shape & index, const Shape & shape)
{
  const std::size_t rank = op.stride.size();
  const std::size_t channelAxis = index.size() - rank - 1;
  const Shape & weights = in[1].GetShape();
  const std::int64_t out = index[channelAxis];
  const std::int64_t firstChannel = out / (shape[channelAxis] / op.groups) * weights[1];
  double sum = op.hasBias ? in[2].GetElement({ out }) : 0;
  ForEach(Shape(weights.begin() + 1, weights.end()),
          [&](const Shape & tap)
          {
            Shape at = index;
            at[channelAxis] = firstChannel + tap[0];
            Shape weight{ out };
            weight.insert(weight.end(), tap.begin(), tap.end());
            for (std::size_t d = 0; d < rank; ++d)
            {
              std::int64_t & position = at[channelAxis + 1 + d];
              position = position * op.stride[d] - op.padding[d] + tap[1 + d] * op.dilation[d];
              if (position < 0 || position >= in[0].GetShape()[channelAxis + 1 + d])
              {
                return;
              }
            }
            sum += in[0].GetElement(at) * in[1].GetElement(weight);
          });
  std::size_t operand = op.hasBias ? 3 : 2;
  return NaivePostOperations(op.postOperations, in, operand, index, sum);
}

double
Naive(const Pooling & op, const Tensors & in, const Shape & index, const Shape &)
{
  const std::size_t first = index.size() - op.kernel.size();
  double maximum = -std::numeric_limits<double>::infinity();
  double sum = 0;
  int inside = 0;
  int all = 0;
  ForEach(op.kernel,
          [&](const Shape & tap)
          {
            Shape at = index;
            ++all;
            for (std::size_t d = 0; d < tap.size(); ++d)
            {
              at[first + d] = index[first + d] * op.stride[d] - op.padding[d] + tap[d];
              if (at[first + d] < 0 || at[first + d] >= in[0].GetShape()[first + d])
              {
                return;
              }
            }
            const double value = in[0].GetElement(at);
            maximum = std::max(maximum, value);
            sum += value;
            ++inside;
          });
  return op.function == PoolingFunction::Maximum ? maximum : sum / (op.includePadding ? all : inside);
}

double
Naive(const Interpolation & op, const Tensors & in, const Shape & index, const Shape &)
{
  const std::size_t first = index.size() - op.size.size();
  std::vector<double> positions;
  for (std::size_t d = 0; d < op.size.size(); ++d)
  {
    const auto n = static_cast<double>(in[0].GetShape()[first + d]);
    const auto m = static_cast<double>(op.size[d]);
    const auto i = static_cast<double>(index[first + d]);
    const double corners = m > 1 ? i * (n - 1) / (m - 1) : 0;
    double position = op.alignCorners ? corners : (i + 0.5) * n / m - 0.5;
    if (op.mode == InterpolationMode::Nearest)
    {
      position = op.alignCorners ? std::floor(corners + 0.5) : std::floor(i * n / m);
    }
    positions.push_back(std::min(std::max(position, 0.0), n - 1));
  }
  double sum = 0;
  ForEach(Shape(positions.size(), 2),
          [&](const Shape & corner)
          {
            Shape at = index;
            double weight = 1;
            for (std::size_t d = 0; d < positions.size(); ++d)
            {
              const double low = std::floor(positions[d]);
              at[first + d] = std::min(static_cast<std::int64_t>(low) + corner[d], in[0].GetShape()[first + d] - 1);
              weight *= corner[d] == 1 ? positions[d] - low : 1 - (positions[d] - low);
            }
            sum += weight * in[0].GetElement(at);
          });
  return sum;
}

double
Naive(const ShiftedInterpolation & op, const Tensors & in, const Shape & index, const Shape & shape)
{
  const std::size_t channelAxis = index.size() - op.kernel.size() - 1;
  double sum = 0;
  std::int64_t number = 0;
  ForEach(op.kernel,
          [&](const Shape & tap)
          {
            Shape at = index;
            at[channelAxis] += number++ * shape[channelAxis];
            bool inside = true;
            for (std::size_t d = 0; d < tap.size(); ++d)
            {
              std::int64_t & position = at[channelAxis + 1 + d];
              position += op.dilation[d] * tap[d] - op.padding[d];
              inside = inside && position >= 0 && position < op.interpolation.size[d];
            }
            sum += inside ? Naive(op.interpolation, in, at, shape) : 0;
          });
  return NaivePostOperations(op.postOperations, in, 1, index, sum);
}

double
Naive(const Pointwise & op, const Tensors & in, const Shape & index, const Shape &)
{
  return NaivePostOperations(op.postOperations, in, 1, index, Broadcasted(in[0], index));
}

double
Naive(const Insertion & op, const Tensors & in, const Shape & index, const Shape &)
{
  Shape at = index;
  for (std::size_t d = 0; d < at.size(); ++d)
  {
    at[d] -= op.begin[d];
    if (at[d] < 0 || at[d] % op.step[d] != 0 || at[d] / op.step[d] >= in[1].GetShape()[d])
    {
      return in[0].GetElement(index);
    }
    at[d] /= op.step[d];
  }
  return in[1].GetElement(at);
}

double
Naive(const Concatenation & op, const Tensors & in, const Shape & index, const Shape &)
{
  const auto axis = static_cast<std::size_t>(op.axis);
  Shape at = index;
  std::size_t part = 0;
  while (at[axis] >= in[part].GetShape()[axis])
  {
    at[axis] -= in[part++].GetShape()[axis];
  }
  return Broadcasted(in[part], at);
}

double
Naive(const Slice & op, const Tensors & in, const Shape & index, const Shape &)
{
  Shape at = index;
  for (std::size_t i = 0; i < at.size(); ++i)
  {
    at[i] = op.begin[i] + index[i] * op.step[i];
  }
  return in[0].GetElement(at);
}

double
Naive(const Reshape &, const Tensors & in, const Shape & index, const Shape & shape)
{
  std::int64_t number = 0;
  for (std::size_t i = 0; i < shape.size(); ++i)
  {
    number = number * shape[i] + index[i];
  }
  Shape at(in[0].GetShape().size());
  for (std::size_t i = at.size(); i-- > 0;)
  {
    at[i] = number % in[0].GetShape()[i];
    number /= in[0].GetShape()[i];
  }
  return in[0].GetElement(at);
}

double
Naive(const Permutation & op, const Tensors & in, const Shape & index, const Shape &)
{
  Shape at(index.size());
  for (std::size_t i = 0; i < at.size(); ++i)
  {
    at[static_cast<std::size_t>(op.order[i])] = index[i];
  }
  return in[0].GetElement(at);
}

double
Naive(const Broadcast &, const Tensors & in, const Shape & index, const Shape &)
{
  return Broadcasted(in[0], index);
}

double
Naive(const Unary & op, const Tensors & in, const Shape & index, const Shape &)
{
  return Evaluate(op, in[0].GetElement(index));
}

double
Naive(const Binary & op, const Tensors & in, const Shape & index, const Shape &)
{
  return Evaluate(op, Broadcasted(in[0], index), Broadcasted(in[1], index));
}

double
Naive(const Reduction & op, const Tensors & in, const Shape & index, const Shape &)
{
  const Shape & src = in[0].GetShape();
  Shape extents(src.size(), 1);
  Shape start(src.size(), 0);
  std::size_t next = 0;
  for (std::size_t i = 0; i < src.size(); ++i)
  {
    const bool reduced = std::find(op.axes.begin(), op.axes.end(), static_cast<int>(i)) != op.axes.end();
    if (reduced)
    {
      extents[i] = src[i];
      next += op.keepAxes ? 1 : 0;
    }
    else
    {
      start[i] = index[next++];
    }
  }
  double sum = 0;
  double squares = 0;
  double count = 0;
  double maximum = -std::numeric_limits<double>::infinity();
  double minimum = std::numeric_limits<double>::infinity();
  ForEach(extents,
          [&](const Shape & offset)
          {
            Shape at = start;
            for (std::size_t i = 0; i < at.size(); ++i)
            {
              at[i] += offset[i];
            }
            const double value = in[0].GetElement(at);
            sum += value;
            squares += value * value;
            count += 1;
            maximum = std::max(maximum, value);
            minimum = std::min(minimum, value);
          });
  switch (op.function)
  {
    case ReductionFunction::Sum:
      return sum;
    case ReductionFunction::Mean:
      return sum / count;
    case ReductionFunction::Maximum:
      return maximum;
    case ReductionFunction::Variance:
      return squares / count - sum / count * sum / count;
    case ReductionFunction::Minimum:
      break;
  }
  return minimum;
}

double
Naive(const Softmax & op, const Tensors & in, const Shape & index, const Shape & shape)
{
  const auto axis = static_cast<std::size_t>(op.axis);
  Shape at = index;
  double maximum = -std::numeric_limits<double>::infinity();
  for (at[axis] = 0; at[axis] < shape[axis]; ++at[axis])
  {
    maximum = std::max(maximum, in[0].GetElement(at));
  }
  double sum = 0;
  for (at[axis] = 0; at[axis] < shape[axis]; ++at[axis])
  {
    sum += std::exp(in[0].GetElement(at) - maximum);
  }
  const double value = in[0].GetElement(index) - maximum;
  return op.logarithm ? value - std::log(sum) : std::exp(value) / sum;
}

double
Naive(const MatrixProduct & op, const Tensors & in, const Shape & index, const Shape &)
{
  const Shape & a = in[0].GetShape();
  const std::int64_t inner = a[a.size() - (op.transposeA ? 2 : 1)];
  const std::size_t last = index.size() - 1;
  double sum = 0;
  for (std::int64_t k = 0; k < inner; ++k)
  {
    Shape atA = index;
    Shape atB = index;
    atA[last - 1] = op.transposeA ? k : index[last - 1];
    atA[last] = op.transposeA ? index[last - 1] : k;
    atB[last - 1] = op.transposeB ? index[last] : k;
    atB[last] = op.transposeB ? k : index[last];
    // An extent of 1 that is no batch axis is indexed by 0 anyway.
    sum += Broadcasted(in[0], atA) * Broadcasted(in[1], atB);
  }
  return sum;
}

/** The position that a convolution's window has for a tap, from an input's
 * position; false when there is none. */
bool
InvertWindow(std::int64_t position,
             std::int64_t tap,
             std::int64_t stride,
             std::int64_t padding,
             std::int64_t dilation,
             std::int64_t extent,
             std::int64_t & result)
{
  const std::int64_t shifted = position + padding - tap * dilation;
  result = shifted / stride;
  return shifted >= 0 && shifted % stride == 0 && result < extent;
}

double
Naive(const TransposedConvolution & op, const Tensors & in, const Shape & index, const Shape & shape)
{
  const std::size_t rank = op.stride.size();
  const std::size_t channelAxis = index.size() - rank - 1;
  const Shape & weights = in[1].GetShape();
  const std::int64_t group = index[channelAxis] / (shape[channelAxis] / op.groups);
  const std::int64_t channels = weights[0] / op.groups;
  Shape taps{ channels };
  taps.insert(taps.end(), weights.begin() + 2, weights.end());
  double sum = 0;
  ForEach(
    taps,
    [&](const Shape & tap)
    {
      Shape at = index;
      at[channelAxis] = group * channels + tap[0];
      Shape weight{ at[channelAxis], index[channelAxis] % weights[1] };
      weight.insert(weight.end(), tap.begin() + 1, tap.end());
      for (std::size_t d = 0; d < rank; ++d)
      {
        const std::size_t axis = channelAxis + 1 + d;
        if (!InvertWindow(
              index[axis], tap[1 + d], op.stride[d], op.padding[d], op.dilation[d], in[0].GetShape()[axis], at[axis]))
        {
          return;
        }
      }
      sum += in[0].GetElement(at) * in[1].GetElement(weight);
    });
  return NaivePostOperations(op.postOperations, in, 2, index, sum);
}

double
Naive(const ConvolutionWeightsGradient & op, const Tensors & in, const Shape & index, const Shape & shape)
{
  const std::size_t rank = op.kernel.size();
  const std::size_t channelAxis = in[0].GetShape().size() - rank - 1;
  Shape positions = in[1].GetShape();
  positions[channelAxis] = 1;
  double sum = 0;
  ForEach(positions,
          [&](const Shape & position)
          {
            Shape to = position;
            Shape from = position;
            to[channelAxis] = index[0];
            from[channelAxis] = index[0] / (shape[0] / op.groups) * shape[1] + index[1];
            for (std::size_t d = 0; d < rank; ++d)
            {
              std::int64_t & at = from[channelAxis + 1 + d];
              at = at * op.stride[d] - op.padding[d] + index[2 + d] * op.dilation[d];
              if (at < 0 || at >= in[0].GetShape()[channelAxis + 1 + d])
              {
                return;
              }
            }
            sum += in[0].GetElement(from) * in[1].GetElement(to);
          });
  return sum;
}

double
Naive(const PoolingGradient & op, const Tensors & in, const Shape & index, const Shape & shape)
{
  const Pooling & pooling = op.pooling;
  const std::size_t first = index.size() - op.size.size();
  const Shape & pooled = in[0].GetShape();
  double sum = 0;
  ForEach(Shape(pooled.begin() + static_cast<std::ptrdiff_t>(first), pooled.end()),
          [&](const Shape & position)
          {
            Shape best;
            double maximum = 0;
            double inside = 0;
            bool contains = false;
            ForEach(pooling.kernel,
                    [&](const Shape & tap)
                    {
                      Shape at = index;
                      for (std::size_t d = 0; d < tap.size(); ++d)
                      {
                        at[first + d] = position[d] * pooling.stride[d] - pooling.padding[d] + tap[d];
                        if (at[first + d] < 0 || at[first + d] >= shape[first + d])
                        {
                          return;
                        }
                      }
                      inside += 1;
                      contains = contains || at == index;
                      const double value = in.size() > 1 ? in[1].GetElement(at) : 0;
                      if (best.empty() || value > maximum)
                      {
                        maximum = value;
                        best = at;
                      }
                    });
            Shape to = index;
            std::copy(position.begin(), position.end(), to.begin() + static_cast<std::ptrdiff_t>(first));
            const double gradient = in[0].GetElement(to);
            const double all = static_cast<double>(NumberOfElements(pooling.kernel));
            if (pooling.function == PoolingFunction::Average)
            {
              sum += contains ? gradient / (pooling.includePadding ? all : inside) : 0;
            }
            else
            {
              sum += best == index ? gradient : 0;
            }
          });
  return sum;
}

double
Naive(const TransposedInterpolation & op, const Tensors & in, const Shape & index, const Shape &)
{
  // What one element of the interpolation's src gives to each of its outputs.
  const auto rank = static_cast<std::ptrdiff_t>(op.size.size());
  const Shape & src = in[0].GetShape();
  const Shape extents(src.end() - rank, src.end());
  Tensor unit = Tensor::Zeros(op.size, DataType::Float64);
  unit.SetElement(Shape(index.end() - rank, index.end()), 1);
  const Interpolation interpolation{ op.mode, extents, op.alignCorners };
  double sum = 0;
  ForEach(extents,
          [&](const Shape & position)
          {
            Shape at = index;
            std::copy(position.begin(), position.end(), at.end() - rank);
            sum += Naive(interpolation, { unit }, position, extents) * in[0].GetElement(at);
          });
  return sum;
}

double
Naive(const Barrier &, const Tensors & in, const Shape & index, const Shape &)
{
  return in[0].GetElement(index);
}

/** By the definition, with the Jaccard indices of two sets. */
double
Naive(const LovaszWeights &, const Tensors & in, const Shape & index, const Shape & shape)
{
  Shape at = index;
  const auto valueOf = [&](int input, std::int64_t element)
  {
    at.back() = element;
    return in[static_cast<std::size_t>(input)].GetElement(at);
  };
  const double error = valueOf(0, index.back());
  double structure = 0;
  double before = 0;
  double found = 0;
  for (std::int64_t element = 0; element < shape.back(); ++element)
  {
    const double other = valueOf(0, element);
    const double isForeground = valueOf(1, element) > 0.5 ? 1 : 0;
    structure += isForeground;
    if (other > error || (other == error && element < index.back()))
    {
      before += 1;
      found += isForeground;
    }
  }
  const auto loss = [structure](double count, double hits)
  { return count == 0 ? 0 : 1 - (structure - hits) / (structure + count - hits); };
  const double own = valueOf(1, index.back()) > 0.5 ? 1 : 0;
  return loss(before + 1, found + own) - loss(before, found);
}

double
Naive(const Gather & op, const Tensors & in, const Shape & index, const Shape &)
{
  const auto axis = static_cast<std::ptrdiff_t>(op.axis);
  const auto rank = static_cast<std::ptrdiff_t>(in[1].GetShape().size());
  Shape at(index.begin(), index.begin() + axis);
  const Shape number(index.begin() + axis, index.begin() + axis + rank);
  at.push_back(static_cast<std::int64_t>(in[1].GetElement(number)));
  at.insert(at.end(), index.begin() + axis + rank, index.end());
  return in[0].GetElement(at);
}

double
Naive(const BitMask &, const Tensors & in, const Shape & index, const Shape & shape)
{
  std::int64_t element = 0;
  for (std::size_t axis = 0; axis < shape.size(); ++axis)
  {
    element = element * shape[axis] + index[axis];
  }
  const auto byte = static_cast<int>(in[0].GetElement({ element / 8 }));
  const bool isSet = byte / (1 << static_cast<int>(element % 8)) % 2 == 1;
  return isSet ? in[1].ToVector<double>()[0] : 0;
}

double
Naive(const ScatterAdd & op, const Tensors & in, const Shape & index, const Shape &)
{
  const auto axis = static_cast<std::ptrdiff_t>(op.axis);
  double sum = 0;
  ForEach(in[1].GetShape(),
          [&](const Shape & number)
          {
            Shape at(index.begin(), index.begin() + axis);
            at.insert(at.end(), number.begin(), number.end());
            at.insert(at.end(), index.begin() + axis + 1, index.end());
            sum += static_cast<std::int64_t>(in[1].GetElement(number)) == index[static_cast<std::size_t>(axis)]
                   ? in[0].GetElement(at)
                   : 0;
          });
  return sum;
}

/** A position within an axis, walked to from wherever it is; false of Constant outside. */
bool
WalkInside(const Sampling & op, std::int64_t extent, double & at)
{
  const auto n = static_cast<double>(extent);
  const double last = n - 1;
  const bool isHalfOpen = op.cudaSpatialDeformRules;
  switch (op.boundary)
  {
    case BoundaryMode::Constant:
      return at >= 0 && at <= last && !(isHalfOpen && at == last);
    case BoundaryMode::Reflect:
      while (!isHalfOpen && (at < -0.5 || at > n - 0.5))
      {
        at = at < -0.5 ? -1 - at : 2 * n - 1 - at;
      }
      while (isHalfOpen && (at < 0 || at >= 2 * n))
      {
        at += at < 0 ? 2 * n : -2 * n;
      }
      at = isHalfOpen && at >= n ? 2 * n - 1 - at : at;
      at = isHalfOpen && at < 0 ? -at : isHalfOpen && at > last ? 2 * last - at : at;
      at = std::min(std::max(at, 0.0), last);
      return true;
    case BoundaryMode::Mirror:
      while (last > 0 && (at < 0 || at > last))
      {
        at = at < 0 ? -at : 2 * last - at;
      }
      at = last > 0 ? at : 0;
      return true;
    case BoundaryMode::Nearest:
      at = std::max(0.0, std::min(at, last));
      at = isHalfOpen && at == last && last > 0 ? last - 1e-5 : at;
      return true;
    case BoundaryMode::Wrap:
      if (last == 0)
      {
        at = 0;
      }
      else if (at < 0)
      {
        while (at <= 0)
        {
          at += last;
        }
      }
      else if (at > last || isHalfOpen)
      {
        while (at >= last)
        {
          at -= last;
        }
      }
      return true;
  }
  return true;
}

/** A Sampling's value at [image, channel, position...]; its change with a coordinate's
 * by `axis`. */
double
NaiveSample(const Sampling & op, const Tensor & src, const Tensor & coordinates, const Shape & index, int axis = -1)
{
  const Shape extents(src.GetShape().begin() + 2, src.GetShape().end());
  Shape from = index;
  from[0] = coordinates.GetShape()[0] == 1 ? 0 : index[0];
  std::vector<double> places;
  std::vector<double> slopes;
  for (std::size_t d = 0; d < extents.size(); ++d)
  {
    from[1] = static_cast<std::int64_t>(d);
    const double coordinate = coordinates.GetElement(from);
    places.push_back(coordinate);
    if (!WalkInside(op, extents[d], places[d]))
    {
      return axis < 0 ? op.value : 0;
    }
    constexpr double step = 1e-7;
    double moved = coordinate + step;
    slopes.push_back(WalkInside(op, extents[d], moved) ? std::round((moved - places[d]) / step) : 1);
  }
  double sum = 0;
  ForEach(Shape(extents.size(), 2),
          [&](const Shape & corner)
          {
            Shape at{ index[0], index[1] };
            double weight = 1;
            for (std::size_t d = 0; d < extents.size(); ++d)
            {
              const double low = std::floor(places[d]);
              double fraction = places[d] - low;
              const bool isSlope = static_cast<int>(d) == axis;
              if (op.mode == InterpolationMode::Nearest)
              {
                fraction = fraction >= 0.5 ? 1 : 0;
              }
              weight *= isSlope ? (corner[d] == 1 ? slopes[d] : -slopes[d]) : corner[d] == 1 ? fraction : 1 - fraction;
              at.push_back(std::min(static_cast<std::int64_t>(low) + corner[d], extents[d] - 1));
            }
            sum += weight * src.GetElement(at);
          });
  return sum;
}

double
Naive(const Sampling & op, const Tensors & in, const Shape & index, const Shape &)
{
  return NaiveSample(op, in[0], in[1], index);
}

double
Naive(const TransposedSampling & op, const Tensors & in, const Shape & index, const Shape & shape)
{
  // What one element of the sampling's src gives to each of its outputs.
  Tensor unit = Tensor::Zeros(shape, DataType::Float64);
  unit.SetElement(index, 1);
  Sampling sampling = op.sampling;
  sampling.value = 0;
  double sum = 0;
  ForEach(Shape(in[0].GetShape().begin() + 2, in[0].GetShape().end()),
          [&](const Shape & position)
          {
            Shape at{ index[0], index[1] };
            at.insert(at.end(), position.begin(), position.end());
            sum += NaiveSample(sampling, unit, in[1], at) * in[0].GetElement(at);
          });
  return sum;
}

double
Naive(const SamplingCoordinatesGradient & op, const Tensors & in, const Shape & index, const Shape & shape)
{
  if (op.sampling.mode == InterpolationMode::Nearest)
  {
    return 0;
  }
  double sum = 0;
  for (std::int64_t image = 0; image < in[1].GetShape()[0]; ++image)
  {
    for (std::int64_t channel = 0; channel < in[1].GetShape()[1] && (shape[0] == 1 || image == index[0]); ++channel)
    {
      Shape at = index;
      at[0] = image;
      at[1] = channel;
      sum += in[0].GetElement(at) * NaiveSample(op.sampling, in[1], in[2], at, static_cast<int>(index[1]));
    }
  }
  return sum;
}
} // namespace

Tensor
RunNaive(const TableRow & row, const std::vector<Tensor> & inputs)
{
  Operator op = row.op;
  std::vector<ValueType> types;
  for (const auto & input : inputs)
  {
    types.push_back({ input.GetShape(), input.GetDataType() });
  }
  const Shape shape = InferOutput(op, types).shape;
  Tensor result(shape, DataType::Float64);
  double * next = result.GetData<double>();
  ForEach(
    shape,
    [&](const Shape & index)
    { *next++ = std::visit([&](const auto & parameters) { return Naive(parameters, inputs, index, shape); }, op); });
  return result;
}
} // namespace test
} // namespace nn
} // namespace itk
