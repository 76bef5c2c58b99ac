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
  Focal,              ///< BinaryCrossEntropy or CrossEntropy with easy elements weighing less
  GeneralizedCrossEntropy,
  FocalDice,
  NoiseRobustDice,
  BinaryDice, ///< of the first channel, the background, against the rest
  GroupDice,  ///< of the other channels in two groups
  ExpLog,     ///< exponential logarithmic loss
  MeanAbsoluteError,
  MeanSquaredError,
  SmoothedLabels, ///< CrossEntropy with labels that are less sure where the pixel weight says so
  Entropy,        ///< of the probabilities; needs no target
  TotalVariation, ///< of the probabilities; needs no target
  Lovasz,         ///< Lovasz extension of the Jaccard loss
  AdaptiveDice    ///< Tversky whose weights of false positives and negatives follow their shares
};

/** What makes probabilities of logits, for losses that may use either.
 * \ingroup UniverSegTraining */
enum class LossActivation : std::uint8_t
{
  Sigmoid,
  Softmax, ///< over the channels
  Tanh,
  None ///< the logits are probabilities already; not for cross-entropies
};

UniverSegTraining_EXPORT const char * ToString(LossFunction function);
UniverSegTraining_EXPORT const char * ToString(LossActivation activation);
/** "dice", "tversky", "cross_entropy", "bce", "focal", "generalized_cross_entropy", "focal_dice",
 * "noise_robust_dice", "binary_dice", "group_dice", "exp_log", "mae", "mse", "smoothed_labels", "entropy",
 * "total_variation", "lovasz", "adaptive_dice". Throws Error that lists them. */
UniverSegTraining_EXPORT LossFunction ParseLossFunction(const std::string & name);
/** "sigmoid", "softmax", "tanh", "none". Throws Error that lists them. */
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
 * - AdaptiveDice: Tversky with beta = 1 - alpha, alpha = FP / (FP + FN + 1e-6), clipped to
 *   [0.2, 0.8], of the image's channel, FP = sum p (1 - t) and FN = sum (1 - p) t; gradients
 *   flow through alpha. Without smooth in the numerator, 1e-6 in the denominator, so that a
 *   channel that the target does not have adds 1 and no gradient. As Hermes has it.
 * - CrossEntropy: mean over images and elements of -sum over channels of t log q
 *   with q = (1 - blend) p + blend / 2. PyMIC 0.5's CrossEntropyLoss has blend
 *   0.001.
 * - BinaryCrossEntropy: mean over everything of -t log p - (1 - t) log(1 - p).
 * - Focal: the cross-entropy of the activation with the factor (1 - q)^gamma for
 *   each element, q being the probability of its target; T.-Y. Lin et al.,
 *   arXiv:1708.02002.
 *
 * The others are those of PyMIC 0.5 (github.com/HiLab-git/PyMIC), where D is the Dice
 * coefficient of a channel as above and q = 0.999 p + 0.0005:
 * - GeneralizedCrossEntropy: mean of the sum over channels of t (1 - p^q) / q; Z. Zhang and
 *   M. Sabuncu, arXiv:1805.07836.
 * - FocalDice: 1 - mean of D^(1 / beta).
 * - NoiseRobustDice: mean over channels of sum |p - t|^gamma / (sum p + sum t + smooth); G. Wang
 *   et al., doi:10.1109/TMI.2020.3000314.
 * - BinaryDice: 1 - D of 1 - p and 1 - t of channel 0. GroupDice: 1 - the mean D of the sums of
 *   channels 1 to (C - 1) div 2, and of the rest; it needs at least 3 channels.
 * - ExpLog: diceWeight mean (-log(0.005 + 0.99 D))^gamma + (1 - diceWeight) mean of the sum over
 *   channels of t c (-log(0.005 + 0.99 p))^gamma with c = (mean t + 0.1)^-0.5; K. Wong et al.,
 *   arXiv:1809.00076.
 * - MeanAbsoluteError, MeanSquaredError: mean of |p - t|, (p - t)^2.
 * - SmoothedLabels: CrossEntropy of t moved towards 0.5 by (0.5 - epsilon) / 0.5 where the pixel
 *   weight is above 0; M. Liu et al., doi:10.1007/978-3-030-87193-2_2.
 * - Entropy: mean of -sum q log q / log C.
 * - TotalVariation: mean of what dilating the eroded q by 3 elements an axis adds to it.
 *
 * - Lovasz: mean over channels of sum e w, where e = |t - p| are the errors of a channel's
 *   elements, of all images together, and w their weights as LovaszWeights makes them; M. Berman
 *   et al., arXiv:1705.08790. Elements without a target, t = 0 in all channels, do not count.
 *   3D U2-Net (github.com/huangmozhilv/u2net_torch) trains with the sum of it and of Focal, both
 *   of softmax, the latter detached.
 *
 * Weights of pixels, [B, 1, spatial...], multiply each term of the sums of Dice (but of GroupDice
 * and BinaryDice), and make a weighted mean of the cross-entropies and MeanAbsoluteError.
 * \ingroup UniverSegTraining */
