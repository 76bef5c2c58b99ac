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
#include "itkNNVolumeFusionKernels.h"

#include <algorithm>

namespace itk
{
namespace nn
{
namespace
{
/** The number of channels and of spatial axes that Volume Fusion needs. */
void
CheckImage(const std::string & transform, const Sample & sample, std::int64_t channels)
{
  const Shape & shape = sample.image.GetShape();
  itkNNRequireMacro(shape.size() == 4 && shape[0] == channels,
                    "Transform " << transform << ": the image has the shape " << ToString(shape) << "; should be ["
                                 << channels << ", D, H, W]");
}

class Crop4VolumeFusion : public SampleTransform
{
public:
  explicit Crop4VolumeFusion(OptionReader & options)
  {
    m_Options.size = options.Extents("output_size");
    m_Options.lowerScale = options.Scales("rescale_lower_bound", m_Options.lowerScale);
    m_Options.upperScale = options.Scales("rescale_upper_bound", m_Options.upperScale);
    for (std::vector<double> * scales : { &m_Options.lowerScale, &m_Options.upperScale })
    {
      if (scales->size() == 1)
      {
        scales->resize(3, scales->front());
      }
    }
    const std::int64_t mode = options.Integer("augentation_mode", 0, 3, 3);
    m_Options.spatial = mode >= 2;
    m_ChangesTone = mode % 2 == 1;
    m_Options.Check(m_Options.size);
  }

protected:
  void DoApply(Sample & sample, TransformRandom & random, TransformRecord & record) const override
  {
    CheckImage(this->GetName(), sample, 1);
    const Shape & volume = record.inputSize;
    const auto crops = VolumeFusionCrop::Draw(random.python, m_Options, volume);
    const Tensor whole = sample.image.Contiguous();
    const float * pixels = whole.GetData<float>();
    Tensor pair({ 2, m_Options.size[0], m_Options.size[1], m_Options.size[2] });
    const auto count = static_cast<std::size_t>(NumberOfElements(m_Options.size));
    float * const patches[] = { pair.GetData<float>(), pair.GetData<float>() + count };
    for (std::size_t i = 0; i < 2; ++i)
    {
      const Shape & start = crops[i].start;
      const float * box = pixels + (start[0] * volume[1] + start[1]) * volume[2] + start[2];
      crops[i].Resize(box, volume, m_Options.size, 0, m_Options.size[0], patches[i]);
    }
    if (m_ChangesTone)
    {
      const auto tones = VolumeFusionTone::Draw(random.python, patches[0], patches[1], count);
      tones[0].Apply(patches[0], count);
      tones[1].Apply(patches[1], count);
    }
    sample = Sample{ pair, {}, {}, {} };
  }

private:
  VolumeFusionCropOptions m_Options;
  bool m_ChangesTone;
};

class Fusion : public SampleTransform
{
protected:
  explicit Fusion(OptionReader & options)
  {
    m_Options.classes = options.Integer("cls_num", 2, 256, m_Options.classes);
    m_Options.foregroundRatio = options.Number("foreground_ratio", 0, 1, m_Options.foregroundRatio);
    m_Options.minimumBlock = options.Extents("patchsize_min", m_Options.minimumBlock);
    m_Options.maximumBlock = options.Extents("patchsize_max", m_Options.maximumBlock);
    m_Options.Check(m_Options.minimumBlock);
  }

  VolumeFusionOptions m_Options;
};

class VolumeFusion : public Fusion
{
public:
  explicit VolumeFusion(OptionReader & options)
    : Fusion(options)
  {}

protected:
  void DoApply(Sample & sample, TransformRandom & random, TransformRecord & record) const override
  {
    CheckImage(this->GetName(), sample, 2);
    const Shape & size = record.inputSize;
    const auto grid = VolumeFusionGrid::Draw(random.python, m_Options, size);
    const Tensor pair = sample.image.Contiguous();
    const float * foreground = pair.GetData<float>();
    const float * background = foreground + NumberOfElements(size);
    Tensor image({ 1, size[0], size[1], size[2] });
    Tensor label({ 1, size[0], size[1], size[2] }, DataType::Int32);
    float * fused = image.GetData<float>();
    auto * classes = label.GetData<std::int32_t>();
    std::vector<VolumeFusionGrid::Run> runs;
    for (std::int64_t z = 0; z < size[0]; ++z)
    {
      for (std::int64_t y = 0; y < size[1]; ++y)
      {
        const std::int64_t row = (z * size[1] + y) * size[2];
        grid.GetRuns({ z, y, 0 }, size[2], runs);
        for (const auto & run : runs)
        {
          const std::int64_t begin = row + run.begin;
          FuseRow(foreground + begin,
                  background + begin,
                  static_cast<double>(run.number) / static_cast<double>(m_Options.classes - 1),
                  static_cast<std::size_t>(run.end - run.begin),
                  fused + begin);
          std::fill(classes + begin, classes + row + run.end, run.number);
        }
      }
    }
    sample = Sample{ image, label, {}, {} };
  }
};

class VolumeFusionShuffle : public Fusion
{
public:
  explicit VolumeFusionShuffle(OptionReader & options)
    : Fusion(options)
  {}

protected:
  void DoApply(Sample & sample, TransformRandom & random, TransformRecord & record) const override
  {
    CheckImage(this->GetName(), sample, 2);
    const Shape & size = record.inputSize;
    const auto grid = ShuffledVolumeFusionGrid::Draw(random.python, m_Options, size);
    const Tensor pair = sample.image.Contiguous();
    const float * foreground = pair.GetData<float>();
    Tensor image({ 1, size[0], size[1], size[2] });
    Tensor label({ 1, size[0], size[1], size[2] }, DataType::Int32);
    grid.Apply(foreground,
               foreground + NumberOfElements(size),
               size,
               m_Options.classes,
               image.GetData<float>(),
               label.GetData<std::int32_t>());
    sample = Sample{ image, label, {}, {} };
  }
};
} // namespace

std::vector<TransformKind>
GetVolumeFusionTransforms()
{
  constexpr auto impossible = TransformKind::Inverse::Impossible;
  return { { "Crop4VolumeFusion", impossible, MakeTransform<Crop4VolumeFusion> },
           { "VolumeFusion", impossible, MakeTransform<VolumeFusion> },
           { "VolumeFusionShuffle", impossible, MakeTransform<VolumeFusionShuffle> } };
}
} // namespace nn
} // namespace itk
