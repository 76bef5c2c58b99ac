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
#ifndef itkNNConfiguration_h
#define itkNNConfiguration_h

#include "UniverSegTrainingExport.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace itk
{
namespace nn
{
/** Names that the writer of a file is free to choose, each with its values: in
 * the file a table whose values are an integer, a string, or a list of those.
 * Integers are in decimal here. \ingroup UniverSegTraining */
using ConfigurationNamedLists = std::map<std::string, std::vector<std::string>>;

/** An option as ConfigurationTable::List() gives it. \ingroup UniverSegTraining */
struct ConfigurationOption
{
  std::string key;     ///< with the tables it is in: "optimizer.learning-rate", "dataset[].name"
  std::string type;    ///< "an integer", "a list of strings" and so on
  std::string value;   ///< as TOML writes it; the default in a list of tables
  std::string comment; ///< what it means
};

/** \class ConfigurationTable
 * \brief Options of a struct under the names that they have in a TOML file.
 *
 * A struct describes its options once, and is then read, written and listed:
 * \code
 * struct OptimizerOptions
 * {
 *   double learningRate = 1e-4;
 *   void Describe(ConfigurationTable & table)
 *   {
 *     table.Add("learning-rate", "step of the optimiser, above 0", learningRate);
 *   }
 * };
 * OptimizerOptions options;
 * ConfigurationTable table(options);
 * table.ReadFile("train.toml");
 * \endcode
 *
 * Types of options: bool, std::int64_t, double, std::string, std::vector of the
 * last three, ConfigurationNamedLists, another struct with Describe() (a table of
 * its own) and, by AddList(), a std::vector of such structs (an array of tables).
 * The members must outlive the table and stay where they are.
 * \ingroup UniverSegTraining
 */
class UniverSegTraining_EXPORT ConfigurationTable
{
public:
  ConfigurationTable() = default;

  /** The options of a struct. */
  template <typename T, typename = decltype(std::declval<T &>().Describe(std::declval<ConfigurationTable &>()))>
  explicit ConfigurationTable(T & options)
  {
    options.Describe(*this);
  }

  /** \param key of letters, digits, '-' and '_'.
   * \param comment one or more lines for people. */
  template <typename T>
  void Add(const std::string & key, const std::string & comment, T & value)
  {
    this->AddEntry(key, comment, MakeTarget(value));
  }

  /** An array of tables. Reading replaces what was in it. */
  template <typename T>
  void AddList(const std::string & key, const std::string & comment, std::vector<T> & values)
  {
    TableList list;
    list.size = [&values] { return values.size(); };
    list.clear = [&values] { values.clear(); };
    list.append = [&values] { return ConfigurationTable(values.emplace_back()); };
    list.get = [&values](std::size_t i) { return ConfigurationTable(values[i]); };
    list.describe = [prototype = std::make_shared<T>()] { return ConfigurationTable(*prototype); };
    this->AddEntry(key, comment, std::move(list));
  }

  /** Reading stores the line of the file where the table begins; for messages of
   * later checks. */
  void BindLine(std::int64_t & line)
  {
    m_Line = &line;
  }

  /** Options that the text does not name keep their values. Throws Error that
   * names the file, the line, the key, what it was and what it should be when the
   * text is no TOML, is longer than 1 MiB, is nested more than 32 deep or not in
   * UTF-8, when a key is unknown or a value has another type; some options then
   * have new values. Ranges are the caller's to check.
   * \param name of the text in messages. */
  void Read(const std::string & text, const std::string & name) const;

  /** As Read(). Throws Error also when the file cannot be read. */
  void ReadFile(const std::string & fileName) const;

  /** All options with their values as TOML, each below its comment. Of an empty
   * list of tables, one table of defaults is shown in comments. */
  std::string Write() const;

  /** All options in the order of their description. */
  std::vector<ConfigurationOption> List() const;

private:
  friend class ConfigurationReader;
  friend class ConfigurationWriter;

  struct TableList
  {
    std::function<std::size_t()> size;
    std::function<void()> clear;
    std::function<ConfigurationTable()> append;
    std::function<ConfigurationTable(std::size_t)> get;
    std::function<ConfigurationTable()> describe; ///< a table of defaults
  };
  using Target = std::variant<bool *,
                              std::int64_t *,
                              double *,
                              std::string *,
                              std::vector<std::int64_t> *,
                              std::vector<double> *,
                              std::vector<std::string> *,
                              ConfigurationNamedLists *,
                              std::shared_ptr<ConfigurationTable>,
                              TableList>;
  struct Entry
  {
    std::string key;
    std::string comment;
    Target target;
  };

  template <typename T>
  static Target MakeTarget(T & value)
  {
    if constexpr (std::is_constructible<Target, T *>::value)
    {
      return &value;
    }
    else
    {
      return std::make_shared<ConfigurationTable>(value);
    }
  }

  /** Throws Error when there is such a key, or it has other characters. */
  void AddEntry(std::string key, std::string comment, Target target);

  std::vector<Entry> m_Entries;
  std::int64_t * m_Line = nullptr;
};
} // namespace nn
} // namespace itk

#endif
