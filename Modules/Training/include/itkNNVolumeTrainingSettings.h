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
#ifndef itkNNVolumeTrainingSettings_h
#define itkNNVolumeTrainingSettings_h

#include "UniverSegTrainingExport.h"
#include "itkNNPyMICConfiguration.h"
#include "itkNNTrainingSettings.h"
#include "itkNNVolumeTraining.h"

#include "itkHermesSegmenter.h"
#include "itkU2NetSegmenter.h"

#include <optional>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** [network] of a training with volumes \ingroup UniverSegTrainingSettings */
struct UniverSegTraining_EXPORT VolumeNetworkSettings
{
  std::string name = "fmunet";
  std::string configuration = R"({"in_chns": 1, "class_num": 2})";
  std::string start;
  std::vector<std::string> startParts;
  std::vector<std::string> trainedParts;
  std::vector<std::int64_t> trainedRows;

  void Describe(ConfigurationTable & table);
  /** Throws Error that names what is wrong. */
  Network::ConstPointer Get() const;
};

/** [data] \ingroup UniverSegTrainingSettings */
struct UniverSegTraining_EXPORT VolumeDataSettings
{
  std::string train;
  std::string trainFolder;
  std::string validation;
  std::string validationFolder;
  std::int64_t modalities = 1;

  void Describe(ConfigurationTable & table);
};

/** [[transform]] \ingroup UniverSegTrainingSettings */
struct UniverSegTraining_EXPORT TransformSettings
{
  std::string name;
  std::vector<std::string> options; ///< "key = value" as in PyMIC's files

  void Describe(ConfigurationTable & table);
};

/** [transforms] \ingroup UniverSegTrainingSettings */
struct UniverSegTraining_EXPORT TransformListSettings
{
  std::vector<TransformSettings> train;
  std::vector<TransformSettings> validation;
  std::vector<TransformSettings> inference;

  void Describe(ConfigurationTable & table);
};

/** Throws Error that names the transform. \ingroup UniverSegTrainingSettings */
UniverSegTraining_EXPORT SampleTransforms MakeSampleTransforms(const std::vector<TransformSettings> & settings);

/** [window] \ingroup UniverSegTrainingSettings */
struct UniverSegTraining_EXPORT WindowSettings
{
  std::vector<std::int64_t> size;
  std::vector<std::int64_t> stride;
  std::string placement = "pymic";
  std::string blending = "gaussian";
  double overlap = 0.25;
  double step = 0.5;
  std::int64_t batch = 1;
  std::vector<std::int64_t> mirrorAxes;

  void Describe(ConfigurationTable & table);
  /** Nothing without a size. Throws Error that names what is out of its range. */
  std::optional<SlidingWindowOptions> Get() const;
};

/** [u2net]: how segmentation prepares images for a network that was trained with the volumes of
 * `universeg preprocess`. \ingroup UniverSegTrainingSettings */
struct UniverSegTraining_EXPORT U2NetSettings
{
  std::string task;
  std::vector<double> spacing;
  std::vector<std::int64_t> patch;
  std::vector<std::int64_t> window;
  std::int64_t classes = 2;
  std::int64_t components = 1;

  void Describe(ConfigurationTable & table);
  /** Nothing without a task and a spacing. Throws Error that names what is out of its range. */
  std::optional<U2NetPipeline> Get() const;
};

/** [hermes]: how segmentation prepares images for a Hermes that was trained with the volumes of
 * `universeg preprocess`. \ingroup UniverSegTrainingSettings */
struct UniverSegTraining_EXPORT HermesSettings
{
  std::string dataSet;
  std::vector<double> spacing;
  std::string orientation = "aligned";
  std::string resampling = "two_step";
  std::vector<double> limits;
  std::vector<std::int64_t> window{ 128, 128, 128 };

  void Describe(ConfigurationTable & table);
  /** Nothing without a data set and a spacing. Throws Error that names what is out of its range. */
  std::optional<HermesPipeline> Get() const;
};

/** [[task]] of a training of a network of several tasks
 * \ingroup UniverSegTrainingSettings */
struct UniverSegTraining_EXPORT VolumeTaskSettings
{
  std::string name;
  std::string settings;
  double weight = 1;

  void Describe(ConfigurationTable & table);
};

