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
#ifndef itkNNRawImages_h
#define itkNNRawImages_h

#include "itkImage.h"
#include "itkNNTensor.h"

#include <cstdint>
#include <vector>

namespace itk
{
namespace nn
{
/** An image as it is in its file. \ingroup UniverSegPreprocessing */
struct RawImage
{
  Image<float, 3>::ConstPointer image;
  /** What the file's pixels are: Float32, Float64 or an integer type. Values of an integer type
   * are integers of its range again when they have been interpolated. */
  DataType pixelType = DataType::Float32;
};

/** Images of one grid, and what is known of it. \ingroup UniverSegPreprocessing */
struct RawCase
{
  std::vector<RawImage> modalities;            ///< one at least
  Image<std::int32_t, 3>::ConstPointer labels; ///< null: none
};
} // namespace nn
} // namespace itk

#endif
