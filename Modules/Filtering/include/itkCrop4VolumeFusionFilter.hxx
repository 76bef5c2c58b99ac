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
#ifndef itkCrop4VolumeFusionFilter_hxx
#define itkCrop4VolumeFusionFilter_hxx

#include "itkCrop4VolumeFusionFilter.h"
#include "itkImageAlgorithm.h"
#include "itkNNParallel.h"

#include <algorithm>
#include <type_traits>

namespace itk
{
template <typename TInputImage, typename TOutputImage>
Crop4VolumeFusionFilter<TInputImage, TOutputImage>::Crop4VolumeFusionFilter()
{
  m_OutputSize.Fill(0);
  m_LowerScale.Fill(0.7);
  m_UpperScale.Fill(1.5);
  this->SetNumberOfRequiredOutputs(2);
  this->SetNthOutput(1, this->MakeOutput(1));
}

template <typename TInputImage, typename TOutputImage>
void
Crop4VolumeFusionFilter<TInputImage, TOutputImage>::GenerateOutputInformation()
{
  const InputImageType * input = this->GetInput();
  const InputRegionType & whole = input->GetLargestPossibleRegion();
  nn::VolumeFusionCropOptions options;
  options.spatial = m_SpatialAugmentation;
  options.lowerScale.clear();
  options.upperScale.clear();
  nn::Shape shape;
  for (unsigned int axis = 3; axis-- > 0;)
  {
    options.size.push_back(static_cast<std::int64_t>(m_OutputSize[axis]));
    options.lowerScale.push_back(m_LowerScale[axis]);
    options.upperScale.push_back(m_UpperScale[axis]);
    shape.push_back(static_cast<std::int64_t>(whole.GetSize(axis)));
  }
  m_CropRandom = m_Random;
  m_Crops = nn::VolumeFusionCrop::Draw(m_CropRandom, options, shape);

  for (std::size_t i = 0; i < m_Boxes.size(); ++i)
  {
    for (unsigned int axis = 0; axis < 3; ++axis)
    {
      m_Boxes[i].SetIndex(axis, whole.GetIndex(axis) + static_cast<IndexValueType>(m_Crops[i].start[2 - axis]));
      m_Boxes[i].SetSize(axis, static_cast<SizeValueType>(m_Crops[i].size[2 - axis]));
    }
  }

  auto spacing = input->GetSpacing();
  auto direction = input->GetDirection();
  auto corner = m_Boxes[0].GetIndex();
  for (unsigned int axis = 0; axis < 3; ++axis)
  {
    const SizeValueType extent = m_Boxes[0].GetSize(axis);
    if (extent > 1 && m_OutputSize[axis] > 1)
    {
      spacing[axis] *= static_cast<double>(extent - 1) / static_cast<double>(m_OutputSize[axis] - 1);
    }
    if (m_Crops[0].flip[2 - axis])
    {
      corner[axis] += static_cast<IndexValueType>(extent) - 1;
      for (unsigned int row = 0; row < 3; ++row)
      {
        direction(row, axis) *= -1;
      }
    }
  }
  typename InputImageType::PointType origin;
  input->TransformIndexToPhysicalPoint(corner, origin);
  for (unsigned int i = 0; i < 2; ++i)
  {
    OutputImageType * output = this->GetOutput(i);
    output->SetLargestPossibleRegion(typename OutputImageType::RegionType(m_OutputSize));
    output->SetSpacing(spacing);
    output->SetOrigin(origin);
    output->SetDirection(direction);
    output->SetNumberOfComponentsPerPixel(1);
  }
}

template <typename TInputImage, typename TOutputImage>
void
Crop4VolumeFusionFilter<TInputImage, TOutputImage>::GenerateInputRequestedRegion()
{
  typename InputRegionType::IndexType begin;
  InputRegionType both;
  for (unsigned int axis = 0; axis < 3; ++axis)
  {
    begin[axis] = std::min(m_Boxes[0].GetIndex(axis), m_Boxes[1].GetIndex(axis));
    const auto end = std::max(m_Boxes[0].GetUpperIndex()[axis], m_Boxes[1].GetUpperIndex()[axis]);
    both.SetSize(axis, static_cast<SizeValueType>(end - begin[axis] + 1));
  }
  both.SetIndex(begin);
  const_cast<InputImageType *>(this->GetInput())->SetRequestedRegion(both);
}

template <typename TInputImage, typename TOutputImage>
void
Crop4VolumeFusionFilter<TInputImage, TOutputImage>::EnlargeOutputRequestedRegion(DataObject * output)
{
  Superclass::EnlargeOutputRequestedRegion(output);
  output->SetRequestedRegionToLargestPossibleRegion();
}

template <typename TInputImage, typename TOutputImage>
void
Crop4VolumeFusionFilter<TInputImage, TOutputImage>::CheckAbort() const
{
  if (this->GetAbortGenerateData())
  {
    ProcessAborted error(__FILE__, __LINE__);
    error.SetLocation(ITK_LOCATION);
    error.SetDescription("The cut of patches was aborted");
    throw error;
  }
}

template <typename TInputImage, typename TOutputImage>
void
Crop4VolumeFusionFilter<TInputImage, TOutputImage>::GenerateData()
{
  this->AllocateOutputs();
  this->UpdateProgress(0);
  const nn::Shape size{ static_cast<std::int64_t>(m_OutputSize[2]),
                        static_cast<std::int64_t>(m_OutputSize[1]),
                        static_cast<std::int64_t>(m_OutputSize[0]) };
  float * const patches[] = { this->GetOutput(0)->GetBufferPointer(), this->GetOutput(1)->GetBufferPointer() };
  const unsigned int threads = nn::GetPlanThreads(*this);
  for (unsigned int i = 0; i < 2; ++i)
  {
    // What is copied is the box alone.
    typename OutputImageType::ConstPointer volume;
    if constexpr (std::is_same<InputImageType, OutputImageType>::value)
    {
      volume = this->GetInput();
    }
    else
    {
      const auto box = OutputImageType::New();
      box->SetRegions(m_Boxes[i]);
      box->Allocate();
      ImageAlgorithm::Copy(this->GetInput(), box.GetPointer(), m_Boxes[i], m_Boxes[i]);
      volume = box;
    }
    const auto & extents = volume->GetBufferedRegion().GetSize();
    const nn::Shape shape{ static_cast<std::int64_t>(extents[2]),
                           static_cast<std::int64_t>(extents[1]),
                           static_cast<std::int64_t>(extents[0]) };
    const float * const pixels = volume->GetBufferPointer() + volume->ComputeOffset(m_Boxes[i].GetIndex());
    nn::ParallelFor(size[0],
                    threads,
                    [&](std::int64_t first, std::int64_t last)
                    { m_Crops[i].Resize(pixels, shape, size, first, last, patches[i]); });
    this->UpdateProgress(0.3F * static_cast<float>(i + 1));
    this->CheckAbort();
  }
  m_NextRandom = m_CropRandom;
  if (m_IntensityAugmentation)
  {
    const auto count = static_cast<std::size_t>(nn::NumberOfElements(size));
    const auto tones = nn::VolumeFusionTone::Draw(m_NextRandom, patches[0], patches[1], count, threads);
    this->UpdateProgress(0.8F);
    this->CheckAbort();
    const std::int64_t plane = size[1] * size[2];
    nn::ParallelFor(size[0],
                    threads,
                    [&](std::int64_t first, std::int64_t last)
                    {
                      for (std::size_t i = 0; i < 2; ++i)
                      {
                        tones[i].Apply(patches[i] + first * plane, static_cast<std::size_t>((last - first) * plane));
                      }
                    });
  }
  this->UpdateProgress(1);
}

template <typename TInputImage, typename TOutputImage>
void
Crop4VolumeFusionFilter<TInputImage, TOutputImage>::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  os << indent << "OutputSize: " << m_OutputSize << std::endl;
  os << indent << "LowerScale: " << m_LowerScale << std::endl;
  os << indent << "UpperScale: " << m_UpperScale << std::endl;
  os << indent << "SpatialAugmentation: " << m_SpatialAugmentation << std::endl;
  os << indent << "IntensityAugmentation: " << m_IntensityAugmentation << std::endl;
}
} // namespace itk

#endif
