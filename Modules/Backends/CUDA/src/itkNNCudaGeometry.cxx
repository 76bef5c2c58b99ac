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
#include "itkNNCudaGeometry.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace itk
{
namespace nn
{
namespace cuda
{
ElementType
ToElementType(DataType type)
{
  switch (type)
  {
    case DataType::Float32:
      return ElementType::Float;
    case DataType::Float64:
      return ElementType::Double;
    case DataType::Float16:
      return ElementType::Half;
    case DataType::BFloat16:
      return ElementType::BFloat16;
    default:
      return ToBits(type);
  }
}

ElementType
ToBits(DataType type)
{
  switch (SizeOf(type))
  {
    case 1:
      return ElementType::Bits8;
    case 2:
      return ElementType::Bits16;
    case 4:
      return ElementType::Bits32;
    default:
      return ElementType::Bits64;
  }
}

std::size_t
BytesOf(ElementType type)
{
  switch (type)
  {
    case ElementType::Bits8:
      return 1;
    case ElementType::Bits16:
    case ElementType::Half:
    case ElementType::BFloat16:
      return 2;
    case ElementType::Bits32:
    case ElementType::Float:
      return 4;
    case ElementType::Bits64:
    case ElementType::Double:
      return 8;
    case ElementType::Bits128:
      break;
  }
  return 16;
}

Layout
AcceptedLayout(const Operand & operand)
{
  return operand.layout.kind == Layout::Kind::ChannelsLast && !operand.IsConstant() ? operand.layout : Layout{};
}

Shape
GetStrides(const Shape & shape, const Layout & layout)
{
  if (layout.IsPlain())
  {
    return ContiguousStrides(shape);
  }
  itkNNRequireMacro(layout.kind == Layout::Kind::ChannelsLast,
                    "Layout " << layout.ToText() << " should be plain or channels last");
  const auto axis = static_cast<std::size_t>(layout.axis);
  Shape strides(shape.size(), 1);
  std::int64_t stride = shape[axis];
  for (std::size_t i = shape.size(); i-- > 0;)
  {
    if (i != axis)
    {
      strides[i] = stride;
      stride *= shape[i];
    }
  }
  return strides;
}

Shape
GetBroadcastStrides(const Shape & operand, const Layout & layout, const Shape & result)
{
  const Shape own = GetStrides(operand, layout);
  Shape strides(result.size(), 0);
  const std::size_t added = result.size() - operand.size();
  for (std::size_t i = 0; i < operand.size(); ++i)
  {
    strides[added + i] = operand[i] == 1 ? 0 : own[i];
  }
  return strides;
}

Layout
GetCommonLayout(const OperatorCase & operatorCase)
{
  const Shape & shape = operatorCase.output.shape;
  for (const auto & input : operatorCase.inputs)
  {
    const Layout layout = AcceptedLayout(input);
    const Shape & own = input.type.shape;
    if (!layout.IsPlain() && own.size() == shape.size() &&
        std::equal(own.begin() + layout.axis, own.end(), shape.begin() + layout.axis))
    {
      return layout;
    }
  }
  return {};
}

namespace
{
Divider
MakeDivider(std::int64_t divisor)
{
  Divider divider{ divisor, 0, 0 };
  if (divisor > 0 && divisor <= std::numeric_limits<std::int32_t>::max())
  {
    // (n * multiplier / 2^32 + n) >> shift is n / divisor for all n below 2^31.
    while ((std::int64_t{ 1 } << divider.shift) < divisor)
    {
      ++divider.shift;
    }
    const std::uint64_t power = std::uint64_t{ 1 } << divider.shift;
    const auto d = static_cast<std::uint64_t>(divisor);
    divider.multiplier = static_cast<std::uint32_t>(((power - d) << 32U) / d + 1);
  }
  return divider;
}
} // namespace

Space
MakeSpace(const Shape & extents)
{
  itkNNRequireMacro(extents.size() <= maximumRank,
                    "A kernel has at most " << maximumRank << " axes, not those of " << ToString(extents));
  Space space{};
  space.rank = static_cast<std::int32_t>(extents.size());
  space.count = NumberOfElements(extents);
  space.isWide = space.count > std::numeric_limits<std::int32_t>::max() ? 1 : 0;
  for (std::size_t i = 0; i < extents.size(); ++i)
  {
    space.extents[i] = MakeDivider(extents[i]);
  }
  return space;
}

bool
SpaceBuilder::Build()
{
  std::vector<std::size_t> axes;
  for (std::size_t i = 0; i < m_Extents.size(); ++i)
  {
    if (m_Extents[i] != 1)
    {
      axes.push_back(i);
    }
  }
  std::stable_sort(
    axes.begin(), axes.end(), [&](std::size_t a, std::size_t b) { return m_Strides[0][a] > m_Strides[0][b]; });
  Shape extents;
  std::vector<Shape> strides(m_Strides.size());
  for (const auto axis : axes)
  {
    const bool joins =
      !extents.empty() && std::all_of(m_Strides.begin(),
                                      m_Strides.end(),
                                      [&, operand = std::size_t{ 0 }](const Shape & own) mutable
                                      { return strides[operand++].back() == own[axis] * m_Extents[axis]; });
    if (joins)
    {
      extents.back() *= m_Extents[axis];
    }
    else
    {
      extents.push_back(m_Extents[axis]);
    }
    for (std::size_t operand = 0; operand < strides.size(); ++operand)
    {
      if (joins)
      {
        strides[operand].back() = m_Strides[operand][axis];
      }
      else
      {
        strides[operand].push_back(m_Strides[operand][axis]);
      }
    }
  }
  if (extents.size() > maximumRank)
  {
    return false;
  }
  m_Space = MakeSpace(extents);
  m_Result.assign(strides.size(), Strides{});
  for (std::size_t operand = 0; operand < strides.size(); ++operand)
  {
    std::copy(strides[operand].begin(), strides[operand].end(), m_Result[operand].of);
  }
  return true;
}

bool
SpaceBuilder::Pack(std::int64_t width, bool isStrict)
{
  const int last = m_Space.rank - 1;
  if (last < 0 || m_Space.extents[last].divisor % width != 0)
  {
    return false;
  }
  for (const auto & strides : m_Result)
  {
    const bool isOne = strides.of[last] == 0;
    const bool isSideBySide =
      strides.of[last] == 1 &&
      std::all_of(strides.of, strides.of + last, [width](std::int64_t stride) { return stride % width == 0; });
    if ((!isOne || isStrict) && !isSideBySide)
    {
      return false;
    }
  }
  Shape extents;
  for (int d = 0; d <= last; ++d)
  {
    extents.push_back(m_Space.extents[d].divisor / (d == last ? width : 1));
  }
  m_Space = MakeSpace(extents);
  for (auto & strides : m_Result)
  {
    strides.of[last] *= width;
  }
  return true;
}

Image
MakeImage(const Shape & shape, const Layout & layout, std::size_t rank)
{
  const Shape strides = GetStrides(shape, layout);
  const std::size_t channels = shape.size() - rank - 1;
  Image image{};
  std::fill(image.extents, image.extents + 5, 1);
  image.extents[0] = NumberOfElements(Shape(shape.begin(), shape.begin() + static_cast<std::ptrdiff_t>(channels)));
  // The axes in front of the channels lie one in the other, whatever the layout.
  image.strides[0] = channels > 0 ? strides[channels - 1] : 0;
  image.extents[1] = shape[channels];
  image.strides[1] = strides[channels];
  for (std::size_t i = 0; i < rank; ++i)
  {
    image.extents[5 - rank + i] = shape[channels + 1 + i];
    image.strides[5 - rank + i] = strides[channels + 1 + i];
  }
  return image;
}

ImageItems
MakeItems(const Image & image, const Layout & layout)
{
  ImageItems items{};
  const std::int32_t plain[] = { 0, 1, 2, 3, 4 };
  const std::int32_t last[] = { 0, 2, 3, 4, 1 };
  std::copy_n(layout.IsPlain() ? plain : last, 5, items.order);
  Shape extents;
  for (const auto axis : items.order)
  {
    extents.push_back(image.extents[axis]);
  }
  items.space = MakeSpace(extents);
  return items;
}

Window
MakeWindow(const std::vector<std::int64_t> & kernel,
           const std::vector<std::int64_t> & stride,
           const std::vector<std::int64_t> & padding,
           const std::vector<std::int64_t> & dilation)
{
  Window window{};
  const auto fill = [&](std::int32_t * to, const std::vector<std::int64_t> & from, std::int32_t missing)
  {
    std::fill(to, to + 3, missing);
    for (std::size_t i = 0; i < from.size(); ++i)
    {
      to[3 - from.size() + i] = static_cast<std::int32_t>(from[i]);
    }
  };
  fill(window.kernel, kernel, 1);
  fill(window.stride, stride, 1);
  fill(window.padding, padding, 0);
  fill(window.dilation, dilation, 1);
  return window;
}

std::vector<ChainOperand>
GetOperands(const OperatorCase & operatorCase, std::size_t first)
{
  std::vector<ChainOperand> operands;
  for (std::size_t i = first; i < operatorCase.inputs.size(); ++i)
  {
    operands.push_back({ i, operatorCase.inputs[i].type.shape });
  }
  return operands;
}

ChainBuilder::ChainBuilder(const std::vector<PostOperation> & operations, const std::vector<ChainOperand> & operands)
{
  m_Parts.emplace_back();
  std::size_t next = 0;
  for (const auto & operation : operations)
  {
    const auto * binary = std::get_if<Binary>(&operation.operation);
    const Chain & last = m_Parts.back().chain;
    if (last.steps == maximumSteps || (binary != nullptr && last.operands == maximumOperands))
    {
      m_Parts.emplace_back();
    }
    Part & part = m_Parts.back();
    ChainStep step{};
    if (binary != nullptr)
    {
      step = { part.chain.operands++, static_cast<std::int32_t>(binary->function), binary->alpha, 0 };
      part.operands.push_back(operands[next++]);
    }
    else
    {
      const auto & unary = std::get<Unary>(operation.operation);
      step = { -1, static_cast<std::int32_t>(unary.function), unary.alpha, unary.beta };
    }
    part.chain.step[part.chain.steps++] = step;
  }
}

void
ChainBuilder::Bind(Chain & chain, const std::vector<ChainOperand> & operands, const KernelArguments & arguments)
{
  for (std::size_t i = 0; i < operands.size(); ++i)
  {
    chain.operand[i] = arguments.inputs[operands[i].input];
  }
}
} // namespace cuda
} // namespace nn
} // namespace itk
