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
#ifndef itkPCTNetNetwork_h
#define itkPCTNetNetwork_h

#include "itkNNNetwork.h"

#include <array>

namespace itk
{
namespace nn
{
/** \class PCTNetConfiguration
 * \brief Channels, levels and transformers of a PCT-Net. As JSON, the keys of the
 * reference's configuration: in_chns, class_num (both required), input_size,
 * feature_chns and dropout (5 entries each), depths, num_heads and window_sizes
 * (3 entries each), resolution_mode, multiscale_pred.
 * \ingroup UniverSegNetworks
 */
struct UniverSegNetworks_EXPORT PCTNetConfiguration
{
  std::int64_t inputChannels = 1;
  std::int64_t classes = 2;
  /** D, H, W that the input must have; empty: any. It decides whether a window
   * is cut down to the grid of its level, and with it the shapes of the weights. */
  std::vector<std::int64_t> inputSize;
  std::array<std::int64_t, 5> features{ { 32, 64, 128, 256, 512 } }; ///< of each level, the finest first
  std::array<double, 5> dropout{ { 0, 0, 0.2, 0.2, 0.2 } };          ///< in training, of each level
  std::array<std::int64_t, 3> depths{ { 2, 2, 2 } };                 ///< transformer blocks of the coarse levels
  std::array<std::int64_t, 3> heads{ { 4, 8, 16 } };
  std::array<std::int64_t, 3> windows{ { 6, 6, 6 } }; ///< extent of an attention window, in tokens
  /** How many of the two finest levels keep D, for thick slices: 0 to 2. The
   * weights hold all three modes. */
  std::int64_t resolutionMode = 0;
  bool isMultiscale = false; ///< four outputs instead of one
};

/** \class PCTNetNetwork
 * \brief Pyramid of convolutions and window attention of MIS-FM (G. Wang et al.,
 * arXiv:2306.16925), as in openmedlab/MIS-FM, its relative-position index
 * included.
 *
 * Input: input [B, in_chns, D, H, W]; H and W are multiples of 16, D of 16, 8 or 4
 * for resolution mode 0, 1 or 2. Outputs: output0, logits [B, class_num, D, H, W];
 * with multiscale_pred also output1 to output3, those of the coarser levels.
 * \ingroup UniverSegNetworks
 */
class UniverSegNetworks_EXPORT PCTNetNetwork : public Network
{
public:
  /** Throws Error when a value is out of its range. */
  explicit PCTNetNetwork(PCTNetConfiguration configuration);
  ~PCTNetNetwork() override;

  static ConstPointer FromJson(const std::string & text);

  /** Null when the weights are not PCT-Net's. Throws Error when they are but
   * contradict themselves. Resolution mode 0 is assumed: the weights do not tell
   * it, and a mode that is wrong gives wrong results. */
  static ConstPointer FromWeights(const StateDict & weights);

  std::string GetName() const override;
  std::string GetConfiguration() const override;
  std::vector<Parameter> GetParameters() const override;
  std::vector<std::string> GetInputNames() const override;
  std::string GetLogitsName() const override;
  Graph BuildGraph(const ShapeMap & inputs) const override;
  TrainingGraph BuildTrainingGraph(const ShapeMap & inputs) const override;

  const PCTNetConfiguration & GetValues() const
  {
    return m_Configuration;
  }

private:
  TrainingGraph Build(const ShapeMap & inputs, bool isTraining) const;

  PCTNetConfiguration m_Configuration;
};
} // namespace nn
} // namespace itk

#endif
