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
#include "itkNNSlidingWindowPredictor.h"

#include "itkNNRegisterBackends.h"
#include "itkNNSafeTensors.h"
#include "itkNNTestDifference.h"
#include "itkNNTestGoldens.h"
#include "itkNNTestHelpers.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

using namespace itk::nn;
using Json = nlohmann::json;

namespace
{
/** One convolution that keeps the extents. */
class ConvolutionNetwork : public Network
{
public:
  ConvolutionNetwork(std::int64_t channels, std::int64_t classes, const Shape & kernel)
    : m_Weights{ classes, channels }
    , m_Classes(classes)
  {
    m_Weights.insert(m_Weights.end(), kernel.begin(), kernel.end());
  }
  std::string GetName() const override
  {
    return "convolution";
  }
  std::string GetConfiguration() const override
  {
    return "{}";
  }
  std::vector<Parameter> GetParameters() const override
  {
    return { { "weight", m_Weights }, { "bias", { m_Classes } } };
  }
  std::vector<std::string> GetInputNames() const override
  {
    return { inputName };
  }
  Graph BuildGraph(const ShapeMap & inputs) const override
  {
    Graph graph;
    Convolution convolution;
    for (std::size_t i = 2; i < m_Weights.size(); ++i)
    {
      convolution.padding.push_back(m_Weights[i] / 2);
    }
    const ValueId x = graph.AddInput(inputName, inputs.at(inputName));
    graph.AddOutput(
      outputName,
      graph.Convolve(
        x, graph.AddParameter("weight", m_Weights), graph.AddParameter("bias", { m_Classes }), convolution));
    return graph;
  }

