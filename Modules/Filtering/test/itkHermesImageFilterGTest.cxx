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
#include "itkHermesImageFilter.h"

#include "itkCommand.h"
#include "itkFilteringTestHelpers.h"
#include "itkNNRawImageConversion.h"
#include "itkNNRegisterBackends.h"
#include "itkNNSafeTensors.h"
#include "itkNNTestDifference.h"
#include "itkNNTestGoldens.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

using namespace itk::test;
using itk::nn::HermesPipeline;
using itk::nn::HermesSegmenter;
using itk::nn::HermesTask;
using itk::nn::Shape;
using itk::nn::Tensor;
using Json = nlohmann::json;
using VolumeType = itk::Image<float, 3>;
using LabelVolumeType = itk::Image<unsigned char, 3>;
using FilterType = itk::HermesImageFilter<VolumeType>;

namespace
{
Json
MakeConfiguration(bool hasDomains)
{
  Json json = Json::parse(R"({"base_ch": 8, "num_block": [1, 1, 1, 1], "tn": 40, "mn": 4,
    "kernel_size": [[1, 1, 1], [1, 1, 1], [1, 3, 3], [1, 1, 1], [1, 1, 1]],
    "scale": [[1, 2, 2], [2, 2, 2], [1, 2, 2], [1, 1, 1]]})");
  if (hasDomains)
  {
    json["domains"] = Json::parse(R"([{"tgt_idx": [3, 1], "mod_idx": 0}, {"tgt_idx": [5, 6, 7], "mod_idx": -1}])");
  }
  return json;
}

HermesPipeline
MakePipeline()
{
  HermesPipeline pipeline;
  pipeline.preprocessing.spacing = { 1.5, 1, 1.25 };
  pipeline.window = { 4, 16, 16 };
  return pipeline;
}

/** A Hermes of two domains, or with all of its pools alone. */
itk::SegmentationModel::Pointer
MakeModel(bool hasDomains = true, bool hasPipelines = true)
{
  const Json configuration = MakeConfiguration(hasDomains);
  Random random(5);
  itk::nn::StateDict weights;
  for (const auto & parameter : itk::nn::Network::Create("hermes", configuration.dump())->GetParameters())
  {
    Tensor tensor = Tensor::Full(parameter.shape, parameter.name.back() == 't' ? 1 : 0);
    if (parameter.shape.size() > 1)
    {
      const std::int64_t fan = tensor.GetNumberOfElements() / parameter.shape[0];
      const auto scale = static_cast<float>(3 / std::sqrt(static_cast<double>(fan)));
      std::generate_n(
        tensor.GetData<float>(), tensor.GetNumberOfElements(), [&] { return scale * static_cast<float>(random()); });
    }
    weights.Add(parameter.name, tensor);
  }
  itk::nn::ModelCard card;
  card.network = "hermes";
  card.configuration = configuration.dump();
  if (hasDomains && hasPipelines)
  {
    HermesPipeline second = MakePipeline();
    second.preprocessing.spacing = { 1, 1, 1 };
    card.tasks = { { "abdomen", MakePipeline().ToJson() }, { "chest", second.ToJson() } };
  }
  const auto model = itk::nn::Model::New();
  model->SetWeights(weights);
  model->SetCard(card);
  const auto result = itk::SegmentationModel::New();
  result->SetModel(model);
  return result;
}

/** Noise, with a geometry of its own. */
VolumeType::Pointer
MakeVolume(const VolumeType::SizeType & size = { { 12, 20, 5 } })
{
  const auto image = MakeImage<VolumeType>(size, { { 3, -4, 20 } });
  Random random(9);
  for (itk::ImageRegionIteratorWithIndex<VolumeType> it(image, image->GetLargestPossibleRegion()); !it.IsAtEnd(); ++it)
  {
    it.Set(static_cast<float>(100 * random()));
  }
  return image;
}

FilterType::Pointer
MakeFilter()
{
  const auto filter = FilterType::New();
  filter->SetInput(MakeVolume());
  filter->SetModel(MakeModel());
  return filter;
}

} // namespace

