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
#include "itkNNBackendsTestHelpers.h"

#include <atomic>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
/** Addresses of the device are the host's with a bit that no address may have:
 * a plan that reads or writes them itself does not survive. */
constexpr std::uintptr_t deviceBit = std::uintptr_t{ 1 } << 62;

bool
IsOnDevice(const void * address)
{
  return (reinterpret_cast<std::uintptr_t>(address) & deviceBit) != 0;
}

void *
ToDevice(const void * address)
{
  return reinterpret_cast<void *>(reinterpret_cast<std::uintptr_t>(address) | deviceBit);
}

/** Throws Error for memory of the host. */
void *
FromDevice(const void * address)
{
  itkNNRequireMacro(IsOnDevice(address), "Memory of the host where the device's should be");
  return reinterpret_cast<void *>(reinterpret_cast<std::uintptr_t>(address) & ~deviceBit);
}

/** Does nothing before Wait(), so that what waits for nothing is found. */
class LazyStream : public DeviceStream
{
public:
  ~LazyStream() override
  {
    this->Run();
  }

  void CopyFromHost(void * to, const void * from, std::size_t bytes) override
  {
    this->Copy(FromDevice(to), from, bytes);
  }
  void CopyToHost(void * to, const void * from, std::size_t bytes) override
  {
    this->Copy(to, FromDevice(from), bytes);
  }
  void CopyOnDevice(void * to, const void * from, std::size_t bytes) override
  {
    this->Copy(FromDevice(to), FromDevice(from), bytes);
  }
  bool BeginRecording() override
  {
    if (mode == Recordings::None)
    {
      return false;
    }
    m_Recording = std::make_shared<std::vector<std::function<void()>>>();
    return true;
  }
  std::shared_ptr<const void> EndRecording() override
  {
    const auto recording = std::move(m_Recording);
    m_Recording = nullptr;
    return mode == Recordings::Fail ? nullptr : recording;
  }
  void Replay(const std::shared_ptr<const void> & recording) override
  {
    ++replays;
    const auto work = std::static_pointer_cast<const std::vector<std::function<void()>>>(recording);
    this->Add(
      [work]
      {
        for (const auto & item : *work)
        {
          item();
        }
      });
  }
  void Add(std::function<void()> work)
  {
    (m_Recording ? *m_Recording : m_Work).push_back(std::move(work));
  }

  enum class Recordings : std::uint8_t
  {
    Work,
    Fail, ///< when they end
    None
  };
  static inline Recordings mode = Recordings::Work;
  static inline std::atomic<int> replays{ 0 };

  void Wait() override
  {
    this->Run();
  }

private:
  void Copy(void * to, const void * from, std::size_t bytes)
  {
    itkNNRequireMacro(!IsOnDevice(to) && !IsOnDevice(from), "Memory of the device where the host's should be");
    m_Work.emplace_back([=] { std::memcpy(to, from, bytes); });
  }
  void Run()
  {
    for (const auto & work : m_Work)
    {
      work();
    }
    m_Work.clear();
  }

  std::vector<std::function<void()>> m_Work;
  std::shared_ptr<std::vector<std::function<void()>>> m_Recording;
};

class FakeMemory : public DeviceMemory
{
public:
  std::shared_ptr<void> Allocate(std::size_t bytes) override
  {
    if (bytes > limit)
    {
      throw OutOfDeviceMemory(__FILE__, __LINE__, "cuda:0 has no room for " + std::to_string(bytes) + " bytes");
    }
    allocated += bytes;
    const auto memory = AllocateAligned(bytes);
    // What was never written is no number.
    std::memset(memory.get(), 0xff, bytes);
    return std::shared_ptr<void>(ToDevice(memory.get()), [memory](void *) {});
  }
  std::shared_ptr<DeviceStream> MakeStream() override
  {
    return std::make_shared<LazyStream>();
  }
  void WaitForOthers(void *) override
  {}
  std::shared_ptr<void> Lend(std::shared_ptr<void> memory) override
  {
    return memory;
  }
  bool Contains(const void * address) override
  {
    return IsOnDevice(address);
  }

  std::size_t limit = std::size_t{ 1 } << 40;
  std::atomic<std::size_t> allocated{ 0 };
};

/** A kernel of the host on memory of the device. */
class FakeKernel : public Kernel
{
public:
  explicit FakeKernel(std::shared_ptr<Kernel> kernel)
    : m_Kernel(std::move(kernel))
  {}

