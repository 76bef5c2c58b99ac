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
#include "universegProcess.h"

#include "itkNNModel.h"
#include "itkNNTrainer.h"
#include "itkNNTrainingLog.h"

#include "gtest/gtest.h"

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

/** A network and images so small that a step takes some milliseconds. */
std::string
WriteSettings(const std::string & folder, int steps)
{
  const std::string name = folder + "/settings.toml";
  std::ofstream(name) << "steps = " << steps << R"(
log-every = 2
save-every = 2
average-decay = 0.9
[network]
encoder-blocks = [8, 8]
[batch]
height = 32
width = 32
support-sizes = [3]
[schedule]
rate = 0.005
[validation]
every = 3
tasks = 3
support-size = 3
[model]
description = "for a test"
licence = "CC0"
data = "synthetic shapes"
)";
  return name;
}

/** A shell's line that sends a command a signal as soon as it has written a
 * checkpoint, or after a minute. */
std::string
EndAfterCheckpoint(const std::string & command, const std::string & signal, const std::string & folder)
{
  return command + " & p=$!; i=0; while [ ! -f " + folder +
         "/checkpoint.safetensors ] && [ $i -lt 600 ]; do sleep 0.1; i=$((i + 1)); done; kill -" + signal +
         " $p; wait $p";
}

ProcessResult
Train(const std::string & settings, const std::string & output, const std::vector<std::string> & more = {})
{
  std::vector<std::string> arguments{ "train", "--config", settings, "--output", output, "--threads", "2" };
  arguments.insert(arguments.end(), more.begin(), more.end());
  return RunCommand(arguments);
}
} // namespace

TEST(Train, WritesModelsLogAndCurves)
{
  const std::string folder = MakeFolder("train");
  const std::string output = folder + "/run";
  const ProcessResult result = Train(WriteSettings(folder, 6), output);
  ASSERT_EQ(result.exitCode, 0) << result.error;
  EXPECT_NE(result.output.find("step 6 of 6"), std::string::npos) << result.output;
  EXPECT_NE(result.output.find("validation Dice"), std::string::npos) << result.output;
  for (const char * name : { "training.toml",
                             "log.jsonl",
                             "curves.png",
                             "checkpoint.safetensors",
                             "best.safetensors",
                             "model.safetensors" })
  {
    EXPECT_GT(fs::file_size(output + '/' + name), 0U) << name;
  }
  const auto log = itk::nn::TrainingLog::Read(output + "/log.jsonl");
  int losses = 0;
  int scores = 0;
  for (const auto & entry : log)
  {
    losses += entry.values.count("loss") > 0 ? 1 : 0;
    scores += entry.values.count("validation-dice") > 0 ? 1 : 0;
  }
  EXPECT_EQ(losses, 3);
  EXPECT_EQ(scores, 2);
  const auto model = itk::nn::Model::Read(output + "/model.safetensors");
  EXPECT_EQ(model->GetCard().network, "universeg");
  EXPECT_EQ(model->GetCard().license, "CC0");
  EXPECT_EQ(model->GetCard().extra.at("training_steps"), "6");
  EXPECT_NE(model->GetCard().preprocessing.find("[32,32]"), std::string::npos) << model->GetCard().preprocessing;
  const ProcessResult info = RunCommand({ "info", output + "/model.safetensors" });
  EXPECT_EQ(info.exitCode, 0) << info.error;

  // What was written trains the same again.
  const ProcessResult again = Train(output + "/training.toml", folder + "/again");
  ASSERT_EQ(again.exitCode, 0) << again.error;
  EXPECT_EQ(ReadFile(folder + "/again/model.safetensors"), ReadFile(output + "/model.safetensors"));
}

