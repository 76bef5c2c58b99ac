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
#include "itkNNSampleTransform.h"

#include "itkNNTransformKinds.h"

#include <algorithm>

namespace itk
{
namespace nn
{
namespace
{
const std::vector<TransformKind> &
GetKinds()
{
  static const std::vector<TransformKind> kinds = []
  {
    std::vector<TransformKind> all;
    for (const auto & part : { GetIntensityTransforms(),
                               GetGeometryTransforms(),
                               GetLabelTransforms(),
                               GetVolumeFusionTransforms(),
                               GetU2NetTransforms(),
                               GetHermesTransforms() })
    {
      all.insert(all.end(), part.begin(), part.end());
    }
    std::sort(all.begin(),
              all.end(),
              [](const TransformKind & a, const TransformKind & b) { return std::string(a.name) < b.name; });
    return all;
  }();
  return kinds;
}
} // namespace

TransformRandom::TransformRandom(std::int64_t seed)
  : python(seed)
  , numpy(static_cast<std::uint32_t>(seed))
{}

SampleTransform::~SampleTransform() = default;

SampleTransform::ConstPointer
SampleTransform::Make(const std::string & name, const TransformOptions & options)
{
  const auto & kinds = GetKinds();
  const auto kind =
    std::find_if(kinds.begin(), kinds.end(), [&name](const TransformKind & one) { return name == one.name; });
  if (kind == kinds.end())
  {
    std::string known;
    for (const TransformKind & one : kinds)
    {
      known += (known.empty() ? "" : ", ") + std::string(one.name);
    }
    itkNNThrowMacro("There is no transform '" << name << "'; there are " << known);
  }
  OptionReader reader(name, options);
  std::shared_ptr<SampleTransform> transform = kind->make(reader);
  transform->m_Name = name;
  transform->m_IsInverse = reader.Bool("inverse", kind->inverse == TransformKind::Inverse::Normally);
  itkNNRequireMacro(!transform->m_IsInverse || kind->inverse != TransformKind::Inverse::Impossible,
                    "Transform " << name << ": the option 'inverse' is true, but the transform cannot be undone");
  transform->m_Options = reader.Finish();
  return transform;
}

std::vector<std::string>
SampleTransform::GetNames()
{
  std::vector<std::string> names;
  for (const TransformKind & kind : GetKinds())
  {
    names.emplace_back(kind.name);
  }
  return names;
}

TransformRecord
SampleTransform::Apply(Sample & sample, TransformRandom & random) const
{
  sample.Check();
  TransformRecord record;
  record.transform = m_Name;
  record.inputSize = sample.GetSize();
  record.start.assign(record.inputSize.size(), 0);
  this->DoApply(sample, random, record);
  record.outputSize = sample.GetSize();
  return record;
}

Tensor
SampleTransform::Invert(const Tensor & prediction, const TransformRecord & record) const
{
  itkNNRequireMacro(record.transform == m_Name,
                    "Transform " << m_Name << " is to be undone by a record of '" << record.transform << "'");
  if (!m_IsInverse)
  {
    return prediction;
  }
  itkNNRequireMacro(prediction.IsDefined(), "Transform " << m_Name << " is to be undone on an undefined tensor");
  const Shape & shape = prediction.GetShape();
  itkNNRequireMacro(shape.size() == record.outputSize.size() + 1 &&
                      Shape(shape.begin() + 1, shape.end()) == record.outputSize,
                    "Transform " << m_Name << " is to be undone on a prediction of shape " << ToString(shape)
                                 << "; should be [C, ...] with the extents " << ToString(record.outputSize));
  return this->DoInvert(prediction, record);
}

Tensor
SampleTransform::DoInvert(const Tensor & prediction, const TransformRecord & itkNotUsed(record)) const
{
  return prediction;
}
} // namespace nn
} // namespace itk
