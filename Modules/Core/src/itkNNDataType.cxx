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
#include "itkNNDataType.h"

#include "itkNNError.h"

#include <array>
#include <cstring>
#include <utility>

namespace itk
{
namespace nn
{
namespace
{
struct TypeTraits
{
  const char * name;
  std::size_t size;
  bool floating;
};

constexpr std::array<TypeTraits, 11> typeTraits{ { { "float32", 4, true },
                                                   { "float64", 8, true },
                                                   { "float16", 2, true },
                                                   { "bfloat16", 2, true },
                                                   { "int8", 1, false },
                                                   { "uint8", 1, false },
                                                   { "int16", 2, false },
                                                   { "uint16", 2, false },
                                                   { "int32", 4, false },
                                                   { "int64", 8, false },
                                                   { "bool", 1, false } } };

const TypeTraits &
TraitsOf(DataType type)
{
  return typeTraits.at(static_cast<std::size_t>(type));
}

std::uint32_t
BitsOf(float value)
{
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

float
FloatOf(std::uint32_t bits)
{
  float value = 0;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}
} // namespace

std::size_t
SizeOf(DataType type)
{
  return TraitsOf(type).size;
}

const char *
ToString(DataType type)
{
  return TraitsOf(type).name;
}

DataType
DataTypeFromString(const std::string & name)
{
  for (std::size_t i = 0; i < typeTraits.size(); ++i)
  {
    if (name == typeTraits[i].name)
    {
      return static_cast<DataType>(i);
    }
  }
  itkNNThrowMacro("Unknown data type '" << name << "'; expected one of float32, float64, float16, bfloat16, int8, "
                                        << "uint8, int16, uint16, int32, int64, bool");
}

bool
IsFloatingPoint(DataType type)
{
  return TraitsOf(type).floating;
}

float
HalfToFloat(std::uint16_t bits)
{
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000U) << 16U;
  const std::uint32_t exponent = (bits >> 10U) & 0x1FU;
  const std::uint32_t mantissa = bits & 0x3FFU;
  if (exponent == 0x1FU)
  {
    return FloatOf(sign | 0x7F800000U | (mantissa << 13U));
  }
  if (exponent == 0)
  {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return sign ? -magnitude : magnitude;
  }
  return FloatOf(sign | ((exponent + 112U) << 23U) | (mantissa << 13U));
}

std::uint16_t
FloatToHalf(float value)
{
  const std::uint32_t bits = BitsOf(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16U) & 0x8000U);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  if (magnitude > 0x7F800000U)
  {
    return sign | 0x7E00U;
  }
  if (magnitude >= 0x47800000U)
  {
    return sign | 0x7C00U;
  }
  if (magnitude < 0x38800000U)
  {
    // Adding 0.5 shifts the subnormal's bits into place with the adder's own rounding.
    const std::uint32_t rounded = BitsOf(FloatOf(magnitude) + 0.5F) - 0x3F000000U;
    return static_cast<std::uint16_t>(sign | rounded);
  }
  const std::uint32_t odd = (magnitude >> 13U) & 1U;
  return static_cast<std::uint16_t>(sign | ((magnitude - 0x38000000U + 0xFFFU + odd) >> 13U));
}

float
BFloat16ToFloat(std::uint16_t bits)
{
  return FloatOf(static_cast<std::uint32_t>(bits) << 16U);
}

std::uint16_t
FloatToBFloat16(float value)
{
  const std::uint32_t bits = BitsOf(value);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U)
  {
    return static_cast<std::uint16_t>((bits >> 16U) | 0x40U);
  }
  return static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16U) & 1U)) >> 16U);
}
} // namespace nn
} // namespace itk
