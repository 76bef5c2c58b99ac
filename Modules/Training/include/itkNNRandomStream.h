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
#ifndef itkNNRandomStream_h
#define itkNNRandomStream_h

#include "UniverSegTrainingExport.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace itk
{
namespace nn
{
/** \defgroup UniverSegTraining Training
 * Losses, optimisers, schedules, tasks, augmentation and checkpoints. */

/** \class RandomStream
 * \brief Random numbers that are the same on every machine: xoshiro256** (Blackman
 * and Vigna, 2018), seeded by SplitMix64.
 *
 * A stream's children are streams of their own that depend on its seed and on a
 * key alone, not on what was drawn. What is made for position k of a training run
 * draws from Derive(k): no state has to be kept to go on at any position, and
 * threads may make what they like first.
 * \ingroup UniverSegTraining
 */
class UniverSegTraining_EXPORT RandomStream
{
public:
  explicit RandomStream(std::uint64_t seed);

  /** The child of this stream's seed and the key. */
  RandomStream Derive(std::uint64_t key) const;

  std::uint64_t GetSeed() const
  {
    return m_Seed;
  }

  /** 64 random bits. */
  std::uint64_t Next();

  /** In [0, 1), 53 bits. */
  double Uniform();

  /** In [low, high); low when both are equal. */
  double Uniform(double low, double high);

  /** In [low, high), every integer equally often. Throws Error unless low < high. */
  std::int64_t Integer(std::int64_t low, std::int64_t high);

  /** In [0, count). Throws Error unless count is above 0. */
  std::size_t Index(std::size_t count);

  /** The index of one of the weights, each as often as its share of their sum.
   * They should be at least 0; throws Error unless the sum is above 0. */
  std::size_t Weighted(const std::vector<double> & weights);

  /** True with this probability. */
  bool Chance(double probability);

  /** Normal distribution of mean 0 and standard deviation 1 (Marsaglia's polar method). */
  double Normal();

  /** `count` different numbers of [0, total), in random order. Throws Error when
   * there are not so many. */
  std::vector<std::int64_t> Choose(std::int64_t total, std::int64_t count);

private:
  std::uint64_t m_Seed;
  std::uint64_t m_State[4];
  double m_Spare = 0;
  bool m_HasSpare = false;
};
} // namespace nn
} // namespace itk

#endif