  std::size_t GetScratchBytes() const override
  {
    return m_Kernel->GetScratchBytes();
  }
  bool ReadsInput(std::size_t input) const override
  {
    return m_Kernel->ReadsInput(input);
  }
  void Execute(const KernelArguments & arguments) const override
  {
    KernelArguments own = arguments;
    own.progress = nullptr;
    own.stream = nullptr;
    for (std::size_t i = 0; i < own.inputs.size(); ++i)
    {
      own.inputs[i] = own.inputs[i] == nullptr && !m_Kernel->ReadsInput(i) ? nullptr : FromDevice(own.inputs[i]);
    }
    own.output = FromDevice(own.output);
    own.scratch = own.scratch == nullptr ? nullptr : FromDevice(own.scratch);
    for (auto & output : own.moreOutputs)
    {
      output = FromDevice(output);
    }
    auto * stream = dynamic_cast<LazyStream *>(arguments.stream);
    itkNNRequireMacro(stream != nullptr, "A kernel of a device needs its stream");
    stream->Add([kernel = m_Kernel, own] { kernel->Execute(own); });
  }

private:
  std::shared_ptr<Kernel> m_Kernel;
};

class FakeImplementation : public Implementation
{
public:
  explicit FakeImplementation(const Implementation & inner)
    : m_Inner(inner)
  {}
  std::string GetName() const override
  {
    return "fake:" + m_Inner.GetName();
  }
  Proposal Propose(const OperatorCase & operatorCase) const override
  {
    itkNNRequireMacro(operatorCase.device != nullptr, "The case should tell the device");
    Proposal proposal = m_Inner.Propose(operatorCase);
    if (proposal.kernel)
    {
      proposal.kernel = std::make_unique<FakeKernel>(std::shared_ptr<Kernel>(std::move(proposal.kernel)));
    }
    return proposal;
  }

private:
  const Implementation & m_Inner;
};

/** The host's backends behind memory that only they can read. */
class FakeBackend : public Backend
{
public:
  using Self = FakeBackend;
  using Superclass = Backend;
  using Pointer = itk::SmartPointer<Self>;
  itkFactorylessNewMacro(Self);
  itkTypeMacro(FakeBackend, Backend);

  static FakeMemory & GetMemory()
  {
    return *Shared();
  }

  std::string GetBackendName() const override
  {
    return "fake";
  }
  Device::Type GetDeviceType() const override
  {
    return Device::Type::Cuda;
  }
  std::string GetUnavailableReason(const Device & device, DataType) const override
  {
    return device.type == Device::Type::Cuda && device.index == 0 ? "" : "serves cuda:0 only";
  }
  int GetPriority() const override
  {
    return -100;
  }
  std::vector<const Implementation *> GetImplementations(const Operator & op) const override
  {
    static std::mutex mutex;
    static std::map<const Implementation *, std::unique_ptr<FakeImplementation>> known;
    const std::lock_guard<std::mutex> lock(mutex);
    std::vector<const Implementation *> implementations;
    for (const auto & backend : this->GetInner())
    {
      for (const Implementation * inner : backend->GetImplementations(op))
      {
        auto & own = known[inner];
        own = own ? std::move(own) : std::make_unique<FakeImplementation>(*inner);
        implementations.push_back(own.get());
      }
    }
    return implementations;
  }
  std::unique_ptr<Kernel> MakeReorder(const ValueType & type,
                                      const Layout & from,
                                      const Layout & to,
                                      unsigned int threads) const override
  {
    for (const auto & backend : this->GetInner())
    {
      auto kernel = backend->MakeReorder(type, from, to, threads);
      if (kernel)
      {
        return std::make_unique<FakeKernel>(std::shared_ptr<Kernel>(std::move(kernel)));
      }
    }
    return nullptr;
  }
  std::shared_ptr<DeviceMemory> GetDeviceMemory(const Device &) const override
  {
    return Shared();
  }

private:
  static const std::shared_ptr<FakeMemory> & Shared()
  {
    static const auto memory = std::make_shared<FakeMemory>();
    return memory;
  }
  std::vector<Backend::Pointer> GetInner() const
  {
    return Backend::Select("auto", Device{}, DataType::Float32);
  }
};

PlanOptions
DeviceOptions(DataType precision = DataType::Float32)
{
  PlanOptions options = OptionsOf({ "fake", precision });
  options.device = Device::FromString("cuda");
  return options;
}

