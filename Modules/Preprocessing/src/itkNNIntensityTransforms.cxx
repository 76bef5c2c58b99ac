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
#include "itkNNVolumeFusion.h"

#include <algorithm>
#include <cmath>

namespace itk
{
namespace nn
{
namespace
{
/** The pixels of one channel, to be changed in place. */
struct Channel
{
  float * pixels;
  std::size_t count;
  std::size_t place;   ///< in the option `channels`
  std::int64_t number; ///< in the image

  float * begin() const
  {
    return pixels;
  }
  float * end() const
  {
    return pixels + count;
  }
};

struct Interval
{
  double low;
  double high;
};

Interval
GetRange(const Channel & channel)
{
  const auto range = std::minmax_element(channel.begin(), channel.end());
  return { static_cast<double>(*range.first), static_cast<double>(*range.second) };
}

struct Moments
{
  double mean = 0;
  double deviation = 0; ///< of the population
  std::size_t count = 0;
};

/** Of the pixels for which a condition holds. */
template <typename TCondition>
Moments
GetMoments(const Channel & channel, const TCondition & condition)
{
  Moments moments;
  double sum = 0;
  for (const float pixel : channel)
  {
    if (condition(pixel))
    {
      sum += static_cast<double>(pixel);
      ++moments.count;
    }
  }
  if (moments.count > 0)
  {
    moments.mean = sum / static_cast<double>(moments.count);
    sum = 0;
    for (const float pixel : channel)
    {
      if (condition(pixel))
      {
        const double difference = static_cast<double>(pixel) - moments.mean;
        sum += difference * difference;
      }
    }
    moments.deviation = std::sqrt(sum / static_cast<double>(moments.count));
  }
  return moments;
}

/** Clip to an interval and map it to [low, high]; everything to low where the interval is one
 * value. */
void
ClipAndMap(const Channel & channel, const Interval & from, const Interval & to)
{
  const double width = from.high - from.low;
  const double scale = width > 0 ? (to.high - to.low) / width : 0;
  for (float & pixel : channel)
  {
    const double value = std::min(std::max(static_cast<double>(pixel), from.low), from.high);
    pixel = static_cast<float>(to.low + (value - from.low) * scale);
  }
}

/** Changes channels of the image one by one. */
class ChannelTransform : public SampleTransform
{
protected:
  explicit ChannelTransform(OptionReader & options)
    : m_Channels(options.OptionalIntegers("channels", 0))
  {}

  void DoApply(Sample & sample, TransformRandom & random, TransformRecord & record) const override;

  /** Whether anything is to be changed. */
  virtual bool IsDue(TransformRandom &) const
  {
    return true;
  }

  virtual void Change(const Channel & channel, TransformRandom & random) const = 0;