TEST(HermesPipeline, OfTheDataSetsOfThePaper)
{
  const HermesPipeline pipeline = HermesPipeline::Make(HermesTask::Get("kits"));
  EXPECT_TRUE(pipeline.preprocessing.context.empty());
  EXPECT_EQ((*pipeline.preprocessing.limits)[0], -991);
  EXPECT_EQ(pipeline.window, (Shape{ 128, 128, 128 }));
  EXPECT_EQ(pipeline.maximumSlices, 600);
  EXPECT_EQ(pipeline.threshold, 0.5);
  for (const HermesTask & task : HermesTask::GetAll())
  {
    EXPECT_NO_THROW(HermesPipeline::Make(task).Check()) << task.name;
  }
}

TEST(HermesPipeline, AsText)
{
  HermesPipeline pipeline = MakePipeline();
  EXPECT_EQ(HermesPipeline::FromJson(pipeline.ToJson()).ToJson(), pipeline.ToJson());
  EXPECT_FALSE(HermesPipeline::FromJson(pipeline.ToJson()).preprocessing.limits.has_value());
  pipeline.preprocessing.orientation = itk::nn::HermesOrientation::Stored;
  pipeline.preprocessing.resampling = itk::nn::HermesResampling::InPlane;
  pipeline.preprocessing.zerosOutside = true;
  pipeline.preprocessing.limits = { -100, 50.5 };
  pipeline.preprocessing.lowerPercentile = 1;
  pipeline.preprocessing.upperPercentile = 99;
  pipeline.window = {};
  pipeline.windowBatch = 3;
  pipeline.maximumSlices = 70;
  pipeline.threshold = 0.25;
  const HermesPipeline again = HermesPipeline::FromJson(pipeline.ToJson());
  EXPECT_EQ(again.ToJson(), pipeline.ToJson());
  EXPECT_EQ(again.preprocessing.orientation, pipeline.preprocessing.orientation);
  EXPECT_EQ(again.preprocessing.resampling, pipeline.preprocessing.resampling);
  EXPECT_TRUE(again.preprocessing.zerosOutside);
  EXPECT_EQ(again.preprocessing.spacing, pipeline.preprocessing.spacing);
  EXPECT_EQ(again.preprocessing.limits, pipeline.preprocessing.limits);
  EXPECT_EQ(again.preprocessing.lowerPercentile, 1);
  EXPECT_EQ(again.preprocessing.upperPercentile, 99);
  EXPECT_EQ(again.window, Shape());
  EXPECT_EQ(again.windowBatch, 3);
  EXPECT_EQ(again.maximumSlices, 70);
  EXPECT_EQ(again.threshold, 0.25);

  EXPECT_TRUE(HermesPipeline::IsIn(pipeline.ToJson()));
  for (const char * text : { "", "[]", "{}", R"({"u2net": {}})", "{" })
  {
    EXPECT_FALSE(HermesPipeline::IsIn(text)) << text;
    EXPECT_ERROR(HermesPipeline::FromJson(text), "should be a JSON object with the key 'hermes'");
  }
  const std::pair<const char *, const char *> cases[] = {
    { "[]", "'hermes' is [], should be an object" },
    { R"({"window": [4, 5, 0]})", "the window is [4, 5, 0], should be three extents" },
    { R"({"window": "all"})", "'hermes.window' is \"all\", should be a list of three integers" },
    { R"({"spacing": [1, 1]})", "spacing" },
    { R"({"percentiles": [2]})", "'hermes.percentiles' has 1 entries, should have 2" },
    { R"({"limits": [1, 2, 3]})", "'hermes.limits' has 3 entries, should have 2" },
    { R"({"limits": [2, 1]})", "the limits are 2 and 1" },
    { R"({"orientation": "up"})", R"('hermes.orientation' is "up", should be one of ["aligned")" },
    { R"({"resampling": 1})", R"('hermes.resampling' is 1, should be one of ["two_step")" },
    { R"({"zeros_outside": 1})", "'hermes.zeros_outside' is 1, should be true or false" },
    { R"({"window_batch": 0})", "'window_batch' is 0" },
    { R"({"maximum_slices": 0})", "'maximum_slices' is 0" },
    { R"({"threshold": 1.5})", "the threshold is 1.5, should be within [0, 1]" },
  };
  for (const auto & entry : cases)
  {
    EXPECT_ERROR(HermesPipeline::FromJson(std::string(R"({"hermes": )") + entry.first + "}"), entry.second);
  }
  pipeline.preprocessing.context = { 1, 1, 1 };
  EXPECT_ERROR(pipeline.Check(), "the context is [1, 1, 1], should be empty");
}

