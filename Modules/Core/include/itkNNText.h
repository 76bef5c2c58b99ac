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
#ifndef itkNNText_h
#define itkNNText_h

#include "UniverSegCoreExport.h"

#include <string>

namespace itk
{
namespace nn
{
/** The letters A to Z in lower case, whatever the locale; other bytes as they
 * are.
 * \ingroup UniverSegCore */
UniverSegCore_EXPORT std::string ToLower(std::string text);

/** A number with a given number of decimals, whatever the locale.
 * \ingroup UniverSegCore */
UniverSegCore_EXPORT std::string FormatFixed(double value, int decimals);

/** All in one line, without ITK's "itk::ERROR: Class(0x...): " in front.
 * \ingroup UniverSegCore */
UniverSegCore_EXPORT std::string ToOneLine(const std::string & message);
} // namespace nn
} // namespace itk

#endif
