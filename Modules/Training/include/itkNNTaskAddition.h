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
#ifndef itkNNTaskAddition_h
#define itkNNTaskAddition_h

#include "UniverSegTrainingExport.h"
#include "itkNNNetwork.h"

namespace itk
{
namespace nn
{
/** A network with a new task, before that is trained. \ingroup UniverSegTraining */
struct TaskAddition
{
  Network::ConstPointer network;         ///< whose task is the new one
  StateDict weights;                     ///< those that were there, and new ones
  std::vector<std::string> kept;         ///< names of the former
  std::vector<std::string> trained;      ///< of tensors that are new or have new rows
  std::vector<std::int64_t> trainedRows; ///< the new ones of the latter; empty: all
};

/** Let a task join those of a network, see Network::WithTask(): what was there stays as it is.
 *
 * \param weights of the network.
 * \param seed of the new weights, drawn as MakeInitialWeights() does.
 * Throws Error when the weights are not the network's, or the network does not get such a task.
 * \ingroup UniverSegTraining */
UniverSegTraining_EXPORT TaskAddition AddTask(const Network & network,
                                              const StateDict & weights,
                                              const Network::NewTask & task,
                                              std::uint64_t seed);
} // namespace nn
} // namespace itk

#endif
