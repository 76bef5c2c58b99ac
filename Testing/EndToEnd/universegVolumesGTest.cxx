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
#include "universegImages.h"
#include "universegProcess.h"
#include "universegVolumes.h"

#include "itkNNInitialWeights.h"
#include "itkNNModel.h"
#include "itkNNNetwork.h"
#include "itkSegmentationModel.h"

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace
{
namespace fs = std::filesystem;
using universegtest::MakeFolder;
using universegtest::ProcessResult;
using universegtest::ReadFile;
using universegtest::RunCommand;

/** A bright box in noise, and its label. */
void
WriteCase(const std::string & folder, const std::string & name, int seed)
{
  const auto image = universeg::Volume::New();
  const auto label = universeg::LabelVolume::New();
  universeg::Volume::SizeType size;
  size.Fill(20);
  size[0] = 24;
  image->SetRegions(size);
  image->Allocate();
  label->SetRegions(size);
  label->Allocate();
  double spacing[3] = { 0.5, 1, 2 };
  image->SetSpacing(spacing);
  label->SetSpacing(spacing);
  std::uint32_t state = static_cast<std::uint32_t>(seed);
  const auto count = image->GetLargestPossibleRegion().GetNumberOfPixels();
  for (std::size_t i = 0; i < count; ++i)
  {
    state = state * 1664525U + 1013904223U;
    const auto x = static_cast<int>(i % 24);
    const auto y = static_cast<int>(i / 24 % 20);
    const auto z = static_cast<int>(i / 480);
    const bool isInside = x >= 6 + seed % 3 && x < 16 && y >= 5 && y < 14 && z >= 5 && z < 14;
    image->GetBufferPointer()[i] = (isInside ? 100.0F : 0.0F) + static_cast<float>(state >> 28U);
    label->GetBufferPointer()[i] = isInside ? 1 : 0;
  }
  universeg::WriteProbabilities(*image, 3, folder + '/' + name + ".nii.gz");
  universeg::WriteLabels(*label, 3, folder + '/' + name + "_lab.nii.gz");
}

/** Three cases, lists of them and a configuration as people of PyMIC have them. */
std::string
MakeProject(const std::string & name)
{
  const std::string folder = MakeFolder(name);
  fs::create_directories(folder + "/data");
  std::ofstream train(folder + "/train.csv");
  std::ofstream test(folder + "/test.csv");
  std::ofstream pairs(folder + "/pairs.csv");
  train << "image,label\n";
  test << "image,label\n";
  pairs << "ground_truth,segmentation\n";
  for (int i = 0; i < 3; ++i)
  {
    const std::string stem = "case" + std::to_string(i);
    WriteCase(folder + "/data", stem, i + 1);
    (i < 2 ? train : test) << stem << ".nii.gz," << stem << "_lab.nii.gz\n";
  }
  pairs << "case2_lab.nii.gz,case2.nii.gz\n";
  std::ofstream(folder + "/my.cfg") << R"([dataset]
tensor_type = float
task_type = seg
train_dir = data
train_csv = train.csv
valid_csv = test.csv
test_csv = test.csv
train_batch_size = 2
patch_size = [16, 16, 16]
train_transform = [RandomCrop, NormalizeWithMeanStd, RandomFlip, LabelToProbability]
valid_transform = [NormalizeWithMeanStd, LabelToProbability]
test_transform = [NormalizeWithMeanStd]
NormalizeWithMeanStd_channels = [0]
RandomFlip_flip_depth = False
RandomFlip_flip_height = True
RandomFlip_flip_width = True
[network]
net_type = FMUNet
class_num = 2
in_chns = 1
feature_chns = [4, 4, 4, 4, 4]
depth = 1
multiscale_pred = False
[training]
gpus = [0]
loss_type = [DiceLoss, CrossEntropyLoss]
loss_weight = [0.5, 0.5]
optimizer = Adam
learning_rate = 2e-2
lr_scheduler = PolynomialLR
lr_power = 0.8
ckpt_dir = model
iter_max = 30
iter_valid = 15
iter_save = 30
[testing]
ckpt_mode = 1
output_dir = result
save_probability = True
post_process = KeepLargestComponent
KeepLargestComponent_mode = 2
sliding_window_enable = True
sliding_window_size = [16, 16, 16]
sliding_window_stride = [8, 8, 8]
[evaluation]
metric_list = [dice, assd]
label_list = [1]
ground_truth_folder = data
segmentation_folder = result
evaluation_image_pair = pairs.csv
)";
  return folder;
}

