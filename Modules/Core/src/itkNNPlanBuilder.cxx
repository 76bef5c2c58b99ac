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
#include "itkNNLoopKernel.h"
#include "itkNNLoopSchedule.h"
#include "itkNNPlanData.h"

#include <algorithm>
#include <cstring>
#include <iostream>
#include <limits>
#include <sstream>
#include <utility>

namespace itk
{
namespace nn
{
namespace
{
/** Chooses implementations and lays out memory, one node after the other. */
class PlanBuilder
{
public:
  PlanBuilder(PlanData & data, const StateDict & weights, const PlanOptions & options)
    : m_Data(data)
    , m_Weights(weights)
    , m_Options(options)
    , m_ValueBuffers(data.graph.GetValues().size())
  {}

  void Build()
  {
    this->AddSources();
    // Fewer elements than this would leave threads without work.
    const std::int64_t minimumExtent = 2 * std::int64_t{ m_Data.threads };
    m_Schedule = ScheduleLoops(
      m_Data.graph, m_Options.loops && !m_Data.device ? minimumExtent : std::numeric_limits<std::int64_t>::max());
    m_Positions.assign(m_Data.graph.GetNodes().size(), 0);
    for (std::size_t i = 0; i < m_Schedule.items.size(); ++i)
    {
      const LoopSchedule::Item & item = m_Schedule.items[i];
      for (const auto node : item.node >= 0 ? std::vector<int>{ item.node } : NodesOf(m_Schedule.regions[item.region]))
      {
        m_Positions[static_cast<std::size_t>(node)] = static_cast<int>(i);
      }
    }
    for (const auto & item : m_Schedule.items)
    {
      if (item.node >= 0)
      {
        this->AddNode(m_Data.graph.GetNodes()[static_cast<std::size_t>(item.node)]);
      }
      else
      {
        this->AddLoop(m_Schedule.regions[static_cast<std::size_t>(item.region)]);
      }
    }
    this->AddOutputs();
    this->AssignMemory();
    this->ReleaseUnreadConstants();
    this->CollectInfos();
  }

private:
  /** A value in one layout. */
  struct Placement
  {
    Layout layout;
    std::size_t buffer = 0;
  };

  static std::vector<int> NodesOf(const LoopRegion & region)
  {
    std::vector<int> nodes = region.nodes;
    nodes.insert(nodes.end(), region.reductions.begin(), region.reductions.end());
    return nodes;
  }

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
        const auto given = m_Options.inputLayouts.find(value.name);
        const Layout layout = given == m_Options.inputLayouts.end() ? Layout{} : given->second;
        // A device has its own copy, which may be overwritten.
        const auto & resident = m_Options.residentInputs;
        const bool isCopied =
          m_Data.device && std::find(resident.begin(), resident.end(), value.name) == resident.end();
        const std::size_t buffer = isCopied ? this->AddBuffer(Buffer::Place::Arena, 0, CountBytes(type, layout))
                                            : this->AddBuffer(Buffer::Place::Input, m_Data.inputs.size(), 0);
        m_ValueBuffers[i].push_back({ layout, buffer });
        m_Data.inputs.push_back({ value.name, type, layout, buffer });
      }
      else if (value.kind != Graph::ValueKind::Result)
      {
        m_ValueBuffers[i].push_back({ {}, this->AddBuffer(Buffer::Place::Constant, m_Data.constants.size(), 0) });
        m_ParameterNames.push_back(value.kind == Graph::ValueKind::Parameter ? value.name : "");
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
    return this->Convert(value.name, tensor, type.type);
  }

  /** A parameter in plain memory that the plans share. */
  Tensor Convert(const std::string & name, const Tensor & tensor, DataType type) const
  {
    const Shape & shape = tensor.GetShape();
    const auto memory =
      m_Data.resources->weights.GetOrCreate(name + "|plain|" + ToString(type),
                                            static_cast<std::size_t>(tensor.GetNumberOfElements()) * SizeOf(type),
                                            [&](void * to) { Tensor::Wrap(to, shape, type).CopyFrom(tensor); });
    return Tensor::Wrap(const_cast<void *>(memory.get()), shape, type, {}, memory);
  }

