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
#include "itkNNLearningRateSchedule.h"

#include "itkNNEnumNames.h"

#include "itkNNError.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace itk
{
namespace nn
{
namespace
{
constexpr const char * shapeNames[] = { "constant",   "polynomial", "cosine",      "steps",
                                        "milestones", "plateau",    "loss_plateau" };
constexpr double pi = 3.14159265358979323846;
} // namespace

const char *
ToString(ScheduleShape shape)
{
  return shapeNames[static_cast<int>(shape)];
}

ScheduleShape
ParseScheduleShape(const std::string & name)
{
  return ParseEnum<ScheduleShape>(shapeNames, name, "schedule");
}

void
AddStepLoss(const ScheduleOptions & options, std::int64_t step, double loss, PlateauState & state)
{
  if (options.shape != ScheduleShape::LossPlateau)
  {
    return;
  }
  state.lossSum += loss;
  if ((step + 1) % options.interval != 0)
  {
    return;
  }
  state.meanLosses.push_back(state.lossSum / static_cast<double>(options.interval));
  state.lossSum = 0;
  const auto window = static_cast<std::size_t>(options.window);
  if (state.meanLosses.size() > window)
  {
    state.meanLosses.erase(state.meanLosses.begin());
  }
  if (state.meanLosses.size() < window)
  {
    return;
  }
  const double mean =
    std::accumulate(state.meanLosses.begin(), state.meanLosses.end(), 0.0) / static_cast<double>(window);
  if (state.lastMean.has_value() && *state.lastMean - mean < options.threshold)
  {
    state.factor *= options.factor;
  }
  state.lastMean = mean;
}

void
AddValidationScore(const ScheduleOptions & options, double score, PlateauState & state)
{
  if (options.shape != ScheduleShape::Plateau)
  {
    return;
  }
  if (!state.bestScore.has_value() || score > *state.bestScore + options.threshold * std::abs(*state.bestScore))
  {
    state.bestScore = score;
    state.validationsSince = 0;
    return;
  }
  ++state.validationsSince;
  if (static_cast<double>(state.validationsSince) > options.patience)
  {
    state.validationsSince = 0;
    const double rate = options.rate * state.factor;
    // PyTorch leaves the rate alone when it would hardly change.
    constexpr double leastChange = 1e-8;
    if (rate - std::max(rate * options.factor, options.minimum) > leastChange)
    {
      state.factor *= options.factor;
    }
  }
}

double
ComputeLearningRate(const ScheduleOptions & options,
                    std::int64_t step,
                    std::int64_t totalSteps,
                    const PlateauState & plateau)
{
  itkNNRequireMacro(std::isfinite(options.rate) && options.rate > 0 && options.minimum >= 0 && options.power >= 0 &&
                      options.factor > 0 && options.factor <= 1 && options.interval >= 1 && options.warmup >= 0 &&
                      options.hold >= 1,
                    "Learning rate " << options.rate << " should be above 0, minimum " << options.minimum << ", power "
                                     << options.power << " and warm-up " << options.warmup << " at least 0, factor "
                                     << options.factor << " in (0, 1] and interval " << options.interval << " and hold "
                                     << options.hold << " at least 1");
  itkNNRequireMacro(options.patience >= 0 && std::isfinite(options.threshold) && options.threshold >= 0 &&
                      options.window >= 1 && options.stopBelow >= 0,
                    "Learning rate: patience " << options.patience << ", threshold " << options.threshold
                                               << " and the rate below which training ends, " << options.stopBelow
                                               << ", should be at least 0, window " << options.window << " at least 1");
  if (options.exponentialWarmup)
  {
    // As the reference writes it: the base is not e.
    constexpr double base = 2.718;
    constexpr double steepness = 10;
    const auto held = static_cast<double>(step - step % options.hold);
    const auto warmup = static_cast<double>(options.warmup);
    if (held <= warmup && options.warmup > 0)
    {
      return options.rate * std::pow(base, steepness * (held / warmup - 1));
    }
    ScheduleOptions behind = options;
    behind.exponentialWarmup = false;
    behind.warmup = 0;
    return ComputeLearningRate(behind, step, totalSteps, plateau);
  }
  if (step < options.warmup)
  {
    return options.rate * static_cast<double>(step + 1) / static_cast<double>(options.warmup);
  }
  const std::int64_t behind = step - options.warmup;
  const auto done = static_cast<double>(behind - behind % options.hold);
  const double part = std::min(done / static_cast<double>(std::max<std::int64_t>(totalSteps - options.warmup, 1)), 1.0);
  double rate = options.rate;
  switch (options.shape)
  {
    case ScheduleShape::Constant:
      break;
    case ScheduleShape::Polynomial:
      rate *= std::pow(1 - part, options.power);
      break;
    case ScheduleShape::Cosine:
      rate = options.minimum + (options.rate - options.minimum) * 0.5 * (1 + std::cos(pi * part));
      break;
    case ScheduleShape::Plateau:
    case ScheduleShape::LossPlateau:
      rate *= plateau.factor;
      break;
    case ScheduleShape::Milestones:
      rate *=
        std::pow(options.factor,
                 std::count_if(options.milestones.begin(),
                               options.milestones.end(),
                               [done](std::int64_t milestone) { return static_cast<double>(milestone) <= done; }));
      break;
    case ScheduleShape::Steps:
      rate *= std::pow(options.factor, std::floor(done / static_cast<double>(options.interval)));
      break;
  }
  return std::max(rate, std::min(options.minimum, options.rate));
}
} // namespace nn
} // namespace itk
