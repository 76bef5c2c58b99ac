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
#ifndef itkNNInitialWeights_h
#define itkNNInitialWeights_h

#include "UniverSegTrainingExport.h"
#include "itkNNNetwork.h"

#include <cstdint>

namespace itk
{
namespace nn
{
/** Weights as a network starts with, drawn as Network::Parameter::initial says.
 * Buffers are left out. The same seed gives the same weights.
 * \ingroup UniverSegTraining */
UniverSegTraining_EXPORT StateDict MakeInitialWeights(const Network & network, std::uint64_t seed);

/** What SetMatchingWeights() did. \ingroup UniverSegTraining */
struct MatchingWeights
{
  std::size_t copied = 0;
  std::vector<std::string> different; ///< of another shape
  std::vector<std::string> missing;   ///< which the source has not, but for buffers
};

/** Start from another network's weights: every tensor of the network that the source
 * has by the same name and shape is copied, all others stay as they are, as PyMIC loads
 * a pre-trained model.
 *
 * Buffers that the source has count as copied, as they do there.
 * \param weights of the network, changed.
 * \param parts names have to contain one of these; empty: all.
 * Throws Error when nothing fits.
 * \ingroup UniverSegTraining */
UniverSegTraining_EXPORT MatchingWeights SetMatchingWeights(const Network & network,
                                                            StateDict & weights,
                                                            const StateDict & source,
                                                            const std::vector<std::string> & parts = {});
} // namespace nn
} // namespace itk

#endif
