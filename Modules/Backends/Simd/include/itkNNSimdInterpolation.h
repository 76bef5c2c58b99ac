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
#ifndef itkNNSimdInterpolation_h
#define itkNNSimdInterpolation_h

#include "UniverSegSimdExport.h"

#include <cstdint>
#include <vector>

namespace itk
{
namespace nn
{
namespace simd
{
/** \class WeightedSums
 * \brief Sums of weighted elements, one list of terms a sum.
 * \ingroup UniverSegSimd
 */
struct WeightedSums
{
  std::vector<std::int64_t> begin{ 0 }; ///< first term of each sum, then the number of terms
  std::vector<std::int64_t> offsets;    ///< of the terms' elements
  std::vector<float> weights;

  std::int64_t GetNumberOfSums() const
  {
    return static_cast<std::int64_t>(begin.size()) - 1;
  }
  /** Another term of the sum that is being built. A weight of zero adds none:
   * it must not turn an infinity into a NaN. */
  void AddTerm(std::int64_t offset, float weight)
  {
    if (weight != 0)
    {
      offsets.push_back(offset);
      weights.push_back(weight);
    }
  }
  void FinishSum()
  {
    begin.push_back(static_cast<std::int64_t>(offsets.size()));
  }
};

/** to[r][i * block + c] = sum over the terms t of sum i of weight t * from[r][offset t + c].
 * \param rows number of rows r, which share the terms.
 * \param block elements c that lie together: 1, 8 or 16. */
UniverSegSimd_EXPORT void SumColumns(
  const WeightedSums & sums, const float * const * from, float * const * to, std::int64_t rows, int block);

/** to[i] = sum over r of weights[r] * from[r][i], zeros when there are no rows. */
UniverSegSimd_EXPORT void SumRows(
  const float * const * from, const float * weights, std::int64_t rows, float * to, std::int64_t count);
} // namespace simd
} // namespace nn
} // namespace itk

#endif
