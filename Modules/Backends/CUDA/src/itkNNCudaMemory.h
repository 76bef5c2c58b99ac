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
#ifndef itkNNCudaMemory_h
#define itkNNCudaMemory_h

#include "itkNNBackend.h"
#include "itkNNCudaLibrary.h"
#include "itkNNCudaParameters.h"

#include <map>
#include <mutex>
#include <vector>

namespace itk
{
namespace nn
{
namespace cuda
{
class Memory;

/** \class Stream
 * \brief A stream of a device.
 *
 * What comes from and goes to the host passes through memory that the device can read
 * itself, so that calls do not wait for it. */
class Stream : public DeviceStream
{
public:
  explicit Stream(std::shared_ptr<Memory> memory);
  ~Stream() override;

  void CopyFromHost(void * to, const void * from, std::size_t bytes) override;
  void CopyToHost(void * to, const void * from, std::size_t bytes) override;
  void CopyOnDevice(void * to, const void * from, std::size_t bytes) override;
  void Convert(void * to, DataType toType, const void * from, DataType fromType, std::int64_t count) override;
  bool BeginRecording() override;
  std::shared_ptr<const void> EndRecording() override;
  void Replay(const std::shared_ptr<const void> & recording) override;
  void Wait() override;

  /** What the table's functions prepared. */
  void RunConvolution(const void * prepared, void * x, void * w, void * y, const void * bias, void * workspace);
  void RunProduct(const void * prepared, const void * a, const void * b, void * dst, void * workspace);

  template <typename TParameters>
  void Launch(KernelId kernel, ElementType type, const TParameters & parameters)
  {
    this->Launch(kernel, type, &parameters, sizeof parameters);
  }

private:
  /** Of CopyToHost(): from the device's copy to where it is wanted. */
  struct Delivery
  {
    void * to;
    const void * from;
    std::size_t bytes;
  };

  void Launch(KernelId kernel, ElementType type, const void * parameters, std::size_t bytes);
  void Copy(void * to, const void * from, std::size_t bytes, CopyKind kind);

  std::shared_ptr<Memory> m_Memory;
  void * m_Handle = nullptr;
  bool m_IsBusy = false;
  std::vector<std::shared_ptr<void>> m_Staging;          ///< in use until Wait()
  std::vector<std::shared_ptr<const void>> m_Recordings; ///< too
  std::vector<Delivery> m_Deliveries;
};

/** \class Group
 * \brief This process's part in a group of NCCL. */
class Group : public DeviceGroup
{
public:
  Group(std::shared_ptr<Memory> memory, void * handle);
  ~Group() override;

  void Sum(void * values, std::size_t count) override;

private:
  std::shared_ptr<Memory> m_Memory;
  void * m_Handle;
};

/** \class BlockCache
 * \brief Blocks of memory that are kept for the next who wants as many bytes. */
class BlockCache
{
public:
  /** A block of at least so many bytes and not many more, removed; null when there is
   * none. bytes becomes the block's. */
  void * Take(std::size_t & bytes);
  void Put(void * memory, std::size_t bytes);
  /** All blocks, removed. */
  std::vector<void *> TakeAll();

private:
  std::mutex m_Mutex;
  std::multimap<std::size_t, void *> m_Blocks;
};

/** \class Memory
 * \brief Memory of one device, and the streams that are waiting for work. */
class Memory
  : public DeviceMemory
  , public std::enable_shared_from_this<Memory>
{
public:
  Memory(const Table & table, int device);
  ~Memory() override;

  std::shared_ptr<void> Allocate(std::size_t bytes) override;
  std::shared_ptr<DeviceStream> MakeStream() override;
  std::string GetGroupReason() const override;
  std::string MakeGroupId() override;
  std::shared_ptr<DeviceGroup> JoinGroup(const std::string & id, int size, int rank) override;
  void WaitForOthers(void * stream) override;
  std::shared_ptr<void> Lend(std::shared_ptr<void> memory) override;
  bool Contains(const void * address) override;

  /** Memory of the host that the device reads and writes itself. */
  std::shared_ptr<void> AllocateStaging(std::size_t bytes);

  const Table & GetTable() const
  {
    return m_Table;
  }
  int GetDevice() const
  {
    return m_Device;
  }

  /** A stream's handle, new or one that was returned. */
  void * TakeStream();
  void ReturnStream(void * handle);

  /** Give memory that nobody uses back to the system. */
  void ReleaseUnused();

private:
  /** What was lent and is given back becomes ours. */
  void TakeBack();

  const Table & m_Table;
  int m_Device;
  BlockCache m_Blocks;
  BlockCache m_Staging;
  std::mutex m_Mutex;
  std::vector<void *> m_Streams;
  std::vector<std::shared_ptr<void>> m_GivenBack; ///< others' work may still use it
};

/** Of a device; the same as long as the process runs. */
std::shared_ptr<Memory> GetMemory(const Table & table, int device);
} // namespace cuda
} // namespace nn
} // namespace itk

#endif
