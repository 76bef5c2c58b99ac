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
#include "itkHermesPreprocessing.h"

#include "itkNNSafeTensors.h"
#include "itkNNTestGoldens.h"
#include "itkNNTestHelpers.h"
#include "itkU2NetPreprocessing.h"

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
using Json = nlohmann::json;
constexpr const char * goldens = "hermes/preprocess/io.safetensors";

/** A geometry, and 0 everywhere.
 * \param size x, y, z. */
template <typename TImage>
typename TImage::Pointer
MakeImage(const itk::Size<3> & size, const std::vector<double> & spacing = { 1, 1, 1 })
{
  const auto image = TImage::New();
  image->SetRegions(size);
  image->SetSpacing(spacing.data());
  image->Allocate(true);
  return image;
}

/** Values from 1 on, another one at each voxel. */
Volume::Pointer
MakeRamp(const itk::Size<3> & size, const std::vector<double> & spacing = { 1, 1, 1 })
{
  const auto image = MakeImage<Volume>(size, spacing);
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

/** The cases that the official scripts prepared. */
class HermesPreprocessingGoldens : public testing::Test
{
protected:
  void SetUp() override
  {
    ITK_NN_REQUIRE_GOLDEN(goldens);
    m_Tensors = ReadSafeTensors(FindGolden(goldens)).tensors;
    m_Configuration = Json::parse(ReadText(FindGolden("hermes/preprocess/config.json")));
    // Those of the goldens, with what the official scripts do.
    m_Preprocessing.orientation = HermesOrientation::Reference;
    m_Preprocessing.zerosOutside = true;
  }

  template <typename TImage>
  typename TImage::Pointer ToImage(const std::string & name, const std::string & tensor) const
  {
    const Json & input = m_Configuration.at(name).at("input");
    const auto extents = input.at("size_xyz").get<std::vector<itk::SizeValueType>>();
    const auto image =
      MakeImage<TImage>({ { extents[0], extents[1], extents[2] } }, input.at("spacing").get<std::vector<double>>());
    image->SetOrigin(input.at("origin").get<std::vector<double>>().data());
    const auto cosines = input.at("direction").get<std::vector<double>>();
    typename TImage::DirectionType direction;
    std::copy(cosines.begin(), cosines.end(), direction.GetVnlMatrix().data_block());
    image->SetDirection(direction);
    const auto values = m_Tensors.Get(name + '.' + tensor).ToVector<typename TImage::PixelType>();
    std::copy(values.begin(), values.end(), image->GetBufferPointer());
    return image;
  }

  RawCase MakeGolden(const std::string & name, bool hasLabels = true) const
  {
    RawCase images;
    images.modalities.push_back(
      { ToImage<Volume>(name, "img").GetPointer(), m_Tensors.Get(name + ".img").GetDataType() });
    images.labels = hasLabels ? ToImage<LabelVolume>(name, "lab").GetPointer() : nullptr;
    return images;
  }

  void ExpectLabels(const HermesPreparedCase & prepared, const std::string & tensor) const
  {
    EXPECT_EQ(prepared.labels.GetShape(), m_Tensors.Get(tensor).GetShape()) << tensor;
    EXPECT_EQ(prepared.labels.ToVector<int>(), m_Tensors.Get(tensor).ToVector<int>()) << tensor;
  }

  /** Voxels before they are normalised: a case of the same mean and deviation is compared. */
  void ExpectVoxels(HermesPreprocessing preprocessing,
                    const RawCase & images,
                    const std::string & tensor,
                    double tolerance) const
  {
    preprocessing.limits = { -1e6, 1e6 };
    const Tensor & expected = m_Tensors.Get(tensor);
    const auto prepared = preprocessing.Apply(images);
    ASSERT_EQ(prepared.volume.Select(0, 0).GetShape(), expected.GetShape()) << tensor;
    const auto values = expected.ToVector<double>();
    double mean = 0;
    double squares = 0;
    for (const double value : values)
    {
      mean += value / static_cast<double>(values.size());
    }
    for (const double value : values)
    {
      squares += (value - mean) * (value - mean) / static_cast<double>(values.size());
    }
    const auto found = prepared.volume.ToVector<double>();
    double greatest = 0;
    for (std::size_t i = 0; i < values.size(); ++i)
    {
      greatest = std::max(greatest, std::abs(found[i] * std::sqrt(squares) + mean - values[i]));
    }
    EXPECT_LT(greatest, tolerance) << tensor;
  }

  void ExpectNormalized(const HermesPreparedCase & prepared, const std::string & name) const
  {
    const auto found = prepared.volume.ToVector<double>();
    const auto expected = m_Tensors.Get(name + ".zscore").ToVector<double>();
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i)
    {
      ASSERT_NEAR(found[i], expected[i], 1e-5) << name << ", voxel " << i;
    }
    const Shape padded = m_Configuration.at(name).at("padded_shape").get<Shape>();
    EXPECT_EQ(PadToPatch(prepared.volume, { 128, 128, 128 }).Select(0, 0).GetShape(), padded);
  }

  StateDict m_Tensors;
  Json m_Configuration;
  HermesPreprocessing m_Preprocessing;
};
} // namespace