/** The value of a label in a CSV file of an evaluation. */
double
ReadMean(const std::string & fileName)
{
  std::ifstream file(fileName);
  for (std::string line; std::getline(file, line);)
  {
    if (line.compare(0, 5, "mean,") == 0)
    {
      double value = NAN;
      std::from_chars(line.data() + 5, line.data() + line.size(), value);
      return value;
    }
  }
  ADD_FAILURE() << fileName << " has no mean";
  return NAN;
}
} // namespace

/** A project of PyMIC is trained, segmented and evaluated with its own files. */
TEST(Volumes, ProjectOfPyMIC)
{
  const std::string folder = MakeProject("volumes-pymic");
  const std::string file = folder + "/my.cfg";
  const ProcessResult training =
    RunCommand({ "train", "--config", file, "--output", folder + "/model", "--threads", "1" });
  ASSERT_EQ(training.exitCode, 0) << training.error;
  EXPECT_EQ(training.error, "");
  EXPECT_NE(training.output.find("step 30: validation Dice"), std::string::npos) << training.output;
  const auto model = itk::nn::Model::Read(folder + "/model/best.safetensors");
  EXPECT_EQ(model->GetCard().network, "fmunet");
  EXPECT_NE(model->GetCard().preprocessing.find("NormalizeWithMeanStd"), std::string::npos);
  EXPECT_TRUE(fs::exists(folder + "/model/curves.png"));

  const ProcessResult segmentation = RunCommand({ "segment", "--config", file, "--output", folder + "/result" });
  ASSERT_EQ(segmentation.exitCode, 0) << segmentation.error;
  ASSERT_TRUE(fs::exists(folder + "/result/case2.nii.gz"));
  EXPECT_TRUE(fs::exists(folder + "/result/case2_prob_1.nii.gz"));
  const auto labels = universeg::ReadImage(folder + "/result/case2.nii.gz");
  EXPECT_EQ(labels.geometry->GetSpacing()[2], 2);

  const ProcessResult evaluation = RunCommand({ "evaluate", "--config", file });
  ASSERT_EQ(evaluation.exitCode, 0) << evaluation.error;
  EXPECT_GT(ReadMean(folder + "/result/eval_dice.csv"), 0.7);
  EXPECT_TRUE(fs::exists(folder + "/result/eval_assd.csv"));

  // The model's card alone gives the same labels.
  const ProcessResult own = RunCommand({ "segment",
                                         "--model",
                                         folder + "/model/best.safetensors",
                                         "--largest-component",
                                         "--output",
                                         folder + "/own.nii.gz",
                                         folder + "/data/case2.nii.gz" });
  ASSERT_EQ(own.exitCode, 0) << own.error;
  EXPECT_EQ(universeg::ReadImage(folder + "/own.nii.gz").pixels, labels.pixels);
}

TEST(Volumes, PretrainsAndFinetunes)
{
  const std::string folder = MakeProject("volumes-pretrain");
  const std::string list = folder + "/images";
  fs::create_directories(list);
  fs::copy_file(folder + "/data/case0.nii.gz", list + "/a.nii.gz");
  fs::copy_file(folder + "/data/case1.nii.gz", list + "/b.nii.gz");
  const std::string settings = folder + "/pretrain.toml";
  const ProcessResult printed =
    RunCommand({ "pretrain", "--images", list, "--patch", "16,16,16", "--classes", "3", "--print-config" });
  ASSERT_EQ(printed.exitCode, 0) << printed.error;
  EXPECT_NE(printed.output.find("Crop4VolumeFusion"), std::string::npos);
  // The default network is large: a small one of the same kind.
  std::string text = printed.output;
  const std::string key = "configuration = ";
  const std::size_t at = text.find(key);
  ASSERT_NE(at, std::string::npos);
  text.replace(at,
               text.find('\n', at) - at,
               key + R"('{"in_chns": 1, "class_num": 3, "feature_chns": [4, 4, 4, 4, 4], "depth": 1}')");
  std::ofstream(settings) << text;
  const ProcessResult pretraining = RunCommand({ "pretrain",
                                                 "--config",
                                                 settings,
                                                 "--images",
                                                 list,
                                                 "--output",
                                                 folder + "/pre",
                                                 "--steps",
                                                 "3",
                                                 "--threads",
                                                 "1" });
  ASSERT_EQ(pretraining.exitCode, 0) << pretraining.error;

  const ProcessResult tuning = RunCommand({ "finetune",
                                            "--settings",
                                            folder + "/my.cfg",
                                            "--model",
                                            folder + "/pre/model.safetensors",
                                            "--output",
                                            folder + "/tuned",
                                            "--threads",
                                            "1",
                                            "--steps",
                                            "2" });
  ASSERT_EQ(tuning.exitCode, 0) << tuning.error;
  // All but the output layers, which have other classes: 4 weights and 4 biases.
  EXPECT_NE(tuning.output.find("tensors are taken over; of another shape: out_layers.0.2.weight"), std::string::npos)
    << tuning.output;
  const ProcessResult resumed =
    RunCommand({ "train", "--config", folder + "/my.cfg", "--output", folder + "/tuned", "--resume", "--steps", "3" });
  ASSERT_EQ(resumed.exitCode, 0) << resumed.error;
  EXPECT_NE(resumed.output.find("goes on behind step 2"), std::string::npos) << resumed.output;
}

