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
// A volume from a few of its own slices: annotate some, get all.
//
// SegmentVolume volume labels output slice1 [slice2 ...]
//
// Of the label volume only the slices named are looked at; they may have several
// labels.

#include "itkImageFileReader.h"
#include "itkImageFileWriter.h"
#include "itkUniverSegImageFilter.h"

#include <charconv>
#include <iostream>
#include <string>
#include <vector>

int
main(int argc, char * argv[])
{
  if (argc < 5)
  {
    std::cerr << "Usage: " << argv[0] << " volume labels output slice1 [slice2 ...]" << std::endl;
    return EXIT_FAILURE;
  }
  using ImageType = itk::Image<float, 3>;
  using LabelImageType = itk::Image<unsigned char, 3>;
  constexpr unsigned int axis = 2;

  std::vector<itk::IndexValueType> slices;
  for (int i = 4; i < argc; ++i)
  {
    const std::string text = argv[i];
    itk::IndexValueType slice = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), slice);
    if (result.ec != std::errc() || result.ptr != text.data() + text.size())
    {
      std::cerr << "'" << text << "' is no number of a slice" << std::endl;
      return EXIT_FAILURE;
    }
    slices.push_back(slice);
  }

  try
  {
    const auto volume = itk::ReadImage<ImageType>(argv[1]);
    const auto labels = itk::ReadImage<LabelImageType>(argv[2]);

    auto supports = itk::UniverSegSupportSet::New();
    supports->PushBackSupportVolume(volume, labels, axis, slices);

    auto segment = itk::UniverSegImageFilter<ImageType, LabelImageType>::New();
    segment->SetInput(volume);
    segment->SetSupportSet(supports);
    segment->SetSliceAxis(axis);
    // Slices and supports share the volume's range of intensities.
    segment->SetNormalization(itk::IntensityNormalizationEnums::Normalization::Percentile);

    auto writer = itk::ImageFileWriter<LabelImageType>::New();
    writer->SetInput(segment->GetOutput());
    writer->SetFileName(argv[3]);
    writer->UseCompressionOn();
    writer->Update();
  }
  catch (const itk::ExceptionObject & error)
  {
    std::cerr << error << std::endl;
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
