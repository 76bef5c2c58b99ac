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
#ifndef itkNNArenaPlanner_h
#define itkNNArenaPlanner_h

#include "UniverSegCoreExport.h"

#include <cstddef>
#include <vector>

namespace itk
{
namespace nn
{
/** A part of a piece of memory that is needed at other steps than the whole. */
struct MemoryPart
{
  std::size_t offset = 0; ///< in the piece
  std::size_t bytes = 0;
  int firstStep = 0;
  int lastStep = 0;
};

/** A piece of memory that is needed from one step to another, both included. */
struct MemoryRequest
{
  std::size_t bytes = 0;
  int firstStep = 0;
  int lastStep = 0;
  std::vector<MemoryPart> parts = {}; ///< needed at these steps too
};

/** Offsets of pieces of memory in one arena. \ingroup UniverSegCore */
struct ArenaAssignment
{
  std::vector<std::size_t> offsets; ///< one a request, multiples of 64
  std::size_t bytes = 0;
};

/** Pieces one after the other, each at the lowest offset where nothing that lives at
 * the same time is: largest first, in several orders of which the best counts.
 * Beside a part that lives alone its piece's memory is free. */
UniverSegCore_EXPORT ArenaAssignment AssignArena(const std::vector<MemoryRequest> & requests);
} // namespace nn
} // namespace itk

#endif
