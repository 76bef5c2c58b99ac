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
#include "itkUniverSegImageFilter.h"

#include "itkCommand.h"
#include "itkFilteringTestHelpers.h"
#include "itkNNNumPyRandom.h"
#include "itkNNTestTargets.h"
#include "itkStreamingImageFilter.h"

#include <algorithm>
#include <limits>
#include <sstream>
#include <thread>

using namespace itk::test;
using ImageType = itk::Image<float, 2>;
using LabelImageType = itk::Image<unsigned char, 2>;
using FilterType = itk::UniverSegImageFilter<ImageType>;
using VolumeType = itk::Image<short, 3>;
using LabelVolumeType = itk::Image<unsigned char, 3>;
using VolumeFilterType = itk::UniverSegImageFilter<VolumeType>;
using NormalizationEnum = FilterType::NormalizationEnum;

namespace
{
/** A filter on a disk, with a small random network unless the embedded model is
 * asked for. */
FilterType::Pointer
MakeFilter(bool embedded = false)
{
  const auto filter = FilterType::New();
  filter->SetInput(MakeDisk<ImageType>({ { 21, 18 } }, 0.45));
  filter->SetSupportSet(MakeSupports());
  if (!embedded)
  {
    filter->SetModel(MakeSmallModel());
  }
  return filter;
}

VolumeFilterType::Pointer
MakeVolumeFilter(unsigned int axis)
{
  const auto filter = VolumeFilterType::New();
  filter->SetInput(MakeDisk<VolumeType>({ { 9, 7, 8 } }, 0.5, 200, { { 3, -4, 20 } }));
  filter->SetSupportSet(MakeSupports());
  filter->SetModel(MakeSmallModel());
  filter->SetSliceAxis(axis);
  filter->ProduceProbabilitiesOn();
  return filter;
}

/** Counts the executions of a filter. */
class Counter
{
public:
  explicit Counter(itk::Object * filter)
  {
    const auto command = itk::CStyleCommand::New();
    command->SetClientData(this);
    command->SetCallback([](itk::Object *, const itk::EventObject &, void * data)
                         { ++static_cast<Counter *>(data)->m_Count; });
    filter->AddObserver(itk::StartEvent(), command);
  }
  int operator()() const
  {
    return m_Count;
  }

private:
  int m_Count = 0;
};

double
DiceOf(const LabelImageType * mask, const LabelImageType * truth)
{
  const auto a = GetPixels(mask);
  const auto b = GetPixels(truth);
  double both = 0;
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
  {
    both += a[i] * b[i];
    sum += a[i] + b[i];
  }
  return 2 * both / sum;
}

/** One slice of a 3-D image as a 2-D image of floats. */
template <typename TImage>
ImageType::Pointer
TakeSlice(const TImage * volume, unsigned int axis, itk::IndexValueType position)
{
  auto region = volume->GetBufferedRegion();
  const unsigned int column = axis == 0 ? 1 : 0;
  const unsigned int row = axis == 2 ? 1 : 2;
  const auto slice = MakeImage<ImageType>({ { region.GetSize(column), region.GetSize(row) } });
  region.SetIndex(axis, position);
  region.SetSize(axis, 1);
  float * output = slice->GetBufferPointer();
  for (itk::ImageRegionConstIteratorWithIndex<TImage> it(volume, region); !it.IsAtEnd(); ++it)
  {
    *output++ = static_cast<float>(it.Get());
  }
  return slice;
}
} // namespace

TEST(UniverSegImageFilter, SegmentsDisksWithTheEmbeddedModel)
{
  const LabelImageType::SizeType size{ { 100, 80 } };
  const auto filter = MakeFilter(true);
  filter->SetInput(MakeDisk<ImageType>(size, 0.45));
  filter->Update();
  EXPECT_GT(DiceOf(filter->GetOutput(), MakeDiskLabel<LabelImageType>(size, 0.45)), 0.9);
}

TEST(UniverSegImageFilter, GeometryOutIsGeometryIn)
{
  const auto filter = MakeFilter();
  const ImageType::IndexType index{ { -3, 12 } };
  const auto input = MakeDisk<ImageType>({ { 15, 11 } }, 0.5, 200, index);
  ImageType::SpacingType spacing;
  spacing[0] = 0.5;
  spacing[1] = 2.25;
  input->SetSpacing(spacing);
  ImageType::PointType origin;
  origin[0] = -7;
  origin[1] = 13.5;
  input->SetOrigin(origin);
  ImageType::DirectionType direction;
  direction(0, 0) = 0;
  direction(0, 1) = -1;
  direction(1, 0) = 1;
  direction(1, 1) = 0;
  input->SetDirection(direction);
  filter->SetInput(input);
  filter->ProduceProbabilitiesOn();
  filter->Update();
  const auto expectSame = [&](const auto * output)
  {
    EXPECT_EQ(output->GetSpacing(), spacing);
    EXPECT_EQ(output->GetOrigin(), origin);
    EXPECT_EQ(output->GetDirection(), direction);
    EXPECT_EQ(output->GetLargestPossibleRegion(), input->GetLargestPossibleRegion());
    EXPECT_EQ(output->GetBufferedRegion(), input->GetLargestPossibleRegion());
  };
  expectSame(filter->GetOutput());
  expectSame(filter->GetProbabilityOutput(0));
}

