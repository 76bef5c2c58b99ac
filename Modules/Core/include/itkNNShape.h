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
#ifndef itkNNShape_h
#define itkNNShape_h

#include "UniverSegCoreExport.h"

#include <cstdint>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** Extents of a tensor, slowest axis first (row-major). An empty shape is a
 * scalar. \ingroup UniverSegCore */
using Shape = std::vector<std::int64_t>;

/** Product of the extents; throws Error for a negative extent or a product
 * that does not fit 63 bits. */
UniverSegCore_EXPORT std::int64_t NumberOfElements(const Shape & shape);

/** "[2, 1, 128, 128]". */
UniverSegCore_EXPORT std::string ToString(const Shape & shape);

/** Strides in elements of the contiguous row-major arrangement. */
UniverSegCore_EXPORT Shape ContiguousStrides(const Shape & shape);

/** The common shape of two operands: aligned at the last axis, an extent of 1
 * repeats. Throws Error where two extents differ and neither is 1. */
UniverSegCore_EXPORT Shape BroadcastShapes(const Shape & a, const Shape & b);

/** Whether an operand that broadcasts to a result has one value a channel:
 * [1..., C, 1...], or [C, 1...] without the axes before. */
UniverSegCore_EXPORT bool IsPerChannel(const Shape & operand, const Shape & result, int channelAxis);

/** The same elements with axes of one element in front. \param rank not below the shape's. */
UniverSegCore_EXPORT Shape WithLeadingOnes(const Shape & shape, std::size_t rank);

/** An axis in [-rank, rank) as one in [0, rank); throws Error outside. */
UniverSegCore_EXPORT int NormalizeAxis(int axis, int rank);
} // namespace nn
} // namespace itk

#endif
