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

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace
{
namespace fs = std::filesystem;
using universegtest::MakeFolder;
using universegtest::ProcessResult;
using universegtest::RunCommand;

/** All examples but the ones that are large. */
std::vector<std::string>
GetSmallProblems()
{
  std::vector<std::string> files;
  for (const auto & entry : fs::directory_iterator(UNIVERSEG_TEST_PROBLEMS))
  {
    if (entry.path().filename() != "universeg-layers.json")
    {
      files.push_back(entry.path().string());
    }
  }
  return files;
}

std::string
WriteProblems(const std::string & text)
{
  std::string name = MakeFolder("problems") + "/problems.json";
  std::ofstream(name, std::ios::binary) << text;
  return name;
}

std::vector<std::string>
Bench(const std::vector<std::string> & files, const std::vector<std::string> & more)
{
  std::vector<std::string> arguments{ "bench", "--problems" };
  arguments.insert(arguments.end(), files.begin(), files.end());
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

void
ExpectFailure(const std::vector<std::string> & arguments, int exitCode, const std::string & part)
{
  const ProcessResult result = RunCommand(arguments);
  EXPECT_EQ(result.exitCode, exitCode) << part << '\n' << result.error;
  EXPECT_EQ(result.error.find("universeg bench: "), 0U) << result.error;
  EXPECT_NE(result.error.find(part), std::string::npos) << result.error;
  EXPECT_EQ(result.error.find('\n'), result.error.size() - 1) << "one line is expected: " << result.error;
}

TEST(BenchProblems, EveryBackendKeepsTheTolerances)
{
  const std::vector<std::vector<std::string>> sides{ { "--backend", "auto" },
                                                     { "--backend", "reference" },
                                                     { "--backend", "reference", "--precision", "float64" } };
  for (std::vector<std::string> options : sides)
  {
    options.insert(options.end(), { "--mode", "correctness", "--threads", "2", "--json" });
    const ProcessResult result = RunCommand(Bench(GetSmallProblems(), options));
    EXPECT_EQ(result.exitCode, 0) << result.error;
    EXPECT_EQ(result.error, "");
    const auto json = nlohmann::json::parse(result.output);
    EXPECT_EQ(json.at("failed"), 0);
    EXPECT_EQ(json.at("mode"), "correctness");
    EXPECT_EQ(json.at("threads"), 2);
    EXPECT_GT(json.at("problems").size(), 100U);
    for (const auto & problem : json.at("problems"))
    {
      EXPECT_TRUE(problem.at("correctness").at("passed").get<bool>()) << problem;
      EXPECT_FALSE(problem.contains("performance"));
    }
  }
}

TEST(BenchProblems, MeasuresAndCounts)
{
  const std::string file = WriteProblems(
    R"([{"name": "convolution", "operator": "Convolution", "inputs": [[1, 8, 6, 6], [16, 8, 3, 3]], "constants": [1]},
        {"operator": "Reshape", "inputs": [[4]], "parameters": {"shape": [2, 2]}}])");
  ProcessResult result = RunCommand(Bench({ file }, { "--mode", "performance", "--repeat", "3", "--json" }));
  ASSERT_EQ(result.exitCode, 0) << result.error;
  const auto json = nlohmann::json::parse(result.output);
  EXPECT_EQ(json.at("repeat"), 3);
  EXPECT_FALSE(json.contains("failed"));
  const auto & first = json.at("problems").at(0);
  EXPECT_EQ(first.at("name"), "convolution");
  EXPECT_EQ(first.at("operator"), "Convolution");
  EXPECT_EQ(first.at("index"), 0);
  EXPECT_EQ(first.at("file"), file);
  EXPECT_FALSE(first.contains("correctness"));
  EXPECT_FALSE(first.at("implementations").empty());
  const auto & time = first.at("performance");
  EXPECT_EQ(time.at("flops"), 2 * 8 * 9 * 16 * 4 * 4);
  EXPECT_GT(time.at("min_milliseconds").get<double>(), 0);
  EXPECT_GE(time.at("median_milliseconds").get<double>(), time.at("min_milliseconds").get<double>());
  EXPECT_GT(time.at("gflop_per_second").get<double>(), 0);
  EXPECT_EQ(json.at("problems").at(1).at("name"), "Reshape");

  result = RunCommand(Bench({ file, file }, { "--repeat", "1" }));
  ASSERT_EQ(result.exitCode, 0) << result.error;
  EXPECT_EQ(result.output.find("problem"), 0U) << result.output;
  for (const char * part : { "result", "error", "allowed", "min ms", "GFLOP/s", "implementation", "passed" })
  {
    EXPECT_NE(result.output.find(part), std::string::npos) << result.output;
  }
  EXPECT_EQ(std::count(result.output.begin(), result.output.end(), '\n'), 5) << result.output;
}

TEST(BenchProblems, ATooLargeErrorIsStatusOne)
{
  const std::string file = WriteProblems(
    R"([{"operator": "Unary", "inputs": [[4]], "parameters": {"function": "negate"}},
        {"name": "strict", "operator": "Softmax", "inputs": [[64]], "tolerance": 1e-30}])");
  ExpectFailure(Bench({ file }, {}), 1, "1 of 2 problems exceed their tolerance; the first is " + file + ": problem 1");
  const ProcessResult result = RunCommand(Bench({ file }, { "--mode", "correctness", "--json" }));
  EXPECT_EQ(result.exitCode, 1);
  const auto json = nlohmann::json::parse(result.output);
  EXPECT_EQ(json.at("failed"), 1);
  EXPECT_TRUE(json.at("problems").at(0).at("correctness").at("passed").get<bool>());
  EXPECT_EQ(json.at("problems").at(0).at("correctness").at("max_absolute_error"), 0);
  const auto & strict = json.at("problems").at(1).at("correctness");
  EXPECT_FALSE(strict.at("passed").get<bool>());
  EXPECT_EQ(strict.at("tolerance"), 1e-30);
  EXPECT_GT(strict.at("max_relative_error").get<double>(), 1e-30);
}

TEST(BenchProblems, ErrorsNameWhatIsWrong)
{
  const std::string file = WriteProblems(R"([{"operator": "Softmax", "inputs": [[2]], "axis": 1}])");
  ExpectFailure(Bench({ file }, {}), 1, file + ": problem 0: key 'axis' is unknown");
  ExpectFailure(Bench({ "/no/such/file.json" }, {}), 1, "/no/such/file.json: ");
  ExpectFailure(Bench({ file }, { "--mode", "speed" }), 2, "--mode: there is no 'speed'");
  ExpectFailure(Bench({ file }, { "--network", "universeg" }), 2, "--problems and --network exclude each other");
  ExpectFailure({ "bench", "--mode", "both" }, 2, "--mode is of use only with --problems");
  // More memory than there is: the same in one line.
  const std::string huge =
    WriteProblems(R"([{"name": "huge", "operator": "Softmax", "inputs": [[1073741824, 1073741824]]}])");
  ExpectFailure(Bench({ huge }, {}), 1, huge + ": problem 0 'huge': ");
}
} // namespace
