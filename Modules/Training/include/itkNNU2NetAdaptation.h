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
#ifndef itkNNU2NetAdaptation_h
#define itkNNU2NetAdaptation_h

#include "UniverSegTrainingExport.h"
#include "itkU2NetNetwork.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** How a 3D U2-Net gets a further task (domain). \ingroup UniverSegTraining */
enum class U2NetAdaptationPolicy : std::uint8_t
{
  /** The task joins the others: one model with a task more, in which all that was there stays
   * as it is. What is new are adapters, normalisations, input, output and deep supervision. */
  AdaptersOnly,
  /** As the reference implementation: a model of the new task alone, with the weights, not the
   * biases, of the shared convolutions of the encoder's and decoder's blocks. These stay; all
   * else is new, the convolutions of down- and up-sampling too. */
  Reference
};

/** "adapters" and "reference". \ingroup UniverSegTraining */
UniverSegTraining_EXPORT const char * ToString(U2NetAdaptationPolicy policy);
/** Throws Error that lists them. \ingroup UniverSegTraining */
UniverSegTraining_EXPORT U2NetAdaptationPolicy ParseU2NetAdaptationPolicy(const std::string & name);

/** A network with a new task, before that is trained. \ingroup UniverSegTraining */
struct U2NetAdaptation
{
  std::shared_ptr<const U2NetNetwork> network; ///< whose task is the new one
  StateDict weights;                           ///< those that were there, shared with the old ones, and new ones
  std::vector<std::string> kept;               ///< names of the former
  std::vector<std::string> trained;            ///< of the latter
};

/** Add a task to a 3D U2-Net (C. Huang et al., MICCAI 2019, arXiv 1909.06012).
 *
 * \param weights of the network.
 * \param channels of the new task's images. \param classes of its labels, background included.
 * \param seed of the new weights, drawn as MakeInitialWeights() does.
 * Throws Error when the weights are not the network's, or when a number is out of its range.
 * \ingroup UniverSegTraining */
UniverSegTraining_EXPORT U2NetAdaptation AddU2NetTask(const U2NetNetwork & network,
                                                      const StateDict & weights,
                                                      std::int64_t channels,
                                                      std::int64_t classes,
                                                      U2NetAdaptationPolicy policy,
                                                      std::uint64_t seed);
} // namespace nn
} // namespace itk

#endif
