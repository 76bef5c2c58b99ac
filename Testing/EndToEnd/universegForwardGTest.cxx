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
#include "universegModelOptions.h"
#include "universegProcess.h"

#include "itkNNModel.h"
#include "itkNNNetwork.h"
#include "itkNNSafeTensors.h"

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include <cmath>
#include <fstream>

namespace
{
using universegtest::MakeFolder;
using universegtest::ProcessResult;
using universegtest::RunCommand;

const std::string goldens = UNIVERSEG_TEST_GOLDENS "/universeg/";

const std::vector<std::string> backends{
  "auto",
  "reference",
#ifdef UNIVERSEG_ONEDNN
  "onednn",
#endif
};

/** Largest difference of the logits in two files. */
double
CompareLogits(const std::string & written, const std::string & golden, const std::string & name)
{
  const itk::nn::Tensor actual = itk::nn::ReadSafeTensors(written).tensors.Get("logits");
  const itk::nn::Tensor expected = itk::nn::ReadSafeTensors(golden).tensors.Get(name);
  EXPECT_EQ(actual.GetShape(), expected.GetShape());
  if (actual.GetShape() != expected.GetShape())
  {
    return INFINITY;
  }
  const auto a = actual.ToVector<double>();
  const auto b = expected.ToVector<double>();
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
  {
    largest = std::max(largest, std::isnan(a[i]) ? INFINITY : std::abs(a[i] - b[i]));
  }
  return largest;
}

TEST(U2Net, RunsTheTaskThatIsNamed)
{
  const std::string folder = MakeFolder("u2net");
  const auto configuration = folder + "/config.json";
  std::ofstream(configuration) << R"({"num_pool_per_axis": [1, 1, 1], "base_channels": 2, "in_channels": [1, 2],
                                      "num_classes": [2, 3]})";
  const auto network = itk::nn::Network::Create(
    "u2net", R"({"num_pool_per_axis": [1, 1, 1], "base_channels": 2, "in_channels": [1, 2], "num_classes": [2, 3]})");
  itk::nn::StateDict weights;
  for (const auto & parameter : network->GetParameters())
  {
    weights.Add(parameter.name, itk::nn::Tensor::Full(parameter.shape, 0.1));
  }
  itk::nn::WriteSafeTensors(folder + "/weights.safetensors", weights);
  itk::nn::StateDict inputs;
  inputs.Add("task0.input", itk::nn::Tensor::Full({ 1, 1, 4, 4, 4 }, 1));
  inputs.Add("input", itk::nn::Tensor::Full({ 1, 2, 4, 4, 4 }, 1));
  itk::nn::WriteSafeTensors(folder + "/in.safetensors", inputs);
  inputs = itk::nn::StateDict();
  inputs.Add("task0.input", itk::nn::Tensor::Full({ 1, 1, 4, 4, 4 }, 1));
  itk::nn::WriteSafeTensors(folder + "/first.safetensors", inputs);
  const auto run = [&](const std::string & in, std::vector<std::string> options)
  {
    std::vector<std::string> command{
      "forward",     "--network", "u2net",     "--weights", folder + "/weights.safetensors", "--config",
      configuration, "--inputs",  folder + in, "--outputs", folder + "/out.safetensors"
    };
    command.insert(command.end(), options.begin(), options.end());
    return RunCommand(command);
  };
  const auto classes = [&]
  { return itk::nn::ReadSafeTensors(folder + "/out.safetensors").tensors.Get("logits").GetShape()[1]; };
  const ProcessResult second = run("/in.safetensors", { "--task", "1" });
  ASSERT_EQ(second.exitCode, 0) << second.error;
  EXPECT_EQ(classes(), 3);
  const ProcessResult first = run("/first.safetensors", {});
  ASSERT_EQ(first.exitCode, 0) << first.error;
  EXPECT_EQ(classes(), 2);
  const ProcessResult wrong = run("/in.safetensors", { "--task", "2" });
  EXPECT_EQ(wrong.exitCode, 1);
  EXPECT_NE(wrong.error.find("task is 2, should be 0 to 1"), std::string::npos) << wrong.error;
}

