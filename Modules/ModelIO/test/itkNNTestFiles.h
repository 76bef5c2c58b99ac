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
#ifndef itkNNTestFiles_h
#define itkNNTestFiles_h

#include "itkNNTestHelpers.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

/** Files for the readers' tests, well-formed and hostile, made byte by byte. */
namespace itkNNTest
{
inline std::string
LittleEndian(std::uint64_t value, int bytes)
{
  std::string text;
  for (int i = 0; i < bytes; ++i)
  {
    text += static_cast<char>(i < 8 ? (value >> (8 * i)) & 0xff : 0);
  }
  return text;
}

template <typename T>
std::string
RawBytes(const std::vector<T> & values)
{
  std::string bytes(values.size() * sizeof(T), '\0');
  if (!values.empty())
  {
    std::memcpy(&bytes[0], values.data(), bytes.size());
  }
  return bytes;
}

/** Folder that is removed at the end. */
class TemporaryFolder
{
public:
  TemporaryFolder()
  {
    std::random_device random;
    m_Path = std::filesystem::temp_directory_path() / ("universeg-modelio-" + std::to_string(random()));
    std::filesystem::create_directories(m_Path);
  }
  ~TemporaryFolder()
  {
    std::error_code ignored;
    std::filesystem::remove_all(m_Path, ignored);
  }
  std::string operator/(const std::string & name) const
  {
    return (m_Path / name).string();
  }
  std::size_t CountFiles() const
  {
    std::size_t count = 0;
    for (const auto & entry : std::filesystem::directory_iterator(m_Path))
    {
      count += entry.exists() ? 1 : 0;
    }
    return count;
  }

private:
  std::filesystem::path m_Path;
};

inline void
WriteFile(const std::string & name, const std::string & bytes)
{
  std::ofstream(name, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline std::string
ReadFile(const std::string & name)
{
  std::ifstream file(name, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

inline std::string
SafeTensorsBytes(const std::string & header, const std::string & data)
{
  return LittleEndian(header.size(), 8) + header + data;
}

/** A pickle, operation by operation. */
class Pickle
{
public:
  explicit Pickle(int protocol = 2)
  {
    if (protocol >= 2)
    {
      bytes = "\x80";
      bytes += static_cast<char>(protocol);
    }
  }

  std::string bytes;

  Pickle & Raw(const std::string & text)
  {
    bytes += text;
    return *this;
  }
  Pickle & Op(int code)
  {
    bytes += static_cast<char>(code);
    return *this;
  }
  Pickle & Text(const std::string & text)
  {
    return this->Raw('X' + LittleEndian(text.size(), 4) + text);
  }
  Pickle & Integer(std::int64_t value)
  {
    return this->Raw("\x8a\x08" + LittleEndian(static_cast<std::uint64_t>(value), 8));
  }
  Pickle & Global(const std::string & module, const std::string & name)
  {
    return this->Raw('c' + module + '\n' + name + '\n');
  }
  Pickle & Integers(const std::vector<std::int64_t> & values)
  {
    this->Raw("(");
    for (const auto value : values)
    {
      this->Integer(value);
    }
    return this->Raw("t");
  }
  Pickle & Storage(const std::string & type,
                   const std::string & key,
                   std::int64_t elements,
                   const std::string & view = "N")
  {
    return this->Raw("(")
      .Text("storage")
      .Global("torch", type)
      .Text(key)
      .Text("cpu")
      .Integer(elements)
      .Raw(view)
      .Raw("tQ");
  }
  Pickle & Tensor(const std::string & type,
                  const std::string & key,
                  std::int64_t elements,
                  std::int64_t offset,
                  const std::vector<std::int64_t> & shape,
                  const std::vector<std::int64_t> & strides)
  {
    return this->Global("torch._utils", "_rebuild_tensor_v2")
      .Raw("(")
      .Storage(type, key, elements)
      .Integer(offset)
      .Integers(shape)
      .Integers(strides)
      .Op(0x89)
      .Global("collections", "OrderedDict")
      .Raw(")RtR");
  }
  std::string Stop() const
  {
    return bytes + '.';
  }
};

struct ZipEntry
{
  std::string name;
  std::string content;
  std::uint16_t method = 0;
  std::uint16_t flags = 0x0808;
  /** Declared sizes; -1 for the true ones. */
  std::int64_t storedSize = -1;
  std::int64_t size = -1;
  /** Offset of the local header of another entry; -1 for its own. */
  std::int64_t headerOf = -1;
  std::uint32_t checksum = 0;
};

/** A zip archive as torch.save() writes it: sizes in the directory only. */
inline std::string
ZipBytes(const std::vector<ZipEntry> & entries)
{
  std::string file;
  std::string directory;
  std::vector<std::uint64_t> offsets;
  for (const auto & entry : entries)
  {
    offsets.push_back(file.size());
    file += "PK\x03\x04" + LittleEndian(20, 2) + LittleEndian(entry.flags, 2) + LittleEndian(entry.method, 2) +
            LittleEndian(0, 4) + LittleEndian(0, 12) + LittleEndian(entry.name.size(), 2) + LittleEndian(0, 2) +
            entry.name + entry.content;
  }
  for (std::size_t i = 0; i < entries.size(); ++i)
  {
    const ZipEntry & entry = entries[i];
    const std::uint64_t stored =
      entry.storedSize < 0 ? entry.content.size() : static_cast<std::uint64_t>(entry.storedSize);
    const std::uint64_t size = entry.size < 0 ? entry.content.size() : static_cast<std::uint64_t>(entry.size);
    const std::uint64_t offset = offsets[entry.headerOf < 0 ? i : static_cast<std::size_t>(entry.headerOf)];
    directory += "PK\x01\x02" + LittleEndian(20, 2) + LittleEndian(20, 2) + LittleEndian(entry.flags, 2) +
                 LittleEndian(entry.method, 2) + LittleEndian(0, 4) + LittleEndian(entry.checksum, 4) +
                 LittleEndian(stored, 4) + LittleEndian(size, 4) + LittleEndian(entry.name.size(), 2) +
                 LittleEndian(0, 12) + LittleEndian(offset, 4) + entry.name;
  }
  const std::uint64_t begin = file.size();
  return file + directory + "PK\x05\x06" + LittleEndian(0, 4) + LittleEndian(entries.size(), 2) +
         LittleEndian(entries.size(), 2) + LittleEndian(directory.size(), 4) + LittleEndian(begin, 4) +
         LittleEndian(0, 2);
}

/** Archive of a pickle and of storages named "0", "1", ... */
inline std::vector<ZipEntry>
TorchEntries(const std::string & pickle, const std::vector<std::string> & storages)
{
  std::vector<ZipEntry> entries(2);
  entries[0].name = "archive/data.pkl";
  entries[0].content = pickle;
  entries[1].name = "archive/byteorder";
  entries[1].content = "little";
  for (std::size_t i = 0; i < storages.size(); ++i)
  {
    entries.emplace_back();
    entries.back().name = "archive/data/" + std::to_string(i);
    entries.back().content = storages[i];
  }
  return entries;
}

inline std::string
TorchZip(const std::string & pickle, const std::vector<std::string> & storages = {})
{
  return ZipBytes(TorchEntries(pickle, storages));
}

/** The legacy stream. Storages are named "0", "1", ... */
inline std::string
TorchLegacy(const std::string & pickle, const std::vector<std::pair<std::int64_t, std::string>> & storages = {})
{
  std::string file("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
  file += Pickle().Integer(1001).Stop();
  file += Pickle().Raw("}").Text("little_endian").Op(0x88).Raw("s").Stop();
  file += pickle;
  Pickle keys;
  keys.Raw("](");
  for (std::size_t i = 0; i < storages.size(); ++i)
  {
    keys.Text(std::to_string(i));
  }
  file += keys.Raw("e").Stop();
  for (const auto & storage : storages)
  {
    file += LittleEndian(static_cast<std::uint64_t>(storage.first), 8) + storage.second;
  }
  return file;
}
} // namespace itkNNTest

#endif
