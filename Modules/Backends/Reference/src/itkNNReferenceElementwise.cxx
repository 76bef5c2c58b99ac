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

namespace itk
{
namespace nn
{
namespace reference
{
BroadcastIndex::BroadcastIndex(const Shape & operand, const Shape & result)
  : m_Extents(result)
  , m_Strides(result.size(), 0)
  , m_Same(operand == result)
{
  const Shape strides = ContiguousStrides(operand);
  const std::size_t added = result.size() - operand.size();
  for (std::size_t i = 0; i < operand.size(); ++i)
  {
    m_Strides[added + i] = operand[i] == 1 ? 0 : strides[i];
  }
}

std::int64_t
BroadcastIndex::operator()(std::int64_t element) const
{
  if (m_Same)
  {
    return element;
  }
  std::int64_t offset = 0;
  for (std::size_t i = m_Extents.size(); i-- > 0;)
  {
    offset += element % m_Extents[i] * m_Strides[i];
    element /= m_Extents[i];
  }
  return offset;
}

PostOperationChain::PostOperationChain(std::vector<PostOperation> operations,
                                       const OperatorCase & operatorCase,
                                       std::size_t firstOperand)
  : m_Operations(std::move(operations))
  , m_FirstOperand(firstOperand)
{
  for (std::size_t i = firstOperand; i < operatorCase.inputs.size(); ++i)
  {
    m_Indices.emplace_back(operatorCase.inputs[i].type.shape, operatorCase.output.shape);
  }
}

std::unique_ptr<Kernel>
MakeKernel(const Pointwise & op, const OperatorCase & operatorCase)
{
  const Shape & shape = operatorCase.output.shape;
  const BroadcastIndex index(operatorCase.inputs[0].type.shape, shape);
  const PostOperationChain chain(op.postOperations, operatorCase, 1);
  const std::int64_t count = NumberOfElements(shape);
  const unsigned int threads = operatorCase.threads;
  return DispatchPrecision(operatorCase.output.type,
                           [&](auto zero)
                           {
                             using T = decltype(zero);
                             return std::make_unique<FunctionKernel>(
                               [=](const KernelArguments & arguments)
                               {
                                 const auto * src = static_cast<const T *>(arguments.inputs[0]);
                                 auto * dst = static_cast<T *>(arguments.output);
                                 ParallelFor(count,
                                             threads,
                                             [&](std::int64_t begin, std::int64_t end)
                                             {
                                               for (std::int64_t i = begin; i < end; ++i)
                                               {
                                                 dst[i] = chain.Apply(arguments, src[index(i)], i);
                                               }
                                             });
                               });
                           });
}

std::unique_ptr<Kernel>
MakeKernel(const Unary & op, const OperatorCase & operatorCase)
{
  const std::int64_t count = NumberOfElements(operatorCase.output.shape);
  const unsigned int threads = operatorCase.threads;
  return DispatchPrecision(operatorCase.output.type,
                           [&](auto zero)
                           {
                             using T = decltype(zero);
                             return std::make_unique<FunctionKernel>(
                               [op, count, threads](const KernelArguments & arguments)
                               {
                                 const auto * src = static_cast<const T *>(arguments.inputs[0]);
                                 auto * dst = static_cast<T *>(arguments.output);
                                 ParallelFor(count,
                                             threads,
                                             [&](std::int64_t begin, std::int64_t end)
                                             {
                                               for (std::int64_t i = begin; i < end; ++i)
                                               {
                                                 dst[i] = Evaluate(op, src[i]);
                                               }
                                             });
                               });
                           });
}

std::unique_ptr<Kernel>
MakeKernel(const Binary & op, const OperatorCase & operatorCase)
{
  const Shape & shape = operatorCase.output.shape;
  const BroadcastIndex indexA(operatorCase.inputs[0].type.shape, shape);
  const BroadcastIndex indexB(operatorCase.inputs[1].type.shape, shape);
  const std::int64_t count = NumberOfElements(shape);
  const unsigned int threads = operatorCase.threads;
  return DispatchPrecision(operatorCase.output.type,
                           [&](auto zero)
                           {
                             using T = decltype(zero);
                             return std::make_unique<FunctionKernel>(
                               [=](const KernelArguments & arguments)
                               {
                                 const auto * a = static_cast<const T *>(arguments.inputs[0]);
                                 const auto * b = static_cast<const T *>(arguments.inputs[1]);
                                 auto * dst = static_cast<T *>(arguments.output);
                                 ParallelFor(count,
                                             threads,
                                             [&](std::int64_t begin, std::int64_t end)
                                             {
                                               for (std::int64_t i = begin; i < end; ++i)
                                               {
                                                 dst[i] = Evaluate(op, a[indexA(i)], b[indexB(i)]);
                                               }
                                             });
                               });
                           });
}
} // namespace reference
} // namespace nn
} // namespace itk
