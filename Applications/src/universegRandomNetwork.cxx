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
#include "universegRandomNetwork.h"

#include "universegModelOptions.h"

#include "itkUniverSegNetwork.h"

#include <cmath>

namespace universeg
{
itk::nn::Tensor
MakeUniform(const itk::nn::Shape & shape, double low, double high, std::mt19937_64 & generator, double step)
{
  itk::nn::Tensor tensor(shape);
  float * values = tensor.GetData<float>();
  for (std::int64_t i = 0; i < tensor.GetNumberOfElements(); ++i)
  {
    const double unit = static_cast<double>(generator() >> 11) * 0x1p-53;
    const double value = low + (high - low) * unit;
    values[i] = static_cast<float>(step > 0 ? std::round(value / step) * step : value);
  }
  return tensor;
}

double
GetWeightBound(const itk::nn::Shape & shape)
{
  const double outputs = shape.empty() ? 1 : static_cast<double>(shape.front());
  const double fan = static_cast<double>(itk::nn::NumberOfElements(shape)) / outputs;
  return shape.size() > 1 ? std::sqrt(3 / fan) : 0.1;
}

std::shared_ptr<const itk::nn::StateDict>
MakeRandomWeights(const itk::nn::Network & network, std::mt19937_64 & generator)
{
  auto weights = std::make_shared<itk::nn::StateDict>();
  for (const auto & parameter : network.GetParameters())
  {
    const double bound = GetWeightBound(parameter.shape);
    weights->Add(parameter.name, MakeUniform(parameter.shape, -bound, bound, generator));
  }
  return weights;
}

void
AddNetworkProblemOptions(CommandLine & commandLine)
{
  commandLine.AddGroup("Network").add_options()("network", Text(), "universeg (default)")(
    "config", Text(), "JSON file with the configuration; default: the release configuration")(
    "support-size", Text(), "number of supports (default 16)")("size", Text(), "height and width (default 128)")(
    "batch", Text(), "number of targets, each with its supports (default 1)");
}

NetworkProblem
GetNetworkProblem(const CommandLine & commandLine)
{
  NetworkProblem problem;
  const std::string name = commandLine.GetText("network", "universeg");
  problem.supports = commandLine.GetInteger("support-size", 16, 1, 1 << 16);
  problem.size = commandLine.GetInteger("size", 128, 1, 1 << 14);
  problem.batch = commandLine.GetInteger("batch", 1, 1, 1 << 12);
  if (name != "universeg")
  {
    throw UsageError("--network: '" + name + "' cannot be measured; known is 'universeg'");
  }
  problem.network = commandLine.Has("config")
                    ? itk::nn::Network::Create(name, ReadTextFile(commandLine.GetText("config")))
                    : std::make_shared<const itk::nn::UniverSegNetwork>(itk::nn::UniverSegConfiguration::Release());
  const itk::nn::Shape supportShape{ problem.batch, problem.supports, 1, problem.size, problem.size };
  problem.shapes = { { "target", { problem.batch, 1, problem.size, problem.size } },
                     { "support_images", supportShape },
                     { "support_labels", supportShape } };
  return problem;
}
} // namespace universeg
