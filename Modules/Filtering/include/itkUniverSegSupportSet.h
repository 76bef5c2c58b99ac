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
#ifndef itkUniverSegSupportSet_h
#define itkUniverSegSupportSet_h

#include "UniverSegFilteringExport.h"
#include "itkImageBase.h"
#include "itkIntensityNormalization.h"
#include "itkNNTensor.h"
#include "itkObjectFactory.h"
#include "itkUniverSegMacros.h"
#ifndef ITK_WRAPPING_PARSER
#  include "itkUniverSegSupportCache.h"
#endif

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace itk
{
/** \class UniverSegPreparedSupports
 * \brief A support set on a model's grid, as the network takes it.
 *
 * Immutable to its users, so that filters in several threads can share it.
 * \ingroup UniverSegFiltering
 */
class UniverSegFiltering_EXPORT UniverSegPreparedSupports
{
public:
  using LabelType = std::int64_t;

  /** \param images [N, 1, H, W], normalised.
   * \param labels [N, 1, H, W]: Int64 label values, or Float32 soft labels. */
  UniverSegPreparedSupports(nn::Tensor images, nn::Tensor labels);

  const nn::Tensor & GetImages() const
  {
    return m_Images;
  }

  /** [N, 1, H, W] Float32: 1 where a support has the label, else 0. Soft labels
   * are returned as they are, whatever the label. */
  nn::Tensor GetPlanes(LabelType label) const;

  /** Positions of the supports whose images are most like a target, ascending. Images are
   * compared as they lie on the grid, by the squared distance of their intensities when both
   * are reduced to 16 x 16 pixels; of equal ones the first are taken.
   * \param target H * W intensities, normalised as the images are.
   * \param pool how many supports may be chosen, from the first on.
   * \param count how many are chosen; all of the pool when it is not smaller. */
  std::vector<std::size_t> FindNearest(const float * target, std::size_t pool, std::size_t count) const;

private:
  static constexpr std::size_t reducedExtent = 16;

  /** H * W intensities on the reduced grid. */
  std::vector<float> Reduce(const float * image) const;

  nn::Tensor m_Images;
  nn::Tensor m_Labels;
  mutable std::vector<std::vector<float>> m_Reduced; ///< of each image, once it was wanted
  mutable std::mutex m_Mutex;
  mutable std::map<LabelType, nn::Tensor> m_Planes;
};

/** \class UniverSegSupportSet
 * \brief Pairs of an image and its label map that show UniverSeg what to
 * segment.
 *
 * Sizes and geometry may differ from pair to pair and from the target's; every
 * pair is resampled to the model's grid. The two images of a pair must have the
 * same size; spacing, origin and direction are not looked at. The pixels are
 * copied when a pair is added.
 *
 * Label values are any integers; images of real pixel type must hold integral
 * values. With SoftLabels they are instead the part of a pixel, in [0, 1], that
 * belongs to one structure.
 *
 * A slice of a volume keeps the volume's intensity range, so that normalisation
 * by volume treats supports and targets alike.
 *
 * The set prepared for a grid and a normalisation is kept and shared, so that a
 * thousand targets pay for it once; so is what a network computes from the
 * supports alone, within a limit of memory, see SetMaximumCacheBytes().
 * Preparing is safe from several threads; changing the set while a filter uses
 * it is not, and drops all that was kept.
 * \ingroup UniverSegFiltering
 */
class UniverSegFiltering_EXPORT UniverSegSupportSet : public DataObject
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(UniverSegSupportSet);

  using Self = UniverSegSupportSet;
  using Superclass = DataObject;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;
  using LabelType = UniverSegPreparedSupports::LabelType;
  using PreparedPointer = std::shared_ptr<const UniverSegPreparedSupports>;

  itkNewMacro(Self);
  itkOverrideGetNameOfClassMacro(UniverSegSupportSet);

  /** Add a 2-D image (scalar, or RGB or RGBA as luminance) and its labels
   * (scalar). Throws ExceptionObject when one is null or has no pixels, the
   * sizes differ, an intensity is not finite or a label value is not allowed. */
  template <typename TImage,
            typename TLabelImage,
            typename = typename TImage::PixelType,
            typename = typename TLabelImage::PixelType>
  void PushBackSupport(const TImage * image, const TLabelImage * labelImage);
  template <typename TImage, typename TLabelImage>
  void PushBackSupport(const SmartPointer<TImage> & image, const SmartPointer<TLabelImage> & labelImage)
  {
    this->PushBackSupport(image.GetPointer(), labelImage.GetPointer());
  }

  /** Same for two images whose pixel types are known at run time only: itk::Image
   * of an arithmetic type, or of RGBPixel and RGBAPixel of unsigned char,
   * unsigned short or float. Throws ExceptionObject for any other object too. */
  void PushBackSupport(const DataObject * image, const DataObject * labelImage);

  /** Add slices of a 3-D image across an axis. The remaining axes, in order, are
   * the columns and the rows of a slice, as in UniverSegImageFilter.
   * \param axis 0, 1 or 2.
   * \param slices indices along the axis in the image's index space; empty: all
   * slices with a label other than 0.
   * Throws also when there is no such slice or no such axis. */
  template <typename TImage,
            typename TLabelImage,
            typename = typename TImage::PixelType,
            typename = typename TLabelImage::PixelType>
  void PushBackSupportVolume(const TImage * image,
                             const TLabelImage * labelImage,
                             unsigned int axis = 2,
                             const std::vector<IndexValueType> & slices = {});
  template <typename TImage, typename TLabelImage>
  void PushBackSupportVolume(const SmartPointer<TImage> & image,
                             const SmartPointer<TLabelImage> & labelImage,
                             unsigned int axis = 2,
                             const std::vector<IndexValueType> & slices = {})
  {
    this->PushBackSupportVolume(image.GetPointer(), labelImage.GetPointer(), axis, slices);
  }

  /** Same for two images whose pixel types are known at run time only. */
  void PushBackSupportVolume(const DataObject * image,
                             const DataObject * labelImage,
                             unsigned int axis = 2,
                             const std::vector<IndexValueType> & slices = {});

  // Not for Python, which has no tensors.
#ifndef ITK_WRAPPING_PARSER
  /** Add a pair of tensors of shape [H, W]; they are copied.
   * \param label any type; values as for images.
   * \param volume statistics of the image that the pair is a slice of; null: the
   * slice is the whole image. */
  void PushBackTensors(const nn::Tensor & image,
                       const nn::Tensor & label,
                       std::shared_ptr<const IntensityStatistics> volume = nullptr);
#endif

  SizeValueType GetNumberOfSupports() const
  {
    return m_Supports.size();
  }

  /** Throws ExceptionObject when there is no such support. */
  void RemoveSupport(SizeValueType i);

  void Clear();

  /** The distinct values in all label maps, ascending; {1} for soft labels. */
  std::vector<LabelType> GetLabels() const;

  /** Labels are parts in [0, 1] instead of label values. Off by default; throws
   * ExceptionObject when changed while there are supports. */
  void SetSoftLabels(bool soft);
  itkGetConstMacro(SoftLabels, bool);
  itkBooleanMacro(SoftLabels);

#ifndef ITK_WRAPPING_PARSER
  /** The set on a grid, from the cache when it is there. Images are normalised
   * and resampled as IntensityNormalization::Apply() does, label maps with
   * nn::ResizeNearest(), soft labels with nn::ResizeLinear(). Throws
   * ExceptionObject when the set is empty. */
  PreparedPointer GetPrepared(const IntensityNormalization & normalization,
                              SizeValueType gridWidth,
                              SizeValueType gridHeight) const;

  /** What networks have computed from the set. Empty again when the set changes. */
  UniverSegSupportCache & GetCache() const
  {
    return *m_Cache;
  }
#endif

  /** Bytes of memory for what networks compute from the supports alone, which is
   * kept for the next target; for a UniverSeg network 4 bytes a support, pixel
   * of the grid and feature, 268 MB for 64 supports of the release model. What
   * does not fit is computed for each target. Default 600 MiB; 0 keeps nothing. */
  void SetMaximumCacheBytes(SizeValueType bytes);
  SizeValueType GetMaximumCacheBytes() const;

  /** Bytes that are kept now. */
  SizeValueType GetCacheBytes() const;

  /** Free what is kept; it is computed again when it is needed. */
  void ReleaseCache();

protected:
  UniverSegSupportSet();
  ~UniverSegSupportSet() override;

  void PrintSelf(std::ostream & os, Indent indent) const override;

private:
  struct Support
  {
    nn::Tensor image;                                  ///< [H, W] Float32
    nn::Tensor label;                                  ///< [H, W] Int64, Float32 when soft
    std::shared_ptr<const IntensityStatistics> volume; ///< null: those of the image
    std::vector<LabelType> values;                     ///< in the label, ascending
  };

  struct Prepared
  {
    IntensityNormalization normalization;
    SizeValueType width;
    SizeValueType height;
    PreparedPointer supports;
  };

  /** \brief An image of a pair, whatever its pixel type: where it lies, and its
   * intensities or label values. */
  template <unsigned int VDimension>
  struct PixelSource
  {
    using RegionType = ImageRegion<VDimension>;

    const ImageBase<VDimension> * image = nullptr;
    /** As CopyIntensities(). */
    std::function<bool(const RegionType &, float *, typename RegionType::IndexType &)> copyIntensities;
    std::function<void(const RegionType &, double *)> copyLabels;
  };

  template <typename TImage>
  static PixelSource<TImage::ImageDimension> MakeIntensitySource(const TImage * image);
  template <typename TLabelImage>
  static PixelSource<TLabelImage::ImageDimension> MakeLabelSource(const TLabelImage * labelImage);

  /** The source of an object that is an image of a known pixel type. */
  template <unsigned int VDimension>
  PixelSource<VDimension> FindIntensitySource(const DataObject * image) const;
  template <unsigned int VDimension>
  PixelSource<VDimension> FindLabelSource(const DataObject * labelImage) const;

  /** Throw unless both images of a pair can be read. */
  template <unsigned int VDimension>
  void CheckPair(const PixelSource<VDimension> & image, const PixelSource<VDimension> & labelImage) const;

  void PushBackPair(const PixelSource<2> & image, const PixelSource<2> & labelImage);
  void PushBackSlices(const PixelSource<3> & image,
                      const PixelSource<3> & labelImage,
                      unsigned int axis,
                      const std::vector<IndexValueType> & slices);

  Support MakeSupport(const nn::Tensor & image,
                      const nn::Tensor & label,
                      std::shared_ptr<const IntensityStatistics> volume) const;

  void Append(std::vector<Support> supports);

  /** Drop what was computed from the supports as they were. */
  void DropPrepared();

  std::vector<Support> m_Supports;
  bool m_SoftLabels = false;
  mutable std::mutex m_Mutex;
  mutable std::list<Prepared> m_Prepared; ///< last used first
#ifndef ITK_WRAPPING_PARSER
  std::unique_ptr<UniverSegSupportCache> m_Cache;
#endif
};
} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkUniverSegSupportSet.hxx"
#endif

#endif
