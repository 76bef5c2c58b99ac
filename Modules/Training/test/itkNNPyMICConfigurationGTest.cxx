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
#include "itkNNPyMICConfiguration.h"
#include "itkNNTestHelpers.h"

#include <clocale>
#include <fstream>

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
const char * const text = R"(# a comment
[dataset]
tensor_type = float
train_dir = /data/some where
Patch_Size = [64, 128,
   128]
train_transform = [Pad, RandomCrop]
; another

[training]
learning_rate = 1e-3
weight_decay: 1.5e-5
iter_max = 6000
gpus = [0]
deep_supervise = False
ckpt_init_name = None
nested = [[1, 2], 3]
year = 2023
)";
}

TEST(PyMICConfiguration, Values)
{
  const auto configuration = PyMICConfiguration::Parse(text, "my.cfg");
  EXPECT_EQ(configuration.GetText("dataset", "tensor_type"), "float");
  EXPECT_EQ(configuration.GetText("dataset", "train_dir"), "/data/some where");
  EXPECT_EQ(configuration.GetIntegers("dataset", "patch_size"), (std::vector<std::int64_t>{ 64, 128, 128 }));
  EXPECT_EQ(configuration.GetTexts("dataset", "train_transform"), (std::vector<std::string>{ "Pad", "RandomCrop" }));
  EXPECT_EQ(configuration.GetTexts("dataset", "tensor_type"), std::vector<std::string>{ "float" });
  EXPECT_EQ(configuration.GetNumber("training", "learning_rate"), 1e-3);
  EXPECT_EQ(configuration.GetNumber("training", "weight_decay"), 1.5e-5);
  EXPECT_EQ(configuration.GetNumber("training", "iter_max"), 6000);
  EXPECT_EQ(configuration.GetInteger("training", "iter_max"), 6000);
  EXPECT_EQ(configuration.GetText("training", "year"), "2023");
  EXPECT_FALSE(configuration.GetFlag("training", "deep_supervise", true));
  EXPECT_FALSE(configuration.Has("training", "ckpt_init_name"));
  EXPECT_EQ(configuration.GetText("training", "ckpt_init_name", "x"), "x");
  EXPECT_EQ(configuration.GetInteger("training", "other", 7), 7);
  EXPECT_EQ(configuration.GetSection("training").at("nested").ToJson(), "[[1,2],3]");
  EXPECT_TRUE(configuration.GetSection("network").empty());
  EXPECT_EQ(configuration.GetName(), "my.cfg");
}

TEST(PyMICConfiguration, ParsesSingleValues)
{
  EXPECT_EQ(PyMICConfiguration::ParseValue(" -3 "), TransformOption(std::int64_t{ -3 }));
  EXPECT_EQ(PyMICConfiguration::ParseValue("1.0e-3"), TransformOption(1e-3));
  EXPECT_EQ(PyMICConfiguration::ParseValue("1.5.2"), TransformOption("1.5.2"));
  EXPECT_EQ(PyMICConfiguration::ParseValue("-"), TransformOption("-"));
  EXPECT_EQ(PyMICConfiguration::ParseValue("[]"), TransformOption(TransformOption::List{}));
  EXPECT_EQ(PyMICConfiguration::ParseValue("[None, 2.5]"),
            TransformOption(TransformOption::List{ TransformOption(), TransformOption(2.5) }));
  EXPECT_EQ(PyMICConfiguration::ParseValue("true"), TransformOption("true"));
}

TEST(PyMICConfiguration, Unused)
{
  const auto configuration = PyMICConfiguration::Parse(text, "my.cfg");
  configuration.GetText("dataset", "tensor_type");
  configuration.Use("dataset", "train_dir");
  EXPECT_EQ(configuration.GetUnused({ "dataset" }),
            (std::vector<std::string>{ "dataset.patch_size", "dataset.train_transform" }));
  EXPECT_EQ(configuration.GetUnused({ "network" }), std::vector<std::string>{});
}

TEST(PyMICConfiguration, Errors)
{
  const auto configuration = PyMICConfiguration::Parse(text, "my.cfg");
  EXPECT_NN_ERROR(configuration.GetText("training", "absent"), "my.cfg: 'absent' in [training] is missing");
  EXPECT_NN_ERROR(configuration.GetInteger("training", "learning_rate"), "is 0.001, should be an integer");
  EXPECT_NN_ERROR(configuration.GetNumber("dataset", "tensor_type"), "should be a number");
  EXPECT_NN_ERROR(configuration.GetFlag("training", "gpus", true), "is [0], should be True or False");
  EXPECT_NN_ERROR(configuration.GetIntegers("dataset", "train_transform"), "a list of integers");
  EXPECT_NN_ERROR(PyMICConfiguration::Parse("a = 1", "f"), "f:1: a key stands before the first [section]");
  EXPECT_NN_ERROR(PyMICConfiguration::Parse("[s]\na = 1\nA = 2", "f"), "f:3: 'a' is there twice in [s]");
  EXPECT_NN_ERROR(PyMICConfiguration::Parse("[s]\nabc", "f"), "f:2: 'abc' should be a section");
  EXPECT_NN_ERROR(PyMICConfiguration::Parse("", "f"), "f has no section");
  EXPECT_NN_ERROR(PyMICConfiguration::Parse("[s]\na = [[[[[[[[[[1]]]]]]]]]]", "f"), "nested more than 8 deep");
  EXPECT_NN_ERROR(PyMICConfiguration::ReadFile("/nowhere.cfg"), "'/nowhere.cfg' cannot be read");
}