TEST_F(HermesPreprocessingGoldens, CT)
{
  const RawCase images = this->MakeGolden("ct_identity");
  HermesPreprocessing preprocessing = m_Preprocessing;
  preprocessing.resampling = HermesResampling::InPlane;
  // An integer that is another one would be 1 away.
  this->ExpectVoxels(preprocessing, images, "ct_identity.xy_img", 1e-2);
  this->ExpectLabels(preprocessing.Apply(images), "ct_identity.xy_lab");
  preprocessing.resampling = HermesResampling::TwoStep;
  this->ExpectVoxels(preprocessing, images, "ct_identity.xyz_img", 1e-2);
  this->ExpectLabels(preprocessing.Apply(images), "ct_identity.xyz_lab");
  preprocessing.context = { 3, 2, 1 };
  this->ExpectVoxels(preprocessing, images, "crop_small.img", 1e-2);
  this->ExpectLabels(preprocessing.Apply(images), "crop_small.lab");
  preprocessing.context = { 20, 20, 20 };
  preprocessing.limits = { -991, 500 };
  const auto prepared = preprocessing.Apply(images);
  this->ExpectLabels(prepared, "ct_identity.crop_lab");
  this->ExpectNormalized(prepared, "ct_identity");
}

TEST_F(HermesPreprocessingGoldens, FlippedCTAsTheReferenceSpoilsIt)
{
  const RawCase images = this->MakeGolden("ct_flipxy");
  HermesPreprocessing preprocessing = m_Preprocessing;
  preprocessing.spacing = { 3.1, 0.9, 0.8 };
  this->ExpectVoxels(preprocessing, images, "ct_flipxy.redir_img", 1e-2);
  const auto redirected = preprocessing.Apply(images);
  this->ExpectLabels(redirected, "ct_flipxy.redir_lab");
  // The voxels stay where they are in space.
  EXPECT_EQ(redirected.grid.prepared->GetDirection(), images.modalities[0].image->GetDirection());
  const auto & origin = images.modalities[0].image->GetOrigin();
  EXPECT_LT(redirected.grid.prepared->GetOrigin().EuclideanDistanceTo(origin), 1e-9);
  preprocessing.spacing = { 1.5, 1.5, 1.5 };
  this->ExpectVoxels(preprocessing, images, "ct_flipxy.xyz_img", 1e-2);
  preprocessing.context = { 20, 20, 20 };
  preprocessing.limits = { -991, 500 };
  const auto prepared = preprocessing.Apply(images);
  this->ExpectLabels(prepared, "ct_flipxy.crop_lab");
  this->ExpectNormalized(prepared, "ct_flipxy");
}

TEST_F(HermesPreprocessingGoldens, MR)
{
  const RawCase images = this->MakeGolden("mr_identity");
  this->ExpectVoxels(m_Preprocessing, images, "mr_identity.xyz_img", 1e-3);
  m_Preprocessing.context = { 20, 20, 20 };
  const auto prepared = m_Preprocessing.Apply(images);
  this->ExpectLabels(prepared, "mr_identity.crop_lab");
  this->ExpectNormalized(prepared, "mr_identity");
}

