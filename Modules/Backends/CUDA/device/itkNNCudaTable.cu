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
#include "itkNNCudaKernels.h"
#include "itkNNCudaStream.h"

#include <algorithm>
#include <string>
#include <type_traits>

namespace itk
{
namespace nn
{
namespace cuda
{
std::string &
GetError()
{
  static thread_local std::string error;
  return error;
}

namespace
{
constexpr int threadsPerBlock = 256;
constexpr int threadsPerWarp = 32;
/** More blocks take several items a thread. */
constexpr std::int64_t blocksPerMultiprocessor = 32;

template <typename C>
__device__ Accumulator<C>
ShuffleDown(const Accumulator<C> & from, int lanes)
{
  return { __shfl_down_sync(0xffffffffU, from.value, lanes),
           __shfl_down_sync(0xffffffffU, from.rest, lanes),
           __shfl_down_sync(0xffffffffU, from.count, lanes) };
}

/** Into the first lane. */
template <typename C, typename TMerge>
__device__ void
MergeWarp(Accumulator<C> & mine, const TMerge & merge, int lanes)
{
  for (int step = lanes / 2; step > 0; step /= 2)
  {
    merge.Merge(mine, ShuffleDown(mine, step));
  }
}

struct WarpTeam
{
  __device__ std::int64_t GetRank() const
  {
    return threadIdx.x % threadsPerWarp;
  }
  __device__ std::int64_t GetSize() const
  {
    return threadsPerWarp;
  }
  template <typename C, typename TMerge>
  __device__ void Gather(Accumulator<C> & mine, const TMerge & merge) const
  {
    MergeWarp(mine, merge, threadsPerWarp);
    mine = { __shfl_sync(0xffffffffU, mine.value, 0),
             __shfl_sync(0xffffffffU, mine.rest, 0),
             __shfl_sync(0xffffffffU, mine.count, 0) };
  }
};

struct BlockTeam
{
  __device__ std::int64_t GetRank() const
  {
    return threadIdx.x;
  }
  __device__ std::int64_t GetSize() const
  {
    return threadsPerBlock;
  }
  template <typename C, typename TMerge>
  __device__ void Gather(Accumulator<C> & mine, const TMerge & merge) const
  {
    constexpr int warps = threadsPerBlock / threadsPerWarp;
    __shared__ Accumulator<C> shared[warps];
    MergeWarp(mine, merge, threadsPerWarp);
    if (threadIdx.x % threadsPerWarp == 0)
    {
      shared[threadIdx.x / threadsPerWarp] = mine;
    }
    __syncthreads();
    // Every thread in the same order, so that all have the same.
    mine = shared[0];
    for (int i = 1; i < warps; ++i)
    {
      merge.Merge(mine, shared[i]);
    }
    // Before the next call writes.
    __syncthreads();
  }
};

template <typename TKernel>
__global__ void
__launch_bounds__(threadsPerBlock)
  RunSingly(const __grid_constant__ typename TKernel::Parameters p, KernelError * error)
{
  const std::int64_t count = TKernel::CountItems(p);
  const std::int64_t step = std::int64_t{ gridDim.x } * blockDim.x;
  for (std::int64_t i = std::int64_t{ blockIdx.x } * blockDim.x + threadIdx.x; i < count; i += step)
  {
    TKernel::Run(p, i, SingleTeam{}, error);
  }
}

template <typename TKernel, typename TTeam, int VSize>
__global__ void
__launch_bounds__(threadsPerBlock)
  RunInTeams(const __grid_constant__ typename TKernel::Parameters p, KernelError * error)
{
  constexpr int teams = threadsPerBlock / VSize;
  const std::int64_t count = TKernel::CountItems(p);
  const std::int64_t step = std::int64_t{ gridDim.x } * teams;
  for (std::int64_t i = std::int64_t{ blockIdx.x } * teams + threadIdx.x / VSize; i < count; i += step)
  {
    TKernel::Run(p, i, TTeam{}, error);
  }
}

template <typename TParameters, typename = void>
struct HasTeams : std::false_type
{};
template <typename TParameters>
struct HasTeams<TParameters, decltype(static_cast<void>(std::declval<TParameters>().teamSize))> : std::true_type
{};

struct Launcher
{
  template <typename TKernel>
  int Run()
  {
    using Parameters = typename TKernel::Parameters;
    if (bytes != sizeof(Parameters))
    {
      return Fail("A kernel's parameters have another size than in the device library");
    }
    const auto & p = *static_cast<const Parameters *>(parameters);
    const std::int64_t count = TKernel::CountItems(p);
    if (count == 0)
    {
      return 0;
    }
    KernelError * error = (stream->recording != nullptr ? stream->recording->slot : stream->slot).deviceError;
    const int teamSize = GetTeamSize(p, 0);
    const std::int64_t itemsPerBlock = threadsPerBlock / teamSize;
    const std::int64_t blocks =
      std::min((count + itemsPerBlock - 1) / itemsPerBlock, blocksPerMultiprocessor * stream->multiprocessors);
    const auto grid = static_cast<unsigned int>(blocks);
    if constexpr (HasTeams<Parameters>::value)
    {
      if (teamSize == threadsPerWarp)
      {
        RunInTeams<TKernel, WarpTeam, threadsPerWarp><<<grid, threadsPerBlock, 0, stream->stream>>>(p, error);
      }
      else if (teamSize == threadsPerBlock)
      {
        RunInTeams<TKernel, BlockTeam, threadsPerBlock><<<grid, threadsPerBlock, 0, stream->stream>>>(p, error);
      }
    }
    if (teamSize == 1)
    {
      RunSingly<TKernel><<<grid, threadsPerBlock, 0, stream->stream>>>(p, error);
    }
    return Check(cudaGetLastError(), "kernel launch");
  }

