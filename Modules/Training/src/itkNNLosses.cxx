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
#include "itkNNLosses.h"

#include "itkNNEnumNames.h"
#include "itkNNError.h"

#include <cmath>
#include <numeric>

namespace itk
{
namespace nn
{
namespace
{
constexpr const char * functionNames[] = { "dice",          "tversky",
                                           "cross_entropy", "bce",
                                           "focal",         "generalized_cross_entropy",
                                           "focal_dice",    "noise_robust_dice",
                                           "binary_dice",   "group_dice",
                                           "exp_log",       "mae",
                                           "mse",           "smoothed_labels",
                                           "entropy",       "total_variation",
                                           "lovasz",        "adaptive_dice" };
constexpr const char * activationNames[] = { "sigmoid", "softmax", "tanh", "none" };

/** Of PyMIC: what keeps logarithms and quotients finite. */
constexpr double certainty = 0.999;
constexpr double tiny = 1e-5;
/** Of Hermes: what keeps quotients finite, and the least and the largest weight of an error. */
constexpr double least = 1e-6;
constexpr double leastAlpha = 0.2;
constexpr double mostAlpha = 0.8;
} // namespace

const char *
ToString(LossFunction function)
{
  return functionNames[static_cast<int>(function)];
}

const char *
ToString(LossActivation activation)
{
  return activationNames[static_cast<int>(activation)];
}

LossFunction
ParseLossFunction(const std::string & name)
{
  return ParseEnum<LossFunction>(functionNames, name, "loss");
}

LossActivation
ParseLossActivation(const std::string & name)
{
  return ParseEnum<LossActivation>(activationNames, name, "activation");
}

namespace
{
using UF = UnaryFunction;
using BF = BinaryFunction;

/** Adds one loss's nodes. */
class LossBuilder
{
public:
  LossBuilder(Graph & graph,
              ValueId logits,
              ValueId target,
              const LossOptions & options,
              ValueId pixelWeight,
              ValueId channelWeight)
    : m_Graph(graph)
    , m_Options(options)
    , m_Logits(logits)
    , m_Target(target)
    , m_PixelWeight(pixelWeight)
    , m_ChannelWeight(channelWeight)
    , m_Scope(graph, std::string("loss.") + ToString(options.function))
  {
    const Shape shape = graph.GetShape(logits);
    itkNNRequireMacro(shape.size() >= 3 && graph.GetShape(target) == shape,
                      "Loss " << ToString(options.function) << ": logits " << nn::ToString(shape) << " and target "
                              << nn::ToString(graph.GetShape(target))
                              << " should have the same shape [batch, channels, spatial...]");
    itkNNRequireMacro(std::isfinite(options.weight) && options.smooth >= 0 && options.alpha >= 0 && options.beta >= 0 &&
                        options.gamma >= 0,
                      "Loss " << ToString(options.function) << ": weight " << options.weight << ", smooth "
                              << options.smooth << ", alpha " << options.alpha << ", beta " << options.beta
                              << " and gamma " << options.gamma << " should be finite and at least 0");
    itkNNRequireMacro(options.blend >= 0 && options.blend < 1,
                      "Loss " << ToString(options.function) << ": blend is " << options.blend
                              << ", should be at least 0 and below 1");
    itkNNRequireMacro(options.q > 0 && options.q <= 1 && options.diceWeight >= 0 && options.diceWeight <= 1 &&
                        options.epsilon >= 0 && options.epsilon <= 0.5,
                      "Loss " << ToString(options.function) << ": q " << options.q
                              << " should be in (0, 1], dice weight " << options.diceWeight << " in [0, 1] and epsilon "
                              << options.epsilon << " in [0, 0.5]");
    this->CheckClassWeights();
    this->CheckPixelWeight();
    this->CheckChannelWeight();
  }

