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
#include "itkNNVolumeTraining.h"

#include "itkHermesNetwork.h"
#include "itkNNRegisterBackends.h"
#include "itkNNVolumeTestHelpers.h"

#include <algorithm>
#include <set>

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
namespace fs = std::filesystem;
using Volume = itk::Image<float, 3>;
using Labels = itk::Image<short, 3>;

/** A score for each class, from the intensity of the pixel alone. */
class IntensityNetwork : public Network
{
public:
  static constexpr std::int64_t classes = 3;

  std::string GetName() const override
  {
    return "intensity";
  }
  std::string GetConfiguration() const override
  {
    return "{}";
  }
  std::vector<Parameter> GetParameters() const override
  {
    return { { "weight", { classes, 1, 1, 1, 1 } }, { "bias", { classes } } };
  }
  std::vector<std::string> GetInputNames() const override
  {
    return { "input" };
  }
  Graph BuildGraph(const ShapeMap & inputs) const override
  {
    Graph graph;
    const ValueId x = graph.AddInput("input", inputs.at("input"));
    Convolution convolution;
    convolution.padding = { 0, 0, 0 };
    graph.AddOutput("logits",
                    graph.Convolve(x,
                                   graph.AddParameter("weight", { classes, 1, 1, 1, 1 }),
                                   graph.AddParameter("bias", { classes }),
                                   convolution));
    return graph;
  }

  /** Logits 0, x and 2 x - 3: class 0 below 0, class 2 above 3. */
  static StateDict MakeWeights()
  {
    StateDict weights;
    Tensor weight({ classes, 1, 1, 1, 1 });
    Tensor bias({ classes });
    const float slopes[] = { 0, 1, 2 };
    const float offsets[] = { 0, 0, -3 };
    std::copy_n(slopes, classes, weight.GetData<float>());
    std::copy_n(offsets, classes, bias.GetData<float>());
    weights.Add("weight", weight);
    weights.Add("bias", bias);
    return weights;
  }
};

class VolumeTraining : public VolumeTest
{
protected:
  void SetUp() override
  {
    VolumeTest::SetUp();
    RegisterBackends();
  }

  VolumeCase WriteCase(const std::string & name,
                       const Volume::SizeType & size,
                       const std::function<float(const Volume::IndexType &)> & pixel,
                       const std::function<short(const Labels::IndexType &)> & label) const
  {
    VolumeCase files;
    files.images = { this->WriteImage<Volume>(name + ".mha", size, pixel) };
    files.label = this->WriteImage<Labels>(name + "_lab.mha", size, label);
    return files;
  }

  /** Of [4, 4, 6]: a ramp along x that begins at 10 times the number of the case. */
  VolumeCase WriteNumbered(int number, std::size_t slices = 4) const
  {
    return this->WriteCase(
      "v" + std::to_string(number),
      { { 6, 4, slices } },
      [number](const auto & index) { return static_cast<float>(10 * number + index[0]); },
      [](const auto & index) { return static_cast<short>(index[1] % 2); });
  }

  std::shared_ptr<const VolumeCache> WriteCases(int count) const
  {
    std::vector<VolumeCase> files;
    for (int number = 0; number < count; ++number)
    {
      files.push_back(this->WriteNumbered(number));
    }
    return std::make_shared<const VolumeCache>(files);
  }

  static std::shared_ptr<const VolumeCache> MakeCache(std::vector<VolumeCase> files)
  {
    return std::make_shared<const VolumeCache>(std::move(files));
  }
};

SampleTransforms
MakeTransforms(const std::string & more = "", int classes = 2)
{
  return SampleTransforms::FromJson('[' + more + R"({"name":"LabelToProbability","options":{"class_num":)" +
                                    std::to_string(classes) + "}}]");
}

constexpr const char * randomCrop = R"({"name":"RandomCrop","options":{"output_size":[2,2,3]}},)";

/** Which cases a batch has. */
std::vector<int>
NumbersOf(const TensorMap & batch)
{
  const Tensor & input = batch.at("input");
  std::vector<int> numbers;
  for (std::int64_t i = 0; i < input.GetShape()[0]; ++i)
  {
    numbers.push_back(static_cast<int>(input.Slice(0, i, i + 1).ToVector<float>()[0]) / 10);
  }
  return numbers;
}
} // namespace

