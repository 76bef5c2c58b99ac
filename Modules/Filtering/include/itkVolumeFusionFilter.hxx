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
#ifndef itkVolumeFusionFilter_hxx
#define itkVolumeFusionFilter_hxx

#include "itkImageRegionConstIterator.h"
#include "itkImageScanlineConstIterator.h"
#include "itkNNError.h"
#include "itkVolumeFusionFilter.h"

#include <algorithm>
#include <type_traits>

namespace itk
{
template <typename TInputImage, typename TOutputImage, typename TLabelImage>
VolumeFusionFilter<TInputImage, TOutputImage, TLabelImage>::VolumeFusionFilter()
{
  m_MinimumBlockSize.Fill(8);
  m_MaximumBlockSize.Fill(32);
  this->SetNumberOfRequiredInputs(2);
  this->SetNumberOfRequiredOutputs(2);
  this->SetNthOutput(1, this->MakeOutput(1));
  this->DynamicMultiThreadingOn();
}

template <typename TInputImage, typename TOutputImage, typename TLabelImage>
DataObject::Pointer
VolumeFusionFilter<TInputImage, TOutputImage, TLabelImage>::MakeOutput(DataObjectPointerArraySizeType i)
{
  if (i == 1)
  {
    return LabelImageType::New().GetPointer();
  }
  return Superclass::MakeOutput(i);
}

template <typename TInputImage, typename TOutputImage, typename TLabelImage>
void
VolumeFusionFilter<TInputImage, TOutputImage, TLabelImage>::VerifyInputInformation() ITKv5_CONST
{
  Superclass::VerifyInputInformation();
  const auto & foreground = this->GetForegroundImage()->GetLargestPossibleRegion();
  const auto & background = this->GetBackgroundImage()->GetLargestPossibleRegion();
  if (foreground != background)
  {
    itkExceptionMacro(<< "The background image has the size " << background.GetSize() << " and the index "
                      << background.GetIndex() << "; they should be those of the foreground image, "
                      << foreground.GetSize() << " and " << foreground.GetIndex());
  }
}

template <typename TInputImage, typename TOutputImage, typename TLabelImage>
nn::VolumeFusionOptions
VolumeFusionFilter<TInputImage, TOutputImage, TLabelImage>::MakeOptions() const
{
  nn::VolumeFusionOptions options;
  options.classes = m_NumberOfClasses;
  options.foregroundRatio = m_ForegroundRatio;
  options.minimumBlock.clear();
  options.maximumBlock.clear();
  for (unsigned int axis = ImageDimension; axis-- > 0;)
  {
    options.minimumBlock.push_back(static_cast<std::int64_t>(m_MinimumBlockSize[axis]));
    options.maximumBlock.push_back(static_cast<std::int64_t>(m_MaximumBlockSize[axis]));
  }
  return options;
}

template <typename TInputImage, typename TOutputImage, typename TLabelImage>
void
VolumeFusionFilter<TInputImage, TOutputImage, TLabelImage>::BeforeThreadedGenerateData()
{
  const auto & size = this->GetOutput()->GetLargestPossibleRegion().GetSize();
  nn::Shape shape;
  for (unsigned int axis = ImageDimension; axis-- > 0;)
  {
    shape.push_back(static_cast<std::int64_t>(size[axis]));
  }
  m_NextRandom = m_Random;
  m_Grid = nn::VolumeFusionGrid::Draw(m_NextRandom, this->MakeOptions(), shape);
}

template <typename TInputImage, typename TOutputImage, typename TLabelImage>
void
VolumeFusionFilter<TInputImage, TOutputImage, TLabelImage>::GenerateData()
{
  if (m_Device == "cpu" || !m_Runner.UseDevice(m_Device))
  {
    Superclass::GenerateData();
    return;
  }
  nn::RunFilter(*this, "fusion", [this] { this->FuseOnDevice(); });
}

template <typename TInputImage, typename TOutputImage, typename TLabelImage>
void
VolumeFusionFilter<TInputImage, TOutputImage, TLabelImage>::FuseOnDevice()
{
  this->AllocateOutputs();
  this->BeforeThreadedGenerateData();
  OutputImageType * output = this->GetOutput();
  LabelImageType * labels = this->GetLabelOutput();
  const RegionType region = output->GetBufferedRegion();
  const auto origin = output->GetLargestPossibleRegion().GetIndex();
  nn::Shape size;
  nn::Shape position;
  for (unsigned int axis = ImageDimension; axis-- > 0;)
  {
    size.push_back(static_cast<std::int64_t>(region.GetSize(axis)));
    position.push_back(static_cast<std::int64_t>(region.GetIndex(axis) - origin[axis]));
  }
  const auto copy = [&](const InputImageType * image)
  {
    nn::Tensor tensor(size, nn::DataType::Float64);
    auto * to = tensor.template GetData<double>();
    for (ImageRegionConstIterator<InputImageType> it(image, region); !it.IsAtEnd(); ++it)
    {
      *to++ = static_cast<double>(it.Get());
    }
    return tensor;
  };
  const nn::RunHooks hooks = nn::MakeRunHooks(*this);
  const auto results = m_Runner.Run(
    this->MakeOptions(), m_Grid, position, copy(this->GetForegroundImage()), copy(this->GetBackgroundImage()), hooks);
  const auto paste = [&](const char * name, auto * image)
  {
    using PixelType = typename std::remove_pointer_t<decltype(image)>::PixelType;
    const auto * from = results.at(name).template GetData<double>();
    std::transform(from,
                   from + region.GetNumberOfPixels(),
                   image->GetBufferPointer(),
                   [](double value) { return static_cast<PixelType>(value); });
  };
  paste("fused", output);
  paste("labels", labels);
}

template <typename TInputImage, typename TOutputImage, typename TLabelImage>
void
VolumeFusionFilter<TInputImage, TOutputImage, TLabelImage>::DynamicThreadedGenerateData(const RegionType & region)
{
  const InputImageType * foreground = this->GetForegroundImage();
  const InputImageType * background = this->GetBackgroundImage();
  OutputImageType * output = this->GetOutput();
  LabelImageType * labels = this->GetLabelOutput();
  const auto origin = output->GetLargestPossibleRegion().GetIndex();
  const auto length = static_cast<std::int64_t>(region.GetSize(0));
  nn::Shape position(ImageDimension);
  std::vector<nn::VolumeFusionGrid::Run> runs;
  for (ImageScanlineConstIterator<OutputImageType> line(output, region); !line.IsAtEnd(); line.NextLine())
  {
    const auto index = line.GetIndex();
    for (unsigned int axis = 0; axis < ImageDimension; ++axis)
    {
      position[ImageDimension - 1 - axis] = static_cast<std::int64_t>(index[axis] - origin[axis]);
    }
    m_Grid.GetRuns(position, length, runs);
    const auto * first = foreground->GetBufferPointer() + foreground->ComputeOffset(index);
    const auto * second = background->GetBufferPointer() + background->ComputeOffset(index);
    auto * fused = output->GetBufferPointer() + output->ComputeOffset(index);
    auto * label = labels->GetBufferPointer() + labels->ComputeOffset(index);
    for (const auto & run : runs)
    {
      const double share = static_cast<double>(run.number) / static_cast<double>(m_NumberOfClasses - 1);
      for (std::int64_t i = run.begin; i < run.end; ++i)
      {
        const double value = share * static_cast<double>(first[i]) + (1 - share) * static_cast<double>(second[i]);
        fused[i] = static_cast<typename OutputImageType::PixelType>(value);
      }
      std::fill(label + run.begin, label + run.end, static_cast<typename LabelImageType::PixelType>(run.number));
    }
  }
}

template <typename TInputImage, typename TOutputImage, typename TLabelImage>
void
VolumeFusionFilter<TInputImage, TOutputImage, TLabelImage>::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  os << indent << "NumberOfClasses: " << m_NumberOfClasses << std::endl;
  os << indent << "ForegroundRatio: " << m_ForegroundRatio << std::endl;
  os << indent << "MinimumBlockSize: " << m_MinimumBlockSize << std::endl;
  os << indent << "MaximumBlockSize: " << m_MaximumBlockSize << std::endl;
  os << indent << "Device: " << m_Device << std::endl;
}
} // namespace itk

#endif
