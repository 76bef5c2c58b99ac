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
#include "itkHermesAugmentation.h"

#include "itkNNSafeTensors.h"
#include "itkNNSampleTransform.h"
#include "itkNNTestDifference.h"
#include "itkNNTestGoldens.h"
#include "itkNNTestHelpers.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
using List = TransformOption::List;
constexpr const char * goldens = "hermes/augment/io.safetensors";

/** A volume of noise whose labels are the numbers of the voxels. */
Sample
MakeSample(const Shape & size)
{
  Sample sample;
  const Shape shape{ 1, size[0], size[1], size[2] };
  sample.image = RandomTensor(shape, 4).To(DataType::Float32);
  sample.label = Tensor::Zeros(shape, DataType::Int32);
  std::iota(
    sample.label.GetData<std::int32_t>(), sample.label.GetData<std::int32_t>() + sample.label.GetNumberOfElements(), 0);
  sample.pixelWeight = Tensor::Full(shape, 1);
  return sample;
}

void
ExpectNear(const Tensor & found, const Tensor & expected, double tolerance, const std::string & name)
{
  ASSERT_EQ(found.GetShape(), expected.GetShape()) << name;
  EXPECT_LT(MaximumDifference(found.ToVector<double>(), expected.ToVector<double>()), tolerance) << name;
}

Sample
Transform(const char * name, const TransformOptions & options, Sample sample, std::int64_t seed)
{
  TransformRandom random(seed);
  SampleTransform::Make(name, options)->Apply(sample, random);
  return sample;
}
} // namespace

TEST(HermesAffine, Goldens)
{
  ITK_NN_REQUIRE_GOLDEN(goldens);
  const StateDict tensors = ReadSafeTensors(FindGolden(goldens)).tensors;
  const auto configuration = nlohmann::json::parse(ReadText(FindGolden("hermes/augment/config.json")));
  Sample sample;
  sample.image = tensors.Get("img").Select(0, 0);
  sample.label = tensors.Get("lab").Select(0, 0).To(DataType::Int32);
  const Shape size = sample.GetSize();
  for (const std::string name : { "affine0", "affine1" })
  {
    std::vector<double> draws;
    for (const auto & draw : configuration.at(name).at("draws"))
    {
      draws.push_back(draw[3]);
    }
    ASSERT_EQ(draws.size(), 15U);
    HermesAffine affine;
    std::copy_n(draws.begin(), 3, affine.scale.begin());
    std::copy_n(draws.begin() + 3, 6, affine.shear.begin());
    std::copy_n(draws.begin() + 9, 3, affine.translation.begin());
    std::copy_n(draws.begin() + 12, 3, affine.angle.begin());
    const auto matrix = affine.GetMatrix();
    EXPECT_LT(MaximumDifference({ matrix.begin(), matrix.end() }, tensors.Get(name + ".theta").ToVector<double>()),
              1e-6);
    const Sample deformed = affine.Apply(sample, { 0, 0, 0 }, size);
    ExpectNear(deformed.image, tensors.Get(name + ".img").Select(0, 0), 1e-5, name);
    const auto labels = deformed.label.ToVector<int>();
    const auto expected = tensors.Get(name + ".lab").Select(0, 0).ToVector<int>();
    std::size_t others = 0;
    for (std::size_t i = 0; i < labels.size(); ++i)
    {
      others += labels[i] != expected[i] ? 1 : 0;
    }
    // Ties.
    EXPECT_LE(others, 2U) << name;
    if (name == "affine0")
    {
      const Sample middle = affine.Apply(sample, { 3, 2, 4 }, { 8, 8, 8 });
      ExpectNear(middle.image, tensors.Get("affine0.crop_center_img").Select(0, 0), 1e-5, name);
    }
  }
}

TEST(HermesAugmentation, IntensityGoldens)
{
  ITK_NN_REQUIRE_GOLDEN(goldens);
  const StateDict tensors = ReadSafeTensors(FindGolden(goldens)).tensors;
  const auto configuration = nlohmann::json::parse(ReadText(FindGolden("hermes/augment/config.json")));
  const Tensor image = tensors.Get("img").Select(0, 0);
  for (const std::string draw : { "0.25", "0.9" })
  {
    const auto & values = configuration.at("u" + draw);
    ExpectNear(HermesGamma(image, values.at("gamma")), tensors.Get("gamma" + draw).Select(0, 0), 1e-5, draw);
    ExpectNear(HermesContrast(image, values.at("contrast")), tensors.Get("contrast" + draw).Select(0, 0), 1e-5, draw);
  }
  for (const std::string sigma : { "0.5", "0.77", "1.0" })
  {
    const double value = nlohmann::json::parse(sigma).get<double>();
    ExpectNear(HermesBlur(image, value), tensors.Get("gauss" + sigma + ".img").Select(0, 0), 1e-5, sigma);
    // What a one becomes is the kernel.
    const Tensor kernel = tensors.Get("gauss" + sigma + ".kernel").Select(0, 0);
    Tensor one = Tensor::Zeros(kernel.GetShape());
    const std::int64_t middle = kernel.GetShape()[1] / 2;
    one.GetData<float>()[one.GetNumberOfElements() / 2] = 1;
    EXPECT_EQ(one.GetElement({ 0, middle, middle, middle }), 1);
    ExpectNear(HermesBlur(one, value), kernel, 1e-6, sigma);
  }
}