TEST(Hermes, TakesPriorsByNumberOrOfADomain)
{
  const std::string folder = MakeFolder("hermes");
  const std::string sizes =
    R"("base_ch": 8, "num_block": [1, 1, 1, 1], "kernel_size": [[1, 1, 1], [1, 1, 1], [1, 1, 1], [1, 1, 1], [1, 1, 1]])";
  std::ofstream(folder + "/numbers.json") << '{' << sizes << '}';
  std::ofstream(folder + "/domains.json")
    << '{' << sizes << R"(, "domains": [{"tgt_idx": [0, 1], "mod_idx": 0}, {"tgt_idx": [5, 7, 9], "mod_idx": -1}]})";
  const auto network = itk::nn::Network::Create("hermes", '{' + sizes + '}');
  itk::nn::StateDict weights;
  for (const auto & parameter : network->GetParameters())
  {
    weights.Add(parameter.name, itk::nn::Tensor::Full(parameter.shape, 0.01));
  }
  itk::nn::WriteSafeTensors(folder + "/weights.safetensors", weights);
  // As the reference calls the image.
  itk::nn::StateDict inputs;
  inputs.Add("x", itk::nn::Tensor::Full({ 1, 1, 16, 16, 32 }, 1));
  inputs.Add("tgt_idx", itk::nn::Tensor::FromVector<std::int64_t>({ 1, 4 }, { 3, 2, 1, -1 }));
  inputs.Add("mod_idx", itk::nn::Tensor::FromVector<std::int64_t>({ 1 }, { 2 }));
  itk::nn::WriteSafeTensors(folder + "/in.safetensors", inputs);
  const auto classesOf = [&](const char * configuration, const std::vector<std::string> & options)
  {
    std::vector<std::string> command{ "forward",
                                      "--network",
                                      "hermes",
                                      "--weights",
                                      folder + "/weights.safetensors",
                                      "--config",
                                      folder + configuration,
                                      "--inputs",
                                      folder + "/in.safetensors",
                                      "--outputs",
                                      folder + "/out.safetensors" };
    command.insert(command.end(), options.begin(), options.end());
    const ProcessResult result = RunCommand(command);
    EXPECT_EQ(result.exitCode, 0) << result.error;
    const itk::nn::StateDict outputs = itk::nn::ReadSafeTensors(folder + "/out.safetensors").tensors;
    EXPECT_EQ(outputs.Get("mod_out").GetShape(), (itk::nn::Shape{ 1, 6 }));
    return outputs.Get("out").GetShape()[1];
  };
  EXPECT_EQ(classesOf("/numbers.json", {}), 4);
  EXPECT_EQ(classesOf("/domains.json", {}), 2);
  EXPECT_EQ(classesOf("/domains.json", { "--task", "1" }), 3);
}

class Forward : public testing::TestWithParam<const char *>
{};

TEST_P(Forward, MeetsTheGoldenOnBothBackends)
{
  const std::string folder = goldens + GetParam();
  const std::string output = MakeFolder("forward") + "/out.safetensors";
  for (const std::string & backend : backends)
  {
    const ProcessResult result = RunCommand({ "forward",
                                              "--network",
                                              "universeg",
                                              "--weights",
                                              folder + "/weights.safetensors",
                                              "--inputs",
                                              folder + "/io.safetensors",
                                              "--outputs",
                                              output,
                                              "--backend",
                                              backend });
    ASSERT_EQ(result.exitCode, 0) << result.error;
    EXPECT_EQ(result.error, "");
    EXPECT_LE(CompareLogits(output, folder + "/io.safetensors", "logits_f64"), 1e-5) << backend;
  }
}

