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
#include "itkNNBackend.h"
#include "itkNNExecutionPlan.h"
#include "itkNNTestHelpers.h"

#include <atomic>
#include <cstring>
#include <thread>

using namespace itk::nn;

namespace
{
/** A backend without implementations, to test the choice alone. */
template <int VPriority>
class FakeBackend : public Backend
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(FakeBackend);
  using Self = FakeBackend;
  using Pointer = itk::SmartPointer<Self>;
  itkFactorylessNewMacro(Self);
  itkTypeMacro(FakeBackend, Backend);

  std::string GetBackendName() const override
  {
    return VPriority == 0 ? "reference" : VPriority == 1 ? "fast" : "gpu";
  }
  Device::Type GetDeviceType() const override
  {
    return VPriority == 2 ? Device::Type::Cuda : Device::Type::Cpu;
  }
  std::string GetUnavailableReason(const Device & device, DataType precision) const override
  {
    if (VPriority == 2)
    {
      return device.type == Device::Type::Cuda && device.index == 0 ? "" : "needs the device cuda:0";
    }
    if (device.type != Device::Type::Cpu)
    {
      return "serves the cpu only";
    }
    return VPriority == 1 && precision != DataType::Float32 ? "float32 only" : "";
  }
  int GetPriority() const override
  {
    return VPriority;
  }
  std::vector<const Implementation *> GetImplementations(const Operator &) const override
  {
    return {};
  }
  std::unique_ptr<Kernel> MakeReorder(const ValueType &, const Layout &, const Layout &, unsigned int) const override
  {
    return nullptr;
  }

protected:
  FakeBackend() = default;
  ~FakeBackend() override = default;
};

std::vector<std::string>
NamesOf(const std::vector<Backend::Pointer> & backends)
{
  std::vector<std::string> names;
  for (const auto & backend : backends)
  {
    names.push_back(backend->GetBackendName());
  }
  return names;
}

using Names = std::vector<std::string>;

class BackendSelection : public ::testing::Test
{
protected:
  void SetUp() override
  {
    BackendFactory<FakeBackend<0>>::RegisterOneFactory();
    BackendFactory<FakeBackend<2>>::RegisterOneFactory();
    BackendFactory<FakeBackend<1>>::RegisterOneFactory();
    BackendFactory<FakeBackend<1>>::RegisterOneFactory();
  }
};
} // namespace

TEST_F(BackendSelection, RegisteredOnceEachHighestPriorityFirst)
{
  EXPECT_EQ(NamesOf(Backend::GetRegistered()), (Names{ "gpu", "fast", "reference" }));
}

TEST_F(BackendSelection, AutoTakesTheBestThatServes)
{
  Names notes;
  EXPECT_EQ(NamesOf(Backend::Select("auto", {}, DataType::Float32, &notes)), (Names{ "fast", "reference" }));
  EXPECT_TRUE(notes.empty()) << "a backend of other devices is none of the cpu's business";
  EXPECT_EQ(NamesOf(Backend::Select("auto", {}, DataType::Float64, &notes)), Names{ "reference" });
  EXPECT_EQ(notes, Names{ "backend fast not taken: float32 only" });
  EXPECT_EQ(NamesOf(Backend::Select("auto", Device::FromString("cuda"), DataType::Float32)), Names{ "gpu" });
}

TEST_F(BackendSelection, ComputationFromTexts)
{
  PlanOptions options;
  EXPECT_EQ(SetComputation(options, "cuda:1", "float64"), "");
  EXPECT_EQ(options.device, Device::FromString("cuda:1"));
  EXPECT_EQ(options.precision, DataType::Float64);
  EXPECT_EQ(GetPrecisionText(options), "float64");
  EXPECT_EQ(SetComputation(options, "auto", "tf32"), "");
  EXPECT_EQ(options.device, Device::FromString("cuda"));
  EXPECT_EQ(options.precision, DataType::Float32);
  EXPECT_TRUE(options.allowTensorFloat32);
  EXPECT_EQ(GetPrecisionText(options), "tf32");
  EXPECT_EQ(SetComputation(options, "cpu", "float32"), "");
  EXPECT_FALSE(options.allowTensorFloat32);
  EXPECT_NN_ERROR(SetComputation(options, "gpu", "float32"), "Unknown device 'gpu'");
  EXPECT_NN_ERROR(SetComputation(options, "cpu", "int32"), "Precision int32 should be a floating-point type or tf32");
  options.backend = "fast";
  EXPECT_EQ(SetComputation(options, "auto", "float32"), "no backend for CUDA devices is registered");
  EXPECT_EQ(options.device, Device{});
}

