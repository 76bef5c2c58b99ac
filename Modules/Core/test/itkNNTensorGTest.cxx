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
#include "itkNNTensor.h"
#include "itkNNTestHelpers.h"

#include <cmath>
#include <limits>
#include <numeric>

using namespace itk::nn;

namespace
{
Tensor
Counting(const Shape & shape)
{
  std::vector<float> values(static_cast<std::size_t>(NumberOfElements(shape)));
  std::iota(values.begin(), values.end(), 0.0F);
  return Tensor::FromVector(shape, values);
}

using Floats = std::vector<float>;
} // namespace

TEST(Tensor, UndefinedByDefault)
{
  Tensor tensor;
  EXPECT_FALSE(tensor.IsDefined());
  EXPECT_EQ(tensor.GetNumberOfElements(), 0);
  EXPECT_EQ(tensor.GetRawData(), nullptr);
  EXPECT_NN_ERROR(tensor.GetData<float>(), "An undefined tensor has no elements");
  EXPECT_NN_ERROR(tensor.Clone(), "undefined tensor cannot be cloned");
  EXPECT_NN_ERROR(tensor.To(DataType::Float64), "undefined tensor cannot be converted");
  EXPECT_NN_ERROR(tensor.CopyFrom(tensor), "undefined tensor cannot be copied");
}

TEST(Tensor, OwningAlignedAndContiguous)
{
  for (const Shape & shape : { Shape{}, Shape{ 1 }, Shape{ 3, 5 }, Shape{ 2, 0, 3 }, Shape{ 7, 1, 9, 2 } })
  {
    for (const DataType type : { DataType::Float32, DataType::Float64, DataType::Bool, DataType::Float16 })
    {
      const Tensor tensor(shape, type);
      EXPECT_TRUE(tensor.IsDefined());
      EXPECT_TRUE(tensor.IsContiguous());
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.GetRawData()) % 64, 0U);
      EXPECT_EQ(tensor.GetShape(), shape);
      EXPECT_EQ(tensor.GetStrides(), ContiguousStrides(shape));
      EXPECT_EQ(tensor.GetRank(), static_cast<int>(shape.size()));
      EXPECT_EQ(tensor.GetNumberOfElements(), NumberOfElements(shape));
      EXPECT_EQ(tensor.GetNumberOfBytes(), static_cast<std::size_t>(NumberOfElements(shape)) * SizeOf(type));
      EXPECT_EQ(tensor.GetDataType(), type);
    }
  }
}

TEST(Tensor, BadShapesAreErrors)
{
  const std::int64_t big = std::int64_t{ 1 } << 40;
  EXPECT_NN_ERROR(Tensor({ 2, -3 }), "Shape [2, -3] has a negative extent");
  EXPECT_NN_ERROR(Tensor({ big, big }), "more elements than 63 bits");
  EXPECT_NN_ERROR(Tensor({ big, big / 1024 / 256 }, DataType::Float64), "is too large");
  const Tensor empty({ big, big, 0, big });
  EXPECT_EQ(empty.GetNumberOfElements(), 0);
  EXPECT_TRUE(empty.IsContiguous());
  EXPECT_EQ(empty.ToVector<float>(), Floats{});
}

#if defined(__has_feature)
#  if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#    define ITK_NN_TEST_SANITIZED_ALLOCATOR
#  endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#  define ITK_NN_TEST_SANITIZED_ALLOCATOR
#endif

TEST(Tensor, MemoryThatCannotBeHadIsAnError)
{
#ifdef ITK_NN_TEST_SANITIZED_ALLOCATOR
  GTEST_SKIP() << "the sanitizer's allocator ends the program instead of failing";
#else
  const std::int64_t big = std::int64_t{ 1 } << 40;
  EXPECT_NN_ERROR(Tensor({ big, 1024 }, DataType::Float64), "Could not allocate 9007199254740992 bytes");
#endif
}

TEST(Tensor, AllocateAligned)
{
  for (const std::size_t bytes : { 0U, 1U, 63U, 64U, 1000U })
  {
    const auto memory = AllocateAligned(bytes);
    EXPECT_NE(memory, nullptr);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory.get()) % 64, 0U);
  }
}

