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
#ifndef itkNNOperator_h
#define itkNNOperator_h

#include "UniverSegCoreExport.h"
#include "itkNNDataType.h"
#include "itkNNShape.h"

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace itk
{
namespace nn
{
/** \defgroup UniverSegOperators Operators
 *
 * The operators of a Graph: each is a struct of named parameters, a value
 * without behaviour. Shapes, checks and counted work are in InferOutputs() and
 * CountFlops(); what computes them is a Backend's business.
 *
 * Spatial operators work on [batch..., channels, spatial...]: any number of
 * leading axes is batch, so that a support axis needs no reshape. A vector
 * parameter with one entry a spatial axis may be given empty (the default
 * everywhere) or with one entry (the same everywhere).
 *
 * To add an operator: its struct here, its case in itkNNOperator.cxx (shapes,
 * work, text), its gradient in itkNNDifferentiation.cxx, its kernel in the
 * reference backend, its rows in the operator table of the backend tests.
 * \ingroup UniverSegCore
 */

/** Elementwise functions of one operand. \ingroup UniverSegOperators */
enum class UnaryFunction : std::uint8_t
{
  Relu,
  LeakyRelu, ///< x > 0 ? x : alpha * x
  Elu,       ///< x > 0 ? x : alpha * (exp(x) - 1)
  Sigmoid,
  Tanh,
  Gelu, ///< exact, with erf
  Silu, ///< x * sigmoid(x)
  Softplus,
  Exp,
  Log,
  Sqrt,
  ReciprocalSqrt,
  Reciprocal,
  Square,
  Abs,
  Negate,
  Erf,
  RoundHalfEven,
  Clip,  ///< min(max(x, alpha), beta)
  Linear ///< alpha * x + beta
};

/** Elementwise functions of two operands that broadcast. \ingroup UniverSegOperators */
enum class BinaryFunction : std::uint8_t
{
  Add,
  Subtract,
  Multiply,
  Divide,
  Minimum,
  Maximum,
  Power,
  Greater, ///< 1 where a > b, else 0
  Equal,   ///< 1 where a == b, else 0
  PRelu,   ///< a > 0 ? a : b * a, a rectifier with a slope that is learned
  Gate     ///< b > 0 ? a : alpha * a, what becomes of a gradient behind a rectifier
};

enum class PoolingFunction : std::uint8_t
{
  Maximum,
  Average
};

enum class ReductionFunction : std::uint8_t
{
  Sum,
  Mean,
  Maximum,
  Minimum,
  Variance ///< the mean of (x - mean)^2
};

enum class InterpolationMode : std::uint8_t
{
  Nearest, ///< source = floor(i * in / out)
  Linear   ///< two taps an axis, clamped at the borders
};

/** What a Sampling takes for a position that is outside of src. A place of an
 * axis of n elements is its coordinate in voxels, from 0 to n - 1. */
enum class BoundaryMode : std::uint8_t
{
  Constant, ///< a given value, unless the place is inside along every axis
  Reflect,  ///< d c b a | a b c d | d c b a
  Mirror,   ///< d c b | a b c d | c b a
  Nearest,  ///< a a a | a b c d | d d d
  Wrap      ///< c | a b c d | b c d: the first and the last element are one place
};

UniverSegCore_EXPORT const char * ToString(UnaryFunction function);
UniverSegCore_EXPORT const char * ToString(BinaryFunction function);
UniverSegCore_EXPORT const char * ToString(PoolingFunction function);
UniverSegCore_EXPORT const char * ToString(ReductionFunction function);
UniverSegCore_EXPORT const char * ToString(InterpolationMode mode);
UniverSegCore_EXPORT const char * ToString(BoundaryMode mode);

/** y = f(x). Inputs: src. \ingroup UniverSegOperators */
struct Unary
{
  UnaryFunction function = UnaryFunction::Relu;
  double alpha = 0;
  double beta = 0;
};

/** y = f(a, b), shapes broadcast. Inputs: a, b. \ingroup UniverSegOperators */
struct Binary
{
  BinaryFunction function = BinaryFunction::Add;
  double alpha = 0; ///< of Gate
};

/** What an operator does to its result before storing it: a Unary, or a Binary
 * with a further input that broadcasts to the result. */
struct PostOperation
{
  std::variant<Unary, Binary> operation;
};

/** Cross-correlation with zero padding, 1 to 3 spatial axes.
 *
 * Inputs: src [batch..., Ci, spatial...], weights [Co, Ci / groups, kernel...],
 * bias [Co] when hasBias, then one operand for each binary post-operation.
 * Output extent: (in + padding + paddingEnd - dilation * (kernel - 1) - 1) / stride + 1.
 * \ingroup UniverSegOperators */
struct Convolution
{
  std::vector<std::int64_t> stride;     ///< default 1
  std::vector<std::int64_t> padding;    ///< before the first element, default 0
  std::vector<std::int64_t> paddingEnd; ///< behind the last element, default as padding
  std::vector<std::int64_t> dilation;   ///< default 1
  std::int64_t groups = 1;
  bool hasBias = false; ///< set by the graph from the inputs
  std::vector<PostOperation> postOperations;
};

/** Window maximum or mean. Padding never wins a maximum; it counts as zeros in
 * a mean when includePadding. Inputs: src [batch..., C, spatial...].
 * Output extent: (in + 2 * padding - kernel) / stride + 1, rounded down.
 * \ingroup UniverSegOperators */
struct Pooling
{
  PoolingFunction function = PoolingFunction::Maximum;
  std::vector<std::int64_t> kernel;  ///< one entry a spatial axis, required
  std::vector<std::int64_t> stride;  ///< default kernel
  std::vector<std::int64_t> padding; ///< default 0, at most kernel / 2
  bool includePadding = true;
};

/** Resampling of the last axes to given extents.
 *
 * Inputs: src [..., spatial...]. With alignCorners the source position of
 * output i is i * (in - 1) / (out - 1), 0 when out is 1; else
 * (i + 0.5) * in / out - 0.5. Mode Nearest ignores alignCorners unless it is
 * set: then the position above is rounded half up.
 * \ingroup UniverSegOperators */
struct Interpolation
{
  InterpolationMode mode = InterpolationMode::Linear;
  std::vector<std::int64_t> size; ///< output extents of the last size.size() axes, required
  bool alignCorners = false;
};

/** What a convolution over an interpolated tensor is when its weights are
 * applied first: each tap of the kernel has channels of its own, which are
 * interpolated, displaced by the tap's position and summed; zero outside.
 *
 * Inputs: src [batch..., K * C, spatial...] with K taps, the channels of tap 0
 * first, taps in row-major order of the kernel; then one operand for each
 * binary post-operation. With up_k the Interpolation of tap k's channels to
 * size: y[c, i] = sum over k of up_k[c, i + dilation * k - padding].
 * Output [batch..., C, size + padding + paddingEnd - dilation * (kernel - 1)].
 * \ingroup UniverSegOperators */
struct ShiftedInterpolation
{
  Interpolation interpolation;          ///< of as many axes as the kernel has
  std::vector<std::int64_t> kernel;     ///< one entry a spatial axis, required
  std::vector<std::int64_t> padding;    ///< before the first element, default 0
  std::vector<std::int64_t> paddingEnd; ///< behind the last element, default as padding
  std::vector<std::int64_t> dilation;   ///< default 1
  std::vector<PostOperation> postOperations;
};

/** Several elementwise functions in one pass over memory.
 *
 * Inputs: src, then one operand for each binary post-operation; the output has
 * the shape to which all of them broadcast.
 * \ingroup UniverSegOperators */
struct Pointwise
{
  std::vector<PostOperation> postOperations;
};

/** A tensor with a part of it replaced. Inputs: src, patch of the same rank.
 * \ingroup UniverSegOperators */
struct Insertion
{
  std::vector<std::int64_t> begin;     ///< where the patch's first element goes, one entry an axis
  std::vector<std::int64_t> step = {}; ///< from one element of the patch to the next, default 1, positive
};

/** The adjoint of a Convolution of the same parameters, without bias: what the
 * frameworks call a transposed convolution, and the gradient of a convolution
 * with respect to its src.
 *
 * Inputs: src [batch..., Co, spatial...], weights [Co, Ci / groups, kernel...]
 * as the convolution has them, then one operand for each binary post-operation.
 * Output [batch..., Ci, size...].
 * \ingroup UniverSegOperators */
struct TransposedConvolution
{
  std::vector<std::int64_t> stride = {};     ///< default 1
  std::vector<std::int64_t> padding = {};    ///< default 0
  std::vector<std::int64_t> paddingEnd = {}; ///< default as padding
  std::vector<std::int64_t> dilation = {};   ///< default 1
  std::int64_t groups = 1;
  /** Output extents; default the smallest whose convolution has src's:
   * (in - 1) * stride + dilation * (kernel - 1) + 1 - padding - paddingEnd. */
  std::vector<std::int64_t> size = {};
  std::vector<PostOperation> postOperations = {};
};

/** The gradient of a Convolution with respect to its weights.
 *
 * Inputs: src [batch..., Ci, spatial...], gradient [batch..., Co, spatial...]
 * of the convolution's output. Output [Co, Ci / groups, kernel...].
 * \ingroup UniverSegOperators */
struct ConvolutionWeightsGradient
{
  std::vector<std::int64_t> kernel = {};     ///< one entry a spatial axis, required
  std::vector<std::int64_t> stride = {};     ///< default 1
  std::vector<std::int64_t> padding = {};    ///< default 0
  std::vector<std::int64_t> paddingEnd = {}; ///< default as padding
  std::vector<std::int64_t> dilation = {};   ///< default 1
  std::int64_t groups = 1;
};

/** The gradient of a Pooling with respect to its src. That of a maximum goes to
 * the first element, in row-major order, that has it.
 *
 * Inputs: gradient [batch..., C, spatial...] of the pooling's output, and of a
 * maximum the pooling's src. Output [batch..., C, size...].
 * \ingroup UniverSegOperators */
struct PoolingGradient
{
  Pooling pooling = {};
  std::vector<std::int64_t> size = {}; ///< spatial extents of the pooling's src, required
};

/** The adjoint of an Interpolation, its gradient with respect to its src.
 *
 * Inputs: src [..., spatial...], the extents of which are those of the
 * interpolation's output. Output [..., size...].
 * \ingroup UniverSegOperators */
struct TransposedInterpolation
{
  InterpolationMode mode = InterpolationMode::Linear;
  std::vector<std::int64_t> size = {}; ///< extents of the interpolation's src, required
  bool alignCorners = false;
};

/** Values of an image at any positions.
 *
 * Inputs: src [B, C, spatial...] with 1 to 3 spatial axes of at least one element;
 * coordinates [B or 1, D, size...], for each of the D spatial axes of src where an
 * output element comes from, in voxels and in the order of the axes. Output
 * [B, C, size...].
 *
 * Places are those of SciPy's map_coordinates of orders 0 and 1, up to which
 * neighbour a place half between two has: the one behind. A coordinate that is not
 * a number is outside, of the other modes than Constant the first element of its
 * axis; an infinite one too, but for Nearest.
 * \ingroup UniverSegOperators */
struct Sampling
{
  InterpolationMode mode = InterpolationMode::Linear; ///< Nearest: a fraction of 0.5 goes up
  BoundaryMode boundary = BoundaryMode::Constant;
  double value = 0; ///< of Constant
  /** The rules of the library cuda_spatial_deform instead, for results like its own:
   * an axis ends before its last element, which of Constant is outside, of Wrap the
   * first element, and of Nearest 1e-5 of a voxel further on; Reflect takes 2 n - 1 - c
   * for c in [n, 2 n), c being modulo 2 n, and mirrors that. */
  bool cudaSpatialDeformRules = false;
};

/** The adjoint of a Sampling, its gradient with respect to its src: elements are
 * added where they come from.
 *
 * Inputs: src [B, C, spatial...], the extents of which are those of the sampling's
 * output, coordinates as of the sampling. Output [B, C, size...].
 * \ingroup UniverSegOperators */
struct TransposedSampling
{
  Sampling sampling = {};
  std::vector<std::int64_t> size = {}; ///< spatial extents of the sampling's src, required
};

/** The gradient of a Sampling with respect to its coordinates: 0 of mode Nearest
 * and where a boundary gives the same value all around. At a voxel it is the slope
 * behind it.
 *
 * Inputs: gradient [B, C, size...] of the sampling's output; src and coordinates as
 * of the sampling. Output: as the coordinates, a sum over B where they have one
 * batch element for all.
 * \ingroup UniverSegOperators */
struct SamplingCoordinatesGradient
{
  Sampling sampling = {};
};

/** Elements of an axis by their numbers. Inputs: src, indices of type Int64 with
 * any number of axes, which take the place of the axis. An index outside
 * [0, extent) is an Error of the run.
 * \ingroup UniverSegOperators */
struct Gather
{
  int axis = 0; ///< may be negative
};

/** The adjoint of a Gather: elements with the same number are added, those with
 * none are zero. Inputs: src, indices as of the Gather.
 * \ingroup UniverSegOperators */
struct ScatterAdd
{
  int axis = 0;          ///< of the output, may be negative
  std::int64_t size = 0; ///< extent of that axis, required
};

/** Inputs: one or more tensors. Other axes than the concatenated one broadcast.
 * \ingroup UniverSegOperators */
struct Concatenation
{
  int axis = 0; ///< may be negative
};

/** Elements begin, begin + step, ... < end of each axis. Inputs: src.
 * \ingroup UniverSegOperators */
struct Slice
{
  std::vector<std::int64_t> begin; ///< one entry an axis
  std::vector<std::int64_t> end;
  std::vector<std::int64_t> step; ///< default 1, positive
};

/** Same elements, other shape; one extent may be -1. Inputs: src.
 * \ingroup UniverSegOperators */
struct Reshape
{
  Shape shape;
};

/** Output axis i is input axis order[i]. Inputs: src. \ingroup UniverSegOperators */
struct Permutation
{
  std::vector<int> order;
};

/** Repeats extents of 1, adds leading axes. Inputs: src. \ingroup UniverSegOperators */
struct Broadcast
{
  Shape shape;
};

/** Inputs: src. An empty list of axes means all. \ingroup UniverSegOperators */
struct Reduction
{
  ReductionFunction function = ReductionFunction::Sum;
  std::vector<int> axes; ///< may be negative
  bool keepAxes = true;
};

/** exp(x - max) / sum along an axis, or its logarithm. Inputs: src.
 * \ingroup UniverSegOperators */
struct Softmax
{
  int axis = -1;
  bool logarithm = false;
};

/** Product of the last two axes; the leading axes broadcast.
 * Inputs: a [..., M, K], b [..., K, N]. Output [..., M, N].
 * \ingroup UniverSegOperators */
struct MatrixProduct
{
  bool transposeA = false; ///< a is [..., K, M]
  bool transposeB = false; ///< b is [..., N, K]
};

/** A mask as dropout draws it: the value where a bit is set, else 0. Bit i % 8 of
 * byte i / 8 is that of element i. Inputs: bits, uint8, [ceil(elements of shape /
 * 8)]; value, []. Output: shape, of the value's type.
 * \ingroup UniverSegOperators */
struct BitMask
{
  Shape shape;
};

/** y = x, which passes leave where it is: what is computed from it is not merged
 * with what is computed from x. Inputs: src. \ingroup UniverSegOperators */
struct Barrier
{
  bool stopsGradient = false; ///< y is a constant to Differentiate()
};

/** What the elements of each row, the last axis, weigh in the Lovasz extension of the
 * Jaccard index: with the errors in descending order, equal ones in that of the row, the
 * k-th weighs J(k) - J(k - 1), where J(k) = 1 - (G - F(k)) / (G + k - F(k)), J(0) = 0, G is
 * the number of foreground elements of the row and F(k) of the first k; M. Berman et al.,
 * arXiv:1705.08790. It is a constant to Differentiate().
 * Inputs: errors; foreground, of the same shape, where above 0.5. Output: as errors.
 * \ingroup UniverSegOperators */
struct LovaszWeights
{};

/** One of the operators. \ingroup UniverSegOperators */
using Operator = std::variant<Unary,
                              Binary,
                              Convolution,
                              Pooling,
                              Interpolation,
                              Concatenation,
                              Slice,
                              Reshape,
                              Permutation,
                              Broadcast,
                              Reduction,
                              Softmax,
                              MatrixProduct,
                              ShiftedInterpolation,
                              Pointwise,
                              Insertion,
                              TransposedConvolution,
                              ConvolutionWeightsGradient,
                              PoolingGradient,
                              TransposedInterpolation,
                              Gather,
                              ScatterAdd,
                              BitMask,
                              Barrier,
                              Sampling,
                              TransposedSampling,
                              SamplingCoordinatesGradient,
                              LovaszWeights>;

/** What is known of a value before anything runs. */
struct ValueType
{
  Shape shape;
  DataType type = DataType::Float32;
};

/** "Convolution" etc. */
UniverSegCore_EXPORT const char * GetName(const Operator & op);

/** The parameters as text: "stride=[2, 2] padding=[1, 1]". Defaults are left out. */
UniverSegCore_EXPORT std::string Describe(const Operator & op);

/** Fill the parameters' defaults from the input types, check everything and
 * return the type of the output. Throws Error which names the parameter and
 * the shapes. */
UniverSegCore_EXPORT ValueType InferOutput(Operator & op, const std::vector<ValueType> & inputs);

/** Floating-point operations, 2 for a multiplication with addition.
 * Convolutions, their gradients and MatrixProduct count their products, zero
 * padding included, as deep-learning frameworks do; the other operators count one operation for
 * each element they read or write. */
UniverSegCore_EXPORT double CountFlops(const Operator & op,
                                       const std::vector<ValueType> & inputs,
                                       const ValueType & output);

/** The part of src that a patch of this shape replaces. The operator must have
 * been completed by InferOutput(). */
UniverSegCore_EXPORT Slice GetPatchSlice(const Insertion & op, const Shape & patch);

/** The post-operations of an operator that has such, else null. */
UniverSegCore_EXPORT const std::vector<PostOperation> * GetPostOperations(const Operator & op);
UniverSegCore_EXPORT std::vector<PostOperation> * GetPostOperations(Operator & op);

/** True for the operators whose FLOPs are products of weights: Convolution, its
 * two gradients and MatrixProduct. */
UniverSegCore_EXPORT bool IsProduct(const Operator & op);

/** True for the operators that only move elements, whatever their type. */
UniverSegCore_EXPORT bool MovesElements(const Operator & op);

/** Value of a unary function, in float or double. */
template <typename T>
T Evaluate(const Unary & unary, T x);
/** Value of a binary function, in float or double. */
template <typename T>
T Evaluate(const Binary & binary, T a, T b);

extern template UniverSegCore_EXPORT float Evaluate(const Unary &, float);
extern template UniverSegCore_EXPORT double Evaluate(const Unary &, double);
extern template UniverSegCore_EXPORT float Evaluate(const Binary &, float, float);
extern template UniverSegCore_EXPORT double Evaluate(const Binary &, double, double);

/** Source taps of one output element along one axis of an Interpolation:
 * value = (1 - weight) * src[low] + weight * src[high]. Nearest gives weight 0. */
struct InterpolationTap
{
  std::int64_t low;
  std::int64_t high;
  double weight;
};

/** The taps of all outputs of an axis. Positions and weights are computed in
 * double, or in float as the float32 reference implementations do. */
UniverSegCore_EXPORT std::vector<InterpolationTap> InterpolationTaps(const Interpolation & op,
                                                                     std::int64_t in,
                                                                     std::int64_t out,
                                                                     DataType precision);

/** Where a coordinate of a Sampling lies along one axis:
 * value = (1 - weight) * src[low] + weight * src[high]. */
struct SamplingTap
{
  std::int64_t low = 0;
  std::int64_t high = 0;
  double weight = 0;
  double slope = 0;       ///< of the place with the coordinate: 1, -1 or 0
  bool isOutside = false; ///< of Constant
};

/** The place along an axis of `extent` elements, computed in float or double. */
template <typename T>
SamplingTap GetSamplingTap(const Sampling & op, T coordinate, std::int64_t extent);

extern template UniverSegCore_EXPORT SamplingTap GetSamplingTap(const Sampling &, float, std::int64_t);
extern template UniverSegCore_EXPORT SamplingTap GetSamplingTap(const Sampling &, double, std::int64_t);
} // namespace nn
} // namespace itk

#endif
