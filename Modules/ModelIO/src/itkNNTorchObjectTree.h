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
#ifndef itkNNTorchObjectTree_h
#define itkNNTorchObjectTree_h

#include "itkNNTorchObject.h"

#include <deque>

namespace itk
{
namespace nn
{
/** The values of a file. They refer to each other by index, so that cycles leak
 * nothing and deep nesting is released without recursion. */
struct TorchObjectTree
{
  struct Node
  {
    TorchObject::Kind kind = TorchObject::Kind::None;
    /** Boolean, Integer; index of a Tensor; 1 + index of a storage. */
    std::int64_t integer = 0;
    double real = 0;
    /** String, Bytes, BigInteger; name of a Class or Opaque. */
    std::string text;
    /** Items; keys and values in turn; of an Opaque first arguments and state. */
    std::vector<std::uint32_t> items;
  };

  /** Where the items or entries begin. */
  static std::size_t FirstItem(const Node & node)
  {
    return node.kind == TorchObject::Kind::Opaque ? 2 : 0;
  }

  std::deque<Node> nodes;
  std::vector<Tensor> tensors;
};
} // namespace nn
} // namespace itk

#endif
