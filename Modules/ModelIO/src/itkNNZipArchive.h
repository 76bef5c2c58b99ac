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
#ifndef itkNNZipArchive_h
#define itkNNZipArchive_h

#include "itkNNFileBytes.h"
#include "itkNNTorchFile.h"

#include <unordered_map>
#include <vector>

namespace itk
{
namespace nn
{
/** \class ZipArchive
 * \brief The entries of a zip archive in memory, checked when opened.
 *
 * No entry is encrypted, compressed otherwise than by deflate, outside of the
 * archive, overlapping another, twice there, or named by an absolute path, a
 * backslash or "..".
 */
class ZipArchive
{
public:
  struct Entry
  {
    std::string name;
    std::uint64_t offset = 0;
    std::uint64_t storedSize = 0;
    std::uint64_t size = 0;
    bool deflated = false;
    /** Position in the central directory. */
    std::uint64_t directoryPosition = 0;
    std::uint64_t directoryIndex = 0;
  };

  ZipArchive(const FileBytes & bytes, const TorchFileOptions & options);

  const std::vector<Entry> & GetEntries() const
  {
    return m_Entries;
  }
  /** Null when there is none. */
  const Entry * Find(const std::string & name) const;

  /** The content: a part of the archive's memory when stored, else inflated.
   * The owner keeps it alive. */
  FileBytes Extract(const Entry & entry) const;

private:
  FileBytes m_Bytes;
  std::vector<Entry> m_Entries;
  std::unordered_map<std::string, std::size_t> m_Index;
};
} // namespace nn
} // namespace itk

#endif
