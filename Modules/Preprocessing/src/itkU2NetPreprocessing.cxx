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
#include "itkNNImageGrids.h"
#include "itkNNText.h"
#include "itkNNVolumeFusion.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace itk
{
namespace nn
{
namespace
{
using Volume = Image<float, 3>;
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

Spacing
Rounded(Spacing spacing)
{
  std::transform(spacing.Begin(), spacing.End(), spacing.Begin(), RoundToThousandths);
  return spacing;
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
U2NetPreprocessing::Apply(const RawCase & images) const
{
  this->Check();
  CheckRawCase(images);
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
    const auto part = ToPrecise(*crop(*images.modalities[i].image));
    const auto resampled = ResampleSpline(*part, images.modalities[i].pixelType, *MakeGrid(*part, size, to));
    std::copy_n(resampled->GetBufferPointer(), count, volume);
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
    const auto resampled = ResampleNearest(*part, *MakeGrid(*part, size, to));
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
  const auto box = ResampleNearest(*prepared, *MakeGrid(*prepared, grid.box.GetSize(), grid.image->GetSpacing()));

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