TEST_F(BackendSelection, ByName)
{
  EXPECT_EQ(NamesOf(Backend::Select("reference", {}, DataType::Float32)), Names{ "reference" });
  EXPECT_EQ(NamesOf(Backend::Select("fast", {}, DataType::Float32)), (Names{ "fast", "reference" }));
  EXPECT_NN_ERROR(Backend::Select("fast", {}, DataType::Float64), "Backend 'fast' is not available: float32 only");
  EXPECT_NN_ERROR(Backend::Select("gpu", {}, DataType::Float32), "needs the device cuda:0");
  EXPECT_NN_ERROR(Backend::Select("none", {}, DataType::Float32),
                  "Unknown backend 'none'; registered are: auto, gpu, fast, reference");
  EXPECT_NN_ERROR(Backend::Select("auto", Device::FromString("cuda:1"), DataType::Float32),
                  "No backend serves device cuda:1 in float32; gpu: needs the device cuda:0");
}

TEST(WeightCache, FillsOncePerKey)
{
  WeightCache cache;
  EXPECT_EQ(cache.GetNumberOfBytes(), 0U);
  int fills = 0;
  const auto fill = [&](void * to)
  {
    ++fills;
    std::memset(to, 7, 100);
  };
  const auto first = cache.GetOrCreate("a", 100, fill);
  const auto second = cache.GetOrCreate("a", 100, fill);
  EXPECT_EQ(first, second);
  EXPECT_EQ(fills, 1);
  EXPECT_EQ(static_cast<const char *>(first.get())[99], 7);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first.get()) % 64, 0U);
  EXPECT_NE(cache.GetOrCreate("b", 100, fill), first);
  EXPECT_EQ(fills, 2);
  EXPECT_EQ(cache.GetNumberOfBytes(), 200U);
}

TEST(WeightCache, MemoryOutlivesTheCache)
{
  std::shared_ptr<const void> kept;
  {
    WeightCache cache;
    kept = cache.GetOrCreate("a", 4, [](void * to) { std::memset(to, 3, 4); });
  }
  EXPECT_EQ(static_cast<const char *>(kept.get())[3], 3);
}

TEST(WeightCache, FailedFillLeavesNoEntry)
{
  WeightCache cache;
  EXPECT_NN_ERROR(cache.GetOrCreate("a", 4, [](void *) { itkNNThrowMacro("no"); }), "no");
  EXPECT_EQ(cache.GetNumberOfBytes(), 0U);
  int fills = 0;
  cache.GetOrCreate("a", 4, [&](void *) { ++fills; });
  EXPECT_EQ(fills, 1);
}

TEST(WeightCache, SeveralThreads)
{
  WeightCache cache;
  std::atomic<int> fills{ 0 };
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
  {
    threads.emplace_back(
      [&]
      {
        for (int key = 0; key < 50; ++key)
        {
          cache.GetOrCreate("key" + std::to_string(key), 8, [&](void *) { ++fills; });
        }
      });
  }
  for (auto & thread : threads)
  {
    thread.join();
  }
  EXPECT_EQ(fills, 50);
  EXPECT_EQ(cache.GetNumberOfBytes(), 400U);
}

TEST(Proposal, Kinds)
{
  const Proposal none = Proposal::Unsupported("too large");
  EXPECT_FALSE(none.IsSupported());
  EXPECT_EQ(none.reason, "too large");

  int calls = 0;
  auto kernel = std::make_unique<FunctionKernel>([&](const KernelArguments &) { ++calls; }, 32);
  EXPECT_EQ(kernel->GetScratchBytes(), 32U);
  const Layout blocked{ Layout::Kind::Blocked8, 1 };
  const Proposal some = Proposal::FromKernel(std::move(kernel), { Layout{}, blocked }, blocked);
  EXPECT_TRUE(some.IsSupported());
  EXPECT_EQ(some.inputLayouts.size(), 2U);
  EXPECT_EQ(some.outputLayout, blocked);
  EXPECT_EQ(some.aliasOfInput, -1);
  EXPECT_EQ(some.inPlaceInput, -1);
  some.kernel->Execute({});
  EXPECT_EQ(calls, 1);

  const Proposal alias = Proposal::Alias(1, { blocked, Layout{} }, Layout{});
  EXPECT_TRUE(alias.IsSupported());
  EXPECT_EQ(alias.aliasOfInput, 1);
  EXPECT_EQ(alias.kernel, nullptr);
  EXPECT_EQ(alias.inputLayouts[0], blocked);
}

TEST(Operand, IsConstantWhenItHasElements)
{
  Operand operand;
  EXPECT_FALSE(operand.IsConstant());
  operand.constant = Tensor::Zeros({ 1 });
  EXPECT_TRUE(operand.IsConstant());
}
