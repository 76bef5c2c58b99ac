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
#include "itkSlidingWindowSegmentationImageFilter.h"

#include "itkCastImageFilter.h"
#include "itkCommand.h"
#include "itkFilteringTestHelpers.h"
#include "itkImageFileReader.h"
#include "itkImageFileWriter.h"
#include "itkMetaImageIO.h"
#include "itkNNSafeTensors.h"
#include "itkNNTestGoldens.h"
#include "itkPipelineMonitorImageFilter.h"
#include "itkStreamingImageFilter.h"
#include "itkVectorImage.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <limits>
#include <sstream>

using namespace itk::test;
using VolumeType = itk::Image<float, 3>;
using LabelVolumeType = itk::Image<unsigned char, 3>;
using FilterType = itk::SlidingWindowSegmentationImageFilter<VolumeType>;
using WindowPlacementEnum = FilterType::WindowPlacementEnum;
using WindowBlendingEnum = FilterType::WindowBlendingEnum;
using RegionType = VolumeType::RegionType;

namespace
{
/** A network with random weights. */
itk::SegmentationModel::Pointer
MakeRandomModel(const std::string & network, const std::string & configuration)
{
  Random random(5);
  itk::nn::StateDict weights;
  for (const auto & parameter : itk::nn::Network::Create(network, configuration)->GetParameters())
  {
    if (parameter.role == itk::nn::Network::Role::Buffer)
    {
      continue;
    }
    itk::nn::Tensor tensor(parameter.shape);
    if (parameter.shape.size() > 1)
    {
      std::generate_n(tensor.GetData<float>(), tensor.GetNumberOfElements(), [&random] { return random(); });
    }
    else
    {
      // No offsets, so that the classes differ.
      const bool isScale =
        parameter.name.find("bias") == std::string::npos && parameter.name.find("running_mean") == std::string::npos;
      tensor = itk::nn::Tensor::Full(parameter.shape, isScale ? 1 : 0);
    }
    weights.Add(parameter.name, tensor);
  }
  itk::nn::ModelCard card;
  card.network = network;
  card.configuration = configuration;
  const auto model = itk::nn::Model::New();
  model->SetWeights(weights);
  model->SetCard(card);
  const auto result = itk::SegmentationModel::New();
  result->SetModel(model);
  return result;
}

/** A small UNet3D, for windows of multiples of 8. */
itk::SegmentationModel::Pointer
MakeModel(unsigned int channels = 1, unsigned int classes = 4, unsigned int features = 2)
{
  std::ostringstream configuration;
  configuration << R"({"in_chns": )" << channels << R"(, "class_num": )" << classes << R"(, "feature_chns": [)"
                << features << R"(, 2, 2, 2], "dropout": [0, 0, 0, 0]})";
  return MakeRandomModel("unet3d", configuration.str());
}

VolumeType::Pointer
MakeVolume(const VolumeType::SizeType & size = { { 12, 20, 26 } },
           const VolumeType::IndexType & index = { { 3, -4, 20 } })
{
  const auto image = MakeImage<VolumeType>(size, index);
  Random random(9);
  std::generate_n(image->GetBufferPointer(),
                  image->GetLargestPossibleRegion().GetNumberOfPixels(),
                  [&random] { return 2 * random(); });
  return image;
}

/** Of a volume of 26 slices, with windows of 8 x 8 x 8 every 4 slices. */
FilterType::Pointer
MakeFilter(itk::SegmentationModel * model)
{
  const auto filter = FilterType::New();
  filter->SetInput(MakeVolume());
  filter->SetModel(model);
  filter->SetWindowSize({ { 8, 8, 8 } });
  filter->ProduceProbabilityOn();
  return filter;
}

std::vector<double>
GetPart(const LabelVolumeType * image, const RegionType & region)
{
  std::vector<double> values;
  for (itk::ImageRegionConstIteratorWithIndex<LabelVolumeType> it(image, region); !it.IsAtEnd(); ++it)
  {
    values.push_back(it.Get());
  }
  return values;
}

/** The regions that a filter's input was asked for, and the windows of each update. */
class Recorder
{
public:
  explicit Recorder(FilterType * filter)
  {
    const auto command = itk::CStyleCommand::New();
    command->SetClientData(this);
    command->SetCallback(
      [](itk::Object * caller, const itk::EventObject &, void * data)
      {
        auto & recorder = *static_cast<Recorder *>(data);
        const auto & recorded = dynamic_cast<FilterType &>(*caller);
        recorder.regions.push_back(recorded.GetInput()->GetRequestedRegion());
        recorder.windows.push_back(recorded.GetNumberOfWindowsRun());
      });
    filter->AddObserver(itk::EndEvent(), command);
  }
  std::vector<RegionType> regions;
  std::vector<itk::SizeValueType> windows;
};

/** What the engine makes of the filter's input. */
itk::nn::Tensor
Predict(const FilterType * filter, const itk::nn::SlidingWindowOptions & options, itk::nn::Tensor & probability)
{
  const auto * image = filter->GetInput();
  const auto & size = image->GetLargestPossibleRegion().GetSize();
  const itk::nn::Shape extents{ static_cast<std::int64_t>(size[2]),
                                static_cast<std::int64_t>(size[1]),
                                static_cast<std::int64_t>(size[0]) };
  itk::nn::Tensor volume({ 1, extents[0], extents[1], extents[2] });
  std::copy_n(image->GetBufferPointer(), volume.GetNumberOfElements(), volume.GetData<float>());
  itk::nn::PlanOptions plan;
  const itk::nn::SlidingWindowPredictor predictor(filter->GetModel()->GetRunner(plan), 1, extents, options);
  itk::nn::Tensor logits({ predictor.GetNumberOfClasses(), extents[0], extents[1], extents[2] });
  predictor.Predict(
    [&](const itk::nn::WindowRegion & region, itk::nn::Tensor & pixels)
    {
      itk::nn::Tensor part = volume;
      for (std::size_t i = 0; i < 3; ++i)
      {
        part = part.Slice(static_cast<int>(i) + 1, region.start[i], region.start[i] + region.size[i]);
      }
      pixels.CopyFrom(part);
    },
    [&](const itk::nn::WindowRegion & region, const itk::nn::Tensor & part)
    { logits.Slice(1, region.start[0], region.start[0] + region.size[0]).CopyFrom(part); });
  probability = itk::nn::ComputeProbability(logits, 2);
  return itk::nn::SelectClasses(logits);
}
} // namespace

