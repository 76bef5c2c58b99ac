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
#include "itkNNLoopKernel.h"

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>

namespace itk
{
namespace nn
{
namespace
{
template <typename T>
void
AddTo(void * sum, const void * summand, std::size_t bytes)
{
  auto * to = static_cast<T *>(sum);
  const auto * from = static_cast<const T *>(summand);
  const std::size_t count = bytes / sizeof(T);
  for (std::size_t i = 0; i < count; ++i)
  {
    to[i] += from[i];
  }
}

/** dst = scale * sum of the workers' partial sums, elements [begin, end). */
template <typename T>
void
Combine(const std::vector<const void *> & partial, double scale, void * dst, std::int64_t begin, std::int64_t end)
{
  auto * to = static_cast<T *>(dst);
  const auto factor = static_cast<T>(scale);
  for (std::int64_t i = begin; i < end; ++i)
  {
    T sum = 0;
    for (const auto * part : partial)
    {
      sum += static_cast<const T *>(part)[i];
    }
    to[i] = sum * factor;
  }
}
} // namespace

/** One thread's memory and its run over consecutive groups. */
class LoopKernel::Worker
{
public:
  Worker(const LoopKernel & kernel, const KernelArguments & arguments, char * memory)
    : m_Kernel(kernel)
    , m_Arguments(arguments)
    , m_Arena(memory)
  {
    memory += AlignedBytes(kernel.m_Body->arenaBytes);
    for (const auto & sum : kernel.m_Sums)
    {
      m_Sums.push_back(memory);
      memory += AlignedBytes(sum.bytes);
      m_Summands.push_back(memory);
      memory += AlignedBytes(sum.bytes);
    }
    m_Milliseconds.assign(kernel.m_Body->steps.size(), 0);
  }

  void Run(std::int64_t begin, std::int64_t end, const std::function<bool(double)> & progress)
  {
    const PlanData & body = *m_Kernel.m_Body;
    std::vector<const void *> inputs(m_Kernel.m_Inputs.size());
    std::vector<void *> outputs(m_Kernel.m_Stacked.size() + m_Sums.size());
    for (std::int64_t group = begin; group < end; ++group)
    {
      for (std::size_t i = 0; i < inputs.size(); ++i)
      {
        const Slot & slot = m_Kernel.m_Inputs[i];
        inputs[i] = static_cast<const char *>(m_Arguments.inputs[i]) +
                    (slot.isSliced ? static_cast<std::size_t>(group) * slot.bytes : 0);
      }
      for (std::size_t i = 0; i < m_Kernel.m_Stacked.size(); ++i)
      {
        outputs[i] = static_cast<char *>(GetOutput(m_Arguments, i)) +
                     static_cast<std::size_t>(group) * m_Kernel.m_Stacked[i].bytes;
      }
      for (std::size_t i = 0; i < m_Sums.size(); ++i)
      {
        // The first summand is the sum.
        outputs[m_Kernel.m_Stacked.size() + i] = group == begin ? m_Sums[i] : m_Summands[i];
      }
      const double groups = static_cast<double>(end - begin);
      const auto part = [&](double done)
      { return !progress || progress((static_cast<double>(group - begin) + done) / groups); };
      if (!ExecuteSteps(body, inputs, outputs, m_Arena, part, body.verbose ? &m_Milliseconds : nullptr))
      {
        return;
      }
      for (std::size_t i = 0; i < m_Sums.size() && group != begin; ++i)
      {
        const Sum & sum = m_Kernel.m_Sums[i];
        (sum.type.type == DataType::Float64 ? AddTo<double> : AddTo<float>)(m_Sums[i], m_Summands[i], sum.bytes);
      }
    }
    m_HasRun = end > begin;
  }

