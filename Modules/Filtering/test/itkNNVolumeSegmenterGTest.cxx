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
#include "itkNNVolumeSegmenter.h"

#include "itkNNRegisterBackends.h"
#include "itkNNTestHelpers.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
using Json = nlohmann::json;

/** A convolution that keeps the extents, of two classes. */
class ConvolutionNetwork : public Network
{
public:
  explicit ConvolutionNetwork(const Shape & kernel)
    : m_Weights{ classes, 1 }
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
    return { { "weight", m_Weights }, { "bias", { classes } } };
  }
  std::vector<std::string> GetInputNames() const override
  {
    return { "input" };
  }
  Graph BuildGraph(const ShapeMap & inputs) const override
  {
    Graph graph;
    Convolution convolution;
    for (std::size_t i = 2; i < m_Weights.size(); ++i)
    {
      convolution.padding.push_back(m_Weights[i] / 2);
    }
    const ValueId x = graph.AddInput("input", inputs.at("input"));
    graph.AddOutput(
      "logits",
      graph.Convolve(x, graph.AddParameter("weight", m_Weights), graph.AddParameter("bias", { classes }), convolution));
    return graph;
  }

private:
  static constexpr std::int64_t classes = 2;
  Shape m_Weights;
};

std::shared_ptr<NetworkRunner>
MakeRunner(const Shape & kernel)
{
  RegisterBackends();
  const auto network = std::make_shared<ConvolutionNetwork>(kernel);
  auto weights = std::make_shared<StateDict>();
  std::uint32_t seed = 1;
  for (const auto & parameter : network->GetParameters())
  {
    weights->Add(parameter.name, RandomTensor(parameter.shape, seed++).To(DataType::Float32));
  }
  return std::make_shared<NetworkRunner>(network, weights);
}

/** Of a network whose weights are those of MakeRunner(), kernel 1. */
Tensor
ComputeByHand(const Tensor & image)
{
  const auto weight = RandomTensor({ 2 }, 1).ToVector<double>();
  const auto bias = RandomTensor({ 2 }, 2).ToVector<double>();
  const auto values = image.ToVector<double>();
  Shape shape = image.GetShape();
  shape[0] = 2;
  Tensor logits(shape);
  for (std::size_t k = 0; k < 2; ++k)
  {
    for (std::size_t i = 0; i < values.size(); ++i)
    {
      logits.GetData<float>()[k * values.size() + i] = static_cast<float>(weight[k] * values[i] + bias[k]);
    }
  }
  return logits;
}

Tensor
MakeVolume(const Shape & shape)
{
  return RandomTensor(shape, 77).To(DataType::Float32);
}

void
ExpectNear(const Tensor & found, const Tensor & expected, double tolerance)
{
  ASSERT_EQ(found.GetShape(), expected.GetShape());
  const auto a = found.ToVector<double>();
  const auto b = expected.ToVector<double>();
  for (std::size_t i = 0; i < a.size(); ++i)
  {
    ASSERT_NEAR(a[i], b[i], tolerance) << "element " << i;
  }
}

SlidingWindowOptions
MakeWindows(const Shape & window, const Shape & stride)
{
  SlidingWindowOptions options;
  options.windows.window = window;
  options.windows.stride = stride;
  return options;
}

VolumePipeline
MakePipeline(const std::string & transforms)
{
  VolumePipeline pipeline;
  pipeline.transforms = SampleTransforms::FromJson(transforms);
  return pipeline;
}
} // namespace

