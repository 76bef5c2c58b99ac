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
#include "itkUniverSegSupportSet.h"

#include "itkFilteringTestHelpers.h"
#include "itkRGBAPixel.h"
#include "itkRGBPixel.h"

#include <limits>
#include <sstream>
#include <thread>

using itk::UniverSegSupportSet;
using namespace itk::test;
using ImageType = itk::Image<float, 2>;
using LabelImageType = itk::Image<unsigned char, 2>;
using VolumeType = itk::Image<short, 3>;
using LabelVolumeType = itk::Image<unsigned short, 3>;
using Labels = std::vector<UniverSegSupportSet::LabelType>;
using NormalizationEnum = itk::IntensityNormalization::NormalizationEnum;

namespace
{
itk::IntensityNormalization
None()
{
  itk::IntensityNormalization normalization;
  normalization.method = NormalizationEnum::None;
  return normalization;
}
} // namespace

TEST(UniverSegSupportSet, CountsLabelsAndModifiedTime)
{
  const auto supports = UniverSegSupportSet::New();
  EXPECT_EQ(supports->GetNumberOfSupports(), 0u);
  EXPECT_TRUE(supports->GetLabels().empty());
  auto time = supports->GetMTime();
  const auto expectChange = [&](bool changed)
  {
    EXPECT_EQ(supports->GetMTime() > time, changed);
    time = supports->GetMTime();
  };
  supports->Clear();
  expectChange(false);
  const ImageType::SizeType size{ { 12, 10 } };
  supports->PushBackSupport(MakeDisk<ImageType>(size, 0.5), MakeDiskLabel<LabelImageType>(size, 0.5, 255));
  expectChange(true);
  supports->PushBackSupport(MakeDisk<ImageType>(size, 0.5), MakeDiskLabel<itk::Image<int, 2>>(size, 0.5, -7));
  expectChange(true);
  EXPECT_EQ(supports->GetNumberOfSupports(), 2u);
  EXPECT_EQ(supports->GetLabels(), (Labels{ -7, 0, 255 }));
  supports->RemoveSupport(1);
  expectChange(true);
  EXPECT_EQ(supports->GetLabels(), (Labels{ 0, 255 }));
  EXPECT_ERROR(supports->RemoveSupport(1), "no support 1");
  expectChange(false);
  supports->Clear();
  expectChange(true);
  EXPECT_EQ(supports->GetNumberOfSupports(), 0u);
}

TEST(UniverSegSupportSet, PreparesImagesAndPlanes)
{
  const auto supports = UniverSegSupportSet::New();
  const auto image = MakeImage<ImageType>({ { 4, 2 } });
  const auto label = MakeImage<LabelImageType>({ { 4, 2 } });
  image->SetPixel({ { 3, 0 } }, 1.0F);
  label->SetPixel({ { 1, 0 } }, 5);
  label->SetPixel({ { 3, 1 } }, 9);
  supports->PushBackSupport(image, label);
  const auto prepared = supports->GetPrepared(None(), 4, 2);
  EXPECT_EQ(prepared->GetImages().GetShape(), (itk::nn::Shape{ 1, 1, 2, 4 }));
  EXPECT_EQ(prepared->GetImages().ToVector<float>(), (std::vector<float>{ 0, 0, 0, 1, 0, 0, 0, 0 }));
  EXPECT_EQ(prepared->GetPlanes(5).ToVector<float>(), (std::vector<float>{ 0, 1, 0, 0, 0, 0, 0, 0 }));
  EXPECT_EQ(prepared->GetPlanes(9).ToVector<float>(), (std::vector<float>{ 0, 0, 0, 0, 0, 0, 0, 1 }));
  EXPECT_EQ(prepared->GetPlanes(0).ToVector<float>(), (std::vector<float>{ 1, 0, 1, 1, 1, 1, 1, 0 }));
  EXPECT_EQ(prepared->GetPlanes(3).ToVector<float>(), std::vector<float>(8, 0.0F));
  EXPECT_EQ(prepared->GetPlanes(5).GetRawData(), prepared->GetPlanes(5).GetRawData());

  EXPECT_EQ(supports->GetPrepared(None(), 4, 2), prepared);
  EXPECT_NE(supports->GetPrepared(None(), 8, 2), prepared);
  EXPECT_NE(supports->GetPrepared(itk::IntensityNormalization(), 4, 2), prepared);
  EXPECT_EQ(supports->GetPrepared(None(), 4, 2), prepared);
  supports->PushBackSupport(image, label);
  EXPECT_NE(supports->GetPrepared(None(), 4, 2), prepared);
  EXPECT_EQ(supports->GetPrepared(None(), 4, 2)->GetImages().GetShape()[0], 2);
}

