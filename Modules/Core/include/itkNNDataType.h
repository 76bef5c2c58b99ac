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
#ifndef itkNNDataType_h
#define itkNNDataType_h

#include "UniverSegCoreExport.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace itk
{
namespace nn
{
/** Element types a Tensor can hold. The engine computes in Float32 and
 * Float64; the others are for storage, labels and indices.
 * \ingroup UniverSegCore */
enum class DataType : std::uint8_t
{
  Float32,
  Float64,
  Float16,
  BFloat16,
  Int8,
  UInt8,
  Int16,
  UInt16,
  Int32,
  Int64,
  Bool
};

/** Bytes of one element. */
UniverSegCore_EXPORT std::size_t SizeOf(DataType type);

/** Lower-case name, for example "float32". */
UniverSegCore_EXPORT const char * ToString(DataType type);

/** Inverse of ToString(); throws Error for an unknown name. */
UniverSegCore_EXPORT DataType DataTypeFromString(const std::string & name);

UniverSegCore_EXPORT bool IsFloatingPoint(DataType type);

/** IEEE 754 binary16 and bfloat16 bit patterns; the conversions to them round
 * to nearest even. */
UniverSegCore_EXPORT float HalfToFloat(std::uint16_t bits);
UniverSegCore_EXPORT std::uint16_t FloatToHalf(float value);
UniverSegCore_EXPORT float BFloat16ToFloat(std::uint16_t bits);
UniverSegCore_EXPORT std::uint16_t FloatToBFloat16(float value);

/** The DataType of a C++ type. */
template <typename T>
struct DataTypeOf;
template <>
struct DataTypeOf<float>
{
  static constexpr DataType value = DataType::Float32;
};
template <>
struct DataTypeOf<double>
{
  static constexpr DataType value = DataType::Float64;
};
template <>
struct DataTypeOf<std::int8_t>
{
  static constexpr DataType value = DataType::Int8;
};
template <>
struct DataTypeOf<std::uint8_t>
{
  static constexpr DataType value = DataType::UInt8;
};
template <>
struct DataTypeOf<std::int16_t>
{
  static constexpr DataType value = DataType::Int16;
};
template <>
struct DataTypeOf<std::uint16_t>
{
  static constexpr DataType value = DataType::UInt16;
};
template <>
struct DataTypeOf<std::int32_t>
{
  static constexpr DataType value = DataType::Int32;
};
template <>
struct DataTypeOf<std::int64_t>
{
  static constexpr DataType value = DataType::Int64;
};
template <>
struct DataTypeOf<bool>
{
  static constexpr DataType value = DataType::Bool;
};
} // namespace nn
} // namespace itk

#endif
