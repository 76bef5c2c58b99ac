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
#ifndef itkNNSimdGradients_h
#define itkNNSimdGradients_h

#include "UniverSegSimdExport.h"

#include <array>
#include <cstdint>

namespace itk
{
namespace nn
{
namespace simd
{
/** \ingroup UniverSegSimd
 * A pooling over windows that do not overlap, of channels in blocks: depth,
 * height and width, 1 where there is none. */
struct PoolingGradientShape
{
  std::int64_t planes = 1; ///< images times blocks of channels
  std::array<std::int64_t, 3> kernel{ 1, 1, 1 };
  std::array<std::int64_t, 3> src{ 1, 1, 1 }; ///< extents of the pooling's input
  std::array<std::int64_t, 3> dst{ 1, 1, 1 }; ///< extents of its output
  int block = 8;                              ///< channels that lie together: 8 or 16
};

/** The gradient of maxima with respect to their input: to the first element of
 * each window that has it, zero elsewhere.
 *
 * \ingroup UniverSegSimd
 * \param gradient [planes, dst..., block]
 * \param src [planes, src..., block]
 * \param result [planes, src..., block]
 * \param begin,end rows of windows, of planes * dst[0] * dst[1]; each writes the
 * rows of its windows, the last ones also the rest of src. */
UniverSegSimd_EXPORT void MaximumPoolingGradient(const PoolingGradientShape & shape,
                                                 const float * gradient,
                                                 const float * src,
                                                 float * result,
                                                 std::int64_t begin,
                                                 std::int64_t end);
} // namespace simd
} // namespace nn
} // namespace itk

#endif
