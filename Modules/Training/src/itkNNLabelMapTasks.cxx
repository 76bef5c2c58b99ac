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
#include "itkNNError.h"
#include "itkNNLabelScene.h"
#include "itkNNSyntheticTasks.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

namespace itk
{
namespace nn
{
namespace
{
constexpr int taskAttempts = 50;

/** Labels of a volume in few bytes: numbers of the labels that occur. */
struct CompactVolume
{
  Shape shape;
  std::vector<std::int32_t> labels; ///< ascending, 0 first
  std::vector<std::uint8_t> voxels; ///< numbers of labels
};

CompactVolume
MakeCompact(const Tensor & tensor, std::size_t number)
{
  const DataType type = tensor.GetDataType();
  itkNNRequireMacro(tensor.GetRank() == 3 && tensor.GetNumberOfElements() > 0 &&
                      (type == DataType::Int32 || type == DataType::Int16 || type == DataType::UInt8),
                    "Label map " << number << " is " << ToString(type) << ' ' << ToString(tensor.GetShape())
                                 << "; it should be of int32, int16 or uint8 and have three axes");
  const auto values = tensor.ToVector<std::int32_t>();
  const std::set<std::int32_t> found(values.begin(), values.end());
  itkNNRequireMacro(found.size() <= 256,
                    "Label map " << number << " has " << found.size() << " labels; it may have 256");
  CompactVolume volume;
  volume.shape = tensor.GetShape();
  volume.labels.assign(found.begin(), found.end());
  volume.voxels.resize(values.size());
  // Neighbours are mostly of one label.
  std::int32_t last = volume.labels.front();
  std::uint8_t lastNumber = 0;
  for (std::size_t i = 0; i < values.size(); ++i)
  {
    if (values[i] != last)
    {
      last = values[i];
      const auto position = std::lower_bound(volume.labels.begin(), volume.labels.end(), last);
      lastNumber = static_cast<std::uint8_t>(position - volume.labels.begin());
    }
    volume.voxels[i] = lastNumber;
  }
  return volume;
}

/** Slices of one label in one volume. */
struct SliceRange
{
  std::size_t volume = 0;
  std::vector<std::int64_t> slices; ///< ascending, of a good area
};
} // namespace

/** \class LabelMapTaskSource::Index
 * \brief The volumes, and where each label is to be seen. */
class LabelMapTaskSource::Index
{
public:
  Index(std::vector<Tensor> volumes, const LabelMapTaskOptions & options)
  {
    for (std::size_t v = 0; v < volumes.size(); ++v)
    {
      m_Volumes.push_back(MakeCompact(volumes[v], v));
      // What is compact need not be kept twice.
      volumes[v] = Tensor();
      for (const int axis : options.axes)
      {
        this->FindSlices(v, axis, options);
      }
    }
  }

  /** A label on an axis, with its slices in each volume that has some. */
  struct Entry
  {
    int axis;
    std::int32_t label;
    std::vector<SliceRange> ranges;
  };

  const std::vector<Entry> & GetEntries() const
  {
    return m_Entries;
  }

  /** The voxel's label of a slice's pixel. */
  class SliceView
  {
  public:
    SliceView(const CompactVolume & volume, int axis, std::int64_t slice)
      : m_Volume(volume)
      , m_Strides(ContiguousStrides(volume.shape))
      , m_RowAxis(axis == 0 ? 1 : 0)
      , m_ColumnAxis(axis == 2 ? 1 : 2)
      , m_Offset(slice * m_Strides[static_cast<std::size_t>(axis)])
    {}
    std::int64_t GetHeight() const
    {
      return m_Volume.shape[m_RowAxis];
    }
    std::int64_t GetWidth() const
    {
      return m_Volume.shape[m_ColumnAxis];
    }
    std::int32_t operator()(std::int64_t y, std::int64_t x) const
    {
      const std::int64_t at = m_Offset + y * m_Strides[m_RowAxis] + x * m_Strides[m_ColumnAxis];
      return m_Volume.labels[m_Volume.voxels[static_cast<std::size_t>(at)]];
    }

  private:
    const CompactVolume & m_Volume;
    Shape m_Strides;
    std::size_t m_RowAxis;
    std::size_t m_ColumnAxis;
    std::int64_t m_Offset;
  };

