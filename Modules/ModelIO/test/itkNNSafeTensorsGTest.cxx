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
#include "itkNNTestFiles.h"

#include <cmath>
#include <filesystem>
#include <limits>

#ifndef _WIN32
#  include <sys/stat.h>
#endif

using namespace itkNNTest;
using namespace itk::nn;

namespace
{
SafeTensorsFile
Read(const std::string & bytes)
{
  return ReadSafeTensorsFromMemory(bytes.data(), bytes.size());
}

std::string
Entry(const std::string & name, const std::string & type, const std::string & shape, const std::string & offsets)
{
  return '"' + name + "\":{\"dtype\":\"" + type + "\",\"shape\":[" + shape + "],\"data_offsets\":[" + offsets + "]}";
}

StateDict
AllTypes()
{
  StateDict tensors;
  tensors.Add("flag", Tensor::FromVector<bool>({ 3 }, { true, false, true }));
  tensors.Add("u8", Tensor::FromVector<std::uint8_t>({ 5 }, { 0, 1, 2, 254, 255 }));
  tensors.Add("i8", Tensor::FromVector<std::int8_t>({ 3 }, { -128, 0, 127 }));
  tensors.Add("i16", Tensor::FromVector<std::int16_t>({ 2 }, { -32768, 32767 }));
  tensors.Add("u16", Tensor::FromVector<std::uint16_t>({ 1, 2 }, { 0, 65535 }));
  tensors.Add("i32", Tensor::FromVector<std::int32_t>({ 2 }, { -2147483647, 7 }));
  tensors.Add("i64", Tensor::FromVector<std::int64_t>({}, { std::numeric_limits<std::int64_t>::min() }));
  tensors.Add("f32", Tensor::FromVector<float>({ 2, 2 }, { 0.1f, -0.0f, 1e-45f, 3e38f }));
  tensors.Add("f64", Tensor::FromVector<double>({ 2 }, { 0.1, -1e300 }));
  tensors.Add("f16", Tensor::FromVector<float>({ 4 }, { 1.5f, -65504.f, 6e-8f, 0.f }).To(DataType::Float16));
  tensors.Add("bf16", Tensor::FromVector<float>({ 2 }, { 1.5f, -3e38f }).To(DataType::BFloat16));
  tensors.Add("empty", Tensor(Shape{ 0, 3 }));
  return tensors;
}

void
ExpectEqual(const StateDict & a, const StateDict & b)
{
  ASSERT_EQ(a.GetSize(), b.GetSize());
  auto other = b.begin();
  for (const auto & entry : a)
  {
    EXPECT_EQ(entry.first, other->first);
    EXPECT_EQ(entry.second.GetDataType(), other->second.GetDataType()) << entry.first;
    EXPECT_EQ(entry.second.GetShape(), other->second.GetShape()) << entry.first;
    const Tensor x = entry.second.Contiguous();
    const Tensor y = other->second.Contiguous();
    EXPECT_EQ(std::memcmp(x.GetRawData(), y.GetRawData(), x.GetNumberOfBytes()), 0) << entry.first;
    ++other;
  }
}
} // namespace

TEST(ModelIOSafeTensors, RoundTripKeepsEveryTypeOrderAndMetadata)
{
  const StateDict tensors = AllTypes();
  const SafeTensorsMetadata metadata = { { "format", "pt" }, { "b", "\xc3\xa9\n\"quoted\"" }, { "a", "" } };
  const TemporaryFolder folder;
  const std::string path = folder / "all.safetensors";
  WriteSafeTensors(path, tensors, metadata);
  const SafeTensorsFile file = ReadSafeTensors(path);
  ExpectEqual(tensors, file.tensors);
  EXPECT_EQ(file.metadata, metadata);
  EXPECT_EQ(folder.CountFiles(), 1u);
  EXPECT_FLOAT_EQ(HalfToFloat(0x3e00), 1.5f);
  EXPECT_EQ(file.tensors.Get("f16").ToVector<float>(), (std::vector<float>{ 1.5f, -65504.f, 5.9604645e-8f, 0.f }));
}

TEST(ModelIOSafeTensors, EqualContentGivesEqualBytes)
{
  const auto first = SerializeSafeTensors(AllTypes(), { { "x", "1" }, { "a", "2" } });
  const auto second = SerializeSafeTensors(AllTypes(), { { "a", "2" }, { "x", "1" } });
  EXPECT_EQ(first, second);
  const std::string again(first.begin(), first.end());
  const auto read = Read(again);
  EXPECT_EQ(SerializeSafeTensors(read.tensors, read.metadata), first);

  const TemporaryFolder folder;
  WriteSafeTensors(folder / "f", AllTypes(), { { "x", "1" }, { "a", "2" } });
  EXPECT_EQ(ReadFile(folder / "f"), again);
}

