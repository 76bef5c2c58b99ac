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
#include "itkNNLayers.h"

#include <cmath>
#include <numeric>

namespace itk
{
namespace nn
{
namespace
{
using UF = UnaryFunction;
using BF = BinaryFunction;

/** -rank, ..., -1. */
std::vector<int>
LastAxes(std::size_t rank)
{
  std::vector<int> axes(rank);
  std::iota(axes.begin(), axes.end(), -static_cast<int>(rank));
  return axes;
}

void
RequireChannels(const Graph & graph, ValueId x, std::size_t rank, const std::string & name)
{
  itkNNRequireMacro(graph.GetShape(x).size() > rank,
                    "In '" << name << "': x " << ToString(graph.GetShape(x)) << " should be [batch..., channels, "
                           << "spatial...] with " << rank << " spatial axes");
}

/** A vector of one value a channel as [C, 1...]. */
ValueId
ToChannels(Graph & graph, ValueId vector, std::size_t rank, const std::string & name)
{
  Shape shape{ NumberOfElements(graph.GetShape(vector)) };
  shape.resize(1 + rank, 1);
  return rank == 0 ? vector : graph.Add(Reshape{ shape }, { vector }, name);
}

/** 1 / sqrt(variance + epsilon). */
ValueId
InvertDeviation(Graph & graph, ValueId variance, double epsilon, const std::string & name)
{
  return graph.Apply(UF::ReciprocalSqrt, graph.Apply(UF::Linear, variance, 1, epsilon, name), 0, 0, name);
}

/** x less its mean, and what it is to be multiplied by. */
struct Centred
{
  ValueId value;
  ValueId factor;
};

Centred
Centre(Graph & graph,
       ValueId x,
       std::vector<int> axes,
       double epsilon,
       const std::string & name,
       NormalizationMoments * moments)
{
  const ValueId mean = graph.Reduce(ReductionFunction::Mean, x, axes, true, name);
  const ValueId variance = graph.Reduce(ReductionFunction::Variance, x, std::move(axes), true, name);
  if (moments != nullptr)
  {
    *moments = { mean, variance };
  }
  return { graph.Combine(BF::Subtract, x, mean, name), InvertDeviation(graph, variance, epsilon, name) };
}

/** Both factors of a channel first, then the one pass over x. */
ValueId
ScaleChannels(
  Graph & graph, const Centred & centred, std::size_t rank, const ChannelAffine & affine, const std::string & name)
{
  if (!affine.IsDefined())
  {
    return graph.Combine(BF::Multiply, centred.value, centred.factor, name);
  }
  const ValueId factor = graph.Combine(BF::Multiply, centred.factor, ToChannels(graph, affine.scale, rank, name), name);
  const ValueId scaled = graph.Combine(BF::Multiply, centred.value, factor, name);
  return graph.Combine(BF::Add, scaled, ToChannels(graph, affine.offset, rank, name), name);
}
} // namespace

ValueId
AddNormalization(Graph & graph,
                 ValueId x,
                 std::vector<int> axes,
                 double epsilon,
                 const std::string & name,
                 NormalizationMoments * moments)
{
  const Centred centred = Centre(graph, x, std::move(axes), epsilon, name, moments);
  return graph.Combine(BF::Multiply, centred.value, centred.factor, name);
}

ValueId
AddChannelAffine(Graph & graph, ValueId x, std::size_t rank, const ChannelAffine & affine, const std::string & name)
{
  if (!affine.IsDefined())
  {
    return x;
  }
  RequireChannels(graph, x, rank, name);
  const ValueId scaled = graph.Combine(BF::Multiply, x, ToChannels(graph, affine.scale, rank, name), name);
  return graph.Combine(BF::Add, scaled, ToChannels(graph, affine.offset, rank, name), name);
}

ValueId
AddInstanceNormalization(
  Graph & graph, ValueId x, std::size_t rank, const ChannelAffine & affine, double epsilon, const std::string & name)
{
  RequireChannels(graph, x, rank, name);
  return ScaleChannels(graph, Centre(graph, x, LastAxes(rank), epsilon, name, nullptr), rank, affine, name);
}

ValueId
AddGroupNormalization(Graph & graph,
                      ValueId x,
                      std::size_t rank,
                      std::int64_t groups,
                      const ChannelAffine & affine,
                      double epsilon,
                      const std::string & name)
{
  RequireChannels(graph, x, rank, name);
  const Shape shape = graph.GetShape(x);
  const std::size_t channelAxis = shape.size() - rank - 1;
  const std::int64_t channels = shape[channelAxis];
  itkNNRequireMacro(groups >= 1 && channels % groups == 0,
                    "In '" << name << "': groups " << groups << " should divide the " << channels << " channels of x "
                           << ToString(shape));
  Shape grouped(shape.begin(), shape.begin() + static_cast<std::ptrdiff_t>(channelAxis));
  grouped.push_back(groups);
  grouped.push_back(channels / groups);
  grouped.insert(grouped.end(), shape.begin() + static_cast<std::ptrdiff_t>(channelAxis) + 1, shape.end());
  const ValueId apart = graph.Add(Reshape{ grouped }, { x }, name);
  const ValueId normalized = AddNormalization(graph, apart, LastAxes(rank + 1), epsilon, name);
  return AddChannelAffine(graph, graph.Add(Reshape{ shape }, { normalized }, name), rank, affine, name);
}

ValueId
AddLayerNormalization(Graph & graph, ValueId x, const ChannelAffine & affine, double epsilon, const std::string & name)
{
  return AddChannelAffine(graph, AddNormalization(graph, x, { -1 }, epsilon, name), 0, affine, name);
}

ValueId
AddBatchNormalization(Graph & graph,
                      ValueId x,
                      std::size_t rank,
                      const ChannelAffine & affine,
                      double epsilon,
                      const std::string & name,
                      NormalizationMoments * moments)
{
  RequireChannels(graph, x, rank, name);
  const auto axisCount = static_cast<int>(graph.GetShape(x).size());
  const int channelAxis = axisCount - static_cast<int>(rank) - 1;
  std::vector<int> axes;
  for (int axis = 0; axis < axisCount; ++axis)
  {
    if (axis != channelAxis)
    {
      axes.push_back(axis);
    }
  }
  return ScaleChannels(graph, Centre(graph, x, std::move(axes), epsilon, name, moments), rank, affine, name);
}

ValueId
AddKeptBatchNormalization(Graph & graph,
                          ValueId x,
                          std::size_t rank,
                          ValueId mean,
                          ValueId variance,
                          const ChannelAffine & affine,
                          double epsilon,
                          const std::string & name)
{
  RequireChannels(graph, x, rank, name);
  const ValueId centred = graph.Combine(BF::Subtract, x, ToChannels(graph, mean, rank, name), name);
  const ValueId factor = ToChannels(graph, InvertDeviation(graph, variance, epsilon, name), rank, name);
  return AddChannelAffine(graph, graph.Combine(BF::Multiply, centred, factor, name), rank, affine, name);
}

ValueId
AddAttention(Graph & graph, ValueId queries, ValueId keys, ValueId values, const std::string & name)
{
  const auto features = static_cast<double>(graph.GetShape(queries).back());
  const ValueId scores = graph.Add(MatrixProduct{ false, true }, { queries, keys }, name + ".scores");
  const ValueId scaled = graph.Apply(UF::Linear, scores, 1 / std::sqrt(features), 0, name + ".scores");
  const ValueId parts = graph.Add(Softmax{ -1, false }, { scaled }, name + ".softmax");
  return graph.Add(MatrixProduct{}, { parts, values }, name);
}
} // namespace nn
} // namespace itk
