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
#ifndef itkNNNumPyFile_h
#define itkNNNumPyFile_h

#include "UniverSegModelIOExport.h"
#include "itkNNTensor.h"

#include <string>

namespace itk
{
namespace nn
{
/** Write a tensor as numpy.save() does: an .npy file of version 1.0, in C order. A file of that
 * name is replaced.
 *
 * Throws Error that names the file when it cannot be written, and when the tensor is undefined or
 * BFloat16, which NumPy does not have.
 * \ingroup UniverSegModelIO */
UniverSegModelIO_EXPORT void WriteNumPyFile(const std::string & fileName, const Tensor & tensor);
} // namespace nn
} // namespace itk

#endif