TEST(Tensor, ZerosFullFromVector)
{
  EXPECT_EQ(Tensor::Zeros({ 2, 2 }).ToVector<float>(), Floats(4, 0));
  EXPECT_EQ(Tensor::Full({ 3 }, 1.5, DataType::Float16).ToVector<float>(), Floats(3, 1.5F));
  EXPECT_EQ(Tensor::Full({ 3 }, 300, DataType::UInt8).ToVector<int>(), std::vector<int>(3, 255));
  EXPECT_EQ(Tensor::Full({ 2 }, 3, DataType::Bool).ToVector<bool>(), std::vector<bool>(2, true));
  EXPECT_EQ(Tensor::Full({}, 4).GetElement({}), 4);
  EXPECT_EQ(Counting({ 2, 3 }).ToVector<float>(), (Floats{ 0, 1, 2, 3, 4, 5 }));
  EXPECT_EQ(Tensor::FromVector<std::int64_t>({ 2 }, { 1, 2 }).GetDataType(), DataType::Int64);
  EXPECT_EQ(Tensor::FromVector<bool>({ 2 }, { true, false }).ToVector<int>(), (std::vector<int>{ 1, 0 }));
  EXPECT_NN_ERROR(Tensor::FromVector<float>({ 2, 2 }, { 1, 2, 3 }), "Tensor of shape [2, 2] needs 4 values, got 3");
}

TEST(Tensor, CopiesShareClonesDoNot)
{
  Tensor tensor = Counting({ 2, 2 });
  const Tensor shared = tensor;
  const Tensor clone = tensor.Clone();
  tensor.SetElement({ 1, 1 }, 9);
  EXPECT_EQ(shared.GetElement({ 1, 1 }), 9);
  EXPECT_EQ(clone.GetElement({ 1, 1 }), 3);
  EXPECT_EQ(shared.GetRawData(), tensor.GetRawData());
  EXPECT_NE(clone.GetRawData(), tensor.GetRawData());
}

TEST(Tensor, ViewsKeepTheElementsAlive)
{
  Tensor row;
  {
    const Tensor tensor = Counting({ 3, 4 });
    row = tensor.Select(0, 2);
  }
  EXPECT_EQ(row.ToVector<float>(), (Floats{ 8, 9, 10, 11 }));
}

TEST(Tensor, WrapDoesNotOwn)
{
  Floats memory{ 0, 1, 2, 3, 4, 5 };
  Tensor view = Tensor::Wrap(memory.data(), { 2, 3 }, DataType::Float32);
  EXPECT_EQ(view.GetRawData(), memory.data());
  EXPECT_TRUE(view.IsContiguous());
  view.SetElement({ 0, 1 }, 7);
  EXPECT_EQ(memory[1], 7);
  const Tensor transposed = Tensor::Wrap(memory.data(), { 3, 2 }, DataType::Float32, { 1, 3 });
  EXPECT_FALSE(transposed.IsContiguous());
  EXPECT_EQ(transposed.ToVector<float>(), (Floats{ 0, 3, 7, 4, 2, 5 }));
  const Tensor backwards = Tensor::Wrap(memory.data() + 5, { 6 }, DataType::Float32, { -1 });
  EXPECT_EQ(backwards.ToVector<float>(), (Floats{ 5, 4, 3, 2, 7, 0 }));
  EXPECT_NN_ERROR(Tensor::Wrap(nullptr, { 2 }, DataType::Float32), "wrap a null pointer");
  EXPECT_NN_ERROR(Tensor::Wrap(memory.data(), { 2, 3 }, DataType::Float32, { 1 }), "differ in length");
  EXPECT_NN_ERROR(Tensor::Wrap(memory.data(), { -2 }, DataType::Float32), "negative extent");
}

TEST(Tensor, WrapKeepsItsOwner)
{
  auto owner = std::make_shared<Floats>(4, 2.0F);
  const std::weak_ptr<Floats> watch = owner;
  Tensor view;
  {
    const Tensor whole = Tensor::Wrap(owner->data(), { 4 }, DataType::Float32, {}, owner);
    view = whole.Slice(0, 1, 3);
  }
  owner.reset();
  EXPECT_FALSE(watch.expired());
  EXPECT_EQ(view.ToVector<float>(), Floats(2, 2));
  view = Tensor();
  EXPECT_TRUE(watch.expired());
}