/** The whole inference of the reference behind the preprocessing, with a narrow network. */
TEST(HermesSegmenter, ProbabilitiesAgreeWithTheReference)
{
  itk::nn::RegisterBackends();
  const std::string network = "hermes/hermes_r_narrow/";
  ITK_NN_REQUIRE_GOLDEN("hermes/sliding_window/io.safetensors");
  ITK_NN_REQUIRE_GOLDEN(network + "weights_f16.safetensors");
  const auto io = itk::nn::ReadSafeTensors(itk::nn::test::FindGolden("hermes/sliding_window/io.safetensors")).tensors;
  const auto whole =
    itk::nn::Network::Create("hermes", itk::nn::test::ReadText(itk::nn::test::FindGolden(network + "config.json")));
  // The last of the reference's tasks is the null task, which the network adds itself.
  auto tasks = io.Get("hermes_r.tgt_idx").ToVector<std::int64_t>();
  ASSERT_EQ(tasks.back(), -1);
  tasks.pop_back();
  const auto modality = io.Get("hermes_r.mod_idx").ToVector<std::int64_t>()[0];
  itk::nn::StateDict weights;
  const auto halves = itk::nn::ReadSafeTensors(itk::nn::test::FindGolden(network + "weights_f16.safetensors")).tensors;
  for (const auto & parameter : whole->GetParameters())
  {
    weights.Add(parameter.name, halves.Get(parameter.name).To(itk::nn::DataType::Float32));
  }
  const auto runner = std::make_shared<itk::nn::NetworkRunner>(itk::nn::MakeHermesNetwork(*whole, { tasks, modality }),
                                                               std::make_shared<const itk::nn::StateDict>(weights));
  HermesPipeline pipeline;
  pipeline.window = { 32, 32, 32 };
  const Tensor found = HermesSegmenter(runner, pipeline).PredictProbabilities(io.Get("hermes_r.x").Select(0, 0));
  const Tensor expected = io.Get("hermes_r.prob").Select(0, 0).Slice(0, 0, 2);
  ASSERT_EQ(found.GetShape(), expected.GetShape());
  const auto probabilities = found.ToVector<double>();
  const auto reference = expected.ToVector<double>();
  const auto mask = io.Get("hermes_r.mask").ToVector<int>();
  EXPECT_LT(itk::nn::test::MaximumDifference(probabilities, reference), 2e-4);
  for (std::size_t i = 0; i < mask.size(); ++i)
  {
    ASSERT_TRUE((probabilities[i] >= 0.5) == (mask[i] == 1) || std::abs(reference[i] - 0.5) < 2e-4) << i;
  }
}

