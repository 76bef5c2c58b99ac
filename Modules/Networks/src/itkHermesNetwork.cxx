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
#include "itkHermesNetwork.h"

#include "itkNNHermesModules.h"

#include <algorithm>

namespace itk
{
namespace nn
{
namespace
{
constexpr std::size_t levels = 5;
constexpr std::array<std::int64_t, levels> widths{ { 1, 2, 4, 8, 10 } };
constexpr std::int64_t maximumChannels = 65536;
constexpr std::int64_t maximumBlocks = 64;
constexpr std::int64_t maximumExtent = 15;

/** A level with a fusion of priors and features. */
struct Fusion
{
  const char * key;
  std::size_t level;
  std::int64_t blocks;
};
constexpr Fusion encoderFusions[] = { { "prior_init_fuse_2", 2, 2 },
                                      { "prior_init_fuse_3", 3, 2 },
                                      { "prior_init_fuse_4", 4, 4 } };
constexpr Fusion decoderFusions[] = { { "prior_fuse_5", 3, 2 }, { "prior_fuse_6", 2, 2 } };

template <std::size_t VLength>
const Fusion *
FindFusion(const Fusion (&fusions)[VLength], std::size_t level)
{
  const auto * found = std::find_if(
    std::begin(fusions), std::end(fusions), [level](const Fusion & fusion) { return fusion.level == level; });
  return found == std::end(fusions) ? nullptr : found;
}

std::int64_t
GetChannels(const HermesConfiguration & configuration, std::size_t level)
{
  return configuration.baseChannels * widths[level];
}

std::string
GetDownKey(const HermesConfiguration & configuration, std::size_t level, std::int64_t block)
{
  // The pooling is a module of the same list.
  return "down" + std::to_string(level) + ".conv." + std::to_string(block + (configuration.hasPooling ? 1 : 0));
}

/** The up-sampling to a level. */
std::string
GetUpKey(std::size_t level)
{
  return "up" + std::to_string(levels - 1 - level);
}

/** Blocks behind the up-sampling to a level. */
std::int64_t
GetUpBlocks(const HermesConfiguration & configuration, std::size_t level)
{
  return level == 0 ? 2 : configuration.blocks[level - 1];
}

bool
IsStrided(const HermesConfiguration & configuration, std::size_t level)
{
  return !configuration.hasPooling && configuration.scales[level - 1] != Extent3{ { 1, 1, 1 } };
}

/** \class Declarer
 * \brief Lists the parameters, module by module. */
class Declarer
{
public:
  explicit Declarer(const HermesConfiguration & configuration)
    : m_Configuration(configuration)
  {}

  const std::vector<Network::Parameter> & Declare()
  {
    const auto & kernels = m_Configuration.kernels;
    DeclareHermesInput(m_List, "inc", m_Configuration.inputChannels, GetChannels(m_Configuration, 0), kernels.front());
    for (std::size_t level = 1; level < levels; ++level)
    {
      std::int64_t in = GetChannels(m_Configuration, level - 1);
      const std::int64_t out = GetChannels(m_Configuration, level);
      for (std::int64_t block = 0; block < m_Configuration.blocks[level - 1]; ++block)
      {
        const bool isStrided = block == 0 && IsStrided(m_Configuration, level);
        DeclareHermesBlock(m_List, GetDownKey(m_Configuration, level, block), in, out, kernels[level], isStrided);
        in = out;
      }
      this->AddFusion(FindFusion(encoderFusions, level));
    }
    for (std::size_t level = levels - 1; level-- > 0;)
    {
      const std::int64_t out = GetChannels(m_Configuration, level);
      std::int64_t in = GetChannels(m_Configuration, level + 1) + out;
      for (std::int64_t block = 0; block < GetUpBlocks(m_Configuration, level); ++block)
      {
        DeclareHermesBlock(m_List, GetUpKey(level) + ".conv." + std::to_string(block), in, out, kernels[level]);
        in = out;
      }
      this->AddFusion(FindFusion(decoderFusions, level));
    }
    DeclareHermesClassifier(m_List, "out", m_Posteriors, GetChannels(m_Configuration, 0));
    DeclareHermesModalityHead(m_List, "mod_out", m_Posteriors, m_Configuration.priors);
    return m_List.GetParameters();
  }

private:
  void AddFusion(const Fusion * fusion)
  {
    if (fusion == nullptr)
    {
      return;
    }
    const std::int64_t channels = GetChannels(m_Configuration, fusion->level);
    m_Posteriors += channels;
    DeclareHermesFusion(m_List, fusion->key, channels, fusion->blocks, m_Configuration.priors);
  }

