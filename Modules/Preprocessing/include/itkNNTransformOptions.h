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
#ifndef itkNNTransformOptions_h
#define itkNNTransformOptions_h

#include "UniverSegPreprocessingExport.h"

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace itk
{
namespace nn
{
/** \class TransformOption
 * \brief The value of an option: none, a truth value, a number, text, or a list of these.
 *
 * An integer and a real number of the same value are different options.
 * \ingroup UniverSegPreprocessing
 */
class UniverSegPreprocessing_EXPORT TransformOption
{
public:
  using List = std::vector<TransformOption>;
  using Value = std::variant<std::monostate, bool, std::int64_t, double, std::string, List>;

  /** None. */
  TransformOption() = default;
  TransformOption(std::nullptr_t)
  {}
  TransformOption(bool value)
    : m_Value(value)
  {}
  TransformOption(int value)
    : m_Value(std::int64_t{ value })
  {}
  TransformOption(std::int64_t value)
    : m_Value(value)
  {}
  TransformOption(double value)
    : m_Value(value)
  {}
  TransformOption(const char * value)
    : m_Value(std::string(value))
  {}
  TransformOption(std::string value)
    : m_Value(std::move(value))
  {}
  TransformOption(List value)
    : m_Value(std::move(value))
  {}

  const Value & Get() const
  {
    return m_Value;
  }

  bool IsNone() const
  {
    return std::holds_alternative<std::monostate>(m_Value);
  }

  bool operator==(const TransformOption & other) const
  {
    return m_Value == other.m_Value;
  }

  /** As JSON text, for example "[64, null, 128]" without the blanks. */
  std::string ToJson() const;

private:
  Value m_Value;
};

/** Values by the names of their options, for example "output_size".
 * \ingroup UniverSegPreprocessing */
using TransformOptions = std::map<std::string, TransformOption>;

/** The options of one transform out of those of many, where they are named as in PyMIC's
 * configurations: `<transform>_<option>` in letters of either case, for example
 * "Pad_output_size" or "pad_output_size". Throws Error when one is there twice.
 * \ingroup UniverSegPreprocessing */
UniverSegPreprocessing_EXPORT TransformOptions SelectTransformOptions(const std::string & transform,
                                                                      const TransformOptions & all);
} // namespace nn
} // namespace itk

#endif
