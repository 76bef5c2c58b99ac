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
#ifndef itkNNBatchSource_h
#define itkNNBatchSource_h

#include "UniverSegTrainingExport.h"
#include "itkNNExecutionPlan.h"

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace itk
{
namespace nn
{
/** \class BatchSource
 * \brief Where the inputs of training steps come from.
 *
 * A batch depends on its position alone, so that training can go on at any
 * position and several threads can make batches ahead. Safe to use from several
 * threads.
 * \ingroup UniverSegTraining
 */
class UniverSegTraining_EXPORT BatchSource
{
public:
  using ConstPointer = std::shared_ptr<const BatchSource>;

  BatchSource() = default;
  virtual ~BatchSource();
  BatchSource(const BatchSource &) = delete;
  BatchSource & operator=(const BatchSource &) = delete;

  /** The network's inputs and "label", see GradientRunner. */
  virtual TensorMap MakeBatch(std::uint64_t position) const = 0;

  /** The task of the network, see Network::ForTask(), that a batch is of; by default -1: the
   * network as it is. */
  virtual std::int64_t GetTask(std::uint64_t position) const;
};

/** \class RoundRobinBatchSource
 * \brief The batches of a network's tasks in turn: batch p is batch p div n of task p mod n.
 * \ingroup UniverSegTraining */
class UniverSegTraining_EXPORT RoundRobinBatchSource : public BatchSource
{
public:
  /** \param tasks one source a task. Throws Error when there is none or one is null. */
  explicit RoundRobinBatchSource(std::vector<BatchSource::ConstPointer> tasks);
  ~RoundRobinBatchSource() override;

  TensorMap MakeBatch(std::uint64_t position) const override;
  std::int64_t GetTask(std::uint64_t position) const override;

private:
  std::vector<BatchSource::ConstPointer> m_Tasks;
};

/** \class BatchPrefetcher
 * \brief Makes batches ahead, in threads of its own.
 * \ingroup UniverSegTraining
 */
class UniverSegTraining_EXPORT BatchPrefetcher
{
public:
  /** Batches first, first + stride, first + 2 * stride, ...
   * \param threads 0: each batch is made when it is asked for
   * \param depth batches that may wait; at least 1 */
  BatchPrefetcher(BatchSource::ConstPointer source,
                  std::uint64_t first,
                  std::uint64_t stride,
                  unsigned int threads,
                  std::size_t depth);
  ~BatchPrefetcher();
  BatchPrefetcher(const BatchPrefetcher &) = delete;
  BatchPrefetcher & operator=(const BatchPrefetcher &) = delete;

  /** The next batch; waits for it. Throws what making it threw. */
  TensorMap Next();

  /** Seconds that Next() has waited. */
  double GetWaitedSeconds() const
  {
    return m_WaitedSeconds;
  }

private:
  /** \brief A batch, or what was thrown instead. */
  struct Outcome
  {
    TensorMap batch;
    std::exception_ptr failure;
  };

  void Work();
  Outcome Make(std::uint64_t number) const;

  BatchSource::ConstPointer m_Source;
  std::uint64_t m_First;
  std::uint64_t m_Stride;
  std::size_t m_Depth;
  std::mutex m_Mutex;
  std::condition_variable m_Changed;
  std::map<std::uint64_t, Outcome> m_Ready; ///< by number
  std::uint64_t m_NextToMake = 0;
  std::uint64_t m_NextToGive = 0;
  bool m_Stops = false;
  double m_WaitedSeconds = 0;
  std::vector<std::thread> m_Threads;
};
} // namespace nn
} // namespace itk

#endif
