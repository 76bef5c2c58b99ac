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
#include "itkU2NetPreprocessing.h"

#include "itkNNAxisMaps.h"
#include "itkNNText.h"
#include "itkNNVolumeFusion.h"

#include "itkBSplineInterpolateImageFunction.h"
#include "itkNearestNeighborInterpolateImageFunction.h"
#include "itkResampleImageFilter.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace itk
{
namespace nn
{
namespace
{
using Volume = Image<float, 3>;
using LabelVolume = Image<std::int32_t, 3>;
using Region = ImageRegion<3>;
using Spacing = ImageBase<3>::SpacingType;

/** The nearest double to a number that is written with 3 decimals, as Python's round(). */
double
RoundToThousandths(double value)
{
  const std::string text = FormatFixed(value, 3);
  double rounded = 0;
  std::from_chars(text.data(), text.data() + text.size(), rounded);
  return rounded;
}

/** x, y, z of z, y, x. */
Spacing
ToSpacing(const std::vector<double> & values)
{
  Spacing spacing;
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

Spacing
Rounded(Spacing spacing)
{
  std::transform(spacing.Begin(), spacing.End(), spacing.Begin(), RoundToThousandths);
  return spacing;
}

/** A new image, its first index 0. */
template <typename TImage>
typename TImage::Pointer
MakeImage(const ImageBase<3> & geometry, const ImageBase<3>::SizeType & size, const Spacing & spacing)
{
  const auto image = TImage::New();
  image->SetRegions(size);
  image->SetSpacing(spacing);
  image->SetOrigin(geometry.GetOrigin());
  image->SetDirection(geometry.GetDirection());
  image->Allocate(true);
  return image;
}

/** Call f(whole, part, width) for each row of a box within an image: the number of its first voxel
 * in the image and in the box.
 * \param whole size of the image. */
template <typename TFunction>
void
ForEachRow(const ImageBase<3>::SizeType & whole, const Region & box, const TFunction & f)
{
  const auto width = static_cast<std::size_t>(box.GetSize(0));
  std::size_t part = 0;
  for (SizeValueType z = 0; z < box.GetSize(2); ++z)
  {
    for (SizeValueType y = 0; y < box.GetSize(1); ++y)
    {
      const auto row =
        (static_cast<SizeValueType>(box.GetIndex(2)) + z) * whole[1] + static_cast<SizeValueType>(box.GetIndex(1)) + y;
      f(static_cast<std::size_t>(row * whole[0] + static_cast<SizeValueType>(box.GetIndex(0))), part, width);
      part += width;
    }
  }
}

/** The box of an image, of the spacing that resampling takes it for. */
template <typename TImage>
typename TImage::Pointer
Crop(const TImage & image, const Region & box)
{
  const auto part = MakeImage<TImage>(image, box.GetSize(), image.GetSpacing());
  ForEachRow(image.GetBufferedRegion().GetSize(),
             box,
             [&](std::size_t from, std::size_t to, std::size_t width)
             { std::copy_n(image.GetBufferPointer() + from, width, part->GetBufferPointer() + to); });
  return part;
}

template <typename TImage>
typename TImage::Pointer
Resample(const TImage & image,
         InterpolateImageFunction<TImage, double> * interpolator,
         const ImageBase<3>::SizeType & size,
         const Spacing & spacing)
{
  const auto filter = ResampleImageFilter<TImage, TImage>::New();
  filter->SetInput(&image);
  filter->SetInterpolator(interpolator);
  filter->SetSize(size);
  filter->SetOutputSpacing(spacing);
  filter->SetOutputOrigin(image.GetOrigin());
  filter->SetOutputDirection(image.GetDirection());
  filter->Update();
  return filter->GetOutput();
}

LabelVolume::Pointer
ResampleNearest(const LabelVolume & labels, const ImageBase<3>::SizeType & size, const Spacing & spacing)
{
  const auto nearest = NearestNeighborInterpolateImageFunction<LabelVolume, double>::New();
  return Resample<LabelVolume>(labels, nearest, size, spacing);
}

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

/** As interpolated values are stored in pixels of a type. */
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

/** Of the voxels that are not 0. */
Region
FindBox(const Volume & image, std::int64_t margin)
{
  const auto size = image.GetBufferedRegion().GetSize();
  std::int64_t low[3];
  std::int64_t high[3] = { -1, -1, -1 };
  std::transform(size.begin(), size.end(), low, [](SizeValueType extent) { return static_cast<std::int64_t>(extent); });
  const float * pixel = image.GetBufferPointer();
  for (std::int64_t z = 0; z < static_cast<std::int64_t>(size[2]); ++z)
  {
    for (std::int64_t y = 0; y < static_cast<std::int64_t>(size[1]); ++y)
    {
      for (std::int64_t x = 0; x < static_cast<std::int64_t>(size[0]); ++x)
      {
        if (*pixel++ != 0)
        {
          const std::int64_t index[] = { x, y, z };
          for (std::size_t axis = 0; axis < 3; ++axis)
          {
            low[axis] = std::min(low[axis], index[axis]);
            high[axis] = std::max(high[axis], index[axis]);
          }
        }
      }
    }
  }
  itkNNRequireMacro(high[0] >= 0, "Preprocessing: the first modality is 0 everywhere; should have other voxels");
  Region box;
  for (unsigned int axis = 0; axis < 3; ++axis)
  {
    const std::int64_t last = static_cast<std::int64_t>(size[axis]) - 1;
    // Extents are far below 2^62; a margin may not be.
    const std::int64_t room = std::min(margin, last);
    low[axis] = std::max<std::int64_t>(low[axis] - room, 0);
    high[axis] = std::min(high[axis] + room, last);
    box.SetIndex(axis, low[axis]);
    box.SetSize(axis, static_cast<SizeValueType>(high[axis] - low[axis] + 1));
  }
  return box;
}

void
CheckImages(const U2NetCase & images)
{
  itkNNRequireMacro(!images.modalities.empty(), "Preprocessing: there is no modality; should be one or more");
  const auto isGrid = [&](const ImageBase<3> & image)
  {
    return image.GetBufferedRegion() == image.GetLargestPossibleRegion() &&
           image.GetBufferedRegion().GetSize() == images.modalities.front().image->GetBufferedRegion().GetSize();
  };
  for (std::size_t i = 0; i < images.modalities.size(); ++i)
  {
    const U2NetModality & modality = images.modalities[i];
    itkNNRequireMacro(modality.image.IsNotNull(), "Preprocessing: modality " << i << " has no image");
    const Volume & image = *modality.image;
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
} // namespace

Shape
U2NetGrid::GetOriginalSize() const
{
  return ToShape(image->GetLargestPossibleRegion().GetSize());
}

Shape
U2NetGrid::GetSize() const
{
  const Spacing from = Rounded(image->GetSpacing());
  const Spacing to = Rounded(ToSpacing(spacing));
  Shape size(3);
  for (unsigned int axis = 0; axis < 3; ++axis)
  {
    const double extent = std::trunc(static_cast<double>(box.GetSize(axis)) * from[axis] / to[axis]);
    itkNNRequireMacro(extent >= 1 && extent < 1e6,
                      "Preprocessing: " << box.GetSize(axis) << " voxels of " << from[axis] << " mm along "
                                        << "xyz"[axis] << " are " << extent << " of " << to[axis]
                                        << " mm; should be 1 to 999999");
    size[2 - axis] = static_cast<std::int64_t>(extent);
  }
  return size;
}

Image<float, 3>::Pointer
U2NetGrid::MakeGeometry() const
{
  const Spacing rounded = Rounded(image->GetSpacing());
  Spacing spacingInSpace = Rounded(ToSpacing(spacing));
  for (unsigned int axis = 0; axis < 3; ++axis)
  {
    spacingInSpace[axis] *= image->GetSpacing()[axis] / rounded[axis];
  }
  const auto geometry = Volume::New();
  geometry->SetRegions(ToSize(this->GetSize()));
  geometry->SetSpacing(spacingInSpace);
  geometry->SetDirection(image->GetDirection());
  Volume::IndexType index = image->GetLargestPossibleRegion().GetIndex();
  for (unsigned int axis = 0; axis < 3; ++axis)
  {
    index[axis] += box.GetIndex(axis);
  }
  geometry->SetOrigin(image->TransformIndexToPhysicalPoint<double>(index));
  return geometry;
}

void
U2NetPreprocessing::Check() const
{
  itkNNRequireMacro(spacing.size() == 3 &&
                      std::all_of(spacing.begin(), spacing.end(), [](double mm) { return mm >= 0.001 && mm < 1e6; }),
                    "Preprocessing: the spacing should be three lengths from 0.001 to 1e6 mm: z, y, x");
  itkNNRequireMacro(margin >= 0, "Preprocessing: the margin is " << margin << "; should be 0 or more");
  itkNNRequireMacro(std::isfinite(lowestValue),
                    "Preprocessing: the lowest value is " << lowestValue << "; should be a finite number");
  itkNNRequireMacro(lowerPercentile >= 0 && lowerPercentile < upperPercentile && upperPercentile <= 100,
                    "Preprocessing: the percentiles are " << lowerPercentile << " and " << upperPercentile
                                                          << "; should be 0 <= lower < upper <= 100");
  itkNNRequireMacro(classes >= 1, "Preprocessing: there are " << classes << " classes; should be 1 or more");
  for (const auto & [from, to] : fusedLabels)
  {
    itkNNRequireMacro(to >= 0 && to < classes,
                      "Preprocessing: label " << from << " becomes " << to << "; should become one of 0 to "
                                              << classes - 1);
  }
}

U2NetPreparedCase
U2NetPreprocessing::Apply(const U2NetCase & images) const
{
  this->Check();
  CheckImages(images);
  const Volume & first = *images.modalities.front().image;
  U2NetPreparedCase result;
  result.grid.spacing = spacing;
  const auto geometry = Volume::New();
  geometry->CopyInformation(&first);
  result.grid.image = geometry;
  result.grid.box = FindBox(first, margin);
  const Shape shape = result.grid.GetSize();
  const auto size = ToSize(shape);
  const Spacing from = Rounded(first.GetSpacing());
  const Spacing to = Rounded(ToSpacing(spacing));
  // Of all images the geometry is that of the first.
  const auto crop = [&](const auto & image)
  {
    const auto part = Crop(image, result.grid.box);
    part->SetSpacing(from);
    part->SetOrigin(first.GetOrigin());
    part->SetDirection(first.GetDirection());
    return part;
  };

  const auto count = static_cast<std::size_t>(NumberOfElements(shape));
  result.volumes =
    Tensor({ static_cast<std::int64_t>(images.modalities.size()), shape[0], shape[1], shape[2] }, DataType::Float64);
  result.weight = Tensor(shape);
  double * volume = result.volumes.GetData<double>();
  for (std::size_t i = 0; i < images.modalities.size(); ++i, volume += count)
  {
    // Interpolated values as doubles, which hold those of all pixel types.
    using Precise = Image<double, 3>;
    const auto part = crop(*images.modalities[i].image);
    const auto precise = MakeImage<Precise>(*part, part->GetBufferedRegion().GetSize(), part->GetSpacing());
    std::copy_n(part->GetBufferPointer(), part->GetBufferedRegion().GetNumberOfPixels(), precise->GetBufferPointer());
    const auto spline = BSplineInterpolateImageFunction<Precise, double, double>::New();
    const auto resampled = Resample<Precise>(*precise, spline, size, to);
    std::copy_n(resampled->GetBufferPointer(), count, volume);
    ToPixelType(images.modalities[i].pixelType, volume, count);
    std::transform(volume, volume + count, volume, [this](double value) { return std::max(value, lowestValue); });
    if (i == 0)
    {
      std::transform(
        volume, volume + count, result.weight.GetData<float>(), [](double value) { return value > 0 ? 1.0F : 0.0F; });
    }
    const std::vector<float> values(volume, volume + count);
    const auto limits = Percentiles(values.data(), count, { lowerPercentile, upperPercentile }, 0);
    double sum = 0;
    std::size_t positive = 0;
    for (std::size_t k = 0; k < count; ++k)
    {
      volume[k] = std::clamp(volume[k], limits[0], limits[1]);
      sum += std::max(volume[k], 0.0);
      positive += volume[k] > 0 ? 1 : 0;
    }
    itkNNRequireMacro(positive > 0,
                      "Preprocessing: modality " << i << " has no voxel above 0 after clipping to " << limits[0]
                                                 << " and " << limits[1] << "; should have some");
    const double mean = sum / static_cast<double>(positive);
    double squares = 0;
    for (std::size_t k = 0; k < count; ++k)
    {
      squares += volume[k] > 0 ? (volume[k] - mean) * (volume[k] - mean) : 0;
    }
    const double deviation = std::sqrt(squares / static_cast<double>(positive)) + 1e-20;
    std::transform(
      volume, volume + count, volume, [&](double value) { return value == 0 ? 0 : (value - mean) / deviation; });
  }

  if (images.labels.IsNotNull())
  {
    const auto part = crop(*images.labels);
    const auto isClass = [this](std::int32_t label) { return label >= 0 && label < classes; };
    std::transform(part->GetBufferPointer(),
                   part->GetBufferPointer() + part->GetBufferedRegion().GetNumberOfPixels(),
                   part->GetBufferPointer(),
                   [&](std::int32_t label)
                   {
                     if (dropsLabelsBeforeFusing && !isClass(label))
                     {
                       return 0;
                     }
                     const auto fused = fusedLabels.find(label);
                     label = fused == fusedLabels.end() ? label : fused->second;
                     return isClass(label) ? label : 0;
                   });
    const auto resampled = ResampleNearest(*part, size, to);
    result.labels = Tensor(shape, DataType::Int32);
    std::copy_n(resampled->GetBufferPointer(), count, result.labels.GetData<std::int32_t>());
  }
  return result;
}

Image<std::int32_t, 3>::Pointer
U2NetPreprocessing::Restore(const Tensor & labels, const U2NetGrid & grid)
{
  itkNNRequireMacro(labels.IsDefined() && labels.GetDataType() == DataType::Int32 &&
                      labels.GetShape() == grid.GetSize(),
                    "Preprocessing: labels to restore are "
                      << (labels.IsDefined() ? ToString(labels.GetDataType()) : "not there") << " of the size "
                      << ToString(labels.GetShape()) << "; should be int32 of the size " << ToString(grid.GetSize()));
  const Tensor source = labels.Contiguous();
  const auto prepared = MakeImage<LabelVolume>(*grid.image, ToSize(source.GetShape()), ToSpacing(grid.spacing));
  std::copy_n(source.GetData<std::int32_t>(),
              static_cast<std::size_t>(source.GetNumberOfElements()),
              prepared->GetBufferPointer());
  const auto box = ResampleNearest(*prepared, grid.box.GetSize(), grid.image->GetSpacing());

  const auto whole = LabelVolume::New();
  whole->CopyInformation(grid.image);
  whole->SetRegions(grid.image->GetLargestPossibleRegion());
  whole->Allocate(true);
  ForEachRow(whole->GetBufferedRegion().GetSize(),
             grid.box,
             [&](std::size_t to, std::size_t from, std::size_t width)
             { std::copy_n(box->GetBufferPointer() + from, width, whole->GetBufferPointer() + to); });
  return whole;
}

Tensor
PadToPatch(const Tensor & input, const Shape & patch)
{
  itkNNRequireMacro(input.IsDefined() && (input.GetRank() == 3 || input.GetRank() == 4) &&
                      static_cast<std::size_t>(input.GetRank()) == patch.size() + 1 &&
                      *std::min_element(patch.begin(), patch.end()) >= 1,
                    "Padding: an input of shape " << ToString(input.GetShape()) << " to the patch " << ToString(patch)
                                                  << "; should be [C, D, H, W] to [D, H, W] or [C, H, W] to [H, W], "
                                                     "extents from 1 on");
  Shape size(input.GetShape().begin() + 1, input.GetShape().end());
  Shape start(size.size(), 0);
  for (std::size_t axis = 0; axis < size.size(); ++axis)
  {
    start[axis] = (std::max<std::int64_t>(patch[axis] - size[axis], 0) + 1) / 2;
    size[axis] += 2 * start[axis];
  }
  return PasteIntoZeros(input, size, start);
}
} // namespace nn
} // namespace itk
