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
#include "itkNNTransformKinds.h"

#include <algorithm>
#include <map>

namespace itk
{
namespace nn
{
namespace
{
/** Changes the label of a sample, which must have one. */
class LabelTransform : public SampleTransform
{
protected:
  void DoApply(Sample & sample, TransformRandom &, TransformRecord &) const override
  {
    itkNNRequireMacro(sample.label.IsDefined(), "Transform " << this->GetName() << ": the sample has no label");
    this->Change(sample, sample.label.ToVector<std::int32_t>());
  }

  virtual void Change(Sample & sample, const std::vector<std::int32_t> & labels) const = 0;

  /** One plane a class. Labels in [classes, limit) are in none of them. */
  void SetProbability(Sample & sample,
                      const std::vector<std::int32_t> & labels,
                      std::int64_t classes,
                      std::int64_t limit) const
  {
    Shape shape = sample.GetSize();
    shape.insert(shape.begin(), classes);
    Tensor probability = Tensor::Zeros(shape);
    float * planes = probability.GetData<float>();
    for (std::size_t i = 0; i < labels.size(); ++i)
    {
      itkNNRequireMacro(labels[i] >= 0 && labels[i] < limit,
                        "Transform " << this->GetName() << ": the label " << labels[i] << " is at pixel " << i
                                     << "; labels should be from 0 to " << limit - 1);
      if (labels[i] < classes)
      {
        planes[static_cast<std::size_t>(labels[i]) * labels.size() + i] = 1;
      }
    }
    sample.labelProbability = probability;
  }
};

constexpr std::int64_t maximumClasses = 65536;

class LabelToProbability : public LabelTransform
{
public:
  explicit LabelToProbability(OptionReader & options)
    : m_Classes(options.Integer("class_num", 1, maximumClasses))
  {}

protected:
  void Change(Sample & sample, const std::vector<std::int32_t> & labels) const override
  {
    this->SetProbability(sample, labels, m_Classes, m_Classes);
  }

private:
  std::int64_t m_Classes;
};

class PartialLabelToProbability : public LabelTransform
{
public:
  explicit PartialLabelToProbability(OptionReader & options)
    : m_Classes(options.Integer("class_num", 1, maximumClasses))
  {}

protected:
  void Change(Sample & sample, const std::vector<std::int32_t> & labels) const override
  {
    this->SetProbability(sample, labels, m_Classes, m_Classes + 1);
    std::vector<float> weights(labels.size());
    std::transform(labels.begin(),
                   labels.end(),
                   weights.begin(),
                   [this](std::int32_t label) { return label < m_Classes ? 1.0F : 0.0F; });
    sample.pixelWeight = Tensor::FromVector(sample.label.GetShape(), weights);
  }

private:
  std::int64_t m_Classes;
};

class LabelConvert : public LabelTransform
{
public:
  explicit LabelConvert(OptionReader & options)
  {
    constexpr std::int64_t least = std::numeric_limits<std::int32_t>::min();
    const auto source = options.Integers("source_list", least);
    const auto target = options.Integers("target_list", least);
    itkNNRequireMacro(source.size() == target.size(),
                      "Transform LabelConvert: the option 'source_list' has "
                        << source.size() << " labels and 'target_list' has " << target.size()
                        << "; should have as many");
    for (std::size_t i = 0; i < source.size(); ++i)
    {
      constexpr std::int64_t greatest = std::numeric_limits<std::int32_t>::max();
      const bool isValid =
        source[i] <= greatest && target[i] <= greatest &&
        m_Targets.emplace(static_cast<std::int32_t>(source[i]), static_cast<std::int32_t>(target[i])).second;
      itkNNRequireMacro(isValid,
                        "Transform LabelConvert: the label " << source[i] << " to become " << target[i]
                                                             << " is there twice or more than 32 bits");
    }
  }

protected:
  void Change(Sample & sample, const std::vector<std::int32_t> & labels) const override
  {
    std::vector<std::int32_t> converted = labels;
    for (std::int32_t & label : converted)
    {
      const auto found = m_Targets.find(label);
      label = found == m_Targets.end() ? label : found->second;
    }
    sample.label = Tensor::FromVector(sample.label.GetShape(), converted);
  }

private:
  std::map<std::int32_t, std::int32_t> m_Targets;
};

class LabelConvertNonzero : public LabelTransform
{
public:
  explicit LabelConvertNonzero(OptionReader &)
  {}

protected:
  void Change(Sample & sample, const std::vector<std::int32_t> & labels) const override
  {
    std::vector<std::int32_t> converted(labels.size());
    std::transform(
      labels.begin(), labels.end(), converted.begin(), [](std::int32_t label) { return label > 0 ? 1 : 0; });
    sample.label = Tensor::FromVector(sample.label.GetShape(), converted);
  }
};
} // namespace

std::vector<TransformKind>
GetLabelTransforms()
{
  constexpr auto onDemand = TransformKind::Inverse::OnDemand;
  return { { "LabelToProbability", onDemand, MakeTransform<LabelToProbability> },
           { "PartialLabelToProbability", onDemand, MakeTransform<PartialLabelToProbability> },
           { "LabelConvert", onDemand, MakeTransform<LabelConvert> },
           { "LabelConvertNonzero", onDemand, MakeTransform<LabelConvertNonzero> } };
}
} // namespace nn
} // namespace itk
