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
#include "itkNNDeviceOptimizer.h"

#include "itkNNTestHelpers.h"
#include "itkNNTestTargets.h"

#include <cmath>
#include <limits>

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
const std::vector<std::pair<std::string, Shape>> shapes{ { "kernel", { 3, 2, 5 } },
                                                         { "bias", { 3 } },
                                                         { "zero", { 4 } } };

StateDict
MakeTensors(std::uint32_t seed)
{
  StateDict tensors;
  for (const auto & [name, shape] : shapes)
  {
    tensors.Add(name, name == "zero" ? Tensor::Zeros(shape) : RandomTensor(shape, seed++, -1, 1).To(DataType::Float32));
  }
  return tensors;
}

TensorMap
ToMap(const StateDict & tensors)
{
  return { tensors.begin(), tensors.end() };
}

DeviceOptimizerOptions
MakeOptions(const Target & target, OptimizerMethod method, double weightDecay = 0.1)
{
  DeviceOptimizerOptions options;
  options.optimizer.method = method;
  options.optimizer.weightDecay = weightDecay;
  options.clipNorm = 1.5;
  options.keepsAverage = true;
  options.plan = OptionsOf(target);
  return options;
}

/** The same steps on the host, in double. */
struct HostSteps
{
  explicit HostSteps(const DeviceOptimizerOptions & given)
    : options(given)
    , optimizer(given.optimizer)
    , weights(MakeTensors(1))
  {
    average = weights;
  }

  double Step(TensorMap gradients, double rate, double decay)
  {
    const double norm = ClipGlobalNorm(gradients, options.clipNorm);
    optimizer.Step(weights, gradients, rate);
    UpdateAverage(average, weights, decay);
    return norm;
  }

  DeviceOptimizerOptions options;
  Optimizer optimizer;
  StateDict weights;
  StateDict average;
};

void
ExpectClose(const StateDict & result, const StateDict & expected, double tolerance, const std::string & what)
{
  for (const auto & [name, tensor] : expected)
  {
    const auto wanted = tensor.ToVector<double>();
    const auto values = result.Get(name).ToVector<double>();
    ASSERT_EQ(values.size(), wanted.size()) << what << ' ' << name;
    for (std::size_t i = 0; i < values.size(); ++i)
    {
      EXPECT_NEAR(values[i], wanted[i], tolerance * std::max(1.0, std::abs(wanted[i]))) << what << ' ' << name;
    }
  }
}
} // namespace

TEST(DeviceOptimizer, StepsAreThoseOfOptimizer)
{
  const auto parts = std::make_shared<const JoinedTensors>(shapes);
  for (const auto & target : GetTargets(DataType::Float32))
  {
    for (const auto method :
         { OptimizerMethod::Sgd, OptimizerMethod::Adam, OptimizerMethod::AdamW, OptimizerMethod::Lamb })
    {
      for (const double decay : { 0.0, 0.1 })
      {
        const std::string what = target.backend + ' ' + ToString(method) + ' ' + std::to_string(decay);
        DeviceOptimizerOptions options = MakeOptions(target, method, decay);
        options.optimizer.nesterov = decay > 0;
        HostSteps host(options);
        StateDict weights = MakeTensors(1);
        StateDict average;
        StateDict state;
        auto optimizer = std::make_unique<DeviceOptimizer>(options, parts, weights, average, state);
        for (std::uint32_t step = 0; step < 6; ++step)
        {
          if (step == 3)
          {
            // Goes on from what it said.
            optimizer->Get(weights, average, state);
            optimizer = std::make_unique<DeviceOptimizer>(options, parts, weights, average, state);
          }
          const StateDict gradients = MakeTensors(10 + step);
          // Below and above the norm that clips.
          const double factor = step % 2 == 0 ? 0.1 : 1;
          TensorMap scaled;
          Accumulate(scaled, ToMap(gradients), factor);
          const double norm = host.Step(scaled, 0.02, 0.8);
          if (step < 2)
          {
            optimizer->Add(parts->Join(gradients), factor);
          }
          else
          {
            // In two parts, as batches of a step.
            optimizer->Add(parts->Join(gradients), factor / 4);
            optimizer->Add(parts->Join(gradients), factor * 3 / 4);
          }
          EXPECT_NEAR(optimizer->Step(0.02, 0.8), norm, 1e-5 * norm) << what;
        }
        optimizer->Get(weights, average, state);
        ExpectClose(weights, host.weights, 2e-5, what);
        ExpectClose(average, host.average, 2e-5, what + " average");
        const StateDict expected = host.optimizer.GetState();
        EXPECT_EQ(state.GetSize(), expected.GetSize()) << what;
        ExpectClose(state, expected, 2e-5, what + " state");
        Optimizer goesOn(options.optimizer);
        EXPECT_NO_THROW(goesOn.SetState(state));
      }
    }
  }
}

