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
#include <numeric>

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

/** Dice of each class. */
std::vector<double>
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
  std::vector<double> dice(classes, 1);
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
  const std::size_t choice = this->FindCase(number);
  return ForCase(m_Cases->GetCase(choice),
                 [&]
                 {
                   Sample sample = m_Cases->Get(choice);
                   RandomStream seeds = RandomStream(m_Seed).Derive(sampleStream).Derive(number);
                   TransformRandom random(static_cast<std::int64_t>(seeds.Next() >> 1U));
                   m_Transforms.Apply(sample, random);
                   itkNNRequireMacro(sample.labelProbability.IsDefined(),
                                     "the transforms for training make no label probabilities; LabelToProbability "
                                     "should be one of them");
                   return sample;
                 });
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
  const auto isWeighted = [](const Sample & sample) { return sample.pixelWeight.IsDefined(); };
  if (std::any_of(samples.begin(), samples.end(), isWeighted))
  {
    itkNNRequireMacro(isWeighted(samples.front()),
                      "A batch: some samples have pixel weights, and some have none; should be all or none");
    batch.emplace("pixel_weight", Stack(samples, &Sample::pixelWeight, "pixel weight"));
  }
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
              itkNNRequireMacro(logits.GetShape() == sample.labelProbability.GetShape(),
                                "the network gives " << ToString(logits.GetShape()) << ", the label probabilities are "
                                                     << ToString(sample.labelProbability.GetShape()));
              const auto dice = CompareClasses(SelectClasses(logits),
                                               SelectClasses(sample.labelProbability.Contiguous()),
                                               static_cast<std::size_t>(logits.GetShape()[0]));
              sums.resize(dice.size());
              std::transform(dice.begin(), dice.end(), sums.begin(), sums.begin(), std::plus<>());
            });
  }
  ValidationResult result;
  for (std::size_t c = 0; c < sums.size(); ++c)
  {
    result.metrics["dice-" + std::to_string(c)] = sums[c] / static_cast<double>(count);
  }
  const double all = std::accumulate(sums.begin() + 1, sums.end(), 0.0);
  const double classes = std::max(1.0, static_cast<double>(sums.size()) - 1);
  result.score = all / classes / static_cast<double>(count);
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
