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
#ifndef itkHermesNetwork_h
#define itkHermesNetwork_h

#include "itkHermesPriorNetwork.h"

#include <array>

namespace itk
{
namespace nn
{
/** \class HermesConfiguration
 * \brief Levels, channels and priors of a Hermes network on the residual U-Net. As JSON
 * the keys in_ch, base_ch, scale, kernel_size, num_block, pool, tn, mn, and block
 * (BasicBlock) and norm (in); domains, a list of objects with tgt_idx and mod_idx, and
 * task.
 * \ingroup UniverSegNetworks
 */
struct UniverSegNetworks_EXPORT HermesConfiguration
{
  using Extent = std::array<std::int64_t, 3>; ///< along D, H, W

  std::int64_t inputChannels = 1;
  std::int64_t baseChannels = 32; ///< the levels have 1, 2, 4, 8 and 10 times as many
  std::vector<Extent> scales = std::vector<Extent>(4, { { 2, 2, 2 } });  ///< from a level to the next coarser one
  std::vector<Extent> kernels = std::vector<Extent>(5, { { 3, 3, 3 } }); ///< of each level, odd
  std::vector<std::int64_t> blocks{ 2, 2, 2, 2 }; ///< of each level but the finest, in encoder and decoder
  bool hasPooling = true;                         ///< maxima make the next level, else convolutions with a stride
  HermesPriors priors;
};

/** \class HermesNetwork
 * \brief Hermes on the residual U-Net (Y. Gao et al., CVPR 2024, arXiv 2306.02416;
 * yhygao/universal-medical-image-segmentation, hermes_resunet): one network for many
 * data sets, whose priors of tasks and modalities attend to the features of three
 * scales, and the features to them; from the tasks' posteriors come the weights of
 * the last, pointwise convolution.
 *
 * The input is [B, in_ch, D, H, W] of any extents that leave more than one voxel at
 * the coarsest level. Without configured domains tgt_idx [B, T] and mod_idx [B] (or
 * [B, 1]) are further inputs, the numbers of the classes of each image, from 0 to
 * tn - 1 and -1 for the null task, and of its modality, from 0 to mn - 1 and -1 for
 * the last; another number makes what depends on it not a number. Outputs: out
 * [B, T, D, H, W], a logit of each class, of which a voxel may have several, and
 * mod_out [B, mn], the logits of the modality.
 *
 * With domains the tasks and the modality are those of the domain that runs, the null
 * task attends with them as in the reference, and out has the domain's classes alone.
 *
 * Normalisations are of instances, in training and inference alike.
 * \ingroup UniverSegNetworks
 */
class UniverSegNetworks_EXPORT HermesNetwork : public HermesPriorNetwork
{
public:
  /** Throws Error when a value is out of its range. */
  explicit HermesNetwork(HermesConfiguration configuration);
  ~HermesNetwork() override;

  static ConstPointer FromJson(const std::string & text);

  /** Null when the weights are not those of a Hermes on the residual U-Net. Throws Error
   * when they are but contradict themselves. What they do not tell is assumed: levels of
   * half the extents, no domains. */
  static ConstPointer FromWeights(const StateDict & weights);

  std::string GetName() const override;
  std::string GetConfiguration() const override;
  std::vector<Parameter> GetParameters() const override;
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

  const HermesConfiguration & GetValues() const
  {
    return m_Configuration;
  }

private:
  HermesConfiguration m_Configuration;
};
} // namespace nn
} // namespace itk

#endif
