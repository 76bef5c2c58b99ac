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
#ifndef itkNNDifferentiation_h
#define itkNNDifferentiation_h

#include "UniverSegCoreExport.h"
#include "itkNNGraph.h"

#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** \defgroup UniverSegDifferentiation Differentiation
 * Gradients by reverse-mode differentiation, as a transformation of graphs.
 * \ingroup UniverSegCore */

/** How to differentiate. \ingroup UniverSegDifferentiation */
struct DifferentiationOptions
{
  /** Names of the inputs and parameters whose gradients are wanted; empty: all
   * parameters, or all floating-point inputs where there is no parameter. */
  std::vector<std::string> withRespectTo;

  /** Recomputation, also called checkpointing: results of nodes whose names
   * have one of these prefixes are not kept for the gradients but computed again
   * when the first of a prefix is needed, from the values at the borders of the
   * prefix. Less memory for up to one more forward pass. */
  std::vector<std::string> recompute;

  /** Results of so many elements or more that one pass over memory makes anew -
   * activations, scaling by channels, masks, copies, interpolations - are not
   * kept for the gradients either, but computed again from the results of
   * convolutions, matrix products and reductions. What would be a post-operation
   * of these stays. 0: all are kept. */
  std::int64_t recomputePassesFrom = 0;
};

/** A graph with its gradients. */
struct DifferentiatedGraph
{
  Graph graph; ///< the outputs of the original, then the gradients
  /** What has a gradient: names of inputs and parameters. What the differentiated
   * output does not depend on has none. */
  std::vector<std::string> names;
  /** Their gradients: "gradient.NAME", unless the graph had such an output, then
   * with one more "gradient." in front. */
  std::vector<std::string> outputs;
};

/** The gradient of an output's sum of elements, usually a scalar loss, with
 * respect to inputs and parameters.
 *
 * Where a function has no derivative: that of a rectifier at 0 is that of the
 * negative side, of Abs at 0 it is 0, of Clip it is 1 at both ends; a maximum
 * of equal elements of a Reduction shares its gradient evenly, of a Binary
 * half and half, and a Pooling gives it to the first. RoundHalfEven, Greater,
 * Equal and what decides a Gate give no gradient. These are the conventions of
 * PyTorch.
 *
 * The result is an ordinary graph: the passes of itkNNPasses.h apply to it, and
 * it can be differentiated again, but for the gradient of a maximum's Pooling.
 *
 * Throws Error when there is no such output, input or parameter, when the output
 * is not of a floating-point type, and when an operator on the way cannot be
 * differentiated.
 * \ingroup UniverSegDifferentiation */
UniverSegCore_EXPORT DifferentiatedGraph Differentiate(const Graph & graph,
                                                       const std::string & output,
                                                       const DifferentiationOptions & options = {});

/** The name of a gradient among the outputs: "gradient." + name. */
UniverSegCore_EXPORT std::string GetGradientName(const std::string & name);

/** With post-operations as nodes of their own, as they were before
 * FusePostOperations(). \ingroup UniverSegPasses */
UniverSegCore_EXPORT Graph ExpandPostOperations(const Graph & graph);

/** With inputs in the place of parameters, for weights that change from run to
 * run. \ingroup UniverSegPasses */
UniverSegCore_EXPORT Graph MakeParametersInputs(const Graph & graph);
} // namespace nn
} // namespace itk

#endif