/** Two tasks of a 3D U2-Net train in turns, each with the settings of its own file, of which one has patches
 * as the reference has, in another size than the network sees. */
TEST(Volumes, TasksOfOneNetwork)
{
  const std::string folder = MakeProject("volumes-tasks");
  const std::string settings = folder + "/tasks.toml";
  std::ofstream(folder + "/boxes.toml") << R"(batch-size = 2
[data]
train = "train.csv"
train-folder = "data"
validation = "test.csv"
validation-folder = "data"
[[transforms.train]]
name = "NormalizeWithMeanStd"
[[transforms.train]]
name = "U2NetPatch"
options = ["output_size = [12, 16, 20]", "sigma = [2, 3]", "alpha = [0, 10]"]
[[transforms.train]]
name = "ResizeCubic"
options = ["output_size = [16, 16, 16]"]
[[transforms.train]]
name = "LabelToProbability"
options = ["class_num = 2"]
[[transforms.validation]]
name = "NormalizeWithMeanStd"
[[transforms.validation]]
name = "ResizeCubic"
options = ["output_size = [16, 16, 16]", "patch_size = [12, 16, 20]"]
[[transforms.validation]]
name = "LabelToProbability"
options = ["class_num = 2"]
[[transforms.inference]]
name = "NormalizeWithMeanStd"
[[transforms.inference]]
name = "ResizeCubic"
options = ["output_size = [16, 16, 16]", "patch_size = [12, 16, 20]"]
[window]
size = [16, 16, 16]
placement = "u2net"
)";
  std::ofstream(settings) << R"(steps = 40