TEST(SlidingWindowSegmentationImageFilter, IsTheEngineOnTheImagesGrid)
{
  const auto model = MakeModel();
  const auto filter = MakeFilter(model);
  filter->SetProbabilityClass(2);
  itk::nn::SlidingWindowOptions options;
  const auto compare = [&](itk::SizeValueType windows)
  {
    filter->Update();
    itk::nn::Tensor probability;
    const auto labels = Predict(filter, options, probability).ToVector<double>();
    EXPECT_EQ(GetPixels(filter->GetOutput()), labels);
    EXPECT_EQ(GetPixels(filter->GetProbabilityOutput()), probability.ToVector<double>());
    EXPECT_EQ(filter->GetNumberOfWindowsRun(), windows);
    std::vector<double> classes = labels;
    std::sort(classes.begin(), classes.end());
    EXPECT_GE(std::unique(classes.begin(), classes.end()) - classes.begin(), 3);
  };
  // Half a window by default: starts 0, 4, 8, 12, 16, 18 and 0, 4, 8, 12 and 0, 4.
  options.windows.window = { 8, 8, 8 };
  options.windows.stride = { 4, 4, 4 };
  compare(48);

  filter->SetWindowSize({ { 8, 16, 8 } });
  filter->SetWindowStride({ { 8, 5, 3 } });
  filter->SetWindowBlending(WindowBlendingEnum::Constant);
  options.windows.window = { 8, 16, 8 };
  options.windows.stride = { 3, 5, 8 };
  options.blending = itk::nn::WindowBlending::Constant;
  compare(28);

  filter->SetWindowPlacement(WindowPlacementEnum::MONAI);
  filter->SetWindowOverlap(0.5);
  filter->SetWindowSize({ { 16, 8, 8 } });
  filter->SetPaddingValue(0.5);
  options.windows.placement = itk::nn::WindowPlacement::MONAI;
  options.windows.overlap = 0.5;
  options.windows.window = { 8, 8, 16 };
  options.paddingValue = 0.5;
  compare(24);

  filter->SetWindowPlacement(WindowPlacementEnum::NnUNet);
  filter->SetWindowStep(1);
  filter->SetWindowBatchSize(3);
  FilterType::MirrorAxesType axes;
  axes.Fill(false);
  axes[0] = true;
  axes[2] = true;
  filter->SetMirrorAxes(axes);
  options.windows.placement = itk::nn::WindowPlacement::NnUNet;
  options.windows.step = 1;
  options.batchSize = 3;
  options.mirrorAxes = { 0, 2 };
  compare(48);
}

