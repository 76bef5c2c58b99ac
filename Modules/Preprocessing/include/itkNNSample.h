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
#ifndef itkNNSample_h
#define itkNNSample_h

#include "UniverSegPreprocessingExport.h"
#include "itkNNTensor.h"

namespace itk
{
namespace nn
{
/** \class Sample
 * \brief An image with what belongs to its pixels, as it goes through transforms.
 *
 * Of a volume or of a picture: the spatial extents are [D, H, W] or [H, W], and those of all
 * tensors are the same. What is not there is an undefined tensor. Transforms put new tensors
 * in the place of those they change and never write to the elements of the old, so copies of
 * a sample that share them are safe, also in other threads.
 * \ingroup UniverSegPreprocessing
 */
struct UniverSegPreprocessing_EXPORT Sample
{
  Tensor image;            ///< [C, D, H, W] or [C, H, W], Float32
  Tensor label;            ///< [1, ...], Int32; optional
  Tensor labelProbability; ///< [classes, ...], Float32; optional
  Tensor pixelWeight;      ///< [1, ...], Float32; optional

  /** The spatial extents of the image: [D, H, W] or [H, W]. */
  Shape GetSize() const;

  /** Throws Error when a tensor has another shape or element type than said above. */
  void Check() const;
};
} // namespace nn
} // namespace itk

#endif
