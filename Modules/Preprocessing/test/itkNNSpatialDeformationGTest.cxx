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
#include "itkNNSpatialDeformation.h"

#include "itkNNTestDeformations.h"
#include "itkNNTestHelpers.h"
#include "itkNNTestTargets.h"

#include <algorithm>
#include <cmath>

using namespace itk::nn;
using namespace itk::nn::test;

namespace
{
using Deformation = SpatialDeformation;

constexpr BoundaryMode boundaries[] = {
  BoundaryMode::Constant, BoundaryMode::Reflect, BoundaryMode::Mirror, BoundaryMode::Nearest, BoundaryMode::Wrap
};

void
ExpectNear(const Tensor & actual, const Tensor & expected, double tolerance, const std::string & what)
{
  const auto a = actual.ToVector<double>();
  const auto b = expected.ToVector<double>();
  ASSERT_EQ(a.size(), b.size()) << what;
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
  {
    largest = std::max(largest, std::abs(a[i] - b[i]));
    ASSERT_FALSE(std::isnan(a[i])) << what << " element " << i;
  }
  EXPECT_LE(largest, tolerance) << what;
}

std::string
TextOf(const Target & target)
{
  return target.backend + " in " + ToString(target.precision);
}

/** Values with others where a coordinate is half between two voxels. */
Tensor
WithoutTies(const Tensor & values, const Tensor & others, const Tensor & coordinates)
{
  const auto at = coordinates.ToVector<double>();
  auto result = values.ToVector<double>();
  const auto replacements = others.ToVector<double>();
  for (std::size_t i = 0; i < at.size(); ++i)
  {
    if (at[i] - std::floor(at[i]) == 0.5)
    {
      result[i % result.size()] = replacements[i % result.size()];
    }
  }
  return Tensor::FromVector<double>(values.GetShape(), result);
}

/** Sample by each mode and boundary, by SciPy's rules and by those of cuda_spatial_deform;
 * coordinates [D, ...]. */
void
CheckSampling(
  const Tensor & image, const Tensor & label, const Tensor & coordinates, double value, const StateDict & expected)
{
  const bool isLine = image.GetRank() == 1;
  Graph graph;
  TensorMap inputs{ { "image", WithAxes(image, { 1, 1 }) },
                    { "label", WithAxes(label, { 1, 1 }) },
                    { "coordinates", WithAxes(coordinates, { 1 }) } };
  std::map<std::string, ValueId> ids;
  for (const auto & [name, tensor] : inputs)
  {
    ids[name] = graph.AddInput(name, tensor.GetShape());
  }
  for (const auto boundary : boundaries)
  {
    for (const bool isOne : { false, true })
    {
      for (const bool rules : { false, true })
      {
        const Sampling op{ isOne ? InterpolationMode::Linear : InterpolationMode::Nearest, boundary, value, rules };
        graph.AddOutput(std::string(rules ? "csd." : "scipy.") + ToString(boundary) + (isOne ? ".o1" : ".o0"),
                        graph.Add(op, { ids[isOne || isLine ? "image" : "label"], ids["coordinates"] }));
      }
    }
  }
  for (const auto & target : GetTargets())
  {
    const TensorMap outputs = ExecutionPlan::Compile(graph, {}, OptionsOf(target))->Run(inputs);
    for (const auto & [name, output] : outputs)
    {
      // SciPy goes down from half between two voxels where it has mirrored the coordinate.
      const Tensor & wanted = expected.Get(name);
      const bool hasTies = name == "scipy.mirror.o0";
      ExpectNear(output,
                 hasTies ? WithoutTies(wanted, expected.Get("csd.mirror.o0"), coordinates) : wanted,
                 1e-5,
                 name + " on " + TextOf(target));
    }
  }
}
} // namespace

TEST(SpatialDeformation, SamplingAgreesWithTheGoldens)
{
  const auto cases = ReadGoldenCases();
  if (cases.empty())
  {
    GTEST_SKIP() << "UNIVERSEG_GOLDENS_DIR, the folder of all golden vectors, is not set";
  }
  EXPECT_GE(cases.size(), 16U);
  for (const auto & golden : cases)
  {
    SCOPED_TRACE(golden.name);
    CheckSampling(golden.tensors.Get("image"),
                  golden.tensors.Get("label"),
                  golden.tensors.Get("coords"),
                  golden.value,
                  golden.tensors);
  }
}

