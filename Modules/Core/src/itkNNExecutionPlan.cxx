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

#include "itkNNArenaPlanner.h"
#include "itkNNParallel.h"
#include "itkNNPasses.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <limits>
#include <locale>
#include <sstream>

namespace itk
{
namespace nn
{
namespace
{
/** Where a value's elements are while a plan runs. */
struct Buffer
{
  enum class Place : std::uint8_t
  {
    Arena,
    Input,    ///< index: of the graph's inputs
    Constant, ///< index: of the plan's constants
    Output    ///< index: of the graph's outputs
  };

  Place place = Place::Arena;
  std::size_t index = 0;
  std::size_t bytes = 0;
  int firstStep = 0;
  int lastStep = 0;
  std::size_t offset = 0;
};

struct Step
{
  std::unique_ptr<Kernel> kernel;
  std::vector<std::size_t> inputs; ///< buffers
  std::size_t output = 0;
  std::size_t scratch = none;
  bool isEmpty = false; ///< nothing to compute
  double work = 0;

  static constexpr std::size_t none = std::numeric_limits<std::size_t>::max();
};

struct InputInfo
{
  std::string name;
  ValueType type;
};

struct OutputInfo
{
  std::string name;
  ValueType type;
  std::size_t buffer = 0; ///< copied at the end unless it is in the output itself
};

bool
IsVerbose()
{
  const char * value = std::getenv("UNIVERSEG_VERBOSE");
  return value != nullptr && *value != '\0' && std::string(value) != "0";
}
} // namespace

ArenaPool::Arena
ArenaPool::Acquire(std::size_t bytes)
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
    arena = { AllocateAligned(bytes), bytes };
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

struct ExecutionPlan::Data
{
  Graph graph;
  std::vector<StepInfo> infos;
  std::vector<Step> steps;
  std::vector<Buffer> buffers;
  std::vector<Tensor> constants;
  std::vector<std::shared_ptr<const void>> converted;
  std::vector<InputInfo> inputs;
  std::vector<OutputInfo> outputs;
  std::shared_ptr<PlanResources> resources;
  std::vector<Backend::Pointer> backends;
  std::size_t arenaBytes = 0;
  double work = 0;
  unsigned int threads = 1;
  bool verbose = false;
};

/** Chooses implementations and lays out memory, one node after the other. */
class ExecutionPlan::Builder
{
public:
  Builder(Data & data, const StateDict & weights, const PlanOptions & options)
    : m_Data(data)
    , m_Weights(weights)
    , m_Options(options)
    , m_ValueBuffers(data.graph.GetValues().size())
  {}

  void Build()
  {
    this->AddSources();
    for (const auto & node : m_Data.graph.GetNodes())
    {
      this->AddNode(node);
    }
    this->AddOutputs();
    this->AssignMemory();
  }

private:
  /** A value in one layout. */
  struct Placement
  {
    Layout layout;
    std::size_t buffer = 0;
  };

  ValueType InPrecision(ValueType type) const
  {
    type.type = IsFloatingPoint(type.type) ? m_Options.precision : type.type;
    return type;
  }

  ValueType TypeOf(ValueId id) const
  {
    return this->InPrecision(m_Data.graph.GetValue(id).type);
  }

  std::size_t AddBuffer(Buffer::Place place, std::size_t index, std::size_t bytes)
  {
    Buffer buffer;
    buffer.place = place;
    buffer.index = index;
    buffer.bytes = bytes;
    buffer.firstStep = static_cast<int>(m_Data.steps.size());
    buffer.lastStep = buffer.firstStep;
    m_Data.buffers.push_back(buffer);
    return m_Data.buffers.size() - 1;
  }

