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
#include "itkNNInitialWeights.h"
#include "itkUniverSegTraining.h"

#include "itkNNRegisterBackends.h"
#include "itkNNTestHelpers.h"
#include "itkUniverSegNetwork.h"

#include <cmath>

using namespace itk::nn;

namespace
{
/** Bright rectangles; every value of an example tells which it is. */
class RectangleSource : public TaskSource
{
public:
  std::string GetName() const override
  {
    return "rectangles";
  }
  TrainingTask Sample(RandomStream & random, const TaskRequest & request) const override
  {
    TrainingTask task;
    task.name = "rectangle";
    for (std::int64_t i = 0; i < request.examples; ++i)
    {
      TrainingExample example{ Tensor({ request.height, request.width }), Tensor({ request.height, request.width }) };
      const std::int64_t left = random.Integer(0, request.width / 2);
      for (std::int64_t e = 0; e < request.height * request.width; ++e)
      {
        const std::int64_t x = e % request.width;
        const bool inside = x >= left && x < left + request.width / 3;
        example.image.GetData<float>()[e] = inside ? 0.8F : 0.2F;
        example.label.GetData<float>()[e] = inside ? 1.0F : 0.0F;
      }
      task.examples.push_back(example);
    }
    task.examples.resize(task.examples.size() + extra, task.examples.back());
    return task;
  }
  std::size_t extra = 0;
};

UniverSegBatchOptions
MakeOptions()
{
  UniverSegBatchOptions options;
  options.height = 16;
  options.width = 24;
  options.tasks = 2;
  options.supportSizes = { 3 };
  options.seed = 5;
  return options;
}

bool
AreEqual(const TensorMap & a, const TensorMap & b)
{
  for (const auto & [name, tensor] : a)
  {
    if (tensor.ToVector<float>() != b.at(name).ToVector<float>())
    {
      return false;
    }
  }
  return a.size() == b.size();
}

Network::ConstPointer
MakeNetwork(std::int64_t channels = 8)
{
  UniverSegConfiguration configuration;
  configuration.encoderBlocks.assign(2, { channels, channels });
  return std::make_shared<UniverSegNetwork>(configuration);
}
} // namespace

TEST(UniverSegBatchSource, ShapesAndDeterminism)
{
  const auto source = std::make_shared<RectangleSource>();
  const UniverSegBatchSource batches(source, MakeOptions());
  EXPECT_EQ(batches.GetOptions().tasks, 2);
  const TensorMap batch = batches.MakeBatch(7);
  EXPECT_EQ(batch.at("target").GetShape(), (Shape{ 2, 1, 16, 24 }));
  EXPECT_EQ(batch.at("label").GetShape(), (Shape{ 2, 1, 16, 24 }));
  EXPECT_EQ(batch.at("support_images").GetShape(), (Shape{ 2, 3, 1, 16, 24 }));
  EXPECT_EQ(batch.at("support_labels").GetShape(), (Shape{ 2, 3, 1, 16, 24 }));
  EXPECT_TRUE(AreEqual(batch, batches.MakeBatch(7)));
  EXPECT_FALSE(AreEqual(batch, batches.MakeBatch(8)));
  UniverSegBatchOptions other = MakeOptions();
  other.seed = 6;
  EXPECT_FALSE(AreEqual(batch, UniverSegBatchSource(source, other).MakeBatch(7)));
  // Image and label belong together, in targets and in supports.
  for (const auto & [image, label] :
       { std::pair<const char *, const char *>{ "target", "label" }, { "support_images", "support_labels" } })
  {
    const auto images = batch.at(image).ToVector<float>();
    const auto labels = batch.at(label).ToVector<float>();
    for (std::size_t i = 0; i < images.size(); ++i)
    {
      EXPECT_EQ(images[i], labels[i] > 0 ? 0.8F : 0.2F);
    }
  }
}

TEST(UniverSegBatchSource, DrawsSupportSizes)
{
  UniverSegBatchOptions options = MakeOptions();
  options.supportSizes = { 1, 4 };
  const UniverSegBatchSource batches(std::make_shared<RectangleSource>(), options);
  int small = 0;
  for (std::uint64_t position = 0; position < 100; ++position)
  {
    const std::int64_t supports = batches.MakeBatch(position).at("support_images").GetShape()[1];
    EXPECT_TRUE(supports == 1 || supports == 4);
    small += supports == 1 ? 1 : 0;
  }
  EXPECT_NEAR(small, 50, 20);
}

