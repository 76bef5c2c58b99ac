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
#include "itkNNOneDNNPointwise.h"
#include "itkNNSimdInterpolation.h"

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
/** A weighted source position of a tap of the kernel, along one axis. */
struct Term
{
  std::int64_t tap;
  std::int64_t source;
  float weight;
};

/** What the outputs along one axis are sums of. */
struct Axis
{
  std::int64_t src = 1;
  std::int64_t dst = 1;
  std::int64_t kernel = 1;
  std::vector<std::vector<Term>> terms{ { { 0, 0, 1.0F } } }; ///< of each output
};

Axis
MakeAxis(const ShiftedInterpolation & op, std::size_t d, std::int64_t src, std::int64_t dst)
{
  Axis axis;
  axis.src = src;
  axis.dst = dst;
  axis.kernel = op.kernel[d];
  axis.terms.assign(static_cast<std::size_t>(dst), {});
  const std::int64_t size = op.interpolation.size[d];
  Interpolation interpolation = op.interpolation;
  interpolation.size = { size };
  const auto taps = InterpolationTaps(interpolation, src, size, DataType::Float32);
  for (std::int64_t i = 0; i < dst; ++i)
  {
    for (std::int64_t k = 0; k < axis.kernel; ++k)
    {
      const std::int64_t at = i + op.dilation[d] * k - op.padding[d];
      if (at < 0 || at >= size)
      {
        continue;
      }
      const InterpolationTap & tap = taps[static_cast<std::size_t>(at)];
      const auto high = static_cast<float>(tap.weight);
      for (const Term & term : { Term{ k, tap.low, 1 - high }, Term{ k, tap.high, high } })
      {
        if (term.weight != 0)
        {
          axis.terms[static_cast<std::size_t>(i)].push_back(term);
        }
      }
    }
  }
  return axis;
}

/** \class ShiftedInterpolationKernel
 * \brief One axis after the other: the innermost in coarse rows, where the taps
 * of a kernel row are summed already, then the rows of each output row.
 *
 * A thread keeps the coarse rows that the next output rows need in a ring. With
 * three axes the coarse rows are first blended from those of some slices.
 */
class ShiftedInterpolationKernel : public Kernel
{
public:
  ShiftedInterpolationKernel(const ShiftedInterpolation & op,
                             const OperatorCase & operatorCase,
                             const Layout & layout,
                             PostOperationChain chain)
    : m_Chain(std::move(chain))
    , m_HasPostOperations(!op.postOperations.empty())
    , m_Block(std::max(layout.GetBlock(), 1))
  {
    const Shape & src = operatorCase.inputs[0].type.shape;
    const Shape & dst = operatorCase.output.shape;
    const std::size_t rank = op.kernel.size();
    for (std::size_t d = 0; d < rank; ++d)
    {
      m_Axes[3 - rank + d] = MakeAxis(op, d, src[src.size() - rank + d], dst[dst.size() - rank + d]);
    }
    m_Planes = dst[dst.size() - rank - 1] / m_Block;
    m_Items = NumberOfElements(Shape(dst.begin(), dst.end() - static_cast<std::ptrdiff_t>(rank))) / m_Block *
              m_Axes[0].dst * m_Axes[1].dst;
    m_Parts = std::min<std::int64_t>(operatorCase.threads, m_Items);
    m_IsBlended = rank == 3;
    this->FindRows();
    this->MakeColumns();
    m_RingFloats = m_RingRows * m_Axes[1].kernel * m_Axes[2].dst * m_Block;
    const std::int64_t blendFloats = m_IsBlended ? m_Axes[1].kernel * m_Axes[2].kernel * m_Axes[2].src * m_Block : 0;
    constexpr std::int64_t line = 16;
    m_ScratchFloats = (m_RingFloats + blendFloats + line - 1) / line * line;
  }

  std::size_t GetScratchBytes() const override
  {
    return static_cast<std::size_t>(m_Parts * m_ScratchFloats) * sizeof(float);
  }