  void AddSources()
  {
    const auto & values = m_Data.graph.GetValues();
    for (std::size_t i = 0; i < values.size(); ++i)
    {
      const Graph::Value & value = values[i];
      const ValueType type = this->InPrecision(value.type);
      if (value.kind == Graph::ValueKind::Input)
      {
        m_ValueBuffers[i].push_back({ {}, this->AddBuffer(Buffer::Place::Input, m_Data.inputs.size(), 0) });
        m_Data.inputs.push_back({ value.name, type });
      }
      else if (value.kind != Graph::ValueKind::Result)
      {
        m_ValueBuffers[i].push_back({ {}, this->AddBuffer(Buffer::Place::Constant, m_Data.constants.size(), 0) });
        m_Data.constants.push_back(value.kind == Graph::ValueKind::Parameter
                                     ? this->BindParameter(value, type)
                                     : value.constant.To(type.type).Contiguous());
      }
    }
  }

  Tensor BindParameter(const Graph::Value & value, const ValueType & type)
  {
    const Tensor & tensor = m_Weights.Get(value.name);
    itkNNRequireMacro(tensor.GetShape() == type.shape,
                      "Parameter '" << value.name << "' has shape " << ToString(tensor.GetShape())
                                    << "; the network needs " << ToString(type.shape));
    if (tensor.GetDataType() == type.type && tensor.IsContiguous())
    {
      return tensor;
    }
    const std::size_t bytes = tensor.GetNumberOfElements() * SizeOf(type.type);
    const auto memory = m_Data.resources->weights.GetOrCreate(
      value.name + "|plain|" + ToString(type.type),
      bytes,
      [&](void * to) { Tensor::Wrap(to, type.shape, type.type).CopyFrom(tensor); });
    m_Data.converted.push_back(memory);
    return Tensor::Wrap(const_cast<void *>(memory.get()), type.shape, type.type, {}, memory);
  }

  OperatorCase MakeCase(const Graph::Node & node) const
  {
    OperatorCase operatorCase{ node.op, {}, this->TypeOf(node.output), m_Data.threads, &m_Data.resources->weights };
    for (const auto input : node.inputs)
    {
      const Graph::Value & value = m_Data.graph.GetValue(input);
      Operand operand;
      operand.type = this->TypeOf(input);
      operand.layout = m_ValueBuffers[static_cast<std::size_t>(input)].front().layout;
      if (value.kind == Graph::ValueKind::Parameter || value.kind == Graph::ValueKind::Constant)
      {
        const std::size_t buffer = m_ValueBuffers[static_cast<std::size_t>(input)].front().buffer;
        operand.constant = m_Data.constants[m_Data.buffers[buffer].index];
        operand.name = value.kind == Graph::ValueKind::Parameter ? value.name : "";
      }
      operatorCase.inputs.push_back(std::move(operand));
    }
    return operatorCase;
  }

  void AddNode(const Graph::Node & node)
  {
    const OperatorCase operatorCase = this->MakeCase(node);
    StepInfo info;
    info.name = node.name;
    info.operatorName = nn::GetName(node.op);
    info.description = Describe(node.op);
    info.outputShape = operatorCase.output.shape;
    info.flops = nn::CountFlops(node.op, m_Data.graph.GetInputTypes(node), operatorCase.output);

    Proposal chosen = Proposal::Unsupported("no implementation");
    for (const auto & backend : m_Data.backends)
    {
      for (const Implementation * implementation : backend->GetImplementations(node.op))
      {
        chosen = implementation->Propose(operatorCase);
        if (chosen.IsSupported())
        {
          info.implementation = implementation->GetName() + (chosen.detail.empty() ? "" : ":" + chosen.detail);
          break;
        }
        info.skipped.push_back(implementation->GetName() + ": " + chosen.reason);
      }
      if (chosen.IsSupported())
      {
        break;
      }
    }
    if (!chosen.IsSupported())
    {
      std::ostringstream reasons;
      for (const auto & reason : info.skipped)
      {
        reasons << "; " << reason;
      }
      itkNNThrowMacro("No implementation supports " << info.operatorName << " '" << node.name << "' ("
                                                    << info.description << ')' << reasons.str());
    }

    std::vector<std::size_t> inputs;
    for (std::size_t i = 0; i < node.inputs.size(); ++i)
    {
      const bool reorderable = !operatorCase.inputs[i].IsConstant() && i < chosen.inputLayouts.size();
      const Layout wanted = reorderable ? chosen.inputLayouts[i] : Layout{};
      inputs.push_back(this->PlaceInLayout(node.inputs[i], wanted));
    }
    info.outputLayout = chosen.outputLayout;
    info.outputBytes =
      chosen.outputLayout.GetPhysicalElements(operatorCase.output.shape) * SizeOf(operatorCase.output.type);
    this->AddStep(std::move(chosen), std::move(inputs), node.output, operatorCase.output, std::move(info));
  }

