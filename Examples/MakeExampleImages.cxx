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
// The input of the examples' tests: MakeExampleImages folder
//
// Pictures disk_N.png with masks disk_N_mask.png, and a volume ball.nii.gz with
// ball_labels.nii.gz, its labels: bright, textured round shapes on a darker
// background.

#include "itkImage.h"
#include "itkImageFileWriter.h"
#include "itkImageRegionIteratorWithIndex.h"

#include <cmath>
#include <iostream>
#include <random>
#include <string>

namespace
{
template <unsigned int VDimension>
void
MakeBall(const itk::Size<VDimension> & size,
         const double * centre,
         double radius,
         unsigned int seed,
         const std::string & imageName,
         const std::string & labelName)
{
  using ImageType = itk::Image<unsigned char, VDimension>;
  auto image = ImageType::New();
  auto label = ImageType::New();
  image->SetRegions(size);
  image->Allocate();
  label->SetRegions(size);
  label->Allocate();
  std::mt19937 generator(seed);
  for (itk::ImageRegionIteratorWithIndex<ImageType> it(image, image->GetLargestPossibleRegion()); !it.IsAtEnd(); ++it)
  {
    double squared = 0;
    for (unsigned int i = 0; i < VDimension; ++i)
    {
      squared += std::pow(static_cast<double>(it.GetIndex()[i]) - centre[i], 2);
    }
    const bool inside = squared < radius * radius;
    const auto noise = static_cast<int>(generator() % 31U) - 15;
    it.Set(static_cast<unsigned char>((inside ? 180 : 70) + noise));
    label->SetPixel(it.GetIndex(), inside ? 1 : 0);
  }
  itk::WriteImage(image, imageName);
  itk::WriteImage(label, labelName);
}
} // namespace

int
main(int argc, char * argv[])
{
  if (argc != 2)
  {
    std::cerr << "Usage: " << argv[0] << " folder" << std::endl;
    return EXIT_FAILURE;
  }
  const std::string folder = std::string(argv[1]) + "/";
  try
  {
    for (unsigned int i = 0; i < 5; ++i)
    {
      const double centre[] = { 30.0 + 7 * i, 58.0 - 6 * i };
      const std::string name = folder + "disk_" + std::to_string(i);
      MakeBall<2>({ { 96, 80 } }, centre, 14 + 2.0 * i, i + 1, name + ".png", name + "_mask.png");
    }
    const double centre[] = { 30, 34, 6 };
    MakeBall<3>({ { 64, 64, 13 } }, centre, 17, 9, folder + "ball.nii.gz", folder + "ball_labels.nii.gz");
  }
  catch (const itk::ExceptionObject & error)
  {
    std::cerr << error << std::endl;
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
