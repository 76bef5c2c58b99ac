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
#include "universegPicture.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace universeg
{
namespace
{
constexpr Picture::Rgb palette[] = {
  { 255, 213, 0 },  { 0, 220, 255 },   { 255, 80, 160 },  { 120, 255, 90 },
  { 255, 140, 40 }, { 170, 140, 255 }, { 255, 255, 255 }, { 60, 160, 255 },
};

/** A slice of a volume, addressed by column and row. */
template <typename TImage>
class SliceView
{
public:
  SliceView(const TImage & image, unsigned int axis, std::size_t slice)
  {
    const auto & size = image.GetLargestPossibleRegion().GetSize();
    const std::size_t strides[] = { 1, size[0], size[0] * size[1] };
    const unsigned int column = axis == 0 ? 1 : 0;
    const unsigned int row = axis == 2 ? 1 : 2;
    m_First = image.GetBufferPointer() + slice * strides[axis];
    m_ColumnStride = strides[column];
    m_RowStride = strides[row];
    width = size[column];
    height = size[row];
  }

  typename TImage::PixelType Get(std::size_t x, std::size_t y) const
  {
    return m_First[x * m_ColumnStride + y * m_RowStride];
  }

  std::size_t width;
  std::size_t height;

private:
  const typename TImage::PixelType * m_First;
  std::size_t m_ColumnStride;
  std::size_t m_RowStride;
};

/** Linear when enlarged, mean over the covered pixels when shrunk. */
std::vector<float>
Stretch(const SliceView<Volume> & view, std::size_t width, std::size_t height)
{
  struct Taps
  {
    std::size_t first;
    std::vector<float> weights;
  };
  const auto makeTaps = [](std::size_t from, std::size_t to)
  {
    std::vector<Taps> taps(to);
    const double scale = static_cast<double>(from) / static_cast<double>(to);
    const double radius = std::max(scale, 1.0);
    for (std::size_t i = 0; i < to; ++i)
    {
      const double centre = (static_cast<double>(i) + 0.5) * scale - 0.5;
      const auto low = static_cast<std::ptrdiff_t>(std::ceil(centre - radius));
      const auto high = static_cast<std::ptrdiff_t>(std::floor(centre + radius));
      const auto last = static_cast<std::ptrdiff_t>(from) - 1;
      taps[i].first = static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(low, 0, last));
      double sum = 0;
      for (auto k = static_cast<std::ptrdiff_t>(taps[i].first); k <= std::min(high, last); ++k)
      {
        const double weight = std::max(1e-6, 1 - std::abs(static_cast<double>(k) - centre) / radius);
        taps[i].weights.push_back(static_cast<float>(weight));
        sum += weight;
      }
      for (float & weight : taps[i].weights)
      {
        weight /= static_cast<float>(sum);
      }
    }
    return taps;
  };
  const auto columns = makeTaps(view.width, width);
  const auto rows = makeTaps(view.height, height);
  std::vector<float> narrow(width * view.height);
  for (std::size_t y = 0; y < view.height; ++y)
  {
    for (std::size_t x = 0; x < width; ++x)
    {
      float value = 0;
      for (std::size_t k = 0; k < columns[x].weights.size(); ++k)
      {
        value += columns[x].weights[k] * view.Get(columns[x].first + k, y);
      }
      narrow[y * width + x] = value;
    }
  }
  std::vector<float> result(width * height);
  for (std::size_t y = 0; y < height; ++y)
  {
    for (std::size_t x = 0; x < width; ++x)
    {
      float value = 0;
      for (std::size_t k = 0; k < rows[y].weights.size(); ++k)
      {
        value += rows[y].weights[k] * narrow[(rows[y].first + k) * width + x];
      }
      result[y * width + x] = value;
    }
  }
  return result;
}
} // namespace

Picture
Picture::FromSlice(const Volume & volume, unsigned int axis, std::size_t slice, std::size_t width, std::size_t height)
{
  Picture picture(width, height);
  const std::vector<float> values = Stretch(SliceView<Volume>(volume, axis, slice), width, height);
  const auto range = std::minmax_element(values.begin(), values.end());
  const float low = *range.first;
  const float scale = *range.second > low ? 255 / (*range.second - low) : 0;
  for (std::size_t i = 0; i < values.size(); ++i)
  {
    const auto gray = static_cast<unsigned char>(std::lround((values[i] - low) * scale));
    picture.SetPixel(i % width, i / width, { gray, gray, gray });
  }
  return picture;
}

