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
#include "itkNNError.h"
#include "itkNNVolumeFusionKernels.h"

#include <algorithm>
#include <cmath>

namespace itk
{
namespace nn
{
VolumeFusionTone::Pair
VolumeFusionTone::Draw(
  PythonRandom & random, const float * first, const float * second, std::size_t count, unsigned int threads)
{
  Pair tones;
  for (std::size_t i = 0; i < 2; ++i)
  {
    const float * patch = i == 0 ? first : second;
    VolumeFusionTone & tone = tones[i];
    const double lower = random.Uniform(0.1, 2.0);
    const double upper = random.Uniform(98, 99.9);
    const auto intensities = Percentiles(patch, count, { 0, lower, upper, 100 }, threads);
    tone.minimum = intensities[0];
    tone.lower = intensities[1];
    tone.upper = intensities[2];
    tone.maximum = intensities[3];
    if (tone.minimum < tone.maximum)
    {
      tone.gamma = 0.7 + 0.8 * random.Random();
    }
  }
  tones[0].inverted = tones[1].inverted = random.Random() < 0.25;
  return tones;
}

void
VolumeFusionTone::Apply(float * pixels, std::size_t count) const
{
  itkNNRequireMacro(gamma > 0 && std::isfinite(gamma), "Volume fusion: gamma is " << gamma << "; should be above 0");
  if (minimum < maximum)
  {
    ApplyTone(*this, pixels, count);
  }
  else
  {
    std::fill_n(pixels, count, inverted ? 1.F : 0.F);
  }
}
} // namespace nn
} // namespace itk
