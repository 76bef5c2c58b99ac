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
#include "itkHermesTask.h"

#include "itkNNError.h"
#include "itkNNText.h"

#include <algorithm>
#include <numeric>

namespace itk
{
namespace nn
{
namespace
{
constexpr std::int64_t ct = 0;
constexpr std::int64_t pet = 1;
constexpr std::int64_t t1 = 2;
constexpr std::int64_t t2 = 3;
constexpr std::int64_t cine = 4;
constexpr std::int64_t unknown = -1;

/** \param firstTask number of the first class; the others follow. */
HermesTask
MakeTask(const std::string & name,
         std::int64_t modality,
         std::int64_t firstTask,
         const std::vector<std::string> & classes,
         const std::vector<std::int64_t> & context)
{
  HermesTask task;
  task.name = name;
  task.modality = modality;
  task.tasks.resize(classes.size());
  std::iota(task.tasks.begin(), task.tasks.end(), firstTask);
  task.classes = classes;
  task.preprocessing.orientation = HermesOrientation::Stored;
  task.preprocessing.context = context;
  if (modality == ct)
  {
    task.preprocessing.limits = { -991, 500 };
  }
  return task;
}

std::vector<HermesTask>
MakeTasks()
{
  const std::vector<std::string> amosMR{
    "spleen", "right kidney", "left kidney", "gall bladder",        "esophagus",          "liver",   "stomach",
    "aorta",  "postcava",     "pancreas",    "right adrenal gland", "left adrenal gland", "duodenum"
  };
  std::vector<std::string> amosCT = amosMR;
  amosCT.insert(amosCT.end(), { "bladder", "prostate or uterus" });
  const std::vector<std::string> chaos{ "liver", "right kidney", "left kidney", "spleen" };

  std::vector<HermesTask> tasks;
  tasks.push_back(MakeTask("amos_ct", ct, 4, amosCT, { 10, 30, 30 }));
  tasks.push_back(MakeTask("amos_mr", unknown, 4, amosMR, { 10, 30, 30 }));
  tasks.back().preprocessing.newLabels = { { 14, 0 }, { 15, 0 } };
  tasks.push_back(MakeTask("bcv",
                           ct,
                           19,
                           { "spleen",
                             "right kidney",
                             "left kidney",
                             "gall bladder",
                             "esophagus",
                             "liver",
                             "stomach",
                             "aorta",
                             "inferior vena cava",
                             "portal and splenic vein",
                             "pancreas",
                             "right adrenal gland",
                             "left adrenal gland" },
                           { 20, 20, 20 }));
  tasks.push_back(MakeTask("structseg_oar",
                           ct,
                           32,
                           { "left lung", "right lung", "heart", "esophagus", "trachea", "spinal cord" },
                           { 20, 20, 20 }));
  tasks.push_back(MakeTask("structseg_head_oar",
                           ct,
                           42,
                           { "left eye",
                             "right eye",
                             "left lens",
                             "right lens",
                             "left optic nerve",
                             "right optic nerve",
                             "optic chiasm",
                             "pituitary",
                             "brain stem",
                             "left temporal lobe",
                             "right temporal lobe",
                             "spinal cord",
                             "left parotid gland",
                             "right parotid gland",
                             "left inner ear",
                             "right inner ear",
                             "left middle ear",
                             "right middle ear",
                             "left temporomandibular joint",
                             "right temporomandibular joint",
                             "left mandible",
                             "right mandible" },
                           { 20, 20, 20 }));
  tasks.push_back(MakeTask("lits", ct, 0, { "liver", "liver tumour" }, { 20, 20, 20 }));
  tasks.push_back(MakeTask("kits", ct, 2, { "kidney", "kidney tumour" }, { 30, 40, 20 }));
  for (const auto & [name, modality] : { std::make_pair("chaos_t1", t1), std::make_pair("chaos_t2", t2) })
  {
    tasks.push_back(MakeTask(name, modality, 38, chaos, { 20, 20, 20 }));
    tasks.back().preprocessing.newLabels = { { 63, 1 }, { 126, 2 }, { 189, 3 }, { 252, 4 } };
  }
  tasks.push_back(MakeTask("mnm", cine, 64, { "left ventricle", "myocardium", "right ventricle" }, { 20, 40, 40 }));
  tasks.push_back(MakeTask("brain_structure", t1, 67, { "gray matter", "white matter", "cerebrospinal fluid" }, {}));
  tasks.back().preprocessing.resampling = HermesResampling::OneStep;
  tasks.push_back(MakeTask("autopet", pet, 70, { "lesion" }, { 20, 30, 30 }));
  tasks.back().preprocessing.resampling = HermesResampling::InPlane;
  tasks.back().preprocessing.leastExtent = 128;
  tasks.back().preprocessing.requiresLabels = false;
  return tasks;
}
} // namespace

HermesPreprocessing
HermesTask::GetInferencePreprocessing() const
{
  HermesPreprocessing whole = preprocessing;
  whole.context.clear();
  whole.leastExtent = 0;
  whole.newLabels.clear();
  return whole;
}

const std::vector<HermesTask> &
HermesTask::GetAll()
{
  static const std::vector<HermesTask> tasks = MakeTasks();
  return tasks;
}

const HermesTask &
HermesTask::Get(const std::string & name)
{
  const auto & tasks = GetAll();
  const auto found = std::find_if(
    tasks.begin(), tasks.end(), [wanted = ToLower(name)](const HermesTask & task) { return task.name == wanted; });
  if (found != tasks.end())
  {
    return *found;
  }
  std::string names;
  for (const HermesTask & task : tasks)
  {
    names += (names.empty() ? "" : ", ") + task.name;
  }
  itkNNThrowMacro("The data set is '" << name << "'; should be one of " << names);
}
} // namespace nn
} // namespace itk