TEST(SpatialDeformation, BoundariesAgreeWithTheGoldens)
{
  ITK_NN_REQUIRE_GOLDEN("u2net/deform/boundary_profile_1d.safetensors");
  const StateDict profile = ReadSafeTensors(FindGolden("u2net/deform/boundary_profile_1d.safetensors")).tensors;
  CheckSampling(profile.Get("row"), profile.Get("row"), WithAxes(profile.Get("query"), { 1 }), -1, profile);
}

TEST(SpatialDeformation, CoordinatesAgreeWithTheGoldens)
{
  const auto cases = ReadGoldenCases();
  if (cases.empty())
  {
    GTEST_SKIP() << "UNIVERSEG_GOLDENS_DIR, the folder of all golden vectors, is not set";
  }
  for (const auto & golden : cases)
  {
    const Graph graph = BuildSpatialDeformationGraph(golden.deformation, golden.size, {});
    for (const auto & target : GetTargets())
    {
      const Tensor coordinates =
        ExecutionPlan::Compile(graph, {}, OptionsOf(target))->Run(golden.MakeInputs()).at("coordinates");
      ExpectNear(coordinates,
                 golden.tensors.Get("coords_f64"),
                 target.precision == DataType::Float64 ? 2e-6 : 6e-6,
                 golden.name + " on " + TextOf(target));
    }
  }
}

TEST(SpatialDeformation, ImageAndLabelMoveTogether)
{
  const auto cases = ReadGoldenCases();
  if (cases.empty())
  {
    GTEST_SKIP() << "UNIVERSEG_GOLDENS_DIR, the folder of all golden vectors, is not set";
  }
  std::size_t compared = 0;
  for (const auto & golden : cases)
  {
    const Sampling linear{ InterpolationMode::Linear, BoundaryMode::Mirror, 0, true };
    const Sampling nearest{ InterpolationMode::Nearest, BoundaryMode::Mirror, 0, true };
    const Graph graph = BuildSpatialDeformationGraph(
      golden.deformation, golden.size, { { "ct", 1, 1, linear }, { "label", 1, 1, nearest } });
    TensorMap inputs = golden.MakeInputs();
    inputs["ct"] = WithAxes(golden.tensors.Get("image"), { 1, 1 });
    inputs["label"] = WithAxes(golden.tensors.Get("label"), { 1, 1 });
    const auto coordinates = golden.tensors.Get("coords").ToVector<double>();
    const auto expected = golden.tensors.Get("csd.mirror.o0").ToVector<double>();
    const std::size_t voxels = expected.size();
    for (const auto & target : GetTargets())
    {
      SCOPED_TRACE(golden.name + " on " + TextOf(target));
      const TensorMap outputs = ExecutionPlan::Compile(graph, {}, OptionsOf(target))->Run(inputs);
      ExpectNear(outputs.at("ct"), golden.tensors.Get("csd.mirror.o1"), 2e-4, "the image");
      const auto label = outputs.at("label").ToVector<double>();
      for (std::size_t i = 0; i < voxels; ++i)
      {
        // Coordinates half between two voxels may be rounded to either.
        bool isClear = true;
        for (std::size_t d = 0; d < golden.size.size(); ++d)
        {
          const double at = coordinates[d * voxels + i];
          isClear = isClear && std::abs(at - std::floor(at) - 0.5) > 1e-4;
        }
        compared += isClear ? 1 : 0;
        ASSERT_TRUE(!isClear || label[i] == expected[i]) << i;
      }
    }
  }
  EXPECT_GT(compared, 10000U);
}

