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
#ifndef itkNNGradientRunner_h
#define itkNNGradientRunner_h

#include "UniverSegTrainingExport.h"
#include "itkNNExecutionPlan.h"
#include "itkNNLosses.h"
#include "itkNNNetwork.h"

#include <list>
#include <memory>
#include <mutex>

namespace itk
{
namespace nn
{
/** What a GradientRunner computes. \ingroup UniverSegTraining */
struct GradientResult
{
  double loss = 0;
  TensorMap gradients; ///< by the name of their weight; weights that do not matter have none
  Tensor logits;       ///< the network's output
};

/** How gradients are computed. \ingroup UniverSegTraining */
struct GradientOptions
{
  std::vector<LossOptions> losses{ LossOptions{} };
  std::string output = "logits"; ///< the network's output that the losses are of
  /** Compute parts again instead of keeping their results: less memory, up to a
   * third more time. The parts are those of DifferentiationOptions::recompute. */
  std::vector<std::string> recompute;
  PlanOptions plan; ///< loops are not made: values wait for their gradients
};

/** \class GradientRunner
 * \brief The loss of a network and its gradients for inputs of any shape that the
 * network takes.
 *
 * Plans are made when a combination of shapes is first seen, and the last few
 * are kept. They serve any weights. Run() may be called from several threads.
 * \ingroup UniverSegTraining
 */
class UniverSegTraining_EXPORT GradientRunner
{
public:
  /** The name of the target among the inputs. */
  static constexpr const char * targetName = "label";

  /** Throws Error when an option is out of its range. */
  explicit GradientRunner(Network::ConstPointer network, GradientOptions options = {});
  ~GradientRunner();
  GradientRunner(const GradientRunner &) = delete;
  GradientRunner & operator=(const GradientRunner &) = delete;

  /** \param inputs the network's, and "label" of the output's shape.
   * Throws Error for missing, unknown or wrongly shaped inputs and weights,
   * Cancelled when the hook says so. */
  GradientResult Run(const TensorMap & inputs, const StateDict & weights, const RunHooks & hooks = {});

  /** The plan for inputs of these shapes. */
  std::shared_ptr<const ExecutionPlan> GetPlan(const ShapeMap & shapes);

  const Network & GetNetwork() const
  {
    return *m_Network;
  }
  const GradientOptions & GetOptions() const
  {
    return m_Options;
  }

private:
  std::shared_ptr<const ExecutionPlan> MakePlan(const ShapeMap & shapes) const;

  struct Entry
  {
    ShapeMap shapes;
    std::shared_ptr<const ExecutionPlan> plan;
  };

  Network::ConstPointer m_Network;
  GradientOptions m_Options;
  std::shared_ptr<PlanResources> m_Resources; ///< one arena for all plans
  std::mutex m_Mutex;
  std::list<Entry> m_Plans; ///< last used first
};
} // namespace nn
} // namespace itk

#endif