TEST(SlidingWindowSegmentationImageFilter, LabelsOfTheReference)
{
  const std::string file = "misfm/sliding_window";
  ITK_NN_REQUIRE_GOLDEN(file + ".safetensors");
  ITK_NN_REQUIRE_GOLDEN(file + ".weights.safetensors");
  const auto tensors = itk::nn::ReadSafeTensors(itk::nn::test::FindGolden(file + ".safetensors")).tensors;
  const auto volume = MakeImage<VolumeType>({ { 44, 48, 40 } });
  const auto intensities = tensors.Get("volume_40x48x44").ToVector<float>();
  std::copy(intensities.begin(), intensities.end(), volume->GetBufferPointer());
  const auto filter = FilterType::New();
  filter->SetInput(volume);
  filter->SetModel(itk::SegmentationModel::Read(itk::nn::test::FindGolden(file + ".weights.safetensors"), "fmunet"));
  filter->SetWindowSize({ { 32, 32, 16 } });
  filter->SetWindowBatchSize(4);
  filter->Update();
  EXPECT_EQ(filter->GetNumberOfWindowsRun(), 16U);
  const auto labels = GetPixels(filter->GetOutput());
  const auto expected = tensors.Get("b_40x48x44_win16x32x32_stride8x16x16/label").ToVector<double>();
  ASSERT_EQ(labels.size(), expected.size());
  std::size_t differing = 0;
  for (std::size_t i = 0; i < labels.size(); ++i)
  {
    differing += labels[i] != expected[i] ? 1 : 0;
  }
  // Voxels whose two greatest logits are equal but for rounding.
  EXPECT_LE(differing, 4U);
}

TEST(SlidingWindowSegmentationImageFilter, GeometryOutIsGeometryIn)
{
  const auto model = MakeModel();
  const auto filter = MakeFilter(model);
  const auto input = MakeVolume({ { 8, 9, 10 } }, { { -7, 2, 5 } });
  input->SetSpacing(itk::Vector<double, 3>(0.75));
  VolumeType::PointType origin;
  origin[0] = -7;
  origin[1] = 13.5;
  origin[2] = 2;
  input->SetOrigin(origin);
  VolumeType::DirectionType direction;
  direction.Fill(0);
  direction(0, 1) = -1;
  direction(1, 0) = 1;
  direction(2, 2) = 1;
  input->SetDirection(direction);
  filter->SetInput(input);
  filter->Update();
  const auto expectSame = [&](const auto * output)
  {
    EXPECT_EQ(output->GetSpacing(), input->GetSpacing());
    EXPECT_EQ(output->GetOrigin(), origin);
    EXPECT_EQ(output->GetDirection(), direction);
    EXPECT_EQ(output->GetLargestPossibleRegion(), input->GetLargestPossibleRegion());
    EXPECT_EQ(output->GetBufferedRegion(), input->GetLargestPossibleRegion());
  };
  expectSame(filter->GetOutput());
  expectSame(filter->GetProbabilityOutput());
}

TEST(SlidingWindowSegmentationImageFilter, ComponentsAreChannels)
{
  // Two equal images in two forms of pixels, and the model's channels told apart.
  using VectorVolumeType = itk::VectorImage<short, 3>;
  using FixedVolumeType = itk::Image<itk::Vector<float, 2>, 3>;
  const auto model = MakeModel(2);
  const auto first = VectorVolumeType::New();
  first->SetRegions(VectorVolumeType::SizeType{ { 8, 8, 16 } });
  first->SetVectorLength(2);
  first->Allocate();
  const auto second = MakeImage<FixedVolumeType>({ { 8, 8, 16 } });
  const auto swapped = MakeImage<FixedVolumeType>({ { 8, 8, 16 } });
  Random random(3);
  for (itk::SizeValueType i = 0; i < 8 * 8 * 16; ++i)
  {
    for (unsigned int c = 0; c < 2; ++c)
    {
      const auto value = static_cast<short>((4 + 4 * c) * random());
      first->GetBufferPointer()[2 * i + c] = value;
      second->GetBufferPointer()[i][c] = value;
      swapped->GetBufferPointer()[i][1 - c] = value;
    }
  }
  const auto segment = [&model](const auto * image)
  {
    using ImageType = std::remove_const_t<std::remove_pointer_t<decltype(image)>>;
    const auto filter = itk::SlidingWindowSegmentationImageFilter<ImageType>::New();
    filter->SetInput(image);
    filter->SetModel(model);
    filter->SetWindowSize({ { 8, 8, 8 } });
    filter->Update();
    return GetPixels(filter->GetOutput());
  };
  const auto labels = segment(first.GetPointer());
  EXPECT_EQ(segment(second.GetPointer()), labels);
  EXPECT_NE(segment(swapped.GetPointer()), labels);
}

