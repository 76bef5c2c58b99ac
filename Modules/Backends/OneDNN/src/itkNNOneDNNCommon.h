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
#ifndef itkNNOneDNNCommon_h
#define itkNNOneDNNCommon_h

#include "itkNNBackend.h"

#include <functional>
#include <oneapi/dnnl/dnnl.hpp>

namespace itk
{
namespace nn
{
namespace onednn
{
const dnnl::engine & GetEngine();

/** \class ThreadScope
 * \brief Gives oneDNN a number of threads while it lives, in this thread. Both
 * making and executing a primitive need it: the blocking depends on it. */
class ThreadScope
{
public:
  explicit ThreadScope(unsigned int threads);
  ~ThreadScope();
  ThreadScope(const ThreadScope &) = delete;
  ThreadScope & operator=(const ThreadScope &) = delete;

private:
  int m_Previous = 0;
};

/** Call f(begin, end) for parts of [0, count) on the threads that oneDNN uses:
 * a second pool would compete with it. */
void Parallel(std::int64_t count, unsigned int threads, const std::function<void(std::int64_t, std::int64_t)> & f);

/** Execute a primitive and wait. */
void Execute(const dnnl::primitive & primitive,
             const std::unordered_map<int, dnnl::memory> & arguments,
             unsigned int threads);

/** A value as [outer, channels, inner] around the layout's axis, or as one axis
 * when plain: the same memory with few axes. */
dnnl::memory::desc FlatDescription(const ValueType & type, const Layout & layout);

/** Describe() for oneDNN's own: dims, strides and blocks, a key for packed weights. */
std::string ToKey(const dnnl::memory::desc & description);

dnnl::memory Wrap(const dnnl::memory::desc & description, const void * data);

/** Copy a value to other memory that lies in another order. */
void Reorder(
  const dnnl::memory::desc & from, const void * src, const dnnl::memory::desc & to, void * dst, unsigned int threads);

/** An operator's weights as pack() writes them: shared under their name and the
 * key, or its own where they have no name; null where they may change each run. */
std::shared_ptr<const void> PackConstant(const Operand & weights,
                                         const OperatorCase & operatorCase,
                                         const std::string & key,
                                         std::size_t bytes,
                                         const std::function<void(void *)> & pack);

/** What a primitive's argument is: an input of the operator, or its output. */
struct Binding
{
  static constexpr int output = -1;

  int argument; ///< DNNL_ARG_...
  dnnl::memory::desc description;
  int input; ///< number of the operator's input, or output
};

/** A kernel that executes a primitive with its scratchpad in the arena. */
std::unique_ptr<Kernel> MakePrimitiveKernel(const dnnl::primitive & primitive,
                                            std::vector<Binding> bindings,
                                            const dnnl::memory::desc & scratch,
                                            unsigned int threads);

/** Attributes of primitives whose scratchpad is in the arena. */
dnnl::primitive_attr UserScratchpad();

/** oneDNN's elementwise algorithm of a function, undef when it has none. */
struct Eltwise
{
  dnnl::algorithm algorithm = dnnl::algorithm::undef;
  float alpha = 0;
  float beta = 0;
};
Eltwise ToEltwise(const Unary & op);

dnnl::algorithm ToBinaryAlgorithm(BinaryFunction function);

/** The reason why a case cannot be oneDNN's at all: its type, an empty tensor. */
std::string GetUnsupportedReason(const OperatorCase & operatorCase);

/** The block that oneDNN's kernels of this machine prefer: 16 or 8 channels. */
Layout::Kind GetBlockedKind();

/** Convolution by minimal filtering, for the cases where it is faster than
 * oneDNN's own. UNIVERSEG_WINOGRAD=always or never overrides the estimate. */
const Implementation & GetWinogradImplementation();
const Implementation & GetTransposedWinogradImplementation();

/** One overload an operator that the backend computes. */
Proposal Propose(const Unary & op, const OperatorCase & operatorCase);
Proposal Propose(const Binary & op, const OperatorCase & operatorCase);
Proposal Propose(const Convolution & op, const OperatorCase & operatorCase);
Proposal Propose(const Pooling & op, const OperatorCase & operatorCase);
Proposal Propose(const Interpolation & op, const OperatorCase & operatorCase);
Proposal Propose(const Concatenation & op, const OperatorCase & operatorCase);
Proposal Propose(const Permutation & op, const OperatorCase & operatorCase);
Proposal Propose(const Reduction & op, const OperatorCase & operatorCase);
Proposal Propose(const Softmax & op, const OperatorCase & operatorCase);
Proposal Propose(const MatrixProduct & op, const OperatorCase & operatorCase);
Proposal Propose(const Pointwise & op, const OperatorCase & operatorCase);
Proposal Propose(const ShiftedInterpolation & op, const OperatorCase & operatorCase);
Proposal Propose(const Insertion & op, const OperatorCase & operatorCase);
Proposal Propose(const Slice & op, const OperatorCase & operatorCase);
Proposal Propose(const TransposedConvolution & op, const OperatorCase & operatorCase);
Proposal Propose(const ConvolutionWeightsGradient & op, const OperatorCase & operatorCase);
Proposal Propose(const PoolingGradient & op, const OperatorCase & operatorCase);
Proposal Propose(const TransposedInterpolation & op, const OperatorCase & operatorCase);
} // namespace onednn
} // namespace nn
} // namespace itk

#endif
