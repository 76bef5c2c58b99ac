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
#include "itkNNTestFiles.h"
#include "itkNNTorchFile.h"

#include <minizip/zip.h>

#include <functional>

using namespace itkNNTest;
using namespace itk::nn;

namespace
{
TorchFile
Read(const std::string & bytes, const TorchFileOptions & options = TorchFileOptions())
{
  return ReadTorchFileFromMemory(bytes.data(), bytes.size(), options);
}

const std::string six = RawBytes<float>({ 1, 2, 3, 4, 5, 6 });

std::string
OneTensor(std::int64_t elements,
          std::int64_t offset,
          const std::vector<std::int64_t> & shape,
          const std::vector<std::int64_t> & strides,
          const std::string & type = "FloatStorage")
{
  return Pickle().Tensor(type, "0", elements, offset, shape, strides).Stop();
}

Tensor
ReadTensor(const std::string & pickle,
           const std::string & storage,
           const TorchFileOptions & options = TorchFileOptions())
{
  return Read(TorchZip(pickle, { storage }), options).root.GetTensor();
}

Pickle &
AddScalar(Pickle & pickle, const std::string & name)
{
  return pickle.Text(name).Tensor("FloatStorage", "0", 6, 0, {}, {});
}

StateDict
Extract(const std::string & pickle, const std::string & key = "")
{
  return ExtractStateDict(Read(TorchZip(pickle, { six })).root, key);
}

std::vector<std::string>
Names(const StateDict & tensors)
{
  std::vector<std::string> names;
  for (const auto & entry : tensors)
  {
    names.push_back(entry.first);
  }
  return names;
}

std::string
ModuleState(const std::string & parameters, const std::string & buffers, const std::string & modules)
{
  Pickle state(0);
  state.Raw("}(")
    .Text("_parameters")
    .Raw("}(" + parameters + 'u')
    .Text("_buffers")
    .Raw("}(" + buffers + 'u')
    .Text("_non_persistent_buffers_set")
    .Raw("c__builtin__\nset\n](")
    .Text("hidden")
    .Raw("e\x85R")
    .Text("_modules")
    .Raw("}(" + modules + "u")
    .Raw("u");
  return state.bytes;
}
} // namespace

TEST(ModelIOTorchFile, ZipAndLegacyAgree)
{
  const std::string pickle = OneTensor(6, 0, { 2, 3 }, { 3, 1 });
  const TorchFile zip = Read(TorchZip(pickle, { six }));
  const TorchFile legacy = Read(TorchLegacy(pickle, { { 6, six } }));
  EXPECT_EQ(zip.serialization, "zip");
  EXPECT_EQ(legacy.serialization, "legacy");
  const std::vector<float> expected = { 1, 2, 3, 4, 5, 6 };
  EXPECT_EQ(zip.root.GetTensor().ToVector<float>(), expected);
  EXPECT_EQ(legacy.root.GetTensor().ToVector<float>(), expected);
  EXPECT_EQ(zip.root.GetTensor().GetShape(), (Shape{ 2, 3 }));
}

