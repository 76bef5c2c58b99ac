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
#include "itkUniverSegSupportCache.h"

#include <algorithm>

namespace itk
{
bool
UniverSegSupportCache::IsOfSameModel(const Entry & entry, const Key & key)
{
  return entry.runner.lock() == key.runner && entry.prepared == key.prepared;
}

bool
UniverSegSupportCache::IsEqual(const Entry & entry, const Key & key)
{
  return IsOfSameModel(entry, key) && entry.label == key.label && entry.members == key.members &&
         entry.state->GetKey() == key.plan;
}

std::size_t
UniverSegSupportCache::CountBytes() const
{
  std::size_t bytes = 0;
  for (const Entry & entry : m_Entries)
  {
    bytes += entry.state->GetNumberOfBytes();
  }
  return bytes;
}

bool
UniverSegSupportCache::MakeRoom(const Key & key, std::size_t bytes)
{
  if (bytes > m_MaximumBytes)
  {
    return false;
  }
  std::size_t own = bytes;
  for (const Entry & entry : m_Entries)
  {
    own += IsOfSameModel(entry, key) ? entry.state->GetNumberOfBytes() : 0;
  }
  if (own > m_MaximumBytes)
  {
    return false;
  }
  for (auto entry = m_Entries.end(); entry != m_Entries.begin() && this->CountBytes() + bytes > m_MaximumBytes;)
  {
    --entry;
    if (!IsOfSameModel(*entry, key))
    {
      entry = m_Entries.erase(entry);
    }
  }
  return true;
}

UniverSegSupportCache::StatePointer
UniverSegSupportCache::GetOrCompute(const Key & key, std::size_t bytes, const std::function<StatePointer()> & compute)
{
  const std::lock_guard<std::mutex> computeLock(m_ComputeMutex);
  {
    const std::lock_guard<std::mutex> lock(m_Mutex);
    const auto found =
      std::find_if(m_Entries.begin(), m_Entries.end(), [&](const Entry & entry) { return IsEqual(entry, key); });
    if (found != m_Entries.end())
    {
      m_Entries.splice(m_Entries.begin(), m_Entries, found);
      return found->state;
    }
    if (!this->MakeRoom(key, bytes))
    {
      return nullptr;
    }
  }
  StatePointer state = compute();
  const std::lock_guard<std::mutex> lock(m_Mutex);
  m_Entries.push_front({ key.runner, key.prepared, key.label, key.members, state });
  return state;
}

void
UniverSegSupportCache::SetMaximumBytes(std::size_t bytes)
{
  const std::lock_guard<std::mutex> lock(m_Mutex);
  m_MaximumBytes = bytes;
  while (!m_Entries.empty() && this->CountBytes() > bytes)
  {
    m_Entries.pop_back();
  }
}

std::size_t
UniverSegSupportCache::GetMaximumBytes() const
{
  const std::lock_guard<std::mutex> lock(m_Mutex);
  return m_MaximumBytes;
}

std::size_t
UniverSegSupportCache::GetNumberOfBytes() const
{
  const std::lock_guard<std::mutex> lock(m_Mutex);
  return this->CountBytes();
}

void
UniverSegSupportCache::Clear()
{
  const std::lock_guard<std::mutex> lock(m_Mutex);
  m_Entries.clear();
}
} // namespace itk