TEST(Tensor, IsContiguousIgnoresStridesOfSingleExtents)
{
  Floats memory(6, 0);
  EXPECT_TRUE(Tensor::Wrap(memory.data(), { 1, 6 }, DataType::Float32, { 99, 1 }).IsContiguous());
  EXPECT_TRUE(Tensor::Wrap(memory.data(), { 2, 1, 3 }, DataType::Float32, { 3, -5, 1 }).IsContiguous());
  EXPECT_FALSE(Tensor::Wrap(memory.data(), { 2, 3 }, DataType::Float32, { 1, 2 }).IsContiguous());
  EXPECT_FALSE(Tensor::Wrap(memory.data(), { 2, 3 }, DataType::Float32, { 0, 1 }).IsContiguous());
  EXPECT_TRUE(Tensor::Wrap(memory.data(), { 2, 0 }, DataType::Float32, { 7, 7 }).IsContiguous());
}

TEST(Tensor, DataTypesAreChecked)
{
  Tensor tensor = Counting({ 2 });
  EXPECT_NN_ERROR(tensor.GetData<double>(), "The tensor's elements are float32, not float64");
  const Tensor & constant = tensor;
  EXPECT_NN_ERROR(constant.GetData<int>(), "not int32");
  EXPECT_EQ(constant.GetData<float>(), tensor.GetData<float>());
}

TEST(Tensor, ElementIndicesAreChecked)
{
  Tensor tensor = Counting({ 2, 3 });
  EXPECT_EQ(tensor.GetElement({ 1, 2 }), 5);
  EXPECT_NN_ERROR(tensor.GetElement({ 1 }), "Index [1] has 1 entries for a tensor of shape [2, 3]");
  EXPECT_NN_ERROR(tensor.GetElement({ 0, 3 }), "Index [0, 3] is outside of the shape [2, 3]");
  EXPECT_NN_ERROR(tensor.SetElement({ -1, 0 }, 1), "is outside of the shape");
}

TEST(Tensor, Reshape)
{
  const Tensor tensor = Counting({ 2, 3, 4 });
  const Tensor view = tensor.Reshape({ 6, -1 });
  EXPECT_EQ(view.GetShape(), (Shape{ 6, 4 }));
  EXPECT_EQ(view.GetRawData(), tensor.GetRawData());
  const Tensor copy = tensor.Permute({ 2, 0, 1 }).Reshape({ 24 });
  EXPECT_NE(copy.GetRawData(), tensor.GetRawData());
  EXPECT_EQ(copy.GetElement({ 1 }), 4);
  EXPECT_EQ(Counting({ 0, 3 }).Reshape({ -1, 3 }).GetShape(), (Shape{ 0, 3 }));
  EXPECT_EQ(Counting({ 1, 1 }).Reshape({}).GetShape(), Shape{});
  EXPECT_NN_ERROR(tensor.Reshape({ 5, 5 }), "Shape [2, 3, 4] cannot be reshaped to [5, 5]");
  EXPECT_NN_ERROR(tensor.Reshape({ 5, -1 }), "cannot be reshaped");
  EXPECT_NN_ERROR(tensor.Reshape({ -1, -1 }), "negative extent");
  EXPECT_NN_ERROR(tensor.Reshape({ -2, -12 }), "negative extent");
  EXPECT_NN_ERROR(Counting({ 0, 3 }).Reshape({ 0, -1 }), "cannot be reshaped");
  const std::int64_t big = std::int64_t{ 1 } << 40;
  EXPECT_NN_ERROR(tensor.Reshape({ big, big, -1 }), "63 bits");
}

TEST(Tensor, Permute)
{
  const Tensor tensor = Counting({ 2, 3, 4 });
  const Tensor view = tensor.Permute({ 2, 0, -2 });
  EXPECT_EQ(view.GetShape(), (Shape{ 4, 2, 3 }));
  EXPECT_EQ(view.GetStrides(), (Shape{ 1, 12, 4 }));
  EXPECT_EQ(view.GetRawData(), tensor.GetRawData());
  EXPECT_EQ(view.GetElement({ 3, 1, 2 }), tensor.GetElement({ 1, 2, 3 }));
  EXPECT_NN_ERROR(tensor.Permute({ 0, 1 }), "A permutation of 2 axes does not fit the shape [2, 3, 4]");
  EXPECT_NN_ERROR(tensor.Permute({ 0, 1, 1 }), "Axis 1 occurs twice");
  EXPECT_NN_ERROR(tensor.Permute({ 0, 1, 3 }), "Axis 3 is outside");
}

