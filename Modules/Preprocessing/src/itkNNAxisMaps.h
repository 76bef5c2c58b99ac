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
#ifndef itkNNAxisMaps_h
#define itkNNAxisMaps_h

#include "itkNNTensor.h"

#include <cstdint>
#include <vector>

namespace itk
{
namespace nn
{
/** For each output position of an axis the input position it comes from. */
using AxisMap = std::vector<std::int64_t>;

/** New contiguous tensor of the elements at the maps' positions along the axes after the
 * first; any element type. \param input [C, D, H, W] or [C, H, W]. */
Tensor TakeElements(const Tensor & input, const std::vector<AxisMap> & maps);

/** Maps of a box. Throws nothing; the box is inside. */
std::vector<AxisMap> BoxMaps(const Shape & start, const Shape & size);

/** Maps that reflect an axis at its first and last positions, which do not repeat, as often
 * as needed: numpy.pad's "reflect".
 * \param start of the input in the output. */
std::vector<AxisMap> ReflectMaps(const Shape & inputSize, const Shape & outputSize, const Shape & start);

/** Zeros with a tensor in a box. \param size spatial extents of the result. */
Tensor PasteIntoZeros(const Tensor & part, const Shape & size, const Shape & start);
} // namespace nn
} // namespace itk

#endif
