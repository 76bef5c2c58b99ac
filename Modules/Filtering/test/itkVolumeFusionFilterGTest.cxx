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
#include "itkVolumeFusionFilter.h"

#include "itkCommand.h"
#include "itkFilteringTestHelpers.h"
#include "itkNNSafeTensors.h"
#include "itkNNTestGoldens.h"
#include "itkNNTestTargets.h"
#include "itkStreamingImageFilter.h"
#include "nlohmann/json.hpp"

#include <algorithm>
#include <set>
#include <sstream>

using namespace itk::test;
using itk::nn::PythonRandom;
using itk::nn::VolumeFusionGrid;
using itk::nn::VolumeFusionOptions;
using ImageType = itk::Image<float, 3>;
using ExactType = itk::Image<double, 3>;
using LabelType = itk::Image<unsigned char, 3>;
using FilterType = itk::VolumeFusionFilter<ImageType>;
using ExactFilterType = itk::VolumeFusionFilter<ImageType, ExactType>;

namespace
{
template <typename TImage>
typename TImage::Pointer
MakeNoise(const typename TImage::SizeType & size, std::uint64_t seed, const typename TImage::IndexType & index = {})
{
  const auto image = MakeImage<TImage>(size, index);
  Random random(seed);
  std::generate_n(
    image->GetBufferPointer(), image->GetLargestPossibleRegion().GetNumberOfPixels(), [&random] { return random(); });
  return image;
}

FilterType::Pointer
MakeFilter()
{
  const auto filter = FilterType::New();
  filter->SetForegroundImage(MakeNoise<ImageType>({ { 28, 24, 20 } }, 1));
  filter->SetBackgroundImage(MakeNoise<ImageType>({ { 28, 24, 20 } }, 2));
  filter->SetMinimumBlockSize({ { 4, 4, 3 } });
  filter->SetMaximumBlockSize({ { 12, 10, 8 } });
  filter->SetSeed(11);
  return filter;
}

/** Sizes in the reference's order of axes. */
FilterType::SizeType
ToSize(const nlohmann::json & sizes)
{
  return { { sizes.at(2).get<itk::SizeValueType>(),
             sizes.at(1).get<itk::SizeValueType>(),
             sizes.at(0).get<itk::SizeValueType>() } };
}

ImageType::Pointer
ToVolume(const itk::nn::Tensor & tensor)
{
  const auto & shape = tensor.GetShape();
  const auto image = MakeImage<ImageType>({ { static_cast<itk::SizeValueType>(shape[3]),
                                              static_cast<itk::SizeValueType>(shape[2]),
                                              static_cast<itk::SizeValueType>(shape[1]) } });
  const auto values = tensor.ToVector<float>();
  std::copy(values.begin(), values.end(), image->GetBufferPointer());
  return image;
}
} // namespace

TEST(VolumeFusionGrid, BlocksAndShares)
{
  PythonRandom random(5);
  VolumeFusionOptions options;
  options.minimumBlock = { 2, 3 };
  options.maximumBlock = { 4, 3 };
  for (int i = 0; i < 50; ++i)
  {
    const VolumeFusionGrid grid = VolumeFusionGrid::Draw(random, options, { 13, 20 });
    EXPECT_EQ(grid.block[1], 3);
    EXPECT_EQ(grid.count, (itk::nn::Shape{ 13 / grid.block[0], 6 }));
    for (std::size_t axis = 0; axis < 2; ++axis)
    {
      EXPECT_GE(grid.offset[axis], 0);
      EXPECT_LE(grid.offset[axis] + grid.count[axis] * grid.block[axis], axis == 0 ? 13 : 20);
    }
    const auto background = std::count(grid.classes.begin(), grid.classes.end(), 0);
    const std::size_t blocks = grid.classes.size();
    EXPECT_EQ(blocks - static_cast<std::size_t>(background),
              static_cast<std::size_t>(0.7 * static_cast<double>(blocks)));
    EXPECT_LE(*std::max_element(grid.classes.begin(), grid.classes.end()), 4);
  }
}

