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
#ifndef itkNNSimdTestHelpers_h
#define itkNNSimdTestHelpers_h

#include <hwy/highway.h>
#include <hwy/targets.h>

#include <cstdint>
#include <random>
#include <vector>

/** Calls f() once for each instruction set of this machine that the kernels are made for. */
template <typename TFunction>
void
ForEachTarget(TFunction f)
{
  for (const std::int64_t target : { static_cast<std::int64_t>(HWY_AVX3),
                                     static_cast<std::int64_t>(HWY_AVX2),
                                     static_cast<std::int64_t>(HWY_NEON),
                                     static_cast<std::int64_t>(HWY_SCALAR | HWY_EMU128) })
  {
    if (target == (HWY_SCALAR | HWY_EMU128) || (hwy::SupportedTargets() & target) != 0)
    {
      hwy::SetSupportedTargetsForTest(target);
      f();
      hwy::SetSupportedTargetsForTest(0);
    }
  }
}

inline std::vector<float>
RandomFloats(std::int64_t count, unsigned int seed)
{
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> distribution(-1, 1);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float & value : values)
  {
    value = distribution(generator);
  }
  return values;
}

#endif
