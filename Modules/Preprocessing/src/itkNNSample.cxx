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
#include "itkNNSample.h"

namespace itk
{
namespace nn
{
namespace
{
void
CheckTensor(const Tensor & tensor, const char * what, DataType type, const Shape & size, std::int64_t channels)
{
  if (!tensor.IsDefined())
  {
    return;
  }
  itkNNRequireMacro(tensor.GetDataType() == type,
                    "The " << what << " of a sample is of " << ToString(tensor.GetDataType()) << "; should be of "
                           << ToString(type));
  const Shape & shape = tensor.GetShape();
  const bool fits = shape.size() == size.size() + 1 && (channels == 0 || shape[0] == channels) &&
                    Shape(shape.begin() + 1, shape.end()) == size;
  itkNNRequireMacro(fits,
                    "The " << what << " of a sample has the shape " << ToString(shape) << "; should have "
                           << (channels == 1 ? "one channel" : "a channel for each class")
                           << " and then the extents of the image, " << ToString(size));
}
} // namespace

Shape
Sample::GetSize() const
{
  itkNNRequireMacro(image.IsDefined(), "A sample has no image");
  const Shape & shape = image.GetShape();
  itkNNRequireMacro((shape.size() == 3 || shape.size() == 4) && image.GetNumberOfElements() > 0,
                    "The image of a sample has the shape " << ToString(shape)
                                                           << "; should be [C, D, H, W] or [C, H, W] and not empty");
  return Shape(shape.begin() + 1, shape.end());
}

void
Sample::Check() const
{
  const Shape size = this->GetSize();
  itkNNRequireMacro(image.GetDataType() == DataType::Float32,
                    "The image of a sample is of " << ToString(image.GetDataType()) << "; should be of float32");
  CheckTensor(label, "label", DataType::Int32, size, 1);
  CheckTensor(labelProbability, "label probability", DataType::Float32, size, 0);
  CheckTensor(pixelWeight, "pixel weight", DataType::Float32, size, 1);
}
} // namespace nn
} // namespace itk
