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
#include "itkNNPythonRandom.h"

#include "itkNNError.h"

#include <algorithm>
#include <array>

namespace itk
{
namespace nn
{
namespace
{
/** Lets std::mt19937 take a state as it is: its constructor reads the words of a
 * seed sequence into its state one by one. */
class StateSequence
{
public:
  using result_type = std::uint_least32_t;

  explicit StateSequence(const std::vector<std::uint32_t> & key)
  {
    // init_genrand() and init_by_array() of Matsumoto and Nishimura's mt19937ar.
    m_State[0] = 19650218U;
    for (std::size_t i = 1; i < length; ++i)
    {
      m_State[i] = 1812433253U * this->Mix(i) + static_cast<std::uint32_t>(i);
    }
    std::size_t i = 1;
    std::size_t j = 0;
    const auto advance = [&]
    {
      if (++i >= length)
      {
        m_State[0] = m_State[length - 1];
        i = 1;
      }
    };
    for (std::size_t k = std::max(length, key.size()); k > 0; --k)
    {
      m_State[i] = (m_State[i] ^ (this->Mix(i) * 1664525U)) + key[j] + static_cast<std::uint32_t>(j);
      advance();
      j = (j + 1) % key.size();
    }
    for (std::size_t k = length - 1; k > 0; --k)
    {
      m_State[i] = (m_State[i] ^ (this->Mix(i) * 1566083941U)) - static_cast<std::uint32_t>(i);
      advance();
    }
    m_State[0] = 0x80000000U;
  }

  template <typename TIterator>
  void generate(TIterator first, TIterator last) const
  {
    for (std::size_t i = 0; first != last; ++first, ++i)
    {
      *first = m_State[i];
    }
  }

private:
  static constexpr std::size_t length = std::mt19937::state_size;

  std::uint32_t Mix(std::size_t i) const
  {
    return m_State[i - 1] ^ (m_State[i - 1] >> 30);
  }

  std::array<std::uint32_t, length> m_State{};
};

std::mt19937
MakeGenerator(std::int64_t seed)
{
  const std::uint64_t size = seed < 0 ? -static_cast<std::uint64_t>(seed) : static_cast<std::uint64_t>(seed);
  std::vector<std::uint32_t> key{ static_cast<std::uint32_t>(size) };
  if (size >> 32 != 0)
  {
    key.push_back(static_cast<std::uint32_t>(size >> 32));
  }
  StateSequence sequence(key);
  return std::mt19937(sequence);
}
} // namespace

PythonRandom::PythonRandom(std::int64_t seed)
  : m_Generator(MakeGenerator(seed))
{}

double
PythonRandom::Random()
{
  const auto high = static_cast<double>(m_Generator() >> 5);
  const auto low = static_cast<double>(m_Generator() >> 6);
  return (high * 67108864.0 + low) / 9007199254740992.0;
}

double
PythonRandom::Uniform(double low, double high)
{
  return low + (high - low) * this->Random();
}

std::uint64_t
PythonRandom::Bits(unsigned int count)
{
  itkNNRequireMacro(count >= 1 && count <= 64, "Random bits: " << count << " are asked for; should be from 1 to 64");
  if (count <= 32)
  {
    return m_Generator() >> (32 - count);
  }
  const std::uint64_t low = m_Generator();
  return low | (static_cast<std::uint64_t>(m_Generator() >> (64 - count)) << 32);
}

std::uint64_t
PythonRandom::Below(std::uint64_t range)
{
  unsigned int bits = 1;
  while (bits < 64 && (range >> bits) != 0)
  {
    ++bits;
  }
  std::uint64_t drawn = this->Bits(bits);
  while (drawn >= range)
  {
    drawn = this->Bits(bits);
  }
  return drawn;
}

std::int64_t
PythonRandom::Integer(std::int64_t low, std::int64_t high)
{
  itkNNRequireMacro(low <= high && static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low) < UINT64_MAX,
                    "A random integer should be of [" << low << ", " << high << "], which holds none or all");
  const std::uint64_t range = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low) + 1;
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + this->Below(range));
}
} // namespace nn
} // namespace itk
