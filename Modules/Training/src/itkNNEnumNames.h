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
#ifndef itkNNEnumNames_h
#define itkNNEnumNames_h

#include "itkNNError.h"

#include <string>

namespace itk
{
namespace nn
{
/** The value of an enumeration, counted from 0, whose name this is. Throws Error
 * with all names where it is none of them. */
template <typename TEnum, std::size_t VCount>
TEnum
ParseEnum(const char * const (&names)[VCount], const std::string & name, const char * what)
{
  std::string known;
  for (std::size_t i = 0; i < VCount; ++i)
  {
    if (name == names[i])
    {
      return static_cast<TEnum>(i);
    }
    known += (i == 0 ? "" : ", ") + std::string(names[i]);
  }
  itkNNThrowMacro("There is no " << what << " '" << name << "'; there are " << known);
}
} // namespace nn
} // namespace itk

#endif
