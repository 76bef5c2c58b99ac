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
#include "itkNNVolumeTrainingSettings.h"

#include "itkConnectedComponentImageFilter.h"
#include "itkHermesSegmenter.h"
#include "itkHermesTask.h"
#include "itkNNModel.h"
#include "itkNNNetworkRunner.h"
#include "itkNNRegisterBackends.h"
#include "itkNNTestDifference.h"
#include "itkNNTestGoldens.h"
#include "itkNNVolumeTestHelpers.h"
#include "itkU2NetNetwork.h"
#include "itkU2NetTask.h"
#include "itkRelabelComponentImageFilter.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
using Json = nlohmann::json;
using Configuration = PyMICConfiguration;

VolumeTrainingSettings
Read(const std::string & text)
{
  VolumeTrainingSettings settings;
  ConfigurationTable(settings).Read(text, "train.toml");
  return settings;
}

TrainerOptions
GetOptions(const VolumeTrainingSettings & settings)
{
  return settings.GetTrainerOptions(*settings.network.Get());
}

/** The demonstration of MIS-FM for left atria. */
std::string
MakeDemo(const std::string & network)
{
  std::string text = R"([dataset]
tensor_type = float
task_type = seg
train_dir = atria/images
train_csv = lists/train.csv
valid_csv = lists/valid.csv
test_csv = lists/test.csv
modal_num = 1
train_batch_size = 2
valid_batch_size = 1
patch_size = [64, 128, 128]
train_transform = [RandomCrop, NormalizeWithMeanStd, RandomFlip, LabelToProbability]
valid_transform = [NormalizeWithMeanStd, LabelToProbability]
test_transform = [NormalizeWithMeanStd]
NormalizeWithMeanStd_channels =[0]
RandomCrop_foreground_focus = False
RandomCrop_foreground_ratio = None
RandomCrop_mask_label = None
RandomCrop_inverse = False
RandomFlip_flip_depth = True
RandomFlip_flip_height = True
RandomFlip_flip_width = True
RandomFlip_inverse = False
LabelToProbability_class_num = 2
LabelToProbability_inverse = False

[network]
class_num = 2
in_chns = 1
)";
  text += network == "FMUNet" ? R"(net_type = FMUNet
feature_chns = [32, 64, 128, 256, 512]
dropout = 0.2
depth = 2
res_mode = 0
multiscale_pred = False
)"
                              : R"(net_type = PCTNet
input_size = [64, 128, 128]
feature_chns = [24, 48, 128, 256, 512]
dropout = [0, 0, 0.2, 0.2, 0.2]
resolution_mode = 1
multiscale_pred = True
)";
  text += R"(
[training]
gpus = [0]
loss_type = [DiceLoss, CrossEntropyLoss]
loss_weight = [0.5, 0.5]
optimizer = Adam
learning_rate = 1e-3
momentum = 0.9
weight_decay = 1e-5
lr_scheduler = PolynomialLR
lr_power = 0.8
early_stop_patience = 3000
ckpt_dir = model/demo
iter_max = 6000
iter_valid = 250
iter_save = 6000
)";
  text += network == "FMUNet" ? "deep_supervise = False\n"
                              : "deep_supervise = True\n"
                                "ckpt_init_name = ../../weights/pctnet.pt\n"
                                "ckpt_init_mode = 0\n";
  return text + R"(
[testing]
gpus = [0]
ckpt_mode = 1
output_dir = result/demo
sliding_window_enable = True
sliding_window_batch = 8
sliding_window_size = [64, 128, 128]
sliding_window_stride = [32, 64, 64]

[evaluation]
metric_list = [dice]
label_list = [1]
)";
}

VolumeTrainingSettings
ReadExample(const std::string & name)
{
  VolumeTrainingSettings settings;
  ConfigurationTable(settings).ReadFile(UNIVERSEG_TEST_EXAMPLES "/Training/" + name);
  return settings;
}

/** The options of a transform as they are given; empty when it is not there. */
std::vector<std::string>
FindOptions(const std::vector<TransformSettings> & transforms, const std::string & name)
{
  const auto found = std::find_if(
    transforms.begin(), transforms.end(), [&](const TransformSettings & entry) { return entry.name == name; });
  return found == transforms.end() ? std::vector<std::string>() : found->options;
}

/** What the examples of a task have in common. */
void
ExpectU2NetTask(const VolumeTrainingSettings & settings, const U2NetTask & task)
{
  const Shape patch{ 128, 128, 128 };
  EXPECT_EQ(settings.batchSize, 2);
  EXPECT_EQ(settings.data.modalities, task.channels);
  EXPECT_NE(settings.data.train, "");
  EXPECT_NE(settings.data.validation, "");
  const auto windows = settings.window.Get();
  ASSERT_TRUE(windows.has_value());
  EXPECT_EQ(windows->windows.placement, WindowPlacement::U2Net);
  EXPECT_EQ(windows->windows.window, patch);

  // A volume as small as can be: it is padded.
  Sample sample;
  sample.image = Tensor({ task.channels, 9, 10, 11 });
  std::fill_n(sample.image.GetData<float>(), sample.image.GetNumberOfElements(), 1.0F);
  sample.label = Tensor({ 1, 9, 10, 11 }, DataType::Int32);
  std::fill_n(sample.label.GetData<std::int32_t>(), sample.label.GetNumberOfElements(), task.smallLabel);
  TransformRandom random(3);
  Sample whole = sample;
  MakeSampleTransforms(settings.transforms.train).Apply(sample, random);
  EXPECT_EQ(sample.GetSize(), patch);
  EXPECT_EQ(sample.image.GetShape()[0], task.channels);
  ASSERT_TRUE(sample.labelProbability.IsDefined());
  EXPECT_EQ(sample.labelProbability.GetShape()[0], task.classes);
  const auto options = FindOptions(settings.transforms.train, "U2NetPatch");
  ASSERT_FALSE(options.empty());
  const auto size = ToString(task.patch);
  EXPECT_EQ(options[0], "output_size = " + size);
  EXPECT_EQ(std::count(options.begin(), options.end(), "small_class = " + std::to_string(task.smallLabel)) > 0,
            task.classes > 2);

  // Whole volumes are seen at the scale of the patches.
  const auto pipeline = settings.GetValidationPipeline();
  pipeline.transforms.Apply(whole, random);
  for (std::size_t axis = 0; axis < 3; ++axis)
  {
    EXPECT_EQ(whole.GetSize()[axis], (9 + static_cast<std::int64_t>(axis)) * 128 / task.patch[axis]);
  }
  EXPECT_EQ(whole.labelProbability.GetShape()[0], task.classes);
  EXPECT_EQ(settings.GetPreprocessing(), U2NetPipeline::Make(task, patch).ToJson());
}

void
ExpectU2NetTraining(const TrainerOptions & options)
{
  EXPECT_EQ(options.steps, 90000);
  EXPECT_EQ(options.validateEvery, 6000);
  ASSERT_EQ(options.gradients.losses.size(), 2U);
  EXPECT_EQ(options.gradients.losses[0].function, LossFunction::Lovasz);
  EXPECT_EQ(options.gradients.losses[1].function, LossFunction::Focal);
  EXPECT_TRUE(options.gradients.losses[1].detached);
  EXPECT_EQ(options.gradients.losses[1].gamma, 2);
  for (const LossOptions & loss : options.gradients.losses)
  {
    EXPECT_EQ(loss.activation, LossActivation::Softmax);
    EXPECT_EQ(loss.weight, 1);
  }
  EXPECT_EQ(options.optimizer.method, OptimizerMethod::Adam);
  EXPECT_EQ(options.optimizer.weightDecay, 5e-4);
  EXPECT_TRUE(options.optimizer.idleSteps);
  EXPECT_EQ(options.schedule.shape, ScheduleShape::LossPlateau);
  EXPECT_EQ(options.schedule.rate, 3e-4);
  EXPECT_EQ(options.schedule.interval, 300);
  EXPECT_EQ(options.schedule.window, 20);
  EXPECT_EQ(options.schedule.threshold, 1e-4);
  EXPECT_EQ(options.schedule.factor, 0.5);
  EXPECT_EQ(options.schedule.stopBelow, 1e-8);
}

