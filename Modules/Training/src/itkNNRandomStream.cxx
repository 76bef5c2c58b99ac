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
#include "itkNNRandomStream.h"

#include "itkNNError.h"

#include <cmath>
#include <numeric>

namespace itk
{
namespace nn
{
namespace
{
std::uint64_t
SplitMix64(std::uint64_t & state)
{
  std::uint64_t z = (state += 0x9E3779B97F4A7C15U);
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31U);
}

std::uint64_t
RotateLeft(std::uint64_t x, unsigned int count)
{
  return (x << count) | (x >> (64U - count));
}
} // namespace

RandomStream::RandomStream(std::uint64_t seed)
  : m_Seed(seed)
{
  std::uint64_t state = seed;
  for (auto & word : m_State)
  {
    word = SplitMix64(state);
  }
}

RandomStream
RandomStream::Derive(std::uint64_t key) const
{
  // Two rounds, so that neighbouring seeds with neighbouring keys do not meet.
  std::uint64_t state = m_Seed;
  state = SplitMix64(state) ^ key;
  return RandomStream(SplitMix64(state));
}

std::uint64_t
RandomStream::Next()
{
  const std::uint64_t result = RotateLeft(m_State[1] * 5, 7) * 9;
  const std::uint64_t t = m_State[1] << 17U;
  m_State[2] ^= m_State[0];
  m_State[3] ^= m_State[1];
  m_State[1] ^= m_State[2];
  m_State[0] ^= m_State[3];
  m_State[2] ^= t;
  m_State[3] = RotateLeft(m_State[3], 45);
  return result;
}

double
RandomStream::Uniform()
{
  return static_cast<double>(this->Next() >> 11U) * 0x1p-53;
}

double
RandomStream::Uniform(double low, double high)
{
  return low + (high - low) * this->Uniform();
}

std::int64_t
RandomStream::Integer(std::int64_t low, std::int64_t high)
{
  itkNNRequireMacro(low < high, "Random integer of [" << low << ", " << high << "): the range is empty");
  const std::uint64_t range = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
  // Of the largest multiple of the range that 64 bits hold.
  const std::uint64_t excess = (UINT64_MAX % range + 1) % range;
  std::uint64_t bits = 0;
  do
  {
    bits = this->Next();
  }
  while (bits > UINT64_MAX - excess);
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + bits % range);
}

std::size_t
RandomStream::Index(std::size_t count)
{
  return static_cast<std::size_t>(this->Integer(0, static_cast<std::int64_t>(count)));
}

std::size_t
RandomStream::Weighted(const std::vector<double> & weights)
{
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  itkNNRequireMacro(total > 0, "The sum of the weights of a random choice should be above 0, is " << total);
  double position = this->Uniform() * total;
  std::size_t chosen = 0;
  for (std::size_t i = 0; i < weights.size(); ++i)
  {
    if (weights[i] > 0 && position >= 0)
    {
      chosen = i;
    }
    position -= weights[i];
  }
  return chosen;
}

bool
RandomStream::Chance(double probability)
{
  return this->Uniform() < probability;
}

double
RandomStream::Normal()
{
  if (m_HasSpare)
  {
    m_HasSpare = false;
    return m_Spare;
  }
  double u = 0;
  double v = 0;
  double square = 0;
  do
  {
    u = this->Uniform(-1, 1);
    v = this->Uniform(-1, 1);
    square = u * u + v * v;
  }
  while (square >= 1 || square == 0);
  const double factor = std::sqrt(-2 * std::log(square) / square);
  m_Spare = v * factor;
  m_HasSpare = true;
  return u * factor;
}

std::vector<std::int64_t>
RandomStream::Choose(std::int64_t total, std::int64_t count)
{
  itkNNRequireMacro(count >= 0 && count <= total, "Cannot choose " << count << " different ones of " << total);
  std::vector<std::int64_t> all(static_cast<std::size_t>(total));
  std::iota(all.begin(), all.end(), std::int64_t{ 0 });
  for (std::int64_t i = 0; i < count; ++i)
  {
    std::swap(all[static_cast<std::size_t>(i)], all[static_cast<std::size_t>(this->Integer(i, total))]);
  }
  all.resize(static_cast<std::size_t>(count));
  return all;
}
} // namespace nn
} // namespace itk
