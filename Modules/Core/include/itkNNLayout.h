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
#ifndef itkNNLayout_h
#define itkNNLayout_h

#include "UniverSegCoreExport.h"
#include "itkNNShape.h"

#include <cstdint>
#include <string>

namespace itk
{
namespace nn
{
/** \class Layout
 * \brief How the elements of a contiguous value lie in memory.
 *
 * Plain is row-major. Blocked splits one axis (the channels) in blocks of 8 or
 * 16, rounded up and filled with zeros, and moves the position in the block to
 * the end: [n, C, h, w] becomes [n, ceil(C / b), h, w, b]. ChannelsLast moves
 * the axis itself to the end: [n, h, w, C].
 * \ingroup UniverSegCore
 */
struct UniverSegCore_EXPORT Layout
{
  enum class Kind : std::uint8_t
  {
    Plain,
    Blocked8,
    Blocked16,
    ChannelsLast
  };

  Kind kind = Kind::Plain;
  int axis = 0; ///< the channels; without meaning for Plain

  bool IsPlain() const
  {
    return kind == Kind::Plain;
  }
  /** 8, 16, or 0 when not blocked. */
  int GetBlock() const
  {
    return kind == Kind::Blocked8 ? 8 : kind == Kind::Blocked16 ? 16 : 0;
  }

  /** Extents in memory order. */
  Shape GetPhysicalShape(const Shape & shape) const;

  /** Elements with the filling. */
  std::int64_t GetPhysicalElements(const Shape & shape) const;

  bool operator==(const Layout & other) const
  {
    return kind == other.kind && (this->IsPlain() || axis == other.axis);
  }
  bool operator!=(const Layout & other) const
  {
    return !(*this == other);
  }

  /** "plain", "blocked8", "blocked16", "channels_last". */
  std::string ToText() const;
};
} // namespace nn
} // namespace itk

#endif
