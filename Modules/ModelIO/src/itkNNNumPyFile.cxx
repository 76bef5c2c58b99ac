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
#include "itkNNNumPyFile.h"

#include "itkNNFileReplacement.h"

#include <fstream>

namespace itk
{
namespace nn
{
namespace
{
/** As NumPy's dtype.str, of little-endian machines; empty when there is none. */
std::string
GetDescription(DataType type)
{
  switch (type)
  {
    case DataType::Float32:
      return "<f4";
    case DataType::Float64:
      return "<f8";
    case DataType::Float16:
      return "<f2";
    case DataType::BFloat16:
      return "";
    case DataType::Int8:
      return "|i1";
    case DataType::UInt8:
      return "|u1";
    case DataType::Int16:
      return "<i2";
    case DataType::UInt16:
      return "<u2";
    case DataType::Int32:
      return "<i4";
    case DataType::Int64:
      return "<i8";
    case DataType::Bool:
      return "|b1";
  }
  return "";
}

/** All before the elements. */
std::string
MakeHeader(const Tensor & tensor)
{
  std::string shape;
  for (const std::int64_t extent : tensor.GetShape())
  {
    shape += std::to_string(extent) + (tensor.GetRank() == 1 ? "," : ", ");
  }
  if (tensor.GetRank() > 1)
  {
    shape.resize(shape.size() - 2);
  }
  std::string text =
    "{'descr': '" + GetDescription(tensor.GetDataType()) + "', 'fortran_order': False, 'shape': (" + shape + "), }";
  // The elements begin at a multiple of 64 bytes.
  constexpr std::size_t prefix = 10;
  text.resize((prefix + text.size() + 1 + 63) / 64 * 64 - prefix - 1, ' ');
  text += '\n';
  std::string header = "\x93NUMPY";
  header += { '\1', '\0', static_cast<char>(text.size() & 0xffU), static_cast<char>(text.size() >> 8U) };
  return header + text;
}
} // namespace

void
WriteNumPyFile(const std::string & fileName, const Tensor & tensor)
{
  itkNNRequireMacro(tensor.IsDefined() && !GetDescription(tensor.GetDataType()).empty(),
                    "Cannot write '" << fileName << "': the tensor is "
                                     << (tensor.IsDefined() ? ToString(tensor.GetDataType()) : "undefined")
                                     << "; should be of a type that NumPy has");
  const Tensor elements = tensor.ToHost().Contiguous();
  const std::string header = MakeHeader(elements);
  ReplaceFile(fileName,
              [&](const std::string & temporary)
              {
                std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
                file.write(header.data(), static_cast<std::streamsize>(header.size()));
                file.write(static_cast<const char *>(elements.GetRawData()),
                           static_cast<std::streamsize>(elements.GetNumberOfBytes()));
                file.close();
                itkNNRequireMacro(file.good(), "Cannot write '" << fileName << "': writing failed; is the disk full?");
              });
}
} // namespace nn
} // namespace itk
