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
#include "itkFMUNetNetwork.h"

#include "itkNNConfigurationReader.h"
#include "itkNNModuleBuilder.h"

#include <algorithm>

namespace itk
{
namespace nn
{
namespace
{
constexpr std::size_t levels = 5;
/** Of the reference: the finer ones have none. */
constexpr std::size_t firstDropoutLevel = 2;
constexpr std::int64_t maximumChannels = 65536;
constexpr std::int64_t maximumDepth = 64;

/** A kernel of 3 x 3 x 3, or 1 x 3 x 3 at the finest levels of thick slices. */
Extent3
GetKernel(const FMUNetConfiguration & configuration, std::size_t level)
{
  const bool isFlat = static_cast<std::int64_t>(level) < configuration.resolutionMode;
  return { { isFlat ? 1 : 3, 3, 3 } };
}

/** How much a level is finer than the next. */
Extent3
GetStride(const FMUNetConfiguration & configuration, std::size_t level)
{
  const bool isFlat = static_cast<std::int64_t>(level) < configuration.resolutionMode;
  return { { isFlat ? 1 : 2, 2, 2 } };
}

std::string
Numbered(const std::string & name, std::size_t number)
{
  return name + std::to_string(number);
}

void
AddResidualConvolutions(ParameterList & list,
                        const FMUNetConfiguration & configuration,
                        const std::string & key,
                        std::size_t level)
{
  const std::int64_t channels = configuration.features[level];
  for (std::int64_t i = 0; i < configuration.depth; ++i)
  {
    const std::string step = key + ".conv_list." + std::to_string(i);
    list.AddAffine(step + ".0", channels);
    list.AddConvolution(step + ".3", channels, channels, GetKernel(configuration, level));
  }
}

ParameterList
DeclareParameters(const FMUNetConfiguration & configuration)
{
  const auto & features = configuration.features;
  ParameterList list(configuration.isHe ? ParameterList::Rule::He : ParameterList::Rule::Xavier);
  list.AddConvolution("project", configuration.inputChannels, features[0], GetKernel(configuration, 0));
  for (std::size_t level = 0; level < levels; ++level)
  {
    AddResidualConvolutions(list, configuration, Numbered("encoder.en_conv", level), level);
  }
  for (std::size_t level = 0; level + 1 < levels; ++level)
  {
    const std::string key = Numbered("encoder.down", level) + ".down";
    list.AddAffine(key + ".0", features[level]);
    list.AddConvolution(key + ".2", features[level], features[level + 1], GetKernel(configuration, level));
  }
  for (std::size_t level = 0; level + 1 < levels; ++level)
  {
    const std::string key = Numbered("decoder.upcat", level);
    list.AddAffine(key + ".up.0", features[level + 1]);
    list.AddConvolution(key + ".up.2", features[level + 1], features[level], { { 1, 1, 1 } });
    list.AddAffine(key + ".conv.0", 2 * features[level]);
    list.AddConvolution(key + ".conv.2", 2 * features[level], features[level], GetKernel(configuration, level));
  }
  for (std::size_t level = 0; level < levels; ++level)
  {
    AddResidualConvolutions(list, configuration, Numbered("decoder.de_conv", level), level);
  }
  for (std::size_t level = 0; level + 1 < levels; ++level)
  {
    const std::string key = Numbered("out_layers.", level);
    list.AddAffine(key + ".0", features[level]);
    list.AddConvolution(key + ".2", features[level], configuration.classes, GetKernel(configuration, level));
  }
  return list;
}

/** Adds the layers of one forward pass to a graph. */
class ForwardBuilder
{
public:
  ForwardBuilder(Graph & graph, const FMUNetConfiguration & configuration, GraphMode mode)
    : m_Configuration(configuration)
    , m_Modules(graph, DeclareParameters(configuration).GetParameters(), mode)
  {}

