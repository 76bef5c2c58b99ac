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
#include "itkU2NetAdapterFilter.h"

#include "itkCommand.h"
#include "itkFilteringTestHelpers.h"
#include "itkNNRegisterBackends.h"
#include "itkNNSafeTensors.h"
#include "itkNNTestGoldens.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

using namespace itk::test;
using itk::nn::U2NetPipeline;
using itk::nn::U2NetSegmenter;
using Json = nlohmann::json;
using VolumeType = itk::Image<float, 3>;
using LabelVolumeType = itk::Image<unsigned char, 3>;
using FilterType = itk::U2NetAdapterFilter<VolumeType>;

namespace
{
constexpr const char * configuration = R"({"num_pool_per_axis": [2, 2, 2], "base_channels": 2, "in_channels": [1, 2],
                                           "num_classes": [2, 3]})";

U2NetPipeline
MakePipeline()
{
  U2NetPipeline pipeline;
  pipeline.preprocessing.spacing = { 1.5, 1, 1.25 };
  pipeline.preprocessing.margin = 1;
  pipeline.patch = { 8, 12, 8 };
  pipeline.window = { 8, 8, 8 };
  return pipeline;
}

/** A 3D U2-Net of two tasks, the second one with two modalities. */
itk::SegmentationModel::Pointer
MakeModel(bool hasPipelines = true)
{
  Random random(5);
  itk::nn::StateDict weights;
  for (const auto & parameter : itk::nn::Network::Create("u2net", configuration)->GetParameters())
  {
    itk::nn::Tensor tensor = itk::nn::Tensor::Full(parameter.shape, parameter.name.back() == 't' ? 1 : 0);
    if (parameter.shape.size() > 1)
    {
      std::generate_n(tensor.GetData<float>(), tensor.GetNumberOfElements(), [&random] { return random(); });
    }
    weights.Add(parameter.name, tensor);
  }
  itk::nn::ModelCard card;
  card.network = "u2net";
  card.configuration = configuration;
  if (hasPipelines)
  {
    U2NetPipeline second = MakePipeline();
    second.preprocessing.spacing = { 1, 1, 1 };
    card.tasks = { { "heart", MakePipeline().ToJson() }, { "prostate", second.ToJson() } };
  }
  const auto model = itk::nn::Model::New();
  model->SetWeights(weights);
  model->SetCard(card);
  const auto result = itk::SegmentationModel::New();
  result->SetModel(model);
  return result;
}

/** Noise in a frame of zeros, with a geometry of its own. */
VolumeType::Pointer
MakeVolume(unsigned int seed = 9, const VolumeType::SizeType & size = { { 12, 20, 14 } })
{
  const auto image = MakeImage<VolumeType>(size, { { 3, -4, 20 } });
  Random random(seed);
  for (itk::ImageRegionIteratorWithIndex<VolumeType> it(image, image->GetLargestPossibleRegion()); !it.IsAtEnd(); ++it)
  {
    const auto index = it.GetIndex();
    it.Set(index[0] > 4 && index[1] > -2 ? static_cast<float>(2 + random()) : 0.0F);
  }
  return image;
}

FilterType::Pointer
MakeFilter()
{
  const auto filter = FilterType::New();
  filter->SetInput(MakeVolume());
  filter->SetModel(MakeModel());
  return filter;
}

std::vector<int>
GetLabels(const LabelVolumeType * image)
{
  const auto pixels = image->GetBufferPointer();
  return std::vector<int>(pixels, pixels + image->GetLargestPossibleRegion().GetNumberOfPixels());
}
} // namespace

TEST(U2NetPipeline, OfTheTasksOfThePaper)
{
  const U2NetPipeline alone = U2NetPipeline::Make(itk::nn::U2NetTask::Get("spleen"));
  EXPECT_EQ(alone.preprocessing.spacing, (std::vector<double>{ 5, 0.8, 0.8 }));
  EXPECT_EQ(alone.patch, (itk::nn::Shape{ 96, 160, 128 }));
  EXPECT_EQ(alone.window, alone.patch);
  ASSERT_TRUE(alone.postProcessing.has_value());
  EXPECT_TRUE(alone.postProcessing->clearsSecondHalf);
  const U2NetPipeline shared = U2NetPipeline::Make(itk::nn::U2NetTask::Get("Task05_Prostate"), { 128, 128, 128 });
  EXPECT_EQ(shared.patch, (itk::nn::Shape{ 20, 192, 192 }));
  EXPECT_EQ(shared.window, (itk::nn::Shape{ 128, 128, 128 }));
  EXPECT_EQ(shared.postProcessing->components, 2);
}