TEST(ModelIOSafeTensors, HeaderAndTensorsAreAligned)
{
  const auto bytes = SerializeSafeTensors(AllTypes());
  ASSERT_EQ(bytes[0] % 8, 0);
  const SafeTensorsFile file = Read(std::string(bytes.begin(), bytes.end()));
  const auto address = [&file](const char * name)
  { return reinterpret_cast<std::uintptr_t>(file.tensors.Get(name).GetRawData()); };
  EXPECT_EQ(address("f64") % 8, 0u);
  EXPECT_EQ(address("f32") % 4, 0u);
  // Views of one buffer.
  EXPECT_LT(address("u8") > address("f64") ? address("u8") - address("f64") : address("f64") - address("u8"),
            bytes.size());
}

TEST(ModelIOSafeTensors, WritesStridedTensorsRowMajor)
{
  StateDict tensors;
  tensors.Add("t", Tensor::FromVector<float>({ 2, 3 }, { 1, 2, 3, 4, 5, 6 }).Permute({ 1, 0 }));
  const auto bytes = SerializeSafeTensors(tensors);
  const auto file = Read(std::string(bytes.begin(), bytes.end()));
  EXPECT_EQ(file.tensors.Get("t").GetShape(), (Shape{ 3, 2 }));
  EXPECT_EQ(file.tensors.Get("t").ToVector<float>(), (std::vector<float>{ 1, 4, 2, 5, 3, 6 }));
}

