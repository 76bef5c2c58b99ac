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
#include "itkNNAugmentation.h"

#include "itkNNSafeTensors.h"
#include "itkNNTestGoldens.h"

#include <algorithm>
#include <cmath>
#include <functional>

using namespace itk::nn;

namespace
{
const char * const goldens = "universeg/l_augment_ops/io.safetensors";

Tensor
MakeRamp(std::int64_t height, std::int64_t width)
{
  Tensor plane({ height, width });
  for (std::int64_t i = 0; i < height * width; ++i)
  {
    plane.GetData<float>()[i] = static_cast<float>((i * 37) % 101) / 100;
  }
  return plane;
}

Tensor
MakeSquare(std::int64_t extent)
{
  Tensor plane = Tensor::Zeros({ extent, extent });
  for (std::int64_t y = extent / 4; y < extent / 2; ++y)
  {
    for (std::int64_t x = extent / 4; x < extent * 3 / 4; ++x)
    {
      plane.SetElement({ y, x }, 1);
    }
  }
  return plane;
}

std::vector<TrainingExample>
MakeExamples(std::size_t count, std::int64_t extent)
{
  return std::vector<TrainingExample>(count, { MakeRamp(extent, extent), MakeSquare(extent) });
}

double
GreatestDifference(const Tensor & a, const Tensor & b)
{
  const auto first = a.ToVector<double>();
  const auto second = b.ToVector<double>();
  EXPECT_EQ(a.GetShape(), b.GetShape());
  double greatest = 0;
  for (std::size_t i = 0; i < first.size(); ++i)
  {
    greatest = std::max(greatest, std::abs(first[i] - second[i]));
  }
  return greatest;
}

/** One plane of a golden of shape [batch, 1, height, width]. */
Tensor
GetPlane(const StateDict & io, const std::string & name, std::int64_t entry)
{
  return io.Get(name).Select(0, entry).Select(0, 0);
}

void
ExpectGolden(const StateDict & io,
             const std::string & expected,
             const std::string & input,
             const std::function<Tensor(const Tensor &)> & operation)
{
  for (std::int64_t entry = 0; entry < 2; ++entry)
  {
    EXPECT_LE(GreatestDifference(operation(GetPlane(io, input, entry)), GetPlane(io, expected, entry)), 2e-5)
      << expected;
  }
}

std::string
MessageOf(const std::function<void()> & function)
{
  try
  {
    function();
  }
  catch (const Error & error)
  {
    return error.GetDescription();
  }
  return "";
}

void
ExpectRefused(const std::function<void(AugmentationOptions &)> & change, const std::string & text)
{
  AugmentationOptions options;
  change(options);
  const std::string message = MessageOf([&options] { const Augmentation augmentation(options); });
  EXPECT_NE(message.find(text), std::string::npos) << message;
}

/** Only what the probability says, always. */
AugmentationOptions
Only(double AugmentationOptions::* probability, AugmentationOptions::Scope scope)
{
  AugmentationOptions options;
  options.scope = scope;
  options.*probability = 1;
  return options;
}
} // namespace

TEST(AugmentationGolden, Intensities)
{
  ITK_NN_REQUIRE_GOLDEN(goldens);
  const StateDict io = ReadSafeTensors(test::FindGolden(goldens)).tensors;
  ExpectGolden(io, "brightness_-0.07", "image", [](const Tensor & x) { return AdjustBrightness(x, -0.07); });
  ExpectGolden(io, "contrast_1.35", "image", [](const Tensor & x) { return AdjustContrast(x, 1.35); });
  ExpectGolden(io,
               "bright0.08_then_contrast0.6",
               "image",
               [](const Tensor & x) { return AdjustContrast(AdjustBrightness(x, 0.08), 0.6); });
  ExpectGolden(io,
               "contrast1.4_then_bright0.1",
               "image",
               [](const Tensor & x) { return AdjustBrightness(AdjustContrast(x, 1.4), 0.1); });
  ExpectGolden(io, "sharpness_0.0", "image", [](const Tensor & x) { return AdjustSharpness(x, 0); });
  ExpectGolden(io, "sharpness_0.5", "image", [](const Tensor & x) { return AdjustSharpness(x, 0.5); });
  ExpectGolden(io, "sharpness_3.2", "image", [](const Tensor & x) { return AdjustSharpness(x, 3.2); });
  ExpectGolden(io, "blur_k5_sy0.1_sx1.1", "image", [](const Tensor & x) { return BlurGaussian(x, 0.1, 1.1); });
}