TEST(UniverSegImageFilter, ThresholdAndForegroundValue)
{
  const auto filter = MakeFilter();
  filter->ProduceProbabilitiesOn();
  filter->Update();
  const auto probabilities = GetPixels(filter->GetProbabilityOutput(0));
  auto sorted = probabilities;
  std::sort(sorted.begin(), sorted.end());
  ASSERT_LT(sorted.front(), sorted.back());
  const double threshold = sorted[sorted.size() / 2];
  filter->SetThreshold(threshold);
  filter->SetForegroundValue(7);
  filter->Update();
  const auto output = GetPixels(filter->GetOutput());
  for (std::size_t i = 0; i < output.size(); ++i)
  {
    ASSERT_EQ(output[i], probabilities[i] > threshold ? 7 : 0);
  }
}

TEST(UniverSegImageFilter, PixelTypes)
{
  const auto run = [](auto image)
  {
    using AnyImageType = typename decltype(image)::ObjectType;
    const auto filter = itk::UniverSegImageFilter<AnyImageType>::New();
    filter->SetInput(image);
    filter->SetSupportSet(MakeSupports());
    filter->SetModel(MakeSmallModel());
    filter->ProduceProbabilitiesOn();
    filter->Update();
    return GetPixels(filter->GetProbabilityOutput(0));
  };
  const itk::Size<2> size{ { 14, 12 } };
  const auto bytes = MakeDisk<LabelImageType>(size, 0.5);
  const auto expected = run(bytes);
  const auto check = [&](auto image, auto convert)
  {
    for (itk::ImageRegionConstIteratorWithIndex<LabelImageType> it(bytes, bytes->GetBufferedRegion()); !it.IsAtEnd();
         ++it)
    {
      image->SetPixel(it.GetIndex(), convert(it.Get()));
    }
    const auto actual = run(image);
    for (std::size_t i = 0; i < expected.size(); ++i)
    {
      ASSERT_NEAR(actual[i], expected[i], 1e-5);
    }
  };
  check(MakeImage<itk::Image<short, 2>>(size), [](int v) { return static_cast<short>(4 * v - 300); });
  check(MakeImage<itk::Image<float, 2>>(size), [](int v) { return static_cast<float>(v); });
  check(MakeImage<itk::Image<double, 2>>(size), [](int v) { return v / 255.0; });
  check(MakeImage<itk::Image<unsigned int, 2>>(size), [](int v) { return static_cast<unsigned int>(v); });
  const auto gray = [](auto pixel)
  {
    return [pixel](unsigned char v) mutable
    {
      pixel.Fill(v);
      return pixel;
    };
  };
  check(MakeImage<itk::Image<itk::RGBPixel<unsigned char>, 2>>(size), gray(itk::RGBPixel<unsigned char>()));
  check(MakeImage<itk::Image<itk::RGBAPixel<unsigned short>, 2>>(size), gray(itk::RGBAPixel<unsigned short>()));
}

TEST(UniverSegImageFilter, SlicesAcrossEveryAxisEqualTwoDimensionalRuns)
{
  for (unsigned int axis = 0; axis < 3; ++axis)
  {
    const auto filter = MakeVolumeFilter(axis);
    filter->SetSliceBatchSize(3);
    filter->Update();
    const auto region = filter->GetOutput()->GetBufferedRegion();
    EXPECT_EQ(region, filter->GetInput()->GetLargestPossibleRegion());
    for (itk::SizeValueType i = 0; i < region.GetSize(axis); ++i)
    {
      const auto position = region.GetIndex(axis) + static_cast<itk::IndexValueType>(i);
      const auto single = FilterType::New();
      single->SetInput(TakeSlice(filter->GetInput(), axis, position));
      single->SetSupportSet(filter->GetSupportSet());
      single->SetModel(filter->GetModel());
      single->ProduceProbabilitiesOn();
      single->Update();
      const auto expected = GetPixels(single->GetProbabilityOutput(0));
      const auto actual = GetPixels(TakeSlice(filter->GetProbabilityOutput(0), axis, position).GetPointer());
      ASSERT_EQ(actual.size(), expected.size());
      for (std::size_t k = 0; k < actual.size(); ++k)
      {
        ASSERT_NEAR(actual[k], expected[k], 1e-6) << "axis " << axis << " slice " << i;
      }
    }
  }
}

TEST(UniverSegImageFilter, BatchSizeDoesNotMatter)
{
  const auto filter = MakeVolumeFilter(2);
  filter->SetSliceBatchSize(1);
  filter->Update();
  const auto expected = GetPixels(filter->GetProbabilityOutput(0));
  for (const unsigned int batch : { 0, 2, 5, 100 })
  {
    filter->SetSliceBatchSize(batch);
    filter->Update();
    const auto actual = GetPixels(filter->GetProbabilityOutput(0));
    for (std::size_t i = 0; i < expected.size(); ++i)
    {
      ASSERT_NEAR(actual[i], expected[i], 1e-6);
    }
  }
}