TEST(UniverSegSupportSet, FindsTheNearestImages)
{
  using Positions = std::vector<std::size_t>;
  constexpr std::int64_t extent = 32;
  const auto makeImage = [](float level)
  {
    std::vector<float> pixels(extent * extent, level);
    // Checks of single pixels, which the reduced images have not.
    for (std::size_t i = 0; i < pixels.size(); ++i)
    {
      pixels[i] += (i + i / extent) % 2 == 0 ? 0.1F : -0.1F;
    }
    return pixels;
  };
  std::vector<float> images;
  for (const float level : { 0.8F, 0.2F, 0.5F, 0.2F, 0.6F })
  {
    const auto image = makeImage(level);
    images.insert(images.end(), image.begin(), image.end());
  }
  itk::nn::Tensor stack({ 5, 1, extent, extent });
  std::copy(images.begin(), images.end(), stack.GetData<float>());
  const itk::UniverSegPreparedSupports prepared(stack, itk::nn::Tensor({ 5, 1, extent, extent }));
  const std::vector<float> dark(extent * extent, 0.25F);
  EXPECT_EQ(prepared.FindNearest(dark.data(), 5, 1), Positions{ 1 }) << "the first of equal ones";
  EXPECT_EQ(prepared.FindNearest(dark.data(), 5, 2), (Positions{ 1, 3 }));
  EXPECT_EQ(prepared.FindNearest(dark.data(), 5, 4), (Positions{ 1, 2, 3, 4 })) << "ascending";
  EXPECT_EQ(prepared.FindNearest(dark.data(), 5, 9), (Positions{ 0, 1, 2, 3, 4 }));
  EXPECT_EQ(prepared.FindNearest(dark.data(), 1, 1), Positions{ 0 }) << "of the pool only";
  EXPECT_EQ(prepared.FindNearest(dark.data(), 9, 9).size(), 5U) << "no more than there are";
  const std::vector<float> bright(extent * extent, 0.71F);
  EXPECT_EQ(prepared.FindNearest(bright.data(), 5, 2), (Positions{ 0, 4 }));
}

TEST(UniverSegSupportSet, CopiesThePixels)
{
  const auto supports = UniverSegSupportSet::New();
  const auto image = MakeImage<ImageType>({ { 2, 1 } });
  const auto label = MakeImage<LabelImageType>({ { 2, 1 } });
  image->SetPixel({ { 0, 0 } }, 3.0F);
  supports->PushBackSupport(image, label);
  image->FillBuffer(9.0F);
  EXPECT_EQ(supports->GetPrepared(None(), 2, 1)->GetImages().ToVector<float>(), (std::vector<float>{ 3, 0 }));
}

