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

#include "universegCommandLine.h"

#include "itkNNModelCard.h"
#include "itkNNTrainer.h"

#include <functional>
#include <memory>
#include <string>

namespace universeg
{
/** Where a training runs and writes. */
struct TrainingPlace
{
  itk::nn::PlanOptions plan;
  std::string folder; ///< of all files that it writes
  bool resumes = false;
  std::shared_ptr<const itk::nn::Communicator> communicator; ///< null: this process alone
};

/** A training of any network. */
struct TrainingJob
{
  using Validation = std::function<itk::nn::ValidationResult(const itk::nn::StateDict &)>;

  itk::nn::Network::ConstPointer network; ///< of the models that it writes
  itk::nn::Network::ConstPointer trained; ///< the same as the batches need it; null: it is that
  itk::nn::StateDict weights;             ///< to start with
  itk::nn::BatchSource::ConstPointer batches;
  itk::nn::TrainerOptions options;            ///< the place's are put in
  std::function<Validation()> makeValidation; ///< called by the process that validates; empty: there is none
  std::int64_t logEvery = 20;
  std::string configuration; ///< all settings, as TOML
  itk::nn::ModelCard card;   ///< of the models that it writes
  TrainingPlace place;
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

/** Set plan and communicator: the command line's device and precision, and the processes that a
 * launcher started together with this one, if any. With --device cuda or auto each of these
 * takes a device of its machine, in turn. Says where gradients of devices pass through the
 * host. Throws itk::nn::Error and UsageError. */
void SetPlace(const CommandLine & commandLine, TrainingPlace & place);

/** Train until the steps are done, the patience is at its end or a signal comes;
 * SIGINT and SIGTERM end it after a checkpoint. Prints a line now and then.
 *
 * Returns an exit code. Throws itk::nn::Error and Failure. */
int RunTraining(const TrainingJob & job);
} // namespace universeg

#endif
