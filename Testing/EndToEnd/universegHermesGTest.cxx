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

#include "itkHermesSegmenter.h"
#include "itkImageFileWriter.h"
#include "itkNNInitialWeights.h"
#include "itkNNModel.h"
#include "itkNNSafeTensors.h"
#include "itkSegmentationModel.h"

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

namespace
{
namespace fs = std::filesystem;
using itk::nn::HermesPipeline;
using Json = nlohmann::json;
using universegtest::MakeFolder;
using universegtest::ProcessResult;
using universegtest::RunCommand;
using Scan = itk::Image<std::int16_t, 3>;

/** Waves of thick slices that lie turned in space, as a file of 16 bits. */
void
WriteScan(const std::string & fileName)
{
  const auto image = Scan::New();
  image->SetRegions(Scan::SizeType{ { 40, 34, 12 } });
  image->Allocate();
  const double spacing[] = { 1.1, 1.3, 4 };
  const double origin[] = { -30, 12, 50 };
  image->SetSpacing(spacing);
  image->SetOrigin(origin);
  Scan::DirectionType direction;
  direction.Fill(0);
  direction[0][0] = direction[2][2] = -1;
  direction[1][1] = 1;
  image->SetDirection(direction);
  std::int16_t * pixel = image->GetBufferPointer();
  for (int z = 0; z < 12; ++z)
  {
    for (int y = 0; y < 34; ++y)
    {
      for (int x = 0; x < 40; ++x)
      {
        *pixel++ = static_cast<std::int16_t>(600 * std::sin(0.2 * x) * std::cos(0.3 * y) + 40 * z - 100);
      }
    }
  }
  const auto writer = itk::ImageFileWriter<Scan>::New();
  writer->SetInput(image);
  writer->SetFileName(fileName);
  writer->Update();
}

HermesPipeline
MakePipeline()
{
  HermesPipeline pipeline;
  pipeline.preprocessing.limits = { -500, 400 };
  pipeline.window = { 32, 32, 32 };
  return pipeline;
}

void
WriteModel(const std::string & fileName,
           const Json & configuration,
           const itk::nn::StateDict & weights,
           const std::vector<itk::nn::ModelCard::Task> & tasks)
{
  itk::nn::ModelCard card;
  card.network = "hermes";
  card.configuration = configuration.dump();
  card.preprocessing = MakePipeline().ToJson();
  card.tasks = tasks;
  const auto model = itk::nn::Model::New();
  model->SetWeights(weights);
  model->SetCard(card);
  model->Write(fileName);
}

void
ExpectFailure(const std::vector<std::string> & arguments, int code, const std::string & message)
{
  const ProcessResult result = RunCommand(arguments);
  EXPECT_EQ(result.exitCode, code) << result.error;
  EXPECT_NE(result.error.find(message), std::string::npos) << result.error;
}
} // namespace

