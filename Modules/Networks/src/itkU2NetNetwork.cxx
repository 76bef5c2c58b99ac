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
#include "itkU2NetNetwork.h"

#include "itkNNConfigurationReader.h"
#include "itkNNModuleBuilder.h"

#include <algorithm>

namespace itk
{
namespace nn
{
namespace
{
using Adapter = U2NetConfiguration::Adapter;

constexpr std::int64_t maximumChannels = 65536;
constexpr std::int64_t maximumPools = 10;
constexpr std::size_t maximumTasks = 1000;
constexpr Extent3 one{ { 1, 1, 1 } };
constexpr Extent3 three{ { 3, 3, 3 } };

struct AdapterName
{
  Adapter adapter;
  const char * module;
};
constexpr AdapterName adapterNames[] = { { Adapter::Separable, "separable_adapter" },
                                         { Adapter::Parallel, "parallel_adapter" },
                                         { Adapter::Series, "series_adapter" } };

std::string
Key(const std::string & list, std::size_t i)
{
  return list + '.' + std::to_string(i);
}

std::size_t
GetLevels(const U2NetConfiguration & configuration)
{
  return static_cast<std::size_t>(*std::max_element(configuration.pools.begin(), configuration.pools.end())) + 1;
}

std::int64_t
GetChannels(const U2NetConfiguration & configuration, std::size_t level)
{
  return configuration.baseChannels << level;
}

/** From a level to the next coarser one. */
Extent3
GetStride(const U2NetConfiguration & configuration, std::size_t level)
{
  Extent3 stride{};
  std::transform(configuration.pools.begin(),
                 configuration.pools.end(),
                 stride.begin(),
                 [level](std::int64_t pools) { return static_cast<std::int64_t>(level) < pools ? 2 : 1; });
  return stride;
}

/** Levels whose class maps are added to the logits, the coarser one first. */
std::vector<std::size_t>
GetSupervisedLevels(const U2NetConfiguration & configuration)
{
  std::vector<std::size_t> levels;
  for (const std::size_t level : { 2, 1 })
  {
    if (configuration.hasDeepSupervision && level + 1 < GetLevels(configuration))
    {
      levels.push_back(level);
    }
  }
  return levels;
}

/** \class Declarer
 * \brief Lists the parameters of all domains, module by module. */
class Declarer
{
public:
  explicit Declarer(const U2NetConfiguration & configuration)
    : m_Configuration(configuration)
    , m_Tasks(configuration.inputChannels.size())
  {}

  const std::vector<Network::Parameter> & Declare()
  {
    const std::size_t levels = GetLevels(m_Configuration);
    for (std::size_t task = 0; task < m_Tasks; ++task)
    {
      const std::string key = Key("in_tr_list", task) + ".op1";
      m_List.AddConvolution(key + ".0", m_Configuration.inputChannels[task], m_Configuration.baseChannels, three);
      m_List.AddAffine(key + ".1.0", m_Configuration.baseChannels);
    }
    for (std::size_t level = 0; level < levels; ++level)
    {
      const std::int64_t channels = GetChannels(m_Configuration, level);
      this->AddUnit(Key("down_blocks", level) + ".op1", channels, channels, three);
      this->AddUnit(Key("down_blocks", level) + ".op2", channels, channels, three);
    }
    for (std::size_t level = 0; level + 1 < levels; ++level)
    {
      const std::int64_t channels = GetChannels(m_Configuration, level);
      const std::string key = Key("down_samps", level) + ".op1";
      m_List.AddConvolution(key + ".conv", channels, 2 * channels, three);
      this->AddNormalizations(key, 2 * channels);
    }
    for (std::size_t level = 0; level + 1 < levels; ++level)
    {
      const std::int64_t channels = GetChannels(m_Configuration, level);
      this->AddUnit(Key("up_samps", level) + ".op", 2 * channels, channels, three);
    }
    for (std::size_t level = 0; level + 1 < levels; ++level)
    {
      const std::int64_t channels = GetChannels(m_Configuration, level);
      this->AddUnit(Key("up_blocks", level) + ".op1", 2 * channels, channels, three);
      this->AddUnit(Key("up_blocks", level) + ".op2", channels, channels, one);
    }
    this->AddOutputs();
    return m_List.GetParameters();
  }

private:
  void AddOutputs()
  {
    const auto supervised = GetSupervisedLevels(m_Configuration);
    for (std::size_t stage = 0; stage < supervised.size(); ++stage)
    {
      for (std::size_t task = 0; task < m_Tasks; ++task)
      {
        const std::string key = Key(Key("dSupers", stage), task) + ".op1";
        const std::int64_t classes = m_Configuration.classes[task];
        m_List.AddConvolution(key + ".0", GetChannels(m_Configuration, supervised[stage]), classes, one);
        m_List.AddAffine(key + ".1.0", classes);
      }
    }
    for (std::size_t task = 0; task < m_Tasks; ++task)
    {
      m_List.AddConvolution(
        Key("out_tr_list", task) + ".conv1", m_Configuration.baseChannels, m_Configuration.classes[task], one);
    }
  }

