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
#include "itkU2NetPreprocessing.h"

#include "itkNNImageFile.h"
#include "itkNNSafeTensors.h"
#include "itkNNTestGoldens.h"
#include "itkNNTestHelpers.h"
#include "itkNiftiImageIOFactory.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
using Volume = itk::Image<float, 3>;
using LabelVolume = itk::Image<std::int32_t, 3>;

/** \param size x, y, z. */
template <typename TImage>
typename TImage::Pointer
MakeImage(const itk::Size<3> & size, typename TImage::PixelType value = 0)
{
  const auto image = TImage::New();
  image->SetRegions(size);
  image->Allocate();
  image->FillBuffer(value);
  return image;
}

/** Values from 1 on, another one at each voxel. */
Volume::Pointer
MakeRamp(const itk::Size<3> & size)
{
  const auto image = MakeImage<Volume>(size);
  float value = 0;
  std::generate_n(
    image->GetBufferPointer(), image->GetBufferedRegion().GetNumberOfPixels(), [&] { return value += 1; });
  return image;
}

RawCase
MakeCase(const Volume::Pointer & image, const LabelVolume::Pointer & labels = nullptr)
{
  RawCase images;
  images.modalities.push_back({ image.GetPointer() });
  images.labels = labels.GetPointer();
  return images;
}

void
ExpectGolden(const std::string & name)
{
  const std::string folder = "u2net/proc/" + name + '/';
  ITK_NN_REQUIRE_GOLDEN(folder + "out.safetensors");
  itk::NiftiImageIOFactory::RegisterOneFactory();
  const StateDict expected = ReadSafeTensors(FindGolden(folder + "out.safetensors")).tensors;
  const auto configuration = nlohmann::json::parse(ReadText(FindGolden(folder + "config.json")));
  const LoadedImage file = ReadMultichannelImageFile(FindGolden(folder + "image.nii.gz"));
  EXPECT_EQ(file.pixelType, DataTypeFromString(configuration.at("pixel_type").get<std::string>()));
  const LoadedImage labels = ReadImageFile(FindGolden(folder + "label.nii.gz"));
  RawCase images;
  for (unsigned int c = 0; c < file.components; ++c)
  {
    const auto image = MakeImage<Volume>(file.geometry->GetLargestPossibleRegion().GetSize());
    image->CopyInformation(file.geometry);
    for (std::size_t i = c, k = 0; i < file.pixels.size(); i += file.components, ++k)
    {
      image->GetBufferPointer()[k] = file.pixels[i];
    }
    images.modalities.push_back({ image.GetPointer(), file.pixelType });
  }
  const auto labelImage = MakeImage<LabelVolume>(labels.geometry->GetLargestPossibleRegion().GetSize());
  std::transform(labels.pixels.begin(),
                 labels.pixels.end(),
                 labelImage->GetBufferPointer(),
                 [](float label) { return static_cast<std::int32_t>(label); });
  images.labels = labelImage;

  U2NetPreprocessing preprocessing;
  preprocessing.spacing = configuration.at("target_spacing_zyx").get<std::vector<double>>();
  preprocessing.classes = configuration.at("num_class").get<std::int64_t>();
  const U2NetPreparedCase prepared = preprocessing.Apply(images);

  EXPECT_EQ(prepared.grid.GetOriginalSize(), configuration.at("original_shape").get<Shape>());
  const auto first = configuration.at("bbmin").get<Shape>();
  const auto last = configuration.at("bbmax").get<Shape>();
  for (unsigned int axis = 0; axis < 3; ++axis)
  {
    EXPECT_EQ(prepared.grid.box.GetIndex(axis), first[2 - axis]);
    EXPECT_EQ(prepared.grid.box.GetUpperIndex()[axis], last[2 - axis]);
  }
  ASSERT_EQ(prepared.volumes.GetShape(), configuration.at("out_shape").get<Shape>());
  ASSERT_EQ(prepared.volumes.GetDataType(), DataType::Float64);
  const auto values = prepared.volumes.ToVector<double>();
  const auto expectedValues = expected.Get("volumes").ToVector<double>();
  ASSERT_EQ(values.size(), expectedValues.size());
  for (std::size_t i = 0; i < values.size(); ++i)
  {
    ASSERT_NEAR(values[i], expectedValues[i], 1e-6 * std::abs(expectedValues[i]) + 1e-9) << "voxel " << i;
  }
  EXPECT_EQ(prepared.weight.ToVector<float>(), expected.Get("weight").ToVector<float>());
  EXPECT_EQ(prepared.labels.ToVector<std::int32_t>(), expected.Get("label").ToVector<std::int32_t>());

  const auto restored = U2NetPreprocessing::Restore(prepared.labels, prepared.grid);
  const std::vector<std::int32_t> restoredLabels(
    restored->GetBufferPointer(), restored->GetBufferPointer() + restored->GetBufferedRegion().GetNumberOfPixels());
  EXPECT_EQ(restoredLabels, expected.Get("label_back_on_original_grid").ToVector<std::int32_t>());
  EXPECT_EQ(restored->GetOrigin(), file.geometry->GetOrigin());
  EXPECT_EQ(restored->GetSpacing(), file.geometry->GetSpacing());
  EXPECT_EQ(restored->GetDirection(), file.geometry->GetDirection());
}
} // namespace