TEST(ModelIOTorchFile, StridedSharedAndOffsetTensors)
{
  const std::string pickle = Pickle()
                               .Raw("}(")
                               .Text("transposed")
                               .Tensor("FloatStorage", "0", 6, 0, { 3, 2 }, { 1, 3 })
                               .Text("tail")
                               .Tensor("FloatStorage", "0", 6, 4, { 2 }, { 1 })
                               .Text("expanded")
                               .Tensor("FloatStorage", "0", 6, 5, { 2, 2 }, { 0, 0 })
                               .Text("scalar")
                               .Tensor("FloatStorage", "0", 6, 2, {}, {})
                               .Text("empty")
                               .Tensor("FloatStorage", "0", 6, 0, { 0, 3 }, { 3, 1 })
                               .Raw("u")
                               .Stop();
  for (const auto & bytes : { TorchZip(pickle, { six }), TorchLegacy(pickle, { { 6, six } }) })
  {
    const StateDict tensors = Read(bytes).root.Flatten();
    EXPECT_EQ(tensors.Get("transposed").ToVector<float>(), (std::vector<float>{ 1, 4, 2, 5, 3, 6 }));
    EXPECT_EQ(tensors.Get("tail").ToVector<float>(), (std::vector<float>{ 5, 6 }));
    EXPECT_EQ(tensors.Get("expanded").ToVector<float>(), (std::vector<float>{ 6, 6, 6, 6 }));
    EXPECT_EQ(tensors.Get("scalar").ToVector<float>(), (std::vector<float>{ 3 }));
    EXPECT_EQ(tensors.Get("empty").GetShape(), (Shape{ 0, 3 }));
    EXPECT_EQ(static_cast<const float *>(tensors.Get("transposed").GetRawData()) + 4,
              static_cast<const float *>(tensors.Get("tail").GetRawData()));
  }
}

TEST(ModelIOTorchFile, FloatingTypesBecomeFloat32UnlessKept)
{
  TorchFileOptions keep;
  keep.convertToFloat32 = false;
  struct Case
  {
    const char * storage;
    std::string bytes;
    DataType type;
    float value;
  };
  const Case cases[] = { { "HalfStorage", std::string("\0\x3e", 2), DataType::Float16, 1.5f },
                         { "BFloat16Storage", std::string("\xc0\x3f", 2), DataType::BFloat16, 1.5f },
                         { "DoubleStorage", RawBytes<double>({ 1.5 }), DataType::Float64, 1.5f },
                         { "FloatStorage", RawBytes<float>({ 1.5f }), DataType::Float32, 1.5f } };
  for (const auto & c : cases)
  {
    const std::string pickle = OneTensor(1, 0, { 1 }, { 1 }, c.storage);
    const Tensor converted = ReadTensor(pickle, c.bytes);
    EXPECT_EQ(converted.GetDataType(), DataType::Float32) << c.storage;
    EXPECT_EQ(converted.GetElement({ 0 }), c.value) << c.storage;
    const Tensor kept = ReadTensor(pickle, c.bytes, keep);
    EXPECT_EQ(kept.GetDataType(), c.type) << c.storage;
    EXPECT_EQ(kept.GetElement({ 0 }), c.value) << c.storage;
  }
}

TEST(ModelIOTorchFile, OtherTypesAreKept)
{
  struct Case
  {
    const char * storage;
    std::string bytes;
    DataType type;
    double value;
  };
  const Case cases[] = { { "LongStorage", RawBytes<std::int64_t>({ -5 }), DataType::Int64, -5 },
                         { "IntStorage", RawBytes<std::int32_t>({ -5 }), DataType::Int32, -5 },
                         { "ShortStorage", RawBytes<std::int16_t>({ -5 }), DataType::Int16, -5 },
                         { "CharStorage", "\xfb", DataType::Int8, -5 },
                         { "ByteStorage", "\xfb", DataType::UInt8, 251 },
                         { "BoolStorage", "\x07", DataType::Bool, 1 } };
  for (const auto & c : cases)
  {
    const Tensor tensor = ReadTensor(OneTensor(1, 0, { 1 }, { 1 }, c.storage), c.bytes);
    EXPECT_EQ(tensor.GetDataType(), c.type) << c.storage;
    EXPECT_EQ(tensor.GetElement({ 0 }), c.value) << c.storage;
  }
  const TorchFile complex = Read(TorchZip(OneTensor(1, 0, { 1 }, { 1 }, "ComplexFloatStorage"), { "12345678" }));
  EXPECT_EQ(complex.root.GetClassName(), "torch.ComplexFloatStorage");
  EXPECT_EQ(complex.skippedClasses, (std::vector<std::string>{ "torch.ComplexFloatStorage" }));
}

