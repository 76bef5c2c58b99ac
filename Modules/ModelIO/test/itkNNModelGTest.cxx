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
#include "itkNNTestFiles.h"

#include <chrono>
#include <numeric>
#include <sstream>

using namespace itkNNTest;
using namespace itk::nn;

namespace
{
ModelCard
FullCard()
{
  ModelCard card;
  card.network = "UniverSeg";
  card.configuration = R"({"encoder_blocks":[64,64],"nested":{"a":[1,2.5,null]}})";
  card.preprocessing = R"({"normalization":"min-max"})";
  card.tasks = { { "heart", R"({"spacing":[1,1,2]})" }, { "liver", "" } };
  card.labels = { { -1, "ignored" }, { 0, "background" }, { 1, "nucleus" } };
  card.license = "Apache-2.0";
  card.provenance = "trained in a test\nin two lines";
  card.description = "small \xc3\xa9";
  card.extra = { { "citation", "none" }, { "url", "" } };
  return card;
}

StateDict
Weights()
{
  StateDict weights;
  weights.Add("conv.weight", Tensor::FromVector<float>({ 2, 1 }, { 0.5f, -2.f }));
  weights.Add("conv.count", Tensor::FromVector<std::int64_t>({}, { 3 }));
  return weights;
}

std::string
ModelBytes(const std::string & card)
{
  const auto bytes = SerializeSafeTensors(Weights(), { { ModelCard::metadataKey, card } });
  return std::string(bytes.begin(), bytes.end());
}

Model::Pointer
ReadBytes(const std::string & bytes)
{
  return Model::ReadFromMemory(bytes.data(), bytes.size());
}
} // namespace

namespace
{
/** 20 MB in two tensors: more than what is read at once. */
StateDict
LargeWeights(float first)
{
  StateDict weights;
  std::vector<float> values(5000000);
  std::iota(values.begin(), values.end(), first);
  weights.Add("large", Tensor::FromVector<float>({ 5000000 }, values));
  weights.Add("small", Tensor::FromVector<float>({ 2 }, { first, -first }));
  return weights;
}

void
WriteModel(const std::string & path, const StateDict & weights)
{
  auto model = Model::New();
  model->SetWeights(weights);
  model->Write(path);
}
} // namespace

TEST(ModelIOModel, ALargeFileIsMapped)
{
  const TemporaryFolder folder;
  const std::string path = folder / "large.safetensors";
  const StateDict expected = LargeWeights(3);
  WriteModel(path, expected);
  const auto model = Model::Read(path);
  const StateDict & weights = model->GetWeights();
  ASSERT_NE(weights.GetSource(), nullptr);
  EXPECT_TRUE(weights.GetSource()->Has(weights.Get("large")));
  EXPECT_FALSE(weights.GetSource()->Has(expected.Get("large")));
  EXPECT_FALSE(weights.GetSource()->Has(Tensor()));
  EXPECT_NO_THROW(weights.GetSource()->Check());
  for (int repeat = 0; repeat < 2; ++repeat)
  {
    EXPECT_EQ(weights.Get("large").ToVector<float>(), expected.Get("large").ToVector<float>());
    EXPECT_EQ(weights.Get("small").ToVector<float>(), expected.Get("small").ToVector<float>());
    weights.GetSource()->Unload();
  }
}

