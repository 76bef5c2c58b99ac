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
#ifndef itkHermesImageFilter_hxx
#define itkHermesImageFilter_hxx

#include "itkNNRawImageConversion.h"

namespace itk
{
template <typename TInputImage, typename TOutputImage>
void
HermesImageFilter<TInputImage, TOutputImage>::SetTaskNumbers(const TaskNumbersType & numbers)
{
  if (numbers != m_TaskNumbers)
  {
    m_TaskNumbers = numbers;
    this->Modified();
  }
}

template <typename TInputImage, typename TOutputImage>
nn::HermesChosenTask
HermesImageFilter<TInputImage, TOutputImage>::ChooseTask() const
{
  if (this->GetModel() == nullptr)
  {
    itkExceptionMacro("No model is given; call SetModel()");
  }
  nn::HermesSelection selection;
  selection.taskNumbers.assign(m_TaskNumbers.begin(), m_TaskNumbers.end());
  selection.modality = m_Modality;
  selection.task = m_Task;
  selection.name = m_TaskName;
  selection.pipeline = m_Pipeline;
  return nn::FindHermesTask(*this->GetModel(), selection);
}

template <typename TInputImage, typename TOutputImage>
unsigned int
HermesImageFilter<TInputImage, TOutputImage>::GetNumberOfClasses() const
{
  return static_cast<unsigned int>(this->ChooseTask().classes);
}

template <typename TInputImage, typename TOutputImage>
DataObject::Pointer
HermesImageFilter<TInputImage, TOutputImage>::MakeOutput(DataObjectPointerArraySizeType i)
{
  if (i == 0)
  {
    return TOutputImage::New().GetPointer();
  }
  return ProbabilityImageType::New().GetPointer();
}

template <typename TInputImage, typename TOutputImage>
void
HermesImageFilter<TInputImage, TOutputImage>::MakeOutputs(unsigned int maps)
{
  const auto time = this->GetOutput()->GetPipelineMTime();
  for (unsigned int i = 1; i <= maps; ++i)
  {
    if (i >= this->GetNumberOfIndexedOutputs() || this->ProcessObject::GetOutput(i) == nullptr)
    {
      this->SetNthOutput(i, this->MakeOutput(i));
      this->ProcessObject::GetOutput(i)->SetPipelineMTime(time);
    }
  }
}

template <typename TInputImage, typename TOutputImage>
auto
HermesImageFilter<TInputImage, TOutputImage>::GetProbabilityOutput(unsigned int i) -> ProbabilityImageType *
{
  if (!m_ProduceProbabilities)
  {
    itkExceptionMacro("There are no probability outputs; call ProduceProbabilitiesOn() before Update()");
  }
  const unsigned int classes = this->GetNumberOfClasses();
  if (i >= classes)
  {
    itkExceptionMacro("There is no probability output " << i << "; the number of classes is " << classes);
  }
  this->MakeOutputs(classes);
  return dynamic_cast<ProbabilityImageType *>(this->ProcessObject::GetOutput(i + 1));
}

template <typename TInputImage, typename TOutputImage>
void
HermesImageFilter<TInputImage, TOutputImage>::VerifyPreconditions() const
{
  Superclass::VerifyPreconditions();
  if (this->GetModel() == nullptr)
  {
    itkExceptionMacro("No model is given; call SetModel()");
  }
}

template <typename TInputImage, typename TOutputImage>
void
HermesImageFilter<TInputImage, TOutputImage>::GenerateOutputInformation()
{
  const unsigned int maps = m_ProduceProbabilities ? this->GetNumberOfClasses() : 0;
  this->MakeOutputs(maps);
  this->SetNumberOfIndexedOutputs(maps + 1);
  Superclass::GenerateOutputInformation();
  if (this->GetOutput()->GetLargestPossibleRegion().GetNumberOfPixels() == 0)
  {
    itkExceptionMacro("The input image has no pixels; its size is "
                      << this->GetOutput()->GetLargestPossibleRegion().GetSize());
  }
}

template <typename TInputImage, typename TOutputImage>
void
HermesImageFilter<TInputImage, TOutputImage>::GenerateInputRequestedRegion()
{
  Superclass::GenerateInputRequestedRegion();
  if (auto * input = const_cast<TInputImage *>(this->GetInput()))
  {
    input->SetRequestedRegionToLargestPossibleRegion();
  }
}

template <typename TInputImage, typename TOutputImage>
void
HermesImageFilter<TInputImage, TOutputImage>::EnlargeOutputRequestedRegion(DataObject * output)
{
  output->SetRequestedRegionToLargestPossibleRegion();
}

template <typename TInputImage, typename TOutputImage>
void
HermesImageFilter<TInputImage, TOutputImage>::GenerateData()
{
  nn::RunFilter(*this, "segmentation", [this] { this->Segment(); });
}

template <typename TInputImage, typename TOutputImage>
void
HermesImageFilter<TInputImage, TOutputImage>::Segment()
{
  const nn::HermesChosenTask task = this->ChooseTask();
  nn::PlanOptions plan;
  plan.backend = m_Backend;
  nn::SetComputation(plan, m_Device, m_Precision);
  plan.deterministic = m_Deterministic;
  plan.threads = nn::GetPlanThreads(*this);
  plan.outputs = { task.network->GetLogitsName() };
  const nn::HermesSegmenter segmenter(this->GetModel()->GetRunner(plan, task.network), task.pipeline);
  const auto result =
    segmenter.Segment(nn::ToRawImage(*this->GetInput()), m_ProduceProbabilities, nn::MakeRunHooks(*this));

  auto * labels = this->GetOutput();
  labels->SetBufferedRegion(labels->GetLargestPossibleRegion());
  labels->Allocate();
  nn::CopyLabels(*result.labels, *labels);
  for (unsigned int i = 0; i < result.probabilities.size(); ++i)
  {
    // The same voxels, numbered from the input's first index on.
    auto * output = dynamic_cast<ProbabilityImageType *>(this->ProcessObject::GetOutput(i + 1));
    output->SetBufferedRegion(output->GetLargestPossibleRegion());
    output->SetPixelContainer(result.probabilities[i]->GetPixelContainer());
  }
}

template <typename TInputImage, typename TOutputImage>
void
HermesImageFilter<TInputImage, TOutputImage>::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  os << indent << "Task: " << m_Task << '\n';
  os << indent << "TaskName: " << m_TaskName << '\n';
  os << indent << "TaskNumbers:";
  for (const int number : m_TaskNumbers)
  {
    os << ' ' << number;
  }
  os << '\n';
  os << indent << "Modality: " << m_Modality << '\n';
  os << indent << "Pipeline: " << m_Pipeline << '\n';
  os << indent << "ProduceProbabilities: " << (m_ProduceProbabilities ? "On" : "Off") << '\n';
  os << indent << "Backend: " << m_Backend << '\n';
  os << indent << "Device: " << m_Device << '\n';
  os << indent << "Precision: " << m_Precision << '\n';
  os << indent << "Deterministic: " << (m_Deterministic ? "On" : "Off") << '\n';
}
} // namespace itk

#endif
