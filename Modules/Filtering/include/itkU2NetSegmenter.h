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
#ifndef itkU2NetSegmenter_h
#define itkU2NetSegmenter_h

#include "UniverSegFilteringExport.h"
#include "itkNNNetworkRunner.h"
#include "itkNNVolumeResize.h"
#include "itkU2NetTask.h"

#include <memory>
#include <optional>
#include <string>

namespace itk
{
namespace nn
{
/** How images become a segmentation with a 3D U2-Net, as its reference implementation
 * (huangmozhilv/u2net_torch) does it: what is in the card of a model for each of its tasks.
 * \ingroup UniverSegFiltering */
struct UniverSegFiltering_EXPORT U2NetPipeline
{
  U2NetPreprocessing preprocessing;

  /** [D, H, W]: zeros make a prepared case at least as large. */
  Shape patch;

  /** [D, H, W] of the windows. Where it is not the patch, as with a network of several tasks, the
   * case is resized by its extents divided by the patch's. */
  Shape window;

  ResizeBoundary boundary = ResizeBoundary::Edge; ///< of the resizing
  std::int64_t windowBatch = 1;                   ///< windows in one run of the network

  /** Behind the network; none: its labels as they are. */
  std::optional<U2NetPostProcessing> postProcessing;

  /** For a task of the paper.
   * \param window of a network of several tasks, [128, 128, 128] in the paper; empty: the task's
   * own patch. */
  static U2NetPipeline Make(const U2NetTask & task, const Shape & window = {});

  /** Whether a card's preprocessing is such a pipeline: a JSON object with the key "u2net". */
  static bool IsIn(const std::string & text);

  /** A JSON object with the key "u2net". */
  std::string ToJson() const;

  /** Inverse of ToJson(); what is left out has the default. Throws Error that names the key which
   * is wrong. */
  static U2NetPipeline FromJson(const std::string & text);

  /** Throws Error when patch or window do not have three extents of 1 or more, and as the Check()
   * of the parts. */
  void Check() const;
};

/** \class U2NetSegmenter
 * \brief Images of any grid to labels on that grid, by one task of a 3D U2-Net.
 *
 * Immutable: several threads may use an object.
 * \ingroup UniverSegFiltering */
class UniverSegFiltering_EXPORT U2NetSegmenter
{
public:
  /** Throws Error as U2NetPipeline::Check(), and without a runner.
   * \param runner of a network with one input, "input", [N, C, D, H, W]. */
  U2NetSegmenter(std::shared_ptr<NetworkRunner> runner, U2NetPipeline pipeline);

  /** Throws Error as U2NetPreprocessing::Apply(), and when the network does not take the case;
   * Cancelled when the hook says so. */
  Image<std::int32_t, 3>::Pointer Segment(const RawCase & images, const RunHooks & hooks = {}) const;

  /** Labels of a prepared case before the post-processing.
   * \param volumes [C, D, H, W], Float32 or Float64.
   * \return [D, H, W], Int32. */
  Tensor PredictLabels(const Tensor & volumes, const RunHooks & hooks = {}) const;

  const U2NetPipeline & GetPipeline() const
  {
    return m_Pipeline;
  }

private:
  std::shared_ptr<NetworkRunner> m_Runner;
  U2NetPipeline m_Pipeline;
};
} // namespace nn
} // namespace itk

#endif
