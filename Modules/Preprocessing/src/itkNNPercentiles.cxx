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
#include "itkNNError.h"
#include "itkNNParallel.h"
#include "itkNNVolumeFusionKernels.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <functional>
#include <map>

namespace itk
{
namespace nn
{
namespace
{
// So many values at once, so that compilers make vector instructions of loops over them.
constexpr std::size_t blockLength = 256;

/** Parts of [0, count) of at least a block, no more than threads. */
std::size_t
CountParts(std::size_t count, unsigned int threads)
{
  const std::size_t most = std::max<std::size_t>(count / blockLength, 1);
  return std::min<std::size_t>(most, threads == 0 ? GetDefaultNumberOfThreads() : threads);
}

/** Call f(part, begin, end) for each part of [0, count). */
template <typename TFunction>
void
ForEachPart(std::size_t count, std::size_t parts, const TFunction & f)
{
  ParallelFor(static_cast<std::int64_t>(parts),
              static_cast<unsigned int>(parts),
              [&](std::int64_t first, std::int64_t last)
              {
                for (auto part = static_cast<std::size_t>(first); part < static_cast<std::size_t>(last); ++part)
                {
                  f(part, count * part / parts, count * (part + 1) / parts);
                }
              });
}

struct Range
{
  float minimum;
  float maximum;
};

Range
FindFiniteRange(const float * values, std::size_t count, unsigned int threads)
{
  itkNNRequireMacro(count > 0, "Percentiles of no values");
  std::vector<Range> ranges(CountParts(count, threads));
  ForEachPart(count,
              ranges.size(),
              [&](std::size_t part, std::size_t begin, std::size_t end)
              { FindRange(values + begin, end - begin, ranges[part].minimum, ranges[part].maximum); });
  Range range = ranges.front();
  for (const Range & part : ranges)
  {
    if (!std::isfinite(part.minimum) || !std::isfinite(part.maximum))
    {
      const float * const bad = std::find_if(values, values + count, [](float value) { return !std::isfinite(value); });
      itkNNRequireMacro(false, "Percentiles: value " << (bad - values) << " is no finite number");
    }
    range.minimum = std::min(range.minimum, part.minimum);
    range.maximum = std::max(range.maximum, part.maximum);
  }
  return range;
}

/** \class Histogram
 * \brief Counts of values in bins of equal width. */
class Histogram
{
public:
  Histogram(const float * values, std::size_t count, const Range & range, unsigned int threads)
    : m_Values(values)
    , m_Count(count)
    , m_Parts(CountParts(count, threads))
    , m_Start(range.minimum / 2)
    // Halves, whose differences are finite.
    , m_Scale(std::min(static_cast<float>(length) / (range.maximum / 2 - m_Start), FLT_MAX))
    , m_Counts(length, 0)
  {
    std::vector<Counts> counts(m_Parts);
    ForEachPart(count,
                m_Parts,
                [&](std::size_t part, std::size_t begin, std::size_t end)
                { counts[part] = this->CountBins(begin, end); });
    for (const Counts & part : counts)
    {
      std::transform(part.begin(), part.end(), m_Counts.begin(), m_Counts.begin(), std::plus<>());
    }
  }

  struct Place
  {
    std::int32_t bin;
    std::size_t rank; ///< within it
  };

  Place Find(std::size_t rank) const
  {
    std::size_t bin = 0;
    while (rank >= m_Counts[bin])
    {
      rank -= m_Counts[bin];
      ++bin;
    }
    return { static_cast<std::int32_t>(bin), rank };
  }

