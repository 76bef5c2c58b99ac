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
#include "itkPCTNetNetwork.h"

#include "itkNNConfigurationReader.h"
#include "itkNNWindowAttention.h"

#include <algorithm>
#include <cmath>

namespace itk
{
namespace nn
{
namespace
{
constexpr std::size_t levels = 5;
constexpr std::size_t transformerLevels = 3;
constexpr std::size_t firstTransformerLevel = 2;
/** Of the reference, for every block. */
constexpr double dropPath = 0.2;
constexpr std::size_t modes = 3;
constexpr std::int64_t maximumChannels = 65536;
constexpr std::int64_t maximumDepth = 64;
constexpr std::int64_t maximumWindow = 32;
constexpr std::int64_t widening = 4; ///< of the features inside an MLP

constexpr Extent3 one{ { 1, 1, 1 } };
constexpr Extent3 two{ { 2, 2, 2 } };
constexpr Extent3 three{ { 3, 3, 3 } };

/** A level that has D has kernels of 3 x 3 x 3 and halves D. */
bool
IsFlat(std::size_t mode, std::size_t level)
{
  return level < mode;
}

Extent3
GetKernel(std::size_t mode, std::size_t level)
{
  return { { IsFlat(mode, level) ? 1 : 3, 3, 3 } };
}

/** How much a level is finer than the next. */
Extent3
GetStride(std::size_t mode, std::size_t level)
{
  return { { IsFlat(mode, level) ? 1 : 2, 2, 2 } };
}

/** The extents of the tokens of a level with transformers. */
Extent3
GetGrid(const Extent3 & size, std::size_t mode, std::size_t level)
{
  Extent3 grid = size;
  for (std::size_t finer = 0; finer < level; ++finer)
  {
    for (std::size_t axis = 0; axis < grid.size(); ++axis)
    {
      grid[axis] /= GetStride(mode, finer)[axis];
    }
  }
  return grid;
}

/** A grid that is not larger than a window is one window. */
bool
IsOneWindow(const Extent3 & grid, std::int64_t window)
{
  return *std::min_element(grid.begin(), grid.end()) <= window;
}

struct Level
{
  const char * name;
  std::size_t number; ///< of the transformer levels
};
/** In the order of the state dict. */
constexpr Level blocks[] = {
  { "convtrans_e2", 0 }, { "convtrans_d2", 0 }, { "convtrans_e3", 1 }, { "convtrans_d3", 1 }, { "convtrans_e4", 2 }
};

void
DeclareActivatedConvolution(
  ParameterList & list, const std::string & key, std::int64_t in, std::int64_t out, const Extent3 & kernel)
{
  list.AddBatchNormalization(key + ".0", in);
  list.AddPRelu(key + ".1");
  list.AddConvolution(key + ".2", in, out, kernel);
}

void
DeclareConvolutionBlock(ParameterList & list, const std::string & key, std::int64_t channels, const Extent3 & kernel)
{
  DeclareActivatedConvolution(list, key + ".conv_conv", channels, channels, kernel);
  list.AddBatchNormalization(key + ".conv_conv.3", channels);
  list.AddPRelu(key + ".conv_conv.4");
  list.AddConvolution(key + ".conv_conv.6", channels, channels, kernel);
}

void
DeclareUpsampling(ParameterList & list,
                  const std::string & key,
                  std::int64_t fine,
                  std::int64_t coarse,
                  const Extent3 & stride,
                  const Extent3 & kernel)
{
  list.AddBatchNormalization(key + ".up.0", coarse);
  list.AddPRelu(key + ".up.1");
  list.AddTransposedConvolution(key + ".up.2", coarse, fine, stride);
  DeclareActivatedConvolution(list, key + ".conv", 2 * fine, fine, kernel);
}

/** \class Declaration
 * \brief Lists the parameters of a configuration. */
class Declaration
{
public:
  explicit Declaration(const PCTNetConfiguration & configuration)
    : m_Configuration(configuration)
  {
    const auto & features = configuration.features;
    for (std::size_t mode = 0; mode < modes; ++mode)
    {
      const std::string key = "embeddings." + std::to_string(mode);
      m_List.AddConvolution(key + ".proj", configuration.inputChannels, features[0], GetKernel(mode, 0));
      DeclareConvolutionBlock(m_List, key + ".conv0", features[0], GetKernel(mode, 0));
      DeclareConvolutionBlock(m_List, key + ".conv1", features[1], GetKernel(mode, 1));
      DeclareActivatedConvolution(m_List, key + ".down1.conv", features[0], features[1], GetKernel(mode, 1));
      DeclareActivatedConvolution(m_List, key + ".down2.conv", features[1], features[2], three);
    }
    DeclareActivatedConvolution(m_List, "pyramid_ct.down3.conv", features[2], features[3], three);
    DeclareActivatedConvolution(m_List, "pyramid_ct.down4.conv", features[3], features[4], three);
    DeclareUpsampling(m_List, "pyramid_ct.up3", features[2], features[3], two, three);
    DeclareUpsampling(m_List, "pyramid_ct.up4", features[3], features[4], two, three);
    for (const auto & block : blocks)
    {
      this->DeclareTransformer(std::string("pyramid_ct.") + block.name, block.number);
    }
    this->DeclareOutput("pyramid_ct.out_conv2", features[2]);
    this->DeclareOutput("pyramid_ct.out_conv3", features[3]);
    for (std::size_t mode = 0; mode < modes; ++mode)
    {
      const std::string key = "pred_heads." + std::to_string(mode);
      DeclareUpsampling(m_List, key + ".up1", features[0], features[1], GetStride(mode, 0), GetKernel(mode, 0));
      DeclareUpsampling(m_List, key + ".up2", features[1], features[2], GetStride(mode, 1), GetKernel(mode, 1));
      DeclareConvolutionBlock(m_List, key + ".conv0", features[0], GetKernel(mode, 0));
      DeclareConvolutionBlock(m_List, key + ".conv1", features[1], GetKernel(mode, 1));
      this->DeclareOutput(key + ".out_conv0", features[0]);
      this->DeclareOutput(key + ".out_conv1", features[1]);
    }
  }

