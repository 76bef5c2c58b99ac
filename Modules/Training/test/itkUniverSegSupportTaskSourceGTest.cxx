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
#include "itkUniverSegSupportTaskSource.h"

#include "itkNNTestHelpers.h"

#include <set>

using namespace itk::nn;
using Targets = UniverSegSupportTaskSource::Targets;

namespace
{
/** Supports whose brightest pixel tells their number; label 2 is in some only. */
itk::UniverSegSupportSet::Pointer
MakeSupports(int count)
{
  auto supports = itk::UniverSegSupportSet::New();
  for (int i = 0; i < count; ++i)
  {
    Tensor image = Tensor::Zeros({ 8, 12 });
    Tensor label = Tensor::Zeros({ 8, 12 }, DataType::Int64);
    image.SetElement({ 0, i }, 1);
    label.SetElement({ 4, 5 }, 1);
    if (i < 2)
    {
      label.SetElement({ 6, 7 }, 2);
    }
    supports->PushBackTensors(image, label);
  }
  return supports;
}

int
NumberOf(const TrainingExample & example)
{
  const auto values = example.image.ToVector<float>();
  for (int i = 0; i < 12; ++i)
  {
    if (values[static_cast<std::size_t>(i)] == 1.0F)
    {
      return i;
    }
  }
  return -1;
}

/** Numbers of the targets in some tasks of a label. */
std::set<int>
FindTargets(const UniverSegSupportTaskSource & source, const std::string & name)
{
  std::set<int> targets;
  for (std::uint64_t i = 0; i < 200; ++i)
  {
    RandomStream random = RandomStream(1).Derive(i);
    const TrainingTask task = source.Sample(random, { 4, 8, 12 });
    if (task.name == name)
    {
      targets.insert(NumberOf(task.examples[0]));
    }
  }
  return targets;
}
} // namespace

TEST(UniverSegSupportTaskSource, TargetsAndTheirSupports)
{
  const UniverSegSupportTaskSource source(*MakeSupports(5), {}, 8, 12);
  EXPECT_EQ(source.GetName(), "support set");
  std::set<std::string> names;
  for (std::uint64_t i = 0; i < 50; ++i)
  {
    RandomStream random = RandomStream(2).Derive(i);
    const TrainingTask task = source.Sample(random, { 7, 8, 12 });
    ASSERT_EQ(task.examples.size(), 7U);
    names.insert(task.name);
    std::set<int> supports;
    for (std::size_t k = 1; k < task.examples.size(); ++k)
    {
      supports.insert(NumberOf(task.examples[k]));
      EXPECT_EQ(task.examples[k].label.GetElement(task.name == "support set: label 1" ? Shape{ 4, 5 } : Shape{ 6, 7 }),
                1);
    }
    EXPECT_EQ(supports.count(NumberOf(task.examples[0])), 0U);
    EXPECT_EQ(supports.size(), task.name == "support set: label 1" ? 4U : 1U);
  }
  EXPECT_EQ(names, (std::set<std::string>{ "support set: label 1", "support set: label 2" }));
}

TEST(UniverSegSupportTaskSource, KeepsSomeForValidation)
{
  const auto many = MakeSupports(9);
  const std::string name = "support set: label 1";
  EXPECT_EQ(FindTargets(UniverSegSupportTaskSource(*many, {}, 8, 12, Targets::Validation), name),
            (std::set<int>{ 3, 7 }));
  EXPECT_EQ(FindTargets(UniverSegSupportTaskSource(*many, {}, 8, 12, Targets::Training), name),
            (std::set<int>{ 0, 1, 2, 4, 5, 6, 8 }));
  const auto few = MakeSupports(3);
  EXPECT_EQ(FindTargets(UniverSegSupportTaskSource(*few, {}, 8, 12, Targets::Validation), name).size(), 3U);
  EXPECT_EQ(FindTargets(UniverSegSupportTaskSource(*few, {}, 8, 12, Targets::Training), name).size(), 3U);
}

TEST(UniverSegSupportTaskSource, OneSupportIsItsOwnTarget)
{
  const UniverSegSupportTaskSource source(*MakeSupports(1), {}, 8, 12);
  RandomStream random(1);
  const TrainingTask task = source.Sample(random, { 3, 8, 12 });
  EXPECT_EQ(task.examples.size(), 3U);
  EXPECT_EQ(NumberOf(task.examples[2]), 0);
}

TEST(UniverSegSupportTaskSource, Errors)
{
  const auto supports = MakeSupports(2);
  EXPECT_NN_ERROR(UniverSegSupportTaskSource(*supports, {}, 0, 12), "height 0 and width 12");
  const UniverSegSupportTaskSource source(*supports, {}, 8, 12);
  RandomStream random(1);
  EXPECT_NN_ERROR(source.Sample(random, { 3, 8, 16 }), "are of 8 x 12 and at least 2 examples, not of 8 x 16 and 3");
  EXPECT_NN_ERROR(source.Sample(random, { 1, 8, 12 }), "not of 8 x 12 and 1");
  auto empty = itk::UniverSegSupportSet::New();
  EXPECT_THROW(UniverSegSupportTaskSource(*empty, {}, 8, 12), itk::ExceptionObject);
  empty->PushBackTensors(Tensor::Zeros({ 8, 12 }), Tensor::Zeros({ 8, 12 }, DataType::Int64));
  EXPECT_NN_ERROR(UniverSegSupportTaskSource(*empty, {}, 8, 12), "No support has a label other than 0");
}
