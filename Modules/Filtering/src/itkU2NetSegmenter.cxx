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
#include "itkU2NetSegmenter.h"

#include "itkNNError.h"
#include "itkNNPipelineReader.h"
#include "itkNNVolumeSegmenter.h"

#include <algorithm>

namespace itk
{
namespace nn
{
namespace
{
using Json = nlohmann::json;

constexpr const char * pipelineKey = "u2net";

U2NetPostProcessing
ReadPostProcessing(const Json & json)
{
  const PipelineReader keys(json, "u2net.post_processing");
  U2NetPostProcessing result;
  keys.Get("classes", result.classes, "an integer");
  keys.Get("components", result.components, "an integer");
  keys.Get("clears_second_half", result.clearsSecondHalf, "true or false");
  keys.Get("keeps_all_of_equal_sizes", result.keepsAllOfEqualSizes, "true or false");
  keys.Get("untouched_classes", result.untouchedClasses, "a list of integers");
  return result;
}

void
CheckExtents(const char * name, const Shape & extents)
{
  itkNNRequireMacro(extents.size() == 3 &&
                      std::all_of(extents.begin(), extents.end(), [](std::int64_t extent) { return extent >= 1; }),
                    "A pipeline of a 3D U2-Net: the " << name << " is " << ToString(extents)
                                                      << ", should be three extents of at least 1");
}
} // namespace

U2NetPipeline
U2NetPipeline::Make(const U2NetTask & task, const Shape & window)
{
  U2NetPipeline pipeline;
  pipeline.preprocessing = task.GetPreprocessing();
  pipeline.patch = task.patch;
  pipeline.window = window.empty() ? task.patch : window;
  pipeline.postProcessing = task.GetPostProcessing();
  return pipeline;
}

bool
U2NetPipeline::IsIn(const std::string & text)
{
  const Json json = Json::parse(text, nullptr, false);
  return json.is_object() && json.contains(pipelineKey);
}

std::string
U2NetPipeline::ToJson() const
{
  Json json{ { "spacing", preprocessing.spacing },
             { "margin", preprocessing.margin },
             { "lowest_value", preprocessing.lowestValue },
             { "percentiles", { preprocessing.lowerPercentile, preprocessing.upperPercentile } },
             { "patch", patch },
             { "window", window },
             { "boundary", GetResizeBoundaryNames()[static_cast<std::size_t>(boundary)] },
             { "window_batch", windowBatch } };
  if (postProcessing)
  {
    json["post_processing"] = { { "classes", postProcessing->classes },
                                { "components", postProcessing->components },
                                { "clears_second_half", postProcessing->clearsSecondHalf },
                                { "keeps_all_of_equal_sizes", postProcessing->keepsAllOfEqualSizes },
                                { "untouched_classes", postProcessing->untouchedClasses } };
  }
  return Json{ { pipelineKey, json } }.dump();
}

U2NetPipeline
U2NetPipeline::FromJson(const std::string & text)
{
  const Json json = Json::parse(text, nullptr, false);
  itkNNRequireMacro(json.is_object() && json.contains(pipelineKey),
                    "The preprocessing of a 3D U2-Net should be a JSON object with the key 'u2net'");
  const PipelineReader keys(json[pipelineKey], pipelineKey);
  U2NetPipeline pipeline;
  U2NetPreprocessing & preprocessing = pipeline.preprocessing;
  keys.Get("spacing", preprocessing.spacing, "a list of three numbers");
  keys.Get("margin", preprocessing.margin, "an integer");
  keys.Get("lowest_value", preprocessing.lowestValue, "a number");
  std::vector<double> percentiles{ preprocessing.lowerPercentile, preprocessing.upperPercentile };
  keys.Get("percentiles", percentiles, "a list of two numbers");
  itkNNRequireMacro(percentiles.size() == 2,
                    "'u2net.percentiles' has " << percentiles.size() << " entries, should have 2");
  preprocessing.lowerPercentile = percentiles[0];
  preprocessing.upperPercentile = percentiles[1];
  keys.Get("patch", pipeline.patch, "a list of three integers");
  pipeline.window = pipeline.patch;
  keys.Get("window", pipeline.window, "a list of three integers");
  keys.Get("window_batch", pipeline.windowBatch, "an integer");
  keys.GetName("boundary", pipeline.boundary, GetResizeBoundaryNames());
  if (const Json * value = keys.Find("post_processing"))
  {
    pipeline.postProcessing = ReadPostProcessing(*value);
  }
  pipeline.Check();
  return pipeline;
}

void
U2NetPipeline::Check() const
{
  preprocessing.Check();
  CheckExtents("patch", patch);
  CheckExtents("window", window);
  itkNNRequireMacro(windowBatch >= 1,
                    "A pipeline of a 3D U2-Net: 'window_batch' is " << windowBatch << ", should be at least 1");
  if (postProcessing)
  {
    postProcessing->Check();
  }
}

U2NetSegmenter::U2NetSegmenter(std::shared_ptr<NetworkRunner> runner, U2NetPipeline pipeline)
  : m_Runner(std::move(runner))
  , m_Pipeline(std::move(pipeline))
{
  itkNNRequireMacro(m_Runner != nullptr, "Segmenting with a 3D U2-Net needs a network");
  m_Pipeline.Check();
}

Tensor
U2NetSegmenter::PredictLabels(const Tensor & volumes, const RunHooks & hooks) const
{
  const Tensor padded = PadToPatch(volumes, m_Pipeline.patch);
  const Shape old(padded.GetShape().begin() + 1, padded.GetShape().end());
  const bool isResized = m_Pipeline.window != m_Pipeline.patch;
  Shape size = old;
  for (std::size_t axis = 0; isResized && axis < size.size(); ++axis)
  {
    size[axis] = old[axis] * m_Pipeline.window[axis] / m_Pipeline.patch[axis];
  }
  const Tensor image =
    (isResized ? ResizeCubic(padded, size, m_Pipeline.boundary, 0) : padded).To(DataType::Float32).Contiguous();
  SlidingWindowOptions options;
  options.windows.placement = WindowPlacement::U2Net;
  options.windows.window = m_Pipeline.window;
  options.batchSize = m_Pipeline.windowBatch;
  Tensor labels = VolumeSegmenter(m_Runner, { {}, options }).PredictLabels(image, hooks);
  if (isResized)
  {
    Shape channel = size;
    channel.insert(channel.begin(), 1);
    labels = ResizeNearest(labels.Reshape(channel), old, m_Pipeline.boundary).Reshape(old);
  }
  for (std::size_t axis = 0; axis < old.size(); ++axis)
  {
    const std::int64_t extent = volumes.GetShape()[axis + 1];
    const std::int64_t start = (old[axis] - extent) / 2;
    labels = labels.Slice(static_cast<int>(axis), start, start + extent);
  }
  return labels.Contiguous();
}

Image<std::int32_t, 3>::Pointer
U2NetSegmenter::Segment(const RawCase & images, const RunHooks & hooks) const
{
  const U2NetPreparedCase prepared = m_Pipeline.preprocessing.Apply(images);
  Tensor labels = this->PredictLabels(prepared.volumes, hooks);
  if (m_Pipeline.postProcessing)
  {
    labels = m_Pipeline.postProcessing->Apply(labels, prepared.weight);
  }
  return U2NetPreprocessing::Restore(labels, prepared.grid);
}
} // namespace nn
} // namespace itk
