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
#ifndef itkHermesTestHelpers_h
#define itkHermesTestHelpers_h

#include "itkNNExecutionPlan.h"
#include "itkNNNetworkTestHelpers.h"
#include "itkNNTestGoldens.h"

#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

namespace itk
{
namespace nn
{
namespace test
{
using Json = nlohmann::json;

/** A configuration with another value of a key. */
inline Json
Change(const char * text, const char * key, const Json & value)
{
  Json json = Json::parse(text);
  json[key] = value;
  return json;
}

/** Lines of a name, a tab and a shape as Python prints it. */
inline std::vector<std::pair<std::string, Shape>>
ReadKeys(const std::string & path)
{
  std::vector<std::pair<std::string, Shape>> keys;
  std::istringstream lines(ReadText(path));
  for (std::string line; std::getline(lines, line);)
  {
    const std::size_t tab = line.find('\t');
    std::string shape = line.substr(tab + 2, line.size() - tab - 3);
    shape.erase(shape.find_last_not_of(", ") + 1);
    keys.emplace_back(line.substr(0, tab), Json::parse('[' + shape + ']').get<Shape>());
  }
  return keys;
}

/** By the names of the network's inputs. */
inline TensorMap
GetInputs(const StateDict & io)
{
  return { { "input", io.Get("x") }, { "tgt_idx", io.Get("tgt_idx") }, { "mod_idx", io.Get("mod_idx") } };
}

/** Weights of the size that products keep, so that logits are not huge. */
inline std::shared_ptr<const StateDict>
MakeSmallWeights(const Network & network)
{
  auto weights = std::make_shared<StateDict>();
  const StateDict positive = MakeWeights(network);
  for (const auto & [name, tensor] : positive)
  {
    const Shape & shape = tensor.GetShape();
    Tensor scaled(shape);
    const std::int64_t fan = shape.size() > 1 ? NumberOfElements(shape) / shape[0] : 4;
    for (std::int64_t i = 0; i < tensor.GetNumberOfElements(); ++i)
    {
      // Of both signs.
      const double value = tensor.GetData<float>()[i] - 0.225;
      scaled.GetData<float>()[i] = static_cast<float>(value * 8 / std::sqrt(static_cast<double>(fan)));
    }
    weights->Add(name, scaled);
  }
  return weights;
}

inline Tensor
MakeImage(const Shape & shape)
{
  Tensor image(shape);
  for (std::int64_t i = 0; i < image.GetNumberOfElements(); ++i)
  {
    image.GetData<float>()[i] = static_cast<float>(std::sin(0.7 * static_cast<double>(i)));
  }
  return image;
}
} // namespace test
} // namespace nn
} // namespace itk

#endif