TEST(U2NetPreprocessing, GoldenIntegerCT)
{
  ExpectGolden("preprocess_ct_int16");
}

TEST(U2NetPreprocessing, GoldenCT)
{
  ExpectGolden("preprocess_ct_float32");
}

TEST(U2NetPreprocessing, GoldenTwoModalities)
{
  ExpectGolden("preprocess_mr_2mod_float32");
}

TEST(U2NetPreprocessing, GoldenHippocampus)
{
  ExpectGolden("preprocess_hippocampus_017");
}

TEST(U2NetPreprocessing, KeepsTheBoxOfTheFirstModalityAndAMargin)
{
  const auto image = MakeImage<Volume>({ { 20, 6, 9 } });
  image->SetPixel({ { 8, 2, 7 } }, 3.5F);
  image->SetPixel({ { 9, 3, 7 } }, -5.5F);
  RawCase images = MakeCase(image);
  // What splines leave of 0 is no more than that as an integer.
  images.modalities[0].pixelType = DataType::Int16;
  images.modalities.push_back({ MakeRamp({ { 20, 6, 9 } }).GetPointer() });
  U2NetPreprocessing preprocessing;
  preprocessing.margin = 1;
  preprocessing.lowerPercentile = 0;
  preprocessing.upperPercentile = 100;
  const auto prepared = preprocessing.Apply(images);
  EXPECT_EQ(prepared.grid.box.GetIndex(), (itk::Index<3>{ { 7, 1, 6 } }));
  EXPECT_EQ(prepared.grid.box.GetSize(), (itk::Size<3>{ { 4, 4, 3 } }));
  EXPECT_EQ(prepared.grid.GetOriginalSize(), (Shape{ 9, 6, 20 }));
  ASSERT_EQ(prepared.volumes.GetShape(), (Shape{ 2, 3, 4, 4 }));
  EXPECT_FALSE(prepared.labels.IsDefined());
  EXPECT_EQ(prepared.weight.GetElement({ 1, 1, 1 }), 1);
  EXPECT_EQ(prepared.weight.GetElement({ 1, 2, 2 }), 0);
  EXPECT_EQ(prepared.weight.GetElement({ 0, 0, 0 }), 0);
  // One voxel above 0: it is the mean, and the others are scaled by nearly nothing.
  EXPECT_EQ(prepared.volumes.GetElement({ 0, 1, 1, 1 }), 0);
  EXPECT_LT(prepared.volumes.GetElement({ 0, 1, 2, 2 }), -1e20);
  EXPECT_EQ(prepared.volumes.GetElement({ 0, 0, 0, 0 }), 0);

  preprocessing.margin = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(preprocessing.Apply(images).grid.box, image->GetBufferedRegion());
}

TEST(U2NetPreprocessing, NormalizesWhatIsAboveZero)
{
  const auto image = MakeImage<Volume>({ { 4, 1, 1 } });
  const float values[] = { -20, 2, 6, -3000 };
  std::copy_n(values, 4, image->GetBufferPointer());
  U2NetPreprocessing preprocessing;
  preprocessing.lowerPercentile = 0;
  preprocessing.upperPercentile = 100;
  const auto prepared = preprocessing.Apply(MakeCase(image));
  const auto result = prepared.volumes.ToVector<double>();
  ASSERT_EQ(result.size(), 4U);
  // Mean 4, deviation 2; -3000 counts as -1024.
  EXPECT_NEAR(result[0], -12, 1e-4);
  EXPECT_NEAR(result[1], -1, 1e-5);
  EXPECT_NEAR(result[2], 1, 1e-5);
  EXPECT_NEAR(result[3], -514, 1e-3);

  preprocessing.lowestValue = -10;
  EXPECT_NEAR(preprocessing.Apply(MakeCase(image)).volumes.GetElement({ 0, 0, 0, 3 }), -7, 1e-5);
  // In the middle between -3000 and -20, and between 2 and 6.
  preprocessing.lowestValue = -5000;
  preprocessing.lowerPercentile = 100.0 / 6;
  preprocessing.upperPercentile = 500.0 / 6;
  const auto clipped = preprocessing.Apply(MakeCase(image)).volumes.ToVector<double>();
  EXPECT_NEAR(clipped[0], -23, 1e-4);
  EXPECT_NEAR(clipped[1], -1, 1e-5);
  EXPECT_NEAR(clipped[2], 1, 1e-5);
  EXPECT_NEAR(clipped[3], -1513, 0.01);
}

