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
#include "itkNNJson.h"

namespace itk
{
namespace nn
{
std::string
BriefReason(const std::exception & error)
{
  // The message quotes the input, which may be long.
  constexpr std::size_t longest = 200;
  const std::string reason = error.what();
  return reason.size() > longest ? reason.substr(0, longest) + "..." : reason;
}

Json
ParseJson(const std::string & text, const std::string & what)
{
  constexpr int deepest = 64;
  try
  {
    return Json::parse(text,
                       [&what](int depth, Json::parse_event_t, Json &)
                       {
                         itkNNRequireMacro(depth <= deepest,
                                           what << " is JSON nested deeper than " << deepest << " levels");
                         return true;
                       });
  }
  catch (const nlohmann::json::exception & error)
  {
    itkNNThrowMacro(what << " is not valid JSON: " << BriefReason(error));
  }
}

std::string
DumpJson(const Json & json, int indent)
{
  try
  {
    return json.dump(indent);
  }
  catch (const nlohmann::json::exception & error)
  {
    itkNNThrowMacro("Text cannot be written as JSON: " << BriefReason(error));
  }
}

std::string
DumpJsonLossy(const Json & json, int indent)
{
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}
} // namespace nn
} // namespace itk