TEST_P(Forward, MeetsTheDoublePrecisionGolden)
{
  const std::string folder = goldens + GetParam();
  const std::string output = MakeFolder("forward") + "/out.safetensors";
  const ProcessResult result = RunCommand({ "forward",
                                            "--model",
                                            folder + "/weights.pt",
                                            "--config",
                                            folder + "/meta.json",
                                            "--network",
                                            "universeg",
                                            "--inputs",
                                            folder + "/io.safetensors",
                                            "--outputs",
                                            output,
                                            "--backend",
                                            "reference",
                                            "--precision",
                                            "float64" });
  ASSERT_EQ(result.exitCode, 0) << result.error;
  EXPECT_EQ(itk::nn::ReadSafeTensors(output).tensors.Get("logits").GetDataType(), itk::nn::DataType::Float64);
  EXPECT_LE(CompareLogits(output, folder + "/io.safetensors", "logits_f64"), 1e-9);
}

INSTANTIATE_TEST_SUITE_P(Goldens, Forward, testing::Values("a_tiny", "b3_shortdec"));

TEST(Convert, MakesAModelThatGivesTheSameLogits)
{
  const std::string folder = MakeFolder("convert");
  const std::string model = folder + "/model.safetensors";
  ProcessResult result = RunCommand({ "convert",
                                      goldens + "a_tiny/weights_wrapped.pt",
                                      model,
                                      "--name",
                                      "tiny",
                                      "--licence",
                                      "Apache-2.0",
                                      "--labels",
                                      "1=nucleus,2=cytoplasm",
                                      "--grid",
                                      "32" });
  ASSERT_EQ(result.exitCode, 0) << result.error;
  const auto card = itk::nn::Model::Read(model)->GetCard();
  EXPECT_EQ(card.network, "universeg");
  EXPECT_EQ(card.description, "tiny");
  EXPECT_EQ(card.license, "Apache-2.0");
  EXPECT_EQ(card.provenance, "converted from weights_wrapped.pt");
  EXPECT_EQ(card.labels.at(2), "cytoplasm");
  EXPECT_EQ(nlohmann::json::parse(card.preprocessing).at("grid_size"), nlohmann::json({ 32, 32 }));

  const std::string output = folder + "/out.safetensors";
  result =
    RunCommand({ "forward", "--model", model, "--inputs", goldens + "a_tiny/io.safetensors", "--outputs", output });
  ASSERT_EQ(result.exitCode, 0) << result.error;
  EXPECT_LE(CompareLogits(output, goldens + "a_tiny/io.safetensors", "logits_f64"), 1e-5);

  result = RunCommand({ "info", model });
  EXPECT_EQ(result.exitCode, 0);
  EXPECT_NE(result.output.find("Apache-2.0"), std::string::npos);
  result = RunCommand({ "info", model, "--json" });
  EXPECT_EQ(result.exitCode, 0);
  const auto described = nlohmann::json::parse(result.output);
  EXPECT_TRUE(described.is_object());
  EXPECT_TRUE(described.contains("card"));
}

TEST(Convert, RefusesAGridThatTheNetworkCannotTake)
{
  const std::string folder = MakeFolder("convert");
  const std::string model = folder + "/model.safetensors";
  for (const char * grid : { "33", "32,33", "33,32" })
  {
    for (const char * weights : { "a_tiny/weights.pt", "a_tiny/weights.safetensors" })
    {
      const auto result = RunCommand({ "convert", goldens + weights, model, "--grid", grid });
      EXPECT_EQ(result.exitCode, 2) << result.error;
      EXPECT_EQ(result.error.find(std::string("universeg convert: --grid ") + grid + " does not suit the network"), 0U)
        << result.error;
      EXPECT_NE(result.error.find("should be multiples of "), std::string::npos) << result.error;
    }
  }
  const auto wrong = RunCommand({ "convert", folder + "/missing.pt", model, "--grid", "1,2,3" });
  EXPECT_EQ(wrong.exitCode, 2) << wrong.error;
  EXPECT_FALSE(std::ifstream(model).good());
  const auto result = RunCommand({ "convert", goldens + "a_tiny/weights.pt", model, "--grid", "32,64" });
  EXPECT_EQ(result.exitCode, 0) << result.error;
  EXPECT_EQ(nlohmann::json::parse(itk::nn::Model::Read(model)->GetCard().preprocessing).at("grid_size"),
            nlohmann::json({ 32, 64 }));
}

