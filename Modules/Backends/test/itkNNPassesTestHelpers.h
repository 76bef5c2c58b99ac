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
#ifndef itkNNPassesTestHelpers_h
#define itkNNPassesTestHelpers_h

#include "itkNNBackendsTestHelpers.h"
#include "itkNNGraphTestHelpers.h"
#include "itkNNPasses.h"

#include <functional>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
namespace test
{
inline TensorMap
RunOracle(const Graph & graph, const StateDict & weights, const TensorMap & inputs)
{
  RegisterBackends();
  return ExecutionPlan::Compile(graph, weights, OracleOptions())->Run(inputs);
}

using Pass = std::function<Graph(const Graph &)>;

/** A rewritten graph has the inputs and outputs of the original, and its outputs
 * have the expected values. */
inline void
CheckResult(const Graph & result,
            const Graph & graph,
            const StateDict & weights,
            const TensorMap & inputs,
            const TensorMap & expected,
            double tolerance)
{
  ASSERT_EQ(result.GetOutputs().size(), graph.GetOutputs().size());
  ASSERT_EQ(result.GetValuesOfKind(Graph::ValueKind::Input).size(),
            graph.GetValuesOfKind(Graph::ValueKind::Input).size());
  const TensorMap outputs = RunOracle(result, weights, inputs);
  for (const auto & output : expected)
  {
    EXPECT_TRUE(IsClose(outputs.at(output.first), output.second, tolerance)) << graph.ToText() << "became\n"
                                                                             << result.ToText();
  }
}

inline void
CheckPass(
  const Pass & pass, const Graph & graph, const StateDict & weights, const TensorMap & inputs, double tolerance = 1e-13)
{
  CheckResult(pass(graph), graph, weights, inputs, RunOracle(graph, weights, inputs), tolerance);
}

/** A graph with its weights and inputs, for tests that write it down. */
struct SmallGraph
{
  ValueId Input(const std::string & name, const Shape & shape)
  {
    inputs[name] = RandomValues(shape, ++m_Seed);
    return graph.AddInput(name, shape);
  }

  ValueId Parameter(const std::string & name, const Shape & shape, double low = -1, double high = 1)
  {
    weights.Add(name, RandomValues(shape, ++m_Seed, low, high).To(DataType::Float32));
    return graph.AddParameter(name, shape);
  }

  /** A convolution with parameters of its own. */
  ValueId Convolve(ValueId src, std::int64_t channels, const Shape & kernel, bool hasBias, Convolution op = {})
  {
    const std::string name = "c" + std::to_string(++m_Convolutions);
    const Shape & shape = graph.GetShape(src);
    Shape weightShape{ channels, shape[shape.size() - kernel.size() - 1] / op.groups };
    weightShape.insert(weightShape.end(), kernel.begin(), kernel.end());
    const ValueId w = this->Parameter(name + ".w", weightShape);
    const auto b = hasBias ? std::optional<ValueId>(this->Parameter(name + ".b", { channels })) : std::nullopt;
    return graph.Convolve(src, w, b, std::move(op), name);
  }

  /** The pass keeps the values; returns its result. */
  Graph Check(const Pass & pass, double tolerance = 1e-12) const
  {
    CheckPass(pass, graph, weights, inputs, tolerance);
    return pass(graph);
  }

  /** The pass leaves the graph as it is. */
  void ExpectRefused(const Pass & pass) const
  {
    EXPECT_EQ(pass(graph).ToText(), RemoveDeadNodes(graph).ToText());
  }