  /** Buffer of a value in a layout; adds a reorder when it has none yet. */
  std::size_t PlaceInLayout(ValueId id, const Layout & wanted)
  {
    auto & placements = m_ValueBuffers[static_cast<std::size_t>(id)];
    for (const auto & placement : placements)
    {
      if (placement.layout == wanted)
      {
        return placement.buffer;
      }
    }
    const ValueType type = this->TypeOf(id);
    const Placement from = placements.front();
    Proposal reorder;
    StepInfo info;
    for (const auto & backend : m_Data.backends)
    {
      reorder.kernel = backend->MakeReorder(type, from.layout, wanted, m_Data.threads);
      if (reorder.kernel)
      {
        info.implementation = backend->GetBackendName() + ":reorder";
        break;
      }
    }
    itkNNRequireMacro(reorder.kernel != nullptr,
                      "No backend reorders " << from.layout.ToText() << " to " << wanted.ToText());
    reorder.outputLayout = wanted;
    info.name = m_Data.graph.GetValue(id).name;
    info.operatorName = "Reorder";
    info.description = from.layout.ToText() + " to " + wanted.ToText();
    info.outputShape = type.shape;
    info.outputLayout = wanted;
    info.outputBytes = wanted.GetPhysicalElements(type.shape) * SizeOf(type.type);
    return this->AddStep(std::move(reorder), { from.buffer }, id, type, std::move(info));
  }

  std::size_t AddStep(
    Proposal proposal, std::vector<std::size_t> inputs, ValueId value, const ValueType & type, StepInfo info)
  {
    const int index = static_cast<int>(m_Data.steps.size());
    std::size_t output = 0;
    if (proposal.aliasOfInput >= 0)
    {
      output = inputs[static_cast<std::size_t>(proposal.aliasOfInput)];
      m_ValueBuffers[static_cast<std::size_t>(value)].push_back({ proposal.outputLayout, output });
      // The alias lives as long as its users: AddNode touches the buffer for each.
      m_Data.buffers[output].lastStep = std::max(m_Data.buffers[output].lastStep, index);
      this->Report(info);
      return output;
    }
    const int inPlace = proposal.inPlaceInput;
    if (inPlace >= 0 && this->MayOverwrite(inputs, static_cast<std::size_t>(inPlace), value, info.outputBytes))
    {
      output = inputs[static_cast<std::size_t>(inPlace)];
    }
    else
    {
      output = this->AddBuffer(Buffer::Place::Arena, 0, info.outputBytes);
    }
    Step step;
    step.isEmpty = NumberOfElements(type.shape) == 0;
    step.work = info.flops + 4.0 * static_cast<double>(info.outputBytes);
    const std::size_t scratchBytes = proposal.kernel->GetScratchBytes();
    if (scratchBytes > 0)
    {
      step.scratch = this->AddBuffer(Buffer::Place::Arena, 0, scratchBytes);
    }
    for (const auto input : inputs)
    {
      m_Data.buffers[input].lastStep = std::max(m_Data.buffers[input].lastStep, index);
    }
    m_Data.buffers[output].lastStep = std::max(m_Data.buffers[output].lastStep, index);
    step.kernel = std::move(proposal.kernel);
    step.inputs = std::move(inputs);
    step.output = output;
    m_Data.work += step.work;
    m_Data.steps.push_back(std::move(step));
    m_ValueBuffers[static_cast<std::size_t>(value)].push_back({ proposal.outputLayout, output });
    this->Report(info);
    m_Data.infos.push_back(std::move(info));
    return output;
  }