TEST(HermesSegmenter, LongVolumesInParts)
{
  const auto model = MakeModel();
  HermesPipeline pipeline = MakePipeline();
  const Tensor volume = itk::nn::test::RandomTensor({ 1, 10, 16, 16 }, 3).To(itk::nn::DataType::Float32);
  pipeline.maximumSlices = 4;
  std::vector<double> progress;
  itk::nn::RunHooks hooks;
  hooks.progress = [&](double part) { progress.push_back(part); };
  const HermesSegmenter segmenter(model->GetRunner({}, 0), pipeline);
  const Tensor parts = segmenter.PredictProbabilities(volume, hooks);
  EXPECT_TRUE(std::is_sorted(progress.begin(), progress.end()));
  EXPECT_NEAR(progress.back(), 1, 1e-9);
  EXPECT_EQ(parts.GetShape(), (Shape{ 2, 10, 16, 16 }));
  pipeline.maximumSlices = 600;
  const HermesSegmenter whole(model->GetRunner({}, 0), pipeline);
  // Three parts of 4, 4 and 2 slices, each by itself.
  for (const auto & [start, end] : { std::make_pair(0, 4), std::make_pair(4, 8), std::make_pair(8, 10) })
  {
    Tensor part = volume.Slice(1, start, end).Contiguous();
    if (end - start < 4)
    {
      // Padded at the end, and not on both sides.
      Tensor padded = Tensor::Zeros({ 1, 4, 16, 16 });
      Tensor target = padded.Slice(1, 0, end - start);
      target.CopyFrom(part);
      part = padded;
    }
    EXPECT_EQ(parts.Slice(1, start, end).Contiguous().ToVector<float>(),
              whole.PredictProbabilities(part).Slice(1, 0, end - start).Contiguous().ToVector<float>());
  }
  EXPECT_ERROR(whole.PredictProbabilities(volume.Select(0, 0)), "should be float32 of [1, D, H, W]");
  EXPECT_ERROR(HermesSegmenter(nullptr, pipeline), "needs a network");
}

TEST(HermesSegmenter, TheWholeVolumeAtOnce)
{
  const auto model = MakeModel();
  HermesPipeline pipeline = MakePipeline();
  pipeline.window = {};
  const auto runner = model->GetRunner({}, 1);
  const Tensor volume = itk::nn::test::RandomTensor({ 1, 5, 17, 14 }, 3).To(itk::nn::DataType::Float32);
  const auto found = HermesSegmenter(runner, pipeline).PredictProbabilities(volume).ToVector<float>();
  const auto logits = runner->Run({ { "input", volume.Reshape({ 1, 1, 5, 17, 14 }) } }).at("out").ToVector<float>();
  ASSERT_EQ(found.size(), logits.size());
  for (std::size_t i = 0; i < found.size(); ++i)
  {
    ASSERT_NEAR(found[i], 1 / (1 + std::exp(-logits[i])), 1e-6);
  }
}

TEST(HermesSegmenter, NetworksOfOtherDomains)
{
  const auto network = itk::nn::Network::Create("hermes", MakeConfiguration(false).dump());
  const auto domain = itk::nn::MakeHermesNetwork(*network, { { 4, 2 }, 1 });
  EXPECT_EQ(domain->GetInputNames(), (std::vector<std::string>{ "input" }));
  const Json configuration = Json::parse(domain->GetConfiguration());
  EXPECT_EQ(configuration["domains"], Json::parse(R"([{"tgt_idx": [4, 2], "mod_idx": 1}])"));
  EXPECT_ERROR(itk::nn::MakeHermesNetwork(*network, { { 40 }, 1 }), "tgt_idx");
  EXPECT_ERROR(itk::nn::MakeHermesNetwork(*network, { { 4 }, 4 }), "mod_idx");
  const auto other = itk::nn::Network::Create("universeg", R"({"encoder_blocks": [2, 2]})");
  EXPECT_ERROR(itk::nn::MakeHermesNetwork(*other, { { 4 }, 1 }), "The network is universeg, should be hermes");
  EXPECT_TRUE(itk::nn::IsHermesNetwork("hermes_medformer"));
  EXPECT_FALSE(itk::nn::IsHermesNetwork("u2net"));
}

