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
#include <optional>
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
  Milestones, ///< rate * factor^(number of milestones that are reached)
  Plateau,    ///< rate * factor^(how often the validations' score did not rise), of PyTorch's ReduceLROnPlateau
  LossPlateau ///< rate * factor^(how often the loss did not fall), of 3D U2-Net
};

UniverSegTraining_EXPORT const char * ToString(ScheduleShape shape);
/** "constant", "polynomial", "cosine", "steps", "milestones", "plateau", "loss_plateau". Throws Error that lists them. */
UniverSegTraining_EXPORT ScheduleShape ParseScheduleShape(const std::string & name);

/** How the learning rate changes: t is the part of the steps behind the warm-up
 * that are done. \ingroup UniverSegTraining */
struct ScheduleOptions
{
  ScheduleShape shape = ScheduleShape::Constant;
  double rate = 1e-4;
  std::int64_t warmup = 0; ///< steps in which the rate rises
  /** The rate rises as rate * 2.718^(10 (s / warmup - 1)) of steps done s, held as below, is
   * `rate` at its end, and t is the part of all steps that are done, as in Hermes; else it rises
   * in proportion to the step. */
  bool exponentialWarmup = false;
  double minimum = 0;                   ///< never less than this behind the warm-up
  double power = 0.9;                   ///< of Polynomial
  double factor = 0.5;                  ///< of Steps, Milestones and the plateaus
  std::int64_t interval = 1000;         ///< of Steps; of LossPlateau: steps whose mean loss is looked at
  std::vector<std::int64_t> milestones; ///< of Milestones: steps done behind the warm-up
  /** Steps for which the rate stays as it is behind the warm-up: that of the first of them. */
  std::int64_t hold = 1;
  /** Of Plateau: so many validations without a better score are put up with. */
  double patience = 10;
  /** Of Plateau: the part of the best score by which a better one is above it; of LossPlateau: by
   * how much the loss falls at least. */
  double threshold = 1e-4;
  std::int64_t window = 20; ///< of LossPlateau: intervals over which the loss is averaged
  /** Of LossPlateau: training ends with the first interval that began with a smaller rate; 0: it
   * does not. */
  double stopBelow = 0;
};

/** What Plateau and LossPlateau have seen so far. \ingroup UniverSegTraining */
struct PlateauState
{
  double factor = 1; ///< of the rate
  std::optional<double> bestScore;
  std::int64_t validationsSince = 0; ///< the best one or the last change of the rate
  double lossSum = 0;                ///< of the steps of the interval that is not over
  std::vector<double> meanLosses;    ///< of the last intervals
  std::optional<double> lastMean;    ///< of the window before
};

/** For LossPlateau, when a step is done: 0, 1, ... Others do nothing. \ingroup UniverSegTraining */
UniverSegTraining_EXPORT void AddStepLoss(const ScheduleOptions & options,
                                          std::int64_t step,
                                          double loss,
                                          PlateauState & state);

/** For Plateau, when a validation is done: more is better. Others do nothing.
 * \ingroup UniverSegTraining */
UniverSegTraining_EXPORT void AddValidationScore(const ScheduleOptions & options, double score, PlateauState & state);

/** The learning rate of a step.
 * \param step 0, 1, ... totalSteps - 1
 * \param plateau of Plateau and LossPlateau
 * Throws Error when an option is out of its range.
 * \ingroup UniverSegTraining */
UniverSegTraining_EXPORT double ComputeLearningRate(const ScheduleOptions & options,
                                                    std::int64_t step,
                                                    std::int64_t totalSteps,
                                                    const PlateauState & plateau = {});
} // namespace nn
} // namespace itk

#endif