  ValueId ConvolveResidually(ValueId x, const std::string & part, std::size_t level)
  {
    const std::string key = Numbered(part, level);
    const double dropout = level < firstDropoutLevel ? 0 : m_Configuration.dropout;
    for (std::int64_t i = 0; i < m_Configuration.depth; ++i)
    {
      const std::string step = key + ".conv_list." + std::to_string(i);
      const ValueId dropped = m_Modules.Drop(this->Activate(x, step), dropout, step + ".2");
      const ValueId change = m_Modules.Convolve(dropped, step + ".3");
      x = m_Modules.GetGraph().Combine(BinaryFunction::Add, change, x, step + ".sum");
    }
    return x;
  }

  /** Normalisation, rectifier. */
  ValueId Activate(ValueId x, const std::string & key)
  {
    return m_Modules.LeakyRelu(m_Modules.NormalizeInstances(x, key + ".0"), key + ".1");
  }

  /** And convolution. */
  ValueId Convolve(ValueId x,
                   const std::string & key,
                   const std::string & layer,
                   const Extent3 & stride = { { 1, 1, 1 } })
  {
    return m_Modules.Convolve(this->Activate(x, key), key + layer, stride);
  }

  ValueId UpsampleAndConcatenate(ValueId x, ValueId skip, std::size_t level)
  {
    const std::string key = Numbered("decoder.upcat", level);
    const ValueId reduced = this->Convolve(x, key + ".up", ".2");
    const ValueId upsampled =
      m_Modules.Upsample(reduced, GetStride(m_Configuration, level), InterpolationMode::Linear, key + ".up.3");
    const ValueId both = m_Modules.GetGraph().Concatenate({ skip, upsampled }, -4, key + ".concatenation");
    return this->Convolve(both, key + ".conv", ".2");
  }

