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
#ifndef universegTaskTraining_h
#define universegTaskTraining_h

#include "universegTrainingRun.h"

#include "itkNNTrainingSettings.h"

namespace universeg
{
/** What a training of UniverSeg needs beside its settings. */
struct TaskTraining
{
  itk::nn::TrainingSettings settings;
  itk::nn::Network::ConstPointer network;
  itk::nn::StateDict weights; ///< to start with
  itk::nn::TaskSource::ConstPointer tasks;
  itk::nn::TaskSource::ConstPointer validationTasks; ///< null: there is no validation
  TrainingPlace place;
  std::string provenance; ///< for the model's card
};

/** Draw some of a training's tasks as a picture: a task in each row, the target
 * first, the labels' borders in colour. With augmentation, as the network sees them.
 * Throws itk::nn::Error. */
void DrawTasks(const TaskTraining & training, const std::string & fileName);

/** As RunTraining(). */
int RunTaskTraining(const TaskTraining & training);
} // namespace universeg

#endif