TEST(HermesAffine, PlainCutsTurnsAndBorders)
{
  const Sample sample = MakeSample({ 5, 6, 7 });
  const Sample same = HermesAffine().Apply(sample, { 1, 2, 0 }, { 3, 4, 7 });
  EXPECT_EQ(same.image.GetShape(), (Shape{ 1, 3, 4, 7 }));
  EXPECT_EQ(same.label.GetElement({ 0, 0, 0, 0 }), 1 * 42 + 2 * 7);
  EXPECT_NEAR(same.image.GetElement({ 0, 2, 3, 5 }), sample.image.GetElement({ 0, 3, 5, 5 }), 1e-6);
  // By 180 degrees about z: x and y are mirrored.
  HermesAffine turn;
  turn.angle[2] = 180;
  const Sample turned = turn.Apply(sample, { 0, 0, 0 }, { 5, 6, 7 });
  EXPECT_EQ(turned.label.GetElement({ 0, 1, 0, 0 }), 42 + 41);
  EXPECT_NEAR(turned.image.GetElement({ 0, 1, 1, 2 }), sample.image.GetElement({ 0, 1, 4, 4 }), 1e-5);
  // Zeros outside.
  HermesAffine wide;
  wide.scale = { { 3, 3, 3 } };
  const Sample small = wide.Apply(sample, { 0, 0, 0 }, { 5, 6, 7 });
  EXPECT_EQ(small.image.GetElement({ 0, 0, 0, 0 }), 0);
  EXPECT_EQ(small.pixelWeight.GetElement({ 0, 0, 0, 0 }), 0);
  EXPECT_EQ(small.pixelWeight.GetElement({ 0, 2, 2, 3 }), 1);
  wide.scale = { { 1e300, 1e300, 1e300 } };
  EXPECT_EQ(wide.Apply(sample, { 0, 0, 0 }, { 5, 6, 7 }).image.GetElement({ 0, 0, 0, 0 }), 0);
  // One slice.
  const Sample flat = MakeSample({ 1, 4, 4 });
  EXPECT_EQ(HermesAffine().Apply(flat, { 0, 0, 0 }, { 1, 4, 4 }).label.ToVector<int>(), flat.label.ToVector<int>());
}

TEST(HermesAugmentation, Errors)
{
  Sample sample = MakeSample({ 3, 3, 3 });
  const HermesAffine affine;
  EXPECT_NN_ERROR(affine.Apply(sample, { 0, 0, 1 }, { 3, 3, 3 }), "should be within [3, 3, 3]");
  EXPECT_NN_ERROR(affine.Apply(sample, { 0, 0 }, { 3, 3, 3 }), "the box starts at [0, 0]");
  EXPECT_NN_ERROR(affine.Apply(sample, { 0, 0, -1 }, { 1, 1, 1 }), "the box starts at [0, 0, -1]");
  HermesAffine bad;
  bad.angle[0] = NAN;
  EXPECT_NN_ERROR(bad.Apply(sample, { 0, 0, 0 }, { 3, 3, 3 }), "a number is not finite");
  sample.labelProbability = Tensor({ 2, 3, 3, 3 });
  EXPECT_NN_ERROR(affine.Apply(sample, { 0, 0, 0 }, { 3, 3, 3 }), "and label probabilities");
  for (const auto & adjust : { HermesGamma, HermesContrast, HermesBlur })
  {
    EXPECT_NN_ERROR(adjust(sample.image, 0), "is 0; should be a number above 0");
    EXPECT_NN_ERROR(adjust(sample.image, NAN), "should be a number above 0");
    EXPECT_NN_ERROR(adjust({}, 1), "should be float32 of [C, ...]");
    EXPECT_NN_ERROR(adjust(sample.label, 1), "should be float32 of [C, ...]");
  }
  EXPECT_NN_ERROR(HermesBlur(sample.image, 1001), "should be at most 1000");
}

TEST(HermesAugmentation, ChannelsOfOneValueStay)
{
  Tensor image = Tensor::Full({ 2, 2, 3 }, 4);
  image.GetData<float>()[7] = 5;
  const auto before = image.ToVector<float>();
  const auto contrast = HermesContrast(image, 0.5).ToVector<float>();
  EXPECT_TRUE(std::equal(contrast.begin(), contrast.begin() + 6, before.begin()));
  EXPECT_NEAR(contrast[7], 5 - 0.5 * (5 - 25.0 / 6), 1e-6);
  const auto gamma = HermesGamma(image, 2).ToVector<float>();
  EXPECT_TRUE(std::equal(gamma.begin(), gamma.begin() + 6, before.begin()));
  EXPECT_EQ(image.ToVector<float>(), before);
}

