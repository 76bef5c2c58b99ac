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
#ifndef itkNNLabelChannels_h
#define itkNNLabelChannels_h

#include "itkNNTensor.h"

#include <vector>

namespace itk
{
namespace nn
{
namespace test
{
/** Labels [B, spatial...] as a target [B, channels, spatial...] of float64: 0 in all channels
 * where the label is none of them. */
inline Tensor
ToChannels(const Tensor & labels, std::int64_t channels)
{
  Shape all = labels.GetShape();
  all.insert(all.begin() + 1, channels);
  const auto values = labels.ToVector<std::int32_t>();
  const std::int64_t elements = labels.GetNumberOfElements() / all[0];
  std::vector<double> target(values.size() * static_cast<std::size_t>(channels));
  for (std::size_t i = 0; i < values.size(); ++i)
  {
    const auto image = static_cast<std::int64_t>(i) / elements;
    const auto element = static_cast<std::int64_t>(i) % elements;
    if (values[i] < channels)
    {
      target[static_cast<std::size_t>((image * channels + values[i]) * elements + element)] = 1;
    }
  }
  return Tensor::FromVector<double>(all, target);
}
} // namespace test
} // namespace nn
} // namespace itk

#endif
