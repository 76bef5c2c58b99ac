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
#include "itkNNParallel.h"
#include "itkNNReferenceKernels.h"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>

namespace itk
{
namespace nn
{
namespace reference
{
namespace
{
/** An axis of a contiguous value: [outer, extent, inner]. */
struct AxisSplit
{
  AxisSplit(const Shape & shape, int axis)
    : outer(NumberOfElements(Shape(shape.begin(), shape.begin() + axis)))
    , extent(shape[axis])
    , inner(NumberOfElements(Shape(shape.begin() + axis + 1, shape.end())))
  {}

  std::int64_t outer;
  std::int64_t extent;
  std::int64_t inner;
};

template <typename T>
class ReductionKernel : public Kernel
{
public:
  ReductionKernel(const Reduction & op, const OperatorCase & operatorCase)
    : m_Function(op.function)
    , m_Threads(operatorCase.threads)
  {
    const Shape & src = operatorCase.inputs[0].type.shape;
    const Shape strides = ContiguousStrides(src);
    for (int i = 0; i < static_cast<int>(src.size()); ++i)
    {
      const bool reduced = std::count(op.axes.begin(), op.axes.end(), i) > 0;
      (reduced ? m_ReducedExtents : m_KeptExtents).push_back(src[i]);
      (reduced ? m_ReducedStrides : m_KeptStrides).push_back(strides[i]);
    }
  }

  void Execute(const KernelArguments & arguments) const override
  {
    const auto * src = static_cast<const T *>(arguments.inputs[0]);
    auto * dst = static_cast<T *>(arguments.output);
    const std::int64_t reduced = NumberOfElements(m_ReducedExtents);
    ParallelFor(NumberOfElements(m_KeptExtents),
                m_Threads,
                [&](std::int64_t begin, std::int64_t end)
                {
                  for (std::int64_t i = begin; i < end; ++i)
                  {
                    const T * first = src + Offset(i, m_KeptExtents, m_KeptStrides);
                    dst[i] = this->Reduce(first, reduced);
                  }
                });
  }

private:
  static std::int64_t Offset(std::int64_t element, const Shape & extents, const Shape & strides)
  {
    std::int64_t offset = 0;
    for (std::size_t d = extents.size(); d-- > 0;)
    {
      offset += element % extents[d] * strides[d];
      element /= extents[d];
    }
    return offset;
  }

  double SumSquares(const T * first, std::int64_t count, double centre) const
  {
    double sum = 0;
    for (std::int64_t i = 0; i < count; ++i)
    {
      const double deviation = static_cast<double>(first[Offset(i, m_ReducedExtents, m_ReducedStrides)]) - centre;
      sum += deviation * deviation;
    }
    return sum;
  }

  T Reduce(const T * first, std::int64_t count) const
  {
    double result = 0;
    for (std::int64_t i = 0; i < count; ++i)
    {
      const auto value = static_cast<double>(first[Offset(i, m_ReducedExtents, m_ReducedStrides)]);
      switch (m_Function)
      {
        case ReductionFunction::Sum:
        case ReductionFunction::Mean:
        case ReductionFunction::Variance:
          result += value;
          break;
        case ReductionFunction::Maximum:
          result = i == 0 ? value : Evaluate(Binary{ BinaryFunction::Maximum }, value, result);
          break;
        case ReductionFunction::Minimum:
          result = i == 0 ? value : Evaluate(Binary{ BinaryFunction::Minimum }, value, result);
          break;
      }
    }
    const auto elements = static_cast<double>(count);
    if (m_Function == ReductionFunction::Variance)
    {
      return static_cast<T>(this->SumSquares(first, count, result / elements) / elements);
    }
    return static_cast<T>(m_Function == ReductionFunction::Mean ? result / elements : result);
  }

