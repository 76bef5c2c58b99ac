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
#include "itkNNText.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <regex>

namespace itk
{
namespace nn
{
std::string
ToLower(std::string text)
{
  std::transform(text.begin(),
                 text.end(),
                 text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

std::string
FormatFixed(double value, int decimals)
{
  if (std::isnan(value))
  {
    return "nan";
  }
  char buffer[512];
  const auto result = std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::fixed, decimals);
  return std::string(buffer, result.ptr);
}

std::string
ToOneLine(const std::string & message)
{
  std::string line;
  for (const char c : message)
  {
    const bool blank = static_cast<unsigned char>(c) <= ' ' || c == '\x7f';
    if (!blank)
    {
      line += c;
    }
    else if (!line.empty() && line.back() != ' ')
    {
      line += ' ';
    }
  }
  line.erase(line.find_last_not_of(' ') + 1);
  static const std::regex prefix("((itk::|ITK )?ERROR: )?[A-Za-z0-9_:]+\\(0x[0-9a-f]+\\): ");
  return std::regex_replace(line, prefix, "", std::regex_constants::format_first_only);
}
} // namespace nn
} // namespace itk
