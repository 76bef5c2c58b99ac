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
#include "itkNNCommunicator.h"

namespace itk
{
namespace nn
{
Communicator::~Communicator() = default;

void
Communicator::Sum(std::vector<float> &) const
{}

void
Communicator::SumTensor(Tensor & values) const
{
  if (this->GetSize() == 1)
  {
    return;
  }
  auto sums = values.ToHost().ToVector<float>();
  this->Sum(sums);
  values.CopyFrom(Tensor::Wrap(sums.data(), values.GetShape(), DataType::Float32));
}
} // namespace nn
} // namespace itk
