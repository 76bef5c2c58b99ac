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
#ifndef itkNNBackendsTestHelpers_h
#define itkNNBackendsTestHelpers_h

#include "itkNNTestHelpers.h"
#include "itkNNTestTargets.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>
#include <sstream>

namespace itk
{
namespace nn
{
namespace test
{
/** Values that float32 represents, so that both precisions start from the same. */
inline Tensor
RandomValues(const Shape & shape, std::uint32_t seed, double low = -1, double high = 1)
{
  return RandomTensor(shape, seed, low, high).To(DataType::Float32).To(DataType::Float64);
}

inline PlanOptions
OracleOptions()
{
  return OptionsOf({ "reference", DataType::Float64 }, 1, false);
}

/** Run a kernel on tensors of the host; of a device, on copies of them. */
inline void
ExecuteKernel(const Kernel & kernel,
              const std::vector<Tensor> & inputs,
              Tensor & output,
              DeviceMemory * device = nullptr)
{
  KernelArguments arguments;
  if (device == nullptr)
  {
    for (const auto & input : inputs)
    {
      arguments.inputs.push_back(input.GetRawData());
    }
    const auto scratch = AllocateAligned(kernel.GetScratchBytes());
    arguments.output = output.GetRawData();
    arguments.scratch = scratch.get();
    kernel.Execute(arguments);
    return;
  }
  std::vector<std::shared_ptr<void>> memory;
  for (const auto & input : inputs)
  {
    memory.push_back(device->Upload(input.GetRawData(), input.GetNumberOfBytes()));
    arguments.inputs.push_back(memory.back().get());
  }
  const auto result = device->Upload(output.GetRawData(), output.GetNumberOfBytes());
  const auto scratch = device->Allocate(kernel.GetScratchBytes());
  const auto stream = device->MakeStream();
  arguments.output = result.get();
  arguments.scratch = scratch.get();
  arguments.stream = stream.get();
  kernel.Execute(arguments);
  stream->CopyToHost(output.GetRawData(), result.get(), output.GetNumberOfBytes());
  stream->Wait();
}

/** What ran, for failure messages. */
inline std::string
StepsOf(const ExecutionPlan & plan)
{
  std::ostringstream out;
  for (const auto & step : plan.GetSteps())
  {
    out << "\n  " << step.implementation << ' ' << step.operatorName << " '" << step.name << "' "
        << ToString(step.outputShape) << ' ' << step.outputLayout.ToText() << ' ' << step.description;
    for (const auto & reason : step.skipped)
    {
      out << "\n    passed over " << reason;
    }
  }
  return out.str();
}

/** Elements agree within tolerance * max(1, magnitude), the magnitude being an
 * element of a tensor, or the expected element where the tensor is undefined.
 * Infinities and NaNs have to be the same. */
inline ::testing::AssertionResult
IsClose(const Tensor & result, const Tensor & expected, double tolerance, const Tensor & magnitude = Tensor())
{
  if (result.GetShape() != expected.GetShape())
  {
    return ::testing::AssertionFailure() << "shape " << ToString(result.GetShape()) << " instead of "
                                         << ToString(expected.GetShape());
  }
  const auto values = result.ToVector<double>();
  const auto wanted = expected.ToVector<double>();
  const auto scale = magnitude.IsDefined() ? magnitude.ToVector<double>() : wanted;
  for (std::size_t i = 0; i < values.size(); ++i)
  {
    const bool bothNan = std::isnan(values[i]) && std::isnan(wanted[i]);
    const double allowed = std::isfinite(scale[i]) ? tolerance * std::max(1.0, std::abs(scale[i])) : 0;
    if (!bothNan && values[i] != wanted[i] && !(std::abs(values[i] - wanted[i]) <= allowed))
    {
      return ::testing::AssertionFailure()
          << "element " << i << " of shape " << ToString(result.GetShape()) << " is " << values[i] << " instead of "
          << wanted[i] << ", off by " << values[i] - wanted[i] << ", allowed " << allowed;
    }
  }
  return ::testing::AssertionSuccess();
}

/** The same elements in other memory: axes in reverse order. */
inline Tensor
Strided(const Tensor & tensor)
{
  std::vector<int> reverse(static_cast<std::size_t>(tensor.GetRank()));
  for (int i = 0; i < tensor.GetRank(); ++i)
  {
    reverse[static_cast<std::size_t>(i)] = tensor.GetRank() - 1 - i;
  }
  return tensor.Permute(reverse).Clone().Permute(reverse);
}

/** A random graph of image operators with its weights and inputs. */
struct RandomGraph
{
  explicit RandomGraph(std::uint32_t seed)
    : m_Engine(seed)
  {
    const Shape shape{ 2, Below(3) == 0 ? 8 : 1 + Below(17), 6 + Below(5), 6 + Below(5) };
    m_Values.push_back(graph.AddInput("x", shape));
    inputs["x"] = RandomValues(shape, seed);
    const int count = 4 + static_cast<int>(Below(8));
    for (int i = 0; i < count; ++i)
    {
      this->AddOne();
    }
    graph.AddOutput("last", m_Values.back());
    graph.AddOutput("other", m_Values[static_cast<std::size_t>(Below(static_cast<int>(m_Values.size())))]);
  }

