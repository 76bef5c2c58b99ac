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
#ifndef itkNNGraphRewriter_h
#define itkNNGraphRewriter_h

#include "itkNNGraph.h"

#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** \class GraphRewriter
 * \brief Makes a new graph from an old one, node after node: copied, or
 * replaced by others that the pass adds to the result.
 *
 * Inputs are all kept, in their order; parameters and constants are copied when
 * they are first used.
 */
class GraphRewriter
{
public:
  explicit GraphRewriter(const Graph & source);

  const Graph & GetSource() const
  {
    return m_Source;
  }
  /** Where the pass adds its nodes. */
  Graph & GetResult()
  {
    return m_Result;
  }

  /** The result's value for a value of the source. */
  ValueId Map(ValueId id);
  std::vector<ValueId> Map(const std::vector<ValueId> & ids);

  /** Add an operator whose inputs are the source's values, for the source's
   * value `output`. */
  void Emit(Operator op, const std::vector<ValueId> & inputs, const std::string & name, ValueId output);

  void Copy(const Graph::Node & node);

  /** Let a value of the result stand for a value of the source. */
  void Replace(ValueId source, ValueId result);

  /** The result with the source's outputs and without what they do not need. */
  Graph Finish();

private:
  const Graph & m_Source;
  Graph m_Result;
  std::vector<ValueId> m_Mapping;
};

/** \class GraphPartCopier
 * \brief Copies values with all that they need into a new graph.
 */
class GraphPartCopier
{
public:
  explicit GraphPartCopier(const Graph & source);

  /** Let an input of the result stand for a value of the source. */
  void AddInput(ValueId id, const std::string & name);

  /** The result's value for a value of the source; copies what is missing. */
  ValueId Get(ValueId id);

  Graph & GetResult()
  {
    return m_Result;
  }

private:
  const Graph & m_Source;
  Graph m_Result;
  std::vector<ValueId> m_Mapping;
};

/** How often nodes and outputs use each value. */
std::vector<int> CountUses(const Graph & graph);

/** The operator of a kind that makes a value, else null. */
template <typename TOperator>
const TOperator *
FindProducer(const Graph & graph, ValueId id)
{
  const int node = graph.GetValue(id).node;
  return node < 0 ? nullptr : std::get_if<TOperator>(&graph.GetNodes()[static_cast<std::size_t>(node)].op);
}

inline const Graph::Node &
GetProducerNode(const Graph & graph, ValueId id)
{
  return graph.GetNodes()[static_cast<std::size_t>(graph.GetValue(id).node)];
}
} // namespace nn
} // namespace itk

#endif
