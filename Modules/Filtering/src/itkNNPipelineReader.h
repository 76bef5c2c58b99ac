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
#ifndef itkNNPipelineReader_h
#define itkNNPipelineReader_h

#include "itkNNError.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace itk
{
namespace nn
{
/** Reads the keys of a pipeline in a card; errors name them. */
class PipelineReader
{
public:
  using Json = nlohmann::json;

  PipelineReader(const Json & json, std::string name)
    : m_Json(json)
    , m_Name(std::move(name))
  {
    itkNNRequireMacro(json.is_object(), "'" << m_Name << "' is " << json.dump() << ", should be an object");
  }

  const Json * Find(const char * key) const
  {
    const auto found = m_Json.find(key);
    return found == m_Json.end() ? nullptr : &*found;
  }

  template <typename T>
  void Get(const char * key, T & target, const char * expected) const
  {
    const Json * value = this->Find(key);
    if (value == nullptr)
    {
      return;
    }
    try
    {
      if (Fits(*value, target))
      {
        target = value->get<T>();
        return;
      }
    }
    catch (const Json::exception &)
    {
      // Told below.
    }
    this->Refuse(key, *value, expected);
  }

  /** A value of an enumeration by its name. */
  template <typename T, typename TNames>
  void GetName(const char * key, T & target, const TNames & names) const
  {
    if (const Json * value = this->Find(key))
    {
      const auto found = std::find(names.begin(), names.end(), *value);
      if (found == names.end())
      {
        this->Refuse(key, *value, "one of " + Json(names).dump());
      }
      target = static_cast<T>(found - names.begin());
    }
  }

  [[noreturn]] void Refuse(const char * key, const Json & value, const std::string & expected) const
  {
    itkNNThrowMacro("'" << m_Name << '.' << key << "' is " << value.dump() << ", should be " << expected);
  }

private:
  /** JSON's own conversions would cut numbers to integers and take true for 1. */
  template <typename T>
  static bool Fits(const Json & value, const T &)
  {
    if (std::is_same<T, bool>::value)
    {
      return value.is_boolean();
    }
    return std::is_integral<T>::value ? value.is_number_integer()
                                      : !std::is_floating_point<T>::value || value.is_number();
  }
  template <typename T>
  static bool Fits(const Json & value, const std::vector<T> &)
  {
    return value.is_array() &&
           std::all_of(value.begin(), value.end(), [](const Json & item) { return Fits(item, T{}); });
  }

  const Json & m_Json;
  std::string m_Name;
};
} // namespace nn
} // namespace itk

#endif