validate-every = 40
[network]
name = "u2net"
configuration = '{"num_pool_per_axis": [2, 2, 2], "base_channels": 4, "in_channels": [1, 1], "num_classes": [2, 2]}'
[[task]]
name = "boxes"
settings = "boxes.toml"
[[task]]
name = "others"
settings = "my.cfg"
[[loss]]
function = "lovasz"
activation = "softmax"
[[loss]]
function = "focal"
activation = "softmax"
detached = true
[optimizer]
idle-steps = true
[schedule]
shape = "loss_plateau"
rate = 0.01
interval = 10
window = 1
)";
  const ProcessResult training =
    RunCommand({ "train", "--config", settings, "--output", folder + "/run", "--threads", "1" });
  ASSERT_EQ(training.exitCode, 0) << training.error;
  const auto model = itk::SegmentationModel::Read(folder + "/run/model.safetensors");
  EXPECT_EQ(model->GetNumberOfTasks(), 2U);
  const itk::nn::ModelCard & card = model->GetModel()->GetCard();
  ASSERT_EQ(card.tasks.size(), 2U);
  EXPECT_EQ(card.FindTask("others"), 1);
  EXPECT_EQ(card.preprocessing, "");
  EXPECT_NE(card.GetPreprocessing(0).find("NormalizeWithMeanStd"), std::string::npos);
  EXPECT_NE(ReadFile(folder + "/run/log.jsonl").find("\"validation-boxes.dice\""), std::string::npos);
  std::vector<std::vector<float>> results;
  for (const std::string task : { "boxes", "others", "0", "1" })
  {
    const std::string output = folder + "/" + task + ".nii.gz";
    const ProcessResult segmentation = RunCommand({ "segment",
                                                    "--model",
                                                    folder + "/run/model.safetensors",
                                                    "--task",
                                                    task,
                                                    "--output",
                                                    output,
                                                    folder + "/data/case2.nii.gz" });
    ASSERT_EQ(segmentation.exitCode, 0) << segmentation.error;
    results.push_back(universeg::ReadImage(output).pixels);
    const ProcessResult evaluation = RunCommand(
      { "evaluate", "--prediction", output, "--reference", folder + "/data/case2_lab.nii.gz", "--json", "-" });
    ASSERT_EQ(evaluation.exitCode, 0) << evaluation.error;
    EXPECT_GT(nlohmann::json::parse(evaluation.output).at("mean_dice").get<double>(), 0.5) << task;
  }
  EXPECT_EQ(results[0], results[2]);
  EXPECT_EQ(results[1], results[3]);
  EXPECT_NE(results[0], results[1]);

  // A task joins them by its name.
  const std::vector<std::string> adapt{ "adapt",
                                        "--settings",
                                        folder + "/my.cfg",
                                        "--model",
                                        folder + "/run/model.safetensors",
                                        "--classes",
                                        "2",
                                        "--output",
                                        folder + "/more",
                                        "--steps",
                                        "1",
                                        "--threads",
                                        "1" };
  auto named = adapt;
  named.insert(named.end(), { "--name", "boxes" });
  EXPECT_NE(RunCommand(named).error.find("--name: the model has a task 'boxes' already"), std::string::npos);
  named.back() = "third";
  const ProcessResult adaptation = RunCommand(named);
  ASSERT_EQ(adaptation.exitCode, 0) << adaptation.error;
  const auto more = itk::SegmentationModel::Read(folder + "/more/model.safetensors");
  const auto & tasks = more->GetModel()->GetCard().tasks;
  ASSERT_EQ(tasks.size(), 3U);
  EXPECT_EQ(tasks[0], card.tasks[0]);
  EXPECT_EQ(tasks[1], card.tasks[1]);
  EXPECT_EQ(tasks[2].name, "third");
  EXPECT_NE(tasks[2].preprocessing, "");

  const auto expectError = [&](const std::string & from, const std::string & to, const std::string & error)
  {
    std::string text = ReadFile(settings);
    text.replace(text.find(from), from.size(), to);
    std::ofstream(folder + "/bad.toml") << text;
    const ProcessResult result = RunCommand({ "train", "--config", folder + "/bad.toml", "--output", folder + "/bad" });
    EXPECT_EQ(result.exitCode, 1);
    EXPECT_NE(result.error.find(error), std::string::npos) << result.error;
  };
  expectError("\"in_channels\": [1, 1], \"num_classes\": [2, 2]",
              "\"in_channels\": [1], \"num_classes\": [2]",
              "'task' has 2 entries, the network u2net has 1 tasks");
  expectError("name = \"others\"", "name = \"boxes\"", "the name 'boxes' should not be empty and be that of one task");
  expectError("settings = \"boxes.toml\"",
              "settings = \"boxes.toml\"\nweight = 2.0",
              "'task.weight' of boxes is not 1, but the tasks of the network u2net take turns");
  expectError("boxes.toml", "tasks.toml", "the settings of a task should have no 'task' of their own");
}

/** Batches have images of both domains of a Hermes, and a third one joins them. */
TEST(Volumes, DomainsOfAHermes)
{
  const std::string folder = MakeProject("volumes-hermes");
  const ProcessResult defaults = RunCommand({ "train", "--network", "hermes", "--print-config" });
  ASSERT_EQ(defaults.exitCode, 0) << defaults.error;
  for (const char * text : { "\"adaptive_dice\"", "\"lamb\"", "modality-weight = 0.01", "exponential-warmup = true" })
  {
    EXPECT_NE(defaults.output.find(text), std::string::npos) << text;
  }
  std::ofstream(folder + "/boxes.toml") << R"([data]
train = "train.csv"
train-folder = "data"
validation = "test.csv"
validation-folder = "data"
[[transforms.train]]
name = "RandomCrop"
options = ["output_size = [16, 16, 16]"]
[[transforms.train]]
name = "NormalizeWithMeanStd"
[[transforms.train]]
name = "LabelToProbability"
options = ["class_num = 2"]
[[transforms.validation]]
name = "NormalizeWithMeanStd"
[[transforms.validation]]
name = "LabelToProbability"
options = ["class_num = 2"]
[[transforms.inference]]
name = "NormalizeWithMeanStd"
[window]
size = [16, 16, 16]
stride = [8, 8, 8]
)";
  const std::string settings = folder + "/hermes.toml";
  std::ofstream(settings) << R"(steps = 30
batch-size = 3
batches-per-step = 1
average-decay = 0.0
validate-every = 30
[network]
name = "hermes"
configuration = '''{"base_ch": 8, "num_block": [1, 1, 1, 1], "tn": 5, "mn": 3,
  "kernel_size": [[3, 3, 3], [3, 3, 3], [1, 1, 1], [1, 1, 1], [1, 1, 1]],
  "scale": [[2, 2, 2], [2, 2, 2], [2, 2, 2], [1, 1, 1]],
  "domains": [{"tgt_idx": [1], "mod_idx": 0}, {"tgt_idx": [2], "mod_idx": -1}]}'''
