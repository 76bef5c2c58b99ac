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
#include "itkNNConfigurationReader.h"

#include "itkNNError.h"

#include <algorithm>
#include <sstream>

namespace itk
{
namespace nn
{
namespace
{
template <typename T>
std::string
JoinWithOr(const std::vector<T> & values)
{
  std::ostringstream out;
  for (std::size_t i = 0; i < values.size(); ++i)
  {
    out << (i == 0 ? "" : " or ") << values[i];
  }
  return out.str();
}

std::string
DescribeRange(std::int64_t low, std::int64_t high)
{
  return std::to_string(low) + " to " + std::to_string(high);
}

bool
IsIntegerIn(const nlohmann::json & value, std::int64_t low, std::int64_t high)
{
  // An unsigned value beyond 64 bits with a sign would wrap.
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX))
  {
    return false;
  }
  return value.is_number_integer() && value.get<std::int64_t>() >= low && value.get<std::int64_t>() <= high;
}

bool
IsProbability(const nlohmann::json & value)
{
  return value.is_number() && value.get<double>() >= 0 && value.get<double>() < 1;
}
} // namespace

ConfigurationReader::ConfigurationReader(std::string network, const std::string & text)
  : m_Network(std::move(network))
  , m_Json(nlohmann::json::parse(text, nullptr, false))
{
  itkNNRequireMacro(m_Json.is_object(),
                    m_Network << ": the configuration is not a JSON object: " << text.substr(0, 80));
  if (m_Json.contains("config") && m_Json["config"].is_object())
  {
    m_Json = nlohmann::json(m_Json["config"]);
  }
}

const nlohmann::json *
ConfigurationReader::Find(const char * key) const
{
  const auto found = m_Json.find(key);
  return found == m_Json.end() || found->is_null() ? nullptr : &*found;
}

void
ConfigurationReader::Refuse(const char * key, const nlohmann::json & value, const std::string & expected) const
{
  itkNNThrowMacro(m_Network << ": configuration key '" << key << "' is "
                            << value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).substr(0, 80)
                            << ", should be " << expected);
}

std::int64_t
ConfigurationReader::GetInteger(const char * key, std::int64_t low, std::int64_t high) const
{
  itkNNRequireMacro(this->Find(key) != nullptr,
                    m_Network << ": the configuration has no key '" << key << "', an integer of "
                              << DescribeRange(low, high));
  return this->GetInteger(key, low, low, high);
}

std::int64_t
ConfigurationReader::GetInteger(const char * key, std::int64_t fallback, std::int64_t low, std::int64_t high) const
{
  const auto * value = this->Find(key);
  if (value == nullptr)
  {
    return fallback;
  }
  if (!IsIntegerIn(*value, low, high))
  {
    this->Refuse(key, *value, "an integer of " + DescribeRange(low, high));
  }
  return value->get<std::int64_t>();
}

std::vector<std::int64_t>
ConfigurationReader::GetIntegers(const char * key,
                                 std::vector<std::int64_t> fallback,
                                 const std::vector<std::size_t> & lengths,
                                 std::int64_t low,
                                 std::int64_t high) const
{
  const auto * value = this->Find(key);
  if (value == nullptr)
  {
    return fallback;
  }
  const bool hasForm = value->is_array() && std::count(lengths.begin(), lengths.end(), value->size()) > 0;
  if (!hasForm || !std::all_of(value->begin(),
                               value->end(),
                               [low, high](const nlohmann::json & entry) { return IsIntegerIn(entry, low, high); }))
  {
    this->Refuse(key, *value, "a list of " + JoinWithOr(lengths) + " integers of " + DescribeRange(low, high));
  }
  return value->get<std::vector<std::int64_t>>();
}

