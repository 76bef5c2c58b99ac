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
#include "itkNNDeviceOptimizer.h"

#include "itkNNError.h"

#include <cmath>

namespace itk
{
namespace nn
{
namespace
{
// Inputs and outputs of the step's graph.
constexpr const char * gradientsName = "gradients";
constexpr const char * weightsName = "weights";
constexpr const char * firstName = "first";
constexpr const char * secondName = "second";
constexpr const char * averageName = "average";
constexpr const char * rateName = "rate";
constexpr const char * firstCorrectionName = "first-correction";
constexpr const char * secondCorrectionName = "second-correction";
constexpr const char * averageDecayName = "average-decay";
constexpr const char * restDecayName = "rest-of-average-decay";
constexpr const char * normName = "norm";
// Of the graph that adds gradients.
constexpr const char * termName = "term";
constexpr const char * factorName = "factor";
constexpr const char * sumName = "sum";

/** \class StepGraph
 * \brief One step of the optimiser over joined tensors. */
class StepGraph
{
public:
  StepGraph(const DeviceOptimizerOptions & options, const JoinedTensors & parts)
    : m_Options(options)
    , m_Parts(parts)
    , m_Weights(m_Graph.AddInput(weightsName, { parts.GetSize() }))
  {
    const ValueId gradients = this->AddGradients();
    const OptimizerOptions & optimizer = m_Options.optimizer;
    const bool isCoupled = optimizer.method == OptimizerMethod::Sgd || optimizer.method == OptimizerMethod::Adam;
    const ValueId slope = isCoupled ? this->AddDecay(gradients, m_Weights) : gradients;
    const ValueId change =
      optimizer.method == OptimizerMethod::Sgd ? this->AddVelocity(slope) : this->AddMoments(slope);
    const ValueId rate = m_Graph.AddInput(rateName, {});
    ValueId step = change;
    if (optimizer.method == OptimizerMethod::AdamW)
    {
      step = this->AddDecay(change, m_Weights);
    }
    else if (optimizer.method == OptimizerMethod::Lamb)
    {
      step = this->Trust(this->AddDecay(change, m_Weights));
    }
    const ValueId moved = m_Graph.Combine(BinaryFunction::Subtract, m_Weights, this->Multiply(rate, step));
    m_Graph.AddOutput(weightsName, moved);
    if (m_Options.keepsAverage)
    {
      const ValueId average = m_Graph.AddInput(averageName, { m_Parts.GetSize() });
      const ValueId kept = this->Multiply(m_Graph.AddInput(averageDecayName, {}), average);
      const ValueId added = this->Multiply(m_Graph.AddInput(restDecayName, {}), moved);
      m_Graph.AddOutput(averageName, this->Add(kept, added));
    }
  }

  const Graph & Get() const
  {
    return m_Graph;
  }

private:
  ValueId Add(ValueId a, ValueId b)
  {
    return m_Graph.Combine(BinaryFunction::Add, a, b);
  }
  ValueId Multiply(ValueId a, ValueId b)
  {
    return m_Graph.Combine(BinaryFunction::Multiply, a, b);
  }
  ValueId Scale(double factor, ValueId value)
  {
    return factor == 1 ? value : m_Graph.Apply(UnaryFunction::Linear, value, factor, 0);
  }
  /** The square root of the sum of squares, []. */
  ValueId GetNorm(ValueId value)
  {
    const ValueId squares = m_Graph.Apply(UnaryFunction::Square, value);
    return m_Graph.Apply(UnaryFunction::Sqrt, m_Graph.Reduce(ReductionFunction::Sum, squares, {}, false));
  }

  /** The gradients with their norm limited; the norm that they had is an output. */
  ValueId AddGradients()
  {
    const ValueId gradients = m_Graph.AddInput(gradientsName, { m_Parts.GetSize() });
    const ValueId norm = this->GetNorm(gradients);
    m_Graph.AddOutput(normName, norm);
    if (m_Options.clipNorm == 0)
    {
      return gradients;
    }
    const ValueId most = m_Graph.AddConstant(Tensor::Full({}, m_Options.clipNorm), "clip-norm");
    const ValueId one = m_Graph.AddConstant(Tensor::Full({}, 1), "one");
    const ValueId factor =
      m_Graph.Combine(BinaryFunction::Minimum, one, m_Graph.Combine(BinaryFunction::Divide, most, norm));
    return this->Multiply(factor, gradients);
  }

