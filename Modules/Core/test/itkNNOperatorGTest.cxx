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
#include "itkNNOperator.h"
#include "itkNNTestHelpers.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace itk::nn;

namespace
{
Shape
Infer(Operator op, const std::vector<Shape> & shapes)
{
  std::vector<ValueType> types;
  for (const auto & shape : shapes)
  {
    types.push_back({ shape, DataType::Float32 });
  }
  return InferOutput(op, types).shape;
}

std::string
InferError(const Operator & op, const std::vector<Shape> & shapes)
{
  return test::ErrorOf([&] { Infer(op, shapes); });
}

struct ShapeCase
{
  Operator op;
  std::vector<Shape> inputs;
  Shape expected;
};

struct ErrorCase
{
  Operator op;
  std::vector<Shape> inputs;
  const char * message;
};

Convolution
Conv(std::vector<std::int64_t> stride,
     std::vector<std::int64_t> padding,
     std::vector<std::int64_t> dilation = {},
     std::int64_t groups = 1,
     bool hasBias = false)
{
  Convolution op;
  op.stride = std::move(stride);
  op.padding = std::move(padding);
  op.dilation = std::move(dilation);
  op.groups = groups;
  op.hasBias = hasBias;
  return op;
}

Pooling
Pool(std::vector<std::int64_t> kernel, std::vector<std::int64_t> stride = {}, std::vector<std::int64_t> padding = {})
{
  Pooling op;
  op.kernel = std::move(kernel);
  op.stride = std::move(stride);
  op.padding = std::move(padding);
  return op;
}

Convolution
WithPaddingEnd(std::vector<std::int64_t> padding, std::vector<std::int64_t> paddingEnd)
{
  Convolution op;
  op.padding = std::move(padding);
  op.paddingEnd = std::move(paddingEnd);
  return op;
}

Convolution
WithPost(std::vector<PostOperation> posts)
{
  Convolution op;
  op.postOperations = std::move(posts);
  return op;
}

std::vector<ShapeCase>
ShapeCases()
{
  return {
    { Unary{}, { { 2, 3 } }, { 2, 3 } },
    { Unary{}, { {} }, {} },
    { Binary{}, { { 2, 1, 3 }, { 4, 1 } }, { 2, 4, 3 } },
    { Conv({}, {}), { { 1, 3, 8, 8 }, { 5, 3, 3, 3 } }, { 1, 5, 6, 6 } },
    { Conv({}, { 1 }), { { 2, 7, 3, 8, 9 }, { 5, 3, 3, 3 } }, { 2, 7, 5, 8, 9 } },
    { Conv({}, {}), { { 3, 8, 8 }, { 5, 3, 1, 1 } }, { 5, 8, 8 } },
    { Conv({ 2 }, { 1 }), { { 1, 3, 9 }, { 5, 3, 3 } }, { 1, 5, 5 } },
    { Conv({ 2, 3 }, { 0, 1 }, { 2, 1 }), { { 1, 4, 11, 10 }, { 6, 4, 3, 2 } }, { 1, 6, 4, 4 } },
    { Conv({ 1, 2, 3 }, {}, {}, 2), { { 1, 4, 5, 6, 7 }, { 6, 2, 2, 2, 2 } }, { 1, 6, 4, 3, 2 } },
    { Conv({}, { 1 }, {}, 8), { { 1, 8, 4, 4 }, { 8, 1, 3, 3 } }, { 1, 8, 4, 4 } },
    { Conv({}, {}, {}, 1, true), { { 0, 3, 4, 4 }, { 2, 3, 2, 2 }, { 2 } }, { 0, 2, 3, 3 } },
    { Conv({ 100 }, {}), { { 1, 1, 5, 5 }, { 1, 1, 1, 1 } }, { 1, 1, 1, 1 } },
    { WithPaddingEnd({ 0, 1 }, { 2, 0 }), { { 1, 1, 5, 5 }, { 1, 1, 3, 3 } }, { 1, 1, 5, 4 } },
    { WithPaddingEnd({}, { 1 }), { { 1, 1, 5, 5 }, { 1, 1, 3, 3 } }, { 1, 1, 4, 4 } },
    { WithPost({ { Unary{} }, { Binary{} } }), { { 1, 1, 4, 4 }, { 2, 1, 1, 1 }, { 2, 1, 1 } }, { 1, 2, 4, 4 } },
    { Pool({ 2, 2 }), { { 1, 3, 7, 8 } }, { 1, 3, 3, 4 } },
    { Pool({ 3, 3 }, { 2 }, { 1 }), { { 2, 5, 3, 7, 8 } }, { 2, 5, 3, 4, 4 } },
    { Pool({ 2 }), { { 4, 6 } }, { 4, 3 } },
    { Pool({ 2, 1, 2 }, { 1 }), { { 4, 6, 5, 4 } }, { 4, 5, 5, 3 } },
    { Interpolation{ InterpolationMode::Linear, { 6, 4 }, true }, { { 1, 2, 3, 8 } }, { 1, 2, 6, 4 } },
    { Interpolation{ InterpolationMode::Nearest, { 6 }, false }, { { 3 } }, { 6 } },
    { Concatenation{ 1 }, { { 2, 3, 4 }, { 2, 1, 4 } }, { 2, 4, 4 } },
    { Concatenation{ -3 }, { { 2, 3, 1 }, { 5, 1, 4 } }, { 7, 3, 4 } },
    { Concatenation{ 2 }, { { 2, 1, 3 }, { 2, 6, 5 }, { 1, 1, 0 } }, { 2, 6, 8 } },
    { Concatenation{ 0 }, { { 4 } }, { 4 } },
    { Slice{ { 0, 1 }, { 2, 6 }, { 1, 2 } }, { { 2, 7 } }, { 2, 3 } },
    { Slice{ { 1 }, { 1 }, {} }, { { 4 } }, { 0 } },
    { Reshape{ { 3, -1 } }, { { 2, 6 } }, { 3, 4 } },
    { Reshape{ { 12 } }, { { 2, 6 } }, { 12 } },
    { Reshape{ {} }, { { 1, 1 } }, {} },
    { Reshape{ { -1, 3 } }, { { 0, 3 } }, { 0, 3 } },
    { Permutation{ { 2, 0, -2 } }, { { 2, 3, 4 } }, { 4, 2, 3 } },
    { Broadcast{ { 2, 3, 4 } }, { { 3, 1 } }, { 2, 3, 4 } },
    { Reduction{ ReductionFunction::Sum, { 0, -1 }, true }, { { 2, 3, 4 } }, { 1, 3, 1 } },
    { Reduction{ ReductionFunction::Mean, { 1 }, false }, { { 2, 3, 4 } }, { 2, 4 } },
    { Reduction{ ReductionFunction::Maximum, {}, false }, { { 2, 3 } }, {} },
    { Reduction{ ReductionFunction::Minimum, {}, true }, { { 2, 3 } }, { 1, 1 } },
    { Reduction{ ReductionFunction::Sum, { 0 }, false }, { { 0, 3 } }, { 3 } },
    { Reduction{ ReductionFunction::Maximum, { 1 }, false }, { { 0, 3 } }, { 0 } },
    { Softmax{}, { { 2, 3 } }, { 2, 3 } },
    { MatrixProduct{}, { { 2, 3 }, { 3, 4 } }, { 2, 4 } },
    { MatrixProduct{ true, true }, { { 3, 2 }, { 4, 3 } }, { 2, 4 } },
    { MatrixProduct{}, { { 5, 1, 2, 3 }, { 6, 3, 4 } }, { 5, 6, 2, 4 } },
    { MatrixProduct{}, { { 2, 0 }, { 0, 4 } }, { 2, 4 } },
  };
}

std::vector<ErrorCase>
ErrorCases()
{
  return {
    { Unary{}, {}, "Unary: needs 1 inputs (src), got 0" },
    { Binary{}, { { 2 } }, "Binary: needs 2 inputs (a, b), got 1" },
    { Binary{}, { { 2 }, { 3 } }, "Shapes [2] and [3] do not broadcast" },
    { Conv({}, {}), { { 1, 3, 8, 8 } }, "Convolution: needs at least 2 inputs (src, weights), got 1" },
    { Conv({}, {}), { { 1, 3, 8 }, { 5, 3 } }, "weights [5, 3] should be [out channels" },
    { Conv({}, {}), { { 1 }, { 1, 1, 1, 1, 1, 1 } }, "with 1 to 3 kernel axes" },
    { Conv({}, {}), { { 8, 8 }, { 5, 3, 3, 3 } }, "src [8, 8] should be [batch..., channels, spatial...] with 2" },
    { Conv({}, {}), { { 1, 4, 8, 8 }, { 5, 3, 3, 3 } }, "has 4 channels, but the weights [5, 3, 3, 3]" },
    { Conv({}, {}, {}, 2), { { 1, 4, 8, 8 }, { 5, 2, 3, 3 } }, "groups 2 should divide the 5 output channels" },
    { Conv({}, {}, {}, 0), { { 1, 4, 8, 8 }, { 5, 2, 3, 3 } }, "groups 0" },
    { Conv({}, {}, {}, 2), { { 1, 3, 8, 8 }, { 4, 2, 3, 3 } }, "with 2 groups take 4" },
    { Conv({ 1, 1, 1 }, {}), { { 1, 3, 8, 8 }, { 5, 3, 3, 3 } }, "stride [1, 1, 1] has 3 entries for 2 spatial axes" },
    { Conv({ 0 }, {}), { { 1, 3, 8, 8 }, { 5, 3, 3, 3 } }, "stride [0, 0] has an entry below 1" },
    { Conv({}, { -1 }), { { 1, 3, 8, 8 }, { 5, 3, 3, 3 } }, "padding [-1, -1] has an entry below 0" },
    { WithPaddingEnd({}, { 0, -1 }), { { 1, 3, 8, 8 }, { 5, 3, 3, 3 } }, "paddingEnd [0, -1] has an entry below 0" },
    { Conv({}, {}, { 0 }), { { 1, 3, 8, 8 }, { 5, 3, 3, 3 } }, "dilation [0, 0] has an entry below 1" },
    { Conv({}, {}), { { 1, 3, 2, 8 }, { 5, 3, 3, 3 } }, "kernel of weights [5, 3, 3, 3]" },
    { Conv({}, {}, { 4 }), { { 1, 3, 8, 8 }, { 5, 3, 3, 3 } }, "does not fit in src [1, 3, 8, 8]" },
    { Conv({}, {}), { { 1, 3, 8, 8 }, { 5, 3, 0, 3 } }, "does not fit" },
    { Conv({}, {}, {}, 1, true), { { 1, 3, 8, 8 }, { 5, 3, 3, 3 } }, "bias (missing) should be [5]" },
    { Conv({}, {}, {}, 1, true), { { 1, 3, 8, 8 }, { 5, 3, 3, 3 }, { 4 } }, "bias [4] should be [5]" },
    { Conv({}, {}), { { 1, 3, 8, 8 }, { 5, 3, 3, 3 }, { 5 } }, "uses 2 inputs, got 3" },
    { WithPost({ { Binary{} } }), { { 1, 1, 4, 4 }, { 2, 1, 1, 1 } }, "has no input for its binary post-operation" },
    { WithPost({ { Binary{} } }), { { 1, 1, 4, 4 }, { 2, 1, 1, 1 }, { 3, 1, 1 } }, "do not broadcast" },
    { WithPost({ { Binary{} } }),
      { { 1, 1, 4, 4 }, { 2, 1, 1, 1 }, { 7, 1, 2, 4, 4 } },
      "post-operation's operand [7, 1, 2, 4, 4] does not broadcast to the result [1, 2, 4, 4]" },
    { Pool({}), { { 1, 3, 8, 8 } }, "Pooling: kernel [] should have one entry" },
    { Pool({ 1, 1, 1, 1 }), { { 1, 3, 8, 8, 8, 8 } }, "1 to 3 spatial axes" },
    { Pool({ 2, 2 }), { { 8, 8 } }, "should have one entry for each" },
    { Pool({ 0, 2 }), { { 1, 8, 8 } }, "kernel [0, 2] has an entry below 1" },
    { Pool({ 2, 2 }, { 0 }), { { 1, 8, 8 } }, "stride [0, 0] has an entry below 1" },
    { Pool({ 2, 2 }, { 1, 1, 1 }), { { 1, 8, 8 } }, "stride [1, 1, 1] has 3 entries" },
    { Pool({ 2, 2 }, {}, { 2 }), { { 1, 8, 8 } }, "padding [2, 2] should be at most half of the kernel [2, 2]" },
    { Pool({ 2, 2 }, {}, { -1 }), { { 1, 8, 8 } }, "padding [-1, -1] has an entry below 0" },
    { Pool({ 2, 2 }), { { 1, 8, 1 } }, "kernel [2, 2] does not fit in src [1, 8, 1]" },
    { Interpolation{}, { { 1, 8, 8 } }, "Interpolation: size [] should have one entry" },
    { Interpolation{ InterpolationMode::Linear, { 2, 2 }, true }, { { 8 } }, "for each of 1 to 3 last axes" },
    { Interpolation{ InterpolationMode::Linear, { 0 }, true }, { { 8 } }, "cannot interpolate src [8] to size [0]" },
    { Interpolation{ InterpolationMode::Linear, { 4 }, true }, { { 2, 0 } }, "cannot interpolate src [2, 0]" },
    { Concatenation{ 0 }, {}, "Concatenation: needs at least one input" },
    { Concatenation{ 2 }, { { 2, 3 } }, "Axis 2 is outside of [-2, 1]" },
    { Concatenation{ 0 }, { { 2, 3 }, { 2 } }, "inputs [2, 3] and [2] should have the same number of axes" },
    { Concatenation{ 0 }, { { 2, 3 }, { 2, 4 } }, "should agree or broadcast on all axes but axis 0" },
    { Slice{ { 0 }, { 1, 1 }, {} }, { { 2, 3 } }, "should have one entry for each axis of src [2, 3]" },
    { Slice{ { 0, 2 }, { 1, 1 }, {} }, { { 2, 3 } }, "begin [0, 2], end [1, 1], step [1, 1] do not fit src [2, 3]" },
    { Slice{ { 0, 0 }, { 1, 4 }, {} }, { { 2, 3 } }, "do not fit" },
    { Slice{ { -1, 0 }, { 1, 1 }, {} }, { { 2, 3 } }, "do not fit" },
    { Slice{ { 0, 0 }, { 1, 1 }, { 1, 0 } }, { { 2, 3 } }, "do not fit" },
    { Reshape{ { 4, 4 } }, { { 2, 6 } }, "src [2, 6] has 12 elements, shape [4, 4] has 16" },
    { Reshape{ { 5, -1 } }, { { 2, 6 } }, "src [2, 6] cannot become [5, -1]" },
    { Reshape{ { -1, -1 } }, { { 2, 6 } }, "negative extent" },
    { Reshape{ { 0, -1 } }, { { 0, 6 } }, "cannot become" },
    { Reshape{ { std::int64_t{ 1 } << 40, std::int64_t{ 1 } << 40, -1 } }, { { 2, 6 } }, "63 bits" },
    { Permutation{ { 0 } }, { { 2, 6 } }, "order has 1 entries for src [2, 6]" },
    { Permutation{ { 1, -1 } }, { { 2, 6 } }, "order has axis 1 twice" },
    { Permutation{ { 0, 2 } }, { { 2, 6 } }, "Axis 2 is outside" },
    { Broadcast{ { 3 } }, { { 2 } }, "Shapes [2] and [3] do not broadcast" },
    { Broadcast{ { 3 } }, { { 1, 3 } }, "src [1, 3] does not broadcast to [3]" },
    { Broadcast{ { 1 } }, { { 3 } }, "src [3] does not broadcast to [1]" },
    { Reduction{ ReductionFunction::Sum, { 2 }, true }, { { 2, 3 } }, "Axis 2 is outside" },
    { Reduction{ ReductionFunction::Sum, { 1, -1 }, true }, { { 2, 3 } }, "axes have axis 1 twice" },
    { Reduction{ ReductionFunction::Maximum, { 0 }, true },
      { { 0, 3 } },
      "maximum over the empty axis 0 of src [0, 3] has no value" },
    { Softmax{ 2 }, { { 2, 3 } }, "Softmax: Axis 2 is outside" },
    { MatrixProduct{}, { { 2, 3 } }, "MatrixProduct: needs 2 inputs" },
    { MatrixProduct{}, { { 3 }, { 3, 4 } }, "should be of one type and have at least 2 axes" },
    { MatrixProduct{}, { { 2, 3 }, { 4, 3 } }, "a [2, 3] and b [4, 3] have inner extents 3 and 4" },
    { MatrixProduct{ true, false }, { { 2, 3 }, { 3, 4 } }, "a [2, 3] (transposed) and b [3, 4]" },
    { MatrixProduct{}, { { 2, 2, 3 }, { 4, 3, 4 } }, "Shapes [2] and [4] do not broadcast" },
    { Insertion{ { 1 }, { 2 } }, { { 4 }, { 3 } }, "patch [3] at [1] with step [2] does not lie in src [4]" },
    { Insertion{ { 1 }, { 0 } }, { { 4 }, { 1 } }, "does not lie in src" },
    { Insertion{ { 1 }, { 1, 1 } }, { { 4 }, { 1 } }, "step [1, 1] should have one entry for each axis of src [4]" },
    { TransposedConvolution{}, { { 1, 2, 4, 4 } }, "needs at least 2 inputs" },
    { TransposedConvolution{}, { { 1, 2, 4, 4 }, { 2, 3 } }, "weights [2, 3] should be [src's channels," },
    { TransposedConvolution{}, { { 4 }, { 2, 3, 3, 3 } }, "src [4] should be [batch..., channels, spatial...]" },
    { TransposedConvolution{}, { { 1, 3, 4, 4 }, { 2, 3, 3, 3 } }, "src [1, 3, 4, 4] has 3 channels, but the weights" },
    { TransposedConvolution{ {}, {}, {}, {}, 3 }, { { 1, 2, 4, 4 }, { 2, 3, 3, 3 } }, "groups 3 should divide the 2" },
    { TransposedConvolution{ { 2 }, {}, {}, {}, 1, { 12, 9 } },
      { { 1, 2, 4, 4 }, { 2, 3, 3, 3 } },
      "a convolution of [1, 3, 12, 9] with kernel [3, 3], stride [2, 2] and padding [0, 0] does not have the extents" },
    { TransposedConvolution{ {}, {}, {}, {}, 1, { 6 } }, { { 1, 2, 4, 4 }, { 2, 3, 3, 3 } }, "size [6] should have" },
    { ConvolutionWeightsGradient{}, { { 1, 2, 4, 4 }, { 1, 3, 4, 4 } }, "kernel [] should have one entry for each" },
    { ConvolutionWeightsGradient{ { 3, 3 } }, { { 1, 2, 4, 4 } }, "needs 2 inputs (src, gradient)" },
    { ConvolutionWeightsGradient{ { 3, 3 } }, { { 1, 2, 4, 4 }, { 2, 3, 2, 2 } }, "the same batch axes" },
    { ConvolutionWeightsGradient{ { 3, 3 } }, { { 1, 2, 4, 4 }, { 1, 3, 4, 4 } }, "does not have the extents" },
    { ConvolutionWeightsGradient{ { 3, 3 }, {}, {}, {}, {}, 2 },
      { { 1, 2, 4, 4 }, { 1, 3, 2, 2 } },
      "groups 2 should divide the channels" },
    { PoolingGradient{ Pool({ 2, 2 }), { 4, 4 } }, { { 1, 2, 2, 2 } }, "needs 2 inputs (gradient, src)" },
    { PoolingGradient{ Pool({ 2, 2 }), {} }, { { 1, 2, 2, 2 }, { 1, 2, 4, 4 } }, "size [] should have one entry" },
    { PoolingGradient{ Pool({ 2, 2 }), { 4, 6 } },
      { { 1, 2, 2, 2 }, { 1, 2, 4, 6 } },
      "gradient [1, 2, 2, 2] should have the pooling's shape [1, 2, 2, 3]" },
    { PoolingGradient{ Pool({ 2, 2 }), { 4, 4 } },
      { { 1, 2, 2, 2 }, { 1, 2, 4, 6 } },
      "src [1, 2, 4, 6] should be [1, 2, 4, 4]" },
    { TransposedInterpolation{}, { { 1, 2, 4, 4 } }, "size [] should have one entry" },
    { Barrier{}, {}, "needs 1 inputs" },
    { LovaszWeights{}, { { 2, 3 } }, "needs 2 inputs (errors, foreground)" },
    { LovaszWeights{}, { { 2, 3 }, { 3 } }, "errors [2, 3] of type float32 and foreground [3] of type float32 should" },
    { LovaszWeights{}, { {}, {} }, "should have one shape of at least one axis" },
    { Sampling{}, { { 1, 2, 4, 4 } }, "needs 2 inputs (src, coordinates)" },
    { Sampling{}, { { 2, 4 }, { 2, 4 } }, "src [2, 4] should be [batch, channels, spatial...]" },
    { Sampling{}, { { 1, 2, 3, 3, 3, 3 }, { 1, 4, 3, 3, 3, 3 } }, "src [1, 2, 3, 3, 3, 3] should be" },
    { Sampling{}, { { 1, 2, 0, 4 }, { 1, 2, 4, 4 } }, "spatial axes of at least 1 element" },
    { Sampling{}, { { 2, 2, 4, 4 }, { 3, 2, 4, 4 } }, "coordinates [3, 2, 4, 4] should be [2 or 1, 2, size...]" },
    { Sampling{}, { { 2, 2, 4, 4 }, { 2, 3, 4, 4 } }, "coordinates [2, 3, 4, 4] should be [2 or 1, 2, size...]" },
    { Sampling{}, { { 2, 2, 4, 4 }, { 2, 2, 4 } }, "with 2 axes of size, for src [2, 2, 4, 4]" },
    { TransposedSampling{ {}, { 3 } }, { { 1, 2, 4, 4 }, { 1, 2, 4, 4 } }, "size [3] should have one entry" },
    { TransposedSampling{ {}, { 3, 0 } }, { { 1, 2, 4, 4 }, { 1, 2, 4, 4 } }, "size [3, 0] should have one entry" },
    { TransposedSampling{ {}, { 3, 3 } },
      { { 1, 2, 4, 5 }, { 1, 2, 4, 4 } },
      "src [1, 2, 4, 5] should have the sampling's shape [1, 2, 4, 4]" },
    { SamplingCoordinatesGradient{},
      { { 1, 2, 4 }, { 1, 3, 4 }, { 1, 1, 4 } },
      "gradient [1, 2, 4] should have the sampling's shape [1, 3, 4]" },
    { Gather{}, { { 3, 4 }, { 2 } }, "indices should be int64, are float32" },
    { ScatterAdd{}, { { 2, 4 }, { 2 } }, "indices should be int64, are float32" },
    { BitMask{ { 9 } }, { { 2 }, {} }, "bits should be uint8, are float32" },
  };
}
} // namespace

