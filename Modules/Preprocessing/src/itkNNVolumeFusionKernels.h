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
#ifndef itkNNVolumeFusionKernels_h
#define itkNNVolumeFusionKernels_h

#include "itkNNVolumeFusion.h"

namespace itk
{
namespace nn
{
// Loops of Volume Fusion on pointers, for the instruction set of the machine they run on.

/** The weighted sum of four rows. */
void BlendRows(const float * const * rows, const double * weights, std::size_t count, double * blend);

/** Pixels between the one at `low` and the next, of which they have `part`. */
void InterpolateRow(
  const double * row, const std::int32_t * low, const double * part, std::size_t count, float * output);

/** The least and the greatest value; where any is not finite, one of the two is not. */
void FindRange(const float * values, std::size_t count, float & minimum, float & maximum);

/** bins = min((values / 2 - start) * scale, last), without a fraction. */
void FindBins(
  const float * values, std::size_t count, float start, float scale, std::int32_t last, std::int32_t * bins);

/** VolumeFusionTone::Apply() for a patch of several intensities. */
void ApplyTone(const VolumeFusionTone & tone, float * pixels, std::size_t count);

/** share * foreground + (1 - share) * background */
void FuseRow(const float * foreground, const float * background, double share, std::size_t count, float * fused);
} // namespace nn
} // namespace itk

#endif
