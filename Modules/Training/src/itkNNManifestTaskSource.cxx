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
#include "itkNNManifestTaskSource.h"

#include "itkNNError.h"
#include "itkNNColorProjection.h"
#include "itkNNResampling.h"
#include "itkNNText.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <variant>

namespace itk
{
namespace nn
{
namespace
{
using Extents = std::array<std::size_t, 3>;

/** Values in the narrowest of four types that holds them. */
class CompactArray
{
public:
  CompactArray() = default;

  explicit CompactArray(const std::vector<float> & values)
  {
    const bool areIntegers =
      std::all_of(values.begin(), values.end(), [](float value) { return value == std::floor(value); });
    if (!areIntegers ||
        !(this->Store<std::uint8_t>(values) || this->Store<std::uint16_t>(values) || this->Store<std::int16_t>(values)))
    {
      m_Values = values;
    }
  }

  /** `height` rows of `width` values, `stride` apart, the rows `rowStride` apart. */
  std::vector<float> GetPlane(
    std::size_t first, std::size_t width, std::size_t stride, std::size_t height, std::size_t rowStride) const
  {
    std::vector<float> plane;
    plane.reserve(width * height);
    std::visit(
      [&](const auto & values)
      {
        for (std::size_t y = 0; y < height; ++y)
        {
          for (std::size_t x = 0; x < width; ++x)
          {
            plane.push_back(static_cast<float>(values[first + y * rowStride + x * stride]));
          }
        }
      },
      m_Values);
    return plane;
  }

  std::size_t GetNumberOfBytes() const
  {
    return std::visit([](const auto & values) { return values.size() * sizeof(values[0]); }, m_Values);
  }

private:
  /** Keep integers as T when it holds all of them. */
  template <typename T>
  bool Store(const std::vector<float> & values)
  {
    const auto isHeld = [](float value)
    { return value >= std::numeric_limits<T>::lowest() && value <= std::numeric_limits<T>::max(); };
    if (!std::all_of(values.begin(), values.end(), isHeld))
    {
      return false;
    }
    m_Values = std::vector<T>(values.begin(), values.end());
    return true;
  }

  std::variant<std::vector<std::uint8_t>, std::vector<std::uint16_t>, std::vector<std::int16_t>, std::vector<float>>
    m_Values;
};

/** An image with its labels. */
struct CaseData
{
  std::string subject;
  bool isVolume = false;
  Extents size{};
  CompactArray image;
  CompactArray labels;              ///< indices of values
  std::vector<std::int32_t> values; ///< of the labels; of colours 65536 R + 256 G + B
  std::optional<IntensityStatistics> statistics;

  std::vector<float> GetPlane(const CompactArray & array, std::size_t axis, std::size_t slice) const
  {
    const Extents strides{ 1, size[0], size[0] * size[1] };
    const std::size_t column = axis == 0 ? 1 : 0;
    const std::size_t row = axis == 2 ? 1 : 2;
    return array.GetPlane(slice * strides[axis], size[column], strides[column], size[row], strides[row]);
  }

  std::size_t GetPlaneHeight(std::size_t axis) const
  {
    return size[axis == 2 ? 1 : 2];
  }

  std::size_t GetPlaneWidth(std::size_t axis) const
  {
    return size[axis == 0 ? 1 : 0];
  }
};

/** A name for some values of labels. */
struct Structure
{
  std::string name;
  std::vector<std::pair<std::int32_t, std::int32_t>> ranges; ///< first and last value

  bool Has(std::int32_t value) const
  {
    return std::any_of(
      ranges.begin(), ranges.end(), [value](const auto & r) { return value >= r.first && value <= r.second; });
  }

