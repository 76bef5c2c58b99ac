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
#ifndef itkNNDevice_h
#define itkNNDevice_h

#include "UniverSegCoreExport.h"

#include <cstdint>
#include <string>

namespace itk
{
namespace nn
{
/** \class Device
 * \brief Where a plan runs: "cpu", "cuda" or "cuda:1".
 * \ingroup UniverSegCore
 */
struct UniverSegCore_EXPORT Device
{
  enum class Type : std::uint8_t
  {
    Cpu,
    Cuda
  };

  Type type = Type::Cpu;
  int index = 0;

  /** Throws Error for anything but the forms above. */
  static Device FromString(const std::string & text);

  std::string ToText() const;

  bool operator==(const Device & other) const
  {
    return type == other.type && index == other.index;
  }
};
} // namespace nn
} // namespace itk

#endif