TEST(SlidingWindowSegmentationImageFilter, ARequestedRegionCostsTheWindowsThatTouchIt)
{
  const auto model = MakeModel();
  const auto whole = MakeFilter(model);
  whole->Update();

  const auto filter = MakeFilter(model);
  const Recorder recorder(filter);
  // Slices 10 and 11, rows 0 to 2, of the image that begins at 3, -4, 20.
  const RegionType region({ { 3, -4, 30 } }, { { 12, 3, 2 } });
  filter->GetOutput()->SetRequestedRegion(region);
  filter->Update();
  EXPECT_EQ(filter->GetOutput()->GetBufferedRegion(), region);
  EXPECT_EQ(filter->GetProbabilityOutput()->GetBufferedRegion(), region);
  EXPECT_EQ(GetPixels(filter->GetOutput()), GetPart(whole->GetOutput(), region));
  // Windows that begin at slices 4 and 8, row 0, columns 0 and 4.
  EXPECT_EQ(recorder.windows, (std::vector<itk::SizeValueType>{ 4 }));
  ASSERT_EQ(recorder.regions.size(), 1U);
  EXPECT_EQ(recorder.regions[0], RegionType({ { 3, -4, 24 } }, { { 12, 8, 12 } }));
}

TEST(SlidingWindowSegmentationImageFilter, StreamsInPieces)
{
  const auto model = MakeModel();
  const auto whole = MakeFilter(model);
  whole->Update();

  const auto filter = MakeFilter(model);
  const auto monitor = itk::PipelineMonitorImageFilter<VolumeType>::New();
  const auto source = itk::CastImageFilter<VolumeType, VolumeType>::New();
  source->InPlaceOff();
  source->SetInput(MakeVolume());
  monitor->SetInput(source->GetOutput());
  filter->SetInput(monitor->GetOutput());
  const Recorder recorder(filter);
  const auto streamer = itk::StreamingImageFilter<LabelVolumeType, LabelVolumeType>::New();
  streamer->SetInput(filter->GetOutput());
  streamer->SetNumberOfStreamDivisions(13);
  streamer->Update();
  EXPECT_EQ(GetPixels(streamer->GetOutput()), GetPixels(whole->GetOutput()));
  // A piece whose windows are still there from the one before asks for nothing.
  EXPECT_TRUE(monitor->VerifyInputFilterExecutedStreaming(-6));
  EXPECT_TRUE(monitor->VerifyInputFilterBufferedRequestedRegions());
  ASSERT_EQ(recorder.windows.size(), 13U);
  for (std::size_t i = 0; i < 13; ++i)
  {
    // Slices 2 i and 2 i + 1, and windows that begin at slices 0, 4, ... 16, 18.
    itk::SizeValueType slabs = 0;
    itk::SizeValueType begin = 26;
    itk::SizeValueType end = 0;
    for (const std::size_t start : { 0, 4, 8, 12, 16, 18 })
    {
      if (start <= 2 * i + 1 && start + 8 > 2 * i)
      {
        ++slabs;
        begin = std::min<itk::SizeValueType>(begin, start);
        end = std::max<itk::SizeValueType>(end, start + 8);
      }
    }
    EXPECT_EQ(recorder.windows[i], 8 * slabs) << "piece " << i;
    EXPECT_EQ(recorder.regions[i].GetIndex(2) - 20, static_cast<itk::IndexValueType>(begin));
    EXPECT_EQ(recorder.regions[i].GetSize(2), end - begin);
  }
}

TEST(SlidingWindowSegmentationImageFilter, StreamsFromAndToDisk)
{
  const std::string folder = UNIVERSEG_TEST_OUTPUT;
  const std::string inputName = folder + "/sliding-window-input.mha";
  const std::string outputName = folder + "/sliding-window-output.mha";
  const auto model = MakeModel();
  const auto whole = MakeFilter(model);
  const auto volume = MakeVolume({ { 12, 20, 26 } }, { { 0, 0, 0 } });
  whole->SetInput(volume);
  whole->Update();
  const auto inputWriter = itk::ImageFileWriter<VolumeType>::New();
  inputWriter->SetImageIO(itk::MetaImageIO::New());
  inputWriter->SetFileName(inputName);
  inputWriter->SetInput(volume);
  inputWriter->Update();

  const auto reader = itk::ImageFileReader<VolumeType>::New();
  reader->SetImageIO(itk::MetaImageIO::New());
  reader->SetFileName(inputName);
  const auto filter = MakeFilter(model);
  filter->ProduceProbabilityOff();
  filter->SetInput(reader->GetOutput());
  const Recorder recorder(filter);
  itk::SizeValueType mostSlices = 0;
  const auto command = itk::CStyleCommand::New();
  command->SetClientData(&mostSlices);
  command->SetCallback(
    [](itk::Object * caller, const itk::EventObject &, void * data)
    {
      auto & most = *static_cast<itk::SizeValueType *>(data);
      const auto * output = dynamic_cast<itk::ImageFileReader<VolumeType> &>(*caller).GetOutput();
      most = std::max(most, output->GetBufferedRegion().GetSize(2));
    });
  reader->AddObserver(itk::EndEvent(), command);
  const auto writer = itk::ImageFileWriter<LabelVolumeType>::New();
  writer->SetImageIO(itk::MetaImageIO::New());
  writer->SetFileName(outputName);
  writer->SetInput(filter->GetOutput());
  writer->SetNumberOfStreamDivisions(6);
  writer->Update();
  // Pieces of five slices, the last of one.
  EXPECT_EQ(recorder.windows, (std::vector<itk::SizeValueType>{ 16, 24, 24, 32, 16, 8 }));
  EXPECT_EQ(filter->GetOutput()->GetBufferedRegion().GetSize(2), 1U);
  // Five slices, of windows that begin up to seven before and end up to seven behind them.
  EXPECT_LE(mostSlices, 19U);
  EXPECT_GE(mostSlices, 8U);

  const auto result = itk::ImageFileReader<LabelVolumeType>::New();
  result->SetImageIO(itk::MetaImageIO::New());
  result->SetFileName(outputName);
  result->Update();
  EXPECT_EQ(GetPixels(result->GetOutput()), GetPixels(whole->GetOutput()));
}

