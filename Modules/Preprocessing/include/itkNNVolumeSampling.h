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
#ifndef itkNNVolumeSampling_h
#define itkNNVolumeSampling_h

#include "UniverSegPreprocessingExport.h"
#include "itkNNTensor.h"

namespace itk
{
namespace nn
{
/** A volume at any places by cubic B-splines through its voxels, as map_coordinates() of SciPy of
 * order 3 and mode "constant": 0 outside of [0, extent - 1] of any axis, also at coordinates that
 * are no numbers. Computed in double precision; the splines only around the places that are inside.
 *
 * Throws Error when the input is not Float32 or Float64 of [C, D, H, W] or empty, or the coordinates
 * are not Float64 of [3, ...].
 * \param coordinates [3, D', H', W'], in voxels of the axes D, H and W.
 * \return [C, D', H', W'] of the input's element type.
 * \ingroup UniverSegPreprocessing */
UniverSegPreprocessing_EXPORT Tensor SampleCubic(const Tensor & input, const Tensor & coordinates);

/** The same with the nearest voxel, of any element type, as of order 0: a fraction of 0.5 goes up.
 * Throws Error as SampleCubic(). \ingroup UniverSegPreprocessing */
UniverSegPreprocessing_EXPORT Tensor SampleNearest(const Tensor & input, const Tensor & coordinates);
} // namespace nn
} // namespace itk

#endif