  const std::vector<Network::Parameter> & GetParameters() const
  {
    return m_List.GetParameters();
  }

private:
  /** As it is cut down to the grid of the configured input size. */
  std::int64_t GetWindow(std::size_t number) const
  {
    const std::int64_t window = m_Configuration.windows[number];
    if (m_Configuration.inputSize.empty())
    {
      return window;
    }
    Extent3 size{};
    std::copy(m_Configuration.inputSize.begin(), m_Configuration.inputSize.end(), size.begin());
    const auto mode = static_cast<std::size_t>(m_Configuration.resolutionMode);
    const Extent3 grid = GetGrid(size, mode, firstTransformerLevel + number);
    return IsOneWindow(grid, window) ? *std::min_element(grid.begin(), grid.end()) : window;
  }

  void DeclareTransformer(const std::string & key, std::size_t number)
  {
    const std::int64_t features = m_Configuration.features[firstTransformerLevel + number];
    const std::int64_t window = this->GetWindow(number);
    const std::int64_t tokens = window * window * window;
    const std::int64_t side = 2 * window - 1;
    DeclareConvolutionBlock(m_List, key + ".conv", features, three);
    for (std::int64_t i = 0; i < m_Configuration.depths[number]; ++i)
    {
      const std::string block = key + ".trans.blocks." + std::to_string(i);
      m_List.AddAffine(block + ".norm1", features);
      m_List.AddWeight(block + ".attn.relative_position_bias_table",
                       { side * side * side, m_Configuration.heads[number] },
                       { Initialization::Distribution::Normal, 0.02 });
      m_List.AddBuffer(block + ".attn.relative_position_index", { tokens, tokens });
      m_List.AddLinear(block + ".attn.qkv", features, 3 * features);
      m_List.AddLinear(block + ".attn.proj", features, features);
      m_List.AddAffine(block + ".norm2", features);
      m_List.AddLinear(block + ".mlp.fc1", features, widening * features);
      m_List.AddLinear(block + ".mlp.fc2", widening * features, features);
    }
    // Not used by the reference either, but in its state dict.
    m_List.AddAffine(key + ".norm_layer", features);
  }

  void DeclareOutput(const std::string & key, std::int64_t features)
  {
    DeclareActivatedConvolution(m_List, key + ".conv", features, m_Configuration.classes, one);
  }