TEST(AugmentationGolden, LabelEdges)
{
  ITK_NN_REQUIRE_GOLDEN(goldens);
  const StateDict io = ReadSafeTensors(test::FindGolden(goldens)).tensors;
  const auto edges = DetectEdges({ GetPlane(io, "label", 0), GetPlane(io, "label", 1) });
  for (std::int64_t entry = 0; entry < 2; ++entry)
  {
    EXPECT_LE(GreatestDifference(edges[static_cast<std::size_t>(entry)], GetPlane(io, "sobel_label", entry)), 2e-5);
  }
}

TEST(AugmentationGolden, ElasticWarp)
{
  ITK_NN_REQUIRE_GOLDEN(goldens);
  const StateDict io = ReadSafeTensors(test::FindGolden(goldens)).tensors;
  for (std::int64_t entry = 0; entry < 2; ++entry)
  {
    const Tensor displacement = SmoothDisplacement(io.Get("elastic_noise").Select(0, entry), 1.7, 7.3);
    const Tensor expected = io.Get("elastic_displacement").Select(0, entry).Permute({ 2, 0, 1 });
    EXPECT_LE(GreatestDifference(displacement, expected), 2e-5);
    const Tensor image = GetPlane(io, "image", entry);
    EXPECT_LE(GreatestDifference(WarpElastic(image, displacement), GetPlane(io, "elastic_image_k63_s7.3_a1.7", entry)),
              2e-5);
    EXPECT_LE(GreatestDifference(WarpElastic(GetPlane(io, "label", entry), displacement),
                                 GetPlane(io, "elastic_label_k63_s7.3_a1.7", entry)),
              2e-5);
    EXPECT_LE(GreatestDifference(WarpElastic(image, displacement, true), GetPlane(io, "elastic_image_oldgrid", entry)),
              2e-5);
  }
}

TEST(AugmentationGolden, AffineTransform)
{
  ITK_NN_REQUIRE_GOLDEN(goldens);
  const StateDict io = ReadSafeTensors(test::FindGolden(goldens)).tensors;
  for (std::int64_t entry = 0; entry < 2; ++entry)
  {
    const Tensor image = GetPlane(io, "image", entry);
    const AffineMatrix matrix = MakeAffineMatrix(image.GetShape()[0],
                                                 image.GetShape()[1],
                                                 io.Get("affine_angle").GetElement({ entry }),
                                                 io.Get("affine_scale").GetElement({ entry, 0 }),
                                                 io.Get("affine_translations").GetElement({ entry, 0 }),
                                                 io.Get("affine_translations").GetElement({ entry, 1 }));
    for (std::int64_t i = 0; i < 6; ++i)
    {
      EXPECT_NEAR(
        matrix[static_cast<std::size_t>(i)], io.Get("affine_matrix").GetElement({ entry, i / 3, i % 3 }), 2e-5);
    }
    EXPECT_LE(GreatestDifference(TransformAffine(image, matrix), GetPlane(io, "affine_image", entry)), 2e-5);
    EXPECT_LE(
      GreatestDifference(TransformAffine(GetPlane(io, "label", entry), matrix), GetPlane(io, "affine_label", entry)),
      2e-5);
  }
}

TEST(AugmentationOperations, FlipsAndInversion)
{
  const Tensor plane = Tensor::FromVector<float>({ 2, 3 }, { 0, 0.25F, 0.5F, 0.75F, 1, 0.5F });
  EXPECT_EQ(FlipHorizontally(plane).ToVector<float>(), (std::vector<float>{ 0.5F, 0.25F, 0, 0.5F, 1, 0.75F }));
  EXPECT_EQ(FlipVertically(plane).ToVector<float>(), (std::vector<float>{ 0.75F, 1, 0.5F, 0, 0.25F, 0.5F }));
  EXPECT_EQ(Invert(plane).ToVector<float>(), (std::vector<float>{ 1, 0.75F, 0.5F, 0.25F, 0, 0.5F }));
  const Tensor odd = MakeRamp(5, 4);
  EXPECT_EQ(FlipVertically(FlipVertically(odd)).ToVector<float>(), odd.ToVector<float>());
  // A view is read as it is seen.
  EXPECT_EQ(FlipVertically(plane.Permute({ 1, 0 })).ToVector<float>(),
            (std::vector<float>{ 0.5F, 0.5F, 0.25F, 1, 0, 0.75F }));
}