/** The demonstration with other values of keys, or more of them. */
Configuration
Change(const std::vector<std::string> & changes, const std::string & network = "FMUNet")
{
  std::string text = MakeDemo(network);
  for (const std::string & change : changes)
  {
    // "section.key = value"; without a value the key is taken out.
    const std::string section = '[' + change.substr(0, change.find('.')) + ']';
    const std::string line = change.substr(change.find('.') + 1);
    const std::string key = line.substr(0, line.find(" =")) + " =";
    const std::size_t begin = text.find(section) + section.size();
    const std::size_t old = text.find('\n' + key, begin);
    if (old != std::string::npos && text.find("\n[", begin) > old)
    {
      text.erase(old, text.find('\n', old + 1) - old);
    }
    if (key.size() < line.size())
    {
      text.insert(begin, '\n' + line);
    }
  }
  return Configuration::Parse(text, "my.cfg");
}

VolumeTrainingSettings
Train(const std::vector<std::string> & changes, const std::string & network = "FMUNet")
{
  return MakeVolumeTrainingSettings(Change(changes, network));
}

VolumeInferenceSettings
Infer(const std::vector<std::string> & changes)
{
  return MakeVolumeInferenceSettings(Change(changes));
}
} // namespace

TEST(VolumeTrainingSettings, ExamplesOfPretraining)
{
  for (const std::string name : { "pretrain", "finetune" })
  {
    const VolumeTrainingSettings settings = ReadExample("pretraining/" + name + ".toml");
    EXPECT_EQ(settings.network.Get()->GetName(), "fmunet");
    EXPECT_GT(GetOptions(settings).steps, 0);
    EXPECT_GE(MakeSampleTransforms(settings.transforms.train).GetNumberOfTransforms(), 2U) << name;
  }
}

TEST(VolumeTrainingSettings, ExamplesOfU2Net)
{
  const VolumeTrainingSettings universal = ReadExample("u2net/universal.toml");
  const auto network = std::dynamic_pointer_cast<const U2NetNetwork>(universal.network.Get());
  ASSERT_NE(network, nullptr);
  EXPECT_EQ(network->GetNumberOfParameters(), 6577460);
  EXPECT_EQ(network->GetValues().baseChannels, 16);
  ExpectU2NetTraining(GetOptions(universal));
  const std::vector<std::string> names{ "heart", "liver", "hippocampus", "prostate", "pancreas" };
  ASSERT_EQ(universal.tasks.size(), names.size());
  for (std::size_t i = 0; i < names.size(); ++i)
  {
    EXPECT_EQ(universal.tasks[i].name, names[i]);
    SCOPED_TRACE(names[i]);
    const U2NetTask & task = U2NetTask::Get(names[i]);
    ExpectU2NetTask(ReadExample("u2net/" + universal.tasks[i].settings), task);
    EXPECT_EQ(network->GetValues().inputChannels[i], task.channels);
    EXPECT_EQ(network->GetValues().classes[i], task.classes);
  }
  const VolumeTrainingSettings spleen = ReadExample("u2net/spleen.toml");
  ExpectU2NetTask(spleen, U2NetTask::Get("spleen"));
  ExpectU2NetTraining(spleen.GetTrainerOptions(*network));
  EXPECT_EQ(FindOptions(spleen.transforms.train, "U2NetPatch")[2], "foreground_probability = 1");
}

TEST(VolumeTrainingSettings, ExamplesOfHermes)
{
  const auto read = [](const std::string & name)
  {
    VolumeTrainingSettings settings;
    settings.SetNetworkDefaults("hermes");
    ConfigurationTable(settings).ReadFile(UNIVERSEG_TEST_EXAMPLES "/Training/hermes/" + name);
    return settings;
  };
  const VolumeTrainingSettings all = read("hermes.toml");
  const auto network = all.network.Get();
  EXPECT_EQ(network->GetNumberOfParameters(), 60884998);
  const auto & presets = HermesTask::GetAll();
  ASSERT_EQ(all.tasks.size(), presets.size());
  const auto domains = nlohmann::json::parse(network->GetConfiguration()).at("domains");
  ASSERT_EQ(domains.size(), presets.size());
  for (std::size_t i = 0; i < presets.size(); ++i)
  {
    const HermesTask & preset = presets[i];
    SCOPED_TRACE(preset.name);
    EXPECT_EQ(all.tasks[i].name, preset.name);
    EXPECT_GT(all.tasks[i].weight, 0);
    EXPECT_EQ(domains[i].at("tgt_idx").get<std::vector<std::int64_t>>(), preset.tasks);
    EXPECT_EQ(domains[i].at("mod_idx").get<std::int64_t>(), preset.modality);
    const VolumeTrainingSettings task = read(all.tasks[i].settings);
    EXPECT_EQ(task.hermes.Get()->ToJson(), HermesPipeline::Make(preset).ToJson());
    EXPECT_EQ(task.window.Get()->windows.placement, WindowPlacement::Hermes);
    const std::vector<std::string> classes{ "class_num = " + std::to_string(preset.classes.size() + 1) };
    EXPECT_EQ(FindOptions(task.transforms.train, "LabelToProbability"), classes);
    EXPECT_EQ(FindOptions(task.transforms.validation, "LabelToProbability"), classes);
    EXPECT_EQ(MakeSampleTransforms(task.transforms.train).GetNumberOfTransforms(), 3U);
  }
}

TEST(VolumeTrainingSettings, DefaultsAreThoseOfPyMIC)
{
  const VolumeTrainingSettings settings;
  const auto network = settings.network.Get();
  EXPECT_EQ(network->GetNumberOfParameters(), 47332680);
  const TrainerOptions options = GetOptions(settings);
  EXPECT_EQ(options.gradients.output, "output0");
  EXPECT_TRUE(options.gradients.deepOutputs.empty());
  ASSERT_EQ(options.gradients.losses.size(), 2U);
  EXPECT_EQ(options.gradients.losses[0].function, LossFunction::Dice);
  EXPECT_EQ(options.gradients.losses[1].function, LossFunction::CrossEntropy);
  EXPECT_EQ(options.gradients.losses[1].blend, 1e-3);
  for (const LossOptions & loss : options.gradients.losses)
  {
    EXPECT_EQ(loss.weight, 0.5);
    EXPECT_EQ(loss.activation, LossActivation::Softmax);
    EXPECT_TRUE(loss.pooled);
    EXPECT_FALSE(loss.squared);
    EXPECT_EQ(loss.smooth, 1e-5);
  }
  EXPECT_EQ(options.optimizer.method, OptimizerMethod::Adam);
  EXPECT_EQ(options.optimizer.weightDecay, 1e-5);
  EXPECT_EQ(options.schedule.shape, ScheduleShape::Polynomial);
  EXPECT_EQ(options.schedule.rate, 1e-3);
  EXPECT_EQ(options.steps, 6000);
  EXPECT_EQ(options.validateEvery, 250);
  EXPECT_EQ(MakeSampleTransforms(settings.transforms.train).GetNumberOfTransforms(), 5U);
  const VolumePipeline validation = settings.GetValidationPipeline();
  EXPECT_EQ(validation.transforms.GetNumberOfTransforms(), 3U);
  ASSERT_TRUE(validation.windows.has_value());
  EXPECT_EQ(validation.windows->windows.window, (Shape{ 64, 128, 128 }));
  EXPECT_EQ(validation.windows->windows.stride, (Shape{ 32, 64, 64 }));
  EXPECT_EQ(validation.windows->blending, WindowBlending::Gaussian);
  const VolumePipeline inference = VolumePipeline::FromJson(settings.GetPreprocessing());
  EXPECT_EQ(inference.transforms.GetNumberOfTransforms(), 2U);
  EXPECT_EQ(VolumePipeline::FromJson(inference.ToJson()).ToJson(), inference.ToJson());
  EXPECT_EQ(settings.GetValidationCases(""), nullptr);
}