TEST_F(HermesPreprocessingGoldens, ObliqueBrainWithMapsOfTissues)
{
  const RawCase images = this->MakeGolden("brain_oblique", false);
  m_Preprocessing.orientation = HermesOrientation::Stored;
  m_Preprocessing.resampling = HermesResampling::OneStep;
  this->ExpectVoxels(m_Preprocessing, images, "brain_oblique.xyz_img", 1e-3);
  std::vector<RawImage> tissues;
  for (const char * name : { "gm", "wm", "csf" })
  {
    tissues.push_back({ this->ToImage<Volume>("brain_oblique", name).GetPointer() });
  }
  const auto prepared = m_Preprocessing.Apply(images, tissues);
  this->ExpectLabels(prepared, "brain_oblique.xyz_lab");
  this->ExpectNormalized(prepared, "brain_oblique");
  EXPECT_EQ(prepared.grid.prepared->GetDirection(), images.modalities[0].image->GetDirection());
}

TEST_F(HermesPreprocessingGoldens, PETKeepsTheDistanceOfSlices)
{
  const RawCase images = this->MakeGolden("autopet");
  m_Preprocessing.orientation = HermesOrientation::Stored;
  m_Preprocessing.resampling = HermesResampling::InPlane;
  m_Preprocessing.context = { 20, 30, 30 };
  m_Preprocessing.leastExtent = 128;
  m_Preprocessing.requiresLabels = false;
  this->ExpectVoxels(m_Preprocessing, images, "autopet.crop_img", 1e-4);
  this->ExpectLabels(m_Preprocessing.Apply(images), "autopet.crop_lab");
}

TEST_F(HermesPreprocessingGoldens, LabelsThatBecomeOthers)
{
  const RawCase images = this->MakeGolden("chaos");
  m_Preprocessing.context = { 20, 20, 20 };
  m_Preprocessing.newLabels = { { 63, 1 }, { 126, 2 }, { 189, 3 }, { 252, 4 } };
  this->ExpectVoxels(m_Preprocessing, images, "chaos.crop_img", 1e-2);
  this->ExpectLabels(m_Preprocessing.Apply(images), "chaos.crop_lab");
}

TEST(HermesPreprocessing, TheLastSlicesAreNotZeros)
{
  // Two slices of 5 mm are 7 of 1.5 mm, of which the last lies behind them.
  const auto image = MakeRamp({ { 3, 2, 2 } }, { 1.5, 1.5, 5 });
  HermesPreprocessing preprocessing;
  preprocessing.limits = { -100, 100 };
  const auto last = [&]
  {
    const Tensor volume = preprocessing.Apply(MakeCase(image)).volume;
    EXPECT_EQ(volume.GetShape(), (Shape{ 1, 7, 2, 3 }));
    return std::make_pair(volume.GetElement({ 0, 4, 1, 2 }), volume.GetElement({ 0, 6, 1, 2 }));
  };
  EXPECT_EQ(last().first, last().second);
  preprocessing.zerosOutside = true;
  EXPECT_GT(last().first, last().second);
  // In a plane, too: 4 voxels of 2.3 mm are 6, of which the last is 0.7 mm beyond the last centre.
  const auto wide = MakeRamp({ { 4, 1, 1 } }, { 2.3, 1.5, 1.5 });
  preprocessing.zerosOutside = false;
  const auto values = preprocessing.Apply(MakeCase(wide)).volume.ToVector<float>();
  ASSERT_EQ(values.size(), 6U);
  EXPECT_TRUE(std::is_sorted(values.begin(), values.end()));
}

