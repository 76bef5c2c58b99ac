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
#include "itkNNConfiguration.h"

#include "itkNNTestHelpers.h"

#include <filesystem>
#include <fstream>
#include <limits>

namespace
{
using itk::nn::ConfigurationNamedLists;
using itk::nn::ConfigurationTable;

struct Inner
{
  double rate = 0.5;
  std::vector<std::int64_t> steps{ 1, 2 };
  std::int64_t line = 0;

  void Describe(ConfigurationTable & table)
  {
    table.Add("rate", "how fast", rate);
    table.Add("steps", "when", steps);
    table.BindLine(line);
  }
};

struct Options
{
  bool flag = true;
  std::int64_t count = 7;
  double size = 1e-4;
  std::string text = "a \"b\"\\\n";
  std::vector<double> numbers{ 1, 0.25 };
  std::vector<std::string> words{ "x" };
  ConfigurationNamedLists names;
  Inner inner;
  std::vector<Inner> list;

  void Describe(ConfigurationTable & table)
  {
    table.Add("flag", "on or off", flag);
    table.Add("inner", "a table", inner);
    table.Add("count", "how many\nof them", count);
    table.Add("size", "how large", size);
    table.Add("text", "what", text);
    table.Add("numbers", "some", numbers);
    table.Add("words", "more", words);
    table.Add("names", "free", names);
    table.AddList("item", "several", list);
  }
};

Options
Read(const std::string & text)
{
  Options options;
  ConfigurationTable(options).Read(text, "test.toml");
  return options;
}

std::string
Write(Options options)
{
  return ConfigurationTable(options).Write();
}

std::string
Repeat(const std::string & part, std::size_t count)
{
  std::string text;
  while (count-- > 0)
  {
    text += part;
  }
  return text;
}
} // namespace

TEST(Configuration, Reads)
{
  const Options options = Read("flag = false\ncount = -3\nsize = 2\ntext = 'c'\nnumbers = [1, 2.5]\nwords = []\n"
                               "names = { a = 1, 'b c' = ['255,0,0', 4] }\n"
                               "[inner]\nrate = 1e3\n[[item]]\n[[item]]\nsteps = [9]\n");
  EXPECT_FALSE(options.flag);
  EXPECT_EQ(options.count, -3);
  EXPECT_EQ(options.size, 2);
  EXPECT_EQ(options.text, "c");
  EXPECT_EQ(options.numbers, (std::vector<double>{ 1, 2.5 }));
  EXPECT_TRUE(options.words.empty());
  EXPECT_EQ(options.names, (ConfigurationNamedLists{ { "a", { "1" } }, { "b c", { "255,0,0", "4" } } }));
  EXPECT_EQ(options.inner.rate, 1000);
  EXPECT_EQ(options.inner.steps, (std::vector<std::int64_t>{ 1, 2 }));
  ASSERT_EQ(options.list.size(), 2U);
  EXPECT_EQ(options.list[0].rate, 0.5);
  EXPECT_EQ(options.list[1].steps, (std::vector<std::int64_t>{ 9 }));
  EXPECT_EQ(options.list[1].line, 11);
}

TEST(Configuration, NamesWhatIsWrong)
{
  EXPECT_NN_ERROR(Read("\ncount = 'x'"), "test.toml:2: key 'count' is the string \"x\"; should be an integer");
  EXPECT_NN_ERROR(Read("count = 1.5"), "is the number 1.5; should be an integer");
  EXPECT_NN_ERROR(Read("flag = 1"), "key 'flag' is the integer 1; should be true or false");
  EXPECT_NN_ERROR(Read("text = 1979-05-27"), "key 'text' is a date or a time; should be a string");
  EXPECT_NN_ERROR(Read("size = true"), "key 'size' is true; should be a number");
  EXPECT_NN_ERROR(Read("numbers = 1"), "should be a list of numbers");
  EXPECT_NN_ERROR(Read("numbers = [1, 'a']"), "key 'numbers[1]' is the string \"a\"; should be a number");
  EXPECT_NN_ERROR(Read("inner = [1]"), "key 'inner' is a list; should be a table");
  EXPECT_NN_ERROR(Read("[item]"), "key 'item' is a table; should be a list of tables");
  EXPECT_NN_ERROR(Read("item = [1]"), "key 'item[0]' is the integer 1; should be a table");
  EXPECT_NN_ERROR(Read("[names]\na = 1.5"), "key 'names.a' is the number 1.5; should be an integer or a string");
  EXPECT_NN_ERROR(Read("names = 3"), "should be a table of names");
  EXPECT_NN_ERROR(Read("[inner]\nrates = 1"), "test.toml:2: key 'inner.rates' is unknown; did you mean 'rate'?");
  EXPECT_NN_ERROR(Read("[[item]]\nzzzzzzzz = 1"), "key 'item[0].zzzzzzzz' is unknown; known are: rate, steps");
}

