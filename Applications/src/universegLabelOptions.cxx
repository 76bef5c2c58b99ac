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
#include "universegLabelOptions.h"

#include <algorithm>

namespace universeg
{
void
AddLabelOptions(boost::program_options::options_description & group)
{
  group.add_options()("label", Text(), "use this value of the masks only, for example 255")(
    "label-color", Texts(), "colours R,G,B of colour masks; the first becomes label 1 and so on")(
    "binary", "any value of the masks but 0 is label 1, of colour masks any of the colours");
}

LabelChoice
GetLabelChoice(const CommandLine & commandLine)
{
  LabelChoice choice;
  choice.binary = commandLine.Has("binary");
  if (commandLine.Has("label"))
  {
    constexpr std::int64_t largest = 1 << 24;
    choice.label = static_cast<std::int32_t>(commandLine.GetInteger("label", 0, -largest, largest));
    if (*choice.label == 0)
    {
      throw UsageError("--label is 0, the background; should be the value of a structure");
    }
  }
  for (const std::string & text : commandLine.GetTexts("label-color"))
  {
    const std::vector<std::string> parts = Split(text, ',');
    if (parts.size() != 3)
    {
      throw UsageError("--label-color: '" + text + "' should have the form R,G,B");
    }
    Color color{};
    for (std::size_t i = 0; i < 3; ++i)
    {
      const std::int64_t value = ParseInteger(parts[i], "--label-color");
      if (value < 0 || value > 255)
      {
        throw UsageError("--label-color: " + parts[i] + " should be from 0 to 255");
      }
      color[i] = static_cast<int>(value);
    }
    if (std::find(choice.colors.begin(), choice.colors.end(), color) != choice.colors.end())
    {
      throw UsageError("--label-color: " + text + " is given twice");
    }
    choice.colors.push_back(color);
  }
  if (choice.label.has_value() && (choice.binary || !choice.colors.empty()))
  {
    throw UsageError("--label excludes --label-color and --binary");
  }
  return choice;
}
} // namespace universeg
