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
#include "itkU2NetPostProcessing.h"

#include "itkBinaryDilateImageFilter.h"
#include "itkBinaryErodeImageFilter.h"
#include "itkFlatStructuringElement.h"

#include <algorithm>
#include <numeric>

namespace itk
{
namespace nn
{
namespace
{
using Mask = Image<std::uint8_t, 3>;
using Element = FlatStructuringElement<3>;

/** Is a voxel at such an offset, of -1 to 1 along each axis, one of the 18 or the middle? */
bool
IsNeighbour(std::int64_t x, std::int64_t y, std::int64_t z)
{
  return x * x + y * y + z * z <= 2;
}

Element
MakeElement()
{
  Element element;
  element.SetRadius(1);
  for (unsigned int i = 0; i < element.Size(); ++i)
  {
    const auto offset = element.GetOffset(i);
    element[i] = IsNeighbour(offset[0], offset[1], offset[2]);
  }
  return element;
}

Mask::Pointer
Close(const Mask & mask)
{
  const Element element = MakeElement();
  const auto dilate = BinaryDilateImageFilter<Mask, Mask, Element>::New();
  dilate->SetInput(&mask);
  dilate->SetKernel(element);
  dilate->SetForegroundValue(1);
  const auto erode = BinaryErodeImageFilter<Mask, Mask, Element>::New();
  erode->SetInput(dilate->GetOutput());
  erode->SetKernel(element);
  erode->SetForegroundValue(1);
  erode->BoundaryToForegroundOff();
  erode->Update();
  return erode->GetOutput();
}

/** Components of a mask: the number of that of each voxel, from 1 on, 0 outside, and their
 * sizes. ITK's filters know 6 and 26 neighbours only. */
struct Components
{
  std::vector<std::uint32_t> numbers;
  std::vector<std::size_t> sizes; ///< of component i + 1
};

Components
FindComponents(const std::vector<std::uint8_t> & mask, const Shape & size)
{
  Components found;
  found.numbers.assign(mask.size(), 0);
  std::vector<std::size_t> open;
  const auto visit = [&](std::size_t voxel)
  {
    if (mask[voxel] != 0 && found.numbers[voxel] == 0)
    {
      found.numbers[voxel] = static_cast<std::uint32_t>(found.sizes.size());
      ++found.sizes.back();
      open.push_back(voxel);
    }
  };
  const auto width = static_cast<std::size_t>(size[2]);
  const auto area = width * static_cast<std::size_t>(size[1]);
  const auto isInside = [&](std::int64_t index, std::size_t axis) { return index >= 0 && index < size[axis]; };
  for (std::size_t first = 0; first < mask.size(); ++first)
  {
    if (mask[first] == 0 || found.numbers[first] != 0)
    {
      continue;
    }
    found.sizes.push_back(0);
    visit(first);
    while (!open.empty())
    {
      const std::size_t voxel = open.back();
      open.pop_back();
      const auto z = static_cast<std::int64_t>(voxel / area);
      const auto y = static_cast<std::int64_t>(voxel % area / width);
      const auto x = static_cast<std::int64_t>(voxel % width);
      for (std::int64_t k = -1; k <= 1; ++k)
      {
        for (std::int64_t j = -1; j <= 1; ++j)
        {
          for (std::int64_t i = -1; i <= 1; ++i)
          {
            if (IsNeighbour(i, j, k) && isInside(z + k, 0) && isInside(y + j, 1) && isInside(x + i, 2))
            {
              visit(static_cast<std::size_t>(((z + k) * size[1] + y + j) * size[2] + x + i));
            }
          }
        }
      }
    }
  }
  return found;
}

/** Clear what is not of the largest components. */
void
KeepLargest(std::vector<std::uint8_t> & mask, const Shape & size, int count, bool keepsAllOfEqualSizes)
{
  const Components found = FindComponents(mask, size);
  std::vector<std::uint32_t> order(found.sizes.size());
  std::iota(order.begin(), order.end(), 0U);
  const auto sizeOf = [&](std::uint32_t component) { return found.sizes[component]; };
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return sizeOf(a) > sizeOf(b); });
  for (std::size_t i = 0; keepsAllOfEqualSizes && i < static_cast<std::size_t>(count) && i + 1 < order.size(); ++i)
  {
    if (sizeOf(order[i]) == sizeOf(order[i + 1]))
    {
      return;
    }
  }
  const bool keepsSecond = count == 2 && order.size() > 1 && 10 * sizeOf(order[1]) > sizeOf(order[0]);
  order.resize(std::min<std::size_t>(order.size(), keepsSecond ? 2 : 1));
  for (std::size_t i = 0; i < mask.size(); ++i)
  {
    const auto isThis = [&](std::uint32_t component) { return found.numbers[i] == component + 1; };
    mask[i] = std::any_of(order.begin(), order.end(), isThis) ? 1 : 0;
  }
}
} // namespace

