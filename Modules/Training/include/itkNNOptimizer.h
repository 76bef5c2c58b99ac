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
#ifndef itkNNOptimizer_h
#define itkNNOptimizer_h

#include "UniverSegTrainingExport.h"
#include "itkNNExecutionPlan.h"
#include "itkNNStateDict.h"

#include <memory>
#include <string>

namespace itk
{
namespace nn
{
/** \ingroup UniverSegTraining */
enum class OptimizerMethod : std::uint8_t
{
  Sgd,
  Adam,
  AdamW,
  Lamb
};

UniverSegTraining_EXPORT const char * ToString(OptimizerMethod method);
/** "sgd", "adam", "adamw", "lamb". Throws Error that lists them. */
UniverSegTraining_EXPORT OptimizerMethod ParseOptimizerMethod(const std::string & name);

/** How weights are moved. \ingroup UniverSegTraining */
struct OptimizerOptions
{
  OptimizerMethod method = OptimizerMethod::Adam;
  double beta1 = 0.9;    ///< of Adam, AdamW and Lamb
  double beta2 = 0.999;  ///< of Adam, AdamW and Lamb
  double epsilon = 1e-8; ///< of Adam, AdamW and Lamb; apex's FusedLAMB has 1e-6
  double momentum = 0.9; ///< of Sgd
  bool nesterov = false; ///< of Sgd
  /** Sgd and Adam add weightDecay * weights to the gradient; AdamW and Lamb decay
   * the weights themselves. */
  double weightDecay = 0;
  /** Weights that have no gradient but had one before take a step with a gradient of 0, by
   * their moments and the decay, as with PyTorch before 2.0; else they are left alone. */
  bool idleSteps = false;
};

/** \class Optimizer
 * \brief Moves weights along their gradients, as PyTorch's optimisers and apex's
 * FusedLAMB do.
 *
 * Weights without a gradient are left alone, and so is their state (but see
 * OptimizerOptions::idleSteps): each has a step count of its own. Computed in double, stored in the weights' type.
 * \ingroup UniverSegTraining
 */
class UniverSegTraining_EXPORT Optimizer
{
public:
  /** Before the weight's name in the state: its moments, and its number of steps. */
  static constexpr const char * firstPrefix = "first.";
  static constexpr const char * secondPrefix = "second.";
  static constexpr const char * stepPrefix = "step.";

  /** Throws Error when an option is out of its range. */
  explicit Optimizer(const OptimizerOptions & options);

  const OptimizerOptions & GetOptions() const
  {
    return m_Options;
  }

  /** One step.
   * \param weights replaced by moved ones; those that were shared stay as they are.
   * \param gradients by the name of their weight.
   * Throws Error when a gradient has no weight or another shape. */
  void Step(StateDict & weights, const TensorMap & gradients, double learningRate);

  /** What has to be kept to go on: for each weight its moments, and its number
   * of steps as "step.NAME". */
  StateDict GetState() const;

  /** Throws Error when an entry is none of the method's. */
  void SetState(const StateDict & state);

private:
  struct Slot
  {
    Tensor first;  ///< momentum, or the mean of gradients
    Tensor second; ///< the mean of squares
    std::int64_t steps = 0;
  };

  void Move(Slot & slot, const Tensor & weight, const Tensor & gradient, double learningRate, Tensor & moved) const;

  OptimizerOptions m_Options;
  std::map<std::string, Slot> m_Slots;
};

/** The square root of the sum of all squares. \ingroup UniverSegTraining */
UniverSegTraining_EXPORT double ComputeGlobalNorm(const TensorMap & tensors);

/** Scale gradients so that their global norm is at most `norm`; returns the norm
 * that they had. \ingroup UniverSegTraining */
UniverSegTraining_EXPORT double ClipGlobalNorm(TensorMap & gradients, double norm);

/** Add tensors of the same names and shapes, scaled: sum += factor * terms. An
 * empty sum becomes factor * terms. \ingroup UniverSegTraining */
UniverSegTraining_EXPORT void Accumulate(TensorMap & sum, const TensorMap & terms, double factor);

/** How a moving average of weights begins. \ingroup UniverSegTraining */
enum class AverageStart : std::uint8_t
{
  Ramp, ///< young averages forget faster: the decay is at most s / (s + 10) in step s = 1, 2, ...
  Mean  ///< it is the mean of the weights of all steps until (s - 1) / s reaches the decay, as in Hermes
};

/** "ramp", "mean". Throws Error that lists them. \ingroup UniverSegTraining */
UniverSegTraining_EXPORT AverageStart ParseAverageStart(const std::string & name);

/** The decay of a moving average in a step.
 * \param step 0, 1, ...
 * \ingroup UniverSegTraining */
UniverSegTraining_EXPORT double ComputeAverageDecay(double decay, std::int64_t step, AverageStart start);

/** average = decay * average + (1 - decay) * weights, for all names of the
 * weights; new names are copied. \ingroup UniverSegTraining */
UniverSegTraining_EXPORT void UpdateAverage(StateDict & average, const StateDict & weights, double decay);
} // namespace nn
} // namespace itk

#endif