  OperatorCase MakeCase(const Graph::Node & node) const
  {
    OperatorCase operatorCase{ node.op,
                               {},
                               this->TypeOf(node.output),
                               m_Data.threads,
                               &m_Data.resources->weights,
                               m_Data.device.get(),
                               m_Options.allowTensorFloat32,
                               m_Options.deterministic };
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
    ExecutionPlan::StepInfo info;
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
    info.outputBytes = CountBytes(operatorCase.output, chosen.outputLayout);
    if (const auto * concatenation = std::get_if<Concatenation>(&node.op))
    {
      if (this->IsOneBehindTheOther(*concatenation, node, chosen, inputs))
      {
        info.implementation = "core:parts";
        this->JoinParts(node.output, chosen.outputLayout, inputs, info.outputBytes);
        this->Report(info);
        return;
      }
    }
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
    ExecutionPlan::StepInfo info;
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
    info.outputBytes = CountBytes(type, wanted);
    return this->AddStep(std::move(reorder), { from.buffer }, id, type, std::move(info));
  }

  std::size_t AddStep(Proposal proposal,
                      std::vector<std::size_t> inputs,
                      ValueId value,
                      const ValueType & type,
                      ExecutionPlan::StepInfo info)
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
    step.kernel = std::move(proposal.kernel);
    step.inputs = std::move(inputs);
    step.outputs = { output };
    step.info = std::move(info);
    m_ValueBuffers[static_cast<std::size_t>(value)].push_back({ proposal.outputLayout, output });
    this->Report(step.info);
    this->FinishStep(std::move(step));
    return output;
  }

  /** Count a step's work, give it scratch, and keep its buffers until it has run. */
  void FinishStep(Step step)
  {
    const int index = static_cast<int>(m_Data.steps.size());
    step.work = step.info.flops + 4.0 * static_cast<double>(step.info.outputBytes);
    const std::size_t scratchBytes = step.kernel->GetScratchBytes();
    if (scratchBytes > 0)
    {
      step.scratch = this->AddBuffer(Buffer::Place::Arena, 0, scratchBytes);
    }
    for (const auto * list : { &step.inputs, &step.outputs })
    {
      for (const auto buffer : *list)
      {
        m_Data.buffers[buffer].lastStep = std::max(m_Data.buffers[buffer].lastStep, index);
      }
    }
    m_Data.work += step.work;
    m_Data.steps.push_back(std::move(step));
  }

  /** The bodies' values should stay in a core's second cache. */
  static constexpr std::size_t loopCacheBytes = std::size_t{ 1 } << 20;

