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
#include "itkNNCudaElements.h"
#include "itkNNCudaGeometry.h"
#include "itkNNCudaLibrary.h"
#include "itkNNCudaMemory.h"
#include "itkNNOperatorCases.h"
#include "itksys/DynamicLoader.hxx"

#include <cstring>
#include <limits>
#include <thread>

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
const Device cudaDevice = Device::FromString("cuda");

/** Tests of a device, real or emulated. */
class CudaDevice : public ::testing::Test
{
protected:
  void SetUp() override
  {
    const std::string reason = Backend::GetRegistered().front()->GetUnavailableReason(cudaDevice, DataType::Float32);
    if (!reason.empty())
    {
      GTEST_SKIP() << reason;
    }
  }
};

PlanOptions
CudaOptions(DataType precision = DataType::Float32)
{
  return OptionsOf({ "cuda", precision, cudaDevice });
}

std::shared_ptr<cuda::Memory>
GetTestMemory()
{
  return cuda::GetMemory(*cuda::Library::Get().GetTable(), 0);
}
} // namespace

TEST(CudaElements, HalvesAreThoseOfCore)
{
  for (std::uint32_t bits = 0; bits < 0x10000U; ++bits)
  {
    const auto pattern = static_cast<std::uint16_t>(bits);
    const float half = cuda::Load(cuda::Half{ pattern });
    const float brain = cuda::Load(cuda::BFloat16{ pattern });
    const float coreHalf = HalfToFloat(pattern);
    const float coreBrain = BFloat16ToFloat(pattern);
    ASSERT_TRUE(half == coreHalf || (std::isnan(half) && std::isnan(coreHalf))) << bits;
    ASSERT_TRUE(brain == coreBrain || (std::isnan(brain) && std::isnan(coreBrain))) << bits;
    // What is between two numbers, and the numbers themselves.
    for (const float value : { half, std::nextafter(half, 1e30F), half * 1.0004F, half * 1.00048828125F })
    {
      ASSERT_EQ(std::isnan(value), std::isnan(cuda::Load(cuda::Store<cuda::Half>(value))));
      if (!std::isnan(value))
      {
        ASSERT_EQ(cuda::Store<cuda::Half>(value).bits, FloatToHalf(value)) << value;
        ASSERT_EQ(cuda::Store<cuda::BFloat16>(value).bits, FloatToBFloat16(value)) << value;
      }
    }
  }
  EXPECT_EQ(cuda::Store<cuda::Half>(65520.0F).bits, 0x7c00U);
  EXPECT_EQ(cuda::Store<cuda::Half>(1e-9F).bits, 0U);
}

TEST(CudaElements, FunctionsAreThoseOfCore)
{
  const double values[] = { -2.5, -1, -0.5, 0, 0.5, 1.5, 3, std::numeric_limits<double>::quiet_NaN() };
  for (int f = 0; f <= static_cast<int>(UnaryFunction::Linear); ++f)
  {
    const Unary op{ static_cast<UnaryFunction>(f), 0.25, 1 };
    for (const double x : values)
    {
      const double expected = Evaluate(op, x);
      const double found = cuda::EvaluateUnary(op.function, op.alpha, op.beta, x);
      EXPECT_TRUE(found == expected || std::abs(found - expected) < 1e-14 || (found != found && expected != expected))
        << ToString(op.function) << ' ' << x << ' ' << found << ' ' << expected;
    }
  }
  for (int f = 0; f <= static_cast<int>(BinaryFunction::Gate); ++f)
  {
    const Binary op{ static_cast<BinaryFunction>(f), 0.25 };
    for (const double a : values)
    {
      for (const double b : values)
      {
        const double expected = Evaluate(op, a, b);
        const double found = cuda::EvaluateBinary(op.function, op.alpha, a, b);
        EXPECT_TRUE(found == expected || (found != found && expected != expected))
          << ToString(op.function) << ' ' << a << ' ' << b << ' ' << found << ' ' << expected;
      }
    }
  }
}