TEST(Operator, ShapesAreInferred)
{
  for (const auto & shapeCase : ShapeCases())
  {
    EXPECT_EQ(Infer(shapeCase.op, shapeCase.inputs), shapeCase.expected)
      << GetName(shapeCase.op) << ' ' << Describe(shapeCase.op) << " of " << ToString(shapeCase.inputs[0]);
  }
}

TEST(Operator, EveryErrorNamesTheOperatorAndTheShapes)
{
  for (const auto & errorCase : ErrorCases())
  {
    const std::string error = InferError(errorCase.op, errorCase.inputs);
    EXPECT_EQ(error.rfind(GetName(errorCase.op), 0), 0U) << "should start with the operator: " << error;
    EXPECT_NE(error.find(errorCase.message), std::string::npos)
      << "expected: " << errorCase.message << "\ngot: " << error;
  }
}

TEST(Operator, OperandsOfDifferentTypesAreErrors)
{
  const ValueType a{ { 2, 2 }, DataType::Float32 };
  const ValueType b{ { 2, 2 }, DataType::Int32 };
  Operator binary = Binary{};
  EXPECT_NN_ERROR(InferOutput(binary, { a, b }), "operands are float32 and int32");
  Operator product = MatrixProduct{};
  EXPECT_NN_ERROR(InferOutput(product, { a, b }), "should be of one type");
  Operator concatenation = Concatenation{};
  EXPECT_NN_ERROR(InferOutput(concatenation, { a, b }), "the same type");
}

