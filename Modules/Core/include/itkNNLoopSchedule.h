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
#ifndef itkNNLoopSchedule_h
#define itkNNLoopSchedule_h

#include "UniverSegCoreExport.h"
#include "itkNNGraph.h"

#include <cstddef>
#include <vector>

namespace itk
{
namespace nn
{
/** \brief Nodes that run together for one group of elements of an axis after
 * the other, so that what they pass on stays in the cache. */
struct LoopRegion
{
  std::vector<int> nodes;       ///< in order; without the reductions
  std::vector<int> reductions;  ///< sums and means over the axis of what the region makes or gets
  std::vector<ValueId> stacked; ///< results that are needed whole, by others or as outputs
};

/** \brief An order in which a graph can run, with some of its nodes in loops
 * over one axis. */
struct LoopSchedule
{
  /** One node, or one region. */
  struct Item
  {
    int node = -1;   ///< -1 for a region
    int region = -1; ///< -1 for a node
  };

  int axis = -1;           ///< of all values that are looped over; -1: no loops
  std::size_t rank = 0;    ///< axes of those values
  std::int64_t extent = 0; ///< elements of the axis
  std::vector<LoopRegion> regions;
  std::vector<Item> items;
};

/** \brief Group a graph's nodes in loops over the axis over which its largest
 * sum or mean is taken, for example the supports.
 *
 * An axis can be looped over when the axes before it have one element, so that
 * an element of it is contiguous memory. A node is in a loop when it treats the
 * elements of the axis independently. Between two regions stand the nodes that
 * need a reduction of the first. A node whose result is smaller than what it
 * reads runs as early as it can, another as late as it can, so that little is
 * kept between regions.
 *
 * Without loops when the axis has fewer than minimumExtent elements.
 * \ingroup UniverSegCore */
UniverSegCore_EXPORT LoopSchedule ScheduleLoops(const Graph & graph, std::int64_t minimumExtent);

/** \brief What a region does to a group of elements, as a graph.
 *
 * Inputs "in.i": values from outside, of which the sliced ones have
 * group elements along the axis. Outputs "stack.i": the region's stacked
 * values; "sum.i": for each reduction the sum over the group. */
struct LoopBody
{
  /** \brief A value from outside. */
  struct Input
  {
    ValueId value = -1;    ///< in the whole graph
    bool isSliced = false; ///< else every group sees it whole
  };

  Graph graph;
  std::vector<Input> inputs;
};

UniverSegCore_EXPORT LoopBody ExtractLoopBody(const Graph & graph,
                                              const LoopSchedule & schedule,
                                              const LoopRegion & region,
                                              std::int64_t group);

/** Number of elements to treat at once: a divisor of extent that shares the
 * work evenly among the threads and keeps bytesPerElement times itself below
 * cacheBytes where it can. */
UniverSegCore_EXPORT std::int64_t ChooseLoopGroup(std::int64_t extent,
                                                  unsigned int threads,
                                                  std::size_t bytesPerElement,
                                                  std::size_t cacheBytes);
} // namespace nn
} // namespace itk

#endif
