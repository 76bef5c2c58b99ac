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
#include "itkNNSampleTransform.h"

#include "itkNNTestHelpers.h"
#include "itkNNVolumeResize.h"

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace itk::nn;
using List = TransformOption::List;
using Floats = std::vector<float>;
using Labels = std::vector<int>;

namespace
{
/** An image of consecutive numbers; each label is its pixel's number modulo 4. */
Sample
MakeSample(const Shape & size, std::int64_t channels = 1)
{
  Shape shape = size;
  shape.insert(shape.begin(), channels);
  Sample sample;
  sample.image = Tensor(shape);
  std::iota(sample.image.GetData<float>(), sample.image.GetData<float>() + NumberOfElements(shape), 0.0F);
  shape[0] = 1;
  sample.label = Tensor(shape, DataType::Int32);
  for (std::int64_t i = 0; i < NumberOfElements(shape); ++i)
  {
    sample.label.GetData<std::int32_t>()[i] = static_cast<std::int32_t>(i % 4);
  }
  return sample;
}

Sample
MakeRow(const Floats & pixels)
{
  Sample sample;
  sample.image = Tensor::FromVector({ 1, 1, static_cast<std::int64_t>(pixels.size()) }, pixels);
  return sample;
}

TransformRecord
Apply(const std::string & name, const TransformOptions & options, Sample & sample, std::int64_t seed = 0)
{
  TransformRandom random(seed);
  return SampleTransform::Make(name, options)->Apply(sample, random);
}

/** What becomes of a picture of one row. */
Floats
OfRow(const std::string & name, const TransformOptions & options, const Floats & pixels, std::int64_t seed = 0)
{
  Sample sample = MakeRow(pixels);
  Apply(name, options, sample, seed);
  return sample.image.ToVector<float>();
}

void
ExpectFloats(const Floats & actual, const Floats & expected, float tolerance = 1e-6F)
{
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i)
  {
    EXPECT_NEAR(actual[i], expected[i], tolerance) << i;
  }
}
} // namespace

TEST(SampleTransform, NormalizeWithMeanStd)
{
  // Mean 3, population standard deviation 2.
  ExpectFloats(OfRow("NormalizeWithMeanStd", {}, { 1, 5, 1, 5 }), { -1, 1, -1, 1 }, 1e-5F);
  ExpectFloats(OfRow("NormalizeWithMeanStd", {}, { 7, 7 }), { 0, 0 });
  ExpectFloats(OfRow("NormalizeWithMeanStd", { { "mean", List{ 1 } }, { "std", List{ 4.0 } } }, { 1, 5 }), { 0, 1 });
  EXPECT_NN_ERROR(OfRow("NormalizeWithMeanStd", { { "mean", List{ 1 } } }, { 1 }), "a number above 0 for each channel");
  EXPECT_NN_ERROR(OfRow("NormalizeWithMeanStd", { { "mean", List{} } }, { 1 }), "'mean' has 0 values; should have one");
}

TEST(SampleTransform, NoiseInThePlaceOfTheBackground)
{
  const TransformOptions options{ { "mask_threshold", 0 } };
  NumPyLegacyRandom numpy(3);
  Floats noise(5);
  std::generate(noise.begin(), noise.end(), [&numpy] { return static_cast<float>(numpy.Normal()); });
  ExpectFloats(OfRow("NormalizeWithMeanStd", options, { 1, 0, 5, -3, 3 }, 3),
               { static_cast<float>(-2 / (std::sqrt(8. / 3) + 1e-5)),
                 noise[1],
                 static_cast<float>(2 / (std::sqrt(8. / 3) + 1e-5)),
                 noise[3],
                 0 });
  ExpectFloats(OfRow("NormalizeWithMeanStd", options, { 0, -1 }, 3), { noise[0], noise[1] });
  ExpectFloats(
    OfRow("NormalizeWithMeanStd", { { "mask_threshold", 0 }, { "set_background_to_random", false } }, { -1, -2 }),
    { -1, -2 });
  // Statistics of 2 and 4; the rest are numbers of the generator.
  ExpectFloats(OfRow("ChannelWiseThresholdWithNormalize",
                     { { "threshold_lower", List{ 1 } }, { "threshold_upper", List{ 5 } }, { "mean_std_mode", true } },
                     { 2, 1, 4, 5, 9 },
                     3),
               { -1, noise[1], 1, noise[3], noise[4] });
}

