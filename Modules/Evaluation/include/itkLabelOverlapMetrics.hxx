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
#ifndef itkLabelOverlapMetrics_hxx
#define itkLabelOverlapMetrics_hxx

#include "itkImageGeometryDifference.h"
#include "itkLabelOverlapMetrics.h"
#include "itkLabelRuns.h"
#include "itkOverlapScores.h"

#include <cmath>
#include <map>
#include <set>
#include <type_traits>

namespace itk
{
template <typename TPrediction, typename TReference>
void
LabelOverlapMetrics<TPrediction, TReference>::SetLabels(const LabelVectorType & labels)
{
  const std::set<std::int64_t> unique(labels.begin(), labels.end());
  if (unique.size() != labels.size())
  {
    itkExceptionMacro("Labels must not repeat; got " << labels.size() << " with " << unique.size()
                                                     << " different ones.");
  }
  if (labels != m_Labels)
  {
    m_Labels = labels;
    this->Modified();
  }
}

template <typename TPrediction, typename TReference>
void
LabelOverlapMetrics<TPrediction, TReference>::CheckGeometry() const
{
  static_assert(TPrediction::ImageDimension == TReference::ImageDimension, "Both images have one dimension");
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
void
LabelOverlapMetrics<TPrediction, TReference>::Compute()
{
  static_assert(std::is_integral<typename TPrediction::PixelType>::value &&
                  std::is_integral<typename TReference::PixelType>::value,
                "Label images have integer pixels");

  this->CheckGeometry();

  struct Counts
  {
    std::uint64_t prediction = 0;
    std::uint64_t reference = 0;
    std::uint64_t intersection = 0;
  };
  std::map<std::int64_t, Counts> counts;

  VisitLabelRuns(
    *m_PredictionImage,
    *m_ReferenceImage,
    [&counts](std::int64_t predictionLabel, std::int64_t referenceLabel, const auto &, std::uint64_t length)
    {
      counts[predictionLabel].prediction += length;
      counts[referenceLabel].reference += length;
      if (predictionLabel == referenceLabel)
      {
        counts[predictionLabel].intersection += length;
      }
    });

  LabelVectorType labels = m_Labels;
  if (labels.empty())
  {
    for (const auto & entry : counts)
    {
      if (entry.first != 0)
      {
        labels.push_back(entry.first);
      }
    }
  }

  double pixelVolume = 1;
  for (unsigned int i = 0; i < ImageDimension; ++i)
  {
    pixelVolume *= m_PredictionImage->GetSpacing()[i];
  }

  m_Overlaps.clear();
  for (const std::int64_t label : labels)
  {
    const auto found = counts.find(label);
    const Counts c = found == counts.end() ? Counts() : found->second;
    LabelOverlap overlap;
    overlap.label = label;
    overlap.predictionCount = c.prediction;
    overlap.referenceCount = c.reference;
    overlap.intersectionCount = c.intersection;
    overlap.predictionVolume = static_cast<double>(c.prediction) * pixelVolume;
    overlap.referenceVolume = static_cast<double>(c.reference) * pixelVolume;
    overlap.dice = DiceCoefficient(c.intersection, c.prediction, c.reference, m_EmptyValue);
    overlap.jaccard = JaccardCoefficient(c.intersection, c.prediction, c.reference, m_EmptyValue);
    m_Overlaps.push_back(overlap);
  }
}

template <typename TPrediction, typename TReference>
const LabelOverlap &
LabelOverlapMetrics<TPrediction, TReference>::GetOverlap(std::int64_t label) const
{
  for (const LabelOverlap & overlap : m_Overlaps)
  {
    if (overlap.label == label)
    {
      return overlap;
    }
  }
  itkExceptionMacro("Label " << label << " is not among the " << m_Overlaps.size() << " labels that were computed.");
}

template <typename TPrediction, typename TReference>
void
LabelOverlapMetrics<TPrediction, TReference>::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  os << indent << "PredictionImage: " << m_PredictionImage.GetPointer() << std::endl;
  os << indent << "ReferenceImage: " << m_ReferenceImage.GetPointer() << std::endl;
  os << indent << "Number of labels asked for: " << m_Labels.size() << std::endl;
  os << indent << "Number of overlaps: " << m_Overlaps.size() << std::endl;
  os << indent << "EmptyValue: " << m_EmptyValue << std::endl;
  os << indent << "Tolerance: " << m_Tolerance << std::endl;
}
} // namespace itk

#endif
