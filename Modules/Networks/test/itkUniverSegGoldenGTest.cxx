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
#include "itkNNTestTargets.h"
#include "itkNNTestGoldens.h"

#include "itkNNNetworkRunner.h"
#include "itkNNRegisterBackends.h"
#include "itkNNSafeTensors.h"
#include "itkNNTestDifference.h"
#include "itkUniverSegNetwork.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

namespace
{
using namespace itk::nn;
using test::MaximumDifference;

TensorMap
NetworkInputs(const StateDict & io, const std::string & prefix = "")
{
  TensorMap inputs;
  for (const auto * name : { "target", "support_images", "support_labels" })
  {
    inputs[name] = io.Get(prefix + name);
  }
  return inputs;
}

PlanOptions
Options(const std::string & backend, DataType precision)
{
  PlanOptions options;
  options.backend = backend;
  options.precision = precision;
  return options;
}

struct GoldenCase
{
  const char * name;
  const char * io;
  const char * prefix;
  double tolerance;
};

std::ostream &
operator<<(std::ostream & out, const GoldenCase & golden)
{
  return out << golden.name << ' ' << golden.prefix;
}

class UniverSegGolden : public ::testing::TestWithParam<GoldenCase>
{};

TEST_P(UniverSegGolden, LogitsAgree)
{
  const GoldenCase golden = GetParam();
  const std::string folder = std::string("universeg/") + golden.name + '/';
  ITK_NN_REQUIRE_GOLDEN(folder + golden.io);
  ITK_NN_REQUIRE_GOLDEN(folder + "weights.safetensors");
  const StateDict io = ReadSafeTensors(test::FindGolden(folder + golden.io)).tensors;
  const auto weights =
    std::make_shared<StateDict>(ReadSafeTensors(test::FindGolden(folder + "weights.safetensors")).tensors);

  const auto inferred = Network::Infer(*weights);
  const auto configured = Network::Create("universeg", test::ReadText(test::FindGolden(folder + "meta.json")));
  EXPECT_EQ(inferred->GetConfiguration(), configured->GetConfiguration());

  const TensorMap inputs = NetworkInputs(io, golden.prefix);
  const Tensor & exact = io.Get(std::string(golden.prefix) + "logits_f64");
  const bool isLarge = std::string(golden.name) == "c_release";
  for (const auto & target : test::GetTargets(DataType::Float32, isLarge))
  {
    NetworkRunner runner(configured, weights, test::OptionsOf(target));
    EXPECT_LE(MaximumDifference(runner.Run(inputs).at("logits"), exact), golden.tolerance) << target.backend;
  }
  NetworkRunner runner(configured, weights, Options("reference", DataType::Float64));
  EXPECT_LE(MaximumDifference(runner.Run(inputs).at("logits"), exact), 1e-9);
}

INSTANTIATE_TEST_SUITE_P(
  Cases,
  UniverSegGolden,
  ::testing::Values(GoldenCase{ "a_tiny", "io.safetensors", "", 1e-5 },
                    GoldenCase{ "b_rect", "io.safetensors", "", 1e-5 },
                    GoldenCase{ "b3_shortdec", "io.safetensors", "", 1e-5 },
                    GoldenCase{ "e_s1", "io.safetensors", "", 4e-5 },
                    GoldenCase{ "c_release", "io.safetensors", "", 5e-5 },
                    GoldenCase{ "m_trained_tiny", "io_synthetic.safetensors", "syn.", 5.1e-5 },
                    GoldenCase{ "m_trained_tiny", "io_wbc_GPL3_derived.safetensors", "JTSC.", 5.1e-5 },
                    GoldenCase{ "m_trained_tiny", "io_wbc_GPL3_derived.safetensors", "CV.", 5.1e-5 }));

TEST(UniverSegGoldenBlocks, IntermediatesAgree)
{
  ITK_NN_REQUIRE_GOLDEN("universeg/a_tiny/intermediates.safetensors");
  const auto read = [](const char * file)
  { return ReadSafeTensors(test::FindGolden(std::string("universeg/a_tiny/") + file)).tensors; };
  const StateDict io = read("io.safetensors");
  const StateDict weights = read("weights.safetensors");
  const StateDict intermediates = read("intermediates.safetensors");
  const auto network = Network::Infer(weights);
  ShapeMap shapes;
  for (const auto & input : NetworkInputs(io))
  {
    shapes[input.first] = input.second.GetShape();
  }
  Graph graph = network->BuildGraph(shapes);

  // Values of the graph by the names that the golden gives them.
  std::map<std::string, std::string> names;
  for (const std::string block : { "enc_blocks.0", "enc_blocks.1", "dec_blocks.0" })
  {
    names[block + ".cross.interaction"] = block + ".cross.cross_conv";
    names[block + ".cross.target_mean"] = block + ".cross.mean";
    names[block + ".out.target"] = block + ".target.nonlin";
    names[block + ".out.support"] = block + ".support.nonlin";
  }
  std::size_t found = 0;
  const auto nodes = graph.GetNodes();
  for (const auto & entry : names)
  {
    for (const auto & node : nodes)
    {
      if (node.name == entry.second && intermediates.Has(entry.first))
      {
        graph.AddOutput(entry.first, node.output);
        ++found;
      }
    }
  }
  ASSERT_EQ(found, names.size());
  RegisterBackends();
  const auto plan = ExecutionPlan::Compile(graph, weights, Options("reference", DataType::Float32));
  for (const auto & output : plan->Run(NetworkInputs(io)))
  {
    if (output.first != "logits")
    {
      const Tensor & expected = intermediates.Get(output.first);
      EXPECT_LE(MaximumDifference(output.second.Reshape(expected.GetShape()), expected), 1e-5) << output.first;
    }
  }
}

/** The weights and inputs of golden c2 by its formula. */
class Formula
{
public:
  static float Uniform(std::uint64_t tensor, std::uint64_t element, double low, double scale)
  {
    std::uint64_t z = (tensor + 1) * 0x9E3779B97F4A7C15ULL + (element + 1) * 0xBF58476D1CE4E5B9ULL;
    z ^= z >> 30U;
    z *= 0xBF58476D1CE4E5B9ULL;
    z ^= z >> 27U;
    z *= 0x94D049BB133111EBULL;
    z ^= z >> 31U;
    const double u = static_cast<double>(z >> 40U) * 0x1p-24;
    return static_cast<float>((low + (1 - low) * u) * scale);
  }