TEST(SlidingWindowSegmentationImageFilter, FewBytesForLogitsGiveTheSame)
{
  const auto model = MakeModel();
  const auto filter = MakeFilter(model);
  filter->Update();
  const auto labels = GetPixels(filter->GetOutput());
  const auto probabilities = GetPixels(filter->GetProbabilityOutput());
  filter->SetMaximumLogitBytes(1);
  filter->Update();
  EXPECT_EQ(GetPixels(filter->GetOutput()), labels);
  EXPECT_EQ(GetPixels(filter->GetProbabilityOutput()), probabilities);
  EXPECT_GT(filter->GetNumberOfWindowsRun(), 48U);
}

#if defined(__has_feature)
#  if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#    define ITK_TEST_SANITIZED_ALLOCATOR
#  endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#  define ITK_TEST_SANITIZED_ALLOCATOR
#endif

namespace
{
/** A number of kilobytes that Linux tells of this process, in MiB; below 0 elsewhere. */
double
GetProcessMemory(const std::string & key)
{
  std::ifstream file("/proc/self/status");
  for (std::string word; file >> word;)
  {
    double kilobytes = 0;
    if (word == key + ':' && file >> kilobytes)
    {
      return kilobytes / 1024;
    }
  }
  return -1;
}

/** MiB by which memory grows at most while a cube is segmented into 100 classes; below 0 where
 * that cannot be told. */
double
SegmentHundredClasses(itk::SizeValueType extent, itk::SizeValueType window, itk::SizeValueType maximumLogitBytes)
{
  const auto filter = FilterType::New();
  filter->SetModel(MakeModel(1, 100, 16));
  filter->SetInput(MakeVolume({ { extent, extent, extent } }));
  filter->SetWindowPlacement(WindowPlacementEnum::MONAI);
  filter->SetWindowSize({ { window, window, window } });
  filter->SetMaximumLogitBytes(maximumLogitBytes);
  // Let the peak begin anew.
  std::ofstream("/proc/self/clear_refs") << 5;
  const double before = GetProcessMemory("VmRSS");
  const double peakBefore = GetProcessMemory("VmHWM");
  filter->Update();
  const double growth = GetProcessMemory("VmHWM") - before;
  ::testing::Test::RecordProperty("MiB", static_cast<int>(growth));
  ::testing::Test::RecordProperty("windows", static_cast<int>(filter->GetNumberOfWindowsRun()));
  std::vector<bool> found(100, false);
  for (const double label : GetPixels(filter->GetOutput()))
  {
    found[static_cast<std::size_t>(label)] = true;
  }
  EXPECT_GT(std::count(found.begin(), found.end(), true), 10);
  return before < 0 || peakBefore > before + 16 ? -1 : growth;
}
} // namespace

TEST(SlidingWindowSegmentationImageFilter, MemoryIsBoundedByTheSlabs)
{
#ifdef ITK_TEST_SANITIZED_ALLOCATOR
  GTEST_SKIP() << "the sanitizer's allocator keeps memory that was freed";
#else
  // All logits together have 338 MiB.
  const double growth = SegmentHundredClasses(96, 32, itk::SizeValueType{ 32 } << 20);
  if (growth < 0)
  {
    GTEST_SKIP() << "this system does not tell the peak of the memory";
  }
  EXPECT_LT(growth, 120);
#endif
}

/** Takes minutes, and 4 GB: all logits together have 21 GiB. */
TEST(SlidingWindowSegmentationImageFilter, DISABLED_HundredClassesOfALargeVolumeFitInFourGigabytes)
{
  const double growth = SegmentHundredClasses(384, 96, itk::SizeValueType{ 2 } << 30);
  EXPECT_GT(growth, 0);
  EXPECT_LT(growth + 384.0 * 384 * 384 * 4 / (1 << 20), 4e9 / (1 << 20));
}

