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
#ifndef itkNNTrainer_h
#define itkNNTrainer_h

#include "UniverSegTrainingExport.h"
#include "itkNNBatchSource.h"
#include "itkNNCommunicator.h"
#include "itkNNDeviceOptimizer.h"
#include "itkNNGradientRunner.h"
#include "itkNNLearningRateSchedule.h"
#include "itkNNOptimizer.h"

#include <functional>
#include <map>
#include <memory>
#include <string>

namespace itk
{
namespace nn
{
/** How a network is trained. \ingroup UniverSegTraining */
struct TrainerOptions
{
  GradientOptions gradients;
  OptimizerOptions optimizer;
  ScheduleOptions schedule;
  std::uint64_t seed = 1;          ///< of dropout, with the number of the batch
  std::int64_t steps = 1000;       ///< in all, also when training goes on
  std::int64_t batchesPerStep = 1; ///< whose gradients are averaged, over all processes
  double clipNorm = 0;             ///< largest global norm of the gradients; 0: any
  double averageDecay = 0;         ///< of a moving average of the weights; 0: there is none
  AverageStart averageStart = AverageStart::Ramp;
  std::int64_t validateEvery = 0; ///< steps between validations; 0: at the end only
  std::int64_t saveEvery = 0;     ///< steps between checkpoints; 0: at the end only
  std::int64_t patience = 0;      ///< steps without a better validation after which training ends; 0: any
  unsigned int loaderThreads = 1; ///< that make batches ahead; 0: none
  std::size_t loaderDepth = 4;    ///< batches made ahead
  std::string checkpoint;         ///< file that is written and replaced; empty: none
};

/** Where training is. \ingroup UniverSegTraining */
struct TrainerState
{
  std::int64_t step = 0; ///< steps done
  double bestScore = 0;
  std::int64_t bestStep = -1; ///< -1: there was no validation
  PlateauState plateau;       ///< of the schedule
  StateDict weights;
  StateDict average; ///< empty without TrainerOptions::averageDecay
  StateDict optimizer;
};

/** What a step did. \ingroup UniverSegTraining */
struct StepReport
{
  std::int64_t step = 0; ///< steps done, this one included
  double loss = 0;       ///< mean over its batches
  double learningRate = 0;
  double gradientNorm = 0; ///< before it was clipped
  double seconds = 0;
  double waitedSeconds = 0; ///< of those for batches
};

/** What a validation found. \ingroup UniverSegTraining */
struct ValidationResult
{
  double score = 0; ///< more is better
  std::map<std::string, double> metrics;
};

/** What a trainer tells and asks; each may be empty. Called in the thread of
 * Run(), on the process of rank 0 only, but for isStopped, which is asked on all.
 * \ingroup UniverSegTraining */
struct TrainerHooks
{
  std::function<void(const StepReport &)> step;
  /** Scores weights: the average where there is one. */
  std::function<ValidationResult(const StateDict &)> validate;
  std::function<void(std::int64_t step, const ValidationResult &)> validated;
  /** The weights that have had the best score so far. */
  std::function<void(std::int64_t step, const StateDict &)> best;
  /** True: save a checkpoint and end. */
  std::function<bool()> isStopped;
};

/** \ingroup UniverSegTraining */
enum class TrainerEnd : std::uint8_t
{
  Finished,
  Stopped,  ///< by the hook
  Patience, ///< no better validation for too long
  SmallRate ///< the rate fell below ScheduleOptions::stopBelow
};

/** \class Trainer
 * \brief The training loop of any network: batches, gradients, optimiser,
 * schedule, moving average, validation, checkpoints.
 *
 * A run that was interrupted goes on from its checkpoint with the same results,
 * bit by bit, as one that was not, given the same machine and number of threads.
 *
 * With several processes each does its part of a step's batches; the steps are
 * those of one process with as many batches a step, up to rounding. Running
 * statistics of batch normalisations are averaged over the processes after a step.
 *
 * Batches may be of several tasks of the network (BatchSource::GetTask()): each trains the
 * weights of its own and those that tasks share.
 *
 * On a device weights, gradients and the optimiser's state stay there; the state that
 * GetState() tells is that of the last checkpoint or validation until Run() ends. Those of
 * several tasks are moved on the host.
 * \ingroup UniverSegTraining
 */
class UniverSegTraining_EXPORT Trainer
{
public:
  /** \param weights to start with.
   * Throws Error when the weights do not fit the network or an option is out of
   * its range. */
  Trainer(Network::ConstPointer network,
          StateDict weights,
          BatchSource::ConstPointer batches,
          TrainerOptions options,
          std::shared_ptr<const Communicator> communicator = nullptr);
  ~Trainer();
  Trainer(const Trainer &) = delete;
  Trainer & operator=(const Trainer &) = delete;

  /** Go on from a checkpoint. Throws Error, which names the file, when it is none
   * of this network's and optimiser's. */
  void Resume(const std::string & fileName);

  /** Until the steps are done or a hook or the patience ends it. A checkpoint is
   * written in any case, also before an Error of a batch or a step leaves. Throws
   * Error when the loss or a gradient is no finite number. */
  TrainerEnd Run(const TrainerHooks & hooks = {});

  const TrainerState & GetState() const
  {
    return m_State;
  }
  const TrainerOptions & GetOptions() const
  {
    return m_Options;
  }

  /** The average of the weights where there is one, else the weights. */
  const StateDict & GetResult() const;

  /** Write the state, atomically. */
  void Save(const std::string & fileName);

private:
  /** What the batches of a step give. */
  struct StepSums
  {
    double loss = 0;
    TensorMap gradients; ///< on a device the optimiser has them
    TensorMap statistics;
    bool isOfTasks = false;
    bool isStopped = false;
  };

  /** False when the hook ended it before the step was done. */
  bool DoStep(BatchPrefetcher & batches, const TrainerHooks & hooks);
  StepSums RunBatches(BatchPrefetcher & batches, const TrainerHooks & hooks);
  /** What computes the gradients of a task; -1: of the network as it is. */
  GradientRunner & GetRunner(std::int64_t task);
  void AddGradients(const GradientResult & result, double part, StepSums & sums);
  void SumOverProcesses(StepSums & sums);
  /** Zeros for weights that only other processes have gradients of. */
  void AddGradientsOfOthers(StepSums & sums);
  /** The weights that no device moves. */
  StateDict GetHostWeights();
  /** Move weights and their average; returns the norm that the gradients had. */
  double Move(StepSums & sums, double learningRate);
  /** The average of the processes. */
  void SetStatistics(const TensorMap & statistics);
  void Validate(const TrainerHooks & hooks);
  void SaveCheckpoint();
  /** What a device has moved, into the state. */
  void Fetch();
  TrainerEnd Loop(const TrainerHooks & hooks);

  Network::ConstPointer m_Network;
  BatchSource::ConstPointer m_Batches;
  TrainerOptions m_Options;
  std::shared_ptr<const Communicator> m_Communicator;
  std::shared_ptr<PlanResources> m_Resources;                        ///< of all runners
  std::map<std::int64_t, std::unique_ptr<GradientRunner>> m_Runners; ///< by task
  Optimizer m_Optimizer;
  std::unique_ptr<DeviceOptimizer> m_DeviceOptimizer; ///< in its place on a device, from the first step on
  TrainerState m_State;
  double m_LearningRate = 0; ///< of the last step
};

/** Read a checkpoint. Throws Error that names the file when it is none.
 * \ingroup UniverSegTraining */
UniverSegTraining_EXPORT TrainerState ReadCheckpoint(const std::string & fileName);
} // namespace nn
} // namespace itk

#endif