[[task]]
name = "boxes"
settings = "boxes.toml"
weight = 2.0
[[task]]
name = "others"
settings = "boxes.toml"
[optimizer]
method = "adam"
epsilon = 1e-8
[schedule]
rate = 0.01
hold = 1
warmup = 0
)";
  const ProcessResult training =
    RunCommand({ "train", "--config", settings, "--output", folder + "/run", "--threads", "1" });
  ASSERT_EQ(training.exitCode, 0) << training.error;
  const std::string log = ReadFile(folder + "/run/log.jsonl");
  EXPECT_NE(log.find("\"validation-boxes.dice-1\""), std::string::npos) << log;
  EXPECT_NE(log.find("\"validation-others.dice\""), std::string::npos) << log;
  const auto model = itk::SegmentationModel::Read(folder + "/run/best.safetensors");
  EXPECT_EQ(model->GetNumberOfTasks(), 2U);
  const itk::nn::ModelCard & card = model->GetModel()->GetCard();
  ASSERT_EQ(card.tasks.size(), 2U);
  EXPECT_EQ(card.network, "hermes");
  EXPECT_EQ(card.FindTask("others"), 1);
  const auto json = nlohmann::json::parse(card.configuration);
  EXPECT_EQ(json.at("domains").size(), 2U);
  // It has learned something.
  const std::string & text = card.extra.at("validation_dice");
  double dice = 0;
  std::from_chars(text.data(), text.data() + text.size(), dice);
  EXPECT_GT(dice, 0.8) << log;

  std::ofstream(folder + "/new.toml") << ReadFile(folder + "/boxes.toml") << R"([optimizer]
weight-decay = 0.0
)";
  const ProcessResult adaptation = RunCommand({ "adapt",
                                                "--settings",
                                                folder + "/new.toml",
                                                "--model",
                                                folder + "/run/best.safetensors",
                                                "--classes",
                                                "2",
                                                "--modality",
                                                "1",
                                                "--name",
                                                "third",
                                                "--output",
                                                folder + "/more",
                                                "--steps",
                                                "2",
                                                "--threads",
                                                "1" });
  ASSERT_EQ(adaptation.exitCode, 0) << adaptation.error;
  const auto more = itk::SegmentationModel::Read(folder + "/more/model.safetensors");
  const itk::nn::ModelCard & grown = more->GetModel()->GetCard();
  ASSERT_EQ(grown.tasks.size(), 3U);
  EXPECT_EQ(grown.tasks[0], card.tasks[0]);
  EXPECT_EQ(grown.tasks[2].name, "third");
  EXPECT_EQ(nlohmann::json::parse(grown.configuration).at("domains")[2],
            nlohmann::json::parse(R"({"tgt_idx": [4], "mod_idx": 1})"));
  EXPECT_EQ(nlohmann::json::parse(grown.configuration).at("tn"), 6);
  for (const auto & [name, tensor] : model->GetModel()->GetWeights())
  {
    const itk::nn::Tensor & after = more->GetModel()->GetWeights().Get(name);
    if (after.GetShape() == tensor.GetShape())
    {
      EXPECT_EQ(after.ToVector<float>(), tensor.ToVector<float>()) << name;
    }
    else
    {
      EXPECT_NE(name.find("task_prior"), std::string::npos) << name;
      EXPECT_EQ(after.Slice(0, 0, 4).ToVector<float>(), tensor.Slice(0, 0, 4).ToVector<float>()) << name;
      EXPECT_EQ(after.Slice(0, 6, 7).ToVector<float>(), tensor.Slice(0, 5, 6).ToVector<float>()) << name;
    }
  }
}

