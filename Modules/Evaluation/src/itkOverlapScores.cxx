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
#include "itkOverlapScores.h"

#include "itkNNError.h"

#include <algorithm>

namespace itk
{
namespace
{
struct SoftSums
{
  double intersection = 0;
  double cardinality = 0;
};

SoftSums
Accumulate(const float * probability, const float * truth, std::size_t count, bool squared)
{
  SoftSums sums;
  for (std::size_t i = 0; i < count; ++i)
  {
    const double p = probability[i];
    const double t = truth[i];
    sums.intersection += p * t;
    sums.cardinality += squared ? p * p + t * t : p + t;
  }
  return sums;
}

double
Quotient(double numerator, double denominator, const SoftOverlapOptions & options)
{
  return (numerator + options.smooth) / std::max(denominator + options.smooth, options.epsilon);
}
} // namespace

double
DiceCoefficient(std::uint64_t intersection, std::uint64_t a, std::uint64_t b, double emptyValue)
{
  const double total = static_cast<double>(a) + static_cast<double>(b);
  return total == 0 ? emptyValue : 2 * static_cast<double>(intersection) / total;
}

double
JaccardCoefficient(std::uint64_t intersection, std::uint64_t a, std::uint64_t b, double emptyValue)
{
  const double all = static_cast<double>(a) + static_cast<double>(b) - static_cast<double>(intersection);
  return all == 0 ? emptyValue : static_cast<double>(intersection) / all;
}

double
BlockwiseDice(
  std::uint64_t intersection, std::uint64_t a, std::uint64_t b, std::uint64_t elements, std::uint64_t blockSize)
{
  itkNNRequireMacro(elements >= 1 && blockSize >= 1,
                    "Dice in blocks: there are " << elements << " elements in blocks of " << blockSize
                                                 << "; should be 1 or more");
  constexpr double smooth = 1e-5;
  const std::uint64_t blocks = (elements - 1) / blockSize + 1;
  return 2 * static_cast<double>(intersection) /
         (static_cast<double>(a) + static_cast<double>(b) + smooth * static_cast<double>(blocks + 1));
}

SoftOverlapOptions
SoftOverlapOptions::Pylot(bool squaredDenominator)
{
  SoftOverlapOptions options;
  options.squaredDenominator = squaredDenominator;
  options.smooth = 1e-7;
  options.epsilon = 1e-7;
  return options;
}

double
SoftDice(const float * probability, const float * truth, std::size_t count, const SoftOverlapOptions & options)
{
  const SoftSums sums = Accumulate(probability, truth, count, options.squaredDenominator);
  return Quotient(2 * sums.intersection, sums.cardinality, options);
}

double
SoftJaccard(const float * probability, const float * truth, std::size_t count, const SoftOverlapOptions & options)
{
  const SoftSums sums = Accumulate(probability, truth, count, options.squaredDenominator);
  return Quotient(sums.intersection, sums.cardinality - sums.intersection, options);
}
} // namespace itk
