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
#include "itkUniverSegTraining.h"

#include "itkNNError.h"

#include <algorithm>
#include <cmath>

namespace itk
{
namespace nn
{
namespace
{
/** Streams of a batch. */
enum StreamKey : std::uint64_t
{
  sizeStream,
  taskStream,
  augmentationStream
};

/** Put examples [first, first + count) of a task one behind the other. */
void
Stack(const TrainingTask & task, std::size_t first, std::size_t count, float * images, float * labels)
{
  for (std::size_t i = 0; i < count; ++i)
  {
    const TrainingExample & example = task.examples[first + i];
    const auto elements = static_cast<std::size_t>(example.image.GetNumberOfElements());
    const Tensor image = example.image.Contiguous();
    const Tensor label = example.label.Contiguous();
    std::copy_n(image.GetData<float>(), elements, images + i * elements);
    std::copy_n(label.GetData<float>(), elements, labels + i * elements);
  }
}

void
CheckTask(const TrainingTask & task, const TaskRequest & request)
{
  itkNNRequireMacro(static_cast<std::int64_t>(task.examples.size()) == request.examples,
                    "Task '" << task.name << "' has " << task.examples.size() << " examples; " << request.examples
                             << " were asked for");
  const Shape shape{ request.height, request.width };
  for (const auto & example : task.examples)
  {
    itkNNRequireMacro(example.image.GetShape() == shape && example.label.GetShape() == shape,
                      "Task '" << task.name << "' has an image " << ToString(example.image.GetShape())
                               << " with a label " << ToString(example.label.GetShape()) << "; both should be "
                               << ToString(shape));
  }
}
} // namespace

UniverSegBatchSource::UniverSegBatchSource(TaskSource::ConstPointer tasks, UniverSegBatchOptions options)
  : m_Tasks(std::move(tasks))
  , m_Options(std::move(options))
{
  itkNNRequireMacro(m_Tasks != nullptr, "Batches need a source of tasks");
  itkNNRequireMacro(m_Options.height >= 1 && m_Options.width >= 1 && m_Options.tasks >= 1,
                    "Batches: height " << m_Options.height << ", width " << m_Options.width << " and tasks "
                                       << m_Options.tasks << " should be at least 1");
  itkNNRequireMacro(!m_Options.supportSizes.empty(), "Batches need a support size");
  for (const std::int64_t size : m_Options.supportSizes)
  {
    itkNNRequireMacro(size >= 1, "Batches: a support size is " << size << "; it should be at least 1");
  }
  if (m_Options.taskAugmentation)
  {
    m_TaskAugmentation.emplace(*m_Options.taskAugmentation);
  }
  if (m_Options.inTaskAugmentation)
  {
    m_InTaskAugmentation.emplace(*m_Options.inTaskAugmentation);
  }
}

UniverSegBatchSource::~UniverSegBatchSource() = default;

TensorMap
UniverSegBatchSource::MakeBatch(std::uint64_t position) const
{
  const RandomStream batch = RandomStream(m_Options.seed).Derive(position);
  RandomStream sizes = batch.Derive(sizeStream);
  const auto choice = sizes.Index(m_Options.supportSizes.size());
  const std::int64_t supports = m_Options.supportSizes[choice];
  const std::int64_t tasks = m_Options.tasks;
  const std::int64_t height = m_Options.height;
  const std::int64_t width = m_Options.width;
  Tensor target({ tasks, 1, height, width });
  Tensor label({ tasks, 1, height, width });
  Tensor images({ tasks, supports, 1, height, width });
  Tensor labels({ tasks, supports, 1, height, width });
  for (std::int64_t t = 0; t < tasks; ++t)
  {
    const TaskRequest request{ supports + 1, height, width };
    RandomStream drawing = batch.Derive(taskStream).Derive(static_cast<std::uint64_t>(t));
    RandomStream changing = batch.Derive(augmentationStream).Derive(static_cast<std::uint64_t>(t));
    TrainingTask task = m_Tasks->Sample(drawing, request);
    CheckTask(task, request);
    if (m_TaskAugmentation)
    {
      m_TaskAugmentation->Apply(changing, task.examples);
    }
    if (m_InTaskAugmentation)
    {
      m_InTaskAugmentation->Apply(changing, task.examples);
    }
    CheckTask(task, request);
    const std::int64_t plane = height * width;
    Stack(task, 0, 1, target.GetData<float>() + t * plane, label.GetData<float>() + t * plane);
    Stack(task,
          1,
          static_cast<std::size_t>(supports),
          images.GetData<float>() + t * supports * plane,
          labels.GetData<float>() + t * supports * plane);
  }
  return { { "target", target }, { "label", label }, { "support_images", images }, { "support_labels", labels } };
}

UniverSegValidation::UniverSegValidation(Network::ConstPointer network,
                                         const TaskSource & source,
                                         const UniverSegBatchOptions & options,
                                         std::int64_t tasks,
                                         PlanOptions plan)
  : m_Network(std::move(network))
  , m_Plan(std::move(plan))
{
  itkNNRequireMacro(tasks >= 1, "A validation needs a task, has " << tasks);
  UniverSegBatchOptions own = options;
  own.tasks = 1;
  own.taskAugmentation.reset();
  own.inTaskAugmentation.reset();
  // Not the owner of the source.
  const TaskSource::ConstPointer shared(&source, [](const TaskSource *) {});
  const UniverSegBatchSource batches(shared, own);
  for (std::int64_t t = 0; t < tasks; ++t)
  {
    m_Batches.push_back(batches.MakeBatch(static_cast<std::uint64_t>(t)));
  }
}

ValidationResult
UniverSegValidation::Run(const StateDict & weights) const
{
  NetworkRunner runner(m_Network, std::make_shared<const StateDict>(weights), m_Plan);
  double sum = 0;
  for (const auto & batch : m_Batches)
  {
    TensorMap inputs = batch;
    const auto label = inputs.at("label").ToVector<float>();
    inputs.erase("label");
    const auto logits = runner.Run(inputs).at("logits").ToVector<float>();
    double both = 0;
    double sizes = 0;
    for (std::size_t i = 0; i < label.size(); ++i)
    {
      const bool found = logits[i] > 0;
      const bool wanted = label[i] > 0.5F;
      both += found && wanted ? 1 : 0;
      sizes += (found ? 1 : 0) + (wanted ? 1 : 0);
    }
    sum += sizes > 0 ? 2 * both / sizes : 1;
  }
  ValidationResult result;
  result.score = sum / static_cast<double>(m_Batches.size());
  result.metrics["dice"] = result.score;
  return result;
}
} // namespace nn
} // namespace itk