namespace
{
Tensor
RandomNoise(const Shape & shape, std::uint32_t seed)
{
  return RandomTensor(shape, seed, 0, 1).To(DataType::Float32);
}

TensorMap
RunReference(const Graph & graph, const TensorMap & inputs, DataType precision = DataType::Float64)
{
  RegisterBackends();
  return ExecutionPlan::Compile(graph, {}, OptionsOf({ "reference", precision }))->Run(inputs);
}

/** Coordinates by plain loops, in float64. */
std::vector<double>
DeformNaively(const Deformation & deformation, const Shape & size, const TensorMap & inputs)
{
  const std::int64_t voxels = NumberOfElements(size);
  const auto axes = static_cast<std::int64_t>(size.size());
  const auto stride = [&](std::int64_t axis)
  { return NumberOfElements(Shape(size.begin() + static_cast<std::ptrdiff_t>(axis) + 1, size.end())); };
  const auto place = [&](std::int64_t i, std::int64_t axis)
  { return i / stride(axis) % size[static_cast<std::size_t>(axis)]; };
  const auto extent = [&](std::int64_t axis) { return size[static_cast<std::size_t>(axis)]; };
  std::vector<std::vector<double>> v(size.size(), std::vector<double>(static_cast<std::size_t>(voxels)));
  const auto at = [&](std::int64_t d, std::int64_t i) -> double &
  { return v[static_cast<std::size_t>(d)][static_cast<std::size_t>(i)]; };
  for (std::int64_t d = 0; d < axes; ++d)
  {
    for (std::int64_t i = 0; i < voxels; ++i)
    {
      at(d, i) = static_cast<double>(place(i, d)) - static_cast<double>(extent(d)) / 2;
    }
  }
  int fields = 0;
  for (const auto & operation : deformation.operations)
  {
    const auto before = v;
    const auto old = [&](std::int64_t d, std::int64_t i)
    { return before[static_cast<std::size_t>(d)][static_cast<std::size_t>(i)]; };
    std::vector<double> noise;
    if (std::holds_alternative<Deformation::Elastic>(operation))
    {
      noise = inputs.at("noise" + std::to_string(fields++)).ToVector<double>();
    }
    for (std::int64_t d = 0; d < axes; ++d)
    {
      for (std::int64_t i = 0; i < voxels; ++i)
      {
        if (const auto * scale = std::get_if<Deformation::Scale>(&operation))
        {
          at(d, i) *= scale->factor;
        }
        else if (const auto * translation = std::get_if<Deformation::Translate>(&operation))
        {
          at(d, i) += translation->offset[static_cast<std::size_t>(d)];
        }
        else if (const auto * flip = std::get_if<Deformation::Flip>(&operation))
        {
          const bool isFlipped = std::count(flip->axes.begin(), flip->axes.end(), static_cast<int>(d)) > 0;
          at(d, i) = isFlipped ? old(d, i + (extent(d) - 1 - 2 * place(i, d)) * stride(d)) : old(d, i);
        }
        else if (const auto * rotation = std::get_if<Deformation::Rotate>(&operation))
        {
          const auto matrix = Deformation::RotationMatrix(rotation->angles);
          at(d, i) = 0;
          for (std::int64_t e = 0; e < axes; ++e)
          {
            at(d, i) += matrix[static_cast<std::size_t>(d)][static_cast<std::size_t>(e)] * old(e, i);
          }
        }
        else
        {
          // The whole kernel at once: products of the axes' weights.
          const auto & elastic = std::get<Deformation::Elastic>(operation);
          const auto radius = static_cast<std::int64_t>(elastic.truncate * elastic.sigma + 0.5);
          double sum = 0;
          double weights = 0;
          const std::int64_t width = 2 * radius + 1;
          for (std::int64_t tap = 0; tap < static_cast<std::int64_t>(std::pow(width, axes)); ++tap)
          {
            double weight = 1;
            std::int64_t from = 0;
            bool isInside = true;
            std::int64_t rest = tap;
            for (std::int64_t e = axes; e-- > 0; rest /= width)
            {
              const std::int64_t shift = rest % width - radius;
              const auto distance = static_cast<double>(shift);
              weight *= std::exp(-distance * distance / (2 * elastic.sigma * elastic.sigma));
              std::int64_t moved = place(i, e) + shift;
              while (elastic.boundary == BoundaryMode::Mirror && extent(e) > 1 && (moved < 0 || moved >= extent(e)))
              {
                moved = moved < 0 ? -moved : 2 * (extent(e) - 1) - moved;
              }
              moved = elastic.boundary == BoundaryMode::Mirror && extent(e) == 1 ? 0 : moved;
              isInside = isInside && moved >= 0 && moved < extent(e);
              from += moved * stride(e);
            }
            const double u = isInside ? 2 * noise[static_cast<std::size_t>(d * voxels + from)] - 1 : elastic.value;
            sum += weight * u;
            weights += weight;
          }
          at(d, i) += elastic.alpha * sum / weights;
        }
      }
    }
  }
  std::vector<double> result;
  for (std::int64_t d = 0; d < axes; ++d)
  {
    for (std::int64_t i = 0; i < voxels; ++i)
    {
      result.push_back(at(d, i) + static_cast<double>(extent(d)) / 2);
    }
  }
  return result;
}
} // namespace

