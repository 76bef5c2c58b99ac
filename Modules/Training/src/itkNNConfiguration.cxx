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
#include "itkNNConfiguration.h"

#include "itkNNError.h"

#define TOML_EXCEPTIONS 1
#define TOML_HEADER_ONLY 1
#define TOML_MAX_NESTED_VALUES 32
#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <numeric>

namespace itk
{
namespace nn
{
namespace
{
constexpr std::size_t maximumBytes = std::size_t{ 1 } << 20U;
constexpr std::size_t maximumDepth = TOML_MAX_NESTED_VALUES;

/** For messages: control characters replaced, long texts cut. */
std::string
Printable(std::string text)
{
  constexpr std::size_t maximumLength = 60;
  for (char & c : text)
  {
    c = static_cast<unsigned char>(c) < ' ' || c == '\x7f' ? '?' : c;
  }
  return text.size() <= maximumLength ? text : text.substr(0, maximumLength) + "...";
}

std::string
QuoteText(const std::string & text)
{
  constexpr char digits[] = "0123456789abcdef";
  std::string quoted = "\"";
  for (const char c : text)
  {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
    {
      quoted += '\\';
      quoted += c;
    }
    else if (byte < ' ' || byte == 0x7f)
    {
      quoted += "\\u00";
      quoted += digits[byte >> 4U];
      quoted += digits[byte & 15U];
    }
    else
    {
      quoted += c;
    }
  }
  return quoted + '"';
}

bool
IsBareKey(const std::string & key)
{
  const auto isBare = [](char c)
  { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; };
  return !key.empty() && std::all_of(key.begin(), key.end(), isBare);
}

std::string
FormatValue(bool value)
{
  return value ? "true" : "false";
}

std::string
FormatValue(std::int64_t value)
{
  return std::to_string(value);
}

std::string
FormatValue(double value)
{
  if (!std::isfinite(value))
  {
    return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
  }
  char buffer[64];
  const auto result = std::to_chars(buffer, buffer + sizeof(buffer), value);
  const std::string text(buffer, result.ptr);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

std::string
FormatValue(const std::string & value)
{
  return QuoteText(value);
}

template <typename T>
std::string
FormatValue(const std::vector<T> & values)
{
  std::string text;
  for (const auto & value : values)
  {
    text += (text.empty() ? "" : ", ") + FormatValue(value);
  }
  return '[' + text + ']';
}

std::string
FormatValue(const ConfigurationNamedLists & lists)
{
  std::string text;
  for (const auto & [name, values] : lists)
  {
    text += (text.empty() ? " " : ", ") + (IsBareKey(name) ? name : QuoteText(name)) + " = " + FormatValue(values);
  }
  return '{' + text + (text.empty() ? "}" : " }");
}

template <typename T>
const char *
GetTypeName()
{
  if constexpr (std::is_same<T, bool>::value)
  {
    return "true or false";
  }
  else if constexpr (std::is_same<T, std::int64_t>::value)
  {
    return "an integer";
  }
  else if constexpr (std::is_same<T, double>::value)
  {
    return "a number";
  }
  else if constexpr (std::is_same<T, std::string>::value)
  {
    return "a string";
  }
  else if constexpr (std::is_same<T, std::vector<std::int64_t>>::value)
  {
    return "a list of integers";
  }
  else if constexpr (std::is_same<T, std::vector<double>>::value)
  {
    return "a list of numbers";
  }
  else if constexpr (std::is_same<T, std::vector<std::string>>::value)
  {
    return "a list of strings";
  }
  else
  {
    static_assert(std::is_same<T, ConfigurationNamedLists>::value, "a type of options without a name");
    return "a table of names, each with an integer, a string or a list of those";
  }
}

std::string
DescribeNode(const toml::node & node)
{
  switch (node.type())
  {
    case toml::node_type::string:
      return "the string \"" + Printable(*node.value<std::string>()) + '"';
    case toml::node_type::integer:
      return "the integer " + FormatValue(*node.value<std::int64_t>());
    case toml::node_type::floating_point:
      return "the number " + FormatValue(*node.value<double>());
    case toml::node_type::boolean:
      return FormatValue(*node.value<bool>());
    case toml::node_type::array:
      return "a list";
    case toml::node_type::table:
      return "a table";
    default:
      return "a date or a time";
  }
}

/** Number of insertions, deletions and replacements that make one of the other. */
std::size_t
EditDistance(const std::string & a, const std::string & b)
{
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{ 0 });
  for (std::size_t i = 0; i < a.size(); ++i)
  {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j)
    {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({ replaced, row[j] + 1, diagonal + 1 });
    }
  }
  return row.back();
}

/** "; did you mean 'x'?", or the list of what is known. */
std::string
Suggest(const std::string & key, const std::vector<std::string> & known)
{
  std::string nearest;
  std::string all;
  std::size_t least = key.size() / 2 + 1;
  for (const auto & name : known)
  {
    all += (all.empty() ? "" : ", ") + name;
    const std::size_t distance = EditDistance(key, name);
    if (distance < least)
    {
      least = distance;
      nearest = name;
    }
  }
  return nearest.empty() ? "; known are: " + all : "; did you mean '" + nearest + "'?";
}

std::size_t
FindLineEnd(const std::string & text, std::size_t at)
{
  return std::min(text.find('\n', at), text.size());
}

/** The position behind a string of TOML. */
std::size_t
SkipString(const std::string & text, std::size_t at)
{
  const char quote = text[at];
  const bool isLong = text.compare(at, 3, std::string(3, quote)) == 0;
  const std::string end(isLong ? 3 : 1, quote);
  for (at += end.size(); at < text.size(); ++at)
  {
    if (quote == '"' && text[at] == '\\')
    {
      ++at;
    }
    else if (!isLong && text[at] == '\n')
    {
      return at;
    }
    else if (text.compare(at, end.size(), end) == 0)
    {
      at += end.size();
      // Up to two quotes may stand before the three of the end.
      for (int i = 0; i < 2 && isLong && at < text.size() && text[at] == quote; ++i)
      {
        ++at;
      }
      return at;
    }
  }
  return text.size();
}

/** Throws Error for keys of too many parts (a.b.c...): the parser makes a table of
 * each, and takes them down by recursion. */
void
CheckKeyDepth(const std::string & text, const std::string & name)
{
  std::size_t depth = 0;
  for (std::size_t at = 0; at < text.size();)
  {
    const char c = text[at];
    if (c == '"' || c == '\'')
    {
      at = SkipString(text, at);
      continue;
    }
    if (c == '#')
    {
      at = FindLineEnd(text, at);
      continue;
    }
    if (c == '.')
    {
      ++depth;
    }
    else if (std::string("\n=,[]{}").find(c) != std::string::npos)
    {
      depth = 0;
    }
    itkNNRequireMacro(depth < maximumDepth,
                      name << ':' << 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n')
                           << ": a key has more than " << maximumDepth << " parts");
    ++at;
  }
}

toml::table
ParseText(const std::string & text, const std::string & name)
{
  itkNNRequireMacro(text.size() <= maximumBytes,
                    name << ": the configuration is longer than " << maximumBytes << " bytes");
  CheckKeyDepth(text, name);
  try
  {
    return toml::parse(text, name);
  }
  catch (const toml::parse_error & error)
  {
    itkNNThrowMacro(name << ':' << error.source().begin.line << ": not valid TOML: " << error.description());
  }
}

std::string
ReadText(const std::string & fileName)
{
  std::error_code failure;
  itkNNRequireMacro(!std::filesystem::is_directory(fileName, failure),
                    fileName << ": the configuration is a folder; should be a TOML file");
  std::ifstream file(fileName, std::ios::binary);
  itkNNRequireMacro(file.good(), fileName << ": the configuration cannot be opened");
  std::string text(maximumBytes + 1, '\0');
  file.read(&text[0], static_cast<std::streamsize>(text.size()));
  itkNNRequireMacro(!file.bad(), fileName << ": the configuration cannot be read");
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}
} // namespace

/** Fills the options of tables. */
class ConfigurationReader
{
public:
  explicit ConfigurationReader(std::string name)
    : m_Name(std::move(name))
  {}

