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
#include "itkSegmentationModel.h"

#include "itkFilteringTestHelpers.h"
#include "itkUniverSegNetwork.h"

#include <cstdio>
#include <sstream>
#include <thread>

using itk::SegmentationModel;
using namespace itk::test;

namespace
{
itk::nn::Model::Pointer
MakeBareModel(const std::string & configuration = R"({"encoder_blocks": [4, 4]})")
{
  const auto model = itk::nn::Model::New();
  model->SetWeights(MakeWeights(configuration, 3));
  return model;
}
} // namespace

TEST(SegmentationModel, DefaultIsEmbeddedAndShared)
{
  const auto model = SegmentationModel::GetDefault();
  EXPECT_EQ(model, SegmentationModel::GetDefault());
  EXPECT_EQ(model->GetGridSize(), (itk::Size<2>{ { 128, 128 } }));
  EXPECT_EQ(model->GetNetwork()->GetName(), "universeg");
  EXPECT_EQ(model->GetNetwork()->GetNumberOfParameters(), 296481);
  EXPECT_EQ(model->GetModel()->GetCard().license, "Apache-2.0");
}

TEST(SegmentationModel, DescribesItself)
{
  const auto model = SegmentationModel::GetDefault();
  EXPECT_EQ(model->GetNetworkName(), "universeg");
  EXPECT_EQ(model->GetConfiguration(), model->GetNetwork()->GetConfiguration());
  EXPECT_EQ(model->GetNumberOfParameters(), 296481u);
  EXPECT_EQ(model->GetFileName(), "the embedded default model");
  EXPECT_NE(model->GetDescription().find("\"license\""), std::string::npos) << model->GetDescription();
  const auto none = SegmentationModel::New();
  EXPECT_ERROR(none->GetNetworkName(), "No model is set");
  EXPECT_ERROR(none->GetConfiguration(), "No model is set");
  EXPECT_ERROR(none->GetNumberOfParameters(), "No model is set");
  EXPECT_ERROR(none->GetFileName(), "No model is set");
  EXPECT_ERROR(none->GetDescription(), "No model is set");
}

TEST(SegmentationModel, NetworkFromCardArgumentsOrShapes)
{
  const auto model = SegmentationModel::New();
  model->SetModel(MakeBareModel());
  EXPECT_EQ(model->GetNetwork()->GetParameters().size(), MakeBareModel()->GetWeights().GetSize());
  EXPECT_EQ(model->GetGridSize(), (itk::Size<2>{ { 128, 128 } }));

  model->SetModel(MakeBareModel(), "UniverSeg", R"({"encoder_blocks": [4, 4]})");
  EXPECT_EQ(model->GetNetwork()->GetName(), "universeg");

  EXPECT_EQ(MakeSmallModel()->GetGridSize(), (itk::Size<2>{ { 16, 16 } }));
}

TEST(SegmentationModel, ReadsFiles)
{
  const auto bare = MakeBareModel();
  itk::nn::ModelCard card;
  card.network = "universeg";
  card.preprocessing = R"({"grid_size": [24, 40]})";
  bare->SetCard(card);
  const std::string path = testing::TempDir() + "itkSegmentationModelGTest.safetensors";
  bare->Write(path);
  EXPECT_EQ(SegmentationModel::Read(path)->GetGridSize(), (itk::Size<2>{ { 40, 24 } }));
  EXPECT_ERROR(SegmentationModel::Read(path, "hermes"), "names the network 'universeg'");
  std::remove(path.c_str());
  EXPECT_ERROR(SegmentationModel::Read(path), "itkSegmentationModelGTest");
}

TEST(SegmentationModel, Errors)
{
  const auto model = SegmentationModel::New();
  EXPECT_ERROR(model->GetNetwork(), "No model is set");
  model->SetModel(MakeBareModel(), "", R"({"encoder_blocks": [4, 4]})");
  EXPECT_ERROR(model->GetNetwork(), "without the name of the network");
  model->SetModel(MakeBareModel(), "universeg", R"({"encoder_blocks": [8, 8]})");
  EXPECT_THROW(model->GetNetwork(), itk::nn::Error);
  model->SetModel(itk::nn::Model::New());
  EXPECT_THROW(model->GetNetwork(), itk::nn::Error);

  const auto bad = MakeBareModel();
  itk::nn::ModelCard card;
  for (const std::string grid : { "[64]", "[0, 64]", "64", "[64, -1]", "[\"a\", 1]", "[1e3, 1]", "[64, 65537]" })
  {
    card.preprocessing = "{\"grid_size\": " + grid + "}";
    bad->SetCard(card);
    model->SetModel(bad);
    EXPECT_ERROR(model->GetGridSize(), "should be [height, width]");
  }
}

