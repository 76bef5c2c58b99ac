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
#include "itkNNZipArchive.h"

#include <minizip/ioapi.h>
#include <minizip/unzip.h>

#include <algorithm>
#include <cstring>
#include <limits>

namespace itk
{
namespace nn
{
namespace
{
constexpr std::uint64_t longestName = 1024;
constexpr std::uint64_t alwaysInflated = std::uint64_t{ 16 } << 20;

struct Stream
{
  const unsigned char * data;
  ZPOS64_T size;
  ZPOS64_T position;
};

voidpf ZCALLBACK
OpenStream(voidpf opaque, const void *, int)
{
  return opaque;
}
uLong ZCALLBACK
ReadStream(voidpf, voidpf stream, void * buffer, uLong size)
{
  auto * s = static_cast<Stream *>(stream);
  const ZPOS64_T count = std::min<ZPOS64_T>(size, s->size - s->position);
  if (count > 0)
  {
    std::memcpy(buffer, s->data + s->position, count);
    s->position += count;
  }
  return static_cast<uLong>(count);
}
uLong ZCALLBACK
WriteStream(voidpf, voidpf, const void *, uLong)
{
  return 0;
}
ZPOS64_T ZCALLBACK
TellStream(voidpf, voidpf stream)
{
  return static_cast<Stream *>(stream)->position;
}
long ZCALLBACK
SeekStream(voidpf, voidpf stream, ZPOS64_T offset, int origin)
{
  auto * s = static_cast<Stream *>(stream);
  ZPOS64_T base = 0;
  switch (origin)
  {
    case ZLIB_FILEFUNC_SEEK_SET:
      break;
    case ZLIB_FILEFUNC_SEEK_CUR:
      base = s->position;
      break;
    case ZLIB_FILEFUNC_SEEK_END:
      base = s->size;
      break;
    default:
      return -1;
  }
  if (offset > s->size - base)
  {
    return -1;
  }
  s->position = base + offset;
  return 0;
}
int ZCALLBACK
CloseStream(voidpf, voidpf)
{
  return 0;
}
int ZCALLBACK
StreamError(voidpf, voidpf)
{
  return 0;
}

/** minizip is content with the directory of a zip64 archive alone. */
bool
HasEndRecord(const FileBytes & bytes)
{
  constexpr std::uint64_t recordSize = 22;
  constexpr std::uint64_t longestComment = 65535;
  for (std::uint64_t back = recordSize; back <= std::min(bytes.size, recordSize + longestComment); ++back)
  {
    if (std::memcmp(bytes.data + (bytes.size - back), "PK\x05\x06", 4) == 0)
    {
      return true;
    }
  }
  return false;
}

/** A minizip handle over memory. */
class Reader
{
public:
  explicit Reader(const FileBytes & bytes)
    : m_Stream{ bytes.data, bytes.size, 0 }
  {
    zlib_filefunc64_def functions;
    functions.zopen64_file = OpenStream;
    functions.zread_file = ReadStream;
    functions.zwrite_file = WriteStream;
    functions.ztell64_file = TellStream;
    functions.zseek64_file = SeekStream;
    functions.zclose_file = CloseStream;
    functions.zerror_file = StreamError;
    functions.opaque = &m_Stream;
    m_File = HasEndRecord(bytes) ? unzOpen2_64("", &functions) : nullptr;
    itkNNRequireMacro(m_File != nullptr,
                      "it begins like a zip archive but has no central directory; is the file truncated?");
  }
  Reader(const Reader &) = delete;
  Reader & operator=(const Reader &) = delete;
  ~Reader()
  {
    unzCloseCurrentFile(m_File);
    unzClose(m_File);
  }
  operator unzFile() const
  {
    return m_File;
  }

private:
  Stream m_Stream;
  unzFile m_File = nullptr;
};

void
CheckName(const std::string & name)
{
  const char * problem = nullptr;
  if (name.empty())
  {
    problem = "is empty";
  }
  else if (name[0] == '/')
  {
    problem = "is an absolute path";
  }
  else if (name.find('\\') != std::string::npos)
  {
    problem = "has a backslash";
  }
  else if (name.find(':') != std::string::npos)
  {
    problem = "has a colon";
  }
  else if (std::any_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }))
  {
    problem = "has a control character";
  }
  else
  {
    std::size_t begin = 0;
    while (begin <= name.size())
    {
      const std::size_t end = std::min(name.find('/', begin), name.size());
      if (name.compare(begin, end - begin, "..") == 0)
      {
        problem = "leaves the archive through '..'";
      }
      begin = end + 1;
    }
  }
  itkNNRequireMacro(problem == nullptr, "the archive's entry name " << Quote(name) << ' ' << problem);
}
} // namespace