TEST(UniverSegSupportSet, ColourBecomesLuminance)
{
  const auto supports = UniverSegSupportSet::New();
  const auto rgb = MakeImage<itk::Image<itk::RGBPixel<unsigned char>, 2>>({ { 1, 1 } });
  itk::RGBPixel<unsigned char> pixel;
  pixel.Set(200, 100, 50);
  rgb->FillBuffer(pixel);
  const auto rgba = MakeImage<itk::Image<itk::RGBAPixel<unsigned short>, 2>>({ { 1, 1 } });
  itk::RGBAPixel<unsigned short> wide;
  wide.Set(2000, 1000, 500, 1);
  rgba->FillBuffer(wide);
  const auto label = MakeImage<LabelImageType>({ { 1, 1 } });
  supports->PushBackSupport(rgb, label);
  supports->PushBackSupport(rgba, label);
  const auto values = supports->GetPrepared(None(), 1, 1)->GetImages().ToVector<float>();
  EXPECT_NEAR(values[0], 124.19968, 1e-4);
  EXPECT_NEAR(values[1], 1241.9968, 1e-3);
}

TEST(UniverSegSupportSet, PixelTypesKnownAtRunTimeOnly)
{
  const auto typed = UniverSegSupportSet::New();
  const auto untyped = UniverSegSupportSet::New();
  const auto addBoth = [&](const auto & image, const auto & label)
  {
    typed->PushBackSupport(image, label);
    untyped->PushBackSupport(static_cast<const itk::DataObject *>(image.GetPointer()),
                             static_cast<const itk::DataObject *>(label.GetPointer()));
  };
  const ImageType::SizeType size{ { 6, 5 } };
  addBoth(MakeDisk<ImageType>(size, 0.5), MakeDiskLabel<LabelImageType>(size, 0.5, 3));
  addBoth(MakeDisk<itk::Image<double, 2>>(size, 0.4), MakeDiskLabel<itk::Image<short, 2>>(size, 0.6, 7));
  const auto rgb = MakeImage<itk::Image<itk::RGBPixel<unsigned char>, 2>>(size);
  itk::RGBPixel<unsigned char> pixel;
  pixel.Set(200, 100, 50);
  rgb->SetPixel({ { 2, 1 } }, pixel);
  addBoth(rgb, MakeDiskLabel<itk::Image<float, 2>>(size, 0.5, 3));
  const auto expected = typed->GetPrepared(None(), 6, 5);
  const auto actual = untyped->GetPrepared(None(), 6, 5);
  EXPECT_EQ(actual->GetImages().ToVector<float>(), expected->GetImages().ToVector<float>());
  EXPECT_EQ(actual->GetPlanes(3).ToVector<float>(), expected->GetPlanes(3).ToVector<float>());
  EXPECT_EQ(untyped->GetLabels(), (Labels{ 0, 3, 7 }));

  const auto volume = MakeImage<VolumeType>({ { 2, 3, 4 } });
  const auto labels = MakeImage<LabelVolumeType>({ { 2, 3, 4 } });
  volume->SetPixel({ { 1, 2, 3 } }, 11);
  labels->SetPixel({ { 1, 2, 3 } }, 4);
  const itk::DataObject * volumeObject = volume;
  const itk::DataObject * labelsObject = labels;
  const auto slices = UniverSegSupportSet::New();
  slices->PushBackSupportVolume(volumeObject, labelsObject, 0);
  ASSERT_EQ(slices->GetNumberOfSupports(), 1u);
  EXPECT_EQ(slices->GetPrepared(None(), 3, 4)->GetImages().ToVector<float>().back(), 11.0F);

  const itk::DataObject * null = nullptr;
  const itk::DataObject * image = rgb;
  EXPECT_ERROR(untyped->PushBackSupport(null, image), "label image of a support is of the class Image");
  EXPECT_ERROR(untyped->PushBackSupport(null, null), "image of a support is null");
  EXPECT_ERROR(untyped->PushBackSupport(volumeObject, labelsObject), "should be an itk::Image of 2 dimensions");
  EXPECT_ERROR(slices->PushBackSupportVolume(image, image), "should be an itk::Image of 3 dimensions");
  EXPECT_ERROR(slices->PushBackSupportVolume(slices.GetPointer(), labelsObject), "of the class UniverSegSupportSet");
  EXPECT_EQ(untyped->GetNumberOfSupports(), 3u);
  EXPECT_EQ(slices->GetNumberOfSupports(), 1u);
}