TEST(UniverSegImageFilter, OnADeviceOfCuda)
{
  if (itk::nn::test::GetTargets(itk::nn::DataType::BFloat16).empty())
  {
    GTEST_SKIP() << "there is no CUDA device";
  }
  const auto filter = MakeFilter();
  filter->ProduceProbabilitiesOn();
  filter->Update();
  const auto expected = GetPixels(filter->GetProbabilityOutput(0));
  filter->SetDevice("cuda");
  for (const auto & [precision, tolerance] : std::vector<std::pair<std::string, double>>{
         { "float32", 1e-5 }, { "tf32", 1e-2 }, { "float64", 1e-5 }, { "bfloat16", 0.05 }, { "float16", 0.01 } })
  {
    filter->SetPrecision(precision);
    filter->SetDeterministic(precision == "float32");
    // The second time with what was kept of the supports on the device, then replayed.
    for (int run = 0; run < 4; ++run)
    {
      filter->Modified();
      filter->Update();
      const auto actual = GetPixels(filter->GetProbabilityOutput(0));
      for (std::size_t i = 0; i < expected.size(); ++i)
      {
        ASSERT_NEAR(actual[i], expected[i], tolerance) << precision;
      }
    }
  }
  filter->SetPrecision("float32");
  filter->SetDevice("cuda:77");
  EXPECT_ERROR(filter->Update(), "there is no cuda:77; devices: ");
  filter->SetDevice("auto");
  EXPECT_NO_THROW(filter->Update());
}

TEST(UniverSegImageFilter, KeepsWhatTheSupportsAloneDetermine)
{
  const auto filter = MakeFilter();
  filter->ProduceProbabilitiesOn();
  const auto supports = MakeSupports();
  filter->SetSupportSet(supports);
  supports->SetMaximumCacheBytes(0);
  filter->Update();
  EXPECT_EQ(supports->GetCacheBytes(), 0U);
  const auto expected = GetPixels(filter->GetProbabilityOutput(0));

  supports->SetMaximumCacheBytes(1 << 20);
  filter->Modified();
  filter->Update();
  const auto bytes = supports->GetCacheBytes();
  EXPECT_GT(bytes, 0U);
  const auto kept = GetPixels(filter->GetProbabilityOutput(0));
  filter->SetInput(MakeDisk<ImageType>({ { 20, 20 } }, 0.3));
  filter->Update();
  EXPECT_EQ(supports->GetCacheBytes(), bytes) << "another target needs nothing new";
  for (std::size_t i = 0; i < expected.size(); ++i)
  {
    ASSERT_NEAR(kept[i], expected[i], 1e-5);
  }

  filter->SetPrecision("float64");
  filter->Update();
  EXPECT_GT(supports->GetCacheBytes(), bytes) << "kept by precision";
  supports->ReleaseCache();
  EXPECT_EQ(supports->GetCacheBytes(), 0U);
  filter->SetPrecision("float32");
  filter->Update();
  EXPECT_EQ(supports->GetCacheBytes(), bytes);
  supports->RemoveSupport(0);
  EXPECT_EQ(supports->GetCacheBytes(), 0U) << "the set is another";
  filter->Update();
  EXPECT_LT(supports->GetCacheBytes(), bytes);
}

TEST(UniverSegImageFilter, ComputesTheRequestedSlicesOnly)
{
  for (unsigned int axis = 0; axis < 3; ++axis)
  {
    const auto whole = MakeVolumeFilter(axis);
    whole->Update();

    const auto part = MakeVolumeFilter(axis);
    part->UpdateOutputInformation();
    auto request = part->GetOutput()->GetLargestPossibleRegion();
    for (unsigned int d = 0; d < 3; ++d)
    {
      request.SetIndex(d, request.GetIndex(d) + 2);
      request.SetSize(d, 3);
    }
    part->GetOutput()->SetRequestedRegion(request);
    part->Update();
    auto expected = whole->GetOutput()->GetLargestPossibleRegion();
    expected.SetIndex(axis, request.GetIndex(axis));
    expected.SetSize(axis, 3);
    EXPECT_EQ(part->GetOutput()->GetBufferedRegion(), expected);
    EXPECT_EQ(part->GetProbabilityOutput(0)->GetBufferedRegion(), expected);
    EXPECT_EQ(part->GetInput()->GetRequestedRegion(), expected);
    for (itk::ImageRegionConstIteratorWithIndex<VolumeFilterType::ProbabilityImageType> it(
           part->GetProbabilityOutput(0), expected);
         !it.IsAtEnd();
         ++it)
    {
      ASSERT_NEAR(it.Get(), whole->GetProbabilityOutput(0)->GetPixel(it.GetIndex()), 1e-6);
    }
  }
}