  void AddNormalizations(const std::string & key, std::int64_t channels)
  {
    for (std::size_t task = 0; task < m_Tasks; ++task)
    {
      m_List.AddAffine(Key(key + ".op", task), channels);
    }
  }

  void AddAdapter(const std::string & key, std::int64_t in, std::int64_t out)
  {
    switch (m_Configuration.adapter)
    {
      case Adapter::None:
        break;
      case Adapter::Separable:
        m_List.AddConvolution(key + ".conv1", 1, in, three);
        m_List.AddAffine(key + ".op1.0", in);
        break;
      case Adapter::Parallel:
        m_List.AddConvolution(key + ".op1", in, out, one);
        break;
      case Adapter::Series:
        m_List.AddAffine(key + ".op1.0", out);
        m_List.AddConvolution(key + ".op1.1", out, out, one);
        break;
    }
  }

  void AddUnit(const std::string & key, std::int64_t in, std::int64_t out, const Extent3 & kernel)
  {
    const bool isSeparable = m_Configuration.adapter == Adapter::Separable;
    if (!isSeparable)
    {
      m_List.AddConvolution(key + ".conv", in, out, kernel);
    }
    for (std::size_t task = 0; task < m_Tasks; ++task)
    {
      this->AddAdapter(Key(key + ".adapOps", task), in, out);
    }
    if (isSeparable)
    {
      m_List.AddConvolution(key + ".pwise.conv1", in, out, one);
    }
    this->AddNormalizations(key, out);
  }

  const U2NetConfiguration & m_Configuration;
  std::size_t m_Tasks;
  ParameterList m_List{ ParameterList::Rule::Kaiming };
};

/** \class GraphBuilder
 * \brief Adds the modules of one domain to a graph. */
class GraphBuilder
{
public:
  GraphBuilder(Graph & graph, const U2NetConfiguration & configuration, const std::vector<Network::Parameter> & list)
    : m_Graph(graph)
    , m_Configuration(configuration)
    , m_Task(static_cast<std::size_t>(configuration.task))
    , m_Modules(graph, list)
  {}

  void Build(ValueId input)
  {
    const std::string first = Key("in_tr_list", m_Task);
    ValueId x = m_Modules.Convolve(input, first + ".op1.0");
    x = m_Modules.LeakyRelu(m_Modules.NormalizeInstances(x, first + ".op1.1.0"), first);

    const std::size_t levels = GetLevels(m_Configuration);
    std::vector<ValueId> skips;
    for (std::size_t level = 0; level < levels; ++level)
    {
      x = level > 0 ? this->Downsample(x, level - 1) : x;
      x = this->AddDownBlock(x, Key("down_blocks", level));
      skips.push_back(x);
    }
    const auto supervised = GetSupervisedLevels(m_Configuration);
    ValueId supervision = -1;
    for (std::size_t level = levels - 1; level-- > 0;)
    {
      const ValueId upsampled = this->Upsample(x, level);
      const std::string key = Key("up_blocks", level);
      x = m_Graph.Concatenate({ upsampled, skips[level] }, -4, key + ".concatenation");
      x = m_Modules.LeakyRelu(this->AddUnit(x, key + ".op1"), key + ".op1");
      x = m_Modules.LeakyRelu(this->AddUnit(x, key + ".op2"), key + ".op2");
      const auto stage = std::find(supervised.begin(), supervised.end(), level);
      if (stage != supervised.end())
      {
        supervision = this->Supervise(x, supervision, static_cast<std::size_t>(stage - supervised.begin()), level);
      }
    }
    const std::string last = Key("out_tr_list", m_Task);
    const ValueId logits = m_Modules.Convolve(x, last + ".conv1");
    m_Graph.AddOutput("logits", supervision < 0 ? logits : this->Add(logits, supervision, last));
  }

private:
  ValueId Add(ValueId a, ValueId b, const std::string & name)
  {
    return m_Graph.Combine(BinaryFunction::Add, a, b, name + ".sum");
  }