  /** The values of a channel in a list with one for each of the option `channels`. */
  MaybeNumber Get(const char * option, const std::optional<std::vector<MaybeNumber>> & list, std::size_t place) const
  {
    if (!list)
    {
      return std::nullopt;
    }
    itkNNRequireMacro(place < list->size(),
                      "Transform " << this->GetName() << ": the option '" << option << "' has " << list->size()
                                   << " values; should have one for each channel");
    return (*list)[place];
  }

private:
  std::optional<std::vector<std::int64_t>> m_Channels;
};

void
ChannelTransform::DoApply(Sample & sample, TransformRandom & random, TransformRecord &) const
{
  if (!this->IsDue(random))
  {
    return;
  }
  const std::int64_t channels = sample.image.GetShape()[0];
  std::vector<std::int64_t> numbers = m_Channels.value_or(std::vector<std::int64_t>());
  for (std::int64_t number = 0; !m_Channels && number < channels; ++number)
  {
    numbers.push_back(number);
  }
  Tensor image = sample.image.Clone();
  const auto count = static_cast<std::size_t>(image.GetNumberOfElements() / channels);
  for (std::size_t place = 0; place < numbers.size(); ++place)
  {
    const std::int64_t number = numbers[place];
    itkNNRequireMacro(number < channels,
                      "Transform " << this->GetName() << " is to change channel " << number << " of an image of "
                                   << channels);
    this->Change({ image.GetData<float>() + static_cast<std::size_t>(number) * count, count, place, number }, random);
  }
  sample.image = image;
}

using Numbers = std::optional<std::vector<MaybeNumber>>;

/** Two options that must be in order where both have a number. */
void
CheckOrder(
  const OptionReader & options, const char * low, const Numbers & lower, const char * high, const Numbers & upper)
{
  for (std::size_t i = 0; lower && upper && i < std::min(lower->size(), upper->size()); ++i)
  {
    const MaybeNumber & a = (*lower)[i];
    const MaybeNumber & b = (*upper)[i];
    itkNNRequireMacro(!a || !b || *a < *b,
                      "Transform " << options.GetTransform() << ": entry " << i << " of the option '" << low << "' is "
                                   << *a << " and of '" << high << "' " << *b << "; should be less");
  }
}

class NormalizeWithMeanStd : public ChannelTransform
{
public:
  explicit NormalizeWithMeanStd(OptionReader & options)
    : ChannelTransform(options)
    , m_Mean(options.OptionalNumbers("mean"))
    , m_Deviation(options.OptionalNumbers("std"))
    , m_Threshold(options.OptionalNumber("mask_threshold"))
    , m_IsNoisy(options.Bool("set_background_to_random", true))
  {}

protected:
  void Change(const Channel & channel, TransformRandom & random) const override
  {
    const bool isMasked = m_Threshold.has_value();
    const double threshold = m_Threshold.value_or(0);
    const auto isForeground = [&](float pixel) { return !isMasked || static_cast<double>(pixel) > threshold; };
    double mean = 0;
    double deviation = 1;
    if (const MaybeNumber given = this->Get("mean", m_Mean, channel.place))
    {
      const MaybeNumber givenDeviation = this->Get("std", m_Deviation, channel.place);
      itkNNRequireMacro(
        givenDeviation && *givenDeviation > 0,
        "Transform NormalizeWithMeanStd: the option 'std' should have a number above 0 for each channel "
        "that has one in 'mean'");
      mean = *given;
      deviation = *givenDeviation;
    }
    else
    {
      const Moments moments = GetMoments(channel, isForeground);
      if (moments.count > 0)
      {
        mean = moments.mean;
        deviation = moments.deviation + 1e-5;
      }
    }
    for (float & pixel : channel)
    {
      // A number for each pixel, also for those that need none.
      const double noise = isMasked && m_IsNoisy ? random.numpy.Normal() : 0;
      const bool isReplaced = m_IsNoisy && !isForeground(pixel);
      pixel = static_cast<float>(isReplaced ? noise : (static_cast<double>(pixel) - mean) / deviation);
    }
  }

private:
  Numbers m_Mean;
  Numbers m_Deviation;
  MaybeNumber m_Threshold;
  bool m_IsNoisy;
};

class NormalizeWithMinMax : public ChannelTransform
{
public:
  explicit NormalizeWithMinMax(OptionReader & options)
    : ChannelTransform(options)
    , m_Lower(options.OptionalNumbers("threshold_lower", true))
    , m_Upper(options.OptionalNumbers("threshold_upper", true))
  {
    CheckOrder(options, "threshold_lower", m_Lower, "threshold_upper", m_Upper);
  }

protected:
  void Change(const Channel & channel, TransformRandom &) const override
  {
    Interval interval = GetRange(channel);
    interval.low = this->Get("threshold_lower", m_Lower, channel.place).value_or(interval.low);
    interval.high = this->Get("threshold_upper", m_Upper, channel.place).value_or(interval.high);
    ClipAndMap(channel, interval, { -1, 1 });
  }

private:
  Numbers m_Lower;
  Numbers m_Upper;
};

class NormalizeWithPercentiles : public ChannelTransform
{
public:
  explicit NormalizeWithPercentiles(OptionReader & options)
    : ChannelTransform(options)
    , m_Lower(options.Number("percentile_lower", 0, 100, 0.1))
    , m_Upper(options.Number("percentile_upper", m_Lower, 100, 99.9))
    , m_Least(options.Integer("output_mode", 0, 1, 0) == 0 ? 0 : -1)
  {}

protected:
  void Change(const Channel & channel, TransformRandom &) const override
  {
    const auto values = Percentiles(channel.pixels, channel.count, { m_Lower, m_Upper });
    ClipAndMap(channel, { values[0], values[1] }, { m_Least, 1 });
  }

private:
  double m_Lower;
  double m_Upper;
  double m_Least;
};

class ChannelWiseThreshold : public ChannelTransform
{
public:
  explicit ChannelWiseThreshold(OptionReader & options)
    : ChannelTransform(options)
    , m_Lower(options.OptionalNumbers("threshold_lower", true))
    , m_Upper(options.OptionalNumbers("threshold_upper", true))
    , m_ForLower(options.OptionalNumbers("replace_lower"))
    , m_ForUpper(options.OptionalNumbers("replace_upper"))
  {
    CheckOrder(options, "threshold_lower", m_Lower, "threshold_upper", m_Upper);
  }

protected:
  void Change(const Channel & channel, TransformRandom &) const override
  {
    const MaybeNumber lower = this->Get("threshold_lower", m_Lower, channel.place);
    const MaybeNumber upper = this->Get("threshold_upper", m_Upper, channel.place);
    const double forLower = this->Get("replace_lower", m_ForLower, channel.place).value_or(lower.value_or(0));
    const double forUpper = this->Get("replace_upper", m_ForUpper, channel.place).value_or(upper.value_or(0));
    for (float & pixel : channel)
    {
      const auto value = static_cast<double>(pixel);
      if (lower && value < *lower)
      {
        pixel = static_cast<float>(forLower);
      }
      else if (upper && value > *upper)
      {
        pixel = static_cast<float>(forUpper);
      }
    }
  }

private:
  Numbers m_Lower;
  Numbers m_Upper;
  Numbers m_ForLower;
  Numbers m_ForUpper;
};

class ChannelWiseThresholdWithNormalize : public ChannelTransform
{
public:
  explicit ChannelWiseThresholdWithNormalize(OptionReader & options)
    : ChannelTransform(options)
    , m_Lower(options.OptionalNumbers("threshold_lower", true))
    , m_Upper(options.OptionalNumbers("threshold_upper", true))
    , m_IsStandard(options.Bool("mean_std_mode"))
  {
    CheckOrder(options, "threshold_lower", m_Lower, "threshold_upper", m_Upper);
  }

protected:
  void Change(const Channel & channel, TransformRandom & random) const override
  {
    // These lists go by the number of the channel.
    const auto number = static_cast<std::size_t>(channel.number);
    const MaybeNumber lower = this->Get("threshold_lower", m_Lower, number);
    const MaybeNumber upper = this->Get("threshold_upper", m_Upper, number);
    if (!m_IsStandard)
    {
      const Interval range = GetRange(channel);
      ClipAndMap(channel, { lower.value_or(range.low), upper.value_or(range.high) }, { 0, 1 });
      return;
    }
    const auto isInside = [&](float pixel)
    {
      const auto value = static_cast<double>(pixel);
      return (!lower || value > *lower) && (!upper || value < *upper);
    };
    const Moments moments = GetMoments(channel, isInside);
    const double deviation = moments.deviation > 0 ? moments.deviation : 1;
    for (float & pixel : channel)
    {
      const double noise = random.numpy.Normal();
      pixel = static_cast<float>(isInside(pixel) ? (static_cast<double>(pixel) - moments.mean) / deviation : noise);
    }
  }

private:
  Numbers m_Lower;
  Numbers m_Upper;
  bool m_IsStandard;
};

class IntensityClip : public ChannelTransform
{
public:
  explicit IntensityClip(OptionReader & options)
    : ChannelTransform(options)
    , m_Lower(options.OptionalNumbers("lower"))
    , m_Upper(options.OptionalNumbers("upper"))
    , m_ArePercentiles(options.Bool("percentile_mode", false))
  {
    CheckOrder(options, "lower", m_Lower, "upper", m_Upper);
    for (const Numbers & numbers : { m_Lower, m_Upper })
    {
      for (const MaybeNumber & number : numbers.value_or(std::vector<MaybeNumber>()))
      {
        itkNNRequireMacro(!m_ArePercentiles || !number || (*number >= 0 && *number <= 100),
                          "Transform IntensityClip: the options 'lower' and 'upper' are percentiles; should be from 0 "
                          "to 100");
      }
    }
  }

protected:
  void Change(const Channel & channel, TransformRandom &) const override
  {
    const double low = this->GetLimit(channel, this->Get("lower", m_Lower, channel.place), 0.05);
    const double high = this->GetLimit(channel, this->Get("upper", m_Upper, channel.place), 99.95);
    for (float & pixel : channel)
    {
      pixel = static_cast<float>(std::min(std::max(static_cast<double>(pixel), low), high));
    }
  }

private:
  double GetLimit(const Channel & channel, const MaybeNumber & given, double percentile) const
  {
    if (given && !m_ArePercentiles)
    {
      return *given;
    }
    return Percentiles(channel.pixels, channel.count, { given.value_or(percentile) })[0];
  }

