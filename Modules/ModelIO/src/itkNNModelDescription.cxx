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
#include "itkNNModel.h"

#include "itkNNJson.h"

#include <algorithm>
#include <locale>
#include <sstream>

namespace itk
{
namespace nn
{
namespace
{
/** Control characters of a file must not reach a terminal. */
std::string
Printable(const std::string & text, const std::string & continuation)
{
  std::string result;
  for (const char c : text)
  {
    const auto code = static_cast<unsigned char>(c);
    if (c == '\n')
    {
      result += continuation;
    }
    else
    {
      result += code < 0x20 || code == 0x7f ? ' ' : c;
    }
  }
  return result;
}

std::uint64_t
NumberOfBytes(const StateDict & weights)
{
  std::uint64_t bytes = 0;
  for (const auto & entry : weights)
  {
    bytes += entry.second.GetNumberOfBytes();
  }
  return bytes;
}

std::string
Padded(std::string text, std::size_t width)
{
  text.append(text.size() < width ? width - text.size() : 0, ' ');
  return text;
}
} // namespace

std::string
DescribeModel(const Model & model)
{
  constexpr std::size_t labelWidth = 16;
  std::ostringstream out;
  out.imbue(std::locale::classic());
  const auto line = [&out](const std::string & label, const std::string & value)
  {
    if (!value.empty())
    {
      out << Padded(Printable(label, " ") + ':', labelWidth) << Printable(value, '\n' + std::string(labelWidth, ' '))
          << '\n';
    }
  };
  const ModelCard & card = model.GetCard();
  line("File", model.GetFileName());
  line("Format", model.GetFileFormat());
  if (card.IsEmpty())
  {
    line("Model card", "none");
  }
  else
  {
    line("Model card", "version " + std::to_string(card.majorVersion) + '.' + std::to_string(card.minorVersion));
  }
  line("Network", card.network);
  line("Description", card.description);
  line("Configuration", card.configuration);
  line("Preprocessing", card.preprocessing);
  for (std::size_t i = 0; i < card.tasks.size(); ++i)
  {
    const ModelCard::Task & task = card.tasks[i];
    line("Task " + std::to_string(i), task.name + (task.preprocessing.empty() ? "" : ", " + task.preprocessing));
  }
  for (const auto & label : card.labels)
  {
    line("Label " + std::to_string(label.first), label.second);
  }
  line("Licence", card.license);
  line("Provenance", card.provenance);
  for (const auto & entry : card.extra)
  {
    line(entry.first, entry.second);
  }
  for (const auto & entry : model.GetMetadata())
  {
    line("Metadata", entry.first + " = " + entry.second);
  }
  for (const auto & name : model.GetSkippedClasses())
  {
    line("Skipped class", name);
  }

  const StateDict & weights = model.GetWeights();
  std::size_t nameWidth = 0;
  for (const auto & entry : weights)
  {
    nameWidth = std::max(nameWidth, std::min<std::size_t>(entry.first.size(), 80));
  }
  for (const auto & entry : weights)
  {
    out << Padded(Printable(entry.first, " "), nameWidth) << "  " << Padded(ToString(entry.second.GetDataType()), 8)
        << "  " << ToString(entry.second.GetShape()) << '\n';
  }
  out << weights.GetSize() << " tensors, " << weights.GetNumberOfElements() << " elements, " << NumberOfBytes(weights)
      << " bytes\n";
  return out.str();
}

std::string
DescribeModelAsJson(const Model & model)
{
  const auto textToJson = [](const auto & map)
  {
    Json object = Json::object();
    for (const auto & entry : map)
    {
      object[entry.first] = entry.second;
    }
    return object;
  };
  const StateDict & weights = model.GetWeights();
  Json json = Json::object();
  json["file"] = model.GetFileName();
  json["format"] = model.GetFileFormat();
  json["card"] = model.GetCard().IsEmpty() ? Json() : ParseJson(model.GetCard().ToJson(), "The model card");
  json["metadata"] = textToJson(model.GetMetadata());
  json["skipped_classes"] = model.GetSkippedClasses();
  json["number_of_tensors"] = weights.GetSize();
  json["number_of_elements"] = weights.GetNumberOfElements();
  json["bytes"] = NumberOfBytes(weights);
  Json tensors = Json::array();
  for (const auto & entry : weights)
  {
    tensors.push_back({ { "name", entry.first },
                        { "dtype", ToString(entry.second.GetDataType()) },
                        { "shape", entry.second.GetShape() } });
  }
  json["tensors"] = std::move(tensors);
  return DumpJsonLossy(json, 2);
}
} // namespace nn
} // namespace itk