/** A file of `universeg train` and `universeg pretrain` for networks of volumes.
 * \ingroup UniverSegTrainingSettings */
struct UniverSegTraining_EXPORT VolumeTrainingSettings
{
  std::int64_t seed = 1;
  std::int64_t steps = 6000;
  std::int64_t batchSize = 2;
  std::int64_t batchesPerStep = 1;
  double clipNorm = 0;
  double averageDecay = 0;
  std::string averageStart = "ramp";
  std::int64_t saveEvery = 250;
  std::int64_t logEvery = 10;
  std::int64_t loaderThreads = 1;
  std::string deepSupervision = "none";
  std::vector<double> deepSupervisionWeights;
  double modalityWeight = 0.01;
  VolumeNetworkSettings network;
  std::vector<VolumeTaskSettings> tasks;
  VolumeDataSettings data;
  TransformListSettings transforms;
  WindowSettings window;
  U2NetSettings u2net;
  HermesSettings hermes;
  std::vector<LossSettings> losses;
  OptimizerSettings optimizer;
  ScheduleSettings schedule;
  std::int64_t validateEvery = 250;
  std::int64_t patience = 0;
  ModelSettings model;

  /** PyMIC's Dice and cross-entropy, half of each. */
  VolumeTrainingSettings();

  /** Before a file is read: hermes and hermes_medformer get what their authors train them with, in the place of
   * PyMIC's; other networks nothing. */
  void SetNetworkDefaults(const std::string & network);

  void Describe(ConfigurationTable & table);

  /** Without plan options and files. Throws Error that names what is out of its range. */
  TrainerOptions GetTrainerOptions(const Network & network) const;

  /** Throws Error when a list cannot be read.
   * \param folder that relative names start from when they are not to be found otherwise. */
  std::shared_ptr<const VolumeCache> GetTrainingCases(const std::string & folder) const;
  /** Of the order of batches and the draws of their samples. */
  std::uint64_t GetBatchSeed() const;
  /** Batches of these cases. Throws Error also when the transforms or the batch are none. */
  BatchSource::ConstPointer MakeBatchSource(const std::string & folder) const;
  /** Null when there are none. */
  std::shared_ptr<const VolumeCache> GetValidationCases(const std::string & folder) const;

  /** For validation. */
  VolumePipeline GetValidationPipeline() const;
  /** For the card of the model: JSON of a U2NetPipeline where `u2net` has one, else of the
   * VolumePipeline of inference. */
  std::string GetPreprocessing() const;

private:
  void SetDeepOutputs(const Network & network, GradientOptions & options) const;
};

/** The settings of a file of PyMIC that trains. What has no meaning here is told by
 * configuration.GetUnused().
 *
 * Throws Error that names a key when its value is one that cannot be had here, or is missing.
 * \ingroup UniverSegTrainingSettings */
UniverSegTraining_EXPORT VolumeTrainingSettings MakeVolumeTrainingSettings(const PyMICConfiguration & configuration);

/** What [testing] of a file of PyMIC asks for. \ingroup UniverSegTrainingSettings */
struct VolumeInferenceSettings
{
  std::vector<std::string> models; ///< files that may have the weights; the first that exists counts
  bool isEnsemble = false;         ///< the logits of all models are averaged
  std::string network;             ///< for models without a card
  std::string networkConfiguration;
  VolumePipeline pipeline;
  std::string data;   ///< CSV file
  std::string folder; ///< of its images
  std::int64_t modalities = 1;
  std::string output; ///< folder
  bool savesProbabilities = false;
  int largestComponent = 0;              ///< 1: of all classes together, 2: of each; 0: all are kept
  std::vector<std::int64_t> labelSource; ///< labels that become those of labelTarget
  std::vector<std::int64_t> labelTarget;
};

/** As MakeVolumeTrainingSettings(). \ingroup UniverSegTrainingSettings */
UniverSegTraining_EXPORT VolumeInferenceSettings MakeVolumeInferenceSettings(const PyMICConfiguration & configuration);

/** A name as it is when there is such a file or folder, else from a folder.
 * \ingroup UniverSegTrainingSettings */
UniverSegTraining_EXPORT std::string LocateVolumeFile(const std::string & name, const std::string & folder);
} // namespace nn
} // namespace itk

#endif
