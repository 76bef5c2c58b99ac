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
#include "itkOverlapReport.h"

#include "itkNNText.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ostream>

namespace itk
{
namespace
{
template <typename TScore>
double
MeanOf(const std::vector<LabelOverlap> & overlaps, TScore score)
{
  double sum = 0;
  std::size_t count = 0;
  for (const LabelOverlap & overlap : overlaps)
  {
    if (!std::isnan(score(overlap)))
    {
      sum += score(overlap);
      ++count;
    }
  }
  return count == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / static_cast<double>(count);
}

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
} // namespace

double
MeanDice(const std::vector<LabelOverlap> & overlaps)
{
  return MeanOf(overlaps, [](const LabelOverlap & overlap) { return overlap.dice; });
}

double
MeanJaccard(const std::vector<LabelOverlap> & overlaps)
{
  return MeanOf(overlaps, [](const LabelOverlap & overlap) { return overlap.jaccard; });
}

void
OverlapReport::Add(Case oneCase)
{
  m_Cases.push_back(std::move(oneCase));
}

std::vector<LabelOverlap>
OverlapReport::GetOverlaps() const
{
  std::vector<LabelOverlap> all;
  for (const Case & oneCase : m_Cases)
  {
    all.insert(all.end(), oneCase.overlaps.begin(), oneCase.overlaps.end());
  }
  return all;
}

void
OverlapReport::WriteTable(std::ostream & os) const
{
  using Row = std::vector<std::string>;
  std::vector<Row> rows{
    { "prediction", "label", "dice", "jaccard", "voxels", "ref. voxels", "volume", "ref. volume" }
  };
  for (const Case & oneCase : m_Cases)
  {
    for (const LabelOverlap & overlap : oneCase.overlaps)
    {
      rows.push_back({ oneCase.prediction,
                       std::to_string(overlap.label),
                       nn::FormatFixed(overlap.dice, 4),
                       nn::FormatFixed(overlap.jaccard, 4),
                       std::to_string(overlap.predictionCount),
                       std::to_string(overlap.referenceCount),
                       nn::FormatFixed(overlap.predictionVolume, 2),
                       nn::FormatFixed(overlap.referenceVolume, 2) });
    }
  }
  if (rows.size() > 2)
  {
    const std::vector<LabelOverlap> all = this->GetOverlaps();
    rows.push_back(
      { "mean", "", nn::FormatFixed(MeanDice(all), 4), nn::FormatFixed(MeanJaccard(all), 4), "", "", "", "" });
  }

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
      line += i == 0 ? row[i] + padding : "  " + padding + row[i];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    os << line << '\n';
  }
}

void
OverlapReport::WriteCsv(std::ostream & os) const
{
  os << "prediction,reference,label,dice,jaccard,prediction_voxels,reference_voxels,intersection_voxels,"
        "prediction_volume,reference_volume\n";
  for (const Case & oneCase : m_Cases)
  {
    for (const LabelOverlap & overlap : oneCase.overlaps)
    {
      os << CsvText(oneCase.prediction) + ',' + CsvText(oneCase.reference) + ',' + std::to_string(overlap.label) + ',' +
              CsvNumber(overlap.dice) + ',' + CsvNumber(overlap.jaccard) + ',' +
              std::to_string(overlap.predictionCount) + ',' + std::to_string(overlap.referenceCount) + ',' +
              std::to_string(overlap.intersectionCount) + ',' + CsvNumber(overlap.predictionVolume) + ',' +
              CsvNumber(overlap.referenceVolume) + '\n';
    }
  }
}

void
OverlapReport::WriteJson(std::ostream & os) const
{
  std::string text = "{\n  \"cases\": [";
  for (std::size_t i = 0; i < m_Cases.size(); ++i)
  {
    const Case & oneCase = m_Cases[i];
    text += (i == 0 ? "\n" : ",\n");
    text += "    {\n      \"prediction\": " + JsonText(oneCase.prediction) +
            ",\n      \"reference\": " + JsonText(oneCase.reference) + ",\n      \"labels\": [";
    for (std::size_t j = 0; j < oneCase.overlaps.size(); ++j)
    {
      const LabelOverlap & overlap = oneCase.overlaps[j];
      text += (j == 0 ? "\n" : ",\n");
      text += "        {\"label\": " + std::to_string(overlap.label) + ", \"dice\": " + JsonNumber(overlap.dice) +
              ", \"jaccard\": " + JsonNumber(overlap.jaccard) +
              ", \"prediction_voxels\": " + std::to_string(overlap.predictionCount) +
              ", \"reference_voxels\": " + std::to_string(overlap.referenceCount) +
              ", \"intersection_voxels\": " + std::to_string(overlap.intersectionCount) +
              ", \"prediction_volume\": " + JsonNumber(overlap.predictionVolume) +
              ", \"reference_volume\": " + JsonNumber(overlap.referenceVolume) + '}';
    }
    text += oneCase.overlaps.empty() ? "]\n    }" : "\n      ]\n    }";
  }
  const std::vector<LabelOverlap> all = this->GetOverlaps();
  text += m_Cases.empty() ? "]" : "\n  ]";
  text += ",\n  \"mean_dice\": " + JsonNumber(MeanDice(all)) +
          ",\n  \"mean_jaccard\": " + JsonNumber(MeanJaccard(all)) + "\n}\n";
  os << text;
}
} // namespace itk