/** The steps one by one give the filter's result. */
TEST(HermesImageFilter, PreparesPredictsAndRestores)
{
  const auto filter = MakeFilter();
  filter->SetTask(1);
  filter->ProduceProbabilitiesOn();
  filter->Update();
  const auto found = GetPixels(filter->GetOutput());
  EXPECT_EQ(filter->GetNumberOfClasses(), 3U);
  EXPECT_EQ(filter->GetNumberOfIndexedOutputs(), 4U);

  HermesPipeline pipeline = MakePipeline();
  pipeline.preprocessing.spacing = { 1, 1, 1 };
  itk::nn::RawCase images;
  images.modalities.push_back(itk::nn::ToRawImage(*MakeVolume()));
  const auto prepared = pipeline.preprocessing.Apply(images);
  const auto model = MakeModel();
  const HermesSegmenter segmenter(model->GetRunner({}, 1), pipeline);
  const Tensor probabilities = segmenter.PredictProbabilities(prepared.volume);
  std::vector<double> greatest(found.size(), 0);
  std::vector<double> labels(found.size(), 0);
  for (unsigned int k = 0; k < 3; ++k)
  {
    const auto map = itk::nn::HermesPreprocessing::RestoreProbabilities(probabilities.Select(0, k), prepared.grid);
    const auto values = GetPixels(map.GetPointer());
    const auto * output = filter->GetProbabilityOutput(k);
    EXPECT_EQ(output->GetBufferedRegion(), filter->GetOutput()->GetLargestPossibleRegion());
    EXPECT_EQ(output->GetOrigin(), filter->GetInput()->GetOrigin());
    EXPECT_LT(itk::nn::test::MaximumDifference(GetPixels(output), values), 1e-6);
    for (std::size_t i = 0; i < values.size(); ++i)
    {
      if (values[i] >= 0.5 && values[i] > greatest[i])
      {
        greatest[i] = values[i];
        labels[i] = k + 1;
      }
    }
  }
  EXPECT_EQ(found, labels);
  for (const int label : { 0, 1, 2, 3 })
  {
    EXPECT_GT(std::count(found.begin(), found.end(), label), 0) << label;
  }
}

TEST(HermesImageFilter, KeepsTheGeometry)
{
  const auto plain = MakeFilter();
  plain->Update();
  const auto expected = GetPixels(plain->GetOutput());
  // The same voxels in space, in another order in memory.
  const auto input = MakeVolume();
  const auto region = input->GetLargestPossibleRegion();
  const auto turned = VolumeType::New();
  VolumeType::DirectionType direction;
  direction.Fill(0);
  direction[1][0] = direction[0][1] = 1;
  direction[2][2] = -1;
  turned->SetDirection(direction);
  const auto & spacing = input->GetSpacing();
  const double newSpacing[] = { spacing[1], spacing[0], spacing[2] };
  turned->SetSpacing(newSpacing);
  turned->SetRegions(VolumeType::SizeType{ { region.GetSize(1), region.GetSize(0), region.GetSize(2) } });
  turned->Allocate();
  auto last = region.GetIndex();
  last[2] = region.GetUpperIndex()[2];
  turned->SetOrigin(input->TransformIndexToPhysicalPoint<double>(last));
  for (itk::ImageRegionIteratorWithIndex<VolumeType> it(turned, turned->GetLargestPossibleRegion()); !it.IsAtEnd();
       ++it)
  {
    const auto index = it.GetIndex();
    it.Set(input->GetPixel({ { last[0] + index[1], last[1] + index[0], last[2] - index[2] } }));
  }
  const auto filter = MakeFilter();
  filter->SetInput(turned);
  filter->Update();
  const auto * output = filter->GetOutput();
  EXPECT_EQ(output->GetLargestPossibleRegion(), turned->GetLargestPossibleRegion());
  EXPECT_EQ(output->GetBufferedRegion(), turned->GetLargestPossibleRegion());
  EXPECT_EQ(output->GetSpacing(), turned->GetSpacing());
  EXPECT_EQ(output->GetOrigin(), turned->GetOrigin());
  EXPECT_EQ(output->GetDirection(), direction);
  // Axes are aligned with space before the network sees them.
  std::size_t equal = 0;
  for (itk::ImageRegionConstIteratorWithIndex<LabelVolumeType> it(output, output->GetLargestPossibleRegion());
       !it.IsAtEnd();
       ++it)
  {
    const auto index = it.GetIndex();
    equal +=
      it.Get() == plain->GetOutput()->GetPixel({ { last[0] + index[1], last[1] + index[0], last[2] - index[2] } });
  }
  EXPECT_GE(static_cast<double>(equal), 0.999 * static_cast<double>(expected.size()));
  EXPECT_EQ(plain->GetOutput()->GetLargestPossibleRegion(), region);
}

