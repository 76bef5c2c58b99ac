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
#include "itkNNOneDNNWindows.h"

namespace itk
{
namespace nn
{
namespace onednn
{
Dims
MergeBatch(const Shape & shape, std::size_t rank)
{
  const auto spatial = shape.end() - static_cast<std::ptrdiff_t>(rank);
  Dims dims{ NumberOfElements(Shape(shape.begin(), spatial - 1)), *(spatial - 1) };
  dims.insert(dims.end(), spatial, shape.end());
  return dims;
}

Tag
TagOf(Layout::Kind kind, std::size_t axes)
{
  static constexpr Tag tags[4][3] = { { Tag::abc, Tag::abcd, Tag::abcde },
                                      { Tag::aBc8b, Tag::aBcd8b, Tag::aBcde8b },
                                      { Tag::aBc16b, Tag::aBcd16b, Tag::aBcde16b },
                                      { Tag::acb, Tag::acdb, Tag::acdeb } };
  return tags[static_cast<int>(kind)][axes - 3];
}

bool
ToLayout(const dnnl::memory::desc & description, int channelAxis, Layout & layout)
{
  const auto dims = description.get_dims();
  for (const auto kind :
       { Layout::Kind::Plain, Layout::Kind::Blocked8, Layout::Kind::Blocked16, Layout::Kind::ChannelsLast })
  {
    if (description == dnnl::memory::desc(dims, f32, TagOf(kind, dims.size())))
    {
      layout = { kind, channelAxis };
      return true;
    }
  }
  return false;
}

std::vector<LayoutChoice>
GetLayoutChoices(const Dims & src, const Dims & dst)
{
  const Layout::Kind kind = GetBlockedKind();
  const std::int64_t block = kind == Layout::Kind::Blocked16 ? 16 : 8;
  const Tag blocked = TagOf(kind, src.size());
  const Tag plain = TagOf(Layout::Kind::Plain, src.size());
  const Tag fromBlocks = src[1] % block == 0 ? blocked : Tag::any;
  std::vector<LayoutChoice> choices;
  if (dst[1] % block == 0)
  {
    choices.push_back({ fromBlocks, blocked });
  }
  else
  {
    choices.push_back({ fromBlocks, plain });
  }
  choices.push_back({ Tag::any, Tag::any });
  // Few channels have fast primitives only so.
  const Tag channelsLast = TagOf(Layout::Kind::ChannelsLast, src.size());
  choices.push_back({ channelsLast, channelsLast });
  choices.push_back({ plain, plain });
  return choices;
}

int
GetSlowness(const std::string & implementation)
{
  return implementation.find("ref") != std::string::npos ? 2 : implementation.find("gemm") != std::string::npos ? 1 : 0;
}

dnnl::memory::desc
PlainWeights(const Shape & shape, std::int64_t groups)
{
  Dims dims(shape.begin(), shape.end());
  if (groups > 1)
  {
    dims[0] /= groups;
    dims.insert(dims.begin(), groups);
  }
  static constexpr Tag tags[] = { Tag::abc, Tag::abcd, Tag::abcde, Tag::abcdef };
  return dnnl::memory::desc(dims, f32, tags[dims.size() - 3]);
}

Dims
ToDilation(const std::vector<std::int64_t> & dilation)
{
  Dims dims;
  for (const auto value : dilation)
  {
    dims.push_back(value - 1);
  }
  return dims;
}

RowPlanes
GetRowPlanes(const OperatorCase & operatorCase, std::size_t rank)
{
  const Shape & src = operatorCase.inputs[0].type.shape;
  const Shape & dst = operatorCase.output.shape;
  RowPlanes rows;
  const Layout layout = operatorCase.inputs[0].layout;
  if (layout.GetBlock() != 0 && layout.axis == static_cast<int>(src.size() - rank) - 1)
  {
    rows.layout = layout;
  }
  for (std::size_t fromEnd = 1; fromEnd <= rank; ++fromEnd)
  {
    rows.src[3 - fromEnd] = src[src.size() - fromEnd];
    rows.dst[3 - fromEnd] = dst[dst.size() - fromEnd];
  }
  const Shape physical = rows.layout.GetPhysicalShape(src);
  rows.planes =
    NumberOfElements(Shape(physical.begin(), physical.begin() + static_cast<std::ptrdiff_t>(src.size() - rank)));
  return rows;
}
} // namespace onednn
} // namespace nn
} // namespace itk