TEST(AugmentationOperations, NoiseIsNormalAndNotClipped)
{
  RandomStream random(3);
  const Tensor noisy = AddNoise(Tensor::Zeros({ 100, 100 }), 0.1, 0.5, random);
  double sum = 0;
  double squares = 0;
  for (const double value : noisy.ToVector<double>())
  {
    sum += value;
    squares += (value - 0.1) * (value - 0.1);
  }
  EXPECT_NEAR(sum / 1e4, 0.1, 0.02);
  EXPECT_NEAR(std::sqrt(squares / 1e4), 0.5, 0.02);
  const auto values = noisy.ToVector<float>();
  EXPECT_LT(*std::min_element(values.begin(), values.end()), 0);
}

TEST(AugmentationOperations, NothingMovesWithoutDisplacement)
{
  const Tensor plane = MakeRamp(9, 6);
  EXPECT_EQ(GreatestDifference(WarpElastic(plane, Tensor::Zeros({ 2, 9, 6 })), plane), 0);
  EXPECT_LE(GreatestDifference(TransformAffine(plane, MakeAffineMatrix(9, 6, 360, 1, 0, 0)), plane), 1e-6);
  EXPECT_GT(GreatestDifference(WarpElastic(plane, Tensor::Zeros({ 2, 9, 6 }), true), plane), 0.1);
  const Tensor shifted = TransformAffine(plane, MakeAffineMatrix(9, 6, 0, 1, 2, -1));
  EXPECT_NEAR(shifted.GetElement({ 3, 4 }), plane.GetElement({ 4, 2 }), 1e-6);
  EXPECT_EQ(shifted.GetElement({ 8, 4 }), 0);
}

TEST(AugmentationOperations, BadInputsAreRefused)
{
  const Tensor plane = MakeRamp(4, 5);
  RandomStream random(0);
  EXPECT_NE(MessageOf([] { Invert(Tensor()); }).find("undefined"), std::string::npos);
  EXPECT_NE(MessageOf([] { Invert(Tensor::Zeros({ 1, 4, 4 })); }).find("[height, width]"), std::string::npos);
  EXPECT_THROW(AdjustBrightness(Tensor::Zeros({ 4, 4 }, DataType::Float64), 0), Error);
  EXPECT_THROW(AdjustContrast(plane, -0.1), Error);
  EXPECT_THROW(AdjustSharpness(plane, -1), Error);
  EXPECT_THROW(BlurGaussian(plane, 0, 1), Error);
  EXPECT_THROW(BlurGaussian(plane, 1, -1), Error);
  EXPECT_THROW(BlurGaussian(plane, 1, 1, 4), Error);
  EXPECT_THROW(AddNoise(plane, 0, -1, random), Error);
  EXPECT_THROW(MakeAffineMatrix(4, 5, 0, 0, 0, 0), Error);
  EXPECT_THROW(TransformAffine(plane, { { 1, 1, 0, 1, 1, 0 } }), Error);
  EXPECT_THROW(SmoothDisplacement(plane, 1, 7), Error);
  EXPECT_THROW(SmoothDisplacement(Tensor::Zeros({ 2, 4, 5 }), 1, 0), Error);
  EXPECT_THROW(WarpElastic(plane, Tensor::Zeros({ 2, 5, 4 })), Error);
  EXPECT_THROW(DetectEdges({ plane, Tensor() }), Error);
  EXPECT_TRUE(DetectEdges({}).empty());
  // Smaller than the kernel.
  EXPECT_EQ(BlurGaussian(Tensor::Full({ 1, 2 }, 0.5), 1, 1).ToVector<float>(), (std::vector<float>{ 0.5F, 0.5F }));
}

