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
#ifndef itkIntensityNormalization_h
#define itkIntensityNormalization_h

#include "UniverSegFilteringExport.h"

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <vector>

namespace itk
{
/** \class IntensityNormalizationEnums
 * \brief Enumerations of IntensityNormalization.
 * \ingroup UniverSegFiltering
 */
class IntensityNormalizationEnums
{
public:
  /** \class Normalization
   * How intensities are brought to [0, 1].
   * \ingroup UniverSegFiltering */
  enum class Normalization : std::uint8_t
  {
    MinMaxOfSlice,  ///< minimum and maximum of each slice on the model's grid
    MinMaxOfVolume, ///< minimum and maximum of the whole image
    Percentile,     ///< two percentiles of the whole image, clipped
    Window,         ///< a given range of intensities, clipped
    None            ///< as they are; they should be in [0, 1]
  };
};

UniverSegFiltering_EXPORT std::ostream & operator<<(std::ostream & out,
                                                    IntensityNormalizationEnums::Normalization value);

/** \class IntensityStatistics
 * \brief Range and percentiles of the intensities of an image.
 * \ingroup UniverSegFiltering
 */
class UniverSegFiltering_EXPORT IntensityStatistics
{
public:
  /** Throws nn::Error when there is no value.
   * \param percentiles whether GetPercentile() will be asked for. */
  IntensityStatistics(const float * values, std::size_t count, bool percentiles = true);

  double GetMinimum() const
  {
    return m_Minimum;
  }
  double GetMaximum() const
  {
    return m_Maximum;
  }

  /** With linear interpolation between the sorted values, as numpy.percentile.
   * Of more than 2^20 values, evenly spaced ones are looked at; of those more
   * than 10001 are summarised in steps of 0.01 percent.
   * \param percent in [0, 100]. */
  double GetPercentile(double percent) const;

private:
  float m_Minimum;
  float m_Maximum;
  std::vector<float> m_Quantiles; ///< at equal steps from 0 to 100 percent
};

/** \class IntensityNormalization
 * \brief How an image is made into the network's input.
 *
 * Let [a, b] be the range that the method defines; an intensity x becomes
 * (x - a) / (b - a), with Percentile and Window clipped to [0, 1]. An image with
 * a == b becomes all 0.
 * \ingroup UniverSegFiltering
 */
struct UniverSegFiltering_EXPORT IntensityNormalization
{
  using NormalizationEnum = IntensityNormalizationEnums::Normalization;

  NormalizationEnum method = NormalizationEnum::MinMaxOfSlice;
  double lowerPercentile = 0.5;
  double upperPercentile = 99.5;
  double windowMinimum = 0;
  double windowMaximum = 255;

  /** Throws nn::Error when the percentiles or the window are no range. */
  void Check() const;

  /** The statistics of the whole image are needed. */
  bool NeedsStatistics() const
  {
    return method == NormalizationEnum::MinMaxOfVolume || method == NormalizationEnum::Percentile;
  }

  /** Normalise a row-major slice and resample it to a grid with
   * nn::ResizeLinear(). MinMaxOfSlice takes its range after resampling, so that
   * the network sees all of [0, 1]; the others normalise before.
   * \param statistics of the whole image; may be null unless NeedsStatistics().
   * \param output gridHeight * gridWidth values. */
  void Apply(const float * slice,
             std::size_t height,
             std::size_t width,
             const IntensityStatistics * statistics,
             float * output,
             std::size_t gridHeight,
             std::size_t gridWidth) const;

  bool operator==(const IntensityNormalization & other) const;
};
} // namespace itk

#endif