  void ReadTable(const toml::table & source, const ConfigurationTable & table, const std::string & path) const
  {
    if (table.m_Line != nullptr)
    {
      *table.m_Line = static_cast<std::int64_t>(source.source().begin.line);
    }
    for (auto && [key, node] : source)
    {
      const std::string name(key.str());
      const auto entry = std::find_if(table.m_Entries.begin(),
                                      table.m_Entries.end(),
                                      [&name](const ConfigurationTable::Entry & e) { return e.key == name; });
      if (entry == table.m_Entries.end())
      {
        this->Refuse(key.source(), path + name, "is unknown" + Suggest(name, GetKeys(table)));
      }
      std::visit([this, &value = node, full = path + name](const auto & target)
                 { this->ReadValue(value, target, full); },
                 entry->target);
    }
  }

private:
  static std::vector<std::string> GetKeys(const ConfigurationTable & table)
  {
    std::vector<std::string> keys;
    for (const auto & entry : table.m_Entries)
    {
      keys.push_back(entry.key);
    }
    return keys;
  }

  [[noreturn]] void Refuse(const toml::source_region & source, const std::string & key, const std::string & what) const
  {
    itkNNThrowMacro(m_Name << ':' << source.begin.line << ": key '" << Printable(key) << "' " << what);
  }