  void Execute(const KernelArguments & arguments) const override
  {
    std::vector<const void *> chained = arguments.inputs;
    chained[0] = arguments.output;
    Parallel(m_Parts,
             static_cast<unsigned int>(m_Parts),
             [&](std::int64_t begin, std::int64_t end)
             {
               Work work;
               work.src = static_cast<const float *>(arguments.inputs[0]);
               work.dst = static_cast<float *>(arguments.output);
               work.chained = &chained;
               work.ring = static_cast<float *>(arguments.scratch) + begin * m_ScratchFloats;
               work.blend = work.ring + m_RingFloats;
               const std::int64_t last = m_Items * end / m_Parts;
               const std::int64_t height = m_Axes[1].dst;
               for (std::int64_t item = m_Items * begin / m_Parts; item < last;)
               {
                 const std::int64_t y = item % height;
                 const std::int64_t rows = std::min(height - y, last - item);
                 this->ComputeRows(work, item / height, y, y + rows);
                 item += rows;
               }
             });
  }

private:
  /** Memory of one thread. */
  struct Work
  {
    const float * src = nullptr;
    float * dst = nullptr;
    const std::vector<const void *> * chained = nullptr;
    float * ring = nullptr;
    float * blend = nullptr;
    std::vector<const float *> from;
    std::vector<float *> to;
    std::vector<float> weights;
  };

  /** Which coarse rows an output row and those behind it need, and how many at once. */
  void FindRows()
  {
    const Axis & axis = m_Axes[1];
    m_FirstRow.assign(static_cast<std::size_t>(axis.dst), axis.src);
    m_EndRow.assign(static_cast<std::size_t>(axis.dst), 0);
    for (std::size_t y = 0; y < axis.terms.size(); ++y)
    {
      for (const Term & term : axis.terms[y])
      {
        m_FirstRow[y] = std::min(m_FirstRow[y], term.source);
        m_EndRow[y] = std::max(m_EndRow[y], term.source + 1);
      }
    }
    // A tap that only now enters the source starts at its first row again.
    for (std::size_t y = axis.terms.size() - 1; y-- > 0;)
    {
      m_FirstRow[y] = std::min(m_FirstRow[y], m_FirstRow[y + 1]);
    }
    std::int64_t end = 0;
    for (std::size_t y = 0; y < axis.terms.size(); ++y)
    {
      end = std::max(end, m_EndRow[y]);
      m_RingRows = std::max(m_RingRows, end - m_FirstRow[y]);
    }
  }

  void MakeColumns()
  {
    const Axis & axis = m_Axes[2];
    const std::int64_t distance =
      (m_IsBlended ? axis.src : m_Planes * m_Axes[0].src * m_Axes[1].src * axis.src) * m_Block;
    for (const auto & terms : axis.terms)
    {
      for (const Term & term : terms)
      {
        m_Columns.AddTerm(term.tap * distance + term.source * m_Block, term.weight);
      }
      m_Columns.FinishSum();
    }
  }

  /** A coarse row of one tap. group: the plane and slice of the output. */
  const float * GetSourceRow(const Work & work,
                             std::int64_t group,
                             std::int64_t tapZ,
                             std::int64_t tapYX,
                             std::int64_t slice,
                             std::int64_t row) const
  {
    const std::int64_t plane = group / m_Axes[0].dst;
    const std::int64_t tapsYX = m_Axes[1].kernel * m_Axes[2].kernel;
    const std::int64_t tap = (plane / m_Planes * m_Axes[0].kernel + tapZ) * tapsYX + tapYX;
    const std::int64_t source = tap * m_Planes + plane % m_Planes;
    return work.src + ((source * m_Axes[0].src + slice) * m_Axes[1].src + row) * m_Axes[2].src * m_Block;
  }

  /** Where the sums of a row of the kernel over a coarse row are. */
  float * GetRingRow(const Work & work, std::int64_t tapY, std::int64_t row) const
  {
    return work.ring + (row % m_RingRows * m_Axes[1].kernel + tapY) * m_Axes[2].dst * m_Block;
  }

  void MakeCoarseRow(Work & work, std::int64_t group, std::int64_t row) const
  {
    const std::int64_t tapsY = m_Axes[1].kernel;
    const std::int64_t tapsX = m_Axes[2].kernel;
    if (m_IsBlended)
    {
      const auto & slices = m_Axes[0].terms[static_cast<std::size_t>(group % m_Axes[0].dst)];
      const std::int64_t width = m_Axes[2].src * m_Block;
      for (std::int64_t tap = 0; tap < tapsY * tapsX; ++tap)
      {
        work.from.clear();
        work.weights.clear();
        for (const Term & term : slices)
        {
          work.from.push_back(this->GetSourceRow(work, group, term.tap, tap, term.source, row));
          work.weights.push_back(term.weight);
        }
        simd::SumRows(work.from.data(),
                      work.weights.data(),
                      static_cast<std::int64_t>(slices.size()),
                      work.blend + tap * width,
                      width);
      }
    }
    work.from.clear();
    work.to.clear();
    for (std::int64_t tapY = 0; tapY < tapsY; ++tapY)
    {
      const std::int64_t tap = tapY * tapsX;
      work.from.push_back(m_IsBlended ? work.blend + tap * m_Axes[2].src * m_Block
                                      : this->GetSourceRow(work, group, 0, tap, 0, row));
      work.to.push_back(this->GetRingRow(work, tapY, row));
    }
    simd::SumColumns(m_Columns, work.from.data(), work.to.data(), tapsY, m_Block);
  }

