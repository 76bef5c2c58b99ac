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
#include "itkNNConstantFolding.h"

#include "itkNNExecutionPlan.h"
#include "itkNNGraphRewriter.h"
#include "itkNNPasses.h"

#include <algorithm>
#include <iomanip>
#include <locale>
#include <sstream>

namespace itk
{
namespace nn
{
Tensor
FoldedWeights::Find(const std::string & key, DataType precision) const
{
  const std::lock_guard<std::mutex> lock(m_Mutex);
  const auto found = m_Tensors.find({ key, precision });
  return found == m_Tensors.end() ? Tensor() : found->second;
}

void
FoldedWeights::Store(const std::string & key, const Tensor & tensor)
{
  const std::lock_guard<std::mutex> lock(m_Mutex);
  m_Tensors.emplace(std::make_pair(key, tensor.GetDataType()), tensor);
}

void
FoldedWeights::Remove(const std::string & key, DataType precision)
{
  const std::lock_guard<std::mutex> lock(m_Mutex);
  m_Tensors.erase({ key, precision });
}

std::size_t
FoldedWeights::GetNumberOfBytes() const
{
  const std::lock_guard<std::mutex> lock(m_Mutex);
  std::size_t bytes = 0;
  for (const auto & entry : m_Tensors)
  {
    bytes += entry.second.GetNumberOfBytes();
  }
  return bytes;
}

namespace
{
/** Values of more elements are folded only when they are not much larger than
 * their sources. */
constexpr std::int64_t alwaysFolded = std::int64_t{ 1 } << 20;
constexpr std::int64_t largestGrowth = 8;

/** Longer keys are given by their hash: the text of a value that is used several
 * times would double with each use. */
constexpr std::size_t longestKey = 1024;

/** FNV-1a in hexadecimal digits. */
std::string
HashOf(const void * data, std::size_t size)
{
  const auto * bytes = static_cast<const unsigned char *>(data);
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (std::size_t i = 0; i < size; ++i)
  {
    hash = (hash ^ bytes[i]) * 0x100000001b3U;
  }
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out << std::hex << hash;
  return out.str();
}

/** Constants have no names of their own. */
std::string
HashOf(const Tensor & tensor)
{
  const Tensor contiguous = tensor.Contiguous();
  return ToString(tensor.GetDataType()) + ToString(tensor.GetShape()) +
         HashOf(contiguous.GetRawData(), contiguous.GetNumberOfBytes());
}

std::string
Quote(const std::string & text)
{
  std::ostringstream out;
  out << std::quoted(text);
  return out.str();
}

class Folder
{
public:
  explicit Folder(const Graph & graph)
    : m_Graph(graph)
    , m_IsFolded(graph.GetValues().size(), false)
    , m_IsFrontier(graph.GetValues().size(), false)
    , m_Keys(graph.GetValues().size())
  {
    const std::vector<bool> isConstant = FindStaticValues(graph, {});
    for (const auto & node : graph.GetNodes())
    {
      const auto output = static_cast<std::size_t>(node.output);
      std::int64_t sources = 0;
      bool complete = true;
      for (const auto input : node.inputs)
      {
        sources += NumberOfElements(graph.GetShape(input));
        const bool isSource = graph.GetValue(input).kind != Graph::ValueKind::Result;
        complete = complete && (isSource || m_IsFolded[static_cast<std::size_t>(input)]);
      }
      const std::int64_t elements = NumberOfElements(graph.GetShape(node.output));
      // What is computed becomes a parameter, and those are float32 in a graph.
      const bool isParameter = graph.GetValue(node.output).type.type == DataType::Float32;
      m_IsFolded[output] = isConstant[output] && complete && isParameter &&
                           (elements <= alwaysFolded || elements <= largestGrowth * sources);
    }
    const auto use = [&](ValueId id)
    { m_IsFrontier[static_cast<std::size_t>(id)] = m_IsFolded[static_cast<std::size_t>(id)]; };
    for (const auto & node : graph.GetNodes())
    {
      if (!m_IsFolded[static_cast<std::size_t>(node.output)])
      {
        std::for_each(node.inputs.begin(), node.inputs.end(), use);
      }
    }
    for (const auto & output : graph.GetOutputs())
    {
      use(output.value);
    }
  }

  bool IsFolded(ValueId id) const
  {
    return m_IsFolded[static_cast<std::size_t>(id)];
  }
  bool IsFrontier(ValueId id) const
  {
    return m_IsFrontier[static_cast<std::size_t>(id)];
  }