TEST(VolumeTrainingSettings, ReadsAndWrites)
{
  const VolumeTrainingSettings settings = Read(R"(
seed = 7
steps = 12
batch-size = 3
deep-supervision = "labels"
deep-supervision-weights = [1.0, 0.5, 0.0]
validate-every = 5
patience = 50
[network]
name = "unet3d"
configuration = '{"in_chns": 2, "class_num": 4, "feature_chns": [2, 4, 8, 8], "dropout": [0, 0, 0, 0], "multiscale_pred": true}'
start = "first.pt"
start-parts = ["encoder"]
[[task]]
name = "heart"
settings = "heart.toml"
[[task]]
name = "liver"
settings = "liver.cfg"
[data]
train = "train.csv"
modalities = 2
[[transforms.train]]
name = "RandomCrop"
options = ["output_size = [None, 32, 32]", "foreground_focus=True", " foreground_ratio = 0.7 "]
[[transforms.train]]
name = "LabelToProbability"
options = ["class_num = 4"]
[window]
size = [0, 32, 32]
stride = []
placement = "nnunet"
blending = "constant"
step = 0.25
batch = 4
mirror-axes = [0, 2]
[[loss]]
function = "focal_dice"
activation = "softmax"
[optimizer]
method = "sgd"
nesterov = true
[schedule]
shape = "milestones"
milestones = [4, 8]
hold = 2
)");
  const TrainerOptions options = GetOptions(settings);
  EXPECT_EQ(options.steps, 12);
  EXPECT_EQ(options.patience, 50);
  EXPECT_EQ(options.optimizer.method, OptimizerMethod::Sgd);
  EXPECT_EQ(options.schedule.shape, ScheduleShape::Milestones);
  EXPECT_EQ(options.schedule.milestones, (std::vector<std::int64_t>{ 4, 8 }));
  EXPECT_EQ(options.schedule.hold, 2);
  ASSERT_EQ(options.gradients.losses.size(), 1U);
  EXPECT_EQ(options.gradients.losses[0].function, LossFunction::FocalDice);
  EXPECT_EQ(options.gradients.deepSupervision, DeepSupervision::Labels);
  // Four levels have three outputs.
  EXPECT_EQ(options.gradients.deepOutputs, (std::vector<std::string>{ "output1", "output2" }));
  EXPECT_EQ(options.gradients.deepWeights, (std::vector<double>{ 1, 0.5, 0 }));
  const Json transforms = Json::parse(MakeSampleTransforms(settings.transforms.train).ToJson());
  EXPECT_EQ(transforms.at(0).at("options").at("output_size"), Json::parse("[null, 32, 32]"));
  EXPECT_EQ(transforms.at(0).at("options").at("foreground_focus"), true);
  EXPECT_EQ(transforms.at(0).at("options").at("foreground_ratio"), 0.7);
  const auto windows = settings.window.Get();
  ASSERT_TRUE(windows.has_value());
  EXPECT_EQ(windows->windows.placement, WindowPlacement::NnUNet);
  EXPECT_EQ(windows->windows.window, (Shape{ 0, 32, 32 }));
  EXPECT_EQ(windows->windows.step, 0.25);
  EXPECT_EQ(windows->blending, WindowBlending::Constant);
  EXPECT_EQ(windows->batchSize, 4);
  EXPECT_EQ(windows->mirrorAxes, (std::vector<int>{ 0, 2 }));
  EXPECT_NE(options.seed, GetOptions(Read("seed = 8")).seed);
  EXPECT_FALSE(Read("[window]\nsize = []").window.Get().has_value());
  ASSERT_EQ(settings.tasks.size(), 2U);
  EXPECT_EQ(settings.tasks[0].name, "heart");
  EXPECT_EQ(settings.tasks[1].settings, "liver.cfg");
  EXPECT_TRUE(VolumeTrainingSettings().tasks.empty());

  // What is written reads back as the same.
  for (const VolumeTrainingSettings & each : { settings, VolumeTrainingSettings(), Train({}), Train({}, "PCTNet") })
  {
    VolumeTrainingSettings copy = each;
    const std::string text = ConfigurationTable(copy).Write();
    VolumeTrainingSettings again = Read(text);
    EXPECT_EQ(ConfigurationTable(again).Write(), text);
  }
}

/** What the authors train a Hermes with. */
TEST(VolumeTrainingSettings, DefaultsOfHermes)
{
  for (const std::string name : { "hermes", "hermes_medformer" })
  {
    VolumeTrainingSettings settings;
    settings.SetNetworkDefaults(name);
    EXPECT_EQ(settings.network.name, name);
    const TrainerOptions options = GetOptions(settings);
    EXPECT_EQ(options.steps, 80200);
    EXPECT_EQ(options.clipNorm, 1);
    EXPECT_EQ(options.averageDecay, 0.99);
    EXPECT_EQ(options.averageStart, AverageStart::Mean);
    EXPECT_EQ(options.optimizer.method, OptimizerMethod::Lamb);
    EXPECT_EQ(options.optimizer.epsilon, 1e-5);
    EXPECT_EQ(options.optimizer.weightDecay, name == "hermes" ? 1e-5 : 0.05);
    EXPECT_EQ(options.gradients.output, "out");
    ASSERT_EQ(options.gradients.losses.size(), 2U);
    EXPECT_EQ(options.gradients.losses[0].function, LossFunction::BinaryCrossEntropy);
    EXPECT_EQ(options.gradients.losses[1].function, LossFunction::AdaptiveDice);
    ASSERT_EQ(options.gradients.imageLosses.size(), 1U);
    EXPECT_EQ(options.gradients.imageLosses[0].output, "mod_out");
    EXPECT_EQ(options.gradients.imageLosses[0].classes, "mod_idx");
    EXPECT_EQ(options.gradients.imageLosses[0].weight, 0.01);
    EXPECT_EQ(options.gradients.deepOutputs.size(), name == "hermes" ? 0U : 1U);
    EXPECT_NEAR(
      ComputeLearningRate(options.schedule, 0, options.steps), name == "hermes" ? 9.089405352117144e-08 : 0.002, 1e-15);
    EXPECT_NEAR(ComputeLearningRate(options.schedule, 6 * 401, options.steps), 0.0019459180947002611, 1e-12);
    EXPECT_EQ(settings.window.Get()->windows.placement, WindowPlacement::Hermes);
    ASSERT_EQ(settings.transforms.train.size(), 3U);
    EXPECT_EQ(settings.transforms.train[0].name, "HermesPatch");
    EXPECT_EQ(settings.transforms.train[1].name, "HermesIntensity");
    EXPECT_NO_THROW(MakeSampleTransforms(settings.transforms.train));
    EXPECT_NO_THROW(settings.GetValidationPipeline());
    settings.modalityWeight = 0;
    EXPECT_TRUE(GetOptions(settings).gradients.imageLosses.empty());
    settings.modalityWeight = -1;
    EXPECT_NN_ERROR(GetOptions(settings), "'modality-weight' is -1, should be at least 0");
    settings.modalityWeight = 0.5;
    settings.averageStart = "x";
    EXPECT_NN_ERROR(GetOptions(settings), "'x'");
    settings.averageStart = "ramp";
    settings.network.trainedRows = { 3, 4 };
    EXPECT_EQ(GetOptions(settings).gradients.trainedRows, (std::vector<std::int64_t>{ 3, 4 }));
    settings.network.configuration = "{}";
    EXPECT_NN_ERROR(settings.network.Get(), "'network.configuration' of " + name + " has no domains");
    VolumeTrainingSettings again = Read("[[task]]\nweight = 0.5\n[[task]]\n");
    EXPECT_EQ(again.tasks[0].weight, 0.5);
    EXPECT_EQ(again.tasks[1].weight, 1);
  }
  VolumeTrainingSettings other;
  other.SetNetworkDefaults("unet3d");
  VolumeTrainingSettings plain;
  EXPECT_EQ(ConfigurationTable(other).Write(), ConfigurationTable(plain).Write());
  EXPECT_NE(plain.GetBatchSeed(), Read("seed = 9").GetBatchSeed());
}

