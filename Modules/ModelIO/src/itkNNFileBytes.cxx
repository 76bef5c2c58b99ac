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
#include "itkNNFileBytes.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <system_error>

namespace itk
{
namespace nn
{
namespace
{
std::string
Hexadecimal(std::uint64_t value)
{
  std::string digits;
  do
  {
    digits.insert(digits.begin(), "0123456789abcdef"[value & 15]);
    value >>= 4;
  }
  while (value != 0);
  return digits;
}

bool
StartsWith(const FileBytes & bytes, const std::string & prefix, std::uint64_t offset = 0)
{
  return bytes.size >= offset + prefix.size() && std::memcmp(bytes.data + offset, prefix.data(), prefix.size()) == 0;
}
} // namespace

FileBytes
ReadFileBytes(const std::string & fileName, std::uint64_t maximum)
{
  const std::filesystem::path path(fileName);
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  itkNNRequireMacro(std::filesystem::exists(status), "there is no such file");
  itkNNRequireMacro(!std::filesystem::is_directory(status), "it is a folder, not a file");
  itkNNRequireMacro(std::filesystem::is_regular_file(status), "it is not a regular file");
  const std::uint64_t size = std::filesystem::file_size(path, error);
  itkNNRequireMacro(!error, error.message());
  itkNNRequireMacro(size <= maximum && size <= std::numeric_limits<std::size_t>::max(),
                    "it has " << size << " bytes, the limit is " << maximum);

  std::ifstream file(path, std::ios::binary);
  itkNNRequireMacro(file.good(), "it cannot be opened for reading");
  FileBytes bytes;
  bytes.owner = AllocateAligned(static_cast<std::size_t>(size));
  bytes.data = static_cast<unsigned char *>(bytes.owner.get());
  bytes.size = size;
  file.read(reinterpret_cast<char *>(bytes.data), static_cast<std::streamsize>(size));
  itkNNRequireMacro(static_cast<std::uint64_t>(file.gcount()) == size,
                    "only " << file.gcount() << " of its " << size << " bytes could be read");
  return bytes;
}

FileBytes
CopyBytes(const void * data, std::uint64_t size)
{
  itkNNRequireMacro(data != nullptr || size == 0, "the memory to read from is a null pointer");
  itkNNRequireMacro(size <= std::numeric_limits<std::size_t>::max(), "it has " << size << " bytes");
  FileBytes bytes;
  bytes.owner = AllocateAligned(static_cast<std::size_t>(size));
  bytes.data = static_cast<unsigned char *>(bytes.owner.get());
  bytes.size = size;
  if (size > 0)
  {
    std::memcpy(bytes.data, data, static_cast<std::size_t>(size));
  }
  return bytes;
}

bool
LooksLikeZip(const FileBytes & bytes)
{
  return StartsWith(bytes, "PK\x03\x04") || StartsWith(bytes, "PK\x05\x06");
}

bool
LooksLikePickle(const FileBytes & bytes)
{
  return bytes.size >= 2 && bytes.data[0] == 0x80 && bytes.data[1] >= 1 && bytes.data[1] <= 5;
}

bool
LooksLikeSafeTensors(const FileBytes & bytes)
{
  if (bytes.size < 10 || bytes.data[8] != '{')
  {
    return false;
  }
  std::uint64_t length = 0;
  for (int i = 7; i >= 0; --i)
  {
    length = (length << 8) | bytes.data[i];
  }
  return length >= 2;
}

std::string
GuessContent(const FileBytes & bytes)
{
  if (bytes.size == 0)
  {
    return "an empty file";
  }
  if (LooksLikeZip(bytes))
  {
    return "a zip archive";
  }
  if (LooksLikeSafeTensors(bytes))
  {
    return "a safetensors file";
  }
  if (LooksLikePickle(bytes))
  {
    return "a pickle";
  }
  if (StartsWith(bytes, "ustar", 257))
  {
    return "a tar archive";
  }
  if (StartsWith(bytes, "\x1f\x8b"))
  {
    return "a gzip file; unpack it first";
  }
  if (StartsWith(bytes, "\x89HDF"))
  {
    return "an HDF5 file";
  }
  if (StartsWith(bytes, "version https://git-lfs"))
  {
    return "a Git LFS pointer; fetch the file itself";
  }
  if (StartsWith(bytes, "\x93NUMPY"))
  {
    return "a NumPy array file";
  }
  std::uint64_t first = 0;
  while (first < bytes.size && first < 64 && (bytes.data[first] <= ' '))
  {
    ++first;
  }
  if (StartsWith(bytes, "<", first))
  {
    return "an HTML or XML page; was the download refused?";
  }
  std::string found = "unknown content that begins with bytes";
  for (std::uint64_t i = 0; i < bytes.size && i < 8; ++i)
  {
    const std::string digits = Hexadecimal(bytes.data[i]);
    found += digits.size() < 2 ? " 0" + digits : ' ' + digits;
  }
  return found;
}

std::string
Quote(const std::string & text)
{
  constexpr std::size_t longest = 100;
  std::string quoted = "'";
  for (std::size_t i = 0; i < text.size() && i < longest; ++i)
  {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 || c == 0x7f)
    {
      quoted += c < 16 ? "\\x0" : "\\x";
      quoted += Hexadecimal(c);
    }
    else
    {
      quoted += text[i];
    }
  }
  return quoted + (text.size() > longest ? "...'" : "'");
}

std::int64_t
CheckedNumberOfElements(const Shape & shape)
{
  constexpr std::size_t maximumRank = 64;
  itkNNRequireMacro(shape.size() <= maximumRank,
                    "a shape has " << shape.size() << " extents, the limit is " << maximumRank);
  // Products of zero extents with huge ones must not overflow in strides either.
  Shape nonzero;
  bool empty = false;
  for (const auto extent : shape)
  {
    itkNNRequireMacro(extent >= 0, "shape " << ToString(shape) << " has a negative extent");
    empty = empty || extent == 0;
    if (extent != 0)
    {
      nonzero.push_back(extent);
    }
  }
  const std::int64_t product = NumberOfElements(nonzero);
  itkNNRequireMacro(product <= std::numeric_limits<std::int64_t>::max() / 8,
                    "shape " << ToString(shape) << " is too large");
  return empty ? 0 : product;
}

Tensor
TensorFromBytes(
  unsigned char * data, const Shape & shape, DataType type, const Shape & strides, const std::shared_ptr<void> & owner)
{
  const std::size_t elementSize = SizeOf(type);
  if (type == DataType::Bool)
  {
    const Tensor source = Tensor::Wrap(data, shape, DataType::UInt8, strides, owner);
    Tensor copy = source.Clone();
    auto * values = copy.GetData<std::uint8_t>();
    for (std::int64_t i = 0; i < copy.GetNumberOfElements(); ++i)
    {
      values[i] = values[i] != 0 ? 1 : 0;
    }
    auto kept = std::make_shared<Tensor>(copy);
    return Tensor::Wrap(values, shape, DataType::Bool, {}, std::shared_ptr<const void>(kept, values));
  }
  if (reinterpret_cast<std::uintptr_t>(data) % elementSize == 0)
  {
    return Tensor::Wrap(data, shape, type, strides, owner);
  }
  itkNNRequireMacro(strides.empty(), "elements of a strided tensor are not aligned");
  Tensor copy(shape, type);
  std::memcpy(copy.GetRawData(), data, copy.GetNumberOfBytes());
  return copy;
}
} // namespace nn
} // namespace itk
