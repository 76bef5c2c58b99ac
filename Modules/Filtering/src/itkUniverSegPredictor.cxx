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
#include "itkUniverSegPredictor.h"

#include "itkNNNumPyRandom.h"
#include "itkNNResampling.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace itk
{
namespace
{
constexpr SizeValueType maximumEnsembleSize = 10000;
constexpr SizeValueType maximumGridExtent = 65536;

/** The planes [N, 1, H, W] of a member as [1, S, 1, H, W]. */
nn::Tensor
GatherSupports(const nn::Tensor & planes, const std::vector<std::size_t> & member)
{
  const nn::Shape & shape = planes.GetShape();
  const auto size = static_cast<std::int64_t>(member.size());
  const nn::Shape gatheredShape{ 1, size, 1, shape[2], shape[3] };
  bool leading = true;
  for (std::size_t i = 0; i < member.size(); ++i)
  {
    leading = leading && member[i] == i;
  }
  if (leading)
  {
    return planes.Slice(0, 0, size).Reshape(gatheredShape);
  }
  nn::Tensor gathered(gatheredShape);
  const std::int64_t pixels = shape[2] * shape[3];
  float * output = gathered.GetData<float>();
  for (const std::size_t i : member)
  {
    output = std::copy_n(planes.GetData<float>() + static_cast<std::int64_t>(i) * pixels, pixels, output);
  }
  return gathered;
}
} // namespace

std::vector<UniverSegPredictor::LabelType>
UniverSegPredictor::SelectLabels(const UniverSegSupportSet & supports, bool includeBackground)
{
  const std::vector<LabelType> all = supports.GetLabels();
  std::vector<LabelType> foreground;
  std::copy_if(all.begin(), all.end(), std::back_inserter(foreground), [](LabelType label) { return label != 0; });
  itkNNRequireMacro(supports.GetNumberOfSupports() > 0,
                    "The support set is empty; it needs at least one image and its label image");
  itkNNRequireMacro(!foreground.empty(),
                    "The label images of the support set are 0 everywhere; at least one should mark a structure");
  return foreground.size() > 1 && includeBackground ? all : foreground;
}

UniverSegPredictor::UniverSegPredictor(const SegmentationModel & model,
                                       const UniverSegSupportSet & supports,
                                       const Options & options)
  : m_Supports(&supports)
  , m_Options(options)
  , m_Labels(SelectLabels(supports, options.includeBackground))
  , m_Binary(m_Labels.size() == 1)
{
  const nn::Network::ConstPointer network = model.GetNetwork();
  itkNNRequireMacro(network->GetName() == "universeg",
                    "The model's network is '" << network->GetName() << "'; this filter needs 'universeg'");
  m_Options.normalization.Check();
  itkNNRequireMacro(options.ensembleSize >= 1 && options.ensembleSize <= maximumEnsembleSize,
                    "The ensemble size is " << options.ensembleSize << "; should be from 1 to " << maximumEnsembleSize);

  const SegmentationModel::GridSizeType modelGrid = model.GetGridSize();
  for (unsigned int axis = 0; axis < 2; ++axis)
  {
    if (m_Options.gridSize[axis] == 0)
    {
      m_Options.gridSize[axis] = modelGrid[axis];
    }
    itkNNRequireMacro(m_Options.gridSize[axis] <= maximumGridExtent,
                      "The grid is " << m_Options.gridSize << " pixels; should be at most " << maximumGridExtent);
  }

  SizeValueType pool = supports.GetNumberOfSupports();
  if (options.maximumNumberOfSupports > 0)
  {
    pool = std::min(pool, options.maximumNumberOfSupports);
  }
  m_Pool = pool;
  if (options.numberOfNearestSupports > 0)
  {
    pool = std::min(pool, options.numberOfNearestSupports);
  }
  m_SupportsOfSlice = pool;
  if (options.ensembleSize == 1 && options.ensembleSupportSize == 0)
  {
    m_Members.emplace_back(pool);
    std::iota(m_Members.front().begin(), m_Members.front().end(), std::size_t{ 0 });
  }
  else
  {
    const SizeValueType size = options.ensembleSupportSize == 0 ? pool : options.ensembleSupportSize;
    for (SizeValueType j = 0; j < options.ensembleSize; ++j)
    {
      nn::NumPyRandom random(options.seed + j);
      const auto drawn = random.Integers(0, static_cast<std::int64_t>(pool), size);
      m_Members.emplace_back(drawn.begin(), drawn.end());
    }
  }

  m_Runner = model.GetRunner(m_Options.plan);
  m_Prepared = supports.GetPrepared(m_Options.normalization, m_Options.gridSize[0], m_Options.gridSize[1]);
  // The supports of one target keep all threads busy; more targets at once would only take more memory.
  m_SliceBatchSize = std::max(options.sliceBatchSize, SizeValueType{ 1 });
}

UniverSegPredictor::~UniverSegPredictor() = default;

nn::Tensor
UniverSegPredictor::PrepareTargets(const nn::Tensor & slices, const IntensityStatistics * statistics) const
{
  const nn::Shape & shape = slices.GetShape();
  const auto height = static_cast<std::size_t>(shape[1]);
  const auto width = static_cast<std::size_t>(shape[2]);
  const auto gridWidth = m_Options.gridSize[0];
  const auto gridHeight = m_Options.gridSize[1];
  nn::Tensor targets({ shape[0], 1, static_cast<std::int64_t>(gridHeight), static_cast<std::int64_t>(gridWidth) });
  for (std::int64_t i = 0; i < shape[0]; ++i)
  {
    m_Options.normalization.Apply(slices.GetData<float>() + i * shape[1] * shape[2],
                                  height,
                                  width,
                                  statistics,
                                  targets.GetData<float>() + static_cast<std::size_t>(i) * gridHeight * gridWidth,
                                  gridHeight,
                                  gridWidth);
  }
  return targets;
}

nn::Tensor
UniverSegPredictor::RunMember(const nn::Tensor & targets,
                              LabelType label,
                              const std::vector<std::size_t> & member,
                              const nn::RunHooks & hooks) const
{
  const nn::Shape & grid = m_Prepared->GetImages().GetShape();
  const nn::Shape supportShape{ 1, static_cast<std::int64_t>(member.size()), 1, grid[2], grid[3] };
  const nn::ShapeMap shapes{ { "target", targets.GetShape() },
                             { "support_images", supportShape },
                             { "support_labels", supportShape } };
  const auto gather = [&]
  {
    return nn::TensorMap{ { "support_images", GatherSupports(m_Prepared->GetImages(), member) },
                          { "support_labels", GatherSupports(m_Prepared->GetPlanes(label), member) } };
  };
  UniverSegSupportCache::StatePointer state;
  // Supports that were selected for one target seldom serve the next.
  if (m_SupportsOfSlice == m_Pool && m_Runner->SavesWork(shapes))
  {
    const nn::NetworkRunner::SplitPlans plans = m_Runner->GetSplitPlans(shapes);
    nn::RunHooks cancellation;
    cancellation.isCancelled = hooks.isCancelled;
    state =
      m_Supports->GetCache().GetOrCompute({ m_Runner, m_Prepared, label, member, plans.key },
                                          plans.bytes,
                                          [&] { return m_Runner->ComputeStatic(gather(), shapes, cancellation); });
  }
  nn::TensorMap outputs;
  if (state)
  {
    outputs = m_Runner->Run({ { "target", targets } }, shapes, *state, hooks);
  }
  else
  {
    nn::TensorMap inputs = gather();
    inputs.emplace("target", targets);
    outputs = m_Runner->Run(inputs, hooks);
  }
  return outputs.at(m_Runner->GetNetwork().GetLogitsName());
}

nn::Tensor
UniverSegPredictor::PredictLabel(const nn::Tensor & targets,
                                 LabelType label,
                                 const std::vector<std::size_t> & supports,
                                 const nn::RunHooks & hooks) const
{
  const auto members = static_cast<double>(m_Members.size());
  double finished = 0;
  nn::RunHooks runHooks;
  runHooks.isCancelled = hooks.isCancelled;
  if (hooks.progress)
  {
    runHooks.progress = [&](double part) { hooks.progress((finished + part) / members); };
  }
  std::vector<double> sums;
  nn::Shape shape;
  for (const std::vector<std::size_t> & member : m_Members)
  {
    std::vector<std::size_t> positions(member.size());
    std::transform(member.begin(), member.end(), positions.begin(), [&](std::size_t i) { return supports[i]; });
    const nn::Tensor output = this->RunMember(targets, label, positions, runHooks);
    shape = output.GetShape();
    const std::vector<double> logits = output.ToVector<double>();
    sums.resize(logits.size(), 0.0);
    std::transform(logits.begin(),
                   logits.end(),
                   sums.begin(),
                   sums.begin(),
                   [](double logit, double sum) { return sum + 1.0 / (1.0 + std::exp(-logit)); });
    ++finished;
  }
  nn::Tensor mean(shape);
  std::transform(sums.begin(),
                 sums.end(),
                 mean.GetData<float>(),
                 [members](double sum) { return static_cast<float>(sum / members); });
  return mean;
}

std::vector<nn::Tensor>
UniverSegPredictor::Predict(const nn::Tensor & slices,
                            const IntensityStatistics * statistics,
                            const nn::RunHooks & hooks) const
{
  itkNNRequireMacro(slices.IsDefined() && slices.GetRank() == 3 && slices.GetNumberOfElements() > 0,
                    "The slices have shape " << (slices.IsDefined() ? nn::ToString(slices.GetShape()) : "undefined")
                                             << "; should be [B, H, W] with at least one pixel");
  const nn::Shape shape = slices.GetShape();
  const nn::Tensor targets = this->PrepareTargets(slices.Contiguous(), statistics);

  // Targets that share their supports.
  const std::int64_t together = m_SupportsOfSlice < m_Pool ? 1 : shape[0];
  const nn::Shape & grid = targets.GetShape();
  const std::int64_t gridPixels = grid[2] * grid[3];
  const std::int64_t groups = shape[0] / together;
  const double numberOfRuns = static_cast<double>(m_Labels.size()) * static_cast<double>(groups);
  double finishedRuns = 0;
  nn::RunHooks runHooks;
  runHooks.isCancelled = hooks.isCancelled;
  if (hooks.progress)
  {
    runHooks.progress = [&](double part) { hooks.progress((finishedRuns + part) / numberOfRuns); };
  }

  std::vector<nn::Tensor> probabilities;
  for (std::size_t k = 0; k < m_Labels.size(); ++k)
  {
    probabilities.emplace_back(shape);
  }
  for (std::int64_t first = 0; first < shape[0]; first += together)
  {
    const nn::Tensor group = targets.Slice(0, first, first + together);
    const auto supports = m_Prepared->FindNearest(group.GetData<float>(), m_Pool, m_SupportsOfSlice);
    for (std::size_t k = 0; k < m_Labels.size(); ++k)
    {
      const nn::Tensor mean = this->PredictLabel(group, m_Labels[k], supports, runHooks);
      for (std::int64_t i = 0; i < together; ++i)
      {
        nn::ResizeLinear(mean.GetData<float>() + i * gridPixels,
                         static_cast<std::size_t>(grid[2]),
                         static_cast<std::size_t>(grid[3]),
                         probabilities[k].GetData<float>() + (first + i) * shape[1] * shape[2],
                         static_cast<std::size_t>(shape[1]),
                         static_cast<std::size_t>(shape[2]));
      }
      ++finishedRuns;
    }
  }
  return probabilities;
}

nn::Tensor
UniverSegPredictor::Combine(const std::vector<nn::Tensor> & probabilities, double threshold) const
{
  itkNNRequireMacro(probabilities.size() == m_Labels.size(),
                    "Got " << probabilities.size() << " probability maps for " << m_Labels.size() << " labels");
  const bool alwaysOne = !m_Binary && m_Options.includeBackground;
  nn::Tensor winners(probabilities.front().GetShape(), nn::DataType::Int32);
  const std::int64_t count = winners.GetNumberOfElements();
  std::vector<float> best(static_cast<std::size_t>(count), -1.0F);
  auto * output = winners.GetData<std::int32_t>();
  for (std::size_t k = 0; k < probabilities.size(); ++k)
  {
    const auto * map = probabilities[k].GetData<float>();
    for (std::int64_t i = 0; i < count; ++i)
    {
      if (map[i] > best[static_cast<std::size_t>(i)])
      {
        best[static_cast<std::size_t>(i)] = map[i];
        output[i] = static_cast<std::int32_t>(k + 1);
      }
    }
  }
  for (std::int64_t i = 0; i < count; ++i)
  {
    const float p = best[static_cast<std::size_t>(i)];
    // Only NaN beats none of the maps.
    if (p < 0 || (!alwaysOne && !(p > threshold)))
    {
      output[i] = 0;
    }
  }
  return winners;
}
} // namespace itk
