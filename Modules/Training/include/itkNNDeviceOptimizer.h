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
#ifndef itkNNDeviceOptimizer_h
#define itkNNDeviceOptimizer_h

#include "UniverSegTrainingExport.h"
#include "itkNNExecutionPlan.h"
#include "itkNNJoinedTensors.h"
#include "itkNNOptimizer.h"

#include <memory>

namespace itk
{
namespace nn
{
/** What a DeviceOptimizer does. \ingroup UniverSegTraining */
struct DeviceOptimizerOptions
{
  OptimizerOptions optimizer;
  double clipNorm = 0;       ///< largest global norm of the gradients; 0: any
  bool keepsAverage = false; ///< a moving average of the weights
  PlanOptions plan;          ///< of the gradients; a step is computed in float32
};

/** \class DeviceOptimizer
 * \brief The steps of an Optimizer, ClipGlobalNorm() and UpdateAverage() for weights that
 * stay on a device.
 *
 * Weights, gradients and what the optimiser keeps are joined tensors; a step is one graph of
 * few operators over them. Computed in float32, where Optimizer computes in double. The
 * weights have all the same number of steps.
 * \ingroup UniverSegTraining
 */
class UniverSegTraining_EXPORT DeviceOptimizer
{
public:
  /** \param parts the weights that have gradients.
   * \param weights of these names, and more.
   * \param average empty, or with these names.
   * \param state as Optimizer::GetState() gives it; empty at the beginning.
   * Throws Error when a name is missing, a shape is another, or the numbers of steps differ. */
  DeviceOptimizer(const DeviceOptimizerOptions & options,
                  std::shared_ptr<const JoinedTensors> parts,
                  const StateDict & weights,
                  const StateDict & average,
                  const StateDict & state);
  ~DeviceOptimizer();
  DeviceOptimizer(const DeviceOptimizer &) = delete;
  DeviceOptimizer & operator=(const DeviceOptimizer &) = delete;

  const DeviceOptimizerOptions & GetOptions() const
  {
    return m_Options;
  }
  const JoinedTensors & GetParts() const
  {
    return *m_Parts;
  }

  /** The weights where the device has them, in the plan's precision, until the next step. */
  const TensorMap & GetWeights() const
  {
    return m_Views;
  }

  /** Add to the step's gradients: factor times joined gradients. */
  void Add(const Tensor & gradients, double factor);

  /** Forget what was added. */
  void ClearGradients()
  {
    m_HasGradients = false;
  }

  /** The step's gradients, joined, to be summed over processes.
   * Throws Error before Add(). */
  Tensor & GetGradients();

  /** One step with the gradients that were added; the next begins without.
   * \param averageDecay of this step.
   * \return the norm that the gradients had; when it is no finite number nothing has moved. */
  double Step(double learningRate, double averageDecay = 0);

  /** Copies on the host: weights and average of the parts are set, the state is replaced. */
  void Get(StateDict & weights, StateDict & average, StateDict & state) const;

private:
  using PlanPointer = std::shared_ptr<const ExecutionPlan>;

  Tensor ToDevice(const Tensor & joined) const;
  PlanPointer Compile(const Graph & graph, std::vector<std::string> residentInputs) const;
  void MakeViews();

  DeviceOptimizerOptions m_Options;
  std::shared_ptr<const JoinedTensors> m_Parts;
  std::shared_ptr<DeviceMemory> m_Device;
  TensorMap m_Joined; ///< by the names of the step's graph
  TensorMap m_Views;
  PlanPointer m_Step;
  PlanPointer m_Begin; ///< of a step's gradients
  PlanPointer m_Sum;
  std::int64_t m_Steps = 0;
  bool m_HasGradients = false;
};
} // namespace nn
} // namespace itk

#endif
