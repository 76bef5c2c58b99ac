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
#ifndef universegVolumeTraining_h
#define universegVolumeTraining_h

#include "universegCommandLine.h"
#include "universegTrainingRun.h"

#include "itkNNVolumeTrainingSettings.h"

#include <string>
#include <vector>

namespace universeg
{
/** Whether a file of settings is for networks of volumes: one of PyMIC (its name ends in .cfg),
 * or TOML whose [network] has the name of such a network. */
bool IsVolumeConfiguration(const std::string & fileName);

/** Whether a network takes volumes: fmunet, hermes, hermes_medformer, pctnet, u2net, unet3d. */
bool IsVolumeNetwork(const std::string & name);

/** Read a file of settings, TOML or one of PyMIC. Keys of PyMIC that mean nothing here are told
 * on standard error. Throws itk::nn::Error. */
void ReadVolumeConfiguration(const std::string & fileName, itk::nn::VolumeTrainingSettings & settings);

/** The options of `train` and `pretrain` that training with volumes shares: output, resume, steps,
 * seed, model and those of plans. */
void AddVolumeTrainingOptions(CommandLine & commandLine);

/** Of a training of a new task. */
struct NewTask
{
  std::string name;                             ///< for the model's card
  std::vector<itk::nn::ModelCard::Task> others; ///< in front of it; empty: there are none
  itk::nn::StateDict weights;                   ///< to start with; empty: as the settings say
};

/** Train as settings and options say.
 * \param file of the settings, for names that start from its folder. Returns an exit code. */
int RunVolumeTraining(const CommandLine & commandLine,
                      itk::nn::VolumeTrainingSettings settings,
                      const std::string & file,
                      const NewTask & newTask = {});
} // namespace universeg

#endif