TEST(Train, GoesOnAfterASignalAsIfThereHadBeenNone)
{
  const std::string folder = MakeFolder("train-signal");
  const std::string settings = WriteSettings(folder, 1000000);
  const std::string command = std::string("'") + UNIVERSEG_COMMAND + "' train --config " + settings + " --output " +
                              folder + "/run --threads 2 > " + folder + "/out.txt 2> " + folder + "/error.txt";
  EXPECT_NE(std::system(EndAfterCheckpoint(command, "TERM", folder + "/run").c_str()), 0);
  const std::string error = ReadFile(folder + "/error.txt");
  EXPECT_EQ(error.find("universeg train: stopped by a signal behind step "), 0U) << error;
  EXPECT_FALSE(fs::exists(folder + "/run/model.safetensors"));
  const std::int64_t step = itk::nn::ReadCheckpoint(folder + "/run/checkpoint.safetensors").step;
  EXPECT_GT(step, 0);

  const ProcessResult refused = Train(settings, folder + "/run");
  EXPECT_EQ(refused.exitCode, 1);
  EXPECT_NE(refused.error.find("--resume goes on with it"), std::string::npos) << refused.error;

  const std::string steps = std::to_string(step + 4);
  const ProcessResult resumed = Train(settings, folder + "/run", { "--resume", "--steps", steps });
  ASSERT_EQ(resumed.exitCode, 0) << resumed.error;
  EXPECT_EQ(resumed.output.find("goes on behind step " + std::to_string(step)), 0U) << resumed.output;
  ASSERT_EQ(Train(settings, folder + "/whole", { "--steps", steps }).exitCode, 0);
  EXPECT_EQ(ReadFile(folder + "/run/model.safetensors"), ReadFile(folder + "/whole/model.safetensors"));
}

TEST(Train, StartsFromAModelAndDrawsTasks)
{
  const std::string folder = MakeFolder("train-model");
  const std::string settings = WriteSettings(folder, 2);
  ASSERT_EQ(Train(settings, folder + "/first").exitCode, 0);
  const ProcessResult second =
    Train(settings, folder + "/second", { "--model", folder + "/first/model.safetensors", "--steps", "1" });
  ASSERT_EQ(second.exitCode, 0) << second.error;
  const auto card = itk::nn::Model::Read(folder + "/second/model.safetensors")->GetCard();
  EXPECT_EQ(card.provenance, "trained with universeg train, from model.safetensors");
  EXPECT_EQ(card.extra.at("training_steps"), "1");

  const ProcessResult preview = RunCommand({ "train", "--config", settings, "--preview", folder + "/tasks.png" });
  ASSERT_EQ(preview.exitCode, 0) << preview.error;
  EXPECT_GT(fs::file_size(folder + "/tasks.png"), 1000U);
}

TEST(Train, PrintsItsSettings)
{
  const ProcessResult result = RunCommand({ "train", "--print-config", "--steps", "5" });
  ASSERT_EQ(result.exitCode, 0) << result.error;
  EXPECT_NE(result.output.find("\nsteps = 5\n"), std::string::npos);
  EXPECT_NE(result.output.find("[augmentation.in-task]"), std::string::npos);
  const std::string folder = MakeFolder("train-print");
  std::ofstream(folder + "/all.toml") << result.output;
  const ProcessResult again = RunCommand({ "train", "--print-config", "--config", folder + "/all.toml" });
  EXPECT_EQ(again.output, result.output);
}

TEST(Train, Errors)
{
  const std::string folder = MakeFolder("train-errors");
  const std::string settings = WriteSettings(folder, 2);
  EXPECT_EQ(RunCommand({ "train" }).exitCode, 2);
  EXPECT_EQ(Train(settings, folder + "/a", { "--steps", "x" }).exitCode, 2);
  const auto fail = [&](const std::vector<std::string> & arguments, const std::string & part)
  {
    const ProcessResult result = RunCommand(arguments);
    EXPECT_EQ(result.exitCode, 1) << part;
    EXPECT_NE(result.error.find(part), std::string::npos) << result.error;
    EXPECT_EQ(result.error.find('\n'), result.error.size() - 1) << "one line is expected: " << result.error;
  };
  fail({ "train", "--config", folder + "/absent.toml", "--output", folder + "/a" }, "absent.toml");
  std::ofstream(folder + "/bad.toml") << "[batch]\nheigth = 64\n";
  fail({ "train", "--config", folder + "/bad.toml", "--output", folder + "/a" }, "heigth");
  std::ofstream(folder + "/odd.toml") << "[network]\nencoder-blocks = [8, 8]\n[batch]\nheight = 33\nwidth = 32\n";
  fail({ "train", "--config", folder + "/odd.toml", "--output", folder + "/a" }, "33");
  fail({ "train", "--config", settings, "--output", settings + "/a" }, "cannot make this folder");
  fail({ "train", "--config", settings, "--output", folder + "/a", "--model", settings }, "settings.toml");
}