  ValueId Build()
  {
    switch (m_Options.function)
    {
      case LossFunction::Dice:
        return this->BuildDice();
      case LossFunction::Tversky:
        return this->BuildTversky();
      case LossFunction::CrossEntropy:
        return this->MeanOfImages(m_Options.blend > 0 ? this->BlendedCrossEntropy(m_Target)
                                                      : this->CrossEntropy(false));
      case LossFunction::BinaryCrossEntropy:
        return this->MeanOfChannels(this->BinaryCrossEntropy(false));
      case LossFunction::Focal:
        itkNNRequireMacro(m_Options.activation != LossActivation::None, "Loss focal needs an activation, not none");
        return m_Options.activation == LossActivation::Softmax ? this->MeanOfImages(this->CrossEntropy(true))
                                                               : this->Mean(this->BinaryCrossEntropy(true));
      case LossFunction::GeneralizedCrossEntropy:
        return this->BuildGeneralizedCrossEntropy();
      case LossFunction::FocalDice:
        itkNNRequireMacro(m_Options.beta > 0, "Loss focal_dice: beta is " << m_Options.beta << ", should be above 0");
        return this->Complement(
          this->Mean(this->Raise(this->ClassDice(this->Probabilities(), m_Target), 1 / m_Options.beta)));
      case LossFunction::NoiseRobustDice:
        return this->BuildNoiseRobustDice();
      case LossFunction::BinaryDice:
        return this->BuildBinaryDice();
      case LossFunction::GroupDice:
        return this->BuildGroupDice();
      case LossFunction::ExpLog:
        return this->BuildExpLog();
      case LossFunction::MeanAbsoluteError:
        return this->BuildMeanAbsoluteError();
      case LossFunction::MeanSquaredError:
        return this->Mean(this->Apply(UF::Square, this->Subtract(this->Probabilities(), m_Target)));
      case LossFunction::SmoothedLabels:
        return this->BuildSmoothedLabels();
      case LossFunction::Entropy:
        return this->BuildEntropy();
      case LossFunction::TotalVariation:
        return this->BuildTotalVariation();
      case LossFunction::Lovasz:
        return this->BuildLovasz();
      case LossFunction::AdaptiveDice:
        return this->BuildAdaptiveDice();
    }
    itkNNThrowMacro("Unknown loss");
  }

private:
  ValueId Apply(UF function, ValueId x, double alpha = 0, double beta = 0)
  {
    return m_Graph.Apply(function, x, alpha, beta);
  }
  ValueId Add(ValueId a, ValueId b)
  {
    return m_Graph.Combine(BF::Add, a, b);
  }
  ValueId Subtract(ValueId a, ValueId b)
  {
    return m_Graph.Combine(BF::Subtract, a, b);
  }
  ValueId Divide(ValueId a, ValueId b)
  {
    return m_Graph.Combine(BF::Divide, a, b);
  }
  ValueId Multiply(ValueId a, ValueId b)
  {
    return m_Graph.Combine(BF::Multiply, a, b);
  }
  /** 1 - x. */
  ValueId Complement(ValueId x)
  {
    return this->Apply(UF::Linear, x, -1, 1);
  }
  ValueId Mean(ValueId x)
  {
    return m_Graph.Reduce(ReductionFunction::Mean, x, {}, false);
  }

  ValueId Probabilities()
  {
    switch (m_Options.activation)
    {
      case LossActivation::Sigmoid:
        return this->Apply(UF::Sigmoid, m_Logits);
      case LossActivation::Softmax:
        return m_Graph.Add(Softmax{ 1, false }, { m_Logits });
      case LossActivation::Tanh:
        return this->Apply(UF::Tanh, m_Logits);
      case LossActivation::None:
        break;
    }
    return m_Logits;
  }

  /** Over the elements of each channel, of each image or of all. */
  ValueId Sum(ValueId x)
  {
    std::vector<int> axes(m_Graph.GetShape(x).size() - 2);
    std::iota(axes.begin(), axes.end(), 2);
    x = m_Graph.Reduce(ReductionFunction::Sum, x, axes);
    return m_Options.pooled ? m_Graph.Reduce(ReductionFunction::Sum, x, { 0 }) : x;
  }

  /** The Dice coefficient of each channel. */
  ValueId ClassDice(ValueId p, ValueId t)
  {
    const auto sum = [this](ValueId x) { return this->Sum(m_PixelWeight < 0 ? x : this->Multiply(x, m_PixelWeight)); };
    const auto size = [&](ValueId x) { return sum(m_Options.squared ? this->Apply(UF::Square, x) : x); };
    const ValueId both = this->Apply(UF::Linear, sum(this->Multiply(p, t)), 2, m_Options.smooth);
    const ValueId sizes = this->Apply(UF::Linear, this->Add(size(p), size(t)), 1, m_Options.smooth);
    return this->Divide(both, sizes);
  }