  /** The output rows [begin, end) of a group. */
  void ComputeRows(Work & work, std::int64_t group, std::int64_t begin, std::int64_t end) const
  {
    const std::int64_t width = m_Axes[2].dst * m_Block;
    const std::int64_t offset = group * m_Axes[1].dst * width;
    std::int64_t next = 0;
    for (std::int64_t y = begin; y < end; ++y)
    {
      const auto at = static_cast<std::size_t>(y);
      for (next = std::max(next, m_FirstRow[at]); next < m_EndRow[at]; ++next)
      {
        this->MakeCoarseRow(work, group, next);
      }
      work.from.clear();
      work.weights.clear();
      for (const Term & term : m_Axes[1].terms[at])
      {
        work.from.push_back(this->GetRingRow(work, term.tap, term.source));
        work.weights.push_back(term.weight);
      }
      simd::SumRows(work.from.data(),
                    work.weights.data(),
                    static_cast<std::int64_t>(work.from.size()),
                    work.dst + offset + y * width,
                    width);
      if (m_HasPostOperations)
      {
        m_Chain.ExecuteRange(*work.chained, work.dst, offset + y * width, offset + (y + 1) * width);
      }
    }
  }

  PostOperationChain m_Chain;
  bool m_HasPostOperations;
  std::int64_t m_Block;
  std::array<Axis, 3> m_Axes;
  std::int64_t m_Planes; ///< channels, or blocks of channels, of an image of the output
  std::int64_t m_Items;  ///< output rows
  std::int64_t m_Parts;
  bool m_IsBlended;
  std::vector<std::int64_t> m_FirstRow;
  std::vector<std::int64_t> m_EndRow;
  std::int64_t m_RingRows = 1;
  std::int64_t m_RingFloats;
  std::int64_t m_ScratchFloats;
  simd::WeightedSums m_Columns;
};

/** Whether all operands can be read in a layout of the result. */
bool
Fits(const Layout & layout, const OperatorCase & operatorCase, const std::vector<ValueType> & chained)
{
  for (std::size_t i = 1; i < operatorCase.inputs.size(); ++i)
  {
    const Operand & operand = operatorCase.inputs[i];
    // Constants are plain and stay so.
    if (operand.IsConstant() &&
        !PostOperationChain::GetInputLayout(operand.type, operatorCase.output, layout).IsPlain())
    {
      return false;
    }
  }
  return PostOperationChain::GetUnsupportedReason(chained, operatorCase.output, layout).empty();
}
} // namespace

Proposal
Propose(const ShiftedInterpolation & op, const OperatorCase & operatorCase)
{
  const Shape & dst = operatorCase.output.shape;
  const std::size_t channelAxis = dst.size() - op.kernel.size() - 1;
  std::vector<ValueType> chained{ operatorCase.output };
  for (std::size_t i = 1; i < operatorCase.inputs.size(); ++i)
  {
    chained.push_back(operatorCase.inputs[i].type);
  }
  // The taps' channels have to begin with a block each.
  const int axis = static_cast<int>(channelAxis);
  Layout layout;
  for (const Layout & candidate :
       { operatorCase.inputs[0].layout, Layout{ GetBlockedKind(), axis }, Layout{ Layout::Kind::Blocked8, axis } })
  {
    const int block = candidate.GetBlock();
    if (layout.IsPlain() && block != 0 && candidate.axis == axis && dst[channelAxis] % block == 0 &&
        Fits(candidate, operatorCase, chained))
    {
      layout = candidate;
    }
  }
  std::vector<Layout> layouts{ layout };
  for (std::size_t i = 1; i < chained.size(); ++i)
  {
    layouts.push_back(PostOperationChain::GetInputLayout(chained[i], operatorCase.output, layout));
  }
  PostOperationChain chain(op.postOperations, chained, operatorCase.output, layout);
  return Proposal::FromKernel(
    std::make_unique<ShiftedInterpolationKernel>(op, operatorCase, layout, std::move(chain)), layouts, layout);
}
} // namespace onednn
} // namespace nn
} // namespace itk