TEST(ModelIOModel, AMappedFileMayBeReplacedButNotWrittenTo)
{
  const TemporaryFolder folder;
  const std::string path = folder / "large.safetensors";
  WriteModel(path, LargeWeights(3));
  const auto model = Model::Read(path);
  const StateDict & weights = model->GetWeights();
  // Writing a model makes another file of the name.
  WriteModel(path, LargeWeights(4));
  weights.GetSource()->Unload();
  EXPECT_NO_THROW(weights.GetSource()->Check());
  EXPECT_EQ(weights.Get("small").ToVector<float>(), (std::vector<float>{ 3, -3 }));
  const auto newer = Model::Read(path);
  EXPECT_EQ(newer->GetWeights().Get("small").ToVector<float>(), (std::vector<float>{ 4, -4 }));
  {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(-1, std::ios::end);
    file.put('x');
  }
  std::filesystem::last_write_time(path, std::filesystem::last_write_time(path) + std::chrono::seconds(2));
  EXPECT_NO_THROW(weights.GetSource()->Check()) << "of the file that was replaced";
  try
  {
    newer->GetWeights().GetSource()->Check();
    FAIL() << "a change should be found";
  }
  catch (const Error & error)
  {
    EXPECT_NE(std::string(error.GetDescription()).find("large.safetensors"), std::string::npos);
    EXPECT_NE(std::string(error.GetDescription()).find("was changed since it was read"), std::string::npos);
  }
}

TEST(ModelIOModel, ASmallFileIsReadAtOnce)
{
  const TemporaryFolder folder;
  const std::string path = folder / "small.safetensors";
  WriteModel(path, Weights());
  EXPECT_EQ(Model::Read(path)->GetWeights().GetSource(), nullptr);
}

TEST(ModelIOModelCard, RoundTrip)
{
  const ModelCard card = FullCard();
  EXPECT_EQ(ModelCard::FromJson(card.ToJson()), card);
  EXPECT_EQ(ModelCard::FromJson(card.ToJson()).ToJson(), card.ToJson());
  EXPECT_FALSE(card.IsEmpty());
  EXPECT_TRUE(ModelCard().IsEmpty());
  EXPECT_EQ(ModelCard::FromJson(ModelCard().ToJson()), ModelCard());
  ModelCard other = card;
  other.labels[1] = "cell";
  EXPECT_NE(other, card);
}

TEST(ModelIOModelCard, TasksHaveNamesAndPreprocessing)
{
  const ModelCard card = FullCard();
  EXPECT_EQ(card.FindTask("liver"), 1);
  EXPECT_EQ(card.FindTask("lung"), -1);
  EXPECT_EQ(card.GetPreprocessing(0), R"({"spacing":[1,1,2]})");
  EXPECT_EQ(card.GetPreprocessing(1), "");
  for (const std::int64_t task : { -1, 2 })
  {
    EXPECT_EQ(card.GetPreprocessing(task), card.preprocessing);
  }
  ModelCard other = card;
  other.tasks[1].name = "lung";
  EXPECT_NE(other, card);
  other.tasks[1].preprocessing = "[]";
  EXPECT_NN_ERROR(other.ToJson(), "The preprocessing of the model card's task");
}

TEST(ModelIOModelCard, ConfigurationKeepsItsOrder)
{
  ModelCard card;
  card.configuration = "{ \"z\": 1, \"a\": 2 }";
  EXPECT_EQ(ModelCard::FromJson(card.ToJson()).configuration, "{\"z\":1,\"a\":2}");
}

TEST(ModelIOModelCard, MinorVersionsAreAcceptedMajorOnesRefused)
{
  const ModelCard newer = ModelCard::FromJson(R"({"format_version":"1.7","network":"N","new_field":[1]})");
  EXPECT_EQ(newer.minorVersion, 7);
  EXPECT_EQ(newer.network, "N");
  EXPECT_NN_ERROR(ModelCard::FromJson(R"({"format_version":"2.0"})"), "format version is 2.0, this program reads 1.x");
  for (const char * version : { "", "1", "1.", ".1", "1.x", "a.0", "1.0.0", "-1.0" })
  {
    EXPECT_NN_ERROR(ModelCard::FromJson(std::string(R"({"format_version":")") + version + "\"}"), "format version");
  }
}