TEST(UniverSegImageFilter, StreamsAcrossSlices)
{
  for (const auto normalization : { NormalizationEnum::MinMaxOfSlice, NormalizationEnum::Percentile })
  {
    const auto whole = MakeVolumeFilter(2);
    whole->SetNormalization(normalization);
    whole->SetThreshold(0.4);
    whole->Update();

    const auto filter = MakeVolumeFilter(2);
    filter->SetNormalization(normalization);
    filter->SetThreshold(0.4);
    const Counter executions(filter);
    const auto streamer = itk::StreamingImageFilter<LabelVolumeType, LabelVolumeType>::New();
    streamer->SetInput(filter->GetOutput());
    streamer->SetNumberOfStreamDivisions(4);
    streamer->Update();
    EXPECT_EQ(executions(), 4);
    EXPECT_EQ(filter->GetOutput()->GetBufferedRegion().GetSize(2), 2u);
    EXPECT_EQ(GetPixels(streamer->GetOutput()), GetPixels(whole->GetOutput()));
    EXPECT_EQ(filter->GetInput()->GetRequestedRegion().GetSize(2),
              normalization == NormalizationEnum::MinMaxOfSlice ? 2u : 8u);
  }
}

TEST(UniverSegImageFilter, ProgressRisesToOne)
{
  const auto filter = MakeVolumeFilter(2);
  filter->SetSliceBatchSize(2);
  filter->SetEnsembleSize(2);
  std::vector<float> progress;
  const auto command = itk::CStyleCommand::New();
  command->SetClientData(&progress);
  command->SetConstCallback(
    [](const itk::Object * caller, const itk::EventObject &, void * data)
    {
      static_cast<std::vector<float> *>(data)->push_back(
        dynamic_cast<const itk::ProcessObject &>(*caller).GetProgress());
    });
  command->SetCallback(
    [](itk::Object * caller, const itk::EventObject &, void * data)
    {
      static_cast<std::vector<float> *>(data)->push_back(
        dynamic_cast<const itk::ProcessObject &>(*caller).GetProgress());
    });
  filter->AddObserver(itk::ProgressEvent(), command);
  filter->Update();
  ASSERT_GT(progress.size(), 16u);
  EXPECT_TRUE(std::is_sorted(progress.begin(), progress.end()));
  EXPECT_LT(progress[progress.size() / 4], 0.5F);
  EXPECT_EQ(progress.back(), 1.0F);
}

TEST(UniverSegImageFilter, AbortReleasesTheOutputAndTheNextUpdateRuns)
{
  const auto filter = MakeVolumeFilter(2);
  filter->SetSliceBatchSize(1);
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
  EXPECT_LT(filter->GetProgress(), 0.6F);
  EXPECT_EQ(filter->GetOutput()->GetBufferedRegion().GetNumberOfPixels(), 0u);
  EXPECT_EQ(filter->GetProbabilityOutput(0)->GetBufferedRegion().GetNumberOfPixels(), 0u);

  filter->RemoveObserver(tag);
  filter->Update();
  EXPECT_EQ(filter->GetOutput()->GetBufferedRegion(), filter->GetInput()->GetLargestPossibleRegion());
  const auto fresh = MakeVolumeFilter(2);
  fresh->Update();
  EXPECT_EQ(GetPixels(filter->GetOutput()), GetPixels(fresh->GetOutput()));
}

TEST(UniverSegImageFilter, RunsAgainOnlyAfterAChange)
{
  const auto filter = MakeFilter();
  const auto supports = MakeSupports();
  const auto model = MakeSmallModel();
  filter->SetSupportSet(supports);
  filter->SetModel(model);
  filter->ProduceProbabilitiesOn();
  const Counter executions(filter);
  int expected = 0;
  const auto expectRuns = [&](int runs, const char * what)
  {
    filter->Update();
    filter->Update();
    expected += runs;
    EXPECT_EQ(executions(), expected) << what;
  };
  expectRuns(1, "first");
  filter->GetProbabilityOutput(0)->Update();
  expectRuns(0, "a probability output");
  filter->SetSupportSet(supports);
  filter->SetModel(model);
  filter->SetThreshold(0.5);
  filter->SetBackend("auto");
  filter->SetNormalization(NormalizationEnum::MinMaxOfSlice);
  filter->SetGridSize(0);
  expectRuns(0, "the same values");
  const auto before = GetPixels(filter->GetProbabilityOutput(0));
  supports->RemoveSupport(2);
  expectRuns(1, "a removed support");
  EXPECT_NE(GetPixels(filter->GetProbabilityOutput(0)), before);
  const_cast<ImageType *>(filter->GetInput())->Modified();
  expectRuns(1, "a modified input");
  const auto weights = itk::nn::Model::New();
  weights->SetWeights(MakeWeights(R"({"encoder_blocks": [4, 4]})", 5));
  model->SetModel(weights);
  expectRuns(1, "another model");
  weights->SetWeights(MakeWeights(R"({"encoder_blocks": [4, 4]})", 6));
  expectRuns(1, "modified weights");
  filter->SetThreshold(0.25);
  expectRuns(1, "a parameter");
  filter->SetWindowMaximum(100);
  expectRuns(1, "a parameter of the normalisation");
}

