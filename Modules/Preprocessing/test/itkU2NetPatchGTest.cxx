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
#include "itkU2NetPatch.h"

#include "itkNNSafeTensors.h"
#include "itkNNSampleTransform.h"
#include "itkNNTestGoldens.h"
#include "itkNNTestHelpers.h"
#include "itkNNVolumeSampling.h"
#include "itkU2NetPreprocessing.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

using namespace itk::nn;
using namespace itk::nn::test;
using List = TransformOption::List;

namespace
{
constexpr double pi = 3.14159265358979323846;

void
ExpectClose(const Tensor & actual, const Tensor & expected, double tolerance)
{
  const auto a = actual.ToVector<double>();
  const auto b = expected.ToVector<double>();
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i)
  {
    ASSERT_NEAR(a[i], b[i], tolerance) << i;
  }
}

Tensor
WithChannel(const Tensor & volume)
{
  Shape shape = volume.GetShape();
  shape.insert(shape.begin(), 1);
  return volume.Reshape(shape);
}

/** \param part of a volume, whose memory it is. */
void
Fill(Tensor part, double value)
{
  const std::vector<double> values(static_cast<std::size_t>(part.GetNumberOfElements()), value);
  part.CopyFrom(Tensor::FromVector<double>(part.GetShape(), values).To(part.GetDataType()));
}

/** Intensities above 0, and zeros for labels. */
Sample
MakeVolume(const Shape & size, std::int64_t channels = 1)
{
  Sample sample;
  sample.image = RandomTensor({ channels, size[0], size[1], size[2] }, 5, 0.5, 1.5).To(DataType::Float32);
  sample.label = Tensor::Zeros({ 1, size[0], size[1], size[2] }, DataType::Int32);
  return sample;
}

TransformOptions
NoAugmentation(const Shape & size)
{
  return { { "output_size", List(size.begin(), size.end()) },
           { "elastic_probability", 0 },
           { "rotation_probability", 0 },
           { "scale_probability", 0 },
           { "mirror_probability", 0 } };
}

Sample
Draw(const TransformOptions & options, const Sample & volume, std::int64_t seed)
{
  Sample sample = volume;
  TransformRandom random(seed);
  SampleTransform::Make("U2NetPatch", options)->Apply(sample, random);
  return sample;
}

std::int64_t
CountLabel(const Sample & sample, std::int32_t label)
{
  const auto labels = sample.label.ToVector<std::int32_t>();
  return std::count(labels.begin(), labels.end(), label);
}
} // namespace

TEST(U2NetPatch, Golden)
{
  const std::string name = "u2net/deform/trainer_patch";
  ITK_NN_REQUIRE_GOLDEN(name + ".safetensors");
  const auto settings = nlohmann::json::parse(ReadText(FindGolden(name + ".json")));
  const StateDict tensors = ReadSafeTensors(FindGolden(name + ".safetensors")).tensors;
  U2NetPatch patch;
  patch.size = settings.at("patch").get<Shape>();
  patch.centre = settings.at("centre").get<Shape>();
  patch.elastic = U2NetPatch::Elastic{ settings.at("sigma"), settings.at("alpha"), tensors.Get("noise") };
  patch.angle = settings.at("angles").at(0).get<double>();
  patch.scale = settings.at("scale").get<double>();
  EXPECT_TRUE(patch.IsDeformed());
  const Tensor coordinates = patch.GetCoordinates();
  ExpectClose(coordinates, tensors.Get("coords"), 1e-9);
  const Tensor image = WithChannel(tensors.Get("image"));
  const Tensor label = WithChannel(tensors.Get("label"));
  ExpectClose(SampleCubic(image, coordinates), tensors.Get("out_image"), 1e-9);
  ExpectClose(SampleNearest(label, coordinates), tensors.Get("out_label"), 0);

  const Sample taken = patch.Take({ image.To(DataType::Float32), label.To(DataType::Int32), {}, {} });
  ExpectClose(taken.image, tensors.Get("out_image"), 1e-5);
  ExpectClose(taken.label, tensors.Get("out_label"), 0);
  EXPECT_EQ(taken.label.GetDataType(), DataType::Int32);
}