TEST(Operator, GatherAndScatter)
{
  const auto infer = [](Operator op, const Shape & src, const Shape & indices)
  { return InferOutput(op, { { src, DataType::Float32 }, { indices, DataType::Int64 } }).shape; };
  EXPECT_EQ(infer(Gather{ 1 }, { 2, 7, 4 }, { 5, 6 }), (Shape{ 2, 5, 6, 4 }));
  EXPECT_EQ(infer(Gather{ -1 }, { 2, 7 }, {}), (Shape{ 2 }));
  EXPECT_EQ(infer(ScatterAdd{ 1, 7 }, { 2, 5, 6, 4 }, { 5, 6 }), (Shape{ 2, 7, 4 }));
  EXPECT_EQ(infer(ScatterAdd{ -1, 7 }, { 2, 5 }, { 5 }), (Shape{ 2, 7 }));
  EXPECT_NN_ERROR(infer(Gather{ 3 }, { 2, 7, 4 }, { 5 }), "Gather: Axis 3 is outside");
  EXPECT_NN_ERROR(infer(ScatterAdd{ 0, 7 }, { 2, 5 }, { 5 }), "should have the axes of the indices [5] from axis 0 on");
  EXPECT_NN_ERROR(infer(ScatterAdd{ 0, -1 }, { 5 }, { 5 }), "size, which is -1, should be at least 0");
  EXPECT_NN_ERROR(infer(ScatterAdd{ 0, 3 }, { 5 }, { 5, 2 }), "should have the axes of the indices [5, 2]");
}