  [[noreturn]] void RefuseType(const toml::node & node, const std::string & key, const std::string & wanted) const
  {
    this->Refuse(node.source(), key, "is " + DescribeNode(node) + "; should be " + wanted);
  }

  template <typename T>
  void ReadScalar(const toml::node & node, T & value, const std::string & key, const char * wanted) const
  {
    const bool isAlsoNumber = std::is_same<T, double>::value && node.is_integer();
    if (!node.is<T>() && !isAlsoNumber)
    {
      this->RefuseType(node, key, wanted);
    }
    value = *node.value<T>();
  }

  template <typename T>
  void ReadValue(const toml::node & node, T * value, const std::string & key) const
  {
    this->ReadScalar(node, *value, key, GetTypeName<T>());
  }

  const toml::array & GetArray(const toml::node & node, const std::string & key, const char * wanted) const
  {
    const toml::array * array = node.as_array();
    if (array == nullptr)
    {
      this->RefuseType(node, key, wanted);
    }
    return *array;
  }

  const toml::table & GetTable(const toml::node & node, const std::string & key, const char * wanted) const
  {
    const toml::table * table = node.as_table();
    if (table == nullptr)
    {
      this->RefuseType(node, key, wanted);
    }
    return *table;
  }

  template <typename T>
  void ReadValue(const toml::node & node, std::vector<T> * values, const std::string & key) const
  {
    std::vector<T> read;
    for (const toml::node & element : this->GetArray(node, key, GetTypeName<std::vector<T>>()))
    {
      T value{};
      this->ReadScalar(element, value, key + '[' + std::to_string(read.size()) + ']', GetTypeName<T>());
      read.push_back(std::move(value));
    }
    *values = std::move(read);
  }

  std::string ReadName(const toml::node & node, const std::string & key) const
  {
    if (node.is_integer())
    {
      return FormatValue(*node.value<std::int64_t>());
    }
    std::string text;
    this->ReadScalar(node, text, key, "an integer or a string");
    return text;
  }

  void ReadValue(const toml::node & node, ConfigurationNamedLists * lists, const std::string & key) const
  {
    lists->clear();
    for (auto && [name, value] : this->GetTable(node, key, GetTypeName<ConfigurationNamedLists>()))
    {
      const std::string path = key + '.' + std::string(name.str());
      std::vector<std::string> & list = (*lists)[std::string(name.str())];
      const toml::array * array = value.as_array();
      if (array == nullptr)
      {
        list.push_back(this->ReadName(value, path));
        continue;
      }
      for (const toml::node & element : *array)
      {
        list.push_back(this->ReadName(element, path + '[' + std::to_string(list.size()) + ']'));
      }
    }
  }

  void ReadValue(const toml::node & node,
                 const std::shared_ptr<ConfigurationTable> & table,
                 const std::string & key) const
  {
    this->ReadTable(this->GetTable(node, key, "a table"), *table, key + '.');
  }

  void ReadValue(const toml::node & node, const ConfigurationTable::TableList & list, const std::string & key) const
  {
    list.clear();
    for (const toml::node & element : this->GetArray(node, key, "a list of tables"))
    {
      const std::string path = key + '[' + std::to_string(list.size()) + ']';
      this->ReadTable(this->GetTable(element, path, "a table"), list.append(), path + '.');
    }
  }

  std::string m_Name;
};

/** Writes the options of tables. */
class ConfigurationWriter
{
public:
  using TablePointer = std::shared_ptr<ConfigurationTable>;
  using TableList = ConfigurationTable::TableList;

