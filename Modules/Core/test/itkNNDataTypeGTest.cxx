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
#include "itkNNTestHelpers.h"

#include <cmath>
#include <cstring>
#include <limits>

using namespace itk::nn;

namespace
{
const DataType allTypes[] = { DataType::Float32, DataType::Float64, DataType::Float16, DataType::BFloat16,
                              DataType::Int8,    DataType::UInt8,   DataType::Int16,   DataType::UInt16,
                              DataType::Int32,   DataType::Int64,   DataType::Bool };

/** Value of a small float from its fields, independent of the code tested. */
double
ValueOf(unsigned int bits, int exponentBits, int mantissaBits)
{
  const unsigned int mantissa = bits & ((1U << mantissaBits) - 1U);
  const int exponent = static_cast<int>((bits >> mantissaBits) & ((1U << exponentBits) - 1U));
  const int bias = (1 << (exponentBits - 1)) - 1;
  const double sign = (bits >> (exponentBits + mantissaBits)) & 1U ? -1 : 1;
  if (exponent == (1 << exponentBits) - 1)
  {
    return mantissa ? std::numeric_limits<double>::quiet_NaN() : sign * std::numeric_limits<double>::infinity();
  }
  if (exponent == 0)
  {
    return sign * std::ldexp(static_cast<double>(mantissa), 1 - bias - mantissaBits);
  }
  return sign * std::ldexp(1 + std::ldexp(static_cast<double>(mantissa), -mantissaBits), exponent - bias);
}

/** Both conversions for every pattern, and the ties between neighbours. */
void
CheckReducedType(int exponentBits, int mantissaBits, float (*widen)(std::uint16_t), std::uint16_t (*narrow)(float))
{
  for (unsigned int bits = 0; bits < 65536; ++bits)
  {
    const auto pattern = static_cast<std::uint16_t>(bits);
    const float value = widen(pattern);
    const double expected = ValueOf(bits, exponentBits, mantissaBits);
    if (std::isnan(expected))
    {
      ASSERT_TRUE(std::isnan(value)) << bits;
      ASSERT_TRUE(std::isnan(widen(narrow(value)))) << bits;
      continue;
    }
    ASSERT_EQ(static_cast<double>(value), expected) << bits;
    ASSERT_EQ(std::signbit(value), bits >= 0x8000U) << bits;
    ASSERT_EQ(narrow(value), pattern) << bits;
  }
  const unsigned int infinity = ((1U << exponentBits) - 1U) << mantissaBits;
  for (unsigned int bits = 0; bits + 1 < infinity; ++bits)
  {
    const float low = widen(static_cast<std::uint16_t>(bits));
    const float high = widen(static_cast<std::uint16_t>(bits + 1));
    const float middle = low + (high - low) / 2;
    const unsigned int even = bits % 2 == 0 ? bits : bits + 1;
    ASSERT_EQ(narrow(middle), even) << bits;
    ASSERT_EQ(narrow(-middle), even | 0x8000U) << bits;
    ASSERT_EQ(narrow(std::nextafter(middle, low)), bits) << bits;
    ASSERT_EQ(narrow(std::nextafter(middle, high)), bits + 1) << bits;
  }
}
} // namespace

TEST(DataType, NamesAndSizes)
{
  const char * names[] = { "float32", "float64", "float16", "bfloat16", "int8", "uint8",
                           "int16",   "uint16",  "int32",   "int64",    "bool" };
  const std::size_t sizes[] = { 4, 8, 2, 2, 1, 1, 2, 2, 4, 8, 1 };
  for (std::size_t i = 0; i < 11; ++i)
  {
    EXPECT_STREQ(ToString(allTypes[i]), names[i]);
    EXPECT_EQ(DataTypeFromString(names[i]), allTypes[i]);
    EXPECT_EQ(SizeOf(allTypes[i]), sizes[i]);
    EXPECT_EQ(IsFloatingPoint(allTypes[i]), i < 4);
  }
}

TEST(DataType, UnknownNameIsAnErrorThatListsTheNames)
{
  EXPECT_NN_ERROR(DataTypeFromString("float"), "Unknown data type 'float'");
  EXPECT_NN_ERROR(DataTypeFromString("Float32"), "expected one of float32, float64");
  EXPECT_NN_ERROR(DataTypeFromString(""), "Unknown data type ''");
}

TEST(DataType, OfCppTypes)
{
  EXPECT_EQ(DataTypeOf<float>::value, DataType::Float32);
  EXPECT_EQ(DataTypeOf<double>::value, DataType::Float64);
  EXPECT_EQ(DataTypeOf<std::int8_t>::value, DataType::Int8);
  EXPECT_EQ(DataTypeOf<std::uint8_t>::value, DataType::UInt8);
  EXPECT_EQ(DataTypeOf<std::int16_t>::value, DataType::Int16);
  EXPECT_EQ(DataTypeOf<std::uint16_t>::value, DataType::UInt16);
  EXPECT_EQ(DataTypeOf<std::int32_t>::value, DataType::Int32);
  EXPECT_EQ(DataTypeOf<std::int64_t>::value, DataType::Int64);
  EXPECT_EQ(DataTypeOf<bool>::value, DataType::Bool);
}

TEST(DataType, HalfOfEveryPatternAndEveryTie)
{
  CheckReducedType(5, 10, HalfToFloat, FloatToHalf);
}

TEST(DataType, BFloat16OfEveryPatternAndEveryTie)
{
  CheckReducedType(8, 7, BFloat16ToFloat, FloatToBFloat16);
}

TEST(DataType, HalfOverflowAndUnderflow)
{
  EXPECT_EQ(FloatToHalf(65504.0F), 0x7BFFU);
  EXPECT_EQ(FloatToHalf(65519.996F), 0x7BFFU);
  EXPECT_EQ(FloatToHalf(65520.0F), 0x7C00U);
  EXPECT_EQ(FloatToHalf(-1e30F), 0xFC00U);
  EXPECT_EQ(FloatToHalf(std::numeric_limits<float>::infinity()), 0x7C00U);
  EXPECT_EQ(FloatToHalf(std::ldexp(1.0F, -25)), 0x0000U);
  EXPECT_EQ(FloatToHalf(std::nextafter(std::ldexp(1.0F, -25), 1.0F)), 0x0001U);
  EXPECT_EQ(FloatToHalf(-std::numeric_limits<float>::denorm_min()), 0x8000U);
}

TEST(DataType, BFloat16Overflow)
{
  EXPECT_EQ(FloatToBFloat16(std::numeric_limits<float>::max()), 0x7F80U);
  EXPECT_EQ(FloatToBFloat16(std::numeric_limits<float>::lowest()), 0xFF80U);
}

TEST(DataType, NansWithSmallPayloadsStayNans)
{
  for (const std::uint32_t bits : { 0x7F800001U, 0xFF800001U, 0x7FFFFFFFU })
  {
    float value = 0;
    std::memcpy(&value, &bits, sizeof(value));
    EXPECT_TRUE(std::isnan(HalfToFloat(FloatToHalf(value))));
    EXPECT_TRUE(std::isnan(BFloat16ToFloat(FloatToBFloat16(value))));
  }
}
