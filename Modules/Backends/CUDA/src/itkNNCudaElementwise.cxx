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
#include "itkNNCudaKernel.h"

#include <algorithm>

namespace itk
{
namespace nn
{
namespace cuda
{
namespace
{
constexpr const char * tooManyAxes = "the operands have too many axes that do not lie one in the other";

/** Axes of a value in the order in which they lie in memory. */
template <typename TContainer>
TContainer
InMemoryOrder(TContainer values, const Layout & layout)
{
  if (!layout.IsPlain())
  {
    const auto channels = values.begin() + layout.axis;
    std::rotate(channels, channels + 1, values.end());
  }
  return values;
}

} // namespace

ChainPasses::ChainPasses(ChainBuilder chain, const OperatorCase & operatorCase)
  : m_Type(ToElementType(operatorCase.output.type))
  , m_Chain(std::move(chain))
{}

bool
ChainPasses::Add(std::size_t part, const OperatorCase & operatorCase, const Shape & srcStrides, const Layout & layout)
{
  const Shape & shape = operatorCase.output.shape;
  SpaceBuilder builder(shape);
  builder.Add(GetStrides(shape, layout));
  builder.Add(srcStrides);
  for (const auto & operand : m_Chain.GetOperands(part))
  {
    const Layout own = AcceptedLayout(operatorCase.inputs[operand.input]);
    builder.Add(GetBroadcastStrides(operand.shape, own, shape));
  }
  if (!builder.Build())
  {
    return false;
  }
  const auto fill = [&](PointwiseParameters & p)
  {
    p.space = builder.GetSpace();
    p.dstStrides = builder.GetStrides(0);
    p.srcStrides = builder.GetStrides(1);
    p.chain = m_Chain.GetChain(part);
    for (std::size_t i = 0; i < m_Chain.GetOperands(part).size(); ++i)
    {
      p.chain.strides[i] = builder.GetStrides(i + 2);
    }
  };
  Pass pass{ part, {}, {} };
  fill(pass.parameters);
  if (builder.Pack(packWidth))
  {
    fill(pass.packed);
    pass.packed.isPacked = 1;
  }
  m_Passes.push_back(pass);
  return true;
}

void
ChainPasses::Launch(Stream & stream, const void * src, const KernelArguments & arguments) const
{
  for (const auto & pass : m_Passes)
  {
    const void * from = &pass == m_Passes.data() ? src : arguments.output;
    const auto & operands = m_Chain.GetOperands(pass.part);
    // Tensors of others may begin anywhere.
    const std::size_t bytes = packWidth * BytesOf(m_Type);
    const bool areAligned =
      IsAligned(from, bytes) && IsAligned(arguments.output, bytes) &&
      std::all_of(operands.begin(),
                  operands.end(),
                  [&](const ChainOperand & operand) { return IsAligned(arguments.inputs[operand.input], bytes); });
    PointwiseParameters p = pass.packed.isPacked != 0 && areAligned ? pass.packed : pass.parameters;
    p.src = from;
    p.dst = arguments.output;
    ChainBuilder::Bind(p.chain, operands, arguments);
    stream.Launch(KernelId::Pointwise, m_Type, p);
  }
}

namespace
{
/** Passes over memory, the first from an input. */
Proposal
ProposeChain(const std::vector<PostOperation> & operations, const OperatorCase & operatorCase)
{
  const Layout layout = GetCommonLayout(operatorCase);
  const Shape & shape = operatorCase.output.shape;
  const ChainBuilder chain(operations, GetOperands(operatorCase, 1));
  ChainPasses passes(chain, operatorCase);
  for (std::size_t part = 0; part < chain.GetNumberOfParts(); ++part)
  {
    const Operand & src = operatorCase.inputs[0];
    const Shape strides =
      part == 0 ? GetBroadcastStrides(src.type.shape, AcceptedLayout(src), shape) : nn::cuda::GetStrides(shape, layout);
    if (!passes.Add(part, operatorCase, strides, layout))
    {
      return Proposal::Unsupported(tooManyAxes);
    }
  }
  Proposal proposal = MakeProposal([passes](Stream & stream, const KernelArguments & arguments)
                                   { passes.Launch(stream, arguments.inputs[0], arguments); },
                                   GetAcceptedLayouts(operatorCase),
                                   layout);
  const bool isSame = operatorCase.inputs[0].type.shape == shape && AcceptedLayout(operatorCase.inputs[0]) == layout;
  proposal.inPlaceInput = isSame ? 0 : -1;
  return proposal;
}
} // namespace

std::vector<Layout>
GetAcceptedLayouts(const OperatorCase & operatorCase)
{
  std::vector<Layout> layouts;
  for (const auto & input : operatorCase.inputs)
  {
    layouts.push_back(AcceptedLayout(input));
  }
  return layouts;
}

PostOperations::PostOperations(const std::vector<PostOperation> & operations,
                               const OperatorCase & operatorCase,
                               std::size_t firstOperand,
                               const Layout & outputLayout)
  : m_Chain(operations, GetOperands(operatorCase, firstOperand))
  , m_Rest(m_Chain, operatorCase)
{
  const Shape & shape = operatorCase.output.shape;
  if (shape.size() > maximumRank)
  {
    m_Reason = tooManyAxes;
    return;
  }
  m_First = m_Chain.GetChain(0);
  m_FirstSpace = MakeSpace(InMemoryOrder(shape, outputLayout));
  for (std::size_t i = 0; i < m_Chain.GetOperands(0).size(); ++i)
  {
    const ChainOperand & operand = m_Chain.GetOperands(0)[i];
    const Layout own = AcceptedLayout(operatorCase.inputs[operand.input]);
    const Shape strides = InMemoryOrder(GetBroadcastStrides(operand.shape, own, shape), outputLayout);
    std::copy(strides.begin(), strides.end(), m_First.strides[i].of);
  }
  for (std::size_t part = 1; part < m_Chain.GetNumberOfParts(); ++part)
  {
    if (!m_Rest.Add(part, operatorCase, GetStrides(shape, outputLayout), outputLayout))
    {
      m_Reason = tooManyAxes;
    }
  }
}

void
PostOperations::GetFirst(Chain & chain, Space & space, const KernelArguments & arguments) const
{
  chain = m_First;
  space = m_FirstSpace;
  ChainBuilder::Bind(chain, m_Chain.GetOperands(0), arguments);
}

Proposal
Propose(const Unary & op, const OperatorCase & operatorCase)
{
  return ProposeChain({ { op } }, operatorCase);
}

Proposal
Propose(const Binary & op, const OperatorCase & operatorCase)
{
  return ProposeChain({ { op } }, operatorCase);
}

Proposal
Propose(const Pointwise & op, const OperatorCase & operatorCase)
{
  return ProposeChain(op.postOperations, operatorCase);
}

Proposal
Propose(const BitMask & op, const OperatorCase & operatorCase)
{
  const std::int64_t count = NumberOfElements(op.shape);
  const ElementType type = ToElementType(operatorCase.output.type);
  return MakeProposal(
    [count, type](Stream & stream, const KernelArguments & arguments)
    {
      BitMaskParameters p{};
      p.count = count;
      p.bits = static_cast<const std::uint8_t *>(arguments.inputs[0]);
      p.value = arguments.inputs[1];
      p.dst = arguments.output;
      stream.Launch(KernelId::BitMask, type, p);
    },
    std::vector<Layout>(2));
}
} // namespace cuda
} // namespace nn
} // namespace itk