struct LossOptions
{
  LossFunction function = LossFunction::Dice;
  double weight = 1; ///< in a sum of losses
  LossActivation activation = LossActivation::Sigmoid;
  bool squared = true;     ///< of Dice
  bool pooled = false;     ///< of Dice and Tversky: images of a batch are taken together
  double smooth = 1e-7;    ///< of Dice and Tversky
  double alpha = 0.5;      ///< of Tversky: weight of false positives
  double beta = 0.5;       ///< of Tversky: weight of false negatives
  double gamma = 2;        ///< of Focal, NoiseRobustDice and ExpLog: the exponent
  double blend = 0;        ///< of CrossEntropy and SmoothedLabels: at least 0 and below 1
  bool detached = false;   ///< of Focal: its factor is a constant to gradients
  double q = 0.5;          ///< of GeneralizedCrossEntropy: in (0, 1]
  double diceWeight = 0.8; ///< of ExpLog: at most 1
  double epsilon = 0.25;   ///< of SmoothedLabels: at most 0.5
  /** Of Dice, CrossEntropy and GeneralizedCrossEntropy: one for each channel; empty: all 1. */
  std::vector<double> classWeights;
};

/** Append a loss to a graph: a scalar.
 *
 * \param pixelWeight [B, 1, spatial...], at least 0; -1: all weigh the same.
 * \param channelWeight [B, C], of each channel of each image in the mean, at least 0 and one of
 * them above; of BinaryCrossEntropy, AdaptiveDice, and of Dice and Tversky that are neither
 * pooled nor have weights of classes; -1: all weigh the same.
 * Throws Error when logits and target differ in shape or have fewer than 3 axes,
 * the loss knows no weights of pixels, channels or classes that are given, or an option is
 * out of its range.
 * \ingroup UniverSegTraining */
UniverSegTraining_EXPORT ValueId AddLoss(Graph & graph,
                                         ValueId logits,
                                         ValueId target,
                                         const LossOptions & options,
                                         ValueId pixelWeight = -1,
                                         ValueId channelWeight = -1);

/** Append the weighted sum of losses: a scalar. Throws Error when there is none.
 * \ingroup UniverSegTraining */
UniverSegTraining_EXPORT ValueId AddLosses(Graph & graph,
                                           ValueId logits,
                                           ValueId target,
                                           const std::vector<LossOptions> & losses,
                                           ValueId pixelWeight = -1,
                                           ValueId channelWeight = -1);

/** Append the cross-entropy of whole images: a scalar, the mean over the images that have a
 * class, 0 when none has.
 *
 * \param logits [B, K].
 * \param classes [B] or [B, 1], numbers from 0 to K - 1; another, as -1, is none.
 * Throws Error when a shape is another.
 * \ingroup UniverSegTraining */
UniverSegTraining_EXPORT ValueId AddImageCrossEntropy(Graph & graph, ValueId logits, ValueId classes);
} // namespace nn
} // namespace itk

#endif
