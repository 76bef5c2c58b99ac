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

#include "itkNNFileBytes.h"
#include "itkNNSafeTensorsReader.h"
#include "itkNNTorchReader.h"

namespace itk
{
namespace nn
{
namespace
{
constexpr const char * formatKey = "format";

struct Content
{
  StateDict weights;
  ModelCard card;
  SafeTensorsMetadata metadata;
  std::string format;
  std::vector<std::string> skippedClasses;
};

/** Weights that are the smaller part of a checkpoint must not keep all of it in
 * memory. */
StateDict
Compact(StateDict weights, std::uint64_t fileBytes)
{
  std::uint64_t bytes = 0;
  for (const auto & entry : weights)
  {
    bytes += entry.second.GetNumberOfBytes();
  }
  if (bytes >= fileBytes / 2)
  {
    return weights;
  }
  StateDict copies;
  for (const auto & entry : weights)
  {
    copies.Add(entry.first, entry.second.Clone());
  }
  return copies;
}

Content
Parse(const FileBytes & bytes)
{
  Content content;
  if (LooksLikeZip(bytes) || LooksLikePickle(bytes))
  {
    const TorchFile file = ParseTorchFile(bytes, TorchFileOptions());
    content.weights = Compact(ExtractStateDict(file.root), bytes.size);
    content.weights.SetSource(bytes.source);
    content.format = "torch " + file.serialization;
    content.skippedClasses = file.skippedClasses;
    return content;
  }
  itkNNRequireMacro(LooksLikeSafeTensors(bytes),
                    "found " << GuessContent(bytes)
                             << ", expected a safetensors file (.safetensors) or a file of torch.save() (.pt, .pth)");
  SafeTensorsFile file = ParseSafeTensors(bytes);
  content.weights = std::move(file.tensors);
  content.weights.SetSource(bytes.source);
  content.metadata = std::move(file.metadata);
  content.format = "safetensors";
  const auto card = content.metadata.find(ModelCard::metadataKey);
  if (card != content.metadata.end())
  {
    content.card = ModelCard::FromJson(card->second);
    content.metadata.erase(card);
  }
  return content;
}
} // namespace

Model::Model()
  : m_Weights(std::make_shared<StateDict>())
{}

Model::~Model() = default;

Model::Pointer
Model::Read(const std::string & fileName)
{
  Content content = WithFileInErrors(
    "model file", fileName, [&] { return Parse(MapFileBytes(fileName, TorchFileOptions().maximumFileBytes)); });
  auto model = Model::New();
  model->m_Weights = std::make_shared<StateDict>(std::move(content.weights));
  model->m_Card = std::move(content.card);
  model->m_Metadata = std::move(content.metadata);
  model->m_FileName = fileName;
  model->m_FileFormat = std::move(content.format);
  model->m_SkippedClasses = std::move(content.skippedClasses);
  return model;
}

Model::Pointer
Model::ReadFromMemory(const void * data, std::size_t size, const std::string & name)
{
  Content content = WithFileInErrors("model file", name, [&] { return Parse(CopyBytes(data, size)); });
  auto model = Model::New();
  model->m_Weights = std::make_shared<StateDict>(std::move(content.weights));
  model->m_Card = std::move(content.card);
  model->m_Metadata = std::move(content.metadata);
  model->m_FileName = name;
  model->m_FileFormat = std::move(content.format);
  model->m_SkippedClasses = std::move(content.skippedClasses);
  return model;
}

void
Model::Write(const std::string & fileName) const
{
  SafeTensorsMetadata metadata = m_Metadata;
  metadata.emplace(formatKey, "pt");
  metadata[ModelCard::metadataKey] = m_Card.ToJson();
  WriteSafeTensors(fileName, *m_Weights, metadata);
}

void
Model::SetWeights(StateDict weights)
{
  m_Weights = std::make_shared<StateDict>(std::move(weights));
  this->Modified();
}

void
Model::SetCard(const ModelCard & card)
{
  if (m_Card != card)
  {
    m_Card = card;
    this->Modified();
  }
}

void
Model::SetMetadata(const SafeTensorsMetadata & metadata)
{
  if (m_Metadata != metadata)
  {
    m_Metadata = metadata;
    this->Modified();
  }
}

void
Model::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  os << indent << "FileName: " << m_FileName << std::endl;
  os << indent << "FileFormat: " << m_FileFormat << std::endl;
  os << indent << "Network: " << m_Card.network << std::endl;
  os << indent << "Tensors: " << m_Weights->GetSize() << std::endl;
  os << indent << "Elements: " << m_Weights->GetNumberOfElements() << std::endl;
  os << indent << "MetadataEntries: " << m_Metadata.size() << std::endl;
  os << indent << "SkippedClasses: " << m_SkippedClasses.size() << std::endl;
}
} // namespace nn
} // namespace itk
