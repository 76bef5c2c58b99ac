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
#include "universegFiles.h"
#include "universegImages.h"
#include "universegPicture.h"
#include "universegSubcommands.h"

#include "itkCrop4VolumeFusionFilter.h"
#include "itkVolumeFusionFilter.h"

#include <array>
#include <filesystem>
#include <iostream>

namespace universeg
{
namespace
{
namespace fs = std::filesystem;
using CropType = itk::Crop4VolumeFusionFilter<Volume>;
using FusionType = itk::VolumeFusionFilter<Volume, Volume, LabelVolume>;

/** Depth, height and width. */
std::array<std::int64_t, 3>
ParseExtents(const std::string & text, const std::string & option)
{
  const auto parts = Split(text, ',');
  if (parts.size() != 3)
  {
    throw UsageError(option + ": '" + text + "' should have the form DEPTH,HEIGHT,WIDTH");
  }
  std::array<std::int64_t, 3> extents{};
  for (std::size_t i = 0; i < 3; ++i)
  {
    extents[i] = ParseInteger(parts[i], option);
    if (extents[i] < 1 || extents[i] > 4096)
    {
      throw UsageError(option + ": " + parts[i] + " should be from 1 to 4096");
    }
  }
  return extents;
}

Volume::SizeType
ToSize(const std::array<std::int64_t, 3> & extents)
{
  return { { static_cast<itk::SizeValueType>(extents[2]),
             static_cast<itk::SizeValueType>(extents[1]),
             static_cast<itk::SizeValueType>(extents[0]) } };
}

/** The middle slices across the three axes: patches, fusion, and fusion with its
 * classes, a row each. */
void
WritePreview(const std::string & fileName,
             const Volume & foreground,
             const Volume & background,
             const Volume & fused,
             const LabelVolume & labels)
{
  constexpr std::size_t length = 200;
  constexpr std::size_t gap = 8;
  constexpr std::size_t heading = 26;
  constexpr Picture::Rgb ink{ 230, 230, 230 };
  const std::array<std::string, 4> titles{ "foreground", "background", "fused", "fusion classes" };
  Picture preview(gap + 3 * (length + gap), gap + titles.size() * (heading + length + gap));
  const auto & size = fused.GetLargestPossibleRegion().GetSize();
  for (std::size_t row = 0; row < titles.size(); ++row)
  {
    const std::size_t top = gap + row * (heading + length + gap);
    preview.DrawText(titles[row], gap, top, 2, ink);
    for (unsigned int column = 0; column < 3; ++column)
    {
      const unsigned int axis = 2 - column;
      const std::size_t slice = size[axis] / 2;
      const auto extent = GetDisplaySize(fused, axis, length);
      const Volume & shown = row == 0 ? foreground : row == 1 ? background : fused;
      Picture picture = Picture::FromSlice(shown, axis, slice, extent[0], extent[1]);
      if (row == 3)
      {
        picture.DrawContours(labels, axis, slice);
      }
      preview.Paste(picture, gap + column * (length + gap), top + heading);
    }
  }
  preview.Write(fileName);
}
} // namespace

int
RunVolumeFusion(const Arguments & arguments)
{
  CommandLine commandLine("volume-fusion",
                          "--image FILE|DIR --output DIR [OPTION]...",
                          "Makes samples of Volume Fusion, the task that networks are pre-trained with: two\n"
                          "patches of a volume are mixed block by block, and the classes say how much of the\n"
                          "first each block has. For each sample DIR gets NAME_1.nii.gz, its classes\n"
                          "NAME_1_lab.nii.gz, and NAME_1.png with the middle slices. Samples are those of PyMIC's\n"
                          "transforms Crop4VolumeFusion and VolumeFusion with the same seed of Python's random.");
  commandLine.AddGroup("Images").add_options()("image", Text(), "volume, a file or a folder of DICOM slices")(
    "series", Text(), "UID of the DICOM series, where the folder has several")("output", Text(), "folder to write to")(
    "count", Text(), "number of samples (default 1)")(
    "seed", Text(), "of the random stream of all samples (default 0)");
  commandLine.AddGroup("Patches").add_options()(
    "size", Text(), "DEPTH,HEIGHT,WIDTH of the patches in voxels (default 64,128,128)")(
    "lower-scale", Text(), "least extent of a box in that of the patch (default 0.7)")(
    "upper-scale", Text(), "greatest one (default 1.5)")("no-spatial", "neither scale nor flip")(
    "no-intensity", "leave the intensities as they are");
  commandLine.AddGroup("Fusion").add_options()("classes", Text(), "number of fusion classes (default 5)")(
    "foreground-ratio", Text(), "share of the blocks with a class above 0 (default 0.7)")(
    "minimum-block", Text(), "DEPTH,HEIGHT,WIDTH of the smallest blocks (default 8,8,8)")(
    "maximum-block", Text(), "of the greatest (default 32,32,32)");
  commandLine.AddPositional("image", 1);
  if (!commandLine.Parse(arguments))
  {
    return exitSuccess;
  }
  const std::string name = commandLine.GetRequired("image");
  const std::string output = commandLine.GetRequired("output");
  const std::int64_t count = commandLine.GetInteger("count", 1, 1, 1 << 20);
  constexpr std::int64_t mostSeed = std::int64_t{ 1 } << 62;
  itk::nn::PythonRandom random(commandLine.GetInteger("seed", 0, -mostSeed, mostSeed));

  const auto crop = CropType::New();
  crop->SetOutputSize(ToSize(ParseExtents(commandLine.GetText("size", "64,128,128"), "--size")));
  CropType::ScaleType scale;
  scale.Fill(commandLine.GetNumber("lower-scale", 0.7, 1e-3, 1e3));
  crop->SetLowerScale(scale);
  scale.Fill(commandLine.GetNumber("upper-scale", 1.5, 1e-3, 1e3));
  crop->SetUpperScale(scale);
  crop->SetSpatialAugmentation(!commandLine.Has("no-spatial"));
  crop->SetIntensityAugmentation(!commandLine.Has("no-intensity"));
  const auto fusion = FusionType::New();
  fusion->SetForegroundImage(crop->GetPatch(0));
  fusion->SetBackgroundImage(crop->GetPatch(1));
  fusion->SetNumberOfClasses(static_cast<unsigned int>(commandLine.GetInteger("classes", 5, 2, 256)));
  fusion->SetForegroundRatio(commandLine.GetNumber("foreground-ratio", 0.7, 0, 1));
  fusion->SetMinimumBlockSize(ToSize(ParseExtents(commandLine.GetText("minimum-block", "8,8,8"), "--minimum-block")));
  fusion->SetMaximumBlockSize(
    ToSize(ParseExtents(commandLine.GetText("maximum-block", "32,32,32"), "--maximum-block")));

  const auto image = ToIntensities(ReadImage(name, commandLine.GetText("series")));
  crop->SetInput(image);
  fs::create_directories(output);
  const std::string stem = (fs::path(output) / GetStem(name)).string();
  for (std::int64_t i = 1; i <= count; ++i)
  {
    crop->SetRandom(random);
    crop->Update();
    fusion->SetRandom(crop->GetNextRandom());
    fusion->Update();
    random = fusion->GetNextRandom();
    const std::string sample = stem + '_' + std::to_string(i);
    WriteProbabilities(*fusion->GetOutput(), 3, sample + ".nii.gz");
    WriteLabels(*fusion->GetLabelOutput(), 3, sample + "_lab.nii.gz");
    WritePreview(
      sample + ".png", *crop->GetPatch(0), *crop->GetPatch(1), *fusion->GetOutput(), *fusion->GetLabelOutput());
  }
  std::cout << stem << "_1.png: the first of " << count << " samples\n";
  return exitSuccess;
}
} // namespace universeg
