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
#include "itkNNLayout.h"

#include "itkNNError.h"

namespace itk
{
namespace nn
{
Shape
Layout::GetPhysicalShape(const Shape & shape) const
{
  if (this->IsPlain())
  {
    return shape;
  }
  itkNNRequireMacro(axis >= 0 && axis < static_cast<int>(shape.size()),
                    "Layout " << this->ToText() << " of axis " << axis << " does not fit the shape "
                              << ToString(shape));
  Shape physical = shape;
  if (kind == Kind::ChannelsLast)
  {
    physical.erase(physical.begin() + axis);
    physical.push_back(shape[axis]);
  }
  else
  {
    const std::int64_t block = this->GetBlock();
    physical[axis] = (shape[axis] + block - 1) / block;
    physical.push_back(block);
  }
  return physical;
}

std::int64_t
Layout::GetPhysicalElements(const Shape & shape) const
{
  return NumberOfElements(this->GetPhysicalShape(shape));
}

std::string
Layout::ToText() const
{
  switch (kind)
  {
    case Kind::Blocked8:
      return "blocked8";
    case Kind::Blocked16:
      return "blocked16";
    case Kind::ChannelsLast:
      return "channels_last";
    case Kind::Plain:
      break;
  }
  return "plain";
}
} // namespace nn
} // namespace itk
