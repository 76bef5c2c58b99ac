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
#include "itkNNParallel.h"

#include "itkMultiThreaderBase.h"

#include <algorithm>
#include <exception>
#include <functional>
#include <mutex>

namespace itk
{
namespace nn
{
unsigned int
GetDefaultNumberOfThreads()
{
  return static_cast<unsigned int>(MultiThreaderBase::GetGlobalDefaultNumberOfThreads());
}

void
ParallelFor(std::int64_t count, unsigned int threads, const std::function<void(std::int64_t, std::int64_t)> & f)
{
  if (count <= 0)
  {
    return;
  }
  const std::int64_t parts = std::min<std::int64_t>(count, threads == 0 ? GetDefaultNumberOfThreads() : threads);
  if (parts == 1)
  {
    f(0, count);
    return;
  }
  std::exception_ptr failure;
  std::mutex mutex;
  const auto runPart = [&](SizeValueType part)
  {
    try
    {
      const auto p = static_cast<std::int64_t>(part);
      {
        // ThreadSanitizer, which cannot look into ITK, sees the order of threads by this lock.
        const std::lock_guard<std::mutex> lock(mutex);
      }
      f(count * p / parts, count * (p + 1) / parts);
      const std::lock_guard<std::mutex> lock(mutex);
    }
    catch (...)
    {
      const std::lock_guard<std::mutex> lock(mutex);
      failure = failure ? failure : std::current_exception();
    }
  };
  auto threader = MultiThreaderBase::New();
  threader->SetMaximumNumberOfThreads(static_cast<ThreadIdType>(parts));
  threader->SetNumberOfWorkUnits(static_cast<ThreadIdType>(parts));
  {
    const std::lock_guard<std::mutex> lock(mutex);
  }
  // A reference fits in the function object: ITK copies it without allocating.
  threader->ParallelizeArray(0, static_cast<SizeValueType>(parts), std::cref(runPart), nullptr);
  const std::lock_guard<std::mutex> lock(mutex);
  if (failure)
  {
    std::rethrow_exception(failure);
  }
}
} // namespace nn
} // namespace itk