/** The device is there while its tests run. */
class DevicePlan : public ::testing::Test
{
protected:
  void SetUp() override
  {
    RegisterBackends();
    itk::ObjectFactoryBase::RegisterFactory(m_Factory);
  }
  void TearDown() override
  {
    itk::ObjectFactoryBase::UnRegisterFactory(m_Factory);
  }

private:
  BackendFactory<FakeBackend>::Pointer m_Factory = BackendFactory<FakeBackend>::New();
};

/** Convolutions in blocked and plain memory, a concatenation of parts, reductions,
 * constants, aliases, an input that may be overwritten, outputs of all kinds. */
struct DeviceNetwork
{
  DeviceNetwork()
  {
    Convolution same;
    same.padding = { 1 };
    const ValueId x = graph.AddInput("x", { 1, 16, 12, 12 });
    const ValueId y = graph.AddInput("y", { 1, 16, 12, 12 });
    graph.AddInput("unused", { 3 });
    const ValueId a =
      graph.Convolve(x, this->Parameter("a.weight", { 16, 16, 3, 3 }), this->Parameter("a.bias", { 16 }), same, "a");
    const ValueId relu = graph.Apply(UnaryFunction::LeakyRelu, a, 0.01);
    const ValueId b = graph.Convolve(y, this->Parameter("b.weight", { 16, 16, 3, 3 }), std::nullopt, same, "b");
    const ValueId joined = graph.Concatenate({ relu, b }, 1);
    const ValueId c = graph.Convolve(joined, this->Parameter("c.weight", { 3, 32, 1, 1 }), std::nullopt, {}, "c");
    const ValueId shift = graph.AddConstant(Tensor::FromVector<float>({ 3, 1, 1 }, { 1, 2, 3 }), "shift");
    const ValueId moved = graph.Combine(BinaryFunction::Add, c, shift);
    const ValueId flat = graph.Add(Reshape{ { 1, 3, 144 } }, { moved });
    const ValueId probabilities = graph.Add(Softmax{ 1, false }, { flat });
    // Its own copy of the input may hold the result.
    const ValueId changed = graph.Apply(UnaryFunction::Linear, y, 2, 1);
    graph.AddOutput("probabilities", probabilities);
    graph.AddOutput("same", probabilities);
    graph.AddOutput("mean", graph.Reduce(ReductionFunction::Mean, joined, { -1, -2 }, false));
    graph.AddOutput("changed", changed);
    graph.AddOutput("x", x);
    graph.AddOutput("shift", shift);
    graph.AddOutput("bias", graph.AddParameter("a.bias", { 16 }));
    inputs["x"] = RandomValues({ 1, 16, 12, 12 }, 1).To(DataType::Float32);
    inputs["y"] = RandomValues({ 1, 16, 12, 12 }, 2).To(DataType::Float32);
    inputs["unused"] = Tensor::Zeros({ 3 });
  }

  ValueId Parameter(const std::string & name, const Shape & shape)
  {
    weights.Add(
      name, RandomValues(shape, static_cast<std::uint32_t>(weights.GetSize() + 7), -0.3, 0.3).To(DataType::Float32));
    return graph.AddParameter(name, shape);
  }

  TensorMap RunOracle() const
  {
    return ExecutionPlan::Compile(graph, weights, OracleOptions())->Run(inputs);
  }

  Graph graph;
  StateDict weights;
  TensorMap inputs;
};

void
ExpectOutputs(const TensorMap & outputs, const TensorMap & expected, double tolerance)
{
  ASSERT_EQ(outputs.size(), expected.size());
  for (const auto & [name, tensor] : expected)
  {
    EXPECT_FALSE(IsOnDevice(outputs.at(name).GetRawData())) << name;
    EXPECT_TRUE(IsClose(outputs.at(name), tensor, tolerance)) << name;
  }
}
} // namespace

TEST_F(DevicePlan, IsTheSameAsOnTheHost)
{
  const DeviceNetwork network;
  const TensorMap expected = network.RunOracle();
  for (const auto precision : { DataType::Float32, DataType::Float64 })
  {
    for (const bool optimize : { true, false })
    {
      PlanOptions options = DeviceOptions(precision);
      options.optimize = optimize;
      const auto plan = ExecutionPlan::Compile(network.graph, network.weights, options);
      const Tensor before = network.inputs.at("y").Clone();
      for (int repeat = 0; repeat < 2; ++repeat)
      {
        ExpectOutputs(plan->Run(network.inputs), expected, precision == DataType::Float64 ? 1e-12 : 1e-5);
      }
      EXPECT_TRUE(IsClose(network.inputs.at("y"), before, 0)) << "inputs of the host are not written to";
    }
  }
}

