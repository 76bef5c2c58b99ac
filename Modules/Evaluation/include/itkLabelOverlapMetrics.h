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
#ifndef itkLabelOverlapMetrics_h
#define itkLabelOverlapMetrics_h

#include "itkImageBase.h"
#include "itkLabelOverlap.h"
#include "itkObject.h"
#include "itkObjectFactory.h"

#include <vector>

namespace itk
{
/** \class LabelOverlapMetrics
 * \brief Dice, Jaccard, counts and physical volumes of each label of two label
 * images.
 *
 * The images have integer pixels and the same size, spacing, origin and
 * direction; Compute() throws an exception that names what differs. Volumes are
 * in the unit of the spacing to the power of the dimension (mm^3, mm^2 for 2-D
 * images), without regard to axes that a 2-D image does not have.
 *
 * By default every value other than 0 that occurs in either image is a label.
 * A label that neither image contains has no defined overlap: its scores are
 * EmptyValue, NaN unless set (1 counts an agreement on absence as perfect).
 *
 * \ingroup UniverSegEvaluation
 */
template <typename TPrediction, typename TReference = TPrediction>
class LabelOverlapMetrics : public Object
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(LabelOverlapMetrics);

  using Self = LabelOverlapMetrics;
  using Superclass = Object;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkTypeMacro(LabelOverlapMetrics, Object);

  using PredictionImageType = TPrediction;
  using ReferenceImageType = TReference;
  using LabelVectorType = std::vector<std::int64_t>;
  using OverlapVectorType = std::vector<LabelOverlap>;

  static constexpr unsigned int ImageDimension = TPrediction::ImageDimension;

  itkSetConstObjectMacro(PredictionImage, PredictionImageType);
  itkGetConstObjectMacro(PredictionImage, PredictionImageType);
  itkSetConstObjectMacro(ReferenceImage, ReferenceImageType);
  itkGetConstObjectMacro(ReferenceImage, ReferenceImageType);

  /** The labels to report, in that order; may contain 0. Empty, the default:
   * those other than 0 that occur, ascending. */
  void SetLabels(const LabelVectorType & labels);
  const LabelVectorType & GetLabels() const
  {
    return m_Labels;
  }

  /** Scores of a label that neither image contains. NaN by default. */
  itkSetMacro(EmptyValue, double);
  itkGetConstMacro(EmptyValue, double);

  /** Largest difference of origins and spacings, relative to the prediction's
   * spacing, and of direction cosines. 1e-4 by default. */
  itkSetMacro(Tolerance, double);
  itkGetConstMacro(Tolerance, double);

  /** Throws an exception when an image is missing or the geometries differ. */
  void Compute();

  /** One entry a label; empty before Compute(). */
  const OverlapVectorType & GetOverlaps() const
  {
    return m_Overlaps;
  }

  /** Throws an exception when the label was not computed. */
  const LabelOverlap & GetOverlap(std::int64_t label) const;

  /** Mean over the labels whose Dice is not NaN; NaN when there is none. */
  double GetMeanDice() const
  {
    return MeanDice(m_Overlaps);
  }

protected:
  LabelOverlapMetrics() = default;
  ~LabelOverlapMetrics() override = default;
  void PrintSelf(std::ostream & os, Indent indent) const override;

private:
  void CheckGeometry() const;

  typename PredictionImageType::ConstPointer m_PredictionImage;
  typename ReferenceImageType::ConstPointer m_ReferenceImage;
  LabelVectorType m_Labels;
  OverlapVectorType m_Overlaps;
  double m_EmptyValue = std::numeric_limits<double>::quiet_NaN();
  double m_Tolerance = 1e-4;
};
} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkLabelOverlapMetrics.hxx"
#endif

#endif