TEST(SpatialDeformation, OperationsInAnyOrderAgreeWithPlainLoops)
{
  const Deformation::Elastic smooth{ 1.2, 3, BoundaryMode::Constant, 0.25, 2 };
  const Deformation::Elastic mirrored{ 0.8, -2, BoundaryMode::Mirror, 0, 3 };
  const Deformation::Elastic rough{ 0.1, 1.5, BoundaryMode::Constant, 0.5, 4 };
  const std::pair<Shape, Deformation> cases[] = {
    { { 5, 4, 6 }, {} },
    { { 5, 4, 6 }, { { Deformation::Elastic{ smooth } } } },
    { { 4, 6, 3 },
      { { Deformation::Rotate{ { 0.3, -0.7, 1.1 } },
          Deformation::Flip{ { 1, 2 } },
          smooth,
          Deformation::Scale{ 1.3 },
          Deformation::Translate{ { 0.5, -1.25, 2 } },
          mirrored,
          Deformation::Rotate{ { -0.2, 0.1, 0.4 } },
          Deformation::Flip{ { 0 } } } } },
    { { 7, 5 },
      { { Deformation::Translate{ { 1, -2 } },
          Deformation::Rotate{ { 0.6 } },
          rough,
          Deformation::Flip{ {} },
          Deformation::Scale{ 0.5 } } } },
    // A mirror image of the noise that is wider than the image.
    { { 3, 1 }, { { Deformation::Elastic{ 2, 5, BoundaryMode::Mirror, 0, 3 } } } },
    // Axes that are too long for a matrix.
    { { 2, 2050 }, { { Deformation::Elastic{ smooth }, Deformation::Elastic{ mirrored } } } },
    { { 2050, 3 }, { { Deformation::Elastic{ mirrored } } } },
    { { 9 }, { { Deformation::Scale{ 2 }, Deformation::Flip{ { 0 } }, smooth } } },
  };
  for (const auto & [size, deformation] : cases)
  {
    TensorMap inputs = MakeSpatialDeformationInputs(deformation, size);
    Shape noise{ static_cast<std::int64_t>(size.size()) };
    noise.insert(noise.end(), size.begin(), size.end());
    const auto fields = std::count_if(deformation.operations.begin(),
                                      deformation.operations.end(),
                                      [](const auto & op) { return std::holds_alternative<Deformation::Elastic>(op); });
    for (std::ptrdiff_t i = 0; i < fields; ++i)
    {
      inputs["noise" + std::to_string(i)] = RandomNoise(noise, static_cast<std::uint32_t>(i + 5));
    }
    const auto expected = DeformNaively(deformation, size, inputs);
    const Graph graph = BuildSpatialDeformationGraph(deformation, size, {});
    // Of the largest coordinates in float32.
    const double rounding = 1.2e-7 * static_cast<double>(*std::max_element(size.begin(), size.end()));
    Shape shape = noise;
    shape.insert(shape.begin(), 1);
    for (const auto & target : GetTargets())
    {
      const Tensor result = ExecutionPlan::Compile(graph, {}, OptionsOf(target))->Run(inputs).at("coordinates");
      EXPECT_EQ(result.GetShape(), shape);
      ExpectNear(result,
                 Tensor::FromVector<double>(shape, expected),
                 target.precision == DataType::Float64 ? 1e-6 : std::max(5e-6, rounding),
                 ToString(size) + " on " + TextOf(target));
    }
  }
}

TEST(SpatialDeformation, OnePlanServesOtherNumbers)
{
  const Shape size{ 6, 5 };
  Deformation deformation{
    { Deformation::Scale{ 1.5 }, Deformation::Elastic{ 1, 2 }, Deformation::Translate{ { 1, 0 } } }
  };
  RegisterBackends();
  const auto plan = ExecutionPlan::Compile(
    BuildSpatialDeformationGraph(deformation, size, {}), {}, OptionsOf({ "reference", DataType::Float64 }));
  deformation.operations = { Deformation::Rotate{ { 0.5 } },
                             Deformation::Scale{ 0.7 },
                             Deformation::Elastic{ 1, -4 },
                             Deformation::Rotate{ { 0.1 } } };
  TensorMap inputs = MakeSpatialDeformationInputs(deformation, size);
  inputs["noise0"] = RandomNoise({ 2, 6, 5 }, 3);
  ExpectNear(plan->Run(inputs).at("coordinates"),
             RunReference(BuildSpatialDeformationGraph(deformation, size, {}), inputs).at("coordinates"),
             1e-12,
             "another rotation");
  const Tensor & transforms = inputs.at("transforms");
  EXPECT_EQ(transforms.GetShape(), (Shape{ 2, 2, 3 }));
  EXPECT_NEAR(transforms.GetElement({ 0, 0, 1 }), 0.7 * std::sin(0.5), 1e-15);
  EXPECT_EQ(inputs.at("amplitudes").ToVector<double>(), std::vector<double>{ -4 });
}