TEST_F(VolumeTraining, ShapesAndValuesOfBatches)
{
  const VolumeBatchSource source(this->WriteCases(3), MakeTransforms(), 2, 1);
  const TensorMap batch = source.MakeBatch(0);
  ASSERT_EQ(batch.size(), 2U);
  EXPECT_EQ(batch.at("input").GetShape(), (Shape{ 2, 1, 4, 4, 6 }));
  EXPECT_EQ(batch.at("label").GetShape(), (Shape{ 2, 2, 4, 4, 6 }));
  const auto numbers = NumbersOf(batch);
  EXPECT_NE(numbers[0], numbers[1]);
  const auto image = batch.at("input").ToVector<float>();
  const auto label = batch.at("label").ToVector<float>();
  constexpr std::size_t pixels = 4 * 4 * 6;
  for (std::size_t b = 0; b < 2; ++b)
  {
    for (std::size_t i = 0; i < pixels; ++i)
    {
      ASSERT_EQ(image[b * pixels + i], 10.0F * static_cast<float>(numbers[b]) + static_cast<float>(i % 6));
      const bool isSet = i / 6 % 2 == 1;
      ASSERT_EQ(label[2 * b * pixels + i], isSet ? 0 : 1);
      ASSERT_EQ(label[(2 * b + 1) * pixels + i], isSet ? 1 : 0);
    }
  }
  const Sample sample = source.MakeSample(1);
  EXPECT_EQ(sample.image.ToVector<float>(), batch.at("input").Slice(0, 1, 2).ToVector<float>());
}

TEST_F(VolumeTraining, EveryCaseOnceAnEpoch)
{
  // Of five, two batches of two; one case is left out each time.
  const VolumeBatchSource source(this->WriteCases(5), MakeTransforms(), 2, 7);
  std::set<std::vector<int>> orders;
  std::set<int> seen;
  for (std::uint64_t epoch = 0; epoch < 12; ++epoch)
  {
    std::vector<int> order = NumbersOf(source.MakeBatch(2 * epoch));
    const auto second = NumbersOf(source.MakeBatch(2 * epoch + 1));
    order.insert(order.end(), second.begin(), second.end());
    const std::set<int> distinct(order.begin(), order.end());
    EXPECT_EQ(distinct.size(), 4U) << "epoch " << epoch;
    seen.insert(order.begin(), order.end());
    orders.insert(order);
  }
  EXPECT_EQ(seen.size(), 5U);
  EXPECT_GT(orders.size(), 6U);
}

TEST_F(VolumeTraining, BatchesDependOnSeedAndPositionAlone)
{
  const auto cases = this->WriteCases(4);
  const auto source = std::make_shared<const VolumeBatchSource>(cases, MakeTransforms(randomCrop), 2, 3);
  const VolumeBatchSource again(cases, MakeTransforms(randomCrop), 2, 3);
  const VolumeBatchSource other(cases, MakeTransforms(randomCrop), 2, 4);
  std::vector<std::vector<float>> images;
  bool isOther = false;
  for (std::uint64_t position = 0; position < 8; ++position)
  {
    images.push_back(source->MakeBatch(position).at("input").ToVector<float>());
    EXPECT_EQ(source->MakeBatch(position).at("input").GetShape(), (Shape{ 2, 1, 2, 2, 3 }));
    isOther = isOther || other.MakeBatch(position).at("input").ToVector<float>() != images.back();
  }
  EXPECT_TRUE(isOther);
  for (std::uint64_t position = 8; position-- > 0;)
  {
    EXPECT_EQ(again.MakeBatch(position).at("input").ToVector<float>(), images[position]);
  }
  BatchPrefetcher prefetcher(source, 0, 1, 3, 2);
  for (const auto & expected : images)
  {
    EXPECT_EQ(prefetcher.Next().at("input").ToVector<float>(), expected);
  }
  // Another crop of the same case in another epoch.
  const VolumeBatchSource one(MakeCache({ this->WriteNumbered(0) }), MakeTransforms(randomCrop), 1, 3);
  std::set<std::vector<float>> crops;
  for (std::uint64_t position = 0; position < 20; ++position)
  {
    crops.insert(one.MakeBatch(position).at("input").ToVector<float>());
  }
  EXPECT_EQ(crops.size(), 4U);
}

