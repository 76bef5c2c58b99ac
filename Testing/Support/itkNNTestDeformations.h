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
#ifndef itkNNTestDeformations_h
#define itkNNTestDeformations_h

#include "itkNNExecutionPlan.h"
#include "itkNNSafeTensors.h"
#include "itkNNSpatialDeformation.h"
#include "itkNNTestGoldens.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace itk
{
namespace nn
{
namespace test
{
/** An operation as the goldens name it: its kind, then its numbers. */
inline SpatialDeformation::Operation
ToOperation(const nlohmann::json & json)
{
  const auto kind = json.at(0).get<std::string>();
  if (kind == "scale")
  {
    return SpatialDeformation::Scale{ json.at(1).get<double>() };
  }
  if (kind == "flip")
  {
    return SpatialDeformation::Flip{ json.at(1).get<std::vector<int>>() };
  }
  if (kind == "elastic")
  {
    SpatialDeformation::Elastic elastic;
    elastic.sigma = json.at(1).get<double>();
    elastic.alpha = json.at(2).get<double>();
    elastic.boundary = json.at(3).get<std::string>() == "mirror" ? BoundaryMode::Mirror : BoundaryMode::Constant;
    return elastic;
  }
  std::vector<double> numbers;
  for (std::size_t i = 1; i < json.size(); ++i)
  {
    numbers.push_back(json.at(i).get<double>());
  }
  EXPECT_TRUE(kind == "translate" || kind == "rotate") << kind;
  return kind == "rotate" ? SpatialDeformation::Operation(SpatialDeformation::Rotate{ numbers })
                          : SpatialDeformation::Operation(SpatialDeformation::Translate{ numbers });
}

/** A golden deformation. */
struct GoldenCase
{
  std::string name;
  SpatialDeformation deformation;
  Shape size;
  double value = 0;
  StateDict tensors;

  TensorMap MakeInputs() const
  {
    TensorMap inputs = MakeSpatialDeformationInputs(deformation, size);
    if (tensors.Has("noise"))
    {
      // Of [-1, 1) in the goldens.
      Tensor noise = tensors.Get("noise").To(DataType::Float64);
      std::transform(noise.GetData<double>(),
                     noise.GetData<double>() + noise.GetNumberOfElements(),
                     noise.GetData<double>(),
                     [](double noiseValue) { return (noiseValue + 1) / 2; });
      inputs["noise0"] = noise;
    }
    return inputs;
  }
};

/** Those that there are; none when the goldens are not to be had. */
inline std::vector<GoldenCase>
ReadGoldenCases()
{
  const std::string file = FindGolden("u2net/deform/deform.json");
  std::vector<GoldenCase> cases;
  const nlohmann::json all = file.empty() ? nlohmann::json::object() : nlohmann::json::parse(ReadText(file));
  for (const auto & [name, entry] : all.items())
  {
    const std::string path = FindGolden("u2net/deform/" + name + ".safetensors");
    if (!entry.contains("ops") || path.empty())
    {
      continue;
    }
    GoldenCase golden;
    golden.name = name;
    golden.size = entry.at("shape").get<Shape>();
    golden.value = entry.at("cval").get<double>();
    for (const auto & operation : entry.at("ops"))
    {
      golden.deformation.operations.push_back(ToOperation(operation));
    }
    golden.tensors = ReadSafeTensors(path).tensors;
    cases.push_back(std::move(golden));
  }
  return cases;
}

inline Tensor
WithAxes(const Tensor & tensor, Shape first)
{
  const Shape & shape = tensor.GetShape();
  first.insert(first.end(), shape.begin(), shape.end());
  return tensor.Reshape(first);
}
} // namespace test
} // namespace nn
} // namespace itk

#endif
