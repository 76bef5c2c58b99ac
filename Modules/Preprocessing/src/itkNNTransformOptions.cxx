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
#include "itkNNTransformOptions.h"

#include "itkNNError.h"
#include "itkNNText.h"
#include "itkNNTransformJson.h"

namespace itk
{
namespace nn
{
namespace
{
/** Lists of lists are the deepest that any option is. */
constexpr int maximumDepth = 8;

TransformOption
FromJson(const TransformJson & json, const std::string & what, int depth)
{
  switch (json.type())
  {
    case TransformJson::value_t::null:
      return {};
    case TransformJson::value_t::boolean:
      return json.get<bool>();
    case TransformJson::value_t::number_unsigned:
      itkNNRequireMacro(json.get<std::uint64_t>() <= INT64_MAX, what << " is " << json << ", too large an integer");
      return json.get<std::int64_t>();
    case TransformJson::value_t::number_integer:
      return json.get<std::int64_t>();
    case TransformJson::value_t::number_float:
      return json.get<double>();
    case TransformJson::value_t::string:
      return json.get<std::string>();
    case TransformJson::value_t::array:
    {
      itkNNRequireMacro(depth < maximumDepth, what << " has lists nested more than " << maximumDepth << " deep");
      TransformOption::List list;
      list.reserve(json.size());
      for (const TransformJson & entry : json)
      {
        list.push_back(FromJson(entry, what, depth + 1));
      }
      return list;
    }
    default:
      itkNNThrowMacro(what << " is a JSON " << json.type_name()
                           << "; should be null, true, false, a number, text or a list of these");
  }
}
} // namespace

TransformJson
OptionToJson(const TransformOption & option)
{
  return std::visit(
    [](const auto & value) -> TransformJson
    {
      using T = std::decay_t<decltype(value)>;
      if constexpr (std::is_same_v<T, std::monostate>)
      {
        return nullptr;
      }
      else if constexpr (std::is_same_v<T, TransformOption::List>)
      {
        TransformJson list = TransformJson::array();
        for (const TransformOption & entry : value)
        {
          list.push_back(OptionToJson(entry));
        }
        return list;
      }
      else
      {
        return value;
      }
    },
    option.Get());
}

TransformOption
OptionFromJson(const TransformJson & json, const std::string & what)
{
  return FromJson(json, what, 0);
}

std::string
DumpTransformJson(const TransformJson & json)
{
  try
  {
    return json.dump();
  }
  catch (const TransformJson::exception &)
  {
    itkNNThrowMacro("A text among the options of a transform is not UTF-8");
  }
}

std::string
TransformOption::ToJson() const
{
  return DumpTransformJson(OptionToJson(*this));
}

TransformOptions
SelectTransformOptions(const std::string & transform, const TransformOptions & all)
{
  const std::string prefix = ToLower(transform) + '_';
  TransformOptions selected;
  for (const auto & [key, value] : all)
  {
    const std::string name = ToLower(key);
    if (name.compare(0, prefix.size(), prefix) == 0)
    {
      const bool isNew = selected.emplace(name.substr(prefix.size()), value).second;
      itkNNRequireMacro(isNew, "The option '" << name << "' is there twice, in letters of different cases");
    }
  }
  return selected;
}
} // namespace nn
} // namespace itk
