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
#include "universegSegmenter.h"

#include "itkUniverSegImageFilter.h"

namespace universeg
{
Segmenter::Segmenter(itk::SegmentationModel * model, itk::UniverSegSupportSet * supports, SegmentationSettings settings)
  : m_Model(model)
  , m_Supports(supports)
  , m_Settings(std::move(settings))
{}

Segmentation
Segmenter::Segment(const Volume & target, const std::function<void(double)> & progress)
{
  using FilterType = itk::UniverSegImageFilter<Volume, LabelVolume>;
  auto filter = FilterType::New();
  filter->SetInput(&target);
  filter->SetModel(m_Model);
  filter->SetSupportSet(m_Supports);
  filter->SetThreshold(m_Settings.threshold);
  filter->SetSliceAxis(m_Settings.sliceAxis);
  filter->SetNormalization(m_Settings.normalization.method);
  filter->SetLowerPercentile(m_Settings.normalization.lowerPercentile);
  filter->SetUpperPercentile(m_Settings.normalization.upperPercentile);
  filter->SetWindowMinimum(m_Settings.normalization.windowMinimum);
  filter->SetWindowMaximum(m_Settings.normalization.windowMaximum);
  filter->SetGridSize(m_Settings.gridSize);
  filter->SetIncludeBackground(m_Settings.includeBackground);
  filter->SetNumberOfNearestSupports(m_Settings.nearestSupports);
  filter->SetEnsembleSize(m_Settings.ensembleSize);
  filter->SetEnsembleSupportSize(m_Settings.ensembleSupportSize);
  filter->SetSeed(m_Settings.seed);
  filter->SetBackend(m_Settings.plan.backend);
  filter->SetDevice(m_Settings.plan.device.ToText());
  filter->SetPrecision(itk::nn::GetPrecisionText(m_Settings.plan));
  filter->SetDeterministic(m_Settings.plan.deterministic);
  if (m_Settings.plan.threads > 0)
  {
    filter->GetMultiThreader()->SetMaximumNumberOfThreads(m_Settings.plan.threads);
    filter->SetNumberOfWorkUnits(m_Settings.plan.threads);
  }
  filter->SetProduceProbabilities(m_Settings.probabilities);

  std::vector<std::int32_t> foreground;
  for (const auto label : m_Supports->GetLabels())
  {
    if (label != 0)
    {
      foreground.push_back(static_cast<std::int32_t>(label));
    }
  }
  if (foreground.size() == 1)
  {
    filter->SetForegroundValue(foreground.front());
  }

  if (progress)
  {
    filter->AddObserver(itk::ProgressEvent(),
                        [&progress, &filter](const itk::EventObject &) { progress(filter->GetProgress()); });
  }
  filter->Update();

  Segmentation result;
  result.labels = filter->GetOutput();
  result.labels->DisconnectPipeline();
  if (m_Settings.probabilities)
  {
    const auto labels = FindProbabilityLabels(*m_Supports, m_Settings.includeBackground);
    for (unsigned int i = 0; i < labels.size(); ++i)
    {
      Volume::Pointer image = filter->GetProbabilityOutput(i);
      image->DisconnectPipeline();
      result.probabilities.push_back({ labels[i], image });
    }
  }
  return result;
}

std::vector<std::int32_t>
FindProbabilityLabels(const itk::UniverSegSupportSet & supports, bool includeBackground)
{
  std::vector<std::int32_t> labels;
  for (const auto label : itk::UniverSegPredictor::SelectLabels(supports, includeBackground))
  {
    labels.push_back(static_cast<std::int32_t>(label));
  }
  return labels;
}

void
AddSupport(itk::UniverSegSupportSet & supports,
           const Volume & image,
           const LabelVolume & labels,
           unsigned int sliceAxis)
{
  const auto & size = image.GetLargestPossibleRegion().GetSize();
  if (size[2] == 1)
  {
    supports.PushBackSupportVolume(&image, &labels, 2, { image.GetLargestPossibleRegion().GetIndex(2) });
  }
  else
  {
    supports.PushBackSupportVolume(&image, &labels, sliceAxis);
  }
}
} // namespace universeg
