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

#include "itkLabelSurfaceMetrics.h"
#include "itkNNVolumeTrainingSettings.h"
#include "itkSegmentationReport.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <set>
#include <sstream>

namespace universeg
{
namespace
{
namespace fs = std::filesystem;

using LabelGroups = std::vector<std::vector<std::int64_t>>;

/** A prediction and its reference. */
struct EvaluationPair
{
  FilePair files;
  std::string name; ///< of the prediction, without the folder that was given
};

struct MetricChoice
{
  std::vector<std::string> names{ "dice", "jaccard" };
  std::vector<itk::SegmentationMetric> metrics{ itk::SegmentationMetric::Dice, itk::SegmentationMetric::Jaccard };
  itk::SegmentationMetricOptions options;

  bool IsPyMIC() const
  {
    return options.convention != itk::MetricConvention::Plain;
  }
  bool NeedDistances() const
  {
    return std::any_of(metrics.begin(), metrics.end(), itk::NeedsDistances);
  }
};

std::vector<EvaluationPair>
PairWithReferences(const std::vector<std::string> & predictions,
                   const std::vector<std::string> & references,
                   const std::string & suffix)
{
  std::vector<EvaluationPair> pairs;
  for (const std::string & prediction : predictions)
  {
    if (fs::is_directory(prediction))
    {
      const std::vector<std::string> files = ListImages(prediction);
      if (files.empty())
      {
        throw Failure(prediction + ": the folder holds no images");
      }
      for (const std::string & file : files)
      {
        pairs.push_back({ { file, "" }, fs::path(file).filename().string() });
      }
    }
    else
    {
      pairs.push_back({ { prediction, "" }, prediction });
    }
  }
  if (references.size() == 1 && fs::is_directory(references.front()))
  {
    for (EvaluationPair & pair : pairs)
    {
      pair.files.mask = FindMask(references.front(), pair.files.image, suffix);
    }
    return pairs;
  }
  if (pairs.size() != references.size())
  {
    throw UsageError("there are " + std::to_string(pairs.size()) + " predictions and " +
                     std::to_string(references.size()) + " references; should be as many, or one folder of references");
  }
  for (std::size_t i = 0; i < pairs.size(); ++i)
  {
    pairs[i].files.mask = references[i];
  }
  return pairs;
}

/** The records of a CSV file as in RFC 4180, without those of no characters. */
std::vector<std::vector<std::string>>
ReadCsv(const std::string & fileName)
{
  std::ifstream file(fileName, std::ios::binary);
  if (!file)
  {
    throw Failure(fileName + ": the file cannot be read");
  }
  const std::string text{ std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>() };
  std::vector<std::vector<std::string>> records;
  std::vector<std::string> fields(1);
  bool isQuoted = false;
  const auto endRecord = [&]
  {
    if (fields.size() > 1 || !fields.front().empty())
    {
      records.push_back(fields);
    }
    fields.assign(1, "");
  };
  for (std::size_t i = 0; i < text.size(); ++i)
  {
    const char c = text[i];
    if (c == '"' && isQuoted && i + 1 < text.size() && text[i + 1] == '"')
    {
      fields.back() += c;
      ++i;
    }
    else if (c == '"')
    {
      isQuoted = !isQuoted;
    }
    else if (c == ',' && !isQuoted)
    {
      fields.emplace_back();
    }
    else if ((c == '\n' || c == '\r') && !isQuoted)
    {
      endRecord();
    }
    else
    {
      fields.back() += c;
    }
  }
  if (isQuoted)
  {
    throw Failure(fileName + ": a quotation mark is not closed");
  }
  endRecord();
  return records;
}

/** The pairs of a CSV file: below its header the reference's name and the prediction's. */
std::vector<EvaluationPair>
ReadPairs(const std::string & fileName,
          const std::vector<std::string> & predictions,
          const std::vector<std::string> & references)
{
  const auto getFolder = [&fileName](const std::vector<std::string> & folders, const std::string & option)
  {
    if (folders.size() > 1 || (folders.size() == 1 && !fs::is_directory(folders.front())))
    {
      throw UsageError("with --pairs, " + option + " should be the folder of the file names");
    }
    return folders.empty() ? fs::path(fileName).parent_path() : fs::path(folders.front());
  };
  const fs::path predictionFolder = getFolder(predictions, "--prediction");
  const fs::path referenceFolder = getFolder(references, "--reference");
  const auto records = ReadCsv(fileName);
  if (records.size() < 2)
  {
    throw Failure(fileName + ": the file has no pairs below its header");
  }
  std::vector<EvaluationPair> pairs;
  for (std::size_t i = 1; i < records.size(); ++i)
  {
    const auto & record = records[i];
    if (record.size() < 2 || record[0].empty() || record[1].empty())
    {
      throw Failure(fileName + ": pair " + std::to_string(i) +
                    " should have the name of the reference and that of the prediction");
    }
    pairs.push_back({ { (predictionFolder / record[1]).string(), (referenceFolder / record[0]).string() }, record[1] });
  }
  return pairs;
}

MetricChoice
GetMetricChoice(const CommandLine & commandLine)
{
  MetricChoice choice;
  if (commandLine.Has("metric"))
  {
    choice.names.clear();
    choice.metrics.clear();
  }
  for (const std::string & text : commandLine.GetTexts("metric"))
  {
    for (std::string name : Split(text, ','))
    {
      try
      {
        choice.metrics.push_back(itk::ParseSegmentationMetric(name));
      }
      catch (const itk::ExceptionObject & error)
      {
        throw UsageError("--metric: " + ToOneLine(error.GetDescription()));
      }
      std::replace(name.begin(), name.end(), '-', '_');
      if (std::find(choice.names.begin(), choice.names.end(), name) != choice.names.end())
      {
        throw UsageError("--metric: " + name + " is given twice");
      }
      choice.names.push_back(name);
    }
  }
  const std::string convention = commandLine.GetText("compatibility", "none");
  if (convention == "pymic")
  {
    choice.options.convention = itk::MetricConvention::PyMIC;
  }
  else if (convention == "pymic-head")
  {
    choice.options.convention = itk::MetricConvention::PyMICHead;
  }
  else if (convention != "none")
  {
    throw UsageError("--compatibility is '" + convention + "'; should be none, pymic or pymic-head");
  }
  if (commandLine.Has("empty-value") && choice.IsPyMIC())
  {
    throw UsageError("--empty-value excludes --compatibility, which has its own values");
  }
  if (commandLine.Has("empty-value") && commandLine.GetText("empty-value") != "nan")
  {
    choice.options.emptyValue = ParseNumber(commandLine.GetText("empty-value"), "--empty-value");
  }
  const bool hasSurfaceDice =
    std::count(choice.metrics.begin(), choice.metrics.end(), itk::SegmentationMetric::NormalizedSurfaceDice) != 0;
  if (commandLine.Has("nsd-tolerance") && !hasSurfaceDice)
  {
    throw UsageError("--nsd-tolerance is of the metric nsd, which --metric does not name");
  }
  constexpr double largestTolerance = 1e6;
  choice.options.tolerance = commandLine.GetNumber("nsd-tolerance", choice.options.tolerance, 0, largestTolerance);
  return choice;
}

/** The structures asked for; none when all labels are to be. */
LabelGroups
GetLabelGroups(const CommandLine & commandLine, const LabelChoice & choice)
{
  LabelGroups groups;
  if (choice.label)
  {
    groups.push_back({ *choice.label });
  }
  for (std::size_t i = 0; i < choice.colors.size() && !choice.binary; ++i)
  {
    groups.push_back({ static_cast<std::int64_t>(i) + 1 });
  }
  if (choice.binary)
  {
    groups.push_back({ 1 });
  }
  const auto texts = commandLine.GetTexts("labels");
  if (!texts.empty() && !groups.empty())
  {
    throw UsageError("--labels excludes --label, --label-color and --binary");
  }
  for (const std::string & text : texts)
  {
    for (const std::string & structure : Split(text, ','))
    {
      std::vector<std::int64_t> group;
      for (const std::string & label : Split(structure, '+'))
      {
        group.push_back(ParseInteger(label, "--labels"));
        if (std::count(group.begin(), group.end(), group.back()) > 1)
        {
          throw UsageError("--labels: " + structure + " has a label twice");
        }
      }
      if (std::find(groups.begin(), groups.end(), group) != groups.end())
      {
        throw UsageError("--labels: " + structure + " is given twice");
      }
      groups.push_back(group);
    }
  }
  return groups;
}

/** The labels that occur in any of the images, ascending, each by itself. */
LabelGroups
FindLabelGroups(const std::vector<EvaluationPair> & pairs, const LabelChoice & choice)
{
  std::set<std::int64_t> labels;
  for (const EvaluationPair & pair : pairs)
  {
    for (const bool isReference : { false, true })
    {
      const std::string & file = isReference ? pair.files.mask : pair.files.image;
      const auto found = FindLabels(*ToLabels(ReadImage(file), choice, isReference));
      labels.insert(found.begin(), found.end());
    }
  }
  LabelGroups groups;
  for (const std::int64_t label : labels)
  {
    groups.push_back({ label });
  }
  return groups;
}

/** The union of all as one structure. */
LabelGroups
Fuse(const LabelGroups & groups)
{
  LabelGroups fused(1);
  for (const auto & group : groups)
  {
    std::copy_if(group.begin(),
                 group.end(),
                 std::back_inserter(fused.front()),
                 [&fused](std::int64_t label)
                 { return std::find(fused.front().begin(), fused.front().end(), label) == fused.front().end(); });
  }
  return fused.front().empty() ? LabelGroups() : fused;
}

std::vector<itk::SegmentationScores>
Evaluate(const FilePair & files,
         const LabelChoice & labels,
         const LabelGroups & groups,
         const MetricChoice & choice,
         bool ignoreGeometry)
{
  const LoadedImage image = ReadImage(files.image);
  const auto prediction = ToLabels(image, labels);
  const auto reference = ToLabels(ReadImage(files.mask), labels, true);
  if (ignoreGeometry)
  {
    // PyMIC takes the spacing of the segmentation.
    const auto & from = choice.IsPyMIC() ? prediction : reference;
    const auto & to = choice.IsPyMIC() ? reference : prediction;
    to->SetOrigin(from->GetOrigin());
    to->SetSpacing(from->GetSpacing());
    to->SetDirection(from->GetDirection());
  }
  const bool isSlice = prediction->GetLargestPossibleRegion().GetSize(2) == 1;
  const auto isPyMICDistance = [](itk::SegmentationMetric metric)
  {
    return metric == itk::SegmentationMetric::AverageSymmetricSurfaceDistance ||
           metric == itk::SegmentationMetric::HausdorffDistance95;
  };
  if (choice.IsPyMIC() && image.dimension == 3 && isSlice &&
      std::any_of(choice.metrics.begin(), choice.metrics.end(), isPyMICDistance))
  {
    throw Failure(files.image + ": PyMIC measures no distances in a volume of one slice; --compatibility none does");
  }
  auto metrics = itk::LabelSurfaceMetrics<LabelVolume>::New();
  metrics->SetPredictionImage(prediction);
  metrics->SetReferenceImage(reference);
  metrics->SetLabelGroups(groups);
  metrics->SetComputeDistances(choice.NeedDistances());
  metrics->SetIgnoreSingletonAxes(!choice.IsPyMIC() || image.dimension == 2 || isSlice);
  std::vector<itk::SegmentationScores> scores;
  try
  {
    metrics->Compute();
    for (const itk::LabelComparison & comparison : metrics->GetComparisons())
    {
      scores.push_back(itk::SegmentationScores::Of(comparison, choice.metrics, choice.options));
    }
  }
  catch (const itk::ExceptionObject & error)
  {
    throw Failure(files.image + " and " + files.mask + ": " + ToOneLine(error.GetDescription()));
  }
  return scores;
}

/** The files that will be written: option and name. */
using Outputs = std::vector<std::pair<std::string, std::string>>;

void
CheckOutputs(const Outputs & outputs)
{
  for (std::size_t i = 0; i < outputs.size(); ++i)
  {
    for (std::size_t j = i + 1; j < outputs.size(); ++j)
    {
      if (IsSameFile(outputs[i].second, outputs[j].second))
      {
        throw UsageError(outputs[i].first + " '" + outputs[i].second + "' and " + outputs[j].first + " '" +
                         outputs[j].second + "' name the same file; should be two");
      }
    }
  }
}

template <typename TWrite>
std::string
ToText(TWrite write)
{
  std::ostringstream os;
  write(os);
  return os.str();
}
} // namespace

namespace
{
/** The options that [evaluation] of a file of PyMIC stands for: pymic_eval_seg reads the same. */
Arguments
ToArguments(const std::string & file)
{
  const char * const section = "evaluation";
  const auto configuration = itk::nn::PyMICConfiguration::ReadFile(file);
  const std::string folder = std::filesystem::path(file).parent_path().string();
  const auto locate = [&](const char * key)
  { return itk::nn::LocateVolumeFile(configuration.GetText(section, key), folder); };
  const std::string predictions = locate("segmentation_folder");
  Arguments arguments{ "--prediction",    predictions, "--reference",  locate("ground_truth_folder"),
                       "--compatibility", "pymic",     "--metric-csv", predictions };
  if (configuration.Has(section, "evaluation_image_pair"))
  {
    arguments.insert(arguments.end(), { "--pairs", locate("evaluation_image_pair") });
  }
  const auto join = [](const std::vector<std::string> & texts)
  {
    std::string joined;
    for (const auto & text : texts)
    {
      joined += (joined.empty() ? "" : ",") + text;
    }
    return joined;
  };
  const auto metrics = configuration.GetTexts(section, "metric_list");
  if (metrics.empty())
  {
    throw Failure(file + ": 'metric_list' in [evaluation] is missing");
  }
  arguments.insert(arguments.end(), { "--metric", join(metrics) });
  std::vector<std::string> labels;
  for (const auto label : configuration.GetIntegers(section, "label_list"))
  {
    labels.push_back(std::to_string(label));
  }
  const std::int64_t classes = configuration.GetInteger(section, "class_number", 0);
  for (std::int64_t label = 1; labels.empty() && label < classes; ++label)
  {
    labels.push_back(std::to_string(label));
  }
  if (!labels.empty())
  {
    arguments.insert(arguments.end(), { "--labels", join(labels) });
  }
  if (configuration.GetFlag(section, "label_fuse", false))
  {
    arguments.emplace_back("--fuse");
  }
  configuration.Use(section, "organ_name");
  for (const auto & key : configuration.GetUnused({ section }))
  {
    std::cerr << "universeg: " << file << ": '" << key << "' is not used" << std::endl;
  }
  return arguments;
}
} // namespace

int
RunEvaluate(const Arguments & arguments)
{
  // A file of PyMIC says all.
  if (arguments.size() == 2 && arguments[0] == "--config")
  {
    return RunEvaluate(ToArguments(arguments[1]));
  }
  CommandLine commandLine(
    "evaluate",
    "(--prediction FILE|DIR... --reference FILE...|DIR [OPTION]... | --config FILE.cfg)",
    "Compares label images with references of the same size and geometry: Dice and Jaccard of\n"
    "each label, and volumes in mm^3 (mm^2 in 2-D), or the metrics named. Of a folder of\n"
    "references, the one for a prediction NAME or NAME_seg is NAME_mask (_label, _seg, _gt, ...),\n"
    "else NAME. '--config FILE.cfg' does what [evaluation] of a file of PyMIC says.");
  auto & files = commandLine.AddGroup("Files");
  files.add_options()("config", Text(), "a file of PyMIC, in the place of all other options")(
    "prediction", Texts(), "label images, or a folder of them")(
    "reference", Texts(), "as many label images, or one folder")(
    "mask-suffix", Text(), "suffix of the references' names, for example _1stHO")(
    "pairs",
    Text(),
    "CSV file with a header; columns: name of the reference, name of the prediction. They are in --reference and "
    "--prediction, else where the CSV file is")("csv", Text(), "write a CSV file")(
    "json", Text(), "write a JSON file ('-' prints it instead of the table)")(
    "metric-csv", Text(), "write DIR/eval_METRIC.csv for each metric: cases, mean and standard deviation");
  auto & labels = commandLine.AddGroup("Labels");
  AddLabelOptions(labels);
  labels.add_options()("labels", Texts(), "structures: 1,2,... ; 1+2 is the union of two labels")(
    "fuse", "the union of all labels is one structure")(
    "empty-value", Text(), "score of a label that neither image has (default: nan)")(
    "ignore-geometry", "compare pixel by pixel whatever spacing, origin and direction are");
  auto & metrics = commandLine.AddGroup("Metrics");
  metrics.add_options()(
    "metric", Texts(), "dice, iou, assd, hd95, hausdorff, nsd, rve, volume, volume-similarity; distances in mm")(
    "nsd-tolerance", Text(), "distance in mm up to which nsd counts a boundary as found (default: 1)")(
    "compatibility",
    Text(),
    "values of pymic (pymic_eval_seg 0.5.0) or pymic-head (development version); default: none");
  if (!commandLine.Parse(arguments))
  {
    return exitSuccess;
  }
  if (commandLine.Has("config"))
  {
    throw UsageError("--config excludes all other options");
  }
  const auto predictions = commandLine.GetTexts("prediction");
  const auto references = commandLine.GetTexts("reference");
  const std::string pairsName = commandLine.GetText("pairs");
  if (pairsName.empty() && (predictions.empty() || references.empty()))
  {
    throw UsageError(std::string(predictions.empty() ? "--prediction" : "--reference") + " is missing");
  }
  if (!pairsName.empty() && commandLine.Has("mask-suffix"))
  {
    throw UsageError("--pairs excludes --mask-suffix");
  }
  const LabelChoice labelChoice = GetLabelChoice(commandLine);
  const MetricChoice metricChoice = GetMetricChoice(commandLine);
  LabelGroups groups = GetLabelGroups(commandLine, labelChoice);

  const std::string csvName = commandLine.GetText("csv");
  const std::string jsonName = commandLine.GetText("json");
  const std::string metricFolder = commandLine.GetText("metric-csv");
  Outputs outputs;
  if (!csvName.empty())
  {
    outputs.emplace_back("--csv", csvName);
  }
  if (!jsonName.empty() && jsonName != "-")
  {
    outputs.emplace_back("--json", jsonName);
  }
  std::vector<std::string> metricFiles;
  for (std::size_t i = 0; i < metricChoice.names.size() && !metricFolder.empty(); ++i)
  {
    metricFiles.push_back((fs::path(metricFolder) / ("eval_" + metricChoice.names[i] + ".csv")).string());
    outputs.emplace_back("--metric-csv", metricFiles.back());
  }
  CheckOutputs(outputs);

  const auto pairs = pairsName.empty() ? PairWithReferences(predictions, references, commandLine.GetText("mask-suffix"))
                                       : ReadPairs(pairsName, predictions, references);
  for (const auto & output : outputs)
  {
    CheckNotInput(output.second, { pairsName });
    for (const EvaluationPair & pair : pairs)
    {
      CheckNotInput(output.second, { pair.files.image, pair.files.mask });
    }
  }
  if (!metricFolder.empty())
  {
    std::error_code ignored;
    fs::create_directories(metricFolder, ignored);
    if (!fs::is_directory(metricFolder))
    {
      throw Failure(metricFolder + ": the folder cannot be made");
    }
  }

  // Statistics of a structure need it in every case, also where no image has it.
  const bool hasStatistics = commandLine.Has("metric") || commandLine.Has("compatibility") || !metricFolder.empty();
  if (groups.empty() && (hasStatistics || commandLine.Has("fuse")))
  {
    groups = FindLabelGroups(pairs, labelChoice);
  }
  if (commandLine.Has("fuse"))
  {
    groups = Fuse(groups);
  }

  itk::SegmentationReport report(metricChoice.names);
  for (const EvaluationPair & pair : pairs)
  {
    report.Add({ pair.files.image,
                 pair.files.mask,
                 Evaluate(pair.files, labelChoice, groups, metricChoice, commandLine.Has("ignore-geometry")),
                 pair.name });
  }

  if (commandLine.Has("csv"))
  {
    WriteTextFile(csvName, ToText([&report](std::ostream & os) { report.WriteCsv(os); }));
  }
  for (std::size_t metric = 0; metric < metricFiles.size(); ++metric)
  {
    WriteTextFile(metricFiles[metric], ToText([&](std::ostream & os) { report.WriteMetricCsv(os, metric); }));
  }
  const std::string json = ToText([&report](std::ostream & os) { report.WriteJson(os); });
  if (jsonName == "-")
  {
    std::cout << json << std::flush;
    return exitSuccess;
  }
  if (!jsonName.empty())
  {
    WriteTextFile(jsonName, json);
  }
  report.WriteTable(std::cout, !commandLine.Has("metric"));
  if (hasStatistics)
  {
    std::cout << '\n';
    report.WriteSummaryTable(std::cout);
  }
  std::cout << std::flush;
  return exitSuccess;
}
} // namespace universeg
