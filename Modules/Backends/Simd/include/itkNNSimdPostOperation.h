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
#ifndef itkNNSimdPostOperation_h
#define itkNNSimdPostOperation_h

#include <cstdint>
#include <vector>

namespace itk
{
namespace nn
{
namespace simd
{
/** \ingroup UniverSegSimd
 * What a kernel does to its result before storing it. */
enum class PostKind : std::uint8_t
{
  Relu,
  LeakyRelu,       ///< x > 0 ? x : alpha * x
  Clip,            ///< min(max(x, alpha), beta)
  Linear,          ///< alpha * x + beta
  AddChannel,      ///< x + operand[channel]
  SubtractChannel, ///< x - operand[channel]
  MultiplyChannel, ///< x * operand[channel]
  AddValue,        ///< x + operand of the result's shape and layout
  MultiplyValue,   ///< x * operand of the result's shape and layout
  GateValue        ///< operand of the result's shape and layout > 0 ? x : alpha * x
};

/** \ingroup UniverSegSimd
 * One of the post-operations of a kernel. */
struct PostOperation
{
  PostKind kind = PostKind::Relu;
  float alpha = 0;
  float beta = 0;
  /** Of AddValue, MultiplyValue and GateValue: the image of the operand for each image of
   * the result; empty: the same. */
  std::vector<std::int64_t> images = {};

  bool HasOperand() const
  {
    return kind >= PostKind::AddChannel;
  }
  bool IsPerChannel() const
  {
    return kind == PostKind::AddChannel || kind == PostKind::SubtractChannel || kind == PostKind::MultiplyChannel;
  }
};
} // namespace simd
} // namespace nn
} // namespace itk

#endif
