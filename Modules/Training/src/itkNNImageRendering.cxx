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
#include "itkNNImageRendering.h"

#include "itkNNError.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

namespace itk
{
namespace nn
{
namespace
{
constexpr double pi = 3.14159265358979323846;

/** About normal: the sum of four numbers of 16 bits, which costs one draw. */
float
RoughNormal(RandomStream & random)
{
  const std::uint64_t bits = random.Next();
  const auto sum =
    static_cast<double>((bits & 0xFFFFU) + ((bits >> 16U) & 0xFFFFU) + ((bits >> 32U) & 0xFFFFU) + (bits >> 48U));
  return static_cast<float>((sum / 65536 - 2) * 1.7320508075688772);
}

void
RescaleToUnit(Plane & plane)
{
  const auto ends = std::minmax_element(plane.pixels.begin(), plane.pixels.end());
  const float least = *ends.first;
  const float range = std::max(*ends.second - least, 1e-6F);
  for (float & pixel : plane.pixels)
  {
    pixel = (pixel - least) / range;
  }
}

/** A mean of the range that differs from those of the foreground where it has to. */
double
DrawMean(RandomStream & random, const ImagingOptions & options, const std::vector<double> & avoided)
{
  double best = 0;
  double bestDistance = -1;
  for (int attempt = 0; attempt < 20 && bestDistance < options.minimumContrast; ++attempt)
  {
    const double mean = options.mean.Draw(random);
    double distance = std::numeric_limits<double>::max();
    for (const double other : avoided)
    {
      distance = std::min(distance, std::abs(mean - other));
    }
    if (distance > bestDistance)
    {
      bestDistance = distance;
      best = mean;
    }
  }
  return best;
}
} // namespace

double
DrawSkewed(RandomStream & random, double low, double high)
{
  const double u = random.Uniform();
  return low + (high - low) * u * u;
}

double
LengthScale(std::int64_t height, std::int64_t width)
{
  return std::sqrt(static_cast<double>(height * width)) / 256;
}

Imaging::Imaging(RandomStream & random,
                 const ImagingOptions & options,
                 const std::vector<LabelTraits> & labels,
                 const std::vector<bool> & foreground,
                 double lengthScale,
                 double mostBlur)
  : m_Labels(labels.size())
  , m_CoarseSpacing(4 * options.textureSpacing.high * lengthScale)
  , m_BiasSpacing(options.biasSpacing.Draw(random) * lengthScale)
  , m_BiasDeviation(DrawSkewed(random, options.biasDeviation.low, options.biasDeviation.high))
  , m_Blur(std::min(options.blur.Draw(random) * lengthScale, mostBlur))
  , m_Noise(options.noise.Draw(random))
  , m_Speckle(random.Chance(options.speckleProbability))
  , m_ToneDeviation(options.toneDeviation.Draw(random))
  , m_Gamma(std::exp(options.gammaDeviation * random.Normal()))
  , m_Invert(random.Chance(options.inversionProbability))
  , m_Halo(random.Chance(options.haloProbability) ? random.Uniform(0.3, 1.5) : 0)
  , m_HaloSigma(random.Uniform(3, 10) * lengthScale)
{
  // Fibres: texture that is longer along one axis.
  const double spacing = options.textureSpacing.Draw(random) * lengthScale;
  const double stretch = random.Chance(0.3) ? random.Uniform(1, 5) : 1;
  const bool alongY = random.Chance(0.5);
  m_FineSpacingY = std::max(spacing * (alongY ? stretch : 1), 1.0);
  m_FineSpacingX = std::max(spacing * (alongY ? 1 : stretch), 1.0);

  const double subjectDeviation = options.subjectDeviation.Draw(random);
  const double least = options.leastDeviation.Draw(random);
  const double most = std::max(options.greatestDeviation.Draw(random), least);
  std::vector<double> avoided;
  // The foreground first, so that the others can be told from it.
  for (const bool wanted : { true, false })
  {
    for (std::size_t i = 0; i < labels.size(); ++i)
    {
      if (foreground[i] != wanted)
      {
        continue;
      }
      Label & label = m_Labels[i];
      const auto model = static_cast<std::size_t>(std::max(labels[i].likeLabel, 0));
      if (labels[i].likeLabel >= 0 && foreground[model] == wanted)
      {
        label = m_Labels[model];
        label.mean += random.Uniform(-0.08, 0.08);
        continue;
      }
      label.mean = DrawMean(random, options, wanted || labels[i].mayResemble ? std::vector<double>() : avoided);
      const double u = random.Uniform();
      const double deviation = least + (most - least) * u * u * u;
      const double white = random.Uniform();
      const double fine = random.Uniform();
      const double coarse = 0.5 * random.Uniform();
      const double norm = deviation / std::sqrt(white * white + fine * fine + coarse * coarse + 1e-9);
      label.white = norm * white;
      label.fine = norm * fine;
      label.coarse = norm * coarse;
      if (wanted)
      {
        avoided.push_back(label.mean);
      }
    }
  }
  for (std::size_t i = 0; i < labels.size(); ++i)
  {
    m_Labels[i].subjectDeviation = subjectDeviation;
    for (std::size_t other = 0; options.minimumContrast > 0 && other < labels.size(); ++other)
    {
      // What can be told apart by intensity in one subject can be in the others.
      const double contrast = std::abs(m_Labels[i].mean - m_Labels[other].mean);
      if (foreground[i] != foreground[other] && contrast >= options.minimumContrast)
      {
        m_Labels[i].subjectDeviation = std::min(m_Labels[i].subjectDeviation, 0.3 * contrast);
      }
    }
  }
}

Plane
Imaging::PaintLabels(RandomStream & random, const LabelMap & map) const
{
  const Plane fine = SmoothNoise(random, map.height, map.width, m_FineSpacingY, m_FineSpacingX);
  const Plane coarse = SmoothNoise(random, map.height, map.width, m_CoarseSpacing, m_CoarseSpacing);
  std::vector<Label> labels = m_Labels;
  for (auto & label : labels)
  {
    label.mean += label.subjectDeviation * random.Normal();
  }
  Plane image(map.height, map.width);
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
  {
    const Label & label = labels[static_cast<std::size_t>(map.labels[i])];
    image.pixels[i] = static_cast<float>(label.mean + label.white * RoughNormal(random) + label.fine * fine.pixels[i] +
                                         label.coarse * coarse.pixels[i]);
  }
  return image;
}

void
Imaging::ApplyBias(RandomStream & random, Plane & image) const
{
  const Plane field = SmoothNoise(random, image.height, image.width, m_BiasSpacing, m_BiasSpacing);
  const double deviation = m_BiasDeviation * random.Uniform();
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
  {
    image.pixels[i] *= std::exp(static_cast<float>(deviation) * field.pixels[i]);
  }
}

void
Imaging::ApplyTone(RandomStream & random, Plane & image) const
{
  constexpr std::size_t pieces = 4;
  std::array<double, pieces + 1> curve{};
  for (std::size_t i = 0; i < pieces; ++i)
  {
    curve[i + 1] = curve[i] + std::exp(m_ToneDeviation * random.Normal());
  }
  for (float & pixel : image.pixels)
  {
    const double place = static_cast<double>(pixel) * pieces;
    const auto piece = std::min(static_cast<std::size_t>(std::max(place, 0.0)), pieces - 1);
    const double part = place - static_cast<double>(piece);
    pixel = static_cast<float>((curve[piece] + part * (curve[piece + 1] - curve[piece])) / curve[pieces]);
  }
}

void
Imaging::ApplyNoise(RandomStream & random, Plane & image) const
{
  const auto deviation = static_cast<float>(m_Noise * random.Uniform(0.7, 1.3));
  for (float & pixel : image.pixels)
  {
    pixel += deviation * RoughNormal(random) * (m_Speckle ? 3 * pixel : 1.0F);
  }
}

Plane
Imaging::Render(RandomStream & random, const LabelMap & map) const
{
  Plane image = this->PaintLabels(random, map);
  const double blur = m_Blur * std::exp(0.2 * random.Normal());
  // Less does not reach the neighbours.
  if (blur > 0.2)
  {
    image = Smooth(image, blur);
  }
  RescaleToUnit(image);
  if (m_Halo > 0)
  {
    const Plane smoothed = Smooth(image, std::max(m_HaloSigma, 0.5));
    for (std::size_t i = 0; i < image.pixels.size(); ++i)
    {
      image.pixels[i] += static_cast<float>(m_Halo) * (image.pixels[i] - smoothed.pixels[i]);
    }
    RescaleToUnit(image);
  }
  this->ApplyTone(random, image);
  const auto gamma = static_cast<float>(m_Gamma * std::exp(0.1 * random.Normal()));
  for (float & pixel : image.pixels)
  {
    pixel = std::pow(m_Invert ? 1 - pixel : pixel, gamma);
  }
  this->ApplyBias(random, image);
  RescaleToUnit(image);
  this->ApplyNoise(random, image);
  RescaleToUnit(image);
  return image;
}

std::vector<double>
ShareDisplacement(const std::vector<double> & spacings, double deviation)
{
  const double sum = std::accumulate(spacings.begin(), spacings.end(), 0.0);
  std::vector<double> deviations(spacings.size());
  std::transform(spacings.begin(),
                 spacings.end(),
                 deviations.begin(),
                 [sum, deviation](double spacing)
                 {
                   // A field's slope is about its deviation by its spacing; folds begin at 1.
                   return std::min(deviation * spacing / sum, 0.25 * spacing);
                 });
  return deviations;
}

void
AddDisplacement(RandomStream & random,
                const std::vector<double> & spacings,
                const std::vector<double> & deviations,
                Deformation::Places & places)
{
  for (Plane * axis : { &places.y, &places.x })
  {
    for (std::size_t i = 0; i < spacings.size(); ++i)
    {
      const Plane noise = SmoothNoise(random, axis->height, axis->width, spacings[i], spacings[i]);
      const auto deviation = static_cast<float>(deviations[i]);
      for (std::size_t pixel = 0; pixel < noise.pixels.size(); ++pixel)
      {
        axis->pixels[pixel] += deviation * noise.pixels[pixel];
      }
    }
  }
}

Deformation::Deformation(RandomStream & random, const DeformationOptions & options, double lengthScale)
  : m_Spacings(options.spacings)
  , m_Rotation(options.rotation.Draw(random) * pi / 180)
  , m_AnyRotation(random.Chance(options.anyRotationProbability))
  , m_Scale(options.scale.Draw(random))
  , m_Translation(options.translation.Draw(random))
{
  for (double & spacing : m_Spacings)
  {
    spacing = std::max(spacing * lengthScale, 1.0);
  }
  m_Deviations = ShareDisplacement(m_Spacings, options.displacement.Draw(random) * lengthScale);
}

Deformation::Places
Deformation::Draw(RandomStream & random, std::int64_t height, std::int64_t width) const
{
  const double angle = m_AnyRotation ? random.Uniform(0, 2 * pi) : m_Rotation * random.Normal();
  const double scale = std::exp(m_Scale * random.Normal());
  const double cosine = std::cos(angle) / scale;
  const double sine = std::sin(angle) / scale;
  const double centreY = static_cast<double>(height - 1) / 2;
  const double centreX = static_cast<double>(width - 1) / 2;
  const double shiftY = centreY + m_Translation * random.Normal() * static_cast<double>(height);
  const double shiftX = centreX + m_Translation * random.Normal() * static_cast<double>(width);
  Places places{ Plane(height, width), Plane(height, width) };
  for (std::int64_t y = 0; y < height; ++y)
  {
    const double fromY = static_cast<double>(y) - centreY;
    for (std::int64_t x = 0; x < width; ++x)
    {
      const double fromX = static_cast<double>(x) - centreX;
      places.y.Row(y)[x] = static_cast<float>(shiftY + cosine * fromY + sine * fromX);
      places.x.Row(y)[x] = static_cast<float>(shiftX - sine * fromY + cosine * fromX);
    }
  }
  AddDisplacement(random, m_Spacings, m_Deviations, places);
  return places;
}

void
CheckSpacings(const std::string & option, const std::vector<double> & spacings)
{
  itkNNRequireMacro(!spacings.empty(), "The " << option << " are an empty list; there should be at least one");
  for (const double spacing : spacings)
  {
    RequireValue("one of the " + option, spacing, 1, 1e4);
  }
}

void
CheckOptions(const std::string & owner, const ImagingOptions & options)
{
  RequireRange(owner + ": mean", options.mean, -1e3, 1e3);
  RequireValue(owner + ": minimum contrast", options.minimumContrast, 0, 1e3);
  RequireRange(owner + ": least deviation", options.leastDeviation, 0, 1e3);
  RequireRange(owner + ": greatest deviation", options.greatestDeviation, 0, 1e3);
  RequireRange(owner + ": texture spacing", options.textureSpacing, 1, 1e4);
  RequireRange(owner + ": subject deviation", options.subjectDeviation, 0, 1e3);
  RequireRange(owner + ": bias spacing", options.biasSpacing, 4, 1e4);
  RequireRange(owner + ": bias deviation", options.biasDeviation, 0, 10);
  RequireRange(owner + ": blur", options.blur, 0, 100);
  RequireRange(owner + ": noise", options.noise, 0, 10);
  RequireValue(owner + ": speckle probability", options.speckleProbability, 0, 1);
  RequireRange(owner + ": tone deviation", options.toneDeviation, 0, 3);
  RequireValue(owner + ": gamma deviation", options.gammaDeviation, 0, 2);
  RequireValue(owner + ": inversion probability", options.inversionProbability, 0, 1);
  RequireValue(owner + ": halo probability", options.haloProbability, 0, 1);
}

void
CheckOptions(const std::string & owner, const DeformationOptions & options)
{
  RequireRange(owner + ": displacement", options.displacement, 0, 1e3);
  CheckSpacings(owner + ": spacings", options.spacings);
  RequireRange(owner + ": rotation", options.rotation, 0, 360);
  RequireValue(owner + ": probability of any rotation", options.anyRotationProbability, 0, 1);
  RequireRange(owner + ": scale", options.scale, 0, 2);
  RequireRange(owner + ": translation", options.translation, 0, 1);
}

void
CheckRequest(const std::string & source, const TaskRequest & request)
{
  itkNNRequireMacro(request.examples > 0,
                    "A task of " << request.examples << " examples was asked of " << source
                                 << "; it should be at least 1");
  itkNNRequireMacro(request.height >= 16 && request.width >= 16,
                    "A task of " << request.height << " x " << request.width << " pixels was asked of " << source
                                 << "; it should be at least 16 x 16");
}

double
ForegroundArea(const LabelMap & map, const std::vector<bool> & foreground)
{
  const auto count =
    std::count_if(map.labels.begin(),
                  map.labels.end(),
                  [&foreground](std::int32_t label) { return foreground[static_cast<std::size_t>(label)]; });
  return static_cast<double>(count) / static_cast<double>(map.labels.size());
}

TrainingExample
MakeExample(RandomStream & random, const Imaging & imaging, const LabelMap & map, const std::vector<bool> & foreground)
{
  Plane label(map.height, map.width);
  std::transform(map.labels.begin(),
                 map.labels.end(),
                 label.pixels.begin(),
                 [&foreground](std::int32_t value)
                 { return foreground[static_cast<std::size_t>(value)] ? 1.0F : 0.0F; });
  return { ToTensor(imaging.Render(random, map)), ToTensor(label) };
}

ImagingOptions
ImagingOptions::Objects()
{
  ImagingOptions options;
  options.minimumContrast = 0.2;
  options.leastDeviation = { 0.005, 0.03 };
  options.greatestDeviation = { 0.05, 0.35 };
  options.subjectDeviation = { 0.005, 0.15 };
  options.biasSpacing = { 40, 160 };
  options.biasDeviation = { 0, 0.5 };
  options.blur = { 0.5, 3.5 };
  return options;
}
} // namespace nn
} // namespace itk
