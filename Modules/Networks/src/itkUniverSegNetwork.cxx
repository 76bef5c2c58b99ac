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
#include "itkUniverSegNetwork.h"

#include <cmath>
#include <algorithm>
#include <nlohmann/json.hpp>

namespace itk
{
namespace nn
{
namespace
{
using Json = nlohmann::json;
using Block = UniverSegConfiguration::Block;

constexpr std::int64_t kernelSize = 3;
constexpr double negativeSlope = 0.01;

std::vector<Block>
BlocksFromJson(const Json & json, const char * key)
{
  std::vector<Block> blocks;
  if (!json.contains(key) || json[key].is_null())
  {
    return blocks;
  }
  const Json & list = json[key];
  itkNNRequireMacro(list.is_array(), "Configuration key '" << key << "' should be a list, is " << list.dump());
  for (const auto & entry : list)
  {
    if (entry.is_number_integer())
    {
      blocks.push_back({ entry.get<std::int64_t>(), entry.get<std::int64_t>() });
    }
    else
    {
      itkNNRequireMacro(
        entry.is_array() && entry.size() == 2 && entry[0].is_number_integer() && entry[1].is_number_integer(),
        "Configuration key '" << key << "': a block should be an integer or a pair of integers, is " << entry.dump());
      blocks.push_back({ entry[0].get<std::int64_t>(), entry[1].get<std::int64_t>() });
    }
  }
  return blocks;
}

Json
BlocksToJson(const std::vector<Block> & blocks)
{
  Json list = Json::array();
  for (const auto & block : blocks)
  {
    if (block.cross == block.conv)
    {
      list.push_back(block.conv);
    }
    else
    {
      list.push_back({ block.cross, block.conv });
    }
  }
  return list;
}

std::vector<Block>
BlocksFromWeights(const StateDict & weights, const std::string & prefix)
{
  std::vector<Block> blocks;
  while (true)
  {
    const std::string block = prefix + '.' + std::to_string(blocks.size());
    const std::string cross = block + ".cross.cross_conv.weight";
    if (!weights.Has(cross))
    {
      return blocks;
    }
    const Shape & crossShape = weights.Get(cross).GetShape();
    const Shape & targetShape = weights.Get(block + ".target.vmapped.conv.weight").GetShape();
    itkNNRequireMacro(crossShape.size() == 4 && targetShape.size() == 4,
                      "'" << cross << "' is " << ToString(crossShape) << " and its target convolution "
                          << ToString(targetShape) << "; both should have 4 axes");
    blocks.push_back({ crossShape[0], targetShape[0] });
  }
}

/** Adds the layers of one forward pass to a graph. */
class ForwardBuilder
{
public:
  explicit ForwardBuilder(Graph & graph)
    : m_Graph(graph)
  {}

  /** Target features [B, 1, C, h, w] and support features [B, S, C, h, w]. */
  struct Features
  {
    ValueId target;
    ValueId support;
  };

  Features CrossBlock(const Features & in, const Block & block, const std::string & name)
  {
    const Graph::Scope scope(m_Graph, name);
    const ValueId pairs = m_Graph.Concatenate({ in.target, in.support }, -3, "cross.concatenation");
    const ValueId interaction = this->Convolve(pairs, block.cross, name, "cross.cross_conv");
    const ValueId mean = m_Graph.Reduce(ReductionFunction::Mean, interaction, { 1 }, true, "cross.mean");
    const ValueId target = this->Convolve(mean, block.conv, name, "target.vmapped.conv");
    const ValueId support = this->Convolve(interaction, block.conv, name, "support.vmapped.conv");
    return { m_Graph.Apply(UnaryFunction::LeakyRelu, target, negativeSlope, 0, "target.nonlin"),
             m_Graph.Apply(UnaryFunction::LeakyRelu, support, negativeSlope, 0, "support.nonlin") };
  }

  Features Downsample(const Features & in, const std::string & name)
  {
    Pooling op;
    op.kernel = { 2, 2 };
    return { m_Graph.Add(op, { in.target }, name + ".target.pool"),
             m_Graph.Add(op, { in.support }, name + ".support.pool") };
  }

  Features UpsampleAndConcatenate(const Features & in, const Features & skip, const std::string & name)
  {
    return { this->UpsampleAndConcatenate(in.target, skip.target, name + ".target"),
             this->UpsampleAndConcatenate(in.support, skip.support, name + ".support") };
  }

