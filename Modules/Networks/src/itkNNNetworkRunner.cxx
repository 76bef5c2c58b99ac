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
#include "itkNNNetworkRunner.h"

#include <algorithm>

namespace itk
{
namespace nn
{
NetworkRunner::NetworkRunner(Network::ConstPointer network,
                             std::shared_ptr<const StateDict> weights,
                             PlanOptions options)
  : m_Network(std::move(network))
  , m_Weights(std::move(weights))
  , m_Options(std::move(options))
  , m_Resources(std::make_shared<PlanResources>())
{
  itkNNRequireMacro(m_Network && m_Weights, "A network runner needs a network and weights");
  m_Network->CheckWeights(*m_Weights);
}

NetworkRunner::~NetworkRunner() = default;

TensorMap
NetworkRunner::Run(const TensorMap & inputs, const RunHooks & hooks)
{
  ShapeMap shapes;
  for (const auto & input : inputs)
  {
    itkNNRequireMacro(input.second.IsDefined(), "Input '" << input.first << "' is undefined");
    shapes.emplace(input.first, input.second.GetShape());
  }
  return this->GetPlan(shapes)->Run(inputs, hooks);
}

std::shared_ptr<const ExecutionPlan>
NetworkRunner::GetPlan(const ShapeMap & inputs)
{
  constexpr std::size_t kept = 4;
  const std::lock_guard<std::mutex> lock(m_Mutex);
  const auto found =
    std::find_if(m_Plans.begin(), m_Plans.end(), [&](const Entry & entry) { return entry.inputs == inputs; });
  if (found != m_Plans.end())
  {
    m_Plans.splice(m_Plans.begin(), m_Plans, found);
  }
  else
  {
    m_Plans.push_front(
      { inputs, ExecutionPlan::Compile(m_Network->BuildGraph(inputs), *m_Weights, m_Options, m_Resources) });
    if (m_Plans.size() > kept)
    {
      m_Plans.pop_back();
    }
  }
  return m_Plans.front().plan;
}

void
NetworkRunner::ReleaseMemory()
{
  const std::lock_guard<std::mutex> lock(m_Mutex);
  m_Plans.clear();
  m_Resources->arenas.Clear();
}
} // namespace nn
} // namespace itk
