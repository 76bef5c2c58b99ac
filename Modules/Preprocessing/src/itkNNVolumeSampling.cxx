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
#include "itkNNVolumeSampling.h"

#include "itkNNCubicSpline.h"

#include <cmath>
#include <cstring>

namespace itk
{
namespace nn
{
namespace
{
void
CheckSampling(const Tensor & input, const Tensor & coordinates)
{
  itkNNRequireMacro(input.IsDefined() && input.GetRank() == 4 && input.GetNumberOfElements() > 0,
                    "Sampling: an input of shape " << ToString(input.GetShape())
                                                   << "; should be [C, D, H, W] and not empty");
  itkNNRequireMacro(coordinates.IsDefined() && coordinates.GetRank() == 4 && coordinates.GetShape()[0] == 3 &&
                      coordinates.GetDataType() == DataType::Float64,
                    "Sampling: the coordinates are "
                      << (coordinates.IsDefined() ? ToString(coordinates.GetDataType()) : "not there") << " of shape "
                      << ToString(coordinates.GetShape()) << "; should be float64 of [3, D, H, W]");
}

/** The places of coordinates [3, ...] within a volume. */
class Places
{
public:
  Places(const Tensor & coordinates, const Shape & inputShape)
    : m_Coordinates(coordinates.Contiguous())
    , m_Count(coordinates.GetNumberOfElements() / 3)
    , m_Last{ static_cast<double>(inputShape[1] - 1),
              static_cast<double>(inputShape[2] - 1),
              static_cast<double>(inputShape[3] - 1) }
  {}

  std::int64_t GetCount() const
  {
    return m_Count;
  }

