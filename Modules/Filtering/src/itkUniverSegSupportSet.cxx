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
#include "itkUniverSegSupportSet.h"

#include "itkImage.h"
#include "itkNNResampling.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <set>

namespace itk
{
namespace
{
constexpr std::size_t maximumNumberOfPrepared = 4;

template <typename... TPixels>
struct PixelTypes
{};

using ScalarPixelTypes = PixelTypes<unsigned char,
                                    signed char,
                                    unsigned short,
                                    short,
                                    unsigned int,
                                    int,
                                    unsigned long,
                                    long,
                                    unsigned long long,
                                    long long,
                                    float,
                                    double>;
using ColourPixelTypes = PixelTypes<RGBPixel<unsigned char>,
                                    RGBPixel<unsigned short>,
                                    RGBPixel<float>,
                                    RGBAPixel<unsigned char>,
                                    RGBAPixel<unsigned short>,
                                    RGBAPixel<float>>;

/** Call visit with the object as the image that it is; false when its type is none of these. */
template <unsigned int VDimension, typename... TPixels, typename TVisit>
bool
VisitImage(const DataObject * object, PixelTypes<TPixels...> /*types*/, const TVisit & visit)
{
  const auto attempt = [&visit](const auto * image)
  {
    if (image == nullptr)
    {
      return false;
    }
    visit(image);
    return true;
  };
  return (attempt(dynamic_cast<const Image<TPixels, VDimension> *>(object)) || ...);
}
} // namespace

UniverSegPreparedSupports::UniverSegPreparedSupports(nn::Tensor images, nn::Tensor labels)
  : m_Images(std::move(images))
  , m_Labels(std::move(labels))
{}

nn::Tensor
UniverSegPreparedSupports::GetPlanes(LabelType label) const
{
  if (m_Labels.GetDataType() == nn::DataType::Float32)
  {
    return m_Labels;
  }
  const std::lock_guard<std::mutex> lock(m_Mutex);
  nn::Tensor & planes = m_Planes[label];
  if (!planes.IsDefined())
  {
    nn::Tensor made(m_Labels.GetShape());
    const LabelType * values = m_Labels.GetData<LabelType>();
    std::transform(values,
                   values + m_Labels.GetNumberOfElements(),
                   made.GetData<float>(),
                   [label](LabelType value) { return value == label ? 1.0F : 0.0F; });
    planes = made;
  }
  return planes;
}

std::vector<float>
UniverSegPreparedSupports::Reduce(const float * image) const
{
  const nn::Shape & shape = m_Images.GetShape();
  std::vector<float> reduced(reducedExtent * reducedExtent);
  nn::ResizeLinear(image,
                   static_cast<std::size_t>(shape[2]),
                   static_cast<std::size_t>(shape[3]),
                   reduced.data(),
                   reducedExtent,
                   reducedExtent);
  return reduced;
}

std::vector<std::size_t>
UniverSegPreparedSupports::FindNearest(const float * target, std::size_t pool, std::size_t count) const
{
  const nn::Shape & shape = m_Images.GetShape();
  std::vector<std::size_t> order(std::min(pool, static_cast<std::size_t>(shape[0])));
  std::iota(order.begin(), order.end(), std::size_t{ 0 });
  if (count >= order.size())
  {
    return order;
  }
  {
    const std::lock_guard<std::mutex> lock(m_Mutex);
    for (auto i = static_cast<std::int64_t>(m_Reduced.size()); i < shape[0]; ++i)
    {
      m_Reduced.push_back(this->Reduce(m_Images.GetData<float>() + i * shape[2] * shape[3]));
    }
  }
  const std::vector<float> wanted = this->Reduce(target);
  std::vector<double> distances;
  for (const std::size_t i : order)
  {
    distances.push_back(std::inner_product(wanted.begin(),
                                           wanted.end(),
                                           m_Reduced[i].begin(),
                                           0.0,
                                           std::plus<>(),
                                           [](float a, float b)
                                           { return (static_cast<double>(a) - b) * (static_cast<double>(a) - b); }));
  }
  std::stable_sort(
    order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return distances[a] < distances[b]; });
  order.resize(count);
  std::sort(order.begin(), order.end());
  return order;
}