TEST(ModelIOModelCard, MalformedCardsAreErrors)
{
  const auto fail = [](const std::string & fields, const std::string & part)
  { EXPECT_NN_ERROR(ModelCard::FromJson("{\"format_version\":\"1.0\"," + fields + "}"), part); };
  EXPECT_NN_ERROR(ModelCard::FromJson(""), "not valid JSON");
  EXPECT_NN_ERROR(ModelCard::FromJson("[]"), "is a JSON array, expected an object");
  EXPECT_NN_ERROR(ModelCard::FromJson("{}"), "no field 'format_version'");
  EXPECT_NN_ERROR(ModelCard::FromJson("{\"format_version\":1}"), "expected a string");
  fail("\"network\":1", "field 'network' is a JSON number, expected a string");
  fail("\"configuration\":\"{}\"", "field 'configuration' is a JSON string, expected an object");
  fail("\"labels\":{}", "expected an array");
  fail("\"tasks\":{}", "field 'tasks' is a JSON object, expected an array");
  fail("\"tasks\":[1]", "A task of the model card is a JSON number, expected an object");
  fail("\"tasks\":[{\"name\":1}]", "field 'name' is a JSON number, expected a string");
  fail("\"tasks\":[{\"preprocessing\":\"\"}]", "field 'preprocessing' is a JSON string, expected an object");
  fail("\"labels\":[1]", "A label of the model card");
  fail("\"labels\":[{\"value\":1.5,\"name\":\"a\"}]", "A label of the model card");
  fail("\"labels\":[{\"value\":1,\"name\":\"a\"},{\"value\":1,\"name\":\"b\"}]", "has the label 1 twice");
  fail("\"extra\":[]", "field 'extra' is a JSON array");
  fail("\"extra\":{\"a\":1}", "extra entry 'a' is a JSON number");
  fail("\"configuration\":" + std::string(100000, '['), "nested deeper than 64 levels");
  ModelCard card;
  card.configuration = "{";
  EXPECT_NN_ERROR(card.ToJson(), "configuration is not valid JSON");
  card.configuration = "";
  card.preprocessing = "3";
  EXPECT_NN_ERROR(card.ToJson(), "preprocessing is a JSON number");
}

TEST(ModelIOModel, WriteAndRead)
{
  const TemporaryFolder folder;
  const std::string path = folder / "model.weights";
  auto model = Model::New();
  EXPECT_TRUE(model->GetWeights().IsEmpty());
  EXPECT_STREQ(model->GetNameOfClass(), "Model");
  auto modified = model->GetMTime();
  model->SetWeights(Weights());
  EXPECT_GT(model->GetMTime(), modified);
  modified = model->GetMTime();
  model->SetCard(FullCard());
  EXPECT_GT(model->GetMTime(), modified);
  modified = model->GetMTime();
  model->SetCard(FullCard());
  EXPECT_EQ(model->GetMTime(), modified);
  model->SetMetadata({ { "trained", "no" } });
  EXPECT_GT(model->GetMTime(), modified);
  model->Write(path);

  const auto read = Model::Read(path);
  EXPECT_EQ(read->GetCard(), FullCard());
  EXPECT_EQ(read->GetFileName(), path);
  EXPECT_EQ(read->GetFileFormat(), "safetensors");
  EXPECT_EQ(read->GetMetadata(), (SafeTensorsMetadata{ { "format", "pt" }, { "trained", "no" } }));
  EXPECT_EQ(read->GetWeights().Get("conv.weight").ToVector<float>(), (std::vector<float>{ 0.5f, -2.f }));
  EXPECT_EQ(read->GetSharedWeights().get(), &read->GetWeights());
  read->Write(folder / "again");
  EXPECT_EQ(ReadFile(folder / "again"), ReadFile(path));

  const std::string bytes = ReadFile(path);
  const auto embedded = Model::ReadFromMemory(bytes.data(), bytes.size(), "default");
  EXPECT_EQ(embedded->GetCard(), FullCard());
  EXPECT_EQ(embedded->GetFileName(), "default");
  std::ostringstream printed;
  read->Print(printed);
  EXPECT_NE(printed.str().find("Network: UniverSeg"), std::string::npos);
}

