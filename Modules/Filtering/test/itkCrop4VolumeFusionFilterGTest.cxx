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
#include "itkCrop4VolumeFusionFilter.h"

#include "itkCommand.h"
#include "itkFilteringTestHelpers.h"
#include "itkNNSafeTensors.h"
#include "itkNNTestGoldens.h"
#include "itkVolumeFusionFilter.h"
#include "nlohmann/json.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <sstream>

using namespace itk::test;
using itk::nn::Percentiles;
using itk::nn::PythonRandom;
using itk::nn::VolumeFusionCrop;
using itk::nn::VolumeFusionCropOptions;
using itk::nn::VolumeFusionTone;
using ImageType = itk::Image<float, 3>;
using FilterType = itk::Crop4VolumeFusionFilter<ImageType>;

namespace
{
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

/** The intensity at an index is 100 z + 10 y + x. */
ImageType::Pointer
MakeRamp(const ImageType::SizeType & size, const ImageType::IndexType & index = {})
{
  const auto image = MakeImage<ImageType>(size, index);
  for (itk::ImageRegionIteratorWithIndex<ImageType> it(image, image->GetLargestPossibleRegion()); !it.IsAtEnd(); ++it)
  {
    it.Set(static_cast<float>(100 * it.GetIndex()[2] + 10 * it.GetIndex()[1] + it.GetIndex()[0]));
  }
  return image;
}

FilterType::Pointer
MakeFilter()
{
  const auto filter = FilterType::New();
  filter->SetInput(MakeRamp({ { 30, 20, 24 } }));
  filter->SetOutputSize({ { 12, 10, 8 } });
  filter->SetSeed(3);
  return filter;
}

void
ExpectNear(const ImageType * image, const itk::nn::Tensor & expected, double tolerance)
{
  const auto pixels = GetPixels(image);
  const auto values = expected.ToVector<double>();
  ASSERT_EQ(pixels.size(), values.size());
  for (std::size_t i = 0; i < pixels.size(); ++i)
  {
    ASSERT_NEAR(pixels[i], values[i], tolerance) << "voxel " << i;
  }
}
} // namespace

TEST(Percentiles, AsNumPy)
{
  const std::vector<float> values{ 9, 1, 5, 3, 7 };
  EXPECT_EQ(Percentiles(values.data(), 5, { 0, 25, 50, 60, 100 }), (std::vector<double>{ 1, 3, 5, 5.8, 9 }));
  std::vector<float> many(100000);
  Random random(1);
  std::generate(many.begin(), many.end(), [&random] { return 1000 * random(); });
  many[7] = 1e6F; // all others in one bin
  const auto found = Percentiles(many.data(), many.size(), { 0.1, 98.765 });
  std::sort(many.begin(), many.end());
  EXPECT_GE(found[0], many[99]);
  EXPECT_LE(found[0], many[100]);
  EXPECT_GE(found[1], many[98763]);
  EXPECT_LE(found[1], many[98766]);
  const std::vector<float> flat(10, 4.0F);
  EXPECT_EQ(Percentiles(flat.data(), 10, { 50 }), (std::vector<double>{ 4 }));
  EXPECT_NN_ERROR(Percentiles(flat.data(), 0, { 50 }), "no values");
  EXPECT_NN_ERROR(Percentiles(flat.data(), 10, { 101 }), "101");
  for (const float bad : { std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity() })
  {
    const std::vector<float> hostile{ 1, 2, bad };
    EXPECT_NN_ERROR(Percentiles(hostile.data(), 3, { 50 }), "value 2 is no finite number");
  }
}

TEST(Percentiles, AreOrderStatisticsForAnyThreads)
{
  Random random(2);
  // Of many magnitudes; two equal ones; so narrow that the width of a bin is no normal number.
  const auto wide = [&random](std::size_t i) { return (i % 3 == 0 ? -1e30F : 1e-3F) * random(); };
  const auto flat = [](std::size_t i) { return i == 5 ? 2.F : 1.F; };
  const auto narrow = [](std::size_t i)
  { return static_cast<float>(i % 7) * std::numeric_limits<float>::denorm_min(); };
  const auto extreme = [](std::size_t i)
  { return (i % 2 == 0 ? -1.F : 1.F) * std::numeric_limits<float>::max() / static_cast<float>(1 + i % 5); };
  using Make = std::function<float(std::size_t)>;
  for (const Make & make : std::vector<Make>{ wide, flat, narrow, extreme })
  {
    std::vector<float> values(9973);
    for (std::size_t i = 0; i < values.size(); ++i)
    {
      values[i] = make(i);
    }
    const std::vector<double> percent{ 99.9, 0, 0.1, 50, 50.01, 100, 12.5 };
    const auto one = Percentiles(values.data(), values.size(), percent, 1);
    EXPECT_EQ(one, Percentiles(values.data(), values.size(), percent, 3));
    EXPECT_EQ(one, Percentiles(values.data(), values.size(), percent, 0));
    std::sort(values.begin(), values.end());
    for (std::size_t i = 0; i < percent.size(); ++i)
    {
      const double place = percent[i] / 100 * static_cast<double>(values.size() - 1);
      const auto low = static_cast<std::size_t>(place);
      const double value = values[low];
      const double next = values[std::min(low + 1, values.size() - 1)];
      EXPECT_EQ(one[i], value + (place - static_cast<double>(low)) * (next - value)) << percent[i];
    }
  }
}

