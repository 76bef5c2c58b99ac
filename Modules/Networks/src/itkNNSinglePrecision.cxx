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
#include "itkNNSinglePrecision.h"

namespace itk
{
namespace nn
{
TensorMap
InSinglePrecision(TensorMap values)
{
  for (auto & value : values)
  {
    const DataType type = value.second.GetDataType();
    if (type == DataType::Float16 || type == DataType::BFloat16)
    {
      value.second = value.second.To(DataType::Float32);
    }
  }
  return values;
}
} // namespace nn
} // namespace itk