TEST(SampleTransform, NormalizationsToIntervals)
{
  const TransformOptions limits{ { "threshold_lower", List{ 0 } }, { "threshold_upper", List{ 4 } } };
  const TransformOptions none{ { "threshold_lower", nullptr }, { "threshold_upper", nullptr } };
  ExpectFloats(OfRow("NormalizeWithMinMax", limits, { -9, 0, 1, 4, 9 }), { -1, -1, -0.5F, 1, 1 });
  ExpectFloats(OfRow("NormalizeWithMinMax", none, { 10, 12, 14 }), { -1, 0, 1 });
  ExpectFloats(OfRow("NormalizeWithMinMax", none, { 5, 5 }), { -1, -1 });
  ExpectFloats(OfRow("NormalizeWithPercentiles",
                     { { "percentile_lower", 25 }, { "percentile_upper", 75 }, { "output_mode", 0 } },
                     { 4, 0, 1, 2, 3 }),
               { 1, 0, 0, 0.5F, 1 });
  ExpectFloats(OfRow("NormalizeWithPercentiles",
                     { { "percentile_lower", 0 }, { "percentile_upper", 100 }, { "output_mode", 1 } },
                     { 4, 0, 1 }),
               { 1, -1, -0.5F });
  TransformOptions normalize = limits;
  normalize["mean_std_mode"] = false;
  ExpectFloats(OfRow("ChannelWiseThresholdWithNormalize", normalize, { -9, 1, 9 }), { 0, 0.25F, 1 });
}

TEST(SampleTransform, Thresholds)
{
  const TransformOptions limits{ { "threshold_lower", List{ 0 } }, { "threshold_upper", List{ 4 } } };
  EXPECT_EQ(OfRow("ChannelWiseThreshold", limits, { -1, 0, 3, 4, 5 }), (Floats{ 0, 0, 3, 4, 4 }));
  TransformOptions replaced = limits;
  replaced["replace_lower"] = List{ -7 };
  replaced["replace_upper"] = List{ 8.5 };
  EXPECT_EQ(OfRow("ChannelWiseThreshold", replaced, { -1, 0, 3, 4, 5 }), (Floats{ -7, 0, 3, 4, 8.5 }));
  EXPECT_EQ(OfRow("IntensityClip", { { "lower", List{ 1 } }, { "upper", List{ 2.5 } } }, { 0, 2, 3 }),
            (Floats{ 1, 2, 2.5 }));
  EXPECT_EQ(OfRow("IntensityClip",
                  { { "lower", List{ 25 } }, { "upper", List{ 75 } }, { "percentile_mode", true } },
                  { 0, 1, 2, 3, 4 }),
            (Floats{ 1, 1, 2, 3, 3 }));
  // The percentiles 0.05 and 99.95 of 0, 1, ..., 100.
  Floats ramp(101);
  std::iota(ramp.begin(), ramp.end(), 0.0F);
  const Floats clipped = OfRow("IntensityClip", {}, ramp);
  EXPECT_FLOAT_EQ(clipped.front(), 0.05F);
  EXPECT_FLOAT_EQ(clipped.back(), 99.95F);
}

TEST(SampleTransform, OnlyTheChannelsNamed)
{
  Sample sample = MakeSample({ 1, 2 }, 3);
  const TransformOptions options{ { "channels", List{ 2, 0 } },
                                  { "threshold_lower", List{ 4.5, nullptr } },
                                  { "threshold_upper", List{ nullptr, 0.5 } } };
  Apply("ChannelWiseThreshold", options, sample);
  EXPECT_EQ(sample.image.ToVector<float>(), (Floats{ 0, 0.5, 2, 3, 4.5, 5 }));
  // Here the lists go by the numbers of the channels.
  Sample other = MakeSample({ 1, 2 }, 3);
  Apply("ChannelWiseThresholdWithNormalize",
        { { "channels", List{ 2 } },
          { "threshold_lower", List{ 0, 0, 4 } },
          { "threshold_upper", List{ 1, 1, 8 } },
          { "mean_std_mode", false } },
        other);
  EXPECT_EQ(other.image.ToVector<float>(), (Floats{ 0, 1, 2, 3, 0, 0.25 }));
  EXPECT_NN_ERROR(Apply("GammaCorrection", { { "channels", List{ 3 } }, { "probability", 1 } }, other),
                  "GammaCorrection is to change channel 3 of an image of 3");
}

