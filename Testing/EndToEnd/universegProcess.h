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
#ifndef universegProcess_h
#define universegProcess_h

#include <string>
#include <vector>

namespace universegtest
{
struct ProcessResult
{
  int exitCode = -1;
  std::string output;
  std::string error;
};

/** Run the command with these arguments and wait for it. */
ProcessResult RunCommand(const std::vector<std::string> & arguments);

/** An empty folder of this name for the test's files. */
std::string MakeFolder(const std::string & name);

std::string ReadFile(const std::string & name);
} // namespace universegtest

#endif