TEST(VolumePipeline, RoundTrip)
{
  VolumePipeline pipeline =
    MakePipeline(R"([{"name":"Pad","options":{"output_size":[4,null,8]}},{"name":"NormalizeWithMeanStd"}])");
  VolumePipeline read = VolumePipeline::FromJson(pipeline.ToJson());
  EXPECT_EQ(read.ToJson(), pipeline.ToJson());
  EXPECT_EQ(read.transforms.GetNumberOfTransforms(), 2U);
  EXPECT_FALSE(read.windows.has_value());
  EXPECT_FALSE(Json::parse(pipeline.ToJson()).contains("sliding_window"));

  SlidingWindowOptions options = MakeWindows({ 0, 16, 24 }, { 0, 8, 12 });
  options.windows.overlap = 0.5;
  options.windows.step = 0.25;
  options.windows.padToWindow = true;
  options.paddingValue = -1.5;
  options.batchSize = 3;
  options.mirrorAxes = { 1, 2 };
  options.sigmoid = true;
  for (const WindowPlacement placement : { WindowPlacement::PyMIC,
                                           WindowPlacement::MONAI,
                                           WindowPlacement::NnUNet,
                                           WindowPlacement::U2Net,
                                           WindowPlacement::Hermes })
  {
    for (const WindowBlending blending : { WindowBlending::Constant, WindowBlending::Gaussian })
    {
      options.windows.placement = placement;
      options.blending = blending;
      pipeline.windows = options;
      read = VolumePipeline::FromJson(pipeline.ToJson());
      ASSERT_TRUE(read.windows.has_value());
      EXPECT_EQ(read.windows->windows.placement, placement);
      EXPECT_EQ(read.windows->blending, blending);
    }
  }
  EXPECT_EQ(read.windows->windows.window, (Shape{ 0, 16, 24 }));
  EXPECT_EQ(read.windows->windows.stride, (Shape{ 0, 8, 12 }));
  EXPECT_EQ(read.windows->windows.overlap, 0.5);
  EXPECT_EQ(read.windows->windows.step, 0.25);
  EXPECT_TRUE(read.windows->windows.padToWindow);
  EXPECT_EQ(read.windows->paddingValue, -1.5);
  EXPECT_EQ(read.windows->batchSize, 3);
  EXPECT_EQ(read.windows->mirrorAxes, (std::vector<int>{ 1, 2 }));
  EXPECT_TRUE(read.windows->sigmoid);
}

TEST(VolumePipeline, ReadsWhatIsThereOnly)
{
  const VolumePipeline none = VolumePipeline::FromJson(R"({"other": 1})");
  EXPECT_EQ(none.transforms.GetNumberOfTransforms(), 0U);
  EXPECT_FALSE(none.windows.has_value());
  const VolumePipeline some =
    VolumePipeline::FromJson(R"({"sliding_window": {"placement": "monai", "size": [8, 8, 8], "colour": "red"}})");
  ASSERT_TRUE(some.windows.has_value());
  EXPECT_EQ(some.windows->windows.placement, WindowPlacement::MONAI);
  EXPECT_EQ(some.windows->windows.overlap, 0.25);
  EXPECT_EQ(some.windows->batchSize, 1);
  EXPECT_FALSE(some.windows->sigmoid);
}

TEST(VolumePipeline, Errors)
{
  EXPECT_NN_ERROR(VolumePipeline::FromJson("{"), "should be a JSON object");
  EXPECT_NN_ERROR(VolumePipeline::FromJson("[]"), "should be a JSON object");
  EXPECT_NN_ERROR(VolumePipeline::FromJson(R"({"transforms": {}})"), "list");
  EXPECT_NN_ERROR(VolumePipeline::FromJson(R"({"transforms": [{"name": "Padd"}]})"), "Padd");
  EXPECT_NN_ERROR(VolumePipeline::FromJson(R"({"sliding_window": []})"), "'sliding_window' is [], should be an object");
  const auto read = [](const std::string & text) { VolumePipeline::FromJson(R"({"sliding_window": {)" + text + "}}"); };
  const std::string size = R"("size": [8, 8, 8], "stride": [4, 4, 4])";
  EXPECT_NO_THROW(read(size));
  EXPECT_NN_ERROR(read(""), "'sliding_window.size' has 0 extents, should have 1 to 3");
  EXPECT_NN_ERROR(read(R"("size": [], "stride": [])"), "'sliding_window.size' has 0 extents");
  EXPECT_NN_ERROR(read(R"("size": 8)"), "'sliding_window.size' is 8, should be a list of integers");
  EXPECT_NN_ERROR(read(R"("size": [8, 8.5, 8])"), "'sliding_window.size' is [8,8.5,8], should be a list of integers");
  EXPECT_NN_ERROR(read(R"("size": [8, 8, 8, 8])"), "'sliding_window.size' has 4 extents");
  EXPECT_NN_ERROR(read(R"("size": [8, -1, 8], "stride": [4, 4, 4])"), "should be at least 1");
  EXPECT_NN_ERROR(read(R"("size": [8, 8, 8])"), "the stride is");
  EXPECT_NN_ERROR(read(R"("size": [8, 8, 8], "stride": [4, 4])"), "the stride is");
  EXPECT_NN_ERROR(
    read(size + R"(, "placement": "other")"),
    R"('sliding_window.placement' is "other", should be one of ["pymic","monai","nnunet","u2net","hermes"])");
  EXPECT_NN_ERROR(read(size + R"(, "blending": 3)"),
                  R"('sliding_window.blending' is 3, should be one of ["constant","gaussian"])");
  EXPECT_NN_ERROR(read(size + R"(, "batch": "two")"), R"('sliding_window.batch' is "two", should be an integer)");
  EXPECT_NN_ERROR(read(size + R"(, "batch": 1.5)"), "'sliding_window.batch' is 1.5, should be");
  EXPECT_NN_ERROR(read(size + R"(, "overlap": true)"), "'sliding_window.overlap' is true, should be a number");
  EXPECT_NN_ERROR(read(size + R"(, "pad_to_window": 1)"),
                  "'sliding_window.pad_to_window' is 1, should be true or false");
  EXPECT_NN_ERROR(read(size + R"(, "sigmoid": "yes")"),
                  R"('sliding_window.sigmoid' is "yes", should be true or false)");
  EXPECT_NN_ERROR(read(size + R"(, "placement": "monai", "overlap": 1)"), "should be within [0, 1)");
  EXPECT_NN_ERROR(read(size + R"(, "placement": "nnunet", "step": 0)"), "should be within [0.001, 1]");
}

