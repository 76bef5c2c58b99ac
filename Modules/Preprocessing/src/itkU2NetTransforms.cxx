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
#include "itkU2NetPatch.h"
#include "itkU2NetPreprocessing.h"

#include <algorithm>

namespace itk
{
namespace nn
{
namespace
{
constexpr double pi = 3.14159265358979323846;

// A patch that is not to be had is not sought for ever.
constexpr int maximumTries = 20;

/** What a patch shows. */
enum class Content
{
  Any,
  Foreground,
  Small
};

/** U2NetPatch, as a transform that draws its parts. */
class PatchTransform : public SampleTransform
{
public:
  explicit PatchTransform(OptionReader & options)
    : m_Size(options.Extents("output_size"))
    , m_SmallClass(static_cast<std::int32_t>(options.Integer("small_class", 1, 1 << 20, 1)))
    , m_SmallProbability(options.Number("small_probability", 0, 1, 0.3))
    , m_ForegroundProbability(options.Number("foreground_probability", 0, 1, 0.7))
    , m_ElasticProbability(options.Number("elastic_probability", 0, 1, 0.3))
    , m_Sigma(options.Interval("sigma", 0.001, 1000, { 10, 13 }))
    , m_Alpha(options.Interval("alpha", 0, 1e6, { 0, 750 }))
    , m_RotationProbability(options.Number("rotation_probability", 0, 1, 0.3))
    , m_ScaleProbability(options.Number("scale_probability", 0, 1, 0.5))
    , m_Scale(options.Interval("scale", 0.001, 1000, { 0.75, 1.25 }))
    , m_MirrorProbability(options.Number("mirror_probability", 0, 1, 0.3))
  {
    itkNNRequireMacro(m_Size.size() == 3,
                      "Transform U2NetPatch: the option 'output_size' is " << ToString(m_Size)
                                                                           << "; should have three extents");
    itkNNRequireMacro(m_SmallProbability + m_ForegroundProbability <= 1 + 1e-9,
                      "Transform U2NetPatch: the options 'small_probability' and 'foreground_probability' are "
                        << m_SmallProbability << " and " << m_ForegroundProbability
                        << "; their sum should not be above 1");
  }

protected:
  void DoApply(Sample & sample, TransformRandom & random, TransformRecord & record) const override
  {
    itkNNRequireMacro(record.inputSize.size() == 3,
                      "Transform U2NetPatch: the sample has the extents " << ToString(record.inputSize)
                                                                          << "; should be a volume's");
    itkNNRequireMacro(!sample.labelProbability.IsDefined(),
                      "Transform U2NetPatch: the sample has label probabilities; should come before they are made");
    itkNNRequireMacro(sample.label.IsDefined() || m_SmallProbability + m_ForegroundProbability == 0,
                      "Transform U2NetPatch is to seek the foreground; the sample has no label");
    const Sample volume = this->Pad(sample);
    const Content content = this->DrawContent(volume, random.python);
    for (int i = 0; i < maximumTries; ++i)
    {
      U2NetPatch patch = this->DrawPatch(volume, content, random.python);
      sample = patch.Take(volume);
      if (this->Shows(sample, content))
      {
        return;
      }
      if (i == maximumTries - 1)
      {
        // Its class is in there at least.
        patch.elastic.reset();
        patch.angle.reset();
        patch.scale.reset();
        sample = patch.Take(volume);
      }
    }
  }

private:
  Sample Pad(const Sample & sample) const
  {
    const Shape size = sample.GetSize();
    if (std::equal(size.begin(), size.end(), m_Size.begin(), std::greater_equal<>()))
    {
      return sample;
    }
    const auto pad = [this](const Tensor & tensor) { return tensor.IsDefined() ? PadToPatch(tensor, m_Size) : tensor; };
    return { pad(sample.image), pad(sample.label), {}, pad(sample.pixelWeight) };
  }

  bool Belongs(std::int32_t label, Content content) const
  {
    return content == Content::Small ? label == m_SmallClass : label > 0;
  }

  /** \param label contiguous */
  std::int64_t Count(const Tensor & label, Content content) const
  {
    const auto * const first = label.GetData<std::int32_t>();
    return std::count_if(first,
                         first + label.GetNumberOfElements(),
                         [this, content](std::int32_t value) { return this->Belongs(value, content); });
  }

