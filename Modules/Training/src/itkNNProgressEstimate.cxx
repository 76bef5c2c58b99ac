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
#include "itkNNProgressEstimate.h"

#include "itkNNError.h"

#include <algorithm>
#include <cmath>

namespace itk
{
namespace nn
{
namespace
{
std::string
TwoDigits(std::int64_t value)
{
  return (value < 10 ? "0" : "") + std::to_string(value);
}
} // namespace

std::string
FormatDuration(double seconds)
{
  constexpr double longest = 1e12;
  if (!(seconds >= 0 && seconds <= longest))
  {
    return "unknown";
  }
  const auto total = static_cast<std::int64_t>(std::llround(seconds));
  const std::int64_t minutes = total / 60;
  const std::int64_t hours = minutes / 60;
  if (minutes == 0)
  {
    return std::to_string(total) + " s";
  }
  if (hours == 0)
  {
    return std::to_string(minutes) + " min " + TwoDigits(total % 60) + " s";
  }
  if (hours < 24)
  {
    return std::to_string(hours) + " h " + TwoDigits(minutes % 60) + " min";
  }
  return std::to_string(hours / 24) + " d " + TwoDigits(hours % 24) + " h";
}

ProgressEstimate::ProgressEstimate(std::int64_t totalSteps, std::int64_t firstStep)
  : m_TotalSteps(totalSteps)
  , m_FirstStep(firstStep)
  , m_Steps(firstStep)
{
  itkNNRequireMacro(firstStep >= 0 && firstStep <= totalSteps,
                    "Progress begins at step " << firstStep << " of " << totalSteps
                                               << "; the first should be from 0 to the last");
}

void
ProgressEstimate::Update(std::int64_t steps, double seconds)
{
  m_Steps = std::clamp(steps, m_FirstStep, m_TotalSteps);
  m_Seconds = seconds;
}

double
ProgressEstimate::GetFraction() const
{
  return m_TotalSteps == 0 ? 1 : static_cast<double>(m_Steps) / static_cast<double>(m_TotalSteps);
}

std::optional<double>
ProgressEstimate::GetRemainingSeconds() const
{
  if (m_Steps == m_TotalSteps)
  {
    return 0;
  }
  if (m_Steps == m_FirstStep || !(m_Seconds >= 0))
  {
    return std::nullopt;
  }
  return m_Seconds / static_cast<double>(m_Steps - m_FirstStep) * static_cast<double>(m_TotalSteps - m_Steps);
}

std::string
ProgressEstimate::GetText() const
{
  const std::optional<double> remaining = this->GetRemainingSeconds();
  return "step " + std::to_string(m_Steps) + " of " + std::to_string(m_TotalSteps) +
         (remaining ? ", " + FormatDuration(*remaining) + " left" : "");
}
} // namespace nn
} // namespace itk
