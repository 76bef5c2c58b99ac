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
#ifndef itkNNThreadCommunicator_h
#define itkNNThreadCommunicator_h

#include "itkNNCommunicator.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

namespace itk
{
namespace nn
{
namespace test
{
/** Threads in the place of processes. */
class ThreadGroup
{
public:
  explicit ThreadGroup(int size)
    : m_Size(size)
  {}

  void Sum(std::vector<float> & values)
  {
    std::unique_lock<std::mutex> lock(m_Mutex);
    const int round = m_Round;
    if (m_Arrived == 0)
    {
      m_Sums.assign(values.size(), 0);
    }
    for (std::size_t i = 0; i < values.size(); ++i)
    {
      m_Sums.at(i) += values[i];
    }
    if (++m_Arrived == m_Size)
    {
      m_Arrived = 0;
      m_Result = m_Sums;
      ++m_Round;
      m_Changed.notify_all();
    }
    else
    {
      m_Changed.wait(lock, [&] { return m_Round != round; });
    }
    values = m_Result;
  }

  int GetSize() const
  {
    return m_Size;
  }

private:
  int m_Size;
  int m_Arrived = 0;
  int m_Round = 0;
  std::vector<float> m_Sums;
  std::vector<float> m_Result;
  std::mutex m_Mutex;
  std::condition_variable m_Changed;
};

class ThreadCommunicator : public Communicator
{
public:
  ThreadCommunicator(std::shared_ptr<ThreadGroup> group, int rank)
    : m_Group(std::move(group))
    , m_Rank(rank)
  {}
  int GetRank() const override
  {
    return m_Rank;
  }
  int GetSize() const override
  {
    return m_Group->GetSize();
  }
  void Sum(std::vector<float> & values) const override
  {
    m_Group->Sum(values);
  }

private:
  std::shared_ptr<ThreadGroup> m_Group;
  int m_Rank;
};
} // namespace test
} // namespace nn
} // namespace itk

#endif
