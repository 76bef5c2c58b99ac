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
#include "itkNNTestHelpers.h"

#include <algorithm>

using namespace itk::nn;

namespace
{
std::size_t
Rounded(std::size_t bytes)
{
  return (bytes + 63) / 64 * 64;
}

/** The steps at which a byte of the piece is needed are those of the parts that have it. */
std::vector<MemoryPart>
PartsAt(const MemoryRequest & request, std::size_t offset)
{
  std::vector<MemoryPart> parts = request.parts;
  parts.push_back({ 0, request.bytes, request.firstStep, request.lastStep });
  for (auto & part : parts)
  {
    part.offset += offset;
  }
  return parts;
}

bool
Overlap(const std::vector<MemoryPart> & ones, const std::vector<MemoryPart> & others)
{
  for (const auto & a : ones)
  {
    for (const auto & b : others)
    {
      const bool together = a.firstStep <= b.lastStep && b.firstStep <= a.lastStep;
      if (together && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes)
      {
        return true;
      }
    }
  }
  return false;
}

/** No two pieces share bytes at a step; no arena can be below the most that one step needs. */
void
CheckAssignment(const std::vector<MemoryRequest> & requests)
{
  const ArenaAssignment assignment = AssignArena(requests);
  ASSERT_EQ(assignment.offsets.size(), requests.size());
  int steps = 0;
  std::size_t sum = 0;
  for (std::size_t i = 0; i < requests.size(); ++i)
  {
    steps = std::max(steps, requests[i].lastStep + 1);
    sum += Rounded(requests[i].bytes);
    ASSERT_EQ(assignment.offsets[i] % 64, 0U);
    ASSERT_LE(assignment.offsets[i] + requests[i].bytes, assignment.bytes);
    for (std::size_t k = 0; k < i; ++k)
    {
      ASSERT_FALSE(Overlap(PartsAt(requests[i], assignment.offsets[i]), PartsAt(requests[k], assignment.offsets[k])))
        << "pieces " << k << " and " << i;
    }
  }
  std::size_t least = 0;
  for (int step = 0; step < steps; ++step)
  {
    std::size_t live = 0;
    for (const auto & request : requests)
    {
      live += request.firstStep <= step && step <= request.lastStep ? Rounded(request.bytes) : 0;
    }
    least = std::max(least, live);
  }
  EXPECT_GE(assignment.bytes, least);
  EXPECT_LE(assignment.bytes, sum);
}
} // namespace

TEST(ArenaPlanner, NothingNeedsNothing)
{
  EXPECT_EQ(AssignArena({}).bytes, 0U);
  EXPECT_TRUE(AssignArena({}).offsets.empty());
  EXPECT_EQ(AssignArena({ { 0, 0, 5 } }).bytes, 0U);
}

TEST(ArenaPlanner, SimpleCasesAreOptimal)
{
  EXPECT_EQ(AssignArena({ { 100, 0, 0 } }).bytes, 128U);
  // One after the other share; a chain of neighbours needs two.
  EXPECT_EQ(AssignArena({ { 100, 0, 0 }, { 100, 1, 1 }, { 100, 2, 2 } }).bytes, 128U);
  EXPECT_EQ(AssignArena({ { 64, 0, 1 }, { 64, 1, 2 }, { 64, 2, 3 }, { 64, 3, 4 } }).bytes, 128U);
  // All at once are stacked.
  EXPECT_EQ(AssignArena({ { 64, 0, 2 }, { 128, 1, 1 }, { 1, 0, 5 } }).bytes, 256U);
  // The gap below a long-lived piece is used again.
  EXPECT_EQ(AssignArena({ { 256, 0, 1 }, { 128, 0, 5 }, { 192, 2, 3 } }).bytes, 384U);
}