  /** For each index of a case's values, whether it is of the structure. */
  std::vector<bool> Select(const CaseData & data) const
  {
    std::vector<bool> selected;
    for (const std::int32_t value : data.values)
    {
      selected.push_back(this->Has(value));
    }
    return selected;
  }
};

struct SliceReference
{
  std::size_t caseIndex;
  std::size_t slice;
};

/** The slices across an axis that show a structure, by subject. */
struct SliceGroup
{
  std::size_t axis = 0;
  std::size_t structure = 0;
  std::vector<std::vector<SliceReference>> subjects;
  std::size_t total = 0;
};

struct Dataset
{
  std::string name;
  double weight = 0;
  IntensityNormalization normalization;
  std::vector<CaseData> cases;
  std::vector<Structure> structures;
  std::vector<std::vector<SliceGroup>> axes; ///< groups with at least two slices, by axis
};

std::int32_t
ParseValue(const std::string & text, const std::string & whole, const char * wanted)
{
  std::int32_t value = 0;
  const char * end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  itkNNRequireMacro(result.ec == std::errc() && result.ptr == end,
                    "'structures' has the value '" << whole << "'; should be " << wanted);
  return value;
}

std::int32_t
ParseColor(const std::string & text)
{
  constexpr char wanted[] = "red, green and blue from 0 to 255 such as '255,0,0'";
  std::int32_t color = 0;
  std::size_t begin = 0;
  for (int i = 0; i < 3; ++i)
  {
    const std::size_t comma = i < 2 ? text.find(',', begin) : text.size();
    itkNNRequireMacro(comma != std::string::npos, "'structures' has the value '" << text << "'; should be " << wanted);
    const std::int32_t part = ParseValue(text.substr(begin, comma - begin), text, wanted);
    itkNNRequireMacro(part >= 0 && part <= 255, "'structures' has the value '" << text << "'; should be " << wanted);
    color = color * 256 + part;
    begin = comma + 1;
  }
  return color;
}

std::pair<std::int32_t, std::int32_t>
ParseRange(const std::string & text)
{
  constexpr char wanted[] = "an integer or a range such as '4..7'";
  const std::size_t dots = text.find("..");
  const std::int32_t first = ParseValue(text.substr(0, dots), text, wanted);
  const std::int32_t last = dots == std::string::npos ? first : ParseValue(text.substr(dots + 2), text, wanted);
  itkNNRequireMacro(first <= last, "'structures' has the range '" << text << "', which is empty");
  return { first, last };
}

std::vector<Structure>
ParseStructures(const ManifestDataset & dataset)
{
  std::vector<Structure> structures;
  if (dataset.kind == "binary")
  {
    itkNNRequireMacro(dataset.structures.size() <= 1,
                      "'structures' has " << dataset.structures.size()
                                          << " names; binary labels should have one or none");
    structures.push_back(
      { dataset.structures.empty() ? "foreground" : dataset.structures.begin()->first, { { 1, 1 } } });
    return structures;
  }
  for (const auto & [name, values] : dataset.structures)
  {
    Structure structure{ name, {} };
    for (const auto & value : values)
    {
      if (dataset.kind == "rgb")
      {
        const std::int32_t color = ParseColor(value);
        structure.ranges.emplace_back(color, color);
      }
      else
      {
        structure.ranges.push_back(ParseRange(value));
      }
    }
    itkNNRequireMacro(!structure.ranges.empty(), "structure '" << name << "' has no values");
    structures.push_back(std::move(structure));
  }
  return structures;
}

std::string
FormatLabelValue(std::int32_t value, const std::string & kind)
{
  if (kind != "rgb")
  {
    return std::to_string(value);
  }
  return std::to_string(value >> 16) + ',' + std::to_string(value >> 8 & 255) + ',' + std::to_string(value & 255);
}

/** The integer value of a label or of a part of a colour. */
std::int32_t
RoundLabel(float value, float low, float high, const std::string & kind)
{
  constexpr float tolerance = 1e-3F;
  const float rounded = std::round(value);
  itkNNRequireMacro(std::abs(value - rounded) <= tolerance && rounded >= low && rounded <= high,
                    "not labels of kind '" << kind << "': there is the value " << value << "; should be integers from "
                                           << low << " to " << high);
  return static_cast<std::int32_t>(rounded);
}

/** The value of each pixel. */
std::vector<std::int32_t>
ReadLabelValues(const LoadedImage & image, const std::string & kind)
{
  const std::size_t components = image.components;
  std::vector<std::int32_t> values(image.pixels.size() / components);
  itkNNRequireMacro(kind != "rgb" || components >= 3,
                    "the labels are gray; should be in colour, or 'kind' should be 'label map'");
  float threshold = 0;
  if (kind == "binary")
  {
    const float highest = *std::max_element(image.pixels.begin(), image.pixels.end());
    threshold = highest / 2;
    itkNNRequireMacro(threshold >= 0, "the labels have no value above 0; should be binary");
  }
  for (std::size_t i = 0; i < values.size(); ++i)
  {
    const float * pixel = &image.pixels[i * components];
    if (kind == "rgb")
    {
      for (std::size_t c = 0; c < 3; ++c)
      {
        values[i] = values[i] * 256 + RoundLabel(pixel[c], 0, 255, kind);
      }
    }
    else
    {
      const bool isGray = components < 3 || (pixel[0] == pixel[1] && pixel[0] == pixel[2]);
      itkNNRequireMacro(isGray, "the labels are in colour; should be gray, or 'kind' should be 'rgb'");
      constexpr float largest = 1 << 24;
      values[i] = kind == "binary" ? (pixel[0] > threshold ? 1 : 0) : RoundLabel(pixel[0], -largest, largest, kind);
    }
  }
  return values;
}

/** The labels as indices of their values. */
void
StoreLabels(const std::vector<std::int32_t> & pixels, CaseData & data)
{
  std::map<std::int32_t, float> indices;
  std::vector<float> labels;
  labels.reserve(pixels.size());
  for (const std::int32_t value : pixels)
  {
    const auto [entry, isNew] = indices.emplace(value, static_cast<float>(data.values.size()));
    if (isNew)
    {
      data.values.push_back(value);
    }
    labels.push_back(entry->second);
  }
  data.labels = CompactArray(labels);
}

std::string
FormatSize(const Image<float, 3> & image)
{
  const auto & size = image.GetLargestPossibleRegion().GetSize();
  return std::to_string(size[0]) + " x " + std::to_string(size[1]) + " x " + std::to_string(size[2]);
}

void
CheckSameGrid(const LoadedImage & image, const LoadedImage & label)
{
  itkNNRequireMacro(image.geometry->GetLargestPossibleRegion().GetSize() ==
                      label.geometry->GetLargestPossibleRegion().GetSize(),
                    "the labels have " << FormatSize(*label.geometry) << " pixels, and the image " << image.fileName
                                       << " has " << FormatSize(*image.geometry) << "; should be the same");
  constexpr double tolerance = 0.1; // headers are rounded
  for (unsigned int i = 0; i < 9; ++i)
  {
    itkNNRequireMacro(std::abs(image.geometry->GetDirection()[i / 3][i % 3] -
                               label.geometry->GetDirection()[i / 3][i % 3]) <= tolerance,
                      "the axes of the labels have other directions than those of the image "
                        << image.fileName << "; should be the same");
  }
}

/** Run a reader of a file, with the name in its errors. */
template <typename TFunction>
auto
WithFileName(const std::string & fileName, TFunction && function)
{
  try
  {
    return function();
  }
  catch (const Error & error)
  {
    const std::string text = error.GetDescription();
    itkNNThrowMacro((text.compare(0, fileName.size(), fileName) == 0 ? "" : fileName + ": ") << text);
  }
}

CaseData
ReadCase(const ManifestCase & files, const ManifestDataset & dataset, bool needsStatistics)
{
  CaseData data;
  data.subject = files.subject;
  const LoadedImage image = ReadImageFile(files.image);
  const auto intensities = ToIntensities(image);
  const auto region = intensities->GetLargestPossibleRegion();
  for (unsigned int i = 0; i < 3; ++i)
  {
    data.size[i] = region.GetSize(i);
  }
  data.isVolume = data.size[2] > 1;
  const std::vector<float> values(intensities->GetBufferPointer(),
                                  intensities->GetBufferPointer() + region.GetNumberOfPixels());
  for (const float value : values)
  {
    itkNNRequireMacro(std::isfinite(value),
                      files.image << ": the image has the value " << value << "; should be finite");
  }
  data.image = CompactArray(values);
  if (needsStatistics)
  {
    data.statistics.emplace(values.data(), values.size());
  }
  WithFileName(files.label,
               [&]
               {
                 const LoadedImage label = ReadImageFile(files.label);
                 CheckSameGrid(image, label);
                 StoreLabels(ReadLabelValues(label, dataset.kind), data);
               });
  return data;
}

std::set<std::int32_t>
FindValues(const std::vector<CaseData> & cases)
{
  std::set<std::int32_t> values;
  for (const auto & data : cases)
  {
    values.insert(data.values.begin(), data.values.end());
  }
  return values;
}

std::string
ListValues(const std::set<std::int32_t> & values, const std::string & kind)
{
  constexpr std::size_t listed = 20;
  std::string text;
  std::size_t count = 0;
  for (const std::int32_t value : values)
  {
    if (++count > listed)
    {
      return text + " and more";
    }
    text += ' ' + FormatLabelValue(value, kind);
  }
  return text;
}

void
CheckStructuresOccur(const std::vector<Structure> & structures,
                     const std::set<std::int32_t> & values,
                     const std::string & kind)
{
  for (const auto & structure : structures)
  {
    itkNNRequireMacro(
      std::any_of(values.begin(), values.end(), [&structure](std::int32_t value) { return structure.Has(value); }),
      "structure '" << structure.name << "' occurs in no file of labels; their values are" << ListValues(values, kind));
  }
}

/** How many pixels of each slice across an axis are of each value's index. */
std::vector<std::vector<std::size_t>>
CountValues(const CaseData & data, std::size_t axis)
{
  std::vector<std::vector<std::size_t>> counts(data.size[axis], std::vector<std::size_t>(data.values.size()));
  for (std::size_t slice = 0; slice < data.size[axis]; ++slice)
  {
    for (const float index : data.GetPlane(data.labels, axis, slice))
    {
      ++counts[slice][static_cast<std::size_t>(index)];
    }
  }
  return counts;
}

/** Adds the slices of a case to the groups of an axis, one for each structure. */
void
AddSlices(const Dataset & dataset,
          std::size_t caseIndex,
          std::size_t subject,
          double minimumArea,
          std::vector<SliceGroup> & groups)
{
  const CaseData & data = dataset.cases[caseIndex];
  const std::size_t axis = groups.front().axis;
  const auto pixels = static_cast<double>(data.GetPlaneHeight(axis) * data.GetPlaneWidth(axis));
  const auto counts = CountValues(data, axis);
  for (auto & group : groups)
  {
    const std::vector<bool> selected = dataset.structures[group.structure].Select(data);
    for (std::size_t slice = 0; slice < counts.size(); ++slice)
    {
      std::size_t area = 0;
      for (std::size_t i = 0; i < selected.size(); ++i)
      {
        area += selected[i] ? counts[slice][i] : 0;
      }
      if (area > 0 && static_cast<double>(area) >= minimumArea * pixels)
      {
        group.subjects[subject].push_back({ caseIndex, slice });
        ++group.total;
      }
    }
  }
}

void
IndexSlices(Dataset & dataset, const ManifestDataset & description)
{
  std::map<std::string, std::size_t> subjects;
  for (const auto & data : dataset.cases)
  {
    subjects.emplace(data.subject, subjects.size());
  }
  for (std::size_t axis = 0; axis < 3; ++axis)
  {
    const bool cutsVolumes = std::count(description.axes.begin(), description.axes.end(), axis) != 0;
    std::vector<SliceGroup> groups;
    for (std::size_t i = 0; i < dataset.structures.size(); ++i)
    {
      groups.push_back({ axis, i, std::vector<std::vector<SliceReference>>(subjects.size()), 0 });
    }
    for (std::size_t i = 0; i < dataset.cases.size() && !groups.empty(); ++i)
    {
      const CaseData & data = dataset.cases[i];
      if (data.isVolume ? cutsVolumes : axis == 2)
      {
        AddSlices(dataset, i, subjects[data.subject], description.minimumArea, groups);
      }
    }
    const auto isTooSmall = [](const SliceGroup & group) { return group.total < 2; };
    groups.erase(std::remove_if(groups.begin(), groups.end(), isTooSmall), groups.end());
    for (auto & group : groups)
    {
      const auto isEmpty = [](const std::vector<SliceReference> & slices) { return slices.empty(); };
      group.subjects.erase(std::remove_if(group.subjects.begin(), group.subjects.end(), isEmpty), group.subjects.end());
    }
    if (!groups.empty())
    {
      dataset.axes.push_back(std::move(groups));
    }
  }
}

std::vector<ManifestCase>
SelectCases(const ManifestDataset & description, const std::string & root, ManifestSplit split)
{
  std::vector<ManifestCase> cases = description.FindCases(root);
  std::set<std::string> names;
  for (const auto & files : cases)
  {
    names.insert(files.subject);
  }
  const std::vector<std::string> chosen =
    description.split.Select(std::vector<std::string>(names.begin(), names.end()), split);
  const std::set<std::string> selected(chosen.begin(), chosen.end());
  cases.erase(std::remove_if(cases.begin(),
                             cases.end(),
                             [&selected](const ManifestCase & files) { return selected.count(files.subject) == 0; }),
              cases.end());
  return cases;
}

/** Counts the pixels kept, against a limit. */
class MemoryCount
{
public:
  explicit MemoryCount(std::int64_t limitInMiB)
    : m_Limit(static_cast<double>(limitInMiB) * 1024 * 1024)
  {}

