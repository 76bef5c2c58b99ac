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
#include "itkNNDevice.h"

#include "itkNNError.h"

#include <charconv>

namespace itk
{
namespace nn
{
Device
Device::FromString(const std::string & text)
{
  Device device;
  if (text == "cpu")
  {
    return device;
  }
  device.type = Type::Cuda;
  if (text == "cuda")
  {
    return device;
  }
  const std::string prefix = "cuda:";
  const char * last = text.data() + text.size();
  if (text.compare(0, prefix.size(), prefix) == 0)
  {
    const auto parsed = std::from_chars(text.data() + prefix.size(), last, device.index);
    if (parsed.ec == std::errc() && parsed.ptr == last && device.index >= 0)
    {
      return device;
    }
  }
  itkNNThrowMacro("Unknown device '" << text << "'; expected cpu, cuda or cuda:N");
}

std::string
Device::ToText() const
{
  return type == Type::Cpu ? "cpu" : "cuda:" + std::to_string(index);
}
} // namespace nn
} // namespace itk
