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
#ifndef universegModelOptions_h
#define universegModelOptions_h

#include "universegCommandLine.h"

#include "itkNNExecutionPlan.h"
#include "itkNNModelCard.h"
#include "itkSegmentationModel.h"

#include <string>

namespace universeg
{
/** The options --model, --weights, --network and --config. */
void AddModelOptions(CommandLine & commandLine, bool hasDefault);

/** The option --task. */
void AddTaskOption(CommandLine & commandLine);

/** -1 without the option.
 * \param card whose tasks have names. */
int GetTask(const CommandLine & commandLine, const itk::nn::ModelCard & card);

/** --backend, --device, --precision, --deterministic and --threads. */
void AddPlanOptions(CommandLine & commandLine);

/** The value of --network in lower case; empty when it is not given. Throws
 * UsageError for a network that is not known. */
std::string GetNetworkName(const CommandLine & commandLine);

/** Throws UsageError when the options name no model, or not as they should. For
 * checking them before other work. */
void CheckModelOptions(const CommandLine & commandLine, bool hasDefault);

/** The model that the options name; the embedded one when they name none and
 * hasDefault was on. Throws as CheckModelOptions(). */
itk::SegmentationModel::Pointer LoadModel(const CommandLine & commandLine, bool hasDefault);

/** Why a network cannot work on a grid, and what would be right; empty when it
 * can. */
std::string FindGridProblem(const itk::nn::Network & network, std::int64_t height, std::int64_t width);

itk::nn::PlanOptions GetPlanOptions(const CommandLine & commandLine);

/** Whole text of a file; throws Failure. */
std::string ReadTextFile(const std::string & fileName);

/** Replace a file; throws Failure. */
void WriteTextFile(const std::string & fileName, const std::string & text);
} // namespace universeg

#endif