UniverSegSupportSet::UniverSegSupportSet()
  : m_Cache(std::make_unique<UniverSegSupportCache>())
{}
UniverSegSupportSet::~UniverSegSupportSet() = default;

UniverSegSupportSet::Support
UniverSegSupportSet::MakeSupport(const nn::Tensor & image,
                                 const nn::Tensor & label,
                                 std::shared_ptr<const IntensityStatistics> volume) const
{
  if (!image.IsDefined() || !label.IsDefined() || image.GetRank() != 2 || image.GetNumberOfElements() == 0 ||
      image.GetShape() != label.GetShape())
  {
    const auto describe = [](const nn::Tensor & tensor)
    { return tensor.IsDefined() ? nn::ToString(tensor.GetShape()) : std::string("undefined"); };
    itkExceptionMacro("The image of a support has shape " << describe(image) << " and its label " << describe(label)
                                                          << "; both should be [H, W] with at least one pixel");
  }
  Support support;
  support.image = image.To(nn::DataType::Float32).Clone();
  support.volume = std::move(volume);
  const auto * intensities = support.image.GetData<float>();
  const auto count = support.image.GetNumberOfElements();
  if (!std::all_of(intensities, intensities + count, [](float value) { return std::isfinite(value); }))
  {
    itkExceptionMacro("The image of a support has values that are NaN or infinite; all should be finite");
  }

  const nn::Tensor numbers = label.To(nn::DataType::Float64).Contiguous();
  const auto * values = numbers.GetData<double>();
  if (m_SoftLabels)
  {
    const auto * bad = std::find_if(values, values + count, [](double value) { return !(value >= 0 && value <= 1); });
    if (bad != values + count)
    {
      itkExceptionMacro("A label of a support is " << *bad << "; soft labels should be in [0, 1]");
    }
    support.label = numbers.To(nn::DataType::Float32).Clone();
    support.values = { 1 };
    return support;
  }
  // Above this a double does not hold every integer.
  constexpr double limit = 9007199254740992.0;
  const auto * bad = std::find_if(
    values, values + count, [](double value) { return !(std::abs(value) <= limit && value == std::trunc(value)); });
  if (bad != values + count)
  {
    itkExceptionMacro("A label of a support is " << *bad
                                                 << "; labels should be integers up to 2^53 in magnitude. For labels "
                                                    "that are parts in [0, 1], call SoftLabelsOn() first");
  }
  support.label = numbers.To(nn::DataType::Int64).Clone();
  const auto * labels = support.label.GetData<LabelType>();
  std::set<LabelType> distinct;
  LabelType last = labels[0];
  distinct.insert(last);
  for (std::int64_t i = 1; i < count; ++i)
  {
    if (labels[i] != last)
    {
      last = labels[i];
      distinct.insert(last);
    }
  }
  support.values.assign(distinct.begin(), distinct.end());
  return support;
}

void
UniverSegSupportSet::Append(std::vector<Support> supports)
{
  m_Supports.insert(
    m_Supports.end(), std::make_move_iterator(supports.begin()), std::make_move_iterator(supports.end()));
  this->DropPrepared();
  this->Modified();
}

void
UniverSegSupportSet::PushBackTensors(const nn::Tensor & image,
                                     const nn::Tensor & label,
                                     std::shared_ptr<const IntensityStatistics> volume)
{
  std::vector<Support> supports;
  supports.push_back(this->MakeSupport(image, label, std::move(volume)));
  this->Append(std::move(supports));
}

template <unsigned int VDimension>
UniverSegSupportSet::PixelSource<VDimension>
UniverSegSupportSet::FindIntensitySource(const DataObject * image) const
{
  PixelSource<VDimension> source;
  const auto visit = [&source](const auto * typed) { source = MakeIntensitySource(typed); };
  if (image != nullptr && !VisitImage<VDimension>(image, ScalarPixelTypes{}, visit) &&
      !VisitImage<VDimension>(image, ColourPixelTypes{}, visit))
  {
    itkExceptionMacro("The image of a support is of the class " << image->GetNameOfClass()
                                                                << "; it should be an itk::Image of " << VDimension
                                                                << " dimensions with scalar, RGB or RGBA pixels");
  }
  return source;
}

