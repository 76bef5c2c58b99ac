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
#include "itkNNStateDict.h"
#include "itkNNTestHelpers.h"

using namespace itk::nn;

TEST(StateDict, KeepsTheOrderOfAdding)
{
  StateDict dict;
  EXPECT_TRUE(dict.IsEmpty());
  EXPECT_EQ(dict.GetNumberOfElements(), 0);
  dict.Add("z.weight", Tensor::Zeros({ 2, 3 }));
  dict.Add("a.weight", Tensor::Zeros({ 4 }));
  dict.Add("m", Tensor::Zeros({}));
  EXPECT_FALSE(dict.IsEmpty());
  EXPECT_EQ(dict.GetSize(), 3U);
  EXPECT_EQ(dict.GetNumberOfElements(), 11);
  std::vector<std::string> names;
  for (const auto & entry : dict)
  {
    names.push_back(entry.first);
  }
  EXPECT_EQ(names, (std::vector<std::string>{ "z.weight", "a.weight", "m" }));
}

TEST(StateDict, SetReplacesInPlaceOrAppends)
{
  StateDict dict;
  dict.Add("a", Tensor::Zeros({ 1 }));
  dict.Add("b", Tensor::Zeros({ 1 }));
  dict.Set("a", Tensor::Full({ 2 }, 5));
  EXPECT_EQ(dict.GetSize(), 2U);
  EXPECT_EQ(dict.begin()->first, "a");
  EXPECT_EQ(dict.Get("a").GetElement({ 1 }), 5);
  dict.Set("c", Tensor::Zeros({ 3 }));
  EXPECT_EQ(dict.GetSize(), 3U);
  EXPECT_TRUE(dict.Has("c"));
  EXPECT_FALSE(dict.Has("d"));
}

TEST(StateDict, TensorsAreShared)
{
  StateDict dict;
  Tensor tensor = Tensor::Zeros({ 2 });
  dict.Add("a", tensor);
  const StateDict copy = dict;
  tensor.SetElement({ 0 }, 7);
  EXPECT_EQ(copy.Get("a").GetElement({ 0 }), 7);
}

TEST(StateDict, SameNameTwiceIsAnError)
{
  StateDict dict;
  dict.Add("a", Tensor::Zeros({ 1 }));
  EXPECT_NN_ERROR(dict.Add("a", Tensor::Zeros({ 2 })), "The name 'a' occurs twice");
  EXPECT_EQ(dict.GetSize(), 1U);
  EXPECT_EQ(dict.Get("a").GetShape(), Shape{ 1 });
}

TEST(StateDict, MissingNameListsSimilarOnes)
{
  StateDict dict;
  dict.Add("module.conv.weight", Tensor::Zeros({ 1 }));
  dict.Add("module.conv.bias", Tensor::Zeros({ 1 }));
  EXPECT_NN_ERROR(dict.Get("conv.weight"),
                  "No tensor 'conv.weight' among 2 tensors; similar names: module.conv.weight");
  EXPECT_EQ(test::ErrorOf([&] { dict.Get("conv.weight"); }).find("bias"), std::string::npos);
  EXPECT_NN_ERROR(dict.Get("gamma"), "No tensor 'gamma' among 2 tensors");
  EXPECT_NN_ERROR(StateDict().Get("x"), "among 0 tensors");
}