TEST(HermesImageFilter, TasksByNumberAndName)
{
  const auto labelsOf = [](int task, const std::string & name)
  {
    const auto filter = MakeFilter();
    filter->SetTask(task);
    filter->SetTaskName(name);
    filter->Update();
    return GetPixels(filter->GetOutput());
  };
  const auto first = labelsOf(-1, "");
  EXPECT_EQ(labelsOf(0, ""), first);
  EXPECT_EQ(labelsOf(-1, "abdomen"), first);
  EXPECT_EQ(labelsOf(0, "chest"), first) << "the number comes first";
  EXPECT_NE(labelsOf(-1, "chest"), first);

  const auto filter = MakeFilter();
  filter->SetTaskNumbers({ 3, 1 });
  filter->SetModality(0);
  filter->SetPipeline(MakePipeline().ToJson());
  filter->SetTask(1);
  filter->Update();
  EXPECT_EQ(GetPixels(filter->GetOutput()), first) << "numbers come first";
  filter->SetModality(-1);
  filter->SetTaskNumbers({ 5, 6, 7, 8 });
  filter->Update();
  EXPECT_EQ(filter->GetNumberOfClasses(), 4U);
}

TEST(HermesImageFilter, DataSetsOfThePaper)
{
  const auto model = MakeModel(false);
  const auto filter = MakeFilter();
  filter->SetModel(model);
  EXPECT_ERROR(filter->Update(), "The model has no domains; should be told a data set");
  filter->SetTaskName("BCV");
  EXPECT_EQ(filter->GetNumberOfClasses(), 13U);
  HermesPipeline pipeline = HermesPipeline::Make(HermesTask::Get("bcv"));
  pipeline.window = { 4, 16, 16 };
  filter->SetPipeline(pipeline.ToJson());
  filter->Update();
  const auto found = GetPixels(filter->GetOutput());
  const auto byNumbers = MakeFilter();
  byNumbers->SetModel(model);
  byNumbers->SetTaskNumbers({ 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31 });
  byNumbers->SetModality(0);
  byNumbers->SetPipeline(pipeline.ToJson());
  byNumbers->Update();
  EXPECT_EQ(GetPixels(byNumbers->GetOutput()), found);
  // Pools of 41 tasks do not reach to these.
  filter->SetTaskName("mnm");
  EXPECT_ERROR(filter->Update(), "tgt_idx");

  // What says how images are prepared.
  const auto chosen = [&](const itk::nn::HermesSelection & selection)
  { return itk::nn::FindHermesTask(*model, selection).pipeline.ToJson(); };
  itk::nn::HermesSelection selection;
  selection.name = "lits";
  EXPECT_EQ(chosen(selection), HermesPipeline::Make(HermesTask::Get("lits")).ToJson());
  selection.taskNumbers = { 2 };
  EXPECT_EQ(chosen(selection), HermesPipeline().ToJson());
  selection.modality = 0;
  EXPECT_NE(chosen(selection).find("-991"), std::string::npos);
  selection.pipeline = MakePipeline().ToJson();
  EXPECT_EQ(chosen(selection), MakePipeline().ToJson());
  const auto bare = MakeModel(true, false);
  EXPECT_ERROR(itk::nn::FindHermesTask(*bare, {}), "card does not say how images of the task are prepared");
}

TEST(HermesImageFilter, IntegerImages)
{
  using ShortType = itk::Image<short, 3>;
  using ShortFilter = itk::HermesImageFilter<ShortType, itk::Image<unsigned short, 3>>;
  const auto image = MakeImage<ShortType>({ { 12, 20, 5 } }, { { 0, 0, 0 } });
  const auto same = MakeImage<VolumeType>({ { 12, 20, 5 } }, { { 0, 0, 0 } });
  Random random(3);
  for (std::size_t i = 0; i < image->GetLargestPossibleRegion().GetNumberOfPixels(); ++i)
  {
    image->GetBufferPointer()[i] = static_cast<short>(100 * random());
    same->GetBufferPointer()[i] = image->GetBufferPointer()[i];
  }
  const auto model = MakeModel();
  const auto filter = ShortFilter::New();
  filter->SetInput(image);
  filter->SetModel(model);
  filter->Update();
  const itk::nn::RawImage raw{ same.GetPointer(), itk::nn::DataType::Int16 };
  const auto expected = HermesSegmenter(model->GetRunner({}, 0), MakePipeline()).Segment(raw);
  EXPECT_TRUE(expected.probabilities.empty());
  EXPECT_EQ(GetPixels(filter->GetOutput()), GetPixels(expected.labels.GetPointer()));
}

