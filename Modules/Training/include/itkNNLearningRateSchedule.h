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
#ifndef itkNNLearningRateSchedule_h
#define itkNNLearningRateSchedule_h

#include "UniverSegTrainingExport.h"

#include <cstdint>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** \ingroup UniverSegTraining */
enum class ScheduleShape : std::uint8_t
{
  Constant,
  Polynomial, ///< rate * (1 - t)^power
  Cosine,     ///< from rate to minimum along half a period of a cosine
  Steps,      ///< rate * factor^(steps done / interval), rounded down
  Milestones  ///< rate * factor^(number of milestones that are reached)
};

UniverSegTraining_EXPORT const char * ToString(ScheduleShape shape);
/** "constant", "polynomial", "cosine", "steps", "milestones". Throws Error that lists them. */
UniverSegTraining_EXPORT ScheduleShape ParseScheduleShape(const std::string & name);

/** How the learning rate changes: t is the part of the steps behind the warm-up
 * that are done. \ingroup UniverSegTraining */
struct ScheduleOptions
{
  ScheduleShape shape = ScheduleShape::Constant;
  double rate = 1e-4;
  std::int64_t warmup = 0;              ///< steps in which the rate rises in proportion to the step
  double minimum = 0;                   ///< never less than this behind the warm-up
  double power = 0.9;                   ///< of Polynomial
  double factor = 0.5;                  ///< of Steps and Milestones
  std::int64_t interval = 1000;         ///< of Steps
  std::vector<std::int64_t> milestones; ///< of Milestones: steps done behind the warm-up
  /** Steps for which the rate stays as it is behind the warm-up: that of the first of them. */
  std::int64_t hold = 1;
};

/** The learning rate of a step.
 * \param step 0, 1, ... totalSteps - 1
 * Throws Error when an option is out of its range.
 * \ingroup UniverSegTraining */
UniverSegTraining_EXPORT double ComputeLearningRate(const ScheduleOptions & options,
                                                    std::int64_t step,
                                                    std::int64_t totalSteps);
} // namespace nn
} // namespace itk

#endif
