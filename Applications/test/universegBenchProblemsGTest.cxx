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
#include "universegBenchProblems.h"
#include "universegModelOptions.h"

#include "gtest/gtest.h"

#include <filesystem>
#include <set>

namespace
{
namespace fs = std::filesystem;
using universeg::BenchProblem;
using universeg::ParseBenchProblems;

std::string
FailureOf(const std::string & text)
{
  try
  {
    ParseBenchProblems(text, "file.json");
  }
  catch (const universeg::Failure & failure)
  {
    return failure.what();
  }
  return "";
}

/** What the problem with this list of further members is refused for. */
void
ExpectRefused(const std::string & members, const std::string & part)
{
  const std::string failure = FailureOf("[{\"name\": \"a\", " + members + "}]");
  EXPECT_EQ(failure.find("file.json: problem 0 'a': "), 0U) << members << '\n' << failure;
  EXPECT_NE(failure.find(part), std::string::npos) << members << '\n' << failure;
}

const itk::nn::Operator &
OperatorOf(const BenchProblem & problem)
{
  return problem.graph.GetNodes().front().op;
}

TEST(BenchProblems, TheExamplesCoverEveryOperator)
{
  std::set<std::string> kinds;
  for (const auto & entry : fs::directory_iterator(UNIVERSEG_TEST_PROBLEMS))
  {
    const std::string name = entry.path().string();
    for (const BenchProblem & problem : ParseBenchProblems(universeg::ReadTextFile(name), name))
    {
      kinds.insert(problem.kind);
      EXPECT_EQ(problem.where.find(name + ": problem "), 0U) << problem.where;
    }
  }
  EXPECT_EQ(kinds.size(), std::variant_size_v<itk::nn::Operator> + 1);
  EXPECT_EQ(kinds.count("universeg"), 1U);
}

TEST(BenchProblems, ReadsEveryParameter)
{
  const auto problems = ParseBenchProblems(
    R"([
      {"operator": "Convolution", "inputs": [[1, 4, 9, 9], [8, 2, 3, 3], [8], [8, 1, 1]], "constants": [1, 2],
       "parameters": {"stride": [2, 1], "padding": [1], "paddingEnd": [2], "dilation": [1, 2], "groups": 2,
                      "postOperations": [
                        {"operator": "Unary", "parameters": {"function": "clip", "alpha": -1, "beta": 0.5}},
                        {"operator": "Binary", "parameters": {"function": "multiply"}}]}},
      {"operator": "Convolution", "inputs": [[1, 4, 9, 9], [8, 4, 3, 3], [8, 1, 1]],
       "parameters": {"postOperations": [{"operator": "Binary", "parameters": {"function": "add"}}]}},
      {"operator": "Pooling", "inputs": [[2, 6, 6]],
       "parameters": {"function": "average", "kernel": [2, 3], "stride": [1], "padding": [1], "includePadding": false}},
      {"operator": "Interpolation", "inputs": [[2, 6, 6]],
       "parameters": {"mode": "nearest", "size": [3], "alignCorners": true}},
      {"operator": "Concatenation", "inputs": [[2, 3], [2, 1]], "parameters": {"axis": -1}},
      {"operator": "Slice", "inputs": [[5]], "parameters": {"begin": [1], "end": [4], "step": [2]}},
      {"operator": "Reshape", "inputs": [[4, 6]], "parameters": {"shape": [8, -1]}},
      {"operator": "Permutation", "inputs": [[4, 6]], "parameters": {"order": [1, 0]}},
      {"operator": "Broadcast", "inputs": [[1]], "parameters": {"shape": [3, 2]}},
      {"operator": "Reduction", "inputs": [[2, 3]],
       "parameters": {"function": "minimum", "axes": [-1], "keepAxes": false}},
      {"operator": "Softmax", "inputs": [[2, 3]], "parameters": {"axis": 0, "logarithm": true}},
      {"operator": "MatrixProduct", "inputs": [[3, 2], [5, 3]],
       "parameters": {"transposeA": true, "transposeB": true}},
      {"operator": "ShiftedInterpolation", "inputs": [[1, 6, 4]],
       "parameters": {"mode": "nearest", "size": [8], "alignCorners": true, "kernel": [3], "padding": [1],
                      "paddingEnd": [3], "dilation": [2],
                      "postOperations": [{"operator": "Unary", "parameters": {"function": "relu"}}]}},
      {"operator": "Pointwise", "inputs": [[2, 3], [3]],
       "parameters": {"postOperations": [{"operator": "Binary", "parameters": {"function": "add"}}]}},
      {"operator": "Insertion", "inputs": [[4], [2]], "parameters": {"begin": [1], "step": [2]}},
      {"operator": "TransposedConvolution", "inputs": [[1, 4, 3, 3], [4, 2, 3, 3], [1, 4, 6, 5]],
       "parameters": {"stride": [2], "padding": [1], "paddingEnd": [0, 1], "groups": 2, "size": [6, 5],
                      "postOperations": [{"operator": "Binary", "parameters": {"function": "gate", "alpha": 0.5}}]}},
      {"operator": "ConvolutionWeightsGradient", "inputs": [[1, 4, 5], [1, 2, 3]],
       "parameters": {"kernel": [3], "padding": [1], "dilation": [2]}},
      {"operator": "PoolingGradient", "inputs": [[1, 2, 2]],
       "parameters": {"function": "average", "kernel": [2], "size": [4]}},
      {"operator": "TransposedInterpolation", "inputs": [[1, 4]],
       "parameters": {"mode": "nearest", "size": [2], "alignCorners": true}},
      {"operator": "Gather", "inputs": [[2, 5], [3]], "parameters": {"axis": 1}},
      {"operator": "ScatterAdd", "inputs": [[2, 3], [3]], "parameters": {"axis": 1, "size": 5}},
      {"operator": "BitMask", "inputs": [[3], []], "parameters": {"shape": [4, 5]}},
      {"operator": "Barrier", "inputs": [[2]], "parameters": {"stopsGradient": true}},
      {"operator": "LovaszWeights", "inputs": [[2, 5], [2, 5]]},
      {"operator": "Sampling", "inputs": [[1, 2, 4], [1, 1, 3]],
       "parameters": {"mode": "nearest", "value": -1, "cudaSpatialDeformRules": true}},
      {"operator": "TransposedSampling", "inputs": [[1, 2, 3], [1, 1, 3]],
       "parameters": {"boundary": "mirror", "size": [4]}},
      {"operator": "SamplingCoordinatesGradient", "inputs": [[1, 2, 3], [1, 2, 4], [1, 1, 3]],
       "parameters": {"boundary": "wrap"}},
      {"operator": "Unary", "inputs": [[]], "parameters": {"function": "rsqrt"}, "name": "n", "seed": 7,
       "range": [1, 2], "step": 0.5, "tolerance": 1e-3},
      {"network": "universeg", "configuration": {"encoder_blocks": [2, 3]},
       "inputs": {"target": [1, 1, 4, 4], "support_images": [1, 2, 1, 4, 4], "support_labels": [1, 2, 1, 4, 4]}}
    ])",
    "file.json");
  const std::vector<std::string> expected{
    // The parentheses say that two literals make one name.
    ("stride=[2, 1] padding=[1, 1] paddingEnd=[2, 2] dilation=[1, 2] groups=2 bias=yes then clip(alpha=-1, beta=0.5) "
     "then multiply"),
    "then add",
    "function=average kernel=[2, 3] stride=[1, 1] padding=[1, 1] includePadding=no",
    "mode=nearest size=[3] alignCorners=yes",
    "axis=1",
    "begin=[1] end=[4] step=[2]",
    "shape=[8, 3]",
    "order=[1, 0]",
    "shape=[3, 2]",
    "function=minimum axes=[1] keepAxes=no",
    "axis=0 logarithm=yes",
    "transposeA=yes transposeB=yes",
    "mode=nearest size=[8] alignCorners=yes kernel=[3] padding=[1] paddingEnd=[3] dilation=[2] then relu",
    "then add",
    "begin=[1] step=[2]",
    "stride=[2, 2] padding=[1, 1] paddingEnd=[0, 1] groups=2 size=[6, 5] then gate(alpha=0.5)",
    "kernel=[3] padding=[1] dilation=[2]",
    "function=average kernel=[2] stride=[2] size=[4]",
    "mode=nearest size=[2] alignCorners=yes",
    "axis=1",
    "axis=1 size=5",
    "shape=[4, 5]",
    "stopsGradient=yes",
    "",
    "mode=nearest boundary=constant value=-1 cudaSpatialDeformRules=yes",
    "mode=linear boundary=mirror size=[4]",
    "mode=linear boundary=wrap"
  };
  ASSERT_EQ(problems.size(), expected.size() + 2);
  for (std::size_t i = 0; i < expected.size(); ++i)
  {
    EXPECT_EQ(itk::nn::Describe(OperatorOf(problems[i])), expected[i]) << problems[i].where;
    EXPECT_EQ(problems[i].name, problems[i].kind);
  }
  using Kind = itk::nn::Graph::ValueKind;
  EXPECT_EQ(problems[0].graph.GetValuesOfKind(Kind::Parameter).size(), 2U);
  EXPECT_EQ(problems[0].graph.GetValuesOfKind(Kind::Input).size(), 2U);
  const BenchProblem & unary = problems[27];
  EXPECT_EQ(unary.where, "file.json: problem 27 'n'");
  EXPECT_EQ(unary.seed, 7U);
  EXPECT_EQ(unary.low, 1);
  EXPECT_EQ(unary.high, 2);
  EXPECT_EQ(unary.step, 0.5);
  EXPECT_EQ(unary.tolerance, 1e-3);
  EXPECT_TRUE(problems[28].isNetwork);
  EXPECT_EQ(problems[28].kind, "universeg");
}