TEST(U2NetPipeline, AsText)
{
  U2NetPipeline pipeline = MakePipeline();
  EXPECT_EQ(U2NetPipeline::FromJson(pipeline.ToJson()).ToJson(), pipeline.ToJson());
  EXPECT_FALSE(U2NetPipeline::FromJson(pipeline.ToJson()).postProcessing.has_value());
  pipeline.preprocessing.lowestValue = -200.5;
  pipeline.preprocessing.lowerPercentile = 1;
  pipeline.boundary = itk::nn::ResizeBoundary::ZeroOutside;
  pipeline.windowBatch = 3;
  pipeline.postProcessing.emplace();
  pipeline.postProcessing->classes = 4;
  pipeline.postProcessing->components = 2;
  pipeline.postProcessing->clearsSecondHalf = true;
  pipeline.postProcessing->keepsAllOfEqualSizes = true;
  pipeline.postProcessing->untouchedClasses = { 2, 3 };
  const U2NetPipeline again = U2NetPipeline::FromJson(pipeline.ToJson());
  EXPECT_EQ(again.ToJson(), pipeline.ToJson());
  EXPECT_EQ(again.preprocessing.spacing, pipeline.preprocessing.spacing);
  EXPECT_EQ(again.preprocessing.margin, 1);
  EXPECT_EQ(again.preprocessing.lowestValue, -200.5);
  EXPECT_EQ(again.preprocessing.lowerPercentile, 1);
  EXPECT_EQ(again.boundary, pipeline.boundary);
  EXPECT_EQ(again.windowBatch, 3);
  EXPECT_EQ(again.window, pipeline.window);
  EXPECT_EQ(again.postProcessing->untouchedClasses, pipeline.postProcessing->untouchedClasses);
  // Without windows they are the patch.
  EXPECT_EQ(U2NetPipeline::FromJson(R"({"u2net": {"patch": [4, 5, 6]}})").window, (itk::nn::Shape{ 4, 5, 6 }));

  EXPECT_TRUE(U2NetPipeline::IsIn(pipeline.ToJson()));
  for (const char * text : { "", "[]", "{}", R"({"transforms": []})", "{" })
  {
    EXPECT_FALSE(U2NetPipeline::IsIn(text)) << text;
    EXPECT_ERROR(U2NetPipeline::FromJson(text), "should be a JSON object with the key 'u2net'");
  }
  const std::pair<const char *, const char *> cases[] = {
    { "[]", "'u2net' is [], should be an object" },
    { "{}", "the patch is [], should be three extents" },
    { R"({"patch": [4, 5, 0]})", "the patch is [4, 5, 0], should be three extents" },
    { R"({"patch": "all"})", "'u2net.patch' is \"all\", should be a list of three integers" },
    { R"({"patch": [4, 4, 4], "window": [4, 4]})", "the window is [4, 4]" },
    { R"({"patch": [4, 4, 4], "spacing": [1, 1]})", "spacing" },
    { R"({"patch": [4, 4, 4], "margin": 1.5})", "'u2net.margin' is 1.5, should be an integer" },
    { R"({"patch": [4, 4, 4], "percentiles": [2]})", "'u2net.percentiles' has 1 entries, should have 2" },
    { R"({"patch": [4, 4, 4], "percentiles": [98, 2]})", "percentile" },
    { R"({"patch": [4, 4, 4], "window_batch": 0})", "'window_batch' is 0, should be at least 1" },
    { R"({"patch": [4, 4, 4], "boundary": "mirror"})", R"('u2net.boundary' is "mirror", should be one of ["edge")" },
    { R"({"patch": [4, 4, 4], "post_processing": 1})", "'u2net.post_processing' is 1, should be an object" },
    { R"({"patch": [4, 4, 4], "post_processing": {"components": 3}})", "components" },
    { R"({"patch": [4, 4, 4], "post_processing": {"clears_second_half": 1}})",
      "'u2net.post_processing.clears_second_half' is 1, should be true or false" },
  };
  for (const auto & entry : cases)
  {
    EXPECT_ERROR(U2NetPipeline::FromJson(std::string(R"({"u2net": )") + entry.first + "}"), entry.second);
  }
}