TEST_F(VolumeTraining, WeightsOfPixels)
{
  VolumeCase first = this->WriteNumbered(0);
  VolumeCase second = this->WriteNumbered(1);
  first.pixelWeight = this->WriteImage<Volume>("w0.mha", { { 6, 4, 4 } }, [](const auto &) { return 0.25F; });
  const VolumeBatchSource one(MakeCache({ first }), MakeTransforms(randomCrop), 1, 1);
  const Tensor weight = one.MakeBatch(0).at("pixel_weight");
  EXPECT_EQ(weight.GetShape(), (Shape{ 1, 1, 2, 2, 3 }));
  EXPECT_EQ(weight.ToVector<float>(), std::vector<float>(12, 0.25F));
  // Whichever comes first.
  for (std::uint64_t seed = 0; seed < 8; ++seed)
  {
    const VolumeBatchSource mixed(MakeCache({ first, second }), MakeTransforms(), 2, seed);
    EXPECT_NN_ERROR(mixed.MakeBatch(0), "pixel weight");
  }
  second.pixelWeight = first.pixelWeight;
  const VolumeBatchSource both(MakeCache({ first, second }), MakeTransforms(), 2, 1);
  EXPECT_EQ(both.MakeBatch(0).at("pixel_weight").GetShape(), (Shape{ 2, 1, 4, 4, 6 }));
}

TEST_F(VolumeTraining, ErrorsOfBatches)
{
  const auto cases = this->WriteCases(3);
  EXPECT_NN_ERROR(VolumeBatchSource(nullptr, MakeTransforms(), 1, 1), "Batches need cases");
  EXPECT_NN_ERROR(VolumeBatchSource(cases, MakeTransforms(), 0, 1), "A batch has 0 samples, should have 1 to 3");
  EXPECT_NN_ERROR(VolumeBatchSource(cases, MakeTransforms(), 4, 1), "A batch has 4 samples, should have 1 to 3");
  const VolumeBatchSource bare(cases, {}, 1, 1);
  EXPECT_NN_ERROR(bare.MakeBatch(0), "LabelToProbability should be one of them");
  EXPECT_NN_ERROR(bare.MakeBatch(0), ".mha': the transforms for training");

  VolumeCase broken = this->WriteNumbered(7);
  fs::remove(broken.label);
  const VolumeBatchSource absent(MakeCache({ broken }), MakeTransforms(), 1, 1);
  EXPECT_NN_ERROR(absent.MakeBatch(0), "v7.mha': ");
  EXPECT_NN_ERROR(absent.MakeBatch(0), "v7_lab.mha");
  broken.label.clear();
  const VolumeBatchSource unlabelled(MakeCache({ broken }), MakeTransforms(), 1, 1);
  EXPECT_NN_ERROR(unlabelled.MakeBatch(0), "v7.mha': ");
  const VolumeBatchSource narrow(MakeCache({ this->WriteNumbered(0) }),
                                 MakeTransforms(R"({"name":"RandomCrop","options":{"output_size":[8,8,8]}},)"),
                                 1,
                                 1);
  EXPECT_NN_ERROR(narrow.MakeBatch(0), "v0.mha': ");

  const VolumeBatchSource different(
    MakeCache({ this->WriteNumbered(0), this->WriteNumbered(1, 5) }), MakeTransforms(), 2, 1);
  EXPECT_NN_ERROR(different.MakeBatch(0), "A batch: the image of a sample is [1, ");
  // A crop makes them the same.
  const VolumeBatchSource cropped(
    MakeCache({ this->WriteNumbered(0), this->WriteNumbered(1, 5) }), MakeTransforms(randomCrop), 2, 1);
  EXPECT_EQ(cropped.MakeBatch(0).at("input").GetShape(), (Shape{ 2, 1, 2, 2, 3 }));
}