TEST(CudaElements, DivisionsAreExact)
{
  const std::int64_t largest = std::numeric_limits<std::int32_t>::max();
  for (const std::int64_t divisor : { std::int64_t{ 1 },
                                      std::int64_t{ 2 },
                                      std::int64_t{ 3 },
                                      std::int64_t{ 5 },
                                      std::int64_t{ 7 },
                                      std::int64_t{ 9 },
                                      std::int64_t{ 64 },
                                      std::int64_t{ 127 },
                                      std::int64_t{ 641 },
                                      std::int64_t{ 65535 },
                                      largest / 2,
                                      largest / 2 + 1,
                                      largest - 1,
                                      largest })
  {
    const cuda::Space space = cuda::MakeSpace({ divisor });
    for (const std::int64_t around : { std::int64_t{ 0 }, divisor, 2 * divisor, largest / divisor * divisor, largest })
    {
      for (std::int64_t number = std::max<std::int64_t>(around - 3, 0); number < std::min(around + 3, largest + 1);
           ++number)
      {
        for (const bool isWide : { false, true })
        {
          const cuda::Division division = cuda::Divide(space.extents[0], number, isWide);
          ASSERT_EQ(division.quotient, number / divisor) << number << ' ' << divisor;
          ASSERT_EQ(division.remainder, number % divisor) << number << ' ' << divisor;
        }
      }
    }
  }
  EXPECT_EQ(cuda::MakeSpace({ 3, largest }).isWide, 1);
  const std::int64_t wide = 3 * largest - 5;
  const cuda::Coordinates place = cuda::Locate(cuda::MakeSpace({ 3, largest }), wide);
  EXPECT_EQ(place.at[0], 2);
  EXPECT_EQ(place.at[1], largest - 5);
}

TEST(CudaGeometry, AxesThatLieOneInTheOtherAreOne)
{
  cuda::SpaceBuilder whole({ 2, 3, 1, 4 });
  whole.Add(ContiguousStrides({ 2, 3, 1, 4 }));
  ASSERT_TRUE(whole.Build());
  EXPECT_EQ(whole.GetSpace().rank, 1);
  EXPECT_EQ(whole.GetSpace().count, 24);
  EXPECT_EQ(whole.GetStrides(0).of[0], 1);

  // One value a channel: three axes become batch, channels and pixels.
  cuda::SpaceBuilder channels({ 2, 3, 4, 5 });
  channels.Add(ContiguousStrides({ 2, 3, 4, 5 }));
  channels.Add({ 0, 1, 0, 0 });
  ASSERT_TRUE(channels.Build());
  EXPECT_EQ(channels.GetSpace().rank, 3);

  // The order is that of the memory which is written.
  cuda::SpaceBuilder last({ 2, 3, 4, 5 });
  last.Add(cuda::GetStrides({ 2, 3, 4, 5 }, { Layout::Kind::ChannelsLast, 1 }));
  last.Add({ 0, 1, 0, 0 });
  ASSERT_TRUE(last.Build());
  EXPECT_EQ(last.GetSpace().rank, 2);
  EXPECT_EQ(last.GetSpace().extents[1].divisor, 3);
  EXPECT_EQ(last.GetStrides(1).of[1], 1);

  cuda::SpaceBuilder scalar({});
  scalar.Add({});
  ASSERT_TRUE(scalar.Build());
  EXPECT_EQ(scalar.GetSpace().count, 1);

  cuda::SpaceBuilder many(Shape(9, 2));
  many.Add(ContiguousStrides(Shape(9, 2)));
  Shape broken(9, 0);
  for (std::size_t i = 0; i < 9; i += 2)
  {
    broken[i] = 1;
  }
  many.Add(broken);
  EXPECT_FALSE(many.Build());
}

TEST(CudaGeometry, PacksOfElementsSideBySide)
{
  const Shape shape{ 2, 6, 8 };
  const auto make = [&](const Shape & other)
  {
    cuda::SpaceBuilder builder(shape);
    builder.Add(ContiguousStrides(shape));
    builder.Add(other);
    EXPECT_TRUE(builder.Build());
    return builder;
  };
  auto channels = make({ 0, 1, 0 });
  EXPECT_FALSE(channels.Pack(4, true));
  EXPECT_FALSE(channels.Pack(3));
  ASSERT_TRUE(channels.Pack(4));
  EXPECT_EQ(channels.GetSpace().count, 24);
  EXPECT_EQ(channels.GetStrides(0).of[channels.GetSpace().rank - 1], 4);
  EXPECT_EQ(channels.GetStrides(1).of[channels.GetSpace().rank - 1], 0);
  EXPECT_TRUE(make({ 0, 0, 1 }).Pack(4));
  EXPECT_FALSE(make({ 66, 11, 1 }).Pack(4)) << "lines begin anywhere";
  EXPECT_FALSE(make({ 96, 16, 2 }).Pack(4)) << "every second element";
  EXPECT_TRUE(make({ 96, 16, 1 }).Pack(4));
}