TEST(SampleTransform, GammaCorrection)
{
  const TransformOptions options{ { "gamma_min", 2 }, { "gamma_max", 2 }, { "probability", 1 } };
  ExpectFloats(OfRow("GammaCorrection", options, { 1, 2, 3 }), { 1, 1.5F, 3 });
  TransformOptions inverted = options;
  inverted["intensity_flip_probability"] = 1;
  ExpectFloats(OfRow("GammaCorrection", inverted, { 1, 2, 3 }), { 3, 1.5F, 1 });
  EXPECT_EQ(OfRow("GammaCorrection", options, { 7, 7 }), (Floats{ 7, 7 }));
  TransformOptions never = options;
  never["probability"] = 0;
  EXPECT_EQ(OfRow("GammaCorrection", never, { 1, 2, 3 }), (Floats{ 1, 2, 3 }));
}

TEST(SampleTransform, GaussianNoise)
{
  const Floats pixels{ -50, 0, 0, 50 };
  NumPyLegacyRandom numpy(5);
  PythonRandom python(5);
  numpy.Random();
  const double deviation = python.Uniform(0.02, 0.1);
  Floats expected = pixels;
  for (float & pixel : expected)
  {
    pixel = static_cast<float>(std::clamp(static_cast<double>(pixel) + deviation * numpy.Normal(), -50., 50.));
  }
  const Floats noisy = OfRow("GaussianNoise", { { "probability", 1 } }, pixels, 5);
  EXPECT_EQ(noisy, expected);
  EXPECT_NE(noisy[1], 0);
  EXPECT_LE(noisy[3], 50);
  EXPECT_EQ(OfRow("GaussianNoise", { { "probability", 1 }, { "std", 0 }, { "mean", 2 } }, { 0, 3, 4 }),
            (Floats{ 2, 4, 4 }));
  EXPECT_EQ(OfRow("GaussianNoise", { { "probability", 0 } }, pixels), pixels);
}

TEST(SampleTransform, PadReflectsAndIsUndone)
{
  Sample sample = MakeRow({ 1, 2, 3 });
  const auto pad = SampleTransform::Make("Pad", { { "output_size", List{ nullptr, 12 } } });
  TransformRandom random(0);
  const TransformRecord record = pad->Apply(sample, random);
  EXPECT_EQ(sample.image.ToVector<float>(), (Floats{ 1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3, 2 }));
  EXPECT_EQ(record.start, (Shape{ 0, 4 }));
  EXPECT_EQ(record.inputSize, (Shape{ 1, 3 }));
  EXPECT_EQ(record.outputSize, (Shape{ 1, 12 }));
  EXPECT_EQ(pad->Invert(sample.image, record).ToVector<float>(), (Floats{ 1, 2, 3 }));
  EXPECT_EQ(OfRow("Pad", { { "output_size", List{ 3, 1 } } }, { 4, 5 }), (Floats{ 4, 5, 4, 5, 4, 5 }));
  EXPECT_EQ(OfRow("Pad", { { "output_size", List{ 1, 2 } }, { "ceil_mode", true } }, { 1, 2, 3 }),
            (Floats{ 1, 2, 3, 2 }));
}

TEST(SampleTransform, AllTensorsAreCropped)
{
  Sample sample = MakeSample({ 4, 5 }, 2);
  sample.pixelWeight = Tensor::Full({ 1, 4, 5 }, 0.5);
  sample.labelProbability = sample.image;
  const auto crop = SampleTransform::Make("CenterCrop", { { "output_size", List{ 1, 2 } } });
  TransformRandom random(0);
  const TransformRecord record = crop->Apply(sample, random);
  EXPECT_EQ(sample.image.ToVector<float>(), (Floats{ 6, 7, 26, 27 }));
  EXPECT_EQ(sample.labelProbability.ToVector<float>(), (Floats{ 6, 7, 26, 27 }));
  EXPECT_EQ(sample.label.ToVector<int>(), (Labels{ 2, 3 }));
  EXPECT_EQ(sample.pixelWeight.GetShape(), (Shape{ 1, 1, 2 }));
  const Tensor pasted = crop->Invert(sample.label, record);
  Labels expected(20, 0);
  expected[6] = 2;
  expected[7] = 3;
  EXPECT_EQ(pasted.ToVector<int>(), expected);
  EXPECT_EQ(pasted.GetDataType(), DataType::Int32);
  EXPECT_NN_ERROR(Apply("CenterCrop", { { "output_size", List{ 2, 2 } } }, sample),
                  "CenterCrop: a crop of [2, 2] from a sample of [1, 2]; should not be larger");
  EXPECT_NN_ERROR(Apply("CenterCrop", { { "output_size", List{ 1, 1, 1 } } }, sample),
                  "'output_size' has 3 entries; should have one for each of the 2 spatial axes");
}