TEST(U2NetPatch, CoordinatesOfEachStep)
{
  U2NetPatch patch;
  patch.size = { 2, 3, 4 };
  patch.centre = { 10, 20, 30 };
  EXPECT_FALSE(patch.IsDeformed());
  const auto at = [&](std::int64_t component)
  { return patch.GetCoordinates().ToVector<double>()[static_cast<std::size_t>(component * 24 + 6)]; };
  // Voxel (0, 1, 2): 0.5, 0 and -0.5 from the middle.
  EXPECT_NEAR(at(0), 9.5, 1e-12);
  EXPECT_NEAR(at(1), 20, 1e-12);
  EXPECT_NEAR(at(2), 30.5, 1e-12);
  patch.angle = pi / 2;
  EXPECT_NEAR(at(0), 9.5, 1e-12);
  EXPECT_NEAR(at(1), 20.5, 1e-12);
  EXPECT_NEAR(at(2), 30, 1e-12);
  patch.scale = 3;
  EXPECT_TRUE(patch.IsDeformed());
  EXPECT_NEAR(at(0), 8.5, 1e-12);
  EXPECT_NEAR(at(1), 21.5, 1e-12);
  patch.angle.reset();
  EXPECT_NEAR(at(2), 31.5, 1e-12);
}

TEST(U2NetPatch, NoiseIsSmoothedByACutOffGaussian)
{
  U2NetPatch patch;
  patch.size = { 3, 9, 10 };
  patch.centre = { 0, 0, 0 };
  // The second reaches beyond all axes.
  for (const double sigma : { 0.6, 12.0 })
  {
    patch.elastic.reset();
    const auto plain = patch.GetCoordinates().ToVector<double>();
    patch.elastic = U2NetPatch::Elastic{ sigma, 100, RandomTensor({ 3, 3, 9, 10 }, 6) };
    const auto displaced = patch.GetCoordinates().ToVector<double>();
    const auto noise = patch.elastic->noise.ToVector<double>();
    const auto radius = static_cast<int>(4 * sigma + 0.5);
    double sum = 0;
    for (int i = -radius; i <= radius; ++i)
    {
      sum += std::exp(-i * i / (2 * sigma * sigma));
    }
    const auto weight = [&](std::int64_t distance)
    {
      const auto d = static_cast<double>(distance);
      return std::abs(distance) > radius ? 0 : std::exp(-d * d / (2 * sigma * sigma)) / sum;
    };
    for (std::int64_t i = 0; i < 3 * 270; i += 37)
    {
      const std::int64_t component = i / 270;
      double expected = 0;
      for (std::int64_t k = 0; k < 270; ++k)
      {
        expected += noise[static_cast<std::size_t>(component * 270 + k)] * weight(k / 90 - i % 270 / 90) *
                    weight(k / 10 % 9 - i / 10 % 9) * weight(k % 10 - i % 10);
      }
      const auto place = static_cast<std::size_t>(i);
      EXPECT_NEAR(displaced[place] - plain[place], 100 * expected, 1e-9) << i << " of sigma " << sigma;
    }
  }
}