  ReductionFunction m_Function;
  unsigned int m_Threads;
  Shape m_KeptExtents;
  Shape m_KeptStrides;
  Shape m_ReducedExtents;
  Shape m_ReducedStrides;
};

template <typename T>
void
SoftmaxLine(const T * src, T * dst, std::int64_t extent, std::int64_t stride, bool logarithm)
{
  double maximum = -INFINITY;
  for (std::int64_t i = 0; i < extent; ++i)
  {
    maximum = std::max(maximum, static_cast<double>(src[i * stride]));
  }
  double sum = 0;
  for (std::int64_t i = 0; i < extent; ++i)
  {
    sum += std::exp(static_cast<double>(src[i * stride]) - maximum);
  }
  for (std::int64_t i = 0; i < extent; ++i)
  {
    const double shifted = static_cast<double>(src[i * stride]) - maximum;
    dst[i * stride] = static_cast<T>(logarithm ? shifted - std::log(sum) : std::exp(shifted) / sum);
  }
}
} // namespace

std::unique_ptr<Kernel>
MakeKernel(const Reduction & op, const OperatorCase & operatorCase)
{
  return DispatchPrecision(operatorCase.output.type,
                           [&](auto zero) -> std::unique_ptr<Kernel>
                           { return std::make_unique<ReductionKernel<decltype(zero)>>(op, operatorCase); });
}

std::unique_ptr<Kernel>
MakeKernel(const Softmax & op, const OperatorCase & operatorCase)
{
  const AxisSplit split(operatorCase.output.shape, op.axis);
  const unsigned int threads = operatorCase.threads;
  const bool logarithm = op.logarithm;
  return DispatchPrecision(operatorCase.output.type,
                           [&](auto zero)
                           {
                             using T = decltype(zero);
                             return std::make_unique<FunctionKernel>(
                               [=](const KernelArguments & arguments)
                               {
                                 ParallelFor(split.outer * split.inner,
                                             threads,
                                             [&](std::int64_t begin, std::int64_t end)
                                             {
                                               for (std::int64_t line = begin; line < end; ++line)
                                               {
                                                 const std::int64_t offset =
                                                   line / split.inner * split.extent * split.inner + line % split.inner;
                                                 SoftmaxLine(static_cast<const T *>(arguments.inputs[0]) + offset,
                                                             static_cast<T *>(arguments.output) + offset,
                                                             split.extent,
                                                             split.inner,
                                                             logarithm);
                                               }
                                             });
                               });
                           });
}

std::unique_ptr<Kernel>
MakeKernel(const MatrixProduct & op, const OperatorCase & operatorCase)
{
  const auto leading = [](Shape shape)
  {
    shape.resize(shape.size() - 2);
    return shape;
  };
  const Shape a = operatorCase.inputs[0].type.shape;
  const Shape b = operatorCase.inputs[1].type.shape;
  const Shape batch = leading(operatorCase.output.shape);
  const std::int64_t rows = operatorCase.output.shape[batch.size()];
  const std::int64_t columns = operatorCase.output.shape[batch.size() + 1];
  const std::int64_t inner = a[a.size() - (op.transposeA ? 2 : 1)];

  const BroadcastIndex indexA(leading(a), batch);
  const BroadcastIndex indexB(leading(b), batch);
  const std::int64_t count = NumberOfElements(batch);
  const unsigned int threads = operatorCase.threads;
  return DispatchPrecision(
    operatorCase.output.type,
    [&](auto zero)
    {
      using T = decltype(zero);
      using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
      return std::make_unique<FunctionKernel>(
        [=](const KernelArguments & arguments)
        {
          ParallelFor(count,
                      threads,
                      [&](std::int64_t begin, std::int64_t end)
                      {
                        for (std::int64_t i = begin; i < end; ++i)
                        {
                          const T * firstA = static_cast<const T *>(arguments.inputs[0]) + indexA(i) * rows * inner;
                          const T * firstB = static_cast<const T *>(arguments.inputs[1]) + indexB(i) * inner * columns;
                          T * first = static_cast<T *>(arguments.output) + i * rows * columns;
                          const Eigen::Map<const Matrix> matrixA(
                            firstA, op.transposeA ? inner : rows, op.transposeA ? rows : inner);
                          const Eigen::Map<const Matrix> matrixB(
                            firstB, op.transposeB ? columns : inner, op.transposeB ? inner : columns);
                          Eigen::Map<Matrix> result(first, rows, columns);
                          if (op.transposeA && op.transposeB)
                          {
                            result.noalias() = matrixA.transpose() * matrixB.transpose();
                          }
                          else if (op.transposeA)
                          {
                            result.noalias() = matrixA.transpose() * matrixB;
                          }
                          else if (op.transposeB)
                          {
                            result.noalias() = matrixA * matrixB.transpose();
                          }
                          else
                          {
                            result.noalias() = matrixA * matrixB;
                          }
                        }
                      });
        });
    });
}
} // namespace reference
} // namespace nn
} // namespace itk