TEST(SpatialDeformation, TheIdentityChangesNothing)
{
  const Shape size{ 4, 5, 3 };
  const Graph graph = BuildSpatialDeformationGraph({}, size, { { "a", 2, 3 }, { "b", 1, 1 } });
  TensorMap inputs{ { "a", RandomNoise({ 3, 2, 4, 5, 3 }, 1) }, { "b", RandomNoise({ 1, 1, 4, 5, 3 }, 2) } };
  EXPECT_TRUE(MakeSpatialDeformationInputs({}, size).empty());
  for (const auto & target : GetTargets())
  {
    const TensorMap outputs = ExecutionPlan::Compile(graph, {}, OptionsOf(target))->Run(inputs);
    for (const auto & [name, tensor] : inputs)
    {
      EXPECT_EQ(outputs.at(name).GetShape(), tensor.GetShape());
      ExpectNear(outputs.at(name), tensor, 0, name + " on " + TextOf(target));
    }
  }
}

TEST(SpatialDeformation, Defaults)
{
  EXPECT_EQ(Deformation::Scale{}.factor, 1);
  EXPECT_EQ(Deformation::Elastic{}.truncate, 4);
  EXPECT_EQ(Deformation::Elastic{}.boundary, BoundaryMode::Constant);
  EXPECT_EQ(Deformation::Elastic{}.value, 0);
  const DeformedImage image;
  EXPECT_EQ(image.name, "image");
  EXPECT_EQ(image.channels, 1);
  EXPECT_EQ(image.batch, 1);
  EXPECT_EQ(image.sampling.mode, InterpolationMode::Linear);
  EXPECT_EQ(image.sampling.boundary, BoundaryMode::Constant);
  EXPECT_FALSE(image.sampling.cudaSpatialDeformRules);
}

TEST(SpatialDeformation, Errors)
{
  const auto check = [](const Deformation::Operation & operation, const Shape & size)
  { BuildSpatialDeformationGraph({ { operation } }, size, {}); };
  const double nan = std::nan("");
  EXPECT_NN_ERROR(check(Deformation::Scale{ 0 }, { 4, 4 }), "Scale: the factor is 0; should be above 0");
  EXPECT_NN_ERROR(check(Deformation::Scale{ nan }, { 4, 4 }), "Scale: the factor is nan");
  EXPECT_NN_ERROR(check(Deformation::Flip{ { 2 } }, { 4, 4 }), "Flip: axis 2 should be in [0, 2)");
  EXPECT_NN_ERROR(check(Deformation::Flip{ { 1, 1 } }, { 4, 4 }), "Flip: axis 1 is there twice");
  EXPECT_NN_ERROR(check(Deformation::Translate{ { 1 } }, { 4, 4 }), "the offset has 1 entries; should have 2");
  EXPECT_NN_ERROR(check(Deformation::Translate{ { 1, nan } }, { 4, 4 }),
                  "an entry of the offset is nan; should be finite");
  EXPECT_NN_ERROR(check(Deformation::Rotate{ { 1 } }, { 4 }), "size [4]; should have two or three axes");
  EXPECT_NN_ERROR(check(Deformation::Rotate{ { 1 } }, { 4, 4, 4 }), "there are 1 angles; should be 3 for 3 axes");
  EXPECT_NN_ERROR(check(Deformation::Rotate{ { nan } }, { 4, 4 }), "an angle is nan");
  EXPECT_NN_ERROR(check(Deformation::Elastic{ 0 }, { 4, 4 }), "Elastic: sigma is 0 and truncate 4");
  EXPECT_NN_ERROR(check(Deformation::Elastic{ 1e5 }, { 4, 4 }), "their product at most 10000");
  EXPECT_NN_ERROR(check(Deformation::Elastic{ 1, nan }, { 4, 4 }), "alpha is nan");
  EXPECT_NN_ERROR(check(Deformation::Elastic{ 1, 1, BoundaryMode::Wrap }, { 4, 4 }),
                  "the boundary is wrap; should be constant or mirror");
  EXPECT_NN_ERROR(BuildSpatialDeformationGraph({}, { 4, 0 }, {}), "size [4, 0]; should have 1 to 3 axes");
  EXPECT_NN_ERROR(MakeSpatialDeformationInputs({}, {}), "size []; should have 1 to 3 axes");
  EXPECT_NN_ERROR(Deformation::RotationMatrix({ 1, 2 }), "there are 2 angles; should be 1 for two axes or 3");
}
