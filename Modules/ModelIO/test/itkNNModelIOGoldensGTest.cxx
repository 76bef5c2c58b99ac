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
#include "itkNNModel.h"
#include "itkNNSafeTensors.h"
#include "itkNNTestFiles.h"
#include "itkNNTestGoldens.h"
#include "itkNNTorchFile.h"

using namespace itk::nn;
namespace fs = std::filesystem;

namespace
{
void
ExpectSameTensors(const StateDict & weights, const StateDict & twin, const std::string & what)
{
  EXPECT_EQ(weights.GetSize(), twin.GetSize()) << what;
  for (const auto & entry : twin)
  {
    ASSERT_TRUE(weights.Has(entry.first)) << what << ": " << entry.first;
    const Tensor & tensor = weights.Get(entry.first);
    ASSERT_EQ(tensor.GetShape(), entry.second.GetShape()) << what << ": " << entry.first;
    if (IsFloatingPoint(entry.second.GetDataType()))
    {
      const auto a = tensor.ToVector<float>();
      const auto b = entry.second.To(DataType::Float32).ToVector<float>();
      ASSERT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(float)), 0) << what << ": " << entry.first;
    }
    else
    {
      ASSERT_EQ(tensor.ToVector<std::int64_t>(), entry.second.ToVector<std::int64_t>()) << what << ": " << entry.first;
    }
  }
}

void
ExpectTwins(const fs::path & torchFile, const fs::path & twin)
{
  ASSERT_TRUE(fs::exists(torchFile)) << torchFile;
  ASSERT_TRUE(fs::exists(twin)) << twin;
  const auto model = Model::Read(torchFile.string());
  ExpectSameTensors(model->GetWeights(), ReadSafeTensors(twin.string()).tensors, torchFile.string());
}

bool
HasEnding(const std::string & text, const std::string & ending)
{
  return text.size() >= ending.size() && text.compare(text.size() - ending.size(), ending.size(), ending) == 0;
}

/** A folder of the full set. */
fs::path
AllGoldens(const std::string & relativePath)
{
  return fs::path(test::AllGoldens()) / relativePath;
}
} // namespace

TEST(ModelIOGoldens, TinyZipLegacyAndWrappedEqualTheirTwin)
{
  ITK_NN_REQUIRE_GOLDEN("universeg/a_tiny/weights.pt");
  const fs::path folder = fs::path(test::FindGolden("universeg/a_tiny/weights.pt")).parent_path();
  for (const char * name : { "weights.pt", "weights_legacy.pt", "weights_wrapped.pt" })
  {
    ExpectTwins(folder / name, folder / "weights.safetensors");
  }
  EXPECT_EQ(Model::Read((folder / "weights.pt").string())->GetFileFormat(), "torch zip");
  EXPECT_EQ(Model::Read((folder / "weights_legacy.pt").string())->GetFileFormat(), "torch legacy");
  EXPECT_EQ(Model::Read((folder / "weights.safetensors").string())->GetFileFormat(), "safetensors");
}

TEST(ModelIOGoldens, TruncatedTorchFilesAreErrors)
{
  ITK_NN_REQUIRE_GOLDEN("universeg/a_tiny/weights.pt");
  const fs::path folder = fs::path(test::FindGolden("universeg/a_tiny/weights.pt")).parent_path();
  for (const char * name : { "weights.pt", "weights_legacy.pt" })
  {
    const std::string bytes = itkNNTest::ReadFile((folder / name).string());
    for (std::size_t size = 0; size < bytes.size(); size += 1 + bytes.size() / 997)
    {
      EXPECT_THROW(ReadTorchFileFromMemory(bytes.data(), size), Error) << name << " cut to " << size;
    }
  }
}

TEST(ModelIOGoldens, EveryTorchFileReadsAndEqualsItsTwin)
{
  ITK_NN_REQUIRE_ALL_GOLDENS();
  int files = 0;
  int twins = 0;
  for (const auto & entry : fs::recursive_directory_iterator(test::AllGoldens()))
  {
    const std::string name = entry.path().filename().string();
    if (!HasEnding(name, ".pt") && !HasEnding(name, ".pth") && !HasEnding(name, ".pth.tar"))
    {
      continue;
    }
    ++files;
    const auto model = Model::Read(entry.path().string());
    EXPECT_GT(model->GetWeights().GetSize(), 0u) << entry.path();
    const std::string stem = name.substr(0, name.rfind(".pt"));
    for (const std::string & candidate : { stem + ".safetensors", stem + ".model.safetensors" })
    {
      const fs::path twin = entry.path().parent_path() / candidate;
      if (fs::exists(twin))
      {
        ++twins;
        ExpectTwins(entry.path(), twin);
      }
    }
  }
  EXPECT_GE(files, 40);
  EXPECT_GE(twins, 30);
}

