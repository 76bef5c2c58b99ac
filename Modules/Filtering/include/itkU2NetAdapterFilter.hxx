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
#ifndef itkU2NetAdapterFilter_hxx
#define itkU2NetAdapterFilter_hxx

#include "itkNNRawImageConversion.h"

namespace itk
{
template <typename TInputImage, typename TOutputImage>
void
U2NetAdapterFilter<TInputImage, TOutputImage>::VerifyPreconditions() const
{
  Superclass::VerifyPreconditions();
  if (this->GetModel() == nullptr)
  {
    itkExceptionMacro("No model is given; call SetModel()");
  }
}

template <typename TInputImage, typename TOutputImage>
void
U2NetAdapterFilter<TInputImage, TOutputImage>::GenerateOutputInformation()
{
  Superclass::GenerateOutputInformation();
  if (this->GetOutput()->GetLargestPossibleRegion().GetNumberOfPixels() == 0)
  {
    itkExceptionMacro("The input image has no pixels; its size is "
                      << this->GetOutput()->GetLargestPossibleRegion().GetSize());
  }
}

template <typename TInputImage, typename TOutputImage>
void
U2NetAdapterFilter<TInputImage, TOutputImage>::GenerateInputRequestedRegion()
{
  Superclass::GenerateInputRequestedRegion();
  for (unsigned int i = 0; i < this->GetNumberOfIndexedInputs(); ++i)
  {
    if (auto * input = const_cast<TInputImage *>(this->GetInput(i)))
    {
      input->SetRequestedRegionToLargestPossibleRegion();
    }
  }
}

template <typename TInputImage, typename TOutputImage>
void
U2NetAdapterFilter<TInputImage, TOutputImage>::EnlargeOutputRequestedRegion(DataObject * output)
{
  output->SetRequestedRegionToLargestPossibleRegion();
}

template <typename TInputImage, typename TOutputImage>
nn::U2NetPipeline
U2NetAdapterFilter<TInputImage, TOutputImage>::FindPipeline(int task) const
{
  if (!m_Pipeline.empty())
  {
    return nn::U2NetPipeline::FromJson(m_Pipeline);
  }
  if (!m_Preset.empty())
  {
    const nn::U2NetTask & preset = nn::U2NetTask::Get(m_Preset);
    nn::Shape window;
    for (unsigned int axis = 0; axis < 3; ++axis)
    {
      const SizeValueType extent = m_WindowSize[2 - axis];
      window.push_back(extent == 0 ? preset.patch[axis] : static_cast<std::int64_t>(extent));
    }
    return nn::U2NetPipeline::Make(preset, window);
  }
  const nn::ModelCard & card = this->GetModel()->GetModel()->GetCard();
  const std::string & text = card.GetPreprocessing(this->GetModel()->GetNetwork(task)->GetTask());
  if (!nn::U2NetPipeline::IsIn(text))
  {
    itkExceptionMacro("The model's card does not say how images of the task are prepared; call SetPreset() or "
                      "SetPipeline()");
  }
  return nn::U2NetPipeline::FromJson(text);
}

template <typename TInputImage, typename TOutputImage>
void
U2NetAdapterFilter<TInputImage, TOutputImage>::GenerateData()
{
  nn::RunFilter(*this, "segmentation", [this] { this->Segment(); });
}

template <typename TInputImage, typename TOutputImage>
void
U2NetAdapterFilter<TInputImage, TOutputImage>::Segment()
{
  const int task = m_Task >= 0 || m_TaskName.empty() ? m_Task : this->GetModel()->FindTask(m_TaskName);
  nn::PlanOptions plan;
  plan.backend = m_Backend;
  nn::SetComputation(plan, m_Device, m_Precision);
  plan.deterministic = m_Deterministic;
  plan.threads = nn::GetPlanThreads(*this);
  plan.outputs = { this->GetModel()->GetNetwork()->GetLogitsName() };
  const nn::U2NetSegmenter segmenter(this->GetModel()->GetRunner(plan, task), this->FindPipeline(task));

  nn::RawCase images;
  for (unsigned int i = 0; i < this->GetNumberOfIndexedInputs(); ++i)
  {
    images.modalities.push_back(nn::ToRawImage(*this->GetInput(i)));
  }
  const nn::RunHooks hooks = nn::MakeRunHooks(*this);
  const auto labels = segmenter.Segment(images, hooks);

  this->AllocateOutputs();
  nn::CopyLabels(*labels, *this->GetOutput());
}

template <typename TInputImage, typename TOutputImage>
void
U2NetAdapterFilter<TInputImage, TOutputImage>::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  os << indent << "Task: " << m_Task << '\n';
  os << indent << "TaskName: " << m_TaskName << '\n';
  os << indent << "Preset: " << m_Preset << '\n';
  os << indent << "WindowSize: " << m_WindowSize << '\n';
  os << indent << "Pipeline: " << m_Pipeline << '\n';
  os << indent << "Backend: " << m_Backend << '\n';
  os << indent << "Device: " << m_Device << '\n';
  os << indent << "Precision: " << m_Precision << '\n';
  os << indent << "Deterministic: " << (m_Deterministic ? "On" : "Off") << '\n';
}
} // namespace itk

#endif