TEST(UniverSegImageFilter, ProbabilityOutputsFollowTheLabels)
{
  const auto supports = MakeSupports();
  const auto filter = MakeFilter();
  filter->SetSupportSet(supports);
  EXPECT_ERROR(filter->GetProbabilityOutput(0), "ProduceProbabilitiesOn");
  filter->Update();
  EXPECT_EQ(filter->GetNumberOfIndexedOutputs(), 1u);
  filter->ProduceProbabilitiesOn();
  filter->Update();
  EXPECT_EQ(filter->GetNumberOfIndexedOutputs(), 2u);
  EXPECT_ERROR(filter->GetProbabilityOutput(1), "no probability output 1; the number of labels to segment is 1");
  supports->PushBackSupport(MakeDisk<ImageType>({ { 16, 16 } }, 0.5),
                            MakeDiskLabel<LabelImageType>({ { 16, 16 } }, 0.5, 40));
  filter->Update();
  EXPECT_EQ(filter->GetNumberOfIndexedOutputs(), 4u);
  EXPECT_EQ(filter->GetOutputLabels(), (std::vector<FilterType::LabelType>{ 0, 1, 40 }));
  const auto labels = GetPixels(filter->GetOutput());
  for (std::size_t i = 0; i < labels.size(); ++i)
  {
    ASSERT_TRUE(labels[i] == 0 || labels[i] == 1 || labels[i] == 40);
  }
  filter->IncludeBackgroundOff();
  filter->Update();
  EXPECT_EQ(filter->GetNumberOfIndexedOutputs(), 3u);
  filter->ProduceProbabilitiesOff();
  filter->Update();
  EXPECT_EQ(filter->GetNumberOfIndexedOutputs(), 1u);

  // The last one, asked for before anything is known of the others.
  const auto other = MakeFilter();
  other->SetSupportSet(supports);
  other->ProduceProbabilitiesOn();
  const auto last = other->GetProbabilityOutput(2);
  other->Update();
  EXPECT_EQ(other->GetProbabilityOutput(2), last);
  EXPECT_EQ(GetPixels(other->GetProbabilityOutput(0)).size(), labels.size());
  EXPECT_EQ(GetPixels(last).size(), labels.size());
}

TEST(UniverSegImageFilter, EnsembleIsTheMeanOfRunsWithNumPysIndices)
{
  using itk::UniverSegPredictor;
  UniverSegPredictor::Options options;
  options.ensembleSize = 3;
  options.ensembleSupportSize = 2;
  options.seed = 11;
  const auto model = MakeSmallModel();
  const auto supports = MakeSupports();
  const UniverSegPredictor predictor(*model, *supports, options);
  std::vector<double> mean;
  for (std::uint64_t j = 0; j < 3; ++j)
  {
    const auto drawn = itk::nn::NumPyRandom(11 + j).Integers(0, 3, 2);
    EXPECT_EQ(predictor.GetMembers()[j], std::vector<std::size_t>(drawn.begin(), drawn.end()));

    const auto subset = itk::UniverSegSupportSet::New();
    const itk::Size<2> sizes[] = { { { 20, 24 } }, { { 16, 16 } }, { { 33, 17 } } };
    for (const auto i : drawn)
    {
      const double centre = 0.4 + 0.1 * static_cast<double>(i);
      subset->PushBackSupport(MakeDisk<ImageType>(sizes[i], centre), MakeDiskLabel<LabelImageType>(sizes[i], centre));
    }
    const auto single = MakeFilter();
    single->SetModel(model);
    single->SetSupportSet(subset);
    single->ProduceProbabilitiesOn();
    single->Update();
    const auto values = GetPixels(single->GetProbabilityOutput(0));
    mean.resize(values.size(), 0.0);
    std::transform(values.begin(),
                   values.end(),
                   mean.begin(),
                   mean.begin(),
                   [](double value, double sum) { return sum + value / 3; });
  }
  const auto filter = MakeFilter();
  filter->SetModel(model);
  filter->SetEnsembleSize(3);
  filter->SetEnsembleSupportSize(2);
  filter->SetSeed(11);
  filter->ProduceProbabilitiesOn();
  filter->Update();
  const auto actual = GetPixels(filter->GetProbabilityOutput(0));
  for (std::size_t i = 0; i < mean.size(); ++i)
  {
    ASSERT_NEAR(actual[i], mean[i], 1e-6);
  }
}

TEST(UniverSegImageFilter, MaximumNumberOfSupportsTakesTheFirst)
{
  const auto filter = MakeFilter();
  filter->ProduceProbabilitiesOn();
  filter->SetMaximumNumberOfSupports(2);
  filter->Update();
  const auto actual = GetPixels(filter->GetProbabilityOutput(0));
  const auto supports = MakeSupports();
  supports->RemoveSupport(2);
  filter->SetMaximumNumberOfSupports(0);
  filter->SetSupportSet(supports);
  filter->Update();
  EXPECT_EQ(actual, GetPixels(filter->GetProbabilityOutput(0)));
}