TEST(DeviceOptimizer, WeightsAreThereInThePlansPrecision)
{
  const auto parts = std::make_shared<const JoinedTensors>(shapes);
  for (const auto & target : GetTargets(true))
  {
    DeviceOptimizer optimizer(MakeOptions(target, OptimizerMethod::Adam), parts, MakeTensors(1), {}, {});
    EXPECT_EQ(optimizer.GetOptions().clipNorm, 1.5);
    EXPECT_EQ(optimizer.GetParts().GetSize(), parts->GetSize());
    optimizer.Add(parts->Join(MakeTensors(2)), 1);
    optimizer.Step(0.1, 0.5);
    StateDict weights;
    StateDict average;
    StateDict state;
    optimizer.Get(weights, average, state);
    for (const auto & [name, view] : optimizer.GetWeights())
    {
      EXPECT_EQ(view.GetDataType(), target.precision);
      EXPECT_EQ(view.IsOnDevice(), target.device.type != Device::Type::Cpu);
      EXPECT_EQ(view.ToHost().ToVector<float>(),
                weights.Get(name).To(target.precision).To(DataType::Float32).ToVector<float>())
        << target.backend << ' ' << name;
    }
  }
}

TEST(DeviceOptimizer, NothingMovesWhenTheNormIsNotFinite)
{
  const auto parts = std::make_shared<const JoinedTensors>(shapes);
  for (const auto & target : GetTargets(DataType::Float32))
  {
    DeviceOptimizer optimizer(MakeOptions(target, OptimizerMethod::Adam), parts, MakeTensors(1), {}, {});
    StateDict gradients = MakeTensors(2);
    gradients.Set("bias", Tensor::Full({ 3 }, std::numeric_limits<double>::infinity()));
    optimizer.Add(parts->Join(gradients), 1);
    EXPECT_FALSE(std::isfinite(optimizer.Step(0.1)));
    StateDict weights;
    StateDict average;
    StateDict state;
    optimizer.Get(weights, average, state);
    ExpectClose(weights, MakeTensors(1), 0, target.backend);
    EXPECT_TRUE(state.IsEmpty());
    // What was added is forgotten, and the next step is a good one.
    EXPECT_NN_ERROR(optimizer.GetGradients(), "has no gradients");
    optimizer.Add(parts->Join(MakeTensors(2)), 0.5);
    EXPECT_EQ(optimizer.GetGradients().GetShape(), Shape{ parts->GetSize() });
    EXPECT_TRUE(std::isfinite(optimizer.Step(0.1)));
  }
}

TEST(DeviceOptimizer, Errors)
{
  const auto parts = std::make_shared<const JoinedTensors>(shapes);
  const Target target = GetTargets(DataType::Float32).front();
  const auto make = [&](const DeviceOptimizerOptions & options, const StateDict & weights, const StateDict & state)
  { return std::make_unique<DeviceOptimizer>(options, parts, weights, StateDict(), state); };
  const DeviceOptimizerOptions options = MakeOptions(target, OptimizerMethod::Adam);
  EXPECT_NN_ERROR(DeviceOptimizer(options, nullptr, MakeTensors(1), {}, {}), "needs weights that have gradients");
  EXPECT_NN_ERROR(make(options, StateDict(), {}), "'kernel'");
  DeviceOptimizerOptions wrong = options;
  wrong.clipNorm = -1;
  EXPECT_NN_ERROR(make(wrong, MakeTensors(1), {}), "should be at least 0, is -1");
  wrong = options;
  wrong.optimizer.beta1 = 1;
  EXPECT_NN_ERROR(make(wrong, MakeTensors(1), {}), "should be in [0, 1)");

  const auto optimizer = make(options, MakeTensors(1), {});
  EXPECT_NN_ERROR(optimizer->Step(0.1), "has no gradients");
  EXPECT_NN_ERROR(optimizer->GetGradients(), "has no gradients");
  EXPECT_NN_ERROR(optimizer->Add(Tensor::Zeros({ 3 }), 1), "have shape [3]; should have [");
  optimizer->Add(Tensor::Zeros({ parts->GetSize() }), 1);
  EXPECT_NN_ERROR(optimizer->Step(0.1, 2), "should be in [0, 1], is 2");
  optimizer->Add(Tensor::Zeros({ parts->GetSize() }), 1);
  optimizer->ClearGradients();
  EXPECT_NN_ERROR(optimizer->GetGradients(), "has no gradients");
  optimizer->Add(Tensor::Zeros({ parts->GetSize() }), 1);
  optimizer->Step(0.1);
  StateDict weights;
  StateDict average;
  StateDict state;
  optimizer->Get(weights, average, state);
  StateDict uneven = state;
  uneven.Set("step.bias", Tensor::FromVector<std::int64_t>({ 1 }, { 7 }));
  EXPECT_NN_ERROR(make(options, weights, uneven), "has 7 steps of 'bias' and 1 of 'kernel'");
  DeviceOptimizerOptions sgd = options;
  sgd.optimizer.method = OptimizerMethod::Sgd;
  EXPECT_NN_ERROR(make(sgd, weights, state), "which is none of sgd");
}
