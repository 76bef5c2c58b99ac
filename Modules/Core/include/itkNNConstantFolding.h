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
#ifndef itkNNConstantFolding_h
#define itkNNConstantFolding_h

#include "UniverSegCoreExport.h"
#include "itkNNGraph.h"
#include "itkNNStateDict.h"

#include <map>
#include <mutex>
#include <string>
#include <utility>

namespace itk
{
namespace nn
{
/** \class FoldedWeights
 * \brief Tensors computed from the weights of a model, shared by its plans.
 *
 * The key of a tensor is the text of what computes it. Safe to use from several
 * threads.
 * \ingroup UniverSegCore
 */
class UniverSegCore_EXPORT FoldedWeights
{
public:
  /** The tensor stored under a key in a precision, undefined when there is none. */
  Tensor Find(const std::string & key, DataType precision) const;

  /** Keep a tensor in the precision of its elements, unless there is one. */
  void Store(const std::string & key, const Tensor & tensor);

  /** Forget a tensor; who has it keeps it. */
  void Remove(const std::string & key, DataType precision);

  /** Bytes of all tensors. */
  std::size_t GetNumberOfBytes() const;

private:
  mutable std::mutex m_Mutex;
  std::map<std::pair<std::string, DataType>, Tensor> m_Tensors;
};

/** A graph and the weights that it needs. */
struct FoldedGraph
{
  Graph graph;
  StateDict weights;
};

/** The graph with what depends on parameters and constants alone computed: such
 * values become parameters, named after what computed them. They are computed
 * by the reference backend in float64 and rounded once. A value that is much
 * larger than what it is computed from stays as it is.
 * \param weights has the graph's parameters; throws Error when one is missing.
 * \param precision of the computed tensors.
 * \param folded where computed tensors are found and kept.
 * \ingroup UniverSegPasses */
UniverSegCore_EXPORT FoldedGraph FoldConstants(const Graph & graph,
                                               const StateDict & weights,
                                               DataType precision,
                                               FoldedWeights & folded);
} // namespace nn
} // namespace itk

#endif