TEST_F(CudaDevice, TensorsThatBeginAnywhere)
{
  const auto backend = Backend::Select("cuda", cudaDevice, DataType::Float32).front();
  const auto device = backend->GetDeviceMemory(cudaDevice);
  Graph graph;
  const ValueId x = graph.AddInput("x", { 4, 8 });
  graph.AddOutput("sum", graph.Apply(UnaryFunction::Tanh, graph.Apply(UnaryFunction::Square, x)));
  graph.AddOutput("part", graph.Add(Slice{ { 1, 0 }, { 3, 8 }, {} }, { x }));
  PlanOptions options = CudaOptions();
  options.residentInputs = { "x" };
  const auto plan = ExecutionPlan::Compile(graph, {}, options);
  const Tensor values = RandomValues({ 33 }, 5).To(DataType::Float32);
  const auto memory = device->Upload(values.GetRawData(), values.GetNumberOfBytes());
  for (const std::int64_t begin : { 0, 1 })
  {
    const std::shared_ptr<void> first(memory, static_cast<float *>(memory.get()) + begin);
    const auto result = plan->Run({ { "x", Tensor::WrapDevice(first, { 4, 8 }, DataType::Float32, device) } });
    const Tensor own = values.Slice(0, begin, begin + 32).Reshape({ 4, 8 });
    const auto expected = ExecutionPlan::Compile(graph, {}, OracleOptions())->Run({ { "x", own } });
    EXPECT_TRUE(IsClose(result.at("sum"), expected.at("sum"), 1e-6)) << begin;
    EXPECT_TRUE(IsClose(result.at("part"), expected.at("part"), 0)) << begin;
  }
}

TEST_F(CudaDevice, ConvertsElementsWhereTheyAre)
{
  const auto device = Backend::Select("cuda", cudaDevice, DataType::Float32).front()->GetDeviceMemory(cudaDevice);
  const Tensor values = RandomValues({ 77 }, 5, -300, 300);
  const DataType types[] = { DataType::Float32, DataType::Float64, DataType::Float16, DataType::BFloat16 };
  for (const DataType from : types)
  {
    const Tensor given = values.To(from);
    for (const DataType to : types)
    {
      const Tensor converted = given.ToDevice(device).To(to);
      EXPECT_TRUE(converted.IsOnDevice());
      EXPECT_EQ(converted.GetDataType(), to);
      EXPECT_TRUE(IsClose(converted.ToHost(), given.To(to), 0)) << ToString(from) << " to " << ToString(to);
    }
  }
  // What no kernel computes with.
  const Tensor labels = Tensor::FromVector<std::uint8_t>({ 3 }, { 0, 7, 255 });
  EXPECT_TRUE(IsClose(labels.ToDevice(device).To(DataType::Float32).ToHost(), labels, 0));
}

TEST_F(CudaDevice, InputsOfAnotherTypeAreConvertedOnTheDevice)
{
  const auto device = Backend::Select("cuda", cudaDevice, DataType::Float32).front()->GetDeviceMemory(cudaDevice);
  Graph graph;
  graph.AddOutput("y", graph.Apply(UnaryFunction::Linear, graph.AddInput("x", { 40 }), 2, 1));
  const Tensor values = RandomValues({ 40 }, 5).To(DataType::Float32);
  for (const bool isResident : { true, false })
  {
    PlanOptions options = CudaOptions();
    options.precision = DataType::BFloat16;
    options.residentInputs = { isResident ? "x" : "other" };
    const auto plan = ExecutionPlan::Compile(graph, {}, options);
    const Tensor onHost = plan->Run({ { "x", values } }).at("y");
    EXPECT_TRUE(IsClose(plan->Run({ { "x", values.ToDevice(device) } }).at("y"), onHost, 0)) << isResident;
  }
}