TEST(VolumeFusionTone, NearDoublePrecision)
{
  // Tails, gammas and lengths as drawn and beyond, no multiple of a vector.
  for (const double gamma : { 0.05, 0.7, 1.0, 1.4999, 9.0 })
  {
    for (const bool inverted : { false, true })
    {
      VolumeFusionTone tone{ -1000, -990.5, 400.25, 3071, gamma, inverted };
      std::vector<float> pixels;
      for (int i = 0; i <= 40710; ++i)
      {
        pixels.push_back(static_cast<float>(-1000 + 0.1 * i));
      }
      pixels.front() = -1000;
      pixels.back() = 3071;
      std::vector<float> changed = pixels;
      tone.Apply(changed.data(), changed.size());
      double largest = 0;
      for (std::size_t i = 0; i < pixels.size(); ++i)
      {
        const auto x = static_cast<double>(pixels[i]);
        const double stretched = x < tone.lower ? 0.1 * (x + 1000) / (tone.lower + 1000)
                               : x > tone.upper ? 0.9 + 0.1 * (x - tone.upper) / (3071 - tone.upper)
                                                : 0.1 + 0.8 * (x - tone.lower) / (tone.upper - tone.lower);
        const double value = std::pow(stretched, gamma);
        largest = std::max(largest, std::abs(static_cast<double>(changed[i]) - (inverted ? 1 - value : value)));
      }
      EXPECT_LT(largest, 5e-7) << gamma;
      EXPECT_EQ(changed.front(), inverted ? 1 : 0);
      EXPECT_EQ(changed.back(), inverted ? 0 : 1);
    }
  }
  std::vector<float> beyond{ -5, 7, std::numeric_limits<float>::quiet_NaN() };
  VolumeFusionTone{ 0, 0.1, 0.9, 1, 3, false }.Apply(beyond.data(), 3);
  EXPECT_EQ(beyond, (std::vector<float>{ 0, 1, 0 }));
  float pixel = 0;
  for (const double gamma : { 0., -1., std::numeric_limits<double>::infinity(), std::nan("") })
  {
    EXPECT_NN_ERROR((VolumeFusionTone{ 0, 0, 1, 1, gamma, false }.Apply(&pixel, 1)), "should be above 0");
  }
}

TEST(VolumeFusionTone, StretchesAndInverts)
{
  VolumeFusionTone tone;
  tone.minimum = 0;
  tone.lower = 10;
  tone.upper = 20;
  tone.maximum = 40;
  std::vector<float> pixels{ 0, 5, 10, 15, 20, 30, 40 };
  tone.Apply(pixels.data(), pixels.size());
  const float expected[] = { 0, 0.05F, 0.1F, 0.5F, 0.9F, 0.95F, 1 };
  for (std::size_t i = 0; i < pixels.size(); ++i)
  {
    EXPECT_NEAR(pixels[i], expected[i], 1e-6);
  }
  tone = { 0, 0, 1, 1, 2, true };
  std::vector<float> half{ 0, 0.5F, 1 };
  tone.Apply(half.data(), 3);
  // The least is 0.1 and the greatest 0.9 here; gamma is relative to them.
  EXPECT_NEAR(half[0], 0.9, 1e-6);
  EXPECT_NEAR(half[1], 1 - (0.25 * 0.8 + 0.1), 1e-6);
  EXPECT_NEAR(half[2], 0.1, 1e-6);
  tone = { 3, 3, 3, 3, 1, false };
  std::vector<float> flat(2, 3.0F);
  tone.Apply(flat.data(), 2);
  EXPECT_EQ(flat, (std::vector<float>{ 0, 0 })) << "no number that is none";
}

