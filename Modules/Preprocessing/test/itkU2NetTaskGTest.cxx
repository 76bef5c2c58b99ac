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

#include "itkNNTestHelpers.h"

#include <algorithm>

using namespace itk::nn;

TEST(U2NetTask, NamesAreFound)
{
  ASSERT_EQ(U2NetTask::GetAll().size(), 6U);
  for (const U2NetTask & task : U2NetTask::GetAll())
  {
    EXPECT_EQ(&U2NetTask::Get(task.name), &task);
  }
  EXPECT_EQ(U2NetTask::Get("hippocampus").name, "Task04_Hippocampus");
  EXPECT_EQ(U2NetTask::Get("task09_SPLEEN").name, "Task09_Spleen");
  EXPECT_NN_ERROR(U2NetTask::Get("Task01_BrainTumour"),
                  "The task is 'Task01_BrainTumour'; should be one of Task02_Heart, Task03_Liver");
  EXPECT_NN_ERROR(U2NetTask::Get(""), "The task is ''");
}

TEST(U2NetTask, ValuesSuitEachOther)
{
  for (const U2NetTask & task : U2NetTask::GetAll())
  {
    EXPECT_NO_THROW(task.GetPreprocessing().Check()) << task.name;
    EXPECT_NO_THROW(task.GetPostProcessing().Check()) << task.name;
    EXPECT_LT(task.smallLabel, task.classes) << task.name;
    ASSERT_EQ(task.patch.size(), 3U) << task.name;
    ASSERT_EQ(task.pools.size(), 3U) << task.name;
    for (std::size_t axis = 0; axis < 3; ++axis)
    {
      EXPECT_EQ(task.patch[axis] % (std::int64_t{ 1 } << task.pools[axis]), 0) << task.name;
    }
  }
}

TEST(U2NetTask, GivesItsProcessing)
{
  const U2NetTask & pancreas = U2NetTask::Get("pancreas");
  const U2NetPreprocessing preprocessing = pancreas.GetPreprocessing();
  EXPECT_EQ(preprocessing.spacing, (std::vector<double>{ 2.5, 0.8, 0.8 }));
  EXPECT_EQ(preprocessing.classes, 2);
  EXPECT_EQ(preprocessing.fusedLabels, (std::map<std::int32_t, std::int32_t>{ { 2, 1 } }));
  EXPECT_FALSE(preprocessing.dropsLabelsBeforeFusing);
  const U2NetPostProcessing spleen = U2NetTask::Get("spleen").GetPostProcessing();
  EXPECT_TRUE(spleen.clearsSecondHalf);
  EXPECT_EQ(spleen.components, 1);
  const U2NetPostProcessing prostate = U2NetTask::Get("prostate").GetPostProcessing();
  EXPECT_EQ(prostate.components, 2);
  EXPECT_EQ(prostate.classes, 3);
  EXPECT_FALSE(prostate.clearsSecondHalf);
}