  ValueId AddDecay(ValueId to, ValueId weights)
  {
    const double decay = m_Options.optimizer.weightDecay;
    return decay == 0 ? to : this->Add(to, this->Scale(decay, weights));
  }

  ValueId AddVelocity(ValueId slope)
  {
    const double momentum = m_Options.optimizer.momentum;
    const ValueId first = m_Graph.AddInput(firstName, { m_Parts.GetSize() });
    const ValueId velocity = this->Add(this->Scale(momentum, first), slope);
    m_Graph.AddOutput(firstName, velocity);
    return m_Options.optimizer.nesterov ? this->Add(slope, this->Scale(momentum, velocity)) : velocity;
  }

  ValueId AddMoments(ValueId slope)
  {
    const OptimizerOptions & optimizer = m_Options.optimizer;
    const auto mix = [&](double kept, const char * name, ValueId next)
    {
      const ValueId old = m_Graph.AddInput(name, { m_Parts.GetSize() });
      const ValueId mean = this->Add(this->Scale(kept, old), this->Scale(1 - kept, next));
      m_Graph.AddOutput(name, mean);
      return mean;
    };
    const ValueId mean = mix(optimizer.beta1, firstName, slope);
    const ValueId square = mix(optimizer.beta2, secondName, m_Graph.Apply(UnaryFunction::Square, slope));
    const ValueId corrected = this->Multiply(m_Graph.AddInput(secondCorrectionName, {}), square);
    const ValueId root =
      m_Graph.Apply(UnaryFunction::Linear, m_Graph.Apply(UnaryFunction::Sqrt, corrected), 1, optimizer.epsilon);
    return m_Graph.Combine(
      BinaryFunction::Divide, this->Multiply(m_Graph.AddInput(firstCorrectionName, {}), mean), root);
  }

  /** Each weight's step, scaled by the norms of the weight and of the step where there is
   * a decay. */
  ValueId Trust(ValueId step)
  {
    if (m_Options.optimizer.weightDecay == 0)
    {
      return step;
    }
    const ValueId zero = m_Graph.AddConstant(Tensor::Full({}, 0), "zero");
    const ValueId one = m_Graph.AddConstant(Tensor::Full({}, 1), "one");
    std::vector<ValueId> scaled;
    for (const auto & part : m_Parts.GetParts())
    {
      const Slice slice{ { part.begin }, { part.end }, { 1 } };
      const ValueId own = m_Graph.Add(slice, { step }, part.name);
      const ValueId weightNorm = this->GetNorm(m_Graph.Add(slice, { m_Weights }, part.name));
      const ValueId stepNorm = this->GetNorm(own);
      const ValueId isTrusted = this->Multiply(m_Graph.Combine(BinaryFunction::Greater, weightNorm, zero),
                                               m_Graph.Combine(BinaryFunction::Greater, stepNorm, zero));
      const ValueId isNot = m_Graph.Combine(BinaryFunction::Subtract, one, isTrusted);
      // Divided by 1 where the norms do not count: 0 / 0 would spoil the product.
      const ValueId ratio =
        m_Graph.Combine(BinaryFunction::Divide, weightNorm, this->Add(this->Multiply(isTrusted, stepNorm), isNot));
      const ValueId factor = this->Add(this->Multiply(isTrusted, ratio), isNot);
      scaled.push_back(m_Graph.Add(Reshape{ part.shape }, { this->Multiply(factor, own) }, part.name));
    }
    return m_Parts.Join(m_Graph, scaled);
  }