/** The whole inference of u2net_torch behind the preprocessing: padding, resizing, windows, labels. */
class U2NetGoldens : public ::testing::TestWithParam<const char *>
{};

TEST_P(U2NetGoldens, LabelsAgree)
{
  itk::nn::RegisterBackends();
  const std::string folder = std::string("u2net/proc/") + GetParam() + '/';
  for (const char * file : { "config.json", "weights.safetensors", "io.safetensors" })
  {
    ITK_NN_REQUIRE_GOLDEN(folder + file);
  }
  const Json golden = Json::parse(itk::nn::test::ReadText(itk::nn::test::FindGolden(folder + "config.json")));
  const Json network{ { "mode", golden["mode"] },
                      { "num_pool_per_axis", golden["pools"] },
                      { "base_channels", golden["base"] },
                      { "in_channels", golden["in_channels"] },
                      { "num_classes", golden["num_classes"] } };
  const auto runner = std::make_shared<itk::nn::NetworkRunner>(
    itk::nn::Network::Create("u2net", network.dump()),
    std::make_shared<const itk::nn::StateDict>(
      itk::nn::ReadSafeTensors(itk::nn::test::FindGolden(folder + "weights.safetensors")).tensors));
  U2NetPipeline pipeline;
  pipeline.patch = golden["task_patch"].get<itk::nn::Shape>();
  pipeline.window = golden["model_patch"].get<itk::nn::Shape>();
  pipeline.boundary = itk::nn::ResizeBoundary::ZeroOutside;
  pipeline.windowBatch = 2;
  const auto io = itk::nn::ReadSafeTensors(itk::nn::test::FindGolden(folder + "io.safetensors")).tensors;
  const itk::nn::Tensor labels = U2NetSegmenter(runner, pipeline).PredictLabels(io.Get("image"));
  EXPECT_EQ(labels.GetShape(), io.Get("label").GetShape());
  const auto found = labels.ToVector<int>();
  const auto expected = io.Get("label").ToVector<int>();
  std::size_t equal = 0;
  for (std::size_t i = 0; i < found.size(); ++i)
  {
    equal += found[i] == expected[i] ? 1 : 0;
  }
  // Corners of windows have weights of 1e-20, so that some labels are a matter of rounding.
  EXPECT_GE(static_cast<double>(equal), 0.999 * static_cast<double>(found.size()));
  EXPECT_GT(std::count(expected.begin(), expected.end(), 1), 0);
}

INSTANTIATE_TEST_SUITE_P(Cases,
                         U2NetGoldens,
                         ::testing::Values("infer_independent",
                                           "infer_independent_small_volume",
                                           "infer_universal_resized"));

/** The steps one by one give the filter's result. */
TEST(U2NetAdapterFilter, PreparesPredictsCleansAndRestores)
{
  const auto model = MakeModel();
  U2NetPipeline pipeline = MakePipeline();
  pipeline.postProcessing.emplace();
  pipeline.postProcessing->classes = 3;
  const auto filter = MakeFilter();
  filter->SetModel(model);
  filter->SetInput(0, MakeVolume(9));
  filter->SetInput(1, MakeVolume(10));
  filter->SetTask(1);
  filter->SetPipeline(pipeline.ToJson());
  filter->Update();
  const auto found = GetLabels(filter->GetOutput());

  itk::nn::RawCase images;
  for (const unsigned int seed : { 9U, 10U })
  {
    // The segmenter's images begin at index 0.
    const auto volume = MakeVolume(seed);
    VolumeType::PointType origin;
    volume->TransformIndexToPhysicalPoint(volume->GetLargestPossibleRegion().GetIndex(), origin);
    volume->SetOrigin(origin);
    volume->SetRegions(volume->GetLargestPossibleRegion().GetSize());
    images.modalities.push_back({ volume.GetPointer(), itk::nn::DataType::Float32 });
  }
  const auto prepared = pipeline.preprocessing.Apply(images);
  EXPECT_EQ(prepared.volumes.GetShape()[0], 2);
  const U2NetSegmenter segmenter(model->GetRunner({}, 1), pipeline);
  const itk::nn::Tensor plain = segmenter.PredictLabels(prepared.volumes);
  const itk::nn::Tensor cleaned = pipeline.postProcessing->Apply(plain, prepared.weight);
  const auto expected = itk::nn::U2NetPreprocessing::Restore(cleaned, prepared.grid);
  const auto * labels = expected->GetBufferPointer();
  EXPECT_EQ(found, std::vector<int>(labels, labels + found.size()));
  EXPECT_NE(plain.ToVector<int>(), cleaned.ToVector<int>());
  EXPECT_GT(std::count(found.begin(), found.end(), 0), 0);
  EXPECT_GT(std::count_if(found.begin(), found.end(), [](int label) { return label > 0; }), 0);
}

