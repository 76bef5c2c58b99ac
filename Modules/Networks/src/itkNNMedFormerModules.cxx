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
#include "itkNNMedFormerModules.h"

#include <cmath>

namespace itk
{
namespace nn
{
namespace
{
constexpr Extent3 one{ { 1, 1, 1 } };
constexpr Extent3 three{ { 3, 3, 3 } };
constexpr std::int64_t squeezing = 4;
/** Of the normalisations that stand alone. */
constexpr double epsilon = 1e-5;

std::string
GetLayerKey(const std::string & key, std::int64_t layer, std::int64_t part)
{
  return key + ".fusion.layers." + std::to_string(layer) + '.' + std::to_string(part);
}
} // namespace

void
DeclareSeparable(
  ParameterList & list, const std::string & key, std::int64_t in, std::int64_t out, const Extent3 & kernel)
{
  list.AddConvolution(key + ".depthwise", 1, in, kernel, false);
  list.AddConvolution(key + ".pointwise", in, out, one, false);
}

void
DeclarePatchMerging(ParameterList & list,
                    const std::string & key,
                    std::int64_t in,
                    std::int64_t out,
                    const Extent3 & scale,
                    const Extent3 & kernel)
{
  DeclareSeparable(list, key + ".reduction", in * scale[0] * scale[1] * scale[2], out, kernel);
}

void
DeclareMapGeneration(ParameterList & list, const std::string & key, std::int64_t channels, std::int64_t tokens)
{
  list.AddConvolution(key + ".base_proj", channels, channels, three, false);
  list.AddConvolution(key + ".semantic_proj", channels, tokens, three, false);
}

void
DeclareMapFusion(ParameterList & list,
                 const std::string & key,
                 const std::vector<std::int64_t> & channels,
                 std::int64_t dimension,
                 std::int64_t depth)
{
  for (std::size_t i = 0; i < channels.size(); ++i)
  {
    list.AddLinear(key + ".in_proj." + std::to_string(i), channels[i], dimension, false);
  }
  for (std::int64_t i = 0; i < depth; ++i)
  {
    const std::string attention = GetLayerKey(key, i, 0);
    list.AddAffine(attention + ".norm", dimension);
    list.AddLinear(attention + ".fn.to_qkv", dimension, 3 * dimension, false);
    list.AddLinear(attention + ".fn.to_out", dimension, dimension);
    const std::string network = GetLayerKey(key, i, 1);
    list.AddAffine(network + ".norm", dimension);
    DeclareHermesMlp(list, network + ".fn", dimension, dimension, dimension);
  }
  for (std::size_t i = 0; i < channels.size(); ++i)
  {
    list.AddLinear(key + ".out_proj." + std::to_string(i), dimension, channels[i], false);
  }
}

void
DeclareBidirectionalBlock(ParameterList & list, const std::string & key, const BidirectionalBlock & block)
{
  list.AddAffine(key + ".norm2", block.out);
  DeclareSeparable(list, key + ".attn.feat_qv", block.in, 2 * block.out, block.kernel);
  DeclareSeparable(list, key + ".attn.feat_out", block.out, block.out, block.kernel);
  list.AddLinear(key + ".attn.map_qv", block.out, 2 * block.out, false);
  if (block.hasMapOutput)
  {
    list.AddLinear(key + ".attn.map_out", block.out, block.out, false);
  }
  if (block.in != block.out)
  {
    list.AddConvolution(key + ".shortcut.conv", block.in, block.out, one, false);
  }
  const std::string network = key + ".feedforward";
  const std::int64_t wide = block.expansion * block.out;
  list.AddConvolution(network + ".expand_proj.conv", block.out, wide, one, false);
  list.AddConvolution(network + ".depthwise.conv", 1, wide, block.kernel, false);
  list.AddConvolution(network + ".se.excitation.0", wide, wide / squeezing, one);
  list.AddConvolution(network + ".se.excitation.2", wide / squeezing, wide, one);
  list.AddConvolution(network + ".pointwise.conv", wide, block.out, one, false);
}

ValueId
MedFormerBuilder::ConvolveSeparably(ValueId x, const std::string & key)
{
  return m_Modules.Convolve(m_Modules.Convolve(x, key + ".depthwise"), key + ".pointwise");
}

ValueId
MedFormerBuilder::MergePatches(ValueId x, const Extent3 & scale, const std::string & key)
{
  const Shape shape = m_Graph.GetShape(x);
  std::vector<ValueId> phases;
  Extent3 first{};
  for (first[0] = 0; first[0] < scale[0]; ++first[0])
  {
    for (first[1] = 0; first[1] < scale[1]; ++first[1])
    {
      for (first[2] = 0; first[2] < scale[2]; ++first[2])
      {
        Slice phase{ { 0, 0, first[0], first[1], first[2] }, shape, { 1, 1, scale[0], scale[1], scale[2] } };
        phases.push_back(m_Graph.Add(std::move(phase), { x }, key + ".phase"));
      }
    }
  }
  const ValueId all = m_Graph.Concatenate(phases, 1, key + ".phases");
  return this->ConvolveSeparably(m_Modules.NormalizeInstances(all, key + ".norm", epsilon), key + ".reduction");
}

ValueId
MedFormerBuilder::GenerateMap(ValueId features, const std::string & key)
{
  const auto flatten = [this](ValueId x, const std::string & name)
  {
    const Shape shape = m_Graph.GetShape(x);
    return m_Graph.Add(Reshape{ { shape[0], shape[1], shape[2] * shape[3] * shape[4] } }, { x }, name);
  };
  const ValueId base = flatten(m_Modules.Convolve(features, key + ".base_proj"), key + ".base");
  const ValueId scores = flatten(m_Modules.Convolve(features, key + ".semantic_proj"), key + ".scores");
  const ValueId parts = m_Graph.Add(Softmax{ -1, false }, { scores }, key + ".softmax");
  return m_Graph.Add(MatrixProduct{ false, true }, { parts, base }, key + ".map");
}

std::vector<ValueId>
MedFormerBuilder::FuseMaps(const std::vector<ValueId> & maps,
                           std::int64_t heads,
                           std::int64_t depth,
                           const std::string & key)
{
  std::vector<ValueId> projected;
  for (std::size_t i = 0; i < maps.size(); ++i)
  {
    projected.push_back(m_Modules.Transform(maps[i], key + ".in_proj." + std::to_string(i)));
  }
  ValueId x = m_Graph.Concatenate(projected, 1, key + ".maps");
  for (std::int64_t i = 0; i < depth; ++i)
  {
    const std::string attention = GetLayerKey(key, i, 0);
    const ValueId normalized = m_Modules.NormalizeLayer(x, attention + ".norm", hermesEpsilon);
    const auto part = [&](std::int64_t number)
    { return m_Builder.TransformPart(normalized, attention + ".fn.to_qkv", number, 3); };
    const ValueId attended = m_Builder.Attend(part(0), part(1), part(2), heads, attention + ".fn");
    x = m_Builder.Add(x, attended, attention);
    const std::string network = GetLayerKey(key, i, 1);
    const ValueId inner = m_Modules.NormalizeLayer(x, network + ".norm", hermesEpsilon);
    x = m_Builder.Add(x, m_Builder.AddMlp(inner, network + ".fn"), network);
  }
  std::vector<ValueId> fused;
  std::int64_t begin = 0;
  for (std::size_t i = 0; i < maps.size(); ++i)
  {
    const std::int64_t end = begin + m_Graph.GetShape(maps[i])[1];
    const std::string projection = key + ".out_proj." + std::to_string(i);
    fused.push_back(m_Modules.Transform(m_Builder.SliceTokens(x, begin, end, projection), projection));
    begin = end;
  }
  return fused;
}

ValueId
MedFormerBuilder::Excite(ValueId x, const std::string & key)
{
  const ValueId mean = m_Graph.Reduce(ReductionFunction::Mean, x, { -3, -2, -1 }, true, key + ".squeeze");
  const ValueId narrow = m_Modules.Convolve(mean, key + ".excitation.0");
  const ValueId active = m_Graph.Apply(UnaryFunction::Relu, narrow, 0, 0, key + ".excitation.1");
  const ValueId wide = m_Modules.Convolve(active, key + ".excitation.2");
  const ValueId factor = m_Graph.Apply(UnaryFunction::Sigmoid, wide, 0, 0, key + ".excitation.3");
  return m_Graph.Combine(BinaryFunction::Multiply, x, factor, key);
}

ValueId
MedFormerBuilder::AddInvertedResidual(ValueId x, const std::string & key)
{
  ValueId y = m_Builder.ActivateAndConvolve(x, key + ".expand_proj");
  y = this->Excite(m_Builder.ActivateAndConvolve(y, key + ".depthwise"), key + ".se");
  y = m_Modules.NormalizeInstances(y, key + ".pointwise.norm", hermesEpsilon);
  return m_Builder.Add(x, m_Modules.Convolve(y, key + ".pointwise.conv"), key);
}

ValueId
MedFormerBuilder::SplitFeatures(ValueId features, std::int64_t part, std::int64_t heads, const std::string & key)
{
  const Shape shape = m_Graph.GetShape(features);
  const std::int64_t inner = shape[1] / 2;
  Slice slice{ { 0, part * inner, 0, 0, 0 }, shape, {} };
  slice.end[1] = (part + 1) * inner;
  const ValueId half = m_Graph.Add(std::move(slice), { features }, key);
  const std::int64_t voxels = shape[2] * shape[3] * shape[4];
  const ValueId split = m_Graph.Add(Reshape{ { shape[0], inner / heads, heads, voxels } }, { half }, key);
  return m_Graph.Add(Permutation{ { 0, 2, 1, 3 } }, { split }, key);
}

MedFormerBuilder::Attended
MedFormerBuilder::AttendBothWays(const Attended & x, std::int64_t heads, const std::string & key)
{
  const std::string attention = key + ".attn";
  const Shape shape = m_Graph.GetShape(x.features);
  const ValueId features =
    this->ConvolveSeparably(m_Modules.NormalizeInstances(x.features, key + ".norm1", epsilon), attention + ".feat_qv");
  const ValueId normalized = m_Modules.NormalizeLayer(x.tokens, key + ".norm2");
  const ValueId ofFeatures = this->SplitFeatures(features, 0, heads, attention + ".feat_q");
  const ValueId featureValues = this->SplitFeatures(features, 1, heads, attention + ".feat_v");
  const auto splitTokens = [&](std::int64_t part, const std::string & name)
  {
    const ValueId tokens = m_Builder.TransformPart(normalized, attention + ".map_qv", part, 2);
    const Shape extents = m_Graph.GetShape(tokens);
    const ValueId split =
      m_Graph.Add(Reshape{ { extents[0], extents[1], extents[2] / heads, heads } }, { tokens }, name);
    return m_Graph.Add(Permutation{ { 0, 3, 1, 2 } }, { split }, name);
  };
  const ValueId ofTokens = splitTokens(0, attention + ".map_q");
  const ValueId tokenValues = splitTokens(1, attention + ".map_v");

  const auto depth = static_cast<double>(m_Graph.GetShape(ofTokens)[3]);
  const ValueId products = m_Graph.Add(MatrixProduct{ true, true }, { ofFeatures, ofTokens }, attention + ".scores");
  const ValueId scores = m_Graph.Apply(UnaryFunction::Linear, products, 1 / std::sqrt(depth), 0, attention + ".scores");
  const ValueId overTokens = m_Graph.Add(Softmax{ -1, false }, { scores }, attention + ".over_tokens");
  const ValueId overVoxels = m_Graph.Add(Softmax{ -2, false }, { scores }, attention + ".over_voxels");

  const std::int64_t inner = m_Graph.GetShape(features)[1] / 2;
  ValueId y = m_Graph.Add(MatrixProduct{}, { overTokens, tokenValues }, attention + ".feat");
  y = m_Graph.Add(Permutation{ { 0, 3, 1, 2 } }, { y }, attention + ".feat");
  y = m_Graph.Add(Reshape{ { shape[0], inner, shape[2], shape[3], shape[4] } }, { y }, attention + ".feat");
  y = this->ConvolveSeparably(y, attention + ".feat_out");
  const bool isChanged = m_Modules.HasParameter(key + ".shortcut.conv.weight");
  const ValueId shortcut = isChanged ? m_Builder.ActivateAndConvolve(x.features, key + ".shortcut") : x.features;
  y = this->AddInvertedResidual(m_Builder.Add(y, shortcut, key), key + ".feedforward");

  ValueId tokens = m_Graph.Add(MatrixProduct{ true, true }, { overVoxels, featureValues }, attention + ".map");
  tokens = m_Graph.Add(Permutation{ { 0, 2, 3, 1 } }, { tokens }, attention + ".map");
  tokens = m_Graph.Add(Reshape{ { shape[0], m_Graph.GetShape(tokens)[1], inner } }, { tokens }, attention + ".map");
  const bool hasOutput = m_Modules.HasParameter(attention + ".map_out.weight");
  tokens = hasOutput ? m_Modules.Transform(tokens, attention + ".map_out") : tokens;
  return { y, m_Builder.Add(tokens, x.tokens, attention) };
}
} // namespace nn
} // namespace itk