TEST(UniverSegSupportSet, SlicesOfAVolume)
{
  VolumeType::IndexType index{ { 5, -2, 10 } };
  const auto volume = MakeImage<VolumeType>({ { 2, 3, 4 } }, index);
  short value = 0;
  for (itk::ImageRegionIteratorWithIndex<VolumeType> it(volume, volume->GetLargestPossibleRegion()); !it.IsAtEnd();
       ++it)
  {
    it.Set(value++);
  }
  const auto label = MakeImage<LabelVolumeType>({ { 2, 3, 4 } });
  label->SetPixel({ { 1, 2, 3 } }, 700);
  label->SetPixel({ { 1, 0, 1 } }, 1);

  const auto supports = UniverSegSupportSet::New();
  supports->PushBackSupportVolume(volume, label);
  EXPECT_EQ(supports->GetNumberOfSupports(), 2u);
  EXPECT_EQ(supports->GetLabels(), (Labels{ 0, 1, 700 }));
  EXPECT_EQ(supports->GetPrepared(None(), 2, 3)->GetImages().ToVector<float>(),
            (std::vector<float>{ 6, 7, 8, 9, 10, 11, 18, 19, 20, 21, 22, 23 }));

  // The range is the volume's, 0 to 23, not the slice's.
  itk::IntensityNormalization normalization;
  normalization.method = NormalizationEnum::MinMaxOfVolume;
  EXPECT_NEAR(supports->GetPrepared(normalization, 2, 3)->GetImages().ToVector<float>()[0], 6.0 / 23, 1e-6);

  supports->Clear();
  supports->PushBackSupportVolume(volume, label, 0);
  EXPECT_EQ(supports->GetNumberOfSupports(), 1u);
  const auto prepared = supports->GetPrepared(None(), 3, 4);
  EXPECT_EQ(prepared->GetImages().ToVector<float>(), (std::vector<float>{ 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23 }));
  EXPECT_EQ(prepared->GetPlanes(700).ToVector<float>()[11], 1);

  supports->Clear();
  supports->PushBackSupportVolume(volume, label, 1, { -1, -2 });
  EXPECT_EQ(supports->GetNumberOfSupports(), 2u);
  EXPECT_EQ(supports->GetPrepared(None(), 2, 4)->GetImages().ToVector<float>(),
            (std::vector<float>{ 2, 3, 8, 9, 14, 15, 20, 21, 0, 1, 6, 7, 12, 13, 18, 19 }));

  EXPECT_ERROR(supports->PushBackSupportVolume(volume, label, 1, { 1 }), "should be from -2 to 0");
  EXPECT_ERROR(supports->PushBackSupportVolume(volume, label, 3), "should be 0, 1 or 2");
  label->FillBuffer(0);
  EXPECT_ERROR(supports->PushBackSupportVolume(volume, label), "0 everywhere");
  EXPECT_EQ(supports->GetNumberOfSupports(), 2u);
}

TEST(UniverSegSupportSet, SoftLabels)
{
  const auto supports = UniverSegSupportSet::New();
  const auto image = MakeImage<ImageType>({ { 2, 1 } });
  const auto label = MakeImage<ImageType>({ { 2, 1 } });
  label->SetPixel({ { 1, 0 } }, 0.5F);
  EXPECT_ERROR(supports->PushBackSupport(image, label), "SoftLabelsOn");
  EXPECT_EQ(supports->GetNumberOfSupports(), 0u);
  supports->SoftLabelsOn();
  EXPECT_TRUE(supports->GetSoftLabels());
  supports->PushBackSupport(image, label);
  EXPECT_EQ(supports->GetLabels(), Labels{ 1 });
  EXPECT_EQ(supports->GetPrepared(None(), 2, 1)->GetPlanes(1).ToVector<float>(), (std::vector<float>{ 0, 0.5F }));
  EXPECT_ERROR(supports->SoftLabelsOff(), "before the first");
  label->FillBuffer(1.5F);
  EXPECT_ERROR(supports->PushBackSupport(image, label), "should be in [0, 1]");
}

