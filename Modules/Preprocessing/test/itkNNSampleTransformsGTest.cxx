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
#include "itkNNSampleTransforms.h"

#include "itkNNTestHelpers.h"

#include <algorithm>
#include <thread>

using namespace itk::nn;
using List = TransformOption::List;

namespace
{
Sample
MakeSample()
{
  Sample sample;
  sample.image = test::RandomTensor({ 1, 9, 14, 11 }, 3, -100, 100).To(DataType::Float32);
  sample.label = test::RandomTensor({ 1, 9, 14, 11 }, 4, 0, 3).To(DataType::Int32);
  return sample;
}

/** Steps of training, most of them at random. */
SampleTransforms
MakeChain()
{
  const auto make = [](const std::string & name, const TransformOptions & options)
  { return SampleTransform::Make(name, options); };
  return SampleTransforms({ make("Pad", { { "output_size", List{ 12, nullptr, 16 } } }),
                            make("RandomCrop",
                                 { { "output_size", List{ 8, 12, 12 } },
                                   { "foreground_focus", true },
                                   { "foreground_ratio", 0.5 },
                                   { "mask_label", List{ 1, 2 } } }),
                            make("NormalizeWithMeanStd", { { "mask_threshold", -90 } }),
                            make("RandomFlip", { { "flip_height", true }, { "flip_width", true } }),
                            make("GammaCorrection", {}),
                            make("GaussianNoise", {}),
                            make("Rescale", { { "output_size", List{ 15, 23, 23 } } }),
                            make("LabelToProbability", { { "class_num", 3 } }) });
}
} // namespace

TEST(SampleTransforms, UndoneInReverse)
{
  const Sample original = MakeSample();
  const SampleTransforms chain = MakeChain();
  // The image itself as the prediction: no step changes intensities.
  const SampleTransforms geometry({ SampleTransform::Make("Pad", { { "output_size", List{ 12, 16, 16 } } }),
                                    SampleTransform::Make("RandomFlip", { { "flip_width", true } }),
                                    SampleTransform::Make("Rescale", { { "output_size", List{ 23, 31, 31 } } }) });
  for (std::int64_t seed = 0; seed < 4; ++seed)
  {
    TransformRandom random(seed);
    Sample sample = original;
    const auto records = geometry.Apply(sample, random);
    EXPECT_EQ(sample.image.GetShape(), (Shape{ 1, 23, 31, 31 }));
    const Tensor undone = geometry.Invert(sample.image, records);
    ASSERT_EQ(undone.GetShape(), original.image.GetShape());
    const auto expected = original.image.ToVector<float>();
    const auto actual = undone.ToVector<float>();
    for (std::size_t i = 0; i < actual.size(); ++i)
    {
      ASSERT_NEAR(actual[i], expected[i], 1e-4F);
    }
    // In a prediction of the label's probabilities each pixel inside the crop is right, the
    // others are 0.
    TransformRandom other(seed);
    Sample labelled = original;
    const auto steps = chain.Apply(labelled, other);
    ASSERT_EQ(labelled.labelProbability.GetShape(), (Shape{ 3, 15, 23, 23 }));
    const Tensor probability = chain.Invert(labelled.labelProbability, steps);
    ASSERT_EQ(probability.GetShape(), (Shape{ 3, 9, 14, 11 }));
    int inside = 0;
    for (std::int64_t z = 0; z < 9; ++z)
    {
      for (std::int64_t y = 0; y < 14; ++y)
      {
        for (std::int64_t x = 0; x < 11; ++x)
        {
          const auto label = static_cast<std::int64_t>(original.label.GetElement({ 0, z, y, x }));
          double sum = 0;
          for (std::int64_t number = 0; number < 3; ++number)
          {
            sum += probability.GetElement({ number, z, y, x });
          }
          ASSERT_NEAR(sum, probability.GetElement({ label, z, y, x }), 1e-5);
          inside += sum > 0.5 ? 1 : 0;
        }
      }
    }
    EXPECT_GT(inside, 500);
    EXPECT_LT(inside, 9 * 14 * 11);
  }
}

