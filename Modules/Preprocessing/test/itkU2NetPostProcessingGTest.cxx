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
#include "itkU2NetPostProcessing.h"

#include "itkNNSafeTensors.h"
#include "itkNNTestGoldens.h"
#include "itkNNTestHelpers.h"
#include "itkU2NetTask.h"

#include <algorithm>

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
using Labels = std::vector<std::int32_t>;

/** Of one row in the middle of a volume of zeros. */
Labels
Apply(const U2NetPostProcessing & processing, const Labels & labels)
{
  const auto count = static_cast<std::int64_t>(labels.size());
  const Tensor volume = Tensor::Zeros({ 3, 3, count }, DataType::Int32);
  volume.Select(0, 1).Select(0, 1).CopyFrom(Tensor::FromVector({ count }, labels));
  return processing.Apply(volume).Select(0, 1).Select(0, 1).ToVector<std::int32_t>();
}
} // namespace

TEST(U2NetPostProcessing, Goldens)
{
  ITK_NN_REQUIRE_GOLDEN("u2net/proc/postprocess.safetensors");
  const StateDict tensors = ReadSafeTensors(FindGolden("u2net/proc/postprocess.safetensors")).tensors;
  U2NetPostProcessing liver = U2NetTask::Get("Task03_Liver").GetPostProcessing();
  liver.classes = 3;
  liver.untouchedClasses = { 2 };
  const std::vector<std::pair<std::string, U2NetPostProcessing>> cases = {
    { "Task02_Heart", U2NetTask::Get("Task02_Heart").GetPostProcessing() },
    { "Task04_Hippocampus", U2NetTask::Get("Task04_Hippocampus").GetPostProcessing() },
    { "Task09_Spleen", U2NetTask::Get("Task09_Spleen").GetPostProcessing() },
    { "cancer_like_Task03_Liver", liver },
  };
  for (const auto & [name, processing] : cases)
  {
    const auto expected = tensors.Get("out_" + name).ToVector<std::int32_t>();
    const auto apply = [&, &options = processing, &file = name](bool keepsAll)
    {
      U2NetPostProcessing changed = options;
      changed.keepsAllOfEqualSizes = keepsAll;
      return changed.Apply(tensors.Get("in_" + file), tensors.Get("weight")).ToVector<std::int32_t>();
    };
    EXPECT_EQ(apply(true), expected) << name;
    // Two components of the hippocampus' class 2 are the largest.
    auto own = apply(false);
    if (name == "Task04_Hippocampus")
    {
      EXPECT_EQ(std::count(own.begin(), own.end(), 2), 56);
      std::transform(
        own.begin(), own.end(), expected.begin(), own.begin(), [](int a, int b) { return b == 2 ? 2 : a; });
    }
    EXPECT_EQ(own, expected) << name;
  }
}

TEST(U2NetPostProcessing, KeepsTheLargestComponents)
{
  U2NetPostProcessing processing;
  const Labels labels{ 0, 0, 1, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0 };
  EXPECT_EQ(Apply(processing, labels), (Labels{ 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0 }));
  processing.components = 2;
  EXPECT_EQ(Apply(processing, labels), (Labels{ 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0 }));
  // Of equally large ones the first, and the first two.
  const Labels equal{ 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0 };
  EXPECT_EQ(Apply(processing, equal), (Labels{ 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0 }));
  processing.components = 1;
  EXPECT_EQ(Apply(processing, equal), (Labels{ 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0 }));
  processing.keepsAllOfEqualSizes = true;
  EXPECT_EQ(Apply(processing, equal), equal);
  const Labels largest{ 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0 };
  EXPECT_EQ(Apply(processing, largest), (Labels{ 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0 }));
  processing.components = 2;
  EXPECT_EQ(Apply(processing, largest), largest);
  processing.keepsAllOfEqualSizes = false;
  EXPECT_EQ(Apply(processing, largest), (Labels{ 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0 }));
}

TEST(U2NetPostProcessing, TheSecondComponentHasMoreThanATenth)
{
  U2NetPostProcessing processing;
  processing.components = 2;
  for (const std::size_t large : { 9, 10 })
  {
    Labels labels(large + 6, 0);
    std::fill_n(labels.begin() + 1, large, 1);
    labels[large + 4] = 1;
    Labels expected = labels;
    expected[large + 4] = large < 10 ? 1 : 0;
    EXPECT_EQ(Apply(processing, labels), expected) << large;
  }
}

