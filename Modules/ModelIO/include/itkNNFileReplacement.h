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
#ifndef itkNNFileReplacement_h
#define itkNNFileReplacement_h

#include "UniverSegModelIOExport.h"

#include <functional>
#include <string>

namespace itk
{
namespace nn
{
/** The absolute name of the file that a name stands for, be it there or not:
 * symbolic links are followed, also one to a file that is not there yet. Two
 * names of one file give the same. Throws Error when links lead in a circle or
 * the name is empty.
 * \ingroup UniverSegModelIO */
UniverSegModelIO_EXPORT std::string FollowSymbolicLinks(const std::string & fileName);

/** Throws Error that says why when ReplaceFile() is bound to fail: there is no
 * folder to write to, the name is that of a folder, a device or a pipe, or the
 * file is there and must not be written to.
 * \ingroup UniverSegModelIO */
UniverSegModelIO_EXPORT void CheckReplaceable(const std::string & fileName);

/** Write a file by way of a temporary file beside it that is then renamed: a
 * reader never sees half of a file, and a failure leaves the old one as it was
 * and nothing else. A symbolic link stays, and the file that it leads to is
 * replaced; the permissions of an old file are kept.
 *
 * Throws Error that names the file, and whatever the function throws.
 * \param write fills the temporary file, which is there and empty; its name,
 * the argument, has the extension of the file, and is hidden.
 * \ingroup UniverSegModelIO */
UniverSegModelIO_EXPORT void ReplaceFile(const std::string & fileName,
                                         const std::function<void(const std::string &)> & write);
} // namespace nn
} // namespace itk

#endif