TEST(VolumeTrainingSettings, PipelineOfU2Net)
{
  const auto preset = Read("[u2net]\ntask = \"spleen\"\nwindow = [128, 128, 128]").u2net.Get();
  ASSERT_TRUE(preset.has_value());
  EXPECT_EQ(preset->ToJson(), U2NetPipeline::Make(U2NetTask::Get("Task09_Spleen"), { 128, 128, 128 }).ToJson());
  const VolumeTrainingSettings settings =
    Read("[u2net]\nspacing = [2.0, 1.0, 1.0]\npatch = [8, 16, 16]\nclasses = 3\ncomponents = 2");
  const auto pipeline = settings.u2net.Get();
  ASSERT_TRUE(pipeline.has_value());
  EXPECT_EQ(pipeline->preprocessing.spacing, (std::vector<double>{ 2, 1, 1 }));
  EXPECT_EQ(pipeline->window, (Shape{ 8, 16, 16 }));
  EXPECT_EQ(pipeline->postProcessing->classes, 3);
  EXPECT_EQ(pipeline->postProcessing->components, 2);
  EXPECT_EQ(settings.GetPreprocessing(), pipeline->ToJson());
  const std::string start = "[u2net]\nspacing = [2.0, 1.0, 1.0]\npatch = [8, 16, 16]\n";
  EXPECT_FALSE(Read(start + "components = 0").u2net.Get()->postProcessing.has_value());
  EXPECT_EQ(Read(start + "window = [8, 8, 8]").u2net.Get()->window, (Shape{ 8, 8, 8 }));
  EXPECT_FALSE(Read("").u2net.Get().has_value());
  EXPECT_FALSE(U2NetPipeline::IsIn(Read("").GetPreprocessing()));
  EXPECT_NN_ERROR(Read("[u2net]\ntask = \"kidney\"").u2net.Get(), "The task is 'kidney'; should be one of");
  EXPECT_NN_ERROR(Read("[u2net]\nspacing = [1.0, 1.0, 1.0]").u2net.Get(), "the patch is [], should be three extents");
  EXPECT_NN_ERROR(Read(start + "components = 3").u2net.Get(), "components");
}

TEST(VolumeTrainingSettings, PipelineOfHermes)
{
  const auto preset = Read("[hermes]\ndata-set = \"bcv\"\nwindow = [64, 128, 128]").hermes.Get();
  ASSERT_TRUE(preset.has_value());
  HermesPipeline expected = HermesPipeline::Make(HermesTask::Get("bcv"));
  expected.window = { 64, 128, 128 };
  EXPECT_EQ(preset->ToJson(), expected.ToJson());
  const std::string start = "[hermes]\nspacing = [2.0, 1.0, 1.0]\n";
  const VolumeTrainingSettings settings =
    Read(start + "orientation = \"stored\"\nresampling = \"one_step\"\nlimits = [-100.0, 200.0]\nwindow = []");
  const auto pipeline = settings.hermes.Get();
  ASSERT_TRUE(pipeline.has_value());
  EXPECT_EQ(pipeline->preprocessing.spacing, (std::vector<double>{ 2, 1, 1 }));
  EXPECT_EQ(pipeline->preprocessing.orientation, HermesOrientation::Stored);
  EXPECT_EQ(pipeline->preprocessing.resampling, HermesResampling::OneStep);
  EXPECT_EQ((*pipeline->preprocessing.limits)[1], 200);
  EXPECT_TRUE(pipeline->window.empty());
  EXPECT_EQ(settings.GetPreprocessing(), pipeline->ToJson());
  EXPECT_FALSE(Read(start).hermes.Get()->preprocessing.limits.has_value());
  EXPECT_FALSE(Read("").hermes.Get().has_value());
  EXPECT_NN_ERROR(Read("[hermes]\ndata-set = \"msd\"").hermes.Get(), "The data set is 'msd'; should be one of");
  EXPECT_NN_ERROR(Read(start + "orientation = \"up\"").hermes.Get(), "'hermes.orientation' is 'up', should be one of");
  EXPECT_NN_ERROR(Read(start + "limits = [1.0]").hermes.Get(), "'hermes.limits' has 1 entries");
  EXPECT_NN_ERROR(Read(start + "window = [4, 4]").hermes.Get(), "the window is [4, 4]");
}

TEST(VolumeTrainingSettings, Errors)
{
  EXPECT_NN_ERROR(Read("stepz = 3"), "steps");
  EXPECT_NN_ERROR(Read("[network]\nname = \"x\"").network.Get(), "'x'");
  EXPECT_NN_ERROR(Read("[network]\nname = \"universeg\"\nconfiguration = '{\"encoder_blocks\": [8]}'").network.Get(),
                  "should be fmunet, hermes, hermes_medformer, pctnet, u2net or unet3d");
  EXPECT_NN_ERROR(Read("[network]\nconfiguration = \"{\"").network.Get(), "fmunet");
  EXPECT_NN_ERROR(GetOptions(Read("[[loss]]\nfunction = \"dise\"")), "There is no loss 'dise'");
  EXPECT_NN_ERROR(GetOptions(Read("[optimizer]\nmethod = \"x\"")), "There is no optimizer 'x'");
  EXPECT_NN_ERROR(GetOptions(Read("[schedule]\nshape = \"x\"")), "There is no schedule 'x'");
  EXPECT_NN_ERROR(GetOptions(Read("log-every = 0")), "'log-every' is 0, should be at least 1");
  EXPECT_NN_ERROR(GetOptions(Read("loader-threads = -1")), "'loader-threads' is -1, should be at least 0");
  EXPECT_NN_ERROR(GetOptions(Read("deep-supervision = \"pooled\"")), "multiscale_pred should be true");
  EXPECT_NN_ERROR(GetOptions(Read("deep-supervision = \"x\"")), "'x' should be logits, labels or pooled");

  const auto transform = [](const std::string & name, const std::vector<std::string> & options)
  { MakeSampleTransforms({ TransformSettings{ name, options } }); };
  EXPECT_NO_THROW(transform("Pad", { "output_size = [8, 8, 8]" }));
  EXPECT_NN_ERROR(transform("Padd", {}), "Padd");
  EXPECT_NN_ERROR(transform("Pad", {}), "output_size");
  EXPECT_NN_ERROR(transform("Pad", { "output_size" }), "The option 'output_size' of Pad should be name = value");
  EXPECT_NN_ERROR(transform("Pad", { "output_size = [8]", "output_size= [9]" }),
                  "The option 'output_size' of Pad is there twice");
  EXPECT_NN_ERROR(transform("Pad", { "output_size = [8, 8, 8]", "colour = red" }), "colour");
  EXPECT_NN_ERROR(transform("Pad", { "output_size = wide" }), "output_size");

  const auto window = [](const std::string & text) { Read("[window]\n" + text).window.Get(); };
  EXPECT_NN_ERROR(window("placement = \"x\""),
                  R"('window.placement' is 'x', should be one of ["pymic","monai","nnunet","u2net","hermes"])");
  EXPECT_NN_ERROR(window("blending = \"x\""), R"('window.blending' is 'x', should be one of ["constant","gaussian"])");
  EXPECT_NN_ERROR(window("mirror-axes = [3]"), "'window.mirror-axes' has 3, should be 0 to 2");
  EXPECT_NN_ERROR(window("mirror-axes = [-1]"), "'window.mirror-axes' has -1");
  EXPECT_NN_ERROR(window("batch = 0"), "'window.batch' is 0, should be at least 1");
  EXPECT_NN_ERROR(window("size = [64, 64]"), "should have the 3 axes of the image");
  EXPECT_NN_ERROR(window("stride = [64, 64]"), "the stride is [64, 64]");
  EXPECT_NN_ERROR(window("size = [64, -64, 64]"), "should be at least 1");
  EXPECT_NN_ERROR(window("placement = \"monai\"\noverlap = 1.0"), "should be within [0, 1)");
  EXPECT_NN_ERROR(window("placement = \"nnunet\"\nstep = 0.0"), "should be within [0.001, 1]");
}