TEST(U2NetAdapterFilter, KeepsTheGeometry)
{
  const auto filter = MakeFilter();
  const auto input = MakeVolume();
  VolumeType::DirectionType direction;
  direction.Fill(0);
  direction[0][1] = direction[1][0] = 1;
  direction[2][2] = -1;
  input->SetDirection(direction);
  filter->SetInput(input);
  filter->Update();
  const auto * output = filter->GetOutput();
  EXPECT_EQ(output->GetLargestPossibleRegion(), input->GetLargestPossibleRegion());
  EXPECT_EQ(output->GetBufferedRegion(), input->GetLargestPossibleRegion());
  EXPECT_EQ(output->GetSpacing(), input->GetSpacing());
  EXPECT_EQ(output->GetOrigin(), input->GetOrigin());
  EXPECT_EQ(output->GetDirection(), direction);
  // What the network sees does not depend on how the image lies in space.
  const auto other = MakeFilter();
  other->Update();
  EXPECT_EQ(GetLabels(output), GetLabels(other->GetOutput()));
  // The frame of zeros is cut away and stays background.
  for (itk::ImageRegionConstIteratorWithIndex<LabelVolumeType> it(output, output->GetBufferedRegion()); !it.IsAtEnd();
       ++it)
  {
    if (it.GetIndex()[0] < 4 || it.GetIndex()[1] < -2)
    {
      ASSERT_EQ(it.Get(), 0) << it.GetIndex();
    }
  }
}

TEST(U2NetAdapterFilter, TasksByNumberAndName)
{
  const auto labelsOf = [](int task, const std::string & name)
  {
    const auto filter = MakeFilter();
    filter->SetTask(task);
    filter->SetTaskName(name);
    filter->Update();
    return GetLabels(filter->GetOutput());
  };
  const auto first = labelsOf(-1, "");
  EXPECT_EQ(labelsOf(0, ""), first);
  EXPECT_EQ(labelsOf(-1, "heart"), first);
  EXPECT_EQ(labelsOf(0, "prostate"), first) << "the number comes first";
  const auto filter = MakeFilter();
  filter->SetTaskName("prostate");
  EXPECT_ERROR(filter->Update(), "has shape [1, 1, 8, 8, 8], should be [B, 2, D, H, W]");
  filter->SetInput(1, MakeVolume(10));
  filter->Update();
  EXPECT_NE(GetLabels(filter->GetOutput()), first);
}

TEST(U2NetAdapterFilter, PresetsOfThePaper)
{
  const auto filter = FilterType::New();
  filter->SetInput(MakeVolume(9, { { 16, 16, 16 } }));
  filter->SetModel(MakeModel(false));
  EXPECT_ERROR(filter->Update(), "card does not say how images of the task are prepared; call SetPreset()");
  filter->SetPreset("hippocampus");
  filter->SetWindowSize({ { 8, 12, 0 } });
  filter->Update();
  const auto found = GetLabels(filter->GetOutput());
  const auto explicitly = FilterType::New();
  explicitly->SetInput(MakeVolume(9, { { 16, 16, 16 } }));
  explicitly->SetModel(MakeModel(false));
  explicitly->SetPipeline(U2NetPipeline::Make(itk::nn::U2NetTask::Get("hippocampus"), { 40, 12, 8 }).ToJson());
  explicitly->Update();
  EXPECT_EQ(found, GetLabels(explicitly->GetOutput()));
  filter->SetPreset("kidney");
  EXPECT_ERROR(filter->Update(), "The task is 'kidney'; should be one of Task02_Heart");
}

