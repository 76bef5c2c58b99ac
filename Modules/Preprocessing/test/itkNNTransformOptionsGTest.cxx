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
#include "itkNNTestHelpers.h"
#include "itkNNSampleTransform.h"

using namespace itk::nn;
using List = TransformOption::List;

TEST(TransformOptions, ValuesAndJson)
{
  EXPECT_TRUE(TransformOption().IsNone());
  EXPECT_EQ(TransformOption().ToJson(), "null");
  EXPECT_EQ(TransformOption(true).ToJson(), "true");
  EXPECT_EQ(TransformOption(3).ToJson(), "3");
  EXPECT_EQ(TransformOption(2.5).ToJson(), "2.5");
  EXPECT_EQ(TransformOption("a\"b").ToJson(), "\"a\\\"b\"");
  EXPECT_EQ(TransformOption(List{ 64, nullptr, List{ 0.5, "x" } }).ToJson(), "[64,null,[0.5,\"x\"]]");
  EXPECT_FALSE(TransformOption(1) == TransformOption(1.0));
  EXPECT_TRUE(TransformOption(List{ 1, nullptr }) == TransformOption(List{ 1, nullptr }));
  EXPECT_NN_ERROR(TransformOption("\xff").ToJson(), "not UTF-8");
}

TEST(TransformOptions, ThoseOfOneTransform)
{
  const TransformOptions all{ { "ChannelWiseThreshold_channels", 1 },
                              { "channelwisethreshold_threshold_lower", 2 },
                              { "ChannelWiseThresholdWithNormalize_channels", 3 },
                              { "patch_size", 4 } };
  const auto selected = SelectTransformOptions("ChannelWiseThreshold", all);
  EXPECT_EQ(selected, (TransformOptions{ { "channels", 1 }, { "threshold_lower", 2 } }));
  EXPECT_TRUE(SelectTransformOptions("Pad", all).empty());
  EXPECT_NN_ERROR(SelectTransformOptions("Pad", { { "Pad_x", 1 }, { "pad_x", 1 } }), "'pad_x' is there twice");
}

TEST(TransformOptions, NamesAndKeys)
{
  const auto names = SampleTransform::GetNames();
  EXPECT_EQ(names.size(), 28U);
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_NN_ERROR(SampleTransform::Make("pad", {}),
                  "There is no transform 'pad'; there are CenterCrop, ChannelWiseThreshold,");
  EXPECT_NN_ERROR(SampleTransform::Make("Pad", { { "output_size", List{ 1, 2 } }, { "size", 1 } }),
                  "Transform Pad has no option 'size'; its options are ceil_mode, inverse, output_size");
  EXPECT_NN_ERROR(SampleTransform::Make("Pad", {}), "Transform Pad: the option 'output_size' is missing");
  EXPECT_NN_ERROR(SampleTransform::Make("RandomResizedCrop",
                                        { { "output_size", List{ 2, 2 } },
                                          { "resize_lower_bound", 1 },
                                          { "resize_upper_bound", 1 },
                                          { "inverse", true } }),
                  "RandomResizedCrop: the option 'inverse' is true, but the transform cannot be undone");
}

TEST(TransformOptions, AllAreGivenBack)
{
  const auto pad = SampleTransform::Make("Pad", { { "output_size", List{ nullptr, 8, 9 } } });
  EXPECT_EQ(pad->GetName(), "Pad");
  EXPECT_TRUE(pad->IsInverse());
  EXPECT_EQ(
    pad->GetOptions(),
    (TransformOptions{ { "output_size", List{ nullptr, 8, 9 } }, { "ceil_mode", false }, { "inverse", true } }));
  const auto crop = SampleTransform::Make("Crop4VolumeFusion", { { "output_size", List{ 4, 8, 8 } } });
  EXPECT_EQ(crop->GetOptions(),
            (TransformOptions{ { "output_size", List{ 4, 8, 8 } },
                               { "rescale_lower_bound", List{ 0.7, 0.7, 0.7 } },
                               { "rescale_upper_bound", List{ 1.5, 1.5, 1.5 } },
                               { "augentation_mode", 3 },
                               { "inverse", false } }));
  const auto fusion = SampleTransform::Make("VolumeFusion", {});
  EXPECT_EQ(fusion->GetOptions(),
            (TransformOptions{ { "cls_num", 5 },
                               { "foreground_ratio", 0.7 },
                               { "patchsize_min", List{ 8, 8, 8 } },
                               { "patchsize_max", List{ 32, 32, 32 } },
                               { "inverse", false } }));
  EXPECT_FALSE(SampleTransform::Make("NormalizeWithMeanStd", {})->IsInverse());
  EXPECT_TRUE(SampleTransform::Make("NormalizeWithMeanStd", { { "inverse", true } })->IsInverse());
}