TEST(BenchProblems, RefusalsNameTheProblemAndTheKey)
{
  EXPECT_EQ(FailureOf("[").find("file.json: no JSON: "), 0U);
  EXPECT_EQ(FailureOf("{}"), "file.json: should be a list of problems, is {}");
  EXPECT_EQ(FailureOf("[]"), "file.json: should be a list of problems, is []");
  EXPECT_EQ(FailureOf("[3]"), "file.json: problem 0: should be an object, is 3");
  EXPECT_EQ(FailureOf(R"([{"name": 3}])"), "file.json: problem 0: key 'name' is 3; should be a text");
  EXPECT_EQ(FailureOf(R"([{"operator": "Softmax", "inputs": [[2]]}, {}])"),
            "file.json: problem 1: should have either the key 'operator' or the key 'network', has neither");

  ExpectRefused(R"("operator": "Softmax", "network": "universeg")", "has both");
  ExpectRefused(R"("operator": "Softmax")", "key 'inputs' is missing; should be a list of shapes");
  ExpectRefused(R"("operator": "Softmax", "inputs": 3)", "key 'inputs' is 3; should be a list of shapes");
  ExpectRefused(R"("operator": "Softmax", "inputs": [3])", "key 'inputs' is 3; should be a list of shapes");
  ExpectRefused(R"("operator": "Softmax", "inputs": [[-1]])", "key 'inputs' is [-1]; should be a list of shapes");
  ExpectRefused(R"("operator": "Softmax", "inputs": [[2.0]])", "key 'inputs' is [2.0]; should be a list of shapes");
  ExpectRefused(R"("operator": "Softmax", "inputs": [[18446744073709551615]])", "key 'inputs'");
  ExpectRefused(R"("operator": "Softmax", "inputs": [[2]], "colour": 1)", "key 'colour' is unknown; known are: ");
  ExpectRefused(R"("operator": "Softmax", "inputs": [[2]], "constants": [1])",
                "key 'constants' is [1]; should be numbers of inputs, from 0 to 0");
  ExpectRefused(R"("operator": "Softmax", "inputs": [[2]], "parameters": {"alpha": 1})",
                "parameters: key 'alpha' is unknown; known are: axis, logarithm");
  ExpectRefused(R"("operator": "Softmax", "inputs": [[2]], "parameters": {"axis": 9})", "Softmax: ");
  ExpectRefused(R"("operator": "Softmax", "inputs": [[2]], "parameters": {"axis": 4294967296})",
                "key 'axis' is 4294967296; should be an integer");
  ExpectRefused(R"("operator": "Softmax", "inputs": [[2]], "parameters": {"logarithm": 1})", "should be true or false");
  ExpectRefused(R"("operator": "Softmax", "inputs": [[2]], "seed": -1)", "key 'seed' is -1; should be");
  ExpectRefused(R"("operator": "Softmax", "inputs": [[2]], "step": -1)", "key 'step' is -1");
  ExpectRefused(R"("operator": "Softmax", "inputs": [[2]], "tolerance": 0)", "key 'tolerance' is 0");
  ExpectRefused(R"("operator": "Softmax", "inputs": [[2]], "tolerance": "x")", "key 'tolerance' is \"x\"");
  ExpectRefused(R"("operator": "Softmax", "inputs": [[2]], "range": [2, 1])", "key 'range' is [2,1]");
  ExpectRefused(R"("operator": "Sofmax", "inputs": [[2]])",
                "there is no operator 'Sofmax'; known are: Unary, Binary, ");
  ExpectRefused(R"("operator": "Pooling", "inputs": [[2]])", "Pooling: kernel [] should have one entry");
  ExpectRefused(R"("operator": "Unary", "inputs": [[2]], "parameters": {"function": "sine"})",
                "parameters: key 'function' is \"sine\"; should be relu, leaky_relu, ");
  ExpectRefused(R"("operator": "Unary", "inputs": [[2], [2]], "parameters": {"function": "relu"})", "needs 1 inputs");
  ExpectRefused(R"("operator": "Convolution", "inputs": [[1, 2, 5, 5], [3, 4, 3, 3]])", "has 2 channels");
  ExpectRefused(R"("operator": "Convolution", "inputs": [], "parameters": {"padding": 1})",
                "parameters: key 'padding' is 1; should be a list of integers");
  ExpectRefused(R"("operator": "Convolution", "inputs": [], "parameters": {"postOperations": 1})",
                "key 'postOperations' is 1; should be a list of operators");
  ExpectRefused(R"("operator": "Convolution", "inputs": [], "parameters": {"postOperations": [{"operator": "Slice"}]})",
                "postOperations 0: key 'operator' is \"Slice\"; should be Unary or Binary");

  ExpectRefused(R"("network": "universeg", "inputs": {})", "key 'configuration' is missing");
  ExpectRefused(R"("network": "universeg", "configuration": {}, "inputs": {})", "no key 'encoder_blocks'");
  ExpectRefused(R"("network": "other", "configuration": {}, "inputs": {})", "Unknown network 'other'");
  const std::string tiny = R"("network": "universeg", "configuration": {"encoder_blocks": [2]}, )";
  ExpectRefused(tiny + R"("inputs": [])", "key 'inputs' is []; should be an object");
  ExpectRefused(tiny + R"("inputs": {})", "input 'target' [B, 1, H, W] is missing");
  ExpectRefused(tiny + R"("inputs": {"image": [1]})", "key 'inputs': the network has no input 'image'");
}
} // namespace
