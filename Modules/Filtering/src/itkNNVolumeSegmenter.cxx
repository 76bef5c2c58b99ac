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

#include "itkNNError.h"
#include "itkNNPipelineReader.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace itk
{
namespace nn
{
namespace
{
using Json = nlohmann::json;

/** Of random transforms, which have no place in inference, and of noise. */
constexpr std::int64_t seed = 1;

constexpr const char * integersExpected = "a list of integers";
constexpr const char * numberExpected = "a number";
constexpr const char * booleanExpected = "true or false";

Json
ToJsonObject(const SlidingWindowOptions & options)
{
  const WindowOptions & windows = options.windows;
  return { { "placement", GetWindowPlacementNames()[static_cast<std::size_t>(windows.placement)] },
           { "size", windows.window },
           { "stride", windows.stride },
           { "overlap", windows.overlap },
           { "step", windows.step },
           { "pad_to_window", windows.padToWindow },
           { "blending", GetWindowBlendingNames()[static_cast<std::size_t>(options.blending)] },
           { "padding_value", options.paddingValue },
           { "batch", options.batchSize },
           { "mirror_axes", options.mirrorAxes },
           { "sigmoid", options.sigmoid } };
}

/** An extent of 0 stands for that of the image. */
SlidingWindowOptions
FitToImage(SlidingWindowOptions options, const Shape & image)
{
  Shape & window = options.windows.window;
  Shape & stride = options.windows.stride;
  for (std::size_t axis = 0; axis < std::min(window.size(), image.size()); ++axis)
  {
    window[axis] = window[axis] == 0 ? image[axis] : window[axis];
    if (axis < stride.size())
    {
      stride[axis] = stride[axis] == 0 ? window[axis] : stride[axis];
    }
  }
  return options;
}

SlidingWindowOptions
ParseWindows(const Json & json)
{
  const PipelineReader keys(json, "sliding_window");
  SlidingWindowOptions options;
  keys.GetName("placement", options.windows.placement, GetWindowPlacementNames());
  keys.GetName("blending", options.blending, GetWindowBlendingNames());
  keys.Get("size", options.windows.window, integersExpected);
  keys.Get("stride", options.windows.stride, integersExpected);
  keys.Get("mirror_axes", options.mirrorAxes, integersExpected);
  keys.Get("overlap", options.windows.overlap, numberExpected);
  keys.Get("step", options.windows.step, numberExpected);
  keys.Get("padding_value", options.paddingValue, numberExpected);
  keys.Get("batch", options.batchSize, "an integer");
  keys.Get("pad_to_window", options.windows.padToWindow, booleanExpected);
  keys.Get("sigmoid", options.sigmoid, booleanExpected);
  const std::size_t axes = options.windows.window.size();
  itkNNRequireMacro(axes >= 1 && axes <= 3,
                    "'sliding_window.size' has " << axes << " extents, should have 1 to 3, the axes of the image");
  FitToImage(options, Shape(axes, 1)).windows.Check(axes);
  return options;
}

/** What a region has of [C, ...]: the same memory. */
Tensor
GetPart(const Tensor & whole, const WindowRegion & region)
{
  Tensor part = whole;
  for (std::size_t axis = 0; axis < region.size.size(); ++axis)
  {
    part = part.Slice(static_cast<int>(axis) + 1, region.start[axis], region.start[axis] + region.size[axis]);
  }
  return part;
}

SlidingWindowPredictor::Source
SourceOf(const Tensor & image)
{
  return [image](const WindowRegion & region, Tensor & pixels) { pixels.CopyFrom(GetPart(image, region)); };
}

/** Throws Error when what is left of a prediction does not have the image's extents. */
void
CheckExtents(const Tensor & prediction, const Tensor & image)
{
  Shape expected = image.GetShape();
  expected[0] = prediction.GetShape()[0];
  itkNNRequireMacro(prediction.GetShape() == expected,
                    "Segmenting a volume: the transforms leave logits " << ToString(prediction.GetShape())
                                                                        << ", should be " << ToString(expected)
                                                                        << "; one of them should be undone");
}
} // namespace

std::string
VolumePipeline::ToJson() const
{
  Json json{ { "transforms", Json::parse(transforms.ToJson()) } };
  if (windows)
  {
    json["sliding_window"] = ToJsonObject(*windows);
  }
  return json.dump();
}

VolumePipeline
VolumePipeline::FromJson(const std::string & text)
{
  const Json json = Json::parse(text, nullptr, false);
  itkNNRequireMacro(json.is_object(), "The preprocessing of a model should be a JSON object");
  VolumePipeline pipeline;
  const PipelineReader keys(json, "preprocessing");
  if (const Json * list = keys.Find("transforms"))
  {
    pipeline.transforms = SampleTransforms::FromJson(list->dump());
  }
  if (const Json * object = keys.Find("sliding_window"))
  {
    pipeline.windows = ParseWindows(*object);
  }
  return pipeline;
}

VolumeSegmenter::VolumeSegmenter(std::shared_ptr<NetworkRunner> runner, VolumePipeline pipeline)
  : m_Runner(std::move(runner))
  , m_Pipeline(std::move(pipeline))
{
  itkNNRequireMacro(m_Runner != nullptr, "Segmenting volumes needs a network");
}

SlidingWindowPredictor
VolumeSegmenter::MakePredictor(const Shape & image) const
{
  itkNNRequireMacro(image.size() == 4 || image.size() == 3,
                    "Segmenting a volume: the image is " << ToString(image) << ", should be [C, D, H, W]");
  const Shape extents(image.begin() + 1, image.end());
  SlidingWindowOptions options;
  if (m_Pipeline.windows)
  {
    options = FitToImage(*m_Pipeline.windows, extents);
  }
  else
  {
    options.windows.window = options.windows.stride = extents;
  }
  return SlidingWindowPredictor(m_Runner, image[0], extents, options);
}

Tensor
VolumeSegmenter::ComputeLogits(const Tensor & image, const RunHooks & hooks) const
{
  const SlidingWindowPredictor predictor = this->MakePredictor(image.GetShape());
  Shape shape = image.GetShape();
  shape[0] = predictor.GetNumberOfClasses();
  Tensor logits(shape);
  predictor.Predict(
    SourceOf(image),
    [&](const WindowRegion & region, const Tensor & part) { GetPart(logits, region).CopyFrom(part); },
    hooks);
  return logits;
}

Tensor
VolumeSegmenter::Predict(const Tensor & image, const RunHooks & hooks) const
{
  Sample sample;
  sample.image = image;
  TransformRandom random(seed);
  const SampleTransforms::Records records = m_Pipeline.transforms.Apply(sample, random);
  const Tensor logits = m_Pipeline.transforms.Invert(this->ComputeLogits(sample.image, hooks), records);
  CheckExtents(logits, image);
  return logits;
}

Tensor
VolumeSegmenter::PredictLabels(const Tensor & image, const RunHooks & hooks) const
{
  if (m_Pipeline.transforms.InterpolatesInverse())
  {
    return SelectClasses(this->Predict(image, hooks).Contiguous());
  }
  Sample sample;
  sample.image = image;
  TransformRandom random(seed);
  const SampleTransforms::Records records = m_Pipeline.transforms.Apply(sample, random);
  Shape shape = sample.image.GetShape();
  shape[0] = 1;
  Tensor labels(shape, DataType::Int32);
  this->MakePredictor(sample.image.GetShape())
    .Predict(
      SourceOf(sample.image),
      [&](const WindowRegion & region, const Tensor & part)
      {
        Shape one = part.GetShape();
        one[0] = 1;
        GetPart(labels, region).CopyFrom(SelectClasses(part).Reshape(one));
      },
      hooks);
  // Zeros, into which crops are put, are class 0 of equal logits too.
  const Tensor result = m_Pipeline.transforms.Invert(labels, records).Contiguous();
  CheckExtents(result, image);
  return result.Reshape(Shape(image.GetShape().begin() + 1, image.GetShape().end()));
}
} // namespace nn
} // namespace itk