TEST(SampleTransform, RandomCropAtTheForeground)
{
  Sample whole = MakeSample({ 6, 8, 10 });
  Labels labels(480, 0);
  labels[(5 * 8 + 0) * 10 + 9] = 3;
  whole.label = Tensor::FromVector({ 1, 6, 8, 10 }, labels);
  const TransformOptions options{ { "output_size", List{ 2, 4, 4 } },
                                  { "foreground_focus", true },
                                  { "foreground_ratio", 1 } };
  for (std::int64_t seed = 0; seed < 10; ++seed)
  {
    Sample sample = whole;
    EXPECT_EQ(Apply("RandomCrop", options, sample, seed).start, (Shape{ 4, 0, 6 }));
    TransformOptions absent = options;
    absent["mask_label"] = List{ 1 };
    Sample other = whole;
    PythonRandom random(seed);
    const Shape start{ random.Integer(0, 4), random.Integer(0, 4), random.Integer(0, 6) };
    EXPECT_EQ(Apply("RandomCrop", absent, other, seed).start, start);
    Sample background = whole;
    background.label = Tensor::Zeros({ 1, 6, 8, 10 }, DataType::Int32);
    EXPECT_EQ(Apply("RandomCrop", options, background, seed).start, start);
  }
  Sample unlabelled = whole;
  unlabelled.label = Tensor();
  EXPECT_NN_ERROR(Apply("RandomCrop", options, unlabelled), "RandomCrop is to crop at the foreground");
}

TEST(SampleTransform, RandomFlip)
{
  const TransformOptions all{ { "flip_depth", true }, { "flip_height", true }, { "flip_width", true } };
  TransformOptions volumes = all;
  volumes["flip_depth_of_volumes"] = true;
  int depthFlips = 0;
  for (std::int64_t seed = 0; seed < 20; ++seed)
  {
    PythonRandom python(seed);
    const bool width = python.Random() > 0.5;
    const bool height = python.Random() > 0.5;
    const bool depth = python.Random() > 0.5;
    for (const bool isCompatible : { true, false })
    {
      Sample sample = MakeSample({ 2, 3, 4 });
      const Sample original = sample;
      const auto flip = SampleTransform::Make("RandomFlip", isCompatible ? all : volumes);
      TransformRandom random(seed);
      const TransformRecord record = flip->Apply(sample, random);
      for (const std::int64_t z : { 0, 1 })
      {
        const std::int64_t fromZ = !isCompatible && depth ? 1 - z : z;
        const std::int64_t fromY = height ? 2 : 0;
        const std::int64_t fromX = width ? 3 : 0;
        EXPECT_EQ(sample.image.GetElement({ 0, z, 0, 0 }), original.image.GetElement({ 0, fromZ, fromY, fromX }));
        EXPECT_EQ(sample.label.GetElement({ 0, z, 0, 0 }), original.label.GetElement({ 0, fromZ, fromY, fromX }));
      }
      depthFlips += !isCompatible && depth ? 1 : 0;
      EXPECT_EQ(flip->Invert(sample.image, record).ToVector<float>(), original.image.ToVector<float>());
    }
  }
  EXPECT_GT(depthFlips, 3);
  EXPECT_EQ(OfRow("RandomFlip", {}, { 1, 2 }), (Floats{ 1, 2 }));
  // A picture has no depth, and its channels stay.
  Sample picture = MakeSample({ 1, 1 }, 2);
  Apply("RandomFlip", volumes, picture);
  EXPECT_EQ(picture.image.ToVector<float>(), (Floats{ 0, 1 }));
}

TEST(SampleTransform, RescaleAndBack)
{
  Sample sample = MakeRow({ 0, 2, 4 });
  sample.label = Tensor::FromVector<std::int32_t>({ 1, 1, 3 }, { 5, 6, 7 });
  const auto rescale = SampleTransform::Make("Rescale", { { "output_size", List{ nullptr, 5 } } });
  TransformRandom random(0);
  const TransformRecord record = rescale->Apply(sample, random);
  EXPECT_EQ(sample.image.ToVector<float>(), (Floats{ 0, 1, 2, 3, 4 }));
  EXPECT_EQ(sample.label.ToVector<int>(), (Labels{ 5, 6, 6, 7, 7 }));
  EXPECT_EQ(rescale->Invert(sample.image, record).ToVector<float>(), (Floats{ 0, 2, 4 }));
  EXPECT_NN_ERROR(rescale->Invert(sample.label, record), "a prediction of int32; should be of float32");
  // The shortest axis gets the extent.
  Sample volume = MakeSample({ 4, 6, 9 });
  EXPECT_EQ(Apply("Rescale", { { "output_size", 2 } }, volume).outputSize, (Shape{ 2, 3, 4 }));
}