  void AddLoop(const LoopRegion & region)
  {
    const auto & nodes = m_Data.graph.GetNodes();
    std::size_t largest = 0;
    double flops = 0;
    for (const auto n : NodesOf(region))
    {
      const Graph::Node & node = nodes[static_cast<std::size_t>(n)];
      largest = std::max(largest, CountBytes(this->TypeOf(node.output), {}));
      flops += m_Data.graph.CountFlops(node);
    }
    const std::size_t perElement = largest / static_cast<std::size_t>(m_Schedule.extent);
    const std::int64_t group = ChooseLoopGroup(m_Schedule.extent, m_Data.threads, perElement, loopCacheBytes);
    const std::int64_t groups = m_Schedule.extent / group;
    LoopBody extracted = ExtractLoopBody(m_Data.graph, m_Schedule, region, group);

    Step step;
    PlanOptions options = m_Options;
    options.inputLayouts.clear();
    options.keepOutputLayouts = true;
    options.loops = false;
    std::vector<LoopKernel::Slot> inputs;
    for (std::size_t i = 0; i < extracted.inputs.size(); ++i)
    {
      const LoopBody::Input & input = extracted.inputs[i];
      Placement placement = m_ValueBuffers[static_cast<std::size_t>(input.value)].front();
      if (input.isSliced && !this->IsSliceable(placement.layout))
      {
        placement = { {}, this->PlaceInLayout(input.value, {}) };
      }
      options.inputLayouts["in." + std::to_string(i)] = placement.layout;
      step.inputs.push_back(placement.buffer);
      const std::size_t bytes = CountBytes(this->TypeOf(input.value), placement.layout);
      inputs.push_back({ input.isSliced ? bytes / static_cast<std::size_t>(groups) : bytes, input.isSliced });
    }

    auto body = std::make_unique<PlanData>();
    body->graph = std::move(extracted.graph);
    body->resources = m_Data.resources;
    body->backends = m_Data.backends;
    body->threads = 1;
    body->verbose = m_Data.verbose;
    BuildPlan(*body, m_Weights, options);
    m_Data.readParameters.insert(body->readParameters.begin(), body->readParameters.end());

    std::vector<LoopKernel::Slot> stacked;
    for (std::size_t i = 0; i < region.stacked.size(); ++i)
    {
      const OutputInfo & output = body->outputs[i];
      itkNNRequireMacro(this->IsSliceable(output.layout),
                        "A loop's result '" << m_Data.graph.GetValue(region.stacked[i]).name << "' is "
                                            << output.layout.ToText() << " along the axis of the loop");
      const std::size_t bytes = CountBytes(output.type, output.layout);
      stacked.push_back({ bytes, true });
      this->AddLoopOutput(step, region.stacked[i], output.layout, bytes * static_cast<std::size_t>(groups));
    }
    std::vector<LoopKernel::Sum> sums;
    for (std::size_t i = 0; i < region.reductions.size(); ++i)
    {
      const OutputInfo & output = body->outputs[region.stacked.size() + i];
      const Graph::Node & node = nodes[static_cast<std::size_t>(region.reductions[i])];
      const bool isMean = std::get<Reduction>(node.op).function == ReductionFunction::Mean;
      const std::size_t bytes = CountBytes(output.type, output.layout);
      sums.push_back({ output.type, bytes, isMean ? 1 / static_cast<double>(m_Schedule.extent) : 1 });
      this->AddLoopOutput(step, node.output, output.layout, bytes);
    }

    step.info.name = "loop";
    step.info.operatorName = "Loop";
    step.info.implementation = "core:loop";
    step.info.description = "groups=" + std::to_string(groups) + " of " + std::to_string(group);
    step.info.flops = flops;
    step.kernel = std::make_unique<LoopKernel>(std::move(body),
                                               std::move(inputs),
                                               std::move(stacked),
                                               std::move(sums),
                                               groups,
                                               m_Data.threads,
                                               m_Data.backends.front());
    this->Report(step.info);
    this->FinishStep(std::move(step));
  }

  /** Whether elements of the looped axis are contiguous. */
  bool IsSliceable(const Layout & layout) const
  {
    return layout.IsPlain() || layout.axis > m_Schedule.axis;
  }

  void AddLoopOutput(Step & step, ValueId value, const Layout & layout, std::size_t bytes)
  {
    const std::size_t buffer = this->AddBuffer(Buffer::Place::Arena, 0, bytes);
    m_ValueBuffers[static_cast<std::size_t>(value)].push_back({ layout, buffer });
    step.outputs.push_back(buffer);
    step.info.outputBytes += bytes;
  }

