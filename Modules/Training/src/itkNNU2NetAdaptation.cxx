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
#include "itkNNU2NetAdaptation.h"

#include "itkNNEnumNames.h"
#include "itkNNError.h"
#include "itkNNInitialWeights.h"
#include "itkNNTaskAddition.h"

namespace itk
{
namespace nn
{
namespace
{
constexpr const char * policyNames[] = { "adapters", "reference" };

bool
EndsWith(const std::string & text, const std::string & end)
{
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

/** The weight of a convolution that all tasks share, in a block of the encoder or decoder. */
bool
IsTransferred(const std::string & name)
{
  const bool isOfBlock = name.compare(0, 12, "down_blocks.") == 0 || name.compare(0, 10, "up_blocks.") == 0;
  return isOfBlock && name.find(".adapOps.") == std::string::npos &&
         (EndsWith(name, ".conv.weight") || EndsWith(name, ".pwise.conv1.weight"));
}
} // namespace

const char *
ToString(U2NetAdaptationPolicy policy)
{
  return policyNames[static_cast<int>(policy)];
}

U2NetAdaptationPolicy
ParseU2NetAdaptationPolicy(const std::string & name)
{
  return ParseEnum<U2NetAdaptationPolicy>(policyNames, name, "policy of an adaptation");
}

U2NetAdaptation
AddU2NetTask(const U2NetNetwork & network,
             const StateDict & weights,
             std::int64_t channels,
             std::int64_t classes,
             U2NetAdaptationPolicy policy,
             std::uint64_t seed)
{
  if (policy == U2NetAdaptationPolicy::AdaptersOnly)
  {
    TaskAddition added = AddTask(network, weights, { channels, classes, -1 }, seed);
    return { std::dynamic_pointer_cast<const U2NetNetwork>(added.network),
             std::move(added.weights),
             std::move(added.kept),
             std::move(added.trained) };
  }
  network.CheckWeights(weights);
  U2NetConfiguration configuration = network.GetValues();
  configuration.task = 0;
  configuration.inputChannels = { channels };
  configuration.classes = { classes };

  U2NetAdaptation result;
  result.network = std::make_shared<const U2NetNetwork>(std::move(configuration));
  const StateDict initial = MakeInitialWeights(*result.network, seed);
  for (const auto & parameter : result.network->GetParameters())
  {
    const bool isKept = IsTransferred(parameter.name);
    result.weights.Add(parameter.name, (isKept ? weights : initial).Get(parameter.name));
    (isKept ? result.kept : result.trained).push_back(parameter.name);
  }
  return result;
}
} // namespace nn
} // namespace itk
