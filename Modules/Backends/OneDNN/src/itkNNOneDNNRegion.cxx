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

#include <algorithm>
#include <cstring>

namespace itk
{
namespace nn
{
namespace onednn
{
namespace
{
/** An axis along which runs of elements are copied. */
struct CopyAxis
{
  std::int64_t extent;
  std::int64_t from; ///< elements between neighbours
  std::int64_t to;
};

/** \class BoxCopy
 * \brief Copy of a box of elements between tensors of different strides. */
class BoxCopy
{
public:
  /** \param axes from the outermost to the innermost. */
  BoxCopy(const std::vector<CopyAxis> & axes, std::int64_t from, std::int64_t to)
    : m_From(from)
    , m_To(to)
  {
    for (std::size_t i = axes.size(); i-- > 0;)
    {
      const CopyAxis & axis = axes[i];
      if (axis.extent == 1)
      {
        continue;
      }
      if (m_Axes.empty() && axis.from == m_Run && axis.to == m_Run)
      {
        m_Run *= axis.extent;
      }
      else if (!m_Axes.empty() && axis.from == m_Axes.front().from * m_Axes.front().extent &&
               axis.to == m_Axes.front().to * m_Axes.front().extent)
      {
        m_Axes.front().extent *= axis.extent;
      }
      else
      {
        m_Axes.insert(m_Axes.begin(), axis);
      }
    }
    this->SplitLongRuns();
    for (const CopyAxis & axis : m_Axes)
    {
      m_Runs *= axis.extent;
    }
  }

  void Execute(const void * src, void * dst, unsigned int threads) const
  {
    const float * from = static_cast<const float *>(src) + m_From;
    float * to = static_cast<float *>(dst) + m_To;
    Parallel(m_Runs,
             threads,
             [&](std::int64_t begin, std::int64_t end)
             {
               switch (m_Run)
               {
                 case 1:
                   return this->Copy(from, to, begin, end, [] { return std::size_t{ 1 }; });
                 case 8:
                   return this->Copy(from, to, begin, end, [] { return std::size_t{ 8 }; });
                 case 16:
                   return this->Copy(from, to, begin, end, [] { return std::size_t{ 16 }; });
                 default:
                   return this->Copy(from, to, begin, end, [this] { return static_cast<std::size_t>(m_Run); });
               }
             });
  }

private:
  /** Something to share among the threads. */
  void SplitLongRuns()
  {
    constexpr std::int64_t shortest = 1024;
    std::int64_t pieces = 1;
    while (m_Run % 2 == 0 && m_Run > shortest)
    {
      m_Run /= 2;
      pieces *= 2;
    }
    m_Axes.push_back({ pieces, m_Run, m_Run });
  }

  /** \param length elements of a run, a constant for the usual ones. */
  template <typename TLength>
  void Copy(const float * from, float * to, std::int64_t begin, std::int64_t end, TLength length) const
  {
    const CopyAxis & inner = m_Axes.back();
    while (begin < end)
    {
      std::int64_t rest = begin;
      const float * source = from;
      float * target = to;
      for (std::size_t i = m_Axes.size(); i-- > 0;)
      {
        source += rest % m_Axes[i].extent * m_Axes[i].from;
        target += rest % m_Axes[i].extent * m_Axes[i].to;
        rest /= m_Axes[i].extent;
      }
      const std::int64_t count = std::min(inner.extent - begin % inner.extent, end - begin);
      for (std::int64_t i = 0; i < count; ++i)
      {
        std::memcpy(target + i * inner.to, source + i * inner.from, length() * sizeof(float));
      }
      begin += count;
    }
  }

