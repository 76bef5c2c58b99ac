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
#include "universegCommandLine.h"
#include "universegImages.h"
#include "universegPicture.h"

#include "itkGDCMImageIO.h"
#include "itkImageFileWriter.h"
#include "itkMetaDataObject.h"
#include "itkNNError.h"
#include "itkNNImageFile.h"

#include "gtest/gtest.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>

namespace
{
using universeg::LabelChoice;
using universeg::LabelVolume;
using universeg::Volume;

std::string
OutputName(const std::string & name)
{
  const std::filesystem::path folder = std::filesystem::path(UNIVERSEG_TEST_OUTPUT) / "images";
  std::filesystem::create_directories(folder);
  return (folder / name).string();
}

LabelVolume::Pointer
MakeLabels(const std::vector<std::int32_t> & values, std::size_t width, std::size_t height, std::size_t depth = 1)
{
  auto labels = LabelVolume::New();
  labels->SetRegions(LabelVolume::SizeType{ { width, height, depth } });
  labels->Allocate();
  std::copy(values.begin(), values.end(), labels->GetBufferPointer());
  return labels;
}

std::vector<std::int32_t>
Values(const LabelVolume & labels)
{
  const std::size_t count = labels.GetLargestPossibleRegion().GetNumberOfPixels();
  return std::vector<std::int32_t>(labels.GetBufferPointer(), labels.GetBufferPointer() + count);
}

/** The message of the Failure that a call throws, "" when it throws none. */
template <typename TCall>
std::string
MessageOf(TCall call)
{
  try
  {
    call();
  }
  catch (const universeg::Failure & failure)
  {
    return failure.what();
  }
  return "";
}

bool
Contains(const std::string & text, const std::string & part)
{
  return text.find(part) != std::string::npos;
}

std::string
ReadBytes(const std::string & fileName)
{
  std::ifstream file(fileName, std::ios::binary);
  return { std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>() };
}

void
WriteText(const std::string & fileName, const std::string & bytes)
{
  std::ofstream(fileName, std::ios::binary) << bytes;
}

std::string
MakeFolder(const std::string & name)
{
  const std::string folder = OutputName(name);
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

std::size_t
CountEntries(const std::string & folder)
{
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

/** Labels that packing cannot shrink to nothing. */
LabelVolume::Pointer
MakeNoise(std::size_t width, std::size_t height, std::size_t depth)
{
  std::vector<std::int32_t> values(width * height * depth);
  std::uint32_t state = 1;
  for (auto & value : values)
  {
    state = state * 1664525U + 1013904223U;
    value = static_cast<std::int32_t>(state >> 24);
  }
  return MakeLabels(values, width, height, depth);
}

void
WriteSlice(const std::string & folder, int number, double position)
{
  using Slice = itk::Image<std::int16_t, 2>;
  auto slice = Slice::New();
  slice->SetRegions(Slice::SizeType{ { 4, 4 } });
  slice->Allocate();
  slice->FillBuffer(static_cast<std::int16_t>(number));
  auto io = itk::GDCMImageIO::New();
  io->KeepOriginalUIDOn();
  auto & dictionary = io->GetMetaDataDictionary();
  const std::string series = "1.2.826.0.1.3680043.2.1125.1.2";
  const auto set = [&](const std::string & tag, const std::string & value)
  { itk::EncapsulateMetaData<std::string>(dictionary, tag, value); };
  set("0008|0060", "CT");
  set("0008|0016", "1.2.840.10008.5.1.4.1.1.2");
  set("0008|0018", series + "." + std::to_string(number + 1));
  set("0020|000d", "1.2.826.0.1.3680043.2.1125.1.1");
  set("0020|000e", series);
  set("0028|0004", "MONOCHROME2");
  set("0020|0013", std::to_string(number + 1));
  set("0020|0032", "0\\0\\" + universeg::FormatFixed(position, 3));
  set("0020|0037", "1\\0\\0\\0\\1\\0");
  auto writer = itk::ImageFileWriter<Slice>::New();
  writer->SetImageIO(io);
  writer->UseInputMetaDataDictionaryOff();
  writer->SetInput(slice);
  writer->SetFileName(folder + "/slice" + std::to_string(number) + ".dcm");
  writer->Update();
}

TEST(Images, LabelsComeBackFromEachFormat)
{
  const std::vector<std::int32_t> small{ 0, 1, 128, 255, 3, 0 };
  for (const char * name : { "small.png", "small.bmp", "small.tif", "small.nii.gz", "small.mha", "small.nrrd" })
  {
    universeg::WriteLabels(*MakeLabels(small, 3, 2), 2, OutputName(name));
    const auto image = universeg::ReadImage(OutputName(name));
    EXPECT_EQ(image.dimension, 2U) << name;
    EXPECT_EQ(Values(*universeg::ToLabels(image, {})), small) << name;
  }
  const std::vector<std::int32_t> wide{ 0, 1, 300, 65535, 3, 0 };
  universeg::WriteLabels(*MakeLabels(wide, 3, 2), 2, OutputName("wide.nii.gz"));
  EXPECT_EQ(Values(*universeg::ToLabels(universeg::ReadImage(OutputName("wide.nii.gz")), {})), wide);
  const std::vector<std::int32_t> negative{ -7, 1, 70000, 5, 3, 0 };
  universeg::WriteLabels(*MakeLabels(negative, 3, 1, 2), 3, OutputName("negative.mha"));
  const auto volume = universeg::ReadImage(OutputName("negative.mha"));
  EXPECT_EQ(volume.dimension, 3U);
  EXPECT_EQ(Values(*universeg::ToLabels(volume, {})), negative);
  EXPECT_THROW(universeg::WriteLabels(*MakeLabels(wide, 3, 2), 2, OutputName("wide.png")), universeg::Failure);
  EXPECT_THROW(universeg::WriteLabels(*MakeLabels(small, 3, 1, 2), 3, OutputName("deep.png")), universeg::Failure);
  EXPECT_THROW(universeg::WriteLabels(*MakeLabels(small, 3, 2), 2, OutputName("x.unknown")), universeg::Failure);
}

TEST(Images, ChoicesOfLabels)
{
  universeg::WriteLabels(*MakeLabels({ 0, 1, 2, 2 }, 2, 2), 2, OutputName("choice.png"));
  const auto image = universeg::ReadImage(OutputName("choice.png"));
  LabelChoice choice;
  choice.label = 2;
  EXPECT_EQ(Values(*universeg::ToLabels(image, choice)), (std::vector<std::int32_t>{ 0, 0, 2, 2 }));
  choice = {};
  choice.binary = true;
  EXPECT_EQ(Values(*universeg::ToLabels(image, choice)), (std::vector<std::int32_t>{ 0, 1, 1, 1 }));
  EXPECT_EQ(universeg::FindLabels(*universeg::ToLabels(image, {})), (std::vector<std::int32_t>{ 1, 2 }));
}

TEST(Images, ColourMasksAndLuminance)
{
  universeg::WriteColorImage(OutputName("colour.png"), 2, 1, { 255, 0, 0, 0, 0, 255 });
  const auto image = universeg::ReadImage(OutputName("colour.png"));
  EXPECT_EQ(image.components, 3U);
  EXPECT_THROW(universeg::ToLabels(image, {}), universeg::Failure);
  LabelChoice choice;
  choice.colors = { { 0, 0, 255 }, { 255, 0, 0 } };
  EXPECT_EQ(Values(*universeg::ToLabels(image, choice)), (std::vector<std::int32_t>{ 2, 1 }));
  const auto intensities = universeg::ToIntensities(image);
  EXPECT_NEAR(intensities->GetBufferPointer()[0], 255 * 0.299, 0.05);
  EXPECT_NEAR(intensities->GetBufferPointer()[1], 255 * 0.114, 0.05);

  universeg::WriteColorImage(OutputName("gray.png"), 2, 1, { 7, 7, 7, 0, 0, 0 });
  EXPECT_EQ(Values(*universeg::ToLabels(universeg::ReadImage(OutputName("gray.png")), {})),
            (std::vector<std::int32_t>{ 7, 0 }));
}

TEST(Images, FractionsAreNoLabels)
{
  auto volume = Volume::New();
  volume->SetRegions(Volume::SizeType{ { 2, 1, 1 } });
  volume->Allocate();
  volume->GetBufferPointer()[0] = 0.0F;
  volume->GetBufferPointer()[1] = 0.4F;
  universeg::WriteProbabilities(*volume, 2, OutputName("fraction.mha"));
  const auto image = universeg::ReadImage(OutputName("fraction.mha"));
  EXPECT_EQ(image.pixels[1], 0.4F);
  EXPECT_THROW(universeg::ToLabels(image, {}), universeg::Failure);
  universeg::WriteProbabilities(*volume, 2, OutputName("fraction.png"));
  EXPECT_EQ(universeg::ReadImage(OutputName("fraction.png")).pixels[1], 102.0F);
}

TEST(Images, ColoursOfGrayMasks)
{
  universeg::WriteLabels(*MakeLabels({ 0, 1, 2, 2 }, 2, 2), 2, OutputName("graymask.png"));
  const auto image = universeg::ReadImage(OutputName("graymask.png"));
  LabelChoice choice;
  choice.colors = { { 255, 0, 0 } };
  EXPECT_EQ(Values(*universeg::ToLabels(image, choice)), (std::vector<std::int32_t>{ 0, 1, 2, 2 }));
  const std::string message = MessageOf([&] { universeg::ToLabels(image, choice, true); });
  EXPECT_TRUE(Contains(message, "graymask.png: the mask is gray and has no colours")) << message;
  EXPECT_EQ(Values(*universeg::ToLabels(image, {}, true)), (std::vector<std::int32_t>{ 0, 1, 2, 2 }));
  universeg::WriteColorImage(OutputName("colourmask.png"), 2, 1, { 255, 0, 0, 9, 9, 9 });
  EXPECT_EQ(Values(*universeg::ToLabels(universeg::ReadImage(OutputName("colourmask.png")), choice, true)),
            (std::vector<std::int32_t>{ 1, 0 }));
}

TEST(Images, LabelsBeyondTheLimit)
{
  auto volume = Volume::New();
  volume->SetRegions(Volume::SizeType{ { 2, 1, 1 } });
  volume->Allocate();
  volume->GetBufferPointer()[0] = 16777216.0F;
  volume->GetBufferPointer()[1] = 2e9F;
  universeg::WriteProbabilities(*volume, 2, OutputName("large.mha"));
  const auto image = universeg::ReadImage(OutputName("large.mha"));
  const std::string message = MessageOf([&] { universeg::ToLabels(image, {}); });
  EXPECT_TRUE(Contains(message, "it has the value 2000000000; labels should be from -16777216 to 16777216")) << message;
  volume->GetBufferPointer()[1] = std::nanf("");
  universeg::WriteProbabilities(*volume, 2, OutputName("nan.mha"));
  const std::string nan = MessageOf([] { universeg::ToLabels(universeg::ReadImage(OutputName("nan.mha")), {}); });
  EXPECT_TRUE(Contains(nan, "it has the value nan; should be integers")) << nan;
}

TEST(Images, CutFilesAreRefused)
{
  const auto labels = MakeNoise(16, 12, 5);
  const auto slice = MakeNoise(17, 12, 1);
  universeg::WriteLabels(*labels, 3, OutputName("whole.nii"));
  universeg::WriteLabels(*labels, 3, OutputName("whole.nii.gz"));
  universeg::WriteLabels(*labels, 3, OutputName("whole.mha"));
  universeg::WriteLabels(*labels, 3, OutputName("whole.nrrd"));
  universeg::WriteLabels(*slice, 2, OutputName("whole.bmp"));
  std::vector<unsigned char> gray(64 * 64);
  std::iota(gray.begin(), gray.end(), static_cast<unsigned char>(0));
  universeg::WriteGrayImage(OutputName("whole.jpg"), 64, 64, gray);
  const std::string header = "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
                             "CompressedData = False\nElementSpacing = 1 1 1\nDimSize = 10 10 10\n"
                             "ElementType = MET_UCHAR\nElementDataFile = LOCAL\n";
  WriteText(OutputName("plain.mha"), header + std::string(1000, '\2'));
  for (const char * name :
       { "whole.nii", "whole.nii.gz", "whole.mha", "whole.nrrd", "whole.bmp", "whole.jpg", "plain.mha" })
  {
    EXPECT_NO_THROW(universeg::ReadImage(OutputName(name))) << name;
    const std::string bytes = ReadBytes(OutputName(name));
    const std::string cut = OutputName("cut-" + std::string(name));
    for (const std::size_t missing : { std::size_t(1), std::size_t(12), bytes.size() / 2 })
    {
      if (std::string(name) == "whole.nrrd" && missing == 1)
      {
        continue; // the pixels are all there, only the check sum is cut
      }
      WriteText(cut, bytes.substr(0, bytes.size() - missing));
      const std::string message = MessageOf([&] { universeg::ReadImage(cut); });
      EXPECT_EQ(message.rfind(cut + ": ", 0), 0U) << name << " without " << missing << ": " << message;
      EXPECT_FALSE(Contains(message, "(0x")) << message;
      if (std::string(name) != "whole.nrrd")
      {
        EXPECT_TRUE(Contains(message, "truncated")) << name << " without " << missing << ": " << message;
      }
    }
    if (std::string(name) != "whole.nii.gz" && std::string(name) != "whole.nrrd")
    {
      WriteText(cut, bytes + std::string(7, '\0'));
      EXPECT_NO_THROW(universeg::ReadImage(cut)) << name;
    }
  }
  const std::string bytes = ReadBytes(OutputName("whole.nii"));
  WriteText(OutputName("short.nii"), bytes.substr(0, bytes.size() - 60));
  const std::string message = MessageOf([] { universeg::ReadImage(OutputName("short.nii")); });
  EXPECT_TRUE(Contains(message, "it has 1252 bytes, its header asks for 1312")) << message;
}

TEST(Images, FilesOfSeveralGzipMembersAreWhole)
{
  universeg::WriteLabels(*MakeNoise(16, 12, 5), 3, OutputName("members.nii.gz"));
  const std::string empty("\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0", 20);
  WriteText(OutputName("members2.nii.gz"), ReadBytes(OutputName("members.nii.gz")) + empty);
  EXPECT_EQ(Values(*universeg::ToLabels(universeg::ReadImage(OutputName("members2.nii.gz")), {})),
            Values(*MakeNoise(16, 12, 5)));
}

TEST(Images, SeriesWithoutASliceIsRefused)
{
  const std::string whole = MakeFolder("series");
  const std::string gap = MakeFolder("series-gap");
  for (int i = 0; i < 6; ++i)
  {
    WriteSlice(whole, i, 2.5 * i + (i % 2) * 0.01);
    if (i != 3)
    {
      WriteSlice(gap, i, 2.5 * i);
    }
  }
  const auto image = universeg::ReadImage(whole);
  EXPECT_EQ(image.geometry->GetLargestPossibleRegion().GetSize()[2], 6U);
  EXPECT_NEAR(image.geometry->GetSpacing()[2], 2.5, 0.01);
  const std::string message = MessageOf([&] { universeg::ReadImage(gap); });
  EXPECT_TRUE(Contains(message, "series-gap: the slices of the series are not evenly spaced: 3.125 mm")) << message;
}

TEST(Images, ChannelsAlongAFourthAxis)
{
  using Channels = itk::Image<std::int16_t, 4>;
  const auto image = Channels::New();
  image->SetRegions(Channels::SizeType{ { 2, 3, 1, 2 } });
  image->Allocate();
  std::iota(image->GetBufferPointer(), image->GetBufferPointer() + 12, std::int16_t{ 0 });
  const double spacing[] = { 0.5, 2, 3, 1 };
  image->SetSpacing(spacing);
  const double origin[] = { 4, -5, 6, 0 };
  image->SetOrigin(origin);
  const std::string name = OutputName("channels.nii.gz");
  const auto writer = itk::ImageFileWriter<Channels>::New();
  writer->SetInput(image);
  writer->SetFileName(name);
  writer->Update();

  const auto read = universeg::ReadMultichannelImage(name);
  EXPECT_EQ(read.components, 2U);
  EXPECT_EQ(read.dimension, 3U);
  EXPECT_EQ(read.pixelType, itk::nn::DataType::Int16);
  EXPECT_EQ(read.pixels, (std::vector<float>{ 0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11 }));
  EXPECT_EQ(read.geometry->GetLargestPossibleRegion().GetSize(), (itk::Size<3>{ { 2, 3, 1 } }));
  EXPECT_EQ(read.geometry->GetPixel({ { 1, 2, 0 } }), 5);
  for (unsigned int axis = 0; axis < 3; ++axis)
  {
    EXPECT_EQ(read.geometry->GetSpacing()[axis], spacing[axis]);
    EXPECT_EQ(read.geometry->GetOrigin()[axis], origin[axis]);
  }
  EXPECT_TRUE(Contains(MessageOf([&] { universeg::ReadImage(name); }), "4 dimensions; should have 2 or 3"));

  // Others are read as ever.
  const std::string labels = OutputName("labels.nii.gz");
  universeg::WriteLabels(*MakeLabels({ 1, 2, 3, 4 }, 2, 2), 2, labels);
  const auto scalar = universeg::ReadMultichannelImage(labels);
  EXPECT_EQ(scalar.components, 1U);
  EXPECT_EQ(scalar.dimension, 2U);
  EXPECT_EQ(scalar.pixelType, itk::nn::DataType::UInt8);
  EXPECT_EQ(scalar.pixels, (std::vector<float>{ 1, 2, 3, 4 }));

  const std::string cut = OutputName("cut_channels.nii.gz");
  const std::string bytes = ReadBytes(name);
  WriteText(cut, bytes.substr(0, bytes.size() / 2));
  EXPECT_TRUE(Contains(MessageOf([&] { universeg::ReadMultichannelImage(cut); }), "cut_channels.nii.gz"));
  EXPECT_TRUE(Contains(MessageOf([&] { universeg::ReadMultichannelImage(OutputName("none.nii")); }), "no such file"));
}

TEST(Images, NiftiHeadersOfBothByteOrders)
{
  // sizeof_hdr, dim_info, dim[1], dim[2], datatype, bitpix, pixdim[1] 0.5, scl_slope 2, scl_inter -1, srow_z[3] 1.5.
  const std::vector<std::pair<std::size_t, std::string>> fields = {
    { 0, std::string("\0\0\x01\x5c", 4) },   { 42, std::string("\0\x18", 2) },
    { 44, std::string("\xff\xfe", 2) },      { 70, std::string("\0\x04", 2) },
    { 72, std::string("\0\x10", 2) },        { 80, std::string("\x3f\0\0\0", 4) },
    { 112, std::string("\x40\0\0\0", 4) },   { 116, std::string("\xbf\x80\0\0", 4) },
    { 324, std::string("\x3f\xc0\0\0", 4) },
  };
  for (const bool isLittle : { false, true })
  {
    std::string bytes(348, '\0');
    bytes[39] = 57;
    for (auto [offset, value] : fields)
    {
      if (isLittle)
      {
        std::reverse(value.begin(), value.end());
      }
      bytes.replace(offset, value.size(), value);
    }
    const std::string name = OutputName("header.nii");
    WriteText(name, bytes);
    EXPECT_THROW(itk::nn::ReadNiftiHeader(name), itk::nn::Error) << "there is no magic";
    bytes.replace(344, 3, "n+1");
    WriteText(name, bytes);
    const auto header = itk::nn::ReadNiftiHeader(name);
    EXPECT_EQ(header.dimInfo, 57);
    EXPECT_EQ(header.dim, (std::array<int, 8>{ 0, 24, -2, 0, 0, 0, 0, 0 }));
    EXPECT_EQ(header.datatype, 4);
    EXPECT_EQ(header.bitpix, 16);
    EXPECT_EQ(header.pixdim[1], 0.5F);
    EXPECT_EQ(header.sclSlope, 2);
    EXPECT_EQ(header.sclInter, -1);
    EXPECT_EQ(header.srow[2], (std::array<float, 4>{ 0, 0, 0, 1.5F }));
    WriteText(name, bytes.substr(0, 347));
    EXPECT_THROW(itk::nn::ReadNiftiHeader(name), itk::nn::Error);
  }
  EXPECT_THROW(itk::nn::ReadNiftiHeader(OutputName("none.nii")), itk::nn::Error);
}

TEST(Images, HeadersTellWhatCanBeWritten)
{
  universeg::WriteLabels(*MakeNoise(5, 4, 1), 2, OutputName("header.png"));
  universeg::WriteLabels(*MakeNoise(5, 4, 3), 3, OutputName("header.nrrd"));
  const std::string series = MakeFolder("header-series");
  WriteSlice(series, 0, 0);
  WriteSlice(series, 1, 2);
  const auto slice = universeg::ReadImageHeader(OutputName("header.png"));
  EXPECT_EQ(slice.dimension, 2U);
  EXPECT_EQ(slice.slices, 1U);
  const auto volume = universeg::ReadImageHeader(OutputName("header.nrrd"));
  EXPECT_EQ(volume.dimension, 3U);
  EXPECT_EQ(volume.slices, 3U);
  EXPECT_EQ(universeg::ReadImageHeader(series).dimension, 3U);
  EXPECT_EQ(universeg::ReadImageHeader(series).slices, 2U);
  EXPECT_TRUE(Contains(MessageOf([&] { universeg::ReadImageHeader(series, "1.2.3"); }), "no DICOM series '1.2.3'"));
  WriteText(OutputName("header.tif"), "no image");
  EXPECT_TRUE(Contains(MessageOf([] { universeg::ReadImageHeader(OutputName("header.tif")); }), "header.tif: "));

  const std::string folder = MakeFolder("header");
  EXPECT_NO_THROW(universeg::CheckOutputFile(folder + "/a.png", slice));
  EXPECT_NO_THROW(universeg::CheckOutputFile(folder + "/a.nii.gz", volume));
  EXPECT_NO_THROW(universeg::CheckPictureFile(folder + "/a.jpg"));
  std::string message = MessageOf([&] { universeg::CheckOutputFile(folder + "/a.png", volume); });
  EXPECT_TRUE(Contains(message, "this one has 3 slices; use for example .nii.gz")) << message;
  message = MessageOf([&] { universeg::CheckOutputFile(folder + "/a.jpg", slice); });
  EXPECT_TRUE(Contains(message, "JPEG changes the values")) << message;
  message = MessageOf([&] { universeg::CheckPictureFile(folder + "/none/a.png"); });
  EXPECT_TRUE(Contains(message, "there is no folder")) << message;
  EXPECT_EQ(CountEntries(folder), 0U);
}

TEST(Images, UnsuitableFormatsAreRefused)
{
  const auto slice = MakeNoise(5, 4, 1);
  const auto volume = MakeNoise(5, 4, 2);
  auto map = Volume::New();
  map->SetRegions(Volume::SizeType{ { 2, 2, 2 } });
  map->Allocate(true);
  const std::string folder = MakeFolder("unsuitable");
  for (const char * name : { "a.jpg", "a.JPEG", "a.dcm", "a.mhd", "a.hdr", "a.img", "a.img.gz", "a.nhdr" })
  {
    const std::string file = folder + "/" + name;
    for (const std::string & message : { MessageOf([&] { universeg::WriteLabels(*slice, 2, file); }),
                                         MessageOf([&] { universeg::WriteProbabilities(*map, 3, file); }) })
    {
      EXPECT_EQ(message.rfind(file + ": ", 0), 0U) << message;
      EXPECT_TRUE(Contains(message, "use for example .nii.gz")) << message;
    }
  }
  for (const char * name : { "a.tif", "a.TIFF", "a.bmp" })
  {
    const std::string message = MessageOf([&] { universeg::WriteLabels(*volume, 3, folder + "/" + name); });
    EXPECT_TRUE(Contains(message, "this one has 2 slices; use for example .nii.gz")) << message;
  }
  EXPECT_THROW(universeg::WriteProbabilities(*map, 3, folder + "/p.tif"), universeg::Failure);
  EXPECT_THROW(universeg::WriteLabels(*MakeLabels({ 1, 70000 }, 2, 1), 2, folder + "/wide.tif"), universeg::Failure);
  EXPECT_EQ(CountEntries(folder), 0U);
  universeg::WriteColorImage(folder + "/a.jpg", 2, 1, { 255, 0, 0, 0, 0, 255 });
  EXPECT_EQ(CountEntries(folder), 1U);
}

TEST(Images, OnlyRegularFilesAreReplaced)
{
  const auto labels = MakeNoise(5, 4, 2);
  const std::string folder = MakeFolder("targets");
  std::filesystem::create_directories(folder + "/folder.nii");
  std::string message = MessageOf([&] { universeg::WriteLabels(*labels, 3, folder + "/folder.nii"); });
  EXPECT_TRUE(Contains(message, "is a folder")) << message;
  std::filesystem::create_symlink("/dev/null", folder + "/device.nii");
  message = MessageOf([&] { universeg::WriteLabels(*labels, 3, folder + "/device.nii"); });
  EXPECT_TRUE(Contains(message, "not a regular file")) << message;
  std::filesystem::create_symlink("circle.nii", folder + "/circle.nii");
  EXPECT_THROW(universeg::WriteLabels(*labels, 3, folder + "/circle.nii"), universeg::Failure);
  EXPECT_EQ(CountEntries(folder), 3U);

  std::filesystem::create_directories(folder + "/other");
  std::filesystem::create_symlink("other/real.nii.gz", folder + "/link.nii.gz");
  for (int run = 0; run < 2; ++run)
  {
    universeg::WriteLabels(*labels, 3, folder + "/link.nii.gz");
    EXPECT_TRUE(std::filesystem::is_symlink(folder + "/link.nii.gz"));
    EXPECT_EQ(Values(*universeg::ToLabels(universeg::ReadImage(folder + "/other/real.nii.gz"), {})), Values(*labels));
  }
  EXPECT_EQ(CountEntries(folder + "/other"), 1U);
}

TEST(Images, FailedWritesKeepTheOldFile)
{
  const std::string folder = MakeFolder("limit");
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  for (const char * name : { "/a.nii", "/a.nii.gz", "/a.mha", "/a.nrrd", "/a.tif", "/a.png", "/a.bmp", "/a.jpg" })
  {
    const std::string file = folder + name;
    const bool isPicture = std::string(name) == "/a.jpg";
    const auto write = [&](std::size_t extent)
    {
      if (isPicture)
      {
        std::vector<unsigned char> bytes(extent * extent);
        const auto noise = Values(*MakeNoise(extent, extent, 1));
        std::copy(noise.begin(), noise.end(), bytes.begin());
        universeg::WriteGrayImage(file, extent, extent, bytes);
        return;
      }
      universeg::WriteLabels(*MakeNoise(extent, extent, 1), 2, file);
    };
    write(4);
    const std::string old = ReadBytes(file);
    rlimit limit = before;
    limit.rlim_cur = 8192;
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    const std::string message = MessageOf([&] { write(256); });
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    EXPECT_EQ(message.rfind(file + ": the image cannot be written", 0), 0U) << name << ": " << message;
    EXPECT_FALSE(Contains(message, ".universeg-")) << message;
    EXPECT_EQ(ReadBytes(file), old) << name;
  }
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(CountEntries(folder), 8U);
}

TEST(Images, FolderWithoutPermission)
{
  const std::string folder = MakeFolder("readonly");
  std::filesystem::permissions(folder, std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  if (access(folder.c_str(), W_OK) == 0)
  {
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all);
    GTEST_SKIP() << "this user, a superuser, may write to every folder";
  }
  for (const char * name : { "/a.nii", "/a.nii.gz", "/a.mha", "/a.nrrd", "/a.png" })
  {
    const std::string message = MessageOf([&] { universeg::WriteLabels(*MakeNoise(4, 4, 1), 2, folder + name); });
    EXPECT_TRUE(Contains(message, "no file could be made")) << message;
  }
  std::filesystem::permissions(folder, std::filesystem::perms::owner_all);
  EXPECT_EQ(CountEntries(folder), 0U);
}

TEST(Images, LibrariesAreQuiet)
{
  itk::Object::SetGlobalWarningDisplay(true);
  universeg::QuietLibraries();
  EXPECT_FALSE(itk::Object::GetGlobalWarningDisplay());
}

TEST(Picture, OutlinesAndText)
{
  auto volume = Volume::New();
  volume->SetRegions(Volume::SizeType{ { 4, 4, 1 } });
  volume->Allocate();
  std::iota(volume->GetBufferPointer(), volume->GetBufferPointer() + 16, 0.0F);
  const auto labels = MakeLabels({ 0, 0, 0, 0, 0, 9, 9, 0, 0, 9, 9, 0, 0, 0, 0, 0 }, 4, 4);
  EXPECT_EQ(universeg::GetDisplaySize(*volume, 2, 20), (std::array<std::size_t, 2>{ 20, 20 }));
  auto picture = universeg::Picture::FromSlice(*volume, 2, 0, 4, 4);
  const universeg::Picture::Rgb red{ 255, 0, 0 };
  picture.DrawContours(*labels, 2, 0, &red);
  picture.Write(OutputName("picture.png"));
  const auto written = universeg::ReadImage(OutputName("picture.png"));
  EXPECT_EQ(written.pixels[0], 0.0F);
  EXPECT_EQ(written.pixels[3 * 15], 255.0F);
  EXPECT_EQ(written.pixels[3 * 5], 255.0F);
  EXPECT_EQ(written.pixels[3 * 5 + 1], 0.0F);
  EXPECT_EQ(universeg::Picture::GetTextWidth("AB", 2), 22U);
  universeg::Picture text(12, 8, { 0, 0, 0 });
  text.DrawText("I", 0, 0, 1, { 255, 255, 255 });
  text.Write(OutputName("text.png"));
  const auto letter = universeg::ReadImage(OutputName("text.png"));
  EXPECT_EQ(letter.pixels[0], 0.0F);
  EXPECT_EQ(letter.pixels[3 * 2], 255.0F);
}
} // namespace
