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
#include "itkNNTrainingSettings.h"

#include "itkNNTestHelpers.h"

#include <cstdlib>

using namespace itk::nn;

namespace
{
TrainingSettings
Read(const std::string & text)
{
  TrainingSettings settings;
  ConfigurationTable(settings).Read(text, "train.toml");
  return settings;
}
} // namespace

TEST(TrainingSettings, DefaultsAreThePapers)
{
  const TrainingSettings settings;
  const TrainerOptions options = settings.GetTrainerOptions();
  EXPECT_EQ(options.optimizer.method, OptimizerMethod::Adam);
  EXPECT_EQ(options.schedule.shape, ScheduleShape::Constant);
  EXPECT_EQ(options.schedule.rate, 1e-4);
  ASSERT_EQ(options.gradients.losses.size(), 1U);
  EXPECT_EQ(options.gradients.losses[0].function, LossFunction::Dice);
  EXPECT_TRUE(options.gradients.recompute.empty());
  const UniverSegBatchOptions batch = settings.GetBatchOptions();
  EXPECT_EQ(batch.height, 128);
  EXPECT_EQ(batch.supportSizes, std::vector<std::int64_t>{ 64 });
  ASSERT_TRUE(batch.taskAugmentation.has_value());
  ASSERT_TRUE(batch.inTaskAugmentation.has_value());
  EXPECT_EQ(batch.taskAugmentation->scope, AugmentationOptions::Scope::Task);
  EXPECT_EQ(batch.inTaskAugmentation->scope, AugmentationOptions::Scope::InTask);
  EXPECT_EQ(batch.taskAugmentation->elasticProbability, 0.25);
  EXPECT_EQ(batch.inTaskAugmentation->elasticProbability, 0.8);
  const auto network = settings.network.Get();
  EXPECT_EQ(network->GetNumberOfParameters(), 1182785);
}

TEST(TrainingSettings, ThoseOfTheDefaultModel)
{
  for (const std::string stage : { "stage1", "stage2", "stage3" })
  {
    const std::int64_t extent = stage == "stage3" ? 128 : 64;
    TrainingSettings settings;
    ConfigurationTable(settings).ReadFile(UNIVERSEG_TEST_EXAMPLES "/Training/default-model/" + stage + ".toml");
    EXPECT_EQ(settings.network.Get()->GetNumberOfParameters(), 296481) << stage;
    EXPECT_EQ(settings.batch.height, extent) << stage;
    EXPECT_EQ(settings.tasks.manifests, std::vector<std::string>{ "../open-data.toml" }) << stage;
    EXPECT_EQ(settings.GetTrainerOptions().gradients.losses.size(), 2U) << stage;
  }
}

TEST(TrainingSettings, ReadsAndWrites)
{
  const TrainingSettings settings = Read(R"(
seed = 7
steps = 12
recompute = true
[network]
encoder-blocks = [8, 16]
[batch]
height = 32
support-sizes = [1, 2]
[augmentation.task]
enabled = false
[augmentation.in-task]
rotation = [-10, 10]
noise-probability = 0.5
[[loss]]
function = "dice"
weight = 0.5
[[loss]]
function = "focal"
gamma = 1.5
[optimizer]
method = "adamw"
weight-decay = 0.01
[schedule]
shape = "cosine"
rate = 0.002
[validation]
every = 5
patience = 50
)");
  const TrainerOptions options = settings.GetTrainerOptions();
  EXPECT_EQ(options.steps, 12);
  EXPECT_EQ(options.optimizer.method, OptimizerMethod::AdamW);
  EXPECT_EQ(options.optimizer.weightDecay, 0.01);
  EXPECT_EQ(options.schedule.shape, ScheduleShape::Cosine);
  EXPECT_EQ(options.schedule.rate, 0.002);
  EXPECT_EQ(options.validateEvery, 5);
  EXPECT_EQ(options.patience, 50);
  ASSERT_EQ(options.gradients.losses.size(), 2U);
  EXPECT_EQ(options.gradients.losses[0].weight, 0.5);
  EXPECT_EQ(options.gradients.losses[1].function, LossFunction::Focal);
  EXPECT_EQ(options.gradients.losses[1].gamma, 1.5);
  EXPECT_EQ(options.gradients.recompute.size(), 4U);
  const UniverSegBatchOptions batch = settings.GetBatchOptions();
  EXPECT_FALSE(batch.taskAugmentation.has_value());
  EXPECT_EQ(batch.inTaskAugmentation->rotation.low, -10);
  EXPECT_EQ(batch.inTaskAugmentation->noiseProbability, 0.5);
  EXPECT_EQ(batch.supportSizes, (std::vector<std::int64_t>{ 1, 2 }));
  EXPECT_NE(batch.seed, Read("seed = 8").GetBatchOptions().seed);

  // What is written reads back as the same.
  TrainingSettings copy = settings;
  const std::string text = ConfigurationTable(copy).Write();
  TrainingSettings again = Read(text);
  EXPECT_EQ(ConfigurationTable(again).Write(), text);
}

TEST(TrainingSettings, Errors)
{
  EXPECT_NN_ERROR(Read("stepz = 3"), "steps");
  EXPECT_NN_ERROR(Read("[[loss]]\nfunction = \"dise\"").GetTrainerOptions(), "There is no loss 'dise'");
  EXPECT_NN_ERROR(Read("[optimizer]\nmethod = \"x\"").GetTrainerOptions(), "There is no optimizer 'x'");
  EXPECT_NN_ERROR(Read("[schedule]\nshape = \"x\"").GetTrainerOptions(), "There is no schedule 'x'");
  EXPECT_NN_ERROR(Read("log-every = 0").GetTrainerOptions(), "'log-every' is 0; it should be at least 1");
  EXPECT_NN_ERROR(Read("loader-threads = -1").GetTrainerOptions(), "'loader-threads' is -1");
  EXPECT_NN_ERROR(Read("[augmentation.task]\nscale = [1.0]").GetBatchOptions(), "'scale' has 1 values");
  EXPECT_NN_ERROR(Read("[network]\nname = \"x\"").network.Get(), "'x'");
  EXPECT_NN_ERROR(Read("[network]\nencoder-blocks = [0]").network.Get(), "should have 1 to 65536");
  EXPECT_EQ(Read("[tasks]\nobject-weight = 3.5").tasks.synthetic.objectWeight, 3.5);
  EXPECT_NN_ERROR(Read("[tasks]\ntube-weight = -1.0").MakeTaskSource("", false), "tubes");
  EXPECT_NN_ERROR(Read("[tasks]\nsynthetic-weight = 0.0").MakeTaskSource("", false), "names nothing to train on");
  EXPECT_NN_ERROR(Read("[tasks]\nlabel-maps = [\"absent.nii\"]").MakeTaskSource(UNIVERSEG_TEST_OUTPUT, false),
                  "absent.nii");
  EXPECT_NN_ERROR(Read("[tasks]\nmanifests = [\"absent.toml\"]").MakeTaskSource(UNIVERSEG_TEST_OUTPUT, false),
                  "absent.toml");
  unsetenv("UNIVERSEG_NO_SUCH_VARIABLE");
  EXPECT_NN_ERROR(
    Read("[tasks]\nlabel-maps = [\"$UNIVERSEG_NO_SUCH_VARIABLE/a\"]").MakeTaskSource("", false),
    "'label-maps' is '$UNIVERSEG_NO_SUCH_VARIABLE/a', and there is no variable UNIVERSEG_NO_SUCH_VARIABLE");
  EXPECT_EQ(Read("").MakeTaskSource("", true)->GetName(), "synthetic shapes");
}