/** Averaged weights are taken of a checkpoint, or the others. */
TEST(Volumes, CheckpointOfHermes)
{
  const char * goldens = std::getenv("UNIVERSEG_GOLDENS_DIR");
  const std::string file =
    goldens == nullptr ? std::string() : (fs::path(goldens) / "hermes/hermes_m_narrow/checkpoint.pth").string();
  if (!fs::exists(file))
  {
    GTEST_SKIP() << "UNIVERSEG_GOLDENS_DIR has no hermes/hermes_m_narrow/checkpoint.pth";
  }
  const std::string folder = MakeFolder("volumes-checkpoint");
  const auto convert = [&](const std::string & name, const std::vector<std::string> & more)
  {
    std::vector<std::string> command{ "convert",
                                      file,
                                      folder + "/" + name,
                                      "--network",
                                      "hermes_medformer",
                                      "--config",
                                      fs::path(file).replace_filename("config.json").string() };
    command.insert(command.end(), more.begin(), more.end());
    return RunCommand(command);
  };
  const ProcessResult average = convert("average.safetensors", {});
  ASSERT_EQ(average.exitCode, 0) << average.error;
  const ProcessResult plain = convert("plain.safetensors", { "--state-dict", "model_state_dict" });
  ASSERT_EQ(plain.exitCode, 0) << plain.error;
  const auto a = itk::nn::Model::Read(folder + "/average.safetensors");
  const auto b = itk::nn::Model::Read(folder + "/plain.safetensors");
  ASSERT_EQ(a->GetWeights().GetSize(), b->GetWeights().GetSize());
  for (const auto & [name, tensor] : b->GetWeights())
  {
    const auto values = tensor.ToVector<float>();
    const auto halves = a->GetWeights().Get(name).ToVector<float>();
    for (std::size_t i = 0; i < values.size(); ++i)
    {
      ASSERT_EQ(halves[i], 0.5F * values[i]) << name;
    }
  }
  const ProcessResult absent = convert("x.safetensors", { "--state-dict", "teacher" });
  EXPECT_EQ(absent.exitCode, 1);
  EXPECT_NE(absent.error.find("no key 'teacher'"), std::string::npos) << absent.error;
}

/** Volumes are prepared, a network is trained with them, and segments the images as they were. */
TEST(Volumes, U2NetOfRawImages)
{
  const std::string folder = MakeProject("volumes-u2net");
  const ProcessResult preparation = RunCommand({ "preprocess",
                                                 "--image",
                                                 folder + "/data/case0.nii.gz",
                                                 folder + "/data/case1.nii.gz",
                                                 "--label",
                                                 folder + "/data/case0_lab.nii.gz",
                                                 folder + "/data/case1_lab.nii.gz",
                                                 "--spacing",
                                                 "2,1,1",
                                                 "--classes",
                                                 "2",
                                                 "--output",
                                                 folder + "/prepared" });
  ASSERT_EQ(preparation.exitCode, 0) << preparation.error;
  std::ofstream(folder + "/prepared.csv") << "image,label\ncase0_0000.nii.gz,case0_label.nii.gz\n"
                                             "case1_0000.nii.gz,case1_label.nii.gz\n";
  const std::string settings = folder + "/u2net.toml";
  std::ofstream(settings) << R"(steps = 30
validate-every = 30
[network]
name = "u2net"
configuration = '{"num_pool_per_axis": [2, 2, 2], "base_channels": 4, "in_channels": [1], "num_classes": [2]}'
[data]
train = "prepared.csv"
train-folder = "prepared"
validation = "prepared.csv"
validation-folder = "prepared"
[[transforms.train]]
name = "Pad"
options = ["output_size = [16, 16, 12]"]
[[transforms.train]]
name = "RandomCrop"
options = ["output_size = [16, 16, 12]"]
[[transforms.train]]
name = "LabelToProbability"
options = ["class_num = 2"]
[[transforms.validation]]
name = "LabelToProbability"
options = ["class_num = 2"]
[window]
size = [16, 16, 12]
placement = "u2net"
[u2net]
spacing = [2.0, 1.0, 1.0]
patch = [16, 16, 12]
[optimizer]
method = "adam"
[schedule]
shape = "constant"
rate = 0.01
)";
  const ProcessResult training =
    RunCommand({ "train", "--config", settings, "--output", folder + "/run", "--threads", "1" });
  ASSERT_EQ(training.exitCode, 0) << training.error;
  std::vector<std::string> segment{ "segment",
                                    "--model",
                                    folder + "/run/model.safetensors",
                                    "--output",
                                    folder + "/labels.nii.gz",
                                    folder + "/data/case2.nii.gz" };
  const ProcessResult segmentation = RunCommand(segment);
  ASSERT_EQ(segmentation.exitCode, 0) << segmentation.error;
  // Compares the geometry too.
  const ProcessResult evaluation = RunCommand({ "evaluate",
                                                "--prediction",
                                                folder + "/labels.nii.gz",
                                                "--reference",
                                                folder + "/data/case2_lab.nii.gz",
                                                "--json",
                                                "-" });
  ASSERT_EQ(evaluation.exitCode, 0) << evaluation.error;
  EXPECT_GT(nlohmann::json::parse(evaluation.output).at("mean_dice").get<double>(), 0.6) << evaluation.output;
  segment.emplace_back("--mirror");
  const ProcessResult mirrored = RunCommand(segment);
  EXPECT_EQ(mirrored.exitCode, 2);
  EXPECT_NE(mirrored.error.find("--probability and --mirror do not go with the preprocessing of this model"),
            std::string::npos)
    << mirrored.error;
}