TEST(CudaLibrary, SaysWhyItIsNotThere)
{
  EXPECT_NE(cuda::Library::Open("/nowhere/libuniverseg_cuda.so").GetReason().find("the device library is not there: "),
            std::string::npos);
  const cuda::Library other = cuda::Library::Open("libm.so.6");
  EXPECT_NE(other.GetReason().find("'libm.so.6' is no device library of this project"), std::string::npos);
  EXPECT_EQ(other.GetReason().find('\n'), std::string::npos);
  EXPECT_EQ(other.GetTable(), nullptr);
  EXPECT_EQ(other.GetNumberOfDevices(), 0);
}

TEST(CudaLibrary, AnotherVersionHasNoTable)
{
  const auto handle = itksys::DynamicLoader::OpenLibrary(std::getenv("UNIVERSEG_CUDA_LIBRARY"));
  ASSERT_TRUE(handle);
  const auto get =
    reinterpret_cast<cuda::GetTableFunction>(itksys::DynamicLoader::GetSymbolAddress(handle, cuda::getTableName));
  ASSERT_TRUE(get);
  EXPECT_EQ(get(cuda::tableVersion + 1), nullptr);
  const cuda::Table * table = get(cuda::tableVersion);
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(table->version, cuda::tableVersion);

  void * stream = nullptr;
  ASSERT_EQ(table->MakeStream(0, &stream), 0);
  const cuda::CopyParameters copy{};
  const auto type = static_cast<int>(cuda::ElementType::Bits32);
  EXPECT_NE(table->Launch(stream, static_cast<int>(cuda::KernelId::Copy), type, &copy, sizeof copy - 1), 0);
  EXPECT_NE(std::string(table->GetLastError()).find("another size"), std::string::npos);
  EXPECT_NE(table->Launch(stream, static_cast<int>(cuda::KernelId::Softmax), type, &copy, sizeof copy), 0);
  EXPECT_NE(std::string(table->GetLastError()).find("has no kernel"), std::string::npos);
  EXPECT_EQ(table->DestroyStream(stream), 0);
}

TEST(CudaLibrary, TheDeviceLibraryOpensOrSaysWhy)
{
#ifdef UNIVERSEG_TEST_CUDA_DEVICE_LIBRARY
  const std::string file =
    IsCudaEmulated() ? UNIVERSEG_TEST_CUDA_DEVICE_LIBRARY : std::getenv("UNIVERSEG_CUDA_LIBRARY");
  const cuda::Library library = cuda::Library::Open(file);
  EXPECT_EQ(library.GetTable() != nullptr, library.GetReason().empty());
  EXPECT_EQ(library.GetTable() != nullptr, library.GetNumberOfDevices() > 0);
  EXPECT_EQ(library.GetReason().find('\n'), std::string::npos);
  EXPECT_EQ(library.GetReason().find("device library"), std::string::npos) << library.GetReason();

  // cuDNN and cuBLAS have all functions, whatever else is missing.
  const auto handle = itksys::DynamicLoader::OpenLibrary(file);
  const cuda::Table * table = reinterpret_cast<cuda::GetTableFunction>(
    itksys::DynamicLoader::GetSymbolAddress(handle, cuda::getTableName))(cuda::tableVersion);
  ASSERT_NE(table, nullptr);
  const cuda::ConvolutionDescription convolution{};
  const cuda::ProductDescription product{};
  void * prepared = nullptr;
  std::size_t workspace = 0;
  const auto check = [&](int status)
  {
    EXPECT_NE(status, 0) << "there is no such convolution or product";
    const std::string reason = table->GetLastError();
    if (reason.find("there is no lib") == 0)
    {
      std::cerr << "not tested: " << reason << '\n';
    }
    EXPECT_EQ(reason.find("has no function"), std::string::npos) << reason;
  };
  check(table->PrepareConvolution(0, &convolution, &prepared, &workspace));
  check(table->PrepareProduct(0, &product, &prepared, &workspace));
#else
  GTEST_SKIP() << "this build has no device library of CUDA (UNIVERSEG_CUDA)";
#endif
}

TEST_F(CudaDevice, OthersDevicesAreRefused)
{
  EXPECT_NN_ERROR(Backend::Select("cuda", Device{}, DataType::Float32),
                  "Backend 'cuda' is not available: runs on cuda devices, not on cpu");
  EXPECT_NN_ERROR(Backend::Select("cuda", Device::FromString("cuda:99"), DataType::Float32), "there is no cuda:99");
  EXPECT_NN_ERROR(Backend::Select("auto", cudaDevice, DataType::Int32), "not in int32");
  EXPECT_EQ(Backend::Select("auto", cudaDevice, DataType::BFloat16).front()->GetBackendName(), "cuda");
}

