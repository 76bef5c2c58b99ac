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
#ifndef itkNNVolumeFusionGraph_h
#define itkNNVolumeFusionGraph_h

#include "itkNNExecutionPlan.h"
#include "itkNNVolumeFusion.h"

namespace itk
{
namespace nn
{
/** Volume Fusion of images as a graph, for any backend and device.
 *
 * Inputs: "foreground" and "background", [batch, channels, size...], and those of
 * MakeVolumeFusionInputs(). Outputs: "fused", as the images, and "labels", the numbers of the
 * fusion classes, [batch, 1, size...]. One plan serves all grids drawn with these options. The
 * places of blocks are computed in the precision of the plan: float32 or float64, not 16
 * bits. Throws Error as VolumeFusionOptions::Check(), and unless batch, channels and extents
 * are above 0 and the axes 1 to 3.
 * \param size extents of the images, or of parts of them, the slowest axis first.
 * \ingroup UniverSegPreprocessing */
UniverSegPreprocessing_EXPORT Graph BuildVolumeFusionGraph(const VolumeFusionOptions & options,
                                                           const Shape & size,
                                                           std::int64_t batch = 1,
                                                           std::int64_t channels = 1);

/** The inputs of a graph of Volume Fusion that are not images: "classes", the blocks'
 * numbers, and "blocks", where they lie.
 * \param grids of the images of a batch. Throws Error when one has blocks smaller than the
 * options allow or other axes.
 * \param position where the graph's images begin in those that the grids were drawn for;
 * empty: at their beginning.
 * \ingroup UniverSegPreprocessing */
UniverSegPreprocessing_EXPORT TensorMap MakeVolumeFusionInputs(const VolumeFusionOptions & options,
                                                               const Shape & size,
                                                               const std::vector<VolumeFusionGrid> & grids,
                                                               const Shape & position = {});
} // namespace nn
} // namespace itk

#endif
