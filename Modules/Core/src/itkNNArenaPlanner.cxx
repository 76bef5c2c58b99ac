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
namespace
{
using Parts = std::vector<MemoryPart>;

Parts
PartsOf(const MemoryRequest & request)
{
  Parts parts = request.parts;
  parts.push_back({ 0, request.bytes, request.firstStep, request.lastStep });
  for (auto & part : parts)
  {
    part.bytes = AlignedBytes(part.bytes);
  }
  return parts;
}

bool
LiveTogether(const MemoryPart & a, const MemoryPart & b)
{
  return a.firstStep <= b.lastStep && b.firstStep <= a.lastStep;
}

/** The lowest offset of a piece. \param placed in the order of their offsets. */
std::size_t
FindOffset(const Parts & piece, const Parts & placed)
{
  std::size_t offset = 0;
  // Each move is due to one part of the piece, and may bring another one into the way of what lies lower.
  for (bool moved = true; moved;)
  {
    moved = false;
    for (const auto & part : piece)
    {
      for (const auto & other : placed)
      {
        if (!LiveTogether(part, other))
        {
          continue;
        }
        if (offset + part.offset + part.bytes <= other.offset)
        {
          break;
        }
        if (other.offset + other.bytes > offset + part.offset)
        {
          offset = other.offset + other.bytes - part.offset;
          moved = true;
        }
      }
    }
    moved = moved && piece.size() > 1;
  }
  return offset;
}
/** From the first to the last step in which some of it is needed. */
double
LifeOf(const MemoryRequest & request)
{
  int first = request.firstStep;
  int last = request.lastStep;
  for (const auto & part : request.parts)
  {
    first = std::min(first, part.firstStep);
    last = std::max(last, part.lastStep);
  }
  return 1.0 + last - first;
}

ArenaAssignment
AssignInOrder(const std::vector<MemoryRequest> & requests, const std::vector<std::size_t> & order)
{
  ArenaAssignment assignment;
  assignment.offsets.assign(requests.size(), 0);
  Parts placed; // sorted by offset
  for (const auto index : order)
  {
    Parts piece = PartsOf(requests[index]);
    const std::size_t offset = FindOffset(piece, placed);
    assignment.offsets[index] = offset;
    for (auto & part : piece)
    {
      part.offset += offset;
      assignment.bytes = std::max(assignment.bytes, part.offset + part.bytes);
      const auto position =
        std::upper_bound(placed.begin(),
                         placed.end(),
                         part,
                         [](const MemoryPart & a, const MemoryPart & b) { return a.offset < b.offset; });
      placed.insert(position, part);
    }
  }
  return assignment;
}
} // namespace

ArenaAssignment
AssignArena(const std::vector<MemoryRequest> & requests)
{
  std::vector<double> bytes;
  std::vector<double> lives;
  for (const auto & request : requests)
  {
    bytes.push_back(static_cast<double>(request.bytes));
    lives.push_back(LifeOf(request));
  }
  std::vector<std::size_t> order(requests.size());
  std::iota(order.begin(), order.end(), std::size_t{ 0 });
  ArenaAssignment best;
  const auto attempt = [&](const auto & goesBefore)
  {
    std::vector<std::size_t> sorted = order;
    std::stable_sort(sorted.begin(), sorted.end(), goesBefore);
    ArenaAssignment assignment = AssignInOrder(requests, sorted);
    if (best.offsets.empty() || assignment.bytes < best.bytes)
    {
      best = std::move(assignment);
    }
  };
  attempt([&](std::size_t a, std::size_t b) { return bytes[a] > bytes[b]; });
  attempt([&](std::size_t a, std::size_t b)
          { return bytes[a] != bytes[b] ? bytes[a] > bytes[b] : lives[a] > lives[b]; });
  attempt([&](std::size_t a, std::size_t b) { return bytes[a] * lives[a] > bytes[b] * lives[b]; });
  return best;
}
} // namespace nn
} // namespace itk
