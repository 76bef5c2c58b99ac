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
#ifndef itkNNCudaStream_h
#define itkNNCudaStream_h

#include "itkNNCudaTable.h"

#include <cuda_runtime_api.h>

#include <string>
#include <vector>

/** \file
 * What the parts of the device library share: streams, errors, and the functions of the
 * table that NVIDIA's libraries do.
 */

namespace itk
{
namespace nn
{
namespace cuda
{
/** Memory of the host that the device sees. */
struct ErrorSlot
{
  KernelError * error = nullptr;
  KernelError * deviceError = nullptr; ///< its address there
};

struct Recording
{
  cudaGraphExec_t graph = nullptr;
  ErrorSlot slot;
};

struct Stream
{
  int device = 0;
  int multiprocessors = 1;
  cudaStream_t stream = nullptr;
  ErrorSlot slot;
  Recording * recording = nullptr;   ///< while one is made
  std::vector<Recording *> replayed; ///< since the last wait
  void * convolutions = nullptr;     ///< cuDNN's handle, made by the first convolution
};

/** Why the last call of the thread failed. */
std::string & GetError();

inline int
Fail(const std::string & text)
{
  GetError() = text;
  return 1;
}

inline int
Check(cudaError_t status, const char * what)
{
  if (status == cudaSuccess)
  {
    return 0;
  }
  // So that the next call is not blamed for it.
  static_cast<void>(cudaGetLastError());
  return Fail(std::string(what) + ": " + cudaGetErrorString(status));
}

/** Returns from the function when a call fails. */
#define UNIVERSEG_CUDA_CHECK(call)                                                                                     \
  do                                                                                                                   \
  {                                                                                                                    \
    if (const int failedCall = itk::nn::cuda::Check(call, #call); failedCall != 0)                                     \
    {                                                                                                                  \
      return failedCall;                                                                                               \
    }                                                                                                                  \
  }                                                                                                                    \
  while (false)

/** Functions of the table. */
int PrepareConvolution(int device,
                       const ConvolutionDescription * description,
                       void ** prepared,
                       std::size_t * workspace);
int RunConvolution(
  void * stream, const void * prepared, void * x, void * w, void * y, const void * bias, void * workspace);
int DestroyConvolution(void * prepared);
int PrepareProduct(int device, const ProductDescription * description, void ** prepared, std::size_t * workspace);
int RunProduct(void * stream, const void * prepared, const void * a, const void * b, void * dst, void * workspace);
int DestroyProduct(void * prepared);

int CheckGroups();
int MakeGroupId(char * id);
int JoinGroup(int device, int size, int rank, const char * id, void ** group);
int SumOverGroup(void * stream, void * group, void * values, std::size_t count, double seconds);
int LeaveGroup(void * group);

/** Make what the libraries keep with a stream, where they were used: not while a recording
 * is made. */
int PrepareLibraries(Stream & stream);
void ReleaseLibraries(Stream & stream);
} // namespace cuda
} // namespace nn
} // namespace itk

#endif
