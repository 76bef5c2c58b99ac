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
#ifndef universegVolumes_h
#define universegVolumes_h

#include "universegImages.h"

#include "itkNNTensor.h"

#include "itkU2NetPreprocessing.h"

#include <string>

namespace universeg
{
/** Pixels [D, H, W], Int32, as an image of the geometry of another. */
LabelVolume::Pointer ToLabelVolume(const itk::nn::Tensor & labels, const Volume & geometry);

/** Pixels [D, H, W], Float32. */
Volume::Pointer ToVolume(const itk::nn::Tensor & values, const Volume & geometry);

/** Keep the largest component of connected foreground pixels, whatever their labels; with
 * `isPerLabel` the largest of each label. Pixels are connected by their faces; of equally large
 * components the first is kept. Others become 0. */
void KeepLargestComponent(LabelVolume & labels, bool isPerLabel);
/** The components of an image as the modalities of a case. */
itk::nn::RawCase ToRawCase(const LoadedImage & image);
} // namespace universeg

#endif
