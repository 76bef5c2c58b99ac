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

#include "itkNNError.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

namespace itk
{
namespace nn
{
namespace
{
using Matrix = std::vector<std::vector<double>>;

/** More would be a smoothing of everything. */
constexpr double maximumRadius = 1e4;

/** The longest axis that is smoothed by a matrix, which has the square of it. */
constexpr std::int64_t longestProduct = 2048;

Matrix
Multiply(const Matrix & a, const Matrix & b)
{
  Matrix product(a.size(), std::vector<double>(b[0].size(), 0));
  for (std::size_t i = 0; i < a.size(); ++i)
  {
    for (std::size_t j = 0; j < b[0].size(); ++j)
    {
      for (std::size_t k = 0; k < b.size(); ++k)
      {
        product[i][j] += a[i][k] * b[k][j];
      }
    }
  }
  return product;
}

void
RequireFinite(const std::vector<double> & values, const char * name)
{
  for (const double value : values)
  {
    itkNNRequireMacro(std::isfinite(value), "Spatial deformation: " << name << " is " << value << "; should be finite");
  }
}

void
Check(const SpatialDeformation::Scale & op, const Shape &)
{
  itkNNRequireMacro(std::isfinite(op.factor) && op.factor > 0,
                    "Spatial deformation: Scale: the factor is " << op.factor << "; should be above 0");
}

void
Check(const SpatialDeformation::Flip & op, const Shape & size)
{
  for (const int axis : op.axes)
  {
    itkNNRequireMacro(axis >= 0 && axis < static_cast<int>(size.size()),
                      "Spatial deformation: Flip: axis " << axis << " should be in [0, " << size.size() << ')');
    itkNNRequireMacro(std::count(op.axes.begin(), op.axes.end(), axis) == 1,
                      "Spatial deformation: Flip: axis " << axis << " is there twice");
  }
}

void
Check(const SpatialDeformation::Translate & op, const Shape & size)
{
  itkNNRequireMacro(op.offset.size() == size.size(),
                    "Spatial deformation: Translate: the offset has " << op.offset.size() << " entries; should have "
                                                                      << size.size() << ", one an axis");
  RequireFinite(op.offset, "Translate: an entry of the offset");
}

void
Check(const SpatialDeformation::Rotate & op, const Shape & size)
{
  const std::size_t wanted = size.size() == 3 ? 3 : 1;
  itkNNRequireMacro(size.size() >= 2,
                    "Spatial deformation: Rotate: an image of size " << ToString(size)
                                                                     << "; should have two or three axes");
  itkNNRequireMacro(op.angles.size() == wanted,
                    "Spatial deformation: Rotate: there are " << op.angles.size() << " angles; should be " << wanted
                                                              << " for " << size.size() << " axes");
  RequireFinite(op.angles, "Rotate: an angle");
}

void
Check(const SpatialDeformation::Elastic & op, const Shape &)
{
  itkNNRequireMacro(op.sigma > 0 && op.truncate > 0 && op.sigma * op.truncate <= maximumRadius,
                    "Spatial deformation: Elastic: sigma is " << op.sigma << " and truncate " << op.truncate
                                                              << "; should be above 0, and their product at most "
                                                              << maximumRadius);
  itkNNRequireMacro(op.boundary == BoundaryMode::Constant || op.boundary == BoundaryMode::Mirror,
                    "Spatial deformation: Elastic: the boundary is " << ToString(op.boundary)
                                                                     << "; should be constant or mirror");
  RequireFinite({ op.alpha }, "Elastic: alpha");
  RequireFinite({ op.value }, "Elastic: the value");
}

/** [D, D + 1]: matrix and offset of an operation that is linear; none of another. */
std::optional<Matrix>
GetTransform(const SpatialDeformation::Operation & operation, std::size_t axes)
{
  Matrix result(axes, std::vector<double>(axes + 1, 0));
  for (std::size_t d = 0; d < axes; ++d)
  {
    result[d][d] = 1;
  }
  if (const auto * scale = std::get_if<SpatialDeformation::Scale>(&operation))
  {
    for (std::size_t d = 0; d < axes; ++d)
    {
      result[d][d] = scale->factor;
    }
    return result;
  }
  if (const auto * translation = std::get_if<SpatialDeformation::Translate>(&operation))
  {
    for (std::size_t d = 0; d < axes; ++d)
    {
      result[d][axes] = translation->offset[d];
    }
    return result;
  }
  if (const auto * rotation = std::get_if<SpatialDeformation::Rotate>(&operation))
  {
    const Matrix matrix = SpatialDeformation::RotationMatrix(rotation->angles);
    for (std::size_t d = 0; d < axes; ++d)
    {
      std::copy(matrix[d].begin(), matrix[d].end(), result[d].begin());
    }
    return result;
  }
  return std::nullopt;
}

/** Operations with linear ones in a row brought together. */
struct Steps
{
  /** A run of linear operations, or another operation. */
  struct Step
  {
    std::optional<Matrix> transform;
    SpatialDeformation::Operation operation;
  };