TEST(UniverSegImageFilter, NearestSupportsAreThoseOfEachSlice)
{
  // Each slice looks like one of the supports, not like its neighbour.
  const double centres[] = { 0.6, 0.4, 0.5 };
  const auto supports = itk::UniverSegSupportSet::New();
  for (const double centre : { 0.4, 0.5, 0.6, 0.45 })
  {
    supports->PushBackSupport(MakeDisk<ImageType>({ { 20, 24 } }, centre),
                              MakeDiskLabel<LabelImageType>({ { 20, 24 } }, centre));
  }
  const auto volume = MakeImage<VolumeType>({ { 20, 24, 3 } });
  for (std::size_t z = 0; z < 3; ++z)
  {
    const auto slice = GetPixels(MakeDisk<ImageType>({ { 20, 24 } }, centres[z]).GetPointer());
    std::copy(slice.begin(), slice.end(), volume->GetBufferPointer() + z * slice.size());
  }
  const auto model = MakeSmallModel();
  const auto filter = VolumeFilterType::New();
  filter->SetInput(volume);
  filter->SetSupportSet(supports);
  filter->SetModel(model);
  filter->SetSliceBatchSize(3);
  filter->ProduceProbabilitiesOn();
  filter->SetNumberOfNearestSupports(1);
  filter->Update();
  for (itk::IndexValueType z = 0; z < 3; ++z)
  {
    const double centre = centres[z];
    const auto own = itk::UniverSegSupportSet::New();
    own->PushBackSupport(MakeDisk<ImageType>({ { 20, 24 } }, centre),
                         MakeDiskLabel<LabelImageType>({ { 20, 24 } }, centre));
    const auto single = MakeFilter();
    single->SetInput(TakeSlice(volume.GetPointer(), 2, z));
    single->SetSupportSet(own);
    single->SetModel(model);
    single->ProduceProbabilitiesOn();
    single->Update();
    const auto actual = GetPixels(TakeSlice(filter->GetProbabilityOutput(0), 2, z).GetPointer());
    const auto expected = GetPixels(single->GetProbabilityOutput(0));
    for (std::size_t i = 0; i < actual.size(); ++i)
    {
      ASSERT_NEAR(actual[i], expected[i], 1e-6) << "slice " << z;
    }
  }
  EXPECT_EQ(supports->GetCacheBytes(), 0U) << "nothing that the next slice could use";

  // As many as there are, or more, are all; the first ones only may be chosen.
  filter->SetNumberOfNearestSupports(9);
  filter->Update();
  const auto all = GetPixels(filter->GetProbabilityOutput(0));
  filter->SetNumberOfNearestSupports(0);
  filter->Update();
  EXPECT_EQ(all, GetPixels(filter->GetProbabilityOutput(0)));
  filter->SetMaximumNumberOfSupports(1);
  filter->Update();
  const auto first = GetPixels(filter->GetProbabilityOutput(0));
  filter->SetNumberOfNearestSupports(1);
  filter->Update();
  EXPECT_EQ(first, GetPixels(filter->GetProbabilityOutput(0)));
}

TEST(UniverSegImageFilter, EnsemblesDrawAmongTheNearestSupports)
{
  itk::UniverSegPredictor::Options options;
  options.ensembleSize = 4;
  options.numberOfNearestSupports = 2;
  const auto supports = MakeSupports();
  const itk::UniverSegPredictor predictor(*MakeSmallModel(), *supports, options);
  for (const auto & member : predictor.GetMembers())
  {
    EXPECT_EQ(member.size(), 2U);
    EXPECT_LT(*std::max_element(member.begin(), member.end()), 2U);
  }
}

TEST(UniverSegImageFilter, OrderOfSupportsDoesNotMatter)
{
  const auto filter = MakeFilter();
  filter->ProduceProbabilitiesOn();
  filter->Update();
  const auto expected = GetPixels(filter->GetProbabilityOutput(0));
  const auto supports = itk::UniverSegSupportSet::New();
  supports->PushBackSupport(MakeDisk<ImageType>({ { 33, 17 } }, 0.6),
                            MakeDiskLabel<LabelImageType>({ { 33, 17 } }, 0.6));
  supports->PushBackSupport(MakeDisk<ImageType>({ { 20, 24 } }, 0.4),
                            MakeDiskLabel<LabelImageType>({ { 20, 24 } }, 0.4));
  supports->PushBackSupport(MakeDisk<ImageType>({ { 16, 16 } }, 0.5),
                            MakeDiskLabel<LabelImageType>({ { 16, 16 } }, 0.5));
  filter->SetSupportSet(supports);
  filter->Update();
  const auto actual = GetPixels(filter->GetProbabilityOutput(0));
  for (std::size_t i = 0; i < expected.size(); ++i)
  {
    ASSERT_NEAR(actual[i], expected[i], 1e-5);
  }
}

TEST(UniverSegImageFilter, SoftLabelsOfZeroAndOneEqualHardOnes)
{
  const itk::Size<2> size{ { 16, 16 } };
  const auto image = MakeDisk<ImageType>(size, 0.5);
  const auto run = [&](bool soft)
  {
    const auto supports = itk::UniverSegSupportSet::New();
    supports->SetSoftLabels(soft);
    supports->PushBackSupport(image, MakeDiskLabel<LabelImageType>(size, 0.5));
    const auto filter = MakeFilter();
    filter->SetSupportSet(supports);
    filter->ProduceProbabilitiesOn();
    filter->Update();
    return GetPixels(filter->GetProbabilityOutput(0));
  };
  EXPECT_EQ(run(true), run(false));
}

