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
#include "universegRandomNetwork.h"
#include "universegSubcommands.h"
#include "universegVolumeTraining.h"

#include <nlohmann/json.hpp>

namespace universeg
{
namespace
{
/** Volume Fusion of patches from unlabelled volumes. */
itk::nn::VolumeTrainingSettings
MakeSettings(const std::string & network, const std::vector<std::int64_t> & patch, std::int64_t classes)
{
  itk::nn::VolumeTrainingSettings settings;
  nlohmann::json configuration = MakeVolumeConfiguration(network, 1, classes);
  if (network == "pctnet")
  {
    configuration["input_size"] = patch;
  }
  settings.network.name = network;
  settings.network.configuration = configuration.dump();
  const std::string classNumber = std::to_string(classes);
  std::string size = nlohmann::json(patch).dump();
  // Blocks of an eighth to a half of the patch, as of the reference's.
  std::vector<std::int64_t> least;
  std::vector<std::int64_t> most;
  for (const std::int64_t extent : patch)
  {
    least.push_back(std::max<std::int64_t>(1, std::min<std::int64_t>(8, extent / 8)));
    most.push_back(std::max<std::int64_t>(2, std::min<std::int64_t>(32, extent / 2)));
  }
  settings.transforms.train = { { "Crop4VolumeFusion", { "output_size = " + size } },
                                { "VolumeFusion",
                                  { "cls_num = " + classNumber,
                                    "patchsize_min = " + nlohmann::json(least).dump(),
                                    "patchsize_max = " + nlohmann::json(most).dump() } },
                                { "LabelToProbability", { "class_num = " + classNumber } } };
  settings.transforms.validation.clear();
  settings.transforms.inference.clear();
  settings.window.size.clear();
  settings.window.stride.clear();
  settings.schedule.shape = "steps";
  settings.schedule.options.interval = 20000;
  settings.schedule.options.factor = 0.5;
  settings.steps = 80000;
  settings.saveEvery = 1000;
  return settings;
}

std::vector<std::int64_t>
ParsePatch(const std::string & text)
{
  const auto value = itk::nn::PyMICConfiguration::ParseValue('[' + text + ']');
  std::vector<std::int64_t> extents;
  for (const auto & item : std::get<itk::nn::TransformOption::List>(value.Get()))
  {
    const auto * extent = std::get_if<std::int64_t>(&item.Get());
    if (extent == nullptr || *extent < 1 || *extent > 4096)
    {
      extents.clear();
      break;
    }
    extents.push_back(*extent);
  }
  if (extents.size() != 3)
  {
    throw UsageError("--patch is '" + text + "', should be D,H,W of 1 to 4096, for example 64,128,128");
  }
  return extents;
}
} // namespace

int
RunPretrain(const Arguments & arguments)
{
  CommandLine commandLine(
    "pretrain",
    "(--images DIR | --config FILE) --output DIR [OPTION]...",
    "Pre-trains a network without labels. Volume Fusion mixes two patches of a volume in blocks;\n"
    "the network learns how much of each is where (MIS-FM, arXiv:2306.16925).\n"
    "DIR gets the files that 'train' writes; 'train --model DIR/model.safetensors' takes over the\n"
    "tensors whose names and shapes agree.");
  commandLine.AddGroup("Data").add_options()("method", Text(), "volume-fusion, which is the default")(
    "images", Text(), "folder of volumes, or a CSV list of them")(
    "config", Text(), "file of settings: TOML as --print-config prints it, or a .cfg of PyMIC")(
    "network", Text(), "fmunet (default), pctnet, u2net or unet3d; not with --config")(
    "patch", Text(), "extents D,H,W that the network learns with, default 64,128,128; not with --config")(
    "classes", Text(), "degrees of fusion, default 5; not with --config");
  AddVolumeTrainingOptions(commandLine);
  AddPlanOptions(commandLine);
  if (!commandLine.Parse(arguments))
  {
    return exitSuccess;
  }
  if (commandLine.GetText("method", "volume-fusion") != "volume-fusion")
  {
    throw UsageError("--method is '" + commandLine.GetText("method") + "', should be volume-fusion");
  }
  const std::string file = commandLine.GetText("config");
  itk::nn::VolumeTrainingSettings settings;
  if (!file.empty())
  {
    for (const char * option : { "network", "patch", "classes" })
    {
      if (commandLine.Has(option))
      {
        throw UsageError(std::string("--") + option + " and --config exclude each other");
      }
    }
    ReadVolumeConfiguration(file, settings);
  }
  else
  {
    const std::string network = commandLine.Has("network") ? GetNetworkName(commandLine) : "fmunet";
    // A Hermes needs the tasks of its classes.
    if (!IsVolumeNetwork(network) || network.compare(0, 6, "hermes") == 0)
    {
      throw UsageError("--network is '" + network + "', should be fmunet, pctnet, u2net or unet3d");
    }
    settings = MakeSettings(
      network, ParsePatch(commandLine.GetText("patch", "64,128,128")), commandLine.GetInteger("classes", 5, 2, 255));
  }
  settings.data.train = commandLine.GetText("images", settings.data.train);
  if (settings.data.train.empty() && !commandLine.Has("print-config"))
  {
    throw UsageError("--images is missing, a folder or a list of volumes");
  }
  return RunVolumeTraining(commandLine, settings, file);
}
} // namespace universeg
