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
#include "itkNNHermesModules.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace itk
{
namespace nn
{
namespace
{
/** Numbers up to it are exact in bfloat16. */
constexpr std::int64_t maximumRows = 256;
constexpr std::size_t maximumDomains = 1000;
constexpr std::int64_t widening = 4; ///< of the features inside an MLP
const char * const tasksName = "tgt_idx";
const char * const modalityName = "mod_idx";

Initialization
Uniformly(double scale)
{
  return { Initialization::Distribution::Uniform, scale };
}

void
RequireIn(const std::string & name, std::int64_t value, std::int64_t low, std::int64_t high)
{
  itkNNRequireMacro(value >= low && value <= high, name << " is " << value << ", should be " << low << " to " << high);
}

const Shape &
RequireNumbers(const std::string & network, const ShapeMap & inputs, const char * name, const char * form)
{
  const auto found = inputs.find(name);
  itkNNRequireMacro(found != inputs.end(),
                    network << ": input '" << name << "' " << form
                            << " is missing; it is not needed with configured domains");
  return found->second;
}

/** [B, n] of a domain. */
ValueId
AddNumbers(Graph & graph, const std::vector<std::int64_t> & numbers, const char * name)
{
  const auto count = static_cast<std::int64_t>(numbers.size());
  return graph.AddConstant(Tensor::FromVector({ 1, count }, std::vector<float>(numbers.begin(), numbers.end())), name);
}
} // namespace

void
CheckHermesPriors(const std::string & network, const HermesPriors & priors)
{
  RequireIn(network + ": tn", priors.tasks, 1, maximumRows);
  RequireIn(network + ": mn", priors.modalities, 1, maximumRows);
  itkNNRequireMacro(priors.domains.size() <= maximumDomains,
                    network << ": domains has " << priors.domains.size() << " entries, should have at most "
                            << maximumDomains);
  for (std::size_t i = 0; i < priors.domains.size(); ++i)
  {
    const std::string name = network + ", domains[" + std::to_string(i) + ']';
    itkNNRequireMacro(!priors.domains[i].tasks.empty(), name << ": tgt_idx is empty, should have a task at least");
    for (const std::int64_t task : priors.domains[i].tasks)
    {
      RequireIn(name + ": an entry of tgt_idx", task, 0, priors.tasks - 1);
    }
    RequireIn(name + ": mod_idx", priors.domains[i].modality, -1, priors.modalities - 1);
  }
  const auto last = static_cast<std::int64_t>(priors.domains.size()) - 1;
  RequireIn(network + ": task", priors.task, 0, std::max<std::int64_t>(last, 0));
}

HermesPriors
ReadHermesPriors(const ConfigurationReader & reader)
{
  HermesPriors priors;
  priors.tasks = reader.GetInteger("tn", priors.tasks, 1, maximumRows);
  priors.modalities = reader.GetInteger("mn", priors.modalities, 1, maximumRows);
  for (const ConfigurationReader & domain : reader.GetObjects("domains"))
  {
    priors.domains.push_back(
      { domain.GetIntegers(tasksName, 0, maximumRows), domain.GetInteger(modalityName, -1, -1, maximumRows) });
  }
  priors.task = reader.GetInteger("task", 0, 0, maximumDomains - 1);
  return priors;
}

void
WriteHermesPriors(const HermesPriors & priors, nlohmann::json & json)
{
  json["tn"] = priors.tasks;
  json["mn"] = priors.modalities;
  if (priors.domains.empty())
  {
    return;
  }
  json["task"] = priors.task;
  for (const HermesDomain & domain : priors.domains)
  {
    json["domains"].push_back({ { tasksName, domain.tasks }, { modalityName, domain.modality } });
  }
}

std::vector<std::string>
GetHermesInputNames(const HermesPriors & priors)
{
  return priors.domains.empty() ? std::vector<std::string>{ "input", tasksName, modalityName }
                                : std::vector<std::string>{ "input" };
}

std::int64_t
CountHermesTasks(const HermesPriors & priors)
{
  return static_cast<std::int64_t>(std::max<std::size_t>(priors.domains.size(), 1));
}

HermesPriors
ForHermesTask(const std::string & network, HermesPriors priors, std::int64_t task)
{
  itkNNRequireMacro(!priors.domains.empty(),
                    "Task " << task << " was asked of the network " << network << ", which has no configured domains");
  priors.task = task;
  return priors;
}

Network::ImageClasses
GetHermesImageClasses()
{
  return { "mod_out", modalityName };
}

namespace
{
/** Throws Error when a domain has the task that the reference's losses weigh with 0. */
void
RequireNoSpareTask(const std::string & network, const HermesPriors & priors, std::size_t domain)
{
  for (const std::int64_t number : priors.domains[domain].tasks)
  {
    itkNNRequireMacro(number < priors.tasks - 1,
                      network << ", domains[" << domain << "]: an entry of tgt_idx is " << number
                              << ", which is never trained; should be at most tn - 2 = " << priors.tasks - 2);
  }
}
} // namespace

TensorMap
MakeHermesTaskInputs(const std::string & network, const HermesPriors & priors, const std::vector<std::int64_t> & tasks)
{
  itkNNRequireMacro(!tasks.empty(), network << ": a batch has no images");
  std::int64_t columns = 0;
  for (const std::int64_t task : tasks)
  {
    itkNNRequireMacro(task >= 0 && task < static_cast<std::int64_t>(priors.domains.size()),
                      network << ": an image is of task " << task << ", but domains of the configuration has "
                              << priors.domains.size() << " entries");
    const auto domain = static_cast<std::size_t>(task);
    RequireNoSpareTask(network, priors, domain);
    columns = std::max(columns, static_cast<std::int64_t>(priors.domains[domain].tasks.size()));
  }
  // Every image has a null task, the one with most classes too.
  ++columns;
  const auto images = static_cast<std::int64_t>(tasks.size());
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(images * columns), -1);
  std::vector<std::int64_t> modalities;
  Tensor weights = Tensor::Zeros({ images, columns });
  for (std::size_t image = 0; image < tasks.size(); ++image)
  {
    const HermesDomain & domain = priors.domains[static_cast<std::size_t>(tasks[image])];
    const auto first = static_cast<std::ptrdiff_t>(image) * columns;
    std::copy(domain.tasks.begin(), domain.tasks.end(), numbers.begin() + first);
    std::fill_n(weights.GetData<float>() + first, domain.tasks.size(), 1.0F);
    modalities.push_back(domain.modality);
  }
  return { { tasksName, Tensor::FromVector({ images, columns }, numbers) },
           { modalityName, Tensor::FromVector({ images }, modalities) },
           { "channel_weight", weights } };
}

std::vector<std::int64_t>
ExtendHermesPriors(const std::string & network,
                   HermesPriors & priors,
                   const Network::NewTask & task,
                   std::int64_t inputChannels)
{
  itkNNRequireMacro(task.channels == inputChannels,
                    network << ": a new task has images of " << task.channels << " channels, should be those of all, "
                            << inputChannels);
  RequireIn(network + ": classes of a new task", task.classes, 2, maximumRows);
  RequireIn(network + ": the modality of a new task", task.modality, -1, priors.modalities - 1);
  for (std::size_t i = 0; i < priors.domains.size(); ++i)
  {
    RequireNoSpareTask(network, priors, i);
  }
  const std::int64_t spare = priors.tasks - 1;
  std::vector<std::int64_t> rows(static_cast<std::size_t>(spare));
  std::iota(rows.begin(), rows.end(), 0);
  HermesDomain domain;
  domain.modality = task.modality;
  for (std::int64_t i = 0; i < task.classes - 1; ++i)
  {
    domain.tasks.push_back(spare + i);
    rows.push_back(-1);
  }
  rows.push_back(spare);
  rows.push_back(priors.tasks);
  priors.tasks += task.classes - 1;
  priors.domains.push_back(std::move(domain));
  priors.task = static_cast<std::int64_t>(priors.domains.size()) - 1;
  return rows;
}

void
DeclareHermesBlock(ParameterList & list,
                   const std::string & key,
                   std::int64_t in,
                   std::int64_t out,
                   const Extent3 & kernel,
                   bool isStrided)
{
  list.AddConvolution(key + ".conv1.conv", in, out, kernel, false);
  list.AddConvolution(key + ".conv2.conv", out, out, kernel, false);
  if (in != out || isStrided)
  {
    list.AddConvolution(key + ".shortcut.conv", in, out, kernel, false);
  }
}

void
DeclareHermesInput(
  ParameterList & list, const std::string & key, std::int64_t in, std::int64_t out, const Extent3 & kernel)
{
  list.AddConvolution(key + ".conv1", in, out, kernel, false);
  DeclareHermesBlock(list, key + ".conv2", out, out, kernel);
}

void
DeclareHermesPools(ParameterList & list, const std::string & key, std::int64_t channels, const HermesPriors & priors)
{
  // Xavier's, as PyTorch counts the extents of a tensor of three axes.
  const auto boundOf = [](std::int64_t fans) { return std::sqrt(6 / static_cast<double>(fans)); };
  const std::int64_t rows = priors.tasks + 1;
  list.AddWeight(key + ".task_prior", { rows, channels }, Uniformly(boundOf(channels + rows)));
  list.AddWeight(key + ".modality_prior",
                 { priors.modalities, hermesModalityTokens, channels },
                 Uniformly(boundOf((hermesModalityTokens + priors.modalities) * channels)));
}

void
DeclareHermesMlp(ParameterList & list, const std::string & key, std::int64_t in, std::int64_t hidden, std::int64_t out)
{
  list.AddLinear(key + ".fc1", in, hidden);
  list.AddLinear(key + ".fc2", hidden, out);
}

void
DeclareHermesFusion(ParameterList & list,
                    const std::string & key,
                    std::int64_t channels,
                    std::int64_t blocks,
                    const HermesPriors & priors)
{
  const std::int64_t inner = channels / hermesHeadChannels * hermesHeadChannels;
  DeclareHermesPools(list, key, channels, priors);
  for (std::int64_t i = 0; i < blocks; ++i)
  {
    for (const char * side : { ".prior", ".feat" })
    {
      const std::string layer = key + ".attn_layers." + std::to_string(i) + side;
      list.AddAffine(layer + "_aggregate_block.norm1", channels);
      list.AddAffine(layer + "_aggregate_block.norm2", channels);
      list.AddLinear(layer + "_aggregate_block.fn.to_q", channels, inner, false);
      list.AddLinear(layer + "_aggregate_block.fn.to_kv", channels, 2 * inner, false);
      list.AddLinear(layer + "_aggregate_block.fn.to_out", inner, channels);
      list.AddAffine(layer + "_ffn.norm", channels);
      DeclareHermesMlp(list, layer + "_ffn.fn", channels, widening * channels, channels);
    }
  }
}

void
DeclareHermesClassifier(ParameterList & list, const std::string & key, std::int64_t in, std::int64_t out)
{
  list.AddAffine(key + ".norm", in);
  list.SetRule(ParameterList::Rule::Xavier);
  DeclareHermesMlp(list, key + ".classifier_pred.0", in, in, out);
  DeclareHermesMlp(list, key + ".classifier_pred.1", out, out, out);
  list.SetRule(ParameterList::Rule::PyTorch);
}

void
DeclareHermesModalityHead(ParameterList & list, const std::string & key, std::int64_t in, const HermesPriors & priors)
{
  list.AddAffine(key + ".norm", in);
  DeclareHermesMlp(list, key + ".classifier", in, in, priors.modalities);
}

Extent3
GetHermesKernel(const std::string & network, const StateDict & weights, const std::string & name)
{
  const Shape & shape = RequireWeight(network, weights, name, 5);
  return { { shape[2], shape[3], shape[4] } };
}

HermesPriors
GetHermesPriors(const std::string & network, const StateDict & weights, const std::string & key)
{
  HermesPriors priors;
  priors.tasks = RequireWeight(network, weights, key + ".task_prior", 2)[0] - 1;
  priors.modalities = RequireWeight(network, weights, key + ".modality_prior", 3)[0];
  return priors;
}

void
RequireHermesVoxels(const std::string & network, const Shape & input, const Extent3 & grid)
{
  itkNNRequireMacro(grid[0] * grid[1] * grid[2] > 1,
                    network << ": input 'input' " << ToString(input) << " leaves " << grid[0] << " x " << grid[1]
                            << " x " << grid[2] << " voxels at the coarsest level, should leave more than one");
}

HermesBuilder::HermesBuilder(Graph & graph,
                             const std::string & network,
                             const HermesPriors & priors,
                             const ShapeMap & inputs,
                             std::int64_t inputChannels,
                             const Extent3 & divisors,
                             const std::vector<Network::Parameter> & parameters,
                             UnaryFunction activation)
  : m_Graph(graph)
  , m_Modules(graph, parameters)
  , m_Activation(activation)
{
  const Shape & shape = RequireVolumeInput(network, inputs, inputChannels, divisors);
  m_Input = graph.AddInput("input", shape);
  ValueId tasks = -1;
  ValueId modality = -1;
  if (priors.domains.empty())
  {
    const Shape & ofTasks = RequireNumbers(network, inputs, tasksName, "[B, T]");
    itkNNRequireMacro(ofTasks.size() == 2 && ofTasks[0] == shape[0] && ofTasks[1] >= 1,
                      network << ": input '" << tasksName << "' has shape " << ToString(ofTasks) << ", should be ["
                              << shape[0] << ", T], the number of images and of tasks");
    const Shape & ofModality = RequireNumbers(network, inputs, modalityName, "[B]");
    itkNNRequireMacro(ofModality == Shape{ shape[0] } || ofModality == (Shape{ shape[0], 1 }),
                      network << ": input '" << modalityName << "' has shape " << ToString(ofModality)
                              << ", should be [" << shape[0] << "], the number of images");
    tasks = graph.AddInput(tasksName, ofTasks);
    modality = graph.Add(
      Reshape{ { shape[0], 1 } }, { graph.AddInput(modalityName, ofModality) }, std::string(modalityName) + ".column");
    m_Tasks = m_Classes = ofTasks[1];
  }
  else
  {
    const HermesDomain & domain = priors.domains[static_cast<std::size_t>(priors.task)];
    std::vector<std::int64_t> numbers = domain.tasks;
    m_Classes = static_cast<std::int64_t>(numbers.size());
    // Of all that it was trained with, no image was without a null task.
    numbers.push_back(-1);
    m_Tasks = m_Classes + 1;
    tasks = AddNumbers(graph, numbers, tasksName);
    modality = AddNumbers(graph, { domain.modality }, modalityName);
  }
  m_TaskRows = this->FindRows(tasks, priors.tasks + 1, tasksName);
  m_ModalityRows = this->FindRows(modality, priors.modalities, modalityName);
}

ValueId
HermesBuilder::FindRows(ValueId numbers, std::int64_t rows, const std::string & name)
{
  // A product with these rows, since a Gather has no row -1, and no arithmetic makes integers of integers.
  const Shape shape = m_Graph.GetShape(numbers);
  const ValueId column = m_Graph.Add(Reshape{ { shape[0], shape[1], 1 } }, { numbers }, name + ".column");
  std::vector<float> fromFirst(static_cast<std::size_t>(rows));
  std::iota(fromFirst.begin(), fromFirst.end(), 0.0F);
  std::vector<float> fromLast(fromFirst.size(), -0.5F); // which no number is
  fromLast.back() = -1;
  const auto match = [&](const std::vector<float> & values)
  {
    const ValueId labels = m_Graph.AddConstant(Tensor::FromVector({ rows }, values), name + ".rows");
    return m_Graph.Combine(BinaryFunction::Equal, column, labels, name + ".rows");
  };
  const ValueId hits = this->Add(match(fromFirst), match(fromLast), name + ".rows");
  // One, unless there is no such row.
  const ValueId found = m_Graph.Reduce(ReductionFunction::Sum, hits, { -1 }, true, name + ".found");
  return m_Graph.Combine(BinaryFunction::Divide, hits, found, name + ".rows");
}

ValueId
HermesBuilder::Add(ValueId a, ValueId b, const std::string & key)
{
  return m_Graph.Combine(BinaryFunction::Add, a, b, key + ".sum");
}

ValueId
HermesBuilder::ToTokens(ValueId features, const std::string & key)
{
  const Shape shape = m_Graph.GetShape(features);
  const ValueId flat =
    m_Graph.Add(Reshape{ { shape[0], shape[1], shape[2] * shape[3] * shape[4] } }, { features }, key + ".flat");
  return m_Graph.Add(Permutation{ { 0, 2, 1 } }, { flat }, key + ".tokens");
}

ValueId
HermesBuilder::ToFeatures(ValueId tokens, const Shape & shape, const std::string & key)
{
  const ValueId turned = m_Graph.Add(Permutation{ { 0, 2, 1 } }, { tokens }, key + ".turned");
  return m_Graph.Add(Reshape{ shape }, { turned }, key + ".features");
}

ValueId
HermesBuilder::SliceTokens(ValueId tokens, std::int64_t begin, std::int64_t end, const std::string & key)
{
  const Shape & shape = m_Graph.GetShape(tokens);
  return m_Graph.Add(Slice{ { 0, begin, 0 }, { shape[0], end, shape[2] }, {} }, { tokens }, key);
}

ValueId
HermesBuilder::Resize(ValueId src, ValueId like, const std::string & key)
{
  const Shape & shape = m_Graph.GetShape(like);
  return m_Modules.Resize(src, { { shape[2], shape[3], shape[4] } }, key);
}

ValueId
HermesBuilder::ActivateAndConvolve(ValueId x, const std::string & key, const Extent3 & stride)
{
  const ValueId normalized = m_Modules.NormalizeInstances(x, key + ".norm", hermesEpsilon);
  return m_Modules.Convolve(m_Graph.Apply(m_Activation, normalized, 0, 0, key + ".act"), key + ".conv", stride);
}

ValueId
HermesBuilder::AddBlock(ValueId x, const std::string & key, const Extent3 & stride)
{
  const ValueId y = this->ActivateAndConvolve(this->ActivateAndConvolve(x, key + ".conv1", stride), key + ".conv2");
  const bool isChanged = m_Modules.HasParameter(key + ".shortcut.conv.weight");
  return this->Add(y, isChanged ? this->ActivateAndConvolve(x, key + ".shortcut", stride) : x, key);
}

ValueId
HermesBuilder::AddInput(const std::string & key)
{
  return this->AddBlock(m_Modules.Convolve(m_Input, key + ".conv1"), key + ".conv2");
}

ValueId
HermesBuilder::AddMlp(ValueId tokens, const std::string & key)
{
  const ValueId wide = m_Modules.Transform(tokens, key + ".fc1");
  return m_Modules.Transform(m_Graph.Apply(UnaryFunction::Gelu, wide, 0, 0, key + ".act"), key + ".fc2");
}

ValueId
HermesBuilder::TransformPart(ValueId tokens, const std::string & key, std::int64_t part, std::int64_t parts)
{
  const ValueId weight = m_Modules.GetParameter(key + ".weight");
  const Shape shape = m_Graph.GetShape(weight);
  const std::int64_t rows = shape[0] / parts;
  const ValueId own = m_Graph.Add(Slice{ { part * rows, 0 }, { (part + 1) * rows, shape[1] }, {} }, { weight }, key);
  return m_Graph.Add(MatrixProduct{ false, true }, { tokens, own }, key);
}

ValueId
HermesBuilder::SplitHeads(ValueId tokens, std::int64_t heads, const std::string & key)
{
  const Shape shape = m_Graph.GetShape(tokens);
  const ValueId split =
    m_Graph.Add(Reshape{ { shape[0], shape[1], heads, shape[2] / heads } }, { tokens }, key + ".split");
  return m_Graph.Add(Permutation{ { 0, 2, 1, 3 } }, { split }, key + ".heads");
}

ValueId
HermesBuilder::JoinHeads(ValueId heads, const std::string & key)
{
  const Shape shape = m_Graph.GetShape(heads);
  const ValueId turned = m_Graph.Add(Permutation{ { 0, 2, 1, 3 } }, { heads }, key + ".turned");
  return m_Graph.Add(Reshape{ { shape[0], shape[2], shape[1] * shape[3] } }, { turned }, key + ".joined");
}

ValueId
HermesBuilder::Attend(ValueId queries, ValueId keys, ValueId values, std::int64_t heads, const std::string & key)
{
  const ValueId attended = AddAttention(m_Graph,
                                        this->SplitHeads(queries, heads, key + ".queries"),
                                        this->SplitHeads(keys, heads, key + ".keys"),
                                        this->SplitHeads(values, heads, key + ".values"),
                                        key);
  return m_Modules.Transform(this->JoinHeads(attended, key), key + ".to_out");
}

ValueId
HermesBuilder::Multiply(ValueId rows, const std::string & pool)
{
  const ValueId table = m_Modules.GetParameter(pool);
  const Shape shape = m_Graph.GetShape(table);
  const std::int64_t features = NumberOfElements(shape) / shape[0];
  const ValueId flat = m_Graph.Add(Reshape{ { shape[0], features } }, { table }, pool);
  const ValueId chosen = m_Graph.Add(MatrixProduct{}, { rows, flat }, pool);
  const std::int64_t channels = shape.back();
  return m_Graph.Add(Reshape{ { m_Graph.GetShape(rows)[0], -1, channels } }, { chosen }, pool);
}

ValueId
HermesBuilder::SelectPriors(const std::string & key)
{
  return m_Graph.Concatenate(
    { this->Multiply(m_TaskRows, key + ".task_prior"), this->Multiply(m_ModalityRows, key + ".modality_prior") },
    1,
    key + ".priors");
}

void
HermesBuilder::AddPosteriors(ValueId tokens)
{
  m_Posteriors.push_back(tokens);
}

ValueId
HermesBuilder::Aggregate(ValueId x, ValueId others, const std::string & key)
{
  const std::string block = key + "_aggregate_block";
  const std::string attention = block + ".fn";
  const ValueId from = m_Modules.NormalizeLayer(others, block + ".norm2");
  const ValueId queries = m_Modules.Transform(m_Modules.NormalizeLayer(x, block + ".norm1"), attention + ".to_q");
  const ValueId keys = this->TransformPart(from, attention + ".to_kv", 0, 2);
  const ValueId values = this->TransformPart(from, attention + ".to_kv", 1, 2);
  const std::int64_t heads = m_Graph.GetShape(keys)[2] / hermesHeadChannels;
  x = this->Add(x, this->Attend(queries, keys, values, heads, attention), block);
  const std::string network = key + "_ffn";
  const ValueId normalized = m_Modules.NormalizeLayer(x, network + ".norm", hermesEpsilon);
  return this->Add(x, this->AddMlp(normalized, network + ".fn"), network);
}

ValueId
HermesBuilder::Fuse(ValueId features, const std::string & key, std::int64_t blocks)
{
  const Shape shape = m_Graph.GetShape(features);
  ValueId tokens = this->ToTokens(features, key);
  ValueId priors = this->SelectPriors(key);
  for (std::int64_t i = 0; i < blocks; ++i)
  {
    const std::string layer = key + ".attn_layers." + std::to_string(i);
    priors = this->Aggregate(priors, tokens, layer + ".prior");
    tokens = this->Aggregate(tokens, priors, layer + ".feat");
  }
  this->AddPosteriors(priors);
  return this->ToFeatures(tokens, shape, key);
}

ValueId
HermesBuilder::JoinPosteriors(std::int64_t begin, std::int64_t end, const std::string & key)
{
  std::vector<ValueId> parts(m_Posteriors.size());
  std::transform(m_Posteriors.begin(),
                 m_Posteriors.end(),
                 parts.begin(),
                 [&](ValueId tokens) { return this->SliceTokens(tokens, begin, end, key + ".posteriors"); });
  return m_Modules.NormalizeLayer(m_Graph.Concatenate(parts, -1, key + ".posteriors"), key + ".norm");
}

ValueId
HermesBuilder::Classify(ValueId features, const std::string & key)
{
  const ValueId prototypes = this->AddMlp(
    this->AddMlp(this->JoinPosteriors(0, m_Classes, key), key + ".classifier_pred.0"), key + ".classifier_pred.1");
  const Shape shape = m_Graph.GetShape(features);
  const ValueId flat =
    m_Graph.Add(Reshape{ { shape[0], shape[1], shape[2] * shape[3] * shape[4] } }, { features }, key + ".flat");
  const ValueId logits = m_Graph.Add(MatrixProduct{}, { prototypes, flat }, key + ".logits");
  return m_Graph.Add(Reshape{ { shape[0], m_Classes, shape[2], shape[3], shape[4] } }, { logits }, key + ".logits");
}

ValueId
HermesBuilder::ClassifyModality(const std::string & key)
{
  const ValueId joined = this->JoinPosteriors(m_Tasks, this->GetNumberOfPriors(), key);
  const ValueId mean = m_Graph.Reduce(ReductionFunction::Mean, joined, { 1 }, false, key + ".mean");
  return this->AddMlp(mean, key + ".classifier");
}
} // namespace nn
} // namespace itk
