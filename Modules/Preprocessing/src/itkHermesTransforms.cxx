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
#include "itkHermesAugmentation.h"
#include "itkNNTransformKinds.h"
#include "itkU2NetPreprocessing.h"

#include <algorithm>

namespace itk
{
namespace nn
{
namespace
{
/** A part of a tensor [C, D, H, W], which may be undefined. */
Tensor
TakePart(const Tensor & input, const Shape & start, const Shape & size)
{
  Tensor part = input;
  for (std::size_t axis = 0; part.IsDefined() && axis < 3; ++axis)
  {
    part = part.Slice(static_cast<int>(axis) + 1, start[axis], start[axis] + size[axis]);
  }
  return part.IsDefined() ? part.Contiguous() : part;
}

Sample
TakePart(const Sample & sample, const Shape & start, const Shape & size)
{
  return { TakePart(sample.image, start, size),
           TakePart(sample.label, start, size),
           {},
           TakePart(sample.pixelWeight, start, size) };
}

/** A larger crop, deformed or not, and a patch of it. */
class HermesPatch : public SampleTransform
{
public:
  explicit HermesPatch(OptionReader & options)
    : m_Size(options.Extents("output_size"))
    , m_Margin(options.Integer("margin", 0, 1 << 20, 30))
    , m_Probability(options.Number("affine_probability", 0, 1, 0.5))
    , m_Scale(options.Interval("scale", 0.001, 1000, { 0.7, 1 / 0.7 }))
    , m_Shear(options.Number("shear", 0, 10, 0.1))
    , m_Angle(options.Integer("angle", 0, 180, 30))
  {
    itkNNRequireMacro(m_Size.size() == 3,
                      "Transform HermesPatch: the option 'output_size' is " << ToString(m_Size)
                                                                            << "; should have three extents");
  }

protected:
  void DoApply(Sample & sample, TransformRandom & random, TransformRecord & record) const override
  {
    itkNNRequireMacro(record.inputSize.size() == 3,
                      "Transform HermesPatch: the sample has the extents " << ToString(record.inputSize)
                                                                           << "; should be a volume's");
    itkNNRequireMacro(!sample.labelProbability.IsDefined(),
                      "Transform HermesPatch: the sample has label probabilities; should come before they are made");
    const auto pad = [this](const Tensor & tensor) { return tensor.IsDefined() ? PadToPatch(tensor, m_Size) : tensor; };
    const Sample padded{ pad(sample.image), pad(sample.label), {}, pad(sample.pixelWeight) };
    Shape larger = padded.GetSize();
    for (std::size_t axis = 0; axis < 3; ++axis)
    {
      larger[axis] = std::min(larger[axis], m_Size[axis] + m_Margin);
    }
    const Sample crop = TakePart(padded, DrawStart(padded.GetSize(), larger, random.python), larger);
    if (random.python.Random() >= m_Probability)
    {
      sample = TakePart(crop, DrawStart(larger, m_Size, random.python), m_Size);
      return;
    }
    HermesAffine affine;
    for (double & scale : affine.scale)
    {
      scale = random.python.Uniform(m_Scale.low, m_Scale.high);
    }
    for (double & shear : affine.shear)
    {
      shear = random.python.Uniform(-m_Shear, m_Shear);
    }
    for (double & angle : affine.angle)
    {
      angle = m_Angle > 0 ? static_cast<double>(random.python.Integer(-m_Angle, m_Angle - 1)) : 0;
    }
    Shape start(3);
    for (std::size_t axis = 0; axis < 3; ++axis)
    {
      start[axis] = (larger[axis] - m_Size[axis]) / 2;
    }
    sample = affine.Apply(crop, start, m_Size);
  }

private:
  static Shape DrawStart(const Shape & extents, const Shape & size, PythonRandom & random)
  {
    Shape start(3);
    for (std::size_t axis = 0; axis < 3; ++axis)
    {
      // The last place is not drawn, as in the reference.
      start[axis] = random.Integer(0, std::max<std::int64_t>(extents[axis] - size[axis], 1) - 1);
    }
    return start;
  }

  Shape m_Size;
  std::int64_t m_Margin;
  double m_Probability;
  OptionInterval m_Scale;
  double m_Shear;
  std::int64_t m_Angle;
};

/** Changes of intensities, each with a probability. */
class HermesIntensity : public SampleTransform
{
public:
  explicit HermesIntensity(OptionReader & options)
    : m_Probability(options.Number("probability", 0, 1, 0.1))
    , m_Factor(options.Interval("factor", 0.001, 1000, { 0.7, 1.3 }))
    , m_Offset(options.Number("offset", 0, 1e6, 0.1))
    , m_Gamma(options.Interval("gamma", 0.001, 1000, { 0.7, 1.5 }))
    , m_Contrast(options.Interval("contrast", 0.001, 1000, { 0.7, 1.3 }))
    , m_Sigma(options.Interval("sigma", 0.001, 1000, { 0.5, 1 }))
    , m_Noise(options.Number("noise", 0, 1e6, 0.1))
  {}

protected:
  void DoApply(Sample & sample, TransformRandom & random, TransformRecord &) const override
  {
    const auto isDone = [&] { return random.python.Random() < m_Probability; };
    const auto draw = [&](const OptionInterval & interval)
    { return random.python.Uniform(interval.low, interval.high); };
    Tensor image = sample.image;
    const auto change = [&](const auto & f)
    {
      image = image.Clone().Contiguous();
      float * const values = image.GetData<float>();
      std::transform(values, values + image.GetNumberOfElements(), values, f);
    };
    if (isDone())
    {
      const auto factor = static_cast<float>(draw(m_Factor));
      change([factor](float value) { return value * factor; });
    }
    if (isDone())
    {
      const auto offset = static_cast<float>(random.numpy.Normal(0, m_Offset));
      change([offset](float value) { return value + offset; });
    }
    if (isDone())
    {
      image = HermesGamma(image, draw(m_Gamma));
    }
    if (isDone())
    {
      image = HermesContrast(image, draw(m_Contrast));
    }
    if (isDone())
    {
      image = HermesBlur(image, draw(m_Sigma));
    }
    if (isDone())
    {
      const double deviation = random.python.Random() * m_Noise;
      change([&](float value) { return value + static_cast<float>(random.numpy.Normal(0, deviation)); });
    }
    sample.image = image;
  }

private:
  double m_Probability;
  OptionInterval m_Factor;
  double m_Offset;
  OptionInterval m_Gamma;
  OptionInterval m_Contrast;
  OptionInterval m_Sigma;
  double m_Noise;
};
} // namespace

std::vector<TransformKind>
GetHermesTransforms()
{
  return { { "HermesIntensity", TransformKind::Inverse::OnDemand, MakeTransform<HermesIntensity> },
           { "HermesPatch", TransformKind::Inverse::Impossible, MakeTransform<HermesPatch> } };
}
} // namespace nn
} // namespace itk
