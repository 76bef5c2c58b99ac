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
#include "itkNNNumPyRandom.h"

#include "itkNNError.h"

#include <array>
#include <limits>
#include <numeric>
#include <utility>

namespace itk
{
namespace nn
{
namespace
{
constexpr std::size_t poolSize = 4;

/** The hash of NumPy's SeedSequence; each use changes the constant. */
class Hash
{
public:
  Hash(std::uint32_t constant, std::uint32_t multiplier)
    : m_Constant(constant)
    , m_Multiplier(multiplier)
  {}

  std::uint32_t operator()(std::uint32_t value)
  {
    value ^= m_Constant;
    m_Constant *= m_Multiplier;
    value *= m_Constant;
    return value ^ (value >> 16);
  }

private:
  std::uint32_t m_Constant;
  std::uint32_t m_Multiplier;
};

std::uint32_t
Mix(std::uint32_t x, std::uint32_t y)
{
  const std::uint32_t result = 0xca01f9ddU * x - 0x4973f715U * y;
  return result ^ (result >> 16);
}

/** SeedSequence(seed).generate_state(4, uint64) */
std::array<std::uint64_t, 4>
GenerateState(std::uint64_t seed)
{
  std::array<std::uint32_t, poolSize> pool{ static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32) };
  Hash inHash(0x43b0d7e5U, 0x931e8875U);
  for (std::uint32_t & word : pool)
  {
    word = inHash(word);
  }
  for (std::size_t source = 0; source < poolSize; ++source)
  {
    for (std::size_t target = 0; target < poolSize; ++target)
    {
      if (source != target)
      {
        pool[target] = Mix(pool[target], inHash(pool[source]));
      }
    }
  }
  Hash outHash(0x8b51f9ddU, 0x58f38dedU);
  std::array<std::uint64_t, 4> state;
  for (std::size_t i = 0; i < state.size(); ++i)
  {
    const std::uint64_t low = outHash(pool[(2 * i) % poolSize]);
    const std::uint64_t high = outHash(pool[(2 * i + 1) % poolSize]);
    state[i] = low | (high << 32);
  }
  return state;
}
} // namespace

NumPyRandom::NumPyRandom(std::uint64_t seed)
{
  const std::array<std::uint64_t, 4> state = GenerateState(seed);
  m_Increment = { (state[2] << 1) | (state[3] >> 63), (state[3] << 1) | 1 };
  this->Step();
  const std::uint64_t low = m_State.low + state[1];
  m_State = { m_State.high + state[0] + (low < m_State.low ? 1 : 0), low };
  this->Step();
}

NumPyRandom::UInt128
NumPyRandom::Multiply(std::uint64_t a, std::uint64_t b)
{
  constexpr std::uint64_t mask = 0xffffffffU;
  const std::uint64_t lowLow = (a & mask) * (b & mask);
  const std::uint64_t highLow = (a >> 32) * (b & mask);
  const std::uint64_t lowHigh = (a & mask) * (b >> 32);
  const std::uint64_t middle = (lowLow >> 32) + (highLow & mask) + (lowHigh & mask);
  return { (a >> 32) * (b >> 32) + (highLow >> 32) + (lowHigh >> 32) + (middle >> 32),
           (lowLow & mask) | (middle << 32) };
}

void
NumPyRandom::Step()
{
  constexpr std::uint64_t multiplierHigh = 2549297995355413924ULL;
  constexpr std::uint64_t multiplierLow = 4865540595714422341ULL;
  UInt128 product = Multiply(m_State.low, multiplierLow);
  product.high += m_State.high * multiplierLow + m_State.low * multiplierHigh;
  const std::uint64_t low = product.low + m_Increment.low;
  m_State = { product.high + m_Increment.high + (low < product.low ? 1 : 0), low };
}

std::uint64_t
NumPyRandom::Next64()
{
  this->Step();
  const std::uint64_t value = m_State.high ^ m_State.low;
  const std::uint64_t rotation = m_State.high >> 58;
  return (value >> rotation) | (value << ((64 - rotation) & 63));
}

std::uint32_t
NumPyRandom::Next32()
{
  if (m_HasBuffered)
  {
    m_HasBuffered = false;
    return m_Buffered;
  }
  const std::uint64_t value = this->Next64();
  m_Buffered = static_cast<std::uint32_t>(value >> 32);
  m_HasBuffered = true;
  return static_cast<std::uint32_t>(value);
}

std::uint64_t
NumPyRandom::Bounded(std::uint64_t range)
{
  constexpr std::uint64_t max32 = std::numeric_limits<std::uint32_t>::max();
  if (range == 0)
  {
    return 0;
  }
  if (range == max32)
  {
    return this->Next32();
  }
  if (range < max32)
  {
    const auto bound = static_cast<std::uint32_t>(range + 1);
    const std::uint32_t threshold = static_cast<std::uint32_t>(max32 - range) % bound;
    std::uint64_t product = static_cast<std::uint64_t>(this->Next32()) * bound;
    while (static_cast<std::uint32_t>(product) < threshold)
    {
      product = static_cast<std::uint64_t>(this->Next32()) * bound;
    }
    return product >> 32;
  }
  if (range == std::numeric_limits<std::uint64_t>::max())
  {
    return this->Next64();
  }
  const std::uint64_t bound = range + 1;
  const std::uint64_t threshold = (std::numeric_limits<std::uint64_t>::max() - range) % bound;
  UInt128 product = Multiply(this->Next64(), bound);
  while (product.low < threshold)
  {
    product = Multiply(this->Next64(), bound);
  }
  return product.high;
}

std::uint64_t
NumPyRandom::Masked(std::uint64_t range)
{
  std::uint64_t mask = range;
  for (const int shift : { 1, 2, 4, 8, 16, 32 })
  {
    mask |= mask >> shift;
  }
  const bool narrow = range <= std::numeric_limits<std::uint32_t>::max();
  std::uint64_t value = 0;
  do
  {
    value = (narrow ? this->Next32() : this->Next64()) & mask;
  }
  while (value > range);
  return value;
}

std::vector<std::int64_t>
NumPyRandom::Integers(std::int64_t low, std::int64_t high, std::size_t count)
{
  itkNNRequireMacro(low < high, "Random integers from [" << low << ", " << high << "): the range is empty");
  const std::uint64_t range = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low) - 1;
  std::vector<std::int64_t> values(count);
  for (std::int64_t & value : values)
  {
    value = static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + this->Bounded(range));
  }
  return values;
}

std::vector<std::int64_t>
NumPyRandom::Permutation(std::size_t count)
{
  std::vector<std::int64_t> values(count);
  std::iota(values.begin(), values.end(), 0);
  for (std::size_t i = count; i > 1; --i)
  {
    std::swap(values[i - 1], values[static_cast<std::size_t>(this->Masked(i - 1))]);
  }
  return values;
}
} // namespace nn
} // namespace itk