TEST(U2NetPatch, PlainPatchesAreCutOut)
{
  Sample volume = MakeVolume({ 4, 5, 6 }, 2);
  Fill(volume.label, 3);
  volume.pixelWeight = RandomTensor({ 1, 4, 5, 6 }, 8).To(DataType::Float32);
  U2NetPatch patch;
  patch.size = { 2, 3, 4 };
  patch.centre = { 2, 2, 3 };
  const auto cut = [](const Tensor & tensor)
  { return tensor.Slice(1, 1, 3).Slice(2, 1, 4).Slice(3, 1, 5).ToVector<float>(); };
  const Sample plain = patch.Take(volume);
  EXPECT_EQ(plain.image.ToVector<float>(), cut(volume.image));
  EXPECT_EQ(plain.pixelWeight.ToVector<float>(), cut(volume.pixelWeight));
  EXPECT_FALSE(plain.labelProbability.IsDefined());
  EXPECT_EQ(plain.GetSize(), patch.size);
  patch.isMirrored = true;
  const Sample mirrored = patch.Take(volume);
  EXPECT_EQ(mirrored.image.GetElement({ 1, 1, 2, 0 }), plain.image.GetElement({ 1, 1, 2, 3 }));
  EXPECT_EQ(mirrored.image.GetElement({ 0, 0, 1, 2 }), plain.image.GetElement({ 0, 0, 1, 1 }));
  // A deformed one of whole places has the same values.
  patch.size = { 3, 3, 3 };
  const Sample three = patch.Take(volume);
  patch.scale = 1;
  ExpectClose(patch.Take(volume).image, three.image, 1e-6);
  ExpectClose(patch.Take(volume).pixelWeight, three.pixelWeight, 0);
  // Zeros outside, of labels too.
  patch = U2NetPatch();
  patch.size = { 2, 2, 2 };
  patch.centre = { 0, 5, 1 };
  const Sample border = patch.Take(volume);
  EXPECT_EQ(border.label.ToVector<int>(), (std::vector<int>{ 0, 0, 0, 0, 3, 3, 0, 0 }));
  EXPECT_EQ(border.image.GetElement({ 1, 1, 0, 1 }), volume.image.GetElement({ 1, 0, 4, 1 }));
  patch.centre = { 100, 0, 0 };
  EXPECT_EQ(patch.Take(volume).image.ToVector<float>(), std::vector<float>(16, 0));
}

TEST(U2NetPatch, Errors)
{
  U2NetPatch patch;
  EXPECT_NN_ERROR(patch.Check(), "the size is []; should be three extents");
  patch.size = { 2, 0, 2 };
  EXPECT_NN_ERROR(patch.Check(), "should be three extents from 1 on");
  patch.size = { 2, 2, 2 };
  EXPECT_NN_ERROR(patch.GetCoordinates(), "the centre is []; should be [z, y, x]");
  patch.centre = { 0, 0, 0 };
  patch.Check();
  const Tensor noise = Tensor::Zeros({ 3, 2, 2, 2 }, DataType::Float64);
  patch.elastic = U2NetPatch::Elastic{ 0, 1, noise };
  EXPECT_NN_ERROR(patch.Check(), "sigma is 0; should be above 0");
  patch.elastic = U2NetPatch::Elastic{ 1, INFINITY, noise };
  EXPECT_NN_ERROR(patch.Check(), "alpha is inf; should be finite");
  patch.elastic = U2NetPatch::Elastic{ 1, 1, {} };
  EXPECT_NN_ERROR(patch.Check(), "the noise is not there");
  patch.elastic = U2NetPatch::Elastic{ 1, 1, noise.To(DataType::Float32) };
  EXPECT_NN_ERROR(patch.Check(), "the noise is float32 of shape [3, 2, 2, 2]; should be float64");
  patch.elastic = U2NetPatch::Elastic{ 1, 1, noise };
  patch.Check();
  patch.angle = NAN;
  EXPECT_NN_ERROR(patch.Check(), "the angle is nan; should be finite");
  patch.angle = 1;
  patch.scale = 0;
  EXPECT_NN_ERROR(patch.Check(), "the scale is 0; should be above 0");
  patch.scale = 1;
  EXPECT_NN_ERROR(patch.Take({ Tensor::Zeros({ 1, 4, 4 }), {}, {}, {} }), "should be a volume's");
  EXPECT_NN_ERROR(patch.Take({}), "A sample has no image");
}