  Numbers m_Lower;
  Numbers m_Upper;
  bool m_ArePercentiles;
};

class GammaCorrection : public ChannelTransform
{
public:
  explicit GammaCorrection(OptionReader & options)
    : ChannelTransform(options)
    , m_Lowest(options.Number("gamma_min", 0, 1000, 0.7))
    , m_Highest(options.Number("gamma_max", m_Lowest, 1000, 1.5))
    , m_Inversion(options.Number("intensity_flip_probability", 0, 1, 0.))
    , m_Probability(options.Number("probability", 0, 1, 0.5))
  {}

protected:
  bool IsDue(TransformRandom & random) const override
  {
    return random.numpy.Random() <= m_Probability;
  }

  void Change(const Channel & channel, TransformRandom & random) const override
  {
    const double gamma = random.python.Uniform(m_Lowest, m_Highest);
    const Interval range = GetRange(channel);
    const double width = range.high - range.low;
    if (width <= 0)
    {
      return;
    }
    const bool isInverted = random.numpy.Random() < m_Inversion;
    for (float & pixel : channel)
    {
      const double part = (static_cast<double>(pixel) - range.low) / width;
      pixel = static_cast<float>(std::pow(isInverted ? 1 - part : part, gamma) * width + range.low);
    }
  }

private:
  double m_Lowest;
  double m_Highest;
  double m_Inversion;
  double m_Probability;
};

class GaussianNoise : public ChannelTransform
{
public:
  explicit GaussianNoise(OptionReader & options)
    : ChannelTransform(options)
    , m_Mean(options.Number("mean", -maximum, maximum, 0.))
    , m_Deviation(options.OptionalNumber("std"))
    , m_Lowest(options.Number("std_min", 0, maximum, 0.02))
    , m_Highest(options.Number("std_max", m_Lowest, maximum, 0.1))
    , m_Probability(options.Number("probability", 0, 1, 0.5))
  {
    itkNNRequireMacro(!m_Deviation || *m_Deviation >= 0,
                      "Transform GaussianNoise: the option 'std' is " << *m_Deviation << "; should not be negative");
  }

protected:
  bool IsDue(TransformRandom & random) const override
  {
    return random.numpy.Random() <= m_Probability;
  }