/** A model of two tasks gets a third one. */
TEST(Volumes, AdaptAddsATask)
{
  const std::string folder = MakeProject("volumes-adapt");
  const auto network = itk::nn::Network::Create(
    "u2net", R"({"num_pool_per_axis": [2, 2, 2], "base_channels": 4, "in_channels": [1, 1], "num_classes": [3, 4]})");
  const auto model = itk::nn::Model::New();
  itk::nn::ModelCard card;
  card.network = network->GetName();
  card.configuration = network->GetConfiguration();
  model->SetCard(card);
  model->SetWeights(itk::nn::MakeInitialWeights(*network, 7));
  model->Write(folder + "/old.safetensors");
  const auto adapt = [&](std::vector<std::string> options)
  {
    options.insert(options.begin(),
                   { "adapt", "--settings", folder + "/my.cfg", "--model", folder + "/old.safetensors" });
    return RunCommand(options);
  };
  const ProcessResult result =
    adapt({ "--classes", "2", "--output", folder + "/new", "--steps", "30", "--threads", "1" });
  ASSERT_EQ(result.exitCode, 0) << result.error;
  const auto adapted = itk::SegmentationModel::Read(folder + "/new/best.safetensors");
  EXPECT_EQ(adapted->GetNumberOfTasks(), 3U);
  const auto & weights = adapted->GetModel()->GetWeights();
  for (const auto & [name, tensor] : model->GetWeights())
  {
    ASSERT_TRUE(weights.Has(name)) << name;
    EXPECT_EQ(weights.Get(name).ToVector<float>(), tensor.ToVector<float>()) << name;
  }
  const auto segment = [&](const std::string & task, const std::string & output)
  {
    std::vector<std::string> command{ "segment",  "--model",       folder + "/new/best.safetensors",
                                      "--output", folder + output, folder + "/data/case2.nii.gz" };
    if (!task.empty())
    {
      command.insert(command.end(), { "--task", task });
    }
    const ProcessResult segmentation = RunCommand(command);
    EXPECT_EQ(segmentation.exitCode, 0) << segmentation.error;
    return universeg::ReadImage(folder + output).pixels;
  };
  const auto third = segment("", "/own.nii.gz");
  EXPECT_EQ(segment("2", "/third.nii.gz"), third);
  EXPECT_NE(segment("1", "/second.nii.gz"), third);
  // It has learned something.
  const ProcessResult evaluation = RunCommand({ "evaluate",
                                                "--prediction",
                                                folder + "/own.nii.gz",
                                                "--reference",
                                                folder + "/data/case2_lab.nii.gz",
                                                "--json",
                                                "-" });
  ASSERT_EQ(evaluation.exitCode, 0) << evaluation.error;
  EXPECT_GT(nlohmann::json::parse(evaluation.output).at("mean_dice").get<double>(), 0.5) << evaluation.output;

  const ProcessResult alone =
    adapt({ "--classes", "2", "--policy", "reference", "--output", folder + "/alone", "--steps", "1" });
  ASSERT_EQ(alone.exitCode, 0) << alone.error;
  EXPECT_EQ(itk::SegmentationModel::Read(folder + "/alone/model.safetensors")->GetNumberOfTasks(), 1U);

  const ProcessResult usage = adapt({ "--classes", "2", "--policy", "all", "--output", folder + "/x" });
  EXPECT_EQ(usage.exitCode, 2);
  EXPECT_NE(usage.error.find("--policy"), std::string::npos) << usage.error;
  EXPECT_EQ(adapt({ "--output", folder + "/x" }).exitCode, 2) << "without --classes";
  const ProcessResult other =
    RunCommand({ "adapt",
                 "--settings",
                 folder + "/my.cfg",
                 "--model",
                 std::string(UNIVERSEG_TEST_GOLDENS) + "/universeg/a_tiny/weights.safetensors",
                 "--classes",
                 "2",
                 "--output",
                 folder + "/x" });
  EXPECT_EQ(other.exitCode, 1);
  EXPECT_NE(other.error.find("The network universeg gets no further tasks; hermes, hermes_medformer and u2net do"),
            std::string::npos)
    << other.error;
}

