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
#include "itkNNShape.h"

#include "itkNNError.h"

#include <algorithm>
#include <limits>
#include <sstream>

namespace itk
{
namespace nn
{
std::int64_t
NumberOfElements(const Shape & shape)
{
  bool empty = false;
  for (const auto extent : shape)
  {
    itkNNRequireMacro(extent >= 0, "Shape " << ToString(shape) << " has a negative extent");
    empty = empty || extent == 0;
  }
  if (empty)
  {
    return 0;
  }
  std::int64_t product = 1;
  for (const auto extent : shape)
  {
    itkNNRequireMacro(product <= std::numeric_limits<std::int64_t>::max() / extent,
                      "Shape " << ToString(shape) << " has more elements than 63 bits can count");
    product *= extent;
  }
  return product;
}

std::string
ToString(const Shape & shape)
{
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out << '[';
  for (std::size_t i = 0; i < shape.size(); ++i)
  {
    out << (i ? ", " : "") << shape[i];
  }
  out << ']';
  return out.str();
}

Shape
ContiguousStrides(const Shape & shape)
{
  Shape strides(shape.size(), 1);
  // Unsigned: the extents of an empty tensor may have a product beyond 63 bits.
  std::uint64_t step = 1;
  for (std::size_t i = shape.size(); i-- > 0;)
  {
    strides[i] = static_cast<std::int64_t>(step);
    step *= static_cast<std::uint64_t>(std::max<std::int64_t>(shape[i], 1));
  }
  return strides;
}

Shape
BroadcastShapes(const Shape & a, const Shape & b)
{
  const std::size_t rank = std::max(a.size(), b.size());
  Shape result(rank, 1);
  for (std::size_t i = 0; i < rank; ++i)
  {
    const std::int64_t extentA = i < a.size() ? a[a.size() - 1 - i] : 1;
    const std::int64_t extentB = i < b.size() ? b[b.size() - 1 - i] : 1;
    itkNNRequireMacro(extentA == extentB || extentA == 1 || extentB == 1,
                      "Shapes " << ToString(a) << " and " << ToString(b) << " do not broadcast");
    result[rank - 1 - i] = extentA == 1 ? extentB : extentA;
  }
  return result;
}

bool
IsPerChannel(const Shape & operand, const Shape & result, int channelAxis)
{
  const std::size_t added = result.size() - operand.size();
  for (std::size_t i = 0; i < operand.size(); ++i)
  {
    const bool isChannel = static_cast<int>(added + i) == channelAxis;
    if (operand[i] != (isChannel ? result[added + i] : 1))
    {
      return false;
    }
  }
  return static_cast<int>(added) <= channelAxis;
}

Shape
WithLeadingOnes(const Shape & shape, std::size_t rank)
{
  Shape padded(rank - shape.size(), 1);
  padded.insert(padded.end(), shape.begin(), shape.end());
  return padded;
}

int
NormalizeAxis(int axis, int rank)
{
  itkNNRequireMacro(axis >= -rank && axis < rank,
                    "Axis " << axis << " is outside of [" << -rank << ", " << rank - 1 << "] for rank " << rank);
  return axis < 0 ? axis + rank : axis;
}
} // namespace nn
} // namespace itk