  /** Whether parts can be written where the concatenation has them: each is in
   * memory of its own that nothing needs afterwards, and they follow each other. */
  bool IsOneBehindTheOther(const Concatenation & op,
                           const Graph::Node & node,
                           const Proposal & proposal,
                           const std::vector<std::size_t> & inputs) const
  {
    const Layout & layout = proposal.outputLayout;
    const Shape & whole = m_Data.graph.GetShape(node.output);
    const auto axis = static_cast<std::size_t>(op.axis);
    const bool isBlocked = layout.GetBlock() > 0 && layout.axis == op.axis;
    if ((!layout.IsPlain() && !isBlocked) || NumberOfElements(Shape(whole.begin(), whole.begin() + op.axis)) != 1 ||
        NumberOfElements(whole) == 0)
    {
      return false;
    }
    std::size_t end = 0;
    for (std::size_t i = 0; i < inputs.size(); ++i)
    {
      const ValueType type = this->TypeOf(node.inputs[i]);
      Shape expected = whole;
      expected[axis] = type.shape.size() == whole.size() ? type.shape[axis] : 0;
      const bool isPart = type.shape == expected && proposal.inputLayouts.size() > i &&
                          proposal.inputLayouts[i] == layout && (!isBlocked || expected[axis] % layout.GetBlock() == 0);
      const Buffer & buffer = m_Data.buffers[inputs[i]];
      if (!isPart || AlignedBytes(end) != end || buffer.whole != Buffer::none ||
          !this->MayOverwrite(inputs, i, node.output, CountBytes(type, layout)))
      {
        return false;
      }
      end += buffer.bytes;
    }
    return true;
  }