TEST(SampleTransforms, JsonAndBack)
{
  const SampleTransforms chain = MakeChain();
  const std::string text = chain.ToJson();
  EXPECT_EQ(
    text.rfind(R"([{"name":"Pad","options":{"ceil_mode":false,"inverse":true,"output_size":[12,null,16]}},)", 0), 0U)
    << text;
  const SampleTransforms again = SampleTransforms::FromJson(text);
  EXPECT_EQ(again.ToJson(), text);
  EXPECT_EQ(again.GetNumberOfTransforms(), 8U);
  EXPECT_EQ(again.Get(1).GetName(), "RandomCrop");
  EXPECT_NN_ERROR(again.Get(8), "Transform 8 of a chain is asked for; it has 8");
  TransformRandom first(8);
  TransformRandom second(8);
  Sample a = MakeSample();
  Sample b = MakeSample();
  chain.Apply(a, first);
  again.Apply(b, second);
  EXPECT_EQ(a.image.ToVector<float>(), b.image.ToVector<float>());

  EXPECT_EQ(SampleTransforms().ToJson(), "[]");
  EXPECT_EQ(SampleTransforms::FromJson("[]").GetNumberOfTransforms(), 0U);
  EXPECT_EQ(SampleTransforms::FromJson(R"([{"name":"LabelConvertNonzero"}])").GetNumberOfTransforms(), 1U);
}

TEST(SampleTransforms, TextThatIsNoChain)
{
  const auto refuse = [](const std::string & text, const std::string & message)
  { EXPECT_NN_ERROR(SampleTransforms::FromJson(text), message); };
  refuse("[", "no JSON text");
  refuse("{}", "is a JSON object; should be a list");
  refuse("[3]", "Entry 0 of the list of transforms is a JSON number");
  refuse("[{}]", "Entry 0 of the list of transforms has no field 'name'");
  refuse(R"([{"name":3}])", "has the field 'name', a JSON number");
  refuse(R"([{"name":"Pad","options":[]}])", "has the field 'options', a JSON array");
  refuse(R"([{"name":"Pad","what":1}])", "has the field 'what'");
  refuse(R"([{"name":"Pad","options":{"output_size":{}}}])",
         "Entry 0 of the list of transforms: the option 'output_size' is a JSON object; should be null, true,");
  refuse(R"([{"name":"Pad","options":{"output_size":[[[[[[[[[1]]]]]]]]]}}])", "nested more than 8 deep");
  refuse(R"([{"name":"Pad","options":{"output_size":[18446744073709551615,1]}}])", "too large an integer");
  refuse(R"([{"name":"Pad","options":{"output_size":[2.0,1]}}])", "Transform Pad: the option 'output_size' is [2.0,1]");
  refuse(R"([{"name":"pad"}])", "There is no transform 'pad'");
}

TEST(SampleTransforms, Errors)
{
  EXPECT_NN_ERROR(SampleTransforms({ nullptr }), "A transform of a chain is null");
  const SampleTransforms chain = MakeChain();
  EXPECT_NN_ERROR(chain.Invert(Tensor::Zeros({ 1, 1, 1 }), {}), "A chain of 8 transforms is to be undone by 0 records");
  const Tensor prediction = Tensor::Zeros({ 1, 1, 1 });
  EXPECT_EQ(SampleTransforms().Invert(prediction, {}).GetRawData(), prediction.GetRawData());
}

TEST(SampleTransforms, AnyNumberOfThreads)
{
  const SampleTransforms chain = MakeChain();
  const Sample original = MakeSample();
  constexpr std::int64_t runs = 24;
  const auto run = [&](std::int64_t seed)
  {
    TransformRandom random(seed);
    Sample sample = original;
    const auto records = chain.Apply(sample, random);
    auto values = sample.image.ToVector<float>();
    const auto undone = chain.Invert(sample.labelProbability, records).ToVector<float>();
    values.insert(values.end(), undone.begin(), undone.end());
    return values;
  };
  std::vector<std::vector<float>> results(runs);
  std::vector<std::thread> threads;
  for (std::int64_t first = 0; first < 4; ++first)
  {
    threads.emplace_back(
      [&, first]
      {
        for (std::int64_t seed = first; seed < runs; seed += 4)
        {
          results[static_cast<std::size_t>(seed)] = run(seed);
        }
      });
  }
  for (std::thread & thread : threads)
  {
    thread.join();
  }
  for (std::int64_t seed = 0; seed < runs; ++seed)
  {
    ASSERT_EQ(results[static_cast<std::size_t>(seed)], run(seed)) << seed;
  }
  EXPECT_NE(results[0], results[1]);
  EXPECT_EQ(original.image.ToVector<float>(), MakeSample().image.ToVector<float>());
  EXPECT_EQ(original.label.ToVector<int>(), MakeSample().label.ToVector<int>());
}
