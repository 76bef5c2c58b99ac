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
// A pipeline of reader, UniverSeg, a morphological filter and writer.
//
// SegmentWithSupportSet target output image1 mask1 [image2 mask2 ...]
//
// The masks are 0 outside the structure; any other value is inside.

#include "itkBinaryBallStructuringElement.h"
#include "itkBinaryMorphologicalOpeningImageFilter.h"
#include "itkBinaryThresholdImageFilter.h"
#include "itkImageFileReader.h"
#include "itkImageFileWriter.h"
#include "itkUniverSegImageFilter.h"

#include <iostream>

int
main(int argc, char * argv[])
{
  if (argc < 5 || argc % 2 == 0)
  {
    std::cerr << "Usage: " << argv[0] << " target output image1 mask1 [image2 mask2 ...]" << std::endl;
    return EXIT_FAILURE;
  }
  using ImageType = itk::Image<float, 2>;
  using LabelImageType = itk::Image<unsigned char, 2>;
  constexpr unsigned char foreground = 255;

  try
  {
    auto supports = itk::UniverSegSupportSet::New();
    for (int i = 3; i < argc; i += 2)
    {
      auto binary = itk::BinaryThresholdImageFilter<LabelImageType, LabelImageType>::New();
      binary->SetInput(itk::ReadImage<LabelImageType>(argv[i + 1]));
      binary->SetLowerThreshold(1);
      binary->SetInsideValue(foreground);
      binary->Update();
      supports->PushBackSupport(itk::ReadImage<ImageType>(argv[i]).GetPointer(), binary->GetOutput());
    }

    auto reader = itk::ImageFileReader<ImageType>::New();
    reader->SetFileName(argv[1]);

    auto segment = itk::UniverSegImageFilter<ImageType, LabelImageType>::New();
    segment->SetInput(reader->GetOutput());
    segment->SetSupportSet(supports);
    segment->SetForegroundValue(foreground);

    // Specks of a pixel or two are no structure.
    using ElementType = itk::BinaryBallStructuringElement<unsigned char, 2>;
    ElementType element;
    element.SetRadius(1);
    element.CreateStructuringElement();
    auto open = itk::BinaryMorphologicalOpeningImageFilter<LabelImageType, LabelImageType, ElementType>::New();
    open->SetInput(segment->GetOutput());
    open->SetKernel(element);
    open->SetForegroundValue(foreground);

    auto writer = itk::ImageFileWriter<LabelImageType>::New();
    writer->SetInput(open->GetOutput());
    writer->SetFileName(argv[2]);
    writer->Update();
  }
  catch (const itk::ExceptionObject & error)
  {
    std::cerr << error << std::endl;
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
