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
#include "itkUniverSegSupportTaskSource.h"

#include "itkNNError.h"

#include <algorithm>

namespace itk
{
namespace nn
{
namespace
{
using Targets = UniverSegSupportTaskSource::Targets;

/** Fewer supports are all needed for training. */
constexpr std::size_t fewestForValidation = 8;
constexpr std::size_t validationStride = 4;

bool
IsTarget(std::size_t number, std::size_t count, Targets targets)
{
  const bool isKept = count >= fewestForValidation && number % validationStride == validationStride - 1;
  return targets == Targets::All || count < fewestForValidation || (targets == Targets::Validation) == isKept;
}
} // namespace

UniverSegSupportTaskSource::UniverSegSupportTaskSource(const UniverSegSupportSet & supports,
                                                       const IntensityNormalization & normalization,
                                                       std::int64_t height,
                                                       std::int64_t width,
                                                       Targets targets)
  : m_Height(height)
  , m_Width(width)
{
  itkNNRequireMacro(height >= 1 && width >= 1,
                    "Tasks of a support set: height " << height << " and width " << width << " should be at least 1");
  const auto prepared =
    supports.GetPrepared(normalization, static_cast<SizeValueType>(width), static_cast<SizeValueType>(height));
  const Tensor & images = prepared->GetImages();
  for (const auto label : supports.GetLabels())
  {
    if (label == 0)
    {
      continue;
    }
    const Tensor planes = prepared->GetPlanes(label);
    Structure structure;
    structure.label = label;
    for (std::int64_t i = 0; i < images.GetShape()[0]; ++i)
    {
      const auto plane = [&](const Tensor & all)
      { return all.Select(0, i).Select(0, 0).To(DataType::Float32).Clone(); };
      TrainingExample example{ plane(images), plane(planes) };
      const float * values = example.label.GetData<float>();
      if (std::any_of(values, values + height * width, [](float value) { return value > 0.5F; }))
      {
        structure.examples.push_back(std::move(example));
      }
    }
    for (std::size_t i = 0; i < structure.examples.size(); ++i)
    {
      if (IsTarget(i, structure.examples.size(), targets))
      {
        structure.targets.push_back(i);
      }
    }
    if (!structure.targets.empty())
    {
      m_Structures.push_back(std::move(structure));
    }
  }
  itkNNRequireMacro(!m_Structures.empty(), "No support has a label other than 0 that is to be seen on the grid");
}

UniverSegSupportTaskSource::~UniverSegSupportTaskSource() = default;

std::string
UniverSegSupportTaskSource::GetName() const
{
  return "support set";
}

TrainingTask
UniverSegSupportTaskSource::Sample(RandomStream & random, const TaskRequest & request) const
{
  itkNNRequireMacro(request.height == m_Height && request.width == m_Width && request.examples >= 2,
                    "Tasks of a support set are of " << m_Height << " x " << m_Width
                                                     << " and at least 2 examples, not of " << request.height << " x "
                                                     << request.width << " and " << request.examples);
  const Structure & structure = m_Structures[random.Index(m_Structures.size())];
  const std::size_t target = structure.targets[random.Index(structure.targets.size())];
  std::vector<std::size_t> others;
  for (std::size_t i = 0; i < structure.examples.size(); ++i)
  {
    if (i != target || structure.examples.size() == 1)
    {
      others.push_back(i);
    }
  }
  TrainingTask task;
  task.name = this->GetName() + ": label " + std::to_string(structure.label);
  task.examples.push_back(structure.examples[target]);
  const auto count = static_cast<std::int64_t>(others.size());
  while (static_cast<std::int64_t>(task.examples.size()) < request.examples)
  {
    const std::int64_t missing = request.examples - static_cast<std::int64_t>(task.examples.size());
    for (const std::int64_t i : random.Choose(count, std::min(count, missing)))
    {
      task.examples.push_back(structure.examples[others[static_cast<std::size_t>(i)]]);
    }
  }
  return task;
}
} // namespace nn
} // namespace itk
