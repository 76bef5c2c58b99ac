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
#include "itkNNAxisMaps.h"
#include "itkNNTransformKinds.h"
#include "itkNNVolumeResize.h"
#include "itkNNZoom.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace itk
{
namespace nn
{
namespace
{
/** Change all that a sample has. */
template <typename TFunction>
void
ChangeAll(Sample & sample, const TFunction & change)
{
  for (Tensor * tensor : { &sample.image, &sample.label, &sample.labelProbability, &sample.pixelWeight })
  {
    if (tensor->IsDefined())
    {
      *tensor = change(*tensor);
    }
  }
}

/** Labels by the nearest neighbour, the rest linearly. */
void
ZoomAll(Sample & sample, const Shape & size)
{
  ChangeAll(
    sample,
    [&](const Tensor & tensor)
    { return tensor.GetDataType() == DataType::Float32 ? ZoomLinear(tensor, size) : ZoomNearest(tensor, size); });
}

void
CheckAxes(const std::string & transform, const char * option, std::size_t axes, const Shape & size)
{
  itkNNRequireMacro(axes == size.size(),
                    "Transform " << transform << ": the option '" << option << "' has " << axes
                                 << " entries; should have one for each of the " << size.size()
                                 << " spatial axes of the sample");
}

/** The wanted extents, those of the sample where none are. */
Shape
Resolve(const std::string & transform, const MaybeSize & wanted, const Shape & size)
{
  CheckAxes(transform, "output_size", wanted.size(), size);
  Shape result;
  for (std::size_t axis = 0; axis < size.size(); ++axis)
  {
    result.push_back(wanted[axis].value_or(size[axis]));
  }
  return result;
}

std::vector<double>
ForAxes(const std::string & transform, const char * option, const std::vector<double> & values, const Shape & size)
{
  if (values.size() == 1)
  {
    return std::vector<double>(size.size(), values[0]);
  }
  CheckAxes(transform, option, values.size(), size);
  return values;
}

/** A smallest box around pixels; no axes where there are none. */
struct Box
{
  Shape start;
  Shape size;
};

/** Around the pixels for which a condition of their index into any channel holds. */
template <typename TCondition>
Box
FindBox(const Shape & size, std::int64_t channels, const TCondition & condition)
{
  Shape first = size;
  Shape last(size.size(), -1);
  const std::int64_t pixels = NumberOfElements(size);
  for (std::int64_t i = 0; i < channels * pixels; ++i)
  {
    if (condition(i))
    {
      std::int64_t rest = i % pixels;
      for (std::size_t axis = size.size(); axis-- > 0;)
      {
        const std::int64_t place = rest % size[axis];
        rest /= size[axis];
        first[axis] = std::min(first[axis], place);
        last[axis] = std::max(last[axis], place);
      }
    }
  }
  Box box;
  for (std::size_t axis = 0; axis < size.size() && last[axis] >= 0; ++axis)
  {
    box.start.push_back(first[axis]);
    box.size.push_back(last[axis] + 1 - first[axis]);
  }
  return box;
}

/** The option `mask_label`: none means all but 0. */
using MaskLabels = std::optional<std::vector<std::int64_t>>;

/** Move a box to a random pixel of a random label, as far as the sample allows. */
void
MoveToForeground(
  const std::string & transform, const Sample & sample, const MaskLabels & labels, PythonRandom & random, Box & box)
{
  itkNNRequireMacro(sample.label.IsDefined(),
                    "Transform " << transform << " is to crop at the foreground; the sample has no label");
  const std::vector<std::int32_t> pixels = sample.label.ToVector<std::int32_t>();
  std::vector<std::int64_t> candidates = labels.value_or(std::vector<std::int64_t>());
  if (!labels)
  {
    std::set<std::int32_t> found(pixels.begin(), pixels.end());
    found.erase(0);
    candidates.assign(found.begin(), found.end());
  }
  if (candidates.empty())
  {
    return;
  }
  const auto last = static_cast<std::int64_t>(candidates.size()) - 1;
  const std::int64_t label = candidates[static_cast<std::size_t>(random.Integer(0, last))];
  const auto count = std::count_if(pixels.begin(), pixels.end(), [&](std::int32_t pixel) { return pixel == label; });
  if (count == 0)
  {
    return;
  }
  std::int64_t rank = random.Integer(0, count - 1);
  std::int64_t index = 0;
  while (pixels[static_cast<std::size_t>(index)] != label || rank-- > 0)
  {
    ++index;
  }
  const Shape size = sample.GetSize();
  for (std::size_t axis = size.size(); axis-- > 0;)
  {
    box.start[axis] = std::clamp<std::int64_t>(index % size[axis] - box.size[axis] / 2, 0, size[axis] - box.size[axis]);
    index /= size[axis];
  }
}

/** Starts drawn at random; axes without a margin draw nothing. */
void
DrawStart(const Shape & size, PythonRandom & random, Box & box)
{
  for (std::size_t axis = 0; axis < size.size(); ++axis)
  {
    const std::int64_t margin = size[axis] - box.size[axis];
    box.start.push_back(margin > 0 ? random.Integer(0, margin) : 0);
  }
}

class Pad : public SampleTransform
{
public:
  explicit Pad(OptionReader & options)
    : m_Size(options.Size("output_size"))
    , m_IsMultiple(options.Bool("ceil_mode", false))
  {}

protected:
  void DoApply(Sample & sample, TransformRandom &, TransformRecord & record) const override
  {
    Shape size = Resolve(this->GetName(), m_Size, record.inputSize);
    for (std::size_t axis = 0; axis < size.size(); ++axis)
    {
      const std::int64_t input = record.inputSize[axis];
      size[axis] = m_IsMultiple ? (input + size[axis] - 1) / size[axis] * size[axis] : std::max(input, size[axis]);
      record.start[axis] = (size[axis] - input) / 2;
    }
    const auto maps = ReflectMaps(record.inputSize, size, record.start);
    ChangeAll(sample, [&](const Tensor & tensor) { return TakeElements(tensor, maps); });
  }

  Tensor DoInvert(const Tensor & prediction, const TransformRecord & record) const override
  {
    return TakeElements(prediction, BoxMaps(record.start, record.inputSize));
  }

private:
  MaybeSize m_Size;
  bool m_IsMultiple;
};

class Crop : public SampleTransform
{
protected:
  void DoApply(Sample & sample, TransformRandom & random, TransformRecord & record) const override
  {
    const Box box = this->Choose(sample, record.inputSize, random);
    const auto maps = BoxMaps(box.start, box.size);
    ChangeAll(sample, [&](const Tensor & tensor) { return TakeElements(tensor, maps); });
    record.start = box.start;
  }

  Tensor DoInvert(const Tensor & prediction, const TransformRecord & record) const override
  {
    return PasteIntoZeros(prediction, record.inputSize, record.start);
  }

  virtual Box Choose(const Sample & sample, const Shape & size, TransformRandom & random) const = 0;

  void CheckInside(const Shape & wanted, const Shape & size) const
  {
    for (std::size_t axis = 0; axis < size.size(); ++axis)
    {
      itkNNRequireMacro(wanted[axis] <= size[axis],
                        "Transform " << this->GetName() << ": a crop of " << ToString(wanted) << " from a sample of "
                                     << ToString(size) << "; should not be larger");
    }
  }
};

class CenterCrop : public Crop
{
public:
  explicit CenterCrop(OptionReader & options)
    : m_Size(options.Size("output_size"))
  {}

protected:
  Box Choose(const Sample &, const Shape & size, TransformRandom &) const override
  {
    Box box{ {}, Resolve(this->GetName(), m_Size, size) };
    this->CheckInside(box.size, size);
    for (std::size_t axis = 0; axis < size.size(); ++axis)
    {
      box.start.push_back((size[axis] - box.size[axis]) / 2);
    }
    return box;
  }

private:
  MaybeSize m_Size;
};

class RandomCrop : public Crop
{
public:
  explicit RandomCrop(OptionReader & options)
    : m_Size(options.Size("output_size"))
    , m_SeeksForeground(options.Bool("foreground_focus", false))
    , m_Labels(options.OptionalIntegers("mask_label", 0))
  {
    const MaybeNumber ratio = options.OptionalNumber("foreground_ratio");
    m_Ratio = ratio.value_or(0.5);
    itkNNRequireMacro(m_Ratio >= 0 && m_Ratio <= 1,
                      "Transform RandomCrop: the option 'foreground_ratio' is " << m_Ratio
                                                                                << "; should be from 0 to 1");
  }

protected:
  Box Choose(const Sample & sample, const Shape & size, TransformRandom & random) const override
  {
    Box box{ {}, Resolve(this->GetName(), m_Size, size) };
    this->CheckInside(box.size, size);
    DrawStart(size, random.python, box);
    if (m_SeeksForeground && random.python.Random() < m_Ratio)
    {
      MoveToForeground(this->GetName(), sample, m_Labels, random.python, box);
    }
    return box;
  }

private:
  MaybeSize m_Size;
  bool m_SeeksForeground;
  MaskLabels m_Labels;
  double m_Ratio = 0.5;
};

class CropWithBoundingBox : public Crop
{
public:
  explicit CropWithBoundingBox(OptionReader & options)
    : m_Start(options.OptionalIntegers("start", 0))
    , m_Size(options.OptionalSize("output_size"))
    , m_Threshold(options.OptionalNumber("threshold").value_or(0))
  {}

protected:
  Box Choose(const Sample & sample, const Shape & size, TransformRandom &) const override
  {
    Box box;
    if (!m_Start || !m_Size)
    {
      const Tensor image = sample.image.Contiguous();
      const float * pixels = image.GetData<float>();
      box = FindBox(
        size, image.GetShape()[0], [&](std::int64_t i) { return static_cast<double>(pixels[i]) > m_Threshold; });
      itkNNRequireMacro(!box.size.empty(),
                        "Transform CropWithBoundingBox: the image has no intensity above the threshold "
                          << m_Threshold);
    }
    Shape wanted = box.size;
    if (m_Size)
    {
      wanted = Resolve(this->GetName(), *m_Size, size);
      this->CheckInside(wanted, size);
    }
    if (m_Start)
    {
      CheckAxes(this->GetName(), "start", m_Start->size(), size);
    }
    Box crop;
    for (std::size_t axis = 0; axis < size.size(); ++axis)
    {
      std::int64_t start = m_Start ? (*m_Start)[axis] : box.start[axis];
      if (m_Start)
      {
        itkNNRequireMacro(start < size[axis],
                          "Transform CropWithBoundingBox: the option 'start' is "
                            << ToString(*m_Start) << ", outside a sample of " << ToString(size));
        wanted[axis] = std::min(wanted[axis], size[axis] - start);
      }
      else if (m_Size)
      {
        const std::int64_t centre = (2 * box.start[axis] + box.size[axis] + 1) / 2;
        start = std::clamp<std::int64_t>(centre - wanted[axis] / 2, 0, size[axis] - wanted[axis]);
      }
      crop.start.push_back(start);
      crop.size.push_back(wanted[axis]);
    }
    return crop;
  }

private:
  std::optional<std::vector<std::int64_t>> m_Start;
  std::optional<MaybeSize> m_Size;
  double m_Threshold;
};

class CropWithForeground : public Crop
{
public:
  explicit CropWithForeground(OptionReader & options)
    : m_Labels(options.OptionalIntegers("labels", 0))
  {
    static const TransformOption::List normal{ 5, 10, 10 };
    m_Margin = options.Find("margin", normal) == nullptr ? Shape{ 5, 10, 10 } : options.Integers("margin", 0);
  }

protected:
  Box Choose(const Sample & sample, const Shape & size, TransformRandom &) const override
  {
    itkNNRequireMacro(sample.label.IsDefined(), "Transform CropWithForeground: the sample has no label");
    CheckAxes(this->GetName(), "margin", m_Margin.size(), size);
    const Tensor label = sample.label.Contiguous();
    const auto * pixels = label.GetData<std::int32_t>();
    Box box = FindBox(size,
                      1,
                      [&](std::int64_t i)
                      {
                        return m_Labels ? std::find(m_Labels->begin(), m_Labels->end(), pixels[i]) != m_Labels->end()
                                        : pixels[i] > 0;
                      });
    if (box.size.empty())
    {
      return { Shape(size.size(), 0), size };
    }
    for (std::size_t axis = 0; axis < size.size(); ++axis)
    {
      const std::int64_t end = std::min(box.start[axis] + box.size[axis] + m_Margin[axis], size[axis]);
      box.start[axis] = std::max<std::int64_t>(box.start[axis] - m_Margin[axis], 0);
      box.size[axis] = end - box.start[axis];
    }
    return box;
  }

private:
  MaskLabels m_Labels;
  Shape m_Margin;
};

class RandomResizedCrop : public SampleTransform
{
public:
  explicit RandomResizedCrop(OptionReader & options)
    : m_Size(options.Extents("output_size"))
    , m_Lower(options.Scales("resize_lower_bound"))
    , m_Upper(options.Scales("resize_upper_bound"))
    , m_Probability(options.Number("resize_prob", 0, 1, 0.5))
    , m_Ratio(options.Number("foreground_ratio", 0, 1, 0.))
    , m_Labels(options.OptionalIntegers("mask_label", 0))
  {}

protected:
  void DoApply(Sample & sample, TransformRandom & random, TransformRecord & record) const override
  {
    Shape size = record.inputSize;
    const std::string & name = this->GetName();
    CheckAxes(name, "output_size", m_Size.size(), size);
    Box box{ {}, m_Size };
    if (random.python.Random() < m_Probability)
    {
      const auto lower = ForAxes(name, "resize_lower_bound", m_Lower, size);
      const auto upper = ForAxes(name, "resize_upper_bound", m_Upper, size);
      for (std::size_t axis = 0; axis < size.size(); ++axis)
      {
        const double scale = random.python.Uniform(lower[axis], upper[axis]);
        box.size[axis] =
          std::max<std::int64_t>(static_cast<std::int64_t>(static_cast<double>(m_Size[axis]) * scale), 1);
      }
    }
    Shape padded = size;
    Shape start = size;
    for (std::size_t axis = 0; axis < size.size(); ++axis)
    {
      padded[axis] = std::max(size[axis], box.size[axis]);
      start[axis] = (padded[axis] - size[axis]) / 2;
    }
    const auto reflection = ReflectMaps(size, padded, start);
    ChangeAll(sample, [&](const Tensor & tensor) { return TakeElements(tensor, reflection); });
    DrawStart(padded, random.python, box);
    if (m_Ratio > 0 && random.python.Random() < m_Ratio)
    {
      MoveToForeground(name, sample, m_Labels, random.python, box);
    }
    const auto maps = BoxMaps(box.start, box.size);
    ChangeAll(sample, [&](const Tensor & tensor) { return TakeElements(tensor, maps); });
    if (box.size != m_Size)
    {
      ZoomAll(sample, m_Size);
    }
  }

private:
  Shape m_Size;
  std::vector<double> m_Lower;
  std::vector<double> m_Upper;
  double m_Probability;
  double m_Ratio;
  MaskLabels m_Labels;
};

class RandomFlip : public SampleTransform
{
public:
  explicit RandomFlip(OptionReader & options)
    : m_Depth(options.Bool("flip_depth", false))
    , m_Height(options.Bool("flip_height", false))
    , m_Width(options.Bool("flip_width", false))
    , m_FlipsVolumes(options.Bool("flip_depth_of_volumes", false))
  {}

protected:
  void DoApply(Sample & sample, TransformRandom & random, TransformRecord & record) const override
  {
    const std::size_t axes = record.inputSize.size();
    std::vector<bool> flipped(axes, false);
    const auto draw = [&](bool isOn, std::size_t axis)
    {
      if (isOn)
      {
        flipped[axis] = random.python.Random() > 0.5;
      }
    };
    draw(m_Width, axes - 1);
    draw(m_Height, axes - 2);
    draw(m_Depth && m_FlipsVolumes && axes == 3, 0);
    if (std::find(flipped.begin(), flipped.end(), true) != flipped.end())
    {
      record.flipped = flipped;
      ChangeAll(sample, [&](const Tensor & tensor) { return Flip(tensor, flipped, record.inputSize); });
    }
  }

  Tensor DoInvert(const Tensor & prediction, const TransformRecord & record) const override
  {
    return record.flipped.empty() ? prediction : Flip(prediction, record.flipped, record.inputSize);
  }

private:
  static Tensor Flip(const Tensor & tensor, const std::vector<bool> & flipped, const Shape & size)
  {
    auto maps = BoxMaps(Shape(size.size(), 0), size);
    for (std::size_t axis = 0; axis < size.size(); ++axis)
    {
      if (flipped[axis])
      {
        std::reverse(maps[axis].begin(), maps[axis].end());
      }
    }
    return TakeElements(tensor, maps);
  }

  bool m_Depth;
  bool m_Height;
  bool m_Width;
  bool m_FlipsVolumes;
};

/** Undone by linear interpolation. */
class Resize : public SampleTransform
{
public:
  bool InterpolatesInverse() const override
  {
    return this->IsInverse();
  }

protected:
  void DoApply(Sample & sample, TransformRandom & random, TransformRecord & record) const override
  {
    const Shape size = this->Choose(record.inputSize, random);
    if (size != record.inputSize)
    {
      ZoomAll(sample, size);
    }
  }

  Tensor DoInvert(const Tensor & prediction, const TransformRecord & record) const override
  {
    if (record.inputSize == record.outputSize)
    {
      return prediction;
    }
    itkNNRequireMacro(prediction.GetDataType() == DataType::Float32,
                      "Transform " << this->GetName() << " is to be undone on a prediction of "
                                   << ToString(prediction.GetDataType()) << "; should be of float32");
    return ZoomLinear(prediction, record.inputSize);
  }

  virtual Shape Choose(const Shape & size, TransformRandom & random) const = 0;

  /** Rounded as Python does, a half to even. */
  static std::int64_t Scale(std::int64_t extent, double scale)
  {
    return std::max<std::int64_t>(std::llrint(static_cast<double>(extent) * scale), 1);
  }
};

class Rescale : public Resize
{
public:
  explicit Rescale(OptionReader & options)
  {
    const TransformOption * size = options.Find("output_size", nullptr, true);
    if (size != nullptr && std::holds_alternative<std::int64_t>(size->Get()))
    {
      m_Shortest = options.Integer("output_size", 1, 1 << 20);
    }
    else
    {
      m_Size = options.Size("output_size");
    }
  }

protected:
  Shape Choose(const Shape & size, TransformRandom &) const override
  {
    if (m_Shortest == 0)
    {
      return Resolve(this->GetName(), m_Size, size);
    }
    const std::int64_t shortest = *std::min_element(size.begin(), size.end());
    Shape result;
    for (const std::int64_t extent : size)
    {
      result.push_back(Scale(extent, static_cast<double>(m_Shortest) / static_cast<double>(shortest)));
    }
    return result;
  }

private:
  MaybeSize m_Size;
  std::int64_t m_Shortest = 0; ///< extent that the shortest axis shall have; 0 for none
};

class RandomRescale : public Resize
{
public:
  explicit RandomRescale(OptionReader & options)
    : m_Lower(options.Scales("lower_bound"))
    , m_Upper(options.Scales("upper_bound"))
    , m_Probability(options.Number("probability", 0, 1, 0.5))
  {}

protected:
  Shape Choose(const Shape & size, TransformRandom & random) const override
  {
    if (random.python.Random() > m_Probability)
    {
      return size;
    }
    const auto lower = ForAxes(this->GetName(), "lower_bound", m_Lower, size);
    const auto upper = ForAxes(this->GetName(), "upper_bound", m_Upper, size);
    // One scale for all axes when one number is given for them.
    const bool isCommon = m_Lower.size() == 1 && m_Upper.size() == 1;
    Shape result;
    double part = 0;
    for (std::size_t axis = 0; axis < size.size(); ++axis)
    {
      part = axis > 0 && isCommon ? part : random.python.Random();
      result.push_back(Scale(size[axis], lower[axis] + part * (upper[axis] - lower[axis])));
    }
    return result;
  }

private:
  std::vector<double> m_Lower;
  std::vector<double> m_Upper;
  double m_Probability;
};
/** Undone by splines too; labels by the nearest voxel. */
class CubicResize : public SampleTransform
{
public:
  explicit CubicResize(OptionReader & options)
    : m_Size(options.Size("output_size"))
    , m_Patch(options.OptionalSize("patch_size"))
    , m_Boundary(static_cast<ResizeBoundary>(options.Choice("boundary", GetResizeBoundaryNames())))
  {}

  bool InterpolatesInverse() const override
  {
    return this->IsInverse();
  }

protected:
  void DoApply(Sample & sample, TransformRandom &, TransformRecord & record) const override
  {
    Shape size = Resolve(this->GetName(), m_Size, record.inputSize);
    if (m_Patch)
    {
      CheckAxes(this->GetName(), "patch_size", m_Patch->size(), size);
      for (std::size_t axis = 0; axis < size.size(); ++axis)
      {
        const std::int64_t input = record.inputSize[axis];
        size[axis] = std::max<std::int64_t>(input * size[axis] / (*m_Patch)[axis].value_or(input), 1);
      }
    }
    const auto nearest = [&](const Tensor & tensor)
    { return tensor.IsDefined() ? ResizeNearest(tensor, size, m_Boundary) : tensor; };
    sample = Sample{ ResizeCubic(sample.image, size, m_Boundary),
                     nearest(sample.label),
                     nearest(sample.labelProbability),
                     nearest(sample.pixelWeight) };
  }

  Tensor DoInvert(const Tensor & prediction, const TransformRecord & record) const override
  {
    return prediction.GetDataType() == DataType::Float32 ? ResizeCubic(prediction, record.inputSize)
                                                         : ResizeNearest(prediction, record.inputSize);
  }

private:
  MaybeSize m_Size;
  std::optional<MaybeSize> m_Patch;
  ResizeBoundary m_Boundary;
};
} // namespace

std::vector<TransformKind>
GetGeometryTransforms()
{
  using Inverse = TransformKind::Inverse;
  return { { "Pad", Inverse::Normally, MakeTransform<Pad> },
           { "CenterCrop", Inverse::Normally, MakeTransform<CenterCrop> },
           { "RandomCrop", Inverse::Normally, MakeTransform<RandomCrop> },
           { "CropWithBoundingBox", Inverse::Normally, MakeTransform<CropWithBoundingBox> },
           { "CropWithForeground", Inverse::Normally, MakeTransform<CropWithForeground> },
           { "RandomResizedCrop", Inverse::Impossible, MakeTransform<RandomResizedCrop> },
           { "RandomFlip", Inverse::Normally, MakeTransform<RandomFlip> },
           { "Rescale", Inverse::Normally, MakeTransform<Rescale> },
           { "RandomRescale", Inverse::OnDemand, MakeTransform<RandomRescale> },
           { "ResizeCubic", Inverse::Normally, MakeTransform<CubicResize> } };
}
} // namespace nn
} // namespace itk
