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
#ifndef itkNNNameParts_h
#define itkNNNameParts_h

#include <algorithm>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** Whether a name contains one of the parts; every name does when there are none. Private to
 * the module. */
inline bool
ContainsOneOf(const std::string & name, const std::vector<std::string> & parts)
{
  return parts.empty() ||
         std::any_of(parts.begin(),
                     parts.end(),
                     [&name](const std::string & part) { return name.find(part) != std::string::npos; });
}
} // namespace nn
} // namespace itk

#endif