ZipArchive::ZipArchive(const FileBytes & bytes, const TorchFileOptions & options)
  : m_Bytes(bytes)
{
  const Reader reader(bytes);
  unz_global_info64 global;
  itkNNRequireMacro(unzGetGlobalInfo64(reader, &global) == UNZ_OK, "the archive's directory cannot be read");
  itkNNRequireMacro(global.number_entry > 0, "the archive has no entries");
  itkNNRequireMacro(global.number_entry <= options.maximumEntries,
                    "the archive has " << global.number_entry << " entries, the limit is " << options.maximumEntries);

  std::uint64_t inflatedBytes = 0;
  int status = unzGoToFirstFile(reader);
  for (; status == UNZ_OK; status = unzGoToNextFile(reader))
  {
    itkNNRequireMacro(m_Entries.size() < options.maximumEntries,
                      "the archive has more than the limit of " << options.maximumEntries << " entries");
    unz_file_info64 info;
    itkNNRequireMacro(unzGetCurrentFileInfo64(reader, &info, nullptr, 0, nullptr, 0, nullptr, 0) == UNZ_OK,
                      "entry " << m_Entries.size() << " of the archive's directory cannot be read");
    itkNNRequireMacro(info.size_filename <= longestName,
                      "an entry name of the archive has " << info.size_filename << " bytes, the limit is "
                                                          << longestName);
    Entry entry;
    entry.name.resize(info.size_filename + 1);
    itkNNRequireMacro(unzGetCurrentFileInfo64(
                        reader, &info, &entry.name[0], static_cast<uLong>(entry.name.size()), nullptr, 0, nullptr, 0) ==
                        UNZ_OK,
                      "entry " << m_Entries.size() << " of the archive's directory cannot be read");
    entry.name.resize(info.size_filename);
    CheckName(entry.name);
    itkNNRequireMacro((info.flag & 0x2041) == 0, "entry " << Quote(entry.name) << " of the archive is encrypted");
    itkNNRequireMacro(info.compression_method == 0 || info.compression_method == Z_DEFLATED,
                      "entry " << Quote(entry.name) << " of the archive is compressed by method "
                               << info.compression_method << ", expected 0 (stored) or 8 (deflate)");
    entry.deflated = info.compression_method != 0;
    entry.storedSize = info.compressed_size;
    entry.size = info.uncompressed_size;
    itkNNRequireMacro(entry.storedSize <= bytes.size,
                      "entry " << Quote(entry.name) << " declares " << entry.storedSize << " bytes in an archive of "
                               << bytes.size);
    itkNNRequireMacro(entry.deflated || entry.storedSize == entry.size,
                      "stored entry " << Quote(entry.name) << " declares the two sizes " << entry.storedSize << " and "
                                      << entry.size);
    if (entry.deflated)
    {
      itkNNRequireMacro(entry.size <= alwaysInflated || entry.size / options.maximumInflationRatio <= entry.storedSize,
                        "entry " << Quote(entry.name) << " would inflate from " << entry.storedSize << " to "
                                 << entry.size << " bytes, the limit is a factor of " << options.maximumInflationRatio);
      itkNNRequireMacro(entry.size <= options.maximumInflatedBytes - inflatedBytes,
                        "the archive's entries would inflate to more than the limit of " << options.maximumInflatedBytes
                                                                                         << " bytes");
      inflatedBytes += entry.size;
    }
    itkNNRequireMacro(unzOpenCurrentFile2(reader, nullptr, nullptr, 1) == UNZ_OK,
                      "entry " << Quote(entry.name)
                               << " of the archive has no local header that agrees with the directory");
    entry.offset = unzGetCurrentFileZStreamPos64(reader);
    unzCloseCurrentFile(reader);
    itkNNRequireMacro(entry.offset <= bytes.size && entry.storedSize <= bytes.size - entry.offset,
                      "entry " << Quote(entry.name) << " reaches beyond the end of the archive");
    unz64_file_pos position;
    itkNNRequireMacro(unzGetFilePos64(reader, &position) == UNZ_OK,
                      "entry " << Quote(entry.name) << " of the archive cannot be located");
    entry.directoryPosition = position.pos_in_zip_directory;
    entry.directoryIndex = position.num_of_file;
    itkNNRequireMacro(m_Index.emplace(entry.name, m_Entries.size()).second,
                      "the archive has the entry " << Quote(entry.name) << " twice");
    m_Entries.push_back(std::move(entry));
  }
  itkNNRequireMacro(status == UNZ_END_OF_LIST_OF_FILE,
                    "the archive's directory breaks off after " << m_Entries.size() << " of " << global.number_entry
                                                                << " entries");

  std::vector<const Entry *> byOffset;
  for (const auto & entry : m_Entries)
  {
    if (entry.storedSize > 0)
    {
      byOffset.push_back(&entry);
    }
  }
  std::sort(byOffset.begin(), byOffset.end(), [](const Entry * a, const Entry * b) { return a->offset < b->offset; });
  for (std::size_t i = 1; i < byOffset.size(); ++i)
  {
    const Entry & previous = *byOffset[i - 1];
    itkNNRequireMacro(previous.offset + previous.storedSize <= byOffset[i]->offset,
                      "the archive's entries " << Quote(previous.name) << " and " << Quote(byOffset[i]->name)
                                               << " overlap");
  }
}