  const DeviceOptimizerOptions & m_Options;
  const JoinedTensors & m_Parts;
  Graph m_Graph;
  ValueId m_Weights;
};

/** A scaled term, added to what is there unless it is the first. */
Graph
MakeSumGraph(std::int64_t size, bool isFirst)
{
  Graph graph;
  const ValueId term = graph.AddInput(termName, { size });
  const ValueId scaled = graph.Combine(BinaryFunction::Multiply, graph.AddInput(factorName, {}), term);
  const ValueId sum =
    isFirst ? scaled : graph.Combine(BinaryFunction::Add, graph.AddInput(gradientsName, { size }), scaled);
  graph.AddOutput(sumName, sum);
  return graph;
}

/** Steps that a state has seen, of all weights the same. */
std::int64_t
GetSteps(const StateDict & state, const JoinedTensors & parts)
{
  std::int64_t steps = 0;
  for (const auto & part : parts.GetParts())
  {
    const std::int64_t own = state.Get(Optimizer::stepPrefix + part.name).ToVector<std::int64_t>()[0];
    itkNNRequireMacro(&part == parts.GetParts().data() || own == steps,
                      "The optimizer's state has " << own << " steps of '" << part.name << "' and " << steps << " of '"
                                                   << parts.GetParts().front().name
                                                   << "'; on a device they should be the same");
    steps = own;
  }
  return steps;
}

/** Parts of a state, under the weights' names. */
StateDict
Strip(const StateDict & state, const std::string & prefix, const JoinedTensors & parts)
{
  StateDict stripped;
  for (const auto & part : parts.GetParts())
  {
    stripped.Add(part.name, state.Get(prefix + part.name));
  }
  return stripped;
}

Tensor
Scalar(double value)
{
  return Tensor::Full({}, value);
}
} // namespace

DeviceOptimizer::DeviceOptimizer(const DeviceOptimizerOptions & options,
                                 std::shared_ptr<const JoinedTensors> parts,
                                 const StateDict & weights,
                                 const StateDict & average,
                                 const StateDict & state)
  : m_Options(options)
  , m_Parts(std::move(parts))
{
  itkNNRequireMacro(m_Parts != nullptr && !m_Parts->GetParts().empty(),
                    "An optimizer needs weights that have gradients");
  itkNNRequireMacro(std::isfinite(m_Options.clipNorm) && m_Options.clipNorm >= 0,
                    "The gradients' largest norm should be at least 0, is " << m_Options.clipNorm);
  // Its checks of options and state.
  Optimizer checked(m_Options.optimizer);
  checked.SetState(state);
  m_Device = GetDeviceMemory(m_Options.plan);

  const auto zeros = [this] { return this->ToDevice(Tensor::Zeros({ m_Parts->GetSize() })); };
  const bool isNew = state.IsEmpty();
  m_Joined[weightsName] = this->ToDevice(m_Parts->Join(weights));
  m_Joined[gradientsName] = zeros();
  m_Joined[firstName] = isNew ? zeros() : this->ToDevice(m_Parts->Join(Strip(state, Optimizer::firstPrefix, *m_Parts)));
  if (m_Options.optimizer.method != OptimizerMethod::Sgd)
  {
    m_Joined[secondName] =
      isNew ? zeros() : this->ToDevice(m_Parts->Join(Strip(state, Optimizer::secondPrefix, *m_Parts)));
  }
  if (m_Options.keepsAverage)
  {
    m_Joined[averageName] = this->ToDevice(m_Parts->Join(average.IsEmpty() ? weights : average));
  }
  m_Steps = isNew ? 0 : GetSteps(state, *m_Parts);

  std::vector<std::string> resident;
  for (const auto & joined : m_Joined)
  {
    resident.push_back(joined.first);
  }
  m_Step = this->Compile(StepGraph(m_Options, *m_Parts).Get(), resident);
  m_Begin = this->Compile(MakeSumGraph(m_Parts->GetSize(), true), { termName });
  m_Sum = this->Compile(MakeSumGraph(m_Parts->GetSize(), false), { gradientsName, termName });
  this->MakeViews();
}

DeviceOptimizer::~DeviceOptimizer() = default;

Tensor
DeviceOptimizer::ToDevice(const Tensor & joined) const
{
  return m_Device ? joined.ToDevice(m_Device) : joined;
}

DeviceOptimizer::PlanPointer
DeviceOptimizer::Compile(const Graph & graph, std::vector<std::string> residentInputs) const
{
  PlanOptions options = m_Options.plan;
  options.precision = DataType::Float32;
  options.keepOutputsOnDevice = true;
  options.residentInputs = std::move(residentInputs);
  return ExecutionPlan::Compile(graph, {}, options);
}

void
DeviceOptimizer::MakeViews()
{
  m_Views = m_Parts->Split(m_Joined.at(weightsName).To(m_Options.plan.precision));
}

void
DeviceOptimizer::Add(const Tensor & gradients, double factor)
{
  itkNNRequireMacro(gradients.GetShape() == Shape{ m_Parts->GetSize() },
                    "Joined gradients have shape " << ToString(gradients.GetShape()) << "; should have ["
                                                   << m_Parts->GetSize() << ']');
  Tensor & sum = m_Joined.at(gradientsName);
  if (!m_HasGradients && factor == 1)
  {
    sum.CopyFrom(gradients);
  }
  else
  {
    TensorMap inputs{ { termName, gradients }, { factorName, Scalar(factor) } };
    if (m_HasGradients)
    {
      inputs[gradientsName] = sum;
    }
    sum.CopyFrom((m_HasGradients ? m_Sum : m_Begin)->Run(inputs).at(sumName));
  }
  m_HasGradients = true;
}

Tensor &
DeviceOptimizer::GetGradients()
{
  itkNNRequireMacro(m_HasGradients, "The step has no gradients");
  return m_Joined.at(gradientsName);
}

double
DeviceOptimizer::Step(double learningRate, double averageDecay)
{
  itkNNRequireMacro(m_HasGradients, "The step has no gradients");
  m_HasGradients = false;
  TensorMap inputs = m_Joined;
  inputs[rateName] = Scalar(learningRate);
  if (m_Options.optimizer.method != OptimizerMethod::Sgd)
  {
    const auto steps = static_cast<double>(m_Steps + 1);
    inputs[firstCorrectionName] = Scalar(1 / (1 - std::pow(m_Options.optimizer.beta1, steps)));
    inputs[secondCorrectionName] = Scalar(1 / (1 - std::pow(m_Options.optimizer.beta2, steps)));
  }
  if (m_Options.keepsAverage)
  {
    itkNNRequireMacro(averageDecay >= 0 && averageDecay <= 1,
                      "The average's decay should be in [0, 1], is " << averageDecay);
    inputs[averageDecayName] = Scalar(averageDecay);
    inputs[restDecayName] = Scalar(1 - averageDecay);
  }
  TensorMap moved = m_Step->Run(inputs);
  const double norm = moved.at(normName).ToHost().ToVector<double>()[0];
  if (!std::isfinite(norm))
  {
    return norm;
  }
  moved.erase(normName);
  // Into the same memory, so that what runs with it can be recorded.
  for (auto & [name, joined] : moved)
  {
    m_Joined.at(name).CopyFrom(joined);
  }
  ++m_Steps;
  if (m_Options.plan.precision != DataType::Float32)
  {
    this->MakeViews();
  }
  return norm;
}

void
DeviceOptimizer::Get(StateDict & weights, StateDict & average, StateDict & state) const
{
  const auto split = [this](const char * name) { return m_Parts->Split(m_Joined.at(name).ToHost()); };
  const auto set = [](StateDict & dictionary, const std::string & prefix, const TensorMap & tensors)
  {
    for (const auto & [name, tensor] : tensors)
    {
      // What is kept must not change with the next step.
      dictionary.Set(prefix + name, tensor.Clone());
    }
  };
  set(weights, "", split(weightsName));
  if (m_Options.keepsAverage)
  {
    set(average, "", split(averageName));
  }
  state = StateDict();
  if (m_Steps == 0)
  {
    return;
  }
  set(state, Optimizer::firstPrefix, split(firstName));
  if (m_Joined.count(secondName) > 0)
  {
    set(state, Optimizer::secondPrefix, split(secondName));
  }
  for (const auto & part : m_Parts->GetParts())
  {
    state.Set(Optimizer::stepPrefix + part.name, Tensor::FromVector<std::int64_t>({ 1 }, { m_Steps }));
  }
}
} // namespace nn
} // namespace itk