/** Each draw in its order, and what it leads to. */
TEST(U2NetPatchTransform, DrawsAsItIsSaid)
{
  const Shape size{ 6, 7, 5 };
  const Shape extents{ 9, 12, 8 };
  Sample volume = MakeVolume(extents, 2);
  Fill(volume.label, 1);
  std::map<std::string, int> reached;
  for (std::int64_t seed = 0; seed < 120; ++seed)
  {
    const bool seeks = seed % 2 == 0;
    TransformOptions options{ { "output_size", List(size.begin(), size.end()) },
                              { "sigma", List{ 1, 2.5 } },
                              { "alpha", List{ 0, 20 } } };
    if (!seeks)
    {
      options["small_probability"] = 0;
      options["foreground_probability"] = 0;
    }
    PythonRandom random(seed);
    U2NetPatch patch;
    patch.size = size;
    random.Random(); // All is small and foreground, when that counts.
    const std::int64_t voxel = seeks ? random.Integer(0, NumberOfElements(extents) - 1) : 0;
    const Shape place{ voxel / (extents[1] * extents[2]), voxel / extents[2] % extents[1], voxel % extents[2] };
    for (std::size_t axis = 0; axis < 3; ++axis)
    {
      const std::int64_t half = size[axis] / 2;
      if (!seeks)
      {
        patch.centre.push_back(random.Integer(half, extents[axis] - half - 1));
        continue;
      }
      const double reach = static_cast<double>(size[axis]) / 2 - 1;
      const auto low =
        static_cast<std::int64_t>(std::max(static_cast<double>(half - 1), static_cast<double>(place[axis]) - reach));
      const auto end = static_cast<std::int64_t>(
        std::min(static_cast<double>(place[axis]) + reach, static_cast<double>(extents[axis] - half + 1)));
      patch.centre.push_back(end > low ? random.Integer(low, end - 1) : low);
    }
    if (random.Random() < 0.3)
    {
      ++reached["elastic"];
      U2NetPatch::Elastic elastic;
      elastic.alpha = random.Uniform(0, 20);
      elastic.sigma = random.Uniform(1, 2.5);
      std::vector<double> noise(3 * 6 * 7 * 5);
      std::generate(noise.begin(), noise.end(), [&] { return 2 * random.Random() - 1; });
      elastic.noise = Tensor::FromVector<double>({ 3, 6, 7, 5 }, noise);
      patch.elastic = elastic;
    }
    if (random.Random() < 0.3)
    {
      ++reached["angle"];
      patch.angle = random.Uniform(0, 2 * pi);
    }
    if (random.Random() < 0.5)
    {
      const bool isBelow = random.Random() < 0.5;
      ++reached[isBelow ? "below" : "above"];
      patch.scale = isBelow ? random.Uniform(0.75, 1) : random.Uniform(1, 1.25);
    }
    if (random.Random() < 0.3)
    {
      patch.isMirrored = random.Random() < 0.5;
      ++reached[patch.isMirrored ? "mirrored" : "not mirrored"];
    }
    reached["plain"] += patch.IsDeformed() ? 0 : 1;
    const Sample expected = patch.Take(volume);
    const Sample actual = Draw(options, volume, seed);
    ASSERT_EQ(actual.image.ToVector<float>(), expected.image.ToVector<float>()) << seed;
    ASSERT_EQ(actual.label.ToVector<int>(), expected.label.ToVector<int>()) << seed;
  }
  // 120 times the probabilities, three deviations and more away.
  const std::map<std::string, std::pair<int, int>> bounds{ { "elastic", { 20, 52 } }, { "angle", { 20, 52 } },
                                                           { "below", { 15, 46 } },   { "above", { 15, 46 } },
                                                           { "mirrored", { 6, 31 } }, { "not mirrored", { 6, 31 } },
                                                           { "plain", { 14, 46 } } };
  for (const auto & [name, bound] : bounds)
  {
    EXPECT_GE(reached[name], bound.first) << name;
    EXPECT_LE(reached[name], bound.second) << name;
  }
}

