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
#ifndef itkUniverSegSupportCache_h
#define itkUniverSegSupportCache_h

#include "UniverSegFilteringExport.h"
#include "itkNNNetworkRunner.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <vector>

namespace itk
{
class UniverSegPreparedSupports;

/** \class UniverSegSupportCache
 * \brief What networks have computed from the supports of one set alone, kept
 * for the next target.
 *
 * The tensors of all entries together stay below a limit. An entry that would
 * exceed it takes the place of entries of other models, grids or precisions,
 * least recently used first, but not of entries of its own: several labels or
 * ensemble members that do not fit together would only push each other out.
 *
 * Safe to use from several threads.
 * \ingroup UniverSegFiltering
 */
class UniverSegFiltering_EXPORT UniverSegSupportCache
{
public:
  using StatePointer = std::shared_ptr<const nn::StaticState>;
  using RunnerPointer = std::shared_ptr<const nn::NetworkRunner>;
  using PreparedPointer = std::shared_ptr<const UniverSegPreparedSupports>;

  /** Enough for 128 supports of the release model. */
  static constexpr std::size_t defaultMaximumBytes = std::size_t{ 600 } << 20;

  /** \brief What a state was computed from, and with what. */
  struct Key
  {
    RunnerPointer runner;             ///< model, precision, backend and threads
    PreparedPointer prepared;         ///< supports, grid and normalisation
    std::int64_t label = 0;           ///< that is the foreground
    std::vector<std::size_t> members; ///< positions in the support set
    std::string plan;                 ///< StaticState::GetKey()
  };

  /** The state of a key, from compute() when it is not there yet. Null when it
   * does not fit.
   * \param bytes that the state will have. */
  StatePointer GetOrCompute(const Key & key, std::size_t bytes, const std::function<StatePointer()> & compute);

  /** Bytes that all states may have together; default 600 MiB, 0 keeps nothing. */
  void SetMaximumBytes(std::size_t bytes);
  std::size_t GetMaximumBytes() const;

  /** Bytes of the states that are kept. */
  std::size_t GetNumberOfBytes() const;

  void Clear();

private:
  struct Entry
  {
    std::weak_ptr<const nn::NetworkRunner> runner; ///< not kept alive by its states
    PreparedPointer prepared;
    std::int64_t label;
    std::vector<std::size_t> members;
    StatePointer state;
  };

  static bool IsOfSameModel(const Entry & entry, const Key & key);
  static bool IsEqual(const Entry & entry, const Key & key);

  /** Drop other models' entries until there is room. The mutex is held. */
  bool MakeRoom(const Key & key, std::size_t bytes);
  std::size_t CountBytes() const;

  mutable std::mutex m_Mutex;
  std::mutex m_ComputeMutex;  ///< so that two threads do not compute the same
  std::list<Entry> m_Entries; ///< last used first
  std::size_t m_MaximumBytes = defaultMaximumBytes;
};
} // namespace itk

#endif
