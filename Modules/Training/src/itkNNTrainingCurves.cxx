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
#include "itkNNRaster.h"
#include "itkNNTrainingLog.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

namespace itk
{
namespace nn
{
namespace
{
using Points = std::vector<std::pair<double, double>>;

constexpr Raster::Rgb axisColor{ 150, 150, 160 };
constexpr Raster::Rgb gridColor{ 52, 52, 60 };
constexpr Raster::Rgb rawColor{ 70, 100, 140 };
constexpr Raster::Rgb smoothColor{ 90, 180, 255 };
constexpr Raster::Rgb scoreColor{ 255, 170, 60 };

struct Range
{
  double low;
  double high;
};

/** Where a diagram is on the raster; its axes are the left and the lower side. */
struct Panel
{
  double left;
  double top;
  double right;
  double bottom;
  Range x;
  Range y;

  double MapX(double value) const
  {
    return left + (value - x.low) / (x.high - x.low) * (right - left);
  }
  double MapY(double value) const
  {
    return bottom - (value - y.low) / (y.high - y.low) * (bottom - top);
  }
};

Points
Select(const std::vector<TrainingLogEntry> & entries, const std::string & name)
{
  // Larger ones would not survive the differences below.
  constexpr double largest = 1e100;
  Points points;
  for (const auto & entry : entries)
  {
    const auto found = entry.values.find(name);
    if (found != entry.values.end() && std::abs(found->second) <= largest)
    {
      points.emplace_back(static_cast<double>(entry.step), found->second);
    }
  }
  return points;
}

/** Running mean with exponentially falling weights, over about a fiftieth of the
 * points. */
Points
Smooth(const Points & points)
{
  const double keep = 1 - 1 / std::max(1.0, static_cast<double>(points.size()) / 50);
  Points smooth;
  double sum = 0;
  double weight = 0;
  for (const auto & [x, y] : points)
  {
    sum = keep * sum + y;
    weight = keep * weight + 1;
    smooth.emplace_back(x, sum / weight);
  }
  return smooth;
}

/** 1, 2 or 5 times a power of ten that divides a range into at most `parts` parts. */
double
GetTickStep(const Range & range, int parts)
{
  const double least = (range.high - range.low) / parts;
  const double power = std::pow(10, std::floor(std::log10(least)));
  for (const double factor : { 1.0, 2.0, 5.0 })
  {
    if (factor * power >= least * (1 - 1e-9))
    {
      return factor * power;
    }
  }
  return 10 * power;
}

/** A range that is not empty, with some room around it. */
Range
GetRange(const Points & points)
{
  if (points.empty())
  {
    return { 0, 1 };
  }
  const auto isLower = [](const auto & a, const auto & b) { return a.second < b.second; };
  const auto ends = std::minmax_element(points.begin(), points.end(), isLower);
  const double low = ends.first->second;
  const double high = ends.second->second;
  const double room = std::max({ 0.05 * (high - low), 1e-6 * std::abs(high), 1e-9 });
  return { low - room, high + room };
}

/** As short as it can be with six digits. */
std::string
FormatTick(double value)
{
  char buffer[64];
  const auto result = std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::general, 6);
  return std::string(buffer, result.ptr);
}

void
DrawTextCentred(Raster & raster, const std::string & text, double x, double y)
{
  const double left = x - static_cast<double>(Raster::GetTextWidth(text, 1)) / 2;
  raster.DrawText(
    text, static_cast<std::size_t>(std::max(0.0, left)), static_cast<std::size_t>(std::max(0.0, y)), 1, axisColor);
}

/** Calls a function with each multiple of the tick step in a range. */
template <typename TFunction>
void
ForEachTick(const Range & range, int parts, TFunction && function)
{
  const double step = GetTickStep(range, parts);
  const double first = std::ceil(range.low / step - 1e-9);
  for (int i = 0; i <= parts && (first + i) * step <= range.high + 1e-9 * step; ++i)
  {
    function((first + i) * step);
  }
}

void
DrawAxes(Raster & raster, const Panel & panel, const std::string & title)
{
  constexpr double gap = 6;
  ForEachTick(panel.x,
              8,
              [&](double value)
              {
                const double x = panel.MapX(value);
                raster.DrawLine(x, panel.top, x, panel.bottom, gridColor);
                DrawTextCentred(raster, FormatTick(value), x, panel.bottom + gap);
              });
  ForEachTick(panel.y,
              6,
              [&](double value)
              {
                const double y = panel.MapY(value);
                const std::string text = FormatTick(value);
                raster.DrawLine(panel.left, y, panel.right, y, gridColor);
                const double width = static_cast<double>(Raster::GetTextWidth(text, 1));
                DrawTextCentred(raster, text, panel.left - gap - width / 2, y - 3);
              });
  raster.DrawLine(panel.left, panel.top, panel.left, panel.bottom, axisColor);
  raster.DrawLine(panel.left, panel.bottom, panel.right, panel.bottom, axisColor);
  raster.DrawText(title, static_cast<std::size_t>(panel.left), static_cast<std::size_t>(panel.top - 20), 2, axisColor);
}

void
DrawCurve(Raster & raster, const Panel & panel, const Points & points, Raster::Rgb color)
{
  for (std::size_t i = 0; i < points.size(); ++i)
  {
    const auto & from = points[i > 0 ? i - 1 : 0];
    const auto & to = points[i];
    // Twice, for a line of two pixels.
    for (const double shift : { 0.0, 1.0 })
    {
      raster.DrawLine(panel.MapX(from.first),
                      panel.MapY(from.second) + shift,
                      panel.MapX(to.first),
                      panel.MapY(to.second) + shift,
                      color);
    }
  }
}

void
DrawMarks(Raster & raster, const Panel & panel, const Points & points, Raster::Rgb color)
{
  constexpr int radius = 2;
  for (const auto & [x, y] : points)
  {
    for (int shift = -radius; shift <= radius; ++shift)
    {
      const double row = panel.MapY(y) + shift;
      raster.DrawLine(panel.MapX(x) - radius, row, panel.MapX(x) + radius, row, color);
    }
  }
}
} // namespace

void
WriteTrainingCurves(const std::vector<TrainingLogEntry> & entries,
                    const std::string & fileName,
                    const std::string & loss,
                    const std::string & score)
{
  const Points losses = Select(entries, loss);
  const Points scores = Select(entries, score);
  double lastStep = 1;
  for (const auto & entry : entries)
  {
    lastStep = std::max(lastStep, static_cast<double>(entry.step));
  }
  Raster raster(960, 640);
  const Range steps{ 0, lastStep };
  const Panel lossPanel{ 80, 40, 930, 290, steps, GetRange(losses) };
  DrawAxes(raster, lossPanel, loss);
  DrawCurve(raster, lossPanel, losses, rawColor);
  DrawCurve(raster, lossPanel, Smooth(losses), smoothColor);
  const Panel scorePanel{ 80, 350, 930, 600, steps, { 0, 1 } };
  DrawAxes(raster, scorePanel, score);
  DrawCurve(raster, scorePanel, scores, scoreColor);
  DrawMarks(raster, scorePanel, scores, scoreColor);
  raster.WritePNG(fileName);
}
} // namespace nn
} // namespace itk
