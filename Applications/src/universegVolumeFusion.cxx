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
#include "universegRandomNetwork.h"
#include "universegSubcommands.h"
#include "universegTiming.h"

#include "itkCrop4VolumeFusionFilter.h"
#include "itkMultiThreaderBase.h"
#include "itkNNParallel.h"
#include "itkNNSampleTransforms.h"
#include "itkVolumeFusionFilter.h"

#include <nlohmann/json.hpp>

#include <array>
#include <chrono>
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

/** The crop and the fusion, in a chain. */
struct Filters
{
  CropType::Pointer crop = CropType::New();
  FusionType::Pointer fusion = FusionType::New();

  explicit Filters(const CommandLine & commandLine)
  {
    crop->SetOutputSize(ToSize(ParseExtents(commandLine.GetText("size", "64,128,128"), "--size")));
    CropType::ScaleType scale;
    scale.Fill(commandLine.GetNumber("lower-scale", 0.7, 1e-3, 1e3));
    crop->SetLowerScale(scale);
    scale.Fill(commandLine.GetNumber("upper-scale", 1.5, 1e-3, 1e3));
    crop->SetUpperScale(scale);
    crop->SetSpatialAugmentation(!commandLine.Has("no-spatial"));
    crop->SetIntensityAugmentation(!commandLine.Has("no-intensity"));
    fusion->SetForegroundImage(crop->GetPatch(0));
    fusion->SetBackgroundImage(crop->GetPatch(1));
    fusion->SetNumberOfClasses(static_cast<unsigned int>(commandLine.GetInteger("classes", 5, 2, 256)));
    fusion->SetForegroundRatio(commandLine.GetNumber("foreground-ratio", 0.7, 0, 1));
    fusion->SetMinimumBlockSize(ToSize(ParseExtents(commandLine.GetText("minimum-block", "8,8,8"), "--minimum-block")));
    fusion->SetMaximumBlockSize(
      ToSize(ParseExtents(commandLine.GetText("maximum-block", "32,32,32"), "--maximum-block")));
  }

  /** Make a sample; the stream goes on behind it. */
  void Update(itk::nn::PythonRandom & random) const
  {
    crop->SetRandom(random);
    crop->Update();
    fusion->SetRandom(crop->GetNextRandom());
    fusion->Update();
    random = fusion->GetNextRandom();
  }
};

/** [D, H, W] as options of transforms. */
itk::nn::TransformOption
ToOption(const Volume::SizeType & size)
{
  itk::nn::TransformOption::List list;
  for (unsigned int axis = 3; axis-- > 0;)
  {
    list.emplace_back(static_cast<std::int64_t>(size[axis]));
  }
  return list;
}

/** The same samples as PyMIC's transforms, as batches for training are made of them. */
itk::nn::SampleTransforms
MakeTransforms(const Filters & filters)
{
  const CropType & crop = *filters.crop;
  const FusionType & fusion = *filters.fusion;
  const std::int64_t mode = (crop.GetSpatialAugmentation() ? 2 : 0) + (crop.GetIntensityAugmentation() ? 1 : 0);
  using itk::nn::SampleTransform;
  return itk::nn::SampleTransforms(
    { SampleTransform::Make("Crop4VolumeFusion",
                            { { "output_size", ToOption(crop.GetOutputSize()) },
                              { "rescale_lower_bound", crop.GetLowerScale()[0] },
                              { "rescale_upper_bound", crop.GetUpperScale()[0] },
                              { "augentation_mode", mode } }),
      SampleTransform::Make("VolumeFusion",
                            { { "cls_num", static_cast<std::int64_t>(fusion.GetNumberOfClasses()) },
                              { "foreground_ratio", fusion.GetForegroundRatio() },
                              { "patchsize_min", ToOption(fusion.GetMinimumBlockSize()) },
                              { "patchsize_max", ToOption(fusion.GetMaximumBlockSize()) } }) });
}

Volume::Pointer
MakeRandomVolume()
{
  const itk::nn::Shape shape{ 96, 192, 192 };
  std::mt19937_64 generator(networkProblemSeed);
  const itk::nn::Tensor values = MakeUniform(shape, -1, 1, generator);
  const auto volume = Volume::New();
  volume->SetRegions(ToSize({ { shape[0], shape[1], shape[2] } }));
  volume->Allocate();
  std::copy_n(values.GetData<float>(), values.GetNumberOfElements(), volume->GetBufferPointer());
  return volume;
}

/** Times samples one after the other, each by all threads, and as a batch loader makes them,
 * each by one of the threads. */