  Steps(const SpatialDeformation & deformation, const Shape & size)
  {
    deformation.Check(size);
    const std::size_t axes = size.size();
    for (const auto & operation : deformation.operations)
    {
      const auto transform = GetTransform(operation, axes);
      if (transform && !all.empty() && all.back().transform)
      {
        // [A, a] behind [B, b] is [A B, A b + a].
        Matrix both = *all.back().transform;
        both.emplace_back(axes + 1, 0);
        both.back().back() = 1;
        all.back().transform = Multiply(*transform, both);
      }
      else
      {
        all.push_back({ transform, operation });
      }
    }
  }

  std::int64_t CountTransforms() const
  {
    return std::count_if(all.begin(), all.end(), [](const Step & step) { return step.transform.has_value(); });
  }

  std::vector<double> GetAmplitudes() const
  {
    std::vector<double> amplitudes;
    for (const auto & step : all)
    {
      if (const auto * elastic = std::get_if<SpatialDeformation::Elastic>(&step.operation))
      {
        amplitudes.push_back(elastic->alpha);
      }
    }
    return amplitudes;
  }

  std::vector<Step> all;
};

/** \class CoordinatesBuilder
 * \brief Adds the steps of a deformation to a graph. */
class CoordinatesBuilder
{
public:
  CoordinatesBuilder(Graph & graph, const Steps & steps, const Shape & size)
    : m_Graph(graph)
    , m_Size(size)
    , m_Axes(static_cast<std::int64_t>(size.size()))
  {
    if (steps.CountTransforms() > 0)
    {
      m_Transforms = graph.AddInput("transforms", { steps.CountTransforms(), m_Axes, m_Axes + 1 });
    }
    if (!steps.GetAmplitudes().empty())
    {
      m_Amplitudes = graph.AddInput("amplitudes", { static_cast<std::int64_t>(steps.GetAmplitudes().size()) });
    }
    // Along its own axis only, as long as a component does not change along others.
    for (std::size_t d = 0; d < size.size(); ++d)
    {
      Shape shape(size.size() + 1, 1);
      shape[d + 1] = size[d];
      std::vector<float> values;
      for (std::int64_t i = 0; i < size[d]; ++i)
      {
        values.push_back(static_cast<float>(static_cast<double>(i) - this->GetCentre(d)));
      }
      m_Components.push_back(graph.AddConstant(Tensor::FromVector<float>(shape, values), "positions"));
    }
  }

  ValueId Build(const Steps & steps)
  {
    for (const auto & step : steps.all)
    {
      if (step.transform)
      {
        this->AddTransform();
      }
      else if (const auto * flip = std::get_if<SpatialDeformation::Flip>(&step.operation))
      {
        this->AddFlip(*flip);
      }
      else
      {
        this->AddElastic(std::get<SpatialDeformation::Elastic>(step.operation));
      }
    }
    std::vector<float> centres;
    for (std::size_t d = 0; d < m_Size.size(); ++d)
    {
      centres.push_back(static_cast<float>(this->GetCentre(d)));
    }
    const ValueId centre = m_Graph.AddConstant(Tensor::FromVector<float>(this->MakeVectorShape(), centres), "centre");
    const ValueId coordinates = m_Graph.Combine(BinaryFunction::Add, this->GetWhole(), centre, "centred");
    return m_Graph.Add(Reshape{ this->WithAxes({ 1, m_Axes }) }, { coordinates }, "coordinates");
  }

private:
  double GetCentre(std::size_t axis) const
  {
    return static_cast<double>(m_Size[axis]) / 2.0;
  }

  /** The given axes and those of the image. */
  Shape WithAxes(Shape first) const
  {
    first.insert(first.end(), m_Size.begin(), m_Size.end());
    return first;
  }

  /** [D, 1...] */
  Shape MakeVectorShape() const
  {
    Shape shape(m_Size.size() + 1, 1);
    shape[0] = m_Axes;
    return shape;
  }