TEST(HermesSegment, RawImagesWithTheReferencesNarrowWeights)
{
  const char * goldens = std::getenv("UNIVERSEG_GOLDENS_DIR");
  const std::string golden = std::string(goldens == nullptr ? "" : goldens) + "/hermes/hermes_r_narrow/";
  if (!fs::exists(golden + "weights_f16.safetensors"))
  {
    GTEST_SKIP() << "UNIVERSEG_GOLDENS_DIR has no hermes/hermes_r_narrow/weights_f16.safetensors";
  }
  const std::string folder = MakeFolder("hermes-segment");
  const std::string scan = folder + "/scan.nii.gz";
  WriteScan(scan);
  Json configuration = Json::parse(universegtest::ReadFile(golden + "config.json"));
  configuration["domains"] = Json::parse(R"([{"tgt_idx": [5], "mod_idx": -1}, {"tgt_idx": [2, 0, 7], "mod_idx": 1}])");
  itk::nn::StateDict weights;
  const auto halves = itk::nn::ReadSafeTensors(golden + "weights_f16.safetensors").tensors;
  for (const auto & parameter : itk::nn::Network::Create("hermes", configuration.dump())->GetParameters())
  {
    weights.Add(parameter.name, halves.Get(parameter.name).To(itk::nn::DataType::Float32));
  }
  HermesPipeline other = MakePipeline();
  other.preprocessing.limits.reset();
  const std::string model = folder + "/model.safetensors";
  WriteModel(model, configuration, weights, { { "lesion", other.ToJson() }, { "organs", MakePipeline().ToJson() } });

  const ProcessResult result = RunCommand({ "segment",
                                            "--model",
                                            model,
                                            "--task",
                                            "organs",
                                            "--output",
                                            folder + "/labels.nii.gz",
                                            "--probability",
                                            folder + "/p.nii.gz",
                                            scan });
  ASSERT_EQ(result.exitCode, 0) << result.error;
  const auto labels = universeg::ReadImage(folder + "/labels.nii.gz");
  const auto image = universeg::ReadMultichannelImage(scan);
  EXPECT_EQ(labels.geometry->GetLargestPossibleRegion(), image.geometry->GetLargestPossibleRegion());
  EXPECT_EQ(labels.geometry->GetDirection(), image.geometry->GetDirection());
  EXPECT_EQ(labels.geometry->GetSpacing(), image.geometry->GetSpacing());

  // As the library does it.
  const auto loaded = itk::SegmentationModel::Read(model);
  const itk::nn::HermesSegmenter segmenter(loaded->GetRunner({}, 1), MakePipeline());
  const auto expected = segmenter.Segment(universeg::ToRawCase(image).modalities.front(), true);
  ASSERT_EQ(expected.probabilities.size(), 3U);
  const auto count = labels.pixels.size();
  std::size_t equal = 0;
  for (std::size_t i = 0; i < count; ++i)
  {
    equal += labels.pixels[i] == static_cast<float>(expected.labels->GetBufferPointer()[i]) ? 1 : 0;
  }
  EXPECT_GE(static_cast<double>(equal), 0.9999 * static_cast<double>(count));
  EXPECT_GT(std::count(labels.pixels.begin(), labels.pixels.end(), 0.0F), 0);
  EXPECT_GT(std::count_if(labels.pixels.begin(), labels.pixels.end(), [](float label) { return label > 0; }), 0);
  for (std::size_t k = 0; k < 3; ++k)
  {
    const auto map = universeg::ReadImage(folder + "/p_" + std::to_string(k + 1) + ".nii.gz");
    for (std::size_t i = 0; i < count; ++i)
    {
      ASSERT_NEAR(map.pixels[i], expected.probabilities[k]->GetBufferPointer()[i], 1e-4) << k << ' ' << i;
    }
  }

  // The same by the numbers in the pools.
  const ProcessResult byNumbers = RunCommand({ "segment",
                                               "--model",
                                               model,
                                               "--task-numbers",
                                               "2,0,7",
                                               "--modality",
                                               "1",
                                               "--output",
                                               folder + "/again.nii.gz",
                                               scan });
  ASSERT_EQ(byNumbers.exitCode, 0) << byNumbers.error;
  EXPECT_EQ(universeg::ReadImage(folder + "/again.nii.gz").pixels, labels.pixels);
  const ProcessResult first = RunCommand({ "segment", "--model", model, "--output", folder + "/first.nii.gz", scan });
  ASSERT_EQ(first.exitCode, 0) << first.error;
  const auto lesion = universeg::ReadImage(folder + "/first.nii.gz").pixels;
  EXPECT_LE(*std::max_element(lesion.begin(), lesion.end()), 1);
  EXPECT_NE(lesion, labels.pixels);
}

TEST(HermesSegment, WrongUse)
{
  const std::string folder = MakeFolder("hermes-wrong");
  const std::string scan = folder + "/scan.nii.gz";
  WriteScan(scan);
  const Json configuration = Json::parse(
    R"({"base_ch": 8, "num_block": [1, 1, 1, 1], "tn": 20,
        "kernel_size": [[1, 1, 1], [1, 1, 1], [1, 1, 1], [1, 1, 1], [1, 1, 1]]})");
  const std::string model = folder + "/model.safetensors";
  WriteModel(model,
             configuration,
             itk::nn::MakeInitialWeights(*itk::nn::Network::Create("hermes", configuration.dump()), 1),
             {});
  const auto command = [&](const std::vector<std::string> & options)
  {
    std::vector<std::string> arguments{ "segment", "--model", model, "--output", folder + "/labels.nii.gz", scan };
    arguments.insert(arguments.end(), options.begin(), options.end());
    return arguments;
  };
  ExpectFailure(command({}), 1, "The model has no domains; should be told a data set of the paper");
  ExpectFailure(command({ "--task", "lungs" }), 1, "The model has no task 'lungs'; it has no names of tasks");
  ExpectFailure(command({ "--task", "mnm" }), 1, "tgt_idx");
  ExpectFailure(command({ "--modality", "0" }), 2, "--modality goes with --task-numbers alone");
  ExpectFailure(command({ "--task-numbers", "1,two" }), 2, "--task-numbers");
  ExpectFailure(command({ "--task", "lits", "--mirror" }), 2, "--mirror does not go with the network hermes");
}
