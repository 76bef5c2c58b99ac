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
#ifndef itkNNCudaParameters_h
#define itkNNCudaParameters_h

#include "itkNNOperator.h"

#include <cstdint>

/** \file
 * The kernels of the device library and what each is told: structs without pointers
 * to the host, copied to the device with the launch.
 *
 * A kernel makes `count` items, each in a thread of its own or in a team of threads.
 * Offsets and strides are in elements.
 */

namespace itk
{
namespace nn
{
namespace cuda
{
/** Types of the elements that kernels read and write. Sums are made in float, of
 * Double in double. */
enum class ElementType : std::int32_t
{
  Float,
  Double,
  Half,
  BFloat16,
  Bits8, ///< of kernels that only move elements
  Bits16,
  Bits32,
  Bits64,
  Bits128
};

enum class KernelId : std::int32_t
{
  Pointwise,
  Copy,
  Reduction,
  Softmax,
  MatrixProduct,
  Convolution,
  TransposedConvolution,
  ConvolutionWeightsGradient,
  Pooling,
  PoolingGradient,
  Interpolation,
  TransposedInterpolation,
  Gather,
  ScatterAdd,
  BitMask,
  Conversion,
  Sampling,
  TransposedSampling,
  SamplingCoordinatesGradient,
  LovaszWeights
};

constexpr int maximumRank = 8;

/** Division by a number that is known before: by a multiplication while both are
 * below 2^31. */
struct Divider
{
  std::int64_t divisor;
  std::uint32_t multiplier;
  std::uint32_t shift;
};

/** Axes over which a kernel's items run, the slowest first. */
struct Space
{
  std::int32_t rank;
  std::int32_t isWide; ///< 2^31 items or more
  std::int64_t count;
  Divider extents[maximumRank];
};

/** Of one operand along each axis of a space; 0 where it repeats. */
struct Strides
{
  std::int64_t of[maximumRank];
};

constexpr int maximumSteps = 12;
constexpr int maximumOperands = 5;

/** One function of a chain. */
struct ChainStep
{
  std::int32_t operand; ///< -1: a UnaryFunction, else of a BinaryFunction
  std::int32_t function;
  double alpha;
  double beta;
};

/** Post-operations: operands over the space of the kernel's items. */
struct Chain
{
  std::int32_t steps;
  std::int32_t operands;
  ChainStep step[maximumSteps];
  const void * operand[maximumOperands];
  Strides strides[maximumOperands];
};

/** Elements that one thread computes when they lie side by side. */
constexpr int packWidth = 4;

/** With `isPacked` an item is packWidth elements along the last axis, which the space has
 * in packs: strides along it are those of packs, and 0 or packWidth. Addresses of packs are
 * multiples of their bytes. */
struct PointwiseParameters
{
  Space space;
  std::int32_t isPacked;
  const void * src;
  void * dst;
  Strides srcStrides;
  Strides dstStrides;
  Chain chain;
};

struct CopyParameters
{
  Space space;
  const void * src;
  void * dst;
  Strides srcStrides;
  Strides dstStrides;
};

/** An item is an element of the result: a team reads the elements that it is of. */
struct ReductionParameters
{
  Space space;
  Space reduced;
  const void * src;
  void * dst;
  Strides srcStrides;
  Strides dstStrides;
  Strides reducedStrides; ///< of src
  std::int32_t function;  ///< a ReductionFunction
  std::int32_t teamSize;  ///< threads for one item: 1, 32 or 256
  /** A large reduction is made in parts: elements of each, 0 without, and sums of
   * all parts, three values each, between two launches. */
  std::int64_t partElements;
  void * parts;
  std::int32_t isSecond; ///< from the parts to the result
};

/** An item is a line along the axis. */
struct SoftmaxParameters
{
  Space space;
  const void * src;
  void * dst;
  Strides srcStrides;
  Strides dstStrides;
  std::int64_t extent;
  std::int64_t srcStride;
  std::int64_t dstStride;
  std::int32_t logarithm;
  std::int32_t teamSize;
};

/** An item is an element of the result; the last two axes of the space are rows
 * and columns. */
struct MatrixProductParameters
{
  Space space;
  const void * a;
  const void * b;
  void * dst;
  Strides aStrides;
  Strides bStrides;
  std::int64_t inner;
  std::int64_t aInner; ///< stride along the summed axis
  std::int64_t bInner;
};

/** A value as [batch, channels, depth, height, width]. */
struct Image
{
  std::int64_t extents[5];
  std::int64_t strides[5];
};

/** Windows of a convolution or pooling along depth, height and width. */
struct Window
{
  std::int32_t kernel[3];
  std::int32_t stride[3];
  std::int32_t padding[3];
  std::int32_t dilation[3];
};

/** Items are elements of the output image, in the order in which they lie in memory:
 * the space's axes are those of `order`. */
struct ImageItems
{
  Space space;
  std::int32_t order[5];
};

/** Convolution and TransposedConvolution: items are elements of dst. Weights are
 * [out channels of the convolution, in channels / groups, kernel]. */
struct ConvolutionParameters
{
  ImageItems items;
  Image src;
  Image dst;
  Window window;
  std::int64_t groups;
  const void * srcData;
  const void * weights;
  const void * bias; ///< null without
  void * dstData;
  Space chainSpace; ///< the items again, with the axes of the result
  Chain chain;
};

/** An item is an element of the weights. */
struct WeightsGradientParameters
{
  Space space; ///< [out channels, in channels / groups, depth, height, width of the kernel]
  Image src;
  Image gradient;
  Window window;
  std::int64_t groups;
  const void * srcData;
  const void * gradientData;
  void * dst;
  std::int32_t teamSize;
};

/** Pooling: items are elements of the pooled image. PoolingGradient: of the image
 * that was pooled. */
struct PoolingParameters
{
  ImageItems items;
  Image src;    ///< what is pooled
  Image pooled; ///< the result, or its gradient
  Image dst;    ///< of a gradient: the result, with src's extents
  Window window;
  std::int32_t function; ///< a PoolingFunction
  std::int32_t includePadding;
  const void * srcData;    ///< of a maximum's gradient too
  const void * pooledData; ///< of a gradient
  void * dstData;
};

/** Where an element of an axis comes from. */
template <typename C>
struct Tap
{
  std::int32_t low;
  std::int32_t high;
  C weight; ///< of high; low has the rest
};

/** Where an element of an axis goes to: entries [begin, begin of the next). */
template <typename C>
struct Target
{
  std::int32_t index;
  std::int32_t unused;
  C weight;
};

/** Interpolation and ShiftedInterpolation, the first with one tap of the kernel.
 * Items are elements of dst. */
struct InterpolationParameters
{
  ImageItems items;
  Image src; ///< its channels are those of all taps
  Image dst;
  std::int64_t size[3]; ///< of the interpolated image
  Window window;        ///< kernel, padding and dilation
  const void * taps[3]; ///< Tap[size]
  const void * srcData;
  void * dstData;
  Space chainSpace;
  Chain chain;
};

/** Items are elements of dst, the interpolation's src. */
struct TransposedInterpolationParameters
{
  ImageItems items;
  Image src;
  Image dst;
  const std::int32_t * begins[3]; ///< one more than dst's extent
  const void * targets[3];        ///< Target of each entry
  const void * srcData;
  void * dstData;
};

/** Gather and ScatterAdd: [outer, rows, inner] is the table, [outer, indices, inner]
 * what is gathered. Items are elements of the result. */
struct GatherParameters
{
  Space space; ///< of the result, three axes
  std::int64_t rows;
  std::int64_t indices;
  std::int64_t inner;
  const void * src;
  const std::int64_t * numbers;
  void * dst;
};

/** The kernel's type is that of dst. */
struct ConversionParameters
{
  std::int64_t count;
  std::int32_t srcType; ///< an ElementType of those that are computed with
  const void * src;
  void * dst;
};

/** What a launch of TransposedSampling does. */
enum class SamplingPhase : std::int32_t
{
  Clear, ///< the sums, an item an element
  Add,   ///< to the sums, an item a position: in any order
  Own,   ///< all sums of a row, an item a row: in the order of the positions
  Store  ///< the sums as the result, an item an element
};

/** Sampling and SamplingCoordinatesGradient: an item is a position of the coordinates. */
struct SamplingParameters
{
  Space space;                   ///< of the positions: batch, depth, height, width
  Space elements;                ///< of a transposed sampling: batch, channels, depth, height, width of the image
  Space rows;                    ///< the same: batch, depth, height
  Image image;                   ///< what is sampled, or the result of a transposed sampling
  Image sampled;                 ///< the result, or a gradient of it
  Image sums;                    ///< of a transposed sampling
  std::int64_t positions;        ///< of one batch element
  std::int64_t coordinateStride; ///< between batch elements; 0 where all have the same
  std::int32_t rank;
  std::int32_t phase;    ///< a SamplingPhase
  std::int32_t mode;     ///< an InterpolationMode
  std::int32_t boundary; ///< a BoundaryMode
  std::int32_t cudaSpatialDeformRules;
  double value;
  const void * imageData;
  const void * sampledData;
  const void * coordinates;
  void * dst;
  void * sumData; ///< numbers that a kernel computes with
};

/** What a launch of LovaszWeights does, for all rows at once. */
enum class LovaszPhase : std::int32_t
{
  Fill,   ///< keys and numbers of the elements, an item a place
  Sort,   ///< one step of a bitonic sort, an item a pair of places
  Mark,   ///< the background among the sorted, an item a place
  Gather, ///< one step up of a sum over all places before, an item a pair
  Spread, ///< one step down of it, an item a pair; the first sets the last place to 0
  Weigh   ///< an item an element in the order of its error
};

/** Rows of elements, padded to places: a power of 2. */
struct LovaszParameters
{
  std::int64_t rows;
  std::int64_t length;
  std::int64_t places;
  std::int32_t phase;  ///< a LovaszPhase
  std::int64_t run;    ///< of Sort: how many places are in order after the steps with this run
  std::int64_t stride; ///< between the places of a pair
  const void * errors;
  const void * foreground;
  void * dst;
  std::uint64_t * keys;    ///< ascending where errors are descending
  std::uint32_t * numbers; ///< of the elements
  std::uint32_t * sums;    ///< background in front of a place
  std::uint32_t * totals;  ///< background of each row
};

struct BitMaskParameters
{
  std::int64_t count;
  const std::uint8_t * bits;
  const void * value;
  void * dst;
};
} // namespace cuda
} // namespace nn
} // namespace itk

#endif