TEST(Convert, RefusesWeightsOfNoKnownNetwork)
{
  const std::string folder = MakeFolder("convert");
  const auto result = RunCommand({ "convert", goldens + "a_tiny/io.safetensors", folder + "/model.safetensors" });
  EXPECT_EQ(result.exitCode, 1);
  EXPECT_NE(result.error, "");
}

TEST(Info, RefusesGarbage)
{
  const std::string folder = MakeFolder("info");
  for (const std::string text : { "", "garbage", "PK\x03\x04 not a zip archive", "{\"a\": 1}" })
  {
    const std::string name = folder + "/file.pt";
    std::ofstream(name, std::ios::binary) << text;
    const ProcessResult result = RunCommand({ "info", name });
    EXPECT_EQ(result.exitCode, 1) << text;
    EXPECT_EQ(result.output, "");
    EXPECT_EQ(result.error.find("universeg info: "), 0U);
    EXPECT_EQ(result.error.find('\n'), result.error.size() - 1);
  }
  EXPECT_EQ(RunCommand({ "info", folder + "/missing.pt" }).exitCode, 1);
  EXPECT_EQ(RunCommand({ "info", folder }).exitCode, 1);
}

TEST(ForwardErrors, NamesTheMissingTensor)
{
  const std::string folder = MakeFolder("forward");
  const ProcessResult result = RunCommand({ "forward",
                                            "--weights",
                                            goldens + "a_tiny/weights.safetensors",
                                            "--inputs",
                                            goldens + "a_tiny/weights.safetensors",
                                            "--outputs",
                                            folder + "/out.safetensors" });
  EXPECT_EQ(result.exitCode, 1);
  EXPECT_NE(result.error.find("there is no tensor 'target'"), std::string::npos);
  EXPECT_EQ(universegtest::ReadFile(folder + "/out.safetensors"), "");
}

TEST(Bench, PrintsTheFieldsThatScriptsRead)
{
  const ProcessResult result = RunCommand({ "bench",
                                            "--network",
                                            "universeg",
                                            "--support-size",
                                            "1",
                                            "--repeat",
                                            "2",
                                            "--threads",
                                            "1",
                                            "--size",
                                            "32",
                                            "--json" });
  ASSERT_EQ(result.exitCode, 0) << result.error;
  const auto json = nlohmann::json::parse(result.output);
  for (const char * kind : { "new_support", "cached_support" })
  {
    EXPECT_GT(json.at(kind).at("min_seconds").get<double>(), 0);
    EXPECT_GE(json.at(kind).at("median_seconds").get<double>(), json.at(kind).at("min_seconds").get<double>());
  }
  EXPECT_GT(json.at("peak_bytes").get<double>(), 0);
  EXPECT_GT(json.at("peak_resident_bytes").get<double>(), json.at("peak_bytes").get<double>());
  EXPECT_GT(json.at("flops").get<double>(), 1e6);
  EXPECT_EQ(json.at("support_size"), 1);
  EXPECT_EQ(json.at("threads"), 1);
  EXPECT_EQ(json.at("repeat"), 2);
  EXPECT_EQ(json.at("network"), "universeg");
  EXPECT_EQ(json.at("precision"), "float32");
}

TEST(Bench, ManyTargetsAndNoCache)
{
  const ProcessResult result = RunCommand({ "bench",
                                            "--support-size",
                                            "3",
                                            "--repeat",
                                            "1",
                                            "--size",
                                            "16",
                                            "--targets",
                                            "4",
                                            "--cache-limit",
                                            "0",
                                            "--json" });
  ASSERT_EQ(result.exitCode, 0) << result.error;
  const auto json = nlohmann::json::parse(result.output);
  EXPECT_EQ(json.at("targets").at("count"), 4);
  EXPECT_GT(json.at("targets").at("min_seconds").get<double>(), 0);
  EXPECT_EQ(json.at("static_bytes"), 0);
  EXPECT_EQ(json.at("flops"), json.at("cached_flops"));
}

