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

#include "itkNNTestGoldens.h"
#include "itkNNTestHelpers.h"

#include <nlohmann/json.hpp>

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

/** Of 3D U2-Net: epochs of any number of steps, and the end. */
TEST(LearningRateSchedule, GoldenOfTheLossPlateau)
{
  ITK_NN_REQUIRE_GOLDEN("u2net/loss/lr_schedule.json");
  const auto golden = nlohmann::json::parse(test::ReadText(test::FindGolden("u2net/loss/lr_schedule.json")));
  ScheduleOptions options;
  options.shape = ScheduleShape::LossPlateau;
  options.rate = 3e-4;
  options.interval = 4;
  options.stopBelow = 1e-8;
  PlateauState state;
  std::int64_t step = 0;
  double rate = 0;
  bool isOver = false;
  for (const auto & epoch : golden)
  {
    EXPECT_FALSE(isOver);
    for (const double part : { 0.5, 1.5, 0.75, 1.25 })
    {
      rate = ComputeLearningRate(options, step, 1000000, state);
      EXPECT_EQ(rate, epoch.at("lr_used").get<double>()) << epoch;
      AddStepLoss(options, step++, part * epoch.at("loss").get<double>(), state);
    }
    if (epoch.contains("lr_next"))
    {
      EXPECT_EQ(ComputeLearningRate(options, step, 1000000, state), epoch.at("lr_next").get<double>()) << epoch;
    }
    isOver = rate < options.stopBelow;
    EXPECT_EQ(isOver, epoch.contains("stop")) << epoch;
  }
  EXPECT_TRUE(isOver);
}

TEST(LearningRateSchedule, PlateauOfValidations)
{
  ScheduleOptions options;
  options.shape = ScheduleShape::Plateau;
  options.rate = 1e-3;
  options.factor = 0.1;
  options.patience = 1;
  options.minimum = 5e-5;
  PlateauState state;
  const auto rateBehind = [&](double score)
  {
    AddValidationScore(options, score, state);
    AddStepLoss(options, 0, 1, state);
    return ComputeLearningRate(options, 0, 10, state);
  };
  EXPECT_EQ(rateBehind(-0.5), 1e-3);
  EXPECT_EQ(rateBehind(-0.49999), 1e-3) << "no better by the threshold";
  EXPECT_NEAR(rateBehind(-0.6), 1e-4, 1e-12);
  EXPECT_NEAR(rateBehind(0.5), 1e-4, 1e-12);
  EXPECT_NEAR(rateBehind(0.5), 1e-4, 1e-12);
  EXPECT_NEAR(rateBehind(0.5), 5e-5, 1e-12) << "not below the minimum";
  EXPECT_TRUE(state.meanLosses.empty());
  PlateauState other;
  options.shape = ScheduleShape::Constant;
  AddValidationScore(options, 1, other);
  EXPECT_FALSE(other.bestScore.has_value());
  for (auto * number : { &options.patience, &options.threshold, &options.stopBelow })
  {
    const double had = *number;
    *number = -1;
    EXPECT_NN_ERROR(ComputeLearningRate(options, 0, 1), "should be at least 0, window 20 at least 1");
    *number = had;
  }
  options.window = 0;
  EXPECT_NN_ERROR(ComputeLearningRate(options, 0, 1), "window 0 at least 1");
}

TEST(LearningRateSchedule, Milestones)
{
  ScheduleOptions options;
  options.rate = 0.1;
  options.shape = ScheduleShape::Milestones;
  options.factor = 0.5;
  EXPECT_EQ(ComputeLearningRate(options, 99, 100), 0.1);
  // In any order; one that is there twice counts twice.
  options.milestones = { 60, 20, 60 };
  const std::pair<std::int64_t, double> expected[] = { { 0, 0.1 },   { 19, 0.1 },    { 20, 0.05 },
                                                       { 59, 0.05 }, { 60, 0.0125 }, { 99, 0.0125 } };
  for (const auto & [step, rate] : expected)
  {
    EXPECT_NEAR(ComputeLearningRate(options, step, 100), rate, 1e-12) << step;
  }
  // They are counted behind the warm-up.
  options.warmup = 10;
  EXPECT_NEAR(ComputeLearningRate(options, 29, 100), 0.1, 1e-12);
  EXPECT_NEAR(ComputeLearningRate(options, 30, 100), 0.05, 1e-12);
  options.minimum = 0.03;
  EXPECT_NEAR(ComputeLearningRate(options, 99, 100), 0.03, 1e-12);
}

TEST(LearningRateSchedule, Hold)
{
  ScheduleOptions options;
  options.rate = 0.1;
  options.power = 1;
  options.hold = 10;
  for (const ScheduleShape shape : { ScheduleShape::Polynomial,
                                     ScheduleShape::Cosine,
                                     ScheduleShape::Steps,
                                     ScheduleShape::Milestones,
                                     ScheduleShape::Constant })
  {
    options.shape = shape;
    options.interval = 4;
    options.milestones = { 15 };
    ScheduleOptions each = options;
    each.hold = 1;
    for (std::int64_t step = 0; step < 100; ++step)
    {
      EXPECT_EQ(ComputeLearningRate(options, step, 100), ComputeLearningRate(each, step / 10 * 10, 100)) << step;
    }
  }
  options.shape = ScheduleShape::Polynomial;
  EXPECT_NEAR(ComputeLearningRate(options, 25, 100), 0.08, 1e-12);
  // Of the steps behind the warm-up.
  options.warmup = 4;
  EXPECT_NEAR(ComputeLearningRate(options, 2, 104), 0.075, 1e-12);
  EXPECT_NEAR(ComputeLearningRate(options, 13, 104), 0.1, 1e-12);
  EXPECT_NEAR(ComputeLearningRate(options, 14, 104), 0.09, 1e-12);
}

TEST(LearningRateSchedule, NamesAndErrors)
{
  for (const char * name : { "constant", "polynomial", "cosine", "steps", "milestones" })
  {
    EXPECT_STREQ(ToString(ParseScheduleShape(name)), name);
  }
  EXPECT_NN_ERROR(ParseScheduleShape("linear"), "There is no schedule 'linear'; there are constant");
  ScheduleOptions options;
  options.rate = 0;
  EXPECT_NN_ERROR(ComputeLearningRate(options, 0, 1), "Learning rate 0 should be above 0");
  options = ScheduleOptions();
  options.interval = 0;
  EXPECT_NN_ERROR(ComputeLearningRate(options, 0, 1), "interval 0 and hold 1 at least 1");
  options = ScheduleOptions();
  options.hold = 0;
  EXPECT_NN_ERROR(ComputeLearningRate(options, 0, 1), "hold 0 at least 1");
}
