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
#ifndef itkNNSafeTensors_h
#define itkNNSafeTensors_h

#include "UniverSegModelIOExport.h"
#include "itkNNStateDict.h"

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** Free text entries of a safetensors file.
 * \ingroup UniverSegModelIO */
using SafeTensorsMetadata = std::map<std::string, std::string>;

/** \class SafeTensorsFile
 * \brief Tensors and metadata of a safetensors file, in the header's order.
 * \ingroup UniverSegModelIO
 */
struct SafeTensorsFile
{
  StateDict tensors;
  SafeTensorsMetadata metadata;
};

/** Read a safetensors file. Element types are those of the file: F64 F32 F16
 * BF16 I64 I32 I16 I8 U16 U8 BOOL. The tensors are views of one buffer where
 * their alignment allows.
 *
 * Throws Error, which names the file, when the header exceeds 100 MB or the
 * file, is not the expected JSON, names an unknown type or the same tensor
 * twice, or when the tensors' extents do not fill the data exactly: no hole, no
 * overlap, nothing outside. */
UniverSegModelIO_EXPORT SafeTensorsFile ReadSafeTensors(const std::string & fileName);

/** Same from memory, which is copied. */
UniverSegModelIO_EXPORT SafeTensorsFile ReadSafeTensorsFromMemory(const void * data, std::size_t size);

/** Write a safetensors file: into a temporary file beside it, then renamed, so
 * that a reader never sees half of one. Equal content gives equal bytes. The
 * header keeps the state dict's order and is padded to 8 bytes; the data are
 * ordered by element size so that every tensor is aligned. */
UniverSegModelIO_EXPORT void WriteSafeTensors(const std::string & fileName,
                                              const StateDict & tensors,
                                              const SafeTensorsMetadata & metadata = SafeTensorsMetadata());

/** The bytes that WriteSafeTensors() writes. */
UniverSegModelIO_EXPORT std::vector<unsigned char> SerializeSafeTensors(
  const StateDict & tensors, const SafeTensorsMetadata & metadata = SafeTensorsMetadata());

/** "F32" for DataType::Float32, and so on. */
UniverSegModelIO_EXPORT const char * ToSafeTensorsName(DataType type);
} // namespace nn
} // namespace itk

#endif
