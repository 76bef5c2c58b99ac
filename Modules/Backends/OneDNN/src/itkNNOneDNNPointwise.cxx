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
#include "itkNNOneDNNPointwise.h"

#include "itkNNOneDNNCommon.h"

#include <algorithm>
#include <array>

namespace itk
{
namespace nn
{
namespace onednn
{
namespace
{
/** Elements that are treated at once: they stay in the first cache when the
 * chain takes more than one pass. */
constexpr std::int64_t usualChunk = 2048;

/** Steps that one pass takes. */
constexpr std::size_t maximumSteps = 8;

/** The kernel's form of an operation; false when it has none. */
bool
Translate(const PostOperation & post, simd::PointwiseStep & step)
{
  using Function = simd::PointwiseFunction;
  if (const auto * unary = std::get_if<Unary>(&post.operation))
  {
    step.alpha = static_cast<float>(unary->alpha);
    step.beta = static_cast<float>(unary->beta);
    switch (unary->function)
    {
      case UnaryFunction::Relu:
        step.function = Function::Relu;
        return true;
      case UnaryFunction::LeakyRelu:
        step.function = Function::LeakyRelu;
        return true;
      case UnaryFunction::Linear:
        step.function = Function::Linear;
        return true;
      case UnaryFunction::Gelu:
        step.function = Function::Gelu;
        return true;
      default:
        return false;
    }
  }
  const auto & binary = std::get<Binary>(post.operation);
  step.alpha = static_cast<float>(binary.alpha);
  switch (binary.function)
  {
    case BinaryFunction::Add:
      step.function = Function::Add;
      return true;
    case BinaryFunction::Subtract:
      step.function = Function::Subtract;
      return true;
    case BinaryFunction::Multiply:
      step.function = Function::Multiply;
      return true;
    case BinaryFunction::PRelu:
      step.function = Function::PRelu;
      return true;
    case BinaryFunction::Gate:
      step.function = Function::Gate;
      return true;
    default:
      return false;
  }
}

/** Any operation, in place. */
void
ApplyAny(
  const PostOperation & post, const simd::PointwiseStep & step, std::int64_t period, float * to, std::int64_t count)
{
  if (const auto * unary = std::get_if<Unary>(&post.operation))
  {
    for (std::int64_t i = 0; i < count; ++i)
    {
      to[i] = Evaluate(*unary, to[i]);
    }
    return;
  }
  const auto & binary = std::get<Binary>(post.operation);
  for (std::int64_t i = 0; i < count; ++i)
  {
    const std::int64_t element = step.access == simd::PointwiseAccess::Whole    ? i
                               : step.access == simd::PointwiseAccess::Periodic ? i % period
                                                                                : 0;
    to[i] = Evaluate(binary, to[i], step.operand[element]);
  }
}

/** Whether a value has the result's extents from the channels on. */
bool
IsWhole(const Shape & shape, const ValueType & result, const Layout & layout)
{
  return std::equal(shape.begin() + layout.axis, shape.end(), result.shape.begin() + layout.axis);
}
} // namespace

std::int64_t
PostOperationChain::Access::GetOffset(const Shape & outer, std::int64_t position) const
{
  std::int64_t offset = 0;
  for (std::size_t d = outer.size(); d-- > 0;)
  {
    offset += position % outer[d] * strides[d];
    position /= outer[d];
  }
  return offset;
}

PostOperationChain::Access
PostOperationChain::MakePlainAccess(const ValueType & input) const
{
  const Shape shape = WithLeadingOnes(input.shape, m_Result.shape.size());
  Access access;
  access.strides = ContiguousStrides(shape);
  for (std::size_t i = 0; i < shape.size(); ++i)
  {
    access.strides[i] = shape[i] == 1 ? 0 : access.strides[i];
  }
  return access;
}

PostOperationChain::Access
PostOperationChain::MakeChannelAccess(const ValueType & input) const
{
  const Shape shape = WithLeadingOnes(input.shape, m_Result.shape.size());
  const auto channelAxis = static_cast<std::size_t>(m_Layout.axis);
  // A run has a block of channels, or all of them where they come last.
  const bool isBlocked = m_Block > 0;
  const std::int64_t blocks = isBlocked ? m_Outer[channelAxis] : 1;
  const std::int64_t channels = shape[channelAxis];
  Access access;
  access.strides.assign(m_Outer.size(), 0);
  std::int64_t slice = channels;
  std::int64_t blockStride = 0;
  if (IsWhole(shape, m_Result, m_Layout))
  {
    slice = m_Run * blocks;
    blockStride = m_Run;
  }
  else if (channels == 1)
  {
    access.mode = Mode::Scalar;
  }
  else
  {
    access.mode = Mode::Periodic;
    slice = isBlocked ? m_Block * blocks : m_Chunk;
    blockStride = m_Block;
    if (slice != channels)
    {
      access.rowLength = slice;
      access.rows = NumberOfElements(shape) / channels;
    }
  }
  if (isBlocked)
  {
    access.strides[channelAxis] = blockStride;
  }
  for (std::size_t i = channelAxis; i-- > 0;)
  {
    access.strides[i] = shape[i] == 1 ? 0 : slice;
    slice *= shape[i];
  }
  return access;
}

std::string
PostOperationChain::GetUnsupportedReason(const std::vector<ValueType> & values,
                                         const ValueType & result,
                                         const Layout & layout)
{
  for (const auto & value : values)
  {
    const Shape shape = WithLeadingOnes(value.shape, result.shape.size());
    if (layout.IsPlain() || IsWhole(shape, result, layout))
    {
      continue;
    }
    const std::int64_t channels = shape[static_cast<std::size_t>(layout.axis)];
    const bool isPerChannel =
      std::all_of(shape.begin() + layout.axis + 1, shape.end(), [](std::int64_t extent) { return extent == 1; });
    if (!isPerChannel || (channels != 1 && channels != result.shape[static_cast<std::size_t>(layout.axis)]))
    {
      return "the operand " + ToString(value.shape) + " repeats along some of the last axes of " +
             ToString(result.shape);
    }
  }
  return "";
}

Layout
PostOperationChain::GetInputLayout(const ValueType & input, const ValueType & result, const Layout & layout)
{
  if (layout.IsPlain() || !IsWhole(WithLeadingOnes(input.shape, result.shape.size()), result, layout))
  {
    return {};
  }
  Layout own = layout;
  own.axis -= static_cast<int>(result.shape.size() - input.shape.size());
  return own;
}

PostOperationChain::PostOperationChain(std::vector<PostOperation> operations,
                                       const std::vector<ValueType> & inputs,
                                       const ValueType & result,
                                       const Layout & layout)
  : m_Operations(std::move(operations))
  , m_Result(result)
  , m_Layout(layout)
  , m_Block(layout.GetBlock())
  , m_Chunk(usualChunk)
{
  if (layout.IsPlain())
  {
    m_Outer = result.shape;
    for (const auto & input : inputs)
    {
      m_Accesses.push_back(this->MakePlainAccess(input));
    }
    this->FindPlainRun();
    return;
  }
  const Shape physical = layout.GetPhysicalShape(result.shape);
  if (layout.kind == Layout::Kind::ChannelsLast)
  {
    const std::int64_t channels = std::max<std::int64_t>(physical.back(), 1);
    m_Chunk = channels * std::max<std::int64_t>(usualChunk / channels, 1);
  }
  const auto run = physical.begin() + layout.axis + (m_Block > 0 ? 1 : 0);
  m_Outer.assign(physical.begin(), run);
  m_Run = NumberOfElements(Shape(run, physical.end()));
  for (const auto & input : inputs)
  {
    m_Accesses.push_back(this->MakeChannelAccess(input));
  }
}

/** The longest end of the axes in which every input is whole or one value. */
void
PostOperationChain::FindPlainRun()
{
  const auto extendsRun = [this](std::size_t axis)
  {
    return std::all_of(m_Accesses.begin(),
                       m_Accesses.end(),
                       [&](const Access & access)
                       { return access.strides[axis] == (access.mode == Mode::Scalar ? 0 : m_Run); });
  };
  while (!m_Outer.empty())
  {
    const std::size_t axis = m_Outer.size() - 1;
    const std::int64_t extent = m_Outer[axis];
    if (extent != 1)
    {
      if (m_Run == 1)
      {
        for (auto & access : m_Accesses)
        {
          access.mode = access.strides[axis] == 0 ? Mode::Scalar : Mode::Whole;
        }
      }
      if (!extendsRun(axis))
      {
        break;
      }
      m_Run *= extent;
    }
    m_Outer.pop_back();
  }
}

std::vector<float>
PostOperationChain::MakeRows(const Access & access, const float * values) const
{
  const std::int64_t channels = m_Result.shape[static_cast<std::size_t>(m_Layout.axis)];
  std::vector<float> rows(static_cast<std::size_t>(access.rows * access.rowLength), 0.0F);
  for (std::int64_t row = 0; row < access.rows; ++row)
  {
    const std::int64_t end = m_Block == 0 ? access.rowLength : channels;
    for (std::int64_t i = 0; i < end; i += channels)
    {
      std::copy_n(values + row * channels, channels, rows.begin() + row * access.rowLength + i);
    }
  }
  return rows;
}

void
PostOperationChain::ExecuteChunk(const std::vector<const float *> & inputs,
                                 float * to,
                                 std::int64_t position,
                                 std::int64_t first,
                                 std::int64_t count) const
{
  const auto locate = [&](std::size_t input)
  {
    const Access & access = m_Accesses[input];
    return inputs[input] + access.GetOffset(m_Outer, position) + (access.mode == Mode::Whole ? first : 0);
  };
  // A row is as long as a chunk where channels come last.
  const auto modeOf = [this](std::size_t input)
  {
    const Access & access = m_Accesses[input];
    return access.mode == Mode::Periodic && m_Block == 0 ? Mode::Whole : access.mode;
  };
  // Steps that wait for their pass over memory.
  std::array<simd::PointwiseStep, maximumSteps> steps;
  std::size_t waiting = 0;
  const float * from = locate(0);
  Mode mode = modeOf(0);
  const auto run = [&]
  {
    if (waiting != 0 || from != to)
    {
      simd::ApplyPointwise(from, mode, steps.data(), static_cast<std::int64_t>(waiting), m_Block, to, count);
    }
    waiting = 0;
    from = to;
    mode = Mode::Whole;
  };
  std::size_t operand = 1;
  for (const auto & post : m_Operations)
  {
    simd::PointwiseStep step;
    if (std::holds_alternative<Binary>(post.operation))
    {
      step.operand = locate(operand);
      step.access = modeOf(operand);
      ++operand;
    }
    if (!Translate(post, step))
    {
      run();
      ApplyAny(post, step, m_Block, to, count);
      continue;
    }
    if (waiting == steps.size())
    {
      run();
    }
    steps[waiting++] = step;
  }
  run();
  // Channels that only fill a block stay zero.
  const std::int64_t used = m_Block == 0 ? 0 : m_Result.shape[static_cast<std::size_t>(m_Layout.axis)] % m_Block;
  if (used != 0 && position % m_Outer.back() == m_Outer.back() - 1)
  {
    for (std::int64_t i = 0; i < count; i += m_Block)
    {
      std::fill(to + i + used, to + i + m_Block, 0.0F);
    }
  }
}

void
PostOperationChain::ExecuteRange(const std::vector<const void *> & inputs,
                                 float * dst,
                                 std::int64_t begin,
                                 std::int64_t end) const
{
  std::vector<const float *> values;
  std::vector<std::vector<float>> rows;
  for (std::size_t i = 0; i < inputs.size(); ++i)
  {
    values.push_back(static_cast<const float *>(inputs[i]));
    if (m_Accesses[i].rowLength > 0)
    {
      rows.push_back(this->MakeRows(m_Accesses[i], values.back()));
      values.back() = rows.back().data();
    }
  }
  while (begin < end)
  {
    const std::int64_t first = begin % m_Run;
    const std::int64_t count = std::min({ m_Chunk, m_Run - first, end - begin });
    this->ExecuteChunk(values, dst + begin, begin / m_Run, first, count);
    begin += count;
  }
}

void
PostOperationChain::Execute(const std::vector<const void *> & inputs, void * dst, unsigned int threads) const
{
  const std::int64_t elements = NumberOfElements(m_Outer) * m_Run;
  Parallel(
    (elements + m_Chunk - 1) / m_Chunk,
    threads,
    [&](std::int64_t begin, std::int64_t end)
    { this->ExecuteRange(inputs, static_cast<float *>(dst), begin * m_Chunk, std::min(end * m_Chunk, elements)); });
}

namespace
{
/** An operator by a kernel and its post-operations by a pass over the result. */
class TwoStepKernel : public Kernel
{
public:
  TwoStepKernel(std::unique_ptr<Kernel> first, std::size_t inputs, PostOperationChain chain, unsigned int threads)
    : m_First(std::move(first))
    , m_Inputs(inputs)
    , m_Chain(std::move(chain))
    , m_Threads(threads)
  {}