TEST(HermesImageFilter, NeedsTheWholeInput)
{
  const auto filter = MakeFilter();
  filter->ProduceProbabilitiesOn();
  filter->UpdateOutputInformation();
  auto part = filter->GetOutput()->GetLargestPossibleRegion();
  part.SetSize(0, 2);
  filter->GetOutput()->SetRequestedRegion(part);
  filter->Update();
  EXPECT_EQ(filter->GetOutput()->GetBufferedRegion(), filter->GetOutput()->GetLargestPossibleRegion());
  EXPECT_EQ(filter->GetProbabilityOutput(1)->GetBufferedRegion(), filter->GetOutput()->GetLargestPossibleRegion());
}

TEST(HermesImageFilter, ProbabilityOutputs)
{
  const auto filter = MakeFilter();
  filter->Update();
  const auto labels = GetPixels(filter->GetOutput());
  EXPECT_ERROR(filter->GetProbabilityOutput(0), "There are no probability outputs; call ProduceProbabilitiesOn()");
  filter->ProduceProbabilitiesOn();
  EXPECT_ERROR(filter->GetProbabilityOutput(2), "There is no probability output 2; the number of classes is 2");
  // One of them asks for the whole.
  auto * second = filter->GetProbabilityOutput(1);
  second->Update();
  EXPECT_EQ(GetPixels(filter->GetOutput()), labels);
  EXPECT_GT(*std::max_element(second->GetBufferPointer(), second->GetBufferPointer() + labels.size()), 0.5);
  filter->ProduceProbabilitiesOff();
  filter->Update();
  EXPECT_EQ(filter->GetNumberOfIndexedOutputs(), 1U);
}

TEST(HermesImageFilter, ProgressAndAbort)
{
  const auto filter = MakeFilter();
  std::vector<float> progress;
  const auto command = itk::CStyleCommand::New();
  command->SetClientData(&progress);
  command->SetCallback(
    [](itk::Object * caller, const itk::EventObject &, void * data)
    { static_cast<std::vector<float> *>(data)->push_back(dynamic_cast<itk::ProcessObject *>(caller)->GetProgress()); });
  filter->AddObserver(itk::ProgressEvent(), command);
  filter->Update();
  ASSERT_GE(progress.size(), 3U);
  EXPECT_TRUE(std::is_sorted(progress.begin(), progress.end()));
  EXPECT_EQ(progress.back(), 1);
  const auto expected = GetPixels(filter->GetOutput());

  const auto stopping = MakeFilter();
  const auto stop = itk::CStyleCommand::New();
  stop->SetCallback(
    [](itk::Object * caller, const itk::EventObject &, void *)
    {
      auto * process = dynamic_cast<itk::ProcessObject *>(caller);
      if (process->GetProgress() > 0.2)
      {
        process->AbortGenerateDataOn();
      }
    });
  const auto tag = stopping->AddObserver(itk::ProgressEvent(), stop);
  EXPECT_THROW(stopping->Update(), itk::ProcessAborted);
  EXPECT_EQ(stopping->GetOutput()->GetBufferedRegion().GetNumberOfPixels(), 0U);
  stopping->RemoveObserver(tag);
  stopping->AbortGenerateDataOff();
  stopping->Update();
  EXPECT_EQ(GetPixels(stopping->GetOutput()), expected);
}

