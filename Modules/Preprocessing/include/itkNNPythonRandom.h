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
#ifndef itkNNPythonRandom_h
#define itkNNPythonRandom_h

#include "UniverSegPreprocessingExport.h"

#include <cstddef>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace itk
{
namespace nn
{
/** \class PythonRandom
 * \brief The numbers that Python's `random` module draws behind `random.seed(seed)`:
 * the Mersenne Twister of 32 bits.
 *
 * Agrees with CPython 3.2 and later, so that a seed gives the same volumes, crops and
 * flips as PyMIC does.
 * \ingroup UniverSegPreprocessing
 */
class UniverSegPreprocessing_EXPORT PythonRandom
{
public:
  /** \param seed its absolute value counts, as in Python. */
  explicit PythonRandom(std::int64_t seed);

  /** `random()`: in [0, 1), 53 bits. */
  double Random();

  /** `uniform(low, high)`. */
  double Uniform(double low, double high);

  /** `getrandbits(count)`. Throws Error unless count is within [1, 64]. */
  std::uint64_t Bits(unsigned int count);

  /** `randint(low, high)`: both included. Throws Error when high is below low. */
  std::int64_t Integer(std::int64_t low, std::int64_t high);

  /** `shuffle` of any list with this generator. */
  template <typename T>
  void Shuffle(std::vector<T> & values)
  {
    for (std::size_t i = values.size(); i > 1; --i)
    {
      std::swap(values[i - 1], values[static_cast<std::size_t>(this->Below(i))]);
    }
  }

private:
  /** In [0, range), by rejection. */
  std::uint64_t Below(std::uint64_t range);

  std::mt19937 m_Generator;
};
} // namespace nn
} // namespace itk

#endif