TEST(Bench, WeightsOfAFile)
{
  const std::string folder = MakeFolder("bench-model");
  const std::string model = folder + "/model.safetensors";
  const nlohmann::json configuration{ { "in_chns", 1 }, { "class_num", 2 }, { "feature_chns", { 2, 2, 4, 4, 8 } } };
  const auto network = itk::nn::Network::Create("fmunet", configuration.dump());
  itk::nn::StateDict weights;
  for (const auto & parameter : network->GetParameters())
  {
    weights.Add(parameter.name, itk::nn::Tensor::Full(parameter.shape, 0.5));
  }
  itk::nn::WriteSafeTensors(model, weights, {});
  std::ofstream(folder + "/fmunet.json") << configuration.dump();
  std::vector<std::string> command{ "bench", "--network", "fmunet", "--config", folder + "/fmunet.json", "--size" };
  command.insert(command.end(), { "16,16,16", "--repeat", "1", "--json", "--model", model });
  const ProcessResult result = RunCommand(command);
  ASSERT_EQ(result.exitCode, 0) << result.error;
  EXPECT_GT(nlohmann::json::parse(result.output).at("run").at("min_seconds").get<double>(), 0);
  // Weights of another network are refused.
  const ProcessResult other = RunCommand({ "bench", "--network", "fmunet", "--size", "16,16,16", "--model", model });
  EXPECT_EQ(other.exitCode, 1);
  EXPECT_NE(other.error.find("project.weight"), std::string::npos) << other.error;
  command.emplace_back("--training");
  const ProcessResult training = RunCommand(command);
  EXPECT_EQ(training.exitCode, 2);
  EXPECT_NE(training.error.find("--model is of no use with --training"), std::string::npos) << training.error;
}

TEST(Bench, NetworksForVolumes)
{
  for (const std::string network : { "fmunet", "pctnet", "unet3d" })
  {
    SCOPED_TRACE(network);
    const ProcessResult result = RunCommand({ "bench",
                                              "--network",
                                              network,
                                              "--size",
                                              "16,32,16",
                                              "--classes",
                                              "3",
                                              "--repeat",
                                              "1",
                                              "--threads",
                                              "1",
                                              "--json" });
    ASSERT_EQ(result.exitCode, 0) << result.error;
    const auto json = nlohmann::json::parse(result.output);
    EXPECT_EQ(json.at("network"), network);
    EXPECT_EQ(json.at("size"), (std::vector<int>{ 16, 32, 16 }));
    EXPECT_EQ(json.at("classes"), 3);
    EXPECT_EQ(json.at("threads"), 1);
    EXPECT_GT(json.at("run").at("min_seconds").get<double>(), 0);
    EXPECT_GT(json.at("flops").get<double>(), 1e9);
    EXPECT_GT(json.at("peak_bytes").get<double>(), 1e6);
    EXPECT_GT(json.at("peak_resident_bytes").get<double>(), json.at("peak_bytes").get<double>());
  }
  const ProcessResult universal =
    RunCommand({ "bench", "--network", "u2net", "--size", "32,32,32", "--repeat", "1", "--threads", "1", "--json" });
  ASSERT_EQ(universal.exitCode, 0) << universal.error;
  EXPECT_EQ(nlohmann::json::parse(universal.output).at("classes"), 2);
  const auto refuse = [](std::vector<std::string> options, const std::string & message)
  {
    options.insert(options.begin(), { "bench", "--network" });
    const ProcessResult result = RunCommand(options);
    EXPECT_EQ(result.exitCode, 2);
    EXPECT_NE(result.error.find(message), std::string::npos) << result.error;
  };
  refuse({ "fmunet", "--size", "16,16" }, "--size: '16,16' should have the form DEPTH,HEIGHT,WIDTH");
  refuse({ "fmunet", "--size", "16,16,0" }, "--size: 0 should be from 1 to 4096");
  refuse({ "fmunet", "--support-size", "2" }, "--support-size is of no use with --network fmunet");
  refuse({ "unet3d", "--targets", "2" }, "--targets is of no use with --network unet3d");
  refuse({ "universeg", "--classes", "2" }, "--classes is of no use with --network universeg");
  refuse({ "pctnet", "--classes", "2", "--config", "a" }, "--config and --classes exclude each other");
}

