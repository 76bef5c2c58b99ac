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
#ifndef universegSubcommands_h
#define universegSubcommands_h

#include <string>
#include <vector>

namespace universeg
{
/** The subcommands: each gets the arguments after its name and returns the exit
 * code. Throw UsageError, Failure or itk::ExceptionObject. */
using Arguments = std::vector<std::string>;

int RunBench(const Arguments & arguments);
int RunConvert(const Arguments & arguments);
int RunDeform(const Arguments & arguments);
int RunDemo(const Arguments & arguments);
int RunEvaluate(const Arguments & arguments);
int RunExplain(const Arguments & arguments);
int RunExplore(const Arguments & arguments);
int RunFinetune(const Arguments & arguments);
int RunForward(const Arguments & arguments);
int RunInfo(const Arguments & arguments);
int RunSegment(const Arguments & arguments);
int RunTrain(const Arguments & arguments);
int RunPreprocess(const Arguments & arguments);
int RunPretrain(const Arguments & arguments);
int RunAdapt(const Arguments & arguments);
int RunVolumeFusion(const Arguments & arguments);
} // namespace universeg

#endif
