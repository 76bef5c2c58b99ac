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
#ifndef itkNNCudaTable_h
#define itkNNCudaTable_h

#include <cstddef>
#include <cstdint>

/** \file
 * The border between the CUDA backend, which is C++ of the host, and the device
 * library, which is compiled by nvcc and opened when it is asked for: functions and
 * structs of C, so that neither side needs the other's compiler or libraries.
 *
 * Functions return 0, or another number when they failed; GetLastError() is then a
 * sentence that says why, of the calling thread.
 */

namespace itk
{
namespace nn
{
namespace cuda
{
/** Changed with every change of this file or of itkNNCudaParameters.h. */
constexpr std::uint32_t tableVersion = 1;

/** What a device is. */
struct DeviceProperties
{
  char name[256];
  int major; ///< compute capability
  int minor;
  int multiprocessors;
  std::size_t bytes; ///< of its memory
};

/** Written by kernels when an index is outside of its axis. */
struct KernelError
{
  std::int64_t code; ///< 0: none
  std::int64_t index;
  std::int64_t extent;
};

enum class CopyKind : std::int32_t
{
  ToDevice,
  ToHost,
  OnDevice
};

struct Table
{
  std::uint32_t version;
  const char * name; ///< for people, for example "CUDA 13.0"

  const char * (*GetLastError)();
  /** Fails where there is no driver. */
  int (*CountDevices)(int * count);
  int (*GetProperties)(int device, DeviceProperties * properties);
  int (*GetFreeBytes)(int device, std::size_t * bytes);

  int (*Allocate)(int device, std::size_t bytes, void ** memory);
  int (*Release)(int device, void * memory);
  /** Memory of the host from which copies are fast and do not wait. */
  int (*AllocateHost)(std::size_t bytes, void ** memory);
  int (*ReleaseHost)(void * memory);

  int (*MakeStream)(int device, void ** stream);
  int (*DestroyStream)(void * stream);
  int (*Copy)(void * stream, void * to, const void * from, std::size_t bytes, CopyKind kind);
  int (*Clear)(void * stream, void * memory, std::size_t bytes);
  /** Until all work of the stream is done; error is what kernels wrote. */
  int (*Wait)(void * stream, KernelError * error);

  /** Put a kernel into the stream.
   * \param kernel a KernelId, \param type an ElementType.
   * \param parameters the struct of that kernel, of `bytes` bytes. */
  int (*Launch)(void * stream, int kernel, int type, const void * parameters, std::size_t bytes);

  /** Collect what is put into the stream from now on instead of doing it. */
  int (*BeginRecording)(void * stream);
  int (*EndRecording)(void * stream, void ** recording);
  int (*Replay)(void * stream, void * recording);
  int (*DestroyRecording)(void * recording);
};

/** The library's one symbol; null when it has another version. */
using GetTableFunction = const Table * (*)(std::uint32_t version);
constexpr const char * getTableName = "UniverSegGetCudaTable";
} // namespace cuda
} // namespace nn
} // namespace itk

#endif