TEST(SegmentationModel, RunnersAreSharedByOptions)
{
  const auto model = MakeSmallModel();
  itk::nn::PlanOptions options;
  options.backend = "reference";
  options.threads = 1;
  const auto runner = model->GetRunner(options);
  EXPECT_EQ(runner, model->GetRunner(options));
  options.precision = itk::nn::DataType::Float64;
  EXPECT_NE(runner, model->GetRunner(options));
  options.precision = itk::nn::DataType::Float32;
  EXPECT_EQ(runner, model->GetRunner(options));
  model->ReleaseMemory();
  EXPECT_NE(runner, model->GetRunner(options));
  for (unsigned int threads = 1; threads < 20; ++threads)
  {
    options.threads = threads;
    EXPECT_EQ(model->GetRunner(options)->GetOptions().threads, threads);
  }
}

TEST(SegmentationModel, RunnersOfOtherNetworks)
{
  const auto model = MakeSmallModel();
  EXPECT_EQ(model->GetRunner({}, model->GetNetwork()), model->GetRunner({}));
  const auto other = itk::nn::Network::Create("universeg", R"({"encoder_blocks": [2, 2, 2]})");
  EXPECT_ERROR(model->GetRunner({}, other), "The weights do not fit the network");
}

TEST(SegmentationModel, TasksByName)
{
  const auto bare = MakeBareModel();
  const auto model = SegmentationModel::New();
  EXPECT_ERROR(model->FindTask("heart"), "No model is set");
  model->SetModel(bare);
  EXPECT_ERROR(model->FindTask("heart"), "The model has no task 'heart'; it has no names of tasks");
  itk::nn::ModelCard card = bare->GetCard();
  card.tasks = { { "heart", "" }, { "liver", "" } };
  bare->SetCard(card);
  EXPECT_EQ(model->FindTask("liver"), 1);
  EXPECT_ERROR(model->FindTask("lung"), "The model has no task 'lung'; it has heart, liver");
}

TEST(SegmentationModel, ChangesAreNoticed)
{
  const auto bare = MakeBareModel();
  const auto model = SegmentationModel::New();
  const auto empty = model->GetMTime();
  model->SetModel(bare);
  const auto set = model->GetMTime();
  EXPECT_GT(set, empty);
  const auto runner = model->GetRunner({});
  model->SetModel(bare);
  EXPECT_EQ(model->GetMTime(), set);
  EXPECT_EQ(model->GetRunner({}), runner);

  bare->SetWeights(MakeWeights(R"({"encoder_blocks": [2, 2, 2]})", 1));
  EXPECT_GT(model->GetMTime(), set);
  EXPECT_NE(model->GetRunner({}), runner);
  const auto network = std::dynamic_pointer_cast<const itk::nn::UniverSegNetwork>(model->GetNetwork());
  ASSERT_TRUE(network);
  EXPECT_EQ(network->GetDivisor(), 4);
}

TEST(SegmentationModel, ARunnerOfResidentTensorsIsAnother)
{
  const auto model = MakeSmallModel();
  itk::nn::PlanOptions resident;
  resident.residentInputs = { "target" };
  itk::nn::PlanOptions kept;
  kept.keepOutputsOnDevice = true;
  EXPECT_NE(model->GetRunner(resident), model->GetRunner({}));
  EXPECT_NE(model->GetRunner(kept), model->GetRunner({}));
  EXPECT_NE(model->GetRunner(kept), model->GetRunner(resident));
  EXPECT_EQ(model->GetRunner(resident), model->GetRunner(resident));
  itk::nn::PlanOptions logits;
  logits.outputs = { "logits" };
  EXPECT_NE(model->GetRunner(logits), model->GetRunner({}));
}

TEST(SegmentationModel, ThreadsShareOneRunner)
{
  const auto model = MakeSmallModel();
  std::vector<std::shared_ptr<itk::nn::NetworkRunner>> runners(8);
  std::vector<std::thread> threads;
  for (auto & runner : runners)
  {
    threads.emplace_back([&runner, &model] { runner = model->GetRunner({}); });
  }
  for (auto & thread : threads)
  {
    thread.join();
  }
  for (const auto & runner : runners)
  {
    EXPECT_EQ(runner, runners.front());
  }
}

TEST(SegmentationModel, Prints)
{
  std::ostringstream text;
  MakeSmallModel()->Print(text);
  EXPECT_NE(text.str().find("Model"), std::string::npos);
  EXPECT_STREQ(SegmentationModel::New()->GetNameOfClass(), "SegmentationModel");
}
