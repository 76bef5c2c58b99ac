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
#ifndef itkNNSimdReduction_h
#define itkNNSimdReduction_h

#include "UniverSegSimdExport.h"

#include <cstdint>

namespace itk
{
namespace nn
{
namespace simd
{
/** sums[i] = the sum over r of src[r * stride + i], or of the squares of what
 * that exceeds centre[i], for r < rows and i < count.
 *
 * Each sum is made of two to eight parts; a caller that bounds the rows, some
 * hundreds, and adds up the results in double precision bounds the rounding.
 * \param centre [count], or null: the sums themselves */
UniverSegSimd_EXPORT void SumRows(
  const float * src, std::int64_t rows, std::int64_t stride, std::int64_t count, const float * centre, float * sums);
} // namespace simd
} // namespace nn
} // namespace itk

#endif