TEST(HermesImageFilter, BadInput)
{
  const auto refuse = [](const std::function<void(FilterType &)> & change, const std::string & error)
  {
    const auto filter = MakeFilter();
    change(*filter);
    EXPECT_ERROR(filter->Update(), error);
    EXPECT_EQ(filter->GetOutput()->GetBufferedRegion().GetNumberOfPixels(), 0U) << error;
  };
  EXPECT_ERROR(
    [&]
    {
      const auto filter = FilterType::New();
      filter->SetInput(MakeVolume());
      filter->Update();
    }(),
    "No model is given; call SetModel()");
  EXPECT_ERROR(FilterType::New()->GetNumberOfClasses(), "No model is given");
  refuse([](FilterType & f) { f.SetTask(2); }, "task is 2, should be 0 to 1");
  refuse([](FilterType & f) { f.SetTaskName("lung"); }, "The model has no task 'lung'; it has abdomen, chest");
  refuse([](FilterType & f) { f.SetTaskNumbers({ 1, -1 }); }, "tgt_idx");
  refuse([](FilterType & f) { f.SetPipeline("{}"); }, "should be a JSON object with the key 'hermes'");
  refuse([](FilterType & f) { f.SetBackend("abacus"); }, "abacus");
  refuse([](FilterType & f) { f.SetDevice("toaster"); }, "toaster");
  refuse([](FilterType & f) { f.SetPrecision("float8"); }, "float8");
  refuse([](FilterType & f) { f.SetModel(itk::SegmentationModel::GetDefault()); },
         "The network is universeg, should be hermes");
  refuse([](FilterType & f) { f.SetInput(MakeVolume({ { 8, 8, 0 } })); }, "The input image has no pixels");
  refuse(
    [](FilterType & f)
    {
      const auto volume = MakeVolume();
      volume->SetPixel({ { 4, -1, 23 } }, std::numeric_limits<float>::quiet_NaN());
      f.SetInput(volume);
    },
    "NaN or infinite at index [4, -1, 23]");
  refuse(
    [](FilterType & f)
    {
      const auto volume = MakeVolume();
      volume->FillBuffer(7);
      f.SetInput(volume);
    },
    "all voxels are 7 after clipping");
}

TEST(HermesImageFilter, SettingsAndPrint)
{
  const auto filter = FilterType::New();
  EXPECT_STREQ(filter->GetNameOfClass(), "HermesImageFilter");
  EXPECT_EQ(filter->GetTask(), -1);
  EXPECT_EQ(filter->GetTaskName(), "");
  EXPECT_TRUE(filter->GetTaskNumbers().empty());
  EXPECT_EQ(filter->GetModality(), -1);
  EXPECT_EQ(filter->GetPipeline(), "");
  EXPECT_FALSE(filter->GetProduceProbabilities());
  EXPECT_EQ(filter->GetBackend(), "auto");
  EXPECT_EQ(filter->GetDevice(), "cpu");
  EXPECT_EQ(filter->GetPrecision(), "float32");
  EXPECT_FALSE(filter->GetDeterministic());
  EXPECT_EQ(filter->GetModel(), nullptr);
  const auto before = filter->GetMTime();
  filter->SetTask(-1);
  filter->SetTaskNumbers({});
  EXPECT_EQ(filter->GetMTime(), before);
  filter->SetTaskNumbers({ 4, 5 });
  EXPECT_GT(filter->GetMTime(), before);
  EXPECT_EQ(filter->GetTaskNumbers(), (std::vector<int>{ 4, 5 }));
  filter->SetTask(2);
  filter->SetTaskName("liver");
  filter->SetModality(3);
  filter->SetPipeline("{}");
  filter->ProduceProbabilitiesOn();
  filter->SetBackend("onednn");
  filter->SetDevice("auto");
  filter->SetPrecision("float64");
  filter->DeterministicOn();
  EXPECT_EQ(filter->GetTaskName(), "liver");
  EXPECT_EQ(filter->GetModality(), 3);
  EXPECT_EQ(filter->GetPipeline(), "{}");
  EXPECT_TRUE(filter->GetDeterministic());
  std::ostringstream printed;
  filter->Print(printed);
  for (const char * line : { "Task: 2",
                             "TaskName: liver",
                             "TaskNumbers: 4 5",
                             "Modality: 3",
                             "Pipeline: {}",
                             "ProduceProbabilities: On",
                             "Backend: onednn",
                             "Device: auto",
                             "Precision: float64",
                             "Deterministic: On" })
  {
    EXPECT_NE(printed.str().find(line), std::string::npos) << line;
  }
}
