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
#include "itkNNTrainingTask.h"

#include "itkNNError.h"

#include <gtest/gtest.h>

using namespace itk::nn;

namespace
{
class NamedSource : public TaskSource
{
public:
  explicit NamedSource(std::string name)
    : m_Name(std::move(name))
  {}
  std::string GetName() const override
  {
    return m_Name;
  }
  TrainingTask Sample(RandomStream &, const TaskRequest & request) const override
  {
    TrainingTask task;
    task.name = m_Name;
    task.examples.resize(static_cast<std::size_t>(request.examples));
    return task;
  }

private:
  std::string m_Name;
};
} // namespace

TEST(TaskMixture, DrawsByWeight)
{
  const auto a = std::make_shared<NamedSource>("a");
  const auto b = std::make_shared<NamedSource>("b");
  const auto never = std::make_shared<NamedSource>("never");
  const TaskMixture mixture({ { never, 0 }, { a, 1 }, { b, 3 }, { never, 0 } });
  EXPECT_EQ(mixture.GetName(), "never + a + b + never");
  const RandomStream random(2);
  int fromA = 0;
  for (std::uint64_t i = 0; i < 2000; ++i)
  {
    RandomStream own = random.Derive(i);
    const TrainingTask task = mixture.Sample(own, { 3, 8, 8 });
    EXPECT_NE(task.name, "never");
    EXPECT_EQ(task.examples.size(), 3U);
    fromA += task.name == "a" ? 1 : 0;
  }
  EXPECT_NEAR(fromA / 2000.0, 0.25, 0.04);
}

TEST(TaskMixture, Errors)
{
  const auto a = std::make_shared<NamedSource>("a");
  EXPECT_THROW(TaskMixture({}), Error);
  EXPECT_THROW(TaskMixture({ { a, 0 } }), Error);
  EXPECT_THROW(TaskMixture({ { a, -1 } }), Error);
  EXPECT_THROW(TaskMixture({ { nullptr, 1 } }), Error);
}
