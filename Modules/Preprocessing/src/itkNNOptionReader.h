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
#ifndef itkNNOptionReader_h
#define itkNNOptionReader_h

#include "itkNNTransformOptions.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** A number, or none. */
using MaybeNumber = std::optional<double>;

/** Extents along the spatial axes; none keeps that of the sample. */
using MaybeSize = std::vector<std::optional<std::int64_t>>;

/** The range of a number that is drawn. */
struct OptionInterval
{
  double low;
  double high;
};

/** Takes the options of a transform one by one and keeps what it took. Its functions throw
 * Error that names transform and option. An option without a default is required. */
class OptionReader
{
public:
  OptionReader(std::string transform, const TransformOptions & given)
    : m_Transform(std::move(transform))
    , m_Given(given)
  {}

  const std::string & GetTransform() const
  {
    return m_Transform;
  }

  bool Bool(const std::string & key, std::optional<bool> normal = std::nullopt);

  std::int64_t Integer(const std::string & key,
                       std::int64_t low,
                       std::int64_t high,
                       std::optional<std::int64_t> normal = std::nullopt);

  /** Within [low, high]. */
  double Number(const std::string & key, double low, double high, MaybeNumber normal = std::nullopt);

  /** Two numbers within [low, high], the first not above the second. */
  OptionInterval Interval(const std::string & key, double low, double high, const OptionInterval & normal);

  /** One of some names: its place among them. The first is the default. */
  std::size_t Choice(const std::string & key, const std::vector<std::string> & names);

  MaybeNumber OptionalNumber(const std::string & key);

  /** None, or integers of at least a lowest one. */
  std::optional<std::vector<std::int64_t>> OptionalIntegers(const std::string & key, std::int64_t low);

  std::vector<std::int64_t> Integers(const std::string & key, std::int64_t low);

  /** None or a list of numbers and none.
   * \param required must be given, if only as none. */
  std::optional<std::vector<MaybeNumber>> OptionalNumbers(const std::string & key, bool required = false);

  /** Two or three positive extents or none. */
  MaybeSize Size(const std::string & key);

  /** The same or none at all. */
  std::optional<MaybeSize> OptionalSize(const std::string & key);

  /** One positive number for all axes, or one for each. */
  std::vector<double> Scales(const std::string & key, const std::optional<std::vector<double>> & normal = std::nullopt);

  /** Two or three positive extents. */
  std::vector<std::int64_t> Extents(const std::string & key,
                                    const std::optional<std::vector<std::int64_t>> & normal = std::nullopt);

  /** Keep the value of an option that is read by other means: nullptr when it is not given. */
  const TransformOption * Find(const std::string & key, const TransformOption & normal, bool required = false);

  [[noreturn]] void Refuse(const std::string & key, const TransformOption & value, const std::string & expected) const;

  /** All options that were taken; throws Error when others were given. */
  TransformOptions Finish() const;

private:
  std::string m_Transform;
  const TransformOptions & m_Given;
  TransformOptions m_Taken;
};
} // namespace nn
} // namespace itk

#endif
