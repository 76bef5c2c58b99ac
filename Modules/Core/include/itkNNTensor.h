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
#ifndef itkNNTensor_h
#define itkNNTensor_h

#include "UniverSegCoreExport.h"
#include "itkNNDataType.h"
#include "itkNNError.h"
#include "itkNNShape.h"

#include <algorithm>
#include <memory>
#include <vector>

namespace itk
{
namespace nn
{
class DeviceMemory;

/** \class Tensor
 * \brief A handle to a strided n-dimensional array.
 *
 * Copying a Tensor shares its elements, as copying a smart pointer does;
 * Clone() makes new ones. Owned storage is aligned to 64 bytes. A view made by
 * Wrap() does not own its elements unless it is given an owner. Axes are
 * row-major, slowest first; strides are in elements and may be zero or
 * negative. A default-constructed Tensor is undefined: it has no elements, not
 * even a shape.
 *
 * A tensor may be in memory of a device which is not the host: it has a shape and an
 * address there, and goes in and out of plans of that device. ToDevice(), ToHost(), To(),
 * Clone() and CopyFrom() copy contiguous ones, and wait for it; what else would read or write the
 * elements throws Error.
 *
 * Reading the same elements from several threads is safe; writing is the
 * caller's to order.
 * \ingroup UniverSegCore
 */
class UniverSegCore_EXPORT Tensor
{
public:
  Tensor() = default;

  /** Owning and contiguous, with unspecified contents. Throws Error when the
   * shape is invalid or the memory cannot be had. */
  explicit Tensor(Shape shape, DataType type = DataType::Float32);

  static Tensor Zeros(Shape shape, DataType type = DataType::Float32);

  static Tensor Full(Shape shape, double value, DataType type = DataType::Float32);

  /** Owning copy of values in row-major order. */
  template <typename T>
  static Tensor FromVector(Shape shape, const std::vector<T> & values);

  /** View of memory of somebody else. Empty strides mean contiguous.
   * \param owner kept alive as long as a view exists; may be null. */
  static Tensor Wrap(
    void * data, Shape shape, DataType type, Shape strides = {}, std::shared_ptr<const void> owner = nullptr);

  /** Contiguous elements in memory of a device. */
  static Tensor WrapDevice(std::shared_ptr<void> memory,
                           Shape shape,
                           DataType type,
                           std::shared_ptr<DeviceMemory> device);

  /** Of a device: whose memory it is; null on the host. */
  const std::shared_ptr<DeviceMemory> & GetDevice() const
  {
    return m_Device;
  }
  bool IsOnDevice() const
  {
    return m_Device != nullptr;
  }
  /** *this on the host, else a copy there. */
  Tensor ToHost() const;
  /** *this on that device, else a copy there. */
  Tensor ToDevice(const std::shared_ptr<DeviceMemory> & device) const;

  bool IsDefined() const
  {
    return m_Data != nullptr;
  }
  const Shape & GetShape() const
  {
    return m_Shape;
  }
  const Shape & GetStrides() const
  {
    return m_Strides;
  }
  DataType GetDataType() const
  {
    return m_Type;
  }
  int GetRank() const
  {
    return static_cast<int>(m_Shape.size());
  }
  std::int64_t GetNumberOfElements() const
  {
    return m_NumberOfElements;
  }
  /** Bytes of the elements, without gaps between them. */
  std::size_t GetNumberOfBytes() const;
  bool IsContiguous() const;

  /** The first element. Throws Error when T is not the element type. */
  template <typename T>
  T * GetData();
  template <typename T>
  const T * GetData() const;
  void * GetRawData()
  {
    return m_Data;
  }
  const void * GetRawData() const
  {
    return m_Data;
  }

  /** One element as a double, at an index of as many entries as the rank. */
  double GetElement(const Shape & index) const;
  void SetElement(const Shape & index, double value);

  /** All elements in row-major order, converted to T. */
  template <typename T>
  std::vector<T> ToVector() const;

  /** *this when contiguous, else a contiguous copy. */
  Tensor Contiguous() const;
  Tensor Clone() const;
  /** *this when of that type already, else a converted contiguous copy. Floats
   * become integers by truncation and saturate at the range's ends. */
  Tensor To(DataType type) const;

  /** Same elements in another shape; one extent may be -1. A view when
   * contiguous, else of a copy. */
  Tensor Reshape(Shape shape) const;
  /** View whose axis i is this tensor's axis order[i]. */
  Tensor Permute(const std::vector<int> & order) const;
  /** View of elements begin, begin + step, ... < end of an axis; step > 0. */
  Tensor Slice(int axis, std::int64_t begin, std::int64_t end, std::int64_t step = 1) const;
  /** View at one index of an axis, without that axis. */
  Tensor Select(int axis, std::int64_t index) const;
  /** View that repeats extents of 1 with a stride of zero. */
  Tensor Broadcast(const Shape & shape) const;

  /** Copy the elements of a tensor of the same shape, converting the type. */
  void CopyFrom(const Tensor & source);

private:
  /** Of that type and this shape, where this is. */
  Tensor AllocateLike(DataType type) const;
  void CopyBetweenDevices(const Tensor & source);
  void CheckType(DataType requested) const;
  void CheckIsOnHost() const;

  std::shared_ptr<const void> m_Owner;
  std::shared_ptr<DeviceMemory> m_Device;
  void * m_Data = nullptr;
  Shape m_Shape;
  Shape m_Strides;
  std::int64_t m_NumberOfElements = 0;
  DataType m_Type = DataType::Float32;
};

/** Bytes up to where the next part of a memory may begin. */
constexpr std::size_t
AlignedBytes(std::size_t bytes)
{
  return (bytes + 63) / 64 * 64;
}

/** Memory aligned to 64 bytes, released with its last pointer. Throws Error
 * when it cannot be had. */
UniverSegCore_EXPORT std::shared_ptr<void> AllocateAligned(std::size_t bytes);


template <typename T>
Tensor
Tensor::FromVector(Shape shape, const std::vector<T> & values)
{
  Tensor tensor(std::move(shape), DataTypeOf<T>::value);
  itkNNRequireMacro(static_cast<std::int64_t>(values.size()) == tensor.m_NumberOfElements,
                    "Tensor of shape " << ToString(tensor.m_Shape) << " needs " << tensor.m_NumberOfElements
                                       << " values, got " << values.size());
  std::copy(values.begin(), values.end(), static_cast<T *>(tensor.m_Data));
  return tensor;
}

template <typename T>
T *
Tensor::GetData()
{
  this->CheckType(DataTypeOf<T>::value);
  return static_cast<T *>(m_Data);
}

template <typename T>
const T *
Tensor::GetData() const
{
  this->CheckType(DataTypeOf<T>::value);
  return static_cast<const T *>(m_Data);
}

template <typename T>
std::vector<T>
Tensor::ToVector() const
{
  const Tensor converted = this->To(DataTypeOf<T>::value).Contiguous();
  const T * first = converted.template GetData<T>();
  return std::vector<T>(first, first + m_NumberOfElements);
}
} // namespace nn
} // namespace itk

#endif
