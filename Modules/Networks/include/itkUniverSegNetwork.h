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
#ifndef itkUniverSegNetwork_h
#define itkUniverSegNetwork_h

#include "itkNNNetwork.h"

#include <vector>

namespace itk
{
namespace nn
{
/** \class UniverSegConfiguration
 * \brief Feature counts of the blocks of a UniverSeg network.
 *
 * As JSON: {"encoder_blocks": [64, [32, 64], ...], "decoder_blocks": [...]};
 * an integer n stands for the pair [n, n], decoder_blocks may be null or left
 * out.
 * \ingroup UniverSegNetworks
 */
struct UniverSegNetworks_EXPORT UniverSegConfiguration
{
  /** \brief Output channels of one block. */
  struct Block
  {
    std::int64_t cross; ///< channels of the cross convolution
    std::int64_t conv;  ///< channels of the target and support convolutions

    bool operator==(const Block & other) const
    {
      return cross == other.cross && conv == other.conv;
    }
  };

  std::vector<Block> encoderBlocks;
  /** Empty: the encoder blocks without the last one, reversed. At most one
   * fewer than the encoder blocks are used; with fewer the output is smaller
   * than the input. */
  std::vector<Block> decoderBlocks;

  /** encoder_blocks [64, 64, 64, 64], 1,182,785 parameters. */
  static UniverSegConfiguration Release();
};

/** \class UniverSegNetwork
 * \brief In-context segmentation with a support set, arXiv 2304.06131, as in
 * the reference repository JJGO/UniverSeg.
 *
 * Inputs: target [B, 1, H, W]; support_images and support_labels
 * [B, S, 1, H, W], S >= 1, or [1, S, 1, H, W] for one support set of all
 * targets; values in [0, 1]. Output: logits [B, 1, H', W'].
 * H and W are multiples of 2^(L - 1) for L encoder blocks.
 * \ingroup UniverSegNetworks
 */
class UniverSegNetworks_EXPORT UniverSegNetwork : public Network
{
public:
  /** Throws Error when there is no encoder block or a count is below 1. */
  explicit UniverSegNetwork(UniverSegConfiguration configuration);
  ~UniverSegNetwork() override;

  static ConstPointer FromJson(const std::string & text);

  /** Null when the weights are not UniverSeg's. Throws Error when they are but
   * contradict themselves. */
  static ConstPointer FromWeights(const StateDict & weights);

  std::string GetName() const override;
  std::string GetConfiguration() const override;
  std::vector<Parameter> GetParameters() const override;
  std::vector<std::string> GetInputNames() const override;
  /** support_images and support_labels. */
  std::vector<std::string> GetStaticInputNames() const override;
  Graph BuildGraph(const ShapeMap & inputs) const override;

  /** Encoder blocks, and decoder blocks as used. */
  const UniverSegConfiguration & GetBlocks() const
  {
    return m_Configuration;
  }

  /** Input extents must be multiples of this. */
  std::int64_t GetDivisor() const;

private:
  UniverSegConfiguration m_Configuration;
};
} // namespace nn
} // namespace itk

#endif