Picture
Picture::FromProbabilities(
  const Volume & volume, unsigned int axis, std::size_t slice, std::size_t width, std::size_t height)
{
  constexpr float stops[][3] = { { 8, 8, 20 }, { 40, 30, 120 }, { 160, 50, 130 }, { 250, 140, 60 }, { 255, 250, 200 } };
  Picture picture(width, height);
  const std::vector<float> values = Stretch(SliceView<Volume>(volume, axis, slice), width, height);
  for (std::size_t i = 0; i < values.size(); ++i)
  {
    const float position = 4 * std::clamp(values[i], 0.0F, 1.0F);
    const auto stop = std::min<std::size_t>(static_cast<std::size_t>(position), 3);
    const float part = position - static_cast<float>(stop);
    Rgb color{};
    for (std::size_t c = 0; c < 3; ++c)
    {
      color[c] = static_cast<unsigned char>(std::lround((1 - part) * stops[stop][c] + part * stops[stop + 1][c]));
    }
    picture.SetPixel(i % width, i / width, color);
  }
  return picture;
}

void
Picture::DrawContours(const LabelVolume & labels, unsigned int axis, std::size_t slice, const Rgb * color)
{
  const SliceView<LabelVolume> view(labels, axis, slice);
  const std::size_t width = this->GetWidth();
  const std::size_t height = this->GetHeight();
  std::map<std::int32_t, std::size_t> order;
  std::vector<std::int32_t> drawn(width * height);
  for (std::size_t y = 0; y < height; ++y)
  {
    for (std::size_t x = 0; x < width; ++x)
    {
      drawn[y * width + x] = view.Get(x * view.width / width, y * view.height / height);
    }
  }
  for (const std::int32_t label : FindLabels(labels))
  {
    order.emplace(label, order.size());
  }
  const auto at = [&](std::size_t x, std::size_t y) { return drawn[y * width + x]; };
  for (std::size_t y = 0; y < height; ++y)
  {
    for (std::size_t x = 0; x < width; ++x)
    {
      const std::int32_t label = at(x, y);
      if (label != 0 && (x == 0 || y == 0 || x + 1 == width || y + 1 == height || at(x - 1, y) != label ||
                         at(x + 1, y) != label || at(x, y - 1) != label || at(x, y + 1) != label))
      {
        const Rgb chosen = color != nullptr ? *color : palette[order[label] % (sizeof(palette) / sizeof(palette[0]))];
        this->SetPixel(x, y, chosen);
      }
    }
  }
}

void
Picture::Write(const std::string & fileName) const
{
  WriteColorImage(fileName, this->GetWidth(), this->GetHeight(), this->GetPixels());
}

std::array<std::size_t, 2>
GetSliceSize(const itk::ImageBase<3> & image, unsigned int axis)
{
  const auto & size = image.GetLargestPossibleRegion().GetSize();
  return { size[axis == 0 ? 1 : 0], size[axis == 2 ? 1 : 2] };
}

std::array<std::size_t, 2>
GetDisplaySize(const itk::ImageBase<3> & image, unsigned int axis, std::size_t length)
{
  const auto size = GetSliceSize(image, axis);
  const double columnSpacing = image.GetSpacing()[axis == 0 ? 1 : 0];
  const double rowSpacing = image.GetSpacing()[axis == 2 ? 1 : 2];
  const double width = static_cast<double>(size[0]) * columnSpacing;
  const double height = static_cast<double>(size[1]) * rowSpacing;
  const double finest = std::min(columnSpacing, rowSpacing);
  const double pixels = std::max(width, height) / finest;
  const double target = static_cast<double>(length);
  const double factor = pixels <= target ? std::floor(target / pixels) : target / pixels;
  const auto extent = [&](double physical)
  { return static_cast<std::size_t>(std::max(1L, std::lround(physical / finest * factor))); };
  return { extent(width), extent(height) };
}

std::size_t
FindFullestSlice(const LabelVolume & labels, unsigned int axis)
{
  const std::size_t count = labels.GetLargestPossibleRegion().GetSize()[axis];
  std::size_t best = count / 2;
  std::size_t most = 0;
  for (std::size_t slice = 0; slice < count; ++slice)
  {
    const SliceView<LabelVolume> view(labels, axis, slice);
    std::size_t filled = 0;
    for (std::size_t y = 0; y < view.height; ++y)
    {
      for (std::size_t x = 0; x < view.width; ++x)
      {
        filled += view.Get(x, y) != 0;
      }
    }
    if (filled > most)
    {
      most = filled;
      best = slice;
    }
  }
  return best;
}
} // namespace universeg
