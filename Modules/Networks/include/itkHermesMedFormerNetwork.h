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
#ifndef itkHermesMedFormerNetwork_h
#define itkHermesMedFormerNetwork_h

#include "itkHermesNetwork.h"

namespace itk
{
namespace nn
{
/** \class HermesMedFormerConfiguration
 * \brief Levels, channels and priors of a Hermes network on MedFormer. As JSON the keys
 * in_chan, base_chan, map_size, conv_num, trans_num, chan_num, num_heads, fusion_depth,
 * fusion_dim, fusion_heads, expansion, act (relu, gelu, swish), kernel_size, scale,
 * aux_loss, tn, mn, and conv_block (BasicBlock), proj_type (depthwise), norm (in),
 * attn_drop and proj_drop (0); domains and task as of HermesConfiguration.
 *
 * Lists of eight have an entry for each of the four levels down and the four up.
 * \ingroup UniverSegNetworks
 */
struct UniverSegNetworks_EXPORT HermesMedFormerConfiguration
{
  using Extent = HermesConfiguration::Extent;

  std::int64_t inputChannels = 1;
  std::int64_t baseChannels = 32; ///< of the finest level
  Extent mapSize{ { 4, 4, 4 } };  ///< its product is the number of tokens of a semantic map
  std::vector<std::int64_t> convolutions{ 2, 0, 0, 0, 0, 0, 2, 2 }; ///< blocks of two convolutions
  std::vector<std::int64_t> transformers{ 0, 2, 4, 8, 4, 2, 0, 0 }; ///< blocks; none at first and in the last two
  std::vector<std::int64_t> channels{ 64, 128, 256, 320, 256, 128, 64, 32 };
  std::vector<std::int64_t> heads{ 1, 4, 8, 10, 8, 4, 1, 1 };
  std::int64_t fusionDepth = 2;
  std::int64_t fusionChannels = 320;
  std::int64_t fusionHeads = 10;
  std::int64_t expansion = 4; ///< of the channels inside a transformer's convolutions
  UnaryFunction activation = UnaryFunction::Relu;
  std::vector<Extent> scales = std::vector<Extent>(4, { { 2, 2, 2 } });  ///< from a level to the next coarser one
  std::vector<Extent> kernels = std::vector<Extent>(5, { { 3, 3, 3 } }); ///< of each level, odd
  bool hasAuxiliary = true; ///< logits of the level of a quarter's extents too
  HermesPriors priors;
};

/** \class HermesMedFormerNetwork
 * \brief Hermes on MedFormer (Y. Gao et al., CVPR 2024, arXiv 2306.02416;
 * yhygao/universal-medical-image-segmentation, hermes_medformer): the priors of tasks and
 * modalities are tokens beside a semantic map, to which features attend and which
 * attend to features at three scales.
 *
 * Inputs, outputs and domains as HermesNetwork; extents are multiples of the products
 * of the scales. With aux_loss also aux_out [B, T, D, H, W], the logits of a coarser
 * level, by which the reference is trained too.
 * \ingroup UniverSegNetworks
 */
class UniverSegNetworks_EXPORT HermesMedFormerNetwork : public HermesPriorNetwork
{
public:
  /** Throws Error when a value is out of its range. */
  explicit HermesMedFormerNetwork(HermesMedFormerConfiguration configuration);
  ~HermesMedFormerNetwork() override;

  static ConstPointer FromJson(const std::string & text);

  /** Null when the weights are not those of a Hermes on MedFormer. Throws Error when they
   * are but contradict themselves. What they do not tell is assumed: heads of 32 channels
   * (an Error where these do not divide those of a level), halved extents, rectifiers, no
   * domains. */
  static ConstPointer FromWeights(const StateDict & weights);

  std::string GetName() const override;
  std::string GetConfiguration() const override;
  std::vector<Parameter> GetParameters() const override;
  /** aux_out, if there is one. */
  std::vector<std::string> GetDeepLogitsNames() const override;
  Graph BuildGraph(const ShapeMap & inputs) const override;

  const HermesPriors & GetPriors() const override
  {
    return m_Configuration.priors;
  }
  ConstPointer WithPriors(HermesPriors priors) const override;
  std::int64_t GetInputChannels() const override
  {
    return m_Configuration.inputChannels;
  }

  const HermesMedFormerConfiguration & GetValues() const
  {
    return m_Configuration;
  }

private:
  HermesMedFormerConfiguration m_Configuration;
};
} // namespace nn
} // namespace itk

#endif
