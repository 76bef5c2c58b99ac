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
#include "universegCommandLine.h"

#include <algorithm>
#include <charconv>
#include <iostream>
#include <list>

namespace po = boost::program_options;

namespace universeg
{
po::typed_value<std::string> *
Text()
{
  return po::value<std::string>()->value_name(" ");
}

po::typed_value<std::vector<std::string>> *
Texts()
{
  return po::value<std::vector<std::string>>()->multitoken()->composing()->value_name(" ");
}

po::typed_value<std::vector<std::string>> *
RepeatedText()
{
  return po::value<std::vector<std::string>>()->composing()->value_name(" ");
}

CommandLine::CommandLine(std::string name, std::string usage, std::string description)
  : m_Name(std::move(name))
  , m_Usage(std::move(usage))
  , m_Description(std::move(description))
{
  m_Groups.reserve(8);
}

po::options_description &
CommandLine::AddGroup(const std::string & heading)
{
  constexpr unsigned int width = 100;
  if (m_Groups.size() == m_Groups.capacity())
  {
    throw std::logic_error("too many groups of options");
  }
  m_Groups.emplace_back(heading, width, width / 2);
  return m_Groups.back();
}

void
CommandLine::AddPositional(const std::string & option, int count)
{
  m_Positional.add(option.c_str(), count);
}

bool
CommandLine::Parse(const std::vector<std::string> & arguments)
{
  po::options_description all;
  for (const auto & group : m_Groups)
  {
    all.add(group);
  }
  po::options_description general("General");
  general.add_options()("help,h", "print this help");
  all.add(general);
  try
  {
    const int style = po::command_line_style::default_style & ~po::command_line_style::allow_guessing;
    const auto parsed = po::command_line_parser(arguments).options(all).positional(m_Positional).style(style).run();
    po::store(parsed, m_Values);
    m_Given = parsed.options;
    if (m_Values.count("help") == 0)
    {
      po::notify(m_Values);
    }
  }
  catch (const po::error & error)
  {
    throw UsageError(error.what());
  }
  if (m_Values.count("help") == 0)
  {
    return true;
  }
  std::cout << "Usage: universeg " << m_Name << ' ' << m_Usage << "\n\n" << m_Description << '\n';
  for (const auto & group : m_Groups)
  {
    std::cout << '\n' << group;
  }
  std::cout << '\n' << general << std::flush;
  return false;
}

bool
CommandLine::Has(const std::string & option) const
{
  return m_Values.count(option) != 0;
}

std::string
CommandLine::GetText(const std::string & option, const std::string & otherwise) const
{
  return this->Has(option) ? m_Values[option].as<std::string>() : otherwise;
}

std::string
CommandLine::GetRequired(const std::string & option) const
{
  const std::string value = this->GetText(option);
  if (value.empty())
  {
    throw UsageError("--" + option + " is missing");
  }
  return value;
}

std::vector<std::string>
CommandLine::GetTexts(const std::string & option) const
{
  return this->Has(option) ? m_Values[option].as<std::vector<std::string>>() : std::vector<std::string>();
}

std::vector<std::pair<std::string, std::string>>
CommandLine::GetInOrder(const std::vector<std::string> & options) const
{
  std::vector<std::pair<std::string, std::string>> result;
  for (const auto & given : m_Given)
  {
    if (std::find(options.begin(), options.end(), given.string_key) != options.end())
    {
      for (const auto & value : given.value)
      {
        result.emplace_back(given.string_key, value);
      }
    }
  }
  return result;
}

std::int64_t
CommandLine::GetInteger(const std::string & option,
                        std::int64_t otherwise,
                        std::int64_t minimum,
                        std::int64_t maximum) const
{
  if (!this->Has(option))
  {
    return otherwise;
  }
  const std::int64_t value = ParseInteger(this->GetText(option), "--" + option);
  if (value < minimum || value > maximum)
  {
    throw UsageError("--" + option + " is " + std::to_string(value) + "; should be from " + std::to_string(minimum) +
                     " to " + std::to_string(maximum));
  }
  return value;
}

double
CommandLine::GetNumber(const std::string & option, double otherwise, double minimum, double maximum) const
{
  if (!this->Has(option))
  {
    return otherwise;
  }
  const double value = ParseNumber(this->GetText(option), "--" + option);
  if (!(value >= minimum && value <= maximum))
  {
    throw UsageError("--" + option + " is " + this->GetText(option) + "; should be from " + FormatFixed(minimum, 2) +
                     " to " + FormatFixed(maximum, 2));
  }
  return value;
}

double
ParseNumber(const std::string & text, const std::string & option)
{
  double value = 0;
  const char * end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end || !std::isfinite(value))
  {
    throw UsageError(option + ": '" + text + "' is not a number");
  }
  return value;
}

std::int64_t
ParseInteger(const std::string & text, const std::string & option)
{
  std::int64_t value = 0;
  const char * end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end)
  {
    throw UsageError(option + ": '" + text + "' is not an integer");
  }
  return value;
}

std::vector<std::string>
Split(const std::string & text, char separator)
{
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (;;)
  {
    const std::size_t end = text.find(separator, begin);
    parts.push_back(text.substr(begin, end == std::string::npos ? end : end - begin));
    if (end == std::string::npos)
    {
      return parts;
    }
    begin = end + 1;
  }
}
} // namespace universeg