  ValueId BuildDice()
  {
    ValueId wrong = this->Complement(this->ClassDice(this->Probabilities(), m_Target));
    if (m_Options.classWeights.empty())
    {
      return this->MeanOfChannels(wrong);
    }
    const auto & weights = m_Options.classWeights;
    const double mean = std::accumulate(weights.begin(), weights.end(), 0.0) / static_cast<double>(weights.size());
    wrong = this->Multiply(wrong, this->ClassWeights());
    return this->Apply(UF::Linear, this->Mean(wrong), 1 / mean, 0);
  }

  /** Of each channel, by probabilities. */
  struct Counts
  {
    ValueId both;
    ValueId falsePositive;
    ValueId falseNegative;
  };

  Counts Count()
  {
    const ValueId p = this->Probabilities();
    const ValueId both = this->Sum(this->Multiply(p, m_Target));
    return { both, this->Subtract(this->Sum(p), both), this->Subtract(this->Sum(m_Target), both) };
  }

  ValueId BuildTversky()
  {
    const Counts counts = this->Count();
    const ValueId errors = this->Add(this->Apply(UF::Linear, counts.falsePositive, m_Options.alpha, 0),
                                     this->Apply(UF::Linear, counts.falseNegative, m_Options.beta, 0));
    const ValueId found = this->Apply(UF::Linear, counts.both, 1, m_Options.smooth);
    return this->Complement(this->MeanOfChannels(this->Divide(found, this->Add(found, errors))));
  }

  ValueId BuildAdaptiveDice()
  {
    const Counts counts = this->Count();
    const ValueId wrong = this->Add(counts.falsePositive, counts.falseNegative);
    const ValueId share = this->Divide(counts.falsePositive, this->Apply(UF::Linear, wrong, 1, least));
    const ValueId alpha = this->Apply(UF::Clip, share, leastAlpha, mostAlpha);
    const ValueId errors = this->Add(this->Multiply(alpha, counts.falsePositive),
                                     this->Multiply(this->Complement(alpha), counts.falseNegative));
    const ValueId all = this->Apply(UF::Linear, this->Add(counts.both, errors), 1, least);
    return this->Complement(this->MeanOfChannels(this->Divide(counts.both, all)));
  }

  /** x * (1 - exp(logarithm))^gamma. */
  ValueId Focus(ValueId x, ValueId logarithm)
  {
    const ValueId wrong = this->Complement(this->Apply(UF::Exp, logarithm));
    ValueId factor = -1;
    if (m_Options.gamma == 2)
    {
      factor = this->Apply(UF::Square, wrong);
    }
    else
    {
      // Rounding must not make it negative.
      const ValueId positive = this->Apply(UF::Clip, wrong, 1e-12, 1);
      const ValueId exponent = m_Graph.AddConstant(Tensor::Full({}, m_Options.gamma), "gamma");
      factor = m_Graph.Combine(BF::Power, positive, exponent);
    }
    return this->Multiply(x, m_Options.detached ? m_Graph.Add(Barrier{ true }, { factor }) : factor);
  }

  /** Of each element and channel. */
  ValueId CrossEntropy(bool isFocal)
  {
    const ValueId logarithm = m_Graph.Add(Softmax{ 1, true }, { m_Logits });
    const ValueId entropy = this->Apply(UF::Negate, this->Multiply(m_Target, logarithm));
    return isFocal ? this->Focus(entropy, logarithm) : entropy;
  }

  ValueId BlendedCrossEntropy(ValueId target)
  {
    const ValueId p = m_Graph.Add(Softmax{ 1, false }, { m_Logits });
    const ValueId q = this->Apply(UF::Linear, p, 1 - m_Options.blend, m_Options.blend / 2);
    return this->Apply(UF::Negate, this->Multiply(target, this->Apply(UF::Log, q)));
  }