#ifdef UNIVERSEG_MPIEXEC
namespace
{
std::string
WriteSharedSettings(const std::string & folder, int steps)
{
  const std::string name = folder + "/shared.toml";
  std::ofstream(name) << "steps = " << steps << R"(
batches-per-step = 4
save-every = 2
[network]
encoder-blocks = [8, 8]
[batch]
height = 32
width = 32
support-sizes = [3]
[optimizer]
method = "sgd"
[schedule]
rate = 0.05
[validation]
every = 3
tasks = 3
support-size = 3
)";
  return name;
}

/** Run processes under the launcher, also as the root of a container and with more
 * processes than cores. */
ProcessResult
Launch(const std::string & processes, const std::string & folder)
{
  const std::string line = std::string("OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 ") +
                           "OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_btl_vader_single_copy_mechanism=none '" +
                           UNIVERSEG_MPIEXEC + "' " + processes + " >" + folder + "/out.txt 2>" + folder + "/error.txt";
  ProcessResult result;
  result.exitCode = std::system(line.c_str());
  result.output = ReadFile(folder + "/out.txt");
  result.error = ReadFile(folder + "/error.txt");
  return result;
}

double
LargestDifference(const std::string & a, const std::string & b)
{
  const auto first = itk::nn::ReadCheckpoint(a).weights;
  const auto second = itk::nn::ReadCheckpoint(b).weights;
  double largest = 0;
  for (const auto & [name, tensor] : first)
  {
    const auto x = tensor.ToVector<double>();
    const auto y = second.Get(name).ToVector<double>();
    for (std::size_t i = 0; i < x.size(); ++i)
    {
      largest = std::max(largest, std::abs(x[i] - y[i]));
    }
  }
  return largest;
}
} // namespace

TEST(Train, ProcessesShareTheBatchesOfAStep)
{
  const std::string folder = MakeFolder("train-mpi");
  const std::string settings = WriteSharedSettings(folder, 6);
  ASSERT_EQ(RunCommand({ "train", "--config", settings, "--output", folder + "/1", "--threads", "1" }).exitCode, 0);
  for (const char * count : { "2", "4" })
  {
    const std::string output = folder + '/' + count;
    const ProcessResult result = Launch(std::string("-n ") + count + " '" + UNIVERSEG_COMMAND + "' train --config " +
                                          settings + " --output " + output + " --threads 1",
                                        folder);
    ASSERT_EQ(result.exitCode, 0) << result.error;
    EXPECT_NE(result.output.find("step 6 of 6"), std::string::npos) << result.output;
    EXPECT_EQ(result.output.find("step 6 of 6"), result.output.rfind("step 6 of 6")) << "one process tells";
    EXPECT_LE(LargestDifference(folder + "/1/checkpoint.safetensors", output + "/checkpoint.safetensors"), 1e-6)
      << count;
  }
  const ProcessResult uneven = Launch(std::string("-n 3 '") + UNIVERSEG_COMMAND + "' train --config " + settings +
                                        " --output " + folder + "/3 --threads 1",
                                      folder);
  EXPECT_NE(uneven.exitCode, 0);
  EXPECT_NE(uneven.error.find("4 batches per step cannot be shared evenly by 3 processes"), std::string::npos)
    << uneven.error;
}

