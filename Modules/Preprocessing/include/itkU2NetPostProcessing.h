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
#ifndef itkU2NetPostProcessing_h
#define itkU2NetPostProcessing_h

#include "UniverSegPreprocessingExport.h"
#include "itkNNTensor.h"

#include <cstdint>
#include <set>

namespace itk
{
namespace nn
{
/** \class U2NetPostProcessing
 * \brief What the 3D U2-Net's reference implementation (huangmozhilv/u2net_torch) makes of the
 * labels that the network gives, on the grid of the preprocessed case.
 *
 * Labels become 0 where the weight is. Then, for each class from 1 on: its mask is closed with
 * the 18 neighbours that share a face or an edge, the outside being background; the second half
 * of W is cleared if asked for; and of the components of that neighbourhood the largest are kept.
 * Later classes are written over earlier ones. Of equally large components those count first
 * whose first voxel, in the order of memory, is first.
 * \ingroup UniverSegPreprocessing */
struct UniverSegPreprocessing_EXPORT U2NetPostProcessing
{
  std::int64_t classes = 2; ///< with the background; other labels become 0

  /** Largest components that are kept: 1, or 2, the second one if it has more than a tenth of the
   * first one's voxels. */
  int components = 1;

  /** Clear the voxels from W / 2, rounded down, on: the side of the body that has no spleen. */
  bool clearsSecondHalf = false;

  /** Take nothing out of a class in which it is not clear from their sizes which components are the
   * largest, as the reference implementation, which fails there. */
  bool keepsAllOfEqualSizes = false;

  std::set<std::int32_t> untouchedClasses; ///< are taken as they are, such as tumours

  /** Throws Error unless there is a class, and 1 or 2 components are kept. */
  void Check() const;

  /** Throws Error as Check(), and when a tensor is not as said here.
   * \param labels [D, H, W], Int32.
   * \param weight of U2NetPreparedCase, [D, H, W], Float32; undefined: 1 everywhere.
   * \return [D, H, W], Int32. */
  Tensor Apply(const Tensor & labels, const Tensor & weight = {}) const;
};
} // namespace nn
} // namespace itk

#endif
