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
#include "itkNNVolumeFusionRunner.h"

#include "itkNNRegisterBackends.h"

namespace itk
{
namespace nn
{
bool
VolumeFusionRunner::UseDevice(const std::string & device)
{
  RegisterBackends();
  PlanOptions options;
  SetComputation(options, device, "float64");
  if (options.device.ToText() != m_PlanOptions.device.ToText())
  {
    m_Plan.reset();
  }
  m_PlanOptions = options;
  return options.device.type != Device::Type::Cpu;
}

TensorMap
VolumeFusionRunner::Run(const VolumeFusionOptions & options,
                        const VolumeFusionGrid & grid,
                        const Shape & position,
                        const Tensor & foreground,
                        const Tensor & background,
                        const RunHooks & hooks)
{
  const Shape & size = foreground.GetShape();
  if (m_Plan == nullptr || m_Size != size || m_MinimumBlock != options.minimumBlock || m_Classes != options.classes)
  {
    m_Plan = ExecutionPlan::Compile(BuildVolumeFusionGraph(options, size), {}, m_PlanOptions);
    m_Size = size;
    m_MinimumBlock = options.minimumBlock;
    m_Classes = options.classes;
  }
  TensorMap inputs = MakeVolumeFusionInputs(options, size, { grid }, position);
  const auto withAxes = [](const Tensor & image)
  {
    Shape shape{ 1, 1 };
    shape.insert(shape.end(), image.GetShape().begin(), image.GetShape().end());
    return image.Reshape(shape);
  };
  inputs["foreground"] = withAxes(foreground);
  inputs["background"] = withAxes(background);
  return m_Plan->Run(inputs, hooks);
}
} // namespace nn
} // namespace itk
