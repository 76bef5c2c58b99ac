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
#include "itkNNThreadGroup.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <type_traits>
#include <unistd.h>
#include <vector>

/** \file
 * The device library on the host, for tests where there is no device: the same
 * kernels, one item after the other. Like a device it does nothing before Wait(), and
 * its memory holds NaNs until it is written.
 */

namespace itk
{
namespace nn
{
namespace cuda
{
namespace
{
thread_local std::string lastError;

/** The emulated device has 8 GB, or as much as a test says. */
std::size_t
GetMemoryBytes()
{
  const char * given = std::getenv("UNIVERSEG_CUDA_EMULATED_BYTES");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::size_t{ 8 } << 30U;
}
std::atomic<std::size_t> usedBytes{ 0 };

/** Memory and streams that there are. */
std::mutex knownMutex;
std::map<const char *, std::pair<std::size_t, int>> knownMemory; ///< bytes and device
std::set<const void *> knownStreams;

int
Fail(const std::string & text)
{
  lastError = text;
  return 1;
}

struct Recording
{
  std::vector<std::function<void()>> work;
  KernelError error{};
};

struct Stream
{
  std::vector<std::function<void()>> work;
  KernelError error{};
  Recording * recording = nullptr;
  std::vector<Recording *> replayed;

  void Add(std::function<void()> item)
  {
    (recording != nullptr ? recording->work : work).push_back(std::move(item));
  }
};

/** What the threads of a team share. */
class Meeting
{
public:
  static constexpr int size = 2;

  /** Until all threads are here. */
  void Wait()
  {
    const int round = m_Round.load();
    if (m_Waiting.fetch_add(1) + 1 == size)
    {
      m_Waiting = 0;
      ++m_Round;
      return;
    }
    while (m_Round.load() == round)
    {
      std::this_thread::yield();
    }
  }

  Accumulator<double> values[size];

private:
  std::atomic<int> m_Waiting{ 0 };
  std::atomic<int> m_Round{ 0 };
};

struct PairTeam
{
  Meeting & meeting;
  int rank;

  std::int64_t GetRank() const
  {
    return rank;
  }
  std::int64_t GetSize() const
  {
    return Meeting::size;
  }
  template <typename C, typename TMerge>
  void Gather(Accumulator<C> & mine, const TMerge & merge) const
  {
    meeting.values[rank] = { static_cast<double>(mine.value),
                             static_cast<double>(mine.rest),
                             static_cast<double>(mine.count) };
    meeting.Wait();
    const auto get = [&](int i)
    {
      const Accumulator<double> & value = meeting.values[i];
      return Accumulator<C>{ static_cast<C>(value.value), static_cast<C>(value.rest), static_cast<C>(value.count) };
    };
    mine = get(0);
    for (int i = 1; i < Meeting::size; ++i)
    {
      merge.Merge(mine, get(i));
    }
    meeting.Wait();
  }
};

template <typename TKernel>
void
RunInTeams(const typename TKernel::Parameters & p, KernelError * error)
{
  Meeting meeting;
  const auto run = [&](int rank)
  {
    const std::int64_t count = TKernel::CountItems(p);
    for (std::int64_t i = 0; i < count; ++i)
    {
      TKernel::Run(p, i, PairTeam{ meeting, rank }, error);
    }
  };
  std::thread other(run, 1);
  run(0);
  other.join();
}

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
    Parameters p;
    std::memcpy(&p, parameters, sizeof p);
    KernelError * error = stream->recording != nullptr ? &stream->recording->error : &stream->error;
    const int teamSize = GetTeamSize(p, 0);
    if (teamSize != 1 && teamSize != 32 && teamSize != 256)
    {
      return Fail("A team of " + std::to_string(teamSize) + " threads");
    }
    stream->Add(
      [p, error, teamSize]
      {
        if (teamSize > 1)
        {
          RunInTeams<TKernel>(p, error);
          return;
        }
        const std::int64_t count = TKernel::CountItems(p);
        for (std::int64_t i = 0; i < count; ++i)
        {
          TKernel::Run(p, i, SingleTeam{}, error);
        }
      });
    return 0;
  }