TEST(HermesPreprocessing, AlignsAxesWithSpace)
{
  const auto image = MakeRamp({ { 4, 3, 2 } }, { 1, 2, 3 });
  itk::Matrix<double, 3, 3> direction;
  // x of the image runs along -z of space, y along x, z along -y, a little turned.
  direction.Fill(0);
  direction[2][0] = -1;
  direction[0][1] = std::cos(0.3);
  direction[1][1] = std::sin(0.3);
  direction[0][2] = std::sin(0.3);
  direction[1][2] = -std::cos(0.3);
  image->SetDirection(direction);
  const double origin[] = { 7, -8, 9 };
  image->SetOrigin(origin);
  const auto labels = MakeImage<LabelVolume>({ { 4, 3, 2 } });
  labels->SetPixel({ { 1, 2, 0 } }, 5);
  HermesPreprocessing preprocessing;
  preprocessing.limits = { 0, 100 };
  preprocessing.spacing = { 1, 3, 2 };
  const auto prepared = preprocessing.Apply(MakeCase(image, labels));
  ASSERT_EQ(prepared.volume.GetShape(), (Shape{ 1, 4, 2, 3 }));
  const auto & grid = *prepared.grid.prepared;
  for (unsigned int axis = 0; axis < 3; ++axis)
  {
    EXPECT_GT(grid.GetDirection()[axis][axis], 0.9);
  }
  // Index x, y, z of the result is y, 1 - z, 3 - x of the image.
  for (itk::IndexValueType x = 0; x < 4; ++x)
  {
    for (itk::IndexValueType y = 0; y < 3; ++y)
    {
      for (itk::IndexValueType z = 0; z < 2; ++z)
      {
        const itk::Index<3> old{ { x, y, z } };
        const itk::Index<3> now{ { y, 1 - z, 3 - x } };
        EXPECT_LT(grid.TransformIndexToPhysicalPoint<double>(now).EuclideanDistanceTo(
                    image->TransformIndexToPhysicalPoint<double>(old)),
                  1e-9);
        EXPECT_NEAR(prepared.volume.GetElement({ 0, now[2], now[1], now[0] }),
                    (image->GetPixel(old) - 12.5) / std::sqrt((24.0 * 24 - 1) / 12),
                    1e-5);
        EXPECT_EQ(prepared.labels.GetElement({ now[2], now[1], now[0] }), labels->GetPixel(old));
      }
    }
  }
  // And back.
  const auto restored = HermesPreprocessing::Restore(prepared.labels, prepared.grid);
  EXPECT_EQ(restored->GetDirection(), direction);
  EXPECT_EQ(restored->GetOrigin(), image->GetOrigin());
  EXPECT_TRUE(std::equal(labels->GetBufferPointer(), labels->GetBufferPointer() + 24, restored->GetBufferPointer()));

  preprocessing.orientation = HermesOrientation::Stored;
  preprocessing.spacing = { 3, 2, 1 };
  const auto stored = preprocessing.Apply(MakeCase(image, labels));
  EXPECT_EQ(stored.volume.GetShape(), (Shape{ 1, 2, 3, 4 }));
  EXPECT_EQ(stored.grid.prepared->GetDirection(), direction);
}

TEST(HermesPreprocessing, ImagesThatBeginElsewhere)
{
  const auto image = MakeRamp({ { 4, 4, 4 } });
  image->SetRegions(itk::ImageRegion<3>({ { 2, -3, 5 } }, { { 4, 4, 4 } }));
  const auto prepared = HermesPreprocessing().Apply(MakeCase(image));
  EXPECT_EQ(prepared.grid.image->GetOrigin(), image->TransformIndexToPhysicalPoint<double>({ { 2, -3, 5 } }));
  EXPECT_EQ(prepared.grid.prepared->GetOrigin(), prepared.grid.image->GetOrigin());
  EXPECT_FALSE(prepared.labels.IsDefined());
}

