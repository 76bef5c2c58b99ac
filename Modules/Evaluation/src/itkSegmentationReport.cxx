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
#include "itkSegmentationReport.h"

#include "itkNNError.h"
#include "itkNNText.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ostream>

namespace itk
{
namespace
{
using Row = std::vector<std::string>;

constexpr double notDefined = std::numeric_limits<double>::quiet_NaN();

/** Shortest text that reads back as the same number. */
std::string
ShortestText(double value)
{
  char buffer[64];
  const auto result = std::to_chars(buffer, buffer + sizeof(buffer), value);
  return std::string(buffer, result.ptr);
}

std::string
CsvNumber(double value)
{
  return std::isnan(value) ? std::string() : ShortestText(value);
}

std::string
JsonNumber(double value)
{
  return std::isfinite(value) ? ShortestText(value) : std::string("null");
}

std::string
CsvText(const std::string & text)
{
  if (text.find_first_of(",\"\r\n") == std::string::npos)
  {
    return text;
  }
  std::string quoted = "\"";
  for (const char c : text)
  {
    quoted += c;
    if (c == '"')
    {
      quoted += '"';
    }
  }
  return quoted + '"';
}

std::string
JsonText(const std::string & text)
{
  static const char hex[] = "0123456789abcdef";
  std::string quoted = "\"";
  for (const char c : text)
  {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
    {
      quoted += '\\';
      quoted += c;
    }
    else if (code < 0x20)
    {
      quoted += "\\u00";
      quoted += hex[code >> 4];
      quoted += hex[code & 15];
    }
    else
    {
      quoted += c;
    }
  }
  return quoted + '"';
}

std::string
JoinCsv(const Row & fields)
{
  std::string line;
  for (std::size_t i = 0; i < fields.size(); ++i)
  {
    line += (i == 0 ? "" : ",") + CsvText(fields[i]);
  }
  return line + '\n';
}

/** Columns two spaces apart, the first \a left of them aligned to the left. */
void
WriteAligned(std::ostream & os, const std::vector<Row> & rows, std::size_t left)
{
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const Row & row : rows)
  {
    for (std::size_t i = 0; i < row.size(); ++i)
    {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  for (const Row & row : rows)
  {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i)
    {
      const std::string padding(widths[i] - row[i].size(), ' ');
      line += (i == 0 ? "" : "  ") + (i < left ? row[i] + padding : padding + row[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    os << line << '\n';
  }
}

/** The value of a case's structure; NaN when the case does not have it. */
double
FindValue(const SegmentationReport::Case & oneCase, const std::string & structure, std::size_t metric)
{
  for (const SegmentationScores & scores : oneCase.scores)
  {
    if (scores.GetLabelText() == structure)
    {
      return scores.values[metric];
    }
  }
  return notDefined;
}

double
AverageOf(const SegmentationReport::Case & oneCase, std::size_t metric)
{
  std::vector<double> values;
  for (const SegmentationScores & scores : oneCase.scores)
  {
    values.push_back(scores.values[metric]);
  }
  return ScoreStatistics::Of(values).mean;
}
} // namespace

ScoreStatistics
ScoreStatistics::Of(const std::vector<double> & values)
{
  ScoreStatistics statistics;
  double sum = 0;
  for (const double value : values)
  {
    if (!std::isnan(value))
    {
      sum += value;
      ++statistics.count;
    }
  }
  if (statistics.count == 0)
  {
    return statistics;
  }
  const auto count = static_cast<double>(statistics.count);
  statistics.mean = sum / count;
  double squares = 0;
  for (const double value : values)
  {
    squares += std::isnan(value) ? 0 : (value - statistics.mean) * (value - statistics.mean);
  }
  statistics.deviation = std::sqrt(squares / count);
  return statistics;
}

SegmentationScores
SegmentationScores::Of(const LabelComparison & comparison,
                       const std::vector<SegmentationMetric> & metrics,
                       const SegmentationMetricOptions & options)
{
  SegmentationScores scores;
  scores.labels = comparison.labels;
  scores.predictionCount = comparison.predictionCount;
  scores.referenceCount = comparison.referenceCount;
  scores.intersectionCount = comparison.intersectionCount;
  scores.predictionVolume = static_cast<double>(comparison.predictionCount) * comparison.pixelVolume;
  scores.referenceVolume = static_cast<double>(comparison.referenceCount) * comparison.pixelVolume;
  for (const SegmentationMetric metric : metrics)
  {
    scores.values.push_back(ComputeSegmentationMetric(metric, comparison, options));
  }
  return scores;
}

std::string
SegmentationScores::GetLabelText() const
{
  return JoinLabels(labels);
}

SegmentationReport::SegmentationReport(std::vector<std::string> metrics)
  : m_Metrics(std::move(metrics))
{}

void
SegmentationReport::Add(Case oneCase)
{
  for (const SegmentationScores & scores : oneCase.scores)
  {
    itkNNRequireMacro(scores.values.size() == m_Metrics.size(),
                      "Structure " << scores.GetLabelText() << " has " << scores.values.size()
                                   << " values; should have " << m_Metrics.size() << ", one for each metric");
  }
  m_Cases.push_back(std::move(oneCase));
}

void
SegmentationReport::CheckMetric(std::size_t metric) const
{
  itkNNRequireMacro(metric < m_Metrics.size(),
                    "Metric " << metric << " is asked for; should be less than " << m_Metrics.size());
}

double
SegmentationReport::GetMean(std::size_t metric) const
{
  this->CheckMetric(metric);
  std::vector<double> values;
  for (const Case & oneCase : m_Cases)
  {
    for (const SegmentationScores & scores : oneCase.scores)
    {
      values.push_back(scores.values[metric]);
    }
  }
  return ScoreStatistics::Of(values).mean;
}

std::vector<std::string>
SegmentationReport::FindStructures() const
{
  std::vector<std::string> structures;
  for (const Case & oneCase : m_Cases)
  {
    for (const SegmentationScores & scores : oneCase.scores)
    {
      const std::string text = scores.GetLabelText();
      if (std::find(structures.begin(), structures.end(), text) == structures.end())
      {
        structures.push_back(text);
      }
    }
  }
  return structures;
}

std::vector<SegmentationReport::Summary>
SegmentationReport::GetSummary() const
{
  std::vector<Summary> summaries;
  const auto add = [&](const std::string & label, const auto & valueOf)
  {
    Summary summary{ label, {} };
    for (std::size_t metric = 0; metric < m_Metrics.size(); ++metric)
    {
      std::vector<double> values;
      for (const Case & oneCase : m_Cases)
      {
        values.push_back(valueOf(oneCase, metric));
      }
      summary.statistics.push_back(ScoreStatistics::Of(values));
    }
    summaries.push_back(std::move(summary));
  };
  for (const std::string & structure : this->FindStructures())
  {
    add(structure,
        [&structure](const Case & oneCase, std::size_t metric) { return FindValue(oneCase, structure, metric); });
  }
  if (summaries.size() > 1)
  {
    add("average", AverageOf);
  }
  return summaries;
}

void
SegmentationReport::WriteTable(std::ostream & os, bool withCounts) const
{
  const Row countColumns{ "voxels", "ref. voxels", "volume", "ref. volume" };
  std::vector<Row> rows{ { "prediction", "label" } };
  rows.front().insert(rows.front().end(), m_Metrics.begin(), m_Metrics.end());
  if (withCounts)
  {
    rows.front().insert(rows.front().end(), countColumns.begin(), countColumns.end());
  }
  for (const Case & oneCase : m_Cases)
  {
    for (const SegmentationScores & scores : oneCase.scores)
    {
      Row row{ oneCase.prediction, scores.GetLabelText() };
      for (const double value : scores.values)
      {
        row.push_back(nn::FormatFixed(value, 4));
      }
      if (withCounts)
      {
        row.insert(row.end(),
                   { std::to_string(scores.predictionCount),
                     std::to_string(scores.referenceCount),
                     nn::FormatFixed(scores.predictionVolume, 2),
                     nn::FormatFixed(scores.referenceVolume, 2) });
      }
      rows.push_back(std::move(row));
    }
  }
  if (rows.size() > 2)
  {
    Row row{ "mean", "" };
    for (std::size_t metric = 0; metric < m_Metrics.size(); ++metric)
    {
      row.push_back(nn::FormatFixed(this->GetMean(metric), 4));
    }
    rows.push_back(std::move(row));
  }
  WriteAligned(os, rows, 1);
}

void
SegmentationReport::WriteSummaryTable(std::ostream & os) const
{
  std::vector<Row> rows{ { "label", "" } };
  rows.front().insert(rows.front().end(), m_Metrics.begin(), m_Metrics.end());
  for (const Summary & summary : this->GetSummary())
  {
    Row mean{ summary.label, "mean" };
    Row deviation{ "", "std" };
    Row count{ "", "count" };
    for (const ScoreStatistics & statistics : summary.statistics)
    {
      mean.push_back(nn::FormatFixed(statistics.mean, 4));
      deviation.push_back(nn::FormatFixed(statistics.deviation, 4));
      count.push_back(std::to_string(statistics.count));
    }
    rows.insert(rows.end(), { mean, deviation, count });
  }
  WriteAligned(os, rows, 2);
}

void
SegmentationReport::WriteCsv(std::ostream & os) const
{
  Row header{ "prediction", "reference", "label" };
  header.insert(header.end(), m_Metrics.begin(), m_Metrics.end());
  header.insert(
    header.end(),
    { "prediction_voxels", "reference_voxels", "intersection_voxels", "prediction_volume", "reference_volume" });
  os << JoinCsv(header);
  for (const Case & oneCase : m_Cases)
  {
    for (const SegmentationScores & scores : oneCase.scores)
    {
      Row row{ oneCase.prediction, oneCase.reference, scores.GetLabelText() };
      std::transform(scores.values.begin(), scores.values.end(), std::back_inserter(row), CsvNumber);
      row.insert(row.end(),
                 { std::to_string(scores.predictionCount),
                   std::to_string(scores.referenceCount),
                   std::to_string(scores.intersectionCount),
                   CsvNumber(scores.predictionVolume),
                   CsvNumber(scores.referenceVolume) });
      os << JoinCsv(row);
    }
  }
}

void
SegmentationReport::WriteMetricCsv(std::ostream & os, std::size_t metric) const
{
  this->CheckMetric(metric);
  const std::vector<Summary> summaries = this->GetSummary();
  const std::vector<std::string> structures = this->FindStructures();
  Row header{ "image" };
  for (const std::string & structure : structures)
  {
    header.push_back("class_" + structure);
  }
  if (structures.size() > 1)
  {
    header.emplace_back("average");
  }
  os << JoinCsv(header);
  for (const Case & oneCase : m_Cases)
  {
    Row row{ oneCase.name.empty() ? oneCase.prediction : oneCase.name };
    for (const std::string & structure : structures)
    {
      row.push_back(CsvNumber(FindValue(oneCase, structure, metric)));
    }
    if (structures.size() > 1)
    {
      row.push_back(CsvNumber(AverageOf(oneCase, metric)));
    }
    os << JoinCsv(row);
  }
  Row mean{ "mean" };
  Row deviation{ "std" };
  for (const Summary & summary : summaries)
  {
    mean.push_back(CsvNumber(summary.statistics[metric].mean));
    deviation.push_back(CsvNumber(summary.statistics[metric].deviation));
  }
  os << JoinCsv(mean) << JoinCsv(deviation);
}

void
SegmentationReport::WriteJson(std::ostream & os) const
{
  std::string text = "{\n  \"cases\": [";
  for (std::size_t i = 0; i < m_Cases.size(); ++i)
  {
    const Case & oneCase = m_Cases[i];
    text += (i == 0 ? "\n" : ",\n");
    text += "    {\n      \"prediction\": " + JsonText(oneCase.prediction) +
            ",\n      \"reference\": " + JsonText(oneCase.reference) + ",\n      \"labels\": [";
    for (std::size_t j = 0; j < oneCase.scores.size(); ++j)
    {
      const SegmentationScores & scores = oneCase.scores[j];
      const std::string label = scores.GetLabelText();
      text += (j == 0 ? "\n" : ",\n");
      text += "        {\"label\": " + (scores.labels.size() == 1 ? label : JsonText(label));
      for (std::size_t metric = 0; metric < m_Metrics.size(); ++metric)
      {
        text += ", " + JsonText(m_Metrics[metric]) + ": " + JsonNumber(scores.values[metric]);
      }
      text += ", \"prediction_voxels\": " + std::to_string(scores.predictionCount) +
              ", \"reference_voxels\": " + std::to_string(scores.referenceCount) +
              ", \"intersection_voxels\": " + std::to_string(scores.intersectionCount) +
              ", \"prediction_volume\": " + JsonNumber(scores.predictionVolume) +
              ", \"reference_volume\": " + JsonNumber(scores.referenceVolume) + '}';
    }
    text += oneCase.scores.empty() ? "]\n    }" : "\n      ]\n    }";
  }
  text += m_Cases.empty() ? "]" : "\n  ]";
  for (std::size_t metric = 0; metric < m_Metrics.size(); ++metric)
  {
    text += ",\n  " + JsonText("mean_" + m_Metrics[metric]) + ": " + JsonNumber(this->GetMean(metric));
  }
  text += ",\n  \"summary\": [";
  const std::vector<Summary> summaries = this->GetSummary();
  for (std::size_t i = 0; i < summaries.size(); ++i)
  {
    const std::string & label = summaries[i].label;
    const bool isNumber = label.find_first_not_of("-0123456789") == std::string::npos;
    text += (i == 0 ? "\n" : ",\n");
    text += "    {\"label\": " + (isNumber ? label : JsonText(label));
    for (std::size_t metric = 0; metric < m_Metrics.size(); ++metric)
    {
      const ScoreStatistics & statistics = summaries[i].statistics[metric];
      text += ", " + JsonText(m_Metrics[metric]) + ": {\"mean\": " + JsonNumber(statistics.mean) +
              ", \"std\": " + JsonNumber(statistics.deviation) + ", \"count\": " + std::to_string(statistics.count) +
              '}';
    }
    text += '}';
  }
  text += summaries.empty() ? "]\n}\n" : "\n  ]\n}\n";
  os << text;
}
} // namespace itk
