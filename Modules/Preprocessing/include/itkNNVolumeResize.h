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
#ifndef itkNNVolumeResize_h
#define itkNNVolumeResize_h

#include "UniverSegPreprocessingExport.h"
#include "itkNNTensor.h"

#include <cstdint>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** What is outside of an image that is resized. \ingroup UniverSegPreprocessing */
enum class ResizeBoundary : std::uint8_t
{
  Edge,       ///< its outermost voxels go on
  Zeros,      ///< 0; splines go over into it. As resize() of scikit-image 0.26, mode "constant"
  ZeroOutside ///< 0 at places beyond the centres of its outermost voxels. As that of 0.14
};

/** "edge", "zeros", "zero_outside": names in the order of ResizeBoundary.
 * \ingroup UniverSegPreprocessing */
UniverSegPreprocessing_EXPORT const std::vector<std::string> & GetResizeBoundaryNames();

/** Resize by cubic B-splines through the voxels' centres, which are at (i + 0.5) / extent of an
 * axis in input and output alike. There is no smoothing before shrinking. Each channel is clipped
 * to its own range, with Zeros to that and 0. Computed in double precision.
 *
 * scikit-image 0.14 resizes a volume whose last extent stays slice by slice, in another way;
 * that is not done here.
 *
 * Throws Error when the input is not Float32 or Float64 or has not as many spatial axes as the
 * size, and when an extent is zero.
 * \param input [C, D, H, W] or [C, H, W].
 * \param size [D, H, W] or [H, W] of the output, which has the input's element type.
 * \param threads 0: ITK's global default.
 * \ingroup UniverSegPreprocessing */
UniverSegPreprocessing_EXPORT Tensor ResizeCubic(const Tensor & input,
                                                 const Shape & size,
                                                 ResizeBoundary boundary = ResizeBoundary::Edge,
                                                 unsigned int threads = 1);

/** The same with the nearest neighbour, of any element type: input voxel
 * floor((i + 0.5) * input / output). With Edge and Zeros the results are the same.
 * Throws Error as ResizeCubic(). \ingroup UniverSegPreprocessing */
UniverSegPreprocessing_EXPORT Tensor ResizeNearest(const Tensor & input,
                                                   const Shape & size,
                                                   ResizeBoundary boundary = ResizeBoundary::Edge);
} // namespace nn
} // namespace itk

#endif