TEST(SampleTransform, RandomRescale)
{
  const TransformOptions options{ { "lower_bound", List{ 0.5, 0.5, 1 } },
                                  { "upper_bound", List{ 1.5, 1.5, 1 } },
                                  { "probability", 1 },
                                  { "inverse", true } };
  for (std::int64_t seed = 0; seed < 5; ++seed)
  {
    PythonRandom python(seed);
    python.Random();
    const auto depth = static_cast<std::int64_t>(std::nearbyint(8 * (0.5 + python.Random())));
    const auto height = static_cast<std::int64_t>(std::nearbyint(9 * (0.5 + python.Random())));
    Sample sample = MakeSample({ 8, 9, 10 });
    const auto rescale = SampleTransform::Make("RandomRescale", options);
    TransformRandom random(seed);
    const TransformRecord record = rescale->Apply(sample, random);
    EXPECT_EQ(record.outputSize, (Shape{ depth, height, 10 }));
    // A plane stays one.
    const auto back = rescale->Invert(sample.image, record).ToVector<float>();
    for (std::size_t i = 0; i < back.size(); ++i)
    {
      ASSERT_NEAR(back[i], static_cast<float>(i), 1e-3F);
    }
  }
  Sample cube = MakeSample({ 8, 8, 8 });
  const Shape size =
    Apply("RandomRescale", { { "lower_bound", 0.5 }, { "upper_bound", 3 }, { "probability", 1 } }, cube, 2).outputSize;
  EXPECT_EQ(size, Shape(3, size[0])) << "one scale for all axes";
  EXPECT_NE(size[0], 8);
}

TEST(SampleTransform, ResizeCubic)
{
  // The functions' values are those of golden vectors.
  const Sample whole = []
  {
    Sample sample = MakeSample({ 4, 6, 5 }, 2);
    sample.labelProbability = sample.image.Clone();
    sample.pixelWeight = sample.label.To(DataType::Float32);
    return sample;
  }();
  const std::vector<std::pair<const char *, ResizeBoundary>> boundaries{ { "edge", ResizeBoundary::Edge },
                                                                         { "zeros", ResizeBoundary::Zeros },
                                                                         { "zero_outside",
                                                                           ResizeBoundary::ZeroOutside } };
  for (const auto & [name, boundary] : boundaries)
  {
    Sample sample = whole;
    const auto record =
      Apply("ResizeCubic", { { "output_size", List{ 8, nullptr, 3 } }, { "boundary", name } }, sample);
    const Shape size{ 8, 6, 3 };
    EXPECT_EQ(record.outputSize, size);
    sample.Check();
    EXPECT_EQ(sample.image.ToVector<float>(), ResizeCubic(whole.image, size, boundary).ToVector<float>());
    EXPECT_EQ(sample.label.ToVector<int>(), ResizeNearest(whole.label, size, boundary).ToVector<int>());
    EXPECT_EQ(sample.labelProbability.ToVector<float>(),
              ResizeNearest(whole.labelProbability, size, boundary).ToVector<float>());
    EXPECT_EQ(sample.pixelWeight.ToVector<float>(), sample.label.ToVector<float>());
  }
  // The edge goes on by default. A patch of (2, 6, 2) becomes one of (8, 6, 3).
  Sample larger = whole;
  const auto transform = SampleTransform::Make(
    "ResizeCubic", { { "output_size", List{ 8, nullptr, 3 } }, { "patch_size", List{ 2, nullptr, 2 } } });
  EXPECT_TRUE(transform->InterpolatesInverse());
  TransformRandom random(0);
  const TransformRecord record = transform->Apply(larger, random);
  EXPECT_EQ(record.outputSize, (Shape{ 16, 6, 7 }));
  EXPECT_EQ(larger.image.ToVector<float>(), ResizeCubic(whole.image, { 16, 6, 7 }).ToVector<float>());
  EXPECT_EQ(transform->Invert(larger.image, record).ToVector<float>(),
            ResizeCubic(larger.image, { 4, 6, 5 }).ToVector<float>());
  const Tensor labels = transform->Invert(larger.label, record);
  EXPECT_EQ(labels.GetDataType(), DataType::Int32);
  EXPECT_EQ(labels.ToVector<int>(), whole.label.ToVector<int>());
  // At least one voxel stays.
  Sample smaller = whole;
  EXPECT_EQ(
    Apply("ResizeCubic", { { "output_size", List{ 1, 6, 1 } }, { "patch_size", List{ 9, 6, 2 } } }, smaller).outputSize,
    (Shape{ 1, 6, 2 }));

  const auto fixed = SampleTransform::Make("ResizeCubic", { { "output_size", List{ 2, 2, 2 } }, { "inverse", false } });
  EXPECT_FALSE(fixed->InterpolatesInverse());
  Sample sample = whole;
  EXPECT_NN_ERROR(Apply("ResizeCubic", { { "output_size", List{ 2, 2 } } }, sample),
                  "one for each of the 3 spatial axes");
  EXPECT_NN_ERROR(Apply("ResizeCubic", { { "output_size", List{ 2, 2, 2 } }, { "patch_size", List{ 2, 2 } } }, sample),
                  "the option 'patch_size' has 2 entries");
  EXPECT_NN_ERROR(Apply("ResizeCubic", { { "output_size", List{ 2, 2, 2 } }, { "boundary", "wrap" } }, sample),
                  "'boundary' is \"wrap\"; should be one of edge, zeros, zero_outside");
  EXPECT_NN_ERROR(Apply("ResizeCubic", { { "output_size", List{ 2, 2, 2 } }, { "boundary", 1 } }, sample),
                  "'boundary' is 1; should be one of");
}

