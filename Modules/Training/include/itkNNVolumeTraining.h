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
#ifndef itkNNVolumeTraining_h
#define itkNNVolumeTraining_h

#include "UniverSegTrainingExport.h"
#include "itkNNBatchSource.h"
#include "itkNNNetwork.h"
#include "itkNNTrainer.h"
#include "itkNNVolumeData.h"
#include "itkNNVolumeSegmenter.h"

#include <memory>

namespace itk
{
namespace nn
{
/** \class VolumeBatchSource
 * \brief Batches of cases that transforms have prepared.
 *
 * The tensors are "input" [B, C, D, H, W], "label" [B, K, D, H, W] (the transforms should make
 * label probabilities, and all samples of one size), and "pixel_weight" [B, 1, D, H, W] when the
 * samples have one.
 *
 * Every case is used once before one is used again; what is left of them is dropped, and the
 * order is another each time. Draws of a sample depend on the seed and its number alone.
 * \ingroup UniverSegTraining */
class UniverSegTraining_EXPORT VolumeBatchSource : public BatchSource
{
public:
  /** Throws Error when the batch is empty or larger than the number of cases. */
  VolumeBatchSource(std::shared_ptr<const VolumeCache> cases,
                    SampleTransforms transforms,
                    std::int64_t batchSize,
                    std::uint64_t seed);
  ~VolumeBatchSource() override;

  /** Throws Error that names the case when it cannot be read or prepared. */
  TensorMap MakeBatch(std::uint64_t position) const override;

  /** A sample of the sequence that batches are made of. */
  Sample MakeSample(std::uint64_t number) const;

private:
  std::size_t FindCase(std::uint64_t number) const;

  std::shared_ptr<const VolumeCache> m_Cases;
  SampleTransforms m_Transforms;
  std::int64_t m_BatchSize;
  std::uint64_t m_Seed;
};

/** The cases of a task for batches of several. \ingroup UniverSegTraining */
struct VolumeTaskCases
{
  std::int64_t task = 0; ///< number in the network
  std::shared_ptr<const VolumeCache> cases;
  SampleTransforms transforms;
  double weight = 1; ///< of each case among the cases of all tasks
};

/** \class MixedVolumeBatchSource
 * \brief Batches with images of several tasks of a network, see Network::ForTaskInputs().
 *
 * The tensors are "input" [B, C, D, H, W], "label" [B, T, D, H, W] without the background, which
 * is the first of the transforms' label probabilities, with zeros where an image has no class
 * of that number, and those of Network::MakeTaskInputs().
 *
 * Every image is drawn of all cases, with replacement, with a probability in proportion to the
 * weight of its task. Draws depend on the seed and the sample's number alone.
 * \ingroup UniverSegTraining */
class UniverSegTraining_EXPORT MixedVolumeBatchSource : public BatchSource
{
public:
  /** Throws Error when the batch is empty, a weight is negative or all are 0, or a task is none
   * of the network's. */
  MixedVolumeBatchSource(Network::ConstPointer network,
                         std::vector<VolumeTaskCases> tasks,
                         std::int64_t batchSize,
                         std::uint64_t seed);
  ~MixedVolumeBatchSource() override;

  /** Throws Error that names the case when it cannot be read or prepared, or its labels have
   * another number of classes than its task. */
  TensorMap MakeBatch(std::uint64_t position) const override;

private:
  /** Number of the entry of `tasks`, and of its case. */
  std::pair<std::size_t, std::size_t> FindCase(std::uint64_t number) const;

  Network::ConstPointer m_Network;
  std::vector<VolumeTaskCases> m_Tasks;
  std::vector<double> m_Shares; ///< of the draws, not normalised
  std::int64_t m_BatchSize;
  std::uint64_t m_Seed;
};

/** \class VolumeValidation
 * \brief Scores weights by segmenting cases: the Dice coefficient of each class of each case,
 * averaged over the cases; of the classes that are not 0, for the score.
 *
 * As PyMIC: predictions and labels are compared as the transforms leave them; a class that is in
 * neither scores 1. Of a network with logits of each class by itself (Network::IsMultiLabel()),
 * as Hermes: a class is where its logit is not negative, and a case counts for the classes that
 * its labels have.
 * \ingroup UniverSegTraining */
class UniverSegTraining_EXPORT VolumeValidation
{
public:
  /** \param pipeline its transforms should make label probabilities. */
  VolumeValidation(Network::ConstPointer network,
                   std::shared_ptr<const VolumeCache> cases,
                   VolumePipeline pipeline,
                   PlanOptions plan = {});

  /** score; "dice" the same, and "dice-<class>" of each class that a case counts for.
   * Throws Error that names the case. */
  ValidationResult Run(const StateDict & weights) const;

private:
  Network::ConstPointer m_Network;
  std::shared_ptr<const VolumeCache> m_Cases;
  VolumePipeline m_Pipeline;
  PlanOptions m_Plan;
};

/** Of several tasks: the mean of their scores; "dice" the same, and their metrics as
 * "<task>.<metric>". Throws Error when there is none.
 * \param results with the tasks' names.
 * \ingroup UniverSegTraining */
UniverSegTraining_EXPORT ValidationResult
JoinValidations(const std::vector<std::pair<std::string, ValidationResult>> & results);
} // namespace nn
} // namespace itk

#endif
