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
#ifndef itkOverlapScores_h
#define itkOverlapScores_h

#include "UniverSegEvaluationExport.h"

#include <cstddef>
#include <cstdint>
#include <limits>

namespace itk
{
/** Dice and Jaccard coefficients of two sets from their element counts.
 *
 * Dice is 2 |A n B| / (|A| + |B|), Jaccard |A n B| / |A u B|.
 * \param emptyValue returned when both sets are empty; NaN is what the plain
 * quotient 0 / 0 gives.
 * \ingroup UniverSegEvaluation */
UniverSegEvaluation_EXPORT double DiceCoefficient(std::uint64_t intersection,
                                                  std::uint64_t a,
                                                  std::uint64_t b,
                                                  double emptyValue = std::numeric_limits<double>::quiet_NaN());
UniverSegEvaluation_EXPORT double JaccardCoefficient(std::uint64_t intersection,
                                                     std::uint64_t a,
                                                     std::uint64_t b,
                                                     double emptyValue = std::numeric_limits<double>::quiet_NaN());

/** The Dice coefficient as the reference implementation of Hermes
 * (yhygao/universal-medical-image-segmentation) counts it, block after block of the image:
 * 2 |A n B| / (|A| + |B| + 1e-5 (blocks + 1)); 0 when both sets are empty. A class whose reference is
 * empty has no part in its means.
 * Throws Error when there are no elements or a block has none.
 * \param elements of the image, those of neither set counted.
 * \param blockSize elements of a block; 64^3 in the reference.
 * \ingroup UniverSegEvaluation */
UniverSegEvaluation_EXPORT double BlockwiseDice(std::uint64_t intersection,
                                                std::uint64_t a,
                                                std::uint64_t b,
                                                std::uint64_t elements,
                                                std::uint64_t blockSize = 64 * 64 * 64);

/** \class SoftOverlapOptions
 * \brief Variants of the soft overlap scores in use.
 *
 * The defaults are the plain sums without smoothing, NaN for two empty inputs:
 * the measure of the UniverSeg demonstration. Pylot() is the variant of the
 * authors' training library.
 * \ingroup UniverSegEvaluation
 */
struct UniverSegEvaluation_EXPORT SoftOverlapOptions
{
  bool squaredDenominator = false; ///< sum p^2 + sum t^2 instead of sum p + sum t
  double smooth = 0.0;             ///< added to numerator and denominator
  double epsilon = 0.0;            ///< the denominator is at least this

  /** smooth = epsilon = 1e-7, squared denominator. */
  static SoftOverlapOptions Pylot(bool squaredDenominator = true);
};

/** Soft Dice score (2 sum p t + smooth) / max(C + smooth, epsilon), where C is
 * the sum of both inputs (or of their squares).
 * \param probability, truth count values, usually in [0, 1]. Hard scores are
 * those of inputs that are 0 or 1.
 * \ingroup UniverSegEvaluation */
UniverSegEvaluation_EXPORT double SoftDice(const float * probability,
                                           const float * truth,
                                           std::size_t count,
                                           const SoftOverlapOptions & options = {});

/** Soft Jaccard score (I + smooth) / max(C - I + smooth, epsilon) with
 * I = sum p t.
 * \ingroup UniverSegEvaluation */
UniverSegEvaluation_EXPORT double SoftJaccard(const float * probability,
                                              const float * truth,
                                              std::size_t count,
                                              const SoftOverlapOptions & options = {});
} // namespace itk

#endif
