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
#include "itkNNJoinedTensors.h"

#include "itkNNTestHelpers.h"
#include "itkNNTestTargets.h"

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
JoinedTensors
MakeParts()
{
  return JoinedTensors({ { "a", { 2, 3 } }, { "b", { 32 } }, { "c", { 1 } } });
}

StateDict
MakeTensors()
{
  StateDict tensors;
  std::uint32_t seed = 1;
  const JoinedTensors parts = MakeParts();
  for (const auto & part : parts.GetParts())
  {
    tensors.Add(part.name, RandomTensor(part.shape, seed++, -1, 1).To(DataType::Float32));
  }
  return tensors;
}
} // namespace

TEST(JoinedTensors, PartsBeginAtMultiplesOf32Elements)
{
  const JoinedTensors parts = MakeParts();
  ASSERT_EQ(parts.GetParts().size(), 3U);
  const std::int64_t begins[] = { 0, 32, 64 };
  const std::int64_t ends[] = { 6, 64, 65 };
  for (std::size_t i = 0; i < 3; ++i)
  {
    EXPECT_EQ(parts.GetParts()[i].begin, begins[i]);
    EXPECT_EQ(parts.GetParts()[i].end, ends[i]);
  }
  EXPECT_EQ(parts.GetSize(), 96);
}

TEST(JoinedTensors, JoinAndSplit)
{
  const JoinedTensors parts = MakeParts();
  const StateDict tensors = MakeTensors();
  const Tensor joined = parts.Join(tensors);
  EXPECT_EQ(joined.GetShape(), Shape{ 96 });
  EXPECT_EQ(joined.GetElement({ 6 }), 0) << "between the parts";
  const TensorMap views = parts.Split(joined);
  ASSERT_EQ(views.size(), 3U);
  for (const auto & [name, tensor] : tensors)
  {
    EXPECT_EQ(views.at(name).GetShape(), tensor.GetShape());
    EXPECT_EQ(views.at(name).ToVector<float>(), tensor.ToVector<float>()) << name;
  }

  StateDict wrong = tensors;
  wrong.Set("a", Tensor::Zeros({ 3, 2 }));
  EXPECT_NN_ERROR(parts.Join(wrong), "'a' has shape [3, 2]; should have [2, 3]");
  EXPECT_NN_ERROR(parts.Join(StateDict()), "'a'");
  EXPECT_NN_ERROR(parts.Split(Tensor::Zeros({ 95 })), "have shape [95]; should have [96]");
}

TEST(JoinedTensors, GraphsJoinAsMemoryDoes)
{
  const JoinedTensors parts = MakeParts();
  const StateDict tensors = MakeTensors();
  Graph graph;
  std::vector<ValueId> values;
  TensorMap inputs;
  for (const auto & [name, tensor] : tensors)
  {
    values.push_back(graph.AddInput(name, tensor.GetShape()));
    inputs[name] = tensor;
  }
  graph.AddOutput("joined", parts.Join(graph, values));
  for (const auto & target : GetTargets(DataType::Float32))
  {
    const auto result = ExecutionPlan::Compile(graph, {}, OptionsOf(target))->Run(inputs).at("joined");
    EXPECT_EQ(result.ToVector<float>(), parts.Join(tensors).ToVector<float>()) << target.backend;
  }
  EXPECT_NN_ERROR(parts.Join(graph, { values[0] }), "There are 1 values to join; should be 3");
  EXPECT_NN_ERROR(parts.Join(graph, { values[1], values[1], values[2] }), "'a' has shape [32]; should have [2, 3]");
}