/** Takes minutes, and 160 MiB on the disk. */
TEST(SlidingWindowSegmentationImageFilter, DISABLED_AFileThatDoesNotFitInTheMemoryStreams)
{
  const std::string folder = UNIVERSEG_TEST_OUTPUT;
  const std::string inputName = folder + "/sliding-window-large-input.mha";
  const std::string outputName = folder + "/sliding-window-large-output.mha";
  constexpr std::size_t slices = 2048;
  constexpr std::size_t pixels = 128 * 128;
  {
    std::ofstream file(inputName, std::ios::binary);
    file << "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nDimSize = 128 128 "
         << slices << "\nElementType = MET_FLOAT\nElementDataFile = LOCAL\n";
    Random random(8);
    std::vector<float> slice(pixels);
    for (std::size_t i = 0; i < slices; ++i)
    {
      std::generate(slice.begin(), slice.end(), [&random] { return random(); });
      file.write(reinterpret_cast<const char *>(slice.data()), pixels * sizeof(float));
    }
  }
  const auto model = MakeModel();
  const auto reader = itk::ImageFileReader<VolumeType>::New();
  reader->SetImageIO(itk::MetaImageIO::New());
  reader->SetFileName(inputName);
  const auto filter = FilterType::New();
  filter->SetInput(reader->GetOutput());
  filter->SetModel(model);
  filter->SetWindowSize({ { 32, 32, 32 } });
  filter->SetWindowStride({ { 32, 32, 32 } });
  const auto writer = itk::ImageFileWriter<LabelVolumeType>::New();
  writer->SetImageIO(itk::MetaImageIO::New());
  writer->SetFileName(outputName);
  writer->SetInput(filter->GetOutput());
  writer->SetNumberOfStreamDivisions(32);
  std::ofstream("/proc/self/clear_refs") << 5;
  const double before = GetProcessMemory("VmRSS");
  writer->Update();
  const double growth = GetProcessMemory("VmHWM") - before;
  ::testing::Test::RecordProperty("MiB", static_cast<int>(growth));
  EXPECT_GT(growth, 0);
  EXPECT_LT(growth, 64);
  std::remove(inputName.c_str());
  std::remove(outputName.c_str());
}

TEST(SlidingWindowSegmentationImageFilter, ProgressRisesToOne)
{
  const auto model = MakeModel();
  const auto filter = MakeFilter(model);
  std::vector<float> progress;
  const auto command = itk::CStyleCommand::New();
  command->SetClientData(&progress);
  command->SetCallback(
    [](itk::Object * caller, const itk::EventObject &, void * data)
    {
      static_cast<std::vector<float> *>(data)->push_back(
        dynamic_cast<const itk::ProcessObject &>(*caller).GetProgress());
    });
  filter->AddObserver(itk::ProgressEvent(), command);
  filter->Update();
  ASSERT_GE(progress.size(), 48U);
  EXPECT_TRUE(std::is_sorted(progress.begin(), progress.end()));
  EXPECT_LT(progress[progress.size() / 4], 0.5F);
  EXPECT_EQ(progress.back(), 1.0F);
}

TEST(SlidingWindowSegmentationImageFilter, AbortReleasesTheOutputAndTheNextUpdateRuns)
{
  const auto model = MakeModel();
  const auto filter = MakeFilter(model);
  const auto command = itk::CStyleCommand::New();
  command->SetCallback(
    [](itk::Object * caller, const itk::EventObject &, void *)
    {
      auto & process = dynamic_cast<itk::ProcessObject &>(*caller);
      if (process.GetProgress() > 0.3F)
      {
        process.AbortGenerateDataOn();
      }
    });
  const auto tag = filter->AddObserver(itk::ProgressEvent(), command);
  EXPECT_THROW(filter->Update(), itk::ProcessAborted);
  EXPECT_GT(filter->GetProgress(), 0.3F);
  EXPECT_LT(filter->GetProgress(), 0.4F);
  EXPECT_EQ(filter->GetNumberOfWindowsRun(), 0U);
  EXPECT_EQ(filter->GetOutput()->GetBufferedRegion().GetNumberOfPixels(), 0U);
  EXPECT_EQ(filter->GetProbabilityOutput()->GetBufferedRegion().GetNumberOfPixels(), 0U);

  filter->RemoveObserver(tag);
  filter->Update();
  EXPECT_EQ(filter->GetNumberOfWindowsRun(), 48U);
  const auto fresh = MakeFilter(model);
  fresh->Update();
  EXPECT_EQ(GetPixels(filter->GetOutput()), GetPixels(fresh->GetOutput()));
}

