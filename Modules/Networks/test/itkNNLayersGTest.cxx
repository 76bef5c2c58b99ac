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
#include "itkNNLayers.h"

#include "itkNNDifferentiation.h"
#include "itkNNExecutionPlan.h"
#include "itkNNRegisterBackends.h"
#include "itkNNTestHelpers.h"

#include <array>
#include <cmath>
#include <functional>
#include <map>

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
/** A layer as a graph with the sum of its weighted results as loss. */
class LayerCheck
{
public:
  using Build = std::function<ValueId(Graph &, const std::vector<ValueId> &)>;

  LayerCheck(const std::vector<Shape> & shapes, const Build & build, double low = -1)
  {
    RegisterBackends();
    std::vector<ValueId> ids;
    for (std::size_t i = 0; i < shapes.size(); ++i)
    {
      const std::string name = "x" + std::to_string(i);
      ids.push_back(m_Graph.AddInput(name, shapes[i]));
      inputs[name] = RandomTensor(shapes[i], static_cast<std::uint32_t>(i + 1), low, 1);
      m_Names.push_back(name);
    }
    const ValueId y = build(m_Graph, ids);
    const Shape shape = m_Graph.GetShape(y);
    m_Graph.AddOutput("y", y);
    inputs["weights"] = RandomTensor(shape, 77);
    const ValueId weighted = m_Graph.Combine(BinaryFunction::Multiply, y, m_Graph.AddInput("weights", shape));
    m_Graph.AddOutput("loss", m_Graph.Reduce(ReductionFunction::Sum, weighted, {}, false));
  }

  TensorMap Run(const Graph & graph, const TensorMap & values, DataType precision = DataType::Float64) const
  {
    PlanOptions options;
    options.precision = precision;
    options.threads = 2;
    return ExecutionPlan::Compile(graph, {}, options)->Run(values);
  }

  Tensor GetResult() const
  {
    return this->Run(m_Graph, inputs).at("y");
  }

  /** Gradients against differences in float64, and those of float32 against them. */
  void CheckGradients() const
  {
    DifferentiationOptions options;
    options.withRespectTo = m_Names;
    const Graph graph = Differentiate(m_Graph, "loss", options).graph;
    const TensorMap gradients = this->Run(graph, inputs);
    const TensorMap inSingle = this->Run(graph, inputs, DataType::Float32);
    for (const auto & name : m_Names)
    {
      const auto values = gradients.at(GetGradientName(name)).ToVector<double>();
      const auto single = inSingle.at(GetGradientName(name)).ToVector<double>();
      for (std::size_t e = 0; e < values.size(); ++e)
      {
        EXPECT_NEAR(single[e], values[e], 1e-4 * std::max(1.0, std::abs(values[e]))) << name << ' ' << e;
      }
      for (std::size_t e = 0; e < values.size(); e += std::max<std::size_t>(1, values.size() / 7))
      {
        double losses[2];
        for (int side = 0; side < 2; ++side)
        {
          TensorMap moved = inputs;
          moved[name] = moved[name].Clone();
          moved[name].GetData<double>()[e] += side == 0 ? -1e-5 : 1e-5;
          losses[side] = this->Run(m_Graph, moved).at("loss").ToVector<double>()[0];
        }
        EXPECT_NEAR(values[e], (losses[1] - losses[0]) / 2e-5, 1e-6) << name << ' ' << e;
      }
    }
  }

  TensorMap inputs;

private:
  Graph m_Graph;
  std::vector<std::string> m_Names;
};

/** Mean 0 and variance 1 for each set of elements that f gives the same number. */
void
ExpectNormalized(const Tensor & y, const std::function<int(std::size_t)> & groupOf)
{
  const auto values = y.ToVector<double>();
  std::map<int, std::array<double, 3>> sums;
  for (std::size_t i = 0; i < values.size(); ++i)
  {
    auto & sum = sums[groupOf(i)];
    sum[0] += 1;
    sum[1] += values[i];
    sum[2] += values[i] * values[i];
  }
  for (const auto & entry : sums)
  {
    EXPECT_NEAR(entry.second[1] / entry.second[0], 0, 1e-10);
    EXPECT_NEAR(entry.second[2] / entry.second[0], 1, 1e-3);
  }
}
} // namespace

TEST(Layers, InstanceNormalization)
{
  const auto build = [](Graph & graph, const std::vector<ValueId> & x)
  { return AddInstanceNormalization(graph, x[0], 2); };
  const LayerCheck check({ { 2, 3, 4, 5 } }, build);
  ExpectNormalized(check.GetResult(), [](std::size_t i) { return static_cast<int>(i / 20); });
  check.CheckGradients();
  LayerCheck({ { 1, 3, 2, 4, 3 }, { 3 }, { 3 } },
             [](Graph & graph, const std::vector<ValueId> & x)
             { return AddInstanceNormalization(graph, x[0], 3, { x[1], x[2] }); })
    .CheckGradients();
}

