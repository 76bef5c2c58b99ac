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
#ifndef universegDemoImages_h
#define universegDemoImages_h

#include "universegImages.h"

#include <cstdint>
#include <vector>

namespace universeg
{
/** An image with the truth about it. */
struct DemoCase
{
  Volume::Pointer image;       ///< whole numbers from 0 to 255
  LabelVolume::Pointer labels; ///< 255 in the nucleus
};

/** A picture as a light microscope gives of a stained blood smear, made from
 * nothing but a seed.
 *
 * A plasma background with slow variations; red cells with pale centres; one
 * white cell of irregular outline with granular cytoplasm and a dark nucleus of
 * one to three lobes with chromatin texture; uneven illumination; the blur of
 * the optics; noise of the camera. Shape, place, brightness and texture differ
 * from seed to seed. The truth is the nucleus before blur and noise.
 * \param extent width and height in pixels. */
DemoCase MakeDemoCase(std::uint64_t seed, std::size_t extent);
} // namespace universeg

#endif