template <unsigned int VDimension>
UniverSegSupportSet::PixelSource<VDimension>
UniverSegSupportSet::FindLabelSource(const DataObject * labelImage) const
{
  PixelSource<VDimension> source;
  if (labelImage != nullptr &&
      !VisitImage<VDimension>(
        labelImage, ScalarPixelTypes{}, [&source](const auto * typed) { source = MakeLabelSource(typed); }))
  {
    itkExceptionMacro("The label image of a support is of the class "
                      << labelImage->GetNameOfClass() << "; it should be an itk::Image of " << VDimension
                      << " dimensions with scalar pixels");
  }
  return source;
}

void
UniverSegSupportSet::PushBackSupport(const DataObject * image, const DataObject * labelImage)
{
  this->PushBackPair(this->FindIntensitySource<2>(image), this->FindLabelSource<2>(labelImage));
}

void
UniverSegSupportSet::PushBackSupportVolume(const DataObject * image,
                                           const DataObject * labelImage,
                                           unsigned int axis,
                                           const std::vector<IndexValueType> & slices)
{
  this->PushBackSlices(this->FindIntensitySource<3>(image), this->FindLabelSource<3>(labelImage), axis, slices);
}

template <unsigned int VDimension>
void
UniverSegSupportSet::CheckPair(const PixelSource<VDimension> & image, const PixelSource<VDimension> & labelImage) const
{
  if (image.image == nullptr || labelImage.image == nullptr)
  {
    itkExceptionMacro("The " << (image.image == nullptr ? "image" : "label image")
                             << " of a support is null; a support is an image and its label image");
  }
  const auto check = [this](const ImageBase<VDimension> * any, const char * name)
  {
    if (any->GetLargestPossibleRegion().GetNumberOfPixels() == 0)
    {
      itkExceptionMacro("The " << name << " of a support has no pixels; its size is "
                               << any->GetLargestPossibleRegion().GetSize() << ". Update() the filter that makes it");
    }
    if (any->GetBufferedRegion() != any->GetLargestPossibleRegion())
    {
      itkExceptionMacro("The " << name << " of a support is not wholly in memory: buffered size "
                               << any->GetBufferedRegion().GetSize() << " of "
                               << any->GetLargestPossibleRegion().GetSize()
                               << ". Call UpdateLargestPossibleRegion() on the filter that makes it");
    }
  };
  check(image.image, "image");
  check(labelImage.image, "label image");
  const auto imageSize = image.image->GetLargestPossibleRegion().GetSize();
  const auto labelSize = labelImage.image->GetLargestPossibleRegion().GetSize();
  if (imageSize != labelSize)
  {
    itkExceptionMacro("The image of a support has size " << imageSize << " and its label image " << labelSize
                                                         << "; they should be the same");
  }
}

void
UniverSegSupportSet::PushBackPair(const PixelSource<2> & image, const PixelSource<2> & labelImage)
{
  this->CheckPair(image, labelImage);
  const auto region = image.image->GetLargestPossibleRegion();
  const auto height = static_cast<std::int64_t>(region.GetSize(1));
  const auto width = static_cast<std::int64_t>(region.GetSize(0));
  nn::Tensor intensities({ height, width });
  auto firstBad = region.GetIndex();
  if (!image.copyIntensities(region, intensities.GetData<float>(), firstBad))
  {
    itkExceptionMacro("The image of a support is NaN or infinite at index " << firstBad
                                                                            << "; all intensities should be finite");
  }
  nn::Tensor labels({ height, width }, nn::DataType::Float64);
  labelImage.copyLabels(labelImage.image->GetLargestPossibleRegion(), labels.GetData<double>());
  this->PushBackTensors(intensities, labels);
}

