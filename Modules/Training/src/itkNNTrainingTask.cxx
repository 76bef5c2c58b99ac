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
#include "itkNNTrainingTask.h"

#include "itkNNError.h"

#include <cmath>

namespace itk
{
namespace nn
{
TaskSource::~TaskSource() = default;

TaskMixture::TaskMixture(std::vector<Component> components)
  : m_Components(std::move(components))
{
  double total = 0;
  for (const auto & component : m_Components)
  {
    itkNNRequireMacro(component.source != nullptr, "A mixture of tasks has a component without a source");
    itkNNRequireMacro(std::isfinite(component.weight) && component.weight >= 0,
                      "Source '" << component.source->GetName() << "' has weight " << component.weight
                                 << "; it should be at least 0");
    m_Weights.push_back(component.weight);
    total += component.weight;
  }
  itkNNRequireMacro(total > 0, "A mixture of tasks needs a source with a weight above 0");
}

TaskMixture::~TaskMixture() = default;

std::string
TaskMixture::GetName() const
{
  std::string name;
  for (const auto & component : m_Components)
  {
    name += (name.empty() ? "" : " + ") + component.source->GetName();
  }
  return name;
}

TrainingTask
TaskMixture::Sample(RandomStream & random, const TaskRequest & request) const
{
  return m_Components[random.Weighted(m_Weights)].source->Sample(random, request);
}
} // namespace nn
} // namespace itk
