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
#include "itkNNSafeTensors.h"
#include "itkNNSampleTransforms.h"
#include "itkNNTestGoldens.h"
#include "itkNNTestHelpers.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <set>

using namespace itk::nn;

namespace
{
TransformOption
ToOption(const nlohmann::json & json)
{
  if (json.is_array())
  {
    TransformOption::List list;
    for (const auto & entry : json)
    {
      list.push_back(ToOption(entry));
    }
    return list;
  }
  return json.is_null()           ? TransformOption()
       : json.is_boolean()        ? TransformOption(json.get<bool>())
       : json.is_number_integer() ? TransformOption(json.get<std::int64_t>())
                                  : TransformOption(json.get<double>());
}

SampleTransform::ConstPointer
ToTransform(const std::string & name, const nlohmann::json & parameters)
{
  TransformOptions options;
  for (const auto & [key, value] : parameters.items())
  {
    options[key] = ToOption(value);
  }
  return SampleTransform::Make(name, SelectTransformOptions(name, options));
}

/** Equal but for a part of each value and the rounding of numbers as large as the largest. */
void
ExpectNear(const Tensor & actual, const Tensor & expected, double relative, const std::string & what)
{
  ASSERT_EQ(actual.GetShape(), expected.GetShape()) << what;
  const auto a = actual.ToVector<double>();
  const auto b = expected.ToVector<double>();
  const auto range = std::minmax_element(b.begin(), b.end());
  const double largest = std::max(std::abs(*range.first), std::abs(*range.second));
  const double rounding = relative > 0 ? 3e-7 * largest : 0;
  for (std::size_t i = 0; i < a.size(); ++i)
  {
    ASSERT_NEAR(a[i], b[i], relative * std::abs(b[i]) + rounding) << what << " element " << i;
  }
}

nlohmann::json
ReadJson(const std::string & golden)
{
  return nlohmann::json::parse(test::ReadText(test::FindGolden(golden)));
}
} // namespace

TEST(SampleTransformGoldens, EachTransformFromItsSeed)
{
  const std::string golden = "misfm/transforms";
  ITK_NN_REQUIRE_GOLDEN(golden + ".safetensors");
  const auto cases = ReadJson(golden + ".json").at("cases");
  const auto tensors = ReadSafeTensors(test::FindGolden(golden + ".safetensors")).tensors;
  const auto names = SampleTransform::GetNames();
  const std::set<std::string> known(names.begin(), names.end());
  std::set<std::string> absent;
  int checked = 0;
  for (const auto & [name, expectation] : cases.items())
  {
    if (!expectation.contains("transform"))
    {
      continue; // contrast stretching, of the Volume Fusion tests
    }
    const auto kind = expectation.at("transform").get<std::string>();
    if (known.count(kind) == 0)
    {
      absent.insert(kind);
      continue;
    }
    ++checked;
    const auto transform = ToTransform(kind, expectation.at("params"));
    TransformRandom random(expectation.at("seed").is_null() ? 0 : expectation.at("seed").get<std::int64_t>());
    Sample sample;
    sample.image = tensors.Get("image");
    sample.label = tensors.Get("label").To(DataType::Int32);
    const auto original = sample.image.ToVector<float>();
    const TransformRecord record = transform->Apply(sample, random);
    ExpectNear(sample.image, tensors.Get(name + "/image"), 1e-5, name + " image");
    if (tensors.Has(name + "/label"))
    {
      const Tensor & label = tensors.Get(name + "/label");
      ASSERT_EQ(sample.label.GetShape(), label.GetShape()) << name;
      EXPECT_EQ(sample.label.ToVector<int>(), label.ToVector<int>()) << name;
    }
    if (tensors.Has(name + "/inverse"))
    {
      EXPECT_TRUE(transform->IsInverse()) << name;
      const Tensor & inverse = tensors.Get(name + "/inverse");
      const Tensor undone = transform->Invert(sample.image, record);
      ExpectNear(undone, inverse.Select(0, 0), 0, name + " inverse");
    }
    EXPECT_EQ(tensors.Get("image").ToVector<float>(), original) << name << " writes to its input";
  }
  EXPECT_EQ(absent, (std::set<std::string>{ "NonLinearTransform", "PatchSwaping" }));
  EXPECT_EQ(checked, 21);
}