TEST_F(CudaDevice, EveryOperatorInSixteenBits)
{
  std::string before;
  for (const auto & row : GetOperatorTable())
  {
    // A few rows of each operator: what differs from float32 are loads and stores.
    const std::string name = GetName(row.op);
    const bool isNew = name != before;
    before = name;
    if (!isNew || row.name.find("Scalar") != std::string::npos)
    {
      continue;
    }
    for (const auto precision : { DataType::BFloat16, DataType::Float16 })
    {
      SCOPED_TRACE(row.name + " in " + ToString(precision));
      Graph graph;
      std::vector<ValueId> ids;
      TensorMap inputs;
      TensorMap rounded;
      std::vector<Tensor> tensors = row.MakeInputs();
      for (std::size_t i = 0; i < tensors.size(); ++i)
      {
        const std::string input = "x" + std::to_string(i);
        const bool isFloat = IsFloatingPoint(tensors[i].GetDataType());
        ids.push_back(
          graph.AddInput(input, tensors[i].GetShape(), isFloat ? DataType::Float32 : tensors[i].GetDataType()));
        inputs[input] = tensors[i];
        rounded[input] = isFloat ? tensors[i].To(precision).To(DataType::Float64) : tensors[i];
      }
      graph.AddOutput("y", graph.Add(row.op, ids));
      const Tensor expected = ExecutionPlan::Compile(graph, {}, OracleOptions())->Run(rounded).at("y");
      const Tensor result = ExecutionPlan::Compile(graph, {}, CudaOptions(precision))->Run(inputs).at("y");
      EXPECT_EQ(result.GetDataType(), precision);
      // Half a unit in the last place, and twice that for what is computed in between.
      const double unit = precision == DataType::BFloat16 ? std::ldexp(1.0, -8) : std::ldexp(1.0, -11);
      EXPECT_TRUE(IsClose(result, expected, 2 * unit));
    }
  }
}

TEST_F(CudaDevice, LongChainsTakeSeveralPasses)
{
  Graph graph;
  const Shape shape{ 2, 5, 6, 7 };
  Convolution op;
  op.padding = { 1 };
  StateDict weights;
  weights.Add("w", RandomValues({ 5, 5, 3, 3 }, 1, -0.2, 0.2).To(DataType::Float32));
  TensorMap inputs{ { "x", RandomValues(shape, 2) } };
  const ValueId x = graph.AddInput("x", shape);
  ValueId y = graph.Convolve(x, graph.AddParameter("w", { 5, 5, 3, 3 }), std::nullopt, op);
  ValueId z = x;
  for (int i = 0; i < 20; ++i)
  {
    const std::string name = "o" + std::to_string(i);
    const Shape own = i % 3 == 0 ? shape : i % 3 == 1 ? Shape{ 5, 1, 1 } : Shape{ 2, 1, 6, 7 };
    const ValueId operand = graph.AddInput(name, own);
    inputs[name] = RandomValues(own, static_cast<std::uint32_t>(i + 3));
    y = graph.Apply(UnaryFunction::Tanh, graph.Combine(BinaryFunction::Add, y, operand));
    z = graph.Apply(UnaryFunction::Tanh, graph.Combine(BinaryFunction::Subtract, z, operand));
  }
  graph.AddOutput("y", y);
  graph.AddOutput("z", z);
  const auto expected = ExecutionPlan::Compile(graph, weights, OracleOptions())->Run(inputs);
  const auto result = ExecutionPlan::Compile(graph, weights, CudaOptions())->Run(inputs);
  for (const auto & entry : expected)
  {
    EXPECT_TRUE(IsClose(result.at(entry.first), entry.second, 1e-5)) << entry.first;
  }
}

