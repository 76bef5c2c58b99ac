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
#include "itkLabelOverlap.h"

#include "itkSegmentationReport.h"

#include <algorithm>

namespace itk
{
namespace
{
double
MeanOf(const std::vector<LabelOverlap> & overlaps, double LabelOverlap::* score)
{
  std::vector<double> values(overlaps.size());
  std::transform(
    overlaps.begin(), overlaps.end(), values.begin(), [score](const LabelOverlap & overlap) { return overlap.*score; });
  return ScoreStatistics::Of(values).mean;
}
} // namespace

double
MeanDice(const std::vector<LabelOverlap> & overlaps)
{
  return MeanOf(overlaps, &LabelOverlap::dice);
}

double
MeanJaccard(const std::vector<LabelOverlap> & overlaps)
{
  return MeanOf(overlaps, &LabelOverlap::jaccard);
}
} // namespace itk