TEST(U2NetAdapterFilter, IntegerImages)
{
  using ShortType = itk::Image<short, 3>;
  using ShortFilter = itk::U2NetAdapterFilter<ShortType, itk::Image<short, 3>>;
  const auto image = MakeImage<ShortType>({ { 12, 20, 14 } }, { { 0, 0, 0 } });
  const auto same = MakeImage<VolumeType>({ { 12, 20, 14 } }, { { 0, 0, 0 } });
  Random random(3);
  for (std::size_t i = 0; i < image->GetLargestPossibleRegion().GetNumberOfPixels(); ++i)
  {
    image->GetBufferPointer()[i] = static_cast<short>(100 * (2 + random()));
    same->GetBufferPointer()[i] = image->GetBufferPointer()[i];
  }
  const auto filter = ShortFilter::New();
  filter->SetInput(image);
  filter->SetModel(MakeModel());
  filter->Update();
  itk::nn::RawCase images;
  images.modalities.push_back({ same.GetPointer(), itk::nn::DataType::Int16 });
  const auto model = MakeModel();
  const auto expected = U2NetSegmenter(model->GetRunner({}, 0), MakePipeline()).Segment(images);
  for (std::size_t i = 0; i < image->GetLargestPossibleRegion().GetNumberOfPixels(); ++i)
  {
    ASSERT_EQ(filter->GetOutput()->GetBufferPointer()[i], expected->GetBufferPointer()[i]) << i;
  }
}

TEST(U2NetAdapterFilter, NeedsTheWholeInput)
{
  const auto filter = MakeFilter();
  filter->UpdateOutputInformation();
  auto part = filter->GetOutput()->GetLargestPossibleRegion();
  part.SetSize(0, 2);
  filter->GetOutput()->SetRequestedRegion(part);
  filter->Update();
  EXPECT_EQ(filter->GetOutput()->GetBufferedRegion(), filter->GetOutput()->GetLargestPossibleRegion());
}

TEST(U2NetAdapterFilter, ProgressAndAbort)
{
  const auto filter = MakeFilter();
  std::vector<float> progress;
  const auto command = itk::CStyleCommand::New();
  command->SetClientData(&progress);
  command->SetCallback(
    [](itk::Object * caller, const itk::EventObject &, void * data)
    { static_cast<std::vector<float> *>(data)->push_back(dynamic_cast<itk::ProcessObject *>(caller)->GetProgress()); });
  filter->AddObserver(itk::ProgressEvent(), command);
  filter->Update();
  ASSERT_GE(progress.size(), 3U);
  EXPECT_TRUE(std::is_sorted(progress.begin(), progress.end()));
  EXPECT_EQ(progress.back(), 1);
  const auto expected = GetLabels(filter->GetOutput());

  const auto stopping = MakeFilter();
  const auto stop = itk::CStyleCommand::New();
  stop->SetCallback(
    [](itk::Object * caller, const itk::EventObject &, void *)
    {
      auto * process = dynamic_cast<itk::ProcessObject *>(caller);
      if (process->GetProgress() > 0.2)
      {
        process->AbortGenerateDataOn();
      }
    });
  const auto tag = stopping->AddObserver(itk::ProgressEvent(), stop);
  EXPECT_THROW(stopping->Update(), itk::ProcessAborted);
  EXPECT_EQ(stopping->GetOutput()->GetBufferedRegion().GetNumberOfPixels(), 0U);
  stopping->RemoveObserver(tag);
  stopping->AbortGenerateDataOff();
  stopping->Update();
  EXPECT_EQ(GetLabels(stopping->GetOutput()), expected);
}

