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
#include "itkMultiThreaderBase.h"
#include "itkNNParallel.h"
#include "itkNNTestHelpers.h"

#include <atomic>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

using namespace itk::nn;

TEST(ParallelFor, CoversEveryIndexOnce)
{
  for (const std::int64_t count : { 1, 2, 3, 7, 16, 1000 })
  {
    for (const unsigned int threads : { 0U, 1U, 2U, 3U, 8U, 200U })
    {
      std::vector<std::atomic<int>> hits(static_cast<std::size_t>(count));
      for (auto & hit : hits)
      {
        hit = 0;
      }
      std::atomic<int> calls{ 0 };
      ParallelFor(count,
                  threads,
                  [&](std::int64_t begin, std::int64_t end)
                  {
                    ++calls;
                    EXPECT_LT(begin, end);
                    for (std::int64_t i = begin; i < end; ++i)
                    {
                      ++hits[static_cast<std::size_t>(i)];
                    }
                  });
      for (const auto & hit : hits)
      {
        ASSERT_EQ(hit, 1) << "count " << count << ", threads " << threads;
      }
      if (threads > 0)
      {
        EXPECT_LE(calls, static_cast<int>(threads));
      }
      EXPECT_LE(calls, count);
    }
  }
}

TEST(ParallelFor, NothingToDoCallsNothing)
{
  const auto fail = [](std::int64_t, std::int64_t) { FAIL(); };
  ParallelFor(0, 4, fail);
  ParallelFor(-3, 4, fail);
}

TEST(ParallelFor, OnePartRunsInTheCallingThread)
{
  std::thread::id id;
  ParallelFor(10, 1, [&](std::int64_t, std::int64_t) { id = std::this_thread::get_id(); });
  EXPECT_EQ(id, std::this_thread::get_id());
  id = std::thread::id();
  ParallelFor(1, 4, [&](std::int64_t, std::int64_t) { id = std::this_thread::get_id(); });
  EXPECT_EQ(id, std::this_thread::get_id());
}

TEST(ParallelFor, ExceptionsArriveWithTheirType)
{
  for (const unsigned int threads : { 1U, 2U, 4U })
  {
    std::atomic<int> parts{ 0 };
    EXPECT_THROW(ParallelFor(8,
                             threads,
                             [&](std::int64_t begin, std::int64_t)
                             {
                               ++parts;
                               if (begin == 0)
                               {
                                 throw std::out_of_range("first");
                               }
                             }),
                 std::out_of_range);
    EXPECT_EQ(parts, static_cast<int>(threads)) << "the other parts still run";
    EXPECT_NN_ERROR(ParallelFor(8, threads, [](std::int64_t, std::int64_t) { itkNNThrowMacro("every part"); }),
                    "every part");
  }
  int after = 0;
  ParallelFor(1, 2, [&](std::int64_t, std::int64_t) { ++after; });
  EXPECT_EQ(after, 1);
}

TEST(ParallelFor, DefaultFollowsItk)
{
  const auto before = itk::MultiThreaderBase::GetGlobalDefaultNumberOfThreads();
  itk::MultiThreaderBase::SetGlobalDefaultNumberOfThreads(3);
  EXPECT_EQ(GetDefaultNumberOfThreads(), 3U);
  std::atomic<int> calls{ 0 };
  ParallelFor(100, 0, [&](std::int64_t, std::int64_t) { ++calls; });
  EXPECT_EQ(calls, 3);
  itk::MultiThreaderBase::SetGlobalDefaultNumberOfThreads(before);
}

TEST(ParallelFor, SeveralCallersAtOnce)
{
  std::atomic<std::int64_t> sum{ 0 };
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c)
  {
    callers.emplace_back(
      [&]
      {
        for (int repeat = 0; repeat < 20; ++repeat)
        {
          ParallelFor(100, 3, [&](std::int64_t begin, std::int64_t end) { sum += end - begin; });
        }
      });
  }
  for (auto & caller : callers)
  {
    caller.join();
  }
  EXPECT_EQ(sum, 4 * 20 * 100);
}