TEST(Operator, DescribeGradients)
{
  const auto describe = [](Operator op, const std::vector<Shape> & shapes)
  {
    std::vector<ValueType> types;
    for (const auto & shape : shapes)
    {
      types.push_back({ shape, DataType::Float32 });
    }
    InferOutput(op, types);
    return Describe(op);
  };
  TransposedConvolution transposed{ { 2 }, { 1 }, {}, {}, 2 };
  transposed.postOperations = { { Binary{ BinaryFunction::Gate, 0.5 } } };
  EXPECT_EQ(describe(transposed, { { 1, 4, 3, 3 }, { 4, 2, 3, 3 }, { 1, 4, 5, 5 } }),
            "stride=[2, 2] padding=[1, 1] groups=2 size=[5, 5] then gate(alpha=0.5)");
  EXPECT_EQ(describe(ConvolutionWeightsGradient{ { 3, 3 }, {}, { 1 } }, { { 1, 4, 3, 3 }, { 1, 2, 3, 3 } }),
            "kernel=[3, 3] padding=[1, 1]");
  EXPECT_EQ(describe(PoolingGradient{ Pool({ 2, 2 }), { 4, 4 } }, { { 1, 2, 2, 2 }, { 1, 2, 4, 4 } }),
            "function=maximum kernel=[2, 2] stride=[2, 2] size=[4, 4]");
  EXPECT_EQ(describe(TransposedInterpolation{ InterpolationMode::Linear, { 2, 2 }, true }, { { 1, 4, 4 } }),
            "mode=linear size=[2, 2] alignCorners=yes");
  EXPECT_EQ(describe(Insertion{ { 1 }, { 2 } }, { { 7 }, { 3 } }), "begin=[1] step=[2]");
  EXPECT_EQ(Describe(Gather{ 1 }), "axis=1");
  EXPECT_EQ(Describe(ScatterAdd{ 1, 5 }), "axis=1 size=5");
  EXPECT_EQ(Describe(BitMask{ { 4, 5 } }), "shape=[4, 5]");
  EXPECT_EQ(Describe(Barrier{}), "");
  EXPECT_EQ(Describe(Barrier{ true }), "stopsGradient=yes");
  EXPECT_EQ(Describe(LovaszWeights{}), "");
}

