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
#ifndef universegLabelOptions_h
#define universegLabelOptions_h

#include "universegCommandLine.h"
#include "universegImages.h"

namespace universeg
{
/** The options --label, --label-color and --binary. */
void AddLabelOptions(boost::program_options::options_description & group);

LabelChoice GetLabelChoice(const CommandLine & commandLine);
} // namespace universeg

#endif
