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
#include "itkNNVolumeData.h"

#include "itkNNError.h"
#include "itkNNImageFile.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace itk
{
namespace nn
{
namespace
{
namespace fs = std::filesystem;

constexpr std::streamsize maximumListBytes = std::streamsize{ 1 } << 24;
/** Images are read as float, in which greater whole numbers may be another. */
constexpr float maximumLabel = 16777215;

/** The fields of a line; those in double quotes may have commas, and quotes that are doubled. */
std::vector<std::string>
SplitLine(const std::string & line)
{
  std::vector<std::string> fields(1);
  bool isQuoted = false;
  for (std::size_t i = 0; i < line.size(); ++i)
  {
    const char c = line[i];
    if (c == '"')
    {
      const bool isDoubled = isQuoted && i + 1 < line.size() && line[i + 1] == '"';
      if (isDoubled)
      {
        fields.back() += c;
        ++i;
      }
      else
      {
        isQuoted = !isQuoted;
      }
    }
    else if (c == ',' && !isQuoted)
    {
      fields.emplace_back();
    }
    else
    {
      fields.back() += c;
    }
  }
  for (std::string & field : fields)
  {
    const auto first = field.find_first_not_of(" \t\r");
    const auto last = field.find_last_not_of(" \t\r");
    field = first == std::string::npos ? std::string() : field.substr(first, last - first + 1);
  }
  return fields;
}

/** Of files that lie beside images: texts, lists, and the pixels of a header. */
bool
IsNoImage(const std::string & extension)
{
  static const char * const extensions[] = { ".cfg", ".csv", ".json", ".md", ".raw", ".toml", ".txt", ".zraw" };
  return std::find(std::begin(extensions), std::end(extensions), extension) != std::end(extensions);
}

std::string
Join(const std::string & folder, const std::string & name)
{
  return fs::path(name).is_absolute() || folder.empty() ? name : (fs::path(folder) / name).string();
}

/** [C, D, H, W] */
Tensor
ToTensor(const LoadedImage & image)
{
  const auto size = image.geometry->GetLargestPossibleRegion().GetSize();
  const auto channels = static_cast<std::int64_t>(image.components);
  Tensor tensor({ channels,
                  static_cast<std::int64_t>(size[2]),
                  static_cast<std::int64_t>(size[1]),
                  static_cast<std::int64_t>(size[0]) });
  const std::int64_t pixels = tensor.GetNumberOfElements() / channels;
  float * to = tensor.GetData<float>();
  for (std::int64_t channel = 0; channel < channels; ++channel)
  {
    for (std::int64_t i = 0; i < pixels; ++i)
    {
      to[channel * pixels + i] = image.pixels[static_cast<std::size_t>(i * channels + channel)];
    }
  }
  return tensor;
}

void
RequireExtents(const Tensor & tensor, const Shape & expected, const std::string & name)
{
  const Shape & shape = tensor.GetShape();
  itkNNRequireMacro(Shape(shape.begin() + 1, shape.end()) == expected,
                    "'" << name << "' has the extents " << ToString(Shape(shape.begin() + 1, shape.end()))
                        << ", should have those of the first image, " << ToString(expected));
}

/** [1, ...] with one component. */
Tensor
ReadPlane(const std::string & name, const Shape & expected)
{
  Tensor tensor = ToTensor(ReadImageFile(name));
  itkNNRequireMacro(tensor.GetShape()[0] == 1,
                    "'" << name << "' has " << tensor.GetShape()[0] << " components, should have 1");
  RequireExtents(tensor, expected, name);
  return tensor;
}

Tensor
ReadLabels(const std::string & name, const Shape & expected)
{
  const Tensor values = ReadPlane(name, expected);
  Tensor labels(values.GetShape(), DataType::Int32);
  const float * from = values.GetData<float>();
  std::int32_t * to = labels.GetData<std::int32_t>();
  for (std::int64_t i = 0; i < values.GetNumberOfElements(); ++i)
  {
    itkNNRequireMacro(from[i] == std::floor(from[i]) && std::abs(from[i]) <= maximumLabel,
                      "'" << name << "' has a label " << from[i] << ", should be a whole number up to "
                          << static_cast<std::int32_t>(maximumLabel));
    to[i] = static_cast<std::int32_t>(from[i]);
  }
  return labels;
}

std::size_t
CountBytes(const Sample & sample)
{
  std::size_t bytes = 0;
  for (const Tensor * tensor : { &sample.image, &sample.label, &sample.pixelWeight })
  {
    bytes += tensor->IsDefined() ? static_cast<std::size_t>(tensor->GetNumberOfElements()) * sizeof(float) : 0;
  }
  return bytes;
}
} // namespace

std::vector<VolumeCase>
ReadVolumeList(const std::string & fileName, const std::string & folder, std::int64_t modalities)
{
  itkNNRequireMacro(modalities >= 1, "'" << fileName << "': " << modalities << " modalities, should be at least 1");
  std::ifstream file(fileName, std::ios::binary);
  itkNNRequireMacro(file.good(), "'" << fileName << "' cannot be read");
  std::string text(static_cast<std::size_t>(maximumListBytes) + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  itkNNRequireMacro(file.gcount() <= maximumListBytes, "'" << fileName << "' is longer than 16 MiB");
  text.resize(static_cast<std::size_t>(file.gcount()));
  std::istringstream stream(text);
  std::string line;
  std::vector<std::string> header;
  std::vector<VolumeCase> cases;
  for (std::size_t number = 1; std::getline(stream, line); ++number)
  {
    const auto fields = SplitLine(line);
    if (fields.size() == 1 && fields[0].empty())
    {
      continue;
    }
    if (header.empty())
    {
      header = fields;
      itkNNRequireMacro(static_cast<std::int64_t>(header.size()) >= modalities,
                        fileName << ":" << number << ": there are " << header.size() << " columns, should be at least "
                                 << modalities << " of images");
      continue;
    }
    itkNNRequireMacro(fields.size() == header.size(),
                      fileName << ":" << number << ": there are " << fields.size() << " columns, should be "
                               << header.size());
    VolumeCase files;
    for (std::size_t column = 0; column < fields.size(); ++column)
    {
      if (static_cast<std::int64_t>(column) < modalities)
      {
        itkNNRequireMacro(!fields[column].empty(),
                          fileName << ":" << number << ": column " << column + 1 << " is empty");
        files.images.push_back(Join(folder, fields[column]));
      }
      else if (header[column] == "label" && !fields[column].empty())
      {
        files.label = Join(folder, fields[column]);
      }
      else if (header[column] == "pixel_weight" && !fields[column].empty())
      {
        files.pixelWeight = Join(folder, fields[column]);
      }
    }
    cases.push_back(std::move(files));
  }
  itkNNRequireMacro(!cases.empty(), "'" << fileName << "' has no case");
  return cases;
}

std::vector<VolumeCase>
FindVolumes(const std::string & folder)
{
  std::error_code code;
  std::vector<std::string> names;
  for (fs::directory_iterator entry(folder, code), end; !code && entry != end; entry.increment(code))
  {
    const bool isHidden = entry->path().filename().string().front() == '.';
    if (entry->is_regular_file(code) && !isHidden && !IsNoImage(entry->path().extension().string()))
    {
      names.push_back(entry->path().string());
    }
  }
  itkNNRequireMacro(!code, "The folder '" << folder << "' cannot be read: " << code.message());
  itkNNRequireMacro(!names.empty(), "The folder '" << folder << "' has no images");
  std::sort(names.begin(), names.end());
  std::vector<VolumeCase> cases;
  for (auto & name : names)
  {
    VolumeCase files;
    files.images.push_back(std::move(name));
    cases.push_back(std::move(files));
  }
  return cases;
}

LoadedVolume
ReadVolumeCase(const VolumeCase & files)
{
  itkNNRequireMacro(!files.images.empty(), "A case has no image");
  LoadedVolume result;
  std::vector<Tensor> images;
  Shape extents;
  std::int64_t channels = 0;
  for (const auto & name : files.images)
  {
    const LoadedImage image = ReadImageFile(name);
    Tensor tensor = ToTensor(image);
    if (images.empty())
    {
      result.geometry = image.geometry;
      result.dimension = image.dimension;
      extents.assign(tensor.GetShape().begin() + 1, tensor.GetShape().end());
    }
    RequireExtents(tensor, extents, name);
    channels += tensor.GetShape()[0];
    images.push_back(std::move(tensor));
  }
  if (images.size() == 1)
  {
    result.sample.image = images[0];
  }
  else
  {
    Shape shape{ channels };
    shape.insert(shape.end(), extents.begin(), extents.end());
    result.sample.image = Tensor(shape);
    float * to = result.sample.image.GetData<float>();
    for (const Tensor & image : images)
    {
      to = std::copy_n(image.GetData<float>(), image.GetNumberOfElements(), to);
    }
  }
  if (!files.label.empty())
  {
    result.sample.label = ReadLabels(files.label, extents);
  }
  if (!files.pixelWeight.empty())
  {
    result.sample.pixelWeight = ReadPlane(files.pixelWeight, extents);
  }
  return result;
}

VolumeCache::VolumeCache(std::vector<VolumeCase> cases, std::size_t maximumBytes)
  : m_Cases(std::move(cases))
  , m_MaximumBytes(maximumBytes)
{
  itkNNRequireMacro(!m_Cases.empty(), "There is no case");
}

Sample
VolumeCache::Get(std::size_t number) const
{
  {
    const std::lock_guard<std::mutex> lock(m_Mutex);
    const auto found = m_Samples.find(number);
    if (found != m_Samples.end())
    {
      return found->second;
    }
  }
  // Not under the lock, so that several are read at a time.
  const Sample sample = ReadVolumeCase(m_Cases.at(number)).sample;
  const std::size_t bytes = CountBytes(sample);
  const std::lock_guard<std::mutex> lock(m_Mutex);
  if (bytes <= m_MaximumBytes && m_Samples.emplace(number, sample).second)
  {
    m_Order.push_back(number);
    m_Bytes += bytes;
    while (m_Bytes > m_MaximumBytes)
    {
      const auto oldest = m_Samples.find(m_Order.front());
      m_Bytes -= CountBytes(oldest->second);
      m_Samples.erase(oldest);
      m_Order.pop_front();
    }
  }
  return sample;
}
} // namespace nn
} // namespace itk
