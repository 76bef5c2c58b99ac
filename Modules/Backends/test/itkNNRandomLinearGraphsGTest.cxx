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
#include "itkNNConstantFolding.h"
#include "itkNNPassesTestHelpers.h"

#include <map>

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
constexpr std::uint32_t firstSeed = 5000;
constexpr std::uint32_t numberOfSeeds = 200;

/** What plans run, as FoldConstants, FusePostOperations and SimplifyGraph make it. */
void
CheckAll(const RandomLinearGraph & random, const PassOptions & options, const TensorMap & expected)
{
  FoldedWeights shared;
  const FoldedGraph folded =
    FoldConstants(SimplifyGraph(random.graph, options), random.weights, DataType::Float64, shared);
  CheckResult(FusePostOperations(folded.graph), random.graph, folded.weights, random.inputs, expected, 1e-12);
}
} // namespace

TEST(RandomLinearGraphs, EachPassKeepsTheValues)
{
  const PassOptions options{ RandomLinearGraph(firstSeed).staticInputs };
  const std::map<std::string, Pass> passes{
    { "RemoveDeadNodes", RemoveDeadNodes },
    { "RemoveIdentities", RemoveIdentities },
    { "MergeEqualNodes", MergeEqualNodes },
    { "FlattenConcatenations", FlattenConcatenations },
    { "HoistOutOfBroadcasts", HoistOutOfBroadcasts },
    { "SplitConvolutionsOverConcatenations", [](const Graph & g) { return SplitConvolutionsOverConcatenations(g); } },
    { "SplitConvolutionsOverConcatenations, static",
      [&](const Graph & g) { return SplitConvolutionsOverConcatenations(g, options); } },
    { "DistributeConvolutionsOverSums", [](const Graph & g) { return DistributeConvolutionsOverSums(g); } },
    { "DistributeConvolutionsOverSums, static",
      [&](const Graph & g) { return DistributeConvolutionsOverSums(g, options); } },
    { "MoveReductionsThroughLinearOperators", MoveReductionsThroughLinearOperators },
    { "ComposeConvolutions", ComposeConvolutions },
    { "ConvolveBeforeInterpolation", ConvolveBeforeInterpolation },
    { "FoldAffineIntoConvolutions", FoldAffineIntoConvolutions },
    { "FusePostOperations", FusePostOperations },
  };
  std::map<std::string, int> changed;
  for (std::uint32_t seed = firstSeed; seed < firstSeed + numberOfSeeds; ++seed)
  {
    SCOPED_TRACE(seed);
    const RandomLinearGraph random(seed);
    const TensorMap expected = RunOracle(random.graph, random.weights, random.inputs);
    const std::string text = RemoveDeadNodes(random.graph).ToText();
    for (const auto & [name, pass] : passes)
    {
      SCOPED_TRACE(name);
      const Graph result = pass(random.graph);
      if (result.ToText() != (name == "RemoveDeadNodes" ? random.graph.ToText() : text))
      {
        ++changed[name];
        CheckResult(result, random.graph, random.weights, random.inputs, expected, 1e-12);
      }
    }
    if (HasFailure())
    {
      return;
    }
  }
  for (const auto & entry : passes)
  {
    EXPECT_GE(changed[entry.first], static_cast<int>(numberOfSeeds) / 16)
      << entry.first << " should find something to do in the random graphs";
  }
}

TEST(RandomLinearGraphs, AllPassesTogetherKeepTheValues)
{
  int less = 0;
  for (std::uint32_t seed = firstSeed; seed < firstSeed + numberOfSeeds; ++seed)
  {
    SCOPED_TRACE(seed);
    const RandomLinearGraph random(seed);
    const TensorMap expected = RunOracle(random.graph, random.weights, random.inputs);
    CheckAll(random, {}, expected);
    CheckAll(random, { random.staticInputs }, expected);
    const double before = CountProductsOfRuns(RemoveDeadNodes(random.graph));
    const Graph simple = SimplifyGraph(random.graph);
    EXPECT_LE(CountProductsOfRuns(simple), before) << random.graph.ToText() << "became\n" << simple.ToText();
    less += CountProductsOfRuns(simple) < before ? 1 : 0;
    EXPECT_EQ(SimplifyGraph(simple).ToText(), simple.ToText()) << "nothing should be left to do";
    if (HasFailure())
    {
      return;
    }
  }
  EXPECT_GT(less, static_cast<int>(numberOfSeeds) / 2);
}

TEST(RandomLinearGraphs, PrologueAndRemainderAreTheWhole)
{
  for (std::uint32_t seed = firstSeed; seed < firstSeed + numberOfSeeds; ++seed)
  {
    SCOPED_TRACE(seed);
    const RandomLinearGraph random(seed);
    const Graph graph = SimplifyGraph(random.graph, { random.staticInputs });
    const StaticSplit split = SplitAtStaticInputs(graph, random.staticInputs);
    TensorMap remaining{ { "target", random.inputs.at("target") } };
    if (!split.names.empty())
    {
      TensorMap given = random.inputs;
      given.erase("target");
      for (const auto & [name, tensor] : RunOracle(split.prologue, random.weights, given))
      {
        remaining[name] = tensor;
      }
    }
    const TensorMap outputs = RunOracle(split.remainder, random.weights, remaining);
    for (const auto & [name, tensor] : RunOracle(random.graph, random.weights, random.inputs))
    {
      EXPECT_TRUE(IsClose(outputs.at(name), tensor, 1e-12)) << graph.ToText();
    }
    EXPECT_EQ(CountProductsOfRuns(split.prologue) + CountProductsOfRuns(split.remainder), CountProductsOfRuns(graph));
    if (HasFailure())
    {
      return;
    }
  }
}