  Graph graph;
  StateDict weights;
  TensorMap inputs;

private:
  std::int64_t Below(int n)
  {
    return static_cast<std::int64_t>(m_Engine() % static_cast<std::uint32_t>(n));
  }

  ValueId Pick()
  {
    // Mostly the newest, so that chains form.
    return Below(3) > 0 ? m_Values.back()
                        : m_Values[static_cast<std::size_t>(Below(static_cast<int>(m_Values.size())))];
  }

  ValueId NewParameter(const Shape & shape)
  {
    const std::string name = "p" + std::to_string(weights.GetSize());
    const std::int64_t terms = shape.size() < 2 ? 9 : NumberOfElements(shape) / shape[0];
    const double scale = 1.5 / std::sqrt(static_cast<double>(terms));
    weights.Add(name, RandomValues(shape, m_Engine(), -scale, scale).To(DataType::Float32));
    return graph.AddParameter(name, shape);
  }

  void AddOne()
  {
    const ValueId src = this->Pick();
    const Shape shape = graph.GetShape(src);
    switch (Below(9))
    {
      case 0:
      case 1:
      case 2:
      {
        static constexpr std::int64_t channels[] = { 1, 3, 8, 9, 16, 24 };
        const std::int64_t out = channels[Below(6)];
        const std::int64_t kernel = Below(2) == 0 ? 3 : 1;
        Convolution op;
        op.padding = { kernel / 2 };
        const ValueId w = this->NewParameter({ out, shape[1], kernel, kernel });
        m_Values.push_back(Below(2) == 0 ? graph.Convolve(src, w, this->NewParameter({ out }), op)
                                         : graph.Convolve(src, w, {}, op));
        return;
      }
      case 3:
      {
        static constexpr UnaryFunction functions[] = {
          UnaryFunction::Relu, UnaryFunction::LeakyRelu, UnaryFunction::Tanh, UnaryFunction::Sigmoid, UnaryFunction::Abs
        };
        m_Values.push_back(graph.Apply(functions[Below(5)], src, 0.01));
        return;
      }
      case 4:
      {
        const ValueId other = this->Pick();
        const bool same = graph.GetShape(other) == shape;
        m_Values.push_back(graph.Combine(
          Below(2) == 0 ? BinaryFunction::Add : BinaryFunction::Maximum,
          src,
          same ? other : graph.AddConstant(RandomValues({ shape[1], 1, 1 }, m_Engine()).To(DataType::Float32))));
        return;
      }
      case 5:
      {
        std::vector<ValueId> parts{ src };
        for (const auto value : m_Values)
        {
          const Shape & other = graph.GetShape(value);
          if (Shape(other.begin() + 2, other.end()) == Shape(shape.begin() + 2, shape.end()) && parts.size() < 4)
          {
            parts.push_back(value);
          }
        }
        m_Values.push_back(graph.Concatenate(parts, 1));
        return;
      }
      case 6:
      {
        Pooling op;
        op.kernel = { 2, 2 };
        op.function = Below(2) == 0 ? PoolingFunction::Maximum : PoolingFunction::Average;
        if (shape[2] >= 2 && shape[3] >= 2)
        {
          m_Values.push_back(graph.Add(op, { src }));
        }
        return;
      }
      case 7:
      {
        Interpolation op;
        op.size = { 3 + Below(8), 3 + Below(8) };
        op.alignCorners = Below(2) == 0;
        m_Values.push_back(graph.Add(op, { src }));
        return;
      }
      default:
      {
        const ValueId mean = graph.Reduce(ReductionFunction::Mean, src, { static_cast<int>(Below(2)) * 3 }, true);
        m_Values.push_back(graph.Combine(BinaryFunction::Subtract, src, mean));
        return;
      }
    }
  }

  std::mt19937 m_Engine;
  std::vector<ValueId> m_Values;
};
} // namespace test
} // namespace nn
} // namespace itk

#endif