  void Change(const Channel & channel, TransformRandom & random) const override
  {
    const double deviation = m_Deviation ? *m_Deviation : random.python.Uniform(m_Lowest, m_Highest);
    const Interval range = GetRange(channel);
    for (float & pixel : channel)
    {
      const double value = static_cast<double>(pixel) + random.numpy.Normal(m_Mean, deviation);
      pixel = static_cast<float>(std::min(std::max(value, range.low), range.high));
    }
  }

private:
  static constexpr double maximum = std::numeric_limits<double>::max();

  double m_Mean;
  MaybeNumber m_Deviation;
  double m_Lowest;
  double m_Highest;
  double m_Probability;
};
} // namespace

std::vector<TransformKind>
GetIntensityTransforms()
{
  constexpr auto onDemand = TransformKind::Inverse::OnDemand;
  return { { "NormalizeWithMeanStd", onDemand, MakeTransform<NormalizeWithMeanStd> },
           { "NormalizeWithMinMax", onDemand, MakeTransform<NormalizeWithMinMax> },
           { "NormalizeWithPercentiles", onDemand, MakeTransform<NormalizeWithPercentiles> },
           { "ChannelWiseThreshold", onDemand, MakeTransform<ChannelWiseThreshold> },
           { "ChannelWiseThresholdWithNormalize", onDemand, MakeTransform<ChannelWiseThresholdWithNormalize> },
           { "IntensityClip", onDemand, MakeTransform<IntensityClip> },
           { "GammaCorrection", onDemand, MakeTransform<GammaCorrection> },
           { "GaussianNoise", onDemand, MakeTransform<GaussianNoise> } };
}
} // namespace nn
} // namespace itk
