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
#include "itkNNSyntheticTasks.h"

#include "itkNNError.h"
#include "itkNNLabelScene.h"

#include <algorithm>
#include <array>
#include <numeric>

namespace itk
{
namespace nn
{
namespace
{
constexpr int sceneAttempts = 50;

enum class Family
{
  Perlin,
  Objects,
  Tubes,
  Section,
  Layers
};

/** The scenes of a family and how they are shown. */
struct FamilyTraits
{
  Family family;
  const char * name;
  double weight;
};

std::array<FamilyTraits, 5>
ListFamilies(const SyntheticTaskOptions & options)
{
  return { { { Family::Perlin, "Perlin-style labels", options.perlinWeight },
             { Family::Objects, "objects", options.objectWeight },
             { Family::Tubes, "tubes", options.tubeWeight },
             { Family::Section, "section", options.anatomyWeight * 2 / 3 },
             { Family::Layers, "layers", options.anatomyWeight / 3 } } };
}

FamilyTraits
DrawFamily(RandomStream & random, const SyntheticTaskOptions & options)
{
  const auto families = ListFamilies(options);
  std::vector<double> weights;
  for (const auto & traits : families)
  {
    weights.push_back(traits.weight);
  }
  return families[random.Weighted(weights)];
}

std::unique_ptr<LabelScene>
MakeScene(RandomStream & random, Family family, const SyntheticTaskOptions & options)
{
  switch (family)
  {
    case Family::Perlin:
      return MakePerlinScene(random, options);
    case Family::Objects:
      return MakeObjectScene(random);
    case Family::Tubes:
      return MakeTubeScene(random);
    case Family::Section:
      return MakeSectionScene(random);
    case Family::Layers:
      return MakeLayerScene(random);
  }
  itkNNThrowMacro("A family of scenes is " << static_cast<int>(family) << "; there is none of that number");
}

/** The scene as each of the subjects has it. */
std::vector<LabelMap>
DrawSubjects(RandomStream & random,
             const LabelScene & scene,
             const DeformationOptions & options,
             const TaskRequest & request)
{
  // Beyond the view there is what rotation and translation bring in.
  constexpr double margin = 0.25;
  constexpr double detail = 1.5;
  const Deformation deformation(random, options, LengthScale(request.height, request.width));
  Canvas canvas(request.height, request.width, detail, margin);
  if (!scene.IsPaintedAnew())
  {
    scene.Paint(random, canvas);
  }
  std::vector<LabelMap> maps;
  for (std::int64_t i = 0; i < request.examples; ++i)
  {
    if (scene.IsPaintedAnew())
    {
      Canvas own(request.height, request.width, 1, 0);
      scene.Paint(random, own);
      maps.push_back(std::move(own.map));
    }
    else
    {
      maps.push_back(canvas.Look(deformation.Draw(random, request.height, request.width)));
    }
  }
  return maps;
}

std::vector<bool>
ToFlags(const std::vector<std::int32_t> & labels, std::size_t count)
{
  std::vector<bool> flags(count, false);
  for (const std::int32_t label : labels)
  {
    flags[static_cast<std::size_t>(label)] = true;
  }
  return flags;
}

/** Whether the foreground's mean area is within the limits and no subject is without it. */
bool
IsForeground(const std::vector<LabelMap> & maps, const std::vector<bool> & flags, const SyntheticTaskOptions & options)
{
  double sum = 0;
  for (const auto & map : maps)
  {
    const double area = ForegroundArea(map, flags);
    if (area < 0.25 * options.minimumArea || area <= 0)
    {
      return false;
    }
    sum += area;
  }
  const double mean = sum / static_cast<double>(maps.size());
  return mean >= options.minimumArea && mean <= options.maximumArea;
}

/** Labels to be found; empty when there are none of a good area. */
std::vector<bool>
DrawForeground(RandomStream & random,
               const LabelScene & scene,
               bool unite,
               const std::vector<LabelMap> & maps,
               const SyntheticTaskOptions & options)
{
  const auto & candidates = scene.GetCandidates();
  const auto count = static_cast<std::int64_t>(candidates.size());
  const std::size_t labels = scene.GetLabels().size();
  std::vector<std::int32_t> chosen;
  std::vector<bool> foreground;
  std::int64_t wanted = unite ? random.Integer(2, 4) : 1;
  for (const std::int64_t i : random.Choose(count, count))
  {
    std::vector<std::int32_t> tried = chosen;
    const auto & added = candidates[static_cast<std::size_t>(i)];
    tried.insert(tried.end(), added.begin(), added.end());
    const std::vector<bool> flags = ToFlags(tried, labels);
    if (IsForeground(maps, ToFlags(added, labels), options) && IsForeground(maps, flags, options))
    {
      chosen = tried;
      foreground = flags;
      if (--wanted == 0)
      {
        break;
      }
    }
  }
  return foreground;
}

void
Check(const SyntheticTaskOptions & options)
{
  RequireValue("the weight of Perlin-style labels", options.perlinWeight, 0, 1e9);
  RequireValue("the weight of objects", options.objectWeight, 0, 1e9);
  RequireValue("the weight of tubes", options.tubeWeight, 0, 1e9);
  RequireValue("the weight of anatomy", options.anatomyWeight, 0, 1e9);
  itkNNRequireMacro(options.perlinWeight + options.objectWeight + options.tubeWeight + options.anatomyWeight > 0,
                    "The weights of all kinds of synthetic tasks are 0; one should be above");
  itkNNRequireMacro(
    options.minimumLabels >= 2 && options.minimumLabels <= options.maximumLabels && options.maximumLabels <= 1000,
    "The numbers of Perlin-style labels are " << options.minimumLabels << " to " << options.maximumLabels
                                              << "; they should ascend within [2, 1000]");
  CheckSpacings("label spacings", options.labelSpacings);
  RequireRange("the label deviation", options.labelDeviation, 1e-6, 1e6);
  CheckSpacings("warp spacings", options.warpSpacings);
  RequireRange("the warp deviation", options.warpDeviation, 0, 1e3);
  RequireValue("the probability of united labels", options.unionProbability, 0, 1);
  RequireValue("the minimum area", options.minimumArea, 0, 1);
  RequireValue("the maximum area", options.maximumArea, options.minimumArea, 1);
  CheckOptions("deformation", options.deformation);
  CheckOptions("object deformation", options.objectDeformation);
  CheckOptions("imaging", options.imaging);
  CheckOptions("object imaging", options.objectImaging);
}
} // namespace

SyntheticTaskSource::SyntheticTaskSource(SyntheticTaskOptions options)
  : m_Options(std::move(options))
{
  Check(m_Options);
}

SyntheticTaskSource::~SyntheticTaskSource() = default;

std::string
SyntheticTaskSource::GetName() const
{
  return "synthetic shapes";
}

TrainingTask
SyntheticTaskSource::Sample(RandomStream & random, const TaskRequest & request) const
{
  CheckRequest(this->GetName(), request);
  const double lengthScale = LengthScale(request.height, request.width);
  for (int attempt = 0; attempt < sceneAttempts; ++attempt)
  {
    const FamilyTraits traits = DrawFamily(random, m_Options);
    const bool perlin = traits.family == Family::Perlin;
    const auto scene = MakeScene(random, traits.family, m_Options);
    const std::vector<LabelMap> maps =
      DrawSubjects(random, *scene, perlin ? m_Options.deformation : m_Options.objectDeformation, request);
    const bool unite = perlin && random.Chance(m_Options.unionProbability);
    const std::vector<bool> foreground = DrawForeground(random, *scene, unite, maps, m_Options);
    if (foreground.empty())
    {
      continue;
    }
    const Imaging imaging(random,
                          perlin ? m_Options.imaging : m_Options.objectImaging,
                          scene->GetLabels(),
                          foreground,
                          lengthScale,
                          // More would hide what is to be found.
                          0.7 * std::max(scene->GetFinestRadius() * 256 * lengthScale, 1.0));
    TrainingTask task;
    task.name = this->GetName() + ": " + traits.name;
    for (const auto & map : maps)
    {
      task.examples.push_back(MakeExample(random, imaging, map, foreground));
    }
    return task;
  }
  itkNNThrowMacro("No foreground of " << sceneAttempts << " synthetic scenes has a mean area within ["
                                      << m_Options.minimumArea << ", " << m_Options.maximumArea
                                      << "] of the image in all " << request.examples << " examples");
}
} // namespace nn
} // namespace itk