TEST(Crop4VolumeFusionFilter, GoldensFromTheSeedOfTheReference)
{
  const std::string file = "misfm/volf_b_crop";
  ITK_NN_REQUIRE_GOLDEN(file + ".safetensors");
  const auto cases =
    nlohmann::json::parse(itk::nn::test::ReadText(itk::nn::test::FindGolden(file + ".json"))).at("cases");
  const auto tensors = itk::nn::ReadSafeTensors(itk::nn::test::FindGolden(file + ".safetensors")).tensors;
  ASSERT_GE(cases.size(), 5U);
  for (const auto & [name, expectation] : cases.items())
  {
    const auto filter = FilterType::New();
    filter->SetInput(ToVolume(tensors.Get("volume")));
    const auto size = expectation.at("output_size").get<std::vector<itk::SizeValueType>>();
    filter->SetOutputSize({ { size[2], size[1], size[0] } });
    const int mode = name.at(4) - '0';
    filter->SetIntensityAugmentation(mode == 1 || mode == 3);
    filter->SetSpatialAugmentation(mode >= 2);
    const auto seed = expectation.at("python_random_seed").get<std::int64_t>();
    filter->SetSeed(seed);
    filter->Update();
    ExpectNear(filter->GetPatch(0), tensors.Get(name + "/patch1"), 2e-6);
    ExpectNear(filter->GetPatch(1), tensors.Get(name + "/patch2"), 2e-6);

    // As many numbers were drawn as the reference draws.
    PythonRandom random(seed);
    for (const auto & draw : expectation.at("draws"))
    {
      const std::string kind = draw.at(0);
      if (kind == "randint")
      {
        EXPECT_EQ(random.Integer(draw.at(1), draw.at(2)), draw.at(3).get<std::int64_t>());
      }
      else
      {
        random.Random();
      }
    }
    EXPECT_EQ(PythonRandom(filter->GetNextRandom()).Random(), random.Random()) << name;
  }
}

TEST(Crop4VolumeFusionFilter, ChainWithTheFusionFromOneSeed)
{
  const std::string file = "misfm/volf_c_chain";
  ITK_NN_REQUIRE_GOLDEN(file + ".safetensors");
  const auto tensors = itk::nn::ReadSafeTensors(itk::nn::test::FindGolden(file + ".safetensors")).tensors;
  const auto crop = FilterType::New();
  crop->SetInput(ToVolume(tensors.Get("volume")));
  crop->SetOutputSize({ { 24, 24, 16 } });
  crop->SetSeed(31);
  crop->Update();
  const auto fusion = itk::VolumeFusionFilter<ImageType>::New();
  fusion->SetForegroundImage(crop->GetPatch(0));
  fusion->SetBackgroundImage(crop->GetPatch(1));
  fusion->SetMinimumBlockSize({ { 8, 8, 5 } });
  fusion->SetMaximumBlockSize({ { 12, 12, 8 } });
  fusion->SetRandom(crop->GetNextRandom());
  fusion->Update();
  ExpectNear(fusion->GetOutput(), tensors.Get("fused_f32"), 2e-6);
  EXPECT_EQ(GetPixels(fusion->GetLabelOutput()), tensors.Get("label").ToVector<double>());
}

TEST(Crop4VolumeFusionFilter, PatchesLieWhereTheirGeometrySays)
{
  const double spacing[] = { 0.5, 2.0, 3.0 };
  const double origin[] = { 7.0, 8.0, 9.0 };
  bool anyFlip = false;
  for (std::int64_t seed = 0; seed < 8; ++seed)
  {
    const auto filter = MakeFilter();
    const auto image = MakeRamp({ { 30, 20, 24 } }, { { 3, -4, 20 } });
    image->SetSpacing(spacing);
    image->SetOrigin(origin);
    filter->SetInput(image);
    filter->IntensityAugmentationOff();
    filter->SetSeed(seed);
    filter->Update();
    const ImageType * patch = filter->GetPatch(0);
    EXPECT_EQ(patch->GetLargestPossibleRegion(), ImageType::RegionType(filter->GetOutputSize()));
    for (itk::ImageRegionConstIteratorWithIndex<ImageType> it(patch, patch->GetLargestPossibleRegion()); !it.IsAtEnd();
         ++it)
    {
      ImageType::PointType point;
      patch->TransformIndexToPhysicalPoint(it.GetIndex(), point);
      itk::ContinuousIndex<double, 3> place;
      image->TransformPhysicalPointToContinuousIndex(point, place);
      ASSERT_NEAR(it.Get(), 100 * place[2] + 10 * place[1] + place[0], 1e-3) << seed << ' ' << it.GetIndex();
    }
    EXPECT_EQ(filter->GetPatch(1)->GetOrigin(), patch->GetOrigin()) << "fit for the fusion";
    anyFlip = anyFlip || patch->GetDirection()(0, 0) < 0;
    EXPECT_TRUE(image->GetLargestPossibleRegion().IsInside(filter->GetBox(0)));
    EXPECT_TRUE(image->GetLargestPossibleRegion().IsInside(filter->GetBox(1)));
  }
  EXPECT_TRUE(anyFlip);
}