TEST(Tensor, Slice)
{
  const Tensor tensor = Counting({ 2, 7 });
  const Tensor odd = tensor.Slice(-1, 1, 6, 2);
  EXPECT_EQ(odd.GetShape(), (Shape{ 2, 3 }));
  EXPECT_EQ(odd.ToVector<float>(), (Floats{ 1, 3, 5, 8, 10, 12 }));
  EXPECT_EQ(odd.Slice(1, 1, 3).ToVector<float>(), (Floats{ 3, 5, 10, 12 }));
  EXPECT_EQ(tensor.Slice(0, 1, 1).GetShape(), (Shape{ 0, 7 }));
  EXPECT_EQ(tensor.Slice(1, 0, 7, 100).GetShape(), (Shape{ 2, 1 }));
  EXPECT_NN_ERROR(tensor.Slice(1, 2, 8), "Slice 2:8:1 does not fit axis 1 of shape [2, 7]");
  EXPECT_NN_ERROR(tensor.Slice(1, 3, 2), "does not fit");
  EXPECT_NN_ERROR(tensor.Slice(1, -1, 2), "does not fit");
  EXPECT_NN_ERROR(tensor.Slice(1, 0, 2, 0), "does not fit");
  EXPECT_NN_ERROR(tensor.Slice(2, 0, 1), "Axis 2 is outside");
}

TEST(Tensor, Select)
{
  const Tensor tensor = Counting({ 2, 3, 4 });
  EXPECT_EQ(tensor.Select(1, 2).GetShape(), (Shape{ 2, 4 }));
  EXPECT_EQ(tensor.Select(1, 2).ToVector<float>(), (Floats{ 8, 9, 10, 11, 20, 21, 22, 23 }));
  EXPECT_EQ(tensor.Select(-1, 0).Select(0, 1).Select(0, 1).GetElement({}), 16);
  EXPECT_NN_ERROR(tensor.Select(0, 2), "does not fit axis 0");
}

TEST(Tensor, Broadcast)
{
  const Tensor tensor = Counting({ 3, 1 });
  const Tensor view = tensor.Broadcast({ 2, 3, 4 });
  EXPECT_EQ(view.GetStrides(), (Shape{ 0, 1, 0 }));
  EXPECT_EQ(view.GetNumberOfElements(), 24);
  EXPECT_FALSE(view.IsContiguous());
  EXPECT_EQ(view.Contiguous().GetNumberOfBytes(), 96U);
  EXPECT_EQ(view.GetElement({ 1, 2, 3 }), 2);
  EXPECT_EQ(Tensor::Full({}, 5).Broadcast({ 2, 2 }).ToVector<float>(), Floats(4, 5));
  EXPECT_EQ(tensor.Broadcast({ 3, 0 }).GetNumberOfElements(), 0);
  EXPECT_NN_ERROR(tensor.Broadcast({ 4, 4 }), "Shapes [3, 1] and [4, 4] do not broadcast");
  EXPECT_NN_ERROR(tensor.Broadcast({ 3 }), "Shape [3, 1] does not broadcast to [3]");
  EXPECT_NN_ERROR(Counting({ 2 }).Broadcast({ 1 }), "does not broadcast to [1]");
}

TEST(Tensor, ContiguousReturnsItselfWhenItCan)
{
  const Tensor tensor = Counting({ 2, 3 });
  EXPECT_EQ(tensor.Contiguous().GetRawData(), tensor.GetRawData());
  const Tensor transposed = tensor.Permute({ 1, 0 });
  const Tensor copy = transposed.Contiguous();
  EXPECT_NE(copy.GetRawData(), tensor.GetRawData());
  EXPECT_TRUE(copy.IsContiguous());
  EXPECT_EQ(copy.ToVector<float>(), (Floats{ 0, 3, 1, 4, 2, 5 }));
}

TEST(Tensor, ToReturnsItselfWhenOfThatType)
{
  const Tensor view = Counting({ 2, 3 }).Permute({ 1, 0 });
  EXPECT_EQ(view.To(DataType::Float32).GetRawData(), view.GetRawData());
  const Tensor converted = view.To(DataType::Float64);
  EXPECT_TRUE(converted.IsContiguous());
  EXPECT_EQ(converted.ToVector<double>(), (std::vector<double>{ 0, 3, 1, 4, 2, 5 }));
}