TEST(VolumeSegmenter, OneWindowIsThePlainRun)
{
  const auto runner = MakeRunner({ 3, 3, 3 });
  const Tensor image = MakeVolume({ 1, 6, 8, 10 });
  Tensor batch = MakeVolume({ 1, 1, 6, 8, 10 });
  const Tensor expected = runner->Run({ { "input", batch } }).at("logits").Select(0, 0);
  ExpectNear(VolumeSegmenter(runner, {}).ComputeLogits(image), expected, 1e-5);
  VolumePipeline pipeline;
  pipeline.windows = MakeWindows({ 16, 16, 16 }, { 4, 4, 4 });
  ExpectNear(VolumeSegmenter(runner, pipeline).ComputeLogits(image), expected, 1e-5);
  pipeline.windows = MakeWindows({ 0, 0, 0 }, { 0, 0, 0 });
  ExpectNear(VolumeSegmenter(runner, pipeline).ComputeLogits(image), expected, 1e-5);
}

TEST(VolumeSegmenter, WindowsAreThoseOfThePredictor)
{
  const auto runner = MakeRunner({ 3, 3, 3 });
  const Tensor image = MakeVolume({ 1, 6, 9, 10 });
  const Tensor whole = VolumeSegmenter(runner, {}).ComputeLogits(image);
  // Extents of 0 are the image's.
  VolumePipeline given;
  given.windows = MakeWindows({ 6, 4, 10 }, { 6, 2, 10 });
  VolumePipeline open;
  open.windows = MakeWindows({ 0, 4, 0 }, { 0, 2, 0 });
  const Tensor windowed = VolumeSegmenter(runner, given).ComputeLogits(image);
  EXPECT_EQ(VolumeSegmenter(runner, open).ComputeLogits(image).ToVector<float>(), windowed.ToVector<float>());
  // The borders of windows are no pixels of the image, so that this is not the same.
  EXPECT_NE(whole.ToVector<float>(), windowed.ToVector<float>());
  // A stride of 0 is the window's extent: two windows and the last, which is moved back.
  open.windows = MakeWindows({ 0, 4, 0 }, { 0, 0, 0 });
  given.windows = MakeWindows({ 6, 4, 10 }, { 6, 4, 10 });
  EXPECT_EQ(VolumeSegmenter(runner, open).ComputeLogits(image).ToVector<float>(),
            VolumeSegmenter(runner, given).ComputeLogits(image).ToVector<float>());
  // Pixels on their own do not care.
  const auto pointwise = MakeRunner({ 1, 1, 1 });
  open.windows = MakeWindows({ 0, 4, 4 }, { 0, 2, 3 });
  open.windows->batchSize = 2;
  open.windows->mirrorAxes = { 1, 2 };
  ExpectNear(VolumeSegmenter(pointwise, open).ComputeLogits(image), ComputeByHand(image), 1e-5);
}

TEST(VolumeSegmenter, PredictUndoesTransforms)
{
  const auto runner = MakeRunner({ 1, 1, 1 });
  const Tensor image = MakeVolume({ 1, 5, 6, 9 });
  const Tensor kept = image.Clone();
  VolumePipeline pipeline = MakePipeline(
    R"([{"name":"Pad","options":{"output_size":[8,8,8]}},
        {"name":"NormalizeWithMinMax","options":{"threshold_lower":[-1],"threshold_upper":[1]}}])");
  for (const bool hasWindows : { false, true })
  {
    pipeline.windows.reset();
    if (hasWindows)
    {
      pipeline.windows = MakeWindows({ 4, 4, 4 }, { 2, 2, 2 });
    }
    const VolumeSegmenter segmenter(runner, pipeline);
    EXPECT_EQ(segmenter.GetPipeline().windows.has_value(), hasWindows);
    ExpectNear(segmenter.Predict(image), ComputeByHand(image), 1e-5);
    EXPECT_EQ(image.ToVector<float>(), kept.ToVector<float>());
  }
  // Logits, without transforms.
  ExpectNear(VolumeSegmenter(runner, MakePipeline(R"([{"name":"Pad","options":{"output_size":[16,16,16]}}])"))
               .ComputeLogits(image),
             ComputeByHand(image),
             1e-5);
}

