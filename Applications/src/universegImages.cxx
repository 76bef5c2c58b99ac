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

#include "itkImageFileReader.h" // registers the formats
#include "itkImageIOFactory.h"
#include "itkNNError.h"
#include "itkNNFileReplacement.h"
#include "itkNNText.h"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <set>
#include <utility>

namespace universeg
{
namespace
{
namespace fs = std::filesystem;
using itk::nn::GetReason;
using itk::nn::ToLower;
using ByteBuffer = std::vector<char>;

[[noreturn]] void
Fail(const std::string & fileName, const std::string & what)
{
  throw Failure(fileName + ": " + what);
}

/** Run a function of the library, whose errors are failures here. */
template <typename TFunction>
auto
Guard(TFunction && function)
{
  try
  {
    return function();
  }
  catch (const itk::nn::Error & error)
  {
    throw Failure(error.GetDescription());
  }
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

constexpr const char * suitableFormats = "use for example .nii.gz, .nrrd or .mha";

/** Of the last part of a path; with the part before it for packed files. */
std::string
GetFullExtension(const std::string & fileName)
{
  const std::string name = fs::path(fileName).filename().string();
  const std::size_t dot = name.rfind('.');
  if (dot == std::string::npos)
  {
    return "";
  }
  if (ToLower(name.substr(dot)) == ".gz" && dot > 0)
  {
    const std::size_t previous = name.rfind('.', dot - 1);
    return name.substr(previous == std::string::npos ? dot : previous);
  }
  return name.substr(dot);
}

/** A pixel of the result has to be what was given. */
enum class Content
{
  Exact,
  Picture
};

itk::ImageIOBase::Pointer
MakeWriter(const std::string & fileName, Content content)
{
  Guard([&] { itk::nn::CheckReplaceable(fileName); });
  const std::string extension = ToLower(GetFullExtension(fileName));
  const std::set<std::string> pairs{ ".mhd", ".hdr", ".img", ".hdr.gz", ".img.gz", ".nhdr" };
  if (pairs.count(extension) != 0)
  {
    Fail(fileName, "the format takes two files; " + std::string(suitableFormats));
  }
  auto io = itk::ImageIOFactory::CreateImageIO(fileName.c_str(), itk::IOFileModeEnum::WriteMode);
  if (io.IsNull())
  {
    Fail(fileName, "no image format has this extension; use for example .png, .nii.gz, .nrrd or .mha");
  }
  const std::string format = io->GetNameOfClass();
  if (format == "GDCMImageIO")
  {
    Fail(fileName,
         "DICOM files are read only; use for example " +
           std::string(content == Content::Exact ? ".nii.gz, .nrrd, .mha or .png" : ".png"));
  }
  if (format == "JPEGImageIO" && content == Content::Exact)
  {
    Fail(fileName, "JPEG changes the values of pixels; use for example .nii.gz, .nrrd, .mha or .png");
  }
  return io;
}

/** Formats for looking at: 2-D, 8 bits. */
bool
HoldsBytesOnly(const std::string & fileName)
{
  const std::set<std::string> extensions{ ".png", ".bmp", ".jpg", ".jpeg" };
  return extensions.count(ToLower(fs::path(fileName).extension().string())) != 0;
}

/** TIFF has pages, but no distance between them. */
bool
HoldsSlicesOnly(const std::string & fileName)
{
  const std::string extension = ToLower(fs::path(fileName).extension().string());
  return HoldsBytesOnly(fileName) || extension == ".tif" || extension == ".tiff";
}

/** Fill a file with what an image takes at most, since libraries handle a full
 * disk badly: libpng's long jump ends the program in ITK's writer.
 * \param bytes of the pixels */
void
Reserve(const std::string & fileName, const std::string & temporary, std::uint64_t bytes)
{
  constexpr std::uint64_t overhead = 4096;
  const std::uint64_t needed = bytes + bytes / 64 + overhead;
  const std::vector<char> zeros(std::size_t(1) << 16);
  std::ofstream file(temporary, std::ios::binary);
  for (std::uint64_t left = needed; left > 0 && file;)
  {
    const std::uint64_t count = std::min<std::uint64_t>(left, zeros.size());
    file.write(zeros.data(), static_cast<std::streamsize>(count));
    left -= count;
  }
  file.close();
  if (!file)
  {
    Fail(fileName,
         "the image cannot be written: there is no room for " + std::to_string(needed) +
           " bytes on the disk or in the limit of file sizes");
  }
}

struct Written
{
  std::vector<itk::SizeValueType> extents;
  unsigned int components = 1;
  itk::IOComponentEnum componentType = itk::IOComponentEnum::UCHAR;
  std::size_t bytes = 0;
};

/** Empty when the file holds what was to be written, else what is wrong. */
std::string
Compare(const std::string & fileName, const Written & written, const void * buffer)
{
  std::error_code error;
  if (!fs::is_regular_file(fileName, error))
  {
    return "no file could be made; is the folder writable?";
  }
  if (fs::file_size(fileName, error) == 0 || error)
  {
    return "the file is empty; is the disk full?";
  }
  auto io = itk::ImageIOFactory::CreateImageIO(fileName.c_str(), itk::IOFileModeEnum::ReadMode);
  const std::string differs = "what was written cannot be read back; is the disk full?";
  if (io.IsNull())
  {
    return differs;
  }
  try
  {
    io->SetFileName(fileName);
    io->ReadImageInformation();
    itk::nn::CheckImageFileComplete(fileName, *io);
    const unsigned int dimension = io->GetNumberOfDimensions();
    itk::ImageIORegion region(dimension);
    const auto writtenDimension = static_cast<unsigned int>(written.extents.size());
    for (unsigned int i = 0; i < std::max(dimension, writtenDimension); ++i)
    {
      const itk::SizeValueType extent = i < dimension ? io->GetDimensions(i) : 1;
      if (extent != (i < writtenDimension ? written.extents[i] : 1))
      {
        return differs;
      }
      if (i < dimension)
      {
        region.SetSize(i, extent);
        region.SetIndex(i, 0);
      }
    }
    if (std::string(io->GetNameOfClass()) == "JPEGImageIO")
    {
      return "";
    }
    const unsigned int components = io->GetNumberOfComponents();
    const bool isSpread = written.components == 1 && components == 3; // gray by way of a palette
    if ((components != written.components && !isSpread) || io->GetComponentType() != written.componentType)
    {
      return differs;
    }
    io->SetIORegion(region);
    ByteBuffer pixels(static_cast<std::size_t>(io->GetImageSizeInBytes()));
    io->Read(pixels.data());
    if (isSpread)
    {
      const std::size_t width = pixels.size() / written.bytes;
      for (std::size_t i = 0; i < written.bytes; ++i)
      {
        pixels[i] = pixels[width * i];
      }
    }
    return pixels.size() >= written.bytes && std::memcmp(pixels.data(), buffer, written.bytes) == 0 ? "" : differs;
  }
  catch (const itk::ExceptionObject &)
  {
    return differs;
  }
}

void
CheckSlices(const std::string & fileName, std::size_t slices)
{
  if (slices != 1 && HoldsSlicesOnly(fileName))
  {
    Fail(fileName,
         "the format holds 2-D images, and this one has " + std::to_string(slices) + " slices; " + suitableFormats);
  }
}

void
Write(itk::ImageIOBase::Pointer io,
      const std::string & fileName,
      const itk::ImageBase<3> & geometry,
      unsigned int dimension,
      itk::IOPixelEnum pixelType,
      unsigned int components,
      itk::IOComponentEnum componentType,
      const void * buffer)
{
  const auto & size = geometry.GetLargestPossibleRegion().GetSize();
  if (dimension == 3 && HoldsSlicesOnly(fileName))
  {
    CheckSlices(fileName, size[2]);
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
  io->UseCompressionOn();

  Written written;
  written.extents.assign(&size[0], &size[0] + dimension);
  written.components = components;
  written.componentType = componentType;
  written.bytes = static_cast<std::size_t>(io->GetImageSizeInBytes());
  const auto fill = [&](const std::string & name)
  {
    if (HoldsSlicesOnly(fileName) || ToLower(GetFullExtension(fileName)) == ".nii")
    {
      Reserve(fileName, name, written.bytes);
    }
    try
    {
      io->SetFileName(name);
      io->Write(buffer);
    }
    catch (const itk::ExceptionObject & error)
    {
      std::string reason = GetReason(error);
      for (std::size_t at = reason.find(name); at != std::string::npos; at = reason.find(name, at + fileName.size()))
      {
        reason.replace(at, name.size(), fileName);
      }
      Fail(fileName, "the image cannot be written: " + reason);
    }
    io = nullptr; // some formats close the file only now
    const std::string wrong = Compare(name, written, buffer);
    if (!wrong.empty())
    {
      Fail(fileName, "the image cannot be written: " + wrong);
    }
  };
  Guard([&] { itk::nn::ReplaceFile(fileName, fill); });
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

void
QuietLibraries()
{
  itk::Object::SetGlobalWarningDisplay(false);
#ifdef SIGXFSZ
  // A write beyond the limit of file sizes fails and is reported.
  std::signal(SIGXFSZ, SIG_IGN);
#endif
}

LoadedImage
ReadImage(const std::string & name, const std::string & series)
{
  return Guard([&] { return itk::nn::ReadImageFile(name, series); });
}

LoadedImage
ReadMultichannelImage(const std::string & name)
{
  return Guard([&] { return itk::nn::ReadMultichannelImageFile(name); });
}

ImageHeader
ReadImageHeader(const std::string & name, const std::string & series)
{
  return Guard([&] { return itk::nn::ReadImageFileHeader(name, series); });
}

LabelVolume::Pointer
ToLabels(const LoadedImage & image, const LabelChoice & choice, bool needsColors)
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
      const auto number = static_cast<std::int32_t>(found - choice.colors.begin()) + 1;
      *target++ = found == choice.colors.end() ? 0 : choice.binary ? 1 : number;
    }
    return labels;
  }
  if (needsColors && !choice.colors.empty())
  {
    Fail(image.fileName,
         "the mask is gray and has no colours; choose a structure with --label instead of --label-color");
  }
  if (itk::nn::IsColored(image))
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
    if (std::abs(value) > largest)
    {
      Fail(image.fileName,
           "not a label map: it has the value " + FormatFixed(value, 0) + "; labels should be from " +
             FormatFixed(-largest, 0) + " to " + FormatFixed(largest, 0));
    }
    if (!(std::abs(value - rounded) <= tolerance))
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
CheckOutputFile(const std::string & fileName, const ImageHeader & header)
{
  MakeWriter(fileName, Content::Exact);
  CheckSlices(fileName, header.slices);
}

void
CheckPictureFile(const std::string & fileName)
{
  MakeWriter(fileName, Content::Picture);
}

void
WriteLabels(const LabelVolume & labels, unsigned int dimension, const std::string & fileName)
{
  using Component = itk::IOComponentEnum;
  auto io = MakeWriter(fileName, Content::Exact);
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
           ", and the format holds 0 to 255; " + suitableFormats);
  }
  if (type == Component::INT && HoldsSlicesOnly(fileName))
  {
    Fail(fileName,
         "the labels go from " + std::to_string(low) + " to " + std::to_string(high) +
           ", and the format holds 0 to 65535; " + suitableFormats);
  }
  Write(std::move(io), fileName, labels, dimension, itk::IOPixelEnum::SCALAR, 1, type, buffer.data());
}

void
WriteProbabilities(const Volume & probabilities, unsigned int dimension, const std::string & fileName)
{
  auto io = MakeWriter(fileName, Content::Exact);
  if (!HoldsBytesOnly(fileName))
  {
    Write(std::move(io),
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
  Write(std::move(io),
        fileName,
        probabilities,
        dimension,
        itk::IOPixelEnum::SCALAR,
        1,
        itk::IOComponentEnum::UCHAR,
        bytes.data());
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
  Write(MakeWriter(fileName, Content::Picture),
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
