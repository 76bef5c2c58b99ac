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
#include "itkNNOptionReader.h"

#include "itkNNError.h"

#include <algorithm>
#include <cmath>
#include <sstream>

namespace itk
{
namespace nn
{
namespace
{
constexpr std::int64_t maximumExtent = std::int64_t{ 1 } << 31;

const std::int64_t *
AsInteger(const TransformOption & option)
{
  return std::get_if<std::int64_t>(&option.Get());
}

/** An integer or a real number; none for what is neither or not finite. */
MaybeNumber
AsNumber(const TransformOption & option)
{
  if (const std::int64_t * integer = AsInteger(option))
  {
    return static_cast<double>(*integer);
  }
  const double * number = std::get_if<double>(&option.Get());
  return number != nullptr && std::isfinite(*number) ? MaybeNumber(*number) : std::nullopt;
}

template <typename T>
TransformOption
ToOption(const std::vector<T> & values)
{
  return TransformOption::List(values.begin(), values.end());
}

template <typename T>
std::string
Range(T low, T high)
{
  std::ostringstream text;
  text.imbue(std::locale::classic());
  if (low == std::numeric_limits<T>::lowest() && high == std::numeric_limits<T>::max())
  {
    return "";
  }
  if (high == std::numeric_limits<T>::max())
  {
    text << " of at least " << low;
  }
  else
  {
    text << " from " << low << " to " << high;
  }
  return text.str();
}
} // namespace

const TransformOption *
OptionReader::Find(const std::string & key, const TransformOption & normal, bool required)
{
  const auto found = m_Given.find(key);
  const bool isGiven = found != m_Given.end();
  itkNNRequireMacro(isGiven || !required, "Transform " << m_Transform << ": the option '" << key << "' is missing");
  m_Taken[key] = isGiven ? found->second : normal;
  return isGiven ? &found->second : nullptr;
}

void
OptionReader::Refuse(const std::string & key, const TransformOption & value, const std::string & expected) const
{
  itkNNThrowMacro("Transform " << m_Transform << ": the option '" << key << "' is " << value.ToJson() << "; should be "
                               << expected);
}

bool
OptionReader::Bool(const std::string & key, std::optional<bool> normal)
{
  const TransformOption * option = this->Find(key, normal ? TransformOption(*normal) : TransformOption(), !normal);
  if (option == nullptr)
  {
    return *normal;
  }
  const bool * value = std::get_if<bool>(&option->Get());
  if (value == nullptr)
  {
    this->Refuse(key, *option, "true or false");
  }
  return *value;
}

std::int64_t
OptionReader::Integer(const std::string & key, std::int64_t low, std::int64_t high, std::optional<std::int64_t> normal)
{
  this->Find(key, normal ? TransformOption(*normal) : TransformOption(), !normal);
  const TransformOption & option = m_Taken[key];
  const std::int64_t * value = AsInteger(option);
  if (value == nullptr || *value < low || *value > high)
  {
    this->Refuse(key, option, "an integer" + Range(low, high));
  }
  return *value;
}

double
OptionReader::Number(const std::string & key, double low, double high, MaybeNumber normal)
{
  // The range of an option may depend on another, so a default may be outside.
  this->Find(key, normal ? TransformOption(*normal) : TransformOption(), !normal);
  const TransformOption & option = m_Taken[key];
  const MaybeNumber value = AsNumber(option);
  if (!value || *value < low || *value > high)
  {
    this->Refuse(key, option, "a number" + Range(low, high));
  }
  return *value;
}

OptionInterval
OptionReader::Interval(const std::string & key, double low, double high, const OptionInterval & normal)
{
  const TransformOption * option = this->Find(key, TransformOption::List{ normal.low, normal.high });
  if (option == nullptr)
  {
    return normal;
  }
  const auto * list = std::get_if<TransformOption::List>(&option->Get());
  const bool isPair = list != nullptr && list->size() == 2;
  const MaybeNumber first = isPair ? AsNumber(list->front()) : std::nullopt;
  const MaybeNumber second = isPair ? AsNumber(list->back()) : std::nullopt;
  if (!first || !second || *first < low || *second > high || *first > *second)
  {
    this->Refuse(key, *option, "two numbers" + Range(low, high) + ", the first not above the second");
  }
  return { *first, *second };
}

std::size_t
OptionReader::Choice(const std::string & key, const std::vector<std::string> & names)
{
  const TransformOption * option = this->Find(key, names.front());
  if (option == nullptr)
  {
    return 0;
  }
  const auto * name = std::get_if<std::string>(&option->Get());
  const auto found = name == nullptr ? names.end() : std::find(names.begin(), names.end(), *name);
  if (found == names.end())
  {
    std::string known;
    for (const auto & one : names)
    {
      known += (known.empty() ? "" : ", ") + one;
    }
    this->Refuse(key, *option, "one of " + known);
  }
  return static_cast<std::size_t>(found - names.begin());
}

MaybeNumber
OptionReader::OptionalNumber(const std::string & key)
{
  const TransformOption * option = this->Find(key, nullptr);
  if (option == nullptr || option->IsNone())
  {
    return std::nullopt;
  }
  const MaybeNumber value = AsNumber(*option);
  if (!value)
  {
    this->Refuse(key, *option, "none or a number");
  }
  return value;
}

std::optional<std::vector<std::int64_t>>
OptionReader::OptionalIntegers(const std::string & key, std::int64_t low)
{
  const TransformOption * option = this->Find(key, nullptr);
  if (option == nullptr || option->IsNone())
  {
    return std::nullopt;
  }
  return this->Integers(key, low);
}

std::vector<std::int64_t>
OptionReader::Integers(const std::string & key, std::int64_t low)
{
  const TransformOption & option = *this->Find(key, nullptr, true);
  const std::string expected =
    "a list of integers" + Range(low, std::numeric_limits<std::int64_t>::max()) + ", at least one";
  const auto * list = std::get_if<TransformOption::List>(&option.Get());
  if (list == nullptr || list->empty())
  {
    this->Refuse(key, option, expected);
  }
  std::vector<std::int64_t> values;
  for (const TransformOption & entry : *list)
  {
    const std::int64_t * value = AsInteger(entry);
    if (value == nullptr || *value < low)
    {
      this->Refuse(key, option, expected);
    }
    values.push_back(*value);
  }
  return values;
}

std::optional<std::vector<MaybeNumber>>
OptionReader::OptionalNumbers(const std::string & key, bool required)
{
  const TransformOption * option = this->Find(key, nullptr, required);
  if (option == nullptr || option->IsNone())
  {
    return std::nullopt;
  }
  const std::string expected = "none or a list of numbers, none for some";
  const auto * list = std::get_if<TransformOption::List>(&option->Get());
  if (list == nullptr)
  {
    this->Refuse(key, *option, expected);
  }
  std::vector<MaybeNumber> values;
  for (const TransformOption & entry : *list)
  {
    values.push_back(AsNumber(entry));
    if (!values.back() && !entry.IsNone())
    {
      this->Refuse(key, *option, expected);
    }
  }
  return values;
}

MaybeSize
OptionReader::Size(const std::string & key)
{
  const TransformOption & option = *this->Find(key, nullptr, true);
  const std::string expected = "two or three positive integers, none for axes that stay";
  const auto * list = std::get_if<TransformOption::List>(&option.Get());
  if (list == nullptr || list->size() < 2 || list->size() > 3)
  {
    this->Refuse(key, option, expected);
  }
  MaybeSize size;
  for (const TransformOption & entry : *list)
  {
    const std::int64_t * extent = AsInteger(entry);
    if (!entry.IsNone() && (extent == nullptr || *extent < 1 || *extent > maximumExtent))
    {
      this->Refuse(key, option, expected);
    }
    size.push_back(extent == nullptr ? std::nullopt : std::optional<std::int64_t>(*extent));
  }
  return size;
}

std::optional<MaybeSize>
OptionReader::OptionalSize(const std::string & key)
{
  const TransformOption * option = this->Find(key, nullptr);
  if (option == nullptr || option->IsNone())
  {
    return std::nullopt;
  }
  return this->Size(key);
}

std::vector<double>
OptionReader::Scales(const std::string & key, const std::optional<std::vector<double>> & normal)
{
  const TransformOption * option = this->Find(key, normal ? ToOption(*normal) : TransformOption(), !normal);
  if (option == nullptr)
  {
    return *normal;
  }
  const auto * list = std::get_if<TransformOption::List>(&option->Get());
  const TransformOption::List entries = list == nullptr ? TransformOption::List{ *option } : *list;
  std::vector<double> values;
  for (const TransformOption & entry : entries)
  {
    const MaybeNumber value = AsNumber(entry);
    if (!value || *value <= 0 || *value > 1000)
    {
      break;
    }
    values.push_back(*value);
  }
  if (values.size() != entries.size() || (list != nullptr && (values.size() < 2 || values.size() > 3)))
  {
    this->Refuse(key, *option, "a number above 0 and up to 1000, or a list of one for each of two or three axes");
  }
  return values;
}

std::vector<std::int64_t>
OptionReader::Extents(const std::string & key, const std::optional<std::vector<std::int64_t>> & normal)
{
  const TransformOption * option = this->Find(key, normal ? ToOption(*normal) : TransformOption(), !normal);
  if (option == nullptr)
  {
    return *normal;
  }
  std::vector<std::int64_t> extents;
  for (const auto & extent : this->Size(key))
  {
    if (!extent)
    {
      this->Refuse(key, *option, "two or three positive integers");
    }
    extents.push_back(*extent);
  }
  return extents;
}

TransformOptions
OptionReader::Finish() const
{
  for (const auto & [key, value] : m_Given)
  {
    if (m_Taken.count(key) == 0)
    {
      std::string known;
      for (const auto & taken : m_Taken)
      {
        known += (known.empty() ? "" : ", ") + taken.first;
      }
      itkNNThrowMacro("Transform " << m_Transform << " has no option '" << key << "'; its options are " << known);
    }
  }
  return m_Taken;
}
} // namespace nn
} // namespace itk
