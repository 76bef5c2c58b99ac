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
#include "itkUniverSegImageFilter.h"

#include "itkBMPImageIO.h"
#include "itkFilteringTestHelpers.h"
#include "itkImageFileReader.h"
#include "itkNNSafeTensors.h"
#include "itkNNTestGoldens.h"
#include "itkPNGImageIO.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>

using namespace itk::test;
using ImageType = itk::Image<float, 2>;
using LabelImageType = itk::Image<unsigned char, 2>;
using FilterType = itk::UniverSegImageFilter<ImageType, LabelImageType>;
using itk::nn::Tensor;

namespace
{
/** The last two axes as rows and columns of an image. */
template <typename TImage>
typename TImage::Pointer
ToImage(const Tensor & tensor)
{
  const auto rank = static_cast<std::size_t>(tensor.GetRank());
  const auto image = MakeImage<TImage>({ { static_cast<itk::SizeValueType>(tensor.GetShape()[rank - 1]),
                                           static_cast<itk::SizeValueType>(tensor.GetShape()[rank - 2]) } });
  const auto values = tensor.ToVector<float>();
  std::copy(values.begin(), values.end(), image->GetBufferPointer());
  return image;
}

/** Planes that are one where a pixel has their label, as a label map. */
LabelImageType::Pointer
ToLabelImage(const Tensor & planes)
{
  const auto image = ToImage<LabelImageType>(planes.Select(0, 0));
  image->FillBuffer(0);
  for (std::int64_t label = 1; label < planes.GetShape()[0]; ++label)
  {
    const auto plane = planes.Select(0, label).ToVector<float>();
    for (std::size_t i = 0; i < plane.size(); ++i)
    {
      if (plane[i] == 1)
      {
        image->GetBufferPointer()[i] = static_cast<unsigned char>(label);
      }
    }
  }
  return image;
}

/** The filter on the pipeline golden, whose weights are those of a_tiny. */
FilterType::Pointer
MakePipelineFilter(const itk::nn::StateDict & io, const itk::UniverSegSupportSet * supports)
{
  const auto filter = FilterType::New();
  filter->SetInput(ToImage<ImageType>(io.Get("target")));
  filter->SetSupportSet(supports);
  filter->SetModel(itk::SegmentationModel::Read(itk::nn::test::FindGolden("universeg/a_tiny/weights.safetensors")));
  filter->SetGridSize(64);
  filter->SetNormalization(FilterType::NormalizationEnum::None);
  filter->ProduceProbabilitiesOn();
  return filter;
}

void
ExpectNear(const ImageType * image, const std::vector<float> & expected)
{
  const auto pixels = GetPixels(image);
  ASSERT_EQ(pixels.size(), expected.size());
  for (std::size_t i = 0; i < pixels.size(); ++i)
  {
    ASSERT_NEAR(pixels[i], expected[i], 1e-5) << "pixel " << i;
  }
}

double
Dice(const std::vector<double> & mask, const std::vector<float> & truth)
{
  double both = 0;
  double sum = 0;
  for (std::size_t i = 0; i < mask.size(); ++i)
  {
    both += mask[i] * truth[i];
    sum += mask[i] + truth[i];
  }
  return 2 * both / sum;
}

/** A model that was trained on the grid of its goldens. */
itk::SegmentationModel::Pointer
ReadTrainedModel()
{
  return itk::SegmentationModel::Read(itk::nn::test::FindGolden("universeg/m_trained_tiny/weights.safetensors"));
}

/** Dice of the trained model on the targets of a golden set, and the greatest
 * difference of its probabilities. */
void
ExpectDice(const itk::nn::StateDict & io, const std::string & set, const std::vector<double> & expected)
{
  const auto supports = itk::UniverSegSupportSet::New();
  const Tensor images = io.Get(set + ".support_images");
  const Tensor labels = io.Get(set + ".support_labels");
  for (std::int64_t i = 0; i < images.GetShape()[1]; ++i)
  {
    supports->PushBackSupport(ToImage<ImageType>(images.Select(1, i)), ToImage<ImageType>(labels.Select(1, i)));
  }
  const auto filter = FilterType::New();
  filter->SetModel(ReadTrainedModel());
  filter->SetSupportSet(supports);
  filter->ProduceProbabilitiesOn();
  const Tensor targets = io.Get(set + ".target");
  ASSERT_EQ(static_cast<std::size_t>(targets.GetShape()[0]), expected.size());
  for (std::int64_t i = 0; i < targets.GetShape()[0]; ++i)
  {
    filter->SetInput(ToImage<ImageType>(targets.Select(0, i)));
    filter->Update();
    const auto truth = io.Get(set + ".target_label").Select(0, i).ToVector<float>();
    EXPECT_NEAR(Dice(GetPixels(filter->GetOutput()), truth), expected[static_cast<std::size_t>(i)], 0.002)
      << set << " target " << i;
    auto probabilities = io.Get(set + ".logits_f64").Select(0, i).ToVector<double>();
    for (double & value : probabilities)
    {
      value = 1 / (1 + std::exp(-value));
    }
    ExpectNear(filter->GetProbabilityOutput(0), std::vector<float>(probabilities.begin(), probabilities.end()));
  }
}
} // namespace