TEST(HermesPreprocessing, NormalizesAllVoxels)
{
  const auto image = MakeImage<Volume>({ { 5, 1, 1 } });
  const float values[] = { -20, 2, 6, 0, 3000 };
  std::copy_n(values, 5, image->GetBufferPointer());
  HermesPreprocessing preprocessing;
  preprocessing.spacing = { 1, 1, 1 };
  preprocessing.limits = { -4, 6 };
  const auto clipped = preprocessing.Apply(MakeCase(image)).volume.ToVector<float>();
  // -4, 2, 6, 0, 6: mean 2, squares 36 + 0 + 16 + 4 + 16.
  const double deviation = std::sqrt(72.0 / 5);
  EXPECT_NEAR(clipped[0], -6 / deviation, 1e-6);
  EXPECT_NEAR(clipped[1], 0, 1e-6);
  EXPECT_NEAR(clipped[4], 4 / deviation, 1e-6);
  preprocessing.limits.reset();
  preprocessing.lowerPercentile = 12.5;
  preprocessing.upperPercentile = 75;
  const auto relative = preprocessing.Apply(MakeCase(image)).volume.ToVector<float>();
  // -10, 2, 6, 0, 6.
  EXPECT_EQ(relative[2], relative[4]);
  EXPECT_NEAR((relative[1] - relative[0]) / (relative[1] - relative[3]), 6, 1e-5);
}

TEST(HermesPreprocessing, CutsToLabels)
{
  const auto image = MakeRamp({ { 20, 10, 6 } });
  const auto labels = MakeImage<LabelVolume>({ { 20, 10, 6 } });
  labels->SetPixel({ { 9, 5, 5 } }, 2);
  labels->SetPixel({ { 10, 5, 4 } }, 1);
  HermesPreprocessing preprocessing;
  preprocessing.spacing = { 1, 1, 1 };
  preprocessing.context = { 1, 0, 2 };
  const auto shape = [&] { return preprocessing.Apply(MakeCase(image, labels)).labels.GetShape(); };
  EXPECT_EQ(shape(), (Shape{ 3, 1, 6 }));
  // (9 - 4) / 2 more on either side along z, but for the border, 4 along y, 1 along x.
  preprocessing.leastExtent = 9;
  EXPECT_EQ(shape(), (Shape{ 5, 9, 8 }));
  preprocessing.leastExtent = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(shape(), (Shape{ 6, 10, 20 }));
  preprocessing.leastExtent = 0;
  const auto prepared = preprocessing.Apply(MakeCase(image, labels));
  EXPECT_TRUE(prepared.grid.isCropped);
  EXPECT_EQ(prepared.grid.prepared->GetOrigin(), image->TransformIndexToPhysicalPoint<double>({ { 7, 5, 3 } }));
  // Around the box there are no labels.
  const Tensor ones = Tensor::Full({ 3, 1, 6 }, 1);
  const auto restored = HermesPreprocessing::Restore(ones.To(DataType::Int32), prepared.grid);
  EXPECT_EQ(std::count(restored->GetBufferPointer(), restored->GetBufferPointer() + 1200, 1), 18);
  const auto probable = HermesPreprocessing::RestoreProbabilities(ones, prepared.grid);
  EXPECT_EQ(probable->GetPixel({ { 7, 5, 3 } }), 1);
  EXPECT_EQ(probable->GetPixel({ { 13, 5, 3 } }), 0);

  labels->FillBuffer(0);
  EXPECT_NN_ERROR(preprocessing.Apply(MakeCase(image, labels)), "which are 0 everywhere");
  EXPECT_NN_ERROR(preprocessing.Apply(MakeCase(image)), "is to be cut to its labels and has none");
  preprocessing.requiresLabels = false;
  EXPECT_EQ(shape(), (Shape{ 6, 10, 20 }));
  EXPECT_EQ(preprocessing.Apply(MakeCase(image)).volume.GetShape(), (Shape{ 1, 6, 10, 20 }));
}