TEST(Configuration, RefusesHostileText)
{
  EXPECT_NN_ERROR(Read("flag = "), "test.toml:1: not valid TOML: ");
  EXPECT_NN_ERROR(Read("flag = true\nflag = true"), "test.toml:2: not valid TOML: ");
  EXPECT_NN_ERROR(Read("count = 99999999999999999999"), "not valid TOML: ");
  EXPECT_NN_ERROR(Read("text = \"\xff\xfe\""), "not valid TOML: ");
  EXPECT_NN_ERROR(Read(std::string("text = \"\0\"", 10)), "not valid TOML: ");
  EXPECT_NN_ERROR(Read(std::string((std::size_t{ 1 } << 20U) + 1, ' ')), "longer than 1048576 bytes");
  EXPECT_NN_ERROR(Read("numbers = " + Repeat("[", 500000)), "not valid TOML: ");
  EXPECT_NN_ERROR(Read("inner = " + Repeat("{a=", 300000)), "not valid TOML: ");
  EXPECT_NN_ERROR(Read('\n' + Repeat("a.", 500000) + "a = 1"), "test.toml:2: a key has more than 32 parts");
  EXPECT_NN_ERROR(Read('[' + Repeat("a .", 300000) + "a]"), "a key has more than 32 parts");
  EXPECT_NN_ERROR(Read("text = \"\"\"a\"\"\"\"\"\n" + Repeat("'a'.", 200000)), "test.toml:2: a key has more than 32");
  EXPECT_NN_ERROR(Read(Repeat("k", 900000) + " = 1"), "kkkkk...' is unknown");
}

TEST(Configuration, DotsInStringsAndCommentsAreNoDepth)
{
  const std::string dots(100, '.');
  const std::string text = "# " + dots + "\ntext = \"\\\"" + dots + "\" # " + dots + "\n";
  const Options options = Read(text + "words = ['''\n" + dots + "''', '" + dots + "']\n");
  EXPECT_EQ(options.text, '"' + dots);
  EXPECT_EQ(options.words, (std::vector<std::string>{ dots, dots }));
}

TEST(Configuration, WhatIsWrittenIsRead)
{
  Options options;
  options.names["b c"] = { "1..3", "\x01" };
  options.size = 0.1 + 0.2;
  options.numbers = { 1e300, -5, std::numeric_limits<double>::infinity() };
  options.list.resize(2);
  options.list[1].rate = 3;
  const std::string text = Write(options);
  EXPECT_NE(text.find("# how many\n# of them\ncount = 7\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\n# a table\n[inner]\n# how fast\nrate = 0.5\n"), std::string::npos) << text;
  const Options read = Read(text);
  EXPECT_EQ(Write(read), text);
  EXPECT_EQ(read.size, options.size);
  EXPECT_EQ(read.text, options.text);
  EXPECT_EQ(read.names, options.names);
  EXPECT_EQ(read.list[1].rate, 3);
}

TEST(Configuration, AnEmptyListIsShownInComments)
{
  const std::string text = Write(Options());
  EXPECT_NE(text.find("# several\n# [[item]]\n# # how fast\n# rate = 0.5\n"), std::string::npos) << text;
  EXPECT_TRUE(Read(text).list.empty());
}

TEST(Configuration, Lists)
{
  Options options;
  const auto list = ConfigurationTable(options).List();
  ASSERT_EQ(list.size(), 11U);
  EXPECT_EQ(list[1].key, "inner.rate");
  EXPECT_EQ(list[1].type, "a number");
  EXPECT_EQ(list[1].value, "0.5");
  EXPECT_EQ(list[1].comment, "how fast");
  EXPECT_EQ(list.back().key, "item[].steps");
  EXPECT_EQ(list.back().value, "[1, 2]");
}

TEST(Configuration, ReadsFiles)
{
  namespace fs = std::filesystem;
  const fs::path folder = fs::path(UNIVERSEG_TEST_OUTPUT) / "Configuration";
  fs::create_directories(folder);
  const std::string fileName = (folder / "a.toml").string();
  std::ofstream(fileName) << "count = 8\n";
  Options options;
  const ConfigurationTable table(options);
  table.ReadFile(fileName);
  EXPECT_EQ(options.count, 8);
  EXPECT_NN_ERROR(table.ReadFile(folder.string()), "is a folder; should be a TOML file");
  EXPECT_NN_ERROR(table.ReadFile((folder / "none.toml").string()), "none.toml: the configuration cannot be opened");
}

TEST(Configuration, KeysAreCheckedWhenDescribed)
{
  ConfigurationTable table;
  bool value = false;
  table.Add("a", "", value);
  EXPECT_NN_ERROR(table.Add("a", "", value), "Key 'a' of a configuration is described twice");
  EXPECT_NN_ERROR(table.Add("a.b", "", value), "Key 'a.b' of a configuration should have letters");
}