TEST(AugmentationOptions, HoldTheTable)
{
  const AugmentationOptions task = AugmentationOptions::Task();
  EXPECT_EQ(task.scope, AugmentationOptions::Scope::Task);
  EXPECT_EQ(task.affineProbability, 0.5);
  EXPECT_EQ(task.elasticProbability, 0.25);
  EXPECT_EQ(task.elasticAlpha.high, 2);
  EXPECT_EQ(task.elasticSigma.low, 6);
  EXPECT_EQ(task.contrast.low, 0.8);
  EXPECT_EQ(task.contrast.high, 1.2);
  EXPECT_EQ(task.labelEdgesProbability, 0.5);
  EXPECT_FALSE(task.blurSigmaIsPair);
  EXPECT_FALSE(task.cornerAlignedGrid);
  const AugmentationOptions inTask = AugmentationOptions::InTask();
  EXPECT_EQ(inTask.scope, AugmentationOptions::Scope::InTask);
  EXPECT_EQ(inTask.affineProbability, 0.5);
  EXPECT_EQ(inTask.elasticProbability, 0.8);
  EXPECT_EQ(inTask.elasticAlpha.high, 2.5);
  EXPECT_EQ(inTask.elasticSigma.low, 7);
  EXPECT_EQ(inTask.contrast.low, 0.5);
  EXPECT_EQ(inTask.blurProbability, 0.25);
  EXPECT_EQ(inTask.labelEdgesProbability, 0);
  EXPECT_EQ(inTask.labelFlipProbability, 0);
  EXPECT_EQ(Augmentation(inTask).GetOptions().elasticProbability, 0.8);
}

TEST(AugmentationOptions, BadOnesAreRefused)
{
  ExpectRefused([](auto & o) { o.affineProbability = 1.5; }, "affine transform is 1.5; it should be within [0, 1]");
  ExpectRefused([](auto & o) { o.noiseProbability = -0.5; }, "noise is -0.5");
  ExpectRefused([](auto & o) { o.blurProbability = std::nan(""); }, "blur");
  ExpectRefused([](auto & o) { o.scale = { 1.1, 0.8 }; }, "range of scale is [1.1, 0.8]");
  ExpectRefused([](auto & o) { o.scale = { 0, 1 }; }, "scale");
  ExpectRefused([](auto & o) { o.rotation.high = std::nan(""); }, "rotation");
  ExpectRefused([](auto & o) { o.maximumTranslationY = 2; }, "translation along y is 2");
  ExpectRefused([](auto & o) { o.brightness.low = -2; }, "brightness");
  ExpectRefused([](auto & o) { o.contrast.low = -1; }, "contrast");
  ExpectRefused([](auto & o) { o.elasticSigma.low = 0; }, "sigma");
  ExpectRefused([](auto & o) { o.blurSigma.low = 0; }, "blur's sigma");
  ExpectRefused([](auto & o) { o.blurKernelSize = 4; }, "kernel size of the blur is 4; it should be odd");
  ExpectRefused([](auto & o) { o.noiseStandardDeviation.low = -1; }, "standard deviation");
  ExpectRefused([](auto & o) { o.sharpness.low = -1; }, "sharpness");
}

TEST(Augmentation, TaskScopeDoesTheSameToAll)
{
  AugmentationOptions options = AugmentationOptions::Task();
  options.noiseProbability = 0;
  const Augmentation augmentation(options);
  for (std::uint64_t seed = 0; seed < 20; ++seed)
  {
    RandomStream random(seed);
    auto examples = MakeExamples(3, 32);
    augmentation.Apply(random, examples);
    EXPECT_EQ(GreatestDifference(examples[0].image, examples[2].image), 0);
    EXPECT_EQ(GreatestDifference(examples[0].label, examples[2].label), 0);
  }
}

TEST(Augmentation, InTaskScopeDrawsForEach)
{
  const Augmentation augmentation(AugmentationOptions::InTask());
  RandomStream random(1);
  auto examples = MakeExamples(4, 32);
  augmentation.Apply(random, examples);
  for (std::size_t i = 1; i < examples.size(); ++i)
  {
    EXPECT_GT(GreatestDifference(examples[0].image, examples[i].image), 0);
  }
  // What an example becomes does not depend on those after it.
  RandomStream again(1);
  auto fewer = MakeExamples(2, 32);
  augmentation.Apply(again, fewer);
  EXPECT_EQ(GreatestDifference(fewer[1].image, examples[1].image), 0);
  EXPECT_EQ(GreatestDifference(fewer[1].label, examples[1].label), 0);
}

TEST(Augmentation, GeometryIsThatOfImageAndLabel)
{
  AugmentationOptions options = Only(&AugmentationOptions::affineProbability, AugmentationOptions::Scope::InTask);
  options.elasticProbability = 1;
  options.horizontalFlipProbability = 0.5;
  options.verticalFlipProbability = 0.5;
  const Augmentation augmentation(options);
  RandomStream random(4);
  std::vector<TrainingExample> examples(3, { MakeSquare(32), MakeSquare(32) });
  augmentation.Apply(random, examples);
  for (const auto & example : examples)
  {
    EXPECT_EQ(GreatestDifference(example.image, example.label), 0);
    EXPECT_GT(GreatestDifference(example.image, MakeSquare(32)), 0);
  }
}