TEST(ModelIOTorchFile, OtherWaysToRebuildTensors)
{
  const std::string tail = Pickle(0).Integer(0).Integers({ 6 }).Integers({ 1 }).bytes;
  const std::string storage = Pickle(0).Storage("FloatStorage", "0", 6).bytes;
  const std::string old = "ctorch._utils\n_rebuild_tensor\n(" + storage + tail + "tR";
  EXPECT_EQ(ReadTensor(Pickle().Raw(old).Stop(), six).GetNumberOfElements(), 6);
  const std::string parameter = "ctorch._utils\n_rebuild_parameter\n(" + old + "\x88}tR}b";
  EXPECT_EQ(ReadTensor(Pickle().Raw(parameter).Stop(), six).GetNumberOfElements(), 6);
  const std::string withState = "ctorch._utils\n_rebuild_parameter_with_state\n(" + old + "\x88}NtR";
  EXPECT_EQ(ReadTensor(Pickle().Raw(withState).Stop(), six).GetNumberOfElements(), 6);
  const std::string subclass =
    "ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_tensor\ncmonai.data.meta_"
    "tensor\nMetaTensor\n(" +
    storage + tail + "t}tR";
  EXPECT_EQ(ReadTensor(Pickle().Raw(subclass).Stop(), six).GetNumberOfElements(), 6);
  const std::string untyped =
    "ctorch._utils\n_rebuild_tensor_v3\n(" +
    Pickle(0).Storage("UntypedStorage", "0", 24).Integer(1).Integers({ 5 }).Integers({ 1 }).bytes +
    "\x89}ctorch\nfloat32\ntR";
  EXPECT_EQ(ReadTensor(Pickle().Raw(untyped).Stop(), six).ToVector<float>(), (std::vector<float>{ 2, 3, 4, 5, 6 }));
}

TEST(ModelIOTorchFile, LegacyViewsOfStorages)
{
  const std::string view = "(" + Pickle(0).Text("view").Integer(2).Integer(3).bytes + "t";
  const std::string pickle = Pickle()
                               .Raw("ctorch._utils\n_rebuild_tensor_v2\n(")
                               .Storage("FloatStorage", "0", 6, view)
                               .Integer(1)
                               .Integers({ 2 })
                               .Integers({ 1 })
                               .Raw("\x89}tR")
                               .Stop();
  EXPECT_EQ(Read(TorchLegacy(pickle, { { 6, six } })).root.GetTensor().ToVector<float>(), (std::vector<float>{ 4, 5 }));
  const std::string outside = "(" + Pickle(0).Text("view").Integer(4).Integer(3).bytes + "t";
  EXPECT_NN_ERROR(Read(TorchLegacy(Pickle().Storage("FloatStorage", "0", 6, outside).Stop())),
                  "outside of storage '0' of 6");
}

TEST(ModelIOTorchFile, TensorsOutsideOfTheirStorageAreErrors)
{
  const std::int64_t huge = std::int64_t{ 1 } << 62;
  const auto fail = [](const std::string & pickle, const std::string & part)
  {
    EXPECT_NN_ERROR(ReadTensor(pickle, six), part);
    EXPECT_NN_ERROR(Read(TorchLegacy(pickle, { { 6, six } })), part);
  };
  fail(OneTensor(6, 0, { 7 }, { 1 }), "reaches beyond storage '0' of 6 elements");
  fail(OneTensor(6, 6, { 1 }, { 1 }), "reaches beyond");
  fail(OneTensor(6, huge, { 2 }, { 1 }), "reaches beyond");
  fail(OneTensor(6, 0, { 2 }, { 6 }), "reaches beyond");
  fail(OneTensor(6, 0, { 2, 2 }, { huge, huge }), "reaches beyond");
  fail(OneTensor(6, 0, { 5 }, { huge }), "reaches beyond");
  fail(OneTensor(6, 0, { huge, huge }, { 0, 0 }), "more elements than 63 bits");
  fail(OneTensor(6, 0, { 0, huge, huge }, { 0, 0, 0 }), "more elements than 63 bits");
  fail(OneTensor(6, 0, { huge }, { 0 }), "too large");
  fail(OneTensor(6, 0, { std::int64_t{ 1 } << 40 }, { 0 }), "out of proportion to the file");
  fail(OneTensor(6, -1, { 1 }, { 1 }), "offset of a tensor is -1");
  fail(OneTensor(6, 0, { -1 }, { 1 }), "shape of a tensor has the negative entry -1");
  fail(OneTensor(6, 5, { 2 }, { -1 }), "strides of a tensor has the negative entry -1");
  fail(OneTensor(6, 0, { 6 }, { 1, 1 }), "differ in length");
  fail(OneTensor(6, 0, std::vector<std::int64_t>(65, 1), std::vector<std::int64_t>(65, 1)), "the limit is 64");
}