TEST(U2NetPatchTransform, SeeksClasses)
{
  // Far from each other: many voxels of class 1, one of class 2.
  Sample volume = MakeVolume({ 24, 24, 24 });
  Fill(volume.label.Slice(1, 0, 8).Slice(2, 0, 8).Slice(3, 0, 8), 1);
  volume.label.SetElement({ 0, 22, 21, 23 }, 2);
  const auto count = [&](const TransformOptions & changes, const Sample & from)
  {
    TransformOptions options = NoAugmentation({ 6, 6, 6 });
    options["small_class"] = 2;
    for (const auto & [key, value] : changes)
    {
      options[key] = value;
    }
    std::vector<int> counts(3);
    for (std::int64_t seed = 0; seed < 500; ++seed)
    {
      const Sample patch = Draw(options, from, seed);
      EXPECT_EQ(patch.label.GetDataType(), DataType::Int32);
      ++counts[CountLabel(patch, 2) > 0 ? 2 : CountLabel(patch, 1) > 0 ? 1 : 0];
    }
    return counts;
  };
  // All patches show a class; 500 * 0.3 of the small one, deviation 10, and one voxel in 513 more.
  auto counts = count({}, volume);
  EXPECT_EQ(counts[0], 0);
  EXPECT_NEAR(counts[2], 150, 35);
  // 0.4 anywhere, of which one in ten shows class 1.
  counts = count({ { "foreground_probability", 0.3 } }, volume);
  EXPECT_NEAR(counts[2], 150, 35);
  EXPECT_NEAR(counts[0], 500 * 0.4 * 0.9, 40);
  EXPECT_GT(counts[1], 500 * 0.3 - 35);
  counts = count({ { "small_probability", 0 }, { "foreground_probability", 1 } }, volume);
  EXPECT_EQ(counts[0], 0);
  EXPECT_LT(counts[2], 10);
  counts = count({ { "small_probability", 1 }, { "foreground_probability", 0 } }, volume);
  EXPECT_EQ(counts[2], 500);
  // Without the small class the foreground, without both any.
  Sample without = volume;
  without.label = volume.label.Clone();
  without.label.SetElement({ 0, 22, 21, 23 }, 0);
  counts = count({ { "small_probability", 1 }, { "foreground_probability", 0 } }, without);
  EXPECT_EQ(counts[1], 500);
  counts = count({}, without);
  EXPECT_EQ(counts[1], 500);
  without.label = Tensor::Zeros(volume.label.GetShape(), DataType::Int32);
  counts = count({}, without);
  EXPECT_EQ(counts[0], 500);
}

/** Of any extent, odd ones and those of one voxel too, a plain patch has the voxel that it seeks. */
TEST(U2NetPatchTransform, TheVoxelIsInside)
{
  for (const std::int64_t extent : { 1, 2, 3, 4, 5, 8 })
  {
    for (std::int64_t place = 0; place < 9; ++place)
    {
      Sample volume = MakeVolume({ 9, 9, 9 });
      volume.label.SetElement({ 0, place, 8 - place, place }, 1);
      for (std::int64_t seed = 0; seed < 5; ++seed)
      {
        EXPECT_EQ(CountLabel(Draw(NoAugmentation({ extent, extent, extent }), volume, seed), 1), 1)
          << extent << ' ' << place;
      }
    }
  }
}

TEST(U2NetPatchTransform, TriesAgain)
{
  // Deformed patches miss a single voxel now and then, and it is out of those that are enlarged most.
  Sample volume = MakeVolume({ 16, 16, 16 });
  volume.label.SetElement({ 0, 9, 7, 5 }, 1);
  TransformOptions options{ { "output_size", List{ 8, 8, 8 } }, { "scale_probability", 1 },
                            { "rotation_probability", 1 },      { "elastic_probability", 1 },
                            { "sigma", List{ 1, 2 } },          { "scale", List{ 1.2, 2 } } };
  int last = 0;
  for (std::int64_t seed = 0; seed < 100; ++seed)
  {
    EXPECT_GE(CountLabel(Draw(options, volume, seed), 1), 1) << seed;
    // In an image of zeros no patch is accepted: the last one is plain.
    const Sample black{ Tensor::Zeros(volume.image.GetShape()), volume.label, {}, {} };
    EXPECT_EQ(CountLabel(Draw(options, black, seed), 1), 1) << seed;
    // Where a single voxel is not 0, a patch without it is not taken at once.
    Sample spot = black;
    spot.image = Tensor::Zeros(volume.image.GetShape());
    spot.image.SetElement({ 0, 4, 4, 4 }, 1);
    auto anywhere = NoAugmentation({ 8, 8, 8 });
    anywhere["small_probability"] = anywhere["foreground_probability"] = 0;
    const auto intensities = Draw(anywhere, spot, seed).image.ToVector<float>();
    last += std::count(intensities.begin(), intensities.end(), 1.0F) == 1 ? 1 : 0;
  }
  EXPECT_GE(last, 99);
}