  void JoinParts(ValueId value, const Layout & layout, const std::vector<std::size_t> & parts, std::size_t bytes)
  {
    const std::size_t whole = this->AddBuffer(Buffer::Place::Arena, 0, bytes);
    std::size_t offset = 0;
    for (const auto part : parts)
    {
      Buffer & buffer = m_Data.buffers[part];
      buffer.whole = whole;
      buffer.wholeOffset = offset;
      buffer.lastStep = std::max(buffer.lastStep, m_Data.buffers[whole].firstStep);
      offset += buffer.bytes;
    }
    m_ValueBuffers[static_cast<std::size_t>(value)].push_back({ layout, whole });
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
    const int consumer = m_Positions[static_cast<std::size_t>(m_Data.graph.GetValue(result).node)];
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
      for (std::size_t n = 0; n < nodes.size(); ++n)
      {
        if (m_Positions[n] > consumer && std::count(nodes[n].inputs.begin(), nodes[n].inputs.end(), id) > 0)
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
      const Layout layout =
        m_Options.keepOutputLayouts ? m_ValueBuffers[static_cast<std::size_t>(output.value)].front().layout : Layout{};
      const std::size_t buffer = this->PlaceInLayout(output.value, layout);
      m_Data.buffers[buffer].lastStep = static_cast<int>(m_Data.steps.size());
      m_Data.outputs.push_back({ output.name, this->TypeOf(output.value), layout, buffer });
      const std::size_t bytes = CountBytes(m_Data.outputs.back().type, layout);
      const bool hasParts = std::any_of(
        m_Data.buffers.begin(), m_Data.buffers.end(), [buffer](const Buffer & part) { return part.whole == buffer; });
      // On a device outputs are copied behind the steps, which then always have the same memory.
      if (!m_Data.device && m_Data.buffers[buffer].place == Buffer::Place::Arena &&
          m_Data.buffers[buffer].bytes == bytes && !hasParts)
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
    std::vector<std::size_t> requestOf(m_Data.buffers.size(), 0);
    std::vector<std::size_t> offsets(m_Data.buffers.size(), 0);
    // A whole comes behind its parts.
    for (std::size_t i = m_Data.buffers.size(); i-- > 0;)
    {
      const Buffer & buffer = m_Data.buffers[i];
      if (buffer.place != Buffer::Place::Arena)
      {
        continue;
      }
      if (buffer.whole == Buffer::none)
      {
        requestOf[i] = requests.size();
        requests.push_back({ buffer.bytes, buffer.firstStep, buffer.lastStep });
        continue;
      }
      requestOf[i] = requestOf[buffer.whole];
      offsets[i] = offsets[buffer.whole] + buffer.wholeOffset;
      requests[requestOf[i]].parts.push_back({ offsets[i], buffer.bytes, buffer.firstStep, buffer.lastStep });
    }
    const ArenaAssignment assignment = AssignArena(requests);
    for (std::size_t i = 0; i < m_Data.buffers.size(); ++i)
    {
      if (m_Data.buffers[i].place == Buffer::Place::Arena)
      {
        m_Data.buffers[i].offset = assignment.offsets[requestOf[i]] + offsets[i];
      }
    }
    m_Data.arenaBytes = assignment.bytes;
  }

  /** What is packed is not needed in its plain form. */
  void ReleaseUnreadConstants()
  {
    std::vector<bool> isRead(m_Data.constants.size(), false);
    const auto read = [&](std::size_t index)
    {
      const Buffer & buffer = m_Data.buffers[index];
      if (buffer.place == Buffer::Place::Constant)
      {
        isRead[buffer.index] = true;
      }
    };
    for (const auto & step : m_Data.steps)
    {
      for (std::size_t i = 0; i < step.inputs.size(); ++i)
      {
        if (step.kernel->ReadsInput(i))
        {
          read(step.inputs[i]);
        }
      }
    }
    for (const auto & output : m_Data.outputs)
    {
      read(output.buffer);
    }
    m_Data.deviceConstants.resize(m_Data.device ? isRead.size() : 0);
    for (std::size_t i = 0; i < isRead.size(); ++i)
    {
      const Tensor constant = std::exchange(m_Data.constants[i], Tensor());
      if (isRead[i])
      {
        this->KeepConstant(i, constant);
      }
    }
  }

  /** In memory that kernels can read later. */
  void KeepConstant(std::size_t index, const Tensor & constant)
  {
    const std::string & name = m_ParameterNames[index];
    const std::size_t bytes = constant.GetNumberOfBytes();
    if (!name.empty())
    {
      m_Data.readParameters.insert(name);
    }
    if (!m_Data.device)
    {
      const bool isInFile = m_Weights.GetSource() && m_Weights.GetSource()->Has(constant);
      m_Data.constants[index] = isInFile ? this->Convert(name, constant, constant.GetDataType()) : constant;
      return;
    }
    m_Data.deviceConstants[index] = name.empty() ? m_Data.device->Upload(constant.GetRawData(), bytes)
                                                 : m_Data.resources->weights.GetOrCreate(
                                                     name + "|device|" + ToString(constant.GetDataType()),
                                                     bytes,
                                                     [&](void * to) { std::memcpy(to, constant.GetRawData(), bytes); },
                                                     m_Data.device.get());
  }

  /** The steps for people: loops by what is in them. */
  void CollectInfos()
  {
    for (const auto & step : m_Data.steps)
    {
      const auto * loop = dynamic_cast<const LoopKernel *>(step.kernel.get());
      if (loop == nullptr)
      {
        m_Data.infos.push_back(step.info);
        continue;
      }
      for (const auto & inner : loop->GetBody().steps)
      {
        m_Data.infos.push_back(inner.info);
        m_Data.infos.back().repetitions = loop->GetNumberOfGroups();
        m_Data.infos.back().flops *= static_cast<double>(loop->GetNumberOfGroups());
      }
    }
  }

  void Report(const ExecutionPlan::StepInfo & info) const
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

  PlanData & m_Data;
  const StateDict & m_Weights;
  const PlanOptions & m_Options;
  std::vector<std::vector<Placement>> m_ValueBuffers;
  LoopSchedule m_Schedule;
  std::vector<int> m_Positions;              ///< of each node in the schedule
  std::vector<std::string> m_ParameterNames; ///< of each constant of the plan; empty for the graph's own
};
} // namespace

void
BuildPlan(PlanData & data, const StateDict & weights, const PlanOptions & options)
{
  PlanBuilder(data, weights, options).Build();
}
} // namespace nn
} // namespace itk
