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
#include "itkNNWindowMerger.h"

#include "itkNNError.h"
#include "itkNNParallel.h"

#include <algorithm>
#include <utility>

namespace itk
{
namespace nn
{
namespace
{
/** Three axes, with the missing ones behind the first. */
template <typename T>
void
ToThreeAxes(std::vector<T> & values, const T & missing)
{
  while (values.size() < 3)
  {
    values.insert(values.begin() + 1, missing);
  }
}
} // namespace

WindowMerger::WindowMerger(const WindowLayout & layout,
                           const WindowWeights & weights,
                           std::int64_t channels,
                           Output output,
                           const WindowRegion & region,
                           unsigned int threads)
  : m_Layout(layout)
  , m_Region(region)
  , m_Weights(weights)
  , m_Axes(layout.image.size())
  , m_Channels(channels)
  , m_Output(std::move(output))
  , m_Threads(threads)
{
  layout.Check();
  if (region.start.empty() && region.size.empty())
  {
    m_Region = { Shape(m_Axes, 0), layout.image };
  }
  m_Windows = layout.Select(m_Region);
  itkNNRequireMacro(channels >= 1,
                    "Sliding window: the number of channels is " << channels << "; should be at least 1");
  itkNNRequireMacro(m_Output, "Sliding window: the output is empty; should be a function");
  Shape weighted;
  for (const auto & factors : weights.axes)
  {
    weighted.push_back(static_cast<std::int64_t>(factors.size()));
  }
  itkNNRequireMacro(weighted == layout.window,
                    "Sliding window: the weights are those of a window " << ToString(weighted) << "; should be of "
                                                                         << ToString(layout.window));
  if (layout.GetNumberOfWindows() == 1)
  {
    // Weighting would only round.
    m_Weights = WindowWeights::Make(WindowPlacement::PyMIC, WindowBlending::Constant, layout.window);
    for (auto & ofAxis : m_Layout.starts)
    {
      ofAxis.front().multiplicity = 1;
    }
  }

  ToThreeAxes<std::int64_t>(m_Layout.image, 1);
  ToThreeAxes<std::int64_t>(m_Layout.window, 1);
  ToThreeAxes(m_Layout.starts, { WindowLayout::Start{} });
  ToThreeAxes<std::int64_t>(m_Region.start, 0);
  ToThreeAxes<std::int64_t>(m_Region.size, 1);
  // Of one pixel, and without effect.
  ToThreeAxes(m_Weights.axes, { m_Weights.isDistance ? 0.0 : 1.0 });
  if (m_Weights.IsSeparable())
  {
    for (std::size_t axis = 0; axis < 3; ++axis)
    {
      m_Sums.emplace_back(static_cast<std::size_t>(m_Region.size[axis]), 0.0);
      for (const WindowLayout::Start & start : m_Layout.starts[axis])
      {
        const Span span = this->Clip(axis, start.position);
        for (std::int64_t i = span.begin; i < span.end; ++i)
        {
          m_Sums.back()[static_cast<std::size_t>(i)] +=
            static_cast<double>(start.multiplicity) *
            m_Weights.axes[axis][static_cast<std::size_t>(i - span.begin + span.offset)];
        }
      }
    }
  }
  else
  {
    m_Map = m_Weights.ToTensor();
  }
  m_Capacity = std::min(m_Layout.window[0], m_Region.size[0]);
  m_Plane = m_Region.size[1] * m_Region.size[2];
  m_Held.assign(
    static_cast<std::size_t>(NumberOfElements({ channels, m_Capacity, m_Region.size[1], m_Region.size[2] })), 0.0F);
}

WindowMerger::Span
WindowMerger::Clip(std::size_t axis, std::int64_t start) const
{
  const std::int64_t from = start - m_Region.start[axis];
  const std::int64_t begin = std::max<std::int64_t>(from, 0);
  return { begin, std::min(from + m_Layout.window[axis], m_Region.size[axis]), begin - from };
}

float *
WindowMerger::GetHeldRow(std::int64_t channel, std::int64_t row)
{
  return m_Held.data() + (channel * m_Capacity + row % m_Capacity) * m_Plane;
}

void
WindowMerger::Add(const Tensor & logits)
{
  itkNNRequireMacro(!this->IsComplete(),
                    "Sliding window: all " << m_Windows.size() << " windows have been added; should be no more");
  Shape expected{ m_Channels };
  // Without the axes that were put in.
  expected.push_back(m_Layout.window[0]);
  expected.insert(
    expected.end(), m_Layout.window.end() - static_cast<std::ptrdiff_t>(m_Axes - 1), m_Layout.window.end());
  itkNNRequireMacro(logits.IsDefined(), "Sliding window: the logits are undefined; should be " << ToString(expected));
  itkNNRequireMacro(logits.GetShape() == expected,
                    "Sliding window: the logits are " << ToString(logits.GetShape()) << "; should be "
                                                      << ToString(expected));
  const Tensor values = logits.To(DataType::Float32).Contiguous();
  this->Accumulate(m_Layout.GetWindow(m_Windows[m_Added]), values.GetData<float>());
  ++m_Added;

  // Rows before the next window are finished.
  const std::int64_t end =
    this->IsComplete() ? m_Region.size[0] : this->Clip(0, m_Layout.GetWindow(m_Windows[m_Added]).start[0]).begin;
  const auto rowBytes = static_cast<std::size_t>(m_Channels * m_Plane) * sizeof(float);
  const auto rows = static_cast<std::int64_t>(std::max<std::size_t>(BlockBytes / rowBytes, 1));
  while (end > m_Finished)
  {
    this->PassOn(std::min(end, m_Finished + rows));
  }
}

void
WindowMerger::Accumulate(const WindowLayout::Window & window, const float * logits)
{
  const Span z = this->Clip(0, window.start[0]);
  const Span y = this->Clip(1, window.start[1]);
  const Span x = this->Clip(2, window.start[2]);
  const auto width = static_cast<std::size_t>(x.end - x.begin);
  const std::int64_t rows = m_Layout.window[1];
  const std::int64_t columns = m_Layout.window[2];
  const std::int64_t volume = m_Layout.window[0] * rows * columns;
  const auto multiplicity = static_cast<double>(window.multiplicity);
  const double * map = m_Map.IsDefined() ? std::as_const(m_Map).GetData<double>() : nullptr;
  const std::int64_t lines = y.end - y.begin;
  const auto accumulate = [&](std::int64_t firstLine, std::int64_t endLine)
  {
    std::vector<double> weights(width);
    for (std::int64_t line = firstLine; line < endLine; ++line)
    {
      const std::int64_t i = z.begin + line / lines;
      const std::int64_t j = y.begin + line % lines;
      const std::int64_t iInWindow = i - z.begin + z.offset;
      const std::int64_t jInWindow = j - y.begin + y.offset;
      const std::int64_t first = (iInWindow * rows + jInWindow) * columns + x.offset;
      const double * factors = map != nullptr ? map + first : m_Weights.axes[2].data() + x.offset;
      const double outer = map != nullptr ? 1
                                          : m_Weights.axes[0][static_cast<std::size_t>(iInWindow)] *
                                              m_Weights.axes[1][static_cast<std::size_t>(jInWindow)];
      for (std::size_t k = 0; k < width; ++k)
      {
        weights[k] = multiplicity * (outer * factors[k]);
      }
      for (std::int64_t channel = 0; channel < m_Channels; ++channel)
      {
        const float * source = logits + channel * volume + first;
        float * sum = this->GetHeldRow(channel, i) + j * m_Region.size[2] + x.begin;
        for (std::size_t k = 0; k < width; ++k)
        {
          sum[k] = static_cast<float>(static_cast<double>(sum[k]) + static_cast<double>(source[k]) * weights[k]);
        }
      }
    }
  };
  ParallelFor((z.end - z.begin) * lines, m_Threads, accumulate);
}

void
WindowMerger::SumWeights(std::int64_t row, double * plane) const
{
  const std::int64_t width = m_Region.size[2];
  if (!m_Map.IsDefined())
  {
    double * sum = plane;
    for (const double ofColumn : m_Sums[1])
    {
      const double outer = m_Sums[0][static_cast<std::size_t>(row)] * ofColumn;
      sum =
        std::transform(m_Sums[2].begin(), m_Sums[2].end(), sum, [outer](double ofPixel) { return outer * ofPixel; });
    }
    return;
  }
  std::fill_n(plane, m_Plane, 0.0);
  const double * map = m_Map.GetData<double>();
  for (const WindowLayout::Start & startZ : m_Layout.starts[0])
  {
    const Span z = this->Clip(0, startZ.position);
    if (row < z.begin || row >= z.end)
    {
      continue;
    }
    const std::int64_t iInWindow = row - z.begin + z.offset;
    for (const WindowLayout::Start & startY : m_Layout.starts[1])
    {
      const Span y = this->Clip(1, startY.position);
      for (const WindowLayout::Start & startX : m_Layout.starts[2])
      {
        const Span x = this->Clip(2, startX.position);
        const auto multiplicity = static_cast<double>(startZ.multiplicity * startY.multiplicity * startX.multiplicity);
        for (std::int64_t j = y.begin; j < y.end; ++j)
        {
          const double * weights =
            map + (iInWindow * m_Layout.window[1] + j - y.begin + y.offset) * m_Layout.window[2] + x.offset;
          double * sum = plane + j * width;
          for (std::int64_t k = x.begin; k < x.end; ++k)
          {
            sum[k] += multiplicity * weights[k - x.begin];
          }
        }
      }
    }
  }
}

void
WindowMerger::PassOn(std::int64_t end)
{
  Shape shape{ m_Channels, end - m_Finished };
  shape.insert(shape.end(), m_Region.size.end() - static_cast<std::ptrdiff_t>(m_Axes - 1), m_Region.size.end());
  Tensor logits(shape);
  const std::int64_t first = m_Finished;
  const std::int64_t rows = end - first;
  std::vector<double> weights(static_cast<std::size_t>(rows * m_Plane));
  const auto sumWeights = [&](std::int64_t begin, std::int64_t endOfPart)
  {
    for (std::int64_t row = begin; row < endOfPart; ++row)
    {
      this->SumWeights(first + row, weights.data() + row * m_Plane);
    }
  };
  ParallelFor(rows, m_Threads, sumWeights);
  const auto divide = [&](std::int64_t begin, std::int64_t endOfPart)
  {
    for (std::int64_t i = begin; i < endOfPart; ++i)
    {
      float * sum = this->GetHeldRow(i / rows, first + i % rows);
      const double * weight = weights.data() + i % rows * m_Plane;
      float * merged = logits.GetData<float>() + i * m_Plane;
      for (std::int64_t k = 0; k < m_Plane; ++k)
      {
        merged[k] = static_cast<float>(static_cast<double>(sum[k]) / weight[k]);
        // For the row that takes the place of this one.
        sum[k] = 0;
      }
    }
  };
  ParallelFor(m_Channels * rows, m_Threads, divide);
  m_Finished = end;
  m_Output(m_Region.start[0] + first, logits);
}
} // namespace nn
} // namespace itk