TEST(Layers, GroupNormalization)
{
  const auto build = [](Graph & graph, const std::vector<ValueId> & x)
  { return AddGroupNormalization(graph, x[0], 2, 2); };
  const LayerCheck check({ { 2, 6, 2, 5 } }, build);
  ExpectNormalized(check.GetResult(), [](std::size_t i) { return static_cast<int>(i / 30); });
  LayerCheck({ { 2, 6, 2, 5 }, { 6 }, { 6 } },
             [](Graph & graph, const std::vector<ValueId> & x)
             { return AddGroupNormalization(graph, x[0], 2, 3, { x[1], x[2] }); })
    .CheckGradients();
}

TEST(Layers, LayerNormalization)
{
  const auto build = [](Graph & graph, const std::vector<ValueId> & x) { return AddLayerNormalization(graph, x[0]); };
  ExpectNormalized(LayerCheck({ { 2, 5, 8 } }, build).GetResult(),
                   [](std::size_t i) { return static_cast<int>(i / 8); });
  LayerCheck({ { 2, 5, 8 }, { 8 }, { 8 } },
             [](Graph & graph, const std::vector<ValueId> & x)
             { return AddLayerNormalization(graph, x[0], { x[1], x[2] }); })
    .CheckGradients();
}

TEST(Layers, BatchNormalization)
{
  const auto build = [](Graph & graph, const std::vector<ValueId> & x)
  { return AddBatchNormalization(graph, x[0], 2); };
  ExpectNormalized(LayerCheck({ { 3, 4, 2, 5 } }, build).GetResult(),
                   [](std::size_t i) { return static_cast<int>(i / 10 % 4); });
  LayerCheck({ { 3, 4, 2, 5 }, { 4 }, { 4 } },
             [](Graph & graph, const std::vector<ValueId> & x)
             { return AddBatchNormalization(graph, x[0], 2, { x[1], x[2] }); })
    .CheckGradients();
}

TEST(Layers, KeptBatchNormalization)
{
  const LayerCheck check(
    { { 2, 3, 2, 2 }, { 3 }, { 3 }, { 3 }, { 3 } },
    [](Graph & graph, const std::vector<ValueId> & x)
    { return AddKeptBatchNormalization(graph, x[0], 2, x[1], x[2], { x[3], x[4] }); },
    0.25);
  const auto y = check.GetResult().ToVector<double>();
  for (std::size_t i = 0; i < y.size(); ++i)
  {
    const auto at = [&](int input)
    { return check.inputs.at("x" + std::to_string(input)).ToVector<double>()[input == 0 ? i : i / 4 % 3]; };
    EXPECT_NEAR(y[i], (at(0) - at(1)) / std::sqrt(at(2) + 1e-5) * at(3) + at(4), 1e-12);
  }
  check.CheckGradients();
}

TEST(Layers, Attention)
{
  const LayerCheck check({ { 2, 3, 4 }, { 2, 5, 4 }, { 2, 5, 6 } },
                         [](Graph & graph, const std::vector<ValueId> & x)
                         { return AddAttention(graph, x[0], x[1], x[2]); });
  const Tensor y = check.GetResult();
  EXPECT_EQ(y.GetShape(), (Shape{ 2, 3, 6 }));
  const auto at = [&](const char * name, const Shape & index) { return check.inputs.at(name).GetElement(index); };
  for (std::int64_t m = 0; m < 3; ++m)
  {
    double total = 0;
    double value = 0;
    for (std::int64_t n = 0; n < 5; ++n)
    {
      double score = 0;
      for (std::int64_t d = 0; d < 4; ++d)
      {
        score += at("x0", { 1, m, d }) * at("x1", { 1, n, d }) / 2;
      }
      total += std::exp(score);
      value += std::exp(score) * at("x2", { 1, n, 3 });
    }
    EXPECT_NEAR(y.GetElement({ 1, m, 3 }), value / total, 1e-12);
  }
  check.CheckGradients();
}

TEST(Layers, Errors)
{
  Graph graph;
  const ValueId x = graph.AddInput("x", { 6, 4, 4 });
  EXPECT_NN_ERROR(AddGroupNormalization(graph, x, 2, 4), "groups 4 should divide the 6 channels of x [6, 4, 4]");
  EXPECT_NN_ERROR(AddInstanceNormalization(graph, x, 3), "x [6, 4, 4] should be [batch..., channels, spatial...]");
  EXPECT_NN_ERROR(AddBatchNormalization(graph, x, 3), "with 3 spatial axes");
  EXPECT_NN_ERROR(AddAttention(graph, x, graph.AddInput("k", { 6, 4, 3 }), x), "attention.scores");
}