TEST(VolumeFusionGrid, RowsOfLabels)
{
  VolumeFusionGrid grid;
  grid.block = { 2, 3 };
  grid.offset = { 1, 2 };
  grid.count = { 2, 2 };
  grid.classes = { 1, 2, 3, 4 };
  const auto row = [&grid](std::int64_t y, std::int64_t x, std::int64_t length)
  {
    std::vector<VolumeFusionGrid::Run> runs(7);
    grid.GetRuns({ y, x }, length, runs);
    std::vector<int> labels;
    for (const auto & run : runs)
    {
      EXPECT_EQ(run.begin, static_cast<std::int64_t>(labels.size()));
      EXPECT_GT(run.end, run.begin);
      labels.resize(static_cast<std::size_t>(run.end), run.number);
    }
    return labels;
  };
  EXPECT_EQ(row(0, 0, 9), (std::vector<int>(9, 0)));
  EXPECT_EQ(row(2, 0, 9), (std::vector<int>{ 0, 0, 1, 1, 1, 2, 2, 2, 0 }));
  EXPECT_EQ(row(3, 4, 3), (std::vector<int>{ 3, 4, 4 }));
  EXPECT_EQ(row(5, 0, 3), (std::vector<int>(3, 0)));
}

TEST(VolumeFusionGrid, Errors)
{
  PythonRandom random(0);
  const auto refuse = [&random](auto change, const std::string & message)
  {
    VolumeFusionOptions options;
    change(options);
    EXPECT_NN_ERROR(VolumeFusionGrid::Draw(random, options, { 8, 9, 10 }), message);
  };
  refuse([](VolumeFusionOptions & o) { o.classes = 1; }, "number of classes is 1; should be from 2 to 256");
  refuse([](VolumeFusionOptions & o) { o.classes = 257; }, "257");
  refuse([](VolumeFusionOptions & o) { o.foregroundRatio = 1.5; }, "foreground ratio is 1.5");
  refuse([](VolumeFusionOptions & o) { o.minimumBlock = { 1, 1 }; }, "should have the 3 axes");
  refuse([](VolumeFusionOptions & o) { o.minimumBlock = { 0, 1, 1 }; }, "from [0, 1, 1] to [32, 32, 32]");
  refuse([](VolumeFusionOptions & o) { o.maximumBlock = { 8, 7, 8 }; }, "the least first");
}

TEST(VolumeFusionFilter, GoldensFromTheSeedOfTheReference)
{
  const std::string golden = "misfm/volf_a_fusion";
  ITK_NN_REQUIRE_GOLDEN(golden + ".safetensors");
  const auto cases =
    nlohmann::json::parse(itk::nn::test::ReadText(itk::nn::test::FindGolden(golden + ".json"))).at("cases");
  const auto tensors = itk::nn::ReadSafeTensors(itk::nn::test::FindGolden(golden + ".safetensors")).tensors;
  ASSERT_GE(cases.size(), 4U);
  for (const auto & [name, expectation] : cases.items())
  {
    const auto filter = ExactFilterType::New();
    filter->SetForegroundImage(ToVolume(tensors.Get("image1")));
    filter->SetBackgroundImage(ToVolume(tensors.Get("image2")));
    const auto & parameters = expectation.at("params");
    filter->SetNumberOfClasses(parameters.value("VolumeFusion_cls_num", 5U));
    filter->SetForegroundRatio(parameters.value("VolumeFusion_foreground_ratio", 0.7));
    filter->SetMinimumBlockSize(ToSize(parameters.at("VolumeFusion_patchsize_min")));
    filter->SetMaximumBlockSize(ToSize(parameters.at("VolumeFusion_patchsize_max")));
    filter->SetSeed(expectation.at("python_random_seed").get<std::int64_t>());
    filter->Update();
    EXPECT_EQ(GetPixels(filter->GetLabelOutput()), tensors.Get(name + "/label").ToVector<double>()) << name;
    const auto fused = GetPixels(filter->GetOutput());
    const auto expected = tensors.Get(name + "/fused").ToVector<double>();
    ASSERT_EQ(fused.size(), expected.size());
    for (std::size_t i = 0; i < fused.size(); ++i)
    {
      ASSERT_NEAR(fused[i], expected[i], 1e-12) << name << " voxel " << i;
    }
  }
}

TEST(VolumeFusionFilter, EachPixelIsTheMixtureOfItsClass)
{
  const auto filter = MakeFilter();
  filter->SetNumberOfClasses(3);
  filter->Update();
  const auto fused = GetPixels(filter->GetOutput());
  const auto labels = GetPixels(filter->GetLabelOutput());
  const auto foreground = GetPixels(filter->GetForegroundImage());
  const auto background = GetPixels(filter->GetBackgroundImage());
  std::set<double> found;
  for (std::size_t i = 0; i < fused.size(); ++i)
  {
    found.insert(labels[i]);
    ASSERT_NEAR(fused[i], labels[i] / 2 * foreground[i] + (1 - labels[i] / 2) * background[i], 1e-6);
  }
  EXPECT_EQ(found, (std::set<double>{ 0, 1, 2 }));
}

