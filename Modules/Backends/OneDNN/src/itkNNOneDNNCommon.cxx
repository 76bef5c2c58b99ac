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
#include "itkNNOneDNNCommon.h"

#include "itkNNParallel.h"

#include <algorithm>
#include <exception>
#include <sstream>
#include <unordered_map>

#if DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_OMP
#  include <omp.h>
#elif DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_THREADPOOL
#  include <oneapi/dnnl/dnnl_threadpool.hpp>
#  include <oneapi/dnnl/dnnl_threadpool_iface.hpp>
#elif DNNL_CPU_THREADING_RUNTIME != DNNL_RUNTIME_SEQ
#  error "The CPU run-time of this oneDNN should be OMP, THREADPOOL or SEQ"
#endif

namespace itk
{
namespace nn
{
namespace onednn
{
namespace
{
#if DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_THREADPOOL
/** ITK's threads as oneDNN's thread pool. */
class ItkThreadPool : public dnnl::threadpool_interop::threadpool_iface
{
public:
  explicit ItkThreadPool(unsigned int threads)
    : m_Threads(static_cast<int>(threads))
  {}

  int get_num_threads() const override
  {
    return m_Threads;
  }
  bool get_in_parallel() const override
  {
    return s_InParallel;
  }
  void parallel_for(int n, const std::function<void(int, int)> & f) override
  {
    ParallelFor(n,
                static_cast<unsigned int>(m_Threads),
                [&](std::int64_t begin, std::int64_t end)
                {
                  const bool outer = s_InParallel;
                  s_InParallel = true;
                  for (auto i = static_cast<int>(begin); i < static_cast<int>(end); ++i)
                  {
                    f(i, n);
                  }
                  s_InParallel = outer;
                });
  }
  std::uint64_t get_flags() const override
  {
    return 0;
  }

private:
  int m_Threads;
  static thread_local bool s_InParallel;
};
thread_local bool ItkThreadPool::s_InParallel = false;
#endif
} // namespace

const dnnl::engine &
GetEngine()
{
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

#if DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_OMP
ThreadScope::ThreadScope(unsigned int threads)
  : m_Previous(omp_get_max_threads())
{
  omp_set_num_threads(static_cast<int>(threads));
}
ThreadScope::~ThreadScope()
{
  omp_set_num_threads(m_Previous);
}
#elif DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_THREADPOOL
ThreadScope::ThreadScope(unsigned int threads)
{
  dnnl_threadpool_interop_set_max_concurrency(static_cast<int>(threads));
}
ThreadScope::~ThreadScope() = default;
#else
ThreadScope::ThreadScope(unsigned int)
{}
ThreadScope::~ThreadScope() = default;
#endif

void
Parallel(std::int64_t count, unsigned int threads, const std::function<void(std::int64_t, std::int64_t)> & f)
{
#if DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_OMP
  const auto parts = std::min<std::int64_t>(count, threads);
  // An exception must not leave OpenMP's region.
  std::exception_ptr failure;
#  pragma omp parallel for num_threads(static_cast<int>(std::max<std::int64_t>(parts, 1))) schedule(static)
  for (std::int64_t part = 0; part < parts; ++part)
  {
    try
    {
      f(count * part / parts, count * (part + 1) / parts);
    }
    catch (...)
    {
#  pragma omp critical(UniverSegParallelFailure)
      failure = failure ? failure : std::current_exception();
    }
  }
  if (failure)
  {
    std::rethrow_exception(failure);
  }
#else
  ParallelFor(count, threads, f);
#endif
}

void
Execute(const dnnl::primitive & primitive,
        const std::unordered_map<int, dnnl::memory> & arguments,
        unsigned int threads)
{
  const ThreadScope scope(threads);
#if DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_THREADPOOL
  ItkThreadPool pool(threads);
  dnnl::stream stream = dnnl::threadpool_interop::make_stream(GetEngine(), &pool);
#else
  dnnl::stream stream(GetEngine());
#endif
  primitive.execute(stream, arguments);
  stream.wait();
}

dnnl::memory::desc
FlatDescription(const ValueType & type, const Layout & layout)
{
  using Tag = dnnl::memory::format_tag;
  constexpr auto f32 = dnnl::memory::data_type::f32;
  if (layout.IsPlain())
  {
    return dnnl::memory::desc({ NumberOfElements(type.shape) }, f32, Tag::a);
  }
  const auto axis = type.shape.begin() + layout.axis;
  const dnnl::memory::dims dims{ NumberOfElements(Shape(type.shape.begin(), axis)),
                                 *axis,
                                 NumberOfElements(Shape(axis + 1, type.shape.end())) };
  switch (layout.kind)
  {
    case Layout::Kind::Blocked8:
      return dnnl::memory::desc(dims, f32, Tag::aBc8b);
    case Layout::Kind::Blocked16:
      return dnnl::memory::desc(dims, f32, Tag::aBc16b);
    default:
      return dnnl::memory::desc(dims, f32, Tag::acb);
  }
}

std::string
ToKey(const dnnl::memory::desc & description)
{
  std::ostringstream out;
  out.imbue(std::locale::classic());
  for (const auto & list : { description.get_dims(),
                             description.get_padded_dims(),
                             description.get_strides(),
                             description.get_inner_blks(),
                             description.get_inner_idxs() })
  {
    out << '|';
    for (const auto value : list)
    {
      out << value << ',';
    }
  }
  out << '|' << description.get_size();
  return out.str();
}

dnnl::memory
Wrap(const dnnl::memory::desc & description, const void * data)
{
  return dnnl::memory(description, GetEngine(), const_cast<void *>(data));
}

void
Reorder(
  const dnnl::memory::desc & from, const void * src, const dnnl::memory::desc & to, void * dst, unsigned int threads)
{
  const dnnl::reorder reorder(dnnl::reorder::primitive_desc(GetEngine(), from, GetEngine(), to));
  Execute(reorder, { { DNNL_ARG_SRC, Wrap(from, src) }, { DNNL_ARG_DST, Wrap(to, dst) } }, threads);
}

std::shared_ptr<const void>
PackConstant(const Operand & weights,
             const OperatorCase & operatorCase,
             const std::string & key,
             std::size_t bytes,
             const std::function<void(void *)> & pack)
{
  if (!weights.IsConstant())
  {
    return nullptr;
  }
  if (!weights.name.empty())
  {
    return operatorCase.weights->GetOrCreate(weights.name + key, bytes, pack);
  }
  auto memory = AllocateAligned(bytes);
  pack(memory.get());
  return memory;
}

std::unique_ptr<Kernel>
MakePrimitiveKernel(const dnnl::primitive & primitive,
                    std::vector<Binding> bindings,
                    const dnnl::memory::desc & scratch,
                    unsigned int threads)
{
  const std::size_t scratchBytes = scratch.get_size();
  return std::make_unique<FunctionKernel>(
    [primitive, bindings = std::move(bindings), scratch, threads](const KernelArguments & arguments)
    {
      std::unordered_map<int, dnnl::memory> memory{ { DNNL_ARG_SCRATCHPAD, Wrap(scratch, arguments.scratch) } };
      for (const auto & binding : bindings)
      {
        const void * data = binding.input == Binding::output
                            ? arguments.output
                            : arguments.inputs[static_cast<std::size_t>(binding.input)];
        memory.emplace(binding.argument, Wrap(binding.description, data));
      }
      Execute(primitive, memory, threads);
    },
    scratchBytes);
}

dnnl::primitive_attr
UserScratchpad()
{
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

Eltwise
ToEltwise(const Unary & op)
{
  using Algorithm = dnnl::algorithm;
  const auto alpha = static_cast<float>(op.alpha);
  const auto beta = static_cast<float>(op.beta);
  switch (op.function)
  {
    case UnaryFunction::Relu:
      return { Algorithm::eltwise_relu, 0, 0 };
    case UnaryFunction::LeakyRelu:
      return { Algorithm::eltwise_relu, alpha, 0 };
    case UnaryFunction::Elu:
      return { Algorithm::eltwise_elu, alpha, 0 };
    case UnaryFunction::Sigmoid:
      return { Algorithm::eltwise_logistic, 0, 0 };
    case UnaryFunction::Tanh:
      return { Algorithm::eltwise_tanh, 0, 0 };
    case UnaryFunction::Gelu:
      return { Algorithm::eltwise_gelu_erf, 0, 0 };
    case UnaryFunction::Silu:
      return { Algorithm::eltwise_swish, 1, 0 };
    case UnaryFunction::Softplus:
      return { Algorithm::eltwise_soft_relu, 1, 0 };
    case UnaryFunction::Exp:
      return { Algorithm::eltwise_exp, 0, 0 };
    case UnaryFunction::Log:
      return { Algorithm::eltwise_log, 0, 0 };
    case UnaryFunction::Sqrt:
      return { Algorithm::eltwise_sqrt, 0, 0 };
    case UnaryFunction::ReciprocalSqrt:
      return { Algorithm::eltwise_pow, 1, -0.5F };
    case UnaryFunction::Reciprocal:
      return { Algorithm::eltwise_pow, 1, -1 };
    case UnaryFunction::Square:
      return { Algorithm::eltwise_square, 0, 0 };
    case UnaryFunction::Abs:
      return { Algorithm::eltwise_abs, 0, 0 };
    case UnaryFunction::Negate:
      return { Algorithm::eltwise_linear, -1, 0 };
    case UnaryFunction::RoundHalfEven:
      return { Algorithm::eltwise_round, 0, 0 };
    case UnaryFunction::Clip:
      return { Algorithm::eltwise_clip, alpha, beta };
    case UnaryFunction::Linear:
      return { Algorithm::eltwise_linear, alpha, beta };
    case UnaryFunction::Erf:
      break;
  }
  return {};
}

dnnl::algorithm
ToBinaryAlgorithm(BinaryFunction function)
{
  switch (function)
  {
    case BinaryFunction::Add:
      return dnnl::algorithm::binary_add;
    case BinaryFunction::Subtract:
      return dnnl::algorithm::binary_sub;
    case BinaryFunction::Multiply:
      return dnnl::algorithm::binary_mul;
    case BinaryFunction::Divide:
      return dnnl::algorithm::binary_div;
    case BinaryFunction::Minimum:
      return dnnl::algorithm::binary_min;
    case BinaryFunction::Maximum:
      return dnnl::algorithm::binary_max;
    case BinaryFunction::Greater:
      return dnnl::algorithm::binary_gt;
    case BinaryFunction::Equal:
      return dnnl::algorithm::binary_eq;
    case BinaryFunction::Power:
    case BinaryFunction::PRelu:
    case BinaryFunction::Gate:
      break;
  }
  return dnnl::algorithm::undef;
}

std::string
GetUnsupportedReason(const OperatorCase & operatorCase)
{
  if (operatorCase.output.type != DataType::Float32)
  {
    return std::string("computes in float32, not in ") + ToString(operatorCase.output.type);
  }
  bool empty = NumberOfElements(operatorCase.output.shape) == 0;
  for (const auto & input : operatorCase.inputs)
  {
    empty = empty || NumberOfElements(input.type.shape) == 0;
  }
  return empty ? "an operand is empty" : "";
}

Layout::Kind
GetBlockedKind()
{
  return dnnl::get_effective_cpu_isa() >= dnnl::cpu_isa::avx512_core ? Layout::Kind::Blocked16 : Layout::Kind::Blocked8;
}
} // namespace onednn
} // namespace nn
} // namespace itk