  SliceView GetSlice(std::size_t volume, int axis, std::int64_t slice) const
  {
    return { m_Volumes[volume], axis, slice };
  }

private:
  void FindSlices(std::size_t number, int axis, const LabelMapTaskOptions & options)
  {
    const CompactVolume & volume = m_Volumes[number];
    const std::int64_t slices = volume.shape[static_cast<std::size_t>(axis)];
    const std::size_t labels = volume.labels.size();
    std::vector<std::int64_t> counts(static_cast<std::size_t>(slices) * labels, 0);
    const Shape strides = ContiguousStrides(volume.shape);
    const std::int64_t stride = strides[static_cast<std::size_t>(axis)];
    for (std::size_t i = 0; i < volume.voxels.size(); ++i)
    {
      const std::int64_t slice = static_cast<std::int64_t>(i) / stride % slices;
      ++counts[static_cast<std::size_t>(slice) * labels + volume.voxels[i]];
    }
    const double area = static_cast<double>(volume.voxels.size()) / static_cast<double>(slices);
    for (std::size_t l = 0; l < labels; ++l)
    {
      SliceRange range;
      range.volume = number;
      for (std::int64_t s = 0; s < slices; ++s)
      {
        const double part = static_cast<double>(counts[static_cast<std::size_t>(s) * labels + l]) / area;
        if (part >= options.minimumArea && part <= options.maximumArea && part > 0)
        {
          range.slices.push_back(s);
        }
      }
      if (volume.labels[l] != 0 && !range.slices.empty())
      {
        this->FindEntry(axis, volume.labels[l]).ranges.push_back(std::move(range));
      }
    }
  }

  Entry & FindEntry(int axis, std::int32_t label)
  {
    for (auto & entry : m_Entries)
    {
      if (entry.axis == axis && entry.label == label)
      {
        return entry;
      }
    }
    m_Entries.push_back({ axis, label, {} });
    return m_Entries.back();
  }

