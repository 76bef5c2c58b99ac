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
#include "universegFiles.h"
#include "universegModelOptions.h"
#include "universegSubcommands.h"

#include "itkNNModel.h"
#include "itkNNNetwork.h"
#include "itkNNTorchFile.h"
#include "itkNNTorchObject.h"

#include <nlohmann/json.hpp>

#include <array>
#include <filesystem>
#include <iostream>

namespace universeg
{
namespace
{
void
SetLabels(itk::nn::ModelCard & card, const std::vector<std::string> & texts)
{
  for (const std::string & text : texts)
  {
    for (const std::string & part : Split(text, ','))
    {
      const std::size_t separator = part.find('=');
      if (separator == std::string::npos || separator + 1 == part.size())
      {
        throw UsageError("--labels: '" + part + "' should have the form VALUE=NAME");
      }
      card.labels[ParseInteger(part.substr(0, separator), "--labels")] = part.substr(separator + 1);
    }
  }
}

/** Height and width. */
std::array<std::int64_t, 2>
ParseGridSize(const std::string & text)
{
  const auto parts = Split(text, ',');
  std::vector<std::int64_t> extents;
  for (const std::string & part : parts)
  {
    const std::int64_t extent = ParseInteger(part, "--grid");
    if (extent < 1 || extent > 65536)
    {
      throw UsageError("--grid: " + part + " should be from 1 to 65536");
    }
    extents.push_back(extent);
  }
  if (extents.size() > 2)
  {
    throw UsageError("--grid: '" + text + "' should be N or HEIGHT,WIDTH");
  }
  return { extents.front(), extents.back() };
}
} // namespace

namespace
{
/** The weights under a key of a checkpoint. */
itk::nn::Model::Pointer
ReadPart(const std::string & fileName, const std::string & key)
{
  const itk::nn::TorchFile file = itk::nn::ReadTorchFile(fileName);
  const auto model = itk::nn::Model::New();
  try
  {
    model->SetWeights(itk::nn::ExtractStateDict(file.root, key));
  }
  catch (const itk::nn::Error & error)
  {
    throw Failure(fileName + ": " + error.GetDescription());
  }
  return model;
}
} // namespace

int
RunConvert(const Arguments & arguments)
{
  CommandLine commandLine("convert",
                          "IN OUT [OPTION]...",
                          "Makes a model file with a card from weights (.pt or .safetensors). The network and its\n"
                          "configuration are inferred from the weights unless they are given.");
  commandLine.AddGroup("Options").add_options()("in", Text(), "weights to read")("out", Text(), "model file to write")(
    "network", Text(), "name of the network")("config", Text(), "JSON file with its configuration")(
    "name", Text(), "description of the model")("licence", Text(), "licence of the weights")(
    "license", Text(), "the same")("provenance", Text(), "where the weights come from; default: the name of IN")(
    "labels", Texts(), "names of label values: VALUE=NAME ...")(
    "state-dict",
    Text(),
    "part of a .pt to take, as model_state_dict; default: the averaged weights, ema_model_state_dict, where there are "
    "any")("grid", Text(), "grid the network works on: N or HEIGHT,WIDTH; default 128");
  commandLine.AddPositional("in", 1);
  commandLine.AddPositional("out", 1);
  if (!commandLine.Parse(arguments))
  {
    return exitSuccess;
  }
  const std::string in = commandLine.GetRequired("in");
  const std::string out = commandLine.GetRequired("out");
  const std::string networkName = GetNetworkName(commandLine);
  const bool hasGrid = commandLine.Has("grid");
  const auto grid = hasGrid ? ParseGridSize(commandLine.GetText("grid")) : std::array<std::int64_t, 2>{};
  if (commandLine.Has("config") && !commandLine.Has("network"))
  {
    throw UsageError("--config needs --network");
  }
  CheckNotInput(out, { in, commandLine.GetText("config") });
  const auto model =
    commandLine.Has("state-dict") ? ReadPart(in, commandLine.GetText("state-dict")) : itk::nn::Model::Read(in);
  itk::nn::ModelCard card = model->GetCard();
  const std::string name = commandLine.Has("network") ? networkName : card.network;
  const std::string configuration = commandLine.Has("config")
                                    ? ReadTextFile(commandLine.GetText("config"))
                                    : (commandLine.Has("network") ? std::string() : card.configuration);
  const auto network = configuration.empty() ? itk::nn::Network::Infer(model->GetWeights(), name)
                                             : itk::nn::Network::Create(name, configuration);
  network->CheckWeights(model->GetWeights());
  const std::string problem = hasGrid ? FindGridProblem(*network, grid[0], grid[1]) : "";
  if (!problem.empty())
  {
    throw UsageError("--grid " + commandLine.GetText("grid") + ' ' + problem);
  }

  card.network = network->GetName();
  card.configuration = network->GetConfiguration();
  card.description = commandLine.GetText("name", card.description);
  card.license = commandLine.GetText("licence", commandLine.GetText("license", card.license));
  card.provenance = commandLine.GetText(
    "provenance",
    card.provenance.empty() ? "converted from " + std::filesystem::path(in).filename().string() : card.provenance);
  SetLabels(card, commandLine.GetTexts("labels"));
  if (hasGrid)
  {
    auto preprocessing =
      card.preprocessing.empty() ? nlohmann::json::object() : nlohmann::json::parse(card.preprocessing);
    preprocessing["grid_size"] = grid;
    card.preprocessing = preprocessing.dump();
  }
  model->SetCard(card);
  model->Write(out);
  std::cout << out << ": " << network->GetName() << ", " << network->GetNumberOfParameters() << " parameters"
            << std::endl;
  return exitSuccess;
}
} // namespace universeg
