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
#include "itkNNImageGrids.h"

#include "itkNNError.h"

#include "itkBSplineInterpolateImageFunction.h"
#include "itkNearestNeighborInterpolateImageFunction.h"

#include <cmath>
#include <limits>

namespace itk
{
namespace nn
{
namespace
{
template <typename T>
void
ToRangeOf(double * values, std::size_t count)
{
  // Both ends of 64 bits are beyond what a double tells from its neighbours.
  const auto low = static_cast<double>(std::numeric_limits<T>::lowest());
  const auto high = static_cast<double>(std::numeric_limits<T>::max());
  std::transform(
    values, values + count, values, [low, high](double value) { return std::trunc(std::clamp(value, low, high)); });
}
} // namespace

ImageBase<3>::SpacingType
ToSpacing(const std::vector<double> & values)
{
  ImageBase<3>::SpacingType spacing;
  std::copy(values.rbegin(), values.rend(), spacing.Begin());
  return spacing;
}

Shape
ToShape(const ImageBase<3>::SizeType & size)
{
  return { static_cast<std::int64_t>(size[2]), static_cast<std::int64_t>(size[1]), static_cast<std::int64_t>(size[0]) };
}

ImageBase<3>::SizeType
ToSize(const Shape & shape)
{
  ImageBase<3>::SizeType size;
  std::transform(
    shape.rbegin(), shape.rend(), size.begin(), [](std::int64_t extent) { return static_cast<SizeValueType>(extent); });
  return size;
}

ImageBase<3>::Pointer
MakeGrid(const ImageBase<3> & geometry, const ImageBase<3>::SizeType & size, const ImageBase<3>::SpacingType & spacing)
{
  const auto grid = ImageBase<3>::New();
  grid->SetRegions(size);
  grid->SetSpacing(spacing);
  grid->SetOrigin(geometry.GetOrigin());
  grid->SetDirection(geometry.GetDirection());
  return grid;
}

LabelVolume::Pointer
ResampleNearest(const LabelVolume & labels, const ImageBase<3> & grid, Outside outside)
{
  const auto nearest = NearestNeighborInterpolateImageFunction<LabelVolume, double>::New();
  return Resample<LabelVolume>(labels, nearest, grid, outside);
}

PreciseVolume::Pointer
ResampleSpline(const PreciseVolume & image,
               DataType pixelType,
               const ImageBase<3> & grid,
               Outside outside,
               const Transform<double, 3, 3> * transform)
{
  const auto spline = BSplineInterpolateImageFunction<PreciseVolume, double, double>::New();
  const auto result = Resample<PreciseVolume>(image, spline, grid, outside, transform);
  ToPixelType(pixelType, result->GetBufferPointer(), result->GetBufferedRegion().GetNumberOfPixels());
  return result;
}

void
ToPixelType(DataType type, double * values, std::size_t count)
{
  switch (type)
  {
    case DataType::Int8:
      ToRangeOf<std::int8_t>(values, count);
      return;
    case DataType::UInt8:
      ToRangeOf<std::uint8_t>(values, count);
      return;
    case DataType::Int16:
      ToRangeOf<std::int16_t>(values, count);
      return;
    case DataType::UInt16:
      ToRangeOf<std::uint16_t>(values, count);
      return;
    case DataType::Int32:
      ToRangeOf<std::int32_t>(values, count);
      return;
    case DataType::Int64:
      ToRangeOf<std::int64_t>(values, count);
      return;
    case DataType::Float32:
      std::transform(
        values, values + count, values, [](double value) { return static_cast<double>(static_cast<float>(value)); });
      return;
    default:
      return;
  }
}

void
CheckRawCase(const RawCase & images)
{
  itkNNRequireMacro(!images.modalities.empty(), "Preprocessing: there is no modality; should be one or more");
  const auto isGrid = [&](const ImageBase<3> & image)
  {
    return image.GetBufferedRegion() == image.GetLargestPossibleRegion() &&
           image.GetBufferedRegion().GetSize() == images.modalities.front().image->GetBufferedRegion().GetSize();
  };
  for (std::size_t i = 0; i < images.modalities.size(); ++i)
  {
    const RawImage & modality = images.modalities[i];
    itkNNRequireMacro(modality.image.IsNotNull(), "Preprocessing: modality " << i << " has no image");
    const Image<float, 3> & image = *modality.image;
    itkNNRequireMacro(isGrid(image) && image.GetBufferedRegion().GetNumberOfPixels() > 0,
                      "Preprocessing: modality "
                        << i << " has the size " << ToString(ToShape(image.GetBufferedRegion().GetSize()))
                        << "; should have voxels, all of them in memory, and the size of the first modality, "
                        << ToString(ToShape(images.modalities.front().image->GetLargestPossibleRegion().GetSize())));
    itkNNRequireMacro(modality.pixelType != DataType::Float16 && modality.pixelType != DataType::BFloat16 &&
                        modality.pixelType != DataType::Bool,
                      "Preprocessing: the pixels of modality " << i << " are " << ToString(modality.pixelType)
                                                               << "; should be float32, float64 or of an integer type");
    const float * const first = image.GetBufferPointer();
    const float * const last = first + image.GetBufferedRegion().GetNumberOfPixels();
    const float * const bad = std::find_if(first, last, [](float value) { return !std::isfinite(value); });
    itkNNRequireMacro(bad == last,
                      "Preprocessing: voxel " << (bad - first) << " of modality " << i << " is no finite number");
  }
  itkNNRequireMacro(images.labels.IsNull() || isGrid(*images.labels),
                    "Preprocessing: the labels have the size "
                      << ToString(ToShape(images.labels->GetBufferedRegion().GetSize()))
                      << "; should have that of the first modality, "
                      << ToString(ToShape(images.modalities.front().image->GetLargestPossibleRegion().GetSize())));
}
} // namespace nn
} // namespace itk
