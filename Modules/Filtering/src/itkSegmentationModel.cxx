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
#include "itkSegmentationModel.h"

#include "itkNNParallel.h"
#include "itkNNRegisterBackends.h"
#include "itkNNText.h"
#include "itkUniverSegNetwork.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace itk
{
extern const unsigned char universegDefaultModel[];
extern const std::size_t universegDefaultModelSize;

namespace
{
constexpr std::size_t maximumNumberOfRunners = 8;

bool
Equal(const nn::PlanOptions & a, const nn::PlanOptions & b)
{
  return a.backend == b.backend && a.device == b.device && a.precision == b.precision && a.threads == b.threads &&
         a.optimize == b.optimize && a.allowTensorFloat32 == b.allowTensorFloat32 &&
         a.deterministic == b.deterministic && a.keepOutputsOnDevice == b.keepOutputsOnDevice &&
         a.residentInputs == b.residentInputs && a.outputs == b.outputs;
}

nn::Network::ConstPointer
MakeNetwork(const nn::Model & model, const std::string & givenName, const std::string & givenConfiguration)
{
  const nn::ModelCard & card = model.GetCard();
  const std::string cardName = nn::ToLower(card.network);
  const std::string argumentName = nn::ToLower(givenName);
  itkNNRequireMacro(cardName.empty() || argumentName.empty() || cardName == argumentName,
                    "The model's card names the network '" << card.network << "', but '" << givenName
                                                           << "' was asked for");
  const std::string name = cardName.empty() ? argumentName : cardName;
  const std::string & configuration = card.configuration.empty() ? givenConfiguration : card.configuration;
  itkNNRequireMacro(configuration.empty() || !name.empty(),
                    "A configuration was given without the name of the network; known networks: universeg");
  const nn::Network::ConstPointer network =
    configuration.empty() ? nn::Network::Infer(model.GetWeights(), name) : nn::Network::Create(name, configuration);
  network->CheckWeights(model.GetWeights());
  return network;
}

SegmentationModel::GridSizeType
MakeGridSize(const nn::ModelCard & card)
{
  SegmentationModel::GridSizeType size;
  size.Fill(SegmentationModel::DefaultGridExtent);
  if (card.preprocessing.empty())
  {
    return size;
  }
  const nlohmann::json preprocessing = nlohmann::json::parse(card.preprocessing, nullptr, false);
  itkNNRequireMacro(preprocessing.is_object(), "The model card's preprocessing is not a JSON object");
  const auto grid = preprocessing.find("grid_size");
  if (grid == preprocessing.end())
  {
    return size;
  }
  const auto isExtent = [](const nlohmann::json & value)
  { return value.is_number_unsigned() && value.get<std::uint64_t>() > 0 && value.get<std::uint64_t>() <= 65536; };
  itkNNRequireMacro(grid->is_array() && grid->size() == 2 && isExtent((*grid)[0]) && isExtent((*grid)[1]),
                    "The model card's grid_size is " << grid->dump()
                                                     << "; should be [height, width], integers from 1 to 65536");
  size[0] = (*grid)[1].get<SizeValueType>();
  size[1] = (*grid)[0].get<SizeValueType>();
  return size;
}
} // namespace

struct SegmentationModel::State
{
  ModifiedTimeType modelTime;
  nn::Network::ConstPointer network;
  GridSizeType gridSize;
  std::list<std::shared_ptr<nn::NetworkRunner>> runners; ///< last used first

  nn::Network::ConstPointer GetNetworkFor(int task) const
  {
    return task < 0 ? network : network->ForTask(task);
  }
};

SegmentationModel::SegmentationModel()
{
  nn::RegisterBackends();
}

SegmentationModel::~SegmentationModel() = default;

SegmentationModel::Pointer
SegmentationModel::Read(const std::string & fileName,
                        const std::string & networkName,
                        const std::string & configuration)
{
  const Pointer result = New();
  result->SetModel(nn::Model::Read(fileName), networkName, configuration);
  result->GetNetwork();
  return result;
}

SegmentationModel::Pointer
SegmentationModel::GetDefault()
{
  static const Pointer model = []
  {
    const Pointer result = New();
    result->SetModel(
      nn::Model::ReadFromMemory(universegDefaultModel, universegDefaultModelSize, "the embedded default model"));
    return result;
  }();
  return model;
}

void
SegmentationModel::SetModel(const nn::Model * model, const std::string & networkName, const std::string & configuration)
{
  {
    const std::lock_guard<std::mutex> lock(m_Mutex);
    if (m_Model == model && m_NetworkName == networkName && m_Configuration == configuration)
    {
      return;
    }
    m_Model = model;
    m_NetworkName = networkName;
    m_Configuration = configuration;
    m_State.reset();
  }
  this->Modified();
}

nn::Model::ConstPointer
SegmentationModel::GetCheckedModel() const
{
  if (m_Model.IsNull())
  {
    itkExceptionMacro("No model is set; use Read(), GetDefault() or SetModel()");
  }
  return m_Model;
}

SegmentationModel::State &
SegmentationModel::GetState() const
{
  this->GetCheckedModel();
  if (!m_State || m_State->modelTime != m_Model->GetMTime())
  {
    m_State.reset();
    auto state = std::make_unique<State>();
    state->modelTime = m_Model->GetMTime();
    state->network = MakeNetwork(*m_Model, m_NetworkName, m_Configuration);
    state->gridSize = MakeGridSize(m_Model->GetCard());
    m_State = std::move(state);
  }
  return *m_State;
}

nn::Network::ConstPointer
SegmentationModel::GetNetwork(int task) const
{
  const std::lock_guard<std::mutex> lock(m_Mutex);
  return this->GetState().GetNetworkFor(task);
}

SizeValueType
SegmentationModel::GetNumberOfTasks() const
{
  return static_cast<SizeValueType>(this->GetNetwork()->GetNumberOfTasks());
}

int
SegmentationModel::FindTask(const std::string & name) const
{
  const nn::ModelCard & card = this->GetCheckedModel()->GetCard();
  const std::int64_t task = card.FindTask(name);
  if (task < 0)
  {
    std::string names;
    for (const auto & known : card.tasks)
    {
      names += (names.empty() ? "" : ", ") + known.name;
    }
    itkExceptionMacro("The model has no task '" << name << "'; it has "
                                                << (names.empty() ? "no names of tasks" : names));
  }
  return static_cast<int>(task);
}

std::string
SegmentationModel::GetNetworkName() const
{
  return this->GetNetwork()->GetName();
}

std::string
SegmentationModel::GetConfiguration() const
{
  return this->GetNetwork()->GetConfiguration();
}

SizeValueType
SegmentationModel::GetNumberOfParameters() const
{
  return static_cast<SizeValueType>(this->GetNetwork()->GetNumberOfParameters());
}

std::string
SegmentationModel::GetFileName() const
{
  const std::lock_guard<std::mutex> lock(m_Mutex);
  return this->GetCheckedModel()->GetFileName();
}

std::string
SegmentationModel::GetDescription() const
{
  nn::Model::ConstPointer model;
  {
    const std::lock_guard<std::mutex> lock(m_Mutex);
    model = this->GetCheckedModel();
  }
  return nn::DescribeModelAsJson(*model);
}

SegmentationModel::GridSizeType
SegmentationModel::GetGridSize() const
{
  const std::lock_guard<std::mutex> lock(m_Mutex);
  return this->GetState().gridSize;
}

std::shared_ptr<nn::NetworkRunner>
SegmentationModel::GetRunner(const nn::PlanOptions & options, int task) const
{
  return this->GetRunner(options, this->GetNetwork(task));
}

std::shared_ptr<nn::NetworkRunner>
SegmentationModel::GetRunner(const nn::PlanOptions & options, const nn::Network::ConstPointer & network) const
{
  nn::PlanOptions key = options;
  if (key.threads == 0)
  {
    key.threads = nn::GetDefaultNumberOfThreads();
  }
  const std::lock_guard<std::mutex> lock(m_Mutex);
  State & state = this->GetState();
  const auto isEqual = [&](const std::shared_ptr<nn::NetworkRunner> & runner)
  {
    const nn::Network & other = runner->GetNetwork();
    // The network of a task is another object each time.
    return Equal(runner->GetOptions(), key) &&
           (&other == network.get() ||
            (other.GetName() == network->GetName() && other.GetConfiguration() == network->GetConfiguration()));
  };
  const auto found = std::find_if(state.runners.begin(), state.runners.end(), isEqual);
  if (found != state.runners.end())
  {
    state.runners.splice(state.runners.begin(), state.runners, found);
  }
  else
  {
    network->CheckWeights(m_Model->GetWeights());
    state.runners.push_front(std::make_shared<nn::NetworkRunner>(network, m_Model->GetSharedWeights(), key));
    if (state.runners.size() > maximumNumberOfRunners)
    {
      state.runners.pop_back();
    }
  }
  return state.runners.front();
}

void
SegmentationModel::ReleaseMemory()
{
  const std::lock_guard<std::mutex> lock(m_Mutex);
  if (m_State)
  {
    m_State->runners.clear();
  }
}

ModifiedTimeType
SegmentationModel::GetMTime() const
{
  const ModifiedTimeType own = Superclass::GetMTime();
  const std::lock_guard<std::mutex> lock(m_Mutex);
  return m_Model.IsNull() ? own : std::max(own, m_Model->GetMTime());
}

void
SegmentationModel::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  os << indent << "NetworkName: " << m_NetworkName << '\n';
  os << indent << "Configuration: " << m_Configuration << '\n';
  itkPrintSelfObjectMacro(Model);
}
} // namespace itk
