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
#ifndef itkNNPyMICConfiguration_h
#define itkNNPyMICConfiguration_h

#include "UniverSegTrainingExport.h"
#include "itkNNTransformOptions.h"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** \class PyMICConfiguration
 * \brief A configuration file of PyMIC (github.com/HiLab-git/PyMIC): sections in brackets
 * with lines `key = value`.
 *
 * Keys and sections are of either case. A line that begins with # or ; is a comment, an
 * indented line goes on with the value before. Values are integers, numbers, True and False,
 * None, lists in brackets, and else text; also numbers as 1.0e-3, which PyMIC 0.5 takes for
 * text.
 *
 * What is asked for is noted, so that GetUnused() tells which keys meant nothing.
 * \ingroup UniverSegTraining
 */
class UniverSegTraining_EXPORT PyMICConfiguration
{
public:
  /** Throws Error that names the line when the text is no such file or has a key twice.
   * \param name of the text in messages. */
  static PyMICConfiguration Parse(const std::string & text, const std::string & name);

  /** As Parse(). Throws Error also when the file cannot be read or is longer than 1 MiB. */
  static PyMICConfiguration ReadFile(const std::string & fileName);

  /** The value of a text. */
  static TransformOption ParseValue(const std::string & text);

  /** Whether a key is there and not None. */
  bool Has(const std::string & section, const std::string & key) const;

  /** These throw Error that names the key when a value has another type; without a
   * fallback also when there is none. */
  std::string GetText(const std::string & section, const std::string & key) const;
  std::string GetText(const std::string & section, const std::string & key, const std::string & fallback) const;
  std::int64_t GetInteger(const std::string & section, const std::string & key) const;
  std::int64_t GetInteger(const std::string & section, const std::string & key, std::int64_t fallback) const;
  double GetNumber(const std::string & section, const std::string & key) const;
  double GetNumber(const std::string & section, const std::string & key, double fallback) const;
  bool GetFlag(const std::string & section, const std::string & key, bool fallback) const;
  /** One text, or a list of them; empty when there is none. */
  std::vector<std::string> GetTexts(const std::string & section, const std::string & key) const;
  /** One number, or a list of them; empty when there is none. None is 0. */
  std::vector<std::int64_t> GetIntegers(const std::string & section, const std::string & key) const;
  std::vector<double> GetNumbers(const std::string & section, const std::string & key) const;

  /** Everything of a section. None of it counts as used. */
  const TransformOptions & GetSection(const std::string & section) const;

  /** Say that a key has a meaning. */
  void Use(const std::string & section, const std::string & key) const;

  /** "section.key" of all keys of some sections that nobody asked for. */
  std::vector<std::string> GetUnused(const std::vector<std::string> & sections) const;

  const std::string & GetName() const
  {
    return m_Name;
  }

private:
  const TransformOption * Find(const std::string & section, const std::string & key) const;
  [[noreturn]] void ThrowType(const std::string & section, const std::string & key, const char * expected) const;
  [[noreturn]] void ThrowMissing(const std::string & section, const std::string & key) const;

  std::string m_Name;
  std::map<std::string, TransformOptions> m_Sections;
  mutable std::set<std::string> m_Used;
};
} // namespace nn
} // namespace itk

#endif