TEST_F(DevicePlan, WeightsAreUploadedOnce)
{
  const DeviceNetwork network;
  const PlanOptions options = DeviceOptions();
  const auto resources = std::make_shared<PlanResources>();
  const auto first = ExecutionPlan::Compile(network.graph, network.weights, options, resources);
  const std::size_t bytes = resources->weights.GetNumberOfBytes();
  const std::size_t allocated = FakeBackend::GetMemory().allocated;
  const auto second = ExecutionPlan::Compile(network.graph, network.weights, options, resources);
  EXPECT_EQ(resources->weights.GetNumberOfBytes(), bytes);
  EXPECT_LT(FakeBackend::GetMemory().allocated - allocated, 100U) << "constants without a name are each plan's own";
  ExpectOutputs(second->Run(network.inputs), network.RunOracle(), 1e-5);
}

TEST_F(DevicePlan, SeveralThreadsRunOnePlan)
{
  const DeviceNetwork network;
  const TensorMap expected = network.RunOracle();
  const auto plan = ExecutionPlan::Compile(network.graph, network.weights, DeviceOptions());
  std::vector<std::thread> threads;
  std::vector<TensorMap> outputs(4);
  for (auto & output : outputs)
  {
    threads.emplace_back([&] { output = plan->Run(network.inputs); });
  }
  for (auto & thread : threads)
  {
    thread.join();
  }
  for (const auto & output : outputs)
  {
    ExpectOutputs(output, expected, 1e-5);
  }
}

TEST_F(DevicePlan, ProgressAndCancelling)
{
  const DeviceNetwork network;
  const auto plan = ExecutionPlan::Compile(network.graph, network.weights, DeviceOptions());
  double last = 0;
  RunHooks hooks;
  hooks.progress = [&](double part)
  {
    EXPECT_GE(part, last);
    last = part;
  };
  plan->Run(network.inputs, hooks);
  EXPECT_EQ(last, 1);
  int asked = 0;
  hooks.progress = nullptr;
  hooks.isCancelled = [&] { return ++asked > 2; };
  EXPECT_THROW(plan->Run(network.inputs, hooks), Cancelled);
  ExpectOutputs(plan->Run(network.inputs), network.RunOracle(), 1e-5);
}

TEST_F(DevicePlan, LayoutsOfOutputsAreThoseOfInputs)
{
  const DeviceNetwork network;
  PlanOptions options = DeviceOptions();
  options.keepOutputLayouts = true;
  Graph first;
  Convolution same;
  same.padding = { 1 };
  const ValueId x = first.AddInput("x", { 1, 16, 12, 12 });
  first.AddOutput("a", first.Convolve(x, first.AddParameter("a.weight", { 16, 16, 3, 3 }), std::nullopt, same, "a"));
  const auto prologue = ExecutionPlan::Compile(first, network.weights, options);
  Graph second;
  const ValueId a = second.AddInput("a", { 1, 16, 12, 12 });
  second.AddOutput("y", second.Convolve(a, second.AddParameter("b.weight", { 16, 16, 3, 3 }), std::nullopt, same, "b"));
  options.keepOutputLayouts = false;
  options.inputLayouts = prologue->GetOutputLayouts();
  const auto remainder = ExecutionPlan::Compile(second, network.weights, options);
  const TensorMap inputs{ { "x", network.inputs.at("x") } };
  const TensorMap expected = ExecutionPlan::Compile(second, network.weights, OracleOptions())
                               ->Run(ExecutionPlan::Compile(first, network.weights, OracleOptions())->Run(inputs));
  ExpectOutputs(remainder->Run(prologue->Run(inputs)), expected, 1e-5);
}

