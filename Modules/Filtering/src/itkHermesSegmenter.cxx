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
#include "itkHermesSegmenter.h"

#include "itkNNPipelineReader.h"
#include "itkNNText.h"
#include "itkNNVolumeSegmenter.h"
#include "itkSegmentationModel.h"
#include "itkU2NetPreprocessing.h"

#include <algorithm>

namespace itk
{
namespace nn
{
namespace
{
using Json = nlohmann::json;

constexpr const char * pipelineKey = "hermes";

/** The data set of a name; null when there is none. */
const HermesTask *
FindDataSet(const std::string & name)
{
  const auto & all = HermesTask::GetAll();
  const auto found =
    std::find_if(all.begin(), all.end(), [&](const HermesTask & task) { return task.name == ToLower(name); });
  return found == all.end() ? nullptr : &*found;
}

std::string
JoinNames(const std::vector<ModelCard::Task> & tasks)
{
  std::string names;
  for (const auto & task : tasks)
  {
    names += (names.empty() ? "" : ", ") + task.name;
  }
  return names.empty() ? "no names of tasks" : names;
}

/** Throws Error when it is none of Hermes'. */
const HermesPriorNetwork &
AsHermes(const Network & network)
{
  const auto * hermes = dynamic_cast<const HermesPriorNetwork *>(&network);
  itkNNRequireMacro(hermes != nullptr,
                    "The network is " << network.GetName() << ", should be hermes or hermes_medformer");
  return *hermes;
}

/** Of the domain that runs. */
std::int64_t
CountClasses(const HermesPriors & priors)
{
  return static_cast<std::int64_t>(priors.domains.at(static_cast<std::size_t>(priors.task)).tasks.size());
}
} // namespace

HermesPipeline
HermesPipeline::Make(const HermesTask & task)
{
  HermesPipeline pipeline;
  pipeline.preprocessing = task.GetInferencePreprocessing();
  return pipeline;
}

bool
HermesPipeline::IsIn(const std::string & text)
{
  const Json json = Json::parse(text, nullptr, false);
  return json.is_object() && json.contains(pipelineKey);
}

std::string
HermesPipeline::ToJson() const
{
  Json json{ { "orientation", GetHermesOrientationNames()[static_cast<std::size_t>(preprocessing.orientation)] },
             { "resampling", GetHermesResamplingNames()[static_cast<std::size_t>(preprocessing.resampling)] },
             { "spacing", preprocessing.spacing },
             { "zeros_outside", preprocessing.zerosOutside },
             { "percentiles", { preprocessing.lowerPercentile, preprocessing.upperPercentile } },
             { "window", window },
             { "window_batch", windowBatch },
             { "maximum_slices", maximumSlices },
             { "threshold", threshold } };
  if (preprocessing.limits)
  {
    json["limits"] = *preprocessing.limits;
  }
  return Json{ { pipelineKey, json } }.dump();
}

HermesPipeline
HermesPipeline::FromJson(const std::string & text)
{
  const Json json = Json::parse(text, nullptr, false);
  itkNNRequireMacro(json.is_object() && json.contains(pipelineKey),
                    "The preprocessing of Hermes should be a JSON object with the key 'hermes'");
  const PipelineReader keys(json[pipelineKey], pipelineKey);
  HermesPipeline pipeline;
  HermesPreprocessing & preprocessing = pipeline.preprocessing;
  keys.GetName("orientation", preprocessing.orientation, GetHermesOrientationNames());
  keys.GetName("resampling", preprocessing.resampling, GetHermesResamplingNames());
  keys.Get("spacing", preprocessing.spacing, "a list of three numbers");
  keys.Get("zeros_outside", preprocessing.zerosOutside, "true or false");
  const auto getPair = [&](const char * key, double & low, double & high)
  {
    std::vector<double> pair{ low, high };
    keys.Get(key, pair, "a list of two numbers");
    itkNNRequireMacro(pair.size() == 2, "'hermes." << key << "' has " << pair.size() << " entries, should have 2");
    low = pair[0];
    high = pair[1];
  };
  getPair("percentiles", preprocessing.lowerPercentile, preprocessing.upperPercentile);
  if (keys.Find("limits") != nullptr)
  {
    preprocessing.limits.emplace();
    getPair("limits", (*preprocessing.limits)[0], (*preprocessing.limits)[1]);
  }
  keys.Get("window", pipeline.window, "a list of three integers");
  keys.Get("window_batch", pipeline.windowBatch, "an integer");
  keys.Get("maximum_slices", pipeline.maximumSlices, "an integer");
  keys.Get("threshold", pipeline.threshold, "a number");
  pipeline.Check();
  return pipeline;
}

void
HermesPipeline::Check() const
{
  preprocessing.Check();
  itkNNRequireMacro(preprocessing.context.empty(),
                    "A pipeline of Hermes: the context is " << ToString(preprocessing.context)
                                                            << ", should be empty: there are no labels to cut to");
  itkNNRequireMacro(window.empty() || (window.size() == 3 && *std::min_element(window.begin(), window.end()) >= 1),
                    "A pipeline of Hermes: the window is " << ToString(window)
                                                           << ", should be three extents of at least 1, or empty");
  itkNNRequireMacro(windowBatch >= 1 && maximumSlices >= 1,
                    "A pipeline of Hermes: 'window_batch' is " << windowBatch << " and 'maximum_slices' is "
                                                               << maximumSlices << ", should be at least 1");
  itkNNRequireMacro(threshold >= 0 && threshold <= 1,
                    "A pipeline of Hermes: the threshold is " << threshold << ", should be within [0, 1]");
}

bool
IsHermesNetwork(const std::string & name)
{
  return name == "hermes" || name == "hermes_medformer";
}

Network::ConstPointer
MakeHermesNetwork(const Network & network, const HermesDomain & domain)
{
  const HermesPriorNetwork & hermes = AsHermes(network);
  HermesPriors priors = hermes.GetPriors();
  priors.domains = { domain };
  priors.task = 0;
  return hermes.WithPriors(std::move(priors));
}

HermesChosenTask
FindHermesTask(const SegmentationModel & model, const HermesSelection & selection)
{
  const Network::ConstPointer whole = model.GetNetwork();
  AsHermes(*whole);
  const ModelCard & card = model.GetModel()->GetCard();
  HermesChosenTask result;
  // Of the card or of a data set.
  std::string text;
  const HermesTask * dataSet = nullptr;
  if (!selection.taskNumbers.empty())
  {
    result.network = MakeHermesNetwork(*whole, { selection.taskNumbers, selection.modality });
    text = card.preprocessing;
    if (!HermesPipeline::IsIn(text))
    {
      HermesPipeline pipeline;
      if (selection.modality == 0)
      {
        pipeline.preprocessing.limits = HermesTask::Get("amos_ct").preprocessing.limits;
      }
      text = pipeline.ToJson();
    }
  }
  else
  {
    const std::int64_t named =
      selection.task >= 0 || selection.name.empty() ? selection.task : card.FindTask(selection.name);
    dataSet = named < 0 ? FindDataSet(selection.name) : nullptr;
    itkNNRequireMacro(named >= 0 || dataSet != nullptr || selection.name.empty(),
                      "The model has no task '" << selection.name << "'; it has " << JoinNames(card.tasks)
                                                << ", and the paper's data sets are others");
    if (dataSet != nullptr)
    {
      result.network = MakeHermesNetwork(*whole, { dataSet->tasks, dataSet->modality });
    }
    else
    {
      result.network = named < 0 ? whole : whole->ForTask(named);
      itkNNRequireMacro(result.network->GetInputNames().size() == 1,
                        "The model has no domains; should be told a data set of the paper, or the numbers of tasks "
                        "and of the modality");
      text = card.GetPreprocessing(result.network->GetTask());
      const auto number = static_cast<std::size_t>(result.network->GetTask());
      dataSet = number < card.tasks.size() ? FindDataSet(card.tasks[number].name) : nullptr;
    }
  }
  if (!selection.pipeline.empty())
  {
    result.pipeline = HermesPipeline::FromJson(selection.pipeline);
  }
  else if (HermesPipeline::IsIn(text))
  {
    result.pipeline = HermesPipeline::FromJson(text);
  }
  else
  {
    itkNNRequireMacro(
      dataSet != nullptr,
      "The model's card does not say how images of the task are prepared; should be told by a pipeline");
    result.pipeline = HermesPipeline::Make(*dataSet);
  }
  result.classes = CountClasses(AsHermes(*result.network).GetPriors());
  return result;
}

HermesSegmenter::HermesSegmenter(std::shared_ptr<NetworkRunner> runner, HermesPipeline pipeline)
  : m_Runner(std::move(runner))
  , m_Pipeline(std::move(pipeline))
{
  itkNNRequireMacro(m_Runner != nullptr, "Segmenting with Hermes needs a network");
  m_Pipeline.Check();
}

Tensor
HermesSegmenter::PredictProbabilities(const Tensor & volume, const RunHooks & hooks) const
{
  itkNNRequireMacro(volume.IsDefined() && volume.GetRank() == 4 && volume.GetDataType() == DataType::Float32,
                    "Segmenting with Hermes: the volume is of shape " << ToString(volume.GetShape())
                                                                      << ", should be float32 of [1, D, H, W]");
  const bool hasWindows = !m_Pipeline.window.empty();
  const Tensor padded = hasWindows ? PadToPatch(volume, m_Pipeline.window) : volume;
  const std::int64_t slices = padded.GetShape()[1];
  const std::int64_t parts = (slices + m_Pipeline.maximumSlices - 1) / m_Pipeline.maximumSlices;
  const std::int64_t slicesOfPart = (slices + parts - 1) / parts;
  Tensor probabilities;
  for (std::int64_t start = 0; start < slices; start += slicesOfPart)
  {
    const std::int64_t end = std::min(start + slicesOfPart, slices);
    const Tensor part = padded.Slice(1, start, end).Contiguous();
    SlidingWindowOptions options;
    options.windows.placement = WindowPlacement::Hermes;
    options.windows.window = hasWindows ? m_Pipeline.window : Shape(part.GetShape().begin() + 1, part.GetShape().end());
    options.blending = WindowBlending::Constant;
    options.sigmoid = true;
    options.batchSize = m_Pipeline.windowBatch;
    RunHooks hooksOfPart = hooks;
    if (hooks.progress)
    {
      const auto scale = 1 / static_cast<double>(slices);
      hooksOfPart.progress = [&hooks, scale, start, end](double done)
      { hooks.progress(scale * (static_cast<double>(start) + done * static_cast<double>(end - start))); };
    }
    const Tensor ofPart = VolumeSegmenter(m_Runner, { {}, options }).ComputeLogits(part, hooksOfPart);
    if (!probabilities.IsDefined())
    {
      Shape shape = padded.GetShape();
      shape[0] = ofPart.GetShape()[0];
      probabilities = Tensor(shape);
    }
    Tensor target = probabilities.Slice(1, start, end);
    target.CopyFrom(ofPart);
  }
  for (std::size_t axis = 1; axis < 4; ++axis)
  {
    const std::int64_t extent = volume.GetShape()[axis];
    const std::int64_t start = (padded.GetShape()[axis] - extent) / 2;
    probabilities = probabilities.Slice(static_cast<int>(axis), start, start + extent);
  }
  return probabilities.Contiguous();
}

HermesSegmenter::Result
HermesSegmenter::Segment(const RawImage & image, bool wantsProbabilities, const RunHooks & hooks) const
{
  RawCase images;
  images.modalities.push_back(image);
  const HermesPreparedCase prepared = m_Pipeline.preprocessing.Apply(images);
  const Tensor probabilities = this->PredictProbabilities(prepared.volume, hooks);

  const auto & grid = *prepared.grid.image;
  Result result;
  result.labels = Image<std::int32_t, 3>::New();
  result.labels->CopyInformation(&grid);
  result.labels->SetRegions(grid.GetLargestPossibleRegion());
  result.labels->Allocate(true);
  const SizeValueType count = grid.GetLargestPossibleRegion().GetNumberOfPixels();
  std::int32_t * const labels = result.labels->GetBufferPointer();
  std::vector<float> greatest(count, 0.0F);
  // One class after another: all of them on the image's grid may not fit into memory.
  for (std::int64_t k = 0; k < probabilities.GetShape()[0]; ++k)
  {
    const auto map = HermesPreprocessing::RestoreProbabilities(probabilities.Select(0, k), prepared.grid);
    const float * const values = map->GetBufferPointer();
    for (SizeValueType i = 0; i < count; ++i)
    {
      if (static_cast<double>(values[i]) >= m_Pipeline.threshold && values[i] > greatest[i])
      {
        greatest[i] = values[i];
        labels[i] = static_cast<std::int32_t>(k) + 1;
      }
    }
    if (wantsProbabilities)
    {
      result.probabilities.push_back(map);
    }
  }
  return result;
}
} // namespace nn
} // namespace itk