TEST(VolumeSegmenter, LabelsAreThoseOfTheLogits)
{
  const auto runner = MakeRunner({ 1, 1, 1 });
  const Tensor image = MakeVolume({ 1, 5, 6, 9 });
  const struct
  {
    const char * transforms;
    bool interpolates;
  } cases[] = { { "[]", false },
                { R"([{"name":"Pad","options":{"output_size":[8,8,8]}}])", false },
                { R"([{"name":"CenterCrop","options":{"output_size":[3,4,5]}}])", false },
                { R"([{"name":"Rescale","options":{"output_size":[8,8,12]}}])", true } };
  for (const auto & values : cases)
  {
    SCOPED_TRACE(values.transforms);
    VolumePipeline pipeline = MakePipeline(values.transforms);
    pipeline.windows = MakeWindows({ 4, 4, 4 }, { 2, 2, 2 });
    EXPECT_EQ(pipeline.transforms.InterpolatesInverse(), values.interpolates);
    const VolumeSegmenter segmenter(runner, pipeline);
    const Tensor labels = segmenter.PredictLabels(image);
    EXPECT_EQ(labels.GetShape(), (Shape{ 5, 6, 9 }));
    EXPECT_EQ(labels.ToVector<std::int32_t>(),
              SelectClasses(segmenter.Predict(image).Contiguous()).ToVector<std::int32_t>());
  }
  EXPECT_NN_ERROR(
    VolumeSegmenter(runner,
                    MakePipeline(R"([{"name":"CenterCrop","options":{"output_size":[3,4,5],"inverse":false}}])"))
      .PredictLabels(image),
    "one of them should be undone");
}

TEST(VolumeSegmenter, CropsArePutBack)
{
  const auto runner = MakeRunner({ 1, 1, 1 });
  const Tensor image = MakeVolume({ 1, 5, 6, 9 });
  const std::string crop = R"([{"name":"CenterCrop","options":{"output_size":[3,4,5])";
  const Tensor found = VolumeSegmenter(runner, MakePipeline(crop + "}}]")).Predict(image);
  const Tensor all = ComputeByHand(image);
  Tensor expected = Tensor::Zeros(all.GetShape());
  const auto box = [](const Tensor & tensor) { return tensor.Slice(1, 1, 4).Slice(2, 1, 5).Slice(3, 2, 7); };
  Tensor inner = box(expected);
  inner.CopyFrom(box(all));
  ExpectNear(found, expected, 1e-5);
  EXPECT_NN_ERROR(VolumeSegmenter(runner, MakePipeline(crop + R"(,"inverse":false}}])")).Predict(image),
                  "one of them should be undone");
}

TEST(VolumeSegmenter, Errors)
{
  const auto runner = MakeRunner({ 1, 1, 1 });
  EXPECT_NN_ERROR(VolumeSegmenter(nullptr, {}), "needs a network");
  const VolumeSegmenter segmenter(runner, {});
  EXPECT_NN_ERROR(segmenter.ComputeLogits(MakeVolume({ 4, 4 })), "should be [C, D, H, W]");
  EXPECT_NN_ERROR(segmenter.ComputeLogits(MakeVolume({ 2, 4, 4, 4 })), "channels");
  VolumePipeline pipeline;
  pipeline.windows = MakeWindows({ 4, 4 }, { 4, 4 });
  EXPECT_NN_ERROR(VolumeSegmenter(runner, pipeline).ComputeLogits(MakeVolume({ 1, 4, 4, 4 })),
                  "should have the 3 axes of the image");
  pipeline.windows = MakeWindows({ 4, 4, 4 }, { 4, 4, 4 });
  pipeline.windows->batchSize = 0;
  EXPECT_NN_ERROR(VolumeSegmenter(runner, pipeline).ComputeLogits(MakeVolume({ 1, 4, 4, 4 })),
                  "the batch has 0 windows");
  RunHooks hooks;
  hooks.isCancelled = [] { return true; };
  EXPECT_THROW(segmenter.Predict(MakeVolume({ 1, 4, 4, 4 }), hooks), Cancelled);
}