namespace
{
/** Dice of a class, as the definition says. */
double
DiceOf(const std::vector<int> & a, const std::vector<int> & b, int value)
{
  double both = 0;
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
  {
    both += a[i] == value && b[i] == value ? 1 : 0;
    sum += (a[i] == value ? 1 : 0) + (b[i] == value ? 1 : 0);
  }
  return sum == 0 ? 1 : 2 * both / sum;
}

int
Classify(float intensity)
{
  return intensity < 0 ? 0 : intensity < 3 ? 1 : 2;
}
} // namespace

TEST_F(VolumeTraining, ValidationIsTheMeanDice)
{
  const Volume::SizeType size{ { 6, 5, 4 } };
  const auto bright = [](const auto & index)
  { return static_cast<float>((index[0] * 3 + index[1] * 5 + index[2] * 7) % 8) - 2.5F; };
  const auto dark = [](const auto & index)
  { return static_cast<float>((index[0] * 3 + index[1] * 5 + index[2] * 7) % 4) - 1.5F; };
  const auto threeLabels = [](const auto & index) { return static_cast<short>((index[0] + index[1]) % 3); };
  const auto twoLabels = [](const auto & index) { return static_cast<short>((index[0] + index[2]) % 2); };
  const auto cases =
    MakeCache({ this->WriteCase("a", size, bright, threeLabels), this->WriteCase("b", size, dark, twoLabels) });

  double expected[3] = { 0, 0, 0 };
  double cropped[3] = { 0, 0, 0 };
  for (const bool isFirst : { true, false })
  {
    std::vector<int> found;
    std::vector<int> labels;
    std::vector<int> foundInside;
    std::vector<int> labelsInside;
    Volume::IndexType index;
    for (index[2] = 0; index[2] < 4; ++index[2])
    {
      for (index[1] = 0; index[1] < 5; ++index[1])
      {
        for (index[0] = 0; index[0] < 6; ++index[0])
        {
          found.push_back(Classify(isFirst ? bright(index) : dark(index)));
          labels.push_back(isFirst ? threeLabels(index) : twoLabels(index));
          // What CenterCrop to [2, 3, 4] leaves.
          const bool isInside =
            index[2] >= 1 && index[2] < 3 && index[1] >= 1 && index[1] < 4 && index[0] >= 1 && index[0] < 5;
          if (isInside)
          {
            foundInside.push_back(found.back());
            labelsInside.push_back(labels.back());
          }
        }
      }
    }
    for (int c = 0; c < 3; ++c)
    {
      expected[c] += DiceOf(found, labels, c) / 2;
      cropped[c] += DiceOf(foundInside, labelsInside, c) / 2;
    }
    // The second case has no class 2, which scores 1.
    EXPECT_EQ(DiceOf(found, labels, 2) == 1, !isFirst);
  }

  const auto network = std::make_shared<const IntensityNetwork>();
  const StateDict weights = IntensityNetwork::MakeWeights();
  VolumePipeline pipeline;
  pipeline.transforms = MakeTransforms("", 3);
  const auto expectScores = [&](const double(&dice)[3])
  {
    const ValidationResult result = VolumeValidation(network, cases, pipeline).Run(weights);
    ASSERT_EQ(result.metrics.size(), 4U);
    for (std::size_t c = 0; c < 3; ++c)
    {
      EXPECT_NEAR(result.metrics.at("dice-" + std::to_string(c)), dice[c], 1e-12);
    }
    // Class 0 does not count.
    EXPECT_NEAR(result.score, (dice[1] + dice[2]) / 2, 1e-12);
    EXPECT_EQ(result.metrics.at("dice"), result.score);
  };
  expectScores(expected);
  SlidingWindowOptions windows;
  windows.windows.window = { 2, 3, 4 };
  windows.windows.stride = { 1, 2, 2 };
  windows.batchSize = 4;
  pipeline.windows = windows;
  expectScores(expected);
  // Compared as the transforms leave them.
  pipeline.transforms = MakeTransforms(R"({"name":"CenterCrop","options":{"output_size":[2,3,4]}},)", 3);
  expectScores(cropped);
}

