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
#include "itkNNModuleBuilder.h"

#include <cmath>

namespace itk
{
namespace nn
{
namespace
{
constexpr std::size_t spatialAxes = 3;
constexpr double negativeSlope = 0.01;
constexpr double momentum = 0.1;

std::vector<std::int64_t>
ToVector(const Extent3 & extent)
{
  return { extent.begin(), extent.end() };
}

Initialization
Constantly(double value)
{
  return { Initialization::Distribution::Constant, value };
}
} // namespace

void
ParameterList::AddProduct(const std::string & key, Shape shape, std::int64_t biases)
{
  // As PyTorch counts, also of transposed convolutions.
  const std::int64_t taps = NumberOfElements(shape) / (shape[0] * shape[1]);
  const auto kernel = static_cast<double>(taps);
  const double inputs = static_cast<double>(shape[1]) * kernel;
  Initialization weight;
  Initialization bias;
  switch (m_Rule)
  {
    case Rule::He:
      weight = { Initialization::Distribution::Normal, std::sqrt(2 / (1 + negativeSlope * negativeSlope) / inputs) };
      break;
    case Rule::Kaiming:
      weight = { Initialization::Distribution::Normal, std::sqrt(2 / inputs) };
      break;
    case Rule::Xavier:
      weight = { Initialization::Distribution::Uniform,
                 std::sqrt(6 / (inputs + static_cast<double>(shape[0]) * kernel)) };
      break;
    case Rule::PyTorch:
      weight = bias = { Initialization::Distribution::Uniform, 1 / std::sqrt(inputs) };
      break;
  }
  this->AddWeight(key + ".weight", std::move(shape), weight);
  if (biases > 0)
  {
    this->AddWeight(key + ".bias", { biases }, bias);
  }
}

void
ParameterList::AddConvolution(
  const std::string & key, std::int64_t in, std::int64_t out, const Extent3 & kernel, bool hasBias)
{
  this->AddProduct(key, { out, in, kernel[0], kernel[1], kernel[2] }, hasBias ? out : 0);
}

void
ParameterList::AddTransposedConvolution(const std::string & key,
                                        std::int64_t in,
                                        std::int64_t out,
                                        const Extent3 & kernel)
{
  this->AddProduct(key, { in, out, kernel[0], kernel[1], kernel[2] }, out);
}

void
ParameterList::AddLinear(const std::string & key, std::int64_t in, std::int64_t out, bool hasBias)
{
  this->AddProduct(key, { out, in }, hasBias ? out : 0);
}

void
ParameterList::AddAffine(const std::string & key, std::int64_t channels)
{
  this->AddWeight(key + ".weight", { channels }, Constantly(1));
  this->AddWeight(key + ".bias", { channels }, Constantly(0));
}

void
ParameterList::AddBatchNormalization(const std::string & key, std::int64_t channels)
{
  this->AddAffine(key, channels);
  m_Parameters.push_back({ key + ".running_mean", { channels }, Network::Role::Statistic, Constantly(0) });
  m_Parameters.push_back({ key + ".running_var", { channels }, Network::Role::Statistic, Constantly(1) });
  this->AddBuffer(key + ".num_batches_tracked", {});
}

void
ParameterList::AddPRelu(const std::string & key)
{
  this->AddWeight(key + ".weight", { 1 }, Constantly(0.25));
}

ModuleBuilder::ModuleBuilder(Graph & graph, const std::vector<Network::Parameter> & parameters, GraphMode mode)
  : m_Graph(graph)
  , m_Mode(mode)
{
  for (const auto & parameter : parameters)
  {
    m_Shapes[parameter.name] = parameter.shape;
  }
}

const Shape &
ModuleBuilder::FindShape(const std::string & name) const
{
  const auto found = m_Shapes.find(name);
  itkNNRequireMacro(found != m_Shapes.end(), "The network has no parameter '" << name << "'");
  return found->second;
}

ValueId
ModuleBuilder::GetParameter(const std::string & name)
{
  return m_Graph.AddParameter(name, this->FindShape(name));
}

ChannelAffine
ModuleBuilder::GetAffine(const std::string & key)
{
  return { this->GetParameter(key + ".weight"), this->GetParameter(key + ".bias") };
}

ValueId
ModuleBuilder::Convolve(ValueId src, const std::string & key, const Extent3 & stride)
{
  Convolution op;
  op.stride = ToVector(stride);
  const Shape & shape = this->FindShape(key + ".weight");
  for (std::size_t axis = 0; axis < spatialAxes; ++axis)
  {
    op.padding.push_back(shape[2 + axis] / 2);
  }
  return this->Convolve(src, key, std::move(op));
}

ValueId
ModuleBuilder::Convolve(ValueId src, const std::string & key, Convolution op)
{
  const Shape & shape = m_Graph.GetShape(src);
  op.groups = shape[shape.size() - spatialAxes - 1] / this->FindShape(key + ".weight")[1];
  const ValueId weights = this->GetParameter(key + ".weight");
  std::optional<ValueId> bias;
  if (this->HasParameter(key + ".bias"))
  {
    bias = this->GetParameter(key + ".bias");
  }
  return m_Graph.Convolve(src, weights, bias, std::move(op), key);
}

ValueId
ModuleBuilder::ConvolveTransposed(ValueId src, const std::string & key)
{
  const ValueId weights = this->GetParameter(key + ".weight");
  const Shape & shape = m_Graph.GetShape(weights);
  TransposedConvolution op;
  op.stride.assign(shape.begin() + 2, shape.end());
  const std::int64_t channels = shape[1];
  const ValueId product = m_Graph.Add(std::move(op), { src, weights }, key);
  const ValueId bias =
    m_Graph.Add(Reshape{ { channels, 1, 1, 1 } }, { this->GetParameter(key + ".bias") }, key + ".bias");
  return m_Graph.Combine(BinaryFunction::Add, product, bias, key);
}

ValueId
ModuleBuilder::Transform(ValueId src, const std::string & key)
{
  const ValueId product = m_Graph.Add(MatrixProduct{ false, true }, { src, this->GetParameter(key + ".weight") }, key);
  return this->HasParameter(key + ".bias")
         ? m_Graph.Combine(BinaryFunction::Add, product, this->GetParameter(key + ".bias"), key)
         : product;
}

ValueId
ModuleBuilder::NormalizeInstances(ValueId src, const std::string & key, double epsilon)
{
  const ChannelAffine affine = this->HasParameter(key + ".weight") ? this->GetAffine(key) : ChannelAffine{};
  return AddInstanceNormalization(m_Graph, src, spatialAxes, affine, epsilon, key);
}

ValueId
ModuleBuilder::NormalizeBatch(ValueId src, const std::string & key)
{
  if (m_Mode == GraphMode::Training)
  {
    NormalizationMoments moments;
    const ValueId normalized =
      AddBatchNormalization(m_Graph, src, spatialAxes, this->GetAffine(key), 1e-5, key, &moments);
    const Shape & shape = m_Graph.GetShape(src);
    const std::int64_t ofChannel = NumberOfElements(shape) / shape[shape.size() - spatialAxes - 1];
    const auto elements = static_cast<double>(ofChannel);
    itkNNRequireMacro(elements > 1,
                      "In '" << key << "': " << ToString(shape)
                             << " has one element a channel, a batch normalisation in training needs more");
    this->KeepStatistic(key + ".running_mean", moments.mean, 1);
    this->KeepStatistic(key + ".running_var", moments.variance, elements / (elements - 1));
    return normalized;
  }
  const ValueId mean = this->GetParameter(key + ".running_mean");
  const ValueId variance = this->GetParameter(key + ".running_var");
  return AddKeptBatchNormalization(m_Graph, src, spatialAxes, mean, variance, this->GetAffine(key), 1e-5, key);
}

void
ModuleBuilder::KeepStatistic(const std::string & name, ValueId ofBatch, double factor)
{
  const ValueId flat = m_Graph.Add(Reshape{ m_Shapes.at(name) }, { ofBatch }, name);
  m_Graph.AddOutput(GetStatisticName(name), m_Graph.Apply(UnaryFunction::Linear, flat, factor, 0, name));
  m_Statistics.push_back({ name, momentum });
}

ValueId
ModuleBuilder::Mask(ValueId src, Shape shape, double probability, const std::string & name)
{
  const ValueId bits = m_Graph.AddInput(name, { (NumberOfElements(shape) + 7) / 8 }, DataType::UInt8);
  const ValueId value = m_Graph.AddInput(GetMaskValueName(name), {});
  m_Masks.push_back({ name, shape, probability });
  const ValueId mask = m_Graph.Add(BitMask{ std::move(shape) }, { bits, value }, name);
  return m_Graph.Combine(BinaryFunction::Multiply, src, mask, name);
}

ValueId
ModuleBuilder::Drop(ValueId src, double probability, const std::string & name)
{
  const bool isNeeded = m_Mode == GraphMode::Training && probability > 0;
  return isNeeded ? this->Mask(src, m_Graph.GetShape(src), probability, name) : src;
}

ValueId
ModuleBuilder::DropPath(ValueId src, double probability, const std::string & name)
{
  if (m_Mode != GraphMode::Training || probability <= 0)
  {
    return src;
  }
  Shape shape(m_Graph.GetShape(src).size(), 1);
  shape[0] = m_Graph.GetShape(src)[0];
  return this->Mask(src, std::move(shape), probability, name);
}

ValueId
ModuleBuilder::NormalizeLayer(ValueId src, const std::string & key, double epsilon)
{
  return AddLayerNormalization(m_Graph, src, this->GetAffine(key), epsilon, key);
}

ValueId
ModuleBuilder::LeakyRelu(ValueId src, const std::string & name)
{
  return m_Graph.Apply(UnaryFunction::LeakyRelu, src, negativeSlope, 0, name);
}

ValueId
ModuleBuilder::PRelu(ValueId src, const std::string & key)
{
  return m_Graph.Combine(BinaryFunction::PRelu, src, this->GetParameter(key + ".weight"), key);
}

ValueId
ModuleBuilder::PoolMaximum(ValueId src, const Extent3 & kernel, const std::string & name)
{
  Pooling op;
  op.kernel = ToVector(kernel);
  return m_Graph.Add(std::move(op), { src }, name);
}

ValueId
ModuleBuilder::Upsample(ValueId src, const Extent3 & factor, InterpolationMode mode, const std::string & name)
{
  const Shape & shape = m_Graph.GetShape(src);
  Interpolation op;
  op.mode = mode;
  op.alignCorners = mode == InterpolationMode::Linear;
  for (std::size_t axis = 0; axis < spatialAxes; ++axis)
  {
    op.size.push_back(factor[axis] * shape[shape.size() - spatialAxes + axis]);
  }
  return m_Graph.Add(std::move(op), { src }, name);
}

ValueId
ModuleBuilder::Resize(ValueId src, const Extent3 & size, const std::string & name)
{
  return m_Graph.Add(Interpolation{ InterpolationMode::Linear, ToVector(size), true }, { src }, name);
}

const Shape &
RequireVolumeInput(const std::string & network,
                   const ShapeMap & inputs,
                   std::int64_t channels,
                   const Extent3 & divisors)
{
  const auto found = inputs.find("input");
  itkNNRequireMacro(found != inputs.end(), network << ": input 'input' [B, " << channels << ", D, H, W] is missing");
  const Shape & shape = found->second;
  itkNNRequireMacro(shape.size() == 2 + spatialAxes && shape[0] >= 1 && shape[1] == channels,
                    network << ": input 'input' has shape " << ToString(shape) << ", should be [B, " << channels
                            << ", D, H, W]");
  for (std::size_t axis = 0; axis < spatialAxes; ++axis)
  {
    const std::int64_t extent = shape[2 + axis];
    itkNNRequireMacro(extent >= 1 && extent % divisors[axis] == 0,
                      network << ": input 'input' " << ToString(shape) << " has " << "DHW"[axis] << " = " << extent
                              << ", should be a multiple of " << divisors[axis]);
  }
  return shape;
}

const Shape &
RequireWeight(const std::string & network, const StateDict & weights, const std::string & name, std::size_t axes)
{
  itkNNRequireMacro(weights.Has(name), network << ": the weights have no '" << name << "'");
  const Shape & shape = weights.Get(name).GetShape();
  itkNNRequireMacro(shape.size() == axes,
                    network << ": '" << name << "' is " << ToString(shape) << ", should have " << axes << " axes");
  return shape;
}
} // namespace nn
} // namespace itk