  ValueId Convolve(ValueId src,
                   std::int64_t channels,
                   const std::string & block,
                   const std::string & layer,
                   std::int64_t kernel = kernelSize)
  {
    const Shape & shape = m_Graph.GetShape(src);
    const std::string prefix = block.empty() ? layer : block + '.' + layer;
    const ValueId weights =
      m_Graph.AddParameter(prefix + ".weight", { channels, shape[shape.size() - 3], kernel, kernel });
    const ValueId bias = m_Graph.AddParameter(prefix + ".bias", { channels });
    Convolution op;
    op.padding = { kernel / 2 };
    return m_Graph.Convolve(src, weights, bias, std::move(op), layer);
  }

private:
  ValueId UpsampleAndConcatenate(ValueId src, ValueId skip, const std::string & name)
  {
    const Shape & shape = m_Graph.GetShape(src);
    Interpolation op;
    op.size = { 2 * shape[shape.size() - 2], 2 * shape[shape.size() - 1] };
    op.alignCorners = true;
    const ValueId upsampled = m_Graph.Add(op, { src }, name + ".upsample");
    return m_Graph.Concatenate({ upsampled, skip }, -3, name + ".concatenation");
  }

  Graph & m_Graph;
};

const Shape &
RequireInput(const ShapeMap & inputs, const std::string & name, std::size_t rank, const char * form)
{
  const auto found = inputs.find(name);
  itkNNRequireMacro(found != inputs.end(), "universeg: input '" << name << "' " << form << " is missing");
  itkNNRequireMacro(found->second.size() == rank,
                    "universeg: input '" << name << "' has shape " << ToString(found->second) << ", should be "
                                         << form);
  return found->second;
}
} // namespace

UniverSegConfiguration
UniverSegConfiguration::Release()
{
  UniverSegConfiguration configuration;
  configuration.encoderBlocks.assign(4, { 64, 64 });
  return configuration;
}

UniverSegNetwork::UniverSegNetwork(UniverSegConfiguration configuration)
  : m_Configuration(std::move(configuration))
{
  auto & encoder = m_Configuration.encoderBlocks;
  auto & decoder = m_Configuration.decoderBlocks;
  itkNNRequireMacro(!encoder.empty() && encoder.size() <= 16,
                    "universeg: encoder_blocks has " << encoder.size() << " blocks, should have 1 to 16");
  if (decoder.empty())
  {
    decoder.assign(encoder.rbegin() + 1, encoder.rend());
  }
  decoder.resize(std::min(decoder.size(), encoder.size() - 1), Block{ 0, 0 });
  for (const auto * blocks : { &encoder, &decoder })
  {
    for (const auto & block : *blocks)
    {
      itkNNRequireMacro(block.cross >= 1 && block.conv >= 1 && block.cross <= 65536 && block.conv <= 65536,
                        "universeg: a block has (" << block.cross << ", " << block.conv
                                                   << ") features, should have 1 to 65536");
    }
  }
}

UniverSegNetwork::~UniverSegNetwork() = default;

Network::ConstPointer
UniverSegNetwork::FromJson(const std::string & text)
{
  const Json json = Json::parse(text, nullptr, false);
  itkNNRequireMacro(json.is_object(), "universeg: the configuration is not a JSON object: " << text.substr(0, 80));
  itkNNRequireMacro(json.contains("encoder_blocks"), "universeg: the configuration has no key 'encoder_blocks'");
  UniverSegConfiguration configuration;
  configuration.encoderBlocks = BlocksFromJson(json, "encoder_blocks");
  configuration.decoderBlocks = BlocksFromJson(json, "decoder_blocks");
  return std::make_shared<UniverSegNetwork>(std::move(configuration));
}

Network::ConstPointer
UniverSegNetwork::FromWeights(const StateDict & weights)
{
  UniverSegConfiguration configuration;
  configuration.encoderBlocks = BlocksFromWeights(weights, "enc_blocks");
  if (configuration.encoderBlocks.empty())
  {
    return nullptr;
  }
  configuration.decoderBlocks = BlocksFromWeights(weights, "dec_blocks");
  auto network = std::make_shared<UniverSegNetwork>(std::move(configuration));
  network->CheckWeights(weights);
  return network;
}

std::string
UniverSegNetwork::GetName() const
{
  return "universeg";
}

std::string
UniverSegNetwork::GetConfiguration() const
{
  return Json{
    { "encoder_blocks", BlocksToJson(m_Configuration.encoderBlocks) },
    { "decoder_blocks", BlocksToJson(m_Configuration.decoderBlocks) }
  }.dump();
}

std::vector<Network::Parameter>
UniverSegNetwork::GetParameters() const
{
  const std::int64_t size = this->GetDivisor();
  const Graph graph = this->BuildGraph({ { "target", { 1, 1, size, size } },
                                         { "support_images", { 1, 1, 1, size, size } },
                                         { "support_labels", { 1, 1, 1, size, size } } });
  std::vector<Parameter> parameters;
  for (const auto id : graph.GetValuesOfKind(Graph::ValueKind::Parameter))
  {
    Parameter parameter{ graph.GetValue(id).name, graph.GetShape(id) };
    if (parameter.shape.size() > 1)
    {
      // A leaky ReLU follows the convolutions of targets and supports.
      const bool isRectified = parameter.name.find(".vmapped.") != std::string::npos;
      const double inputs =
        static_cast<double>(NumberOfElements(parameter.shape)) / static_cast<double>(parameter.shape[0]);
      parameter.initial = { Initialization::Distribution::Normal, std::sqrt((isRectified ? 2 : 1) / inputs) };
    }
    parameters.push_back(std::move(parameter));
  }
  return parameters;
}

std::vector<std::string>
UniverSegNetwork::GetInputNames() const
{
  return { "target", "support_images", "support_labels" };
}

std::vector<std::string>
UniverSegNetwork::GetStaticInputNames() const
{
  return { "support_images", "support_labels" };
}

Graph
UniverSegNetwork::BuildGraph(const ShapeMap & inputs) const
{
  const Shape & target = RequireInput(inputs, "target", 4, "[B, 1, H, W]");
  const Shape & images = RequireInput(inputs, "support_images", 5, "[B, S, 1, H, W]");
  const Shape & labels = RequireInput(inputs, "support_labels", 5, "[B, S, 1, H, W]");
  const bool batchFits = images[0] == target[0] || images[0] == 1;
  const Shape expected{ images[0], images[1], 1, target[2], target[3] };
  itkNNRequireMacro(target[1] == 1,
                    "universeg: input 'target' has shape " << ToString(target) << ", should have 1 channel");
  itkNNRequireMacro(batchFits && images == expected && labels == expected,
                    "universeg: inputs 'support_images' "
                      << ToString(images) << " and 'support_labels' " << ToString(labels) << " do not fit 'target' "
                      << ToString(target) << "; expected [" << target[0] << (target[0] == 1 ? "" : " or 1")
                      << ", S, 1, " << target[2] << ", " << target[3] << ']');
  itkNNRequireMacro(images[1] >= 1, "universeg: the support set is empty; it needs at least one image and label");
  const std::int64_t divisor = this->GetDivisor();
  itkNNRequireMacro(target[2] >= 1 && target[3] >= 1 && target[2] % divisor == 0 && target[3] % divisor == 0,
                    "universeg: height " << target[2] << " and width " << target[3] << " should be multiples of "
                                         << divisor << " for " << m_Configuration.encoderBlocks.size()
                                         << " encoder blocks");

  Graph graph;
  const ValueId targetInput = graph.AddInput("target", target);
  const ValueId imagesInput = graph.AddInput("support_images", images);
  const ValueId labelsInput = graph.AddInput("support_labels", labels);

  ForwardBuilder builder(graph);
  ForwardBuilder::Features features;
  features.target = graph.Add(Reshape{ { target[0], 1, 1, target[2], target[3] } }, { targetInput }, "target.reshape");
  features.support = graph.Concatenate({ imagesInput, labelsInput }, -3, "support.concatenation");

  std::vector<ForwardBuilder::Features> skips;
  const std::size_t levels = m_Configuration.encoderBlocks.size();
  for (std::size_t level = 0; level < levels; ++level)
  {
    const std::string name = "enc_blocks." + std::to_string(level);
    features = builder.CrossBlock(features, m_Configuration.encoderBlocks[level], name);
    if (level + 1 < levels)
    {
      skips.push_back(features);
      features = builder.Downsample(features, name);
    }
  }
  for (std::size_t level = 0; level < m_Configuration.decoderBlocks.size(); ++level)
  {
    const std::string name = "dec_blocks." + std::to_string(level);
    features = builder.UpsampleAndConcatenate(features, skips.back(), name);
    skips.pop_back();
    features = builder.CrossBlock(features, m_Configuration.decoderBlocks[level], name);
  }
  const ValueId logits = builder.Convolve(features.target, 1, "", "out_conv.conv", 1);
  const Shape & shape = graph.GetShape(logits);
  graph.AddOutput("logits", graph.Add(Reshape{ { shape[0], 1, shape[3], shape[4] } }, { logits }, "logits.reshape"));
  return graph;
}

std::int64_t
UniverSegNetwork::GetDivisor() const
{
  return std::int64_t{ 1 } << (m_Configuration.encoderBlocks.size() - 1);
}
} // namespace nn
} // namespace itk
