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

#if defined(__unix__) || defined(__APPLE__)
#  define UNIVERSEG_MAPS_FILES
#  include <fcntl.h>
#  include <sys/mman.h>
#  include <sys/stat.h>
#  include <unistd.h>
#endif

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
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
/** Bytes of a regular file. */
std::uint64_t
CheckFile(const std::filesystem::path & path, std::uint64_t maximum)
{
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  itkNNRequireMacro(std::filesystem::exists(status), "there is no such file");
  itkNNRequireMacro(!std::filesystem::is_directory(status), "it is a folder, not a file");
  itkNNRequireMacro(std::filesystem::is_regular_file(status), "it is not a regular file");
  const std::uint64_t size = std::filesystem::file_size(path, error);
  itkNNRequireMacro(!error, error.message());
  itkNNRequireMacro(size <= maximum && size <= std::numeric_limits<std::size_t>::max(),
                    "it has " << size << " bytes, the limit is " << maximum);
  return size;
}

#ifdef UNIVERSEG_MAPS_FILES
/** \class MappedFile
 * \brief A file in the process's address space, which stays open. */
class MappedFile : public WeightSource
{
public:
  /** Null when the file cannot be mapped. */
  static std::shared_ptr<MappedFile> Open(const std::string & fileName)
  {
    const int descriptor = open(fileName.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
    {
      return nullptr;
    }
    std::shared_ptr<MappedFile> file(new MappedFile(fileName, descriptor));
    return file->m_Data == MAP_FAILED ? nullptr : file;
  }

  ~MappedFile() override
  {
    if (m_Data != MAP_FAILED)
    {
      munmap(m_Data, m_Size);
    }
    close(m_Descriptor);
  }

  unsigned char * GetData() const
  {
    return static_cast<unsigned char *>(m_Data);
  }
  std::size_t GetSize() const
  {
    return m_Size;
  }

  bool Has(const Tensor & tensor) const override
  {
    const auto * data = static_cast<const unsigned char *>(tensor.GetRawData());
    return std::less_equal<>()(this->GetData(), data) && std::less<>()(data, this->GetData() + m_Size);
  }

  void Check() const override
  {
    struct stat now = {};
    const bool isSame = fstat(m_Descriptor, &now) == 0 && now.st_size == m_Status.st_size &&
                        ModificationTime(now).tv_sec == ModificationTime(m_Status).tv_sec &&
                        ModificationTime(now).tv_nsec == ModificationTime(m_Status).tv_nsec;
    itkNNRequireMacro(isSame,
                      "The model file " << Quote(m_FileName)
                                        << " was changed since it was read; it should be read again, and a file in use "
                                           "should be replaced by another one, not written to");
  }

  void Unload() const override
  {
    static_cast<void>(madvise(m_Data, m_Size, MADV_DONTNEED));
  }

private:
  MappedFile(std::string fileName, int descriptor)
    : m_FileName(std::move(fileName))
    , m_Descriptor(descriptor)
  {
    if (fstat(descriptor, &m_Status) == 0 && m_Status.st_size > 0)
    {
      m_Size = static_cast<std::size_t>(m_Status.st_size);
      m_Data = mmap(nullptr, m_Size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    }
  }

  static timespec ModificationTime(const struct stat & status)
  {
#  ifdef __APPLE__
    return status.st_mtimespec;
#  else
    return status.st_mtim;
#  endif
  }

  std::string m_FileName;
  int m_Descriptor;
  struct stat m_Status = {};
  void * m_Data = MAP_FAILED;
  std::size_t m_Size = 0;
};

/** Smaller files are read at once: they are not worth an open file. */
constexpr std::uint64_t mappedFrom = std::uint64_t{ 16 } << 20;
#endif
} // namespace

namespace
{
FileBytes
ReadAll(const std::filesystem::path & path, std::uint64_t size)
{
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
} // namespace

FileBytes
ReadFileBytes(const std::string & fileName, std::uint64_t maximum)
{
  return ReadAll(fileName, CheckFile(fileName, maximum));
}

FileBytes
MapFileBytes(const std::string & fileName, std::uint64_t maximum)
{
  const std::uint64_t size = CheckFile(fileName, maximum);
#ifdef UNIVERSEG_MAPS_FILES
  if (size >= mappedFrom)
  {
    const std::shared_ptr<MappedFile> file = MappedFile::Open(fileName);
    if (file)
    {
      itkNNRequireMacro(file->GetSize() <= maximum, "it has " << file->GetSize() << " bytes, the limit is " << maximum);
      FileBytes bytes;
      bytes.owner = file;
      bytes.data = file->GetData();
      bytes.size = file->GetSize();
      bytes.source = file;
      return bytes;
    }
  }
#endif
  return ReadAll(fileName, size);
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
