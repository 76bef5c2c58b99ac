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
#ifndef itkNNModelCard_h
#define itkNNModelCard_h

#include "UniverSegModelIOExport.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** \class ModelCard
 * \brief What a model file says about its weights.
 *
 * Stored as JSON under the key "universeg.card" of a safetensors file's
 * metadata. A reader accepts every minor version of its major version.
 * \ingroup UniverSegModelIO
 */
struct UniverSegModelIO_EXPORT ModelCard
{
  static constexpr int currentMajorVersion = 1;
  static constexpr int currentMinorVersion = 1;
  static constexpr const char * metadataKey = "universeg.card";

  /** A task, or domain, of a network of several. */
  struct Task
  {
    std::string name;
    std::string preprocessing; ///< as that of the card, of this task's images

    bool operator==(const Task & other) const
    {
      return name == other.name && preprocessing == other.preprocessing;
    }
  };

  int majorVersion = currentMajorVersion;
  int minorVersion = currentMinorVersion;

  /** Name of the architecture, for example "UniverSeg"; empty when unknown. */
  std::string network;
  /** Text of a JSON object with the architecture's parameters, or empty. */
  std::string configuration;
  /** Text of a JSON object that says how images are prepared, or empty. */
  std::string preprocessing;
  /** In the network's order, since version 1.1; empty for a network of one task. */
  std::vector<Task> tasks;
  /** Names of the label values. */
  std::map<std::int64_t, std::string> labels;
  std::string license;
  std::string provenance;
  std::string description;
  /** Anything else, as text. */
  std::map<std::string, std::string> extra;

  /** That of a task when the card tells it, else that of all. */
  const std::string & GetPreprocessing(std::int64_t task) const;

  /** The number of a task from its name; -1 when there is none of that name. */
  std::int64_t FindTask(const std::string & name) const;

  /** Nothing but the version is set. */
  bool IsEmpty() const;

  /** Compact JSON with the fields that are set. Throws Error when configuration
   * or a preprocessing is neither empty nor a JSON object. */
  std::string ToJson() const;
  /** Throws Error for text that is no card, a field of the wrong type or another
   * major version. Unknown fields are passed over. */
  static ModelCard FromJson(const std::string & text);

  bool operator==(const ModelCard & other) const;
  bool operator!=(const ModelCard & other) const
  {
    return !(*this == other);
  }
};
} // namespace nn
} // namespace itk

#endif