  void Add(const CaseData & data)
  {
    m_Bytes += static_cast<double>(data.image.GetNumberOfBytes() + data.labels.GetNumberOfBytes());
    itkNNRequireMacro(m_Bytes <= m_Limit,
                      "the images need more than the " << m_Limit / (1024 * 1024) << " MiB that 'memory-limit' allows");
  }

private:
  double m_Bytes = 0;
  double m_Limit;
};

Dataset
ReadDataset(const ManifestDataset & description, const std::string & root, ManifestSplit split, MemoryCount & memory)
{
  Dataset dataset;
  dataset.name = description.name;
  dataset.weight = description.weight;
  dataset.normalization = description.normalization.Get();
  dataset.structures = ParseStructures(description);
  for (const auto & files : SelectCases(description, root, split))
  {
    dataset.cases.push_back(ReadCase(files, description, dataset.normalization.NeedsStatistics()));
    memory.Add(dataset.cases.back());
  }
  const std::set<std::int32_t> values = FindValues(dataset.cases);
  if (dataset.structures.empty())
  {
    for (const std::int32_t value : values)
    {
      if (value != 0)
      {
        dataset.structures.push_back({ FormatLabelValue(value, description.kind), { { value, value } } });
      }
    }
  }
  if (split == ManifestSplit::Train)
  {
    CheckStructuresOccur(dataset.structures, values, description.kind);
  }
  IndexSlices(dataset, description);
  itkNNRequireMacro(split == ManifestSplit::Validation || !dataset.axes.empty(),
                    "no structure has two slices where it covers the 'minimum-area' of "
                      << description.minimumArea << "; the values of the labels are"
                      << ListValues(values, description.kind));
  return dataset;
}

/** Indices of examples of different subjects as long as there are enough; each
 * slice once. */
std::vector<SliceReference>
ChooseSlices(RandomStream & random, const SliceGroup & group, std::size_t count)
{
  const std::size_t subjects = group.subjects.size();
  std::vector<SliceReference> chosen;
  std::vector<SliceReference> others;
  for (const std::int64_t subject :
       random.Choose(static_cast<std::int64_t>(subjects), static_cast<std::int64_t>(std::min(subjects, count))))
  {
    std::vector<SliceReference> slices = group.subjects[static_cast<std::size_t>(subject)];
    std::swap(slices[random.Index(slices.size())], slices.back());
    chosen.push_back(slices.back());
    others.insert(others.end(), slices.begin(), slices.end() - 1);
  }
  if (chosen.size() < count)
  {
    const std::size_t more = std::min(count - chosen.size(), others.size());
    for (const std::int64_t i :
         random.Choose(static_cast<std::int64_t>(others.size()), static_cast<std::int64_t>(more)))
    {
      chosen.push_back(others[static_cast<std::size_t>(i)]);
    }
  }
  const std::size_t different = chosen.size();
  while (chosen.size() < count)
  {
    chosen.push_back(chosen[1 + random.Index(different - 1)]);
  }
  return chosen;
}

TrainingExample
MakeExample(const Dataset & dataset,
            const SliceReference & reference,
            const SliceGroup & group,
            const TaskRequest & request)
{
  const CaseData & data = dataset.cases[reference.caseIndex];
  const std::size_t planeHeight = data.GetPlaneHeight(group.axis);
  const std::size_t planeWidth = data.GetPlaneWidth(group.axis);
  const auto height = static_cast<std::size_t>(request.height);
  const auto width = static_cast<std::size_t>(request.width);

  TrainingExample example{ Tensor(Shape{ request.height, request.width }),
                           Tensor(Shape{ request.height, request.width }) };
  const std::vector<float> image = data.GetPlane(data.image, group.axis, reference.slice);
  const IntensityStatistics * statistics = data.statistics ? &*data.statistics : nullptr;
  dataset.normalization.Apply(
    image.data(), planeHeight, planeWidth, statistics, example.image.GetData<float>(), height, width);

  std::vector<float> label = data.GetPlane(data.labels, group.axis, reference.slice);
  const std::vector<bool> selected = dataset.structures[group.structure].Select(data);
  std::transform(label.begin(),
                 label.end(),
                 label.begin(),
                 [&selected](float index) { return selected[static_cast<std::size_t>(index)] ? 1.0F : 0.0F; });
  ResizeNearest(label.data(), planeHeight, planeWidth, example.label.GetData<float>(), height, width);
  return example;
}
} // namespace

struct ManifestTaskSource::Implementation
{
  std::string fileName;
  ManifestSplit split = ManifestSplit::Train;
  std::vector<Dataset> datasets; ///< also those without tasks, for Describe()
  double totalWeight = 0;

