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
#include "itkNNSampleTransforms.h"

#include "itkNNTransformJson.h"

#include <algorithm>

namespace itk
{
namespace nn
{
SampleTransforms::SampleTransforms(std::vector<SampleTransform::ConstPointer> transforms)
  : m_Transforms(std::move(transforms))
{
  const bool areSet =
    std::all_of(m_Transforms.begin(), m_Transforms.end(), [](const auto & one) { return one != nullptr; });
  itkNNRequireMacro(areSet, "A transform of a chain is null");
}

const SampleTransform &
SampleTransforms::Get(std::size_t index) const
{
  itkNNRequireMacro(index < m_Transforms.size(),
                    "Transform " << index << " of a chain is asked for; it has " << m_Transforms.size());
  return *m_Transforms[index];
}

SampleTransforms::Records
SampleTransforms::Apply(Sample & sample, TransformRandom & random) const
{
  Records records;
  for (const auto & transform : m_Transforms)
  {
    records.push_back(transform->Apply(sample, random));
  }
  return records;
}

bool
SampleTransforms::InterpolatesInverse() const
{
  return std::any_of(m_Transforms.begin(),
                     m_Transforms.end(),
                     [](const SampleTransform::ConstPointer & transform) { return transform->InterpolatesInverse(); });
}

Tensor
SampleTransforms::Invert(const Tensor & prediction, const Records & records) const
{
  itkNNRequireMacro(records.size() == m_Transforms.size(),
                    "A chain of " << m_Transforms.size() << " transforms is to be undone by " << records.size()
                                  << " records");
  Tensor result = prediction;
  for (std::size_t i = m_Transforms.size(); i-- > 0;)
  {
    result = m_Transforms[i]->Invert(result, records[i]);
  }
  return result;
}

std::string
SampleTransforms::ToJson() const
{
  TransformJson list = TransformJson::array();
  for (const auto & transform : m_Transforms)
  {
    TransformJson options = TransformJson::object();
    for (const auto & [key, value] : transform->GetOptions())
    {
      options[key] = OptionToJson(value);
    }
    list.push_back({ { "name", transform->GetName() }, { "options", options } });
  }
  return DumpTransformJson(list);
}

SampleTransforms
SampleTransforms::FromJson(const std::string & text)
{
  const TransformJson list = TransformJson::parse(text, nullptr, false);
  itkNNRequireMacro(!list.is_discarded(), "The list of transforms is no JSON text");
  itkNNRequireMacro(list.is_array(), "The list of transforms is a JSON " << list.type_name() << "; should be a list");
  std::vector<SampleTransform::ConstPointer> transforms;
  for (const TransformJson & entry : list)
  {
    const std::string what = "Entry " + std::to_string(transforms.size()) + " of the list of transforms";
    itkNNRequireMacro(entry.is_object(), what << " is a JSON " << entry.type_name() << "; should be an object");
    TransformOptions options;
    std::string name;
    for (const auto & [key, value] : entry.items())
    {
      if (key == "name" && value.is_string())
      {
        name = value.get<std::string>();
      }
      else if (key == "options" && value.is_object())
      {
        for (const auto & [option, content] : value.items())
        {
          options[option] = OptionFromJson(content, what + ": the option '" + option + "'");
        }
      }
      else
      {
        itkNNThrowMacro(what << " has the field '" << key << "', a JSON " << value.type_name()
                             << "; should have 'name', a string, and 'options', an object");
      }
    }
    itkNNRequireMacro(!name.empty(), what << " has no field 'name'");
    transforms.push_back(SampleTransform::Make(name, options));
  }
  return SampleTransforms(std::move(transforms));
}
} // namespace nn
} // namespace itk
