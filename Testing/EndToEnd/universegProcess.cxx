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
#include "universegProcess.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <sys/wait.h>

namespace universegtest
{
namespace
{
std::string
Quote(const std::string & text)
{
  std::string quoted = "'";
  for (const char c : text)
  {
    quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return quoted + "'";
}
} // namespace

std::string
ReadFile(const std::string & name)
{
  std::ifstream file(name, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

ProcessResult
RunCommand(const std::vector<std::string> & arguments)
{
  const std::filesystem::path folder = std::filesystem::path(UNIVERSEG_TEST_OUTPUT);
  std::filesystem::create_directories(folder);
  const std::string output = (folder / "stdout.txt").string();
  const std::string error = (folder / "stderr.txt").string();
  std::string line = Quote(UNIVERSEG_COMMAND);
  for (const std::string & argument : arguments)
  {
    line += ' ' + Quote(argument);
  }
  line += " >" + Quote(output) + " 2>" + Quote(error) + " </dev/null";
  const int status = std::system(line.c_str());
  ProcessResult result;
  result.exitCode = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  result.output = ReadFile(output);
  result.error = ReadFile(error);
  return result;
}

std::string
MakeFolder(const std::string & name)
{
  const std::filesystem::path folder = std::filesystem::path(UNIVERSEG_TEST_OUTPUT) / name;
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder.string();
}
} // namespace universegtest
