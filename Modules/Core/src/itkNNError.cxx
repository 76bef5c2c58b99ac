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
#include "itkNNError.h"

namespace itk
{
namespace nn
{
Error::Error(std::string file, unsigned int line, std::string message)
  : ExceptionObject(std::move(file), line, std::move(message), "")
{}

Error::~Error() = default;

Cancelled::Cancelled(std::string file, unsigned int line, std::string message)
  : Error(std::move(file), line, std::move(message))
{}

Cancelled::~Cancelled() = default;

OutOfDeviceMemory::OutOfDeviceMemory(std::string file, unsigned int line, std::string message)
  : Error(std::move(file), line, std::move(message))
{}

OutOfDeviceMemory::~OutOfDeviceMemory() = default;
} // namespace nn
} // namespace itk