namespace
{
class VolumeCases : public VolumeTest
{};
} // namespace

TEST_F(VolumeCases, ListsAndFolders)
{
  const std::string folder = m_Folder.string();
  this->WriteText("list.csv", "image,label\na.mha,b.mha\n");
  std::filesystem::create_directory(m_Folder / "images");
  this->WriteText("images/c.mha", "");

  VolumeTrainingSettings settings;
  EXPECT_NN_ERROR(settings.GetTrainingCases(folder), "'data.train' is empty");
  settings.data.train = "list.csv";
  // Names start from the list's folder when no other is given.
  EXPECT_EQ(settings.GetTrainingCases(folder)->GetCase(0).label, this->PathOf("b.mha"));
  settings.data.trainFolder = "images";
  EXPECT_EQ(settings.GetTrainingCases(folder)->GetCase(0).GetName(), this->PathOf("images/a.mha"));
  settings.data.validation = this->PathOf("list.csv");
  ASSERT_NE(settings.GetValidationCases(""), nullptr);
  EXPECT_EQ(settings.GetValidationCases("")->GetCase(0).GetName(), this->PathOf("a.mha"));
  settings.data.train = "images";
  EXPECT_EQ(settings.GetTrainingCases(folder)->GetCase(0).GetName(), this->PathOf("images/c.mha"));
  settings.data.modalities = 2;
  EXPECT_NN_ERROR(settings.GetTrainingCases(folder), "cannot say which images belong together");
  settings.data.train = "absent.csv";
  EXPECT_NN_ERROR(settings.GetTrainingCases(folder), this->PathOf("absent.csv") + "' cannot be read");

  EXPECT_EQ(LocateVolumeFile("absent", folder), this->PathOf("absent"));
  EXPECT_EQ(LocateVolumeFile("/absent", folder), "/absent");
  EXPECT_EQ(LocateVolumeFile("absent", ""), "absent");
  EXPECT_EQ(LocateVolumeFile(".", folder), ".");
}

TEST_F(VolumeCases, LatestModelOfPyMIC)
{
  std::filesystem::create_directories(m_Folder / "model/demo");
  const auto modelsOf = [this](const std::string & iteration)
  {
    this->WriteText("model/demo/demo_latest.txt", iteration);
    std::string text = MakeDemo("FMUNet");
    text.replace(text.find("ckpt_mode = 1"), 13, "ckpt_mode = 0");
    return MakeVolumeInferenceSettings(Configuration::ReadFile(this->WriteText("my.cfg", text))).models;
  };
  EXPECT_EQ(modelsOf("6000"), (std::vector<std::string>{ "model/demo/model.safetensors", "model/demo/demo_6000.pt" }));
  EXPECT_EQ(modelsOf("60\n").back(), "model/demo/demo_60.pt");
  for (const char * text : { "", "../../6000", "-1" })
  {
    EXPECT_EQ(modelsOf(text), std::vector<std::string>{ "model/demo/model.safetensors" }) << text;
  }
}

TEST(PyMICSettings, DemonstrationOfFMUNet)
{
  const Configuration file = Change({});
  const VolumeTrainingSettings settings = MakeVolumeTrainingSettings(file);
  EXPECT_EQ(file.GetUnused({ "dataset", "network", "training", "testing" }), std::vector<std::string>{});
  EXPECT_EQ(settings.seed, 1);
  EXPECT_EQ(settings.steps, 6000);
  EXPECT_EQ(settings.batchSize, 2);
  EXPECT_EQ(settings.saveEvery, 6000);
  EXPECT_EQ(settings.validateEvery, 250);
  EXPECT_EQ(settings.patience, 3000);
  EXPECT_EQ(settings.deepSupervision, "none");
  EXPECT_EQ(settings.network.name, "fmunet");
  EXPECT_EQ(settings.network.start, "");
  EXPECT_EQ(settings.network.Get()->GetNumberOfParameters(), 47332680);
  EXPECT_EQ(settings.data.train, "lists/train.csv");
  EXPECT_EQ(settings.data.trainFolder, "atria/images");
  const VolumeTrainingSettings older = Train({ "dataset.train_dir", "dataset.valid_dir", "dataset.root_dir = all" });
  EXPECT_EQ(older.data.trainFolder, "all");
  EXPECT_EQ(older.data.validationFolder, "all");
  EXPECT_EQ(settings.data.validation, "lists/valid.csv");
  EXPECT_EQ(settings.data.validationFolder, "atria/images");
  EXPECT_EQ(settings.data.modalities, 1);
  const Json train = Json::parse(MakeSampleTransforms(settings.transforms.train).ToJson());
  ASSERT_EQ(train.size(), 4U);
  EXPECT_EQ(train[0].at("name"), "RandomCrop");
  EXPECT_EQ(train[0].at("options").at("output_size"), Json::parse("[64, 128, 128]"));
  EXPECT_EQ(train[0].at("options").at("inverse"), false);
  EXPECT_EQ(train[1].at("options").at("channels"), Json::parse("[0]"));
  EXPECT_EQ(train[2].at("options").at("flip_width"), true);
  EXPECT_EQ(train[3].at("options").at("class_num"), 2);
  const VolumePipeline validation = settings.GetValidationPipeline();
  EXPECT_EQ(validation.transforms.GetNumberOfTransforms(), 2U);
  ASSERT_TRUE(validation.windows.has_value());
  EXPECT_EQ(validation.windows->windows.window, (Shape{ 64, 128, 128 }));
  EXPECT_EQ(validation.windows->windows.stride, (Shape{ 32, 64, 64 }));
  EXPECT_EQ(validation.windows->batchSize, 1);
  const TrainerOptions options = GetOptions(settings);
  const TrainerOptions defaults = GetOptions({});
  ASSERT_EQ(options.gradients.losses.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i)
  {
    const LossOptions & loss = options.gradients.losses[i];
    const LossOptions & expected = defaults.gradients.losses[i];
    EXPECT_EQ(loss.function, expected.function);
    EXPECT_EQ(loss.activation, expected.activation);
    EXPECT_EQ(loss.weight, expected.weight);
    EXPECT_EQ(loss.pooled, expected.pooled);
    EXPECT_EQ(loss.squared, expected.squared);
    EXPECT_EQ(loss.smooth, expected.smooth);
    EXPECT_EQ(loss.blend, expected.blend);
    EXPECT_TRUE(loss.classWeights.empty());
  }
  EXPECT_EQ(options.optimizer.method, OptimizerMethod::Adam);
  EXPECT_EQ(options.optimizer.weightDecay, 1e-5);
  EXPECT_EQ(options.schedule.shape, ScheduleShape::Polynomial);
  EXPECT_EQ(options.schedule.hold, 250);
}