  /** An input in the arena that nothing reads later may hold the result. */
  bool MayOverwrite(const std::vector<std::size_t> & inputs, std::size_t which, ValueId result, std::size_t bytes) const
  {
    const std::size_t buffer = inputs[which];
    if (m_Data.buffers[buffer].place != Buffer::Place::Arena || m_Data.buffers[buffer].bytes != bytes ||
        std::count(inputs.begin(), inputs.end(), buffer) != 1)
    {
      return false;
    }
    const int consumer = m_Data.graph.GetValue(result).node;
    for (std::size_t v = 0; v < m_ValueBuffers.size(); ++v)
    {
      const bool holds = std::any_of(m_ValueBuffers[v].begin(),
                                     m_ValueBuffers[v].end(),
                                     [buffer](const Placement & p) { return p.buffer == buffer; });
      if (!holds)
      {
        continue;
      }
      const auto id = static_cast<ValueId>(v);
      const auto & nodes = m_Data.graph.GetNodes();
      for (std::size_t n = static_cast<std::size_t>(consumer) + 1; n < nodes.size(); ++n)
      {
        if (std::count(nodes[n].inputs.begin(), nodes[n].inputs.end(), id) > 0)
        {
          return false;
        }
      }
      for (const auto & output : m_Data.graph.GetOutputs())
      {
        if (output.value == id)
        {
          return false;
        }
      }
    }
    return true;
  }

  void AddOutputs()
  {
    for (const auto & output : m_Data.graph.GetOutputs())
    {
      const std::size_t buffer = this->PlaceInLayout(output.value, Layout{});
      m_Data.buffers[buffer].lastStep = static_cast<int>(m_Data.steps.size());
      m_Data.outputs.push_back({ output.name, this->TypeOf(output.value), buffer });
      const std::size_t bytes = static_cast<std::size_t>(NumberOfElements(m_Data.outputs.back().type.shape)) *
                                SizeOf(m_Data.outputs.back().type.type);
      if (m_Data.buffers[buffer].place == Buffer::Place::Arena && m_Data.buffers[buffer].bytes == bytes)
      {
        m_Data.buffers[buffer].place = Buffer::Place::Output;
        m_Data.buffers[buffer].index = m_Data.outputs.size() - 1;
      }
    }
    for (auto & output : m_Data.outputs)
    {
      m_Data.buffers[output.buffer].lastStep = static_cast<int>(m_Data.steps.size());
    }
  }

  void AssignMemory()
  {
    std::vector<MemoryRequest> requests;
    std::vector<std::size_t> owners;
    for (std::size_t i = 0; i < m_Data.buffers.size(); ++i)
    {
      const Buffer & buffer = m_Data.buffers[i];
      if (buffer.place == Buffer::Place::Arena)
      {
        requests.push_back({ buffer.bytes, buffer.firstStep, buffer.lastStep });
        owners.push_back(i);
      }
    }
    const ArenaAssignment assignment = AssignArena(requests);
    for (std::size_t i = 0; i < owners.size(); ++i)
    {
      m_Data.buffers[owners[i]].offset = assignment.offsets[i];
    }
    m_Data.arenaBytes = assignment.bytes;
  }

  void Report(const StepInfo & info) const
  {
    if (!m_Data.verbose)
    {
      return;
    }
    for (const auto & reason : info.skipped)
    {
      std::clog << "universeg,plan,skipped," << info.operatorName << ',' << info.name << ',' << reason << '\n';
    }
    std::clog << "universeg,plan," << (info.implementation) << ',' << info.operatorName << ',' << info.name << ','
              << ToString(info.outputShape) << ',' << info.outputLayout.ToText() << ',' << info.description << '\n';
  }