  /** Component d, which may repeat along axes: [1, size or 1...]. */
  ValueId GetComponent(std::size_t d)
  {
    if (!m_Whole)
    {
      return m_Components[d];
    }
    const Shape & shape = m_Graph.GetShape(*m_Whole);
    Slice slice{ Shape(shape.size(), 0), shape, {} };
    slice.begin[0] = static_cast<std::int64_t>(d);
    slice.end[0] = slice.begin[0] + 1;
    return m_Graph.Add(slice, { *m_Whole }, "component");
  }

  /** All components: [D, size...]. */
  ValueId GetWhole()
  {
    if (!m_Whole)
    {
      // Repeats each along the axes of the others.
      m_Whole = m_Graph.Concatenate(m_Components, 0, "components");
    }
    return *m_Whole;
  }

  void AddTransform()
  {
    const std::int64_t number = m_NumberOfTransforms++;
    if (m_Whole)
    {
      const ValueId taken =
        m_Graph.Add(Slice{ { number, 0, 0 }, { number + 1, m_Axes, m_Axes }, {} }, { m_Transforms }, "matrix");
      const ValueId matrix = m_Graph.Add(Reshape{ { m_Axes, m_Axes } }, { taken }, "matrix");
      const ValueId positions = m_Graph.Add(Reshape{ { m_Axes, -1 } }, { *m_Whole }, "positions");
      const ValueId product = m_Graph.Add(MatrixProduct{}, { matrix, positions }, "transform");
      const ValueId rotated = m_Graph.Add(Reshape{ this->WithAxes({ m_Axes }) }, { product }, "transform");
      m_Whole = m_Graph.Combine(BinaryFunction::Add, rotated, this->GetColumn(number, m_Axes), "transform");
      return;
    }
    // Components that do not change along all axes make smaller products.
    ValueId sum = this->GetColumn(number, m_Axes);
    for (std::size_t d = 0; d < m_Size.size(); ++d)
    {
      const ValueId column = this->GetColumn(number, static_cast<std::int64_t>(d));
      const ValueId moved = m_Graph.Combine(BinaryFunction::Multiply, column, m_Components[d], "transform");
      sum = m_Graph.Combine(BinaryFunction::Add, sum, moved, "transform");
    }
    m_Whole = sum;
  }

  /** Of the matrix and offset of a transform: [D, 1...]. */
  ValueId GetColumn(std::int64_t transform, std::int64_t column)
  {
    const ValueId taken = m_Graph.Add(
      Slice{ { transform, 0, column }, { transform + 1, m_Axes, column + 1 }, {} }, { m_Transforms }, "column");
    return m_Graph.Add(Reshape{ this->MakeVectorShape() }, { taken }, "column");
  }

  void AddFlip(const SpatialDeformation::Flip & flip)
  {
    for (std::size_t d = 0; d < m_Size.size(); ++d)
    {
      ValueId component = this->GetComponent(d);
      if (std::find(flip.axes.begin(), flip.axes.end(), static_cast<int>(d)) != flip.axes.end())
      {
        std::vector<std::int64_t> numbers(static_cast<std::size_t>(m_Size[d]));
        std::iota(numbers.rbegin(), numbers.rend(), 0);
        component = this->Take(component, d, numbers, "flip");
      }
      m_Components[d] = component;
    }
    m_Whole.reset();
  }

  /** Elements of an axis of the image by their numbers. */
  ValueId Take(ValueId x, std::size_t axis, const std::vector<std::int64_t> & numbers, const std::string & name)
  {
    const ValueId indices = m_Graph.AddConstant(
      Tensor::FromVector<std::int64_t>({ static_cast<std::int64_t>(numbers.size()) }, numbers), "numbers");
    const auto behind = static_cast<int>(m_Size.size() - axis);
    return m_Graph.Add(Gather{ -behind }, { x, indices }, name);
  }

  void AddElastic(const SpatialDeformation::Elastic & elastic)
  {
    const std::int64_t number = m_NumberOfFields++;
    const bool isMirrored = elastic.boundary == BoundaryMode::Mirror;
    // Zeros around what is smoothed are the value, which smoothing does not change.
    const double value = isMirrored ? 0 : elastic.value;
    const ValueId noise = m_Graph.AddInput("noise" + std::to_string(number), this->WithAxes({ m_Axes }));
    ValueId field = m_Graph.Apply(UnaryFunction::Linear, noise, 2, -1 - value, "noise");
    for (std::size_t axis = m_Size.size(); axis-- > 0;)
    {
      field = this->Smooth(field, axis, elastic, isMirrored);
    }
    if (value != 0)
    {
      field = m_Graph.Apply(UnaryFunction::Linear, field, 1, value, "field");
    }
    const ValueId amplitude = m_Graph.Add(Slice{ { number }, { number + 1 }, {} }, { m_Amplitudes }, "amplitude");
    field = m_Graph.Combine(BinaryFunction::Multiply, field, amplitude, "displacement");
    m_Whole = m_Graph.Combine(BinaryFunction::Add, this->GetWhole(), field, "displaced");
  }

