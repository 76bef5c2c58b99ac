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
#include "itkNNSpatialDeformationRunner.h"

#include "itkNNPythonRandom.h"
#include "itkNNRegisterBackends.h"

#include <algorithm>
#include <iterator>

namespace itk
{
namespace nn
{
namespace
{
constexpr std::size_t maximumPlans = 32;

/** The value of that name, from 0 up to the last. */
template <typename TMode>
TMode
FindMode(const std::string & name, TMode last, const char * what)
{
  std::string known;
  for (int i = 0; i <= static_cast<int>(last); ++i)
  {
    const auto mode = static_cast<TMode>(i);
    if (name == ToString(mode))
    {
      return mode;
    }
    known += (known.empty() ? "" : i == static_cast<int>(last) ? " or " : ", ") + std::string(ToString(mode));
  }
  itkNNThrowMacro("Spatial deformation: the " << what << " is '" << name << "'; should be " << known);
}

/** Numbers of an operation on which a graph depends, behind one for its kind. */
std::vector<double>
GetKeyNumbers(const SpatialDeformation::Operation & operation)
{
  if (const auto * flip = std::get_if<SpatialDeformation::Flip>(&operation))
  {
    std::vector<double> numbers{ 1, static_cast<double>(flip->axes.size()) };
    std::vector<int> axes = flip->axes;
    std::sort(axes.begin(), axes.end());
    numbers.insert(numbers.end(), axes.begin(), axes.end());
    return numbers;
  }
  if (const auto * elastic = std::get_if<SpatialDeformation::Elastic>(&operation))
  {
    return { 2, elastic->sigma, static_cast<double>(elastic->boundary), elastic->value, elastic->truncate };
  }
  return { 0 };
}
} // namespace

std::string
GetSpatialOperationName(const SpatialDeformation::Operation & operation)
{
  static const char * const names[] = { "scale", "flip", "translate", "rotate", "elastic" };
  static_assert(std::variant_size_v<SpatialDeformation::Operation> == std::size(names), "Each operation has a name");
  return names[operation.index()];
}

std::vector<std::string>
DrawnSpatialDeformation::GetNames() const
{
  std::vector<std::string> names;
  std::transform(
    deformation.operations.begin(), deformation.operations.end(), std::back_inserter(names), &GetSpatialOperationName);
  return names;
}

InterpolationMode
GetInterpolationMode(const std::string & name)
{
  return FindMode(name, InterpolationMode::Linear, "interpolation");
}

BoundaryMode
GetBoundaryMode(const std::string & name)
{
  return FindMode(name, BoundaryMode::Wrap, "boundary");
}

DrawnSpatialDeformation
DrawSpatialDeformation(const std::vector<RandomSpatialOperation> & operations, const Shape & size, std::int64_t seed)
{
  SpatialDeformation all;
  for (const auto & [operation, probability] : operations)
  {
    itkNNRequireMacro(probability >= 0 && probability <= 1,
                      "Spatial deformation: the probability of " << GetSpatialOperationName(operation) << " is "
                                                                 << probability << "; should be from 0 to 1");
    all.operations.push_back(operation);
  }
  all.Check(size);

  PythonRandom random(seed);
  DrawnSpatialDeformation drawn;
  for (const auto & [operation, probability] : operations)
  {
    if (random.Random() < probability)
    {
      drawn.deformation.operations.push_back(operation);
    }
  }
  Shape shape{ static_cast<std::int64_t>(size.size()) };
  shape.insert(shape.end(), size.begin(), size.end());
  for (const auto & operation : drawn.deformation.operations)
  {
    if (std::holds_alternative<SpatialDeformation::Elastic>(operation))
    {
      constexpr unsigned int bits = 24; // of a float, so that none is rounded to 1
      Tensor noise(shape, DataType::Float32);
      std::generate_n(
        noise.GetData<float>(),
        noise.GetNumberOfElements(),
        [&random] { return static_cast<float>(random.Bits(bits)) / static_cast<float>(std::uint32_t{ 1 } << bits); });
      drawn.noise.push_back(noise);
    }
  }
  return drawn;
}

void
SpatialDeformationRunner::SetComputation(const std::string & backend,
                                         const std::string & device,
                                         const std::string & precision,
                                         unsigned int threads)
{
  // Coordinates of fewer bits are no places of voxels any more.
  itkNNRequireMacro(precision == "float32" || precision == "float64",
                    "Spatial deformation: the precision is '" << precision << "'; should be float32 or float64");
  RegisterBackends();
  PlanOptions options;
  options.backend = backend;
  nn::SetComputation(options, device, precision);
  options.threads = threads;
  options.deterministic = true;
  if (options.backend != m_Options.backend || options.device.ToText() != m_Options.device.ToText() ||
      options.precision != m_Options.precision || options.threads != m_Options.threads)
  {
    m_Plans.clear();
  }
  m_Options = options;
}

SpatialDeformationRunner::Key
SpatialDeformationRunner::MakeKey(const SpatialDeformation & deformation,
                                  const Shape & size,
                                  const std::vector<DeformedImage> & images)
{
  Key key;
  key.numbers.push_back(static_cast<double>(size.size()));
  key.numbers.insert(key.numbers.end(), size.begin(), size.end());
  bool isLinear = false;
  for (const auto & operation : deformation.operations)
  {
    const auto numbers = GetKeyNumbers(operation);
    // Linear ones in a row are one.
    if (!(isLinear && numbers.front() == 0))
    {
      key.numbers.insert(key.numbers.end(), numbers.begin(), numbers.end());
    }
    isLinear = numbers.front() == 0;
  }
  for (const auto & image : images)
  {
    key.names.push_back(image.name);
    const Sampling & sampling = image.sampling;
    const double numbers[] = { static_cast<double>(image.channels),
                               static_cast<double>(image.batch),
                               static_cast<double>(sampling.mode),
                               static_cast<double>(sampling.boundary),
                               sampling.value,
                               sampling.cudaSpatialDeformRules ? 1.0 : 0.0 };
    key.numbers.insert(key.numbers.end(), std::begin(numbers), std::end(numbers));
  }
  return key;
}

TensorMap
SpatialDeformationRunner::Run(const DrawnSpatialDeformation & drawn,
                              const Shape & size,
                              const std::vector<DeformedImage> & images,
                              TensorMap pixels,
                              const RunHooks & hooks)
{
  TensorMap inputs = MakeSpatialDeformationInputs(drawn.deformation, size);
  for (std::size_t i = 0; i < drawn.noise.size(); ++i)
  {
    inputs["noise" + std::to_string(i)] = drawn.noise[i];
  }
  inputs.merge(pixels);

  Key key = MakeKey(drawn.deformation, size, images);
  const auto found =
    std::find_if(m_Plans.begin(), m_Plans.end(), [&](const auto & entry) { return entry.first == key; });
  if (found != m_Plans.begin() && !m_Plans.empty())
  {
    m_Plans.front().second->ReleaseMemory();
  }
  if (found != m_Plans.end())
  {
    m_Plans.splice(m_Plans.begin(), m_Plans, found);
  }
  else
  {
    m_Plans.emplace_front(
      std::move(key),
      ExecutionPlan::Compile(BuildSpatialDeformationGraph(drawn.deformation, size, images), {}, m_Options));
    if (m_Plans.size() > maximumPlans)
    {
      m_Plans.pop_back();
    }
  }
  return m_Plans.front().second->Run(inputs, hooks);
}
} // namespace nn
} // namespace itk
