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
/** \class StaticState
 * \brief What a network has computed from its static inputs, for any number of
 * runs with other inputs.
 *
 * Immutable, so it can be shared between threads.
 * \ingroup UniverSegNetworks
 */
class UniverSegNetworks_EXPORT StaticState
{
public:
  StaticState(TensorMap values, std::string key);

  /** In the layouts of the plan that uses them. */
  const TensorMap & GetValues() const
  {
    return m_Values;
  }
  std::size_t GetNumberOfBytes() const
  {
    return m_Bytes;
  }
  /** Equal for all input shapes for which the state is the same. */
  const std::string & GetKey() const
  {
    return m_Key;
  }

private:
  TensorMap m_Values;
  std::string m_Key;
  std::size_t m_Bytes;
};

/** \class NetworkRunner
 * \brief A network with its weights, ready to run on tensors of any shape it
 * takes.
 *
 * Plans are made when a combination of input shapes is first seen; the last
 * few are kept, and all share their packed weights. Run() may be called from
 * several threads.
 *
 * Where a device has not enough memory for a batch, its halves are run one after the
 * other: inputs whose first extent is the batch's.
 *
 * A network with static inputs can be run in two steps: ComputeStatic() does
 * what those inputs alone determine, and Run() with the state does the rest.
 * \ingroup UniverSegNetworks
 */
class UniverSegNetworks_EXPORT NetworkRunner
{
public:
  using PlanPointer = std::shared_ptr<const ExecutionPlan>;

  /** \brief The plans of the two steps. */
  struct SplitPlans
  {
    PlanPointer prologue;  ///< of the static inputs
    PlanPointer remainder; ///< of the other inputs and the prologue's results
    std::size_t bytes = 0; ///< of a state
    std::string key;       ///< of a state
    bool saves = true;     ///< false: a run with all inputs is not more work than the remainder
  };

  /** Throws Error when the weights do not fit the network. */
  NetworkRunner(Network::ConstPointer network, std::shared_ptr<const StateDict> weights, PlanOptions options = {});
  ~NetworkRunner();
  NetworkRunner(const NetworkRunner &) = delete;
  NetworkRunner & operator=(const NetworkRunner &) = delete;

  /** All inputs at once. */
  TensorMap Run(const TensorMap & inputs, const RunHooks & hooks = {});

  /** The state for the static inputs.
   * \param inputs the static inputs.
   * \param shapes of all inputs.
   * Throws Error when the network has no static inputs. */
  std::shared_ptr<const StaticState> ComputeStatic(const TensorMap & inputs,
                                                   const ShapeMap & shapes,
                                                   const RunHooks & hooks = {});

  /** The other inputs with a state for their shapes. */
  TensorMap Run(const TensorMap & inputs,
                const ShapeMap & shapes,
                const StaticState & state,
                const RunHooks & hooks = {});

  PlanPointer GetPlan(const ShapeMap & inputs);

  /** Whether keeping a state leaves less work for each run. False also for a
   * network without static inputs. Makes no plan. */
  bool SavesWork(const ShapeMap & inputs);

  /** Throws Error when the network has no static inputs. */
  SplitPlans GetSplitPlans(const ShapeMap & inputs);

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
  /** \brief The plans for one combination of shapes, made when first needed. */
  struct Entry
  {
    ShapeMap inputs;
    Graph splitting; ///< rewritten for the two steps
    Graph whole;     ///< rewritten for all inputs at once
    bool saves = false;
    PlanPointer wholePlan;
    SplitPlans splitPlans;
  };

  /** The entry for the shapes, as the last used. The mutex is held. */
  Entry & FindEntry(const ShapeMap & inputs);
  Entry MakeEntry(const ShapeMap & inputs) const;

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
