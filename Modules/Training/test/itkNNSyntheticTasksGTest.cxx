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
#include "itkNNSyntheticTasks.h"

#include "itkNNTestHelpers.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

using namespace itk::nn;

namespace
{
double
AreaOf(const TrainingExample & example)
{
  const auto labels = example.label.ToVector<float>();
  double sum = 0;
  for (const float label : labels)
  {
    EXPECT_TRUE(label == 0 || label == 1);
    sum += static_cast<double>(label);
  }
  return sum / static_cast<double>(labels.size());
}

/** Overlap of two labels. */
double
DiceOf(const TrainingExample & a, const TrainingExample & b)
{
  const auto x = a.label.ToVector<double>();
  const auto y = b.label.ToVector<double>();
  double both = 0;
  double sizes = 0;
  for (std::size_t i = 0; i < x.size(); ++i)
  {
    both += x[i] * y[i];
    sizes += x[i] + y[i];
  }
  return 2 * both / sizes;
}

void
CheckTask(const TrainingTask & task, const TaskRequest & request)
{
  ASSERT_EQ(static_cast<std::int64_t>(task.examples.size()), request.examples) << task.name;
  for (const auto & example : task.examples)
  {
    EXPECT_EQ(example.image.GetShape(), (Shape{ request.height, request.width }));
    EXPECT_EQ(example.label.GetShape(), (Shape{ request.height, request.width }));
    const auto image = example.image.ToVector<float>();
    const auto range = std::minmax_element(image.begin(), image.end());
    EXPECT_GE(*range.first, 0) << task.name;
    EXPECT_LE(*range.second, 1) << task.name;
    EXPECT_GT(*range.second - *range.first, 0.5) << task.name;
    EXPECT_GT(AreaOf(example), 0) << task.name;
  }
}

bool
AreEqual(const TrainingTask & a, const TrainingTask & b)
{
  bool isSame = a.examples.size() == b.examples.size() && a.name == b.name;
  for (std::size_t i = 0; isSame && i < a.examples.size(); ++i)
  {
    isSame = a.examples[i].image.ToVector<float>() == b.examples[i].image.ToVector<float>() &&
             a.examples[i].label.ToVector<float>() == b.examples[i].label.ToVector<float>();
  }
  return isSame;
}
} // namespace

TEST(SyntheticTasks, TasksOfAllFamilies)
{
  const SyntheticTaskSource source;
  EXPECT_EQ(source.GetName(), "synthetic shapes");
  const TaskRequest request{ 4, 48, 64 };
  const RandomStream random(3);
  std::map<std::string, int> names;
  for (std::uint64_t i = 0; i < 60; ++i)
  {
    RandomStream own = random.Derive(i);
    const TrainingTask task = source.Sample(own, request);
    CheckTask(task, request);
    double area = 0;
    for (const auto & example : task.examples)
    {
      area += AreaOf(example) / 4;
    }
    EXPECT_GE(area, source.GetOptions().minimumArea);
    EXPECT_LE(area, source.GetOptions().maximumArea);
    EXPECT_NE(task.examples[0].image.ToVector<float>(), task.examples[1].image.ToVector<float>());
    ++names[task.name];
  }
  EXPECT_EQ(names.size(), 5U) << "each family has its turn";
}

TEST(SyntheticTasks, SameForTheSameSeed)
{
  const SyntheticTaskSource source;
  const TaskRequest request{ 3, 32, 32 };
  for (std::uint64_t i = 0; i < 10; ++i)
  {
    RandomStream a = RandomStream(5).Derive(i);
    RandomStream b = RandomStream(5).Derive(i);
    RandomStream c = RandomStream(6).Derive(i);
    const TrainingTask task = source.Sample(a, request);
    EXPECT_TRUE(AreEqual(task, source.Sample(b, request)));
    EXPECT_FALSE(AreEqual(task, source.Sample(c, request)));
  }
}

TEST(SyntheticTasks, SubjectsOfAPerlinTaskShareItsShape)
{
  SyntheticTaskOptions options;
  options.objectWeight = 0;
  options.tubeWeight = 0;
  options.anatomyWeight = 0;
  options.deformation.displacement = { 1, 3 };
  options.deformation.rotation = { 0, 0 };
  options.deformation.anyRotationProbability = 0;
  options.deformation.scale = { 0, 0 };
  options.deformation.translation = { 0, 0 };
  options.minimumArea = 0.05;
  const SyntheticTaskSource source(options);
  double overlap = 0;
  for (std::uint64_t i = 0; i < 10; ++i)
  {
    RandomStream own = RandomStream(1).Derive(i);
    const TrainingTask task = source.Sample(own, { 2, 64, 64 });
    EXPECT_EQ(task.name, "synthetic shapes: Perlin-style labels");
    overlap += DiceOf(task.examples[0], task.examples[1]) / 10;
  }
  EXPECT_GT(overlap, 0.8);
}

