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
#ifndef itkNNTransformJson_h
#define itkNNTransformJson_h

#include "itkNNTransformOptions.h"

#include <nlohmann/json.hpp>

#include <string>

namespace itk
{
namespace nn
{
using TransformJson = nlohmann::ordered_json;

TransformJson OptionToJson(const TransformOption & option);

/** Throws Error that begins with what when the JSON is an object or nested too deep. */
TransformOption OptionFromJson(const TransformJson & json, const std::string & what);

/** Text of JSON. Throws Error for text that is not UTF-8. */
std::string DumpTransformJson(const TransformJson & json);
} // namespace nn
} // namespace itk

#endif