TEST_F(CudaDevice, LargeReductionsAreMadeInParts)
{
  Graph graph;
  const ValueId x = graph.AddInput("x", { 3, 20, 41, 17 });
  const TensorMap inputs{ { "x", RandomValues({ 3, 20, 41, 17 }, 1, 0.5, 1) } };
  for (int f = 0; f <= static_cast<int>(ReductionFunction::Variance); ++f)
  {
    const auto function = static_cast<ReductionFunction>(f);
    graph.AddOutput(std::string("all_") + ToString(function), graph.Reduce(function, x, {}));
    graph.AddOutput(std::string("channels_") + ToString(function), graph.Reduce(function, x, { 0, 2, 3 }));
  }
  const auto expected = ExecutionPlan::Compile(graph, {}, OracleOptions())->Run(inputs);
  for (const auto precision : { DataType::Float32, DataType::Float64 })
  {
    const auto result = ExecutionPlan::Compile(graph, {}, CudaOptions(precision))->Run(inputs);
    for (const auto & entry : expected)
    {
      EXPECT_TRUE(IsClose(result.at(entry.first), entry.second, precision == DataType::Float32 ? 1e-6 : 1e-13))
        << entry.first;
    }
  }
}

TEST_F(CudaDevice, AnIndexOutsideIsAnErrorOfTheRun)
{
  Graph graph;
  const ValueId numbers = graph.AddInput("numbers", { 3 }, DataType::Int64);
  graph.AddOutput("y", graph.Add(Gather{ 0 }, { graph.AddInput("x", { 4, 2 }), numbers }));
  const auto plan = ExecutionPlan::Compile(graph, {}, CudaOptions());
  TensorMap inputs{ { "x", RandomValues({ 4, 2 }, 1) },
                    { "numbers", Tensor::FromVector<std::int64_t>({ 3 }, { 0, 4, 1 }) } };
  EXPECT_NN_ERROR(plan->Run(inputs), "Index 4 should be in [0, 4)");
  inputs["numbers"] = Tensor::FromVector<std::int64_t>({ 3 }, { 0, -1, 1 });
  EXPECT_NN_ERROR(plan->Run(inputs), "Index -1 should be in [0, 4)");
  // Recorded by now: other streams replay it.
  EXPECT_NN_ERROR(plan->Run(inputs), "Index -1 should be in [0, 4)");
  inputs["numbers"] = Tensor::FromVector<std::int64_t>({ 3 }, { 0, 3, 1 });
  EXPECT_NO_THROW(plan->Run(inputs)) << "the stream works again";
}

TEST_F(CudaDevice, MemoryIsKeptForTheNext)
{
  const auto memory = GetTestMemory();
  const std::size_t bytes = 3000000;
  auto first = memory->Allocate(bytes);
  void * address = first.get();
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(address) % 64, 0U);
  first.reset();
  const auto second = memory->Allocate(bytes - 100000);
  EXPECT_EQ(second.get(), address) << "about as large";
  const auto third = memory->Allocate(bytes);
  EXPECT_NE(third.get(), address) << "in use";
  EXPECT_NE(memory->Allocate(1000).get(), nullptr) << "small ones are others";
}

TEST_F(CudaDevice, LentMemoryIsNotOursBeforeOthersAreDone)
{
  // As the library's own, and counts how often all of the device is waited for.
  static int waits;
  waits = 0;
  cuda::Table table = *cuda::Library::Get().GetTable();
  table.WaitForOthers = [](int device, void * stream)
  {
    waits += device == 0 && stream == nullptr ? 1 : 0;
    return cuda::Library::Get().GetTable()->WaitForOthers(device, stream);
  };
  const auto memory = std::make_shared<cuda::Memory>(table, 0);
  const std::size_t bytes = 5000000;
  auto own = memory->Allocate(bytes);
  void * address = own.get();
  auto lent = memory->Lend(std::move(own));
  EXPECT_EQ(lent.get(), address);
  auto other = memory->Allocate(bytes);
  EXPECT_NE(other.get(), address);
  lent.reset();
  EXPECT_EQ(waits, 0) << "who lets it go does not wait";
  auto again = memory->Allocate(bytes);
  EXPECT_EQ(again.get(), address);
  EXPECT_EQ(waits, 1);
  other.reset();
  other = memory->Allocate(bytes);
  EXPECT_EQ(waits, 1) << "not for memory that nobody else had";
  other.reset();
  again.reset();
  memory->ReleaseUnused();
}