TEST(SampleTransform, BoundingBoxes)
{
  Sample whole = MakeSample({ 4, 5, 6 });
  whole.image = Tensor::Zeros({ 2, 4, 5, 6 });
  whole.image.SetElement({ 0, 1, 2, 3 }, 2);
  whole.image.SetElement({ 1, 2, 2, 4 }, 3);
  whole.label = Tensor::Zeros({ 1, 4, 5, 6 }, DataType::Int32);
  whole.label.SetElement({ 0, 1, 2, 3 }, 1);
  whole.label.SetElement({ 0, 3, 4, 0 }, 2);
  const auto box = [&whole](const std::string & name, const TransformOptions & options)
  {
    Sample sample = whole;
    const TransformRecord record = Apply(name, options, sample);
    return std::pair(record.start, record.outputSize);
  };
  using Pair = std::pair<Shape, Shape>;
  const std::string crop = "CropWithBoundingBox";
  EXPECT_EQ(box(crop, {}), Pair({ 1, 2, 3 }, { 2, 1, 2 }));
  EXPECT_EQ(box(crop, { { "threshold", 2 } }), Pair({ 2, 2, 4 }, { 1, 1, 1 }));
  EXPECT_EQ(box(crop, { { "output_size", List{ 2, 3, 6 } } }), Pair({ 1, 2, 0 }, { 2, 3, 6 }));
  EXPECT_EQ(box(crop, { { "start", List{ 0, 1, 5 } } }), Pair({ 0, 1, 5 }, { 2, 1, 1 }));
  EXPECT_EQ(box(crop, { { "start", List{ 0, 1, 2 } }, { "output_size", List{ 4, 4, 4 } } }),
            Pair({ 0, 1, 2 }, { 4, 4, 4 }));
  EXPECT_NN_ERROR(box(crop, { { "threshold", 3 } }), "no intensity above the threshold 3");
  EXPECT_NN_ERROR(box(crop, { { "start", List{ 4, 0, 0 } } }), "outside a sample of [4, 5, 6]");
  EXPECT_NN_ERROR(box(crop, { { "start", List{ 0, 0 } } }), "'start' has 2 entries");
  EXPECT_NN_ERROR(box(crop, { { "output_size", List{ 5, 1, 1 } } }), "should not be larger");

  EXPECT_EQ(box("CropWithForeground", { { "margin", List{ 0, 1, 1 } } }), Pair({ 1, 1, 0 }, { 3, 4, 5 }));
  EXPECT_EQ(box("CropWithForeground", { { "margin", List{ 1, 0, 2 } }, { "labels", List{ 1 } } }),
            Pair({ 0, 2, 1 }, { 3, 1, 5 }));
  EXPECT_EQ(box("CropWithForeground", { { "labels", List{ 7 } } }), Pair({ 0, 0, 0 }, { 4, 5, 6 }));
  EXPECT_EQ(box("CropWithForeground", {}), Pair({ 0, 0, 0 }, { 4, 5, 6 }));
  whole.label = Tensor();
  EXPECT_NN_ERROR(box("CropWithForeground", {}), "CropWithForeground: the sample has no label");
}

