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
#include "itkNNVolumeFusionGraph.h"

#include "itkNNError.h"

#include <algorithm>

namespace itk
{
namespace nn
{
namespace
{
/** Extents of the table of blocks: as many as may lie in an image, and a border of class 0
 * around them. */
Shape
GetTableExtents(const VolumeFusionOptions & options, const Shape & size)
{
  options.Check(size);
  itkNNRequireMacro(!size.empty() && size.size() <= 3 &&
                      std::all_of(size.begin(), size.end(), [](std::int64_t extent) { return extent >= 1; }),
                    "Volume fusion: images of size " << ToString(size)
                                                     << "; should have 1 to 3 axes of at least 1 element");
  Shape extents;
  for (std::size_t d = 0; d < size.size(); ++d)
  {
    // Two more where those at both ends are there in part.
    extents.push_back(size[d] / options.minimumBlock[d] + 2 + 2);
  }
  return extents;
}

std::int64_t
DivideDown(std::int64_t a, std::int64_t b)
{
  return a >= 0 ? a / b : -((b - 1 - a) / b);
}

/** The blocks of a grid along one axis that lie in an image in part at least. */
struct BlockRange
{
  BlockRange(const VolumeFusionGrid & grid, std::size_t axis, std::int64_t position, std::int64_t extent)
    : first(std::clamp<std::int64_t>(DivideDown(position - grid.offset[axis], grid.block[axis]), 0, grid.count[axis]))
    , end(std::clamp<std::int64_t>(
        DivideDown(position + extent - 1 - grid.offset[axis], grid.block[axis]) + 1, first, grid.count[axis]))
    , start(grid.offset[axis] + first * grid.block[axis] - position)
  {}