  Stream * stream;
  const void * parameters;
  std::size_t bytes;
};

const char *
GetLastErrorText()
{
  return GetError().c_str();
}

int
CountDevices(int * count)
{
  *count = 0;
  int driver = 0;
  UNIVERSEG_CUDA_CHECK(cudaDriverGetVersion(&driver));
  if (driver == 0)
  {
    return Fail("there is no NVIDIA driver");
  }
  UNIVERSEG_CUDA_CHECK(cudaGetDeviceCount(count));
  return 0;
}

int
GetFreeBytes(int device, std::size_t * bytes)
{
  std::size_t total = 0;
  UNIVERSEG_CUDA_CHECK(cudaSetDevice(device));
  UNIVERSEG_CUDA_CHECK(cudaMemGetInfo(bytes, &total));
  return 0;
}

int
Allocate(int device, std::size_t bytes, void ** memory)
{
  UNIVERSEG_CUDA_CHECK(cudaSetDevice(device));
  UNIVERSEG_CUDA_CHECK(cudaMalloc(memory, bytes));
  return 0;
}

int
Release(int device, void * memory)
{
  UNIVERSEG_CUDA_CHECK(cudaSetDevice(device));
  UNIVERSEG_CUDA_CHECK(cudaFree(memory));
  return 0;
}

int
AllocateHost(std::size_t bytes, void ** memory)
{
  UNIVERSEG_CUDA_CHECK(cudaHostAlloc(memory, bytes, cudaHostAllocPortable));
  return 0;
}

int
ReleaseHost(void * memory)
{
  UNIVERSEG_CUDA_CHECK(cudaFreeHost(memory));
  return 0;
}

int
MakeSlot(ErrorSlot & slot)
{
  UNIVERSEG_CUDA_CHECK(cudaHostAlloc(reinterpret_cast<void **>(&slot.error), sizeof(KernelError), cudaHostAllocMapped));
  *slot.error = {};
  UNIVERSEG_CUDA_CHECK(cudaHostGetDevicePointer(reinterpret_cast<void **>(&slot.deviceError), slot.error, 0));
  return 0;
}

int
DestroySlot(ErrorSlot & slot)
{
  return slot.error != nullptr ? Check(cudaFreeHost(slot.error), "cudaFreeHost") : 0;
}

int
DestroyStream(void * handle)
{
  auto * stream = static_cast<Stream *>(handle);
  int failed = Check(cudaSetDevice(stream->device), "cudaSetDevice");
  ReleaseLibraries(*stream);
  if (stream->stream != nullptr)
  {
    failed += Check(cudaStreamDestroy(stream->stream), "cudaStreamDestroy");
  }
  failed += DestroySlot(stream->slot);
  delete stream;
  return failed;
}

int
Prepare(Stream & stream)
{
  UNIVERSEG_CUDA_CHECK(cudaSetDevice(stream.device));
  UNIVERSEG_CUDA_CHECK(cudaDeviceGetAttribute(&stream.multiprocessors, cudaDevAttrMultiProcessorCount, stream.device));
  UNIVERSEG_CUDA_CHECK(cudaStreamCreateWithFlags(&stream.stream, cudaStreamNonBlocking));
  return MakeSlot(stream.slot);
}

int
MakeStream(int device, void ** handle)
{
  auto * stream = new Stream;
  stream->device = device;
  if (Prepare(*stream) != 0)
  {
    const std::string reason = GetError();
    static_cast<void>(DestroyStream(stream));
    return Fail(reason);
  }
  *handle = stream;
  return 0;
}

int
Copy(void * handle, void * to, const void * from, std::size_t bytes, CopyKind kind)
{
  const auto * stream = static_cast<const Stream *>(handle);
  UNIVERSEG_CUDA_CHECK(cudaSetDevice(stream->device));
  const cudaMemcpyKind direction = kind == CopyKind::ToDevice ? cudaMemcpyHostToDevice
                                 : kind == CopyKind::ToHost   ? cudaMemcpyDeviceToHost
                                                              : cudaMemcpyDeviceToDevice;
  UNIVERSEG_CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, direction, stream->stream));
  return 0;
}

int
Wait(void * handle, KernelError * error)
{
  auto * stream = static_cast<Stream *>(handle);
  UNIVERSEG_CUDA_CHECK(cudaSetDevice(stream->device));
  const cudaError_t status = cudaStreamSynchronize(stream->stream);
  std::vector<ErrorSlot> slots{ stream->slot };
  for (const Recording * recording : stream->replayed)
  {
    slots.push_back(recording->slot);
  }
  stream->replayed.clear();
  *error = {};
  for (const ErrorSlot & slot : slots)
  {
    *error = slot.error->code != 0 ? *slot.error : *error;
    *slot.error = {};
  }
  UNIVERSEG_CUDA_CHECK(status);
  return 0;
}

int
WaitForOthers(int device, void * stream)
{
  UNIVERSEG_CUDA_CHECK(cudaSetDevice(device));
  if (stream == nullptr)
  {
    UNIVERSEG_CUDA_CHECK(cudaDeviceSynchronize());
  }
  else
  {
    UNIVERSEG_CUDA_CHECK(cudaStreamSynchronize(static_cast<cudaStream_t>(stream)));
  }
  return 0;
}

int
IsOnDevice(int device, const void * address, int * isOnDevice)
{
  UNIVERSEG_CUDA_CHECK(cudaSetDevice(device));
  cudaPointerAttributes attributes{};
  UNIVERSEG_CUDA_CHECK(cudaPointerGetAttributes(&attributes, address));
  *isOnDevice = attributes.type == cudaMemoryTypeManaged ||
                (attributes.type == cudaMemoryTypeDevice && attributes.device == device);
  return 0;
}

int
Launch(void * handle, int kernel, int type, const void * parameters, std::size_t bytes)
{
  auto * stream = static_cast<Stream *>(handle);
  UNIVERSEG_CUDA_CHECK(cudaSetDevice(stream->device));
  const int status =
    Dispatch(static_cast<KernelId>(kernel), static_cast<ElementType>(type), Launcher{ stream, parameters, bytes });
  return status < 0 ? Fail("The device library has no kernel " + std::to_string(kernel) + " for elements of type " +
                           std::to_string(type))
                    : status;
}

int
DestroyRecording(void * handle)
{
  auto * recording = static_cast<Recording *>(handle);
  int failed = DestroySlot(recording->slot);
  if (recording->graph != nullptr)
  {
    failed += Check(cudaGraphExecDestroy(recording->graph), "cudaGraphExecDestroy");
  }
  delete recording;
  return failed;
}

int
BeginRecording(void * handle)
{
  auto * stream = static_cast<Stream *>(handle);
  UNIVERSEG_CUDA_CHECK(cudaSetDevice(stream->device));
  if (const int failed = PrepareLibraries(*stream); failed != 0)
  {
    return failed;
  }
  auto * recording = new Recording;
  if (MakeSlot(recording->slot) != 0 ||
      Check(cudaStreamBeginCapture(stream->stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture") != 0)
  {
    const std::string reason = GetError();
    static_cast<void>(DestroyRecording(recording));
    return Fail(reason);
  }
  stream->recording = recording;
  return 0;
}

int
EndRecording(void * handle, void ** recording)
{
  auto * stream = static_cast<Stream *>(handle);
  Recording * made = stream->recording;
  stream->recording = nullptr;
  cudaGraph_t graph = nullptr;
  int failed = Check(cudaStreamEndCapture(stream->stream, &graph), "cudaStreamEndCapture");
  if (failed == 0)
  {
    failed = Check(cudaGraphInstantiate(&made->graph, graph, 0), "cudaGraphInstantiate");
  }
  if (graph != nullptr)
  {
    failed += Check(cudaGraphDestroy(graph), "cudaGraphDestroy");
  }
  if (failed != 0)
  {
    const std::string reason = GetError();
    static_cast<void>(DestroyRecording(made));
    return Fail(reason);
  }
  *recording = made;
  return 0;
}

int
Replay(void * handle, void * recorded)
{
  auto * stream = static_cast<Stream *>(handle);
  auto * recording = static_cast<Recording *>(recorded);
  UNIVERSEG_CUDA_CHECK(cudaSetDevice(stream->device));
  UNIVERSEG_CUDA_CHECK(cudaGraphLaunch(recording->graph, stream->stream));
  stream->replayed.push_back(recording);
  return 0;
}

const Table table = {
  tableVersion,       "CUDA",         GetLastErrorText,   CountDevices,   GetFreeBytes, Allocate,       Release,
  AllocateHost,       ReleaseHost,    MakeStream,         DestroyStream,  Copy,         Wait,           Launch,
  PrepareConvolution, RunConvolution, DestroyConvolution, PrepareProduct, RunProduct,   DestroyProduct, BeginRecording,
  EndRecording,       Replay,         DestroyRecording,   CheckGroups,    MakeGroupId,  JoinGroup,      SumOverGroup,
  LeaveGroup,         WaitForOthers,  IsOnDevice
};
} // namespace
} // namespace cuda
} // namespace nn
} // namespace itk

extern "C"
#ifdef _WIN32
  __declspec(dllexport)
#else
  __attribute__((visibility("default")))
#endif
  const itk::nn::cuda::Table *
  UniverSegGetCudaTable(std::uint32_t version)
{
  return version == itk::nn::cuda::tableVersion ? &itk::nn::cuda::table : nullptr;
}