TEST(U2NetPatchTransform, SmallVolumesArePadded)
{
  Sample volume = MakeVolume({ 5, 8, 3 }, 2);
  Fill(volume.label, 2);
  volume.pixelWeight = Tensor::Zeros({ 1, 5, 8, 3 });
  Fill(volume.pixelWeight, 1);
  auto options = NoAugmentation({ 8, 8, 8 });
  const Sample patch = Draw(options, volume, 3);
  EXPECT_EQ(patch.image.GetShape(), (Shape{ 2, 8, 8, 8 }));
  EXPECT_EQ(CountLabel(patch, 0) + CountLabel(patch, 2), 512);
  options["small_probability"] = options["foreground_probability"] = 0;
  const Sample whole = Draw(options, volume, 3);
  const Tensor padded = PadToPatch(volume.image, { 8, 8, 8 });
  EXPECT_EQ(padded.GetShape(), (Shape{ 2, 9, 8, 9 }));
  EXPECT_EQ(whole.image.ToVector<float>(), padded.Slice(1, 0, 8).Slice(3, 0, 8).ToVector<float>());
  EXPECT_EQ(CountLabel(whole, 2), 5 * 8 * 3);
  const auto weights = whole.pixelWeight.ToVector<float>();
  EXPECT_EQ(std::count(weights.begin(), weights.end(), 1.0F), 5 * 8 * 3);
  EXPECT_EQ(std::count(weights.begin(), weights.end(), 0.0F), 512 - 5 * 8 * 3);
}

TEST(U2NetPatchTransform, DeformedLabelsStayClasses)
{
  Sample volume = MakeVolume({ 20, 24, 22 });
  Fill(volume.label.Slice(1, 4, 12), 1);
  Fill(volume.label.Slice(2, 8, 16), 3);
  volume.pixelWeight = volume.label.To(DataType::Float32);
  const TransformOptions options{ { "output_size", List{ 10, 12, 14 } },
                                  { "elastic_probability", 1 },
                                  { "rotation_probability", 1 },
                                  { "scale_probability", 1 },
                                  { "mirror_probability", 1 } };
  for (std::int64_t seed = 0; seed < 8; ++seed)
  {
    const Sample patch = Draw(options, volume, seed);
    patch.Check();
    EXPECT_EQ(patch.GetSize(), (Shape{ 10, 12, 14 }));
    EXPECT_EQ(CountLabel(patch, 0) + CountLabel(patch, 1) + CountLabel(patch, 3), 10 * 12 * 14);
    // By the same rule: labels and weights go together.
    EXPECT_EQ(patch.pixelWeight.ToVector<float>(), patch.label.ToVector<float>());
    EXPECT_EQ(Draw(options, volume, seed).image.ToVector<float>(), patch.image.ToVector<float>());
  }
}

TEST(U2NetPatchTransform, ScalesOfOneSide)
{
  Sample volume = MakeVolume({ 40, 40, 40 });
  // A ramp along W: its slope is the scale.
  for (std::int64_t i = 0; i < volume.image.GetNumberOfElements(); ++i)
  {
    volume.image.GetData<float>()[i] = static_cast<float>(i % 40);
  }
  auto options = NoAugmentation({ 4, 4, 4 });
  options["small_probability"] = options["foreground_probability"] = 0;
  options["scale_probability"] = 1;
  const auto range = [&](double low, double high)
  {
    options["scale"] = List{ low, high };
    std::pair<double, double> found{ INFINITY, 0 };
    int below = 0;
    for (std::int64_t seed = 0; seed < 60; ++seed)
    {
      const Sample patch = Draw(options, volume, seed);
      const double slope = (patch.image.GetElement({ 0, 2, 2, 2 }) - patch.image.GetElement({ 0, 2, 2, 1 }));
      found = { std::min(found.first, slope), std::max(found.second, slope) };
      below += slope < 1 ? 1 : 0;
    }
    EXPECT_GE(found.first, low - 0.05);
    EXPECT_LE(found.second, high + 0.05);
    return below;
  };
  EXPECT_EQ(range(0.5, 0.8), 60);
  EXPECT_EQ(range(1.2, 1.5), 0);
  // Above 1 is half of them, however wide.
  const int below = range(0.9, 3);
  EXPECT_GE(below, 17);
  EXPECT_LE(below, 43);
}

