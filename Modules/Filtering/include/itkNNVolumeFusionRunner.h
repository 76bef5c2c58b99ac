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
#ifndef itkNNVolumeFusionRunner_h
#define itkNNVolumeFusionRunner_h

#include "UniverSegFilteringExport.h"
#include "itkNNVolumeFusionGraph.h"

#include <memory>
#include <string>

namespace itk
{
namespace nn
{
/** \class VolumeFusionRunner
 * \brief Volume Fusion on a device, in float64. The plan is kept for the next images of the
 * same size and the same options.
 * \ingroup UniverSegFiltering */
class UniverSegFiltering_EXPORT VolumeFusionRunner
{
public:
  /** \param device "cpu", "cuda", "cuda:1", or "auto": "cuda" where there is one.
   * \return false when that is the cpu. Throws Error when it is not to be had. */
  bool UseDevice(const std::string & device);

  /** Fuse two images [size...], which begin at a position of those that the grid was drawn
   * for. Outputs: "fused" and "labels", [1, 1, size...], float64. Throws Error as
   * BuildVolumeFusionGraph(), MakeVolumeFusionInputs() and ExecutionPlan::Run(). */
  TensorMap Run(const VolumeFusionOptions & options,
                const VolumeFusionGrid & grid,
                const Shape & position,
                const Tensor & foreground,
                const Tensor & background,
                const RunHooks & hooks = {});

private:
  PlanOptions m_PlanOptions;
  std::shared_ptr<const ExecutionPlan> m_Plan;
  Shape m_Size; ///< of the plan, with what it depends on of the options
  Shape m_MinimumBlock;
  std::int64_t m_Classes = 0;
};
} // namespace nn
} // namespace itk

#endif