  /** x^exponent of x that is not negative. */
  ValueId Raise(ValueId x, double exponent)
  {
    if (exponent == 1)
    {
      return x;
    }
    // The slope of a root at 0 is infinite.
    const ValueId base = exponent < 1 ? this->Apply(UF::Clip, x, 1e-12, 1e12) : x;
    return m_Graph.Combine(BF::Power, base, m_Graph.AddConstant(Tensor::Full({}, exponent), "exponent"));
  }

  ValueId BuildGeneralizedCrossEntropy()
  {
    const ValueId wrong =
      this->Apply(UF::Linear, this->Raise(this->Probabilities(), m_Options.q), -1 / m_Options.q, 1 / m_Options.q);
    return this->MeanOfImages(this->Multiply(wrong, m_Target));
  }

  ValueId BuildNoiseRobustDice()
  {
    const ValueId p = this->Probabilities();
    const ValueId difference = this->Apply(UF::Abs, this->Subtract(p, m_Target));
    const ValueId sizes = this->Apply(UF::Linear, this->Sum(this->Add(p, m_Target)), 1, m_Options.smooth);
    return this->Mean(this->Divide(this->Sum(this->Raise(difference, m_Options.gamma)), sizes));
  }

  /** Channels [first, last). */
  ValueId Channels(ValueId x, std::int64_t first, std::int64_t last)
  {
    const Shape & shape = m_Graph.GetShape(x);
    Slice slice{ Shape(shape.size(), 0), shape, {} };
    slice.begin[1] = first;
    slice.end[1] = last;
    return m_Graph.Add(std::move(slice), { x });
  }

  ValueId BuildBinaryDice()
  {
    const auto foreground = [this](ValueId x) { return this->Complement(this->Channels(x, 0, 1)); };
    return this->Complement(this->Mean(this->ClassDice(foreground(this->Probabilities()), foreground(m_Target))));
  }

  ValueId BuildGroupDice()
  {
    const std::int64_t channels = m_Graph.GetShape(m_Logits)[1];
    itkNNRequireMacro(channels >= 3, "Loss group_dice: there are " << channels << " channels, should be at least 3");
    const std::int64_t middle = 1 + (channels - 1) / 2;
    const auto group = [this](ValueId x, std::int64_t first, std::int64_t last)
    { return m_Graph.Reduce(ReductionFunction::Sum, this->Channels(x, first, last), { 1 }); };
    const ValueId p = this->Probabilities();
    const auto dice = [&](std::int64_t first, std::int64_t last)
    { return this->Mean(this->ClassDice(group(p, first, last), group(m_Target, first, last))); };
    return this->Apply(UF::Linear, this->Add(dice(1, middle), dice(middle, channels)), -0.5, 1);
  }

  ValueId BuildExpLog()
  {
    const ValueId p = this->Probabilities();
    const auto raise = [this](ValueId x)
    {
      const ValueId logarithm = this->Apply(UF::Log, this->Apply(UF::Linear, x, 0.99, 0.005));
      return this->Raise(this->Apply(UF::Negate, logarithm), m_Options.gamma);
    };
    const ValueId ofDice = this->Mean(raise(this->ClassDice(p, m_Target)));
    std::vector<int> axes(m_Graph.GetShape(p).size());
    std::iota(axes.begin(), axes.end(), 0);
    axes.erase(axes.begin() + 1);
    const ValueId share = m_Graph.Reduce(ReductionFunction::Mean, m_Target, axes);
    const ValueId rarity = this->Apply(UF::ReciprocalSqrt, this->Apply(UF::Linear, share, 1, 0.1));
    const ValueId terms = this->Multiply(this->Multiply(m_Target, rarity), raise(p));
    const ValueId ofPixels = this->Mean(m_Graph.Reduce(ReductionFunction::Sum, terms, { 1 }));
    return this->Add(this->Apply(UF::Linear, ofDice, m_Options.diceWeight, 0),
                     this->Apply(UF::Linear, ofPixels, 1 - m_Options.diceWeight, 0));
  }

  ValueId BuildMeanAbsoluteError()
  {
    const ValueId errors = this->Apply(UF::Abs, this->Subtract(this->Probabilities(), m_Target));
    return this->WeightedMean(m_Graph.Reduce(ReductionFunction::Mean, errors, { 1 }));
  }

