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
#include "itkNNJoinedTensors.h"

#include "itkNNError.h"

namespace itk
{
namespace nn
{
namespace
{
/** Elements of 16 bits in 64 bytes. */
constexpr std::int64_t grain = 32;

std::int64_t
RoundUp(std::int64_t elements)
{
  return (elements + grain - 1) / grain * grain;
}
} // namespace

JoinedTensors::JoinedTensors(const std::vector<std::pair<std::string, Shape>> & tensors)
{
  for (const auto & [name, shape] : tensors)
  {
    const std::int64_t end = m_Size + NumberOfElements(shape);
    m_Parts.push_back({ name, shape, m_Size, end });
    m_Size = RoundUp(end);
  }
}

Tensor
JoinedTensors::Join(const StateDict & tensors) const
{
  Tensor joined = Tensor::Zeros({ m_Size });
  for (const Part & part : m_Parts)
  {
    const Tensor & tensor = tensors.Get(part.name);
    itkNNRequireMacro(tensor.GetShape() == part.shape,
                      "'" << part.name << "' has shape " << ToString(tensor.GetShape()) << "; should have "
                          << ToString(part.shape));
    joined.Slice(0, part.begin, part.end).Reshape(part.shape).CopyFrom(tensor.ToHost());
  }
  return joined;
}

TensorMap
JoinedTensors::Split(const Tensor & joined) const
{
  itkNNRequireMacro(joined.GetShape() == Shape{ m_Size },
                    "Joined tensors have shape " << ToString(joined.GetShape()) << "; should have [" << m_Size << ']');
  TensorMap views;
  for (const Part & part : m_Parts)
  {
    views.emplace(part.name, joined.Slice(0, part.begin, part.end).Reshape(part.shape));
  }
  return views;
}

ValueId
JoinedTensors::Join(Graph & graph, const std::vector<ValueId> & values) const
{
  itkNNRequireMacro(values.size() == m_Parts.size(),
                    "There are " << values.size() << " values to join; should be " << m_Parts.size());
  std::vector<ValueId> parts;
  for (std::size_t i = 0; i < values.size(); ++i)
  {
    const Part & part = m_Parts[i];
    itkNNRequireMacro(graph.GetShape(values[i]) == part.shape,
                      "'" << part.name << "' has shape " << ToString(graph.GetShape(values[i])) << "; should have "
                          << ToString(part.shape));
    parts.push_back(graph.Add(Reshape{ { part.end - part.begin } }, { values[i] }, part.name + ".joined"));
    if (const std::int64_t gap = RoundUp(part.end) - part.end; gap > 0)
    {
      parts.push_back(graph.AddConstant(Tensor::Zeros({ gap }), "gap"));
    }
  }
  return graph.Concatenate(parts, 0, "joined");
}
} // namespace nn
} // namespace itk
