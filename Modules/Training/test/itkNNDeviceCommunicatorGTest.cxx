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
#include "itkNNDeviceCommunicator.h"

#include "itkNNTestHelpers.h"
#include "itkNNTestTargets.h"
#include "itkNNThreadCommunicator.h"

#include <thread>

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
/** f(rank) in as many threads. */
template <typename TFunction>
void
RunAsProcesses(int size, const TFunction & f)
{
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank)
  {
    threads.emplace_back([&f, rank] { f(rank); });
  }
  for (auto & thread : threads)
  {
    thread.join();
  }
}

class DeviceCommunicatorTest : public ::testing::Test
{
protected:
  void SetUp() override
  {
    UseCudaEmulation();
    RegisterBackends();
    m_Plan.device = Device::FromString("cuda");
    const int devices = CountDevices(m_Plan);
    if (devices < 2)
    {
      GTEST_SKIP() << "sums over devices need two of them, there are " << devices;
    }
  }

  std::shared_ptr<DeviceMemory> GetMemory(int device) const
  {
    PlanOptions plan = m_Plan;
    plan.device.index = device;
    return GetDeviceMemory(plan);
  }

private:
  PlanOptions m_Plan;
};

/** A device that cannot do what it is asked for. */
class LonelyMemory : public DeviceMemory
{
public:
  explicit LonelyMemory(bool knows)
    : m_Knows(knows)
  {}
  std::shared_ptr<void> Allocate(std::size_t) override
  {
    return nullptr;
  }
  std::shared_ptr<DeviceStream> MakeStream() override
  {
    return nullptr;
  }
  void WaitForOthers(void *) override
  {}
  std::shared_ptr<void> Lend(std::shared_ptr<void>) override
  {
    return nullptr;
  }
  bool Contains(const void *) override
  {
    return false;
  }
  std::string GetGroupReason() const override
  {
    return m_Knows ? DeviceMemory::GetGroupReason() : "";
  }

private:
  bool m_Knows;
};
} // namespace

TEST_F(DeviceCommunicatorTest, SumsOnTheDevices)
{
  const auto group = std::make_shared<ThreadGroup>(2);
  RunAsProcesses(2,
                 [&](int rank)
                 {
                   const auto device = this->GetMemory(rank);
                   const DeviceCommunicator communicator(std::make_shared<ThreadCommunicator>(group, rank), device);
                   EXPECT_EQ(communicator.GetRank(), rank);
                   EXPECT_EQ(communicator.GetSize(), 2);
                   EXPECT_EQ(communicator.GetLocalRank(), 0);
                   for (const float factor : { 1.0F, 2.0F })
                   {
                     const std::vector<float> own{ factor, static_cast<float>(rank), -3 };
                     Tensor values = Tensor::FromVector<float>({ 3 }, own).ToDevice(device);
                     communicator.SumTensor(values);
                     EXPECT_TRUE(values.IsOnDevice());
                     EXPECT_EQ(values.ToHost().ToVector<float>(), (std::vector<float>{ 2 * factor, 1, -6 }));
                   }
                   // What is on the host, the host sums.
                   Tensor onHost = Tensor::Full({ 2 }, rank + 1);
                   communicator.SumTensor(onHost);
                   EXPECT_EQ(onHost.ToVector<float>(), (std::vector<float>{ 3, 3 }));
                   std::vector<float> values{ 1, 2 };
                   communicator.Sum(values);
                   EXPECT_EQ(values, (std::vector<float>{ 2, 4 }));
                   Tensor halves = Tensor::Zeros({ 4 }, DataType::Float16).ToDevice(device);
                   EXPECT_NN_ERROR(communicator.SumTensor(halves), "not of float16");
                 });
}

TEST_F(DeviceCommunicatorTest, TensorsOfDevicesPassThroughTheHostWithoutIt)
{
  const auto group = std::make_shared<ThreadGroup>(2);
  RunAsProcesses(2,
                 [&](int rank)
                 {
                   const ThreadCommunicator communicator(group, rank);
                   Tensor values = Tensor::Full({ 5 }, rank + 1).ToDevice(this->GetMemory(rank));
                   communicator.SumTensor(values);
                   EXPECT_TRUE(values.IsOnDevice());
                   EXPECT_EQ(values.ToHost().ToVector<float>(), std::vector<float>(5, 3));
                 });
}

TEST_F(DeviceCommunicatorTest, AllFailWhenOneDoes)
{
  const auto group = std::make_shared<ThreadGroup>(2);
  for (const bool knows : { true, false })
  {
    for (const int lonely : { 0, 1 })
    {
      RunAsProcesses(
        2,
        [&](int rank)
        {
          const auto host = std::make_shared<ThreadCommunicator>(group, rank);
          const auto device = rank == lonely ? std::make_shared<LonelyMemory>(knows) : this->GetMemory(rank);
          EXPECT_NN_ERROR(DeviceCommunicator(host, device),
                          rank == lonely ? "its devices have no groups" : "the device of another process cannot");
        });
    }
  }
  EXPECT_NN_ERROR(DeviceCommunicator(std::make_shared<Communicator>(), nullptr), "no device that is not the host");
  EXPECT_NN_ERROR(DeviceCommunicator(nullptr, this->GetMemory(0)), "needs one of the host");
}

TEST_F(DeviceCommunicatorTest, GroupsAreJoinedByTheirIdentity)
{
  const auto device = this->GetMemory(0);
  EXPECT_EQ(device->GetGroupReason(), "");
  const std::string id = device->MakeGroupId();
  EXPECT_NE(id, device->MakeGroupId());
  EXPECT_NN_ERROR(device->JoinGroup("short", 2, 0), "with 5 bytes; should be ");
  EXPECT_NN_ERROR(device->JoinGroup(id, 2, 2), "A group of 2 devices cannot be joined as number 2");
}