  std::vector<float> GetValues(std::int32_t bin) const
  {
    std::vector<std::vector<float>> found(m_Parts);
    ForEachPart(m_Count,
                m_Parts,
                [&](std::size_t part, std::size_t begin, std::size_t end)
                {
                  for (std::size_t i = begin; i < end; i += blockLength)
                  {
                    this->Collect(bin, i, std::min(i + blockLength, end), found[part]);
                  }
                });
    std::vector<float> all;
    all.reserve(m_Counts[static_cast<std::size_t>(bin)]);
    for (const std::vector<float> & part : found)
    {
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }

private:
  static constexpr std::size_t length = 1024;
  using Counts = std::vector<std::size_t>;

  void FindBlock(std::size_t begin, std::size_t count, std::int32_t * bins) const
  {
    FindBins(m_Values + begin, count, m_Start, m_Scale, static_cast<std::int32_t>(length) - 1, bins);
  }

  Counts CountBins(std::size_t begin, std::size_t end) const
  {
    // Neighbours are often in one bin; in tables of their own none waits for the other.
    constexpr std::size_t tables = 4;
    std::vector<std::uint32_t> partial(tables * length, 0);
    std::uint32_t * const table = partial.data();
    std::int32_t bins[blockLength];
    for (std::size_t i = begin; i < end; i += blockLength)
    {
      const std::size_t n = std::min(blockLength, end - i);
      this->FindBlock(i, n, bins);
      std::size_t k = 0;
      for (; k + tables <= n; k += tables)
      {
        ++table[bins[k]];
        ++table[length + static_cast<std::size_t>(bins[k + 1])];
        ++table[2 * length + static_cast<std::size_t>(bins[k + 2])];
        ++table[3 * length + static_cast<std::size_t>(bins[k + 3])];
      }
      for (; k < n; ++k)
      {
        ++table[bins[k]];
      }
    }
    Counts counts(length, 0);
    for (std::size_t k = 0; k < partial.size(); ++k)
    {
      counts[k % length] += partial[k];
    }
    return counts;
  }

  /** Append the values of a bin. */
  void Collect(std::int32_t bin, std::size_t begin, std::size_t end, std::vector<float> & found) const
  {
    std::int32_t bins[blockLength];
    const std::size_t n = end - begin;
    this->FindBlock(begin, n, bins);
    // Few blocks of smooth images have any; this loop is of vector instructions.
    std::int32_t hits = 0;
    for (std::size_t k = 0; k < n; ++k)
    {
      hits |= static_cast<std::int32_t>(bins[k] == bin);
    }
    for (std::size_t k = 0; k < n && hits != 0; ++k)
    {
      if (bins[k] == bin)
      {
        found.push_back(m_Values[begin + k]);
      }
    }
  }

  const float * m_Values;
  std::size_t m_Count;
  std::size_t m_Parts;
  float m_Start;
  float m_Scale;
  Counts m_Counts;
};

std::vector<double>
FindPercentiles(const float * values,
                std::size_t count,
                const std::vector<double> & percent,
                const Range & range,
                unsigned int threads)
{
  std::map<std::size_t, double> sorted{ { count - 1, range.maximum }, { 0, range.minimum } };
  for (const double p : percent)
  {
    itkNNRequireMacro(p >= 0 && p <= 100, "Percentile " << p << "; should be between 0 and 100");
    const double place = p / 100 * static_cast<double>(count - 1);
    const auto low = static_cast<std::size_t>(place);
    const double part = place - static_cast<double>(low);
    sorted.emplace(low, range.minimum);
    if (part > 0)
    {
      sorted.emplace(low + 1, range.minimum);
    }
  }
  // The order is needed within few of many bins only.
  if (range.minimum < range.maximum && sorted.size() > 2)
  {
    const Histogram histogram(values, count, range, threads);
    std::vector<float> inside;
    std::int32_t last = -1;
    for (auto & [rank, value] : sorted)
    {
      if (rank == 0 || rank == count - 1)
      {
        continue;
      }
      const auto place = histogram.Find(rank);
      if (place.bin != last)
      {
        inside = histogram.GetValues(place.bin);
        last = place.bin;
      }
      const auto nth = inside.begin() + static_cast<std::ptrdiff_t>(place.rank);
      std::nth_element(inside.begin(), nth, inside.end());
      value = *nth;
    }
  }
  std::vector<double> result;
  for (const double p : percent)
  {
    const double place = p / 100 * static_cast<double>(count - 1);
    const auto low = static_cast<std::size_t>(place);
    const double part = place - static_cast<double>(low);
    const double value = sorted.at(low);
    result.push_back(part > 0 ? value + part * (sorted.at(low + 1) - value) : value);
  }
  return result;
}
} // namespace

std::vector<double>
Percentiles(const float * values, std::size_t count, const std::vector<double> & percent, unsigned int threads)
{
  return FindPercentiles(values, count, percent, FindFiniteRange(values, count, threads), threads);
}
} // namespace nn
} // namespace itk
