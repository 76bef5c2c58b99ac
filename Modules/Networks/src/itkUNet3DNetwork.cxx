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
#include "itkUNet3DNetwork.h"

#include "itkNNConfigurationReader.h"
#include "itkNNModuleBuilder.h"

namespace itk
{
namespace nn
{
namespace
{
using UpMode = UNet3DConfiguration::UpMode;

constexpr std::size_t maximumLevels = 5;
constexpr std::int64_t maximumChannels = 65536;
constexpr Extent3 two{ { 2, 2, 2 } };
constexpr Extent3 three{ { 3, 3, 3 } };
constexpr Extent3 one{ { 1, 1, 1 } };

/** A block of the encoder by its level. */
std::string
GetEncoderKey(std::size_t level)
{
  return level == 0 ? "encoder.in_conv" : "encoder.down" + std::to_string(level) + ".maxpool_conv.1";
}

/** A block of the decoder by the level of its result: with four levels there is
 * no up1. */
std::string
GetDecoderKey(std::size_t level)
{
  return "decoder.up" + std::to_string(maximumLevels - 1 - level);
}

std::string
GetOutputKey(std::size_t level)
{
  return "decoder.out_conv" + (level == 0 ? std::string() : std::to_string(level));
}

bool
NormalizesInstances(const UNet3DConfiguration & configuration, bool isEncoder, std::size_t level)
{
  return configuration.normalizesInstances && !(isEncoder && level + 1 == maximumLevels);
}

/** The coarsest level that has an output. */
std::size_t
GetNumberOfOutputs(const UNet3DConfiguration & configuration)
{
  return configuration.isMultiscale ? std::min<std::size_t>(4, configuration.features.size()) : 1;
}

void
DeclareBlock(ParameterList & list, const std::string & key, std::int64_t in, std::int64_t out, bool instances)
{
  for (const int layer : { 0, 4 })
  {
    list.AddConvolution(key + ".conv_conv." + std::to_string(layer), layer == 0 ? in : out, out, three);
    const std::string normalization = key + ".conv_conv." + std::to_string(layer + 1);
    if (instances)
    {
      list.AddAffine(normalization, out);
    }
    else
    {
      list.AddBatchNormalization(normalization, out);
    }
  }
}

ParameterList
DeclareParameters(const UNet3DConfiguration & configuration)
{
  const auto & features = configuration.features;
  ParameterList list(configuration.isHe ? ParameterList::Rule::He : ParameterList::Rule::Xavier);
  for (std::size_t level = 0; level < features.size(); ++level)
  {
    DeclareBlock(list,
                 GetEncoderKey(level),
                 level == 0 ? configuration.inputChannels : features[level - 1],
                 features[level],
                 NormalizesInstances(configuration, true, level));
  }
  for (std::size_t level = features.size() - 1; level-- > 0;)
  {
    const std::string key = GetDecoderKey(level);
    if (configuration.upMode == UpMode::TransposedConvolution)
    {
      list.AddTransposedConvolution(key + ".up", features[level + 1], features[level], two);
    }
    else
    {
      list.AddConvolution(key + ".conv1x1", features[level + 1], features[level], one);
    }
    DeclareBlock(
      list, key + ".conv", 2 * features[level], features[level], NormalizesInstances(configuration, false, level));
  }
  for (std::size_t level = 0; level < GetNumberOfOutputs(configuration); ++level)
  {
    list.AddConvolution(GetOutputKey(level), features[level], configuration.classes, one);
  }
  return list;
}

ValueId
AddBlock(ModuleBuilder & modules, ValueId x, const std::string & key, bool instances, double dropout)
{
  for (const int layer : { 0, 4 })
  {
    x = modules.Convolve(x, key + ".conv_conv." + std::to_string(layer));
    const std::string normalization = key + ".conv_conv." + std::to_string(layer + 1);
    x = instances ? modules.NormalizeInstances(x, normalization) : modules.NormalizeBatch(x, normalization);
    x = modules.LeakyRelu(x, key + ".conv_conv." + std::to_string(layer + 2));
    if (layer == 0)
    {
      x = modules.Drop(x, dropout, key + ".conv_conv.3");
    }
  }
  return x;
}

ValueId
AddUpsampling(ModuleBuilder & modules, ValueId x, const std::string & key, UpMode mode)
{
  if (mode == UpMode::TransposedConvolution)
  {
    return modules.ConvolveTransposed(x, key + ".up");
  }
  const auto interpolation = mode == UpMode::Linear ? InterpolationMode::Linear : InterpolationMode::Nearest;
  return modules.Upsample(modules.Convolve(x, key + ".conv1x1"), two, interpolation, key + ".up");
}
} // namespace

UNet3DNetwork::UNet3DNetwork(UNet3DConfiguration configuration)
  : m_Configuration(std::move(configuration))
{
  const auto require = [](const char * name, std::int64_t value, std::int64_t low)
  {
    itkNNRequireMacro(value >= low && value <= maximumChannels,
                      "unet3d: " << name << " is " << value << ", should be " << low << " to " << maximumChannels);
  };
  require("in_chns", m_Configuration.inputChannels, 1);
  require("class_num", m_Configuration.classes, 1);
  const std::size_t levels = m_Configuration.features.size();
  itkNNRequireMacro(levels == 4 || levels == maximumLevels,
                    "unet3d: feature_chns has " << levels << " entries, should have 4 or 5");
  itkNNRequireMacro(m_Configuration.dropout.size() >= levels,
                    "unet3d: dropout has " << m_Configuration.dropout.size() << " entries, should have one for each of "
                                           << levels << " levels");
  for (const auto features : m_Configuration.features)
  {
    require("an entry of feature_chns", features, 2);
  }
  for (const auto probability : m_Configuration.dropout)
  {
    itkNNRequireMacro(probability >= 0 && probability < 1,
                      "unet3d: an entry of dropout is " << probability << ", should be at least 0 and below 1");
  }
}

UNet3DNetwork::~UNet3DNetwork() = default;

Network::ConstPointer
UNet3DNetwork::FromJson(const std::string & text)
{
  const ConfigurationReader reader("unet3d", text);
  UNet3DConfiguration configuration;
  configuration.inputChannels = reader.GetInteger("in_chns", 1, maximumChannels);
  configuration.classes = reader.GetInteger("class_num", 1, maximumChannels);
  configuration.features =
    reader.GetIntegers("feature_chns", configuration.features, { 4, maximumLevels }, 2, maximumChannels);
  configuration.dropout = reader.GetProbabilities("dropout", configuration.dropout, { 4, maximumLevels });
  configuration.upMode =
    static_cast<UpMode>(reader.GetInteger("up_mode", static_cast<std::int64_t>(configuration.upMode), 0, 2));
  configuration.normalizesInstances =
    reader.GetChoice("norm_type", "batch_norm", { "batch_norm", "instance_norm" }) == "instance_norm";
  configuration.isMultiscale = reader.GetBoolean("multiscale_pred", configuration.isMultiscale);
  configuration.isHe = reader.GetChoice("initialization", "he", { "he", "xavier" }) == "he";
  return std::make_shared<UNet3DNetwork>(std::move(configuration));
}

Network::ConstPointer
UNet3DNetwork::FromWeights(const StateDict & weights)
{
  const auto nameOf = [](std::size_t level) { return GetEncoderKey(level) + ".conv_conv.0.weight"; };
  if (!weights.Has(nameOf(0)) || !weights.Has("decoder.out_conv.weight"))
  {
    return nullptr;
  }
  constexpr std::size_t axes = 5;
  UNet3DConfiguration configuration;
  configuration.inputChannels = RequireWeight("unet3d", weights, nameOf(0), axes)[1];
  configuration.classes = RequireWeight("unet3d", weights, "decoder.out_conv.weight", axes)[0];
  configuration.features.clear();
  for (std::size_t level = 0; level < maximumLevels && (level < 4 || weights.Has(nameOf(level))); ++level)
  {
    configuration.features.push_back(RequireWeight("unet3d", weights, nameOf(level), axes)[0]);
  }
  configuration.upMode = weights.Has(GetDecoderKey(0) + ".up.weight") ? UpMode::TransposedConvolution : UpMode::Linear;
  configuration.normalizesInstances = !weights.Has(GetEncoderKey(0) + ".conv_conv.1.running_mean");
  configuration.isMultiscale = weights.Has(GetOutputKey(1) + ".weight");
  auto network = std::make_shared<UNet3DNetwork>(std::move(configuration));
  network->CheckWeights(weights);
  return network;
}

std::string
UNet3DNetwork::GetName() const
{
  return "unet3d";
}

std::string
UNet3DNetwork::GetConfiguration() const
{
  return nlohmann::json{ { "in_chns", m_Configuration.inputChannels },
                         { "class_num", m_Configuration.classes },
                         { "feature_chns", m_Configuration.features },
                         { "dropout", m_Configuration.dropout },
                         { "up_mode", static_cast<int>(m_Configuration.upMode) },
                         { "norm_type", m_Configuration.normalizesInstances ? "instance_norm" : "batch_norm" },
                         { "multiscale_pred", m_Configuration.isMultiscale },
                         { "initialization", m_Configuration.isHe ? "he" : "xavier" } }
    .dump();
}

std::vector<Network::Parameter>
UNet3DNetwork::GetParameters() const
{
  return DeclareParameters(m_Configuration).GetParameters();
}

std::vector<std::string>
UNet3DNetwork::GetInputNames() const
{
  return { "input" };
}

std::string
UNet3DNetwork::GetLogitsName() const
{
  return "output0";
}

Graph
UNet3DNetwork::BuildGraph(const ShapeMap & inputs) const
{
  return this->Build(inputs, false).graph;
}

TrainingGraph
UNet3DNetwork::BuildTrainingGraph(const ShapeMap & inputs) const
{
  return this->Build(inputs, true);
}

TrainingGraph
UNet3DNetwork::Build(const ShapeMap & inputs, bool isTraining) const
{
  const std::size_t levels = m_Configuration.features.size();
  const std::int64_t divisor = std::int64_t{ 1 } << (levels - 1);
  const Shape & shape =
    RequireVolumeInput("unet3d", inputs, m_Configuration.inputChannels, { { divisor, divisor, divisor } });

  Graph graph;
  ModuleBuilder modules(graph, this->GetParameters(), isTraining ? GraphMode::Training : GraphMode::Inference);
  std::vector<ValueId> skips;
  ValueId x = graph.AddInput("input", shape);
  for (std::size_t level = 0; level < levels; ++level)
  {
    if (level > 0)
    {
      x = modules.PoolMaximum(x, two, "encoder.down" + std::to_string(level) + ".maxpool_conv.0");
    }
    const double dropout = m_Configuration.dropout[level];
    x = AddBlock(modules, x, GetEncoderKey(level), NormalizesInstances(m_Configuration, true, level), dropout);
    skips.push_back(x);
  }
  const std::size_t outputs = GetNumberOfOutputs(m_Configuration);
  for (std::size_t level = levels; level-- > 0;)
  {
    if (level + 1 < levels)
    {
      const std::string key = GetDecoderKey(level);
      const ValueId upsampled = AddUpsampling(modules, x, key, m_Configuration.upMode);
      x = graph.Concatenate({ skips[level], upsampled }, -4, key + ".concatenation");
      const double dropout = m_Configuration.dropout[level];
      x = AddBlock(modules, x, key + ".conv", NormalizesInstances(m_Configuration, false, level), dropout);
    }
    if (level < outputs)
    {
      graph.AddOutput("output" + std::to_string(level), modules.Convolve(x, GetOutputKey(level)));
    }
  }
  return { std::move(graph), modules.GetMasks(), modules.GetStatistics() };
}
} // namespace nn
} // namespace itk