TEST(U2NetPatchTransform, OptionsAndErrors)
{
  const TransformOptions size{ { "output_size", List{ 4, 4, 4 } } };
  const auto transform = SampleTransform::Make("U2NetPatch", size);
  EXPECT_FALSE(transform->IsInverse());
  const auto & options = transform->GetOptions();
  EXPECT_EQ(options.size(), 12U);
  EXPECT_EQ(options.at("small_class").ToJson(), "1");
  EXPECT_EQ(options.at("small_probability").ToJson(), "0.3");
  EXPECT_EQ(options.at("foreground_probability").ToJson(), "0.7");
  EXPECT_EQ(options.at("elastic_probability").ToJson(), "0.3");
  EXPECT_TRUE(options.at("sigma") == TransformOption(List{ 10., 13. }));
  EXPECT_TRUE(options.at("alpha") == TransformOption(List{ 0., 750. }));
  EXPECT_EQ(options.at("rotation_probability").ToJson(), "0.3");
  EXPECT_EQ(options.at("scale_probability").ToJson(), "0.5");
  EXPECT_TRUE(options.at("scale") == TransformOption(List{ 0.75, 1.25 }));
  EXPECT_EQ(options.at("mirror_probability").ToJson(), "0.3");
  const auto make = [&](const std::string & key, const TransformOption & value)
  {
    TransformOptions changed = size;
    changed[key] = value;
    SampleTransform::Make("U2NetPatch", changed);
  };
  EXPECT_NN_ERROR(SampleTransform::Make("U2NetPatch", {}), "the option 'output_size' is missing");
  EXPECT_NN_ERROR(make("output_size", (List{ 4, 4 })), "'output_size' is [4, 4]; should have three extents");
  EXPECT_NN_ERROR(make("small_class", 0), "should be an integer from 1");
  EXPECT_NN_ERROR(make("small_probability", 0.5), "are 0.5 and 0.7; their sum should not be above 1");
  EXPECT_NN_ERROR(make("foreground_probability", 1.5), "should be a number from 0 to 1");
  EXPECT_NN_ERROR(make("elastic_probability", -1), "should be a number from 0 to 1");
  EXPECT_NN_ERROR(make("sigma", (List{ 0, 3 })), "'sigma' is [0,3]; should be two numbers from 0.001 to 1000");
  EXPECT_NN_ERROR(make("sigma", 3), "should be two numbers");
  EXPECT_NN_ERROR(make("alpha", (List{ 3, 2 })), "the first not above the second");
  EXPECT_NN_ERROR(make("alpha", (List{ 1, 2, 3 })), "should be two numbers");
  EXPECT_NN_ERROR(make("alpha", (List{ 1, "x" })), "should be two numbers");
  EXPECT_NN_ERROR(make("rotation_probability", 2), "should be a number from 0 to 1");
  EXPECT_NN_ERROR(make("scale", (List{ 1, 2000 })), "should be two numbers from 0.001 to 1000");
  EXPECT_NN_ERROR(make("mirror_probability", "x"), "should be a number from 0 to 1");
  EXPECT_NN_ERROR(make("inverse", true), "cannot be undone");

  Sample volume = MakeVolume({ 5, 5, 5 });
  const Sample picture{ Tensor::Zeros({ 1, 4, 4 }), {}, {}, {} };
  EXPECT_NN_ERROR(Draw(size, picture, 0), "the sample has the extents [4, 4]; should be a volume's");
  const Sample unlabelled{ volume.image, {}, {}, {} };
  EXPECT_NN_ERROR(Draw(size, unlabelled, 0), "is to seek the foreground; the sample has no label");
  auto anywhere = NoAugmentation({ 4, 4, 4 });
  anywhere["small_probability"] = anywhere["foreground_probability"] = 0;
  EXPECT_EQ(Draw(anywhere, unlabelled, 0).GetSize(), (Shape{ 4, 4, 4 }));
  volume.labelProbability = Tensor::Zeros({ 2, 5, 5, 5 });
  EXPECT_NN_ERROR(Draw(size, volume, 0), "label probabilities; should come before");
}
