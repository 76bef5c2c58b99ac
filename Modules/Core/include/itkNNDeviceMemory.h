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
#ifndef itkNNDeviceMemory_h
#define itkNNDeviceMemory_h

#include "UniverSegCoreExport.h"
#include "itkNNDataType.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace itk
{
namespace nn
{
/** \class DeviceStream
 * \brief Work for a device, which is done in the order in which it was given.
 *
 * Calls return before the work is done; the memory of the host should stay until Wait().
 * \ingroup UniverSegCore
 */
class UniverSegCore_EXPORT DeviceStream
{
public:
  DeviceStream() = default;
  virtual ~DeviceStream();
  DeviceStream(const DeviceStream &) = delete;
  DeviceStream & operator=(const DeviceStream &) = delete;

  virtual void CopyFromHost(void * to, const void * from, std::size_t bytes) = 0;
  virtual void CopyToHost(void * to, const void * from, std::size_t bytes) = 0;
  virtual void CopyOnDevice(void * to, const void * from, std::size_t bytes) = 0;

  /** Copy elements on the device, as another type. Here by way of the host, which waits. */
  virtual void Convert(void * to, DataType toType, const void * from, DataType fromType, std::int64_t count);

  /** Collect the work that is put into the stream from now on instead of doing it. False
   * when the device cannot. */
  virtual bool BeginRecording();

  /** What was collected, to be replayed any number of times by streams of the device, one
   * at a time; null when some of the work cannot be, which then was not done. */
  virtual std::shared_ptr<const void> EndRecording();

  virtual void Replay(const std::shared_ptr<const void> & recording);

  /** Until all work is done. Throws Error when some of it has failed. */
  virtual void Wait() = 0;
};

/** \class DeviceGroup
 * \brief Devices of several processes, one each, that compute sums together.
 * \ingroup UniverSegCore
 */
class UniverSegCore_EXPORT DeviceGroup
{
public:
  DeviceGroup() = default;
  virtual ~DeviceGroup();
  DeviceGroup(const DeviceGroup &) = delete;
  DeviceGroup & operator=(const DeviceGroup &) = delete;

  /** Replace values of float32 on the device by their sums, the same in all processes, which
   * call this at the same time. Waits for them. Throws Error when one does not take part; the
   * group is of no use then. */
  virtual void Sum(void * values, std::size_t count) = 0;
};

/** \class DeviceMemory
 * \brief Memory that the host cannot read, of a device which is not the host.
 *
 * Safe to use from several threads.
 * \ingroup UniverSegCore
 */
class UniverSegCore_EXPORT DeviceMemory
{
public:
  DeviceMemory() = default;
  virtual ~DeviceMemory();
  DeviceMemory(const DeviceMemory &) = delete;
  DeviceMemory & operator=(const DeviceMemory &) = delete;

  /** Memory that is aligned to 64 bytes or more. Throws OutOfDeviceMemory, with the device,
   * the bytes and those that are free, when there is not enough. */
  virtual std::shared_ptr<void> Allocate(std::size_t bytes) = 0;

  /** A stream for one thread. */
  virtual std::shared_ptr<DeviceStream> MakeStream() = 0;

  /** Until what others have put into a stream of theirs so far is done: before their memory
   * is read, since streams of this class do not wait for others.
   * \param stream as the device's own interface names it; for CUDA a cudaStream_t, 1 for the
   * legacy default stream, 2 for the thread's own. Throws Error when some of it has failed. */
  virtual void WaitForOthers(void * stream) = 0;

  /** The same memory for others, whose work with it nobody here sees: behind its last pointer
   * it is used again only when all is done that the device was given until then. */
  virtual std::shared_ptr<void> Lend(std::shared_ptr<void> memory) = 0;

  /** Whether an address, of others too, is in memory that the device reads. */
  virtual bool Contains(const void * address) = 0;

  /** Copy from the host, and wait for it. */
  std::shared_ptr<void> Upload(const void * from, std::size_t bytes);

  /** Copy to the host, and wait for it. */
  void Download(void * to, const void * from, std::size_t bytes);

  /** Why the device cannot be in a group with those of other processes, in one line; empty
   * when it can. */
  virtual std::string GetGroupReason() const;
  /** What one process makes and gives to the others, for JoinGroup(). Throws Error. */
  virtual std::string MakeGroupId();
  /** Processes 0 ... size - 1 call this at the same time. Throws Error. */
  virtual std::shared_ptr<DeviceGroup> JoinGroup(const std::string & id, int size, int rank);
};
} // namespace nn
} // namespace itk

#endif // itkNNDeviceMemory_h