TEST(SlidingWindowSegmentationImageFilter, SmallImagesArePadded)
{
  const auto model = MakeModel();
  const auto filter = MakeFilter(model);
  filter->SetInput(MakeVolume({ { 8, 8, 5 } }));
  // PyMIC makes the window smaller, which this network cannot take.
  EXPECT_ERROR(filter->Update(), "unet3d");
  filter->PadToWindowOn();
  filter->Update();
  const auto labels = GetPixels(filter->GetOutput());
  filter->SetWindowPlacement(WindowPlacementEnum::NnUNet);
  filter->Update();
  EXPECT_EQ(GetPixels(filter->GetOutput()), labels);
  EXPECT_EQ(filter->GetNumberOfWindowsRun(), 1U);
}

TEST(SlidingWindowSegmentationImageFilter, ProbabilityIsAnOutputWhenAskedFor)
{
  const auto model = MakeModel();
  const auto filter = MakeFilter(model);
  filter->ProduceProbabilityOff();
  filter->Update();
  EXPECT_EQ(filter->GetNumberOfIndexedOutputs(), 1U);
  EXPECT_ERROR(filter->GetProbabilityOutput(), "There is no probability output; call ProduceProbabilityOn()");
  std::vector<double> sums(12 * 20 * 26, 0);
  filter->ProduceProbabilityOn();
  for (itk::SizeValueType k = 0; k < 4; ++k)
  {
    filter->SetProbabilityClass(k);
    filter->Update();
    const auto probabilities = GetPixels(filter->GetProbabilityOutput());
    std::transform(sums.begin(), sums.end(), probabilities.begin(), sums.begin(), std::plus<>());
  }
  for (const double sum : sums)
  {
    ASSERT_NEAR(sum, 1, 1e-5);
  }
}

TEST(SlidingWindowSegmentationImageFilter, BadInputsAreErrors)
{
  const auto model = MakeModel();
  const auto refuse = [&model](auto change, const std::string & message)
  {
    const auto filter = MakeFilter(model);
    change(*filter);
    EXPECT_ERROR(filter->Update(), message);
    EXPECT_EQ(filter->GetOutput()->GetBufferedRegion().GetNumberOfPixels(), 0U);
  };
  refuse([](FilterType & f) { f.SetModel(nullptr); }, "No model is given; call SetModel()");
  refuse([](FilterType & f) { f.SetModel(itk::SegmentationModel::GetDefault()); },
         "the network universeg has 3 inputs; should have one, 'input'");
  refuse([](FilterType & f) { f.SetModel(itk::SegmentationModel::New()); }, "No model is set");
  refuse([](FilterType & f) { f.SetWindowSize({ { 8, 8, 9 } }); }, "unet3d");
  refuse([](FilterType & f) { f.SetModel(MakeModel(2)); }, "2");
  refuse(
    [](FilterType & f)
    {
      f.SetWindowPlacement(WindowPlacementEnum::MONAI);
      f.SetWindowOverlap(1);
    },
    "the overlap is 1");
  refuse(
    [](FilterType & f)
    {
      f.SetWindowPlacement(WindowPlacementEnum::NnUNet);
      f.SetWindowStep(0);
    },
    "the step is 0");
  refuse([](FilterType & f) { f.SetWindowBatchSize(0); }, "the batch has 0 windows");
  refuse([](FilterType & f) { f.SetPaddingValue(std::numeric_limits<double>::quiet_NaN()); }, "the padding value is");
  refuse([](FilterType & f) { f.SetProbabilityClass(4); },
         "ProbabilityClass is 4; should be below 4, the number of classes");
  refuse([](FilterType & f) { f.SetBackend("abacus"); }, "abacus");
  refuse([](FilterType & f) { f.SetDevice("toaster"); }, "toaster");
  refuse([](FilterType & f) { f.SetInput(MakeVolume({ { 8, 8, 0 } })); }, "The input image has no pixels");
  refuse(
    [](FilterType & f)
    {
      const auto volume = MakeVolume();
      volume->SetPixel({ { 4, -1, 33 } }, std::numeric_limits<float>::infinity());
      f.SetInput(volume);
    },
    "NaN or infinite at index [4, -1, 33]");
  refuse([](FilterType & f) { f.SetModel(MakeModel(1, 300)); },
         "The model has 300 classes, but the output pixel type holds no more than 255");

  const auto flat = itk::SlidingWindowSegmentationImageFilter<itk::Image<short, 2>>::New();
  flat->SetInput(MakeImage<itk::Image<short, 2>>({ { 8, 8 } }));
  flat->SetModel(model);
  EXPECT_ERROR(flat->Update(), "unet3d");
}

