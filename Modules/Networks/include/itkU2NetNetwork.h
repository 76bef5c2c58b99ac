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
#ifndef itkU2NetNetwork_h
#define itkU2NetNetwork_h

#include "itkNNNetwork.h"

namespace itk
{
namespace nn
{
/** \class U2NetConfiguration
 * \brief Levels, channels and domains of a 3D U2-Net. As JSON, the keys of the
 * reference implementation's configuration: mode (universal, shared, independent)
 * and module (separable_adapter, parallel_adapter, series_adapter), num_pool_per_axis,
 * base_channels, in_channels and num_classes (both required, an entry a domain),
 * deep_supervision, residual; and task.
 * \ingroup UniverSegNetworks
 */
struct UniverSegNetworks_EXPORT U2NetConfiguration
{
  /** What a domain has of its own beside its normalisations, input and output. */
  enum class Adapter : std::uint8_t
  {
    None,      ///< nothing: convolutions are shared (modes shared and independent)
    Separable, ///< a channel-wise convolution before the shared pointwise one
    Parallel,  ///< a pointwise convolution added to the shared one
    Series     ///< a pointwise convolution behind the shared one
  };

  Adapter adapter = Adapter::Separable;
  std::vector<std::int64_t> pools{ 5, 5, 5 };   ///< how often D, H, W are halved; the most make the levels
  std::int64_t baseChannels = 16;               ///< of the finest level; each next one has twice as many
  std::vector<std::int64_t> inputChannels{ 1 }; ///< of each domain
  std::vector<std::int64_t> classes{ 2 };       ///< of each domain
  bool hasDeepSupervision = true;               ///< logits of up to two coarser levels are added
  bool isResidual = true;                       ///< blocks of the encoder add their input
  std::int64_t task = 0;                        ///< the domain that runs
};

/** \class U2NetNetwork
 * \brief The 3D U2-Net (C. Huang et al., MICCAI 2019, arXiv 1909.06012;
 * huangmozhilv/u2net_torch): one network for many domains, whose convolutions are
 * shared while each domain has adapters, normalisations, an input and an output of
 * its own.
 *
 * The state dict holds all domains, a graph is that of one, the configuration's task.
 *
 * Input: input [B, in_channels[task], D, H, W], extents multiples of 2^pools of their
 * axis. Outputs: logits [B, num_classes[task], D, H, W]; with separable and parallel
 * adapters also share_map and para_map, what the shared and the own convolution of the
 * finest up-sampling make.
 *
 * Normalisations are of instances, in training and inference alike.
 * \ingroup UniverSegNetworks
 */
class UniverSegNetworks_EXPORT U2NetNetwork : public Network
{
public:
  /** Throws Error when a value is out of its range. */
  explicit U2NetNetwork(U2NetConfiguration configuration);
  ~U2NetNetwork() override;

  static ConstPointer FromJson(const std::string & text);

  /** Null when the weights are not those of a 3D U2-Net. Throws Error when they are but
   * contradict themselves. What they do not tell is assumed: as many halvings along all
   * axes, residual blocks, the first domain; with two levels deep supervision. */
  static ConstPointer FromWeights(const StateDict & weights);

  std::string GetName() const override;
  std::string GetConfiguration() const override;
  std::vector<Parameter> GetParameters() const override;
  std::vector<std::string> GetInputNames() const override;
  std::int64_t GetNumberOfTasks() const override;
  std::int64_t GetTask() const override;
  ConstPointer ForTask(std::int64_t task) const override;
  Extension WithTask(const NewTask & task) const override;
  Graph BuildGraph(const ShapeMap & inputs) const override;

  const U2NetConfiguration & GetValues() const
  {
    return m_Configuration;
  }

private:
  U2NetConfiguration m_Configuration;
};
} // namespace nn
} // namespace itk

#endif