  std::int64_t first;
  std::int64_t end;
  std::int64_t start; ///< of the first, in the image
};

/** Class numbers with a border of zeros. */
void
FillTable(const VolumeFusionGrid & grid, const std::vector<BlockRange> & ranges, const Shape & extents, float * table)
{
  std::int64_t blocks = 1;
  for (const auto & range : ranges)
  {
    blocks *= range.end - range.first;
  }
  for (std::int64_t i = 0; i < blocks; ++i)
  {
    std::int64_t rest = i;
    std::int64_t from = 0;
    std::int64_t to = 0;
    std::int64_t fromStride = 1;
    std::int64_t toStride = 1;
    for (std::size_t d = ranges.size(); d-- > 0;)
    {
      const std::int64_t number = rest % (ranges[d].end - ranges[d].first);
      rest /= ranges[d].end - ranges[d].first;
      from += (ranges[d].first + number) * fromStride;
      to += (number + 1) * toStride;
      fromStride *= grid.count[d];
      toStride *= extents[d];
    }
    table[to] = static_cast<float>(grid.classes[static_cast<std::size_t>(from)]);
  }
}
} // namespace

Graph
BuildVolumeFusionGraph(const VolumeFusionOptions & options,
                       const Shape & size,
                       std::int64_t batch,
                       std::int64_t channels)
{
  const Shape extents = GetTableExtents(options, size);
  itkNNRequireMacro(batch >= 1 && channels >= 1,
                    "Volume fusion: a batch of " << batch << " images of " << channels
                                                 << " channels; should be at least 1 each");
  const auto axes = static_cast<std::int64_t>(size.size());
  Shape table{ batch, 1 };
  table.insert(table.end(), extents.begin(), extents.end());
  Shape image{ batch, channels };
  image.insert(image.end(), size.begin(), size.end());

  Graph graph;
  const ValueId foreground = graph.AddInput("foreground", image);
  const ValueId background = graph.AddInput("background", image);
  const ValueId classes = graph.AddInput("classes", table);
  const ValueId blocks = graph.AddInput("blocks", { batch, axes, 2 });
  // The block of a pixel: its centre's place, in blocks.
  std::vector<ValueId> components;
  for (std::int64_t d = 0; d < axes; ++d)
  {
    const auto take = [&](std::int64_t column)
    {
      const ValueId taken = graph.Add(Slice{ { 0, d, column }, { batch, d + 1, column + 1 }, {} }, { blocks }, "block");
      Shape shape(size.size() + 2, 1);
      shape[0] = batch;
      return graph.Add(Reshape{ shape }, { taken }, "block");
    };
    std::vector<float> centres;
    for (std::int64_t i = 0; i < size[static_cast<std::size_t>(d)]; ++i)
    {
      centres.push_back(static_cast<float>(i) + 0.5F);
    }
    Shape shape(size.size() + 2, 1);
    shape[static_cast<std::size_t>(d) + 2] = size[static_cast<std::size_t>(d)];
    const ValueId pixels = graph.AddConstant(Tensor::FromVector<float>(shape, centres), "pixels");
    const ValueId scaled = graph.Combine(BinaryFunction::Multiply, pixels, take(0), "scaled");
    components.push_back(graph.Combine(BinaryFunction::Add, scaled, take(1), "place"));
  }
  const ValueId places = graph.Concatenate(components, 1, "places");
  const ValueId labels =
    graph.Add(Sampling{ InterpolationMode::Nearest, BoundaryMode::Nearest }, { classes, places }, "labels");
  const ValueId last = graph.AddConstant(Tensor::Full({ 1 }, static_cast<double>(options.classes - 1)), "last");
  const ValueId share = graph.Combine(BinaryFunction::Divide, labels, last, "share");
  const ValueId rest = graph.Apply(UnaryFunction::Linear, share, -1, 1, "rest");
  const ValueId fused = graph.Combine(BinaryFunction::Add,
                                      graph.Combine(BinaryFunction::Multiply, foreground, share, "foreground"),
                                      graph.Combine(BinaryFunction::Multiply, background, rest, "background"),
                                      "fused");
  graph.AddOutput("fused", fused);
  graph.AddOutput("labels", labels);
  return graph;
}

TensorMap
MakeVolumeFusionInputs(const VolumeFusionOptions & options,
                       const Shape & size,
                       const std::vector<VolumeFusionGrid> & grids,
                       const Shape & position)
{
  const Shape extents = GetTableExtents(options, size);
  itkNNRequireMacro(position.empty() || position.size() == size.size(),
                    "Volume fusion: the position " << ToString(position) << " should have the axes of the size "
                                                   << ToString(size));
  const auto batch = static_cast<std::int64_t>(grids.size());
  const auto axes = static_cast<std::int64_t>(size.size());
  Shape shape{ batch, 1 };
  shape.insert(shape.end(), extents.begin(), extents.end());
  Tensor classes = Tensor::Zeros(shape, DataType::Float32);
  Tensor blocks({ batch, axes, 2 }, DataType::Float64);
  for (std::int64_t n = 0; n < batch; ++n)
  {
    const VolumeFusionGrid & grid = grids[static_cast<std::size_t>(n)];
    itkNNRequireMacro(grid.block.size() == size.size(),
                      "Volume fusion: blocks of size " << ToString(grid.block) << " should have the axes of the size "
                                                       << ToString(size));
    std::vector<BlockRange> ranges;
    for (std::size_t d = 0; d < size.size(); ++d)
    {
      itkNNRequireMacro(grid.block[d] >= options.minimumBlock[d],
                        "Volume fusion: blocks of size " << ToString(grid.block) << " should be at least "
                                                         << ToString(options.minimumBlock) << ", as the options say");
      ranges.emplace_back(grid, d, position.empty() ? 0 : position[d], size[d]);
      // Of a place in blocks: the first has number 1, and its centre a whole number.
      const double scale = 1.0 / static_cast<double>(grid.block[d]);
      const auto axis = static_cast<std::int64_t>(d);
      blocks.SetElement({ n, axis, 0 }, scale);
      blocks.SetElement({ n, axis, 1 }, 0.5 - static_cast<double>(ranges[d].start) * scale);
    }
    FillTable(grid, ranges, extents, classes.GetData<float>() + n * NumberOfElements(extents));
  }
  return { { "classes", classes }, { "blocks", blocks } };
}
} // namespace nn
} // namespace itk