TEST(SlidingWindowSegmentationImageFilter, TasksOfOneModel)
{
  const auto model = MakeRandomModel(
    "u2net", R"({"num_pool_per_axis": [2, 2, 2], "base_channels": 2, "in_channels": [1, 1], "num_classes": [2, 4],
                 "task": 1})");
  EXPECT_EQ(model->GetNumberOfTasks(), 2U);
  EXPECT_EQ(MakeModel()->GetNumberOfTasks(), 1U);
  const auto probabilitiesOf = [&](int task)
  {
    const auto filter = MakeFilter(model);
    filter->SetTask(task);
    filter->Update();
    return GetPixels(filter->GetProbabilityOutput());
  };
  const auto first = probabilitiesOf(0);
  const auto second = probabilitiesOf(1);
  EXPECT_NE(first, second);
  EXPECT_EQ(probabilitiesOf(-1), second) << "the task that the model names";
  EXPECT_EQ(probabilitiesOf(0), first);
  EXPECT_EQ(model->GetRunner({}, 0), model->GetRunner({}, 0));
  EXPECT_NE(model->GetRunner({}, 0), model->GetRunner({}, 1));

  const auto filter = MakeFilter(model);
  filter->SetTask(2);
  EXPECT_ERROR(filter->Update(), "task is 2, should be 0 to 1");
  filter->SetModel(MakeModel());
  EXPECT_ERROR(filter->Update(), "the network unet3d, which is of one task");
}

TEST(SlidingWindowSegmentationImageFilter, SettingsAndPrint)
{
  const auto filter = FilterType::New();
  EXPECT_STREQ(filter->GetNameOfClass(), "SlidingWindowSegmentationImageFilter");
  EXPECT_EQ(filter->GetTask(), -1);
  EXPECT_EQ(filter->GetWindowPlacement(), WindowPlacementEnum::PyMIC);
  EXPECT_EQ(filter->GetWindowBlending(), WindowBlendingEnum::Gaussian);
  EXPECT_EQ(filter->GetWindowSize(), (FilterType::SizeType{ { 0, 0, 0 } }));
  EXPECT_EQ(filter->GetWindowStride(), (FilterType::SizeType{ { 0, 0, 0 } }));
  EXPECT_EQ(filter->GetWindowOverlap(), 0.25);
  EXPECT_EQ(filter->GetWindowStep(), 0.5);
  EXPECT_FALSE(filter->GetPadToWindow());
  EXPECT_EQ(filter->GetPaddingValue(), 0);
  EXPECT_EQ(filter->GetWindowBatchSize(), 1U);
  EXPECT_FALSE(filter->GetMirrorAxes()[0] || filter->GetMirrorAxes()[1] || filter->GetMirrorAxes()[2]);
  EXPECT_EQ(filter->GetMaximumLogitBytes(), 2147483648U);
  EXPECT_EQ(filter->GetBackend(), "auto");
  EXPECT_EQ(filter->GetDevice(), "cpu");
  EXPECT_EQ(filter->GetPrecision(), "float32");
  EXPECT_FALSE(filter->GetDeterministic());
  filter->DeterministicOn();
  EXPECT_TRUE(filter->GetDeterministic());
  EXPECT_FALSE(filter->GetProduceProbability());
  EXPECT_EQ(filter->GetProbabilityClass(), 1U);
  EXPECT_EQ(filter->GetNumberOfWindowsRun(), 0U);
  EXPECT_EQ(filter->GetModel(), nullptr);

  const auto before = filter->GetMTime();
  filter->SetWindowPlacement(WindowPlacementEnum::PyMIC);
  filter->SetPadToWindow(false);
  EXPECT_EQ(filter->GetMTime(), before);
  filter->SetWindowPlacement(WindowPlacementEnum::MONAI);
  const auto after = filter->GetMTime();
  EXPECT_GT(after, before);
  filter->PadToWindowOn();
  EXPECT_GT(filter->GetMTime(), after);

  std::ostringstream text;
  filter->SetWindowSize({ { 96, 64, 32 } });
  filter->Print(text);
  for (const std::string part : { "Task: -1",
                                  "WindowPlacement: MONAI",
                                  "WindowBlending: Gaussian",
                                  "WindowSize: [96, 64, 32]",
                                  "WindowStride: [0, 0, 0]",
                                  "WindowOverlap: 0.25",
                                  "WindowStep: 0.5",
                                  "PadToWindow: On",
                                  "PaddingValue: 0",
                                  "WindowBatchSize: 1",
                                  "MaximumLogitBytes: 2147483648",
                                  "Backend: auto",
                                  "Device: cpu",
                                  "Precision: float32",
                                  "ProduceProbability: Off",
                                  "ProbabilityClass: 1",
                                  "NumberOfWindowsRun: 0" })
  {
    EXPECT_NE(text.str().find(part), std::string::npos) << part;
  }
}