TEST(VolumeFusionFilter, TwoDimensionsAndBytes)
{
  using PictureType = itk::Image<unsigned char, 2>;
  const auto filter = itk::VolumeFusionFilter<PictureType>::New();
  const auto bright = MakeImage<PictureType>({ { 40, 30 } });
  bright->FillBuffer(200);
  filter->SetForegroundImage(bright);
  filter->SetBackgroundImage(MakeImage<PictureType>({ { 40, 30 } }));
  filter->SetNumberOfClasses(2);
  filter->SetMinimumBlockSize({ { 4, 4 } });
  filter->SetMaximumBlockSize({ { 8, 8 } });
  filter->Update();
  const auto fused = GetPixels(filter->GetOutput());
  const auto labels = GetPixels(filter->GetLabelOutput());
  for (std::size_t i = 0; i < fused.size(); ++i)
  {
    ASSERT_EQ(fused[i], 200 * labels[i]);
  }
  EXPECT_GT(std::count(labels.begin(), labels.end(), 1), 0);
}

TEST(VolumeFusionFilter, GeometryRegionsAndStreaming)
{
  const ImageType::IndexType index{ { 3, -4, 20 } };
  const double spacing[] = { 0.5, 2.0, 3.0 };
  const double origin[] = { 7.0, 8.0, 9.0 };
  const auto filter = MakeFilter();
  for (const bool isForeground : { true, false })
  {
    const auto image = MakeNoise<ImageType>({ { 28, 24, 20 } }, isForeground ? 1 : 2, index);
    image->SetSpacing(spacing);
    image->SetOrigin(origin);
    isForeground ? filter->SetForegroundImage(image) : filter->SetBackgroundImage(image);
  }
  filter->Update();
  for (const itk::ImageBase<3> * output : { static_cast<itk::ImageBase<3> *>(filter->GetOutput()),
                                            static_cast<itk::ImageBase<3> *>(filter->GetLabelOutput()) })
  {
    EXPECT_EQ(output->GetLargestPossibleRegion(), filter->GetForegroundImage()->GetLargestPossibleRegion());
    EXPECT_EQ(output->GetSpacing(), filter->GetForegroundImage()->GetSpacing());
    EXPECT_EQ(output->GetOrigin(), filter->GetForegroundImage()->GetOrigin());
  }
  const auto whole = GetPixels(filter->GetOutput());
  const auto atZero = MakeFilter();
  atZero->Update();
  EXPECT_EQ(GetPixels(atZero->GetOutput()), whole) << "where the image begins does not matter";

  const auto streaming = itk::StreamingImageFilter<ImageType, ImageType>::New();
  streaming->SetInput(filter->GetOutput());
  streaming->SetNumberOfStreamDivisions(5);
  filter->Modified();
  streaming->Update();
  EXPECT_EQ(GetPixels(streaming->GetOutput()), whole);
}

TEST(VolumeFusionFilter, StreamsOfRandomNumbers)
{
  const auto filter = MakeFilter();
  filter->Update();
  const auto first = GetPixels(filter->GetLabelOutput());
  PythonRandom after = filter->GetNextRandom();
  filter->Modified();
  filter->Update();
  EXPECT_EQ(GetPixels(filter->GetLabelOutput()), first) << "an execution repeats";
  EXPECT_EQ(PythonRandom(filter->GetNextRandom()).Random(), PythonRandom(after).Random());

  const auto next = MakeFilter();
  next->SetRandom(after);
  next->Update();
  EXPECT_NE(GetPixels(next->GetLabelOutput()), first);

  PythonRandom own(11);
  VolumeFusionOptions options;
  options.minimumBlock = { 3, 4, 4 };
  options.maximumBlock = { 8, 10, 12 };
  const VolumeFusionGrid grid = VolumeFusionGrid::Draw(own, options, { 20, 24, 28 });
  EXPECT_EQ(filter->GetGrid().block, grid.block);
  EXPECT_EQ(filter->GetGrid().classes, grid.classes);
  EXPECT_EQ(own.Random(), after.Random());
}

