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

namespace itk
{
namespace nn
{
/** \defgroup UniverSegPasses Passes
 * Pure functions from a graph to an equal graph.
 * \ingroup UniverSegCore */

/** Without the nodes that no output needs. \ingroup UniverSegPasses */
UniverSegCore_EXPORT Graph RemoveDeadNodes(const Graph & graph);

/** With a concatenation of concatenations along one axis as one.
 * \ingroup UniverSegPasses */
UniverSegCore_EXPORT Graph FlattenConcatenations(const Graph & graph);

/** With each elementwise function of a convolution's result, where nothing
 * else uses that result, done by the convolution. \ingroup UniverSegPasses */
UniverSegCore_EXPORT Graph FusePostOperations(const Graph & graph);
} // namespace nn
} // namespace itk

#endif
