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
#ifndef itkNNTorchFile_h
#define itkNNTorchFile_h

#include "itkNNTorchObject.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** \class TorchFileOptions
 * \brief What to convert, and the limits that protect against hostile files.
 *
 * Sizes are in bytes.
 * \ingroup UniverSegModelIO
 */
struct TorchFileOptions
{
  /** Tensors of float16, bfloat16 and float64 become float32. */
  bool convertToFloat32 = true;

  std::uint64_t maximumFileBytes = std::uint64_t{ 1 } << 36;
  /** Entries of the archive. */
  std::uint64_t maximumEntries = 200000;
  /** The pickled part, without the tensors' elements. */
  std::uint64_t maximumPickleBytes = std::uint64_t{ 1 } << 28;
  /** Values in the pickled part. */
  std::uint64_t maximumObjects = 2000000;
  /** Memory for these values. */
  std::uint64_t maximumObjectBytes = std::uint64_t{ 1 } << 28;
  /** Sum over the deflated entries, and their ratio of inflated to deflated
   * size, which counts for entries that inflate to more than 16 MiB. */
  std::uint64_t maximumInflatedBytes = std::uint64_t{ 1 } << 33;
  std::uint64_t maximumInflationRatio = 200;
  /** Sum of the tensors' sizes, where elements shared between tensors count
   * every time, beyond eight times the size of the file's (inflated) data. */
  std::uint64_t maximumExpandedBytes = std::uint64_t{ 1 } << 28;
};

/** \class TorchFile
 * \brief The object that torch.save() stored in a file.
 * \ingroup UniverSegModelIO
 */
struct TorchFile
{
  TorchObject root;
  /** "zip" or "legacy". */
  std::string serialization;
  /** Sorted names of the classes and functions that the file refers to and the
   * reader does not know. Their instances are Opaque. */
  std::vector<std::string> skippedClasses;
};

/** Read a file made by torch.save(): the zip archive of PyTorch 1.6 and later,
 * with stored or deflated entries, or the legacy stream of pickles before it.
 * Nothing in the file is executed. Tensors may be strided views that share
 * their elements with each other and with the file's buffer.
 *
 * Throws Error, which names the file and what is wrong with it: truncated,
 * another format, a byte order other than little, encrypted or overlapping
 * entries, names that leave the archive, offsets outside of a storage, a limit
 * of the options exceeded. */
UniverSegModelIO_EXPORT TorchFile ReadTorchFile(const std::string & fileName,
                                                const TorchFileOptions & options = TorchFileOptions());

/** Same from memory, which is copied. */
UniverSegModelIO_EXPORT TorchFile ReadTorchFileFromMemory(const void * data,
                                                          std::size_t size,
                                                          const TorchFileOptions & options = TorchFileOptions());
} // namespace nn
} // namespace itk

#endif
