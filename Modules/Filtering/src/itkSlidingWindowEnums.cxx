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
#include "itkSlidingWindowEnums.h"

namespace itk
{
std::ostream &
operator<<(std::ostream & out, SlidingWindowEnums::Placement value)
{
  switch (value)
  {
    case SlidingWindowEnums::Placement::PyMIC:
      return out << "PyMIC";
    case SlidingWindowEnums::Placement::MONAI:
      return out << "MONAI";
    case SlidingWindowEnums::Placement::NnUNet:
      return out << "NnUNet";
    case SlidingWindowEnums::Placement::U2Net:
      return out << "U2Net";
    case SlidingWindowEnums::Placement::Hermes:
      return out << "Hermes";
  }
  return out << "an unknown placement";
}

std::ostream &
operator<<(std::ostream & out, SlidingWindowEnums::Blending value)
{
  return out << (value == SlidingWindowEnums::Blending::Constant ? "Constant" : "Gaussian");
}
} // namespace itk
