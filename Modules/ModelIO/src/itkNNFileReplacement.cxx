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
#include "itkNNFileReplacement.h"

#include "itkNNError.h"

#include <charconv>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <random>
#include <system_error>

namespace itk
{
namespace nn
{
namespace
{
namespace fs = std::filesystem;

/** Removes a file that did not take the place of another. */
class TemporaryFile
{
public:
  explicit TemporaryFile(const fs::path & target)
    : m_Path(target.parent_path() / (MakeStem() + GetEnding(target)))
  {}
  ~TemporaryFile()
  {
    std::error_code ignored;
    fs::remove(m_Path, ignored);
  }
  TemporaryFile(const TemporaryFile &) = delete;
  TemporaryFile & operator=(const TemporaryFile &) = delete;

  const fs::path & GetPath() const
  {
    return m_Path;
  }

private:
  static std::string MakeStem()
  {
    std::random_device random;
    char digits[16];
    const auto end = std::to_chars(digits, digits + sizeof(digits), (std::uint64_t{ random() } << 32) | random(), 16);
    return ".universeg-" + std::string(digits, end.ptr);
  }

  /** Writers choose the format by the last extension, or the last two. */
  static std::string GetEnding(const fs::path & target)
  {
    constexpr std::size_t longest = 32;
    const std::string last = target.extension().string();
    const std::string both = target.stem().extension().string() + last;
    return both.size() <= longest ? both : last;
  }

  fs::path m_Path;
};

/** The file to replace, checked as CheckReplaceable() says. */
fs::path
FindTarget(const std::string & fileName)
{
  const auto require = [&fileName](bool condition, const std::string & reason)
  { itkNNRequireMacro(condition, "Cannot write '" << fileName << "': " << reason); };
  const fs::path target = FollowSymbolicLinks(fileName);
  const fs::path folder = target.parent_path();
  std::error_code error;
  require(fs::is_directory(folder, error), "there is no folder '" + folder.string() + "' to write to");
  const fs::file_status status = fs::status(target, error);
  if (fs::exists(status))
  {
    require(!fs::is_directory(status), "it is a folder; should be the name of a file");
    require(fs::is_regular_file(status), "it exists and is not a regular file");
    require(std::ofstream(target, std::ios::binary | std::ios::app).good(), "it exists and cannot be written to");
  }
  return target;
}
} // namespace

std::string
FollowSymbolicLinks(const std::string & fileName)
{
  constexpr int mostLinks = 40;
  itkNNRequireMacro(!fileName.empty(), "The name of a file is empty");
  std::error_code error;
  fs::path path = fs::absolute(fileName, error);
  for (int i = 0; !error && fs::is_symlink(fs::symlink_status(path, error)); ++i)
  {
    itkNNRequireMacro(i < mostLinks, "The symbolic link '" << fileName << "' leads in a circle");
    path = path.parent_path() / fs::read_symlink(path, error);
  }
  // A file that is not there is no error.
  error.clear();
  path = fs::weakly_canonical(path, error);
  itkNNRequireMacro(!error, "The name '" << fileName << "' cannot be followed: " << error.message());
  return path.string();
}

void
CheckReplaceable(const std::string & fileName)
{
  FindTarget(fileName);
}

void
ReplaceFile(const std::string & fileName, const std::function<void(const std::string &)> & write)
{
  const fs::path target = FindTarget(fileName);
  const TemporaryFile temporary(target);
  itkNNRequireMacro(std::ofstream(temporary.GetPath(), std::ios::binary).good(),
                    "Cannot write '" << fileName << "': no file could be made in its folder; is it writable?");
  write(temporary.GetPath().string());
  std::error_code error;
  const fs::file_status old = fs::status(target, error);
  if (fs::exists(old))
  {
    fs::permissions(temporary.GetPath(), old.permissions(), error);
  }
  fs::rename(temporary.GetPath(), target, error);
  itkNNRequireMacro(!error, "Cannot write '" << fileName << "': " << error.message());
}
} // namespace nn
} // namespace itk