TEST(SyntheticTasks, BlurHidesNoThinStructures)
{
  SyntheticTaskOptions options;
  options.perlinWeight = 0;
  options.objectWeight = 0;
  options.anatomyWeight = 0;
  options.objectImaging.blur = { 100, 100 }; // 25 pixels of these images
  options.objectImaging.noise = { 0, 0 };
  options.objectImaging.leastDeviation = { 0, 0 };
  options.objectImaging.greatestDeviation = { 0, 0 };
  const SyntheticTaskSource source(options);
  const RandomStream random(2);
  double sum = 0;
  constexpr int tasks = 10;
  for (std::uint64_t i = 0; i < tasks; ++i)
  {
    RandomStream own = random.Derive(i);
    const TrainingTask task = source.Sample(own, { 1, 64, 64 });
    const auto image = task.examples[0].image.ToVector<float>();
    const auto label = task.examples[0].label.ToVector<float>();
    // Steps of the intensity at the edges of what is to be found.
    double steps = 0;
    double edges = 0;
    for (std::size_t k = 2; k < image.size(); ++k)
    {
      if (k % 64 > 1 && label[k] != label[k - 2])
      {
        steps += std::abs(static_cast<double>(image[k] - image[k - 2]));
        edges += 1;
      }
    }
    sum += steps / edges / tasks;
  }
  EXPECT_GT(sum, 0.1);
}

TEST(SyntheticTasks, ImagesHaveToneCurvesOfTheirOwn)
{
  // Standard deviation of the foreground's mean between the images of a task.
  const auto vary = [](double tone)
  {
    SyntheticTaskOptions options;
    options.perlinWeight = options.tubeWeight = options.anatomyWeight = 0;
    options.objectImaging.subjectDeviation = { 0, 0 };
    options.objectImaging.biasDeviation = { 0, 0 };
    options.objectImaging.noise = { 0, 0 };
    options.objectImaging.toneDeviation = { tone, tone };
    const SyntheticTaskSource source(options);
    const RandomStream random(4);
    double sum = 0;
    constexpr int tasks = 20;
    for (std::uint64_t i = 0; i < tasks; ++i)
    {
      RandomStream own = random.Derive(i);
      const TrainingTask task = source.Sample(own, { 6, 48, 48 });
      double means = 0;
      double squares = 0;
      for (const auto & example : task.examples)
      {
        const auto image = example.image.ToVector<double>();
        const auto label = example.label.ToVector<double>();
        const double area = std::accumulate(label.begin(), label.end(), 0.0);
        const double mean = std::inner_product(image.begin(), image.end(), label.begin(), 0.0) / area;
        means += mean / 6;
        squares += mean * mean / 6;
      }
      sum += std::sqrt(std::max(squares - means * means, 0.0)) / tasks;
    }
    return sum;
  };
  EXPECT_GT(vary(0.8), 1.5 * vary(0));
}

TEST(SyntheticTasks, Errors)
{
  const auto refuse = [](auto change, const std::string & message)
  {
    SyntheticTaskOptions options;
    change(options);
    EXPECT_NN_ERROR(SyntheticTaskSource{ options }, message);
  };
  refuse([](SyntheticTaskOptions & o) { o.tubeWeight = -1; }, "tubes");
  refuse([](SyntheticTaskOptions & o) { o.perlinWeight = o.objectWeight = o.tubeWeight = o.anatomyWeight = 0; },
         "The weights of all kinds of synthetic tasks are 0");
  refuse([](SyntheticTaskOptions & o) { o.minimumLabels = 1; }, "1 to 19; they should ascend within [2, 1000]");
  refuse([](SyntheticTaskOptions & o) { o.labelSpacings = {}; }, "label spacings are an empty list");
  refuse([](SyntheticTaskOptions & o) { o.maximumArea = 0; }, "maximum area");
  refuse([](SyntheticTaskOptions & o) { o.unionProbability = 2; }, "united labels");
  refuse([](SyntheticTaskOptions & o) { o.imaging.blur = { 3, 1 }; }, "blur");
  refuse([](SyntheticTaskOptions & o) { o.imaging.toneDeviation = { 0, 4 }; }, "tone deviation");
  refuse([](SyntheticTaskOptions & o) { o.deformation.spacings = {}; }, "deformation");
  const SyntheticTaskSource source;
  RandomStream random(1);
  EXPECT_NN_ERROR(source.Sample(random, { 0, 64, 64 }), "0");
  EXPECT_NN_ERROR(source.Sample(random, { 2, 8, 64 }), "8");
  SyntheticTaskOptions impossible;
  impossible.minimumArea = 0.9;
  impossible.maximumArea = 0.91;
  EXPECT_NN_ERROR(SyntheticTaskSource(impossible).Sample(random, { 2, 16, 16 }), "has a mean area within [0.9, 0.91]");
}

