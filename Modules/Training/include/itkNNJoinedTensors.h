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
#ifndef itkNNJoinedTensors_h
#define itkNNJoinedTensors_h

#include "UniverSegTrainingExport.h"
#include "itkNNExecutionPlan.h"
#include "itkNNGraph.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace itk
{
namespace nn
{
/** \class JoinedTensors
 * \brief Where named tensors lie in one tensor [size], so that a device moves, sums and
 * sends them in one go.
 *
 * Each begins at a multiple of 32 elements, which is 64 bytes or more of any floating-point
 * type, as devices like it; what is between them is 0.
 * \ingroup UniverSegTraining
 */
class UniverSegTraining_EXPORT JoinedTensors
{
public:
  /** \brief One of the tensors: elements [begin, end). */
  struct Part
  {
    std::string name;
    Shape shape;
    std::int64_t begin = 0;
    std::int64_t end = 0; ///< behind the last element
  };

  explicit JoinedTensors(const std::vector<std::pair<std::string, Shape>> & tensors);

  /** In the order in which they were given. */
  const std::vector<Part> & GetParts() const
  {
    return m_Parts;
  }
  /** Elements of all, with what is between them. */
  std::int64_t GetSize() const
  {
    return m_Size;
  }

  /** One tensor of float32 on the host. Throws Error when one of the tensors is missing or has
   * another shape. */
  Tensor Join(const StateDict & tensors) const;

  /** Views of the parts.
   * \param joined [size], on the host or a device. */
  TensorMap Split(const Tensor & joined) const;

  /** The value [size] of values in a graph, in the order of the parts. */
  ValueId Join(Graph & graph, const std::vector<ValueId> & values) const;

private:
  std::vector<Part> m_Parts;
  std::int64_t m_Size = 0;
};
} // namespace nn
} // namespace itk

#endif
