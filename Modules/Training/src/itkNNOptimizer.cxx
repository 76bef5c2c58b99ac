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
#include "itkNNOptimizer.h"

#include "itkNNEnumNames.h"

#include "itkNNError.h"
#include "itkNNParallel.h"

#include <algorithm>
#include <cmath>

namespace itk
{
namespace nn
{
namespace
{
constexpr const char * startNames[] = { "ramp", "mean" };
constexpr const char * methodNames[] = { "sgd", "adam", "adamw", "lamb" };

bool
HasSecondMoments(const OptimizerOptions & options)
{
  return options.method != OptimizerMethod::Sgd;
}

/** Call f with the number of each element, in several threads when there are many. */
template <typename TFunction>
void
ForEachElement(std::int64_t count, TFunction && f)
{
  constexpr std::int64_t elementsOfThread = 4096;
  const auto threads = std::min<std::int64_t>(count / elementsOfThread, GetDefaultNumberOfThreads());
  ParallelFor(count,
              static_cast<unsigned int>(std::max<std::int64_t>(threads, 1)),
              [&](std::int64_t begin, std::int64_t end)
              {
                for (std::int64_t i = begin; i < end; ++i)
                {
                  f(i);
                }
              });
}

Tensor
ToFloats(const Tensor & tensor)
{
  return tensor.To(DataType::Float32).Contiguous();
}

double
Norm(const std::vector<double> & values)
{
  double sum = 0;
  for (const double value : values)
  {
    sum += value * value;
  }
  return std::sqrt(sum);
}
} // namespace

const char *
ToString(OptimizerMethod method)
{
  return methodNames[static_cast<int>(method)];
}

OptimizerMethod
ParseOptimizerMethod(const std::string & name)
{
  return ParseEnum<OptimizerMethod>(methodNames, name, "optimizer");
}

Optimizer::Optimizer(const OptimizerOptions & options)
  : m_Options(options)
{
  const auto isPart = [](double value) { return value >= 0 && value < 1; };
  itkNNRequireMacro(isPart(options.beta1) && isPart(options.beta2) && isPart(options.momentum),
                    "Optimizer: beta1 " << options.beta1 << ", beta2 " << options.beta2 << " and momentum "
                                        << options.momentum << " should be in [0, 1)");
  itkNNRequireMacro(std::isfinite(options.epsilon) && options.epsilon >= 0 && std::isfinite(options.weightDecay) &&
                      options.weightDecay >= 0,
                    "Optimizer: epsilon " << options.epsilon << " and weight decay " << options.weightDecay
                                          << " should be at least 0");
}

void
Optimizer::Step(StateDict & weights, const TensorMap & gradients, double learningRate)
{
  for (const auto & [name, gradient] : gradients)
  {
    const Tensor weight = ToFloats(weights.Get(name));
    itkNNRequireMacro(gradient.GetShape() == weight.GetShape(),
                      "The gradient of '" << name << "' has shape " << nn::ToString(gradient.GetShape())
                                          << ", its weight " << nn::ToString(weight.GetShape()));
    Slot & slot = m_Slots[name];
    if (!slot.first.IsDefined())
    {
      slot.first = Tensor::Zeros(weight.GetShape());
      slot.second = HasSecondMoments(m_Options) ? Tensor::Zeros(weight.GetShape()) : Tensor();
    }
    itkNNRequireMacro(slot.first.GetShape() == weight.GetShape(),
                      "The optimizer's state of '" << name << "' has shape " << nn::ToString(slot.first.GetShape())
                                                   << ", its weight " << nn::ToString(weight.GetShape()));
    Tensor moved(weight.GetShape());
    this->Move(slot, weight, ToFloats(gradient), learningRate, moved);
    weights.Set(name, moved);
  }
  if (!m_Options.idleSteps)
  {
    return;
  }
  for (auto & [name, slot] : m_Slots)
  {
    if (gradients.count(name) == 0)
    {
      const Tensor weight = ToFloats(weights.Get(name));
      Tensor moved(weight.GetShape());
      this->Move(slot, weight, Tensor::Zeros(weight.GetShape()), learningRate, moved);
      weights.Set(name, moved);
    }
  }
}

void
Optimizer::Move(Slot & slot, const Tensor & weight, const Tensor & gradient, double learningRate, Tensor & moved) const
{
  ++slot.steps;
  const std::int64_t count = weight.GetNumberOfElements();
  const float * w = weight.GetData<float>();
  const float * g = gradient.GetData<float>();
  float * first = slot.first.GetData<float>();
  float * to = moved.GetData<float>();
  const bool isCoupled = m_Options.method == OptimizerMethod::Sgd || m_Options.method == OptimizerMethod::Adam;
  const double coupledDecay = isCoupled ? m_Options.weightDecay : 0;
  if (m_Options.method == OptimizerMethod::Sgd)
  {
    ForEachElement(count,
                   [&](std::int64_t i)
                   {
                     const double slope = static_cast<double>(g[i]) + coupledDecay * static_cast<double>(w[i]);
                     // PyTorch starts the momentum with the first gradient.
                     const double velocity = m_Options.momentum * static_cast<double>(first[i]) + slope;
                     first[i] = static_cast<float>(velocity);
                     const double step = m_Options.nesterov ? slope + m_Options.momentum * velocity : velocity;
                     to[i] = static_cast<float>(static_cast<double>(w[i]) - learningRate * step);
                   });
    return;
  }
  float * second = slot.second.GetData<float>();
  const auto steps = static_cast<double>(slot.steps);
  // Factors, for divisions take long.
  const double correction1 = 1 / (1 - std::pow(m_Options.beta1, steps));
  const double correction2 = 1 / (1 - std::pow(m_Options.beta2, steps));
  const auto update = [&](std::int64_t i)
  {
    const double slope = static_cast<double>(g[i]) + coupledDecay * static_cast<double>(w[i]);
    const double mean = m_Options.beta1 * static_cast<double>(first[i]) + (1 - m_Options.beta1) * slope;
    const double square = m_Options.beta2 * static_cast<double>(second[i]) + (1 - m_Options.beta2) * slope * slope;
    first[i] = static_cast<float>(mean);
    second[i] = static_cast<float>(square);
    return mean * correction1 / (std::sqrt(square * correction2) + m_Options.epsilon);
  };
  if (m_Options.method != OptimizerMethod::Lamb)
  {
    const double kept = isCoupled ? 1 : 1 - learningRate * m_Options.weightDecay;
    ForEachElement(count,
                   [&](std::int64_t i)
                   { to[i] = static_cast<float>(kept * static_cast<double>(w[i]) - learningRate * update(i)); });
    return;
  }
  std::vector<double> steps2(static_cast<std::size_t>(count));
  std::vector<double> values(static_cast<std::size_t>(count));
  ForEachElement(count,
                 [&](std::int64_t i)
                 {
                   const auto k = static_cast<std::size_t>(i);
                   values[k] = static_cast<double>(w[i]);
                   steps2[k] = update(i) + m_Options.weightDecay * values[k];
                 });
  const double weightNorm = Norm(values);
  const double stepNorm = Norm(steps2);
  const bool isTrusted = m_Options.weightDecay != 0 && weightNorm != 0 && stepNorm != 0;
  const double rate = learningRate * (isTrusted ? weightNorm / stepNorm : 1);
  ForEachElement(count,
                 [&](std::int64_t i)
                 {
                   const auto k = static_cast<std::size_t>(i);
                   to[i] = static_cast<float>(values[k] - rate * steps2[k]);
                 });
}

StateDict
Optimizer::GetState() const
{
  StateDict state;
  for (const auto & [name, slot] : m_Slots)
  {
    state.Add(firstPrefix + name, slot.first);
    if (slot.second.IsDefined())
    {
      state.Add(secondPrefix + name, slot.second);
    }
    state.Add(stepPrefix + name, Tensor::FromVector<std::int64_t>({ 1 }, { slot.steps }));
  }
  return state;
}

void
Optimizer::SetState(const StateDict & state)
{
  std::map<std::string, Slot> slots;
  for (const auto & [name, tensor] : state)
  {
    const auto strip = [&, &entry = name](const std::string & prefix)
    { return entry.compare(0, prefix.size(), prefix) == 0 ? entry.substr(prefix.size()) : std::string(); };
    const std::string first = strip(firstPrefix);
    const std::string second = strip(secondPrefix);
    const std::string step = strip(stepPrefix);
    // Clones: steps change the moments in place.
    if (!first.empty())
    {
      slots[first].first = ToFloats(tensor).Clone();
    }
    else if (!second.empty() && HasSecondMoments(m_Options))
    {
      slots[second].second = ToFloats(tensor).Clone();
    }
    else if (!step.empty() && tensor.GetNumberOfElements() == 1)
    {
      slots[step].steps = tensor.ToVector<std::int64_t>()[0];
    }
    else
    {
      itkNNThrowMacro("The optimizer's state has '" << name << "', which is none of " << ToString(m_Options.method));
    }
  }
  for (const auto & [name, slot] : slots)
  {
    const bool isComplete =
      slot.first.IsDefined() && slot.steps > 0 &&
      (!HasSecondMoments(m_Options) || (slot.second.IsDefined() && slot.second.GetShape() == slot.first.GetShape()));
    itkNNRequireMacro(isComplete, "The optimizer's state of '" << name << "' is not complete");
  }
  m_Slots = std::move(slots);
}

double
ComputeGlobalNorm(const TensorMap & tensors)
{
  double sum = 0;
  for (const auto & entry : tensors)
  {
    // In this thread: the order of a sum is part of its value.
    const Tensor floats = ToFloats(entry.second);
    const float * values = floats.GetData<float>();
    double own = 0;
    for (std::int64_t i = 0; i < floats.GetNumberOfElements(); ++i)
    {
      own += static_cast<double>(values[i]) * static_cast<double>(values[i]);
    }
    sum += own;
  }
  return std::sqrt(sum);
}

double
ClipGlobalNorm(TensorMap & gradients, double norm)
{
  itkNNRequireMacro(norm > 0, "The gradients' largest norm should be above 0, is " << norm);
  const double had = ComputeGlobalNorm(gradients);
  if (had > norm)
  {
    TensorMap scaled;
    Accumulate(scaled, gradients, norm / had);
    gradients = std::move(scaled);
  }
  return had;
}

void
Accumulate(TensorMap & sum, const TensorMap & terms, double factor)
{
  const bool isNew = sum.empty();
  for (const auto & [name, term] : terms)
  {
    const Tensor floats = ToFloats(term);
    auto found = sum.find(name);
    if (isNew)
    {
      found = sum.emplace(name, Tensor::Zeros(floats.GetShape())).first;
    }
    itkNNRequireMacro(found != sum.end() && found->second.GetShape() == floats.GetShape(),
                      "Cannot add '" << name << "' " << nn::ToString(floats.GetShape())
                                     << ": the sum has none of that name and shape");
    float * to = found->second.GetData<float>();
    const float * from = floats.GetData<float>();
    ForEachElement(floats.GetNumberOfElements(),
                   [&](std::int64_t i)
                   { to[i] = static_cast<float>(static_cast<double>(to[i]) + factor * static_cast<double>(from[i])); });
  }
}

AverageStart
ParseAverageStart(const std::string & name)
{
  return ParseEnum<AverageStart>(startNames, name, "start of an average");
}

double
ComputeAverageDecay(double decay, std::int64_t step, AverageStart start)
{
  const auto steps = static_cast<double>(step + 1);
  return std::min(decay, start == AverageStart::Ramp ? steps / (steps + 10) : (steps - 1) / steps);
}

void
UpdateAverage(StateDict & average, const StateDict & weights, double decay)
{
  itkNNRequireMacro(decay >= 0 && decay <= 1, "The average's decay should be in [0, 1], is " << decay);
  for (const auto & [name, weight] : weights)
  {
    const Tensor floats = ToFloats(weight);
    if (!average.Has(name))
    {
      average.Add(name, floats.Clone());
      continue;
    }
    const Tensor old = average.Get(name);
    itkNNRequireMacro(old.GetShape() == floats.GetShape(),
                      "The average of '" << name << "' has shape " << nn::ToString(old.GetShape()) << ", the weight "
                                         << nn::ToString(floats.GetShape()));
    Tensor updated(floats.GetShape());
    const float * a = old.GetData<float>();
    const float * b = floats.GetData<float>();
    float * to = updated.GetData<float>();
    ForEachElement(
      floats.GetNumberOfElements(),
      [&](std::int64_t i)
      { to[i] = static_cast<float>(decay * static_cast<double>(a[i]) + (1 - decay) * static_cast<double>(b[i])); });
    average.Set(name, updated);
  }
}
} // namespace nn
} // namespace itk