TEST(ModelIOTorchFile, StoragesThatDisagreeAreErrors)
{
  EXPECT_NN_ERROR(ReadTensor(OneTensor(7, 0, { 6 }, { 1 }), six), "needs 28 bytes, the file has 24");
  EXPECT_NN_ERROR(ReadTensor(OneTensor(5, 0, { 5 }, { 1 }), six), "needs 20 bytes, the file has 24");
  EXPECT_NN_ERROR(Read(TorchZip(OneTensor(6, 0, { 6 }, { 1 }))), "lacks the entry 'archive/data/0'");
  const std::string twoTypes = Pickle()
                                 .Raw("(")
                                 .Tensor("FloatStorage", "0", 6, 0, { 6 }, { 1 })
                                 .Tensor("LongStorage", "0", 3, 0, { 3 }, { 1 })
                                 .Raw("t")
                                 .Stop();
  EXPECT_NN_ERROR(Read(TorchZip(twoTypes, { six })), "declared as 6 elements of FloatStorage and as 3 of LongStorage");
  EXPECT_NN_ERROR(Read(TorchLegacy(OneTensor(6, 0, { 6 }, { 1 }), { { 5, six } })), "has 5 elements");
  EXPECT_NN_ERROR(Read(TorchLegacy(OneTensor(6, 0, { 6 }, { 1 }), { { 6, "1234" } })), "breaks off in storage '0'");
  EXPECT_NN_ERROR(Read(TorchLegacy(OneTensor(6, 0, { 6 }, { 1 }))), "lacks the storage '0'");
  EXPECT_NN_ERROR(Read(TorchLegacy(Pickle().Raw("N").Stop(), { { 6, six } })), "belongs to no tensor");
}

TEST(ModelIOTorchFile, LegacyHeadersAreChecked)
{
  const std::string good = TorchLegacy(OneTensor(6, 0, { 6 }, { 1 }), { { 6, six } });
  for (std::size_t size = 0; size < good.size(); ++size)
  {
    EXPECT_THROW(Read(good.substr(0, size)), Error) << size;
  }
  const std::string magic = good.substr(0, 15);
  EXPECT_NN_ERROR(Read(Pickle().Raw("}").Stop()), "a pickle but not one of torch.save()");
  EXPECT_NN_ERROR(Read(magic + Pickle().Integer(7).Stop()), "legacy protocol is not 1001");
  EXPECT_NN_ERROR(Read(magic + Pickle().Integer(1001).Stop() + Pickle().Raw("N").Stop()), "system information");
  EXPECT_NN_ERROR(
    Read(magic + Pickle().Integer(1001).Stop() + Pickle().Raw("}").Text("little_endian").Op(0x89).Raw("s").Stop()),
    "byte order is big");
}

TEST(ModelIOTorchFile, TruncatedZipIsAnErrorAtEveryByte)
{
  const std::string good = TorchZip(OneTensor(6, 0, { 6 }, { 1 }), { six });
  for (std::size_t size = 0; size < good.size(); ++size)
  {
    EXPECT_THROW(Read(good.substr(0, size)), Error) << size;
  }
}

