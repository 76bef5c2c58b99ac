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
#ifndef itkNNZoom_h
#define itkNNZoom_h

#include "UniverSegPreprocessingExport.h"
#include "itkNNTensor.h"

namespace itk
{
namespace nn
{
/** Resize by linear interpolation, the corners of the output on those of the input: output
 * position i of an axis lies at i * (input - 1) / (output - 1). In double precision. As
 * scipy.ndimage.zoom of order 1, but for its last positions, where rounding may carry SciPy
 * outside and give 0.
 *
 * Throws Error when the input is not Float32 or has not as many spatial axes as the size, and
 * when an extent is zero.
 * \param input [C, D, H, W] or [C, H, W].
 * \param size [D, H, W] or [H, W] of the output.
 * \ingroup UniverSegPreprocessing */
UniverSegPreprocessing_EXPORT Tensor ZoomLinear(const Tensor & input, const Shape & size);

/** The same with the nearest neighbour, of any element type, as scipy.ndimage.zoom of order 0.
 * Throws Error as ZoomLinear().
 * \ingroup UniverSegPreprocessing */
UniverSegPreprocessing_EXPORT Tensor ZoomNearest(const Tensor & input, const Shape & size);
} // namespace nn
} // namespace itk

#endif
