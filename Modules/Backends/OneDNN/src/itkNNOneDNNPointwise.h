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
#ifndef itkNNOneDNNPointwise_h
#define itkNNOneDNNPointwise_h

#include "itkNNBackend.h"
#include "itkNNSimdPointwise.h"

#include <functional>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
namespace onednn
{
/** \class PostOperationChain
 * \brief Post-operations over memory of one layout, in one pass.
 *
 * src and the operands lie in the result's layout and repeat along batch axes,
 * or have one value a channel, or one value.
 */
class PostOperationChain
{
public:
  /** Why values of these shapes cannot be read along; empty when they can. */
  static std::string GetUnsupportedReason(const std::vector<ValueType> & values,
                                          const ValueType & result,
                                          const Layout & layout);

  /** The layout that src or an operand has to have. */
  static Layout GetInputLayout(const ValueType & input, const ValueType & result, const Layout & layout);

  /** \param inputs src, then an operand for each binary post-operation. */
  PostOperationChain(std::vector<PostOperation> operations,
                     const std::vector<ValueType> & inputs,
                     const ValueType & result,
                     const Layout & layout);

  /** dst = chain(src, operands...) on the backend's threads. dst may be src. */
  void Execute(const std::vector<const void *> & inputs, void * dst, unsigned int threads) const;

  /** The elements [begin, end) of the result's memory, in this thread. They should
   * be whole blocks in blocked memory and all channels of pixels where those come last. */
  void ExecuteRange(const std::vector<const void *> & inputs, float * dst, std::int64_t begin, std::int64_t end) const;

private:
  /** Whole: elements as the result's; periodic: a block of channels again and
   * again; scalar: one value in a run. */
  using Mode = simd::PointwiseAccess;

  /** Where an input's elements are for a run of the result. */
  struct Access
  {
    Mode mode = Mode::Whole;
    std::vector<std::int64_t> strides; ///< in elements, for each outer axis
    /** More than 0: values of one a channel are copied in rows of this length first,
     * in blocks filled with zeros, or again and again where channels come last. */
    std::int64_t rowLength = 0;
    std::int64_t rows = 0;

    std::int64_t GetOffset(const Shape & outer, std::int64_t position) const;
  };

  /** The rows of an input. */
  std::vector<float> MakeRows(const Access & access, const float * values) const;

  /** Part of a run: the elements [first, first + count) at an outer position. */
  void ExecuteChunk(const std::vector<const float *> & inputs,
                    float * to,
                    std::int64_t position,
                    std::int64_t first,
                    std::int64_t count) const;

  Access MakePlainAccess(const ValueType & input) const;
  Access MakeChannelAccess(const ValueType & input) const;
  void FindPlainRun();

  std::vector<PostOperation> m_Operations;
  ValueType m_Result;
  Layout m_Layout;
  std::int64_t m_Block;
  Shape m_Outer;
  std::int64_t m_Run = 1;
  std::int64_t m_Chunk; ///< elements that are treated at once
  std::vector<Access> m_Accesses;
};
/** An operator without its post-operations, as propose() proposes it, then those
 * in a pass of their own over the result.
 * \param inputs of the operator itself. */
Proposal ProposeTwoSteps(const OperatorCase & operatorCase,
                         std::size_t inputs,
                         const std::function<Proposal(const OperatorCase &)> & propose);
} // namespace onednn
} // namespace nn
} // namespace itk

#endif
