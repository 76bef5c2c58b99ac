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
#include "universegCommandLine.h"
#include "universegFiles.h"
#include "universegImages.h"
#include "universegModelOptions.h"
#include "universegProgress.h"
#include "universegSubcommands.h"

#include "itkNNImageFile.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <functional>
#include <iostream>
#include <iterator>
#include <numeric>

namespace universeg
{
namespace
{
namespace fs = std::filesystem;

/** A case of a data set. */
struct ExploredCase
{
  std::string task;
  std::string name;
  std::size_t smallVoxels = 0; ///< with the task's small label
  double smallPart = 0;        ///< of all voxels
  itk::nn::NiftiHeader header;
};

/** As many digits as tell a number from all others, whatever the locale. */
template <typename T>
std::string
ToText(T value)
{
  char buffer[64];
  const auto result = std::to_chars(buffer, buffer + sizeof(buffer), value);
  return std::string(buffer, result.ptr);
}

/** As RFC 4180 wants it. */
std::string
ToField(const std::string & text)
{
  if (text.find_first_of(",\"\r\n") == std::string::npos)
  {
    return text;
  }
  std::string field = "\"";
  for (const char c : text)
  {
    field += c == '"' ? "\"\"" : std::string(1, c);
  }
  return field + '"';
}

/** The folders of data sets that a folder is, or holds. */
std::vector<std::string>
FindTasks(const std::string & folder)
{
  if (!fs::is_directory(folder))
  {
    throw Failure(folder + ": there is no such folder");
  }
  const auto isTask = [](const fs::path & path) { return fs::is_directory(path / "imagesTr"); };
  std::vector<std::string> tasks;
  if (isTask(folder))
  {
    return { folder };
  }
  for (const auto & entry : fs::directory_iterator(folder))
  {
    if (entry.is_directory() && isTask(entry.path()))
    {
      tasks.push_back(entry.path().string());
    }
  }
  if (tasks.empty())
  {
    throw Failure(folder + ": the folder neither has a subfolder imagesTr nor holds folders that have one");
  }
  std::sort(tasks.begin(), tasks.end(), NaturalLess);
  return tasks;
}

std::string
GetTaskName(const std::string & folder)
{
  const fs::path path = fs::absolute(folder).lexically_normal();
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

/** The label that the reference implementation calls the small one: 1 of the prostate's, else the
 * last one. */
std::int64_t
FindSmallLabel(const std::string & folder)
{
  const std::string name = (fs::path(folder) / "dataset.json").string();
  const auto json = nlohmann::json::parse(ReadTextFile(name), nullptr, false);
  if (!json.is_object() || !json.contains("labels") || !json["labels"].is_object() || json["labels"].empty())
  {
    throw Failure(name + ": there are no 'labels'; should be a JSON object with an object of labels");
  }
  return GetTaskName(folder) == "Task05_Prostate" ? 1 : static_cast<std::int64_t>(json["labels"].size()) - 1;
}

ExploredCase
Explore(const std::string & task, const FilePair & files, std::int64_t smallLabel)
{
  ExploredCase found;
  found.task = task;
  found.name = GetStem(files.image);
  try
  {
    found.header = itk::nn::ReadNiftiHeader(files.image);
  }
  catch (const itk::nn::Error & error)
  {
    throw Failure(error.GetDescription());
  }
  const LoadedImage labels = ReadImage(files.mask);
  // The reference implementation counts greater ones as background.
  constexpr std::int64_t greatestLabel = 10;
  const auto small = static_cast<float>(smallLabel);
  found.smallVoxels = smallLabel > greatestLabel
                      ? 0
                      : static_cast<std::size_t>(std::count(labels.pixels.begin(), labels.pixels.end(), small));
  found.smallPart = static_cast<double>(found.smallVoxels) / static_cast<double>(labels.pixels.size());
  return found;
}

std::string
WriteMeta(const std::vector<ExploredCase> & cases)
{
  const auto forEachName = [](const std::string & name, std::string & line)
  {
    for (int i = 0; i < 8; ++i)
    {
      line += ',' + name + '[' + std::to_string(i) + ']';
    }
  };
  std::string text = "task,patID,s_lab_voxs,s_lab_percent,bitpix,datatype";
  forEachName("dim", text);
  text += ",dim_info";
  forEachName("pixdim", text);
  text += ",scl_inter,scl_slope,srow_x,srow_y,srow_z\n";
  for (const auto & entry : cases)
  {
    const auto & header = entry.header;
    text += ToField(entry.task) + ',' + ToField(entry.name) + ',' + ToText(entry.smallVoxels) + ',' +
            ToText(entry.smallPart) + ',' + ToText(header.bitpix) + ',' + ToText(header.datatype);
    for (const int extent : header.dim)
    {
      text += ',' + ToText(extent);
    }
    text += ',' + ToText(header.dimInfo);
    for (const float spacing : header.pixdim)
    {
      text += ',' + ToText(spacing);
    }
    text += ',' + ToText(header.sclInter) + ',' + ToText(header.sclSlope);
    for (const auto & row : header.srow)
    {
      text += ',' + ToText(row[0]) + ' ' + ToText(row[1]) + ' ' + ToText(row[2]) + ' ' + ToText(row[3]);
    }
    text += '\n';
  }
  return text;
}

/** Of the tasks in the order in which they come. */
std::string
WriteStatistics(const std::vector<ExploredCase> & cases)
{
  struct Column
  {
    std::string name;
    std::function<double(const ExploredCase &)> get;
  };
  std::vector<Column> columns;
  for (const std::size_t axis : { 1, 2, 3 })
  {
    columns.push_back({ "dim[" + std::to_string(axis) + ']',
                        [axis](const ExploredCase & entry) { return static_cast<double>(entry.header.dim[axis]); } });
  }
  for (const std::size_t axis : { 1, 2, 3 })
  {
    columns.push_back({ "pixdim[" + std::to_string(axis) + ']',
                        [axis](const ExploredCase & entry)
                        { return static_cast<double>(entry.header.pixdim[axis]); } });
  }
  columns.push_back(
    { "s_lab_voxs", [](const ExploredCase & entry) { return static_cast<double>(entry.smallVoxels); } });
  columns.push_back({ "s_lab_percent", [](const ExploredCase & entry) { return entry.smallPart; } });

  std::string text = "task";
  for (const Column & column : columns)
  {
    for (const char * statistic : { "_min", "_max", "_mean", "_median" })
    {
      text += ',' + column.name + statistic;
    }
  }
  text += '\n';
  for (auto first = cases.begin(); first != cases.end();)
  {
    const auto last =
      std::find_if(first, cases.end(), [&](const ExploredCase & entry) { return entry.task != first->task; });
    text += ToField(first->task);
    for (const Column & column : columns)
    {
      std::vector<double> values;
      std::transform(first, last, std::back_inserter(values), column.get);
      std::sort(values.begin(), values.end());
      const std::size_t count = values.size();
      text += ',' + ToText(values.front()) + ',' + ToText(values.back()) + ',' +
              ToText(std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(count)) + ',' +
              ToText((values[(count - 1) / 2] + values[count / 2]) / 2);
    }
    text += '\n';
    first = last;
  }
  return text;
}
} // namespace

int
RunExplore(const Arguments & arguments)
{
  CommandLine commandLine(
    "explore",
    "--data DIR... [--meta FILE.csv] [--stat FILE.csv]",
    "Describes data sets of the Medical Segmentation Decathlon: of each case in imagesTr the fields of\n"
    "its NIfTI header and how many voxels have the task's small label, which is 1 in Task05_Prostate and\n"
    "the last one elsewhere; of each task least, greatest, mean and median of extents, spacings and\n"
    "these numbers. Without --meta and --stat the latter is printed.");
  commandLine.AddGroup("Data").add_options()(
    "data", Texts(), "folders of data sets (imagesTr, labelsTr, dataset.json), or one that holds them")(
    "meta", Text(), "write a line for each case")("stat", Text(), "write a line for each task");
  commandLine.AddPositional("data", -1);
  if (!commandLine.Parse(arguments))
  {
    return exitSuccess;
  }
  const auto folders = commandLine.GetTexts("data");
  if (folders.empty())
  {
    throw UsageError("--data is missing");
  }
  const std::string meta = commandLine.GetText("meta");
  const std::string stat = commandLine.GetText("stat");
  if (!meta.empty() && !stat.empty() && IsSameFile(meta, stat))
  {
    throw UsageError("--meta and --stat are one file, " + meta);
  }
  std::vector<ExploredCase> cases;
  ProgressBar progress("explore");
  for (std::size_t f = 0; f < folders.size(); ++f)
  {
    for (const auto & folder : FindTasks(folders[f]))
    {
      const std::int64_t smallLabel = FindSmallLabel(folder);
      const auto pairs = FindPairs(folder);
      for (std::size_t i = 0; i < pairs.size(); ++i)
      {
        cases.push_back(Explore(GetTaskName(folder), pairs[i], smallLabel));
        progress.Show(static_cast<double>(i + 1) / static_cast<double>(pairs.size()));
      }
    }
  }
  if (!meta.empty())
  {
    WriteTextFile(meta, WriteMeta(cases));
  }
  if (!stat.empty())
  {
    WriteTextFile(stat, WriteStatistics(cases));
  }
  if (meta.empty() && stat.empty())
  {
    std::cout << WriteStatistics(cases);
  }
  return exitSuccess;
}
} // namespace universeg
