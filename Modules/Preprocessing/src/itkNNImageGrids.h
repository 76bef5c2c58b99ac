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
#ifndef itkNNImageGrids_h
#define itkNNImageGrids_h

#include "itkNNRawImages.h"
#include "itkNNShape.h"

#include "itkInterpolateImageFunction.h"
#include "itkNearestNeighborExtrapolateImageFunction.h"
#include "itkResampleImageFilter.h"

#include <algorithm>
#include <vector>

namespace itk
{
namespace nn
{
using PreciseVolume = Image<double, 3>;
using LabelVolume = Image<std::int32_t, 3>;

/** x, y, z of z, y, x. */
ImageBase<3>::SpacingType ToSpacing(const std::vector<double> & values);
Shape ToShape(const ImageBase<3>::SizeType & size);
ImageBase<3>::SizeType ToSize(const Shape & shape);

/** No voxels; its first index is 0 and lies at the origin of the geometry. */
ImageBase<3>::Pointer MakeGrid(const ImageBase<3> & geometry,
                               const ImageBase<3>::SizeType & size,
                               const ImageBase<3>::SpacingType & spacing);

/** A new image of zeros, as MakeGrid(). */
template <typename TImage>
typename TImage::Pointer
MakeImage(const ImageBase<3> & geometry, const ImageBase<3>::SizeType & size, const ImageBase<3>::SpacingType & spacing)
{
  const auto image = TImage::New();
  image->SetRegions(size);
  image->SetSpacing(spacing);
  image->SetOrigin(geometry.GetOrigin());
  image->SetDirection(geometry.GetDirection());
  image->Allocate(true);
  return image;
}

/** The voxels in double precision, which holds those of all pixel types. */
template <typename TImage>
PreciseVolume::Pointer
ToPrecise(const TImage & image)
{
  const auto precise = MakeImage<PreciseVolume>(image, image.GetBufferedRegion().GetSize(), image.GetSpacing());
  std::copy_n(image.GetBufferPointer(), image.GetBufferedRegion().GetNumberOfPixels(), precise->GetBufferPointer());
  return precise;
}

/** Call f(whole, part, width) for each row of a box within an image: the number of its first voxel
 * in the image and in the box.
 * \param whole size of the image. */
template <typename TFunction>
void
ForEachRow(const ImageBase<3>::SizeType & whole, const ImageRegion<3> & box, const TFunction & f)
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

/** The box of an image, with the image's origin. */
template <typename TImage>
typename TImage::Pointer
Crop(const TImage & image, const ImageRegion<3> & box)
{
  const auto part = MakeImage<TImage>(image, box.GetSize(), image.GetSpacing());
  ForEachRow(image.GetBufferedRegion().GetSize(),
             box,
             [&](std::size_t from, std::size_t to, std::size_t width)
             { std::copy_n(image.GetBufferPointer() + from, width, part->GetBufferPointer() + to); });
  return part;
}

/** What is beyond the borders of voxels, half a voxel from their centres. */
enum class Outside
{
  Zero,
  NearestVoxel
};

/** An image at the voxels of a grid.
 * \param transform from the grid's points to the image's; null: none. */
template <typename TImage>
typename TImage::Pointer
Resample(const TImage & image,
         InterpolateImageFunction<TImage, double> * interpolator,
         const ImageBase<3> & grid,
         Outside outside = Outside::Zero,
         const Transform<double, 3, 3> * transform = nullptr)
{
  const auto filter = ResampleImageFilter<TImage, TImage>::New();
  filter->SetInput(&image);
  filter->SetInterpolator(interpolator);
  filter->SetOutputParametersFromImage(&grid);
  if (outside == Outside::NearestVoxel)
  {
    filter->SetExtrapolator(NearestNeighborExtrapolateImageFunction<TImage, double>::New());
  }
  if (transform != nullptr)
  {
    filter->SetTransform(transform);
  }
  filter->Update();
  return filter->GetOutput();
}

LabelVolume::Pointer ResampleNearest(const LabelVolume & labels,
                                     const ImageBase<3> & grid,
                                     Outside outside = Outside::Zero);

/** By cubic B-splines, stored as ToPixelType(). */
PreciseVolume::Pointer ResampleSpline(const PreciseVolume & image,
                                      DataType pixelType,
                                      const ImageBase<3> & grid,
                                      Outside outside = Outside::Zero,
                                      const Transform<double, 3, 3> * transform = nullptr);

/** As interpolated values are stored in pixels of a type: integers are cut off towards 0. */
void ToPixelType(DataType type, double * values, std::size_t count);

/** Throws Error when there is no modality, images have other sizes or are not in memory, pixel
 * types are none of images, or a voxel is no finite number. */
void CheckRawCase(const RawCase & images);
} // namespace nn
} // namespace itk

#endif