TEST(Operator, SamplingAndItsGradients)
{
  EXPECT_EQ(Infer(Sampling{}, { { 2, 3, 4, 5 }, { 1, 2, 7, 8 } }), (Shape{ 2, 3, 7, 8 }));
  EXPECT_EQ(Infer(Sampling{}, { { 2, 3, 4 }, { 2, 1, 0 } }), (Shape{ 2, 3, 0 }));
  EXPECT_EQ(Infer(TransposedSampling{ {}, { 4, 5 } }, { { 2, 3, 7, 8 }, { 1, 2, 7, 8 } }), (Shape{ 2, 3, 4, 5 }));
  EXPECT_EQ(Infer(SamplingCoordinatesGradient{}, { { 2, 3, 7, 8 }, { 2, 3, 4, 5 }, { 1, 2, 7, 8 } }),
            (Shape{ 1, 2, 7, 8 }));
  Operator op = Sampling{};
  EXPECT_NN_ERROR(InferOutput(op, { { { 1, 1, 4 }, DataType::Float32 }, { { 1, 1, 4 }, DataType::Float64 } }),
                  "Sampling: src and coordinates are float32 and float64; they must be of one type");
  EXPECT_EQ(Describe(Sampling{}), "mode=linear boundary=constant");
  EXPECT_EQ(Describe(Sampling{ InterpolationMode::Nearest, BoundaryMode::Constant, -2, true }),
            "mode=nearest boundary=constant value=-2 cudaSpatialDeformRules=yes");
  EXPECT_EQ(Describe(TransposedSampling{ { InterpolationMode::Linear, BoundaryMode::Wrap }, { 4, 5 } }),
            "mode=linear boundary=wrap size=[4, 5]");
  EXPECT_EQ(Describe(SamplingCoordinatesGradient{ { InterpolationMode::Linear, BoundaryMode::Mirror } }),
            "mode=linear boundary=mirror");
  EXPECT_STREQ(ToString(BoundaryMode::Reflect), "reflect");
  EXPECT_STREQ(ToString(BoundaryMode::Nearest), "nearest");
}

TEST(Operator, SamplingTaps)
{
  const auto check = [](BoundaryMode boundary, bool rules, double coordinate, double place, double slope)
  {
    const Sampling op{ InterpolationMode::Linear, boundary, 0, rules };
    const SamplingTap tap = GetSamplingTap(op, coordinate, 5);
    EXPECT_FALSE(tap.isOutside);
    EXPECT_NEAR(static_cast<double>(tap.low) + tap.weight, place, 1e-12) << Describe(op) << " of " << coordinate;
    EXPECT_EQ(tap.slope, slope) << Describe(op) << " of " << coordinate;
    EXPECT_EQ(tap.high, std::min<std::int64_t>(tap.low + 1, 4));
    const SamplingTap single = GetSamplingTap(op, static_cast<float>(coordinate), 5);
    EXPECT_NEAR(static_cast<double>(single.low) + single.weight, place, 1e-5);
  };
  for (const auto boundary : { BoundaryMode::Constant,
                               BoundaryMode::Reflect,
                               BoundaryMode::Mirror,
                               BoundaryMode::Nearest,
                               BoundaryMode::Wrap })
  {
    check(boundary, false, 2.25, 2.25, 1);
    check(boundary, true, 2.25, 2.25, 1);
    check(boundary, false, 4, 4, 1);
  }
  check(BoundaryMode::Reflect, false, -0.25, 0, 0);
  check(BoundaryMode::Reflect, false, -1.25, 0.25, -1);
  check(BoundaryMode::Reflect, false, 5.25, 3.75, -1);
  check(BoundaryMode::Reflect, false, 12.25, 2.25, 1);
  check(BoundaryMode::Reflect, true, -0.25, 0.75, 1);
  check(BoundaryMode::Reflect, true, -0.75, 0.25, 1);
  check(BoundaryMode::Reflect, true, 4.75, 3.25, -1);
  check(BoundaryMode::Mirror, false, -1.25, 1.25, -1);
  check(BoundaryMode::Mirror, false, 4.75, 3.25, -1);
  check(BoundaryMode::Mirror, false, 9.5, 1.5, 1);
  check(BoundaryMode::Nearest, false, -3, 0, 0);
  check(BoundaryMode::Nearest, false, 7, 4, 0);
  check(BoundaryMode::Nearest, true, 7, 4 - 1e-5, 0);
  check(BoundaryMode::Wrap, false, -0.5, 3.5, 1);
  check(BoundaryMode::Wrap, false, -4, 4, 1);
  check(BoundaryMode::Wrap, false, 4.5, 0.5, 1);
  check(BoundaryMode::Wrap, true, 4, 0, 1);
  EXPECT_FALSE(GetSamplingTap(Sampling{}, 4.0, 5).isOutside);
  EXPECT_TRUE(GetSamplingTap(Sampling{}, 4.001, 5).isOutside);
  EXPECT_TRUE(GetSamplingTap(Sampling{}, -1e-9, 5).isOutside);
  EXPECT_TRUE(GetSamplingTap(Sampling{}, std::nan(""), 5).isOutside);
  EXPECT_TRUE(GetSamplingTap(Sampling{ InterpolationMode::Linear, BoundaryMode::Constant, 0, true }, 4.0, 5).isOutside);
  const Sampling nearest{ InterpolationMode::Nearest, BoundaryMode::Mirror };
  EXPECT_EQ(GetSamplingTap(nearest, 1.5, 5).low, 2);
  // The largest below a half, to which a half more cannot be added.
  EXPECT_EQ(GetSamplingTap(nearest, std::nextafter(0.5F, 0.0F), 5).low, 0);
  EXPECT_EQ(GetSamplingTap(nearest, 1.5, 5).high, 2);
  EXPECT_EQ(GetSamplingTap(nearest, 1.5, 5).weight, 0);
  EXPECT_EQ(GetSamplingTap(nearest, 1.25, 5).slope, 0);
}

TEST(Operator, PatchSliceOfAnInsertion)
{
  const Slice slice = GetPatchSlice(Insertion{ { 1, 0 }, { 3, 1 } }, { 2, 4 });
  EXPECT_EQ(slice.begin, (Shape{ 1, 0 }));
  EXPECT_EQ(slice.end, (Shape{ 5, 4 }));
  EXPECT_EQ(slice.step, (Shape{ 3, 1 }));
  EXPECT_EQ(GetPatchSlice(Insertion{ { 2 }, { 3 } }, { 0 }).end, (Shape{ 2 })) << "of an empty patch";
}

