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
#include "itkNNError.h"
#include "itkNNFileReplacement.h"
#include "itkNNResampling.h"
#include "itkNNText.h"
#include "itkVectorImage.h"
#include "itk_zlib.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <new>
#include <regex>
#include <set>
#include <sstream>
#include <utility>

namespace universeg
{
namespace
{
namespace fs = std::filesystem;
using itk::nn::ToLower;
using PixelVolume = itk::VectorImage<float, 3>;
using ByteBuffer = std::vector<char>;

[[noreturn]] void
Fail(const std::string & fileName, const std::string & what)
{
  throw Failure(fileName + ": " + what);
}

/** What an exception says, without class names and addresses. */
std::string
GetReason(const itk::ExceptionObject & error)
{
  static const std::regex prefix("(itk::|ITK )?ERROR: [A-Za-z0-9_:<>]*\\(0x[0-9a-f]+\\): ?");
  std::string reason = std::regex_replace(ToOneLine(error.GetDescription()), prefix, "");
  return reason.empty() ? "no reason was given" : reason;
}

/** Bytes of a file, unpacked when it is a gzip file. */
class ByteReader
{
public:
  explicit ByteReader(const std::string & fileName)
    : m_File(gzopen(fileName.c_str(), "rb"))
  {}
  ~ByteReader()
  {
    if (m_File != nullptr)
    {
      gzclose(m_File);
    }
  }
  ByteReader(const ByteReader &) = delete;
  ByteReader & operator=(const ByteReader &) = delete;

  std::vector<unsigned char> Read(std::size_t count)
  {
    std::vector<unsigned char> bytes(count);
    const int got = m_File != nullptr ? gzread(m_File, bytes.data(), static_cast<unsigned int>(count)) : 0;
    bytes.resize(static_cast<std::size_t>(std::max(got, 0)));
    return bytes;
  }

  /** After reading to the end: what is packed ends too early or is damaged. */
  bool IsBroken() const
  {
    int code = Z_OK;
    if (m_File != nullptr)
    {
      gzerror(m_File, &code);
    }
    return code != Z_OK;
  }

