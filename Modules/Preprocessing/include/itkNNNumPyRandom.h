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
#ifndef itkNNNumPyRandom_h
#define itkNNNumPyRandom_h

#include "UniverSegPreprocessingExport.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace itk
{
namespace nn
{
/** \class NumPyRandom
 * \brief The integers that numpy.random.default_rng(seed) draws: PCG64 (XSL RR
 * 128/64) seeded by a SeedSequence, Lemire's method for bounded integers.
 *
 * Agrees with NumPy 1.17 and later, so that a choice of supports is the same in
 * C++ and in Python.
 * \ingroup UniverSegPreprocessing
 */
class UniverSegPreprocessing_EXPORT NumPyRandom
{
public:
  explicit NumPyRandom(std::uint64_t seed);

  /** `integers(low, high, size=count)`: with replacement, high excluded. Throws
   * Error unless low < high. */
  std::vector<std::int64_t> Integers(std::int64_t low, std::int64_t high, std::size_t count);

  /** `permutation(count)`. */
  std::vector<std::int64_t> Permutation(std::size_t count);

private:
  struct UInt128
  {
    std::uint64_t high;
    std::uint64_t low;
  };

  static UInt128 Multiply(std::uint64_t a, std::uint64_t b);

  void Step();
  std::uint64_t Next64();
  std::uint32_t Next32();
  /** In [0, range], by Lemire's method. */
  std::uint64_t Bounded(std::uint64_t range);
  /** In [0, range], by rejection under a mask, as NumPy shuffles. */
  std::uint64_t Masked(std::uint64_t range);

  UInt128 m_State{ 0, 0 };
  UInt128 m_Increment{ 0, 0 };
  std::uint32_t m_Buffered = 0;
  bool m_HasBuffered = false;
};
} // namespace nn
} // namespace itk

#endif