  /** A convolution as the adapters have it, and its normalisation. */
  ValueId AddUnit(ValueId x, const std::string & key)
  {
    const std::string adapter = Key(key + ".adapOps", m_Task);
    ValueId shared = -1;
    ValueId own = -1;
    switch (m_Configuration.adapter)
    {
      case Adapter::None:
        x = m_Modules.Convolve(x, key + ".conv");
        break;
      case Adapter::Separable:
        own = m_Modules.NormalizeInstances(m_Modules.Convolve(x, adapter + ".conv1"), adapter + ".op1.0");
        own = m_Modules.LeakyRelu(own, adapter);
        x = shared = m_Modules.Convolve(own, key + ".pwise.conv1");
        break;
      case Adapter::Parallel:
        shared = m_Modules.Convolve(x, key + ".conv");
        own = m_Modules.Convolve(x, adapter + ".op1");
        x = this->Add(shared, own, key);
        break;
      case Adapter::Series:
        x = m_Modules.Convolve(x, key + ".conv");
        own = m_Modules.Convolve(m_Modules.NormalizeInstances(x, adapter + ".op1.0"), adapter + ".op1.1");
        x = this->Add(x, own, key);
        break;
    }
    if (key == "up_samps.0.op" && shared >= 0)
    {
      m_Graph.AddOutput("share_map", shared);
      m_Graph.AddOutput("para_map", own);
    }
    return m_Modules.NormalizeInstances(x, Key(key + ".op", m_Task));
  }

  ValueId AddDownBlock(ValueId x, const std::string & key)
  {
    ValueId y = m_Modules.LeakyRelu(this->AddUnit(x, key + ".op1"), key + ".op1");
    y = this->AddUnit(y, key + ".op2");
    return m_Modules.LeakyRelu(m_Configuration.isResidual ? this->Add(x, y, key) : y, key);
  }

  ValueId Downsample(ValueId x, std::size_t level)
  {
    const std::string key = Key("down_samps", level) + ".op1";
    const Extent3 stride = GetStride(m_Configuration, level);
    Convolution op;
    for (const std::int64_t step : stride)
    {
      op.stride.push_back(step);
      op.padding.push_back(step == 2 ? 0 : 1);
      op.paddingEnd.push_back(1);
    }
    x = m_Modules.Convolve(x, key + ".conv", std::move(op));
    return m_Modules.LeakyRelu(m_Modules.NormalizeInstances(x, Key(key + ".op", m_Task)), key);
  }

  ValueId Upsample(ValueId x, std::size_t level)
  {
    const std::string key = Key("up_samps", level);
    const Extent3 factor = GetStride(m_Configuration, level);
    x = m_Modules.Upsample(x, factor, InterpolationMode::Nearest, key + ".up");
    return m_Modules.LeakyRelu(this->AddUnit(x, key + ".op"), key);
  }

  /** The class maps of a level and of the coarser one, on the next finer grid. */
  ValueId Supervise(ValueId x, ValueId coarser, std::size_t stage, std::size_t level)
  {
    const std::string key = Key(Key("dSupers", stage), m_Task);
    x = m_Modules.NormalizeInstances(m_Modules.Convolve(x, key + ".op1.0"), key + ".op1.1.0");
    x = m_Modules.LeakyRelu(x, key);
    x = coarser < 0 ? x : this->Add(x, coarser, key);
    return m_Modules.Upsample(x, GetStride(m_Configuration, level - 1), InterpolationMode::Nearest, key + ".up");
  }