  std::size_t GetScratchBytes() const override
  {
    return m_First->GetScratchBytes();
  }

  bool ReadsInput(std::size_t input) const override
  {
    return input >= m_Inputs || m_First->ReadsInput(input);
  }

  void Execute(const KernelArguments & arguments) const override
  {
    const auto firstOperand = arguments.inputs.begin() + static_cast<std::ptrdiff_t>(m_Inputs);
    KernelArguments own = arguments;
    own.inputs.assign(arguments.inputs.begin(), firstOperand);
    m_First->Execute(own);
    std::vector<const void *> chained{ arguments.output };
    chained.insert(chained.end(), firstOperand, arguments.inputs.end());
    m_Chain.Execute(chained, arguments.output, m_Threads);
  }

private:
  std::unique_ptr<Kernel> m_First;
  std::size_t m_Inputs;
  PostOperationChain m_Chain;
  unsigned int m_Threads;
};
} // namespace

Proposal
ProposeTwoSteps(const OperatorCase & operatorCase,
                std::size_t inputs,
                const std::function<Proposal(const OperatorCase &)> & propose)
{
  const std::vector<PostOperation> operations = *GetPostOperations(operatorCase.op);
  Operator bareOperator = operatorCase.op;
  GetPostOperations(bareOperator)->clear();
  OperatorCase bareCase{ bareOperator,
                         { operatorCase.inputs.begin(),
                           operatorCase.inputs.begin() + static_cast<std::ptrdiff_t>(inputs) },
                         operatorCase.output,
                         operatorCase.threads,
                         operatorCase.weights };
  Proposal proposal = propose(bareCase);
  if (!proposal.IsSupported())
  {
    return proposal;
  }
  const Layout layout = proposal.outputLayout;
  std::vector<ValueType> chained{ operatorCase.output };
  for (std::size_t i = inputs; i < operatorCase.inputs.size(); ++i)
  {
    const Operand & operand = operatorCase.inputs[i];
    chained.push_back(operand.type);
    proposal.inputLayouts.push_back(PostOperationChain::GetInputLayout(operand.type, operatorCase.output, layout));
    if (operand.IsConstant() && !proposal.inputLayouts.back().IsPlain())
    {
      return Proposal::Unsupported("a constant operand is plain");
    }
  }
  std::string reason = PostOperationChain::GetUnsupportedReason(chained, operatorCase.output, layout);
  if (!reason.empty())
  {
    return Proposal::Unsupported(std::move(reason));
  }
  proposal.kernel =
    std::make_unique<TwoStepKernel>(std::move(proposal.kernel),
                                    inputs,
                                    PostOperationChain(operations, chained, operatorCase.output, layout),
                                    operatorCase.threads);
  proposal.detail += "+pointwise";
  return proposal;
}

Proposal
Propose(const Pointwise & op, const OperatorCase & operatorCase)
{
  const ValueType & result = operatorCase.output;
  std::vector<ValueType> types;
  Layout layout;
  for (const auto & input : operatorCase.inputs)
  {
    types.push_back(input.type);
    if (layout.IsPlain() && input.type.shape == result.shape)
    {
      layout = input.layout;
    }
  }
  // Constants are plain and stay so.
  const bool needsReorder = std::any_of(
    operatorCase.inputs.begin(),
    operatorCase.inputs.end(),
    [&](const Operand & input)
    { return input.IsConstant() && !PostOperationChain::GetInputLayout(input.type, result, layout).IsPlain(); });
  if (needsReorder || !PostOperationChain::GetUnsupportedReason(types, result, layout).empty())
  {
    layout = {};
  }
  std::vector<Layout> layouts;
  for (const auto & type : types)
  {
    layouts.push_back(PostOperationChain::GetInputLayout(type, result, layout));
  }
  const unsigned int threads = operatorCase.threads;
  Proposal proposal = Proposal::FromKernel(
    std::make_unique<FunctionKernel>(
      [chain = PostOperationChain(op.postOperations, types, result, layout), threads](const KernelArguments & arguments)
      { chain.Execute(arguments.inputs, arguments.output, threads); }),
    layouts,
    layout);
  proposal.inPlaceInput = types.front().shape == result.shape ? 0 : -1;
  return proposal;
}
} // namespace onednn
} // namespace nn
} // namespace itk