TEST(UniverSegBatchSource, AugmentsTasksAndExamples)
{
  UniverSegBatchOptions options = MakeOptions();
  AugmentationOptions invert;
  invert.intensityFlipProbability = 1;
  options.taskAugmentation = invert;
  AugmentationOptions flip;
  flip.scope = AugmentationOptions::Scope::InTask;
  flip.labelFlipProbability = 1;
  options.inTaskAugmentation = flip;
  const auto source = std::make_shared<RectangleSource>();
  const TensorMap plain = UniverSegBatchSource(source, MakeOptions()).MakeBatch(3);
  const TensorMap changed = UniverSegBatchSource(source, options).MakeBatch(3);
  for (const auto & [name, tensor] : plain)
  {
    const auto before = tensor.ToVector<float>();
    const auto after = changed.at(name).ToVector<float>();
    for (std::size_t i = 0; i < before.size(); ++i)
    {
      EXPECT_NEAR(after[i], 1 - before[i], 1e-6) << name;
    }
  }
}

TEST(UniverSegBatchSource, Errors)
{
  const auto source = std::make_shared<RectangleSource>();
  EXPECT_NN_ERROR(UniverSegBatchSource(nullptr, MakeOptions()), "need a source of tasks");
  UniverSegBatchOptions options = MakeOptions();
  options.height = 0;
  EXPECT_NN_ERROR(UniverSegBatchSource(source, options), "height 0, width 24");
  options = MakeOptions();
  options.supportSizes = {};
  EXPECT_NN_ERROR(UniverSegBatchSource(source, options), "need a support size");
  options.supportSizes = { 4, 0 };
  EXPECT_NN_ERROR(UniverSegBatchSource(source, options), "a support size is 0");
  source->extra = 1;
  const UniverSegBatchSource batches(source, MakeOptions());
  EXPECT_NN_ERROR(batches.MakeBatch(0), "Task 'rectangle' has 5 examples; 4 were asked for");
}

TEST(UniverSegTraining, InitialWeights)
{
  const auto network = MakeNetwork(32);
  const StateDict weights = MakeInitialWeights(*network, 3);
  network->CheckWeights(weights);
  for (const auto & [name, tensor] : weights)
  {
    double squares = 0;
    for (const double value : tensor.ToVector<double>())
    {
      squares += value * value;
    }
    const double variance = squares / static_cast<double>(tensor.GetNumberOfElements());
    if (tensor.GetRank() == 1)
    {
      EXPECT_EQ(squares, 0) << name;
    }
    else if (tensor.GetNumberOfElements() > 2000)
    {
      const double inputs = static_cast<double>(tensor.GetNumberOfElements() / tensor.GetShape()[0]);
      const bool isRectified = name.find("vmapped") != std::string::npos;
      EXPECT_NEAR(variance * inputs, isRectified ? 2 : 1, 0.15) << name;
    }
  }
  EXPECT_TRUE(
    AreEqual({ { "w", weights.begin()->second } }, { { "w", MakeInitialWeights(*network, 3).begin()->second } }));
  EXPECT_FALSE(
    AreEqual({ { "w", weights.begin()->second } }, { { "w", MakeInitialWeights(*network, 4).begin()->second } }));
}

TEST(UniverSegTraining, LearnsATaskAndValidates)
{
  RegisterBackends();
  const auto network = MakeNetwork();
  const auto source = std::make_shared<RectangleSource>();
  UniverSegBatchOptions batch = MakeOptions();
  TrainerOptions options;
  options.steps = 40;
  options.schedule.rate = 5e-3;
  options.loaderThreads = 1;
  Trainer trainer(
    network, MakeInitialWeights(*network, 1), std::make_shared<UniverSegBatchSource>(source, batch), options);
  batch.seed = 99;
  const UniverSegValidation validation(network, *source, batch, 6);
  EXPECT_EQ(validation.GetNumberOfTasks(), 6);
  const double before = validation.Run(trainer.GetResult()).score;
  trainer.Run();
  const ValidationResult after = validation.Run(trainer.GetResult());
  EXPECT_GT(after.score, 0.95);
  EXPECT_GT(after.score, before);
  EXPECT_EQ(after.metrics.at("dice"), after.score);
  EXPECT_NN_ERROR(UniverSegValidation(network, *source, batch, 0), "needs a task, has 0");
}