TEST(PyMICSettings, DemonstrationOfPCTNet)
{
  const Configuration file = Change({}, "PCTNet");
  const VolumeTrainingSettings settings = MakeVolumeTrainingSettings(file);
  EXPECT_EQ(file.GetUnused({ "dataset", "network", "training", "testing" }), std::vector<std::string>{});
  EXPECT_EQ(settings.network.name, "pctnet");
  EXPECT_EQ(settings.network.Get()->GetNumberOfParameters(), 45287730);
  EXPECT_EQ(settings.network.start, "model/demo/../../weights/pctnet.pt");
  EXPECT_TRUE(settings.network.startParts.empty());
  EXPECT_EQ(settings.deepSupervision, "pooled");
  EXPECT_EQ(GetOptions(settings).gradients.deepOutputs, (std::vector<std::string>{ "output1", "output2", "output3" }));
}

TEST(PyMICSettings, InferenceOfTheDemonstrations)
{
  for (const std::string network : { "FMUNet", "PCTNet" })
  {
    const Configuration file = Change({}, network);
    const VolumeInferenceSettings settings = MakeVolumeInferenceSettings(file);
    EXPECT_EQ(file.GetUnused({ "dataset", "network", "testing" }), std::vector<std::string>{}) << network;
    EXPECT_EQ(settings.models, (std::vector<std::string>{ "model/demo/best.safetensors", "model/demo/demo_best.pt" }));
    EXPECT_FALSE(settings.isEnsemble);
    EXPECT_EQ(settings.network, network == "FMUNet" ? "fmunet" : "pctnet");
    EXPECT_EQ(Network::Create(settings.network, settings.networkConfiguration)->GetInputNames().size(), 1U);
    EXPECT_EQ(settings.data, "lists/test.csv");
    EXPECT_EQ(settings.folder, "atria/images");
    EXPECT_EQ(settings.modalities, 1);
    EXPECT_EQ(settings.output, "result/demo");
    EXPECT_FALSE(settings.savesProbabilities);
    EXPECT_EQ(settings.largestComponent, 0);
    EXPECT_TRUE(settings.labelSource.empty());
    EXPECT_EQ(settings.pipeline.transforms.GetNumberOfTransforms(), 1U);
    ASSERT_TRUE(settings.pipeline.windows.has_value());
    EXPECT_EQ(settings.pipeline.windows->windows.placement, WindowPlacement::PyMIC);
    EXPECT_EQ(settings.pipeline.windows->windows.window, (Shape{ 64, 128, 128 }));
    EXPECT_EQ(settings.pipeline.windows->windows.stride, (Shape{ 32, 64, 64 }));
    EXPECT_EQ(settings.pipeline.windows->batchSize, 8);
    EXPECT_TRUE(settings.pipeline.windows->mirrorAxes.empty());
  }
}

/** The reference's FMUNet has outputs of several scales unless a file says otherwise. */
TEST(PyMICSettings, DeepSupervisionOfFMUNet)
{
  const VolumeTrainingSettings deep = Train({ "training.deep_supervise = True", "network.multiscale_pred" });
  EXPECT_EQ(deep.deepSupervision, "pooled");
  EXPECT_EQ(deep.GetTrainerOptions(*deep.network.Get()).gradients.deepOutputs.size(), 3U);
}

TEST(PyMICSettings, OtherValues)
{
  const VolumeTrainingSettings sgd = Train({ "training.optimizer = SGD",
                                             "training.momentum = 0.8",
                                             "training.random_seed = 5",
                                             "training.loss_type = FocalDiceLoss",
                                             "training.loss_weight",
                                             "training.FocalDiceLoss_beta = 1.25",
                                             "training.lr_scheduler = None",
                                             "dataset.valid_csv",
                                             "dataset.valid_dir = elsewhere",
                                             "network.weights_load_mode = encoder",
                                             "network.finetune_mode = decoder",
                                             "testing.sliding_window_enable = False" });
  EXPECT_EQ(sgd.optimizer.method, "sgd");
  EXPECT_EQ(sgd.optimizer.options.momentum, 0.8);
  EXPECT_TRUE(sgd.optimizer.options.nesterov);
  EXPECT_EQ(sgd.seed, 5);
  ASSERT_EQ(sgd.losses.size(), 1U);
  EXPECT_EQ(sgd.losses[0].function, "focal_dice");
  EXPECT_EQ(sgd.losses[0].options.weight, 1);
  EXPECT_EQ(sgd.losses[0].options.beta, 1.25);
  EXPECT_EQ(sgd.schedule.shape, "constant");
  EXPECT_EQ(sgd.data.validation, "");
  EXPECT_EQ(sgd.data.validationFolder, "elsewhere");
  EXPECT_EQ(sgd.network.startParts, (std::vector<std::string>{ "project", "encoder" }));
  EXPECT_EQ(sgd.network.trainedParts, (std::vector<std::string>{ "decoder", "out_layers" }));
  EXPECT_EQ(GetOptions(sgd).gradients.trainedParts, sgd.network.trainedParts);
  EXPECT_FALSE(sgd.window.Get().has_value());

  // Lists may have None; sizes that are given count more than the patch.
  const VolumeTrainingSettings crop =
    Train({ "dataset.train_transform = [NormalizeWithMinMax, IntensityClip, RandomCrop, LabelToProbability]",
            "dataset.RandomCrop_output_size = [None, 96, 96]",
            "dataset.NormalizeWithMinMax_channels = [0]",
            "dataset.NormalizeWithMinMax_threshold_lower = [None]",
            "dataset.NormalizeWithMinMax_threshold_upper = [2.5]",
            "dataset.IntensityClip_percentile_mode = True",
            "dataset.LabelToProbability_class_num = 7" });
  const Json transforms = Json::parse(MakeSampleTransforms(crop.transforms.train).ToJson());
  EXPECT_EQ(transforms[0].at("options").at("threshold_lower"), Json::parse("[null]"));
  EXPECT_EQ(transforms[0].at("options").at("threshold_upper"), Json::parse("[2.5]"));
  EXPECT_EQ(transforms[1].at("options").at("percentile_mode"), true);
  EXPECT_EQ(transforms[2].at("options").at("output_size"), Json::parse("[null, 96, 96]"));
  // The network's number of classes counts.
  EXPECT_EQ(transforms[3].at("options").at("class_num"), 2);

  for (const auto & [mode, name] :
       { std::pair<const char *, const char *>{ "0", "logits" }, { "1", "labels" }, { "2", "pooled" } })
  {
    EXPECT_EQ(Train({ std::string("training.deep_supervise_mode = ") + mode }, "PCTNet").deepSupervision, name);
  }

  const VolumeInferenceSettings more = Infer({ "testing.ckpt_mode = 3",
                                               "testing.ckpt_name = [a.pt, b.pt]",
                                               "testing.save_probability = True",
                                               "testing.post_process = KeepLargestComponent",
                                               "testing.KeepLargestComponent_mode = 2",
                                               "testing.label_source = [0, 1]",
                                               "testing.label_target = [0, 5]",
                                               "testing.tta_mode = 1",
                                               "testing.sliding_window_size = [None, 64, 64]",
                                               "testing.sliding_window_stride = [None, 32, 32]",
                                               "dataset.test_dir = other" });
  EXPECT_EQ(more.models, (std::vector<std::string>{ "a.pt", "b.pt" }));
  EXPECT_TRUE(more.isEnsemble);
  EXPECT_TRUE(more.savesProbabilities);
  EXPECT_EQ(more.largestComponent, 2);
  EXPECT_EQ(more.labelSource, (std::vector<std::int64_t>{ 0, 1 }));
  EXPECT_EQ(more.labelTarget, (std::vector<std::int64_t>{ 0, 5 }));
  EXPECT_EQ(more.folder, "other");
  ASSERT_TRUE(more.pipeline.windows.has_value());
  EXPECT_EQ(more.pipeline.windows->mirrorAxes, (std::vector<int>{ 1, 2 }));
  EXPECT_EQ(more.pipeline.windows->windows.window, (Shape{ 0, 64, 64 }));
  EXPECT_EQ(Infer({ "testing.ckpt_mode = 0", "training.ckpt_prefix = net" }).models,
            std::vector<std::string>{ "model/demo/model.safetensors" });
  EXPECT_EQ(Infer({ "testing.ckpt_mode = 2", "testing.ckpt_name = c.pt" }).models, std::vector<std::string>{ "c.pt" });
  EXPECT_EQ(Infer({ "testing.post_process = KeepLargestComponent" }).largestComponent, 1);
  EXPECT_FALSE(Infer({ "testing.sliding_window_enable = False" }).pipeline.windows.has_value());
}

