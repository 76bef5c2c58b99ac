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
#ifndef itkNNCudaKernel_h
#define itkNNCudaKernel_h

#include "itkNNCudaGeometry.h"
#include "itkNNCudaMemory.h"

#include <functional>

namespace itk
{
namespace nn
{
namespace cuda
{
/** \class StreamKernel
 * \brief A kernel of a plan from a callable that puts work into a stream. */
class StreamKernel : public Kernel
{
public:
  using FunctionType = std::function<void(Stream &, const KernelArguments &)>;

  explicit StreamKernel(FunctionType function, std::size_t scratchBytes = 0)
    : m_Function(std::move(function))
    , m_ScratchBytes(scratchBytes)
  {}

  std::size_t GetScratchBytes() const override
  {
    return m_ScratchBytes;
  }
  void Execute(const KernelArguments & arguments) const override
  {
    auto * stream = dynamic_cast<Stream *>(arguments.stream);
    itkNNRequireMacro(stream != nullptr, "A kernel of a CUDA device needs a stream of it");
    m_Function(*stream, arguments);
  }

private:
  FunctionType m_Function;
  std::size_t m_ScratchBytes;
};

inline Proposal
MakeProposal(StreamKernel::FunctionType function,
             std::vector<Layout> inputLayouts,
             Layout outputLayout = {},
             std::size_t scratchBytes = 0)
{
  return Proposal::FromKernel(
    std::make_unique<StreamKernel>(std::move(function), scratchBytes), std::move(inputLayouts), outputLayout);
}

/** Layout of an image that is made from another: as that one is, the channels in
 * front of as many spatial axes. */
Layout GetImageLayout(const Operand & src, const Shape & dst, std::size_t rank);

/** The layout of an image's input: plain or with the channels where an image has them. */
Layout AcceptedImageLayout(const Operand & src, std::size_t rank);

/** Layouts in which kernels take all inputs of a case. */
std::vector<Layout> GetAcceptedLayouts(const OperatorCase & operatorCase);

/** \class ChainPasses
 * \brief Post-operations as passes over memory, one for each part of a chain. */
class ChainPasses
{
public:
  ChainPasses(ChainBuilder chain, const OperatorCase & operatorCase);

  /** Add the pass of a part to the result in a layout. False when there are more axes
   * than kernels know.
   * \param srcStrides along the result's axes, of what the pass reads. */
  bool Add(std::size_t part, const OperatorCase & operatorCase, const Shape & srcStrides, const Layout & layout);

  /** The first pass reads src, the others the result. */
  void Launch(Stream & stream, const void * src, const KernelArguments & arguments) const;

private:
  struct Pass
  {
    std::size_t part;
    PointwiseParameters parameters;
    PointwiseParameters packed; ///< where isPacked: for addresses that are multiples of packs
  };

  ElementType m_Type;
  ChainBuilder m_Chain;
  std::vector<Pass> m_Passes;
};

/** \class PostOperations
 * \brief The post-operations of an operator whose kernel applies a chain to each
 * element of its result.
 *
 * What does not fit the kernel's own chain follows in passes over the result. */
class PostOperations
{
public:
  /** \param outputLayout in which the kernel writes its result, item by item. */
  PostOperations(const std::vector<PostOperation> & operations,
                 const OperatorCase & operatorCase,
                 std::size_t firstOperand,
                 const Layout & outputLayout);

  /** Not empty when there are more axes than kernels know. */
  const std::string & GetReason() const
  {
    return m_Reason;
  }

  /** The kernel's own chain and its axes. */
  void GetFirst(Chain & chain, Space & space, const KernelArguments & arguments) const;

  /** The passes that follow. */
  void LaunchRest(Stream & stream, const KernelArguments & arguments) const
  {
    m_Rest.Launch(stream, arguments.output, arguments);
  }

private:
  ChainBuilder m_Chain;
  ChainPasses m_Rest;
  Chain m_First{};
  Space m_FirstSpace{};
  std::string m_Reason;
};

/** One overload an operator. */
Proposal Propose(const Unary & op, const OperatorCase & operatorCase);
Proposal Propose(const Binary & op, const OperatorCase & operatorCase);
Proposal Propose(const Convolution & op, const OperatorCase & operatorCase);
Proposal Propose(const Pooling & op, const OperatorCase & operatorCase);
Proposal Propose(const Interpolation & op, const OperatorCase & operatorCase);
Proposal Propose(const Concatenation & op, const OperatorCase & operatorCase);
Proposal Propose(const Slice & op, const OperatorCase & operatorCase);
Proposal Propose(const Reshape & op, const OperatorCase & operatorCase);
Proposal Propose(const Permutation & op, const OperatorCase & operatorCase);
Proposal Propose(const Broadcast & op, const OperatorCase & operatorCase);
Proposal Propose(const Reduction & op, const OperatorCase & operatorCase);
Proposal Propose(const Softmax & op, const OperatorCase & operatorCase);
Proposal Propose(const MatrixProduct & op, const OperatorCase & operatorCase);
Proposal Propose(const ShiftedInterpolation & op, const OperatorCase & operatorCase);
Proposal Propose(const Pointwise & op, const OperatorCase & operatorCase);
Proposal Propose(const Insertion & op, const OperatorCase & operatorCase);
Proposal Propose(const TransposedConvolution & op, const OperatorCase & operatorCase);
Proposal Propose(const ConvolutionWeightsGradient & op, const OperatorCase & operatorCase);
Proposal Propose(const PoolingGradient & op, const OperatorCase & operatorCase);
Proposal Propose(const TransposedInterpolation & op, const OperatorCase & operatorCase);
Proposal Propose(const Gather & op, const OperatorCase & operatorCase);
Proposal Propose(const ScatterAdd & op, const OperatorCase & operatorCase);
Proposal Propose(const BitMask & op, const OperatorCase & operatorCase);
Proposal Propose(const Barrier & op, const OperatorCase & operatorCase);
Proposal Propose(const Sampling & op, const OperatorCase & operatorCase);
Proposal Propose(const TransposedSampling & op, const OperatorCase & operatorCase);
Proposal Propose(const SamplingCoordinatesGradient & op, const OperatorCase & operatorCase);
Proposal Propose(const LovaszWeights & op, const OperatorCase & operatorCase);

/** Null when a layout is blocked. */
std::unique_ptr<Kernel> MakeReorderKernel(const ValueType & type, const Layout & from, const Layout & to);
} // namespace cuda
} // namespace nn
} // namespace itk

#endif