void
UniverSegSupportSet::PushBackSlices(const PixelSource<3> & image,
                                    const PixelSource<3> & labelImage,
                                    unsigned int axis,
                                    const std::vector<IndexValueType> & slices)
{
  this->CheckPair(image, labelImage);
  if (axis > 2)
  {
    itkExceptionMacro("The slice axis of a support volume is " << axis << "; should be 0, 1 or 2");
  }
  const auto region = image.image->GetLargestPossibleRegion();
  const unsigned int column = axis == 0 ? 1 : 0;
  const unsigned int row = axis == 2 ? 1 : 2;
  const auto height = static_cast<std::int64_t>(region.GetSize(row));
  const auto width = static_cast<std::int64_t>(region.GetSize(column));
  const auto depth = static_cast<IndexValueType>(region.GetSize(axis));

  std::vector<float> intensities(region.GetNumberOfPixels());
  auto firstBad = region.GetIndex();
  if (!image.copyIntensities(region, intensities.data(), firstBad))
  {
    itkExceptionMacro("The image of a support is NaN or infinite at index " << firstBad
                                                                            << "; all intensities should be finite");
  }
  const auto statistics = std::make_shared<const IntensityStatistics>(intensities.data(), intensities.size());

  std::vector<IndexValueType> offsets;
  for (const IndexValueType slice : slices)
  {
    const IndexValueType offset = slice - region.GetIndex(axis);
    if (offset < 0 || offset >= depth)
    {
      itkExceptionMacro("Slice " << slice << " of a support volume along axis " << axis << "; should be from "
                                 << region.GetIndex(axis) << " to " << region.GetIndex(axis) + depth - 1);
    }
    offsets.push_back(offset);
  }

  std::vector<Support> supports;
  const auto labelRegion = labelImage.image->GetLargestPossibleRegion();
  const auto addSlice = [&](IndexValueType offset, bool onlyLabelled)
  {
    auto sliceRegion = labelRegion;
    sliceRegion.SetIndex(axis, labelRegion.GetIndex(axis) + offset);
    sliceRegion.SetSize(axis, 1);
    nn::Tensor labels({ height, width }, nn::DataType::Float64);
    auto * values = labels.GetData<double>();
    labelImage.copyLabels(sliceRegion, values);
    if (onlyLabelled &&
        std::all_of(values, values + labels.GetNumberOfElements(), [](double value) { return value == 0; }))
    {
      return;
    }
    auto imageRegion = region;
    imageRegion.SetIndex(axis, region.GetIndex(axis) + offset);
    imageRegion.SetSize(axis, 1);
    nn::Tensor plane({ height, width });
    image.copyIntensities(imageRegion, plane.GetData<float>(), firstBad);
    supports.push_back(this->MakeSupport(plane, labels, statistics));
  };
  if (slices.empty())
  {
    for (IndexValueType offset = 0; offset < depth; ++offset)
    {
      addSlice(offset, true);
    }
    if (supports.empty())
    {
      itkExceptionMacro("The label image of a support volume is 0 everywhere; at least one slice should be labelled");
    }
  }
  else
  {
    for (const IndexValueType offset : offsets)
    {
      addSlice(offset, false);
    }
  }
  this->Append(std::move(supports));
}

void
UniverSegSupportSet::DropPrepared()
{
  m_Prepared.clear();
  m_Cache->Clear();
}

void
UniverSegSupportSet::SetMaximumCacheBytes(SizeValueType bytes)
{
  // Not Modified(): results stay the same.
  m_Cache->SetMaximumBytes(bytes);
}

SizeValueType
UniverSegSupportSet::GetMaximumCacheBytes() const
{
  return m_Cache->GetMaximumBytes();
}

SizeValueType
UniverSegSupportSet::GetCacheBytes() const
{
  return m_Cache->GetNumberOfBytes();
}

void
UniverSegSupportSet::ReleaseCache()
{
  m_Cache->Clear();
}

void
UniverSegSupportSet::RemoveSupport(SizeValueType i)
{
  if (i >= m_Supports.size())
  {
    itkExceptionMacro("There is no support " << i << " to remove; there are " << m_Supports.size());
  }
  m_Supports.erase(m_Supports.begin() + static_cast<std::ptrdiff_t>(i));
  this->DropPrepared();
  this->Modified();
}