  const void * GetSum(std::size_t i) const
  {
    return m_Sums[i];
  }
  bool HasRun() const
  {
    return m_HasRun;
  }
  const std::vector<double> & GetMilliseconds() const
  {
    return m_Milliseconds;
  }

private:
  const LoopKernel & m_Kernel;
  const KernelArguments & m_Arguments;
  char * m_Arena;
  std::vector<char *> m_Sums;
  std::vector<char *> m_Summands;
  std::vector<double> m_Milliseconds;
  bool m_HasRun = false;
};

LoopKernel::LoopKernel(std::unique_ptr<PlanData> body,
                       std::vector<Slot> inputs,
                       std::vector<Slot> stacked,
                       std::vector<Sum> sums,
                       std::int64_t groups,
                       unsigned int threads,
                       Backend::Pointer backend)
  : m_Body(std::move(body))
  , m_Inputs(std::move(inputs))
  , m_Stacked(std::move(stacked))
  , m_Sums(std::move(sums))
  , m_Groups(groups)
  , m_Threads(static_cast<unsigned int>(std::min<std::int64_t>(groups, threads)))
  , m_Backend(std::move(backend))
{}

LoopKernel::~LoopKernel() = default;

std::size_t
LoopKernel::GetWorkerBytes() const
{
  std::size_t bytes = AlignedBytes(m_Body->arenaBytes);
  for (const auto & sum : m_Sums)
  {
    bytes += 2 * AlignedBytes(sum.bytes);
  }
  return bytes;
}

std::size_t
LoopKernel::GetScratchBytes() const
{
  return m_Threads * this->GetWorkerBytes();
}

void *
LoopKernel::GetOutput(const KernelArguments & arguments, std::size_t i)
{
  return i == 0 ? arguments.output : arguments.moreOutputs[i - 1];
}

void
LoopKernel::Execute(const KernelArguments & arguments) const
{
  std::vector<Worker> workers;
  for (unsigned int t = 0; t < m_Threads; ++t)
  {
    workers.emplace_back(*this, arguments, static_cast<char *>(arguments.scratch) + t * this->GetWorkerBytes());
  }
  const auto caller = std::this_thread::get_id();
  std::atomic<bool> stopped{ false };
  // Only the caller's thread may report, see KernelArguments; the others look what it was told.
  const auto report = [&](double part)
  {
    if (arguments.progress != nullptr && std::this_thread::get_id() == caller && !(*arguments.progress)(part))
    {
      stopped = true;
    }
    return !stopped;
  };
  m_Backend->RunParallel(m_Threads,
                         m_Threads,
                         [&](std::int64_t begin, std::int64_t end)
                         {
                           try
                           {
                             for (std::int64_t t = begin; t < end; ++t)
                             {
                               workers[static_cast<std::size_t>(t)].Run(
                                 m_Groups * t / m_Threads, m_Groups * (t + 1) / m_Threads, report);
                             }
                           }
                           catch (...)
                           {
                             stopped = true;
                             throw;
                           }
                         });
  if (stopped)
  {
    return;
  }
  for (std::size_t i = 0; i < m_Sums.size(); ++i)
  {
    std::vector<const void *> partial;
    for (const auto & worker : workers)
    {
      if (worker.HasRun())
      {
        partial.push_back(worker.GetSum(i));
      }
    }
    const Sum & sum = m_Sums[i];
    void * dst = GetOutput(arguments, m_Stacked.size() + i);
    const bool isDouble = sum.type.type == DataType::Float64;
    m_Backend->RunParallel(static_cast<std::int64_t>(sum.bytes / SizeOf(sum.type.type)),
                           m_Threads,
                           [&](std::int64_t begin, std::int64_t end)
                           { (isDouble ? Combine<double> : Combine<float>)(partial, sum.scale, dst, begin, end); });
  }
  if (m_Body->verbose)
  {
    for (std::size_t s = 0; s < m_Body->steps.size(); ++s)
    {
      double milliseconds = 0;
      for (const auto & worker : workers)
      {
        milliseconds = std::max(milliseconds, worker.GetMilliseconds()[s]);
      }
      TraceStep(m_Body->steps[s].info, " x " + std::to_string(m_Groups), milliseconds);
    }
  }
}
} // namespace nn
} // namespace itk
