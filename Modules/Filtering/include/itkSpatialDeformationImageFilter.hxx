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
#ifndef itkSpatialDeformationImageFilter_hxx
#define itkSpatialDeformationImageFilter_hxx

#include "itkImageRegionConstIteratorWithIndex.h"
#include "itkNumericTraits.h"
#include "itkSpatialDeformationImageFilter.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace itk
{
template <typename TImage, typename TLabelImage>
DataObject::Pointer
SpatialDeformationImageFilter<TImage, TLabelImage>::MakeOutput(const DataObjectIdentifierType & name)
{
  if (name == "Label")
  {
    return LabelImageType::New().GetPointer();
  }
  return Superclass::MakeOutput(name);
}

template <typename TImage, typename TLabelImage>
void
SpatialDeformationImageFilter<TImage, TLabelImage>::SetInput(unsigned int i, const ImageType * image)
{
  Superclass::SetInput(i, image);
  this->MakeOutputs();
}

template <typename TImage, typename TLabelImage>
void
SpatialDeformationImageFilter<TImage, TLabelImage>::MakeOutputs()
{
  const DataObjectPointerArraySizeType wanted =
    std::max<DataObjectPointerArraySizeType>(this->GetNumberOfIndexedInputs(), 1);
  for (DataObjectPointerArraySizeType i = this->GetNumberOfIndexedOutputs(); i < wanted; ++i)
  {
    this->SetNthOutput(i, this->MakeOutput(i));
  }
  this->SetNumberOfIndexedOutputs(wanted);
}

template <typename TImage, typename TLabelImage>
void
SpatialDeformationImageFilter<TImage, TLabelImage>::SetLabelImage(const LabelImageType * image)
{
  this->ProcessObject::SetInput("LabelImage", const_cast<LabelImageType *>(image));
  if (image == nullptr)
  {
    this->RemoveOutput("Label");
  }
  else if (!this->HasOutput("Label"))
  {
    this->SetOutput("Label", this->MakeOutput("Label"));
  }
}

template <typename TImage, typename TLabelImage>
auto
SpatialDeformationImageFilter<TImage, TLabelImage>::GetLabelOutput() -> LabelImageType *
{
  if (!this->HasOutput("Label"))
  {
    itkExceptionMacro("There is no label output; call SetLabelImage() before");
  }
  return dynamic_cast<LabelImageType *>(this->ProcessObject::GetOutput("Label"));
}

template <typename TImage, typename TLabelImage>
void
SpatialDeformationImageFilter<TImage, TLabelImage>::Append(const nn::SpatialDeformation::Operation & operation,
                                                           double probability)
{
  m_Operations.push_back({ operation, probability });
  this->Modified();
}

template <typename TImage, typename TLabelImage>
void
SpatialDeformationImageFilter<TImage, TLabelImage>::AppendScale(double factor, double probability)
{
  this->Append(nn::SpatialDeformation::Scale{ factor }, probability);
}

template <typename TImage, typename TLabelImage>
void
SpatialDeformationImageFilter<TImage, TLabelImage>::AppendFlip(const FlipAxesType & axes, double probability)
{
  nn::SpatialDeformation::Flip flip;
  for (unsigned int axis = ImageDimension; axis-- > 0;)
  {
    if (axes[axis])
    {
      flip.axes.push_back(static_cast<int>(ImageDimension - 1 - axis));
    }
  }
  this->Append(flip, probability);
}

template <typename TImage, typename TLabelImage>
void
SpatialDeformationImageFilter<TImage, TLabelImage>::AppendTranslate(const OffsetType & offset, double probability)
{
  nn::SpatialDeformation::Translate translate;
  translate.offset.assign(offset.Begin(), offset.End());
  std::reverse(translate.offset.begin(), translate.offset.end());
  this->Append(translate, probability);
}

template <typename TImage, typename TLabelImage>
void
SpatialDeformationImageFilter<TImage, TLabelImage>::AppendRotate(const AnglesType & angles, double probability)
{
  nn::SpatialDeformation::Rotate rotate;
  rotate.angles.assign(angles.Begin(), angles.End());
  std::reverse(rotate.angles.begin(), rotate.angles.end());
  this->Append(rotate, probability);
}

template <typename TImage, typename TLabelImage>
void
SpatialDeformationImageFilter<TImage, TLabelImage>::AppendElastic(
  double sigma, double alpha, double probability, const std::string & boundary, double value, double truncate)
{
  this->Append(nn::SpatialDeformation::Elastic{ sigma, alpha, nn::GetBoundaryMode(boundary), value, truncate },
               probability);
}

template <typename TImage, typename TLabelImage>
void
SpatialDeformationImageFilter<TImage, TLabelImage>::ClearOperations()
{
  m_Operations.clear();
  this->Modified();
}

template <typename TImage, typename TLabelImage>
void
SpatialDeformationImageFilter<TImage, TLabelImage>::VerifyPreconditions() ITKv5_CONST
{
  Superclass::VerifyPreconditions();
  for (unsigned int i = 0; i < this->GetNumberOfIndexedInputs(); ++i)
  {
    if (this->GetInput(i) == nullptr)
    {
      itkExceptionMacro("Input " << i << " is missing; should be there, as there are "
                                 << this->GetNumberOfIndexedInputs() << " inputs");
    }
  }
}

template <typename TImage, typename TLabelImage>
void
SpatialDeformationImageFilter<TImage, TLabelImage>::VerifyInputInformation() ITKv5_CONST
{
  Superclass::VerifyInputInformation();
  const auto & region = this->GetInput()->GetLargestPossibleRegion();
  const auto verify = [&](const auto & other, const std::string & name)
  {
    if (other != region)
    {
      itkExceptionMacro(<< name << " has the size " << other.GetSize() << " and the index " << other.GetIndex()
                        << "; they should be those of the first image, " << region.GetSize() << " and "
                        << region.GetIndex());
    }
  };
  for (unsigned int i = 1; i < this->GetNumberOfIndexedInputs(); ++i)
  {
    verify(this->GetInput(i)->GetLargestPossibleRegion(), "Input " + std::to_string(i));
  }
  if (this->GetLabelImage() != nullptr)
  {
    verify(this->GetLabelImage()->GetLargestPossibleRegion(), "The label image");
  }
}

template <typename TImage, typename TLabelImage>
void
SpatialDeformationImageFilter<TImage, TLabelImage>::GenerateOutputInformation()
{
  // Inputs may have been set or removed by other ways than SetInput().
  this->MakeOutputs();
  Superclass::GenerateOutputInformation();
}

template <typename TImage, typename TLabelImage>
void
SpatialDeformationImageFilter<TImage, TLabelImage>::EnlargeOutputRequestedRegion(DataObject * output)
{
  Superclass::EnlargeOutputRequestedRegion(output);
  output->SetRequestedRegionToLargestPossibleRegion();
}

template <typename TImage, typename TLabelImage>
void
SpatialDeformationImageFilter<TImage, TLabelImage>::GenerateInputRequestedRegion()
{
  Superclass::GenerateInputRequestedRegion();
  for (InputDataObjectIterator it(this); !it.IsAtEnd(); ++it)
  {
    if (it.GetInput() != nullptr)
    {
      it.GetInput()->SetRequestedRegionToLargestPossibleRegion();
    }
  }
}

template <typename TImage, typename TLabelImage>
template <typename TAnyImage>
void
SpatialDeformationImageFilter<TImage, TLabelImage>::CopyPixels(const TAnyImage * image,
                                                               nn::Tensor & pixels,
                                                               std::int64_t offset)
{
  using Pixel = typename TAnyImage::PixelType;
  const auto copy = [&](auto * to)
  {
    using Value = std::remove_pointer_t<decltype(to)>;
    constexpr bool mayRound = std::numeric_limits<Pixel>::digits > std::numeric_limits<Value>::digits;
    to += offset;
    for (ImageRegionConstIteratorWithIndex<TAnyImage> it(image, image->GetLargestPossibleRegion()); !it.IsAtEnd();
         ++it, ++to)
    {
      *to = static_cast<Value>(it.Get());
      if constexpr (mayRound && std::is_same<TAnyImage, LabelImageType>::value)
      {
        // A power of two is exact, and the first that a label can not be.
        const bool fits = *to < std::ldexp(Value{ 1 }, std::numeric_limits<Pixel>::digits);
        if (!fits || static_cast<Pixel>(*to) != it.Get())
        {
          itkGenericExceptionMacro("Spatial deformation: the label at index "
                                   << it.GetIndex() << " is " << it.Get() << "; should be a value that a "
                                   << (std::is_same<Value, float>::value ? "float32" : "float64")
                                   << " holds. Use SetPrecision(\"float64\") or fewer labels");
        }
      }
    }
  };
  if (pixels.GetDataType() == nn::DataType::Float64)
  {
    copy(pixels.GetData<double>());
  }
  else
  {
    copy(pixels.GetData<float>());
  }
}

template <typename TImage, typename TLabelImage>
template <typename TAnyImage>
void
SpatialDeformationImageFilter<TImage, TLabelImage>::Paste(const nn::Tensor & pixels,
                                                          std::int64_t offset,
                                                          TAnyImage * image)
{
  using Pixel = typename TAnyImage::PixelType;
  const auto paste = [&](const auto * from)
  {
    from += offset;
    std::transform(from,
                   from + image->GetBufferedRegion().GetNumberOfPixels(),
                   image->GetBufferPointer(),
                   [](auto value)
                   {
                     if constexpr (std::is_integral<Pixel>::value)
                     {
                       constexpr auto high = static_cast<double>(std::numeric_limits<Pixel>::max());
                       constexpr auto low = static_cast<double>(std::numeric_limits<Pixel>::lowest());
                       const double rounded = std::floor(static_cast<double>(value) + 0.5);
                       return rounded >= high ? std::numeric_limits<Pixel>::max()
                            : rounded <= low  ? std::numeric_limits<Pixel>::lowest()
                                              : static_cast<Pixel>(rounded);
                     }
                     else
                     {
                       return static_cast<Pixel>(value);
                     }
                   });
  };
  if (pixels.GetDataType() == nn::DataType::Float64)
  {
    paste(pixels.GetData<double>());
  }
  else
  {
    paste(pixels.GetData<float>());
  }
}

template <typename TImage, typename TLabelImage>
void
SpatialDeformationImageFilter<TImage, TLabelImage>::GenerateData()
{
  m_DoneOperations.clear();
  nn::RunFilter(*this, "deformation", [this] { this->Deform(); });
}

template <typename TImage, typename TLabelImage>
void
SpatialDeformationImageFilter<TImage, TLabelImage>::Deform()
{
  const auto region = this->GetOutput()->GetLargestPossibleRegion();
  nn::Shape size;
  for (unsigned int axis = ImageDimension; axis-- > 0;)
  {
    size.push_back(static_cast<std::int64_t>(region.GetSize(axis)));
  }
  const nn::DrawnSpatialDeformation drawn = nn::DrawSpatialDeformation(m_Operations, size, m_Seed);
  m_Runner.SetComputation(m_Backend, m_Device, m_Precision, nn::GetPlanThreads(*this));

  nn::Sampling sampling;
  sampling.boundary = nn::GetBoundaryMode(m_Boundary);
  sampling.cudaSpatialDeformRules = m_CudaSpatialDeformRules;
  std::vector<nn::DeformedImage> images(1);
  images[0].channels = static_cast<std::int64_t>(this->GetNumberOfIndexedInputs());
  images[0].sampling = sampling;
  images[0].sampling.mode = nn::GetInterpolationMode(m_Interpolation);
  images[0].sampling.value = static_cast<double>(m_DefaultPixelValue);
  const LabelImageType * labels = this->GetLabelImage();
  if (labels != nullptr)
  {
    images.push_back({ "label", 1, 1, sampling });
    images[1].sampling.mode = nn::InterpolationMode::Nearest;
    images[1].sampling.value = static_cast<double>(m_DefaultLabel);
  }

  const auto count = static_cast<std::int64_t>(region.GetNumberOfPixels());
  nn::TensorMap pixels;
  for (const auto & image : images)
  {
    nn::Shape shape{ 1, image.channels };
    shape.insert(shape.end(), size.begin(), size.end());
    pixels[image.name] = nn::Tensor(shape, m_Runner.GetPrecision());
  }
  for (unsigned int i = 0; i < this->GetNumberOfIndexedInputs(); ++i)
  {
    CopyPixels(this->GetInput(i), pixels["image"], i * count);
  }
  if (labels != nullptr)
  {
    CopyPixels(labels, pixels["label"], 0);
  }

  const nn::RunHooks hooks = nn::MakeRunHooks(*this);
  const nn::TensorMap deformed = m_Runner.Run(drawn, size, images, std::move(pixels), hooks);
  this->AllocateOutputs();
  for (unsigned int i = 0; i < this->GetNumberOfIndexedInputs(); ++i)
  {
    Paste(deformed.at("image"), i * count, this->GetOutput(i));
  }
  if (labels != nullptr)
  {
    Paste(deformed.at("label"), 0, this->GetLabelOutput());
  }
  m_DoneOperations = drawn.GetNames();
}

template <typename TImage, typename TLabelImage>
void
SpatialDeformationImageFilter<TImage, TLabelImage>::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  os << indent << "Operations:";
  for (const auto & [operation, probability] : m_Operations)
  {
    os << ' ' << nn::GetSpatialOperationName(operation) << " (" << probability << ')';
  }
  os << std::endl;
  os << indent << "Seed: " << m_Seed << std::endl;
  os << indent << "Interpolation: " << m_Interpolation << std::endl;
  os << indent << "Boundary: " << m_Boundary << std::endl;
  using PrintType = typename NumericTraits<PixelType>::PrintType;
  os << indent << "DefaultPixelValue: " << static_cast<PrintType>(m_DefaultPixelValue) << std::endl;
  using LabelPrintType = typename NumericTraits<LabelPixelType>::PrintType;
  os << indent << "DefaultLabel: " << static_cast<LabelPrintType>(m_DefaultLabel) << std::endl;
  os << indent << "CudaSpatialDeformRules: " << (m_CudaSpatialDeformRules ? "On" : "Off") << std::endl;
  os << indent << "Backend: " << m_Backend << std::endl;
  os << indent << "Device: " << m_Device << std::endl;
  os << indent << "Precision: " << m_Precision << std::endl;
  os << indent << "DoneOperations:";
  for (const auto & name : m_DoneOperations)
  {
    os << ' ' << name;
  }
  os << std::endl;
}
} // namespace itk

#endif