namespace
{
/** A head: a box of label 40 in a box of label 7, larger in volume 1, in 0. */
Tensor
MakeVolume(std::int64_t shift, DataType type = DataType::Int32)
{
  Tensor volume = Tensor::Zeros({ 20, 30, 40 }, DataType::Int32);
  for (std::int64_t z = 0; z < 20; ++z)
  {
    for (std::int64_t y = 0; y < 30; ++y)
    {
      for (std::int64_t x = 0; x < 40; ++x)
      {
        const bool outer = z >= 3 && z < 17 && y >= 4 && y < 26 && x >= 5 && x < 35;
        const bool inner = z >= 6 && z < 12 && y >= 8 + shift && y < 16 + shift && x >= 10 + shift && x < 22 + shift;
        volume.GetData<std::int32_t>()[(z * 30 + y) * 40 + x] = inner ? 40 : outer ? 7 : 0;
      }
    }
  }
  return volume.To(type);
}
} // namespace

TEST(LabelMapTasks, SlicesOfVolumes)
{
  const LabelMapTaskSource source({ MakeVolume(0), MakeVolume(2, DataType::Int16), MakeVolume(4) });
  EXPECT_EQ(source.GetName(), "label maps");
  EXPECT_EQ(source.GetLabels(), (std::vector<std::int32_t>{ 7, 40 }));
  const TaskRequest request{ 5, 32, 48 };
  std::set<std::string> names;
  for (std::uint64_t i = 0; i < 60; ++i)
  {
    RandomStream own = RandomStream(2).Derive(i);
    RandomStream same = RandomStream(2).Derive(i);
    const TrainingTask task = source.Sample(own, request);
    CheckTask(task, request);
    EXPECT_TRUE(AreEqual(task, source.Sample(same, request)));
    names.insert(task.name);
  }
  EXPECT_EQ(names.size(), 6U) << "two labels across three axes";
}

TEST(LabelMapTasks, TheForegroundIsTheLabel)
{
  LabelMapTaskOptions options;
  options.axes = { 0 };
  options.unionProbability = 0;
  options.zoomProbability = 0;
  options.deformation.displacement = { 0, 0 };
  options.deformation.rotation = { 0, 0 };
  options.deformation.anyRotationProbability = 0;
  options.deformation.scale = { 0, 0 };
  options.deformation.translation = { 0, 0 };
  const LabelMapTaskSource source({ MakeVolume(0) }, options);
  for (std::uint64_t i = 0; i < 20; ++i)
  {
    RandomStream own = RandomStream(4).Derive(i);
    const TrainingTask task = source.Sample(own, { 2, 30, 40 });
    for (const auto & example : task.examples)
    {
      const double area = AreaOf(example) * 30 * 40;
      if (task.name == "label maps: label 40 across axis 0")
      {
        EXPECT_EQ(area, 8 * 12);
        EXPECT_EQ(example.label.GetElement({ 8, 10 }), 1);
        EXPECT_EQ(example.label.GetElement({ 7, 10 }), 0);
      }
      else
      {
        EXPECT_TRUE(area == 22 * 30 || area == 22 * 30 - 8 * 12) << area;
      }
    }
  }
}

TEST(LabelMapTasks, Errors)
{
  EXPECT_NN_ERROR(LabelMapTaskSource({}), "need a label map");
  EXPECT_NN_ERROR(LabelMapTaskSource({ Tensor::Zeros({ 3, 4, 5 }) }), "Label map 0 is float32 [3, 4, 5]; it should be");
  EXPECT_NN_ERROR(LabelMapTaskSource({ Tensor::Zeros({ 4, 5 }, DataType::Int32) }), "and have three axes");
  EXPECT_NN_ERROR(LabelMapTaskSource({ Tensor::Zeros({ 3, 4, 5 }, DataType::Int32) }),
                  "No slice of the label maps has a label other than 0");
  LabelMapTaskOptions options;
  options.axes = {};
  EXPECT_NN_ERROR(LabelMapTaskSource({ MakeVolume(0) }, options), "axes of label maps are an empty list");
  options.axes = { 3 };
  EXPECT_NN_ERROR(LabelMapTaskSource({ MakeVolume(0) }, options), "An axis of label maps is 3");
  options = LabelMapTaskOptions();
  options.zoom = { 0.5, 1 };
  EXPECT_NN_ERROR(LabelMapTaskSource({ MakeVolume(0) }, options), "closer view");
  Tensor many = Tensor::Zeros({ 1, 20, 20 }, DataType::Int32);
  for (std::int32_t i = 0; i < 400; ++i)
  {
    many.GetData<std::int32_t>()[i] = i;
  }
  EXPECT_NN_ERROR(LabelMapTaskSource({ many }), "Label map 0 has 400 labels; it may have 256");
  const LabelMapTaskSource source({ MakeVolume(0) });
  EXPECT_EQ(source.GetOptions().axes.size(), 3U);
  RandomStream random(1);
  EXPECT_NN_ERROR(source.Sample(random, { 2, 64, 4 }), "4");
}