  const HermesConfiguration & m_Configuration;
  std::int64_t m_Posteriors = 0; ///< channels of all scales
  ParameterList m_List;
};

/** \class GraphBuilder
 * \brief Adds the modules to a graph. */
class GraphBuilder
{
public:
  GraphBuilder(Graph & graph, const HermesConfiguration & configuration, HermesBuilder & builder)
    : m_Graph(graph)
    , m_Configuration(configuration)
    , m_Builder(builder)
    , m_Modules(builder.GetModules())
  {}

  void Build()
  {
    std::vector<ValueId> skips{ m_Builder.AddInput("inc") };
    ValueId x = skips.front();
    for (std::size_t level = 1; level < levels; ++level)
    {
      x = this->Downsample(x, level);
      x = this->Fuse(x, FindFusion(encoderFusions, level));
      skips.push_back(x);
    }
    for (std::size_t level = levels - 1; level-- > 0;)
    {
      x = this->Upsample(x, skips[level], level);
      x = this->Fuse(x, FindFusion(decoderFusions, level));
    }
    m_Graph.AddOutput("out", m_Builder.Classify(x, "out"));
    m_Graph.AddOutput("mod_out", m_Builder.ClassifyModality("mod_out"));
  }

private:
  ValueId Downsample(ValueId x, std::size_t level)
  {
    const Extent3 & scale = m_Configuration.scales[level - 1];
    Extent3 stride{ { 1, 1, 1 } };
    if (m_Configuration.hasPooling)
    {
      x = m_Modules.PoolMaximum(x, scale, "down" + std::to_string(level) + ".pool");
    }
    else
    {
      stride = scale;
    }
    for (std::int64_t block = 0; block < m_Configuration.blocks[level - 1]; ++block)
    {
      x =
        m_Builder.AddBlock(x, GetDownKey(m_Configuration, level, block), block == 0 ? stride : Extent3{ { 1, 1, 1 } });
    }
    return x;
  }

  ValueId Upsample(ValueId x, ValueId skip, std::size_t level)
  {
    const std::string key = GetUpKey(level);
    x = m_Graph.Concatenate({ skip, m_Builder.Resize(x, skip, key + ".up") }, -4, key + ".concatenation");
    for (std::int64_t block = 0; block < GetUpBlocks(m_Configuration, level); ++block)
    {
      x = m_Builder.AddBlock(x, key + ".conv." + std::to_string(block));
    }
    return x;
  }

  ValueId Fuse(ValueId features, const Fusion * fusion)
  {
    return fusion == nullptr ? features : m_Builder.Fuse(features, fusion->key, fusion->blocks);
  }

  Graph & m_Graph;
  const HermesConfiguration & m_Configuration;
  HermesBuilder & m_Builder;
  ModuleBuilder & m_Modules;
};

void
CheckCoarsestLevel(const HermesConfiguration & configuration, const Shape & shape)
{
  Extent3 grid{ { shape[2], shape[3], shape[4] } };
  for (const Extent3 & scale : configuration.scales)
  {
    for (std::size_t axis = 0; axis < grid.size(); ++axis)
    {
      grid[axis] = (grid[axis] + (configuration.hasPooling ? 0 : scale[axis] - 1)) / scale[axis];
    }
  }
  RequireHermesVoxels("hermes", shape, grid);
}

std::int64_t
CountBlocks(const StateDict & weights, const std::string & list, std::int64_t first)
{
  std::int64_t count = 0;
  while (count < maximumBlocks && weights.Has(list + std::to_string(first + count) + ".conv1.conv.weight"))
  {
    ++count;
  }
  return count;
}
} // namespace

HermesNetwork::HermesNetwork(HermesConfiguration configuration)
  : m_Configuration(std::move(configuration))
{
  const auto require = [](const std::string & name, std::int64_t value, std::int64_t low, std::int64_t high)
  {
    itkNNRequireMacro(value >= low && value <= high,
                      "hermes: " << name << " is " << value << ", should be " << low << " to " << high);
  };
  const auto requireLength = [](const char * name, std::size_t length, std::size_t expected)
  {
    itkNNRequireMacro(length == expected,
                      "hermes: " << name << " has " << length << " entries, should have " << expected);
  };
  require("in_ch", m_Configuration.inputChannels, 1, maximumChannels);
  // The finest level with priors has four times as many, a head at least.
  require("base_ch", m_Configuration.baseChannels, hermesHeadChannels / widths[2], maximumChannels / widths.back());
  requireLength("scale", m_Configuration.scales.size(), levels - 1);
  requireLength("kernel_size", m_Configuration.kernels.size(), levels);
  requireLength("num_block", m_Configuration.blocks.size(), levels - 1);
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
      itkNNRequireMacro(extent % 2 == 1, "hermes: an extent of kernel_size is " << extent << ", should be odd");
    }
  }
  for (const std::int64_t blocks : m_Configuration.blocks)
  {
    require("an entry of num_block", blocks, 1, maximumBlocks);
  }
  CheckHermesPriors("hermes", m_Configuration.priors);
}