TEST(UniverSegFilterGolden, SeveralLabels)
{
  const std::string path = "universeg/k_pipeline/io.safetensors";
  ITK_NN_REQUIRE_GOLDEN(path);
  const auto io = itk::nn::ReadSafeTensors(itk::nn::test::FindGolden(path)).tensors;
  const auto supports = itk::UniverSegSupportSet::New();
  for (std::int64_t i = 0; i < 12; ++i)
  {
    supports->PushBackSupport(ToImage<ImageType>(io.Get("pool_images").Select(0, i)),
                              ToLabelImage(io.Get("pool_onehot").Select(0, i)));
  }
  const auto filter = MakePipelineFilter(io, supports);
  filter->Update();
  EXPECT_EQ(filter->GetOutputLabels(), (std::vector<FilterType::LabelType>{ 0, 1, 2 }));

  std::vector<std::vector<float>> expected;
  for (unsigned int label = 0; label < 3; ++label)
  {
    expected.push_back(io.Get("multi_sigmoid").Select(0, label).ToVector<float>());
    ExpectNear(filter->GetProbabilityOutput(label), expected.back());
  }
  const auto argmax = io.Get("multi_argmax").ToVector<std::uint8_t>();
  const auto map = GetPixels(filter->GetOutput());
  std::size_t compared = 0;
  for (std::size_t i = 0; i < map.size(); ++i)
  {
    std::vector<float> values{ expected[0][i], expected[1][i], expected[2][i] };
    std::sort(values.begin(), values.end());
    if (values[2] - values[1] > 1e-5)
    {
      ASSERT_EQ(map[i], argmax[i]) << "pixel " << i;
      ++compared;
    }
  }
  EXPECT_GT(compared, map.size() * 9 / 10);

  filter->IncludeBackgroundOff();
  filter->SetThreshold(0.52);
  filter->Update();
  EXPECT_EQ(filter->GetOutputLabels(), (std::vector<FilterType::LabelType>{ 1, 2 }));
  ExpectNear(filter->GetProbabilityOutput(0), expected[1]);
  const auto exclusive = GetPixels(filter->GetOutput());
  for (std::size_t i = 0; i < map.size(); ++i)
  {
    const float best = std::max(expected[1][i], expected[2][i]);
    if (std::abs(best - 0.52F) > 1e-5 && std::abs(expected[1][i] - expected[2][i]) > 1e-5)
    {
      ASSERT_EQ(exclusive[i], best < 0.52F ? 0 : expected[1][i] > expected[2][i] ? 1 : 2) << "pixel " << i;
    }
  }
}

TEST(UniverSegFilterGolden, Ensemble)
{
  const std::string path = "universeg/k_pipeline/io.safetensors";
  ITK_NN_REQUIRE_GOLDEN(path);
  const auto io = itk::nn::ReadSafeTensors(itk::nn::test::FindGolden(path)).tensors;
  const auto supports = itk::UniverSegSupportSet::New();
  for (std::int64_t i = 0; i < 12; ++i)
  {
    supports->PushBackSupport(ToImage<ImageType>(io.Get("pool_images").Select(0, i)),
                              ToImage<LabelImageType>(io.Get("pool_onehot").Select(0, i).Select(0, 1)));
  }
  const auto filter = MakePipelineFilter(io, supports);
  filter->SetEnsembleSize(5);
  filter->SetEnsembleSupportSize(4);
  filter->Update();
  ExpectNear(filter->GetProbabilityOutput(0), io.Get("ens_mean").ToVector<float>());
  const auto mean = io.Get("ens_mean").ToVector<float>();
  const auto mask = io.Get("ens_mask").ToVector<std::uint8_t>();
  const auto output = GetPixels(filter->GetOutput());
  for (std::size_t i = 0; i < output.size(); ++i)
  {
    if (std::abs(mean[i] - 0.5F) > 1e-5)
    {
      ASSERT_EQ(output[i], mask[i]) << "pixel " << i;
    }
  }

  filter->SetEnsembleSize(1);
  for (unsigned int seed = 0; seed < 5; ++seed)
  {
    filter->SetSeed(seed);
    filter->Update();
    ExpectNear(filter->GetProbabilityOutput(0), io.Get("ens_probs").Select(0, seed).ToVector<float>());
  }
}

TEST(UniverSegFilterGolden, TrainedModelOnSyntheticImages)
{
  const std::string folder = "universeg/m_trained_tiny/";
  ITK_NN_REQUIRE_GOLDEN(folder + "io_synthetic.safetensors");
  ITK_NN_REQUIRE_GOLDEN(folder + "meta.json");
  const auto meta = nlohmann::json::parse(itk::nn::test::ReadText(itk::nn::test::FindGolden(folder + "meta.json")));
  const auto io = itk::nn::ReadSafeTensors(itk::nn::test::FindGolden(folder + "io_synthetic.safetensors")).tensors;
  ExpectDice(io, "syn", meta.at("syn").at("dice").get<std::vector<double>>());
}

