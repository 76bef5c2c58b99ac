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
#ifndef itkLabelSurfaceMetrics_hxx
#define itkLabelSurfaceMetrics_hxx

#include "itkImageGeometryDifference.h"
#include "itkImageRegionConstIterator.h"
#include "itkImageRegionIterator.h"
#include "itkLabelRuns.h"
#include "itkLabelSurfaceMetrics.h"

#include <algorithm>
#include <set>
#include <string>
#include <type_traits>

namespace itk
{
template <typename TPrediction, typename TReference>
void
LabelSurfaceMetrics<TPrediction, TReference>::SetLabelGroups(const LabelGroupVectorType & groups)
{
  for (const LabelVectorType & group : groups)
  {
    const std::set<std::int64_t> unique(group.begin(), group.end());
    if (group.empty() || unique.size() != group.size())
    {
      itkExceptionMacro("A structure has " << group.size() << " labels, " << unique.size()
                                           << " of them different; should be one or more different ones.");
    }
  }
  if (groups != m_LabelGroups)
  {
    m_LabelGroups = groups;
    this->Modified();
  }
}

template <typename TPrediction, typename TReference>
void
LabelSurfaceMetrics<TPrediction, TReference>::Extent::Add(const Extent & other)
{
  for (unsigned int axis = 0; axis < ImageDimension; ++axis)
  {
    low[axis] = count == 0 ? other.low[axis] : std::min(low[axis], other.low[axis]);
    high[axis] = count == 0 ? other.high[axis] : std::max(high[axis], other.high[axis]);
  }
  count += other.count;
}

template <typename TPrediction, typename TReference>
void
LabelSurfaceMetrics<TPrediction, TReference>::CheckInputs() const
{
  static_assert(TPrediction::ImageDimension == TReference::ImageDimension, "Both images have one dimension");
  static_assert(ImageDimension == 2 || ImageDimension == 3, "Label images are 2-D or 3-D");
  static_assert(std::is_integral<typename TPrediction::PixelType>::value &&
                  std::is_integral<typename TReference::PixelType>::value,
                "Label images have integer pixels");
  if (!m_PredictionImage || !m_ReferenceImage)
  {
    itkExceptionMacro("The " << (m_PredictionImage ? "reference" : "prediction") << " image is not set.");
  }
  const std::string difference =
    FindGeometryDifference<ImageDimension>(*m_PredictionImage, *m_ReferenceImage, m_Tolerance);
  if (!difference.empty())
  {
    itkExceptionMacro("The geometries of the prediction and the reference differ: " << difference);
  }
}

template <typename TPrediction, typename TReference>
auto
LabelSurfaceMetrics<TPrediction, TReference>::FindExtents() const -> ExtentMapType
{
  ExtentMapType extents;
  VisitLabelRuns(*m_PredictionImage,
                 *m_ReferenceImage,
                 [&extents](std::int64_t prediction, std::int64_t reference, OffsetType first, std::uint64_t length)
                 {
                   Extent run{ length, first, first };
                   run.high[0] += static_cast<OffsetValueType>(length) - 1;
                   extents[{ prediction, reference }].Add(run);
                 });
  return extents;
}

template <typename TPrediction, typename TReference>
template <typename TImage>
auto
LabelSurfaceMetrics<TPrediction, TReference>::MakeMask(const TImage & image,
                                                       const LabelVectorType & labels,
                                                       const Extent & extent) const -> typename MaskType::Pointer
{
  const auto whole = image.GetLargestPossibleRegion();
  auto source = whole;
  auto target = whole;
  typename MaskType::SizeType size;
  for (unsigned int axis = 0; axis < ImageDimension; ++axis)
  {
    const bool isAxis = whole.GetSize(axis) > 1 || !m_IgnoreSingletonAxes;
    const auto pixels = static_cast<SizeValueType>(extent.high[axis] - extent.low[axis] + 1);
    source.SetIndex(axis, whole.GetIndex(axis) + extent.low[axis]);
    source.SetSize(axis, pixels);
    target.SetIndex(axis, isAxis ? 1 : 0);
    target.SetSize(axis, pixels);
    size[axis] = isAxis ? pixels + 2 : pixels;
  }
  auto mask = MaskType::New();
  mask->SetRegions(size);
  mask->SetSpacing(m_PredictionImage->GetSpacing());
  mask->Allocate(true);
  ImageRegionConstIterator<TImage> from(&image, source);
  ImageRegionIterator<MaskType> to(mask, target);
  for (; !from.IsAtEnd(); ++from, ++to)
  {
    const auto label = static_cast<std::int64_t>(from.Get());
    to.Set(std::find(labels.begin(), labels.end(), label) != labels.end() ? 1 : 0);
  }
  return mask;
}

template <typename TPrediction, typename TReference>
LabelComparison
LabelSurfaceMetrics<TPrediction, TReference>::Compare(const LabelVectorType & labels,
                                                      const ExtentMapType & extents) const
{
  const std::set<std::int64_t> members(labels.begin(), labels.end());
  LabelComparison comparison;
  comparison.labels = labels;
  Extent extent;
  for (const auto & entry : extents)
  {
    const bool inPrediction = members.count(entry.first.first) != 0;
    const bool inReference = members.count(entry.first.second) != 0;
    comparison.predictionCount += inPrediction ? entry.second.count : 0;
    comparison.referenceCount += inReference ? entry.second.count : 0;
    comparison.intersectionCount += inPrediction && inReference ? entry.second.count : 0;
    if (inPrediction || inReference)
    {
      extent.Add(entry.second);
    }
  }
  for (unsigned int i = 0; i < ImageDimension; ++i)
  {
    comparison.pixelVolume *= m_PredictionImage->GetSpacing()[i];
  }
  comparison.hasDistances = m_ComputeDistances;
  if (m_ComputeDistances && extent.count > 0)
  {
    comparison.distances = ComputeSurfaceDistances(*this->MakeMask(*m_PredictionImage, labels, extent),
                                                   *this->MakeMask(*m_ReferenceImage, labels, extent));
  }
  return comparison;
}

template <typename TPrediction, typename TReference>
void
LabelSurfaceMetrics<TPrediction, TReference>::Compute()
{
  this->CheckInputs();
  const ExtentMapType extents = this->FindExtents();
  LabelGroupVectorType groups = m_LabelGroups;
  if (groups.empty())
  {
    std::set<std::int64_t> occurring;
    for (const auto & entry : extents)
    {
      occurring.insert({ entry.first.first, entry.first.second });
    }
    occurring.erase(0);
    for (const std::int64_t label : occurring)
    {
      groups.push_back({ label });
    }
  }
  m_Comparisons.clear();
  for (const LabelVectorType & group : groups)
  {
    m_Comparisons.push_back(this->Compare(group, extents));
  }
}

template <typename TPrediction, typename TReference>
void
LabelSurfaceMetrics<TPrediction, TReference>::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  os << indent << "PredictionImage: " << m_PredictionImage.GetPointer() << std::endl;
  os << indent << "ReferenceImage: " << m_ReferenceImage.GetPointer() << std::endl;
  os << indent << "Number of structures asked for: " << m_LabelGroups.size() << std::endl;
  os << indent << "Number of comparisons: " << m_Comparisons.size() << std::endl;
  os << indent << "ComputeDistances: " << (m_ComputeDistances ? "On" : "Off") << std::endl;
  os << indent << "IgnoreSingletonAxes: " << (m_IgnoreSingletonAxes ? "On" : "Off") << std::endl;
  os << indent << "Tolerance: " << m_Tolerance << std::endl;
}
} // namespace itk

#endif