void
UniverSegSupportSet::Clear()
{
  if (!m_Supports.empty())
  {
    m_Supports.clear();
    this->DropPrepared();
    this->Modified();
  }
}

std::vector<UniverSegSupportSet::LabelType>
UniverSegSupportSet::GetLabels() const
{
  std::set<LabelType> labels;
  for (const Support & support : m_Supports)
  {
    labels.insert(support.values.begin(), support.values.end());
  }
  return std::vector<LabelType>(labels.begin(), labels.end());
}

void
UniverSegSupportSet::SetSoftLabels(bool soft)
{
  if (soft == m_SoftLabels)
  {
    return;
  }
  if (!m_Supports.empty())
  {
    itkExceptionMacro("SoftLabels cannot change while there are " << m_Supports.size()
                                                                  << " supports; set it before the first");
  }
  m_SoftLabels = soft;
  this->Modified();
}

UniverSegSupportSet::PreparedPointer
UniverSegSupportSet::GetPrepared(const IntensityNormalization & normalization,
                                 SizeValueType gridWidth,
                                 SizeValueType gridHeight) const
{
  if (m_Supports.empty())
  {
    itkExceptionMacro("The support set is empty; it needs at least one image and its label image");
  }
  const std::lock_guard<std::mutex> lock(m_Mutex);
  const auto found = std::find_if(m_Prepared.begin(),
                                  m_Prepared.end(),
                                  [&](const Prepared & prepared)
                                  {
                                    return prepared.normalization == normalization && prepared.width == gridWidth &&
                                           prepared.height == gridHeight;
                                  });
  if (found != m_Prepared.end())
  {
    m_Prepared.splice(m_Prepared.begin(), m_Prepared, found);
    return m_Prepared.front().supports;
  }

  const nn::Shape shape{ static_cast<std::int64_t>(m_Supports.size()),
                         1,
                         static_cast<std::int64_t>(gridHeight),
                         static_cast<std::int64_t>(gridWidth) };
  const std::size_t pixels = gridHeight * gridWidth;
  nn::Tensor images(shape);
  nn::Tensor labels(shape, m_SoftLabels ? nn::DataType::Float32 : nn::DataType::Int64);
  for (std::size_t i = 0; i < m_Supports.size(); ++i)
  {
    const Support & support = m_Supports[i];
    const auto height = static_cast<std::size_t>(support.image.GetShape()[0]);
    const auto width = static_cast<std::size_t>(support.image.GetShape()[1]);
    const auto * intensities = support.image.GetData<float>();
    auto statistics = support.volume;
    if (!statistics && normalization.NeedsStatistics())
    {
      statistics = std::make_shared<const IntensityStatistics>(intensities, height * width);
    }
    normalization.Apply(
      intensities, height, width, statistics.get(), images.GetData<float>() + i * pixels, gridHeight, gridWidth);
    if (m_SoftLabels)
    {
      nn::ResizeLinear(
        support.label.GetData<float>(), height, width, labels.GetData<float>() + i * pixels, gridHeight, gridWidth);
    }
    else
    {
      nn::ResizeNearest(support.label.GetData<LabelType>(),
                        height,
                        width,
                        labels.GetData<LabelType>() + i * pixels,
                        gridHeight,
                        gridWidth);
    }
  }
  m_Prepared.push_front(
    { normalization, gridWidth, gridHeight, std::make_shared<const UniverSegPreparedSupports>(images, labels) });
  if (m_Prepared.size() > maximumNumberOfPrepared)
  {
    m_Prepared.pop_back();
  }
  return m_Prepared.front().supports;
}

void
UniverSegSupportSet::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  os << indent << "NumberOfSupports: " << m_Supports.size() << '\n';
  os << indent << "SoftLabels: " << (m_SoftLabels ? "On" : "Off") << '\n';
  os << indent << "MaximumCacheBytes: " << this->GetMaximumCacheBytes() << '\n';
  os << indent << "CacheBytes: " << this->GetCacheBytes() << '\n';
  os << indent << "Labels:";
  for (const LabelType label : this->GetLabels())
  {
    os << ' ' << label;
  }
  os << '\n';
}
} // namespace itk
