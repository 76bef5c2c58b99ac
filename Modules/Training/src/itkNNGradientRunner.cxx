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
#include "itkNNGradientRunner.h"

#include "itkNNError.h"
#include "itkNNNameParts.h"
#include "itkNNPasses.h"
#include "itkNNSinglePrecision.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <sstream>

namespace itk
{
namespace nn
{
namespace
{
/** Plans that are kept: training has few shapes, batches of several tasks one for each number of classes. */
constexpr std::size_t keptPlans = 12;

constexpr const char * lossName = "loss";
constexpr const char * joinedGradientsName = "joined.gradients";
constexpr const char * joinedStatisticsName = "joined.statistics";

ValueId
Resize(Graph & graph, ValueId value, const Shape & extents)
{
  Interpolation op;
  op.mode = InterpolationMode::Linear;
  op.size = extents;
  return graph.Add(std::move(op), { value }, "deep_supervision");
}

ValueId
Pool(Graph & graph, ValueId value, const Shape & extents)
{
  const Shape & shape = graph.GetShape(value);
  Pooling op;
  op.function = PoolingFunction::Average;
  for (std::size_t axis = 0; axis < extents.size(); ++axis)
  {
    const std::int64_t extent = shape[shape.size() - extents.size() + axis];
    itkNNRequireMacro(extents[axis] > 0 && extent % extents[axis] == 0,
                      "Deep supervision: the target " << ToString(shape) << " should be a multiple of the extents "
                                                      << ToString(extents) << " of an output");
    op.kernel.push_back(extent / extents[axis]);
  }
  return graph.Add(std::move(op), { value }, "deep_supervision");
}

/** What the losses compare with, and their weights; -1: none. */
struct LossInputs
{
  ValueId target = -1;
  ValueId pixelWeight = -1;
  ValueId channelWeight = -1;
};

/** The losses of a coarser output. */
ValueId
AddDeepLosses(Graph & graph, ValueId logits, const LossInputs & inputs, const GradientOptions & options)
{
  ValueId target = inputs.target;
  ValueId pixelWeight = inputs.pixelWeight;
  const auto extentsOf = [&graph](ValueId value)
  {
    const Shape & shape = graph.GetShape(value);
    itkNNRequireMacro(shape.size() > 2,
                      "Deep supervision: " << ToString(shape) << " should be [batch, channels, spatial...]");
    return Shape(shape.begin() + 2, shape.end());
  };
  switch (options.deepSupervision)
  {
    case DeepSupervision::Logits:
      logits = Resize(graph, logits, extentsOf(target));
      break;
    case DeepSupervision::Labels:
      target = Resize(graph, target, extentsOf(logits));
      pixelWeight = pixelWeight < 0 ? pixelWeight : Resize(graph, pixelWeight, extentsOf(logits));
      break;
    case DeepSupervision::Pooled:
      target = Pool(graph, target, extentsOf(logits));
      pixelWeight = pixelWeight < 0 ? pixelWeight : Pool(graph, pixelWeight, extentsOf(logits));
      break;
  }
  return AddLosses(graph, logits, target, options.losses, pixelWeight, inputs.channelWeight);
}

/** Weights of all outputs, with the sum 1. */
std::vector<double>
GetDeepWeights(const GradientOptions & options)
{
  std::vector<double> weights = options.deepWeights;
  for (std::size_t i = 0; options.deepWeights.empty() && i <= options.deepOutputs.size(); ++i)
  {
    weights.push_back(std::ldexp(1.0, -static_cast<int>(i)));
  }
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  const bool isProper =
    std::all_of(weights.begin(), weights.end(), [](double weight) { return weight >= 0 && std::isfinite(weight); });
  itkNNRequireMacro(weights.size() == options.deepOutputs.size() + 1 && isProper && sum > 0,
                    "Deep supervision: there are " << weights.size() << " weights with the sum " << sum
                                                   << "; should be " << options.deepOutputs.size() + 1
                                                   << ", at least 0 and not all of them 0");
  std::transform(weights.begin(), weights.end(), weights.begin(), [sum](double weight) { return weight / sum; });
  return weights;
}

ValueId
AddAllLosses(Graph & graph, ValueId logits, const LossInputs & inputs, const GradientOptions & options)
{
  const std::vector<double> weights = GetDeepWeights(options);
  const auto weighted = [&](ValueId loss, double weight)
  { return weight == 1 ? loss : graph.Apply(UnaryFunction::Linear, loss, weight, 0); };
  ValueId sum = weighted(
    AddLosses(graph, logits, inputs.target, options.losses, inputs.pixelWeight, inputs.channelWeight), weights[0]);
  for (std::size_t i = 0; i < options.deepOutputs.size(); ++i)
  {
    const ValueId coarse = graph.GetOutput(options.deepOutputs[i]);
    const ValueId loss = AddDeepLosses(graph, coarse, inputs, options);
    sum = graph.Combine(BinaryFunction::Add, sum, weighted(loss, weights[i + 1]));
  }
  return sum;
}

/** An input of the graph; -1: there is none. */
ValueId
FindInput(const Graph & graph, const std::string & name)
{
  const auto inputs = graph.GetValuesOfKind(Graph::ValueKind::Input);
  const auto found =
    std::find_if(inputs.begin(), inputs.end(), [&](ValueId id) { return graph.GetValue(id).name == name; });
  return found == inputs.end() ? -1 : *found;
}

/** Gradients of 0 but in some rows. */
void
KeepRows(DifferentiatedGraph & gradients, const std::vector<std::int64_t> & rows)
{
  Graph & graph = gradients.graph;
  for (std::size_t i = 0; i < gradients.outputs.size() && !rows.empty(); ++i)
  {
    const ValueId gradient = graph.GetOutput(gradients.outputs[i]);
    const Shape & shape = graph.GetShape(gradient);
    Shape maskShape(shape.size(), 1);
    itkNNRequireMacro(!shape.empty(), "'" << gradients.names[i] << "' is a scalar, and rows are to be trained");
    maskShape[0] = shape[0];
    Tensor mask = Tensor::Zeros(maskShape);
    for (const std::int64_t row : rows)
    {
      itkNNRequireMacro(row >= 0 && row < shape[0],
                        "Row " << row << " of '" << gradients.names[i] << "' is to be trained, should be 0 to "
                               << shape[0] - 1);
      mask.GetData<float>()[row] = 1;
    }
    graph.RemoveOutput(gradients.outputs[i]);
    graph.AddOutput(gradients.outputs[i],
                    graph.Combine(BinaryFunction::Multiply, gradient, graph.AddConstant(mask, "trained_rows")));
  }
}

/** In float32 or float64, whatever the batch was computed in. */
Tensor
MoveStatistic(const Tensor & old, const Tensor & ofBatch, double momentum)
{
  const auto from = old.ToHost().ToVector<double>();
  auto values = ofBatch.ToVector<double>();
  for (std::size_t i = 0; i < values.size(); ++i)
  {
    values[i] = (1 - momentum) * from[i] + momentum * values[i];
  }
  const bool isDouble = ofBatch.GetDataType() == DataType::Float64;
  return Tensor::FromVector(old.GetShape(), values).To(isDouble ? DataType::Float64 : DataType::Float32);
}

/** Less is not worth a step of its own. */
constexpr std::int64_t recomputedElements = 65536;

/** The inputs of a mask. random: null: without dropout. */
void
DrawMask(const RandomMask & mask, RandomStream * random, TensorMap & inputs)
{
  const std::int64_t elements = NumberOfElements(mask.shape);
  Tensor packed = Tensor::Zeros({ (elements + 7) / 8 }, DataType::UInt8);
  auto * bytes = packed.GetData<std::uint8_t>();
  // Drawing bits costs, and half of 64 are enough.
  const auto bound = static_cast<std::uint64_t>(mask.probability * 4294967296.0);
  std::uint64_t bits = 0;
  for (std::int64_t i = 0; i < elements; ++i)
  {
    if (random != nullptr)
    {
      bits = i % 2 == 0 ? random->Next() : bits >> 32U;
    }
    const bool isKept = random == nullptr || (bits & 0xFFFFFFFFU) >= bound;
    bytes[i / 8] |= static_cast<std::uint8_t>(static_cast<unsigned int>(isKept) << (i % 8));
  }
  inputs.emplace(mask.name, std::move(packed));
  inputs.emplace(GetMaskValueName(mask.name), Tensor::Full({}, random != nullptr ? 1 / (1 - mask.probability) : 1));
}
} // namespace

DeepSupervision
ParseDeepSupervision(const std::string & name)
{
  for (const auto mode : { DeepSupervision::Logits, DeepSupervision::Labels, DeepSupervision::Pooled })
  {
    if (name == ToString(mode))
    {
      return mode;
    }
  }
  itkNNThrowMacro("Deep supervision '" << name << "' should be logits, labels or pooled");
}

std::string
ToString(DeepSupervision mode)
{
  switch (mode)
  {
    case DeepSupervision::Logits:
      return "logits";
    case DeepSupervision::Labels:
      return "labels";
    case DeepSupervision::Pooled:
      break;
  }
  return "pooled";
}

GradientRunner::GradientRunner(Network::ConstPointer network,
                               GradientOptions options,
                               std::shared_ptr<PlanResources> resources)
  : m_Network(std::move(network))
  , m_Options(std::move(options))
  , m_Resources(resources ? std::move(resources) : std::make_shared<PlanResources>())
{
  itkNNRequireMacro(m_Network != nullptr, "Gradients need a network");
  itkNNRequireMacro(!m_Options.losses.empty(), "Gradients need a loss");
}

GradientRunner::~GradientRunner() = default;

namespace
{
/** The weights that a graph has and that are to be trained. Throws Error when there is none. */
std::vector<std::string>
SelectWeights(const Network & network, const Graph & graph, const std::vector<std::string> & parts)
{
  std::set<std::string> isUsed;
  for (const auto id : graph.GetValuesOfKind(Graph::ValueKind::Parameter))
  {
    isUsed.insert(graph.GetValue(id).name);
  }
  std::vector<std::string> names;
  for (const auto & parameter : network.GetParameters())
  {
    if (parameter.role == Network::Role::Weight && isUsed.count(parameter.name) > 0 &&
        ContainsOneOf(parameter.name, parts))
    {
      names.push_back(parameter.name);
    }
  }
  std::ostringstream text;
  for (const auto & part : parts)
  {
    text << (text.tellp() > 0 ? ", " : "") << '\'' << part << '\'';
  }
  itkNNRequireMacro(!names.empty() || parts.empty(),
                    "No weight of the network " << network.GetName() << " that the loss depends on has "
                                                << (parts.size() > 1 ? "one of " : "") << text.str()
                                                << " in its name: nothing would be trained");
  return names;
}

/** Outputs become one. */
std::shared_ptr<const JoinedTensors>
JoinOutputs(Graph & graph,
            const std::vector<std::string> & names,
            const std::vector<std::string> & outputs,
            const std::string & joined)
{
  std::vector<ValueId> values;
  std::vector<std::pair<std::string, Shape>> shapes;
  for (std::size_t i = 0; i < names.size(); ++i)
  {
    values.push_back(graph.GetOutput(outputs[i]));
    shapes.emplace_back(names[i], graph.GetShape(values.back()));
    graph.RemoveOutput(outputs[i]);
  }
  auto parts = std::make_shared<const JoinedTensors>(shapes);
  graph.AddOutput(joined, parts->Join(graph, values));
  return parts;
}
} // namespace

void
GradientRunner::JoinOutputs(DifferentiatedGraph & gradients, Entry & entry) const
{
  itkNNRequireMacro(!gradients.names.empty(), "The loss does not depend on a weight of the network");
  Graph & graph = gradients.graph;
  entry.gradients = nn::JoinOutputs(graph, gradients.names, gradients.outputs, joinedGradientsName);
  std::vector<std::string> names;
  std::vector<std::string> outputs;
  for (const auto & statistic : entry.running)
  {
    names.push_back(statistic.name);
    outputs.push_back(GetStatisticName(statistic.name));
  }
  if (!names.empty())
  {
    entry.statistics = nn::JoinOutputs(graph, names, outputs, joinedStatisticsName);
  }
}

GradientRunner::Entry
GradientRunner::MakeEntry(const ShapeMap & shapes) const
{
  ShapeMap own = shapes;
  const auto label = own.find(targetName);
  itkNNRequireMacro(label != own.end(), "Input '" << targetName << "', which the loss compares with, is missing");
  const Shape labelShape = label->second;
  own.erase(label);
  // Inputs that the network has not are of the losses.
  const auto names = m_Network->GetInputNames();
  ShapeMap ofLosses;
  for (const auto & [name, shape] : shapes)
  {
    if (name != targetName && std::find(names.begin(), names.end(), name) == names.end())
    {
      ofLosses.emplace(name, shape);
      own.erase(name);
    }
  }
  TrainingGraph training = m_Network->BuildTrainingGraph(own);
  Graph & graph = training.graph;
  const ValueId logits = graph.GetOutput(m_Options.output);
  LossInputs inputs;
  inputs.target = graph.AddInput(targetName, labelShape);
  for (const auto & [name, shape] : ofLosses)
  {
    graph.AddInput(name, shape);
  }
  inputs.pixelWeight = FindInput(graph, pixelWeightName);
  inputs.channelWeight = FindInput(graph, channelWeightName);
  ValueId loss = AddAllLosses(graph, logits, inputs, m_Options);
  for (const ImageLoss & ofImages : m_Options.imageLosses)
  {
    const ValueId classes = FindInput(graph, ofImages.classes);
    itkNNRequireMacro(classes >= 0,
                      "Input '" << ofImages.classes << "', the classes of the images that the output '"
                                << ofImages.output << "' is compared with, is missing");
    const ValueId entropy = AddImageCrossEntropy(graph, graph.GetOutput(ofImages.output), classes);
    loss = graph.Combine(
      BinaryFunction::Add, loss, graph.Apply(UnaryFunction::Linear, entropy, ofImages.weight, 0, "loss.weighted"));
  }
  graph.AddOutput(lossName, loss);

  DifferentiationOptions differentiation;
  differentiation.withRespectTo = SelectWeights(*m_Network, graph, m_Options.trainedParts);
  differentiation.recompute = m_Options.recompute;
  differentiation.recomputePassesFrom = recomputedElements;
  // Weights are inputs from here on, so that no pass takes them for constant.
  DifferentiatedGraph gradients = Differentiate(SimplifyGraph(MakeParametersInputs(graph)), lossName, differentiation);

  KeepRows(gradients, m_Options.trainedRows);

  PlanOptions options = m_Options.plan;
  // Values wait for their gradients: there is nothing to be done group by group.
  options.loops = false;
  Entry entry;
  entry.shapes = shapes;
  entry.running = std::move(training.statistics);
  if (m_Options.joinGradients)
  {
    this->JoinOutputs(gradients, entry);
    options.keepOutputsOnDevice = true;
    options.residentInputs = gradients.names;
  }
  entry.plan = ExecutionPlan::Compile(gradients.graph, {}, options, m_Resources);
  entry.masks = std::move(training.masks);
  for (const auto id : gradients.graph.GetValuesOfKind(Graph::ValueKind::Input))
  {
    entry.inputs.insert(gradients.graph.GetValue(id).name);
  }
  return entry;
}

GradientRunner::Entry
GradientRunner::GetEntry(const ShapeMap & shapes)
{
  const std::lock_guard<std::mutex> lock(m_Mutex);
  for (auto entry = m_Plans.begin(); entry != m_Plans.end(); ++entry)
  {
    if (entry->shapes == shapes)
    {
      m_Plans.splice(m_Plans.begin(), m_Plans, entry);
      return m_Plans.front();
    }
  }
  m_Plans.push_front(this->MakeEntry(shapes));
  if (m_Plans.size() > keptPlans)
  {
    m_Plans.pop_back();
  }
  return m_Plans.front();
}

std::shared_ptr<const ExecutionPlan>
GradientRunner::GetPlan(const ShapeMap & shapes)
{
  return this->GetEntry(shapes).plan;
}

std::vector<RandomMask>
GradientRunner::GetMasks(const ShapeMap & shapes)
{
  return this->GetEntry(shapes).masks;
}

GradientResult
GradientRunner::Run(const TensorMap & inputs, const StateDict & weights, const RunHooks & hooks, RandomStream * random)
{
  ShapeMap shapes;
  std::set<std::string> names{ targetName, pixelWeightName, channelWeightName };
  for (const ImageLoss & ofImages : m_Options.imageLosses)
  {
    names.insert(ofImages.classes);
  }
  for (const auto & name : m_Network->GetInputNames())
  {
    names.insert(name);
  }
  for (const auto & [name, tensor] : inputs)
  {
    itkNNRequireMacro(!weights.Has(name), "'" << name << "' is both an input and a weight");
    if (names.count(name) > 0)
    {
      shapes[name] = tensor.GetShape();
    }
  }
  m_Network->CheckWeights(weights);
  const Entry entry = this->GetEntry(shapes);
  TensorMap all = inputs;
  for (const auto & mask : entry.masks)
  {
    if (all.count(mask.name) == 0)
    {
      DrawMask(mask, random, all);
    }
  }
  for (const auto & [name, tensor] : weights)
  {
    if (entry.inputs.count(name) > 0)
    {
      all.emplace(name, tensor);
    }
  }
  const TensorMap outputs = InSinglePrecision(entry.plan->Run(all, hooks));
  GradientResult result;
  result.loss = outputs.at(lossName).ToHost().ToVector<double>()[0];
  result.logits = outputs.at(m_Options.output);
  if (entry.gradients)
  {
    result.joinedGradients = outputs.at(joinedGradientsName);
    result.parts = entry.gradients;
  }
  TensorMap ofBatch;
  if (entry.statistics)
  {
    ofBatch = entry.statistics->Split(outputs.at(joinedStatisticsName).ToHost());
  }
  for (const auto & statistic : entry.running)
  {
    const Tensor & value = entry.statistics ? ofBatch.at(statistic.name) : outputs.at(GetStatisticName(statistic.name));
    result.statistics.emplace(statistic.name, MoveStatistic(weights.Get(statistic.name), value, statistic.momentum));
  }
  for (const auto & item : weights)
  {
    const std::string & name = item.first;
    const auto gradient = outputs.find(GetGradientName(name));
    if (gradient != outputs.end())
    {
      result.gradients.emplace(name, gradient->second);
    }
  }
  return result;
}
} // namespace nn
} // namespace itk
