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
#include "itkHermesMedFormerNetwork.h"

#include "itkNNMedFormerModules.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace itk
{
namespace nn
{
namespace
{
constexpr std::size_t levels = 5;
/** Stages: the levels down, from 0, and up, from 4. */
constexpr std::size_t stages = 8;
constexpr std::size_t firstUp = levels - 1;
constexpr std::size_t firstWithPriors = 1;
constexpr std::size_t lastWithPriors = 5;
constexpr std::int64_t maximumChannels = 65536;
constexpr std::int64_t maximumBlocks = 64;
constexpr std::int64_t maximumExtent = 15;
constexpr std::int64_t headChannels = 32; ///< where nothing tells

struct ActivationName
{
  UnaryFunction function;
  const char * name;
};
constexpr ActivationName activationNames[] = { { UnaryFunction::Relu, "relu" },
                                               { UnaryFunction::Gelu, "gelu" },
                                               { UnaryFunction::Silu, "swish" } };

bool
HasPriors(std::size_t stage)
{
  return stage >= firstWithPriors && stage <= lastWithPriors;
}

bool
IsDown(std::size_t stage)
{
  return stage < firstUp;
}

std::string
GetKey(std::size_t stage)
{
  return IsDown(stage) ? "down" + std::to_string(stage + 1) : "up" + std::to_string(stage - firstUp + 1);
}

/** The level that a stage leads to. */
std::size_t
GetLevel(std::size_t stage)
{
  return IsDown(stage) ? stage + 1 : stages - 1 - stage;
}

/** The stage whose features an up-sampling stage is joined with, or stages for those of the finest level. */
std::size_t
GetSkip(std::size_t stage)
{
  return GetLevel(stage) == 0 ? stages : GetLevel(stage) - 1;
}

std::string
GetBlockKey(std::size_t stage, std::int64_t block)
{
  return GetKey(stage) + ".trans_blocks.blocks." + std::to_string(block);
}

std::string
GetConvolutionKey(std::size_t stage, std::int64_t block)
{
  return GetKey(stage) + ".conv_blocks." + std::to_string(block);
}

std::int64_t
GetChannels(const HermesMedFormerConfiguration & configuration, std::size_t stage)
{
  return stage < stages ? configuration.channels[stage] : configuration.baseChannels;
}

std::int64_t
GetMapTokens(const HermesMedFormerConfiguration & configuration)
{
  const auto & size = configuration.mapSize;
  return size[0] * size[1] * size[2];
}

/** \class Declarer
 * \brief Lists the parameters, module by module. */
class Declarer
{
public:
  explicit Declarer(const HermesMedFormerConfiguration & configuration)
    : m_Configuration(configuration)
  {}

  const std::vector<Network::Parameter> & Declare()
  {
    const auto & channels = m_Configuration.channels;
    DeclareHermesInput(
      m_List, "inc", m_Configuration.inputChannels, m_Configuration.baseChannels, m_Configuration.kernels.front());
    for (std::size_t stage = 0; stage < firstUp; ++stage)
    {
      this->AddDownStage(stage);
    }
    DeclareMapFusion(m_List,
                     "map_fusion",
                     { channels.begin() + firstWithPriors, channels.begin() + firstUp },
                     m_Configuration.fusionChannels,
                     m_Configuration.fusionDepth);
    for (std::size_t stage = firstUp; stage < stages; ++stage)
    {
      this->AddUpStage(stage);
    }
    const std::int64_t posteriors =
      std::accumulate(channels.begin() + firstWithPriors, channels.begin() + lastWithPriors + 1, std::int64_t{ 0 });
    if (m_Configuration.hasAuxiliary)
    {
      DeclareHermesClassifier(m_List, "aux_classifier", posteriors, channels[lastWithPriors]);
    }
    DeclareHermesClassifier(m_List, "out_classifier", posteriors, channels.back());
    DeclareHermesModalityHead(m_List, "mod_out", posteriors, m_Configuration.priors);
    return m_List.GetParameters();
  }

private:
  void AddDownStage(std::size_t stage)
  {
    const std::string key = GetKey(stage);
    const std::int64_t in = stage == 0 ? m_Configuration.baseChannels : m_Configuration.channels[stage - 1];
    const std::int64_t out = m_Configuration.channels[stage];
    if (HasPriors(stage))
    {
      DeclareMapGeneration(m_List, key + ".map_gen", out, GetMapTokens(m_Configuration));
      DeclareHermesPools(m_List, key + ".prior_selection", out, m_Configuration.priors);
    }
    DeclarePatchMerging(
      m_List, key + ".patch_merging", in, out, m_Configuration.scales[stage], m_Configuration.kernels[stage + 1]);
    this->AddConvolutions(stage, out);
    this->AddTransformers(stage, out);
  }

  void AddUpStage(std::size_t stage)
  {
    const std::string key = GetKey(stage);
    const std::int64_t in = m_Configuration.channels[stage - 1] + GetChannels(m_Configuration, GetSkip(stage));
    const std::int64_t out = m_Configuration.channels[stage];
    if (HasPriors(stage))
    {
      m_List.AddLinear(key + ".map_reduction", in, out, false);
      DeclareHermesPools(m_List, key + ".prior_selection", out, m_Configuration.priors);
    }
    this->AddTransformers(stage, in);
    this->AddConvolutions(stage, HasPriors(stage) ? out : in);
  }

  void AddConvolutions(std::size_t stage, std::int64_t in)
  {
    const std::int64_t out = m_Configuration.channels[stage];
    for (std::int64_t block = 0; block < m_Configuration.convolutions[stage]; ++block)
    {
      DeclareHermesBlock(
        m_List, GetConvolutionKey(stage, block), block == 0 ? in : out, out, m_Configuration.kernels[GetLevel(stage)]);
    }
  }

  void AddTransformers(std::size_t stage, std::int64_t in)
  {
    BidirectionalBlock block;
    block.in = in;
    block.out = m_Configuration.channels[stage];
    block.expansion = m_Configuration.expansion;
    block.kernel = m_Configuration.kernels[GetLevel(stage)];
    const std::int64_t count = m_Configuration.transformers[stage];
    for (std::int64_t i = 0; i < count; ++i)
    {
      // Nothing comes of the last map.
      block.hasMapOutput = stage != lastWithPriors || i + 1 < count;
      DeclareBidirectionalBlock(m_List, GetBlockKey(stage, i), block);
      block.in = block.out;
    }
  }

  const HermesMedFormerConfiguration & m_Configuration;
  ParameterList m_List;
};

/** \class GraphBuilder
 * \brief Adds the stages to a graph. */
class GraphBuilder
{
public:
  GraphBuilder(Graph & graph, const HermesMedFormerConfiguration & configuration, HermesBuilder & builder)
    : m_Graph(graph)
    , m_Configuration(configuration)
    , m_Builder(builder)
    , m_Modules(builder)
  {}

  void Build()
  {
    m_Features.assign(stages, -1);
    m_Maps.assign(stages, -1);
    m_Input = m_Builder.AddInput("inc");
    ValueId x = m_Input;
    for (std::size_t stage = 0; stage < firstUp; ++stage)
    {
      x = m_Modules.MergePatches(x, m_Configuration.scales[stage], GetKey(stage) + ".patch_merging");
      x = this->Convolve(x, stage);
      if (HasPriors(stage))
      {
        x = this->Attend(x, m_Modules.GenerateMap(x, GetKey(stage) + ".map_gen"), stage);
      }
      m_Features[stage] = x;
    }
    const auto fused = m_Modules.FuseMaps({ m_Maps.begin() + firstWithPriors, m_Maps.begin() + firstUp },
                                          m_Configuration.fusionHeads,
                                          m_Configuration.fusionDepth,
                                          "map_fusion");
    std::copy(fused.begin(), fused.end(), m_Maps.begin() + firstWithPriors);
    for (std::size_t stage = firstUp; stage < stages; ++stage)
    {
      x = this->Upsample(x, stage);
      m_Features[stage] = x;
    }
    m_Graph.AddOutput("out", m_Builder.Classify(x, "out_classifier"));
    if (m_Configuration.hasAuxiliary)
    {
      const ValueId coarse = m_Builder.Classify(m_Features[lastWithPriors], "aux_classifier");
      m_Graph.AddOutput("aux_out", m_Builder.Resize(coarse, m_Builder.GetInput(), "aux_classifier.up"));
    }
    m_Graph.AddOutput("mod_out", m_Builder.ClassifyModality("mod_out"));
  }

private:
  ValueId Convolve(ValueId x, std::size_t stage)
  {
    for (std::int64_t block = 0; block < m_Configuration.convolutions[stage]; ++block)
    {
      x = m_Builder.AddBlock(x, GetConvolutionKey(stage, block));
    }
    return x;
  }

  ValueId Upsample(ValueId x, std::size_t stage)
  {
    const std::string key = GetKey(stage);
    const std::size_t skip = GetSkip(stage);
    const ValueId fine = skip < stages ? m_Features[skip] : m_Input;
    x = m_Graph.Concatenate({ m_Builder.Resize(x, fine, key + ".up"), fine }, 1, key + ".concatenation");
    if (HasPriors(stage))
    {
      const ValueId both = m_Graph.Concatenate({ m_Maps[stage - 1], m_Maps[skip] }, -1, key + ".maps");
      x = this->Attend(x, m_Builder.GetModules().Transform(both, key + ".map_reduction"), stage);
    }
    return this->Convolve(x, stage);
  }

  /** The features; the map is kept, and the posteriors left with the builder. */
  ValueId Attend(ValueId features, ValueId map, std::size_t stage)
  {
    const std::string key = GetKey(stage);
    const std::int64_t begin = GetMapTokens(m_Configuration);
    const ValueId priors = m_Builder.SelectPriors(key + ".prior_selection");
    MedFormerBuilder::Attended x{ features, m_Graph.Concatenate({ map, priors }, 1, key + ".tokens") };
    for (std::int64_t i = 0; i < m_Configuration.transformers[stage]; ++i)
    {
      x = m_Modules.AttendBothWays(x, m_Configuration.heads[stage], GetBlockKey(stage, i));
    }
    m_Maps[stage] = m_Builder.SliceTokens(x.tokens, 0, begin, key + ".map");
    m_Builder.AddPosteriors(
      m_Builder.SliceTokens(x.tokens, begin, begin + m_Builder.GetNumberOfPriors(), key + ".posteriors"));
    return x.features;
  }

  Graph & m_Graph;
  const HermesMedFormerConfiguration & m_Configuration;
  HermesBuilder & m_Builder;
  MedFormerBuilder m_Modules;
  ValueId m_Input = -1;
  std::vector<ValueId> m_Features; ///< of each stage
  std::vector<ValueId> m_Maps;     ///< of the stages with priors
};

std::int64_t
Count(const StateDict & weights, const std::function<std::string(std::int64_t)> & nameOf)
{
  std::int64_t count = 0;
  while (count < maximumBlocks && weights.Has(nameOf(count)))
  {
    ++count;
  }
  return count;
}

/** Heads of 32 channels, as the reference has them by default. */
std::int64_t
AssumeHeads(std::int64_t channels, const std::string & name)
{
  itkNNRequireMacro(channels % headChannels == 0,
                    "hermes_medformer: the weights do not tell num_heads, and "
                      << headChannels << " does not divide the " << channels << " channels of " << name
                      << "; give the configuration");
  return channels / headChannels;
}
} // namespace

HermesMedFormerNetwork::HermesMedFormerNetwork(HermesMedFormerConfiguration configuration)
  : m_Configuration(std::move(configuration))
{
  const auto require = [](const std::string & name, std::int64_t value, std::int64_t low, std::int64_t high)
  {
    itkNNRequireMacro(value >= low && value <= high,
                      "hermes_medformer: " << name << " is " << value << ", should be " << low << " to " << high);
  };
  const auto requireLength = [](const char * name, std::size_t length, std::size_t expected)
  {
    itkNNRequireMacro(length == expected,
                      "hermes_medformer: " << name << " has " << length << " entries, should have " << expected);
  };
  require("in_chan", m_Configuration.inputChannels, 1, maximumChannels);
  require("base_chan", m_Configuration.baseChannels, 1, maximumChannels);
  requireLength("conv_num", m_Configuration.convolutions.size(), stages);
  requireLength("trans_num", m_Configuration.transformers.size(), stages);
  requireLength("chan_num", m_Configuration.channels.size(), stages);
  requireLength("num_heads", m_Configuration.heads.size(), stages);
  requireLength("scale", m_Configuration.scales.size(), levels - 1);
  requireLength("kernel_size", m_Configuration.kernels.size(), levels);
  for (const Extent3 & scale : m_Configuration.scales)
  {
    for (const std::int64_t extent : scale)
    {
      require("an extent of scale", extent, 1, maximumExtent);
    }
  }
  for (const Extent3 & kernel : m_Configuration.kernels)
  {
    for (const std::int64_t extent : kernel)
    {
      require("an extent of kernel_size", extent, 1, maximumExtent);
      itkNNRequireMacro(extent % 2 == 1,
                        "hermes_medformer: an extent of kernel_size is " << extent << ", should be odd");
    }
  }
  for (const std::int64_t extent : m_Configuration.mapSize)
  {
    require("an extent of map_size", extent, 1, maximumExtent * maximumExtent);
  }
  for (std::size_t stage = 0; stage < stages; ++stage)
  {
    const std::string entry = '[' + std::to_string(stage) + ']';
    const std::int64_t channels = m_Configuration.channels[stage];
    require("chan_num" + entry, channels, 1, maximumChannels);
    // Without a transformer only convolutions change the channels that are joined.
    const bool isJoined = !HasPriors(stage) && !IsDown(stage);
    require("conv_num" + entry, m_Configuration.convolutions[stage], isJoined ? 1 : 0, maximumBlocks);
    const std::int64_t most = HasPriors(stage) ? maximumBlocks : 0;
    require("trans_num" + entry, m_Configuration.transformers[stage], std::min<std::int64_t>(most, 1), most);
    require("num_heads" + entry, m_Configuration.heads[stage], 1, channels);
    itkNNRequireMacro(channels % m_Configuration.heads[stage] == 0,
                      "hermes_medformer: num_heads" << entry << " is " << m_Configuration.heads[stage]
                                                    << ", should divide chan_num" << entry << ", " << channels);
  }
  require("fusion_depth", m_Configuration.fusionDepth, 1, maximumBlocks);
  require("fusion_dim", m_Configuration.fusionChannels, 1, maximumChannels);
  require("fusion_heads", m_Configuration.fusionHeads, 1, m_Configuration.fusionChannels);
  itkNNRequireMacro(m_Configuration.fusionChannels % m_Configuration.fusionHeads == 0,
                    "hermes_medformer: fusion_heads is " << m_Configuration.fusionHeads
                                                         << ", should divide fusion_dim, "
                                                         << m_Configuration.fusionChannels);
  require("expansion", m_Configuration.expansion, 1, maximumBlocks);
  const auto & channels = m_Configuration.channels;
  const std::int64_t fewest =
    *std::min_element(channels.begin() + firstWithPriors, channels.begin() + lastWithPriors + 1);
  // A quarter of the channels inside is squeezed to.
  itkNNRequireMacro(m_Configuration.expansion * fewest >= 4,
                    "hermes_medformer: expansion is " << m_Configuration.expansion << ", should make at least 4 of "
                                                      << fewest << " channels");
  itkNNRequireMacro(
    std::any_of(std::begin(activationNames),
                std::end(activationNames),
                [this](const ActivationName & entry) { return entry.function == m_Configuration.activation; }),
    "hermes_medformer: the activation is " << ToString(m_Configuration.activation) << ", should be Relu, Gelu or Silu");
  CheckHermesPriors("hermes_medformer", m_Configuration.priors);
}

HermesMedFormerNetwork::~HermesMedFormerNetwork() = default;

Network::ConstPointer
HermesMedFormerNetwork::FromJson(const std::string & text)
{
  const ConfigurationReader reader("hermes_medformer", text);
  HermesMedFormerConfiguration configuration;
  const auto integer = [&reader](const char * key, std::int64_t & value, std::int64_t low, std::int64_t high)
  { value = reader.GetInteger(key, value, low, high); };
  const auto integers =
    [&reader](const char * key, std::vector<std::int64_t> & values, std::int64_t low, std::int64_t high)
  { values = reader.GetIntegers(key, values, { stages }, low, high); };
  integer("in_chan", configuration.inputChannels, 1, maximumChannels);
  integer("base_chan", configuration.baseChannels, 1, maximumChannels);
  const auto & size = configuration.mapSize;
  const auto mapSize =
    reader.GetIntegers("map_size", { size.begin(), size.end() }, { size.size() }, 1, maximumExtent * maximumExtent);
  std::copy(mapSize.begin(), mapSize.end(), configuration.mapSize.begin());
  integers("conv_num", configuration.convolutions, 0, maximumBlocks);
  integers("trans_num", configuration.transformers, 0, maximumBlocks);
  integers("chan_num", configuration.channels, 1, maximumChannels);
  integers("num_heads", configuration.heads, 1, maximumChannels);
  integer("fusion_depth", configuration.fusionDepth, 1, maximumBlocks);
  integer("fusion_dim", configuration.fusionChannels, 1, maximumChannels);
  integer("fusion_heads", configuration.fusionHeads, 1, maximumChannels);
  integer("expansion", configuration.expansion, 1, maximumBlocks);
  const std::string activation = reader.GetChoice("act", "relu", { "relu", "gelu", "swish" });
  configuration.activation =
    std::find_if(std::begin(activationNames),
                 std::end(activationNames),
                 [&activation](const ActivationName & entry) { return activation == entry.name; })
      ->function;
  configuration.kernels = reader.GetTriples("kernel_size", configuration.kernels, 1, maximumExtent);
  configuration.scales = reader.GetTriples("scale", configuration.scales, 1, maximumExtent);
  configuration.hasAuxiliary = reader.GetBoolean("aux_loss", configuration.hasAuxiliary);
  // Others of the reference, with which no results were published, are refused.
  reader.GetChoice("conv_block", "BasicBlock", { "BasicBlock" });
  reader.GetChoice("proj_type", "depthwise", { "depthwise" });
  reader.GetChoice("norm", "in", { "in" });
  for (const char * key : { "attn_drop", "proj_drop" })
  {
    const double probability = reader.GetProbability(key, 0);
    itkNNRequireMacro(probability == 0, "hermes_medformer: " << key << " is " << probability << ", should be 0");
  }
  configuration.priors = ReadHermesPriors(reader);
  return std::make_shared<HermesMedFormerNetwork>(std::move(configuration));
}

Network::ConstPointer
HermesMedFormerNetwork::FromWeights(const StateDict & weights)
{
  const std::string name = "hermes_medformer";
  const std::string input = "inc.conv1.weight";
  const std::string fusion = "map_fusion.in_proj.0.weight";
  if (!weights.Has(input) || !weights.Has(fusion) || !weights.Has("down2.prior_selection.task_prior"))
  {
    return nullptr;
  }
  HermesMedFormerConfiguration configuration;
  const Shape & first = RequireWeight(name, weights, input, 5);
  configuration.baseChannels = first[0];
  configuration.inputChannels = first[1];
  configuration.kernels[0] = GetHermesKernel(name, weights, input);
  for (std::size_t stage = 0; stage < stages; ++stage)
  {
    configuration.convolutions[stage] =
      Count(weights, [stage](std::int64_t block) { return GetConvolutionKey(stage, block) + ".conv1.conv.weight"; });
    configuration.transformers[stage] =
      Count(weights, [stage](std::int64_t block) { return GetBlockKey(stage, block) + ".norm2.weight"; });
    if (IsDown(stage))
    {
      const std::string reduction = GetKey(stage) + ".patch_merging.reduction.";
      configuration.kernels[stage + 1] = GetHermesKernel(name, weights, reduction + "depthwise.weight");
      configuration.channels[stage] = RequireWeight(name, weights, reduction + "pointwise.weight", 5)[0];
    }
    else
    {
      const bool isLinear = HasPriors(stage);
      const std::string last =
        isLinear ? GetKey(stage) + ".map_reduction.weight" : GetConvolutionKey(stage, 0) + ".conv1.conv.weight";
      configuration.channels[stage] = RequireWeight(name, weights, last, isLinear ? 2 : 5)[0];
    }
    configuration.heads[stage] = HasPriors(stage) ? AssumeHeads(configuration.channels[stage], GetKey(stage)) : 1;
  }
  const std::int64_t tokens = RequireWeight(name, weights, "down2.map_gen.semantic_proj.weight", 5)[0];
  const auto side = static_cast<std::int64_t>(std::llround(std::cbrt(static_cast<double>(tokens))));
  configuration.mapSize = side * side * side == tokens ? Extent3{ { side, side, side } } : Extent3{ { 1, 1, tokens } };
  configuration.fusionChannels = RequireWeight(name, weights, fusion, 2)[0];
  configuration.fusionHeads = AssumeHeads(configuration.fusionChannels, "map_fusion");
  configuration.fusionDepth =
    Count(weights, [](std::int64_t i) { return "map_fusion.fusion.layers." + std::to_string(i) + ".0.norm.weight"; });
  const Shape & wide =
    RequireWeight(name, weights, GetBlockKey(firstWithPriors, 0) + ".feedforward.expand_proj.conv.weight", 5);
  configuration.expansion = wide[0] / std::max<std::int64_t>(wide[1], 1);
  configuration.hasAuxiliary = weights.Has("aux_classifier.norm.weight");
  configuration.priors = GetHermesPriors(name, weights, "down2.prior_selection");
  auto network = std::make_shared<HermesMedFormerNetwork>(std::move(configuration));
  network->CheckWeights(weights);
  return network;
}

std::string
HermesMedFormerNetwork::GetName() const
{
  return "hermes_medformer";
}

std::string
HermesMedFormerNetwork::GetConfiguration() const
{
  nlohmann::json json{ { "in_chan", m_Configuration.inputChannels },
                       { "base_chan", m_Configuration.baseChannels },
                       { "map_size", m_Configuration.mapSize },
                       { "conv_block", "BasicBlock" },
                       { "conv_num", m_Configuration.convolutions },
                       { "trans_num", m_Configuration.transformers },
                       { "chan_num", m_Configuration.channels },
                       { "num_heads", m_Configuration.heads },
                       { "fusion_depth", m_Configuration.fusionDepth },
                       { "fusion_dim", m_Configuration.fusionChannels },
                       { "fusion_heads", m_Configuration.fusionHeads },
                       { "expansion", m_Configuration.expansion },
                       { "attn_drop", 0.0 },
                       { "proj_drop", 0.0 },
                       { "proj_type", "depthwise" },
                       { "norm", "in" },
                       { "kernel_size", m_Configuration.kernels },
                       { "scale", m_Configuration.scales },
                       { "aux_loss", m_Configuration.hasAuxiliary } };
  for (const ActivationName & entry : activationNames)
  {
    if (entry.function == m_Configuration.activation)
    {
      json["act"] = entry.name;
    }
  }
  WriteHermesPriors(m_Configuration.priors, json);
  return json.dump();
}

std::vector<Network::Parameter>
HermesMedFormerNetwork::GetParameters() const
{
  return Declarer(m_Configuration).Declare();
}

std::vector<std::string>
HermesMedFormerNetwork::GetDeepLogitsNames() const
{
  return m_Configuration.hasAuxiliary ? std::vector<std::string>{ "aux_out" } : std::vector<std::string>{};
}

Network::ConstPointer
HermesMedFormerNetwork::WithPriors(HermesPriors priors) const
{
  HermesMedFormerConfiguration configuration = m_Configuration;
  configuration.priors = std::move(priors);
  return std::make_shared<HermesMedFormerNetwork>(std::move(configuration));
}

Graph
HermesMedFormerNetwork::BuildGraph(const ShapeMap & inputs) const
{
  Extent3 divisors{ { 1, 1, 1 } };
  for (const Extent3 & scale : m_Configuration.scales)
  {
    for (std::size_t axis = 0; axis < divisors.size(); ++axis)
    {
      divisors[axis] *= scale[axis];
    }
  }
  Graph graph;
  HermesBuilder builder(graph,
                        "hermes_medformer",
                        m_Configuration.priors,
                        inputs,
                        m_Configuration.inputChannels,
                        divisors,
                        this->GetParameters(),
                        m_Configuration.activation);
  const Shape & shape = inputs.at("input");
  RequireHermesVoxels(
    "hermes_medformer", shape, { { shape[2] / divisors[0], shape[3] / divisors[1], shape[4] / divisors[2] } });
  GraphBuilder(graph, m_Configuration, builder).Build();
  return graph;
}
} // namespace nn
} // namespace itk
