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

#include "itkNNInitialWeights.h"
#include "itkUniverSegNetwork.h"

#include <nlohmann/json.hpp>

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
  commandLine.AddGroup("Network").add_options()(
    "network", Text(), "universeg (default), fmunet, pctnet, u2net or unet3d")(
    "config",
    Text(),
    "JSON file with the configuration; default: the release configuration, or that of the demonstration")(
    "support-size", Text(), "number of supports (default 16), of universeg")(
    "size", Text(), "height and width (default 128); of volumes DEPTH,HEIGHT,WIDTH (default 64,128,128)")(
    "classes", Text(), "number of classes (default 2) of volumes, without --config")(
    "batch", Text(), "number of targets, each with its supports, or of volumes (default 1)");
}

nlohmann::json
MakeVolumeConfiguration(const std::string & network, std::int64_t channels, std::int64_t classes)
{
  return network == "u2net" ? nlohmann::json{ { "in_channels", { channels } }, { "num_classes", { classes } } }
                            : nlohmann::json{ { "in_chns", channels }, { "class_num", classes } };
}

namespace
{
/** The options of one kind of network are of no use for the other. */
void
CheckAbsent(const CommandLine & commandLine, const std::vector<const char *> & options, const std::string & network)
{
  for (const char * option : options)
  {
    if (commandLine.Has(option))
    {
      throw UsageError(std::string("--") + option + " is of no use with --network " + network);
    }
  }
}

itk::nn::Shape
ParsePatch(const CommandLine & commandLine)
{
  const auto parts = Split(commandLine.GetText("size", "64,128,128"), ',');
  itk::nn::Shape size;
  for (const std::string & part : parts)
  {
    size.push_back(ParseInteger(part, "--size"));
    if (size.back() < 1 || size.back() > 1 << 12)
    {
      throw UsageError("--size: " + part + " should be from 1 to 4096");
    }
  }
  if (size.size() != 3)
  {
    throw UsageError("--size: '" + commandLine.GetText("size") + "' should have the form DEPTH,HEIGHT,WIDTH");
  }
  return size;
}

NetworkProblem
GetVolumeProblem(const CommandLine & commandLine, const std::string & name)
{
  CheckAbsent(commandLine, { "support-size" }, name);
  if (commandLine.Has("config") && commandLine.Has("classes"))
  {
    throw UsageError("--config and --classes exclude each other");
  }
  NetworkProblem problem;
  problem.size = ParsePatch(commandLine);
  problem.batch = commandLine.GetInteger("batch", 1, 1, 1 << 12);
  nlohmann::json configuration = MakeVolumeConfiguration(name, 1, commandLine.GetInteger("classes", 2, 2, 256));
  if (name == "pctnet")
  {
    configuration["feature_chns"] = { 24, 48, 128, 256, 512 };
    configuration["resolution_mode"] = 1;
    configuration["input_size"] = problem.size;
  }
  problem.network = itk::nn::Network::Create(
    name, commandLine.Has("config") ? ReadTextFile(commandLine.GetText("config")) : configuration.dump());
  const auto values = nlohmann::json::parse(problem.network->GetConfiguration());
  const std::int64_t channels =
    name == "u2net" ? values.at("in_channels").at(values.at("task").get<std::size_t>()) : values.at("in_chns");
  itk::nn::Shape shape{ problem.batch, channels };
  shape.insert(shape.end(), problem.size.begin(), problem.size.end());
  problem.shapes = { { "input", shape } };
  const itk::nn::Graph graph = problem.network->BuildGraph(problem.shapes);
  const std::string logits = problem.network->GetLogitsName();
  if (graph.HasOutput(logits))
  {
    problem.classes = graph.GetShape(graph.GetOutput(logits))[1];
  }
  return problem;
}
} // namespace

std::shared_ptr<const itk::nn::StateDict>
NetworkProblem::MakeWeights(std::mt19937_64 & generator) const
{
  if (this->IsOfVolumes())
  {
    return std::make_shared<const itk::nn::StateDict>(itk::nn::MakeInitialWeights(*network, generator()));
  }
  return MakeRandomWeights(*network, generator);
}

NetworkProblem
GetNetworkProblem(const CommandLine & commandLine)
{
  const std::string chosen = GetNetworkName(commandLine);
  const std::string name = chosen.empty() ? "universeg" : chosen;
  if (name != "universeg")
  {
    return GetVolumeProblem(commandLine, name);
  }
  CheckAbsent(commandLine, { "classes" }, name);
  NetworkProblem problem;
  problem.supports = commandLine.GetInteger("support-size", 16, 1, 1 << 16);
  const std::int64_t size = commandLine.GetInteger("size", 128, 1, 1 << 14);
  problem.size = { size, size };
  problem.batch = commandLine.GetInteger("batch", 1, 1, 1 << 12);
  problem.network = commandLine.Has("config")
                    ? itk::nn::Network::Create(name, ReadTextFile(commandLine.GetText("config")))
                    : std::make_shared<const itk::nn::UniverSegNetwork>(itk::nn::UniverSegConfiguration::Release());
  const itk::nn::Shape supportShape{ problem.batch, problem.supports, 1, size, size };
  problem.shapes = { { "target", { problem.batch, 1, size, size } },
                     { "support_images", supportShape },
                     { "support_labels", supportShape } };
  return problem;
}
} // namespace universeg