TEST(VolumeFusionFilter, ProgressAndAbort)
{
  const auto filter = MakeFilter();
  filter->SetNumberOfWorkUnits(8);
  float last = -1;
  bool ascends = true;
  int events = 0;
  const auto command = itk::CStyleCommand::New();
  std::tuple<float *, bool *, int *> data{ &last, &ascends, &events };
  command->SetClientData(&data);
  command->SetCallback(
    [](itk::Object * caller, const itk::EventObject &, void * state)
    {
      const auto & [most, isAscending, count] = *static_cast<std::tuple<float *, bool *, int *> *>(state);
      const float progress = dynamic_cast<itk::ProcessObject &>(*caller).GetProgress();
      *isAscending = *isAscending && progress >= *most;
      *most = progress;
      ++*count;
    });
  filter->AddObserver(itk::ProgressEvent(), command);
  filter->Update();
  EXPECT_TRUE(ascends);
  EXPECT_GT(events, 2);
  EXPECT_EQ(last, 1.0F);

  const auto aborted = MakeFilter();
  const auto abort = itk::CStyleCommand::New();
  abort->SetCallback([](itk::Object * caller, const itk::EventObject &, void *)
                     { dynamic_cast<itk::ProcessObject &>(*caller).AbortGenerateDataOn(); });
  const auto tag = aborted->AddObserver(itk::ProgressEvent(), abort);
  EXPECT_THROW(aborted->Update(), itk::ProcessAborted);
  aborted->RemoveObserver(tag);
  aborted->Update();
  EXPECT_EQ(GetPixels(aborted->GetOutput()), GetPixels(filter->GetOutput()));
}

namespace
{
/** Whether there is a device of CUDA, which may be emulated. */
bool
HasCuda()
{
  return itk::nn::test::IsRegistered("cuda");
}

/** Both outputs of a filter on the cpu and on a device. */
template <typename TFilter>
void
CheckDevice(TFilter * filter)
{
  filter->SetDevice("cpu");
  filter->UpdateLargestPossibleRegion();
  const auto fused = GetPixels(filter->GetOutput());
  const auto labels = GetPixels(filter->GetLabelOutput());
  for (const std::string device : { "cuda", "auto" })
  {
    filter->SetDevice(device);
    filter->UpdateLargestPossibleRegion();
    EXPECT_EQ(GetPixels(filter->GetOutput()), fused) << device;
    EXPECT_EQ(GetPixels(filter->GetLabelOutput()), labels) << device;
  }
}
} // namespace

TEST(VolumeFusionFilter, DevicesMakeTheSameImages)
{
  if (!HasCuda())
  {
    GTEST_SKIP() << "there is no CUDA device";
  }
  const auto filter = MakeFilter();
  EXPECT_EQ(filter->GetDevice(), "cpu");
  CheckDevice(filter.GetPointer());
  // One plan for all seeds; another for other options.
  for (const int seed : { 12, 13, 14 })
  {
    filter->SetSeed(seed);
    CheckDevice(filter.GetPointer());
  }
  filter->SetNumberOfClasses(3);
  filter->SetMinimumBlockSize({ { 2, 2, 2 } });
  CheckDevice(filter.GetPointer());
  filter->SetForegroundImage(MakeNoise<ImageType>({ { 16, 13, 9 } }, 3, { { 5, -2, 7 } }));
  filter->SetBackgroundImage(MakeNoise<ImageType>({ { 16, 13, 9 } }, 4, { { 5, -2, 7 } }));
  CheckDevice(filter.GetPointer());

  using PictureType = itk::Image<unsigned char, 2>;
  const auto pictures = itk::VolumeFusionFilter<PictureType, itk::Image<double, 2>, itk::Image<short, 2>>::New();
  const auto bright = MakeImage<PictureType>({ { 40, 30 } });
  bright->FillBuffer(201);
  pictures->SetForegroundImage(bright);
  pictures->SetBackgroundImage(MakeImage<PictureType>({ { 40, 30 } }));
  pictures->SetNumberOfClasses(256);
  pictures->SetMinimumBlockSize({ { 4, 4 } });
  pictures->SetMaximumBlockSize({ { 8, 8 } });
  CheckDevice(pictures.GetPointer());
}

