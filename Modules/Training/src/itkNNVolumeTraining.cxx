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
#include "itkNNVolumeTraining.h"

#include "itkNNError.h"
#include "itkNNNetworkRunner.h"
#include "itkNNRandomStream.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace itk
{
namespace nn
{
namespace
{
/** Streams of a source. */
enum StreamKey : std::uint64_t
{
  orderStream,
  sampleStream
};

/** Run a function on a case; its Error names the case. */
template <typename TFunction>
auto
ForCase(const VolumeCase & files, const TFunction & function)
{
  try
  {
    return function();
  }
  catch (const Cancelled &)
  {
    throw;
  }
  catch (const Error & error)
  {
    const std::string & what = error.GetDescription();
    itkNNRequireMacro(what.find(files.GetName()) == std::string::npos, what);
    itkNNThrowMacro("'" << files.GetName() << "': " << what);
  }
}

/** The same tensor of several samples as a batch. */
Tensor
Stack(const std::vector<Sample> & samples, Tensor Sample::* member, const char * name)
{
  const Shape & shape = (samples.front().*member).GetShape();
  Shape batchShape = shape;
  batchShape.insert(batchShape.begin(), static_cast<std::int64_t>(samples.size()));
  Tensor batch(batchShape);
  float * to = batch.GetData<float>();
  for (const Sample & sample : samples)
  {
    const Tensor & tensor = sample.*member;
    itkNNRequireMacro(tensor.IsDefined() && tensor.GetShape() == shape,
                      "A batch: the " << name << " of a sample is "
                                      << (tensor.IsDefined() ? ToString(tensor.GetShape()) : std::string("missing"))
                                      << ", should be " << ToString(shape) << " as that of the first");
    const Tensor values = tensor.Contiguous();
    to = std::copy_n(values.GetData<float>(), values.GetNumberOfElements(), to);
  }
  return batch;
}

/** A case as the transforms for training leave it; draws depend on the number. */
Sample
PrepareSample(const VolumeCache & cases,
              std::size_t choice,
              const SampleTransforms & transforms,
              std::uint64_t seed,
              std::uint64_t number)
{
  return ForCase(cases.GetCase(choice),
                 [&]
                 {
                   Sample sample = cases.Get(choice);
                   RandomStream seeds = RandomStream(seed).Derive(sampleStream).Derive(number);
                   TransformRandom random(static_cast<std::int64_t>(seeds.Next() >> 1U));
                   transforms.Apply(sample, random);
                   itkNNRequireMacro(sample.labelProbability.IsDefined(),
                                     "the transforms for training make no label probabilities; LabelToProbability "
                                     "should be one of them");
                   return sample;
                 });
}

void
AddPixelWeights(const std::vector<Sample> & samples, TensorMap & batch)
{
  const auto isWeighted = [](const Sample & sample) { return sample.pixelWeight.IsDefined(); };
  if (std::any_of(samples.begin(), samples.end(), isWeighted))
  {
    itkNNRequireMacro(isWeighted(samples.front()),
                      "A batch: some samples have pixel weights, and some have none; should be all or none");
    batch.emplace("pixel_weight", Stack(samples, &Sample::pixelWeight, "pixel weight"));
  }
}

/** Dice of each class, that of none of them first; nothing for those that the labels do not have.
 * \param logits [K, D, H, W]. \param labels [K + 1, D, H, W], the background first. */
std::vector<std::optional<double>>
CompareLogits(const Tensor & logits, const Tensor & labels)
{
  const std::int64_t classes = logits.GetShape()[0];
  const std::int64_t voxels = logits.GetNumberOfElements() / classes;
  const float * a = logits.GetData<float>();
  const float * b = labels.GetData<float>() + voxels;
  std::vector<std::optional<double>> dice(static_cast<std::size_t>(classes) + 1);
  for (std::int64_t c = 0; c < classes; ++c)
  {
    std::int64_t both = 0;
    std::int64_t found = 0;
    std::int64_t expected = 0;
    for (std::int64_t i = c * voxels; i < (c + 1) * voxels; ++i)
    {
      const bool isFound = a[i] >= 0;
      const bool isExpected = b[i] >= 0.5F;
      both += isFound && isExpected ? 1 : 0;
      found += isFound ? 1 : 0;
      expected += isExpected ? 1 : 0;
    }
    if (expected > 0)
    {
      dice[static_cast<std::size_t>(c) + 1] = 2 * static_cast<double>(both) / static_cast<double>(found + expected);
    }
  }
  return dice;
}

/** Dice of each class. */
std::vector<std::optional<double>>
CompareClasses(const Tensor & first, const Tensor & second, std::size_t classes)
{
  const auto * a = first.GetData<std::int32_t>();
  const auto * b = second.GetData<std::int32_t>();
  std::vector<double> both(classes);
  std::vector<double> sizes(classes);
  for (std::int64_t i = 0; i < first.GetNumberOfElements(); ++i)
  {
    ++sizes[static_cast<std::size_t>(a[i])];
    ++sizes[static_cast<std::size_t>(b[i])];
    both[static_cast<std::size_t>(a[i])] += a[i] == b[i] ? 1 : 0;
  }
  std::vector<std::optional<double>> dice(classes, 1);
  for (std::size_t c = 0; c < classes; ++c)
  {
    dice[c] = sizes[c] > 0 ? 2 * both[c] / sizes[c] : 1;
  }
  return dice;
}
} // namespace

VolumeBatchSource::VolumeBatchSource(std::shared_ptr<const VolumeCache> cases,
                                     SampleTransforms transforms,
                                     std::int64_t batchSize,
                                     std::uint64_t seed)
  : m_Cases(std::move(cases))
  , m_Transforms(std::move(transforms))
  , m_BatchSize(batchSize)
  , m_Seed(seed)
{
  itkNNRequireMacro(m_Cases != nullptr, "Batches need cases");
  itkNNRequireMacro(batchSize >= 1 && batchSize <= static_cast<std::int64_t>(m_Cases->GetNumberOfCases()),
                    "A batch has " << batchSize << " samples, should have 1 to " << m_Cases->GetNumberOfCases()
                                   << ", the number of cases");
}

VolumeBatchSource::~VolumeBatchSource() = default;

std::size_t
VolumeBatchSource::FindCase(std::uint64_t number) const
{
  const auto perEpoch = static_cast<std::uint64_t>(m_Cases->GetNumberOfCases()) /
                        static_cast<std::uint64_t>(m_BatchSize) * static_cast<std::uint64_t>(m_BatchSize);
  RandomStream random = RandomStream(m_Seed).Derive(orderStream).Derive(number / perEpoch);
  const auto count = static_cast<std::int64_t>(m_Cases->GetNumberOfCases());
  return static_cast<std::size_t>(random.Choose(count, count)[static_cast<std::size_t>(number % perEpoch)]);
}

Sample
VolumeBatchSource::MakeSample(std::uint64_t number) const
{
  return PrepareSample(*m_Cases, this->FindCase(number), m_Transforms, m_Seed, number);
}

TensorMap
VolumeBatchSource::MakeBatch(std::uint64_t position) const
{
  std::vector<Sample> samples;
  for (std::int64_t i = 0; i < m_BatchSize; ++i)
  {
    samples.push_back(
      this->MakeSample(position * static_cast<std::uint64_t>(m_BatchSize) + static_cast<std::uint64_t>(i)));
  }
  TensorMap batch{ { "input", Stack(samples, &Sample::image, "image") },
                   { "label", Stack(samples, &Sample::labelProbability, "label") } };
  AddPixelWeights(samples, batch);
  return batch;
}

MixedVolumeBatchSource::MixedVolumeBatchSource(Network::ConstPointer network,
                                               std::vector<VolumeTaskCases> tasks,
                                               std::int64_t batchSize,
                                               std::uint64_t seed)
  : m_Network(std::move(network))
  , m_Tasks(std::move(tasks))
  , m_BatchSize(batchSize)
  , m_Seed(seed)
{
  itkNNRequireMacro(m_Network != nullptr && batchSize >= 1,
                    "Batches of several tasks need a network, and at least one image, not " << batchSize);
  for (const VolumeTaskCases & task : m_Tasks)
  {
    itkNNRequireMacro(task.cases != nullptr && task.weight >= 0 && std::isfinite(task.weight),
                      "Batches of several tasks: the weight of task " << task.task << " is " << task.weight
                                                                      << ", should be at least 0, and it needs cases");
    m_Network->MakeTaskInputs({ task.task });
    m_Shares.push_back(task.weight * static_cast<double>(task.cases->GetNumberOfCases()));
  }
  itkNNRequireMacro(std::any_of(m_Shares.begin(), m_Shares.end(), [](double share) { return share > 0; }),
                    "Batches of several tasks: there is no task with a weight above 0");
}

MixedVolumeBatchSource::~MixedVolumeBatchSource() = default;

std::pair<std::size_t, std::size_t>
MixedVolumeBatchSource::FindCase(std::uint64_t number) const
{
  RandomStream random = RandomStream(m_Seed).Derive(orderStream).Derive(number);
  const std::size_t entry = random.Weighted(m_Shares);
  return { entry, random.Index(m_Tasks[entry].cases->GetNumberOfCases()) };
}

TensorMap
MixedVolumeBatchSource::MakeBatch(std::uint64_t position) const
{
  std::vector<Sample> samples;
  std::vector<std::int64_t> tasks;
  for (std::int64_t i = 0; i < m_BatchSize; ++i)
  {
    const std::uint64_t number = position * static_cast<std::uint64_t>(m_BatchSize) + static_cast<std::uint64_t>(i);
    const auto [entry, choice] = this->FindCase(number);
    const VolumeTaskCases & task = m_Tasks[entry];
    samples.push_back(PrepareSample(*task.cases, choice, task.transforms, m_Seed, number));
    tasks.push_back(task.task);
    const std::int64_t classes = m_Network->MakeTaskInputs({ task.task }).at("channel_weight").GetShape()[1];
    const std::int64_t channels = samples.back().labelProbability.GetShape()[0];
    itkNNRequireMacro(channels == classes,
                      "'" << task.cases->GetCase(choice).GetName() << "' has labels of " << channels
                          << " classes, background included; should be " << classes << ", those of task " << task.task
                          << ": class_num of LabelToProbability");
  }
  TensorMap batch = m_Network->MakeTaskInputs(tasks);
  batch.emplace("input", Stack(samples, &Sample::image, "image"));
  AddPixelWeights(samples, batch);
  Shape shape = batch.at("input").GetShape();
  shape[1] = batch.at("channel_weight").GetShape()[1];
  Tensor label = Tensor::Zeros(shape);
  const std::int64_t voxels = shape[2] * shape[3] * shape[4];
  for (std::size_t i = 0; i < samples.size(); ++i)
  {
    const Tensor own = samples[i].labelProbability.Contiguous();
    const Shape & extents = own.GetShape();
    itkNNRequireMacro(Shape(extents.begin() + 1, extents.end()) == Shape(shape.begin() + 2, shape.end()),
                      "A batch: the label of a sample is " << ToString(extents) << ", the images "
                                                           << ToString(batch.at("input").GetShape()));
    std::copy_n(own.GetData<float>() + voxels,
                own.GetNumberOfElements() - voxels,
                label.GetData<float>() + static_cast<std::int64_t>(i) * shape[1] * voxels);
  }
  batch.emplace("label", label);
  return batch;
}

VolumeValidation::VolumeValidation(Network::ConstPointer network,
                                   std::shared_ptr<const VolumeCache> cases,
                                   VolumePipeline pipeline,
                                   PlanOptions plan)
  : m_Network(std::move(network))
  , m_Cases(std::move(cases))
  , m_Pipeline(std::move(pipeline))
  , m_Plan(std::move(plan))
{
  itkNNRequireMacro(m_Network != nullptr && m_Cases != nullptr, "A validation needs a network and cases");
}

ValidationResult
VolumeValidation::Run(const StateDict & weights) const
{
  PlanOptions plan = m_Plan;
  plan.outputs = { m_Network->GetLogitsName() };
  const VolumeSegmenter segmenter(
    std::make_shared<NetworkRunner>(m_Network, std::make_shared<const StateDict>(weights), plan), m_Pipeline);
  std::vector<double> sums;
  std::vector<double> counts;
  const bool isMultiLabel = m_Network->IsMultiLabel();
  const std::size_t count = m_Cases->GetNumberOfCases();
  for (std::size_t number = 0; number < count; ++number)
  {
    ForCase(m_Cases->GetCase(number),
            [&]
            {
              Sample sample = m_Cases->Get(number);
              TransformRandom random(static_cast<std::int64_t>(number));
              m_Pipeline.transforms.Apply(sample, random);
              itkNNRequireMacro(sample.labelProbability.IsDefined(),
                                "the transforms for validation make no label probabilities; LabelToProbability should "
                                "be one of them");
              const Tensor logits = segmenter.ComputeLogits(sample.image);
              const Tensor labels = sample.labelProbability.Contiguous();
              Shape expected = logits.GetShape();
              expected[0] += isMultiLabel ? 1 : 0;
              itkNNRequireMacro(labels.GetShape() == expected,
                                "the network gives " << ToString(logits.GetShape()) << ", the label probabilities are "
                                                     << ToString(labels.GetShape()) << ", should be "
                                                     << ToString(expected));
              const auto dice =
                isMultiLabel
                  ? CompareLogits(logits.Contiguous(), labels)
                  : CompareClasses(SelectClasses(logits), SelectClasses(labels), static_cast<std::size_t>(expected[0]));
              sums.resize(dice.size());
              counts.resize(dice.size());
              for (std::size_t c = 0; c < dice.size(); ++c)
              {
                sums[c] += dice[c].value_or(0);
                counts[c] += dice[c].has_value() ? 1 : 0;
              }
            });
  }
  ValidationResult result;
  double classes = 0;
  for (std::size_t c = 0; c < sums.size(); ++c)
  {
    if (counts[c] > 0)
    {
      const double mean = sums[c] / counts[c];
      result.metrics["dice-" + std::to_string(c)] = mean;
      result.score += c > 0 ? mean : 0;
      classes += c > 0 ? 1 : 0;
    }
  }
  result.score /= std::max(1.0, classes);
  result.metrics["dice"] = result.score;
  return result;
}

ValidationResult
JoinValidations(const std::vector<std::pair<std::string, ValidationResult>> & results)
{
  itkNNRequireMacro(!results.empty(), "There is no validation of a task to be joined");
  ValidationResult joined;
  for (const auto & [task, result] : results)
  {
    joined.score += result.score / static_cast<double>(results.size());
    for (const auto & [metric, value] : result.metrics)
    {
      joined.metrics[std::string(task).append(1, '.').append(metric)] = value;
    }
  }
  joined.metrics["dice"] = joined.score;
  return joined;
}
} // namespace nn
} // namespace itk