TEST(ModelIOTorchFile, EveryChangedByteIsAnErrorOrReadable)
{
  for (const auto & good :
       { TorchZip(OneTensor(6, 0, { 6 }, { 1 }), { six }), TorchLegacy(OneTensor(6, 0, { 6 }, { 1 }), { { 6, six } }) })
  {
    std::size_t errors = 0;
    for (std::size_t i = 0; i < good.size(); ++i)
    {
      for (const int change : { 1, 2, 0x10, 0x80, 0xff })
      {
        std::string hostile = good;
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
    EXPECT_GT(errors, good.size());
  }
}

TEST(ModelIOTorchFile, PathTricksAreErrors)
{
  const std::string pickle = Pickle().Raw("N").Stop();
  const auto fail = [&pickle](const std::string & name, const std::string & part)
  {
    auto entries = TorchEntries(pickle, { six });
    entries[2].name = name;
    EXPECT_NN_ERROR(Read(ZipBytes(entries)), part);
  };
  fail("../evil", "leaves the archive through '..'");
  fail("archive/../../evil", "leaves the archive through '..'");
  fail("archive/..", "leaves the archive through '..'");
  fail("/etc/passwd", "is an absolute path");
  fail("archive\\evil", "has a backslash");
  fail("C:/evil", "has a colon");
  fail("", "is empty");
  fail(std::string("archive/data/0\0.txt", 19), "has a control character");
  fail("archive/data.pkl", "'archive/data.pkl' twice");
  fail(std::string(2000, 'x'), "2000 bytes, the limit is 1024");
  fail("other/data.pkl", "more than one entry data.pkl");
  auto entries = TorchEntries(pickle, { six });
  entries[2].name = "archive/data/..0";
  EXPECT_NO_THROW(Read(ZipBytes(entries)));
}

TEST(ModelIOTorchFile, HostileArchivesAreErrors)
{
  const std::string pickle = OneTensor(6, 0, { 6 }, { 1 });
  const auto fail = [&pickle](const std::function<void(std::vector<ZipEntry> &)> & change,
                              const std::string & part,
                              const TorchFileOptions & options = TorchFileOptions())
  {
    auto entries = TorchEntries(pickle, { six });
    change(entries);
    EXPECT_NN_ERROR(Read(ZipBytes(entries), options), part);
  };
  using Entries = std::vector<ZipEntry>;
  fail([](Entries & e) { e[2].flags = 0x0809; }, "is encrypted");
  fail([](Entries & e) { e[2].method = 12; }, "compressed by method 12");
  fail([](Entries & e) { e[2].size = 25; }, "declares the two sizes 24 and 25");
  fail([](Entries & e) { e[2].size = e[2].storedSize = 1000000; }, "declares 1000000 bytes in an archive of");
  fail([](Entries & e) { e[2].size = e[2].storedSize = 0xfffffffe; }, "declares 4294967294 bytes in an archive of");
  fail([](Entries & e) { e[2].size = e[2].storedSize = 400; }, "reaches beyond the end of the archive");
  fail(
    [](Entries & e)
    {
      e[2].content += "0123456789";
      e[1].size = e[1].storedSize = 80;
    },
    "overlap");
  fail(
    [](Entries & e)
    {
      e.push_back(e[2]);
      e[3].name = "archive/data/1";
      e[3].headerOf = 2;
    },
    "overlap");
  fail(
    [](Entries & e)
    {
      e[2].method = 8;
      e[2].size = 0xfffffffe;
    },
    "the limit is a factor of 200");
  TorchFileOptions options;
  options.maximumInflatedBytes = 1000;
  fail(
    [](Entries & e)
    {
      e[2].method = 8;
      e[2].size = 1001;
    },
    "more than the limit of 1000 bytes",
    options);
  fail([](Entries & e) { e[2].method = 8; }, "of its declared 24 bytes");
  fail([](Entries & e) { e[0].name = "archive/model.pkl"; }, "no entry data.pkl");
  fail([](Entries & e) { e[1].content = "big"; }, "byte order is 'big', expected 'little'");
  fail([](Entries & e) { e[1].name = "archive/constants.pkl"; }, "TorchScript archive");
  EXPECT_NN_ERROR(Read(ZipBytes({})), "no central directory");
  EXPECT_NN_ERROR(Read("PK\x03\x04 and nothing else"), "no central directory");
}

TEST(ModelIOTorchFile, DeflatedEntriesAreRead)
{
  // A block that is stored inside of the deflate stream, with its checksum.
  auto entries = TorchEntries(OneTensor(6, 0, { 6 }, { 1 }), { six });
  entries[1].method = 8;
  entries[1].content = "\x01" + LittleEndian(6, 2) + LittleEndian(0xfff9, 2) + "little";
  entries[1].size = 6;
  entries[1].checksum = 0;
  EXPECT_NN_ERROR(Read(ZipBytes(entries)), "does not have the checksum");

  const TemporaryFolder folder;
  const std::string path = folder / "deflated.pt";
  std::string zeros(40000, '\0');
  zipFile zip = zipOpen64(path.c_str(), APPEND_STATUS_CREATE);
  ASSERT_NE(zip, nullptr);
  const std::pair<std::string, std::string> files[] = { { "m/data.pkl", OneTensor(10000, 0, { 10000 }, { 1 }) },
                                                        { "m/data/0", zeros } };
  for (const auto & file : files)
  {
    zip_fileinfo info{};
    ASSERT_EQ(zipOpenNewFileInZip64(
                zip, file.first.c_str(), &info, nullptr, 0, nullptr, 0, nullptr, Z_DEFLATED, Z_DEFAULT_COMPRESSION, 0),
              ZIP_OK);
    ASSERT_EQ(zipWriteInFileInZip(zip, file.second.data(), static_cast<unsigned int>(file.second.size())), ZIP_OK);
    ASSERT_EQ(zipCloseFileInZip(zip), ZIP_OK);
  }
  ASSERT_EQ(zipClose(zip, nullptr), ZIP_OK);
  EXPECT_LT(ReadFile(path).size(), 2000u);
  EXPECT_EQ(ReadTorchFile(path).root.GetTensor().ToVector<float>(), std::vector<float>(10000, 0.f));
  TorchFileOptions options;
  options.maximumInflatedBytes = 30000;
  EXPECT_NN_ERROR(ReadTorchFile(path, options), "limit of 30000 bytes");
}

TEST(ModelIOTorchFile, OtherFormatsAreNamed)
{
  std::string tar(600, '\0');
  tar.replace(257, 5, "ustar");
  EXPECT_NN_ERROR(Read(tar), "load and save them again");
  EXPECT_NN_ERROR(Read(""), "found an empty file");
  EXPECT_NN_ERROR(Read("\x1f\x8b..."), "a gzip file");
  EXPECT_NN_ERROR(Read("\x89HDF"), "an HDF5 file");
  EXPECT_NN_ERROR(Read("version https://git-lfs.github.com/spec/v1"), "a Git LFS pointer");
  EXPECT_NN_ERROR(Read("\n <html>"), "an HTML or XML page");
  EXPECT_NN_ERROR(Read("\x93NUMPY"), "a NumPy array file");
  EXPECT_NN_ERROR(Read("abc"), "begins with bytes 61 62 63");
  EXPECT_NN_ERROR(Read(SafeTensorsBytes("{}", "")), "a safetensors file");
  EXPECT_NN_ERROR(ReadTorchFile("/no/such/file.pt"),
                  "Cannot read torch file '/no/such/file.pt': there is no such file");
}

TEST(ModelIOExtractStateDict, FindsWrappedWeights)
{
  for (const std::string wrapper :
       { "model", "ema_model_state_dict", "model_state_dict", "state_dict", "net", "network" })
  {
    Pickle pickle;
    pickle.Raw("}(").Text("epoch").Integer(3).Text(wrapper).Raw("}(");
    AddScalar(pickle, "conv.weight").Raw("uu");
    EXPECT_EQ(Names(Extract(pickle.Stop())), (std::vector<std::string>{ "conv.weight" })) << wrapper;
  }
  // An average that was not kept.
  Pickle plain;
  plain.Raw("}(").Text("ema_model_state_dict").Raw("N").Text("model_state_dict").Raw("}(");
  AddScalar(plain, "conv.weight").Raw("uu");
  EXPECT_EQ(Names(Extract(plain.Stop())), (std::vector<std::string>{ "conv.weight" }));
  Pickle twice;
  twice.Raw("}(")
    .Text("step")
    .Tensor("FloatStorage", "0", 6, 0, {}, {})
    .Text("state_dict")
    .Raw("}(")
    .Text("model")
    .Raw("}(");
  AddScalar(twice, "w").Raw("uuu");
  EXPECT_EQ(Names(Extract(twice.Stop())), (std::vector<std::string>{ "w" }));
}

TEST(ModelIOExtractStateDict, StripsPrefixesThatEveryNameHas)
{
  const auto strip = [](const std::vector<std::string> & names)
  {
    Pickle pickle;
    pickle.Raw("}(");
    for (const auto & name : names)
    {
      AddScalar(pickle, name);
    }
    return Names(Extract(pickle.Raw("u").Stop()));
  };
  using Strings = std::vector<std::string>;
  EXPECT_EQ(strip({ "module.a", "module.b" }), (Strings{ "a", "b" }));
  EXPECT_EQ(strip({ "_orig_mod.a" }), (Strings{ "a" }));
  EXPECT_EQ(strip({ "_orig_mod.module.a", "_orig_mod.module.b" }), (Strings{ "a", "b" }));
  EXPECT_EQ(strip({ "module._orig_mod.module.a" }), (Strings{ "a" }));
  EXPECT_EQ(strip({ "module.a", "b" }), (Strings{ "module.a", "b" }));
  EXPECT_EQ(strip({ "module." }), (Strings{ "module." }));
}

TEST(ModelIOExtractStateDict, NestedNamesAreJoinedByDots)
{
  Pickle pickle;
  pickle.Raw("}(");
  AddScalar(pickle, "w").Text("inner").Raw("}(").Integer(5);
  pickle.Tensor("FloatStorage", "0", 6, 1, {}, {}).Raw("u").Text("list").Raw("](");
  pickle.Raw("N").Tensor("FloatStorage", "0", 6, 2, {}, {}).Raw("e").Text("note").Text("x").Raw("u");
  EXPECT_EQ(Names(Extract(pickle.Stop())), (std::vector<std::string>{ "w", "inner.5", "list.1" }));
  EXPECT_EQ(Names(Extract(pickle.Stop(), "inner")), (std::vector<std::string>{ "5" }));
  EXPECT_EQ(Names(Extract(pickle.Stop(), "list")), (std::vector<std::string>{ "1" }));
  EXPECT_NN_ERROR(Extract(pickle.Stop(), "inner.6"), "no key '6' among '5'");
  EXPECT_NN_ERROR(Extract(pickle.Stop(), "note"), "no tensors under 'note'");
}

TEST(ModelIOExtractStateDict, DuplicateNamesAreErrors)
{
  Pickle pickle;
  pickle.Raw("}(");
  AddScalar(pickle, "a");
  AddScalar(pickle, "a").Raw("u");
  EXPECT_NN_ERROR(Extract(pickle.Stop()), "The tensor name 'a' occurs twice");
  Pickle joined;
  joined.Raw("}(");
  AddScalar(joined, "a.b").Text("a").Raw("}(");
  AddScalar(joined, "b").Raw("uu");
  EXPECT_NN_ERROR(Extract(joined.Stop()), "The tensor name 'a.b' occurs twice");
}

TEST(ModelIOExtractStateDict, ErrorsListTheKeys)
{
  EXPECT_NN_ERROR(Extract(Pickle().Raw("}(").Text("epoch").Integer(1).Text("optimizer").Raw("}u").Stop()),
                  "in dictionary with the keys 'epoch', 'optimizer'");
  EXPECT_NN_ERROR(Extract(Pickle().Raw("ca\nB\n)R").Stop()), "in object 'a.B'");
  EXPECT_NN_ERROR(Extract(Pickle().Raw("]").Stop()), "in list");
  Pickle many;
  many.Raw("}(");
  for (int i = 0; i < 30; ++i)
  {
    many.Integer(i).Raw("N");
  }
  EXPECT_NN_ERROR(Extract(many.Raw("u").Stop()), "'19', ...");
}

TEST(ModelIOExtractStateDict, PickledModulesGiveParametersPersistentBuffersAndChildren)
{
  Pickle weight(0);
  AddScalar(weight, "weight").Text("bias").Raw("N");
  Pickle buffers(0);
  AddScalar(buffers, "running_mean");
  AddScalar(buffers, "hidden");
  const std::string child = "cmine\nConv\n)\x81" + ModuleState(weight.bytes, "", "") + 'b';
  const std::string net =
    "cmine\nNet\n)\x81" + ModuleState("", buffers.bytes, Pickle(0).Text("conv").bytes + child) + 'b';
  const std::string parallel = "ctorch.nn.parallel.data_parallel\nDataParallel\n)\x81" +
                               ModuleState("", "", Pickle(0).Text("module").bytes + net) + 'b';
  const std::vector<std::string> expected = { "running_mean", "conv.weight" };
  EXPECT_EQ(Names(Extract(Pickle().Raw(net).Stop())), expected);
  EXPECT_EQ(Names(Extract(Pickle().Raw("}").Text("model").Raw(parallel + 's').Stop())), expected);
  EXPECT_EQ(Names(Read(TorchZip(Pickle().Raw(parallel).Stop(), { six })).root.Flatten()),
            (std::vector<std::string>{ "module.running_mean", "module.conv.weight" }));
  const std::string empty = "cmine\nNet\n)\x81" + ModuleState("", "", "") + 'b';
  EXPECT_NN_ERROR(Extract(Pickle().Raw(empty).Stop()), "has no tensors");
}

TEST(ModelIOExtractStateDict, TooManyTensorsAreAnError)
{
  // 17 levels of {a: d, b: d}: 131072 tensors.
  Pickle pickle;
  pickle.Raw("}");
  AddScalar(pickle, "t").Raw("s");
  for (int i = 0; i < 17; ++i)
  {
    pickle
      .Raw("q\x01"
           "0}(")
      .Text("a")
      .Raw("h\x01")
      .Text("b")
      .Raw("h\x01u");
  }
  const TorchFile file = Read(TorchZip(pickle.Stop(), { six }));
  EXPECT_NN_ERROR(file.root.Flatten(), "more than 100000 tensors");
}

TEST(ModelIOTorchFile, ScalarsOfTensors)
{
  const TorchObject real = Read(TorchZip(OneTensor(6, 1, {}, {}), { six })).root;
  EXPECT_EQ(real.GetReal(), 2.0);
  EXPECT_THROW(real.GetInteger(), Error);
  const TorchObject integer =
    Read(TorchZip(OneTensor(1, 0, {}, {}, "LongStorage"), { RawBytes<std::int64_t>({ 7 }) })).root;
  EXPECT_EQ(integer.GetInteger(), 7);
  const TorchObject vector = Read(TorchZip(OneTensor(6, 0, { 6 }, { 1 }), { six })).root;
  EXPECT_NN_ERROR(vector.GetReal(), "a tensor of shape [6]");
}
