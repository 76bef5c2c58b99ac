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
#ifndef itkNNProgressEstimate_h
#define itkNNProgressEstimate_h

#include "UniverSegTrainingExport.h"

#include <cstdint>
#include <optional>
#include <string>

namespace itk
{
namespace nn
{
/** A duration for people: "45 s", "3 min 05 s", "1 h 02 min", "2 d 03 h".
 * \param seconds of 0 or more; "unknown" otherwise. \ingroup UniverSegTraining */
UniverSegTraining_EXPORT std::string FormatDuration(double seconds);

/** \class ProgressEstimate
 * \brief How long a run of steps still takes, by the pace of the steps that this
 * process has made; those before it was resumed count as done only.
 * \ingroup UniverSegTraining
 */
class UniverSegTraining_EXPORT ProgressEstimate
{
public:
  /** Throws Error unless 0 <= firstStep <= totalSteps.
   * \param firstStep number of steps that were done before. */
  explicit ProgressEstimate(std::int64_t totalSteps, std::int64_t firstStep = 0);

  /** \param steps done in all, at most the total.
   * \param seconds since this process began with the first step. */
  void Update(std::int64_t steps, double seconds);

  /** In [0, 1]; 1 when there are no steps at all. */
  double GetFraction() const;

  /** Nothing before this process has made a step. */
  std::optional<double> GetRemainingSeconds() const;

  /** "step 120 of 1000, 1 h 02 min left". */
  std::string GetText() const;

private:
  std::int64_t m_TotalSteps;
  std::int64_t m_FirstStep;
  std::int64_t m_Steps;
  double m_Seconds = 0;
};
} // namespace nn
} // namespace itk

#endif
