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

#include "itkNNCudaParameters.h"

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
/** Changed with every change of this file, of itkNNCudaParameters.h or of an enumeration
 * of itkNNOperator.h. */
constexpr std::uint32_t tableVersion = 7;

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

/** What a convolution of cuDNN computes: y from x and w, or the gradient of one from the
 * others'. */
enum class ConvolutionKind : std::int32_t
{
  Forward,        ///< y, from x and w
  DataGradient,   ///< x, from y and w
  WeightsGradient ///< w, from x and y
};

/** Images [batch, channels, depth, height, width], of w [out channels, in channels of a
 * group, kernel]. */
struct ConvolutionDescription
{
  ConvolutionKind kind;
  ElementType type;
  Image x;
  Image w;
  Image y;
  Window window;
  std::int32_t paddingEnd[3]; ///< behind the last element
  /** Of Forward: a value for each channel is added, then values below zero are
   * multiplied. */
  std::int32_t hasBias;
  std::int32_t isRectified;
  double negativeSlope;
  std::int32_t allowTensorFloat32;
  std::int32_t isDeterministic; ///< the same result every time
};

/** dst = a b for each of a batch; strides are 1 along rows or along columns. */
struct ProductDescription
{
  ElementType type;
  std::int64_t rows;
  std::int64_t columns;
  std::int64_t inner;
  std::int64_t batch;
  std::int64_t aStrides[3]; ///< batch, rows, inner
  std::int64_t bStrides[3]; ///< batch, inner, columns
  std::int64_t dstBatchStride;
  std::int32_t alignment; ///< of all addresses, in bytes
  std::int32_t allowTensorFloat32;
};

/** Bytes by which the devices of several processes find each other. */
constexpr std::size_t groupIdBytes = 128;

struct Table
{
  std::uint32_t version;
  const char * name; ///< for people, for example "CUDA 13.0"

  const char * (*GetLastError)();
  /** Fails where there is no driver. */
  int (*CountDevices)(int * count);
  int (*GetFreeBytes)(int device, std::size_t * bytes);

  int (*Allocate)(int device, std::size_t bytes, void ** memory);
  int (*Release)(int device, void * memory);
  /** Memory of the host from which copies are fast and do not wait. */
  int (*AllocateHost)(std::size_t bytes, void ** memory);
  int (*ReleaseHost)(void * memory);

  int (*MakeStream)(int device, void ** stream);
  int (*DestroyStream)(void * stream);
  int (*Copy)(void * stream, void * to, const void * from, std::size_t bytes, CopyKind kind);
  /** Until all work of the stream is done; error is what kernels wrote, those of the
   * recordings that it replayed too. */
  int (*Wait)(void * stream, KernelError * error);

  /** Put a kernel into the stream.
   * \param kernel a KernelId, \param type an ElementType.
   * \param parameters the struct of that kernel, of `bytes` bytes. */
  int (*Launch)(void * stream, int kernel, int type, const void * parameters, std::size_t bytes);

  /** A convolution of cuDNN, a product of cuBLAS: fail with the reason where the library
   * is not there or has none. workspace gets the bytes that a run needs. */
  int (*PrepareConvolution)(int device,
                            const ConvolutionDescription * description,
                            void ** prepared,
                            std::size_t * workspace);
  int (*RunConvolution)(
    void * stream, const void * prepared, void * x, void * w, void * y, const void * bias, void * workspace);
  int (*DestroyConvolution)(void * prepared);
  int (*PrepareProduct)(int device, const ProductDescription * description, void ** prepared, std::size_t * workspace);
  int (*RunProduct)(void * stream, const void * prepared, const void * a, const void * b, void * dst, void * workspace);
  int (*DestroyProduct)(void * prepared);

  /** Collect what is put into the stream from now on instead of doing it. */
  int (*BeginRecording)(void * stream);
  int (*EndRecording)(void * stream, void ** recording);
  int (*Replay)(void * stream, void * recording);
  int (*DestroyRecording)(void * recording);

  /** Devices of several processes, by NCCL: CheckGroups() fails with the reason where it is
   * not there. One process makes an identity, all of them join with it, together. */
  int (*CheckGroups)();
  int (*MakeGroupId)(char * id);
  int (*JoinGroup)(int device, int size, int rank, const char * id, void ** group);
  /** Behind the work of the stream, replace `count` values of float32 by their sums over the
   * group. Waits for them; fails when another process does not take part within so many
   * seconds, and the group cannot be used any more. */
  int (*SumOverGroup)(void * stream, void * group, void * values, std::size_t count, double seconds);
  int (*LeaveGroup)(void * group);

  /** Until what others have put into a stream of theirs so far is done: a cudaStream_t, 1 for
   * the legacy default stream, 2 for the thread's own, null for all that the device does. */
  int (*WaitForOthers)(int device, void * stream);
  /** Whether an address of others is in memory that the device's kernels read. */
  int (*IsOnDevice)(int device, const void * address, int * isOnDevice);
};

/** The library's one symbol; null when it has another version. */
using GetTableFunction = const Table * (*)(std::uint32_t version);
constexpr const char * getTableName = "UniverSegGetCudaTable";
} // namespace cuda
} // namespace nn
} // namespace itk

#endif
