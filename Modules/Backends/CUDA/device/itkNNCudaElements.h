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
#ifndef itkNNCudaElements_h
#define itkNNCudaElements_h

#include "itkNNCudaParameters.h"

#include <cmath>
#include <cstring>
#ifdef __CUDACC__
#  include <cuda_fp16.h>
#endif

/** \file
 * Elements, index arithmetic and elementwise functions of the kernels, for nvcc and
 * for compilers of the host.
 */

#ifdef __CUDACC__
#  define UNIVERSEG_DEVICE __host__ __device__ __forceinline__
#else
#  define UNIVERSEG_DEVICE inline
#endif

namespace itk
{
namespace nn
{
namespace cuda
{
struct Half
{
  std::uint16_t bits;
};
struct BFloat16
{
  std::uint16_t bits;
};

/** What an element is computed with. */
template <typename T>
struct ComputeTypeOf
{
  using Type = float;
};
template <>
struct ComputeTypeOf<double>
{
  using Type = double;
};
template <typename T>
using ComputeType = typename ComputeTypeOf<T>::Type;

UNIVERSEG_DEVICE std::uint32_t
BitsOf(float value)
{
  std::uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}
UNIVERSEG_DEVICE float
FloatOf(std::uint32_t bits)
{
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

UNIVERSEG_DEVICE float
Load(float value)
{
  return value;
}
UNIVERSEG_DEVICE double
Load(double value)
{
  return value;
}
UNIVERSEG_DEVICE float
Load(BFloat16 value)
{
  return FloatOf(static_cast<std::uint32_t>(value.bits) << 16U);
}
UNIVERSEG_DEVICE float
Load(Half value)
{
#ifdef __CUDA_ARCH__
  return __half2float(__ushort_as_half(value.bits));
#else
  const std::uint32_t sign = static_cast<std::uint32_t>(value.bits & 0x8000U) << 16U;
  const std::uint32_t rest = value.bits & 0x7fffU;
  if (rest >= 0x7c00U)
  {
    return FloatOf(sign | 0x7f800000U | (rest & 0x3ffU) << 13U);
  }
  // Numbers below the smallest normal one are multiples of 2^-24.
  const float magnitude =
    rest < 0x400U ? static_cast<float>(rest) * 5.9604644775390625e-8F : FloatOf((rest << 13U) + (112U << 23U));
  return FloatOf(sign | BitsOf(magnitude));
#endif
}

/** The nearest element, ties to even. */
template <typename T>
UNIVERSEG_DEVICE T
Store(ComputeType<T> value)
{
  return value;
}
template <>
UNIVERSEG_DEVICE BFloat16
Store<BFloat16>(float value)
{
  const std::uint32_t bits = BitsOf(value);
  const bool isNaN = (bits & 0x7fffffffU) > 0x7f800000U;
  const std::uint32_t rounded = bits + 0x7fffU + (bits >> 16U & 1U);
  return { static_cast<std::uint16_t>(isNaN ? bits >> 16U | 0x40U : rounded >> 16U) };
}
template <>
UNIVERSEG_DEVICE Half
Store<Half>(float value)
{
#ifdef __CUDA_ARCH__
  return { __half_as_ushort(__float2half_rn(value)) };
#else
  const std::uint32_t bits = BitsOf(value);
  const auto sign = static_cast<std::uint16_t>(bits >> 16U & 0x8000U);
  const std::uint32_t rest = bits & 0x7fffffffU;
  std::uint32_t half = 0;
  if (rest > 0x7f800000U)
  {
    half = 0x7e00U;
  }
  else if (rest >= 0x477ff000U)
  {
    half = 0x7c00U;
  }
  else if (rest >= 0x38800000U)
  {
    half = (rest - (112U << 23U) + 0xfffU + (rest >> 13U & 1U)) >> 13U;
  }
  else
  {
    // The addition rounds to a multiple of 2^-24.
    half = BitsOf(FloatOf(rest) + 0.5F) - BitsOf(0.5F);
  }
  return { static_cast<std::uint16_t>(sign | half) };
#endif
}

/** quotient and remainder of a number that is not negative. */
struct Division
{
  std::int64_t quotient;
  std::int64_t remainder;
};

UNIVERSEG_DEVICE Division
Divide(const Divider & by, std::int64_t number, bool isWide)
{
  if (isWide)
  {
    const std::int64_t quotient = number / by.divisor;
    return { quotient, number - quotient * by.divisor };
  }
  const auto n = static_cast<std::uint32_t>(number);
  const auto high = static_cast<std::uint32_t>(static_cast<std::uint64_t>(n) * by.multiplier >> 32U);
  const std::uint32_t quotient = (high + n) >> by.shift;
  return { quotient, n - quotient * static_cast<std::uint32_t>(by.divisor) };
}

/** Where an item is along each axis of a space. */
struct Coordinates
{
  std::int64_t at[maximumRank];
};

UNIVERSEG_DEVICE Coordinates
Locate(const Space & space, std::int64_t item)
{
  Coordinates place;
#ifdef __CUDACC__
#  pragma unroll
#endif
  for (int d = maximumRank - 1; d >= 0; --d)
  {
    place.at[d] = 0;
    if (d < space.rank)
    {
      const Division division = Divide(space.extents[d], item, space.isWide != 0);
      place.at[d] = division.remainder;
      item = division.quotient;
    }
  }
  return place;
}

UNIVERSEG_DEVICE std::int64_t
OffsetOf(const Space & space, const Coordinates & place, const Strides & strides)
{
  std::int64_t offset = 0;
#ifdef __CUDACC__
#  pragma unroll
#endif
  for (int d = 0; d < maximumRank; ++d)
  {
    if (d < space.rank)
    {
      offset += place.at[d] * strides.of[d];
    }
  }
  return offset;
}

/** As nn::Evaluate(). */
template <typename C>
UNIVERSEG_DEVICE C
EvaluateUnary(UnaryFunction function, C alpha, C beta, C x)
{
  switch (function)
  {
    case UnaryFunction::Relu:
      return x < C(0) ? C(0) : x;
    case UnaryFunction::LeakyRelu:
      return x < C(0) ? alpha * x : x;
    case UnaryFunction::Elu:
      return x < C(0) ? alpha * std::expm1(x) : x;
    case UnaryFunction::Sigmoid:
      return C(1) / (C(1) + std::exp(-x));
    case UnaryFunction::Tanh:
      return std::tanh(x);
    case UnaryFunction::Gelu:
      return C(0.5) * x * (C(1) + std::erf(x * C(0.70710678118654752440)));
    case UnaryFunction::Silu:
      return x * (C(1) / (C(1) + std::exp(-x)));
    case UnaryFunction::Softplus:
      return (x < C(0) ? C(0) : x) + std::log1p(std::exp(-std::abs(x)));
    case UnaryFunction::Exp:
      return std::exp(x);
    case UnaryFunction::Log:
      return std::log(x);
    case UnaryFunction::Sqrt:
      return std::sqrt(x);
    case UnaryFunction::ReciprocalSqrt:
      return C(1) / std::sqrt(x);
    case UnaryFunction::Reciprocal:
      return C(1) / x;
    case UnaryFunction::Square:
      return x * x;
    case UnaryFunction::Abs:
      return std::abs(x);
    case UnaryFunction::Negate:
      return -x;
    case UnaryFunction::Erf:
      return std::erf(x);
    case UnaryFunction::RoundHalfEven:
      return std::rint(x);
    case UnaryFunction::Clip:
      return x < alpha ? alpha : (x > beta ? beta : x);
    case UnaryFunction::Linear:
      return alpha * x + beta;
  }
  return x;
}

template <typename C>
UNIVERSEG_DEVICE C
EvaluateBinary(BinaryFunction function, C alpha, C a, C b)
{
  switch (function)
  {
    case BinaryFunction::Add:
      return a + b;
    case BinaryFunction::Subtract:
      return a - b;
    case BinaryFunction::Multiply:
      return a * b;
    case BinaryFunction::Divide:
      return a / b;
    case BinaryFunction::Minimum:
      return std::isnan(a) || a < b ? a : b;
    case BinaryFunction::Maximum:
      return std::isnan(a) || a > b ? a : b;
    case BinaryFunction::Power:
      return std::pow(a, b);
    case BinaryFunction::Greater:
      return a > b ? C(1) : C(0);
    case BinaryFunction::Equal:
      return a == b ? C(1) : C(0);
    case BinaryFunction::PRelu:
      return a > C(0) ? a : b * a;
    case BinaryFunction::Gate:
      return b > C(0) ? a : alpha * a;
  }
  return a;
}

/** Elements side by side, moved at once. */
template <typename T, int VWidth>
struct alignas(sizeof(T) * VWidth) Pack
{
  T elements[VWidth];
};

/** Elements of an operand for an item of VWidth: side by side, or one for all of them. */
template <typename T, int VWidth>
UNIVERSEG_DEVICE Pack<T, VWidth>
LoadPack(const T * from, bool isOne)
{
  if (VWidth > 1 && !isOne)
  {
    return *reinterpret_cast<const Pack<T, VWidth> *>(from);
  }
  Pack<T, VWidth> pack;
  for (T & element : pack.elements)
  {
    element = *from;
  }
  return pack;
}

/** Whether an operand has one element for all of a pack. */
UNIVERSEG_DEVICE bool
IsOne(const Space & space, const Strides & strides)
{
  return space.rank == 0 || strides.of[space.rank - 1] == 0;
}

/** The post-operations on the values of one item. */
template <typename T, int VWidth>
UNIVERSEG_DEVICE void
Apply(const Chain & chain, const Space & space, const Coordinates & place, ComputeType<T> (&values)[VWidth])
{
  using C = ComputeType<T>;
  for (int s = 0; s < chain.steps; ++s)
  {
    const ChainStep & step = chain.step[s];
    const C alpha = C(step.alpha);
    const C beta = C(step.beta);
    if (step.operand < 0)
    {
      const auto function = static_cast<UnaryFunction>(step.function);
      for (C & value : values)
      {
        value = EvaluateUnary<C>(function, alpha, beta, value);
      }
    }
    else
    {
      const auto function = static_cast<BinaryFunction>(step.function);
      const Strides & strides = chain.strides[step.operand];
      const auto * from = static_cast<const T *>(chain.operand[step.operand]) + OffsetOf(space, place, strides);
      const Pack<T, VWidth> operand = LoadPack<T, VWidth>(from, IsOne(space, strides));
      for (int i = 0; i < VWidth; ++i)
      {
        values[i] = EvaluateBinary<C>(function, alpha, values[i], Load(operand.elements[i]));
      }
    }
  }
}

/** Of one element. */
template <typename T>
UNIVERSEG_DEVICE ComputeType<T>
Apply(const Chain & chain, const Space & space, const Coordinates & place, ComputeType<T> value)
{
  ComputeType<T> values[1] = { value };
  Apply<T, 1>(chain, space, place, values);
  return values[0];
}
} // namespace cuda
} // namespace nn
} // namespace itk

#endif
