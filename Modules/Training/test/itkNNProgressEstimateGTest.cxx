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
#include "itkNNProgressEstimate.h"

#include "itkNNTestHelpers.h"

#include <cmath>

using itk::nn::FormatDuration;
using itk::nn::ProgressEstimate;

TEST(ProgressEstimate, DurationsForPeople)
{
  EXPECT_EQ(FormatDuration(0), "0 s");
  EXPECT_EQ(FormatDuration(59.6), "1 min 00 s");
  EXPECT_EQ(FormatDuration(185), "3 min 05 s");
  EXPECT_EQ(FormatDuration(3720), "1 h 02 min");
  EXPECT_EQ(FormatDuration(86400 * 2 + 3 * 3600), "2 d 03 h");
  EXPECT_EQ(FormatDuration(-1), "unknown");
  EXPECT_EQ(FormatDuration(std::nan("")), "unknown");
}

TEST(ProgressEstimate, GoesByThePaceOfThisProcess)
{
  ProgressEstimate estimate(1000, 900);
  EXPECT_EQ(estimate.GetFraction(), 0.9);
  EXPECT_FALSE(estimate.GetRemainingSeconds());
  EXPECT_EQ(estimate.GetText(), "step 900 of 1000");
  estimate.Update(920, 40);
  EXPECT_EQ(*estimate.GetRemainingSeconds(), 160);
  EXPECT_EQ(estimate.GetText(), "step 920 of 1000, 2 min 40 s left");
  estimate.Update(2000, 200);
  EXPECT_EQ(estimate.GetFraction(), 1);
  EXPECT_EQ(estimate.GetText(), "step 1000 of 1000, 0 s left");
}

TEST(ProgressEstimate, HasNoStepsOrWrongOnes)
{
  EXPECT_EQ(ProgressEstimate(0).GetFraction(), 1);
  EXPECT_NN_ERROR(ProgressEstimate(5, 6), "Progress begins at step 6 of 5");
  EXPECT_NN_ERROR(ProgressEstimate(5, -1), "begins at step -1 of 5");
}