TEST_F(VolumeTraining, ValidationsOfTasksAreJoined)
{
  const ValidationResult joined = JoinValidations(
    { { "heart", { 0.5, { { "dice", 0.5 }, { "dice-0", 0.875 } } } }, { "liver", { 0.25, { { "dice", 0.25 } } } } });
  EXPECT_EQ(joined.score, 0.375);
  const std::map<std::string, double> expected{
    { "dice", 0.375 }, { "heart.dice", 0.5 }, { "heart.dice-0", 0.875 }, { "liver.dice", 0.25 }
  };
  EXPECT_EQ(joined.metrics, expected);
  EXPECT_NN_ERROR(JoinValidations({}), "There is no validation of a task");
}

TEST_F(VolumeTraining, ErrorsOfValidation)
{
  const auto network = std::make_shared<const IntensityNetwork>();
  const StateDict weights = IntensityNetwork::MakeWeights();
  const auto cases = MakeCache({ this->WriteNumbered(0) });
  EXPECT_NN_ERROR(VolumeValidation(nullptr, cases, {}), "needs a network and cases");
  EXPECT_NN_ERROR(VolumeValidation(network, nullptr, {}), "needs a network and cases");
  EXPECT_NN_ERROR(VolumeValidation(network, cases, {}).Run(weights),
                  "v0.mha': the transforms for validation make no label probabilities");
  VolumePipeline pipeline;
  pipeline.transforms = MakeTransforms();
  EXPECT_NN_ERROR(VolumeValidation(network, cases, pipeline).Run(weights),
                  "v0.mha': the network gives [3, 4, 4, 6], the label probabilities are [2, 4, 4, 6]");
  EXPECT_NN_ERROR(VolumeValidation(network, cases, pipeline).Run({}), "weight");
  VolumeCase broken = this->WriteNumbered(1);
  fs::remove(broken.GetName());
  EXPECT_NN_ERROR(VolumeValidation(network, MakeCache({ broken }), pipeline).Run(weights), "v1.mha");
}

namespace
{
/** Classes by themselves: above 0, and above 1.5. */
class SeparateNetwork : public IntensityNetwork
{
public:
  bool IsMultiLabel() const override
  {
    return true;
  }
};

/** Domains of three and of one class. */
Network::ConstPointer
MakeHermes()
{
  return Network::Create("hermes", R"({"base_ch": 8, "tn": 6, "mn": 3, "domains":
    [{"tgt_idx": [2, 0, 3], "mod_idx": 1}, {"tgt_idx": [4], "mod_idx": -1}]})");
}
} // namespace

/** A case counts for the classes that it has, and several classes may be in a voxel. */
TEST_F(VolumeTraining, ValidationOfSeparateClasses)
{
  const Volume::SizeType size{ { 4, 2, 2 } };
  // Logits 0, x and 2 x - 3 of x = -1, 0, 1, 2: everywhere, in three of four, in one of four voxels.
  const auto pixel = [](const auto & index) { return static_cast<float>(index[0]) - 1; };
  const auto cases = MakeCache(
    { this->WriteCase("a", size, pixel, [](const auto & index) { return static_cast<short>(index[0] == 3 ? 3 : 0); }),
      this->WriteCase("b", size, pixel, [](const auto & index) { return static_cast<short>(index[0] < 2 ? 2 : 0); }) });
  VolumePipeline pipeline;
  pipeline.transforms = MakeTransforms("", 4);
  const auto network = std::make_shared<const SeparateNetwork>();
  const ValidationResult result = VolumeValidation(network, cases, pipeline).Run(IntensityNetwork::MakeWeights());
  const std::map<std::string, double> expected{ { "dice", (0.4 + 1) / 2 }, { "dice-2", 0.4 }, { "dice-3", 1 } };
  ASSERT_EQ(result.metrics.size(), expected.size());
  for (const auto & [name, value] : expected)
  {
    EXPECT_NEAR(result.metrics.at(name), value, 1e-12) << name;
  }
  EXPECT_EQ(result.score, result.metrics.at("dice"));
  pipeline.transforms = MakeTransforms("", 5);
  EXPECT_NN_ERROR(VolumeValidation(network, cases, pipeline).Run(IntensityNetwork::MakeWeights()),
                  "the network gives [3, 2, 2, 4], the label probabilities are [5, 2, 2, 4], should be [4, 2, 2, 4]");
}