TEST(Augmentation, LeavesWhatItShould)
{
  auto examples = MakeExamples(2, 16);
  const auto before = examples;
  RandomStream random(2);
  Augmentation(AugmentationOptions()).Apply(random, examples);
  EXPECT_EQ(GreatestDifference(examples[1].image, before[1].image), 0);

  // Intensity operations leave the label, label operations the image, and all the caller's tensors.
  const auto task = AugmentationOptions::Scope::Task;
  Augmentation(Only(&AugmentationOptions::noiseProbability, task)).Apply(random, examples);
  Augmentation(Only(&AugmentationOptions::intensityFlipProbability, task)).Apply(random, examples);
  EXPECT_EQ(GreatestDifference(examples[0].label, before[0].label), 0);
  EXPECT_GT(GreatestDifference(examples[0].image, before[0].image), 0);
  EXPECT_EQ(GreatestDifference(before[0].image, MakeRamp(16, 16)), 0);
  const Tensor image = examples[0].image;
  Augmentation(Only(&AugmentationOptions::labelFlipProbability, task)).Apply(random, examples);
  EXPECT_EQ(GreatestDifference(examples[0].label, Invert(before[0].label)), 0);
  Augmentation(Only(&AugmentationOptions::labelEdgesProbability, task)).Apply(random, examples);
  EXPECT_EQ(GreatestDifference(examples[0].label, DetectEdges({ before[0].label })[0]), 0);
  EXPECT_EQ(GreatestDifference(examples[0].image, image), 0);
}

TEST(Augmentation, OptionsOfTheReference)
{
  AugmentationOptions blur = Only(&AugmentationOptions::blurProbability, AugmentationOptions::Scope::Task);
  blur.blurSigmaIsPair = true;
  auto examples = MakeExamples(1, 16);
  RandomStream random(2);
  Augmentation(blur).Apply(random, examples);
  EXPECT_EQ(GreatestDifference(examples[0].image, BlurGaussian(MakeRamp(16, 16), 0.1, 1.1)), 0);

  AugmentationOptions shared =
    Only(&AugmentationOptions::brightnessContrastProbability, AugmentationOptions::Scope::InTask);
  shared.sharedParameters = true;
  examples = MakeExamples(2, 16);
  Augmentation(shared).Apply(random, examples);
  EXPECT_EQ(GreatestDifference(examples[0].image, examples[1].image), 0);
  shared.sharedParameters = false;
  examples = MakeExamples(2, 16);
  Augmentation(shared).Apply(random, examples);
  EXPECT_GT(GreatestDifference(examples[0].image, examples[1].image), 0);
}

TEST(Augmentation, IsTheSameForASeed)
{
  const Augmentation task(AugmentationOptions::Task());
  const Augmentation inTask(AugmentationOptions::InTask());
  std::vector<TrainingExample> first;
  for (int repeat = 0; repeat < 2; ++repeat)
  {
    RandomStream random(9);
    auto examples = MakeExamples(3, 24);
    inTask.Apply(random, examples);
    task.Apply(random, examples);
    if (repeat == 1)
    {
      EXPECT_EQ(GreatestDifference(examples[2].image, first[2].image), 0);
    }
    first = examples;
  }
}

TEST(Augmentation, BadExamplesAreRefused)
{
  const Augmentation task(AugmentationOptions::Task());
  const Augmentation inTask(AugmentationOptions::InTask());
  RandomStream random(0);
  std::vector<TrainingExample> none;
  task.Apply(random, none);
  EXPECT_TRUE(none.empty());
  auto examples = MakeExamples(2, 16);
  examples[1].label = MakeSquare(8);
  EXPECT_NE(MessageOf([&] { inTask.Apply(random, examples); }).find("label of example 1 has shape [8, 8]"),
            std::string::npos);
  examples[1].image = MakeRamp(8, 8);
  EXPECT_NE(MessageOf([&] { task.Apply(random, examples); }).find("Example 1 has shape [8, 8]"), std::string::npos);
  inTask.Apply(random, examples);
  examples[0].image = Tensor();
  EXPECT_NE(MessageOf([&] { inTask.Apply(random, examples); }).find("image of example 0 is undefined"),
            std::string::npos);
}
