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
#ifndef itkSlidingWindowSegmentationImageFilter_hxx
#define itkSlidingWindowSegmentationImageFilter_hxx

#include "itkDefaultConvertPixelTraits.h"
#include "itkImageScanlineConstIterator.h"
#include "itkImageScanlineIterator.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace itk
{
template <typename TInputImage, typename TOutputImage>
SlidingWindowSegmentationImageFilter<TInputImage, TOutputImage>::SlidingWindowSegmentationImageFilter()
{
  m_MirrorAxes.Fill(false);
}

template <typename TInputImage, typename TOutputImage>
DataObject::Pointer
SlidingWindowSegmentationImageFilter<TInputImage, TOutputImage>::MakeOutput(DataObjectPointerArraySizeType i)
{
  if (i == 0)
  {
    return TOutputImage::New().GetPointer();
  }
  return ProbabilityImageType::New().GetPointer();
}

template <typename TInputImage, typename TOutputImage>
auto
SlidingWindowSegmentationImageFilter<TInputImage, TOutputImage>::GetProbabilityOutput() -> ProbabilityImageType *
{
  if (!m_ProduceProbability)
  {
    itkExceptionMacro("There is no probability output; call ProduceProbabilityOn() before Update()");
  }
  if (this->GetNumberOfIndexedOutputs() < 2)
  {
    this->SetNthOutput(1, this->MakeOutput(1));
  }
  return dynamic_cast<ProbabilityImageType *>(this->ProcessObject::GetOutput(1));
}

template <typename TInputImage, typename TOutputImage>
void
SlidingWindowSegmentationImageFilter<TInputImage, TOutputImage>::VerifyPreconditions() const
{
  Superclass::VerifyPreconditions();
  if (this->GetModel() == nullptr)
  {
    itkExceptionMacro("No model is given; call SetModel()");
  }
}

template <typename TInputImage, typename TOutputImage>
void
SlidingWindowSegmentationImageFilter<TInputImage, TOutputImage>::GenerateOutputInformation()
{
  if (m_ProduceProbability && this->GetNumberOfIndexedOutputs() < 2)
  {
    this->SetNthOutput(1, this->MakeOutput(1));
    this->ProcessObject::GetOutput(1)->SetPipelineMTime(this->GetOutput()->GetPipelineMTime());
  }
  this->SetNumberOfIndexedOutputs(m_ProduceProbability ? 2 : 1);
  Superclass::GenerateOutputInformation();
  if (this->GetOutput()->GetLargestPossibleRegion().GetNumberOfPixels() == 0)
  {
    itkExceptionMacro("The input image has no pixels; its size is "
                      << this->GetOutput()->GetLargestPossibleRegion().GetSize());
  }
}

template <typename TInputImage, typename TOutputImage>
void
SlidingWindowSegmentationImageFilter<TInputImage, TOutputImage>::GenerateInputRequestedRegion()
{
  Superclass::GenerateInputRequestedRegion();
  auto * input = const_cast<TInputImage *>(this->GetInput());
  const RegionType requested = this->GetOutput()->GetRequestedRegion();
  if (input != nullptr && requested.GetNumberOfPixels() > 0)
  {
    input->SetRequestedRegion(this->ToRegion(nn::SlidingWindowPredictor::GetSourceRegion(
      this->GetExtents(), this->MakeOptions(), this->ToWindowRegion(requested))));
  }
}

template <typename TInputImage, typename TOutputImage>
nn::Shape
SlidingWindowSegmentationImageFilter<TInputImage, TOutputImage>::GetExtents() const
{
  return this->ToWindowRegion(this->GetInput()->GetLargestPossibleRegion()).size;
}

template <typename TInputImage, typename TOutputImage>
nn::SlidingWindowOptions
SlidingWindowSegmentationImageFilter<TInputImage, TOutputImage>::MakeOptions() const
{
  nn::SlidingWindowOptions options;
  options.windows.placement = m_WindowPlacement;
  options.windows.overlap = m_WindowOverlap;
  options.windows.step = m_WindowStep;
  options.windows.padToWindow = m_PadToWindow;
  const SizeType & image = this->GetInput()->GetLargestPossibleRegion().GetSize();
  for (unsigned int axis = ImageDimension; axis-- > 0;)
  {
    const SizeValueType window = m_WindowSize[axis] == 0 ? image[axis] : m_WindowSize[axis];
    const SizeValueType half = std::max<SizeValueType>(window / 2, 1);
    options.windows.window.push_back(static_cast<std::int64_t>(window));
    options.windows.stride.push_back(
      static_cast<std::int64_t>(m_WindowStride[axis] == 0 ? half : m_WindowStride[axis]));
    if (m_MirrorAxes[axis])
    {
      options.mirrorAxes.push_back(static_cast<int>(ImageDimension - 1 - axis));
    }
  }
  options.blending = m_WindowBlending;
  options.paddingValue = m_PaddingValue;
  options.batchSize = static_cast<std::int64_t>(m_WindowBatchSize);
  options.maximumBytes = static_cast<std::size_t>(m_MaximumLogitBytes);
  return options;
}

template <typename TInputImage, typename TOutputImage>
nn::WindowRegion
SlidingWindowSegmentationImageFilter<TInputImage, TOutputImage>::ToWindowRegion(const RegionType & region) const
{
  const auto & first = this->GetInput()->GetLargestPossibleRegion().GetIndex();
  nn::WindowRegion result;
  for (unsigned int axis = ImageDimension; axis-- > 0;)
  {
    result.start.push_back(static_cast<std::int64_t>(region.GetIndex(axis) - first[axis]));
    result.size.push_back(static_cast<std::int64_t>(region.GetSize(axis)));
  }
  return result;
}

template <typename TInputImage, typename TOutputImage>
auto
SlidingWindowSegmentationImageFilter<TInputImage, TOutputImage>::ToRegion(const nn::WindowRegion & region) const
  -> RegionType
{
  const auto & first = this->GetInput()->GetLargestPossibleRegion().GetIndex();
  RegionType result;
  for (unsigned int axis = 0; axis < ImageDimension; ++axis)
  {
    const std::size_t i = ImageDimension - 1 - axis;
    result.SetIndex(axis, first[axis] + static_cast<IndexValueType>(region.start[i]));
    result.SetSize(axis, static_cast<SizeValueType>(region.size[i]));
  }
  return result;
}

template <typename TInputImage, typename TOutputImage>
void
SlidingWindowSegmentationImageFilter<TInputImage, TOutputImage>::CopyPixels(const RegionType & region,
                                                                            nn::Tensor & pixels) const
{
  const nn::Shape & strides = pixels.GetStrides();
  const auto channels = static_cast<unsigned int>(pixels.GetShape()[0]);
  for (ImageScanlineConstIterator<TInputImage> it(this->GetInput(), region); !it.IsAtEnd(); it.NextLine())
  {
    const auto index = it.GetIndex();
    float * line = pixels.GetData<float>();
    for (unsigned int axis = 1; axis < ImageDimension; ++axis)
    {
      line += static_cast<std::int64_t>(index[axis] - region.GetIndex(axis)) * strides[ImageDimension - axis];
    }
    for (; !it.IsAtEndOfLine(); ++it, ++line)
    {
      const InputPixelType pixel = it.Get();
      for (unsigned int channel = 0; channel < channels; ++channel)
      {
        const auto value = static_cast<float>(
          DefaultConvertPixelTraits<InputPixelType>::GetNthComponent(static_cast<int>(channel), pixel));
        if (!std::isfinite(value))
        {
          itkExceptionMacro("The input image is NaN or infinite at index "
                            << it.GetIndex() << "; all intensities should be finite. Replace them before segmenting");
        }
        line[static_cast<std::int64_t>(channel) * strides[0]] = value;
      }
    }
  }
}

template <typename TInputImage, typename TOutputImage>
template <typename TImage, typename TValue>
void
SlidingWindowSegmentationImageFilter<TInputImage, TOutputImage>::Paste(const nn::Tensor & values,
                                                                       const RegionType & region,
                                                                       TImage * output)
{
  const auto * value = values.GetData<TValue>();
  for (ImageScanlineIterator<TImage> it(output, region); !it.IsAtEnd(); it.NextLine())
  {
    for (; !it.IsAtEndOfLine(); ++it, ++value)
    {
      it.Set(static_cast<typename TImage::PixelType>(*value));
    }
  }
}

template <typename TInputImage, typename TOutputImage>
void
SlidingWindowSegmentationImageFilter<TInputImage, TOutputImage>::GenerateData()
{
  m_NumberOfWindowsRun = 0;
  nn::RunFilter(*this, "segmentation", [this] { this->Segment(); });
}

template <typename TInputImage, typename TOutputImage>
void
SlidingWindowSegmentationImageFilter<TInputImage, TOutputImage>::Segment()
{
  nn::PlanOptions plan;
  plan.backend = m_Backend;
  nn::SetComputation(plan, m_Device, m_Precision);
  plan.deterministic = m_Deterministic;
  plan.threads = nn::GetPlanThreads(*this);
  plan.outputs = { this->GetModel()->GetNetwork()->GetLogitsName() };
  const nn::SlidingWindowPredictor predictor(
    this->GetModel()->GetRunner(plan, m_Task),
    static_cast<std::int64_t>(this->GetInput()->GetNumberOfComponentsPerPixel()),
    this->GetExtents(),
    this->MakeOptions());
  const std::int64_t classes = predictor.GetNumberOfClasses();
  const auto high = static_cast<double>(NumericTraits<OutputPixelType>::max());
  if (static_cast<double>(classes - 1) > high)
  {
    itkExceptionMacro("The model has " << classes << " classes, but the output pixel type holds no more than " << high
                                       << "; use another output image type");
  }
  if (m_ProduceProbability && m_ProbabilityClass >= static_cast<SizeValueType>(classes))
  {
    itkExceptionMacro("ProbabilityClass is " << m_ProbabilityClass << "; should be below " << classes
                                             << ", the number of classes of the model");
  }

  this->AllocateOutputs();
  const nn::RunHooks hooks = nn::MakeRunHooks(*this);
  const auto source = [this](const nn::WindowRegion & region, nn::Tensor & pixels)
  { this->CopyPixels(this->ToRegion(region), pixels); };
  const auto sink = [this, &plan](const nn::WindowRegion & region, const nn::Tensor & logits)
  {
    const RegionType part = this->ToRegion(region);
    Paste<TOutputImage, std::int32_t>(nn::SelectClasses(logits, plan.threads), part, this->GetOutput());
    if (m_ProduceProbability)
    {
      Paste<ProbabilityImageType, float>(
        nn::ComputeProbability(logits, static_cast<std::int64_t>(m_ProbabilityClass), plan.threads),
        part,
        this->GetProbabilityOutput());
    }
  };
  const std::int64_t runs =
    predictor.Predict(this->ToWindowRegion(this->GetOutput()->GetRequestedRegion()), source, sink, hooks);
  m_NumberOfWindowsRun = static_cast<SizeValueType>(runs);
}

template <typename TInputImage, typename TOutputImage>
void
SlidingWindowSegmentationImageFilter<TInputImage, TOutputImage>::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  os << indent << "Task: " << m_Task << '\n';
  os << indent << "WindowPlacement: " << m_WindowPlacement << '\n';
  os << indent << "WindowBlending: " << m_WindowBlending << '\n';
  os << indent << "WindowSize: " << m_WindowSize << '\n';
  os << indent << "WindowStride: " << m_WindowStride << '\n';
  os << indent << "WindowOverlap: " << m_WindowOverlap << '\n';
  os << indent << "WindowStep: " << m_WindowStep << '\n';
  os << indent << "PadToWindow: " << (m_PadToWindow ? "On" : "Off") << '\n';
  os << indent << "PaddingValue: " << m_PaddingValue << '\n';
  os << indent << "WindowBatchSize: " << m_WindowBatchSize << '\n';
  os << indent << "MirrorAxes: " << m_MirrorAxes << '\n';
  os << indent << "MaximumLogitBytes: " << m_MaximumLogitBytes << '\n';
  os << indent << "Backend: " << m_Backend << '\n';
  os << indent << "Device: " << m_Device << '\n';
  os << indent << "Precision: " << m_Precision << '\n';
  os << indent << "Deterministic: " << m_Deterministic << '\n';
  os << indent << "ProduceProbability: " << (m_ProduceProbability ? "On" : "Off") << '\n';
  os << indent << "ProbabilityClass: " << m_ProbabilityClass << '\n';
  os << indent << "NumberOfWindowsRun: " << m_NumberOfWindowsRun << '\n';
}
} // namespace itk

#endif