TEST(ModelIOGoldens, EverySafeTensorsFileReadsAndWritesTheSame)
{
  ITK_NN_REQUIRE_ALL_GOLDENS();
  int files = 0;
  for (const auto & entry : fs::recursive_directory_iterator(test::AllGoldens()))
  {
    if (entry.path().extension() == ".safetensors")
    {
      ++files;
      const auto file = ReadSafeTensors(entry.path().string());
      const auto bytes = SerializeSafeTensors(file.tensors, file.metadata);
      const auto again = ReadSafeTensorsFromMemory(bytes.data(), bytes.size());
      EXPECT_EQ(again.metadata, file.metadata);
      ExpectSameTensors(again.tensors, file.tensors, entry.path().string());
    }
  }
  EXPECT_GE(files, 100);
}

TEST(ModelIOGoldens, HalfPrecisionTwinIsTheRoundedOriginal)
{
  ITK_NN_REQUIRE_ALL_GOLDENS();
  const fs::path folder = AllGoldens("hermes/hermes_r_narrow");
  const StateDict half = ReadSafeTensors((folder / "weights_f16.safetensors").string()).tensors;
  const StateDict full = Model::Read((folder / "weights.pt").string())->GetWeights();
  int compared = 0;
  for (const auto & entry : half)
  {
    if (entry.second.GetDataType() == DataType::Float16)
    {
      ++compared;
      ASSERT_EQ(entry.second.ToVector<float>(), full.Get(entry.first).To(DataType::Float16).ToVector<float>())
        << entry.first;
    }
  }
  EXPECT_GT(compared, 0);
}

TEST(ModelIOGoldens, HermesCheckpointOffersEveryPart)
{
  ITK_NN_REQUIRE_ALL_GOLDENS();
  const fs::path folder = AllGoldens("hermes/hermes_m_narrow");
  const TorchFile file = ReadTorchFile((folder / "checkpoint.pth").string());
  ASSERT_TRUE(file.root.Has("epoch"));
  EXPECT_TRUE(file.root.Get("epoch").IsNumber());
  const StateDict weights = ExtractStateDict(file.root, "model_state_dict");
  ExpectSameTensors(weights, ReadSafeTensors((folder / "weights.safetensors").string()).tensors, "checkpoint.pth");
  // What the reference evaluates comes first.
  const StateDict ema = ExtractStateDict(file.root);
  ExpectSameTensors(ema, ExtractStateDict(file.root, "ema_model_state_dict"), "checkpoint.pth");
  ASSERT_EQ(ema.GetSize(), weights.GetSize());
  for (const auto & entry : weights)
  {
    if (IsFloatingPoint(entry.second.GetDataType()))
    {
      const auto a = entry.second.ToVector<float>();
      const auto b = ema.Get(entry.first).ToVector<float>();
      for (std::size_t i = 0; i < a.size(); ++i)
      {
        ASSERT_EQ(b[i], 0.5f * a[i]) << entry.first;
      }
    }
  }
  const TorchObject group = file.root.Get("optimizer_state_dict").Get("param_groups").GetItem(0);
  EXPECT_EQ(group.Get("lr").GetReal(), 0.002);
  EXPECT_EQ(group.Get("betas").GetItem(1).GetReal(), 0.999);
  EXPECT_TRUE(group.Get("grad_averaging").GetBoolean());
  EXPECT_EQ(group.Get("params").GetItem(14).GetInteger(), 14);
}

TEST(ModelIOGoldens, PyMicCheckpointsKeepNumPyScalarsAndOptimizer)
{
  ITK_NN_REQUIRE_ALL_GOLDENS();
  const fs::path folder = AllGoldens("misfm/e2e/model/tiny");
  const auto first = ReadTorchFile((folder / "tiny_best.pt").string());
  const auto second = ReadTorchFile((folder / "tiny_best_numpy1.pt").string());
  EXPECT_TRUE(first.skippedClasses.empty());
  EXPECT_TRUE(second.skippedClasses.empty());
  EXPECT_EQ(first.root.GetKeys(), second.root.GetKeys());
  EXPECT_GT(first.root.Get("iteration").GetInteger(), 0);
  const double metric = first.root.Get("valid_pred").GetReal();
  EXPECT_EQ(metric, second.root.Get("valid_pred").GetReal());
  EXPECT_GE(metric, 0.0);
  EXPECT_LE(metric, 1.0);
  EXPECT_FALSE(first.root.Get("optimizer_state_dict").Flatten().IsEmpty());
  ExpectTwins(folder / "tiny_best_numpy1.pt", folder / "tiny_best.model.safetensors");
}

TEST(ModelIOGoldens, PickledModulesGiveTheirStateDict)
{
  ITK_NN_REQUIRE_ALL_GOLDENS();
  const fs::path folder = AllGoldens("u2net/net");
  const auto expected = ReadSafeTensors((folder / "uni_sep_depth2" / "weights.safetensors").string());
  for (const char * name : { "universal_zip.pth.tar", "universal_legacy.pth.tar" })
  {
    const auto model = Model::Read((folder / "checkpoint_official_style" / name).string());
    ExpectSameTensors(model->GetWeights(), expected.tensors, name);
    const auto & skipped = model->GetSkippedClasses();
    EXPECT_NE(std::find(skipped.begin(), skipped.end(), "models.u2net3d.u2net3d"), skipped.end());
    EXPECT_NE(std::find(skipped.begin(), skipped.end(), "torch.optim.adam.Adam"), skipped.end());
  }
}