  const PCTNetConfiguration & m_Configuration;
  ParameterList m_List;
};

/** \class ForwardBuilder
 * \brief Adds the layers of one forward pass to a graph. */
class ForwardBuilder
{
public:
  ForwardBuilder(Graph & graph, const PCTNetConfiguration & configuration, GraphMode mode)
    : m_Graph(graph)
    , m_Configuration(configuration)
    , m_Modules(graph, Declaration(configuration).GetParameters(), mode)
  {}

  ModuleBuilder & GetModules()
  {
    return m_Modules;
  }

  /** Normalisation, rectifier. */
  ValueId Activate(ValueId x, const std::string & key, int first = 0)
  {
    const std::string prefix = key + '.';
    return m_Modules.PRelu(m_Modules.NormalizeBatch(x, prefix + std::to_string(first)),
                           prefix + std::to_string(first + 1));
  }

  ValueId ConvolveActivated(ValueId x, const std::string & key)
  {
    return m_Modules.Convolve(this->Activate(x, key), key + ".2");
  }

  ValueId ConvolveBlock(ValueId x, const std::string & key, std::size_t level)
  {
    const std::string block = key + ".conv_conv";
    const ValueId activated = this->Activate(this->ConvolveActivated(x, block), block, 3);
    return m_Modules.Convolve(m_Modules.Drop(activated, m_Configuration.dropout[level], block + ".5"), block + ".6");
  }

  ValueId Downsample(ValueId x, const std::string & key, const Extent3 & stride)
  {
    return this->ConvolveActivated(m_Modules.PoolMaximum(x, stride, key + ".pool"), key + ".conv");
  }

  ValueId UpsampleAndConcatenate(ValueId fine, ValueId coarse, const std::string & key)
  {
    const ValueId upsampled = m_Modules.ConvolveTransposed(this->Activate(coarse, key + ".up"), key + ".up.2");
    return this->ConvolveActivated(m_Graph.Concatenate({ fine, upsampled }, -4, key + ".concatenation"), key + ".conv");
  }

  /** Convolutions beside transformer blocks. */
  ValueId ConvolveAndAttend(ValueId x, const std::string & key, std::size_t number)
  {
    const ValueId local = this->ConvolveBlock(x, key + ".conv", firstTransformerLevel + number);
    return m_Graph.Combine(BinaryFunction::Add, local, this->Attend(x, key + ".trans", number), key + ".sum");
  }

private:
  ValueId Attend(ValueId x, const std::string & key, std::size_t number)
  {
    const Shape shape = m_Graph.GetShape(x);
    const Extent3 grid{ { shape[2], shape[3], shape[4] } };
    const ValueId flat =
      m_Graph.Add(Reshape{ { shape[0], shape[1], grid[0] * grid[1] * grid[2] } }, { x }, key + ".flat");
    const double dropout = m_Configuration.dropout[firstTransformerLevel + number];
    ValueId tokens =
      m_Modules.Drop(m_Graph.Add(Permutation{ { 0, 2, 1 } }, { flat }, key + ".tokens"), dropout, key + ".pos_drop");
    const std::int64_t configured = m_Configuration.windows[number];
    const bool isOne = IsOneWindow(grid, configured);
    const std::int64_t window = isOne ? *std::min_element(grid.begin(), grid.end()) : configured;
    for (std::int64_t i = 0; i < m_Configuration.depths[number]; ++i)
    {
      const std::string block = key + ".blocks." + std::to_string(i);
      const std::int64_t shift = isOne || i % 2 == 0 ? 0 : window / 2;
      this->RequireTable(block, window);
      const ValueId attended = AddWindowAttention(m_Modules,
                                                  m_Modules.NormalizeLayer(tokens, block + ".norm1"),
                                                  this->GetTables(grid, window, shift, block),
                                                  m_Configuration.heads[number],
                                                  dropout,
                                                  block + ".attn");
      const ValueId kept = m_Modules.DropPath(attended, dropPath, block + ".drop_path1");
      tokens = m_Graph.Combine(BinaryFunction::Add, tokens, kept, block + ".sum1");
      const ValueId wide = m_Modules.Transform(m_Modules.NormalizeLayer(tokens, block + ".norm2"), block + ".mlp.fc1");
      const ValueId active = m_Graph.Apply(UnaryFunction::Gelu, wide, 0, 0, block + ".mlp.act");
      const ValueId narrow =
        m_Modules.Transform(m_Modules.Drop(active, dropout, block + ".mlp.drop1"), block + ".mlp.fc2");
      const ValueId changed = m_Modules.Drop(narrow, dropout, block + ".mlp.drop2");
      tokens = m_Graph.Combine(
        BinaryFunction::Add, tokens, m_Modules.DropPath(changed, dropPath, block + ".drop_path2"), block + ".sum2");
    }
    const ValueId turned = m_Graph.Add(Permutation{ { 0, 2, 1 } }, { tokens }, key + ".turned");
    return m_Graph.Add(Reshape{ shape }, { turned }, key + ".turned");
  }

