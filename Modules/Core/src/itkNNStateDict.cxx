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
#include "itkNNStateDict.h"

namespace itk
{
namespace nn
{
WeightSource::~WeightSource() = default;

void
StateDict::Add(std::string name, Tensor tensor)
{
  const bool inserted = m_Index.emplace(name, m_Entries.size()).second;
  itkNNRequireMacro(inserted, "The name '" << name << "' occurs twice in the state dict");
  m_Entries.emplace_back(std::move(name), std::move(tensor));
}

void
StateDict::Set(const std::string & name, Tensor tensor)
{
  const auto found = m_Index.find(name);
  if (found == m_Index.end())
  {
    this->Add(name, std::move(tensor));
  }
  else
  {
    m_Entries[found->second].second = std::move(tensor);
  }
}

bool
StateDict::Has(const std::string & name) const
{
  return m_Index.count(name) != 0;
}

const Tensor &
StateDict::Get(const std::string & name) const
{
  const auto found = m_Index.find(name);
  if (found == m_Index.end())
  {
    const std::string tail = name.substr(name.rfind('.') + 1);
    std::ostringstream similar;
    int listed = 0;
    for (const auto & entry : m_Entries)
    {
      if (listed < 5 && entry.first.find(tail) != std::string::npos)
      {
        similar << (listed++ ? ", " : "; similar names: ") << entry.first;
      }
    }
    itkNNThrowMacro("No tensor '" << name << "' among " << m_Entries.size() << " tensors" << similar.str());
  }
  return m_Entries[found->second].second;
}

std::int64_t
StateDict::GetNumberOfElements() const
{
  std::int64_t sum = 0;
  for (const auto & entry : m_Entries)
  {
    sum += entry.second.GetNumberOfElements();
  }
  return sum;
}
} // namespace nn
} // namespace itk
