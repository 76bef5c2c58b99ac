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
#include "universegModelOptions.h"
#include "universegSubcommands.h"

#include "itkNNModel.h"
#include "itkNNNetwork.h"

#include <iostream>

namespace universeg
{
namespace
{
/** What the shapes of weights without a card tell; empty when that is nothing. */
std::string
DescribeInferredNetwork(const itk::nn::Model & model)
{
  if (!model.GetCard().network.empty())
  {
    return "";
  }
  try
  {
    const auto network = itk::nn::Network::Infer(model.GetWeights());
    return "Network from the shapes: " + network->GetName() + ' ' + network->GetConfiguration() + ", " +
           std::to_string(network->GetNumberOfParameters()) + " parameters\n";
  }
  catch (const itk::nn::Error &)
  {
    return "";
  }
}
} // namespace

int
RunInfo(const Arguments & arguments)
{
  CommandLine commandLine("info", "FILE [--json]", "Describes a model or weight file: its card, tensors and totals.");
  commandLine.AddGroup("Options").add_options()("file", Text(), "model file, .pt or .safetensors")(
    "json", "print a JSON object");
  commandLine.AddPositional("file", 1);
  if (!commandLine.Parse(arguments))
  {
    return exitSuccess;
  }
  const auto model = itk::nn::Model::Read(commandLine.GetRequired("file"));
  if (commandLine.Has("json"))
  {
    std::cout << itk::nn::DescribeModelAsJson(*model) << std::endl;
  }
  else
  {
    std::cout << itk::nn::DescribeModel(*model) << DescribeInferredNetwork(*model) << std::flush;
  }
  return exitSuccess;
}
} // namespace universeg
