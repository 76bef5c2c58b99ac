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
#include "itkNNCudaSharedLibrary.h"
#include "itkNNCudaStream.h"

#if __has_include(<nccl.h>)
#  include <nccl.h>
#  define UNIVERSEG_HAS_NCCL
#endif

#include <chrono>
#include <cstring>
#include <thread>

/** \file
 * Sums over the devices of several processes by NCCL.
 */

namespace itk
{
namespace nn
{
namespace cuda
{
#ifdef UNIVERSEG_HAS_NCCL
namespace
{
struct Functions
{
  Functions()
    : library("libnccl.so.2")
  {
    library.Get("ncclGetUniqueId", makeId);
    library.Get("ncclCommInitRank", join);
    library.Get("ncclCommDestroy", leave);
    library.Get("ncclCommAbort", abort);
    library.Get("ncclCommGetAsyncError", getState);
    library.Get("ncclAllReduce", sum);
    library.Get("ncclGetErrorString", getText);
  }

  SharedLibrary library;
  decltype(&ncclGetUniqueId) makeId = nullptr;
  decltype(&ncclCommInitRank) join = nullptr;
  decltype(&ncclCommDestroy) leave = nullptr;
  decltype(&ncclCommAbort) abort = nullptr;
  decltype(&ncclCommGetAsyncError) getState = nullptr;
  decltype(&ncclAllReduce) sum = nullptr;
  decltype(&ncclGetErrorString) getText = nullptr;
};

const Functions &
GetFunctions()
{
  static const Functions functions;
  return functions;
}

int
CheckGroup(ncclResult_t status, const char * what)
{
  return status == ncclSuccess ? 0 : Fail(std::string(what) + ": " + GetFunctions().getText(status));
}

struct Group
{
  int device = 0;
  ncclComm_t members = nullptr;
};

static_assert(sizeof(ncclUniqueId) <= groupIdBytes, "An identity of NCCL has to fit");

/** Until the stream's work is done, in which another process may never take part. */
int
WaitForOthers(Group & group, const Stream & stream, double seconds)
{
  const auto start = std::chrono::steady_clock::now();
  while (true)
  {
    const cudaError_t status = cudaStreamQuery(stream.stream);
    if (status != cudaErrorNotReady)
    {
      return Check(status, "cudaStreamQuery");
    }
    ncclResult_t state = ncclSuccess;
    std::string reason;
    if (CheckGroup(GetFunctions().getState(group.members, &state), "ncclCommGetAsyncError") != 0 ||
        (state != ncclInProgress && CheckGroup(state, "NCCL") != 0))
    {
      reason = GetError();
    }
    else if (std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() > seconds)
    {
      reason = "a process did not take part within " + std::to_string(static_cast<int>(seconds)) + " s";
    }
    if (!reason.empty())
    {
      static_cast<void>(GetFunctions().abort(group.members));
      group.members = nullptr;
      return Fail(reason);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
}
} // namespace

int
CheckGroups()
{
  const std::string & reason = GetFunctions().library.GetReason();
  return reason.empty() ? 0 : Fail(reason);
}

int
MakeGroupId(char * id)
{
  ncclUniqueId made;
  if (const int failed = CheckGroup(GetFunctions().makeId(&made), "ncclGetUniqueId"); failed != 0)
  {
    return failed;
  }
  std::memset(id, 0, groupIdBytes);
  std::memcpy(id, &made, sizeof made);
  return 0;
}

int
JoinGroup(int device, int size, int rank, const char * id, void ** group)
{
  UNIVERSEG_CUDA_CHECK(cudaSetDevice(device));
  ncclUniqueId given;
  std::memcpy(&given, id, sizeof given);
  auto joined = Group{ device, nullptr };
  if (const int failed = CheckGroup(GetFunctions().join(&joined.members, size, given, rank), "ncclCommInitRank");
      failed != 0)
  {
    return failed;
  }
  *group = new Group(joined);
  return 0;
}

int
SumOverGroup(void * handle, void * joined, void * values, std::size_t count, double seconds)
{
  const auto & stream = *static_cast<const Stream *>(handle);
  auto & group = *static_cast<Group *>(joined);
  if (group.members == nullptr)
  {
    return Fail("the group was left when a sum failed");
  }
  UNIVERSEG_CUDA_CHECK(cudaSetDevice(group.device));
  const int failed = CheckGroup(
    GetFunctions().sum(values, values, count, ncclFloat32, ncclSum, group.members, stream.stream), "ncclAllReduce");
  return failed != 0 ? failed : WaitForOthers(group, stream, seconds);
}

int
LeaveGroup(void * joined)
{
  auto * group = static_cast<Group *>(joined);
  int failed = 0;
  if (group->members != nullptr)
  {
    failed = Check(cudaSetDevice(group->device), "cudaSetDevice");
    failed += CheckGroup(GetFunctions().leave(group->members), "ncclCommDestroy");
  }
  delete group;
  return failed;
}
#else
namespace
{
int
FailWithoutLibrary()
{
  return Fail("the device library was built without NCCL's header");
}
} // namespace

int
CheckGroups()
{
  return FailWithoutLibrary();
}
int
MakeGroupId(char *)
{
  return FailWithoutLibrary();
}
int
JoinGroup(int, int, int, const char *, void **)
{
  return FailWithoutLibrary();
}
int
SumOverGroup(void *, void *, void *, std::size_t, double)
{
  return FailWithoutLibrary();
}
int
LeaveGroup(void *)
{
  return FailWithoutLibrary();
}
#endif
} // namespace cuda
} // namespace nn
} // namespace itk