  Graph graph;
  StateDict weights;
  TensorMap inputs;

private:
  std::uint32_t m_Seed = 0;
  int m_Convolutions = 0;
};

/** A random graph of the operators that the rewriting passes know, over
 * [batch, support, channels, spatial...] with parts that broadcast. */
struct RandomLinearGraph
{
  explicit RandomLinearGraph(std::uint32_t seed)
    : m_Engine(seed)
  {
    m_Rank = m_Engine() % 4 == 0 ? 1 + 2 * (m_Engine() % 2) : 2;
    const std::int64_t batch = 1 + Below(2);
    const std::int64_t supports = 3 + Below(2);
    Shape spatial;
    for (std::size_t d = 0; d < m_Rank; ++d)
    {
      spatial.push_back(m_Rank == 3 ? 5 + Below(3) : Below(4) == 0 ? 18 + Below(8) : 6 + Below(9));
    }
    this->AddInput("target", batch, 1, spatial);
    this->AddInput("support", batch, supports, spatial);
    this->AddInput("shared", 1, supports, spatial);
    const int count = 5 + static_cast<int>(Below(6));
    for (int i = 0; i < count; ++i)
    {
      this->AddOne();
    }
    graph.AddOutput("last", m_Values.back());
    if (Below(2) == 0)
    {
      graph.AddOutput("other", this->Any());
    }
  }

  Graph graph;
  StateDict weights;
  TensorMap inputs;
  std::vector<std::string> staticInputs{ "support", "shared" };

private:
  static constexpr std::size_t channelAxis = 2;

  std::int64_t Below(int n)
  {
    return static_cast<std::int64_t>(m_Engine() % static_cast<std::uint32_t>(n));
  }

  ValueId Any()
  {
    return m_Values[static_cast<std::size_t>(Below(static_cast<int>(m_Values.size())))];
  }

  /** Mostly the newest, so that chains form. */
  ValueId Pick()
  {
    return Below(3) > 0 ? m_Values.back() : this->Any();
  }

  Shape Spatial(ValueId id) const
  {
    const Shape & shape = graph.GetShape(id);
    return Shape(shape.begin() + channelAxis + 1, shape.end());
  }

  void Push(ValueId id)
  {
    m_Values.push_back(id);
  }

  void AddInput(const std::string & name, std::int64_t batch, std::int64_t supports, const Shape & spatial)
  {
    Shape shape{ batch, supports, 1 + Below(3) };
    shape.insert(shape.end(), spatial.begin(), spatial.end());
    this->Push(graph.AddInput(name, shape));
    inputs[name] = RandomValues(shape, m_Engine());
  }

  ValueId NewParameter(const Shape & shape, double low, double high)
  {
    const std::string name = "p" + std::to_string(weights.GetSize());
    weights.Add(name, RandomValues(shape, m_Engine(), low, high).To(DataType::Float32));
    return graph.AddParameter(name, shape);
  }

  /** A convolution that fits, sometimes with another padding at the end. */
  ValueId Convolve(ValueId src, std::int64_t channels)
  {
    const Shape & shape = graph.GetShape(src);
    const std::int64_t groups = Below(8) == 0 && shape[channelAxis] % 2 == 0 && channels % 2 == 0 ? 2 : 1;
    Shape weightShape{ channels, shape[channelAxis] / groups };
    Convolution op;
    op.groups = groups;
    const std::int64_t usual = 1 + 2 * Below(m_Rank == 1 ? 3 : 2);
    for (std::size_t d = 0; d < m_Rank; ++d)
    {
      const std::int64_t extent = shape[channelAxis + 1 + d];
      const std::int64_t kernel = Below(4) == 0 ? 1 + 2 * Below(3) : usual;
      const bool isSame = extent < kernel || Below(3) > 0;
      op.padding.push_back(isSame ? kernel / 2 : Below(static_cast<int>(kernel)));
      op.paddingEnd.push_back(isSame ? kernel / 2 : Below(static_cast<int>(kernel)));
      op.stride.push_back(Below(24) == 0 ? 2 : 1);
      op.dilation.push_back(1);
      weightShape.push_back(kernel);
    }
    const std::int64_t terms = NumberOfElements(weightShape) / channels;
    const double scale = 1.5 / std::sqrt(static_cast<double>(terms));
    const ValueId w = this->NewParameter(weightShape, -scale, scale);
    return Below(2) == 0 ? graph.Convolve(src, w, this->NewParameter({ channels }, -0.5, 0.5), op)
                         : graph.Convolve(src, w, std::nullopt, op);
  }

  std::int64_t FewChannels()
  {
    static constexpr std::int64_t channels[] = { 1, 2, 3, 4, 6, 8 };
    return channels[Below(6)];
  }