TEST(HermesPatch, CropsAndDeforms)
{
  const Sample volume = MakeSample({ 20, 24, 16 });
  const TransformOptions plain{ { "output_size", List{ 8, 8, 8 } }, { "margin", 4 }, { "affine_probability", 0 } };
  const Sample crop = Transform("HermesPatch", plain, volume, 3);
  EXPECT_EQ(crop.image.GetShape(), (Shape{ 1, 8, 8, 8 }));
  EXPECT_EQ(crop.pixelWeight.GetShape(), (Shape{ 1, 8, 8, 8 }));
  const auto first = static_cast<std::int64_t>(crop.label.GetElement({ 0, 0, 0, 0 }));
  EXPECT_EQ(crop.label.GetElement({ 0, 7, 7, 7 }), static_cast<double>(first + 7 * (24 * 16 + 16 + 1)));
  EXPECT_EQ(crop.image.GetElement({ 0, 0, 0, 0 }),
            volume.image.GetElement({ 0, first / 384, first / 16 % 24, first % 16 }));
  // The draws: three starts of 12 x 12 x 12, whether at all, three of the patch.
  TransformRandom random(3);
  const std::int64_t z = random.python.Integer(0, 7);
  const std::int64_t y = random.python.Integer(0, 11);
  const std::int64_t x = random.python.Integer(0, 3);
  random.python.Random();
  const std::int64_t inZ = z + random.python.Integer(0, 3);
  const std::int64_t inY = y + random.python.Integer(0, 3);
  const std::int64_t inX = x + random.python.Integer(0, 3);
  EXPECT_EQ(first, (inZ * 24 + inY) * 16 + inX);

  TransformOptions deformed = plain;
  deformed["affine_probability"] = 1;
  EXPECT_NE(Transform("HermesPatch", deformed, volume, 3).label.ToVector<int>(), crop.label.ToVector<int>());
  // Without anything to do it is the middle of the larger crop.
  deformed["scale"] = List{ 1, 1 };
  deformed["shear"] = 0;
  deformed["angle"] = 0;
  const Sample middle = Transform("HermesPatch", deformed, volume, 3);
  EXPECT_EQ(middle.label.GetElement({ 0, 0, 0, 0 }), static_cast<double>(((z + 2) * 24 + y + 2) * 16 + x + 2));
  // Small volumes are padded.
  const Sample padded = Transform("HermesPatch", plain, MakeSample({ 3, 9, 8 }), 1);
  EXPECT_EQ(padded.image.GetShape(), (Shape{ 1, 8, 8, 8 }));

  EXPECT_NN_ERROR(SampleTransform::Make("HermesPatch", { { "output_size", List{ 8, 8 } } }),
                  "should have three extents");
  EXPECT_NN_ERROR(SampleTransform::Make("HermesPatch", {}), "the option 'output_size' is missing");
  Sample late = volume;
  late.labelProbability = Tensor::Zeros({ 2, 20, 24, 16 });
  EXPECT_NN_ERROR(Transform("HermesPatch", plain, late, 1), "should come before they are made");
  Sample picture;
  picture.image = Tensor({ 1, 9, 9 });
  EXPECT_NN_ERROR(Transform("HermesPatch", plain, picture, 1), "should be a volume's");
}

TEST(HermesIntensity, DrawsEachChange)
{
  const Sample volume = MakeSample({ 6, 7, 8 });
  const auto before = volume.image.ToVector<float>();
  EXPECT_EQ(Transform("HermesIntensity", { { "probability", 0 } }, volume, 1).image.ToVector<float>(), before);
  const auto all = Transform("HermesIntensity", { { "probability", 1 } }, volume, 1);
  EXPECT_NE(all.image.ToVector<float>(), before);
  EXPECT_EQ(all.label.ToVector<int>(), volume.label.ToVector<int>());
  EXPECT_EQ(volume.image.ToVector<float>(), before) << "samples are not written to";

  TransformRandom random(1);
  Tensor expected = volume.image.Clone();
  const auto change = [&](const auto & f)
  {
    float * const values = expected.GetData<float>();
    std::transform(values, values + expected.GetNumberOfElements(), values, f);
  };
  random.python.Random();
  const auto factor = static_cast<float>(random.python.Uniform(0.7, 1.3));
  change([&](float value) { return value * factor; });
  random.python.Random();
  const auto offset = static_cast<float>(random.numpy.Normal(0, 0.1));
  change([&](float value) { return value + offset; });
  random.python.Random();
  expected = HermesGamma(expected, random.python.Uniform(0.7, 1.5));
  random.python.Random();
  expected = HermesContrast(expected, random.python.Uniform(0.7, 1.3));
  random.python.Random();
  expected = HermesBlur(expected, random.python.Uniform(0.5, 1));
  random.python.Random();
  const double deviation = random.python.Random() * 0.1;
  change([&](float value) { return value + static_cast<float>(random.numpy.Normal(0, deviation)); });
  ExpectNear(all.image, expected, 1e-6, "all");
  EXPECT_NN_ERROR(SampleTransform::Make("HermesIntensity", { { "probability", 2 } }), "probability");
}