TEST(UniverSegImageFilter, BackendsAndPrecisionsAgree)
{
  const auto filter = MakeFilter();
  filter->ProduceProbabilitiesOn();
  filter->SetBackend("reference");
  filter->SetPrecision("float64");
  filter->Update();
  const auto expected = GetPixels(filter->GetProbabilityOutput(0));
  filter->SetPrecision("float32");
  for (const std::string backend : { "reference", "auto" })
  {
    filter->SetBackend(backend);
    filter->SetNumberOfWorkUnits(1);
    filter->Update();
    const auto actual = GetPixels(filter->GetProbabilityOutput(0));
    for (std::size_t i = 0; i < expected.size(); ++i)
    {
      ASSERT_NEAR(actual[i], expected[i], 1e-5) << backend;
    }
  }
}

TEST(UniverSegImageFilter, FiltersInThreadsShareModelAndSupports)
{
  const auto model = MakeSmallModel();
  const auto supports = MakeSupports();
  const auto make = [&]
  {
    const auto filter = MakeVolumeFilter(2);
    filter->SetModel(model);
    filter->SetSupportSet(supports);
    filter->SetNumberOfWorkUnits(1);
    return filter;
  };
  const auto expected = make();
  expected->Update();
  std::vector<VolumeFilterType::Pointer> filters{ make(), make() };
  std::vector<std::thread> threads;
  for (const auto & filter : filters)
  {
    threads.emplace_back([&filter] { filter->Update(); });
  }
  for (auto & thread : threads)
  {
    thread.join();
  }
  for (const auto & filter : filters)
  {
    EXPECT_EQ(GetPixels(filter->GetProbabilityOutput(0)), GetPixels(expected->GetProbabilityOutput(0)));
  }
}

TEST(UniverSegImageFilter, DocumentedResultsOfOddInputs)
{
  const auto filter = MakeFilter();
  filter->ProduceProbabilitiesOn();
  const auto run = [&](const ImageType::Pointer & image)
  {
    filter->SetInput(image);
    filter->Update();
    EXPECT_EQ(filter->GetOutput()->GetBufferedRegion(), image->GetLargestPossibleRegion());
    return GetPixels(filter->GetProbabilityOutput(0));
  };
  const auto zero = run(MakeImage<ImageType>({ { 12, 12 } }));
  const auto constant = MakeImage<ImageType>({ { 12, 12 } });
  constant->FillBuffer(-41.5F);
  EXPECT_EQ(run(constant), zero);
  for (const itk::SizeValueType extent : { 1, 3 })
  {
    for (const double probability : run(MakeDisk<ImageType>({ { extent, extent } }, 0.5)))
    {
      EXPECT_TRUE(probability > 0 && probability < 1);
    }
  }
  run(MakeDisk<ImageType>({ { 200, 1 } }, 0.5));
}

TEST(UniverSegImageFilter, BadInputsAreErrors)
{
  const auto filter = MakeFilter();
  EXPECT_ERROR(MakeVolumeFilter(3)->Update(), "SliceAxis is 3");
  filter->SetSliceAxis(3);
  EXPECT_EQ(itk::nn::test::ErrorOf<itk::ExceptionObject>([&] { filter->Update(); }), "");

  filter->SetSupportSet(nullptr);
  EXPECT_ERROR(filter->Update(), "No support set is given");
  EXPECT_ERROR(filter->GetOutputLabels(), "No support set is given");
  filter->SetSupportSet(itk::UniverSegSupportSet::New());
  EXPECT_ERROR(filter->Update(), "The support set is empty");
  const auto unlabelled = itk::UniverSegSupportSet::New();
  unlabelled->PushBackSupport(MakeDisk<ImageType>({ { 8, 8 } }, 0.5), MakeImage<LabelImageType>({ { 8, 8 } }));
  filter->SetSupportSet(unlabelled);
  EXPECT_ERROR(filter->Update(), "0 everywhere");

  const auto large = itk::UniverSegSupportSet::New();
  large->PushBackSupport(MakeDisk<ImageType>({ { 8, 8 } }, 0.5),
                         MakeDiskLabel<itk::Image<int, 2>>({ { 8, 8 } }, 0.5, 300));
  filter->SetSupportSet(large);
  EXPECT_EQ(itk::nn::test::ErrorOf<itk::ExceptionObject>([&] { filter->Update(); }), "");
  large->PushBackSupport(MakeDisk<ImageType>({ { 8, 8 } }, 0.5),
                         MakeDiskLabel<itk::Image<int, 2>>({ { 8, 8 } }, 0.5, 2));
  EXPECT_ERROR(filter->Update(), "label 300");

  filter->SetSupportSet(MakeSupports());
  for (const float bad : { std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity() })
  {
    for (const auto normalization : { NormalizationEnum::MinMaxOfSlice, NormalizationEnum::Percentile })
    {
      const auto image = MakeDisk<ImageType>({ { 9, 9 } }, 0.5);
      image->SetPixel({ { 4, 7 } }, bad);
      filter->SetInput(image);
      filter->SetNormalization(normalization);
      EXPECT_ERROR(filter->Update(), "NaN or infinite at index [4, 7]");
    }
  }
  EXPECT_EQ(filter->GetOutput()->GetBufferedRegion().GetNumberOfPixels(), 0u);

  filter->SetNormalization(NormalizationEnum::MinMaxOfSlice);
  filter->SetInput(ImageType::New());
  EXPECT_ERROR(filter->Update(), "has no pixels");
  filter->SetInput(MakeDisk<ImageType>({ { 9, 9 } }, 0.5));
  EXPECT_EQ(itk::nn::test::ErrorOf<itk::ExceptionObject>([&] { filter->Update(); }), "");

  const auto expectError = [&](auto set, auto restore, const char * part)
  {
    set();
    EXPECT_ERROR(filter->Update(), part);
    restore();
  };
  for (const double threshold : { -0.1, 1.5, std::numeric_limits<double>::quiet_NaN() })
  {
    expectError([&] { filter->SetThreshold(threshold); }, [&] { filter->SetThreshold(0.5); }, "should be in [0, 1]");
  }
  expectError([&] { filter->SetGridSize(15); }, [&] { filter->SetGridSize(0); }, "multiples of 2");
  expectError([&] { filter->SetGridSize(1 << 20); }, [&] { filter->SetGridSize(0); }, "at most 65536");
  expectError([&] { filter->SetEnsembleSize(0); }, [&] { filter->SetEnsembleSize(1); }, "from 1 to 10000");
  expectError([&] { filter->SetBackend("abacus"); }, [&] { filter->SetBackend("auto"); }, "abacus");
  expectError([&] { filter->SetDevice("tpu"); }, [&] { filter->SetDevice("cpu"); }, "tpu");
  expectError([&] { filter->SetPrecision("float7"); }, [&] { filter->SetPrecision("float32"); }, "float7");
  filter->SetNormalization(NormalizationEnum::Window);
  expectError([&] { filter->SetWindowMinimum(500); }, [&] { filter->SetWindowMinimum(0); }, "below its maximum");
  filter->SetNormalization(NormalizationEnum::Percentile);
  expectError([&] { filter->SetLowerPercentile(99.9); }, [&] { filter->SetLowerPercentile(1); }, "0 <= lower < upper");
  EXPECT_EQ(itk::nn::test::ErrorOf<itk::ExceptionObject>([&] { filter->Update(); }), "");
  filter->SetInput(nullptr);
  EXPECT_THROW(filter->Update(), itk::ExceptionObject);
}