void
U2NetPostProcessing::Check() const
{
  itkNNRequireMacro(classes >= 1, "Post-processing: there are " << classes << " classes; should be 1 or more");
  itkNNRequireMacro(components == 1 || components == 2,
                    "Post-processing: " << components << " components are kept; should be 1 or 2");
}

Tensor
U2NetPostProcessing::Apply(const Tensor & labels, const Tensor & weight) const
{
  this->Check();
  itkNNRequireMacro(labels.IsDefined() && labels.GetRank() == 3 && labels.GetDataType() == DataType::Int32 &&
                      labels.GetNumberOfElements() > 0,
                    "Post-processing: the labels are "
                      << (labels.IsDefined() ? ToString(labels.GetDataType()) : "not there") << ' '
                      << ToString(labels.GetShape()) << "; should be int32 [D, H, W]");
  const Shape & size = labels.GetShape();
  itkNNRequireMacro(!weight.IsDefined() || (weight.GetDataType() == DataType::Float32 && weight.GetShape() == size),
                    "Post-processing: the weight is " << ToString(weight.GetDataType()) << ' '
                                                      << ToString(weight.GetShape()) << "; should be float32 "
                                                      << ToString(size) << " as the labels");
  std::vector<std::int32_t> source = labels.ToVector<std::int32_t>();
  if (weight.IsDefined())
  {
    const Tensor weights = weight.Contiguous();
    const float * w = weights.GetData<float>();
    std::transform(source.begin(),
                   source.end(),
                   w,
                   source.begin(),
                   [](std::int32_t label, float value) { return value == 0 ? 0 : label; });
  }
  Tensor result = Tensor::Zeros(size, DataType::Int32);
  std::int32_t * const target = result.GetData<std::int32_t>();
  const auto image = Mask::New();
  image->SetRegions(Mask::SizeType{ { static_cast<SizeValueType>(size[2]),
                                      static_cast<SizeValueType>(size[1]),
                                      static_cast<SizeValueType>(size[0]) } });
  image->Allocate();
  std::vector<std::uint8_t> mask(source.size());
  for (std::int32_t label = 1; label < classes; ++label)
  {
    std::transform(source.begin(), source.end(), mask.begin(), [label](std::int32_t value) { return value == label; });
    const bool isThere = std::find(mask.begin(), mask.end(), 1) != mask.end();
    if (isThere && untouchedClasses.count(label) == 0)
    {
      std::copy(mask.begin(), mask.end(), image->GetBufferPointer());
      image->Modified();
      const auto closed = Close(*image);
      std::copy_n(closed->GetBufferPointer(), mask.size(), mask.begin());
      const auto width = static_cast<std::size_t>(size[2]);
      for (std::size_t i = 0; clearsSecondHalf && i < mask.size(); ++i)
      {
        mask[i] = i % width < width / 2 ? mask[i] : 0;
      }
      KeepLargest(mask, size, components, keepsAllOfEqualSizes);
    }
    for (std::size_t i = 0; i < mask.size(); ++i)
    {
      target[i] = mask[i] != 0 ? label : target[i];
    }
  }
  return result;
}
} // namespace nn
} // namespace itk