TEST(Operator, TypesPassThrough)
{
  Operator slice = Slice{ { 0 }, { 1 }, {} };
  EXPECT_EQ(InferOutput(slice, { { { 3 }, DataType::Int64 } }).type, DataType::Int64);
  Operator unary = Unary{};
  EXPECT_EQ(InferOutput(unary, { { { 3 }, DataType::Float64 } }).type, DataType::Float64);
}

TEST(Operator, DefaultsAreFilled)
{
  Operator op = Conv({ 2 }, { 1 });
  InferOutput(op, { { { 1, 1, 8, 8 }, DataType::Float32 }, { { 1, 1, 3, 3 }, DataType::Float32 } });
  const auto & conv = std::get<Convolution>(op);
  EXPECT_EQ(conv.stride, (Shape{ 2, 2 }));
  EXPECT_EQ(conv.padding, (Shape{ 1, 1 }));
  EXPECT_EQ(conv.paddingEnd, (Shape{ 1, 1 }));
  EXPECT_EQ(conv.dilation, (Shape{ 1, 1 }));
  Operator pool = Pool({ 3, 2 });
  InferOutput(pool, { { { 1, 8, 8 }, DataType::Float32 } });
  EXPECT_EQ(std::get<Pooling>(pool).stride, (Shape{ 3, 2 }));
  EXPECT_EQ(std::get<Pooling>(pool).padding, (Shape{ 0, 0 }));
  Operator reduction = Reduction{ ReductionFunction::Sum, { -1, 0 }, true };
  InferOutput(reduction, { { { 1, 8, 8 }, DataType::Float32 } });
  EXPECT_EQ(std::get<Reduction>(reduction).axes, (std::vector<int>{ 0, 2 }));
  Operator softmax = Softmax{};
  InferOutput(softmax, { { { 1, 8, 8 }, DataType::Float32 } });
  EXPECT_EQ(std::get<Softmax>(softmax).axis, 2);
}

TEST(Operator, Describe)
{
  Operator conv = Conv({ 2 }, { 1 }, { 3 }, 4, true);
  std::get<Convolution>(conv).postOperations = { { Unary{ UnaryFunction::LeakyRelu, 0.25, 0 } },
                                                 { Binary{ BinaryFunction::Add } } };
  const ValueType operand{ { 4, 1, 1 }, DataType::Float32 };
  InferOutput(conv,
              { { { 1, 4, 16, 16 }, DataType::Float32 },
                { { 4, 1, 3, 3 }, DataType::Float32 },
                { { 4 }, DataType::Float32 },
                operand });
  EXPECT_EQ(Describe(conv),
            "stride=[2, 2] padding=[1, 1] dilation=[3, 3] groups=4 bias=yes then leaky_relu(alpha=0.25) then add");
  EXPECT_EQ(Describe(Conv({}, {})), "");
  EXPECT_EQ(Describe(WithPaddingEnd({ 0 }, { 1 })), "paddingEnd=[1]");
  EXPECT_EQ(Describe(Unary{ UnaryFunction::Clip, 0, 1 }), "clip(alpha=0, beta=1)");
  EXPECT_EQ(Describe(Unary{ UnaryFunction::Relu, 0, 0 }), "relu");
  EXPECT_EQ(Describe(Binary{ BinaryFunction::Power }), "power");
  Pooling average = Pool({ 3 }, { 2 }, { 1 });
  average.function = PoolingFunction::Average;
  EXPECT_EQ(Describe(average), "function=average kernel=[3] stride=[2] padding=[1]");
  average.includePadding = false;
  EXPECT_EQ(Describe(average), "function=average kernel=[3] stride=[2] padding=[1] includePadding=no");
  EXPECT_EQ(Describe(Interpolation{ InterpolationMode::Nearest, { 4, 4 }, true }),
            "mode=nearest size=[4, 4] alignCorners=yes");
  EXPECT_EQ(Describe(Concatenation{ 2 }), "axis=2");
  EXPECT_EQ(Describe(Slice{ { 0 }, { 4 }, { 2 } }), "begin=[0] end=[4] step=[2]");
  EXPECT_EQ(Describe(Slice{ { 0 }, { 4 }, { 1 } }), "begin=[0] end=[4]");
  EXPECT_EQ(Describe(Reshape{ { 2, 3 } }), "shape=[2, 3]");
  EXPECT_EQ(Describe(Permutation{ { 1, 0 } }), "order=[1, 0]");
  EXPECT_EQ(Describe(Broadcast{ { 2, 3 } }), "shape=[2, 3]");
  EXPECT_EQ(Describe(Reduction{ ReductionFunction::Mean, { 1 }, false }), "function=mean axes=[1] keepAxes=no");
  EXPECT_EQ(Describe(Softmax{ 1, true }), "axis=1 logarithm=yes");
  EXPECT_EQ(Describe(MatrixProduct{ true, true }), "transposeA=yes transposeB=yes");
}

TEST(Operator, FunctionsHaveNames)
{
  EXPECT_STREQ(ToString(UnaryFunction::Relu), "relu");
  EXPECT_STREQ(ToString(UnaryFunction::Softplus), "softplus");
  EXPECT_STREQ(ToString(UnaryFunction::ReciprocalSqrt), "rsqrt");
  EXPECT_STREQ(ToString(UnaryFunction::RoundHalfEven), "round");
  EXPECT_STREQ(ToString(UnaryFunction::Linear), "linear");
  EXPECT_STREQ(ToString(BinaryFunction::Add), "add");
  EXPECT_STREQ(ToString(BinaryFunction::Equal), "equal");
  EXPECT_STREQ(ToString(PoolingFunction::Maximum), "maximum");
  EXPECT_STREQ(ToString(PoolingFunction::Average), "average");
  EXPECT_STREQ(ToString(ReductionFunction::Minimum), "minimum");
  EXPECT_STREQ(ToString(InterpolationMode::Linear), "linear");
}