TEST(ArenaPlanner, AnotherOrderMayBeBetter)
{
  // In the order of their steps the last of the chain does not fit below the one that lives long.
  const std::vector<MemoryRequest> requests{ { 64, 0, 1 }, { 64, 1, 2 }, { 64, 2, 9 }, { 128, 9, 9 }, { 64, 3, 8 } };
  EXPECT_EQ(AssignArena(requests).bytes, 192U);
  // Long lives first leave less room for what is larger.
  EXPECT_EQ(AssignArena({ { 64, 0, 9 }, { 64, 1, 9 }, { 256, 4, 4 } }).bytes, 384U);
}

TEST(ArenaPlanner, StepsAreInclusive)
{
  const auto assignment = AssignArena({ { 64, 0, 3 }, { 64, 3, 4 } });
  EXPECT_NE(assignment.offsets[0], assignment.offsets[1]);
  EXPECT_EQ(assignment.bytes, 128U);
}

TEST(ArenaPlanner, RandomRequestsNeverOverlap)
{
  std::mt19937 engine(7);
  const auto below = [&](std::uint32_t n) { return static_cast<int>(engine() % n); };
  for (int trial = 0; trial < 300; ++trial)
  {
    std::vector<MemoryRequest> requests(static_cast<std::size_t>(below(40)));
    for (auto & request : requests)
    {
      request.bytes = static_cast<std::size_t>(below(10) == 0 ? 0 : below(5) * 64 + below(300));
      request.firstStep = below(30);
      request.lastStep = request.firstStep + below(12);
    }
    CheckAssignment(requests);
    ASSERT_FALSE(::testing::Test::HasFailure()) << "trial " << trial;
  }
}

TEST(ArenaPlanner, APieceIsFreeBesideTheParts)
{
  // 128 bytes at step 5, of which the first half is needed since step 0 and the second since step 4.
  const MemoryRequest whole{ 128, 5, 6, { { 0, 64, 0, 5 }, { 64, 64, 4, 5 } } };
  const auto assignment = AssignArena({ whole, { 64, 1, 3 } });
  EXPECT_EQ(assignment.offsets, (std::vector<std::size_t>{ 0, 64 }));
  EXPECT_EQ(assignment.bytes, 128U);
  // Not when it lives until the second part does.
  EXPECT_EQ(AssignArena({ whole, { 64, 1, 4 } }).bytes, 192U);
  // A part in the way moves the whole.
  const auto moved = AssignArena({ { 256, 0, 0 }, { 192, 7, 7, { { 128, 64, 0, 7 } } } });
  EXPECT_EQ(moved.offsets, (std::vector<std::size_t>{ 0, 128 }));
  EXPECT_EQ(moved.bytes, 320U);
}

TEST(ArenaPlanner, RandomPartsNeverOverlap)
{
  std::mt19937 engine(11);
  const auto below = [&](std::uint32_t n) { return static_cast<int>(engine() % n); };
  for (int trial = 0; trial < 300; ++trial)
  {
    std::vector<MemoryRequest> requests(static_cast<std::size_t>(below(40)));
    for (auto & request : requests)
    {
      request.firstStep = below(30);
      request.lastStep = request.firstStep + below(12);
      for (int part = below(4); part > 0; --part)
      {
        const auto bytes = static_cast<std::size_t>(64 * below(6));
        request.parts.push_back({ request.bytes, bytes, below(request.firstStep + 1), request.firstStep });
        request.bytes += bytes;
      }
      request.bytes += static_cast<std::size_t>(below(300));
    }
    CheckAssignment(requests);
    ASSERT_FALSE(::testing::Test::HasFailure()) << "trial " << trial;
  }
}

TEST(ArenaPlanner, EqualRequestsGiveEqualAssignments)
{
  const std::vector<MemoryRequest> requests{ { 640, 0, 2 }, { 640, 1, 3 }, { 64, 2, 2 }, { 640, 3, 4 } };
  EXPECT_EQ(AssignArena(requests).offsets, AssignArena(requests).offsets);
}