TEST(UniverSegImageFilter, PredictorErrors)
{
  const auto model = MakeSmallModel();
  const auto supports = MakeSupports();
  const itk::UniverSegPredictor predictor(*model, *supports, {});
  EXPECT_TRUE(predictor.IsBinary());
  EXPECT_EQ(predictor.GetSliceBatchSize(), 1u);
  EXPECT_ERROR(predictor.Predict(itk::nn::Tensor(), nullptr), "undefined");
  EXPECT_ERROR(predictor.Predict(itk::nn::Tensor::Zeros({ 4, 4 }), nullptr), "should be [B, H, W]");
  EXPECT_ERROR(predictor.Combine({}, 0.5), "0 probability maps for 1 labels");
  const auto nan = itk::nn::Tensor::Full({ 1, 1, 2 }, std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(predictor.Combine({ nan }, 0.5).ToVector<int>(), (std::vector<int>{ 0, 0 }));
}

TEST(UniverSegImageFilter, SettingsAndPrint)
{
  const auto filter = FilterType::New();
  EXPECT_STREQ(filter->GetNameOfClass(), "UniverSegImageFilter");
  EXPECT_EQ(filter->GetThreshold(), 0.5);
  EXPECT_EQ(filter->GetForegroundValue(), 1);
  EXPECT_EQ(filter->GetSliceAxis(), 1u);
  EXPECT_EQ(VolumeFilterType::New()->GetSliceAxis(), 2u);
  EXPECT_EQ(filter->GetNormalization(), NormalizationEnum::MinMaxOfSlice);
  EXPECT_EQ(filter->GetModel(), nullptr);
  EXPECT_EQ(filter->GetSupportSet(), nullptr);
  EXPECT_TRUE(filter->GetIncludeBackground());
  EXPECT_FALSE(filter->GetProduceProbabilities());
  filter->SetGridSize(32);
  EXPECT_EQ(filter->GetGridSize(), (itk::Size<2>{ { 32, 32 } }));
  filter->SetLowerPercentile(1);
  filter->SetUpperPercentile(98);
  filter->SetWindowMinimum(-100);
  filter->SetWindowMaximum(300);
  EXPECT_EQ(filter->GetLowerPercentile(), 1);
  EXPECT_EQ(filter->GetUpperPercentile(), 98);
  EXPECT_EQ(filter->GetWindowMinimum(), -100);
  EXPECT_EQ(filter->GetWindowMaximum(), 300);
  std::ostringstream text;
  filter->Print(text);
  for (const std::string part : { "Threshold: 0.5",
                                  "ForegroundValue: 1",
                                  "GridSize: [32, 32]",
                                  "Normalization::MinMaxOfSlice",
                                  "WindowMinimum: -100",
                                  "Backend: auto",
                                  "NumberOfNearestSupports: 0",
                                  "Seed: 0" })
  {
    EXPECT_NE(text.str().find(part), std::string::npos) << part;
  }
}
