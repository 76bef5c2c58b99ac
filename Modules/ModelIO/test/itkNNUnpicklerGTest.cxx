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

#include <chrono>
#include <cmath>

using namespace itkNNTest;
using namespace itk::nn;
using Kind = TorchObject::Kind;

namespace
{
TorchFile
Read(const std::string & bytes, const TorchFileOptions & options = TorchFileOptions())
{
  return ReadTorchFileFromMemory(bytes.data(), bytes.size(), options);
}

TorchObject
Load(const std::string & pickle)
{
  return Read(TorchZip(pickle)).root;
}

TorchObject
LoadOperations(const std::string & operations)
{
  return Load(Pickle().Raw(operations).Stop());
}

std::string
Text(const std::string & text)
{
  return Pickle(0).Text(text).bytes;
}

/** numpy.dtype(code) with its byte order. */
std::string
NumPyType(const std::string & code, const std::string & order)
{
  return "cnumpy\ndtype\n" + ('(' + Text(code)) + "\x89\x88tR(K\x03" + Text(order) +
         "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK" + std::string(1, '\0') + "tb";
}

std::string
NumPyScalar(const std::string & module, const std::string & code, const std::string & order, const std::string & bytes)
{
  return 'c' + module + "\nscalar\n(" + NumPyType(code, order) + 'C' + static_cast<char>(bytes.size()) + bytes + "tR";
}
} // namespace

TEST(ModelIOUnpickler, Scalars)
{
  EXPECT_TRUE(LoadOperations("N").IsNone());
  EXPECT_TRUE(LoadOperations("\x88").GetBoolean());
  EXPECT_FALSE(LoadOperations("\x89").GetBoolean());
  EXPECT_TRUE(LoadOperations("I01\n").GetBoolean());
  EXPECT_EQ(LoadOperations("I01\n").GetKind(), Kind::Boolean);
  EXPECT_FALSE(LoadOperations("I00\n").GetBoolean());
  EXPECT_EQ(LoadOperations("I-42\n").GetInteger(), -42);
  EXPECT_EQ(LoadOperations("K\xff").GetInteger(), 255);
  EXPECT_EQ(LoadOperations("M\xff\xff").GetInteger(), 65535);
  EXPECT_EQ(LoadOperations("J\xfe\xff\xff\xff").GetInteger(), -2);
  EXPECT_EQ(LoadOperations("L9223372036854775807L\n").GetInteger(), 9223372036854775807);
  EXPECT_EQ(LoadOperations(std::string("\x8a\x00", 2)).GetInteger(), 0);
  EXPECT_EQ(LoadOperations(std::string("\x8a\x02\xff\x00", 4)).GetInteger(), 255);
  EXPECT_EQ(LoadOperations("\x8a\x01\xff").GetInteger(), -1);
  EXPECT_EQ(LoadOperations(std::string("\x8a\x0a\x05\0\0\0\0\0\0\0\0\0", 12)).GetInteger(), 5);
  EXPECT_EQ(LoadOperations(std::string("\x8b\x02\0\0\0\0\x01", 7)).GetInteger(), 256);
  EXPECT_EQ(LoadOperations("F-1.5e3\n").GetReal(), -1500.0);
  EXPECT_TRUE(std::isinf(LoadOperations("Finf\n").GetReal()));
  EXPECT_TRUE(std::isnan(LoadOperations("Fnan\n").GetReal()));
  EXPECT_EQ(LoadOperations(std::string("G\x3f\xe0\0\0\0\0\0\0", 9)).GetReal(), 0.5);
  EXPECT_EQ(LoadOperations("K\x03").GetReal(), 3.0);
}