TEST(Operator, CountedWork)
{
  const auto count = [](Operator op, const std::vector<Shape> & shapes)
  {
    std::vector<ValueType> types;
    for (const auto & shape : shapes)
    {
      types.push_back({ shape, DataType::Float32 });
    }
    const ValueType output = InferOutput(op, types);
    return CountFlops(op, types, output);
  };
  EXPECT_EQ(count(Conv({}, { 1 }), { { 2, 3, 8, 8 }, { 5, 3, 3, 3 } }), 2.0 * 3 * 9 * 2 * 5 * 64);
  EXPECT_EQ(count(Conv({}, { 1 }, {}, 4), { { 1, 8, 6, 6 }, { 12, 2, 3, 3 } }), 2.0 * 2 * 9 * 12 * 36);
  EXPECT_EQ(count(Conv({ 2 }, {}, {}, 1, true), { { 1, 1, 7 }, { 2, 1, 3 }, { 2 } }), 2.0 * 3 * 2 * 3);
  EXPECT_EQ(count(TransposedConvolution{ {}, { 1 } }, { { 2, 5, 8, 8 }, { 5, 3, 3, 3 } }), 2.0 * 3 * 9 * 2 * 5 * 64);
  EXPECT_EQ(count(ConvolutionWeightsGradient{ { 3, 3 }, {}, { 1 } }, { { 2, 3, 8, 8 }, { 2, 5, 8, 8 } }),
            2.0 * 3 * 9 * 2 * 5 * 64);
  EXPECT_EQ(count(Barrier{}, { { 2, 3 } }), 0);
  EXPECT_EQ(count(LovaszWeights{}, { { 2, 3 }, { 2, 3 } }), 12);
  EXPECT_EQ(count(MatrixProduct{}, { { 5, 2, 3 }, { 3, 4 } }), 2.0 * 3 * 5 * 2 * 4);
  EXPECT_EQ(count(MatrixProduct{ true, false }, { { 3, 2 }, { 3, 4 } }), 2.0 * 3 * 2 * 4);
  EXPECT_EQ(count(Reshape{ { 6 } }, { { 2, 3 } }), 0);
  EXPECT_EQ(count(Unary{}, { { 2, 3 } }), 6);
  EXPECT_EQ(count(Pool({ 2, 2 }), { { 3, 4, 4 } }), 48);
  EXPECT_EQ(count(Interpolation{ InterpolationMode::Linear, { 8 }, true }, { { 3, 4 } }), 24);
  EXPECT_EQ(count(Binary{}, { { 2, 3 }, { 1 } }), 7);
  EXPECT_TRUE(IsProduct(Convolution{}));
  EXPECT_TRUE(IsProduct(MatrixProduct{}));
  EXPECT_TRUE(IsProduct(TransposedConvolution{}));
  EXPECT_TRUE(IsProduct(ConvolutionWeightsGradient{}));
  EXPECT_FALSE(IsProduct(Binary{}));
}

TEST(Operator, UnaryValues)
{
  const auto value = [](UnaryFunction f, double x, double alpha = 0, double beta = 0)
  { return Evaluate(Unary{ f, alpha, beta }, x); };
  EXPECT_EQ(value(UnaryFunction::Relu, -2), 0);
  EXPECT_EQ(value(UnaryFunction::Relu, 2), 2);
  EXPECT_DOUBLE_EQ(value(UnaryFunction::LeakyRelu, -2, 0.01), -0.02);
  EXPECT_EQ(value(UnaryFunction::LeakyRelu, 2, 0.01), 2);
  EXPECT_DOUBLE_EQ(value(UnaryFunction::Elu, -1, 2), 2 * (std::exp(-1.0) - 1));
  EXPECT_DOUBLE_EQ(value(UnaryFunction::Sigmoid, 0), 0.5);
  EXPECT_DOUBLE_EQ(value(UnaryFunction::Sigmoid, 2), 0.88079707797788243);
  EXPECT_DOUBLE_EQ(value(UnaryFunction::Tanh, 0.5), 0.46211715726000979);
  EXPECT_DOUBLE_EQ(value(UnaryFunction::Gelu, 1), 0.84134474606854293);
  EXPECT_DOUBLE_EQ(value(UnaryFunction::Silu, 2), 2 * 0.88079707797788243);
  EXPECT_DOUBLE_EQ(value(UnaryFunction::Softplus, 0), std::log(2.0));
  EXPECT_EQ(value(UnaryFunction::Softplus, 1000), 1000);
  EXPECT_EQ(value(UnaryFunction::Softplus, -1000), 0);
  EXPECT_DOUBLE_EQ(value(UnaryFunction::Exp, 1), 2.7182818284590451);
  EXPECT_DOUBLE_EQ(value(UnaryFunction::Log, 2), 0.69314718055994529);
  EXPECT_EQ(value(UnaryFunction::Sqrt, 9), 3);
  EXPECT_EQ(value(UnaryFunction::ReciprocalSqrt, 4), 0.5);
  EXPECT_EQ(value(UnaryFunction::Reciprocal, 4), 0.25);
  EXPECT_EQ(value(UnaryFunction::Square, -3), 9);
  EXPECT_EQ(value(UnaryFunction::Abs, -3), 3);
  EXPECT_EQ(value(UnaryFunction::Negate, 3), -3);
  EXPECT_DOUBLE_EQ(value(UnaryFunction::Erf, 0.5), 0.52049987781304652);
  EXPECT_EQ(value(UnaryFunction::RoundHalfEven, 0.5), 0);
  EXPECT_EQ(value(UnaryFunction::RoundHalfEven, 1.5), 2);
  EXPECT_EQ(value(UnaryFunction::RoundHalfEven, -2.5), -2);
  EXPECT_EQ(value(UnaryFunction::Clip, 5, 0, 1), 1);
  EXPECT_EQ(value(UnaryFunction::Clip, -5, 0, 1), 0);
  EXPECT_EQ(value(UnaryFunction::Clip, 0.5, 0, 1), 0.5);
  EXPECT_EQ(value(UnaryFunction::Linear, 3, 2, 1), 7);
}

TEST(Operator, UnarySpecialValues)
{
  const double infinity = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (int f = 0; f <= static_cast<int>(UnaryFunction::Linear); ++f)
  {
    const auto function = static_cast<UnaryFunction>(f);
    EXPECT_TRUE(std::isnan(Evaluate(Unary{ function, 0.5, 1 }, nan))) << ToString(function);
    EXPECT_TRUE(std::isnan(Evaluate(Unary{ function, 0.5, 1 }, std::numeric_limits<float>::quiet_NaN())))
      << ToString(function);
  }
  EXPECT_EQ(Evaluate(Unary{ UnaryFunction::Relu }, infinity), infinity);
  EXPECT_EQ(Evaluate(Unary{ UnaryFunction::Relu }, -infinity), 0);
  EXPECT_EQ(Evaluate(Unary{ UnaryFunction::LeakyRelu, 0.01, 0 }, -infinity), -infinity);
  EXPECT_EQ(Evaluate(Unary{ UnaryFunction::Elu, 1, 0 }, -infinity), -1);
  EXPECT_EQ(Evaluate(Unary{ UnaryFunction::Sigmoid }, -infinity), 0);
  EXPECT_EQ(Evaluate(Unary{ UnaryFunction::Sigmoid }, infinity), 1);
  EXPECT_EQ(Evaluate(Unary{ UnaryFunction::Softplus }, infinity), infinity);
  EXPECT_EQ(Evaluate(Unary{ UnaryFunction::Softplus }, -infinity), 0);
  EXPECT_EQ(Evaluate(Unary{ UnaryFunction::Clip, -1, 1 }, infinity), 1);
  // The small end of elu keeps its precision.
  EXPECT_DOUBLE_EQ(Evaluate(Unary{ UnaryFunction::Elu, 1, 0 }, -1e-12), -1e-12 + 5e-25);
}