TEST(SampleTransformGoldens, PatchesForVolumeFusion)
{
  const std::string golden = "misfm/volf_b_crop";
  ITK_NN_REQUIRE_GOLDEN(golden + ".safetensors");
  const auto cases = ReadJson(golden + ".json").at("cases");
  const auto tensors = ReadSafeTensors(test::FindGolden(golden + ".safetensors")).tensors;
  ASSERT_EQ(cases.size(), 5U);
  for (const auto & [name, expectation] : cases.items())
  {
    const auto transform = ToTransform("Crop4VolumeFusion",
                                       { { "Crop4VolumeFusion_output_size", expectation.at("output_size") },
                                         { "Crop4VolumeFusion_augentation_mode", name[4] - '0' } });
    TransformRandom random(expectation.at("python_random_seed").get<std::int64_t>());
    Sample sample;
    sample.image = tensors.Get("volume");
    transform->Apply(sample, random);
    for (std::int64_t i = 0; i < 2; ++i)
    {
      const std::string patch = name + "/patch" + std::to_string(i + 1);
      ExpectNear(sample.image.Slice(0, i, i + 1), tensors.Get(patch), 2e-6, patch);
    }
  }
}

TEST(SampleTransformGoldens, ChainOfVolumeFusion)
{
  const std::string golden = "misfm/volf_c_chain";
  ITK_NN_REQUIRE_GOLDEN(golden + ".safetensors");
  const auto json = ReadJson(golden + ".json");
  const auto tensors = ReadSafeTensors(test::FindGolden(golden + ".safetensors")).tensors;
  const auto & parameters = json.at("params");
  const SampleTransforms chain({ ToTransform("Crop4VolumeFusion", parameters),
                                 ToTransform("VolumeFusion", parameters),
                                 ToTransform("LabelToProbability", { { "LabelToProbability_class_num", 5 } }) });
  TransformRandom random(json.at("python_random_seed").get<std::int64_t>());
  Sample sample;
  sample.image = tensors.Get("volume");
  const auto records = chain.Apply(sample, random);
  ExpectNear(sample.image, tensors.Get("fused_f32"), 2e-6, "fused");
  EXPECT_EQ(sample.label.ToVector<int>(), tensors.Get("label").ToVector<int>());
  ExpectNear(sample.labelProbability, tensors.Get("label_prob"), 0, "probability");
  EXPECT_EQ(records.size(), 3U);
}

TEST(SampleTransformGoldens, VolumeFusionShuffle)
{
  const std::string golden = "misfm/volf_d_shuffle";
  ITK_NN_REQUIRE_GOLDEN(golden + ".safetensors");
  const auto json = ReadJson(golden + ".json");
  const auto tensors = ReadSafeTensors(test::FindGolden(golden + ".safetensors")).tensors;
  const auto & parameters = json.at("params");
  const auto transform = ToTransform("VolumeFusionShuffle",
                                     { { "VolumeFusionShuffle_cls_num", parameters.at("cls_num") },
                                       { "VolumeFusionShuffle_foreground_ratio", parameters.at("ratio") },
                                       { "VolumeFusionShuffle_patchsize_min", parameters.at("patchsize_min") },
                                       { "VolumeFusionShuffle_patchsize_max", parameters.at("patchsize_max") } });
  Sample sample;
  sample.image = Tensor({ 2, 20, 24, 28 });
  sample.image.Slice(0, 0, 1).CopyFrom(tensors.Get("image1"));
  sample.image.Slice(0, 1, 2).CopyFrom(tensors.Get("image2"));
  TransformRandom random(json.at("python_random_seed").get<std::int64_t>());
  transform->Apply(sample, random);
  ExpectNear(sample.image, tensors.Get("fused"), 1e-6, "fused");
  EXPECT_EQ(sample.label.ToVector<int>(), tensors.Get("label").ToVector<int>());
}
