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
#ifndef itkNNVolumeTestHelpers_h
#define itkNNVolumeTestHelpers_h

#include "itkImageFileWriter.h"
#include "itkImageRegionIteratorWithIndex.h"
#include "itkMetaImageIOFactory.h"
#include "itkNNTestHelpers.h"
#include "itkNiftiImageIOFactory.h"
#include "itkPNGImageIOFactory.h"

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

namespace itk
{
namespace nn
{
namespace test
{
/** A test with an empty folder of its own. */
class VolumeTest : public ::testing::Test
{
protected:
  void SetUp() override
  {
    MetaImageIOFactory::RegisterOneFactory();
    NiftiImageIOFactory::RegisterOneFactory();
    PNGImageIOFactory::RegisterOneFactory();
    const auto * info = ::testing::UnitTest::GetInstance()->current_test_info();
    m_Folder = std::filesystem::path(UNIVERSEG_TEST_OUTPUT) / info->test_suite_name() / info->name();
    std::filesystem::remove_all(m_Folder);
    std::filesystem::create_directories(m_Folder);
  }

  std::string PathOf(const std::string & name) const
  {
    return (m_Folder / name).string();
  }

  /** Write a text. \return its path. */
  std::string WriteText(const std::string & name, const std::string & text) const
  {
    std::ofstream(PathOf(name), std::ios::binary) << text;
    return PathOf(name);
  }

  /** Write an image. \param pixel of an index, x first. \return its path. */
  template <typename TImage>
  std::string WriteImage(
    const std::string & name,
    const typename TImage::SizeType & size,
    const std::function<typename TImage::PixelType(const typename TImage::IndexType &)> & pixel) const
  {
    const auto image = TImage::New();
    image->SetRegions(size);
    image->Allocate();
    double spacing[TImage::ImageDimension];
    for (unsigned int axis = 0; axis < TImage::ImageDimension; ++axis)
    {
      spacing[axis] = 1 + axis;
    }
    image->SetSpacing(spacing);
    ImageRegionIteratorWithIndex<TImage> it(image, image->GetLargestPossibleRegion());
    for (; !it.IsAtEnd(); ++it)
    {
      it.Set(pixel(it.GetIndex()));
    }
    const auto writer = ImageFileWriter<TImage>::New();
    writer->SetFileName(PathOf(name));
    writer->SetInput(image);
    writer->Update();
    return PathOf(name);
  }

  std::filesystem::path m_Folder;
};
} // namespace test
} // namespace nn
} // namespace itk

#endif