TEST_F(DevicePlan, TheSecondRunIsRecordedTheThirdReplayed)
{
  const DeviceNetwork network;
  const TensorMap expected = network.RunOracle();
  for (const auto mode : { LazyStream::Recordings::Work, LazyStream::Recordings::Fail, LazyStream::Recordings::None })
  {
    LazyStream::mode = mode;
    LazyStream::replays = 0;
    const auto plan = ExecutionPlan::Compile(network.graph, network.weights, DeviceOptions());
    TensorMap inputs = network.inputs;
    for (int run = 0; run < 4; ++run)
    {
      double done = 0;
      RunHooks hooks;
      hooks.progress = [&](double part) { done = part; };
      ExpectOutputs(plan->Run(inputs, hooks), expected, 1e-5);
      EXPECT_EQ(done, 1);
      // Other memory of the host is the same to the device.
      inputs["x"] = inputs["x"].Clone();
    }
    EXPECT_EQ(LazyStream::replays, mode == LazyStream::Recordings::Work ? 3 : 0);
  }
  LazyStream::mode = LazyStream::Recordings::Work;
}

TEST_F(DevicePlan, ACancelledRecordingIsNone)
{
  const DeviceNetwork network;
  const auto plan = ExecutionPlan::Compile(network.graph, network.weights, DeviceOptions());
  ExpectOutputs(plan->Run(network.inputs), network.RunOracle(), 1e-5);
  int asked = 0;
  RunHooks hooks;
  hooks.isCancelled = [&] { return ++asked > 2; };
  EXPECT_THROW(plan->Run(network.inputs, hooks), Cancelled);
  for (int run = 0; run < 3; ++run)
  {
    ExpectOutputs(plan->Run(network.inputs), network.RunOracle(), 1e-5);
  }
}

TEST_F(DevicePlan, OutputsThatStayAreInputsThatAreThere)
{
  const DeviceNetwork network;
  const TensorMap expected = network.RunOracle();
  PlanOptions options = DeviceOptions();
  options.keepOutputsOnDevice = true;
  const auto first = ExecutionPlan::Compile(network.graph, network.weights, options);
  const TensorMap kept = first->Run(network.inputs);
  for (const auto & [name, tensor] : expected)
  {
    const Tensor & on = kept.at(name);
    EXPECT_TRUE(on.IsOnDevice());
    EXPECT_TRUE(IsOnDevice(on.GetRawData())) << name;
    EXPECT_TRUE(IsClose(on.ToHost(), tensor, 1e-5)) << name;
    EXPECT_NN_ERROR(on.ToVector<float>(), "is in memory of a device");
    EXPECT_NN_ERROR(on.GetElement(Shape(on.GetShape().size(), 0)), "is in memory of a device");
  }

  Graph graph;
  const ValueId a = graph.AddInput("a", { 1, 3, 144 });
  const ValueId b = graph.AddInput("b", { 1, 16, 12, 12 });
  // One of them could be overwritten if it were the plan's own.
  graph.AddOutput("a2", graph.Apply(UnaryFunction::Linear, a, 2, 1));
  graph.AddOutput("b2", graph.Apply(UnaryFunction::Linear, b, 3, 0));
  graph.AddOutput("a", a);
  const TensorMap onHost{ { "a", expected.at("probabilities") }, { "b", network.inputs.at("x") } };
  const TensorMap wanted = ExecutionPlan::Compile(graph, {}, OracleOptions())->Run(onHost);
  for (const bool isResident : { true, false })
  {
    PlanOptions second = DeviceOptions();
    if (isResident)
    {
      second.residentInputs = { "a", "b" };
    }
    const auto plan = ExecutionPlan::Compile(graph, {}, second);
    for (int run = 0; run < 4; ++run)
    {
      ExpectOutputs(plan->Run({ { "a", kept.at("probabilities") }, { "b", kept.at("x") } }), wanted, 1e-5);
      ExpectOutputs(plan->Run(onHost), wanted, 1e-5);
    }
    EXPECT_TRUE(IsClose(kept.at("probabilities").ToHost(), expected.at("probabilities"), 1e-5)) << "not overwritten";
  }
  // On the host a tensor of a device is brought back.
  ExpectOutputs(ExecutionPlan::Compile(graph, {}, OptionsOf({ "reference", DataType::Float32 }))
                  ->Run({ { "a", kept.at("probabilities") }, { "b", kept.at("x") } }),
                wanted,
                1e-5);
}