  Shape PerChannel(ValueId id)
  {
    Shape shape{ graph.GetShape(id)[channelAxis] };
    shape.resize(1 + m_Rank, 1);
    if (Below(3) == 0)
    {
      shape.insert(shape.begin(), 1);
    }
    return shape;
  }

  /** Values with the same spatial extents. */
  std::vector<ValueId> Fitting(ValueId id, bool alsoChannels)
  {
    std::vector<ValueId> fitting;
    for (const auto value : m_Values)
    {
      const bool channels = graph.GetShape(value)[channelAxis] == graph.GetShape(id)[channelAxis];
      if (this->Spatial(value) == this->Spatial(id) && (channels || !alsoChannels))
      {
        fitting.push_back(value);
      }
    }
    return fitting;
  }

  void AddOne()
  {
    const ValueId src = this->Pick();
    const Shape shape = graph.GetShape(src);
    switch (Below(18))
    {
      case 0:
        this->Push(this->Convolve(src, this->FewChannels()));
        return;
      case 1:
      case 2:
      {
        // Few channels, many, few: composing saves work.
        const ValueId middle = this->Convolve(src, 16 + 8 * Below(2));
        this->Push(this->Convolve(middle, this->FewChannels()));
        if (Below(6) == 0)
        {
          graph.AddOutput("middle" + std::to_string(middle), middle);
        }
        return;
      }
      case 3:
      {
        static constexpr UnaryFunction functions[] = {
          UnaryFunction::Relu, UnaryFunction::LeakyRelu, UnaryFunction::Tanh, UnaryFunction::Sigmoid, UnaryFunction::Abs
        };
        this->Push(graph.Apply(functions[Below(5)], src, 0.01));
        return;
      }
      case 4:
      case 5:
      case 6:
      {
        // Often of different batch extents, often convolved.
        std::vector<ValueId> parts{ src };
        for (const auto value : this->Fitting(src, false))
        {
          if (parts.size() < 4 && graph.GetShape(value)[channelAxis] <= 8 && Below(3) > 0)
          {
            parts.push_back(value);
          }
        }
        const ValueId whole = graph.Concatenate(parts, static_cast<int>(channelAxis));
        this->Push(Below(3) > 0 ? this->Convolve(whole, this->FewChannels()) : whole);
        return;
      }
      case 7:
      {
        static const std::vector<int> axes[] = { { 0, 1 }, { 0 }, { 1 }, { 1 }, { 1 } };
        const ReductionFunction function = Below(3) == 0 ? ReductionFunction::Sum : ReductionFunction::Mean;
        const ValueId linear = Below(3) > 0 ? this->Convolve(src, this->FewChannels()) : src;
        this->Push(graph.Reduce(Below(8) == 0 ? ReductionFunction::Maximum : function, linear, axes[Below(5)]));
        return;
      }
      case 8:
      case 9:
      {
        Interpolation op;
        op.mode = Below(2) == 0 ? InterpolationMode::Linear : InterpolationMode::Nearest;
        op.alignCorners = Below(2) == 0;
        for (const auto extent : this->Spatial(src))
        {
          const bool grows = extent < (m_Rank == 3 ? 6 : 13);
          op.size.push_back(Below(8) == 0 ? extent : grows ? 2 * extent : (extent + 1) / 2);
        }
        ValueId coarse = src;
        if (shape[channelAxis] < 8 && Below(4) > 0)
        {
          coarse = graph.Apply(UnaryFunction::Tanh, this->Convolve(src, 8 + 4 * Below(3)));
          const Shape spatial = this->Spatial(coarse);
          for (std::size_t d = 0; d < m_Rank; ++d)
          {
            op.size[d] = std::max(op.size[d], 2 * spatial[d] - Below(2));
          }
        }
        const ValueId fine = graph.Add(op, { coarse });
        this->Push(Below(3) > 0 ? this->Convolve(fine, this->FewChannels()) : fine);
        return;
      }
      case 10:
      {
        // A scale and an offset of each channel.
        const ValueId conv = this->Convolve(src, this->FewChannels());
        static constexpr BinaryFunction functions[] = {
          BinaryFunction::Add, BinaryFunction::Subtract, BinaryFunction::Multiply, BinaryFunction::Divide
        };
        ValueId value = conv;
        for (std::int64_t i = 0; i <= Below(2); ++i)
        {
          const BinaryFunction function = functions[Below(4)];
          const ValueId operand = this->NewParameter(this->PerChannel(conv), 0.5, 1.5);
          const bool exchanged = function != BinaryFunction::Divide && Below(3) == 0;
          value = exchanged ? graph.Combine(function, operand, value) : graph.Combine(function, value, operand);
        }
        this->Push(value);
        return;
      }
      case 11:
      {
        Broadcast op{ shape };
        for (std::size_t i = 0; i < 2; ++i)
        {
          op.shape[i] = Below(2) == 0 ? graph.GetShape(m_Values[1])[i] : shape[i];
        }
        const ValueId wide = graph.Add(op, { src });
        this->Push(Below(2) == 0 ? this->Convolve(wide, this->FewChannels()) : wide);
        return;
      }
      case 12:
        this->Push(Below(2) == 0 ? graph.Apply(UnaryFunction::Negate, src)
                                 : graph.Apply(UnaryFunction::Linear, src, 0.75, Below(2) == 0 ? 0 : 0.25));
        return;
      case 13:
      {
        Pooling op;
        op.function = Below(4) == 0 ? PoolingFunction::Maximum : PoolingFunction::Average;
        for (const auto extent : this->Spatial(src))
        {
          op.kernel.push_back(std::min<std::int64_t>(extent, 2 + Below(2)));
          op.padding.push_back(std::min(Below(2), op.kernel.back() / 2));
          op.stride.push_back(1 + Below(2));
        }
        op.includePadding = Below(2) == 0;
        this->Push(graph.Add(op, { src }));
        return;
      }
      case 14:
      {
        // The other operand is often of other batch extents.
        const auto fitting = this->Fitting(src, true);
        const ValueId other = fitting[static_cast<std::size_t>(Below(static_cast<int>(fitting.size())))];
        const ValueId sum = graph.Combine(Below(3) == 0 ? BinaryFunction::Subtract : BinaryFunction::Add, src, other);
        this->Push(Below(2) == 0 ? this->Convolve(sum, this->FewChannels()) : sum);
        return;
      }
      case 15:
      {
        // Both are repeated.
        const Shape & target = graph.GetShape(m_Values[0]);
        ValueId other = m_Values[2];
        if (target[channelAxis] != graph.GetShape(other)[channelAxis])
        {
          Shape weightShape{ target[channelAxis], graph.GetShape(other)[channelAxis] };
          weightShape.resize(2 + m_Rank, 1);
          other = graph.Convolve(other, this->NewParameter(weightShape, -1, 1), std::nullopt, {});
        }
        this->Push(this->Convolve(graph.Combine(BinaryFunction::Add, m_Values[0], other), this->FewChannels()));
        return;
      }
      case 16:
      {
        const ValueId inner = graph.Concatenate({ src, src }, static_cast<int>(channelAxis));
        if (shape[channelAxis] <= 6)
        {
          this->Push(graph.Concatenate({ this->Fitting(src, false).front(), inner }, static_cast<int>(channelAxis)));
        }
        return;
      }
      default:
      {
        // Nodes that do nothing, and nodes twice.
        Slice slice;
        slice.begin.assign(shape.size(), 0);
        slice.end = shape;
        const ValueId same = Below(2) == 0 ? graph.Add(slice, { src }) : graph.Add(Reshape{ shape }, { src });
        const ValueId mean = graph.Reduce(ReductionFunction::Mean, src, { 1 });
        const ValueId again = graph.Reduce(ReductionFunction::Mean, src, { 1 });
        this->Push(graph.Combine(BinaryFunction::Add, mean, graph.Combine(BinaryFunction::Subtract, same, again)));
        return;
      }
    }
  }

  std::mt19937 m_Engine;
  std::size_t m_Rank = 2;
  std::vector<ValueId> m_Values;
};
} // namespace test
} // namespace nn
} // namespace itk

#endif
