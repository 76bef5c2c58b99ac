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
#ifndef itkNNTrainingSettings_h
#define itkNNTrainingSettings_h

#include "UniverSegTrainingExport.h"
#include "itkNNAugmentation.h"
#include "itkNNConfiguration.h"
#include "itkNNSyntheticTasks.h"
#include "itkNNTrainer.h"
#include "itkUniverSegTraining.h"

#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** \defgroup UniverSegTrainingSettings Settings of a training
 * What a file of `universeg train` may say, with the defaults; Get() checks and
 * converts. Documentation/training.md explains them.
 * \ingroup UniverSegTraining */

/** [network] \ingroup UniverSegTrainingSettings */
struct UniverSegTraining_EXPORT NetworkSettings
{
  std::string name = "universeg";
  std::vector<std::int64_t> encoderBlocks{ 64, 64, 64, 64 };
  std::vector<std::int64_t> decoderBlocks;

  void Describe(ConfigurationTable & table);
  Network::ConstPointer Get() const;
};

/** [tasks] \ingroup UniverSegTrainingSettings */
struct UniverSegTraining_EXPORT TaskSettings
{
  double syntheticWeight = 1;
  SyntheticTaskOptions synthetic; ///< of which the weights of the kinds are settings
  std::vector<std::string> labelMaps;
  double labelMapWeight = 1;
  std::vector<std::string> manifests;
  double manifestWeight = 1;

  void Describe(ConfigurationTable & table);
};

/** [batch] \ingroup UniverSegTrainingSettings */
struct UniverSegTraining_EXPORT BatchSettings
{
  std::int64_t height = 128;
  std::int64_t width = 128;
  std::int64_t tasks = 1;
  std::vector<std::int64_t> supportSizes{ 64 };

  void Describe(ConfigurationTable & table);
};

/** [augmentation.task] and [augmentation.in-task]
 * \ingroup UniverSegTrainingSettings */
struct UniverSegTraining_EXPORT AugmentationSettings
{
  explicit AugmentationSettings(const AugmentationOptions & defaults);

  void Describe(ConfigurationTable & table);
  /** Nothing when it is switched off. */
  std::optional<AugmentationOptions> Get() const;

  bool enabled = true;
  AugmentationOptions options;

private:
  /** Of an option with a range, as a file has it. */
  struct Range
  {
    const char * key;
    const char * comment;
    RandomRange AugmentationOptions::* member;
    std::vector<double> values;
  };
  std::vector<Range> m_Ranges;
};

/** [augmentation] \ingroup UniverSegTrainingSettings */
struct UniverSegTraining_EXPORT AugmentationPairSettings
{
  AugmentationSettings task{ AugmentationOptions::Task() };
  AugmentationSettings inTask{ AugmentationOptions::InTask() };

  void Describe(ConfigurationTable & table);
};

/** [[loss]] \ingroup UniverSegTrainingSettings */
struct UniverSegTraining_EXPORT LossSettings
{
  std::string function = "dice";
  std::string activation = "sigmoid";
  LossOptions options;

  void Describe(ConfigurationTable & table);
  LossOptions Get() const;
};

/** [optimizer] \ingroup UniverSegTrainingSettings */
struct UniverSegTraining_EXPORT OptimizerSettings
{
  std::string method = "adam";
  OptimizerOptions options;

  void Describe(ConfigurationTable & table);
  OptimizerOptions Get() const;
};

/** [schedule] \ingroup UniverSegTrainingSettings */
struct UniverSegTraining_EXPORT ScheduleSettings
{
  std::string shape = "constant";
  ScheduleOptions options;

  void Describe(ConfigurationTable & table);
  ScheduleOptions Get() const;
};

/** [validation] \ingroup UniverSegTrainingSettings */
struct UniverSegTraining_EXPORT ValidationSettings
{
  std::int64_t every = 1000;
  std::int64_t tasks = 64;
  std::int64_t supportSize = 16;
  std::int64_t seed = 20230;
  std::int64_t patience = 0;

  void Describe(ConfigurationTable & table);
};

/** [model] \ingroup UniverSegTrainingSettings */
struct UniverSegTraining_EXPORT ModelSettings
{
  std::string description;
  std::string licence;
  std::string data;

  void Describe(ConfigurationTable & table);
};

/** A file of `universeg train`. \ingroup UniverSegTrainingSettings */
struct UniverSegTraining_EXPORT TrainingSettings
{
  std::int64_t seed = 1;
  std::int64_t steps = 100000;
  std::int64_t batchesPerStep = 1;
  double clipNorm = 0;
  double averageDecay = 0;
  std::int64_t saveEvery = 1000;
  std::int64_t logEvery = 20;
  bool recompute = false;
  std::int64_t loaderThreads = 1;
  NetworkSettings network;
  TaskSettings tasks;
  BatchSettings batch;
  AugmentationPairSettings augmentation;
  std::vector<LossSettings> losses{ LossSettings{} };
  OptimizerSettings optimizer;
  ScheduleSettings schedule;
  ValidationSettings validation;
  ModelSettings model;

  void Describe(ConfigurationTable & table);

  /** Without plan options and files. Throws Error that names what is out of its range. */
  TrainerOptions GetTrainerOptions() const;
  UniverSegBatchOptions GetBatchOptions() const;

  /** The tasks for training or validation: a mixture of what has a weight above 0.
   * Throws Error when there is none, or a file cannot be read.
   * \param folder that relative names of files start from.
   * \param isValidation which images of the manifests the tasks are of.
   * \param components of MakeCommonTasks(), for one reading of its files for both. */
  TaskSource::ConstPointer MakeTaskSource(const std::string & folder,
                                          bool isValidation,
                                          std::vector<TaskMixture::Component> components) const;
  TaskSource::ConstPointer MakeTaskSource(const std::string & folder, bool isValidation) const;

  /** The tasks that training and validation share: of random shapes and label maps. */
  std::vector<TaskMixture::Component> MakeCommonTasks(const std::string & folder) const;
};
} // namespace nn
} // namespace itk

#endif