TEST(Volumes, Errors)
{
  const std::string folder = MakeProject("volumes-errors");
  const auto expectError = [&](const std::vector<std::string> & arguments, const std::string & text)
  {
    const ProcessResult result = RunCommand(arguments);
    EXPECT_NE(result.exitCode, 0) << text;
    EXPECT_NE(result.error.find(text), std::string::npos) << result.error;
  };
  const std::string file = folder + "/my.cfg";
  expectError({ "segment", "--config", file }, "there is no model");
  expectError({ "segment", "--config", file, "--image", "x.nii.gz" }, "do not go with");
  expectError({ "segment", "--config", file, "--task", "1" }, "--task does not go with");
  expectError({ "evaluate", "--config", file, "--fuse" }, "--config excludes all other options");
  expectError({ "train", "--config", file }, "--output is missing");
  expectError({ "train", "--config", file, "--output", folder + "/x", "--preview", "x.png" }, "--preview");
  expectError({ "finetune", "--settings", file, "--output", folder + "/x" }, "--model is missing");
  expectError({ "pretrain", "--output", folder + "/x" }, "--images is missing");
  expectError({ "pretrain", "--images", folder + "/data", "--patch", "16,16", "--output", folder + "/x" },
              "--patch is '16,16', should be D,H,W");
  expectError({ "pretrain", "--method", "genesis", "--images", folder, "--output", folder + "/x" },
              "should be volume-fusion");
  expectError({ "pretrain", "--network", "universeg", "--images", folder, "--output", folder + "/x" },
              "should be fmunet, pctnet, u2net or unet3d");
  expectError({ "pretrain", "--config", file, "--patch", "16,16,16", "--output", folder + "/x" },
              "--patch and --config exclude each other");
  std::string text = ReadFile(file);
  text.replace(text.find("FMUNet"), 6, "COPLENet");
  std::ofstream(folder + "/other.cfg") << text;
  expectError({ "train", "--config", folder + "/other.cfg", "--output", folder + "/x" },
              "'net_type' in [network] is COPLENet");
  EXPECT_FALSE(fs::exists(folder + "/x"));
}

/** The labels and tables of the reference's own run. */
TEST(Volumes, RunOfTheReference)
{
  const char * goldens = std::getenv("UNIVERSEG_GOLDENS_DIR");
  if (goldens == nullptr || !fs::exists(fs::path(goldens) / "misfm/e2e/tiny.cfg"))
  {
    GTEST_SKIP() << "UNIVERSEG_GOLDENS_DIR has no misfm/e2e/tiny.cfg";
  }
  const std::string reference = (fs::path(goldens) / "misfm/e2e").string();
  const std::string folder = MakeFolder("volumes-reference");
  const ProcessResult result = RunCommand({ "segment", "--config", reference + "/tiny.cfg", "--output", folder });
  ASSERT_EQ(result.exitCode, 0) << result.error;
  for (const char * name : { "caseA.nii.gz", "caseB.nii.gz" })
  {
    const auto own = universeg::ReadImage(folder + '/' + name);
    const auto expected = universeg::ReadImage(reference + "/result/" + name);
    EXPECT_EQ(own.pixels, expected.pixels) << name;
    EXPECT_EQ(own.geometry->GetDirection(), expected.geometry->GetDirection()) << name;
    EXPECT_EQ(own.geometry->GetOrigin(), expected.geometry->GetOrigin()) << name;
  }
}

TEST(Volumes, LargestComponents)
{
  universeg::LabelVolume::SizeType size;
  size.Fill(1);
  size[0] = 9;
  const auto make = [&](const std::vector<std::int32_t> & values)
  {
    const auto labels = universeg::LabelVolume::New();
    labels->SetRegions(size);
    labels->Allocate();
    std::copy(values.begin(), values.end(), labels->GetBufferPointer());
    return labels;
  };
  const auto pixels = [](const universeg::LabelVolume & labels)
  { return std::vector<std::int32_t>(labels.GetBufferPointer(), labels.GetBufferPointer() + 9); };
  const std::vector<std::int32_t> values{ 1, 1, 2, 0, 1, 0, 2, 2, 0 };
  const auto each = make(values);
  universeg::KeepLargestComponent(*each, true);
  EXPECT_EQ(pixels(*each), (std::vector<std::int32_t>{ 1, 1, 0, 0, 0, 0, 2, 2, 0 }));
  const auto together = make(values);
  universeg::KeepLargestComponent(*together, false);
  EXPECT_EQ(pixels(*together), (std::vector<std::int32_t>{ 1, 1, 2, 0, 0, 0, 0, 0, 0 }));
  const auto empty = make(std::vector<std::int32_t>(9));
  universeg::KeepLargestComponent(*empty, true);
  universeg::KeepLargestComponent(*empty, false);
  EXPECT_EQ(pixels(*empty), std::vector<std::int32_t>(9));
}
