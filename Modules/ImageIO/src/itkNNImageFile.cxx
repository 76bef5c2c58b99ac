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
#include "itkNNImageFile.h"

#include "itkGDCMImageIO.h"
#include "itkGDCMSeriesFileNames.h"
#include "itkImageFileReader.h"
#include "itkImageIOFactory.h"
#include "itkImageSeriesReader.h"
#include "itkMetaDataObject.h"
#include "itkNNError.h"
#include "itkNNText.h"
#include "itkVectorImage.h"
#include "itk_zlib.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <new>
#include <regex>
#include <sstream>

namespace itk
{
namespace nn
{
namespace
{
namespace fs = std::filesystem;
using PixelVolume = VectorImage<float, 3>;

[[noreturn]] void
Fail(const std::string & fileName, const std::string & what)
{
  itkNNThrowMacro(fileName << ": " << what);
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

/** Throws Error when a file, or what is packed in it, has fewer bytes. */
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

/** \class NiftiBytes
 * \brief The bytes of a NIfTI-1 header, which may be of either order. */
class NiftiBytes
{
public:
  /** Throws Error when the file is shorter than a header. */
  explicit NiftiBytes(const std::string & fileName)
    : m_Bytes(ByteReader(fileName).Read(size))
  {
    if (m_Bytes.size() < size)
    {
      Fail(fileName,
           "the file is truncated: it has " + std::to_string(m_Bytes.size()) + " bytes, the header alone takes " +
             std::to_string(size));
    }
    m_IsLittle = GetLittleEndian(m_Bytes.data(), 4) == size;
  }

  /** The header says how large it is. */
  bool HasSize() const
  {
    return this->Get(0, 4) == size;
  }

  /** \param magic of 3 characters. */
  bool HasMagic(const char * magic) const
  {
    return std::memcmp(&m_Bytes[344], magic, 3) == 0;
  }

  /** An integer of up to 4 bytes, without a sign. */
  std::uint32_t Get(std::size_t offset, std::size_t count) const
  {
    unsigned char bytes[4];
    std::copy_n(&m_Bytes[offset], count, bytes);
    if (!m_IsLittle)
    {
      std::reverse(bytes, bytes + count);
    }
    return static_cast<std::uint32_t>(GetLittleEndian(bytes, count));
  }

  float GetFloat(std::size_t offset) const
  {
    const std::uint32_t bits = this->Get(offset, 4);
    float value = 0;
    std::memcpy(&value, &bits, sizeof(value));
    return value;
  }

private:
  static constexpr std::size_t size = 348;
  std::vector<unsigned char> m_Bytes;
  bool m_IsLittle = true;
};

void
CheckNifti(const std::string & fileName)
{
  const NiftiBytes header(fileName);
  if (!header.HasMagic("n+1"))
  {
    return;
  }
  const std::size_t dimension = std::min<std::size_t>(header.Get(40, 2), 7);
  std::uint64_t pixels = 1;
  for (std::size_t i = 1; i <= dimension; ++i)
  {
    pixels *= std::max<std::uint32_t>(header.Get(40 + 2 * i, 2), 1);
  }
  const float offset = header.GetFloat(108);
  if (!(offset >= 0 && offset < 1e9F))
  {
    return;
  }
  CheckSize(fileName, static_cast<std::uint64_t>(offset) + (pixels * header.Get(72, 2) + 7) / 8);
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

/** Throws Error when a slice of a series is missing or the slices are not
 * evenly spaced: the labels would be in the wrong places. */
void
CheckSpacing(const std::string & folder, const PixelVolume & volume)
{
  constexpr double tolerance = 0.1; // positions in files are rounded
  double deviation = 0;
  ExposeMetaData<double>(volume.GetMetaDataDictionary(), "ITK_non_uniform_sampling_deviation", deviation);
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
  auto names = GDCMSeriesFileNames::New();
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
    Fail(folder, "the folder holds " + std::to_string(uids.size()) + " DICOM series; choose one by its UID:" + list);
  }
  const std::string & uid = series.empty() ? uids.front() : series;
  if (std::find(uids.begin(), uids.end(), uid) == uids.end())
  {
    Fail(folder, "the folder holds no DICOM series '" + uid + "'");
  }
  return names->GetFileNames(uid);
}

/** The type of a file's values, of scaled ones that of the result. */
DataType
GetPixelType(const ImageIOBase & io)
{
  const auto ofSize = [&](DataType one, DataType two, DataType four)
  {
    const auto bytes = io.GetComponentSize();
    return bytes == 1 ? one : bytes == 2 ? two : bytes == 4 ? four : DataType::Int64;
  };
  switch (io.GetComponentType())
  {
    case IOComponentEnum::CHAR:
    case IOComponentEnum::SHORT:
    case IOComponentEnum::INT:
    case IOComponentEnum::LONG:
    case IOComponentEnum::LONGLONG:
      return ofSize(DataType::Int8, DataType::Int16, DataType::Int32);
    case IOComponentEnum::UCHAR:
    case IOComponentEnum::USHORT:
    case IOComponentEnum::UINT:
    case IOComponentEnum::ULONG:
    case IOComponentEnum::ULONGLONG:
      return ofSize(DataType::UInt8, DataType::UInt16, DataType::Int64);
    case IOComponentEnum::FLOAT:
      return DataType::Float32;
    default:
      return DataType::Float64;
  }
}

PixelVolume::Pointer
ReadSeries(const std::string & folder, const std::string & series, DataType & pixelType)
{
  auto reader = ImageSeriesReader<PixelVolume>::New();
  reader->SetImageIO(GDCMImageIO::New());
  reader->SetFileNames(FindSeries(folder, series));
  reader->ForceOrthogonalDirectionOff();
  reader->Update();
  CheckSpacing(folder, *reader->GetOutput());
  pixelType = GetPixelType(*reader->GetImageIO());
  return reader->GetOutput();
}

/** \param dimension of the image, without further axes of extent 1. */
ImageIOBase::Pointer
OpenImage(const std::string & name, unsigned int & dimension, unsigned int maximum = 3)
{
  auto io = ImageIOFactory::CreateImageIO(name.c_str(), IOFileModeEnum::ReadMode);
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
  if (dimension > maximum || dimension < 2)
  {
    Fail(name,
         "the image has " + std::to_string(dimension) + " dimensions; should have 2 " +
           (maximum > 3 ? "to 4" : "or 3"));
  }
  if (io->GetPixelType() == IOPixelEnum::COMPLEX)
  {
    Fail(name, "the image has complex pixels; should be scalar or in colour");
  }
  return io;
}

/** Throws Error when the file is cut. */
template <typename TImage>
typename TImage::Pointer
ReadPixels(const ImageIOBase::Pointer & io, LoadedImage & image)
{
  CheckImageFileComplete(image.fileName, *io);
  auto reader = ImageFileReader<TImage>::New();
  reader->SetImageIO(io);
  reader->SetFileName(image.fileName);
  reader->Update();
  image.pixelType = GetPixelType(*io);
  const typename TImage::Pointer pixels = reader->GetOutput();
  pixels->DisconnectPipeline();
  return pixels;
}

/** Fill the geometry's pixels. */
void
SetFirstComponent(LoadedImage & image)
{
  if (image.pixels.empty())
  {
    Fail(image.fileName, "the image has no pixels");
  }
  image.geometry->Allocate();
  float * target = image.geometry->GetBufferPointer();
  for (std::size_t i = 0; i < image.pixels.size(); i += image.components)
  {
    *target++ = image.pixels[i];
  }
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
  catch (const Error &)
  {
    throw;
  }
  catch (const ExceptionObject & error)
  {
    Fail(name, "the image cannot be read: " + GetReason(error));
  }
  catch (const std::bad_alloc &)
  {
    Fail(name, "the image cannot be read: it does not fit into the memory");
  }
}
} // namespace

std::string
GetReason(const ExceptionObject & error)
{
  static const std::regex prefix("(itk::|ITK )?ERROR: [A-Za-z0-9_:<>]*\\(0x[0-9a-f]+\\): ?");
  std::string reason = std::regex_replace(ToOneLine(error.GetDescription()), prefix, "");
  return reason.empty() ? "no reason was given" : reason;
}

NiftiHeader
ReadNiftiHeader(const std::string & fileName)
{
  NiftiHeader header;
  Read(fileName,
       [&]
       {
         const NiftiBytes bytes(fileName);
         if (!bytes.HasSize() || !(bytes.HasMagic("n+1") || bytes.HasMagic("ni1")))
         {
           Fail(fileName, "not a NIfTI-1 file");
         }
         const auto getShort = [&](std::size_t offset)
         { return static_cast<int>(static_cast<std::int16_t>(bytes.Get(offset, 2))); };
         header.dimInfo = static_cast<int>(bytes.Get(39, 1));
         header.datatype = getShort(70);
         header.bitpix = getShort(72);
         for (std::size_t i = 0; i < 8; ++i)
         {
           header.dim[i] = getShort(40 + 2 * i);
           header.pixdim[i] = bytes.GetFloat(76 + 4 * i);
         }
         header.sclSlope = bytes.GetFloat(112);
         header.sclInter = bytes.GetFloat(116);
         for (std::size_t i = 0; i < 12; ++i)
         {
           header.srow[i / 4][i % 4] = bytes.GetFloat(280 + 4 * i);
         }
       });
  return header;
}

void
CheckImageFileComplete(const std::string & fileName, const ImageIOBase & io)
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

LoadedImage
ReadImageFile(const std::string & name, const std::string & series)
{
  LoadedImage image;
  PixelVolume::Pointer pixels;
  image.fileName = name;
  Read(name,
       [&]
       {
         if (fs::is_directory(name))
         {
           pixels = ReadSeries(name, series, image.pixelType);
           image.dimension = 3;
           return;
         }
         pixels = ReadPixels<PixelVolume>(OpenImage(name, image.dimension), image);
       });
  image.components = pixels->GetNumberOfComponentsPerPixel();
  if (image.components < 1 || image.components > 4)
  {
    Fail(name, "the image has " + std::to_string(image.components) + " components a pixel; should have 1 to 4");
  }
  const auto & region = pixels->GetLargestPossibleRegion();
  image.geometry = Image<float, 3>::New();
  image.geometry->CopyInformation(pixels);
  image.geometry->SetRegions(region);
  const float * source = pixels->GetBufferPointer();
  image.pixels.assign(source, source + region.GetNumberOfPixels() * image.components);
  SetFirstComponent(image);
  return image;
}

LoadedImage
ReadMultichannelImageFile(const std::string & name, const std::string & series)
{
  using Channels = VectorImage<float, 4>;
  LoadedImage image;
  Channels::Pointer pixels;
  image.fileName = name;
  Read(name,
       [&]
       {
         if (fs::is_directory(name))
         {
           return;
         }
         const auto io = OpenImage(name, image.dimension, 4);
         if (image.dimension == 4)
         {
           pixels = ReadPixels<Channels>(io, image);
         }
       });
  if (pixels.IsNull())
  {
    return ReadImageFile(name, series);
  }
  if (pixels->GetNumberOfComponentsPerPixel() != 1)
  {
    Fail(name,
         "the image has 4 dimensions and " + std::to_string(pixels->GetNumberOfComponentsPerPixel()) +
           " components a pixel; should have 1");
  }
  image.dimension = 3;
  const auto & region = pixels->GetLargestPossibleRegion();
  image.components = static_cast<unsigned int>(region.GetSize(3));
  image.geometry = Image<float, 3>::New();
  auto direction = image.geometry->GetDirection();
  auto origin = image.geometry->GetOrigin();
  auto spacing = image.geometry->GetSpacing();
  Image<float, 3>::SizeType size;
  for (unsigned int i = 0; i < 3; ++i)
  {
    size[i] = region.GetSize(i);
    origin[i] = pixels->GetOrigin()[i];
    spacing[i] = pixels->GetSpacing()[i];
    for (unsigned int j = 0; j < 3; ++j)
    {
      direction[i][j] = pixels->GetDirection()[i][j];
    }
  }
  image.geometry->SetRegions(size);
  image.geometry->SetOrigin(origin);
  image.geometry->SetSpacing(spacing);
  image.geometry->SetDirection(direction);
  const std::size_t count = image.geometry->GetLargestPossibleRegion().GetNumberOfPixels();
  image.pixels.resize(count * image.components);
  const float * source = pixels->GetBufferPointer();
  for (std::size_t c = 0; c < image.components; ++c)
  {
    for (std::size_t i = 0; i < count; ++i)
    {
      image.pixels[i * image.components + c] = *source++;
    }
  }
  SetFirstComponent(image);
  return image;
}

ImageHeader
ReadImageFileHeader(const std::string & name, const std::string & series)
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
} // namespace nn
} // namespace itk
