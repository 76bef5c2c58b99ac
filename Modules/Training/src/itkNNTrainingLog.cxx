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
#include "itkNNTrainingLog.h"

#include "itkNNError.h"
#include "itkNNFileReplacement.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <filesystem>
#include <limits>
#include <utility>

namespace itk
{
namespace nn
{
namespace
{
using Json = nlohmann::ordered_json;

std::string
FormatEntry(const TrainingLogEntry & entry)
{
  Json object;
  object["step"] = entry.step;
  for (const auto & [name, value] : entry.values)
  {
    object[name] = value;
  }
  // Names that are no UTF-8 must not end a training.
  return object.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

/** \param where file and line, for messages. */
TrainingLogEntry
ParseEntry(const std::string & line, const std::string & where)
{
  const Json object = Json::parse(line, nullptr, false);
  itkNNRequireMacro(object.is_object(), where << ": the line of the log is no JSON object");
  TrainingLogEntry entry;
  for (const auto & item : object.items())
  {
    if (item.key() == "step")
    {
      itkNNRequireMacro(item.value().is_number_integer() && item.value().get<double>() >= 0 &&
                          item.value().get<double>() < 9e18,
                        where << ": 'step' is no number of steps; should be an integer of 0 or more");
      entry.step = item.value().get<std::int64_t>();
      continue;
    }
    itkNNRequireMacro(item.value().is_number() || item.value().is_null(),
                      where << ": the value of '" << item.key().substr(0, 60) << "' should be a number or null");
    entry.values[item.key()] =
      item.value().is_null() ? std::numeric_limits<double>::quiet_NaN() : item.value().get<double>();
  }
  itkNNRequireMacro(object.contains("step"), where << ": the line of the log has no 'step'");
  return entry;
}
} // namespace

TrainingLog::TrainingLog(std::string fileName, std::int64_t lastStep)
  : m_FileName(std::move(fileName))
{
  std::string kept;
  std::error_code failure;
  if (lastStep > 0 && std::filesystem::exists(m_FileName, failure))
  {
    for (const auto & entry : Read(m_FileName))
    {
      if (entry.step <= lastStep)
      {
        kept += FormatEntry(entry);
        m_LastStep = entry.step;
      }
    }
  }
  ReplaceFile(m_FileName,
              [&](const std::string & temporary)
              {
                std::ofstream file(temporary, std::ios::binary);
                file << kept;
                file.close();
                itkNNRequireMacro(file.good(), m_FileName << ": the log cannot be written; is the disk full?");
              });
  m_File.open(m_FileName, std::ios::binary | std::ios::app);
  itkNNRequireMacro(m_File.good(), m_FileName << ": the log cannot be opened for writing");
}

void
TrainingLog::Append(const TrainingLogEntry & entry)
{
  itkNNRequireMacro(entry.step >= m_LastStep,
                    m_FileName << ": the step to be logged is " << entry.step << "; should be at least that before, "
                               << m_LastStep);
  m_File << FormatEntry(entry) << std::flush;
  itkNNRequireMacro(m_File.good(), m_FileName << ": the log cannot be written; is the disk full?");
  m_LastStep = entry.step;
}

std::vector<TrainingLogEntry>
TrainingLog::Read(const std::string & fileName)
{
  constexpr std::uintmax_t maximumBytes = std::uintmax_t{ 1 } << 30U;
  std::error_code failure;
  const std::uintmax_t bytes = std::filesystem::file_size(fileName, failure);
  itkNNRequireMacro(!failure, fileName << ": the log cannot be read: " << failure.message());
  itkNNRequireMacro(bytes <= maximumBytes,
                    fileName << ": the log has " << bytes << " bytes; should have at most " << maximumBytes);
  std::ifstream file(fileName, std::ios::binary);
  itkNNRequireMacro(file.good(), fileName << ": the log cannot be opened");
  std::vector<TrainingLogEntry> entries;
  std::string line;
  std::size_t number = 0;
  // A line without its end was cut off.
  while (std::getline(file, line) && !file.eof())
  {
    entries.push_back(ParseEntry(line, fileName + ':' + std::to_string(++number)));
  }
  return entries;
}
} // namespace nn
} // namespace itk