TEST(ModelIOSafeTensors, ReadsKnownBytes)
{
  const auto file = Read(SafeTensorsBytes("{\"__metadata__\":{\"k\":\"v\"}," + Entry("b", "BOOL", "3", "0,3") + ',' +
                                            Entry("h", "F16", "2", "3,7") + ',' + Entry("w", "F32", "", "7,11") + "}  ",
                                          std::string("\x02\x00\xff", 3) + RawBytes<std::uint16_t>({ 0x3c00, 0xfc00 }) +
                                            RawBytes<float>({ 0.25f })));
  EXPECT_EQ(file.metadata.at("k"), "v");
  const Tensor flags = file.tensors.Get("b");
  ASSERT_EQ(flags.GetDataType(), DataType::Bool);
  EXPECT_EQ(std::memcmp(flags.GetRawData(), "\x01\x00\x01", 3), 0);
  EXPECT_EQ(file.tensors.Get("h").GetElement({ 0 }), 1.0);
  EXPECT_EQ(file.tensors.Get("h").GetElement({ 1 }), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(file.tensors.Get("w").GetElement({}), 0.25);
}

TEST(ModelIOSafeTensors, EmptyFileHasNoTensors)
{
  EXPECT_TRUE(Read(SafeTensorsBytes("{}", "")).tensors.IsEmpty());
  const auto bytes = SerializeSafeTensors(StateDict());
  EXPECT_TRUE(Read(std::string(bytes.begin(), bytes.end())).tensors.IsEmpty());
}

TEST(ModelIOSafeTensors, TruncatedAtEveryByteIsAnError)
{
  const auto bytes = SerializeSafeTensors(AllTypes(), { { "k", "v" } });
  const std::string file(bytes.begin(), bytes.end());
  for (std::size_t size = 0; size < file.size(); ++size)
  {
    EXPECT_THROW(Read(file.substr(0, size)), Error) << size;
  }
  EXPECT_NO_THROW(Read(file));
}

TEST(ModelIOSafeTensors, EveryChangedHeaderByteIsAnErrorOrReadable)
{
  const auto bytes = SerializeSafeTensors(AllTypes(), { { "k", "v" } });
  const std::string file(bytes.begin(), bytes.end());
  std::size_t errors = 0;
  for (std::size_t i = 0; i < file.size(); ++i)
  {
    for (const int change : { 1, 0x20, 0x80 })
    {
      std::string hostile = file;
      hostile[i] = static_cast<char>(hostile[i] ^ change);
      try
      {
        Read(hostile);
      }
      catch (const Error &)
      {
        ++errors;
      }
    }
  }
  EXPECT_GT(errors, file.size() / 2);
}

TEST(ModelIOSafeTensors, HeaderLengthIsBounded)
{
  EXPECT_NN_ERROR(Read(LittleEndian(~std::uint64_t{ 0 }, 8) + "{}"), "the limit is 100000000");
  EXPECT_NN_ERROR(Read(LittleEndian(100000001, 8) + "{}"), "the limit is 100000000");
  EXPECT_NN_ERROR(Read(LittleEndian(3, 8) + "{}"), "only 2 bytes follow");
  EXPECT_NN_ERROR(Read("1234"), "fewer than the 8");
  EXPECT_NN_ERROR(Read(LittleEndian(0, 8)), "does not begin with '{'");
  EXPECT_NN_ERROR(Read(SafeTensorsBytes(" {}", "")), "does not begin with '{'");
}

TEST(ModelIOSafeTensors, MalformedHeadersAreErrors)
{
  const auto fail = [](const std::string & header, const std::string & part, std::size_t data = 8)
  { EXPECT_NN_ERROR(Read(SafeTensorsBytes(header, std::string(data, '\0'))), part); };
  fail("{\"a\"", "not valid JSON");
  fail("{}{}", "not valid JSON");
  fail("{\"a\":1}", "a number where it should not be, at key 'a'");
  fail("{\"a\":null}", "null where it should not be");
  fail("{\"a\":true}", "a boolean where it should not be");
  fail("{\"a\":[]}", "an array where it should not be");
  fail("{\"a\":\"x\"}", "a string where it should not be");
  fail("{" + Entry("a", "F8_E4M3", "8", "0,8") + "}", "the dtype 'F8_E4M3' for tensor 'a' is not one of F64 F32");
  fail("{" + Entry("a", "F32", "-2", "0,8") + "}", "number -2 for tensor 'a'");
  fail("{" + Entry("a", "F32", "2.0", "0,8") + "}", "expected an integer");
  fail("{" + Entry("a", "F32", "1e400", "0,8") + "}", "Cannot read safetensors file");
  fail("{" + Entry("a", "F32", "[2]", "0,8") + "}", "an array where it should not be");
  fail("{" + Entry("a", "F32", "2", "0,8,8") + "}", "more than two data_offsets");
  fail("{" + Entry("a", "F32", "2", "0") + "}", "not two data_offsets");
  fail("{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", "is missing for tensor 'a'");
  fail("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", "occurs twice for tensor");
  fail("{\"a\":{\"type\":\"F32\"}}", "unknown field 'type'");
  fail("{\"__metadata__\":{\"k\":1}}", "a number where it should not be");
  fail("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", "metadata have the key 'k' twice");
  fail("{\"__metadata__\":{},\"__metadata__\":{}}", "occurs twice in the header");
  fail("{" + Entry("a", "F32", "1", "0,4") + ',' + Entry("a", "F32", "1", "4,8") + "}",
       "the name 'a' occurs twice in the header");
  fail("{\"a\xff\":1}", "not valid JSON");
}

TEST(ModelIOSafeTensors, ExtentsMustFillTheDataExactly)
{
  const auto fail = [](const std::string & entries, const std::string & part, std::size_t data = 8)
  { EXPECT_NN_ERROR(Read(SafeTensorsBytes('{' + entries + '}', std::string(data, '\0'))), part); };
  fail(Entry("a", "F32", "2", "0,16"), "outside of the 8 bytes");
  fail(Entry("a", "F32", "2", "8,0"), "outside of the 8 bytes");
  fail(Entry("a", "F32", "2", "18446744073709551608,0"), "outside of the 8 bytes");
  fail(Entry("a", "F32", "3", "0,8"), "needs 12 bytes, its data_offsets [0, 8] give 8");
  fail(Entry("a", "F32", "1", "0,4"), "the tensors end at byte 4 of the data, the file at byte 8");
  fail(Entry("a", "F32", "1", "4,8"), "a hole of 4 bytes before the data of tensor 'a'");
  fail(Entry("a", "F32", "1", "0,4") + ',' + Entry("b", "F32", "2", "0,8"), "overlap");
  fail(Entry("a", "F32", "2", "0,8") + ',' + Entry("b", "F32", "1", "4,8"), "overlap");
  fail(Entry("a", "F32", "4294967296,4294967296,4294967296", "0,8"), "more elements than 63 bits");
  fail(Entry("a", "F32", "9223372036854775807", "0,8"), "too large");
  fail(Entry("a", "F32", "18446744073709551615", "0,8"), "exceeds 63 bits");
  // A zero extent must not hide an overflow in the strides.
  fail(Entry("a", "F32", "0,4294967296,4294967296", "0,0"), "more elements than 63 bits", 0);
}

TEST(ModelIOSafeTensors, DeepNestingAndLongShapesAreErrors)
{
  const std::size_t depth = 1000000;
  EXPECT_NN_ERROR(Read(SafeTensorsBytes("{\"a\":" + std::string(depth, '['), "")), "where it should not be");
  std::string nested = "{\"a\":{\"dtype\":";
  for (int i = 0; i < 100000; ++i)
  {
    nested += "{\"a\":";
  }
  EXPECT_NN_ERROR(Read(SafeTensorsBytes(nested, "")), "an object where it should not be");
  std::string shape = "1";
  for (int i = 0; i < 64; ++i)
  {
    shape += ",1";
  }
  EXPECT_NN_ERROR(Read(SafeTensorsBytes('{' + Entry("a", "F32", shape, "0,4") + '}', "1234")), "more than 64 extents");
}

TEST(ModelIOSafeTensors, MessagesStayShort)
{
  const std::string longText(1000000, 'x');
  for (const auto & header : { "{\"" + longText, "{\"" + longText + "\":1}", "{\"a\":{\"" + longText + "\":1}}" })
  {
    const std::string message = test::ErrorOf([&header] { Read(SafeTensorsBytes(header, "")); });
    EXPECT_LT(message.size(), 500u);
    EXPECT_GT(message.size(), 20u);
  }
}

TEST(ModelIOSafeTensors, ErrorsNameTheFile)
{
  const TemporaryFolder folder;
  const std::string missing = folder / "missing.safetensors";
  EXPECT_NN_ERROR(ReadSafeTensors(missing), missing);
  EXPECT_NN_ERROR(ReadSafeTensors(missing), "there is no such file");
  EXPECT_NN_ERROR(ReadSafeTensors(folder / ""), "it is a folder");
  WriteFile(folder / "page", "<!DOCTYPE html><html>");
  EXPECT_NN_ERROR(ReadSafeTensors(folder / "page"), "an HTML or XML page");
}

TEST(ModelIOSafeTensors, FailedWritesLeaveNothing)
{
  const TemporaryFolder folder;
  EXPECT_NN_ERROR(WriteSafeTensors(folder / "no/such/folder", AllTypes()), "there is no folder '");
  StateDict undefined;
  undefined.Add("x", Tensor());
  EXPECT_NN_ERROR(WriteSafeTensors(folder / "f", undefined), "Tensor 'x' is undefined");
  StateDict reserved;
  reserved.Add("__metadata__", Tensor::Zeros({ 1 }));
  EXPECT_NN_ERROR(WriteSafeTensors(folder / "f", reserved), "must not have the name");
  EXPECT_NN_ERROR(WriteSafeTensors(folder / "f", AllTypes(), { { "k", "\xff" } }), "cannot be written as JSON");
  WriteFile(folder / "kept", "before");
  EXPECT_NN_ERROR(WriteSafeTensors(folder / "kept", undefined), "undefined");
  EXPECT_EQ(ReadFile(folder / "kept"), "before");
  EXPECT_EQ(folder.CountFiles(), 1u);
  WriteSafeTensors(folder / "kept", AllTypes());
  EXPECT_EQ(ReadSafeTensors(folder / "kept").tensors.GetSize(), AllTypes().GetSize());
  EXPECT_NN_ERROR(WriteSafeTensors(folder / "", AllTypes()), "folder");
}

#ifndef _WIN32
TEST(ModelIOSafeTensors, WritesFollowLinksAndRefuseWhatIsNoFile)
{
  namespace fs = std::filesystem;
  const TemporaryFolder folder;
  fs::create_directory(folder / "sub");
  WriteFile(folder / "sub/old", "before");
  fs::create_symlink("sub/old", folder / "link");
  fs::create_symlink("link", folder / "chain");
  fs::create_symlink("sub/new", folder / "dangling");
  for (const char * name : { "link", "chain", "dangling" })
  {
    WriteSafeTensors(folder / name, AllTypes());
    EXPECT_TRUE(fs::is_symlink(folder / name)) << name;
  }
  for (const char * name : { "sub/old", "sub/new" })
  {
    EXPECT_EQ(ReadSafeTensors(folder / name).tensors.GetSize(), AllTypes().GetSize()) << name;
  }

  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  fs::create_symlink("pipe", folder / "pipelink");
  for (const char * name : { "pipe", "pipelink" })
  {
    EXPECT_NN_ERROR(WriteSafeTensors(folder / name, AllTypes()), "Cannot write");
    EXPECT_TRUE(fs::is_fifo(folder / name)) << name;
  }
  EXPECT_EQ(folder.CountFiles(), 6u);
}
#endif

TEST(ModelIOSafeTensors, NullMemoryIsAnError)
{
  EXPECT_NN_ERROR(ReadSafeTensorsFromMemory(nullptr, 10), "null pointer");
}

TEST(ModelIOSafeTensors, NamesOfTypes)
{
  EXPECT_STREQ(ToSafeTensorsName(DataType::Float32), "F32");
  EXPECT_STREQ(ToSafeTensorsName(DataType::Bool), "BOOL");
}
