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
#include "itkNNWindowPlacement.h"

#include "itkNNError.h"

#include <algorithm>
#include <cmath>

namespace itk
{
namespace nn
{
namespace
{
void
CheckExtents(const char * name, const Shape & extents, std::size_t axes)
{
  itkNNRequireMacro(extents.size() == axes,
                    "Sliding window: the " << name << " is " << ToString(extents) << "; should have the " << axes
                                           << " axes of the image");
  itkNNRequireMacro(std::all_of(extents.begin(), extents.end(), [](std::int64_t extent) { return extent >= 1; }),
                    "Sliding window: the " << name << " is " << ToString(extents) << "; should be at least 1");
}

void
CheckRegion(const Shape & image, const WindowRegion & region)
{
  const auto isWithin = [&]
  {
    if (region.start.size() != image.size() || region.size.size() != image.size())
    {
      return false;
    }
    for (std::size_t i = 0; i < image.size(); ++i)
    {
      if (region.start[i] < 0 || region.size[i] < 1 || region.size[i] > image[i] ||
          region.start[i] > image[i] - region.size[i])
      {
        return false;
      }
    }
    return true;
  };
  itkNNRequireMacro(isWithin(),
                    "Sliding window: the region starts at "
                      << ToString(region.start) << " and has the size " << ToString(region.size)
                      << "; should have pixels, all of them within the image " << ToString(image));
}

bool
Touches(const WindowRegion & region, std::size_t axis, std::int64_t position, std::int64_t window)
{
  return position < region.start[axis] + region.size[axis] && position + window > region.start[axis];
}

/** Appends a start, which counts again when it repeats the last one. */
void
Append(std::vector<WindowLayout::Start> & starts, std::int64_t position)
{
  if (!starts.empty() && starts.back().position == position)
  {
    ++starts.back().multiplicity;
  }
  else
  {
    starts.push_back({ position, 1 });
  }
}

std::vector<WindowLayout::Start>
StartsOfPyMIC(std::int64_t image, std::int64_t window, std::int64_t stride)
{
  const std::int64_t last = image - window;
  std::vector<WindowLayout::Start> starts;
  const std::int64_t count = (image - 1) / stride + 1;
  for (std::int64_t i = 0; i < count && i * stride < last; ++i)
  {
    Append(starts, i * stride);
  }
  starts.push_back({ last, count - static_cast<std::int64_t>(starts.size()) });
  return starts;
}

/** \param image its extent with the padding */
std::vector<WindowLayout::Start>
StartsOfMONAI(std::int64_t image, std::int64_t window, double overlap)
{
  const std::int64_t last = image - window;
  const auto interval =
    std::max<std::int64_t>(1, static_cast<std::int64_t>(static_cast<double>(window) * (1 - overlap)));
  std::vector<WindowLayout::Start> starts;
  for (std::int64_t position = 0; position < last; position += interval)
  {
    Append(starts, position);
  }
  Append(starts, last);
  return starts;
}

/** \param image its extent with the padding */
std::vector<WindowLayout::Start>
StartsOfNnUNet(std::int64_t image, std::int64_t window, double step)
{
  const auto last = static_cast<double>(image - window);
  const auto steps = static_cast<std::int64_t>(std::ceil(last / (static_cast<double>(window) * step)));
  const double width = steps > 0 ? last / static_cast<double>(steps) : 0;
  std::vector<WindowLayout::Start> starts;
  for (std::int64_t i = 0; i <= steps; ++i)
  {
    // To even, in the default rounding mode.
    Append(starts, static_cast<std::int64_t>(std::nearbyint(width * static_cast<double>(i))));
  }
  return starts;
}

/** \param image its extent with the padding */
std::vector<WindowLayout::Start>
StartsOfU2Net(std::int64_t image, std::int64_t window)
{
  const std::int64_t half = std::max<std::int64_t>(window / 2, 1);
  std::vector<WindowLayout::Start> starts;
  for (std::int64_t position = 0; position < image; position += half)
  {
    Append(starts, std::min(position, image - window));
  }
  return starts;
}

/** \param image its extent with the padding */
std::vector<WindowLayout::Start>
StartsOfHermes(std::int64_t image, std::int64_t window)
{
  const std::int64_t half = std::max<std::int64_t>(window / 2, 1);
  std::vector<WindowLayout::Start> starts;
  for (std::int64_t i = 0; i < image / half; ++i)
  {
    Append(starts, std::min(i * half, image - window));
  }
  return starts;
}
} // namespace

void
CheckMirrorAxes(const std::vector<int> & axes, std::size_t count)
{
  for (std::size_t i = 0; i < axes.size(); ++i)
  {
    itkNNRequireMacro(axes[i] >= 0 && static_cast<std::size_t>(axes[i]) < count,
                      "Sliding window: the axis to mirror is " << axes[i] << "; should be within [0, " << count << ')');
    itkNNRequireMacro(std::find(axes.begin(), axes.begin() + static_cast<std::ptrdiff_t>(i), axes[i]) ==
                        axes.begin() + static_cast<std::ptrdiff_t>(i),
                      "Sliding window: the axis " << axes[i] << " is to be mirrored twice; should be once");
  }
}

const std::vector<std::string> &
GetWindowPlacementNames()
{
  static const std::vector<std::string> names{ "pymic", "monai", "nnunet", "u2net", "hermes" };
  return names;
}

const std::vector<std::string> &
GetWindowBlendingNames()
{
  static const std::vector<std::string> names{ "constant", "gaussian" };
  return names;
}

void
WindowOptions::Check(std::size_t axes) const
{
  CheckExtents("window", window, axes);
  switch (placement)
  {
    case WindowPlacement::PyMIC:
      CheckExtents("stride", stride, axes);
      return;
    case WindowPlacement::MONAI:
      itkNNRequireMacro(overlap >= 0 && overlap < 1,
                        "Sliding window: the overlap is " << overlap << "; should be within [0, 1)");
      return;
    case WindowPlacement::NnUNet:
      itkNNRequireMacro(step >= 0.001 && step <= 1,
                        "Sliding window: the step is " << step << "; should be within [0.001, 1]");
      return;
    case WindowPlacement::U2Net:
    case WindowPlacement::Hermes:
      return;
  }
  itkNNThrowMacro("Sliding window: the placement is " << static_cast<int>(placement)
                                                      << "; should be PyMIC, MONAI, NnUNet, U2Net or Hermes");
}

std::int64_t
WindowLayout::GetNumberOfWindows() const
{
  Shape counts;
  for (const auto & ofAxis : starts)
  {
    counts.push_back(static_cast<std::int64_t>(ofAxis.size()));
  }
  return NumberOfElements(counts);
}

WindowLayout::Window
WindowLayout::GetWindow(std::int64_t number) const
{
  itkNNRequireMacro(number >= 0 && number < this->GetNumberOfWindows(),
                    "Sliding window: the number of a window is " << number << "; should be within [0, "
                                                                 << this->GetNumberOfWindows() << ')');
  Window result;
  result.start.resize(starts.size());
  for (std::size_t axis = starts.size(); axis-- > 0;)
  {
    const auto count = static_cast<std::int64_t>(starts[axis].size());
    const Start & start = starts[axis][static_cast<std::size_t>(number % count)];
    number /= count;
    result.start[axis] = start.position;
    result.multiplicity *= start.multiplicity;
  }
  return result;
}

std::vector<std::int64_t>
WindowLayout::Select(const WindowRegion & region) const
{
  const std::size_t axes = image.size();
  CheckRegion(image, region);
  std::vector<std::int64_t> numbers{ 0 };
  for (std::size_t axis = 0; axis < axes; ++axis)
  {
    std::vector<std::int64_t> longer;
    for (const std::int64_t number : numbers)
    {
      for (std::size_t i = 0; i < starts[axis].size(); ++i)
      {
        if (Touches(region, axis, starts[axis][i].position, window[axis]))
        {
          longer.push_back(number * static_cast<std::int64_t>(starts[axis].size()) + static_cast<std::int64_t>(i));
        }
      }
    }
    numbers = std::move(longer);
  }
  return numbers;
}

WindowRegion
WindowLayout::GetCoveredRegion(const WindowRegion & region) const
{
  CheckRegion(image, region);
  WindowRegion covered = region;
  for (std::size_t axis = 0; axis < image.size(); ++axis)
  {
    std::int64_t begin = region.start[axis];
    std::int64_t end = begin + region.size[axis];
    for (const Start & start : starts[axis])
    {
      if (Touches(region, axis, start.position, window[axis]))
      {
        begin = std::min(begin, start.position);
        end = std::max(end, start.position + window[axis]);
      }
    }
    covered.start[axis] = std::max<std::int64_t>(begin, 0);
    covered.size[axis] = std::min(end, image[axis]) - covered.start[axis];
  }
  return covered;
}

WindowLayout
WindowLayout::Mirror(const std::vector<int> & axes) const
{
  CheckMirrorAxes(axes, image.size());
  WindowLayout mirrored = *this;
  for (const int axisToMirror : axes)
  {
    const auto axis = static_cast<std::size_t>(axisToMirror);
    for (Start & start : mirrored.starts[axis])
    {
      start.position = image[axis] - window[axis] - start.position;
    }
    std::reverse(mirrored.starts[axis].begin(), mirrored.starts[axis].end());
    std::swap(mirrored.before[axis], mirrored.after[axis]);
  }
  return mirrored;
}

void
WindowLayout::Check() const
{
  const std::size_t axes = image.size();
  itkNNRequireMacro(axes >= 1 && axes <= 3, "Sliding window: the image has " << axes << " axes; should have 1, 2 or 3");
  CheckExtents("image", image, axes);
  CheckExtents("window", window, axes);
  itkNNRequireMacro(starts.size() == axes,
                    "Sliding window: there are starts along " << starts.size() << " axes; should be the " << axes
                                                              << " axes of the image");
  for (std::size_t axis = 0; axis < axes; ++axis)
  {
    // What the windows cover from 0 on.
    std::int64_t end = 0;
    const Start * previous = nullptr;
    for (const Start & start : starts[axis])
    {
      itkNNRequireMacro(start.position <= end && (previous == nullptr || previous->position < start.position) &&
                          start.multiplicity >= 1,
                        "Sliding window: the start " << start.position << " along axis " << axis << ", counted "
                                                     << start.multiplicity
                                                     << " times, should leave no gap, be after the one before it and "
                                                     << "be counted at least once");
      end = start.position + window[axis];
      previous = &start;
    }
    itkNNRequireMacro(end >= image[axis],
                      "Sliding window: the windows end at " << end << " along axis " << axis << "; should cover the "
                                                            << image[axis] << " pixels of the image");
  }
}

WindowLayout
PlaceWindows(const Shape & image, const WindowOptions & options)
{
  const std::size_t axes = image.size();
  itkNNRequireMacro(axes >= 1 && axes <= 3, "Sliding window: the image has " << axes << " axes; should have 1, 2 or 3");
  CheckExtents("image", image, axes);
  options.Check(axes);
  WindowLayout layout;
  layout.image = image;
  layout.window = options.window;
  layout.before.assign(axes, 0);
  layout.after.assign(axes, 0);
  bool isCovered = true;
  for (std::size_t i = 0; i < axes; ++i)
  {
    isCovered = isCovered && options.window[i] >= image[i];
  }
  for (std::size_t i = 0; i < axes; ++i)
  {
    std::int64_t & window = layout.window[i];
    if (options.placement == WindowPlacement::PyMIC && !options.padToWindow)
    {
      window = std::min(window, image[i]);
    }
    std::int64_t padding = std::max<std::int64_t>(window - image[i], 0);
    padding += options.placement == WindowPlacement::U2Net ? padding % 2 : 0;
    layout.before[i] = options.placement == WindowPlacement::Hermes ? 0 : padding / 2;
    layout.after[i] = padding - layout.before[i];
    switch (options.placement)
    {
      case WindowPlacement::PyMIC:
        layout.starts.push_back(
          StartsOfPyMIC(image[i] + padding, window, isCovered ? window : std::min(options.stride[i], window)));
        break;
      case WindowPlacement::MONAI:
        layout.starts.push_back(StartsOfMONAI(image[i] + padding, window, options.overlap));
        break;
      case WindowPlacement::NnUNet:
        layout.starts.push_back(StartsOfNnUNet(image[i] + padding, window, options.step));
        break;
      case WindowPlacement::U2Net:
        layout.starts.push_back(StartsOfU2Net(image[i] + padding, window));
        break;
      case WindowPlacement::Hermes:
        layout.starts.push_back(StartsOfHermes(image[i] + padding, window));
        break;
    }
    for (WindowLayout::Start & start : layout.starts.back())
    {
      start.position -= layout.before[i];
    }
  }
  return layout;
}
} // namespace nn
} // namespace itk
