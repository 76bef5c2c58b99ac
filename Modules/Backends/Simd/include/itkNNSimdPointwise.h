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
#ifndef itkNNSimdPointwise_h
#define itkNNSimdPointwise_h

#include "UniverSegSimdExport.h"

#include <cstdint>

namespace itk
{
namespace nn
{
namespace simd
{
enum class PointwiseFunction : std::uint8_t
{
  Relu,
  LeakyRelu, ///< x < 0 ? alpha * x : x
  Linear,    ///< alpha * x + beta
  Gelu,      ///< x / 2 * (1 + erf(x / sqrt(2)))
  Add,
  Subtract, ///< x - operand
  Multiply,
  PRelu, ///< x > 0 ? x : operand * x
  Gate   ///< operand > 0 ? x : alpha * x
};

/** Which element of an operand belongs to element i. */
enum class PointwiseAccess : std::uint8_t
{
  Whole,    ///< i
  Periodic, ///< i % period
  Scalar    ///< 0
};

/** One function of a chain. */
struct PointwiseStep
{
  PointwiseFunction function = PointwiseFunction::Relu;
  PointwiseAccess access = PointwiseAccess::Whole;
  float alpha = 0;
  float beta = 0;
  const float * operand = nullptr; ///< of Add and the functions behind it
};

/** to[i] = the steps, one after the other, of from[i]: one pass over memory.
 * to may be from.
 * \param period of the periodic accesses: 8 or 16; without them, anything. */
UniverSegSimd_EXPORT void ApplyPointwise(const float * from,
                                         PointwiseAccess access,
                                         const PointwiseStep * steps,
                                         std::int64_t numberOfSteps,
                                         std::int64_t period,
                                         float * to,
                                         std::int64_t count);
} // namespace simd
} // namespace nn
} // namespace itk

#endif
