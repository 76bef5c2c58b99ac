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
#include "itkNNPyMICConfiguration.h"

#include "itkNNError.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <limits>
#include <locale>
#include <sstream>

namespace itk
{
namespace nn
{
namespace
{
constexpr std::streamsize maximumBytes = std::streamsize{ 1 } << 20;
constexpr int maximumNesting = 8;

bool
IsBlank(char c)
{
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

std::string
Trim(const std::string & text)
{
  const auto first = std::find_if_not(text.begin(), text.end(), IsBlank);
  const auto last = std::find_if_not(text.rbegin(), std::make_reverse_iterator(first), IsBlank).base();
  return { first, last };
}

std::string
ToLower(std::string text)
{
  for (char & c : text)
  {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return text;
}

/** Digits behind an optional sign. */
bool
IsInteger(const std::string & text)
{
  const std::size_t first = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  return text.size() > first && text.size() <= 18 &&
         std::all_of(
           text.begin() + static_cast<std::ptrdiff_t>(first), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool
IsNumber(const std::string & text, double & value)
{
  const bool hasDigit = std::any_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  const bool isPlain =
    std::all_of(text.begin(),
                text.end(),
                [](char c) { return (c >= '0' && c <= '9') || std::string("+-.eE").find(c) != std::string::npos; });
  if (!hasDigit || !isPlain)
  {
    return false;
  }
  std::istringstream stream(text);
  stream.imbue(std::locale::classic());
  stream >> value;
  return !stream.fail() && stream.peek() == std::istringstream::traits_type::eof();
}

TransformOption
ParseNested(const std::string & whole, int nesting)
{
  const std::string text = Trim(whole);
  if (text == "None")
  {
    return {};
  }
  if (text == "True" || text == "False")
  {
    return text == "True";
  }
  if (IsInteger(text))
  {
    std::istringstream stream(text);
    stream.imbue(std::locale::classic());
    std::int64_t value = 0;
    stream >> value;
    return value;
  }
  double number = 0;
  if (IsNumber(text, number))
  {
    return number;
  }
  if (text.size() < 2 || text.front() != '[' || text.back() != ']')
  {
    return text;
  }
  itkNNRequireMacro(nesting < maximumNesting, "lists are nested more than " << maximumNesting << " deep");
  TransformOption::List list;
  std::string part;
  int depth = 0;
  const std::string inner = text.substr(1, text.size() - 2);
  for (const char c : inner)
  {
    depth += c == '[' ? 1 : c == ']' ? -1 : 0;
    if (c == ',' && depth == 0)
    {
      list.push_back(ParseNested(part, nesting + 1));
      part.clear();
    }
    else
    {
      part += c;
    }
  }
  if (!Trim(part).empty() || !list.empty())
  {
    list.push_back(ParseNested(part, nesting + 1));
  }
  return list;
}

const std::int64_t *
AsInteger(const TransformOption & value)
{
  return std::get_if<std::int64_t>(&value.Get());
}

/** Of a number of either kind. */
bool
AsNumber(const TransformOption & value, double & number)
{
  if (const auto * integer = AsInteger(value))
  {
    number = static_cast<double>(*integer);
    return true;
  }
  if (const auto * real = std::get_if<double>(&value.Get()))
  {
    number = *real;
    return true;
  }
  return false;
}

/** A value as a list of one. */
TransformOption::List
AsList(const TransformOption & value)
{
  const auto * list = std::get_if<TransformOption::List>(&value.Get());
  return list != nullptr ? *list : TransformOption::List{ value };
}
} // namespace

TransformOption
PyMICConfiguration::ParseValue(const std::string & text)
{
  return ParseNested(text, 0);
}

PyMICConfiguration
PyMICConfiguration::Parse(const std::string & text, const std::string & name)
{
  PyMICConfiguration result;
  result.m_Name = name;
  std::map<std::string, std::map<std::string, std::string>> texts;
  std::istringstream stream(text);
  std::string line;
  std::string section;
  std::string * last = nullptr;
  std::size_t number = 0;
  while (std::getline(stream, line))
  {
    ++number;
    const std::string trimmed = Trim(line);
    if (trimmed.empty())
    {
      last = nullptr;
      continue;
    }
    if (trimmed.front() == '#' || trimmed.front() == ';')
    {
      continue;
    }
    if (last != nullptr && IsBlank(line.front()))
    {
      *last += ' ' + trimmed;
      continue;
    }
    if (trimmed.front() == '[' && trimmed.back() == ']')
    {
      section = ToLower(Trim(trimmed.substr(1, trimmed.size() - 2)));
      texts[section];
      last = nullptr;
      continue;
    }
    const std::size_t sign = trimmed.find_first_of("=:");
    itkNNRequireMacro(sign != std::string::npos && sign > 0,
                      name << ":" << number << ": '" << trimmed.substr(0, 80)
                           << "' should be a section in brackets or key = value");
    itkNNRequireMacro(!section.empty(), name << ":" << number << ": a key stands before the first [section]");
    const std::string key = ToLower(Trim(trimmed.substr(0, sign)));
    const auto added = texts[section].emplace(key, Trim(trimmed.substr(sign + 1)));
    itkNNRequireMacro(added.second, name << ":" << number << ": '" << key << "' is there twice in [" << section << ']');
    last = &added.first->second;
  }
  for (const auto & [sectionName, entries] : texts)
  {
    TransformOptions & options = result.m_Sections[sectionName];
    for (const auto & [key, value] : entries)
    {
      try
      {
        options[key] = ParseValue(value);
      }
      catch (const Error & error)
      {
        itkNNThrowMacro(name << ": '" << key << "' in [" << sectionName << "]: " << error.GetDescription());
      }
    }
  }
  itkNNRequireMacro(!result.m_Sections.empty(), name << " has no section");
  return result;
}

PyMICConfiguration
PyMICConfiguration::ReadFile(const std::string & fileName)
{
  std::ifstream file(fileName, std::ios::binary);
  itkNNRequireMacro(file.good(), "'" << fileName << "' cannot be read");
  std::string text(static_cast<std::size_t>(maximumBytes) + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  itkNNRequireMacro(file.gcount() <= maximumBytes, "'" << fileName << "' is longer than 1 MiB");
  text.resize(static_cast<std::size_t>(file.gcount()));
  return Parse(text, fileName);
}

const TransformOption *
PyMICConfiguration::Find(const std::string & section, const std::string & key) const
{
  this->Use(section, key);
  const auto found = m_Sections.find(section);
  if (found == m_Sections.end())
  {
    return nullptr;
  }
  const auto entry = found->second.find(key);
  return entry == found->second.end() || entry->second.IsNone() ? nullptr : &entry->second;
}

void
PyMICConfiguration::Use(const std::string & section, const std::string & key) const
{
  m_Used.insert(section + '.' + key);
}

void
PyMICConfiguration::ThrowType(const std::string & section, const std::string & key, const char * expected) const
{
  itkNNThrowMacro(m_Name << ": '" << key << "' in [" << section << "] is " << this->Find(section, key)->ToJson()
                         << ", should be " << expected);
}

void
PyMICConfiguration::ThrowMissing(const std::string & section, const std::string & key) const
{
  itkNNThrowMacro(m_Name << ": '" << key << "' in [" << section << "] is missing");
}

bool
PyMICConfiguration::Has(const std::string & section, const std::string & key) const
{
  return this->Find(section, key) != nullptr;
}

std::string
PyMICConfiguration::GetText(const std::string & section, const std::string & key) const
{
  const TransformOption * value = this->Find(section, key);
  if (value == nullptr)
  {
    this->ThrowMissing(section, key);
  }
  const auto * text = std::get_if<std::string>(&value->Get());
  if (text == nullptr)
  {
    // A folder may be named 2023.
    if (const auto * integer = AsInteger(*value))
    {
      std::ostringstream stream;
      stream.imbue(std::locale::classic());
      stream << *integer;
      return stream.str();
    }
    this->ThrowType(section, key, "text");
  }
  return *text;
}

std::string
PyMICConfiguration::GetText(const std::string & section, const std::string & key, const std::string & fallback) const
{
  return this->Has(section, key) ? this->GetText(section, key) : fallback;
}

std::int64_t
PyMICConfiguration::GetInteger(const std::string & section, const std::string & key) const
{
  const TransformOption * value = this->Find(section, key);
  if (value == nullptr)
  {
    this->ThrowMissing(section, key);
  }
  const auto * integer = AsInteger(*value);
  if (integer == nullptr)
  {
    this->ThrowType(section, key, "an integer");
  }
  return *integer;
}

std::int64_t
PyMICConfiguration::GetInteger(const std::string & section, const std::string & key, std::int64_t fallback) const
{
  return this->Has(section, key) ? this->GetInteger(section, key) : fallback;
}

double
PyMICConfiguration::GetNumber(const std::string & section, const std::string & key) const
{
  const TransformOption * value = this->Find(section, key);
  if (value == nullptr)
  {
    this->ThrowMissing(section, key);
  }
  double number = 0;
  if (!AsNumber(*value, number))
  {
    this->ThrowType(section, key, "a number");
  }
  return number;
}

double
PyMICConfiguration::GetNumber(const std::string & section, const std::string & key, double fallback) const
{
  return this->Has(section, key) ? this->GetNumber(section, key) : fallback;
}

bool
PyMICConfiguration::GetFlag(const std::string & section, const std::string & key, bool fallback) const
{
  const TransformOption * value = this->Find(section, key);
  if (value == nullptr)
  {
    return fallback;
  }
  const auto * flag = std::get_if<bool>(&value->Get());
  if (flag == nullptr)
  {
    this->ThrowType(section, key, "True or False");
  }
  return *flag;
}

std::vector<std::string>
PyMICConfiguration::GetTexts(const std::string & section, const std::string & key) const
{
  std::vector<std::string> result;
  if (const TransformOption * value = this->Find(section, key))
  {
    for (const auto & item : AsList(*value))
    {
      const auto * text = std::get_if<std::string>(&item.Get());
      if (text == nullptr)
      {
        this->ThrowType(section, key, "text or a list of texts");
      }
      result.push_back(*text);
    }
  }
  return result;
}

std::vector<std::int64_t>
PyMICConfiguration::GetIntegers(const std::string & section, const std::string & key) const
{
  std::vector<std::int64_t> result;
  if (const TransformOption * value = this->Find(section, key))
  {
    for (const auto & item : AsList(*value))
    {
      const auto * integer = AsInteger(item);
      if (integer == nullptr && !item.IsNone())
      {
        this->ThrowType(section, key, "an integer or a list of integers");
      }
      result.push_back(integer == nullptr ? 0 : *integer);
    }
  }
  return result;
}

std::vector<double>
PyMICConfiguration::GetNumbers(const std::string & section, const std::string & key) const
{
  std::vector<double> result;
  if (const TransformOption * value = this->Find(section, key))
  {
    for (const auto & item : AsList(*value))
    {
      double number = 0;
      if (!AsNumber(item, number) && !item.IsNone())
      {
        this->ThrowType(section, key, "a number or a list of numbers");
      }
      result.push_back(number);
    }
  }
  return result;
}

const TransformOptions &
PyMICConfiguration::GetSection(const std::string & section) const
{
  static const TransformOptions none;
  const auto found = m_Sections.find(section);
  return found == m_Sections.end() ? none : found->second;
}

std::vector<std::string>
PyMICConfiguration::GetUnused(const std::vector<std::string> & sections) const
{
  std::vector<std::string> result;
  for (const auto & section : sections)
  {
    for (const auto & entry : this->GetSection(section))
    {
      const std::string name = section + '.' + entry.first;
      if (m_Used.count(name) == 0)
      {
        result.push_back(name);
      }
    }
  }
  return result;
}
} // namespace nn
} // namespace itk