  Graph & m_Graph;
  const U2NetConfiguration & m_Configuration;
  std::size_t m_Task;
  ModuleBuilder m_Modules;
};

Adapter
FindAdapter(const StateDict & weights)
{
  const std::string first = "down_blocks.0.op1.adapOps.0.";
  if (weights.Has(first + "conv1.weight"))
  {
    return Adapter::Separable;
  }
  if (weights.Has(first + "op1.1.weight"))
  {
    return Adapter::Series;
  }
  return weights.Has(first + "op1.weight") ? Adapter::Parallel : Adapter::None;
}
} // namespace

U2NetNetwork::U2NetNetwork(U2NetConfiguration configuration)
  : m_Configuration(std::move(configuration))
{
  const auto require = [](const std::string & name, std::int64_t value, std::int64_t low, std::int64_t high)
  {
    itkNNRequireMacro(value >= low && value <= high,
                      "u2net: " << name << " is " << value << ", should be " << low << " to " << high);
  };
  const auto & pools = m_Configuration.pools;
  itkNNRequireMacro(pools.size() == 3,
                    "u2net: num_pool_per_axis has " << pools.size() << " entries, should have one for each of D, H, W");
  for (const std::int64_t entry : pools)
  {
    require("an entry of num_pool_per_axis", entry, 0, maximumPools);
  }
  const std::size_t levels = GetLevels(m_Configuration);
  itkNNRequireMacro(levels > 1, "u2net: num_pool_per_axis is 0 along all axes, should be at least 1 along one");
  require("base_channels", m_Configuration.baseChannels, 1, maximumChannels >> (levels - 1));
  const std::size_t tasks = m_Configuration.inputChannels.size();
  itkNNRequireMacro(tasks >= 1 && tasks <= maximumTasks,
                    "u2net: in_channels has " << tasks << " entries, should have one a task, 1 to " << maximumTasks);
  itkNNRequireMacro(m_Configuration.classes.size() == tasks,
                    "u2net: num_classes has " << m_Configuration.classes.size() << " entries and in_channels " << tasks
                                              << ", both should have one a task");
  for (std::size_t task = 0; task < tasks; ++task)
  {
    require("an entry of in_channels", m_Configuration.inputChannels[task], 1, maximumChannels);
    require("an entry of num_classes", m_Configuration.classes[task], 1, maximumChannels);
  }
  require("task", m_Configuration.task, 0, static_cast<std::int64_t>(tasks) - 1);
}

U2NetNetwork::~U2NetNetwork() = default;

Network::ConstPointer
U2NetNetwork::FromJson(const std::string & text)
{
  const ConfigurationReader reader("u2net", text);
  U2NetConfiguration configuration;
  const std::string mode = reader.GetChoice("mode", "universal", { "universal", "shared", "independent" });
  configuration.adapter = Adapter::None;
  if (mode == "universal")
  {
    const std::string module =
      reader.GetChoice("module", "separable_adapter", { "separable_adapter", "parallel_adapter", "series_adapter" });
    configuration.adapter = std::find_if(std::begin(adapterNames),
                                         std::end(adapterNames),
                                         [&module](const AdapterName & entry) { return module == entry.module; })
                              ->adapter;
  }
  configuration.pools = reader.GetIntegers("num_pool_per_axis", configuration.pools, { 3 }, 0, maximumPools);
  configuration.baseChannels = reader.GetInteger("base_channels", configuration.baseChannels, 1, maximumChannels);
  configuration.inputChannels = reader.GetIntegers("in_channels", 1, maximumChannels);
  configuration.classes = reader.GetIntegers("num_classes", 1, maximumChannels);
  configuration.hasDeepSupervision = reader.GetBoolean("deep_supervision", configuration.hasDeepSupervision);
  configuration.isResidual = reader.GetBoolean("residual", configuration.isResidual);
  configuration.task = reader.GetInteger("task", 0, 0, maximumTasks - 1);
  itkNNRequireMacro(mode != "independent" || configuration.inputChannels.size() == 1,
                    "u2net: mode independent has " << configuration.inputChannels.size() << " tasks, should have one");
  return std::make_shared<U2NetNetwork>(std::move(configuration));
}

Network::ConstPointer
U2NetNetwork::FromWeights(const StateDict & weights)
{
  const auto inputOf = [](std::size_t task) { return Key("in_tr_list", task) + ".op1.0.weight"; };
  if (!weights.Has(inputOf(0)) || !weights.Has("out_tr_list.0.conv1.weight"))
  {
    return nullptr;
  }
  constexpr std::size_t axes = 5;
  U2NetConfiguration configuration;
  configuration.adapter = FindAdapter(weights);
  configuration.baseChannels = RequireWeight("u2net", weights, inputOf(0), axes)[0];
  configuration.inputChannels.clear();
  configuration.classes.clear();
  for (std::size_t task = 0; task < maximumTasks && weights.Has(inputOf(task)); ++task)
  {
    configuration.inputChannels.push_back(RequireWeight("u2net", weights, inputOf(task), axes)[1]);
    configuration.classes.push_back(
      RequireWeight("u2net", weights, Key("out_tr_list", task) + ".conv1.weight", axes)[0]);
  }
  std::int64_t pools = 0;
  while (pools < maximumPools && weights.Has(Key("down_samps", static_cast<std::size_t>(pools)) + ".op1.conv.weight"))
  {
    ++pools;
  }
  configuration.pools = { pools, pools, pools };
  configuration.hasDeepSupervision = pools == 1 || weights.Has("dSupers.0.0.op1.0.weight");
  auto network = std::make_shared<U2NetNetwork>(std::move(configuration));
  network->CheckWeights(weights);
  return network;
}

std::string
U2NetNetwork::GetName() const
{
  return "u2net";
}

std::string
U2NetNetwork::GetConfiguration() const
{
  const bool isUniversal = m_Configuration.adapter != Adapter::None;
  const bool isAlone = m_Configuration.inputChannels.size() == 1;
  nlohmann::json json{ { "mode", isUniversal ? "universal" : (isAlone ? "independent" : "shared") },
                       { "num_pool_per_axis", m_Configuration.pools },
                       { "base_channels", m_Configuration.baseChannels },
                       { "in_channels", m_Configuration.inputChannels },
                       { "num_classes", m_Configuration.classes },
                       { "deep_supervision", m_Configuration.hasDeepSupervision },
                       { "residual", m_Configuration.isResidual },
                       { "task", m_Configuration.task } };
  for (const AdapterName & entry : adapterNames)
  {
    if (entry.adapter == m_Configuration.adapter)
    {
      json["module"] = entry.module;
    }
  }
  return json.dump();
}

std::vector<Network::Parameter>
U2NetNetwork::GetParameters() const
{
  return Declarer(m_Configuration).Declare();
}

std::vector<std::string>
U2NetNetwork::GetInputNames() const
{
  return { "input" };
}

std::int64_t
U2NetNetwork::GetNumberOfTasks() const
{
  return static_cast<std::int64_t>(m_Configuration.inputChannels.size());
}

std::int64_t
U2NetNetwork::GetTask() const
{
  return m_Configuration.task;
}

Network::ConstPointer
U2NetNetwork::ForTask(std::int64_t task) const
{
  U2NetConfiguration configuration = m_Configuration;
  configuration.task = task;
  return std::make_shared<U2NetNetwork>(std::move(configuration));
}

Network::Extension
U2NetNetwork::WithTask(const NewTask & task) const
{
  U2NetConfiguration configuration = m_Configuration;
  configuration.task = static_cast<std::int64_t>(configuration.inputChannels.size());
  configuration.inputChannels.push_back(task.channels);
  configuration.classes.push_back(task.classes);
  return { std::make_shared<U2NetNetwork>(std::move(configuration)), {} };
}

Graph
U2NetNetwork::BuildGraph(const ShapeMap & inputs) const
{
  Extent3 divisors{};
  std::transform(m_Configuration.pools.begin(),
                 m_Configuration.pools.end(),
                 divisors.begin(),
                 [](std::int64_t pools) { return std::int64_t{ 1 } << pools; });
  const auto task = static_cast<std::size_t>(m_Configuration.task);
  const Shape & shape = RequireVolumeInput("u2net", inputs, m_Configuration.inputChannels[task], divisors);
  Graph graph;
  const ValueId input = graph.AddInput("input", shape);
  GraphBuilder(graph, m_Configuration, this->GetParameters()).Build(input);
  return graph;
}
} // namespace nn
} // namespace itk