TEST(U2NetPostProcessing, ClosesWithTheOutsideAsBackground)
{
  const U2NetPostProcessing processing;
  const Tensor row = Tensor::FromVector<std::int32_t>({ 1, 1, 7 }, { 0, 1, 1, 0, 1, 1, 0 });
  EXPECT_EQ(processing.Apply(row).ToVector<std::int32_t>(), Labels(7, 0)) << "it touches the outside everywhere";
  // A plane inside of a volume: its hole is closed, the voxels at the border go.
  Tensor labels = Tensor::Zeros({ 5, 5, 6 }, DataType::Int32);
  for (std::int64_t y = 1; y < 4; ++y)
  {
    for (std::int64_t x = 1; x < 6; ++x)
    {
      labels.SetElement({ 2, y, x }, y == 2 && x == 2 ? 0 : 1);
    }
  }
  const Tensor closed = processing.Apply(labels);
  EXPECT_EQ(closed.GetElement({ 2, 2, 2 }), 1);
  EXPECT_EQ(closed.GetElement({ 2, 2, 4 }), 1);
  EXPECT_EQ(closed.GetElement({ 2, 2, 5 }), 0);
}

TEST(U2NetPostProcessing, ComponentsMeetAtEdgesNotAtCorners)
{
  const U2NetPostProcessing processing;
  Tensor labels = Tensor::Zeros({ 8, 8, 8 }, DataType::Int32);
  const auto fill = [&](std::int64_t first, std::int64_t count, std::int64_t z)
  {
    for (std::int64_t i = 0; i < count * count * count; ++i)
    {
      labels.SetElement({ z + i / (count * count), first + i / count % count, first + i % count }, 1);
    }
  };
  fill(1, 2, 1);
  labels.SetElement({ 2, 3, 3 }, 1);
  labels.SetElement({ 4, 6, 6 }, 1);
  Tensor closed = processing.Apply(labels);
  EXPECT_EQ(closed.GetElement({ 2, 3, 3 }), 1);
  EXPECT_EQ(closed.GetElement({ 4, 6, 6 }), 0);
  labels.SetElement({ 2, 3, 3 }, 0);
  labels.SetElement({ 3, 3, 3 }, 1);
  closed = processing.Apply(labels);
  EXPECT_EQ(closed.GetElement({ 2, 2, 2 }), 1);
  EXPECT_EQ(closed.GetElement({ 3, 3, 3 }), 0);
}

TEST(U2NetPostProcessing, HalvesWeightsAndClasses)
{
  Tensor labels = Tensor::Zeros({ 3, 3, 8 }, DataType::Int32);
  for (const std::int64_t x : { 1, 4, 5, 6 })
  {
    labels.SetElement({ 1, 1, x }, 1);
  }
  labels.SetElement({ 1, 1, 3 }, 2);
  U2NetPostProcessing processing;
  const auto row = [&](const Tensor & weight = {})
  {
    const auto all = processing.Apply(labels, weight).ToVector<std::int32_t>();
    return Labels(all.begin() + 32, all.begin() + 40);
  };
  EXPECT_EQ(row(), (Labels{ 0, 0, 0, 0, 1, 1, 1, 0 }));
  processing.clearsSecondHalf = true;
  EXPECT_EQ(row(), (Labels{ 0, 1, 0, 0, 0, 0, 0, 0 }));
  processing.clearsSecondHalf = false;
  processing.classes = 3;
  EXPECT_EQ(row(), (Labels{ 0, 0, 0, 2, 1, 1, 1, 0 }));
  Tensor weight = Tensor::Full({ 3, 3, 8 }, 1);
  weight.SetElement({ 1, 1, 5 }, 0);
  weight.SetElement({ 1, 1, 4 }, 0);
  weight.SetElement({ 1, 1, 3 }, 0);
  EXPECT_EQ(row(weight), (Labels{ 0, 1, 0, 0, 0, 0, 0, 0 }));
  processing.classes = 2;
  processing.untouchedClasses = { 1 };
  EXPECT_EQ(row(), (Labels{ 0, 1, 0, 0, 1, 1, 1, 0 }));
}

TEST(U2NetPostProcessing, Errors)
{
  const Tensor labels = Tensor::Zeros({ 2, 2, 2 }, DataType::Int32);
  U2NetPostProcessing processing;
  EXPECT_NN_ERROR(processing.Apply({}), "the labels are not there");
  EXPECT_NN_ERROR(processing.Apply(labels.To(DataType::UInt8)), "the labels are uint8 [2, 2, 2]; should be int32");
  EXPECT_NN_ERROR(processing.Apply(labels.Reshape({ 4, 2 })), "[4, 2]; should be int32 [D, H, W]");
  EXPECT_NN_ERROR(processing.Apply(labels, labels), "the weight is int32");
  EXPECT_NN_ERROR(processing.Apply(labels, Tensor::Zeros({ 2, 2, 1 })), "should be float32 [2, 2, 2]");
  processing.components = 3;
  EXPECT_NN_ERROR(processing.Apply(labels), "3 components are kept; should be 1 or 2");
  processing.components = 1;
  processing.classes = 0;
  EXPECT_NN_ERROR(processing.Apply(labels), "0 classes");
}
