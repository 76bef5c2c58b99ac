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
#include "universegTiming.h"

#include <algorithm>

#ifndef _WIN32
#  include <sys/resource.h>
#endif

namespace universeg
{
nlohmann::ordered_json
Timing::ToJson() const
{
  std::vector<double> sorted = seconds;
  std::sort(sorted.begin(), sorted.end());
  const std::size_t middle = sorted.size() / 2;
  const double median = sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  nlohmann::ordered_json json;
  json["median_seconds"] = median;
  json["min_seconds"] = sorted.front();
  return json;
}

std::int64_t
GetPeakResidentBytes()
{
#ifdef _WIN32
  return 0;
#else
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
#  ifdef __APPLE__
  return usage.ru_maxrss;
#  else
  return static_cast<std::int64_t>(usage.ru_maxrss) * 1024;
#  endif
#endif
}
} // namespace universeg