TEST(VolumeFusionFilter, DevicesStreamAndAbort)
{
  if (!HasCuda())
  {
    GTEST_SKIP() << "there is no CUDA device";
  }
  const auto filter = MakeFilter();
  filter->Update();
  const auto whole = GetPixels(filter->GetOutput());
  filter->SetDevice("cuda");
  const auto streaming = itk::StreamingImageFilter<ImageType, ImageType>::New();
  streaming->SetInput(filter->GetOutput());
  streaming->SetNumberOfStreamDivisions(5);
  streaming->Update();
  EXPECT_EQ(GetPixels(streaming->GetOutput()), whole);

  const auto aborted = MakeFilter();
  aborted->SetDevice("cuda");
  const auto abort = itk::CStyleCommand::New();
  abort->SetCallback([](itk::Object * caller, const itk::EventObject &, void *)
                     { dynamic_cast<itk::ProcessObject &>(*caller).AbortGenerateDataOn(); });
  const auto tag = aborted->AddObserver(itk::ProgressEvent(), abort);
  EXPECT_THROW(aborted->Update(), itk::ProcessAborted);
  aborted->RemoveObserver(tag);
  aborted->Update();
  EXPECT_EQ(GetPixels(aborted->GetOutput()), whole);
}

TEST(VolumeFusionRunner, DevicesAndErrors)
{
  itk::nn::VolumeFusionRunner runner;
  EXPECT_FALSE(runner.UseDevice("cpu"));
  EXPECT_EQ(runner.UseDevice("auto"), HasCuda());
  EXPECT_NN_ERROR(runner.UseDevice("gpu"), "gpu");
  VolumeFusionOptions options;
  options.minimumBlock = { 2, 2 };
  options.maximumBlock = { 3, 3 };
  PythonRandom random(3);
  const VolumeFusionGrid grid = VolumeFusionGrid::Draw(random, options, { 6, 7 });
  const itk::nn::Tensor image = itk::nn::Tensor::Full({ 6, 7 }, 2);
  EXPECT_FALSE(runner.UseDevice("cpu"));
  const auto results = runner.Run(options, grid, { 0, 0 }, image, itk::nn::Tensor::Zeros({ 6, 7 }));
  const auto fused = results.at("fused").ToVector<double>();
  const auto labels = results.at("labels").ToVector<double>();
  EXPECT_EQ(results.at("fused").GetShape(), (itk::nn::Shape{ 1, 1, 6, 7 }));
  for (std::size_t i = 0; i < fused.size(); ++i)
  {
    EXPECT_EQ(fused[i], labels[i] / 2);
  }
  EXPECT_NN_ERROR(runner.Run(options, grid, { 0, 0 }, image, itk::nn::Tensor::Zeros({ 6, 6 })), "background");
  EXPECT_NN_ERROR(runner.Run(options, grid, { 0 }, image, image), "the position [0] should have the axes");
}

TEST(VolumeFusionFilter, ParametersAndErrors)
{
  const auto filter = FilterType::New();
  EXPECT_EQ(filter->GetNumberOfClasses(), 5U);
  EXPECT_EQ(filter->GetForegroundRatio(), 0.7);
  EXPECT_EQ(filter->GetMinimumBlockSize(), (FilterType::SizeType{ { 8, 8, 8 } }));
  EXPECT_EQ(filter->GetMaximumBlockSize(), (FilterType::SizeType{ { 32, 32, 32 } }));
  std::ostringstream text;
  filter->Print(text);
  EXPECT_NE(text.str().find("NumberOfClasses: 5"), std::string::npos);
  EXPECT_NE(text.str().find("Device: cpu"), std::string::npos);
  EXPECT_STREQ(filter->GetNameOfClass(), "VolumeFusionFilter");
  EXPECT_THROW(filter->Update(), itk::ExceptionObject) << "no inputs";

  const auto other = MakeFilter();
  other->SetBackgroundImage(MakeNoise<ImageType>({ { 28, 24, 19 } }, 2));
  EXPECT_ERROR(other->Update(), "The background image has the size [28, 24, 19]");
  const auto moved = MakeFilter();
  const auto image = MakeNoise<ImageType>({ { 28, 24, 20 } }, 2);
  const double spacing[] = { 1.0, 1.0, 2.0 };
  image->SetSpacing(spacing);
  moved->SetBackgroundImage(image);
  EXPECT_ERROR(moved->Update(), "physical space");
  const auto device = MakeFilter();
  device->SetDevice("gpu");
  EXPECT_ERROR(device->Update(), "gpu");
  const auto none = MakeFilter();
  none->SetNumberOfClasses(1);
  EXPECT_ERROR(none->Update(), "number of classes is 1");
  const auto blocks = MakeFilter();
  blocks->SetMinimumBlockSize({ { 13, 4, 4 } });
  EXPECT_ERROR(blocks->Update(), "[4, 4, 13] to [8, 10, 12]");
}
