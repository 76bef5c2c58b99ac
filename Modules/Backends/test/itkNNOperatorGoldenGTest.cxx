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
#include "itkNNBackendsTestHelpers.h"
#include "itkNNSafeTensors.h"
#include "itkNNTestGoldens.h"

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
Tensor
RunOne(const Operator & op, const Tensor & src, const Target & target)
{
  Graph graph;
  graph.AddOutput("y", graph.Add(op, { graph.AddInput("x", src.GetShape()) }));
  return ExecutionPlan::Compile(graph, {}, OptionsOf(target))->Run({ { "x", src } }).at("y");
}
} // namespace

TEST(OperatorGoldens, SingleOperators)
{
  ITK_NN_REQUIRE_GOLDEN("universeg/g_ops/io.safetensors");
  const StateDict golden = ReadSafeTensors(FindGolden("universeg/g_ops/io.safetensors")).tensors;
  for (const auto & target : GetTargets())
  {
    const std::string context = target.backend + ' ' + ToString(target.precision);
    for (const char * size : { "1x1", "1x4", "2x3", "3x5", "8x6", "16x16" })
    {
      const Tensor & in = golden.Get(std::string("up.") + size + ".in");
      const Tensor & out = golden.Get(std::string("up.") + size + ".out");
      const Interpolation op{ InterpolationMode::Linear, { out.GetShape()[2], out.GetShape()[3] }, true };
      // The golden's positions are float32's.
      const double tolerance = target.precision == DataType::Float64 ? 1e-5 : 1e-6;
      EXPECT_TRUE(IsClose(RunOne(op, in, target), out, tolerance)) << "up " << size << ' ' << context;
    }
    for (const char * size : { "2x2", "4x6", "5x7" })
    {
      Pooling op;
      op.kernel = { 2, 2 };
      const Tensor & in = golden.Get(std::string("pool.") + size + ".in");
      EXPECT_TRUE(IsClose(RunOne(op, in, target), golden.Get(std::string("pool.") + size + ".out"), 0))
        << "pool " << size << ' ' << context;
    }
    const Tensor & values = golden.Get("lrelu.in");
    EXPECT_TRUE(
      IsClose(RunOne(Unary{ UnaryFunction::LeakyRelu, 0.01, 0 }, values, target), golden.Get("lrelu.out"), 1e-6))
      << context;
    EXPECT_TRUE(IsClose(RunOne(Unary{ UnaryFunction::Sigmoid }, values, target), golden.Get("sigmoid.out"), 1e-6))
      << context;
    EXPECT_TRUE(IsClose(
      RunOne(Unary{ UnaryFunction::RoundHalfEven }, golden.Get("round.in"), target), golden.Get("round.out"), 0))
      << context;
  }
}

/** The cross-convolution: every pair of the two sets, concatenated and convolved. */
TEST(OperatorGoldens, CrossConvolution)
{
  ITK_NN_REQUIRE_GOLDEN("universeg/d_crossconv/io.safetensors");
  const StateDict golden = ReadSafeTensors(FindGolden("universeg/d_crossconv/io.safetensors")).tensors;
  Convolution same;
  same.padding = { 1 };
  Convolution strided;
  strided.stride = { 2 };
  strided.padding = { 2 };
  strided.dilation = { 2 };
  Convolution rectangular;
  rectangular.padding = { 2, 1 };
  const std::pair<std::string, Convolution> cases[] = { { "pad1", same },
                                                        { "same_in", same },
                                                        { "k1", Convolution{} },
                                                        { "stride2_dil2_nobias", strided },
                                                        { "k5_rect", rectangular } };
  for (const auto & [name, op] : cases)
  {
    const Tensor & x = golden.Get(name + ".x");
    const Tensor & y = golden.Get(name + ".y");
    Graph graph;
    StateDict weights;
    Shape shapeX = x.GetShape();
    Shape shapeY = y.GetShape();
    const ValueId inX = graph.AddInput("x", shapeX);
    const ValueId inY = graph.AddInput("y", shapeY);
    shapeX.insert(shapeX.begin() + 2, 1);
    shapeY.insert(shapeY.begin() + 1, 1);
    const ValueId pairs =
      graph.Concatenate({ graph.Add(Reshape{ shapeX }, { inX }), graph.Add(Reshape{ shapeY }, { inY }) }, 3, "pairs");
    weights.Add("weight", golden.Get(name + ".weight"));
    const ValueId weight = graph.AddParameter("weight", weights.Get("weight").GetShape());
    std::optional<ValueId> bias;
    if (golden.Has(name + ".bias"))
    {
      weights.Add("bias", golden.Get(name + ".bias"));
      bias = graph.AddParameter("bias", weights.Get("bias").GetShape());
    }
    graph.AddOutput("out", graph.Convolve(pairs, weight, bias, op, "cross"));
    const Tensor & expected64 = golden.Get(name + ".out_f64");
    for (const auto & target : GetTargets())
    {
      const auto plan = ExecutionPlan::Compile(graph, weights, OptionsOf(target));
      const Tensor out = plan->Run({ { "x", x }, { "y", y } }).at("out");
      const bool wide = target.precision == DataType::Float64;
      EXPECT_TRUE(IsClose(out, expected64, wide ? 1e-9 : 1e-5)) << name << StepsOf(*plan);
      EXPECT_TRUE(IsClose(out, golden.Get(name + ".out"), 1e-5)) << name << StepsOf(*plan);
    }
  }
}
