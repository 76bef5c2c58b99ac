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
#include "itkNNNetwork.h"

#include "itkFMUNetNetwork.h"
#include "itkHermesMedFormerNetwork.h"
#include "itkHermesNetwork.h"
#include "itkPCTNetNetwork.h"
#include "itkU2NetNetwork.h"
#include "itkUNet3DNetwork.h"
#include "itkUniverSegNetwork.h"

#include <set>
#include <sstream>

namespace itk
{
namespace nn
{
namespace
{
struct KnownNetwork
{
  const char * name;
  Network::ConstPointer (*fromJson)(const std::string &);
  Network::ConstPointer (*fromWeights)(const StateDict &);
};

constexpr KnownNetwork knownNetworks[] = {
  { "universeg", &UniverSegNetwork::FromJson, &UniverSegNetwork::FromWeights },
  { "fmunet", &FMUNetNetwork::FromJson, &FMUNetNetwork::FromWeights },
  { "hermes", &HermesNetwork::FromJson, &HermesNetwork::FromWeights },
  { "hermes_medformer", &HermesMedFormerNetwork::FromJson, &HermesMedFormerNetwork::FromWeights },
  { "pctnet", &PCTNetNetwork::FromJson, &PCTNetNetwork::FromWeights },
  { "u2net", &U2NetNetwork::FromJson, &U2NetNetwork::FromWeights },
  { "unet3d", &UNet3DNetwork::FromJson, &UNet3DNetwork::FromWeights },
};

const KnownNetwork &
FindNetwork(const std::string & name)
{
  std::ostringstream names;
  for (const auto & known : knownNetworks)
  {
    if (name == known.name)
    {
      return known;
    }
    names << (names.tellp() > 0 ? ", " : "") << known.name;
  }
  itkNNThrowMacro("Unknown network '" << name << "'; known are: " << names.str());
}

/** Up to a few lines of a list of problems. */
class ProblemList
{
public:
  template <typename T>
  void Add(const T & problem)
  {
    constexpr int listed = 8;
    if (m_Count < listed)
    {
      m_Text << "; " << problem;
    }
    ++m_Count;
    m_More = m_Count > listed ? m_Count - listed : 0;
  }

  std::string ToText() const
  {
    std::ostringstream out;
    out << m_Text.str().substr(m_Count > 0 ? 2 : 0);
    if (m_More > 0)
    {
      out << "; and " << m_More << " more";
    }
    return out.str();
  }

  bool IsEmpty() const
  {
    return m_Count == 0;
  }

private:
  std::ostringstream m_Text;
  int m_Count = 0;
  int m_More = 0;
};
} // namespace

Network::~Network() = default;

std::string
GetMaskValueName(const std::string & mask)
{
  return mask + ".value";
}

std::string
GetStatisticName(const std::string & name)
{
  return "statistic." + name;
}

TrainingGraph
Network::BuildTrainingGraph(const ShapeMap & inputs) const
{
  return { this->BuildGraph(inputs), {}, {} };
}

std::string
Network::GetLogitsName() const
{
  return "logits";
}

std::int64_t
Network::GetNumberOfTasks() const
{
  return 1;
}

std::int64_t
Network::GetTask() const
{
  return 0;
}

bool
Network::IsMultiLabel() const
{
  return false;
}

std::vector<std::string>
Network::GetDeepLogitsNames() const
{
  return {};
}

Network::ImageClasses
Network::GetImageClasses() const
{
  return {};
}

Network::ConstPointer
Network::ForTaskInputs() const
{
  return nullptr;
}

TensorMap
Network::MakeTaskInputs(const std::vector<std::int64_t> &) const
{
  itkNNThrowMacro("The network " << this->GetName() << " has no inputs for the tasks of a batch's images");
}

Network::Extension
Network::WithTask(const NewTask &) const
{
  itkNNThrowMacro("The network " << this->GetName() << " gets no further tasks; hermes, hermes_medformer and u2net do");
}

Network::ConstPointer
Network::ForTask(std::int64_t task) const
{
  itkNNThrowMacro("Task " << task << " was asked of the network " << this->GetName() << ", which is of one task");
}

std::vector<std::string>
Network::GetStaticInputNames() const
{
  return {};
}

void
Network::CheckWeights(const StateDict & weights) const
{
  ProblemList problems;
  std::set<std::string> expected;
  for (const auto & parameter : this->GetParameters())
  {
    expected.insert(parameter.name);
    const bool isBuffer = parameter.role == Role::Buffer;
    if (!weights.Has(parameter.name))
    {
      if (isBuffer)
      {
        continue;
      }
      problems.Add("missing '" + parameter.name + "' " + ToString(parameter.shape));
    }
    else if (weights.Get(parameter.name).GetShape() != parameter.shape)
    {
      problems.Add("'" + parameter.name + "' is " + ToString(weights.Get(parameter.name).GetShape()) + ", should be " +
                   ToString(parameter.shape));
    }
    else if (!isBuffer && !IsFloatingPoint(weights.Get(parameter.name).GetDataType()))
    {
      problems.Add("'" + parameter.name + "' is " + ToString(weights.Get(parameter.name).GetDataType()) +
                   ", should be a floating-point type");
    }
  }
  for (const auto & entry : weights)
  {
    if (expected.count(entry.first) == 0)
    {
      problems.Add("unexpected '" + entry.first + "' " + ToString(entry.second.GetShape()));
    }
  }
  itkNNRequireMacro(problems.IsEmpty(),
                    "The weights do not fit the network '" << this->GetName() << "' with configuration "
                                                           << this->GetConfiguration() << ": " << problems.ToText());
}

std::int64_t
Network::GetNumberOfParameters() const
{
  std::int64_t sum = 0;
  for (const auto & parameter : this->GetParameters())
  {
    sum += parameter.role == Role::Weight ? NumberOfElements(parameter.shape) : 0;
  }
  return sum;
}

Network::ConstPointer
Network::Create(const std::string & name, const std::string & configuration)
{
  return FindNetwork(name).fromJson(configuration);
}

Network::ConstPointer
Network::Infer(const StateDict & weights, const std::string & name)
{
  std::ostringstream tried;
  for (const auto & known : knownNetworks)
  {
    if (name.empty() || &known == &FindNetwork(name))
    {
      if (auto network = known.fromWeights(weights))
      {
        return network;
      }
      tried << (tried.tellp() > 0 ? ", " : "") << known.name;
    }
  }
  std::ostringstream first;
  if (!weights.IsEmpty())
  {
    first << "; the first of " << weights.GetSize() << " tensors is '" << weights.begin()->first << "'";
  }
  itkNNThrowMacro("The weights are of no known network (tried: " << tried.str() << ')' << first.str());
}

std::vector<std::string>
Network::GetKnownNames()
{
  std::vector<std::string> names;
  for (const auto & known : knownNetworks)
  {
    names.emplace_back(known.name);
  }
  return names;
}
} // namespace nn
} // namespace itk