  ModuleBuilder & GetModules()
  {
    return m_Modules;
  }

private:
  const FMUNetConfiguration & m_Configuration;
  ModuleBuilder m_Modules;
};

TrainingGraph
Build(const FMUNetConfiguration & configuration, const ShapeMap & inputs, GraphMode mode)
{
  Extent3 divisors{ { 1, 1, 1 } };
  for (std::size_t level = 0; level + 1 < levels; ++level)
  {
    for (std::size_t axis = 0; axis < divisors.size(); ++axis)
    {
      divisors[axis] *= GetStride(configuration, level)[axis];
    }
  }
  const Shape & shape = RequireVolumeInput("fmunet", inputs, configuration.inputChannels, divisors);

  Graph graph;
  ForwardBuilder builder(graph, configuration, mode);
  std::array<ValueId, levels> skips{};
  ValueId x = builder.GetModules().Convolve(graph.AddInput("input", shape), "project");
  for (std::size_t level = 0; level < levels; ++level)
  {
    x = skips[level] = builder.ConvolveResidually(x, "encoder.en_conv", level);
    if (level + 1 < levels)
    {
      x = builder.Convolve(x, Numbered("encoder.down", level) + ".down", ".2", GetStride(configuration, level));
    }
  }
  x = builder.ConvolveResidually(x, "decoder.de_conv", levels - 1);
  for (std::size_t level = levels - 1; level-- > 0;)
  {
    x = builder.UpsampleAndConcatenate(x, skips[level], level);
    x = builder.ConvolveResidually(x, "decoder.de_conv", level);
    if (level == 0 || configuration.isMultiscale)
    {
      graph.AddOutput(Numbered("output", level), builder.Convolve(x, Numbered("out_layers.", level), ".2"));
    }
  }
  return { std::move(graph), builder.GetModules().GetMasks(), builder.GetModules().GetStatistics() };
}
} // namespace

FMUNetNetwork::FMUNetNetwork(const FMUNetConfiguration & configuration)
  : m_Configuration(configuration)
{
  const auto require = [](const char * name, std::int64_t value, std::int64_t low, std::int64_t high)
  {
    itkNNRequireMacro(value >= low && value <= high,
                      "fmunet: " << name << " is " << value << ", should be " << low << " to " << high);
  };
  require("in_chns", configuration.inputChannels, 1, maximumChannels);
  require("class_num", configuration.classes, 1, maximumChannels);
  require("res_mode", configuration.resolutionMode, 0, 2);
  require("depth", configuration.depth, 1, maximumDepth);
  for (const auto features : configuration.features)
  {
    require("an entry of feature_chns", features, 1, maximumChannels);
  }
  itkNNRequireMacro(configuration.dropout >= 0 && configuration.dropout < 1,
                    "fmunet: dropout is " << configuration.dropout << ", should be at least 0 and below 1");
}

FMUNetNetwork::~FMUNetNetwork() = default;

Network::ConstPointer
FMUNetNetwork::FromJson(const std::string & text)
{
  const ConfigurationReader reader("fmunet", text);
  FMUNetConfiguration configuration;
  configuration.inputChannels = reader.GetInteger("in_chns", 1, maximumChannels);
  configuration.classes = reader.GetInteger("class_num", 1, maximumChannels);
  const auto features = reader.GetIntegers(
    "feature_chns", { configuration.features.begin(), configuration.features.end() }, { levels }, 1, maximumChannels);
  std::copy(features.begin(), features.end(), configuration.features.begin());
  configuration.dropout = reader.GetProbability("dropout", configuration.dropout);
  configuration.resolutionMode = reader.GetInteger("res_mode", configuration.resolutionMode, 0, 2);
  configuration.depth = reader.GetInteger("depth", configuration.depth, 1, maximumDepth);
  configuration.isMultiscale = reader.GetBoolean("multiscale_pred", configuration.isMultiscale);
  configuration.isHe = reader.GetChoice("initialization", "he", { "he", "xavier" }) == "he";
  return std::make_shared<FMUNetNetwork>(configuration);
}

Network::ConstPointer
FMUNetNetwork::FromWeights(const StateDict & weights)
{
  if (!weights.Has("encoder.en_conv0.conv_list.0.3.weight") || !weights.Has("out_layers.0.2.weight"))
  {
    return nullptr;
  }
  constexpr std::size_t axes = 5;
  FMUNetConfiguration configuration;
  configuration.inputChannels = RequireWeight("fmunet", weights, "project.weight", axes)[1];
  configuration.classes = RequireWeight("fmunet", weights, "out_layers.0.2.weight", axes)[0];
  for (std::size_t level = 0; level < levels; ++level)
  {
    const std::string name = Numbered("encoder.en_conv", level) + ".conv_list.0.3.weight";
    const Shape & shape = RequireWeight("fmunet", weights, name, axes);
    configuration.features[level] = shape[0];
    configuration.resolutionMode += shape[2] == 1 ? 1 : 0;
  }
  while (configuration.depth > 1 &&
         !weights.Has("encoder.en_conv0.conv_list." + std::to_string(configuration.depth - 1) + ".3.weight"))
  {
    --configuration.depth;
  }
  while (configuration.depth < maximumDepth &&
         weights.Has("encoder.en_conv0.conv_list." + std::to_string(configuration.depth) + ".3.weight"))
  {
    ++configuration.depth;
  }
  auto network = std::make_shared<FMUNetNetwork>(configuration);
  network->CheckWeights(weights);
  return network;
}

std::string
FMUNetNetwork::GetName() const
{
  return "fmunet";
}

std::string
FMUNetNetwork::GetConfiguration() const
{
  return nlohmann::json{
    { "in_chns", m_Configuration.inputChannels },        { "class_num", m_Configuration.classes },
    { "feature_chns", m_Configuration.features },        { "dropout", m_Configuration.dropout },
    { "res_mode", m_Configuration.resolutionMode },      { "depth", m_Configuration.depth },
    { "multiscale_pred", m_Configuration.isMultiscale }, { "initialization", m_Configuration.isHe ? "he" : "xavier" }
  }
    .dump();
}

std::vector<Network::Parameter>
FMUNetNetwork::GetParameters() const
{
  return DeclareParameters(m_Configuration).GetParameters();
}

std::vector<std::string>
FMUNetNetwork::GetInputNames() const
{
  return { "input" };
}

std::string
FMUNetNetwork::GetLogitsName() const
{
  return "output0";
}

Graph
FMUNetNetwork::BuildGraph(const ShapeMap & inputs) const
{
  return Build(m_Configuration, inputs, GraphMode::Inference).graph;
}

TrainingGraph
FMUNetNetwork::BuildTrainingGraph(const ShapeMap & inputs) const
{
  return Build(m_Configuration, inputs, GraphMode::Training);
}
} // namespace nn
} // namespace itk