  ValueId BuildSmoothedLabels()
  {
    ValueId target = m_Target;
    if (m_PixelWeight >= 0)
    {
      const double factor = (0.5 - m_Options.epsilon) / 0.5;
      const ValueId smooth = this->Apply(UF::Linear, target, factor, 0.5 - 0.5 * factor);
      const ValueId isUnsure =
        m_Graph.Combine(BF::Greater, m_PixelWeight, m_Graph.AddConstant(Tensor::Full({}, 0.0), "zero"));
      target = this->Add(target, this->Multiply(isUnsure, this->Subtract(smooth, target)));
    }
    return this->Mean(m_Graph.Reduce(ReductionFunction::Sum, this->BlendedCrossEntropy(target), { 1 }));
  }

  /** Probabilities that are never quite 0. */
  ValueId UnsureProbabilities()
  {
    return this->Apply(UF::Linear, this->Probabilities(), certainty, (1 - certainty) / 2);
  }

  ValueId BuildEntropy()
  {
    const std::int64_t channels = m_Graph.GetShape(m_Logits)[1];
    itkNNRequireMacro(channels >= 2, "Loss entropy: there is one channel, should be at least 2");
    const ValueId q = this->UnsureProbabilities();
    const ValueId terms = this->Multiply(q, this->Apply(UF::Log, q));
    const ValueId mean = this->Mean(m_Graph.Reduce(ReductionFunction::Sum, terms, { 1 }));
    return this->Apply(UF::Linear, mean, -1 / std::log(static_cast<double>(channels)), 0);
  }

  ValueId BuildTotalVariation()
  {
    Pooling pooling;
    const std::size_t axes = m_Graph.GetShape(m_Logits).size() - 2;
    pooling.kernel.assign(axes, 3);
    pooling.stride.assign(axes, 1);
    pooling.padding.assign(axes, 1);
    const ValueId q = this->UnsureProbabilities();
    const ValueId eroded = this->Apply(UF::Negate, m_Graph.Add(Pooling(pooling), { this->Apply(UF::Negate, q) }));
    const ValueId opened = m_Graph.Add(std::move(pooling), { eroded });
    return this->Mean(this->Apply(UF::Relu, this->Subtract(opened, eroded)));
  }

  ValueId BuildLovasz()
  {
    const Shape & shape = m_Graph.GetShape(m_Logits);
    Permutation channelsFirst;
    channelsFirst.order.resize(shape.size());
    std::iota(channelsFirst.order.begin(), channelsFirst.order.end(), 0);
    std::swap(channelsFirst.order[0], channelsFirst.order[1]);
    const Reshape rows{ { shape[1], -1 } };
    const auto toRows = [&](ValueId x)
    { return m_Graph.Add(Reshape(rows), { m_Graph.Add(Permutation(channelsFirst), { x }) }); };
    // Errors of 0 are last in the order and weigh nothing in the sum.
    const ValueId isCounted = m_Graph.Reduce(ReductionFunction::Sum, m_Target, { 1 });
    const ValueId difference = this->Apply(UF::Abs, this->Subtract(m_Target, this->Probabilities()));
    const ValueId errors = toRows(this->Multiply(difference, isCounted));
    const ValueId weights = m_Graph.Add(LovaszWeights{}, { errors, toRows(m_Target) });
    return this->Mean(m_Graph.Reduce(ReductionFunction::Sum, this->Multiply(errors, weights), { 1 }));
  }

  void CheckClassWeights() const
  {
    const auto & weights = m_Options.classWeights;
    if (weights.empty())
    {
      return;
    }
    const bool isKnown = m_Options.function == LossFunction::Dice || m_Options.function == LossFunction::CrossEntropy ||
                         m_Options.function == LossFunction::GeneralizedCrossEntropy;
    itkNNRequireMacro(isKnown, "Loss " << ToString(m_Options.function) << " has no weights of classes");
    double sum = 0;
    for (const double weight : weights)
    {
      itkNNRequireMacro(weight >= 0 && std::isfinite(weight),
                        "Loss " << ToString(m_Options.function) << ": a weight of a class is " << weight
                                << ", should be finite and at least 0");
      sum += weight;
    }
    const Shape & shape = m_Graph.GetShape(m_Logits);
    itkNNRequireMacro(static_cast<std::int64_t>(weights.size()) == shape[1] && sum > 0,
                      "Loss " << ToString(m_Options.function) << ": there are " << weights.size()
                              << " weights of classes with the sum " << sum << ", should be one for each of the "
                              << shape[1] << " channels and a sum above 0");
  }