  Content DrawContent(const Sample & volume, PythonRandom & random) const
  {
    const double place = random.Random();
    const auto isThere = [&](Content content)
    { return volume.label.IsDefined() && this->Count(volume.label.Contiguous(), content) > 0; };
    if (place < m_SmallProbability && isThere(Content::Small))
    {
      return Content::Small;
    }
    return place < m_SmallProbability + m_ForegroundProbability && isThere(Content::Foreground) ? Content::Foreground
                                                                                                : Content::Any;
  }

  Shape DrawCentre(const Sample & volume, Content content, PythonRandom & random) const
  {
    const Shape extents = volume.GetSize();
    Shape centre(3);
    if (content == Content::Any)
    {
      for (std::size_t axis = 0; axis < 3; ++axis)
      {
        const std::int64_t half = m_Size[axis] / 2;
        centre[axis] = random.Integer(half, std::max(half, extents[axis] - half - 1));
      }
      return centre;
    }
    const Tensor label = volume.label.Contiguous();
    const auto * const labels = label.GetData<std::int32_t>();
    std::int64_t rank = random.Integer(0, this->Count(label, content) - 1);
    std::int64_t index = 0;
    while (!this->Belongs(labels[index], content) || rank-- > 0)
    {
      ++index;
    }
    const Shape voxel{ index / (extents[1] * extents[2]), index / extents[2] % extents[1], index % extents[2] };
    for (std::size_t axis = 0; axis < 3; ++axis)
    {
      // As the reference, in real numbers: the voxel stays inside of the patch.
      const double reach = static_cast<double>(m_Size[axis]) / 2 - 1;
      const std::int64_t half = m_Size[axis] / 2;
      const auto border = static_cast<double>(half - 1);
      const auto place = static_cast<double>(voxel[axis]);
      const auto low = static_cast<std::int64_t>(std::max(border, place - reach));
      const auto end = static_cast<std::int64_t>(std::min(place + reach, static_cast<double>(extents[axis]) - border));
      centre[axis] = end > low ? random.Integer(low, end - 1) : low;
    }
    return centre;
  }

  U2NetPatch DrawPatch(const Sample & volume, Content content, PythonRandom & random) const
  {
    U2NetPatch patch;
    patch.size = m_Size;
    patch.centre = this->DrawCentre(volume, content, random);
    const auto draw = [&random](const OptionInterval & interval)
    { return random.Uniform(interval.low, interval.high); };
    if (random.Random() < m_ElasticProbability)
    {
      U2NetPatch::Elastic elastic;
      elastic.alpha = draw(m_Alpha);
      elastic.sigma = draw(m_Sigma);
      elastic.noise = Tensor({ 3, m_Size[0], m_Size[1], m_Size[2] }, DataType::Float64);
      auto * const noise = elastic.noise.GetData<double>();
      std::generate(noise, noise + elastic.noise.GetNumberOfElements(), [&random] { return random.Random() * 2 - 1; });
      patch.elastic = elastic;
    }
    if (random.Random() < m_RotationProbability)
    {
      patch.angle = random.Uniform(0, 2 * pi);
    }
    if (random.Random() < m_ScaleProbability)
    {
      // Below and above 1 with the same probability, where there is both.
      const bool isBelow = random.Random() < 0.5 ? m_Scale.low < 1 : m_Scale.high <= 1;
      patch.scale = isBelow ? draw({ m_Scale.low, std::min(m_Scale.high, 1.0) })
                            : draw({ std::max(m_Scale.low, 1.0), m_Scale.high });
    }
    if (random.Random() < m_MirrorProbability)
    {
      patch.isMirrored = random.Random() < 0.5;
    }
    return patch;
  }

  bool Shows(const Sample & sample, Content content) const
  {
    const float * const first = sample.image.GetData<float>();
    return (content == Content::Any || this->Count(sample.label, content) > 0) &&
           std::any_of(
             first, first + sample.image.GetNumberOfElements(), [](float intensity) { return intensity != 0; });
  }

  Shape m_Size;
  std::int32_t m_SmallClass;
  double m_SmallProbability;
  double m_ForegroundProbability;
  double m_ElasticProbability;
  OptionInterval m_Sigma;
  OptionInterval m_Alpha;
  double m_RotationProbability;
  double m_ScaleProbability;
  OptionInterval m_Scale;
  double m_MirrorProbability;
};
} // namespace

std::vector<TransformKind>
GetU2NetTransforms()
{
  return { { "U2NetPatch", TransformKind::Inverse::Impossible, MakeTransform<PatchTransform> } };
}
} // namespace nn
} // namespace itk