TEST(Tensor, FloatsBecomeIntegersByTruncationAndSaturate)
{
  const double infinity = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor tensor = Tensor::FromVector<double>({ 8 }, { 1.9, -1.9, 300, -300, infinity, -infinity, nan, 1e30 });
  EXPECT_EQ(tensor.To(DataType::UInt8).ToVector<int>(), (std::vector<int>{ 1, 0, 255, 0, 255, 0, 0, 255 }));
  EXPECT_EQ(tensor.To(DataType::Int8).ToVector<int>(), (std::vector<int>{ 1, -1, 127, -128, 127, -128, 0, 127 }));
  const std::int64_t high = std::numeric_limits<std::int64_t>::max();
  const std::int64_t low = std::numeric_limits<std::int64_t>::min();
  EXPECT_EQ(tensor.ToVector<std::int64_t>(), (std::vector<std::int64_t>{ 1, -1, 300, -300, high, low, 0, high }));
  EXPECT_EQ(
    Tensor::FromVector<double>({ 2 }, { 9223372036854775808.0, 9223372036854774784.0 }).ToVector<std::int64_t>(),
    (std::vector<std::int64_t>{ high, 9223372036854774784 }));
  EXPECT_EQ(Tensor::FromVector<float>({ 2 }, { 2147483648.0F, -2147483648.0F }).ToVector<std::int32_t>(),
            (std::vector<std::int32_t>{ 2147483647, std::numeric_limits<std::int32_t>::min() }));
  EXPECT_EQ(Tensor::FromVector<float>({ 4 }, { 0, -0.0F, 0.5F, NAN }).ToVector<bool>(),
            (std::vector<bool>{ false, false, true, true }));
}

TEST(Tensor, EveryTypeConvertsToEveryType)
{
  const std::vector<double> values{ 0, 1, 2, 100 };
  const Tensor start = Tensor::FromVector<double>({ 4 }, values);
  for (int from = 0; from < 11; ++from)
  {
    for (int to = 0; to < 11; ++to)
    {
      const auto typeFrom = static_cast<DataType>(from);
      const auto typeTo = static_cast<DataType>(to);
      const Tensor result = start.To(typeFrom).To(typeTo);
      ASSERT_EQ(result.GetDataType(), typeTo);
      const bool boolean = typeFrom == DataType::Bool || typeTo == DataType::Bool;
      const std::vector<double> expected = boolean ? std::vector<double>{ 0, 1, 1, 1 } : values;
      EXPECT_EQ(result.ToVector<double>(), expected) << ToString(typeFrom) << " to " << ToString(typeTo);
      for (std::int64_t i = 0; i < 4; ++i)
      {
        EXPECT_EQ(result.GetElement({ i }), expected[static_cast<std::size_t>(i)]);
      }
    }
  }
}

TEST(Tensor, BoolBytesOtherThanOneAreTrue)
{
  std::uint8_t bytes[] = { 0, 1, 2, 255 };
  const Tensor tensor = Tensor::Wrap(bytes, { 4 }, DataType::Bool);
  EXPECT_EQ(tensor.To(DataType::Float32).ToVector<float>(), (Floats{ 0, 1, 1, 1 }));
  EXPECT_EQ(tensor.GetElement({ 3 }), 1);
}

TEST(Tensor, CopyFromConvertsBetweenStrides)
{
  Tensor to = Tensor::Zeros({ 3, 4 }, DataType::Int16);
  Tensor inner = to.Slice(1, 1, 4, 2).Permute({ 1, 0 });
  inner.CopyFrom(Counting({ 2, 3 }));
  EXPECT_EQ(to.ToVector<int>(), (std::vector<int>{ 0, 0, 0, 3, 0, 1, 0, 4, 0, 2, 0, 5 }));
  EXPECT_NN_ERROR(to.CopyFrom(Counting({ 4, 3 })), "A tensor of shape [4, 3] cannot be copied to one of shape [3, 4]");
  Tensor empty({ 0, 3 });
  EXPECT_NO_THROW(empty.CopyFrom(Counting({ 0, 3 }).To(DataType::Float64)));
  Tensor scalar = Tensor::Zeros({});
  scalar.CopyFrom(Tensor::Full({}, 3, DataType::Int8));
  EXPECT_EQ(scalar.GetElement({}), 3);
}

TEST(Tensor, SetElementConverts)
{
  Tensor half = Tensor::Zeros({ 2 }, DataType::Float16);
  half.SetElement({ 1 }, 1e6);
  EXPECT_TRUE(std::isinf(half.GetElement({ 1 })));
  Tensor bytes = Tensor::Zeros({ 1 }, DataType::UInt8);
  bytes.SetElement({ 0 }, -4);
  EXPECT_EQ(bytes.GetElement({ 0 }), 0);
}