TEST(ModelIOModel, PlainSafeTensorsAndTorchFilesHaveNoCard)
{
  const auto plain = SerializeSafeTensors(Weights());
  const auto model = Model::ReadFromMemory(plain.data(), plain.size());
  EXPECT_TRUE(model->GetCard().IsEmpty());
  const std::string storage = RawBytes<double>({ 1, 2, 3 });
  const std::string pickle = Pickle()
                               .Raw("}(")
                               .Text("args")
                               .Raw("cargparse\nNamespace\n)\x81")
                               .Text("model")
                               .Raw("}")
                               .Text("module.w")
                               .Tensor("DoubleStorage", "0", 3, 0, { 3 }, { 1 })
                               .Raw("su")
                               .Stop();
  for (const auto & bytes : { TorchZip(pickle, { storage }), TorchLegacy(pickle, { { 3, storage } }) })
  {
    const auto torch = ReadBytes(bytes);
    EXPECT_TRUE(torch->GetCard().IsEmpty());
    EXPECT_EQ(torch->GetWeights().Get("w").ToVector<float>(), (std::vector<float>{ 1, 2, 3 }));
    EXPECT_EQ(torch->GetWeights().Get("w").GetDataType(), DataType::Float32);
    EXPECT_EQ(torch->GetSkippedClasses(), (std::vector<std::string>{ "argparse.Namespace" }));
  }
}

TEST(ModelIOModel, ErrorsNameFileFoundAndExpected)
{
  const TemporaryFolder folder;
  const std::string path = folder / "photo.pt";
  WriteFile(path, "\x89PNG\r\n\x1a\n0000000000");
  EXPECT_NN_ERROR(Model::Read(path), "Cannot read model file '" + path + "': found unknown content");
  EXPECT_NN_ERROR(Model::Read(path), "begins with bytes 89 50 4e 47 0d 0a 1a 0a");
  EXPECT_NN_ERROR(Model::Read(path), "expected a safetensors file (.safetensors) or a file of torch.save()");
  EXPECT_NN_ERROR(Model::Read(folder / "none.pt"), "there is no such file");
  EXPECT_NN_ERROR(Model::Read(folder / ""), "it is a folder");
  EXPECT_NN_ERROR(ReadBytes(""), "Cannot read model file 'embedded model': found an empty file");
  EXPECT_NN_ERROR(ReadBytes(TorchZip(Pickle().Raw("}").Text("epoch").Raw("Ns").Stop())), "with the keys 'epoch'");
  EXPECT_NN_ERROR(ReadBytes(ModelBytes("{\"format_version\":\"9.0\"}")), "format version is 9.0");
  EXPECT_NN_ERROR(ReadBytes(ModelBytes("nonsense")), "The model card is not valid JSON");
}

TEST(ModelIOModel, Description)
{
  auto model = Model::New();
  model->SetWeights(Weights());
  EXPECT_NE(DescribeModel(*model).find("Model card:     none"), std::string::npos);
  ModelCard card = FullCard();
  card.license = "evil\x1b[2J";
  model->SetCard(card);
  model->SetMetadata({ { "key", "value" } });
  const std::string text = DescribeModel(*model);
  for (const char * part : { "Network:        UniverSeg",
                             "Label 1:        nucleus",
                             "citation:       none",
                             "Metadata:       key = value",
                             "trained in a test\n                in two lines",
                             "conv.weight  float32   [2, 1]",
                             "conv.count   int64     []",
                             "2 tensors, 3 elements, 16 bytes" })
  {
    EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
  }
  EXPECT_EQ(text.find('\x1b'), std::string::npos);

  const std::string json = DescribeModelAsJson(*model);
  for (const char * part : { "\"number_of_tensors\": 2",
                             "\"number_of_elements\": 3",
                             "\"bytes\": 16",
                             "\"network\": \"UniverSeg\"",
                             "\"name\": \"conv.weight\"",
                             "\"dtype\": \"float32\"",
                             "\"key\": \"value\"" })
  {
    EXPECT_NE(json.find(part), std::string::npos) << part << " in\n" << json;
  }
  model->SetCard(ModelCard());
  EXPECT_NE(DescribeModelAsJson(*model).find("\"card\": null"), std::string::npos);
}
