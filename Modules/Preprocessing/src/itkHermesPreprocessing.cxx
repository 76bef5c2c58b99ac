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
#include "itkHermesPreprocessing.h"

#include "itkNNError.h"
#include "itkNNImageGrids.h"
#include "itkNNVolumeFusion.h"

#include "itkAffineTransform.h"
#include "itkFlipImageFilter.h"
#include "itkLinearInterpolateImageFunction.h"
#include "itkNearestNeighborInterpolateImageFunction.h"
#include "itkPermuteAxesImageFilter.h"

#include <algorithm>
#include <cmath>

namespace itk
{
namespace nn
{
namespace
{
using Grid = ImageBase<3>;
using Direction = Grid::DirectionType;

/** The image and its labels, and what is done to both. */
struct Volumes
{
  PreciseVolume::Pointer image;
  LabelVolume::Pointer labels; ///< null: none
  std::vector<PreciseVolume::Pointer> tissues;
};

/** The same voxels, the first at index 0. */
template <typename TImage>
Grid::Pointer
ToFirstIndex(const TImage & image)
{
  const auto region = image.GetLargestPossibleRegion();
  const auto grid = MakeGrid(image, region.GetSize(), image.GetSpacing());
  grid->SetOrigin(image.template TransformIndexToPhysicalPoint<double>(region.GetIndex()));
  return grid;
}

/** The axis of the image that runs most along each axis of space, the clearest cases first. */
PermuteAxesImageFilter<PreciseVolume>::PermuteOrderArrayType
FindAxes(const Direction & direction)
{
  PermuteAxesImageFilter<PreciseVolume>::PermuteOrderArrayType order;
  bool isTaken[3]{};
  bool isFound[3]{};
  for (unsigned int i = 0; i < 3; ++i)
  {
    double greatest = -1;
    unsigned int inSpace = 0;
    unsigned int inImage = 0;
    for (unsigned int row = 0; row < 3; ++row)
    {
      for (unsigned int column = 0; column < 3; ++column)
      {
        if (!isFound[row] && !isTaken[column] && std::abs(direction[row][column]) > greatest)
        {
          greatest = std::abs(direction[row][column]);
          inSpace = row;
          inImage = column;
        }
      }
    }
    isFound[inSpace] = isTaken[inImage] = true;
    order[inSpace] = inImage;
  }
  return order;
}

template <typename TImage>
typename TImage::Pointer
Align(const TImage & image)
{
  const auto permute = PermuteAxesImageFilter<TImage>::New();
  permute->SetInput(&image);
  permute->SetOrder(FindAxes(image.GetDirection()));
  permute->Update();
  const auto flip = FlipImageFilter<TImage>::New();
  typename FlipImageFilter<TImage>::FlipAxesArrayType axes;
  for (unsigned int axis = 0; axis < 3; ++axis)
  {
    axes[axis] = permute->GetOutput()->GetDirection()[axis][axis] < 0;
  }
  flip->SetInput(permute->GetOutput());
  flip->SetFlipAxes(axes);
  flip->FlipAboutOriginOff();
  flip->Update();
  const typename TImage::Pointer result = flip->GetOutput();
  const auto grid = ToFirstIndex(*result);
  result->SetOrigin(grid->GetOrigin());
  result->SetRegions(grid->GetLargestPossibleRegion());
  return result;
}

/** The reference's redirection of an image whose direction is not the identity. */
void
Redirect(Volumes & volumes, DataType pixelType)
{
  const Grid & old = *volumes.image;
  const auto size = old.GetLargestPossibleRegion().GetSize();
  ContinuousIndex<double, 3> middle;
  for (unsigned int axis = 0; axis < 3; ++axis)
  {
    middle[axis] = (static_cast<double>(size[axis]) - 1) / 2;
  }
  const auto centre = old.TransformContinuousIndexToPhysicalPoint<double, double>(middle);
  const auto turn = AffineTransform<double, 3>::New();
  turn->SetCenter(centre);
  turn->SetMatrix(old.GetInverseDirection());
  const auto makeGrid = [&](const Direction & direction)
  {
    const auto grid = MakeGrid(old, size, old.GetSpacing());
    grid->SetDirection(direction);
    constexpr double zero[]{ 0, 0, 0 };
    grid->SetOrigin(zero);
    grid->SetOrigin(centre -
                    grid->TransformContinuousIndexToPhysicalPoint<double, double>(middle).GetVectorFromOrigin());
    return grid;
  };
  Direction identity;
  identity.SetIdentity();
  const auto grid = makeGrid(identity);
  // Where the voxels truly come from: the direction is turned once more by the inverse.
  const auto truly = makeGrid(old.GetInverseDirection());
  volumes.image = ResampleSpline(*volumes.image, pixelType, *grid, Outside::Zero, turn);
  volumes.image->CopyInformation(truly);
  if (volumes.labels)
  {
    const auto labels = ResampleSpline(*ToPrecise(*volumes.labels), DataType::UInt8, *grid, Outside::Zero, turn);
    volumes.labels = MakeImage<LabelVolume>(*truly, size, truly->GetSpacing());
    std::transform(labels->GetBufferPointer(),
                   labels->GetBufferPointer() + labels->GetBufferedRegion().GetNumberOfPixels(),
                   volumes.labels->GetBufferPointer(),
                   [](double label) { return static_cast<std::int32_t>(label); });
  }
}

/** The grid of a new spacing whose first voxel is that of the old one. */
Grid::Pointer
Respace(const Grid & old, const Grid::SpacingType & spacing)
{
  Grid::SizeType size = old.GetLargestPossibleRegion().GetSize();
  for (unsigned int axis = 0; axis < 3; ++axis)
  {
    // To even, in the default rounding mode.
    const double extent = std::nearbyint(static_cast<double>(size[axis]) * old.GetSpacing()[axis] / spacing[axis]);
    itkNNRequireMacro(extent < 1e6,
                      "Preprocessing: " << size[axis] << " voxels of " << old.GetSpacing()[axis] << " mm along "
                                        << "xyz"[axis] << " are " << extent << " of " << spacing[axis]
                                        << " mm; should be below 1000000");
    size[axis] = static_cast<SizeValueType>(std::max(extent, 1.0));
  }
  return MakeGrid(old, size, spacing);
}

PreciseVolume::Pointer
ResampleNearestSlice(const PreciseVolume & image, const Grid & grid, Outside outside)
{
  const auto nearest = NearestNeighborInterpolateImageFunction<PreciseVolume, double>::New();
  return Resample<PreciseVolume>(image, nearest, grid, outside);
}

PreciseVolume::Pointer
ResampleLinear(const PreciseVolume & image, const Grid & grid, Outside outside)
{
  const auto linear = LinearInterpolateImageFunction<PreciseVolume, double>::New();
  return Resample<PreciseVolume>(image, linear, grid, outside);
}

/** The number, from 1, of the map that is greatest; 0 where all are 0. */
LabelVolume::Pointer
SelectTissues(const std::vector<PreciseVolume::Pointer> & maps)
{
  const Grid & grid = *maps.front();
  const auto labels = MakeImage<LabelVolume>(grid, grid.GetLargestPossibleRegion().GetSize(), grid.GetSpacing());
  const SizeValueType count = labels->GetBufferedRegion().GetNumberOfPixels();
  for (SizeValueType i = 0; i < count; ++i)
  {
    float greatest = 0;
    bool isEmpty = true;
    std::int32_t label = 0;
    for (std::size_t k = 0; k < maps.size(); ++k)
    {
      const auto value = static_cast<float>(maps[k]->GetBufferPointer()[i]);
      isEmpty = isEmpty && value == 0;
      if (value > greatest)
      {
        greatest = value;
        label = static_cast<std::int32_t>(k) + 1;
      }
    }
    labels->GetBufferPointer()[i] = isEmpty ? 0 : label;
  }
  return labels;
}

/** The box of the labels and its context; empty without a label. */
ImageRegion<3>
FindLabelBox(const LabelVolume & labels, const std::vector<std::int64_t> & context, std::int64_t leastExtent)
{
  const auto size = labels.GetBufferedRegion().GetSize();
  std::int64_t low[3];
  std::int64_t high[3] = { -1, -1, -1 };
  std::copy(size.begin(), size.end(), low);
  const std::int32_t * label = labels.GetBufferPointer();
  for (std::int64_t z = 0; z < static_cast<std::int64_t>(size[2]); ++z)
  {
    for (std::int64_t y = 0; y < static_cast<std::int64_t>(size[1]); ++y)
    {
      for (std::int64_t x = 0; x < static_cast<std::int64_t>(size[0]); ++x)
      {
        if (*label++ != 0)
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
  ImageRegion<3> box;
  for (unsigned int axis = 0; axis < 3 && high[0] >= 0; ++axis)
  {
    const std::int64_t last = static_cast<std::int64_t>(size[axis]) - 1;
    // Extents are far below 2^62; a context may not be.
    std::int64_t room = std::min(context[2 - axis], last);
    const std::int64_t extent = high[axis] - low[axis] + 1 + 2 * room;
    room += std::min(std::max<std::int64_t>(leastExtent - extent, 0) / 2, last);
    low[axis] = std::max<std::int64_t>(low[axis] - room, 0);
    high[axis] = std::min(high[axis] + room, last);
    box.SetIndex(axis, low[axis]);
    box.SetSize(axis, static_cast<SizeValueType>(high[axis] - low[axis] + 1));
  }
  return box;
}

template <typename TImage>
typename TImage::Pointer
CutOut(const TImage & image, const ImageRegion<3> & box)
{
  const auto part = Crop(image, box);
  part->SetOrigin(image.template TransformIndexToPhysicalPoint<double>(box.GetIndex()));
  return part;
}

/** \param pixelType by which the lower and upper limits are told. */
template <typename TImage, typename TPixel>
typename TImage::Pointer
PutOnGrid(const Tensor & values, const HermesGrid & grid, const char * what, DataType type)
{
  const auto size = grid.prepared->GetLargestPossibleRegion().GetSize();
  itkNNRequireMacro(values.IsDefined() && values.GetDataType() == type && values.GetShape() == ToShape(size),
                    "Preprocessing: " << what << " to restore are "
                                      << (values.IsDefined() ? ToString(values.GetDataType()) : "not there")
                                      << " of the size " << ToString(values.GetShape()) << "; should be "
                                      << ToString(type) << " of the size " << ToString(ToShape(size)));
  const auto image = MakeImage<TImage>(*grid.prepared, size, grid.prepared->GetSpacing());
  const Tensor source = values.Contiguous();
  std::copy_n(source.GetData<TPixel>(), source.GetNumberOfElements(), image->GetBufferPointer());
  return image;
}

Outside
GetOutside(const HermesGrid & grid)
{
  return grid.isCropped ? Outside::Zero : Outside::NearestVoxel;
}
} // namespace

const std::vector<std::string> &
GetHermesOrientationNames()
{
  static const std::vector<std::string> names{ "aligned", "stored", "reference" };
  return names;
}

const std::vector<std::string> &
GetHermesResamplingNames()
{
  static const std::vector<std::string> names{ "two_step", "one_step", "in_plane" };
  return names;
}

void
HermesPreprocessing::Check() const
{
  itkNNRequireMacro(spacing.size() == 3 &&
                      std::all_of(spacing.begin(), spacing.end(), [](double mm) { return mm >= 0.001 && mm < 1e6; }),
                    "Preprocessing: the spacing should be three lengths from 0.001 to 1e6 mm: z, y, x");
  itkNNRequireMacro(context.empty() || (context.size() == 3 && *std::min_element(context.begin(), context.end()) >= 0),
                    "Preprocessing: the context is " << ToString(context)
                                                     << "; should be empty or three extents of 0 or more: z, y, x");
  itkNNRequireMacro(leastExtent >= 0, "Preprocessing: the least extent is " << leastExtent << "; should be 0 or more");
  itkNNRequireMacro(!limits ||
                      (std::isfinite((*limits)[0]) && std::isfinite((*limits)[1]) && (*limits)[0] < (*limits)[1]),
                    "Preprocessing: the limits are " << (*limits)[0] << " and " << (*limits)[1]
                                                     << "; should be finite, the lower one below the upper");
  itkNNRequireMacro(lowerPercentile >= 0 && lowerPercentile < upperPercentile && upperPercentile <= 100,
                    "Preprocessing: the percentiles are " << lowerPercentile << " and " << upperPercentile
                                                          << "; should be 0 <= lower < upper <= 100");
}

HermesPreparedCase
HermesPreprocessing::Apply(const RawCase & images, const std::vector<RawImage> & tissues) const
{
  this->Check();
  RawCase all = images;
  all.modalities.insert(all.modalities.end(), tissues.begin(), tissues.end());
  CheckRawCase(all);
  itkNNRequireMacro(images.modalities.size() == 1,
                    "Preprocessing: there are " << images.modalities.size() << " modalities; should be one");
  itkNNRequireMacro(images.labels.IsNull() || tissues.empty(),
                    "Preprocessing: there are labels and maps of tissues; should be one of them");
  const RawImage & raw = images.modalities.front();
  HermesPreparedCase result;
  const auto whole = ToFirstIndex(*raw.image);
  result.grid.image = whole;

  // Of all images the geometry is that of the first.
  Volumes volumes;
  const auto place = [&whole](const auto & volume)
  {
    volume->CopyInformation(whole);
    return volume;
  };
  volumes.image = place(ToPrecise(*raw.image));
  if (images.labels)
  {
    const LabelVolume & labels = *images.labels;
    volumes.labels = place(MakeImage<LabelVolume>(labels, labels.GetBufferedRegion().GetSize(), labels.GetSpacing()));
    std::copy_n(
      labels.GetBufferPointer(), labels.GetBufferedRegion().GetNumberOfPixels(), volumes.labels->GetBufferPointer());
  }
  for (const RawImage & tissue : tissues)
  {
    volumes.tissues.push_back(place(ToPrecise(*tissue.image)));
  }

  if (orientation == HermesOrientation::Aligned)
  {
    volumes.image = Align(*volumes.image);
    volumes.labels = volumes.labels ? Align(*volumes.labels) : volumes.labels;
    std::transform(volumes.tissues.begin(),
                   volumes.tissues.end(),
                   volumes.tissues.begin(),
                   [](const PreciseVolume::Pointer & tissue) { return Align(*tissue); });
  }
  else if (orientation == HermesOrientation::Reference && !whole->GetDirection().GetVnlMatrix().is_identity())
  {
    itkNNRequireMacro(tissues.empty(),
                      "Preprocessing: maps of tissues are not turned as the reference turns images; the orientation "
                      "should be aligned or stored");
    Redirect(volumes, raw.pixelType);
  }

  const Outside outside = zerosOutside ? Outside::Zero : Outside::NearestVoxel;
  const auto target = ToSpacing(spacing);
  auto inPlane = target;
  inPlane[2] = volumes.image->GetSpacing()[2];
  const bool isSpline3D = resampling == HermesResampling::OneStep;
  const auto first = Respace(*volumes.image, isSpline3D ? target : inPlane);
  const auto last = resampling == HermesResampling::TwoStep ? Respace(*first, target) : first;
  const auto isSameGrid = [](const Grid & a, const Grid & b)
  { return a.GetSpacing() == b.GetSpacing() && a.GetLargestPossibleRegion() == b.GetLargestPossibleRegion(); };
  if (!isSameGrid(*volumes.image, *first))
  {
    volumes.image = ResampleSpline(*volumes.image, raw.pixelType, *first, outside);
    volumes.labels = volumes.labels ? ResampleNearest(*volumes.labels, *first, outside) : volumes.labels;
  }
  if (!isSameGrid(*first, *last))
  {
    volumes.image = ResampleNearestSlice(*volumes.image, *last, outside);
    volumes.labels = volumes.labels ? ResampleNearest(*volumes.labels, *last, outside) : volumes.labels;
  }
  if (!tissues.empty())
  {
    std::transform(volumes.tissues.begin(),
                   volumes.tissues.end(),
                   volumes.tissues.begin(),
                   [&](const PreciseVolume::Pointer & tissue) { return ResampleLinear(*tissue, *last, outside); });
    volumes.labels = SelectTissues(volumes.tissues);
  }
  if (volumes.labels && !newLabels.empty())
  {
    std::int32_t * const labels = volumes.labels->GetBufferPointer();
    std::transform(labels,
                   labels + volumes.labels->GetBufferedRegion().GetNumberOfPixels(),
                   labels,
                   [this](std::int32_t label)
                   {
                     const auto found = newLabels.find(label);
                     return found == newLabels.end() ? label : found->second;
                   });
  }

  if (!context.empty())
  {
    itkNNRequireMacro(volumes.labels || !requiresLabels,
                      "Preprocessing: a case is to be cut to its labels and has none");
    const auto box = volumes.labels ? FindLabelBox(*volumes.labels, context, leastExtent) : ImageRegion<3>();
    itkNNRequireMacro(box.GetNumberOfPixels() > 0 || !requiresLabels,
                      "Preprocessing: a case is to be cut to its labels, which are 0 everywhere");
    if (box.GetNumberOfPixels() > 0)
    {
      volumes.image = CutOut(*volumes.image, box);
      volumes.labels = CutOut(*volumes.labels, box);
      result.grid.isCropped = true;
    }
  }

  const auto geometry =
    MakeGrid(*volumes.image, volumes.image->GetLargestPossibleRegion().GetSize(), volumes.image->GetSpacing());
  result.grid.prepared = geometry;
  const Shape shape = ToShape(geometry->GetLargestPossibleRegion().GetSize());
  const auto count = static_cast<std::size_t>(NumberOfElements(shape));
  double * const voxels = volumes.image->GetBufferPointer();
  std::array<double, 2> range{};
  if (limits)
  {
    range = *limits;
  }
  else
  {
    const std::vector<float> values(voxels, voxels + count);
    const auto found = Percentiles(values.data(), count, { lowerPercentile, upperPercentile }, 0);
    range = { found[0], found[1] };
  }
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i)
  {
    voxels[i] = std::clamp(voxels[i], range[0], range[1]);
    sum += voxels[i];
  }
  const double mean = sum / static_cast<double>(count);
  double squares = 0;
  for (std::size_t i = 0; i < count; ++i)
  {
    squares += (voxels[i] - mean) * (voxels[i] - mean);
  }
  const double deviation = std::sqrt(squares / static_cast<double>(count));
  itkNNRequireMacro(std::any_of(voxels, voxels + count, [&](double value) { return value != voxels[0]; }),
                    "Preprocessing: all voxels are " << voxels[0] << " after clipping to " << range[0] << " and "
                                                     << range[1] << "; should differ");
  result.volume = Tensor({ 1, shape[0], shape[1], shape[2] });
  std::transform(voxels,
                 voxels + count,
                 result.volume.GetData<float>(),
                 [&](double value) { return static_cast<float>((value - mean) / deviation); });
  if (volumes.labels)
  {
    result.labels = Tensor(shape, DataType::Int32);
    std::copy_n(volumes.labels->GetBufferPointer(), count, result.labels.GetData<std::int32_t>());
  }
  return result;
}

Image<std::int32_t, 3>::Pointer
HermesPreprocessing::Restore(const Tensor & labels, const HermesGrid & grid)
{
  const auto prepared = PutOnGrid<LabelVolume, std::int32_t>(labels, grid, "labels", DataType::Int32);
  return ResampleNearest(*prepared, *grid.image, GetOutside(grid));
}

Image<float, 3>::Pointer
HermesPreprocessing::RestoreProbabilities(const Tensor & probabilities, const HermesGrid & grid)
{
  using Volume = Image<float, 3>;
  const auto prepared = PutOnGrid<Volume, float>(probabilities, grid, "probabilities", DataType::Float32);
  const auto linear = LinearInterpolateImageFunction<Volume, double>::New();
  return Resample<Volume>(*prepared, linear, *grid.image, GetOutside(grid));
}
} // namespace nn
} // namespace itk
