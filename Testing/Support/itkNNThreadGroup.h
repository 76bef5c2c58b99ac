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
#ifndef itkNNThreadGroup_h
#define itkNNThreadGroup_h

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <vector>

namespace itk
{
namespace nn
{
namespace test
{
/** \class ThreadGroup
 * \brief Threads in the place of processes that compute sums together. */
class ThreadGroup
{
public:
  explicit ThreadGroup(int size)
    : m_Size(size)
  {}

  int GetSize() const
  {
    return m_Size;
  }

  /** Replace values by their sums over all threads, in the order in which they come. False
   * when the others do not come within so many seconds. */
  bool Sum(float * values, std::size_t count, double seconds)
  {
    std::unique_lock<std::mutex> lock(m_Mutex);
    const int round = m_Round;
    if (m_Arrived == 0)
    {
      m_Sums.assign(count, 0);
    }
    for (std::size_t i = 0; i < count; ++i)
    {
      m_Sums.at(i) += values[i];
    }
    if (++m_Arrived == m_Size)
    {
      m_Result = m_Sums;
      m_Arrived = 0;
      ++m_Round;
      m_Changed.notify_all();
    }
    else if (!m_Changed.wait_for(lock, std::chrono::duration<double>(seconds), [&] { return m_Round != round; }))
    {
      return false;
    }
    std::copy_n(m_Result.begin(), count, values);
    return true;
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
} // namespace test
} // namespace nn
} // namespace itk

#endif