std::vector<std::int64_t>
ConfigurationReader::GetIntegers(const char * key, std::int64_t low, std::int64_t high) const
{
  const auto * value = this->Find(key);
  itkNNRequireMacro(value != nullptr,
                    m_Network << ": the configuration has no key '" << key << "', a list of integers of "
                              << DescribeRange(low, high));
  if (!value->is_array() || value->empty())
  {
    this->Refuse(key, *value, "a list of integers of " + DescribeRange(low, high));
  }
  return this->GetIntegers(key, {}, { value->size() }, low, high);
}

std::vector<std::array<std::int64_t, 3>>
ConfigurationReader::GetTriples(const char * key,
                                std::vector<std::array<std::int64_t, 3>> fallback,
                                std::int64_t low,
                                std::int64_t high) const
{
  const auto * value = this->Find(key);
  if (value == nullptr)
  {
    return fallback;
  }
  const auto isTriple = [low, high](const nlohmann::json & entry)
  {
    return entry.is_array() && entry.size() == 3 &&
           std::all_of(entry.begin(),
                       entry.end(),
                       [low, high](const nlohmann::json & extent) { return IsIntegerIn(extent, low, high); });
  };
  if (!value->is_array() || value->size() != fallback.size() || !std::all_of(value->begin(), value->end(), isTriple))
  {
    this->Refuse(key,
                 *value,
                 "a list of " + std::to_string(fallback.size()) + " lists of 3 integers of " +
                   DescribeRange(low, high));
  }
  return value->get<std::vector<std::array<std::int64_t, 3>>>();
}

std::vector<ConfigurationReader>
ConfigurationReader::GetObjects(const char * key) const
{
  std::vector<ConfigurationReader> objects;
  const auto * value = this->Find(key);
  if (value == nullptr)
  {
    return objects;
  }
  if (!value->is_array() ||
      !std::all_of(value->begin(), value->end(), [](const nlohmann::json & entry) { return entry.is_object(); }))
  {
    this->Refuse(key, *value, "a list of objects");
  }
  for (const auto & entry : *value)
  {
    const std::string number = std::to_string(objects.size());
    objects.push_back(ConfigurationReader(m_Network + ", " + key + '[' + number + ']', nlohmann::json(entry)));
  }
  return objects;
}

bool
ConfigurationReader::GetBoolean(const char * key, bool fallback) const
{
  const auto * value = this->Find(key);
  if (value == nullptr)
  {
    return fallback;
  }
  if (!value->is_boolean())
  {
    this->Refuse(key, *value, "true or false");
  }
  return value->get<bool>();
}

std::string
ConfigurationReader::GetChoice(const char * key,
                               const std::string & fallback,
                               const std::vector<std::string> & choices) const
{
  const auto * value = this->Find(key);
  if (value == nullptr)
  {
    return fallback;
  }
  if (!value->is_string() || std::count(choices.begin(), choices.end(), value->get<std::string>()) == 0)
  {
    this->Refuse(key, *value, JoinWithOr(choices));
  }
  return value->get<std::string>();
}

std::vector<double>
ConfigurationReader::GetProbabilities(const char * key,
                                      std::vector<double> fallback,
                                      const std::vector<std::size_t> & lengths) const
{
  const auto * value = this->Find(key);
  if (value == nullptr)
  {
    return fallback;
  }
  const bool hasForm = value->is_array() && std::count(lengths.begin(), lengths.end(), value->size()) > 0;
  if (!hasForm || !std::all_of(value->begin(), value->end(), &IsProbability))
  {
    this->Refuse(key, *value, "a list of " + JoinWithOr(lengths) + " numbers, at least 0 and below 1");
  }
  return value->get<std::vector<double>>();
}

double
ConfigurationReader::GetProbability(const char * key, double fallback) const
{
  const auto * value = this->Find(key);
  if (value == nullptr)
  {
    return fallback;
  }
  if (!IsProbability(*value))
  {
    this->Refuse(key, *value, "a number, at least 0 and below 1");
  }
  return value->get<double>();
}
} // namespace nn
} // namespace itk
