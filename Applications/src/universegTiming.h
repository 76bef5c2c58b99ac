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
#ifndef universegTiming_h
#define universegTiming_h

#include <nlohmann/json.hpp>

#include <cstdint>
#include <vector>

namespace universeg
{
/** Seconds of repeated runs. */
struct Timing
{
  std::vector<double> seconds;

  /** {"median_seconds": x, "min_seconds": x} */
  nlohmann::ordered_json ToJson() const;
};

/** The most memory that the process has had; 0 where that is not known. */
std::int64_t GetPeakResidentBytes();
} // namespace universeg

#endif
