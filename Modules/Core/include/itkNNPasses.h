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
#ifndef itkNNPasses_h
#define itkNNPasses_h

#include "UniverSegCoreExport.h"
#include "itkNNGraph.h"

#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** \defgroup UniverSegPasses Passes
 * Pure functions from a graph to an equal graph: equal in real arithmetic, and
 * in float64 up to rounding. A pass does nothing where its conditions do not
 * hold.
 * \ingroup UniverSegCore */

/** What a pass may take into account. */
struct PassOptions
{
  /** Inputs that stay the same for many runs: work that depends on them and on
   * weights alone counts as done once. */
  std::vector<std::string> staticInputs;
};

/** Without the nodes that no output needs. \ingroup UniverSegPasses */
UniverSegCore_EXPORT Graph RemoveDeadNodes(const Graph & graph);

/** Without nodes whose result is their input: reductions over axes of one
 * element, and slices, reshapes, permutations, broadcasts, concatenations and
 * interpolations that change nothing. \ingroup UniverSegPasses */
UniverSegCore_EXPORT Graph RemoveIdentities(const Graph & graph);

/** With one node for all that do the same to the same inputs.
 * \ingroup UniverSegPasses */
UniverSegCore_EXPORT Graph MergeEqualNodes(const Graph & graph);

/** With a concatenation of concatenations along one axis as one.
 * \ingroup UniverSegPasses */
UniverSegCore_EXPORT Graph FlattenConcatenations(const Graph & graph);

/** With elementwise functions, convolutions, pooling and interpolation done
 * before an operand is repeated by a Broadcast or by a concatenation along
 * other axes, not after it. \ingroup UniverSegPasses */
UniverSegCore_EXPORT Graph HoistOutOfBroadcasts(const Graph & graph);

/** With a convolution over concatenated channels as a sum of convolutions,
 * where the parts differ in batch extents, so that a repeated part is convolved
 * once; in being static; or in being an interpolation that is better
 * convolved first. \ingroup UniverSegPasses */
UniverSegCore_EXPORT Graph SplitConvolutionsOverConcatenations(const Graph & graph, const PassOptions & options = {});

/** With a convolution of a sum as a sum of convolutions, where that is less
 * work: one operand is static, or both are repeated along different axes.
 * \ingroup UniverSegPasses */
UniverSegCore_EXPORT Graph DistributeConvolutionsOverSums(const Graph & graph, const PassOptions & options = {});

/** With a mean or sum over batch axes taken before the linear operators that
 * lead to it (convolution, interpolation, concatenation, addition, scaling,
 * average pooling), where nothing else needs their results.
 * \ingroup UniverSegPasses */
UniverSegCore_EXPORT Graph MoveReductionsThroughLinearOperators(const Graph & graph);

/** With two convolutions in a row as one whose kernel is their composition,
 * where that is less work. Where the second one's zero padding is not what the
 * first would give outside, the border is computed by the two.
 * \ingroup UniverSegPasses */
UniverSegCore_EXPORT Graph ComposeConvolutions(const Graph & graph);

/** With a convolution over an interpolated tensor as pointwise products of the
 * coarse tensor, one a tap, and a ShiftedInterpolation, where that is less
 * work and the weights are constant. \ingroup UniverSegPasses */
UniverSegCore_EXPORT Graph ConvolveBeforeInterpolation(const Graph & graph);

/** With a scale and an offset of each channel behind a convolution, such as a
 * batch normalisation in inference, folded into its weights and bias.
 * \ingroup UniverSegPasses */
UniverSegCore_EXPORT Graph FoldAffineIntoConvolutions(const Graph & graph);

/** With elementwise functions done by the operator whose result they change,
 * where nothing else uses that result: a Convolution, a ShiftedInterpolation,
 * or another elementwise function, which becomes a Pointwise.
 * \ingroup UniverSegPasses */
UniverSegCore_EXPORT Graph FusePostOperations(const Graph & graph);

/** What one pass did, for people. */
struct PassReport
{
  std::string pass;
  std::size_t nodes = 0; ///< behind the pass
  double flops = 0;      ///< of convolutions and matrix products, behind the pass
};

/** All passes that change what is computed, repeated until none finds anything.
 * Post-operations are not fused yet, so that the result can be split.
 * \param reports gets an entry for each pass that changed the graph.
 * \ingroup UniverSegPasses */
UniverSegCore_EXPORT Graph SimplifyGraph(const Graph & graph,
                                         const PassOptions & options = {},
                                         std::vector<PassReport> * reports = nullptr);

/** For each value, whether weights, constants and the inputs named determine
 * it. Throws Error when there is no such input. */
UniverSegCore_EXPORT std::vector<bool> FindStaticValues(const Graph & graph,
                                                        const std::vector<std::string> & staticInputs);

/** A graph in two: what static inputs determine, and the rest. */
struct StaticSplit
{
  Graph prologue;                 ///< inputs: the static ones; outputs: `names`
  Graph remainder;                ///< inputs: the others, then `names`; outputs: the graph's
  std::vector<std::string> names; ///< of the values that go from one to the other: "static.0", ...
};

/** Split at the values that only static inputs determine. Static inputs that
 * nothing but the remainder needs pass through the prologue.
 * \ingroup UniverSegPasses */
UniverSegCore_EXPORT StaticSplit SplitAtStaticInputs(const Graph & graph,
                                                     const std::vector<std::string> & staticInputs);
} // namespace nn
} // namespace itk

#endif