  Stream * stream;
  const void * parameters;
  std::size_t bytes;
};

const char *
GetLastErrorText()
{
  return lastError.c_str();
}

int
CountDevices(int * count)
{
  *count = 2;
  return 0;
}

int
GetFreeBytes(int, std::size_t * bytes)
{
  *bytes = GetMemoryBytes() - std::min<std::size_t>(usedBytes, GetMemoryBytes());
  return 0;
}

/** Where the size of an allocation is kept. */
constexpr std::size_t headerBytes = 256;

int
Allocate(int device, std::size_t bytes, void ** memory)
{
  if (usedBytes + bytes > GetMemoryBytes())
  {
    return Fail("out of memory");
  }
  const std::size_t rounded = (bytes + headerBytes - 1) / headerBytes * headerBytes;
  auto * begin = static_cast<char *>(std::aligned_alloc(headerBytes, rounded + headerBytes));
  if (begin == nullptr)
  {
    return Fail("out of memory");
  }
  usedBytes += bytes;
  std::memcpy(begin, &bytes, sizeof bytes);
  std::memset(begin + headerBytes, 0xff, rounded);
  *memory = begin + headerBytes;
  const std::lock_guard<std::mutex> lock(knownMutex);
  knownMemory[begin + headerBytes] = { bytes, device };
  return 0;
}

int
Release(int, void * memory)
{
  char * begin = static_cast<char *>(memory) - headerBytes;
  std::size_t bytes = 0;
  std::memcpy(&bytes, begin, sizeof bytes);
  usedBytes -= bytes;
  {
    const std::lock_guard<std::mutex> lock(knownMutex);
    knownMemory.erase(static_cast<const char *>(memory));
  }
  std::free(begin);
  return 0;
}

int
AllocateHost(std::size_t bytes, void ** memory)
{
  *memory = std::malloc(bytes);
  return *memory == nullptr ? Fail("out of memory") : 0;
}

int
ReleaseHost(void * memory)
{
  std::free(memory);
  return 0;
}

int
MakeStream(int, void ** stream)
{
  *stream = new Stream;
  const std::lock_guard<std::mutex> lock(knownMutex);
  knownStreams.insert(*stream);
  return 0;
}

int
DestroyStream(void * stream)
{
  {
    const std::lock_guard<std::mutex> lock(knownMutex);
    knownStreams.erase(stream);
  }
  delete static_cast<Stream *>(stream);
  return 0;
}

int
Copy(void * stream, void * to, const void * from, std::size_t bytes, CopyKind)
{
  static_cast<Stream *>(stream)->Add([=] { std::memcpy(to, from, bytes); });
  return 0;
}

int
Wait(void * handle, KernelError * error)
{
  auto * stream = static_cast<Stream *>(handle);
  for (const auto & work : stream->work)
  {
    work();
  }
  stream->work.clear();
  *error = stream->error;
  stream->error = {};
  for (Recording * recording : stream->replayed)
  {
    *error = recording->error.code != 0 ? recording->error : *error;
    recording->error = {};
  }
  stream->replayed.clear();
  return 0;
}

int
WaitForOthers(int, void * stream)
{
  const auto handle = reinterpret_cast<std::uintptr_t>(stream);
  if (handle <= 2)
  {
    // Only streams that were made have work, each for the thread that waits for it.
    return 0;
  }
  {
    const std::lock_guard<std::mutex> lock(knownMutex);
    if (knownStreams.count(stream) == 0)
    {
      return Fail("there is no stream " + std::to_string(handle));
    }
  }
  KernelError error{};
  return Wait(stream, &error);
}

int
IsOnDevice(int device, const void * address, int * isOnDevice)
{
  const auto * wanted = static_cast<const char *>(address);
  const std::lock_guard<std::mutex> lock(knownMutex);
  const auto next = knownMemory.upper_bound(wanted);
  const auto found = next == knownMemory.begin() ? knownMemory.end() : std::prev(next);
  *isOnDevice = found != knownMemory.end() && found->second.second == device &&
                    static_cast<std::size_t>(wanted - found->first) < found->second.first
                ? 1
                : 0;
  return 0;
}

int
Launch(void * stream, int kernel, int type, const void * parameters, std::size_t bytes)
{
  const int status = Dispatch(static_cast<KernelId>(kernel),
                              static_cast<ElementType>(type),
                              Launcher{ static_cast<Stream *>(stream), parameters, bytes });
  return status < 0 ? Fail("The device library has no kernel " + std::to_string(kernel) + " for elements of type " +
                           std::to_string(type))
                    : status;
}

/** f(linear number, coordinates) of the elements of an image. */
template <typename TFunction>
void
ForEachElement(const Image & image, TFunction && f)
{
  std::int64_t number = 0;
  std::int64_t at[5];
  for (at[0] = 0; at[0] < image.extents[0]; ++at[0])
  {
    for (at[1] = 0; at[1] < image.extents[1]; ++at[1])
    {
      for (at[2] = 0; at[2] < image.extents[2]; ++at[2])
      {
        for (at[3] = 0; at[3] < image.extents[3]; ++at[3])
        {
          for (at[4] = 0; at[4] < image.extents[4]; ++at[4])
          {
            f(number++, at);
          }
        }
      }
    }
  }
}

std::int64_t
OffsetOf(const Image & image, const std::int64_t * at)
{
  std::int64_t offset = 0;
  for (int d = 0; d < 5; ++d)
  {
    offset += at[d] * image.strides[d];
  }
  return offset;
}

std::int64_t
NumberOf(const Image & image, const std::int64_t * at)
{
  std::int64_t number = 0;
  for (int d = 0; d < 5; ++d)
  {
    number = number * image.extents[d] + at[d];
  }
  return number;
}

/** f(place in x, place in w, place in y) of all that are multiplied. */
template <typename TFunction>
void
ForEachProduct(const ConvolutionDescription & d, TFunction && f)
{
  const std::int64_t groups = d.x.extents[1] / d.w.extents[1];
  ForEachElement(d.y,
                 [&](std::int64_t, const std::int64_t * y)
                 {
                   Image taps = d.w;
                   taps.extents[0] = 1;
                   ForEachElement(taps,
                                  [&](std::int64_t, const std::int64_t * tap)
                                  {
                                    const std::int64_t w[5] = { y[1], tap[1], tap[2], tap[3], tap[4] };
                                    const std::int64_t group = y[1] / (d.y.extents[1] / groups);
                                    std::int64_t x[5] = { y[0], group * d.w.extents[1] + tap[1], 0, 0, 0 };
                                    bool isInside = true;
                                    for (int i = 0; i < 3; ++i)
                                    {
                                      x[i + 2] = y[i + 2] * d.window.stride[i] - d.window.padding[i] +
                                                 tap[i + 2] * d.window.dilation[i];
                                      isInside = isInside && x[i + 2] >= 0 && x[i + 2] < d.x.extents[i + 2];
                                    }
                                    if (isInside)
                                    {
                                      f(x, w, y);
                                    }
                                  });
                 });
}

/** Sums in double precision, rounded once. */
template <typename T>
void
Convolve(const ConvolutionDescription & d, T * x, T * w, T * y, const T * bias)
{
  const bool isForward = d.kind == ConvolutionKind::Forward;
  const Image & image = isForward ? d.y : d.kind == ConvolutionKind::DataGradient ? d.x : d.w;
  T * result = isForward ? y : d.kind == ConvolutionKind::DataGradient ? x : w;
  std::vector<double> sums(static_cast<std::size_t>(image.extents[0] * image.extents[1] * image.extents[2] *
                                                    image.extents[3] * image.extents[4]));
  ForEachProduct(d,
                 [&](const std::int64_t * atX, const std::int64_t * atW, const std::int64_t * atY)
                 {
                   const auto valueX = static_cast<double>(Load(x[OffsetOf(d.x, atX)]));
                   const auto valueW = static_cast<double>(Load(w[OffsetOf(d.w, atW)]));
                   const auto valueY = static_cast<double>(Load(y[OffsetOf(d.y, atY)]));
                   const std::int64_t * to = isForward ? atY : d.kind == ConvolutionKind::DataGradient ? atX : atW;
                   sums[static_cast<std::size_t>(NumberOf(image, to))] += isForward ? valueX * valueW
                                                                        : d.kind == ConvolutionKind::DataGradient
                                                                          ? valueY * valueW
                                                                          : valueX * valueY;
                 });
  ForEachElement(image,
                 [&](std::int64_t number, const std::int64_t * at)
                 {
                   double value = sums[static_cast<std::size_t>(number)];
                   value += d.hasBias != 0 ? static_cast<double>(Load(bias[at[1]])) : 0;
                   value *= d.isRectified != 0 && value < 0 ? d.negativeSlope : 1;
                   result[OffsetOf(image, at)] = Store<T>(static_cast<ComputeType<T>>(value));
                 });
}

/** f(T{}) of the type of elements. */
template <typename TFunction>
void
WithType(ElementType type, TFunction && f)
{
  switch (type)
  {
    case ElementType::Double:
      return f(double{});
    case ElementType::Half:
      return f(Half{});
    case ElementType::BFloat16:
      return f(BFloat16{});
    default:
      return f(float{});
  }
}

/** Bytes that the emulated libraries ask for, and fill. */
constexpr std::size_t workspaceBytes = 100;

int
PrepareConvolution(int, const ConvolutionDescription * description, void ** prepared, std::size_t * workspace)
{
  const ConvolutionDescription & d = *description;
  if (!std::equal(d.paddingEnd, d.paddingEnd + 3, d.window.padding))
  {
    return Fail("the emulation convolves with the same padding at both ends only");
  }
  if (d.isRectified != 0 && d.hasBias == 0)
  {
    return Fail("the emulation has no rectifier without a bias");
  }
  *workspace = workspaceBytes;
  *prepared = new ConvolutionDescription(d);
  return 0;
}

int
RunConvolution(void * stream, const void * prepared, void * x, void * w, void * y, const void * bias, void * workspace)
{
  const ConvolutionDescription d = *static_cast<const ConvolutionDescription *>(prepared);
  static_cast<Stream *>(stream)->Add(
    [=]
    {
      std::memset(workspace, 0x7f, workspaceBytes);
      WithType(d.type,
               [&](auto zero)
               {
                 using T = decltype(zero);
                 Convolve(
                   d, static_cast<T *>(x), static_cast<T *>(w), static_cast<T *>(y), static_cast<const T *>(bias));
               });
    });
  return 0;
}

int
DestroyConvolution(void * prepared)
{
  delete static_cast<ConvolutionDescription *>(prepared);
  return 0;
}

template <typename T>
void
Multiply(const ProductDescription & d, const T * a, const T * b, T * dst)
{
  for (std::int64_t i = 0; i < d.batch * d.rows * d.columns; ++i)
  {
    const std::int64_t batch = i / d.columns / d.rows;
    const std::int64_t row = i / d.columns % d.rows;
    const std::int64_t column = i % d.columns;
    double sum = 0;
    for (std::int64_t k = 0; k < d.inner; ++k)
    {
      const T factorA = a[batch * d.aStrides[0] + row * d.aStrides[1] + k * d.aStrides[2]];
      const T factorB = b[batch * d.bStrides[0] + k * d.bStrides[1] + column * d.bStrides[2]];
      sum += static_cast<double>(Load(factorA)) * static_cast<double>(Load(factorB));
    }
    dst[batch * d.dstBatchStride + row * d.columns + column] = Store<T>(static_cast<ComputeType<T>>(sum));
  }
}

int
PrepareProduct(int, const ProductDescription * description, void ** prepared, std::size_t * workspace)
{
  const ProductDescription & d = *description;
  if ((d.aStrides[1] != 1 && d.aStrides[2] != 1) || (d.bStrides[1] != 1 && d.bStrides[2] != 1))
  {
    return Fail("cuBLAS takes matrices with neighbours along rows or columns");
  }
  *workspace = workspaceBytes;
  *prepared = new ProductDescription(d);
  return 0;
}

int
RunProduct(void * stream, const void * prepared, const void * a, const void * b, void * dst, void * workspace)
{
  const ProductDescription d = *static_cast<const ProductDescription *>(prepared);
  static_cast<Stream *>(stream)->Add(
    [=]
    {
      std::memset(workspace, 0x7f, workspaceBytes);
      WithType(d.type,
               [&](auto zero)
               {
                 using T = decltype(zero);
                 Multiply(d, static_cast<const T *>(a), static_cast<const T *>(b), static_cast<T *>(dst));
               });
    });
  return 0;
}

int
DestroyProduct(void * prepared)
{
  delete static_cast<ProductDescription *>(prepared);
  return 0;
}

int
BeginRecording(void * stream)
{
  static_cast<Stream *>(stream)->recording = new Recording;
  return 0;
}

int
EndRecording(void * handle, void ** recording)
{
  auto * stream = static_cast<Stream *>(handle);
  *recording = stream->recording;
  stream->recording = nullptr;
  return 0;
}

int
Replay(void * stream, void * recording)
{
  auto * replayed = static_cast<Recording *>(recording);
  static_cast<Stream *>(stream)->replayed.push_back(replayed);
  static_cast<Stream *>(stream)->Add(
    [replayed]
    {
      for (const auto & item : replayed->work)
      {
        item();
      }
    });
  return 0;
}

int
DestroyRecording(void * recording)
{
  delete static_cast<Recording *>(recording);
  return 0;
}

std::mutex groupsMutex;
std::map<std::string, std::weak_ptr<test::ThreadGroup>> groups;

int
CheckGroups()
{
  return 0;
}

int
MakeGroupId(char * id)
{
  static std::atomic<int> number{ 0 };
  std::memset(id, 0, groupIdBytes);
  const std::string text = std::to_string(getpid()) + '/' + std::to_string(number++);
  text.copy(id, groupIdBytes - 1);
  return 0;
}

int
JoinGroup(int, int size, int, const char * id, void ** group)
{
  const std::string name(id);
  if (name.substr(0, name.find('/')) != std::to_string(getpid()))
  {
    return Fail("the emulation's groups are threads of one process");
  }
  const std::lock_guard<std::mutex> lock(groupsMutex);
  auto & found = groups[name];
  std::shared_ptr<test::ThreadGroup> joined = found.lock();
  if (!joined)
  {
    joined = std::make_shared<test::ThreadGroup>(size);
    found = joined;
  }
  *group = new std::shared_ptr<test::ThreadGroup>(joined);
  return 0;
}

int
SumOverGroup(void * stream, void * group, void * values, std::size_t count, double seconds)
{
  KernelError error{};
  static_cast<void>(Wait(stream, &error));
  const auto & joined = *static_cast<const std::shared_ptr<test::ThreadGroup> *>(group);
  return joined->Sum(static_cast<float *>(values), count, seconds) ? 0 : Fail("a process did not take part");
}

int
LeaveGroup(void * group)
{
  delete static_cast<std::shared_ptr<test::ThreadGroup> *>(group);
  return 0;
}

const Table table = {
  tableVersion,       "emulation",    GetLastErrorText,   CountDevices,   GetFreeBytes, Allocate,       Release,
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
