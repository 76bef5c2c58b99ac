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

#include "itkNNTestHelpers.h"

#include <algorithm>
#include <set>

using namespace itk::nn;

TEST(HermesTask, NamesAreFound)
{
  EXPECT_EQ(HermesTask::GetAll().size(), 12U);
  for (const HermesTask & task : HermesTask::GetAll())
  {
    EXPECT_EQ(&HermesTask::Get(task.name), &task);
  }
  EXPECT_EQ(HermesTask::Get("BCV").name, "bcv");
  EXPECT_NN_ERROR(HermesTask::Get("msd"), "The data set is 'msd'; should be one of amos_ct, amos_mr, bcv,");
}

TEST(HermesTask, NumbersOfThePoolsAreUsedOnce)
{
  std::multiset<std::int64_t> numbers;
  for (const HermesTask & task : HermesTask::GetAll())
  {
    SCOPED_TRACE(task.name);
    EXPECT_EQ(task.tasks.size(), task.classes.size());
    EXPECT_EQ(std::set<std::string>(task.classes.begin(), task.classes.end()).size(), task.classes.size());
    EXPECT_GE(task.modality, -1);
    EXPECT_LE(task.modality, 4);
    EXPECT_NO_THROW(task.preprocessing.Check());
    EXPECT_EQ(task.preprocessing.limits.has_value(), task.modality == 0);
    // Those of AMOS are shared by its modalities, as are those of CHAOS.
    if (task.name != "amos_mr" && task.name != "chaos_t2")
    {
      numbers.insert(task.tasks.begin(), task.tasks.end());
    }
  }
  EXPECT_EQ(numbers.size(), 71U);
  std::int64_t next = 0;
  for (const std::int64_t number : numbers)
  {
    EXPECT_EQ(number, next++);
  }
}

TEST(HermesTask, ValuesOfTheReference)
{
  const HermesTask & amos = HermesTask::Get("amos_mr");
  EXPECT_EQ(amos.modality, -1);
  EXPECT_EQ(amos.tasks.front(), 4);
  EXPECT_EQ(amos.tasks.back(), 16);
  EXPECT_EQ(amos.classes[5], "liver");
  EXPECT_EQ(amos.preprocessing.newLabels.at(15), 0);
  EXPECT_EQ(HermesTask::Get("amos_ct").tasks.back(), 18);
  EXPECT_EQ(HermesTask::Get("structseg_head_oar").classes.size(), 22U);
  EXPECT_EQ(HermesTask::Get("chaos_t2").modality, 3);
  EXPECT_EQ(HermesTask::Get("chaos_t1").tasks, (std::vector<std::int64_t>{ 38, 39, 40, 41 }));
  EXPECT_EQ(HermesTask::Get("brain_structure").preprocessing.resampling, HermesResampling::OneStep);
  const HermesTask & pet = HermesTask::Get("autopet");
  EXPECT_EQ(pet.preprocessing.resampling, HermesResampling::InPlane);
  EXPECT_EQ(pet.preprocessing.leastExtent, 128);
  EXPECT_EQ(pet.tasks, (std::vector<std::int64_t>{ 70 }));
}

TEST(HermesTask, ImagesWithoutLabelsStayWhole)
{
  const HermesPreprocessing whole = HermesTask::Get("kits").GetInferencePreprocessing();
  EXPECT_TRUE(whole.context.empty());
  EXPECT_EQ((*whole.limits)[0], -991);
  EXPECT_EQ(whole.orientation, HermesOrientation::Stored);
  EXPECT_EQ(HermesTask::Get("kits").preprocessing.context, (std::vector<std::int64_t>{ 30, 40, 20 }));
  const HermesPreprocessing pet = HermesTask::Get("autopet").GetInferencePreprocessing();
  EXPECT_EQ(pet.leastExtent, 0);
  EXPECT_EQ(pet.resampling, HermesResampling::InPlane);
  EXPECT_TRUE(HermesTask::Get("chaos_t1").GetInferencePreprocessing().newLabels.empty());
}
