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
#ifndef itkLabelSurfaceMetrics_h
#define itkLabelSurfaceMetrics_h

#include "itkObject.h"
#include "itkObjectFactory.h"
#include "itkSegmentationMetrics.h"

#include <array>
#include <map>
#include <utility>
#include <vector>

namespace itk
{
/** \class LabelSurfaceMetrics
 * \brief Counts and surface distances of labels, or of unions of labels, of two label images.
 *
 * What the metrics of SegmentationMetric are computed from, see ComputeSegmentationMetric().
 * The images are 2-D or 3-D, have integer pixels and the same size, spacing, origin and
 * direction; Compute() throws an exception that names what differs. The spacing is that of the
 * prediction. Memory for the distances is that of one structure's bounding box, 8 bytes a pixel.
 *
 * \ingroup UniverSegEvaluation
 */
template <typename TPrediction, typename TReference = TPrediction>
class ITK_TEMPLATE_EXPORT LabelSurfaceMetrics : public Object
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(LabelSurfaceMetrics);

  using Self = LabelSurfaceMetrics;
  using Superclass = Object;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkTypeMacro(LabelSurfaceMetrics, Object);

  using PredictionImageType = TPrediction;
  using ReferenceImageType = TReference;
  using LabelVectorType = std::vector<std::int64_t>;
  using LabelGroupVectorType = std::vector<LabelVectorType>;
  using ComparisonVectorType = std::vector<LabelComparison>;

  static constexpr unsigned int ImageDimension = TPrediction::ImageDimension;

  itkSetConstObjectMacro(PredictionImage, PredictionImageType);
  itkGetConstObjectMacro(PredictionImage, PredictionImageType);
  itkSetConstObjectMacro(ReferenceImage, ReferenceImageType);
  itkGetConstObjectMacro(ReferenceImage, ReferenceImageType);

  /** The structures to compare, in that order. Each is the union of the labels in one entry,
   * which may contain 0; a label may be in several. Empty, the default: each label other than
   * 0 that occurs by itself, ascending. Throws an exception when an entry is empty or names a
   * label twice. */
  void SetLabelGroups(const LabelGroupVectorType & groups);
  const LabelGroupVectorType & GetLabelGroups() const
  {
    return m_LabelGroups;
  }

  /** Whether to compute distances. True by default. */
  itkSetMacro(ComputeDistances, bool);
  itkGetConstMacro(ComputeDistances, bool);
  itkBooleanMacro(ComputeDistances);

  /** Whether the image has no neighbours along an axis of one pixel, so that a volume of one
   * slice is measured as a 2-D image. Otherwise all pixels of a slice are boundary. True by
   * default. */
  itkSetMacro(IgnoreSingletonAxes, bool);
  itkGetConstMacro(IgnoreSingletonAxes, bool);
  itkBooleanMacro(IgnoreSingletonAxes);

  /** Largest difference of origins and spacings, relative to the prediction's
   * spacing, and of direction cosines. 1e-4 by default. */
  itkSetMacro(Tolerance, double);
  itkGetConstMacro(Tolerance, double);

  /** Throws an exception when an image is missing or the geometries differ. */
  void Compute();

  /** One entry a structure; empty before Compute(). */
  const ComparisonVectorType & GetComparisons() const
  {
    return m_Comparisons;
  }

protected:
  LabelSurfaceMetrics() = default;
  ~LabelSurfaceMetrics() override = default;
  void PrintSelf(std::ostream & os, Indent indent) const override;

private:
  using OffsetType = typename TPrediction::OffsetType;
  using MaskType = Image<unsigned char, ImageDimension>;

  /** Pixels and bounding box, as offsets from the image's start. */
  struct Extent
  {
    std::uint64_t count = 0;
    OffsetType low{};
    OffsetType high{};

    void Add(const Extent & other);
  };
  using ExtentMapType = std::map<std::pair<std::int64_t, std::int64_t>, Extent>;

  void CheckInputs() const;
  ExtentMapType FindExtents() const;
  LabelComparison Compare(const LabelVectorType & labels, const ExtentMapType & extents) const;

  template <typename TImage>
  typename MaskType::Pointer MakeMask(const TImage & image,
                                      const LabelVectorType & labels,
                                      const Extent & extent) const;

  typename PredictionImageType::ConstPointer m_PredictionImage;
  typename ReferenceImageType::ConstPointer m_ReferenceImage;
  LabelGroupVectorType m_LabelGroups;
  ComparisonVectorType m_Comparisons;
  bool m_ComputeDistances = true;
  bool m_IgnoreSingletonAxes = true;
  double m_Tolerance = 1e-4;
};
} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkLabelSurfaceMetrics.hxx"
#endif

#endif
