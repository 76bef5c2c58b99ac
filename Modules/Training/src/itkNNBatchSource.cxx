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
#include "itkNNBatchSource.h"

#include "itkNNError.h"

#include <algorithm>
#include <chrono>

namespace itk
{
namespace nn
{
BatchSource::~BatchSource() = default;

std::int64_t
BatchSource::GetTask(std::uint64_t) const
{
  return -1;
}

RoundRobinBatchSource::RoundRobinBatchSource(std::vector<BatchSource::ConstPointer> tasks)
  : m_Tasks(std::move(tasks))
{
  itkNNRequireMacro(!m_Tasks.empty() && std::find(m_Tasks.begin(), m_Tasks.end(), nullptr) == m_Tasks.end(),
                    "Batches of several tasks need a source of each, and at least one");
}

RoundRobinBatchSource::~RoundRobinBatchSource() = default;

TensorMap
RoundRobinBatchSource::MakeBatch(std::uint64_t position) const
{
  return m_Tasks[static_cast<std::size_t>(this->GetTask(position))]->MakeBatch(position / m_Tasks.size());
}

std::int64_t
RoundRobinBatchSource::GetTask(std::uint64_t position) const
{
  return static_cast<std::int64_t>(position % m_Tasks.size());
}

BatchPrefetcher::BatchPrefetcher(
  BatchSource::ConstPointer source, std::uint64_t first, std::uint64_t stride, unsigned int threads, std::size_t depth)
  : m_Source(std::move(source))
  , m_First(first)
  , m_Stride(stride)
  , m_Depth(std::max<std::size_t>(depth, 1))
{
  itkNNRequireMacro(m_Source != nullptr, "Batches need a source");
  itkNNRequireMacro(stride >= 1, "The stride of batches should be at least 1, is " << stride);
  for (unsigned int i = 0; i < threads; ++i)
  {
    m_Threads.emplace_back([this] { this->Work(); });
  }
}

BatchPrefetcher::~BatchPrefetcher()
{
  {
    const std::lock_guard<std::mutex> lock(m_Mutex);
    m_Stops = true;
  }
  m_Changed.notify_all();
  for (auto & thread : m_Threads)
  {
    thread.join();
  }
}

BatchPrefetcher::Outcome
BatchPrefetcher::Make(std::uint64_t number) const
{
  Outcome outcome;
  try
  {
    outcome.batch = m_Source->MakeBatch(m_First + number * m_Stride);
  }
  catch (...)
  {
    outcome.failure = std::current_exception();
  }
  return outcome;
}

void
BatchPrefetcher::Work()
{
  std::unique_lock<std::mutex> lock(m_Mutex);
  while (true)
  {
    m_Changed.wait(lock, [this] { return m_Stops || m_NextToMake < m_NextToGive + m_Depth; });
    if (m_Stops)
    {
      return;
    }
    const std::uint64_t number = m_NextToMake++;
    lock.unlock();
    Outcome outcome = this->Make(number);
    lock.lock();
    m_Ready.emplace(number, std::move(outcome));
    m_Changed.notify_all();
  }
}

TensorMap
BatchPrefetcher::Next()
{
  const auto start = std::chrono::steady_clock::now();
  Outcome outcome;
  if (m_Threads.empty())
  {
    outcome = this->Make(m_NextToGive++);
  }
  else
  {
    std::unique_lock<std::mutex> lock(m_Mutex);
    m_Changed.wait(lock, [this] { return m_Ready.count(m_NextToGive) > 0; });
    outcome = std::move(m_Ready.at(m_NextToGive));
    m_Ready.erase(m_NextToGive++);
    lock.unlock();
    m_Changed.notify_all();
  }
  m_WaitedSeconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (outcome.failure)
  {
    std::rethrow_exception(outcome.failure);
  }
  return std::move(outcome.batch);
}
} // namespace nn
} // namespace itk