  /** Whether a place is inside. Those that are no numbers are not. */
  bool Get(std::int64_t number, std::array<double, 3> & place) const
  {
    const double * const first = m_Coordinates.GetData<double>() + number;
    bool isInside = true;
    for (std::size_t axis = 0; axis < 3; ++axis)
    {
      place[axis] = first[static_cast<std::int64_t>(axis) * m_Count];
      isInside = isInside && place[axis] >= 0 && place[axis] <= m_Last[axis];
    }
    return isInside;
  }

private:
  Tensor m_Coordinates;
  std::int64_t m_Count;
  std::array<double, 3> m_Last;
};

/** A part of a volume; empty when an extent is 0. */
struct Box
{
  Shape start;
  Shape size;
};

/** Of the voxels that splines at the places inside depend on. */
Box
FindBox(const Places & places, const Shape & inputShape)
{
  std::array<double, 3> low{ INFINITY, INFINITY, INFINITY };
  std::array<double, 3> high{ -1, -1, -1 };
  std::array<double, 3> place{};
  for (std::int64_t i = 0; i < places.GetCount(); ++i)
  {
    if (places.Get(i, place))
    {
      for (std::size_t axis = 0; axis < 3; ++axis)
      {
        low[axis] = std::min(low[axis], place[axis]);
        high[axis] = std::max(high[axis], place[axis]);
      }
    }
  }
  Box box{ { 0, 0, 0 }, { 0, 0, 0 } };
  for (std::size_t axis = 0; axis < 3 && high[0] >= 0; ++axis)
  {
    box.start[axis] = std::max<std::int64_t>(static_cast<std::int64_t>(low[axis]) - 1 - splineReach, 0);
    const std::int64_t end =
      std::min<std::int64_t>(static_cast<std::int64_t>(high[axis]) + 3 + splineReach, inputShape[axis + 1]);
    box.size[axis] = end - box.start[axis];
  }
  return box;
}

/** The spline's coefficients of a box of one channel. */
std::vector<double>
FindCoefficients(const Tensor & channel, const Box & box)
{
  Tensor part = channel;
  for (std::size_t axis = 0; axis < 3; ++axis)
  {
    part = part.Slice(static_cast<int>(axis), box.start[axis], box.start[axis] + box.size[axis]);
  }
  std::vector<double> coefficients = part.ToVector<double>();
  for (std::size_t axis = 0; axis < 3; ++axis)
  {
    const std::int64_t count = box.size[axis];
    ChangeLines(coefficients.data(),
                box.size,
                axis,
                [count](double * rows) { FindSplineCoefficients(rows, count, columnsAtOnce); });
  }
  return coefficients;
}

template <typename T>
void
Interpolate(const std::vector<double> & coefficients, const Box & box, const Places & places, T * output)
{
  std::array<double, 3> place{};
  std::array<std::array<double, 4>, 3> weights{};
  std::array<std::array<std::int64_t, 4>, 3> offsets{};
  const std::array<std::int64_t, 3> strides{ box.size[1] * box.size[2], box.size[2], 1 };
  for (std::int64_t i = 0; i < places.GetCount(); ++i)
  {
    if (!places.Get(i, place))
    {
      output[i] = 0;
      continue;
    }
    for (std::size_t axis = 0; axis < 3; ++axis)
    {
      // Inside places are not below 0.
      const auto whole = static_cast<std::int64_t>(place[axis]);
      weights[axis] = GetSplineWeights(place[axis] - static_cast<double>(whole));
      const std::int64_t first = whole - 1 - box.start[axis];
      const bool isWithin = first >= 0 && first + 4 <= box.size[axis];
      for (std::int64_t k = 0; k < 4; ++k)
      {
        offsets[axis][static_cast<std::size_t>(k)] =
          (isWithin ? first + k : MirrorIndex(first + k, box.size[axis])) * strides[axis];
      }
    }
    double sum = 0;
    for (std::size_t z = 0; z < 4; ++z)
    {
      double plane = 0;
      for (std::size_t y = 0; y < 4; ++y)
      {
        const double * const row = coefficients.data() + offsets[0][z] + offsets[1][y];
        plane += weights[1][y] * (weights[2][0] * row[offsets[2][0]] + weights[2][1] * row[offsets[2][1]] +
                                  weights[2][2] * row[offsets[2][2]] + weights[2][3] * row[offsets[2][3]]);
      }
      sum += weights[0][z] * plane;
    }
    output[i] = static_cast<T>(sum);
  }
}

template <std::size_t VBytes>
void
TakeNearest(const char * input, const Shape & shape, const Places & places, char * output)
{
  std::array<double, 3> place{};
  const std::int64_t voxels = shape[1] * shape[2] * shape[3];
  for (std::int64_t i = 0; i < places.GetCount(); ++i)
  {
    if (places.Get(i, place))
    {
      // The last voxel's own place is the last one inside, so that nothing is rounded beyond it.
      const auto nearest = [&](std::size_t axis) { return static_cast<std::int64_t>(place[axis] + 0.5); };
      const std::int64_t voxel = (nearest(0) * shape[2] + nearest(1)) * shape[3] + nearest(2);
      for (std::int64_t channel = 0; channel < shape[0]; ++channel)
      {
        std::memcpy(output + static_cast<std::size_t>(channel * places.GetCount() + i) * VBytes,
                    input + static_cast<std::size_t>(channel * voxels + voxel) * VBytes,
                    VBytes);
      }
    }
  }
}

Shape
OutputShape(const Tensor & input, const Tensor & coordinates)
{
  Shape shape = coordinates.GetShape();
  shape[0] = input.GetShape()[0];
  return shape;
}
} // namespace

Tensor
SampleCubic(const Tensor & input, const Tensor & coordinates)
{
  CheckSampling(input, coordinates);
  itkNNRequireMacro(input.GetDataType() == DataType::Float32 || input.GetDataType() == DataType::Float64,
                    "Sampling: the input is " << ToString(input.GetDataType()) << "; should be float32 or float64");
  const Places places(coordinates, input.GetShape());
  const Box box = FindBox(places, input.GetShape());
  if (NumberOfElements(box.size) == 0)
  {
    return Tensor::Zeros(OutputShape(input, coordinates), input.GetDataType());
  }
  Tensor output(OutputShape(input, coordinates), input.GetDataType());
  for (std::int64_t channel = 0; channel < input.GetShape()[0]; ++channel)
  {
    const auto coefficients = FindCoefficients(input.Select(0, channel), box);
    const std::int64_t first = channel * places.GetCount();
    if (input.GetDataType() == DataType::Float32)
    {
      Interpolate(coefficients, box, places, output.GetData<float>() + first);
    }
    else
    {
      Interpolate(coefficients, box, places, output.GetData<double>() + first);
    }
  }
  return output;
}

Tensor
SampleNearest(const Tensor & input, const Tensor & coordinates)
{
  CheckSampling(input, coordinates);
  const Tensor source = input.Contiguous();
  const Shape & shape = source.GetShape();
  const Places places(coordinates, shape);
  Tensor output = Tensor::Zeros(OutputShape(input, coordinates), source.GetDataType());
  const auto * from = static_cast<const char *>(source.GetRawData());
  auto * to = static_cast<char *>(output.GetRawData());
  switch (SizeOf(source.GetDataType()))
  {
    case 1:
      TakeNearest<1>(from, shape, places, to);
      break;
    case 2:
      TakeNearest<2>(from, shape, places, to);
      break;
    case 4:
      TakeNearest<4>(from, shape, places, to);
      break;
    default:
      TakeNearest<8>(from, shape, places, to);
  }
  return output;
}
} // namespace nn
} // namespace itk
