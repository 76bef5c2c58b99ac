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
#ifndef itkNNMedFormerModules_h
#define itkNNMedFormerModules_h

#include "itkNNHermesModules.h"

namespace itk
{
namespace nn
{
/** A convolution of each channel and a pointwise one, without biases. */
void DeclareSeparable(
  ParameterList & list, const std::string & key, std::int64_t in, std::int64_t out, const Extent3 & kernel);
/** Phases of a scale to channels, and what reduces these. */
void DeclarePatchMerging(ParameterList & list,
                         const std::string & key,
                         std::int64_t in,
                         std::int64_t out,
                         const Extent3 & scale,
                         const Extent3 & kernel);
/** Features to a semantic map of a number of tokens. */
void DeclareMapGeneration(ParameterList & list, const std::string & key, std::int64_t channels, std::int64_t tokens);
void DeclareMapFusion(ParameterList & list,
                      const std::string & key,
                      const std::vector<std::int64_t> & channels,
                      std::int64_t dimension,
                      std::int64_t depth);

/** \class BidirectionalBlock
 * \brief The extents of a block in which features and tokens attend to each other. */
struct BidirectionalBlock
{
  std::int64_t in = 0; ///< features' channels; tokens have `out`
  std::int64_t out = 0;
  std::int64_t expansion = 0;
  Extent3 kernel{};
  bool hasMapOutput = true; ///< the tokens' product behind the attention
};
void DeclareBidirectionalBlock(ParameterList & list, const std::string & key, const BidirectionalBlock & block);

/** \class MedFormerBuilder
 * \brief Adds the modules of a MedFormer (Y. Gao et al., arXiv:2203.00131) to a graph. */
class UniverSegNetworks_EXPORT MedFormerBuilder
{
public:
  explicit MedFormerBuilder(HermesBuilder & builder)
    : m_Builder(builder)
    , m_Modules(builder.GetModules())
    , m_Graph(m_Modules.GetGraph())
  {}

  struct Attended
  {
    ValueId features; ///< [B, C, D, H, W]
    ValueId tokens;   ///< [B, S, C]
  };

  ValueId ConvolveSeparably(ValueId x, const std::string & key);
  ValueId MergePatches(ValueId x, const Extent3 & scale, const std::string & key);
  /** [B, tokens, C]. */
  ValueId GenerateMap(ValueId features, const std::string & key);
  /** The maps, each changed by all. */
  std::vector<ValueId> FuseMaps(const std::vector<ValueId> & maps,
                                std::int64_t heads,
                                std::int64_t depth,
                                const std::string & key);
  /** Inverted residual convolutions with squeeze and excitation. */
  ValueId AddInvertedResidual(ValueId x, const std::string & key);
  ValueId Excite(ValueId x, const std::string & key);
  /** One product of queries says what features take from tokens, and tokens from features. */
  Attended AttendBothWays(const Attended & x, std::int64_t heads, const std::string & key);

private:
  /** Channels [B, heads' channels of C, ...] of a part to heads [B, h, C / h, N]; the
   * heads of a channel are neighbours. */
  ValueId SplitFeatures(ValueId features, std::int64_t part, std::int64_t heads, const std::string & key);

  HermesBuilder & m_Builder;
  ModuleBuilder & m_Modules;
  Graph & m_Graph;
};
} // namespace nn
} // namespace itk

#endif