  /** Plain values first: in TOML what follows a table's head belongs to it. */
  static std::string WriteTable(const ConfigurationTable & table, const std::string & path)
  {
    std::string values;
    std::string tables;
    for (const auto & entry : table.m_Entries)
    {
      const std::string comment = Comment(entry.comment);
      if (const auto * inner = std::get_if<TablePointer>(&entry.target))
      {
        tables += '\n' + comment + '[' + path + entry.key + "]\n" + WriteTable(**inner, path + entry.key + '.');
      }
      else if (const auto * list = std::get_if<TableList>(&entry.target))
      {
        tables += '\n' + comment + WriteList(*list, path + entry.key);
      }
      else
      {
        values += comment + entry.key + " = " + GetText(entry.target) + '\n';
      }
    }
    return values + tables;
  }

  static void ListTable(const ConfigurationTable & table,
                        const std::string & path,
                        std::vector<ConfigurationOption> & options)
  {
    for (const auto & entry : table.m_Entries)
    {
      if (const auto * inner = std::get_if<TablePointer>(&entry.target))
      {
        ListTable(**inner, path + entry.key + '.', options);
      }
      else if (const auto * list = std::get_if<TableList>(&entry.target))
      {
        ListTable(list->describe(), path + entry.key + "[].", options);
      }
      else
      {
        options.push_back({ path + entry.key, GetType(entry.target), GetText(entry.target), entry.comment });
      }
    }
  }

private:
  /** Every line of a text behind "# ". */
  static std::string Comment(const std::string & text)
  {
    std::string comment;
    for (std::size_t begin = 0; begin < text.size();)
    {
      const std::size_t end = FindLineEnd(text, begin);
      comment += (end > begin ? "# " : "#") + text.substr(begin, end - begin) + '\n';
      begin = end + 1;
    }
    return comment;
  }

  static std::string WriteList(const TableList & list, const std::string & path)
  {
    const std::string head = "[[" + path + "]]\n";
    if (list.size() == 0)
    {
      return Comment(head + WriteTable(list.describe(), path + '.'));
    }
    std::string text;
    for (std::size_t i = 0; i < list.size(); ++i)
    {
      text += (i == 0 ? "" : "\n") + head + WriteTable(list.get(i), path + '.');
    }
    return text;
  }

  /** A function of a plain value, and nothing of a table. */
  template <typename TFunction>
  static std::string VisitValue(const ConfigurationTable::Target & target, const TFunction & function)
  {
    return std::visit(
      [&function](const auto & value) -> std::string
      {
        if constexpr (std::is_pointer<std::decay_t<decltype(value)>>::value)
        {
          return function(*value);
        }
        else
        {
          return "";
        }
      },
      target);
  }

  static std::string GetText(const ConfigurationTable::Target & target)
  {
    return VisitValue(target, [](const auto & value) { return FormatValue(value); });
  }

  static std::string GetType(const ConfigurationTable::Target & target)
  {
    return VisitValue(target, [](const auto & value) { return GetTypeName<std::decay_t<decltype(value)>>(); });
  }
};

void
ConfigurationTable::AddEntry(std::string key, std::string comment, Target target)
{
  itkNNRequireMacro(IsBareKey(key),
                    "Key '" << key << "' of a configuration should have letters, digits, '-' and '_' only");
  itkNNRequireMacro(
    std::none_of(m_Entries.begin(), m_Entries.end(), [&key](const Entry & entry) { return entry.key == key; }),
    "Key '" << key << "' of a configuration is described twice");
  m_Entries.push_back({ std::move(key), std::move(comment), std::move(target) });
}

void
ConfigurationTable::Read(const std::string & text, const std::string & name) const
{
  ConfigurationReader(name).ReadTable(ParseText(text, name), *this, "");
}

void
ConfigurationTable::ReadFile(const std::string & fileName) const
{
  this->Read(ReadText(fileName), fileName);
}

std::string
ConfigurationTable::Write() const
{
  return ConfigurationWriter::WriteTable(*this, "");
}

std::vector<ConfigurationOption>
ConfigurationTable::List() const
{
  std::vector<ConfigurationOption> options;
  ConfigurationWriter::ListTable(*this, "", options);
  return options;
}
} // namespace nn
} // namespace itk
