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
#include "itkNNNetworkRunner.h"

#include "itkNNPasses.h"
#include "itkNNSinglePrecision.h"

#include <algorithm>

namespace itk
{
namespace nn
{
StaticState::StaticState(TensorMap values, std::string key)
  : m_Values(std::move(values))
  , m_Key(std::move(key))
  , m_Bytes(0)
{
  for (const auto & value : m_Values)
  {
    m_Bytes += value.second.GetNumberOfBytes();
  }
}

NetworkRunner::NetworkRunner(Network::ConstPointer network,
                             std::shared_ptr<const StateDict> weights,
                             PlanOptions options)
  : m_Network(std::move(network))
  , m_Weights(std::move(weights))
  , m_Options(std::move(options))
  , m_Resources(std::make_shared<PlanResources>())
{
  itkNNRequireMacro(m_Network && m_Weights, "A network runner needs a network and weights");
  m_Network->CheckWeights(*m_Weights);
  m_Options.staticInputs = m_Network->GetStaticInputNames();
}

NetworkRunner::~NetworkRunner() = default;

namespace
{
/** The graph with these outputs only; with all of them when there are no names. */
Graph
KeepOutputs(Graph graph, const std::vector<std::string> & names)
{
  const auto outputs = graph.GetOutputs();
  for (const std::string & name : names)
  {
    itkNNRequireMacro(graph.HasOutput(name), "The network has no output '" << name << "'");
  }
  for (const Graph::Output & output : outputs)
  {
    if (!names.empty() && std::find(names.begin(), names.end(), output.name) == names.end())
    {
      graph.RemoveOutput(output.name);
    }
  }
  return graph;
}

/** The largest extent of the inputs' first axes. */
std::int64_t
GetBatch(const TensorMap & inputs)
{
  std::int64_t batch = 1;
  for (const auto & input : inputs)
  {
    batch = input.second.GetRank() > 0 ? std::max(batch, input.second.GetShape()[0]) : batch;
  }
  return batch;
}

/** run(inputs, hooks); where a device has no room for the batch, for its halves. Inputs of
 * another first extent are those of all. */
template <typename TRun>
TensorMap
RunInParts(const TensorMap & inputs, const RunHooks & hooks, const TRun & run)
{
  try
  {
    return run(inputs, hooks);
  }
  catch (const OutOfDeviceMemory &)
  {
    const bool isOnDevice =
      std::any_of(inputs.begin(), inputs.end(), [](const auto & input) { return input.second.IsOnDevice(); });
    if (GetBatch(inputs) < 2 || isOnDevice)
    {
      throw;
    }
  }
  const std::int64_t batch = GetBatch(inputs);
  const std::int64_t ends[] = { 0, batch / 2, batch };
  TensorMap results;
  for (int half = 0; half < 2; ++half)
  {
    TensorMap part;
    for (const auto & [name, tensor] : inputs)
    {
      const bool isSplit = tensor.GetRank() > 0 && tensor.GetShape()[0] == batch;
      part[name] = isSplit ? tensor.Slice(0, ends[half], ends[half + 1]) : tensor;
    }
    RunHooks own = hooks;
    if (hooks.progress)
    {
      own.progress = [&hooks, half](double done) { hooks.progress((half + done) / 2); };
    }
    for (const auto & [name, tensor] : RunInParts(part, own, run))
    {
      Shape shape = tensor.GetShape();
      shape[0] = batch;
      const auto whole = results.emplace(name, Tensor()).first;
      whole->second = whole->second.IsDefined() ? whole->second : Tensor(shape, tensor.GetDataType());
      whole->second.Slice(0, ends[half], ends[half + 1]).CopyFrom(tensor);
    }
  }
  return results;
}
} // namespace

TensorMap
NetworkRunner::Run(const TensorMap & inputs, const RunHooks & hooks)
{
  return RunInParts(inputs,
                    hooks,
                    [this](const TensorMap & part, const RunHooks & own)
                    {
                      ShapeMap shapes;
                      for (const auto & input : part)
                      {
                        itkNNRequireMacro(input.second.IsDefined(), "Input '" << input.first << "' is undefined");
                        shapes.emplace(input.first, input.second.GetShape());
                      }
                      return InSinglePrecision(this->GetPlan(shapes)->Run(part, own));
                    });
}

std::shared_ptr<const StaticState>
NetworkRunner::ComputeStatic(const TensorMap & inputs, const ShapeMap & shapes, const RunHooks & hooks)
{
  const SplitPlans plans = this->GetSplitPlans(shapes);
  return std::make_shared<const StaticState>(plans.prologue->Run(inputs, hooks), plans.key);
}

TensorMap
NetworkRunner::Run(const TensorMap & inputs, const ShapeMap & shapes, const StaticState & state, const RunHooks & hooks)
{
  return RunInParts(inputs,
                    hooks,
                    [&](const TensorMap & part, const RunHooks & own)
                    {
                      ShapeMap ofPart = shapes;
                      for (const auto & input : part)
                      {
                        ofPart[input.first] = input.second.GetShape();
                      }
                      const SplitPlans plans = this->GetSplitPlans(ofPart);
                      itkNNRequireMacro(state.GetKey() == plans.key,
                                        "The static state was computed for inputs of other shapes");
                      TensorMap all = state.GetValues();
                      all.insert(part.begin(), part.end());
                      return InSinglePrecision(plans.remainder->Run(all, own));
                    });
}

NetworkRunner::Entry &
NetworkRunner::FindEntry(const ShapeMap & inputs)
{
  constexpr std::size_t kept = 4;
  const auto found =
    std::find_if(m_Plans.begin(), m_Plans.end(), [&](const Entry & entry) { return entry.inputs == inputs; });
  if (found != m_Plans.end())
  {
    m_Plans.splice(m_Plans.begin(), m_Plans, found);
  }
  else
  {
    m_Plans.push_front(this->MakeEntry(inputs));
    if (m_Plans.size() > kept)
    {
      m_Plans.pop_back();
    }
  }
  return m_Plans.front();
}

NetworkRunner::Entry
NetworkRunner::MakeEntry(const ShapeMap & inputs) const
{
  Entry entry;
  entry.inputs = inputs;
  const Graph graph = KeepOutputs(m_Network->BuildGraph(inputs), m_Options.outputs);
  if (!m_Options.optimize)
  {
    entry.splitting = graph;
    entry.whole = graph;
    entry.saves = !m_Options.staticInputs.empty();
    return entry;
  }
  entry.splitting = SimplifyGraph(graph, { m_Options.staticInputs });
  entry.whole = entry.splitting;
  if (m_Options.staticInputs.empty())
  {
    return entry;
  }
  // Separating the static inputs may cost more than it saves where they have a small part in the work.
  constexpr double smallPart = 0.05;
  const StaticSplit split = SplitAtStaticInputs(entry.splitting, m_Options.staticInputs);
  const double remaining = split.remainder.CountFlops(true);
  entry.saves = true;
  if (split.prologue.CountFlops(true) < smallPart * remaining)
  {
    Graph together = SimplifyGraph(graph);
    if (together.CountFlops(true) <= remaining)
    {
      entry.saves = false;
      entry.whole = std::move(together);
    }
  }
  return entry;
}

NetworkRunner::PlanPointer
NetworkRunner::GetPlan(const ShapeMap & inputs)
{
  const std::lock_guard<std::mutex> lock(m_Mutex);
  Entry & entry = this->FindEntry(inputs);
  if (!entry.wholePlan)
  {
    PlanOptions options = m_Options;
    options.staticInputs.clear();
    entry.wholePlan = ExecutionPlan::Compile(entry.whole, *m_Weights, options, m_Resources);
  }
  return entry.wholePlan;
}

bool
NetworkRunner::SavesWork(const ShapeMap & inputs)
{
  const std::lock_guard<std::mutex> lock(m_Mutex);
  return this->FindEntry(inputs).saves;
}

NetworkRunner::SplitPlans
NetworkRunner::GetSplitPlans(const ShapeMap & inputs)
{
  itkNNRequireMacro(!m_Options.staticInputs.empty(),
                    "The network '" << m_Network->GetName() << "' has no static inputs");
  const std::lock_guard<std::mutex> lock(m_Mutex);
  Entry & entry = this->FindEntry(inputs);
  if (!entry.splitPlans.prologue)
  {
    const StaticSplit split = SplitAtStaticInputs(entry.splitting, m_Options.staticInputs);
    PlanOptions options = m_Options;
    options.staticInputs.clear();
    options.keepOutputLayouts = true;
    options.keepOutputsOnDevice = true;
    SplitPlans plans;
    plans.prologue = ExecutionPlan::Compile(split.prologue, *m_Weights, options, m_Resources);
    options.keepOutputLayouts = false;
    options.keepOutputsOnDevice = m_Options.keepOutputsOnDevice;
    options.inputLayouts = plans.prologue->GetOutputLayouts();
    for (const auto & output : options.inputLayouts)
    {
      options.residentInputs.push_back(output.first);
    }
    plans.remainder = ExecutionPlan::Compile(split.remainder, *m_Weights, options, m_Resources);
    plans.bytes = plans.prologue->GetOutputBytes();
    plans.key = split.prologue.ToText();
    plans.saves = entry.saves;
    entry.splitPlans = std::move(plans);
  }
  return entry.splitPlans;
}

void
NetworkRunner::ReleaseMemory()
{
  const std::lock_guard<std::mutex> lock(m_Mutex);
  m_Plans.clear();
  m_Resources->arenas.Clear();
}
} // namespace nn
} // namespace itk
