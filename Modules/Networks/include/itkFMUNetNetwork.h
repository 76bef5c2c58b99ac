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
#ifndef itkFMUNetNetwork_h
#define itkFMUNetNetwork_h

#include "itkNNNetwork.h"

#include <array>

namespace itk
{
namespace nn
{
/** \class FMUNetConfiguration
 * \brief Channels and levels of an FMUNet. As JSON, the keys of the reference's
 * configuration: in_chns, class_num (both required), feature_chns (5 integers),
 * dropout, res_mode, depth, multiscale_pred, initialization ("he", "xavier").
 * \ingroup UniverSegNetworks
 */
struct UniverSegNetworks_EXPORT FMUNetConfiguration
{
  std::int64_t inputChannels = 1;
  std::int64_t classes = 2;
  std::array<std::int64_t, 5> features{ { 32, 64, 128, 256, 512 } }; ///< of each level, the finest first
  double dropout = 0.2;                                              ///< in training, of the three coarsest levels
  /** How many of the finest levels have kernels of 1 x 3 x 3 and keep D, for thick
   * slices: 0 to 2. */
  std::int64_t resolutionMode = 0;
  std::int64_t depth = 2;    ///< residual convolutions of a level
  bool isMultiscale = false; ///< four outputs instead of one
  bool isHe = true;          ///< how convolutions are drawn before training: after He, or Xavier
};

/** \class FMUNetNetwork
 * \brief The U-Net with residual pre-activated convolutions of MIS-FM (G. Wang et
 * al., arXiv:2306.16925), as in openmedlab/MIS-FM and PyMIC.
 *
 * Input: input [B, in_chns, D, H, W]; H and W are multiples of 16, D of 16, 8 or 4
 * for resolution mode 0, 1 or 2. Outputs: output0, logits [B, class_num, D, H, W];
 * with multiscale_pred also output1 to output3, those of the coarser levels.
 *
 * The reference's multiscale_pred is true by default and acts in training only;
 * here it is false unless given, and acts always.
 * \ingroup UniverSegNetworks
 */
class UniverSegNetworks_EXPORT FMUNetNetwork : public Network
{
public:
  /** Throws Error when a value is out of its range. */
  explicit FMUNetNetwork(const FMUNetConfiguration & configuration);
  ~FMUNetNetwork() override;

  static ConstPointer FromJson(const std::string & text);

  /** Null when the weights are not FMUNet's. Throws Error when they are but
   * contradict themselves. */
  static ConstPointer FromWeights(const StateDict & weights);

  std::string GetName() const override;
  std::string GetConfiguration() const override;
  std::vector<Parameter> GetParameters() const override;
  std::vector<std::string> GetInputNames() const override;
  std::string GetLogitsName() const override;
  Graph BuildGraph(const ShapeMap & inputs) const override;
  TrainingGraph BuildTrainingGraph(const ShapeMap & inputs) const override;

  const FMUNetConfiguration & GetValues() const
  {
    return m_Configuration;
  }

private:
  FMUNetConfiguration m_Configuration;
};
} // namespace nn
} // namespace itk

#endif
