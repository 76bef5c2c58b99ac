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
#include "itkNNOperatorCases.h"

#include <cmath>
#include <limits>
#include <set>

namespace itk
{
namespace nn
{
namespace test
{
namespace
{
using Axes = std::vector<std::int64_t>;

struct Conv
{
  Axes stride = {};
  Axes padding = {};
  Axes paddingEnd = {};
  Axes dilation = {};
  std::int64_t groups = 1;
  std::vector<PostOperation> posts = {};
};

class Table
{
public:
  std::vector<TableRow> rows;

  TableRow & Add(const std::string & name, Operator op, std::vector<Shape> shapes)
  {
    TableRow row;
    row.name = name;
    row.op = std::move(op);
    row.shapes = std::move(shapes);
    rows.push_back(std::move(row));
    return rows.back();
  }

  TableRow & AddConvolution(const std::string & name,
                            const Shape & src,
                            const Shape & weights,
                            bool bias,
                            const Conv & parameters = {},
                            std::vector<Shape> operands = {})
  {
    Convolution op;
    op.stride = parameters.stride;
    op.padding = parameters.padding;
    op.paddingEnd = parameters.paddingEnd;
    op.dilation = parameters.dilation;
    op.groups = parameters.groups;
    op.hasBias = bias;
    op.postOperations = parameters.posts;
    std::vector<Shape> shapes{ src, weights };
    if (bias)
    {
      shapes.push_back({ weights[0] });
    }
    shapes.insert(shapes.end(), operands.begin(), operands.end());
    return this->Add("Convolution" + name, op, shapes);
  }
};

std::string
Number(std::int64_t value)
{
  return std::to_string(value);
}

void
AddConvolutions(Table & table)
{
  for (const std::int64_t in : { 1, 2, 3, 7, 8, 9, 16, 17, 64 })
  {
    for (const std::int64_t out : { 1, 3, 8, 9, 16, 64 })
    {
      table.AddConvolution("Channels" + Number(in) + "To" + Number(out),
                           { 2, in, 7, 9 },
                           { out, in, 3, 3 },
                           (in + out) % 2 == 0,
                           { {}, { 1 } });
    }
  }
  for (const std::int64_t kernel : { 1, 2, 3, 5 })
  {
    table.AddConvolution("Kernel" + Number(kernel), { 1, 5, 11, 8 }, { 6, 5, kernel, kernel }, true);
    table.AddConvolution("Kernel" + Number(kernel) + "Stride2",
                         { 1, 8, 11, 8 },
                         { 16, 8, kernel, kernel },
                         true,
                         { { 2 }, { kernel / 2 } });
    table.AddConvolution("Axes1Kernel" + Number(kernel), { 2, 3, 13 }, { 4, 3, kernel }, true);
    table.AddConvolution("Axes3Kernel" + Number(kernel), { 1, 3, 6, 5, 7 }, { 4, 3, kernel, kernel, kernel }, false);
  }
  table.AddConvolution("Rectangular", { 1, 3, 9, 10 }, { 4, 3, 5, 2 }, true, { { 1, 2 }, { 2, 0 } });
  table.AddConvolution("Axes3Rectangular", { 1, 3, 5, 9, 4 }, { 8, 3, 1, 5, 3 }, true, { { 1, 2, 1 }, { 0, 2, 1 } });
  table.AddConvolution("Axes3Blocks", { 1, 16, 5, 6, 7 }, { 16, 16, 3, 3, 3 }, true, { {}, { 1 } });
  table.AddConvolution("Axes1Blocks", { 3, 16, 20 }, { 32, 16, 3 }, true, { {}, { 1 } });
  table.AddConvolution("LargeStride", { 1, 4, 17, 19 }, { 5, 4, 3, 3 }, true, { { 7, 5 }, { 1 } });
  table.AddConvolution("StrideBeyondKernel", { 1, 8, 20, 20 }, { 8, 8, 1, 1 }, true, { { 9 } });
  table.AddConvolution("StrideBeyondExtent", { 1, 2, 5, 5 }, { 3, 2, 3, 3 }, false, { { 100 } });
  table.AddConvolution("Dilation2", { 1, 6, 13, 12 }, { 5, 6, 3, 3 }, true, { {}, { 2 }, {}, { 2 } });
  table.AddConvolution("DilationRectangular", { 1, 8, 13, 14 }, { 8, 8, 3, 2 }, true, { {}, {}, {}, { 3, 5 } });
  table.AddConvolution("DilationStride", { 2, 3, 15, 14 }, { 4, 3, 3, 3 }, true, { { 2 }, { 2 }, {}, { 2 } });
  table.AddConvolution("Axes3Dilation", { 1, 2, 7, 7, 7 }, { 3, 2, 3, 3, 3 }, true, { {}, { 2 }, {}, { 2 } });
  table.AddConvolution("Groups2", { 2, 6, 7, 7 }, { 4, 3, 3, 3 }, true, { {}, { 1 }, {}, {}, 2 });
  table.AddConvolution("Groups4Blocks", { 1, 32, 7, 7 }, { 64, 8, 3, 3 }, true, { {}, { 1 }, {}, {}, 4 });
  table.AddConvolution("Depthwise", { 2, 16, 7, 6 }, { 16, 1, 3, 3 }, true, { {}, { 1 }, {}, {}, 16 });
  table.AddConvolution("DepthwiseOdd", { 2, 7, 7, 6 }, { 7, 1, 5, 5 }, false, { { 2 }, { 2 }, {}, {}, 7 });
  table.AddConvolution("DepthwiseMultiplier", { 1, 3, 7, 6 }, { 12, 1, 3, 3 }, true, { {}, { 1 }, {}, {}, 3 });
  table.AddConvolution("Axes3Groups", { 1, 4, 4, 5, 6 }, { 6, 2, 3, 3, 3 }, true, { {}, { 1 }, {}, {}, 2 });
  table.AddConvolution("AsymmetricPadding", { 1, 3, 6, 7 }, { 8, 3, 3, 3 }, true, { {}, { 0, 2 }, { 1, 0 } });
  table.AddConvolution("PaddingEndOnly", { 1, 3, 6, 7 }, { 8, 3, 2, 2 }, true, { {}, {}, { 1 } });
  table.AddConvolution("AsymmetricStride", { 1, 16, 9, 8 }, { 16, 16, 3, 3 }, true, { { 2 }, { 1, 0 }, { 0, 1 } });
  table.AddConvolution("PaddingBeyondKernel", { 1, 3, 4, 4 }, { 3, 3, 2, 2 }, true, { {}, { 4 } });
  table.AddConvolution("SinglePixel", { 1, 16, 1, 1 }, { 8, 16, 3, 3 }, true, { {}, { 1 } });
  table.AddConvolution("SingleEverything", { 1, 1, 1, 1 }, { 1, 1, 1, 1 }, true);
  table.AddConvolution("OneRow", { 2, 3, 1, 33 }, { 5, 3, 1, 3 }, true);
  table.AddConvolution("NoBatchAxis", { 3, 8, 9 }, { 5, 3, 3, 3 }, true, { {}, { 1 } });
  table.AddConvolution("NoBatchAxisBlocks", { 16, 8, 9 }, { 16, 16, 3, 3 }, true, { {}, { 1 } });
  table.AddConvolution("SupportAxis", { 2, 3, 4, 7, 6 }, { 5, 4, 3, 3 }, true, { {}, { 1 } });
  table.AddConvolution("SupportAxisBlocks", { 1, 4, 16, 8, 8 }, { 32, 16, 3, 3 }, true, { {}, { 1 } });
  table.AddConvolution("ThreeBatchAxes", { 2, 1, 3, 2, 5, 5 }, { 4, 2, 3, 3 }, false);
  table.AddConvolution("EmptyBatch", { 0, 3, 5, 5 }, { 4, 3, 3, 3 }, true);
  table.AddConvolution("EmptySupportAxis", { 2, 0, 3, 5, 5 }, { 4, 3, 3, 3 }, true);
  table.AddConvolution("NoInputChannels", { 1, 0, 5, 5 }, { 4, 0, 3, 3 }, true);
  table.AddConvolution("WeightsAreInputs", { 1, 16, 7, 7 }, { 16, 16, 3, 3 }, true, { {}, { 1 } }).weightsAreInputs =
    true;
  table.AddConvolution("WeightsAreInputsOdd", { 1, 5, 7, 7 }, { 9, 5, 3, 3 }, false, { {}, { 1 } }).weightsAreInputs =
    true;
  table.AddConvolution("Tall", { 1, 2, 70, 70 }, { 3, 2, 3, 3 }, true, { {}, { 1 } });

  const std::pair<UnaryFunction, double> activations[] = {
    { UnaryFunction::Relu, 0 },    { UnaryFunction::LeakyRelu, 0.01 }, { UnaryFunction::Elu, 0.7 },
    { UnaryFunction::Sigmoid, 0 }, { UnaryFunction::Tanh, 0 },         { UnaryFunction::Gelu, 0 },
    { UnaryFunction::Silu, 0 },    { UnaryFunction::Softplus, 0 },     { UnaryFunction::Exp, 0 },
    { UnaryFunction::Square, 0 },  { UnaryFunction::Abs, 0 },          { UnaryFunction::Negate, 0 },
    { UnaryFunction::Erf, 0 },     { UnaryFunction::Clip, -0.5 },      { UnaryFunction::Linear, 2 },
  };
  for (const auto & [function, alpha] : activations)
  {
    for (const std::int64_t channels : { 5, 16 })
    {
      table.AddConvolution(std::string("Then") + Number(channels) + "_" + ToString(function),
                           { 1, channels, 6, 7 },
                           { channels, channels, 3, 3 },
                           true,
                           { {}, { 1 }, {}, {}, 1, { { Unary{ function, alpha, 0.5 } } } });
    }
  }
  for (const auto function : { BinaryFunction::Add,
                               BinaryFunction::Subtract,
                               BinaryFunction::Multiply,
                               BinaryFunction::Minimum,
                               BinaryFunction::Maximum })
  {
    const std::string name = ToString(function);
    for (const std::int64_t channels : { 5, 16 })
    {
      const Conv conv{ {}, { 1 }, {}, {}, 1, { { Binary{ function } } } };
      const Shape src{ 2, channels, 6, 7 };
      const Shape weights{ channels, channels, 3, 3 };
      table.AddConvolution("ThenSame" + Number(channels) + "_" + name, src, weights, true, conv, { src });
      table.AddConvolution(
        "ThenChannel" + Number(channels) + "_" + name, src, weights, false, conv, { { channels, 1, 1 } });
    }
  }
  const Conv add{ {}, { 1 }, {}, {}, 1, { { Binary{ BinaryFunction::Add } } } };
  table.AddConvolution("ThenScalar", { 1, 16, 5, 5 }, { 16, 16, 3, 3 }, true, add, { { 1 } });
  table.AddConvolution("ThenRow", { 1, 16, 5, 6 }, { 16, 16, 3, 3 }, true, add, { { 1, 6 } });
  table.AddConvolution("ThenPixels", { 2, 8, 5, 6 }, { 8, 8, 3, 3 }, true, add, { { 5, 6 } });
  table.AddConvolution("ThenSupportAxis", { 2, 3, 8, 5, 6 }, { 8, 8, 3, 3 }, true, add, { { 2, 1, 8, 5, 6 } });
  // Whole images that repeat along some of the batch axes.
  const Conv scale{ {}, { 1 }, {}, {}, 1, { { Binary{ BinaryFunction::Multiply } } } };
  table.AddConvolution("ThenWholeSupport", { 2, 3, 8, 5, 6 }, { 16, 8, 3, 3 }, true, add, { { 2, 1, 16, 5, 6 } });
  table.AddConvolution("ThenWholeTarget", { 2, 3, 16, 7, 6 }, { 5, 16, 3, 3 }, true, scale, { { 1, 3, 5, 7, 6 } });
  table.AddConvolution("ThenWholeImage", { 1, 3, 16, 9, 8 }, { 16, 16, 3, 3 }, false, add, { { 16, 9, 8 } });
  table.AddConvolution("ThenWholeChain",
                       { 2, 3, 16, 5, 6 },
                       { 24, 16, 3, 3 },
                       true,
                       { {},
                         { 2, 0 },
                         { 1 },
                         {},
                         1,
                         { { Binary{ BinaryFunction::Add } },
                           { Unary{ UnaryFunction::LeakyRelu, 0.1, 0 } },
                           { Binary{ BinaryFunction::Multiply } },
                           { Binary{ BinaryFunction::Add } },
                           { Unary{ UnaryFunction::Clip, -1, 1.5 } } } },
                       { { 2, 1, 24, 6, 5 }, { 24, 1, 1 }, { 2, 3, 24, 6, 5 } });
  table.AddConvolution("Tiles", { 3, 16, 14, 19 }, { 32, 16, 3, 3 }, true, { {}, { 1 } });
  table.AddConvolution("TilesPadded", { 2, 24, 9, 8 }, { 40, 24, 3, 3 }, true, { {}, { 0, 2 }, { 2, 1 } });
  // Tiles with depth.
  table.AddConvolution("Axes3Tiles", { 2, 16, 5, 9, 8 }, { 32, 16, 3, 3, 3 }, true, { {}, { 1 } });
  table.AddConvolution(
    "Axes3TilesPadded", { 1, 24, 4, 5, 6 }, { 21, 24, 3, 3, 3 }, true, { {}, { 0, 2, 1 }, { 2, 1, 0 } });
  table.AddConvolution("Axes3SupportAxis", { 2, 2, 5, 3, 4, 5 }, { 7, 5, 3, 3, 3 }, false, { {}, { 1 } });
  table.AddConvolution("Axes3SinglePixel", { 1, 16, 1, 1, 1 }, { 8, 16, 3, 3, 3 }, true, { {}, { 1 } });
  table.AddConvolution("Axes3NoBatchAxis", { 16, 4, 5, 3 }, { 16, 16, 3, 3, 3 }, true, { {}, { 1 } });
  table.AddConvolution("Axes3ThenSame", { 2, 16, 3, 4, 5 }, { 16, 16, 3, 3, 3 }, true, add, { { 2, 16, 3, 4, 5 } });
  table.AddConvolution("Axes3ThenChannel", { 2, 5, 3, 4, 5 }, { 16, 5, 3, 3, 3 }, false, scale, { { 16, 1, 1, 1 } });
  table.AddConvolution("Axes3ThenPlane", { 1, 8, 3, 4, 5 }, { 8, 8, 3, 3, 3 }, true, add, { { 4, 5 } });
  table.AddConvolution(
    "Axes3ThenWholeSupport", { 2, 3, 8, 3, 4, 5 }, { 16, 8, 3, 3, 3 }, true, add, { { 2, 1, 16, 3, 4, 5 } });
  table.AddConvolution("Axes3ThenChain",
                       { 2, 16, 3, 4, 5 },
                       { 13, 16, 3, 3, 3 },
                       true,
                       { {},
                         { 1 },
                         {},
                         {},
                         1,
                         { { Binary{ BinaryFunction::Multiply } },
                           { Unary{ UnaryFunction::LeakyRelu, 0.1, 0 } },
                           { Binary{ BinaryFunction::Add } },
                           { Unary{ UnaryFunction::Clip, -1, 1.5 } } } },
                       { { 13, 1, 1, 1 }, { 1, 13, 3, 4, 5 } });
  table.AddConvolution("ThenChain",
                       { 1, 16, 5, 6 },
                       { 16, 16, 3, 3 },
                       true,
                       { {},
                         { 1 },
                         {},
                         {},
                         1,
                         { { Binary{ BinaryFunction::Add } },
                           { Unary{ UnaryFunction::LeakyRelu, 0.1, 0 } },
                           { Binary{ BinaryFunction::Multiply } },
                           { Unary{ UnaryFunction::Tanh, 0, 0 } } } },
                       { { 1, 16, 5, 6 }, { 16, 1, 1 } });
}

void
AddPooling(Table & table)
{
  const auto add =
    [&](const std::string & name, const Shape & src, const Axes & kernel, const Axes & stride, const Axes & padding)
  {
    for (const int kind : { 0, 1, 2 })
    {
      static constexpr const char * kinds[] = { "Maximum", "Average", "AverageInside" };
      Pooling op;
      op.function = kind == 0 ? PoolingFunction::Maximum : PoolingFunction::Average;
      op.includePadding = kind == 1;
      op.kernel = kernel;
      op.stride = stride;
      op.padding = padding;
      table.Add("Pooling" + name + kinds[kind], op, { src });
    }
  };
  add("Halves", { 2, 16, 8, 6 }, { 2, 2 }, {}, {});
  add("OddExtents", { 2, 3, 7, 5 }, { 2, 2 }, {}, {});
  add("Overlapping", { 1, 9, 8, 7 }, { 3, 3 }, { 2 }, { 1 });
  add("Rectangular", { 1, 8, 9, 10 }, { 3, 2 }, { 1, 3 }, { 1, 0 });
  add("PaddedEnd", { 1, 2, 6, 6 }, { 4, 4 }, { 3 }, { 2 });
  add("LargeStride", { 1, 3, 11, 11 }, { 2, 2 }, { 5 }, {});
  add("OnePixel", { 1, 5, 4, 4 }, { 1, 1 }, {}, {});
  add("Whole", { 2, 17, 4, 4 }, { 4, 4 }, {}, {});
  add("Axes1", { 2, 8, 9 }, { 3 }, { 2 }, { 1 });
  add("Axes3", { 1, 16, 5, 6, 4 }, { 2, 3, 2 }, { 2 }, { 0, 1, 1 });
  add("NoBatchAxis", { 3, 6, 6 }, { 2, 2 }, {}, {});
  add("SupportAxis", { 2, 3, 8, 6, 6 }, { 2, 2 }, {}, {});
  add("EmptyBatch", { 0, 3, 6, 6 }, { 2, 2 }, {}, {});
  Pooling maximum;
  maximum.kernel = { 2, 2 };
  table.Add("PoolingFarBelowZero", maximum, { { 1, 1, 2, 2 } }).values = std::vector<double>(4, -1e30);
  table.Add("PoolingNegativeMaximum", maximum, { { 1, 8, 4, 4 } }).high = -0.5;
}

void
AddInterpolation(Table & table)
{
  const auto add = [&](const std::string & name, const Shape & src, const Axes & size)
  {
    for (const auto mode : { InterpolationMode::Linear, InterpolationMode::Nearest })
    {
      for (const bool corners : { true, false })
      {
        table.Add("Interpolation" + name + (mode == InterpolationMode::Linear ? "Linear" : "Nearest") +
                    (corners ? "Corners" : "Centres"),
                  Interpolation{ mode, size, corners },
                  { src });
      }
    }
  };
  add("Double", { 2, 3, 4, 5 }, { 8, 10 });
  add("DoubleBlocks", { 1, 16, 4, 5 }, { 8, 10 });
  add("DoubleOddChannels", { 1, 9, 3, 3 }, { 6, 6 });
  add("Half", { 1, 3, 8, 10 }, { 4, 5 });
  add("Odd", { 1, 2, 5, 7 }, { 8, 3 });
  add("FromOne", { 2, 2, 1, 1 }, { 4, 3 });
  add("ToOne", { 1, 2, 5, 6 }, { 1, 1 });
  add("Same", { 1, 2, 5, 6 }, { 5, 6 });
  add("OneLine", { 1, 2, 1, 4 }, { 2, 8 });
  add("Axes1", { 2, 3, 6 }, { 11 });
  add("Axes3", { 1, 2, 3, 4, 2 }, { 5, 4, 4 });
  add("Axes3Blocks", { 1, 8, 3, 3, 2 }, { 6, 6, 4 });
  add("NoOtherAxis", { 4, 6 }, { 8, 9 });
  add("LastAxisOnly", { 1, 8, 3, 4 }, { 8 });
  add("SupportAxis", { 2, 3, 8, 4, 4 }, { 8, 8 });
  add("EmptyBatch", { 0, 3, 4, 4 }, { 8, 8 });
}

void
AddDataMovement(Table & table)
{
  const auto cat = [&](const std::string & name, int axis, std::vector<Shape> shapes)
  { table.Add("Concatenation" + name, Concatenation{ axis }, std::move(shapes)); };
  cat("Axis0", 0, { { 2, 3, 4 }, { 1, 3, 4 } });
  cat("Axis1", 1, { { 2, 3, 4 }, { 2, 5, 4 }, { 2, 1, 4 } });
  cat("AxisLast", -1, { { 2, 3, 4 }, { 2, 3, 7 } });
  cat("One", 1, { { 2, 3, 4 } });
  cat("Channels", 1, { { 2, 3, 5, 6 }, { 2, 5, 5, 6 } });
  cat("ChannelBlocks", 1, { { 2, 16, 5, 6 }, { 2, 8, 5, 6 }, { 2, 32, 5, 6 } });
  cat("ChannelsOddThenBlocks", 1, { { 1, 9, 5, 6 }, { 1, 16, 5, 6 } });
  cat("BroadcastSupport", 2, { { 2, 1, 3, 4, 5 }, { 2, 6, 2, 4, 5 } });
  cat("BroadcastSupportBlocks", 2, { { 1, 1, 16, 4, 5 }, { 1, 6, 16, 4, 5 } });
  cat("BroadcastBoth", 2, { { 1, 4, 3, 2 }, { 5, 1, 2, 2 } });
  cat("BroadcastBatch", 1, { { 1, 3, 4, 4 }, { 3, 2, 4, 4 } });
  cat("BroadcastPixels", 1, { { 2, 3, 1, 1 }, { 2, 8, 4, 5 } });
  cat("EmptyPart", 1, { { 2, 0, 4 }, { 2, 3, 4 } });
  cat("EmptyBatch", 1, { { 0, 2, 4 }, { 0, 3, 4 } });
  cat("Vectors", 0, { { 3 }, { 5 } });
  cat("Many", 0, std::vector<Shape>(20, Shape{ 1, 3 }));

  table.Add("SlicePlain", Slice{ { 0, 1, 2 }, { 2, 3, 5 }, {} }, { { 2, 4, 6 } });
  table.Add("SliceSteps", Slice{ { 1, 0, 1 }, { 5, 4, 6 }, { 3, 2, 2 } }, { { 5, 4, 6 } });
  table.Add("SliceStepBeyond", Slice{ { 0 }, { 5 }, { 9 } }, { { 5 } });
  table.Add("SliceEmpty", Slice{ { 0, 2 }, { 3, 2 }, {} }, { { 3, 4 } });
  table.Add("SliceWhole", Slice{ { 0, 0 }, { 3, 4 }, {} }, { { 3, 4 } });
  table.Add("SliceChannels", Slice{ { 0, 3, 0, 0 }, { 2, 14, 4, 4 }, {} }, { { 2, 16, 4, 4 } });
  table.Add("SliceChannelBlocks", Slice{ { 0, 16, 1, 0 }, { 2, 32, 4, 3 }, {} }, { { 2, 48, 4, 4 } });
  table.Add("SliceLastChannels", Slice{ { 1, 16, 0, 1 }, { 2, 21, 4, 3 }, {} }, { { 2, 21, 4, 4 } });
  table.Add("SliceChannelSteps", Slice{ { 0, 0, 0, 0 }, { 2, 32, 4, 4 }, { 1, 2, 1, 1 } }, { { 2, 32, 4, 4 } });
  table.Add("SliceRow", Slice{ { 0, 0, 0, 2, 0 }, { 1, 3, 16, 3, 5 }, {} }, { { 1, 3, 16, 4, 5 } });
  table.Add("SliceColumns", Slice{ { 0, 0, 0, 1 }, { 3, 20, 4, 7 }, { 2, 1, 3, 2 } }, { { 3, 20, 4, 7 } });
  table.Add("SliceSupports", Slice{ { 0, 1, 0, 0, 0 }, { 1, 3, 16, 20, 20 }, {} }, { { 1, 4, 16, 20, 20 } });
  table.Add("ReshapeSplit", Reshape{ { 2, 2, -1 } }, { { 4, 6 } });
  table.Add("ReshapeMerge", Reshape{ { -1 } }, { { 4, 3, 2 } });
  table.Add("ReshapeScalar", Reshape{ {} }, { { 1, 1 } });
  table.Add("ReshapeEmpty", Reshape{ { 3, -1 } }, { { 0, 3 } });
  table.Add("PermutationTranspose", Permutation{ { 1, 0 } }, { { 3, 5 } });
  table.Add("PermutationFour", Permutation{ { 2, 0, -1, 1 } }, { { 2, 3, 4, 5 } });
  table.Add("PermutationSame", Permutation{ { 0, 1 } }, { { 3, 5 } });
  table.Add("PermutationFive", Permutation{ { 0, 2, 1, 3, 4 } }, { { 2, 3, 8, 4, 5 } });
  table.Add("PermutationScalar", Permutation{ {} }, { {} });
  table.Add("PermutationEmpty", Permutation{ { 1, 0 } }, { { 0, 5 } });
  table.Add("BroadcastLeading", Broadcast{ { 4, 2, 3 } }, { { 2, 3 } });
  table.Add("BroadcastOnes", Broadcast{ { 2, 4, 3, 5 } }, { { 2, 1, 3, 1 } });
  table.Add("BroadcastScalar", Broadcast{ { 2, 3 } }, { {} });
  table.Add("BroadcastToEmpty", Broadcast{ { 0, 3 } }, { { 1, 3 } });
}

void
AddElementwise(Table & table)
{
  const double infinity = std::numeric_limits<double>::infinity();
  for (int f = 0; f <= static_cast<int>(UnaryFunction::Linear); ++f)
  {
    const auto function = static_cast<UnaryFunction>(f);
    const bool positive = function == UnaryFunction::Log || function == UnaryFunction::Sqrt ||
                          function == UnaryFunction::ReciprocalSqrt || function == UnaryFunction::Reciprocal;
    const Unary op{ function, function == UnaryFunction::Clip ? -0.75 : 0.3, 0.5 };
    const std::pair<const char *, Shape> shapes[] = { { "Odd", { 2, 9, 5, 3 } },
                                                      { "Blocks", { 1, 16, 4, 4 } },
                                                      { "Vector", { 33 } },
                                                      { "Scalar", {} },
                                                      { "Empty", { 0, 3 } } };
    for (const auto & [name, shape] : shapes)
    {
      auto & row = table.Add(std::string("Unary_") + ToString(function) + '_' + name, op, { shape });
      row.low = positive ? 0.1 : -4;
      row.high = 4;
      row.quantized = function == UnaryFunction::RoundHalfEven;
    }
  }
  for (const auto function : { UnaryFunction::Relu, UnaryFunction::LeakyRelu, UnaryFunction::Elu, UnaryFunction::Clip })
  {
    table.Add(std::string("Unary_") + ToString(function) + "_SpecialValues", Unary{ function, 0.01, 2 }, { { 9 } })
      .values = { -infinity, -1e30, -2, -1, -0.0, 0, 1, 1e30, infinity };
  }
  for (const auto function : { UnaryFunction::Sigmoid,
                               UnaryFunction::Tanh,
                               UnaryFunction::Softplus,
                               UnaryFunction::Silu,
                               UnaryFunction::Gelu })
  {
    table.Add(std::string("Unary_") + ToString(function) + "_LargeValues", Unary{ function, 0, 0 }, { { 8 } })
      .values = { -1000, -90, -20, -1, 1, 20, 90, 1000 };
  }

  const std::vector<std::pair<Shape, Shape>> patterns = { { { 2, 9, 4, 5 }, { 2, 9, 4, 5 } },
                                                          { { 2, 16, 4, 5 }, { 2, 16, 4, 5 } },
                                                          { { 2, 8, 4, 5 }, { 8, 1, 1 } },
                                                          { { 8, 1, 1 }, { 2, 8, 4, 5 } },
                                                          { { 2, 3, 4 }, { 1 } },
                                                          { { 2, 3, 4 }, {} },
                                                          { {}, { 2, 3 } },
                                                          { { 2, 1, 4 }, { 1, 3, 1 } },
                                                          { { 2, 1, 8, 4, 5 }, { 2, 3, 8, 4, 5 } },
                                                          { { 4, 1 }, { 5 } },
                                                          { {}, {} },
                                                          { { 0, 3 }, { 1, 3 } } };
  for (int f = 0; f <= static_cast<int>(BinaryFunction::PRelu); ++f)
  {
    const auto function = static_cast<BinaryFunction>(f);
    for (std::size_t p = 0; p < patterns.size(); ++p)
    {
      auto & row = table.Add(std::string("Binary_") + ToString(function) + "_Pattern" + Number(static_cast<int>(p)),
                             Binary{ function },
                             { patterns[p].first, patterns[p].second });
      const bool positive = function == BinaryFunction::Divide || function == BinaryFunction::Power;
      row.low = positive ? 0.25 : -2;
      row.high = 2;
      row.quantized = function == BinaryFunction::Greater || function == BinaryFunction::Equal;
    }
  }
}

void
AddReductions(Table & table)
{
  for (const auto function : { ReductionFunction::Sum,
                               ReductionFunction::Mean,
                               ReductionFunction::Maximum,
                               ReductionFunction::Minimum,
                               ReductionFunction::Variance })
  {
    const std::string name = std::string("Reduction_") + ToString(function);
    for (int subset = 1; subset < 16; ++subset)
    {
      std::vector<int> axes;
      for (int axis = 0; axis < 4; ++axis)
      {
        if ((subset >> axis & 1) != 0)
        {
          axes.push_back(axis);
        }
      }
      table.Add(name + "_Axes" + Number(subset), Reduction{ function, axes, subset % 2 == 0 }, { { 2, 8, 3, 5 } });
    }
    table.Add(name + "_All", Reduction{ function, {}, false }, { { 3, 4, 5 } });
    table.Add(name + "_SupportAxis", Reduction{ function, { 1 }, false }, { { 2, 5, 16, 4, 4 } });
    table.Add(name + "_SupportAxisOdd", Reduction{ function, { 1 }, true }, { { 2, 5, 9, 4, 4 } });
    table.Add(name + "_ExtentOne", Reduction{ function, { 1 }, false }, { { 2, 1, 4 } });
    table.Add(name + "_Scalar", Reduction{ function, {}, true }, { {} });
    table.Add(name + "_Long", Reduction{ function, { 1 }, true }, { { 2, 3000 } });
    table.Add(name + "_Pixels", Reduction{ function, { 2, 3 }, true }, { { 2, 32, 7, 9 } });
    table.Add(name + "_PixelsGone", Reduction{ function, { 2, 3 }, false }, { { 2, 16, 40, 31 } });
    table.Add(name + "_PixelsOddChannels", Reduction{ function, { 2, 3 }, true }, { { 2, 9, 7, 9 } });
    table.Add(name + "_PixelsOfSupports", Reduction{ function, { 3, 4 }, true }, { { 1, 3, 16, 7, 9 } });
    table.Add(name + "_Volumes", Reduction{ function, { 2, 3, 4 }, true }, { { 2, 16, 4, 9, 11 } });
    table.Add(name + "_Batch", Reduction{ function, { 0, 2, 3 }, true }, { { 3, 16, 20, 21 } });
    table.Add(name + "_BatchGone", Reduction{ function, { 0, 2, 3 }, false }, { { 3, 9, 20, 21 } });
    table.Add(name + "_BatchOfOne", Reduction{ function, { 0, 2, 3 }, true }, { { 1, 32, 20, 21 } });
    table.Add(name + "_Pieces", Reduction{ function, { 2, 3 }, true }, { { 1, 17, 64, 70 } });
    table.Add(name + "_Apart", Reduction{ function, { 0, 2, 4 }, true }, { { 2, 3, 4, 5, 6 } });
    table.Add(name + "_EmptyResult", Reduction{ function, { 1 }, false }, { { 0, 3 } });
  }
  table.Add("Reduction_sum_EmptyAxis", Reduction{ ReductionFunction::Sum, { 0 }, false }, { { 0, 3 } });
  table.Add("Reduction_mean_EmptyAxis", Reduction{ ReductionFunction::Mean, { 0 }, false }, { { 0, 3 } });

  for (const bool logarithm : { false, true })
  {
    const std::string name = logarithm ? "LogSoftmax" : "Softmax";
    for (int axis = 0; axis < 4; ++axis)
    {
      auto & row = table.Add(name + "Axis" + Number(axis), Softmax{ axis, logarithm }, { { 2, 9, 4, 5 } });
      row.low = -8;
      row.high = 8;
    }
    table.Add(name + "Vector", Softmax{ -1, logarithm }, { { 7 } });
    table.Add(name + "One", Softmax{ 1, logarithm }, { { 3, 1 } });
    table.Add(name + "Blocks", Softmax{ 2, logarithm }, { { 2, 3, 16, 4, 4 } });
    table.Add(name + "Empty", Softmax{ 1, logarithm }, { { 0, 3 } });
    table.Add(name + "LargeValues", Softmax{ 0, logarithm }, { { 4 } }).values = { 1000, 999, -1000, 1000 };
  }

  const auto product = [&](const std::string & name,
                           const Shape & batchA,
                           const Shape & batchB,
                           std::int64_t m,
                           std::int64_t k,
                           std::int64_t n)
  {
    for (int t = 0; t < 4; ++t)
    {
      const bool ta = (t & 1) != 0;
      const bool tb = (t & 2) != 0;
      Shape a = batchA;
      Shape b = batchB;
      a.push_back(ta ? k : m);
      a.push_back(ta ? m : k);
      b.push_back(tb ? n : k);
      b.push_back(tb ? k : n);
      table.Add("MatrixProduct" + name + (ta ? "T" : "N") + (tb ? "T" : "N"), MatrixProduct{ ta, tb }, { a, b });
    }
  };
  product("Plain", {}, {}, 5, 7, 3);
  product("Blocks", {}, {}, 16, 32, 16);
  product("Batch", { 3 }, { 3 }, 4, 5, 6);
  product("BatchOfA", { 2, 3 }, {}, 4, 5, 6);
  product("BatchOfB", {}, { 4 }, 3, 5, 2);
  product("BatchBoth", { 2, 1 }, { 3 }, 4, 5, 6);
  product("One", {}, {}, 1, 1, 1);
  product("Row", {}, {}, 1, 9, 8);
  product("NoInner", {}, {}, 3, 0, 2);
  product("EmptyBatch", { 0 }, {}, 3, 4, 2);
}

void
AddShiftedInterpolations(Table & table)
{
  const auto add = [&](const std::string & name,
                       const Shape & src,
                       const Axes & kernel,
                       const Axes & size,
                       const Axes & padding,
                       const Axes & dilation = {},
                       const std::vector<PostOperation> & posts = {},
                       const std::vector<Shape> & operands = {})
  {
    for (const bool corners : { false, true })
    {
      ShiftedInterpolation op;
      op.interpolation = { InterpolationMode::Linear, size, corners };
      op.kernel = kernel;
      op.padding = padding;
      op.dilation = dilation;
      op.postOperations = posts;
      std::vector<Shape> shapes{ src };
      shapes.insert(shapes.end(), operands.begin(), operands.end());
      table.Add("ShiftedInterpolation" + name + (corners ? "Corners" : ""), op, shapes);
    }
  };
  const PostOperation add1{ Binary{ BinaryFunction::Add } };
  const PostOperation leaky{ Unary{ UnaryFunction::LeakyRelu, 0.01 } };
  add("Double", { 2, 9 * 16, 4, 5 }, { 3, 3 }, { 8, 10 }, { 1, 1 });
  add("Blocks8", { 3, 9 * 8, 4, 4 }, { 3, 3 }, { 8, 8 }, { 1, 1 });
  add("Blocks64", { 2, 9 * 64, 3, 5 }, { 3, 3 }, { 6, 10 }, { 1, 1 });
  add("OddChannels", { 2, 9 * 5, 3, 4 }, { 3, 3 }, { 7, 9 }, { 1, 1 });
  add("SupportAxis", { 1, 3, 9 * 16, 4, 4 }, { 3, 3 }, { 8, 8 }, { 1, 1 });
  add("NoPadding", { 1, 9 * 16, 4, 4 }, { 3, 3 }, { 8, 8 }, { 0, 0 });
  add("Wide", { 1, 25 * 8, 5, 4 }, { 5, 5 }, { 9, 12 }, { 2, 1 });
  add("Dilated", { 1, 9 * 8, 5, 6 }, { 3, 3 }, { 10, 11 }, { 2, 2 }, { 2, 2 });
  add("OneTap", { 2, 16, 4, 4 }, { 1, 1 }, { 8, 8 }, { 0, 0 });
  add("OneRow", { 1, 9 * 16, 1, 1 }, { 3, 3 }, { 2, 2 }, { 1, 1 });
  add("Shrinking", { 1, 9 * 16, 8, 8 }, { 3, 3 }, { 5, 4 }, { 1, 1 });
  add("ShrinkingRows", { 2, 3 * 3 * 16, 19, 9 }, { 3, 3 }, { 4, 12 }, { 1, 1 });
  add("Rows", { 2, 9 * 32, 23, 17 }, { 3, 3 }, { 61, 35 }, { 1, 1 });
  add("TallKernel", { 1, 14 * 8, 9, 4 }, { 7, 2 }, { 17, 9 }, { 3, 1 });
  add("DilatedFar", { 2, 9 * 8, 7, 6 }, { 3, 3 }, { 13, 12 }, { 7, 5 }, { 7, 5 });
  add("FarOutside", { 1, 9 * 8, 3, 3 }, { 3, 3 }, { 4, 4 }, { 9, 9 });
  add("OneAxis", { 2, 3 * 16, 6 }, { 3 }, { 12 }, { 1 });
  add("OneAxisOddChannels", { 3, 2, 4 * 3, 5 }, { 4 }, { 3 }, { 2 });
  add("ThreeAxes", { 2, 27 * 8, 2, 3, 2 }, { 3, 3, 3 }, { 4, 6, 4 }, { 1, 1, 1 });
  add("ThreeAxesOdd", { 1, 2, 12 * 16, 3, 4, 5 }, { 2, 3, 2 }, { 5, 3, 11 }, { 1, 2, 0 });
  add("ThreeAxesOnePixel", { 1, 27 * 5, 1, 1, 1 }, { 3, 3, 3 }, { 2, 1, 3 }, { 1, 1, 1 });
  add("OperandOddChannels", { 1, 3, 9 * 5, 4, 4 }, { 3, 3 }, { 8, 8 }, { 1, 1 }, {}, { add1, leaky }, { { 5, 1, 1 } });
  add("OperandRows", { 1, 3, 9 * 16, 4, 4 }, { 3, 3 }, { 8, 8 }, { 1, 1 }, {}, { add1, leaky }, { { 16, 8, 1 } });
  add("Operand", { 1, 3, 9 * 16, 4, 4 }, { 3, 3 }, { 8, 8 }, { 1, 1 }, {}, { add1, leaky }, { { 1, 1, 16, 8, 8 } });
  add("Operands",
      { 1, 3, 9 * 16, 4, 4 },
      { 3, 3 },
      { 8, 8 },
      { 1, 1 },
      {},
      { add1, add1, leaky },
      { { 1, 3, 16, 8, 8 }, { 16, 1, 1 } });
  ShiftedInterpolation nearest;
  nearest.interpolation = { InterpolationMode::Nearest, { 8, 7 }, false };
  nearest.kernel = { 3, 3 };
  nearest.padding = { 1, 1 };
  nearest.paddingEnd = { 0, 2 };
  table.Add("ShiftedInterpolationNearest", nearest, { { 2, 9 * 16, 4, 5 } });
}

void
AddPointwise(Table & table)
{
  const PostOperation addition{ Binary{ BinaryFunction::Add } };
  const PostOperation multiplication{ Binary{ BinaryFunction::Multiply } };
  const PostOperation division{ Binary{ BinaryFunction::Divide } };
  const PostOperation leaky{ Unary{ UnaryFunction::LeakyRelu, 0.01 } };
  const PostOperation tanh{ Unary{ UnaryFunction::Tanh } };
  const auto add =
    [&](const std::string & name, const std::vector<PostOperation> & operations, const std::vector<Shape> & shapes)
  {
    auto & row = table.Add("Pointwise" + name, Pointwise{ operations }, shapes);
    row.low = 0.25;
  };
  add("Nothing", {}, { { 2, 16, 3, 3 } });
  add("Unaries", { leaky, tanh }, { { 2, 16, 5, 5 } });
  add("Whole", { addition, leaky }, { { 2, 16, 5, 5 }, { 2, 16, 5, 5 } });
  add("OverSupports", { addition, leaky }, { { 1, 4, 16, 5, 5 }, { 1, 1, 16, 5, 5 } });
  add("OverTargets", { addition, leaky }, { { 1, 4, 16, 5, 5 }, { 3, 1, 16, 5, 5 } });
  add("SrcRepeats", { addition, multiplication }, { { 1, 1, 16, 5, 5 }, { 2, 3, 16, 5, 5 }, { 16, 1, 1 } });
  add("PerChannel", { multiplication, addition, leaky }, { { 2, 32, 6, 6 }, { 32, 1, 1 }, { 1, 32, 1, 1 } });
  add("OddChannels", { addition, multiplication, leaky }, { { 2, 3, 9, 6, 6 }, { 2, 1, 9, 6, 6 }, { 9, 1, 1 } });
  add("OneValue", { division, addition }, { { 2, 16, 6, 6 }, { 1 }, {} });
  add("OverRows", { addition }, { { 2, 16, 6, 6 }, { 2, 16, 6, 1 } });
  add("OverColumns", { addition, tanh }, { { 2, 16, 6, 6 }, { 1, 6 } });
  add("Large", { addition, leaky, multiplication }, { { 2, 16, 40, 40 }, { 1, 16, 40, 40 }, { 2, 16, 40, 40 } });
  add("Long",
      { leaky, addition, leaky, multiplication, leaky, addition, leaky, leaky, addition, leaky },
      { { 2, 16, 3, 3 }, { 2, 16, 3, 3 }, { 16, 1, 1 }, { 1 }, { 1, 16, 3, 3 } });
  add("Mixed",
      { addition, tanh, leaky, division, addition, tanh },
      { { 2, 24, 3, 3 }, { 2, 24, 3, 3 }, { 24, 1, 1 }, { 2, 24, 3, 3 } });
  add("OddLarge",
      { multiplication, addition, division, leaky },
      { { 2, 24, 20, 23 }, { 24, 1, 1 }, { 2, 24, 1, 1 }, { 1, 24, 1, 1 } });
  add("ManyChannels", { addition, leaky }, { { 2, 2100, 2, 1 }, { 2100, 1, 1 } });
  add("OneChannel", { addition, leaky }, { { 2, 1, 7, 5 }, { 2, 1, 1, 1 } });
  add("Vector", { addition, leaky }, { { 1000 }, { 1 } });
  add("Empty", { addition }, { { 0, 3 }, { 1, 3 } });
}

void
AddInsertions(Table & table)
{
  table.Add("InsertionRow", Insertion{ { 0, 0, 2, 0 } }, { { 2, 16, 5, 4 }, { 2, 16, 1, 4 } });
  table.Add("InsertionColumn", Insertion{ { 0, 0, 0, 0, 3 } }, { { 1, 3, 16, 5, 4 }, { 1, 3, 16, 5, 1 } });
  table.Add("InsertionOddChannels", Insertion{ { 0, 0, 2, 1 } }, { { 2, 21, 5, 4 }, { 2, 21, 2, 2 } });
  table.Add("InsertionChannelBlocks", Insertion{ { 0, 16, 0, 1 } }, { { 2, 48, 5, 4 }, { 2, 16, 5, 2 } });
  table.Add("InsertionLastChannels", Insertion{ { 1, 16, 0, 0 } }, { { 2, 21, 5, 4 }, { 1, 5, 5, 4 } });
  table.Add("InsertionSomeChannels", Insertion{ { 0, 3, 0, 0 } }, { { 2, 16, 5, 4 }, { 2, 8, 5, 4 } });
  table.Add("InsertionSupport", Insertion{ { 0, 1, 0, 0, 0 } }, { { 1, 3, 16, 20, 20 }, { 1, 1, 16, 20, 20 } });
  table.Add("InsertionAll", Insertion{ { 0, 0 } }, { { 3, 4 }, { 3, 4 } });
  table.Add("InsertionNothing", Insertion{ { 1, 4 } }, { { 3, 4 }, { 2, 0 } });
  table.Add("InsertionInside", Insertion{ { 1, 2, 1 } }, { { 4, 5, 6 }, { 2, 3, 4 } });
  table.Add("InsertionVector", Insertion{ { 2 } }, { { 7 }, { 3 } });
  table.Add("InsertionSteps", Insertion{ { 0, 0, 1, 0 }, { 1, 1, 2, 3 } }, { { 2, 16, 8, 7 }, { 2, 16, 3, 3 } });
  table.Add("InsertionChannelSteps", Insertion{ { 0, 1, 0, 0 }, { 1, 2, 1, 1 } }, { { 2, 16, 3, 4 }, { 2, 7, 3, 4 } });
}

/** Both gradients of a convolution, with the parameters of a transposed one. */
void
AddGradients(Table & table,
             const std::string & name,
             const Shape & src,
             const Shape & gradient,
             const Shape & weights,
             const TransposedConvolution & op)
{
  TransposedConvolution transposed = op;
  transposed.size.assign(src.end() - static_cast<std::ptrdiff_t>(weights.size() - 2), src.end());
  table.Add("TransposedConvolution" + name, transposed, { gradient, weights });
  ConvolutionWeightsGradient byWeights;
  byWeights.kernel.assign(weights.begin() + 2, weights.end());
  byWeights.stride = op.stride;
  byWeights.padding = op.padding;
  byWeights.paddingEnd = op.paddingEnd;
  byWeights.dilation = op.dilation;
  byWeights.groups = op.groups;
  table.Add("ConvolutionWeightsGradient" + name, byWeights, { src, gradient });
}

void
AddConvolutionGradients(Table & table)
{
  const auto op = [](const Axes & stride, const Axes & padding, const Axes & dilation = {}, std::int64_t groups = 1)
  { return TransposedConvolution{ stride, padding, {}, dilation, groups, {}, {} }; };
  for (const std::int64_t in : { 1, 3, 8, 17, 32 })
  {
    for (const std::int64_t out : { 1, 8, 9, 16 })
    {
      AddGradients(table,
                   "Channels" + Number(in) + "To" + Number(out),
                   { 2, in, 7, 9 },
                   { 2, out, 7, 9 },
                   { out, in, 3, 3 },
                   op({}, { 1 }));
    }
  }
  AddGradients(table, "Supports", { 1, 3, 16, 12, 10 }, { 1, 3, 32, 12, 10 }, { 32, 16, 3, 3 }, op({}, { 1 }));
  AddGradients(table, "Kernel1", { 2, 16, 6, 5 }, { 2, 8, 6, 5 }, { 8, 16, 1, 1 }, op({}, {}));
  AddGradients(table, "Kernel2", { 2, 16, 6, 5 }, { 2, 8, 5, 4 }, { 8, 16, 2, 2 }, op({}, {}));
  AddGradients(table, "Kernel5", { 1, 3, 11, 8 }, { 1, 6, 11, 8 }, { 6, 3, 5, 5 }, op({}, { 2 }));
  AddGradients(table, "NoPadding", { 2, 16, 9, 8 }, { 2, 16, 7, 6 }, { 16, 16, 3, 3 }, op({}, {}));
  AddGradients(table, "MorePadding", { 2, 16, 5, 4 }, { 2, 16, 9, 8 }, { 16, 16, 3, 3 }, op({}, { 3 }));
  AddGradients(table, "Stride2", { 2, 16, 11, 8 }, { 2, 8, 6, 4 }, { 8, 16, 3, 3 }, op({ 2 }, { 1 }));
  AddGradients(table, "Stride2Even", { 2, 16, 12, 8 }, { 2, 8, 6, 4 }, { 8, 16, 3, 3 }, op({ 2 }, { 1 }));
  AddGradients(table, "Upsampling", { 2, 8, 12, 8 }, { 2, 16, 6, 4 }, { 16, 8, 2, 2 }, op({ 2 }, {}));
  AddGradients(table, "Dilation", { 1, 8, 9, 10 }, { 1, 16, 9, 10 }, { 16, 8, 3, 3 }, op({}, { 2 }, { 2 }));
  AddGradients(table, "Groups", { 2, 16, 7, 6 }, { 2, 32, 7, 6 }, { 32, 4, 3, 3 }, op({}, { 1 }, {}, 4));
  AddGradients(table, "Depthwise", { 2, 16, 7, 6 }, { 2, 16, 7, 6 }, { 16, 1, 3, 3 }, op({}, { 1 }, {}, 16));
  AddGradients(table, "Axes1", { 2, 3, 13 }, { 2, 4, 13 }, { 4, 3, 3 }, op({}, { 1 }));
  AddGradients(table, "Volume", { 2, 8, 5, 6, 7 }, { 2, 16, 5, 6, 7 }, { 16, 8, 3, 3, 3 }, op({}, { 1 }));
  AddGradients(table, "VolumeStride2", { 1, 8, 4, 6, 8 }, { 1, 16, 2, 3, 4 }, { 16, 8, 2, 2, 2 }, op({ 2 }, {}));
  AddGradients(
    table, "VolumeDepthwise", { 1, 16, 5, 4, 6 }, { 1, 16, 5, 4, 6 }, { 16, 1, 3, 3, 3 }, op({}, { 1 }, {}, 16));
  AddGradients(
    table, "Anisotropic", { 1, 8, 5, 6, 7 }, { 1, 16, 5, 3, 7 }, { 16, 8, 1, 3, 3 }, op({ 1, 2, 1 }, { 0, 1, 1 }));

  TransposedConvolution uneven = op({}, {});
  uneven.padding = { 1, 0 };
  uneven.paddingEnd = { 2, 1 };
  AddGradients(table, "UnevenPadding", { 2, 16, 6, 7 }, { 2, 16, 7, 6 }, { 16, 16, 3, 3 }, uneven);
  table.Add("TransposedConvolutionDefaultSize", op({ 2 }, { 1 }), { { 2, 16, 5, 4 }, { 16, 8, 3, 3 } });
  for (const std::int64_t stride : { 1, 2 })
  {
    TransposedConvolution fused = op({ stride }, { 1 });
    fused.postOperations = { { Binary{ BinaryFunction::Add } }, { Binary{ BinaryFunction::Gate, 0.01 } } };
    const std::int64_t extent = (8 - 1) * stride + 1;
    table.Add("TransposedConvolutionFusedStride" + Number(stride),
              fused,
              { { 1, 2, 16, 8, 8 }, { 16, 16, 3, 3 }, { 1, 1, 16, extent, extent }, { 1, 2, 16, extent, extent } });
  }
}

void
AddOtherGradients(Table & table)
{
  for (const auto function : { PoolingFunction::Maximum, PoolingFunction::Average })
  {
    const auto add = [&](const std::string & name, Pooling pooling, const Shape & gradient, const Shape & src)
    {
      pooling.function = function;
      PoolingGradient op{ pooling, {} };
      op.size.assign(src.end() - static_cast<std::ptrdiff_t>(pooling.kernel.size()), src.end());
      const bool isMaximum = function == PoolingFunction::Maximum;
      const std::string full = std::string("PoolingGradient") + (isMaximum ? "Maximum" : "Average") + name;
      // Ties: the first one wins.
      table.Add(full, op, isMaximum ? std::vector<Shape>{ gradient, src } : std::vector<Shape>{ gradient }).quantized =
        isMaximum;
    };
    Pooling window;
    window.kernel = { 2, 2 };
    add("Halves", window, { 2, 16, 4, 3 }, { 2, 16, 8, 6 });
    add("Supports", window, { 1, 3, 16, 8, 8 }, { 1, 3, 16, 16, 16 });
    add("OddChannels", window, { 2, 9, 4, 3 }, { 2, 9, 8, 6 });
    add("Rest", window, { 2, 16, 3, 3 }, { 2, 16, 7, 7 });
    window.kernel = { 3, 3 };
    window.stride = { 2, 2 };
    window.padding = { 1, 1 };
    add("Overlapping", window, { 2, 16, 4, 3 }, { 2, 16, 8, 6 });
    window.includePadding = false;
    add("WithoutPadding", window, { 2, 16, 4, 3 }, { 2, 16, 8, 6 });
    Pooling volume;
    volume.kernel = { 2, 2, 2 };
    add("Volume", volume, { 1, 8, 2, 3, 2 }, { 1, 8, 4, 6, 4 });
    volume.kernel = { 1, 2, 2 };
    add("Anisotropic", volume, { 1, 8, 4, 3, 2 }, { 1, 8, 4, 6, 4 });
    Pooling line;
    line.kernel = { 3 };
    add("Axes1", line, { 2, 4, 3 }, { 2, 4, 9 });
  }
  for (const auto mode : { InterpolationMode::Linear, InterpolationMode::Nearest })
  {
    for (const bool corners : { true, false })
    {
      const std::string name = std::string("TransposedInterpolation") +
                               (mode == InterpolationMode::Linear ? "Linear" : "Nearest") + (corners ? "Corners" : "");
      const auto add = [&](const std::string & kind, const Shape & src, const Axes & size)
      { table.Add(name + kind, TransposedInterpolation{ mode, size, corners }, { src }); };
      add("Double", { 2, 16, 8, 6 }, { 4, 3 });
      add("Supports", { 1, 3, 16, 8, 12 }, { 4, 6 });
      add("OddChannels", { 2, 5, 8, 6 }, { 4, 3 });
      add("Shrinking", { 2, 16, 3, 4 }, { 7, 6 });
      add("FromOne", { 2, 16, 4, 2 }, { 1, 1 });
      add("ToOne", { 2, 16, 1, 1 }, { 4, 3 });
      add("Volume", { 1, 8, 4, 6, 8 }, { 2, 3, 4 });
      add("Line", { 2, 3, 9 }, { 4 });
    }
  }
  table.Add("Barrier", Barrier{}, { { 2, 16, 3, 4 } });
  table.Add("LovaszWeights", LovaszWeights{}, { { 3, 2, 50 }, { 3, 2, 50 } });
  table.Add("LovaszWeightsTied", LovaszWeights{}, { { 4, 100 }, { 4, 100 } }).quantized = true;
  table.Add("LovaszWeightsOfOne", LovaszWeights{}, { { 5, 1 }, { 5, 1 } });
  table.Add("LovaszWeightsOfARow", LovaszWeights{}, { { 64 }, { 64 } });
  table.Add("LovaszWeightsEmpty", LovaszWeights{}, { { 3, 0 }, { 3, 0 } });
  table.Add("Gather", Gather{}, { { 7, 5 }, { 4 } });
  table.Add("GatherLast", Gather{ -1 }, { { 3, 2, 7 }, { 2, 3 } });
  table.Add("GatherMiddle", Gather{ 1 }, { { 2, 7, 4 }, { 5 } });
  table.Add("GatherOne", Gather{ 1 }, { { 2, 7, 4 }, {} });
  table.Add("BitMask", BitMask{ { 3, 5, 7 } }, { { 14 }, {} });
  table.Add("BitMaskScalar", BitMask{}, { { 1 }, {} });
  table.Add("BitMaskLong", BitMask{ { 4096 } }, { { 512 }, {} });
  table.Add("ScatterAdd", ScatterAdd{ 0, 7 }, { { 4, 5 }, { 4 } });
  table.Add("ScatterAddMiddle", ScatterAdd{ 1, 7 }, { { 2, 5, 4 }, { 5 } });
  table.Add("ScatterAddTwo", ScatterAdd{ -1, 7 }, { { 3, 2, 6 }, { 2, 6 } });
}

/** A sampling and its gradients of an image at positions that are in it and around it. */
void
AddSampling(Table & table, const std::string & name, const Sampling & op, const Shape & src, const Shape & coordinates)
{
  // Multiples of 1/4: places on voxels, on the borders and half between two.
  const bool isTied = op.mode == InterpolationMode::Nearest || name.find("Steps") != std::string::npos;
  Shape sampled{ src[0], src[1] };
  sampled.insert(sampled.end(), coordinates.begin() + 2, coordinates.end());
  const Shape size(src.begin() + 2, src.end());
  table.Add("Sampling" + name, op, { src, coordinates }).quantized = isTied;
  table.Add("TransposedSampling" + name, TransposedSampling{ op, size }, { sampled, coordinates }).quantized = isTied;
  table.Add("SamplingCoordinatesGradient" + name, SamplingCoordinatesGradient{ op }, { sampled, src, coordinates });
}

void
AddSamplings(Table & table)
{
  for (const auto mode : { InterpolationMode::Linear, InterpolationMode::Nearest })
  {
    for (const auto boundary : { BoundaryMode::Constant,
                                 BoundaryMode::Reflect,
                                 BoundaryMode::Mirror,
                                 BoundaryMode::Nearest,
                                 BoundaryMode::Wrap })
    {
      for (const bool rules : { false, true })
      {
        const Sampling op{ mode, boundary, 0.75, rules };
        const std::string name =
          std::string("_") + ToString(mode) + '_' + ToString(boundary) + (rules ? "_cudaSpatialDeform_" : "_");
        AddSampling(table, name + "Volume", op, { 2, 3, 4, 5, 3 }, { 2, 3, 3, 4, 5 });
        AddSampling(table, name + "OneForAll", op, { 3, 2, 5, 4 }, { 1, 2, 7, 6 });
        AddSampling(table, name + "Blocks", op, { 1, 16, 6, 5 }, { 1, 2, 4, 9 });
        AddSampling(table, name + "Line", op, { 2, 4, 7 }, { 2, 1, 40 });
        AddSampling(table, name + "LineSteps", op, { 2, 4, 5 }, { 1, 1, 60 });
        AddSampling(table, name + "OneElement", op, { 1, 2, 1, 3 }, { 1, 2, 5, 6 });
        AddSampling(table, name + "Empty", op, { 2, 3, 4, 5 }, { 1, 2, 0, 6 });
      }
    }
  }
}

/** Values of [-1, 1) as coordinates: from two voxels in front of an image with these
 * extents to two behind it. */
Tensor
ToCoordinates(const Tensor & values, const Shape & extents, bool quantized)
{
  Tensor coordinates = values.Clone();
  double * data = coordinates.GetData<double>();
  const std::int64_t rank = values.GetShape()[1];
  const std::int64_t positions = values.GetNumberOfElements() / (values.GetShape()[0] * rank);
  for (std::int64_t e = 0; e < values.GetNumberOfElements(); ++e)
  {
    const auto extent = static_cast<double>(extents[static_cast<std::size_t>(e / positions % rank)]);
    const double at = (data[e] + 1) / 2 * (extent + 3) - 2;
    data[e] = quantized ? std::round(at * 4) / 4 : static_cast<double>(static_cast<float>(at));
  }
  return coordinates;
}

/** The extents that an input's values are coordinates of; empty of another input. */
Shape
GetSampledExtents(const TableRow & row, std::size_t input)
{
  const auto * transposed = std::get_if<TransposedSampling>(&row.op);
  if (input + 1 != row.shapes.size() || row.shapes[input].size() < 3)
  {
    return {};
  }
  if (transposed != nullptr)
  {
    return transposed->size;
  }
  const bool isSampling =
    std::holds_alternative<Sampling>(row.op) || std::holds_alternative<SamplingCoordinatesGradient>(row.op);
  const Shape & src = row.shapes[input == 0 ? 0 : input - 1];
  return isSampling ? Shape(src.begin() + 2, src.end()) : Shape{};
}

/** Values of [-1, 1) as numbers of [0, 7). */
Tensor
ToIndices(const Tensor & values)
{
  Tensor indices(values.GetShape(), DataType::Int64);
  for (std::int64_t e = 0; e < values.GetNumberOfElements(); ++e)
  {
    indices.GetData<std::int64_t>()[e] = static_cast<std::int64_t>((values.GetData<double>()[e] + 1) * 3.5);
  }
  return indices;
}

/** Values of [-1, 1) as any bytes. */
Tensor
ToBytes(const Tensor & values)
{
  Tensor bytes(values.GetShape(), DataType::UInt8);
  for (std::int64_t e = 0; e < values.GetNumberOfElements(); ++e)
  {
    bytes.GetData<std::uint8_t>()[e] = static_cast<std::uint8_t>((values.GetData<double>()[e] + 1) * 127.9);
  }
  return bytes;
}
} // namespace

std::vector<Tensor>
TableRow::MakeInputs() const
{
  std::vector<Tensor> inputs;
  for (std::size_t i = 0; i < shapes.size(); ++i)
  {
    Tensor tensor = RandomValues(shapes[i], static_cast<std::uint32_t>(17 + i), low, high);
    double * data = tensor.GetData<double>();
    for (std::int64_t e = 0; e < tensor.GetNumberOfElements(); ++e)
    {
      if (quantized)
      {
        data[e] = std::round(data[e] * 4) / 4;
      }
      if (i == 0 && !values.empty())
      {
        data[e] = static_cast<double>(static_cast<float>(values.at(static_cast<std::size_t>(e))));
      }
    }
    const bool isIndex = i == 1 && (std::holds_alternative<Gather>(op) || std::holds_alternative<ScatterAdd>(op));
    const bool isBits = i == 0 && std::holds_alternative<BitMask>(op);
    const Shape sampled = GetSampledExtents(*this, i);
    if (!sampled.empty() && tensor.GetNumberOfElements() > 0)
    {
      tensor = ToCoordinates(tensor, sampled, quantized);
    }
    inputs.push_back(isIndex ? ToIndices(tensor) : isBits ? ToBytes(tensor) : std::move(tensor));
  }
  return inputs;
}

const std::vector<TableRow> &
GetOperatorTable()
{
  static const std::vector<TableRow> rows = []
  {
    Table table;
    AddConvolutions(table);
    AddPooling(table);
    AddInterpolation(table);
    AddDataMovement(table);
    AddElementwise(table);
    AddReductions(table);
    AddShiftedInterpolations(table);
    AddPointwise(table);
    AddInsertions(table);
    AddConvolutionGradients(table);
    AddOtherGradients(table);
    AddSamplings(table);
    return table.rows;
  }();
  return rows;
}

std::vector<std::string>
GetOperatorNames()
{
  std::set<std::string> names;
  for (const auto & row : GetOperatorTable())
  {
    names.insert(GetName(row.op));
  }
  return { names.begin(), names.end() };
}

std::string
NameOfParameter(const ::testing::TestParamInfo<std::string> & info)
{
  return info.param;
}
} // namespace test
} // namespace nn
} // namespace itk