TEST(U2NetPreprocessing, IntegersStayIntegersOfTheirRange)
{
  const auto image = MakeImage<Volume>({ { 6, 1, 1 } });
  const float values[] = { 255.5F, 255.5F, 255.5F, 1.5F, 1.5F, 1.5F };
  std::copy_n(values, 6, image->GetBufferPointer());
  RawCase images = MakeCase(image);
  U2NetPreprocessing preprocessing;
  preprocessing.spacing = { 1, 1, 0.5 };
  preprocessing.lowerPercentile = 0;
  preprocessing.upperPercentile = 100;
  const auto isPositive = [&]
  {
    const auto weight = preprocessing.Apply(images).weight.ToVector<float>();
    return std::count(weight.begin(), weight.end(), 1.0F);
  };
  // The spline overshoots at the edge: above 255, and below 0, which 8 bits do not hold.
  const auto all = preprocessing.Apply(images).volumes.ToVector<double>();
  EXPECT_GT(*std::max_element(all.begin(), all.end()), all[0] + 0.01);
  images.modalities[0].pixelType = DataType::UInt8;
  const auto bytes = preprocessing.Apply(images).volumes.ToVector<double>();
  EXPECT_EQ(*std::max_element(bytes.begin(), bytes.end()), bytes[0]);
  const auto positiveBytes = isPositive();
  images.modalities[0].pixelType = DataType::Int16;
  EXPECT_LE(isPositive(), positiveBytes);
  for (const DataType type : { DataType::Int8, DataType::UInt16, DataType::Int32, DataType::Int64, DataType::Float64 })
  {
    images.modalities[0].pixelType = type;
    EXPECT_GT(isPositive(), 6) << ToString(type);
  }
  // 127 is the greatest value of 8 bits with a sign: two values are left, of which the mean is no integer.
  images.modalities[0].pixelType = DataType::Int8;
  const auto narrow = preprocessing.Apply(images).volumes.ToVector<double>();
  EXPECT_EQ(*std::max_element(narrow.begin(), narrow.end()), narrow[0]);
}

TEST(U2NetPreprocessing, FusesLabelsBeforeOthersBecomeZero)
{
  const auto image = MakeRamp({ { 6, 1, 1 } });
  const auto labels = MakeImage<LabelVolume>({ { 6, 1, 1 } });
  const std::int32_t values[] = { 0, 1, 2, 3, 254, -1 };
  std::copy_n(values, 6, labels->GetBufferPointer());
  U2NetPreprocessing preprocessing;
  preprocessing.classes = 2;
  const RawCase images = MakeCase(image, labels);
  const auto apply = [&] { return preprocessing.Apply(images).labels.ToVector<std::int32_t>(); };
  EXPECT_EQ(apply(), (std::vector<std::int32_t>{ 0, 1, 0, 0, 0, 0 }));
  preprocessing.fusedLabels = { { 2, 1 } };
  EXPECT_EQ(apply(), (std::vector<std::int32_t>{ 0, 1, 1, 0, 0, 0 }));
  preprocessing.dropsLabelsBeforeFusing = true;
  EXPECT_EQ(apply(), (std::vector<std::int32_t>{ 0, 1, 0, 0, 0, 0 }));
  preprocessing.classes = 4;
  EXPECT_EQ(apply(), (std::vector<std::int32_t>{ 0, 1, 1, 3, 0, 0 }));
}