  void CheckPixelWeight() const
  {
    if (m_PixelWeight < 0)
    {
      return;
    }
    switch (m_Options.function)
    {
      case LossFunction::Dice:
      case LossFunction::FocalDice:
      case LossFunction::ExpLog:
      case LossFunction::CrossEntropy:
      case LossFunction::GeneralizedCrossEntropy:
      case LossFunction::MeanAbsoluteError:
      case LossFunction::SmoothedLabels:
        break;
      default:
        itkNNThrowMacro("Loss " << ToString(m_Options.function) << " has no weights of pixels");
    }
    Shape expected = m_Graph.GetShape(m_Logits);
    expected[1] = 1;
    itkNNRequireMacro(m_Graph.GetShape(m_PixelWeight) == expected,
                      "Loss " << ToString(m_Options.function) << ": the weights of pixels are "
                              << nn::ToString(m_Graph.GetShape(m_PixelWeight)) << ", should be "
                              << nn::ToString(expected));
  }

  void CheckChannelWeight() const
  {
    if (m_ChannelWeight < 0)
    {
      return;
    }
    const bool isOverlap = m_Options.function == LossFunction::Dice || m_Options.function == LossFunction::Tversky;
    const bool isKnown = m_Options.function == LossFunction::BinaryCrossEntropy ||
                         m_Options.function == LossFunction::AdaptiveDice ||
                         (isOverlap && m_Options.classWeights.empty());
    itkNNRequireMacro(isKnown && !m_Options.pooled,
                      "Loss " << ToString(m_Options.function)
                              << (m_Options.pooled                 ? ", pooled,"
                                  : m_Options.classWeights.empty() ? ""
                                                                   : " with weights of classes")
                              << " has no weights of channels, which images of several tasks in a batch need; bce, "
                                 "adaptive_dice, dice and tversky have");
    const Shape & shape = m_Graph.GetShape(m_Logits);
    itkNNRequireMacro(m_Graph.GetShape(m_ChannelWeight) == (Shape{ shape[0], shape[1] }),
                      "Loss " << ToString(m_Options.function) << ": the weights of channels are "
                              << nn::ToString(m_Graph.GetShape(m_ChannelWeight)) << ", should be "
                              << nn::ToString(Shape{ shape[0], shape[1] }));
  }

  /** Of [B, C, any...], by the weights of channels. */
  ValueId MeanOfChannels(ValueId x)
  {
    if (m_ChannelWeight < 0)
    {
      return this->Mean(x);
    }
    std::vector<int> axes(m_Graph.GetShape(x).size() - 2);
    std::iota(axes.begin(), axes.end(), 2);
    const ValueId ofChannels = m_Graph.Reduce(ReductionFunction::Mean, x, axes, false);
    const auto sum = [this](ValueId terms) { return m_Graph.Reduce(ReductionFunction::Sum, terms, {}, false); };
    return this->Divide(sum(this->Multiply(ofChannels, m_ChannelWeight)), sum(m_ChannelWeight));
  }

  /** [1, C, 1...]. */
  ValueId ClassWeights()
  {
    Shape shape(m_Graph.GetShape(m_Logits).size(), 1);
    shape[1] = m_Graph.GetShape(m_Logits)[1];
    Tensor weights(shape);
    for (std::size_t i = 0; i < m_Options.classWeights.size(); ++i)
    {
      weights.GetData<float>()[i] = static_cast<float>(m_Options.classWeights[i]);
    }
    return m_Graph.AddConstant(weights, "class_weights");
  }

  /** Of [B, 1, spatial...], by the weights of pixels. */
  ValueId WeightedMean(ValueId x)
  {
    if (m_PixelWeight < 0)
    {
      return this->Mean(x);
    }
    const auto sum = [this](ValueId terms) { return m_Graph.Reduce(ReductionFunction::Sum, terms, {}, false); };
    return this->Divide(sum(this->Multiply(x, m_PixelWeight)), this->Apply(UF::Linear, sum(m_PixelWeight), 1, tiny));
  }

