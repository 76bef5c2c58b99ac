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
#include "itkNNSlidingWindowPredictor.h"

#include "itkNNError.h"
#include "itkNNParallel.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <utility>

namespace itk
{
namespace nn
{
namespace
{
const char * const inputName = "input";

/** All subsets of some axes, the empty one first. */
std::vector<std::vector<int>>
MakeSubsets(const std::vector<int> & axes)
{
  std::vector<std::vector<int>> subsets{ {} };
  for (const int axis : axes)
  {
    const std::size_t count = subsets.size();
    for (std::size_t i = 0; i < count; ++i)
    {
      subsets.push_back(subsets[i]);
      subsets.back().push_back(axis);
    }
  }
  return subsets;
}

/** The axes along which the image as a whole is mirrored. */
std::vector<int>
GetAxesOfPasses(const SlidingWindowOptions & options)
{
  return options.windows.placement == WindowPlacement::PyMIC ? options.mirrorAxes : std::vector<int>{};
}

/** View of [N, C, ...] mirrored along axes of the image. */
Tensor
MirroredView(Tensor & tensor, const std::vector<int> & axes)
{
  Shape strides = tensor.GetStrides();
  auto * first = tensor.GetData<float>();
  for (const int axis : axes)
  {
    const auto i = static_cast<std::size_t>(axis) + 2;
    first += strides[i] * (tensor.GetShape()[i] - 1);
    strides[i] = -strides[i];
  }
  return Tensor::Wrap(first, tensor.GetShape(), DataType::Float32, strides, std::make_shared<const Tensor>(tensor));
}

/** Sums b into a, element by element, and multiplies. */
void
AddAndScale(Tensor & a, const Tensor & b, float divisor)
{
  float * sums = a.GetData<float>();
  const float * values = b.GetData<float>();
  for (std::int64_t i = 0; i < a.GetNumberOfElements(); ++i)
  {
    sums[i] = (sums[i] + values[i]) / divisor;
  }
}

/** Rows of the first axis of the image that a pass has finished and others have not. */
class PassedRows
{
public:
  explicit PassedRows(std::int64_t row)
    : m_End(row)
  {}

  void Append(const Tensor & logits)
  {
    m_Blocks.push_back({ m_End, logits });
    m_End += logits.GetShape()[1];
  }

  std::int64_t GetEnd() const
  {
    return m_End;
  }

  /** End of the first block. */
  std::int64_t GetEndOfFirst() const
  {
    return m_Blocks.front().row + m_Blocks.front().logits.GetShape()[1];
  }

