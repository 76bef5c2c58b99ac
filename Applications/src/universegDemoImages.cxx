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
#include "universegDemoImages.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace universeg
{
namespace
{
constexpr double pi = 3.14159265358979323846;

/** Draws that are the same on every platform. */
class Random
{
public:
  explicit Random(std::uint64_t seed)
    : m_Engine(seed)
  {}

  double Uniform(double low, double high)
  {
    return low + (high - low) * static_cast<double>(m_Engine() >> 11) * 0x1p-53;
  }

  double Normal()
  {
    const double radius = std::sqrt(-2 * std::log(1 - this->Uniform(0, 1)));
    return radius * std::cos(2 * pi * this->Uniform(0, 1));
  }

  int Integer(int low, int high)
  {
    return low + static_cast<int>(this->Uniform(0, high - low + 1));
  }

private:
  std::mt19937_64 m_Engine;
};

/** Smooth random field about 0 with features of a given size in pixels. */
class Field
{
public:
  Field(Random & random, std::size_t extent, double featureSize)
    : m_Size(featureSize)
    , m_Nodes(static_cast<std::size_t>(static_cast<double>(extent) / featureSize) + 3)
    , m_Values(m_Nodes * m_Nodes)
  {
    for (double & value : m_Values)
    {
      value = random.Normal();
    }
  }

  double Get(double x, double y) const
  {
    const double u = x / m_Size;
    const double v = y / m_Size;
    const auto i = static_cast<std::size_t>(u);
    const auto j = static_cast<std::size_t>(v);
    const double a = Smooth(u - static_cast<double>(i));
    const double b = Smooth(v - static_cast<double>(j));
    const auto at = [this](std::size_t k, std::size_t l) { return m_Values[l * m_Nodes + k]; };
    return (1 - b) * ((1 - a) * at(i, j) + a * at(i + 1, j)) + b * ((1 - a) * at(i, j + 1) + a * at(i + 1, j + 1));
  }

private:
  static double Smooth(double t)
  {
    return t * t * (3 - 2 * t);
  }

  double m_Size;
  std::size_t m_Nodes;
  std::vector<double> m_Values;
};

/** A round shape with a wavy outline. */
class Blob
{
public:
  Blob(Random & random, double x, double y, double radius, double stretch, double waviness)
    : m_X(x)
    , m_Y(y)
    , m_Radius(radius)
    , m_Stretch(stretch)
    , m_Angle(random.Uniform(0, pi))
  {
    for (int k = 0; k < harmonics; ++k)
    {
      m_Amplitude[k] = waviness * random.Normal() / (k + 2);
      m_Phase[k] = random.Uniform(0, 2 * pi);
    }
  }

  /** Pixels from the outline, roughly; positive inside. */
  double GetDepth(double x, double y) const
  {
    const double dx = x - m_X;
    const double dy = y - m_Y;
    const double u = (std::cos(m_Angle) * dx + std::sin(m_Angle) * dy) / m_Stretch;
    const double v = (std::cos(m_Angle) * dy - std::sin(m_Angle) * dx) * m_Stretch;
    const double angle = std::atan2(v, u);
    double outline = 1;
    for (int k = 0; k < harmonics; ++k)
    {
      outline += m_Amplitude[k] * std::cos((k + 2) * angle + m_Phase[k]);
    }
    return m_Radius * outline - std::sqrt(u * u + v * v);
  }

private:
  static constexpr int harmonics = 4;

  double m_X;
  double m_Y;
  double m_Radius;
  double m_Stretch;
  double m_Angle;
  double m_Amplitude[harmonics];
  double m_Phase[harmonics];
};

/** 0 outside, 1 inside, about two pixels wide between. */
double
Coverage(double depth)
{
  return std::clamp(0.5 + depth / 2, 0.0, 1.0);
}

std::vector<double>
Blur(const std::vector<double> & image, std::size_t extent, double sigma)
{
  const auto reach = static_cast<int>(std::ceil(3 * sigma));
  std::vector<double> kernel;
  double sum = 0;
  for (int k = -reach; k <= reach; ++k)
  {
    kernel.push_back(std::exp(-k * k / (2 * sigma * sigma)));
    sum += kernel.back();
  }
  const auto last = static_cast<int>(extent) - 1;
  const auto pass = [&](const std::vector<double> & source, bool rows)
  {
    std::vector<double> target(source.size());
    for (int y = 0; y <= last; ++y)
    {
      for (int x = 0; x <= last; ++x)
      {
        double value = 0;
        for (int k = -reach; k <= reach; ++k)
        {
          const int column = rows ? std::clamp(x + k, 0, last) : x;
          const int row = rows ? y : std::clamp(y + k, 0, last);
          value += kernel[static_cast<std::size_t>(k + reach)] *
                   source[static_cast<std::size_t>(row) * extent + static_cast<std::size_t>(column)];
        }
        target[static_cast<std::size_t>(y) * extent + static_cast<std::size_t>(x)] = value / sum;
      }
    }
    return target;
  };
  return pass(pass(image, true), false);
}
} // namespace

DemoCase
MakeDemoCase(std::uint64_t seed, std::size_t extent)
{
  Random random(seed);
  const double unit = static_cast<double>(extent) / 128;
  const double middle = static_cast<double>(extent) / 2;

  const double cellX = middle + random.Uniform(-16, 16) * unit;
  const double cellY = middle + random.Uniform(-16, 16) * unit;
  const double cellRadius = random.Uniform(33, 42) * unit;
  const Blob cell(random, cellX, cellY, cellRadius, random.Uniform(0.94, 1.06), 0.06);

  std::vector<Blob> lobes;
  const int lobeCount = random.Integer(1, 3);
  const double lobeRadius = cellRadius * (lobeCount == 1 ? random.Uniform(0.55, 0.68) : random.Uniform(0.38, 0.46));
  const double lobeStart = random.Uniform(0, 2 * pi);
  for (int i = 0; i < lobeCount; ++i)
  {
    const double angle = lobeStart + i * random.Uniform(1.6, 2.2);
    const double distance = lobeCount == 1 ? random.Uniform(0, 0.12) * cellRadius : 0.36 * cellRadius;
    lobes.emplace_back(random,
                       cellX + distance * std::cos(angle),
                       cellY + distance * std::sin(angle),
                       lobeRadius,
                       random.Uniform(0.9, 1.12),
                       0.08);
  }

  struct RedCell
  {
    Blob outline;
    double radius;
  };
  std::vector<RedCell> redCells;
  for (int i = random.Integer(5, 8); i > 0; --i)
  {
    const double x = random.Uniform(0, 2 * middle);
    const double y = random.Uniform(0, 2 * middle);
    const double radius = random.Uniform(14, 19) * unit;
    if (std::hypot(x - cellX, y - cellY) > cellRadius + 0.7 * radius)
    {
      redCells.push_back({ Blob(random, x, y, radius, random.Uniform(0.92, 1.08), 0.04), radius });
    }
  }

  const double background = random.Uniform(0.76, 0.86);
  const double red = background - random.Uniform(0.14, 0.22);
  const double cytoplasm = background - random.Uniform(0.16, 0.28);
  const double nucleus = random.Uniform(0.2, 0.32);
  const double tiltAngle = random.Uniform(0, 2 * pi);
  const double tilt = random.Uniform(0.04, 0.14);
  const Field slow(random, extent, 40 * unit);
  const Field fine(random, extent, 6 * unit);
  const Field grains(random, extent, 3 * unit);

  DemoCase result;
  Volume::SizeType size{ { extent, extent, 1 } };
  result.image = Volume::New();
  result.image->SetRegions(size);
  result.image->Allocate();
  result.labels = LabelVolume::New();
  result.labels->SetRegions(size);
  result.labels->Allocate();

  std::vector<double> values(extent * extent);
  for (std::size_t i = 0; i < values.size(); ++i)
  {
    const std::size_t row = i / extent;
    const auto x = static_cast<double>(i % extent);
    const auto y = static_cast<double>(row);
    double value = background + 0.025 * slow.Get(x, y) + 0.01 * fine.Get(x, y);
    for (const RedCell & redCell : redCells)
    {
      const double depth = redCell.outline.GetDepth(x, y);
      const double pale = 0.55 * std::clamp(depth / redCell.radius - 0.35, 0.0, 0.5);
      value += Coverage(depth) * (red + pale * (background - red) + 0.008 * fine.Get(x, y) - value);
    }
    value += Coverage(cell.GetDepth(x, y)) * (cytoplasm + 0.035 * grains.Get(x, y) - value);
    double depth = -1e9;
    for (const Blob & lobe : lobes)
    {
      depth = std::max(depth, lobe.GetDepth(x, y));
    }
    value += Coverage(depth) * (nucleus + 0.04 * fine.Get(x, y) + 0.02 * grains.Get(x, y) - value);
    const double along = (std::cos(tiltAngle) * (x - middle) + std::sin(tiltAngle) * (y - middle)) / middle;
    values[i] = value * (1 + tilt * along);
    result.labels->GetBufferPointer()[i] = depth > 0 ? 255 : 0;
  }
  values = Blur(values, extent, random.Uniform(0.7, 1.2) * unit);
  const double noise = random.Uniform(0.012, 0.025);
  for (std::size_t i = 0; i < values.size(); ++i)
  {
    const double value = 255 * std::clamp(values[i] + noise * random.Normal(), 0.0, 1.0);
    result.image->GetBufferPointer()[i] = static_cast<float>(std::round(value));
  }
  return result;
}
} // namespace universeg
