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
#include "itkNNModelCard.h"

#include "itkNNFileBytes.h"
#include "itkNNJson.h"

#include <charconv>

namespace itk
{
namespace nn
{
namespace
{
Json
ParseObject(const std::string & text, const std::string & what)
{
  Json json = ParseJson(text, what);
  itkNNRequireMacro(json.is_object(), what << " is a JSON " << json.type_name() << ", expected an object");
  return json;
}

const Json *
Find(const Json & json, const char * key)
{
  const auto found = json.find(key);
  return found == json.end() ? nullptr : &*found;
}

std::string
TextField(const Json & json, const char * key)
{
  const Json * field = Find(json, key);
  if (field == nullptr)
  {
    return std::string();
  }
  itkNNRequireMacro(field->is_string(),
                    "The model card's field '" << key << "' is a JSON " << field->type_name() << ", expected a string");
  return field->get<std::string>();
}

std::string
ObjectField(const Json & json, const char * key)
{
  const Json * field = Find(json, key);
  if (field == nullptr)
  {
    return std::string();
  }
  itkNNRequireMacro(field->is_object(),
                    "The model card's field '" << key << "' is a JSON " << field->type_name()
                                               << ", expected an object");
  return DumpJson(*field);
}

void
ParseVersion(const std::string & text, int & major, int & minor)
{
  const char * last = text.data() + text.size();
  const auto first = std::from_chars(text.data(), last, major);
  bool valid = first.ec == std::errc() && first.ptr != last && *first.ptr == '.';
  if (valid)
  {
    const auto second = std::from_chars(first.ptr + 1, last, minor);
    valid = second.ec == std::errc() && second.ptr == last && major >= 0 && minor >= 0;
  }
  itkNNRequireMacro(valid,
                    "The model card's format version is " << Quote(text) << ", expected two numbers such as '"
                                                          << ModelCard::currentMajorVersion << '.'
                                                          << ModelCard::currentMinorVersion << '\'');
}
} // namespace

const std::string &
ModelCard::GetPreprocessing(std::int64_t task) const
{
  return task >= 0 && task < static_cast<std::int64_t>(tasks.size())
         ? tasks[static_cast<std::size_t>(task)].preprocessing
         : preprocessing;
}

std::int64_t
ModelCard::FindTask(const std::string & name) const
{
  const auto found = std::find_if(tasks.begin(), tasks.end(), [&name](const Task & task) { return task.name == name; });
  return found == tasks.end() ? -1 : found - tasks.begin();
}

bool
ModelCard::IsEmpty() const
{
  return network.empty() && configuration.empty() && preprocessing.empty() && tasks.empty() && labels.empty() &&
         license.empty() && provenance.empty() && description.empty() && extra.empty();
}

std::string
ModelCard::ToJson() const
{
  Json json = Json::object();
  json["format_version"] = std::to_string(majorVersion) + '.' + std::to_string(minorVersion);
  const auto setText = [&json](const char * key, const std::string & text)
  {
    if (!text.empty())
    {
      json[key] = text;
    }
  };
  setText("network", network);
  if (!configuration.empty())
  {
    json["configuration"] = ParseObject(configuration, "The model card's configuration");
  }
  if (!preprocessing.empty())
  {
    json["preprocessing"] = ParseObject(preprocessing, "The model card's preprocessing");
  }
  for (const auto & task : tasks)
  {
    Json entry{ { "name", task.name } };
    if (!task.preprocessing.empty())
    {
      entry["preprocessing"] = ParseObject(task.preprocessing, "The preprocessing of the model card's task");
    }
    json["tasks"].push_back(std::move(entry));
  }
  for (const auto & label : labels)
  {
    json["labels"].push_back({ { "value", label.first }, { "name", label.second } });
  }
  setText("license", license);
  setText("provenance", provenance);
  setText("description", description);
  for (const auto & entry : extra)
  {
    json["extra"][entry.first] = entry.second;
  }
  return DumpJson(json);
}

ModelCard
ModelCard::FromJson(const std::string & text)
{
  const Json json = ParseObject(text, "The model card");
  ModelCard card;
  itkNNRequireMacro(Find(json, "format_version") != nullptr, "The model card has no field 'format_version'");
  ParseVersion(TextField(json, "format_version"), card.majorVersion, card.minorVersion);
  itkNNRequireMacro(card.majorVersion == currentMajorVersion,
                    "The model card's format version is " << card.majorVersion << '.' << card.minorVersion
                                                          << ", this program reads " << currentMajorVersion
                                                          << ".x; use a newer one or convert the model again");
  card.network = TextField(json, "network");
  card.configuration = ObjectField(json, "configuration");
  card.preprocessing = ObjectField(json, "preprocessing");
  card.license = TextField(json, "license");
  card.provenance = TextField(json, "provenance");
  card.description = TextField(json, "description");
  if (const Json * tasks = Find(json, "tasks"))
  {
    itkNNRequireMacro(tasks->is_array(),
                      "The model card's field 'tasks' is a JSON " << tasks->type_name() << ", expected an array");
    for (const auto & task : *tasks)
    {
      itkNNRequireMacro(task.is_object(),
                        "A task of the model card is a JSON " << task.type_name() << ", expected an object");
      card.tasks.push_back({ TextField(task, "name"), ObjectField(task, "preprocessing") });
    }
  }
  if (const Json * labels = Find(json, "labels"))
  {
    itkNNRequireMacro(labels->is_array(),
                      "The model card's field 'labels' is a JSON " << labels->type_name() << ", expected an array");
    for (const auto & label : *labels)
    {
      const Json * value = label.is_object() ? Find(label, "value") : nullptr;
      const Json * name = label.is_object() ? Find(label, "name") : nullptr;
      itkNNRequireMacro(value != nullptr && name != nullptr && value->is_number_integer() && name->is_string(),
                        "A label of the model card is not an object with an integer 'value' and a string 'name'");
      itkNNRequireMacro(card.labels.emplace(value->get<std::int64_t>(), name->get<std::string>()).second,
                        "The model card has the label " << value->get<std::int64_t>() << " twice");
    }
  }
  if (const Json * extra = Find(json, "extra"))
  {
    itkNNRequireMacro(extra->is_object(),
                      "The model card's field 'extra' is a JSON " << extra->type_name() << ", expected an object");
    for (const auto & entry : extra->items())
    {
      itkNNRequireMacro(entry.value().is_string(),
                        "The model card's extra entry " << Quote(entry.key()) << " is a JSON "
                                                        << entry.value().type_name() << ", expected a string");
      card.extra[entry.key()] = entry.value().get<std::string>();
    }
  }
  return card;
}

bool
ModelCard::operator==(const ModelCard & other) const
{
  return majorVersion == other.majorVersion && minorVersion == other.minorVersion && network == other.network &&
         configuration == other.configuration && preprocessing == other.preprocessing && tasks == other.tasks &&
         labels == other.labels && license == other.license && provenance == other.provenance &&
         description == other.description && extra == other.extra;
}
} // namespace nn
} // namespace itk