TEST(TransformOptions, TypesAndRanges)
{
  const auto refuse =
    [](const std::string & name, TransformOptions options, const TransformOptions & bad, const std::string & message)
  {
    SampleTransform::Make(name, options);
    for (const auto & [key, value] : bad)
    {
      options[key] = value;
    }
    EXPECT_NN_ERROR(SampleTransform::Make(name, options), message);
  };
  const TransformOptions size{ { "output_size", List{ 4, 4, 4 } } };
  refuse("Pad", size, { { "ceil_mode", 1 } }, "Pad: the option 'ceil_mode' is 1; should be true or false");
  refuse("Pad", size, { { "inverse", "no" } }, "'inverse' is \"no\"; should be true or false");
  for (const TransformOption & bad : { TransformOption(4),
                                       TransformOption(List{ 4 }),
                                       TransformOption(List{ 4, 4, 4, 4 }),
                                       TransformOption(List{ 4, 0 }),
                                       TransformOption(List{ 4, 2.0 }),
                                       TransformOption(),
                                       TransformOption("4") })
  {
    refuse("CenterCrop", size, { { "output_size", bad } }, "should be two or three positive integers, none for");
  }
  refuse(
    "VolumeFusion", {}, { { "patchsize_min", List{ 4, nullptr, 4 } } }, "should be two or three positive integers");
  refuse("VolumeFusion", {}, { { "cls_num", 1 } }, "'cls_num' is 1; should be an integer from 2 to 256");
  refuse("VolumeFusion", {}, { { "cls_num", 2.0 } }, "should be an integer");
  refuse(
    "VolumeFusion", {}, { { "foreground_ratio", 1.5 } }, "'foreground_ratio' is 1.5; should be a number from 0 to 1");
  refuse("VolumeFusion", {}, { { "patchsize_max", List{ 4, 32, 32 } } }, "the least first");
  refuse("Crop4VolumeFusion", size, { { "augentation_mode", 4 } }, "from 0 to 3");
  refuse("Crop4VolumeFusion", size, { { "rescale_lower_bound", List{ 2.0, 2.0, 2.0 } } }, "the least first");
  refuse(
    "Crop4VolumeFusion", size, { { "rescale_lower_bound", 0.0 } }, "should be a number above 0 and up to 1000, or");
  refuse("Crop4VolumeFusion", size, { { "output_size", List{ 4, 4 } } }, "should have the 2 axes of the image");
  refuse("RandomCrop", size, { { "mask_label", 1 } }, "should be a list of integers of at least 0, at least one");
  refuse("RandomCrop", size, { { "mask_label", List{} } }, "at least one");
  refuse("RandomCrop", size, { { "mask_label", List{ -1 } } }, "of at least 0");
  refuse("RandomCrop", size, { { "foreground_ratio", -0.5 } }, "'foreground_ratio' is -0.5; should be from 0 to 1");
  refuse(
    "RandomCrop", size, { { "foreground_ratio", true } }, "'foreground_ratio' is true; should be none or a number");
  const TransformOptions limits{ { "threshold_lower", nullptr }, { "threshold_upper", nullptr } };
  refuse(
    "NormalizeWithMinMax", limits, { { "threshold_lower", 1 } }, "should be none or a list of numbers, none for some");
  refuse("NormalizeWithMinMax", limits, { { "threshold_lower", List{ "a" } } }, "list of numbers");
  refuse("NormalizeWithMinMax", limits, { { "channels", List{ -1 } } }, "'channels' is [-1]");
  refuse("NormalizeWithMinMax",
         limits,
         { { "threshold_lower", List{ nullptr, 5 } }, { "threshold_upper", List{ 1, 5.0 } } },
         "entry 1 of the option 'threshold_lower' is 5 and of 'threshold_upper' 5; should be less");
  EXPECT_NN_ERROR(SampleTransform::Make("NormalizeWithMinMax", { { "threshold_lower", nullptr } }),
                  "'threshold_upper' is missing");
  EXPECT_NN_ERROR(SampleTransform::Make("ChannelWiseThresholdWithNormalize", limits), "'mean_std_mode' is missing");
  refuse("NormalizeWithPercentiles", {}, { { "percentile_lower", 99.95 } }, "'percentile_upper'");
  refuse("IntensityClip", { { "lower", List{ -5 } } }, { { "percentile_mode", true } }, "should be from 0 to 100");
  refuse("GammaCorrection", {}, { { "gamma_min", 2 } }, "gamma_max' is 1.5");
  refuse("GaussianNoise", {}, { { "std", -1 } }, "'std' is -1; should not be negative");
  refuse("LabelToProbability", { { "class_num", 2 } }, { { "class_num", 0 } }, "from 1 to 65536");
  const TransformOptions lists{ { "source_list", List{ 1, 2 } }, { "target_list", List{ 3, 4 } } };
  refuse("LabelConvert", lists, { { "target_list", List{ 3 } } }, "has 2 labels and 'target_list' has 1");
  refuse("LabelConvert", lists, { { "source_list", List{ 1, 1 } } }, "the label 1 to become 4 is there twice");
  refuse("LabelConvert", lists, { { "target_list", List{ 3, std::int64_t{ 1 } << 40 } } }, "more than 32 bits");
  refuse("Rescale", size, { { "output_size", 0 } }, "should be an integer from 1 to 1048576");
}