TEST(PyMICSettings, KeysWithoutAMeaningAreTold)
{
  const Configuration file = Change({ "training.colour = red", "network.width = 3", "dataset.Pad_output_size = [8]" });
  MakeVolumeTrainingSettings(file);
  EXPECT_EQ(file.GetUnused({ "dataset", "network", "training" }),
            (std::vector<std::string>{ "dataset.pad_output_size", "network.width", "training.colour" }));
  const Configuration testing = Change({ "testing.colour = red" });
  MakeVolumeInferenceSettings(testing);
  EXPECT_EQ(testing.GetUnused({ "network", "testing" }), std::vector<std::string>{ "testing.colour" });
}

TEST(PyMICSettings, ErrorsOfTraining)
{
  const std::pair<const char *, const char *> cases[] = {
    { "dataset.task_type = cls",
      "my.cfg: 'task_type' in [dataset] is cls, which is not to be had here; should be seg" },
    { "dataset.tensor_type = double", "'tensor_type' in [dataset] is double" },
    { "dataset.supervise_type = semi_sup", "'supervise_type' in [dataset] is semi_sup" },
    { "dataset.train_csv", "'train_csv' in [dataset] is missing" },
    { "dataset.train_dir", "'train_dir' in [dataset] is missing" },
    { "dataset.train_batch_size", "'train_batch_size' in [dataset] is missing" },
    { "dataset.train_batch_size = many", "'train_batch_size' in [dataset] is \"many\", should be an integer" },
    { "network.net_type", "'net_type' in [network] is missing" },
    { "network.net_type = UNet2D",
      "'net_type' in [network] is UNet2D, which is not to be had here; should be one of FMUNet" },
    { "network.finetune_mode = encoder", "'finetune_mode' in [network] is encoder" },
    { "training.mixup_probability = 0.5", "'mixup_probability' in [training] is 0.5" },
    { "training.loss_type = [DiceLoss, OtherLoss]", "'loss_type' in [training] is OtherLoss" },
    { "training.loss_type", "'loss_type' in [training] is missing" },
    { "training.loss_weight = [1]", "'loss_weight' in [training] has 1 entries, should have 2" },
    { "training.optimizer = RMSprop", "'optimizer' in [training] is RMSprop" },
    { "training.optimizer", "'optimizer' in [training] is missing" },
    { "training.learning_rate", "'learning_rate' in [training] is missing" },
    { "training.learning_rate = fast", "'learning_rate' in [training] is \"fast\", should be a number" },
    { "training.lr_scheduler = ReduceLROnPlateau", "'reducelronplateau_patience' in [training] is missing" },
    { "training.lr_scheduler = OneCycleLR", "'lr_scheduler' in [training] is OneCycleLR, which is not to be had" },
    { "training.lr_scheduler = StepLR", "'lr_step' in [training] is missing" },
    { "training.iter_max", "'iter_max' in [training] is missing" },
    { "training.iter_max = 0", "'iter_max' and 'iter_valid' in [training] are 0 and 250, should be at least 1" },
    { "training.iter_valid = 0", "'iter_max' and 'iter_valid' in [training] are 6000 and 0" },
    { "testing.tta_mode = 2", "'tta_mode' in [testing] is 2" },
    { "dataset.patch_size", "'patch_size' in [dataset] is missing" },
  };
  for (const auto & entry : cases)
  {
    EXPECT_NN_ERROR(Train({ entry.first }), entry.second);
  }
  EXPECT_NN_ERROR(Train({ "training.lr_scheduler = StepLR", "training.lr_step = 0" }),
                  "'lr_step' in [training] should be above 0");
  EXPECT_NN_ERROR(Train({ "training.lr_scheduler = StepLR", "training.lr_step = -1" }),
                  "'lr_step' in [training] should be above 0");
  EXPECT_NN_ERROR(Train({ "training.ckpt_init_mode = 1" }, "PCTNet"), "'ckpt_init_mode' in [training] is 1");
  EXPECT_NN_ERROR(Train({ "training.deep_supervise_mode = 3" }, "PCTNet"),
                  "'deep_supervise_mode' in [training] is 3, should be 0, 1 or 2");
  const VolumeTrainingSettings few = Train({ "training.deep_supervise_weight = [1, 1]" }, "PCTNet");
  EXPECT_NN_ERROR(few.GetTrainerOptions(*few.network.Get()), "'deep-supervision-weights' has 2 entries, should have 4");
  EXPECT_NN_ERROR(MakeSampleTransforms(Train({ "dataset.train_transform = [Affine]" }).transforms.train), "Affine");
}

TEST(PyMICSettings, ErrorsOfInference)
{
  const std::pair<const char *, const char *> cases[] = {
    { "network.net_type = SwinUNet", "'net_type' in [network] is SwinUNet" },
    { "dataset.test_csv", "'test_csv' in [dataset] is missing" },
    { "dataset.test_transform = [Affine]", "Affine" },
    { "testing.output_dir", "'output_dir' in [testing] is missing" },
    { "testing.post_process = Smooth", "'post_process' in [testing] is Smooth" },
    { "testing.label_source = [1]", "'label_source' and 'label_target' in [testing] have 1 and 0 entries" },
    { "testing.ckpt_mode = 4", "'ckpt_mode' in [testing] is 4, should be 0 to 3" },
    { "testing.ckpt_mode = 2", "'ckpt_name' in [testing] is missing, which 'ckpt_mode' 2 needs" },
    { "testing.sliding_window_size", "'sliding_window_size' in [testing] is missing" },
    { "testing.sliding_window_size = [64, 64]", "should have the 3 axes" },
    { "testing.sliding_window_batch = 0", "should be at least 1" },
    { "testing.tta_mode = 2", "'tta_mode' in [testing] is 2" },
    { "testing.evaluation_mode = False", "'evaluation_mode' and 'test_time_dropout' in [testing] should be" },
    { "testing.test_time_dropout = True", "'evaluation_mode' and 'test_time_dropout' in [testing] should be" },
  };
  for (const auto & entry : cases)
  {
    EXPECT_NN_ERROR(Infer({ entry.first }), entry.second);
  }
  EXPECT_NN_ERROR(Infer({ "testing.post_process = KeepLargestComponent", "testing.KeepLargestComponent_mode = 3" }),
                  "'KeepLargestComponent_mode' in [testing] is 3, should be 1 or 2");
  EXPECT_NN_ERROR(Infer({ "testing.sliding_window_enable = False", "testing.tta_mode = 1" }),
                  "'tta_mode' in [testing] needs sliding windows");
}