TEST(U2NetPreprocessing, TheGridLiesOnTheImage)
{
  const auto image = MakeImage<Volume>({ { 30, 20, 10 } });
  for (itk::IndexValueType x = 12; x < 16; ++x)
  {
    image->SetPixel({ { x, 9, 8 } }, static_cast<float>(x));
  }
  const double spacing[] = { 0.9123456, 0.8, 3 };
  const double origin[] = { -12, 30, 7 };
  image->SetSpacing(spacing);
  image->SetOrigin(origin);
  auto direction = image->GetDirection();
  direction[1][1] = -1;
  image->SetDirection(direction);
  U2NetPreprocessing preprocessing;
  preprocessing.spacing = { 1.5, 0.8, 0.456 };
  preprocessing.margin = 1;
  const auto prepared = preprocessing.Apply(MakeCase(image));
  // 3 voxels of 3 mm, 6 voxels of 0.912 mm.
  EXPECT_EQ(prepared.grid.GetSize(), (Shape{ 6, 3, 12 }));
  const auto geometry = prepared.grid.MakeGeometry();
  for (const itk::IndexValueType i : { 0, 1, 5 })
  {
    const auto place = geometry->TransformIndexToPhysicalPoint<double>(itk::Index<3>{ { 2 * i, i / 3, 0 } });
    const auto expected = image->TransformIndexToPhysicalPoint<double>(itk::Index<3>{ { 11 + i, 8 + i / 3, 7 } });
    EXPECT_LT(place.EuclideanDistanceTo(expected), 1e-9);
  }
  EXPECT_EQ(geometry->GetDirection(), direction);
  EXPECT_EQ(geometry->GetLargestPossibleRegion().GetSize(), (itk::Size<3>{ { 12, 3, 6 } }));
}

TEST(U2NetPreprocessing, RestoresIntoZeros)
{
  const auto image = MakeImage<Volume>({ { 12, 3, 3 } });
  image->SetPixel({ { 4, 1, 1 } }, 1);
  image->SetPixel({ { 7, 1, 1 } }, 2);
  U2NetPreprocessing preprocessing;
  preprocessing.margin = 0;
  preprocessing.spacing = { 1, 1, 0.5 };
  const auto prepared = preprocessing.Apply(MakeCase(image));
  ASSERT_EQ(prepared.grid.GetSize(), (Shape{ 1, 1, 8 }));
  const Tensor labels = Tensor::FromVector<std::int32_t>({ 1, 1, 8 }, { 1, 2, 3, 4, 5, 6, 7, 8 });
  const auto restored = U2NetPreprocessing::Restore(labels, prepared.grid);
  for (itk::IndexValueType x = 0; x < 12; ++x)
  {
    EXPECT_EQ(restored->GetPixel({ { x, 1, 1 } }), x < 4 || x > 7 ? 0 : 2 * (x - 4) + 1) << x;
    EXPECT_EQ(restored->GetPixel({ { x, 0, 1 } }), 0);
  }
  EXPECT_NN_ERROR(U2NetPreprocessing::Restore(labels.Reshape({ 1, 2, 4 }), prepared.grid),
                  "of the size [1, 2, 4]; should be int32 of the size [1, 1, 8]");
  EXPECT_NN_ERROR(U2NetPreprocessing::Restore(labels.To(DataType::Float32), prepared.grid), "are float32");
  EXPECT_NN_ERROR(U2NetPreprocessing::Restore({}, prepared.grid), "not there");
}

TEST(U2NetPreprocessing, RefusesOptionsOutOfRange)
{
  const auto expectError = [](const auto & change, const std::string & text)
  {
    U2NetPreprocessing preprocessing;
    change(preprocessing);
    EXPECT_NN_ERROR(preprocessing.Check(), text);
  };
  EXPECT_NO_THROW(U2NetPreprocessing().Check());
  expectError([](U2NetPreprocessing & p) { p.spacing = { 1, 1 }; }, "three lengths");
  expectError([](U2NetPreprocessing & p) { p.spacing = { 1, 0, 1 }; }, "three lengths");
  expectError([](U2NetPreprocessing & p) { p.spacing = { 1, 1, NAN }; }, "three lengths");
  expectError([](U2NetPreprocessing & p) { p.margin = -1; }, "the margin is -1");
  expectError([](U2NetPreprocessing & p) { p.lowestValue = NAN; }, "lowest value");
  expectError([](U2NetPreprocessing & p) { p.lowerPercentile = 98; }, "are 98 and 98");
  expectError([](U2NetPreprocessing & p) { p.lowerPercentile = -1; }, "are -1 and 98");
  expectError([](U2NetPreprocessing & p) { p.upperPercentile = 101; }, "are 2 and 101");
  expectError([](U2NetPreprocessing & p) { p.classes = 0; }, "0 classes");
  expectError([](U2NetPreprocessing & p) { p.fusedLabels = { { 3, 2 } }; },
              "label 3 becomes 2; should become one of 0 to 1");
}

