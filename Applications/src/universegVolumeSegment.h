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
#ifndef universegVolumeSegment_h
#define universegVolumeSegment_h

#include "universegSubcommands.h"

namespace universeg
{
/** Whether arguments of `segment` are for a network that needs no supports: they name a model or
 * a file of PyMIC, and no supports. */
bool IsVolumeSegment(const Arguments & arguments);

/** `segment` for such networks. */
int RunVolumeSegment(const Arguments & arguments);
} // namespace universeg

#endif
