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
#include "universegCommandLine.h"
#include "universegFiles.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace
{
namespace fs = std::filesystem;

/** A folder with empty files of these names. */
std::string
MakeFiles(const std::vector<std::string> & names)
{
  const fs::path folder =
    fs::path(UNIVERSEG_TEST_OUTPUT) / testing::UnitTest::GetInstance()->current_test_info()->name();
  fs::remove_all(folder);
  fs::create_directories(folder);
  for (const std::string & name : names)
  {
    fs::create_directories((folder / name).parent_path());
    std::ofstream file(folder / name);
  }
  return folder.string();
}

std::vector<std::string>
Names(const std::vector<universeg::FilePair> & pairs)
{
  std::vector<std::string> names;
  for (const auto & pair : pairs)
  {
    names.push_back(fs::path(pair.image).filename().string() + ' ' + fs::path(pair.mask).filename().string());
  }
  return names;
}

using Strings = std::vector<std::string>;

TEST(Files, NaturalOrder)
{
  Strings names{ "b", "a10", "a2", "a02", "a1b", "a", "a1" };
  std::sort(names.begin(), names.end(), universeg::NaturalLess);
  EXPECT_EQ(names, (Strings{ "a", "a1", "a1b", "a02", "a2", "a10", "b" }));
  EXPECT_FALSE(universeg::NaturalLess("x", "x"));
}

TEST(Files, NamesOfOneFile)
{
  const std::string folder = MakeFiles({ "a", "sub/b" });
  fs::create_symlink("sub/new", folder + "/link");
  fs::create_hard_link(folder + "/a", folder + "/hard");
  EXPECT_TRUE(universeg::IsSameFile(folder + "/a", folder + "/sub/../a"));
  EXPECT_TRUE(universeg::IsSameFile(folder + "/a", folder + "/hard"));
  EXPECT_TRUE(universeg::IsSameFile(folder + "/link", folder + "/sub/new"));
  EXPECT_TRUE(universeg::IsSameFile("missing", fs::absolute("missing").string()));
  EXPECT_FALSE(universeg::IsSameFile(folder + "/a", folder + "/sub/b"));
  EXPECT_FALSE(universeg::IsSameFile(folder + "/a", folder + "/missing"));
}

TEST(Files, StemsAndExtensions)
{
  EXPECT_EQ(universeg::GetStem("/a/b.c.nii.gz"), "b.c");
  EXPECT_EQ(universeg::GetStem("x.PNG"), "x");
  EXPECT_EQ(universeg::GetImageExtension("x.NII.GZ"), ".nii.gz");
  EXPECT_EQ(universeg::GetImageExtension("notes.txt"), "");
  EXPECT_EQ(universeg::GetImageExtension(".png"), "");
  EXPECT_EQ(universeg::GetSubject("p/x_mask.png"), "x");
  EXPECT_EQ(universeg::GetSubject("x-label.nii.gz"), "x");
  EXPECT_EQ(universeg::GetSubject("x_mask.png", "_gt"), "x_mask");
  EXPECT_EQ(universeg::GetSubject("_mask.png"), "_mask");
}

TEST(Files, PairsOfSubfolders)
{
  const auto folder = MakeFiles({ "images/c10.png", "images/c9.png", "masks/c9.nii.gz", "masks/c10_seg.png", "a.txt" });
  EXPECT_EQ(Names(universeg::FindPairs(folder)), (Strings{ "c9.png c9.nii.gz", "c10.png c10_seg.png" }));
  const auto decathlon = MakeFiles({ "imagesTr/h_1_0000.nii.gz", "labelsTr/h_1.nii.gz" });
  EXPECT_EQ(Names(universeg::FindPairs(decathlon)), (Strings{ "h_1_0000.nii.gz h_1.nii.gz" }));
}

TEST(Files, PairsBySuffix)
{
  const auto folder = MakeFiles({ "b.png", "b_mask.png", "a.jpg", "a-label.png", ".hidden.png", "notes.txt" });
  EXPECT_EQ(Names(universeg::FindPairs(folder)), (Strings{ "a.jpg a-label.png", "b.png b_mask.png" }));
}

TEST(Files, PairsByOneSuffixAmongOthers)
{
  const auto folder = MakeFiles({ "I_1.jpg", "I_1_1stHO.png", "I_1_2ndHO.png" });
  EXPECT_EQ(Names(universeg::FindPairs(folder, "_2ndHO")), (Strings{ "I_1.jpg I_1_2ndHO.png" }));
  EXPECT_THROW(universeg::FindPairs(folder), universeg::Failure);
  EXPECT_THROW(universeg::FindPairs(folder, "_3rdHO"), universeg::Failure);
}

TEST(Files, PairsByExtension)
{
  const auto folder = MakeFiles({ "001.bmp", "001.png", "002.png", "002.bmp" });
  EXPECT_EQ(Names(universeg::FindPairs(folder)), (Strings{ "001.bmp 001.png", "002.bmp 002.png" }));
}

void
ExpectFailure(const Strings & files, const std::string & part)
{
  const std::string folder = MakeFiles(files);
  try
  {
    universeg::FindPairs(folder);
    ADD_FAILURE() << "no failure about " << part;
  }
  catch (const universeg::Failure & failure)
  {
    EXPECT_NE(std::string(failure.what()).find(part), std::string::npos) << failure.what();
  }
}

TEST(Files, UnmatchedFilesAreNamed)
{
  ExpectFailure({}, "no pairs");
  ExpectFailure({ "a.png", "a_mask.png", "b.png" }, "1 of the files have no mask, the first is 'b.png'");
  ExpectFailure({ "a.png", "a_mask.png", "b_mask.png" }, "'b_mask.png'");
  ExpectFailure({ "a.png", "a_mask.png", "a_label.png" }, "more than one mask for 'a'");
  ExpectFailure({ "images/a.png", "labels/b.png" }, "'a.png'");
  ExpectFailure({ "images/a.png", "labels/a.png", "labels/b.png" }, "'b.png'");
  ExpectFailure({ "a.bmp", "a.png", "b.bmp" }, "'b.bmp'");
  ExpectFailure({ "a.bmp", "a.jpg" }, "partner");
  EXPECT_THROW(universeg::FindPairs("/no/such/folder"), universeg::Failure);
  EXPECT_THROW(universeg::ListImages("/no/such/folder"), universeg::Failure);
}

TEST(Files, MaskForAResult)
{
  const auto folder = MakeFiles({ "1.bmp", "1.png", "2.png", "2_gt.png", "3_a.png", "3_b.png" });
  const auto name = [&](const std::string & result, const std::string & suffix = "")
  { return fs::path(universeg::FindMask(folder, result, suffix)).filename().string(); };
  EXPECT_EQ(name("out/1_seg.png"), "1.png");
  EXPECT_EQ(name("2_seg.nii.gz"), "2_gt.png");
  EXPECT_EQ(name("3_seg.png", "_b"), "3_b.png");
  EXPECT_THROW(name("4.png"), universeg::Failure);
}

TEST(CommandLine, NumbersAreThoseOfTheCLocale)
{
  EXPECT_EQ(universeg::ParseNumber("-1.5e1", "--x"), -15);
  EXPECT_EQ(universeg::ParseInteger("-12", "--x"), -12);
  for (const char * text : { "", "1,5", " 1", "1 ", "nan", "inf", "x" })
  {
    EXPECT_THROW(universeg::ParseNumber(text, "--x"), universeg::UsageError) << text;
  }
  EXPECT_THROW(universeg::ParseInteger("1.0", "--x"), universeg::UsageError);
  EXPECT_EQ(universeg::Split("a,,b", ','), (Strings{ "a", "", "b" }));
}
} // namespace
