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
#ifndef itkFilteringTestHelpers_h
#define itkFilteringTestHelpers_h

#include "itkImageRegionIteratorWithIndex.h"
#include "itkNNModel.h"
#include "itkNNNetwork.h"
#include "itkNNTestHelpers.h"
#include "itkSegmentationModel.h"
#include "itkUniverSegSupportSet.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace itk
{
namespace test
{
/** Uniform numbers in [-1, 1) that are the same everywhere. */
class Random
{
public:
  explicit Random(std::uint64_t seed)
    : m_State(seed * 2 + 1)
  {}
  float operator()()
  {
    m_State = m_State * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<float>(static_cast<double>(m_State >> 40) / (1 << 23) - 1.0);
  }

private:
  std::uint64_t m_State;
};

inline nn::StateDict
MakeWeights(const std::string & configuration, std::uint64_t seed)
{
  Random random(seed);
  nn::StateDict weights;
  for (const auto & parameter : nn::Network::Create("universeg", configuration)->GetParameters())
  {
    nn::Tensor tensor(parameter.shape);
    std::int64_t fanIn = 1;
    for (std::size_t i = 1; i < parameter.shape.size(); ++i)
    {
      fanIn *= parameter.shape[i];
    }
    for (std::int64_t i = 0; i < tensor.GetNumberOfElements(); ++i)
    {
      tensor.GetData<float>()[i] = 2 * random() / std::sqrt(static_cast<float>(fanIn));
    }
    weights.Add(parameter.name, tensor);
  }
  return weights;
}

/** A small network with random weights on a 16 x 16 grid. */
inline SegmentationModel::Pointer
MakeSmallModel(std::uint64_t seed = 1)
{
  const std::string configuration = R"({"encoder_blocks": [4, 4]})";
  nn::ModelCard card;
  card.network = "universeg";
  card.configuration = configuration;
  card.preprocessing = R"({"grid_size": [16, 16]})";
  const auto model = nn::Model::New();
  model->SetWeights(MakeWeights(configuration, seed));
  model->SetCard(card);
  const auto result = SegmentationModel::New();
  result->SetModel(model);
  return result;
}

template <typename TImage>
typename TImage::Pointer
MakeImage(const typename TImage::SizeType & size,
          const typename TImage::IndexType & index = typename TImage::IndexType{})
{
  const auto image = TImage::New();
  image->SetRegions(typename TImage::RegionType(index, size));
  image->Allocate();
  image->FillBuffer(typename TImage::PixelType{});
  return image;
}

/** A bright disk (a ball in 3-D) on a dark ground with a little texture, its
 * position in parts of the extent. \param value intensity of the disk. */
template <typename TImage>
typename TImage::Pointer
MakeDisk(const typename TImage::SizeType & size,
         double centre,
         double value = 200,
         const typename TImage::IndexType & index = typename TImage::IndexType{})
{
  const auto image = MakeImage<TImage>(size, index);
  Random random(static_cast<std::uint64_t>(centre * 1000));
  for (ImageRegionIteratorWithIndex<TImage> it(image, image->GetLargestPossibleRegion()); !it.IsAtEnd(); ++it)
  {
    double distance = 0;
    for (unsigned int d = 0; d < TImage::ImageDimension; ++d)
    {
      const double x = (static_cast<double>(it.GetIndex()[d] - index[d]) + 0.5) / static_cast<double>(size[d]) - centre;
      distance += x * x;
    }
    const double intensity = (distance < 0.0625 ? value : 50) + 10 * random();
    it.Set(static_cast<typename TImage::PixelType>(intensity));
  }
  return image;
}

/** The label map of MakeDisk(). */
template <typename TImage>
typename TImage::Pointer
MakeDiskLabel(const typename TImage::SizeType & size, double centre, typename TImage::PixelType label = 1)
{
  const auto image = MakeImage<TImage>(size);
  for (ImageRegionIteratorWithIndex<TImage> it(image, image->GetLargestPossibleRegion()); !it.IsAtEnd(); ++it)
  {
    double distance = 0;
    for (unsigned int d = 0; d < TImage::ImageDimension; ++d)
    {
      const double x = (static_cast<double>(it.GetIndex()[d]) + 0.5) / static_cast<double>(size[d]) - centre;
      distance += x * x;
    }
    it.Set(distance < 0.0625 ? label : typename TImage::PixelType{});
  }
  return image;
}

/** Three disks with the label 1, on images of different sizes. */
inline UniverSegSupportSet::Pointer
MakeSupports()
{
  using ImageType = Image<float, 2>;
  using LabelImageType = Image<unsigned char, 2>;
  const auto supports = UniverSegSupportSet::New();
  supports->PushBackSupport(MakeDisk<ImageType>({ { 20, 24 } }, 0.4),
                            MakeDiskLabel<LabelImageType>({ { 20, 24 } }, 0.4));
  supports->PushBackSupport(MakeDisk<ImageType>({ { 16, 16 } }, 0.5),
                            MakeDiskLabel<LabelImageType>({ { 16, 16 } }, 0.5));
  supports->PushBackSupport(MakeDisk<ImageType>({ { 33, 17 } }, 0.6),
                            MakeDiskLabel<LabelImageType>({ { 33, 17 } }, 0.6));
  return supports;
}

template <typename TImage>
std::vector<double>
GetPixels(const TImage * image)
{
  std::vector<double> values;
  for (ImageRegionConstIteratorWithIndex<TImage> it(image, image->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    values.push_back(static_cast<double>(it.Get()));
  }
  return values;
}
} // namespace test
} // namespace itk

#define EXPECT_ERROR(statement, part)                                                                                  \
  EXPECT_NE(::itk::nn::test::ErrorOf<::itk::ExceptionObject>([&] { statement; }).find(part), std::string::npos)        \
    << "got: " << ::itk::nn::test::ErrorOf<::itk::ExceptionObject>([&] { statement; })

#endif
