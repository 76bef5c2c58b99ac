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
#include "itkNNArenaPlanner.h"

#include "itkNNTensor.h"

#include <algorithm>
#include <numeric>

namespace itk
{
namespace nn
{
ArenaAssignment
AssignArena(const std::vector<MemoryRequest> & requests)
{
  std::vector<std::size_t> order(requests.size());
  std::iota(order.begin(), order.end(), std::size_t{ 0 });
  std::stable_sort(
    order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return requests[a].bytes > requests[b].bytes; });

  ArenaAssignment assignment;
  assignment.offsets.assign(requests.size(), 0);
  std::vector<std::size_t> placed; // sorted by offset
  for (const auto index : order)
  {
    const MemoryRequest & request = requests[index];
    std::size_t offset = 0;
    for (const auto other : placed)
    {
      const bool together =
        requests[other].firstStep <= request.lastStep && request.firstStep <= requests[other].lastStep;
      if (!together)
      {
        continue;
      }
      if (offset + AlignedBytes(request.bytes) <= assignment.offsets[other])
      {
        break;
      }
      offset = std::max(offset, assignment.offsets[other] + AlignedBytes(requests[other].bytes));
    }
    assignment.offsets[index] = offset;
    assignment.bytes = std::max(assignment.bytes, offset + AlignedBytes(request.bytes));
    const auto position =
      std::upper_bound(placed.begin(),
                       placed.end(),
                       index,
                       [&](std::size_t a, std::size_t b) { return assignment.offsets[a] < assignment.offsets[b]; });
    placed.insert(position, index);
  }
  return assignment;
}
} // namespace nn
} // namespace itk
