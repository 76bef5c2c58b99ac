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
#include "itkNNWindowAttention.h"

#include <cmath>

namespace itk
{
namespace nn
{
namespace
{
constexpr float masked = -100;

std::int64_t
Cube(std::int64_t x)
{
  return x * x * x;
}

/** Raster number of a position. */
std::int64_t
ToNumber(const Extent3 & position, const Extent3 & extent)
{
  return (position[0] * extent[1] + position[1]) * extent[2] + position[2];
}
} // namespace

TokenWindows::TokenWindows(const Extent3 & grid, std::int64_t window, std::int64_t shift)
  : m_Grid(grid)
  , m_Padded(grid)
  , m_Window(window)
  , m_Shift(shift)
{
  itkNNRequireMacro(window >= 1 && shift >= 0 && shift < window,
                    "A window of tokens is " << window << " and shifted by " << shift
                                             << ", should be at least 1 and shifted by less");
  for (auto & extent : m_Padded)
  {
    extent = (extent + window - 1) / window * window;
  }
}

Extent3
TokenWindows::GetCounts() const
{
  return { { m_Padded[0] / m_Window, m_Padded[1] / m_Window, m_Padded[2] / m_Window } };
}

std::int64_t
TokenWindows::GetNumberOfWindows() const
{
  const Extent3 counts = this->GetCounts();
  return counts[0] * counts[1] * counts[2];
}

template <typename TFunction>
void
TokenWindows::ForEach(const TFunction & function) const
{
  const Extent3 counts = this->GetCounts();
  const Extent3 inside{ { m_Window, m_Window, m_Window } };
  Extent3 rolled{};
  for (rolled[0] = 0; rolled[0] < m_Padded[0]; ++rolled[0])
  {
    for (rolled[1] = 0; rolled[1] < m_Padded[1]; ++rolled[1])
    {
      for (rolled[2] = 0; rolled[2] < m_Padded[2]; ++rolled[2])
      {
        Extent3 window{};
        Extent3 token{};
        for (std::size_t axis = 0; axis < rolled.size(); ++axis)
        {
          window[axis] = rolled[axis] / m_Window;
          token[axis] = rolled[axis] % m_Window;
        }
        function(ToNumber(window, counts), ToNumber(token, inside), rolled);
      }
    }
  }
}

Tensor
TokenWindows::GetTokens() const
{
  const std::int64_t length = Cube(m_Window);
  Tensor tokens({ this->GetNumberOfWindows(), length }, DataType::Int64);
  auto * values = tokens.GetData<std::int64_t>();
  this->ForEach(
    [&](std::int64_t window, std::int64_t token, const Extent3 & rolled)
    {
      Extent3 position{};
      bool isInside = true;
      for (std::size_t axis = 0; axis < position.size(); ++axis)
      {
        position[axis] = (rolled[axis] + m_Shift) % m_Padded[axis];
        isInside = isInside && position[axis] < m_Grid[axis];
      }
      values[window * length + token] = isInside ? ToNumber(position, m_Grid) : m_Grid[0] * m_Grid[1] * m_Grid[2];
    });
  return tokens;
}

Tensor
TokenWindows::GetPositions() const
{
  const Tensor tokens = this->GetTokens();
  const auto * values = tokens.GetData<std::int64_t>();
  const std::int64_t count = m_Grid[0] * m_Grid[1] * m_Grid[2];
  Tensor positions({ count }, DataType::Int64);
  for (std::int64_t i = 0; i < tokens.GetNumberOfElements(); ++i)
  {
    if (values[i] < count)
    {
      positions.GetData<std::int64_t>()[values[i]] = i;
    }
  }
  return positions;
}

Tensor
TokenWindows::GetMask(std::size_t axis) const
{
  const std::int64_t length = Cube(m_Window);
  const std::int64_t count = this->GetCounts()[axis];
  const std::int64_t stride = axis == 0 ? m_Window * m_Window : axis == 1 ? m_Window : 1;
  const auto section = [&](std::int64_t window, std::int64_t token)
  {
    const std::int64_t rolled = window * m_Window + token / stride % m_Window;
    return rolled < m_Padded[axis] - m_Window ? 0 : rolled < m_Padded[axis] - m_Shift ? 1 : 2;
  };
  Tensor mask({ count, length, length });
  auto * values = mask.GetData<float>();
  for (std::int64_t row = 0; row < count * length; ++row)
  {
    for (std::int64_t key = 0; key < length; ++key)
    {
      const bool isApart = section(row / length, row % length) != section(row / length, key);
      values[row * length + key] = isApart ? masked : 0;
    }
  }
  return mask;
}

Tensor
TokenWindows::GetRelativePositions(std::int64_t window)
{
  const std::int64_t length = Cube(window);
  const Extent3 factors{ { 3 * window - 1, 2 * window - 1, 1 } };
  const auto coordinates = [window](std::int64_t token)
  { return Extent3{ { token / (window * window), token / window % window, token % window } }; };
  Tensor positions({ length, length }, DataType::Int64);
  for (std::int64_t query = 0; query < length; ++query)
  {
    for (std::int64_t key = 0; key < length; ++key)
    {
      std::int64_t row = 0;
      for (std::size_t axis = 0; axis < factors.size(); ++axis)
      {
        row += factors[axis] * (coordinates(query)[axis] - coordinates(key)[axis] + window - 1);
      }
      positions.GetData<std::int64_t>()[query * length + key] = row;
    }
  }
  return positions;
}

WindowTables
AddWindowTables(Graph & graph, const TokenWindows & windows, const std::string & key)
{
  WindowTables tables;
  tables.tokens = graph.AddConstant(windows.GetTokens(), key + ".tokens");
  tables.positions = graph.AddConstant(windows.GetPositions(), key + ".positions");
  tables.rows = graph.AddConstant(TokenWindows::GetRelativePositions(windows.GetWindow()), key + ".rows");
  tables.counts = windows.GetCounts();
  for (std::size_t axis = 0; axis < 3 && windows.IsShifted(); ++axis)
  {
    // Behind its axis stand the others, then heads, queries and keys.
    Tensor mask = windows.GetMask(axis);
    Shape shape = mask.GetShape();
    shape.insert(shape.begin() + 1, 3 - axis, 1);
    tables.masks[axis] = graph.AddConstant(mask.Reshape(shape), key + ".mask");
  }
  tables.isPadded = windows.IsPadded();
  return tables;
}

ValueId
AddWindowAttention(ModuleBuilder & modules,
                   ValueId tokens,
                   const WindowTables & windows,
                   std::int64_t heads,
                   double dropout,
                   const std::string & key)
{
  Graph & graph = modules.GetGraph();
  const Shape shape = graph.GetShape(tokens);
  const std::int64_t features = shape[2];
  const std::int64_t depth = features / heads;
  ValueId source = tokens;
  if (windows.isPadded)
  {
    const ValueId padding = graph.AddConstant(Tensor::Zeros({ shape[0], 1, features }), key + ".padding");
    source = graph.Concatenate({ tokens, padding }, 1, key + ".padding");
  }
  const std::int64_t count = graph.GetShape(windows.tokens)[0];
  const std::int64_t length = graph.GetShape(windows.tokens)[1];
  const ValueId parted = graph.Add(Gather{ 1 }, { source, windows.tokens }, key + ".windows");

  const ValueId all = modules.Transform(parted, key + ".qkv");
  const ValueId split = graph.Add(Reshape{ { shape[0], count, length, 3, heads, depth } }, { all }, key + ".qkv");
  const ValueId ordered = graph.Add(Permutation{ { 3, 0, 1, 4, 2, 5 } }, { split }, key + ".qkv");
  const auto part = [&](std::int64_t number, const char * name)
  {
    Slice slice{ { number, 0, 0, 0, 0, 0 }, { number + 1, shape[0], count, heads, length, depth }, {} };
    const ValueId value = graph.Add(std::move(slice), { ordered }, key + name);
    return graph.Add(Reshape{ { shape[0], count, heads, length, depth } }, { value }, key + name);
  };
  const ValueId queries = graph.Apply(
    UnaryFunction::Linear, part(0, ".queries"), 1 / std::sqrt(static_cast<double>(depth)), 0, key + ".queries");
  const ValueId keys = part(1, ".keys");
  const ValueId values = part(2, ".values");

  const ValueId table = modules.GetParameter(key + ".relative_position_bias_table");
  const ValueId biases = graph.Add(Gather{ 0 }, { table, windows.rows }, key + ".biases");
  const ValueId bias = graph.Add(Permutation{ { 2, 0, 1 } }, { biases }, key + ".biases");
  ValueId scores = graph.Add(MatrixProduct{ false, true }, { queries, keys }, key + ".scores");
  const bool isMasked = windows.masks[0] >= 0;
  if (isMasked)
  {
    // Before the bias, so that one pass adds it and the masks.
    const Extent3 & counts = windows.counts;
    scores = graph.Add(
      Reshape{ { shape[0], counts[0], counts[1], counts[2], heads, length, length } }, { scores }, key + ".scores");
  }
  scores = graph.Combine(BinaryFunction::Add, scores, bias, key + ".scores");
  if (isMasked)
  {
    for (const auto mask : windows.masks)
    {
      scores = graph.Combine(BinaryFunction::Add, scores, mask, key + ".scores");
    }
    scores = graph.Add(Reshape{ { shape[0], count, heads, length, length } }, { scores }, key + ".scores");
  }
  const ValueId parts =
    modules.Drop(graph.Add(Softmax{ -1, false }, { scores }, key + ".softmax"), dropout, key + ".attn_drop");
  const ValueId attended = graph.Add(MatrixProduct{}, { parts, values }, key + ".attended");

  const ValueId joined = graph.Add(Permutation{ { 0, 1, 3, 2, 4 } }, { attended }, key + ".joined");
  const ValueId flat = graph.Add(Reshape{ { shape[0], count * length, features } }, { joined }, key + ".joined");
  const ValueId projected = modules.Drop(modules.Transform(flat, key + ".proj"), dropout, key + ".proj_drop");
  return graph.Add(Gather{ 1 }, { projected, windows.positions }, key + ".back");
}
} // namespace nn
} // namespace itk
