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
#include "itkNNCudaMemory.h"

#include "itkNNCudaGeometry.h"

#include <cstring>

namespace itk
{
namespace nn
{
namespace cuda
{
namespace
{
/** Small blocks are multiples of the first, others of the second. */
constexpr std::size_t smallGrain = 512;
constexpr std::size_t largeGrain = std::size_t{ 2 } << 20U;

/** A process that takes longer with its batches than another is taken for lost. */
constexpr double secondsForOthers = 600;

std::size_t
RoundBytes(std::size_t bytes)
{
  const std::size_t grain = bytes < largeGrain / 2 ? smallGrain : largeGrain;
  return std::max((bytes + grain - 1) / grain, std::size_t{ 1 }) * grain;
}
} // namespace

void *
BlockCache::Take(std::size_t & bytes)
{
  const std::lock_guard<std::mutex> lock(m_Mutex);
  const auto found = m_Blocks.lower_bound(bytes);
  if (found == m_Blocks.end() || found->first > bytes + bytes / 4)
  {
    return nullptr;
  }
  void * memory = found->second;
  bytes = found->first;
  m_Blocks.erase(found);
  return memory;
}

void
BlockCache::Put(void * memory, std::size_t bytes)
{
  const std::lock_guard<std::mutex> lock(m_Mutex);
  m_Blocks.emplace(bytes, memory);
}

std::vector<void *>
BlockCache::TakeAll()
{
  const std::lock_guard<std::mutex> lock(m_Mutex);
  std::vector<void *> all;
  for (const auto & block : m_Blocks)
  {
    all.push_back(block.second);
  }
  m_Blocks.clear();
  return all;
}

Memory::Memory(const Table & table, int device)
  : m_Table(table)
  , m_Device(device)
{}

Memory::~Memory() = default;

std::shared_ptr<void>
Memory::Lend(std::shared_ptr<void> memory)
{
  // Not waited for here: the last pointer may go anywhere, while a graph is captured too.
  void * address = memory.get();
  return std::shared_ptr<void>(address,
                               [owner = this->shared_from_this(), memory = std::move(memory)](void *)
                               {
                                 const std::lock_guard<std::mutex> lock(owner->m_Mutex);
                                 owner->m_GivenBack.push_back(memory);
                               });
}

void
Memory::TakeBack()
{
  std::vector<std::shared_ptr<void>> memory;
  {
    const std::lock_guard<std::mutex> lock(m_Mutex);
    memory.swap(m_GivenBack);
  }
  if (!memory.empty())
  {
    this->WaitForOthers(nullptr);
  }
}

std::shared_ptr<void>
Memory::Allocate(std::size_t bytes)
{
  this->TakeBack();
  std::size_t size = RoundBytes(bytes);
  void * memory = m_Blocks.Take(size);
  if (memory == nullptr && m_Table.Allocate(m_Device, size, &memory) != 0)
  {
    this->ReleaseUnused();
    if (m_Table.Allocate(m_Device, size, &memory) != 0)
    {
      const std::string reason = m_Table.GetLastError();
      std::size_t free = 0;
      static_cast<void>(m_Table.GetFreeBytes(m_Device, &free));
      throw OutOfDeviceMemory(__FILE__,
                              __LINE__,
                              "cuda:" + std::to_string(m_Device) + " has no room for " + std::to_string(bytes) +
                                " bytes, " + std::to_string(free) + " are free: " + reason);
    }
  }
  // Who has the memory has waited for what uses it.
  return std::shared_ptr<void>(
    memory, [owner = this->shared_from_this(), size](void * block) { owner->m_Blocks.Put(block, size); });
}

std::shared_ptr<void>
Memory::AllocateStaging(std::size_t bytes)
{
  std::size_t size = RoundBytes(bytes);
  void * memory = m_Staging.Take(size);
  if (memory == nullptr)
  {
    Check(m_Table,
          m_Table.AllocateHost(size, &memory),
          "Memory of the host for copies to and from cuda:" + std::to_string(m_Device));
  }
  return std::shared_ptr<void>(
    memory, [owner = this->shared_from_this(), size](void * block) { owner->m_Staging.Put(block, size); });
}

void
Memory::ReleaseUnused()
{
  for (void * block : m_Blocks.TakeAll())
  {
    static_cast<void>(m_Table.Release(m_Device, block));
  }
  for (void * block : m_Staging.TakeAll())
  {
    static_cast<void>(m_Table.ReleaseHost(block));
  }
}

std::shared_ptr<DeviceStream>
Memory::MakeStream()
{
  return std::make_shared<Stream>(this->shared_from_this());
}

std::string
Memory::GetGroupReason() const
{
  return m_Table.CheckGroups() == 0 ? "" : m_Table.GetLastError();
}

std::string
Memory::MakeGroupId()
{
  std::string id(groupIdBytes, '\0');
  Check(m_Table, m_Table.MakeGroupId(id.data()), "A group of devices");
  return id;
}

std::shared_ptr<DeviceGroup>
Memory::JoinGroup(const std::string & id, int size, int rank)
{
  itkNNRequireMacro(id.size() == groupIdBytes && size > 0 && rank >= 0 && rank < size,
                    "A group of " << size << " devices cannot be joined as number " << rank << " with " << id.size()
                                  << " bytes; should be " << groupIdBytes);
  void * handle = nullptr;
  Check(m_Table,
        m_Table.JoinGroup(m_Device, size, rank, id.data(), &handle),
        "A group of " + std::to_string(size) + " devices, as number " + std::to_string(rank) +
          " with cuda:" + std::to_string(m_Device));
  return std::make_shared<Group>(this->shared_from_this(), handle);
}

void
Memory::WaitForOthers(void * stream)
{
  Check(m_Table, m_Table.WaitForOthers(m_Device, stream), "A stream of others on cuda:" + std::to_string(m_Device));
}

bool
Memory::Contains(const void * address)
{
  int isOnDevice = 0;
  Check(m_Table,
        m_Table.IsOnDevice(m_Device, address, &isOnDevice),
        "Looking for an address on cuda:" + std::to_string(m_Device));
  return isOnDevice != 0;
}

void *
Memory::TakeStream()
{
  {
    const std::lock_guard<std::mutex> lock(m_Mutex);
    if (!m_Streams.empty())
    {
      void * handle = m_Streams.back();
      m_Streams.pop_back();
      return handle;
    }
  }
  void * handle = nullptr;
  Check(m_Table, m_Table.MakeStream(m_Device, &handle), "A stream of cuda:" + std::to_string(m_Device));
  return handle;
}

void
Memory::ReturnStream(void * handle)
{
  const std::lock_guard<std::mutex> lock(m_Mutex);
  m_Streams.push_back(handle);
}

Stream::Stream(std::shared_ptr<Memory> memory)
  : m_Memory(std::move(memory))
  , m_Handle(m_Memory->TakeStream())
{}

Stream::~Stream()
{
  KernelError error{};
  if (m_IsBusy && m_Memory->GetTable().Wait(m_Handle, &error) != 0)
  {
    // What it was doing failed: it may not work again.
    static_cast<void>(m_Memory->GetTable().DestroyStream(m_Handle));
    return;
  }
  m_Memory->ReturnStream(m_Handle);
}

void
Stream::Copy(void * to, const void * from, std::size_t bytes, CopyKind kind)
{
  m_IsBusy = true;
  Check(m_Memory->GetTable(),
        m_Memory->GetTable().Copy(m_Handle, to, from, bytes, kind),
        "A copy of " + std::to_string(bytes) + " bytes");
}

void
Stream::CopyFromHost(void * to, const void * from, std::size_t bytes)
{
  if (bytes > 0)
  {
    const auto staging = m_Memory->AllocateStaging(bytes);
    std::memcpy(staging.get(), from, bytes);
    m_Staging.push_back(staging);
    this->Copy(to, staging.get(), bytes, CopyKind::ToDevice);
  }
}

void
Stream::CopyToHost(void * to, const void * from, std::size_t bytes)
{
  if (bytes > 0)
  {
    const auto staging = m_Memory->AllocateStaging(bytes);
    m_Staging.push_back(staging);
    m_Deliveries.push_back({ to, staging.get(), bytes });
    this->Copy(staging.get(), from, bytes, CopyKind::ToHost);
  }
}

void
Stream::CopyOnDevice(void * to, const void * from, std::size_t bytes)
{
  if (bytes > 0)
  {
    this->Copy(to, from, bytes, CopyKind::OnDevice);
  }
}

void
Stream::Convert(void * to, DataType toType, const void * from, DataType fromType, std::int64_t count)
{
  if (!IsFloatingPoint(toType) || !IsFloatingPoint(fromType))
  {
    DeviceStream::Convert(to, toType, from, fromType, count);
    return;
  }
  this->Launch(KernelId::Conversion,
               ToElementType(toType),
               ConversionParameters{ count, static_cast<std::int32_t>(ToElementType(fromType)), from, to });
}

bool
Stream::BeginRecording()
{
  return m_Memory->GetTable().BeginRecording(m_Handle) == 0;
}

std::shared_ptr<const void>
Stream::EndRecording()
{
  void * recording = nullptr;
  if (m_Memory->GetTable().EndRecording(m_Handle, &recording) != 0)
  {
    return nullptr;
  }
  return std::shared_ptr<const void>(
    recording,
    [memory = m_Memory](const void * made)
    { static_cast<void>(memory->GetTable().DestroyRecording(const_cast<void *>(made))); });
}

void
Stream::Replay(const std::shared_ptr<const void> & recording)
{
  m_IsBusy = true;
  Check(m_Memory->GetTable(),
        m_Memory->GetTable().Replay(m_Handle, const_cast<void *>(recording.get())),
        "A recording of cuda:" + std::to_string(m_Memory->GetDevice()));
  m_Recordings.push_back(recording);
}

void
Stream::RunConvolution(const void * prepared, void * x, void * w, void * y, const void * bias, void * workspace)
{
  m_IsBusy = true;
  Check(m_Memory->GetTable(),
        m_Memory->GetTable().RunConvolution(m_Handle, prepared, x, w, y, bias, workspace),
        "A convolution on cuda:" + std::to_string(m_Memory->GetDevice()));
}

void
Stream::RunProduct(const void * prepared, const void * a, const void * b, void * dst, void * workspace)
{
  m_IsBusy = true;
  Check(m_Memory->GetTable(),
        m_Memory->GetTable().RunProduct(m_Handle, prepared, a, b, dst, workspace),
        "A product on cuda:" + std::to_string(m_Memory->GetDevice()));
}

void
Stream::Launch(KernelId kernel, ElementType type, const void * parameters, std::size_t bytes)
{
  m_IsBusy = true;
  Check(m_Memory->GetTable(),
        m_Memory->GetTable().Launch(m_Handle, static_cast<int>(kernel), static_cast<int>(type), parameters, bytes),
        "A kernel on cuda:" + std::to_string(m_Memory->GetDevice()));
}

void
Stream::Wait()
{
  KernelError error{};
  const int status = m_Memory->GetTable().Wait(m_Handle, &error);
  m_IsBusy = status != 0;
  Check(m_Memory->GetTable(), status, "The work of cuda:" + std::to_string(m_Memory->GetDevice()));
  for (const auto & delivery : m_Deliveries)
  {
    std::memcpy(delivery.to, delivery.from, delivery.bytes);
  }
  m_Deliveries.clear();
  m_Staging.clear();
  m_Recordings.clear();
  itkNNRequireMacro(error.code == 0, "Index " << error.index << " should be in [0, " << error.extent << ')');
}

Group::Group(std::shared_ptr<Memory> memory, void * handle)
  : m_Memory(std::move(memory))
  , m_Handle(handle)
{}

Group::~Group()
{
  static_cast<void>(m_Memory->GetTable().LeaveGroup(m_Handle));
}

void
Group::Sum(void * values, std::size_t count)
{
  void * stream = m_Memory->TakeStream();
  const int status = m_Memory->GetTable().SumOverGroup(stream, m_Handle, values, count, secondsForOthers);
  if (status == 0)
  {
    m_Memory->ReturnStream(stream);
  }
  else
  {
    const std::string reason = m_Memory->GetTable().GetLastError();
    static_cast<void>(m_Memory->GetTable().DestroyStream(stream));
    itkNNThrowMacro("A sum over the devices of all processes: " << reason);
  }
}

std::shared_ptr<Memory>
GetMemory(const Table & table, int device)
{
  // Not destroyed: the device library may be gone before the process ends.
  static auto & mutex = *new std::mutex;
  static auto & memories = *new std::map<std::pair<const Table *, int>, std::shared_ptr<Memory>>;
  const std::lock_guard<std::mutex> lock(mutex);
  auto & memory = memories[{ &table, device }];
  if (!memory)
  {
    memory = std::make_shared<Memory>(table, device);
  }
  return memory;
}
} // namespace cuda
} // namespace nn
} // namespace itk