TEST(Crop4VolumeFusionFilter, SmallInputsAreEnlarged)
{
  const auto filter = MakeFilter();
  filter->SetInput(MakeRamp({ { 5, 1, 4 } }));
  filter->IntensityAugmentationOff();
  filter->Update();
  for (unsigned int i = 0; i < 2; ++i)
  {
    const auto pixels = GetPixels(filter->GetPatch(i));
    EXPECT_EQ(pixels.size(), 12U * 10 * 8);
    EXPECT_EQ(*std::max_element(pixels.begin(), pixels.end()), 304) << "the corners lie on the corners";
    EXPECT_EQ(*std::min_element(pixels.begin(), pixels.end()), 0);
  }
}

TEST(Crop4VolumeFusionFilter, OtherPixelsFlatImagesAndThreads)
{
  using ShortType = itk::Image<short, 3>;
  const auto filter = itk::Crop4VolumeFusionFilter<ShortType>::New();
  const auto flat = MakeImage<ShortType>({ { 9, 9, 9 } });
  flat->FillBuffer(-5);
  filter->SetInput(flat);
  filter->SetOutputSize({ { 4, 4, 4 } });
  filter->Update();
  for (const double value : GetPixels(filter->GetPatch(0)))
  {
    EXPECT_TRUE(value == 0 || value == 1) << value;
  }

  const auto one = MakeFilter();
  one->SetNumberOfWorkUnits(1);
  one->Update();
  const auto many = MakeFilter();
  many->SetNumberOfWorkUnits(7);
  many->Update();
  EXPECT_EQ(GetPixels(one->GetPatch(1)), GetPixels(many->GetPatch(1)));
}

TEST(Crop4VolumeFusionFilter, AbortAndNextUpdate)
{
  const auto filter = MakeFilter();
  std::vector<float> progress;
  const auto abort = itk::CStyleCommand::New();
  abort->SetClientData(&progress);
  abort->SetCallback(
    [](itk::Object * caller, const itk::EventObject &, void * data)
    {
      auto & process = dynamic_cast<itk::ProcessObject &>(*caller);
      static_cast<std::vector<float> *>(data)->push_back(process.GetProgress());
      if (process.GetProgress() > 0.2F)
      {
        process.AbortGenerateDataOn();
      }
    });
  const auto tag = filter->AddObserver(itk::ProgressEvent(), abort);
  EXPECT_THROW(filter->Update(), itk::ProcessAborted);
  EXPECT_TRUE(std::is_sorted(progress.begin(), progress.end()));
  EXPECT_LT(progress.back(), 0.5F);
  filter->RemoveObserver(tag);
  filter->Update();
  const auto fresh = MakeFilter();
  fresh->Update();
  EXPECT_EQ(GetPixels(filter->GetPatch(0)), GetPixels(fresh->GetPatch(0)));
}

TEST(Crop4VolumeFusionFilter, ParametersAndErrors)
{
  const auto filter = FilterType::New();
  EXPECT_EQ(filter->GetOutputSize(), (FilterType::SizeType{ { 0, 0, 0 } }));
  EXPECT_EQ(filter->GetLowerScale()[0], 0.7);
  EXPECT_EQ(filter->GetUpperScale()[2], 1.5);
  EXPECT_TRUE(filter->GetSpatialAugmentation());
  EXPECT_TRUE(filter->GetIntensityAugmentation());
  EXPECT_STREQ(filter->GetNameOfClass(), "Crop4VolumeFusionFilter");
  std::ostringstream text;
  filter->Print(text);
  EXPECT_NE(text.str().find("SpatialAugmentation: 1"), std::string::npos);
  EXPECT_THROW(filter->Update(), itk::ExceptionObject) << "no input";
  filter->SetInput(MakeRamp({ { 9, 9, 9 } }));
  EXPECT_ERROR(filter->Update(), "patches have the size [0, 0, 0]; should be at least 1");
  filter->SetOutputSize({ { 4, 4, 4 } });
  FilterType::ScaleType scale;
  scale.Fill(2);
  filter->SetLowerScale(scale);
  EXPECT_ERROR(filter->Update(), "a crop is scaled by 2 to 1.5");

  VolumeFusionCropOptions options;
  options.size = { 4, 4 };
  PythonRandom random(0);
  EXPECT_NN_ERROR(VolumeFusionCrop::Draw(random, options, { 9, 9, 9 }), "should have the 3 axes");
  VolumeFusionCrop crop{ { 0, 0 }, { 2, 2 }, { false, false } };
  float pixel = 0;
  EXPECT_NN_ERROR(crop.Resize(&pixel, { 2, 2 }, { 1, 1 }, 0, 1, &pixel), "three axes");
}