TEST_F(DevicePlan, TensorsAreCopiedToFromAndOnDevices)
{
  const auto device =
    Backend::Select("fake", Device::FromString("cuda"), DataType::Float32).front()->GetDeviceMemory({});
  const Tensor values = RandomValues({ 3, 8 }, 7).To(DataType::Float32);
  const Tensor on = values.ToDevice(device);
  EXPECT_EQ(on.GetDevice(), device);
  EXPECT_TRUE(IsOnDevice(on.GetRawData()));
  EXPECT_EQ(on.ToDevice(device).GetRawData(), on.GetRawData()) << "it is there";
  EXPECT_TRUE(IsClose(on.ToHost(), values, 0));
  EXPECT_TRUE(IsClose(values.Permute({ 1, 0 }).ToDevice(device).ToHost(), values.Permute({ 1, 0 }), 0));
  EXPECT_TRUE(IsClose(on.Slice(0, 1, 3).Reshape({ 16 }).ToHost(), values.Slice(0, 1, 3).Reshape({ 16 }), 0));

  const Tensor halves = on.To(DataType::BFloat16);
  EXPECT_TRUE(halves.IsOnDevice());
  EXPECT_EQ(halves.GetDataType(), DataType::BFloat16);
  EXPECT_TRUE(IsClose(halves.ToHost(), values.To(DataType::BFloat16), 0));
  Tensor copy = on.Clone();
  EXPECT_TRUE(copy.IsOnDevice());
  EXPECT_NE(copy.GetRawData(), on.GetRawData());
  EXPECT_TRUE(IsClose(copy.ToHost(), values, 0));
  copy.CopyFrom(halves);
  EXPECT_TRUE(IsClose(copy.ToHost(), values.To(DataType::BFloat16), 0));
  copy.CopyFrom(values.To(DataType::Float64));
  EXPECT_TRUE(IsClose(copy.ToHost(), values, 0));
  Tensor host({ 3, 8 }, DataType::Float64);
  host.CopyFrom(halves);
  EXPECT_TRUE(IsClose(host, values.To(DataType::BFloat16), 0));

  EXPECT_NN_ERROR(values.ToDevice(nullptr), "A tensor and a device are needed");
  EXPECT_NN_ERROR(on.Permute({ 1, 0 }).ToHost(), "should be contiguous to be copied to, from or on a device");
  EXPECT_NN_ERROR(copy.CopyFrom(values.Reshape({ 24 })), "cannot be copied to one of shape [3, 8]");
}

TEST_F(DevicePlan, ResidentInputsThatBeginAnywhere)
{
  const auto device = FakeBackend::New()->GetDeviceMemory({});
  const Tensor values = RandomValues({ 33 }, 4).To(DataType::Float32);
  const auto memory = device->Upload(values.GetRawData(), values.GetNumberOfBytes());
  Graph graph;
  graph.AddOutput("y", graph.Apply(UnaryFunction::Square, graph.AddInput("x", { 16 })));
  PlanOptions options = DeviceOptions();
  options.residentInputs = { "x" };
  const auto plan = ExecutionPlan::Compile(graph, {}, options);
  for (const std::int64_t begin : { 0, 16, 1, 5 })
  {
    const std::shared_ptr<void> first(memory, static_cast<float *>(memory.get()) + begin);
    const Tensor own = values.Slice(0, begin, begin + 16).Clone();
    const Tensor expected = ExecutionPlan::Compile(graph, {}, OracleOptions())->Run({ { "x", own } }).at("y");
    const std::size_t before = FakeBackend::GetMemory().allocated;
    const auto result = plan->Run({ { "x", Tensor::WrapDevice(first, { 16 }, DataType::Float32, device) } });
    EXPECT_TRUE(IsClose(result.at("y"), expected, 1e-6)) << begin;
    EXPECT_EQ(FakeBackend::GetMemory().allocated - before >= 64, begin % 16 != 0 || begin == 0)
      << begin << ": copied to where it begins at a multiple of 64 bytes; the first run makes the arena";
  }
}

TEST_F(DevicePlan, WantOfMemoryIsAnError)
{
  const DeviceNetwork network;
  const auto plan = ExecutionPlan::Compile(network.graph, network.weights, DeviceOptions());
  FakeBackend::GetMemory().limit = 1000;
  EXPECT_NN_ERROR(plan->Run(network.inputs), " bytes for its values; cuda:0 has no room for ");
  EXPECT_THROW(plan->Run(network.inputs), OutOfDeviceMemory);
  FakeBackend::GetMemory().limit = std::size_t{ 1 } << 40;
  ExpectOutputs(plan->Run(network.inputs), network.RunOracle(), 1e-5);
}