HermesNetwork::~HermesNetwork() = default;

Network::ConstPointer
HermesNetwork::FromJson(const std::string & text)
{
  const ConfigurationReader reader("hermes", text);
  HermesConfiguration configuration;
  configuration.inputChannels = reader.GetInteger("in_ch", configuration.inputChannels, 1, maximumChannels);
  configuration.baseChannels = reader.GetInteger("base_ch", configuration.baseChannels, 1, maximumChannels);
  configuration.scales = reader.GetTriples("scale", configuration.scales, 1, maximumExtent);
  configuration.kernels = reader.GetTriples("kernel_size", configuration.kernels, 1, maximumExtent);
  configuration.blocks = reader.GetIntegers("num_block", configuration.blocks, { levels - 1 }, 1, maximumBlocks);
  configuration.hasPooling = reader.GetBoolean("pool", configuration.hasPooling);
  // Others of the reference, which no published weights have, are refused.
  reader.GetChoice("block", "BasicBlock", { "BasicBlock" });
  reader.GetChoice("norm", "in", { "in" });
  configuration.priors = ReadHermesPriors(reader);
  return std::make_shared<HermesNetwork>(std::move(configuration));
}

Network::ConstPointer
HermesNetwork::FromWeights(const StateDict & weights)
{
  const std::string input = "inc.conv1.weight";
  const std::string pools = encoderFusions[0].key;
  if (!weights.Has(input) || !weights.Has(pools + ".task_prior"))
  {
    return nullptr;
  }
  HermesConfiguration configuration;
  const Shape & first = RequireWeight("hermes", weights, input, 5);
  configuration.baseChannels = first[0];
  configuration.inputChannels = first[1];
  configuration.kernels[0] = GetHermesKernel("hermes", weights, input);
  configuration.hasPooling = !weights.Has("down1.conv.0.conv1.conv.weight");
  for (std::size_t level = 1; level < levels; ++level)
  {
    const std::string block = GetDownKey(configuration, level, 0);
    configuration.kernels[level] = GetHermesKernel("hermes", weights, block + ".conv1.conv.weight");
    configuration.blocks[level - 1] =
      CountBlocks(weights, "down" + std::to_string(level) + ".conv.", configuration.hasPooling ? 1 : 0);
  }
  configuration.priors = GetHermesPriors("hermes", weights, pools);
  auto network = std::make_shared<HermesNetwork>(std::move(configuration));
  network->CheckWeights(weights);
  return network;
}

std::string
HermesNetwork::GetName() const
{
  return "hermes";
}

std::string
HermesNetwork::GetConfiguration() const
{
  nlohmann::json json{ { "in_ch", m_Configuration.inputChannels },
                       { "base_ch", m_Configuration.baseChannels },
                       { "scale", m_Configuration.scales },
                       { "kernel_size", m_Configuration.kernels },
                       { "block", "BasicBlock" },
                       { "num_block", m_Configuration.blocks },
                       { "pool", m_Configuration.hasPooling },
                       { "norm", "in" } };
  WriteHermesPriors(m_Configuration.priors, json);
  return json.dump();
}

std::vector<Network::Parameter>
HermesNetwork::GetParameters() const
{
  return Declarer(m_Configuration).Declare();
}

Network::ConstPointer
HermesNetwork::WithPriors(HermesPriors priors) const
{
  HermesConfiguration configuration = m_Configuration;
  configuration.priors = std::move(priors);
  return std::make_shared<HermesNetwork>(std::move(configuration));
}

Graph
HermesNetwork::BuildGraph(const ShapeMap & inputs) const
{
  Graph graph;
  HermesBuilder builder(graph,
                        "hermes",
                        m_Configuration.priors,
                        inputs,
                        m_Configuration.inputChannels,
                        { { 1, 1, 1 } },
                        this->GetParameters());
  CheckCoarsestLevel(m_Configuration, inputs.at("input"));
  GraphBuilder(graph, m_Configuration, builder).Build();
  return graph;
}
} // namespace nn
} // namespace itk