  bool IsPacked() const
  {
    return m_File != nullptr && gzdirect(m_File) == 0;
  }

private:
  gzFile m_File;
};

std::uint64_t
GetLittleEndian(const unsigned char * bytes, std::size_t count)
{
  std::uint64_t value = 0;
  for (std::size_t i = count; i > 0; --i)
  {
    value = value << 8 | bytes[i - 1];
  }
  return value;
}

/** Throws Failure when a file, or what is packed in it, has fewer bytes. */
void
CheckSize(const std::string & fileName, std::uint64_t expected)
{
  std::uint64_t size = fs::file_size(fileName);
  bool isPacked = false;
  {
    ByteReader reader(fileName);
    isPacked = !reader.Read(1).empty() && reader.IsPacked();
  }
  if (isPacked)
  {
    // The end of a gzip file holds the size modulo 2^32: only when that is not
    // the expected one (cut, or packed in several members) are the bytes counted.
    unsigned char trailer[4] = {};
    std::ifstream file(fileName, std::ios::binary);
    file.seekg(-4, std::ios::end);
    file.read(reinterpret_cast<char *>(trailer), sizeof(trailer));
    if (file && GetLittleEndian(trailer, sizeof(trailer)) == (expected & 0xffffffffU))
    {
      return;
    }
    ByteReader reader(fileName);
    size = 0;
    constexpr std::size_t chunk = std::size_t(1) << 20;
    for (std::size_t got = chunk; got > 0; size += got)
    {
      got = reader.Read(chunk).size();
    }
    if (size >= expected && reader.IsBroken())
    {
      Fail(fileName, "the file is truncated or damaged: its packed data do not end as they should");
    }
  }
  if (size < expected)
  {
    Fail(fileName,
         "the file is truncated: it has " + std::to_string(size) + (isPacked ? " bytes unpacked" : " bytes") +
           ", its header asks for " + std::to_string(expected));
  }
}

void
CheckNifti(const std::string & fileName)
{
  constexpr std::size_t headerSize = 348;
  const std::vector<unsigned char> header = ByteReader(fileName).Read(headerSize);
  if (header.size() < headerSize)
  {
    Fail(fileName,
         "the file is truncated: it has " + std::to_string(header.size()) + " bytes, the header alone takes " +
           std::to_string(headerSize));
  }
  if (std::memcmp(&header[344], "n+1", 3) != 0)
  {
    return;
  }
  const bool isLittle = GetLittleEndian(header.data(), 4) == headerSize;
  const auto get = [&](std::size_t offset, std::size_t count)
  {
    unsigned char bytes[4];
    std::copy_n(&header[offset], count, bytes);
    if (!isLittle)
    {
      std::reverse(bytes, bytes + count);
    }
    return static_cast<std::uint32_t>(GetLittleEndian(bytes, count));
  };
  const std::size_t dimension = std::min<std::size_t>(get(40, 2), 7);
  std::uint64_t pixels = 1;
  for (std::size_t i = 1; i <= dimension; ++i)
  {
    pixels *= std::max<std::uint32_t>(get(40 + 2 * i, 2), 1);
  }
  const std::uint32_t offsetBits = get(108, 4);
  float offset = 0;
  std::memcpy(&offset, &offsetBits, sizeof(offset));
  if (!(offset >= 0 && offset < 1e9F))
  {
    return;
  }
  CheckSize(fileName, static_cast<std::uint64_t>(offset) + (pixels * get(72, 2) + 7) / 8);
}

/** \param pixelBytes of all pixels, unpacked. */
void
CheckMeta(const std::string & fileName, std::uint64_t pixelBytes)
{
  std::ifstream file(fileName, std::ios::binary);
  std::string line;
  bool isPacked = false;
  bool isBinary = false;
  std::uint64_t packedBytes = 0;
  const auto isTrue = [](const std::string & value) { return !value.empty() && (value[0] == 'T' || value[0] == 't'); };
  while (std::getline(file, line))
  {
    const std::size_t equals = line.find('=');
    if (equals == std::string::npos)
    {
      return;
    }
    std::string key;
    std::string value;
    std::istringstream(line.substr(0, equals)) >> key;
    std::istringstream(line.substr(equals + 1)) >> value;
    if (key == "CompressedData")
    {
      isPacked = isTrue(value);
    }
    else if (key == "CompressedDataSize")
    {
      std::from_chars(value.data(), value.data() + value.size(), packedBytes);
    }
    else if (key == "BinaryData")
    {
      isBinary = isTrue(value);
    }
    else if (key == "HeaderSize" && value != "0")
    {
      return;
    }
    else if (key == "ElementDataFile")
    {
      if (!isBinary || value == "LIST" || value.find('%') != std::string::npos)
      {
        return;
      }
      const std::uint64_t dataBytes = isPacked ? packedBytes : pixelBytes;
      if (ToLower(value) == "local")
      {
        CheckSize(fileName, static_cast<std::uint64_t>(file.tellg()) + dataBytes);
        return;
      }
      const fs::path data = fs::path(fileName).parent_path() / value;
      if (fs::is_regular_file(data))
      {
        CheckSize(data.string(), dataBytes);
      }
      return;
    }
  }
}

void
CheckBMP(const std::string & fileName)
{
  constexpr std::size_t headerSize = 54;
  const std::vector<unsigned char> header = ByteReader(fileName).Read(headerSize);
  if (header.size() < headerSize || GetLittleEndian(&header[14], 4) < 40)
  {
    return;
  }
  const std::uint64_t offset = GetLittleEndian(&header[10], 4);
  const std::uint64_t width = GetLittleEndian(&header[18], 4);
  const auto signedHeight = static_cast<std::int32_t>(GetLittleEndian(&header[22], 4));
  const auto height = static_cast<std::uint64_t>(std::abs(static_cast<std::int64_t>(signedHeight)));
  const std::uint64_t bits = GetLittleEndian(&header[28], 2);
  const std::uint64_t compression = GetLittleEndian(&header[30], 4);
  const bool isPlain = compression == 0 || compression == 3;
  CheckSize(fileName, offset + (isPlain ? (width * bits + 31) / 32 * 4 * height : GetLittleEndian(&header[34], 4)));
}

/** Follow the segments up to the marker of the end: a thumbnail within them has
 * such a marker, too, and bytes may follow it. */
void
CheckJPEG(const std::string & fileName)
{
  std::ifstream file(fileName, std::ios::binary);
  const std::vector<char> content{ std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>() };
  const std::size_t size = content.size();
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(content[i]); };
  std::size_t at = 2;
  bool isScan = false;
  while (at + 1 < size)
  {
    const unsigned int marker = byte(at + 1);
    const bool isBare = marker == 0x00 || marker == 0x01 || (marker >= 0xd0 && marker <= 0xd7);
    if (byte(at) != 0xff || marker == 0xff)
    {
      if (byte(at) != 0xff && !isScan)
      {
        return;
      }
      ++at;
    }
    else if (isBare)
    {
      at += 2;
    }
    else if (marker == 0xd9)
    {
      return;
    }
    else if (at + 3 < size)
    {
      isScan = marker == 0xda || (isScan && marker == 0xdc);
      at += 2 + (std::size_t(byte(at + 2)) << 8 | byte(at + 3));
    }
    else
    {
      break;
    }
  }
  Fail(fileName, "the file is truncated: it has " + std::to_string(size) + " bytes and no end-of-image marker");
}

/** Throws Failure when a file ends too early; some of ITK's readers go on with
 * what the memory held. */
void
CheckComplete(const std::string & fileName, const itk::ImageIOBase & io)
{
  const std::string format = io.GetNameOfClass();
  if (format == "NiftiImageIO")
  {
    CheckNifti(fileName);
  }
  else if (format == "MetaImageIO")
  {
    CheckMeta(fileName, static_cast<std::uint64_t>(io.GetImageSizeInBytes()));
  }
  else if (format == "BMPImageIO")
  {
    CheckBMP(fileName);
  }
  else if (format == "JPEGImageIO")
  {
    CheckJPEG(fileName);
  }
}

/** Throws Failure when a slice of a series is missing or the slices are not
 * evenly spaced: the labels would be in the wrong places. */
void
CheckSpacing(const std::string & folder, const PixelVolume & volume)
{
  constexpr double tolerance = 0.1; // positions in files are rounded
  double deviation = 0;
  itk::ExposeMetaData<double>(volume.GetMetaDataDictionary(), "ITK_non_uniform_sampling_deviation", deviation);
  const double spacing = volume.GetSpacing()[2];
  if (deviation > tolerance * spacing)
  {
    Fail(folder,
         "the slices of the series are not evenly spaced: " + FormatFixed(spacing, 3) + " mm on average, off by " +
           FormatFixed(deviation, 3) + " mm; is a slice missing?");
  }
}

std::vector<std::string>
FindSeries(const std::string & folder, const std::string & series)
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
  return names->GetFileNames(uid);
}

