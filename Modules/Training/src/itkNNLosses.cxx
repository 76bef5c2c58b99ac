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
constexpr const char * functionNames[] = { "dice", "tversky", "cross_entropy", "bce", "focal" };
constexpr const char * activationNames[] = { "sigmoid", "softmax", "none" };
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
  LossBuilder(Graph & graph, ValueId logits, ValueId target, const LossOptions & options)
    : m_Graph(graph)
    , m_Options(options)
    , m_Logits(logits)
    , m_Target(target)
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
        return this->MeanOfImages(m_Options.blend > 0 ? this->BlendedCrossEntropy() : this->CrossEntropy(false));
      case LossFunction::BinaryCrossEntropy:
        return this->Mean(this->BinaryCrossEntropy(false));
      case LossFunction::Focal:
        itkNNRequireMacro(m_Options.activation != LossActivation::None, "Loss focal needs an activation, not none");
        return m_Options.activation == LossActivation::Softmax ? this->MeanOfImages(this->CrossEntropy(true))
                                                               : this->Mean(this->BinaryCrossEntropy(true));
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

  ValueId BuildDice()
  {
    const ValueId p = this->Probabilities();
    const auto size = [this](ValueId x) { return this->Sum(m_Options.squared ? this->Apply(UF::Square, x) : x); };
    const ValueId both = this->Apply(UF::Linear, this->Sum(this->Multiply(p, m_Target)), 2, m_Options.smooth);
    const ValueId sizes = this->Apply(UF::Linear, this->Add(size(p), size(m_Target)), 1, m_Options.smooth);
    return this->Complement(this->Mean(m_Graph.Combine(BF::Divide, both, sizes)));
  }

  ValueId BuildTversky()
  {
    const ValueId p = this->Probabilities();
    const ValueId both = this->Sum(this->Multiply(p, m_Target));
    const ValueId falsePositive = m_Graph.Combine(BF::Subtract, this->Sum(p), both);
    const ValueId falseNegative = m_Graph.Combine(BF::Subtract, this->Sum(m_Target), both);
    const ValueId errors = this->Add(this->Apply(UF::Linear, falsePositive, m_Options.alpha, 0),
                                     this->Apply(UF::Linear, falseNegative, m_Options.beta, 0));
    const ValueId found = this->Apply(UF::Linear, both, 1, m_Options.smooth);
    return this->Complement(this->Mean(m_Graph.Combine(BF::Divide, found, this->Add(found, errors))));
  }

  /** x * (1 - exp(logarithm))^gamma. */
  ValueId Focus(ValueId x, ValueId logarithm)
  {
    const ValueId wrong = this->Complement(this->Apply(UF::Exp, logarithm));
    if (m_Options.gamma == 2)
    {
      return this->Multiply(x, this->Apply(UF::Square, wrong));
    }
    // Rounding must not make it negative.
    const ValueId positive = this->Apply(UF::Clip, wrong, 1e-12, 1);
    const ValueId exponent = m_Graph.AddConstant(Tensor::Full({}, m_Options.gamma), "gamma");
    return this->Multiply(x, m_Graph.Combine(BF::Power, positive, exponent));
  }

  /** Of each element and channel. */
  ValueId CrossEntropy(bool isFocal)
  {
    const ValueId logarithm = m_Graph.Add(Softmax{ 1, true }, { m_Logits });
    const ValueId entropy = this->Apply(UF::Negate, this->Multiply(m_Target, logarithm));
    return isFocal ? this->Focus(entropy, logarithm) : entropy;
  }

  ValueId BlendedCrossEntropy()
  {
    const ValueId p = m_Graph.Add(Softmax{ 1, false }, { m_Logits });
    const ValueId q = this->Apply(UF::Linear, p, 1 - m_Options.blend, m_Options.blend / 2);
    return this->Apply(UF::Negate, this->Multiply(m_Target, this->Apply(UF::Log, q)));
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

  /** The sum over the channels, mean over the rest. */
  ValueId MeanOfImages(ValueId x)
  {
    return this->Mean(m_Graph.Reduce(ReductionFunction::Sum, x, { 1 }));
  }

  Graph & m_Graph;
  const LossOptions & m_Options;
  ValueId m_Logits;
  ValueId m_Target;
  Graph::Scope m_Scope;
};
} // namespace

ValueId
AddLoss(Graph & graph, ValueId logits, ValueId target, const LossOptions & options)
{
  return LossBuilder(graph, logits, target, options).Build();
}

ValueId
AddLosses(Graph & graph, ValueId logits, ValueId target, const std::vector<LossOptions> & losses)
{
  itkNNRequireMacro(!losses.empty(), "A network needs a loss to be trained with; there is none");
  ValueId sum = -1;
  for (const auto & options : losses)
  {
    ValueId loss = AddLoss(graph, logits, target, options);
    loss = options.weight == 1 ? loss : graph.Apply(UF::Linear, loss, options.weight, 0, "loss.weighted");
    sum = sum < 0 ? loss : graph.Combine(BF::Add, sum, loss, "loss.sum");
  }
  return sum;
}
} // namespace nn
} // namespace itk
