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
#ifndef itkUniverSegTraining_h
#define itkUniverSegTraining_h

#include "UniverSegTrainingExport.h"
#include "itkNNAugmentation.h"
#include "itkNNBatchSource.h"
#include "itkNNNetworkRunner.h"
#include "itkNNTrainer.h"
#include "itkNNTrainingTask.h"

#include <optional>

namespace itk
{
namespace nn
{
/** How batches for UniverSeg are made of tasks. \ingroup UniverSegTraining */
struct UniverSegBatchOptions
{
  std::int64_t height = 128; ///< of the images, multiples of what the network needs
  std::int64_t width = 128;
  std::int64_t tasks = 1;                       ///< in a batch, each with its target and support set
  std::vector<std::int64_t> supportSizes{ 64 }; ///< one is drawn for each batch
  std::uint64_t seed = 1;
  std::optional<AugmentationOptions> taskAugmentation;   ///< of a task's examples alike
  std::optional<AugmentationOptions> inTaskAugmentation; ///< of each example by itself
};

/** \class UniverSegBatchSource
 * \brief Batches of in-context tasks: a target with its label, and the support set
 * of the same task.
 *
 * The tensors are "target" [B, 1, H, W], "support_images" and "support_labels"
 * [B, S, 1, H, W], and "label" [B, 1, H, W].
 * \ingroup UniverSegTraining
 */
class UniverSegTraining_EXPORT UniverSegBatchSource : public BatchSource
{
public:
  /** Throws Error when an option is out of its range. */
  UniverSegBatchSource(TaskSource::ConstPointer tasks, UniverSegBatchOptions options);
  ~UniverSegBatchSource() override;

  TensorMap MakeBatch(std::uint64_t position) const override;

  const UniverSegBatchOptions & GetOptions() const
  {
    return m_Options;
  }

private:
  TaskSource::ConstPointer m_Tasks;
  UniverSegBatchOptions m_Options;
  std::optional<Augmentation> m_TaskAugmentation;
  std::optional<Augmentation> m_InTaskAugmentation;
};

/** \class UniverSegValidation
 * \brief Scores weights of UniverSeg by the mean hard Dice coefficient of the same
 * tasks each time.
 *
 * A pixel is foreground where its logit is above 0, and true where its label is
 * above 0.5; a task in which both are empty scores 1.
 * \ingroup UniverSegTraining
 */
class UniverSegTraining_EXPORT UniverSegValidation
{
public:
  /** Draws the tasks at once, without augmentation.
   * \param tasks how many.
   * Throws Error when there is none or the options are out of their range. */
  UniverSegValidation(Network::ConstPointer network,
                      const TaskSource & source,
                      const UniverSegBatchOptions & options,
                      std::int64_t tasks,
                      PlanOptions plan = {});

  /** score and "dice": the mean. */
  ValidationResult Run(const StateDict & weights) const;

  std::int64_t GetNumberOfTasks() const
  {
    return static_cast<std::int64_t>(m_Batches.size());
  }

private:
  Network::ConstPointer m_Network;
  PlanOptions m_Plan;
  std::vector<TensorMap> m_Batches;
};
} // namespace nn
} // namespace itk

#endif
