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
#include "itkHermesPriorNetwork.h"

#include "itkNNHermesModules.h"

namespace itk
{
namespace nn
{
HermesPriorNetwork::~HermesPriorNetwork() = default;

std::vector<std::string>
HermesPriorNetwork::GetInputNames() const
{
  return GetHermesInputNames(this->GetPriors());
}

std::string
HermesPriorNetwork::GetLogitsName() const
{
  return "out";
}

std::int64_t
HermesPriorNetwork::GetNumberOfTasks() const
{
  return CountHermesTasks(this->GetPriors());
}

std::int64_t
HermesPriorNetwork::GetTask() const
{
  return this->GetPriors().task;
}

Network::ConstPointer
HermesPriorNetwork::ForTask(std::int64_t task) const
{
  return this->WithPriors(ForHermesTask(this->GetName(), this->GetPriors(), task));
}

bool
HermesPriorNetwork::IsMultiLabel() const
{
  return true;
}

Network::ImageClasses
HermesPriorNetwork::GetImageClasses() const
{
  return GetHermesImageClasses();
}

Network::ConstPointer
HermesPriorNetwork::ForTaskInputs() const
{
  HermesPriors priors = this->GetPriors();
  priors.domains.clear();
  priors.task = 0;
  return this->WithPriors(std::move(priors));
}

TensorMap
HermesPriorNetwork::MakeTaskInputs(const std::vector<std::int64_t> & tasks) const
{
  return MakeHermesTaskInputs(this->GetName(), this->GetPriors(), tasks);
}

Network::Extension
HermesPriorNetwork::WithTask(const NewTask & task) const
{
  HermesPriors priors = this->GetPriors();
  const std::vector<std::int64_t> rows = ExtendHermesPriors(this->GetName(), priors, task, this->GetInputChannels());
  return { this->WithPriors(std::move(priors)), rows };
}
} // namespace nn
} // namespace itk
