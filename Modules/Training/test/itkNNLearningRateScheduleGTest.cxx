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
#include "itkNNLearningRateSchedule.h"

#include "itkNNTestHelpers.h"

using namespace itk::nn;

TEST(LearningRateSchedule, Values)
{
  ScheduleOptions options;
  options.rate = 0.1;
  EXPECT_EQ(ComputeLearningRate(options, 0, 100), 0.1);
  EXPECT_EQ(ComputeLearningRate(options, 99, 100), 0.1);
  options.shape = ScheduleShape::Polynomial;
  options.power = 2;
  EXPECT_NEAR(ComputeLearningRate(options, 50, 100), 0.025, 1e-12);
  EXPECT_NEAR(ComputeLearningRate(options, 100, 100), 0, 1e-12);
  options.minimum = 0.01;
  EXPECT_NEAR(ComputeLearningRate(options, 99, 100), 0.01, 1e-12);
  options.shape = ScheduleShape::Cosine;
  EXPECT_NEAR(ComputeLearningRate(options, 0, 100), 0.1, 1e-12);
  EXPECT_NEAR(ComputeLearningRate(options, 50, 100), 0.055, 1e-12);
  EXPECT_NEAR(ComputeLearningRate(options, 100, 100), 0.01, 1e-12);
  options.shape = ScheduleShape::Steps;
  options.factor = 0.5;
  options.interval = 10;
  EXPECT_NEAR(ComputeLearningRate(options, 9, 100), 0.1, 1e-12);
  EXPECT_NEAR(ComputeLearningRate(options, 25, 100), 0.025, 1e-12);
  EXPECT_NEAR(ComputeLearningRate(options, 99, 100), 0.01, 1e-12);
  options.warmup = 4;
  EXPECT_NEAR(ComputeLearningRate(options, 0, 100), 0.025, 1e-12);
  EXPECT_NEAR(ComputeLearningRate(options, 3, 100), 0.1, 1e-12);
  EXPECT_NEAR(ComputeLearningRate(options, 4, 100), 0.1, 1e-12);
}

TEST(LearningRateSchedule, NamesAndErrors)
{
  for (const char * name : { "constant", "polynomial", "cosine", "steps" })
  {
    EXPECT_STREQ(ToString(ParseScheduleShape(name)), name);
  }
  EXPECT_NN_ERROR(ParseScheduleShape("linear"), "There is no schedule 'linear'; there are constant");
  ScheduleOptions options;
  options.rate = 0;
  EXPECT_NN_ERROR(ComputeLearningRate(options, 0, 1), "Learning rate 0 should be above 0");
  options = ScheduleOptions();
  options.interval = 0;
  EXPECT_NN_ERROR(ComputeLearningRate(options, 0, 1), "interval 0 at least 1");
}
