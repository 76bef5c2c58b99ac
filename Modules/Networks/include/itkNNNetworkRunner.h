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
#ifndef itkNNNetworkRunner_h
#define itkNNNetworkRunner_h

#include "UniverSegNetworksExport.h"
#include "itkNNExecutionPlan.h"
#include "itkNNNetwork.h"

#include <list>
#include <memory>
#include <mutex>

namespace itk
{
namespace nn
{
/** \class NetworkRunner
 * \brief A network with its weights, ready to run on tensors of any shape it
 * takes.
 *
 * Plans are made when a combination of input shapes is first seen; the last
 * few are kept, and all share their packed weights. Run() may be called from
 * several threads.
 * \ingroup UniverSegNetworks
 */
class UniverSegNetworks_EXPORT NetworkRunner
{
public:
  /** Throws Error when the weights do not fit the network. */
  NetworkRunner(Network::ConstPointer network, std::shared_ptr<const StateDict> weights, PlanOptions options = {});
  ~NetworkRunner();
  NetworkRunner(const NetworkRunner &) = delete;
  NetworkRunner & operator=(const NetworkRunner &) = delete;

  TensorMap Run(const TensorMap & inputs, const RunHooks & hooks = {});

  std::shared_ptr<const ExecutionPlan> GetPlan(const ShapeMap & inputs);

  const Network & GetNetwork() const
  {
    return *m_Network;
  }
  const PlanOptions & GetOptions() const
  {
    return m_Options;
  }

  /** Drop the kept plans and their arenas. */
  void ReleaseMemory();

private:
  struct Entry
  {
    ShapeMap inputs;
    std::shared_ptr<const ExecutionPlan> plan;
  };

  Network::ConstPointer m_Network;
  std::shared_ptr<const StateDict> m_Weights;
  PlanOptions m_Options;
  std::shared_ptr<PlanResources> m_Resources;
  std::mutex m_Mutex;
  std::list<Entry> m_Plans; ///< last used first
};
} // namespace nn
} // namespace itk

#endif
