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
#include "itkNNInitialWeights.h"

#include "itkNNError.h"
#include "itkNNNameParts.h"
#include "itkNNRandomStream.h"

namespace itk
{
namespace nn
{
StateDict
MakeInitialWeights(const Network & network, std::uint64_t seed)
{
  const RandomStream random(seed);
  StateDict weights;
  std::uint64_t number = 0;
  for (const auto & parameter : network.GetParameters())
  {
    RandomStream own = random.Derive(number++);
    if (parameter.role == Network::Role::Buffer)
    {
      continue;
    }
    const double scale = parameter.initial.scale;
    Tensor tensor = Tensor::Full(parameter.shape, scale);
    float * values = tensor.GetData<float>();
    for (std::int64_t i = 0; i < tensor.GetNumberOfElements(); ++i)
    {
      switch (parameter.initial.distribution)
      {
        case Initialization::Distribution::Constant:
          break;
        case Initialization::Distribution::Normal:
          values[i] = static_cast<float>(scale * own.Normal());
          break;
        case Initialization::Distribution::Uniform:
          values[i] = static_cast<float>(own.Uniform(-scale, scale));
          break;
      }
    }
    weights.Add(parameter.name, tensor);
  }
  return weights;
}

MatchingWeights
SetMatchingWeights(const Network & network,
                   StateDict & weights,
                   const StateDict & source,
                   const std::vector<std::string> & parts)
{
  MatchingWeights result;
  for (const auto & parameter : network.GetParameters())
  {
    const std::string & name = parameter.name;
    if (!ContainsOneOf(name, parts))
    {
      continue;
    }
    if (!source.Has(name))
    {
      if (parameter.role != Network::Role::Buffer)
      {
        result.missing.push_back(name);
      }
    }
    else if (source.Get(name).GetShape() != parameter.shape)
    {
      result.different.push_back(name);
    }
    else
    {
      if (parameter.role != Network::Role::Buffer)
      {
        weights.Set(name, source.Get(name).To(DataType::Float32).Contiguous());
      }
      ++result.copied;
    }
  }
  itkNNRequireMacro(result.copied > 0,
                    "No tensor of the " << source.GetSize() << " given has the name and shape of one of the network "
                                        << network.GetName());
  return result;
}
} // namespace nn
} // namespace itk
