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
#include "universegFiles.h"
#include "universegLabelOptions.h"
#include "universegModelOptions.h"
#include "universegSubcommands.h"

#include "itkLabelOverlapMetrics.h"
#include "itkOverlapReport.h"

#include <filesystem>
#include <iostream>
#include <sstream>

namespace universeg
{
namespace
{
namespace fs = std::filesystem;

std::vector<FilePair>
PairWithReferences(const std::vector<std::string> & predictions,
                   const std::vector<std::string> & references,
                   const std::string & suffix)
{
  std::vector<std::string> results;
  for (const std::string & prediction : predictions)
  {
    if (fs::is_directory(prediction))
    {
      const std::vector<std::string> files = ListImages(prediction);
      if (files.empty())
      {
        throw Failure(prediction + ": the folder holds no images");
      }
      results.insert(results.end(), files.begin(), files.end());
    }
    else
    {
      results.push_back(prediction);
    }
  }
  std::vector<FilePair> pairs;
  if (references.size() == 1 && fs::is_directory(references.front()))
  {
    for (const std::string & result : results)
    {
      pairs.push_back({ result, FindMask(references.front(), result, suffix) });
    }
    return pairs;
  }
  if (results.size() != references.size())
  {
    throw UsageError("there are " + std::to_string(results.size()) + " predictions and " +
                     std::to_string(references.size()) + " references; should be as many, or one folder of references");
  }
  for (std::size_t i = 0; i < results.size(); ++i)
  {
    pairs.push_back({ results[i], references[i] });
  }
  return pairs;
}
} // namespace

int
RunEvaluate(const Arguments & arguments)
{
  CommandLine commandLine("evaluate",
                          "--prediction FILE|DIR... --reference FILE...|DIR [OPTION]...",
                          "Compares label images with references of the same size and geometry: Dice and Jaccard of\n"
                          "each label, and volumes in mm^3 (mm^2 in 2-D). Of a folder of references, the one for a\n"
                          "prediction NAME or NAME_seg is NAME_mask (_label, _seg, _gt, ...), else NAME.");
  auto & files = commandLine.AddGroup("Files");
  files.add_options()("prediction", Texts(), "label images, or a folder of them")(
    "reference", Texts(), "as many label images, or one folder")(
    "mask-suffix", Text(), "suffix of the references' names, for example _1stHO")("csv", Text(), "write a CSV file")(
    "json", Text(), "write a JSON file ('-' prints it instead of the table)");
  auto & labels = commandLine.AddGroup("Labels");
  AddLabelOptions(labels);
  labels.add_options()("empty-value", Text(), "score of a label that neither image has (default: nan)")(
    "ignore-geometry", "compare pixel by pixel whatever spacing, origin and direction are");
  if (!commandLine.Parse(arguments))
  {
    return exitSuccess;
  }
  const auto predictions = commandLine.GetTexts("prediction");
  const auto references = commandLine.GetTexts("reference");
  if (predictions.empty() || references.empty())
  {
    throw UsageError(std::string(predictions.empty() ? "--prediction" : "--reference") + " is missing");
  }
  const std::string csvName = commandLine.GetText("csv");
  const std::string jsonName = commandLine.GetText("json");
  if (!csvName.empty() && !jsonName.empty() && jsonName != "-" && IsSameFile(csvName, jsonName))
  {
    throw UsageError("--csv '" + csvName + "' and --json '" + jsonName + "' name the same file; should be two");
  }
  const LabelChoice choice = GetLabelChoice(commandLine);
  const double emptyValue = commandLine.Has("empty-value") && commandLine.GetText("empty-value") != "nan"
                            ? ParseNumber(commandLine.GetText("empty-value"), "--empty-value")
                            : std::numeric_limits<double>::quiet_NaN();

  std::vector<std::int64_t> wanted;
  if (choice.label)
  {
    wanted.push_back(*choice.label);
  }
  for (std::size_t i = 0; i < choice.colors.size() && !choice.binary; ++i)
  {
    wanted.push_back(static_cast<std::int64_t>(i) + 1);
  }
  if (choice.binary)
  {
    wanted.push_back(1);
  }

  const auto pairs = PairWithReferences(predictions, references, commandLine.GetText("mask-suffix"));
  for (const FilePair & pair : pairs)
  {
    CheckNotInput(csvName, { pair.image, pair.mask });
    CheckNotInput(jsonName, { pair.image, pair.mask });
  }

  itk::OverlapReport report;
  for (const FilePair & pair : pairs)
  {
    auto prediction = ToLabels(ReadImage(pair.image), choice);
    auto reference = ToLabels(ReadImage(pair.mask), choice, true);
    if (commandLine.Has("ignore-geometry"))
    {
      prediction->SetOrigin(reference->GetOrigin());
      prediction->SetSpacing(reference->GetSpacing());
      prediction->SetDirection(reference->GetDirection());
    }
    auto metrics = itk::LabelOverlapMetrics<LabelVolume>::New();
    metrics->SetPredictionImage(prediction);
    metrics->SetReferenceImage(reference);
    metrics->SetLabels(wanted);
    metrics->SetEmptyValue(emptyValue);
    try
    {
      metrics->Compute();
    }
    catch (const itk::ExceptionObject & error)
    {
      throw Failure(pair.image + " and " + pair.mask + ": " + ToOneLine(error.GetDescription()));
    }
    report.Add({ pair.image, pair.mask, metrics->GetOverlaps() });
  }

  std::ostringstream csv;
  std::ostringstream json;
  report.WriteCsv(csv);
  report.WriteJson(json);
  if (commandLine.Has("csv"))
  {
    WriteTextFile(csvName, csv.str());
  }
  if (jsonName == "-")
  {
    std::cout << json.str() << std::flush;
    return exitSuccess;
  }
  if (!jsonName.empty())
  {
    WriteTextFile(jsonName, json.str());
  }
  report.WriteTable(std::cout);
  std::cout << std::flush;
  return exitSuccess;
}
} // namespace universeg