  /** What computes a value, as text. */
  const std::string & GetKey(ValueId id)
  {
    std::string & key = m_Keys[static_cast<std::size_t>(id)];
    if (key.empty())
    {
      const Graph::Value & value = m_Graph.GetValue(id);
      if (value.kind == Graph::ValueKind::Result)
      {
        const Graph::Node & node = GetProducerNode(m_Graph, id);
        std::string text = GetName(node.op) + std::string("(");
        for (const auto input : node.inputs)
        {
          text += this->GetKey(input) + ", ";
        }
        text += Describe(node.op) + ')';
        key = text.size() <= longestKey ? text : GetName(node.op) + ("#" + HashOf(text.data(), text.size()));
      }
      else
      {
        key = value.kind == Graph::ValueKind::Constant ? "constant:" + HashOf(value.constant) : Quote(value.name);
      }
    }
    return key;
  }

private:
  const Graph & m_Graph;
  std::vector<bool> m_IsFolded;
  std::vector<bool> m_IsFrontier;
  std::vector<std::string> m_Keys;
};

/** Copy a node. A slope that is one known number is a parameter of the function,
 * which more kernels have. */
void
CopyWithKnownSlope(GraphRewriter & rewriter,
                   const Graph::Node & node,
                   const StateDict & computed,
                   const StateDict & weights)
{
  const auto * binary = std::get_if<Binary>(&node.op);
  if (binary != nullptr && binary->function == BinaryFunction::PRelu)
  {
    const Graph::Value & slope = rewriter.GetResult().GetValue(rewriter.Map(node.inputs[1]));
    const bool isParameter = slope.kind == Graph::ValueKind::Parameter;
    if ((isParameter || slope.kind == Graph::ValueKind::Constant) && NumberOfElements(slope.type.shape) == 1 &&
        slope.type.shape.size() <= rewriter.GetResult().GetShape(rewriter.Map(node.inputs[0])).size())
    {
      const Tensor value = !isParameter             ? slope.constant
                         : computed.Has(slope.name) ? computed.Get(slope.name)
                                                    : weights.Get(slope.name);
      const Unary known{ UnaryFunction::LeakyRelu, value.To(DataType::Float64).ToVector<double>()[0] };
      rewriter.Emit(known, { node.inputs[0] }, node.name, node.output);
      return;
    }
  }
  rewriter.Copy(node);
}
} // namespace

FoldedGraph
FoldConstants(const Graph & graph, const StateDict & weights, DataType precision, FoldedWeights & folded)
{
  Folder folder(graph);

  // Compute what no other plan has computed.
  GraphPartCopier missing(graph);
  std::map<std::string, Tensor> computed;
  bool isComplete = true;
  for (const auto & node : graph.GetNodes())
  {
    if (folder.IsFrontier(node.output))
    {
      const std::string & key = folder.GetKey(node.output);
      const auto [entry, isNew] = computed.emplace(key, Tensor());
      if (isNew)
      {
        entry->second = folded.Find(key, precision);
      }
      if (isNew && !entry->second.IsDefined())
      {
        missing.GetResult().AddOutput(key, missing.Get(node.output));
        isComplete = false;
      }
    }
  }
  if (!isComplete)
  {
    PlanOptions options;
    options.backend = "reference";
    options.precision = DataType::Float64;
    options.threads = 1;
    options.optimize = false;
    for (const auto & value : ExecutionPlan::Compile(missing.GetResult(), weights, options)->Run({}))
    {
      const Tensor tensor = value.second.To(precision);
      computed[value.first] = tensor;
      folded.Store(value.first, tensor);
    }
  }

  FoldedGraph result;
  result.weights.SetSource(weights.GetSource());
  GraphRewriter rewriter(graph);
  for (const auto & node : graph.GetNodes())
  {
    if (folder.IsFrontier(node.output))
    {
      const std::string & key = folder.GetKey(node.output);
      rewriter.Replace(node.output, rewriter.GetResult().AddParameter(key, graph.GetShape(node.output)));
      if (!result.weights.Has(key))
      {
        result.weights.Add(key, computed.at(key));
      }
    }
    else if (!folder.IsFolded(node.output))
    {
      CopyWithKnownSlope(rewriter, node, result.weights, weights);
    }
  }
  result.graph = rewriter.Finish();
  for (const auto id : result.graph.GetValuesOfKind(Graph::ValueKind::Parameter))
  {
    const std::string & name = result.graph.GetValue(id).name;
    if (!result.weights.Has(name))
    {
      result.weights.Add(name, weights.Get(name));
    }
  }
  return result;
}
} // namespace nn
} // namespace itk
