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
#ifndef universegBenchProblems_h
#define universegBenchProblems_h

#include "universegCommandLine.h"

#include "itkNNGraph.h"

#include <cstdint>
#include <string>
#include <vector>

namespace universeg
{
/** One operator or network with the random values that it is run on. */
struct BenchProblem
{
  std::string where; ///< the file, the problem's number and its name, for messages
  std::string file;
  std::size_t index = 0; ///< in its file, from 0
  std::string name;
  std::string kind; ///< name of the operator or network
  itk::nn::Graph graph;
  bool isNetwork = false; ///< weights are scaled by their number of inputs
  std::uint64_t seed = 1;
  double low = -1; ///< range of the values
  double high = 1;
  double step = 0;      ///< values are multiples of it unless it is 0
  double tolerance = 0; ///< 0: DefaultTolerance()
};

/** The problems of a JSON text. Throws Failure that names the file, the problem
 * and the key. */
std::vector<BenchProblem> ParseBenchProblems(const std::string & text, const std::string & fileName);

/** Largest relative error that a precision may have unless a problem says otherwise. */
double DefaultTolerance(itk::nn::DataType precision);

/** The options --problems and --mode of `bench`. */
void AddBenchProblemOptions(CommandLine & commandLine);

/** Whether --problems was given. Throws UsageError for options that do not go
 * together. */
bool HasBenchProblems(const CommandLine & commandLine);

/** `universeg bench --problems`. Returns the exit code; throws Failure when a
 * problem exceeds its tolerance. */
int RunBenchProblems(const CommandLine & commandLine);
} // namespace universeg

#endif
