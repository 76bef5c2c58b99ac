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
#include "universegVolumes.h"

#include "itkConnectedComponentImageFilter.h"
#include "itkImageRegionConstIterator.h"
#include "itkImageRegionIterator.h"
#include "itkRelabelComponentImageFilter.h"

#include <algorithm>

namespace universeg
{
namespace
{
template <typename TImage, typename TPixel>
typename TImage::Pointer
MakeImage(const TPixel * pixels, const Volume & geometry)
{
  const auto image = TImage::New();
  image->CopyInformation(&geometry);
  image->SetRegions(geometry.GetLargestPossibleRegion());
  image->Allocate();
  std::copy_n(pixels, geometry.GetLargestPossibleRegion().GetNumberOfPixels(), image->GetBufferPointer());
  return image;
}

/** 1 in the largest component of a mask, else other numbers. */
LabelVolume::Pointer
RankComponents(const LabelVolume * mask)
{
  const auto connect = itk::ConnectedComponentImageFilter<LabelVolume, LabelVolume>::New();
  connect->SetInput(mask);
  connect->FullyConnectedOff();
  const auto sort = itk::RelabelComponentImageFilter<LabelVolume, LabelVolume>::New();
  sort->SetInput(connect->GetOutput());
  sort->Update();
  return sort->GetOutput();
}

/** Label 0 where a mask of pixels with the label (or with any, for 0) has more than its largest
 * component. */
void
KeepLargest(LabelVolume & labels, std::int32_t label)
{
  const auto mask = LabelVolume::New();
  mask->CopyInformation(&labels);
  mask->SetRegions(labels.GetLargestPossibleRegion());
  mask->Allocate();
  const auto count = labels.GetLargestPossibleRegion().GetNumberOfPixels();
  std::int32_t * pixels = labels.GetBufferPointer();
  const auto isInside = [label](std::int32_t value) { return label == 0 ? value != 0 : value == label; };
  std::transform(
    pixels, pixels + count, mask->GetBufferPointer(), [&](std::int32_t value) { return isInside(value) ? 1 : 0; });
  const auto ranks = RankComponents(mask);
  std::transform(pixels,
                 pixels + count,
                 ranks->GetBufferPointer(),
                 pixels,
                 [&](std::int32_t value, std::int32_t rank) { return isInside(value) && rank != 1 ? 0 : value; });
}
} // namespace

LabelVolume::Pointer
ToLabelVolume(const itk::nn::Tensor & labels, const Volume & geometry)
{
  return MakeImage<LabelVolume>(labels.GetData<std::int32_t>(), geometry);
}

Volume::Pointer
ToVolume(const itk::nn::Tensor & values, const Volume & geometry)
{
  return MakeImage<Volume>(values.GetData<float>(), geometry);
}

void
KeepLargestComponent(LabelVolume & labels, bool isPerLabel)
{
  if (!isPerLabel)
  {
    KeepLargest(labels, 0);
    return;
  }
  for (const std::int32_t label : FindLabels(labels))
  {
    KeepLargest(labels, label);
  }
}

itk::nn::RawCase
ToRawCase(const LoadedImage & image)
{
  itk::nn::RawCase result;
  for (std::size_t c = 0; c < image.components; ++c)
  {
    const auto channel = Volume::New();
    channel->CopyInformation(image.geometry);
    channel->SetRegions(image.geometry->GetLargestPossibleRegion());
    channel->Allocate();
    float * pixel = channel->GetBufferPointer();
    for (std::size_t i = c; i < image.pixels.size(); i += image.components)
    {
      *pixel++ = image.pixels[i];
    }
    result.modalities.push_back({ channel.GetPointer(), image.pixelType });
  }
  return result;
}
} // namespace universeg
