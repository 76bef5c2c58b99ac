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
#ifndef itkNNVolumeSegmenter_h
#define itkNNVolumeSegmenter_h

#include "UniverSegFilteringExport.h"
#include "itkNNSampleTransforms.h"
#include "itkNNSlidingWindowPredictor.h"

#include <memory>
#include <optional>
#include <string>

namespace itk
{
namespace nn
{
/** How an image becomes a segmentation: what is in the card of a model beside its network.
 * \ingroup UniverSegFiltering */
struct UniverSegFiltering_EXPORT VolumePipeline
{
  SampleTransforms transforms;                 ///< before the network, undone behind it
  std::optional<SlidingWindowOptions> windows; ///< none: the whole image at once

  /** A JSON object with the keys "transforms" and, with windows, "sliding_window". */
  std::string ToJson() const;

  /** Inverse of ToJson(); other keys are passed over. Throws Error that names the key which
   * is wrong. */
  static VolumePipeline FromJson(const std::string & text);
};

/** \class VolumeSegmenter
 * \brief A network with one input and what has to be done before and behind it, for images
 * that fit into memory.
 *
 * SlidingWindowSegmentationImageFilter streams larger ones, without transforms.
 *
 * Immutable: several threads may use an object.
 * \ingroup UniverSegFiltering */
class UniverSegFiltering_EXPORT VolumeSegmenter
{
public:
  VolumeSegmenter(std::shared_ptr<NetworkRunner> runner, VolumePipeline pipeline);

  /** The logits for an image as it is, without transforms.
   * Throws Error when the network does not take it, Cancelled when the hook says so.
   * \param image [C, D, H, W], Float32.
   * \return [K, D, H, W]. */
  Tensor ComputeLogits(const Tensor & image, const RunHooks & hooks = {}) const;

  /** The logits on the image's own grid: transforms, network, and the transforms undone.
   * Throws Error also when what is left does not have the image's extents, because a transform
   * that moves pixels is not to be undone. */
  Tensor Predict(const Tensor & image, const RunHooks & hooks = {}) const;

  /** The class of the greatest logit of each pixel, as SelectClasses() of Predict(), which the
   * errors are too. Memory does not grow with classes times pixels, unless a transform has to be
   * undone by interpolation.
   * \return [D, H, W], Int32. */
  Tensor PredictLabels(const Tensor & image, const RunHooks & hooks = {}) const;

  const VolumePipeline & GetPipeline() const
  {
    return m_Pipeline;
  }

private:
  SlidingWindowPredictor MakePredictor(const Shape & image) const;

  std::shared_ptr<NetworkRunner> m_Runner;
  VolumePipeline m_Pipeline;
};
} // namespace nn
} // namespace itk

#endif
