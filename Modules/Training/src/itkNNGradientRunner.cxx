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
#include "itkNNGradientRunner.h"

#include "itkNNDifferentiation.h"
#include "itkNNError.h"
#include "itkNNPasses.h"

namespace itk
{
namespace nn
{
namespace
{
/** Plans that are kept: training has few shapes. */
constexpr std::size_t keptPlans = 4;

constexpr const char * lossName = "loss";
} // namespace

GradientRunner::GradientRunner(Network::ConstPointer network, GradientOptions options)
  : m_Network(std::move(network))
  , m_Options(std::move(options))
  , m_Resources(std::make_shared<PlanResources>())
{
  itkNNRequireMacro(m_Network != nullptr, "Gradients need a network");
  itkNNRequireMacro(!m_Options.losses.empty(), "Gradients need a loss");
}

GradientRunner::~GradientRunner() = default;

std::shared_ptr<const ExecutionPlan>
GradientRunner::MakePlan(const ShapeMap & shapes) const
{
  ShapeMap own = shapes;
  const auto label = own.find(targetName);
  itkNNRequireMacro(label != own.end(), "Input '" << targetName << "', which the loss compares with, is missing");
  const Shape labelShape = label->second;
  own.erase(label);
  Graph graph = m_Network->BuildGraph(own);
  ValueId logits = -1;
  for (const auto & output : graph.GetOutputs())
  {
    logits = output.name == m_Options.output ? output.value : logits;
  }
  itkNNRequireMacro(logits >= 0, "The network has no output '" << m_Options.output << "'");
  const ValueId target = graph.AddInput(targetName, labelShape);
  graph.AddOutput(lossName, AddLosses(graph, logits, target, m_Options.losses));

  // Weights are inputs from here on, so that no pass takes them for constant.
  std::vector<std::string> names;
  for (const auto id : graph.GetValuesOfKind(Graph::ValueKind::Parameter))
  {
    names.push_back(graph.GetValue(id).name);
  }
  DifferentiationOptions differentiation;
  differentiation.withRespectTo = std::move(names);
  differentiation.recompute = m_Options.recompute;
  const DifferentiatedGraph gradients =
    Differentiate(SimplifyGraph(MakeParametersInputs(graph)), lossName, differentiation);

  PlanOptions options = m_Options.plan;
  // Values wait for their gradients: there is nothing to be done group by group.
  options.loops = false;
  return ExecutionPlan::Compile(gradients.graph, {}, options, m_Resources);
}

std::shared_ptr<const ExecutionPlan>
GradientRunner::GetPlan(const ShapeMap & shapes)
{
  const std::lock_guard<std::mutex> lock(m_Mutex);
  for (auto entry = m_Plans.begin(); entry != m_Plans.end(); ++entry)
  {
    if (entry->shapes == shapes)
    {
      m_Plans.splice(m_Plans.begin(), m_Plans, entry);
      return m_Plans.front().plan;
    }
  }
  m_Plans.push_front({ shapes, this->MakePlan(shapes) });
  if (m_Plans.size() > keptPlans)
  {
    m_Plans.pop_back();
  }
  return m_Plans.front().plan;
}

GradientResult
GradientRunner::Run(const TensorMap & inputs, const StateDict & weights, const RunHooks & hooks)
{
  ShapeMap shapes;
  for (const auto & [name, tensor] : inputs)
  {
    shapes[name] = tensor.GetShape();
  }
  m_Network->CheckWeights(weights);
  const auto plan = this->GetPlan(shapes);
  TensorMap all = inputs;
  for (const auto & [name, tensor] : weights)
  {
    itkNNRequireMacro(all.emplace(name, tensor).second, "'" << name << "' is both an input and a weight");
  }
  TensorMap outputs = plan->Run(all, hooks);
  GradientResult result;
  result.loss = outputs.at(lossName).ToVector<double>()[0];
  result.logits = outputs.at(m_Options.output);
  for (const auto & entry : weights)
  {
    const auto found = outputs.find(GetGradientName(entry.first));
    if (found != outputs.end())
    {
      result.gradients.emplace(entry.first, found->second);
    }
  }
  return result;
}
} // namespace nn
} // namespace itk
