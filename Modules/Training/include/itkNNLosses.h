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
#ifndef itkNNLosses_h
#define itkNNLosses_h

#include "UniverSegTrainingExport.h"
#include "itkNNGraph.h"

#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** \ingroup UniverSegTraining */
enum class LossFunction : std::uint8_t
{
  Dice,               ///< 1 - soft Dice
  Tversky,            ///< 1 - soft Tversky index
  CrossEntropy,       ///< of a softmax over the channels
  BinaryCrossEntropy, ///< of a sigmoid, each channel by itself
  Focal               ///< BinaryCrossEntropy or CrossEntropy with easy elements weighing less
};

/** What makes probabilities of logits, for losses that may use either.
 * \ingroup UniverSegTraining */
enum class LossActivation : std::uint8_t
{
  Sigmoid,
  Softmax, ///< over the channels
  None     ///< the logits are probabilities already; not for cross-entropies
};

UniverSegTraining_EXPORT const char * ToString(LossFunction function);
UniverSegTraining_EXPORT const char * ToString(LossActivation activation);
/** "dice", "tversky", "cross_entropy", "bce", "focal". Throws Error that lists them. */
UniverSegTraining_EXPORT LossFunction ParseLossFunction(const std::string & name);
/** "sigmoid", "softmax", "none". Throws Error that lists them. */
UniverSegTraining_EXPORT LossActivation ParseLossActivation(const std::string & name);

/** One loss, of logits [B, C, spatial...] and a target of the same shape with
 * values of [0, 1].
 *
 * With p the probabilities and t the target, sums over the elements of a channel
 * of an image (of all images when `pooled`):
 * - Dice: 1 - (2 sum p t + smooth) / (sum p + sum t + smooth), with the squares
 *   of p and t in the denominator when `squared`; mean over images and channels.
 *   The default is the UniverSeg authors' (pylot's soft_dice_loss); PyMIC's
 *   DiceLoss is activation softmax, squared false, pooled true, smooth 1e-5.
 * - Tversky: 1 - (sum p t + smooth) / (sum p t + alpha sum p (1 - t) +
 *   beta sum (1 - p) t + smooth); S. Salehi et al., arXiv:1706.05721.
 * - CrossEntropy: mean over images and elements of -sum over channels of t log q
 *   with q = (1 - blend) p + blend / 2. PyMIC 0.5's CrossEntropyLoss has blend
 *   0.001.
 * - BinaryCrossEntropy: mean over everything of -t log p - (1 - t) log(1 - p).
 * - Focal: the cross-entropy of the activation with the factor (1 - q)^gamma for
 *   each element, q being the probability of its target; T.-Y. Lin et al.,
 *   arXiv:1708.02002.
 * \ingroup UniverSegTraining */
struct LossOptions
{
  LossFunction function = LossFunction::Dice;
  double weight = 1; ///< in a sum of losses
  LossActivation activation = LossActivation::Sigmoid;
  bool squared = true;  ///< of Dice
  bool pooled = false;  ///< of Dice and Tversky: images of a batch are taken together
  double smooth = 1e-7; ///< of Dice and Tversky
  double alpha = 0.5;   ///< of Tversky: weight of false positives
  double beta = 0.5;    ///< of Tversky: weight of false negatives
  double gamma = 2;     ///< of Focal
  double blend = 0;     ///< of CrossEntropy: at least 0 and below 1
};

/** Append a loss to a graph: a scalar.
 *
 * Throws Error when logits and target differ in shape or have fewer than 3 axes,
 * or an option is out of its range.
 * \ingroup UniverSegTraining */
UniverSegTraining_EXPORT ValueId AddLoss(Graph & graph, ValueId logits, ValueId target, const LossOptions & options);

/** Append the weighted sum of losses: a scalar. Throws Error when there is none.
 * \ingroup UniverSegTraining */
UniverSegTraining_EXPORT ValueId AddLosses(Graph & graph,
                                           ValueId logits,
                                           ValueId target,
                                           const std::vector<LossOptions> & losses);
} // namespace nn
} // namespace itk

#endif