TEST(HermesPreprocessing, RestoresToTheBorders)
{
  // 11 voxels of 0.6 mm are 4 of 1.5 mm, whose last centre is 1.5 mm before the last one.
  const auto image = MakeRamp({ { 11, 1, 1 } }, { 0.6, 1, 1 });
  HermesPreprocessing preprocessing;
  preprocessing.spacing = { 1, 1, 1.5 };
  const auto prepared = preprocessing.Apply(MakeCase(image));
  ASSERT_EQ(prepared.volume.GetShape(), (Shape{ 1, 1, 1, 4 }));
  const Tensor labels = Tensor::FromVector<std::int32_t>({ 1, 1, 4 }, { 1, 2, 3, 4 });
  const auto restored = HermesPreprocessing::Restore(labels, prepared.grid);
  const std::vector<int> found(restored->GetBufferPointer(), restored->GetBufferPointer() + 11);
  EXPECT_EQ(found, (std::vector<int>{ 1, 1, 2, 2, 3, 3, 3, 4, 4, 4, 4 }));
  const auto probable = HermesPreprocessing::RestoreProbabilities(labels.To(DataType::Float32), prepared.grid);
  EXPECT_NEAR(probable->GetPixel({ { 1, 0, 0 } }), 1.4, 1e-6);
  EXPECT_NEAR(probable->GetPixel({ { 10, 0, 0 } }), 4, 1e-6);
  EXPECT_NN_ERROR(HermesPreprocessing::Restore(labels.To(DataType::Float32), prepared.grid),
                  "labels to restore are float32 of the size [1, 1, 4]; should be int32 of the size [1, 1, 4]");
  EXPECT_NN_ERROR(HermesPreprocessing::Restore({}, prepared.grid), "not there");
  EXPECT_NN_ERROR(HermesPreprocessing::RestoreProbabilities(Tensor({ 1, 2, 2 }), prepared.grid), "[1, 2, 2]");
}

TEST(HermesPreprocessing, RefusesOptionsOutOfRange)
{
  const auto expectError = [](const auto & change, const std::string & text)
  {
    HermesPreprocessing preprocessing;
    change(preprocessing);
    EXPECT_NN_ERROR(preprocessing.Check(), text);
  };
  EXPECT_NO_THROW(HermesPreprocessing().Check());
  expectError([](HermesPreprocessing & p) { p.spacing = { 1, 1 }; }, "three lengths");
  expectError([](HermesPreprocessing & p) { p.spacing = { 1, NAN, 1 }; }, "three lengths");
  expectError([](HermesPreprocessing & p) { p.context = { 1, 1 }; }, "the context is [1, 1]");
  expectError([](HermesPreprocessing & p) { p.context = { 1, 1, -1 }; }, "the context is [1, 1, -1]");
  expectError([](HermesPreprocessing & p) { p.leastExtent = -1; }, "the least extent is -1");
  expectError([](HermesPreprocessing & p) { p.limits = { 5, 5 }; }, "the limits are 5 and 5");
  expectError([](HermesPreprocessing & p) { p.limits = { NAN, 5 }; }, "limits");
  expectError([](HermesPreprocessing & p) { p.upperPercentile = 2; }, "are 2 and 2");
}

TEST(HermesPreprocessing, RefusesImagesThatDoNotSuit)
{
  const HermesPreprocessing preprocessing;
  const auto image = MakeRamp({ { 4, 4, 4 } });
  EXPECT_NN_ERROR(preprocessing.Apply({}), "no modality");
  RawCase two = MakeCase(image);
  two.modalities.push_back(two.modalities.front());
  EXPECT_NN_ERROR(preprocessing.Apply(two), "there are 2 modalities; should be one");
  EXPECT_NN_ERROR(preprocessing.Apply(MakeCase(MakeImage<Volume>({ { 4, 4, 4 } }))), "all voxels are 0 after clipping");
  EXPECT_NN_ERROR(preprocessing.Apply(MakeCase(image, MakeImage<LabelVolume>({ { 4, 4, 5 } }))),
                  "the labels have the size [5, 4, 4]");
  const RawImage map{ image.GetPointer() };
  EXPECT_NN_ERROR(preprocessing.Apply(MakeCase(image, MakeImage<LabelVolume>({ { 4, 4, 4 } })), { map }),
                  "there are labels and maps of tissues");
  image->GetBufferPointer()[5] = NAN;
  EXPECT_NN_ERROR(preprocessing.Apply(MakeCase(image)), "voxel 5 of modality 0 is no finite number");
}

TEST(HermesPreprocessing, NamesOfOrientationsAndResamplings)
{
  EXPECT_EQ(GetHermesOrientationNames()[static_cast<std::size_t>(HermesOrientation::Reference)], "reference");
  EXPECT_EQ(GetHermesResamplingNames()[static_cast<std::size_t>(HermesResampling::InPlane)], "in_plane");
}