TEST_F(VolumeTraining, BatchesOfSeveralTasks)
{
  const auto network = MakeHermes();
  const Volume::SizeType size{ { 6, 4, 4 } };
  const auto write = [&](int number, int classes)
  {
    return this->WriteCase(
      "m" + std::to_string(number),
      size,
      [number](const auto & index) { return static_cast<float>(10 * number + index[0]); },
      [classes](const auto & index) { return static_cast<short>(index[0] % (classes + 1)); });
  };
  const auto first = MakeCache({ write(0, 3), write(1, 3), write(2, 3) });
  const auto second = MakeCache({ write(3, 1) });
  const auto make = [&](double weight, std::int64_t batch, std::uint64_t seed)
  {
    return MixedVolumeBatchSource(
      network, { { 0, first, MakeTransforms("", 4), 1 }, { 1, second, MakeTransforms("", 2), weight } }, batch, seed);
  };
  // Three images of weight 1, one of weight 3: half of the draws, independently.
  const MixedVolumeBatchSource source = make(3, 4, 5);
  std::map<int, int> counts;
  bool isMixed = false;
  for (std::uint64_t position = 0; position < 100; ++position)
  {
    const TensorMap batch = source.MakeBatch(position);
    const auto numbers = NumbersOf(batch);
    const bool hasFirst = std::any_of(numbers.begin(), numbers.end(), [](int number) { return number < 3; });
    const bool hasSecond = std::any_of(numbers.begin(), numbers.end(), [](int number) { return number == 3; });
    isMixed = isMixed || (hasFirst && hasSecond);
    const std::int64_t columns = hasFirst ? 4 : 2;
    ASSERT_EQ(batch.at("label").GetShape(), (Shape{ 4, columns, 4, 4, 6 }));
    ASSERT_EQ(batch.at("tgt_idx").GetShape(), (Shape{ 4, columns }));
    const auto label = batch.at("label").ToVector<float>();
    const auto modality = batch.at("mod_idx").ToVector<std::int64_t>();
    const auto weight = batch.at("channel_weight").ToVector<float>();
    for (std::size_t i = 0; i < 4; ++i)
    {
      ++counts[numbers[i]];
      const int classes = numbers[i] < 3 ? 3 : 1;
      ASSERT_EQ(modality[i], numbers[i] < 3 ? 1 : -1);
      for (std::size_t c = 0; c < static_cast<std::size_t>(columns); ++c)
      {
        const std::size_t channel = i * static_cast<std::size_t>(columns) + c;
        ASSERT_EQ(weight[channel], static_cast<int>(c) < classes ? 1 : 0);
        for (std::size_t x = 0; x < 6; ++x)
        {
          const bool isSet = static_cast<int>(c) < classes && x % static_cast<std::size_t>(classes + 1) == c + 1;
          ASSERT_EQ(label[channel * 96 + x], isSet ? 1 : 0) << i << ' ' << c << ' ' << x;
        }
      }
    }
  }
  EXPECT_TRUE(isMixed);
  for (int number = 0; number < 3; ++number)
  {
    EXPECT_NEAR(counts[number], 67, 27) << number;
  }
  EXPECT_NEAR(counts[3], 200, 40);
  EXPECT_EQ(make(3, 4, 5).MakeBatch(7).at("input").ToVector<float>(),
            source.MakeBatch(7).at("input").ToVector<float>());
  EXPECT_EQ(NumbersOf(make(0, 8, 1).MakeBatch(0)).size(), 8U);
  for (const int number : NumbersOf(make(0, 8, 1).MakeBatch(0)))
  {
    EXPECT_LT(number, 3);
  }

  EXPECT_NN_ERROR(make(-1, 1, 1), "the weight of task 1 is -1, should be at least 0");
  EXPECT_NN_ERROR(make(1, 0, 1), "at least one image, not 0");
  EXPECT_NN_ERROR(MixedVolumeBatchSource(network, {}, 1, 1), "there is no task with a weight above 0");
  EXPECT_NN_ERROR(MixedVolumeBatchSource(network, { { 2, first, {}, 1 } }, 1, 1), "an image is of task 2");
  const MixedVolumeBatchSource wrong(network, { { 1, first, MakeTransforms("", 4), 1 } }, 1, 1);
  EXPECT_NN_ERROR(wrong.MakeBatch(0), "has labels of 4 classes, background included; should be 2, those of task 1");
}
