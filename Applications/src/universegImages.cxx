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
#include "universegImages.h"

#include "universegCommandLine.h"

#include "itkGDCMImageIO.h"
#include "itkGDCMSeriesFileNames.h"
#include "itkImageFileReader.h"
#include "itkImageIOFactory.h"
#include "itkImageRegionConstIterator.h"
#include "itkImageSeriesReader.h"
#include "itkNNResampling.h"
#include "itkVectorImage.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <set>

namespace universeg
{
namespace
{
namespace fs = std::filesystem;
using PixelVolume = itk::VectorImage<float, 3>;
using ByteBuffer = std::vector<char>;

[[noreturn]] void
Fail(const std::string & fileName, const std::string & what)
{
  throw Failure(fileName + ": " + what);
}

PixelVolume::Pointer
ReadSeries(const std::string & folder, const std::string & series)
{
  auto names = itk::GDCMSeriesFileNames::New();
  names->SetUseSeriesDetails(false);
  names->SetDirectory(folder);
  const std::vector<std::string> & uids = names->GetSeriesUIDs();
  if (uids.empty())
  {
    Fail(folder, "the folder holds no DICOM series");
  }
  if (uids.size() > 1 && series.empty())
  {
    std::string list;
    for (const auto & uid : uids)
    {
      list += ' ' + uid;
    }
    Fail(folder, "the folder holds " + std::to_string(uids.size()) + " DICOM series; choose one with --series:" + list);
  }
  const std::string & uid = series.empty() ? uids.front() : series;
  if (std::find(uids.begin(), uids.end(), uid) == uids.end())
  {
    Fail(folder, "the folder holds no DICOM series '" + uid + "'");
  }
  auto reader = itk::ImageSeriesReader<PixelVolume>::New();
  reader->SetImageIO(itk::GDCMImageIO::New());
  reader->SetFileNames(names->GetFileNames(uid));
  reader->ForceOrthogonalDirectionOff();
  reader->Update();
  return reader->GetOutput();
}

template <typename T>
ByteBuffer
ToBuffer(const LabelVolume & labels)
{
  const std::size_t count = labels.GetLargestPossibleRegion().GetNumberOfPixels();
  ByteBuffer buffer(count * sizeof(T));
  const auto * source = labels.GetBufferPointer();
  auto * target = reinterpret_cast<T *>(buffer.data());
  std::transform(source, source + count, target, [](std::int32_t label) { return static_cast<T>(label); });
  return buffer;
}

itk::ImageIOBase::Pointer
MakeWriter(const std::string & fileName)
{
  const fs::path folder = fs::path(fileName).parent_path();
  if (!folder.empty() && !fs::is_directory(folder))
  {
    Fail(fileName, "there is no folder '" + folder.string() + "' to write to");
  }
  auto io = itk::ImageIOFactory::CreateImageIO(fileName.c_str(), itk::IOFileModeEnum::WriteMode);
  if (io.IsNull())
  {
    Fail(fileName, "no image format has this extension; use for example .png, .nii.gz, .nrrd or .mha");
  }
  return io;
}

/** Formats for looking at: 2-D, 8 bits. */
bool
HoldsBytesOnly(const std::string & fileName)
{
  std::string extension = fs::path(fileName).extension().string();
  std::transform(extension.begin(),
                 extension.end(),
                 extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const std::set<std::string> extensions{ ".png", ".bmp", ".jpg", ".jpeg" };
  return extensions.count(extension) != 0;
}

void
Write(itk::ImageIOBase * io,
      const std::string & fileName,
      const itk::ImageBase<3> & geometry,
      unsigned int dimension,
      itk::ImageIOBase::IOPixelType pixelType,
      unsigned int components,
      itk::ImageIOBase::IOComponentType componentType,
      const void * buffer)
{
  const auto & size = geometry.GetLargestPossibleRegion().GetSize();
  if (dimension == 3 && HoldsBytesOnly(fileName))
  {
    if (size[2] != 1)
    {
      Fail(fileName,
           "the format holds 2-D images, and this one has " + std::to_string(size[2]) +
             " slices; use for example .nii.gz, .nrrd or .mha");
    }
    dimension = 2;
  }
  itk::ImageIORegion region(dimension);
  io->SetNumberOfDimensions(dimension);
  for (unsigned int i = 0; i < dimension; ++i)
  {
    io->SetDimensions(i, size[i]);
    io->SetSpacing(i, geometry.GetSpacing()[i]);
    io->SetOrigin(i, geometry.GetOrigin()[i]);
    std::vector<double> axis(dimension);
    for (unsigned int j = 0; j < dimension; ++j)
    {
      axis[j] = geometry.GetDirection()[j][i];
    }
    io->SetDirection(i, axis);
    region.SetSize(i, size[i]);
    region.SetIndex(i, 0);
  }
  io->SetIORegion(region);
  io->SetPixelType(pixelType);
  io->SetNumberOfComponents(components);
  io->SetComponentType(componentType);
  io->SetFileName(fileName);
  io->UseCompressionOn();
  io->Write(buffer);
}

bool
IsGray(const LoadedImage & image)
{
  for (std::size_t i = 0; i < image.pixels.size(); i += image.components)
  {
    if (image.pixels[i] != image.pixels[i + 1] || image.pixels[i] != image.pixels[i + 2])
    {
      return false;
    }
  }
  return true;
}

std::string
ListColors(const LoadedImage & image)
{
  constexpr std::size_t listed = 10;
  std::set<Color> colors;
  for (std::size_t i = 0; i < image.pixels.size() && colors.size() <= listed; i += image.components)
  {
    colors.insert({ static_cast<int>(image.pixels[i]),
                    static_cast<int>(image.pixels[i + 1]),
                    static_cast<int>(image.pixels[i + 2]) });
  }
  std::string text;
  std::size_t count = 0;
  for (const Color & color : colors)
  {
    if (++count > listed)
    {
      return text + " and more";
    }
    text += ' ' + std::to_string(color[0]) + ',' + std::to_string(color[1]) + ',' + std::to_string(color[2]);
  }
  return text;
}

template <typename TImage>
typename TImage::Pointer
MakeLike(const Volume & geometry)
{
  auto image = TImage::New();
  image->CopyInformation(&geometry);
  image->SetRegions(geometry.GetLargestPossibleRegion());
  image->Allocate();
  return image;
}
} // namespace

LoadedImage
ReadImage(const std::string & name, const std::string & series)
{
  if (!fs::exists(name))
  {
    Fail(name, "there is no such file or folder");
  }
  LoadedImage image;
  PixelVolume::Pointer pixels;
  image.fileName = name;
  try
  {
    if (fs::is_directory(name))
    {
      pixels = ReadSeries(name, series);
      image.dimension = 3;
    }
    else
    {
      auto io = itk::ImageIOFactory::CreateImageIO(name.c_str(), itk::IOFileModeEnum::ReadMode);
      if (io.IsNull())
      {
        Fail(name, "not an image in a format that is known, or unreadable");
      }
      io->SetFileName(name);
      io->ReadImageInformation();
      unsigned int dimension = io->GetNumberOfDimensions();
      while (dimension > 3 && io->GetDimensions(dimension - 1) == 1)
      {
        --dimension;
      }
      if (dimension > 3 || dimension < 2)
      {
        Fail(name, "the image has " + std::to_string(dimension) + " dimensions; should have 2 or 3");
      }
      if (io->GetPixelType() == itk::IOPixelEnum::COMPLEX)
      {
        Fail(name, "the image has complex pixels; should be scalar or in colour");
      }
      auto reader = itk::ImageFileReader<PixelVolume>::New();
      reader->SetImageIO(io);
      reader->SetFileName(name);
      reader->Update();
      pixels = reader->GetOutput();
      image.dimension = dimension;
    }
  }
  catch (const itk::ExceptionObject & error)
  {
    Fail(name, std::string("the image cannot be read: ") + ToOneLine(error.GetDescription()));
  }
  pixels->DisconnectPipeline();
  image.components = pixels->GetNumberOfComponentsPerPixel();
  if (image.components < 1 || image.components > 4)
  {
    Fail(name, "the image has " + std::to_string(image.components) + " components a pixel; should have 1 to 4");
  }
  const auto & region = pixels->GetLargestPossibleRegion();
  if (region.GetNumberOfPixels() == 0)
  {
    Fail(name, "the image has no pixels");
  }

  image.geometry = Volume::New();
  image.geometry->CopyInformation(pixels);
  image.geometry->SetRegions(region);
  image.geometry->Allocate();
  const float * source = pixels->GetBufferPointer();
  image.pixels.assign(source, source + region.GetNumberOfPixels() * image.components);
  float * target = image.geometry->GetBufferPointer();
  for (std::size_t i = 0; i < image.pixels.size(); i += image.components)
  {
    *target++ = image.pixels[i];
  }
  return image;
}

Volume::Pointer
ToIntensities(const LoadedImage & image)
{
  if (image.components < 3)
  {
    return image.geometry;
  }
  auto intensities = MakeLike<Volume>(*image.geometry);
  float * target = intensities->GetBufferPointer();
  for (std::size_t i = 0; i < image.pixels.size(); i += image.components)
  {
    *target++ = itk::nn::Luminance(static_cast<double>(image.pixels[i]),
                                   static_cast<double>(image.pixels[i + 1]),
                                   static_cast<double>(image.pixels[i + 2]));
  }
  return intensities;
}

LabelVolume::Pointer
ToLabels(const LoadedImage & image, const LabelChoice & choice)
{
  auto labels = MakeLike<LabelVolume>(*image.geometry);
  std::int32_t * target = labels->GetBufferPointer();
  const bool isColor = image.components >= 3;
  if (isColor && !choice.colors.empty())
  {
    for (std::size_t i = 0; i < image.pixels.size(); i += image.components)
    {
      const Color color{ static_cast<int>(image.pixels[i]),
                         static_cast<int>(image.pixels[i + 1]),
                         static_cast<int>(image.pixels[i + 2]) };
      const auto found = std::find(choice.colors.begin(), choice.colors.end(), color);
      *target++ = found == choice.colors.end() ? 0 : static_cast<std::int32_t>(found - choice.colors.begin()) + 1;
    }
    return labels;
  }
  if (isColor && !IsGray(image))
  {
    Fail(image.fileName,
         "the mask is in colour; choose a structure with --label-color R,G,B (it has" + ListColors(image) + ")");
  }
  for (std::size_t i = 0; i < image.pixels.size(); i += image.components)
  {
    constexpr float tolerance = 1e-3F;
    constexpr float largest = 1 << 24;
    const float value = image.pixels[i];
    const float rounded = std::round(value);
    if (!(std::abs(value - rounded) <= tolerance) || std::abs(value) > largest)
    {
      Fail(image.fileName, "not a label map: it has the value " + FormatFixed(value, 4) + "; should be integers");
    }
    auto label = static_cast<std::int32_t>(rounded);
    if (choice.binary)
    {
      label = label == 0 ? 0 : 1;
    }
    else if (choice.label)
    {
      label = label == *choice.label ? label : 0;
    }
    *target++ = label;
  }
  return labels;
}

std::vector<std::int32_t>
FindLabels(const LabelVolume & labels)
{
  std::set<std::int32_t> found;
  const std::int32_t * pixel = labels.GetBufferPointer();
  const std::size_t count = labels.GetLargestPossibleRegion().GetNumberOfPixels();
  std::int32_t last = 0;
  for (std::size_t i = 0; i < count; ++i)
  {
    if (pixel[i] != last)
    {
      last = pixel[i];
      found.insert(last);
    }
  }
  found.erase(0);
  return std::vector<std::int32_t>(found.begin(), found.end());
}

void
WriteLabels(const LabelVolume & labels, unsigned int dimension, const std::string & fileName)
{
  using Component = itk::IOComponentEnum;
  const auto io = MakeWriter(fileName);
  const std::size_t count = labels.GetLargestPossibleRegion().GetNumberOfPixels();
  const auto range = std::minmax_element(labels.GetBufferPointer(), labels.GetBufferPointer() + count);
  const std::int32_t low = *range.first;
  const std::int32_t high = *range.second;
  Component type = Component::INT;
  ByteBuffer buffer;
  if (low >= 0 && high <= std::numeric_limits<std::uint8_t>::max())
  {
    type = Component::UCHAR;
    buffer = ToBuffer<std::uint8_t>(labels);
  }
  else if (low >= 0 && high <= std::numeric_limits<std::uint16_t>::max())
  {
    type = Component::USHORT;
    buffer = ToBuffer<std::uint16_t>(labels);
  }
  else
  {
    buffer = ToBuffer<std::int32_t>(labels);
  }
  if (type != Component::UCHAR && HoldsBytesOnly(fileName))
  {
    Fail(fileName,
         "the labels go from " + std::to_string(low) + " to " + std::to_string(high) +
           ", and the format holds 0 to 255; use for example .nii.gz, .nrrd or .mha");
  }
  Write(io, fileName, labels, dimension, itk::IOPixelEnum::SCALAR, 1, type, buffer.data());
}

void
WriteProbabilities(const Volume & probabilities, unsigned int dimension, const std::string & fileName)
{
  const auto io = MakeWriter(fileName);
  if (!HoldsBytesOnly(fileName))
  {
    Write(io,
          fileName,
          probabilities,
          dimension,
          itk::IOPixelEnum::SCALAR,
          1,
          itk::IOComponentEnum::FLOAT,
          probabilities.GetBufferPointer());
    return;
  }
  const std::size_t count = probabilities.GetLargestPossibleRegion().GetNumberOfPixels();
  std::vector<unsigned char> bytes(count);
  const float * source = probabilities.GetBufferPointer();
  std::transform(source,
                 source + count,
                 bytes.begin(),
                 [](float value)
                 { return static_cast<unsigned char>(std::lround(255 * std::clamp(value, 0.0F, 1.0F))); });
  Write(io, fileName, probabilities, dimension, itk::IOPixelEnum::SCALAR, 1, itk::IOComponentEnum::UCHAR, bytes.data());
}

namespace
{
void
WriteBytes(const std::string & fileName,
           std::size_t width,
           std::size_t height,
           unsigned int components,
           const std::vector<unsigned char> & bytes)
{
  auto geometry = itk::ImageBase<3>::New();
  const itk::Size<3> size{ { width, height, 1 } };
  geometry->SetRegions(itk::ImageRegion<3>(size));
  Write(MakeWriter(fileName),
        fileName,
        *geometry,
        2,
        components == 1 ? itk::IOPixelEnum::SCALAR : itk::IOPixelEnum::RGB,
        components,
        itk::IOComponentEnum::UCHAR,
        bytes.data());
}
} // namespace

void
WriteColorImage(const std::string & fileName,
                std::size_t width,
                std::size_t height,
                const std::vector<unsigned char> & rgb)
{
  WriteBytes(fileName, width, height, 3, rgb);
}

void
WriteGrayImage(const std::string & fileName,
               std::size_t width,
               std::size_t height,
               const std::vector<unsigned char> & gray)
{
  WriteBytes(fileName, width, height, 1, gray);
}
} // namespace universeg