  const WindowTables & GetTables(const Extent3 & grid, std::int64_t window, std::int64_t shift, const std::string & key)
  {
    const auto [entry, isNew] = m_Tables.try_emplace({ grid, window, shift });
    if (isNew)
    {
      entry->second = AddWindowTables(m_Graph, TokenWindows(grid, window, shift), key);
    }
    return entry->second;
  }

  /** The weights were made for a window; a grid that needs another cannot be had. */
  void RequireTable(const std::string & block, std::int64_t window)
  {
    const std::string name = block + ".attn.relative_position_bias_table";
    const std::int64_t side = 2 * window - 1;
    const std::int64_t rows = m_Graph.GetShape(m_Modules.GetParameter(name))[0];
    itkNNRequireMacro(rows == side * side * side,
                      "pctnet: the input is so small that '" << name << "' should have " << side * side * side
                                                             << " rows for windows of " << window << ", has " << rows
                                                             << "; configure input_size, or give a larger input");
  }

  Graph & m_Graph;
  const PCTNetConfiguration & m_Configuration;
  ModuleBuilder m_Modules;
  std::map<std::tuple<Extent3, std::int64_t, std::int64_t>, WindowTables> m_Tables; ///< of grid, window and shift
};

template <std::size_t VLength, typename T>
void
Fill(std::array<T, VLength> & target, const std::vector<T> & values)
{
  std::copy(values.begin(), values.end(), target.begin());
}

template <std::size_t VLength, typename T>
std::vector<T>
ToVector(const std::array<T, VLength> & values)
{
  return { values.begin(), values.end() };
}
} // namespace

PCTNetNetwork::PCTNetNetwork(PCTNetConfiguration configuration)
  : m_Configuration(std::move(configuration))
{
  const auto require = [](const char * name, std::int64_t value, std::int64_t low, std::int64_t high)
  {
    itkNNRequireMacro(value >= low && value <= high,
                      "pctnet: " << name << " is " << value << ", should be " << low << " to " << high);
  };
  require("in_chns", m_Configuration.inputChannels, 1, maximumChannels);
  require("class_num", m_Configuration.classes, 1, maximumChannels);
  require("resolution_mode", m_Configuration.resolutionMode, 0, 2);
  for (const auto features : m_Configuration.features)
  {
    require("an entry of feature_chns", features, 1, maximumChannels);
  }
  for (const auto probability : m_Configuration.dropout)
  {
    itkNNRequireMacro(probability >= 0 && probability < 1,
                      "pctnet: an entry of dropout is " << probability << ", should be at least 0 and below 1");
  }
  for (std::size_t number = 0; number < transformerLevels; ++number)
  {
    const std::int64_t features = m_Configuration.features[firstTransformerLevel + number];
    require("an entry of depths", m_Configuration.depths[number], 1, maximumDepth);
    require("an entry of window_sizes", m_Configuration.windows[number], 1, maximumWindow);
    require("an entry of num_heads", m_Configuration.heads[number], 1, features);
    itkNNRequireMacro(features % m_Configuration.heads[number] == 0,
                      "pctnet: num_heads has " << m_Configuration.heads[number] << ", which should divide the "
                                               << features << " features of its level");
  }
  if (!m_Configuration.inputSize.empty())
  {
    itkNNRequireMacro(m_Configuration.inputSize.size() == 3,
                      "pctnet: input_size has " << m_Configuration.inputSize.size() << " entries, should have 3");
    const ShapeMap shapes{ { "input",
                             { 1,
                               m_Configuration.inputChannels,
                               m_Configuration.inputSize[0],
                               m_Configuration.inputSize[1],
                               m_Configuration.inputSize[2] } } };
    const std::int64_t divisor = std::int64_t{ 16 } >> m_Configuration.resolutionMode;
    RequireVolumeInput("pctnet, input_size", shapes, m_Configuration.inputChannels, { { divisor, 16, 16 } });
  }
}

PCTNetNetwork::~PCTNetNetwork() = default;

Network::ConstPointer
PCTNetNetwork::FromJson(const std::string & text)
{
  const ConfigurationReader reader("pctnet", text);
  PCTNetConfiguration configuration;
  configuration.inputChannels = reader.GetInteger("in_chns", 1, maximumChannels);
  configuration.classes = reader.GetInteger("class_num", 1, maximumChannels);
  configuration.inputSize = reader.GetIntegers("input_size", {}, { 3 }, 1, INT32_MAX);
  const auto integers = [&reader](const char * key, auto & target, std::int64_t high)
  { Fill(target, reader.GetIntegers(key, ToVector(target), { target.size() }, 1, high)); };
  integers("feature_chns", configuration.features, maximumChannels);
  integers("depths", configuration.depths, maximumDepth);
  integers("num_heads", configuration.heads, maximumChannels);
  integers("window_sizes", configuration.windows, maximumWindow);
  Fill(configuration.dropout, reader.GetProbabilities("dropout", ToVector(configuration.dropout), { levels }));
  configuration.resolutionMode = reader.GetInteger("resolution_mode", configuration.resolutionMode, 0, 2);
  configuration.isMultiscale = reader.GetBoolean("multiscale_pred", configuration.isMultiscale);
  return std::make_shared<PCTNetNetwork>(std::move(configuration));
}

Network::ConstPointer
PCTNetNetwork::FromWeights(const StateDict & weights)
{
  const std::string trunk = "pyramid_ct.convtrans_";
  const std::string firstTable = trunk + "e2.trans.blocks.0.attn.relative_position_bias_table";
  if (!weights.Has(firstTable) || !weights.Has("embeddings.0.proj.weight"))
  {
    return nullptr;
  }
  constexpr std::size_t axes = 5;
  PCTNetConfiguration configuration;
  const Shape & projection = RequireWeight("pctnet", weights, "embeddings.0.proj.weight", axes);
  configuration.inputChannels = projection[1];
  configuration.features[0] = projection[0];
  configuration.features[1] = RequireWeight("pctnet", weights, "embeddings.0.down1.conv.2.weight", axes)[0];
  configuration.features[2] = RequireWeight("pctnet", weights, "embeddings.0.down2.conv.2.weight", axes)[0];
  configuration.features[3] = RequireWeight("pctnet", weights, "pyramid_ct.down3.conv.2.weight", axes)[0];
  configuration.features[4] = RequireWeight("pctnet", weights, "pyramid_ct.down4.conv.2.weight", axes)[0];
  configuration.classes = RequireWeight("pctnet", weights, "pyramid_ct.out_conv2.conv.2.weight", axes)[0];
  for (std::size_t number = 0; number < transformerLevels; ++number)
  {
    const std::string blocksKey = trunk + 'e' + std::to_string(2 + number) + ".trans.blocks.";
    const auto nameOf = [&blocksKey](std::int64_t block)
    { return blocksKey + std::to_string(block) + ".attn.relative_position_bias_table"; };
    const Shape & table = RequireWeight("pctnet", weights, nameOf(0), 2);
    configuration.heads[number] = table[1];
    // (2 w - 1)^3 rows.
    configuration.windows[number] = (std::llround(std::cbrt(static_cast<double>(table[0]))) + 1) / 2;
    configuration.depths[number] = 1;
    while (configuration.depths[number] < maximumDepth && weights.Has(nameOf(configuration.depths[number])))
    {
      ++configuration.depths[number];
    }
  }
  auto network = std::make_shared<PCTNetNetwork>(std::move(configuration));
  network->CheckWeights(weights);
  return network;
}

std::string
PCTNetNetwork::GetName() const
{
  return "pctnet";
}

std::string
PCTNetNetwork::GetConfiguration() const
{
  nlohmann::json json{ { "in_chns", m_Configuration.inputChannels },
                       { "class_num", m_Configuration.classes },
                       { "feature_chns", m_Configuration.features },
                       { "dropout", m_Configuration.dropout },
                       { "depths", m_Configuration.depths },
                       { "num_heads", m_Configuration.heads },
                       { "window_sizes", m_Configuration.windows },
                       { "resolution_mode", m_Configuration.resolutionMode },
                       { "multiscale_pred", m_Configuration.isMultiscale } };
  if (!m_Configuration.inputSize.empty())
  {
    json["input_size"] = m_Configuration.inputSize;
  }
  return json.dump();
}

std::vector<Network::Parameter>
PCTNetNetwork::GetParameters() const
{
  return Declaration(m_Configuration).GetParameters();
}

std::vector<std::string>
PCTNetNetwork::GetInputNames() const
{
  return { "input" };
}

std::string
PCTNetNetwork::GetLogitsName() const
{
  return "output0";
}

Graph
PCTNetNetwork::BuildGraph(const ShapeMap & inputs) const
{
  return this->Build(inputs, false).graph;
}

TrainingGraph
PCTNetNetwork::BuildTrainingGraph(const ShapeMap & inputs) const
{
  return this->Build(inputs, true);
}

TrainingGraph
PCTNetNetwork::Build(const ShapeMap & inputs, bool isTraining) const
{
  const auto mode = static_cast<std::size_t>(m_Configuration.resolutionMode);
  const std::int64_t divisor = std::int64_t{ 16 } >> mode;
  const Shape & shape = RequireVolumeInput("pctnet", inputs, m_Configuration.inputChannels, { { divisor, 16, 16 } });
  const auto & size = m_Configuration.inputSize;
  itkNNRequireMacro(size.empty() || std::equal(size.begin(), size.end(), shape.begin() + 2),
                    "pctnet: input 'input' is " << ToString(shape) << ", should have the configured input_size "
                                                << ToString(size));

  Graph graph;
  ForwardBuilder builder(graph, m_Configuration, isTraining ? GraphMode::Training : GraphMode::Inference);
  ModuleBuilder & modules = builder.GetModules();
  const std::string embedding = "embeddings." + std::to_string(mode);
  const std::string trunk = "pyramid_ct";
  const std::string head = "pred_heads." + std::to_string(mode);

  const ValueId projected = modules.Convolve(graph.AddInput("input", shape), embedding + ".proj");
  const ValueId x0 = builder.ConvolveBlock(projected, embedding + ".conv0", 0);
  const ValueId x1 =
    builder.ConvolveBlock(builder.Downsample(x0, embedding + ".down1", GetStride(mode, 0)), embedding + ".conv1", 1);
  const ValueId x2 = builder.Downsample(x1, embedding + ".down2", GetStride(mode, 1));

  const ValueId y2 = builder.ConvolveAndAttend(x2, trunk + ".convtrans_e2", 0);
  const ValueId y3 =
    builder.ConvolveAndAttend(builder.Downsample(y2, trunk + ".down3", two), trunk + ".convtrans_e3", 1);
  const ValueId y4 =
    builder.ConvolveAndAttend(builder.Downsample(y3, trunk + ".down4", two), trunk + ".convtrans_e4", 2);
  const ValueId z3 =
    builder.ConvolveAndAttend(builder.UpsampleAndConcatenate(y3, y4, trunk + ".up4"), trunk + ".convtrans_d3", 1);
  const ValueId z2 =
    builder.ConvolveAndAttend(builder.UpsampleAndConcatenate(y2, z3, trunk + ".up3"), trunk + ".convtrans_d2", 0);

  const ValueId h1 = builder.ConvolveBlock(builder.UpsampleAndConcatenate(x1, z2, head + ".up2"), head + ".conv1", 1);
  const ValueId h0 = builder.ConvolveBlock(builder.UpsampleAndConcatenate(x0, h1, head + ".up1"), head + ".conv0", 0);
  graph.AddOutput("output0", builder.ConvolveActivated(h0, head + ".out_conv0.conv"));
  if (m_Configuration.isMultiscale)
  {
    graph.AddOutput("output1", builder.ConvolveActivated(h1, head + ".out_conv1.conv"));
    graph.AddOutput("output2", builder.ConvolveActivated(z2, trunk + ".out_conv2.conv"));
    graph.AddOutput("output3", builder.ConvolveActivated(z3, trunk + ".out_conv3.conv"));
  }
  return { std::move(graph), modules.GetMasks(), modules.GetStatistics() };
}
} // namespace nn
} // namespace itk
