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
#include "itkNNBackend.h"

#include "itkNNParallel.h"

#include <algorithm>

namespace itk
{
namespace nn
{
std::shared_ptr<const void>
WeightCache::GetOrCreate(const std::string & key,
                         std::size_t bytes,
                         const std::function<void(void *)> & fill,
                         DeviceMemory * device)
{
  const std::lock_guard<std::mutex> lock(m_Mutex);
  const auto found = m_Entries.find(key);
  if (found != m_Entries.end())
  {
    return found->second;
  }
  std::shared_ptr<const void> memory = AllocateAligned(bytes);
  fill(const_cast<void *>(memory.get()));
  if (device != nullptr)
  {
    memory = device->Upload(memory.get(), bytes);
  }
  m_Entries.emplace(key, memory);
  m_Bytes += bytes;
  return memory;
}

std::size_t
WeightCache::GetNumberOfBytes() const
{
  const std::lock_guard<std::mutex> lock(m_Mutex);
  return m_Bytes;
}

Kernel::~Kernel() = default;

FunctionKernel::FunctionKernel(FunctionType function, std::size_t scratchBytes)
  : m_Function(std::move(function))
  , m_ScratchBytes(scratchBytes)
{}

FunctionKernel::~FunctionKernel() = default;

Proposal
Proposal::Unsupported(std::string reason)
{
  Proposal proposal;
  proposal.reason = std::move(reason);
  return proposal;
}

Proposal
Proposal::FromKernel(std::unique_ptr<Kernel> kernel, std::vector<Layout> inputLayouts, Layout outputLayout)
{
  Proposal proposal;
  proposal.kernel = std::move(kernel);
  proposal.inputLayouts = std::move(inputLayouts);
  proposal.outputLayout = outputLayout;
  return proposal;
}

Proposal
Proposal::Alias(int input, std::vector<Layout> inputLayouts, Layout outputLayout)
{
  Proposal proposal;
  proposal.aliasOfInput = input;
  proposal.inputLayouts = std::move(inputLayouts);
  proposal.outputLayout = outputLayout;
  return proposal;
}

Implementation::~Implementation() = default;

Backend::Backend() = default;

Backend::~Backend() = default;

Device::Type
Backend::GetDeviceType() const
{
  return Device::Type::Cpu;
}

std::shared_ptr<DeviceMemory>
Backend::GetDeviceMemory(const Device &) const
{
  return nullptr;
}

void
Backend::RunParallel(std::int64_t count,
                     unsigned int threads,
                     const std::function<void(std::int64_t, std::int64_t)> & f) const
{
  ParallelFor(count, threads, f);
}

std::vector<Backend::Pointer>
Backend::GetRegistered()
{
  std::vector<Pointer> backends;
  for (auto & instance : ObjectFactoryBase::CreateAllInstance("itkNNBackend"))
  {
    if (auto * backend = dynamic_cast<Backend *>(instance.GetPointer()))
    {
      backends.emplace_back(backend);
    }
  }
  std::stable_sort(backends.begin(),
                   backends.end(),
                   [](const Pointer & a, const Pointer & b) { return a->GetPriority() > b->GetPriority(); });
  return backends;
}

std::vector<Backend::Pointer>
Backend::Select(const std::string & name, const Device & device, DataType precision, std::vector<std::string> * notes)
{
  const std::vector<Pointer> registered = GetRegistered();
  std::vector<Pointer> selected;
  std::ostringstream names;
  std::ostringstream reasons;
  Pointer reference;
  for (const auto & backend : registered)
  {
    const std::string backendName = backend->GetBackendName();
    names << (names.tellp() > 0 ? ", " : "") << backendName;
    if (backendName == "reference")
    {
      reference = backend;
    }
    if (!selected.empty() || (name != "auto" && name != backendName))
    {
      continue;
    }
    if (name == "auto" && backend->GetDeviceType() != device.type)
    {
      continue;
    }
    const std::string reason = backend->GetUnavailableReason(device, precision);
    if (reason.empty())
    {
      selected.push_back(backend);
      continue;
    }
    itkNNRequireMacro(name == "auto", "Backend '" << name << "' is not available: " << reason);
    reasons << "; " << backendName << ": " << reason;
    if (notes != nullptr)
    {
      notes->push_back("backend " + backendName + " not taken: " + reason);
    }
  }
  itkNNRequireMacro(!selected.empty() || name == "auto",
                    "Unknown backend '" << name << "'; registered are: auto, " << names.str());
  itkNNRequireMacro(!selected.empty(),
                    "No backend serves device " << device.ToText() << " in " << ToString(precision) << reasons.str());
  if (reference && selected.front() != reference && device.type == Device::Type::Cpu)
  {
    selected.push_back(reference);
  }
  return selected;
}
} // namespace nn
} // namespace itk