TEST(Bench, TrainingOfANetworkForVolumes)
{
  const std::string folder = universegtest::MakeFolder("bench-volumes");
  universeg::WriteTextFile(folder + "/small.json",
                           R"({"in_chns": 2, "class_num": 3, "feature_chns": [4, 4, 8, 8, 8]})");
  const ProcessResult result = RunCommand({ "bench",
                                            "--network",
                                            "fmunet",
                                            "--config",
                                            folder + "/small.json",
                                            "--size",
                                            "16,16,32",
                                            "--batch",
                                            "2",
                                            "--training",
                                            "--repeat",
                                            "1",
                                            "--json" });
  ASSERT_EQ(result.exitCode, 0) << result.error;
  const auto json = nlohmann::json::parse(result.output);
  EXPECT_EQ(json.at("network"), "fmunet");
  EXPECT_EQ(json.at("classes"), 3);
  EXPECT_EQ(json.at("batch"), 2);
  EXPECT_EQ(json.at("size"), (std::vector<int>{ 16, 16, 32 }));
  EXPECT_GT(json.at("training_step").at("min_seconds").get<double>(), 0);
  EXPECT_GT(json.at("flops").get<double>(), 1e7);
}

TEST(Explain, NetworksForVolumes)
{
  const ProcessResult result =
    RunCommand({ "explain", "--network", "unet3d", "--size", "16,16,16", "--threads", "1", "--json" });
  ASSERT_EQ(result.exitCode, 0) << result.error;
  const auto json = nlohmann::json::parse(result.output);
  EXPECT_EQ(json.at("inputs").at("input"), (std::vector<int>{ 1, 1, 16, 16, 16 }));
  EXPECT_FALSE(json.at("each_run").at("steps").empty());
  EXPECT_LE(json.at("each_run").at("flops").get<double>(), json.at("before").at("flops").get<double>());
  EXPECT_FALSE(json.contains("static"));
}

TEST(Explain, CountsTheWorkOfTheReleaseNetwork)
{
  const ProcessResult result = RunCommand({ "explain", "--network", "universeg", "--support-size", "64", "--json" });
  ASSERT_EQ(result.exitCode, 0) << result.error;
  const auto json = nlohmann::json::parse(result.output);
  EXPECT_EQ(json.at("before").at("flops").get<double>(), 667569618944.0);
  EXPECT_LE(json.at("new_support_flops").get<double>(), 194.1e9);
  EXPECT_LE(json.at("cached_support_flops").get<double>(), 115.5e9);
  EXPECT_FALSE(json.at("passes").empty());
  double sum = 0;
  for (const auto & step : json.at("each_run").at("steps"))
  {
    const std::string kind = step.at("operator");
    sum += kind == "Convolution" || kind == "MatrixProduct" ? step.at("flops").get<double>() : 0;
    EXPECT_FALSE(step.at("implementation").get<std::string>().empty());
  }
  EXPECT_EQ(sum, json.at("cached_support_flops").get<double>());
}

TEST(Explain, PrintsTheTables)
{
  const ProcessResult result = RunCommand({ "explain", "--support-size", "4", "--size", "16", "--threads", "1" });
  ASSERT_EQ(result.exitCode, 0) << result.error;
  for (const char * text : { "As written: 71 operators",
                             "split convolutions over concatenations",
                             "Once for a support set: ",
                             "For each target: ",
                             "ShiftedInterpolation",
                             "MB are kept with the support set" })
  {
    EXPECT_NE(result.output.find(text), std::string::npos) << text;
  }
}
} // namespace