TEST(PyMICSettings, SchedulesOfTheReference)
{
  const std::string name = "misfm/lr_schedules.json";
  ITK_NN_REQUIRE_GOLDEN(name);
  const Json goldens = Json::parse(ReadText(FindGolden(name)));
  int compared = 0;
  for (const auto & [title, golden] : goldens.items())
  {
    std::vector<std::string> changes{ "training.lr_power" };
    for (const auto & [key, value] : golden.at("cfg").items())
    {
      std::string text = key;
      text.insert(0, "training.");
      text += " = ";
      text += value.is_string() ? value.get<std::string>() : value.dump();
      changes.push_back(text);
    }
    const VolumeTrainingSettings settings = Train(changes);
    const ScheduleOptions options = settings.schedule.Get();
    const std::int64_t hold = golden.at("cfg").at("iter_valid");
    EXPECT_EQ(options.hold, hold);
    const auto & rates = golden.at("lr_per_validation_round");
    PlateauState plateau;
    for (std::size_t round = 0; round < rates.size(); ++round)
    {
      for (const std::int64_t offset : { std::int64_t{ 0 }, hold - 1 })
      {
        const std::int64_t step = static_cast<std::int64_t>(round) * hold + offset;
        EXPECT_NEAR(ComputeLearningRate(options, step, settings.steps, plateau), rates[round].get<double>(), 1e-12)
          << title << ", round " << round;
      }
      if (golden.contains("metric"))
      {
        AddValidationScore(options, golden.at("metric")[round].get<double>(), plateau);
      }
    }
    ++compared;
  }
  EXPECT_EQ(compared, 6);
}

namespace
{
const std::string endToEnd = "misfm/e2e/";

/** A run of PyMIC with a tiny FMUNet. */
class PyMICRun : public VolumeTest
{
protected:
  void SetUp() override
  {
    VolumeTest::SetUp();
    RegisterBackends();
    ITK_NN_REQUIRE_GOLDEN(endToEnd + "tiny.cfg");
    ITK_NN_REQUIRE_GOLDEN(endToEnd + "model/tiny/tiny_best.pt");
    m_Run = std::filesystem::path(FindGolden(endToEnd + "tiny.cfg")).parent_path().string();
  }

  std::string InRun(const std::string & name) const
  {
    return (std::filesystem::path(m_Run) / name).string();
  }

  std::string m_Run;
};

/** What is left of each class when only its largest part is. */
std::vector<std::int32_t>
KeepLargest(const Tensor & labels, int classes)
{
  using MapType = itk::Image<unsigned int, 3>;
  const Shape & shape = labels.GetShape();
  std::vector<std::int32_t> result = labels.ToVector<std::int32_t>();
  const auto image = MapType::New();
  image->SetRegions(itk::Size<3>{ { static_cast<itk::SizeValueType>(shape[2]),
                                    static_cast<itk::SizeValueType>(shape[1]),
                                    static_cast<itk::SizeValueType>(shape[0]) } });
  image->Allocate();
  for (int c = 1; c < classes; ++c)
  {
    const auto values = labels.ToVector<std::int32_t>();
    std::transform(values.begin(),
                   values.end(),
                   image->GetBufferPointer(),
                   [c](std::int32_t value) { return value == c ? 1U : 0U; });
    image->Modified();
    const auto components = itk::ConnectedComponentImageFilter<MapType, MapType>::New();
    components->SetInput(image);
    const auto sorted = itk::RelabelComponentImageFilter<MapType, MapType>::New();
    sorted->SetInput(components->GetOutput());
    sorted->Update();
    const unsigned int * parts = sorted->GetOutput()->GetBufferPointer();
    for (std::size_t i = 0; i < result.size(); ++i)
    {
      result[i] = values[i] == c && parts[i] != 1 ? 0 : result[i];
    }
  }
  return result;
}

std::vector<std::int64_t>
Count(const std::vector<std::int32_t> & labels, int classes)
{
  std::vector<std::int64_t> counts(static_cast<std::size_t>(classes));
  for (const std::int32_t label : labels)
  {
    ++counts.at(static_cast<std::size_t>(label));
  }
  return counts;
}
} // namespace

TEST_F(PyMICRun, SegmentsAsTheReference)
{
  const auto file = Configuration::ReadFile(InRun("tiny.cfg"));
  const VolumeInferenceSettings settings = MakeVolumeInferenceSettings(file);
  EXPECT_EQ(file.GetUnused({ "dataset", "network", "testing" }), std::vector<std::string>{});
  EXPECT_EQ(settings.models, (std::vector<std::string>{ "model/tiny/best.safetensors", "model/tiny/tiny_best.pt" }));
  EXPECT_EQ(settings.largestComponent, 2);
  EXPECT_TRUE(settings.savesProbabilities);
  const VolumeSegmenter segmenter(
    std::make_shared<NetworkRunner>(Network::Create(settings.network, settings.networkConfiguration),
                                    Model::Read(InRun(settings.models[1]))->GetSharedWeights()),
    settings.pipeline);
  const Json figures = Json::parse(ReadText(InRun("e2e.json")));
  const auto cases = ReadVolumeList(InRun(settings.data), InRun(settings.folder), settings.modalities);
  ASSERT_EQ(cases.size(), 2U);
  for (const VolumeCase & files : cases)
  {
    const std::string fileName = std::filesystem::path(files.GetName()).filename().string();
    const std::string name = fileName.substr(0, fileName.find('.'));
    const Sample sample = ReadVolumeCase(files).sample;
    const Tensor logits = segmenter.Predict(sample.image);
    ASSERT_EQ(logits.GetShape()[0], 3);
    const Tensor labels = SelectClasses(logits);
    EXPECT_EQ(Count(labels.ToVector<std::int32_t>(), 3),
              figures.at(name).at("argmax_counts_before_post").get<std::vector<std::int64_t>>())
      << name;
    VolumeCase expected;
    expected.images = { files.GetName() };
    expected.label = InRun("result/" + fileName);
    EXPECT_EQ(KeepLargest(labels, 3), ReadVolumeCase(expected).sample.label.ToVector<std::int32_t>()) << name;
    if (name == "caseB")
    {
      expected.images = { InRun("result/caseB_prob_1.nii.gz") };
      const auto probability = ReadVolumeCase(expected).sample.image.ToVector<double>();
      const auto found = ComputeProbability(logits, 1).ToVector<double>();
      ASSERT_EQ(found.size(), probability.size());
      EXPECT_LE(itk::nn::test::MaximumDifference(found, probability), 1e-4);
    }
  }
}

TEST_F(PyMICRun, ValidatesAsTheReference)
{
  const auto file = Configuration::ReadFile(InRun("tiny.cfg"));
  const VolumeTrainingSettings settings = MakeVolumeTrainingSettings(file);
  EXPECT_EQ(file.GetUnused({ "dataset", "network", "training", "testing" }), std::vector<std::string>{});
  const auto network = settings.network.Get();
  const VolumeValidation validation(network, settings.GetValidationCases(m_Run), settings.GetValidationPipeline());
  const Json figures = Json::parse(ReadText(InRun("e2e.json")));
  EXPECT_NEAR(validation.Run(Model::Read(InRun("model/tiny/tiny_best.pt"))->GetWeights()).score,
              figures.at("valid_pred").get<double>(),
              1e-5);
  const VolumeBatchSource source(
    settings.GetTrainingCases(m_Run), MakeSampleTransforms(settings.transforms.train), settings.batchSize, 1);
  const TensorMap batch = source.MakeBatch(0);
  EXPECT_EQ(batch.at("input").GetShape(), (Shape{ 2, 1, 16, 32, 32 }));
  EXPECT_EQ(batch.at("label").GetShape(), (Shape{ 2, 3, 16, 32, 32 }));
}
