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
#include "itkNNNumPyLegacyRandom.h"

#include <cmath>

namespace itk
{
namespace nn
{
NumPyLegacyRandom::NumPyLegacyRandom(std::uint32_t seed)
  : m_Generator(seed)
{}

double
NumPyLegacyRandom::Random()
{
  const auto high = static_cast<double>(m_Generator() >> 5);
  const auto low = static_cast<double>(m_Generator() >> 6);
  return (high * 67108864 + low) / 9007199254740992;
}

double
NumPyLegacyRandom::Uniform(double low, double high)
{
  return low + (high - low) * this->Random();
}

double
NumPyLegacyRandom::Normal(double mean, double deviation)
{
  if (m_HasOther)
  {
    m_HasOther = false;
    return mean + deviation * m_Other;
  }
  double x = 0;
  double y = 0;
  double square = 0;
  do
  {
    x = 2 * this->Random() - 1;
    y = 2 * this->Random() - 1;
    square = x * x + y * y;
  }
  while (square >= 1 || square == 0);
  const double factor = std::sqrt(-2 * std::log(square) / square);
  m_Other = factor * x;
  m_HasOther = true;
  return mean + deviation * (factor * y);
}
} // namespace nn
} // namespace itk