TEST(U2NetAdapterFilter, BadInput)
{
  const auto refuse = [](const std::function<void(FilterType &)> & change, const std::string & error)
  {
    const auto filter = MakeFilter();
    change(*filter);
    EXPECT_ERROR(filter->Update(), error);
    EXPECT_EQ(filter->GetOutput()->GetBufferedRegion().GetNumberOfPixels(), 0U) << error;
  };
  EXPECT_ERROR(
    [&]
    {
      const auto filter = FilterType::New();
      filter->SetInput(MakeVolume());
      filter->Update();
    }(),
    "No model is given; call SetModel()");
  refuse([](FilterType & f) { f.SetTask(2); }, "task is 2, should be 0 to 1");
  refuse([](FilterType & f) { f.SetTaskName("lung"); }, "The model has no task 'lung'; it has heart, prostate");
  refuse([](FilterType & f) { f.SetPipeline("{}"); }, "should be a JSON object with the key 'u2net'");
  refuse([](FilterType & f) { f.SetBackend("abacus"); }, "abacus");
  refuse([](FilterType & f) { f.SetDevice("toaster"); }, "toaster");
  refuse([](FilterType & f) { f.SetPrecision("float8"); }, "float8");
  refuse([](FilterType & f) { f.SetInput(MakeVolume(9, { { 8, 8, 0 } })); }, "The input image has no pixels");
  refuse(
    [](FilterType & f)
    {
      const auto volume = MakeVolume();
      volume->SetPixel({ { 4, -1, 23 } }, std::numeric_limits<float>::quiet_NaN());
      f.SetInput(volume);
    },
    "NaN or infinite at index [4, -1, 23]");
  refuse(
    [](FilterType & f)
    {
      const auto volume = MakeVolume();
      volume->FillBuffer(0);
      f.SetInput(volume);
    },
    "0 everywhere");
  refuse(
    [](FilterType & f)
    {
      f.SetTask(1);
      f.SetInput(1, MakeVolume(9, { { 12, 20, 13 } }));
    },
    "size");
  refuse(
    [](FilterType & f)
    {
      U2NetPipeline pipeline = MakePipeline();
      pipeline.window = { 8, 7, 8 };
      f.SetPipeline(pipeline.ToJson());
    },
    "should be");
}

TEST(U2NetAdapterFilter, SettingsAndPrint)
{
  const auto filter = FilterType::New();
  EXPECT_STREQ(filter->GetNameOfClass(), "U2NetAdapterFilter");
  EXPECT_EQ(filter->GetTask(), -1);
  EXPECT_EQ(filter->GetTaskName(), "");
  EXPECT_EQ(filter->GetPreset(), "");
  EXPECT_EQ(filter->GetPipeline(), "");
  EXPECT_EQ(filter->GetWindowSize(), (FilterType::SizeType{ { 0, 0, 0 } }));
  EXPECT_EQ(filter->GetBackend(), "auto");
  EXPECT_EQ(filter->GetDevice(), "cpu");
  EXPECT_EQ(filter->GetPrecision(), "float32");
  EXPECT_FALSE(filter->GetDeterministic());
  EXPECT_EQ(filter->GetModel(), nullptr);
  const auto before = filter->GetMTime();
  filter->SetTask(-1);
  EXPECT_EQ(filter->GetMTime(), before);
  filter->SetTask(2);
  EXPECT_GT(filter->GetMTime(), before);
  filter->SetTaskName("liver");
  filter->SetPreset("heart");
  filter->SetPipeline("{}");
  filter->SetWindowSize({ { 1, 2, 3 } });
  filter->SetBackend("onednn");
  filter->SetDevice("auto");
  filter->SetPrecision("float64");
  filter->DeterministicOn();
  EXPECT_EQ(filter->GetTaskName(), "liver");
  EXPECT_EQ(filter->GetPipeline(), "{}");
  EXPECT_TRUE(filter->GetDeterministic());
  std::ostringstream printed;
  filter->Print(printed);
  for (const char * line : { "Task: 2",
                             "TaskName: liver",
                             "Preset: heart",
                             "WindowSize: [1, 2, 3]",
                             "Pipeline: {}",
                             "Backend: onednn",
                             "Device: auto",
                             "Precision: float64",
                             "Deterministic: On" })
  {
    EXPECT_NE(printed.str().find(line), std::string::npos) << line;
  }
}