  static Tensor Fill(const Shape & shape, std::uint64_t tensor, double low, double scale)
  {
    Tensor result(shape);
    auto * data = result.GetData<float>();
    for (std::int64_t e = 0; e < result.GetNumberOfElements(); ++e)
    {
      data[e] = Uniform(tensor, static_cast<std::uint64_t>(e), low, scale);
    }
    return result;
  }

  static StateDict Weights(const Network & network)
  {
    StateDict weights;
    std::uint64_t index = 0;
    for (const auto & parameter : network.GetParameters())
    {
      double scale = 0.1;
      if (parameter.shape.size() > 1)
      {
        const double fanIn = static_cast<double>(NumberOfElements(parameter.shape) / parameter.shape[0]);
        const bool isNonlinear = parameter.name.find("vmapped") != std::string::npos;
        scale = std::sqrt((isNonlinear ? 6.0 : 3.0) / fanIn);
      }
      weights.Add(parameter.name, Fill(parameter.shape, index++, -1, scale));
    }
    return weights;
  }

  static TensorMap Inputs(std::int64_t supports, std::int64_t size)
  {
    TensorMap inputs;
    inputs["target"] = Fill({ 1, 1, size, size }, 1000, 0, 1);
    inputs["support_images"] = Fill({ 1, supports, 1, size, size }, 1001, 0, 1);
    Tensor labels = Tensor::Zeros({ 1, supports, 1, size, size });
    for (std::int64_t i = 0; i < supports; ++i)
    {
      const std::int64_t cx = size / 3 + 7 * i % (size / 3);
      const std::int64_t cy = size / 3 + 5 * i % (size / 3);
      const std::int64_t r = size / 8 + 2 * i % (size / 8);
      for (std::int64_t y = 0; y < size; ++y)
      {
        for (std::int64_t x = 0; x < size; ++x)
        {
          const bool inside = (x - cx) * (x - cx) + (y - cy) * (y - cy) < r * r;
          labels.GetData<float>()[(i * size + y) * size + x] = inside ? 1.0F : 0.0F;
        }
      }
    }
    inputs["support_labels"] = labels;
    return inputs;
  }
};

TEST(UniverSegGoldenFormula, ReleaseConfigurationAgrees)
{
  ITK_NN_REQUIRE_GOLDEN("universeg/c2_formula/io.safetensors");
  const StateDict io = ReadSafeTensors(test::FindGolden("universeg/c2_formula/io.safetensors")).tensors;
  const auto network = std::make_shared<UniverSegNetwork>(UniverSegConfiguration::Release());
  const auto weights = std::make_shared<StateDict>(Formula::Weights(*network));
  for (const std::int64_t supports : { 1, 4 })
  {
    const TensorMap inputs = Formula::Inputs(supports, 128);
    const std::string suffix = "_S" + std::to_string(supports);
    for (const auto & target : test::GetTargets(DataType::Float32, true))
    {
      NetworkRunner runner(network, weights, test::OptionsOf(target));
      EXPECT_LE(MaximumDifference(runner.Run(inputs).at("logits"), io.Get("logits" + suffix)), 5e-5) << target.backend;
    }
    NetworkRunner runner(network, weights, Options("reference", DataType::Float64));
    EXPECT_LE(MaximumDifference(runner.Run(inputs).at("logits"), io.Get("logits_f64" + suffix)), 1e-9);
  }
}
} // namespace
