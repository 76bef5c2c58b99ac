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
#ifndef itkNNFileBytes_h
#define itkNNFileBytes_h

#include "itkNNStateDict.h"

#include <cstdint>
#include <memory>
#include <string>

namespace itk
{
namespace nn
{
/** A file's content in memory aligned to 64 bytes, private to its readers. */
struct FileBytes
{
  std::shared_ptr<void> owner;
  unsigned char * data = nullptr;
  std::uint64_t size = 0;
  std::shared_ptr<const WeightSource> source; ///< of a mapped file, whose bytes cannot be written to
};

/** Throws Error unless it is a regular file of at most maximum bytes. */
FileBytes ReadFileBytes(const std::string & fileName, std::uint64_t maximum);

/** The same, but a large file is mapped where the system can, so that it is read
 * when it is needed and takes no memory of the process when that is short. */
FileBytes MapFileBytes(const std::string & fileName, std::uint64_t maximum);

FileBytes CopyBytes(const void * data, std::uint64_t size);

/** What the first bytes look like, in words: "a gzip file", "an HTML page". */
std::string GuessContent(const FileBytes & bytes);

bool LooksLikeZip(const FileBytes & bytes);
bool LooksLikePickle(const FileBytes & bytes);
/** A header length that fits the file, followed by an opening brace. */
bool LooksLikeSafeTensors(const FileBytes & bytes);

/** Text of a file for use in a message: quoted, with control characters escaped
 * and at most 100 characters. */
std::string Quote(const std::string & text);

/** Elements of a shape. Throws Error when an extent is negative, there are more
 * than 64, or the product of the extents other than zero exceeds 63 bits. */
std::int64_t CheckedNumberOfElements(const Shape & shape);

/** A tensor over bytes of a file: a view when the elements are aligned and not
 * Bool, else a copy, in which every Bool is 0 or 1. The caller checked that the
 * bytes exist, and that the elements are aligned when there are strides. */
Tensor TensorFromBytes(
  unsigned char * data, const Shape & shape, DataType type, const Shape & strides, const std::shared_ptr<void> & owner);

/** Run a reader and put "Cannot read WHAT 'NAME': " before its errors, also for
 * want of memory. */
template <typename TFunction>
auto
WithFileInErrors(const std::string & what, const std::string & name, TFunction && read) -> decltype(read())
{
  const auto prefix = [&] { return "Cannot read " + what + ' ' + Quote(name) + ": "; };
  try
  {
    return read();
  }
  catch (const Error & error)
  {
    itkNNThrowMacro(prefix() << error.GetDescription());
  }
  catch (const std::bad_alloc &)
  {
    itkNNThrowMacro(prefix() << "there is not enough memory");
  }
  catch (const std::length_error &)
  {
    itkNNThrowMacro(prefix() << "there is not enough memory");
  }
}
} // namespace nn
} // namespace itk

#endif