  /** Rows from the first that was not taken, within the first block. */
  Tensor Take(std::int64_t begin, std::int64_t end)
  {
    const Block block = m_Blocks.front();
    if (end == this->GetEndOfFirst())
    {
      m_Blocks.pop_front();
    }
    return block.logits.Slice(1, begin - block.row, end - block.row).Contiguous();
  }

private:
  struct Block
  {
    std::int64_t row;
    Tensor logits;
  };
  std::deque<Block> m_Blocks;
  std::int64_t m_End;
};

void
CheckLogits(const Tensor & logits)
{
  itkNNRequireMacro(logits.IsDefined() && logits.GetRank() >= 1 && logits.GetShape()[0] >= 1 &&
                      logits.GetDataType() == DataType::Float32 && logits.IsContiguous(),
                    "Sliding window: the logits are " << ToString(logits.GetShape())
                                                      << "; should be contiguous float32 values of at least one class");
}
} // namespace

struct SlidingWindowPredictor::Progress
{
  const RunHooks & hooks;
  std::int64_t total; ///< runs
  std::int64_t done = 0;
};

SlidingWindowPredictor::SlidingWindowPredictor(std::shared_ptr<NetworkRunner> runner,
                                               std::int64_t channels,
                                               const Shape & image,
                                               const SlidingWindowOptions & options)
  : m_Runner(std::move(runner))
  , m_Options(options)
  , m_Channels(channels)
{
  itkNNRequireMacro(m_Runner != nullptr, "Sliding window: the network runner is null; should be one");
  itkNNRequireMacro(channels >= 1, "Sliding window: the image has " << channels << " channels; should have at least 1");
  itkNNRequireMacro(options.batchSize >= 1,
                    "Sliding window: the batch has " << options.batchSize << " windows; should have at least 1");
  itkNNRequireMacro(std::isfinite(options.paddingValue),
                    "Sliding window: the padding value is " << options.paddingValue << "; should be finite");
  m_Passes = MakePasses(image, options);
  m_OfEachWindow = MakeSubsets(m_Passes.size() > 1 ? std::vector<int>{} : options.mirrorAxes);

  const Network & network = m_Runner->GetNetwork();
  const std::vector<std::string> inputs = network.GetInputNames();
  itkNNRequireMacro(inputs == std::vector<std::string>{ inputName },
                    "Sliding window: the network "
                      << network.GetName() << " has " << inputs.size()
                      << (inputs.size() == 1 ? " input, '" + inputs.front() + "'" : " inputs") << "; should have one, '"
                      << inputName << "'");
  Shape shape{ 1, channels };
  shape.insert(shape.end(), this->GetLayout().window.begin(), this->GetLayout().window.end());
  const Graph graph = network.BuildGraph({ { inputName, shape } });
  const std::string outputName = network.GetLogitsName();
  itkNNRequireMacro(graph.HasOutput(outputName),
                    "Sliding window: the network " << network.GetName() << " has no output '" << outputName
                                                   << "'; should have it");
  const Shape & logits = graph.GetShape(graph.GetOutput(outputName));
  Shape expected = shape;
  expected[1] = logits.size() > 1 ? logits[1] : 0;
  itkNNRequireMacro(logits == expected && expected[1] >= 1,
                    "Sliding window: the network " << network.GetName() << " makes logits " << ToString(logits)
                                                   << " of windows " << ToString(shape)
                                                   << "; should make some of the same extents");
  m_Classes = expected[1];
}

SlidingWindowPredictor::~SlidingWindowPredictor() = default;

std::vector<SlidingWindowPredictor::Pass>
SlidingWindowPredictor::MakePasses(const Shape & image, const SlidingWindowOptions & options)
{
  const WindowLayout layout = PlaceWindows(image, options.windows);
  CheckMirrorAxes(options.mirrorAxes, image.size());
  const auto weights = WindowWeights::Make(options.windows.placement, options.blending, layout.window);
  std::vector<Pass> passes;
  for (const auto & axes : MakeSubsets(GetAxesOfPasses(options)))
  {
    passes.push_back({ axes, layout.Mirror(axes), weights.Mirror(axes) });
  }
  return passes;
}

WindowRegion
SlidingWindowPredictor::GetSourceRegion(const Shape & image,
                                        const SlidingWindowOptions & options,
                                        const WindowRegion & region)
{
  const WindowLayout layout = PlaceWindows(image, options.windows);
  CheckMirrorAxes(options.mirrorAxes, image.size());
  WindowRegion result = region;
  for (const auto & axes : MakeSubsets(GetAxesOfPasses(options)))
  {
    const WindowRegion covered = layout.Mirror(axes).GetCoveredRegion(region);
    for (std::size_t i = 0; i < image.size(); ++i)
    {
      const std::int64_t end = std::max(result.start[i] + result.size[i], covered.start[i] + covered.size[i]);
      result.start[i] = std::min(result.start[i], covered.start[i]);
      result.size[i] = end - result.start[i];
    }
  }
  return result;
}

std::int64_t
SlidingWindowPredictor::GetNumberOfRuns(const WindowRegion & region) const
{
  std::size_t runs = 0;
  for (const WindowRegion & part : this->Split(region))
  {
    for (const Pass & pass : m_Passes)
    {
      runs += pass.layout.Select(part).size() * m_OfEachWindow.size();
    }
  }
  return static_cast<std::int64_t>(runs);
}

std::vector<WindowRegion>
SlidingWindowPredictor::Split(const WindowRegion & region) const
{
  const WindowLayout & layout = this->GetLayout();
  // Checks the region.
  layout.GetCoveredRegion(region);
  std::vector<WindowRegion> parts{ region };
  // Mirrored passes hold rows for each other.
  double bytes = static_cast<double>(sizeof(float)) * static_cast<double>(m_Classes) *
                 static_cast<double>(m_Passes.size() == 1 ? 1 : 2 * m_Passes.size()) *
                 static_cast<double>(std::min(region.size[0], layout.window[0]));
  for (std::size_t axis = 1; axis < region.size.size(); ++axis)
  {
    bytes *= static_cast<double>(region.size[axis]);
  }
  for (std::size_t axis = 1; axis < region.size.size(); ++axis)
  {
    const std::int64_t most = std::max<std::int64_t>(region.size[axis] / layout.window[axis], 1);
    const double needed = std::ceil(bytes / static_cast<double>(std::max<std::size_t>(m_Options.maximumBytes, 1)));
    const auto count = static_cast<std::int64_t>(std::min(std::max(needed, 1.0), static_cast<double>(most)));
    bytes /= static_cast<double>(count);
    std::vector<WindowRegion> smaller;
    for (const WindowRegion & part : parts)
    {
      for (std::int64_t i = 0; i < count; ++i)
      {
        const std::int64_t begin = part.size[axis] * i / count;
        smaller.push_back(part);
        smaller.back().start[axis] += begin;
        smaller.back().size[axis] = part.size[axis] * (i + 1) / count - begin;
      }
    }
    parts = std::move(smaller);
  }
  return parts;
}

std::int64_t
SlidingWindowPredictor::Predict(const Source & source, const Sink & sink, const RunHooks & hooks) const
{
  return this->Predict({ Shape(this->GetLayout().image.size(), 0), this->GetLayout().image }, source, sink, hooks);
}

std::int64_t
SlidingWindowPredictor::Predict(const WindowRegion & region,
                                const Source & source,
                                const Sink & sink,
                                const RunHooks & hooks) const
{
  itkNNRequireMacro(source && sink, "Sliding window: the source or the sink is empty; should be functions");
  Progress progress{ hooks, this->GetNumberOfRuns(region) };
  for (const WindowRegion & part : this->Split(region))
  {
    this->PredictPart(part, source, sink, progress);
  }
  return progress.done;
}

void
SlidingWindowPredictor::PredictPart(const WindowRegion & region,
                                    const Source & source,
                                    const Sink & sink,
                                    Progress & progress) const
{
  std::vector<PassedRows> rows(m_Passes.size(), PassedRows(region.start[0]));
  std::int64_t finished = region.start[0];
  const auto passOn = [&]
  {
    std::int64_t common = rows.front().GetEnd();
    for (const PassedRows & ofPass : rows)
    {
      common = std::min(common, ofPass.GetEnd());
    }
    while (finished < common)
    {
      std::int64_t end = common;
      for (const PassedRows & ofPass : rows)
      {
        end = std::min(end, ofPass.GetEndOfFirst());
      }
      Tensor logits = rows.front().Take(finished, end);
      for (std::size_t i = 1; i < rows.size(); ++i)
      {
        AddAndScale(logits, rows[i].Take(finished, end), i + 1 == rows.size() ? static_cast<float>(rows.size()) : 1.0F);
      }
      WindowRegion part = region;
      part.start[0] = finished;
      part.size[0] = end - finished;
      finished = end;
      sink(part, logits);
    }
  };

  std::vector<std::unique_ptr<WindowMerger>> mergers;
  for (std::size_t i = 0; i < m_Passes.size(); ++i)
  {
    const auto append = [&rows, &passOn, i](std::int64_t, const Tensor & logits)
    {
      rows[i].Append(logits);
      passOn();
    };
    mergers.push_back(std::make_unique<WindowMerger>(
      m_Passes[i].layout, m_Passes[i].weights, m_Classes, append, region, m_Runner->GetOptions().threads));
  }
  while (finished < region.start[0] + region.size[0])
  {
    // The pass that is behind, so that few rows wait.
    const auto behind = std::min_element(
      rows.begin(), rows.end(), [](const PassedRows & a, const PassedRows & b) { return a.GetEnd() < b.GetEnd(); });
    const auto number = static_cast<std::size_t>(behind - rows.begin());
    WindowMerger & merger = *mergers[number];
    const std::size_t added = merger.GetNumberOfAddedWindows();
    const auto count = std::min(m_Options.batchSize, static_cast<std::int64_t>(merger.GetWindows().size() - added));
    const Tensor logits = this->Run(m_Passes[number], merger.GetWindows().data() + added, count, source, progress);
    for (std::int64_t i = 0; i < count; ++i)
    {
      merger.Add(logits.Select(0, i));
    }
  }
}

Tensor
SlidingWindowPredictor::Run(
  const Pass & pass, const std::int64_t * windows, std::int64_t count, const Source & source, Progress & progress) const
{
  const WindowLayout & layout = pass.layout;
  Shape shape{ count, m_Channels };
  shape.insert(shape.end(), layout.window.begin(), layout.window.end());
  Tensor batch = Tensor::Full(shape, m_Options.paddingValue);
  for (std::int64_t i = 0; i < count; ++i)
  {
    const Shape start = layout.GetWindow(windows[i]).start;
    Tensor pixels = batch.Select(0, i);
    WindowRegion region;
    for (std::size_t axis = 0; axis < start.size(); ++axis)
    {
      const std::int64_t begin = std::max<std::int64_t>(start[axis], 0);
      const std::int64_t end = std::min(start[axis] + layout.window[axis], layout.image[axis]);
      region.start.push_back(begin);
      region.size.push_back(end - begin);
      pixels = pixels.Slice(static_cast<int>(axis) + 1, begin - start[axis], end - start[axis]);
    }
    source(region, pixels);
  }
  Tensor logits = this->RunMirrored(batch, pass.axes, progress);
  for (std::size_t i = 1; i < m_OfEachWindow.size(); ++i)
  {
    AddAndScale(logits,
                this->RunMirrored(batch, m_OfEachWindow[i], progress),
                i + 1 == m_OfEachWindow.size() ? static_cast<float>(m_OfEachWindow.size()) : 1.0F);
  }
  return logits;
}

Tensor
SlidingWindowPredictor::RunMirrored(const Tensor & batch, const std::vector<int> & axes, Progress & progress) const
{
  const std::int64_t count = batch.GetShape()[0];
  RunHooks hooks;
  hooks.isCancelled = progress.hooks.isCancelled;
  if (progress.hooks.progress)
  {
    hooks.progress = [&progress, count](double part)
    {
      progress.hooks.progress((static_cast<double>(progress.done) + part * static_cast<double>(count)) /
                              static_cast<double>(progress.total));
    };
  }
  Tensor input = batch;
  input = MirroredView(input, axes).Contiguous();
  const TensorMap outputs = m_Runner->Run({ { inputName, input } }, hooks);
  progress.done += count;
  Tensor logits = outputs.at(m_Runner->GetNetwork().GetLogitsName()).To(DataType::Float32).Contiguous();
  if (m_Options.sigmoid)
  {
    float * const values = logits.GetData<float>();
    const auto squash = [values](std::int64_t begin, std::int64_t end)
    {
      std::transform(
        values + begin, values + end, values + begin, [](float logit) { return 1 / (1 + std::exp(-logit)); });
    };
    ParallelFor(logits.GetNumberOfElements(), m_Runner->GetOptions().threads, squash);
  }
  return MirroredView(logits, axes).Contiguous();
}

Tensor
SelectClasses(const Tensor & logits, unsigned int threads)
{
  CheckLogits(logits);
  const std::int64_t classes = logits.GetShape()[0];
  Tensor result(Shape(logits.GetShape().begin() + 1, logits.GetShape().end()), DataType::Int32);
  const std::int64_t pixels = result.GetNumberOfElements();
  const float * values = logits.GetData<float>();
  auto * winners = result.GetData<std::int32_t>();
  const auto select = [&](std::int64_t begin, std::int64_t end)
  {
    std::fill(winners + begin, winners + end, 0);
    std::vector<float> best(values + begin, values + end);
    for (std::int64_t k = 1; k < classes; ++k)
    {
      const float * ofClass = values + k * pixels;
      for (std::int64_t i = begin; i < end; ++i)
      {
        float & greatest = best[static_cast<std::size_t>(i - begin)];
        winners[i] = ofClass[i] > greatest ? static_cast<std::int32_t>(k) : winners[i];
        greatest = std::max(greatest, ofClass[i]);
      }
    }
  };
  ParallelFor(pixels, threads, select);
  return result;
}

Tensor
ComputeProbability(const Tensor & logits, std::int64_t classNumber, unsigned int threads)
{
  CheckLogits(logits);
  const std::int64_t classes = logits.GetShape()[0];
  itkNNRequireMacro(classNumber >= 0 && classNumber < classes,
                    "Sliding window: the class of the probability is " << classNumber << "; should be within [0, "
                                                                       << classes << ')');
  Tensor result(Shape(logits.GetShape().begin() + 1, logits.GetShape().end()));
  const std::int64_t pixels = result.GetNumberOfElements();
  const float * values = logits.GetData<float>();
  const float * chosen = values + classNumber * pixels;
  auto * probabilities = result.GetData<float>();
  const auto compute = [&](std::int64_t begin, std::int64_t end)
  {
    for (std::int64_t i = begin; i < end; ++i)
    {
      float greatest = values[i];
      for (std::int64_t k = 1; k < classes; ++k)
      {
        greatest = std::max(greatest, values[k * pixels + i]);
      }
      double sum = 0;
      for (std::int64_t k = 0; k < classes; ++k)
      {
        sum += std::exp(static_cast<double>(values[k * pixels + i]) - static_cast<double>(greatest));
      }
      probabilities[i] =
        static_cast<float>(std::exp(static_cast<double>(chosen[i]) - static_cast<double>(greatest)) / sum);
    }
  };
  ParallelFor(pixels, threads, compute);
  return result;
}
} // namespace nn
} // namespace itk