  ValueId Smooth(ValueId x, std::size_t axis, const SpatialDeformation::Elastic & elastic, bool isMirrored)
  {
    const auto radius = static_cast<std::int64_t>(elastic.truncate * elastic.sigma + 0.5);
    if (radius == 0)
    {
      return x;
    }
    std::vector<double> weights;
    for (std::int64_t i = -radius; i <= radius; ++i)
    {
      const auto distance = static_cast<double>(i);
      weights.push_back(std::exp(-distance * distance / (2 * elastic.sigma * elastic.sigma)));
    }
    const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
    std::vector<float> normalized;
    std::transform(weights.begin(),
                   weights.end(),
                   std::back_inserter(normalized),
                   [sum](double weight) { return static_cast<float>(weight / sum); });
    return m_Size[axis] <= longestProduct ? this->SmoothByProduct(x, axis, normalized, isMirrored)
                                          : this->SmoothByConvolution(x, axis, normalized, isMirrored);
  }

  /** By a matrix with the weights around its diagonal: more operations than a convolution of
   * one channel, and many times its speed. */
  ValueId SmoothByProduct(ValueId x, std::size_t axis, const std::vector<float> & weights, bool isMirrored)
  {
    const std::int64_t extent = m_Size[axis];
    const auto radius = static_cast<std::int64_t>(weights.size() / 2);
    const auto sources = MirrorNumbers(extent, radius);
    Tensor matrix = Tensor::Zeros({ extent, extent });
    for (std::int64_t i = 0; i < extent; ++i)
    {
      for (std::int64_t k = -radius; k <= radius; ++k)
      {
        const bool isInside = i + k >= 0 && i + k < extent;
        if (isInside || isMirrored)
        {
          matrix.GetData<float>()[i * extent + sources[static_cast<std::size_t>(i + k + radius)]] +=
            weights[static_cast<std::size_t>(k + radius)];
        }
      }
    }
    const ValueId gaussian = m_Graph.AddConstant(matrix, "gaussian");
    const std::int64_t behind =
      NumberOfElements(Shape(m_Size.begin() + static_cast<std::ptrdiff_t>(axis) + 1, m_Size.end()));
    ValueId product = -1;
    if (behind == 1)
    {
      const ValueId rows = m_Graph.Add(Reshape{ { -1, extent } }, { x }, "noise");
      product = m_Graph.Add(MatrixProduct{ false, true }, { rows, gaussian }, "smooth");
    }
    else
    {
      const ValueId planes = m_Graph.Add(Reshape{ { -1, extent, behind } }, { x }, "noise");
      product = m_Graph.Add(MatrixProduct{}, { gaussian, planes }, "smooth");
    }
    return m_Graph.Add(Reshape{ this->WithAxes({ m_Axes }) }, { product }, "field");
  }

  ValueId SmoothByConvolution(ValueId x, std::size_t axis, const std::vector<float> & weights, bool isMirrored)
  {
    const auto radius = static_cast<std::int64_t>(weights.size() / 2);
    x = m_Graph.Add(Reshape{ this->WithAxes({ m_Axes, 1 }) }, { x }, "noise");
    Shape kernel(m_Size.size() + 2, 1);
    kernel[axis + 2] = 2 * radius + 1;
    Convolution op;
    op.padding.assign(m_Size.size(), 0);
    if (isMirrored)
    {
      x = this->Take(x, axis, MirrorNumbers(m_Size[axis], radius), "mirror");
    }
    else
    {
      op.padding[axis] = radius;
    }
    const ValueId gaussian = m_Graph.AddConstant(Tensor::FromVector<float>(kernel, weights), "gaussian");
    x = m_Graph.Convolve(x, gaussian, std::nullopt, op, "smooth");
    return m_Graph.Add(Reshape{ this->WithAxes({ m_Axes }) }, { x }, "field");
  }

