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
#ifndef itkNNReferenceSpatial_h
#define itkNNReferenceSpatial_h

#include "itkNNOperator.h"

#include <Eigen/Core>
#include <algorithm>
#include <array>

namespace itk
{
namespace nn
{
namespace reference
{
/** Three spatial axes, leading ones of extent 1 added. */
using Triple = std::array<std::int64_t, 3>;

inline Triple
ToTriple(const std::vector<std::int64_t> & values, std::int64_t filling)
{
  Triple triple{ filling, filling, filling };
  for (std::size_t i = 0; i < values.size() && i < 3; ++i)
  {
    triple[2 - i] = values[values.size() - 1 - i];
  }
  return triple;
}

inline std::int64_t
Product(const Triple & triple)
{
  return triple[0] * triple[1] * triple[2];
}

inline Triple
Unravel(std::int64_t element, const Triple & extents)
{
  return { element / extents[2] / extents[1], element / extents[2] % extents[1], element % extents[2] };
}

/** Split of [batch..., channels, spatial...]. */
struct SpatialShape
{
  SpatialShape(const Shape & shape, std::size_t rank)
    : batch(NumberOfElements(Shape(shape.begin(), shape.end() - static_cast<std::ptrdiff_t>(rank) - 1)))
    , channels(shape[shape.size() - rank - 1])
    , extents(ToTriple(Shape(shape.end() - static_cast<std::ptrdiff_t>(rank), shape.end()), 1))
  {}

  std::int64_t batch;
  std::int64_t channels;
  Triple extents;
};

template <typename T>
using RowMajorMatrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/** \class PoolingWindow
 * \brief The elements of a src plane that one output element of a pooling sees. */
class PoolingWindow
{
public:
  PoolingWindow(const Pooling & op, const Triple & extents, const Triple & position)
    : m_Extents(extents)
  {
    const Triple kernel = ToTriple(op.kernel, 1);
    const Triple stride = ToTriple(op.stride, 1);
    const Triple padding = ToTriple(op.padding, 0);
    for (int d = 0; d < 3; ++d)
    {
      const std::int64_t start = position[d] * stride[d] - padding[d];
      m_Begin[d] = std::max<std::int64_t>(start, 0);
      m_End[d] = std::min(start + kernel[d], extents[d]);
    }
  }

  std::int64_t CountElements() const
  {
    return (m_End[0] - m_Begin[0]) * (m_End[1] - m_Begin[1]) * (m_End[2] - m_Begin[2]);
  }

  /** f(offset) in row-major order. */
  template <typename TFunction>
  void ForEach(TFunction && f) const
  {
    for (std::int64_t z = m_Begin[0]; z < m_End[0]; ++z)
    {
      for (std::int64_t y = m_Begin[1]; y < m_End[1]; ++y)
      {
        for (std::int64_t x = m_Begin[2]; x < m_End[2]; ++x)
        {
          f((z * m_Extents[1] + y) * m_Extents[2] + x);
        }
      }
    }
  }

private:
  Triple m_Extents;
  Triple m_Begin;
  Triple m_End;
};

/** \class ConvolutionWindow
 * \brief Where the taps of a convolution meet its src. */
class ConvolutionWindow
{
public:
  template <typename TOperator>
  ConvolutionWindow(const TOperator & op, const Shape & kernel, const SpatialShape & src, const SpatialShape & dst)
    : m_Src(src.extents)
    , m_Dst(dst.extents)
    , m_Kernel(ToTriple(kernel, 1))
    , m_Stride(ToTriple(op.stride, 1))
    , m_Padding(ToTriple(op.padding, 0))
    , m_Dilation(ToTriple(op.dilation, 1))
  {}

  std::int64_t GetNumberOfTaps() const
  {
    return Product(m_Kernel);
  }

  /** A tap's source value for each of the positions [first, first + count) of dst. */
  template <typename T>
  void GatherTap(const T * src, std::int64_t tap, std::int64_t first, std::int64_t count, T * row) const
  {
    this->ForEach(tap,
                  first,
                  count,
                  [&](std::int64_t i, std::int64_t offset, bool inside) { row[i] = inside ? src[offset] : T(0); });
  }

  /** Add a row of a tap's values to where they come from. */
  template <typename T>
  void ScatterTap(const T * row, std::int64_t tap, std::int64_t first, std::int64_t count, T * src) const
  {
    this->ForEach(tap,
                  first,
                  count,
                  [&](std::int64_t i, std::int64_t offset, bool inside)
                  { src[inside ? offset : 0] += inside ? row[i] : T(0); });
  }

private:
  template <typename TFunction>
  void ForEach(std::int64_t tap, std::int64_t first, std::int64_t count, TFunction && f) const
  {
    const Triple place = Unravel(tap, m_Kernel);
    for (std::int64_t i = 0; i < count; ++i)
    {
      const Triple position = Unravel(first + i, m_Dst);
      std::int64_t offset = 0;
      bool inside = true;
      for (int d = 0; d < 3; ++d)
      {
        const std::int64_t at = position[d] * m_Stride[d] - m_Padding[d] + place[d] * m_Dilation[d];
        inside = inside && at >= 0 && at < m_Src[d];
        offset = offset * m_Src[d] + at;
      }
      f(i, offset, inside);
    }
  }

  Triple m_Src;
  Triple m_Dst;
  Triple m_Kernel;
  Triple m_Stride;
  Triple m_Padding;
  Triple m_Dilation;
};

/** The values of an interpolated plane. */
class PlaneInterpolation
{
public:
  PlaneInterpolation(const Interpolation & op, const Shape & srcShape, DataType precision)
    : m_Src(ToTriple(Shape(srcShape.end() - static_cast<std::ptrdiff_t>(op.size.size()), srcShape.end()), 1))
    , m_Size(ToTriple(op.size, 1))
  {
    for (int d = 0; d < 3; ++d)
    {
      m_Taps[d] = InterpolationTaps(op, m_Src[d], m_Size[d], precision);
    }
  }

  const Triple & GetSrc() const
  {
    return m_Src;
  }
  const Triple & GetSize() const
  {
    return m_Size;
  }

  template <typename T>
  double Evaluate(const T * from, const Triple & position) const
  {
    double sum = 0;
    this->ForEachCorner(position,
                        [&](double weight, std::int64_t offset) { sum += weight * static_cast<double>(from[offset]); });
    return sum;
  }

  /** Add to the elements of a plane what each has in the value at a position. */
  template <typename T>
  void Spread(double value, const Triple & position, T * to) const
  {
    this->ForEachCorner(position,
                        [&](double weight, std::int64_t offset) { to[offset] += static_cast<T>(weight * value); });
  }

private:
  template <typename TFunction>
  void ForEachCorner(const Triple & position, TFunction && f) const
  {
    for (int corner = 0; corner < 8; ++corner)
    {
      double weight = 1;
      std::int64_t offset = 0;
      for (int d = 0; d < 3; ++d)
      {
        const InterpolationTap & tap = m_Taps[d][static_cast<std::size_t>(position[d])];
        const bool high = (corner >> d & 1) != 0;
        weight *= high ? tap.weight : 1 - tap.weight;
        offset = offset * m_Src[d] + (high ? tap.high : tap.low);
      }
      // A weight of zero must not turn an infinity into a NaN.
      if (weight != 0)
      {
        f(weight, offset);
      }
    }
  }

  Triple m_Src;
  Triple m_Size;
  std::array<std::vector<InterpolationTap>, 3> m_Taps;
};
} // namespace reference
} // namespace nn
} // namespace itk

#endif
