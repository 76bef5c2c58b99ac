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
#include "itkU2NetTask.h"

#include "itkNNText.h"

namespace itk
{
namespace nn
{
namespace
{
std::vector<U2NetTask>
MakeTasks()
{
  U2NetTask heart;
  heart.name = "Task02_Heart";
  heart.spacing = { 1.37, 1.25, 1.25 };
  heart.patch = { 80, 192, 128 };
  heart.pools = { 4, 5, 5 };

  U2NetTask liver;
  liver.name = "Task03_Liver";
  liver.spacing = { 1, 0.77, 0.77 };
  liver.patch = { 128, 128, 128 };
  liver.pools = { 5, 5, 5 };
  liver.fusedLabels = { { 2, 1 } };

  U2NetTask hippocampus;
  hippocampus.name = "Task04_Hippocampus";
  hippocampus.spacing = { 1, 1, 1 };
  hippocampus.patch = { 40, 56, 40 };
  hippocampus.pools = { 3, 3, 3 };
  hippocampus.batch = 9;
  hippocampus.classes = 3;
  hippocampus.smallLabel = 2;
  hippocampus.components = 2;

  U2NetTask prostate;
  prostate.name = "Task05_Prostate";
  prostate.channels = 2;
  prostate.spacing = { 3.6, 0.625, 0.625 };
  prostate.patch = { 20, 192, 192 };
  prostate.pools = { 2, 5, 5 };
  prostate.batch = 4;
  prostate.classes = 3;
  prostate.components = 2;

  U2NetTask pancreas;
  pancreas.name = "Task07_Pancreas";
  pancreas.spacing = { 2.5, 0.8, 0.8 };
  pancreas.patch = { 96, 160, 128 };
  pancreas.pools = { 4, 5, 5 };
  pancreas.fusedLabels = { { 2, 1 } };

  U2NetTask spleen;
  spleen.name = "Task09_Spleen";
  spleen.spacing = { 5, 0.8, 0.8 };
  spleen.patch = { 96, 160, 128 };
  spleen.pools = { 4, 5, 5 };
  spleen.clearsSecondHalf = true;

  return { heart, liver, hippocampus, prostate, pancreas, spleen };
}
} // namespace

U2NetPreprocessing
U2NetTask::GetPreprocessing() const
{
  U2NetPreprocessing preprocessing;
  preprocessing.spacing = spacing;
  preprocessing.classes = classes;
  preprocessing.fusedLabels = fusedLabels;
  return preprocessing;
}

U2NetPostProcessing
U2NetTask::GetPostProcessing() const
{
  U2NetPostProcessing processing;
  processing.classes = classes;
  processing.components = components;
  processing.clearsSecondHalf = clearsSecondHalf;
  return processing;
}

const std::vector<U2NetTask> &
U2NetTask::GetAll()
{
  static const std::vector<U2NetTask> tasks = MakeTasks();
  return tasks;
}

const U2NetTask &
U2NetTask::Get(const std::string & name)
{
  std::string names;
  for (const U2NetTask & task : GetAll())
  {
    const std::string known = ToLower(task.name);
    if (ToLower(name) == known || ToLower(name) == known.substr(known.find('_') + 1))
    {
      return task;
    }
    names += (names.empty() ? "" : ", ") + task.name;
  }
  itkNNThrowMacro("The task is '" << name << "'; should be one of " << names);
}
} // namespace nn
} // namespace itk
