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
#ifndef itkLabelRuns_h
#define itkLabelRuns_h

#include "itkImageScanlineConstIterator.h"

#include <cstdint>

namespace itk
{
/** Visit the runs of equal pairs of labels along the first axis of two label images of the
 * same size: neighbouring pixels mostly carry the same pair.
 * \param visit called as visit(label of a, label of b, offset of the run's first pixel from the
 * start of the image, length in pixels).
 * \ingroup UniverSegEvaluation */
template <typename TA, typename TB, typename TVisit>
void
VisitLabelRuns(const TA & a, const TB & b, TVisit visit)
{
  const auto start = a.GetLargestPossibleRegion().GetIndex();
  ImageScanlineConstIterator<TA> i(&a, a.GetLargestPossibleRegion());
  ImageScanlineConstIterator<TB> j(&b, b.GetLargestPossibleRegion());
  for (; !i.IsAtEnd(); i.NextLine(), j.NextLine())
  {
    while (!i.IsAtEndOfLine())
    {
      const auto first = i.GetIndex() - start;
      const auto labelA = i.Get();
      const auto labelB = j.Get();
      std::uint64_t length = 0;
      for (; !i.IsAtEndOfLine() && i.Get() == labelA && j.Get() == labelB; ++i, ++j)
      {
        ++length;
      }
      visit(static_cast<std::int64_t>(labelA), static_cast<std::int64_t>(labelB), first, length);
    }
  }
}
} // namespace itk

#endif