TEST(U2NetPreprocessing, RefusesImagesThatDoNotSuit)
{
  const U2NetPreprocessing preprocessing;
  const auto expectError = [&](const RawCase & images, const std::string & text)
  { EXPECT_NN_ERROR(preprocessing.Apply(images), text); };
  const auto image = MakeRamp({ { 4, 4, 4 } });
  expectError({}, "no modality");
  expectError(MakeCase(nullptr), "modality 0 has no image");
  expectError(MakeCase(MakeImage<Volume>({ { 4, 4, 4 } })), "0 everywhere");
  expectError(MakeCase(MakeImage<Volume>({ { 4, 4, 4 } }, -1)), "modality 0 has no voxel above 0");
  expectError(MakeCase(image, MakeImage<LabelVolume>({ { 4, 4, 5 } })),
              "the labels have the size [5, 4, 4]; should have that of the first modality, [4, 4, 4]");
  RawCase two = MakeCase(image);
  two.modalities.push_back({ MakeRamp({ { 3, 4, 4 } }).GetPointer() });
  expectError(two, "modality 1 has the size [4, 4, 3]");
  RawCase half = MakeCase(image);
  half.modalities[0].pixelType = DataType::Float16;
  expectError(half, "the pixels of modality 0 are float16");
  const auto hostile = MakeRamp({ { 4, 4, 4 } });
  hostile->GetBufferPointer()[5] = NAN;
  expectError(MakeCase(hostile), "voxel 5 of modality 0 is no finite number");
  U2NetPreprocessing coarse;
  coarse.spacing = { 5, 1, 1 };
  EXPECT_NN_ERROR(coarse.Apply(MakeCase(image)), "4 voxels of 1 mm along z are 0 of 5 mm");
}

TEST(U2NetPreprocessing, PadsAsGolden)
{
  ITK_NN_REQUIRE_GOLDEN("u2net/proc/small_ops.safetensors");
  const StateDict tensors = ReadSafeTensors(FindGolden("u2net/proc/small_ops.safetensors")).tensors;
  const auto half =
    nlohmann::json::parse(ReadText(FindGolden("u2net/proc/small_ops.json"))).at("pad_half").get<Shape>();
  const Tensor & input = tensors.Get("pad_in");
  const Shape & size = input.GetShape();
  // The golden's patch may be smaller by 1 along an axis.
  Shape patch = size;
  for (std::size_t axis = 0; axis < patch.size(); ++axis)
  {
    patch[axis] += half[axis] > 0 ? 2 * half[axis] - 1 : 0;
  }
  const Tensor padded = PadToPatch(input.Reshape({ 1, size[0], size[1], size[2] }), patch);
  const Tensor & expected = tensors.Get("pad_out");
  EXPECT_EQ(padded.Select(0, 0).GetShape(), expected.GetShape());
  EXPECT_EQ(padded.ToVector<double>(), expected.ToVector<double>());
}

TEST(U2NetPreprocessing, PadsBothSidesAlike)
{
  const Tensor input = Tensor::FromVector<std::int32_t>({ 1, 1, 3 }, { 1, 2, 3 });
  EXPECT_EQ(PadToPatch(input, { 1, 3 }).ToVector<int>(), input.ToVector<int>());
  EXPECT_EQ(PadToPatch(input, { 1, 1 }).ToVector<int>(), input.ToVector<int>());
  EXPECT_EQ(PadToPatch(input, { 1, 4 }).ToVector<int>(), (std::vector<int>{ 0, 1, 2, 3, 0 }));
  EXPECT_EQ(PadToPatch(input, { 1, 5 }).ToVector<int>(), (std::vector<int>{ 0, 1, 2, 3, 0 }));
  EXPECT_EQ(PadToPatch(input, { 3, 1 }).GetShape(), (Shape{ 1, 3, 3 }));
  EXPECT_NN_ERROR(PadToPatch(input, { 1, 3, 3 }), "an input of shape [1, 1, 3] to the patch [1, 3, 3]");
  EXPECT_NN_ERROR(PadToPatch(input, { 0, 3 }), "extents from 1 on");
  EXPECT_NN_ERROR(PadToPatch({}, { 1, 3 }), "Padding");
}