TEST(UniverSegSupportSet, BadPairs)
{
  const auto supports = UniverSegSupportSet::New();
  const auto image = MakeImage<ImageType>({ { 4, 3 } });
  const auto label = MakeImage<LabelImageType>({ { 4, 3 } });
  const ImageType * noImage = nullptr;
  const LabelImageType * noLabel = nullptr;
  EXPECT_ERROR(supports->PushBackSupport(noImage, label.GetPointer()), "The image of a support is null");
  EXPECT_ERROR(supports->PushBackSupport(image.GetPointer(), noLabel), "The label image of a support is null");
  EXPECT_ERROR(supports->PushBackSupport(image, MakeImage<LabelImageType>({ { 3, 4 } })), "they should be the same");
  EXPECT_ERROR(supports->PushBackSupport(ImageType::New(), label), "has no pixels");
  EXPECT_ERROR(supports->PushBackSupport(image, LabelImageType::New()), "has no pixels");

  const auto part = MakeImage<ImageType>({ { 4, 3 } });
  part->SetBufferedRegion(ImageType::RegionType(ImageType::SizeType{ { 4, 1 } }));
  EXPECT_ERROR(supports->PushBackSupport(part, label), "not wholly in memory");

  for (const float bad : { std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity() })
  {
    const auto nan = MakeImage<ImageType>({ { 4, 3 } });
    nan->SetPixel({ { 2, 1 } }, bad);
    EXPECT_ERROR(supports->PushBackSupport(nan, label), "NaN or infinite at index [2, 1]");
    EXPECT_ERROR(supports->PushBackSupport(image, nan), "labels should be integers");
    EXPECT_ERROR(supports->PushBackTensors(itk::nn::Tensor::Full({ 2, 2 }, bad), itk::nn::Tensor::Zeros({ 2, 2 })),
                 "NaN or infinite");
  }
  EXPECT_ERROR(supports->PushBackTensors(itk::nn::Tensor::Zeros({ 2, 2 }), itk::nn::Tensor::Zeros({ 2, 3 })),
               "should be [H, W]");
  EXPECT_ERROR(supports->PushBackTensors(itk::nn::Tensor(), itk::nn::Tensor()), "undefined");
  EXPECT_EQ(supports->GetNumberOfSupports(), 0u);
  EXPECT_ERROR(supports->GetPrepared(None(), 4, 4), "support set is empty");
}

TEST(UniverSegSupportSet, ThreadsShareOnePreparation)
{
  const auto supports = MakeSupports();
  std::vector<UniverSegSupportSet::PreparedPointer> prepared(6);
  std::vector<std::thread> threads;
  for (auto & one : prepared)
  {
    threads.emplace_back(
      [&one, &supports]
      {
        one = supports->GetPrepared(None(), 16, 16);
        one->GetPlanes(1);
      });
  }
  for (auto & thread : threads)
  {
    thread.join();
  }
  for (const auto & one : prepared)
  {
    EXPECT_EQ(one, prepared.front());
  }
}

TEST(UniverSegSupportSet, Prints)
{
  std::ostringstream text;
  MakeSupports()->Print(text);
  EXPECT_NE(text.str().find("NumberOfSupports: 3"), std::string::npos);
  EXPECT_NE(text.str().find("Labels: 0 1"), std::string::npos);
  EXPECT_NE(text.str().find("MaximumCacheBytes: 629145600"), std::string::npos);
  EXPECT_NE(text.str().find("CacheBytes: 0"), std::string::npos);
  EXPECT_STREQ(UniverSegSupportSet::New()->GetNameOfClass(), "UniverSegSupportSet");
}