  std::string inputName = "input";
  std::string outputName = "logits";

private:
  Shape m_Weights;
  std::int64_t m_Classes;
};

std::shared_ptr<NetworkRunner>
MakeRunner(const std::shared_ptr<ConvolutionNetwork> & network)
{
  RegisterBackends();
  auto weights = std::make_shared<StateDict>();
  std::uint32_t seed = 1;
  for (const auto & parameter : network->GetParameters())
  {
    weights->Add(parameter.name, test::RandomTensor(parameter.shape, seed++).To(DataType::Float32));
  }
  return std::make_shared<NetworkRunner>(network, weights);
}

std::shared_ptr<NetworkRunner>
MakeRunner(std::int64_t channels, std::int64_t classes, const Shape & kernel)
{
  return MakeRunner(std::make_shared<ConvolutionNetwork>(channels, classes, kernel));
}

SlidingWindowOptions
MakeOptions(WindowPlacement placement, const Shape & window, const Shape & stride = {})
{
  SlidingWindowOptions options;
  options.windows.placement = placement;
  options.windows.window = window;
  options.windows.stride = stride;
  return options;
}

Tensor
Part(Tensor tensor, const WindowRegion & region)
{
  for (std::size_t i = 0; i < region.size.size(); ++i)
  {
    tensor = tensor.Slice(static_cast<int>(i) + 1, region.start[i], region.start[i] + region.size[i]);
  }
  return tensor;
}

WindowRegion
WholeOf(const Tensor & image)
{
  return { Shape(image.GetShape().size() - 1, 0), Shape(image.GetShape().begin() + 1, image.GetShape().end()) };
}

SlidingWindowPredictor::Source
ReadFrom(const Tensor & image)
{
  return [image](const WindowRegion & region, Tensor & pixels) { pixels.CopyFrom(Part(image, region)); };
}

/** Logits of a region; each pixel should come once. */
Tensor
Predict(const SlidingWindowPredictor & predictor,
        const Tensor & image,
        const WindowRegion & region,
        const RunHooks & hooks = {})
{
  Shape shape{ predictor.GetNumberOfClasses() };
  shape.insert(shape.end(), region.size.begin(), region.size.end());
  Tensor result(shape);
  Tensor counts = Tensor::Zeros(shape);
  predictor.Predict(
    region,
    ReadFrom(image),
    [&](const WindowRegion & part, const Tensor & logits)
    {
      WindowRegion within = part;
      for (std::size_t i = 0; i < within.start.size(); ++i)
      {
        within.start[i] -= region.start[i];
      }
      Part(result, within).CopyFrom(logits);
      Tensor counted = Part(counts, within).Clone();
      for (std::int64_t i = 0; i < counted.GetNumberOfElements(); ++i)
      {
        counted.GetData<float>()[i] += 1;
      }
      Part(counts, within).CopyFrom(counted);
    },
    hooks);
  EXPECT_EQ(counts.ToVector<float>(), Tensor::Full(shape, 1).ToVector<float>());
  return result;
}

Tensor
Predict(const SlidingWindowPredictor & predictor, const Tensor & image)
{
  return Predict(predictor, image, WholeOf(image));
}

/** [C, ...] mirrored along axes of the image. */
Tensor
Mirror(const Tensor & tensor, const std::vector<int> & axes)
{
  Tensor result = tensor.Clone();
  for (const int axis : axes)
  {
    const Tensor source = result.Clone();
    const std::int64_t extent = source.GetShape()[static_cast<std::size_t>(axis) + 1];
    for (std::int64_t i = 0; i < extent; ++i)
    {
      result.Slice(axis + 1, i, i + 1).CopyFrom(source.Slice(axis + 1, extent - 1 - i, extent - i));
    }
  }
  return result;
}

/** Mean of the predictions of the mirrored images, mirrored back. */
std::vector<double>
PredictMirrored(const SlidingWindowPredictor & predictor,
                const Tensor & image,
                const std::vector<std::vector<int>> & combinations)
{
  std::vector<double> mean;
  for (const auto & axes : combinations)
  {
    const auto values = Mirror(Predict(predictor, Mirror(image, axes)), axes).ToVector<double>();
    mean.resize(values.size(), 0);
    for (std::size_t i = 0; i < values.size(); ++i)
    {
      mean[i] += values[i] / static_cast<double>(combinations.size());
    }
  }
  return mean;
}

/** Whatever the shapes are. */
double
MaximumDifference(const Tensor & a, const Tensor & b)
{
  return test::MaximumDifference(a.ToVector<double>(), b.ToVector<double>());
}

Tensor
MakeImage(const Shape & shape)
{
  return test::RandomTensor(shape, 77).To(DataType::Float32);
}

struct GoldenCase
{
  const char * name;
  const char * volume;
  const char * logits;
  std::int64_t step; ///< every which voxel the logits are of
  bool isMultiscale;
  double tolerance;
};

std::ostream &
operator<<(std::ostream & out, const GoldenCase & golden)
{
  return out << golden.name;
}

class SlidingWindowGoldens : public ::testing::TestWithParam<GoldenCase>
{};

TEST_P(SlidingWindowGoldens, LogitsAndLabelsAgree)
{
  const GoldenCase golden = GetParam();
  const std::string file = "misfm/sliding_window";
  ITK_NN_REQUIRE_GOLDEN(file + ".json");
  ITK_NN_REQUIRE_GOLDEN(file + ".safetensors");
  ITK_NN_REQUIRE_GOLDEN(file + ".weights.safetensors");
  const Json json = Json::parse(test::ReadText(test::FindGolden(file + ".json")));
  const StateDict tensors = ReadSafeTensors(test::FindGolden(file + ".safetensors")).tensors;
  Json configuration = json.at("config");
  configuration["multiscale_pred"] = golden.isMultiscale;
  RegisterBackends();
  const auto runner = std::make_shared<NetworkRunner>(
    Network::Create("fmunet", configuration.dump()),
    std::make_shared<StateDict>(ReadSafeTensors(test::FindGolden(file + ".weights.safetensors")).tensors));

  const Tensor image = tensors.Get(golden.volume).Select(0, 0);
  const Json & infer = json.at("cases").at(golden.name).at("infer");
  SlidingWindowOptions options =
    MakeOptions(WindowPlacement::PyMIC, infer.at("sliding_window_size"), infer.at("sliding_window_stride"));
  options.batchSize = infer.at("sliding_window_batch");
  if (infer.value("tta_mode", 0) == 1)
  {
    options.mirrorAxes = { 1, 2 };
  }
  const SlidingWindowPredictor predictor(runner, 1, WholeOf(image).size, options);
  EXPECT_EQ(predictor.GetNumberOfClasses(), 3);
  const Tensor logits = Predict(predictor, image);
  Tensor compared = logits;
  for (int axis = 1; axis <= 3; ++axis)
  {
    compared = compared.Slice(axis, 0, compared.GetShape()[static_cast<std::size_t>(axis)], golden.step);
  }
  EXPECT_LE(MaximumDifference(compared, tensors.Get(golden.logits)), golden.tolerance);

  std::string label = golden.name;
  label += "/label";
  if (tensors.Has(label))
  {
    const auto expected = tensors.Get(label).ToVector<std::int32_t>();
    const auto found = SelectClasses(logits).ToVector<std::int32_t>();
    const auto values = logits.ToVector<float>();
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i)
    {
      const auto ofClass = [&](std::int32_t k) { return values[static_cast<std::size_t>(k) * found.size() + i]; };
      ASSERT_LE(ofClass(found[i]) - ofClass(expected[i]), golden.tolerance) << "voxel " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
  Cases,
  SlidingWindowGoldens,
  ::testing::Values(
    GoldenCase{ "a_48_win32_stride16_batch3", "volume48", "a_48_win32_stride16_batch3/logits0", 1, false, 3e-4 },
    GoldenCase{ "b_40x48x44_win16x32x32_stride8x16x16",
                "volume_40x48x44",
                "b_40x48x44_win16x32x32_stride8x16x16/logits0_every_3rd",
                3,
                false,
                1e-3 },
    GoldenCase{ "c_tta1", "volume_24x40x36", "c_tta1/logits0", 1, false, 1e-4 },
    GoldenCase{ "d_multi_output_batch1", "volume48", "a_48_win32_stride16_batch3/logits0", 1, true, 3e-4 }));

TEST(SlidingWindowPredictor, ReferenceRunOfAnImageThatIsThinnerThanTheWindow)
{
  const std::string file = "misfm/sliding_window";
  ITK_NN_REQUIRE_GOLDEN(file + ".safetensors");
  ITK_NN_REQUIRE_GOLDEN(file + ".weights.safetensors");
  const StateDict tensors = ReadSafeTensors(test::FindGolden(file + ".safetensors")).tensors;
  RegisterBackends();
  const auto runner = std::make_shared<NetworkRunner>(
    Network::Create("fmunet", R"({"in_chns": 1, "class_num": 3, "feature_chns": [2, 4, 4, 6, 6], "depth": 1})"),
    std::make_shared<StateDict>(ReadSafeTensors(test::FindGolden(file + ".weights.safetensors")).tensors));
  // Its volume is the first 16 slices of case b's.
  const Tensor image = tensors.Get("volume_40x48x44").Select(0, 0).Slice(1, 0, 16).Contiguous();
  SlidingWindowOptions options = MakeOptions(WindowPlacement::PyMIC, { 32, 32, 32 }, { 16, 24, 16 });
  options.batchSize = 2;
  const SlidingWindowPredictor predictor(runner, 1, { 16, 48, 44 }, options);
  const Tensor logits = Predict(predictor, image);
  const Tensor compared = logits.Slice(1, 0, 16, 3).Slice(2, 0, 48, 3).Slice(3, 0, 44, 3);
  EXPECT_LE(MaximumDifference(compared, tensors.Get("e_window_larger_than_image_in_d/logits0_every_3rd")), 1e-3);
}

/** The whole inference of u2net_torch: padding, windows, weights and labels. */
class U2NetInference : public ::testing::TestWithParam<const char *>
{};

TEST_P(U2NetInference, LabelsAgree)
{
  RegisterBackends();
  const std::string name = GetParam();
  const std::string folder = "u2net/proc/" + name + '/';
  for (const char * file : { "config.json", "weights.safetensors", "io.safetensors" })
  {
    ITK_NN_REQUIRE_GOLDEN(folder + file);
  }
  const Json golden = Json::parse(test::ReadText(test::FindGolden(folder + "config.json")));
  const Json configuration{ { "mode", golden["mode"] },
                            { "num_pool_per_axis", golden["pools"] },
                            { "base_channels", golden["base"] },
                            { "in_channels", golden["in_channels"] },
                            { "num_classes", golden["num_classes"] } };
  const auto runner = std::make_shared<NetworkRunner>(
    Network::Create("u2net", configuration.dump()),
    std::make_shared<const StateDict>(ReadSafeTensors(test::FindGolden(folder + "weights.safetensors")).tensors));
  const StateDict io = ReadSafeTensors(test::FindGolden(folder + "io.safetensors")).tensors;
  const Tensor image = io.Get("image");
  const Shape extents(image.GetShape().begin() + 1, image.GetShape().end());
  const SlidingWindowOptions options = MakeOptions(WindowPlacement::U2Net, golden["model_patch"].get<Shape>());
  const SlidingWindowPredictor predictor(runner, 1, extents, options);
  const Tensor logits = Predict(predictor, image);
  const auto labels = SelectClasses(logits, 1).ToVector<int>();
  const auto expected = io.Get("label").ToVector<int>();
  ASSERT_EQ(labels.size(), expected.size());
  const auto values = logits.ToVector<double>();
  std::size_t equal = 0;
  for (std::size_t i = 0; i < labels.size(); ++i)
  {
    equal += labels[i] == expected[i] ? 1 : 0;
    double margin = std::numeric_limits<double>::max();
    for (std::int64_t c = 0; c < predictor.GetNumberOfClasses(); ++c)
    {
      const auto at = [&](int which) { return values[static_cast<std::size_t>(which) * labels.size() + i]; };
      margin = c == labels[i] ? margin : std::min(margin, at(labels[i]) - at(static_cast<int>(c)));
    }
    EXPECT_TRUE(labels[i] == expected[i] || margin < 1e-3) << "pixel " << i << ", margin " << margin;
  }
  EXPECT_GE(static_cast<double>(equal), 0.999 * static_cast<double>(labels.size()));
}

INSTANTIATE_TEST_SUITE_P(Goldens,
                         U2NetInference,
                         ::testing::Values("infer_independent", "infer_independent_small_volume"));

/** The probabilities of the reference: of a convolution with a bias for each task. */
TEST(HermesInference, ProbabilitiesAgree)
{
  RegisterBackends();
  const std::string folder = "hermes/sliding_window/";
  ITK_NN_REQUIRE_GOLDEN(folder + "io.safetensors");
  const StateDict weights = ReadSafeTensors(test::FindGolden(folder + "weights.safetensors")).tensors;
  const StateDict io = ReadSafeTensors(test::FindGolden(folder + "io.safetensors")).tensors;
  const Json golden = Json::parse(test::ReadText(test::FindGolden(folder + "config.json")));
  const auto tasks = io.Get("tgt_idx").ToVector<std::int64_t>();
  const auto classes = static_cast<std::int64_t>(tasks.size());
  const auto bias = weights.Get("conv.bias").ToVector<float>();
  const auto ofTask = weights.Get("task").ToVector<float>();
  std::vector<float> sums;
  for (std::size_t i = 0; i < tasks.size(); ++i)
  {
    const auto row = tasks[i] < 0 ? ofTask.size() - 1 : static_cast<std::size_t>(tasks[i]);
    sums.push_back(bias[i] + ofTask[row]);
  }
  const auto network = std::make_shared<StateDict>();
  network->Add("weight", weights.Get("conv.weight").Slice(0, 0, classes).Contiguous());
  network->Add("bias", Tensor::FromVector({ classes }, sums));
  const auto runner =
    std::make_shared<NetworkRunner>(std::make_shared<ConvolutionNetwork>(1, classes, Shape{ 3, 3, 3 }), network);
  for (const std::string name : { "c0", "c1", "c2", "c3", "c4", "whole" })
  {
    const Tensor image = io.Get(name + ".x").Select(0, 0);
    const Shape extents(image.GetShape().begin() + 1, image.GetShape().end());
    SlidingWindowOptions options =
      MakeOptions(WindowPlacement::Hermes, name == "whole" ? extents : golden.at(name).at("window").get<Shape>());
    options.blending = WindowBlending::Constant;
    options.sigmoid = true;
    options.batchSize = 2;
    const SlidingWindowPredictor predictor(runner, 1, extents, options);
    EXPECT_LT(MaximumDifference(Predict(predictor, image), io.Get(name + ".prob")), 1e-6) << name;
  }
}

/** What a plain run gives of one window. */
TEST(SlidingWindowPredictor, OneWindowIsAPlainRun)
{
  const auto runner = MakeRunner(2, 3, { 3, 3 });
  const Tensor image = MakeImage({ 2, 9, 7 });
  const auto expected = runner->Run({ { "input", image.Reshape({ 1, 2, 9, 7 }) } }).at("logits").ToVector<float>();
  for (const auto placement :
       { WindowPlacement::PyMIC, WindowPlacement::MONAI, WindowPlacement::NnUNet, WindowPlacement::U2Net })
  {
    const SlidingWindowPredictor predictor(runner, 2, { 9, 7 }, MakeOptions(placement, { 9, 7 }, { 2, 2 }));
    EXPECT_EQ(Predict(predictor, image).ToVector<float>(), expected);
    EXPECT_EQ(predictor.GetNumberOfRuns(WholeOf(image)), 1);
  }
}

TEST(SlidingWindowPredictor, MeansOfProbabilities)
{
  const auto runner = MakeRunner(1, 2, { 3, 3 });
  const Tensor image = MakeImage({ 1, 9, 6 });
  const auto logits = runner->Run({ { "input", image.Reshape({ 1, 1, 9, 6 }) } }).at("logits").ToVector<float>();
  SlidingWindowOptions options = MakeOptions(WindowPlacement::Hermes, { 9, 6 });
  options.sigmoid = true;
  const auto whole = Predict(SlidingWindowPredictor(runner, 1, { 9, 6 }, options), image);
  const auto probabilities = whole.ToVector<float>();
  for (std::size_t i = 0; i < logits.size(); ++i)
  {
    EXPECT_NEAR(probabilities[i], 1 / (1 + std::exp(-logits[i])), 1e-6);
  }
  // Of mirrored images, too, they are averaged and not their logits.
  options.mirrorAxes = { 1 };
  const auto both = Predict(SlidingWindowPredictor(runner, 1, { 9, 6 }, options), image).ToVector<double>();
  options.mirrorAxes = {};
  const auto expected = PredictMirrored(SlidingWindowPredictor(runner, 1, { 9, 6 }, options), image, { {}, { 1 } });
  EXPECT_LT(test::MaximumDifference(both, expected), 1e-6);
}

TEST(SlidingWindowPredictor, APointwiseNetworkDoesNotSeeTheWindows)
{
  const auto runner = MakeRunner(2, 4, { 1, 1, 1 });
  const Tensor image = MakeImage({ 2, 11, 9, 10 });
  const Tensor expected = runner->Run({ { "input", image.Reshape({ 1, 2, 11, 9, 10 }) } }).at("logits");
  for (const auto placement :
       { WindowPlacement::PyMIC, WindowPlacement::MONAI, WindowPlacement::NnUNet, WindowPlacement::U2Net })
  {
    for (const auto blending : { WindowBlending::Constant, WindowBlending::Gaussian })
    {
      SlidingWindowOptions options = MakeOptions(placement, { 4, 5, 12 }, { 3, 2, 6 });
      options.blending = blending;
      options.batchSize = 3;
      const SlidingWindowPredictor predictor(runner, 2, { 11, 9, 10 }, options);
      EXPECT_LE(MaximumDifference(Predict(predictor, image), expected), 2e-5) << placement << ' ' << blending;
    }
  }
}

TEST(SlidingWindowPredictor, BatchesChangeNothing)
{
  const auto runner = MakeRunner(1, 3, { 3, 3, 3 });
  const Tensor image = MakeImage({ 1, 12, 10, 8 });
  SlidingWindowOptions options = MakeOptions(WindowPlacement::MONAI, { 6, 4, 4 });
  const Tensor single = Predict(SlidingWindowPredictor(runner, 1, { 12, 10, 8 }, options), image);
  for (const std::int64_t batch : { 2, 5, 1000 })
  {
    options.batchSize = batch;
    const SlidingWindowPredictor predictor(runner, 1, { 12, 10, 8 }, options);
    EXPECT_LE(MaximumDifference(Predict(predictor, image), single), 1e-5) << batch;
  }
}

TEST(SlidingWindowPredictor, RegionsAndPartsAreTheWholeBitByBit)
{
  const auto runner = MakeRunner(1, 3, { 3, 3, 3 });
  const Shape extents{ 12, 14, 13 };
  const Tensor image = MakeImage({ 1, 12, 14, 13 });
  for (const auto & mirrorAxes : { std::vector<int>{}, std::vector<int>{ 0, 2 } })
  {
    SlidingWindowOptions options = MakeOptions(WindowPlacement::PyMIC, { 6, 4, 5 }, { 3, 3, 4 });
    options.mirrorAxes = mirrorAxes;
    const SlidingWindowPredictor predictor(runner, 1, extents, options);
    const Tensor whole = Predict(predictor, image);
    EXPECT_EQ(predictor.Split(WholeOf(image)).size(), 1U);
    for (const WindowRegion & region :
         { WindowRegion{ { 4, 5, 6 }, { 3, 2, 4 } }, WindowRegion{ { 11, 0, 0 }, { 1, 14, 13 } } })
    {
      EXPECT_EQ(Predict(predictor, image, region).ToVector<float>(), Part(whole, region).ToVector<float>());
      EXPECT_LT(predictor.GetNumberOfRuns(region), predictor.GetNumberOfRuns(WholeOf(image)));
    }

    options.maximumBytes = 2000;
    const SlidingWindowPredictor small(runner, 1, extents, options);
    const auto parts = small.Split(WholeOf(image));
    EXPECT_EQ(parts.size(), 6U);
    EXPECT_EQ(Predict(small, image).ToVector<float>(), whole.ToVector<float>());
    EXPECT_GT(small.GetNumberOfRuns(WholeOf(image)), predictor.GetNumberOfRuns(WholeOf(image)));
  }
}

TEST(SlidingWindowPredictor, MirrorsTheImageAsPyMIC)
{
  const auto runner = MakeRunner(1, 3, { 3, 3, 3 });
  const Tensor image = MakeImage({ 1, 13, 11, 10 });
  SlidingWindowOptions options = MakeOptions(WindowPlacement::PyMIC, { 6, 4, 5 }, { 4, 3, 4 });
  const SlidingWindowPredictor plain(runner, 1, { 13, 11, 10 }, options);
  options.mirrorAxes = { 2, 0 };
  options.batchSize = 2;
  const SlidingWindowPredictor mirroring(runner, 1, { 13, 11, 10 }, options);
  const auto mean = PredictMirrored(plain, image, { {}, { 0 }, { 2 }, { 0, 2 } });
  const auto found = Predict(mirroring, image).ToVector<double>();
  EXPECT_LE(test::MaximumDifference(found, mean), 1e-5);
  EXPECT_GE(test::MaximumDifference(found, Predict(plain, image).ToVector<double>()), 0.1);
  EXPECT_EQ(mirroring.GetNumberOfRuns(WholeOf(image)), 4 * plain.GetNumberOfRuns(WholeOf(image)));
}

TEST(SlidingWindowPredictor, MirrorsEachWindowAsNnUNet)
{
  const auto runner = MakeRunner(1, 3, { 3, 3, 3 });
  // The windows lie symmetrically, so that it is the same as to mirror the image.
  const Tensor image = MakeImage({ 1, 16, 8, 12 });
  SlidingWindowOptions options = MakeOptions(WindowPlacement::NnUNet, { 8, 8, 6 });
  options.blending = WindowBlending::Constant;
  const SlidingWindowPredictor plain(runner, 1, { 16, 8, 12 }, options);
  options.mirrorAxes = { 0, 1, 2 };
  const SlidingWindowPredictor mirroring(runner, 1, { 16, 8, 12 }, options);
  const auto mean =
    PredictMirrored(plain, image, { {}, { 0 }, { 1 }, { 2 }, { 0, 1 }, { 0, 2 }, { 1, 2 }, { 0, 1, 2 } });
  EXPECT_LE(test::MaximumDifference(Predict(mirroring, image).ToVector<double>(), mean), 1e-5);
  EXPECT_EQ(mirroring.GetNumberOfRuns(WholeOf(image)), 8 * plain.GetNumberOfRuns(WholeOf(image)));
}

TEST(SlidingWindowPredictor, SmallImagesArePadded)
{
  const auto runner = MakeRunner(1, 2, { 3, 3 });
  const Tensor image = MakeImage({ 1, 5, 6 });
  SlidingWindowOptions options = MakeOptions(WindowPlacement::PyMIC, { 8, 6 }, { 4, 3 });
  options.windows.padToWindow = true;
  options.paddingValue = -2;
  Tensor padded = Tensor::Full({ 1, 1, 8, 6 }, -2);
  padded.Select(0, 0).Slice(1, 1, 6).CopyFrom(image);
  const Tensor expected = runner->Run({ { "input", padded } }).at("logits").Select(0, 0).Slice(1, 1, 6);
  EXPECT_EQ(Predict(SlidingWindowPredictor(runner, 1, { 5, 6 }, options), image).ToVector<float>(),
            expected.ToVector<float>());
  // Without padding the network is given the image as it is.
  options.windows.padToWindow = false;
  const Tensor whole = runner->Run({ { "input", image.Reshape({ 1, 1, 5, 6 }) } }).at("logits");
  EXPECT_EQ(Predict(SlidingWindowPredictor(runner, 1, { 5, 6 }, options), image).ToVector<float>(),
            whole.ToVector<float>());
}

TEST(SlidingWindowPredictor, ReadsTheSourceRegionOnly)
{
  const auto runner = MakeRunner(1, 2, { 1, 1, 1 });
  const Tensor image = MakeImage({ 1, 20, 9, 10 });
  for (const auto placement : { WindowPlacement::PyMIC, WindowPlacement::MONAI })
  {
    SlidingWindowOptions options = MakeOptions(placement, { 5, 12, 4 }, { 3, 12, 4 });
    options.mirrorAxes = { 0 };
    const SlidingWindowPredictor predictor(runner, 1, { 20, 9, 10 }, options);
    const WindowRegion region{ { 9, 2, 4 }, { 2, 3, 1 } };
    Shape begin{ 20, 9, 10 };
    Shape end{ 0, 0, 0 };
    std::int64_t reads = 0;
    const std::int64_t runs = predictor.Predict(
      region,
      [&](const WindowRegion & read, Tensor & pixels)
      {
        for (std::size_t i = 0; i < 3; ++i)
        {
          begin[i] = std::min(begin[i], read.start[i]);
          end[i] = std::max(end[i], read.start[i] + read.size[i]);
        }
        ++reads;
        pixels.CopyFrom(Part(image, read));
      },
      [](const WindowRegion &, const Tensor &) {});
    const WindowRegion expected = SlidingWindowPredictor::GetSourceRegion({ 20, 9, 10 }, options, region);
    EXPECT_EQ(begin, expected.start);
    EXPECT_EQ(end,
              (Shape{ expected.start[0] + expected.size[0],
                      expected.start[1] + expected.size[1],
                      expected.start[2] + expected.size[2] }));
    EXPECT_LT(expected.size[0], 20);
    // A window that is mirrored by itself is read once for its two runs.
    EXPECT_EQ(runs, placement == WindowPlacement::PyMIC ? reads : 2 * reads);
    EXPECT_EQ(predictor.GetNumberOfRuns(region), runs);
  }
}

TEST(SlidingWindowPredictor, ProgressGrowsToOne)
{
  const auto runner = MakeRunner(1, 2, { 3, 3 });
  const Tensor image = MakeImage({ 1, 20, 9 });
  for (const auto placement : { WindowPlacement::PyMIC, WindowPlacement::NnUNet })
  {
    SlidingWindowOptions options = MakeOptions(placement, { 5, 4 }, { 3, 3 });
    options.mirrorAxes = { 1 };
    options.batchSize = 4;
    const SlidingWindowPredictor predictor(runner, 1, { 20, 9 }, options);
    std::vector<double> progress;
    RunHooks hooks;
    hooks.progress = [&progress](double part) { progress.push_back(part); };
    Predict(predictor, image, WholeOf(image), hooks);
    EXPECT_TRUE(std::is_sorted(progress.begin(), progress.end()));
    ASSERT_GE(progress.size(), 5U);
    EXPECT_GT(progress.front(), 0);
    EXPECT_LT(progress.front(), 0.5);
    EXPECT_DOUBLE_EQ(progress.back(), 1);
  }
}

TEST(SlidingWindowPredictor, IsCancelledBetweenWindows)
{
  const auto runner = MakeRunner(1, 2, { 3, 3 });
  const Tensor image = MakeImage({ 1, 20, 9 });
  const SlidingWindowPredictor predictor(runner, 1, { 20, 9 }, MakeOptions(WindowPlacement::MONAI, { 5, 9 }));
  std::int64_t reads = 0;
  RunHooks hooks;
  hooks.isCancelled = [&reads] { return reads == 3; };
  EXPECT_THROW(predictor.Predict(
                 [&](const WindowRegion & region, Tensor & pixels)
                 {
                   ++reads;
                   pixels.CopyFrom(Part(image, region));
                 },
                 [](const WindowRegion &, const Tensor &) {},
                 hooks),
               Cancelled);
  EXPECT_EQ(reads, 3);
}

TEST(SlidingWindowPredictor, BadArgumentsAreErrors)
{
  const auto runner = MakeRunner(1, 2, { 3, 3 });
  const SlidingWindowOptions options = MakeOptions(WindowPlacement::MONAI, { 4, 4 });
  const auto make = [&](const SlidingWindowOptions & changed, std::int64_t channels = 1)
  { return SlidingWindowPredictor(runner, channels, { 8, 8 }, changed).GetNumberOfClasses(); };
  EXPECT_EQ(make(options), 2);
  EXPECT_NN_ERROR(SlidingWindowPredictor(nullptr, 1, { 8, 8 }, options), "the network runner is null");
  EXPECT_NN_ERROR(make(options, 0), "the image has 0 channels");
  EXPECT_NN_ERROR(make(options, 2), "channels");
  SlidingWindowOptions changed = options;
  changed.batchSize = 0;
  EXPECT_NN_ERROR(make(changed), "the batch has 0 windows");
  changed = options;
  changed.paddingValue = std::numeric_limits<double>::infinity();
  EXPECT_NN_ERROR(make(changed), "the padding value is inf; should be finite");
  changed = options;
  changed.mirrorAxes = { 2 };
  EXPECT_NN_ERROR(make(changed), "the axis to mirror is 2");
  changed = options;
  changed.windows.window = { 4 };
  EXPECT_NN_ERROR(make(changed), "the window is [4]; should have the 2 axes");

  auto network = std::make_shared<ConvolutionNetwork>(1, 2, Shape{ 3, 3 });
  network->inputName = "image";
  EXPECT_NN_ERROR(SlidingWindowPredictor(MakeRunner(network), 1, { 8, 8 }, options),
                  "the network convolution has 1 input, 'image'; should have one, 'input'");
  network = std::make_shared<ConvolutionNetwork>(1, 2, Shape{ 3, 3 });
  network->outputName = "output0";
  EXPECT_NN_ERROR(SlidingWindowPredictor(MakeRunner(network), 1, { 8, 8 }, options), "has no output 'logits'");
  // An even kernel makes logits of other extents.
  EXPECT_NN_ERROR(SlidingWindowPredictor(MakeRunner(1, 2, { 2, 2 }), 1, { 8, 8 }, options),
                  "makes logits [1, 2, 5, 5] of windows [1, 1, 4, 4]");

  const SlidingWindowPredictor predictor(runner, 1, { 8, 8 }, options);
  EXPECT_NN_ERROR(predictor.Predict(nullptr, [](const WindowRegion &, const Tensor &) {}), "the source or the sink");
  EXPECT_NN_ERROR(predictor.GetNumberOfRuns({ { 0, 0 }, { 9, 1 } }), "should have pixels, all of them within");
  EXPECT_NN_ERROR(Predict(predictor, MakeImage({ 1, 8, 8 }), { { 8, 0 }, { 1, 1 } }), "should have pixels");
}

TEST(SlidingWindowPredictor, ClassesAndProbabilities)
{
  const float infinity = std::numeric_limits<float>::infinity();
  const Tensor logits =
    Tensor::FromVector({ 3, 2, 2 }, std::vector<float>{ 1, -1, 0, 500, 3, -1, 0, -500, 2, -2, 0, -infinity });
  EXPECT_EQ(SelectClasses(logits).GetShape(), (Shape{ 2, 2 }));
  EXPECT_EQ(SelectClasses(logits, 3).ToVector<std::int32_t>(), (std::vector<std::int32_t>{ 1, 0, 0, 0 }));
  std::vector<double> sums(4, 0);
  for (std::int64_t k = 0; k < 3; ++k)
  {
    const auto probabilities = ComputeProbability(logits, k).ToVector<double>();
    for (std::size_t i = 0; i < 4; ++i)
    {
      sums[i] += probabilities[i];
      const double expected = k == 0 ? std::exp(1.0) / (std::exp(1.0) + std::exp(2.0) + std::exp(3.0)) : 0;
      EXPECT_TRUE(i != 0 || k != 0 || std::abs(probabilities[0] - expected) < 1e-7);
    }
    EXPECT_NEAR(probabilities[3], k == 0 ? 1 : 0, 1e-30);
  }
  for (const double sum : sums)
  {
    EXPECT_NEAR(sum, 1, 1e-6);
  }
  EXPECT_NN_ERROR(ComputeProbability(logits, 3), "the class of the probability is 3; should be within [0, 3)");
  EXPECT_NN_ERROR(SelectClasses(Tensor()), "should be contiguous float32 values");
  EXPECT_NN_ERROR(SelectClasses(Tensor::Zeros({ 2, 2 }, DataType::Float64)), "should be contiguous float32");
}
} // namespace