const ZipArchive::Entry *
ZipArchive::Find(const std::string & name) const
{
  const auto found = m_Index.find(name);
  return found == m_Index.end() ? nullptr : &m_Entries[found->second];
}

FileBytes
ZipArchive::Extract(const Entry & entry) const
{
  FileBytes content;
  content.size = entry.size;
  if (!entry.deflated)
  {
    content.data = m_Bytes.data + entry.offset;
    content.owner = m_Bytes.owner;
    return content;
  }
  const Reader reader(m_Bytes);
  unz64_file_pos position;
  position.pos_in_zip_directory = entry.directoryPosition;
  position.num_of_file = entry.directoryIndex;
  itkNNRequireMacro(unzGoToFilePos64(reader, &position) == UNZ_OK && unzOpenCurrentFile(reader) == UNZ_OK,
                    "entry " << Quote(entry.name) << " of the archive cannot be opened");
  content.owner = AllocateAligned(static_cast<std::size_t>(entry.size));
  content.data = static_cast<unsigned char *>(content.owner.get());
  std::uint64_t inflated = 0;
  while (inflated < entry.size)
  {
    const auto wanted = static_cast<unsigned int>(std::min<std::uint64_t>(entry.size - inflated, 1 << 20));
    const int count = unzReadCurrentFile(reader, content.data + inflated, wanted);
    itkNNRequireMacro(count > 0,
                      "entry " << Quote(entry.name) << " inflates to " << inflated << " of its declared " << entry.size
                               << " bytes");
    inflated += static_cast<std::uint64_t>(count);
  }
  itkNNRequireMacro(unzCloseCurrentFile(reader) == UNZ_OK,
                    "entry " << Quote(entry.name) << " does not have the checksum in the archive's directory");
  return content;
}
} // namespace nn
} // namespace itk
