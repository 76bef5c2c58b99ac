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
#ifndef universegTrainingRun_h
#define universegTrainingRun_h

#include "itkNNTrainingSettings.h"

#include <memory>
#include <string>

namespace universeg
{
/** What a training needs beside its settings. */
struct TrainingJob
{
  itk::nn::TrainingSettings settings;
  itk::nn::Network::ConstPointer network;
  itk::nn::StateDict weights; ///< to start with
  itk::nn::TaskSource::ConstPointer tasks;
  itk::nn::TaskSource::ConstPointer validationTasks; ///< null: there is no validation
  itk::nn::PlanOptions plan;
  std::string folder; ///< of all files that it writes
  bool resumes = false;
  std::shared_ptr<const itk::nn::Communicator> communicator; ///< null: this process alone
  std::string provenance;                                    ///< for the model's card
};

/** Names of the files in the folder of a training. */
struct TrainingFiles
{
  explicit TrainingFiles(const std::string & folder);

  std::string configuration; ///< all settings, as TOML
  std::string log;           ///< JSON lines
  std::string curves;        ///< PNG
  std::string checkpoint;    ///< to go on from
  std::string best;          ///< model with the best validation so far
  std::string model;         ///< model at the end
};

/** Draw some of a training's tasks as a picture: a task in each row, the target
 * first, the labels' borders in colour. With augmentation, as the network sees them.
 * Throws itk::nn::Error. */
void DrawTasks(const TrainingJob & job, const std::string & fileName);

/** The processes that a launcher started together with this one; null when there
 * are none. Throws itk::nn::Error. */
std::shared_ptr<const itk::nn::Communicator> FindProcesses();

/** Train until the steps are done, the patience is at its end or a signal comes;
 * SIGINT and SIGTERM end it after a checkpoint. Prints a line now and then.
 *
 * Returns an exit code. Throws itk::nn::Error and Failure. */
int RunTraining(const TrainingJob & job);
} // namespace universeg

#endif
