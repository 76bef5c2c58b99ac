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
#include "itkNNModelCard.h"
#include "itkNNSafeTensors.h"

#include <cstdlib>

/** Whatever reads must write to something that reads as the same. */
extern "C" int
LLVMFuzzerTestOneInput(const std::uint8_t * data, std::size_t size)
{
  using namespace itk::nn;
  SafeTensorsFile file;
  try
  {
    file = ReadSafeTensorsFromMemory(data, size);
  }
  catch (const Error &)
  {
    return 0;
  }
  const auto bytes = SerializeSafeTensors(file.tensors, file.metadata);
  const auto again = ReadSafeTensorsFromMemory(bytes.data(), bytes.size());
  if (again.metadata != file.metadata || again.tensors.GetSize() != file.tensors.GetSize() ||
      SerializeSafeTensors(again.tensors, again.metadata) != bytes)
  {
    std::abort();
  }
  const auto card = file.metadata.find(ModelCard::metadataKey);
  if (card != file.metadata.end())
  {
    try
    {
      const ModelCard parsed = ModelCard::FromJson(card->second);
      if (ModelCard::FromJson(parsed.ToJson()) != parsed)
      {
        std::abort();
      }
    }
    catch (const Error &)
    {}
  }
  return 0;
}