  std::vector<CompactVolume> m_Volumes;
  std::vector<Entry> m_Entries;
};

namespace
{
void
Check(const LabelMapTaskOptions & options)
{
  itkNNRequireMacro(!options.axes.empty(), "The axes of label maps are an empty list; there should be at least one");
  for (const int axis : options.axes)
  {
    itkNNRequireMacro(axis >= 0 && axis <= 2, "An axis of label maps is " << axis << "; it should be 0, 1 or 2");
  }
  RequireValue("the deviation of positions", options.positionDeviation, 0, 1);
  RequireValue("the probability of united labels", options.unionProbability, 0, 1);
  RequireValue("the minimum area", options.minimumArea, 0, 1);
  RequireValue("the maximum area", options.maximumArea, options.minimumArea, 1);
  RequireValue("the probability of a closer view", options.zoomProbability, 0, 1);
  RequireRange("the closer view", options.zoom, 1, 100);
  itkNNRequireMacro(options.maximumBackgroundParts >= 1 && options.maximumBackgroundParts <= 100,
                    "The most parts of the background are " << options.maximumBackgroundParts
                                                            << "; they should be within [1, 100]");
  CheckOptions("deformation", options.deformation);
  CheckOptions("imaging", options.imaging);
}

/** A part of a slice that is looked at, in its pixels. */
struct Window
{
  double top;
  double left;
  double height;
  double width;
};

/** Around what is looked for, or all of the slice. */
template <typename TSlice>
Window
FindWindow(const TSlice & slice, const std::set<std::int32_t> & wanted, double zoom)
{
  const auto height = static_cast<double>(slice.GetHeight());
  const auto width = static_cast<double>(slice.GetWidth());
  Window window{ 0, 0, height / zoom, width / zoom };
  if (zoom == 1)
  {
    return window;
  }
  double sumY = 0;
  double sumX = 0;
  double count = 0;
  for (std::int64_t y = 0; y < slice.GetHeight(); ++y)
  {
    for (std::int64_t x = 0; x < slice.GetWidth(); ++x)
    {
      if (wanted.count(slice(y, x)) > 0)
      {
        sumY += static_cast<double>(y);
        sumX += static_cast<double>(x);
        count += 1;
      }
    }
  }
  if (count > 0)
  {
    window.top = std::clamp(sumY / count + 0.5 - window.height / 2, 0.0, height - window.height);
    window.left = std::clamp(sumX / count + 0.5 - window.width / 2, 0.0, width - window.width);
  }
  return window;
}
} // namespace

LabelMapTaskSource::LabelMapTaskSource(std::vector<Tensor> volumes, LabelMapTaskOptions options)
  : m_Options(std::move(options))
{
  Check(m_Options);
  itkNNRequireMacro(!volumes.empty(), "Tasks of label maps need a label map");
  m_Index = std::make_shared<const Index>(std::move(volumes), m_Options);
  itkNNRequireMacro(!m_Index->GetEntries().empty(),
                    "No slice of the label maps has a label other than 0 with an area within ["
                      << m_Options.minimumArea << ", " << m_Options.maximumArea << "] of the slice");
}

LabelMapTaskSource::~LabelMapTaskSource() = default;

std::vector<std::int32_t>
LabelMapTaskSource::GetLabels() const
{
  std::set<std::int32_t> labels;
  for (const auto & entry : m_Index->GetEntries())
  {
    labels.insert(entry.label);
  }
  return { labels.begin(), labels.end() };
}

std::string
LabelMapTaskSource::GetName() const
{
  return "label maps";
}

TrainingTask
LabelMapTaskSource::Sample(RandomStream & random, const TaskRequest & request) const
{
  CheckRequest(this->GetName(), request);
  const auto & entries = m_Index->GetEntries();
  const double lengthScale = LengthScale(request.height, request.width);
  for (int attempt = 0; attempt < taskAttempts; ++attempt)
  {
    const auto & entry = entries[random.Index(entries.size())];
    std::set<std::int32_t> wanted{ entry.label };
    if (random.Chance(m_Options.unionProbability))
    {
      const std::int64_t more = random.Integer(1, 3);
      for (std::int64_t i = 0; i < more; ++i)
      {
        wanted.insert(entries[random.Index(entries.size())].label);
      }
    }
    const double zoom = random.Chance(m_Options.zoomProbability) ? m_Options.zoom.Draw(random) : 1;
    const double position = random.Uniform();
    const Deformation deformation(random, m_Options.deformation, lengthScale);
    const std::int64_t parts = random.Integer(1, m_Options.maximumBackgroundParts + 1);

    // Volumes in random order, again and again; each at a similar place of the label.
    const auto ranges = static_cast<std::int64_t>(entry.ranges.size());
    const std::vector<std::int64_t> order = random.Choose(ranges, ranges);
    std::map<std::int32_t, std::int32_t> numbers{ { 0, 0 } };
    std::vector<Canvas> canvases;
    for (std::int64_t i = 0; i < request.examples; ++i)
    {
      const SliceRange & range = entry.ranges[static_cast<std::size_t>(order[static_cast<std::size_t>(i % ranges)])];
      const auto last = static_cast<double>(range.slices.size() - 1);
      const double place = std::clamp(position + m_Options.positionDeviation * random.Normal(), 0.0, 1.0);
      const auto slice =
        m_Index->GetSlice(range.volume, entry.axis, range.slices[static_cast<std::size_t>(place * last + 0.5)]);
      const Window window = FindWindow(slice, wanted, zoom);
      const Deformation::Places places = deformation.Draw(random, request.height, request.width);
      Canvas canvas(request.height, request.width, 1, 0);
      for (std::size_t k = 0; k < canvas.map.labels.size(); ++k)
      {
        const double partY = (static_cast<double>(places.y.pixels[k]) + 0.5) / static_cast<double>(request.height);
        const double partX = (static_cast<double>(places.x.pixels[k]) + 0.5) / static_cast<double>(request.width);
        const auto y = static_cast<std::int64_t>(std::floor(window.top + partY * window.height));
        const auto x = static_cast<std::int64_t>(std::floor(window.left + partX * window.width));
        const bool isInside = y >= 0 && y < slice.GetHeight() && x >= 0 && x < slice.GetWidth();
        const std::int32_t label = isInside ? slice(y, x) : 0;
        canvas.map.labels[k] = numbers.emplace(label, static_cast<std::int32_t>(numbers.size())).first->second;
      }
      canvases.push_back(std::move(canvas));
    }

    std::vector<LabelTraits> traits(numbers.size());
    std::vector<bool> foreground(numbers.size(), false);
    for (const auto & [label, number] : numbers)
    {
      foreground[static_cast<std::size_t>(number)] = wanted.count(label) > 0;
      traits[static_cast<std::size_t>(number)].mayResemble = true;
    }
    // The background is no single tissue: label 0 becomes several.
    std::vector<std::int32_t> backgrounds;
    for (std::int64_t part = 0; part < parts; ++part)
    {
      backgrounds.push_back(part == 0 ? 0 : static_cast<std::int32_t>(traits.size()));
      if (part > 0)
      {
        traits.emplace_back().mayResemble = true;
        foreground.push_back(false);
      }
    }
    const double spacing = random.Uniform(0.1, 0.5);
    bool isSeen = true;
    for (auto & canvas : canvases)
    {
      isSeen = isSeen && ForegroundArea(canvas.map, foreground) > 0;
      if (backgrounds.size() > 1)
      {
        PaintParts(random, backgrounds, spacing, canvas);
      }
    }
    if (!isSeen)
    {
      continue;
    }
    const Imaging imaging(random, m_Options.imaging, traits, foreground, lengthScale, 256 * lengthScale);
    TrainingTask task;
    task.name =
      this->GetName() + ": label " + std::to_string(entry.label) + " across axis " + std::to_string(entry.axis);
    for (const auto & canvas : canvases)
    {
      task.examples.push_back(MakeExample(random, imaging, canvas.map, foreground));
    }
    return task;
  }
  itkNNThrowMacro("No foreground of " << taskAttempts << " tasks of label maps is to be seen in all "
                                      << request.examples << " examples");
}
} // namespace nn
} // namespace itk
