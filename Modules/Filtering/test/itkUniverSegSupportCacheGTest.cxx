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
#include "itkFilteringTestHelpers.h"
#include "itkUniverSegSupportCache.h"

#include <thread>

using itk::UniverSegSupportCache;
using Key = UniverSegSupportCache::Key;

namespace
{
/** States of given sizes for any key. */
class SupportCacheTest : public ::testing::Test
{
protected:
  static std::shared_ptr<itk::nn::NetworkRunner> MakeRunner()
  {
    const std::string configuration = R"({"encoder_blocks": [2]})";
    return std::make_shared<itk::nn::NetworkRunner>(
      itk::nn::Network::Create("universeg", configuration),
      std::make_shared<const itk::nn::StateDict>(itk::test::MakeWeights(configuration, 1)));
  }

  static UniverSegSupportCache::PreparedPointer MakePrepared()
  {
    return std::make_shared<const itk::UniverSegPreparedSupports>(
      itk::nn::Tensor::Zeros({ 1, 1, 2, 2 }), itk::nn::Tensor::Zeros({ 1, 1, 2, 2 }, itk::nn::DataType::Int64));
  }

  UniverSegSupportCache::StatePointer Get(const Key & key, std::size_t bytes)
  {
    return m_Cache.GetOrCompute(key,
                                bytes,
                                [&]
                                {
                                  ++m_Computed;
                                  const auto elements = static_cast<std::int64_t>(bytes / sizeof(float));
                                  return std::make_shared<const itk::nn::StaticState>(
                                    itk::nn::TensorMap{ { "static.0", itk::nn::Tensor::Zeros({ elements }) } },
                                    key.plan);
                                });
  }

  UniverSegSupportCache m_Cache;
  int m_Computed = 0;
};
} // namespace

TEST_F(SupportCacheTest, ComputesOnceForEachKey)
{
  const auto runner = MakeRunner();
  const auto prepared = MakePrepared();
  const Key key{ runner, prepared, 1, { 0, 1 }, "plan" };
  const auto state = this->Get(key, 400);
  ASSERT_TRUE(state);
  EXPECT_EQ(this->Get(key, 400), state);
  EXPECT_EQ(m_Computed, 1);
  EXPECT_EQ(m_Cache.GetNumberOfBytes(), 400U);
  for (const Key & other : { Key{ MakeRunner(), prepared, 1, { 0, 1 }, "plan" },
                             Key{ runner, MakePrepared(), 1, { 0, 1 }, "plan" },
                             Key{ runner, prepared, 2, { 0, 1 }, "plan" },
                             Key{ runner, prepared, 1, { 1, 0 }, "plan" },
                             Key{ runner, prepared, 1, { 0, 1 }, "other" } })
  {
    EXPECT_NE(this->Get(other, 400), state);
  }
  EXPECT_EQ(m_Computed, 6);
  EXPECT_EQ(m_Cache.GetNumberOfBytes(), 2400U);
  m_Cache.Clear();
  EXPECT_EQ(m_Cache.GetNumberOfBytes(), 0U);
  this->Get(key, 400);
  EXPECT_EQ(m_Computed, 7);
}

TEST_F(SupportCacheTest, StaysBelowTheLimit)
{
  EXPECT_EQ(m_Cache.GetMaximumBytes(), UniverSegSupportCache::defaultMaximumBytes);
  m_Cache.SetMaximumBytes(1000);
  EXPECT_EQ(m_Cache.GetMaximumBytes(), 1000U);
  const auto runner = MakeRunner();
  const auto prepared = MakePrepared();
  EXPECT_FALSE(this->Get({ runner, prepared, 1, {}, "" }, 1004)) << "does not fit at all";
  EXPECT_TRUE(this->Get({ runner, prepared, 1, {}, "" }, 400));
  EXPECT_TRUE(this->Get({ runner, prepared, 2, {}, "" }, 400));
  EXPECT_FALSE(this->Get({ runner, prepared, 3, {}, "" }, 400)) << "its own model's entries are kept";
  EXPECT_EQ(m_Computed, 2);
  EXPECT_EQ(m_Cache.GetNumberOfBytes(), 800U);

  const auto other = MakeRunner();
  EXPECT_TRUE(this->Get({ other, prepared, 1, {}, "" }, 400)) << "another model's are not";
  EXPECT_EQ(m_Cache.GetNumberOfBytes(), 800U);
  EXPECT_TRUE(this->Get({ runner, prepared, 2, {}, "" }, 400)) << "the least recently used went first";
  EXPECT_EQ(m_Computed, 3);

  m_Cache.SetMaximumBytes(500);
  EXPECT_LE(m_Cache.GetNumberOfBytes(), 500U);
  m_Cache.SetMaximumBytes(0);
  EXPECT_EQ(m_Cache.GetNumberOfBytes(), 0U);
  EXPECT_FALSE(this->Get({ runner, prepared, 1, {}, "" }, 4));
}

TEST_F(SupportCacheTest, EntriesOfAModelThatIsGoneMakeRoom)
{
  m_Cache.SetMaximumBytes(500);
  const auto prepared = MakePrepared();
  this->Get({ MakeRunner(), prepared, 1, {}, "" }, 400);
  EXPECT_TRUE(this->Get({ MakeRunner(), prepared, 1, {}, "" }, 400));
  EXPECT_EQ(m_Cache.GetNumberOfBytes(), 400U);
}

TEST_F(SupportCacheTest, AFailureKeepsNothing)
{
  const Key key{ MakeRunner(), MakePrepared(), 1, {}, "" };
  const auto fail = []() -> UniverSegSupportCache::StatePointer { throw std::runtime_error("no"); };
  EXPECT_THROW(m_Cache.GetOrCompute(key, 400, fail), std::runtime_error);
  EXPECT_EQ(m_Cache.GetNumberOfBytes(), 0U);
  EXPECT_TRUE(this->Get(key, 400));
}

TEST_F(SupportCacheTest, ThreadsComputeAStateOnce)
{
  const Key key{ MakeRunner(), MakePrepared(), 1, {}, "" };
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
  {
    threads.emplace_back([&] { this->Get(key, 400); });
  }
  for (auto & thread : threads)
  {
    thread.join();
  }
  EXPECT_EQ(m_Computed, 1);
}