TEST(ModelIOUnpickler, BigIntegersAreText)
{
  const std::string magic("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 12);
  EXPECT_EQ(LoadOperations(magic).GetKind(), Kind::BigInteger);
  EXPECT_EQ(LoadOperations(magic).GetText(), "0x1950a86a20f9469cfc6c");
  EXPECT_EQ(LoadOperations("L119547037146038801333356L\n").GetText(), "0x1950a86a20f9469cfc6c");
  EXPECT_EQ(LoadOperations("L-18446744073709551616L\n").GetText(), "0xff0000000000000000");
  EXPECT_EQ(LoadOperations("L-9223372036854775808L\n").GetInteger(), std::numeric_limits<std::int64_t>::min());
  EXPECT_THROW(LoadOperations(magic).GetInteger(), Error);
}

TEST(ModelIOUnpickler, Strings)
{
  EXPECT_EQ(LoadOperations(Text("\xc3\xa9")).GetText(), "\xc3\xa9");
  EXPECT_EQ(LoadOperations("\x8c\x02hi").GetText(), "hi");
  EXPECT_EQ(LoadOperations(std::string("\x8d\x02\0\0\0\0\0\0\0hi", 11)).GetText(), "hi");
  EXPECT_EQ(LoadOperations("U\x02hi").GetText(), "hi");
  EXPECT_EQ(LoadOperations(std::string("T\x02\0\0\0hi", 7)).GetText(), "hi");
  EXPECT_EQ(LoadOperations("S'a\\n\\x41\\'b'\n").GetText(), "a\nA'b");
  EXPECT_EQ(LoadOperations("Vx\\u00e9\\U0001f600\n").GetText(), "x\xc3\xa9\xf0\x9f\x98\x80");
  EXPECT_EQ(LoadOperations("V\xe9\\n\n").GetText(), "\xc3\xa9\\n");
  EXPECT_EQ(LoadOperations(std::string("C\x02\0\xff", 4)).GetText(), std::string("\0\xff", 2));
  EXPECT_EQ(LoadOperations(std::string("B\x01\0\0\0z", 6)).GetKind(), Kind::Bytes);
  EXPECT_EQ(LoadOperations(std::string("\x8e\x01\0\0\0\0\0\0\0z", 10)).GetText(), "z");
  EXPECT_EQ(LoadOperations(std::string("\x96\x01\0\0\0\0\0\0\0z", 10)).GetText(), "z");
  EXPECT_EQ(LoadOperations("c_codecs\nencode\n(" + Text("a\xc3\xbf") + Text("latin1") + "tR").GetText(), "a\xff");
  EXPECT_EQ(LoadOperations("c__builtin__\nbytes\n)R").GetText(), "");
}

TEST(ModelIOUnpickler, Collections)
{
  const TorchObject list = LoadOperations("](K\x01K\x02"
                                          "eK\x03"
                                          "a");
  ASSERT_EQ(list.GetKind(), Kind::List);
  ASSERT_EQ(list.GetSize(), 3u);
  EXPECT_EQ(list.GetItem(2).GetInteger(), 3);
  EXPECT_EQ(LoadOperations("(K\x01K\x02l").GetSize(), 2u);
  EXPECT_EQ(LoadOperations("(K\x01K\x02t").GetKind(), Kind::Tuple);
  EXPECT_EQ(LoadOperations("K\x01\x85").GetSize(), 1u);
  EXPECT_EQ(LoadOperations("K\x01K\x02\x86").GetItem(1).GetInteger(), 2);
  EXPECT_EQ(LoadOperations("K\x01K\x02K\x03\x87").GetItem(0).GetInteger(), 1);
  EXPECT_EQ(LoadOperations(")").GetSize(), 0u);
  EXPECT_EQ(LoadOperations("\x8f(K\x01K\x02\x90").GetKind(), Kind::Set);
  EXPECT_EQ(LoadOperations("(K\x01\x91").GetSize(), 1u);
  EXPECT_EQ(LoadOperations("c__builtin__\nset\n](K\x01K\x02"
                           "e\x85R")
              .GetSize(),
            2u);
  EXPECT_EQ(LoadOperations("ccollections\ndeque\n](K\x01"
                           "eK\x05\x86R")
              .GetKind(),
            Kind::List);

  const TorchObject dictionary = LoadOperations("}(" + Text("a") + "K\x01K\x07K\x02u" + Text("b") + "Ns");
  ASSERT_TRUE(dictionary.IsDictionary());
  EXPECT_EQ(dictionary.GetKeys(), (std::vector<std::string>{ "a", "7", "b" }));
  EXPECT_TRUE(dictionary.Has("b"));
  EXPECT_FALSE(dictionary.Has("c"));
  EXPECT_EQ(dictionary.Get("7").GetInteger(), 2);
  EXPECT_EQ(dictionary.GetEntry(0).first.GetText(), "a");
  EXPECT_EQ(LoadOperations("(" + Text("a") +
                           "K\x01"
                           "d")
              .Get("a")
              .GetInteger(),
            1);
  EXPECT_EQ(LoadOperations("ccollections\nOrderedDict\n](](" + Text("k") +
                           "K\x05"
                           "ee\x85R")
              .Get("k")
              .GetInteger(),
            5);
  EXPECT_EQ(LoadOperations("ccollections\ndefaultdict\nc__builtin__\nlist\n\x85R" + Text("k") + "Ns").GetSize(), 1u);
  EXPECT_EQ(LoadOperations("ctorch\nSize\n(K\x02K\x03t\x85R").GetItem(1).GetInteger(), 3);
  EXPECT_EQ(LoadOperations("ctorch\ndevice\n(" + Text("cuda") + "K\x01tR").GetText(), "cuda:1");
}

TEST(ModelIOUnpickler, MemoInEveryForm)
{
  EXPECT_EQ(LoadOperations("K\x05q\x01"
                           "0h\x01")
              .GetInteger(),
            5);
  EXPECT_EQ(LoadOperations(std::string("K\x05r\x01\0\0\0"
                                       "0j\x01\0\0\0",
                                       13))
              .GetInteger(),
            5);
  EXPECT_EQ(LoadOperations("K\x05p12\n0g12\n").GetInteger(), 5);
  EXPECT_EQ(LoadOperations(std::string("K\x05\x94K\x06\x94\x30\x30h\x01", 10)).GetInteger(), 6);
  EXPECT_EQ(LoadOperations("(K\x01(K\x02"
                           "1K\x03t")
              .GetSize(),
            2u);
  EXPECT_EQ(LoadOperations("(0K\x04").GetInteger(), 4);
  EXPECT_EQ(LoadOperations("K\x04"
                           "2\x86")
              .GetSize(),
            2u);
}

TEST(ModelIOUnpickler, FramesAndStackGlobals)
{
  const std::string frame("\x95\x10\0\0\0\0\0\0\0", 9);
  const TorchObject value = Load(Pickle(4)
                                   .Raw(frame + "\x8c\x0b"
                                                "collections\x8c\x0bOrderedDict\x93)R")
                                   .Stop());
  EXPECT_TRUE(value.IsDictionary());
}

TEST(ModelIOUnpickler, NumPyScalars)
{
  for (const std::string module : { "numpy.core.multiarray", "numpy._core.multiarray" })
  {
    EXPECT_EQ(LoadOperations(NumPyScalar(module, "f8", "<", RawBytes<double>({ 0.1 }))).GetReal(), 0.1);
  }
  const std::string module = "numpy.core.multiarray";
  EXPECT_EQ(LoadOperations(NumPyScalar(module, "f4", "<", RawBytes<float>({ 0.5f }))).GetReal(), 0.5);
  EXPECT_EQ(LoadOperations(NumPyScalar(module, "f2", "<", std::string("\0\x3e", 2))).GetReal(), 1.5);
  EXPECT_EQ(LoadOperations(NumPyScalar(module, "f4", ">", std::string("\x3f\0\0\0", 4))).GetReal(), 0.5);
  EXPECT_EQ(LoadOperations(NumPyScalar(module, "i4", "<", RawBytes<std::int32_t>({ -7 }))).GetInteger(), -7);
  EXPECT_EQ(LoadOperations(NumPyScalar(module, "u1", "|", "\xff")).GetInteger(), 255);
  EXPECT_EQ(LoadOperations(NumPyScalar(module, "u8", "<", std::string(8, '\xff'))).GetText(), "0x00ffffffffffffffff");
  EXPECT_EQ(LoadOperations(NumPyScalar(module, "b1", "|", "\x01")).GetKind(), Kind::Boolean);
  const auto text = Read(TorchZip(Pickle().Raw(NumPyScalar(module, "U1", "<", std::string("a\0\0\0", 4))).Stop()));
  EXPECT_EQ(text.root.GetKind(), Kind::Opaque);
  EXPECT_EQ(text.skippedClasses, (std::vector<std::string>{ "numpy.U1" }));
  EXPECT_NN_ERROR(LoadOperations(NumPyScalar(module, "f8", "<", "1234")), "numpy.f8 has 4 bytes");
  EXPECT_NN_ERROR(LoadOperations('c' + module + "\nscalar\n(NNtR"), "expected numpy.dtype");
  EXPECT_NN_ERROR(LoadOperations('c' + module + "\nscalar\n)R"), "expected its dtype and its bytes");
}

TEST(ModelIOUnpickler, NumPyArrays)
{
  const auto array = [](const std::string & code, const std::string & order, char fortran, const std::string & bytes)
  {
    return "cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK" + std::string(1, '\0') +
           "\x85"
           "C\x01"
           "b\x87R(K\x01K\x02K\x03\x86" +
           NumPyType(code, order) + fortran + 'C' + static_cast<char>(bytes.size()) + bytes + "tb";
  };
  const std::vector<float> values = { 1, 2, 3, 4, 5, 6 };
  const Tensor rows = LoadOperations(array("f4", "<", '\x89', RawBytes(values))).GetTensor();
  EXPECT_EQ(rows.GetShape(), (Shape{ 2, 3 }));
  EXPECT_EQ(rows.ToVector<float>(), values);
  const Tensor columns = LoadOperations(array("f4", "<", '\x88', RawBytes(values))).GetTensor();
  EXPECT_EQ(columns.ToVector<float>(), (std::vector<float>{ 1, 3, 5, 2, 4, 6 }));
  const Tensor big = LoadOperations(array("i2", ">", '\x89', std::string("\0\1\0\2\0\3\0\4\0\5\0\6", 12))).GetTensor();
  EXPECT_EQ(big.ToVector<std::int64_t>(), (std::vector<std::int64_t>{ 1, 2, 3, 4, 5, 6 }));
  EXPECT_NN_ERROR(LoadOperations(array("f4", "<", '\x89', "1234")), "shape [2, 3] has 4 bytes");
  EXPECT_EQ(LoadOperations(array("O", "|", '\x89', "")).GetKind(), Kind::Opaque);
  const std::string buffer = "cnumpy._core.numeric\n_frombuffer\n(C\x18" + RawBytes(values) + NumPyType("f4", "<") +
                             "K\x06\x85" + Text("C") + "tR";
  EXPECT_EQ(LoadOperations(buffer).GetTensor().ToVector<float>(), values);
}

TEST(ModelIOUnpickler, UnknownClassesAreOpaqueAndListed)
{
  // os.system('...') in every way to call it.
  const std::string reduce = "cos\nsystem\n(" + Text("touch /tmp/universeg-owned") + "tR";
  const std::string instance = '(' + Text("touch") + "ios\nsystem\n";
  const std::string object = "(cos\nsystem\n" + Text("touch") + 'o';
  for (const auto & operations : { reduce, instance, object })
  {
    const TorchFile file = Read(TorchZip(Pickle().Raw(operations).Stop()));
    EXPECT_EQ(file.root.GetKind(), Kind::Opaque);
    EXPECT_EQ(file.root.GetClassName(), "os.system");
    EXPECT_EQ(file.root.GetArguments().GetSize(), 1u);
    EXPECT_EQ(file.skippedClasses, (std::vector<std::string>{ "os.system" }));
  }
  const TorchFile built = Read(
    TorchZip(Pickle().Raw("cargparse\nNamespace\n)\x81}(" + Text("lr") + "K\x03ub" + Text("k") + "K\x04s").Stop()));
  EXPECT_EQ(built.root.GetClassName(), "argparse.Namespace");
  EXPECT_EQ(built.root.GetState().Get("lr").GetInteger(), 3);
  EXPECT_EQ(built.root.Get("k").GetInteger(), 4);
  EXPECT_TRUE(built.root.Flatten().IsEmpty());
  const TorchFile extended = Read(TorchZip(Pickle().Raw("ca\nB\n)}\x92").Stop()));
  EXPECT_EQ(extended.root.GetClassName(), "a.B");
  EXPECT_EQ(LoadOperations("ccopy_reg\n_reconstructor\n(ca\nB\nc__builtin__\nobject\nNtR").GetClassName(), "a.B");
  EXPECT_EQ(LoadOperations("ca\nB\n)R)R").GetClassName(), "a.B");
  EXPECT_EQ(LoadOperations("ca\nB\n").GetKind(), Kind::Class);
  EXPECT_TRUE(Read(TorchZip(Pickle().Raw("ctorch\nfloat32\n").Stop())).skippedClasses.empty());
}

TEST(ModelIOUnpickler, MalformedPicklesAreErrors)
{
  const auto fail = [](const std::string & operations, const std::string & part)
  { EXPECT_NN_ERROR(LoadOperations(operations), part); };
  fail("", "empty stack");
  fail("0", "empty stack");
  fail("(t0", "empty stack");
  fail("K\x01(a", "empty stack");
  fail("t", "lacks a mark");
  fail("K", "breaks off");
  fail("(K\x01"
       "d",
       "key without a value");
  fail("}(K\x01u", "key without a value");
  fail("NNa", "appends to a None");
  fail("NNNs", "sets entries of a None");
  fail("h\x05", "refers to value 5");
  fail("gx\n", "memo key 'x'");
  fail("\x80\x09", "protocol is 9");
  fail("\x82\x01", "operation 130");
  fail("\x97", "operation 151");
  fail("P12\n", "operation 80");
  fail("Ixyz\n", "'xyz' where an integer");
  fail("I-\n", "where an integer");
  fail("Fxyz\n", "'xyz' where a real");
  fail("Sabc\n", "string without quotes");
  fail("S'\\x4'\n", "incomplete escape");
  fail("V\\Uffffffff\n", "beyond Unicode");
  fail("cno newline", "without an end");
  fail("L" + std::string(5000, '9') + "\n", "integer of 5000 digits");
  fail(std::string("\x8b\xff\xff\xff\xff", 5), "the limit is 1024");
  fail(std::string("X\xff\xff\xff\xff"
                   "a",
                   6),
       "breaks off: 4294967295 bytes");
  fail(std::string("\x8d\xff\xff\xff\xff\xff\xff\xff\xff"
                   "a",
                   10),
       "breaks off: 18446744073709551615 bytes");
  fail("NQ", "persistent identifier is a None");
  fail(")Q", "persistent identifier is empty");
  fail('(' + Text("file") + "tQ", "is 'file' with 1 entries");
  fail('(' + Text("storage") + "NNNNtQ", "type of a storage is a None");
  fail('(' + Text("storage") + "cos\nsystem\n" + Text("0") + "NK\x01tQ", "type of a storage is 'os.system'");
  fail('(' + Text("storage") + "ctorch\nFloatStorage\n" + Text("0") + "NJ\xff\xff\xff\xfftQ", "declares -1 elements");
  fail('(' + Text("storage") + "ctorch\nFloatStorage\n" + Text("0") + "N\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7ftQ",
       "declares 9223372036854775807 elements");
  fail("NN\x93", "name is a None, expected a string");
  fail("ctorch._utils\n_rebuild_tensor_v2\n)R", "expected at least 4");
  fail("ctorch._utils\n_rebuild_tensor_v2\n(NNNNtR", "storage of a tensor is a None");
  fail("ctorch._utils\n_rebuild_tensor_v2\nNR", "arguments of a call is a None");
  fail("ccollections\nOrderedDict\nK\x01\x85R", "dictionary is made from a integer");
  fail("ccollections\nOrderedDict\n](Ne\x85R", "expected a tuple");
  fail("c_codecs\nencode\n(" + Text("\xe2\x82\xac") + Text("latin1") + "tR", "other characters");
  fail("(o", "object without a class");
  EXPECT_NN_ERROR(Load("\x80\x02K\x01"), "breaks off");
  EXPECT_NN_ERROR(Load(""), "breaks off");
}

TEST(ModelIOUnpickler, AccessorsRefuseOtherKinds)
{
  const TorchObject none;
  EXPECT_TRUE(none.IsNone());
  EXPECT_FALSE(none.IsNumber());
  EXPECT_EQ(none.GetSize(), 0u);
  EXPECT_TRUE(none.GetKeys().empty());
  EXPECT_FALSE(none.Has("x"));
  EXPECT_NN_ERROR(none.GetBoolean(), "Expected a boolean, found None");
  EXPECT_NN_ERROR(none.GetInteger(), "Expected an integer, found None");
  EXPECT_NN_ERROR(none.GetReal(), "Expected a number, found None");
  EXPECT_NN_ERROR(none.GetText(), "Expected a string, found None");
  EXPECT_NN_ERROR(none.GetTensor(), "Expected a tensor, found None");
  EXPECT_NN_ERROR(none.GetItem(0), "Expected a list or tuple, found None");
  EXPECT_NN_ERROR(none.GetEntry(0), "Expected a dictionary, found None");
  EXPECT_NN_ERROR(none.Get("x"), "which is no dictionary");
  EXPECT_NN_ERROR(none.GetClassName(), "found None");
  EXPECT_NN_ERROR(none.GetState(), "found None");
  EXPECT_NN_ERROR(none.GetArguments(), "found None");
  const TorchObject list = LoadOperations("](K\x01"
                                          "e");
  EXPECT_NN_ERROR(list.GetItem(1), "Item 1 was asked of a list of 1");
  const TorchObject dictionary = LoadOperations("}" + Text("a\x1b") + "Ns");
  EXPECT_NN_ERROR(dictionary.Get("b"), "no key 'b' among 'a\\x1b'");
  EXPECT_NN_ERROR(dictionary.GetEntry(1), "Entry 1 was asked of a dictionary of 1");
  EXPECT_STREQ(TorchObject::ToString(Kind::Opaque), "object");
  for (int kind = 0; kind <= static_cast<int>(Kind::Opaque); ++kind)
  {
    EXPECT_STRNE(TorchObject::ToString(static_cast<Kind>(kind)), "unknown");
  }
}

TEST(ModelIOUnpickler, SelfDoublingTuplesTakeLinearTime)
{
  // t = (t, t), 60 times: 2^60 leaves.
  std::string operations = "K\x01";
  for (int i = 0; i < 60; ++i)
  {
    operations += "q" + std::string(1, static_cast<char>(i)) + "h" + std::string(1, static_cast<char>(i)) + "\x86";
  }
  const TorchObject bomb = LoadOperations(operations);
  EXPECT_NN_ERROR(bomb.Flatten(), "nested values");
  EXPECT_NN_ERROR(ExtractStateDict(bomb), "No state dict was found in tuple");
}

TEST(ModelIOUnpickler, DeepNestingNeedsNoRecursion)
{
  const std::size_t depth = 500000;
  const auto lists = LoadOperations(std::string(depth, ']') + std::string(depth - 1, 'a'));
  EXPECT_NN_ERROR(lists.Flatten(), "nested deeper than 100 levels");
  std::string tuples = ")";
  tuples.append(depth, '\x85');
  EXPECT_NN_ERROR(LoadOperations(tuples).Flatten(), "nested deeper than 100 levels");
  // A list in itself.
  EXPECT_NN_ERROR(LoadOperations("]q\x01h\x01"
                                 "a")
                    .Flatten(),
                  "nested deeper than 100 levels");
}

TEST(ModelIOUnpickler, LimitsAreKept)
{
  TorchFileOptions options;
  options.maximumObjects = 1000;
  const auto read = [&options](const std::string & operations)
  { return Read(TorchZip(Pickle().Raw(operations).Stop()), options); };
  EXPECT_NO_THROW(read(std::string(999, 'N')));
  EXPECT_NN_ERROR(read(std::string(1001, 'N')), "limit of 1000 objects");
  EXPECT_NN_ERROR(read('N' + std::string(2000, '2')), "stack exceeds the limit of 1000");
  EXPECT_NN_ERROR(read(std::string(2000, '(')), "limit of 1000 marks");

  options = TorchFileOptions();
  options.maximumObjectBytes = 100000;
  EXPECT_NN_ERROR(read(Text(std::string(200000, 'x'))), "limit of 100000 bytes");
  std::string doubling = "](K\x01K\x01K\x01K\x01"
                         "eq\x01";
  for (int i = 0; i < 30; ++i)
  {
    // list(l + l) by way of a tuple of pairs.
    doubling += "0c__builtin__\ndict\n](h\x01h\x01"
                "e\x85R";
  }
  EXPECT_THROW(read(doubling), Error);
  std::string copies = "](" + std::string(1000, 'N') + "eq\x01";
  for (int i = 0; i < 100; ++i)
  {
    copies += "0c__builtin__\nlist\nh\x01\x85R";
  }
  EXPECT_NN_ERROR(read(copies), "limit of 100000 bytes");
  std::string memo;
  for (int i = 0; i < 5000; ++i)
  {
    memo += 'r' + LittleEndian(static_cast<std::uint64_t>(i), 4);
  }
  EXPECT_NN_ERROR(read('N' + memo), "limit of 100000 bytes");

  options = TorchFileOptions();
  options.maximumPickleBytes = 100;
  EXPECT_NN_ERROR(read(std::string(200, 'N')), "the limit is 100");
  options = TorchFileOptions();
  options.maximumFileBytes = 100;
  EXPECT_NN_ERROR(read(std::string(200, 'N')), "the limit is 100");
  options = TorchFileOptions();
  options.maximumEntries = 1;
  EXPECT_NN_ERROR(read("N"), "has 2 entries, the limit is 1");
}

TEST(ModelIOUnpickler, RepeatedCallsOnLongArgumentsTakeLinearTime)
{
  // Quadratic if every call copied its arguments.
  std::string operations = "(" + std::string(200000, 'N') +
                           "tq\x01"
                           "0ca\nB\nq\x02"
                           "0";
  for (int i = 0; i < 200000; ++i)
  {
    operations += "h\x02h\x01R0";
  }
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(LoadOperations(operations + 'N').IsNone());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

TEST(ModelIOUnpickler, EveryChangedByteIsAnErrorOrReadable)
{
  const std::string pickle = Pickle()
                               .Raw("}(")
                               .Text("w")
                               .Tensor("FloatStorage", "0", 4, 0, { 2, 2 }, { 2, 1 })
                               .Text("n")
                               .Raw(NumPyScalar("numpy.core.multiarray", "f8", "<", RawBytes<double>({ 0.1 })))
                               .Text("o")
                               .Raw("ca\nB\n)\x81}b")
                               .Raw("u")
                               .Stop();
  const std::string data = RawBytes<float>({ 1, 2, 3, 4 });
  ASSERT_EQ(Read(TorchZip(pickle, { data })).root.Flatten().GetSize(), 1u);
  std::size_t errors = 0;
  for (std::size_t i = 0; i < pickle.size(); ++i)
  {
    for (int change = 1; change < 256; change += 7)
    {
      std::string hostile = pickle;
      hostile[i] = static_cast<char>(hostile[i] ^ change);
      try
      {
        Read(TorchZip(hostile, { data })).root.Flatten();
      }
      catch (const Error &)
      {
        ++errors;
      }
    }
  }
  EXPECT_GT(errors, pickle.size());
}
