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
#ifndef itkNNCudaLibraries_h
#define itkNNCudaLibraries_h

#include "itkNNBackend.h"

namespace itk
{
namespace nn
{
namespace cuda
{
/** How cuDNN or cuBLAS computes an operator; null when neither does. Images are channels
 * last where tensor cores are used. */
const Implementation * GetLibraryImplementation(const Operator & op);
} // namespace cuda
} // namespace nn
} // namespace itk

#endif
