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
#ifndef itkNNNumPyLegacyRandom_h
#define itkNNNumPyLegacyRandom_h

#include "UniverSegPreprocessingExport.h"

#include <cstdint>
#include <random>

namespace itk
{
namespace nn
{
/** \class NumPyLegacyRandom
 * \brief The numbers that the functions of `numpy.random` draw behind
 * `numpy.random.seed(seed)`: those of RandomState, on the Mersenne Twister of 32 bits.
 *
 * NumPy keeps this stream as it is. For `numpy.random.default_rng` see NumPyRandom.
 * \ingroup UniverSegPreprocessing
 */
class UniverSegPreprocessing_EXPORT NumPyLegacyRandom
{
public:
  explicit NumPyLegacyRandom(std::uint32_t seed);

  /** `random()`: in [0, 1), 53 bits. */
  double Random();

  /** `uniform(low, high)`. */
  double Uniform(double low, double high);

  /** `normal(mean, deviation)`, by the polar method: every second number is the other half
   * of a pair that was drawn before. */
  double Normal(double mean = 0, double deviation = 1);

private:
  std::mt19937 m_Generator;
  double m_Other = 0;
  bool m_HasOther = false;
};
} // namespace nn
} // namespace itk

#endif
