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
#include "itkNNTaskManifest.h"

#include "itkNNTestHelpers.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace
{
namespace fs = std::filesystem;
using itk::nn::ManifestDataset;
using itk::nn::ManifestSplit;
using itk::nn::ManifestSubjects;
using itk::nn::TaskManifest;
using Strings = std::vector<std::string>;

/** An empty folder of the test's own. */
fs::path
MakeFolder()
{
  const fs::path folder =
    fs::path(UNIVERSEG_TEST_OUTPUT) / "TaskManifest" / testing::UnitTest::GetInstance()->current_test_info()->name();
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

void
Touch(const fs::path & folder, const Strings & names)
{
  for (const auto & name : names)
  {
    fs::create_directories((folder / name).parent_path());
    std::ofstream(folder / name) << name;
  }
}

TaskManifest
Read(const fs::path & folder, const std::string & text)
{
  const std::string fileName = (folder / "data.toml").string();
  std::ofstream(fileName) << text;
  return TaskManifest::ReadFile(fileName);
}

ManifestDataset
MakeDataset(const std::string & images, const std::string & labels)
{
  ManifestDataset dataset;
  dataset.name = "x";
  dataset.images = images;
  dataset.labels = labels;
  return dataset;
}

/** "image>label:subject" with names relative to a folder. */
Strings
List(const ManifestDataset & dataset, const fs::path & folder)
{
  Strings list;
  for (const auto & found : dataset.FindCases(folder.string()))
  {
    const auto shorten = [&folder](const std::string & name)
    { return fs::path(name).lexically_relative(folder).generic_string(); };
    list.push_back(shorten(found.image) + '>' + shorten(found.label) + ':' + found.subject);
  }
  return list;
}
} // namespace

TEST(TaskManifest, ReadsAllKeys)
{
  const fs::path folder = MakeFolder();
  const TaskManifest manifest = Read(folder,
                                     "root = 'sub'\nmemory-limit = 10\n"
                                     "[[dataset]]\nname = 'a'\nimages = 'i'\nlabels = 'l/{name}'\n"
                                     "[[dataset]]\nname = 'b'\nweight = 2\nlicence = 'CC0'\nimages = 'i/*.png'\n"
                                     "exclude = ['x*']\nlabels = 'l/{stem}.png'\nsubject = '(.)_'\nkind = 'rgb'\n"
                                     "structures = { red = '255,0,0' }\naxes = [2]\nminimum-area = 0.5\n"
                                     "normalization = { method = 'window', low = -10, high = 20 }\n"
                                     "split = { fraction = 0.25, seed = 3 }\n");
  EXPECT_EQ(manifest.root, (folder / "sub").string());
  EXPECT_EQ(manifest.memoryLimit, 10);
  ASSERT_EQ(manifest.datasets.size(), 2U);
  EXPECT_EQ(manifest.datasets[0].axes, (std::vector<std::int64_t>{ 0, 1, 2 }));
  const auto & dataset = manifest.datasets[1];
  EXPECT_EQ(dataset.weight, 2);
  EXPECT_EQ(dataset.structures.at("red"), Strings{ "255,0,0" });
  EXPECT_EQ(dataset.normalization.Get().windowMinimum, -10);
  EXPECT_EQ(dataset.split.fraction, 0.25);
  EXPECT_EQ(dataset.line, 7);
}

TEST(TaskManifest, RefusesWhatIsWrong)
{
  const fs::path folder = MakeFolder();
  const std::string plain = "[[dataset]]\nname = 'a'\nimages = 'i'\nlabels = 'l'\n";
  EXPECT_NN_ERROR(Read(folder, ""), "data.toml: there is no data set");
  EXPECT_NN_ERROR(Read(folder, "memory-limit = 0\n" + plain), "'memory-limit' is 0; should be above 0");
  EXPECT_NN_ERROR(Read(folder, "[[dataset]]"), "data.toml:1: data set '': 'name' is missing");
  EXPECT_NN_ERROR(Read(folder, "[[dataset]]\nname = 'a'"), "data set 'a': 'images' is missing");
  EXPECT_NN_ERROR(Read(folder, "[[dataset]]\nname = 'a'\nimages = 'i'"), "'labels' is missing");
  EXPECT_NN_ERROR(Read(folder, plain + plain), "'name' is 'a', as that of another");
  EXPECT_NN_ERROR(Read(folder, plain + "weight = -1"), "'weight' is -1; should be at least 0");
  EXPECT_NN_ERROR(Read(folder, plain + "weight = nan"), "'weight' is nan; should be at least 0");
  EXPECT_NN_ERROR(Read(folder, plain + "kind = 'gray'"), "'kind' is 'gray'; should be 'label map', 'rgb' or 'binary'");
  EXPECT_NN_ERROR(Read(folder, plain + "axes = []"), "'axes' is empty");
  EXPECT_NN_ERROR(Read(folder, plain + "axes = [3]"), "'axes' has 3; should have some of 0, 1 and 2");
  EXPECT_NN_ERROR(Read(folder, plain + "axes = [1, 1]"), "'axes' has 1 twice");
  EXPECT_NN_ERROR(Read(folder, plain + "minimum-area = 1.5"), "'minimum-area' is 1.5; should be from 0 to 1");
  EXPECT_NN_ERROR(Read(folder, plain + "normalization.method = 'z'"),
                  "'normalization.method' is 'z'; should be minmax");
  EXPECT_NN_ERROR(Read(folder, plain + "normalization = { method = 'percentile', low = 9, high = 1 }"), "percentiles");
  EXPECT_NN_ERROR(Read(folder, plain + "split = { fraction = 0.5, train = ['a'] }"), "'split.fraction' is 0.5 beside");
  EXPECT_NN_ERROR(Read(folder, "[[dataset]]\nlabel = 'x'"), "did you mean 'labels'?");
  EXPECT_NN_ERROR(Read(folder, "root = '$UNIVERSEG_NO_SUCH_VARIABLE/x'\n" + plain),
                  "there is no variable UNIVERSEG_NO_SUCH_VARIABLE in the environment");
}

TEST(TaskManifest, FindsImagesWithTheirLabels)
{
  const fs::path folder = MakeFolder();
  Touch(
    folder,
    { "a/1_x.png", "a/2_y.png", "a/.hidden.png", "a/1_x_mask.png", "a/2_y_mask.png", "b/v.nii.gz", "b/v_l.nii.gz" });
  auto dataset = MakeDataset("a/*.png", "a/{stem}_mask.png");
  dataset.exclude = { "*_mask.png" };
  EXPECT_EQ(List(dataset, folder), (Strings{ "a/1_x.png>a/1_x_mask.png:a/1_x", "a/2_y.png>a/2_y_mask.png:a/2_y" }));
  dataset.subject = "^([0-9]+)_";
  EXPECT_EQ(List(dataset, folder).back(), "a/2_y.png>a/2_y_mask.png:2");
  dataset.images = "a";
  EXPECT_EQ(List(dataset, folder).size(), 2U);
  EXPECT_EQ(List(MakeDataset("b/?.nii.gz", "b/{stem}_l.nii.gz"), folder), Strings{ "b/v.nii.gz>b/v_l.nii.gz:b/v" });
  EXPECT_EQ(List(MakeDataset("*/*_x.png", "{folder}/{2}_x_mask.png"), folder),
            Strings{ "a/1_x.png>a/1_x_mask.png:a/1_x" });
}

TEST(TaskManifest, SaysWhichFileIsMissing)
{
  const fs::path folder = MakeFolder();
  Touch(folder, { "a/1.png" });
  fs::create_directories(folder / "empty");
  const auto find = [&](const std::string & images, const std::string & labels, const std::string & subject = "")
  {
    auto dataset = MakeDataset(images, labels);
    dataset.subject = subject;
    dataset.FindCases(folder.string());
  };
  EXPECT_NN_ERROR(find("empty", "{stem}"), "no file is an image of 'empty'");
  EXPECT_NN_ERROR(find("none/*.png", "{stem}"), "no file is an image of 'none/*.png'");
  EXPECT_NN_ERROR(find("a", "l/{stem}.png"), "1.png: its labels should be in");
  EXPECT_NN_ERROR(find("a", "a/{name}"), "'labels' gives the image itself");
  EXPECT_NN_ERROR(find("a", "l/{image}.png"), "'labels' has {image}; should be {stem}");
  EXPECT_NN_ERROR(find("a", "l/{2}.png"), "'labels' has {2}, and 'images' has 1 '*'");
  EXPECT_NN_ERROR(find("a", "l/{stem"), "a '{' has no '}'");
  EXPECT_NN_ERROR(find("a", "l", "(("), "'subject' is '(('; should be a regular expression");
  Touch(folder, { "l" });
  EXPECT_NN_ERROR(find("a", "l", "x"), "the file name '1.png' has no match of 'subject'");
}

TEST(TaskManifest, SplitsSubjects)
{
  const Strings subjects{ "a", "b1", "b2", "c" };
  ManifestSubjects split;
  EXPECT_EQ(split.Select(subjects, ManifestSplit::Train), subjects);
  EXPECT_TRUE(split.Select(subjects, ManifestSplit::Validation).empty());

  split.validation = { "b.", "nobody" };
  EXPECT_EQ(split.Select(subjects, ManifestSplit::Train), (Strings{ "a", "c" }));
  EXPECT_EQ(split.Select(subjects, ManifestSplit::Validation), (Strings{ "b1", "b2" }));
  split.train = { "a" };
  EXPECT_EQ(split.Select(subjects, ManifestSplit::Train), Strings{ "a" });
  split.train = { "b1" };
  EXPECT_NN_ERROR(split.Select(subjects, ManifestSplit::Train), "subject 'b1' is in 'split.train' and in");
  split.validation = { "[" };
  EXPECT_NN_ERROR(split.Select(subjects, ManifestSplit::Train), "'split.validation' is '['; should be a regular");

  ManifestSubjects drawn;
  drawn.fraction = 0.5;
  const Strings train = drawn.Select(subjects, ManifestSplit::Train);
  const Strings validation = drawn.Select(subjects, ManifestSplit::Validation);
  EXPECT_EQ(train.size(), 2U);
  Strings all = train;
  all.insert(all.end(), validation.begin(), validation.end());
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, subjects);
  EXPECT_EQ(drawn.Select(subjects, ManifestSplit::Train), train);
  drawn.fraction = 0.01;
  EXPECT_EQ(drawn.Select(subjects, ManifestSplit::Validation).size(), 1U);
  EXPECT_TRUE(drawn.Select({ "a" }, ManifestSplit::Validation).empty());
}