int
RunBenchmark(const CommandLine & commandLine, const Filters & filters, std::int64_t seed)
{
  using Clock = std::chrono::steady_clock;
  const std::int64_t count = commandLine.GetInteger("benchmark", 1, 1, 1 << 20);
  const auto threads = static_cast<unsigned int>(
    commandLine.GetInteger("threads", itk::nn::GetDefaultNumberOfThreads(), 1, itk::ITK_MAX_THREADS));
  itk::MultiThreaderBase::SetGlobalDefaultNumberOfThreads(threads);
  const Volume::ConstPointer volume =
    commandLine.Has("image") ? ToIntensities(ReadImage(commandLine.GetText("image"), commandLine.GetText("series")))
                             : MakeRandomVolume();
  for (itk::ProcessObject * filter :
       { static_cast<itk::ProcessObject *>(filters.crop), static_cast<itk::ProcessObject *>(filters.fusion) })
  {
    filter->GetMultiThreader()->SetMaximumNumberOfThreads(threads);
    filter->SetNumberOfWorkUnits(threads);
  }
  filters.crop->SetInput(volume);
  itk::nn::PythonRandom random(seed);
  filters.Update(random);
  Timing timing;
  for (std::int64_t i = 0; i < count; ++i)
  {
    const auto begin = Clock::now();
    filters.Update(random);
    timing.seconds.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
  }

  const auto & size = volume->GetBufferedRegion().GetSize();
  itk::nn::Tensor image(
    { 1, static_cast<std::int64_t>(size[2]), static_cast<std::int64_t>(size[1]), static_cast<std::int64_t>(size[0]) });
  std::copy_n(volume->GetBufferPointer(), image.GetNumberOfElements(), image.GetData<float>());
  const itk::nn::SampleTransforms transforms = MakeTransforms(filters);
  const auto load = [&](std::int64_t samples)
  {
    itk::nn::ParallelFor(samples,
                         threads,
                         [&](std::int64_t first, std::int64_t last)
                         {
                           for (std::int64_t i = first; i < last; ++i)
                           {
                             itk::nn::TransformRandom draws(seed + i);
                             itk::nn::Sample sample{ image, {}, {}, {} };
                             transforms.Apply(sample, draws);
                           }
                         });
  };
  load(threads);
  const auto begin = Clock::now();
  load(count * threads);
  const std::chrono::duration<double> elapsed = Clock::now() - begin;

  nlohmann::ordered_json json;
  json["sample"] = timing.ToJson();
  json["samples_per_second"] = static_cast<double>(count * threads) / elapsed.count();
  json["repeat"] = count;
  json["threads"] = threads;
  if (commandLine.Has("json"))
  {
    std::cout << json.dump() << std::endl;
    return exitSuccess;
  }
  std::cout << "a sample by all threads    " << FormatFixed(1e3 * json["sample"]["median_seconds"].get<double>(), 2)
            << " ms median, " << FormatFixed(1e3 * json["sample"]["min_seconds"].get<double>(), 2) << " ms least\n"
            << "a sample by each thread    " << FormatFixed(json["samples_per_second"].get<double>(), 1)
            << " samples a second\n"
            << "threads                    " << threads << std::endl;
  return exitSuccess;
}
} // namespace

int
RunVolumeFusion(const Arguments & arguments)
{
  CommandLine commandLine("volume-fusion",
                          "--image FILE|DIR --output DIR | --benchmark N [OPTION]...",
                          "Makes samples of Volume Fusion, the task that networks are pre-trained with: two\n"
                          "patches of a volume are mixed block by block, and the classes say how much of the\n"
                          "first each block has. For each sample DIR gets NAME_1.nii.gz, its classes\n"
                          "NAME_1_lab.nii.gz, and NAME_1.png with the middle slices. Samples are those of PyMIC's\n"
                          "transforms Crop4VolumeFusion and VolumeFusion with the same seed of Python's random.\n"
                          "With --benchmark nothing is written.");
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
  commandLine.AddGroup("Measurement")
    .add_options()("benchmark", Text(), "measure so many samples of the image, by default a random one of 96,192,192")(
      "threads", Text(), "with --benchmark: number of threads; default: all cores")(
      "json", "with --benchmark: print a JSON object");
  commandLine.AddPositional("image", 1);
  if (!commandLine.Parse(arguments))
  {
    return exitSuccess;
  }
  constexpr std::int64_t mostSeed = std::int64_t{ 1 } << 62;
  const std::int64_t seed = commandLine.GetInteger("seed", 0, -mostSeed, mostSeed);
  const Filters filters(commandLine);
  if (commandLine.Has("benchmark"))
  {
    return RunBenchmark(commandLine, filters, seed);
  }
  for (const char * option : { "threads", "json" })
  {
    if (commandLine.Has(option))
    {
      throw UsageError(std::string("--") + option + " is of use only with --benchmark");
    }
  }
  const std::string name = commandLine.GetRequired("image");
  const std::string output = commandLine.GetRequired("output");
  const std::int64_t count = commandLine.GetInteger("count", 1, 1, 1 << 20);
  itk::nn::PythonRandom random(seed);

  const auto image = ToIntensities(ReadImage(name, commandLine.GetText("series")));
  filters.crop->SetInput(image);
  fs::create_directories(output);
  const std::string stem = (fs::path(output) / GetStem(name)).string();
  for (std::int64_t i = 1; i <= count; ++i)
  {
    filters.Update(random);
    const std::string sample = stem + '_' + std::to_string(i);
    WriteProbabilities(*filters.fusion->GetOutput(), 3, sample + ".nii.gz");
    WriteLabels(*filters.fusion->GetLabelOutput(), 3, sample + "_lab.nii.gz");
    WritePreview(sample + ".png",
                 *filters.crop->GetPatch(0),
                 *filters.crop->GetPatch(1),
                 *filters.fusion->GetOutput(),
                 *filters.fusion->GetLabelOutput());
  }
  std::cout << stem << "_1.png: the first of " << count << " samples\n";
  return exitSuccess;
}
} // namespace universeg