  const Dataset & Choose(RandomStream & random) const
  {
    std::vector<double> weights;
    std::transform(datasets.begin(), datasets.end(), std::back_inserter(weights), GetWeight);
    return datasets[random.Weighted(weights)];
  }

  static double GetWeight(const Dataset & dataset)
  {
    return dataset.axes.empty() ? 0 : dataset.weight;
  }

  const char * GetSplitName() const
  {
    return split == ManifestSplit::Train ? "train" : "validation";
  }
};

ManifestTaskSource::ManifestTaskSource(const TaskManifest & manifest, ManifestSplit split)
{
  auto implementation = std::make_unique<Implementation>();
  implementation->fileName = manifest.fileName;
  implementation->split = split;
  MemoryCount memory(manifest.memoryLimit);
  for (const auto & description : manifest.datasets)
  {
    if (description.weight == 0)
    {
      continue;
    }
    try
    {
      implementation->datasets.push_back(ReadDataset(description, manifest.root, split, memory));
    }
    catch (const ExceptionObject & error)
    {
      itkNNThrowMacro(manifest.fileName << ':' << description.line << ": data set '" << description.name
                                        << "': " << error.GetDescription());
    }
    catch (const std::exception & error)
    {
      itkNNThrowMacro(manifest.fileName << ':' << description.line << ": data set '" << description.name
                                        << "': " << error.what());
    }
    implementation->totalWeight += Implementation::GetWeight(implementation->datasets.back());
  }
  itkNNRequireMacro(implementation->totalWeight > 0,
                    manifest.fileName << ": no data set with a weight above 0 has tasks for "
                                      << implementation->GetSplitName());
  m_Implementation = std::move(implementation);
}

ManifestTaskSource::~ManifestTaskSource() = default;

std::string
ManifestTaskSource::GetName() const
{
  return m_Implementation->fileName + " (" + m_Implementation->GetSplitName() + ')';
}

TrainingTask
ManifestTaskSource::Sample(RandomStream & random, const TaskRequest & request) const
{
  itkNNRequireMacro(request.examples >= 1 && request.height >= 1 && request.width >= 1,
                    this->GetName() << ": asked for " << request.examples << " examples of " << request.height << " x "
                                    << request.width << " pixels; should be at least 1");
  const auto pick = [&random](const auto & list) -> const auto & { return list[random.Index(list.size())]; };
  const Dataset & dataset = m_Implementation->Choose(random);
  const SliceGroup & group = pick(pick(dataset.axes));
  TrainingTask task;
  task.name = dataset.name + ", " + dataset.structures[group.structure].name + ", axis " + std::to_string(group.axis);
  for (const auto & reference : ChooseSlices(random, group, static_cast<std::size_t>(request.examples)))
  {
    task.examples.push_back(MakeExample(dataset, reference, group, request));
  }
  return task;
}

std::string
ManifestTaskSource::Describe() const
{
  std::string text;
  for (const auto & dataset : m_Implementation->datasets)
  {
    if (dataset.cases.empty())
    {
      continue;
    }
    std::set<std::string> subjects;
    for (const auto & data : dataset.cases)
    {
      subjects.insert(data.subject);
    }
    const double share = Implementation::GetWeight(dataset) / m_Implementation->totalWeight;
    text += dataset.name + ": " + std::to_string(subjects.size()) + " subjects, " +
            std::to_string(dataset.cases.size()) + " images, " + FormatFixed(100 * share, 1) + " % of the tasks\n";
    for (const auto & groups : dataset.axes)
    {
      for (const auto & group : groups)
      {
        text += "  " + dataset.structures[group.structure].name + ", axis " + std::to_string(group.axis) + ": " +
                std::to_string(group.total) + " slices of " + std::to_string(group.subjects.size()) + " subjects\n";
      }
    }
  }
  return text;
}
} // namespace nn
} // namespace itk
