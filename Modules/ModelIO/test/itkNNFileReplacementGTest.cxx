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
#include "itkNNFileReplacement.h"

#include "itkNNTestFiles.h"

#include <stdexcept>

#ifndef _WIN32
#  include <sys/stat.h>
#  include <unistd.h>
#endif

using namespace itk::nn;
using namespace itkNNTest;
namespace fs = std::filesystem;

namespace
{
void
Replace(const std::string & fileName, const std::string & text)
{
  ReplaceFile(fileName, [&text](const std::string & temporary) { WriteFile(temporary, text); });
}
} // namespace

TEST(ModelIOFileReplacement, TheTemporaryFileIsHiddenEmptyAndOfTheSameFormat)
{
  const TemporaryFolder folder;
  for (const std::string ending : { ".nii.gz", ".png", "" })
  {
    const std::string name = folder / ("new" + ending);
    ReplaceFile(name,
                [&](const std::string & temporary)
                {
                  const std::string stem = fs::path(temporary).filename().string();
                  EXPECT_EQ(fs::path(temporary).parent_path(), fs::path(FollowSymbolicLinks(name)).parent_path());
                  EXPECT_EQ(stem.rfind(".universeg-", 0), 0u) << stem;
                  EXPECT_EQ(stem.substr(stem.size() - ending.size()), ending);
                  EXPECT_EQ(fs::file_size(temporary), 0u);
                  EXPECT_FALSE(fs::exists(name));
                  WriteFile(temporary, "new");
                });
    EXPECT_EQ(ReadFile(name), "new");
  }
  EXPECT_EQ(folder.CountFiles(), 3u);
}

TEST(ModelIOFileReplacement, LongNamesAndSeveralDots)
{
  const TemporaryFolder folder;
  const std::string longName = folder / (std::string(100, 'a') + '.' + std::string(140, 'b') + ".png");
  Replace(longName, "long");
  EXPECT_EQ(ReadFile(longName), "long");
}

TEST(ModelIOFileReplacement, AFailureKeepsTheOldFileAndNothingElse)
{
  const TemporaryFolder folder;
  WriteFile(folder / "kept", "before");
  const auto fail = [](const std::string & temporary)
  {
    WriteFile(temporary, "half");
    throw std::runtime_error("stop");
  };
  EXPECT_THROW(ReplaceFile(folder / "kept", fail), std::runtime_error);
  EXPECT_EQ(ReadFile(folder / "kept"), "before");
  EXPECT_NN_ERROR(ReplaceFile(folder / "kept", [](const std::string & temporary) { fs::remove(temporary); }),
                  "Cannot write '" + (folder / "kept") + "': ");
  EXPECT_EQ(ReadFile(folder / "kept"), "before");
  EXPECT_EQ(folder.CountFiles(), 1u);
}

TEST(ModelIOFileReplacement, WhatIsNoPlaceForAFileIsAnError)
{
  const TemporaryFolder folder;
  const auto expect = [](const std::string & name, const std::string & reason)
  {
    EXPECT_NN_ERROR(CheckReplaceable(name), reason);
    EXPECT_NN_ERROR(Replace(name, "text"), reason);
  };
  expect(folder / "no/file", "Cannot write '" + (folder / "no/file") + "': there is no folder '");
  expect(folder / "", "it is a folder; should be the name of a file");
  expect("", "The name of a file is empty");
  WriteFile(folder / "file", "before");
  expect(folder / "file/below", "there is no folder '");
  EXPECT_NO_THROW(CheckReplaceable(folder / "file"));
  EXPECT_NO_THROW(CheckReplaceable(folder / "new"));
  EXPECT_EQ(ReadFile(folder / "file"), "before");
  EXPECT_EQ(folder.CountFiles(), 1u);
}

TEST(ModelIOFileReplacement, NamesOfOneFileAreEqual)
{
  const TemporaryFolder folder;
  fs::create_directory(folder / "sub");
  const std::string name = FollowSymbolicLinks(folder / "new");
  EXPECT_EQ(FollowSymbolicLinks(folder / "sub/../new"), name);
  EXPECT_EQ(FollowSymbolicLinks(folder / "./new"), name);
  WriteFile(folder / "new", "");
  EXPECT_EQ(FollowSymbolicLinks(folder / "new"), name);
  EXPECT_NE(FollowSymbolicLinks(folder / "other"), name);
  const fs::path relative = "universeg-no-such-file";
  EXPECT_EQ(FollowSymbolicLinks(relative.string()), FollowSymbolicLinks(fs::absolute(relative).string()));
}

#ifndef _WIN32
TEST(ModelIOFileReplacement, LinksAreFollowedAndStay)
{
  const TemporaryFolder folder;
  fs::create_directory(folder / "sub");
  WriteFile(folder / "sub/old", "before");
  fs::create_symlink("sub/old", folder / "link");
  fs::create_symlink("link", folder / "chain");
  fs::create_symlink("sub/new", folder / "dangling");
  fs::create_symlink(folder / "sub/absolute", folder / "absolute");
  for (const auto & [name, target] : { std::pair("link", "sub/old"),
                                       { "chain", "sub/old" },
                                       { "dangling", "sub/new" },
                                       { "absolute", "sub/absolute" } })
  {
    EXPECT_EQ(FollowSymbolicLinks(folder / name), FollowSymbolicLinks(folder / target)) << name;
    Replace(folder / name, name);
    EXPECT_TRUE(fs::is_symlink(folder / name)) << name;
    EXPECT_EQ(ReadFile(folder / target), name);
  }
  fs::create_symlink("circle2", folder / "circle1");
  fs::create_symlink("circle1", folder / "circle2");
  EXPECT_NN_ERROR(Replace(folder / "circle1", "x"), "circle1' leads in a circle");
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_NN_ERROR(Replace(folder / "pipe", "x"), "it exists and is not a regular file");
  EXPECT_TRUE(fs::is_fifo(folder / "pipe"));
}

TEST(ModelIOFileReplacement, PermissionsAreKeptAndHeeded)
{
  const TemporaryFolder folder;
  WriteFile(folder / "own", "before");
  const auto own = fs::perms::owner_read | fs::perms::owner_write;
  fs::permissions(folder / "own", own);
  Replace(folder / "own", "after");
  EXPECT_EQ(ReadFile(folder / "own"), "after");
  EXPECT_EQ(fs::status(folder / "own").permissions(), own);

  fs::permissions(folder / "own", fs::perms::owner_read);
  if (access((folder / "own").c_str(), W_OK) == 0)
  {
    GTEST_SKIP() << "this user, a superuser, may write to every file";
  }
  EXPECT_NN_ERROR(Replace(folder / "own", "x"), "it exists and cannot be written to");
  fs::permissions(folder / "", fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_NN_ERROR(Replace(folder / "new", "x"), "no file could be made in its folder");
  fs::permissions(folder / "", fs::perms::owner_all);
}
#endif