PixelVolume::Pointer
ReadSeries(const std::string & folder, const std::string & series)
{
  auto reader = itk::ImageSeriesReader<PixelVolume>::New();
  reader->SetImageIO(itk::GDCMImageIO::New());
  reader->SetFileNames(FindSeries(folder, series));
  reader->ForceOrthogonalDirectionOff();
  reader->Update();
  CheckSpacing(folder, *reader->GetOutput());
  return reader->GetOutput();
}

/** \param dimension of the image, without further axes of extent 1. */
itk::ImageIOBase::Pointer
OpenImage(const std::string & name, unsigned int & dimension)
{
  auto io = itk::ImageIOFactory::CreateImageIO(name.c_str(), itk::IOFileModeEnum::ReadMode);
  if (io.IsNull())
  {
    Fail(name, "not an image in a format that is known, or unreadable");
  }
  io->SetFileName(name);
  io->ReadImageInformation();
  dimension = io->GetNumberOfDimensions();
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
  return io;
}

/** Run a reader, with the name in its errors. */
template <typename TFunction>
void
Read(const std::string & name, TFunction && read)
{
  std::error_code failure;
  if (!fs::exists(name, failure))
  {
    Fail(name, failure ? failure.message() : "there is no such file or folder");
  }
  try
  {
    read();
  }
  catch (const itk::ExceptionObject & error)
  {
    Fail(name, "the image cannot be read: " + GetReason(error));
  }
  catch (const std::bad_alloc &)
  {
    Fail(name, "the image cannot be read: it does not fit into the memory");
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
  try
  {
    itk::nn::CheckReplaceable(fileName);
  }
  catch (const itk::nn::Error & error)
  {
    throw Failure(error.GetDescription());
  }
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
    CheckComplete(fileName, *io);
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
  catch (const Failure &)
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
  try
  {
    itk::nn::ReplaceFile(fileName, fill);
  }
  catch (const itk::nn::Error & error)
  {
    throw Failure(error.GetDescription());
  }
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
  LoadedImage image;
  PixelVolume::Pointer pixels;
  image.fileName = name;
  Read(name,
       [&]
       {
         if (fs::is_directory(name))
         {
           pixels = ReadSeries(name, series);
           image.dimension = 3;
           return;
         }
         const auto io = OpenImage(name, image.dimension);
         CheckComplete(name, *io);
         auto reader = itk::ImageFileReader<PixelVolume>::New();
         reader->SetImageIO(io);
         reader->SetFileName(name);
         reader->Update();
         pixels = reader->GetOutput();
       });
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

ImageHeader
ReadImageHeader(const std::string & name, const std::string & series)
{
  ImageHeader header;
  Read(name,
       [&]
       {
         if (fs::is_directory(name))
         {
           header = { 3, FindSeries(name, series).size() };
           return;
         }
         const auto io = OpenImage(name, header.dimension);
         header.slices = header.dimension == 3 ? io->GetDimensions(2) : 1;
       });
  return header;
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
      *target++ = found == choice.colors.end() ? 0 : static_cast<std::int32_t>(found - choice.colors.begin()) + 1;
    }
    return labels;
  }
  if (needsColors && !choice.colors.empty())
  {
    Fail(image.fileName,
         "the mask is gray and has no colours; choose a structure with --label instead of --label-color");
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