  /** Of the elements from `radius` in front of an axis to as many behind it. */
  static std::vector<std::int64_t> MirrorNumbers(std::int64_t extent, std::int64_t radius)
  {
    const std::int64_t period = std::max<std::int64_t>(2 * (extent - 1), 1);
    std::vector<std::int64_t> numbers;
    for (std::int64_t i = -radius; i < extent + radius; ++i)
    {
      const std::int64_t inside = (i % period + period) % period;
      numbers.push_back(std::min(inside, period - inside) % extent);
    }
    return numbers;
  }

  Graph & m_Graph;
  Shape m_Size;
  std::int64_t m_Axes;
  ValueId m_Transforms = -1;
  ValueId m_Amplitudes = -1;
  std::int64_t m_NumberOfTransforms = 0;
  std::int64_t m_NumberOfFields = 0;
  std::vector<ValueId> m_Components; ///< where there is no whole
  std::optional<ValueId> m_Whole;
};
} // namespace

void
SpatialDeformation::Check(const Shape & size) const
{
  itkNNRequireMacro(!size.empty() && size.size() <= 3 &&
                      std::all_of(size.begin(), size.end(), [](std::int64_t extent) { return extent >= 1; }),
                    "Spatial deformation: an image of size " << ToString(size)
                                                             << "; should have 1 to 3 axes of at least 1 element");
  for (const auto & operation : operations)
  {
    std::visit([&](const auto & op) { nn::Check(op, size); }, operation);
  }
}

std::vector<std::vector<double>>
SpatialDeformation::RotationMatrix(const std::vector<double> & angles)
{
  itkNNRequireMacro(angles.size() == 1 || angles.size() == 3,
                    "Spatial deformation: Rotate: there are " << angles.size()
                                                              << " angles; should be 1 for two axes or 3 for three");
  std::vector<double> c;
  std::vector<double> s;
  for (const double angle : angles)
  {
    c.push_back(std::cos(angle));
    s.push_back(std::sin(angle));
  }
  if (angles.size() == 1)
  {
    return { { c[0], s[0] }, { -s[0], c[0] } };
  }
  const Matrix x{ { 1, 0, 0 }, { 0, c[0], -s[0] }, { 0, s[0], c[0] } };
  const Matrix y{ { c[1], 0, s[1] }, { 0, 1, 0 }, { -s[1], 0, c[1] } };
  const Matrix z{ { c[2], -s[2], 0 }, { s[2], c[2], 0 }, { 0, 0, 1 } };
  const Matrix row = Multiply(Multiply(x, y), z);
  Matrix column = row;
  for (std::size_t i = 0; i < 3; ++i)
  {
    for (std::size_t j = 0; j < 3; ++j)
    {
      column[i][j] = row[j][i];
    }
  }
  return column;
}

ValueId
AddSpatialDeformation(Graph & graph, const SpatialDeformation & deformation, const Shape & size)
{
  const Steps steps(deformation, size);
  return CoordinatesBuilder(graph, steps, size).Build(steps);
}

Graph
BuildSpatialDeformationGraph(const SpatialDeformation & deformation,
                             const Shape & size,
                             const std::vector<DeformedImage> & images)
{
  Graph graph;
  const ValueId coordinates = AddSpatialDeformation(graph, deformation, size);
  if (images.empty())
  {
    graph.AddOutput("coordinates", coordinates);
  }
  for (const auto & image : images)
  {
    Shape shape{ image.batch, image.channels };
    shape.insert(shape.end(), size.begin(), size.end());
    const ValueId src = graph.AddInput(image.name, shape);
    graph.AddOutput(image.name, graph.Add(image.sampling, { src, coordinates }, image.name));
  }
  return graph;
}

TensorMap
MakeSpatialDeformationInputs(const SpatialDeformation & deformation, const Shape & size)
{
  const Steps steps(deformation, size);
  const auto axes = static_cast<std::int64_t>(size.size());
  TensorMap inputs;
  std::vector<double> transforms;
  for (const auto & step : steps.all)
  {
    for (std::size_t d = 0; step.transform && d < size.size(); ++d)
    {
      transforms.insert(transforms.end(), (*step.transform)[d].begin(), (*step.transform)[d].end());
    }
  }
  if (!transforms.empty())
  {
    inputs["transforms"] = Tensor::FromVector<double>({ steps.CountTransforms(), axes, axes + 1 }, transforms);
  }
  const std::vector<double> amplitudes = steps.GetAmplitudes();
  if (!amplitudes.empty())
  {
    inputs["amplitudes"] = Tensor::FromVector<double>({ static_cast<std::int64_t>(amplitudes.size()) }, amplitudes);
  }
  return inputs;
}
} // namespace nn
} // namespace itk
