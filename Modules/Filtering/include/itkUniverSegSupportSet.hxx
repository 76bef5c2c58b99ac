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
#ifndef itkUniverSegSupportSet_hxx
#define itkUniverSegSupportSet_hxx

#include "itkImageRegionConstIterator.h"
#include "itkUniverSegPixelConversion.h"

#include <algorithm>

namespace itk
{
template <typename TImage, typename TLabelImage>
void
UniverSegSupportSet::CheckPair(const TImage * image, const TLabelImage * labelImage) const
{
  static_assert(TImage::ImageDimension == TLabelImage::ImageDimension,
                "An image and its label image must have the same dimension");
  static_assert(std::is_arithmetic<typename TLabelImage::PixelType>::value, "Label images must have scalar pixels");
  if (image == nullptr || labelImage == nullptr)
  {
    itkExceptionMacro("The " << (image == nullptr ? "image" : "label image")
                             << " of a support is null; a support is an image and its label image");
  }
  const auto check = [this](const auto * any, const char * name)
  {
    if (any->GetLargestPossibleRegion().GetNumberOfPixels() == 0)
    {
      itkExceptionMacro("The " << name << " of a support has no pixels; its size is "
                               << any->GetLargestPossibleRegion().GetSize() << ". Update() the filter that makes it");
    }
    if (any->GetBufferedRegion() != any->GetLargestPossibleRegion())
    {
      itkExceptionMacro("The " << name << " of a support is not wholly in memory: buffered size "
                               << any->GetBufferedRegion().GetSize() << " of "
                               << any->GetLargestPossibleRegion().GetSize()
                               << ". Call UpdateLargestPossibleRegion() on the filter that makes it");
    }
  };
  check(image, "image");
  check(labelImage, "label image");
  const auto imageSize = image->GetLargestPossibleRegion().GetSize();
  const auto labelSize = labelImage->GetLargestPossibleRegion().GetSize();
  if (imageSize != labelSize)
  {
    itkExceptionMacro("The image of a support has size " << imageSize << " and its label image " << labelSize
                                                         << "; they should be the same");
  }
}

template <typename TImage, typename TLabelImage>
void
UniverSegSupportSet::PushBackSupport(const TImage * image, const TLabelImage * labelImage)
{
  static_assert(TImage::ImageDimension == 2, "PushBackSupport() takes 2-D images; see PushBackSupportVolume()");
  this->CheckPair(image, labelImage);
  const auto region = image->GetLargestPossibleRegion();
  const auto height = static_cast<std::int64_t>(region.GetSize(1));
  const auto width = static_cast<std::int64_t>(region.GetSize(0));
  nn::Tensor intensities({ height, width });
  auto firstBad = region.GetIndex();
  if (!CopyIntensities(image, region, intensities.template GetData<float>(), firstBad))
  {
    itkExceptionMacro("The image of a support is NaN or infinite at index " << firstBad
                                                                            << "; all intensities should be finite");
  }
  nn::Tensor labels({ height, width }, nn::DataType::Float64);
  auto * output = labels.template GetData<double>();
  for (ImageRegionConstIterator<TLabelImage> it(labelImage, labelImage->GetLargestPossibleRegion()); !it.IsAtEnd();
       ++it)
  {
    *output++ = static_cast<double>(it.Get());
  }
  this->PushBackTensors(intensities, labels);
}

template <typename TImage, typename TLabelImage>
void
UniverSegSupportSet::PushBackSupportVolume(const TImage * image,
                                           const TLabelImage * labelImage,
                                           unsigned int axis,
                                           const std::vector<IndexValueType> & slices)
{
  static_assert(TImage::ImageDimension == 3, "PushBackSupportVolume() takes 3-D images; see PushBackSupport()");
  this->CheckPair(image, labelImage);
  if (axis > 2)
  {
    itkExceptionMacro("The slice axis of a support volume is " << axis << "; should be 0, 1 or 2");
  }
  const auto region = image->GetLargestPossibleRegion();
  const unsigned int column = axis == 0 ? 1 : 0;
  const unsigned int row = axis == 2 ? 1 : 2;
  const auto height = static_cast<std::int64_t>(region.GetSize(row));
  const auto width = static_cast<std::int64_t>(region.GetSize(column));
  const auto depth = static_cast<IndexValueType>(region.GetSize(axis));

  std::vector<float> intensities(region.GetNumberOfPixels());
  auto firstBad = region.GetIndex();
  if (!CopyIntensities(image, region, intensities.data(), firstBad))
  {
    itkExceptionMacro("The image of a support is NaN or infinite at index " << firstBad
                                                                            << "; all intensities should be finite");
  }
  const auto statistics = std::make_shared<const IntensityStatistics>(intensities.data(), intensities.size());

  std::vector<IndexValueType> offsets;
  for (const IndexValueType slice : slices)
  {
    const IndexValueType offset = slice - region.GetIndex(axis);
    if (offset < 0 || offset >= depth)
    {
      itkExceptionMacro("Slice " << slice << " of a support volume along axis " << axis << "; should be from "
                                 << region.GetIndex(axis) << " to " << region.GetIndex(axis) + depth - 1);
    }
    offsets.push_back(offset);
  }

  std::vector<Support> supports;
  const auto labelRegion = labelImage->GetLargestPossibleRegion();
  const auto addSlice = [&](IndexValueType offset, bool onlyLabelled)
  {
    auto sliceRegion = labelRegion;
    sliceRegion.SetIndex(axis, labelRegion.GetIndex(axis) + offset);
    sliceRegion.SetSize(axis, 1);
    nn::Tensor labels({ height, width }, nn::DataType::Float64);
    auto * output = labels.template GetData<double>();
    bool labelled = false;
    for (ImageRegionConstIterator<TLabelImage> it(labelImage, sliceRegion); !it.IsAtEnd(); ++it, ++output)
    {
      *output = static_cast<double>(it.Get());
      labelled = labelled || *output != 0;
    }
    if (!labelled && onlyLabelled)
    {
      return;
    }
    auto imageRegion = region;
    imageRegion.SetIndex(axis, region.GetIndex(axis) + offset);
    imageRegion.SetSize(axis, 1);
    nn::Tensor plane({ height, width });
    CopyIntensities(image, imageRegion, plane.template GetData<float>(), firstBad);
    supports.push_back(this->MakeSupport(plane, labels, statistics));
  };
  if (slices.empty())
  {
    for (IndexValueType offset = 0; offset < depth; ++offset)
    {
      addSlice(offset, true);
    }
    if (supports.empty())
    {
      itkExceptionMacro("The label image of a support volume is 0 everywhere; at least one slice should be labelled");
    }
  }
  else
  {
    for (const IndexValueType offset : offsets)
    {
      addSlice(offset, false);
    }
  }
  this->Append(std::move(supports));
}
} // namespace itk

#endif