TEST(Operator, BinaryValues)
{
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(Evaluate(Binary{ BinaryFunction::Add }, 2.0, 3.0), 5);
  EXPECT_EQ(Evaluate(Binary{ BinaryFunction::Subtract }, 2.0, 3.0), -1);
  EXPECT_EQ(Evaluate(Binary{ BinaryFunction::Multiply }, 2.0, 3.0), 6);
  EXPECT_EQ(Evaluate(Binary{ BinaryFunction::Divide }, 3.0F, 2.0F), 1.5F);
  EXPECT_EQ(Evaluate(Binary{ BinaryFunction::Minimum }, 2.0, 3.0), 2);
  EXPECT_EQ(Evaluate(Binary{ BinaryFunction::Maximum }, 2.0, 3.0), 3);
  EXPECT_EQ(Evaluate(Binary{ BinaryFunction::Power }, 2.0, 3.0), 8);
  EXPECT_EQ(Evaluate(Binary{ BinaryFunction::Greater }, 3.0, 2.0), 1);
  EXPECT_EQ(Evaluate(Binary{ BinaryFunction::Greater }, 2.0, 2.0), 0);
  EXPECT_EQ(Evaluate(Binary{ BinaryFunction::Equal }, 2.0F, 2.0F), 1.0F);
  EXPECT_EQ(Evaluate(Binary{ BinaryFunction::Equal }, 2.0, 3.0), 0);
  EXPECT_EQ(Evaluate(Binary{ BinaryFunction::PRelu }, 2.0, 0.25), 2);
  EXPECT_EQ(Evaluate(Binary{ BinaryFunction::PRelu }, -2.0, 0.25), -0.5);
  EXPECT_EQ(Evaluate(Binary{ BinaryFunction::Gate, 0.25 }, 2.0, 3.0), 2);
  EXPECT_EQ(Evaluate(Binary{ BinaryFunction::Gate, 0.25 }, 2.0, 0.0), 0.5);
  for (const auto function : { BinaryFunction::Minimum, BinaryFunction::Maximum, BinaryFunction::Add })
  {
    EXPECT_TRUE(std::isnan(Evaluate(Binary{ function }, nan, 1.0)));
    EXPECT_TRUE(std::isnan(Evaluate(Binary{ function }, 1.0, nan)));
  }
  EXPECT_EQ(Evaluate(Binary{ BinaryFunction::Greater }, nan, 1.0), 0);
  EXPECT_EQ(Evaluate(Binary{ BinaryFunction::Equal }, nan, nan), 0);
}

namespace
{
/** Positions of the taps: low + weight. */
std::vector<double>
Positions(
  InterpolationMode mode, bool alignCorners, std::int64_t in, std::int64_t out, DataType type = DataType::Float64)
{
  std::vector<double> positions;
  for (const auto & tap : InterpolationTaps(Interpolation{ mode, { out }, alignCorners }, in, out, type))
  {
    EXPECT_GE(tap.low, 0);
    EXPECT_LE(tap.low, tap.high);
    EXPECT_LT(tap.high, in);
    EXPECT_GE(tap.weight, 0);
    EXPECT_LE(tap.weight, 1);
    positions.push_back(static_cast<double>(tap.low) + tap.weight * static_cast<double>(tap.high - tap.low));
  }
  return positions;
}
} // namespace

TEST(InterpolationTaps, LinearWithoutCorners)
{
  EXPECT_EQ(Positions(InterpolationMode::Linear, false, 2, 4), (std::vector<double>{ 0, 0.25, 0.75, 1 }));
  EXPECT_EQ(Positions(InterpolationMode::Linear, false, 4, 2), (std::vector<double>{ 0.5, 2.5 }));
  EXPECT_EQ(Positions(InterpolationMode::Linear, false, 1, 3), (std::vector<double>{ 0, 0, 0 }));
  EXPECT_EQ(Positions(InterpolationMode::Linear, false, 5, 1), (std::vector<double>{ 2 }));
  EXPECT_EQ(Positions(InterpolationMode::Linear, false, 3, 3), (std::vector<double>{ 0, 1, 2 }));
}

TEST(InterpolationTaps, LinearWithCorners)
{
  EXPECT_EQ(Positions(InterpolationMode::Linear, true, 2, 5), (std::vector<double>{ 0, 0.25, 0.5, 0.75, 1 }));
  EXPECT_EQ(Positions(InterpolationMode::Linear, true, 5, 3), (std::vector<double>{ 0, 2, 4 }));
  EXPECT_EQ(Positions(InterpolationMode::Linear, true, 1, 3), (std::vector<double>{ 0, 0, 0 }));
  EXPECT_EQ(Positions(InterpolationMode::Linear, true, 5, 1), (std::vector<double>{ 0 }));
}

TEST(InterpolationTaps, Nearest)
{
  EXPECT_EQ(Positions(InterpolationMode::Nearest, false, 2, 5), (std::vector<double>{ 0, 0, 0, 1, 1 }));
  EXPECT_EQ(Positions(InterpolationMode::Nearest, false, 5, 2), (std::vector<double>{ 0, 2 }));
  EXPECT_EQ(Positions(InterpolationMode::Nearest, true, 2, 4), (std::vector<double>{ 0, 0, 1, 1 }));
  EXPECT_EQ(Positions(InterpolationMode::Nearest, true, 2, 3), (std::vector<double>{ 0, 1, 1 }));
  EXPECT_EQ(Positions(InterpolationMode::Nearest, true, 5, 1), (std::vector<double>{ 0 }));
  EXPECT_EQ(Positions(InterpolationMode::Nearest, false, 1, 3), (std::vector<double>{ 0, 0, 0 }));
}

TEST(InterpolationTaps, ManySizesFollowTheFormula)
{
  for (std::int64_t in = 1; in <= 20; ++in)
  {
    for (std::int64_t out = 1; out <= 60; ++out)
    {
      const auto corners = Positions(InterpolationMode::Linear, true, in, out);
      const auto centres = Positions(InterpolationMode::Linear, false, in, out);
      const auto nearest = Positions(InterpolationMode::Nearest, false, in, out);
      const auto single = Positions(InterpolationMode::Linear, false, in, out, DataType::Float32);
      for (std::int64_t i = 0; i < out; ++i)
      {
        const auto k = static_cast<std::size_t>(i);
        const double x = static_cast<double>(i);
        const double n = static_cast<double>(in);
        const double m = static_cast<double>(out);
        ASSERT_NEAR(corners[k], out == 1 ? 0 : x * (n - 1) / (m - 1), 1e-12) << in << " to " << out;
        ASSERT_NEAR(centres[k], std::min(std::max((x + 0.5) * n / m - 0.5, 0.0), n - 1), 1e-12) << in << " to " << out;
        ASSERT_NEAR(single[k], centres[k], 1e-5) << in << " to " << out;
        ASSERT_EQ(nearest[k], i * in / out) << in << " to " << out;
      }
    }
  }
}