TEST_F(CudaDevice, WorkOfOthersIsWaitedFor)
{
  const auto memory = GetTestMemory();
  const cuda::Table & table = memory->GetTable();
  void * stream = nullptr;
  ASSERT_EQ(table.MakeStream(0, &stream), 0);
  const auto on = memory->Allocate(sizeof(double));
  const double zero = 0;
  const auto upload = memory->MakeStream();
  upload->CopyFromHost(on.get(), &zero, sizeof zero);
  upload->Wait();
  const double value = 4.5;
  ASSERT_EQ(table.Copy(stream, on.get(), &value, sizeof value, cuda::CopyKind::ToDevice), 0);
  if (IsCudaEmulated())
  {
    // The handle is the stream itself; nothing is done before it is waited for.
    double before = -1;
    memory->Download(&before, on.get(), sizeof before);
    EXPECT_EQ(before, 0);
    memory->WaitForOthers(stream);
    double after = -1;
    memory->Download(&after, on.get(), sizeof after);
    EXPECT_EQ(after, value);
    EXPECT_NN_ERROR(memory->WaitForOthers(reinterpret_cast<void *>(std::uintptr_t{ 12345 })),
                    "A stream of others on cuda:0: there is no stream 12345");
  }
  for (const std::uintptr_t handle : { 0, 1, 2 })
  {
    EXPECT_NO_THROW(memory->WaitForOthers(reinterpret_cast<void *>(handle))) << handle;
  }
  EXPECT_EQ(table.DestroyStream(stream), 0);
}

TEST_F(CudaDevice, KnowsItsAddresses)
{
  const auto memory = GetTestMemory();
  const auto on = memory->Allocate(1000);
  EXPECT_TRUE(memory->Contains(on.get()));
  EXPECT_TRUE(memory->Contains(static_cast<char *>(on.get()) + 999));
  double onHost = 0;
  EXPECT_FALSE(memory->Contains(&onHost));
  if (IsCudaEmulated())
  {
    const auto other = cuda::GetMemory(memory->GetTable(), 1);
    EXPECT_FALSE(other->Contains(on.get()));
    EXPECT_TRUE(other->Contains(other->Allocate(1).get()));
  }
}

TEST_F(CudaDevice, WantOfMemorySaysHowMuch)
{
  const auto memory = GetTestMemory();
  EXPECT_NN_ERROR(memory->Allocate(std::size_t{ 1 } << 46U), "cuda:0 has no room for 70368744177664 bytes, ");
  EXPECT_NE(memory->Allocate(1000).get(), nullptr);
  // What is kept is given back first.
  std::size_t before = 0;
  const auto & table = memory->GetTable();
  memory->ReleaseUnused();
  ASSERT_EQ(table.GetFreeBytes(0, &before), 0);
  const std::size_t most = before / 2 + (std::size_t{ 1 } << 20U);
  memory->Allocate(most);
  std::size_t kept = 0;
  ASSERT_EQ(table.GetFreeBytes(0, &kept), 0);
  EXPECT_LT(kept, most);
  EXPECT_NE(memory->Allocate(most + most / 2), nullptr) << "too large for the kept block";
  memory->ReleaseUnused();
}

TEST_F(CudaDevice, CopiesAreOrderedWithOthersInAStream)
{
  const auto memory = GetTestMemory();
  const auto stream = memory->MakeStream();
  const auto on = memory->Allocate(8);
  double value = 3;
  double first = 0;
  double second = 0;
  stream->CopyFromHost(on.get(), &value, sizeof value);
  // The host's memory may change at once.
  value = 7;
  stream->CopyToHost(&first, on.get(), sizeof first);
  stream->CopyFromHost(on.get(), &value, sizeof value);
  stream->CopyToHost(&second, on.get(), sizeof second);
  stream->Wait();
  EXPECT_EQ(first, 3);
  EXPECT_EQ(second, 7);
}

TEST_F(CudaDevice, SeveralThreadsRunOnePlan)
{
  const RandomGraph random(5);
  const auto expected = ExecutionPlan::Compile(random.graph, random.weights, OracleOptions())->Run(random.inputs);
  const auto plan = ExecutionPlan::Compile(random.graph, random.weights, CudaOptions());
  std::vector<TensorMap> results(4);
  std::vector<std::thread> threads;
  for (auto & result : results)
  {
    threads.emplace_back([&] { result = plan->Run(random.inputs); });
  }
  for (auto & thread : threads)
  {
    thread.join();
  }
  for (const auto & result : results)
  {
    for (const auto & entry : expected)
    {
      EXPECT_TRUE(IsClose(result.at(entry.first), entry.second, 1e-4)) << entry.first;
    }
  }
}