  std::int64_t m_From;
  std::int64_t m_To;
  std::int64_t m_Run = 1;
  std::int64_t m_Runs = 1;
  std::vector<CopyAxis> m_Axes;
};

/** A box of a value, in the axes of a blocked layout. */
struct Box
{
  std::int64_t offset = 0;
  Shape extents;
  Shape strides;
};

Box
MakeBox(const Shape & shape, const Layout & layout, const Shape & begin, const Shape & step, const Shape & extents)
{
  Box box;
  box.extents = layout.GetPhysicalShape(extents);
  box.strides = ContiguousStrides(layout.GetPhysicalShape(shape));
  for (std::size_t i = 0; i < shape.size(); ++i)
  {
    const std::int64_t first = static_cast<int>(i) == layout.axis ? begin[i] / layout.GetBlock() : begin[i];
    box.offset += first * box.strides[i];
    box.strides[i] *= step[i];
  }
  return box;
}

BoxCopy
MakeCopy(const Box & from, const Box & to)
{
  std::vector<CopyAxis> axes;
  for (std::size_t i = 0; i < from.extents.size(); ++i)
  {
    axes.push_back({ from.extents[i], from.strides[i], to.strides[i] });
  }
  return BoxCopy(axes, from.offset, to.offset);
}

/** Why a box cannot be copied by whole blocks; empty when it can. */
std::string
GetUnsupportedReason(
  const Layout & layout, const Shape & shape, const Shape & begin, const Shape & step, const Shape & extents)
{
  const int block = layout.GetBlock();
  if (block == 0)
  {
    return "the reference backend copies " + layout.ToText() + " memory as well";
  }
  const auto axis = static_cast<std::size_t>(layout.axis);
  // The last block of all may be filled with zeros, which are copied too.
  const bool endsBlock = extents[axis] % block == 0 || begin[axis] + extents[axis] == shape[axis];
  return step[axis] == 1 && begin[axis] % block == 0 && endsBlock ? "" : "some channels of a block only";
}
} // namespace

Proposal
Propose(const Insertion & op, const OperatorCase & operatorCase)
{
  const Shape & shape = operatorCase.output.shape;
  const Operand & patch = operatorCase.inputs[1];
  const Layout layout = operatorCase.inputs[0].layout;
  const Shape ones(shape.size(), 1);
  std::string reason = GetUnsupportedReason(layout, shape, op.begin, op.step, patch.type.shape);
  if (!reason.empty() || patch.IsConstant())
  {
    return Proposal::Unsupported(reason.empty() ? "the constant patch is plain" : std::move(reason));
  }
  const Shape zeros(shape.size(), 0);
  const BoxCopy all = MakeCopy(MakeBox(shape, layout, zeros, ones, shape), MakeBox(shape, layout, zeros, ones, shape));
  const BoxCopy part = MakeCopy(MakeBox(patch.type.shape, layout, zeros, ones, patch.type.shape),
                                MakeBox(shape, layout, op.begin, op.step, patch.type.shape));
  const unsigned int threads = operatorCase.threads;
  Proposal proposal = Proposal::FromKernel(std::make_unique<FunctionKernel>(
                                             [all, part, threads](const KernelArguments & arguments)
                                             {
                                               // In place the source is there already.
                                               if (arguments.inputs[0] != arguments.output)
                                               {
                                                 all.Execute(arguments.inputs[0], arguments.output, threads);
                                               }
                                               part.Execute(arguments.inputs[1], arguments.output, threads);
                                             }),
                                           { layout, layout },
                                           layout);
  proposal.inPlaceInput = 0;
  return proposal;
}

Proposal
Propose(const Slice & op, const OperatorCase & operatorCase)
{
  const Shape & src = operatorCase.inputs[0].type.shape;
  const Shape & dst = operatorCase.output.shape;
  const Layout layout = operatorCase.inputs[0].layout;
  std::string reason = GetUnsupportedReason(layout, src, op.begin, op.step, dst);
  if (!reason.empty())
  {
    return Proposal::Unsupported(std::move(reason));
  }
  const Shape ones(dst.size(), 1);
  const Shape zeros(dst.size(), 0);
  const BoxCopy copy = MakeCopy(MakeBox(src, layout, op.begin, op.step, dst), MakeBox(dst, layout, zeros, ones, dst));
  const unsigned int threads = operatorCase.threads;
  return Proposal::FromKernel(
    std::make_unique<FunctionKernel>([copy, threads](const KernelArguments & arguments)
                                     { copy.Execute(arguments.inputs[0], arguments.output, threads); }),
    { layout },
    layout);
}
} // namespace onednn
} // namespace nn
} // namespace itk
