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
#ifndef itkNNReferenceKernels_h
#define itkNNReferenceKernels_h

#include "itkNNBackend.h"

#include <memory>

namespace itk
{
namespace nn
{
namespace reference
{
/** One overload an operator. All inputs and the output are plain and
 * contiguous; computing operators are in float or double. */
std::unique_ptr<Kernel> MakeKernel(const Unary & op, const OperatorCase & operatorCase);
std::unique_ptr<Kernel> MakeKernel(const Binary & op, const OperatorCase & operatorCase);
std::unique_ptr<Kernel> MakeKernel(const Convolution & op, const OperatorCase & operatorCase);
std::unique_ptr<Kernel> MakeKernel(const Pooling & op, const OperatorCase & operatorCase);
std::unique_ptr<Kernel> MakeKernel(const Interpolation & op, const OperatorCase & operatorCase);
std::unique_ptr<Kernel> MakeKernel(const Concatenation & op, const OperatorCase & operatorCase);
std::unique_ptr<Kernel> MakeKernel(const Slice & op, const OperatorCase & operatorCase);
std::unique_ptr<Kernel> MakeKernel(const Permutation & op, const OperatorCase & operatorCase);
std::unique_ptr<Kernel> MakeKernel(const Broadcast & op, const OperatorCase & operatorCase);
std::unique_ptr<Kernel> MakeKernel(const Reduction & op, const OperatorCase & operatorCase);
std::unique_ptr<Kernel> MakeKernel(const Softmax & op, const OperatorCase & operatorCase);
std::unique_ptr<Kernel> MakeKernel(const MatrixProduct & op, const OperatorCase & operatorCase);
std::unique_ptr<Kernel> MakeKernel(const ShiftedInterpolation & op, const OperatorCase & operatorCase);
std::unique_ptr<Kernel> MakeKernel(const Pointwise & op, const OperatorCase & operatorCase);
std::unique_ptr<Kernel> MakeKernel(const Insertion & op, const OperatorCase & operatorCase);
std::unique_ptr<Kernel> MakeKernel(const TransposedConvolution & op, const OperatorCase & operatorCase);
std::unique_ptr<Kernel> MakeKernel(const ConvolutionWeightsGradient & op, const OperatorCase & operatorCase);
std::unique_ptr<Kernel> MakeKernel(const PoolingGradient & op, const OperatorCase & operatorCase);
std::unique_ptr<Kernel> MakeKernel(const TransposedInterpolation & op, const OperatorCase & operatorCase);
std::unique_ptr<Kernel> MakeKernel(const Gather & op, const OperatorCase & operatorCase);
std::unique_ptr<Kernel> MakeKernel(const ScatterAdd & op, const OperatorCase & operatorCase);
std::unique_ptr<Kernel> MakeKernel(const BitMask & op, const OperatorCase & operatorCase);
std::unique_ptr<Kernel> MakeKernel(const Sampling & op, const OperatorCase & operatorCase);
std::unique_ptr<Kernel> MakeKernel(const TransposedSampling & op, const OperatorCase & operatorCase);
std::unique_ptr<Kernel> MakeKernel(const SamplingCoordinatesGradient & op, const OperatorCase & operatorCase);
std::unique_ptr<Kernel> MakeKernel(const LovaszWeights & op, const OperatorCase & operatorCase);

std::unique_ptr<Kernel> MakeReorderKernel(const ValueType & type,
                                          const Layout & from,
                                          const Layout & to,
                                          unsigned int threads);

/** Call make(T{}) with the element type of a case, float or double. */
template <typename TFunction>
std::unique_ptr<Kernel>
DispatchPrecision(DataType type, TFunction && make)
{
  return type == DataType::Float64 ? make(double{}) : make(float{});
}

/** Offset of the broadcast operand's element for the element of a result with
 * a row-major number. */
class BroadcastIndex
{
public:
  BroadcastIndex(const Shape & operand, const Shape & result);

  std::int64_t operator()(std::int64_t element) const;

private:
  Shape m_Extents;
  Shape m_Strides;
  bool m_Same;
};

/** The post-operations of an operator on one element of its result. */
class PostOperationChain
{
public:
  /** \param firstOperand number of the case's input that is the first operand. */
  PostOperationChain(std::vector<PostOperation> operations,
                     const OperatorCase & operatorCase,
                     std::size_t firstOperand);

  bool IsEmpty() const
  {
    return m_Operations.empty();
  }

  template <typename T>
  T Apply(const KernelArguments & arguments, T value, std::int64_t element) const
  {
    std::size_t operand = 0;
    for (const auto & post : m_Operations)
    {
      if (const auto * unary = std::get_if<Unary>(&post.operation))
      {
        value = Evaluate(*unary, value);
      }
      else
      {
        const auto * other = static_cast<const T *>(arguments.inputs[m_FirstOperand + operand]);
        value = Evaluate(std::get<Binary>(post.operation), value, other[m_Indices[operand](element)]);
        ++operand;
      }
    }
    return value;
  }

private:
  std::vector<PostOperation> m_Operations;
  std::size_t m_FirstOperand;
  std::vector<BroadcastIndex> m_Indices;
};
} // namespace reference
} // namespace nn
} // namespace itk

#endif
