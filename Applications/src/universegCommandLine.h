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
#ifndef universegCommandLine_h
#define universegCommandLine_h

#include "itkNNText.h"

#include <boost/program_options.hpp>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace universeg
{
using itk::nn::FormatFixed;
using itk::nn::ToOneLine;

/** The exit codes that scripts rely on. */
enum ExitCode : int
{
  exitSuccess = 0,
  exitFailure = 1,
  exitUsage = 2
};

/** A command line that cannot be carried out as written: exit code 2. */
class UsageError : public std::runtime_error
{
public:
  using std::runtime_error::runtime_error;
};

/** A failure with a message for people: exit code 1. */
class Failure : public std::runtime_error
{
public:
  using std::runtime_error::runtime_error;
};

/** The options of a subcommand: parsing, `--help`, typed access. Numbers are
 * parsed independently of the locale. */
class CommandLine
{
public:
  /** \param usage what follows "universeg NAME" in the first line of the help.
   * \param description paragraphs below it. */
  CommandLine(std::string name, std::string usage, std::string description);

  /** Group of options under a heading of the help. */
  boost::program_options::options_description & AddGroup(const std::string & heading);

  /** The arguments without a name go to this option.
   * \param count -1: any number. */
  void AddPositional(const std::string & option, int count);

  /** False when help was asked for and printed. Throws UsageError. */
  bool Parse(const std::vector<std::string> & arguments);

  bool Has(const std::string & option) const;

  /** Values of an option; empty when it was not given. */
  std::string GetText(const std::string & option, const std::string & otherwise = "") const;
  std::vector<std::string> GetTexts(const std::string & option) const;
  std::int64_t GetInteger(const std::string & option,
                          std::int64_t otherwise,
                          std::int64_t minimum,
                          std::int64_t maximum) const;
  double GetNumber(const std::string & option, double otherwise, double minimum, double maximum) const;

  /** As GetText(), but throws UsageError when the option was not given. */
  std::string GetRequired(const std::string & option) const;

  /** An option's name and value, each time that one of these was given, in the order of the
   * command line. */
  std::vector<std::pair<std::string, std::string>> GetInOrder(const std::vector<std::string> & options) const;

private:
  std::string m_Name;
  std::string m_Usage;
  std::string m_Description;
  std::vector<boost::program_options::options_description> m_Groups;
  boost::program_options::positional_options_description m_Positional;
  boost::program_options::variables_map m_Values;
  std::vector<boost::program_options::option> m_Given;
};

/** Option with a value, with several values, or with a value each time that it is given. */
boost::program_options::typed_value<std::string> * Text();
boost::program_options::typed_value<std::vector<std::string>> * Texts();
boost::program_options::typed_value<std::vector<std::string>> * RepeatedText();

/** Throws UsageError that names the option. */
double ParseNumber(const std::string & text, const std::string & option);
std::int64_t ParseInteger(const std::string & text, const std::string & option);

std::vector<std::string> Split(const std::string & text, char separator);
} // namespace universeg

#endif
