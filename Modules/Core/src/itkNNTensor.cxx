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

#include "itkNNDeviceMemory.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <type_traits>

#ifdef __linux__
#  include <sys/mman.h>
#endif

namespace itk
{
namespace nn
{
namespace
{
constexpr std::size_t alignment = 64;

struct HalfBits
{
  std::uint16_t bits;
};
struct BFloat16Bits
{
  std::uint16_t bits;
};
/** A file may hold bytes that are no value of bool. */
struct BoolByte
{
  std::uint8_t byte;
};

/** Call f with a null pointer to the storage type. */
template <typename TFunction>
void
DispatchType(DataType type, TFunction && f)
{
  switch (type)
  {
    case DataType::Float32:
      return f(static_cast<float *>(nullptr));
    case DataType::Float64:
      return f(static_cast<double *>(nullptr));
    case DataType::Float16:
      return f(static_cast<HalfBits *>(nullptr));
    case DataType::BFloat16:
      return f(static_cast<BFloat16Bits *>(nullptr));
    case DataType::Int8:
      return f(static_cast<std::int8_t *>(nullptr));
    case DataType::UInt8:
      return f(static_cast<std::uint8_t *>(nullptr));
    case DataType::Int16:
      return f(static_cast<std::int16_t *>(nullptr));
    case DataType::UInt16:
      return f(static_cast<std::uint16_t *>(nullptr));
    case DataType::Int32:
      return f(static_cast<std::int32_t *>(nullptr));
    case DataType::Int64:
      return f(static_cast<std::int64_t *>(nullptr));
    case DataType::Bool:
      return f(static_cast<BoolByte *>(nullptr));
  }
}

template <typename T>
struct IsReduced
  : std::integral_constant<bool,
                           std::is_same<T, HalfBits>::value || std::is_same<T, BFloat16Bits>::value ||
                             std::is_same<T, BoolByte>::value>
{};

inline float
Widen(HalfBits value)
{
  return HalfToFloat(value.bits);
}
inline float
Widen(BFloat16Bits value)
{
  return BFloat16ToFloat(value.bits);
}
inline float
Widen(BoolByte value)
{
  return value.byte != 0 ? 1.0F : 0.0F;
}

template <typename TTo, typename TFrom>
TTo
ConvertElement(TFrom from)
{
  if constexpr (std::is_same<TTo, TFrom>::value)
  {
    return from;
  }
  else if constexpr (IsReduced<TFrom>::value)
  {
    return ConvertElement<TTo>(Widen(from));
  }
  else if constexpr (std::is_same<TTo, HalfBits>::value)
  {
    return HalfBits{ FloatToHalf(static_cast<float>(from)) };
  }
  else if constexpr (std::is_same<TTo, BFloat16Bits>::value)
  {
    return BFloat16Bits{ FloatToBFloat16(static_cast<float>(from)) };
  }
  else if constexpr (std::is_same<TTo, BoolByte>::value)
  {
    return BoolByte{ static_cast<std::uint8_t>(from != TFrom{} ? 1 : 0) };
  }
  else if constexpr (std::is_floating_point<TFrom>::value && std::is_integral<TTo>::value)
  {
    // A cast outside of the range is undefined behaviour.
    constexpr auto lowest = static_cast<double>(std::numeric_limits<TTo>::min());
    constexpr auto highest = static_cast<double>(std::numeric_limits<TTo>::max());
    const auto value = static_cast<double>(from);
    if (std::isnan(value))
    {
      return TTo{};
    }
    if (value <= lowest)
    {
      return std::numeric_limits<TTo>::min();
    }
    return value >= highest ? std::numeric_limits<TTo>::max() : static_cast<TTo>(value);
  }
  else
  {
    return static_cast<TTo>(from);
  }
}

/** Call f(offsetA, offsetB) for every index, in row-major order. */
template <typename TFunction>
void
ForEachIndex(const Shape & shape, const Shape & stridesA, const Shape & stridesB, TFunction && f)
{
  const std::size_t rank = shape.size();
  if (rank == 0)
  {
    f(std::int64_t{ 0 }, std::int64_t{ 0 });
    return;
  }
  Shape index(rank, 0);
  std::int64_t offsetA = 0;
  std::int64_t offsetB = 0;
  const std::int64_t inner = shape[rank - 1];
  while (true)
  {
    for (std::int64_t i = 0; i < inner; ++i)
    {
      f(offsetA + i * stridesA[rank - 1], offsetB + i * stridesB[rank - 1]);
    }
    std::size_t axis = rank - 1;
    while (axis-- > 0)
    {
      offsetA += stridesA[axis];
      offsetB += stridesB[axis];
      if (++index[axis] < shape[axis])
      {
        break;
      }
      offsetA -= shape[axis] * stridesA[axis];
      offsetB -= shape[axis] * stridesB[axis];
      index[axis] = 0;
    }
    if (axis == static_cast<std::size_t>(-1))
    {
      return;
    }
  }
}

std::int64_t
OffsetOf(const Shape & shape, const Shape & strides, const Shape & index)
{
  itkNNRequireMacro(index.size() == shape.size(),
                    "Index " << ToString(index) << " has " << index.size() << " entries for a tensor of shape "
                             << ToString(shape));
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < shape.size(); ++i)
  {
    itkNNRequireMacro(index[i] >= 0 && index[i] < shape[i],
                      "Index " << ToString(index) << " is outside of the shape " << ToString(shape));
    offset += index[i] * strides[i];
  }
  return offset;
}

void *
Advance(void * data, std::int64_t elements, DataType type)
{
  return static_cast<char *>(data) + elements * static_cast<std::int64_t>(SizeOf(type));
}
} // namespace

std::shared_ptr<void>
AllocateAligned(std::size_t bytes)
{
  // Large pages: the first touch of a large tensor is as slow as its computation otherwise.
  constexpr std::size_t pageBytes = std::size_t{ 1 } << 21;
  const std::align_val_t unit{ bytes >= 2 * pageBytes ? pageBytes : alignment };
  void * memory = ::operator new(std::max<std::size_t>(bytes, 1), unit, std::nothrow);
  itkNNRequireMacro(memory != nullptr, "Could not allocate " << bytes << " bytes");
#ifdef MADV_HUGEPAGE
  if (bytes >= 2 * pageBytes)
  {
    // Advice only: without such pages nothing changes.
    static_cast<void>(madvise(memory, bytes / pageBytes * pageBytes, MADV_HUGEPAGE));
  }
#endif
  return std::shared_ptr<void>(memory, [unit](void * p) { ::operator delete(p, unit); });
}

Tensor::Tensor(Shape shape, DataType type)
  : m_Shape(std::move(shape))
  , m_Strides(ContiguousStrides(m_Shape))
  , m_NumberOfElements(nn::NumberOfElements(m_Shape))
  , m_Type(type)
{
  itkNNRequireMacro(m_NumberOfElements <= std::numeric_limits<std::int64_t>::max() / 8,
                    "Tensor of shape " << nn::ToString(m_Shape) << " is too large");
  auto memory = AllocateAligned(static_cast<std::size_t>(m_NumberOfElements) * SizeOf(type));
  m_Data = memory.get();
  m_Owner = std::move(memory);
}

Tensor
Tensor::Zeros(Shape shape, DataType type)
{
  Tensor tensor(std::move(shape), type);
  std::memset(tensor.m_Data, 0, tensor.GetNumberOfBytes());
  return tensor;
}

Tensor
Tensor::Full(Shape shape, double value, DataType type)
{
  Tensor tensor(std::move(shape), type);
  DispatchType(type,
               [&](auto * null)
               {
                 using T = std::remove_pointer_t<decltype(null)>;
                 auto * first = static_cast<T *>(tensor.m_Data);
                 std::fill(first, first + tensor.m_NumberOfElements, ConvertElement<T>(value));
               });
  return tensor;
}

Tensor
Tensor::Wrap(void * data, Shape shape, DataType type, Shape strides, std::shared_ptr<const void> owner)
{
  Tensor tensor;
  tensor.m_Shape = std::move(shape);
  tensor.m_NumberOfElements = nn::NumberOfElements(tensor.m_Shape);
  itkNNRequireMacro(data != nullptr,
                    "A tensor of shape " << nn::ToString(tensor.m_Shape) << " was to wrap a null pointer");
  itkNNRequireMacro(strides.empty() || strides.size() == tensor.m_Shape.size(),
                    "Shape " << nn::ToString(tensor.m_Shape) << " and strides " << nn::ToString(strides)
                             << " differ in length");
  tensor.m_Strides = strides.empty() ? ContiguousStrides(tensor.m_Shape) : std::move(strides);
  tensor.m_Type = type;
  tensor.m_Data = data;
  tensor.m_Owner = std::move(owner);
  return tensor;
}

Tensor
Tensor::WrapDevice(std::shared_ptr<void> memory, Shape shape, DataType type, std::shared_ptr<DeviceMemory> device)
{
  itkNNRequireMacro(device != nullptr, "A tensor of a device needs the device's memory");
  void * data = memory.get();
  Tensor tensor = Wrap(data, std::move(shape), type, {}, std::move(memory));
  tensor.m_Device = std::move(device);
  return tensor;
}

Tensor
Tensor::ToHost() const
{
  if (!this->IsOnDevice())
  {
    return *this;
  }
  Tensor copy(m_Shape, m_Type);
  copy.CopyFrom(*this);
  return copy;
}

Tensor
Tensor::ToDevice(const std::shared_ptr<DeviceMemory> & device) const
{
  itkNNRequireMacro(device != nullptr && this->IsDefined(),
                    "A tensor and a device are needed to copy one to the other");
  if (m_Device == device)
  {
    return *this;
  }
  Tensor copy = WrapDevice(device->Allocate(this->GetNumberOfBytes()), m_Shape, m_Type, device);
  copy.CopyFrom(this->IsOnDevice() ? *this : this->Contiguous());
  return copy;
}

std::size_t
Tensor::GetNumberOfBytes() const
{
  return static_cast<std::size_t>(m_NumberOfElements) * SizeOf(m_Type);
}

bool
Tensor::IsContiguous() const
{
  if (m_NumberOfElements == 0)
  {
    return true;
  }
  std::int64_t step = 1;
  for (std::size_t i = m_Shape.size(); i-- > 0;)
  {
    if (m_Shape[i] != 1 && m_Strides[i] != step)
    {
      return false;
    }
    step *= m_Shape[i];
  }
  return true;
}

double
Tensor::GetElement(const Shape & index) const
{
  this->CheckIsOnHost();
  const std::int64_t offset = OffsetOf(m_Shape, m_Strides, index);
  double value = 0;
  DispatchType(m_Type,
               [&](auto * null)
               {
                 using T = std::remove_pointer_t<decltype(null)>;
                 value = ConvertElement<double>(static_cast<const T *>(m_Data)[offset]);
               });
  return value;
}

void
Tensor::SetElement(const Shape & index, double value)
{
  this->CheckIsOnHost();
  const std::int64_t offset = OffsetOf(m_Shape, m_Strides, index);
  DispatchType(m_Type,
               [&](auto * null)
               {
                 using T = std::remove_pointer_t<decltype(null)>;
                 static_cast<T *>(m_Data)[offset] = ConvertElement<T>(value);
               });
}

Tensor
Tensor::Contiguous() const
{
  return this->IsContiguous() ? *this : this->Clone();
}

Tensor
Tensor::Clone() const
{
  itkNNRequireMacro(this->IsDefined(), "An undefined tensor cannot be cloned");
  Tensor copy = this->AllocateLike(m_Type);
  copy.CopyFrom(*this);
  return copy;
}

Tensor
Tensor::AllocateLike(DataType type) const
{
  if (!this->IsOnDevice())
  {
    return Tensor(m_Shape, type);
  }
  const auto bytes = static_cast<std::size_t>(m_NumberOfElements) * SizeOf(type);
  return WrapDevice(m_Device->Allocate(bytes), m_Shape, type, m_Device);
}

Tensor
Tensor::To(DataType type) const
{
  itkNNRequireMacro(this->IsDefined(), "An undefined tensor cannot be converted");
  if (type == m_Type)
  {
    return *this;
  }
  Tensor converted = this->AllocateLike(type);
  converted.CopyFrom(*this);
  return converted;
}

Tensor
Tensor::Reshape(Shape shape) const
{
  const auto unknown = std::find(shape.begin(), shape.end(), -1);
  if (unknown != shape.end())
  {
    Shape others(shape.begin(), unknown);
    others.insert(others.end(), unknown + 1, shape.end());
    const std::int64_t known = nn::NumberOfElements(others);
    itkNNRequireMacro(known > 0 && m_NumberOfElements % known == 0,
                      "Shape " << nn::ToString(m_Shape) << " cannot be reshaped to " << nn::ToString(shape));
    *unknown = m_NumberOfElements / known;
  }
  itkNNRequireMacro(nn::NumberOfElements(shape) == m_NumberOfElements,
                    "Shape " << nn::ToString(m_Shape) << " cannot be reshaped to " << nn::ToString(shape));
  Tensor view = this->Contiguous();
  view.m_Strides = ContiguousStrides(shape);
  view.m_Shape = std::move(shape);
  return view;
}

Tensor
Tensor::Permute(const std::vector<int> & order) const
{
  itkNNRequireMacro(order.size() == m_Shape.size(),
                    "A permutation of " << order.size() << " axes does not fit the shape " << nn::ToString(m_Shape));
  Tensor view = *this;
  std::vector<bool> seen(order.size(), false);
  for (std::size_t i = 0; i < order.size(); ++i)
  {
    const int axis = NormalizeAxis(order[i], this->GetRank());
    itkNNRequireMacro(!seen[axis], "Axis " << axis << " occurs twice in a permutation");
    seen[axis] = true;
    view.m_Shape[i] = m_Shape[axis];
    view.m_Strides[i] = m_Strides[axis];
  }
  return view;
}

Tensor
Tensor::Slice(int axis, std::int64_t begin, std::int64_t end, std::int64_t step) const
{
  axis = NormalizeAxis(axis, this->GetRank());
  itkNNRequireMacro(begin >= 0 && begin <= end && end <= m_Shape[axis] && step > 0,
                    "Slice " << begin << ':' << end << ':' << step << " does not fit axis " << axis << " of shape "
                             << nn::ToString(m_Shape));
  Tensor view = *this;
  view.m_Shape[axis] = (end - begin + step - 1) / step;
  view.m_Strides[axis] = m_Strides[axis] * step;
  view.m_Data = Advance(m_Data, begin * m_Strides[axis], m_Type);
  view.m_NumberOfElements = nn::NumberOfElements(view.m_Shape);
  return view;
}

Tensor
Tensor::Select(int axis, std::int64_t index) const
{
  axis = NormalizeAxis(axis, this->GetRank());
  Tensor view = this->Slice(axis, index, index + 1);
  view.m_Shape.erase(view.m_Shape.begin() + axis);
  view.m_Strides.erase(view.m_Strides.begin() + axis);
  return view;
}

Tensor
Tensor::Broadcast(const Shape & shape) const
{
  itkNNRequireMacro(shape.size() >= m_Shape.size() && BroadcastShapes(m_Shape, shape) == shape,
                    "Shape " << nn::ToString(m_Shape) << " does not broadcast to " << nn::ToString(shape));
  Tensor view = *this;
  const std::size_t added = shape.size() - m_Shape.size();
  view.m_Strides.assign(shape.size(), 0);
  for (std::size_t i = 0; i < m_Shape.size(); ++i)
  {
    view.m_Strides[added + i] = m_Shape[i] == 1 ? 0 : m_Strides[i];
  }
  view.m_Shape = shape;
  view.m_NumberOfElements = nn::NumberOfElements(shape);
  return view;
}

void
Tensor::CopyBetweenDevices(const Tensor & source)
{
  itkNNRequireMacro(this->IsContiguous() && source.IsContiguous(),
                    "Tensors should be contiguous to be copied to, from or on a device");
  const std::size_t bytes = source.GetNumberOfBytes();
  if (!source.IsOnDevice() || (this->IsOnDevice() && m_Device != source.m_Device))
  {
    const Tensor host = source.ToHost().To(m_Type);
    const auto stream = m_Device->MakeStream();
    stream->CopyFromHost(m_Data, host.m_Data, host.GetNumberOfBytes());
    stream->Wait();
    return;
  }
  if (!this->IsOnDevice())
  {
    Tensor host = m_Type == source.m_Type ? *this : Tensor(m_Shape, source.m_Type);
    source.m_Device->Download(host.m_Data, source.m_Data, bytes);
    if (m_Type != source.m_Type)
    {
      this->CopyFrom(host);
    }
    return;
  }
  const auto stream = m_Device->MakeStream();
  if (m_Type == source.m_Type)
  {
    stream->CopyOnDevice(m_Data, source.m_Data, bytes);
  }
  else
  {
    stream->Convert(m_Data, m_Type, source.m_Data, source.m_Type, m_NumberOfElements);
  }
  stream->Wait();
}

void
Tensor::CopyFrom(const Tensor & source)
{
  itkNNRequireMacro(this->IsDefined() && source.IsDefined(), "An undefined tensor cannot be copied");
  itkNNRequireMacro(m_Shape == source.m_Shape,
                    "A tensor of shape " << nn::ToString(source.m_Shape) << " cannot be copied to one of shape "
                                         << nn::ToString(m_Shape));
  if (m_NumberOfElements == 0)
  {
    return;
  }
  if (this->IsOnDevice() || source.IsOnDevice())
  {
    this->CopyBetweenDevices(source);
    return;
  }
  if (m_Type == source.m_Type && this->IsContiguous() && source.IsContiguous())
  {
    std::memmove(m_Data, source.m_Data, this->GetNumberOfBytes());
    return;
  }
  DispatchType(m_Type,
               [&](auto * nullTo)
               {
                 using TTo = std::remove_pointer_t<decltype(nullTo)>;
                 DispatchType(source.m_Type,
                              [&](auto * nullFrom)
                              {
                                using TFrom = std::remove_pointer_t<decltype(nullFrom)>;
                                auto * to = static_cast<TTo *>(m_Data);
                                const auto * from = static_cast<const TFrom *>(source.m_Data);
                                ForEachIndex(m_Shape,
                                             m_Strides,
                                             source.m_Strides,
                                             [to, from](std::int64_t offsetTo, std::int64_t offsetFrom)
                                             { to[offsetTo] = ConvertElement<TTo>(from[offsetFrom]); });
                              });
               });
}

void
Tensor::CheckType(DataType requested) const
{
  itkNNRequireMacro(this->IsDefined(), "An undefined tensor has no elements");
  this->CheckIsOnHost();
  itkNNRequireMacro(requested == m_Type,
                    "The tensor's elements are " << nn::ToString(m_Type) << ", not " << nn::ToString(requested));
}

void
Tensor::CheckIsOnHost() const
{
  itkNNRequireMacro(!this->IsOnDevice(),
                    "The tensor of shape " << nn::ToString(m_Shape)
                                           << " is in memory of a device; ToHost() brings it back");
}
} // namespace nn
} // namespace itk
