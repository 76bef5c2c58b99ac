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
#ifndef itkUNet3DNetwork_h
#define itkUNet3DNetwork_h

#include "itkNNNetwork.h"

namespace itk
{
namespace nn
{
/** \class UNet3DConfiguration
 * \brief Channels and layers of a UNet3D. As JSON, the keys of PyMIC's
 * configuration: in_chns, class_num (both required), feature_chns and dropout (4
 * or 5 entries), up_mode, norm_type (batch_norm or instance_norm),
 * multiscale_pred, initialization.
 * \ingroup UniverSegNetworks
 */
struct UniverSegNetworks_EXPORT UNet3DConfiguration
{
  /** How a level of the decoder gets the extents of the next. */
  enum class UpMode : std::uint8_t
  {
    TransposedConvolution, ///< of 2 x 2 x 2
    Nearest,               ///< behind a convolution of 1 x 1 x 1
    Linear                 ///< the same, with corners aligned
  };

  std::int64_t inputChannels = 1;
  std::int64_t classes = 2;
  std::vector<std::int64_t> features{ 32, 64, 128, 256, 512 }; ///< of each level, the finest first; 4 or 5
  std::vector<double> dropout{ 0, 0, 0.2, 0.3, 0.4 };          ///< in training, of each level
  UpMode upMode = UpMode::Linear;
  bool normalizesInstances = false; ///< instances instead of batches; the fifth level's are batches always
  bool isMultiscale = false;        ///< four outputs instead of one
  bool isHe = true;                 ///< how convolutions are drawn before training: after He, or Xavier
};

/** \class UNet3DNetwork
 * \brief The 3-D U-Net of PyMIC 0.5 (G. Wang et al., HiLab-git/PyMIC), on which
 * its Volume Fusion example trains.
 *
 * Input: input [B, in_chns, D, H, W], extents multiples of 16, or 8 with four
 * levels. Outputs: output0, logits [B, class_num, D, H, W]; with multiscale_pred
 * also output1 to output3, those of the coarser levels.
 * \ingroup UniverSegNetworks
 */
class UniverSegNetworks_EXPORT UNet3DNetwork : public Network
{
public:
  /** Throws Error when a value is out of its range. */
  explicit UNet3DNetwork(UNet3DConfiguration configuration);
  ~UNet3DNetwork() override;

  static ConstPointer FromJson(const std::string & text);

  /** Null when the weights are not UNet3D's. Throws Error when they are but
   * contradict themselves. Linear interpolation is assumed where the decoder has
   * no transposed convolution. */
  static ConstPointer FromWeights(const StateDict & weights);

  std::string GetName() const override;
  std::string GetConfiguration() const override;
  std::vector<Parameter> GetParameters() const override;
  std::vector<std::string> GetInputNames() const override;
  std::string GetLogitsName() const override;
  Graph BuildGraph(const ShapeMap & inputs) const override;
  TrainingGraph BuildTrainingGraph(const ShapeMap & inputs) const override;

  const UNet3DConfiguration & GetValues() const
  {
    return m_Configuration;
  }

private:
  TrainingGraph Build(const ShapeMap & inputs, bool isTraining) const;

  UNet3DConfiguration m_Configuration;
};
} // namespace nn
} // namespace itk

#endif
