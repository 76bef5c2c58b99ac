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
#ifndef itkNNJson_h
#define itkNNJson_h

#include "itkNNError.h"

#include <nlohmann/json.hpp>

#include <string>

namespace itk
{
namespace nn
{
using Json = nlohmann::ordered_json;

/** What went wrong, in at most some 200 characters. */
std::string BriefReason(const std::exception & error);

/** Parse text nested at most 64 levels, which a recursive walk can bear. Throws
 * Error that begins with what. */
Json ParseJson(const std::string & text, const std::string & what);

/** Text of JSON; throws Error for a string that is not UTF-8. */
std::string DumpJson(const Json & json, int indent = -1);

/** Same, with invalid UTF-8 replaced. */
std::string DumpJsonLossy(const Json & json, int indent = -1);
} // namespace nn
} // namespace itk

#endif
