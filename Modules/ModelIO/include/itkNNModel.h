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
#ifndef itkNNModel_h
#define itkNNModel_h

#include "itkNNModelCard.h"
#include "itkNNSafeTensors.h"
#include "itkNNStateDict.h"
#include "itkObject.h"
#include "itkObjectFactory.h"

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** \class Model
 * \brief Weights and the card that describes them, shared between filters.
 *
 * A model file is a safetensors file whose metadata holds the card. Files of
 * torch.save() and safetensors without a card are read too, with an empty card.
 * \ingroup UniverSegModelIO
 */
class UniverSegModelIO_EXPORT Model : public Object
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(Model);

  using Self = Model;
  using Superclass = Object;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);

  const char * GetNameOfClass() const override
  {
    return "Model";
  }

  /** Read a file whose content, not its name, says which format it has. Of a
   * `.pt` file the state dict is taken as ExtractStateDict() finds it, with
   * floating types as float32; safetensors keep their types. Throws Error, which
   * names the file, what was found and what is expected. */
  static Pointer Read(const std::string & fileName);

  /** Same from memory, which is copied. \param name stands for the file's name
   * in errors and descriptions. */
  static Pointer ReadFromMemory(const void * data, std::size_t size, const std::string & name = "embedded model");

  /** Write a model file, atomically. Throws Error on failure. */
  void Write(const std::string & fileName) const;

  const StateDict & GetWeights() const
  {
    return *m_Weights;
  }
  std::shared_ptr<const StateDict> GetSharedWeights() const
  {
    return m_Weights;
  }
  void SetWeights(StateDict weights);

  const ModelCard & GetCard() const
  {
    return m_Card;
  }
  void SetCard(const ModelCard & card);

  /** Entries of the file's metadata other than the card. */
  const SafeTensorsMetadata & GetMetadata() const
  {
    return m_Metadata;
  }
  void SetMetadata(const SafeTensorsMetadata & metadata);

  /** Where the model was read from; empty when it was not. */
  const std::string & GetFileName() const
  {
    return m_FileName;
  }
  /** "safetensors", "torch zip", "torch legacy", or empty. */
  const std::string & GetFileFormat() const
  {
    return m_FileFormat;
  }
  /** Classes in a `.pt` file that were passed over. */
  const std::vector<std::string> & GetSkippedClasses() const
  {
    return m_SkippedClasses;
  }

protected:
  Model();
  ~Model() override;

  void PrintSelf(std::ostream & os, Indent indent) const override;

private:
  std::shared_ptr<const StateDict> m_Weights;
  ModelCard m_Card;
  SafeTensorsMetadata m_Metadata;
  std::string m_FileName;
  std::string m_FileFormat;
  std::vector<std::string> m_SkippedClasses;
};

/** Card, tensors with type and shape, and totals, for people to read.
 * \ingroup UniverSegModelIO */
UniverSegModelIO_EXPORT std::string DescribeModel(const Model & model);

/** Same as a JSON object: "file", "format", "card", "metadata",
 * "skipped_classes", "tensors" (name, dtype, shape), "number_of_tensors",
 * "number_of_elements", "bytes".
 * \ingroup UniverSegModelIO */
UniverSegModelIO_EXPORT std::string DescribeModelAsJson(const Model & model);
} // namespace nn
} // namespace itk

#endif