TEST(SampleTransform, RandomResizedCrop)
{
  TransformOptions options{
    { "output_size", List{ 4, 4 } }, { "resize_lower_bound", 0.5 }, { "resize_upper_bound", 0.5 }, { "resize_prob", 1 }
  };
  Sample sample = MakeSample({ 6, 6 });
  Apply("RandomResizedCrop", options, sample, 4);
  PythonRandom python(4);
  for (int i = 0; i < 3; ++i)
  {
    python.Random();
  }
  const std::int64_t y = python.Integer(0, 4);
  const std::int64_t x = python.Integer(0, 4);
  const auto pixels = sample.image.ToVector<float>();
  const auto first = static_cast<float>(6 * y + x);
  ExpectFloats({ pixels[0], pixels[1], pixels[2], pixels[3], pixels[4], pixels[15] },
               { first, first + 1.F / 3, first + 2.F / 3, first + 1, first + 2, first + 7 },
               1e-5F);
  EXPECT_EQ(sample.label.GetShape(), (Shape{ 1, 4, 4 }));
  EXPECT_EQ(sample.label.GetElement({ 0, 3, 3 }), static_cast<double>((6 * (y + 1) + x + 1) % 4));

  // Without resizing a crop; of an image that is too small, of its reflection.
  options["resize_prob"] = 0;
  Sample row = MakeRow({ 1, 2 });
  Apply("RandomResizedCrop", options, row);
  EXPECT_EQ(row.image.Select(1, 0).ToVector<float>(), (Floats{ 2, 1, 2, 1 }));

  options["foreground_ratio"] = 1;
  Sample spot = MakeSample({ 9, 9 });
  spot.label = Tensor::Zeros({ 1, 9, 9 }, DataType::Int32);
  spot.label.SetElement({ 0, 5, 4 }, 1);
  Apply("RandomResizedCrop", options, spot);
  EXPECT_EQ(spot.label.GetElement({ 0, 2, 2 }), 1) << "the middle of the crop";
}

TEST(SampleTransform, Labels)
{
  Sample sample = MakeSample({ 2, 3 });
  Sample converted = sample;
  Apply("LabelConvert", { { "source_list", List{ 1, 2 } }, { "target_list", List{ 2, 1 } } }, converted);
  EXPECT_EQ(converted.label.ToVector<int>(), (Labels{ 0, 2, 1, 3, 0, 2 }));
  Sample binary = sample;
  Apply("LabelConvertNonzero", {}, binary);
  EXPECT_EQ(binary.label.ToVector<int>(), (Labels{ 0, 1, 1, 1, 0, 1 }));
  Apply("LabelToProbability", { { "class_num", 2 } }, binary);
  EXPECT_EQ(binary.labelProbability.ToVector<float>(), (Floats{ 1, 0, 0, 0, 1, 0, 0, 1, 1, 1, 0, 1 }));
  EXPECT_EQ(binary.labelProbability.GetShape(), (Shape{ 2, 2, 3 }));
  EXPECT_EQ(binary.label.ToVector<int>(), (Labels{ 0, 1, 1, 1, 0, 1 }));
  EXPECT_FALSE(binary.pixelWeight.IsDefined());

  Sample partial = sample;
  Apply("PartialLabelToProbability", { { "class_num", 3 } }, partial);
  EXPECT_EQ(partial.pixelWeight.ToVector<float>(), (Floats{ 1, 1, 1, 0, 1, 1 }));
  EXPECT_EQ(partial.labelProbability.ToVector<float>(),
            (Floats{ 1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0 }));
  EXPECT_NN_ERROR(Apply("LabelToProbability", { { "class_num", 3 } }, sample),
                  "the label 3 is at pixel 3; labels should be from 0 to 2");
  EXPECT_NN_ERROR(Apply("PartialLabelToProbability", { { "class_num", 2 } }, sample), "from 0 to 2");
  sample.label = Tensor();
  EXPECT_NN_ERROR(Apply("LabelConvertNonzero", {}, sample), "LabelConvertNonzero: the sample has no label");
}