TEST(Train, ProcessesTakeDevicesInTurn)
{
  const std::string folder = MakeFolder("train-mpi-devices");
  const std::string settings = WriteSharedSettings(folder, 3);
  const std::string library = std::getenv("UNIVERSEG_CUDA_LIBRARY") != nullptr ? std::getenv("UNIVERSEG_CUDA_LIBRARY")
                                                                               : UNIVERSEG_TEST_CUDA_LIBRARY;
  ASSERT_EQ(RunCommand({ "train", "--config", settings, "--output", folder + "/1", "--threads", "1" }).exitCode, 0);
  const ProcessResult result =
    Launch("-n 2 -x UNIVERSEG_CUDA_LIBRARY='" + library + "' '" + UNIVERSEG_COMMAND + "' train --config " + settings +
             " --output " + folder + "/2 --threads 1 --device cuda",
           folder);
  ASSERT_EQ(result.exitCode, 0) << result.error;
  EXPECT_NE(result.output.find("step 3 of 3"), std::string::npos) << result.output;
  EXPECT_LE(LargestDifference(folder + "/1/checkpoint.safetensors", folder + "/2/checkpoint.safetensors"), 1e-5);
  if (library.find("emulation") != std::string::npos)
  {
    // Which has no sums over processes.
    for (const char * text : { "process 0 on cuda:0: gradients pass through the host, ",
                               "process 1 on cuda:1: gradients pass through the host, " })
    {
      EXPECT_NE(result.error.find(text), std::string::npos) << text << " in " << result.error;
    }
  }
}

TEST(Train, ALostProcessEndsTheOthers)
{
  const std::string folder = MakeFolder("train-mpi-lost");
  const std::string settings = WriteSharedSettings(folder, 1000000);
  const std::string command =
    std::string("'") + UNIVERSEG_COMMAND + "' train --config " + settings + " --output " + folder + "/run --threads 1";
  const ProcessResult result = Launch("-n 1 " + command + " : -n 1 timeout --signal=KILL 3 " + command, folder);
  EXPECT_NE(result.exitCode, 0);
  EXPECT_FALSE(result.error.empty());
  const auto state = itk::nn::ReadCheckpoint(folder + "/run/checkpoint.safetensors");
  EXPECT_GT(state.step, 0);
  EXPECT_FALSE(state.weights.IsEmpty());
  // What it left is enough to go on, with other processes too.
  const ProcessResult resumed = RunCommand({ "train",
                                             "--config",
                                             settings,
                                             "--output",
                                             folder + "/run",
                                             "--threads",
                                             "1",
                                             "--resume",
                                             "--steps",
                                             std::to_string(state.step + 2) });
  EXPECT_EQ(resumed.exitCode, 0) << resumed.error;
}
#endif

TEST(Finetune, MakesADefaultModelBetterForASupportSet)
{
  const std::string folder = MakeFolder("finetune");
  ASSERT_EQ(RunCommand({ "demo", "--output", folder + "/demo" }).exitCode, 0);
  const std::string supports = folder + "/demo/supports";
  const ProcessResult result = RunCommand({ "finetune",
                                            "--support",
                                            supports,
                                            "--output",
                                            folder + "/run",
                                            "--steps",
                                            "12",
                                            "--support-size",
                                            "4",
                                            "--threads",
                                            "2" });
  ASSERT_EQ(result.exitCode, 0) << result.error;
  const auto first = itk::nn::TrainingLog::Read(folder + "/run/log.jsonl");
  ASSERT_FALSE(first.empty());
  const auto card = itk::nn::Model::Read(folder + "/run/best.safetensors")->GetCard();
  EXPECT_EQ(card.provenance.find("fine-tuned with universeg finetune on "), 0U) << card.provenance;
  const ProcessResult segmented = RunCommand({ "segment",
                                               "--model",
                                               folder + "/run/best.safetensors",
                                               "--support",
                                               supports,
                                               "--image",
                                               folder + "/demo/targets/images/cell_01.png",
                                               "--output",
                                               folder + "/result.png" });
  EXPECT_EQ(segmented.exitCode, 0) << segmented.error;
}

TEST(Finetune, Errors)
{
  const std::string folder = MakeFolder("finetune-errors");
  EXPECT_EQ(RunCommand({ "finetune", "--output", folder }).exitCode, 2);
  EXPECT_EQ(RunCommand({ "finetune", "--support", folder }).exitCode, 2);
  EXPECT_EQ(RunCommand({ "finetune", "--support", folder, "--output", folder, "--rate", "0" }).exitCode, 2);
  EXPECT_EQ(RunCommand({ "finetune", "--support", folder + "/absent", "--output", folder }).exitCode, 1);
  const ProcessResult settings = RunCommand({ "finetune", "--print-config" });
  EXPECT_EQ(settings.exitCode, 0) << settings.error;
  EXPECT_NE(settings.output.find("steps = 300"), std::string::npos);
}
