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
#include "itkNNExecutionPlan.h"

#include "itkNNParallel.h"
#include "itkNNPasses.h"
#include "itkNNPlanData.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <locale>
#include <sstream>

namespace itk
{
namespace nn
{
namespace
{
/** Folded weights of so many bytes are not kept for further plans when this one has
 * packed them: computing them again takes milliseconds. */
constexpr std::size_t computedAgainFrom = std::size_t{ 1 } << 20;

void
BuildOptimizedPlan(PlanData & data, const StateDict & weights, const PlanOptions & options)
{
  FoldedGraph folded = FoldConstants(
    SimplifyGraph(data.graph, { options.staticInputs }), weights, options.precision, data.resources->folded);
  data.graph = FusePostOperations(folded.graph);
  BuildPlan(data, folded.weights, options);
  for (const auto & [name, tensor] : folded.weights)
  {
    if (tensor.GetNumberOfBytes() >= computedAgainFrom && data.readParameters.count(name) == 0)
    {
      data.resources->folded.Remove(name, options.precision);
    }
  }
}

bool
IsVerbose()
{
  const char * value = std::getenv("UNIVERSEG_VERBOSE");
  return value != nullptr && *value != '\0' && std::string(value) != "0";
}
} // namespace

std::string
SetComputation(PlanOptions & options, const std::string & device, const std::string & precision)
{
  options.allowTensorFloat32 = precision == "tf32";
  options.precision = options.allowTensorFloat32 ? DataType::Float32 : DataTypeFromString(precision);
  itkNNRequireMacro(IsFloatingPoint(options.precision),
                    "Precision " << precision << " should be a floating-point type or tf32");
  if (device != "auto")
  {
    options.device = Device::FromString(device);
    return "";
  }
  options.device = Device::FromString("cuda");
  std::string reasons;
  for (const auto & backend : Backend::GetRegistered())
  {
    if (backend->GetDeviceType() != options.device.type ||
        (options.backend != "auto" && options.backend != backend->GetBackendName()))
    {
      continue;
    }
    const std::string reason = backend->GetUnavailableReason(options.device, options.precision);
    if (reason.empty())
    {
      return "";
    }
    reasons += (reasons.empty() ? "" : "; ") + backend->GetBackendName() + ": " + reason;
  }
  options.device = Device{};
  return reasons.empty() ? "no backend for CUDA devices is registered" : reasons;
}

std::shared_ptr<DeviceMemory>
GetDeviceMemory(const PlanOptions & options)
{
  return Backend::Select(options.backend, options.device, options.precision).front()->GetDeviceMemory(options.device);
}

int
CountDevices(const PlanOptions & options)
{
  int count = 0;
  for (const auto & backend : Backend::GetRegistered())
  {
    if (backend->GetDeviceType() != options.device.type ||
        (options.backend != "auto" && options.backend != backend->GetBackendName()))
    {
      continue;
    }
    int own = 0;
    // The host is one, which has no numbers.
    while (own < 1024 && backend->GetUnavailableReason({ options.device.type, own }, options.precision).empty())
    {
      ++own;
      if (options.device.type == Device::Type::Cpu)
      {
        break;
      }
    }
    count = std::max(count, own);
  }
  return count;
}

std::string
GetPrecisionText(const PlanOptions & options)
{
  return options.allowTensorFloat32 ? "tf32" : ToString(options.precision);
}

ArenaPool::Arena
ArenaPool::Acquire(std::size_t bytes, DeviceMemory * device)
{
  Arena arena;
  {
    const std::lock_guard<std::mutex> lock(m_Mutex);
    std::swap(arena, m_Kept);
  }
  if (!arena.memory || arena.bytes < bytes)
  {
    // Freed before the larger one is allocated.
    arena.memory.reset();
    arena = { device != nullptr ? device->Allocate(bytes) : AllocateAligned(bytes), bytes };
  }
  return arena;
}

void
ArenaPool::Release(Arena arena)
{
  const std::lock_guard<std::mutex> lock(m_Mutex);
  if (arena.bytes >= m_Kept.bytes)
  {
    std::swap(arena, m_Kept);
  }
}

std::size_t
ArenaPool::GetKeptBytes() const
{
  const std::lock_guard<std::mutex> lock(m_Mutex);
  return m_Kept.bytes;
}

void
ArenaPool::Clear()
{
  const std::lock_guard<std::mutex> lock(m_Mutex);
  m_Kept = Arena();
}

ExecutionPlan::ExecutionPlan()
  : m_Data(std::make_unique<PlanData>())
{}

ExecutionPlan::~ExecutionPlan() = default;

std::shared_ptr<const ExecutionPlan>
ExecutionPlan::Compile(const Graph & graph,
                       const StateDict & weights,
                       const PlanOptions & options,
                       std::shared_ptr<PlanResources> resources)
{
  itkNNRequireMacro(IsFloatingPoint(options.precision),
                    "Precision " << ToString(options.precision) << " should be a floating-point type");
  itkNNRequireMacro(!graph.GetOutputs().empty(), "The graph has no outputs");
  std::shared_ptr<ExecutionPlan> plan(new ExecutionPlan);
  PlanData & data = *plan->m_Data;
  data.verbose = IsVerbose();
  std::vector<std::string> notes;
  data.backends = Backend::Select(options.backend, options.device, options.precision, &notes);
  if (data.verbose)
  {
    for (const auto & note : notes)
    {
      std::clog << "universeg,plan," << note << '\n';
    }
  }
  data.resources = resources ? std::move(resources) : std::make_shared<PlanResources>();
  data.device = data.backends.front()->GetDeviceMemory(options.device);
  data.keepOutputsOnDevice = data.device && options.keepOutputsOnDevice;
  data.threads = options.threads == 0 ? GetDefaultNumberOfThreads() : options.threads;
  data.graph = RemoveDeadNodes(graph);
  if (weights.GetSource())
  {
    weights.GetSource()->Check();
  }
  if (options.optimize)
  {
    BuildOptimizedPlan(data, weights, options);
  }
  else
  {
    BuildPlan(data, weights, options);
  }
  if (weights.GetSource())
  {
    weights.GetSource()->Check();
    weights.GetSource()->Unload();
  }
  return plan;
}

void
TraceStep(const ExecutionPlan::StepInfo & info, const std::string & times, double milliseconds)
{
  std::ostringstream line;
  line.imbue(std::locale::classic());
  line << "universeg,exec," << info.implementation << ',' << info.operatorName << ',' << info.name << ','
       << ToString(info.outputShape) << times << ',' << info.description << ',' << milliseconds << '\n';
  std::clog << line.str();
}

void *
GetBufferMemory(const PlanData & data,
                std::size_t index,
                const std::vector<const void *> & inputs,
                const std::vector<void *> & outputs,
                void * arena)
{
  const Buffer & buffer = data.buffers[index];
  switch (buffer.place)
  {
    case Buffer::Place::Input:
      return const_cast<void *>(inputs[buffer.index]);
    case Buffer::Place::Constant:
      return data.device ? const_cast<void *>(data.deviceConstants[buffer.index].get())
                         : const_cast<void *>(data.constants[buffer.index].GetRawData());
    case Buffer::Place::Output:
      return outputs[buffer.index];
    case Buffer::Place::Arena:
      break;
  }
  return static_cast<char *>(arena) + buffer.offset;
}

RecordingCache::Advice
RecordingCache::Ask(const Key & key, std::shared_ptr<const void> & recording)
{
  constexpr std::size_t kept = 8;
  const std::lock_guard<std::mutex> lock(m_Mutex);
  if (!m_IsPossible)
  {
    return Advice::Run;
  }
  const auto found =
    std::find_if(m_Entries.begin(), m_Entries.end(), [&](const Entry & entry) { return entry.key == key; });
  if (found == m_Entries.end())
  {
    m_Entries.push_front({ key, nullptr });
    if (m_Entries.size() > kept)
    {
      m_Entries.pop_back();
    }
    return Advice::Run;
  }
  m_Entries.splice(m_Entries.begin(), m_Entries, found);
  recording = found->recording;
  return recording ? Advice::Replay : Advice::Record;
}

void
RecordingCache::Store(const Key & key, const std::shared_ptr<const void> & recording)
{
  const std::lock_guard<std::mutex> lock(m_Mutex);
  m_IsPossible = recording != nullptr;
  for (auto & entry : m_Entries)
  {
    if (entry.key == key)
    {
      entry.recording = recording;
    }
  }
}

bool
ExecuteSteps(const PlanData & data,
             const std::vector<const void *> & inputs,
             const std::vector<void *> & outputs,
             void * arena,
             const std::function<bool(double)> & progress,
             std::vector<double> * milliseconds,
             DeviceStream * stream)
{
  const auto memoryOf = [&](std::size_t index) { return GetBufferMemory(data, index, inputs, outputs, arena); };
  const auto report = [&](double done)
  { return !progress || progress(data.work > 0 ? std::min(done / data.work, 1.0) : 1.0); };

  double done = 0;
  KernelArguments arguments;
  arguments.stream = stream;
  for (std::size_t s = 0; s < data.steps.size(); ++s)
  {
    const Step & step = data.steps[s];
    if (!step.isEmpty)
    {
      arguments.inputs.clear();
      for (const auto input : step.inputs)
      {
        arguments.inputs.push_back(memoryOf(input));
      }
      arguments.output = memoryOf(step.outputs.front());
      arguments.moreOutputs.clear();
      for (std::size_t i = 1; i < step.outputs.size(); ++i)
      {
        arguments.moreOutputs.push_back(memoryOf(step.outputs[i]));
      }
      arguments.scratch = step.scratch == Step::none ? nullptr : memoryOf(step.scratch);
      bool goesOn = true;
      const std::function<bool(double)> within = [&](double part)
      {
        goesOn = report(done + part * step.work);
        return goesOn;
      };
      arguments.progress = &within;
      const auto start = std::chrono::steady_clock::now();
      step.kernel->Execute(arguments);
      if (stream != nullptr && (data.verbose || milliseconds != nullptr))
      {
        stream->Wait();
      }
      if (!goesOn)
      {
        return false;
      }
      const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - start;
      if (milliseconds != nullptr)
      {
        (*milliseconds)[s] += elapsed.count();
      }
      else if (data.verbose)
      {
        TraceStep(step.info, "", elapsed.count());
      }
    }
    done += step.work;
    if (!report(done))
    {
      return false;
    }
  }
  for (std::size_t i = 0; stream == nullptr && i < data.outputs.size(); ++i)
  {
    const OutputInfo & output = data.outputs[i];
    const void * memory = memoryOf(output.buffer);
    if (memory != outputs[i])
    {
      std::memcpy(outputs[i], memory, CountBytes(output.type, output.layout));
    }
  }
  return true;
}

namespace
{
ArenaPool::Arena
AcquireArena(const PlanData & data)
{
  try
  {
    return data.resources->arenas.Acquire(data.arenaBytes, data.device.get());
  }
  catch (const OutOfDeviceMemory & error)
  {
    throw OutOfDeviceMemory(__FILE__,
                            __LINE__,
                            "The plan needs " + std::to_string(data.arenaBytes) + " bytes for its values; " +
                              error.GetDescription());
  }
}

/** Addresses for which libraries of a device have all their kernels. */
bool
IsAligned(const void * address)
{
  return reinterpret_cast<std::uintptr_t>(address) % AlignedBytes(1) == 0;
}

/** Bring inputs to where the steps read them. Resident ones that are not on the device, or
 * begin at an odd address, are put there: their addresses change.
 * \param uploaded gets the memory of those, for as long as the run lasts. */
void
PassInputs(const PlanData & data,
           const std::vector<Tensor> & tensors,
           std::vector<std::shared_ptr<void>> & uploaded,
           std::vector<const void *> & inputs,
           const std::vector<void *> & outputs,
           void * arena,
           DeviceStream & stream)
{
  for (std::size_t i = 0; i < data.inputs.size(); ++i)
  {
    const InputInfo & info = data.inputs[i];
    const std::size_t bytes = CountBytes(info.type, info.layout);
    const bool isResident = data.buffers[info.buffer].place == Buffer::Place::Input;
    if (tensors[i].IsOnDevice() && isResident && IsAligned(inputs[i]))
    {
      continue;
    }
    void * to = nullptr;
    const void * from = inputs[i];
    if (isResident)
    {
      uploaded.push_back(data.device->Allocate(bytes));
      to = uploaded.back().get();
      inputs[i] = to;
    }
    else
    {
      to = GetBufferMemory(data, info.buffer, inputs, outputs, arena);
    }
    if (tensors[i].IsOnDevice())
    {
      stream.CopyOnDevice(to, from, bytes);
    }
    else
    {
      stream.CopyFromHost(to, from, bytes);
    }
  }
}

void
PassOutputs(const PlanData & data,
            const std::vector<const void *> & inputs,
            const std::vector<void *> & outputs,
            void * arena,
            DeviceStream & stream)
{
  for (std::size_t i = 0; i < data.outputs.size(); ++i)
  {
    const OutputInfo & output = data.outputs[i];
    const std::size_t bytes = CountBytes(output.type, output.layout);
    const void * memory = GetBufferMemory(data, output.buffer, inputs, outputs, arena);
    if (data.keepOutputsOnDevice)
    {
      stream.CopyOnDevice(outputs[i], memory, bytes);
    }
    else
    {
      stream.CopyToHost(outputs[i], memory, bytes);
    }
  }
}

/** The steps of one run on a device: recorded the second time that they have the same
 * memory, replayed from then on. */
bool
ExecuteOnDevice(const PlanData & data,
                const std::vector<const void *> & inputs,
                const std::vector<void *> & outputs,
                void * arena,
                const std::function<bool(double)> & progress,
                DeviceStream & stream)
{
  const auto run = [&] { return ExecuteSteps(data, inputs, outputs, arena, progress, nullptr, &stream); };
  if (data.verbose)
  {
    return run();
  }
  RecordingCache::Key key{ arena };
  for (const auto & input : data.inputs)
  {
    key.push_back(GetBufferMemory(data, input.buffer, inputs, outputs, arena));
  }
  std::shared_ptr<const void> recording;
  const RecordingCache::Advice advice = data.recordings->Ask(key, recording);
  if (advice == RecordingCache::Advice::Record && stream.BeginRecording())
  {
    bool isComplete = false;
    try
    {
      isComplete = run();
    }
    catch (...)
    {
      stream.EndRecording();
      throw;
    }
    recording = stream.EndRecording();
    if (!isComplete)
    {
      return false;
    }
    data.recordings->Store(key, recording);
  }
  else if (advice == RecordingCache::Advice::Record)
  {
    data.recordings->Store(key, nullptr);
  }
  if (!recording)
  {
    return run();
  }
  stream.Replay(recording);
  return progress(1.0);
}
} // namespace

TensorMap
ExecutionPlan::Run(const TensorMap & inputs, const RunHooks & hooks) const
{
  const PlanData & data = *m_Data;

  std::vector<Tensor> bound;
  std::vector<const void *> inputMemory;
  bound.reserve(data.inputs.size());
  for (const auto & info : data.inputs)
  {
    const auto found = inputs.find(info.name);
    itkNNRequireMacro(found != inputs.end() && found->second.IsDefined(), "Input '" << info.name << "' is missing");
    const Shape shape = info.layout.GetPhysicalShape(info.type.shape);
    itkNNRequireMacro(found->second.GetShape() == shape,
                      "Input '" << info.name << "' has shape " << ToString(found->second.GetShape())
                                << "; the plan was made for " << ToString(shape));
    const bool isThere = found->second.IsOnDevice() && found->second.GetDevice() == data.device;
    bound.push_back((isThere ? found->second : found->second.ToHost()).To(info.type.type).Contiguous());
    inputMemory.push_back(bound.back().GetRawData());
  }
  for (const auto & input : inputs)
  {
    const bool known = std::any_of(
      data.inputs.begin(), data.inputs.end(), [&](const InputInfo & info) { return info.name == input.first; });
    itkNNRequireMacro(known, "Input '" << input.first << "' is unknown to the network");
  }

  const auto isCancelled = [&] { return hooks.isCancelled && hooks.isCancelled(); };
  if (isCancelled())
  {
    throw Cancelled(__FILE__, __LINE__, "The run was cancelled");
  }
  TensorMap outputs;
  std::vector<void *> outputMemory;
  for (const auto & output : data.outputs)
  {
    const Shape shape = output.layout.GetPhysicalShape(output.type.shape);
    Tensor result =
      data.keepOutputsOnDevice
        ? Tensor::WrapDevice(
            data.device->Allocate(CountBytes(output.type, output.layout)), shape, output.type.type, data.device)
        : Tensor(shape, output.type.type);
    outputMemory.push_back(result.GetRawData());
    outputs.emplace(output.name, std::move(result));
  }
  ArenaPool::Arena arena = AcquireArena(data);
  const auto progress = [&](double part)
  {
    if (hooks.progress)
    {
      hooks.progress(part);
    }
    // What is finished need not be thrown away.
    return part >= 1 || !isCancelled();
  };
  bool finished = false;
  if (!data.device)
  {
    finished = ExecuteSteps(data, inputMemory, outputMemory, arena.memory.get(), progress);
  }
  else
  {
    std::vector<std::shared_ptr<void>> uploaded;
    const auto stream = data.device->MakeStream();
    PassInputs(data, bound, uploaded, inputMemory, outputMemory, arena.memory.get(), *stream);
    finished = ExecuteOnDevice(data, inputMemory, outputMemory, arena.memory.get(), progress, *stream);
    if (finished)
    {
      PassOutputs(data, inputMemory, outputMemory, arena.memory.get(), *stream);
    }
    // Before the memory is used for something else.
    stream->Wait();
  }
  data.resources->arenas.Release(std::move(arena));
  if (!finished)
  {
    throw Cancelled(__FILE__, __LINE__, "The run was cancelled");
  }
  return outputs;
}

std::size_t
ExecutionPlan::GetOutputBytes() const
{
  std::size_t bytes = 0;
  for (const auto & output : m_Data->outputs)
  {
    bytes += CountBytes(output.type, output.layout);
  }
  return bytes;
}

std::map<std::string, Layout>
ExecutionPlan::GetOutputLayouts() const
{
  std::map<std::string, Layout> layouts;
  for (const auto & output : m_Data->outputs)
  {
    layouts.emplace(output.name, output.layout);
  }
  return layouts;
}

std::size_t
ExecutionPlan::GetArenaBytes() const
{
  return m_Data->arenaBytes;
}

double
ExecutionPlan::GetFlops(bool productsOnly) const
{
  return m_Data->graph.CountFlops(productsOnly);
}

const std::vector<ExecutionPlan::StepInfo> &
ExecutionPlan::GetSteps() const
{
  return m_Data->infos;
}

const Graph &
ExecutionPlan::GetGraph() const
{
  return m_Data->graph;
}

unsigned int
ExecutionPlan::GetNumberOfThreads() const
{
  return m_Data->threads;
}

void
ExecutionPlan::ReleaseMemory() const
{
  m_Data->resources->arenas.Clear();
}
} // namespace nn
} // namespace itk
