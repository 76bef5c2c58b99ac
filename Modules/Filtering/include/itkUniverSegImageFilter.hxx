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
#ifndef itkUniverSegImageFilter_hxx
#define itkUniverSegImageFilter_hxx

#include "itkImageRegionIterator.h"
#include "itkMath.h"

#include <algorithm>
#include <memory>

namespace itk
{
template <typename TInputImage, typename TOutputImage>
DataObject::Pointer
UniverSegImageFilter<TInputImage, TOutputImage>::MakeOutput(DataObjectPointerArraySizeType i)
{
  if (i == 0)
  {
    return TOutputImage::New().GetPointer();
  }
  return ProbabilityImageType::New().GetPointer();
}

template <typename TInputImage, typename TOutputImage>
auto
UniverSegImageFilter<TInputImage, TOutputImage>::GetProbabilityOutput(unsigned int i) -> ProbabilityImageType *
{
  if (!m_ProduceProbabilities)
  {
    itkExceptionMacro("There are no probability outputs; call ProduceProbabilitiesOn() before Update()");
  }
  if (this->GetSupportSet() != nullptr && i >= this->GetOutputLabels().size())
  {
    itkExceptionMacro("There is no probability output " << i << "; the number of labels to segment is "
                                                        << this->GetOutputLabels().size());
  }
  // Those before it too: none may be missing.
  for (auto output = static_cast<unsigned int>(this->GetNumberOfIndexedOutputs()); output < i + 2; ++output)
  {
    this->SetNthOutput(output, this->MakeOutput(output));
  }
  return dynamic_cast<ProbabilityImageType *>(this->ProcessObject::GetOutput(i + 1));
}

template <typename TInputImage, typename TOutputImage>
auto
UniverSegImageFilter<TInputImage, TOutputImage>::GetOutputLabels() const -> std::vector<LabelType>
{
  if (this->GetSupportSet() == nullptr)
  {
    itkExceptionMacro("No support set is given; call SetSupportSet()");
  }
  return UniverSegPredictor::SelectLabels(*this->GetSupportSet(), m_IncludeBackground);
}

template <typename TInputImage, typename TOutputImage>
void
UniverSegImageFilter<TInputImage, TOutputImage>::VerifyPreconditions() const
{
  Superclass::VerifyPreconditions();
  const auto * supports = this->GetSupportSet();
  if (supports == nullptr)
  {
    itkExceptionMacro("No support set is given; call SetSupportSet() with at least one image and its label image");
  }
  if (supports->GetNumberOfSupports() == 0)
  {
    itkExceptionMacro("The support set is empty; it needs at least one image and its label image");
  }
  if (ImageDimension == 3 && m_SliceAxis >= ImageDimension)
  {
    itkExceptionMacro("SliceAxis is " << m_SliceAxis << "; should be 0, 1 or 2");
  }
  if (!(m_Threshold >= 0 && m_Threshold <= 1))
  {
    itkExceptionMacro("Threshold is " << m_Threshold << "; should be in [0, 1]");
  }
}

template <typename TInputImage, typename TOutputImage>
void
UniverSegImageFilter<TInputImage, TOutputImage>::GenerateOutputInformation()
{
  const auto labels = static_cast<unsigned int>(m_ProduceProbabilities ? this->GetOutputLabels().size() : 0);
  const auto time = this->GetOutput()->GetPipelineMTime();
  for (auto i = static_cast<unsigned int>(this->GetNumberOfIndexedOutputs()); i < labels + 1; ++i)
  {
    this->SetNthOutput(i, this->MakeOutput(i));
    this->ProcessObject::GetOutput(i)->SetPipelineMTime(time);
  }
  this->SetNumberOfIndexedOutputs(labels + 1);
  Superclass::GenerateOutputInformation();
  if (this->GetOutput()->GetLargestPossibleRegion().GetNumberOfPixels() == 0)
  {
    itkExceptionMacro("The input image has no pixels; its size is "
                      << this->GetOutput()->GetLargestPossibleRegion().GetSize());
  }
}

template <typename TInputImage, typename TOutputImage>
void
UniverSegImageFilter<TInputImage, TOutputImage>::EnlargeOutputRequestedRegion(DataObject * output)
{
  Superclass::EnlargeOutputRequestedRegion(output);
  auto * image = dynamic_cast<ImageBase<ImageDimension> *>(output);
  if (image == nullptr)
  {
    return;
  }
  RegionType region = image->GetLargestPossibleRegion();
  if (ImageDimension == 3)
  {
    region.SetIndex(m_SliceAxis, image->GetRequestedRegion().GetIndex(m_SliceAxis));
    region.SetSize(m_SliceAxis, image->GetRequestedRegion().GetSize(m_SliceAxis));
  }
  image->SetRequestedRegion(region);
}

template <typename TInputImage, typename TOutputImage>
void
UniverSegImageFilter<TInputImage, TOutputImage>::GenerateInputRequestedRegion()
{
  Superclass::GenerateInputRequestedRegion();
  auto * input = const_cast<TInputImage *>(this->GetInput());
  if (input != nullptr && m_Normalization.NeedsStatistics())
  {
    input->SetRequestedRegionToLargestPossibleRegion();
  }
}

template <typename TInputImage, typename TOutputImage>
auto
UniverSegImageFilter<TInputImage, TOutputImage>::MakeSlices(const RegionType & region) const -> std::vector<RegionType>
{
  if (ImageDimension == 2)
  {
    return { region };
  }
  std::vector<RegionType> slices(region.GetSize(m_SliceAxis), region);
  for (std::size_t i = 0; i < slices.size(); ++i)
  {
    slices[i].SetIndex(m_SliceAxis, region.GetIndex(m_SliceAxis) + static_cast<IndexValueType>(i));
    slices[i].SetSize(m_SliceAxis, 1);
  }
  return slices;
}

template <typename TInputImage, typename TOutputImage>
UniverSegPredictor::Options
UniverSegImageFilter<TInputImage, TOutputImage>::MakeOptions() const
{
  UniverSegPredictor::Options options;
  options.plan.backend = m_Backend;
  nn::SetComputation(options.plan, m_Device, m_Precision);
  options.plan.deterministic = m_Deterministic;
  options.plan.threads = nn::GetPlanThreads(*this);
  options.normalization = m_Normalization;
  options.gridSize = m_GridSize;
  options.ensembleSize = m_EnsembleSize;
  options.ensembleSupportSize = m_EnsembleSupportSize;
  options.seed = m_Seed;
  options.maximumNumberOfSupports = m_MaximumNumberOfSupports;
  options.numberOfNearestSupports = m_NumberOfNearestSupports;
  options.includeBackground = m_IncludeBackground;
  options.sliceBatchSize = m_SliceBatchSize;
  return options;
}

template <typename TInputImage, typename TOutputImage>
void
UniverSegImageFilter<TInputImage, TOutputImage>::CheckLabels(const UniverSegPredictor & predictor) const
{
  if (predictor.IsBinary())
  {
    return;
  }
  for (const LabelType label : predictor.GetLabels())
  {
    const auto low = static_cast<double>(NumericTraits<OutputPixelType>::NonpositiveMin());
    const auto high = static_cast<double>(NumericTraits<OutputPixelType>::max());
    if (static_cast<double>(label) < low || static_cast<double>(label) > high)
    {
      itkExceptionMacro("The support set has the label " << label << ", which the output pixel type, from " << low
                                                         << " to " << high
                                                         << ", cannot hold; use another output image type");
    }
  }
}

template <typename TInputImage, typename TOutputImage>
void
UniverSegImageFilter<TInputImage, TOutputImage>::GenerateData()
{
  nn::RunFilter(*this, "segmentation", [this] { this->Segment(); });
}

template <typename TInputImage, typename TOutputImage>
void
UniverSegImageFilter<TInputImage, TOutputImage>::Segment()
{
  const TInputImage * input = this->GetInput();
  const SegmentationModel::Pointer defaultModel =
    this->GetModel() == nullptr ? SegmentationModel::GetDefault() : SegmentationModel::Pointer();
  const SegmentationModel & model = this->GetModel() == nullptr ? *defaultModel : *this->GetModel();
  const UniverSegPredictor predictor(model, *this->GetSupportSet(), this->MakeOptions());
  const auto & labels = predictor.GetLabels();
  this->CheckLabels(predictor);

  const auto copy = [this, input](const RegionType & region, float * output)
  {
    typename TInputImage::IndexType firstBad{};
    if (!CopyIntensities(input, region, output, firstBad))
    {
      itkExceptionMacro("The input image is NaN or infinite at index "
                        << firstBad << "; all intensities should be finite. Replace them before segmenting");
    }
  };
  std::unique_ptr<const IntensityStatistics> statistics;
  if (m_Normalization.NeedsStatistics())
  {
    const RegionType whole = input->GetLargestPossibleRegion();
    std::vector<float> intensities(whole.GetNumberOfPixels());
    copy(whole, intensities.data());
    statistics = std::make_unique<const IntensityStatistics>(
      intensities.data(), intensities.size(), m_Normalization.method == NormalizationEnum::Percentile);
  }

  this->AllocateOutputs();
  const std::vector<RegionType> slices = this->MakeSlices(this->GetOutput()->GetRequestedRegion());
  const unsigned int column = ImageDimension == 3 && m_SliceAxis == 0 ? 1 : 0;
  const unsigned int row = ImageDimension == 3 && m_SliceAxis != 2 ? 2 : 1;
  const auto height = static_cast<std::int64_t>(slices.front().GetSize(row));
  const auto width = static_cast<std::int64_t>(slices.front().GetSize(column));
  const std::int64_t pixels = height * width;

  nn::RunHooks hooks = nn::MakeRunHooks(*this);
  std::size_t batch = 0;
  for (std::size_t first = 0; first < slices.size(); first += batch)
  {
    batch = std::min<std::size_t>(predictor.GetSliceBatchSize(), slices.size() - first);
    hooks.progress = [this, first, batch, &slices](double part)
    {
      const double done = static_cast<double>(first) + part * static_cast<double>(batch);
      this->UpdateProgress(static_cast<float>(done / static_cast<double>(slices.size())));
    };
    nn::Tensor intensities({ static_cast<std::int64_t>(batch), height, width });
    for (std::size_t i = 0; i < batch; ++i)
    {
      copy(slices[first + i], intensities.GetData<float>() + static_cast<std::int64_t>(i) * pixels);
    }
    const std::vector<nn::Tensor> probabilities = predictor.Predict(intensities, statistics.get(), hooks);
    const nn::Tensor winners = predictor.Combine(probabilities, m_Threshold);
    for (std::size_t i = 0; i < batch; ++i)
    {
      const auto offset = static_cast<std::int64_t>(i) * pixels;
      const auto * winner = winners.GetData<std::int32_t>() + offset;
      for (ImageRegionIterator<TOutputImage> it(this->GetOutput(), slices[first + i]); !it.IsAtEnd(); ++it, ++winner)
      {
        it.Set(*winner == 0           ? OutputPixelType{}
               : predictor.IsBinary() ? m_ForegroundValue
                                      : static_cast<OutputPixelType>(labels[static_cast<std::size_t>(*winner) - 1]));
      }
      for (unsigned int k = 0; m_ProduceProbabilities && k < labels.size(); ++k)
      {
        const auto * probability = probabilities[k].template GetData<float>() + offset;
        for (ImageRegionIterator<ProbabilityImageType> it(this->GetProbabilityOutput(k), slices[first + i]);
             !it.IsAtEnd();
             ++it)
        {
          it.Set(*probability++);
        }
      }
    }
  }
}

template <typename TInputImage, typename TOutputImage>
void
UniverSegImageFilter<TInputImage, TOutputImage>::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  os << indent << "Threshold: " << m_Threshold << '\n';
  os << indent
     << "ForegroundValue: " << static_cast<typename NumericTraits<OutputPixelType>::PrintType>(m_ForegroundValue)
     << '\n';
  os << indent << "SliceAxis: " << m_SliceAxis << '\n';
  os << indent << "SliceBatchSize: " << m_SliceBatchSize << '\n';
  os << indent << "Normalization: " << m_Normalization.method << '\n';
  os << indent << "LowerPercentile: " << m_Normalization.lowerPercentile << '\n';
  os << indent << "UpperPercentile: " << m_Normalization.upperPercentile << '\n';
  os << indent << "WindowMinimum: " << m_Normalization.windowMinimum << '\n';
  os << indent << "WindowMaximum: " << m_Normalization.windowMaximum << '\n';
  os << indent << "GridSize: " << m_GridSize << '\n';
  os << indent << "IncludeBackground: " << (m_IncludeBackground ? "On" : "Off") << '\n';
  os << indent << "EnsembleSize: " << m_EnsembleSize << '\n';
  os << indent << "EnsembleSupportSize: " << m_EnsembleSupportSize << '\n';
  os << indent << "Seed: " << m_Seed << '\n';
  os << indent << "MaximumNumberOfSupports: " << m_MaximumNumberOfSupports << '\n';
  os << indent << "NumberOfNearestSupports: " << m_NumberOfNearestSupports << '\n';
  os << indent << "Backend: " << m_Backend << '\n';
  os << indent << "Device: " << m_Device << '\n';
  os << indent << "Precision: " << m_Precision << '\n';
  os << indent << "Deterministic: " << m_Deterministic << '\n';
  os << indent << "ProduceProbabilities: " << (m_ProduceProbabilities ? "On" : "Off") << '\n';
}
} // namespace itk

#endif