  /** softplus(z) - t z, which is exact for large logits. */
  ValueId BinaryCrossEntropy(bool isFocal)
  {
    if (!isFocal)
    {
      return m_Graph.Combine(BF::Subtract, this->Apply(UF::Softplus, m_Logits), this->Multiply(m_Target, m_Logits));
    }
    // log p and log(1 - p).
    const ValueId positive = this->Apply(UF::Negate, this->Apply(UF::Softplus, this->Apply(UF::Negate, m_Logits)));
    const ValueId negative = this->Apply(UF::Negate, this->Apply(UF::Softplus, m_Logits));
    const ValueId ofTarget = this->Focus(this->Multiply(m_Target, positive), positive);
    const ValueId ofRest = this->Focus(this->Multiply(this->Complement(m_Target), negative), negative);
    return this->Apply(UF::Negate, this->Add(ofTarget, ofRest));
  }

  /** The weighted sum over the channels, weighted mean over the rest. */
  ValueId MeanOfImages(ValueId x)
  {
    x = m_Options.classWeights.empty() ? x : this->Multiply(x, this->ClassWeights());
    return this->WeightedMean(m_Graph.Reduce(ReductionFunction::Sum, x, { 1 }));
  }

  Graph & m_Graph;
  const LossOptions & m_Options;
  ValueId m_Logits;
  ValueId m_Target;
  ValueId m_PixelWeight;
  ValueId m_ChannelWeight;
  Graph::Scope m_Scope;
};
} // namespace

ValueId
AddLoss(Graph & graph,
        ValueId logits,
        ValueId target,
        const LossOptions & options,
        ValueId pixelWeight,
        ValueId channelWeight)
{
  return LossBuilder(graph, logits, target, options, pixelWeight, channelWeight).Build();
}

ValueId
AddLosses(Graph & graph,
          ValueId logits,
          ValueId target,
          const std::vector<LossOptions> & losses,
          ValueId pixelWeight,
          ValueId channelWeight)
{
  itkNNRequireMacro(!losses.empty(), "A network needs a loss to be trained with; there is none");
  ValueId sum = -1;
  for (const auto & options : losses)
  {
    ValueId loss = AddLoss(graph, logits, target, options, pixelWeight, channelWeight);
    loss = options.weight == 1 ? loss : graph.Apply(UF::Linear, loss, options.weight, 0, "loss.weighted");
    sum = sum < 0 ? loss : graph.Combine(BF::Add, sum, loss, "loss.sum");
  }
  return sum;
}

ValueId
AddImageCrossEntropy(Graph & graph, ValueId logits, ValueId classes)
{
  const Shape shape = graph.GetShape(logits);
  const Shape ofClasses = graph.GetShape(classes);
  itkNNRequireMacro(shape.size() == 2 && (ofClasses == Shape{ shape[0] } || ofClasses == (Shape{ shape[0], 1 })),
                    "Cross-entropy of images: logits " << nn::ToString(shape) << " should be [B, K] and classes "
                                                       << nn::ToString(ofClasses) << " [B] or [B, 1]");
  const Graph::Scope scope(graph, "loss.image_cross_entropy");
  std::vector<float> numbers(static_cast<std::size_t>(shape[1]));
  std::iota(numbers.begin(), numbers.end(), 0.0F);
  const ValueId column = graph.Add(Reshape{ { shape[0], 1 } }, { classes });
  const ValueId target =
    graph.Combine(BF::Equal, column, graph.AddConstant(Tensor::FromVector({ shape[1] }, numbers), "classes"));
  const auto sum = [&graph](ValueId x) { return graph.Reduce(ReductionFunction::Sum, x, {}, false); };
  const ValueId entropy = sum(graph.Combine(BF::Multiply, target, graph.Add(Softmax{ 1, true }, { logits })));
  const ValueId count = graph.Combine(BF::Maximum, sum(target), graph.AddConstant(Tensor::Full({}, 1), "one"));
  return graph.Apply(UF::Negate, graph.Combine(BF::Divide, entropy, count));
}
} // namespace nn
} // namespace itk