TEST(UniverSegFilterGolden, TrainedModelOnWhiteBloodCells)
{
  const std::string folder = "universeg/m_trained_tiny/";
  ITK_NN_REQUIRE_GOLDEN(folder + "io_wbc_GPL3_derived.safetensors");
  const auto meta = nlohmann::json::parse(itk::nn::test::ReadText(itk::nn::test::FindGolden(folder + "meta.json")));
  const auto io =
    itk::nn::ReadSafeTensors(itk::nn::test::FindGolden(folder + "io_wbc_GPL3_derived.safetensors")).tensors;
  for (const std::string set : { "JTSC", "CV" })
  {
    ExpectDice(io, set, meta.at(set).at("dice").get<std::vector<double>>());
  }
}

TEST(UniverSegFilterGolden, WhiteBloodCellsFromTheirFiles)
{
  const char * data = std::getenv("UNIVERSEG_DATA_DIR");
  if (data == nullptr)
  {
    GTEST_SKIP() << "Real images are needed: set UNIVERSEG_DATA_DIR";
  }
  const std::string folder = "universeg/m_trained_tiny/";
  ITK_NN_REQUIRE_GOLDEN(folder + "io_wbc_GPL3_derived.safetensors");
  const auto meta =
    nlohmann::json::parse(itk::nn::test::ReadText(itk::nn::test::FindGolden(folder + "meta.json"))).at("JTSC");
  const auto io =
    itk::nn::ReadSafeTensors(itk::nn::test::FindGolden(folder + "io_wbc_GPL3_derived.safetensors")).tensors;

  using ColourImageType = itk::Image<itk::RGBPixel<unsigned char>, 2>;
  const auto getPath = [data](int position, const char * extension)
  {
    std::string name = std::to_string(position + 1);
    name.insert(0, 3 - name.size(), '0');
    return std::string(data) + "/wbc/Dataset 1/" + name + extension;
  };
  const auto readImage = [&](int position)
  {
    const auto reader = itk::ImageFileReader<ColourImageType>::New();
    reader->SetImageIO(itk::BMPImageIO::New());
    reader->SetFileName(getPath(position, ".bmp"));
    reader->Update();
    return ColourImageType::Pointer(reader->GetOutput());
  };
  const auto readNucleus = [&](int position)
  {
    const auto reader = itk::ImageFileReader<LabelImageType>::New();
    reader->SetImageIO(itk::PNGImageIO::New());
    reader->SetFileName(getPath(position, ".png"));
    reader->Update();
    const LabelImageType::Pointer image = reader->GetOutput();
    for (itk::ImageRegionIteratorWithIndex<LabelImageType> it(image, image->GetBufferedRegion()); !it.IsAtEnd(); ++it)
    {
      it.Set(it.Get() == 255 ? 1 : 0);
    }
    return image;
  };

  const auto supports = itk::UniverSegSupportSet::New();
  for (const int position : meta.at("support_ids").get<std::vector<int>>())
  {
    supports->PushBackSupport(readImage(position), readNucleus(position));
  }
  const auto prepared = supports->GetPrepared(itk::IntensityNormalization(), 64, 64);
  const auto images = prepared->GetImages().ToVector<float>();
  const auto expectedImages = io.Get("JTSC.support_images").ToVector<float>();
  ASSERT_EQ(images.size(), expectedImages.size());
  double greatest = 0;
  for (std::size_t i = 0; i < images.size(); ++i)
  {
    greatest = std::max(greatest, std::abs(static_cast<double>(images[i]) - expectedImages[i]));
  }
  // The reference rounds to 8 bits three times; the range of an image is about half of them.
  EXPECT_LT(greatest, 0.02);
  EXPECT_EQ(prepared->GetPlanes(1).ToVector<float>(), io.Get("JTSC.support_labels").ToVector<float>());

  const auto filter = itk::UniverSegImageFilter<ColourImageType>::New();
  filter->SetModel(ReadTrainedModel());
  filter->SetSupportSet(supports);
  const auto targets = meta.at("target_ids").get<std::vector<int>>();
  const auto expected = meta.at("dice").get<std::vector<double>>();
  double mean = 0;
  double expectedMean = 0;
  for (std::size_t i = 0; i < targets.size(); ++i)
  {
    filter->SetInput(readImage(targets[i]));
    filter->Update();
    const auto truth = GetPixels(readNucleus(targets[i]).GetPointer());
    const double dice = Dice(GetPixels(filter->GetOutput()), std::vector<float>(truth.begin(), truth.end()));
    // On the image's own grid, not the golden's.
    EXPECT_NEAR(dice, expected[i], 0.03) << "target " << targets[i];
    mean += dice / static_cast<double>(targets.size());
    expectedMean += expected[i] / static_cast<double>(targets.size());
  }
  EXPECT_NEAR(mean, expectedMean, 0.01);
}
