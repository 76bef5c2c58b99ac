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
#include "itkNNLabelScene.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace itk
{
namespace nn
{
namespace
{
constexpr double pi = 3.14159265358979323846;
constexpr std::size_t outlineSteps = 64;

using Labels = std::vector<std::int32_t>;

/** A place, in units. */
struct Point
{
  double y = 0;
  double x = 0;
};

/** How the outlines of a kind of objects are drawn. */
struct OutlineStyle
{
  RandomRange elongation{ 1, 1 };
  double irregularity = 0; ///< of the radius, of the slowest of a few waves
  std::int64_t sides = 0;  ///< of a polygon; 0 for a smooth outline
  double squareness = 0;   ///< 0 for an ellipse, 1 for a rectangle
};

/** A region around a centre, whose outline is a function of the angle. */
struct Blob
{
  Point centre;
  double radius = 0;
  double elongation = 1;
  double angle = 0;
  /** Relative to the radius; the first one again at the end. */
  std::array<double, outlineSteps + 1> outline{};

  double Reach() const
  {
    return radius * std::sqrt(elongation) * *std::max_element(outline.begin(), outline.end());
  }
};

Blob
DrawBlob(RandomStream & random, const OutlineStyle & style, const Point & centre, double radius, double angle)
{
  Blob blob;
  blob.centre = centre;
  blob.radius = radius;
  blob.elongation = style.elongation.Draw(random);
  blob.angle = angle;
  std::array<double, 4> amplitudes;
  std::array<double, 4> phases;
  for (std::size_t k = 0; k < amplitudes.size(); ++k)
  {
    amplitudes[k] = style.irregularity * random.Normal() / static_cast<double>(k + 1);
    phases[k] = random.Uniform(0, 2 * pi);
  }
  const double turn = random.Uniform(0, 2 * pi);
  for (std::size_t i = 0; i < outlineSteps; ++i)
  {
    const double theta = 2 * pi * static_cast<double>(i) / outlineSteps;
    double r = 1;
    for (std::size_t k = 0; k < amplitudes.size(); ++k)
    {
      r += amplitudes[k] * std::cos(static_cast<double>(k + 2) * theta + phases[k]);
    }
    if (style.sides > 0)
    {
      const double sector = 2 * pi / static_cast<double>(style.sides);
      r *= std::cos(sector / 2) / std::cos(std::fmod(theta + turn, sector) - sector / 2);
    }
    const double rectangle = 0.85 / std::max(std::abs(std::cos(theta)), std::abs(std::sin(theta)));
    r *= 1 + style.squareness * (rectangle - 1);
    blob.outline[i] = std::max(r, 0.25);
  }
  blob.outline[outlineSteps] = blob.outline[0];
  return blob;
}

/** How far out of the blob's centre a place is: 1 at the outline. */
double
Depth(const Blob & blob, double fromY, double fromX)
{
  const double cosine = std::cos(blob.angle);
  const double sine = std::sin(blob.angle);
  const double stretch = std::sqrt(blob.elongation);
  const double along = (cosine * fromX + sine * fromY) / (blob.radius * stretch);
  const double across = (cosine * fromY - sine * fromX) / blob.radius * stretch;
  const double position = (std::atan2(across, along) / (2 * pi) + 0.5) * outlineSteps;
  const auto step = std::min(static_cast<std::size_t>(position), outlineSteps - 1);
  const double part = position - static_cast<double>(step);
  return std::sqrt(along * along + across * across) / ((1 - part) * blob.outline[step] + part * blob.outline[step + 1]);
}

/** Calls a function with each pixel within reach of a place and the distances from it, in units. */
template <typename TFunction>
void
ForPixelsWithin(Canvas & canvas, const Point & centre, double reach, TFunction function)
{
  const double centreY = canvas.originY + centre.y * canvas.unit;
  const double centreX = canvas.originX + centre.x * canvas.unit;
  const auto bound = [&canvas, reach](double middle, double direction, std::int64_t extent)
  {
    const double end = std::floor(middle + direction * reach * canvas.unit + (direction > 0 ? 1 : 0));
    return static_cast<std::int64_t>(std::min(std::max(end, 0.0), static_cast<double>(extent)));
  };
  const std::int64_t bottom = bound(centreY, 1, canvas.map.height);
  const std::int64_t right = bound(centreX, 1, canvas.map.width);
  for (std::int64_t y = bound(centreY, -1, canvas.map.height); y < bottom; ++y)
  {
    std::int32_t * row = canvas.map.Row(y);
    for (std::int64_t x = bound(centreX, -1, canvas.map.width); x < right; ++x)
    {
      function(
        row[x], (static_cast<double>(y) - centreY) / canvas.unit, (static_cast<double>(x) - centreX) / canvas.unit);
    }
  }
}

/** A nested region: up to this depth of the object. */
struct Level
{
  double depth = 1;
  std::int32_t label = 0;
};

/** \param levels from the outermost to the innermost
 * \param shift of all levels but the outermost, in units */
void
PaintBlob(const Blob & blob, const std::vector<Level> & levels, const Point & shift, Canvas & canvas)
{
  ForPixelsWithin(canvas,
                  blob.centre,
                  blob.Reach(),
                  [&](std::int32_t & pixel, double fromY, double fromX)
                  {
                    if (Depth(blob, fromY, fromX) > levels[0].depth)
                    {
                      return;
                    }
                    pixel = levels[0].label;
                    const double inner = levels.size() > 1 ? Depth(blob, fromY - shift.y, fromX - shift.x) : 0;
                    for (std::size_t i = 1; i < levels.size() && inner <= levels[i].depth; ++i)
                    {
                      pixel = levels[i].label;
                    }
                  });
}

void
PaintDisc(const Point & centre, double radius, std::int32_t label, Canvas & canvas)
{
  // Thin ones keep a pixel of width.
  const double reach = std::max(radius, 0.6 / canvas.unit);
  ForPixelsWithin(canvas,
                  centre,
                  reach,
                  [label, reach](std::int32_t & pixel, double fromY, double fromX)
                  {
                    if (fromY * fromY + fromX * fromX <= reach * reach)
                    {
                      pixel = label;
                    }
                  });
}

OutlineStyle
DrawOutlineStyle(RandomStream & random)
{
  OutlineStyle style;
  const double longest = 1 + DrawSkewed(random, 0, 2);
  style.elongation = { std::max(1.0, 0.6 * longest), longest };
  style.irregularity = DrawSkewed(random, 0, 0.2);
  if (random.Chance(0.12))
  {
    style.sides = random.Integer(3, 8);
  }
  else if (random.Chance(0.12))
  {
    style.squareness = random.Uniform(0.5, 1);
  }
  return style;
}

/** \class PerlinScene */
class PerlinScene : public LabelScene
{
public:
  PerlinScene(RandomStream & random, const SyntheticTaskOptions & options)
    : m_Spacings(options.labelSpacings)
    , m_WarpSpacings(options.warpSpacings)
    , m_WarpDeviation(options.warpDeviation.Draw(random))
  {
    const std::int64_t count = random.Integer(options.minimumLabels, options.maximumLabels + 1);
    for (std::int64_t i = 0; i < count; ++i)
    {
      m_Candidates.push_back({ this->AddLabel() });
      for (std::size_t k = 0; k < m_Spacings.size(); ++k)
      {
        m_Amplitudes.push_back(options.labelDeviation.Draw(random));
      }
    }
  }

  void Paint(RandomStream & random, Canvas & canvas) const override
  {
    const std::int64_t height = canvas.map.height;
    const std::int64_t width = canvas.map.width;
    Plane greatest(height, width, std::numeric_limits<float>::lowest());
    auto amplitude = m_Amplitudes.begin();
    for (std::size_t label = 0; label < m_Labels.size(); ++label)
    {
      Plane sum(height, width);
      for (const double spacing : m_Spacings)
      {
        const double knots = std::max(spacing * canvas.unit / 256, 1.0);
        const Plane noise = SmoothNoise(random, height, width, knots, knots);
        const auto factor = static_cast<float>(*amplitude++);
        for (std::size_t i = 0; i < sum.pixels.size(); ++i)
        {
          sum.pixels[i] += factor * noise.pixels[i];
        }
      }
      for (std::size_t i = 0; i < sum.pixels.size(); ++i)
      {
        if (sum.pixels[i] > greatest.pixels[i])
        {
          greatest.pixels[i] = sum.pixels[i];
          canvas.map.labels[i] = static_cast<std::int32_t>(label);
        }
      }
    }
    this->Warp(random, canvas);
  }

private:
  void Warp(RandomStream & random, Canvas & canvas) const
  {
    std::vector<double> spacings;
    for (const double spacing : m_WarpSpacings)
    {
      spacings.push_back(std::max(spacing * canvas.unit / 256, 1.0));
    }
    Deformation::Places places{ Plane(canvas.map.height, canvas.map.width),
                                Plane(canvas.map.height, canvas.map.width) };
    AddDisplacement(random, spacings, ShareDisplacement(spacings, m_WarpDeviation * canvas.unit / 256), places);
    const LabelMap straight = canvas.map;
    for (std::int64_t y = 0; y < straight.height; ++y)
    {
      for (std::int64_t x = 0; x < straight.width; ++x)
      {
        const auto row = static_cast<std::int64_t>(std::lround(static_cast<float>(y) + places.y.Row(y)[x]));
        const auto column = static_cast<std::int64_t>(std::lround(static_cast<float>(x) + places.x.Row(y)[x]));
        canvas.map.Row(y)[x] = straight.Row(std::clamp(
          row, std::int64_t{ 0 }, straight.height - 1))[std::clamp(column, std::int64_t{ 0 }, straight.width - 1)];
      }
    }
  }

  std::vector<double> m_Spacings;
  std::vector<double> m_Amplitudes; ///< of each label's spacings
  std::vector<double> m_WarpSpacings;
  double m_WarpDeviation;
};

/** Objects that are alike. */
struct ObjectClass
{
  OutlineStyle style;
  RandomRange count{ 1, 1 };
  double radius = 0.1;
  double radiusDeviation = 0; ///< of its logarithm
  bool central = false;
  bool aligned = false; ///< all objects point one way
  double angle = 0;
  double gap = 1; ///< least distance of objects, of the sum of their radii
  double innerShift = 0;
  double depthDeviation = 0;   ///< of the logarithm of the inner levels' depths
  std::int64_t leastLobes = 0; ///< of the innermost level, drawn as several regions; below 2 it is one like the object
  std::int64_t mostLobes = 0;
  /** Levels of the variants: objects that differ a little in intensity. */
  std::vector<std::vector<Level>> variants;
};

/** \class ObjectScene */
class ObjectScene : public LabelScene
{
public:
  explicit ObjectScene(RandomStream & random)
    : m_PartSpacing(random.Uniform(0.1, 0.5))
  {
    m_Background.push_back(this->AddLabel());
    const std::int64_t parts = random.Chance(0.5) ? 1 : random.Integer(2, 5);
    for (std::int64_t i = 1; i < parts; ++i)
    {
      m_Background.push_back(this->AddLabel(random.Chance(0.25), random.Chance(0.6) ? 0 : -1));
    }
    const std::int64_t classes = random.Integer(1, 4);
    bool anyMany = false;
    for (std::int64_t i = 0; i < classes; ++i)
    {
      m_Classes.push_back(this->DrawClass(random));
      m_FinestRadius = std::min(m_FinestRadius, m_Classes.back().radius);
      anyMany = anyMany || m_Classes.back().count.high > 6;
    }
    m_PaintedAnew = anyMany || random.Chance(0.6);
  }

  void Paint(RandomStream & random, Canvas & canvas) const override
  {
    if (m_Background.size() > 1)
    {
      PaintParts(random, m_Background, m_PartSpacing, canvas);
    }
    std::vector<Blob> placed;
    for (const auto & objects : m_Classes)
    {
      const auto count = static_cast<std::int64_t>(std::floor(objects.count.Draw(random) + 0.5));
      for (std::int64_t i = 0; i < count; ++i)
      {
        this->PaintObject(random, objects, placed, canvas);
      }
    }
  }

private:
  ObjectClass DrawClass(RandomStream & random)
  {
    ObjectClass objects;
    const double kind = random.Uniform();
    objects.style = DrawOutlineStyle(random);
    if (kind < 0.35)
    {
      objects.radius = random.Uniform(0.08, 0.4);
      objects.central = random.Chance(0.6);
    }
    else if (kind < 0.6)
    {
      objects.radius = random.Uniform(0.04, 0.13);
      objects.count = { 1.6, random.Uniform(2.5, 6.4) };
    }
    else
    {
      objects.radius = DrawSkewed(random, 0.022, 0.09);
      const double most = std::min(0.45 / (pi * objects.radius * objects.radius), 90.0);
      const double typical = random.Uniform(0.2, 0.8) * most;
      objects.count = { std::max(0.6 * typical, 1.6), 1.25 * typical + 1 };
    }
    objects.radiusDeviation = DrawSkewed(random, 0.03, 0.4);
    objects.aligned = random.Chance(0.2);
    objects.angle = random.Uniform(0, 2 * pi);
    objects.gap = random.Chance(0.3) ? 0.7 : random.Uniform(0.95, 1.4);
    this->AddLevels(random, objects);
    return objects;
  }

  void AddLevels(RandomStream & random, ObjectClass & objects)
  {
    // The smallest objects have no room for regions in them, large ones mostly have some.
    const bool plain = objects.radius < 0.035 || random.Chance(objects.radius < 0.15 ? 0.5 : 0.25);
    const std::int64_t levels = plain ? 1 : random.Integer(2, 4);
    const std::int64_t variants = random.Chance(0.5) ? 1 : random.Integer(2, 4);
    const bool distractor = random.Chance(0.3);
    objects.innerShift = DrawSkewed(random, 0, 0.3);
    // Objects of one kind whose inner regions differ much, as the nuclei of blood cells do.
    const bool varied = levels > 1 && random.Chance(0.5);
    objects.depthDeviation = varied ? random.Uniform(0.05, 0.35) : 0;
    if (levels > 1 && random.Chance(0.4))
    {
      objects.mostLobes = random.Integer(2, 5);
      objects.leastLobes = varied ? random.Integer(1, 3) : objects.mostLobes;
    }
    std::vector<double> depths{ 1 };
    for (std::int64_t i = 1; i < levels; ++i)
    {
      depths.push_back(depths.back() * random.Uniform(0.45, 0.85));
    }
    for (std::int64_t variant = 0; variant < variants; ++variant)
    {
      objects.variants.emplace_back();
      for (std::size_t i = 0; i < depths.size(); ++i)
      {
        const std::int32_t like = variant > 0 ? objects.variants[0][i].label : -1;
        objects.variants.back().push_back({ depths[i], this->AddLabel(distractor, like) });
      }
    }
    // From the whole object to its innermost level, and the outermost level alone.
    for (std::size_t first = 0; first < depths.size(); ++first)
    {
      m_Candidates.push_back(this->LabelsOfLevels(objects, first, depths.size()));
    }
    if (depths.size() > 1)
    {
      m_Candidates.push_back(this->LabelsOfLevels(objects, 0, 1));
    }
  }

  static Labels LabelsOfLevels(const ObjectClass & objects, std::size_t first, std::size_t last)
  {
    Labels labels;
    for (const auto & levels : objects.variants)
    {
      for (std::size_t i = first; i < last; ++i)
      {
        labels.push_back(levels[i].label);
      }
    }
    return labels;
  }

  static Point DrawPlace(RandomStream & random, const ObjectClass & objects, const Canvas & canvas)
  {
    if (objects.central)
    {
      return { canvas.viewHeight * (0.5 + 0.1 * random.Normal()), canvas.viewWidth * (0.5 + 0.1 * random.Normal()) };
    }
    // A single one stays well inside, many go on beyond the border.
    const double margin = objects.count.high > 6 ? -0.08 : 0.12;
    return { random.Uniform(margin, canvas.viewHeight - margin), random.Uniform(margin, canvas.viewWidth - margin) };
  }

  static bool IsFree(const Point & place, double radius, double gap, const std::vector<Blob> & placed)
  {
    return std::none_of(placed.begin(),
                        placed.end(),
                        [&](const Blob & other)
                        {
                          const double y = place.y - other.centre.y;
                          const double x = place.x - other.centre.x;
                          const double least = gap * (radius + other.radius);
                          return y * y + x * x < least * least;
                        });
  }

  /** The levels of one of the variants as a single object has them. */
  static std::vector<Level> DrawObjectLevels(RandomStream & random, const ObjectClass & objects)
  {
    std::vector<Level> levels = objects.variants[random.Index(objects.variants.size())];
    for (std::size_t i = 1; objects.depthDeviation > 0 && i < levels.size(); ++i)
    {
      const double depth = levels[i].depth * std::exp(objects.depthDeviation * random.Normal());
      levels[i].depth = std::clamp(depth, 0.2 * levels[i - 1].depth, 0.95 * levels[i - 1].depth);
    }
    return levels;
  }

  void PaintObject(RandomStream & random,
                   const ObjectClass & objects,
                   std::vector<Blob> & placed,
                   Canvas & canvas) const
  {
    const double radius = objects.radius * std::exp(objects.radiusDeviation * random.Normal());
    Point place = DrawPlace(random, objects, canvas);
    int attempt = 0;
    for (; attempt < 12 && !IsFree(place, radius, objects.gap, placed); ++attempt)
    {
      place = DrawPlace(random, objects, canvas);
    }
    if (attempt == 12)
    {
      return;
    }
    const double angle = objects.aligned ? objects.angle + 0.15 * random.Normal() : random.Uniform(0, 2 * pi);
    placed.push_back(DrawBlob(random, objects.style, place, radius, angle));
    const Blob & blob = placed.back();
    const std::vector<Level> levels = DrawObjectLevels(random, objects);
    const Level innermost = levels.back();
    const std::int64_t lobes = random.Integer(objects.leastLobes, objects.mostLobes + 1);
    const double slack = levels.size() > 1 ? objects.innerShift * (1 - levels[1].depth) * radius : 0;
    const double direction = random.Uniform(0, 2 * pi);
    const Point shift{ slack * std::sin(direction), slack * std::cos(direction) };
    if (lobes < 2)
    {
      PaintBlob(blob, levels, shift, canvas);
      return;
    }
    PaintBlob(blob, { levels.begin(), levels.end() - 1 }, shift, canvas);
    for (std::int64_t i = 0; i < lobes; ++i)
    {
      const double turn =
        angle + 2 * pi * (static_cast<double>(i) + random.Uniform(-0.3, 0.3)) / static_cast<double>(lobes + 1);
      const double away = 0.55 * innermost.depth * radius;
      const Point centre{ place.y + shift.y + away * std::sin(turn), place.x + shift.x + away * std::cos(turn) };
      OutlineStyle round;
      round.elongation = { 1, 1.6 };
      round.irregularity = 0.06;
      PaintBlob(
        DrawBlob(random, round, centre, 0.55 * innermost.depth * radius, turn), { { 1, innermost.label } }, {}, canvas);
    }
  }

  Labels m_Background;
  double m_PartSpacing;
  std::vector<ObjectClass> m_Classes;
};

/** Tubes that are alike. */
struct TubeClass
{
  RandomRange roots{ 1, 1 };
  double radius = 0.01;
  double length = 1; ///< of a root's tube
  double tortuosity = 1;
  double branching = 0; ///< branches a unit of length
  double taper = 0;     ///< of the radius, a unit of length
  std::int32_t label = 0;
  std::int32_t lumen = -1; ///< label of the inner part; -1 for none
};

/** A disc of a tube's way. */
struct TubePiece
{
  Point centre;
  double radius = 0;
};

/** \class TubeScene */
class TubeScene : public LabelScene
{
public:
  explicit TubeScene(RandomStream & random)
    : m_PartSpacing(random.Uniform(0.15, 0.5))
    , m_ViewRadius(random.Uniform(0.42, 0.52))
    , m_HubRadius(random.Uniform(0.04, 0.09))
  {
    m_Background.push_back(this->AddLabel());
    const std::int64_t parts = random.Chance(0.5) ? 1 : random.Integer(2, 4);
    for (std::int64_t i = 1; i < parts; ++i)
    {
      m_Background.push_back(this->AddLabel(false, random.Chance(0.7) ? 0 : -1));
    }
    m_Outside = random.Chance(0.25) ? this->AddLabel(true) : -1;
    m_Hub = random.Chance(0.3) ? this->AddLabel(true) : -1;
    m_FromHub = m_Hub >= 0 || random.Chance(0.15);
    m_FromBorder = random.Chance(0.6);
    const std::int64_t classes = random.Chance(0.65) ? 1 : 2;
    for (std::int64_t i = 0; i < classes; ++i)
    {
      m_Classes.push_back(this->DrawClass(random));
      m_FinestRadius = std::min(m_FinestRadius, m_Classes.back().radius);
    }
    Labels all;
    for (const auto & tubes : m_Classes)
    {
      Labels own{ tubes.label };
      if (tubes.lumen >= 0)
      {
        m_Candidates.push_back({ tubes.lumen });
        own.push_back(tubes.lumen);
      }
      m_Candidates.push_back(own);
      all.insert(all.end(), own.begin(), own.end());
    }
    if (classes > 1)
    {
      m_Candidates.push_back(all);
    }
    m_PaintedAnew = random.Chance(0.75);
  }

  void Paint(RandomStream & random, Canvas & canvas) const override
  {
    if (m_Background.size() > 1)
    {
      PaintParts(random, m_Background, m_PartSpacing, canvas);
    }
    const Point hub{ canvas.viewHeight * (0.5 + 0.1 * random.Normal()),
                     canvas.viewWidth * (0.5 + 0.2 * random.Normal()) };
    if (m_Hub >= 0)
    {
      PaintDisc(hub, m_HubRadius, m_Hub, canvas);
    }
    for (const auto & tubes : m_Classes)
    {
      std::vector<TubePiece> pieces;
      const auto roots = static_cast<std::int64_t>(std::floor(tubes.roots.Draw(random) + 0.5));
      for (std::int64_t i = 0; i < roots; ++i)
      {
        this->Grow(random, tubes, this->DrawRoot(random, tubes, hub, canvas), canvas, pieces);
      }
      for (const auto & piece : pieces)
      {
        PaintDisc(piece.centre, piece.radius, tubes.label, canvas);
      }
      for (std::size_t i = 0; tubes.lumen >= 0 && i < pieces.size(); ++i)
      {
        PaintDisc(pieces[i].centre, 0.6 * pieces[i].radius, tubes.lumen, canvas);
      }
    }
    this->PaintOutside(canvas);
  }

private:
  struct Tip
  {
    Point place;
    double angle = 0;
    double radius = 0;
    double length = 0;
  };

  TubeClass DrawClass(RandomStream & random)
  {
    TubeClass tubes;
    const bool thick = random.Chance(0.3);
    tubes.radius = thick ? random.Uniform(0.02, 0.06) : DrawSkewed(random, 0.005, 0.02);
    const double roots = thick ? random.Uniform(1, 3) : random.Uniform(1, 8);
    tubes.roots = { std::max(0.7 * roots, 0.6), 1.2 * roots };
    tubes.length = random.Uniform(0.6, 1.6);
    tubes.tortuosity = DrawSkewed(random, 0.3, 6);
    tubes.branching = random.Chance(0.3) ? 0 : random.Uniform(1, 6);
    tubes.taper = random.Uniform(0, 0.8);
    tubes.label = this->AddLabel(random.Chance(0.2));
    tubes.lumen = thick && random.Chance(0.5) ? this->AddLabel() : -1;
    return tubes;
  }

  Tip DrawRoot(RandomStream & random, const TubeClass & tubes, const Point & hub, const Canvas & canvas) const
  {
    Tip tip;
    tip.radius = tubes.radius * random.Uniform(0.7, 1.2);
    tip.length = tubes.length * random.Uniform(0.6, 1.2);
    tip.angle = random.Uniform(0, 2 * pi);
    tip.place = { random.Uniform(0, canvas.viewHeight), random.Uniform(0, canvas.viewWidth) };
    if (m_FromHub)
    {
      tip.place = hub;
    }
    else if (m_FromBorder)
    {
      const Point target{ canvas.viewHeight * random.Uniform(0.3, 0.7), canvas.viewWidth * random.Uniform(0.3, 0.7) };
      (random.Chance(0.5) ? tip.place.y : tip.place.x) = random.Chance(0.5) ? -0.02 : canvas.viewWidth + 0.02;
      tip.angle = std::atan2(target.y - tip.place.y, target.x - tip.place.x);
    }
    return tip;
  }

  static void Grow(RandomStream & random,
                   const TubeClass & tubes,
                   const Tip & root,
                   const Canvas & canvas,
                   std::vector<TubePiece> & pieces)
  {
    constexpr std::size_t mostPieces = 6000;
    const double thinnest = std::max(0.25 * tubes.radius, 0.002);
    std::vector<Tip> tips{ root };
    while (!tips.empty() && pieces.size() < mostPieces)
    {
      Tip tip = tips.back();
      tips.pop_back();
      double curvature = tubes.tortuosity * random.Normal();
      while (tip.length > 0 && tip.radius > thinnest && pieces.size() < mostPieces && IsNear(tip.place, canvas))
      {
        pieces.push_back({ tip.place, tip.radius });
        const double step = std::max(0.6 * tip.radius, 0.7 / canvas.unit);
        // The curvature forgets itself along about a fifth of a unit.
        curvature += -5 * step * curvature + tubes.tortuosity * std::sqrt(10 * step) * random.Normal();
        tip.angle += curvature * step;
        tip.place.y += step * std::sin(tip.angle);
        tip.place.x += step * std::cos(tip.angle);
        tip.radius *= 1 - tubes.taper * step;
        tip.length -= step;
        if (random.Chance(tubes.branching * step))
        {
          const double side = random.Chance(0.5) ? 1 : -1;
          tips.push_back({ tip.place,
                           tip.angle + side * random.Uniform(0.3, 1.1),
                           tip.radius * random.Uniform(0.5, 0.9),
                           tip.length * random.Uniform(0.5, 1) });
          tip.angle -= side * random.Uniform(0, 0.3);
          tip.radius *= 0.93;
        }
      }
    }
  }

  static bool IsNear(const Point & place, const Canvas & canvas)
  {
    constexpr double margin = 0.15;
    return place.y > -margin && place.x > -margin && place.y < canvas.viewHeight + margin &&
           place.x < canvas.viewWidth + margin;
  }

  /** A round field of view. */
  void PaintOutside(Canvas & canvas) const
  {
    if (m_Outside < 0)
    {
      return;
    }
    const Point centre{ canvas.viewHeight / 2, canvas.viewWidth / 2 };
    ForPixelsWithin(canvas,
                    centre,
                    10,
                    [this](std::int32_t & pixel, double fromY, double fromX)
                    {
                      if (fromY * fromY + fromX * fromX > m_ViewRadius * m_ViewRadius)
                      {
                        pixel = m_Outside;
                      }
                    });
  }

  Labels m_Background;
  double m_PartSpacing;
  double m_ViewRadius;
  double m_HubRadius;
  std::int32_t m_Outside = -1;
  std::int32_t m_Hub = -1;
  bool m_FromHub = false;
  bool m_FromBorder = false;
  std::vector<TubeClass> m_Classes;
};

/** \class SectionScene */
class SectionScene : public LabelScene
{
public:
  explicit SectionScene(RandomStream & random)
    : m_BodyRadius(random.Chance(0.3) ? random.Uniform(0.6, 0.8) : random.Uniform(0.33, 0.46))
  {
    this->AddLabel();
    m_BodyStyle.elongation = { 1, 1.5 };
    m_BodyStyle.irregularity = random.Uniform(0.01, 0.05);
    double depth = 1;
    Labels body;
    const std::int64_t shells = random.Integer(1, 4);
    for (std::int64_t i = 0; i < shells; ++i)
    {
      m_Body.push_back({ depth, this->AddLabel(random.Chance(0.2)) });
      depth *= random.Uniform(0.8, 0.95);
      body.push_back(m_Body.back().label);
    }
    if (shells > 1)
    {
      m_Candidates.push_back({ body.back() });
      m_Candidates.push_back({ body[static_cast<std::size_t>(random.Integer(0, shells))] });
    }
    this->AddRibs(random);
    const std::int64_t organs = random.Integer(3, 10);
    for (std::int64_t i = 0; i < organs; ++i)
    {
      this->AddOrgan(random);
    }
  }

  void Paint(RandomStream & random, Canvas & canvas) const override
  {
    const Point middle{ canvas.viewHeight / 2, canvas.viewWidth / 2 };
    PaintBlob(DrawBlob(random, m_BodyStyle, middle, m_BodyRadius, 0), m_Body, {}, canvas);
    for (const auto & organ : m_Organs)
    {
      const Blob blob = DrawBlob(random,
                                 organ.style,
                                 { middle.y + organ.place.y * m_BodyRadius, middle.x + organ.place.x * m_BodyRadius },
                                 organ.radius * m_BodyRadius,
                                 organ.angle);
      PaintBlob(blob, organ.levels, {}, canvas);
      if (organ.mirrored)
      {
        // The same outline from the other side.
        Blob twin = blob;
        twin.centre.x = 2 * middle.x - blob.centre.x;
        twin.angle = -blob.angle;
        std::reverse(twin.outline.begin(), twin.outline.end());
        PaintBlob(twin, organ.mirrorLevels, {}, canvas);
      }
    }
  }

private:
  struct Organ
  {
    OutlineStyle style;
    Point place; ///< from the body's middle, of its radius
    double radius = 0;
    double angle = 0;
    std::vector<Level> levels;
    bool mirrored = false;
    std::vector<Level> mirrorLevels;
  };

  void AddRibs(RandomStream & random)
  {
    const std::int64_t count = random.Chance(0.4) ? random.Integer(6, 15) : 0;
    const std::int32_t label = count > 0 ? this->AddLabel(random.Chance(0.2)) : 0;
    for (std::int64_t i = 0; i < count; ++i)
    {
      const double turn = 2 * pi * static_cast<double>(i) / static_cast<double>(count);
      Organ rib;
      rib.style.elongation = { 1, 2.5 };
      rib.place = { 0.75 * std::sin(turn), 0.8 * std::cos(turn) };
      rib.radius = 0.06;
      rib.angle = turn + pi / 2;
      rib.levels = { { 1, label } };
      m_Organs.push_back(rib);
    }
    if (count > 0)
    {
      m_Candidates.push_back({ label });
    }
  }

  std::vector<Level> DrawLevels(RandomStream & random, std::int64_t count)
  {
    std::vector<Level> levels;
    Labels labels;
    double depth = 1;
    for (std::int64_t i = 0; i < count; ++i)
    {
      levels.push_back({ depth, this->AddLabel(random.Chance(0.3)) });
      depth *= random.Uniform(0.5, 0.8);
      labels.push_back(levels.back().label);
      m_Candidates.push_back({ labels.back() });
    }
    if (count > 1)
    {
      m_Candidates.push_back(labels);
    }
    return levels;
  }

  void AddOrgan(RandomStream & random)
  {
    Organ organ;
    const double turn = random.Uniform(0, 2 * pi);
    const double away = random.Uniform(0, 0.65);
    organ.style = DrawOutlineStyle(random);
    organ.style.sides = 0;
    organ.place = { away * std::sin(turn), away * std::cos(turn) };
    organ.radius = random.Uniform(0.08, 0.36);
    organ.angle = random.Uniform(0, 2 * pi);
    organ.levels = this->DrawLevels(random, random.Chance(0.3) ? 2 : 1);
    organ.mirrored = std::abs(organ.place.x) > 0.25 && random.Chance(0.6);
    organ.mirrorLevels = organ.levels;
    if (organ.mirrored && random.Chance(0.4))
    {
      // Left and right are labels of their own that look alike.
      for (auto & level : organ.mirrorLevels)
      {
        level.label = this->AddLabel(true, level.label);
      }
      m_Candidates.push_back({ organ.levels[0].label, organ.mirrorLevels[0].label });
    }
    m_Organs.push_back(organ);
  }

  OutlineStyle m_BodyStyle;
  double m_BodyRadius;
  std::vector<Level> m_Body;
  std::vector<Organ> m_Organs;
};

/** \class LayerScene */
class LayerScene : public LabelScene
{
public:
  explicit LayerScene(RandomStream & random)
    : m_Angle(random.Chance(0.6) ? random.Uniform(-0.2, 0.2) : random.Uniform(0, 2 * pi))
    , m_Curvature(random.Chance(0.5) ? random.Uniform(-0.8, 0.8) : 0)
    , m_CommonDeviation(random.Uniform(0.01, 0.06))
    , m_OwnDeviation(DrawSkewed(random, 0.02, 0.35))
    , m_Spacing(random.Uniform(0.12, 0.5))
    , m_Spots(random.Chance(0.4) ? random.Integer(1, 12) : 0)
    , m_SpotRadius(random.Uniform(0.012, 0.05))
  {
    const std::int64_t count = random.Integer(3, 9);
    double sum = 0;
    for (std::int64_t i = 0; i < count; ++i)
    {
      m_Thickness.push_back(random.Uniform(0.2, 1));
      sum += m_Thickness.back();
      m_Candidates.push_back({ this->AddLabel(random.Chance(i % 2 == 0 ? 0.3 : 0)) });
    }
    const std::int64_t first = random.Integer(0, count - 1);
    m_Candidates.push_back({ static_cast<std::int32_t>(first), static_cast<std::int32_t>(first + 1) });
    m_Spot = this->AddLabel(true);
    const double covered = random.Uniform(0.5, 1.2);
    for (double & thickness : m_Thickness)
    {
      thickness *= covered / sum;
    }
    m_Begin = 0.5 - covered / 2;
    m_PaintedAnew = random.Chance(0.6);
  }

  void Paint(RandomStream & random, Canvas & canvas) const override
  {
    const std::vector<Plane> ends = this->DrawEnds(random, canvas.unit);
    const double cosine = std::cos(m_Angle);
    const double sine = std::sin(m_Angle);
    const Point middle{ canvas.viewHeight / 2, canvas.viewWidth / 2 };
    ForPixelsWithin(canvas,
                    middle,
                    10,
                    [&](std::int32_t & pixel, double fromY, double fromX)
                    {
                      const double along = cosine * fromX + sine * fromY;
                      const double across = cosine * fromY - sine * fromX + 0.5 + m_Curvature * along * along;
                      const auto last = static_cast<double>(ends[0].width - 1);
                      const auto i = static_cast<std::size_t>(std::clamp((along + lineReach) * canvas.unit, 0.0, last));
                      pixel = 0;
                      for (const auto & end : ends)
                      {
                        pixel += across > end.pixels[i] ? 1 : 0;
                      }
                    });
    for (std::int64_t i = 0; i < m_Spots; ++i)
    {
      const Point place{ random.Uniform(0, canvas.viewHeight), random.Uniform(0, canvas.viewWidth) };
      OutlineStyle style;
      style.irregularity = 0.15;
      PaintBlob(DrawBlob(random, style, place, m_SpotRadius * std::exp(0.3 * random.Normal()), 0),
                { { 1, m_Spot } },
                {},
                canvas);
    }
  }

private:
  static constexpr double lineReach = 1.5; ///< of the boundaries to both sides, in units

  /** Where each layer but the last one ends, along the layers. */
  std::vector<Plane> DrawEnds(RandomStream & random, double unit) const
  {
    const auto length = static_cast<std::int64_t>(std::ceil(2 * lineReach * unit));
    const double knots = std::max(m_Spacing * unit, 1.0);
    const double shift = m_Begin + 0.04 * random.Normal();
    const Plane common = SmoothNoise(random, 1, length, 1, 1.5 * knots);
    Plane end(1, length);
    for (std::size_t i = 0; i < end.pixels.size(); ++i)
    {
      end.pixels[i] = static_cast<float>(shift + m_CommonDeviation * common.pixels[i]);
    }
    std::vector<Plane> ends;
    for (std::size_t layer = 0; layer + 1 < m_Thickness.size(); ++layer)
    {
      const Plane own = SmoothNoise(random, 1, length, 1, knots);
      const double thickness = m_Thickness[layer] * std::exp(0.1 * random.Normal());
      for (std::size_t i = 0; i < end.pixels.size(); ++i)
      {
        end.pixels[i] += static_cast<float>(thickness * std::exp(m_OwnDeviation * own.pixels[i]));
      }
      ends.push_back(end);
    }
    return ends;
  }

  double m_Angle;
  double m_Curvature;
  double m_CommonDeviation;
  double m_OwnDeviation;
  double m_Spacing;
  std::int64_t m_Spots;
  double m_SpotRadius;
  std::int32_t m_Spot = 0;
  double m_Begin = 0;
  std::vector<double> m_Thickness;
};
} // namespace

Canvas::Canvas(std::int64_t height, std::int64_t width, double pixels, double margin)
  : detail(pixels)
{
  const auto marginY = static_cast<std::int64_t>(std::ceil(margin * detail * static_cast<double>(height)));
  const auto marginX = static_cast<std::int64_t>(std::ceil(margin * detail * static_cast<double>(width)));
  const double root = std::sqrt(static_cast<double>(height * width));
  map = LabelMap(static_cast<std::int64_t>(std::ceil(detail * static_cast<double>(height))) + 2 * marginY,
                 static_cast<std::int64_t>(std::ceil(detail * static_cast<double>(width))) + 2 * marginX);
  unit = detail * root;
  originY = static_cast<double>(marginY);
  originX = static_cast<double>(marginX);
  viewHeight = static_cast<double>(height) / root;
  viewWidth = static_cast<double>(width) / root;
}

LabelMap
Canvas::Look(const Deformation::Places & places) const
{
  LabelMap view(places.y.height, places.y.width);
  const auto index = [this](float place, double origin, std::int64_t extent)
  {
    const double position = std::floor(origin + detail * place + 0.5);
    return static_cast<std::int64_t>(std::clamp(position, 0.0, static_cast<double>(extent - 1)));
  };
  for (std::size_t i = 0; i < view.labels.size(); ++i)
  {
    const std::int64_t y = index(places.y.pixels[i], originY, map.height);
    const std::int64_t x = index(places.x.pixels[i], originX, map.width);
    view.labels[i] = map.Row(y)[x];
  }
  return view;
}

LabelScene::~LabelScene() = default;

std::int32_t
LabelScene::AddLabel(bool mayResemble, std::int32_t likeLabel)
{
  LabelTraits traits;
  traits.likeLabel = likeLabel;
  traits.mayResemble = mayResemble;
  m_Labels.push_back(traits);
  return static_cast<std::int32_t>(m_Labels.size() - 1);
}

std::unique_ptr<LabelScene>
MakePerlinScene(RandomStream & random, const SyntheticTaskOptions & options)
{
  return std::make_unique<PerlinScene>(random, options);
}

std::unique_ptr<LabelScene>
MakeObjectScene(RandomStream & random)
{
  return std::make_unique<ObjectScene>(random);
}

std::unique_ptr<LabelScene>
MakeTubeScene(RandomStream & random)
{
  return std::make_unique<TubeScene>(random);
}

std::unique_ptr<LabelScene>
MakeSectionScene(RandomStream & random)
{
  return std::make_unique<SectionScene>(random);
}

std::unique_ptr<LabelScene>
MakeLayerScene(RandomStream & random)
{
  return std::make_unique<LayerScene>(random);
}

void
PaintParts(RandomStream & random, const std::vector<std::int32_t> & labels, double spacing, Canvas & canvas)
{
  const double knots = std::max(spacing * canvas.unit, 1.0);
  Plane greatest(canvas.map.height, canvas.map.width, std::numeric_limits<float>::lowest());
  const std::vector<std::int32_t> before = canvas.map.labels;
  for (const std::int32_t label : labels)
  {
    const Plane noise = SmoothNoise(random, canvas.map.height, canvas.map.width, knots, knots);
    for (std::size_t i = 0; i < noise.pixels.size(); ++i)
    {
      if (before[i] == 0 && noise.pixels[i] > greatest.pixels[i])
      {
        greatest.pixels[i] = noise.pixels[i];
        canvas.map.labels[i] = label;
      }
    }
  }
}
} // namespace nn
} // namespace itk