  Data & m_Data;
  const StateDict & m_Weights;
  const PlanOptions & m_Options;
  std::vector<std::vector<Placement>> m_ValueBuffers;
};

ExecutionPlan::ExecutionPlan()
  : m_Data(std::make_unique<Data>())
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
  Data & data = *plan->m_Data;
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
  data.threads = options.threads == 0 ? GetDefaultNumberOfThreads() : options.threads;
  data.graph = RemoveDeadNodes(graph);
  if (!options.optimize)
  {
    Builder(data, weights, options).Build();
    return plan;
  }
  FoldedGraph folded = FoldConstants(SimplifyGraph(data.graph), weights, options.precision, data.resources->folded);
  data.graph = FusePostOperations(folded.graph);
  Builder(data, folded.weights, options).Build();
  return plan;
}

TensorMap
ExecutionPlan::Run(const TensorMap & inputs, const RunHooks & hooks) const
{
  const Data & data = *m_Data;

  std::vector<Tensor> bound;
  bound.reserve(data.inputs.size());
  for (const auto & info : data.inputs)
  {
    const auto found = inputs.find(info.name);
    itkNNRequireMacro(found != inputs.end() && found->second.IsDefined(), "Input '" << info.name << "' is missing");
    itkNNRequireMacro(found->second.GetShape() == info.type.shape,
                      "Input '" << info.name << "' has shape " << ToString(found->second.GetShape())
                                << "; the plan was made for " << ToString(info.type.shape));
    bound.push_back(found->second.To(info.type.type).Contiguous());
  }
  for (const auto & input : inputs)
  {
    const bool known = std::any_of(
      data.inputs.begin(), data.inputs.end(), [&](const InputInfo & info) { return info.name == input.first; });
    itkNNRequireMacro(known, "Input '" << input.first << "' is unknown to the network");
  }

  ArenaPool::Arena arena = data.resources->arenas.Acquire(data.arenaBytes);

  std::vector<Tensor> results;
  results.reserve(data.outputs.size());
  for (const auto & output : data.outputs)
  {
    results.emplace_back(output.type.shape, output.type.type);
  }

  const auto memoryOf = [&](std::size_t index) -> void *
  {
    const Buffer & buffer = data.buffers[index];
    switch (buffer.place)
    {
      case Buffer::Place::Input:
        return bound[buffer.index].GetRawData();
      case Buffer::Place::Constant:
        return const_cast<void *>(data.constants[buffer.index].GetRawData());
      case Buffer::Place::Output:
        return results[buffer.index].GetRawData();
      case Buffer::Place::Arena:
        break;
    }
    return static_cast<char *>(arena.memory.get()) + buffer.offset;
  };

  double done = 0;
  KernelArguments arguments;
  for (std::size_t s = 0; s < data.steps.size(); ++s)
  {
    if (hooks.isCancelled && hooks.isCancelled())
    {
      throw Cancelled(__FILE__, __LINE__, "The run was cancelled");
    }
    const Step & step = data.steps[s];
    if (!step.isEmpty)
    {
      arguments.inputs.clear();
      for (const auto input : step.inputs)
      {
        arguments.inputs.push_back(memoryOf(input));
      }
      arguments.output = memoryOf(step.output);
      arguments.scratch = step.scratch == Step::none ? nullptr : memoryOf(step.scratch);
      const auto start = std::chrono::steady_clock::now();
      step.kernel->Execute(arguments);
      if (data.verbose)
      {
        const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - start;
        const StepInfo & info = data.infos[s];
        std::ostringstream line;
        line.imbue(std::locale::classic());
        line << "universeg,exec," << info.implementation << ',' << info.operatorName << ',' << info.name << ','
             << ToString(info.outputShape) << ',' << info.description << ',' << elapsed.count() << '\n';
        std::clog << line.str();
      }
    }
    done += step.work;
    if (hooks.progress)
    {
      hooks.progress(data.work > 0 ? std::min(done / data.work, 1.0) : 1.0);
    }
  }

  TensorMap outputs;
  for (std::size_t i = 0; i < data.outputs.size(); ++i)
  {
    const Buffer & buffer = data.buffers[data.outputs[i].buffer];
    if (buffer.place != Buffer::Place::Output || buffer.index != i)
    {
      std::memcpy(results[i].GetRawData(), memoryOf(data.outputs[i].buffer), results[i].GetNumberOfBytes());
    }
    outputs.emplace(data.outputs[i].name, results[i]);
  }
  data.resources->arenas.Release(std::move(arena));
  return outputs;
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