TEST(SampleTransform, VolumeFusionNeedsItsChannels)
{
  Sample sample = MakeSample({ 8, 8, 8 }, 2);
  const TransformOptions crop{ { "output_size", List{ 4, 4, 4 } } };
  EXPECT_NN_ERROR(Apply("Crop4VolumeFusion", crop, sample), "[2, 8, 8, 8]; should be [1, D, H, W]");
  Sample fused = sample;
  Apply("VolumeFusion",
        { { "cls_num", 2 }, { "patchsize_min", List{ 2, 2, 2 } }, { "patchsize_max", List{ 4, 4, 4 } } },
        fused);
  EXPECT_EQ(fused.image.GetShape(), (Shape{ 1, 8, 8, 8 }));
  const auto labels = fused.label.ToVector<int>();
  const auto pixels = fused.image.ToVector<float>();
  for (std::size_t i = 0; i < pixels.size(); ++i)
  {
    ASSERT_EQ(pixels[i], static_cast<float>(labels[i] == 1 ? i : i + 512));
  }
  EXPECT_GT(std::count(labels.begin(), labels.end(), 1), 0);
  EXPECT_NN_ERROR(Apply("VolumeFusion", {}, fused), "should be [2, D, H, W]");
}

TEST(SampleTransform, SamplesThatAreNone)
{
  const auto refuse = [](auto change, const std::string & message)
  {
    Sample sample = MakeSample({ 2, 3 });
    change(sample);
    EXPECT_NN_ERROR(Apply("NormalizeWithMeanStd", {}, sample), message);
  };
  refuse([](Sample & s) { s.image = Tensor(); }, "A sample has no image");
  refuse([](Sample & s) { s.image = Tensor::Zeros({ 2, 3 }); }, "[2, 3]; should be [C, D, H, W] or [C, H, W]");
  refuse([](Sample & s) { s.image = Tensor::Zeros({ 1, 0, 3 }); }, "not empty");
  refuse([](Sample & s) { s.image = s.image.To(DataType::Float64); }, "image of a sample is of float64");
  refuse([](Sample & s) { s.label = s.label.To(DataType::UInt8); },
         "label of a sample is of uint8; should be of int32");
  refuse([](Sample & s) { s.label = Tensor::Zeros({ 2, 2, 3 }, DataType::Int32); },
         "[2, 2, 3]; should have one channel");
  refuse([](Sample & s) { s.labelProbability = Tensor::Zeros({ 2, 3, 2 }); }, "extents of the image, [2, 3]");
  refuse([](Sample & s) { s.pixelWeight = Tensor::Zeros({ 2, 2, 3 }); }, "pixel weight");
}

TEST(SampleTransform, UndoingOnAnyElementType)
{
  Sample sample = MakeRow({ 1, 2, 3 });
  const auto pad = SampleTransform::Make("Pad", { { "output_size", List{ 1, 5 } } });
  const auto flip = SampleTransform::Make("RandomFlip", { { "flip_width", true } });
  TransformRandom random(0); // flips
  const TransformRecord padded = pad->Apply(sample, random);
  const TransformRecord flipped = flip->Apply(sample, random);
  EXPECT_EQ(flipped.flipped, (std::vector<bool>{ false, true }));
  for (const DataType type :
       { DataType::UInt8, DataType::Int16, DataType::Float16, DataType::Int32, DataType::Float64 })
  {
    const Tensor prediction = Tensor::FromVector<float>({ 2, 1, 5 }, { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 }).To(type);
    const Tensor undone = pad->Invert(flip->Invert(prediction, flipped), padded);
    EXPECT_EQ(undone.GetDataType(), type);
    EXPECT_EQ(undone.ToVector<float>(), (Floats{ 3, 2, 1, 8, 7, 6 })) << ToString(type);
  }
}

TEST(SampleTransform, UndoingWhatDoesNotFit)
{
  Sample sample = MakeSample({ 4, 4 });
  const auto crop = SampleTransform::Make("CenterCrop", { { "output_size", List{ 2, 2 } } });
  TransformRandom random(0);
  const TransformRecord record = crop->Apply(sample, random);
  EXPECT_NN_ERROR(crop->Invert(Tensor::Zeros({ 1, 4, 4 }), record), "of shape [1, 4, 4]; should be [C, ...] with");
  EXPECT_NN_ERROR(crop->Invert(Tensor(), record), "undefined tensor");
  TransformRecord other = record;
  other.transform = "Pad";
  EXPECT_NN_ERROR(crop->Invert(sample.image, other), "CenterCrop is to be undone by a record of 'Pad'");
  const auto kept = SampleTransform::Make("CenterCrop", { { "output_size", List{ 2, 2 } }, { "inverse", false } });
  EXPECT_EQ(kept->Invert(sample.image, record).GetShape(), (Shape{ 1, 2, 2 }));
}
