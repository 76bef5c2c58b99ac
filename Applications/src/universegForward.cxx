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
#include "universegProgress.h"
#include "universegSubcommands.h"

#include "itkNNSafeTensors.h"

#include <algorithm>
#include <iterator>

namespace universeg
{
int
RunForward(const Arguments & arguments)
{
  CommandLine commandLine(
    "forward",
    "(--model FILE | --network NAME --weights FILE [--config FILE]) --inputs FILE --outputs FILE [OPTION]...",
    "Runs a network on raw tensors. UniverSeg takes target [B, 1, H, W], support_images and\n"
    "support_labels [B, S, 1, H, W] and gives logits; fmunet, pctnet, u2net and unet3d take input\n"
    "[B, C, D, H, W] and give output0, u2net logits; hermes and hermes_medformer take input, and\n"
    "without domains tgt_idx [B, T] and mod_idx [B], and give out and mod_out. Other tensors of the\n"
    "inputs are ignored; without 'input' a tensor 'taskK.input' is that of task K, or 'x' of any.\n"
    "The network is the one of the model's card, else that of --network and --config, else it is\n"
    "inferred from the shapes of the weights.");
  AddModelOptions(commandLine, false);
  AddTaskOption(commandLine);
  commandLine.AddGroup("Tensors").add_options()("inputs", Text(), "safetensors file with the inputs")(
    "outputs", Text(), "safetensors file to write");
  AddPlanOptions(commandLine);
  if (!commandLine.Parse(arguments))
  {
    return exitSuccess;
  }
  const std::string inputName = commandLine.GetRequired("inputs");
  const std::string outputName = commandLine.GetRequired("outputs");
  CheckModelOptions(commandLine, false);
  const auto options = GetPlanOptions(commandLine);
  CheckNotInput(
    outputName,
    { inputName, commandLine.GetText("model"), commandLine.GetText("weights"), commandLine.GetText("config") });
  const auto model = LoadModel(commandLine, false);
  const int task = GetTask(commandLine, model->GetModel()->GetCard());
  const auto runner = model->GetRunner(options, task);

  const itk::nn::SafeTensorsFile file = itk::nn::ReadSafeTensors(inputName);
  itk::nn::TensorMap inputs;
  for (const std::string & name : runner->GetNetwork().GetInputNames())
  {
    // A file may have the inputs of several tasks, and the references' names.
    const std::string candidates[] = { name,
                                       "task" + std::to_string(std::max(task, 0)) + '.' + name,
                                       name == "input" ? "x" : name };
    const auto * const found = std::find_if(
      std::begin(candidates), std::end(candidates), [&file](const std::string & one) { return file.tensors.Has(one); });
    if (found == std::end(candidates))
    {
      throw Failure(inputName + ": there is no tensor '" + name + "', which the network '" +
                    runner->GetNetwork().GetName() + "' needs");
    }
    inputs[name] = file.tensors.Get(*found);
  }

  ProgressBar progress("forward");
  itk::nn::RunHooks hooks;
  hooks.progress = [&progress](double fraction) { progress.Show(fraction); };
  itk::nn::StateDict outputs;
  for (auto & output : runner->Run(inputs, hooks))
  {
    outputs.Add(output.first, output.second.Contiguous());
  }
  itk::nn::WriteSafeTensors(outputName, outputs);
  return exitSuccess;
}
} // namespace universeg
